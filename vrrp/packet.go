package vrrp

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// Protocol numbers and limits of the wire format.
const (
	ProtocolNumber = 112 // IP protocol (RFC 9568 §5.1.1.4)
	HeaderLen      = 8
	MulticastTTL   = 255 // RFC 9568 §5.1.1.3
	authLen        = 8   // VRRPv2 always carries it over IPv4 (RFC 3768 §5.3.10)
	typeAdvert     = 1
	authNone       = 0
	authSimple     = 1
	maxV3Interval  = 0xfff * 10 * time.Millisecond
)

// AdvertLen returns the length in bytes of an advert with n addresses.
func AdvertLen(version uint8, ipv6 bool, n int) int {
	switch {
	case ipv6:
		return HeaderLen + 16*n
	case version == 2:
		return HeaderLen + 4*n + authLen
	default:
		return HeaderLen + 4*n
	}
}

// AppendAdvert appends the VRRP message that p sends with the given priority
// from src to dst, checksum included, and returns the extended slice. It
// allocates nothing when b has room for AdvertLen more bytes.
//
// The addresses' family must be that of p; src and dst enter the checksum of
// VRRPv3 and of IPv6 (RFC 9568 §5.2.8, RFC 8200 §8.1).
func (p *Params) AppendAdvert(b []byte, priority uint8, src, dst netip.Addr) []byte {
	start := len(b)
	b = append(b, p.Version<<4|typeAdvert, p.VRID, priority, uint8(len(p.Addrs)))
	if p.Version == 2 {
		auth := uint8(authNone)
		if p.AuthPass != "" {
			auth = authSimple
		}
		b = append(b, auth, uint8(p.Interval/time.Second))
	} else {
		b = binary.BigEndian.AppendUint16(b, uint16(p.Interval/(10*time.Millisecond))&0xfff)
	}
	b = append(b, 0, 0)
	for _, a := range p.Addrs {
		if p.IPv6 {
			a16 := a.As16()
			b = append(b, a16[:]...)
		} else {
			a4 := a.As4()
			b = append(b, a4[:]...)
		}
	}
	if p.Version == 2 && !p.IPv6 {
		var auth [authLen]byte
		copy(auth[:], p.AuthPass)
		b = append(b, auth[:]...)
	}
	msg := b[start:]
	var sum uint32
	if p.IPv6 || p.Version == 3 && !p.ChecksumAsV2 {
		sum = pseudoHeader(src, dst, len(msg))
	}
	binary.BigEndian.PutUint16(msg[6:], fold(sumBytes(sum, msg)))
	return b
}

// message is a view of a received VRRP message. Its bytes belong to the caller
// of parse and are valid only as long as those are.
type message struct {
	version, typ, vrid, priority uint8
	authType                     uint8 // VRRPv2
	interval                     time.Duration
	addrs                        []byte // n * 4 or n * 16
	auth                         []byte // VRRPv2 over IPv4
}

// parse reads a message whose length has been found long enough for a header.
// ok is false when the body does not hold what the header announces; extra
// bytes behind it (Ethernet padding) are left alone.
func parse(b []byte, ipv6 bool) (m message, length int, ok bool) {
	m = message{version: b[0] >> 4, typ: b[0] & 0xf, vrid: b[1], priority: b[2]}
	n := int(b[3])
	if m.version == 2 {
		m.authType = b[4]
		m.interval = time.Duration(b[5]) * time.Second
	} else {
		m.interval = time.Duration(binary.BigEndian.Uint16(b[4:])&0xfff) * 10 * time.Millisecond
	}
	length = AdvertLen(m.version, ipv6, n)
	if len(b) < length {
		return m, length, false
	}
	size := 4
	if ipv6 {
		size = 16
	}
	m.addrs = b[HeaderLen : HeaderLen+n*size]
	m.auth = b[HeaderLen+n*size : length]
	return m, length, true
}

// sameAddrs reports whether the message carries exactly the addresses of want,
// in any order.
func (m *message) sameAddrs(want []netip.Addr, ipv6 bool) bool {
	size := 4
	if ipv6 {
		size = 16
	}
	if len(m.addrs) != len(want)*size {
		return false
	}
	for rest := m.addrs; len(rest) > 0; rest = rest[size:] {
		got, _ := netip.AddrFromSlice(rest[:size])
		found := false
		for _, a := range want {
			if a == got {
				found = true
				break
			}
		}
		if !found {
			return false
		}
	}
	return true
}

// checksumOK verifies msg, which must be exactly the message. VRRPv3 over IPv4
// is accepted with and without the pseudo-header: RFC 9568 §5.2.8 leaves it out,
// Keepalived's default puts it in.
func checksumOK(msg []byte, version uint8, ipv6 bool, src, dst netip.Addr) bool {
	plain := sumBytes(0, msg)
	if !ipv6 && fold(plain) == 0 {
		return true
	}
	if ipv6 || version == 3 {
		return fold(plain+pseudoHeader(src, dst, len(msg))) == 0
	}
	return false
}

// pseudoHeader sums the addresses, the protocol and the length.
func pseudoHeader(src, dst netip.Addr, length int) uint32 {
	sum := uint32(ProtocolNumber) + uint32(length)
	for _, a := range [2]netip.Addr{src, dst} {
		if a.Is4() {
			a4 := a.As4()
			sum = sumBytes(sum, a4[:])
		} else if a.IsValid() {
			a16 := a.As16()
			sum = sumBytes(sum, a16[:])
		}
	}
	return sum
}

// sumBytes adds b to a ones' complement sum in progress. A message is at most
// 64 KiB, so 32 bits cannot overflow.
func sumBytes(sum uint32, b []byte) uint32 {
	for len(b) >= 2 {
		sum += uint32(b[0])<<8 | uint32(b[1])
		b = b[2:]
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	return sum
}

func fold(sum uint32) uint16 {
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}
