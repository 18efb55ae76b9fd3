package gate

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/linux/realtime"
	"github.com/evenkeel/evenkeel/test/netns"
)

// do runs f inside the namespace and fails the test on error.
func do(t testing.TB, ns *netns.NS, f func() error) {
	t.Helper()
	ns.Do(func() {
		if err := f(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestNewInterface: Linux answers for a local address on every interface, so one that appears
// later must be covered, and a bridge made over covered interfaces too.
func TestNewInterface(t *testing.T) {
	eachMode(t, func(t *testing.T, mode config.GateMode) {
		node, peer := netns.New(t, "node"), netns.New(t, "peer")
		netns.Veth(t, node, "old", peer, "old")
		node.Address("old", "10.8.0.1/24")
		node.Address("old", vip4.String()+"/32") // the address sits on another interface
		r := &rig{t: t, node: node, peer: peer}
		s := r.set(mode)
		var g *Gate
		do(t, node, func() (err error) {
			g, err = s.Gate(Key{Name: "VI_1", Ifindex: node.Index("old"), VRID: 51}, []netip.Addr{vip4})
			return err
		})
		netns.Veth(t, node, "eth0", peer, "eth0")
		node.Address("eth0", "10.9.0.1/24")
		r.ifindex = peer.Index("eth0")
		r.wire = packetSocket(t, peer, 3) // ETH_P_ALL
		ask := func(want bool, when string) {
			t.Helper()
			if got := r.answered(r.arpRequest(peer4, vip4), want, isARPFrom(vip4)); got != want {
				t.Errorf("%s: answered %v, want %v", when, got, want)
			}
		}
		ask(true, "not covered")
		for range 2 {
			do(t, node, func() error { return s.Cover(node.Index("eth0")) })
		}
		ask(false, "covered")
		openFor(t, g, time.Hour)
		ask(true, "open")
		g.Close()
		for range 2 {
			do(t, node, func() error { return s.Uncover(node.Index("eth0")) })
		}
		ask(true, "uncovered")
		do(t, node, func() error { return s.Cover(node.Index("eth0")) })
		ask(false, "covered again")
		index := node.Index("eth0")
		node.Run("ip", "link", "del", "eth0")
		do(t, node, func() error { return s.Cover(index) })
		do(t, node, func() error { return s.Uncover(4711) })
	})
}

// TestBridgePorts: a node that is also a bridge must not drop what its other members say to
// each other about the address, held by one of them, while it keeps silent itself.
func TestBridgePorts(t *testing.T) {
	eachMode(t, func(t *testing.T, mode config.GateMode) {
		node, peer, holder := netns.New(t, "node"), netns.New(t, "peer"), netns.New(t, "hold")
		netns.Veth(t, node, "p0", peer, "eth0")
		netns.Veth(t, node, "p1", holder, "eth0")
		node.Run("ip", "link", "add", "eth0", "type", "bridge")
		node.Run("ip", "link", "set", "p0", "master", "eth0")
		node.Run("ip", "link", "set", "eth0", "up")
		node.Address("eth0", "10.9.0.1/24")
		node.Address("eth0", vip4.String()+"/32")
		holder.Address("eth0", vip4.String()+"/24")
		r := &rig{t: t, node: node, peer: peer, ifindex: peer.Index("eth0"), wire: packetSocket(t, peer, 3)}
		s := r.set(mode)
		do(t, node, func() error {
			_, err := s.Gate(Key{Name: "VI_1", Ifindex: node.Index("eth0"), VRID: 51}, []netip.Addr{vip4})
			return err
		})
		// p1 was covered when New looked; now it becomes a member.
		node.Run("ip", "link", "set", "p1", "master", "eth0")
		do(t, node, func() error { return s.Cover(node.Index("p1")) })
		question := r.arpRequest(peer4, vip4)
		theirs := &rig{t: t, node: holder, peer: peer, ifindex: r.ifindex, wire: r.wire}
		if !theirs.answered(question, true, isARPFrom(vip4)) {
			t.Error("the holder behind the bridge was not reached")
		}
		if r.answered(question, false, isARPFrom(vip4)) {
			t.Error("the node answered")
		}
		if !r.answered(r.arpRequest(peer4, own4), true, isARPFrom(own4)) {
			t.Error("the node does not answer for itself")
		}
	})
}

// TestRouterForwards: a node that routes goes on forwarding to and from an address that is
// held elsewhere, and stops being reachable under it where it is its own.
func TestRouterForwards(t *testing.T) {
	eachMode(t, func(t *testing.T, mode config.GateMode) {
		client, node, holder := netns.New(t, "client"), netns.New(t, "node"), netns.New(t, "hold")
		netns.Veth(t, client, "eth0", node, "eth0")
		netns.Veth(t, node, "eth1", holder, "eth0")
		for _, sysctl := range []string{"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"} {
			node.Sysctl(sysctl, "1")
		}
		for _, a := range []struct {
			ns        *netns.NS
			dev, addr string
		}{
			{client, "eth0", "10.1.0.2/24"}, {node, "eth0", "10.1.0.1/24"}, {node, "eth1", "10.9.0.1/24"},
			{holder, "eth0", "10.9.0.2/24"},
			{client, "eth0", "2001:db8:1::2/64"}, {node, "eth0", "2001:db8:1::1/64"},
			{node, "eth1", "2001:db8:9::1/64"}, {holder, "eth0", "2001:db8:9::2/64"},
			{holder, "eth0", vip4.String() + "/24"}, {holder, "eth0", vip6.String() + "/64"},
		} {
			a.ns.Address(a.dev, a.addr)
		}
		client.Run("ip", "route", "add", "default", "via", "10.1.0.1")
		client.Run("ip", "-6", "route", "add", "default", "via", "2001:db8:1::1")
		holder.Run("ip", "route", "add", "default", "via", "10.9.0.1", "src", vip4.String())
		holder.Run("ip", "-6", "route", "add", "default", "via", "2001:db8:9::1")
		s := newSet(t, node, mode)
		t.Cleanup(func() { node.Do(func() { s.Shutdown() }) })
		do(t, node, func() error {
			_, err := s.Gate(Key{Name: "VI_1", Ifindex: node.Index("eth1"), VRID: 51}, []netip.Addr{vip4, vip6})
			return err
		})
		for _, vip := range []netip.Addr{vip4, vip6} {
			client.Run("ping", "-c", "1", "-w", "30", vip.String())
		}
		// Now the node has the addresses itself, left over from a crash.
		node.Address("eth1", vip4.String()+"/32")
		node.Address("eth1", vip6.String()+"/128")
		for _, vip := range []netip.Addr{vip4, vip6} {
			out := client.Run("sh", "-c", "ping -c 1 -W 1 "+vip.String()+" || true")
			if !strings.Contains(out, "100% packet loss") {
				t.Errorf("%s: the node answers under a closed address:\n%s", vip, out)
			}
		}
	})
}

// TestClientOfTheOther: the normal life of a backup; it uses the service it stands by for.
func TestClientOfTheOther(t *testing.T) {
	eachMode(t, func(t *testing.T, mode config.GateMode) {
		r := newRig(t)
		r.peer.Address("eth0", vip4.String()+"/24")
		r.peer.Address("eth0", vip6.String()+"/64")
		r.gate(r.set(mode))
		for _, vip := range []netip.Addr{vip4, vip6} {
			r.node.Run("ping", "-c", "1", "-w", "30", vip.String())
		}
	})
}

// TestWithoutEthernet: an interface whose frames begin with the IP header is judged as well.
func TestWithoutEthernet(t *testing.T) {
	eachMode(t, func(t *testing.T, mode config.GateMode) { withoutEthernet(t, mode) })
}

func withoutEthernet(t *testing.T, mode config.GateMode) {
	node := netns.New(t, "node")
	far4, far6 := netip.MustParseAddr("10.10.0.2"), netip.MustParseAddr("2001:db8:10::2")
	tun := openTun(t, node)
	defer unix.Close(tun)
	for _, a := range []string{"10.10.0.1/24", "2001:db8:10::1/64", vip4.String() + "/32", vip6.String() + "/128"} {
		node.Address("tun0", a)
	}
	node.Up("tun0")
	s := newSet(t, node, mode)
	t.Cleanup(func() { node.Do(func() { s.Shutdown() }) })
	var g *Gate
	do(t, node, func() (err error) {
		g, err = s.Gate(Key{Name: "VI_1", VRID: 51, Unicast: true}, []netip.Addr{vip4, vip6})
		return err
	})
	for _, q := range []struct {
		src, dst netip.Addr
		vip      bool
	}{{far4, netip.MustParseAddr("10.10.0.1"), false}, {far4, vip4, true},
		{far6, netip.MustParseAddr("2001:db8:10::1"), false}, {far6, vip6, true}} {
		if got := echo(tun, q.src, q.dst, !q.vip); got == q.vip {
			t.Errorf("closed: %s answered %v", q.dst, got)
		}
	}
	openFor(t, g, time.Hour)
	for _, q := range [][2]netip.Addr{{far4, vip4}, {far6, vip6}} {
		if !echo(tun, q[0], q[1], true) {
			t.Errorf("open: %s does not answer", q[1])
		}
	}
}

// openTun makes the interface tun0.
func openTun(t *testing.T, node *netns.NS) (tun int) {
	t.Helper()
	do(t, node, func() (err error) {
		if tun, err = unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0); err != nil {
			return err
		}
		ifr, err := unix.NewIfreq("tun0")
		if err != nil {
			return err
		}
		ifr.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		return unix.IoctlIfreq(tun, unix.TUNSETIFF, ifr)
	})
	return tun
}

// echo asks from the other end of a tunnel whether dst answers; want is what is expected, and how long it may take.
func echo(tun int, src, dst netip.Addr, want bool) bool {
	message, proto := []byte{8, 0, 0, 0, 0, 1, 0, 1}, byte(unix.IPPROTO_ICMP)
	if dst.Is6() {
		message[0], proto = 128, unix.IPPROTO_ICMPV6
	} else {
		s := checksum(message)
		message[2], message[3] = byte(s>>8), byte(s)
	}
	d := vain
	if want {
		d = patient
	}
	buf := make([]byte, 2048)
	for limit := time.Now().Add(d); time.Now().Before(limit); {
		unix.Write(tun, ip(src, dst, proto, 64, message))
		unix.Poll([]unix.PollFd{{Fd: int32(tun), Events: unix.POLLIN}}, 50)
		for {
			n, err := unix.Read(tun, buf)
			if err != nil {
				break
			}
			if f := append(make([]byte, 12), ipFrame(nil, nil, buf[:n])[6:]...); isIPFrom(dst)(f) {
				return true
			}
		}
	}
	return false
}

// TestShutdownLeavesNothing, but what others put there stays.
func TestShutdownLeavesNothing(t *testing.T) {
	eachMode(t, func(t *testing.T, mode config.GateMode) {
		r := newRig(t)
		r.node.Run("nft", "add", "table", "netdev", "others")
		before := r.node.Run("nft", "list", "ruleset")
		qdiscs := r.node.Run("tc", "qdisc", "show", "dev", "eth0")
		s := newSet(t, r.node, mode)
		r.gate(s)
		if mode == config.GateEBPF {
			if out := r.node.Run("tc", "filter", "show", "dev", "eth0", "ingress"); !strings.Contains(out,
				"evenkeel_gate direct-action") {
				t.Errorf("tc does not show the gate:\n%s", out)
			}
			// A crash and a restart in between must not blur whose clsact it is.
			s.Abandon()
			s = newSet(t, r.node, mode)
		}
		do(t, r.node, s.Shutdown)
		if out := r.node.Run("tc", "qdisc", "show", "dev", "eth0"); out != qdiscs {
			t.Errorf("queueing disciplines afterwards:\n%s", out)
		}
		if out := r.node.Run("nft", "list", "ruleset"); out != before {
			t.Errorf("nftables afterwards:\n%s", out)
		}
	})
}

// TestOthersFilters: filters of others stay. Ours runs before one that shares its priority; one
// that takes the priority for another protocol cannot be overtaken, which is said.
func TestOthersFilters(t *testing.T) {
	for _, test := range []struct {
		name     string
		protocol uint16
		warns    bool
	}{{"same priority", unix.ETH_P_ALL, false}, {"another protocol", unix.ETH_P_IPX, true}} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t)
			r.haveVIPs()
			r.node.Run("tc", "qdisc", "add", "dev", "eth0", "clsact")
			accept, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SchedCLS, License: "GPL",
				Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()}}) // TC_ACT_OK
			if err != nil {
				t.Fatal(err)
			}
			defer accept.Close()
			err = r.node.Links().FilterAdd(&netlink.BpfFilter{
				FilterAttrs: netlink.FilterAttrs{LinkIndex: r.node.Index("eth0"), Parent: netlink.HANDLE_MIN_INGRESS,
					Handle: 1, Protocol: test.protocol, Priority: 1},
				Fd: accept.FD(), Name: "others", DirectAction: true,
			})
			if err != nil {
				t.Fatal(err)
			}
			show := func() string { return r.node.Run("tc", "filter", "show", "dev", "eth0", "ingress") }
			before := show()
			var log []string
			var s *Set
			do(t, r.node, func() (err error) {
				s, err = New(Options{Mode: config.GateEBPF, Log: func(m string) { log = append(log, m) }})
				return err
			})
			r.gate(s)
			r.expectAnswers(false, "closed")
			if warned := len(log) == 1 && strings.Contains(log[0], "eth0"); warned != test.warns {
				t.Errorf("log %q", log)
			}
			do(t, r.node, s.Shutdown)
			if after := show(); after != before {
				t.Errorf("filters before:\n%s\nand after:\n%s", before, after)
			}
			if out := r.node.Run("tc", "qdisc", "show", "dev", "eth0"); !strings.Contains(out, "clsact") {
				t.Errorf("another's clsact is gone:\n%s", out)
			}
		})
	}
}

