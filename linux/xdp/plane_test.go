package xdp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/lvs/table"
)

func equal(x, y any) string {
	return cmp.Diff(x, y, cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{}))
}

// site is two services with all that State must give back.
func site(r *rig) []table.Group {
	a := r.service(table.TCP, 80, "wlc")
	a.Flags, a.Timeout, a.Granularity = table.Persistent, 300*time.Second, 24
	b := r.service(table.UDP, 53, "mh")
	b.Flags = table.OnePacket | table.Sched1 | table.Sched2
	d := []table.Destination{r.destination(1, 80, table.Direct), r.destination(0, 80, table.Direct)}
	d[0].Weight, d[1].Weight, d[1].Upper, d[1].Lower = 0, 65535, 100, 10
	e := []table.Destination{r.destination(0, 53, table.NAT), r.destination(1, 5353, table.NAT)}
	e[1].Weight = 7
	g := []table.Destination{r.destination(0, 80, table.Tunnel)}
	g[0].Wrap = table.Wrap{Type: table.GUE, Port: 6080}
	c := r.service(table.TCP, 0, "sh")
	c.Flags, c.Timeout = table.Persistent, 60*time.Second
	return []table.Group{{Service: a, Destinations: d}, {Service: b, Destinations: e}, {Service: c, Destinations: g}}
}

func groups(states []table.ServiceState) []table.Group {
	var out []table.Group
	for _, s := range states {
		g := table.Group{Service: s.Service}
		for _, d := range s.Destinations {
			g.Destinations = append(g.Destinations, d.Destination)
		}
		out = append(out, g)
	}
	return out
}

// TestState: what is put in comes back, in another process's view too, after edits, and after both are closed.
func TestState(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		r := newRig(t, 2)
		r.v6 = v6
		p := r.open(Options{})
		other := r.open(Options{Keep: true})
		want := site(r)
		r.do(func() error { return p.Apply(table.Diff(nil, want)) })
		check := func(p *Plane) {
			t.Helper()
			got, err := p.State()
			if err != nil {
				t.Fatal(err)
			}
			if d := equal(want, groups(got)); d != "" {
				t.Fatal(d)
			}
			if again := table.Diff(got, want); len(again) > 0 {
				t.Fatalf("still to do: %v", again)
			}
		}
		check(p)
		check(other)
		// The other view changes something; the first sees it.
		want[0].Destinations[0].Weight = 5
		want[0].Scheduler = "lc"
		want[1].Destinations = want[1].Destinations[1:]
		have, err := other.State()
		if err != nil {
			t.Fatal(err)
		}
		r.do(func() error { return other.Apply(table.Diff(have, want)) })
		check(other)
		check(p)
		r.do(p.Close)
		r.do(other.Close)
		check(r.open(Options{}))
	}
}

