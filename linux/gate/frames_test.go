package gate

import (
	"bytes"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/linux/realtime"
	"github.com/evenkeel/evenkeel/test/netns"
)

// These tests put whole frames on a cable and look whether they come out at the other
// end, behind the hooks. One table serves both ways of building the gate.

// cable is a direct line between node and peer, with a packet socket at each end.
type cable struct {
	t          testing.TB
	node, peer *netns.NS
	nodeMAC    net.HardwareAddr
	peerMAC    net.HardwareAddr
	nodeEnd    map[uint16]int // by Ethernet type: such sockets hear a frame only after the hooks
	peerEnd    int
}

func newCable(t testing.TB) *cable {
	t.Helper()
	c := &cable{t: t, node: netns.New(t, "node"), peer: netns.New(t, "peer"), nodeEnd: map[uint16]int{}}
	netns.Veth(t, c.node, "eth0", c.peer, "eth0")
	c.node.Address("eth0", "10.9.0.1/24")
	c.node.Address("eth0", "2001:db8:9::1/64")
	c.nodeMAC, c.peerMAC = mac(c.node), mac(c.peer)
	for _, kind := range []uint16{unix.ETH_P_ARP, unix.ETH_P_IP, unix.ETH_P_IPV6} {
		c.nodeEnd[kind] = packetSocket(t, c.node, kind)
	}
	c.peerEnd = packetSocket(t, c.peer, unix.ETH_P_ALL)
	return c
}

func packetSocket(t testing.TB, ns *netns.NS, kind uint16) int {
	t.Helper()
	fd := -1
	ns.Do(func() {
		var err error
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC,
			int(htons(kind))); err != nil {
			t.Fatal(err)
		}
		if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: htons(kind), Ifindex: ns.Index("eth0")}); err != nil {
			t.Fatal(err)
		}
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1)
	})
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// passes sends frame into the node or out of it and reports whether it arrives. A second
// frame that always passes follows it, so that no waiting is needed to see a drop.
func (c *cable) passes(out bool, frame []byte) bool {
	c.t.Helper()
	from, kind := c.peerEnd, etherTypeOf(frame)
	to, ifindex := c.nodeEnd[kind], c.peer.Index("eth0")
	if out {
		from, to, ifindex = c.nodeEnd[kind], c.peerEnd, c.node.Index("eth0")
	}
	// Unknown protocol inside the right Ethernet type: nothing judges it.
	marker := append(append(append([]byte{}, frame[:12]...), byte(kind>>8), byte(kind)),
		bytes.Repeat([]byte{0xee}, 50)...)
	buf := make([]byte, 2048)
	for { // what is left from before
		if _, _, err := unix.Recvfrom(to, buf, 0); err == unix.EAGAIN {
			break
		}
	}
	inOrder(func() {
		for _, f := range [][]byte{frame, marker} {
			sa := &unix.SockaddrLinklayer{Ifindex: ifindex, Halen: 6, Protocol: htons(etherTypeOf(f))}
			copy(sa.Addr[:], f[:6])
			if err := unix.Sendto(from, f, 0, sa); err != nil && err != unix.ENOBUFS { // ENOBUFS: dropped
				c.t.Fatal(err)
			}
		}
	})
	passed := false
	for limit := time.Now().Add(patient); time.Now().Before(limit); {
		n, _, err := unix.Recvfrom(to, buf, 0)
		switch {
		case err == unix.EAGAIN:
			unix.Poll([]unix.PollFd{{Fd: int32(to), Events: unix.POLLIN}}, 100)
		case err != nil:
			c.t.Fatal(err)
		case bytes.HasPrefix(buf[:n], marker):
			return passed
		case same(buf[:n], frame):
			passed = true // and on to the marker, which would be taken for that of the next frame
		}
	}
	c.t.Fatal("not even the marker arrived")
	return false
}

// same compares frames, of which the receiver may see one without its VLAN tag.
func same(got, sent []byte) bool {
	if bytes.HasPrefix(got, sent) {
		return true
	}
	tagged := sent[12] == 0x81 || sent[12] == 0x88
	return tagged && len(got) >= len(sent)-4 && bytes.Equal(got[:12], sent[:12]) &&
		bytes.Equal(got[12:len(sent)-4], sent[16:])
}

// etherTypeOf skips VLAN tags.
func etherTypeOf(f []byte) uint16 {
	for f[12] == 0x81 && f[13] == 0 || f[12] == 0x88 && f[13] == 0xa8 {
		f = f[4:]
	}
	return uint16(f[12])<<8 | uint16(f[13])
}

