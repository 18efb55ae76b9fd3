package netif

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/test/netns"
)

// patience is for what happens soon, on a machine that may be busy.
const patience = 30 * time.Second

// host is a machine with eth0 up.
func host(t testing.TB) *netns.NS {
	t.Helper()
	a, b := netns.New(t, "a"), netns.New(t, "b")
	netns.Veth(t, a, "eth0", b, "eth0")
	return a
}

func dial(t testing.TB, ns *netns.NS) *Conn {
	t.Helper()
	var c *Conn
	ns.Do(func() {
		var err error
		if c, err = Dial(); err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() { c.Close() })
	return c
}

func vip(index int, prefix string) Assignment {
	return Assignment{Ifindex: index, Addr: config.Address{Prefix: netip.MustParsePrefix(prefix)}}
}

// shown is what `ip -j addr` says about an address.
type shown struct {
	Local     string `json:"local"`
	PrefixLen int    `json:"prefixlen"`
	Broadcast string `json:"broadcast"`
	Scope     string `json:"scope"`
	Label     string `json:"label"`
	Valid     uint32 `json:"valid_life_time"`
	Preferred uint32 `json:"preferred_life_time"`
	NoDAD     bool   `json:"nodad"`
	Tentative bool   `json:"tentative"`
}

func show(t testing.TB, ns *netns.NS) map[string]shown {
	t.Helper()
	var links []struct {
		Info []shown `json:"addr_info"`
	}
	if err := json.Unmarshal([]byte(ns.Run("ip", "-j", "addr", "show", "dev", "eth0")), &links); err != nil {
		t.Fatal(err)
	}
	m := map[string]shown{}
	for _, l := range links {
		for _, a := range l.Info {
			m[fmt.Sprintf("%s/%d", a.Local, a.PrefixLen)] = a
		}
	}
	return m
}

// An addition is an assignment with what ip(8) shows of it then.
type addition struct {
	a    Assignment
	want shown
}

func additions(i int) []addition {
	with := func(prefix string, f func(*Assignment)) Assignment {
		a := vip(i, prefix)
		f(&a)
		return a
	}
	const none = forever
	return []addition{
		{vip(i, "10.9.0.100/32"), shown{Local: "10.9.0.100", PrefixLen: 32, Scope: "global", Label: "eth0", Valid: none,
			Preferred: none}},
		{with("10.9.0.101/24", func(a *Assignment) { a.Addr.Label = "eth0:web"; a.Addr.BroadcastAuto = true }),
			shown{Local: "10.9.0.101", PrefixLen: 24, Scope: "global", Label: "eth0:web", Broadcast: "10.9.0.255",
				Valid: none, Preferred: none}},
		{with("10.8.0.102/24", func(a *Assignment) {
			a.Addr.Scope = config.ScopeLink
			a.Addr.Broadcast = netip.MustParseAddr("10.8.0.254")
		}), shown{Local: "10.8.0.102", PrefixLen: 24, Scope: "link", Label: "eth0", Broadcast: "10.8.0.254",
			Valid: none, Preferred: none}},
		{with("10.9.0.103/31", func(a *Assignment) { a.Addr.BroadcastAuto = true }),
			shown{Local: "10.9.0.103", PrefixLen: 31, Scope: "global", Label: "eth0", Valid: none, Preferred: none}},
		{with("10.9.0.104/32", func(a *Assignment) { a.Lifetime = 100*time.Second + 1 }),
			shown{Local: "10.9.0.104", PrefixLen: 32, Scope: "global", Label: "eth0", Valid: 101, Preferred: 101}},
		{vip(i, "2001:db8::100/64"), shown{Local: "2001:db8::100", PrefixLen: 64, Scope: "global", Valid: none,
			Preferred: none, NoDAD: true}},
		{vip(i, "2001:db8::101/128"), shown{Local: "2001:db8::101", PrefixLen: 128, Scope: "global", Valid: none,
			Preferred: 0, NoDAD: true}},
		{with("2001:db8::103/64", func(a *Assignment) { a.Addr.NoSource = true }),
			shown{Local: "2001:db8::103", PrefixLen: 64, Scope: "global", Valid: none, Preferred: 0, NoDAD: true}},
		{with("2001:db8::102/64", func(a *Assignment) { a.Lifetime = 50 * time.Second }),
			shown{Local: "2001:db8::102", PrefixLen: 64, Scope: "global", Valid: 50, Preferred: 50, NoDAD: true}},
		{vip(i, "fe80::100/64"), shown{Local: "fe80::100", PrefixLen: 64, Scope: "link", Valid: none, Preferred: none,
			NoDAD: true}},
	}
}

func TestAddShowsAsIPWouldSay(t *testing.T) {
	ns := host(t)
	c := dial(t, ns)
	tests := additions(ns.Index("eth0"))
	// With duplicate address detection on, only nodad keeps an address from being tentative.
	ns.Sysctl("net/ipv6/conf/eth0/accept_dad", "1")
	var all []Assignment
	for _, test := range tests {
		all = append(all, test.a)
	}
	began := time.Now()
	if err := c.Add(all); err != nil {
		t.Fatal(err)
	}
	got := show(t, ns)
	aged := seconds(began)
	for _, test := range tests {
		g := got[test.a.Addr.Prefix.String()]
		if d := test.want.Valid - g.Valid; 0 < d && d <= aged {
			g.Valid, g.Preferred = g.Valid+d, g.Preferred+d
		}
		if g != test.want {
			t.Errorf("%s\n got %+v\nwant %+v", test.a.Addr.Prefix, g, test.want)
		}
	}
	takeBack(t, ns, c, all)
}

// takeBack removes what carries our mark, which is all that was added.
func takeBack(t *testing.T, ns *netns.NS, c *Conn, all []Assignment) {
	t.Helper()
	left, err := c.Leftovers()
	if err != nil {
		t.Fatal(err)
	}
	if len(left) != len(all) {
		t.Errorf("%d addresses carry our mark, want %d", len(left), len(all))
	}
	if err := c.Remove(left); err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if _, there := show(t, ns)[a.Addr.Prefix.String()]; there {
			t.Errorf("%s is still there", a.Addr.Prefix)
		}
	}
	if err := c.Remove(all); err != nil {
		t.Errorf("removing what is gone: %v", err)
	}
}

