package failover

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/linux/realtime"
	"github.com/evenkeel/evenkeel/test/netns"
	"github.com/evenkeel/evenkeel/vrrp"
)

// How the sites of these tests keep time: a stall of the machine shorter than the lease is not seen.
const (
	reloadAdvert = 20 * time.Millisecond
	reloadMissed = 25
	// reloadSettled is how long nothing may happen before a site counts as settled: a whole wait and more.
	reloadSettled  = reloadAdvert * (reloadMissed + 5)
	reloadPatience = time.Minute
)

// live is Start with the thread in a namespace.
func live(t *testing.T, ns *netns.NS, site *config.Site) *Engine {
	t.Helper()
	poller, err := realtime.New()
	if err != nil {
		t.Fatal(err)
	}
	e := &Engine{poller: poller, commands: make(chan func(vrrp.Time), 64), done: make(chan struct{}),
		settled: make(chan struct{})}
	e.opts.Log = func(l Level, s string) {
		if l <= LevelNotice {
			t.Logf("%s %s: %s", time.Now().Format("05.000"), ns.Name, s)
		}
	}
	e.notify = newNotifier(e)
	up := make(chan error)
	go func() {
		defer close(e.done)
		ns.Do(func() {
			r, err := newRouter(e, site)
			up <- err
			if err == nil {
				r.run()
			}
		})
	}()
	if err := <-up; err != nil {
		t.Fatal(err)
	}
	return e
}

func stopLive(t *testing.T, e *Engine) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), reloadPatience)
	defer cancel()
	if err := e.Stop(ctx); err != nil {
		t.Error(err)
	}
}

// plan is a site as these tests think of it.
type plan struct {
	members []member
	groups  [][]string
}

type member struct {
	name      string
	vrid      uint8
	priority  uint8
	iface     string
	unicast   bool
	hosts     []int // of 10.9.0.0/24
	elsewhere int   // an untracked address on eth1; 0: none
	script    string
}

// vridsOfPeer are held by the other machine, with priority 200.
var vridsOfPeer = []uint8{62, 63}

func (m *member) instance(scripts map[string]*config.Script) *config.Instance {
	c := &config.Instance{Name: m.name, Interface: m.iface, VRID: m.vrid, Version: 3, Priority: m.priority,
		Preempt:        true,
		AdvertInterval: reloadAdvert, DownAdverts: reloadMissed, McastGroup: netip.MustParseAddr("224.0.0.18")}
	if m.unicast {
		c.Peers = []config.Peer{{Addr: netip.MustParseAddr("10.9.0.77")}} // nobody
	}
	for _, h := range m.hosts {
		c.Addresses = append(c.Addresses,
			config.Address{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 9, 0, byte(h)}), 24)})
	}
	if m.elsewhere != 0 {
		c.Excluded = append(c.Excluded,
			config.Address{Dev: "eth1", NoTrack: true,
				Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 8, 0, byte(m.elsewhere)}), 24)})
	}
	if m.script != "" {
		c.TrackScripts = []config.TrackScript{{Script: scripts[m.script]}}
	}
	return c
}

func (p *plan) site() *config.Site {
	site := &config.Site{}
	scripts := map[string]*config.Script{}
	for _, name := range []string{"true", "false"} {
		scripts[name] = &config.Script{Name: name,
			Command:  config.Command{Argv: []string{"/bin/" + name}, Owner: config.Owner{User: "root"}},
			Interval: 50 * time.Millisecond, Timeout: 10 * time.Second, Rise: 1, Fall: 1}
		site.Scripts = append(site.Scripts, scripts[name])
	}
	byName := map[string]*config.Instance{}
	for _, m := range p.members {
		c := m.instance(scripts)
		site.Instances = append(site.Instances, c)
		byName[m.name] = c
	}
	for i, names := range p.groups {
		g := &config.SyncGroup{Name: fmt.Sprint("G", i)}
		for _, n := range names {
			g.Members = append(g.Members, byName[n])
		}
		site.Groups = append(site.Groups, g)
	}
	return site
}

func (p *plan) String() string { return fmt.Sprintf("%+v, groups %v", p.members, p.groups) }

// free gives a number that no member uses.
func (p *plan) free(rng *rand.Rand, used func(m member) []int, from, n int) int {
	for {
		x := from + rng.IntN(n)
		if !slices.ContainsFunc(p.members, func(m member) bool { return slices.Contains(used(m), x) }) {
			return x
		}
	}
}

func (p *plan) freeHost(rng *rand.Rand) int {
	return p.free(rng, func(m member) []int { return m.hosts }, 100, 40)
}

func (p *plan) freeVRID(rng *rand.Rand) uint8 {
	return uint8(p.free(rng, func(m member) []int { return []int{int(m.vrid)} }, 60, 12))
}

