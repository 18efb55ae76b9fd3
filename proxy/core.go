package proxy

import (
	"math/rand/v2"
	"os"
	"time"

	"github.com/evenkeel/evenkeel/backend"
	"github.com/evenkeel/evenkeel/h1"
	"github.com/evenkeel/evenkeel/linux/loop"
	"github.com/evenkeel/evenkeel/linux/netif"
	"github.com/evenkeel/evenkeel/sample"
	"github.com/evenkeel/evenkeel/syslog"
)

// receiveSize is how much one read takes at most. What a slow receiver leaves of it is kept
// for as long as it needs; bulk data goes by splice.
const receiveSize = 64 << 10

// core is one thread of the engine with everything only it touches.
type core struct {
	engine *Engine
	id     int
	loop   *loop.Loop
	dialer dialer
	logs   *syslog.Batch
	routes []*syslog.Route // by proxy

	receiveBuffer []byte
	headBuffer    []byte // heads being written
	scratch       []byte // bodies being re-framed, log lines
	small         *loop.Buffers
	large         *loop.Buffers
	pipes         []*pipe
	heads         []*h1.Head
	streams       []*stream   // unused ones
	upstreams     []*upstream // unused ones
	pool          *backend.Pool[*upstream]
	live          stream  // ring of the streams alive
	count         int     // of them
	opened        uint32  // so far
	serving       *stream // whose sockets' events are being handled

	response *h1.Head // responses are parsed and passed on at once
	peeked   *h1.Head // what rules of a tcp proxy look at
	ctx      sample.Context
	arriving arrival // what ctx asks while a connection has no stream

	listeners  []*listener
	janitor    loop.Timer
	draining   bool
	drainFrom  time.Duration
	wasDrained bool
	retryTimer loop.Timer
}

// resumer is the core as the owner of the timer that wakes paused listeners.
type resumer core

// Expired looks whether paused listeners may go on.
func (r *resumer) Expired(*loop.Timer) {
	c := (*core)(r)
	for _, l := range c.listeners {
		l.resume()
		if l.paused && !l.closed {
			c.resumeSoon()
		}
	}
}

// newCore makes a thread of the engine on a loop, which dials servers by d.
func newCore(e *Engine, id int, l *loop.Loop, d dialer) *core {
	size := e.cfg.Global.BufSize
	c := &core{engine: e, id: id, loop: l, dialer: d, receiveBuffer: make([]byte, max(receiveSize, size)),
		headBuffer: make([]byte, 0, 2*size), scratch: make([]byte, 0, receiveSize+1024),
		small: loop.NewBuffers(size, 4096), large: loop.NewBuffers(max(receiveSize, 2*size), 64),
		pool: backend.NewPool[*upstream](e.group), response: new(h1.Head), peeked: new(h1.Head)}
	c.live.next, c.live.prev = &c.live, &c.live
	l.Rescue(c.rescue)
	c.ctx.Env, c.ctx.ReadHead, c.ctx.IsLocal = e, c.readHead, netif.IsLocal
	c.ctx.Getenv = func(name string) (string, bool) { return e.cfg.Global.Environment.Lookup(name, os.LookupEnv) }
	c.ctx.Random = rand.Uint64() | 1
	c.logs = e.opts.Syslog.Batch()
	for _, p := range e.proxies {
		c.routes = append(c.routes, c.logs.Route(p.cfg.Log, p.cfg.LogTag))
	}
	l.AtPause(c.flushLogs)
	return c
}

func (c *core) flushLogs() { c.logs.Flush(c.loop.Wall()) }

func (c *core) head() *h1.Head {
	if n := len(c.heads); n > 0 {
		h := c.heads[n-1]
		c.heads = c.heads[:n-1]
		return h
	}
	return new(h1.Head)
}

func (c *core) dropHead(h *h1.Head) {
	if len(c.heads) < 1024 {
		c.heads = append(c.heads, h)
	}
}

// now is this turn's time.
func (c *core) now() time.Duration { return c.loop.Now() }

// janitorPause is how often idle server connections are looked through, where no server has a shorter
// pool-purge-delay.
const janitorPause = 5 * time.Second

// purgePauseOf is how often idle connections to these servers are looked through.
func purgePauseOf(servers []*backend.Server) time.Duration {
	pause := janitorPause
	for _, srv := range servers {
		if d := srv.Config.PoolPurgeDelay; d > 0 {
			pause = min(pause, max(d, 10*time.Millisecond))
		}
	}
	return pause
}

// Expired is the janitor's turn: server connections idle since its last one or longer are closed
// when their server's pool-purge-delay has passed.
func (c *core) Expired(*loop.Timer) {
	now := c.now()
	c.pool.Expire(now)
	c.loop.Arm(&c.janitor, c, now+c.engine.purgePause)
}

// readHead reads the head of a request that a tcp proxy passes on unread.
func (c *core) readHead(content []byte) (head sample.Message, more bool) {
	c.peeked.Reset(h1.Request, c.engine.cfg.Global.MaxHeaders)
	switch n, err := c.peeked.Parse(content); {
	case err != nil:
		return nil, false
	case n == 0:
		return nil, true
	}
	return c.peeked, false
}
