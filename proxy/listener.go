package proxy

import (
	"cmp"
	"fmt"
	"net/netip"
	"strconv"
	"sync/atomic"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/linux/loop"
	"github.com/evenkeel/evenkeel/linux/sock"
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
	c := l.core
	for range maxAccept {
		if l.full() {
			l.pause()
			return
		}
		fd, peer, errno := sock.Accept(l.fd)
		if errno != 0 {
			if errno != sock.Again {
				c.engine.acceptFailed(l, errno)
				if !l.closed && c.engine.outOfDescriptors(errno) {
					l.pause() // until a connection ends
				}
			}
			return
		}
		l.accepted(fd, peer)
	}
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
	if limit := int64(e.cfg.Global.MaxConnRate); limit > 0 && e.connRate.thisSecond(l.core.loop.Wall().Unix()) >= limit {
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

// accepted begins a stream on a new connection.
func (l *listener) accepted(fd int, peer netip.AddrPort) {
	c, e, fe := l.core, l.core.engine, l.fe
	now := c.loop.Wall().Unix()
	shard := &fe.front[c.id]
	shard.connections.Add(1)
	shard.connectionRate.add(now)
	raise(&fe.connsMax, fe.conns.Add(1))
	l.bind.conns.Add(1)
	raise(&e.maxSeen, e.conns.Add(1))
	if e.cfg.Global.MaxConnRate > 0 {
		e.connRate.add(now)
	}
	if len(fe.cfg.Rules.TCPConnection) > 0 && !l.admitted(fd, peer) {
		shard.deniedConnections.Add(1)
		sock.Reset(fd)
		sock.Close(fd)
		l.left(c)
		return
	}
	shard.sessions.Add(1)
	shard.rate.add(now)
	if fe.cfg.Options.ClientKeepalive {
		sock.Keepalive(fd)
	}
	s := c.newStream(l, fd, peer)
	s.serial = e.serial.Add(1) - 1
	if err := c.loop.Watch(fd, s); err != nil {
		e.watchFailed(err)
		s.logged = true
		s.destroy()
		return
	}
	if !fe.http {
		s.advance()
	} else {
		s.client.canRead = false // its bytes are an edge
		s.schedule()
	}
}

// admitted applies tcp-request connection rules.
func (l *listener) admitted(fd int, peer netip.AddrPort) bool {
	c := l.core
	x := &c.ctx
	x.Reset()
	x.Place, x.Source, x.Dest = 1, peer, sock.Local(fd)
	x.Request, x.Response, x.Content = nil, nil, nil
	x.Now = c.loop.Wall()
	c.record.Frontend, c.record.Backend, c.record.Server = l.fe.cfg.Name, l.fe.cfg.Name, noServer
	for i := range l.fe.cfg.Rules.TCPConnection {
		r := &l.fe.cfg.Rules.TCPConnection[i]
		if r.Cond.Match(x) {
			return r.Do != config.ActDeny
		}
	}
	return true
}

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

// stopListening leaves the listening sockets to the next worker.
func (c *core) stopListening() {
	for _, l := range c.listeners {
		l.close()
	}
}

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
