package vrrp

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/lease"
)

// The simulated LAN with votes: every node has a lease.Node beside its Router, in one thread; an arbiter may be a third
// voter. Clocks run at rates of their own. A partition is no excuse for two masters here.

// simVotes is a node's part in the votes, or the arbiter, which has nothing else.
type simVotes struct {
	p       lease.Params
	node    *lease.Node
	arbiter *lease.Voter // in place of node
	heard   Time         // last word of another candidate
	asks    bool         // it wants the addresses
	nextAsk Time         // when it asks for a handover again
	out     []simVote    // what its steps will send, by Effect.Count
}

// simVote is a message about votes.
type simVote struct {
	ask      *lease.Ask
	answer   *lease.Answer
	release  bool
	epoch    uint64
	handover uint8 // the priority of who asks for one
}

// Effects of the lease machine, as steps.
const (
	simSendVote = Kind(210)
	simHold     = Kind(211)
	simLost     = Kind(212)
)

func (n *simNode) isArbiter() bool { return n.votes != nil && n.votes.arbiter != nil }

// startVotes begins the lease of a process that knows nothing. Its epoch is a number that only grows.
func (s *sim) startVotes(n *simNode) {
	if n.votes == nil {
		return
	}
	v := n.votes
	v.node = lease.NewNode(lease.Time(s.clock(n)), v.p, uint64(s.now/1000))
	v.heard, v.asks, v.nextAsk = 0, false, 0
}

// votesDeadline is when the node's lease has something to do.
func (n *simNode) votesDeadline() Time {
	if n.votes == nil || n.votes.node == nil {
		return Never
	}
	d := Never
	if at, ok := n.votes.node.Deadline(); ok {
		d = Time(at)
	}
	if n.votes.asks {
		d = min(d, n.votes.nextAsk)
	}
	return d
}

func (s *sim) votesDue(n *simNode) bool { return n.votesDeadline() <= n.now }

func (s *sim) tickVotes(n *simNode) {
	v, now := n.votes, lease.Time(n.now)
	alone := n.now.Sub(v.heard) > v.p.Promise/2
	s.doVotes(n, v.node.Alone(now, alone, nil))
	if state, _, _ := v.node.State(); v.asks && n.now >= v.nextAsk {
		v.nextAsk = n.now.Add(v.p.Renew())
		if state == lease.Idle {
			for _, o := range s.nodes {
				if !o.isArbiter() {
					s.deliver(simMessage{from: n.index, to: o.index, vote: &simVote{handover: n.p.Priority}})
				}
			}
		}
	}
}

// doVotes makes steps of what the lease machine wants done.
func (s *sim) doVotes(n *simNode, effects []lease.Effect) {
	for _, e := range effects {
		switch e.Kind {
		case lease.SendAsk:
			ask := e.Ask
			n.sendVote(int(e.Voter), simVote{ask: &ask})
		case lease.SendRelease:
			n.sendVote(int(e.Voter), simVote{release: true, epoch: e.Epoch})
		case lease.Hold:
			s.logf("node%d holds epoch %d until %.4f", n.index, e.Epoch, float64(e.Until)/1e9)
			n.pending = append(n.pending, Effect{Kind: simHold, Until: Time(e.Until)})
		case lease.Lost:
			s.logf("node%d has lost the majority", n.index)
			n.pending = append(n.pending, Effect{Kind: simLost})
		}
	}
}

// sendVote makes a step of a message.
func (n *simNode) sendVote(to int, w simVote) {
	n.votes.out = append(n.votes.out, w)
	n.pending = append(n.pending, Effect{Kind: simSendVote, Priority: uint8(to), Count: len(n.votes.out) - 1})
}

