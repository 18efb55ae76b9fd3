package xdp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/lvs/table"
	"github.com/evenkeel/evenkeel/test/netns"
)

// passer gives an interface an XDP program that passes everything: what a veth needs to take frames that XDP sends
// into its peer.
func passer(t testing.TB, ns *netns.NS, name string) {
	t.Helper()
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()}})
	if err != nil {
		t.Fatal(err)
	}
	defer prog.Close()
	ns.Do(func() {
		l, err := link.AttachXDP(link.XDPOptions{Program: prog, Interface: ns.Index(name), Flags: link.XDPDriverMode})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
	})
}

// wholeSums makes an interface compute transport checksums before it sends, as a wire has them.
func wholeSums(t testing.TB, ns *netns.NS, name string) {
	t.Helper()
	ns.Do(func() {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		value := struct{ cmd, data uint32 }{0x17, 0} // ETHTOOL_STXCSUM
		var req struct {
			name [16]byte
			data unsafe.Pointer
			_    [16]byte
		}
		copy(req.name[:], name)
		req.data = unsafe.Pointer(&value)
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL,
			uintptr(unsafe.Pointer(&req))); errno != 0 {
			t.Fatal(errno)
		}
	})
}

// newStar is a rig whose load balancer is a router: it has no virtual address, whose client and servers each have a
// cable to the load balancer, with all a veth needs for XDP.
func newStar(t testing.TB, reals int, whole bool) *rig {
	t.Helper()
	r := &rig{t: t, client: netns.New(t, "c"), balancer: netns.New(t, "d"), dir: netns.BPFFS(t)}
	r.balancer.Sysctl("net/ipv4/ip_forward", "1")
	r.balancer.Sysctl("net/ipv6/conf/all/forwarding", "1")
	r.balancer.Sysctl("net/ipv4/conf/all/rp_filter", "0")
	leaves := []*netns.NS{r.client}
	for i := range reals {
		ns := netns.New(t, fmt.Sprint("r", i))
		r.reals = append(r.reals, ns)
		leaves = append(leaves, ns)
	}
	for i, ns := range leaves {
		i++ // 0 is the virtual addresses' network
		name := fmt.Sprint("d", i)
		netns.Veth(t, r.balancer, name, ns, "eth0")
		r.balancer.Address(name, fmt.Sprintf("10.9.%d.1/24", i))
		r.balancer.Address(name, fmt.Sprintf("2001:db8:9:%d::1/64", i))
		ns.Address("eth0", fmt.Sprintf("10.9.%d.2/24", i))
		ns.Address("eth0", fmt.Sprintf("2001:db8:9:%d::2/64", i))
		ns.Sysctl("net/ipv4/conf/all/rp_filter", "0")
		ns.Run("ip", "route", "add", "default", "via", fmt.Sprintf("10.9.%d.1", i))
		ns.Run("ip", "-6", "route", "add", "default", "via", fmt.Sprintf("2001:db8:9:%d::1", i))
		passer(t, ns, "eth0")
		if whole {
			wholeSums(t, ns, "eth0")
		}
	}
	return r
}

func (r *rig) starReal(i int) netip.Addr {
	if r.v6 {
		return netip.MustParseAddr(fmt.Sprintf("2001:db8:9:%d::2", i+2))
	}
	return netip.MustParseAddr(fmt.Sprintf("10.9.%d.2", i+2))
}

// TestFast: on links that prove it, XDP carries what is in the middle of a flow, whole; on links
// where checksums are not whole when packets reach us, it keeps its hands off.
func TestFast(t *testing.T) {
	if testing.Short() {
		t.Skip("every way through XDP takes a while")
	}
	for _, m := range []table.Method{table.Direct, table.NAT, table.Tunnel} {
		for _, v6 := range []bool{false, true} {
			for _, whole := range []bool{true, false} {
				t.Run(fmt.Sprintf("%v v6=%v whole=%v", m, v6, whole), func(t *testing.T) { fast(t, m, v6, whole) })
			}
		}
	}
}

