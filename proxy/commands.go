package proxy

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/backend"
	"github.com/evenkeel/evenkeel/counter"
	"github.com/evenkeel/evenkeel/health"
	"github.com/evenkeel/evenkeel/linux/sock"
)

var _ Commands = (*Engine)(nil)

func (e *Engine) find(backend, name string) (*backend.Server, error) {
	p, ok := e.backends[backend]
	if !ok {
		return nil, fmt.Errorf("no such backend: %s: %w", backend, ErrUnknown)
	}
	if srv, ok := p.back.Named(name); ok {
		return srv, nil
	}
	return nil, fmt.Errorf("no such server: %s/%s: %w", backend, name, ErrUnknown)
}

func (e *Engine) frontend(name string) (*proxy, error) {
	if p, ok := e.frontends[name]; ok {
		return p, nil
	}
	return nil, fmt.Errorf("no such frontend: %s: %w", name, ErrUnknown)
}

// SetState implements Commands.
func (e *Engine) SetState(backend, server string, state AdminState) error {
	srv, err := e.find(backend, server)
	if err == nil {
		srv.SetAdmin(health.Admin(state))
	}
	return err
}

// SetWeight implements Commands.
func (e *Engine) SetWeight(backend, server string, weight int) error {
	srv, err := e.find(backend, server)
	if err != nil {
		return err
	}
	return srv.SetWeight(weight)
}

// ScaleWeight implements Commands.
func (e *Engine) ScaleWeight(backend, server string, percent int) error {
	srv, err := e.find(backend, server)
	if err != nil {
		return err
	}
	return e.SetWeight(backend, server, min(srv.Config.Weight*percent/100, 256))
}

// SetAddress implements Commands.
func (e *Engine) SetAddress(backend, server, addr string, port int) error {
	srv, err := e.find(backend, server)
	if err != nil {
		return err
	}
	if err := srv.SetAddress(addr, port); err != nil {
		return err
	}
	e.eachCore(func(c *core) { c.pool.Drop(srv) }) // connections to where it was are of no use
	return nil
}

// SetHealth implements Commands.
func (e *Engine) SetHealth(backend, server string, h ForcedHealth) error {
	srv, err := e.find(backend, server)
	if err != nil {
		return err
	}
	return srv.SetHealth(health.Operation(h))
}

// SetServerMaxConn implements Commands.
func (e *Engine) SetServerMaxConn(backend, server string, n int) error {
	srv, err := e.find(backend, server)
	if err == nil {
		srv.SetMaxConn(n)
	}
	return err
}

// SetFrontendMaxConn implements Commands.
func (e *Engine) SetFrontendMaxConn(name string, n int) error {
	p, err := e.frontend(name)
	if err != nil {
		return err
	}
	p.maxConn.Store(int64(n))
	e.eachCore(func(c *core) { (*resumer)(c).Expired(nil) })
	return nil
}

// SetMaxConn implements Commands.
func (e *Engine) SetMaxConn(n int) error {
	if n < 1 || n > e.opts.MaxConn {
		return fmt.Errorf("maxconn %d is not within 1-%d", n, e.opts.MaxConn)
	}
	e.maxConn.Store(int64(n))
	return nil
}

// EnableChecks implements Commands.
func (e *Engine) EnableChecks(backend, server string, on bool) error {
	srv, err := e.find(backend, server)
	if err != nil {
		return err
	}
	return srv.EnableChecks(on)
}

// EnableFrontend implements Commands.
func (e *Engine) EnableFrontend(name string, on bool) error {
	p, err := e.frontend(name)
	if err != nil {
		return err
	}
	if p.stopped.Load() {
		return fmt.Errorf("frontend %s was shut down", name)
	}
	if p.paused.Swap(!on) == !on {
		return nil
	}
	e.eachCore(func(c *core) {
		for _, l := range c.listeners {
			if l.fe != p || l.closed {
				continue
			}
			if on {
				l.relisten()
				l.resume()
			} else {
				l.pause()
				sock.Deafen(l.fd)
			}
		}
	})
	e.opts.Log(severityWarning, p.cfg, map[bool]string{true: "Resumed", false: "Paused"}[on]+" frontend "+name+".")
	return nil
}

