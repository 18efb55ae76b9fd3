package proxy

import (
	"cmp"
	"fmt"
	"net/netip"
	"time"

	"github.com/evenkeel/evenkeel/backend"
	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/counter"
	"github.com/evenkeel/evenkeel/h1"
	"github.com/evenkeel/evenkeel/health"
	"github.com/evenkeel/evenkeel/linux/loop"
)

// upstream is a connection to a server: a stream's, or idle and kept for the next one.
type upstream struct {
	endpoint
	backend.Idle
	core   *core
	stream *stream        // nil: idle
	reused bool           // carried a request before this one
	proven bool           // carried several: the server lets connections be reused
	owner  *stream        // whose own idle connection it is
	local  netip.AddrPort // our end
	// bound: it belongs to its client. doubtful: bytes of an answer that was taken for whole may still come. Both for
	// good.
	bound, doubtful bool
	connecting      bool
}

// Ready is the server socket's event.
func (u *upstream) Ready(ev loop.Events) {
	u.note(ev)
	switch {
	case u.stream != nil:
		c := u.core
		c.serving = u.stream
		u.stream.advance()
		c.serving = nil
	case ev&(loop.Readable|loop.HangUp|loop.Failed) == 0:
	case u.owner != nil:
		u.owner.dropOwn()
	default:
		u.core.pool.Remove(u)
		u.judgeRest()
		u.Discard() // a server has nothing to say on an idle connection but that it ends
	}
}

// judgeRest looks whether the server has sent bytes that belong to no answer. What comes with the end of a connection
// does no harm, a 408 for instance.
// Differs from HAProxy: there connections of such a server go on being shared.
func (u *upstream) judgeRest() {
	if u.hangUp || u.over() {
		return
	}
	if open, more := u.alive(); u.inOff == len(u.in) && !(open && more) {
		return
	}
	c, srv := u.core, u.Key.Server
	if srv.Distrust(c.now()) {
		c.engine.opts.Log(severityWarning, srv.Backend.Config,
			fmt.Sprintf("Server %s/%s sends what nobody asked for: its connections are not shared by clients for now",
				srv.Backend.Config.Name, srv.Config.Name))
	}
}

// newUpstream wraps a new connection to a server.
func (c *core) newUpstream(key backend.ConnKey, fd int, t transport) *upstream {
	var u *upstream
	if n := len(c.upstreams); n > 0 {
		u = c.upstreams[n-1]
		c.upstreams = c.upstreams[:n-1]
	} else {
		u = new(upstream)
	}
	*u = upstream{core: c, Idle: backend.Idle{Key: key}}
	c.engine.upstreams.Add(1)
	u.open(fd, t)
	return u
}

// Discard closes the connection, which is in no pool.
func (u *upstream) Discard() {
	c := u.core
	if u.stream != nil && u.Key.Server.Backend.Config.Options.NoLinger && u.fd >= 0 {
		u.transport.reset()
	}
	c.close(&u.endpoint)
	c.engine.upstreams.Add(-1)
	u.stream = nil
	if len(c.upstreams) < 1024 {
		c.upstreams = append(c.upstreams, u)
	}
}

// park keeps a connection for another request, unless there are enough.
func (c *core) park(u *upstream) {
	u.stream, u.proven, u.reused, u.Since = nil, u.reused, true, c.now()
	if c.draining || c.engine.crowded() || !c.pool.Put(u) {
		u.Discard()
	}
}

// dropOwn closes the idle connection that only this client may use.
func (s *stream) dropOwn() {
	if u := s.own; u != nil {
		s.own, u.owner, u.stream = nil, nil, s
		u.Discard()
	}
}

// keepIdle keeps a connection whose answer is complete: for this client's next request where it may not be anybody
// else's, else for the next who comes.
func (s *stream) keepIdle(u *upstream) {
	c := s.core
	if !u.bound && !u.doubtful && s.be.cfg.Options.Reuse != config.ReuseNever && u.Key.Server.Trusted(c.now()) {
		c.park(u)
		return
	}
	s.dropOwn()
	if c.draining || !u.Key.Server.Usable() || s.gone {
		u.Discard()
		return
	}
	u.stream, u.Since, u.proven, u.reused, u.owner = nil, c.now(), u.reused, true, s
	s.own = u
}

// takeOwn gives the client's own idle connection if it leads to that server.
func (s *stream) takeOwn(key backend.ConnKey) *upstream {
	u := s.own
	if u == nil {
		return nil
	}
	if u.Key != key || s.upgrading {
		s.dropOwn()
		return nil
	}
	s.own, u.owner = nil, nil
	return u
}

