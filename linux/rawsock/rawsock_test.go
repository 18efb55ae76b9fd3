package rawsock

import (
	"bytes"
	"encoding/hex"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/test/netns"
)

var (
	group4 = netip.MustParseAddr("224.0.0.18")
	group6 = netip.MustParseAddr("ff02::12")
)

// pair is two machines on one switch.
func pair(t testing.TB) (a, b *netns.NS) {
	t.Helper()
	a, b = netns.New(t, "a"), netns.New(t, "b")
	netns.Bridge(t, a, b)
	a.Address("eth0", "10.9.0.1/24")
	b.Address("eth0", "10.9.0.2/24")
	a.Address("eth0", "fe80::1/64")
	b.Address("eth0", "fe80::2/64")
	return a, b
}

func openVRRP(t testing.TB, ns *netns.NS, cfg VRRPConfig) *VRRP {
	t.Helper()
	var v *VRRP
	ns.Do(func() {
		if cfg.Ifindex == 0 && cfg.Group.IsValid() {
			cfg.Ifindex, cfg.Ifname = ns.Index("eth0"), "eth0"
		}
		var err error
		if v, err = OpenVRRP(cfg); err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() { v.Close() })
	return v
}

// patience is for what must come.
const patience = 30 * time.Second

// readable waits for fd for at most d.
func readable(t testing.TB, fd int, d time.Duration) bool {
	t.Helper()
	limit := time.Now().Add(d)
	for {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, int(max(time.Until(limit).Milliseconds(), 0)))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		return n > 0
	}
}

func receive(t testing.TB, v *VRRP, buf []byte) Datagram {
	t.Helper()
	if !readable(t, v.Fd(), patience) {
		t.Fatal("no packet arrived")
	}
	d, ok, err := v.Receive(buf)
	if err != nil || !ok {
		t.Fatalf("Receive: ok %v, %v", ok, err)
	}
	return d
}

func TestVRRP(t *testing.T) {
	a, b := pair(t)
	addr := netip.MustParseAddr
	tests := []struct {
		name     string
		from, to VRRPConfig
		src, dst netip.Addr
		ttl      int
	}{
		{"multicast4", VRRPConfig{Group: group4}, VRRPConfig{Group: group4}, addr("10.9.0.1"), group4, 255},
		{"multicast4 foreign source", VRRPConfig{Group: group4}, VRRPConfig{Group: group4}, addr("10.9.0.77"), group4,
			255},
		{"multicast6", VRRPConfig{IPv6: true, Group: group6}, VRRPConfig{IPv6: true, Group: group6}, addr("fe80::1"),
			group6, 255},
		{"unicast4", VRRPConfig{Source: addr("10.9.0.1")}, VRRPConfig{Source: addr("10.9.0.2")}, addr("10.9.0.1"),
			addr("10.9.0.2"), 64},
		{"unicast6", VRRPConfig{IPv6: true, Source: addr("fe80::1"), Ifindex: a.Index("eth0"), Ifname: "eth0"},
			VRRPConfig{IPv6: true, Source: addr("fe80::2"), Ifindex: b.Index("eth0"), Ifname: "eth0"}, addr("fe80::1"),
			addr("fe80::2"), 33},
	}
	payload, _ := hex.DecodeString("213396010101dafa0a0900643131313100000000")
	buf := make([]byte, 2048)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			va, vb := openVRRP(t, a, test.from), openVRRP(t, b, test.to)
			for range 3 {
				if err := va.Send(payload, test.src, test.dst, test.ttl); err != nil {
					t.Fatal(err)
				}
				d := receive(t, vb, buf)
				if d.Src != test.src || d.Dst != test.dst || d.TTL != test.ttl || d.Ifindex != b.Index("eth0") ||
					!bytes.Equal(d.Payload, payload) {
					t.Errorf("received %+v", d)
				}
				want := len(payload) + ipv4Header
				if test.from.IPv6 {
					want = len(payload) + ipv6Header
				}
				if d.IPTotalLen != want {
					t.Errorf("total length %d, want %d", d.IPTotalLen, want)
				}
			}
			if _, ok, err := vb.Receive(buf); ok || err != nil {
				t.Errorf("after the last packet: ok %v, %v", ok, err)
			}
			if readable(t, va.Fd(), 0) {
				t.Error("the sender hears itself")
			}
		})
	}
}

