package proxy

import (
	"bytes"
	"net/netip"
	"strconv"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/h1"
	"github.com/evenkeel/evenkeel/sample"
)

// AppletRequest is a request for the statistics page. It is a copy: the applet may keep it.
type AppletRequest struct {
	Page          *config.StatsPage
	Proxy         *config.Proxy // that holds the page
	Method        string
	URI           string
	Authorization string // the field's value
	// Host, Origin and FetchSite (Sec-Fetch-Site) say whether another site's page had the request sent.
	Host, Origin, FetchSite string
	Body                    []byte // of a POST, at most maxAppletBody bytes
	Client                  netip.AddrPort
	// Admin says that a stats admin condition holds for this request.
	Admin bool
	// Denied says that a stats http-request deny rule holds.
	Denied bool
}

// AppletReply is the answer.
type AppletReply struct {
	Status int
	Header []byte // whole lines, each with CRLF; nothing about length or connection
	Body   []byte
}

const maxAppletBody = 16 << 10

// appletCall ties a stream to a request that is being answered elsewhere.
type appletCall struct {
	req  AppletRequest
	dead bool // the stream has gone; only its own core looks
}

func (a *appletCall) cancel() { a.dead = true }

// body takes a piece of the request's body; false: too much.
func (a *appletCall) body(b []byte) bool {
	if len(a.req.Body)+len(b) > maxAppletBody {
		return false
	}
	a.req.Body = append(a.req.Body, b...)
	return true
}

// statsRequest takes a request for the proxy's statistics page; false: it is none.
func (s *stream) statsRequest(p *proxy) bool {
	h, page := s.head, p.cfg.Stats
	if !bytes.HasPrefix(h.URI(), []byte(page.URI)) || s.core.engine.opts.Applet == nil {
		return false
	}
	switch s.method {
	case h1.MethodGet, h1.MethodHead, h1.MethodPost:
	default:
		return false
	}
	call := &appletCall{req: AppletRequest{Page: page, Proxy: p.cfg, Method: string(h.Method()), URI: string(h.URI()), Client: s.source}}
	if v, ok := h.Find("Authorization"); ok {
		call.req.Authorization = string(v)
	}
	for _, field := range [...]struct {
		name string
		to   *string
	}{{"Host", &call.req.Host}, {"Origin", &call.req.Origin}, {"Sec-Fetch-Site", &call.req.FetchSite}} {
		if v, ok := h.Find(field.name); ok {
			*field.to = string(v)
		}
	}
	x := s.context(sample.Request)
	for i := range page.Rules {
		if r := &page.Rules[i]; r.Cond.Match(x) {
			call.req.Denied = r.Do == config.ActDeny
			break
		}
	}
	for _, cond := range page.Admin {
		if cond.Match(x) {
			call.req.Admin = true
			break
		}
	}
	s.applet, s.fromStats = call, true
	s.be = p
	s.blame('L', 'R')
	s.count(intercepted)
	s.nameRequest()
	s.dropHead()
	s.keepRest()
	if s.reqBody.Done() {
		s.startApplet()
	} else {
		s.enter(phaseCollect)
	}
	return true
}

// startApplet has the answer made on a goroutine.
func (s *stream) startApplet() {
	s.enter(phaseApplet)
	call, core := s.applet, s.core
	go func() {
		reply := core.engine.ask(call)
		core.loop.Post(func() {
			if call.dead {
				return
			}
			defer s.guard()
			s.applet = nil
			s.answer(reply.Status, append(statusLine(nil, reply.Status), withLength(reply.Header, len(reply.Body))...), reply.Body)
			s.advance()
		})
	}()
}

// ask has the applet answer; where it panics, with 500.
func (e *Engine) ask(call *appletCall) (reply AppletReply) {
	defer func() {
		if cause := recover(); cause != nil {
			e.panicked(time.Now(), "a statistics page", e.of[call.req.Proxy], cause)
			reply = AppletReply{Status: 500}
		}
	}()
	return e.opts.Applet(&call.req)
}

func withLength(header []byte, n int) []byte {
	b := strconv.AppendInt([]byte("content-length: "), int64(n), 10)
	return append(append(b, "\r\n"...), header...)
}
