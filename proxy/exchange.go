package proxy

import (
	"github.com/evenkeel/evenkeel/counter"
	"github.com/evenkeel/evenkeel/h1"
	"github.com/evenkeel/evenkeel/health"
	"github.com/evenkeel/evenkeel/linux/loop"
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

// badResponse answers in place of a server whose response is malformed.
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
