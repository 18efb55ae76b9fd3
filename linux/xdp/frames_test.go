package xdp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/lvs/table"
	"github.com/evenkeel/evenkeel/test/netns"
)

// bench is a plane in a namespace of its own through which frames are sent by hand (BPF_PROG_TEST_RUN): each goes
// through the real tc program and comes out rewritten.
type bench struct {
	t  testing.TB
	p  *Plane
	ns *netns.NS
}

func newBench(t testing.TB, size int) *bench {
	t.Helper()
	ns := netns.New(t, "b")
	ns.Run("ip", "link", "add", "s0", "type", "veth", "peer", "name", "s1")
	ns.Up("s0")
	ns.Up("s1")
	ns.Address("s0", "10.8.0.1/16")
	ns.Address("s0", "2001:db8:8::1/64")
	b := &bench{t: t, ns: ns}
	dir := netns.BPFFS(t)
	ns.Do(func() {
		var err error
		if b.p, err = Open(Options{Dir: dir, TableSize: size, Mode: TC, Interfaces: []string{"s0"}}); err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() { ns.Do(func() { b.p.Remove(); b.p.Close() }) })
	return b
}

// server is the address of destination i.
func server(i int, v6 bool) netip.Addr {
	if v6 {
		return netip.MustParseAddr(fmt.Sprintf("2001:db8:8::%x", i+0x100))
	}
	return netip.AddrFrom4([4]byte{10, 8, byte(1 + i/200), byte(i%200 + 1)})
}

func (b *bench) service(proto table.Protocol, v6 bool, port uint16, scheduler string, flags table.Flags, m table.Method,
	weights ...int) table.Service {
	b.t.Helper()
	vip := vip4
	if v6 {
		vip = vip6
	}
	s := table.Service{Key: table.Key{Protocol: proto, Addr: netip.AddrPortFrom(vip, port), IPv6: v6},
		Scheduler: scheduler, Flags: flags}
	g := table.Group{Service: s}
	for i, w := range weights {
		d := table.Destination{Addr: netip.AddrPortFrom(server(i, v6), port), Method: m, Weight: w}
		if m == table.NAT {
			d.Addr = netip.AddrPortFrom(d.Addr.Addr(), 8000)
		}
		g.Destinations = append(g.Destinations, d)
	}
	b.apply(table.Diff(nil, []table.Group{g}))
	return s
}

func (b *bench) apply(changes []table.Change) {
	b.t.Helper()
	b.ns.Do(func() {
		if err := b.p.Apply(changes); err != nil {
			b.t.Fatal(err)
		}
	})
}

// Verdicts of tc programs.
const (
	passed   = 0xffffffff // TC_ACT_UNSPEC
	dropped  = 2          // TC_ACT_SHOT
	redirect = 7          // TC_ACT_REDIRECT
)

// send runs a frame through the program.
func (b *bench) send(frame []byte) (action uint32, out []byte) {
	b.t.Helper()
	opts := ebpf.RunOptions{Data: frame, DataOut: make([]byte, len(frame)+256)}
	action, err := b.p.programs[programProgPlaneIngress].Run(&opts)
	if err != nil {
		b.t.Fatalf("%x: %v", frame, err)
	}
	return action, opts.DataOut
}

// TCP flags.
const (
	fin = 1
	syn = 2
	rst = 4
	ack = 16
)

func sum16(sum uint32, b []byte) uint32 {
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(b[i])<<8 | uint32(b[i+1])
	}
	if len(b)%2 == 1 {
		sum += uint32(b[len(b)-1]) << 8
	}
	return sum
}

func fold16(sum uint32) uint16 {
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return uint16(sum)
}

// pseudo is the sum of the pseudo header.
func pseudoSum(src, dst netip.Addr, proto uint8, n int) uint32 {
	return sum16(sum16(uint32(proto)+uint32(n), src.AsSlice()), dst.AsSlice())
}

