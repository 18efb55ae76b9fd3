package xdp

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/lvs/table"
)

// sweepAll sweeps until every flow that was there at the beginning has been looked at. Expired is the sum.
func sweepAll(t testing.TB, p *Plane) SweepStats {
	t.Helper()
	expired := 0
	for walks := 0; ; {
		stats, err := p.Sweep()
		if err != nil {
			t.Fatal(err)
		}
		expired += stats.Expired
		if stats.Whole {
			walks++
		}
		if walks == 2 || stats.Whole && stats.Flows <= sweepLeast {
			stats.Expired = expired
			return stats
		}
	}
}

// learnMany has the plane learn n flows of a service with destinations 0 and 1.
func (b *bench) learnMany(s table.Service, n int, state table.State, idle time.Duration) {
	b.t.Helper()
	flows := make([]Flow, n)
	for i := range flows {
		var c [4]byte
		binary.BigEndian.PutUint32(c[:], 0x14000000+uint32(i))
		flows[i] = Flow{Protocol: table.TCP, State: state, Client: netip.AddrPortFrom(netip.AddrFrom4(c), 1234),
			Virtual: s.Addr, Destination: netip.AddrPortFrom(server(i%2, false), s.Addr.Port()), Idle: idle}
	}
	if unknown, err := b.p.Learn(flows); err != nil || unknown != 0 {
		b.t.Fatal(unknown, err)
	}
}

// TestSweepInParts: a large table is swept in parts, each of a bounded size, and in the end all that is over is
// forgotten and all else is there.
func TestSweepInParts(t *testing.T) {
	const n = 2*sweepLeast + sweepLeast/2
	b := newBench(t, 1<<18)
	s := b.service(table.TCP, false, 80, "rr", 0, table.Direct, 1, 1)
	b.learnMany(s, n, table.Established, 0)
	for call := 1; ; call++ {
		stats, err := b.p.Sweep()
		if err != nil {
			t.Fatal(err)
		}
		if seen := b.p.sweeper.remembered.seen; !stats.Whole &&
			(seen < call*sweepLeast || seen >= call*(sweepLeast+sweepBatch)) {
			t.Errorf("after %d calls %d entries were looked at", call, seen)
		}
		if !stats.Whole {
			continue
		}
		if call != 3 || stats.Flows != n || stats.Expired != 0 {
			t.Errorf("call %d: %+v", call, stats)
		}
		break
	}
	// A third of them closes, as the peer tells, and is over.
	b.p.settings.timeout[6] = 0
	b.learnMany(s, n/3, table.Close, 0)
	awaitTick(t, b.p)
	stats := sweepAll(t, b.p)
	if stats.Flows != n-n/3 || stats.Expired != n/3 {
		t.Errorf("%d of %d flows were over: %+v", n/3, n, stats)
	}
	state, err := b.p.State()
	if err != nil {
		t.Fatal(err)
	}
	active, inactive := uint32(0), uint32(0)
	for _, d := range state[0].Destinations {
		active += d.Active
		inactive += d.Inactive
	}
	if active != n-n/3 || inactive != 0 {
		t.Errorf("%d active and %d inactive connections are counted", active, inactive)
	}
}