func TestIngressQdiscInTheWay(t *testing.T) {
	r := newRig(t)
	r.node.Run("tc", "qdisc", "add", "dev", "eth0", "ingress")
	r.node.Do(func() {
		s, err := New(Options{Mode: config.GateEBPF})
		if err == nil {
			s.Shutdown()
			t.Fatal("an interface with an ingress queueing discipline was covered")
		}
		for _, word := range []string{"eth0", "ingress", "lease_gate nft"} {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("the error does not mention %q: %v", word, err)
			}
		}
		if s, err = New(Options{Mode: config.GateAuto}); err != nil {
			t.Fatal(err)
		}
		if s.Mode() != config.GateNFT || s.Why() == "" {
			t.Errorf("mode %d, %q", s.Mode(), s.Why())
		}
		s.Shutdown()
	})
}

// TestModeChange: what another mode left behind guards until Settle, and is gone after it.
func TestModeChange(t *testing.T) {
	for name, from := range modes {
		t.Run("from "+name, func(t *testing.T) {
			to := config.GateEBPF + config.GateNFT - from
			r := newRig(t)
			r.haveVIPs()
			old := newSet(t, r.node, from)
			r.gate(old)
			old.Abandon()
			s := r.set(to)
			r.expectAnswers(false, "before Settle")
			do(t, r.node, s.Settle)
			r.expectAnswers(true, "after Settle")
		})
	}
}

