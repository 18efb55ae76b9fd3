package failover

import (
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/test/stall"
)

// stalls measures from here on for how long at most the machine kept a thread from
// running that had nothing to do but wake: what a program cannot be blamed for. With
// realTime the thread has the precedence of a director's router.
func stalls(t testing.TB, realTime bool) func() time.Duration {
	w := stall.Start(realTime)
	t.Cleanup(w.End)
	return w.Worst
}

// hung is how far behind its beat an advert must be for the director to have hung,
// besides what the machine did to it. How exact the beat is on an idle machine is a
// figure of its own; see the logs and the benchmarks.
const hung = time.Second

// paused reports whether a node was silent for as long as the other one waits for a
// living master: then that one may take over, whatever the cause.
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

// silence is the longest time without any advert of a node, between its first one and now.
func (p *pair) silence(n *node, since time.Time) (longest time.Duration) {
	var last time.Time
	for _, f := range p.tap.since(since) {
		if !f.advert() || f.port != p.port(n) {
			continue
		}
		if !last.IsZero() {
			longest = max(longest, f.at.Sub(last))
		}
		last = f.at
	}
	return max(longest, time.Since(last))
}
