package proxy

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/counter"
	"github.com/evenkeel/evenkeel/health"
	"github.com/evenkeel/evenkeel/linux/sock"
)

var _ Commands = (*Engine)(nil)

func (e *Engine) find(backend, name string) (*server, error) {
	p, ok := e.backends[backend]
	if !ok {
		return nil, fmt.Errorf("no such backend: %s: %w", backend, ErrUnknown)
	}
	for _, srv := range p.servers {
		if srv.cfg.Name == name {
			return srv, nil
		}
	}
	return nil, fmt.Errorf("no such server: %s/%s: %w", backend, name, ErrUnknown)
}

func (e *Engine) frontend(name string) (*proxy, error) {
	for _, p := range e.proxies {
		if p.cfg.Front && p.cfg.Name == name {
			return p, nil
		}
	}
	return nil, fmt.Errorf("no such frontend: %s: %w", name, ErrUnknown)
}

// SetState implements Commands.
func (e *Engine) SetState(backend, server string, state AdminState) error {
	srv, err := e.find(backend, server)
	if err != nil {
		return err
	}
	srv.tell(func(h *health.Server, now health.Time, effects []health.Effect) []health.Effect {
		return h.SetAdmin(now, health.Admin(state), effects)
	})
	return nil
}

// SetWeight implements Commands.
func (e *Engine) SetWeight(backend, server string, weight int) error {
	srv, err := e.find(backend, server)
	if err != nil {
		return err
	}
	if weight < 0 || weight > 256 {
		return fmt.Errorf("weight %d is not within 0-256", weight)
	}
	if !srv.be.chooser.dynamic() && weight != srv.cfg.Weight && weight != 0 {
		return fmt.Errorf("backend %s balances by a static algorithm: only weight 0 and %d are possible", backend, srv.cfg.Weight)
	}
	srv.reweigh(weight)
	return nil
}

// ScaleWeight implements Commands.
func (e *Engine) ScaleWeight(backend, server string, percent int) error {
	srv, err := e.find(backend, server)
	if err != nil {
		return err
	}
	return e.SetWeight(backend, server, min(srv.cfg.Weight*percent/100, 256))
}

// SetAddress implements Commands.
func (e *Engine) SetAddress(backend, server, addr string, port int) error {
	srv, err := e.find(backend, server)
	if err != nil {
		return err
	}
	old := *srv.addr.Load()
	ip, p := old.Addr(), old.Port()
	if addr != "" {
		if ip, err = netip.ParseAddr(addr); err != nil {
			return fmt.Errorf("%q is not an address", addr)
		}
	}
	if port != 0 {
		if port < 1 || port > 65535 {
			return fmt.Errorf("port %d is not within 1-65535", port)
		}
		p = uint16(port)
	}
	srv.setAddr(netip.AddrPortFrom(ip, p))
	select {
	case srv.moved <- struct{}{}:
	default:
	}
	e.eachCore(func(c *core) { // connections to where it was are of no use
		for len(c.idle[srv.number]) > 0 {
			c.discard(c.idle[srv.number][0])
		}
	})
	return nil
}

// SetHealth implements Commands.
func (e *Engine) SetHealth(backend, server string, h ForcedHealth) error {
	srv, err := e.find(backend, server)
	if err != nil {
		return err
	}
	if srv.tracked != nil {
		return fmt.Errorf("server %s/%s tracks another one: set that one's health", backend, server)
	}
	srv.tell(func(m *health.Server, now health.Time, effects []health.Effect) []health.Effect {
		return m.Force(now, health.Operation(h), effects)
	})
	return nil
}

// SetServerMaxConn implements Commands.
func (e *Engine) SetServerMaxConn(backend, server string, n int) error {
	srv, err := e.find(backend, server)
	if err != nil {
		return err
	}
	srv.maxConn.Store(int64(n))
	srv.offer()
	return nil
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
	if !srv.cfg.Check.On {
		return fmt.Errorf("server %s/%s has no check", backend, server)
	}
	e.states.Lock()
	srv.health.Pause(!on)
	e.states.Unlock()
	return nil
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
	e.announce(severityWarning, p, map[bool]string{true: "Resumed", false: "Paused"}[on]+" frontend "+name+".")
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
	front, back := counter.Total(p.front, now.Unix()), counter.Total(p.back, now.Unix())
	e.announce(severityWarning, p, fmt.Sprintf("Proxy %s stopped (cumulated conns: FE: %d, BE: %d).", name, front.Connections, back.Sessions))
	return nil
}

