package lease

import (
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"testing"
	"time"
)

// The explorer walks every state that two candidates and an arbiter can come to, with the real machines: messages are
// lost, late, repeated and overtaken, nodes are slow, stop, and are restarted.

// tick is the explorer's unit of time.
const tick = time.Second

var exploreParams = Params{Voters: 3, Arbiters: 1 << 2, Promise: 2 * tick}

const (
	wireRoom  = 3 // messages on their way at a time; more are lost
	lastEpoch = 3 // elections after it are not followed
)

type wireKind uint8

const (
	wireAsk wireKind = iota + 1
	wireAnswer
	wireRelease
)

// wire is a message on its way.
type wire struct {
	kind     wireKind
	from, to ID
	ask      Ask
	answer   Answer
	epoch    uint64
}

// site is everything: its value is a state.
type site struct {
	now      Time
	nodes    [2]Node
	arbiter  Voter
	gates    [2]Time // until when each node's kernel answers
	held     [2]uint64
	wires    [wireRoom]wire
	restarts Set    // who may be restarted; one of them is, once
	repeats  uint8  // how many messages may still come twice
	releases uint8  // how often a holder may still give up
	top      uint64 // the highest epoch that was ever held
	topNode  ID
	fault    string
}

func newSite(alone bool, restarts Set, repeats, releases uint8) site {
	s := site{now: 1000 * Time(tick), restarts: restarts, repeats: repeats, releases: releases, topNode: Nobody}
	long := s.now - Time(100*tick)
	for i := range s.nodes {
		p := exploreParams
		p.Me = ID(i)
		s.nodes[i] = *NewNode(long, p, 0)
		s.nodes[i].alone, s.nodes[i].wants = alone, true
		s.gates[i] = never
	}
	s.arbiter = NewVoter(long, exploreParams.Promise, 0)
	return s
}

// post puts a message on the wire, if there is room: else it is lost.
func (s *site) post(w wire) {
	for i := range s.wires {
		if s.wires[i].kind == 0 {
			s.wires[i] = w
			return
		}
	}
}

// do carries a node's effects out.
func (s *site) do(i ID, effects []Effect) {
	for _, e := range effects {
		switch e.Kind {
		case SendAsk:
			s.post(wire{kind: wireAsk, from: i, to: e.Voter, ask: e.Ask})
		case SendRelease:
			s.post(wire{kind: wireRelease, from: i, to: e.Voter, epoch: e.Epoch})
		case Lost:
			s.gates[i] = min(s.gates[i], s.now)
		case Hold:
			s.hold(i, e)
		}
	}
}

func (s *site) hold(i ID, e Effect) {
	switch {
	case s.held[i] == e.Epoch, s.held[i] < e.Epoch && s.gates[i] > s.now && s.topNode == i:
		s.held[i], s.top = e.Epoch, max(s.top, e.Epoch)
		if s.gates[i] <= s.now {
			s.fault = fmt.Sprintf("node %d extends a hold that has run out", i)
		}
	case e.Epoch < s.top, e.Epoch == s.top && s.topNode != i:
		s.fault = fmt.Sprintf("node %d holds epoch %d after node %d held %d", i, e.Epoch, s.topNode, s.top)
	default:
		s.held[i], s.top, s.topNode = e.Epoch, e.Epoch, i
	}
	s.gates[i] = e.Until
	if s.gates[0] > s.now && s.gates[1] > s.now {
		s.fault = "two holders"
	}
}

// deliver hands a message over; kept: it will come again.
func (s *site) deliver(at int, kept bool) {
	w := s.wires[at]
	if !kept {
		s.wires[at] = wire{}
	}
	if int(w.to) == len(s.nodes) {
		switch w.kind {
		case wireAsk:
			s.post(wire{kind: wireAnswer, from: w.to, to: w.from, answer: s.arbiter.Ask(s.now, w.ask)})
		case wireRelease:
			s.arbiter.Release(s.now, w.from, w.epoch)
		}
		return
	}
	n := &s.nodes[w.to]
	switch w.kind {
	case wireAsk:
		s.post(wire{kind: wireAnswer, from: w.to, to: w.from, answer: n.Asked(s.now, w.ask)})
	case wireAnswer:
		s.do(w.to, n.Answered(s.now, w.from, w.answer, nil))
	case wireRelease:
		s.do(w.to, n.Released(s.now, w.from, w.epoch, nil))
	}
}

