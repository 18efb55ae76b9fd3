package proxy

import (
	"bytes"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/counter"
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
	// Host, Origin, Referer and FetchSite (Sec-Fetch-Site) say whether another site's page had the request sent.
	Host, Origin, Referer, FetchSite string
	Body                             []byte // of a POST, at most maxAppletBody bytes
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

// Limits of the statistics pages of an engine, for all who ask for them.
//
// Differs from HAProxy: it makes a page piece by piece as the client reads; here a page is made at once, on a
// goroutine.
const (
	pageMakers = 2        // pages being made at a time; others wait their turn
	pageBytes  = 32 << 20 // bytes of pages that clients have not read yet; then 503 until they have
)

// And of one page; variables for tests alone.
var (
	pageMaking = 10 * time.Second // to wait for a turn and be made; then 503
	// to be read from then on, however steadily the client reads; then the connection ends
	pageDelivery = 60 * time.Second
)

// pageLimits are what an engine's pages share.
type pageLimits struct {
	mu      sync.Mutex
	making  int
	waiting []*appletCall
	unread  atomic.Int64 // bytes
}

// appletCall ties a stream to a request that is being answered elsewhere.
type appletCall struct {
	req  AppletRequest
	dead atomic.Bool // the stream has gone
	done func(AppletReply)
}

func (a *appletCall) cancel() { a.dead.Store(true) }

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
	if !bytes.HasPrefix(h.PathQuery(), []byte(page.URI)) || s.core.engine.opts.Applet == nil {
		return false
	}
	switch s.method {
	case h1.MethodGet, h1.MethodHead, h1.MethodPost:
	default:
		return false
	}
	call := &appletCall{req: AppletRequest{Page: page, Proxy: p.cfg, Method: string(h.Method()),
		URI: string(h.PathQuery())}}
	if v, ok := h.Find("Authorization"); ok {
		call.req.Authorization = string(v)
	}
	for _, field := range [...]struct {
		name string
		to   *string
	}{{"Host", &call.req.Host}, {"Origin", &call.req.Origin}, {"Referer", &call.req.Referer},
		{"Sec-Fetch-Site", &call.req.FetchSite}} {
		if v, ok := h.Find(field.name); ok {
			*field.to = string(v)
		}
	}
	x := s.context(sample.Request)
	for i := range page.Rules {
		if r := &page.Rules[i]; r.Cond.Match(x) {
			call.req.Denied = r.Do != config.ActAllow
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
	s.queueAt, s.connectedAt = s.headAt, s.core.now() // a page has no queue, and is served at once
	if call.req.Denied {
		s.refuse()
	} else {
		s.blame('L', 'R')
		s.count(counter.Intercepted)
	}
	s.nameRequest()
	s.dropHead()
	s.keepRest()
	if s.reqBody.Done() || call.req.Denied {
		s.startApplet()
	} else {
		s.enter(phaseCollect)
	}
	return true
}

// startApplet has the answer made on a goroutine.
//
// Differs from HAProxy: a client that is not allowed to see a statistics page, or has yet to give a password, keeps its
// connection; the log has the status that it got. 2.6 logs 400 and closes without having announced it.
func (s *stream) startApplet() {
	s.enter(phaseApplet)
	call, core := s.applet, s.core
	call.done = func(reply AppletReply) {
		core.loop.Post(func() {
			if call.dead.Load() {
				return
			}
			defer s.guard()
			s.applet = nil
			unread := &core.engine.pageLimits.unread
			if unread.Load()+int64(len(reply.Body)) > pageBytes && unread.Load() > 0 {
				s.fail(503)
			} else {
				s.unread = int64(len(reply.Body))
				unread.Add(s.unread)
				s.answer(reply.Status, append(statusLine(nil, reply.Status),
					withLength(reply.Header, len(reply.Body))...), reply.Body)
				if !s.gone {
					s.responseAt, s.gotHead = core.now(), true // the page is the response of a server, to the log
				}
			}
			s.advance()
		})
	}
	core.engine.makePage(call)
}

// makePage has a page made as soon as fewer than pageMakers are.
func (e *Engine) makePage(call *appletCall) {
	l := &e.pageLimits
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.making == pageMakers {
		l.waiting = append(l.waiting, call)
		return
	}
	l.making++
	go e.makePages(call)
}

// makePages makes one page, then those that wait.
func (e *Engine) makePages(call *appletCall) {
	l := &e.pageLimits
	for {
		if !call.dead.Load() { // a client that has gone needs none
			call.done(e.ask(call))
		}
		l.mu.Lock()
		if len(l.waiting) == 0 {
			l.making--
			l.mu.Unlock()
			return
		}
		call = l.waiting[0]
		l.waiting[0] = nil
		l.waiting = l.waiting[1:]
		l.mu.Unlock()
	}
}

// pageRead is called when nothing more of a page is to be sent.
func (s *stream) pageRead() {
	if s.unread > 0 {
		s.core.engine.pageLimits.unread.Add(-s.unread)
		s.unread = 0
	}
}

// pageTimeout ends the wait for a page that is not made in time.
func (s *stream) pageTimeout() {
	s.applet.cancel()
	s.applet = nil
	s.blame('R', 'R')
	s.fail(503)
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
