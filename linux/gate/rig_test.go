package gate

import (
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/linux/realtime"
	"github.com/evenkeel/evenkeel/test/netns"
)

var (
	vip4  = netip.MustParseAddr("10.9.0.100")
	vip6  = netip.MustParseAddr("2001:db8:9::100")
	own4  = netip.MustParseAddr("10.9.0.1")
	own6  = netip.MustParseAddr("2001:db8:9::1")
	peer4 = netip.MustParseAddr("10.9.0.2")
	peer6 = netip.MustParseAddr("2001:db8:9::2")
)

// rig is two machines on a switch. The node has the gate and normally the addresses; the peer
// asks for them.
type rig struct {
	t          testing.TB
	node, peer *netns.NS
	wire       int // packet socket on the peer's eth0
	ifindex    int // of the peer's eth0
}

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{t: t, node: netns.New(t, "node"), peer: netns.New(t, "peer")}
	netns.Bridge(t, r.node, r.peer)
	for _, a := range []struct {
		ns      *netns.NS
		address string
	}{{r.node, "10.9.0.1/24"}, {r.node, "2001:db8:9::1/64"}, {r.peer, "10.9.0.2/24"}, {r.peer, "2001:db8:9::2/64"}} {
		a.ns.Address("eth0", a.address)
	}
	r.ifindex = r.peer.Index("eth0")
	r.peer.Do(func() {
		var err error
		r.wire, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC,
			int(htons(unix.ETH_P_ALL)))
		if err == nil {
			err = unix.Bind(r.wire, &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ALL), Ifindex: r.ifindex})
		}
		if err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() { unix.Close(r.wire) })
	return r
}

func htons(v uint16) uint16 { return v<<8 | v>>8 }

// haveVIPs puts both addresses on the node.
func (r *rig) haveVIPs() {
	r.node.Address("eth0", vip4.String()+"/32")
	r.node.Address("eth0", vip6.String()+"/128")
}

// set builds a gate set in the node; it is shut down with the test.
func (r *rig) set(mode config.GateMode) *Set {
	r.t.Helper()
	s := newSet(r.t, r.node, mode)
	r.t.Cleanup(func() { r.node.Do(func() { s.Shutdown() }) })
	return s
}

func newSet(t testing.TB, ns *netns.NS, mode config.GateMode) *Set {
	t.Helper()
	var s *Set
	ns.Do(func() {
		var err error
		if s, err = New(Options{Mode: mode, Log: func(m string) { t.Log(m) }}); err != nil {
			t.Fatal(err)
		}
	})
	return s
}

// gate makes the usual gate: VRID 51 on eth0, IPv4, both addresses.
func (r *rig) gate(s *Set) *Gate {
	r.t.Helper()
	var g *Gate
	r.node.Do(func() {
		var err error
		g, err = s.Gate(Key{Name: "VI_1", Ifindex: r.node.Index("eth0"), VRID: 51}, []netip.Addr{vip4, vip6})
		if err != nil {
			r.t.Fatal(err)
		}
	})
	return g
}

// openFor opens g as a campaign would.
func openFor(t testing.TB, g *Gate, d time.Duration) time.Duration {
	t.Helper()
	until := realtime.Now() + d
	g.PermitAdverts(until)
	if !g.Open(until) {
		t.Fatal("the gate refuses to open")
	}
	return until
}

func mac(ns *netns.NS) net.HardwareAddr { return ns.Link("eth0").Attrs().HardwareAddr }

// send puts a frame on the peer's wire.
func (r *rig) send(frame []byte) {
	r.t.Helper()
	sa := &unix.SockaddrLinklayer{Ifindex: r.ifindex, Halen: 6}
	copy(sa.Addr[:], frame[:6])
	inOrder(func() {
		if err := unix.Sendto(r.wire, frame, 0, sa); err != nil {
			r.t.Fatal(err)
		}
	})
}

