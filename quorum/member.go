package quorum

import (
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/heartbeat"
	"github.com/evenkeel/evenkeel/lease"
)

// Time is nanoseconds of this machine's clock that never stops or jumps (CLOCK_BOOTTIME).
type Time = lease.Time

// Never is the deadline where there is none.
const Never = Time(1<<63 - 1)

// Node is another member of the cluster.
type Node struct {
	Name    string
	Arbiter bool // it votes, and holds nothing
	Lines   int  // to it, 1 to heartbeat.MaxLines
}

// Params describe a cluster to one of its members. All of them list the same nodes in the same order.
type Params struct {
	Cluster string
	Nodes   []Node
	Me      int    // this one among them
	Key     []byte // of the messages' codes; nil: none
	Boot    heartbeat.Boot
	// Interval is the time between heartbeats, Timeout after which silence a line is taken for cut.
	Interval, Timeout time.Duration
	// Epoch is a number that only grows, also over restarts: seconds of a wall clock, or what a file keeps.
	Epoch uint64
}

// Group is what a member needs to know of a group of addresses.
type Group struct {
	Name string
	// Promise, ClockError and Slack are as in lease.Params.
	Promise    time.Duration
	ClockError int
	Slack      time.Duration
	Agree      uint32 // hash of what the other members must have alike
}

// Kind is what an Effect asks for.
type Kind uint8

// Kinds of effects.
const (
	// Send sends Payload to Node on Line.
	Send Kind = iota + 1
	// Hold lets this node hold Group until Until, in Epoch: for the first time, or for longer.
	Hold
	// Lost ends that.
	Lost
	// Failed: an election of Group has brought no majority.
	Failed
	// HandOver: Node asks this one, which holds Group, for it. Its Priority is the higher one.
	HandOver
	// LineChanged: Line to Node has gone From one state To another.
	LineChanged
	// Disagree: Node has Group, and not the same as here. Told once, until it agrees again.
	Disagree
	// Refused: a message was refused for Reason. Told once for each node and reason.
	Refused
)

// Effect is one thing to do, in the order given.
type Effect struct {
	Kind     Kind
	Node     int
	Line     int
	Payload  []byte // valid until the next call
	Group    string
	Until    Time
	Epoch    uint64
	Priority uint8
	From, To heartbeat.LineState
	Reason   string
}

// group is one group of addresses here.
type group struct {
	p        Group
	id       uint32
	node     *lease.Node
	state    uint8
	priority uint8
	wants    bool
	askedFor Time // the last time that it asked a holder for a handover
}

// remote is another node.
type remote struct {
	Node
	peer      *heartbeat.Peer
	due       Time
	votes     []heartbeat.Vote // for the next message
	disagrees map[uint32]bool
	told      map[string]bool // reasons
	page      int             // of our groups, the first of the next message
}

// Member is one node of a cluster.
type Member struct {
	p       Params
	cluster uint32
	remotes []*remote // by number; nil: this one
	groups  []*group
	byID    map[uint32]*group
	message heartbeat.Message
	sent    heartbeat.Message
	changes []heartbeat.Change
	leases  []lease.Effect
}

// NewMember begins a member that has heard nobody.
func NewMember(now Time, p Params) (*Member, error) {
	m := &Member{p: p, cluster: heartbeat.Hash(p.Cluster), byID: map[uint32]*group{}}
	if len(p.Nodes) < 2 || len(p.Nodes) > lease.MaxVoters || p.Me < 0 || p.Me >= len(p.Nodes) {
		return nil, fmt.Errorf("node %d of %d: there are 2 to %d", p.Me, len(p.Nodes), lease.MaxVoters)
	}
	for i, n := range p.Nodes {
		if i == p.Me {
			m.remotes = append(m.remotes, nil)
			continue
		}
		if n.Lines < 1 || n.Lines > heartbeat.MaxLines {
			return nil, fmt.Errorf("%d lines to %s: there may be 1 to %d", n.Lines, n.Name, heartbeat.MaxLines)
		}
		peer := heartbeat.NewPeer(uint8(p.Me), uint8(i), p.Boot, n.Lines, p.Timeout, 2*p.Timeout)
		m.remotes = append(m.remotes, &remote{Node: n, peer: peer, due: now, disagrees: map[uint32]bool{},
			told: map[string]bool{}})
	}
	return m, nil
}

// AddGroup has the member take part in the votes for a group; an error says what is wrong with it.
func (m *Member) AddGroup(now Time, p Group) error {
	votes := m.Votes(p)
	if err := votes.Validate(); err != nil {
		return fmt.Errorf("%s: %w", p.Name, err)
	}
	g := &group{p: p, id: heartbeat.Hash(p.Name), node: lease.NewNode(now, votes, m.p.Epoch)}
	if other := m.byID[g.id]; other != nil {
		return fmt.Errorf("%s and %s have the same number: give one another name", p.Name, other.p.Name)
	}
	m.groups = append(m.groups, g)
	m.byID[g.id] = g
	return nil
}

