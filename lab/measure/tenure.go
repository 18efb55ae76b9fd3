package measure

import "slices"

// Tenure is a stretch of time in which one machine, known by its hardware address, answered
// for the watched address.
type Tenure struct {
	ID   int    `json:"id"`
	Who  string `json:"who"`            // hardware address that answered
	From int64  `json:"from"`           // when the first answered probe was sent, ns
	To   int64  `json:"to"`             // when the last answered probe was sent, ns
	Open bool   `json:"open,omitempty"` // still answering as far as is known
}

// Judge builds tenures from probes and their answers. Probes must be announced in order, and
// an answer names the probe it belongs to, however late it arrives.
//
// A machine's tenure runs from the first to the last probe it answered; it ends when the
// machine has left Grace probes in a row unanswered. Grace counts probes, not time: while the
// observer itself does not get to run, no probe is sent and no tenure ends.
type Judge struct {
	Grace int // probes a machine may leave unanswered in a row

	next int
	open []Tenure
	late []int // by open tenure: probes since the last answer
	done []Tenure
}

// Answer records that who answered the probe sent at the instant probe.
func (j *Judge) Answer(probe int64, who string) {
	for i := range j.open {
		if t := &j.open[i]; t.Who == who {
			t.To = max(t.To, probe)
			t.From = min(t.From, probe)
			j.late[i] = 0
			return
		}
	}
	j.next++
	j.open = append(j.open, Tenure{ID: j.next, Who: who, From: probe, To: probe, Open: true})
	j.late = append(j.late, 0)
}

// Probe records that a probe was sent, and ends the tenures whose grace is over.
func (j *Judge) Probe() {
	for i := 0; i < len(j.open); {
		if j.late[i]++; j.late[i] <= j.Grace+1 { // this one is not unanswered yet
			i++
			continue
		}
		t := j.open[i]
		t.Open = false
		j.done = append(j.done, t)
		j.open = slices.Delete(j.open, i, i+1)
		j.late = slices.Delete(j.late, i, i+1)
	}
}

// Open returns the tenures that have not ended. The slice is valid until the next call.
func (j *Judge) Open() []Tenure { return j.open }

// Ended appends the tenures that ended since the last call to dst and forgets them.
func (j *Judge) Ended(dst []Tenure) []Tenure {
	dst = append(dst, j.done...)
	j.done = j.done[:0]
	return dst
}

// span is a half-open stretch of time, ns.
type span struct{ from, to int64 }

// Double is the time within [from, to) in which two machines answered for the address, in ns.
//
// Two machines answered at once when their tenures share a probe: either both answered the
// same probe, or their answers are interleaved (one answered, then the other, then the first
// again). The shared stretch counts from the first shared probe to the last, plus one probe
// spacing, so that a single probe with two answers counts as one spacing. A handover, where
// one machine answered the last probe before and the other the first probe after, counts 0.
func Double(tenures []Tenure, spacing, from, to int64) int64 {
	var shared []span
	for i, a := range tenures {
		for _, b := range tenures[i+1:] {
			if a.Who == b.Who {
				continue
			}
			s := span{max(a.From, b.From, from), min(a.To, b.To)}
			if s.from <= s.to && s.from < to {
				shared = append(shared, span{s.from, min(s.to+spacing, to)})
			}
		}
	}
	return total(shared)
}

// Gap is the time within [from, to) in which nobody answered for the address, in ns. A silence
// of one machine that is no longer than its grace does not end its tenure, and so is no gap.
func Gap(tenures []Tenure, spacing, from, to int64) int64 {
	var held []span
	for _, t := range tenures {
		s := span{max(t.From, from), min(t.To+spacing, to)}
		if s.from < s.to {
			held = append(held, s)
		}
	}
	return to - from - total(held)
}

// total is the length of the union of the spans.
func total(spans []span) int64 {
	slices.SortFunc(spans, func(a, b span) int {
		switch {
		case a.from < b.from:
			return -1
		case a.from > b.from:
			return 1
		}
		return 0
	})
	var sum int64
	end := int64(-1 << 62)
	for _, s := range spans {
		s.from = max(s.from, end)
		if s.to > s.from {
			sum += s.to - s.from
			end = s.to
		}
	}
	return sum
}
