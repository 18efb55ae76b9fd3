package proxy

import (
	"cmp"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/counter"
	"github.com/evenkeel/evenkeel/h1"
	"github.com/evenkeel/evenkeel/sample"
)

// place is where a rule of a stream may stand.
type place uint8

const (
	onContent  place = iota // tcp-request content
	onRequest               // http-request
	onResponse              // http-response
	afterwards              // http-after-response, which also sees responses made here
	places
)

// outcome is what an action did, or what a set of rules came to.
type outcome uint8

const (
	next   outcome = iota // of an action: the next rule
	passed                // no further rule of this set; the stream goes on
	ended                 // the stream has its answer, or is gone
	waits                 // for something outside; the same rule is asked again when it has come
)

// do is an action at a place: r its rule, h the head that the rules are about, nil where there is none. x is the
// context in which r's condition held.
type do func(s *stream, r *config.Rule, h *h1.Head, x *sample.Context) outcome

// action is one row of the table of actions: its name in the configuration, and what it does where. Nil: it may not
// stand there.
type action struct {
	name string
	at   [places]do
}

// actions says all there is to know about actions, but for those of tcp-request connection, which come before there is
// a stream (admissions). It is filled by init: actions may end in rules again.
var actions [config.ActClose + 1]action

func init() {
	message := func(name string, f do) action {
		return action{name, [places]do{onRequest: f, onResponse: f, afterwards: f}}
	}
	request := func(name string, f do) action { return action{name, [places]do{onRequest: f}} }
	stop := func(*stream, *config.Rule, *h1.Head, *sample.Context) outcome { return passed }
	actions = [...]action{
		config.ActAllow: {"allow", [places]do{stop, stop, stop, stop}},
		config.ActDeny: {"deny",
			[places]do{onContent: rejectContent, onRequest: denyRequest, onResponse: denyResponse}},
		config.ActTarpit: request("tarpit", tarpit),
		config.ActClose:  request("reject", rejectRequest),
		config.ActSilentDrop: {"silent-drop",
			[places]do{onContent: dropContent, onRequest: dropRequest, onResponse: dropResponse}},
		config.ActReturn:   {"return", [places]do{onRequest: replyToRequest, onResponse: replyToResponse}},
		config.ActRedirect: {"redirect", [places]do{onRequest: redirect, onResponse: redirect}},

		config.ActSetHeader:     message("set-header", setHeader),
		config.ActAddHeader:     message("add-header", addHeader),
		config.ActDelHeader:     message("del-header", removeHeader),
		config.ActReplaceHeader: message("replace-header", replaceHeader),
		config.ActReplaceValue:  message("replace-value", replaceHeader),
		config.ActSetStatus:     {"set-status", [places]do{onResponse: setStatus, afterwards: setStatus}},

		config.ActSetMethod:    request("set-method", setMethod),
		config.ActSetURI:       request("set-uri", setURI),
		config.ActSetPath:      request("set-path", setPath),
		config.ActSetPathQuery: request("set-pathq", setPathQuery),
		config.ActSetQuery:     request("set-query", setQuery),
		config.ActReplacePath:  request("replace-path", replacePath),
		config.ActReplaceURI:   request("replace-uri", replaceURI),

		config.ActSetLogLevel: {"set-log-level", [places]do{setLogLevel, setLogLevel, setLogLevel, setLogLevel}},
		config.ActCapture:     {"capture", [places]do{captureSample, captureSample, captureSample, captureSample}},
	}
}

// What ends a stream.

func denyRequest(s *stream, r *config.Rule, _ *h1.Head, x *sample.Context) outcome {
	s.refuse()
	s.denyReply(r, x, 403)
	return ended
}

func denyResponse(s *stream, r *config.Rule, _ *h1.Head, x *sample.Context) outcome {
	s.countServer(counter.DeniedResponses)
	s.front().DeniedResponses.Add(1)
	s.blame('P', 'H')
	s.denyReply(r, x, 502)
	return ended
}

func (s *stream) denyReply(r *config.Rule, x *sample.Context, fallback int) {
	switch {
	case r.Reply != nil:
		s.giveReply(r.Reply, x)
	case r.Status != 0:
		s.fail(r.Status)
	default:
		s.fail(fallback)
	}
}

// tarpit keeps a denied client waiting before it is told.
func tarpit(s *stream, r *config.Rule, _ *h1.Head, x *sample.Context) outcome {
	if !s.rules.inside {
		s.count(counter.DeniedRequests)
		if s.be.cfg.Timeouts.Tarpit > 0 {
			// Clients in a tarpit may be many: each holds as little as can be. So its page tells of the client only, as
			// with HAProxy.
			s.nameRequest()
			s.dropHead()
			s.keepRest()
			s.suspend(phaseTarpit)
			return waits
		}
	}
	s.blame('P', 'T')
	s.denyReply(r, x, 500)
	return ended
}

// rejectRequest closes without a word.
func rejectRequest(s *stream, _ *config.Rule, _ *h1.Head, _ *sample.Context) outcome {
	s.refuse()
	s.headAt = none
	s.closeAll()
	return ended
}

func dropRequest(s *stream, _ *config.Rule, _ *h1.Head, _ *sample.Context) outcome {
	s.refuse()
	s.headAt = none
	s.silentDrop()
	return ended
}

