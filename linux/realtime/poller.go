package realtime

import (
	"fmt"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Tokens the poller keeps for itself. Callers may use every other value.
const (
	tokenTimer = ^uint64(0)
	tokenWake  = ^uint64(0) - 1
)

// MaxToken is the largest token Add accepts.
const MaxToken = tokenWake - 1

// batch is how many ready descriptors one Wait reports at most; the rest stay ready
// (level-triggered) and are reported by the next Wait.
const batch = 64

// A Poller waits for readable descriptors, an absolute deadline, and wake-ups.
//
// All methods but [Poller.Wake] belong to one goroutine, normally locked to its OS
// thread. The zero value is not usable; call [New].
type Poller struct {
	epoll int
	timer int
	wake  int

	armed  time.Duration // deadline the timer is set to; negative: disarmed
	events [batch]unix.EpollEvent
	waking atomic.Bool // a wake-up is in the eventfd and not yet consumed
}

// New returns an empty set. Close it to free its three descriptors.
func New() (*Poller, error) {
	p := &Poller{epoll: -1, timer: -1, wake: -1, armed: -1}
	var err error
	if p.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("realtime: creating an epoll set: %w", err)
	}
	if p.timer, err = unix.TimerfdCreate(unix.CLOCK_BOOTTIME, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK); err != nil {
		p.Close()
		return nil, fmt.Errorf("realtime: creating a CLOCK_BOOTTIME timer (Linux 3.15): %w", err)
	}
	if p.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		p.Close()
		return nil, fmt.Errorf("realtime: creating an event descriptor: %w", err)
	}
	for token, fd := range map[uint64]int{tokenTimer: p.timer, tokenWake: p.wake} {
		if err := p.add(fd, token); err != nil {
			p.Close()
			return nil, err
		}
	}
	return p, nil
}

// Add watches fd for reading. Each Wait reports token while fd is readable, hung up or
// in error. The descriptor stays the caller's: Remove it before closing it.
func (p *Poller) Add(fd int, token uint64) error {
	if token > MaxToken {
		return fmt.Errorf("realtime: token %#x is reserved", token)
	}
	return p.add(fd, token)
}

func (p *Poller) add(fd int, token uint64) error {
	ev := unix.EpollEvent{Events: unix.EPOLLIN}
	setToken(&ev, token)
	if err := unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
		return fmt.Errorf("realtime: watching descriptor %d: %w", fd, err)
	}
	return nil
}

// Remove stops watching fd. Events of fd that a Wait has already returned stand.
func (p *Poller) Remove(fd int) error {
	if err := unix.EpollCtl(p.epoll, unix.EPOLL_CTL_DEL, fd, nil); err != nil {
		return fmt.Errorf("realtime: no longer watching descriptor %d: %w", fd, err)
	}
	return nil
}

// Pause has Wait not report fd for now, or again; fd must have been added with token.
func (p *Poller) Pause(fd int, token uint64, pause bool) error {
	ev := unix.EpollEvent{Events: unix.EPOLLIN}
	if pause {
		ev.Events = 0
	}
	setToken(&ev, token)
	if err := unix.EpollCtl(p.epoll, unix.EPOLL_CTL_MOD, fd, &ev); err != nil {
		return fmt.Errorf("realtime: pausing descriptor %d: %w", fd, err)
	}
	return nil
}

// Wait blocks until a watched descriptor is ready, the clock of [Now] reaches deadline,
// or [Poller.Wake] is called, whichever comes first. A negative deadline never comes; one
// in the past makes Wait return at once with what is ready now. It appends the tokens of
// ready descriptors to ready[:0] and returns them; deadline and wake-up show as an empty
// slice or simply as a later clock. At most 64 tokens come back at a time; descriptors are
// level-triggered, so none is lost. Given a ready slice of capacity 64, Wait does not
// allocate. Interruption by a signal is not an error.
func (p *Poller) Wait(deadline time.Duration, ready []uint64) ([]uint64, error) {
	ready = ready[:0]
	if err := p.arm(deadline); err != nil {
		return ready, err
	}
	n, err := unix.EpollWait(p.epoll, p.events[:], -1)
	if err == unix.EINTR {
		return ready, nil
	}
	if err != nil {
		return ready, fmt.Errorf("realtime: waiting: %w", err)
	}
	for i := range p.events[:n] {
		switch token := tokenOf(&p.events[i]); token {
		case tokenTimer:
			drain(p.timer)
			p.armed = -1
		case tokenWake:
			// Drain first, then clear the flag. A Wake in between writes nothing, which is
			// fine: this Wait is about to return and the caller will see its work. The
			// other order could swallow a write and leave the flag set for ever.
			drain(p.wake)
			p.waking.Store(false)
		default:
			ready = append(ready, token)
		}
	}
	return ready, nil
}

// arm sets the timer unless it already stands at deadline.
func (p *Poller) arm(deadline time.Duration) error {
	if deadline < 0 && p.armed < 0 || deadline == p.armed {
		return nil
	}
	var spec unix.ItimerSpec
	if deadline >= 0 {
		// A zero value would disarm the timer, so "at boot" becomes one nanosecond later.
		spec.Value = unix.NsecToTimespec(max(int64(deadline), 1))
	}
	if err := unix.TimerfdSettime(p.timer, unix.TFD_TIMER_ABSTIME, &spec, nil); err != nil {
		return fmt.Errorf("realtime: setting the timer: %w", err)
	}
	p.armed = deadline
	return nil
}

// Wake makes the current or next Wait return. It may be called from any goroutine and
// does not block; wake-ups that pile up before a Wait count as one. It must not be called
// after Close.
func (p *Poller) Wake() {
	if p.waking.Swap(true) {
		return
	}
	one := uint64(1)
	unix.Write(p.wake, (*[8]byte)(unsafe.Pointer(&one))[:])
}

// Close frees the set. Watched descriptors stay open.
func (p *Poller) Close() error {
	for _, fd := range []*int{&p.epoll, &p.timer, &p.wake} {
		if *fd >= 0 {
			unix.Close(*fd)
			*fd = -1
		}
	}
	return nil
}

// drain reads the eight-byte counter of a timer or event descriptor.
func drain(fd int) {
	var counter [8]byte
	unix.Read(fd, counter[:])
}

func setToken(ev *unix.EpollEvent, token uint64) {
	ev.Fd, ev.Pad = int32(uint32(token)), int32(uint32(token>>32))
}

func tokenOf(ev *unix.EpollEvent) uint64 {
	return uint64(uint32(ev.Fd)) | uint64(uint32(ev.Pad))<<32
}
