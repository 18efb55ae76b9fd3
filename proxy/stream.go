package proxy

import (
	"net/netip"
	"time"

	"github.com/evenkeel/evenkeel/backend"
	"github.com/evenkeel/evenkeel/h1"
	"github.com/evenkeel/evenkeel/linux/loop"
	"github.com/evenkeel/evenkeel/sample"
)

// none marks a time that has not come.
const none = time.Duration(-1)

// stream is one request after the other of a client's connection, and the answers. In HTTP/1.1 and mode tcp a
// connection has one stream, which lives as long as it does; both belong to their core, and unused ones are kept.
type stream struct {
	*conn
	transaction
	next, prev *stream // ring of the core's living streams
	gone       bool
	ticket     backend.Ticket

	phase      phase
	timer      loop.Timer
	scheduled  phase // for which the timer was set
	phaseStart time.Duration
	clientSeen time.Duration // last progress of the client's side
	serverSeen time.Duration

	up           *upstream // connection to srv
	down, upward pipe2
	applet       *appletCall
	unread       int64 // bytes of a statistics page that count as held
}

// transaction is one request with its answer: all of it is over when the next one begins.
type transaction struct {
	be       *proxy
	srv      *backend.Server // chosen; holds a slot while slot is true
	slot     bool
	counted  bool // counted in be
	timeouts struct{ client, server, tunnel time.Duration }

	head                   *h1.Head // of the request, while it is needed
	req                    []byte   // the head as sent on, with the body that came with it; kept for a retry
	reqOff                 int      // sent so far
	reqBody                h1.Body
	resBody                h1.Body
	transfer               h1.Transfer // how the response's body is passed on
	method                 h1.MethodID // as the server gets it
	asked                  h1.MethodID // as the client sent it
	reqTransfer            h1.Transfer // how the request's body is passed on
	minor                  uint8
	replay                 bool // req is all of the request that was consumed: it can be sent again
	keepClient, keepServer bool
	gotHead                bool // of the response
	upgrading              bool

	stageAt   int      // of the request's processing
	rules     progress // within the stage
	inspected *proxy   // whose rules look at the bytes of mode tcp
	message   []byte   // the request's head and what was read behind it, while resting is true
	rest      []byte   // of it, what was read behind the head
	resting   bool
	tries     int // connection attempts that may still be made
	interims  int // responses before the final one
	looked    int // bytes of the response's head that were seen to be incomplete

	story
}

// story is what the log line tells of a transaction.
type story struct {
	// Times of the loop's clock, none where it has not come to that.

	began                                    time.Duration // first byte of the request, or accept
	begunWall                                time.Time
	idleFrom                                 time.Duration
	headAt, queueAt, connectedAt, responseAt time.Duration
	status                                   int
	standsFor                                int   // the status an errorloc's redirect stands for; 0: there is none
	answeredIn                               uint8 // the minor version of the server's response, 0 or 1, plus 1
	toClient, toServer                       int64
	headSize                                 int64 // of the request's head, as received
	retries                                  int
	redispatched                             bool
	srvQueue, beQueue                        int
	queuedFor                                *backend.Server
	ownAddr                                  netip.AddrPort // our end of the server connection, also after it

	// How it ended.

	cause, stage         byte // of the termination
	reqCookie, resCookie byte
	fromStats            bool
	bad                  bool
	why                  string // a malformed message's reason

	// Texts.

	line                          []byte // method, URI, version, captures and cookies
	methodEnd, uriEnd, versionEnd int
	captured                      []span // request captures, then response captures, in line
	cookieReq, cookieRes          span
	uniqueID                      span
	naming                        bool // the unique ID is being made

	// The line itself.

	serial   uint32 // of the request among all of the process
	logLevel int8   // set-log-level; 0: as usual
	logged   bool
	partial  bool // it is being written before the end
	early    bool // and was, by option logasap
}

// span is a piece of stream.line; there reports whether the thing was there at all.
type span struct {
	from, to int
	there    bool
}

func (s *stream) text(p span) []byte {
	if !p.there {
		return nil
	}
	return s.line[p.from:p.to]
}

func (s *stream) remember(b []byte, limit int) span {
	from := len(s.line)
	s.line = append(s.line, b[:min(len(b), limit)]...)
	return span{from, len(s.line), true}
}

// newStream takes over an accepted connection.
func (c *core) newStream(l *listener, fd int, t transport, peer netip.AddrPort) *stream {
	var s *stream
	if n := len(c.streams); n > 0 {
		s = c.streams[n-1]
		c.streams = c.streams[:n-1]
	} else {
		s = &stream{conn: new(conn)}
	}
	s.conn.open(l, fd, t, peer)
	*s = stream{conn: s.conn, ticket: backend.Ticket{Holder: s, Thread: c.loop, Gen: s.ticket.Gen + 1},
		transaction: transaction{story: story{line: s.line[:0], captured: s.captured[:0]}}}
	s.next, s.prev = &c.live, c.live.prev
	s.prev.next, c.live.prev = s, s
	c.count++
	s.begin(s.born)
	s.began = s.born
	return s
}

// begin prepares for a request.
func (s *stream) begin(now time.Duration) {
	s.pageRead()
	s.phase, s.phaseStart, s.clientSeen, s.serverSeen = phaseIdle, now, now, now
	s.ticket.Pinned, s.ticket.Last, s.ticket.Key = nil, nil, backend.Key{}
	s.transaction = transaction{be: s.fe, asked: h1.MethodOther, method: h1.MethodOther, story: story{
		line: s.line[:0], captured: s.captured[:0], status: -1, idleFrom: now, began: none,
		headAt: none, queueAt: none, connectedAt: none, responseAt: none,
		cause: '-', stage: '-', reqCookie: s.fe.untoldCookies(), resCookie: s.fe.untoldCookies()}}
	s.timeouts.client, s.timeouts.tunnel = s.fe.cfg.Timeouts.Client, s.fe.cfg.Timeouts.Tunnel
}