// ShutdownFrontend implements Commands.
func (e *Engine) ShutdownFrontend(name string) error {
	p, err := e.frontend(name)
	if err != nil {
		return err
	}
	if p.stopped.Swap(true) {
		return nil
	}
	e.eachCore(func(c *core) {
		for _, l := range c.listeners {
			if l.fe == p && !l.closed {
				sock.Deafen(l.fd) // the director holds it, too
				l.close()
			}
		}
	})
	now := time.Now()
	front, back := counter.Total(p.front, now.Unix()), counter.Total(p.back.Counters, now.Unix())
	e.opts.Log(severityWarning, p.cfg,
		fmt.Sprintf("Proxy %s stopped (cumulated conns: FE: %d, BE: %d).", name, front.Connections, back.Sessions))
	return nil
}

// ShutdownSessions implements Commands.
func (e *Engine) ShutdownSessions(backend, server string) error {
	srv, err := e.find(backend, server)
	if err != nil {
		return err
	}
	e.shutdownSessions(srv, 'K')
	return nil
}

// ShutdownSession implements Commands.
func (e *Engine) ShutdownSession(id string) error {
	coreID, number, ok := parseSession(id)
	if !ok || coreID >= len(e.cores) {
		return fmt.Errorf("no such session: %s: %w", id, ErrUnknown)
	}
	found := make(chan bool, 1)
	if !e.cores[coreID].loop.Post(func() {
		for s := e.cores[coreID].live.next; s != &e.cores[coreID].live; s = s.next {
			if s.opened&sessionMask == number {
				s.kill('K')
				found <- true
				return
			}
		}
		found <- false
	}) || !<-found {
		return fmt.Errorf("no such session: %s: %w", id, ErrUnknown)
	}
	return nil
}

// sessionID names a connection: by its core and by when it came there.
func sessionID(s *stream) string { return fmt.Sprintf("0x%x%06x", s.core.id+1, s.opened&sessionMask) }

// sessionMask is what an ID has of the number: who shares it is 16 million connections older.
const sessionMask = 1<<24 - 1

func parseSession(id string) (core int, number uint32, ok bool) {
	v, err := strconv.ParseUint(strings.TrimPrefix(id, "0x"), 16, 32)
	if err != nil || v>>24 == 0 {
		return 0, 0, false
	}
	return int(v>>24) - 1, uint32(v & sessionMask), true
}

// eachCore runs f on every core's own thread, and does not wait.
func (e *Engine) eachCore(f func(*core)) {
	for _, c := range e.cores {
		c.loop.Post(func() { f(c) })
	}
}

// shutdownSessions ends the streams of a server.
func (e *Engine) shutdownSessions(srv *backend.Server, cause byte) {
	e.eachCore(func(c *core) {
		for s := c.live.next; s != &c.live; {
			next := s.next
			if s.srv == srv && s.slot {
				s.kill(cause)
			}
			s = next
		}
	})
}

// ClearCounters implements Commands.
func (e *Engine) ClearCounters(all bool) {
	for _, p := range e.proxies {
		for i := range p.front {
			p.front[i].Clear(all)
		}
		p.connsMax.Store(p.conns.Load())
		p.back.ClearCounters(all)
	}
}

// BadMessages implements Commands.
func (e *Engine) BadMessages() []*BadMessage {
	e.bad.mu.Lock()
	defer e.bad.mu.Unlock()
	var all []*BadMessage
	for _, p := range e.proxies {
		for _, m := range e.bad.last[p] {
			if m != nil {
				all = append(all, m)
			}
		}
	}
	return all
}

// Sessions implements Commands.
func (e *Engine) Sessions() []Session {
	results := make(chan []Session, len(e.cores))
	asked := 0
	for _, c := range e.cores {
		if c.loop.Post(func() { results <- c.sessions() }) {
			asked++
		}
	}
	var all []Session
	limit := time.After(time.Second)
	for range asked {
		select {
		case some := <-results:
			all = append(all, some...)
		case <-limit: // a core that has just ended
			return all
		}
	}
	return all
}

func (c *core) sessions() []Session {
	var all []Session
	now := c.now()
	for s := c.live.next; s != &c.live; s = s.next {
		out := Session{ID: sessionID(s), Frontend: s.fe.cfg.Name, Backend: s.be.cfg.Name,
			Source: string(appendAddr(nil, s.source)),
			Age:    now - s.born, Phase: s.phase.String(), BytesIn: s.toServer, BytesOut: s.toClient}
		if s.srv != nil {
			out.Server = s.srv.Config.Name
		}
		all = append(all, out)
	}
	return all
}
