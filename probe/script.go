package probe

import (
	"bytes"
	"encoding/hex"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/health"
)

// script runs the steps of tcp-check.
func (p *probe) script(steps []config.CheckStep) health.Result {
	if len(steps) == 0 {
		return health.Result{Status: health.L4OK}
	}
	spoke := false
	for i := range steps {
		s := &steps[i]
		p.step = i
		var r health.Result
		ok := false
		switch s.Kind {
		case config.StepConnect:
			r, ok = p.connect(s, version(s.SendProxy))
		case config.StepSend:
			r, ok = p.send(s.Data)
			spoke = true
		case config.StepExpect:
			r, ok = p.expect(s)
			spoke = true
		default:
			r = health.Result{Status: health.SockErr, Info: "http-check step in tcp-check"}
		}
		if !ok {
			return r
		}
	}
	if !spoke {
		return health.Result{Status: health.L4OK, Info: "(tcp-check)"}
	}
	return health.Result{Status: health.L7OK, Info: "(tcp-check)"}
}

func version(sendProxy bool) int {
	if sendProxy {
		return 1
	}
	return 0
}

// expect waits until the answer matches, or can no longer: it has ended, or min-recv
// bytes are there.
func (p *probe) expect(s *config.CheckStep) (r health.Result, ok bool) {
	e := &s.Expect
	for {
		enough := e.MinRecv <= 0 || len(p.answer) >= e.MinRecv
		if len(p.answer) > 0 && (enough || p.closed) {
			matched := matches(e, p.answer)
			last := p.closed || e.MinRecv > 0
			switch {
			case matched && e.Negate:
				return p.unlike(s, "TCPCHK matched unwanted content"), false
			case matched, last && e.Negate:
				return r, true
			case last:
				return p.unlike(s, "TCPCHK did not match content"), false
			}
		}
		if p.closed {
			info := "TCPCHK got an empty response at step " + p.t.number(p.step)
			if s.Comment != "" {
				info += " comment: '" + s.Comment + "'"
			}
			return health.Result{Status: health.L7RSP, Info: info}, false
		}
		if r, ok = p.read(); !ok {
			return r, false
		}
	}
}

func matches(e *config.Expect, answer []byte) bool {
	switch e.What {
	case config.ExpectString, config.ExpectBinary:
		return bytes.Contains(answer, e.Text)
	case config.ExpectRegexp:
		return e.Pattern.Match(answer)
	case config.ExpectBinaryRegexp:
		// Differs from HAProxy: there, the pattern must have capital letters.
		return e.Pattern.Match(bytes.ToUpper(hex.AppendEncode(nil, answer)))
	}
	return false
}

// unlike is the result of an answer that is not what was expected.
func (p *probe) unlike(s *config.CheckStep, info string) health.Result {
	switch e := &s.Expect; e.What {
	case config.ExpectString:
		info += " '" + string(e.Text) + "'"
	case config.ExpectBinary:
		info += " (binary)"
	case config.ExpectRegexp:
		info += " (regex)"
	case config.ExpectBinaryRegexp:
		info += " (binary regex)"
	}
	info += " at step " + p.t.number(p.step)
	if s.Comment != "" {
		info += " comment: " + s.Comment
	}
	return health.Result{Status: health.L7RSP, Info: info}
}
