package lease

import (
	"slices"
	"time"
)

// State is what a node is in its group.
type State uint8

const (
	Idle     State = iota // it holds nothing and asks for nothing
	Campaign              // it asks for votes
	Holding               // it has a majority
)

func (s State) String() string { return [...]string{"idle", "campaign", "holding"}[s] }

// EffectKind is what the caller must do.
type EffectKind uint8

const (
	// SendAsk sends the question to a voter.
	SendAsk EffectKind = iota
	// SendRelease tells a voter that its promise of an epoch is over.
	SendRelease
	// Hold lets the gate stand open until Until, and not longer. The first one of an epoch is the majority.
	Hold
	// Lost: the majority is gone. The gate has closed by itself, or must now.
	Lost
	// Failed: the election has brought no majority.
	Failed
)

// Effect is one thing to do, in the order given.
type Effect struct {
	Kind  EffectKind
	Voter ID
	Ask   Ask // SendAsk
	Epoch uint64
	Until Time // Hold
}

// Node is one candidate for one group, with its own vote.
type Node struct {
	p     Params
	own   Voter
	state State
	epoch uint64 // of the campaign or the hold
	// asking is the epoch of the questions: higher than that of the hold while voters that know a higher one are won
	// over.
	asking uint64
	seen   uint64 // the highest heard of
	asked  Set    // whom this epoch has asked
	// granted is from when each voter's promise counts: when its question was sent.
	granted [MaxVoters]Time
	under   [MaxVoters]uint64 // in which epoch
	against Set               // who has refused in this campaign
	began   Time              // of the campaign
	last    Time              // the round of questions before
	round   Time              // the next one
	giveUp  Time              // end of the campaign
	retry   Time              // not before then is there another
	failed  int               // campaigns without success in a row
	wants   bool
	alone   bool // the other nodes are not heard: arbiters are asked at once
	until   Time // end of the hold that the caller was told of
}

// NewNode begins a node whose own vote has been forgotten, and is silent for a promise's time. epoch is the highest
// that it remembers, or a number that only grows.
func NewNode(now Time, p Params, epoch uint64) *Node {
	n := &Node{p: p, own: NewVoter(now, p.Promise, epoch), seen: epoch}
	n.forget()
	return n
}

// forget drops what the voters said.
func (n *Node) forget() {
	for i := range n.granted {
		n.granted[i], n.under[i] = never, 0
	}
	n.asked, n.last, n.until = 0, never, never
}

// State tells what the node is, in which epoch, and until when it holds.
func (n *Node) State() (s State, epoch uint64, until Time) { return n.state, n.epoch, n.until }

// Want says whether this node would hold the group: whether it has won the election by priority, or is no longer fit.
// Who holds and does not want to is released by Release.
func (n *Node) Want(now Time, wants bool, e []Effect) []Effect {
	n.wants = wants
	return n.Tick(now, e)
}

// Alone says whether the other nodes are not heard on any line: then arbiters are asked at once.
func (n *Node) Alone(now Time, alone bool, e []Effect) []Effect {
	if n.alone != alone {
		n.alone = alone
		if alone && n.state != Idle {
			n.round = now
		}
	}
	return n.Tick(now, e)
}

// Learn notes an epoch that another node has told of.
func (n *Node) Learn(epoch uint64) {
	n.seen = max(n.seen, epoch)
}

// Asked answers another node's question for this node's vote.
func (n *Node) Asked(now Time, a Ask) Answer {
	n.seen = max(n.seen, a.Epoch)
	return n.own.Ask(now, a)
}

// Released is another node's word that it holds nothing any more.
func (n *Node) Released(now Time, from ID, epoch uint64, e []Effect) []Effect {
	n.own.Release(now, from, epoch)
	if holder, _, _ := n.own.Promised(now); holder == Nobody {
		n.retry = min(n.retry, now)
	}
	return n.Tick(now, e)
}

// Tick does what is due.
func (n *Node) Tick(now Time, e []Effect) []Effect {
	switch n.state {
	case Idle:
		if n.wants && now >= n.retry {
			return n.campaign(now, e)
		}
	case Campaign:
		if now >= n.giveUp || !n.wants {
			return n.fail(now, e)
		}
		if now >= n.round {
			return n.ask(now, e)
		}
	case Holding:
		if now >= n.until {
			return n.lose(now, e)
		}
		if now >= n.round {
			return n.ask(now, e)
		}
	}
	return e
}

// Deadline is when Tick has something to do next, if nothing else happens.
func (n *Node) Deadline() (at Time, ok bool) {
	switch n.state {
	case Idle:
		return n.retry, n.wants
	case Campaign:
		return min(n.round, n.giveUp), true
	}
	return min(n.round, n.until), true
}

// campaign begins an election, unless the own vote is another's: then those of others would be of no use to anybody.
func (n *Node) campaign(now Time, e []Effect) []Effect {
	if holder, _, until := n.own.Promised(now); holder != Nobody && holder != n.p.Me {
		n.retry = until
		return e
	}
	n.forget()
	n.state = Campaign
	n.seen = max(n.seen, n.own.epoch)
	n.seen++
	n.epoch, n.asking, n.began, n.against = n.seen, n.seen, now, 0
	n.giveUp = now.Add(n.p.Promise / 2)
	return n.ask(now, e)
}

