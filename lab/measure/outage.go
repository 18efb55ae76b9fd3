package measure

import "slices"

// Sample is one request of the steady client, from the moment it was begun.
type Sample struct {
	Start  int64  `json:"s"`           // when the connection was begun, ns
	Took   int64  `json:"d"`           // until the whole answer was there or the request was given up, ns
	Server string `json:"v,omitempty"` // who answered; empty when nobody did
	Error  string `json:"e,omitempty"` // why it failed; empty for an answered request
	Status int    `json:"c,omitempty"` // the answer's status, where that is not 200; such a request has failed
}

// Failed reports whether the request got no complete answer in time.
func (s Sample) Failed() bool { return s.Error != "" }

// End is the instant of the answer or of giving up, ns.
func (s Sample) End() int64 { return s.Start + s.Took }

// Outage is a stretch of time in which the client was not served.
type Outage struct {
	From   int64 // start of the first failed request, ns
	To     int64 // when the first answer to a request begun after it came; for an open outage the last thing known, ns
	Failed int   // requests of the run that failed
	Open   bool  // no later request has been answered yet
}

// Length is the duration of the outage in ns.
func (o Outage) Length() int64 { return o.To - o.From }

// Outages finds what the client went through. Samples must be ordered by Start.
//
// An outage is a maximal run of failed requests, in the order in which they were begun. It
// lasts from the start of the first request of the run to the first answer that any request
// begun after the run got; runs without an answer between them are one outage. With one request every p, the true
// loss of service began at most p before From and ended at most p before the request that got that answer began, so
// the error is within -p to +p (plus the latency of one good answer) and zero on average. A slow request that was
// answered in the end is not an outage; it is counted by Slow.
func Outages(samples []Sample) []Outage {
	var found []Outage
	var open *Outage
	for i, s := range samples {
		switch {
		case s.Failed() && open == nil && len(found) > 0 && s.Start < found[len(found)-1].To:
			// Nobody was answered between the two runs, only a request of the gap later on.
			open = &found[len(found)-1]
			open.Failed++
			open.To, open.Open = max(open.To, s.End()), true
		case s.Failed() && open == nil:
			found = append(found, Outage{From: s.Start, To: s.End(), Failed: 1, Open: true})
			open = &found[len(found)-1]
		case s.Failed():
			open.Failed++
			open.To = max(open.To, s.End())
		case open != nil:
			open.To = firstAnswer(samples[i:])
			open.Open = false
			open = nil
		}
	}
	return found
}

// firstAnswer is when the first answer came to any of the samples, the first of which was
// answered. A request begun later may have been answered earlier.
func firstAnswer(samples []Sample) int64 {
	first := samples[0].End()
	for _, s := range samples[1:] {
		if s.Start >= first {
			break
		}
		if !s.Failed() {
			first = min(first, s.End())
		}
	}
	return first
}

// Within returns the samples begun in [from, to), which must be ordered by Start.
func Within(samples []Sample, from, to int64) []Sample {
	byStart := func(s Sample, at int64) int {
		switch {
		case s.Start < at:
			return -1
		case s.Start > at:
			return 1
		}
		return 0
	}
	i, _ := slices.BinarySearchFunc(samples, from, byStart)
	j, _ := slices.BinarySearchFunc(samples, to, byStart)
	return samples[i:max(i, j)]
}

// Slow counts the answered requests that took longer than limit (ns).
func Slow(samples []Sample, limit int64) int {
	n := 0
	for _, s := range samples {
		if !s.Failed() && s.Took > limit {
			n++
		}
	}
	return n
}

// FailedRequests counts the requests without an answer.
func FailedRequests(samples []Sample) int {
	n := 0
	for _, s := range samples {
		if s.Failed() {
			n++
		}
	}
	return n
}

// Insert adds a sample to a list ordered by Start and keeps it ordered. Samples arrive in the
// order in which they end, so the place is looked for from the end.
func Insert(samples []Sample, s Sample) []Sample {
	i := len(samples)
	for i > 0 && samples[i-1].Start > s.Start {
		i--
	}
	return slices.Insert(samples, i, s)
}
