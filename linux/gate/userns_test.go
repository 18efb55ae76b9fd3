package gate

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/linux/realtime"
)

// TestUserNamespace: in a user namespace the kernel refuses eBPF even to its root; the gate
// falls back to nft, says so, and works.
func TestUserNamespace(t *testing.T) {
	cmd := child(t, nil, "userns", config.GateAuto)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.Output()
	if err != nil && len(out) == 0 && !inCI() {
		t.Skipf("no user namespaces here: %v", err)
	}
	if err != nil || !strings.HasSuffix(string(out), "done\n") {
		t.Fatalf("%v: %s", err, out)
	}
	t.Logf("%s", out)
}

func inCI() bool { return os.Getenv("CI") == "true" }

// childUserNS asks across a veth pair inside its own namespace.
func childUserNS() {
	inner, outer := childLinks()
	wire, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK, int(htons(unix.ETH_P_ARP)))
	childFatal(err)
	index := outer.Attrs().Index
	childFatal(unix.Bind(wire, &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ARP), Ifindex: index}))

	s, err := New(Options{Mode: config.GateAuto})
	childFatal(err)
	if s.Mode() != config.GateNFT || !strings.Contains(s.Why(), "CAP_BPF") {
		childFatal(fmt.Errorf("mode %d: %s", s.Mode(), s.Why()))
	}
	fmt.Println(s.Why())
	g, err := s.Gate(Key{Name: "VI_1", Ifindex: inner.Attrs().Index, VRID: 51}, []netip.Addr{vip4})
	childFatal(err)
	expect := func(want bool, when string) {
		if !childAnswered(wire, index, own4, true) {
			childFatal(fmt.Errorf("%s: the node's own address is not answered", when))
		}
		if childAnswered(wire, index, vip4, want) != want {
			childFatal(fmt.Errorf("%s: answered %v, want %v", when, !want, want))
		}
	}
	expect(false, "created")
	g.PermitAdverts(realtime.Now() + time.Hour)
	if !g.Open(realtime.Now() + time.Hour) {
		childFatal(fmt.Errorf("does not open"))
	}
	expect(true, "open")
	g.Close()
	expect(false, "closed")
	childFatal(s.Shutdown())
	fmt.Println("done")
}

// childLinks makes a veth pair whose inner end has the addresses.
func childLinks() (inner, outer netlink.Link) {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "inner"
	childFatal(netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "outer"}))
	inner, err := netlink.LinkByName("inner")
	childFatal(err)
	outer, err = netlink.LinkByName("outer")
	childFatal(err)
	for _, a := range []string{"10.9.0.1/24", "10.9.0.100/32"} {
		addr, _ := netlink.ParseAddr(a)
		childFatal(netlink.AddrAdd(inner, addr))
	}
	childFatal(netlink.LinkSetUp(inner))
	childFatal(netlink.LinkSetUp(outer))
	// What is sent before the kernel has made a link ready is lost, and on a busy machine that takes a while.
	for inner.Attrs().OperState != netlink.OperUp || outer.Attrs().OperState != netlink.OperUp {
		time.Sleep(10 * time.Millisecond)
		inner, err = netlink.LinkByName("inner")
		childFatal(err)
		outer, err = netlink.LinkByName("outer")
		childFatal(err)
	}
	return inner, outer
}

// childAnswered asks who has an address, and says whether the answer came.
func childAnswered(wire, index int, ip netip.Addr, want bool) bool {
	src := net.HardwareAddr{2, 0, 0, 0, 0, 7}
	sa := &unix.SockaddrLinklayer{Ifindex: index, Halen: 6, Addr: [8]byte{255, 255, 255, 255, 255, 255}}
	buf := make([]byte, 256)
	for end := time.Now().Add(patient); time.Now().Before(end); {
		childFatal(unix.Sendto(wire, arpFrame(1, src, peer4, nil, ip), 0, sa))
		for limit := time.Now().Add(vain); time.Now().Before(limit); {
			unix.Poll([]unix.PollFd{{Fd: int32(wire), Events: unix.POLLIN}}, 10)
			if n, _, err := unix.Recvfrom(wire, buf, 0); err == nil && isARPFrom(ip)(buf[:n]) {
				return true
			}
		}
		if !want {
			break
		}
	}
	return false
}