// seconds is how much less of a lifetime may be left of what was set after began.
func seconds(began time.Time) uint32 { return uint32(time.Since(began)/time.Second) + 1 }

func TestAddAdopts(t *testing.T) {
	ns := host(t)
	c := dial(t, ns)
	i := ns.Index("eth0")
	for _, p := range []string{"10.9.0.100/24", "2001:db8::100/64"} {
		ns.Address("eth0", p)
		a := vip(i, p)
		a.Lifetime = 300 * time.Second
		began := time.Now()
		if err := c.Add([]Assignment{a}); err != nil {
			t.Errorf("adopting %s: %v", p, err)
		}
		if got := show(t, ns)[p].Valid; got > 300 || got+seconds(began) < 300 {
			t.Errorf("%s adopted with a lifetime of %d s", p, got)
		}
	}
	left, err := c.Leftovers()
	if err != nil || len(left) != 2 {
		t.Errorf("adopted addresses carry the mark: %v, %v", left, err)
	}
}

func TestForeignAddressesAreNoLeftovers(t *testing.T) {
	ns := host(t)
	c := dial(t, ns)
	ns.Address("eth0", "10.9.0.1/24")
	ns.Address("eth0", "2001:db8::1/64")
	if left, err := c.Leftovers(); err != nil || len(left) != 0 {
		t.Errorf("leftovers %v, %v", left, err)
	}
}

func TestRenew(t *testing.T) {
	ns := host(t)
	c := dial(t, ns)
	as := []Assignment{vip(ns.Index("eth0"), "10.9.0.100/24"), vip(ns.Index("eth0"), "2001:db8::100/128")}
	for i := range as {
		as[i].Lifetime = 100 * time.Second
	}
	if err := c.Add(as); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := c.Renew(as, 600*time.Second); err != nil {
		t.Fatal(err)
	}
	got := show(t, ns)
	for _, a := range as {
		if v := got[a.Addr.Prefix.String()].Valid; v > 600 || v+seconds(began) < 600 {
			t.Errorf("%s: lifetime %d s after renewal to 600 s", a.Addr.Prefix, v)
		}
	}
	if p := got["2001:db8::100/128"].Preferred; p != 0 {
		t.Errorf("renewal made the /128 preferred (%d s)", p)
	}
	// Let one run out: the kernel removes it by itself.
	if err := c.Renew(as, time.Second); err != nil {
		t.Fatal(err)
	}
	for limit := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if left, err := c.Leftovers(); err != nil {
			t.Fatal(err)
		} else if len(left) == 0 {
			break
		}
		if time.Now().After(limit) {
			t.Fatal("the kernel did not remove expired addresses")
		}
	}
}

func TestErrorsNameTheAddress(t *testing.T) {
	ns := host(t)
	c := dial(t, ns)
	i := ns.Index("eth0")
	bad := vip(4711, "10.9.0.2/24")
	err := c.Add([]Assignment{vip(i, "10.9.0.1/24"), bad, vip(i, "10.9.0.3/24")})
	var one *AssignmentError
	if !errors.As(err, &one) || one.Err != unix.ENODEV || one.Addr.Prefix != bad.Addr.Prefix {
		t.Fatalf("error %v", err)
	}
	t.Log(err)
	if got := show(t, ns); len(got["10.9.0.1/24"].Local) == 0 || len(got["10.9.0.3/24"].Local) == 0 {
		t.Error("one bad address kept good ones away")
	}
	if err := c.Remove([]Assignment{bad}); err != nil {
		t.Errorf("removing from an interface that is gone: %v", err)
	}
}

