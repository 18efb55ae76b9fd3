// Package pool decides what a virtual server offers: which of its real servers are live, whether
// their weights make a quorum, and who takes the connections when they do not. It turns the
// results of checks into the table's entries and into what happened on the way. Pure: it knows
// no driver, no clock and no script.
package pool

// Params of a virtual server.
type Params struct {
	// Quorum is the weight of live servers that makes the service available, at least 1;
	// Hysteresis the margin by which it is gained and lost, less than Quorum.
	Quorum, Hysteresis int
	Sorry              bool // there is a sorry server
	SorryInhibit       bool // it stays in the table with weight 0 when not needed
	Servers            []Server
}

// Server is what a pool must know of a real server.
type Server struct {
	Weight  int  // 0 to 65535
	Inhibit bool // weight 0 instead of removal when it fails (inhibit_on_failure)
	// Down has an entry for each of its checkers: whether it counts as failed until it passes
	// (alpha). A server without checkers is always live.
	Down []bool
}

// Event is what a result has changed.
type Event struct {
	Kind   Kind
	Server int // of ServerUp, ServerDown, Weight
	// Live is the weight of live servers, Threshold what it was compared with (quorum events).
	Live, Threshold int
	First           bool // there was nothing before (quorum events)
}

// Kind of an [Event].
type Kind uint8

// Kinds of events.
const (
	ServerUp Kind = iota
	ServerDown
	ServerStays // the first result of one that began as failed (alpha) is that it has
	Weight      // a checker moved the weight of a live server
	QuorumUp
	QuorumDown
	QuorumMissing // at the start, so that the sorry server serves
)

// MaxWeight is the largest weight a destination can have.
const MaxWeight = 65535

type server struct {
	Server
	failed int // checkers that say no
	down   []bool
	add    []int // what each checker adds to the weight
	known  bool  // something has been told of it, or it began as live
	left   bool  // it is no longer configured
}

func (s *server) live() bool { return s.failed == 0 && !s.left }

func (s *server) weight() int {
	w := s.Weight
	for _, a := range s.add {
		w += a
	}
	return min(max(w, 0), MaxWeight)
}

// Pool is the state of one virtual server. It is not safe for concurrent use.
type Pool struct {
	p       Params
	servers []server
	quorate bool
	told    bool // what was told of the quorum last
	adopted bool
}

// New makes a pool in its first state: servers whose checkers start as failed are down. There is no quorum at
// first, so that having it is news; Start tells.
func New(p Params) *Pool {
	pool := &Pool{p: p}
	for _, s := range p.Servers {
		v := server{Server: s, down: append([]bool(nil), s.Down...), add: make([]int, len(s.Down))}
		for _, d := range v.down {
			if d {
				v.failed++
			}
		}
		v.known = v.live()
		pool.servers = append(pool.servers, v)
	}
	return pool
}

// Start judges the quorum of the first state.
func (p *Pool) Start() []Event {
	events := p.quorum(nil)
	if !p.adopted && !p.quorate && p.p.Sorry {
		events = append(events, Event{Kind: QuorumMissing, Live: p.LiveWeight(),
			Threshold: p.p.Quorum + p.p.Hysteresis})
	}
	for i := range events {
		events[i].First = !p.adopted
	}
	return events
}

// Leave takes servers out, by their indices, that a new configuration does not have any more. The pool itself does
// not change: after it, a copy of it does, whose events these are. quorate says whether the quorum held.
func (p *Pool) Leave(servers []int) (events []Event, quorate bool) {
	after := *p
	after.servers = append([]server(nil), p.servers...)
	for _, i := range servers {
		s := &after.servers[i]
		if s.live() {
			s.left = true
			events = after.quorum(append(events, Event{Kind: ServerDown, Server: i}))
		}
	}
	return events, after.told
}

// Adopt takes over what an older pool knew of a server: checkers[i] is the old index of the
// new server's checker i, or negative. It comes before Start.
func (p *Pool) Adopt(server int, old *Pool, oldServer int, checkers []int) {
	s, o := &p.servers[server], &old.servers[oldServer]
	s.failed, s.known = 0, o.known
	for i, j := range checkers {
		if j >= 0 {
			s.down[i], s.add[i] = o.down[j], o.add[j]
		}
		if s.down[i] {
			s.failed++
		}
	}
}

// AdoptQuorum takes over whether the older pool had its quorum, and what was told of it last.
func (p *Pool) AdoptQuorum(old *Pool, told bool) {
	p.quorate, p.told, p.adopted = old.quorate, told, true
}

// Passed takes a result of a checker of a server. The returned events are in the order in which
// they are to be told.
func (p *Pool) Passed(server, checker int, ok bool) []Event {
	s := &p.servers[server]
	if s.down[checker] == !ok {
		if ok || s.known {
			return nil
		}
		s.known = true
		return []Event{{Kind: ServerStays, Server: server}}
	}
	was := s.live()
	s.down[checker] = !ok
	if ok {
		s.failed--
	} else {
		s.failed++
	}
	if s.live() == was {
		return nil
	}
	s.known = true
	kind := ServerDown
	if s.live() {
		kind = ServerUp
	}
	return p.quorum([]Event{{Kind: kind, Server: server}})
}

// Adjust takes what a checker adds to the weight of its server.
func (p *Pool) Adjust(server, checker, add int) []Event {
	s := &p.servers[server]
	was := s.weight()
	s.add[checker] = add
	if s.weight() == was || !s.live() {
		return nil
	}
	return p.quorum([]Event{{Kind: Weight, Server: server}})
}

// quorum appends what becomes of the quorum, and what was not told of it yet.
func (p *Pool) quorum(events []Event) []Event {
	live := p.LiveWeight()
	up, down := p.p.Quorum+p.p.Hysteresis, p.p.Quorum-p.p.Hysteresis
	if p.quorate {
		p.quorate = live >= down && live > 0
	} else {
		p.quorate = live >= up && live > 0
	}
	if p.quorate == p.told {
		return events
	}
	p.told = p.quorate
	if p.quorate {
		return append(events, Event{Kind: QuorumUp, Live: live, Threshold: up})
	}
	return append(events, Event{Kind: QuorumDown, Live: live, Threshold: down})
}

// LiveWeight is the sum of the weights of live servers.
func (p *Pool) LiveWeight() int {
	sum := 0
	for i := range p.servers {
		if p.servers[i].live() {
			sum += p.servers[i].weight()
		}
	}
	return sum
}

// Quorate says whether the service is available.
func (p *Pool) Quorate() bool { return p.quorate }

// Live says whether all checkers of a server are content.
func (p *Pool) Live(server int) bool { return p.servers[server].live() }

// Down says whether a checker has found its server failed.
func (p *Pool) Down(server, checker int) bool { return p.servers[server].down[checker] }

// Entry says whether a server stands in the table, and with which weight. When it has failed, or a sorry server
// has taken over, it does not, or with weight 0 if it is to be inhibited only: its connections go on.
func (p *Pool) Entry(server int) (weight int, present bool) {
	s := &p.servers[server]
	if s.live() && (p.quorate || !p.p.Sorry) {
		return s.weight(), true
	}
	return 0, s.Inhibit
}

// SorryEntry is Entry for the sorry server; its own weight is weight.
func (p *Pool) SorryEntry(own int) (weight int, present bool) {
	switch {
	case !p.p.Sorry:
		return 0, false
	case !p.quorate:
		return own, true
	}
	return 0, p.p.SorryInhibit
}
