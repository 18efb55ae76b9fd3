package failover

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/linux/netif"
	"github.com/evenkeel/evenkeel/linux/realtime"
	"github.com/evenkeel/evenkeel/vrrp"
)

// Applied says in words what a reload did.
type Applied struct {
	Added, Removed, Restarted, Changed []string // instance names
}

// String is the summary for the log and the caller.
func (a Applied) String() string {
	var parts []string
	for _, p := range []struct {
		word  string
		names []string
	}{{"added", a.Added}, {"removed", a.Removed}, {"restarted", a.Restarted}, {"changed", a.Changed}} {
		if len(p.names) > 0 {
			parts = append(parts, p.word+" "+strings.Join(p.names, ", "))
		}
	}
	if len(parts) == 0 {
		return "no instance changed"
	}
	return strings.Join(parts, "; ")
}

// Apply makes the engine follow a new site without pausing an advert of, or
// moving an address on, any instance that stays. site must be complete and
// checked; it is not modified. usable, unless nil, is what a new worker's proxies can use
// ([Engine.SetProxies]): it counts from the same moment. An error is [ErrStopped].
func (e *Engine) Apply(site *config.Site, usable map[string]int) (Applied, error) {
	var done Applied
	err := e.call(func(vrrp.Time) {
		if e.router.stopped {
			return
		}
		if usable != nil {
			e.router.proxies = proxies{told: true, alive: true, servers: usable}
		}
		done = e.router.apply(site)
	})
	return done, err
}

// restarts reports whether a change cannot be made to a running instance: what
// peers or the kernel know it by, or how its gate is built.
func restarts(c config.InstanceChange) bool {
	return c.Restart() || c.Aspects.Has(config.Gate) ||
		c.Old != nil && c.New != nil && (len(c.Old.Peers) > 0) != (len(c.New.Peers) > 0)
}

// apply brings the router from its present site, if any, to a new one.
func (r *router) apply(site *config.Site) (done Applied) {
	before := r.site
	if before == nil {
		before = new(config.Site)
	}
	changes := map[string]config.InstanceChange{}
	for _, c := range config.Diff(before, site).Instances {
		changes[c.Name] = c
	}
	keep := r.dropLeavers(site, changes, &done)
	r.site = site
	r.applyScripts(site)
	for _, c := range site.Instances { // an address may move from one instance to another
		if m := keep[c.Name]; m != nil {
			m.cfg = c
			if _, changed := changes[c.Name]; changed {
				r.withdraw(m)
			}
		}
	}
	instances := make([]*instance, 0, len(site.Instances))
	for _, c := range site.Instances {
		if m := keep[c.Name]; m != nil {
			if change, ok := changes[c.Name]; ok {
				r.update(m, change)
				done.Changed = append(done.Changed, c.Name)
			}
			instances = append(instances, m)
			continue
		}
		if !slices.Contains(done.Restarted, c.Name) {
			done.Added = append(done.Added, c.Name)
		}
		m := &instance{cfg: c, state: vrrp.Init, priority: c.Priority}
		m.burst.stop()
		instances = append(instances, m)
		r.instances = append(r.instances, m)
	}
	r.instances = instances
	r.join(site, keep)
	return done
}

// dropLeavers ends the instances that a new site does not have, or starts anew, and gives those that stay. It comes
// before everything else: the others may take over the leavers' VRIDs.
func (r *router) dropLeavers(
	site *config.Site, changes map[string]config.InstanceChange, done *Applied,
) map[string]*instance {
	old := map[string]*instance{}
	for _, m := range r.instances {
		old[m.cfg.Name] = m
	}
	keep := map[string]*instance{}
	for _, c := range site.Instances {
		if old[c.Name] != nil {
			if restarts(changes[c.Name]) {
				done.Restarted = append(done.Restarted, c.Name)
			} else {
				keep[c.Name] = old[c.Name]
			}
		}
	}
	for _, m := range slices.Clone(r.instances) {
		if keep[m.cfg.Name] == nil {
			if !slices.Contains(done.Restarted, m.cfg.Name) {
				done.Removed = append(done.Removed, m.cfg.Name)
			}
			r.drop(m)
		}
	}
	return keep
}

// join starts the instances that are not kept, and groups all anew. A new instance knows its faults before its
// group does, so that a group that was in fault does not leave it for a moment.
func (r *router) join(site *config.Site, keep map[string]*instance) {
	r.listVirtual()
	r.applyGroups(site)
	r.refreshAddrs() // leavers took theirs along
	for _, m := range r.instances {
		switch {
		case keep[m.cfg.Name] == nil:
			r.add(m)
			r.refresh(m)
		case m.gate == nil:
			r.buildGate(m) // what stood in its way may have gone
		}
	}
	if err := r.evict(site); err != nil {
		r.logf(LevelError, "%v", err)
	}
	r.machineGroups()
	r.refreshAll()
	for _, g := range r.groups {
		r.judge(g)
	}
}

