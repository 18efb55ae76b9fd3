package rawsock

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// maxReplyAddrs bounds the addresses one Replies listens for: the socket filter compares them
// one by one and its jumps reach 255 instructions.
const maxReplyAddrs = 50

// Replies hears other machines claim addresses on one interface: ARP packets with one of the
// addresses as sender (replies and announcements alike), or neighbour advertisements with one
// as target. A filter in the kernel keeps every other packet away, so the thread wakes for
// nothing else. Open it while a question is pending and close it afterwards; an open socket
// makes the kernel look at each ARP or IPv6 packet of the interface.
type Replies struct {
	fd   int
	ipv6 bool
	in   inbox
}

// OpenReplies listens on ifindex for claims of ips, 1 to 50 addresses of one family. Packets
// from mac, the interface's own hardware address, are left out.
func OpenReplies(ifindex int, mac net.HardwareAddr, ips []netip.Addr) (*Replies, error) {
	if len(ips) == 0 || len(ips) > maxReplyAddrs {
		return nil, fmt.Errorf("rawsock: listening for %d addresses at once; 1 to %d are possible", len(ips),
			maxReplyAddrs)
	}
	if len(mac) != 6 {
		return nil, fmt.Errorf("rawsock: hardware address %q is not an Ethernet address", mac)
	}
	ipv6 := ips[0].Is6()
	for _, ip := range ips {
		if !ip.IsValid() || ip.Is6() != ipv6 {
			return nil, fmt.Errorf("rawsock: address %s is not of the others' family", ip)
		}
	}
	proto, build := uint16(unix.ETH_P_ARP), arpFilter
	if ipv6 {
		proto, build = unix.ETH_P_IPV6, naFilter
	}
	// Protocol 0 until the filter is in place, so that nothing slips in before it.
	fd, err := open(unix.AF_PACKET, unix.SOCK_RAW, 0, "reply")
	if err != nil {
		return nil, err
	}
	s := &setup{fd: fd}
	s.int(unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer, "SO_RCVBUF")
	s.filter(build(ips, [6]byte(mac)))
	if s.err == nil {
		s.fail("bind", unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: htons(proto), Ifindex: ifindex}))
	}
	if s.err != nil {
		unix.Close(fd)
		return nil, s.err
	}
	r := &Replies{fd: fd, ipv6: ipv6}
	r.in.init()
	return r, nil
}

// Fd returns the descriptor to watch.
func (r *Replies) Fd() int { return r.fd }

// Close stops listening.
func (r *Replies) Close() error {
	if r.fd < 0 {
		return nil
	}
	err := unix.Close(r.fd)
	r.fd = -1
	return err
}

// Receive reads one claim into buf (128 bytes suffice): ip is claimed by the machine with
// hardware address mac. ok is false when none is left to read. It does not allocate.
func (r *Replies) Receive(buf []byte) (ip netip.Addr, mac [6]byte, ok bool, err error) {
	for {
		n, again, err := r.in.receive(r.fd, buf)
		if again || err != nil {
			return netip.Addr{}, mac, false, err
		}
		f := buf[:n]
		if r.ipv6 {
			ip, mac, ok = readNA(f)
		} else {
			ip, mac, ok = readARP(f)
		}
		if ok {
			return ip, mac, true, nil
		}
	}
}

func readARP(f []byte) (ip netip.Addr, mac [6]byte, ok bool) {
	if len(f) < arpFrame {
		return ip, mac, false
	}
	p := f[etherHeader:]
	return netip.AddrFrom4([4]byte(p[14:18])), [6]byte(p[8:14]), true
}

// readNA takes the hardware address from the option, else from the frame: an answer to a
// unicast question may come without option.
func readNA(f []byte) (ip netip.Addr, mac [6]byte, ok bool) {
	if len(f) < etherHeader+ipv6Header+24 {
		return ip, mac, false
	}
	icmp := f[etherHeader+ipv6Header:]
	mac = [6]byte(f[6:12])
	for opt := icmp[24:]; len(opt) >= 8; {
		size := int(opt[1]) * 8
		if size == 0 || size > len(opt) {
			break
		}
		if opt[0] == 2 && size == 8 {
			mac = [6]byte(opt[2:8])
		}
		opt = opt[size:]
	}
	return netip.AddrFrom16([16]byte(icmp[8:24])), mac, true
}

// arpFilter passes ARP packets for IPv4 over Ethernet whose sender is one of ips and whose
// frame does not come from mac.
func arpFilter(ips []netip.Addr, mac [6]byte) []unix.SockFilter {
	b := notFrom(nil, mac)
	b = require(b, unix.BPF_W, etherHeader, 0x00010800) // Ethernet and IPv4
	b = append(b, stmt(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, etherHeader+14))
	for i, ip := range ips {
		a := ip.As4()
		// On a match jump over the remaining comparisons and the refusal.
		b = append(b, jump(unix.BPF_JEQ, binary.BigEndian.Uint32(a[:]), uint8(len(ips)-i), 0))
	}
	return append(b, stmt(unix.BPF_RET|unix.BPF_K, 0), stmt(unix.BPF_RET|unix.BPF_K, 0xffff))
}

// naFilter passes neighbour advertisements whose target is one of ips and whose frame does
// not come from mac. Extension headers are not followed: advertisements carry none (RFC 6980).
func naFilter(ips []netip.Addr, mac [6]byte) []unix.SockFilter {
	const icmp = etherHeader + ipv6Header
	b := notFrom(nil, mac)
	b = require(b, unix.BPF_B, etherHeader+6, unix.IPPROTO_ICMPV6)
	b = require(b, unix.BPF_B, icmp, icmpv6Advertisement)
	for _, ip := range ips {
		a := ip.As16()
		for w := 0; w < 4; w++ {
			b = append(b,
				stmt(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, uint32(icmp+8+4*w)),
				// A difference leads to the next address.
				jump(unix.BPF_JEQ, binary.BigEndian.Uint32(a[4*w:]), 0, uint8(2*(3-w)+1)),
			)
		}
		b = append(b, stmt(unix.BPF_RET|unix.BPF_K, 0xffff))
	}
	return append(b, stmt(unix.BPF_RET|unix.BPF_K, 0))
}

// notFrom refuses frames whose source is mac.
func notFrom(b []unix.SockFilter, mac [6]byte) []unix.SockFilter {
	return append(b,
		stmt(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, 6),
		jump(unix.BPF_JEQ, binary.BigEndian.Uint32(mac[:4]), 0, 3),
		stmt(unix.BPF_LD|unix.BPF_H|unix.BPF_ABS, 10),
		jump(unix.BPF_JEQ, uint32(binary.BigEndian.Uint16(mac[4:])), 0, 1),
		stmt(unix.BPF_RET|unix.BPF_K, 0),
	)
}

// require refuses frames whose field at offset off differs from k.
func require(b []unix.SockFilter, size uint16, off, k uint32) []unix.SockFilter {
	return append(b,
		stmt(unix.BPF_LD|unix.BPF_ABS|size, off),
		jump(unix.BPF_JEQ, k, 1, 0),
		stmt(unix.BPF_RET|unix.BPF_K, 0),
	)
}

func stmt(code uint16, k uint32) unix.SockFilter { return unix.SockFilter{Code: code, K: k} }

func jump(op uint16, k uint32, yes, no uint8) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_K | op, K: k, Jt: yes, Jf: no}
}
