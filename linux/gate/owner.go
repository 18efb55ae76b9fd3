package gate

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ownerName is an abstract UNIX address: each network namespace has one, and it goes with the process that holds it.
const ownerName = "@evenkeel-gate"

// ErrOwned: another living process guards the addresses of this network namespace.
var ErrOwned = errors.New("another director guards the addresses of this network namespace")

// own makes this process the one that guards the addresses of its network namespace; the descriptor is closed to give
// that up. Two would replace each other's filters, and a purge beside a living director would take its gate away. A name held by
// somebody without our rights says nothing.
func own(log func(string)) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("gate: opening a socket: %w", err)
	}
	name := &unix.SockaddrUnix{Name: ownerName}
	if err = unix.Bind(fd, name); err == nil {
		err = unix.Listen(fd, 1)
	}
	if err == nil {
		return fd, nil
	}
	defer unix.Close(fd)
	if !errors.Is(err, unix.EADDRINUSE) {
		return -1, fmt.Errorf("gate: binding %s: %w", ownerName, err)
	}
	holder, err := holderOf(name)
	switch {
	case err != nil: // it is just going, or its backlog is full of others who ask
		return -1, fmt.Errorf("gate: %w", ErrOwned)
	case holder.Uid != 0 && int(holder.Uid) != os.Geteuid():
		log(fmt.Sprintf("process %d of user %d holds the name %s, by which directors know each other; it is not asked", holder.Pid, holder.Uid, ownerName))
		return -1, nil
	}
	return -1, fmt.Errorf("gate: %w: process %d", ErrOwned, holder.Pid)
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
		unix.Close(s.owner)
		s.owner = -1
	}
}
