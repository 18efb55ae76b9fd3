package proxy

import (
	"bytes"
	"net/http"
	"strconv"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/h1"
	"github.com/evenkeel/evenkeel/sample"
)

// page is a response made here: a head without its empty line, without fields about
// the connection, and a body.
type page struct {
	status int
	head   []byte
	body   []byte
}

// words are the phrases and the sentences of our own answers.
var words = map[int]string{
	200: "The service is ready.",
	400: "The request could not be understood.",
	401: "You need a valid user name and password to see this.",
	403: "You are not allowed to do this.",
	404: "There is nothing here by that name.",
	405: "This method is not allowed here.",
	407: "You need a valid user name and password.",
	408: "The request did not arrive in time.",
	410: "What was here is gone for good.",
	413: "The request is larger than what is accepted here.",
	421: "The request came to the wrong place.",
	422: "The request is well formed but cannot be followed.",
	425: "Please send the request again a little later.",
	429: "You have sent too many requests in a short time.",
	500: "Something went wrong inside the proxy.",
	501: "This is not supported here.",
	502: "The server behind this address gave an answer that cannot be used.",
	503: "No server is ready for this request.",
	504: "The server behind this address did not answer in time.",
}

// phrases are the reference's where it differs from the standard's.
var phrases = map[int]string{400: "Bad request", 408: "Request Time-out", 504: "Gateway Time-out", 500: "Internal Server Error"}

func phrase(status int) string {
	if p, ok := phrases[status]; ok {
		return p
	}
	if p := http.StatusText(status); p != "" {
		return p
	}
	return "Status " + strconv.Itoa(status)
}

// ownPage is the answer with a status when the configuration has none.
func ownPage(status int) *page {
	title := strconv.Itoa(status) + " " + phrase(status)
	body := "<html><body><h1>" + title + "</h1>\n" + words[status] + "\n</body></html>\n"
	head := "HTTP/1.1 " + title + "\r\ncontent-length: " + strconv.Itoa(len(body)) + "\r\ncache-control: no-cache\r\ncontent-type: text/html\r\n"
	return &page{status: status, head: []byte(head), body: []byte(body)}
}

// filePage is an errorfile: a whole response as its writer meant it, with the fields about
// the connection left to us.
func filePage(status int, raw []byte) *page {
	var h h1.Head
	h.Reset(h1.Response, 101)
	n, err := h.Parse(raw)
	if err != nil || n == 0 {
		return &page{status: status, body: raw} // sent as it stands, and the connection closed
	}
	h.SetConnection(h1.ConnUnset)
	body := raw[n:]
	if h.ContentLength() < 0 && !h.Chunked() || h.ContentLength() != int64(len(body)) {
		h.Del("Content-Length")
		h.Del("Transfer-Encoding")
		h.AddString("content-length", strconv.Itoa(len(body)))
	}
	head := h.AppendTo(nil)
	return &page{status: h.Status(), head: head[:len(head)-2], body: body}
}

// page finds the answer for a status: the backend's, the frontend's, ours.
func (s *stream) page(status int) *page {
	for _, p := range [2]*proxy{s.be, s.fe} {
		if pg := p.pages[status]; pg != nil {
			return pg
		}
	}
	if pg := s.core.engine.pages[status]; pg != nil {
		return pg
	}
	return s.core.engine.pages[500]
}

// fail answers with an error page, or with its errorloc redirect. A stream that is not
// HTTP just ends.
func (s *stream) fail(status int) {
	if s.head != nil && s.phase != phaseHead {
		s.core.dropHead(s.head)
		s.head = nil
	}
	s.releaseServer(false)
	if !s.fe.http {
		s.closeAll()
		return
	}
	for _, p := range [2]*proxy{s.be, s.fe} {
		if to, ok := p.cfg.ErrorLoc[status]; ok {
			s.redirectTo(&to)
			s.status = status // what the log tells
			return
		}
	}
	p := s.page(status)
	if s.bad || status == 408 || s.cause == 'C' {
		s.keepClient = false
	}
	s.answer(status, p.head, p.body)
}

// answer sends a response made here. head has no empty line yet. The request's body, if it
// is not all there, is not waited for: the connection closes.
func (s *stream) answer(status int, head, body []byte) {
	c := s.core
	s.status = status
	s.consumeRequest()
	s.releaseServer(false)
	s.countStatus(status)
	b := append(c.headBuffer[:0], head...)
	if len(head) > 0 {
		switch {
		case !s.keepClient:
			b = append(b, "connection: close\r\n"...)
		case s.minor == 0:
			b = append(b, "connection: keep-alive\r\n"...)
		}
		b = append(b, '\r', '\n')
	} else {
		s.keepClient = false
	}
	b = s.afterAnswer(b)
	if s.method == h1.MethodHead && !s.bad {
		body = nil
	}
	s.toClient += int64(len(b) + len(body))
	s.responseAt = none
	s.dropRequest()
	ok := c.send(&s.client, b, body)
	s.clientSeen = c.now()
	s.dropHeadLater()
	if !ok {
		s.countClientAbort()
		s.closeAll()
		return
	}
	s.enter(phaseDrain)
}

// dropHeadLater: a head that was refused has no more use.
func (s *stream) dropHeadLater() {
	if s.head != nil {
		s.core.dropHead(s.head)
		s.head = nil
	}
}

