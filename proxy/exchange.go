package proxy

import (
	"github.com/evenkeel/evenkeel/counter"
	"github.com/evenkeel/evenkeel/h1"
	"github.com/evenkeel/evenkeel/health"
	"github.com/evenkeel/evenkeel/linux/loop"
	"github.com/evenkeel/evenkeel/linux/sock"
)

// exchange moves the request to the server and the response to the client, as far as
// both go.
func (s *stream) exchange() bool {
	if !s.sendRequest() {
		return !s.gone
	}
	if !s.gotHead {
		return s.readResponse()
	}
	return s.passResponse()
}

// sendRequest sends what is left of the request. False means that the stream's state has changed.
func (s *stream) sendRequest() bool {
	c, u := s.core, s.up
	if s.req != nil && s.reqOff < len(s.req) {
		n, ok := c.write(&u.endpoint, s.req[s.reqOff:])
		if n > 0 {
			s.reqOff += n
			s.serverSeen = c.now()
			s.toServer += int64(n)
		}
		if !ok {
			// The response, if there is one, still tells more than the failure to write.
			return true
		}
		if s.reqOff < len(s.req) {
			return true
		}
	}
	if s.reqBody.Done() {
		return true
	}
	return s.sendBody()
}

// write sends b directly; what the kernel does not take stays with the caller.
func (c *core) write(e *endpoint, b []byte) (n int, ok bool) {
	if e.unwritable != 0 {
		return 0, false
	}
	if !e.canWrite || e.unsent() > 0 {
		return 0, true
	}
	n, errno := e.transport.send(b, nil)
	if errno != 0 {
		e.canWrite = false
		if errno == sock.Again {
			return 0, true
		}
		e.unwritable = errno
		return 0, false
	}
	if n < len(b) {
		e.canWrite = false
	}
	return n, true
}

// sendBody moves the request's body on. False means that the stream's state has changed.
func (s *stream) sendBody() bool {
	c, u, e := s.core, s.up, &s.client
	for moves := 0; !s.reqBody.Done(); moves++ {
		if moves >= stretch {
			c.loop.Again(s)
			return true
		}
		if !c.flush(&u.endpoint) || u.unwritable != 0 {
			return true // the response decides
		}
		if u.unsent() > 0 || s.upward.busy() && !s.pumpUp() {
			return true
		}
		if s.reqTransfer == h1.AsIs && s.spliceable(&s.reqBody, e, &s.upward) {
			moved, state := s.spliceBody(&s.reqBody, e, &u.endpoint, &s.upward)
			if moved > 0 {
				s.bodyMoved(moved)
				moves += moved / moveSize
				continue
			}
			if state == spliceWait {
				return true
			}
		}
		data := c.read(e)
		if len(data) == 0 {
			if !e.over() {
				return true
			}
			s.clientGone()
			return false
		}
		s.dropReplay()
		out, n, err := s.reqBody.Next(data, c.scratch[:0], s.reqTransfer)
		if err != nil {
			s.badBody(err)
			return false
		}
		if len(out) > 0 && !c.send(&u.endpoint, out, nil) {
			c.keep(e, data[n:])
			return true
		}
		c.keep(e, data[n:])
		s.bodyMoved(len(out))
		if n == 0 {
			return true
		}
	}
	return true
}

// bodyMoved notes progress of the request's body.
func (s *stream) bodyMoved(n int) {
	now := s.core.now()
	s.clientSeen, s.serverSeen = now, now
	s.toServer += int64(n)
}

// dropReplay gives up the copy of the request: more of it was consumed than the copy holds.
func (s *stream) dropReplay() {
	if s.replay && s.reqOff >= len(s.req) {
		s.replay = false
		s.dropRequest()
	} else if s.reqOff < len(s.req) {
		s.replay = false
	}
}

// clientGone: the client closed in the middle of its request.
func (s *stream) clientGone() {
	s.countClientAbort()
	s.abort('C', 'D')
}

// badBody: the request's body is malformed.
func (s *stream) badBody(err error) {
	if e, ok := err.(*h1.Error); ok {
		s.why = e.Reason
	}
	s.count(counter.FailedRequests)
	if s.gotHead {
		s.blame('P', 'D')
		s.releaseServer(false)
		s.closeAll()
		return
	}
	s.blame('P', 'H')
	s.releaseServer(false)
	s.keepClient = false
	s.fail(400)
}