// inOrder runs send on one processor, always the same: a cable keeps the order of what one processor sends, while each
// processor carries what it was given at a pace of its own.
func inOrder(send func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		panic(err)
	}
	for cpu := range 64 * len(all) {
		if all.IsSet(cpu) {
			one.Set(cpu)
			break
		}
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		panic(err)
	}
	defer unix.SchedSetaffinity(0, &all)
	send()
}

// drain forgets what the peer's wire has heard so far.
func (r *rig) drain() {
	buf := make([]byte, 2048)
	for {
		if _, _, err := unix.Recvfrom(r.wire, buf, 0); err == unix.EAGAIN {
			return
		}
	}
}

// hears waits up to d for a frame from the node that matches.
func (r *rig) hears(d time.Duration, match func(frame []byte) bool) bool {
	r.t.Helper()
	from := string(mac(r.node))
	buf := make([]byte, 2048)
	for limit := time.Now().Add(d); ; {
		n, _, err := unix.Recvfrom(r.wire, buf, 0)
		switch {
		case err == unix.EAGAIN:
			if time.Now().After(limit) {
				return false
			}
			fds := []unix.PollFd{{Fd: int32(r.wire), Events: unix.POLLIN}}
			unix.Poll(fds, int(time.Until(limit).Milliseconds())+1)
		case err != nil:
			r.t.Fatal(err)
		case n >= 14 && string(buf[6:12]) == from && match(buf[:n]):
			return true
		}
	}
}

// Waits: a dropped answer never comes, so shorter; an expected one may be late on a
// busy machine, so longer.
const (
	vain    = 60 * time.Millisecond
	patient = 30 * time.Second
)

// answered sends the question and reports whether the answer comes; want says which wait fits.
func (r *rig) answered(question []byte, want bool, match func([]byte) bool) bool {
	r.t.Helper()
	r.drain()
	if !want {
		r.send(question)
		return r.hears(vain, match)
	}
	// A machine that has just come up may lose the first question.
	sent := 0
	for limit := time.Now().Add(patient); time.Now().Before(limit); {
		r.send(question)
		sent++
		if !r.hears(200*time.Millisecond, match) {
			continue
		}
		for range sent - 1 { // late answers, which would be taken for those to the next request
			r.hears(time.Second, match)
		}
		return true
	}
	return false
}

func (r *rig) arpRequest(sender, target netip.Addr) []byte {
	return arpFrame(1, mac(r.peer), sender, nil, target)
}

func isARPFrom(ip netip.Addr) func([]byte) bool {
	return func(f []byte) bool {
		return len(f) >= 42 && f[12] == 8 && f[13] == 6 && netip.AddrFrom4([4]byte(f[28:32])) == ip
	}
}

func isNAFor(ip netip.Addr) func([]byte) bool {
	return func(f []byte) bool {
		return len(f) >= 78 && f[12] == 0x86 && f[20] == 58 && f[54] == 136 &&
			netip.AddrFrom16([16]byte(f[62:78])) == ip
	}
}

// isIPFrom matches packets whose source is ip, ARP and ND aside.
func isIPFrom(ip netip.Addr) func([]byte) bool {
	return func(f []byte) bool {
		switch {
		case ip.Is4():
			return len(f) >= 34 && f[12] == 8 && f[13] == 0 && netip.AddrFrom4([4]byte(f[26:30])) == ip
		default:
			return len(f) >= 54 && f[12] == 0x86 && !(f[20] == 58 && f[54] >= 133 && f[54] <= 137) &&
				netip.AddrFrom16([16]byte(f[22:38])) == ip
		}
	}
}

// Frame builders. A nil destination broadcasts or multicasts.

