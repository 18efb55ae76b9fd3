package proxy

import (
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/evenkeel/evenkeel/backend"
	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/counter"
	"github.com/evenkeel/evenkeel/sample"
)

// proxy is a frontend, a backend or both, while it runs.
type proxy struct {
	cfg    *config.Proxy
	index  int // in the engine
	engine *Engine
	http   bool
	pages  map[int]*page

	// The front half.
	front     []counter.Set // by core
	conns     atomic.Int64
	connsMax  atomic.Int64
	maxConn   atomic.Int64
	rateLimit atomic.Int64
	paused    atomic.Bool // by the runtime socket
	stopped   atomic.Bool

	back *backend.Backend // the back half; without servers where the section is a frontend only
}

// sessionRate is the frontend's over all cores.
func (p *proxy) sessionRate(now int64) int64 {
	sum := int64(0)
	for i := range p.front {
		sum += p.front[i].Rate.At(now)
	}
	return sum
}

// newSessions is how many sessions began in this second.
func (p *proxy) newSessions(now int64) int64 {
	sum := int64(0)
	for i := range p.front {
		sum += p.front[i].Rate.ThisSecond(now)
	}
	return sum
}

// Backend is part of sample.Environment.
func (e *Engine) Backend(name string) (sample.BackendFacts, bool) {
	p, ok := e.backends[name]
	if !ok {
		return sample.BackendFacts{}, false
	}
	b := p.back
	f := sample.BackendFacts{Usable: int(b.Usable()), Connections: int(b.Conns()), Queue: int(b.Queued()),
		Free: b.Free()}
	now := time.Now().Unix()
	for i := range b.Counters {
		f.Rate += int(b.Counters[i].Rate.At(now))
	}
	return f, true
}

// Frontend is part of sample.Environment.
func (e *Engine) Frontend(name string) (connections, rate int, ok bool) {
	p, ok := e.frontends[name]
	if !ok {
		return 0, 0, false
	}
	return int(p.conns.Load()), int(p.sessionRate(time.Now().Unix())), true
}

// Server is part of sample.Environment.
func (e *Engine) Server(backend, name string) (sample.ServerFacts, bool) {
	p, ok := e.backends[backend]
	if !ok {
		return sample.ServerFacts{}, false
	}
	srv, ok := p.back.Named(name)
	if !ok {
		return sample.ServerFacts{}, false
	}
	return sample.ServerFacts{Up: srv.Usable(), Connections: int(srv.Served()), Queue: int(srv.Queued()),
		Weight: srv.Weight()}, true
}

// serverAddress is the other end of the server connection, for the log.
func (s *stream) serverAddress() netip.AddrPort {
	if s.srv == nil {
		return netip.AddrPort{}
	}
	return s.srv.Addr()
}

// trimmed names a listener for the log as its configuration does.
func trimmed(text string) string { return strings.TrimPrefix(text, "unix@") }
