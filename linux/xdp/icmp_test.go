package xdp

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"

	"github.com/evenkeel/evenkeel/lvs/table"
)

// icmpFrame is an ICMP error about quoted (a frame), sent back to its sender.
func icmpFrame(from netip.Addr, kind, code byte, quoted []byte) []byte {
	q := quoted[14:]
	if from.Is4() {
		to := netip.AddrFrom4([4]byte(q[12:16]))
		body := append([]byte{kind, code, 0, 0, 0, 0, 5, 0xdc}, q[:min(len(q), 60)]...)
		binary.BigEndian.PutUint16(body[2:], ^fold16(sum16(0, body)))
		return ipFrame(from, to, 1, body)
	}
	to := netip.AddrFrom16([16]byte(q[8:24]))
	body := append([]byte{kind, code, 0, 0, 0, 0, 5, 0xdc}, q[:min(len(q), 100)]...)
	binary.BigEndian.PutUint16(body[2:], ^fold16(sum16(pseudoSum(from, to, 58, len(body)), body)))
	return ipFrame(from, to, 58, body)
}

// checkICMP verifies the sums of an ICMP error and of the IPv4 header it quotes, and returns the quoted packet.
func checkICMP(t *testing.T, f []byte) (quoted []byte) {
	t.Helper()
	if f[12] == 8 {
		n := int(binary.BigEndian.Uint16(f[16:]))
		if fold16(sum16(0, f[14:34])) != 0xffff {
			t.Errorf("wrong header sum: %x", f)
		}
		if fold16(sum16(0, f[34:14+n])) != 0xffff {
			t.Errorf("wrong ICMP sum: %x", f)
		}
		quoted = f[42:]
		if fold16(sum16(0, quoted[:20])) != 0xffff {
			t.Errorf("wrong quoted header sum: %x", f)
		}
		return quoted
	}
	src, dst := netip.AddrFrom16([16]byte(f[22:38])), netip.AddrFrom16([16]byte(f[38:54]))
	n := int(binary.BigEndian.Uint16(f[18:]))
	if fold16(sum16(pseudoSum(src, dst, 58, n), f[54:54+n])) != 0xffff {
		t.Errorf("wrong ICMPv6 sum: %x", f)
	}
	return f[62:]
}

func ends(q []byte) (src, dst netip.AddrPort) {
	if q[0]>>4 == 4 {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(q[12:16])), binary.BigEndian.Uint16(q[20:])),
			netip.AddrPortFrom(netip.AddrFrom4([4]byte(q[16:20])), binary.BigEndian.Uint16(q[22:]))
	}
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte(q[8:24])), binary.BigEndian.Uint16(q[40:])),
		netip.AddrPortFrom(netip.AddrFrom16([16]byte(q[24:40])), binary.BigEndian.Uint16(q[42:]))
}

// TestErrors: an ICMP error finds the flow of the packet it quotes, and with NAT is translated like it, both ways.
func TestErrors(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		for _, m := range []table.Method{table.NAT, table.Direct} {
			t.Run(fmt.Sprint(m, " v6=", v6), func(t *testing.T) {
				b := newBench(t, 1<<14)
				s := b.service(table.TCP, v6, 80, "rr", 0, m, 1, 1, 1)
				router := netip.MustParseAddr("192.0.2.254")
				kind := byte(3)
				if v6 {
					router, kind = netip.MustParseAddr("2001:db8:ffff::fe"), 1
				}
				from := client(3, v6)
				_, out := b.send(tcpFrame(from, s.Addr, syn))
				b.send(tcpFrame(from, s.Addr, ack))
				real := netip.AddrPortFrom(target(out), 8000)
				if m == table.Direct {
					real = s.Addr
				}
				// A router on the client's side cannot deliver what the service sent.
				v, out := b.send(icmpFrame(router, kind, 4, tcpFrame(s.Addr, from, ack)))
				if v != redirect {
					t.Fatalf("action %d, %v", v, b.fates())
				}
				src, dst := ends(checkICMP(t, out))
				if src != real || dst != from || target(out) != real.Addr() {
					t.Errorf("to %s: about %s to %s; want about %s to %s", target(out), src, dst, real, from)
				}
				if m != table.NAT {
					return
				}
				// The server itself, and a router before it, cannot deliver what the client sent.
				for _, who := range []netip.Addr{real.Addr(), router} {
					v, out = b.send(icmpFrame(who, kind, 3, tcpFrame(from, real, ack)))
					if v != redirect && v != dropped { // there is no route to the client here
						t.Fatalf("action %d, %v", v, b.fates())
					}
					src, dst = ends(checkICMP(t, out))
					if src != from || dst != s.Addr || target(out) != from.Addr() {
						t.Errorf("to %s: about %s to %s; want about %s to %s", target(out), src, dst, from, s.Addr)
					}
				}
				// About nothing known: the stack's.
				if v, _ := b.send(icmpFrame(router, kind, 4, tcpFrame(s.Addr, client(4, v6), ack))); v != passed {
					t.Errorf("an error about an unknown flow: action %d", v)
				}
			})
		}
	}
}

