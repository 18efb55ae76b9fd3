package proxy

import (
	"cmp"
	"fmt"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/counter"
	"github.com/evenkeel/evenkeel/h1"
	"github.com/evenkeel/evenkeel/sample"
)

// verdict is what a set of rules did with a stream.
type verdict uint8

const (
	passed    verdict = iota // go on
	answered                 // the stream has its answer, or is gone
	undecided                // more bytes are needed
)

// requestRules applies http-request rules.
func (s *stream) requestRules(p *proxy, rules []config.Rule) verdict {
	for i := range rules {
		r := &rules[i]
		x := s.context(sample.Request)
		if !r.Cond.Match(x) {
			continue
		}
		switch r.Do {
		case config.ActAllow:
			return passed
		case config.ActDeny:
			s.be = p
			s.deny(r, x)
			return answered
		case config.ActTarpit:
			s.be = p
			s.tarpit(r)
			return answered
		case config.ActReturn:
			s.count(counter.Intercepted)
			s.blame('L', 'R')
			s.giveReply(r.Reply, x)
			return answered
		case config.ActRedirect:
			if s.redirect(r.Redirect, x) {
				return answered
			}
		case config.ActClose: // reject: without a word
			s.refuse()
			s.headAt = none
			s.closeAll()
			return answered
		case config.ActSilentDrop:
			s.refuse()
			s.headAt = none
			s.silentDrop()
			return answered
		default:
			if !s.note(r, x) && !s.edit(s.head, r, x) {
				return s.unknownAction(r)
			}
		}
	}
	return passed
}

// refuse counts and blames a client's request that a rule ends.
func (s *stream) refuse() {
	s.count(counter.DeniedRequests)
	s.blame('P', 'R')
}

// note does what a rule does to the stream alone, wherever it stands; false: r is another action.
func (s *stream) note(r *config.Rule, x *sample.Context) bool {
	switch r.Do {
	case config.ActCapture:
		s.captureSample(r, x)
	case config.ActSetLogLevel:
		s.logLevel = int8(r.Level)
	default:
		return false
	}
	return true
}

// unknownAction ends a stream at an action that nobody has taught to stand where it does: what is not understood must
// not let anything pass.
func (s *stream) unknownAction(r *config.Rule) verdict {
	s.core.engine.opts.Log(severityError, s.fe.cfg, fmt.Sprintf("the action of line %d cannot be done where it stands: the stream is ended", r.Pos.Line))
	s.blame('I', 'R')
	s.closeAll()
	return answered
}

// captureSample keeps an expression's value in a capture slot of the frontend, cut to the slot's length.
func (s *stream) captureSample(r *config.Rule, x *sample.Context) {
	caps, slot := &s.fe.cfg.Captures, r.Slot
	list := caps.Request
	if x.Response != nil {
		slot, list = slot+len(list), caps.Response
	}
	if r.Slot >= len(list) || slot >= len(s.captured) {
		return // a backend's rule names a slot this frontend has not
	}
	v := r.Expr.Eval(x)
	if v.Kind == sample.None {
		return
	}
	s.captured[slot] = s.remember(v.AppendTo(s.core.scratch[:0]), list[r.Slot].Len)
}

// edit changes a head; false: r is no such action.
func (s *stream) edit(h *h1.Head, r *config.Rule, x *sample.Context) bool {
	value := func() []byte { return r.Format.Append(s.core.scratch[:0], x) }
	switch r.Do {
	case config.ActSetHeader:
		h.Set(r.Name, value())
	case config.ActAddHeader:
		h.Add(r.Name, value())
	case config.ActDelHeader:
		delHeader(h, r)
	case config.ActReplaceHeader, config.ActReplaceValue:
		s.replaceHeader(h, r, value())
	case config.ActSetStatus:
		h.SetStatus(r.Status, cmp.Or(r.Text, phrase(r.Status)))
	default:
		return s.editTarget(h, r, value)
	}
	if x.Response == nil && h1.IsHost(r.Name) {
		h.TargetOfHost()
	}
	return true
}

// editTarget changes a request's method and target; false: r is no such action.
func (s *stream) editTarget(h *h1.Head, r *config.Rule, value func() []byte) bool {
	switch r.Do {
	case config.ActSetMethod:
		h.SetMethod(value())
		s.method = h.MethodID()
	case config.ActSetURI:
		h.SetURI(value())
		h.HostOfTarget()
	case config.ActSetPath:
		b := value()
		if q := h.Query(); hasQuery(h.URI()) {
			b = append(append(b, '?'), q...)
		}
		s.setPathQuery(h, b)
	case config.ActSetPathQuery:
		s.setPathQuery(h, value())
	case config.ActSetQuery:
		b := value()
		n := len(b)
		b = append(append(append(b, h.Path()...), '?'), b[:n]...)
		s.setPathQuery(h, b[n:])
	case config.ActReplacePath, config.ActReplaceURI:
		s.replaceTarget(h, r, value())
	default:
		return false
	}
	return true
}

