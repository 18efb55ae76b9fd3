package proxy

import (
	"github.com/evenkeel/evenkeel/h1"
	"github.com/evenkeel/evenkeel/health"
)

// response handles a complete response head; rest are the bytes behind it.
func (s *stream) response(h *h1.Head, rest []byte) bool {
	c := s.core
	status := h.Status()
	switch {
	case status == 101 && s.upgrading && h.Upgrade(), s.method == h1.MethodConnect && status/100 == 2:
		return s.switched(h, rest)
	case status == 101:
		s.badResponse(&notAsked)
		return true
	case status < 200:
		return s.interim(h, rest)
	}
	s.gotHead = true
	s.status, s.answeredIn = status, uint8(min(h.Minor(), 1))+1
	s.countAnswer(status)
	s.responseAt = c.now()
	s.srv.Observe(health.OutcomeOf(status))
	s.resBody = h.ResponseBody(s.method)
	s.hearServerConnection(h)
	if len(s.captured) > 0 || s.fe.cfg.Captures.Cookie != "" {
		s.captureResponse(h)
	}
	s.responseCookie(h)
	s.judgeConnection(h)
	if s.responseRules(h) == ended {
		return true
	}
	s.status = h.Status() // as the rules left it
	var err error
	if s.transfer, err = s.frame(h, &s.resBody); err != nil {
		// As with HAProxy the client gets no answer then.
		s.why = err.(*h1.Error).Reason
		s.serverFailed()
		s.abort('P', 'H')
		return false
	}
	return s.passHead(h, rest)
}

// passHead sends the response's head together with as much of the body as came with it.
func (s *stream) passHead(h *h1.Head, rest []byte) bool {
	c, u := s.core, s.up
	var body []byte
	if len(rest) > 0 && !s.resBody.Done() {
		out, n, err := s.resBody.Next(rest, c.scratch[:0], s.transfer)
		if err != nil {
			s.badResponse(err.(*h1.Error)) // nothing of it has been sent yet
			return true
		}
		body, rest = out, rest[n:]
	}
	if s.transfer == h1.Drop && !s.resBody.Done() { // not worth waiting for
		s.resBody, s.keepServer = h1.Body{}, false
	}
	s.countStatus(s.status)
	ok := s.tellHead(h, body)
	c.keep(&u.endpoint, rest)
	if !ok {
		s.clientBroken()
		return false
	}
	s.logEarly()
	s.dropRequestIfSent()
	return true
}

// maxInterims is how many interim responses (RFC 9110 §15.2) a server may send before the final one.
const maxInterims = 1000

// interim passes an interim response on; the final one is still awaited. How many may wait for a slow client is bounded
// by readResponse, which reads on only when the client has taken what there was.
func (s *stream) interim(h *h1.Head, rest []byte) bool {
	c := s.core
	if s.interims++; s.interims > maxInterims {
		s.badResponse(&tooManyInterims)
		return true
	}
	c.keep(&s.up.endpoint, rest)
	if !s.tellInterim(h) {
		s.clientBroken()
		return false
	}
	return true
}

// judgeConnection takes from a final response, before rules see it, whether the server connection may serve others.
func (s *stream) judgeConnection(h *h1.Head) {
	u := s.up
	// An answer that announces a body and may not have one: a server that sends it all the same does so whenever it
	// likes.
	u.doubtful = u.doubtful || s.resBody.Framing() == h1.NoBody && h.AnnouncesBody()
	if st := h.Status(); st == 401 && asksForNegotiation(h, "WWW-Authenticate") ||
		st == 407 && asksForNegotiation(h, "Proxy-Authenticate") {
		u.bound, s.sticky = true, true
	}
}

// asksForNegotiation says whether a challenge is one of those that authenticate a connection instead of a request
// (NTLM; Negotiate, RFC 4559).
func asksForNegotiation(h *h1.Head, name string) bool {
	for i := h.Index(name, 0); i >= 0; i = h.Index(name, i+1) {
		_, v := h.Field(i)
		if len(v) >= 4 && equalFold(v[:4], "NTLM") || len(v) >= 9 && equalFold(v[:9], "Negotiate") {
			return true
		}
	}
	return false
}

