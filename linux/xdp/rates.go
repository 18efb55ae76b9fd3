package xdp

import (
	"sync/atomic"
	"time"

	"github.com/evenkeel/evenkeel/lvs/table"
)

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
	all, err := p.newTallies()
	if err != nil {
		return err
	}
	for _, s := range p.services {
		for _, i := range s.members {
			before, ok := p.rated[i]
			if ok && now-before.at < 2*time.Second {
				continue
			}
			c, err := all.of(i)
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
		{before.connections, after.connections}, {before.inPackets, after.inPackets},
		{before.outPackets, after.outPackets},
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
	return table.Rates{Connections: uint64(at.rates[0]), InPackets: uint64(at.rates[1]),
		OutPackets: uint64(at.rates[2]),
		InBytes:    uint64(at.rates[3]), OutBytes: uint64(at.rates[4])}
}

// epoch is what this process counts time from.
var epoch = time.Now()
