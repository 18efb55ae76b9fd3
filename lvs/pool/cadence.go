package pool

import "time"

// Cadence is when one checker runs: every Interval while it passes; after a failure up to Retry
// more times, Delay apart, before the failure counts. The first result of all counts at once.
type Cadence struct {
	Interval, Delay time.Duration
	Retry           int

	tried int
	ran   bool
}

// Result takes the outcome of a check: whether it counts, and how long after it the next begins.
func (c *Cadence) Result(ok bool) (counts bool, next time.Duration) {
	first := !c.ran
	c.ran = true
	if !ok && !first && c.tried < c.Retry {
		c.tried++
		return false, c.Delay
	}
	c.tried = 0
	return true, c.Interval
}
