package loop

import (
	"fmt"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Source is where the events and the clocks of a [Loop] come from: the kernel, or a simulation of it. All methods but
// Ring belong to the loop's thread.
type Source interface {
	// Add has events of a descriptor reported with a generation, as epoll does.
	Add(fd int, events uint32, gen uint32) error
	// Remove ends that, for a descriptor that stays open. One that is closed has ended it by itself.
	Remove(fd int)
	// Wait fills ready with events, which it waits for as long as [Loop.Sleep] says, and gives their number.
	Wait(l *Loop, ready []unix.EpollEvent) (int, error)
	// Ring has Wait report an event of WakeGen, until Drain. It may be called from any goroutine.
	Ring()
	Drain()
	// Tick is the clock of timers, Wall the time of day.
	Tick() time.Duration
	Wall() time.Time
	Close()
}

// epoll is the kernel's source.
type epoll struct{ set, wake int }

func newEpoll() (*epoll, error) {
	e := &epoll{set: -1, wake: -1}
	var err error
	if e.set, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("loop: creating an epoll set: %w", err)
	}
	if e.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		unix.Close(e.set)
		return nil, fmt.Errorf("loop: creating an event descriptor: %w", err)
	}
	if err := e.Add(e.wake, unix.EPOLLIN, WakeGen); err != nil {
		e.Close()
		return nil, err
	}
	return e, nil
}

func (e *epoll) control(op, fd int, events uint32, gen uint32) error {
	ev := unix.EpollEvent{Events: events, Fd: int32(fd), Pad: int32(gen)}
	_, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(e.set), uintptr(op), uintptr(fd),
		uintptr(unsafe.Pointer(&ev)), 0, 0)
	if errno != 0 {
		return fmt.Errorf("loop: watching descriptor %d: %w", fd, errno)
	}
	return nil
}

// Add implements Source.
func (e *epoll) Add(fd int, events uint32, gen uint32) error {
	return e.control(unix.EPOLL_CTL_ADD, fd, events, gen)
}

// Remove implements Source.
func (e *epoll) Remove(fd int) { e.control(unix.EPOLL_CTL_DEL, fd, 0, 0) }

// Ring implements Source.
func (e *epoll) Ring() {
	one := [8]byte{1}
	unix.Write(e.wake, one[:])
}

// Drain implements Source.
func (e *epoll) Drain() {
	var count [8]byte
	unix.Read(e.wake, count[:])
}

// Tick implements Source.
func (e *epoll) Tick() time.Duration { return Tick() }

// Wall implements Source.
func (e *epoll) Wall() time.Time { return time.Now() }

// Close implements Source.
func (e *epoll) Close() {
	unix.Close(e.set)
	unix.Close(e.wake)
}

// brief is how many milliseconds a thread waits without the scheduler's knowledge: longer than pauses under load,
// and longer than the kernel's tick may take to come. An earlier timer would have the processor's clock set anew,
// twice for each pause.
const brief = 10

// Wait first waits a little in a call the scheduler does not know of, which keeps the slot. One it knows of has the
// slot taken away at once from a goroutine that never yields; that costs a wake-up of the runtime's monitor, which
// from then on looks round every 20 µs, and the search for another slot: the monitor alone took 5 to 7 % of a
// worker's time under load. Only a thread with nothing to do gives its slot up. The runtime's signals, with which
// it stops the world and asks for the slot every 10 ms, end either wait.
func (e *epoll) Wait(l *Loop, ready []unix.EpollEvent) (int, error) {
	short := l.Sleep(l.now)
	if short < 0 || short > brief {
		short = brief
	}
	n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(e.set), uintptr(unsafe.Pointer(&ready[0])),
		uintptr(len(ready)), uintptr(short), 0, 0)
	if errno == 0 && n == 0 || errno == unix.EINTR {
		long := l.Sleep(Tick())
		if long == 0 {
			return 0, nil
		}
		l.Pause()
		n, _, errno = syscall.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(e.set), uintptr(unsafe.Pointer(&ready[0])),
			uintptr(len(ready)), uintptr(long), 0, 0)
	}
	switch errno {
	case 0:
		return int(n), nil
	case unix.EINTR:
		return 0, nil
	}
	return 0, fmt.Errorf("loop: waiting: %w", errno)
}
