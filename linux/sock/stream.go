package sock

import (
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls of a stream socket's life on a loop's thread. They go to the kernel
// directly, without telling the Go scheduler, which is right for calls on non-blocking
// descriptors only. None of them allocates; none waits. An interrupted call is made again.
// The errors are numbers so that the common ones (EAGAIN) cost nothing.

// Errno is a kernel error; 0 is none.
type Errno = syscall.Errno

// Errors the callers tell apart.
const (
	Again      = unix.EAGAIN
	InProgress = unix.EINPROGRESS
)

// Recv reads into b. n is 0 at the end of the stream.
func Recv(fd int, b []byte) (n int, errno Errno) {
	for {
		r, _, e := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))),
			uintptr(len(b)), 0, 0, 0)
		if e == 0 {
			return int(r), 0
		}
		if e != unix.EINTR {
			return 0, e
		}
	}
}

// Peek tells whether bytes wait (n > 0), the peer has closed (n == 0), or neither (Again).
func Peek(fd int) (n int, errno Errno) {
	var b [1]byte
	r, _, e := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&b)), 1,
		unix.MSG_PEEK|unix.MSG_DONTWAIT, 0, 0)
	return int(r), e
}

// Send writes b, or its beginning. With more, the kernel may wait for the rest before it sends a packet.
func Send(fd int, b []byte, more bool) (n int, errno Errno) {
	flags := uintptr(unix.MSG_NOSIGNAL)
	if more {
		flags |= unix.MSG_MORE
	}
	for {
		r, _, e := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))),
			uintptr(len(b)), flags, 0, 0)
		if e == 0 {
			return int(r), 0
		}
		if e != unix.EINTR {
			return 0, e
		}
	}
}

// Send2 writes a and then b, in one call.
func Send2(fd int, a, b []byte) (n int, errno Errno) {
	if len(b) == 0 {
		return Send(fd, a, false)
	}
	var iov [2]unix.Iovec
	iov[0].Base, iov[1].Base = unsafe.SliceData(a), unsafe.SliceData(b)
	iov[0].SetLen(len(a))
	iov[1].SetLen(len(b))
	msg := unix.Msghdr{Iov: &iov[0]}
	msg.SetIovlen(2)
	for {
		r, _, e := syscall.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&msg)), unix.MSG_NOSIGNAL)
		if e == 0 {
			return int(r), 0
		}
		if e != unix.EINTR {
			return 0, e
		}
	}
}

// Accept takes a connection from a listener: non-blocking, closed on exec, with the
// listener's options. peer is the zero value for UNIX sockets.
func Accept(fd int) (conn int, peer netip.AddrPort, errno Errno) {
	var sa unix.RawSockaddrAny
	size := uint32(unsafe.Sizeof(sa))
	for {
		r, _, e := syscall.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(&sa)),
			uintptr(unsafe.Pointer(&size)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		switch e {
		case 0:
			return int(r), addrPort(&sa), 0
		case unix.EINTR, unix.ECONNABORTED, unix.EPROTO: // that connection is gone already
		default:
			return -1, peer, e
		}
	}
}

// addrPort reads the kernel's form of an address; IPv4 inside IPv6 becomes IPv4.
func addrPort(sa *unix.RawSockaddrAny) netip.AddrPort {
	switch sa.Addr.Family {
	case unix.AF_INET:
		in := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		return netip.AddrPortFrom(netip.AddrFrom4(in.Addr), swap(in.Port))
	case unix.AF_INET6:
		in := (*unix.RawSockaddrInet6)(unsafe.Pointer(sa))
		return netip.AddrPortFrom(netip.AddrFrom16(in.Addr).Unmap(), swap(in.Port))
	}
	return netip.AddrPort{}
}

// swap turns a port from network to host order and back.
func swap(port uint16) uint16 {
	b := (*[2]byte)(unsafe.Pointer(&port))
	return uint16(b[0])<<8 | uint16(b[1])
}

// Local is the address a connection's own end has; the zero value for UNIX sockets.
func Local(fd int) netip.AddrPort { return name(fd, unix.SYS_GETSOCKNAME) }

func name(fd int, call uintptr) netip.AddrPort {
	var sa unix.RawSockaddrAny
	size := uint32(unsafe.Sizeof(sa))
	if _, _, e := syscall.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(&sa)),
		uintptr(unsafe.Pointer(&size))); e != 0 {
		return netip.AddrPort{}
	}
	return addrPort(&sa)
}

// Target is where connections go, in the kernel's form, made once.
type Target struct {
	raw    unix.RawSockaddrAny
	size   uint32
	domain int
}

