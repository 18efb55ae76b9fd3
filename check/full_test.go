package check

import (
	"net"
	"net/netip"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// closed holds a port of 127.0.0.1 on which nobody listens, and which nobody else gets meanwhile: a TCP socket that only has
// its address, or a UDP socket that talks with one peer alone.
func closed(t *testing.T, kind int) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	here := unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	if err := unix.Bind(fd, &here); err != nil {
		t.Fatal(err)
	}
	if kind == unix.SOCK_DGRAM {
		if err := unix.Connect(fd, &unix.SockaddrInet4{Addr: here.Addr, Port: 9}); err != nil {
			t.Fatal(err)
		}
	}
	a, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return netip.AddrPortFrom(netip.AddrFrom4(here.Addr), uint16(a.(*unix.SockaddrInet4).Port)).String()
}

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