// edit makes one random change, as an operator would.
func (p *plan) edit(rng *rand.Rand) (what string) {
	p.members = slices.Clone(p.members)
	name := func() string { return fmt.Sprint("I", rng.IntN(1000)) }
	if len(p.members) == 0 || len(p.members) < 6 && rng.IntN(3) == 0 {
		m := member{name: name(), vrid: p.freeVRID(rng), priority: []uint8{100, 250}[rng.IntN(2)], iface: "eth0",
			hosts: []int{p.freeHost(rng)}}
		p.members = slices.Insert(p.members, rng.IntN(len(p.members)+1), m)
		return "add " + m.name
	}
	i := rng.IntN(len(p.members))
	m := &p.members[i]
	was := m.name
	switch rng.IntN(13) {
	case 0:
		p.members = slices.Delete(p.members, i, i+1)
		p.regroup(was, "")
		return "remove " + was
	case 1:
		m.name = name()
		p.regroup(was, m.name)
		return "rename " + was
	case 2:
		m.vrid = p.freeVRID(rng)
		return "other id for " + was
	case 3:
		m.priority = 100 + (250 - m.priority)
		return "priority of " + was
	case 4, 5, 9:
		return p.editAddresses(rng, m)
	case 6:
		m.unicast = !m.unicast
		return "unicast of " + was
	case 7:
		m.iface = map[string]string{"eth0": "down0", "down0": "gone0", "gone0": "eth0"}[m.iface]
		return "interface of " + was
	case 8:
		m.script = map[string]string{"": "true", "true": "false", "false": ""}[m.script]
		return "script of " + was
	case 10:
		if o := &p.members[rng.IntN(len(p.members))]; o != m { // ids change hands
			m.vrid, o.vrid = o.vrid, m.vrid
			return "ids of " + was + " and " + o.name
		}
	case 11:
		rng.Shuffle(len(p.members), func(a, b int) { p.members[a], p.members[b] = p.members[b], p.members[a] })
		return "order"
	}
	p.editGroups(rng)
	return "groups"
}

// editAddresses changes the addresses of one member.
func (p *plan) editAddresses(rng *rand.Rand, m *member) (what string) {
	switch rng.IntN(3) {
	case 0:
		m.hosts = append(slices.Clone(m.hosts), p.freeHost(rng))
		return "address for " + m.name
	case 1:
		if o := &p.members[rng.IntN(len(p.members))]; o != m { // addresses change hands
			m.hosts, o.hosts = o.hosts, m.hosts
			return "addresses of " + m.name + " and " + o.name
		}
		m.hosts = []int{p.freeHost(rng)}
		return "other address for " + m.name
	}
	if m.elsewhere != 0 {
		m.elsewhere = 0
	} else {
		m.elsewhere = p.free(rng, func(m member) []int { return []int{m.elsewhere} }, 100, 40)
	}
	return "untracked address of " + m.name
}

// editGroups groups some of the members anew.
func (p *plan) editGroups(rng *rand.Rand) {
	p.groups = nil
	for rest := p.members; len(rest) > 0 && rng.IntN(3) > 0; {
		n := 1 + rng.IntN(min(3, len(rest)))
		var g []string
		for _, m := range rest[:n] {
			g = append(g, m.name)
		}
		p.groups = append(p.groups, g)
		rest = rest[n:]
	}
}

// regroup follows a member's new name; empty: it is gone.
func (p *plan) regroup(was, is string) {
	var groups [][]string
	for _, g := range p.groups {
		var names []string
		for _, n := range g {
			switch {
			case n != was:
				names = append(names, n)
			case is != "":
				names = append(names, is)
			}
		}
		if len(names) > 0 {
			groups = append(groups, names)
		}
	}
	p.groups = groups
}

// snapshot is what must be the same after a reload as after a start.
func snapshot(t *testing.T, e *Engine, ns *netns.NS) []string {
	t.Helper()
	var lines []string
	err := e.call(func(vrrp.Time) {
		r := e.router
		s := r.status()
		for _, i := range s.Instances {
			lines = append(lines, fmt.Sprintf("%s %s priority %d/%d on %s id %d from %s addresses %v held %v gate %v "+
				"master %s (%d) faults %v trackers %v",
				i.Name, i.State, i.EffectivePriority, i.Priority, i.Interface, i.VRID, i.Source, i.Addresses, i.Held,
				i.Gate, i.Master, i.MasterPriority, i.Faults, i.Trackers))
		}
		for _, g := range s.Groups {
			lines = append(lines, fmt.Sprint(g))
		}
		var ports []string
		for k, p := range r.ports {
			for id, m := range p.byVRID {
				ports = append(ports, fmt.Sprint(k.ipv6, k.addr, id, m.cfg.Name))
			}
		}
		slices.Sort(ports)
		lines = append(lines, fmt.Sprintf("sockets %d %v; %d watched; %d instances, %d by id, %d scripts, %d virtual "+
			"addresses",
			len(r.ports), ports, len(r.tokens), len(r.instances), len(r.byID), len(r.scripts), len(r.virtuals)))
	})
	if err != nil {
		t.Fatalf("the router thread has ended: %v", err)
	}
	list, err := ns.Links().AddrList(nil, netlink.FAMILY_V4)
	if err != nil {
		t.Fatal(err)
	}
	var set []string
	for _, a := range list {
		if ip, _ := netip.AddrFromSlice(a.IP.To4()); !strings.HasSuffix(ip.String(), ".1") {
			set = append(set, a.IPNet.String())
		}
	}
	slices.Sort(set)
	return append(lines, fmt.Sprint("set: ", set))
}

