package proxy

import (
	"time"

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
	s.status, s.answeredIn = status, uint8(h.Minor())+1
	s.countAnswer(status)
	s.responseAt = c.now()
	s.srv.Observe(health.OutcomeOf(status))
	s.resBody = h.ResponseBody(s.method)
	s.keepServer = s.keepServer && h.KeepAlive() && s.resBody.Framing() != h1.UntilClose
	h.SetConnection(h1.ConnUnset)
	if len(s.captured) > 0 || s.fe.cfg.Captures.Cookie != "" {
		s.captureResponse(h)
	}
	s.responseCookie(h)
	s.judgeConnection(h)
	if s.responseRules(h) == ended {
		return true
	}
	s.status = h.Status() // as the rules left it
	if !s.frame(h) {
		return false
	}
	head := h.AppendTo(c.headBuffer[:0])
	return s.sendHead(head, rest)
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
	if s.minor == 0 {
		return true
	}
	h.SetConnection(h1.ConnUnset)
	head := h.AppendTo(c.headBuffer[:0])
	s.toClient += int64(len(head))
	s.clientSeen = c.now()
	if !c.send(&s.client, head, nil) {
		s.clientBroken()
		return false
	}
	return true
}

// flushClient writes what waits for the client; false: some still waits, or the stream has ended.
func (s *stream) flushClient() bool {
	c, e := s.core, &s.client
	before := e.unsent()
	if !c.flush(e) {
		s.clientBroken()
		return false
	}
	if e.unsent() < before {
		s.clientSeen = c.now()
	}
	return e.unsent() == 0
}

// judgeConnection takes from a final response, before rules see it, whether the server connection may serve others.
func (s *stream) judgeConnection(h *h1.Head) {
	u := s.up
	// An answer that announces a body and may not have one: a server that sends it all the same does so whenever it
	// likes.
	u.doubtful = s.resBody.Framing() == h1.NoBody && h.AnnouncesBody()
	if st := h.Status(); st == 401 && asksForNegotiation(h, "WWW-Authenticate") || st == 407 && asksForNegotiation(h, "Proxy-Authenticate") {
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

// frame decides how the client learns where the body ends, and says so in the head; false: rules left a head that
// must not be sent, and the stream has ended. As with HAProxy the client gets no answer then.
func (s *stream) frame(h *h1.Head) bool {
	frame, err := h.FrameResponse(&s.resBody, s.asked, s.minor)
	if err != nil {
		s.why = err.(*h1.Error).Reason
		s.serverFailed()
		s.abort('P', 'H')
		return false
	}
	s.transfer = frame.Transfer
	if frame.Close {
		s.keepClient = false
	}
	if !s.reqBody.Done() {
		s.keepClient = false // its rest would be taken for the next request
	}
	if s.core.draining {
		s.keepClient = false
	}
	// The client is told what does not follow from the versions.
	switch {
	case s.keepClient && (s.minor == 0 || h.Minor() == 0):
		h.SetConnection(h1.ConnKeepAlive)
	case s.keepClient || h.Minor() == 0:
		h.SetConnection(h1.ConnUnset)
	default:
		h.SetConnection(h1.ConnClose)
	}
	return true
}

// joinBody is up to how many bytes a body is copied behind its head.
const joinBody = 2 << 10

// sendHead sends the response's head together with as much of the body as came with it.
func (s *stream) sendHead(head, rest []byte) bool {
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
	s.dataAt = s.responseAt
	s.toClient += int64(len(head) + len(body))
	s.clientSeen = c.now()
	if len(body) <= joinBody && len(body) <= cap(head)-len(head) {
		head, body = append(head, body...), nil // one piece is a cheaper call than two
	}
	ok := c.send(&s.client, head, body)
	c.keep(&u.endpoint, rest)
	if !ok {
		s.clientBroken()
		return false
	}
	s.logEarly()
	s.dropRequestIfSent()
	return true
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
	c, u, e := s.core, s.up, &s.client
	for moves := 0; ; moves++ {
		if moves >= stretch {
			c.loop.Again(s)
			return false
		}
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
		if s.resBody.Done() && !s.down.busy() {
			s.responseDone()
			return true
		}
		if e.unsent() > 0 {
			return false // as fast as the client reads
		}
		if s.spliceable(&s.resBody, &u.endpoint, &s.down) {
			moved, state := s.spliceBody(&s.resBody, &u.endpoint, e, &s.down)
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
		s.serverSeen = c.now()
		out, n, err := s.resBody.Next(data, c.scratch[:0], s.transfer)
		if err != nil {
			s.badResponseBody(err)
			return false
		}
		ok := c.send(e, out, nil)
		s.toClient += int64(len(out))
		s.clientSeen = c.now()
		c.keep(&u.endpoint, data[n:])
		if !ok {
			s.clientBroken()
			return false
		}
		if n == 0 && !s.resBody.Done() {
			s.badResponseBody(errStuck)
			return false
		}
	}
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

// clientBroken: the client cannot be written to any more.
func (s *stream) clientBroken() {
	s.countClientAbort()
	stage := byte('D')
	if !s.gotHead {
		stage = 'H'
	}
	s.abort('C', stage)
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
	s.dataAt = s.responseAt
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
	head := h.AppendTo(c.headBuffer[:0])
	s.toClient += int64(len(head))
	if !c.send(&s.client, head, nil) {
		s.clientBroken()
		return false
	}
	s.keepClient, s.keepServer = false, false
	s.dropRequestIfSent()
	s.enter(phaseTunnel)
	return true
}

// drain waits until the client's socket has taken the last bytes, and ends the request.
func (s *stream) drain() bool {
	if s.client.unsent() > 0 && !s.flushClient() {
		return false
	}
	s.finish()
	return !s.gone
}

// finish logs the request and goes on to the next one of the connection, or closes it.
func (s *stream) finish() {
	s.log()
	s.leaveBackend()
	s.dropRequest()
	s.dropHead()
	if !s.keepClient || s.core.draining && len(s.client.pending()) == 0 {
		s.closeClient()
		return
	}
	s.first = false
	s.begin(s.core.now())
}

// closeClient closes the client's connection. If it may still be sending, closing at once would
// make the kernel answer with a reset, which can overtake our last words: then it is read out first.
func (s *stream) closeClient() {
	e := &s.client
	s.logged = true
	if s.reqBody.Done() && len(e.pending()) == 0 && s.why == "" || e.over() {
		s.destroy()
		return
	}
	closeWrite(e)
	s.core.dropIn(e)
	s.enter(phaseLinger)
}

// lingerTime is how long the client may go on sending after our last word.
const lingerTime = 2 * time.Second

// linger reads what the client still sends, until it closes or the time is over.
func (s *stream) linger() bool {
	c, e := s.core, &s.client
	for range 16 {
		if n := c.receive(e, c.receiveBuffer); n == 0 {
			if e.over() {
				s.closeAll()
			}
			return false
		}
	}
	s.closeAll() // it sends faster than it listens
	return false
}
