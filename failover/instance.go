package failover

import (
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/linux/gate"
	"github.com/evenkeel/evenkeel/linux/loop"
	"github.com/evenkeel/evenkeel/linux/netif"
	"github.com/evenkeel/evenkeel/linux/sock"
	"github.com/evenkeel/evenkeel/vrrp"
)

// instance is a virtual router with its hold on the machine.
type instance struct {
	id    vrrp.ID
	cfg   *config.Instance
	group *group

	state    vrrp.State // as last reported
	priority uint8      // effective, as last reported
	ifindex  int        // of its interface; 0: none now
	port     *port
	gate     *gate.Gate
	source   netip.Addr // of adverts: the last there was
	// sourceless: source is not on this machine now.
	sourceless bool
	assigned   []netif.Assignment // addresses we have set
	guarded    []netip.Addr       // addresses its gate stands before
	gateError  string             // why its gate is not as it should be; empty: it is
	renewedAt  vrrp.Time          // when lifetimes were last renewed (GateLifetime)
	faults     []string           // in words, for people
	lowerPeer  netip.Addr         // lower-priority master last told of
	lowerTold  vrrp.Time          // when; and when its script was last queued
	lowerRan   vrrp.Time
	sendError  string // last reported, so that it is reported once
	burst      burst
	probe      []*sock.Replies
	changed    changeTime
}

// portKey names a socket: adverts of several instances come through one.
type portKey struct {
	ifindex int
	ipv6    bool
	addr    netip.Addr // multicast group, or our unicast source
}

// port is a raw VRRP socket and who listens on it.
type port struct {
	key       portKey
	socket    *sock.VRRP
	byVRID    map[uint8]*instance
	strangers map[stranger]bool // unknown virtual routers already reported
	malformed uint64            // too short for a header; about, while selected
	unknown   uint64            // of another virtual router; about, while selected

	read   vrrp.Time // when it was last read
	paused bool      // not watched, until read + readPause
	// selected: the kernel keeps out most of what is not for us.
	selected bool
	window   vrrp.Time // when counting began
	foreign  uint64    // not for us since then
}

type stranger struct {
	vrid uint8
	from netip.Addr
}

// maxStrangers bounds what one port remembers of virtual routers not ours.
const maxStrangers = 256

// params translates the model into the machine's terms.
func (r *router) params(m *instance) vrrp.Params {
	c := m.cfg
	p := vrrp.Params{
		Name: c.Name, VRID: c.VRID, Version: c.Version, IPv6: c.IPv6, Priority: c.Priority,
		Interval: c.AdvertInterval, DownAdverts: c.DownAdverts, Preempt: c.Preempt, PreemptDelay: c.PreemptDelay,
		AuthPass: c.AuthPass, Source: m.source, CheckSource: c.CheckUnicastSource,
		StartMaster: c.StartMaster, ChecksumAsV2: c.ChecksumAsV2, SkipCheckAddresses: c.SkipCheckAddresses,
		LowerPrioNoAdvert: c.LowerPrioNoAdvert, HigherPrioSendAdvert: c.HigherPrioSendAdvert,
		AnnounceRepeat: c.Announce.Repeat, AnnounceDelay: c.Announce.Delay,
		Refresh: c.Announce.Refresh, RefreshRepeat: c.Announce.RefreshRepeat,
		LowerPrioRepeat: c.Announce.LowerPrioRepeat, LowerPrioDelay: c.Announce.LowerPrioDelay,
	}
	if r.site != nil {
		p.StartDelay = r.site.Global.StartupDelay
	}
	for _, a := range c.Addresses {
		p.Addrs = append(p.Addrs, a.Prefix.Addr())
	}
	for _, peer := range c.Peers {
		p.Peers = append(p.Peers, vrrp.Peer{Addr: peer.Addr, MinTTL: peer.MinTTL, MaxTTL: peer.MaxTTL})
	}
	return p
}

// device is the interface an address goes on.
func device(c *config.Instance, a config.Address) string {
	if a.Dev != "" {
		return a.Dev
	}
	return c.Interface
}

