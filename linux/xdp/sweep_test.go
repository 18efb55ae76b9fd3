package xdp

import (
	"encoding/binary"
	"net/netip"
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
		if seen := b.p.sweeper.remembered.seen; !stats.Whole && (seen < call*sweepLeast || seen >= call*(sweepLeast+sweepBatch)) {
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
	// A third of them closes, as the other director tells, and is over.
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
