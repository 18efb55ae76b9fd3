package proxy

import (
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
	"time"
)

// A mistake of ours that one stream runs into ends that stream: its client gets a 500 where nothing was sent yet, the
// journal gets the stack, and the worker serves everybody else. Ten of them in a minute are an alarm: somebody has
// found out how to cause them.
const (
	panicAlarm  = 10
	panicPeriod = time.Minute
)

// panics counts what went wrong in the current period.
type panics struct {
	mu    sync.Mutex
	since time.Time
	n     int
	total int64
}

// panicked writes a panic into the journal. Stacks are written up to the alarm; what follows in the same minute is
// counted.
func (e *Engine) panicked(now time.Time, where string, p *proxy, cause any) {
	e.panics.mu.Lock()
	if now.Sub(e.panics.since) >= panicPeriod {
		e.panics.since, e.panics.n = now, 0
	}
	e.panics.n++
	e.panics.total++
	n, total := e.panics.n, e.panics.total
	e.panics.mu.Unlock()
	if n > panicAlarm {
		return
	}
	name := ""
	if p != nil {
		name = " of " + p.cfg.Name
	}
	e.opts.Log(severityAlert, nil,
		fmt.Sprintf("%s%s panicked and was ended, number %d since the worker began: %v; %s", where, name, total, cause,
			oneLine(debug.Stack())))
	if n == panicAlarm {
		e.opts.Log(severityAlert, nil,
			fmt.Sprintf("ALARM: %d panics within %v: further ones of this period are only counted", n, panicPeriod))
	}
}

// oneLine writes a stack as the journal wants it.
func oneLine(stack []byte) string {
	return strings.ReplaceAll(strings.ReplaceAll(strings.TrimSpace(string(stack)), "\n\t", " "), "\n", "; ")
}

// rescue ends the stream in whose turn the loop met a panic. That takes one deferred call for each turn, not one
// for each event.
func (c *core) rescue(cause any) {
	s := c.serving
	c.serving = nil
	if s == nil {
		panic(cause)
	}
	c.engine.panicked(c.loop.Wall(), "a stream", s.fe, cause)
	s.endPanicked()
}

// guard is deferred by whatever else runs for one stream.
func (s *stream) guard() {
	if cause := recover(); cause != nil {
		s.core.engine.panicked(s.core.loop.Wall(), "a stream", s.fe, cause)
		s.endPanicked()
	}
}

// endPanicked ends a stream whose state may be anything.
func (s *stream) endPanicked() {
	defer func() {
		if cause := recover(); cause != nil {
			s.core.engine.panicked(s.core.loop.Wall(), "the end of a stream", s.fe, cause)
			s.abandon()
		}
	}()
	if s.gone {
		return
	}
	s.cause, s.stage = 'I', 'R'
	if s.be == nil {
		s.be = s.fe
	}
	if s.fe.http && s.phase < phaseTunnel && s.toClient == 0 && s.client.unsent() == 0 {
		s.keepClient = false
		s.answer(500, s.core.engine.pages[500].head, s.core.engine.pages[500].body)
		s.advance()
		return
	}
	s.closeAll()
}

// abandon frees what others would miss when even the orderly end of a stream fails.
func (s *stream) abandon() {
	defer func() { recover() }() // nothing more can be done for this one
	if s.gone {
		return
	}
	s.gone = true
	s.ticket.Leave()
	s.core.loop.Disarm(&s.timer)
	s.core.dropConnection(s)
	s.releaseSlot()
	s.leaveBackend()
	s.dropOwn()
	s.core.close(&s.client)
	s.next.prev, s.prev.next = s.prev, s.next
	s.core.count--
	s.listener.left(s.core)
}
