package proxy

import (
	"cmp"
	"fmt"
	"net/netip"
	"strconv"
	"sync/atomic"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/counter"
	"github.com/evenkeel/evenkeel/linux/loop"
	"github.com/evenkeel/evenkeel/linux/sock"
	"github.com/evenkeel/evenkeel/sample"
)

// listener is a listening socket on one core.
type listener struct {
	core   *core
	fe     *proxy
	bind   *bindState
	fd     int
	name   string
	path   string // UNIX sockets
	paused bool   // out of the loop because a limit is reached
	closed bool
}

// bindState is what the cores' listeners of one bind share.
type bindState struct {
	cfg   *config.Bind
	conns atomic.Int64
}

// maxAccept is how many connections one event takes, so that others get their turn.
const maxAccept = 64

// Ready accepts.
func (l *listener) Ready(loop.Events) {
	for range maxAccept {
		if !l.accept() {
			return
		}
	}
}

// accept takes a connection; false: there is none, or it has to wait.
func (l *listener) accept() bool {
	if l.closed {
		return false
	}
	if l.full() {
		l.pause()
		return false
	}
	fd, peer, errno := sock.Accept(l.fd)
	if errno != 0 {
		if errno != sock.Again {
			l.core.engine.acceptFailed(l, errno)
			if !l.closed && l.core.engine.outOfDescriptors(errno) {
				l.pause() // until a connection ends
			}
		}
		return false
	}
	l.accepted(fd, nil, peer)
	return true
}

// full says whether a limit keeps l from accepting.
func (l *listener) full() bool {
	e, fe := l.core.engine, l.fe
	if fe.paused.Load() {
		return true
	}
	if limit := fe.maxConn.Load(); limit > 0 && fe.conns.Load() >= limit {
		return true
	}
	if limit := l.bind.cfg.MaxConn; limit > 0 && l.bind.conns.Load() >= int64(limit) {
		return true
	}
	if limit := fe.rateLimit.Load(); limit > 0 && fe.newSessions(l.core.loop.Wall().Unix()) >= limit {
		return true
	}
	if limit := int64(e.cfg.Global.MaxConnRate); limit > 0 &&
		e.connRate.ThisSecond(l.core.loop.Wall().Unix()) >= limit {
		return true
	}
	return e.conns.Load() >= e.maxConn.Load()
}

// pause takes the listener out of the loop; the kernel queues meanwhile. It looks again when a
// connection ends or a moment has passed.
func (l *listener) pause() {
	if l.paused || l.closed {
		return
	}
	l.paused = true
	l.core.loop.Unwatch(l.fd)
	l.core.resumeSoon()
}

func (l *listener) resume() {
	if l.paused && !l.closed && !l.full() {
		l.paused = false
		l.core.loop.Listen(l.fd, l)
	}
}

// relisten has the socket take connections, which an operator may have stopped, in this worker or in one before it.
func (l *listener) relisten() {
	fe := l.fe.cfg
	if err := sock.Relisten(l.fd, cmp.Or(l.bind.cfg.Backlog, fe.Backlog, fe.MaxConn, defaultBacklog)); err != nil {
		l.core.engine.opts.Log(severityAlert, fe, fmt.Sprintf("Proxy %s cannot listen on %s: %v", fe.Name, l.name, err))
	}
}

// defaultBacklog is how many connections may wait to be accepted where the configuration does not say.
const defaultBacklog = 4096

// accepted begins a stream on a new connection; t is its transport where it is no plain socket.
func (l *listener) accepted(fd int, t transport, peer netip.AddrPort) {
	c, e, fe := l.core, l.core.engine, l.fe
	now := c.loop.Wall().Unix()
	shard := &fe.front[c.id]
	shard.Connections.Add(1)
	shard.ConnectionRate.Add(now)
	counter.Raise(&fe.connsMax, fe.conns.Add(1))
	l.bind.conns.Add(1)
	counter.Raise(&e.maxSeen, e.conns.Add(1))
	if e.cfg.Global.MaxConnRate > 0 {
		e.connRate.Add(now)
	}
	if len(fe.cfg.Rules.TCPConnection) > 0 && !l.admit(fd, peer) {
		l.left(c)
		return
	}
	shard.Sessions.Add(1)
	shard.Rate.Add(now)
	s := c.newStream(l, fd, t, peer)
	if fe.cfg.Options.ClientKeepalive {
		s.client.keepalive()
	}
	if err := c.loop.Watch(fd, s); err != nil {
		e.watchFailed(err)
		s.logged = true
		s.destroy()
		return
	}
	if !fe.http {
		defer s.guard()
		s.advance()
	} else {
		s.client.canRead = false // its bytes are an edge
		s.schedule()
	}
}