// Votes are the lease's parameters for a group.
func (m *Member) Votes(p Group) lease.Params {
	votes := lease.Params{Me: lease.ID(m.p.Me), Voters: len(m.p.Nodes), Promise: p.Promise, ClockError: p.ClockError,
		Slack: p.Slack}
	for i, n := range m.p.Nodes {
		if n.Arbiter {
			votes.Arbiters = votes.Arbiters.With(lease.ID(i))
		}
	}
	return votes
}

func (m *Member) group(name string) *group { return m.byID[heartbeat.Hash(name)] }

// Want has the member try to hold a group, until Free.
func (m *Member) Want(now Time, name string, e []Effect) []Effect {
	g := m.group(name)
	g.wants, g.askedFor = true, 0
	return m.after(now, g, g.node.Want(now, true, m.leases[:0]), e)
}

// Free gives a group up: nothing is held any more.
func (m *Member) Free(now Time, name string, e []Effect) []Effect {
	g := m.group(name)
	g.wants = false
	return m.after(now, g, g.node.Release(now, m.leases[:0]), e)
}

// Tell notes what other members shall hear of a group: its state and priority here.
func (m *Member) Tell(name string, state, priority uint8) {
	g := m.group(name)
	g.state, g.priority = state, priority
}

// Alive says whether any other candidate is heard.
func (m *Member) Alive() bool {
	for _, r := range m.remotes {
		if r != nil && !r.Arbiter && r.peer.Alive() {
			return true
		}
	}
	return false
}

// Deadline is when Tick has something to do next.
func (m *Member) Deadline() Time {
	d := Never
	for _, r := range m.remotes {
		if r != nil {
			d = min(d, r.due)
		}
	}
	for _, g := range m.groups {
		if at, ok := g.node.Deadline(); ok {
			d = min(d, at)
		}
	}
	return d
}

// Tick does what is due.
func (m *Member) Tick(now Time, e []Effect) []Effect {
	for i, r := range m.remotes {
		if r != nil {
			m.changes = r.peer.Tick(heartbeat.Time(now), m.changes[:0])
			e = m.lines(i, e)
		}
	}
	alone := !m.Alive()
	for _, g := range m.groups {
		e = m.after(now, g, g.node.Alone(now, alone, m.leases[:0]), e)
		m.askHolder(now, g)
	}
	return m.flush(now, e)
}

// lines reports what has become of the lines to a node.
func (m *Member) lines(node int, e []Effect) []Effect {
	for _, c := range m.changes {
		e = append(e, Effect{Kind: LineChanged, Node: node, Line: c.Line, From: c.From, To: c.To})
	}
	return e
}

// askHolder asks who has this node's own vote to hand the group over, as long as it is wanted here.
func (m *Member) askHolder(now Time, g *group) {
	state, _, _ := g.node.State()
	if !g.wants || state != lease.Idle || now-g.askedFor < Time(g.p.Promise/4) {
		return
	}
	for _, r := range m.remotes {
		if r != nil && !r.Arbiter {
			g.askedFor = now
			r.votes = append(r.votes, heartbeat.Vote{Kind: heartbeat.VoteHandOver, Group: g.id,
				Length: int64(g.priority)})
		}
	}
}

// after turns what the lease machine wants done into votes and effects.
func (m *Member) after(now Time, g *group, leases []lease.Effect, e []Effect) []Effect {
	m.leases = leases[:0]
	urgent := false
	for _, l := range leases {
		switch l.Kind {
		case lease.SendAsk:
			m.vote(int(l.Voter), heartbeat.Vote{Kind: heartbeat.VoteAsk, Group: g.id, Epoch: l.Ask.Epoch,
				Sent: int64(l.Ask.Sent), Length: int64(l.Ask.Promise)})
			urgent = true
		case lease.SendRelease:
			m.vote(int(l.Voter), heartbeat.Vote{Kind: heartbeat.VoteRelease, Group: g.id, Epoch: l.Epoch})
			urgent = true
		case lease.Hold:
			e = append(e, Effect{Kind: Hold, Group: g.p.Name, Until: l.Until, Epoch: l.Epoch})
		case lease.Lost:
			e = append(e, Effect{Kind: Lost, Group: g.p.Name, Epoch: l.Epoch})
		case lease.Failed:
			e = append(e, Effect{Kind: Failed, Group: g.p.Name, Epoch: l.Epoch})
		}
	}
	if urgent {
		e = m.flush(now, e)
	}
	return e
}

// maxVotes and maxGroups are what a message takes of each; more wait for the next.
const (
	maxVotes  = 20
	maxGroups = 32
)

func (m *Member) vote(to int, v heartbeat.Vote) {
	if r := m.remotes[to]; r != nil && len(r.votes) < 4*maxVotes {
		r.votes = append(r.votes, v)
	}
}

// flush sends what is due, and votes at once.
func (m *Member) flush(now Time, e []Effect) []Effect {
	for i, r := range m.remotes {
		if r != nil && (now >= r.due || len(r.votes) > 0) {
			e = m.send(now, i, e)
		}
	}
	return e
}

