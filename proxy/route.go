package proxy

import (
	"github.com/evenkeel/evenkeel/backend"
	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/counter"
	"github.com/evenkeel/evenkeel/h1"
	"github.com/evenkeel/evenkeel/sample"
)

// route chooses the backend (use_backend, default_backend); false: there is none.
func (s *stream) route() bool {
	if s.fe.cfg.Back && s.fe.cfg.DefaultBackend == nil && len(s.fe.cfg.Switching) == 0 {
		return s.join(s.fe)
	}
	var x *sample.Context
	for i := range s.fe.cfg.Switching {
		sw := &s.fe.cfg.Switching[i]
		at := sample.Request
		if !s.fe.http {
			at = sample.Content
		}
		x = s.context(at)
		if !s.fe.http {
			x.Content, x.Complete = s.client.pending(), true
		}
		if !sw.Cond.Match(x) {
			continue
		}
		if sw.Backend != nil {
			return s.join(s.core.engine.of[sw.Backend])
		}
		name := sw.Name.Append(s.core.scratch[:0], x)
		if be, ok := s.core.engine.backends[string(name)]; ok {
			return s.join(be)
		}
		break // as the reference: an unknown dynamic name means the default backend
	}
	if s.fe.cfg.DefaultBackend != nil {
		return s.join(s.core.engine.of[s.fe.cfg.DefaultBackend])
	}
	if s.fe.cfg.Back {
		return s.join(s.fe)
	}
	return false
}

// join counts the stream in its backend.
func (s *stream) join(be *proxy) bool {
	if be.cfg.Disabled || be.stopped.Load() {
		return false
	}
	s.be = be
	s.counted = true
	s.reqCookie, s.resCookie = be.untoldCookies(), be.untoldCookies()
	be.back.Join(s.core.id, be.http, s.core.loop.Wall().Unix())
	t := &be.cfg.Timeouts
	s.timeouts.server = t.Server
	if t.Tunnel > 0 {
		s.timeouts.tunnel = t.Tunnel
	}
	s.tries = be.cfg.Retries + 1
	return true
}

// leaveBackend undoes join.
func (s *stream) leaveBackend() {
	if s.counted {
		s.counted = false
		s.be.back.Leave()
	}
}

// useServer applies use-server rules.
func (s *stream) useServer() {
	if s.ticket.Pinned != nil || len(s.be.cfg.UseServer) == 0 {
		return
	}
	at := sample.Request
	if !s.fe.http {
		at = sample.Content
	}
	x := s.context(at)
	for i := range s.be.cfg.UseServer {
		u := &s.be.cfg.UseServer[i]
		if u.Cond.Match(x) {
			if srv := s.be.back.Server(u.Server); srv.Usable() {
				s.ticket.Pinned = srv
			}
			return
		}
	}
}

// hashKey takes from the request what a hashing algorithm needs.
func (s *stream) hashKey(h *h1.Head, body []byte) {
	b, key := s.be.back, &s.ticket.Key
	switch s.be.cfg.Balance.Algorithm {
	case config.SourceHash:
		*key = b.KeyOfAddr(s.source)
	case config.URIHash:
		*key = b.KeyOfURI(h.URI())
	case config.URLParam:
		*key = b.KeyOfParam(h.URI(), body)
	case config.HeaderHash:
		if v, ok := h.Find(s.be.cfg.Balance.Name); ok {
			*key = b.KeyOfHeader(v)
		}
	case config.ExprHash:
		if v := s.be.cfg.Balance.Expr.Eval(s.context(sample.Request)); v.Kind != sample.None {
			*key = b.KeyOfValue(v.Bytes)
		}
	}
}

// assign finds a server for the request and a slot on it: then the stream connects; or
// the stream queues, or is told that there is none.
func (s *stream) assign() {
	s.ticket.Last = nil
	if s.be.cfg.Options.PreferLastServer || s.sticky {
		s.ticket.Last = s.last
	}
	s.take(s.be.back.Take(&s.ticket))
}

// take goes on with what came of the stream's ticket.
func (s *stream) take(srv *backend.Server, out backend.Outcome) {
	switch out {
	case backend.Placed:
		s.assigned(srv)
	case backend.Queued:
		s.queuedFor, s.queueAt = srv, none
		s.enter(phaseQueue)
	case backend.Full:
		s.srv = srv // whose failure it is, and who stands in the log
		s.blame('S', 'Q')
		s.count(counter.FailedConnections)
		s.fail(503)
	default: // no server of the backend is up
		s.blame('S', 'C')
		s.count(counter.FailedConnections)
		s.fail(503)
	}
}

// leaveQueue gives the wait for a slot up. The log tells how long it was, and which of the queue the ticket was.
func (s *stream) leaveQueue() {
	s.ticket.Leave()
	s.queueAt = s.core.now()
	s.tellPosition()
}

// tellPosition has the log tell which of its queue the ticket was: it adds up where one queue followed another.
func (s *stream) tellPosition() {
	if s.queuedFor != nil {
		s.srvQueue += s.ticket.Position()
	} else {
		s.beQueue += s.ticket.Position()
	}
}

// Granted implements backend.Holder: a server has a slot for the stream.
func (s *stream) Granted(gen uint32) {
	defer s.guard()
	if s.ticket.Gen != gen || s.gone || s.phase != phaseQueue {
		return // it left, and gave the slot back
	}
	srv := s.ticket.Claim()
	if srv == nil { // another request of this connection, which waits by itself
		return
	}
	s.tellPosition()
	if !srv.Usable() {
		srv.Release()
		s.assign()
	} else {
		s.assigned(srv)
	}
	s.advance()
}

// Displaced implements backend.Holder: the server that was waited for has gone.
func (s *stream) Displaced(gen uint32) {
	defer s.guard()
	if s.ticket.Gen != gen || s.gone || s.phase != phaseQueue || !s.ticket.Stranded() {
		return
	}
	s.tellPosition()
	s.ticket.Pinned = nil
	s.countRedispatch(s.queuedFor)
	s.assign()
	s.advance()
}

// assigned takes note of a server on which the stream has a slot, and connects.
func (s *stream) assigned(srv *backend.Server) {
	s.srv, s.slot = srv, true
	if s.queueAt == none {
		s.queueAt = s.core.now()
	}
	srv.CountUse(s.core.id, s.core.loop.Wall().Unix())
	if srv.Config.Redir != "" && (s.method == h1.MethodGet || s.method == h1.MethodHead) {
		s.redirectToServer()
		return
	}
	s.connect()
}
