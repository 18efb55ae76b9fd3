package probe

import (
	"net"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// full says whether a listener's queue takes no more connections.
func full(t *testing.T, l *net.TCPListener) (is bool) {
	t.Helper()
	raw, err := l.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		i, e := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		is, err = e == nil && i.Unacked > i.Sacked, e // of a listener: how many there are, and how many may be
	})
	if err != nil {
		t.Fatal(err)
	}
	return is
}

// shrink sets a listener's queue to its least.
func shrink(t *testing.T, l *net.TCPListener) {
	t.Helper()
	raw, err := l.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) { err = syscall.Listen(int(fd), 0) }); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}