// ipFrame puts a payload into an IP packet in a frame for lo, which is where test runs come in.
func ipFrame(src, dst netip.Addr, proto uint8, payload []byte) []byte {
	f := make([]byte, 14, 14+60+len(payload))
	f[6] = 2
	if src.Is4() {
		f[12] = 8
		h := []byte{0x45, 0, 0, 0, 0, 7, 0x40, 0, 64, proto, 0, 0}
		binary.BigEndian.PutUint16(h[2:], uint16(20+len(payload)))
		h = append(append(h, src.AsSlice()...), dst.AsSlice()...)
		binary.BigEndian.PutUint16(h[10:], ^fold16(sum16(0, h)))
		return append(append(f, h...), payload...)
	}
	f[12], f[13] = 0x86, 0xdd
	h := []byte{0x60, 0, 0, 0, 0, 0, proto, 64}
	binary.BigEndian.PutUint16(h[4:], uint16(len(payload)))
	return append(append(append(append(f, h...), src.AsSlice()...), dst.AsSlice()...), payload...)
}

func tcpFrame(from, to netip.AddrPort, flags byte, data ...byte) []byte {
	h := make([]byte, 20, 20+len(data))
	binary.BigEndian.PutUint16(h, from.Port())
	binary.BigEndian.PutUint16(h[2:], to.Port())
	h[12], h[13], h[14] = 5<<4, flags, 0x20
	h = append(h, data...)
	binary.BigEndian.PutUint16(h[16:], ^fold16(sum16(pseudoSum(from.Addr(), to.Addr(), 6, len(h)), h)))
	return ipFrame(from.Addr(), to.Addr(), 6, h)
}

func udpFrame(from, to netip.AddrPort, data ...byte) []byte {
	h := make([]byte, 8, 8+len(data))
	binary.BigEndian.PutUint16(h, from.Port())
	binary.BigEndian.PutUint16(h[2:], to.Port())
	binary.BigEndian.PutUint16(h[4:], uint16(8+len(data)))
	h = append(h, data...)
	binary.BigEndian.PutUint16(h[6:], ^fold16(sum16(pseudoSum(from.Addr(), to.Addr(), 17, len(h)), h)))
	return ipFrame(from.Addr(), to.Addr(), 17, h)
}

func target(f []byte) netip.Addr {
	if f[12] == 8 {
		return netip.AddrFrom4([4]byte(f[30:34]))
	}
	return netip.AddrFrom16([16]byte(f[38:54]))
}

// client is the n-th of many clients.
func client(n int, v6 bool) netip.AddrPort {
	x := uint32(n) * 2654435761
	port := uint16(1024 + x>>17)
	if v6 {
		a := netip.MustParseAddr("2001:db8:1::").As16()
		binary.BigEndian.PutUint32(a[8:], x)
		a[15] = byte(n)
		return netip.AddrPortFrom(netip.AddrFrom16(a), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{byte(20 + x>>28), byte(x >> 16), byte(x >> 8), byte(x)}), port)
}

// TestShares: over 100 000 flows through the real program, each server's share is its weight's within 1 % of the whole.
func TestShares(t *testing.T) {
	if testing.Short() {
		t.Skip("100 000 flows for each scheduler take a while")
	}
	weights := []int{1, 2, 3, 4, 10}
	for _, v6 := range []bool{false, true} {
		for _, scheduler := range []string{"rr", "wrr", "lc", "wlc", "sh", "mh"} {
			t.Run(fmt.Sprint(scheduler, " v6=", v6), func(t *testing.T) {
				flows := 100_000
				if v6 {
					flows = 30_000 // the choice is the same code
				}
				b := newBench(t, 1<<18)
				s := b.service(table.TCP, v6, 80, scheduler, 0, table.Direct, weights...)
				total := 0
				for _, w := range weights {
					total += w
				}
				for n := range flows {
					from := client(n, v6)
					if v, _ := b.send(tcpFrame(from, s.Addr, syn)); v != redirect {
						t.Fatalf("flow %d: action %d", n, v)
					}
					b.send(tcpFrame(from, s.Addr, ack))
				}
				state, err := b.p.State()
				if err != nil {
					t.Fatal(err)
				}
				// a few clients have the same address and port
				if n := state[0].Counters.Connections; n < uint64(flows)*99/100 {
					t.Errorf("%d connections", n)
				}
				seen := uint64(0)
				for i, d := range state[0].Destinations {
					want := float64(weights[i]) / float64(total)
					if scheduler == "rr" || scheduler == "lc" {
						want = 1 / float64(len(weights))
					}
					share := float64(d.Counters.Connections) / float64(state[0].Counters.Connections)
					if share < want-0.01 || share > want+0.01 {
						t.Errorf("server %d has %.2f %%, want %.2f %%", i, share*100, want*100)
					}
					seen += uint64(d.Active)
				}
				if seen != state[0].Counters.Connections {
					t.Errorf("%d are active of %d", seen, state[0].Counters.Connections)
				}
			})
		}
	}
}

