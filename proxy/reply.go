package proxy

import (
	"bytes"
	"net/http"
	"strconv"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/counter"
	"github.com/evenkeel/evenkeel/h1"
	"github.com/evenkeel/evenkeel/sample"
)

// page is a response made here: a head without its empty line, without fields about
// the connection, and a body.
type page struct {
	status int
	head   []byte
	body   []byte
	close  bool // its file says that the connection ends
}

// words are the sentences of our own pages.
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
var phrases = map[int]string{400: "Bad request", 408: "Request Time-out", 504: "Gateway Time-out",
	500: "Internal Server Error"}

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
	head := "HTTP/1.1 " + title + "\r\ncontent-length: " + strconv.Itoa(len(body)) +
		"\r\ncache-control: no-cache\r\ncontent-type: text/html\r\n"
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
	close := !h.KeepAlive()
	h.SetConnection(h1.ConnUnset)
	body := raw[n:]
	if h.ContentLength() < 0 && !h.Chunked() || h.ContentLength() != int64(len(body)) {
		h.Del("Content-Length")
		h.Del("Transfer-Encoding")
		h.AddString("content-length", strconv.Itoa(len(body)))
	}
	head := h.AppendTo(nil)
	return &page{status: h.Status(), head: head[:len(head)-2], body: body, close: close}
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
	s.nameRequest()
	if s.phase != phaseHead {
		s.dropHead()
	}
	s.releaseServer(false)
	if !s.fe.http {
		s.closeAll()
		return
	}
	for _, p := range [2]*proxy{s.be, s.fe} {
		if to, ok := p.cfg.ErrorLoc[status]; ok {
			s.redirectTo(&to, status)
			return
		}
	}
	p := s.page(status)
	if s.bad || status == 408 || s.cause == 'C' || p.close {
		s.keepClient = false
	}
	s.answer(status, p.head, p.body)
}

// answer sends a response made here. head has no empty line yet. The request's body, if it
// is not all there, is not waited for: the connection closes.
func (s *stream) answer(status int, head, body []byte) {
	s.status = status
	s.nameRequest()
	s.dropHead() // its bytes go now
	s.consumeRequest()
	s.releaseServer(false)
	s.responseAt = none
	var told bool
	switch {
	case len(head) == 0:
		s.keepClient = false // the file of a page that is sent as it stands
		s.countOwn()
		told = s.tell(body, nil)
	case len(s.fe.cfg.Rules.HTTPAfter) > 0 || len(s.be.cfg.Rules.HTTPAfter) > 0:
		told = s.answerRuled(head, body)
	default:
		s.countOwn()
		told = s.tellPage(head, body)
	}
	switch {
	case s.gone: // a rule ended it
	case told:
		s.dropRequest()
		s.enter(phaseDrain)
	default:
		s.countClientAbort()
		s.closeAll()
	}
}

// countOwn counts an answer made here by its status, or by that of the error that its redirect stands for.
func (s *stream) countOwn() {
	if s.standsFor != 0 {
		s.status = s.standsFor
	}
	s.countStatus(s.status)
}

