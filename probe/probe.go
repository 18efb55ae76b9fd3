package probe

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/health"
	"github.com/evenkeel/evenkeel/linux/option"
	"github.com/evenkeel/evenkeel/proxyproto"
	"github.com/evenkeel/evenkeel/spelling"
)

// answerSize is how much of an answer is looked at, as HAProxy's buffer.
const answerSize = 16384

var buffers = sync.Pool{New: func() any { return new([answerSize]byte) }}

// probe is one look at a server.
type probe struct {
	t     *Target
	ctx   context.Context
	start time.Time
	limit time.Time // of reading and writing
	conn  net.Conn

	buf    *[answerSize]byte
	answer []byte // what came since the last send, in buf
	closed bool   // and nothing will follow
	step   int    // of Check.Steps; -1: the start
}

// Once probes a server once. It returns when there is a result or time is up; an ended ctx is a
// timeout. It never panics on what a server sends.
//
// Differs from HAProxy and Keepalived: they write what a server says in a check as it came; here it is spelled out.
func Once(ctx context.Context, t *Target) health.Result {
	p := &probe{t: t, ctx: ctx, start: time.Now(), step: -1, buf: buffers.Get().(*[answerSize]byte)}
	p.answer = p.buf[:0]
	r := p.run()
	r.Duration, r.Info = time.Since(p.start), spelling.Visible(r.Info)
	p.hangUp()
	buffers.Put(p.buf)
	return r
}

func (p *probe) run() health.Result {
	t := p.t
	steps := t.steps()
	if len(steps) == 0 || steps[0].Kind != config.StepConnect {
		if r, ok := p.connect(nil, t.SendProxy); !ok {
			return r
		}
	}
	switch t.kind() {
	case config.CheckTCP:
		return p.script(steps)
	case config.CheckHTTP:
		return p.http(steps)
	case config.CheckMySQL:
		return p.mysql()
	case config.CheckPgSQL:
		return p.pgsql()
	case config.CheckRedis:
		return p.redis()
	case config.CheckSMTP:
		return p.smtp()
	case config.CheckLDAP:
		return p.ldap()
	case config.CheckSSLHello:
		return p.sslHello()
	}
	return health.Result{Status: health.SockErr, Info: "unknown kind of check"}
}

func (t *Target) steps() []config.CheckStep {
	if t.Check == nil {
		return nil
	}
	return t.Check.Steps
}

// connect opens a connection, in place of the one before, and sends the PROXY header.
func (p *probe) connect(s *config.CheckStep, sendProxy int) (r health.Result, ok bool) {
	p.hangUp()
	p.answer, p.closed = p.buf[:0], false
	t := p.t
	now := time.Now()
	limit := t.Inter
	if t.Read > 0 && t.Connect > 0 && (limit == 0 || t.Connect < limit) {
		limit = t.Connect
	}
	dialer := net.Dialer{}
	if limit > 0 {
		dialer.Deadline = now.Add(limit)
	}
	network, address := t.at(s)
	if network == "tcp" && sendProxy == 0 && t.kind() == config.CheckTCP && len(t.steps()) == 0 {
		dialer.Control = silently
	}
	if t.Source.IsValid() && network == "tcp" {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(t.Source)
	}
	conn, err := dialer.DialContext(p.ctx, network, address)
	if err != nil {
		return p.connectFailed(err), false
	}
	p.conn = conn
	switch {
	case t.Read > 0:
		p.limit = time.Now().Add(t.Read)
	case t.Inter > 0:
		p.limit = p.start.Add(t.Inter)
	default:
		p.limit = time.Time{}
	}
	if err := conn.SetDeadline(p.limit); err != nil {
		return p.failed(err), false
	}
	if sendProxy > 0 {
		return p.send(proxyHeader(conn, sendProxy))
	}
	return r, true
}

// hangUp resets the connection: no side is left with one in TIME_WAIT.
func (p *probe) hangUp() {
	if p.conn == nil {
		return
	}
	if tcp, ok := p.conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // best effort; closing is what counts
	}
	_ = p.conn.Close()
	p.conn = nil
}

// proxyHeader introduces the check: version 1 with its addresses, version 2 as LOCAL.
func proxyHeader(c net.Conn, version int) []byte {
	if version == 2 {
		return proxyproto.AppendLocal(nil)
	}
	return proxyproto.AppendV1(nil, endpoint(c.LocalAddr()), endpoint(c.RemoteAddr()))
}

// endpoint is the address of a TCP connection; invalid of any other.
func endpoint(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	at := tcp.AddrPort()
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
}

// send writes all of b and forgets what was answered before.
func (p *probe) send(b []byte) (r health.Result, ok bool) {
	p.answer = p.buf[:0]
	if _, err := p.conn.Write(b); err != nil {
		return p.failed(err), false
	}
	return r, true
}

// read waits for more of an answer. Without error either the answer has grown or closed
// has been set. A full buffer counts as closed: nothing more is looked at.
func (p *probe) read() (r health.Result, ok bool) {
	if len(p.answer) == cap(p.buf[:]) || p.closed {
		p.closed = true
		return r, true
	}
	n, err := p.conn.Read(p.buf[len(p.answer):])
	p.answer = p.buf[:len(p.answer)+n]
	switch {
	case err == nil || n > 0:
		return r, true
	case errors.Is(err, io.EOF):
		p.closed = true
		return r, true
	}
	return p.failed(err), false
}

// line waits for a whole line of the answer, from byte from on, and gives it without its
// end. It is short if the answer ended before.
func (p *probe) line(from int) (line []byte, next int, r health.Result, ok bool) {
	for {
		if i := bytes.IndexByte(p.answer[from:], '\n'); i >= 0 {
			return bytes.TrimRight(p.answer[from:from+i], "\r"), from + i + 1, r, true
		}
		if p.closed {
			return p.answer[from:], len(p.answer), r, true
		}
		if r, ok = p.read(); !ok {
			return nil, 0, r, false
		}
	}
}

// connectFailed says why there is no connection.
func (p *probe) connectFailed(err error) health.Result {
	at := p.t.stepName(p.step)
	if timedOut(err) {
		return health.Result{Status: health.L4TOUT, Info: at}
	}
	var errno syscall.Errno
	if errors.As(err, &errno) && (errno == syscall.EMFILE || errno == syscall.ENFILE || errno == syscall.ENOBUFS ||
		errno == syscall.ENOMEM) {
		return health.Result{Status: health.Unknown, Info: words(err) + at} // what we lack says nothing of the server
	}
	return health.Result{Status: health.L4CON, Info: words(err) + at}
}

// failed says why a connection is of no use any more.
func (p *probe) failed(err error) health.Result {
	if timedOut(err) {
		r := health.Result{Status: health.L7TOUT, Info: p.t.stepName(p.step)}
		if p.t.kind() == config.CheckSSLHello {
			r.Status = health.L6TOUT
		}
		return r
	}
	return health.Result{Status: health.SockErr, Info: words(err) + p.t.stepName(p.step)}
}

func timedOut(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout() || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// words is the system's message, as the C library begins it.
func words(err error) string {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return err.Error()
	}
	text := errno.Error()
	return strings.ToUpper(text[:1]) + text[1:]
}

// silently makes the kernel hold back the last packet of the handshake: the reset that follows takes its place, and
// the server's program never hears of a connection that is only a question.
var silently = option.Control(func(fd int) error {
	_ = option.NoQuickAck(fd) // best effort
	return nil
})