// TestAgreement: two nodes choose alike, whatever the order in which they were told of servers; and a
// connection that neither has seen begin goes where it went.
func TestAgreement(t *testing.T) {
	for _, scheduler := range []string{"mh", "sh"} {
		for _, flags := range []table.Flags{0, table.Sched2} {
			a, b := newBench(t, 1<<14), newBench(t, 1<<14)
			b.service(table.UDP, false, 53, "rr", 0, table.Direct, 1, 1, 1) // other numbers for everything
			s := a.service(table.TCP, false, 80, scheduler, flags, table.NAT, 1, 2, 3, 4, 5)
			state, err := a.p.State()
			if err != nil {
				t.Fatal(err)
			}
			g := groups(state)
			slices.Reverse(g[0].Destinations)
			b.apply(table.Diff(nil, g))
			for n := range 2000 {
				from := client(n, false)
				_, x := a.send(tcpFrame(from, s.Addr, syn))
				v, y := b.send(tcpFrame(from, s.Addr, ack))
				if v != redirect || target(x) != target(y) {
					t.Fatalf("%s %#x: %s goes to %s here and to %s (action %d) there", scheduler, flags, from,
						target(x), target(y), v)
				}
			}
		}
	}
}

// forwardedRight checks what came out of NAT against what went in, knowing nothing of the program: only
// destination, time to live and sums may differ, and all of them must be right.
func forwardedRight(in, out []byte, servers map[netip.Addr]bool) error {
	if len(in) != len(out) {
		return fmt.Errorf("%d bytes became %d", len(in), len(out))
	}
	p, err := strict(in)
	later := errors.Is(err, errLater) // goes after the first one: nothing but the address changes
	if err != nil && !later {
		return fmt.Errorf("it should not have been forwarded: %w", err)
	}
	if !servers[target(out)] {
		return fmt.Errorf("it goes to %s", target(out))
	}
	if _, err := strict(out); err != nil && !later {
		return fmt.Errorf("what came out is malformed: %w", err)
	}
	src, dst, l4, proto, n, at := p.src, p.dst, p.l4, p.proto, p.end, 16
	if proto == 17 {
		at = 6
	}
	if later {
		l4, n, at = 14, 14, 0
	}
	before := pseudoSum(src, dst, proto, n-l4) + sum16(0, in[l4:n])
	after := pseudoSum(src, target(out), proto, n-l4) + sum16(0, out[l4:n])
	if later {
	} else if proto == 17 && in[l4+6] == 0 && in[l4+7] == 0 {
		if out[l4+6] != 0 || out[l4+7] != 0 {
			return fmt.Errorf("a UDP sum came from nowhere")
		}
	} else if fold16(before)%0xffff != fold16(after)%0xffff {
		return fmt.Errorf("the transport sum was right to %#x and is to %#x", fold16(before), fold16(after))
	}
	same := bytes.Clone(out)
	copy(same[:12], in[:12])
	if in[12] == 8 {
		if out[22] != in[22]-1 {
			return fmt.Errorf("time to live %d became %d", in[22], out[22])
		}
		same[22] = in[22]
		copy(same[24:26], in[24:26])
		copy(same[30:34], in[30:34])
	} else {
		if out[21] != in[21]-1 {
			return fmt.Errorf("hop limit %d became %d", in[21], out[21])
		}
		same[21] = in[21]
		copy(same[38:54], in[38:54])
	}
	if !later {
		copy(same[l4+2:l4+4], in[l4+2:l4+4])
		copy(same[l4+at:l4+at+2], in[l4+at:l4+at+2])
	}
	if !bytes.Equal(same, in) {
		return fmt.Errorf("other bytes changed")
	}
	return nil
}