// TestRefusals: what this plane cannot do, and what is wrong, is said in words.
func TestRefusals(t *testing.T) {
	r := newRig(t, 1)
	p := r.open(Options{})
	ok := r.service(table.TCP, 80, "rr")
	r.do(func() error { return p.Apply([]table.Change{{Verb: table.AddService, Service: ok}}) })
	service := func(f func(*table.Service)) table.Change {
		s := r.service(table.TCP, 81, "rr")
		f(&s)
		return table.Change{Verb: table.AddService, Service: s}
	}
	dest := func(f func(*table.Destination)) table.Change {
		d := r.destination(0, 80, table.Direct)
		f(&d)
		return table.Change{Verb: table.AddDestination, Service: ok, Destination: d}
	}
	for _, c := range []struct {
		name   string
		change table.Change
		is     error
		says   string
	}{
		{"again", table.Change{Verb: table.AddService, Service: ok}, table.ErrExists, ""},
		{"unknown service", table.Change{Verb: table.EditService, Service: r.service(table.TCP, 99, "rr")},
			table.ErrNotFound, ""},
		{"unknown destination", table.Change{Verb: table.EditDestination, Service: ok,
			Destination: r.destination(0, 80, table.Direct)}, table.ErrNotFound, ""},
		{"mark", service(func(s *table.Service) { s.Key = table.Key{Mark: 3} }), table.ErrUnsupported,
			"lvs_driver ipvs"},
		{"sctp", service(func(s *table.Service) { s.Protocol = table.SCTP }), table.ErrUnsupported, "SCTP"},
		{"lblc", service(func(s *table.Service) { s.Scheduler = "lblc" }), table.ErrUnsupported, "lblc"},
		{"pe", service(func(s *table.Service) { s.Engine = "sip" }), table.ErrUnsupported, "sip"},
		{"every port", service(func(s *table.Service) { s.Addr = netip.AddrPortFrom(vip4, 0) }), nil, "persistent"},
		{"gre", dest(func(d *table.Destination) { d.Method = table.Tunnel; d.Wrap.Type = table.GRE }),
			table.ErrUnsupported, "tunnel type"},
		{"csum", dest(func(d *table.Destination) { d.Method = table.Tunnel; d.Wrap.Flags = table.Checksum }),
			table.ErrUnsupported, "checksums"},
		{"family", dest(func(d *table.Destination) { d.Addr = netip.MustParseAddrPort("[2001:db8::1]:80") }), nil,
			"tunnel"},
		{"weight", dest(func(d *table.Destination) { d.Weight = 65536 }), nil, "65535"},
	} {
		var err error
		r.balancer.Do(func() { err = p.Apply([]table.Change{c.change}) })
		var ce *table.ChangeError
		if !errors.As(err, &ce) || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	var err error
	r.balancer.Do(func() { err = p.StartDaemon(table.Daemon{}) })
	if !errors.Is(err, table.ErrUnsupported) {
		t.Error(err)
	}
}

// TestOutlivesItsMaker: after the last process closed the plane, flows and new connections go on; a plane of
// another build replaces the programs under them.
func TestOutlivesItsMaker(t *testing.T) {
	for _, clsact := range []bool{false, true} {
		outlivesItsMaker(t, clsact)
	}
}

func outlivesItsMaker(t *testing.T, clsact bool) {
	r := newRig(t, 2)
	r.viaBalancer()
	for i, ns := range r.reals {
		r.serve(ns, []string{"r0", "r1"}[i], 8080)
	}
	p := r.open(Options{Clsact: clsact})
	s := r.service(table.TCP, 80, "rr")
	changes := []table.Change{{Verb: table.AddService, Service: s}}
	for i := range r.reals {
		changes = append(changes, table.Change{Verb: table.AddDestination, Service: s,
			Destination: r.destination(i, 8080, table.NAT)})
	}
	r.do(func() error { return p.Apply(changes) })
	to := netip.AddrPortFrom(vip4, 80)
	c, err := r.dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	first, err := ask(c, "who")
	if err != nil {
		t.Fatal(err)
	}
	same := func(when string) {
		t.Helper()
		if who, err := ask(c, "who"); err != nil || who != first {
			t.Fatalf("%s: %q after %q, %v", when, who, first, err)
		}
		if _, err := r.askOnce("tcp", to); err != nil {
			t.Fatalf("%s: %v", when, err)
		}
	}
	r.do(p.Close)
	same("closed")
	p = r.open(Options{Clsact: clsact})
	same("opened again")
	p.settings.build++ // as if another version had loaded them
	r.do(p.Close)
	p = r.open(Options{Clsact: clsact})
	same("programs replaced")
	drainedAndBack(r, p, s, first, same)
	r.do(p.Remove)
	if _, err := r.askOnce("tcp", to); err == nil {
		t.Fatal("it still forwards")
	}
	if out := r.balancer.Run("tc", "qdisc", "show", "dev", "eth0"); strings.Contains(out, "clsact") {
		t.Errorf("left over: %s", out)
	}
}

// drainedAndBack drains the server of a connection, then deletes it and puts it back: the connection stays.
func drainedAndBack(r *rig, p *Plane, s table.Service, first string, same func(when string)) {
	r.t.Helper()
	which := 0
	if first == "r1" {
		which = 1
	}
	d := r.destination(which, 8080, table.NAT)
	d.Weight = 0
	r.do(func() error {
		return p.Apply([]table.Change{{Verb: table.EditDestination, Service: s, Destination: d}})
	})
	same("drained")
	for range 6 {
		if who, err := r.askOnce("tcp", netip.AddrPortFrom(vip4, 80)); err != nil || who == first {
			r.t.Fatalf("a new connection went to the drained server: %s, %v", who, err)
		}
	}
	r.do(func() error {
		return p.Apply([]table.Change{{Verb: table.DeleteDestination, Service: s, Destination: d}})
	})
	r.do(func() error {
		return p.Apply([]table.Change{{Verb: table.AddDestination, Service: s, Destination: d}})
	})
	same("deleted and back")
}

func boot() time.Duration {
	var ts unix.Timespec
	unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts)
	return time.Duration(ts.Nano())
}

