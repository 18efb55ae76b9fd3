package loop

import (
	"fmt"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"

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
// [Loop.Run], or to whoever prepares the loop before.
type Loop struct {
	epoll, wake int
	slots       []slot // by descriptor
	wheel       wheel
	now         time.Duration
	turns       uint64
	wall        time.Time
	wallTurn    uint64
	rescue      func(any)     // see Rescue
	next        int           // event of this turn to be told
	pause       func()        // see AtPause
	paused      time.Duration // when it ran last
	events      [256]unix.EpollEvent

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

const wakeGen = ^uint32(0)

// epoch is where Tick counts from.
var epoch = time.Now()

// Tick reads the clock loops and their timers use: monotonic, since the process began.
// It costs no system call.
func Tick() time.Duration { return time.Since(epoch) }

// NewLoop returns a loop that serves nothing yet.
func NewLoop() (*Loop, error) {
	l := &Loop{epoll: -1, wake: -1, pause: func() {}}
	var err error
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("loop: creating an epoll set: %w", err)
	}
	if l.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		unix.Close(l.epoll)
		return nil, fmt.Errorf("loop: creating an event descriptor: %w", err)
	}
	if err := l.control(unix.EPOLL_CTL_ADD, l.wake, unix.EPOLLIN, wakeGen); err != nil {
		return nil, err
	}
	l.now = Tick()
	l.wheel.init(l.now)
	return l, nil
}

func (l *Loop) control(op, fd int, events uint32, gen uint32) error {
	ev := unix.EpollEvent{Events: events, Fd: int32(fd), Pad: int32(gen)}
	_, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(l.epoll), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(&ev)), 0, 0)
	if errno != 0 {
		return fmt.Errorf("loop: watching descriptor %d: %w", fd, errno)
	}
	return nil
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
	s.gen = (s.gen + 1) &^ (1 << 31) // never wakeGen
	s.handler = h
	if err := l.control(unix.EPOLL_CTL_ADD, fd, events, s.gen); err != nil {
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
	l.control(unix.EPOLL_CTL_DEL, fd, 0, 0)
}

// Now is the clock of [Tick] as read at the beginning of this turn.
func (l *Loop) Now() time.Duration { return l.now }

// Wall is the wall clock, read once a turn at most.
func (l *Loop) Wall() time.Time {
	if l.wallTurn != l.turns || l.turns == 0 {
		l.wall, l.wallTurn = time.Now(), l.turns
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
		l.ring()
	}
	return true
}

func (l *Loop) ring() {
	one := [8]byte{1}
	unix.Write(l.wake, one[:])
}

// Stop makes Run return after its current turn. It may be called from any goroutine.
func (l *Loop) Stop() {
	l.mu.Lock()
	l.stopped = true
	l.mu.Unlock()
	l.ring()
}

// Run serves until Stop. The calling goroutine is locked to its thread from then on.
func (l *Loop) Run() error {
	runtime.LockOSThread()
	defer l.close()
	for {
		n, err := l.wait()
		if err != nil {
			return err
		}
		l.turns++
		l.now = Tick()
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
		if uint32(ev.Pad) == wakeGen {
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
	unix.Close(l.epoll)
	unix.Close(l.wake)
}

func (l *Loop) runPosted() (stop bool) {
	drain(l.wake)
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

// brief is how many milliseconds a thread waits without the scheduler's knowledge: longer than pauses under load,
// and longer than the kernel's tick may take to come. An earlier timer would have the processor's clock set anew,
// twice for each pause.
const brief = 10

// wait first waits a little in a call the scheduler does not know of, which keeps the slot. One it knows of has the
// slot taken away at once from a goroutine that never yields; that costs a wake-up of the runtime's monitor, which
// from then on looks round every 20 µs, and the search for another slot: the monitor alone took 5 to 7 % of a
// worker's time under load. Only a thread with nothing to do gives its slot up. The runtime's signals, with which
// it stops the world and asks for the slot every 10 ms, end either wait.
func (l *Loop) wait() (int, error) {
	short := l.sleep(l.now)
	if short < 0 || short > brief {
		short = brief
	}
	n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(l.epoll), uintptr(unsafe.Pointer(&l.events[0])), uintptr(len(l.events)), uintptr(short), 0, 0)
	if errno == 0 && n == 0 || errno == unix.EINTR {
		long := l.sleep(Tick())
		if long == 0 {
			return 0, nil
		}
		l.pause()
		n, _, errno = syscall.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(l.epoll), uintptr(unsafe.Pointer(&l.events[0])), uintptr(len(l.events)), uintptr(long), 0, 0)
	}
	switch errno {
	case 0:
		return int(n), nil
	case unix.EINTR:
		return 0, nil
	}
	return 0, fmt.Errorf("loop: waiting: %w", errno)
}

// sleep is how many milliseconds there are from now to when a timer is due; -1 for ever.
func (l *Loop) sleep(now time.Duration) int {
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