func fast(t *testing.T, m table.Method, v6, whole bool) {
	r := newStar(t, 2, whole)
	r.v6 = v6
	if m != table.NAT {
		r.lo()
	}
	if m == table.Tunnel {
		r.decapsulate(6080)
	}
	for i, ns := range r.reals {
		r.serve(ns, fmt.Sprint("r", i), 8080)
	}
	p := r.open(Options{Mode: XDPNative})
	s := r.service(table.TCP, 8080, "rr")
	changes := []table.Change{{Verb: table.AddService, Service: s}}
	for i := range r.reals {
		d := table.Destination{Addr: netip.AddrPortFrom(r.starReal(i), 8080), Method: m, Weight: 1}
		if m == table.Tunnel && i == 1 {
			d.Wrap = table.Wrap{Type: table.GUE, Port: 6080}
		}
		changes = append(changes, table.Change{Verb: table.AddDestination, Service: s, Destination: d})
	}
	r.do(func() error { return p.Apply(changes) })
	to := netip.AddrPortFrom(r.vip(), 8080)
	r.meet(p, to)
	for range 4 {
		r.look(p)
		c, err := r.dial("tcp", to)
		if err != nil {
			t.Fatal(err, r.counts(p))
		}
		for range 20 {
			if _, err := ask(c, "who"); err != nil {
				t.Fatal(err, r.counts(p))
			}
		}
		c.Close()
	}
	r.look(p)
	took, err := r.upload(to, 2<<20)
	if err != nil {
		t.Fatal("upload:", err, r.counts(p))
	}
	n := r.counts(p)
	t.Log("2 MB in", took, n)
	if whole && n["fast"] < 100 {
		t.Errorf("XDP carried %d packets only", n["fast"])
	}
	if !whole && n["fast"] != 0 {
		t.Errorf("XDP touched %d packets without whole checksums", n["fast"])
	}
	r.balanced(p)
}

// balanced waits until as many packets are counted for servers as were forwarded; last ones may still be on their way.
func (r *rig) balanced(p *Plane) {
	r.t.Helper()
	var sum, forwarded uint64
	for limit := time.Now().Add(soon); time.Now().Before(limit); time.Sleep(20 * time.Millisecond) {
		forwarded = r.counts(p)["forwarded"]
		state, err := p.State()
		if err != nil {
			r.t.Fatal(err)
		}
		sum = 0
		for _, s := range state {
			for _, d := range s.Destinations {
				sum += d.Counters.InPackets + d.Counters.OutPackets
			}
		}
		if sum == forwarded {
			return
		}
	}
	r.t.Errorf("%d packets were forwarded, %d counted for servers", forwarded, sum)
}

// TestSelfTest: a link whose other end does not take what XDP sends is found out, although the program attaches.
func TestSelfTest(t *testing.T) {
	r := newRig(t, 1)
	r.lo()
	r.serve(r.reals[0], "r0", 8080)
	var said []string
	p := r.open(Options{Mode: Auto})
	p.options.Log = func(m string) { said = append(said, m) }
	s := r.service(table.TCP, 8080, "rr")
	r.do(func() error {
		return p.Apply([]table.Change{{Verb: table.AddService, Service: s},
			{Verb: table.AddDestination, Service: s, Destination: r.destination(0, 8080, table.Direct)}})
	})
	r.do(p.Neighbours)
	if who, err := r.askOnce("tcp", netip.AddrPortFrom(vip4, 8080)); err != nil || who != "r0" {
		t.Fatal(who, err, r.counts(p))
	}
	if len(said) != 1 || !strings.Contains(said[0], "self-test") {
		t.Errorf("it said %q", said)
	}
	names, err := p.pins.names()
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		if strings.HasPrefix(n, xdpPrefix) {
			t.Errorf("%s is still there", n)
		}
	}
	// Asked for by name, it is an error.
	p.failed = nil
	p.options.Mode = XDPNative
	r.balancer.Do(func() { err = p.Neighbours() })
	if err == nil || !strings.Contains(err.Error(), "self-test") {
		t.Errorf("native XDP on such a link: %v", err)
	}
}

// TestRun: it keeps going until it is told to stop.
func TestRun(t *testing.T) {
	r := newRig(t, 1)
	p := r.open(Options{})
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	var err error
	r.balancer.Do(func() { err = p.Run(ctx) })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
}
