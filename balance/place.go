package balance

import (
	"cmp"
	"slices"
)

// pickKey finds the key's server. Map-based: the slot of the pattern. Consistent: the
// nearest point on the ring.
func (t *Table) pickKey(key uint32, avoid int) int {
	if t.pattern != nil {
		return int(t.pattern[key%uint32(len(t.pattern))])
	}
	return t.nearest(key, avoid)
}

// pattern spreads each server over as many slots as its weight says, weights being
// reduced by what divides all of them: in each slot every server earns its weight, the
// first of the richest, counted in whole totals, gets the slot and pays a total.
func pattern(servers []Server, group []uint16) []uint16 {
	if len(group) == 0 {
		return nil
	}
	unit := 0
	for i := range servers {
		unit = gcd(unit, servers[i].Weight)
	}
	total := 0
	for _, s := range group {
		total += servers[s].Weight / unit
	}
	credit := make([]int, len(group))
	slots := make([]uint16, total)
	for n := range slots {
		best, most := -1, 0
		for i, s := range group {
			credit[i] += servers[s].Weight / unit
			if rich := (credit[i] + total) / total; best < 0 || rich > most {
				best, most = i, rich
			}
		}
		credit[best] -= total
		slots[n] = group[best]
	}
	return slots
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// point is one of a server's places on the ring.
type point struct {
	at     uint32
	server uint16
}

// ring gives each server one point for each sixteenth of its weight, at places that
// depend only on its ID: another server's coming, going or weight moves no other key.
func ring(servers []Server, group []uint16) []point {
	var points []point
	for _, s := range group {
		first := id(servers, s) * 4096
		for n := range servers[s].effective() {
			points = append(points, point{mix(uint32(first + n)), s})
		}
	}
	slices.SortStableFunc(points, func(a, b point) int { return cmp.Compare(a.at, b.at) })
	return points
}

// nearest is the server of the point nearest to key, in either direction, round the end;
// if that is avoid, of the next point of another server.
func (t *Table) nearest(key uint32, avoid int) int {
	r := t.ring
	lo, hi := 0, len(r)
	for lo < hi {
		if m := int(uint(lo+hi) >> 1); r[m].at < key {
			lo = m + 1
		} else {
			hi = m
		}
	}
	before := lo - 1
	if lo == len(r) {
		lo = 0
	}
	if before < 0 {
		before = len(r) - 1
	}
	if r[lo].at-key >= key-r[before].at {
		lo = before
	}
	for n := 0; n < len(r) && int(r[lo].server) == avoid; n++ {
		if lo++; lo == len(r) {
			lo = 0
		}
	}
	return int(r[lo].server)
}

func byID(servers []Server, group []uint16) []uint16 {
	ids := slices.Clone(group)
	slices.SortStableFunc(ids, func(a, b uint16) int {
		return cmp.Compare(id(servers, a), id(servers, b))
	})
	return ids
}

func id(servers []Server, i uint16) int {
	if servers[i].ID != 0 {
		return servers[i].ID
	}
	return int(i) + 1
}
