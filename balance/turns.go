package balance

// turns is the sequence of a dynamic round robin, computed ahead: first once, then again
// and again.
type turns struct {
	lead, cycle []uint16
	start       []runner // standing before lead
	settled     []runner // standing before cycle
	startAt     int64
	settledAt   int64
}

func (s *turns) at(n uint64) int {
	if n < uint64(len(s.lead)) {
		return int(s.lead[n])
	}
	return int(s.cycle[(n-uint64(len(s.lead)))%uint64(len(s.cycle))])
}

// A runner is a server on an endless track of turns. It wants to be chosen every
// total/weight turns: due is the turn it wants next, its fraction kept in late as parts
// of weight.
type runner struct {
	server  uint16
	waiting bool // has never run: fills the first turn no one else is due in
	weight  int64
	due     int64
	late    int64
	queued  int64 // when it came to its place; older goes first among equals
}

// race computes turns.
type race struct {
	runners []runner
	total   int64
	now     int64 // this turn
	order   int64
}

// step is one turn: the runner that is due first; if none is due yet, the heaviest of
// those who wait; if none waits, the one due first all the same.
func (r *race) step() uint16 {
	best, waiting := -1, -1
	for i := range r.runners {
		switch c := &r.runners[i]; {
		case c.waiting:
			if waiting < 0 || c.weight > r.runners[waiting].weight {
				waiting = i
			}
		case best < 0 || c.before(&r.runners[best]):
			best = i
		}
	}
	if waiting >= 0 && (best < 0 || r.runners[best].due > r.now) {
		best = waiting
		r.runners[best].due, r.runners[best].late = r.now, 0
		r.runners[best].waiting = false
	}
	c := &r.runners[best]
	c.due += r.total / c.weight
	if c.late += r.total % c.weight; c.late >= c.weight {
		c.late -= c.weight
		c.due++
	}
	r.order++
	c.queued = r.order
	r.now++
	return c.server
}

func (c *runner) before(d *runner) bool {
	switch {
	case c.due != d.due:
		return c.due < d.due
	case c.late-c.weight != d.late-d.weight:
		return c.late-c.weight < d.late-d.weight
	}
	return c.queued < d.queued
}

// Limits of a computed sequence: beyond, weights are rounded to coarser units.
const (
	maxCycle = 1 << 16
	maxSteps = 1 << 22 // turns times servers
)

// arrangeTurns computes the sequence. It settles after as many turns as the weights,
// reduced by what divides all of them, add up to.
func (t *Table) arrangeTurns(servers []Server, previous *Table) {
	if len(t.group) == 0 {
		if previous != nil { // keep the places for when servers return
			t.turns.start, t.turns.startAt = previous.standing()
		}
		return
	}
	weights, cycle := reduce(servers, t.group)
	var r race
	for i, s := range t.group {
		r.runners = append(r.runners, runner{server: s, weight: weights[i], waiting: true})
		r.total += weights[i]
	}
	if previous != nil {
		r.resume(previous)
	}
	s := &t.turns
	s.start, s.startAt = append([]runner(nil), r.runners...), r.now
	s.lead = r.run(cycle)
	s.settled, s.settledAt = append([]runner(nil), r.runners...), r.now
	s.cycle = r.run(cycle)
}

func (r *race) run(n int) []uint16 {
	turns := make([]uint16, n)
	for i := range turns {
		turns[i] = r.step()
	}
	return turns
}

// reduce gives the weights in the coarsest unit that is exact, or coarse enough.
func reduce(servers []Server, group []uint16) (weights []int64, cycle int) {
	unit := 0
	for _, s := range group {
		unit = gcd(unit, servers[s].effective())
	}
	for {
		weights, cycle = weights[:0], 0
		for _, s := range group {
			w := max((servers[s].effective()+unit/2)/unit, 1)
			weights = append(weights, int64(w))
			cycle += w
		}
		if cycle <= maxCycle && cycle*len(group) <= maxSteps || cycle == len(group) {
			return weights, cycle
		}
		unit *= 2
	}
}

// standing is where the runners are after the turns taken so far.
func (t *Table) standing() ([]runner, int64) {
	s := &t.turns
	r := race{runners: append([]runner(nil), s.start...), now: s.startAt}
	n := t.next.Load()
	if len(s.lead) == 0 {
		return r.runners, r.now
	}
	if n >= uint64(len(s.lead)) {
		r.runners = append([]runner(nil), s.settled...)
		r.now = s.settledAt
		n = (n - uint64(len(s.lead))) % uint64(len(s.cycle))
	}
	for i := range r.runners {
		r.total += r.runners[i].weight
		r.order = max(r.order, r.runners[i].queued)
	}
	for range n {
		r.step()
	}
	return r.runners, r.now
}

// resume puts runners that took part before at their places; one that returns is due
// when as many turns have passed as it takes to come round once, less one.
// Differs from HAProxy: there, the turn a returning server, or one with a new weight,
// comes in with depends on more of the past, and may be another one. The order of the
// others and all shares are the same.
func (r *race) resume(previous *Table) {
	old, now := previous.standing()
	before := make(map[uint16]runner, len(old))
	for _, c := range old {
		before[c.server] = c
		r.order = max(r.order, c.queued)
	}
	r.now = now
	for i := range r.runners {
		c := &r.runners[i]
		if was, ok := before[c.server]; ok {
			c.waiting, c.due, c.queued = was.waiting, was.due, was.queued
			c.late = was.late * c.weight / was.weight
			continue
		}
		c.waiting = false
		c.due = now + (r.total-1)/c.weight
		r.order++
		c.queued = r.order
	}
}