// add starts an instance in the machine, its gate closed.
func (r *router) add(m *instance) {
	if link, ok := r.link(m.cfg.Interface); ok {
		m.ifindex = link.Index
		m.source = r.sourceOf(m, link)
	}
	if !m.source.IsValid() {
		m.source = m.cfg.McastSource
	}
	r.buildGate(m)
	var effects []vrrp.Effect
	m.id, effects = r.machine.Add(vrrp.Time(realtime.Now()), r.params(m), nil)
	r.byID[m.id] = m
	r.carry(effects)
}

// drop takes an instance out, resigning if it is master. The machine forgets it last: what it
// says on its way out is made from its parameters.
func (r *router) drop(m *instance) {
	m.group = nil // its end is not the group's
	r.carry(r.machine.Withdraw(vrrp.Time(realtime.Now()), m.id, nil))
	r.machine.Forget(m.id)
	if m.gate != nil {
		if err := m.gate.Remove(); err != nil {
			r.logf(LevelError, "(%s) %v", m.cfg.Name, err)
		}
	}
	r.closeReplies(m)
	r.unlisten(m)
	delete(r.byID, m.id)
	r.instances = slices.DeleteFunc(r.instances, func(o *instance) bool { return o == m })
}

// withdraw takes away what a running instance's new configuration, m.cfg, no
// longer lists, so that another instance may take it over.
func (r *router) withdraw(m *instance) {
	if link, ok := r.link(m.cfg.Interface); ok && m.port != nil && m.port.key != portOf(m, link) {
		r.unlisten(m)
	}
	want, _ := r.assignments(m)
	var gone, stay []netip.Addr
	kept := r.virtual(m.cfg)
	if m.state == vrrp.Master {
		leaving := without(m.assigned, want)
		if err := r.conn.Remove(leaving); err != nil {
			r.logf(LevelError, "(%s) %v", m.cfg.Name, err)
		}
		m.assigned = without(m.assigned, leaving)
	}
	for _, ip := range m.guarded {
		if slices.Contains(kept, ip) {
			stay = append(stay, ip)
		} else {
			gone = append(gone, ip)
		}
	}
	if len(gone) > 0 {
		r.guard(m, stay)
	}
}

// update makes a running instance follow its new configuration, m.cfg.
func (r *router) update(m *instance, change config.InstanceChange) {
	r.guard(m, r.virtual(m.cfg))
	if m.state == vrrp.Master {
		r.lend(m)
	}
	r.reconfigure(m)
	r.logf(LevelInfo, "(%s) changed: %v", m.cfg.Name, change.Aspects)
}

// guard tells the gate which addresses it stands before.
func (r *router) guard(m *instance, addrs []netip.Addr) {
	m.guarded = addrs
	if m.gate == nil {
		return
	}
	m.gateError = ""
	if err := m.gate.SetAddresses(addrs); err != nil {
		m.gateError = err.Error()
		r.logf(LevelError, "(%s) lease gate: %v", m.cfg.Name, err)
	}
}

// reguard follows link-local addresses to the interfaces they are on now.
func (r *router) reguard(m *instance) {
	if m.gate == nil {
		return
	}
	if want := r.virtual(m.cfg); !slices.Equal(want, m.guarded) {
		r.guard(m, want)
	}
}

// lend sets and announces a master's addresses that are not set yet; those that
// are stay untouched.
func (r *router) lend(m *instance) {
	r.reguard(m)
	want, _ := r.assignments(m)
	fresh := without(want, m.assigned)
	r.set(m, fresh)
	m.assigned = want
	for range max(m.cfg.Announce.Repeat, 1) {
		for _, a := range fresh {
			r.announceOne(m, a.Ifindex, a.Addr.Prefix.Addr())
		}
	}
}

// without returns the assignments of a that are not in b.
func without(a, b []netif.Assignment) []netif.Assignment {
	var rest []netif.Assignment
	for _, x := range a {
		if !slices.ContainsFunc(b, func(y netif.Assignment) bool {
			return x.Ifindex == y.Ifindex &&
				x.Addr == y.Addr
		}) {
			rest = append(rest, x)
		}
	}
	return rest
}

// applyGroups builds the sync groups as people see them.
func (r *router) applyGroups(site *config.Site) {
	before := map[string]*group{}
	for _, g := range r.groups {
		before[g.cfg.Name] = g
	}
	r.groups = nil
	for _, m := range r.instances {
		m.group = nil
	}
	for _, c := range site.Groups {
		g := &group{cfg: c, state: vrrp.Init}
		if o := before[c.Name]; o != nil {
			g.state = o.state
		}
		for _, member := range c.Members {
			i := slices.IndexFunc(r.instances, func(m *instance) bool { return m.cfg.Name == member.Name })
			if i < 0 {
				// the reader resolves names
				panic(fmt.Sprintf("failover: group %s has an unknown member %s", c.Name, member.Name))
			}
			r.instances[i].group = g
			g.members = append(g.members, r.instances[i])
		}
		r.groups = append(r.groups, g)
	}
}

// machineGroups tells the machine.
func (r *router) machineGroups() {
	var groups [][]vrrp.ID
	for _, g := range r.groups {
		var ids []vrrp.ID
		for _, m := range g.members {
			ids = append(ids, m.id)
		}
		groups = append(groups, ids)
	}
	r.carry(r.machine.Regroup(vrrp.Time(realtime.Now()), nil, groups...))
}
