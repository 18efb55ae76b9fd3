package rawsock

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	protoVRRP = 112  // RFC 9568 section 5.1.1.4
	tosVRRP   = 0xc0 // internetwork control, as Keepalived sends

	// receiveBuffer is small: an advert that waited behind hundreds is worse than a lost one.
	// The kernel doubles it; about 300 adverts fit.
	receiveBuffer = 128 << 10

	ipv4Header = 20
	ipv6Header = 40
)

// VRRPConfig says which adverts a socket hears and how it sends.
type VRRPConfig struct {
	// Ifindex and Ifname name the interface. Ifindex 0 opens a unicast socket without
	// interface, for which Source is required.
	Ifindex int
	Ifname  string
	IPv6    bool
	// Group is the multicast group to join and to receive from; invalid for unicast.
	Group netip.Addr
	// Source is, without Group, the only destination address received (unicast). It need
	// not exist yet. Invalid: every unicast address of the interface.
	Source netip.Addr
}

// VRRP is a pair of raw sockets, one to hear adverts and one to send them. It never hears
// what it sent itself.
type VRRP struct {
	recv, send int
	ipv6       bool
	ifindex    int
	id         uint16 // IPv4 identification of the last packet

	in      inbox
	packet  [ipv6Header + 2048]byte // header and payload to send
	name4   unix.RawSockaddrInet4
	name6   unix.RawSockaddrInet6
	unicast bool
}

// Datagram is one received VRRP packet. Payload points into the caller's buffer.
type Datagram struct {
	Src, Dst netip.Addr // without zone
	TTL      int        // or hop limit, 0-255
	// Payload is everything behind the IP header, Ethernet padding excluded.
	Payload []byte
	// IPTotalLen is the length the IP header claims for the whole packet, header included.
	IPTotalLen int
	Ifindex    int // interface the packet arrived on
}

// OpenVRRP opens the sockets. With a Group, only packets to that group arriving on the
// interface are received, whatever other groups the machine has joined.
func OpenVRRP(cfg VRRPConfig) (*VRRP, error) {
	if cfg.Group.IsValid() && cfg.Ifindex == 0 {
		return nil, errors.New("rawsock: a multicast VRRP socket needs an interface")
	}
	if cfg.Ifindex == 0 && !cfg.Source.IsValid() {
		return nil, errors.New("rawsock: a VRRP socket without interface needs a source address")
	}
	for _, a := range []netip.Addr{cfg.Group, cfg.Source} {
		if a.IsValid() && a.Unmap().Is6() != cfg.IPv6 {
			return nil, fmt.Errorf("rawsock: address %s is not of the socket's family", a)
		}
	}
	v := &VRRP{recv: -1, send: -1, ipv6: cfg.IPv6, ifindex: cfg.Ifindex, unicast: !cfg.Group.IsValid()}
	err := v.openReceive(cfg)
	if err == nil {
		err = v.openSend(cfg)
	}
	if err != nil {
		v.Close()
		return nil, err
	}
	v.in.init()
	return v, nil
}

func (v *VRRP) domain() int {
	if v.ipv6 {
		return unix.AF_INET6
	}
	return unix.AF_INET
}

func (v *VRRP) openReceive(cfg VRRPConfig) (err error) {
	if v.recv, err = open(v.domain(), unix.SOCK_RAW, protoVRRP, "VRRP receive"); err != nil {
		return err
	}
	s := &setup{fd: v.recv}
	s.int(unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer, "SO_RCVBUF")
	if cfg.Ifindex != 0 {
		s.device(cfg)
	}
	if v.ipv6 {
		s.int(unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1, "IPV6_RECVPKTINFO")
		s.int(unix.IPPROTO_IPV6, unix.IPV6_RECVHOPLIMIT, 1, "IPV6_RECVHOPLIMIT")
		// Refused before Linux 4.20; binding to the group keeps other groups out all the same.
		unix.SetsockoptInt(v.recv, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_ALL, 0)
		s.int(unix.IPPROTO_IPV6, unix.IPV6_FREEBIND, 1, "IPV6_FREEBIND")
	} else {
		s.int(unix.IPPROTO_IP, unix.IP_PKTINFO, 1, "IP_PKTINFO")
		s.int(unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, 0, "IP_MULTICAST_ALL")
		s.int(unix.IPPROTO_IP, unix.IP_FREEBIND, 1, "IP_FREEBIND")
	}
	if s.err != nil {
		return s.err
	}
	local := cfg.Group
	if v.unicast {
		local = cfg.Source
	}
	if local.IsValid() {
		if err := unix.Bind(v.recv, sockaddr(local, cfg.Ifindex)); err != nil {
			return fmt.Errorf("rawsock: binding the VRRP socket to %s: %w", local, err)
		}
	}
	if cfg.Group.IsValid() {
		return v.Join(cfg.Group)
	}
	return nil
}