// readResponse reads the response's head. The core's one Head serves all streams: of a head that
// comes in pieces, which is rare, the pieces are parsed again together.
func (s *stream) readResponse() bool {
	c, u := s.core, s.up
	limit := c.engine.headLimit
	if s.client.unsent() > 0 && !s.flushClient() {
		return !s.gone // interim responses wait for the client as any other do
	}
	for {
		data, full := u.pending(), false
		switch {
		case len(data) == 0:
			if data = c.read(&u.endpoint); len(data) == 0 {
				return s.noResponse()
			}
		case len(data) <= s.looked:
			var grown bool
			if data, grown, full = c.readMore(&u.endpoint); !grown && !full {
				return s.noResponse()
			}
		}
		s.serverSeen = c.now()
		h := c.response
		h.Reset(h1.Response, c.engine.cfg.Global.MaxHeaders)
		n, err := h.Parse(data)
		switch {
		case err != nil:
			s.badResponse(err.(*h1.Error))
			return true
		case n == 0 && (full || len(data) >= limit), n > limit:
			s.badResponse(&tooLong)
			return true
		case n == 0:
			c.keep(&u.endpoint, data)
			s.looked = len(data)
			continue
		}
		s.looked = 0
		return s.response(h, data[n:])
	}
}

// noResponse looks why there is nothing to read from the server, and what the client does meanwhile.
func (s *stream) noResponse() bool {
	u := s.up
	if u.over() {
		s.serverGone()
		return true
	}
	return s.client.broken == 0 && s.client.hangUp && s.clientWaitEnded()
}

// clientWaitEnded ends a stream whose client has gone while the server works, if it may.
func (s *stream) clientWaitEnded() bool {
	if !s.reqBody.Done() {
		return false // sendBody sees it
	}
	e := &s.client
	if !s.be.cfg.Options.AbortOnClose || !e.reset && !s.clientLeft() {
		return false
	}
	s.countClientAbort()
	s.blame('C', 'H')
	if e.reset { // nobody can be told
		s.closeAll()
		return true
	}
	s.releaseServer(false)
	s.fail(400)
	return true
}

// serverGone: the connection ended before a response's head was complete.
func (s *stream) serverGone() {
	u := s.up
	nothing := u.inOff >= len(u.in)
	if nothing && u.reused && s.replay && s.idempotent() && s.interims == 0 {
		// The server closed an idle connection as we took it: nobody's fault, and nothing was done. A new
		// connection gets the same request.
		s.core.dropConnection(s)
		s.reqOff = 0
		s.dial()
		return
	}
	if nothing && u.reused && !s.first {
		// The client may repeat it by itself (RFC 9112 §9.3.1): that is what it does when a connection just closes.
		// This happens all the time and is nobody's failure: neither log nor figures tell of it.
		s.blame('S', 'H')
		s.status, s.logLevel = 0, -1
		s.closeAll()
		return
	}
	s.srv.Observe(health.ClosedByPeer)
	s.serverFailed()
	s.blame('S', 'H')
	s.releaseServer(false)
	s.fail(502)
}

// serverFailed counts a server that did not keep its side.
func (s *stream) serverFailed() {
	s.countServer(counter.FailedResponses)
}

// badResponse answers for a server that speaks rubbish.
func (s *stream) badResponse(err *h1.Error) {
	s.why = err.Reason
	s.gotHead = false
	s.serverFailed()
	s.core.engine.saveBadResponse(s, err)
	s.srv.Observe(health.BadResponse)
	s.blame('P', 'H')
	s.releaseServer(false)
	s.fail(502)
}

// waitsForClient says whether the exchange cannot go on without the client. Before the response begins it is
// the server that is waited for, even if the client is slow with its request: so the reference counts, too.
func (s *stream) waitsForClient() bool {
	if !s.gotHead {
		return s.timeouts.server == 0 && !s.reqBody.Done() || s.client.unsent() > 0
	}
	return s.client.unsent() > 0 || s.down.busy() || !s.reqBody.Done() && s.up != nil && s.up.unsent() == 0
}

// waitsForServer says whether it cannot go on without the server.
func (s *stream) waitsForServer() bool {
	return s.up != nil && (!s.gotHead || s.client.unsent() == 0 && !s.down.busy() || s.up.unsent() > 0)
}

// exchangeTimeout ends an exchange in which one side was silent for too long.
func (s *stream) exchangeTimeout() {
	now := s.core.now()
	client := s.waitsForClient() && s.timeouts.client > 0 && now-s.clientSeen >= s.timeouts.client
	switch {
	case client && !s.gotHead:
		s.blame('c', 'D')
		s.countClientAbort()
		s.releaseServer(false)
		s.fail(408)
	case client:
		s.countClientAbort()
		s.abort('c', 'D')
	case !s.gotHead:
		s.serverFailed()
		s.srv.Observe(health.ReadTimeout)
		s.blame('s', 'H')
		s.releaseServer(false)
		s.fail(504)
	default:
		s.countServerAbort()
		s.abort('s', 'D')
	}
}

var _ loop.Handler = (*upstream)(nil)
