package proxy

import (
	"github.com/evenkeel/evenkeel/h1"
	"github.com/evenkeel/evenkeel/linux/sock"
)

// spliceFrom is from how many bytes on a body is moved by the kernel without a copy.
// Below, the two extra calls and the pipe cost more than the copy.
const spliceFrom = 64 << 10

// pipeWanted is the capacity asked for; the kernel may give less.
const pipeWanted = 256 << 10

type pipe struct {
	r, w int
	size int
}

// pipe2 is a pipe in use for one direction of a stream, and what is in it. The zero value has
// none.
type pipe2 struct {
	*pipe
	inside int
	off    bool // this direction does better without
	bulk   int  // tunnels: big reads in a row
}

// busy says that bytes are inside which the receiver did not take yet.
func (p *pipe2) busy() bool { return p.inside > 0 }

// release gives an empty pipe back; one that holds bytes is of no use to anybody else.
func (p *pipe2) release(c *core) {
	if p.pipe == nil {
		return
	}
	if p.inside == 0 && len(c.pipes) < c.engine.sparePipes {
		c.pipes = append(c.pipes, p.pipe)
	} else {
		sock.Close(p.r)
		sock.Close(p.w)
		c.engine.pipes.Add(-1)
	}
	p.pipe, p.inside = nil, 0
}

// acquire finds a pipe; false: there is none to be had, and bytes are copied. Pipes have descriptors of their own, so
// that they are never those of a connection, a check or an operator.
func (p *pipe2) acquire(c *core) bool {
	if p.pipe != nil {
		return true
	}
	if n := len(c.pipes); n > 0 {
		p.pipe = c.pipes[n-1]
		c.pipes = c.pipes[:n-1]
		return true
	}
	if !c.engine.reservePipe() {
		return false
	}
	r, w, errno := sock.Pipe()
	if errno != 0 {
		c.engine.pipes.Add(-1)
		p.off = true
		return false
	}
	p.pipe = &pipe{r: r, w: w, size: sock.PipeSize(w, pipeWanted)}
	return true
}

// reservePipe counts one more pipe, unless there are as many as there may be: the count is never more than that, not
// for a moment either.
func (e *Engine) reservePipe() bool {
	for {
		n := e.pipes.Load()
		if n >= int64(e.opts.MaxPipes) {
			return false
		}
		if e.pipes.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// spliceState is why no more was moved.
type spliceState uint8

const (
	spliceCopy spliceState = iota // use the buffer instead
	spliceWait                    // one of the sockets is not ready
)

// spliceable says whether the rest of a body may go through a pipe.
func (s *stream) spliceable(b *h1.Body, from *endpoint, p *pipe2) bool {
	return b.Framing() == h1.ByLength && b.Remaining() >= spliceFrom && len(from.pending()) == 0 && !p.off &&
		p.inside == 0
}

// spliceBody moves a part of a body whose length is known.
func (s *stream) spliceBody(b *h1.Body, from, to *endpoint, p *pipe2) (int, spliceState) {
	n, state := s.core.splice(from, to, p, int(min(b.Remaining(), 1<<30)))
	if n > 0 {
		b.Skip(int64(n))
	}
	return n, state
}

// splice moves up to limit bytes into the pipe and on to the receiver. The count is what left the
// sender.
func (c *core) splice(from, to *endpoint, p *pipe2, limit int) (int, spliceState) {
	if from.eof || from.broken != 0 {
		return 0, spliceCopy
	}
	if !from.canRead {
		return 0, spliceWait
	}
	source := from.descriptor()
	if source < 0 || to.descriptor() < 0 || !p.acquire(c) {
		return 0, spliceCopy
	}
	n, errno := sock.Splice(source, p.w, min(limit, p.size), false)
	switch {
	case errno == sock.Again:
		from.canRead = false
		p.release(c)
		return 0, spliceWait
	case errno != 0:
		p.off = true
		p.release(c)
		return 0, spliceCopy
	case n == 0:
		from.eof, from.canRead = true, false
		p.release(c)
		return 0, spliceCopy
	}
	p.inside = n
	c.drainPipe(to, p)
	return n, spliceWait
}

// drainPipe writes what is in the pipe; true when it is empty.
func (c *core) drainPipe(to *endpoint, p *pipe2) bool {
	for p.inside > 0 && to.canWrite && to.unwritable == 0 {
		n, errno := sock.Splice(p.r, to.descriptor(), p.inside, false)
		if errno != 0 {
			to.canWrite = false
			if errno != sock.Again {
				to.unwritable = errno
			}
			break
		}
		p.inside -= n
	}
	if p.inside == 0 {
		p.release(c)
		return true
	}
	return false
}

// pumpDown and pumpUp empty the pipe of their direction; false: it must wait.
func (s *stream) pumpDown() bool {
	before := s.down.inside
	done := s.core.drainPipe(&s.client, &s.down)
	if s.down.inside < before {
		s.clientSeen = s.core.now()
	}
	return done
}

func (s *stream) pumpUp() bool {
	before := s.upward.inside
	done := s.core.drainPipe(&s.up.endpoint, &s.upward)
	if s.upward.inside < before {
		s.serverSeen = s.core.now()
	}
	return done
}