// closesExactly: of packets sent around a deadline, none sent after it is forwarded.
func closesExactly(t *testing.T, deadline *atomic.Int64, c net.Conn) {
	t.Helper()
	until := boot() + 50*time.Millisecond
	deadline.Store(int64(until))
	for boot() < until {
	}
	for range 50 {
		if got, err := ask(c, "who"); err != nil || got != "director" {
			t.Fatalf("after the deadline: %q, %v", got, err)
		}
	}
}

// TestLease: an address with a lease forwards before its deadline and never after, flows or no flows.
func TestLease(t *testing.T) {
	r := newRig(t, 1)
	r.lo()
	r.serve(r.reals[0], "real", 8080)
	r.serve(r.balancer, "director", 8080)
	p := r.open(Options{})
	s := r.service(table.UDP, 8080, "rr")
	r.do(func() error {
		return p.Apply([]table.Change{{Verb: table.AddService, Service: s},
			{Verb: table.AddDestination, Service: s, Destination: r.destination(0, 8080, table.Direct)}})
	})
	to := netip.AddrPortFrom(vip4, 8080)
	c, err := r.dial("udp", to)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	who := func(want string) {
		t.Helper()
		// Twice, so that the flow is a remembered one too.
		for range 2 {
			if got, err := ask(c, "who"); err != nil || got != want {
				t.Fatalf("%q, %v; want %q; %v", got, err, want, r.counts(p))
			}
		}
	}
	who("real")
	deadline, err := p.Lease(vip4)
	if err != nil {
		t.Fatal(err)
	}
	who("director") // closed: its own stack answers
	deadline.Store(int64(boot() + time.Hour))
	who("real")
	again, err := p.Lease(vip4)
	if err != nil || again != deadline {
		t.Fatal("another lease", err)
	}
	if r.counts(p)["closed"] == 0 {
		t.Error("nothing was counted as closed")
	}
	closesExactly(t, deadline, c)
	// It outlives the process.
	r.do(p.Close)
	who("director")
	p = r.open(Options{})
	who("director")
	if err := p.Unlease(vip4); err != nil {
		t.Fatal(err)
	}
	who("real")
}

// flowing are a TCP and a UDP service on a plane whose events are listened to.
type flowing struct {
	*rig
	p      *Plane
	to     netip.AddrPort
	events chan Event
	end    func() error // stops listening
}

