package vrrp

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	seeds   = flag.Int("seeds", 3000, "random sites to simulate (100 000 or more in a full run)")
	first   = flag.Int("first", 1, "seed of the first of them")
	oneSeed = flag.Uint64("seed", 0, "replay this one seed and print what happened")
)

// site builds a random LAN of 2-5 nodes with random faults in its first 30
// seconds and none in the rest, so that liveness can be judged at the end.
func site(seed uint64, trace bool) *sim {
	s := newSim(seed)
	s.trace = trace
	s.seq = 0
	rng := rand.New(rand.NewPCG(seed, 1))
	base := Params{Name: "V", VRID: 51, Version: 2 + uint8(rng.IntN(2)), Interval: time.Second, DownAdverts: 3,
		Preempt: rng.IntN(4) > 0, AnnounceRepeat: 5, LowerPrioRepeat: 5, RefreshRepeat: 1,
		Addrs: []netip.Addr{netip.MustParseAddr("10.9.0.100")}}
	if base.Version == 3 {
		base.Interval = []time.Duration{100 * time.Millisecond, 300 * time.Millisecond, time.Second}[rng.IntN(3)]
	}
	s.delay = min(base.settle(), base.quiet()/2) * 9 / 10
	if rng.IntN(3) == 0 {
		s.loss = rng.Float64() * 0.3
	}
	if rng.IntN(3) == 0 {
		s.nasty = rng.Float64() * 0.02
	}
	count := 2 + rng.IntN(4)
	for i := range count {
		p := base
		p.Priority = uint8(1 + rng.IntN(254))
		if rng.IntN(3) == 0 {
			p.Priority = 100 // equal priorities are a case of their own
		}
		p.Source = netip.AddrFrom4([4]byte{10, 9, 0, byte(i + 1)})
		n := s.add(p)
		s.after(time.Duration(rng.Int64N(int64(5*base.Interval))), func() { s.start(n) })
	}
	for range 3 + rng.IntN(8) {
		s.trouble(rng, base.Interval)
	}
	s.after(40*base.Interval, func() {
		s.loss, s.nasty = 0, 0
		clear(s.cut)
		for _, n := range s.nodes {
			n.frozen = min(n.frozen, s.now)
			if !n.alive {
				s.start(n)
			}
			s.wake(n, s.now)
		}
	})
	return s
}

// trouble makes one fault of one node or of the way between two, some time from now.
func (s *sim) trouble(rng *rand.Rand, interval time.Duration) {
	n := s.nodes[rng.IntN(len(s.nodes))]
	t := time.Duration(rng.Int64N(int64(30 * interval)))
	long := time.Duration(rng.Int64N(int64(8 * interval)))
	switch rng.IntN(6) {
	case 0, 1:
		s.after(t, func() {
			if n.alive {
				s.kill(n)
				s.after(long, func() { s.start(n) })
			}
		})
	case 2, 3:
		s.after(t, func() {
			if n.alive {
				s.freeze(n, long)
			}
		})
	case 4:
		s.after(t, func() {
			if n.alive {
				s.stop(n)
				s.after(long, func() {
					if !n.alive {
						s.start(n)
					}
				})
			}
		})
	default:
		o := rng.IntN(len(s.nodes))
		pair, both := [2]int{n.index, o}, rng.IntN(2) == 0
		s.after(t, func() {
			s.cut[pair] = true
			if both {
				s.cut[[2]int{o, n.index}] = true
			}
		})
		s.after(t+long, func() {
			delete(s.cut, pair)
			delete(s.cut, [2]int{o, n.index})
		})
	}
}

// simulate runs one seed and returns what went wrong, if anything did.
func simulate(seed uint64, trace bool, rules func(*simRules)) (string, *sim) {
	s := site(seed, trace)
	if rules != nil {
		rules(&s.rules)
	}
	interval := s.nodes0Interval()
	s.run(60 * interval)
	if s.bad != "" {
		return s.bad, s
	}
	if open := s.holders(); len(open) != 1 {
		return fmt.Sprintf("20 intervals after the last fault %v hold the address", open), s
	}
	return "", s
}

func (s *sim) nodes0Interval() time.Duration { return s.nodes[0].p.Interval }

// TestSimulation plays random faults on random sites and checks that no two
// gates are open without a partition, and that someone serves in the end.
func TestSimulation(t *testing.T) {
	everySeed(t, func(seed uint64, trace bool) (string, *sim) { return simulate(seed, trace, nil) })
}

// everySeed plays the sites that the flags ask for.
func everySeed(t *testing.T, play func(seed uint64, trace bool) (string, *sim)) {
	if *oneSeed != 0 {
		bad, s := play(*oneSeed, true)
		t.Logf("%s\nresult: %q", s.text(), bad)
		return
	}
	count := *seeds
	if testing.Short() {
		count = min(count, 500)
	}
	var next atomic.Int64
	next.Store(int64(*first) - 1)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for {
				seed := uint64(next.Add(1))
				if seed > uint64(count) || t.Failed() {
					return
				}
				if bad, _ := play(seed, false); bad != "" {
					_, s := play(seed, true)
					t.Errorf("seed %d: %s\n%s", seed, bad, s.text())
					return
				}
			}
		})
	}
	wg.Wait()
	t.Logf("sites %d to %d simulated", *first, count)
}
