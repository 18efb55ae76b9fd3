package vrrp

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"
)

// This file is a simulated LAN: nodes with a kernel each (lease gate, addresses,
// receive queue) and a process that can be paused or killed between any two
// steps, joined by links that delay, lose and cut. Everything follows from a seed.

// simKernel is what outlives a node's process.
type simKernel struct {
	openUntil, advertUntil Time
	addr                   bool
	queue                  []simMessage
}

type simMessage struct {
	from, to int
	data     []byte
	number   int
	probe    bool // ARP request for the address
	answer   bool // its reply
	vote     *simVote
}

// simNode is a node: kernel and, while alive, a process.
type simNode struct {
	index     int
	p         Params
	kernel    simKernel
	r         *Router
	id        ID
	alive     bool
	epoch     int // restarts, so that steps of a dead process are dropped
	frozen    Time
	contested bool // holds the address since a partition
	now       Time // what the process read off the clock
	read      bool // it has read the clock and not used it yet
	pending   []Effect
	stepAt    Time    // when the next step is scheduled; Never: asleep
	rate      float64 // of its clock; 1: as the simulation's
	votes     *simVotes
}

// clock is what a node's clock shows, and moment when it shows that.
func (s *sim) clock(n *simNode) Time { return Time(float64(s.now) * n.rate) }

func (n *simNode) moment(t Time) Time {
	if t == Never || n.rate == 1 {
		return t
	}
	return Time(float64(t)/n.rate) + 1
}

type simEvent struct {
	at    Time
	seq   int
	node  int
	epoch int
	msg   *simMessage
	do    func()
}

// simQueue is the agenda, a heap of places in a slab: events do not move.
type simQueue struct {
	slab []simEvent
	free []int32
	heap []int32
}

func (q *simQueue) less(i, j int32) bool {
	a, b := &q.slab[i], &q.slab[j]
	if a.at != b.at {
		return a.at < b.at
	}
	return a.seq < b.seq
}

func (q *simQueue) push(e simEvent) {
	var place int32
	if n := len(q.free); n > 0 {
		place, q.free = q.free[n-1], q.free[:n-1]
		q.slab[place] = e
	} else {
		place = int32(len(q.slab))
		q.slab = append(q.slab, e)
	}
	i := len(q.heap)
	q.heap = append(q.heap, place)
	for i > 0 && q.less(place, q.heap[(i-1)/2]) {
		q.heap[i] = q.heap[(i-1)/2]
		i = (i - 1) / 2
	}
	q.heap[i] = place
}

func (q *simQueue) pop() simEvent {
	first, last := q.heap[0], q.heap[len(q.heap)-1]
	q.heap = q.heap[:len(q.heap)-1]
	i := 0
	for {
		child := 2*i + 1
		if child >= len(q.heap) {
			break
		}
		if child+1 < len(q.heap) && q.less(q.heap[child+1], q.heap[child]) {
			child++
		}
		if !q.less(q.heap[child], last) {
			break
		}
		q.heap[i] = q.heap[child]
		i = child
	}
	if len(q.heap) > 0 {
		q.heap[i] = last
	}
	e := q.slab[first]
	q.slab[first] = simEvent{}
	q.free = append(q.free, first)
	return e
}

// simRules are the half of the lease gate that is not this package's: the kernel's and the engine's. A test drops one.
type simRules struct {
	deadline   bool // packets for the address are dropped after the deadline
	bornClosed bool // a restarted node's gate starts closed, its leftovers are removed
	egress     bool // our adverts are dropped while the gate is closed
	expires    bool // a lease that has run out cannot be extended
	early      bool // the lease counts from before the send
}

type sim struct {
	rng    *rand.Rand
	now    Time
	seq    int
	events simQueue
	nodes  []*simNode
	rules  simRules

	delay time.Duration // of a message, at most
	loss  float64
	nasty float64 // chance of a pause between two effects
	cut   map[[2]int]bool
	// unheard[a][b] numbers the last message from a that was lost on the way to b,
	// until b has worked on a later one; 0: none.
	unheard [][]int
	double  map[[2]int]bool // pairs open at once
	strict  bool            // a partition is no excuse for two masters
	bad     string
	log     []string
	trace   bool
}