// admit applies tcp-request connection rules; false: the connection was closed by one.
func (l *listener) admit(fd int, peer netip.AddrPort) (ok bool) {
	c := l.core
	defer func() {
		if cause := recover(); cause != nil {
			c.engine.panicked(c.loop.Wall(), "a connection", l.fe, cause)
			sock.Close(fd)
			ok = false
		}
	}()
	c.arriving = arrival{l, peer, sock.Local(fd)}
	a, x := &c.arriving, &c.ctx
	for i := range l.fe.cfg.Rules.TCPConnection {
		r := &l.fe.cfg.Rules.TCPConnection[i]
		x.Reset(sample.Connection)
		x.Source, x.Dest, x.Now, x.Facts = a.peer, a.dest, c.loop.Wall(), a
		if !r.Cond.Match(x) {
			continue
		}
		if decide := admissions[r.Do]; decide != nil {
			return decide(l, fd)
		}
		return refuseConnection(l, fd) // an action that is not known here must let nobody in
	}
	return true
}

// admissions are the actions of tcp-request connection; true: the connection is taken.
var admissions = [config.ActClose + 1]func(*listener, int) bool{
	config.ActAllow: func(*listener, int) bool { return true },
	config.ActDeny:  refuseConnection,
	config.ActSilentDrop: func(l *listener, fd int) bool {
		l.fe.front[l.core.id].DeniedRequests.Add(1) // as the reference counts it
		p := plain{fd}
		p.silence(l.core.engine.opts.Forget)
		p.close()
		return false
	},
}

func refuseConnection(l *listener, fd int) bool {
	l.fe.front[l.core.id].DeniedConnections.Add(1)
	sock.Reset(fd)
	sock.Close(fd)
	return false
}

// arrival is a connection that has no stream yet, as the source of facts for rules.
type arrival struct {
	l          *listener
	peer, dest netip.AddrPort
}

// Record gives what is known of a connection.
func (a *arrival) Record(r *sample.Record) {
	e := a.l.core.engine
	r.Frontend, r.FrontendTransport, r.Backend, r.Server = a.l.fe.cfg.Name, a.l.fe.cfg.Name, a.l.fe.cfg.Name, noServer
	r.Bind, r.UnixBind, r.BindID = a.l.bind.cfg.Name, a.l.path, a.l.bind.cfg.ID
	r.Client, r.Dest = a.peer, a.dest
	r.Accepted = a.l.core.loop.Wall()
	r.Th, r.Ti, r.TR, r.Tw, r.Tc, r.Tr, r.Td, r.Ta, r.Tt, r.Tu = 0, 0, -1, -1, -1, -1, -1, 0, 0, 0
	r.Status = -1
	r.Active, r.FrontendConns = int(e.conns.Load()), int(a.l.fe.conns.Load())
	r.Termination = [4]byte{'-', '-', '-', '-'}
	r.Host, r.PID = e.host, e.pid
}

// UniqueID is none before there is a request.
func (a *arrival) UniqueID(*sample.Context) []byte { return nil }

// left counts a connection out.
func (l *listener) left(c *core) {
	l.fe.conns.Add(-1)
	l.bind.conns.Add(-1)
	c.engine.conns.Add(-1)
	if l.paused {
		l.resume()
	}
}

// streamGone looks whether something waited for this core's streams to end.
func (c *core) streamGone() {
	for _, l := range c.listeners {
		if l.paused {
			l.resume()
		}
	}
	if c.draining && c.count == 0 {
		c.engine.coreDrained(c)
	}
}

// stopListening leaves the listening sockets to the next worker. Clients that wait to be accepted are still
// taken: the next worker may not have this socket.
func (c *core) stopListening() {
	for _, l := range c.listeners {
		for waiting := maxDrained; waiting > 0 && l.accept(); waiting-- {
		}
		l.close()
	}
}

// maxDrained is how many connections a worker that drains still takes from one socket.
const maxDrained = defaultBacklog

func (l *listener) close() {
	if l.closed {
		return
	}
	l.closed = true
	if !l.paused {
		l.core.loop.Unwatch(l.fd)
	}
	sock.Close(l.fd)
}

func appendAddr(b []byte, a netip.AddrPort) []byte {
	if !a.IsValid() {
		return append(b, "unix:1"...)
	}
	b = a.Addr().AppendTo(b)
	return strconv.AppendUint(append(b, ':'), uint64(a.Port()), 10)
}
