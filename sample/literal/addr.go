package literal

import "net/netip"

// Addr reads a textual IPv4 or IPv6 address, the former without allocating.
func Addr(b []byte) (netip.Addr, bool) {
	if a, ok := Addr4(b); ok {
		return a, true
	}
	if len(b) < 2 || len(b) > 45 {
		return netip.Addr{}, false
	}
	colon := false
	for _, x := range b {
		switch {
		case x == ':':
			colon = true
		case x >= '0' && x <= '9', x >= 'a' && x <= 'f', x >= 'A' && x <= 'F', x == '.':
		default:
			return netip.Addr{}, false
		}
	}
	if !colon {
		return netip.Addr{}, false
	}
	// ParseAddr keeps its argument in errors, so the copy is one of the heap.
	a, err := netip.ParseAddr(string(b))
	return a, err == nil
}

// Addr4 reads a dotted quad.
func Addr4(b []byte) (netip.Addr, bool) {
	var a [4]byte
	part, digits, value := 0, 0, 0
	for _, x := range b {
		switch {
		case x >= '0' && x <= '9':
			value = value*10 + int(x-'0')
			if digits++; digits > 3 || value > 255 {
				return netip.Addr{}, false
			}
		case x == '.' && digits > 0 && part < 3:
			a[part] = byte(value)
			part, digits, value = part+1, 0, 0
		default:
			return netip.Addr{}, false
		}
	}
	if part != 3 || digits == 0 {
		return netip.Addr{}, false
	}
	a[3] = byte(value)
	return netip.AddrFrom4(a), true
}