func newSim(seed uint64) *sim {
	s := &sim{rng: rand.New(rand.NewPCG(seed, 0x65766e)),
		rules: simRules{deadline: true, bornClosed: true, egress: true, expires: true, early: true},
		cut:   map[[2]int]bool{}, double: map[[2]int]bool{}}
	return s
}

func (s *sim) add(p Params) *simNode {
	n := &simNode{index: len(s.nodes), p: p, stepAt: Never, rate: 1}
	s.nodes = append(s.nodes, n)
	s.unheard = append(s.unheard, nil)
	for i := range s.unheard {
		s.unheard[i] = make([]int, len(s.nodes))
	}
	return n
}

func (s *sim) logf(format string, args ...any) {
	if s.trace {
		s.log = append(s.log, fmt.Sprintf("%9.4f ", float64(s.now)/1e9)+fmt.Sprintf(format, args...))
	}
}

func (s *sim) at(t Time, e simEvent) {
	e.at, e.seq = t, s.seq
	s.seq++
	s.events.push(e)
}

func (s *sim) after(d time.Duration, do func()) { s.at(s.now.Add(d), simEvent{node: -1, do: do}) }

// start begins a process on n, as after boot or after a crash.
func (s *sim) start(n *simNode) {
	s.logf("node%d starts", n.index)
	n.epoch++
	n.alive, n.frozen, n.pending, n.read = true, 0, nil, false
	if s.rules.bornClosed {
		n.kernel.openUntil, n.kernel.advertUntil, n.kernel.addr = 0, 0, false
	} else {
		n.kernel.openUntil = s.clock(n).Add(n.p.Hold())
	}
	n.kernel.queue = nil
	n.r = NewRouter()
	n.id, _ = n.r.Add(s.clock(n), n.p, nil)
	s.startVotes(n)
	n.stepAt = Never
	s.wake(n, s.now)
}

// kill ends the process; the kernel keeps what it has.
func (s *sim) kill(n *simNode) {
	s.logf("node%d is killed", n.index)
	n.alive = false
	n.epoch++
}

// stop ends it in order.
func (s *sim) stop(n *simNode) {
	if !n.alive || s.now < n.frozen {
		return
	}
	s.logf("node%d stops", n.index)
	for _, e := range n.r.Stop(s.clock(n), n.id, nil) {
		s.apply(n, e)
	}
	n.alive = false
	n.epoch++
}

func (s *sim) freeze(n *simNode, d time.Duration) {
	s.logf("node%d freezes for %v", n.index, d)
	n.frozen = s.now.Add(d)
}

func (s *sim) wake(n *simNode, t Time) {
	if t < n.frozen {
		t = n.frozen
	}
	if t >= n.stepAt {
		return
	}
	n.stepAt = t
	s.at(t, simEvent{node: n.index, epoch: n.epoch})
}

// step is one indivisible thing a process does. Between two steps it can be
// frozen or killed.
func (s *sim) step(n *simNode) {
	n.stepAt = Never
	if s.now < n.frozen {
		s.wake(n, n.frozen)
		return
	}
	next := s.now.Add(time.Duration(1+s.rng.IntN(20)) * time.Microsecond)
	switch {
	case len(n.pending) > 0:
		if s.nasty > 0 && s.rng.Float64() < s.nasty { // paused at the worst of moments
			s.freeze(n, time.Duration(s.rng.Int64N(int64(5*n.p.Interval))))
			s.wake(n, n.frozen)
			return
		}
		e := n.pending[0]
		n.pending = n.pending[1:]
		s.apply(n, e)
		s.check()
	case !n.read:
		n.now, n.read = s.clock(n), true
	case len(n.kernel.queue) > 0:
		s.receive(n)
	case n.r.Deadline() <= n.now:
		n.read = false
		n.pending = n.r.Tick(n.now, nil)
	case s.votesDue(n):
		n.read = false
		s.tickVotes(n)
	default:
		n.read = false
		if d := min(n.r.Deadline(), n.votesDeadline()); d != Never {
			s.wake(n, max(n.moment(d), next))
		}
		return
	}
	s.wake(n, next)
}

