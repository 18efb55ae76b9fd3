package proxy

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/evenkeel/evenkeel/backend"
	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/counter"
	"github.com/evenkeel/evenkeel/h1"
	"github.com/evenkeel/evenkeel/linux/loop"
	"github.com/evenkeel/evenkeel/linux/sock"
	"github.com/evenkeel/evenkeel/syslog"
)

// Options are what an Engine needs of the process around it.
type Options struct {
	// Threads is the number of loops, at least 1.
	Threads int
	// MaxConn limits connections of all frontends together, at least 1.
	MaxConn int
	// MaxPipes limits pipes, each of two descriptors, that move bodies without a copy; 0: none.
	MaxPipes int
	// Listeners gives the listening sockets of a bind, opened by a process that may; they are shared out over the
	// loops. The engine closes them when it stops listening.
	Listeners func(*config.Bind) []int
	// Syslog takes the lines of traffic.
	Syslog *syslog.Log
	// Log takes lines about the engine itself and its servers' states, p being the proxy concerned or nil; it must
	// not block.
	Log func(severity int, p *config.Proxy, text string)
	// Applet answers requests for the statistics page. It is called on a goroutine of its own.
	Applet func(*AppletRequest) AppletReply
	// Forget has a privileged process close a connection without a word to the client (silent-drop); fd stays the
	// caller's, and nothing is waited for. Nil: there is nobody to ask.
	Forget func(fd int)
	Host   string // this machine's name in logs
	PID    int    // of the process that operators know, in logs and statistics; 0: this one
	// Down names servers ("backend/server") that checks had found down before a reload or a restart: they come back
	// when checks say so, instead of counting as up until the first one.
	Down []string
	// Changed is called after each change of a server's state; it must not block. Optional.
	Changed func()
}

// Engine runs the proxies of one configuration.
type Engine struct {
	cfg      *config.Proxying
	opts     Options
	proxies  []*proxy
	of       map[*config.Proxy]*proxy
	backends map[string]*proxy
	// frontends by name.
	frontends map[string]*proxy
	group     *backend.Group
	// purgePause is how often idle server connections are looked through.
	purgePause time.Duration
	cores      []*core
	pages      map[int]*page

	headLimit int
	host      string
	pid       int
	started   time.Time
	conns     atomic.Int64
	maxConn   atomic.Int64
	maxSeen   atomic.Int64
	serial    atomic.Uint32
	upstreams atomic.Int64 // connections to servers, idle ones among them
	pipes     atomic.Int64
	// sparePipes is how many unused pipes a core keeps.
	sparePipes int
	connRate   counter.Rate // kept only where it is limited

	bad        badMessages
	panics     panics
	pageLimits pageLimits
	complaint  sync.Map // causes of accept errors that were logged already

	ended     chan struct{} // closed when the engine ends
	running   sync.WaitGroup
	stopOnce  sync.Once
	draining  atomic.Bool // for the status; a core acts on its own
	drained   chan struct{}
	undrained atomic.Int64
}

// New prepares an engine. Nothing is accepted before Start.
func New(cfg *config.Proxying, opts Options) (*Engine, error) {
	e := newEngine(cfg, opts, loop.Tick, time.AfterFunc)
	for id := range opts.Threads {
		l, err := loop.NewLoop()
		if err != nil {
			return nil, err
		}
		e.cores = append(e.cores, newCore(e, id, l, sockets{}))
	}
	e.undrained.Store(int64(len(e.cores)))
	return e, nil
}

// newEngine prepares an engine without threads; its health machines live by a clock, of the loops', and timers.
func newEngine(cfg *config.Proxying, opts Options, now func() time.Duration,
	after func(time.Duration, func()) *time.Timer) *Engine {
	e := &Engine{cfg: cfg, opts: opts, of: make(map[*config.Proxy]*proxy), backends: make(map[string]*proxy),
		frontends: make(map[string]*proxy),
		ended:     make(chan struct{}),
		pages:     make(map[int]*page), host: opts.Host, pid: cmp.Or(opts.PID, os.Getpid()), started: time.Now(),
		drained: make(chan struct{})}
	e.headLimit = cfg.Global.BufSize - cfg.Global.MaxRewrite
	e.maxConn.Store(int64(opts.MaxConn))
	e.sparePipes = min(opts.MaxPipes/(2*max(opts.Threads, 1)), 64)
	for status := range words {
		e.pages[status] = ownPage(status)
	}
	e.group = backend.NewGroup(backend.Options{Global: &cfg.Global, Threads: opts.Threads, Host: opts.Host,
		Down: opts.Down,
		Now:  now, After: after, Log: opts.Log, Changed: opts.Changed, Shutdown: e.shutdownSessions})
	fullConns := fullConns(cfg, opts.MaxConn)
	for _, pc := range cfg.Proxies {
		e.addProxy(pc, fullConns[pc])
	}
	e.group.Prepare()
	e.purgePause = purgePauseOf(e.group.Servers)
	return e
}