func manyAddresses(index, n int) []Assignment {
	as := make([]Assignment, n)
	for i := range as {
		if i%2 == 0 {
			as[i] = vip(index, fmt.Sprintf("10.9.%d.%d/16", 1+i/250, 1+i%250))
		} else {
			as[i] = vip(index, fmt.Sprintf("2001:db8::%x/128", i+1))
		}
	}
	return as
}

func TestManyAddresses(t *testing.T) {
	ns := host(t)
	c := dial(t, ns)
	as := manyAddresses(ns.Index("eth0"), 1000)
	start := time.Now()
	if err := c.Add(as); err != nil {
		t.Fatal(err)
	}
	t.Logf("adding %d took %v", len(as), time.Since(start))
	left, err := c.Leftovers()
	if err != nil || len(left) != len(as) {
		t.Fatalf("%d leftovers, %v", len(left), err)
	}
	start = time.Now()
	if err := c.Remove(as); err != nil {
		t.Fatal(err)
	}
	t.Logf("removing %d took %v", len(as), time.Since(start))
	if left, err := c.Leftovers(); err != nil || len(left) != 0 {
		t.Fatalf("%d leftovers, %v", len(left), err)
	}
}

func TestLinks(t *testing.T) {
	a, b := netns.New(t, "a"), netns.New(t, "b")
	s := netns.Bridge(t, a, b)
	a.Address("eth0", "10.9.0.1/24")
	a.Address("eth0", "10.9.0.5/24")
	a.Address("eth0", "fe80::1/64")
	links, err := dial(t, a).Links()
	if err != nil {
		t.Fatal(err)
	}
	find := func(name string) Link {
		i := slices.IndexFunc(links, func(l Link) bool { return l.Name == name })
		if i < 0 {
			t.Fatalf("no %s in %+v", name, links)
		}
		return links[i]
	}
	if lo := find("lo"); !lo.Loopback || lo.Ethernet || !lo.Up {
		t.Errorf("lo: %+v", lo)
	}
	eth := find("eth0")
	attrs := a.Link("eth0").Attrs()
	if !eth.Up || !eth.Ethernet || !eth.Multicast || eth.NoARP || eth.Loopback || eth.Kind != "veth" ||
		eth.MTU != 1500 ||
		eth.Index != attrs.Index || eth.HardwareAddr.String() != attrs.HardwareAddr.String() {
		t.Errorf("eth0: %+v", eth)
	}
	for i, want := range []string{"10.9.0.1/24", "10.9.0.5/24"} {
		if eth.Addrs[i].String() != want {
			t.Errorf("addresses %v", eth.Addrs)
		}
	}
	if !slices.Contains(eth.Addrs, netip.MustParsePrefix("fe80::1/64")) {
		t.Errorf("addresses %v", eth.Addrs)
	}
	one, err := dial(t, a).Link(eth.Index)
	if eth.Addrs = nil; err != nil || !reflect.DeepEqual(one, eth) {
		t.Errorf("alone: %+v, %v\nin the list: %+v", one, err, eth)
	}
	if _, err := dial(t, a).Link(4711); !errors.Is(err, unix.ENODEV) {
		t.Errorf("an interface that is not there: %v", err)
	}
	if links, err = dial(t, s.NS).Links(); err != nil {
		t.Fatal(err)
	}
	if p := find("p0"); p.MasterKind != "bridge" || p.Master != find("br0").Index {
		t.Errorf("bridge port: %+v", p)
	}
}

// await reads events until want says yes.
func await(t *testing.T, events <-chan Event, want func(Event) bool) Event {
	t.Helper()
	limit := time.After(patience)
	for {
		select {
		case e, ok := <-events:
			if !ok {
				t.Fatal("the channel closed")
			}
			if want(e) {
				return e
			}
		case <-limit:
			t.Fatal("the event did not come")
		}
	}
}