// device ties a socket to the interface of cfg.
func (s *setup) device(cfg VRRPConfig) {
	if s.err != nil {
		return
	}
	if err := unix.BindToDevice(s.fd, cfg.Ifname); err != nil {
		s.err = fmt.Errorf("rawsock: binding to interface %q: %w", cfg.Ifname, err)
	}
}

// openSend uses IPPROTO_RAW: such a socket never receives, so no queue can fill behind it.
func (v *VRRP) openSend(cfg VRRPConfig) (err error) {
	if v.send, err = open(v.domain(), unix.SOCK_RAW, unix.IPPROTO_RAW, "VRRP send"); err != nil {
		return err
	}
	s := &setup{fd: v.send}
	if cfg.Ifindex != 0 {
		s.device(cfg)
	}
	s.int(unix.SOL_SOCKET, unix.SO_PRIORITY, 7, "SO_PRIORITY") // TC_PRIO_CONTROL
	// Without these the kernel reports success for what a full queue or the lease gate dropped.
	// ICMP errors do not come this way: they are looked up by protocol, and ours is RAW.
	if v.ipv6 {
		s.int(unix.IPPROTO_IPV6, unix.IPV6_RECVERR, 1, "IPV6_RECVERR")
		s.int(unix.IPPROTO_IPV6, unix.IPV6_FREEBIND, 1, "IPV6_FREEBIND")
	} else {
		s.int(unix.IPPROTO_IP, unix.IP_RECVERR, 1, "IP_RECVERR")
	}
	if v.ipv6 {
		s.int(unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_LOOP, 0, "IPV6_MULTICAST_LOOP")
		if cfg.Ifindex != 0 {
			s.int(unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_IF, cfg.Ifindex, "IPV6_MULTICAST_IF")
		}
		return s.err
	}
	s.int(unix.IPPROTO_IP, unix.IP_MULTICAST_LOOP, 0, "IP_MULTICAST_LOOP")
	if s.err == nil && cfg.Ifindex != 0 {
		s.fail("IP_MULTICAST_IF", unix.SetsockoptIPMreqn(v.send, unix.IPPROTO_IP, unix.IP_MULTICAST_IF,
			&unix.IPMreqn{Ifindex: int32(cfg.Ifindex)}))
	}
	return s.err
}

// Fd returns the descriptor to watch for incoming packets.
func (v *VRRP) Fd() int { return v.recv }

// Drops returns how many packets were lost because they were not read in time.
func (v *VRRP) Drops() uint32 { return drops(v.recv) }

// Close closes both sockets; groups are left on the way.
func (v *VRRP) Close() error {
	for _, fd := range []*int{&v.recv, &v.send} {
		if *fd >= 0 {
			unix.Close(*fd)
			*fd = -1
		}
	}
	return nil
}

// Join makes the interface listen to a group. A group already joined is not an error, so it
// can be called again after the interface came back. The group given to OpenVRRP is joined
// already, and only packets to that one are received.
func (v *VRRP) Join(group netip.Addr) error {
	return v.membership(group, unix.IP_ADD_MEMBERSHIP, unix.IPV6_JOIN_GROUP, "joining", unix.EADDRINUSE)
}

// Leave undoes Join. A group that was not joined is not an error.
func (v *VRRP) Leave(group netip.Addr) error {
	return v.membership(group, unix.IP_DROP_MEMBERSHIP, unix.IPV6_LEAVE_GROUP, "leaving", unix.EADDRNOTAVAIL)
}

func (v *VRRP) membership(group netip.Addr, opt4, opt6 int, verb string, fine error) error {
	var err error
	if v.ipv6 {
		err = unix.SetsockoptIPv6Mreq(v.recv, unix.IPPROTO_IPV6, opt6,
			&unix.IPv6Mreq{Multiaddr: group.As16(), Interface: uint32(v.ifindex)})
	} else {
		err = unix.SetsockoptIPMreqn(v.recv, unix.IPPROTO_IP, opt4,
			&unix.IPMreqn{Multiaddr: group.As4(), Ifindex: int32(v.ifindex)})
	}
	if err != nil && err != fine {
		return fmt.Errorf("rawsock: %s group %s: %w", verb, group, err)
	}
	return nil
}

