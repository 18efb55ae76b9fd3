package proxy

import (
	"github.com/evenkeel/evenkeel/linux/loop"
	"github.com/evenkeel/evenkeel/linux/sock"
)

// endpoint is one side of a stream: a transport with what is known of its readiness, what was read from it
// and not yet used, and what could not be written yet. Readiness is edge-triggered: it
// stays true until a call says the kernel has no more.
type endpoint struct {
	transport
	plain      plain // the transport, where there is no other
	fd         int   // what the loop watches; -1: closed
	canRead    bool
	canWrite   bool
	hangUp     bool       // the peer closed its sending side, or all: do not trust a short read
	eof        bool       // the end of the stream was read
	broken     sock.Errno // reading failed
	unwritable sock.Errno // writing failed; what the peer sent before may still be read
	reset      bool       // both directions are gone
	finSent    bool
	// in holds bytes kept for later: in[inOff:]. The buffer is the core's.
	in    []byte
	inOff int
	// out holds bytes the kernel did not take yet: out[outOff:].
	out    []byte
	outOff int
}

// open begins a connection; without a transport of its own fd is a socket.
func (e *endpoint) open(fd int, t transport) {
	*e = endpoint{fd: fd, plain: plain{fd}, transport: t, canRead: true, canWrite: true}
	if t == nil {
		e.transport = &e.plain
	}
}

// note remembers what an event says.
func (e *endpoint) note(ev loop.Events) {
	if ev&(loop.Readable|loop.HangUp|loop.Failed) != 0 {
		e.canRead = true
	}
	if ev&(loop.Writable|loop.Failed) != 0 {
		e.canWrite = true
	}
	if ev&(loop.HangUp|loop.Failed) != 0 {
		e.hangUp = true
	}
	if ev&(loop.Closed|loop.Failed) != 0 {
		e.reset = true
	}
}

// pending is what was read and not used.
func (e *endpoint) pending() []byte { return e.in[e.inOff:] }

// unsent is how many bytes wait to be written.
func (e *endpoint) unsent() int { return len(e.out) - e.outOff }

// quiet says whether the peer is there and has sent nothing that was not read: by looking where the last read may have
// left something, of which no event would tell any more.
func (e *endpoint) quiet() bool {
	if !e.canRead {
		return true
	}
	open, more := e.alive()
	return open && !more
}

// closeWrite sends FIN.
func closeWrite(e *endpoint) {
	if !e.finSent && e.unwritable == 0 {
		e.finSent = true
		e.transport.closeWrite()
	}
}

// over says that nothing more will be read.
func (e *endpoint) over() bool { return e.eof || e.broken != 0 }

// close closes the socket and gives its buffers back.
func (c *core) close(e *endpoint) {
	if e.fd >= 0 {
		c.loop.Forget(e.fd)
		e.transport.close()
		e.fd = -1
	}
	c.dropIn(e)
	c.dropOut(e)
}

func (c *core) dropIn(e *endpoint) {
	if e.in != nil {
		c.giveBack(e.in)
		e.in, e.inOff = nil, 0
	}
}

func (c *core) dropOut(e *endpoint) {
	if e.out != nil {
		c.giveBack(e.out)
		e.out, e.outOff = nil, 0
	}
}

// buffer gives a buffer of at least n bytes' capacity from the stock that fits.
func (c *core) buffer(n int) []byte {
	switch {
	case n <= c.small.Size():
		return c.small.Get()
	case n <= c.large.Size():
		return c.large.Get()
	}
	return make([]byte, 0, n)
}

func (c *core) giveBack(b []byte) {
	if cap(b) == c.small.Size() {
		c.small.Put(b)
	} else {
		c.large.Put(b)
	}
}

// read gives bytes from the socket: those kept, if there are, else what the kernel has,
// in the core's receive buffer, where they stay until the next read. Nothing and no eof or
// broken means: wait.
func (c *core) read(e *endpoint) []byte {
	if e.inOff < len(e.in) {
		return e.pending()
	}
	n := c.receive(e, c.receiveBuffer)
	return c.receiveBuffer[:n]
}

// readMore adds what the kernel has to the bytes kept, and gives all of them. full means that
// the buffer for one message has no more room.
func (c *core) readMore(e *endpoint) (data []byte, grown, full bool) {
	if e.inOff > 0 {
		e.in = e.in[:copy(e.in, e.in[e.inOff:])]
		e.inOff = 0
	}
	room := cap(e.in) - len(e.in)
	if room == 0 {
		return e.in, false, true
	}
	n := c.receive(e, e.in[len(e.in):cap(e.in)])
	e.in = e.in[:len(e.in)+n]
	return e.in, n > 0, false
}

// receive reads once into b, which must not be empty.
func (c *core) receive(e *endpoint, b []byte) int {
	if !e.canRead || e.eof || e.broken != 0 {
		return 0
	}
	n, errno := e.recv(b)
	switch {
	case errno == sock.Again:
		e.canRead = false
	case errno != 0:
		e.broken, e.canRead = errno, false
	case n == 0:
		e.eof, e.canRead = true, false
	case n < len(b) && !e.hangUp:
		e.canRead = false // a short read empties the socket; the next arrival is an edge
	}
	return n
}

// keep stores the tail of what read gave for later.
func (c *core) keep(e *endpoint, rest []byte) {
	switch {
	case len(rest) == 0:
		c.dropIn(e)
	case e.inOff < len(e.in): // rest is the tail of in
		e.inOff = len(e.in) - len(rest)
	default:
		if e.in == nil || cap(e.in) < len(rest) {
			c.dropIn(e)
			e.in = c.buffer(len(rest))
		}
		e.in, e.inOff = append(e.in[:0], rest...), 0
	}
}

// send writes a and then b, keeping what the kernel does not take. It reports false
// when the socket is broken.
func (c *core) send(e *endpoint, a, b []byte) bool {
	if e.unwritable != 0 || e.finSent {
		return false
	}
	if e.unsent() > 0 || !e.canWrite {
		c.store(e, a)
		c.store(e, b)
		return true
	}
	total := len(a) + len(b)
	if total == 0 {
		return true
	}
	n, errno := e.transport.send(a, b)
	if errno != 0 {
		n = 0
		if errno != sock.Again {
			e.unwritable = errno
			return false
		}
	}
	if n == total {
		return true
	}
	e.canWrite = false
	if n < len(a) {
		c.store(e, a[n:])
		c.store(e, b)
	} else {
		c.store(e, b[n-len(a):])
	}
	return true
}

// store adds bytes to those that wait to be written.
func (c *core) store(e *endpoint, b []byte) {
	if len(b) == 0 {
		return
	}
	if e.outOff > 0 {
		e.out = e.out[:copy(e.out, e.out[e.outOff:])]
		e.outOff = 0
	}
	if need := len(e.out) + len(b); need > cap(e.out) {
		bigger := c.buffer(need)
		bigger = append(bigger, e.out...)
		c.dropOut(e)
		e.out = bigger
	}
	e.out = append(e.out, b...)
}

// flush writes what waits. It reports false when the socket is broken.
func (c *core) flush(e *endpoint) bool {
	for e.unsent() > 0 && e.canWrite {
		n, errno := e.transport.send(e.out[e.outOff:], nil)
		if errno != 0 {
			e.canWrite = false
			if errno != sock.Again {
				e.unwritable = errno
				return false
			}
			return true
		}
		e.outOff += n
		if e.outOff < len(e.out) {
			e.canWrite = false
		}
	}
	if e.unsent() == 0 {
		c.dropOut(e)
	}
	return e.unwritable == 0
}
