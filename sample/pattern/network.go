package pattern

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"net/netip"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/sample/literal"
)

// Mask4 is an IPv4 mask, not necessarily of leading ones.
type Mask4 uint32

// Apply leaves of an IPv4 address what the mask covers.
func (m Mask4) Apply(a netip.Addr) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], number4(a)&uint32(m))
	return netip.AddrFrom4(b)
}

// word4 gives an IPv4 address as a number.
func number4(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

// ParseMask4 reads a number of bits or a dotted mask.
func ParseMask4(s string) (Mask4, bool) {
	if n, ok := literal.Number(s); ok {
		if n < 0 || n > 32 {
			return 0, false
		}
		return Mask4(^uint32(0) << (32 - n)), true // a shift by 32 gives 0
	}
	a, ok := literal.Addr4([]byte(s))
	if !ok {
		return 0, false
	}
	return Mask4(number4(a)), true
}

// netSet is a set of networks. Among those that hold an address the longest is found.
type netSet struct {
	nets4 []net4
	nets6 []net6
	// table4 are the edges of nets4 as ranges that do not overlap, when they are many.
	table4 []range4
}

type net4 struct {
	net   uint32
	mask  Mask4
	index int
}

type net6 struct {
	prefix netip.Prefix
	index  int
}

type range4 struct {
	low, high uint32
	index     int
}

// add parses an address, a network or a network with a dotted mask; IPv4 addresses may leave
// out numbers in the middle (10.12 is 10.0.0.12).
func (s *netSet) add(text string, index int) *Error {
	bad := &Error{Message: quote(text) + " is not an IPv4 or IPv6 address", Hint: "host names are not resolved here"}
	addr, mask, masked := strings.Cut(text, "/")
	if strings.Contains(addr, ":") {
		a, err := netip.ParseAddr(addr)
		if err != nil || a.Zone() != "" {
			return bad
		}
		n := int64(128)
		if masked {
			var ok bool
			if n, ok = literal.Number(mask); !ok || n < 0 || n > 128 {
				return bad
			}
		}
		p, err := a.Prefix(int(n))
		if err != nil {
			return bad
		}
		s.nets6 = append(s.nets6, net6{p, index})
		return nil
	}
	a, ok := parseShort4(addr)
	if !ok {
		return bad
	}
	m := Mask4(1<<32 - 1)
	if masked {
		if m, ok = ParseMask4(mask); !ok {
			return bad
		}
	}
	s.nets4 = append(s.nets4, net4{a & uint32(m), m, index})
	return nil
}

// parseShort4 reads an IPv4 address the way inet_aton does: the last number fills what is left.
func parseShort4(s string) (uint32, bool) {
	parts := strings.Split(s, ".")
	if len(parts) > 4 {
		return 0, false
	}
	var a uint32
	for i, p := range parts {
		n, ok := literal.Number(p)
		if !ok || n < 0 || p[0] == '+' {
			return 0, false
		}
		if i < len(parts)-1 {
			if n > 255 {
				return 0, false
			}
			a |= uint32(n) << (24 - 8*i)
			continue
		}
		left := 32 - 8*i
		if n >= 1<<left {
			return 0, false
		}
		a |= uint32(n)
	}
	return a, true
}

// contiguous reports whether a mask is ones followed by zeros.
func (m Mask4) contiguous() bool {
	return bits.LeadingZeros32(^uint32(m))+bits.TrailingZeros32(uint32(m)) >= 32
}

// finish sorts the longest networks first and, when they are many, builds the table.
func (s *netSet) finish() {
	slices.SortStableFunc(s.nets4, func(a, b net4) int {
		return cmp.Compare(bits.OnesCount32(uint32(b.mask)), bits.OnesCount32(uint32(a.mask)))
	})
	slices.SortStableFunc(s.nets6, func(a, b net6) int { return cmp.Compare(b.prefix.Bits(), a.prefix.Bits()) })
	if len(s.nets4) <= few {
		return
	}
	for _, n := range s.nets4 {
		if !n.mask.contiguous() {
			return
		}
	}
	s.table4 = flatten(s.nets4)
}

// flatten turns nested networks, the longest first, into ranges that do not overlap.
func flatten(nets []net4) []range4 {
	sorted := slices.Clone(nets)
	slices.SortStableFunc(sorted, func(a, b net4) int { // outer before inner
		return cmp.Or(cmp.Compare(a.net, b.net),
			cmp.Compare(bits.OnesCount32(uint32(a.mask)), bits.OnesCount32(uint32(b.mask))))
	})
	var out []range4
	var open []range4 // nested networks that have not ended
	next := uint64(0) // first address not yet written
	emit := func(until uint64) {
		top := open[len(open)-1]
		if until > next {
			out = append(out, range4{uint32(next), uint32(until - 1), top.index})
		}
		next = max(next, until)
	}
	closeUntil := func(at uint64) {
		for len(open) > 0 && uint64(open[len(open)-1].high) < at {
			emit(uint64(open[len(open)-1].high) + 1)
			open = open[:len(open)-1]
		}
	}
	for i, n := range sorted {
		if i > 0 && sorted[i-1].net == n.net && sorted[i-1].mask == n.mask {
			continue // the first of equal networks counts
		}
		closeUntil(uint64(n.net))
		if len(open) > 0 {
			emit(uint64(n.net))
		}
		next = uint64(n.net)
		open = append(open, range4{n.net, n.net | ^uint32(n.mask), n.index})
	}
	closeUntil(1 << 32)
	return out
}

// find gives the number of the longest network that holds a, or -1. An IPv4 address is also
// looked for among IPv6 networks as ::ffff:a, an IPv6 address that holds an IPv4 one among those of IPv4.
func (s *netSet) find(a netip.Addr) int {
	if a.Is4() {
		if i := s.find4(number4(a)); i >= 0 {
			return i
		}
		if len(s.nets6) == 0 {
			return -1
		}
		return s.find6(netip.AddrFrom16(a.As16()))
	}
	if i := s.find6(a); i >= 0 {
		return i
	}
	if len(s.nets4) == 0 {
		return -1
	}
	if w, ok := embedded4(a); ok {
		return s.find4(w)
	}
	return -1
}

func (s *netSet) find4(w uint32) int {
	if s.table4 != nil {
		i, found := slices.BinarySearchFunc(s.table4, w, func(r range4, w uint32) int {
			switch {
			case r.high < w:
				return -1
			case r.low > w:
				return 1
			}
			return 0
		})
		if !found {
			return -1
		}
		return s.table4[i].index
	}
	for i := range s.nets4 {
		if n := &s.nets4[i]; w&uint32(n.mask) == n.net {
			return n.index
		}
	}
	return -1
}

func (s *netSet) find6(a netip.Addr) int {
	for i := range s.nets6 {
		n := &s.nets6[i]
		if n.prefix.Contains(a) || a.Is4In6() && n.prefix.Addr().Is6() && contains4in6(n.prefix, a) {
			return n.index
		}
	}
	return -1
}

// contains4in6 is Contains without netip's rule that an IPv4-mapped address is in no IPv6 network.
func contains4in6(p netip.Prefix, a netip.Addr) bool {
	q, err := a.Prefix(p.Bits())
	return err == nil && q.Addr().As16() == p.Masked().Addr().As16()
}

// embedded4 gives the IPv4 address in ::ffff:a.b.c.d, ::a.b.c.d and 2002:a.b.c.d::.
func embedded4(a netip.Addr) (uint32, bool) {
	b := a.As16()
	if b[0] == 0x20 && b[1] == 0x02 {
		return binary.BigEndian.Uint32(b[2:]), true
	}
	for _, x := range b[:10] {
		if x != 0 {
			return 0, false
		}
	}
	if b[10] == 0xff && b[11] == 0xff || b[10] == 0 && b[11] == 0 {
		return binary.BigEndian.Uint32(b[12:]), true
	}
	return 0, false
}
