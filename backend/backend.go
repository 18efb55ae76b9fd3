package backend

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/counter"
)

// Backend is a backend, or the back half of a listen section, while it runs.
type Backend struct {
	Config   *config.Proxy
	Servers  []*Server
	Counters []counter.Set // by thread

	group    *Group
	fullConn int64                // at how many streams servers with minconn take their maxconn
	byCookie map[string][]*Server // in the order of the file
	byConfig map[*config.Server]*Server
	byName   map[string]*Server
	chooser  chooser

	conns       atomic.Int64
	connsMax    atomic.Int64
	queued      atomic.Int64 // in the backend's and its servers' queues
	unbound     atomic.Int64 // of them in the backend's own queue
	queuedMax   atomic.Int64
	usableCount atomic.Int64

	mu    sync.Mutex // guards the queues
	queue queue

	// Guarded by the group's states.
	since    time.Time // of the last change of the backend's state
	active   int       // servers that can be chosen
	backups  int
	settled  bool
	downs    int64
	downFrom time.Time
	downTime time.Duration
}

// Join counts a stream in: one of thread's, which sent a request where the backend speaks HTTP.
func (b *Backend) Join(thread int, request bool, now int64) {
	counter.Raise(&b.connsMax, b.conns.Add(1))
	shard := &b.Counters[thread]
	shard.Sessions.Add(1)
	shard.Rate.Add(now)
	if request {
		shard.Requests.Add(1)
	}
}

// Leave undoes Join.
func (b *Backend) Leave() { b.conns.Add(-1) }

// Conns is how many streams are counted in.
func (b *Backend) Conns() int64 { return b.conns.Load() }

// Queued is how many streams wait, for the backend or for one of its servers.
func (b *Backend) Queued() int64 { return b.queued.Load() }

// Usable is how many servers can be chosen.
func (b *Backend) Usable() int64 { return b.usableCount.Load() }

// Server finds a server by its section; nil: it is not one of this backend.
func (b *Backend) Server(c *config.Server) *Server { return b.byConfig[c] }

// Named finds a server by its name.
func (b *Backend) Named(name string) (*Server, bool) {
	srv, ok := b.byName[name]
	return srv, ok
}

// WithCookie lists the servers with a cookie value, in the order of the file.
func (b *Backend) WithCookie(value []byte) []*Server { return b.byCookie[string(value)] }

// Free is how many more streams the usable servers and their queues take; -1: any number.
func (b *Backend) Free() (free int) {
	for _, srv := range b.Servers {
		if !srv.Usable() {
			continue
		}
		limit := srv.maxConn.Load()
		if limit == 0 {
			return -1
		}
		free += int(limit - srv.served.Load() + int64(srv.Config.MaxQueue) - srv.queuedNow.Load())
	}
	return free
}

// waiting is how many streams wait for any server.
func (b *Backend) waiting() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return int64(b.queue.length)
}

// ClearCounters forgets maxima and, with all, what was counted.
func (b *Backend) ClearCounters(all bool) {
	clearAll(b.Counters, all)
	b.connsMax.Store(b.conns.Load())
	b.queuedMax.Store(b.queued.Load())
	for _, srv := range b.Servers {
		clearAll(srv.Counters, all)
		srv.servedMax.Store(srv.served.Load())
		srv.queuedMax.Store(srv.queuedNow.Load())
	}
	if !all {
		return
	}
	b.group.states.Lock()
	defer b.group.states.Unlock()
	for _, srv := range b.Servers {
		srv.health.Failed, srv.health.Downs, srv.health.TrafficFail = 0, 0, 0
	}
	b.downs, b.downTime = 0, 0
}

func clearAll(shards []counter.Set, all bool) {
	for i := range shards {
		shards[i].Clear(all)
	}
}
