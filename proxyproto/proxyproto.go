// Package proxyproto writes the header of the PROXY protocol, by which a server learns whom a connection is from.
package proxyproto

import (
	"encoding/binary"
	"net/netip"
	"strconv"
)

const signature = "\r\n\r\n\x00\r\nQUIT\n"

// Commands of version 2, with the version.
const (
	local   = 0x20 // the sender itself: a health check
	proxied = 0x21
)

// AppendV1 appends the header of version 1, a line. Without two addresses of one family they are unknown.
func AppendV1(b []byte, src, dst netip.AddrPort) []byte {
	if !pair(src, dst) {
		return append(b, "PROXY UNKNOWN\r\n"...)
	}
	family := "PROXY TCP4 "
	if src.Addr().Is6() {
		family = "PROXY TCP6 "
	}
	b = append(src.Addr().AppendTo(append(b, family...)), ' ')
	b = append(dst.Addr().AppendTo(b), ' ')
	b = append(strconv.AppendUint(b, uint64(src.Port()), 10), ' ')
	return append(strconv.AppendUint(b, uint64(dst.Port()), 10), "\r\n"...)
}

// AppendV2 appends the header of version 2: signature, command, family, length, addresses.
func AppendV2(b []byte, src, dst netip.AddrPort) []byte {
	b = append(append(b, signature...), proxied)
	if !pair(src, dst) {
		return append(b, 0, 0, 0)
	}
	if src.Addr().Is4() {
		s, d := src.Addr().As4(), dst.Addr().As4()
		b = append(append(append(b, 0x11, 0, 12), s[:]...), d[:]...)
	} else {
		s, d := src.Addr().As16(), dst.Addr().As16()
		b = append(append(append(b, 0x21, 0, 36), s[:]...), d[:]...)
	}
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, src.Port()), dst.Port())
}

// AppendLocal appends the header of version 2 of a connection that is the sender's own.
func AppendLocal(b []byte) []byte { return append(append(b, signature...), local, 0, 0, 0) }

// pair reports whether the addresses are of one family.
func pair(src, dst netip.AddrPort) bool {
	return src.IsValid() && dst.IsValid() && src.Addr().Is4() == dst.Addr().Is4()
}
