package failover

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/linux/gate"
	"github.com/evenkeel/evenkeel/linux/netif"
	"github.com/evenkeel/evenkeel/linux/realtime"
	"github.com/evenkeel/evenkeel/vrrp"
)

// setLinks replaces what is known of the interfaces.
func (r *router) setLinks(links []netif.Link) {
	clear(r.links)
	clear(r.linkIndex)
	for _, l := range links {
		r.links[l.Index] = l
		r.linkIndex[l.Name] = l.Index
	}
}

func (r *router) link(name string) (netif.Link, bool) {
	l, ok := r.links[r.linkIndex[name]]
	return l, ok && l.Name == name
}

// linkEvents follows the kernel's news about interfaces and addresses.
func (r *router) linkEvents() {
	events, err := r.monitor.Read(r.events[:0])
	if err != nil {
		r.logf(LevelError, "watching interfaces: %v", err)
	}
	r.events = events
	look := false
	var stripped []int // interfaces that have lost filters
	for i := range events {
		ev := &events[i]
		switch ev.Kind {
		case netif.LinkChanged:
			r.linkChanged(ev)
			look = look || r.concerns(ev.Link.Name) || r.concerns(ev.OldName) // others come and go by the hundred
		case netif.LinkGone:
			r.linkGone(ev.Link)
			look = look || r.concerns(ev.Link.Name)
		case netif.AddressAdded:
			look = r.mayBeSource(ev) || r.links[ev.Ifindex].Loopback || look
		case netif.AddressRemoved:
			r.addressRemoved(*ev)
			look = r.mayBeSource(ev) || r.links[ev.Ifindex].Loopback || look
		case netif.FilterRemoved:
			if !slices.Contains(stripped, ev.Ifindex) {
				stripped = append(stripped, ev.Ifindex)
			}
		case netif.Resync:
			r.logf(LevelWarning, "the kernel's news about interfaces were lost; looking again")
			r.setLinks(ev.Links)
			for _, l := range ev.Links {
				r.cover(l)
				r.verifyGate(l.Index)
				if r.concerns(l.Name) {
					r.lendAll(l)
				}
			}
			r.checkAssigned()
			look = true
		}
	}
	for _, ifindex := range stripped { // once each: a shaper renews its filters by the thousand
		r.verifyGate(ifindex)
	}
	if look {
		r.refreshAddrs()
		r.listVirtual()
		r.refreshAll()
		r.serve()
	}
}

// serve tells the gates which addresses this machine has on its loopback interface: those
// it serves as a real server for the master.
func (r *router) serve() {
	var addrs []netip.Addr
	for _, l := range r.links {
		if !l.Loopback {
			continue
		}
		for _, p := range l.Addrs {
			if !p.Addr().IsLoopback() {
				addrs = append(addrs, p.Addr())
			}
		}
	}
	if err := r.gates.Serve(addrs); err != nil {
		r.logf(LevelWarning, "%v", err)
	}
}

// mayBeSource reports whether the address of an event is, or was, one that
// adverts may come from: a configured source, wherever it is, or not a virtual one, on an
// interface where an instance without a configured source lives. A takeover of many
// addresses is news of nothing but virtual ones.
func (r *router) mayBeSource(ev *netif.Event) bool {
	ip := ev.Prefix.Addr()
	return slices.ContainsFunc(r.instances, func(m *instance) bool {
		if s := m.cfg.McastSource; s.IsValid() {
			return s == ip
		}
		return m.ifindex == ev.Ifindex && m.cfg.IPv6 == ip.Is6() && !r.isVirtual(ip, ev.Ifindex)
	})
}

func (r *router) linkChanged(ev *netif.Event) {
	l := ev.Link
	old, known := r.links[l.Index]
	l.Addrs = old.Addrs
	if ev.OldName != "" && ev.OldName != l.Name {
		delete(r.linkIndex, ev.OldName)
	}
	r.links[l.Index] = l
	r.linkIndex[l.Name] = l.Index
	if !known || old.Master != l.Master {
		r.cover(l)
	}
	if a := r.announcers[l.Index]; a != nil && len(l.HardwareAddr) == 6 &&
		l.HardwareAddr.String() != old.HardwareAddr.String() {
		a.SetHardwareAddr(l.HardwareAddr)
	}
	if known && old.Up == l.Up && old.Name == l.Name {
		return
	}
	if r.concerns(l.Name) {
		r.logf(LevelInfo, "Netlink reports %s %s", l.Name, updown(l.Up))
		r.lendAll(l)
	}
}

