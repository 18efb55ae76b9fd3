package proxy

import (
	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/counter"
	"github.com/evenkeel/evenkeel/h1"
	"github.com/evenkeel/evenkeel/linux/sock"
	"github.com/evenkeel/evenkeel/proxyproto"
)

// What a stream tells its server, in HTTP/1: how the request is framed, its head, its body; and the head of the answer.
// What a server of another protocol needs of its own stands here.

// frameRequest decides how the request goes on as rules left it; false: not at all, the client has its answer.
func (s *stream) frameRequest(h *h1.Head) bool {
	frame, err := h.FrameRequest()
	if err != nil {
		s.why = err.(*h1.Error).Reason
		s.blame('P', 'R')
		s.count(counter.FailedRequests)
		s.fail(500)
		return false
	}
	s.reqTransfer = frame.Transfer
	s.keepServer = s.connectionMode() == config.KeepAlive && !frame.Close
	if s.asked == h1.MethodConnect && s.method != h1.MethodConnect {
		s.keepClient = false // it takes a success for its tunnel's beginning
	}
	return true
}

// serialise writes the head as it goes to the server, with as much of the body as came along and fits.
func (s *stream) serialise(h *h1.Head) error {
	c, rest := s.core, s.rest
	// What the version means without a word is not said.
	switch {
	case s.keepServer == (s.minor >= 1), s.upgrading: // some servers want nothing beside the upgrade
		h.SetConnection(h1.ConnUnset)
	case s.keepServer:
		h.SetConnection(h1.ConnKeepAlive)
	default:
		h.SetConnection(h1.ConnClose)
	}
	s.req, s.reqOff = h.AppendTo(c.small.Get()), 0
	s.replay = true
	for len(rest) > 0 && !s.reqBody.Done() && len(s.req)+len(rest)+64 <= cap(s.req) {
		out, n, err := s.reqBody.Next(rest, c.scratch[:0], s.reqTransfer)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		s.req = append(s.req, out...)
		rest = rest[n:]
	}
	if s.reqTransfer == h1.Chunk && s.reqBody.Framing() == h1.NoBody {
		s.req = append(s.req, h1.LastChunk...)
	}
	s.message, s.rest, s.resting = nil, nil, false
	c.keep(&s.client, rest)
	return nil
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

// hearServerConnection takes from a response what the server says about the connection, as hearConnection does.
func (s *stream) hearServerConnection(h *h1.Head) {
	s.keepServer = s.keepServer && h.KeepAlive() && s.resBody.Framing() != h1.UntilClose
	h.SetConnection(h1.ConnUnset)
}

// sendProxyHeader tells a server the client's address before anything else (PROXY protocol).
func (s *stream) sendProxyHeader() {
	b := s.core.scratch[:0]
	if s.srv.Config.SendProxy == 1 {
		b = proxyproto.AppendV1(b, s.source, s.destination())
	} else {
		b = proxyproto.AppendV2(b, s.source, s.destination())
	}
	s.core.send(&s.up.endpoint, b, nil)
}