func TestSettleForgets(t *testing.T) {
	eachMode(t, func(t *testing.T, mode config.GateMode) {
		r := newRig(t)
		r.haveVIPs()
		old := newSet(t, r.node, mode)
		r.gate(old)
		old.Abandon()
		s := r.set(mode)
		g := r.gate(s)
		do(t, r.node, func() error { return g.SetAddresses([]netip.Addr{vip4}) }) // gives vip6 up
		do(t, r.node, s.Settle)
		if len(s.Inherited()) != 0 {
			t.Errorf("inherited %v", s.Inherited())
		}
		if r.answered(r.arpRequest(peer4, vip4), false, isARPFrom(vip4)) {
			t.Error("the claimed address is answered")
		}
		if !r.answered(r.solicitation(vip6), true, isNAFor(vip6)) {
			t.Error("the address no gate claims is not answered")
		}
	})
}

// expectFrames compares which frames of the node pass: announcements of the VIP and of another address, adverts by
// their VRID.
func expectFrames(c *cable, when string, want map[string]bool) {
	c.t.Helper()
	announce := func(a netip.Addr) []byte { return arpFrame(1, c.nodeMAC, a, nil, a) }
	advert := func(vrid byte) []byte {
		payload := []byte{0x21, vrid, 100, 0, 0, 1, 0, 0}
		return ipFrame(c.nodeMAC, nil, ip(own4, netip.MustParseAddr("224.0.0.18"), 112, 255, payload))
	}
	for what, frame := range map[string][]byte{
		"vip": announce(vip4), "other": announce(otherVIP), "51": advert(51), "52": advert(52),
	} {
		if got := c.passes(true, frame); got != want[what] {
			c.t.Errorf("%s: %s passes %v, want %v", when, what, got, want[what])
		}
	}
}