// TestVRRPWire compares what leaves with what Keepalived puts on the wire, byte by byte.
func TestVRRPWire(t *testing.T) {
	a, b := pair(t)
	va := openVRRP(t, a, VRRPConfig{Group: group4})
	va6 := openVRRP(t, a, VRRPConfig{IPv6: true, Group: group6})
	tap := capture(t, b)
	payload := []byte{0x31, 1, 0x96, 1, 0, 10, 0x43, 0x50, 10, 9, 1, 1}
	for range 2 {
		if err := va.Send(payload, netip.MustParseAddr("10.9.0.1"), group4, 255); err != nil {
			t.Fatal(err)
		}
	}
	if err := va6.Send(payload, netip.MustParseAddr("fe80::1"), group6, 255); err != nil {
		t.Fatal(err)
	}
	isVRRP := func(f []byte) bool {
		return f[12] == 8 && f[13] == 0 && f[23] == 112 || f[12] == 0x86 && f[20] == 112
	}
	want := []string{
		"45c00020" + "00010000" + "ff70d090" + "0a090001" + "e0000012" + hex.EncodeToString(payload),
		"45c00020" + "00020000" + "ff70d08f" + "0a090001" + "e0000012" + hex.EncodeToString(payload),
		"6c000000" + "000c70ff" + "fe800000000000000000000000000001" + "ff020000000000000000000000000012" +
			hex.EncodeToString(payload),
	}
	for i, w := range want {
		f := tap.next(t, isVRRP)
		if got := hex.EncodeToString(f[14:][:len(w)/2]); got != w {
			t.Errorf("packet %d\n got %s\nwant %s", i, got, w)
		}
		if dst := hex.EncodeToString(f[:6]); i < 2 && dst != "01005e000012" || i == 2 && dst != "333300000012" {
			t.Errorf("packet %d goes to %s", i, dst)
		}
	}
}

// TestVRRPReportsLocalDrops: an advert that never left must not look sent.
func TestVRRPReportsLocalDrops(t *testing.T) {
	a, _ := pair(t)
	v4, v6 := openVRRP(t, a, VRRPConfig{Group: group4}), openVRRP(t, a, VRRPConfig{IPv6: true, Group: group6})
	send := func() [2]error {
		return [2]error{
			v4.Send([]byte("advert"), netip.MustParseAddr("10.9.0.1"), group4, 255),
			v6.Send([]byte("advert"), netip.MustParseAddr("fe80::1"), group6, 255),
		}
	}
	if err := send(); err != [2]error{} {
		t.Fatal(err)
	}
	a.Run("nft", "add table netdev t; add chain netdev t c { type filter hook egress device eth0 priority 0; policy "+
		"drop; }")
	if err := send(); err != [2]error{unix.ENOBUFS, unix.ENOBUFS} {
		t.Errorf("dropped on the way out: %v", err)
	}
	a.Run("nft", "flush ruleset")
	if err := send(); err != [2]error{} {
		t.Errorf("the error sticks: %v", err)
	}
}

// TestVRRPForgetsUnreachablePeers: a peer that refuses the protocol must not spoil later sends.
func TestVRRPForgetsUnreachablePeers(t *testing.T) {
	a, _ := pair(t)
	src, dst := netip.MustParseAddr("10.9.0.1"), netip.MustParseAddr("10.9.0.2")
	v := openVRRP(t, a, VRRPConfig{Source: src})
	tp := capture(t, a)
	for range 5 {
		if err := v.Send([]byte("advert"), src, dst, 255); err != nil {
			t.Fatal(err)
		}
		// The peer has no VRRP socket and says so.
		tp.next(t, func(f []byte) bool { return f[12] == 8 && f[23] == 1 && f[34] == 3 })
	}
}

func TestVRRPHearsOnlyItsGroup(t *testing.T) {
	a, b := pair(t)
	other := netip.MustParseAddr("224.0.0.19")
	vb := openVRRP(t, b, VRRPConfig{Group: group4})
	vo := openVRRP(t, b, VRRPConfig{Group: other})
	va := openVRRP(t, a, VRRPConfig{Group: group4})
	src := netip.MustParseAddr("10.9.0.1")
	va.Send([]byte("other"), src, other, 255)
	va.Send([]byte("unicast"), src, netip.MustParseAddr("10.9.0.2"), 255)
	va.Send([]byte("group"), src, group4, 255)
	buf := make([]byte, 2048)
	if d := receive(t, vb, buf); string(d.Payload) != "group" {
		t.Errorf("heard %q", d.Payload)
	}
	if d := receive(t, vo, buf); string(d.Payload) != "other" {
		t.Errorf("the other group heard %q", d.Payload)
	}
	if err := vb.Join(group4); err != nil {
		t.Errorf("joining twice: %v", err)
	}
	for range 2 {
		if err := vb.Leave(group4); err != nil {
			t.Errorf("leaving: %v", err)
		}
	}
}

