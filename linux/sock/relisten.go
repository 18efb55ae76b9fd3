package sock

import "golang.org/x/sys/unix"

// Deafen has a listening socket of TCP refuse connections, for everybody who holds it, until Relisten. What waits to be
// accepted is reset. A socket of another kind cannot be woken again: it is left alone, and the result is false.
func Deafen(fd int) bool {
	if family, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN); err != nil ||
		family != unix.AF_INET && family != unix.AF_INET6 {
		return false
	}
	return unix.Shutdown(fd, unix.SHUT_RD) == nil
}

// Relisten has a bound socket listen, again or still; backlog is how many connections may wait.
func Relisten(fd, backlog int) error { return unix.Listen(fd, backlog) }
