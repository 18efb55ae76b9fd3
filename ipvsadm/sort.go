package ipvsadm

import (
	"encoding/binary"
	"net/netip"

	"github.com/evenkeel/evenkeel/lvs/table"
)

// Listings are sorted by ipvsadm's own measure, which takes differences of 32-bit numbers as
// signed ones: 192.0.2.1 comes before 10.0.0.1. That is no order for three far from each other,
// so the way of sorting matters too: halves are sorted and merged.

func sortServices(s []table.ServiceState) { mergeSort(s, compareServices) }

func sortDestinations(d []table.DestinationState) {
	mergeSort(d, func(a, b *table.DestinationState) int { return compareAddr(a.Addr, b.Addr) })
}

func compareServices(a, b *table.ServiceState) int {
	for _, d := range []int32{int32(a.Mark - b.Mark), family(a.IPv6) - family(b.IPv6),
		int32(a.Protocol) - int32(b.Protocol)} {
		if d != 0 {
			return int(d)
		}
	}
	return compareAddr(a.Addr, b.Addr)
}

func family(v6 bool) int32 {
	if v6 {
		return 1
	}
	return 0
}

// compareAddr compares as many quarters as a's family has.
func compareAddr(a, b netip.AddrPort) int {
	x, y := quarters(a.Addr()), quarters(b.Addr())
	n := 1
	if a.Addr().Is6() {
		n = 4
	}
	for i := range n {
		if d := int32(x[i] - y[i]); d != 0 {
			return int(d)
		}
	}
	return int(a.Port()) - int(b.Port())
}

func quarters(a netip.Addr) (w [4]uint32) {
	var b [16]byte
	copy(b[:], a.AsSlice())
	for i := range w {
		w[i] = binary.BigEndian.Uint32(b[4*i:])
	}
	return w
}

func mergeSort[T any](s []T, compare func(a, b *T) int) {
	if len(s) > 1 {
		mergeInto(s, make([]T, len(s)), compare)
	}
}

func mergeInto[T any](s, spare []T, compare func(a, b *T) int) {
	if len(s) < 2 {
		return
	}
	left, right := s[:len(s)/2], s[len(s)/2:]
	mergeInto(left, spare, compare)
	mergeInto(right, spare, compare)
	out := spare[:0]
	for len(left) > 0 && len(right) > 0 {
		if compare(&left[0], &right[0]) <= 0 {
			out, left = append(out, left[0]), left[1:]
		} else {
			out, right = append(out, right[0]), right[1:]
		}
	}
	out = append(append(out, left...), right...)
	copy(s, out)
}
