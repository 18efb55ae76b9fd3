package sock

import (
	"fmt"
	"net/netip"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxDatagrams is how many datagrams leave in one call.
const maxDatagrams = 64

// mmsghdr is struct mmsghdr of sendmmsg(2).
type mmsghdr struct {
	header unix.Msghdr
	_      uint32 // how much was sent
	_      [unsafe.Sizeof(uintptr(0)) - 4]byte
}

// Datagrams is a connected, non-blocking datagram socket that sends many datagrams in few calls.
// It belongs to one goroutine.
type Datagrams struct {
	fd      int
	headers [maxDatagrams]mmsghdr
	vectors [maxDatagrams]unix.Iovec
}

// DialUDP opens a socket whose datagrams go to addr.
func DialUDP(addr netip.AddrPort) (*Datagrams, error) {
	to, domain := unix.Sockaddr(nil), unix.AF_INET6
	if a := addr.Addr().Unmap(); a.Is4() {
		to, domain = &unix.SockaddrInet4{Addr: a.As4(), Port: int(addr.Port())}, unix.AF_INET
	} else {
		to = &unix.SockaddrInet6{Addr: a.As16(), Port: int(addr.Port())}
	}
	return dialDatagrams(domain, to, addr.String())
}

// DialUNIX opens a socket whose datagrams go to the one at path; a leading '@' is an abstract address.
func DialUNIX(path string) (*Datagrams, error) {
	return dialDatagrams(unix.AF_UNIX, &unix.SockaddrUnix{Name: path}, path)
}

func dialDatagrams(domain int, to unix.Sockaddr, name string) (*Datagrams, error) {
	fd, err := unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("sock: opening a datagram socket for %s: %w", name, err)
	}
	if err := unix.Connect(fd, to); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("sock: connecting to %s: %w", name, err)
	}
	return &Datagrams{fd: fd}, nil
}

// Send sends packets in order until one cannot be sent and returns how many were. The error is the
// errno of the first that was not: EAGAIN when the receiver has no room, ECONNREFUSED when nobody listens (of UDP
// that is the fate of an earlier datagram, and sending may go on). It does not allocate and does not wait.
func (d *Datagrams) Send(packets [][]byte) (sent int, err error) {
	for sent < len(packets) {
		n := min(len(packets)-sent, maxDatagrams)
		for i, p := range packets[sent : sent+n] {
			v := &d.vectors[i]
			v.Base = unsafe.SliceData(p)
			v.SetLen(len(p))
			h := &d.headers[i].header
			h.Iov = v
			h.SetIovlen(1)
		}
		r, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(d.fd), uintptr(unsafe.Pointer(&d.headers)),
			uintptr(n),
			unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		runtime.KeepAlive(packets)
		switch errno {
		case 0:
			sent += int(r)
		case unix.EINTR:
		default:
			return sent, syscall.Errno(errno)
		}
	}
	return sent, nil
}

// Close closes the socket.
func (d *Datagrams) Close() error { return unix.Close(d.fd) }
