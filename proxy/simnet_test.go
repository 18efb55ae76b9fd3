package proxy

import (
	"container/heap"
	"math/rand/v2"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/linux/loop"
	"github.com/evenkeel/evenkeel/linux/sock"
)

// world is a network and a clock that exist only here: the source of a loop's events, and the dialer of its core.
// Everything that happens in it follows from its seed.
type world struct {
	rng     *rand.Rand
	now     time.Duration
	agenda  agenda
	serial  int
	rung    bool
	watched map[int]*watching
	ready   []*watching // with something to report, in order
	fds     int
	finish  func() // called when nothing is left to happen, and when it has gone on for too long
}

type watching struct {
	fd     int
	gen    uint32
	events uint32
	listed bool
}

// moment is something that happens at a time.
type moment struct {
	at     time.Duration
	serial int
	happen func()
}

type agenda []moment

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	return a[i].at < a[j].at || a[i].at == a[j].at && a[i].serial < a[j].serial
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)   { *a = append(*a, x.(moment)) }
func (a *agenda) Pop() any {
	old := *a
	x := old[len(old)-1]
	*a = old[:len(old)-1]
	return x
}

// worldEnd is when everything must have ended: the longest timeout of a site is that of seconds.
const worldEnd = 10 * time.Minute

func newWorld(rng *rand.Rand) *world {
	return &world{rng: rng, now: time.Second, watched: make(map[int]*watching)}
}

func (w *world) in(d time.Duration, happen func()) {
	w.serial++
	heap.Push(&w.agenda, moment{w.now + d, w.serial, happen})
}

// a few milliseconds, at random.
func (w *world) soon() time.Duration { return time.Duration(w.rng.IntN(4000)) * time.Microsecond }

// The source of the loop.

func (w *world) Add(fd int, _ uint32, gen uint32) error {
	x := &watching{fd: fd, gen: gen}
	w.watched[fd] = x
	w.report(fd, 0)
	return nil
}

func (w *world) Remove(fd int) { delete(w.watched, fd) }
func (w *world) Ring()         { w.rung = true }
func (w *world) Drain()        { w.rung = false }
func (w *world) Close()        {}

func (w *world) Tick() time.Duration { return w.now }
func (w *world) Wall() time.Time     { return time.Unix(1_700_000_000, 0).Add(w.now) }

// report has an event reported, if the descriptor is watched.
func (w *world) report(fd int, events uint32) {
	x := w.watched[fd]
	if x == nil {
		return
	}
	x.events |= events
	if !x.listed && x.events != 0 {
		x.listed = true
		w.ready = append(w.ready, x)
	}
}

func (w *world) Wait(l *loop.Loop, ready []unix.EpollEvent) (int, error) {
	sleep := l.Sleep(w.now)
	limit := w.now + time.Duration(sleep)*time.Millisecond
	for sleep != 0 && !w.rung && len(w.ready) == 0 {
		if len(w.agenda) == 0 || sleep > 0 && w.agenda[0].at > limit {
			if w.now > worldEnd {
				w.finish()
				break
			}
			if sleep > 0 {
				w.now = limit
				return 0, nil
			}
			w.finish() // no timer, nothing on the agenda
			if !w.rung {
				panic("a world that stands still")
			}
			break
		}
		m := heap.Pop(&w.agenda).(moment)
		w.now = max(w.now, m.at)
		m.happen()
	}
	n := 0
	if w.rung {
		wake := loop.WakeGen
		ready[0] = unix.EpollEvent{Events: unix.EPOLLIN, Pad: int32(wake), Fd: -1}
		n++
	}
	for _, x := range w.ready {
		x.listed = false
		if w.watched[x.fd] == x && n < len(ready) {
			ready[n] = unix.EpollEvent{Events: x.events, Fd: int32(x.fd), Pad: int32(x.gen)}
			n++
		}
		x.events = 0
	}
	w.ready = w.ready[:0]
	return n, nil
}

// end is one end of a connection: the proxy's, which is a transport, or that of somebody who plays. Bytes and the end
// of the stream arrive later, and in other pieces than they were sent in.
type end struct {
	w    *world
	peer *end
	fd   int // the proxy's ends only
	addr netip.AddrPort

	in       []byte // arrived, not yet taken
	under    int    // bytes under way to here
	room     int    // most that may wait here, under way included
	due      time.Duration
	fin, rst bool // arrived
	blocked  bool // its sender found no room
	finSent  bool
	closed   bool
	silent   bool
	refused  sock.Errno
	changed  func() // players: something arrived, or there is room again
}

