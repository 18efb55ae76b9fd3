package probe

import (
	"strconv"
	"strings"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/h1"
	"github.com/evenkeel/evenkeel/health"
)

// response is what an HTTP server answered so far.
type response struct {
	head     h1.Head
	complete bool // the head is
	size     int  // of the head
	body     h1.Body
	method   h1.MethodID
	used     int    // bytes of the answer that body has seen
	payload  []byte // up to answerSize
	ended    bool   // the payload is all there is, or all that is looked at
}

// http runs the steps of http-check.
func (p *probe) http(steps []config.CheckStep) health.Result {
	var resp response
	result := health.Result{Status: health.L7OK}
	for i := range steps {
		s := &steps[i]
		p.step = i
		var r health.Result
		ok := false
		switch s.Kind {
		case config.StepConnect:
			r, ok = p.connect(s, version(s.SendProxy))
		case config.StepHTTPSend:
			resp = response{method: methodOf(s.Method)}
			resp.head.Reset(h1.Response, 101)
			r, ok = p.send(p.request(s))
		case config.StepExpect:
			if r, ok = p.expectHTTP(s, &resp); ok {
				result.Code = resp.head.Status()
			}
			if r.Status == health.L7OKC {
				return r
			}
		default:
			r = health.Result{Status: health.SockErr, Info: "tcp-check step in http-check"}
		}
		if !ok {
			return r
		}
	}
	return result
}

func methodOf(m string) h1.MethodID {
	switch m {
	case "HEAD":
		return h1.MethodHead
	case "CONNECT":
		return h1.MethodConnect
	}
	return h1.MethodOther
}

// request is what a send step asks. HTTP/1.1 servers are told that nothing follows.
func (p *probe) request(s *config.CheckStep) []byte {
	var b strings.Builder
	b.WriteString(s.Method + " " + s.URI + " " + s.Version + "\r\n")
	length := false
	for _, h := range s.Headers {
		b.WriteString(h[0] + ": " + h[1] + "\r\n")
		length = length || strings.EqualFold(h[0], "content-length") || strings.EqualFold(h[0], "transfer-encoding")
	}
	if p.t.Check.SendState && p.t.State != nil {
		b.WriteString("X-Haproxy-Server-State: " + p.t.State() + "\r\n")
	}
	if s.Body != "" && !length {
		b.WriteString("Content-Length: " + strconv.Itoa(len(s.Body)) + "\r\n")
	}
	if s.Version != "HTTP/1.0" {
		b.WriteString("Connection: close\r\n")
	}
	b.WriteString("\r\n" + s.Body)
	return []byte(b.String())
}

// expectHTTP judges the response; ok is false if the check ends here.
func (p *probe) expectHTTP(s *config.CheckStep, resp *response) (r health.Result, ok bool) {
	if r, ok = p.readHead(resp); !ok {
		return r, false
	}
	e := &s.Expect
	status := resp.head.Status()
	if status == 404 && p.t.Check.DisableOn404 {
		return health.Result{Status: health.L7OKC, Code: 404}, false
	}
	switch e.What {
	case config.ExpectString, config.ExpectRegexp:
		return p.expectBody(s, resp)
	}
	if matchesHead(e, &resp.head) != e.Negate {
		return r, true
	}
	return health.Result{Status: health.L7STS, Code: status, Info: comment(string(resp.head.Reason()), s)}, false
}

func matchesHead(e *config.Expect, h *h1.Head) bool {
	switch e.What {
	case config.ExpectStatus:
		if e.Default {
			return h.Status() >= 200 && h.Status() <= 399
		}
		for _, in := range e.Statuses {
			if h.Status() >= in[0] && h.Status() <= in[1] {
				return true
			}
		}
	case config.ExpectStatusRegexp:
		return e.Pattern.Match(strconv.AppendInt(nil, int64(h.Status()), 10))
	case config.ExpectHeader:
		return hasHeader(h, e.Header, e.Value)
	}
	return false
}

// hasHeader looks for a field; with a value, for one whose list has it.
func hasHeader(h *h1.Head, name, value string) bool {
	for i := h.Index(name, 0); i >= 0; i = h.Index(name, i+1) {
		if value == "" {
			return true
		}
		_, list := h.Field(i)
		for element := range strings.SplitSeq(string(list), ",") {
			if strings.Trim(element, " \t") == value {
				return true
			}
		}
	}
	return false
}

// readHead waits for a response's head.
func (p *probe) readHead(resp *response) (r health.Result, ok bool) {
	for !resp.complete {
		n, err := resp.head.Parse(p.answer)
		switch {
		case err != nil, n == 0 && p.closed:
			return health.Result{Status: health.L7RSP}, false
		case n > 0:
			resp.complete, resp.size, resp.used = true, n, n
			resp.body = resp.head.ResponseBody(resp.method)
			return r, true
		}
		if r, ok = p.read(); !ok {
			return r, false
		}
	}
	return r, true
}

// expectBody waits until the body matches, or is whole.
func (p *probe) expectBody(s *config.CheckStep, resp *response) (r health.Result, ok bool) {
	e := &s.Expect
	for {
		if !resp.take(p) {
			return health.Result{Status: health.L7RSP, Info: comment("HTTP content check did not match", s)}, false
		}
		switch {
		case len(resp.payload) > 0 && matches(e, resp.payload):
			if e.Negate {
				return health.Result{Status: health.L7RSP,
					Info: comment("HTTP check matched unwanted content", s)}, false
			}
			return r, true
		case resp.ended && len(resp.payload) == 0:
			return health.Result{Status: health.L7RSP,
				Info: comment("HTTP content check could not find a response body", s)}, false
		case resp.ended && e.Negate:
			return r, true
		case resp.ended:
			return health.Result{Status: health.L7RSP, Info: comment("HTTP content check did not match", s)}, false
		}
		if r, ok = p.read(); !ok {
			return r, false
		}
	}
}

// take decodes what has come of the body; false: it is no valid body.
func (resp *response) take(p *probe) bool {
	for !resp.body.Done() && resp.used < len(p.answer) {
		out, n, err := resp.body.Next(p.answer[resp.used:], nil, h1.Unchunk)
		if err != nil {
			return false
		}
		resp.payload = append(resp.payload, out...)
		resp.used += n
		if n == 0 {
			break
		}
	}
	resp.ended = resp.body.Done() || p.closed
	return true
}

func comment(info string, s *config.CheckStep) string {
	if s.Comment == "" {
		return info
	}
	return info + " comment: " + s.Comment
}
