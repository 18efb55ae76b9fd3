package loop

import (
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Events says what a descriptor is ready for.
type Events uint32

// Events as epoll reports them. HangUp: the peer has closed its sending side or the
// whole connection; Closed: both directions are gone; Failed: an error is pending on the descriptor.
const (
	Readable Events = unix.EPOLLIN
	Writable Events = unix.EPOLLOUT
	HangUp   Events = unix.EPOLLRDHUP | unix.EPOLLHUP
	Failed   Events = unix.EPOLLERR
	Closed   Events = unix.EPOLLHUP
)

// A Handler is told what its descriptor is ready for, on the loop's thread.
type Handler interface{ Ready(Events) }

// A Loop serves many descriptors and timers from one OS thread. Nothing it does for
// an event allocates or locks.
//
// All methods but [Loop.Post] and [Loop.Stop] belong to the thread that runs
// [Loop.Run], or to those who prepare the loop before.
type Loop struct {
	source   Source
	slots    []slot // by descriptor
	wheel    wheel
	now      time.Duration
	turns    uint64
	wall     time.Time
	wallTurn uint64
	rescue   func(any)     // see Rescue
	next     int           // event of this turn to be told
	pause    func()        // see AtPause
	paused   time.Duration // when it ran last
	events   [256]unix.EpollEvent

	again, going []Handler // see Again

	mu      sync.Mutex
	posted  []func()
	running []func() // posted before, being run
	stopped bool
}

// slot remembers who is told of a descriptor's events. The generation tells apart two
// uses of one number within a batch of events.
type slot struct {
	handler Handler
	gen     uint32
}

// WakeGen is the generation of the event that says that something was posted.
const WakeGen = ^uint32(0)

// epoch is where Tick counts from.
var epoch = time.Now()

// Tick reads the clock loops and their timers use: monotonic, since the process began.
// It costs no system call.
func Tick() time.Duration { return time.Since(epoch) }

// NewLoop returns a loop that serves nothing yet, on the kernel's epoll.
func NewLoop() (*Loop, error) {
	source, err := newEpoll()
	if err != nil {
		return nil, err
	}
	return NewLoopOn(source), nil
}

// NewLoopOn returns a loop whose events and clocks come from a source of the caller's, which it closes at its end.
func NewLoopOn(source Source) *Loop {
	l := &Loop{source: source, pause: func() {}}
	l.now = source.Tick()
	l.wheel.init(l.now)
	return l
}

// Watch tells h of every change of fd's readiness, once each (edge-triggered): the
// handler must read or write until the kernel has no more, or remember that it did not.
// The descriptor stays the caller's. [Loop.Forget] it before closing it.
func (l *Loop) Watch(fd int, h Handler) error {
	return l.watch(fd, h, unix.EPOLLIN|unix.EPOLLOUT|unix.EPOLLRDHUP|unix.EPOLLET)
}

// Listen tells h for as long as fd is readable (level-triggered).
func (l *Loop) Listen(fd int, h Handler) error { return l.watch(fd, h, unix.EPOLLIN) }

func (l *Loop) watch(fd int, h Handler, events uint32) error {
	for fd >= len(l.slots) {
		l.slots = append(l.slots, make([]slot, max(64, fd+1-len(l.slots)))...)
	}
	s := &l.slots[fd]
	s.gen = (s.gen + 1) &^ (1 << 31) // never WakeGen
	s.handler = h
	if err := l.source.Add(fd, events, s.gen); err != nil {
		s.handler = nil
		return err
	}
	return nil
}

// Hand gives the events of a watched descriptor to another handler.
func (l *Loop) Hand(fd int, h Handler) { l.slots[fd].handler = h }

// Forget makes events of fd that are already on their way go nowhere. Closing the
// descriptor, which the caller does next, takes it out of the epoll set.
func (l *Loop) Forget(fd int) {
	if fd < len(l.slots) {
		l.slots[fd].handler = nil
		l.slots[fd].gen++
	}
}

// Unwatch takes fd out of the loop while it stays open, as for a listener that pauses.
func (l *Loop) Unwatch(fd int) {
	l.Forget(fd)
	l.source.Remove(fd)
}

// Now is the clock of [Tick] as read at the beginning of this turn.
func (l *Loop) Now() time.Duration { return l.now }

// Wall is the wall clock, read once a turn at most.
func (l *Loop) Wall() time.Time {
	if l.wallTurn != l.turns || l.turns == 0 {
		l.wall, l.wallTurn = l.source.Wall(), l.turns
	}
	return l.wall
}

// AtPause sets what runs when the loop has had nothing to do for a few milliseconds, when it ends and, while it is
// busy, every millisecond or so: for what is cheaper in greater numbers and may wait that long.
func (l *Loop) AtPause(f func()) { l.pause = f }

// Rescue sets what is called, while the stack still stands, when a handler panics in Ready; the events of others
// are served after it. It panics again with what it cannot answer for. Without it a panic goes its way.
func (l *Loop) Rescue(f func(cause any)) { l.rescue = f }

// Again calls h once more, with no events, in this turn or the next, after others had theirs: for work
// that would go on for too long at a stretch.
func (l *Loop) Again(h Handler) { l.again = append(l.again, h) }

// Post runs f on the loop's thread, soon. It may be called from any goroutine. It
// reports false after [Loop.Stop]: f will not run.
func (l *Loop) Post(f func()) bool {
	l.mu.Lock()
	if l.stopped {
		l.mu.Unlock()
		return false
	}
	l.posted = append(l.posted, f)
	first := len(l.posted) == 1
	l.mu.Unlock()
	if first {
		l.source.Ring()
	}
	return true
}

// Stop makes Run return after its current turn. It may be called from any goroutine.
func (l *Loop) Stop() {
	l.mu.Lock()
	l.stopped = true
	l.mu.Unlock()
	l.source.Ring()
}

// Run serves until Stop. The calling goroutine is locked to its thread from then on.
func (l *Loop) Run() error {
	runtime.LockOSThread()
	defer l.close()
	for {
		n, err := l.source.Wait(l, l.events[:])
		if err != nil {
			return err
		}
		l.turns++
		l.now = l.source.Tick()
		for l.next = 0; l.next < n; {
			if l.tell(n) {
				return nil
			}
		}
		l.wheel.advance(l.now)
		l.again, l.going = l.going[:0], l.again
		for l.next = 0; l.next < len(l.going); {
			l.goOn()
		}
		if l.now-l.paused >= time.Millisecond {
			l.paused = l.now
			l.pause()
		}
	}
}

// tell goes on telling handlers of the turn's n events, until one of them panics.
func (l *Loop) tell(n int) (stop bool) {
	if l.rescue != nil {
		defer l.survive()
	}
	for l.next < n {
		ev := &l.events[l.next]
		l.next++
		if uint32(ev.Pad) == WakeGen {
			if l.runPosted() {
				return true
			}
			continue
		}
		if s := &l.slots[ev.Fd]; s.gen == uint32(ev.Pad) && s.handler != nil {
			s.handler.Ready(Events(ev.Events))
		}
	}
	return false
}

// goOn calls those that asked for it with Again, until one of them panics.
func (l *Loop) goOn() {
	if l.rescue != nil {
		defer l.survive()
	}
	for l.next < len(l.going) {
		h := l.going[l.next]
		l.going[l.next] = nil
		l.next++
		h.Ready(0)
	}
}

func (l *Loop) survive() {
	if cause := recover(); cause != nil {
		l.rescue(cause)
	}
}

func (l *Loop) close() {
	l.pause()
	l.source.Close()
}

func (l *Loop) runPosted() (stop bool) {
	l.source.Drain()
	l.mu.Lock()
	l.posted, l.running = l.running[:0], l.posted
	stop = l.stopped
	l.mu.Unlock()
	for i, f := range l.running {
		f()
		l.running[i] = nil
	}
	return stop
}

// Pause runs what AtPause set; a [Source] does so before it waits for long.
func (l *Loop) Pause() { l.pause() }

// Sleep is for how many milliseconds from now a [Source] may wait for events at most; -1: for ever.
func (l *Loop) Sleep(now time.Duration) int {
	if len(l.again) > 0 {
		return 0
	}
	at, ok := l.wheel.next()
	if !ok {
		return -1
	}
	d := at - now
	if d <= 0 {
		return 0
	}
	return int((d + time.Millisecond - 1) / time.Millisecond)
}