func tag(frame []byte, tpid, vid uint16) []byte {
	f := append([]byte{}, frame[:12]...)
	return append(append(f, byte(tpid>>8), byte(tpid), byte(vid>>8), byte(vid)), frame[12:]...)
}

type frameCase struct {
	name  string
	out   bool
	frame []byte
	// dropped while closed; with permit: and while adverts are permitted too
	dropped, advert bool
	ebpfOnly        bool // the nft rules do not go that far
}

// Addresses of frames, besides those of the cable.
var (
	noMAC                 = net.HardwareAddr{0, 0, 0, 0, 0, 0}
	broadcastMAC          = net.HardwareAddr{255, 255, 255, 255, 255, 255}
	allNodes              = netip.MustParseAddr("ff02::1")
	allNodesMAC           = net.HardwareAddr{0x33, 0x33, 0, 0, 0, 1}
	group4, group6        = netip.MustParseAddr("224.0.0.18"), netip.MustParseAddr("ff02::12")
	group4MAC             = net.HardwareAddr{1, 0, 0x5e, 0, 0, 0x12}
	group6MAC             = net.HardwareAddr{0x33, 0x33, 0, 0, 0, 0x12}
	far4, far6            = netip.MustParseAddr("192.0.2.9"), netip.MustParseAddr("2001:db8:ffff::9")
	zero4, zero6          = netip.IPv4Unspecified(), netip.IPv6Unspecified()
	vipGroup, vipGroupMAC = solicitedNode(vip6)
)

const icmp6, udpProto = unix.IPPROTO_ICMPV6, unix.IPPROTO_UDP

// datagram is a UDP datagram without a sum.
var datagram = []byte{0x30, 0x39, 0x30, 0x39, 0, 12, 0, 0, 1, 2, 3, 4}

func (c *cable) in(packet []byte) []byte  { return ipFrame(c.peerMAC, c.nodeMAC, packet) }
func (c *cable) out(packet []byte) []byte { return ipFrame(c.nodeMAC, c.peerMAC, packet) }

// options4 puts options into an IPv4 header.
func options4(packet []byte, opts ...byte) []byte {
	q := append(append(append([]byte{}, packet[:20]...), opts...), packet[20:]...)
	q[0] += byte(len(opts) / 4)
	q[2], q[3] = byte(len(q)>>8), byte(len(q))
	q[10], q[11] = 0, 0
	s := checksum(q[:20+len(opts)])
	q[10], q[11] = byte(s>>8), byte(s)
	return q
}

// ext6 puts an extension header behind the header of IPv6.
func ext6(packet []byte, kind byte, header ...byte) []byte {
	header[0] = packet[6]
	q := append(append(append([]byte{}, packet[:40]...), header...), packet[40:]...)
	q[6] = kind
	q[4], q[5] = byte((len(q)-40)>>8), byte(len(q)-40)
	return q
}

// hop puts hop-by-hop options there, two destination options behind them.
func hop(packet []byte) []byte { return ext6(packet, 0, 0, 0, 1, 4, 0, 0, 0, 0) }