// ShutdownSessions implements Commands.
func (e *Engine) ShutdownSessions(backend, server string) error {
	srv, err := e.find(backend, server)
	if err != nil {
		return err
	}
	srv.shutdownSessions('K')
	return nil
}

// ShutdownSession implements Commands.
func (e *Engine) ShutdownSession(id string) error {
	coreID, serial, ok := parseSession(id)
	if !ok || coreID >= len(e.cores) {
		return fmt.Errorf("no such session: %s: %w", id, ErrUnknown)
	}
	found := make(chan bool, 1)
	if !e.cores[coreID].loop.Post(func() {
		for s := e.cores[coreID].live.next; s != &e.cores[coreID].live; s = s.next {
			if s.serial == serial {
				s.abort('K', s.stageNow())
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

func sessionID(s *stream) string { return fmt.Sprintf("0x%x%06x", s.core.id+1, s.serial&0xffffff) }

func parseSession(id string) (core int, serial uint32, ok bool) {
	v, err := strconv.ParseUint(strings.TrimPrefix(id, "0x"), 16, 32)
	if err != nil || v>>24 == 0 {
		return 0, 0, false
	}
	return int(v>>24) - 1, uint32(v & 0xffffff), true
}

// eachCore runs f on every core's own thread, and does not wait.
func (e *Engine) eachCore(f func(*core)) {
	for _, c := range e.cores {
		c.loop.Post(func() { f(c) })
	}
}

// shutdownSessions ends the streams of a server.
func (srv *server) shutdownSessions(cause byte) {
	srv.be.engine.eachCore(func(c *core) {
		for s := c.live.next; s != &c.live; {
			next := s.next
			if s.srv == srv && s.slot {
				s.abort(cause, s.stageNow())
			}
			s = next
		}
	})
}

// shutdownBackups ends the streams of backup servers: an active one is there again.
func (p *proxy) shutdownBackups() {
	for _, srv := range p.servers {
		if srv.cfg.Backup {
			srv.shutdownSessions('U')
		}
	}
}

// ClearCounters implements Commands.
func (e *Engine) ClearCounters(all bool) {
	clearOne := func(shards []counter.Set) {
		for i := range shards {
			shards[i].Clear(all)
		}
	}
	for _, p := range e.proxies {
		clearOne(p.front)
		clearOne(p.back)
		p.connsMax.Store(p.conns.Load())
		p.beConnsMax.Store(p.beConns.Load())
		p.queuedMax.Store(p.queued.Load())
		for _, srv := range p.servers {
			clearOne(srv.shards)
			srv.servedMax.Store(srv.served.Load())
			srv.queuedMax.Store(srv.queuedNow.Load())
			if all {
				e.states.Lock()
				srv.health.Failed, srv.health.Downs, srv.health.TrafficFail = 0, 0, 0
				e.states.Unlock()
			}
		}
		if all {
			e.states.Lock()
			p.downs, p.downTime = 0, 0
			e.states.Unlock()
		}
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
		out := Session{ID: sessionID(s), Frontend: s.fe.cfg.Name, Backend: s.be.cfg.Name, Source: string(appendAddr(nil, s.source)),
			Age: now - s.born, Phase: s.phase.String(), BytesIn: s.toServer, BytesOut: s.toClient}
		if s.srv != nil {
			out.Server = s.srv.cfg.Name
		}
		all = append(all, out)
	}
	return all
}

// String names the phase for `show sess`.
func (p phase) String() string {
	return [...]string{"idle", "request", "inspect", "body", "applet", "tarpit", "queue", "pause", "connect", "exchange", "tunnel", "drain", "linger"}[p]
}