func newFlowing(t *testing.T) *flowing {
	t.Helper()
	r := newRig(t, 2)
	r.lo()
	r.serve(r.reals[0], "r0", 8080)
	r.serve(r.reals[1], "r1", 8080)
	f := &flowing{rig: r, p: r.open(Options{}), to: netip.AddrPortFrom(vip4, 8080), events: make(chan Event, 100)}
	s, u := r.service(table.TCP, 8080, "rr"), r.service(table.UDP, 8080, "rr")
	r.do(func() error {
		return f.p.Apply([]table.Change{
			{Verb: table.AddService, Service: s},
			{Verb: table.AddDestination, Service: s, Destination: r.destination(0, 8080, table.Direct)},
			{Verb: table.AddService, Service: u},
			{Verb: table.AddDestination, Service: u, Destination: r.destination(1, 8080, table.Direct)},
		})
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- f.p.Events(ctx, func(e *Event) { f.events <- *e }) }()
	f.end = func() error {
		cancel()
		return <-done
	}
	listens(t, f.p)
	return f
}

// expect waits for an event.
func (f *flowing) expect(want Event) {
	f.t.Helper()
	limit := time.After(soon)
	for {
		select {
		case got := <-f.events:
			if got.Kind == FlowAlive { // may come at any time
				continue
			}
			if d := equal(want, got); d != "" {
				f.t.Fatal(d)
			}
			return
		case <-limit:
			f.t.Fatal("no event", f.rig.counts(f.p))
		}
	}
}

// counted are the TCP server's flows after a sweep.
func (f *flowing) counted() (active, inactive uint32) {
	f.t.Helper()
	f.do(func() error { _, err := f.p.Sweep(); return err })
	state, err := f.p.State()
	if err != nil {
		f.t.Fatal(err)
	}
	d := state[0].Destinations[0]
	return d.Active, d.Inactive
}

func (f *flowing) has(active, inactive uint32) {
	f.t.Helper()
	if a, i := f.counted(); a != active || i != inactive {
		f.t.Fatalf("%d active and %d inactive, want %d and %d", a, i, active, inactive)
	}
}

// TestFlows: connections are listed, counted, forgotten in time, told of, learnt.
func TestFlows(t *testing.T) {
	f := newFlowing(t)
	c, err := f.dial("tcp", f.to)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ask(c, "who"); err != nil {
		t.Fatal(err)
	}
	client := c.LocalAddr().(*net.TCPAddr).AddrPort()
	client = netip.AddrPortFrom(client.Addr().Unmap(), client.Port())
	want := Event{Kind: FlowEstablished, Flow: Flow{Protocol: table.TCP, State: table.Established, Client: client,
		Virtual: f.to, Destination: netip.MustParseAddrPort("10.9.0.3:8080")}}
	f.expect(want)
	f.has(1, 0)
	var got []table.Connection
	if err := f.p.Connections(func(c *table.Connection) bool { got = append(got, *c); return true }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0].Expires > 15*time.Minute || got[0].Expires < 14*time.Minute {
		t.Fatalf("listed: %+v", got)
	}
	got[0].Expires = 0
	if d := equal(got[0], table.Connection{Protocol: table.TCP, Client: client, Virtual: f.to,
		Destination: want.Destination, State: table.Established, Method: table.Direct}); d != "" {
		t.Error(d)
	}
	c.Close()
	want.Kind, want.State = FlowClosed, table.FinWait
	f.expect(want)
	f.has(0, 1)

	learnt := f.learnFlows(want.Destination)
	f.endInTime(learnt)
	if err := f.end(); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

// learnFlows: learnt flows count like others; what has no destination here is reported. It gives the one that has.
func (f *flowing) learnFlows(server netip.AddrPort) []Flow {
	t, p := f.t, f.p
	t.Helper()
	flow := func(client string, virtual, destination netip.AddrPort) Flow {
		return Flow{Protocol: table.TCP, State: table.Established, Client: netip.MustParseAddrPort(client),
			Virtual: virtual, Destination: destination}
	}
	flows := []Flow{
		flow("10.9.0.1:999", f.to, server),
		flow("10.9.0.1:998", f.to, netip.MustParseAddrPort("10.9.0.9:8080")),
		flow("10.9.0.1:997", netip.MustParseAddrPort("10.9.0.9:1"), server),
	}
	unknown, err := p.Learn(flows)
	if err != nil || unknown != 2 {
		t.Fatalf("learning: %d unknown, %v", unknown, err)
	}
	f.has(1, 1)
	if _, err := p.Learn(flows); err != nil {
		t.Fatal(err)
	}
	f.has(1, 1)
	flows[0].State = table.FinWait
	if _, err := p.Learn(flows[:1]); err != nil {
		t.Fatal(err)
	}
	f.has(0, 2)
	dumped := 0
	if err := p.Dump(func(*Flow) bool { dumped++; return true }); err != nil || dumped != 2 {
		t.Fatalf("dumped %d, %v", dumped, err)
	}

	flows[0].State = table.Established
	p.Learn(flows[:1])
	flows[0].State, flows[0].Idle = table.FinWait, time.Hour
	p.Learn(flows[:1])
	f.has(0, 2) // the learnt one's last packet is not made older
	return flows[:1]
}

// endInTime: of the timeouts, what changes its state from now on is over soon.
func (f *flowing) endInTime(learnt []Flow) {
	t, p := f.t, f.p
	t.Helper()
	if err := p.SetTimeouts(table.Timeouts{TCPFin: time.Second}); err != nil {
		t.Fatal(err)
	}
	want := table.Timeouts{TCP: 15 * time.Minute, TCPFin: time.Second, UDP: 5 * time.Minute}
	if d, err := p.Timeouts(); err != nil || d != want {
		t.Fatal(d, err)
	}
	learnt[0].State, learnt[0].Idle = table.Established, 0
	p.Learn(learnt)
	learnt[0].State = table.FinWait
	p.Learn(learnt)
	for limit := time.Now().Add(soon); ; time.Sleep(20 * time.Millisecond) {
		if a, i := f.counted(); a == 0 && i == 1 { // the other keeps the timeout it had
			break
		}
		if time.Now().After(limit) {
			t.Fatal("a flow does not end in time")
		}
	}
}

// listens waits until somebody listens to a plane's events.
func listens(t testing.TB, p *Plane) {
	t.Helper()
	for limit := time.Now().Add(soon); atomic.LoadUint32(&p.settings.listening) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("nobody listens to events")
		}
	}
}

