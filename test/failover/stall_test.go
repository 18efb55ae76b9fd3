package failover

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/linux/loop"
)

// stalls measures from here on for how long at most the machine kept a thread from
// running that had nothing to do but wake: what a program cannot be blamed for. With
// realTime the thread has the precedence of a director's router.
func stalls(t testing.TB, realTime bool) func() time.Duration {
	const nap = 5 * time.Millisecond
	var mu sync.Mutex
	var worst time.Duration
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for good: the thread ends with its precedence
		if realTime {
			loop.RealTime(1) // without it the thread stalls longer, and that is all
		}
		for {
			at := now()
			time.Sleep(nap)
			mu.Lock()
			worst = max(worst, time.Duration(now()-at)-nap)
			mu.Unlock()
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-done })
	return func() time.Duration {
		mu.Lock()
		defer mu.Unlock()
		return worst
	}
}

// hung is how far behind its beat an advert must be for the director to have hung,
// besides what the machine did to it. How exact the beat is on an idle machine is a
// figure of its own; see the logs and the benchmarks.
const hung = time.Second

// paused reports whether a node was silent for as long as the other one waits for a
// living master: then that one may take over, whoever is to blame.
func (p *pair) paused(n *node, since time.Time, down time.Duration) bool {
	last := since
	for _, f := range p.tap.since(since) {
		if f.advert() && f.port == p.port(n) && f.priority != 0 {
			if f.at.Sub(last) >= down {
				return true
			}
			last = f.at
		}
	}
	return time.Since(last) >= down
}