func TestWatch(t *testing.T) {
	a, b := netns.New(t, "a"), netns.New(t, "b")
	s := netns.Bridge(t, a, b)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var events <-chan Event
	a.Do(func() {
		var err error
		if events, err = Watch(ctx); err != nil {
			t.Fatal(err)
		}
	})
	i := a.Index("eth0")
	prefix := netip.MustParsePrefix("10.9.0.1/24")
	a.Address("eth0", prefix.String())
	await(t, events, func(e Event) bool { return e.Kind == AddressAdded && e.Ifindex == i && e.Prefix == prefix })
	a.Run("ip", "addr", "del", prefix.String(), "dev", "eth0")
	await(t, events, func(e Event) bool { return e.Kind == AddressRemoved && e.Ifindex == i && e.Prefix == prefix })
	s.Unplug(0)
	await(t, events, func(e Event) bool { return e.Kind == LinkChanged && e.Link.Index == i && !e.Link.Up })
	s.Plug(0)
	await(t, events, func(e Event) bool { return e.Kind == LinkChanged && e.Link.Index == i && e.Link.Up })
	a.Run("ip", "link", "set", "eth0", "down")
	a.Run("ip", "link", "set", "eth0", "name", "lan")
	await(t, events, func(e Event) bool { return e.Kind == LinkChanged && e.Link.Name == "lan" && e.OldName == "eth0" })
	a.Run("ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1")
	await(t, events, func(e Event) bool { return e.Kind == LinkChanged && e.Link.Name == "v0" && e.OldName == "" })
	a.Run("ip", "link", "del", "v0")
	await(t, events, func(e Event) bool { return e.Kind == LinkGone && e.Link.Name == "v0" })
	cancel()
	for range events {
	}
}

// TestPortLeavingBridgeIsNotGone: the kernel announces the end of bridging with RTM_DELLINK.
func TestPortLeavingBridgeIsNotGone(t *testing.T) {
	a, b := netns.New(t, "a"), netns.New(t, "b")
	s := netns.Bridge(t, a, b)
	var m *Monitor
	s.NS.Do(func() {
		var err error
		if m, err = OpenMonitor(); err != nil {
			t.Fatal(err)
		}
	})
	defer m.Close()
	s.NS.Run("ip", "link", "set", "p0", "nomaster")
	var events []Event
	released := func(e Event) bool { return e.Kind == LinkChanged && e.Link.Name == "p0" && e.Link.Master == 0 }
	for limit := time.Now().Add(patience); !slices.ContainsFunc(events, released); time.Sleep(time.Millisecond) {
		var err error
		if events, err = m.Read(events); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(limit) {
			t.Fatalf("no event says that the port left: %+v", events)
		}
	}
	for _, e := range events {
		if e.Kind == LinkGone {
			t.Errorf("%s is reported gone", e.Link.Name)
		}
	}
}

func TestMonitorResyncs(t *testing.T) {
	ns := host(t)
	var m *Monitor
	ns.Do(func() {
		var err error
		if m, err = OpenMonitor(); err != nil {
			t.Fatal(err)
		}
	})
	defer m.Close()
	if err := unix.SetsockoptInt(m.Fd(), unix.SOL_SOCKET, unix.SO_RCVBUF, 4096); err != nil {
		t.Fatal(err)
	}
	c := dial(t, ns)
	as := manyAddresses(ns.Index("eth0"), 300)
	if err := c.Add(as); err != nil {
		t.Fatal(err)
	}
	events, err := m.Read(nil)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(events, func(e Event) bool { return e.Kind == Resync })
	if i < 0 {
		t.Fatal("lost announcements went unnoticed")
	}
	j := slices.IndexFunc(events[i].Links, func(l Link) bool { return l.Name == "eth0" })
	if j < 0 || len(events[i].Links[j].Addrs) < len(as) {
		t.Errorf("resync shows %+v", events[i].Links)
	}
	// Afterwards it goes on.
	if err := c.Remove(as[:1]); err != nil {
		t.Fatal(err)
	}
	for limit := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if events, err = m.Read(events[:0]); err != nil {
			t.Fatal(err)
		}
		if len(events) > 0 {
			break
		}
		if time.Now().After(limit) {
			t.Fatal("nothing after the resync")
		}
	}
}

func TestNoCapability(t *testing.T) {
	err := (&AssignmentError{Assignment: vip(2, "10.0.0.1/24"), Verb: "adding", Err: unix.EPERM}).Error()
	if !strings.Contains(err, "CAP_NET_ADMIN") || !strings.Contains(err, "10.0.0.1/24") {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	var r request
	r.add(vip(3, "10.9.0.1/24"), 1)
	f.Add(r.buf)
	f.Add(r.buf[unix.SizeofNlMsghdr:])
	f.Fuzz(func(t *testing.T, b []byte) {
		m := &Monitor{names: map[int]string{}}
		m.parse(b, nil)
		for {
			var msg message
			if msg, b = nextMessage(b); msg.kind == 0 {
				break
			}
			msg.reason()
			parseLink(msg.data)
			parseAddress(msg.data)
		}
	})
}

func BenchmarkAdd250(b *testing.B) {
	ns := host(b)
	c := dial(b, ns)
	as := manyAddresses(ns.Index("eth0"), 250)
	for b.Loop() {
		if err := c.Add(as); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := c.Remove(as); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
