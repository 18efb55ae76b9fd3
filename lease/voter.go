package lease

import "time"

// Voter is one vote for one group: whom it has been promised, and until when.
type Voter struct {
	holder  ID
	granted uint64 // epoch of the promise
	epoch   uint64 // the highest it knows of
	until   Time   // end of the promise
	silent  Time   // until then it promises nothing
}

// NewVoter begins a voter that remembers no promise: it is silent for as long as one that it may have given could last.
// epoch is the highest that it knows of; a voter that keeps nothing takes a number that only grows, as the seconds of a
// wall clock do.
func NewVoter(now Time, silence time.Duration, epoch uint64) Voter {
	return Voter{holder: Nobody, epoch: epoch, until: now, silent: now.Add(silence)}
}

// Ask is a node's question for a vote: a first one, or a renewal.
type Ask struct {
	From    ID
	Epoch   uint64
	Sent    Time // of the asking node's clock; comes back in the answer
	Promise time.Duration
}

// Answer is what a voter says to it.
type Answer struct {
	Granted bool
	Epoch   uint64 // of the question, when it is granted; else the highest that the voter knows
	Sent    Time   // as it was in the question
	// Holder has the promise that stands in the way, for Left; Nobody: the epoch is too old, or the voter is silent.
	Holder ID
	Left   time.Duration
}

// Ask answers a question.
func (v *Voter) Ask(now Time, a Ask) Answer {
	no := Answer{Epoch: v.epoch, Sent: a.Sent, Holder: Nobody}
	switch {
	case now < v.silent:
		no.Left = v.silent.Sub(now)
		return no
	case v.holder != Nobody && v.holder != a.From && now < v.until:
		no.Holder, no.Left = v.holder, v.until.Sub(now)
		return no
	case a.Epoch < v.epoch, a.Epoch == v.epoch && (v.holder != a.From || v.granted != a.Epoch):
		return no // a number is one node's
	}
	v.holder, v.granted, v.epoch = a.From, a.Epoch, a.Epoch
	v.until = max(v.until, now.Add(a.Promise))
	return Answer{Granted: true, Epoch: a.Epoch, Sent: a.Sent, Holder: a.From}
}

// Release ends a node's promise: it holds nothing any more.
func (v *Voter) Release(now Time, from ID, epoch uint64) {
	if v.holder == from && v.granted == epoch {
		v.holder, v.until = Nobody, now
	}
}

// Promised tells whom the vote is promised, and until when; Nobody: it is free.
func (v *Voter) Promised(now Time) (holder ID, epoch uint64, until Time) {
	if v.holder == Nobody || now >= v.until {
		return Nobody, v.epoch, v.until
	}
	return v.holder, v.epoch, v.until
}
