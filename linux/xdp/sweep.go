package xdp

import (
	"sync/atomic"
	"time"

	"github.com/evenkeel/evenkeel/lvs/table"
)

// SweepStats is what a [Plane.Sweep] found.
type SweepStats struct {
	Flows    int  // remembered, both sides of NAT, as the last whole walk found them; 0 before there was one
	HalfOpen int  // by one packet only, likewise
	Expired  int  // forgotten by this call
	Whole    bool // this call came to the end of the remembered flows
	Took     time.Duration
}

// The bounds of a sweep; docs/adr/0007-our-own-plane.md has the measurements.
const (
	// sweepBatch is how many entries one call of the kernel reads or visits. Where the kernel is not preemptible nobody
	// else has the CPU meanwhile: half a millisecond.
	sweepBatch = 1024
	// sweepLeast is how many entries of each kind of flow a sweep looks at; of all there are if there are no more.
	sweepLeast = 1 << 16
	// sweepCalls is how many sweeps a walk through more entries takes at most.
	sweepCalls = 64
	// sweepBuckets is how many of a table's buckets one call should go through: a millisecond. Of sparse tables
	// fewer entries are read at a time therefore, but never fewer than sweepFew, more than a bucket may hold.
	sweepBuckets = 1 << 18
	sweepFew     = 16
)

// sweeper is what one sweep leaves to the next. Its arrays are the room that the kernel's answers are read into.
type sweeper struct {
	remembered, half walk
	flows4, flows6   int      // remembered, as destinations count them
	persistent       []bool   // by destination: its service binds clients
	counting         []uint32 // by destination: half-open flows found by this walk

	keys4 [sweepBatch][16]byte
	keys6 [sweepBatch][40]byte
	flows [sweepBatch][56]byte
}

// Sweep forgets flows that have been idle beyond their timeout, keeps the destinations'
// connection counts right, and clients bound as long as they have flows. Once a second is often enough. Of large tables
// it takes a part, and the next call goes on there. It never holds the CPU for long.
func (p *Plane) Sweep() (stats SweepStats, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	err = p.edit(func() error {
		begin := time.Now()
		w := p.prepareSweep()
		if stats.Whole, err = p.step(w, &w.remembered, &stats); err != nil {
			return err
		}
		counted, err := p.step(w, &w.half, &stats)
		if err != nil {
			return err
		}
		if counted {
			for i, n := range w.counting {
				atomic.StoreUint32(&p.slotAt(uint32(i)).pending, n)
			}
			clear(w.counting)
		}
		stats.Flows, stats.HalfOpen = w.remembered.found, w.half.found
		stats.Took = time.Since(begin)
		return p.rate(time.Since(epoch))
	})
	return stats, err
}

// prepareSweep brings up to date what is known of destinations.
func (p *Plane) prepareSweep() *sweeper {
	if p.sweeper == nil {
		p.sweeper = &sweeper{}
		p.sweeper.half.half = true
	}
	w := p.sweeper
	n := len(p.blocks) * blockSize
	w.counting = append(w.counting, make([]uint32, n-len(w.counting))...)
	w.persistent = append(w.persistent, make([]bool, n-len(w.persistent))...)
	clear(w.persistent)
	w.flows4, w.flows6 = 0, 0
	for i := range uint32(n) {
		at := p.slotAt(i)
		counted := int(atomic.LoadUint32(&at.active) + atomic.LoadUint32(&at.inactive))
		if at.of.addr.addr().Is4() {
			w.flows4 += counted
		} else {
			w.flows6 += counted
		}
	}
	for _, s := range p.services {
		if s.rec.flags&uint32(table.Persistent) == 0 {
			continue
		}
		for _, i := range s.members {
			w.persistent[i] = true
		}
	}
	return w
}

// step looks at the next entries of a kind of flow. It reports whether it came to their end.
func (p *Plane) step(w *sweeper, of *walk, stats *SweepStats) (whole bool, err error) {
	of.begin()
	for left := of.budget(); left > 0 && !whole; {
		n, end := 0, false
		switch size := w.batch(p, of); {
		case size == 0:
			end = true
		case of.six:
			n, end, err = readSome(p, of, w.keys6[:size], w.flows[:size])
		default:
			n, end, err = readSome(p, of, w.keys4[:size], w.flows[:size])
		}
		if err == nil {
			err = p.visit(w, of, n, stats)
		}
		if err != nil {
			of.again()
			if of.half {
				clear(w.counting)
			}
			return false, err
		}
		left -= n
		whole = end && of.next()
	}
	return whole, nil
}

// batch is how many entries of a walk are read next; 0: the table is empty. The default table's buckets are gone
// through in a millisecond, so it is read as it is; of larger ones destinations know how full they are.
func (w *sweeper) batch(p *Plane, of *walk) int {
	buckets := int(p.maps[of.table()].MaxEntries())
	if buckets <= defaultTableSize {
		return sweepBatch
	}
	n := w.flows4
	if of.six {
		n = w.flows6
	}
	if n == 0 {
		return 0
	}
	return min(max(n*sweepBuckets/buckets, sweepFew), sweepBatch)
}