// TestFragments: later fragments follow the first one; without it they belong to no flow.
func TestFragments(t *testing.T) {
	b := newBench(t, 1<<14)
	s := b.service(table.UDP, false, 53, "rr", 0, table.NAT, 1, 1, 1)
	whole := udpFrame(client(1, false), s.Addr, make([]byte, 64)...)
	piece := func(id byte, from, n int, more bool) []byte {
		f := append(append([]byte{}, whole[:34]...), whole[34+from:34+from+n]...)
		f[19] = id
		f[20], f[21] = byte(from/8>>8), byte(from/8)
		if more {
			f[20] |= 0x20
		}
		binary.BigEndian.PutUint16(f[16:], uint16(len(f)-14))
		return resum(f)
	}
	if v, _ := b.send(piece(1, 48, 24, false)); v != passed {
		t.Errorf("a later fragment before the first: action %d", v)
	}
	for id := range byte(3) {
		v, first := b.send(piece(10+id, 0, 24, true))
		if v != redirect {
			t.Fatalf("the first fragment: action %d, %v", v, b.fates())
		}
		v, second := b.send(piece(10+id, 24, 24, true))
		_, third := b.send(piece(10+id, 48, 24, false))
		if v != redirect || target(first) != target(second) || target(first) != target(third) {
			t.Fatalf("fragments went to %s, %s and %s", target(first), target(second), target(third))
		}
		// Put together again, the sum is right.
		data := append(append(append([]byte{}, first[34:]...), second[34:]...), third[34:]...)
		if fold16(sum16(pseudoSum(client(1, false).Addr(), target(first), 17, len(data)), data)) != 0xffff {
			t.Errorf("the whole packet's sum is wrong")
		}
	}
}

// TestTooBig: a sender is told what fits, by an error that it accepts.
func TestTooBig(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		b := newBench(t, 1<<14)
		s := b.service(table.TCP, v6, 80, "rr", 0, table.Tunnel, 1)
		from := client(1, v6)
		b.send(tcpFrame(from, s.Addr, syn))
		fits, overhead := 1480, 40
		if v6 {
			fits, overhead = 1460, 60
		}
		v, out := b.send(tcpFrame(from, s.Addr, ack, make([]byte, fits-overhead)...))
		if v != redirect || len(out) <= fits+14 {
			t.Errorf("what fits: action %d, %d bytes", v, len(out))
		}
		in := tcpFrame(from, s.Addr, ack, make([]byte, fits-overhead+1)...)
		v, out = b.send(in)
		if v != redirect || target(out) != from.Addr() {
			t.Fatalf("what does not: action %d, to %s, %v", v, target(out), b.fates())
		}
		src, dst := ends(checkICMP(t, out))
		if src != from || dst != s.Addr {
			t.Errorf("about %s to %s", src, dst)
		}
		mtu := int(binary.BigEndian.Uint16(out[40:]))
		if v6 {
			mtu = int(binary.BigEndian.Uint32(out[58:]))
		}
		if mtu != fits {
			t.Errorf("it says %d fits, not %d", mtu, fits)
		}
		if b.fates()["told-too-big"] != 1 {
			t.Errorf("%v", b.fates())
		}
	}
}

// TestFlood: a flood of half-open flows pushes out only its like, and where the table is full, new flows still
// work.
func TestFlood(t *testing.T) {
	b := newBench(t, 1024)
	s := b.service(table.TCP, false, 80, "rr", 0, table.NAT, 1, 1, 1, 1, 1)
	to := map[int]netip.Addr{}
	open := func(n int) {
		b.send(tcpFrame(client(n, false), s.Addr, syn))
		_, out := b.send(tcpFrame(client(n, false), s.Addr, ack))
		to[n] = target(out)
	}
	check := func(n int) {
		t.Helper()
		v, out := b.send(tcpFrame(client(n, false), s.Addr, ack, 1))
		if v != redirect || target(out) != to[n] {
			t.Fatalf("flow %d: action %d, to %s, was %s", n, v, target(out), to[n])
		}
	}
	for n := range 300 {
		open(n)
	}
	for n := 100_000; n < 120_000; n++ {
		if v, _ := b.send(tcpFrame(client(n, false), s.Addr, syn)); v != redirect {
			t.Fatalf("action %d in the flood", v)
		}
	}
	for n := range 300 {
		check(n)
	}
	for n := 300; n < 700; n++ { // NAT takes two entries for each
		open(n)
	}
	if b.fates()["table-full"] == 0 {
		t.Error("the table was never full")
	}
	for _, n := range []int{0, 299, 690, 699} {
		check(n)
	}
	b.ns.Do(func() {
		stats, err := b.p.Sweep()
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%+v", stats)
	})
	state, err := b.p.State()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0
	for _, d := range state[0].Destinations {
		sum += int(d.Active + d.Inactive)
	}
	if sum > 512+1024 {
		t.Errorf("%d connections are counted in tables of 512 and 1024", sum)
	}
}

// TestThresholds: above the upper one a server gets nothing new until it is below the lower one.
func TestThresholds(t *testing.T) {
	b := newBench(t, 1<<14)
	s := b.service(table.TCP, false, 80, "rr", 0, table.NAT, 1, 1)
	d := table.Destination{Addr: netip.AddrPortFrom(server(0, false), 8000), Method: table.NAT, Weight: 1, Upper: 4,
		Lower: 2}
	b.apply([]table.Change{{Verb: table.EditDestination, Service: s, Destination: d}})
	for n := range 40 {
		b.send(tcpFrame(client(n, false), s.Addr, syn))
		b.send(tcpFrame(client(n, false), s.Addr, ack))
	}
	state, err := b.p.State()
	if err != nil {
		t.Fatal(err)
	}
	if a, z := state[0].Destinations[0].Active, state[0].Destinations[1].Active; a != 4 || z != 36 {
		t.Errorf("%d and %d", a, z)
	}
}