var errLater = errors.New("a later fragment")

// A packet is what the letter of the RFCs says of a frame: src and dst, where the header behind IP begins, its
// protocol, and where the IP packet ends.
type packet struct {
	src, dst netip.Addr
	l4       int
	proto    uint8
	end      int
}

// strict reads a frame by the letter of the RFCs, or says what is wrong with it.
func strict(f []byte) (p packet, err error) {
	switch {
	case len(f) < 34:
		return p, errors.New("short")
	case f[12] == 8 && f[13] == 0:
		p, err = strict4(f)
	case f[12] == 0x86 && f[13] == 0xdd && len(f) >= 54:
		p, err = strict6(f)
	default:
		return p, errors.New("neither IPv4 nor IPv6")
	}
	if err != nil {
		return p, err
	}
	if p.src.IsUnspecified() || p.src.IsMulticast() || p.src.IsLoopback() || p.src == p.dst {
		return p, fmt.Errorf("source %s", p.src)
	}
	switch p.proto {
	case unix.IPPROTO_TCP:
		if p.l4+20 > p.end || int(f[p.l4+12]>>4) < 5 {
			return p, errors.New("TCP header")
		}
	case unix.IPPROTO_UDP:
		if p.l4+8 > p.end {
			return p, errors.New("UDP header")
		}
	default:
		return p, fmt.Errorf("protocol %d", p.proto)
	}
	return p, nil
}

func strict4(f []byte) (p packet, err error) {
	ihl := int(f[14]&15) * 4
	p.end = 14 + int(binary.BigEndian.Uint16(f[16:]))
	if f[14]>>4 != 4 || ihl < 20 || p.end < 14+ihl || p.end > len(f) {
		return p, errors.New("header or length")
	}
	p.src, p.dst, p.l4, p.proto = netip.AddrFrom4([4]byte(f[26:30])), netip.AddrFrom4([4]byte(f[30:34])), 14+ihl, f[23]
	switch {
	case binary.BigEndian.Uint16(f[20:])&0x1fff != 0:
		return p, errLater
	case fold16(sum16(0, f[14:14+ihl])) != 0xffff:
		return p, errors.New("header sum")
	case f[26] >= 240:
		return p, fmt.Errorf("source %s", p.src)
	}
	return p, nil
}

func strict6(f []byte) (p packet, err error) {
	p.end = 54 + int(binary.BigEndian.Uint16(f[18:]))
	if f[14]>>4 != 6 || p.end > len(f) {
		return p, errors.New("header or length")
	}
	p.src, p.dst, p.l4, p.proto = netip.AddrFrom16([16]byte(f[22:38])), netip.AddrFrom16([16]byte(f[38:54])), 54, f[20]
	for p.proto == 0 || p.proto == 43 || p.proto == 60 || p.proto == 44 {
		if p.l4+8 > p.end {
			return p, errors.New("extension header")
		}
		if p.proto == 44 {
			if binary.BigEndian.Uint16(f[p.l4+2:])&0xfff8 != 0 {
				return p, errLater
			}
			p.proto = f[p.l4]
			p.l4 += 8
			continue
		}
		p.proto, p.l4 = f[p.l4], p.l4+int(f[p.l4+1]+1)*8
	}
	return p, nil
}