// devices lists the interfaces, besides the instance's own, that addresses to be
// tracked live on.
func devices(c *config.Instance) (names []string) {
	for _, a := range addresses(c) {
		if name := device(c, a); !a.NoTrack && name != c.Interface && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// assignments lists the instance's addresses on the interfaces as they are now.
// Addresses whose interface does not exist are left out and returned apart.
func (r *router) assignments(m *instance) (as []netif.Assignment, homeless []config.Address) {
	for _, a := range addresses(m.cfg) {
		link, ok := r.link(device(m.cfg, a))
		if !ok {
			homeless = append(homeless, a)
			continue
		}
		as = append(as, netif.Assignment{Ifindex: link.Index, Addr: a})
	}
	return as, homeless
}

// addresses lists what the instance sets, advertised or not.
func addresses(c *config.Instance) []config.Address {
	return append(c.Addresses[:len(c.Addresses):len(c.Addresses)], c.Excluded...)
}

// virtual returns every address of the instance where the kernel answers for it, for the gate.
func (r *router) virtual(c *config.Instance) []netip.Addr {
	var all []netip.Addr
	for _, a := range addresses(c) {
		link, _ := r.link(device(c, a))
		all = append(all, gate.At(a.Prefix.Addr(), link.Index))
	}
	return all
}

// portOf names the socket that an instance needs on its interface.
func portOf(m *instance, link netif.Link) portKey {
	key := portKey{ifindex: link.Index, ipv6: m.cfg.IPv6, addr: m.cfg.McastGroup}
	if len(m.cfg.Peers) > 0 {
		key.addr = m.source
	}
	return key
}

// listen makes sure the instance's socket is open on its interface.
func (r *router) listen(m *instance, link netif.Link) error {
	key := portOf(m, link)
	cfg := sock.VRRPConfig{Ifindex: link.Index, Ifname: link.Name, IPv6: m.cfg.IPv6, Group: m.cfg.McastGroup}
	if len(m.cfg.Peers) > 0 {
		cfg.Group, cfg.Source = netip.Addr{}, m.source
	}
	if m.port != nil && m.port.key == key {
		return nil
	}
	r.unlisten(m)
	p := r.ports[key]
	if p == nil {
		s, err := sock.OpenVRRP(cfg)
		if err != nil {
			return err
		}
		p = &port{key: key, socket: s, byVRID: map[uint8]*instance{}, strangers: map[stranger]bool{}}
		if err := r.watch(s.Fd(), func() { r.receive(p) }); err != nil {
			s.Close()
			return err
		}
		r.ports[key] = p
	}
	if other := p.byVRID[m.cfg.VRID]; other != nil && other != m {
		return errors.New("instance " + other.cfg.Name + " has the same virtual_router_id there")
	}
	p.byVRID[m.cfg.VRID] = m
	m.port = p
	if p.selected {
		r.choose(p)
	}
	return nil
}

// unlisten lets go of the socket; the last one closes it.
func (r *router) unlisten(m *instance) {
	p := m.port
	if p == nil {
		return
	}
	m.port = nil
	if p.byVRID[m.cfg.VRID] == m {
		delete(p.byVRID, m.cfg.VRID)
	}
	switch {
	case p.selected && len(p.byVRID) > 0:
		r.choose(p)
	case len(p.byVRID) == 0:
		p.paused = false
		r.unwatch(p.socket.Fd())
		p.socket.Close()
		delete(r.ports, p.key)
	}
}

// A port is read once in readPause at most, and at most readBudget adverts at a time, so that a flood costs a bounded
// number of wake-ups, each for many adverts, and cannot keep timers waiting. What waits is read before any timer is
// looked at all the same; see turn. The kernel keeps some 300 adverts.
const (
	readPause  = time.Millisecond
	readBudget = 300
)

// receive reads what waits on a port, or puts that off.
func (r *router) receive(p *port) {
	now := vrrp.Time(loop.Now())
	if now < p.read.Add(readPause) {
		if err := r.engine.poller.Pause(p.socket.Fd(), r.tokenOf[p.socket.Fd()], true); err == nil {
			p.paused = true
			r.paused = append(r.paused, p)
			return
		}
	}
	r.drain(p)
}

// resume reads paused ports whose time has come, all of them if a timer is due.
func (r *router) resume(now vrrp.Time, all bool) {
	still := r.paused[:0]
	for _, p := range r.paused {
		switch {
		case !p.paused: // closed meanwhile
		case all || now >= p.read.Add(readPause):
			p.paused = false
			r.engine.poller.Pause(p.socket.Fd(), r.tokenOf[p.socket.Fd()], false)
			r.drain(p)
		default:
			still = append(still, p)
		}
	}
	clear(r.paused[len(still):])
	r.paused = still
}

// drain reads what waits on a port. The clock is read after the adverts, so that none counts as older than it is: whoever
// sent it has begun its lease before.
func (r *router) drain(p *port) {
	defer func() { p.read = vrrp.Time(loop.Now()) }()
	for more, n := true, 0; more && n < readBudget; n += sock.BatchSize {
		var err error
		if r.heard, more, err = p.socket.ReceiveBatch(&r.batch, r.heard); err != nil {
			r.logf(LevelWarning, "receiving adverts on interface %d: %v", p.key.ifindex, err)
		}
		now := vrrp.Time(loop.Now())
		for i := range r.heard {
			effects := r.hear(p, &r.heard[i], now)
			if len(effects) == 0 {
				continue
			}
			r.carry(effects)
			if r.ports[p.key] != p { // the advert's effects closed this socket
				return
			}
			now = vrrp.Time(loop.Now())
		}
	}
}

// hear hands an advert to its instance.
func (r *router) hear(p *port, d *sock.Datagram, now vrrp.Time) []vrrp.Effect {
	if len(d.Payload) < vrrp.HeaderLen {
		if p.malformed == 0 {
			r.logf(LevelWarning, "VRRP packet of %d bytes from %v on %s: too short, ignored (counted from here on)", len(d.Payload), d.Src, r.links[p.key.ifindex].Name)
		}
		p.malformed += r.notForUs(p, now)
		return nil
	}
	m := p.byVRID[d.Payload[1]]
	if m == nil {
		p.unknown += r.notForUs(p, now)
		r.reportStranger(p, stranger{d.Payload[1], d.Src})
		return nil
	}
	in := vrrp.Datagram{Payload: d.Payload, Src: d.Src, Dst: d.Dst, TTL: d.TTL}
	return r.machine.Receive(now, m.id, &in, r.effects[:0])
}

// More adverts that are not for us than floodLimit in floodWindow, and the kernel keeps most of them out, until there
// are fewer than half as many.
const (
	floodLimit  = 200
	floodWindow = time.Second
)

// notForUs counts an advert that is nobody's here, and gives for how many it stands.
func (r *router) notForUs(p *port, now vrrp.Time) uint64 {
	n := uint64(1)
	if p.selected {
		n = sock.SampledOneIn
	}
	p.foreign += n
	switch over := now >= p.window.Add(floodWindow); {
	case !p.selected && p.foreign > floodLimit:
		r.logf(LevelWarning, "more than %d adverts a second on %s are for no virtual router of ours: one in %d is looked at from here on", floodLimit, r.links[p.key.ifindex].Name, sock.SampledOneIn)
		p.selected = true
		r.choose(p)
	case p.selected && over && p.foreign*uint64(floodWindow) < floodLimit/2*uint64(now.Sub(p.window)):
		p.selected = false
		r.choose(p)
	case !over:
		return n
	}
	p.window, p.foreign = now, 0
	return n
}

// choose tells the kernel which adverts are for us, while it keeps the others out.
func (r *router) choose(p *port) {
	var vrids []uint8
	if p.selected {
		for id := range p.byVRID {
			vrids = append(vrids, id)
		}
	}
	if err := p.socket.Select(vrids); err != nil {
		p.selected = false
		r.logf(LevelWarning, "%s: the kernel cannot keep out adverts that are not for us: %v", r.links[p.key.ifindex].Name, err)
	}
}

func (r *router) reportStranger(p *port, s stranger) {
	if p.strangers[s] || len(p.strangers) >= maxStrangers {
		return
	}
	p.strangers[s] = true
	r.logf(LevelInfo, "%v runs virtual router %d on %s, which is not configured here", s.from, s.vrid, r.links[p.key.ifindex].Name)
}

// sourceOf picks what the instance's adverts come from: as configured, else the
// first address of the interface that is not a virtual one (IPv6: link-local). Invalid: there is none now.
// Differs from Keepalived: an mcast_src_ip that is not on this machine is a fault, as an unicast_src_ip is.
func (r *router) sourceOf(m *instance, link netif.Link) netip.Addr {
	if m.cfg.McastSource.IsValid() {
		if r.own(m.cfg.McastSource, link.Index) {
			return m.cfg.McastSource
		}
		return netip.Addr{}
	}
	for _, prefix := range link.Addrs {
		a := prefix.Addr()
		if a.Is6() != m.cfg.IPv6 || m.cfg.IPv6 && len(m.cfg.Peers) == 0 && !a.IsLinkLocalUnicast() || r.isVirtual(a, link.Index) {
			continue
		}
		return a.WithZone("")
	}
	return netip.Addr{}
}

// own reports whether this machine has an address: a link-local one on the interface, any other on whichever.
func (r *router) own(ip netip.Addr, ifindex int) bool {
	if ip.Is6() && ip.IsLinkLocalUnicast() {
		return has(r.links[ifindex].Addrs, netip.PrefixFrom(ip, ip.BitLen()))
	}
	for _, l := range r.links {
		if has(l.Addrs, netip.PrefixFrom(ip, ip.BitLen())) {
			return true
		}
	}
	return false
}

func (r *router) isVirtual(a netip.Addr, ifindex int) bool { return r.virtuals[gate.At(a, ifindex)] }

// listVirtual gathers the virtual addresses of all instances.
func (r *router) listVirtual() {
	clear(r.virtuals)
	for _, m := range r.instances {
		for _, a := range r.virtual(m.cfg) {
			r.virtuals[a] = true
		}
	}
}

func has(prefixes []netip.Prefix, p netip.Prefix) bool {
	return slices.ContainsFunc(prefixes, func(q netip.Prefix) bool { return q.Addr() == p.Addr() })
}
