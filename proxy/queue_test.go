package proxy

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/evenkeel/evenkeel/config"
)

// waiter is a stream that nothing but a queue knows.
func waiter(be *proxy, c *core) *stream {
	return &stream{core: c, fe: be, be: be, gen: 1, gone: true} // gone: what is posted for it does nothing
}

// TestNoLostWakeUp: two streams join the queue while, at the same moment, others look into it with a place in hand.
// Whatever comes first, no stream waits beside a free place.
func TestNoLostWakeUp(t *testing.T) {
	for _, c := range []struct {
		name    string
		servers int
		own     bool // it waits for one server
	}{{"for a server", 1, true}, {"for any of one", 1, false}, {"for any of three", 3, false}} {
		t.Run(c.name, func(t *testing.T) {
			var addrs []string
			for range c.servers {
				addrs = append(addrs, "127.0.0.1:1")
			}
			s := start(t, config.HTTP, func(p *config.Proxy) {
				for _, srv := range p.Servers {
					srv.MaxConn = 2
				}
			}, addrs...)
			be := s.engine.proxies[0]
			rounds := 30_000 // with the mistake it was found after 26 000, more often than not
			if testing.Short() || raceEnabled {
				rounds = 2_000
			}
			var round, done atomic.Int64
			var wg sync.WaitGroup
			join := func(x *stream) {
				if c.own {
					x.queueOn(be.servers[0])
				} else {
					x.queueOn(nil)
				}
			}
			each := func(do func()) { // in each round, at the same time as the others
				wg.Go(func() {
					for n := int64(1); n <= int64(rounds); n++ {
						for round.Load() < n {
							runtime.Gosched()
						}
						if !t.Failed() {
							do()
						}
						done.Add(1)
					}
				})
			}
			parts := int64(0)
			for _, srv := range be.servers {
				parts++
				each(func() { srv.offer() }) // as when a limit is raised or a server comes up
			}
			var idle [2]*core // they do not run: the streams are the test's
			for i := range idle {
				c, err := newCore(s.engine, i)
				if err != nil {
					t.Fatal(err)
				}
				idle[i] = c
			}
			var second *stream
			parts++
			each(func() { join(second) })
			for n := int64(1); n <= int64(rounds) && !t.Failed(); n++ {
				x := waiter(be, idle[0])
				second = waiter(be, idle[1])
				round.Store(n)
				join(x)
				for done.Load() < n*parts {
					runtime.Gosched()
				}
				be.mu.Lock()
				served := x.queued.granted != nil && second.queued.granted != nil
				be.mu.Unlock()
				if !served {
					t.Errorf("round %d: one waits, and %d places of 2 are taken", n, be.servers[0].served.Load())
				}
				x.leaveQueue()
				second.leaveQueue()
			}
			round.Store(int64(rounds))
			wg.Wait()
			if be.queued.Load() != 0 {
				t.Errorf("%d are still counted as waiting", be.queued.Load())
			}
			for _, srv := range be.servers {
				if srv.served.Load() != 0 || srv.queuedNow.Load() != 0 {
					t.Errorf("%s: %d places taken, %d waiting", srv.cfg.Name, srv.served.Load(), srv.queuedNow.Load())
				}
			}
		})
	}
}
