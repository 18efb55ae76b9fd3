package daemon

import (
	"os"
	"syscall"

	"github.com/evenkeel/evenkeel/linux/sock"
)

// silent-drop must close a connection without a FIN or a RST. That takes CAP_NET_ADMIN, which the worker has given
// up: it hands a copy of the connection to the director, which makes it close in silence. All that the director
// ever does with such a descriptor is one setsockopt and a close.

// takeDrops gives the worker's end of the way for connections to be forgotten; the director's end is served until the
// worker has gone.
func takeDrops() (*os.File, error) {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	go func(via int) {
		defer syscall.Close(via)
		for {
			fds, err := sock.Taken(via)
			if err != nil {
				return
			}
			for _, fd := range fds {
				sock.Silence(fd)
				sock.Close(fd)
			}
		}
	}(pair[0])
	return os.NewFile(uintptr(pair[1]), "drops"), nil
}

// forgetter hands connections over, without waiting: where the director is behind, a connection ends as it would
// without one. via 0: there is no way.
func forgetter(via int) func(fd int) {
	if via == 0 {
		return nil
	}
	syscall.CloseOnExec(via)
	return func(fd int) { sock.Hand(via, fd) }
}