func arpFrame(op byte, src net.HardwareAddr, sender netip.Addr, dst net.HardwareAddr, target netip.Addr) []byte {
	f := ether(src, dst, 0x0806)
	f = append(f, 0, 1, 8, 0, 6, 4, 0, op)
	f = append(f, src...)
	f = append(f, sender.AsSlice()...)
	f = append(f, 0, 0, 0, 0, 0, 0)
	return append(f, target.AsSlice()...)
}

func ether(src, dst net.HardwareAddr, kind uint16) []byte {
	if dst == nil {
		dst = net.HardwareAddr{255, 255, 255, 255, 255, 255}
	}
	f := append([]byte{}, dst...)
	f = append(f, src...)
	return append(f, byte(kind>>8), byte(kind))
}

// ip builds an IP packet of either family with correct checksums where the stack checks them.
func ip(src, dst netip.Addr, proto byte, ttl byte, payload []byte) []byte {
	if src.Is4() {
		p := []byte{0x45, 0, 0, 0, 0, 1, 0, 0, ttl, proto, 0, 0}
		p = append(append(p, src.AsSlice()...), dst.AsSlice()...)
		n := len(p) + len(payload)
		p[2], p[3] = byte(n>>8), byte(n)
		s := checksum(p)
		p[10], p[11] = byte(s>>8), byte(s)
		return append(p, payload...)
	}
	p := []byte{0x60, 0, 0, 0, byte(len(payload) >> 8), byte(len(payload)), proto, ttl}
	p = append(append(p, src.AsSlice()...), dst.AsSlice()...)
	if proto == unix.IPPROTO_ICMPV6 && len(payload) >= 4 {
		payload = append([]byte{}, payload...)
		pseudo := append(append([]byte{}, p[8:40]...), 0, 0, 0, byte(len(payload)), 0, 0, 0, proto)
		s := checksum(append(pseudo, payload...))
		payload[2], payload[3] = byte(s>>8), byte(s)
	}
	return append(p, payload...)
}

func checksum(b []byte) uint16 {
	sum := uint32(0)
	for i := 0; i < len(b); i += 2 {
		sum += uint32(b[i]) << 8
		if i+1 < len(b) {
			sum += uint32(b[i+1])
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

func ipFrame(srcMAC, dstMAC net.HardwareAddr, packet []byte) []byte {
	kind := uint16(0x0800)
	if packet[0]>>4 == 6 {
		kind = 0x86dd
	}
	return append(ether(srcMAC, dstMAC, kind), packet...)
}

// nd builds an ICMPv6 neighbour message about target.
func nd(kind byte, target netip.Addr) []byte {
	return append([]byte{kind, 0, 0, 0, 0, 0, 0, 0}, target.AsSlice()...)
}

func solicitedNode(ip netip.Addr) (netip.Addr, net.HardwareAddr) {
	a := ip.As16()
	g := netip.MustParseAddr("ff02::1:ff00:0").As16()
	copy(g[13:], a[13:])
	return netip.AddrFrom16(g), net.HardwareAddr{0x33, 0x33, g[12], g[13], g[14], g[15]}
}

func (r *rig) solicitation(target netip.Addr) []byte {
	group, groupMAC := solicitedNode(target)
	question := append(append(nd(135, target), 1, 1), mac(r.peer)...) // with our link-layer address
	return ipFrame(mac(r.peer), groupMAC, ip(peer6, group, unix.IPPROTO_ICMPV6, 255, question))
}

func (r *rig) ping(dst netip.Addr) []byte {
	src, kind, proto := peer4, byte(8), byte(unix.IPPROTO_ICMP)
	if dst.Is6() {
		src, kind, proto = peer6, 128, unix.IPPROTO_ICMPV6
	}
	echo := []byte{kind, 0, 0, 0, 0, 1, 0, 1, 'p', 'i', 'n', 'g'}
	if dst.Is4() {
		s := checksum(echo)
		echo[2], echo[3] = byte(s>>8), byte(s)
	}
	return ipFrame(mac(r.peer), mac(r.node), ip(src, dst, proto, 64, echo))
}