func (s *sim) receive(n *simNode) {
	msg := n.kernel.queue[0]
	n.kernel.queue = n.kernel.queue[1:]
	n.read = false
	if msg.number > s.unheard[msg.from][msg.to] {
		s.unheard[msg.from][msg.to] = 0
	}
	if msg.vote != nil {
		s.receiveVote(n, msg)
		return
	}
	if msg.answer {
		n.r.ProbeAnswered(n.now, n.id)
		return
	}
	d := Datagram{Payload: msg.data, Src: s.nodes[msg.from].p.Source, Dst: simGroup, TTL: 255}
	n.pending = n.r.Receive(n.now, n.id, &d, nil)
}

// The steps after a send, as kinds of their own: the process can be paused between.
const (
	simSent   = Kind(200)
	simUnsent = Kind(203)
	simExtend = Kind(201)
	simOpened = Kind(202)
)

var simGroup = netip.MustParseAddr("224.0.0.18")

func (n *simNode) open(now Time) bool { return now < n.kernel.openUntil }

// answers reports whether the node's kernel answers for the address.
func (s *sim) answers(n *simNode) bool {
	return n.kernel.addr && (n.open(s.clock(n)) || !s.rules.deadline)
}

func (s *sim) apply(n *simNode, e Effect) {
	k, now := &n.kernel, s.clock(n)
	switch e.Kind {
	case PermitAdverts:
		k.advertUntil = e.Until
	case Advertise:
		s.advertise(n, e, now < k.openUntil || now < k.advertUntil || !s.rules.egress)
	case simUnsent:
		n.pending = append(n.r.AdvertFailed(now, n.id, nil), n.pending...)
	case simSent:
		n.r.Sent(now, n.id)
	case simExtend:
		if !s.rules.early { // the lease as a program would count it that reads the clock too late
			e.Until = now.Add(n.p.Hold())
		}
		if now < k.openUntil || !s.rules.expires {
			k.openUntil = max(k.openUntil, e.Until)
			k.advertUntil = k.openUntil
		} else {
			n.pending = append(n.pending, n.r.GateClosed(n.now, n.id, nil)...)
		}
	case Probe:
		s.logf("node%d probes", n.index)
		for _, o := range s.nodes {
			s.deliver(simMessage{from: n.index, to: o.index, probe: true})
		}
		n.pending = append([]Effect{{Kind: simSent}}, n.pending...)
	case OpenGate:
		s.logf("node%d opens until %.4f", n.index, float64(e.Until)/1e9)
		k.openUntil, k.advertUntil = e.Until, e.Until
	case ConfirmGate:
		ok := now < k.openUntil
		if ok {
			k.openUntil, k.advertUntil = e.Until, e.Until
		}
		n.pending = append([]Effect{{Kind: simOpened, Count: map[bool]int{true: 1}[ok]}}, n.pending...)
	case simOpened:
		n.pending = append(n.r.Opened(now, n.id, e.Count == 1, nil), n.pending...)
	case CloseGate:
		s.logf("node%d closes", n.index)
		k.openUntil, k.advertUntil = 0, 0
	case AddAddresses:
		k.addr = true
	case RemoveAddresses:
		k.addr = false
	case NeedVotes, FreeVotes, simSendVote, simHold, simLost:
		s.applyVotes(n, e)
	case Changed:
		s.logf("node%d %v", n.index, e.Change)
	}
}