func two(packet []byte) []byte {
	return hop(ext6(packet, 60, 0, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
}

// advertOf is an advert with one address.
func advertOf(version, vrid, priority byte) []byte {
	return []byte{version<<4 | 1, vrid, priority, 1, 0, 100, 0, 0, 10, 9, 0, 100, 0, 0, 0, 0, 0, 0, 0, 0}
}

// fragment4 makes a packet a later fragment.
func fragment4(packet []byte, offset byte) []byte {
	q := append([]byte{}, packet...)
	q[7] = offset
	q[10], q[11] = 0, 0
	s := checksum(q[:20])
	q[10], q[11] = byte(s>>8), byte(s)
	return q
}

func frameCases(c *cable) []frameCase {
	return slices.Concat(questions(c), packetsIn(c), announcements(c), packetsOut(c),
		ownAdverts(c), nonsense(c))
}

// questions are what asks for an address, and who answers.
func questions(c *cable) []frameCase {
	n, p := c.nodeMAC, c.peerMAC
	return []frameCase{
		{name: "in: ARP request for the VIP", frame: arpFrame(1, p, peer4, nil, vip4), dropped: true},
		{name: "in: unicast ARP request for the VIP", frame: arpTo(n, arpFrame(1, p, peer4, nil, vip4)), dropped: true},
		{name: "in: ARP probe for the VIP", frame: arpFrame(1, p, zero4, nil, vip4), dropped: true},
		{name: "in: padded ARP request for the VIP",
			frame: append(arpFrame(1, p, peer4, nil, vip4), make([]byte, 18)...), dropped: true},
		{name: "in: ARP request for the node", frame: arpFrame(1, p, peer4, nil, own4)},
		{name: "in: ARP request for another", frame: arpFrame(1, p, peer4, nil, netip.MustParseAddr("10.9.0.101"))},
		{name: "in: ARP request from the VIP for the node", frame: arpFrame(1, p, vip4, nil, own4)},
		{name: "in: ARP reply from the VIP", frame: arpTo(n, arpFrame(2, p, vip4, nil, own4))},
		{name: "in: gratuitous ARP of the VIP's holder", frame: arpFrame(1, p, vip4, nil, vip4)},
		{name: "in: gratuitous ARP reply of the VIP's holder", frame: arpFrame(2, p, vip4, nil, vip4)},
		{name: "in: short ARP", frame: arpFrame(1, p, peer4, nil, vip4)[:38]},
		{name: "in: ARP of another protocol", frame: patch(arpFrame(1, p, peer4, nil, vip4), 16, 0x81)},
		{name: "in: solicitation for the VIP",
			frame: ipFrame(p, vipGroupMAC, ip(peer6, vipGroup, icmp6, 255, nd(135, vip6))), dropped: true},
		{name: "in: unicast solicitation for the VIP", frame: c.in(ip(peer6, own6, icmp6, 255, nd(135, vip6))),
			dropped: true},
		{name: "in: duplicate detection of the VIP",
			frame: ipFrame(p, vipGroupMAC, ip(zero6, vipGroup, icmp6, 255, nd(135, vip6))), dropped: true},
		{name: "in: solicitation for the VIP with options",
			frame: ipFrame(p, vipGroupMAC, hop(ip(peer6, vipGroup, icmp6, 255, nd(135, vip6)))), dropped: true},
		{name: "in: solicitation for the VIP with two option headers",
			frame: ipFrame(p, vipGroupMAC, two(ip(peer6, vipGroup, icmp6, 255, nd(135, vip6)))), dropped: true},
		{name: "in: solicitation for the node", frame: c.in(ip(peer6, own6, icmp6, 255, nd(135, own6)))},
		{name: "in: solicitation from the VIP for the node", frame: c.in(ip(vip6, own6, icmp6, 255, nd(135, own6)))},
		{name: "in: advertisement of the VIP's holder",
			frame: ipFrame(p, allNodesMAC, ip(vip6, allNodes, icmp6, 255, nd(136, vip6)))},
		{name: "in: advertisement to us of the VIP's holder", frame: c.in(ip(vip6, own6, icmp6, 255, nd(136, vip6)))},
		{name: "in: short solicitation",
			frame: ipFrame(p, vipGroupMAC, ip(peer6, vipGroup, icmp6, 255, nd(135, vip6)[:20]))},
	}
}

// packetsIn are what comes for an address.
func packetsIn(c *cable) []frameCase {
	p := c.peerMAC
	return []frameCase{
		{name: "in: packet to the VIP", frame: c.in(ip(peer4, vip4, udpProto, 64, datagram)), dropped: true},
		{name: "in: packet with options to the VIP",
			frame: c.in(options4(ip(peer4, vip4, udpProto, 64, datagram), 148, 4, 0, 0)), dropped: true},
		{name: "in: later fragment to the VIP", frame: c.in(fragment4(ip(peer4, vip4, udpProto, 64, datagram), 9)),
			dropped: true},
		{name: "in: packet without payload to the VIP", frame: c.in(ip(peer4, vip4, udpProto, 64, nil)), dropped: true},
		{name: "in: packet to the node", frame: c.in(ip(peer4, own4, udpProto, 64, datagram))},
		{name: "in: packet from the VIP", frame: c.in(ip(vip4, own4, udpProto, 64, datagram))},
		{name: "in: broadcast from the VIP",
			frame: ipFrame(p, broadcastMAC, ip(vip4, netip.MustParseAddr("255.255.255.255"), udpProto, 64, datagram))},
		{name: "in: header cut short", frame: c.in(ip(peer4, vip4, udpProto, 64, nil))[:14+19]},
		{name: "in: not IPv4 after all", frame: patch(c.in(ip(peer4, vip4, udpProto, 64, datagram)), 14, 0x65),
			ebpfOnly: true},
		{name: "in: packet over IPv6 to the VIP", frame: c.in(ip(peer6, vip6, udpProto, 64, datagram)), dropped: true},
		{name: "in: packet over IPv6 with options to the VIP",
			frame: c.in(hop(ip(peer6, vip6, udpProto, 64, datagram))), dropped: true},
		{name: "in: packet over IPv6 to the node", frame: c.in(ip(peer6, own6, udpProto, 64, datagram))},
		{name: "in: packet over IPv6 from the VIP", frame: c.in(ip(vip6, own6, udpProto, 64, datagram))},
		{name: "in: IPv6 header cut short", frame: c.in(ip(peer6, vip6, udpProto, 64, nil))[:14+39]},
		{name: "in: another's advert", frame: ipFrame(p, group4MAC, ip(peer4, group4, 112, 255, advertOf(2, 51, 150)))},
		{name: "in: another's advert over IPv6",
			frame: ipFrame(p, group6MAC, ip(peer6, group6, 112, 255, advertOf(3, 51, 150)))},
		{name: "in: frame for another machine",
			frame: ipFrame(p, net.HardwareAddr{2, 2, 2, 2, 2, 2}, ip(peer4, vip4, udpProto, 64, datagram))},
		{name: "in: another VLAN", frame: tag(arpFrame(1, p, peer4, nil, vip4), 0x8100, 20)},
		{name: "in: another service VLAN", frame: tag(arpFrame(1, p, peer4, nil, vip4), 0x88a8, 20)},
		{name: "in: only a priority tag", frame: tag(arpFrame(1, p, peer4, nil, vip4), 0x8100, 5<<13), dropped: true},
	}
}

// announcements are what tells others where an address is.
func announcements(c *cable) []frameCase {
	n, p := c.nodeMAC, c.peerMAC
	return []frameCase{
		{name: "out: ARP reply for the VIP", out: true, frame: arpTo(p, arpFrame(2, n, vip4, nil, peer4)),
			dropped: true},
		{name: "out: gratuitous ARP", out: true, frame: arpFrame(1, n, vip4, nil, vip4), dropped: true},
		{name: "out: gratuitous ARP reply", out: true, frame: arpFrame(2, n, vip4, nil, vip4), dropped: true},
		{name: "out: ARP request from the VIP", out: true, frame: arpFrame(1, n, vip4, nil, peer4), dropped: true},
		{name: "out: ARP request for the VIP", out: true, frame: arpFrame(1, n, own4, nil, vip4)},
		{name: "out: ARP probe for the VIP", out: true, frame: arpFrame(1, n, zero4, nil, vip4)},
		{name: "out: ARP reply for the node", out: true, frame: arpTo(p, arpFrame(2, n, own4, nil, peer4))},
		{name: "out: ARP reply to the VIP", out: true, frame: arpTo(p, arpFrame(2, n, own4, nil, vip4))},
		{name: "out: unsolicited advertisement", out: true,
			frame: ipFrame(n, allNodesMAC, ip(vip6, allNodes, icmp6, 255, nd(136, vip6))), dropped: true},
		{name: "out: unsolicited advertisement from the node's address", out: true,
			frame: ipFrame(n, allNodesMAC, ip(own6, allNodes, icmp6, 255, nd(136, vip6))), dropped: true},
		{name: "out: solicited advertisement", out: true, frame: c.out(ip(own6, peer6, icmp6, 255, nd(136, vip6))),
			dropped: true},
		{name: "out: advertisement with options", out: true,
			frame: c.out(two(ip(own6, peer6, icmp6, 255, nd(136, vip6)))), dropped: true},
		{name: "out: advertisement of the node", out: true, frame: c.out(ip(own6, peer6, icmp6, 255, nd(136, own6)))},
		{name: "out: advertisement to the VIP", out: true, frame: c.out(ip(own6, vip6, icmp6, 255, nd(136, own6)))},
		{name: "out: solicitation for the VIP", out: true,
			frame: ipFrame(n, vipGroupMAC, ip(own6, vipGroup, icmp6, 255, nd(135, vip6)))},
		{name: "out: probe for the VIP", out: true,
			frame: ipFrame(n, vipGroupMAC, ip(zero6, vipGroup, icmp6, 255, nd(135, vip6)))},
		{name: "out: solicitation from the VIP", out: true, frame: c.out(ip(vip6, peer6, icmp6, 255, nd(135, peer6))),
			dropped: true},
	}
}

// packetsOut are what goes out in an address's name.
func packetsOut(c *cable) []frameCase {
	n := c.nodeMAC
	return []frameCase{
		{name: "out: packet from the VIP", out: true, frame: c.out(ip(vip4, peer4, udpProto, 64, datagram)),
			dropped: true},
		{name: "out: packet with options from the VIP", out: true,
			frame: c.out(options4(ip(vip4, peer4, udpProto, 64, datagram), 1, 1, 1, 0)), dropped: true},
		{name: "out: packet to the VIP", out: true, frame: c.out(ip(own4, vip4, udpProto, 64, datagram))},
		{name: "out: packet from the node", out: true, frame: c.out(ip(own4, far4, udpProto, 64, datagram))},
		{name: "out: packet over IPv6 from the VIP", out: true, frame: c.out(ip(vip6, peer6, udpProto, 64, datagram)),
			dropped: true},
		{name: "out: packet over IPv6 to the VIP", out: true, frame: c.out(ip(own6, vip6, udpProto, 64, datagram))},
		{name: "out: packet over IPv6 from the node", out: true, frame: c.out(ip(own6, far6, udpProto, 64, datagram))},
		{name: "out: another VLAN", out: true, frame: tag(arpFrame(2, n, vip4, nil, peer4), 0x8100, 20)},
		{name: "out: only a priority tag", out: true, frame: tag(arpFrame(2, n, vip4, nil, peer4), 0x8100, 0),
			dropped: true, ebpfOnly: true},
	}
}

// ownAdverts are adverts that a node sends.
func ownAdverts(c *cable) []frameCase {
	n := c.nodeMAC
	ah := append([]byte{112, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, make([]byte, 12)...)
	ah = append(ah, advertOf(2, 51, 150)...)
	return []frameCase{
		{name: "out: advert", out: true, frame: ipFrame(n, group4MAC, ip(own4, group4, 112, 255, advertOf(2, 51, 150))),
			advert: true},
		{name: "out: advert of version 3", out: true,
			frame: ipFrame(n, group4MAC, ip(own4, group4, 112, 255, advertOf(3, 51, 150))), advert: true},
		{name: "out: advert of priority 1", out: true,
			frame: ipFrame(n, group4MAC, ip(own4, group4, 112, 255, advertOf(2, 51, 1))), advert: true},
		{name: "out: advert with options", out: true,
			frame:  ipFrame(n, group4MAC, options4(ip(own4, group4, 112, 255, advertOf(2, 51, 150)), 148, 4, 0, 0)),
			advert: true},
		{name: "out: advert to a group of our own choice", out: true,
			frame:  ipFrame(n, group4MAC, ip(own4, netip.MustParseAddr("239.1.2.3"), 112, 255, advertOf(2, 51, 150))),
			advert: true},
		{name: "out: advert of priority 0", out: true,
			frame: ipFrame(n, group4MAC, ip(own4, group4, 112, 255, advertOf(2, 51, 0)))},
		{name: "out: advert of another VRID", out: true,
			frame: ipFrame(n, group4MAC, ip(own4, group4, 112, 255, advertOf(2, 52, 150)))},
		{name: "out: unicast advert of a multicast router's VRID", out: true,
			frame: c.out(ip(own4, peer4, 112, 255, advertOf(2, 51, 150)))},
		{name: "out: advert cut short", out: true,
			frame: ipFrame(n, group4MAC, ip(own4, group4, 112, 255, advertOf(2, 51, 150)[:2]))},
		{name: "out: authenticated advert", out: true, frame: ipFrame(n, group4MAC, ip(own4, group4, 51, 255, ah)),
			advert: true, ebpfOnly: true},
		{name: "out: advert over IPv6", out: true,
			frame: ipFrame(n, group6MAC, ip(own6, group6, 112, 255, advertOf(3, 61, 150))), advert: true},
		{name: "out: advert over IPv6 with options", out: true,
			frame: ipFrame(n, group6MAC, hop(ip(own6, group6, 112, 255, advertOf(3, 61, 150)))), advert: true},
		{name: "out: advert over IPv6 of priority 0", out: true,
			frame: ipFrame(n, group6MAC, ip(own6, group6, 112, 255, advertOf(3, 61, 0)))},
		{name: "out: advert over IPv6 of the IPv4 VRID", out: true,
			frame: ipFrame(n, group6MAC, ip(own6, group6, 112, 255, advertOf(3, 51, 150)))},
		{name: "out: unicast advert", out: true, frame: c.out(ip(own4, peer4, 112, 255, advertOf(3, 71, 150))),
			advert: true},
		{name: "out: unicast advert of priority 0", out: true,
			frame: c.out(ip(own4, peer4, 112, 255, advertOf(3, 71, 0)))},
		{name: "out: multicast advert of a unicast router's VRID", out: true,
			frame: ipFrame(n, group4MAC, ip(own4, group4, 112, 255, advertOf(3, 71, 150)))},
		{name: "out: unicast advert over IPv6", out: true,
			frame: c.out(ip(own6, peer6, 112, 255, advertOf(3, 81, 150))), advert: true},
	}
}

// nonsense is what is no frame at all.
func nonsense(c *cable) []frameCase {
	n, p := c.nodeMAC, c.peerMAC
	return []frameCase{
		{name: "in: nonsense", frame: append(ether(p, n, 0x0806), 1, 2, 3)},
		{name: "out: nonsense", out: true, frame: append(ether(n, noMAC, 0x0800), 0x45, 2, 3)},
	}
}

// arpTo gives an ARP frame a destination.
func arpTo(dst net.HardwareAddr, f []byte) []byte {
	copy(f, dst)
	copy(f[32:], dst)
	return f
}

// patch changes one byte.
func patch(f []byte, at int, b byte) []byte {
	f[at] = b
	return f
}

// afterCrash puts the addresses on the node, where a crashed one has left them.
func afterCrash(c *cable) {
	c.node.Address("eth0", vip4.String()+"/24")
	c.node.Address("eth0", vip6.String()+"/128")
	// An IPv6 address belongs to the machine once its route is there, a moment later.
	local := func() string { return c.node.Run("ip", "-6", "route", "show", "table", "local") }
	for limit := time.Now().Add(patient); !strings.Contains(local(), "local "+vip6.String()+" "); {
		if time.Now().After(limit) {
			c.t.Fatalf("%s is not usable", vip6)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// allVerdicts sends every frame and compares what becomes of it.
func expectFates(c *cable, mode config.GateMode, state string, dropped func(v frameCase) bool) {
	c.t.Helper()
	for _, v := range frameCases(c) {
		if v.ebpfOnly && mode != config.GateEBPF {
			continue
		}
		if got := !c.passes(v.out, v.frame); got != dropped(v) {
			c.t.Errorf("%s: %s: dropped %v, want %v", state, v.name, got, dropped(v))
		}
	}
}

func TestFrames(t *testing.T) {
	eachMode(t, func(t *testing.T, mode config.GateMode) {
		c := newCable(t)
		afterCrash(c)
		s := newSet(t, c.node, mode)
		t.Cleanup(func() { c.node.Do(func() { s.Shutdown() }) })
		index := c.node.Index("eth0")
		var gates []*Gate
		c.node.Do(func() {
			for _, k := range []struct {
				key   Key
				addrs []netip.Addr
			}{
				{Key{Name: "VI_1", Ifindex: index, VRID: 51}, []netip.Addr{vip4, vip6}},
				{Key{Name: "VI_2", Ifindex: index, VRID: 61, IPv6: true}, nil},
				{Key{Name: "VI_3", Ifindex: index, VRID: 71, Unicast: true}, nil},
				{Key{Name: "VI_4", VRID: 81, Unicast: true, IPv6: true}, nil},
			} {
				g, err := s.Gate(k.key, k.addrs)
				if err != nil {
					t.Fatal(err)
				}
				gates = append(gates, g)
			}
		})
		expectFates(c, mode, "closed", func(v frameCase) bool { return v.dropped || v.advert })
		for _, g := range gates {
			g.PermitAdverts(realtime.Now() + time.Hour)
		}
		expectFates(c, mode, "adverts permitted", func(v frameCase) bool { return v.dropped })
		for _, g := range gates {
			if !g.Open(realtime.Now() + time.Hour) {
				t.Fatal("does not open")
			}
		}
		expectFates(c, mode, "open", func(v frameCase) bool { return false })
		for _, g := range gates {
			g.Close()
		}
		expectFates(c, mode, "closed again", func(v frameCase) bool { return v.dropped || v.advert })

		d := gates[0].Drops()
		if d.Questions == 0 || d.PacketsIn == 0 || d.Announcements == 0 || d.PacketsOut == 0 || d.Adverts == 0 {
			t.Errorf("not everything was counted: %+v", d)
		}
		if d := gates[1].Drops(); d.Adverts == 0 || d.Questions+d.PacketsIn+d.PacketsOut+d.Announcements != 0 {
			t.Errorf("another's drops were counted: %+v", d)
		}
	})
}
