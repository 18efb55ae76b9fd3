package health

import (
	"strconv"
	"time"
)

// Kind is what an Effect asks for.
type Kind uint8

// Kinds of effects.
const (
	// Line is written to the log.
	Line Kind = iota + 1
	// CheckLine is a line of option log-health-checks.
	CheckLine
	// Changed is a line, and the server must be arranged anew.
	Changed
	// Reweighted is no line: Warm has changed.
	Reweighted
)

// Severities of lines, syslog's.
const (
	Alert  = 1
	Notice = 5
)

type form uint8

const (
	checkLine form = iota
	isDown
	isUp
	isStopping
	entersDrain
	leavesDrain
	remainsDrained
	entersMaint
	leavesMaint
)

type cause uint8

const (
	bySelf     cause = iota // its slow start ended
	byCheck                 // or traffic
	byOperator              // changed from CLI
	byTracked               // via another server
)

// Effect is one thing to be done for the server.
type Effect struct {
	Kind     Kind
	Severity int
	// Up: it can be given work again. Down: it can no longer, and what it has should be
	// taken elsewhere (on-marked-down, queues). Neither: in between.
	Up, Down bool

	form        form
	because     cause
	result      Result
	reason      bool // the line says why
	up          bool
	health, max int // of a check's line
	via         string
	drained     bool
	stopped     bool
	left        bool
}

func (s *Server) effect(k Kind, f form) Effect {
	e := Effect{Kind: k, Severity: Notice, form: f, result: s.last, reason: !s.p.LogChecks, up: s.health >= s.p.Rise}
	if e.health, e.max = s.health, s.p.Rise; e.up {
		e.health, e.max = s.health-s.p.Rise+1, s.p.Fall
	}
	return e
}

// Names are those a line mentions.
type Names struct {
	Backend, Server string
	Backup          bool // the server is one
}

// Counts are what a line ends with, as they are after the change.
type Counts struct {
	Active, Backup int // servers of the backend that can be given work
	Sessions       int // on the server
	Requeued       int // taken off its queue, to others
	Queued         int // left in the queue
}

// Append writes the line to b, without the end of line.
func (e *Effect) Append(b []byte, n Names, c Counts) []byte {
	if e.form == checkLine {
		return e.appendCheck(b, n)
	}
	if n.Backup {
		b = append(b, "Backup "...)
	}
	b = append(b, "Server "...)
	b = append(append(append(b, n.Backend...), '/'), n.Server...)
	switch e.form {
	case isDown:
		b = e.appendTail(e.appendReason(append(b, " is DOWN"...)), c, true)
	case isUp:
		b = e.appendTail(e.appendReason(append(b, " is UP"...)), c, false)
	case isStopping:
		b = e.appendTail(e.appendReason(append(b, " is stopping"...)), c, false)
	case entersDrain:
		b = e.appendTail(e.appendVia(append(b, " enters drain state"...)), c, e.left)
	case leavesDrain:
		b = append(append(append(b, " is "...), upOrDown(e.Up)...), " (leaving forced drain)."...)
	case remainsDrained:
		if e.via != "" {
			b = append(append(append(b, " is leaving forced drain but remains in drain mode via "...), e.via...), '.')
		} else {
			b = append(b, " remains in forced drain mode."...)
		}
	case entersMaint:
		if e.stopped {
			return append(b, " was DOWN and now enters maintenance."...)
		}
		b = e.appendTail(e.appendVia(append(b, " is going DOWN for maintenance"...)), c, true)
	case leavesMaint:
		b = append(b, " is UP/"...)
		if e.drained {
			b = append(b, "DRAIN (leaving "...)
		} else {
			b = append(b, "READY (leaving "...)
		}
		if e.via == "" {
			b = append(b, "forced "...)
		}
		b = append(b, "maintenance)."...)
	}
	return b
}

func upOrDown(up bool) string {
	if up {
		return "UP"
	}
	return "DOWN"
}

func (e *Effect) appendVia(b []byte) []byte {
	if e.via == "" {
		return b
	}
	return append(append(b, " via "...), e.via...)
}