// advertise sends an advert, if the gate lets it pass.
func (s *sim) advertise(n *simNode, e Effect, passes bool) {
	if e.Priority != 0 && !passes {
		s.logf("node%d: advert %d dropped by the gate", n.index, e.Priority)
		n.pending = append([]Effect{{Kind: simUnsent}}, n.pending...)
		return
	}
	s.logf("node%d advertises %d", n.index, e.Priority)
	s.send(n, n.p.AppendAdvert(nil, e.Priority, n.p.Source, simGroup))
	n.pending = append([]Effect{{Kind: simSent}}, n.pending...)
	if e.Until != 0 { // another step: the process can be paused in between
		n.pending = append([]Effect{{Kind: simExtend, Until: e.Until}}, n.pending...)
	}
}

func (s *sim) send(n *simNode, data []byte) {
	for _, o := range s.nodes {
		s.deliver(simMessage{from: n.index, to: o.index, data: data})
	}
}

func (s *sim) deliver(m simMessage) {
	if m.from == m.to || m.vote == nil && s.nodes[m.to].isArbiter() {
		return
	}
	lost := s.cut[[2]int{m.from, m.to}] || s.loss > 0 && s.rng.Float64() < s.loss
	s.seq++
	m.number = s.seq
	// Adverts carry the lease; losing a probe or its answer hides a holder in the same way.
	if lost {
		s.unheard[m.from][m.to] = m.number
		return
	}
	d := time.Duration(s.rng.Int64N(int64(s.delay))) + time.Microsecond
	s.at(s.now.Add(d), simEvent{node: m.to, msg: &m})
}

func (s *sim) arrive(n *simNode, m *simMessage) {
	if m.probe {
		if s.answers(n) {
			s.deliver(simMessage{from: m.to, to: m.from, answer: true})
		}
		return
	}
	if n.isArbiter() {
		s.askArbiter(n, m)
		return
	}
	if !n.alive {
		return
	}
	n.kernel.queue = append(n.kernel.queue, *m)
	s.wake(n, s.now)
}

// check finds pairs that are open at once. A pair is excused if, when it came to
// be, one side had not been heard by the other: that is a partition. A mastership
// that was double because of a partition excuses what follows from it until it ends.
func (s *sim) check() {
	for _, n := range s.nodes {
		n.contested = n.contested && s.answers(n)
	}
	for i, a := range s.nodes {
		for j := i + 1; j < len(s.nodes); j++ {
			b := s.nodes[j]
			key := [2]int{i, j}
			if !s.answers(a) || !s.answers(b) {
				delete(s.double, key)
				continue
			}
			if s.double[key] {
				continue
			}
			s.double[key] = true
			if !s.strict && (s.unheard[i][j] != 0 || s.unheard[j][i] != 0 || a.contested || b.contested) {
				s.logf("node%d and node%d both open, partitioned", i, j)
				a.contested, b.contested = true, true
				continue
			}
			if s.bad == "" {
				s.bad = fmt.Sprintf("node%d and node%d both open at %.4f s without a partition", i, j,
					float64(s.now)/1e9)
				s.logf("VIOLATION: %s", s.bad)
			}
		}
	}
}

// run goes on until the given time or a violation.
func (s *sim) run(until time.Duration) {
	for len(s.events.heap) > 0 && s.bad == "" {
		e := s.events.pop()
		if e.at > Time(until) {
			s.at(e.at, e)
			break
		}
		s.now = e.at
		switch {
		case e.do != nil:
			e.do()
			s.check()
		case e.msg != nil:
			s.arrive(s.nodes[e.node], e.msg)
		default:
			if n := s.nodes[e.node]; e.epoch == n.epoch && n.alive && e.at == n.stepAt {
				s.step(n)
			}
		}
	}
	s.now = Time(until)
}

func (s *sim) holders() (open []int) {
	for i, n := range s.nodes {
		if s.answers(n) {
			open = append(open, i)
		}
	}
	return open
}

func (s *sim) text() string { return strings.Join(s.log, "\n") }