var otherVIP = netip.MustParseAddr("10.9.0.200")

func TestSetAddressesAndInterface(t *testing.T) {
	eachMode(t, func(t *testing.T, mode config.GateMode) {
		c := newCable(t)
		s := newSet(t, c.node, mode)
		t.Cleanup(func() { c.node.Do(func() { s.Shutdown() }) })
		index := c.node.Index("eth0")
		other := otherVIP
		c.node.Do(func() {
			g, err := s.Gate(Key{Name: "VI_1", Ifindex: index, VRID: 51},
				[]netip.Addr{vip4, vip4, netip.AddrFrom16(vip4.As16())})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Gate(Key{Name: "VI_2", Ifindex: index, VRID: 51}, nil); err == nil ||
				!strings.Contains(err.Error(), "VI_1") {
				t.Errorf("the same VRID twice: %v", err)
			}
			if _, err := s.Gate(Key{Name: "VI_2", Ifindex: index, VRID: 52}, []netip.Addr{other, vip4}); err == nil ||
				!strings.Contains(err.Error(), "VI_1") {
				t.Errorf("the same address twice: %v", err)
			}
			g2, err := s.Gate(Key{Name: "VI_2", Ifindex: index, VRID: 52}, []netip.Addr{other})
			if err != nil {
				t.Fatalf("after a refusal: %v", err)
			}
			expectFrames(c, "closed", map[string]bool{})
			if err := g.SetAddresses(nil); err != nil {
				t.Fatal(err)
			}
			expectFrames(c, "without addresses", map[string]bool{"vip": true})
			if err := g2.SetAddresses([]netip.Addr{vip4, other}); err != nil {
				t.Fatal(err)
			}
			g2.PermitAdverts(realtime.Now() + time.Hour)
			expectFrames(c, "permitted", map[string]bool{"52": true})
			g2.Open(realtime.Now() + time.Hour)
			expectFrames(c, "open", map[string]bool{"vip": true, "other": true, "52": true})
			if err := g.SetInterface(index + 100); err != nil {
				t.Fatal(err)
			}
			expectFrames(c, "elsewhere", map[string]bool{"vip": true, "other": true, "51": true, "52": true})
			if err := g.SetInterface(index); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := g2.Remove(); err != nil {
					t.Fatal(err)
				}
			}
			expectFrames(c, "removed", map[string]bool{"vip": true, "other": true, "52": true})
			if _, err := s.Gate(Key{Name: "VI_3", Ifindex: index, VRID: 52}, []netip.Addr{vip4}); err != nil {
				t.Fatal(err)
			}
			expectFrames(c, "made anew", map[string]bool{"other": true})
		})
	})
}

