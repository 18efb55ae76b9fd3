package rawsock

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// inbox is the memory one recvmsg needs: its header, address and ancillary data.
// It lives inside its socket so that receiving does not allocate.
type inbox struct {
	msg     unix.Msghdr
	iov     unix.Iovec
	name    unix.RawSockaddrInet6 // large enough for IPv4 as well
	control [128]byte
}

func (in *inbox) init() {
	in.msg.Name = (*byte)(unsafe.Pointer(&in.name))
	in.msg.Iov = &in.iov
	in.msg.SetIovlen(1)
	in.msg.Control = &in.control[0]
}

func (in *inbox) receive(fd int, buf []byte) (n int, again bool, err error) {
	in.iov.Base = unsafe.SliceData(buf)
	in.iov.SetLen(len(buf))
	in.msg.Namelen = uint32(unsafe.Sizeof(in.name))
	in.msg.SetControllen(len(in.control))
	n, again, err = recvMsg(fd, &in.msg)
	in.iov.Base = nil // the buffer stays the caller's
	return n, again, err
}

// ipv4 reads the header that raw IPv4 sockets deliver. The kernel has checked it already;
// what is checked here keeps slices in range.
func (in *inbox) ipv4(p []byte) (Datagram, bool) {
	if len(p) < ipv4Header || p[0]>>4 != 4 {
		return Datagram{}, false
	}
	header := int(p[0]&15) * 4
	total := int(binary.BigEndian.Uint16(p[2:]))
	if header < ipv4Header || header > len(p) {
		return Datagram{}, false
	}
	end := len(p)
	if total >= header && total < end {
		end = total
	}
	d := Datagram{
		Src:        netip.AddrFrom4([4]byte(p[12:16])),
		Dst:        netip.AddrFrom4([4]byte(p[16:20])),
		TTL:        int(p[8]),
		Payload:    p[header:end],
		IPTotalLen: total,
	}
	in.ancillary(func(level, kind int32, data []byte) {
		if level == unix.IPPROTO_IP && kind == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo {
			d.Ifindex = int(binary.NativeEndian.Uint32(data))
		}
	})
	return d, true
}

// ipv6 takes what the header said from ancillary data: raw IPv6 sockets deliver none.
func (in *inbox) ipv6(p []byte) (Datagram, bool) {
	d := Datagram{
		Src:        netip.AddrFrom16(in.name.Addr),
		TTL:        -1,
		Payload:    p,
		IPTotalLen: ipv6Header + len(p),
	}
	in.ancillary(func(level, kind int32, data []byte) {
		switch {
		case level != unix.IPPROTO_IPV6:
		case kind == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			d.Dst = netip.AddrFrom16([16]byte(data[:16]))
			d.Ifindex = int(binary.NativeEndian.Uint32(data[16:]))
		case kind == unix.IPV6_HOPLIMIT && len(data) >= 4:
			d.TTL = int(binary.NativeEndian.Uint32(data))
		}
	})
	return d, d.Dst.IsValid() && d.TTL >= 0
}

// ancillary calls f for each control message of the last receive.
func (in *inbox) ancillary(f func(level, kind int32, data []byte)) {
	b := in.control[:in.msg.Controllen]
	for len(b) >= unix.SizeofCmsghdr {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
		size := int(h.Len)
		if size < unix.SizeofCmsghdr || size > len(b) {
			return
		}
		f(h.Level, h.Type, b[unix.CmsgLen(0):size])
		next := unix.CmsgSpace(size - unix.CmsgLen(0))
		if next > len(b) {
			return
		}
		b = b[next:]
	}
}
