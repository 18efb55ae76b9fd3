package proxy

import (
	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/counter"
	"github.com/evenkeel/evenkeel/h1"
)

// A request is processed in stages, from its head (or a connection's first bytes) to the choice of a server. A stage
// that has to wait for something outside is asked again when that has come: so rules may stop anywhere and go on.

// stage is one of them: passed leads to the next one.
type stage func(*stream) outcome

// httpStages and tcpStages are filled by init: a stage may end in process again.
var httpStages, tcpStages []stage

func init() {
	content, request, stats, inspect := (*stream).contentStage, (*stream).requestStage, (*stream).statsStage,
		(*stream).inspectStage
	httpStages = []stage{captureStage, atFront(content), monitorStage, atFront(request), atFront(stats), routeStage,
		atBack(content), atBack(request), atBack(stats), sendStage}
	tcpStages = []stage{atFront(inspect), routeStage, atBack(inspect), tunnelStage}
}

// atFront and atBack are what is done in the same way for the frontend and, once it is chosen, for the backend. A
// section that is both has it done once.
func atFront(do func(*stream, *proxy) outcome) stage {
	return func(s *stream) outcome { return do(s, s.fe) }
}

func atBack(do func(*stream, *proxy) outcome) stage {
	return func(s *stream) outcome {
		if s.be == s.fe {
			return passed
		}
		return do(s, s.be)
	}
}

// process goes on with the stages; false: one waits.
func (s *stream) process() bool {
	stages := httpStages
	if !s.fe.http {
		stages = tcpStages
	}
	for !s.gone && s.stageAt < len(stages) {
		switch stages[s.stageAt](s) {
		case passed:
			s.stageAt++
			s.rules = progress{}
		case waits:
			return false
		default:
			return true
		}
	}
	return true
}

// suspend has the stream wait in a phase for something outside, with all that its stage sees: the message moves out of
// the core's buffer.
func (s *stream) suspend(p phase) {
	if s.resting {
		c, e, rest := s.core, &s.client, len(s.rest)
		c.keep(e, s.message)
		s.message = e.pending()
		s.rest = s.message[len(s.message)-rest:]
		s.head.Rebase(s.message)
	}
	s.enter(p)
}

// captureStage keeps what the log wants of a request.
func captureStage(s *stream) outcome {
	s.captureRequest(s.head)
	return passed
}

// monitorStage answers monitors. Rules on content have seen bytes of a connection: the request begins to count here.
func monitorStage(s *stream) outcome {
	s.countRequest()
	if s.fe.monitored(s.head) {
		s.monitor()
		return ended
	}
	return passed
}

func (s *stream) contentStage(p *proxy) outcome {
	return s.apply(p.cfg.Rules.TCPContent, &s.rules, onContent, nil, true)
}

func (s *stream) requestStage(p *proxy) outcome {
	return s.apply(p.cfg.Rules.HTTPRequest, &s.rules, onRequest, s.head, true)
}

func (s *stream) statsStage(p *proxy) outcome {
	if p.cfg.Stats != nil && s.statsRequest(p) {
		return ended
	}
	return passed
}

// routeStage chooses the backend.
func routeStage(s *stream) outcome {
	if !s.fe.http {
		s.headAt = s.core.now()
	}
	if s.route() {
		return passed
	}
	s.headAt = none // as the reference's log has it
	s.blame('S', 'C')
	s.count(counter.FailedRequests)
	s.fail(503)
	return ended
}

// sendStage makes the request what its server shall get, and looks for the server.
func sendStage(s *stream) outcome {
	h := s.head
	s.persist(h)
	s.hashKey(h, s.rest)
	s.useServer()
	if !s.frameRequest(h) {
		return ended
	}
	s.prepareHead(h)
	s.nameRequest()
	if err := s.serialise(h); err != nil {
		// What came of the body is broken already: no server needs to see it, and the log calls the whole bad.
		s.headAt = none
		s.forgetLine()
		s.badRequest(s.rest, err.(*h1.Error))
		return ended
	}
	s.dropHead()
	s.assign()
	return ended
}

// inspectStage applies tcp-request content rules of mode tcp to the bytes that have come so far.
func (s *stream) inspectStage(p *proxy) outcome {
	rules := &p.cfg.Rules
	if len(rules.TCPContent) == 0 {
		return passed
	}
	if s.inspected != p {
		s.inspected = p
		s.enter(phaseInspect)
	}
	c, e := s.core, &s.client
	for {
		var grown, full bool
		if e.in == nil {
			if data := c.read(e); len(data) > 0 {
				grown = true
				c.keep(e, data)
			}
		} else {
			_, grown, full = c.readMore(e)
		}
		complete := full || e.over() || rules.InspectDelay == 0 || c.now()-s.phaseStart >= rules.InspectDelay
		if out := s.apply(rules.TCPContent, &s.rules, onContent, nil, complete); out != waits || !grown {
			return out
		}
	}
}

// tunnelStage looks for the server of a tcp stream.
func tunnelStage(s *stream) outcome {
	if s.be.cfg.Balance.Algorithm == config.SourceHash {
		s.ticket.Key = s.be.back.KeyOfAddr(s.source)
	}
	s.useServer()
	s.assign()
	return ended
}
