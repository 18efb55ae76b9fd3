package backend

import (
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/counter"
	"github.com/evenkeel/evenkeel/health"
	"github.com/evenkeel/evenkeel/linux/sock"
)

// Server is a server of a backend while it runs.
type Server struct {
	Config   *config.Server
	Backend  *Backend
	Counters []counter.Set // by thread

	number int // in the group
	index  int // in the backend
	target atomic.Pointer[sock.Target]
	source *sock.Target
	addr   atomic.Pointer[netip.AddrPort]

	served    atomic.Int64 // streams that hold a slot
	servedMax atomic.Int64
	queuedNow atomic.Int64
	queuedMax atomic.Int64
	idle      atomic.Int64 // connections in pools
	maxConn   atomic.Int64
	up        atomic.Bool // can take streams that insist on it
	ready     atomic.Bool // can be chosen
	chosen    atomic.Bool // is: of backups only those that stand in
	// weightShown is weight, for those who only look.
	weightShown atomic.Int64

	tracked   *Server // whose state it takes
	followers []*Server

	queue  queue          // guarded by the backend's mu
	health *health.Server // guarded by the group's states, as is weight
	weight int            // as configured or set, 0-256
	timer  *time.Timer    // of the health machine; guarded by states, as is due
	due    health.Time    // when timer fires
	erring atomic.Bool    // the health machine counts errors of traffic
	// distrusted is until when its connections stay with one client each: see Distrust.
	distrusted atomic.Int64
	sooner     chan time.Duration
	moved      chan struct{}
}

func newServer(b *Backend, c *config.Server, number int) *Server {
	srv := &Server{Config: c, Backend: b, Counters: make([]counter.Set, b.group.opts.Threads), number: number,
		index:  len(b.Servers),
		sooner: make(chan time.Duration, 1), moved: make(chan struct{}, 1)}
	srv.setAddr(c.Addr)
	srv.maxConn.Store(int64(c.MaxConn))
	from := c.Source
	if !from.IsValid() {
		from = b.Config.Source
	}
	if from.IsValid() {
		t := sock.TargetOf(from, "")
		srv.source = &t
	}
	return srv
}

// Usable says whether streams that belong to the server, by cookie or queue, may go there.
func (srv *Server) Usable() bool { return srv.up.Load() }

// Target is where to connect to now; the same pointer as long as it is the same place.
func (srv *Server) Target() *sock.Target { return srv.target.Load() }

// Source is where to connect from; nil: from anywhere.
func (srv *Server) Source() *sock.Target { return srv.source }

// Addr is where the server is now; invalid where it has no IP address.
func (srv *Server) Addr() netip.AddrPort { return *srv.addr.Load() }

// Served is how many streams hold a slot.
func (srv *Server) Served() int64 { return srv.served.Load() }

// Queued is how many streams wait for this server.
func (srv *Server) Queued() int64 { return srv.queuedNow.Load() }

// Weight is the weight as configured or set.
func (srv *Server) Weight() int { return int(srv.weightShown.Load()) }

// limit is how many streams the server takes now; 0: any number. With minconn it follows the
// backend's load up to fullconn.
func (srv *Server) limit() int64 {
	high := srv.maxConn.Load()
	low := int64(srv.Config.MinConn)
	if high == 0 || low == 0 || low >= high {
		return high
	}
	return max(low, min(high, high*srv.Backend.conns.Load()/srv.Backend.fullConn))
}

func (srv *Server) full() bool {
	limit := srv.limit()
	return limit > 0 && srv.served.Load() >= limit
}

// takeSlot takes a slot on the server, if there is one.
func (srv *Server) takeSlot() bool {
	limit := srv.limit()
	if limit == 0 {
		srv.served.Add(1)
		return true
	}
	for {
		n := srv.served.Load()
		if n >= limit {
			return false
		}
		if srv.served.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// mayQueue says whether one more may wait for this server.
func (srv *Server) mayQueue() bool {
	return srv.Config.MaxQueue == 0 || srv.queuedNow.Load() < int64(srv.Config.MaxQueue)
}

// distrustFor is how long a server must say nothing unasked.
const distrustFor = time.Minute

// Distrust notes, at a time of the loops' clock, that the server has sent bytes that nobody asked for. What it sends
// next may come when its connection has been given to another client's request, and nothing in HTTP/1.1 would tell the
// two apart: so its connections stay with one client each for a minute. It says whether the server was trusted before.
func (srv *Server) Distrust(now time.Duration) bool {
	return srv.distrusted.Swap(int64(now+distrustFor)) <= int64(now)
}

// Trusted says whether clients may share connections to the server.
func (srv *Server) Trusted(now time.Duration) bool { return srv.distrusted.Load() <= int64(now) }

// CountUse counts a stream of thread that has got a slot.
func (srv *Server) CountUse(thread int, now int64) {
	shard := &srv.Counters[thread]
	shard.Selected.Add(1)
	shard.Sessions.Add(1)
	shard.Rate.Add(now)
	shard.LastSession.Store(now)
	back := &srv.Backend.Counters[thread]
	back.Selected.Add(1)
	back.LastSession.Store(now)
	counter.Raise(&srv.servedMax, srv.served.Load())
}

func (srv *Server) setAddr(addr netip.AddrPort) {
	t := sock.TargetOf(addr, srv.Config.Path)
	srv.target.Store(&t)
	srv.addr.Store(&addr)
}

// address is the server's address as it is shown.
func (srv *Server) address() string {
	if srv.Config.Path != "" {
		return srv.Config.Path
	}
	a := srv.addr.Load()
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