// reloadNode is a machine with its own other machine, which holds vridsOfPeer.
func reloadNode(t *testing.T, label string) *netns.NS {
	ns, peer := netns.New(t, label), netns.New(t, label+"p")
	netns.Bridge(t, ns, peer)
	netns.Veth(t, ns, "down0", peer, "down0")
	ns.Down("down0")
	netns.Veth(t, ns, "eth1", peer, "eth1")
	ns.Address("eth0", "10.9.0.1/24")
	ns.Address("eth1", "10.8.0.1/24")
	ns.Address("down0", "10.7.0.1/24")
	peer.Address("eth0", "10.9.0.2/24")
	var p plan
	for i, id := range vridsOfPeer {
		p.members = append(p.members, member{name: fmt.Sprint("P", i), vrid: id, priority: 200, iface: "eth0",
			hosts: []int{200 + i}})
	}
	e := live(t, peer, p.site())
	t.Cleanup(func() { stopLive(t, e) })
	return ns
}

// TestReloadEqualsStart applies random sequences of edits to a running engine: instances are added, removed,
// renamed, started anew and regrouped in whatever state they are, addresses and ids change hands. After each edit
// everything is as in a fresh start with that site, and instances the edit does not touch have not noticed.
func TestReloadEqualsStart(t *testing.T) {
	if testing.Short() {
		t.Skip("a minute of reloads and starts")
	}
	for seed := range uint64(*reloadSeeds) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			reloadSequence(t, seed)
		})
	}
}

var reloadSeeds = flag.Int("seeds", 4, "sequences of reloads to try")

// reloadEdits is how long a sequence is.
const reloadEdits = 14

func reloadSequence(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 9))
	here, there := reloadNode(t, "r"), reloadNode(t, "s")
	var p plan
	for range 4 {
		p.edit(rng)
	}
	e := live(t, here, p.site())
	defer stopLive(t, e)
	for step := range reloadEdits {
		var what []string
		before := p
		for range 1 + rng.IntN(3) {
			what = append(what, p.edit(rng))
		}
		t.Logf("%s step %d: %v -> %v", time.Now().Format("05.000"), step, what, &p)
		was, err := e.Status()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Apply(p.site(), nil); err != nil {
			t.Fatal(err)
		}
		fresh := live(t, there, p.site())
		same(t, e, here, fresh, there)
		is, err := e.Status()
		if err != nil {
			t.Fatal(err)
		}
		unmoved(t, was, is, &before, &p)
		stopLive(t, fresh)
		if t.Failed() {
			t.Fatalf("step %d", step)
		}
	}
}

// same waits until both have settled, and are alike.
func same(t *testing.T, a *Engine, here *netns.NS, b *Engine, there *netns.NS) {
	t.Helper()
	var lastA, lastB []string
	since := time.Now()
	for limit := since.Add(reloadPatience); ; time.Sleep(5 * time.Millisecond) {
		nowA, nowB := snapshot(t, a, here), snapshot(t, b, there)
		if !reflect.DeepEqual(nowA, lastA) || !reflect.DeepEqual(nowB, lastB) {
			lastA, lastB, since = nowA, nowB, time.Now()
		}
		if settled := time.Since(since) > reloadSettled; settled && reflect.DeepEqual(nowA, nowB) {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("after a reload:\n  %s\nafter a start:\n  %s", strings.Join(nowA, "\n  "),
				strings.Join(nowB, "\n  "))
		}
	}
}

// unmoved checks that instances which an edit does not touch have kept their state across it.
func unmoved(t *testing.T, was, is Status, before, after *plan) {
	t.Helper()
	alone := func(p *plan, name string) bool {
		return !slices.ContainsFunc(p.groups, func(g []string) bool { return slices.Contains(g, name) })
	}
	find := func(p *plan, name string) *member {
		i := slices.IndexFunc(p.members, func(m member) bool { return m.name == name })
		if i < 0 {
			return nil
		}
		return &p.members[i]
	}
	for _, i := range is.Instances {
		old := slices.IndexFunc(was.Instances, func(o InstanceStatus) bool { return o.Name == i.Name })
		if old < 0 || !alone(before, i.Name) || !alone(after, i.Name) ||
			!reflect.DeepEqual(find(before, i.Name), find(after, i.Name)) {
			continue
		}
		o := was.Instances[old]
		if o.Counters.ReleaseMaster != i.Counters.ReleaseMaster && !strings.Contains(i.Why, "lease") {
			t.Errorf("%s was not edited and gave its addresses away: %s", i.Name, i.Why)
		}
	}
}
