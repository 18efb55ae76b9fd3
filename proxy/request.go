package proxy

import (
	"net/netip"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/counter"
	"github.com/evenkeel/evenkeel/h1"
	"github.com/evenkeel/evenkeel/sample"
)

// readRequest reads a request's head and hands it on.
func (s *stream) readRequest() bool {
	c, e := s.core, &s.client
	var data []byte
	full := false
	if s.phase == phaseIdle {
		if data = c.read(e); len(data) == 0 {
			return s.endIdle()
		}
		s.firstByte()
	} else {
		var grown bool
		if data, grown, full = c.readMore(e); !grown && !full {
			if e.over() {
				s.requestAborted()
				return true
			}
			return false
		}
	}
	s.clientSeen = c.now()
	n, err := s.head.Parse(data)
	limit := c.engine.headLimit
	switch {
	case err != nil:
		s.countRequest()
		s.badRequest(data, err.(*h1.Error))
	case n == 0 && (full || len(data) >= limit), n > limit:
		s.countRequest()
		s.rememberStart(data)
		s.badRequest(data, &tooLong)
	case n == 0:
		c.keep(e, data)
		return true
	default:
		s.handle(data)
	}
	return true
}

var tooLong = h1.Error{Status: 400, Reason: "the head is longer than the buffer"}

// firstByte begins a request.
func (s *stream) firstByte() {
	s.began, s.begunWall = s.core.now(), s.core.loop.Wall()
	s.head = s.core.head()
	s.head.Reset(h1.Request, s.core.engine.cfg.Global.MaxHeaders)
	s.number++
	s.takeSerial()
	s.phase, s.phaseStart = phaseHead, s.began
}

// nothingCame begins a request of which there is no byte: one that was waited for since the connection was accepted,
// or that ends a kept connection now.
func (s *stream) nothingCame() {
	s.began, s.begunWall = s.core.now(), s.core.loop.Wall()
	if s.first {
		s.began, s.begunWall = s.born, s.accepted
	}
}

// takeSerial numbers what will have a log line (%rt).
func (s *stream) takeSerial() { s.serial = s.core.engine.serial.Add(1) - 1 }

// endIdle looks why an idle client has nothing to read.
func (s *stream) endIdle() bool {
	if !s.client.over() {
		return false
	}
	if !s.first {
		s.destroy()
		return false
	}
	s.nothingCame()
	if s.fe.cfg.Options.IgnoreProbes {
		s.destroy()
		return false
	}
	s.logged = s.fe.cfg.Options.DontLogNull
	s.takeSerial()
	s.requestAborted()
	return true
}

// requestAborted: the client went away in the middle of a head.
func (s *stream) requestAborted() {
	s.rememberStart(s.client.pending())
	s.bad = true
	s.countRequest()
	s.count(counter.ClientAborts)
	s.count(counter.FailedRequests)
	s.blame('C', 'R')
	s.fail(400) // it may have closed its sending side only
}

// requestTimeout: the head did not come in time.
func (s *stream) requestTimeout(some bool) {
	if !some && (!s.first || s.core.draining) {
		s.logged = true
		s.destroy()
		return
	}
	if s.phase == phaseIdle {
		s.nothingCame()
		if s.fe.cfg.Options.IgnoreProbes || s.fe.cfg.Options.DontLogNull && !some {
			s.logged = true
		}
		if s.fe.cfg.Options.IgnoreProbes {
			s.destroy()
			return
		}
		s.takeSerial()
	}
	s.rememberStart(s.client.pending())
	s.bad = true
	s.blame('c', 'R')
	s.countRequest()
	s.count(counter.FailedRequests)
	s.fail(408)
}

// badRequest answers a head that must not go further.
func (s *stream) badRequest(data []byte, err *h1.Error) {
	s.bad = true
	s.why = err.Reason
	s.blame('P', 'R')
	s.count(counter.FailedRequests)
	s.core.engine.saveBad(s, data, err)
	s.fail(err.Status)
}

// rememberStart keeps what there is of the first line, for the log.
func (s *stream) rememberStart(data []byte) {
	if s.head != nil {
		s.head.Rebase(data)
	}
}

// handle takes a complete head in and begins to process it. message are its bytes and what came behind them.
func (s *stream) handle(message []byte) {
	h := s.head
	s.headAt, s.headSize = s.core.now(), int64(h.Size())
	s.asked, s.method, s.minor = h.MethodID(), h.MethodID(), uint8(h.Minor())
	s.rememberLine(h)
	s.reqBody = h.RequestBody()
	s.hearConnection(h)
	s.message, s.rest, s.resting = message, message[h.Size():], true
	s.process()
}

// nameRequest makes the unique ID while the head is there, which its format may ask.
func (s *stream) nameRequest() {
	if s.fe.cfg.UniqueID != nil && !s.uniqueID.there && s.head != nil && s.head.Complete() {
		s.UniqueID(s.context(sample.Request))
	}
}

// dropHead gives the request's head up.
func (s *stream) dropHead() {
	if h := s.head; h != nil {
		s.head = nil
		s.core.dropHead(h)
	}
}

// targetLimit is how many bytes of a target the log has, as with HAProxy.
const targetLimit = 1023

// rememberLine keeps the request line for the log.
func (s *stream) rememberLine(h *h1.Head) {
	s.line = append(s.line[:0], h.Method()...)
	s.methodEnd = len(s.line)
	uri := h.URI()
	s.line = append(s.line, uri[:min(len(uri), targetLimit)]...)
	s.uriEnd = len(s.line)
	s.line = append(s.line, h.Version()...)
	s.versionEnd = len(s.line)
}

