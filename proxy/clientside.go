package proxy

import (
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/h1"
)

// What a stream tells its client, in HTTP/1: an interim response, a head, a body, the end of one, or that there is
// none. Nothing else of this package writes to a client, knows where a body ends on its way there, or what a Connection
// field says; in a tunnel there are only bytes. These functions are what a client of another protocol needs of its own.

// understood is the method that the client waits for an answer to: a request that was not understood has none.
func (s *stream) understood() h1.MethodID {
	if s.bad {
		return h1.MethodOther
	}
	return s.asked
}

// hearConnection takes from a request what its client says about the connection, which is none of a rule's business.
func (s *stream) hearConnection(h *h1.Head) {
	s.keepClient = h.KeepAlive() && s.fe.cfg.Options.Connection != config.Close
	h.SetConnection(h1.ConnUnset)
}

// frame decides how the client learns where the body ends, and says so in the head. An error: rules left a head that
// must not be sent.
func (s *stream) frame(h *h1.Head, body *h1.Body) (h1.Transfer, error) {
	frame, err := h.FrameResponse(body, s.understood(), s.minor)
	if err != nil {
		return 0, err
	}
	// The rest of a request that is still coming would be taken for the next one.
	if frame.Close || !s.reqBody.Done() || s.core.draining {
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
	return frame.Transfer, nil
}

// tellInterim tells of a response before the final one (RFC 9110 §15.2), which a client of HTTP/1.0 does not know.
func (s *stream) tellInterim(h *h1.Head) bool {
	if s.minor == 0 {
		return true
	}
	h.SetConnection(h1.ConnUnset)
	return s.tell(h.AppendTo(s.core.headBuffer[:0]), nil)
}

// joinBody is up to how many bytes a body is copied behind its head.
const joinBody = 2 << 10

// tellHead begins a response with its head and the first bytes of its body.
func (s *stream) tellHead(h *h1.Head, body []byte) bool {
	head := h.AppendTo(s.core.headBuffer[:0])
	if len(body) <= joinBody && len(body) <= cap(head)-len(head) {
		head, body = append(head, body...), nil // one piece is a cheaper call than two
	}
	return s.tell(head, body)
}

// tellPage is a whole response made here. Its head has neither a Connection field nor the empty line.
func (s *stream) tellPage(head, body []byte) bool {
	b := append(s.core.headBuffer[:0], head...)
	if s.core.draining {
		s.keepClient = false
	}
	switch {
	case !s.keepClient:
		b = append(b, "connection: close\r\n"...)
	case s.minor == 0:
		b = append(b, "connection: keep-alive\r\n"...)
	}
	if s.understood() == h1.MethodHead {
		body = nil
	}
	return s.tell(append(b, '\r', '\n'), body)
}

// tell sends bytes, of a body as they are; false: the client cannot be written to, and the caller ends the stream. What
// the client does not take at once is kept, and goes out by flushClient.
func (s *stream) tell(a, b []byte) bool {
	s.toClient += int64(len(a) + len(b))
	s.clientSeen = s.core.now()
	return s.core.send(&s.client, a, b)
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

// abort ends the stream, with no answer or with one that is not whole: the connection closes with it.
func (s *stream) abort(cause, stage byte) {
	s.blame(cause, stage)
	s.closeAll()
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
	if s.reqBody.Done() && len(e.pending()) == 0 && s.why == "" && e.quiet() || e.over() {
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