func (r *router) linkGone(l netif.Link) {
	if r.concerns(l.Name) {
		r.logf(LevelWarning, "interface %s is gone", l.Name)
	}
	for _, m := range r.instances { // its addresses went with it
		m.assigned = slices.DeleteFunc(m.assigned, func(a netif.Assignment) bool { return a.Ifindex == l.Index })
	}
	delete(r.links, l.Index)
	if r.linkIndex[l.Name] == l.Index {
		delete(r.linkIndex, l.Name)
	}
	if a := r.announcers[l.Index]; a != nil {
		a.Close()
		delete(r.announcers, l.Index)
	}
	r.gates.Uncover(l.Index)
}

// cover puts the lease gate on an interface that has appeared: the kernel
// answers for an address on every one.
func (r *router) cover(l netif.Link) {
	if l.Loopback {
		return
	}
	if err := r.gates.Cover(l.Index); err != nil {
		r.logf(LevelError, "lease gate on %s: %v", l.Name, err)
	}
}

// gateRetry is after what time a gate that could not be put back is retried.
const gateRetry = time.Second

// verifyGate puts the lease gate back where somebody has taken it away: without it the kernel would answer for us
// when we hang.
func (r *router) verifyGate(ifindex int) {
	putBack, err := r.gates.Verify(ifindex)
	name := r.links[ifindex].Name
	switch {
	case err != nil:
		awaited, known := r.ungated[ifindex]
		if !known { // said once until it is back
			r.logf(LevelError, "the lease gate on %s was removed by someone else and cannot be put back: %v", name, err)
		}
		if !awaited {
			r.ungated[ifindex] = true
			time.AfterFunc(gateRetry, func() {
				_ = r.engine.post(func(vrrp.Time) {
					r.ungated[ifindex] = false
					r.verifyGate(ifindex)
				})
			})
		}
		return
	case putBack:
		r.logf(LevelWarning, "the lease gate on %s was removed by someone else; it is back", name)
	}
	delete(r.ungated, ifindex)
}

// lendAll sets masters' addresses on an interface that was absent when they became master, or down: then the kernel
// may have dropped them, and nobody was told of those that are not tracked.
func (r *router) lendAll(l netif.Link) {
	r.listVirtual()
	for _, m := range r.instances {
		if m.state == vrrp.Master {
			m.assigned = slices.DeleteFunc(m.assigned, func(a netif.Assignment) bool {
				return a.Ifindex == l.Index && a.Addr.NoTrack && l.Up
			})
			r.lend(m)
		}
	}
}

// checkAssigned compares what masters have set with what is there.
func (r *router) checkAssigned() {
	for _, m := range r.instances {
		if m.state != vrrp.Master {
			continue
		}
		for _, a := range m.assigned {
			if !a.Addr.NoTrack && !has(r.links[a.Ifindex].Addrs, a.Addr.Prefix) {
				r.carry(r.machine.AddressLost(vrrp.Time(realtime.Now()), m.id, nil))
				break
			}
		}
	}
}

// concerns reports whether an interface matters to anyone here.
func (r *router) concerns(name string) bool {
	for _, m := range r.instances {
		if m.cfg.Interface == name {
			return true
		}
		for _, t := range r.interfaceTrackers(m) {
			if t.Name == name {
				return true
			}
		}
		if slices.ContainsFunc(addresses(m.cfg), func(a config.Address) bool { return device(m.cfg, a) == name }) {
			return true
		}
	}
	return false
}

// refreshAddrs reads the interfaces' addresses again: events carry none. Whatever else the kernel says here is news of
// its own, which comes in its order: taken now, a device that went down and came up again would not have changed when
// that is told.
func (r *router) refreshAddrs() {
	links, err := r.conn.Links()
	if err != nil {
		r.logf(LevelError, "listing interfaces: %v", err)
		return
	}
	for _, l := range links {
		if known, ok := r.links[l.Index]; ok {
			known.Addrs = l.Addrs
			r.links[l.Index] = known
		}
	}
}

// refreshAll brings every instance up to date with interfaces and trackers.
func (r *router) refreshAll() {
	for _, m := range r.instances {
		r.refresh(m)
	}
}

