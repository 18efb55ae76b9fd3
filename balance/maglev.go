package balance

import (
	"bytes"
	"slices"
)

// MaglevSize is the number of entries in a Maglev table: a prime far above the number of
// servers, so that shares come out to within one entry of it.
const MaglevSize = 65537

// Member is a server that wants entries in a table. Its name decides which: the same names and
// weights give the same table on every machine, in whatever order they are given.
type Member struct {
	Name   []byte // unique, e.g. address and port
	Weight int    // 0 and less: none
}

// Maglev fills a table of [MaglevSize] entries with indices of servers, in proportion to their weights
// (Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016, §3.4). When a
// server leaves or comes, few entries change but its own. At most 65535 servers;
// nil if none has a weight.
func Maglev(servers []Member) []uint16 {
	var queue []claimant
	heaviest := 0
	for i, s := range servers {
		if s.Weight > 0 {
			queue = append(queue, claimant{index: i, weight: s.Weight})
			heaviest = max(heaviest, s.Weight)
		}
	}
	if len(queue) == 0 {
		return nil
	}
	slices.SortFunc(queue, func(a, b claimant) int {
		return bytes.Compare(servers[a.index].Name, servers[b.index].Name)
	})
	for i := range queue {
		h := nameHash(servers[queue[i].index].Name)
		queue[i].next = int(uint32(h) % MaglevSize)
		queue[i].skip = int(uint32(h>>32)%(MaglevSize-1)) + 1
	}
	table := make([]uint16, MaglevSize)
	taken := make([]bool, MaglevSize)
	for filled := 0; ; {
		// The heaviest has a turn each round, others as often as their weight gathers to its.
		for i := range queue {
			c := &queue[i]
			if c.owing += c.weight; c.owing < heaviest {
				continue
			}
			c.owing -= heaviest
			for taken[c.next] {
				c.step()
			}
			table[c.next], taken[c.next] = uint16(c.index), true
			c.step()
			if filled++; filled == MaglevSize {
				return table
			}
		}
	}
}

// claimant is a server while the table is filled.
type claimant struct {
	index, weight int
	next, skip    int // its own order of entries
	owing         int // weight gathered towards its next turn
}

func (c *claimant) step() {
	if c.next += c.skip; c.next >= MaglevSize {
		c.next -= MaglevSize
	}
}

// nameHash spreads a name over 64 bits: FNV-1a, then the finish of MurmurHash3.
func nameHash(name []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range name {
		h = (h ^ uint64(c)) * 1099511628211
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