// fullConns gives each backend its fullconn: as configured, else a tenth of what the frontends let in that name it, as
// HAProxy does. use_backend with a format names none.
func fullConns(cfg *config.Proxying, maxConn int) map[*config.Proxy]int64 {
	all := make(map[*config.Proxy]int64)
	for _, p := range cfg.Proxies {
		if !p.Front {
			continue
		}
		limit := int64(cmp.Or(p.MaxConn, maxConn))
		named := map[*config.Proxy]bool{p.DefaultBackend: true}
		if p.Back {
			named[p] = true
		}
		for i := range p.Switching {
			named[p.Switching[i].Backend] = true
		}
		for be := range named {
			all[be] += limit
		}
	}
	for _, p := range cfg.Proxies {
		if p.FullConn != 0 {
			all[p] = int64(p.FullConn)
		} else {
			all[p] = max((all[p]+9)/10, 1)
		}
	}
	return all
}

func (e *Engine) addProxy(pc *config.Proxy, fullConn int64) {
	p := &proxy{cfg: pc, index: len(e.proxies), engine: e, http: pc.Mode == config.HTTP,
		front: make([]counter.Set, e.opts.Threads), pages: make(map[int]*page)}
	for status, raw := range pc.ErrorFiles {
		p.pages[status] = filePage(status, raw)
	}
	p.maxConn.Store(int64(pc.MaxConn))
	p.rateLimit.Store(int64(pc.RateLimit))
	p.stopped.Store(pc.Disabled)
	e.proxies = append(e.proxies, p)
	e.of[pc] = p
	if pc.Back {
		e.backends[pc.Name] = p
	}
	if pc.Front {
		e.frontends[pc.Name] = p
	}
	p.back = e.group.Add(pc, fullConn)
}

// Start opens the frontends for business.
func (e *Engine) Start() error {
	for _, p := range e.proxies {
		if !p.cfg.Front || p.cfg.Disabled {
			continue
		}
		for _, b := range p.cfg.Binds {
			state := &bindState{cfg: b}
			fds := e.opts.Listeners(b)
			if len(fds) == 0 {
				return fmt.Errorf("%v: no socket for bind %s", b.Pos, b.Text)
			}
			for i, fd := range fds {
				c := e.cores[i%len(e.cores)]
				l := &listener{core: c, fe: p, bind: state, fd: fd, name: b.Name, path: b.Path}
				if l.name == "" {
					l.name = trimmed(b.Text)
				}
				c.listeners = append(c.listeners, l)
				l.relisten()
				if err := c.loop.Listen(fd, l); err != nil {
					return err
				}
			}
		}
	}
	go e.group.Run()
	for _, c := range e.cores {
		c.loop.Arm(&c.janitor, c, c.now()+e.purgePause)
		e.running.Add(1)
		go func() {
			defer e.running.Done()
			if err := c.loop.Run(); err != nil {
				e.opts.Log(severityAlert, nil, err.Error())
			}
		}()
	}
	return nil
}

// Down names the servers that checks have found down.
func (e *Engine) Down() []string { return e.group.Down() }

// CheckTargets lists the servers that are probed.
func (e *Engine) CheckTargets() []backend.CheckTarget { return e.group.CheckTargets() }

// MaxConn is the limit of connections that holds.
func (e *Engine) MaxConn() int64 { return e.maxConn.Load() }

// Usable tells for each proxy how many servers can take a request; -1 for one that has none configured.
// A frontend has what the best of the backends it may choose has.
func (e *Engine) Usable() map[string]int {
	all := make(map[string]int)
	for _, p := range e.proxies {
		if p.cfg.Back {
			all[p.cfg.Name] = p.usable()
		}
	}
	for _, p := range e.proxies {
		if p.cfg.Back {
			continue
		}
		best, some := -1, false
		note := func(be *config.Proxy) {
			if be != nil {
				some = true
				best = max(best, e.of[be].usable())
			}
		}
		note(p.cfg.DefaultBackend)
		for i := range p.cfg.Switching {
			note(p.cfg.Switching[i].Backend)
		}
		if some {
			all[p.cfg.Name] = best
		} else {
			all[p.cfg.Name] = -1
		}
	}
	return all
}

func (p *proxy) usable() int {
	if len(p.back.Servers) == 0 {
		return -1
	}
	return int(p.back.Usable())
}

