package backend

import (
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/counter"
	"github.com/evenkeel/evenkeel/health"
)

// Options are what the backends of a configuration need of the program around them.
type Options struct {
	Global  *config.ProxyGlobal
	Threads int // of which each counts for itself, at least 1
	Host    string
	// Down names servers ("backend/server") that are down until checks say otherwise.
	Down []string
	// Now is the clock of the health machines, After what sets their timers.
	Now   func() time.Duration
	After func(time.Duration, func()) *time.Timer
	// Log takes lines about servers and their states; it must not block.
	Log func(severity int, p *config.Proxy, text string)
	// Changed is called after each change of a server's state; it must not block. Optional.
	Changed func()
	// Shutdown ends what uses a server now, for a cause as the log's termination state has it.
	Shutdown func(srv *Server, cause byte)
}

// Group is all backends of a configuration: states pass from server to server across them (track).
type Group struct {
	Backends []*Backend
	Servers  []*Server

	opts    Options
	started time.Time

	states  sync.Mutex // guards the servers' health machines and weights, and what settle computes
	changes chan change
	ended   chan struct{}
}

// NewGroup returns a group without backends.
func NewGroup(opts Options) *Group {
	return &Group{opts: opts, started: time.Now(), changes: make(chan change, maxChanges), ended: make(chan struct{})}
}

// Add makes the back half of a section. fullConn is the number of streams at which servers with minconn take their
// maxconn, at least 1.
func (g *Group) Add(p *config.Proxy, fullConn int64) *Backend {
	b := &Backend{Config: p, Counters: make([]counter.Set, g.opts.Threads), group: g, since: g.started,
		fullConn: fullConn,
		byCookie: make(map[string][]*Server), byConfig: make(map[*config.Server]*Server),
		byName: make(map[string]*Server)}
	g.Backends = append(g.Backends, b)
	for _, sc := range p.Servers {
		srv := newServer(b, sc, len(g.Servers))
		g.Servers = append(g.Servers, srv)
		b.Servers = append(b.Servers, srv)
		b.byConfig[sc] = srv
		b.byName[sc.Name] = srv
		if sc.Cookie != "" {
			b.byCookie[sc.Cookie] = append(b.byCookie[sc.Cookie], srv)
		}
	}
	return b
}

// Prepare gives all servers their first state, once all backends are there.
func (g *Group) Prepare() {
	for _, srv := range g.Servers {
		if t := srv.Config.Track; t != nil {
			for _, other := range g.Servers {
				if other.Config == t {
					srv.tracked = other
					other.followers = append(other.followers, srv)
				}
			}
		}
	}
	for _, b := range g.Backends {
		b.prepare()
	}
}

// Run carries out the changes that traffic made, one after the other, until Close.
func (g *Group) Run() {
	for {
		select {
		case c := <-g.changes:
			c.carryOut()
		case <-g.ended:
			return
		}
	}
}

// Close ends Run.
func (g *Group) Close() { close(g.ended) }

// Down names the servers that checks have found down.
func (g *Group) Down() (names []string) {
	g.states.Lock()
	defer g.states.Unlock()
	for _, srv := range g.Servers {
		if srv.Config.Check.On && srv.tracked == nil && srv.health.Operation() == health.Stopped {
			names = append(names, srv.Backend.Config.Name+"/"+srv.Config.Name)
		}
	}
	return names
}
