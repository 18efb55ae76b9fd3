package balance

import "sync/atomic"

// Algorithm is the keyword after balance.
type Algorithm uint8

// Algorithms, in the order of the configuration's.
const (
	RoundRobin Algorithm = iota
	StaticRR
	LeastConn
	First
	Random
	SourceHash
	URIHash
	URLParam
	HeaderHash
	ExprHash
	RDPCookie
)

// Params are a backend's settings.
type Params struct {
	Algorithm  Algorithm
	Consistent bool         // hash-type consistent; else map-based
	Function   HashFunction // of HashBytes
	Avalanche  bool
	Draws      int    // of random; 0: 2
	AllBackups bool   // option allbackups: all backup servers at once, not the first only
	Seed       uint64 // of random's numbers
}

func (p *Params) hashes() bool { return p.Algorithm >= SourceHash }

// Server is what a Table must know of a server. Its index stays the same from Table to Table.
type Server struct {
	ID     int // sid, where `first` and consistent hashing put it; 0: index + 1
	Weight int // 0-256, configured or set since; 0 takes no traffic
	Warm   int // 1-16 sixteenths of the weight while slowstart lasts; 0: all of it
	Usable bool
	Backup bool
}

// effective is the weight in sixteenths.
func (s *Server) effective() int {
	if s.Warm < 1 || s.Warm > 16 {
		return s.Weight * 16
	}
	return s.Weight * s.Warm
}

// Loads answers for the servers at this moment. Its methods are called by Pick, on its
// thread, and must not block.
type Loads interface {
	Load(i int) int  // connections and requests queued for the server
	Full(i int) bool // it has maxconn connections, or a queue
}

// None is the index of no server.
const None = -1

// Table is an arrangement of servers. It is made by New and not changed after; Pick and
// Done may be called from any thread.
type Table struct {
	p     Params
	group []uint16 // servers in use, in order: the active ones, or the backups

	// Which of these is filled depends on the algorithm.
	turns   turns    // round robin: whose turn it is
	pattern []uint16 // static-rr, map-based hashing
	ring    []point  // consistent hashing, random
	weight  []int32  // leastconn, random: effective weight by index
	ids     []uint16 // first: group by ID

	*position
}

// position is what Tables of one backend hand on. Each field that threads write has a
// cache line of its own.
type position struct {
	_      [64]byte
	next   atomic.Uint64 // turns taken
	_      [56]byte
	clock  atomic.Uint64 // of stamps
	_      [56]byte
	random atomic.Uint64
	_      [56]byte
	stamps []atomic.Uint64 // leastconn: when a server's load last changed
}

// New arranges servers. previous is the Table in use so far, nil at first: round robin
// goes on after the server it last chose, leastconn keeps the order of equals.
// At most 65535 servers.
func New(p Params, servers []Server, previous *Table) *Table {
	t := &Table{p: p, group: usable(p, servers)}
	t.position = &position{stamps: make([]atomic.Uint64, len(servers))}
	t.random.Store(p.Seed)
	if previous != nil {
		t.random.Store(previous.random.Load())
		t.clock.Store(previous.clock.Load())
		for i := range min(len(servers), len(previous.stamps)) {
			t.stamps[i].Store(previous.stamps[i].Load())
		}
	}
	switch {
	case p.Algorithm == RoundRobin:
		t.arrangeTurns(servers, previous)
	case p.Algorithm == StaticRR || p.hashes() && !p.Consistent:
		t.pattern = pattern(servers, t.group)
		if previous != nil {
			t.next.Store(previous.next.Load())
		}
	case p.Algorithm == Random || p.hashes():
		t.ring = ring(servers, t.group)
		t.arrangeWeights(servers)
	case p.Algorithm == LeastConn:
		t.arrangeWeights(servers)
		t.newcomers(previous)
	case p.Algorithm == First:
		t.ids = byID(servers, t.group)
	}
	return t
}

// usable lists the servers that take traffic: the active ones; if there is none, the
// first backup, or all of them.
func usable(p Params, servers []Server) []uint16 {
	var active, backup []uint16
	for i := range servers {
		s := &servers[i]
		switch {
		case !s.Usable || s.Weight <= 0:
		case s.Backup:
			if p.AllBackups || len(backup) == 0 {
				backup = append(backup, uint16(i))
			}
		default:
			active = append(active, uint16(i))
		}
	}
	if len(active) > 0 {
		return active
	}
	return backup
}

// Usable is how many servers are in use.
func (t *Table) Usable() int { return len(t.group) }