// answerRuled sends it where there are http-after-response rules, which may end the stream; false: as tell.
func (s *stream) answerRuled(head, body []byte) bool {
	h := s.core.response
	h.Reset(h1.Response, s.core.engine.cfg.Global.MaxHeaders)
	if n, err := h.Parse(append(append([]byte(nil), head...), "\r\n"...)); err != nil || n == 0 {
		s.countOwn()
		return s.tellPage(head, body) // only a file of the configuration can be such a page
	}
	if s.afterRules(h) == ended {
		return false
	}
	s.status = h.Status()
	framing := h.ResponseBody(s.understood())
	transfer, err := s.frame(h, &framing)
	if err != nil {
		s.why = err.(*h1.Error).Reason
		s.abort('P', 'H')
		return false
	}
	if transfer == h1.Drop || framing.Done() {
		body = nil
	} else if transfer == h1.Chunk {
		body, _, _ = framing.Next(body, make([]byte, 0, len(body)+64), h1.Chunk)
	}
	s.countOwn()
	return s.tellHead(h, body)
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

// giveReply sends a Reply of the configuration.
func (s *stream) giveReply(r *config.Reply, x *sample.Context) {
	if r.Raw != nil {
		p := filePage(r.Status, r.Raw)
		s.keepClient = s.keepClient && !p.close
		s.answer(p.status, p.head, p.body)
		return
	}
	if r.Page {
		s.fail(r.Status)
		return
	}
	s.status = r.Status // which the body may tell
	var body []byte
	if r.Body != nil {
		body = r.Body.Append(nil, x)
	}
	b := statusLine(nil, r.Status)
	if r.Status == 204 {
		body = nil // RFC 9110 §15.3.5, §8.6: neither a body nor a length
	} else {
		b = append(strconv.AppendInt(append(b, "content-length: "...), int64(len(body)), 10), "\r\n"...)
	}
	if r.ContentType != "" && r.Body != nil {
		b = append(h1.AppendValue(append(b, "content-type: "...), r.ContentType), "\r\n"...)
	}
	for i := range r.Headers {
		value := r.Headers[i].Value.Append(s.core.scratch[:0], x)
		switch {
		case len(value) == 0: // as the reference: none without a value
		case equalFold([]byte("connection"), r.Headers[i].Name):
			s.keepClient = s.keepClient && !bytes.Contains(bytes.ToLower(value), []byte("close")) // said by tellPage
		default:
			b = append(append(b, r.Headers[i].Name...), ": "...)
			b = append(h1.AppendValue(b, value), "\r\n"...)
		}
	}
	s.answer(r.Status, b, body)
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
		if h != nil {
			host, _ := h.Find("Host")
			b = append(b, host...)
		}
		b = appendTarget(b, h, r)
	}
	if r.IgnoreEmpty && len(b) == 0 {
		return false
	}
	out := statusLine(nil, r.Code)
	out = append(out, "content-length: 0\r\nlocation: "...)
	out = append(h1.AppendValue(out, b), "\r\n"...)
	if r.SetCookie != "" {
		out = append(h1.AppendValue(append(out, "set-cookie: "...), r.SetCookie), "\r\n"...)
	}
	if r.Code == 302 || r.Code == 303 || r.Code == 307 {
		out = append(out, "cache-control: no-cache\r\n"...)
	}
	stage := byte('R')
	if x.Response != nil {
		stage = 'H'
	}
	s.blame('L', stage)
	s.count(counter.Intercepted)
	s.answer(r.Code, out, nil)
	return true
}

// appendTarget adds the request's path and query.
func appendTarget(b []byte, h *h1.Head, r *config.Redirect) []byte {
	if h == nil {
		return b // a response's rule: the request is gone
	}
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

// redirectTo is an errorloc: log and figures tell the status that it stands for.
func (s *stream) redirectTo(to *config.Redirect, status int) {
	s.standsFor = status
	x := s.context(sample.Log)
	out := statusLine(nil, to.Code)
	out = append(out, "cache-control: no-cache\r\ncontent-length: 0\r\nlocation: "...)
	out = append(h1.AppendValue(out, to.To.Append(s.core.scratch[:0], x)), "\r\n"...)
	s.answer(to.Code, out, nil)
}

// silentDrop leaves the client without a word, and without an answer in the log.
func (s *stream) silentDrop() {
	s.status = -1
	s.closeSilently()
}

func (s *stream) closeSilently() {
	if s.client.fd >= 0 {
		s.client.silence(s.core.engine.opts.Forget)
	}
	s.closeAll()
}

// redirectToServer sends the client to the server itself (redir).
func (s *stream) redirectToServer() {
	out := append(statusLine(nil, 302), "cache-control: no-cache\r\ncontent-length: 0\r\nlocation: "...)
	out = append(h1.AppendValue(h1.AppendValue(out, s.srv.Config.Redir), s.line[s.methodEnd:s.uriEnd]), "\r\n"...)
	s.blame('L', 'C')
	s.keepClient = false
	s.answer(302, out, nil)
}