// Turn waits until every core's thread has got to its work once more; for ever, if one hangs. An engine that has been
// closed does not wait.
func (e *Engine) Turn() {
	answers := make(chan struct{}, len(e.cores))
	asked := 0
	for _, c := range e.cores {
		if c.loop.Post(func() { answers <- struct{}{} }) {
			asked++
		}
	}
	for range asked {
		select {
		case <-answers:
		case <-e.ended:
			return
		}
	}
}

// Drain stops accepting and lets the connections end: idle ones after a short grace, busy ones with their
// request. The returned channel is closed when none is left.
func (e *Engine) Drain() <-chan struct{} {
	e.draining.Store(true)
	for _, c := range e.cores {
		c.loop.Post(c.drain)
	}
	return e.drained
}

func (c *core) drain() {
	if c.draining {
		return
	}
	c.draining, c.drainFrom = true, c.now()
	c.stopListening()
	for s := c.live.next; s != &c.live; s = s.next {
		s.schedule() // idle ones have less time now
	}
	for c.pool.Shed() {
	}
	if c.count == 0 {
		c.engine.coreDrained(c)
	}
}

// coreDrained is called once all streams of a draining core have ended.
func (e *Engine) coreDrained(c *core) {
	if c.wasDrained {
		return
	}
	c.wasDrained = true
	if e.undrained.Add(-1) == 0 {
		close(e.drained)
	}
}

// Close ends everything at once. Streams that are still alive are logged as killed.
func (e *Engine) Close() {
	e.stopOnce.Do(func() {
		close(e.ended)
		e.group.Close()
		for _, c := range e.cores {
			c.loop.Post(func() {
				c.stopListening()
				for c.live.next != &c.live {
					c.live.next.abort('K', c.live.next.letterNow())
				}
				c.logs.Close()
			})
			c.loop.Stop()
		}
		e.running.Wait()
	})
}

// resumeSoon makes paused listeners look again shortly.
func (c *core) resumeSoon() {
	if !c.retryTimer.Armed() {
		c.loop.Arm(&c.retryTimer, (*resumer)(c), c.now()+resumePause)
	}
}

const resumePause = 20 * time.Millisecond

func (e *Engine) outOfDescriptors(errno sock.Errno) bool {
	return errno == syscall.EMFILE || errno == syscall.ENFILE || errno == syscall.ENOBUFS || errno == syscall.ENOMEM
}

// acceptFailed logs why connections cannot be accepted, once per cause.
func (e *Engine) acceptFailed(l *listener, errno sock.Errno) {
	if _, known := e.complaint.LoadOrStore(errno, true); !known {
		e.opts.Log(severityAlert, l.fe.cfg,
			fmt.Sprintf("Proxy %s cannot accept a connection on %s: %v (logged once)", l.fe.cfg.Name, l.name, errno))
	}
}

func (e *Engine) watchFailed(err error) {
	if _, known := e.complaint.LoadOrStore("watch", true); !known {
		e.opts.Log(severityAlert, nil, err.Error())
	}
}

// badMessages keeps the last malformed request and response of each proxy (show errors).
type badMessages struct {
	mu   sync.Mutex
	last map[*proxy][2]*BadMessage
}

// BadMessage is a message that was refused.
type BadMessage struct {
	When                              time.Time
	Frontend, Backend, Server, Source string
	Response                          bool
	Reason                            string
	Offset                            int
	Content                           []byte // its first bytes
}

const badKept = 1024

func (e *Engine) saveBad(s *stream, data []byte, err *h1.Error) {
	e.save(s, data, err, false)
}

func (e *Engine) saveBadResponse(s *stream, err *h1.Error) {
	e.save(s, s.up.pending(), err, true)
}

func (e *Engine) save(s *stream, data []byte, err *h1.Error, response bool) {
	m := &BadMessage{When: time.Now(), Frontend: s.fe.cfg.Name, Backend: s.be.cfg.Name, Source: s.source.String(),
		Response: response,
		Reason:   err.Reason, Offset: err.Offset, Content: append([]byte(nil), data[:min(len(data), badKept)]...)}
	if s.srv != nil {
		m.Server = s.srv.Config.Name
	}
	e.bad.mu.Lock()
	defer e.bad.mu.Unlock()
	if e.bad.last == nil {
		e.bad.last = make(map[*proxy][2]*BadMessage)
	}
	p, i := s.fe, 0
	if response {
		p, i = s.be, 1
	}
	both := e.bad.last[p]
	both[i] = m
	e.bad.last[p] = both
}

// ErrUnknown says that a proxy or server named in a command is not there.
var ErrUnknown = errors.New("no such proxy or server")