// Pick chooses a server for a request, None if there is none with room.
//
// hasKey says that key is the request's hash (HashBytes, HashAddr), for the algorithms
// that hash; without one they go round. avoid is a server that just failed the request,
// or None: it is chosen only if nothing else is left, and by map-based hashing always, as
// the key says. A server found by its key is chosen even if it is full: the request
// queues there.
func (t *Table) Pick(key uint32, hasKey bool, avoid int, l Loads) int {
	switch {
	case len(t.group) == 0:
		return None
	case t.p.hashes() && hasKey:
		return t.pickKey(key, avoid)
	case t.p.Algorithm == LeastConn:
		return t.pickLeast(avoid, l)
	case t.p.Algorithm == First:
		return t.pickFirst(avoid, l)
	case t.p.Algorithm == Random:
		return t.pickRandom(avoid, l)
	}
	return t.pickTurn(avoid, l)
}

// Done tells that a request or connection of server i ended. Only leastconn listens: the
// server that has been waiting longest goes first among equals.
func (t *Table) Done(i int) {
	if t.p.Algorithm == LeastConn && i >= 0 && i < len(t.stamps) {
		t.stamps[i].Store(t.clock.Add(1))
	}
}

// pickTurn takes turns: round robin, static-rr, and hashing without a key.
func (t *Table) pickTurn(avoid int, l Loads) int {
	last := None
	for range 2 * len(t.group) {
		i := t.turn(t.next.Add(1) - 1)
		switch {
		case l.Full(i):
		case i == avoid:
			last = i
		default:
			return i
		}
	}
	// Many are full: look at each one once.
	for _, s := range t.group {
		if i := int(s); i != avoid && !l.Full(i) {
			return i
		}
	}
	return last
}

func (t *Table) turn(n uint64) int {
	switch {
	case t.pattern != nil:
		return int(t.pattern[n%uint64(len(t.pattern))])
	case t.ring != nil:
		return int(t.ring[n%uint64(len(t.ring))].server)
	}
	return t.turns.at(n)
}

// pickLeast chooses the lowest load for its weight; among equals, the one whose load has
// not changed for longest.
func (t *Table) pickLeast(avoid int, l Loads) int {
	best, bestKey, bestStamp := None, int64(0), uint64(0)
	last := None
	for _, s := range t.group {
		i := int(s)
		if l.Full(i) {
			continue
		}
		if i == avoid {
			last = i
			continue
		}
		key := t.loadKey(l.Load(i), i)
		stamp := t.stamps[i].Load()
		if best == None || key < bestKey || key == bestKey && stamp < bestStamp {
			best, bestKey, bestStamp = i, key, stamp
		}
	}
	if best == None {
		best = last
	}
	if best != None {
		t.stamps[best].Store(t.clock.Add(1))
	}
	return best
}

// loadKey orders servers: an idle one first, else by the load it would have, for its weight.
func (t *Table) loadKey(load, i int) int64 {
	if load <= 0 {
		return 0
	}
	return int64(load+1) * 4096 / int64(t.weight[i])
}

func (t *Table) arrangeWeights(servers []Server) {
	t.weight = make([]int32, len(servers))
	for i := range servers {
		t.weight[i] = int32(max(servers[i].effective(), 1))
	}
}

// newcomers puts servers that return behind those that waited.
func (t *Table) newcomers(previous *Table) {
	if previous == nil {
		return
	}
	was := make(map[uint16]bool, len(previous.group))
	for _, s := range previous.group {
		was[s] = true
	}
	for _, s := range t.group {
		if !was[s] {
			t.stamps[s].Store(t.clock.Add(1))
		}
	}
}

func (t *Table) pickFirst(avoid int, l Loads) int {
	last := None
	for _, s := range t.ids {
		switch i := int(s); {
		case l.Full(i):
		case i == avoid:
			last = i
		default:
			return i
		}
	}
	return last
}

// pickRandom draws servers by weight and takes the least loaded of them.
func (t *Table) pickRandom(avoid int, l Loads) int {
	best := None
	for range t.draws() {
		i := t.nearest(uint32(t.draw()>>32), None)
		if i == avoid || l.Full(i) || i == best {
			continue
		}
		if best == None || int64(l.Load(i))*int64(t.weight[best]) < int64(l.Load(best))*int64(t.weight[i]) {
			best = i
		}
	}
	if best != None {
		return best
	}
	// Nothing drawn has room.
	last := None
	for _, s := range t.group {
		i := int(s)
		switch {
		case l.Full(i):
		case i == avoid:
			last = i
		case best == None || t.loadKey(l.Load(i), i) < t.loadKey(l.Load(best), best):
			best = i
		}
	}
	if best == None {
		return last
	}
	return best
}

func (t *Table) draws() int {
	if t.p.Draws > 0 {
		return t.p.Draws
	}
	return 2
}

// draw is the next number of SplitMix64, which any number of threads can step.
func (t *Table) draw() uint64 {
	z := t.random.Add(0x9e3779b97f4a7c15)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