func TestVRRPReceivesOptionsAndOddLengths(t *testing.T) {
	var in inbox
	for _, test := range []struct {
		name, packet, payload string
		ok                    bool
	}{
		{"options", "46c0001a0001000094700000" + "0a090001e0000012" + "94040000" + "aabb", "aabb", true},
		{"padding", "45c000160001000094700000" + "0a090001e0000012" + "aabb" + "00000000", "aabb", true},
		{"total length too large", "45c0ffff0001000094700000" + "0a090001e0000012" + "aabb", "aabb", true},
		{"no payload", "45c000140001000094700000" + "0a090001e0000012", "", true},
		{"header cut", "45c000140001000094700000" + "0a0900", "", false},
		{"header length too small", "44c000140001000094700000" + "0a090001e0000012", "", false},
		{"header longer than packet", "4fc000140001000094700000" + "0a090001e0000012", "", false},
		{"empty", "", "", false},
	} {
		p, err := hex.DecodeString(test.packet)
		if err != nil {
			t.Fatal(err)
		}
		d, ok := in.ipv4(p)
		if ok != test.ok || hex.EncodeToString(d.Payload) != test.payload {
			t.Errorf("%s: %x, %v", test.name, d.Payload, ok)
		}
	}
}

func TestVRRPCountsDrops(t *testing.T) {
	a, b := pair(t)
	va, vb := openVRRP(t, a, VRRPConfig{Group: group4}), openVRRP(t, b, VRRPConfig{Group: group4})
	if vb.Drops() != 0 {
		t.Fatalf("%d drops before the first packet", vb.Drops())
	}
	src := netip.MustParseAddr("10.9.0.1")
	for range 3000 {
		va.Send(make([]byte, 200), src, group4, 255)
	}
	limit := time.Now().Add(patience)
	for vb.Drops() == 0 {
		if time.Now().After(limit) {
			t.Fatal("3000 unread packets and no drop: the receive buffer is not small")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestOpenVRRPRefuses(t *testing.T) {
	netns.Root(t)
	for _, cfg := range []VRRPConfig{
		{Group: group4}, // no interface
		{},
		{Ifindex: 1, Ifname: "lo", Group: group6},
		{Ifindex: 1, Ifname: "lo", IPv6: true, Source: netip.MustParseAddr("10.0.0.1")},
		{Ifindex: 1, Ifname: "no-such-one", Group: group4},
	} {
		if v, err := OpenVRRP(cfg); err == nil {
			v.Close()
			t.Errorf("%+v accepted", cfg)
		} else {
			t.Log(err)
		}
	}
}

// tap reads every frame that arrives in a namespace.
type tap struct{ fd int }

func capture(t testing.TB, ns *netns.NS) *tap {
	t.Helper()
	tp := &tap{}
	ns.Do(func() {
		var err error
		if tp.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC,
			int(htons(unix.ETH_P_ALL))); err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() { unix.Close(tp.fd) })
	return tp
}

func (tp *tap) next(t testing.TB, match func([]byte) bool) []byte {
	t.Helper()
	buf := make([]byte, 2048)
	for limit := time.Now().Add(patience); time.Now().Before(limit); {
		if !readable(t, tp.fd, time.Until(limit)) {
			break
		}
		n, err := unix.Read(tp.fd, buf)
		if err == nil && n >= 42 && match(buf[:n]) {
			return buf[:n]
		}
	}
	t.Fatal("the expected frame did not arrive")
	return nil
}

func mac(t testing.TB, ns *netns.NS) net.HardwareAddr {
	return ns.Link("eth0").Attrs().HardwareAddr
}

func announcer(t testing.TB, ns *netns.NS) *Announcer {
	t.Helper()
	var a *Announcer
	ns.Do(func() {
		var err error
		if a, err = OpenAnnouncer(ns.Index("eth0"), mac(t, ns)); err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() { a.Close() })
	return a
}

func TestAnnouncementFrames(t *testing.T) {
	a, b := pair(t)
	an := announcer(t, a)
	if err := an.SetHardwareAddr(net.HardwareAddr{2, 0, 0, 0xa, 0xb, 0xc}); err != nil {
		t.Fatal(err)
	}
	tp := capture(t, b)
	vip4, vip6 := netip.MustParseAddr("10.9.0.100"), netip.MustParseAddr("2001:db8::64")
	for _, send := range []func() error{
		func() error { return an.GratuitousARP(vip4) },
		func() error { return an.Probe(vip4) },
		func() error { return an.UnsolicitedNA(vip6, true) },
		func() error { return an.UnsolicitedNA(vip6, false) },
		func() error { return an.Probe(vip6) },
	} {
		if err := send(); err != nil {
			t.Fatal(err)
		}
	}
	const me = "0200000a0b0c"
	ours := func(f []byte) bool { return hex.EncodeToString(f[6:12]) == me }
	const v6 = "20010db8000000000000000000000064"
	for i, want := range []string{
		"ffffffffffff" + me + "0806" + "0001080006040001" + me + "0a090064" + "ffffffffffff" + "0a090064",
		"ffffffffffff" + me + "0806" + "0001080006040001" + me + "00000000" + "000000000000" + "0a090064",
		"333300000001" + me + "86dd" + "60000000002" + "03aff" + v6 + "ff020000000000000000000000000001" +
			"88006d4f" + "a0000000" + v6 + "0201" + me,
		"333300000001" + me + "86dd" + "60000000002" + "03aff" + v6 + "ff020000000000000000000000000001" +
			"8800ed4f" + "20000000" + v6 + "0201" + me,
		"3333ff000064" + me + "86dd" + "60000000001" + "83aff" + "00000000000000000000000000000000" +
			"ff0200000000000000000001ff000064" + "87004c27" + "00000000" + v6,
	} {
		f := tp.next(t, ours)
		if got := hex.EncodeToString(f[:len(want)/2]); got != want {
			t.Errorf("frame %d\n got %s\nwant %s", i, got, want)
		}
	}
}

// TestAnnouncementsAreHeard asks the kernel next door: its caches must follow.
func TestAnnouncementsAreHeard(t *testing.T) {
	a, b := pair(t)
	an := announcer(t, a)
	vip4, vip6 := netip.MustParseAddr("10.9.0.100"), netip.MustParseAddr("fe80::64")
	b.Run("ip", "neigh", "replace", vip4.String(), "lladdr", "02:00:00:00:00:99", "nud", "stale", "dev", "eth0")
	b.Run("ip", "neigh", "replace", vip6.String(), "lladdr", "02:00:00:00:00:99", "nud", "stale", "dev", "eth0")
	if err := an.GratuitousARP(vip4); err != nil {
		t.Fatal(err)
	}
	if err := an.UnsolicitedNA(vip6, false); err != nil {
		t.Fatal(err)
	}
	for _, vip := range []netip.Addr{vip4, vip6} {
		for limit := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
			out := b.Run("ip", "neigh", "show", vip.String(), "dev", "eth0")
			if bytes.Contains([]byte(out), []byte(mac(t, a).String())) {
				break
			}
			if time.Now().After(limit) {
				t.Fatalf("%s: the neighbour still has %q", vip, out)
			}
		}
	}
}

func TestProbeFindsTheOwner(t *testing.T) {
	a, b := pair(t)
	an := announcer(t, a)
	for _, vip := range []string{"10.9.0.100/24", "fe80::64/64"} {
		t.Run(vip, func(t *testing.T) { probeFindsTheOwner(t, a, b, an, vip) })
	}
}

// replies hears answers for addresses.
func replies(t *testing.T, ns *netns.NS, addrs ...netip.Addr) (r *Replies) {
	t.Helper()
	ns.Do(func() {
		var err error
		if r, err = OpenReplies(ns.Index("eth0"), mac(t, ns), addrs); err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() { r.Close() })
	return r
}

func probeFindsTheOwner(t *testing.T, a, b *netns.NS, an *Announcer, vip string) {
	ip := netip.MustParsePrefix(vip).Addr()
	r := replies(t, a, ip.Next(), ip.Next().Next(), ip)
	buf := make([]byte, 128)
	if err := an.Probe(ip); err != nil {
		t.Fatal(err)
	}
	if readable(t, r.Fd(), 100*time.Millisecond) {
		ip, mac, ok, err := r.Receive(buf)
		t.Fatalf("nobody owns the address, yet %v %x %v %v", ip, mac, ok, err)
	}
	b.Address("eth0", vip)
	hears(t, b, ip)
	// Traffic for others does not wake the listener.
	if err := an.Probe(own(ip)); err != nil {
		t.Fatal(err)
	}
	if readable(t, r.Fd(), 100*time.Millisecond) {
		t.Error("woken by an answer for another address")
	}
	if err := an.Probe(ip); err != nil {
		t.Fatal(err)
	}
	if !readable(t, r.Fd(), patience) {
		t.Fatal("the owner did not answer")
	}
	got, who, ok, err := r.Receive(buf)
	if got != ip || !bytes.Equal(who[:], mac(t, b)) || !ok || err != nil {
		t.Errorf("answer %v from %x, %v, %v", got, who, ok, err)
	}
	// An announcement counts as an answer; our own does not.
	ba := announcer(t, b)
	for _, x := range []*Announcer{an, ba} {
		if ip.Is4() {
			x.GratuitousARP(ip)
		} else {
			x.UnsolicitedNA(ip, false)
		}
	}
	if !readable(t, r.Fd(), patience) {
		t.Fatal("the owner's announcement was not heard")
	}
	if got, who, ok, err := r.Receive(buf); got != ip || !bytes.Equal(who[:], mac(t, b)) || !ok || err != nil {
		t.Errorf("announcement %v from %x, %v, %v", got, who, ok, err)
	}
	if _, _, ok, err := r.Receive(buf); ok || err != nil {
		t.Errorf("one more answer: %v, %v", ok, err)
	}
}

func TestNothingAllocates(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	a, b := pair(t)
	va, vb := openVRRP(t, a, VRRPConfig{Group: group4}), openVRRP(t, b, VRRPConfig{Group: group4})
	va6, vb6 := openVRRP(t, a, VRRPConfig{IPv6: true, Group: group6}), openVRRP(t, b,
		VRRPConfig{IPv6: true, Group: group6})
	an := announcer(t, a)
	buf, payload := make([]byte, 2048), make([]byte, 20)
	src4, src6 := netip.MustParseAddr("10.9.0.1"), netip.MustParseAddr("fe80::1")
	vip4, vip6 := netip.MustParseAddr("10.9.0.100"), netip.MustParseAddr("fe80::64")
	received := 0
	receive := func(v *VRRP) {
		if _, ok, _ := v.Receive(buf); ok {
			received++
		}
	}
	for _, op := range []struct {
		name string
		f    func()
	}{
		{"send4", func() { va.Send(payload, src4, group4, 255) }},
		{"receive4", func() { receive(vb) }},
		{"send6", func() { va6.Send(payload, src6, group6, 255) }},
		{"receive6", func() { receive(vb6) }},
		{"arp", func() { an.GratuitousARP(vip4) }},
		{"na", func() { an.UnsolicitedNA(vip6, false) }},
		{"probe", func() { an.Probe(vip4); an.Probe(vip6) }},
		{"drops", func() { va.Drops() }},
	} {
		if n := testing.AllocsPerRun(50, op.f); n != 0 {
			t.Errorf("%s allocates %v times", op.name, n)
		}
	}
	if received == 0 {
		t.Error("nothing was received, so the measurement says nothing")
	}
}

func BenchmarkSend(b *testing.B) {
	ns, _ := pair(b)
	v := openVRRP(b, ns, VRRPConfig{Group: group4})
	src, payload := netip.MustParseAddr("10.9.0.1"), make([]byte, 20)
	for b.Loop() {
		v.Send(payload, src, group4, 255)
	}
}

// hears waits until a machine listens for questions about its new address: the kernel joins their group on a worker
// of its own.
func hears(t testing.TB, ns *netns.NS, ip netip.Addr) {
	t.Helper()
	if ip.Is4() {
		return
	}
	b := ip.As16()
	group := "ff0200000000000000000001ff" + hex.EncodeToString(b[13:])
	for limit := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		var text []byte
		ns.Do(func() { text, _ = os.ReadFile("/proc/thread-self/net/igmp6") })
		if bytes.Contains(text, []byte(group)) {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("nobody has joined %s:\n%s", group, text)
		}
	}
}

// own returns the address of machine b in ip's family.
func own(ip netip.Addr) netip.Addr {
	if ip.Is4() {
		return netip.MustParseAddr("10.9.0.2")
	}
	return netip.MustParseAddr("fe80::2")
}