// refresh works out an instance's interface, source, faults and weight, and
// tells the machine what has changed.
func (r *router) refresh(m *instance) {
	var faults vrrp.Faults
	m.faults = m.faults[:0]
	fault := func(f vrrp.Faults, format string, args ...any) {
		faults |= f
		m.faults = append(m.faults, fmt.Sprintf(format, args...))
	}
	link, present := r.link(m.cfg.Interface)
	if !present && (m.cfg.Interface != "" || !m.cfg.McastSource.IsValid()) {
		fault(vrrp.FaultInterface, "interface %s does not exist", m.cfg.Interface)
		r.unlisten(m)
		m.ifindex = 0
	} else {
		if m.gate != nil && m.gate.Key().Ifindex != link.Index {
			if err := m.gate.SetInterface(link.Index); err != nil {
				fault(vrrp.FaultGate, "lease gate: %v", err)
			}
		}
		m.ifindex = link.Index
		if present && !link.Up && !m.cfg.DontTrackPrimary {
			fault(vrrp.FaultInterface, "interface %s is down", m.cfg.Interface)
		}
		source := r.sourceOf(m, link)
		// Without one, the last stays: the others know us by it, and a resignation from any other address is ignored.
		if source.IsValid() && source != m.source {
			m.source = source
			r.reconfigure(m)
		}
		if m.sourceless = !source.IsValid(); m.sourceless {
			fault(vrrp.FaultNoSource, "%s", missingSource(m.cfg))
		} else if err := r.listen(m, link); err != nil {
			fault(vrrp.FaultDuplicate, "interface %s: %v", m.cfg.Interface, err)
		}
	}
	r.trackDevices(m, fault)
	r.reguard(m)
	if problem := r.gateProblem(m); problem != "" {
		fault(vrrp.FaultGate, "%s", problem)
	}
	weight := r.trackers(m, fault)
	now := vrrp.Time(realtime.Now())
	before := r.machine.Status(m.id).Faults
	r.carry(r.machine.SetWeight(now, m.id, weight, nil))
	if len(m.faults) > 0 && m.state != vrrp.Fault && faults&^vrrp.FaultPending != 0 && faults != before {
		r.logf(LevelWarning, "(%s) %s", m.cfg.Name, strings.Join(m.faults, "; "))
	}
	r.carry(r.machine.SetFaults(now, m.id, faults, nil))
}

// missingSource says which address is not there.
func missingSource(c *config.Instance) string {
	if c.McastSource.IsValid() {
		return fmt.Sprintf("source address %v is not on this machine", c.McastSource)
	}
	return fmt.Sprintf("interface %s has no address to send from", c.Interface)
}

// trackDevices makes an instance depend on the other interfaces its addresses
// live on, but for addresses with no_track, as Keepalived does.
func (r *router) trackDevices(m *instance, fault func(vrrp.Faults, string, ...any)) {
	for _, name := range devices(m.cfg) {
		switch link, ok := r.link(name); {
		case !ok:
			fault(vrrp.FaultTracker, "interface %s of an address does not exist", name)
		case !link.Up:
			fault(vrrp.FaultTracker, "interface %s of an address is down", name)
		}
	}
}

func (r *router) reconfigure(m *instance) {
	r.carry(r.machine.Reconfigure(vrrp.Time(realtime.Now()), m.id, r.params(m), nil))
}

// buildGate registers the instance's addresses with the gates, closed.
func (r *router) buildGate(m *instance) {
	if m.cfg.Gate == config.GateOff || r.gates.Mode() == config.GateOff {
		return
	}
	key := gate.Key{Name: m.cfg.Name, Ifindex: m.ifindex, IPv6: m.cfg.IPv6, VRID: m.cfg.VRID,
		Unicast: len(m.cfg.Peers) > 0}
	m.guarded = r.virtual(m.cfg)
	g, err := r.gates.Gate(key, m.guarded)
	m.gateError = ""
	if err != nil {
		m.gateError = err.Error()
		r.logf(LevelError, "(%s) lease gate: %v", m.cfg.Name, err)
		return
	}
	m.gate = g
	hold := m.cfg.AdvertInterval * time.Duration(m.cfg.DownAdverts)
	if _, ok := gate.AddressLifetime(hold); !ok && r.gates.Mode() == config.GateLifetime {
		r.logf(LevelWarning, "(%s) addresses live for whole seconds, its lease is %v: after a crash two nodes may "+
			"answer for about a second", m.cfg.Name, hold)
	}
}

// gateProblem says why an instance does not have the gate it asks for. Without it,
// it must not be master.
func (r *router) gateProblem(m *instance) string {
	mode := r.gates.Mode()
	switch {
	case m.cfg.Gate == config.GateOff:
		return ""
	case mode == config.GateOff:
		return "lease gates were off when the director started; restart it to have them"
	case m.cfg.Gate != config.GateAuto && m.cfg.Gate != mode:
		return fmt.Sprintf("it asks for lease_gate %s, but the gate here is %s", gateName(m.cfg.Gate), gateName(mode))
	case m.gateError != "":
		return "its lease gate cannot be built: " + m.gateError
	}
	return ""
}

// forwarding6 reports whether the interface forwards IPv6, which is what the
// Router flag of its advertisements says (RFC 4861 §4.4).
func forwarding6(name string) bool {
	b, err := os.ReadFile("/proc/sys/net/ipv6/conf/" + name + "/forwarding")
	return err == nil && len(b) > 0 && b[0] == '1'
}
