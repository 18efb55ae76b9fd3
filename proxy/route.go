package proxy

import (
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
	n := be.beConns.Add(1)
	counter.Raise(&be.beConnsMax, n)
	shard := &be.back[s.core.id]
	shard.Sessions.Add(1)
	shard.Rate.Add(s.core.loop.Wall().Unix())
	if be.http {
		shard.Requests.Add(1)
	}
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
		s.be.beConns.Add(-1)
	}
}

// useServer applies use-server rules.
func (s *stream) useServer() {
	if s.pinned != nil || len(s.be.cfg.UseServer) == 0 {
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
			if srv := s.be.server(u.Server); srv.usable() {
				s.pinned = srv
			}
			return
		}
	}
}

// hashKey takes from the request what a hashing algorithm needs.
func (s *stream) hashKey(h *h1.Head, body []byte) {
	be := s.be
	switch be.cfg.Balance.Algorithm {
	case config.SourceHash:
		s.key, s.hasKey = be.keyOfAddr(s.source)
	case config.URIHash:
		s.key, s.hasKey = be.keyOfURI(h.URI())
	case config.URLParam:
		s.key, s.hasKey = be.keyOfParam(h.URI(), body)
	case config.HeaderHash:
		v, ok := h.Find(be.cfg.Balance.Name)
		if ok {
			s.key, s.hasKey = be.keyOfHeader(v)
		}
	case config.ExprHash:
		x := s.context(sample.Request)
		if v := be.cfg.Balance.Expr.Eval(x); v.Kind != sample.None {
			s.key, s.hasKey = be.keyOf(v.Bytes, true)
		}
	}
}

// assign finds a server for the request and a place on it: then the stream connects; or
// the stream queues, or is told that there is none.
func (s *stream) assign() {
	be := s.be
	if srv := s.pinned; srv != nil {
		if srv.takeSlot() {
			s.assigned(srv)
			return
		}
		if srv.mayQueue() {
			s.queueOn(srv)
			return
		}
		s.pinned = nil // its queue is full too: any other server
	}
	if last := s.last; last != nil && (be.cfg.Options.PreferLastServer || s.sticky) && last.be == be && last.ready.Load() && be.queued.Load() == 0 &&
		!(s.hasKey && be.chooser.hashes()) && last.takeSlot() {
		s.assigned(last)
		return
	}
	// Those waiting already come first, but for the servers they cannot use.
	if be.queued.Load() == 0 {
		srv, slot := be.pick(s.key, s.hasKey, nil)
		if slot {
			s.assigned(srv)
			return
		}
		if srv != nil {
			s.queueOn(srv)
			return
		}
	}
	if be.usableServers() == 0 {
		s.refuseForWantOfServers()
		return
	}
	s.queueOn(nil)
}

// refuseForWantOfServers: no server of the backend is up.
func (s *stream) refuseForWantOfServers() {
	s.blame('S', 'C')
	s.count(counter.FailedConnections)
	s.fail(503)
}

// assigned takes note of a server whose slot was taken for this stream, and connects.
func (s *stream) assigned(srv *server) {
	s.srv, s.slot = srv, true
	if s.queueAt == none {
		s.queueAt = s.core.now()
	}
	now := s.core.loop.Wall().Unix()
	shard := &srv.shards[s.core.id]
	shard.Selected.Add(1)
	shard.Sessions.Add(1)
	if s.be.http {
		shard.Requests.Add(1)
	}
	shard.Rate.Add(now)
	shard.LastSession.Store(now)
	back := &s.be.back[s.core.id]
	back.Selected.Add(1)
	back.LastSession.Store(now)
	counter.Raise(&srv.servedMax, srv.served.Load())
	if srv.cfg.Redir != "" && (s.method == h1.MethodGet || s.method == h1.MethodHead) {
		s.redirectToServer()
		return
	}
	s.connect()
}