// ask is a round of questions, to the own vote as well, which a node that was restarted has not got for a while.
func (n *Node) ask(now Time, e []Effect) []Effect {
	n.round = now.Add(n.p.Renew())
	question := Ask{From: n.p.Me, Epoch: n.asking, Sent: now, Promise: n.p.Promise}
	if answer := n.own.Ask(now, question); answer.Granted {
		n.granted[n.p.Me], n.under[n.p.Me] = now, n.asking
	} else {
		n.against = n.against.With(n.p.Me)
	}
	for v := ID(0); int(v) < n.p.Voters; v++ {
		if v != n.p.Me && (!n.p.Arbiters.Has(v) || n.needsArbiters()) {
			n.asked = n.asked.With(v)
			e = append(e, Effect{Kind: SendAsk, Voter: v, Ask: question})
		}
	}
	n.last = now
	return n.count(now, e)
}

// needsArbiters says whether the other nodes' votes are not enough: they are not heard, or did not answer the round
// before.
func (n *Node) needsArbiters() bool {
	if n.alone || n.last == never {
		return n.alone
	}
	fresh := 0
	for v := ID(0); int(v) < n.p.Voters; v++ {
		if !n.p.Arbiters.Has(v) && n.granted[v] >= n.last {
			fresh++
		}
	}
	return fresh < n.p.majority()
}

// Answered takes a voter's answer in.
func (n *Node) Answered(now Time, from ID, a Answer, e []Effect) []Effect {
	if from < 0 || int(from) >= n.p.Voters || from == n.p.Me || a.Sent > now {
		return e
	}
	if !a.Granted {
		return n.refused(now, from, a, e)
	}
	if n.state == Idle || a.Epoch != n.epoch && a.Epoch != n.asking {
		// For an election that is over. The promise is left to run out: it may be one to this node as it was before a
		// restart, whose gate still stands open on it.
		return e
	}
	n.granted[from] = max(n.granted[from], a.Sent)
	n.under[from] = max(n.under[from], a.Epoch)
	return n.count(now, e)
}

// refused takes a refusal in. A campaign that cannot succeed any more ends at once, so that its votes are free.
func (n *Node) refused(now Time, from ID, a Answer, e []Effect) []Effect {
	n.seen = max(n.seen, a.Epoch)
	tooLow := a.Holder == Nobody && a.Left == 0 && a.Epoch >= n.asking
	if n.state == Holding && tooLow && now < n.until {
		// A voter that came back with a higher number than it promised this node before: the next questions have
		// another.
		n.seen++
		n.asking = n.seen
		return n.ask(now, e)
	}
	if n.state != Campaign || a.Sent < n.began {
		return e
	}
	if tooLow {
		e = n.fail(now, e)
		n.retry = now // not a defeat: the number was too low
		return n.Tick(now, e)
	}
	n.against = n.against.With(from)
	if n.p.Voters-n.against.Len() < n.p.majority() {
		return n.fail(now, e)
	}
	return e
}

// count looks whether there is a majority, and until when.
func (n *Node) count(now Time, e []Effect) []Effect {
	until, raised := n.majorityUntil(), n.raised()
	switch {
	case until <= now:
		return e
	case n.state == Holding && now >= n.until:
		return n.lose(now, e) // too late: it has run out
	case until <= n.until && !raised:
		return e
	}
	if raised {
		n.epoch = n.asking
	}
	n.state, n.until, n.failed = Holding, until, 0
	return append(e, Effect{Kind: Hold, Epoch: n.epoch, Until: until})
}

// raised says whether more than half of the voters have promised in the higher epoch that is asked for.
func (n *Node) raised() bool {
	votes := 0
	for v := range n.p.Voters {
		if n.under[v] == n.asking {
			votes++
		}
	}
	return n.asking > n.epoch && votes >= n.p.majority()
}

// majorityUntil is until when more than half of the voters' promises last; never: there are not so many.
func (n *Node) majorityUntil() Time {
	var all [MaxVoters]Time
	copy(all[:], n.granted[:n.p.Voters])
	sorted := all[:n.p.Voters]
	slices.Sort(sorted)
	sent := sorted[n.p.Voters-n.p.majority()]
	if sent == never {
		return never
	}
	return sent.Add(n.p.Hold())
}

// fail ends a campaign without a majority. Who has lost waits, each node in another rhythm, so that two do not meet for
// ever.
func (n *Node) fail(now Time, e []Effect) []Effect {
	e = n.letGo(now, e)
	n.failed = min(n.failed+1, 8)
	n.retry = now.Add(n.p.Renew() * (1 + 2*jitter(n.p.Me, n.failed)) / 8)
	return append(e, Effect{Kind: Failed, Epoch: n.epoch})
}

// lose ends a hold that has run out.
func (n *Node) lose(now Time, e []Effect) []Effect {
	e = append(e, Effect{Kind: Lost, Epoch: n.epoch})
	n.retry = now
	return n.letGo(now, e)
}

// Release gives the group up: the gate is closed and the addresses are gone. The voters are free for the next one.
func (n *Node) Release(now Time, e []Effect) []Effect {
	n.wants = false
	if n.state == Idle {
		return e
	}
	return n.letGo(now, e)
}

// letGo frees every vote.
func (n *Node) letGo(now Time, e []Effect) []Effect {
	n.own.Release(now, n.p.Me, n.epoch)
	n.own.Release(now, n.p.Me, n.asking)
	for v := ID(0); int(v) < n.p.Voters; v++ {
		if !n.asked.Has(v) {
			continue
		}
		e = append(e, Effect{Kind: SendRelease, Voter: v, Epoch: n.epoch})
		if n.asking != n.epoch {
			e = append(e, Effect{Kind: SendRelease, Voter: v, Epoch: n.asking})
		}
	}
	n.state = Idle
	n.forget()
	return e
}

// jitter spreads attempts: 0 to 3, another row for each node.
func jitter(me ID, attempt int) time.Duration { return time.Duration((int(me)*5 + attempt*3) % 4) }