// mayReuse says whether this request may go over a connection another one used.
// Differs from HAProxy: with http-reuse safe and aggressive, a first request that is idempotent may, too. The
// reference sends it over a new connection because the client could not repeat it if the server
// closed the old one at that moment; here the stream repeats it itself.
func (s *stream) mayReuse() bool {
	if !s.be.http || !s.srv.Trusted(s.core.now()) {
		return false
	}
	switch s.be.cfg.Options.Reuse {
	case config.ReuseNever:
		return false
	case config.ReuseSafe:
		return s.idempotent() || !s.first
	}
	return true
}

// mayUse says whether this request may go over that connection (http-reuse aggressive): a first one that cannot be
// repeated needs a server that is known to let connections be reused.
func (s *stream) mayUse(u *upstream) bool {
	return s.be.cfg.Options.Reuse != config.ReuseAggressive || !s.first || s.idempotent() || u.proven
}

// idempotent says whether the request may be sent twice (RFC 9110 §9.2.2).
// A rule does not make one so: both the client's method and the server's must be.
func (s *stream) idempotent() bool { return idempotent(s.method) && idempotent(s.asked) }

func idempotent(m h1.MethodID) bool {
	switch m {
	case h1.MethodGet, h1.MethodHead, h1.MethodPut, h1.MethodDelete, h1.MethodOptions, h1.MethodTrace:
		return true
	}
	return false
}

// connect finds a connection to s.srv, whose slot the stream holds.
func (s *stream) connect() {
	c, srv := s.core, s.srv
	s.tries--
	key := s.connKey()
	if u := s.takeOwn(key); u != nil && s.reuse(u) {
		return
	}
	if s.mayReuse() && !s.upgrading && srv.Config.SendProxy == 0 {
		for u, ok := c.pool.Take(key); ok; u, ok = c.pool.Take(key) {
			if !s.mayUse(u) {
				if !c.pool.Put(u) {
					u.Discard()
				}
				break
			}
			if s.reuse(u) {
				return
			}
		}
	}
	s.dial()
}

// reuse sends the request over a connection that was idle; false: it is of no use.
func (s *stream) reuse(u *upstream) bool {
	if !s.idempotent() || u.doubtful {
		// It cannot be repeated: look whether the server has just closed. Or bytes of an earlier answer may have come.
		if open, more := u.alive(); !open || more {
			u.Discard()
			return false
		}
	}
	s.srv.Counters[s.core.id].Reuses.Add(1)
	s.back().Reuses.Add(1)
	s.use(u)
	s.connected()
	return true
}

// connKey is what a connection to s.srv must lead to: its port may follow the client's (server ADDRESS:+N).
func (s *stream) connKey() backend.ConnKey {
	key := backend.ConnKey{Server: s.srv, Target: s.srv.Target()}
	if s.srv.Config.PortMapped {
		key.Port = uint16(int(s.destination().Port()) + s.srv.Config.PortOffset)
	}
	return key
}

func (s *stream) use(u *upstream) {
	u.stream = s
	s.up = u
}

// dial opens a new connection.
func (s *stream) dial() {
	c, srv := s.core, s.srv
	srv.Counters[c.id].Connects.Add(1)
	s.back().Connects.Add(1)
	s.enter(phaseConnect)
	key := s.connKey()
	target := key.Target
	if srv.Config.PortMapped {
		mapped := target.WithPort(key.Port)
		target = &mapped
	}
	if c.engine.crowded() {
		c.makeRoom()
	}
	fd, t, done, errno := c.dialer.dial(target, srv.Source(), cmp.Or(srv.Config.Interface, s.be.cfg.SourceInterface))
	if errno != 0 {
		cause := byte('S')
		if c.engine.outOfDescriptors(errno) {
			cause = 'R'
			c.engine.shortage(s.be, errno)
		}
		s.connectFailed(cause, errno.Error())
		return
	}
	u := c.newUpstream(key, fd, t)
	u.bound = srv.Config.SendProxy != 0 // it tells the server who the client is
	if s.be.cfg.Options.ServerKeepalive {
		u.keepalive()
	}
	s.use(u)
	u.connecting = !done
	u.canWrite = done
	u.canRead = false // its first bytes are an edge
	if err := c.loop.Watch(fd, u); err != nil {
		s.connectFailed('R', err.Error())
		return
	}
	if done {
		s.connected()
	}
}

// connecting looks whether the connection stands.
func (s *stream) connecting() bool {
	u := s.up
	if u == nil || !u.connecting {
		return false
	}
	if !u.canWrite {
		if s.be.cfg.Options.AbortOnClose && s.client.hangUp && s.clientLeft() {
			s.countClientAbort()
			s.blame('C', 'C')
			s.status = -1 // nobody is told anything
			s.closeAll()
			return true
		}
		return false
	}
	if u.hangUp {
		if errno := u.transport.connected(); errno != 0 {
			s.connectFailed('S', errno.Error())
			return true
		}
	}
	u.connecting = false
	s.connected()
	return true
}