func TestManyGates(t *testing.T) {
	eachMode(t, func(t *testing.T, mode config.GateMode) {
		c := newCable(t)
		s := newSet(t, c.node, mode)
		t.Cleanup(func() { c.node.Do(func() { s.Shutdown() }) })
		c.node.Do(func() {
			start := time.Now()
			a := netip.MustParseAddr("10.200.0.1")
			var gates []*Gate
			for vrid := 1; vrid <= 250; vrid++ {
				g, err := s.Gate(Key{Name: "VI", Ifindex: c.node.Index("eth0"), VRID: uint8(vrid)}, []netip.Addr{a})
				if err != nil {
					t.Fatal(err)
				}
				gates = append(gates, g)
				a = a.Next()
			}
			made := time.Since(start)
			until := realtime.Now() + time.Hour
			for _, g := range gates {
				g.PermitAdverts(until)
				g.Open(until)
			}
			start = time.Now()
			for i, g := range gates {
				if !g.Extend(until + time.Duration(i+1)*time.Second) {
					t.Fatalf("gate %d was not extended", i)
				}
			}
			t.Logf("%d gates made in %v, extended in %v", len(gates), made, time.Since(start))
		})
	})
}

// TestDeadlineRules needs no kernel.
func TestDeadlineRules(t *testing.T) {
	s := &Set{mode: config.GateLifetime, driver: memory{}, gates: map[*Gate]struct{}{}, owners: map[netip.Addr]*Gate{},
		routers: map[router]*Gate{}}
	g, err := s.Gate(Key{Name: "VI_1", Ifindex: 2, VRID: 51}, []netip.Addr{vip4})
	if err != nil {
		t.Fatal(err)
	}
	now := realtime.Now()
	if g.Deadline() != 0 || g.Extend(now+time.Hour) || g.Open(now+time.Hour) {
		t.Error("a new gate is not closed")
	}
	g.PermitAdverts(now + time.Hour)
	if g.Deadline() != 0 || g.Extend(now+time.Hour) {
		t.Error("a permit for adverts opened the gate")
	}
	if !g.Open(now+time.Minute) || g.Deadline() != now+time.Minute {
		t.Error("does not open")
	}
	if !g.Extend(now+time.Second) || g.Deadline() != now+time.Minute {
		t.Error("an extension moved the deadline back")
	}
	if !g.Extend(now+2*time.Minute) || g.Deadline() != now+2*time.Minute {
		t.Error("an extension did not move the deadline")
	}
	g.Close()
	if g.Deadline() != 0 || g.Extend(now+time.Hour) || g.Open(now+time.Hour) {
		t.Error("a closed gate opens without a campaign")
	}
	g.PermitAdverts(realtime.Now() + time.Hour)
	if !g.Open(realtime.Now() - time.Nanosecond) {
		t.Error("a permitted campaign was refused")
	}
	if g.Extend(realtime.Now() + time.Hour) {
		t.Error("a gate whose deadline passed was extended")
	}
	if err := g.Remove(); err != nil {
		t.Fatal(err)
	}
}

