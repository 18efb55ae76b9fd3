// Package ports holds ports on which nobody answers, for tests of what a refusal does. It owns the sockets until
// the test ends, and knows nothing of what the tests test.
package ports

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/linux/sock"
)

// Closed holds a port of 127.0.0.1 on which nobody listens, and which nobody else gets meanwhile: a TCP socket
// (unix.SOCK_STREAM) that only has its address, or a UDP socket (unix.SOCK_DGRAM) that talks with one peer alone.
func Closed(t testing.TB, kind int) netip.AddrPort {
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
	return sock.Local(fd)
}