// restart has a voter forget everything but a number that only grows. What it told the kernel stands.
func (s *site) restart(v ID) {
	s.restarts = 0
	epoch := s.arbiter.epoch
	for i := range s.nodes {
		epoch = max(epoch, s.nodes[i].seen, s.nodes[i].own.epoch)
	}
	if int(v) == len(s.nodes) {
		s.arbiter = NewVoter(s.now, exploreParams.Promise, epoch)
		return
	}
	alone := s.nodes[v].alone
	s.nodes[v] = *NewNode(s.now, s.nodes[v].p, epoch)
	s.nodes[v].alone, s.nodes[v].wants = alone, true
}

// moves gives every state that may follow, with what happened.
func (s *site) moves(visit func(next *site, what string)) {
	try := func(what string, change func(*site)) {
		next := *s
		change(&next)
		visit(&next, what)
	}
	try("time passes", func(n *site) { n.now += Time(tick) })
	for i := range s.nodes {
		if at, ok := s.nodes[i].Deadline(); ok && at <= s.now {
			try(fmt.Sprintf("node %d looks at its clock", i), func(n *site) {
				n.do(ID(i), n.nodes[i].Tick(n.now, nil))
			})
		}
		if s.nodes[i].state == Holding && s.releases > 0 {
			try(fmt.Sprintf("node %d releases", i), func(n *site) {
				n.releases--
				n.gates[i] = min(n.gates[i], n.now)
				n.do(ID(i), n.nodes[i].Release(n.now, nil))
				n.nodes[i].wants = true
			})
		}
	}
	full := !slices.ContainsFunc(s.wires[:], func(w wire) bool { return w.kind == 0 })
	for at := range s.wires {
		w := &s.wires[at]
		if w.kind == 0 {
			continue
		}
		name := fmt.Sprintf("%s from %d to %d", [...]string{"", "question", "answer", "release"}[w.kind], w.from, w.to)
		try(name+" arrives", func(n *site) { n.deliver(at, false) })
		if s.repeats > 0 {
			try(name+" arrives and will come again", func(n *site) { n.repeats--; n.deliver(at, true) })
		}
		if full { // else it is as good as late
			try(name+" is lost", func(n *site) { n.wires[at] = wire{} })
		}
	}
	for v := range exploreParams.Voters {
		if s.restarts.Has(ID(v)) {
			try(fmt.Sprintf("voter %d is restarted", v), func(n *site) { n.restart(ID(v)) })
		}
	}
}

