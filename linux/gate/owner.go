package gate

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// ownerName is an abstract UNIX address: each network namespace has one, and it goes with the process that holds it.
const ownerName = "@evenkeel-gate"

// ErrOwned: another living process guards the addresses of this network namespace.
var ErrOwned = errors.New("another director guards the addresses of this network namespace")

// goingLimit is how long a name may outlive its holder: a script that is just being started holds descriptors of
// the director until it runs.
const goingLimit = 2 * time.Second

// own makes this process the one that guards the addresses of its network namespace; the descriptor is given to
// disown. Two would replace each other's filters, and a purge beside a living director would take its gate away. A
// name held by somebody without our rights says nothing.
func own(log func(string)) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("gate: opening a socket: %w", err)
	}
	name := &unix.SockaddrUnix{Name: ownerName}
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		if err = unix.Bind(fd, name); err == nil {
			err = unix.Listen(fd, 1)
		}
		if err == nil {
			return fd, nil
		}
		if !errors.Is(err, unix.EADDRINUSE) {
			unix.Close(fd)
			return -1, fmt.Errorf("gate: binding %s: %w", ownerName, err)
		}
		holder, err := holderOf(name)
		switch going := err != nil || errors.Is(unix.Kill(int(holder.Pid), 0), unix.ESRCH); {
		case going && time.Since(began) < goingLimit:
			continue
		case err != nil:
			err = fmt.Errorf("gate: %w", ErrOwned)
		case holder.Uid != 0 && int(holder.Uid) != os.Geteuid():
			log(fmt.Sprintf("process %d of user %d holds the name %s, by which directors know each other; it is not asked", holder.Pid, holder.Uid, ownerName))
			err = nil
		default:
			err = fmt.Errorf("gate: %w: process %d", ErrOwned, holder.Pid)
		}
		unix.Close(fd)
		return -1, err
	}
}

func holderOf(name *unix.SockaddrUnix) (*unix.Ucred, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	if err := unix.Connect(fd, name); err != nil {
		return nil, err
	}
	return unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
}

func (s *Set) disown() {
	if s.owner >= 0 {
		unix.Shutdown(s.owner, unix.SHUT_RDWR) // for those that still hold a copy
		unix.Close(s.owner)
		s.owner = -1
	}
}