func (e *Effect) appendReason(b []byte) []byte {
	switch {
	case e.because == byOperator:
		return append(b, ", changed from CLI"...)
	case e.because == byTracked:
		return e.appendVia(b)
	case e.because == byCheck && e.reason:
		return e.result.append(append(b, ", reason: "...))
	}
	return b
}

// append writes "Layer7 wrong status, code: 500, info: "x", check duration: 0ms".
func (r *Result) append(b []byte) []byte {
	b = append(b, r.Status.String()...)
	if r.Status.HasCode() {
		b = strconv.AppendInt(append(b, ", code: "...), int64(r.Code), 10)
	}
	if r.Info != "" {
		b = append(append(append(b, `, info: "`...), r.Info...), '"')
	}
	if r.Duration >= 0 {
		b = strconv.AppendInt(append(b, ", check duration: "...), r.Duration.Milliseconds(), 10)
		b = append(b, "ms"...)
	}
	return b
}

func (e *Effect) appendTail(b []byte, c Counts, left bool) []byte {
	b = strconv.AppendInt(append(b, ". "...), int64(c.Active), 10)
	b = strconv.AppendInt(append(b, " active and "...), int64(c.Backup), 10)
	if left {
		b = append(b, " backup servers left."...)
	} else {
		b = append(b, " backup servers online."...)
	}
	if c.Active == 0 && c.Backup > 0 {
		b = append(b, " Running on backup."...)
	}
	b = append(b, ' ')
	if left {
		b = append(strconv.AppendInt(b, int64(c.Sessions), 10), " sessions active, "...)
		b = append(strconv.AppendInt(b, int64(c.Requeued), 10), " requeued, "...)
		return append(strconv.AppendInt(b, int64(c.Queued), 10), " remaining in queue."...)
	}
	b = append(strconv.AppendInt(b, int64(c.Requeued), 10), " sessions requeued, "...)
	return append(strconv.AppendInt(b, int64(c.Queued), 10), " total in queue."...)
}

func (e *Effect) appendCheck(b []byte, n Names) []byte {
	b = append(b, "Health check for "...)
	if n.Backup {
		b = append(b, "backup "...)
	}
	b = append(b, "server "...)
	b = append(append(append(b, n.Backend...), '/'), n.Server...)
	switch {
	case e.result.Status == L7OKC:
		b = append(b, " conditionally succeeded"...)
	case e.result.Status.Passed():
		b = append(b, " succeeded"...)
	default:
		b = append(b, " failed"...)
	}
	b = e.result.append(append(b, ", reason: "...))
	b = strconv.AppendInt(append(b, ", status: "...), int64(e.health), 10)
	b = strconv.AppendInt(append(b, '/'), int64(e.max), 10)
	return append(append(append(b, ' '), upOrDown(e.up)...), '.')
}

// NoServer is the line for a backend whose last server went down; kind is "backend", or
// "proxy" of a listen section. HAProxy gives it severity 0.
func NoServer(kind, name string) string { return kind + " " + name + " has no server available!" }

// StatusText is the status of statistics: "UP", "UP 1/3", "DOWN 1/2", "NOLB", "DRAIN",
// "MAINT", "no check".
func (s *Server) StatusText() string {
	checked := s.Checking() || s.followed
	switch {
	case s.admin == Maint && s.via != "":
		return "MAINT (via " + s.via + ")"
	case s.admin == Maint:
		return "MAINT"
	case s.operation == Stopped:
		return s.outOf("DOWN", checked && s.health > 0, s.health, s.p.Rise)
	case s.admin == Drain:
		return s.outOf("DRAIN", checked && s.health < s.certain(), s.health-s.p.Rise+1, s.p.Fall)
	case s.operation == Stopping:
		return s.outOf("NOLB", checked && s.health < s.certain(), s.health-s.p.Rise+1, s.p.Fall)
	case !checked:
		return "no check"
	}
	return s.outOf("UP", s.health < s.certain(), s.health-s.p.Rise+1, s.p.Fall)
}

func (s *Server) outOf(state string, moving bool, n, of int) string {
	if !moving {
		return state
	}
	return state + " " + strconv.Itoa(n) + "/" + strconv.Itoa(of)
}

// Uptime is the time since the last change, for the statistics' lastchg.
func (s *Server) Uptime(now Time) time.Duration { return time.Duration(now - s.since) }