// TargetOf prepares an address, or the path of a UNIX socket if path is not empty.
// A path beginning with '@' is an abstract name.
func TargetOf(addr netip.AddrPort, path string) Target {
	var t Target
	switch a := addr.Addr(); {
	case path != "":
		in := (*unix.RawSockaddrUnix)(unsafe.Pointer(&t.raw))
		in.Family = unix.AF_UNIX
		for i := range min(len(path), len(in.Path)-1) {
			in.Path[i] = int8(path[i])
		}
		t.size, t.domain = uint32(2+len(path)+1), unix.AF_UNIX
		if path[0] == '@' {
			in.Path[0] = 0
			t.size--
		}
	case a.Is4() || a.Is4In6():
		in := (*unix.RawSockaddrInet4)(unsafe.Pointer(&t.raw))
		in.Family, in.Addr, in.Port = unix.AF_INET, a.Unmap().As4(), swap(addr.Port())
		t.size, t.domain = unix.SizeofSockaddrInet4, unix.AF_INET
	case a.Is6():
		in := (*unix.RawSockaddrInet6)(unsafe.Pointer(&t.raw))
		in.Family, in.Addr, in.Port = unix.AF_INET6, a.As16(), swap(addr.Port())
		t.size, t.domain = unix.SizeofSockaddrInet6, unix.AF_INET6
	}
	return t
}

// Valid reports whether there is an address at all.
func (t *Target) Valid() bool { return t.size != 0 }

// WithPort gives the target with another port; UNIX sockets have none.
func (t Target) WithPort(port uint16) Target {
	if t.domain == unix.AF_INET || t.domain == unix.AF_INET6 { // the port lies at the same place in both
		(*unix.RawSockaddrInet4)(unsafe.Pointer(&t.raw)).Port = swap(port)
	}
	return t
}

// Connect begins a connection. done tells that it stands already; otherwise it stands,
// or has failed, when the descriptor becomes writable: see [ConnectError]. from is the
// source address, if valid; device, if not empty, the interface.
func Connect(to *Target, from *Target, device string) (fd int, done bool, errno Errno) {
	r, _, e := syscall.RawSyscall(unix.SYS_SOCKET, uintptr(to.domain),
		unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if e != 0 {
		return -1, false, e
	}
	fd = int(r)
	if to.domain != unix.AF_UNIX {
		setInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	if device != "" {
		if _, _, e := syscall.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_BINDTODEVICE,
			uintptr(unsafe.Pointer(unsafe.StringData(device))), uintptr(len(device)), 0); e != 0 {
			Close(fd)
			return -1, false, e
		}
	}
	if from != nil && from.Valid() {
		setInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
		if _, _, e := syscall.RawSyscall(unix.SYS_BIND, uintptr(fd), uintptr(unsafe.Pointer(&from.raw)),
			uintptr(from.size)); e != 0 {
			Close(fd)
			return -1, false, e
		}
	}
	_, _, e = syscall.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&to.raw)), uintptr(to.size))
	switch e {
	case 0:
		return fd, true, 0
	case unix.EINTR, unix.EALREADY, unix.EINPROGRESS: // it goes on by itself
		return fd, false, 0
	}
	Close(fd)
	return -1, false, e
}

// ConnectError reads and clears a socket's pending error.
func ConnectError(fd int) Errno {
	var v int32
	size := uint32(4)
	if _, _, e := syscall.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_ERROR,
		uintptr(unsafe.Pointer(&v)), uintptr(unsafe.Pointer(&size)), 0); e != 0 {
		return e
	}
	return Errno(v)
}

func setInt(fd, level, option int, v int32) Errno {
	_, _, e := syscall.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(option),
		uintptr(unsafe.Pointer(&v)), 4, 0)
	return e
}

// Keepalive turns TCP keep-alive probes on.
func Keepalive(fd int) { setInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1) }

// Reset makes the following Close send RST and forget unsent data.
func Reset(fd int) {
	linger := unix.Linger{Onoff: 1}
	syscall.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_LINGER,
		uintptr(unsafe.Pointer(&linger)), unsafe.Sizeof(linger), 0)
}

// CloseWrite sends FIN: nothing more will be written.
func CloseWrite(fd int) { syscall.RawSyscall(unix.SYS_SHUTDOWN, uintptr(fd), unix.SHUT_WR, 0) }

// Close frees the descriptor.
func Close(fd int) { syscall.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) }

// Pipe makes a pipe for Splice.
func Pipe() (r, w int, errno Errno) {
	var fds [2]int32
	_, _, e := syscall.RawSyscall(unix.SYS_PIPE2, uintptr(unsafe.Pointer(&fds)), unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	return int(fds[0]), int(fds[1]), e
}

// PipeSize asks for a pipe's capacity in bytes and gives what it has then.
func PipeSize(fd, want int) int {
	r, _, e := syscall.RawSyscall(unix.SYS_FCNTL, uintptr(fd), unix.F_SETPIPE_SZ, uintptr(want))
	if e != 0 {
		r, _, e = syscall.RawSyscall(unix.SYS_FCNTL, uintptr(fd), unix.F_GETPIPE_SZ, 0)
		if e != 0 {
			return 0
		}
	}
	return int(r)
}

// Splice moves up to n bytes between a socket and a pipe without copying them. n is 0 at
// the end of the stream.
func Splice(from, to, n int, more bool) (moved int, errno Errno) {
	flags := uintptr(unix.SPLICE_F_MOVE | unix.SPLICE_F_NONBLOCK)
	if more {
		flags |= unix.SPLICE_F_MORE
	}
	for {
		r, _, e := syscall.RawSyscall6(unix.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0, uintptr(n), flags)
		if e == 0 {
			return int(r), 0
		}
		if e != unix.EINTR {
			return 0, e
		}
	}
}