// applyVotes does one such step, or one that the Router wants of the votes.
func (s *sim) applyVotes(n *simNode, e Effect) {
	v, rest := n.votes, n.pending
	n.pending = nil
	switch now := lease.Time(s.clock(n)); e.Kind {
	case NeedVotes:
		s.logf("node%d needs votes", n.index)
		v.asks, v.nextAsk = true, Time(now)
		s.doVotes(n, v.node.Want(now, true, nil))
	case FreeVotes:
		s.logf("node%d frees its votes", n.index)
		v.asks = false
		s.doVotes(n, v.node.Release(now, nil))
	case simSendVote:
		s.deliver(simMessage{from: n.index, to: int(e.Priority), vote: &v.out[e.Count]})
	case simHold:
		n.pending = n.r.Voted(Time(now), n.id, e.Until, nil)
	case simLost:
		n.pending = n.r.VotesLost(Time(now), n.id, nil)
	}
	n.pending = append(n.pending, rest...)
}

func (s *sim) receiveVote(n *simNode, m simMessage) {
	v, now := n.votes, lease.Time(n.now)
	if !s.nodes[m.from].isArbiter() {
		v.heard = n.now
	}
	switch w := m.vote; {
	case w.ask != nil:
		answer := v.node.Asked(now, *w.ask)
		s.deliver(simMessage{from: n.index, to: m.from, vote: &simVote{answer: &answer}})
	case w.answer != nil:
		s.doVotes(n, v.node.Answered(now, lease.ID(m.from), *w.answer, nil))
	case w.release:
		s.doVotes(n, v.node.Released(now, lease.ID(m.from), w.epoch, nil))
	case w.handover > n.p.Priority && n.p.Preempt:
		n.pending = append(n.pending, n.r.HandOver(n.now, n.id, nil)...)
	}
}

// askArbiter has the arbiter answer, when it is not frozen.
func (s *sim) askArbiter(n *simNode, m *simMessage) {
	if !n.alive {
		return
	}
	if s.now < n.frozen {
		later := *m
		s.at(n.frozen, simEvent{node: n.index, msg: &later})
		return
	}
	now := lease.Time(s.clock(n))
	switch {
	case m.vote.ask != nil:
		answer := n.votes.arbiter.Ask(now, *m.vote.ask)
		s.deliver(simMessage{from: n.index, to: m.from, vote: &simVote{answer: &answer}})
	case m.vote.release:
		n.votes.arbiter.Release(now, lease.ID(m.from), m.vote.epoch)
	}
}

// clockError is what the simulated sites assume of clocks, in millionths.
const clockError = 2000

// votingSite builds two nodes and an arbiter, or three nodes, whose clocks' rates differ by up to drift millionths,
// with faults in the first 40 intervals.
func votingSite(seed uint64, trace bool, drift int) *sim {
	s := newSim(seed)
	s.trace, s.strict = trace, true
	rng := rand.New(rand.NewPCG(seed, 2))
	base := Params{Name: "V", VRID: 51, Version: 3,
		Interval:    []time.Duration{100 * time.Millisecond, time.Second}[rng.IntN(2)],
		DownAdverts: 3, Preempt: rng.IntN(4) > 0, AnnounceRepeat: 5, LowerPrioRepeat: 5, RefreshRepeat: 1, Votes: true,
		Addrs: []netip.Addr{netip.MustParseAddr("10.9.0.100")}}
	votes := lease.Params{Voters: 3, Promise: base.Interval * time.Duration(4+rng.IntN(5)), ClockError: clockError}
	candidates := 3
	if rng.IntN(3) > 0 {
		candidates, votes.Arbiters = 2, 1<<2
	}
	s.delay = min(base.settle(), base.quiet()/2) * 9 / 10
	if rng.IntN(3) == 0 {
		s.delay *= 50
	}
	if rng.IntN(3) == 0 {
		s.loss = rng.Float64() * 0.3
	}
	if rng.IntN(3) == 0 {
		s.nasty = rng.Float64() * 0.02
	}
	for i := range 3 {
		p := base
		p.Priority = uint8(1 + rng.IntN(254))
		p.Source = netip.AddrFrom4([4]byte{10, 9, 0, byte(i + 1)})
		n := s.add(p)
		n.rate = 1 + (rng.Float64()-0.5)*float64(drift)/1e6
		v := votes
		v.Me = lease.ID(i)
		n.votes = &simVotes{p: v}
		if i >= candidates {
			arbiter := lease.NewVoter(lease.Time(s.clock(n)), v.Promise, 1)
			n.votes.arbiter, n.alive = &arbiter, true
			continue
		}
		s.after(time.Duration(rng.Int64N(int64(5*base.Interval))), func() { s.start(n) })
	}
	for range 4 + rng.IntN(10) {
		s.votingFault(rng, base.Interval)
	}
	s.after(40*base.Interval, func() {
		s.loss, s.nasty = 0, 0
		clear(s.cut)
		for _, n := range s.nodes {
			n.frozen = min(n.frozen, s.now)
			switch {
			case n.isArbiter():
			case !n.alive:
				s.start(n)
			default:
				s.wake(n, s.now)
			}
		}
	})
	return s
}