func dropResponse(s *stream, _ *config.Rule, _ *h1.Head, _ *sample.Context) outcome {
	s.refuse() // of the request, as the reference counts it
	s.responseAt, s.gotHead = none, false
	s.closeSilently()
	return ended
}

func rejectContent(s *stream, _ *config.Rule, _ *h1.Head, _ *sample.Context) outcome {
	s.refuseContent()
	s.closeAll()
	return ended
}

func dropContent(s *stream, _ *config.Rule, _ *h1.Head, _ *sample.Context) outcome {
	s.refuseContent()
	s.silentDrop()
	return ended
}

func replyToRequest(s *stream, r *config.Rule, _ *h1.Head, x *sample.Context) outcome {
	s.count(counter.Intercepted)
	s.blame('L', 'R')
	s.giveReply(r.Reply, x)
	return ended
}

func replyToResponse(s *stream, r *config.Rule, _ *h1.Head, x *sample.Context) outcome {
	s.blame('L', 'H')
	s.giveReply(r.Reply, x)
	return ended
}

func redirect(s *stream, r *config.Rule, _ *h1.Head, x *sample.Context) outcome {
	if s.redirect(r.Redirect, x) {
		return ended
	}
	return next
}

// refuse counts and blames a client's request that a rule ends.
func (s *stream) refuse() {
	s.count(counter.DeniedRequests)
	s.blame('P', 'R')
}

// refuseContent is refuse for tcp-request content, whose log knows no request.
func (s *stream) refuseContent() {
	s.refuse()
	s.headAt = none
	if !s.fe.http || !s.counted { // a backend's rule comes when the request is known
		s.bad = true
		s.forgetLine()
	}
}

// What edits a message. A value is in scratch memory.

func (s *stream) value(r *config.Rule, x *sample.Context) []byte {
	return r.Format.Append(s.core.scratch[:0], x)
}

// edited follows a change of a field by its rule.
func edited(r *config.Rule, h *h1.Head, x *sample.Context) outcome {
	if x.Response == nil && h1.IsHost(r.Name) {
		h.TargetOfHost()
	}
	return next
}

func setHeader(s *stream, r *config.Rule, h *h1.Head, x *sample.Context) outcome {
	h.Set(r.Name, s.value(r, x))
	return edited(r, h, x)
}

func addHeader(s *stream, r *config.Rule, h *h1.Head, x *sample.Context) outcome {
	h.Add(r.Name, s.value(r, x))
	return edited(r, h, x)
}

func removeHeader(_ *stream, r *config.Rule, h *h1.Head, x *sample.Context) outcome {
	delHeader(h, r)
	return edited(r, h, x)
}

func replaceHeader(s *stream, r *config.Rule, h *h1.Head, x *sample.Context) outcome {
	s.replaceHeader(h, r, s.value(r, x))
	return edited(r, h, x)
}

func setStatus(_ *stream, r *config.Rule, h *h1.Head, _ *sample.Context) outcome {
	h.SetStatus(r.Status, cmp.Or(r.Text, phrase(r.Status)))
	return next
}

func setMethod(s *stream, r *config.Rule, h *h1.Head, x *sample.Context) outcome {
	h.SetMethod(s.value(r, x))
	s.method = h.MethodID()
	return next
}

func setURI(s *stream, r *config.Rule, h *h1.Head, x *sample.Context) outcome {
	h.SetURI(s.value(r, x))
	h.HostOfTarget()
	return next
}

func setPath(s *stream, r *config.Rule, h *h1.Head, x *sample.Context) outcome {
	b := s.value(r, x)
	if q := h.Query(); hasQuery(h.URI()) {
		b = append(append(b, '?'), q...)
	}
	s.setPathQuery(h, b)
	return next
}

func setPathQuery(s *stream, r *config.Rule, h *h1.Head, x *sample.Context) outcome {
	s.setPathQuery(h, s.value(r, x))
	return next
}

func setQuery(s *stream, r *config.Rule, h *h1.Head, x *sample.Context) outcome {
	b := s.value(r, x)
	n := len(b)
	b = append(append(append(b, h.Path()...), '?'), b[:n]...)
	s.setPathQuery(h, b[n:])
	return next
}

func replacePath(s *stream, r *config.Rule, h *h1.Head, x *sample.Context) outcome {
	s.replacePath(h, r, s.value(r, x))
	return next
}

func replaceURI(s *stream, r *config.Rule, h *h1.Head, x *sample.Context) outcome {
	s.replaceURI(h, r, s.value(r, x))
	return next
}

// What is noted of the stream alone.

func setLogLevel(s *stream, r *config.Rule, _ *h1.Head, _ *sample.Context) outcome {
	s.logLevel = int8(r.Level)
	return next
}

// captureSample keeps an expression's value in a capture slot of the frontend, cut to the slot's length.
func captureSample(s *stream, r *config.Rule, _ *h1.Head, x *sample.Context) outcome {
	caps, slot := &s.fe.cfg.Captures, r.Slot
	list := caps.Request
	if x.Response != nil {
		slot, list = slot+len(list), caps.Response
	}
	if r.Slot >= len(list) || slot >= len(s.captured) {
		return next // a backend's rule names a slot this frontend has not
	}
	if v := r.Expr.Eval(x); v.Kind != sample.None {
		s.captured[slot] = s.remember(v.AppendTo(s.core.scratch[:0]), list[r.Slot].Len)
	}
	return next
}