// Ready is the client socket's event.
func (s *stream) Ready(ev loop.Events) {
	c := s.core
	c.serving = s
	s.client.note(ev)
	s.advance()
	c.serving = nil
}

// stretch is how many steps, and how many moves of moveSize bytes, a stream makes at a time while others wait.
const (
	stretch  = 32
	moveSize = 16 << 10
)

// advance goes as far as it can without waiting, and sets the timer for the wait.
func (s *stream) advance() {
	for steps := 0; !s.gone && s.step(); steps++ {
		if steps == stretch {
			s.core.loop.Again(s)
			break
		}
	}
	if !s.gone {
		s.schedule()
	}
}

// step does the next thing; false means that something must happen outside first.
func (s *stream) step() bool { return phases[s.phase].step(s) }

// enter changes the phase.
func (s *stream) enter(p phase) {
	s.phase, s.phaseStart = p, s.core.now()
}

// waitElsewhere looks after the client while the stream waits for something that is not a socket.
func (s *stream) waitElsewhere() bool {
	if s.phase == phaseTarpit {
		// A client that has closed, perhaps only its sending side, goes on waiting; one whose connection is broken
		// need not.
		if s.client.reset {
			s.goOn()
		}
		return s.client.reset
	}
	if !s.be.cfg.Options.AbortOnClose {
		return false
	}
	if !s.client.hangUp || !s.clientLeft() {
		return false
	}
	switch s.phase {
	case phaseQueue:
		s.leaveQueue()
		s.blame('C', 'Q')
	case phasePause:
		s.blame('C', 'C')
	default:
		return false
	}
	s.countClientAbort()
	s.releaseSlot()
	s.status = -1 // nobody is told anything
	s.closeAll()
	return true
}

// kill ends the stream because an operator or a server's change of state wants it. A client that has sent all of its
// request and has nothing of an answer yet gets a 502.
func (s *stream) kill(cause byte) {
	letter := s.letterNow()
	switch {
	case s.phase != phaseExchange:
	case s.gotHead:
		s.countServerAbort()
	case s.reqBody.Done() && s.reqOff >= len(s.req):
		s.serverFailed()
		s.blame(cause, letter)
		s.fail(502)
		s.advance()
		return
	}
	s.abort(cause, letter)
}

// blame sets the termination state, unless something earlier is to blame.
func (s *stream) blame(cause, stage byte) {
	if s.cause == '-' {
		s.cause, s.stage = cause, stage
	}
}

// closeAll logs and ends the stream and its connections.
func (s *stream) closeAll() {
	s.nameRequest()
	s.releaseServer(false)
	s.log()
	s.leaveBackend()
	s.destroy()
}

// destroy frees the stream. Its server side has been released.
func (s *stream) destroy() {
	c := s.core
	if s.gone {
		return
	}
	s.gone = true
	s.ticket.Leave()
	s.dropOwn()
	c.loop.Disarm(&s.timer)
	if s.fe.cfg.Options.NoLinger && s.client.fd >= 0 {
		s.client.transport.reset()
	}
	c.close(&s.client)
	s.dropRequest()
	s.dropHead()
	s.down.release(c)
	s.upward.release(c)
	if s.applet != nil {
		s.applet.cancel()
		s.applet = nil
	}
	s.pageRead()
	s.next.prev, s.prev.next = s.prev, s.next
	s.next, s.prev = nil, nil
	c.count--
	s.listener.left(c)
	if len(c.streams) < 4096 && cap(s.line) <= 16<<10 {
		c.streams = append(c.streams, s)
	}
	c.streamGone()
}

func (s *stream) dropRequest() {
	if s.req != nil {
		s.core.giveBack(s.req)
		s.req, s.reqOff = nil, 0
	}
}

// schedule sets the timer for the nearest limit. A timer that is already set earlier stays: when
// it expires the limit is looked at again, which is cheaper than moving it with every packet.
func (s *stream) schedule() {
	if s.phase == phaseTunnel && s.scheduled == phaseTunnel && s.timer.Armed() {
		return // a tunnel's limits only move away
	}
	s.scheduled = s.phase
	due := phases[s.phase].due(s)
	if due == none {
		return
	}
	if !s.timer.Armed() || due < s.timer.At()-time.Millisecond {
		s.core.loop.Arm(&s.timer, s, due)
	}
}

// Expired is the stream's timer.
func (s *stream) Expired(*loop.Timer) {
	defer s.guard()
	due := phases[s.phase].due(s)
	switch {
	case due == none:
	case s.core.now() < due:
		s.core.loop.Arm(&s.timer, s, due)
	default:
		phases[s.phase].timeout(s)
		if !s.gone {
			s.advance()
		}
	}
}

// context fills the core's evaluation context with what this stream knows.
func (s *stream) context(at sample.Point) *sample.Context {
	c := s.core
	x := &c.ctx
	x.Reset(at)
	x.Source, x.Dest, x.Now = s.source, s.destination(), c.loop.Wall()
	x.Facts, x.RequestNumber = s, s.number
	if s.head != nil && s.head.Complete() { // of half a head the bytes may have moved
		x.Request = s.head
	}
	return x
}
