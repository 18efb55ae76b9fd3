package proxy

import (
	"fmt"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/h1"
	"github.com/evenkeel/evenkeel/sample"
)

// at is the point of a stream's life that a place stands for.
func (p place) at() sample.Point {
	switch p {
	case onContent:
		return sample.Content
	case onRequest:
		return sample.Request
	}
	return sample.Response
}

// progress is how far a set of rules has been applied: sets may stop at a rule that waits, and go on there.
type progress struct {
	rule   int
	inside bool // the rule's condition has held, and its action has waited
}

// apply applies a set of rules from where it stopped. h is the head that the rules are about: the request's, the
// response's, or nil. complete says of tcp-request content that no more bytes are waited for.
func (s *stream) apply(rules []config.Rule, p *progress, where place, h *h1.Head, complete bool) outcome {
	for ; p.rule < len(rules); p.rule++ {
		r := &rules[p.rule]
		x := s.context(where.at())
		switch where {
		case onResponse, afterwards:
			x.Response = h
		case onContent:
			if x.Complete = complete; s.head == nil {
				x.Content = s.client.pending()
			}
		}
		if !p.inside {
			match, decided := true, true
			if where == onContent {
				match, decided = r.Cond.Decide(x)
			} else {
				match = r.Cond.Match(x)
			}
			if !decided && !complete {
				return waits
			}
			if !match {
				continue
			}
		}
		run := actions[r.Do].at[where]
		if run == nil {
			return s.unknownAction(r)
		}
		out := run(s, r, h, x)
		if out == next {
			p.inside = false
			continue
		}
		p.inside = out == waits
		return out
	}
	return passed
}

// unknownAction ends a stream at an action that has no function for its place: what is not understood must not let
// anything pass.
func (s *stream) unknownAction(r *config.Rule) outcome {
	s.core.engine.opts.Log(severityError, s.fe.cfg,
		fmt.Sprintf("the action of line %d cannot be done where it stands: the stream is ended", r.Pos.Line))
	s.blame('I', 'R')
	s.closeAll()
	return ended
}

// responseRules applies http-response and then http-after-response, the backend's before the frontend's; ended: the
// response was replaced, or the stream has ended.
func (s *stream) responseRules(h *h1.Head) outcome {
	if s.applyBoth(func(p *proxy) []config.Rule { return p.cfg.Rules.HTTPResponse }, onResponse, h) == ended {
		return ended
	}
	return s.afterRules(h)
}

// afterRules applies http-after-response, which also sees responses made here; ended: the stream was ended.
func (s *stream) afterRules(h *h1.Head) outcome {
	return s.applyBoth(func(p *proxy) []config.Rule { return p.cfg.Rules.HTTPAfter }, afterwards, h)
}

func (s *stream) applyBoth(rules func(*proxy) []config.Rule, where place, h *h1.Head) outcome {
	for _, p := range [2]*proxy{s.be, s.fe} {
		if list := rules(p); len(list) > 0 {
			var from progress
			if s.apply(list, &from, where, h, true) == ended {
				return ended
			}
		}
		if s.be == s.fe {
			break
		}
	}
	return passed
}