// votingFault plans one fault.
func (s *sim) votingFault(rng *rand.Rand, interval time.Duration) {
	n, o := s.nodes[rng.IntN(3)], s.nodes[rng.IntN(3)]
	t := time.Duration(rng.Int64N(int64(30 * interval)))
	long := time.Duration(rng.Int64N(int64(12 * interval)))
	kind := rng.IntN(7)
	s.after(t, func() {
		switch kind {
		case 0:
			s.restartVoter(n, long)
		case 1:
			s.freeze(n, long)
		case 2:
			if !n.isArbiter() && n.alive {
				s.stop(n)
				s.after(long, func() {
					if !n.alive {
						s.start(n)
					}
				})
			}
		case 3, 4: // one way
			s.cut[[2]int{n.index, o.index}] = true
			s.after(long, func() { delete(s.cut, [2]int{n.index, o.index}) })
		case 5: // both ways
			a, b := [2]int{n.index, o.index}, [2]int{o.index, n.index}
			s.cut[a], s.cut[b] = true, true
			s.after(long, func() { delete(s.cut, a); delete(s.cut, b) })
		default: // from everything
			for i := range s.nodes {
				a, b := [2]int{n.index, i}, [2]int{i, n.index}
				s.cut[a], s.cut[b] = true, true
				s.after(long, func() { delete(s.cut, a); delete(s.cut, b) })
			}
		}
	})
}

// restartVoter kills what runs there; it comes back with nothing but a number that only grows.
func (s *sim) restartVoter(n *simNode, long time.Duration) {
	if !n.alive {
		return
	}
	if !n.isArbiter() {
		s.kill(n)
		s.after(long, func() {
			if !n.alive {
				s.start(n)
			}
		})
		return
	}
	n.alive = false
	s.after(long, func() {
		n.alive = true
		*n.votes.arbiter = lease.NewVoter(lease.Time(s.clock(n)), n.votes.p.Promise, uint64(s.now/1000))
	})
}

// simulateVotes plays one seed.
func simulateVotes(seed uint64, trace bool, drift int) (string, *sim) {
	s := votingSite(seed, trace, drift)
	s.run(70 * s.nodes0Interval())
	if s.bad != "" {
		return s.bad, s
	}
	if open := s.holders(); len(open) != 1 {
		return fmt.Sprintf("30 intervals after the last fault %v hold the address", open), s
	}
	return "", s
}

// TestVotingSimulation: with a majority there are never two masters, whatever the network does; and one in the end.
func TestVotingSimulation(t *testing.T) {
	everySeed(t, func(seed uint64, trace bool) (string, *sim) { return simulateVotes(seed, trace, clockError) })
}

// TestVotingNeedsClocks: with clocks that differ by more than is assumed there are two masters, which the simulation
// must see.
func TestVotingNeedsClocks(t *testing.T) {
	for seed := range uint64(3000) {
		if bad, s := simulateVotes(seed+1, false, 1_000_000); s.bad != "" {
			t.Logf("seed %d: %s", seed+1, bad)
			return
		}
	}
	t.Error("3000 sites with clocks that differ by half saw no second master")
}
