package lease

import (
	"fmt"
	"math/bits"
	"time"
)

// Time is nanoseconds of one machine's clock that never stops or jumps (CLOCK_BOOTTIME). Times of two machines are
// never compared.
type Time int64

// never is before every time.
const never = Time(-1 << 62)

// Add gives the time d later.
func (t Time) Add(d time.Duration) Time { return t + Time(d) }

// Sub gives the duration since u.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t - u) }

// ID numbers a voter of a group, from 0. Nodes are voters.
type ID int8

// Nobody is the holder where there is none.
const Nobody ID = -1

// MaxVoters is how many voters a group may have.
const MaxVoters = 7

// Set is a set of voters.
type Set uint8

// With adds a voter.
func (s Set) With(v ID) Set { return s | 1<<v }

// Has says whether a voter is in the set.
func (s Set) Has(v ID) bool { return s&(1<<v) != 0 }

// Len is how many voters there are.
func (s Set) Len() int { return bits.OnesCount8(uint8(s)) }

// Params are what all voters of a group must agree on, and who this node is among them.
type Params struct {
	Me       ID
	Voters   int // odd, 3 to MaxVoters
	Arbiters Set // voters that are asked only while the others' votes are not enough
	// Promise is for how long a voter promises.
	Promise time.Duration
	// ClockError is by how much two clocks' rates may differ, in millionths.
	ClockError int
	// Slack is by how much the gate may close too late.
	Slack time.Duration
}

// Validate reports parameters that cannot work, with the inequality and its numbers.
func (p *Params) Validate() error {
	switch {
	case p.Voters%2 == 0 || p.Voters < 3 || p.Voters > MaxVoters:
		return fmt.Errorf("%d voters: an odd number from 3 to %d is needed, so that there is a majority", p.Voters,
			MaxVoters)
	case p.Me < 0 || int(p.Me) >= p.Voters:
		return fmt.Errorf("voter %d of %d", p.Me, p.Voters)
	case p.Arbiters.Has(p.Me):
		return fmt.Errorf("voter %d is a candidate: it cannot be an arbiter", p.Me)
	case p.ClockError < 0 || p.ClockError >= 1_000_000:
		return fmt.Errorf("a clock error of %d millionths", p.ClockError)
	case p.Promise <= 0:
		return fmt.Errorf("a promise of %v", p.Promise)
	case p.Hold() <= 2*p.Renew():
		return fmt.Errorf("%s: it must be more than two renewals of %v each, so that one may be lost", p.Inequality(),
			p.Renew())
	}
	return nil
}

// Hold is for how long a promise lets its node hold, counted from before it asked.
func (p *Params) Hold() time.Duration {
	return p.Promise - p.error() - p.Slack
}

// error is how much shorter a promise may be on the voter's clock, rounded up.
func (p *Params) error() time.Duration {
	return time.Duration((int64(p.Promise)*int64(p.ClockError) + 999_999) / 1_000_000)
}

// Renew is the time from one round of questions to the next.
func (p *Params) Renew() time.Duration { return p.Promise / 4 }

// Inequality writes how long a node holds, with its numbers, for people.
func (p *Params) Inequality() string {
	return fmt.Sprintf("hold %v = promise %v - clock error %v (%.2f %%) - slack %v", p.Hold(), p.Promise, p.error(),
		float64(p.ClockError)/10_000, p.Slack)
}

// majority is more than half.
func (p *Params) majority() int { return p.Voters/2 + 1 }