// Receive reads one packet into buf, which should hold a packet of the interface's MTU. ok is
// false when no packet is left to read. Packets that are too short to be IP are skipped.
// It does not allocate.
func (v *VRRP) Receive(buf []byte) (d Datagram, ok bool, err error) {
	for {
		n, again, err := v.in.receive(v.recv, buf)
		if again || err != nil {
			return Datagram{}, false, err
		}
		if v.ipv6 {
			d, ok = v.in.ipv6(buf[:n])
		} else {
			d, ok = v.in.ipv4(buf[:n])
		}
		if ok {
			return d, true, nil
		}
	}
}

// Send sends payload as one VRRP packet: class 0xc0 (network control), no IP options, no
// multicast loop, never fragmented. src is the source address (the caller's choice, it need
// not be on this machine; invalid and IPv4: the kernel chooses), dst the group or peer, ttl
// the TTL or hop limit. It does not allocate. Errors are plain [unix.Errno] values:
// ENETDOWN, ENETUNREACH, ENODEV and the like; ENOBUFS when a full queue or the lease gate
// dropped the packet.
func (v *VRRP) Send(payload []byte, src, dst netip.Addr, ttl int) error {
	if len(payload) > len(v.packet)-ipv6Header {
		return unix.EMSGSIZE
	}
	flags := 0
	if dst.IsMulticast() {
		flags = unix.MSG_DONTROUTE // the group is on the link whatever the routing table says
	}
	if v.ipv6 {
		return v.send6(payload, src, dst, ttl, flags)
	}
	return v.send4(payload, src, dst, ttl, flags)
}

func (v *VRRP) send4(payload []byte, src, dst netip.Addr, ttl, flags int) error {
	v.id++
	if v.id == 0 { // 0 asks the kernel to choose
		v.id = 1
	}
	size := ipv4Header + len(payload)
	p := v.packet[:size]
	p[0] = 0x45
	p[1] = tosVRRP
	binary.BigEndian.PutUint16(p[2:], uint16(size))
	binary.BigEndian.PutUint16(p[4:], v.id)
	binary.BigEndian.PutUint16(p[6:], 0)
	p[8] = byte(ttl)
	p[9] = protoVRRP
	p[10], p[11] = 0, 0 // the kernel fills in the checksum
	if src.IsValid() {
		a := src.As4()
		copy(p[12:], a[:])
	} else {
		clear(p[12:16])
	}
	a := dst.As4()
	copy(p[16:], a[:])
	copy(p[ipv4Header:], payload)
	v.name4 = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: a}
	return sendTo(v.send, p, flags, unsafe.Pointer(&v.name4), unsafe.Sizeof(v.name4))
}

func (v *VRRP) send6(payload []byte, src, dst netip.Addr, ttl, flags int) error {
	p := v.packet[:ipv6Header+len(payload)]
	binary.BigEndian.PutUint32(p, 6<<28|tosVRRP<<20)
	binary.BigEndian.PutUint16(p[4:], uint16(len(payload)))
	p[6] = protoVRRP
	p[7] = byte(ttl)
	if !src.IsValid() {
		return unix.EADDRNOTAVAIL // an IPv6 packet header of ours has no kernel to fill it in
	}
	a := src.As16()
	copy(p[8:], a[:])
	a = dst.As16()
	copy(p[24:], a[:])
	copy(p[ipv6Header:], payload)
	v.name6 = unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: a, Scope_id: uint32(v.ifindex)}
	if !dst.IsLinkLocalUnicast() && !dst.IsLinkLocalMulticast() {
		v.name6.Scope_id = 0
	}
	err := sendTo(v.send, p, flags, unsafe.Pointer(&v.name6), unsafe.Sizeof(v.name6))
	if err == unix.EADDRNOTAVAIL {
		return v.sendFrom(p, src, flags)
	}
	return err
}

// sendFrom sends an IPv6 packet from an interface that has lost all its addresses: a resignation from the last one. The
// kernel looks for a source to route by although the packet has one, so it must be told.
func (v *VRRP) sendFrom(packet []byte, src netip.Addr, flags int) error {
	oob := unix.PktInfo6(&unix.Inet6Pktinfo{Addr: src.As16(), Ifindex: uint32(v.ifindex)})
	return unix.Sendmsg(v.send, packet, oob, &unix.SockaddrInet6{Addr: v.name6.Addr, ZoneId: v.name6.Scope_id}, flags)
}

func sockaddr(a netip.Addr, ifindex int) unix.Sockaddr {
	if a.Unmap().Is4() {
		return &unix.SockaddrInet4{Addr: a.As4()}
	}
	sa := &unix.SockaddrInet6{Addr: a.As16()}
	if a.IsLinkLocalUnicast() || a.IsLinkLocalMulticast() {
		sa.ZoneId = uint32(ifindex)
	}
	return sa
}