// send sends one message to a node, on every line.
func (m *Member) send(now Time, node int, e []Effect) []Effect {
	r := m.remotes[node]
	s := &m.sent
	s.Cluster = m.cluster
	r.peer.Next(heartbeat.Time(now), s)
	s.Groups = s.Groups[:0]
	if !r.Arbiter {
		for range min(len(m.groups), maxGroups) { // in turn, where there are more than a message takes
			g := m.groups[r.page%len(m.groups)]
			r.page++
			state, epoch, _ := g.node.State()
			if state != lease.Holding {
				epoch = 0 // what is only asked for is nobody's yet
			}
			s.Groups = append(s.Groups, heartbeat.Group{ID: g.id, State: g.state, Priority: g.priority, Epoch: epoch,
				Agree: g.p.Agree})
		}
	}
	n := min(len(r.votes), maxVotes)
	s.Votes = append(s.Votes[:0], r.votes[:n]...)
	r.votes = append(r.votes[:0], r.votes[n:]...)
	r.due = now + Time(m.p.Interval)
	for line := range r.Lines {
		s.Line = uint8(line)
		e = append(e, Effect{Kind: Send, Node: node, Line: line, Payload: s.Append(nil, m.p.Key)})
	}
	return e
}

// Receive takes in what came on a line from a node.
func (m *Member) Receive(now Time, node, line int, payload []byte, e []Effect) []Effect {
	if node < 0 || node >= len(m.remotes) || m.remotes[node] == nil {
		return e
	}
	r, in := m.remotes[node], &m.message
	if err := in.Parse(payload, m.p.Key); err != nil {
		return m.refuse(node, err.Error(), e)
	}
	if in.Cluster != m.cluster {
		return m.refuse(node, "a heartbeat of another cluster", e)
	}
	worth, changes := r.peer.Receive(heartbeat.Time(now), line, in, m.changes[:0])
	m.changes = changes
	e = m.lines(node, e)
	switch worth {
	case heartbeat.Astray:
		return m.refuse(node, "a heartbeat of another node, or for another", e)
	case heartbeat.Fresh:
		e = m.hear(now, node, in, e)
	}
	return e
}

// refuse reports a message that is not taken, once for each node and reason.
func (m *Member) refuse(node int, reason string, e []Effect) []Effect {
	r := m.remotes[node]
	if r.told[reason] {
		return e
	}
	r.told[reason] = true
	return append(e, Effect{Kind: Refused, Node: node, Reason: reason})
}

// hear takes a fresh message's groups and votes in.
func (m *Member) hear(now Time, node int, in *heartbeat.Message, e []Effect) []Effect {
	r := m.remotes[node]
	clear(r.told)
	for _, told := range in.Groups {
		g := m.byID[told.ID]
		if g == nil {
			continue
		}
		if !r.Arbiter {
			g.node.Learn(told.Epoch)
		}
		if differs := told.Agree != g.p.Agree; differs != r.disagrees[told.ID] {
			r.disagrees[told.ID] = differs
			if differs {
				e = append(e, Effect{Kind: Disagree, Node: node, Group: g.p.Name})
			}
		}
	}
	for i := range in.Votes {
		if g := m.byID[in.Votes[i].Group]; g != nil {
			e = m.hearVote(now, node, g, in.Votes[i], e)
		}
	}
	return m.flush(now, e)
}

func (m *Member) hearVote(now Time, node int, g *group, v heartbeat.Vote, e []Effect) []Effect {
	from := lease.ID(node)
	switch v.Kind {
	case heartbeat.VoteAsk:
		if m.remotes[node].Arbiter || v.Length > int64(2*g.p.Promise) {
			return e
		}
		answer := g.node.Asked(now, lease.Ask{From: from, Epoch: v.Epoch, Sent: lease.Time(v.Sent),
			Promise: time.Duration(v.Length)})
		m.vote(node, reply(g.id, answer))
	case heartbeat.VoteGranted, heartbeat.VoteRefused:
		answer := lease.Answer{Granted: v.Kind == heartbeat.VoteGranted, Epoch: v.Epoch, Sent: lease.Time(v.Sent),
			Holder: lease.ID(v.Holder), Left: time.Duration(v.Length)}
		e = m.after(now, g, g.node.Answered(now, from, answer, m.leases[:0]), e)
	case heartbeat.VoteRelease:
		e = m.after(now, g, g.node.Released(now, from, v.Epoch, m.leases[:0]), e)
	case heartbeat.VoteHandOver:
		if state, _, _ := g.node.State(); state == lease.Holding && v.Length > int64(g.priority) && v.Length <= 255 {
			e = append(e, Effect{Kind: HandOver, Node: node, Group: g.p.Name, Priority: uint8(v.Length)})
		}
	}
	return e
}

// reply writes an answer as a vote.
func reply(group uint32, a lease.Answer) heartbeat.Vote {
	v := heartbeat.Vote{Kind: heartbeat.VoteRefused, Group: group, Epoch: a.Epoch, Sent: int64(a.Sent),
		Length: int64(a.Left), Holder: int8(a.Holder)}
	if a.Granted {
		v.Kind = heartbeat.VoteGranted
	}
	return v
}
