package xdp

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/cilium/ebpf/link"
	"github.com/evenkeel/evenkeel/lvs/table"
	"golang.org/x/sys/unix"
)

// SweepStats is what a [Plane.Sweep] found.
type SweepStats struct {
	Flows    int // remembered after it, both sides of NAT
	HalfOpen int // by one packet only
	Expired  int // forgotten by it
	Took     time.Duration
}

// sweeps are the programs that look through tables.
var sweeps = []struct{ program, table string }{
	{programProgSweepFlows4, programMapPlaneFlows4},
	{programProgSweepFlows6, programMapPlaneFlows6},
	{programProgSweepHalf4, programMapPlaneHalf4},
	{programProgSweepHalf6, programMapPlaneHalf6},
}

// Sweep forgets flows that have been idle beyond their timeout and keeps the destinations'
// connection counts right. Once a second is often enough. It never holds the CPU for long.
func (p *Plane) Sweep() (stats SweepStats, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	err = p.edit(func() error {
		begin := time.Now()
		clear(p.found)
		for i := range uint32(len(p.blocks) * blockSize) {
			atomic.StoreUint32(&p.slotAt(i).counting, 0)
		}
		for _, s := range sweeps {
			if err := p.sweep(s.program, s.table); err != nil {
				return err
			}
		}
		for i := range uint32(len(p.blocks) * blockSize) {
			at := p.slotAt(i)
			atomic.StoreUint32(&at.pending, atomic.LoadUint32(&at.counting))
		}
		found := unsafe.Slice((*uint64)(unsafe.Pointer(&p.found[0])), 4)
		stats = SweepStats{Flows: int(found[0]), HalfOpen: int(found[1]), Expired: int(found[3]), Took: time.Since(begin)}
		return p.rate(time.Since(epoch))
	})
	return stats, err
}

// sweep runs a program over a table, a slice at a time.
func (p *Plane) sweep(program, of string) error {
	it, err := link.AttachIter(link.IterOptions{Program: p.programs[program], Map: p.maps[of]})
	if err != nil {
		return fmt.Errorf("xdp: sweeping %s: %w (it needs %s and CONFIG_DEBUG_INFO_BTF)", of, err, minKernel)
	}
	defer it.Close()
	f, err := it.Open()
	if err != nil {
		return fmt.Errorf("xdp: sweeping %s: %w", of, err)
	}
	defer f.Close()
	var one [1]byte
	for {
		_, err := f.Read(one[:])
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		case err != nil:
			return fmt.Errorf("xdp: sweeping %s: %w", of, err)
		}
	}
}

// sample is what a destination's counters were at some time.
type sample struct {
	at time.Duration
	counters
}

// rate reckons destinations' rates from the counters, at most every two seconds, and leaves them where other
// processes find them.
func (p *Plane) rate(now time.Duration) error {
	jiffies, err := p.jiffies()
	if err != nil {
		return err
	}
	if p.rated == nil {
		p.rated = map[uint32]sample{}
	}
	for _, s := range p.services {
		for _, i := range s.members {
			before, ok := p.rated[i]
			if ok && now-before.at < 2*time.Second {
				continue
			}
			c, err := p.countersOf(i)
			if err != nil {
				return err
			}
			p.rated[i] = sample{now, c}
			if ok {
				p.slotAt(i).setRates(&before.counters, &c, now-before.at, jiffies)
			}
		}
	}
	return nil
}

func (at *slot) setRates(before, after *counters, d time.Duration, now uint32) {
	for i, pair := range [5][2]uint64{
		{before.connections, after.connections}, {before.inPackets, after.inPackets}, {before.outPackets, after.outPackets},
		{before.inBytes, after.inBytes}, {before.outBytes, after.outBytes},
	} {
		r := uint32(0)
		if pair[1] > pair[0] {
			r = uint32(min(float64(pair[1]-pair[0])/d.Seconds(), 1<<32-1))
		}
		atomic.StoreUint32(&at.rates[i], r)
	}
	atomic.StoreUint32(&at.ratedAt, max(now, 1))
}

// ratesOf are a destination's rates if somebody has reckoned them lately.
func (p *Plane) ratesOf(at *slot, now uint32) (r table.Rates) {
	if at.ratedAt == 0 || int32(now-at.ratedAt) > int32(p.settings.ticks(10*time.Second)) {
		return r
	}
	return table.Rates{Connections: uint64(at.rates[0]), InPackets: uint64(at.rates[1]), OutPackets: uint64(at.rates[2]),
		InBytes: uint64(at.rates[3]), OutBytes: uint64(at.rates[4])}
}

// epoch is what this process counts time from.
var epoch = time.Now()