// whoFrom connects from an address of the client to a port of the service, and gives who answers.
func (r *rig) whoFrom(p *Plane, src string, port uint16) string {
	r.t.Helper()
	var c net.Conn
	var err error
	r.client.Do(func() {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(src)}, Timeout: soon}
		c, err = d.Dial("tcp", netip.AddrPortFrom(vip4, port).String())
	})
	if err != nil {
		r.t.Fatal(err, r.counts(p))
	}
	defer c.Close()
	who, err := ask(c, "who")
	if err != nil {
		r.t.Fatal(err)
	}
	return who
}

// TestPersistence: a client, or its network, stays with its server; also over ports.
func TestPersistence(t *testing.T) {
	r := newRig(t, 2)
	r.lo()
	for i, ns := range r.reals {
		r.serve(ns, []string{"r0", "r1"}[i], 8080)
		r.serve(ns, []string{"r0", "r1"}[i], 8081)
	}
	r.client.Address("eth0", "10.9.0.77/24")
	p := r.open(Options{})
	s := r.service(table.TCP, 0, "rr")
	s.Flags, s.Timeout, s.Granularity = table.Persistent, time.Minute, 32
	r.do(func() error {
		return p.Apply([]table.Change{
			{Verb: table.AddService, Service: s},
			{Verb: table.AddDestination, Service: s, Destination: r.destination(0, 0, table.Direct)},
			{Verb: table.AddDestination, Service: s, Destination: r.destination(1, 0, table.Direct)},
		})
	})
	from := func(src string, port uint16) string { return r.whoFrom(p, src, port) }
	a, b := from("10.9.0.1", 8080), from("10.9.0.77", 8080)
	if a == b {
		t.Errorf("both clients went to %s", a)
	}
	for range 4 {
		for _, port := range []uint16{8080, 8081} {
			if x, y := from("10.9.0.1", port), from("10.9.0.77", port); x != a || y != b {
				t.Fatalf("clients of %s and %s went to %s and %s", a, b, x, y)
			}
		}
	}
	state, err := p.State()
	if err != nil {
		t.Fatal(err)
	}
	if d := state[0].Destinations; d[0].Persistent != 1 || d[1].Persistent != 1 {
		t.Errorf("%+v", d)
	}
	bindings := 0
	p.Connections(func(c *table.Connection) bool {
		if c.Client.Port() == 0 {
			bindings++
		}
		return true
	})
	if bindings != 2 {
		t.Errorf("%d bindings are listed", bindings)
	}
	// A coarser net makes them one.
	s.Granularity = 24
	r.do(func() error { return p.Apply([]table.Change{{Verb: table.EditService, Service: s}}) })
	if x, y := from("10.9.0.1", 8080), from("10.9.0.77", 8080); x != y {
		t.Errorf("one network, two servers: %s and %s", x, y)
	}
}
