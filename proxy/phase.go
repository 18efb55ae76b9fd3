package proxy

import (
	"time"

	"github.com/evenkeel/evenkeel/counter"
)

// phase is where a stream stands.
type phase uint8

const (
	phaseIdle     phase = iota // no byte of a request yet
	phaseHead                  // a part of the head is there
	phaseInspect               // tcp-request content waits for more bytes
	phaseCollect               // the body is being collected for an applet
	phaseApplet                // the answer is being made elsewhere
	phaseTarpit                // a denied client is kept waiting
	phaseQueue                 // every server is full
	phasePause                 // before a retry on the same server
	phaseConnect               // to the server
	phaseExchange              // request on its way, response awaited or on its way
	phaseTunnel                // both directions are just bytes
	phaseDrain                 // the last bytes for the client wait for its socket
	phaseLinger                // all is sent; we read on, so that no reset overtakes it
)

// phaseRow says all there is to know of a phase.
type phaseRow struct {
	name    string                      // in "show sess"
	letter  byte                        // the second one of the termination state of a stream that is ended in it
	step    func(*stream) bool          // as of stream.step
	due     func(*stream) time.Duration // when it has lasted too long; none: never
	timeout func(*stream)               // what is done then
}

// phases is filled by init: steps lead to other phases.
var phases [phaseLinger + 1]phaseRow

func init() {
	phases = [...]phaseRow{
		phaseIdle: {"idle", 'R', (*stream).begins, (*stream).idleDue,
			func(s *stream) { s.requestTimeout(s.client.inOff < len(s.client.in)) }},
		phaseHead: {"request", 'R', (*stream).begins, (*stream).headDue,
			func(s *stream) { s.requestTimeout(true) }},
		phaseInspect: {"inspect", 'R', (*stream).process, (*stream).inspectDue, func(s *stream) { s.process() }},
		phaseCollect: {"body", 'R', (*stream).collect, (*stream).clientDue, (*stream).collectTimeout},
		phaseApplet: {"applet", 'D', (*stream).waitElsewhere,
			func(s *stream) time.Duration { return s.since(pageMaking) }, (*stream).pageTimeout},
		phaseTarpit: {"tarpit", 'T', (*stream).waitElsewhere,
			func(s *stream) time.Duration { return s.since(s.be.cfg.Timeouts.Tarpit) }, (*stream).goOn},
		phaseQueue: {"queue", 'Q', (*stream).waitElsewhere,
			func(s *stream) time.Duration { return s.since(s.be.cfg.Timeouts.Queue) }, (*stream).queueTimeout},
		phasePause: {"pause", 'C', (*stream).waitElsewhere,
			func(s *stream) time.Duration { return s.since(retryPause(s.be.cfg.Timeouts.Connect)) }, (*stream).retry},
		phaseConnect: {"connect", 'C', (*stream).connecting,
			func(s *stream) time.Duration { return s.since(s.be.cfg.Timeouts.Connect) },
			func(s *stream) { s.connectFailed('s', "timeout") }},
		phaseExchange: {"exchange", 'D', (*stream).exchange, (*stream).exchangeDue, (*stream).exchangeTimeout},
		phaseTunnel:   {"tunnel", 'D', (*stream).tunnel, (*stream).tunnelDue, (*stream).tunnelTimeout},
		phaseDrain:    {"drain", 'D', (*stream).drain, (*stream).drainDue, (*stream).drainTimeout},
		phaseLinger: {"linger", 'D', (*stream).linger, func(s *stream) time.Duration { return s.since(lingerTime) },
			(*stream).closeAll},
	}
}

// String names the phase for `show sess`.
func (p phase) String() string { return phases[p].name }

// letterNow is the termination state's second letter for a stream that is ended now.
func (s *stream) letterNow() byte {
	if s.phase == phaseExchange && !s.gotHead {
		return 'H'
	}
	return phases[s.phase].letter
}

// until is when a timeout is over; none where there is no timeout.
func until(from, timeout time.Duration) time.Duration {
	if timeout <= 0 {
		return none
	}
	return from + timeout
}

// sooner is the earlier of two times, either of which may be none.
func sooner(a, b time.Duration) time.Duration {
	if a == none || b != none && b < a {
		return b
	}
	return a
}

// since is when a timeout is over that counts from the beginning of the phase.
func (s *stream) since(timeout time.Duration) time.Duration { return until(s.phaseStart, timeout) }

// idleGrace is how long a client's idle connection stays open when its worker drains. A request that was
// already on its way when we closed would be lost; one that arrives in this time is answered, and told that it was
// the last.
const idleGrace = 2 * time.Second

func (s *stream) idleDue() time.Duration {
	t := &s.fe.cfg.Timeouts
	limit := s.since(t.Client)
	switch {
	case !s.first && t.HTTPKeepAlive > 0:
		limit = s.since(t.HTTPKeepAlive)
	case t.HTTPRequest > 0:
		limit = s.since(t.HTTPRequest)
	}
	if s.core.draining {
		limit = sooner(limit, until(s.core.drainFrom, idleGrace))
	}
	return limit
}

func (s *stream) headDue() time.Duration {
	if t := s.fe.cfg.Timeouts.HTTPRequest; t > 0 {
		return s.since(t)
	}
	return until(s.clientSeen, s.fe.cfg.Timeouts.Client)
}

func (s *stream) inspectDue() time.Duration { return s.since(s.inspected.cfg.Rules.InspectDelay) }
func (s *stream) clientDue() time.Duration  { return until(s.clientSeen, s.timeouts.client) }

func (s *stream) exchangeDue() time.Duration {
	limit := none
	if s.waitsForClient() {
		limit = s.clientDue()
	}
	if s.waitsForServer() {
		limit = sooner(limit, until(s.serverSeen, s.timeouts.server))
	}
	return limit
}

func (s *stream) tunnelDue() time.Duration {
	client, server := s.silences()
	return sooner(until(s.clientSeen, client), until(s.serverSeen, server))
}

func (s *stream) drainDue() time.Duration {
	if s.unread > 0 {
		return sooner(s.clientDue(), s.since(pageDelivery))
	}
	return s.clientDue()
}

// begins is the step of a stream that has no request yet.
func (s *stream) begins() bool {
	if !s.fe.http {
		return s.startTCP()
	}
	return s.readRequest()
}

// goOn has a suspended request go on: its time is over.
func (s *stream) goOn() {
	s.enter(phaseHead)
	s.process()
}

func (s *stream) collectTimeout() {
	s.blame('c', 'R')
	s.fail(408)
}

func (s *stream) queueTimeout() {
	s.leaveQueue()
	s.blame('s', 'Q')
	s.count(counter.FailedConnections)
	s.fail(503)
}

func (s *stream) drainTimeout() {
	s.abort('c', 'D')
	s.countClientAbort()
}
