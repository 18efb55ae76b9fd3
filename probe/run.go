package probe

import (
	"context"
	"time"

	"github.com/evenkeel/evenkeel/health"
)

// Hooks tie a server's checks to what is thought of it. They are called on Run's
// goroutine and may lock.
type Hooks struct {
	// Checking says whether to probe now; nil: always. While it is false (maintenance,
	// checks disabled), it is asked again after Inter, or when Sooner tells.
	Checking func() bool
	// Report takes a result and says how long after it the next probe begins.
	Report func(health.Result) time.Duration
	// Sooner asks for a probe before its time, at most that long from now; it never puts one off. nil: never.
	Sooner <-chan time.Duration
	// Delay is before the first probe; see Spread.
	Delay time.Duration
}

// Run probes until ctx ends. As with HAProxy, intervals begin when a probe has ended.
func Run(ctx context.Context, t *Target, h Hooks) {
	due := time.Now().Add(h.Delay)
	timer := time.NewTimer(h.Delay)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case after := <-h.Sooner:
			if at := time.Now().Add(after); at.Before(due) {
				due = at
				timer.Reset(time.Until(due))
			}
			continue
		case <-timer.C:
		}
		next := max(t.Inter, 100*time.Millisecond)
		if h.Checking == nil || h.Checking() {
			r := Once(ctx, t)
			if ctx.Err() != nil {
				return // not the server's fault
			}
			next = h.Report(r)
		}
		due = time.Now().Add(next)
		timer.Reset(time.Until(due))
	}
}

// Spread is the Delay of the i-th of n checked servers, shortest being the least interval
// of all: first probes are spread evenly over it, as HAProxy does.
func Spread(i, n int, shortest time.Duration) time.Duration {
	if n <= 0 {
		return 0
	}
	return shortest * time.Duration(i) / time.Duration(n)
}