// consumeRequest takes the request's body out of what is there, so that the next request can follow; if there is
// more to come, the connection ends after the answer.
func (s *stream) consumeRequest() {
	s.keepRest()
	if s.bad {
		s.keepClient = false
		return
	}
	c, e := s.core, &s.client
	data := e.pending()
	for len(data) > 0 && !s.reqBody.Done() {
		_, n, err := s.reqBody.Next(data, c.scratch[:0], h1.AsIs)
		if err != nil || n == 0 {
			break
		}
		data = data[n:]
	}
	c.keep(e, data)
	if !s.reqBody.Done() {
		s.keepClient = false
	}
}

// afterAnswer applies http-after-response to a response made here.
func (s *stream) afterAnswer(raw []byte) []byte {
	if len(s.fe.cfg.Rules.HTTPAfter) == 0 && len(s.be.cfg.Rules.HTTPAfter) == 0 {
		return raw
	}
	h := s.core.response
	h.Reset(h1.Response, s.core.engine.cfg.Global.MaxHeaders)
	text := append([]byte(nil), raw...)
	if n, err := h.Parse(text); err != nil || n == 0 {
		return raw
	}
	s.afterRules(h)
	return h.AppendTo(raw[:0])
}

// giveReply sends a Reply of the configuration.
func (s *stream) giveReply(r *config.Reply, x *sample.Context) {
	if r.Raw != nil {
		p := filePage(r.Status, r.Raw)
		s.answer(p.status, p.head, p.body)
		return
	}
	if r.Page {
		s.fail(r.Status)
		return
	}
	var body []byte
	if r.Body != nil {
		body = r.Body.Append(nil, x)
	}
	b := statusLine(nil, r.Status)
	b = append(strconv.AppendInt(append(b, "content-length: "...), int64(len(body)), 10), "\r\n"...)
	if r.ContentType != "" && r.Body != nil {
		b = append(append(append(b, "content-type: "...), r.ContentType...), "\r\n"...)
	}
	for i := range r.Headers {
		b = append(append(b, r.Headers[i].Name...), ": "...)
		from := len(b)
		b = r.Headers[i].Value.Append(b, x)
		b = append(cleanValue(b, from), "\r\n"...)
	}
	s.answer(r.Status, b, body)
}

// cleanValue keeps a computed value from ending its line.
func cleanValue(b []byte, from int) []byte {
	for i := from; i < len(b); i++ {
		if b[i] == '\r' || b[i] == '\n' || b[i] == 0 {
			b[i] = ' '
		}
	}
	return b
}

func statusLine(b []byte, status int) []byte {
	b = strconv.AppendInt(append(b, "HTTP/1.1 "...), int64(status), 10)
	return append(append(append(b, ' '), phrase(status)...), "\r\n"...)
}

// redirect answers with a Location; false: there is nothing to redirect to.
func (s *stream) redirect(r *config.Redirect, x *sample.Context) bool {
	c := s.core
	b := c.scratch[:0]
	switch h := s.head; r.Kind {
	case config.RedirectLocation:
		b = r.To.Append(b, x)
	case config.RedirectPrefix:
		b = r.To.Append(b, x)
		if len(b) == 1 && b[0] == '/' {
			b = b[:0]
		}
		b = appendTarget(b, h, r)
	case config.RedirectScheme:
		b = r.To.Append(b, x)
		b = append(b, "://"...)
		if host, ok := h.Find("Host"); ok {
			b = append(b, host...)
		}
		b = appendTarget(b, h, r)
	}
	if r.IgnoreEmpty && len(b) == 0 {
		return false
	}
	b = cleanValue(b, 0)
	out := statusLine(nil, r.Code)
	out = append(out, "content-length: 0\r\nlocation: "...)
	out = append(append(out, b...), "\r\n"...)
	if r.SetCookie != "" {
		out = append(append(append(out, "set-cookie: "...), r.SetCookie...), "\r\n"...)
	}
	if r.Code == 302 || r.Code == 303 || r.Code == 307 {
		out = append(out, "cache-control: no-cache\r\n"...)
	}
	s.blame('L', 'R')
	s.count(intercepted)
	s.answer(r.Code, out, nil)
	return true
}

// appendTarget adds the request's path and query.
func appendTarget(b []byte, h *h1.Head, r *config.Redirect) []byte {
	path := h.Path()
	b = append(b, path...)
	if r.DropQuery {
		if r.AppendSlash && !bytes.HasSuffix(path, []byte("/")) {
			b = append(b, '/')
		}
		return b
	}
	if hasQuery(h.URI()) {
		b = append(append(b, '?'), h.Query()...)
	}
	return b
}

// redirectTo is an errorloc.
func (s *stream) redirectTo(to *config.Redirect) {
	x := s.context(sample.Log)
	out := statusLine(nil, to.Code)
	out = append(out, "cache-control: no-cache\r\ncontent-length: 0\r\nlocation: "...)
	out = append(cleanValue(to.To.Append(out, x), len(out)), "\r\n"...)
	s.answer(to.Code, out, nil)
}

// silentDrop leaves the client without a word, as far as the kernel allows.
func (s *stream) silentDrop() {
	s.status = -1
	s.closeAll()
}

// redirectToServer sends the client to the server itself (redir).
func (s *stream) redirectToServer() {
	out := append(statusLine(nil, 302), "cache-control: no-cache\r\ncontent-length: 0\r\nlocation: "...)
	from := len(out)
	out = append(append(out, s.srv.cfg.Redir...), s.line[s.methodEnd:s.uriEnd]...)
	out = append(cleanValue(out, from), "\r\n"...)
	s.blame('L', 'C')
	s.keepClient = false
	s.answer(302, out, nil)
}