// connected: the request can be sent.
func (s *stream) connected() {
	now := s.core.now()
	s.connectedAt, s.serverSeen = now, now
	s.last = s.srv
	if !s.up.reused {
		s.up.local = s.up.transport.local()
	}
	s.ownAddr = s.up.local
	if !s.up.reused {
		s.srv.Observe(health.Connected)
	}
	if s.srv.Config.SendProxy != 0 && !s.up.reused {
		s.sendProxyHeader()
	}
	if !s.fe.http {
		s.enter(phaseTunnel)
		s.logEarly()
		return
	}
	s.enter(phaseExchange)
	if s.reqBody.Done() {
		s.clientSeen = now
	}
}

// connectFailed decides what follows a connection that did not come about.
func (s *stream) connectFailed(cause byte, reason string) {
	s.core.dropConnection(s)
	if cause != 'R' { // what we lack says nothing of the server
		s.srv.Observe(health.ConnectFailed)
	}
	srv := s.srv
	if s.tries <= 0 {
		srv.Counters[s.core.id].FailedConnections.Add(1)
		s.count(counter.FailedConnections)
		s.releaseSlot()
		s.blame(cause, 'C')
		s.fail(503)
		return
	}
	s.retries++
	if s.mayRedispatch() {
		s.redispatch()
		return
	}
	srv.Counters[s.core.id].Retries.Add(1)
	s.back().Retries.Add(1)
	s.enter(phasePause)
	if cause == 's' { // the time has been waited already
		s.retry()
	}
}

// retry tries the same server again, if it is still there. A cookie's server is not left without option redispatch.
func (s *stream) retry() {
	stays := s.be.cfg.Redispatch == 0 && s.ticket.Pinned != nil && s.ticket.Pinned == s.srv
	if s.srv != nil && (s.srv.Usable() || stays) {
		s.srv.Counters[s.core.id].Sessions.Add(1) // each attempt counts, as with HAProxy
		s.connect()
		return
	}
	s.redispatch()
}

// retryPause is how long a server that failed is left alone before it is tried again.
func retryPause(connect time.Duration) time.Duration {
	if connect > 0 && connect < time.Second {
		return connect
	}
	return time.Second
}

// mayRedispatch says whether this attempt may go to another server (option redispatch [interval]).
func (s *stream) mayRedispatch() bool {
	interval := s.be.cfg.Redispatch
	if interval == 0 {
		return false
	}
	if !s.srv.Usable() {
		return true
	}
	if s.ticket.Pinned == nil && s.be.back.Usable() > 1 {
		switch s.be.cfg.Balance.Algorithm {
		case config.RoundRobin, config.StaticRR, config.Random, config.LeastConn, config.First:
			// any server is as good, so why wait for this one
			return true
		}
	}
	if interval < 0 {
		return s.tries == -interval
	}
	return s.retries%interval == 0
}

// redispatch gives the server up and chooses again.
func (s *stream) redispatch() {
	old := s.srv
	s.releaseSlot()
	s.srv, s.ticket.Last, s.queueAt = nil, nil, s.core.now()
	srv, out := s.be.back.TakeOther(&s.ticket, old)
	if srv == old && srv != nil {
		old.Counters[s.core.id].Retries.Add(1)
		s.back().Retries.Add(1)
	} else {
		s.countRedispatch(old)
	}
	s.take(srv, out)
}

// countRedispatch takes note that the stream leaves a server for another one; to a cookie's it is as good as down.
func (s *stream) countRedispatch(old *backend.Server) {
	s.redispatched = true
	if s.reqCookie == 'V' {
		s.reqCookie = 'D'
	}
	if old != nil {
		old.Counters[s.core.id].Redispatches.Add(1)
		s.back().Redispatches.Add(1)
	}
}

// dropConnection closes the server connection of a stream.
func (c *core) dropConnection(s *stream) {
	if u := s.up; u != nil {
		s.up = nil
		u.Discard()
	}
}

func (s *stream) releaseSlot() {
	if s.slot {
		s.slot = false
		s.srv.Release()
	}
}

// releaseServer ends the use of the server connection: parked if keep says that it is
// in order, else closed. The server stays known for the log.
func (s *stream) releaseServer(keep bool) {
	if u := s.up; u != nil {
		s.up = nil
		if keep && !u.over() && u.unwritable == 0 && u.unsent() == 0 && u.inOff == len(u.in) && !u.hangUp && u.quiet() {
			s.core.dropIn(&u.endpoint)
			s.keepIdle(u)
		} else {
			if keep {
				u.judgeRest()
			}
			u.Discard()
		}
	}
	s.releaseSlot()
}
