package rawsock

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	etherHeader = 14
	arpFrame    = etherHeader + 28
	ndFrame     = etherHeader + ipv6Header + 32 // advertisement or solicitation with one option

	icmpv6Solicitation  = 135 // RFC 4861 section 4.3
	icmpv6Advertisement = 136 // RFC 4861 section 4.4
)

// An Announcer tells the neighbours of one interface who has an address now. It sends whole
// Ethernet frames, so the address need not be on this machine. It never receives.
// A frame that the lease gate or a full queue drops is reported as ENOBUFS.
type Announcer struct {
	fd    int
	mac   [6]byte
	name  unix.RawSockaddrLinklayer
	frame [ndFrame]byte
}

// OpenAnnouncer opens the sending socket of interface ifindex, whose hardware address is mac.
// Only Ethernet-like interfaces (6-byte addresses) can be announced on.
func OpenAnnouncer(ifindex int, mac net.HardwareAddr) (*Announcer, error) {
	a := &Announcer{fd: -1}
	if err := a.SetHardwareAddr(mac); err != nil {
		return nil, err
	}
	// Protocol 0: the socket never receives anything.
	fd, err := open(unix.AF_PACKET, unix.SOCK_RAW, 0, "announcement")
	if err != nil {
		return nil, err
	}
	a.fd = fd
	a.name = unix.RawSockaddrLinklayer{Family: unix.AF_PACKET, Ifindex: int32(ifindex), Halen: 6}
	return a, nil
}

// SetHardwareAddr changes the address announced, after the interface changed its own.
func (a *Announcer) SetHardwareAddr(mac net.HardwareAddr) error {
	if len(mac) != len(a.mac) {
		return fmt.Errorf("rawsock: hardware address %q is not an Ethernet address; ARP and ND cannot be announced "+
			"on this interface", mac)
	}
	a.mac = [6]byte(mac)
	return nil
}

// Close frees the socket.
func (a *Announcer) Close() error {
	if a.fd < 0 {
		return nil
	}
	err := unix.Close(a.fd)
	a.fd = -1
	return err
}

// GratuitousARP broadcasts an ARP request whose sender and target are ip, with target
// hardware address ff:ff:ff:ff:ff:ff, as Keepalived sends it. ip must be IPv4.
// It does not allocate; errors are plain [unix.Errno] values.
func (a *Announcer) GratuitousARP(ip netip.Addr) error {
	if !ip.Is4() {
		return unix.EAFNOSUPPORT
	}
	f := a.arp(ip, ip)
	for i := range 6 {
		f[etherHeader+18+i] = 0xff
	}
	return a.send(f, unix.ETH_P_ARP)
}

// UnsolicitedNA multicasts a neighbour advertisement for ip to all nodes: source ip, hop limit
// 255, Override set, target link-layer address option (RFC 4861 section 7.2.6). router sets
// the Router flag, which should be what the interface's forwarding says. ip must be IPv6.
// It does not allocate; errors are plain [unix.Errno] values.
func (a *Announcer) UnsolicitedNA(ip netip.Addr, router bool) error {
	if !ip.Is6() {
		return unix.EAFNOSUPPORT
	}
	group := [16]byte{0xff, 0x02, 15: 1} // ff02::1
	f := a.nd(ip.As16(), group, icmpv6Advertisement, ip.As16(), 32)
	icmp := f[etherHeader+ipv6Header:]
	icmp[4] = 0x20 // Override
	if router {
		icmp[4] |= 0x80
	}
	icmp[24], icmp[25] = 2, 1 // target link-layer address, 8 bytes
	copy(icmp[26:], a.mac[:])
	sumICMPv6(f[etherHeader:])
	return a.send(f, unix.ETH_P_IPV6)
}

// Probe asks who answers for ip, without claiming it: an ARP request with sender 0.0.0.0
// (RFC 5227 section 2.1.1), or a solicitation from :: (RFC 4862 section 5.4.2), which an owner
// answers to all nodes. It works while ip is not on this machine; the answer comes through
// [Replies]. It does not allocate; errors are plain [unix.Errno] values.
func (a *Announcer) Probe(ip netip.Addr) error {
	if ip.Is4() {
		return a.send(a.arp(netip.IPv4Unspecified(), ip), unix.ETH_P_ARP)
	}
	if !ip.IsValid() {
		return unix.EAFNOSUPPORT
	}
	target := ip.As16()
	// Solicited-node group, RFC 4291 section 2.7.1.
	group := [16]byte{0xff, 0x02, 11: 1, 12: 0xff, 13: target[13], 14: target[14], 15: target[15]}
	f := a.nd([16]byte{}, group, icmpv6Solicitation, target, 24)
	sumICMPv6(f[etherHeader:])
	return a.send(f, unix.ETH_P_IPV6)
}

// arp builds a broadcast ARP request; the target hardware address is left zero.
func (a *Announcer) arp(sender, target netip.Addr) []byte {
	f := a.frame[:arpFrame]
	for i := range 6 {
		f[i] = 0xff
	}
	copy(f[6:], a.mac[:])
	binary.BigEndian.PutUint16(f[12:], unix.ETH_P_ARP)
	p := f[etherHeader:]
	copy(p, arpRequestHead[:])
	copy(p[8:], a.mac[:])
	ip := sender.As4()
	copy(p[14:], ip[:])
	clear(p[18:24])
	ip = target.As4()
	copy(p[24:], ip[:])
	return f
}

// arpRequestHead: Ethernet, IPv4, 6 and 4 byte addresses, request (RFC 826).
var arpRequestHead = [8]byte{0, 1, 8, 0, 6, 4, 0, 1}

// nd builds a neighbour discovery frame of icmpSize bytes behind the IPv6 header, flags,
// option and checksum left zero.
func (a *Announcer) nd(src, dst [16]byte, kind byte, target [16]byte, icmpSize int) []byte {
	f := a.frame[:etherHeader+ipv6Header+icmpSize]
	clear(f)
	f[0], f[1] = 0x33, 0x33 // RFC 2464 section 7
	copy(f[2:], dst[12:])
	copy(f[6:], a.mac[:])
	binary.BigEndian.PutUint16(f[12:], unix.ETH_P_IPV6)
	p := f[etherHeader:]
	p[0] = 6 << 4
	binary.BigEndian.PutUint16(p[4:], uint16(icmpSize))
	p[6] = unix.IPPROTO_ICMPV6
	p[7] = 255
	copy(p[8:], src[:])
	copy(p[24:], dst[:])
	p[ipv6Header] = kind
	copy(p[ipv6Header+8:], target[:])
	return f
}

// send puts a frame on the wire. It takes the ordinary way through the queueing layer, which
// is where the lease gate looks (PACKET_QDISC_BYPASS would slip past it).
func (a *Announcer) send(frame []byte, etherType uint16) error {
	a.name.Protocol = htons(etherType)
	copy(a.name.Addr[:], frame[:6])
	return sendTo(a.fd, frame, 0, unsafe.Pointer(&a.name), unsafe.Sizeof(a.name))
}

// sumICMPv6 fills in the checksum of an ICMPv6 message that follows a bare IPv6 header
// (RFC 4443 section 2.3).
func sumICMPv6(packet []byte) {
	icmp := packet[ipv6Header:]
	icmp[2], icmp[3] = 0, 0
	sum := uint32(len(icmp)) + unix.IPPROTO_ICMPV6
	for b := packet[8:]; len(b) >= 2; b = b[2:] { // both addresses, then the message
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(icmp[2:], ^uint16(sum))
}