func hasQuery(uri []byte) bool {
	for _, b := range uri {
		if b == '?' {
			return true
		}
	}
	return false
}

// setPathQuery replaces path and query and keeps the authority of an absolute target.
func (s *stream) setPathQuery(h *h1.Head, pq []byte) {
	uri, path := h.URI(), h.Path()
	rest := len(path)
	if hasQuery(uri) {
		rest += 1 + len(h.Query())
	}
	prefix := uri[:max(len(uri)-rest, 0)]
	if len(prefix) == 0 {
		h.SetURI(pq)
		return
	}
	b := append(append(s.core.headBuffer[:0], prefix...), pq...)
	h.SetURI(b)
}

// delHeader removes headers by name or, with -m, by a pattern of their name.
func delHeader(h *h1.Head, r *config.Rule) {
	if r.NameMatch == config.NameIs {
		h.Del(r.Name)
		return
	}
	for i := h.Len() - 1; i >= 0; i-- {
		name, _ := h.Field(i)
		if matchName(name, r) {
			h.DelAt(i)
		}
	}
}

func matchName(name []byte, r *config.Rule) bool {
	switch r.NameMatch {
	case config.NameBegins:
		return len(name) >= len(r.Name) && equalFold(name[:len(r.Name)], r.Name)
	case config.NameEnds:
		return len(name) >= len(r.Name) && equalFold(name[len(name)-len(r.Name):], r.Name)
	case config.NameContains:
		for i := 0; i+len(r.Name) <= len(name); i++ {
			if equalFold(name[i:i+len(r.Name)], r.Name) {
				return true
			}
		}
		return false
	case config.NameRegexp:
		return r.Pattern.Match(name)
	}
	return equalFold(name, r.Name)
}

func equalFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i := range b {
		x, y := b[i], s[i]
		if x != y {
			if x |= 0x20; x != y|0x20 || x < 'a' || x > 'z' {
				return false
			}
		}
	}
	return true
}

// replaceHeader replaces values a pattern matches by what the template makes of the match: whole fields, or each
// element of a list (replace-value).
func (s *stream) replaceHeader(h *h1.Head, r *config.Rule, template []byte) {
	tmp := append([]byte(nil), template...)
	for i := h.Index(r.Name, 0); i >= 0; i = h.Index(r.Name, i+1) {
		_, v := h.Field(i)
		if r.Do == config.ActReplaceHeader {
			if m := r.Pattern.FindSubmatchIndex(v); m != nil {
				h.Replace(i, expand(nil, tmp, v, m))
			}
			continue
		}
		if out, changed := replaceElements(v, r.Pattern, tmp); changed {
			h.Replace(i, out)
		}
	}
}

// expand writes a template whose \\0 to \\9 stand for what the groups of a match hold.
func expand(dst, template, v []byte, m []int) []byte {
	for i := 0; i < len(template); i++ {
		if template[i] != '\\' || i+1 == len(template) {
			dst = append(dst, template[i])
			continue
		}
		i++
		group := int(template[i]) - '0'
		switch {
		case group < 0 || group > 9:
			dst = append(dst, template[i])
		case 2*group+1 < len(m) && m[2*group] >= 0:
			dst = append(dst, v[m[2*group]:m[2*group+1]]...)
		}
	}
	return dst
}

// replaceElements does so in each comma-separated element.
func replaceElements(v []byte, p config.Pattern, template []byte) (out []byte, changed bool) {
	for start := 0; start <= len(v); {
		end := start
		for quoted := false; end < len(v) && (quoted || v[end] != ','); end++ {
			if v[end] == '"' {
				quoted = !quoted
			}
		}
		element, mark := v[start:end], len(out)
		for len(element) > 0 && (element[0] == ' ' || element[0] == '\t') {
			out = append(out, element[0])
			element = element[1:]
		}
		trailing := len(element)
		for trailing > 0 && (element[trailing-1] == ' ' || element[trailing-1] == '\t') {
			trailing--
		}
		if m := p.FindSubmatchIndex(element[:trailing]); m != nil {
			out, changed = expand(out[:mark], template, element, m), true
		} else {
			out = append(out, element...)
		}
		if end < len(v) {
			out = append(out, ',')
		}
		start = end + 1
	}
	return out, changed
}