// connection makes both ends: the proxy's first.
func (w *world) connection(addr netip.AddrPort) (ours, theirs *end) {
	w.fds++
	room := []int{3000, 70_000, 1 << 20, 1 << 20}[w.rng.IntN(4)]
	ours = &end{w: w, fd: w.fds, addr: addr, room: 1 << 20}
	theirs = &end{w: w, room: room, changed: func() {}}
	ours.peer, theirs.peer = theirs, ours
	return ours, theirs
}

// put sends bytes to the other end, cut into pieces that arrive one after the other.
func (e *end) put(b []byte) {
	to := e.peer
	for len(b) > 0 {
		most := []int{3, 50, 2000, 100_000}[e.w.rng.IntN(4)]
		if len(b) > 500 {
			most = max(most, 2000)
		}
		n := min(len(b), 1+e.w.rng.IntN(most))
		piece := append([]byte(nil), b[:n]...)
		b = b[n:]
		to.under += n
		to.later(func() {
			to.under -= len(piece)
			to.in = append(to.in, piece...)
			to.arrived(unix.EPOLLIN)
		})
	}
}

// later has something arrive here, after everything that is under way.
func (e *end) later(happen func()) {
	e.due = max(e.due, e.w.now) + time.Duration(e.w.rng.IntN(300))*time.Microsecond
	e.w.serial++
	heap.Push(&e.w.agenda, moment{e.due, e.w.serial, func() {
		if !e.closed {
			happen()
		}
	}})
}

func (e *end) arrived(events uint32) {
	if e.fd > 0 {
		e.w.report(e.fd, events)
	} else {
		e.changed()
	}
}

// players: shut ends the sending side, drop closes with a reset.
func (e *end) shut() {
	if !e.finSent && !e.closed {
		e.finSent = true
		to := e.peer
		to.later(func() { to.fin = true; to.arrived(unix.EPOLLIN | unix.EPOLLRDHUP) })
	}
}

func (e *end) drop() {
	if !e.closed {
		e.closed = true
		to := e.peer
		to.later(to.reset1)
	}
}

func (e *end) reset1() {
	e.rst = true
	e.in = nil
	e.arrived(unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR)
}

// take is what a player reads: everything that has arrived. Its sender may go on.
func (e *end) take() []byte {
	b := e.in
	e.in = nil
	if e.peer.blocked && len(b) > 0 {
		e.peer.blocked = false
		e.w.report(e.peer.fd, unix.EPOLLOUT)
	}
	return b
}

// The transport of the proxy's end.

func (e *end) recv(b []byte) (int, sock.Errno) {
	switch {
	case e.rst:
		return 0, unix.ECONNRESET
	case len(e.in) > 0:
		n := copy(b, e.in)
		e.in = e.in[n:]
		return n, 0
	case e.fin:
		return 0, 0
	}
	return 0, sock.Again
}

func (e *end) send(a, b []byte) (int, sock.Errno) {
	switch {
	case e.rst:
		return 0, unix.ECONNRESET
	case e.peer.closed:
		return 0, unix.EPIPE
	case e.closed:
		panic("a send on a closed connection")
	case e.finSent:
		return 0, unix.EPIPE
	}
	free := e.peer.room - len(e.peer.in) - e.peer.under
	if free <= 0 {
		e.blocked = true
		return 0, sock.Again
	}
	n := min(free, len(a)+len(b))
	e.blocked = n < len(a)+len(b)
	e.put(a[:min(n, len(a))])
	e.put(b[:n-min(n, len(a))])
	return n, 0
}

func (e *end) alive() (open, more bool) {
	return !e.rst && (len(e.in) > 0 || !e.fin), !e.rst && len(e.in) > 0
}

func (e *end) connected() sock.Errno { return e.refused }
func (e *end) descriptor() int       { return -1 }
func (e *end) local() netip.AddrPort { return netip.MustParseAddrPort("192.0.2.100:80") }
func (e *end) keepalive()            {}
func (e *end) closeWrite()           { e.shut() }
func (e *end) reset()                {}
func (e *end) silence(func(int))     { e.silent = true }

func (e *end) close() {
	if e.closed {
		panic("a connection is closed twice")
	}
	unread := len(e.in) > 0
	delete(e.w.watched, e.fd)
	switch {
	case e.silent:
	case unread: // as a kernel does
		to := e.peer
		to.later(to.reset1)
	default:
		e.shut()
	}
	e.closed = true
	e.in = nil
}