// key is a state without what makes no difference: times count from now, and what is long over is just over.
func (s *site) key(seed maphash.Seed, b []byte) (uint64, []byte) {
	old := -Time(exploreParams.Promise) - Time(tick)
	rel := func(b []byte, t, least Time) []byte {
		d := max(t-s.now, least)
		if d > 0 {
			d += Time(tick) - 1 // what falls between two ticks is seen at the later one
		}
		return append(b, byte(int8(d/Time(tick))))
	}
	voter := func(b []byte, v *Voter) []byte {
		b = rel(rel(append(b, byte(v.holder), byte(v.granted), byte(v.epoch)), v.until, 0), v.silent, 0)
		return b
	}
	b = b[:0]
	for i := range s.nodes {
		n := &s.nodes[i]
		b = voter(append(b, byte(n.state), byte(n.epoch), byte(n.seen), byte(n.asked), byte(n.against), byte(n.asking),
			byte(n.under[0]), byte(n.under[1]), byte(n.under[2])), &n.own)
		for _, g := range n.granted[:3] {
			b = rel(b, g, old)
		}
		b = rel(rel(rel(rel(rel(rel(b, n.began, old), n.last, old), n.round, 0), n.giveUp, 0), n.retry, 0), n.until,
			old)
		b = append(rel(b, s.gates[i], 0), byte(s.held[i]))
	}
	b = voter(b, &s.arbiter)
	var packed [wireRoom][]byte
	var room [wireRoom][16]byte
	for i := range s.wires {
		w := &s.wires[i]
		p := append(room[i][:0], byte(w.kind), byte(w.from), byte(w.to))
		switch w.kind {
		case wireAsk:
			p = rel(append(p, byte(w.ask.Epoch)), w.ask.Sent, old)
		case wireAnswer:
			p = rel(append(p, byte(w.answer.Epoch), b2(w.answer.Granted)), w.answer.Sent, old)
		case wireRelease:
			p = append(p, byte(w.epoch))
		}
		packed[i] = p
	}
	slices.SortFunc(packed[:], slices.Compare[[]byte])
	for _, p := range packed {
		b = append(append(b, p...), 0xff)
	}
	b = append(b, byte(s.restarts), s.repeats, s.releases, byte(s.top), byte(s.topNode))
	return maphash.Bytes(seed, b), b
}

func b2(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// step is how a state was come to.
type step struct {
	before uint64
	what   string
}

// explore walks up to limit states, nearest first. It gives how many it saw, and the way to a fault.
func explore(start site, limit int) (states int, trace []string) {
	seed := maphash.MakeSeed()
	var buffer []byte
	first, buffer := start.key(seed, buffer)
	seen := map[uint64]step{first: {}}
	queue := []site{start}
	for len(queue) > 0 && len(seen) < limit {
		var nextQueue []site
		for at := range queue {
			s := &queue[at]
			var here uint64
			here, buffer = s.key(seed, buffer)
			s.moves(func(next *site, what string) {
				if trace != nil || next.nodes[0].asking > lastEpoch || next.nodes[1].asking > lastEpoch {
					return
				}
				var k uint64
				k, buffer = next.key(seed, buffer)
				if _, ok := seen[k]; ok {
					return
				}
				seen[k] = step{here, what}
				if next.fault != "" {
					trace = way(seen, k)
					trace = append(trace, "→ "+next.fault)
					return
				}
				nextQueue = append(nextQueue, *next)
			})
			if trace != nil || len(seen) >= limit {
				return len(seen), trace
			}
		}
		queue = nextQueue
	}
	return len(seen), trace
}

func way(seen map[uint64]step, k uint64) []string {
	var steps []string
	for seen[k].what != "" {
		steps = append(steps, seen[k].what)
		k = seen[k].before
	}
	slices.Reverse(steps)
	return steps
}

// TestNeverTwoHolders: no state that can be reached has two holders, an older epoch after a newer one, or a hold that
// was extended after its end.
func TestNeverTwoHolders(t *testing.T) {
	for _, c := range []struct {
		name              string
		alone             bool
		restarts          Set
		repeats, releases uint8
	}{
		{"loss and delay", true, 0, 0, 0},
		{"a message comes twice", true, 0, 1, 0},
		{"a holder gives up", true, 0, 0, 1},
		{"a candidate is restarted", true, 1, 0, 0},
		{"the arbiter is restarted", true, 4, 0, 0},
		{"the arbiter is asked late", false, 0, 0, 1},
	} {
		limit := 500_000
		if testing.Short() {
			limit = 50_000
		}
		start := time.Now()
		states, trace := explore(newSite(c.alone, c.restarts, c.repeats, c.releases), limit)
		t.Logf("%s: %d states in %v", c.name, states, time.Since(start).Round(time.Millisecond))
		if trace != nil {
			t.Fatalf("%s: after %d states:\n  %s", c.name, states, strings.Join(trace, "\n  "))
		}
	}
}