func TestAddressLifetime(t *testing.T) {
	for _, test := range []struct {
		hold, want time.Duration
		ok         bool
	}{
		{30 * time.Millisecond, time.Second, false},
		{1499 * time.Millisecond, time.Second, false},
		{1500 * time.Millisecond, time.Second, true},
		{3 * time.Second, 2 * time.Second, true},
		{3500 * time.Millisecond, 3 * time.Second, true},
		{30 * time.Second, 29 * time.Second, true},
	} {
		if got, ok := AddressLifetime(test.hold); got != test.want || ok != test.ok {
			t.Errorf("AddressLifetime(%v) = %v, %v", test.hold, got, ok)
		}
	}
}

func TestExtendDoesNotAllocate(t *testing.T) {
	r := newRig(t)
	g := r.gate(r.set(config.GateEBPF))
	until := openFor(t, g, time.Hour)
	if n := testing.AllocsPerRun(100, func() {
		until++
		if !g.Extend(until) {
			t.Fatal("refused")
		}
		g.Drops()
		g.Deadline()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestOneOwner: while one set guards a network namespace there is no other; when it has gone, there may be.
func TestOneOwner(t *testing.T) {
	eachMode(t, func(t *testing.T, mode config.GateMode) {
		node, peer := netns.New(t, "node"), netns.New(t, "peer")
		netns.Veth(t, node, "eth0", peer, "eth0")
		var first *Set
		do(t, node, func() (err error) { first, err = New(Options{Mode: mode}); return err })
		for _, m := range []config.GateMode{mode, config.GateOff} {
			do(t, node, func() error {
				if s, err := New(Options{Mode: m}); !errors.Is(err, ErrOwned) {
					return fmt.Errorf("a second set: %v, %v", s, err)
				} else if !strings.Contains(err.Error(), fmt.Sprint("process ", os.Getpid())) {
					return fmt.Errorf("%w does not name its process", err)
				}
				return nil
			})
		}
		do(t, peer, func() error {
			s, err := New(Options{Mode: mode})
			if err != nil {
				return fmt.Errorf("in another namespace: %w", err)
			}
			return s.Shutdown()
		})
		do(t, node, func() error { return first.Shutdown() })
		do(t, node, func() error {
			s, err := New(Options{Mode: mode})
			if err != nil {
				return err
			}
			return s.Shutdown()
		})
	})
}

// TestVerify: filters that others have taken away are put back, and guard as before.
func TestVerify(t *testing.T) {
	node, peer := netns.New(t, "node"), netns.New(t, "peer")
	netns.Veth(t, node, "eth0", peer, "eth0")
	node.Address("eth0", "10.9.0.1/24")
	node.Address("eth0", vip4.String()+"/32")
	r := &rig{t: t, node: node, peer: peer, ifindex: peer.Index("eth0"), wire: packetSocket(t, peer, 3)}
	s := r.set(config.GateEBPF)
	do(t, node, func() error {
		_, err := s.Gate(Key{Name: "VI_1", Ifindex: node.Index("eth0"), VRID: 51}, []netip.Addr{vip4})
		return err
	})
	verify := func(want bool) {
		t.Helper()
		do(t, node, func() error {
			if putBack, err := s.Verify(node.Index("eth0")); err != nil || putBack != want {
				return fmt.Errorf("Verify: %v, %v, want %v", putBack, err, want)
			}
			return nil
		})
	}
	for _, take := range [][]string{
		{"tc", "qdisc", "del", "dev", "eth0", "clsact"}, {"tc", "filter", "del", "dev", "eth0", "egress"},
		{"tc", "filter", "del", "dev", "eth0", "ingress"},
	} {
		verify(false)
		node.Run(take[0], take[1:]...)
		verify(true)
		if r.answered(r.arpRequest(peer4, vip4), false, isARPFrom(vip4)) {
			t.Errorf("after %v the node answers though its gate is closed", take)
		}
	}
	verify(false)
	// Something else stands where clsact belongs, for a while.
	node.Run("tc", "qdisc", "del", "dev", "eth0", "clsact")
	node.Run("tc", "qdisc", "add", "dev", "eth0", "ingress")
	node.Do(func() {
		if putBack, err := s.Verify(node.Index("eth0")); err == nil || putBack {
			t.Errorf("beside an ingress queueing discipline: %v, %v", putBack, err)
		}
	})
	node.Run("tc", "qdisc", "del", "dev", "eth0", "ingress")
	verify(true)
}

// TestSquatter: somebody without rights cannot keep a director out, and what a killed one left does not.
func TestSquatter(t *testing.T) {
	node := netns.New(t, "node")
	do(t, node, func() error {
		name, err := ownerFile()
		if err != nil {
			return err
		}
		if dir, err := os.Stat(ownerDir); err != nil || dir.Mode().Perm()&0o077 != 0 {
			return fmt.Errorf("%s: %v, %v", ownerDir, dir.Mode(), err)
		}
		return os.WriteFile(name, []byte("1\n"), 0o600) // of a director that was killed, whose number is another's now
	})
	do(t, node, func() error {
		s, err := New(Options{Mode: config.GateOff})
		if err != nil {
			return err
		}
		return s.Shutdown()
	})
	do(t, node, func() error {
		name, err := ownerFile()
		if _, gone := os.Stat(name); err != nil || gone == nil {
			return fmt.Errorf("%s is left behind: %v", name, err)
		}
		return nil
	})
}