// dropRequestIfSent: with the response begun, the request will not be sent again.
func (s *stream) dropRequestIfSent() {
	s.replay = false
	if s.req != nil && s.reqOff >= len(s.req) {
		s.dropRequest()
	}
}

// passResponse moves the response's body to the client.
func (s *stream) passResponse() bool {
	c, u := s.core, s.up
	for moves := 0; ; moves++ {
		if moves >= stretch {
			c.loop.Again(s)
			return false
		}
		if !s.clientTakes() {
			return false
		}
		if s.resBody.Done() {
			s.responseDone()
			return true
		}
		if s.spliceable(&s.resBody, &u.endpoint, &s.down) {
			moved, state := s.spliceBody(&s.resBody, &u.endpoint, &s.client, &s.down)
			if moved > 0 {
				now := c.now()
				s.serverSeen, s.clientSeen = now, now
				s.toClient += int64(moved)
				moves += moved / moveSize
				continue
			}
			if state == spliceWait {
				return false
			}
		}
		data := c.read(&u.endpoint)
		if len(data) == 0 {
			if !u.over() {
				return false
			}
			s.responseEnded()
			return !s.gone
		}
		if !s.passBody(data) {
			return false
		}
	}
}

// clientTakes says whether the client has taken all that the response had for it so far: the body goes on as fast as
// it reads. What waits when the body is whole is phaseDrain's.
func (s *stream) clientTakes() bool {
	e := &s.client
	if e.unsent() > 0 {
		if s.flushClient(); s.gone {
			return false
		}
	}
	if s.down.busy() && !s.pumpDown() {
		if e.unwritable != 0 {
			s.clientBroken()
		}
		return false
	}
	return e.unsent() == 0 || s.resBody.Done()
}

// passBody passes on bytes of the response's body; false: the stream has ended.
func (s *stream) passBody(data []byte) bool {
	c, u := s.core, s.up
	s.serverSeen = c.now()
	out, n, err := s.resBody.Next(data, c.scratch[:0], s.transfer)
	if err != nil {
		s.badResponseBody(err)
		return false
	}
	ok := s.tell(out, nil)
	c.keep(&u.endpoint, data[n:])
	if !ok {
		s.clientBroken()
		return false
	}
	if n == 0 && !s.resBody.Done() {
		s.badResponseBody(errStuck)
		return false
	}
	return true
}

var tooManyInterims = h1.Error{Status: 502, Reason: "too many interim responses"}

var notAsked = h1.Error{Status: 502, Reason: "101 for a request that asked for no other protocol"}

var errStuck = &h1.Error{Status: 502, Reason: "the body cannot be understood"}

// responseEnded: the server closed while its body was awaited.
func (s *stream) responseEnded() {
	if err := s.resBody.EOF(); err == nil {
		s.keepServer = false
		s.responseDone()
		return
	}
	s.serverFailed()
	s.countServerAbort()
	s.srv.Observe(health.ReadError)
	s.abort('S', 'D')
}

// badResponseBody: the body's framing is broken; the client must not think it complete.
func (s *stream) badResponseBody(err error) {
	if e, ok := err.(*h1.Error); ok {
		s.why = e.Reason
	}
	s.serverFailed()
	s.abort('P', 'D')
}

// responseDone ends the server's part, then the client's.
func (s *stream) responseDone() {
	complete := s.reqBody.Done() && (s.req == nil || s.reqOff >= len(s.req))
	s.releaseServer(s.keepServer && complete)
	if !complete {
		s.keepClient = false
	}
	s.enter(phaseDrain)
}

// switched turns the stream into a tunnel, after 101 or an accepted CONNECT.
func (s *stream) switched(h *h1.Head, rest []byte) bool {
	c, u := s.core, s.up
	s.gotHead = true
	s.status = h.Status()
	s.responseAt = c.now()
	s.countAnswer(s.status)
	s.countStatus(s.status)
	c.keep(&u.endpoint, rest)
	if s.responseRules(h) == ended {
		return true
	}
	if err := h.FrameSwitching(); err != nil {
		s.why = err.(*h1.Error).Reason
		s.serverFailed()
		s.abort('P', 'H')
		return false
	}
	if !s.tellHead(h, nil) {
		s.clientBroken()
		return false
	}
	s.keepClient, s.keepServer = false, false
	s.dropRequestIfSent()
	s.enter(phaseTunnel)
	return true
}