// forgetLine makes the log say <BADREQ>.
func (s *stream) forgetLine() { s.methodEnd, s.uriEnd, s.versionEnd = 0, 0, 0 }

func (s *stream) fillLine(r *sample.Record) {
	r.Method, r.URI, r.Version = s.line[:s.methodEnd], s.line[s.methodEnd:s.uriEnd], s.line[s.uriEnd:s.versionEnd]
}

// connectionMode is the stricter of the frontend's and the backend's.
func (s *stream) connectionMode() config.ConnMode {
	return max(s.fe.cfg.Options.Connection, s.be.cfg.Options.Connection)
}

// prepareHead makes the head one for the next hop.
func (s *stream) prepareHead(h *h1.Head) {
	s.upgrading = h.UpgradeLeft() && s.minor >= 1
	for _, f := range [2]*config.Forwardfor{s.fe.cfg.Options.Forwardfor, s.be.cfg.Options.Forwardfor} {
		if f != nil && s.source.IsValid() {
			s.addAddress(h, f, s.source)
		}
		if s.be == s.fe {
			break
		}
		if s.fe.cfg.Options.Forwardfor != nil && f != nil {
			break // once: the frontend's
		}
	}
	if o := s.fe.cfg.Options.Originalto; o != nil {
		s.addAddress(h, o, s.destination())
	} else if o := s.be.cfg.Options.Originalto; o != nil {
		s.addAddress(h, o, s.destination())
	}
	if name := s.fe.cfg.UniqueIDHeader; name != "" && s.fe.cfg.UniqueID != nil {
		h.Add(name, s.UniqueID(s.context(sample.Request)))
	}
}

// addAddress adds an address header (option forwardfor, originalto).
func (s *stream) addAddress(h *h1.Head, f *config.Forwardfor, addr netip.AddrPort) {
	if !addr.IsValid() || f.Except.IsValid() && f.Except.Contains(addr.Addr()) {
		return
	}
	if f.IfNone {
		if _, ok := h.Find(f.Header); ok {
			return
		}
	}
	if addr == s.source {
		ip, _ := s.spell()
		h.Add(f.Header, ip)
		return
	}
	var b [48]byte
	h.Add(f.Header, addr.Addr().AppendTo(b[:0]))
}

// keepRest stores what was read behind the head where the client's next bytes are looked for. The
// head must not be used any more.
func (s *stream) keepRest() {
	if s.resting {
		s.core.keep(&s.client, s.rest)
		s.message, s.rest, s.resting = nil, nil, false
	}
}

// collect gathers a body of known length for an applet.
func (s *stream) collect() bool {
	c, e := s.core, &s.client
	for !s.reqBody.Done() {
		data := c.read(e)
		if len(data) == 0 {
			if e.over() {
				s.count(counter.ClientAborts)
				s.abort('C', 'R')
			}
			return false
		}
		s.clientSeen = c.now()
		for len(data) > 0 && !s.reqBody.Done() {
			out, n, err := s.reqBody.Next(data, c.scratch[:0], h1.Unchunk)
			if err != nil || !s.applet.body(out) {
				s.keepClient = false // the rest of the body is nobody's request
				s.blame('P', 'R')
				s.fail(400)
				return true
			}
			data = data[n:]
			if n == 0 {
				break
			}
		}
		c.keep(e, data)
	}
	s.startApplet()
	return true
}

// monitored says whether the request is one of a monitor (monitor-uri): a path is compared with the target's path and
// query, anything else with the whole target.
func (p *proxy) monitored(h *h1.Head) bool {
	uri := p.cfg.MonitorURI
	if uri == "" {
		return false
	}
	if uri[0] == '/' {
		return string(h.PathQuery()) == uri
	}
	return string(h.URI()) == uri
}

// monitor answers a monitor: 200, or 503 when a monitor fail rule says so.
func (s *stream) monitor() {
	x := s.context(sample.Request)
	s.logged = true
	s.count(counter.Intercepted)
	for _, cond := range s.fe.cfg.MonitorFail {
		if cond.Match(x) {
			s.blame('L', 'R')
			s.fail(503)
			return
		}
	}
	s.blame('L', 'R')
	s.fail(200)
}

// captureRequest keeps the headers the log wants.
func (s *stream) captureRequest(h *h1.Head) {
	caps := &s.fe.cfg.Captures
	for i := range caps.Request {
		var got span
		if caps.Request[i].Name != "" {
			if at := lastField(h, caps.Request[i].Name); at >= 0 {
				_, v := h.Field(at)
				got = s.remember(v, caps.Request[i].Len)
			}
		}
		s.captured = append(s.captured, got)
	}
	for range caps.Response {
		s.captured = append(s.captured, span{})
	}
	if caps.Cookie != "" {
		s.captureCookie(h, "Cookie", &s.cookieReq)
	}
}

// captureResponse does the same for the response.
func (s *stream) captureResponse(h *h1.Head) {
	caps := &s.fe.cfg.Captures
	for i := range caps.Response {
		if caps.Response[i].Name == "" {
			continue
		}
		if at := lastField(h, caps.Response[i].Name); at >= 0 {
			_, v := h.Field(at)
			s.captured[len(caps.Request)+i] = s.remember(v, caps.Response[i].Len)
		}
	}
	if caps.Cookie != "" {
		s.captureCookie(h, "Set-Cookie", &s.cookieRes)
	}
}

// lastField is the last field of that name: the one the reference captures.
func lastField(h *h1.Head, name string) int {
	found := -1
	for i := h.Index(name, 0); i >= 0; i = h.Index(name, i+1) {
		found = i
	}
	return found
}