// replaceTarget rewrites the path, or the whole target, where a pattern matches.
func (s *stream) replaceTarget(h *h1.Head, r *config.Rule, template []byte) {
	tmp := append([]byte(nil), template...)
	if r.Do == config.ActReplaceURI {
		if m := r.Pattern.FindSubmatchIndex(h.URI()); m != nil {
			h.SetURI(expand(nil, tmp, h.URI(), m))
			h.HostOfTarget()
		}
		return
	}
	path := h.Path()
	if m := r.Pattern.FindSubmatchIndex(path); m != nil {
		out := expand(nil, tmp, path, m)
		if hasQuery(h.URI()) {
			out = append(append(out, '?'), h.Query()...)
		}
		s.setPathQuery(h, out)
	}
}

// responseRules applies http-response rules; answered means that the response was replaced or the stream ended.
func (s *stream) responseRules(p *proxy, h *h1.Head, rules []config.Rule) verdict {
	for i := range rules {
		r := &rules[i]
		x := s.context(sample.Response)
		x.Response = h
		if !r.Cond.Match(x) {
			continue
		}
		switch r.Do {
		case config.ActAllow:
			return passed
		case config.ActDeny:
			s.countServer(counter.DeniedResponses)
			s.blame('P', 'H')
			s.denyReply(r, x, 502)
			return answered
		case config.ActReturn:
			s.blame('L', 'H')
			s.giveReply(r.Reply, x)
			return answered
		case config.ActRedirect:
			if s.redirect(r.Redirect, x) {
				return answered
			}
		case config.ActSilentDrop:
			s.refuse() // of the request, as the reference counts it
			s.responseAt, s.gotHead = none, false
			s.closeSilently()
			return answered
		default:
			if !s.note(r, x) && !s.edit(h, r, x) {
				return s.unknownAction(r)
			}
		}
	}
	return passed
}

// afterRules applies http-after-response, which also sees responses made here; answered: the stream was ended.
func (s *stream) afterRules(h *h1.Head) verdict {
	for _, p := range [2]*proxy{s.be, s.fe} {
		rules := p.cfg.Rules.HTTPAfter
		for i := range rules {
			r := &rules[i]
			x := s.context(sample.Response)
			x.Response = h
			if !r.Cond.Match(x) {
				continue
			}
			if r.Do == config.ActAllow {
				break
			}
			if !s.note(r, x) && !s.edit(h, r, x) {
				return s.unknownAction(r)
			}
		}
		if s.be == s.fe {
			break
		}
	}
	return passed
}

// deny refuses a request (http-request deny).
func (s *stream) deny(r *config.Rule, x *sample.Context) {
	s.refuse()
	s.denyReply(r, x, 403)
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
func (s *stream) tarpit(r *config.Rule) {
	s.count(counter.DeniedRequests)
	s.denial = r
	s.nameRequest()
	s.dropHead()
	s.keepRest()
	s.enter(phaseTarpit)
	if s.be.cfg.Timeouts.Tarpit == 0 {
		s.endTarpit()
	}
}

func (s *stream) endTarpit() {
	s.blame('P', 'T')
	s.denyReply(s.denial, s.context(sample.Request), 500) // the request has gone: its page can tell of the client only
}

// contentRules applies tcp-request content rules to what is there of the stream.
func (s *stream) contentRules(p *proxy, complete bool) verdict {
	for i := range p.cfg.Rules.TCPContent {
		r := &p.cfg.Rules.TCPContent[i]
		x := s.context(sample.Content)
		if s.head == nil {
			x.Content, x.Complete = s.client.pending(), complete
		} else {
			x.Complete = true
		}
		match, decided := true, true
		if r.Cond != nil {
			match, decided = r.Cond.Verdict(x)
		}
		if !decided && !complete {
			return undecided
		}
		if !match {
			continue
		}
		switch r.Do {
		case config.ActAllow:
			return passed
		case config.ActDeny:
			s.refuseContent()
			s.closeAll()
			return answered
		case config.ActSilentDrop:
			s.refuseContent()
			s.silentDrop()
			return answered
		default:
			if !s.note(r, x) {
				return s.unknownAction(r)
			}
		}
	}
	return passed
}

// refuseContent is refuse for tcp-request content, whose log knows no request.
func (s *stream) refuseContent() {
	s.refuse()
	s.headAt, s.bad = none, true
	s.forgetLine()
}