// awaitTick waits until two ticks have passed, so that what has a timeout of none is over.
func awaitTick(t testing.TB, p *Plane) {
	t.Helper()
	begin, err := p.jiffies()
	for now := begin; err == nil && now-begin < 2; now, err = p.jiffies() {
		time.Sleep(p.tick)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestSweepKeeps: the client is silent and the server is not: the flow stays, both its sides; and it goes with both.
func TestSweepKeeps(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		b := newBench(t, 1024)
		s := b.service(table.TCP, v6, 80, "rr", 0, table.NAT, 1)
		b.send(tcpFrame(client(1, v6), s.Addr, syn))
		b.send(tcpFrame(client(1, v6), s.Addr, ack))
		b.age(v6, false, time.Hour)
		if stats := sweepAll(t, b.p); stats.Flows != 2 || stats.Expired != 0 {
			t.Errorf("v6=%v, while the server speaks: %+v", v6, stats)
		}
		b.age(v6, false, time.Hour)
		b.age(v6, true, time.Hour)
		if stats := sweepAll(t, b.p); stats.Expired == 0 {
			t.Errorf("v6=%v, when both are silent: %+v", v6, stats)
		}
		if stats := sweepAll(t, b.p); stats.Flows != 0 {
			t.Errorf("v6=%v, after both were silent: %+v", v6, stats)
		}
	}
}

// age makes remembered flows, or the servers' sides of them, older than they are.
func (b *bench) age(v6, reverse bool, idle time.Duration) {
	b.t.Helper()
	now, err := b.p.jiffies()
	if err != nil {
		b.t.Fatal(err)
	}
	m := b.p.maps[programMapPlaneFlows4]
	if v6 {
		m = b.p.maps[programMapPlaneFlows6]
	}
	key, f := make([]byte, m.KeySize()), flowRecord{}
	aged := 0
	for all := m.Iterate(); all.Next(&key, bytesOf(&f)); {
		if f.flags&flowReverse != 0 == reverse {
			f.last = now - b.p.settings.ticks(idle)
			if err := m.Put(key, bytesOf(&f)); err != nil {
				b.t.Fatal(err)
			}
			aged++
		}
	}
	if aged == 0 {
		b.t.Fatal("there is no such flow")
	}
}

type heldBinding struct {
	name  string
	v6    bool
	m     table.Method
	proto table.Protocol
	bits  int
	half  bool
}

var heldBindings = []heldBinding{
	{"NAT", false, table.NAT, table.TCP, 32, false},
	{"direct", false, table.Direct, table.TCP, 32, false},
	{"a network of clients", false, table.Direct, table.TCP, 16, false},
	{"half-open", false, table.NAT, table.TCP, 32, true},
	{"UDP", false, table.Direct, table.UDP, 32, false},
	{"IPv6", true, table.NAT, table.TCP, 128, false},
	{"IPv6, half-open", true, table.Direct, table.TCP, 128, true},
}

// TestSweepHoldsBindings: a client stays bound as long as it has a flow, half-open or remembered, however silent,
// IPv4 and IPv6, NAT and direct routing; and no longer.
func TestSweepHoldsBindings(t *testing.T) {
	for _, c := range heldBindings {
		t.Run(c.name, func(t *testing.T) { sweepHoldsBinding(t, c) })
	}
}

func sweepHoldsBinding(t *testing.T, c heldBinding) {
	const timeout = 5 * time.Second
	b := newBench(t, 1024)
	s := b.service(c.proto, c.v6, 80, "rr", 0, c.m, 1, 1)
	s.Flags, s.Timeout, s.Granularity = table.Persistent, timeout, c.bits
	b.apply([]table.Change{{Verb: table.EditService, Service: s}})
	frame := func(port uint16, flags byte) []byte {
		from := netip.AddrPortFrom(client(1, c.v6).Addr(), port)
		if c.proto == table.UDP {
			return udpFrame(from, s.Addr, make([]byte, 18)...)
		}
		return tcpFrame(from, s.Addr, flags)
	}
	// goes opens a connection, and tells by which destination it is bound then.
	goes := func(port uint16) (dest uint32) {
		t.Helper()
		if v, _ := b.send(frame(port, syn)); v != redirect {
			t.Fatalf("action %d", v)
		}
		b.eachBindingOf(func(_ uint32, r *bindingRecord) bool { dest = r.dest; return false })
		return dest
	}
	at := goes(1000)
	if !c.half {
		b.send(frame(1000, ack))
	}
	// It would have run out, however often, but for the open connection.
	for range 2 {
		b.ageBinding(timeout - time.Second)
		sweepAll(t, b.p)
		b.ageBinding(timeout - time.Second)
		sweepAll(t, b.p)
	}
	if left := b.bindingLeft(); left < time.Second {
		t.Errorf("a client with an open connection is bound for %v only", left)
	}
	if to := goes(1001); to != at {
		t.Errorf("a client went from %d to %d with its connection open", at, to)
	}
	// Also when nobody swept in time.
	b.ageBinding(timeout + time.Second)
	sweepAll(t, b.p)
	if to := goes(1002); to != at {
		t.Errorf("after a late sweep a client went from %d to %d", at, to)
	}
	// When its connections are over, so is that.
	b.forgetFlows()
	b.ageBinding(timeout + 10*time.Second)
	sweepAll(t, b.p)
	if left := b.bindingLeft(); left >= 0 {
		t.Errorf("a client without a connection is bound for %v", left)
	}
	if to := goes(1003); to == at {
		t.Error("round robin gave the same server again")
	}
}

// TestSweepHoldsItsOwn: a flow holds no binding to another destination, and none of a service that binds nobody.
func TestSweepHoldsItsOwn(t *testing.T) {
	b := newBench(t, 1024)
	s := b.service(table.TCP, false, 80, "rr", 0, table.NAT, 1, 1)
	s.Flags, s.Timeout, s.Granularity = table.Persistent, 5*time.Second, 32
	b.apply([]table.Change{{Verb: table.EditService, Service: s}})
	from := client(1, false)
	b.send(tcpFrame(from, s.Addr, syn))
	_, out := b.send(tcpFrame(from, s.Addr, ack))
	other := server(0, false)
	if target(out) == other {
		other = server(1, false)
	}
	awaitTick(t, b.p) // so that what is learnt is younger
	if unknown, err := b.p.Learn([]Flow{{Protocol: table.TCP, State: table.None,
		Client: netip.AddrPortFrom(from.Addr(), 0), Virtual: s.Addr,
		Destination: netip.AddrPortFrom(other, 8000)}}); err != nil || unknown != 0 {
		t.Fatal(unknown, err)
	}
	b.ageBinding(6 * time.Second)
	sweepAll(t, b.p)
	if left := b.bindingLeft(); left >= 0 {
		t.Errorf("a flow to another server holds the binding for %v", left)
	}
}

// eachBindingOf calls f for each record of a binding; when f says so it is written back.
func (b *bench) eachBindingOf(f func(now uint32, r *bindingRecord) bool) {
	b.t.Helper()
	now, err := b.p.jiffies()
	if err != nil {
		b.t.Fatal(err)
	}
	m := b.p.maps[programMapPlaneBindings]
	key, r, n := make([]byte, m.KeySize()), bindingRecord{}, 0
	for all := m.Iterate(); all.Next(&key, bytesOf(&r)); n++ {
		if f(now, &r) {
			if err := m.Put(key, bytesOf(&r)); err != nil {
				b.t.Fatal(err)
			}
		}
	}
	if n != 1 {
		b.t.Fatalf("%d clients are bound", n)
	}
}

// ageBinding makes the one binding older than it is.
func (b *bench) ageBinding(d time.Duration) {
	b.t.Helper()
	b.eachBindingOf(func(_ uint32, r *bindingRecord) bool { r.last -= b.p.settings.ticks(d); return true })
}

// bindingLeft is how long the one binding lasts.
func (b *bench) bindingLeft() (left time.Duration) {
	b.t.Helper()
	b.eachBindingOf(func(now uint32, r *bindingRecord) bool {
		left = time.Duration(int32(r.last+r.timeout-now)) * b.p.tick
		return false
	})
	return left
}

// forgetFlows empties the tables of flows.
func (b *bench) forgetFlows() {
	b.t.Helper()
	for _, name := range []string{programMapPlaneFlows4, programMapPlaneFlows6, programMapPlaneHalf4,
		programMapPlaneHalf6} {
		m := b.p.maps[name]
		key, value := make([]byte, m.KeySize()), make([]byte, m.ValueSize())
		var keys [][]byte
		for all := m.Iterate(); all.Next(&key, &value); {
			keys = append(keys, slices.Clone(key))
		}
		for _, key := range keys {
			if err := m.Delete(key); err != nil {
				b.t.Fatal(err)
			}
		}
	}
}

// TestSweepSparse: a large table with few flows in it is read a few entries at a time, so that no call of the
// kernel goes through most of its buckets, and an empty one is not.
func TestSweepSparse(t *testing.T) {
	const size = 1 << 22
	b := newBench(t, size)
	if w := b.p.prepareSweep(); w.batch(b.p, &w.remembered) != 0 {
		t.Error("an empty table is read")
	}
	s := b.service(table.TCP, false, 80, "rr", 0, table.Direct, 1, 1)
	const n = 3000
	b.learnMany(s, n, table.Established, 0)
	w := b.p.prepareSweep()
	if size := w.batch(b.p, &w.remembered); size != n*sweepBuckets/(1<<22) {
		t.Errorf("%d entries are read at a time", size)
	}
	six := walk{six: true}
	if size := w.batch(b.p, &six); size != 0 {
		t.Errorf("%d entries are read of the empty table of IPv6", size)
	}
	if stats := sweepAll(t, b.p); stats.Flows != n || stats.Expired != 0 {
		t.Errorf("%+v", stats)
	}
	b.p.settings.timeout[6] = 0
	b.learnMany(s, n-10, table.Close, 0)
	awaitTick(t, b.p)
	if stats := sweepAll(t, b.p); stats.Flows != 10 || stats.Expired != n-10 {
		t.Errorf("%+v", stats)
	}
	w = b.p.prepareSweep()
	if size := w.batch(b.p, &w.remembered); size != sweepFew {
		t.Errorf("%d entries are read of a table with ten", size)
	}
	// Half-open flows are in smaller tables.
	b.send(tcpFrame(client(1, false), s.Addr, syn))
	if stats := sweepAll(t, b.p); stats.HalfOpen != 1 || stats.Flows != 10 {
		t.Errorf("%+v", stats)
	}
}
