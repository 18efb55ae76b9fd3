package rawsock

import (
	"encoding/binary"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sendTo sends b in one call. The socket address sits at name, size bytes long.
// It does not allocate and does not block: the socket is non-blocking.
func sendTo(fd int, b []byte, flags int, name unsafe.Pointer, size uintptr) error {
	for {
		_, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd),
			uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), uintptr(flags), uintptr(name), size)
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return errno
		}
	}
}

// recvMsg fills msg from the socket; again is true when nothing is left to read.
func recvMsg(fd int, msg *unix.Msghdr) (n int, again bool, err error) {
	for {
		r, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(msg)), unix.MSG_DONTWAIT)
		switch errno {
		case 0:
			return int(r), false, nil
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, true, nil
		default:
			return 0, false, errno
		}
	}
}

// open makes a non-blocking socket and says what is missing when the kernel refuses.
func open(domain, typ, proto int, what string) (int, error) {
	fd, err := unix.Socket(domain, typ|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, proto)
	switch err {
	case nil:
		return fd, nil
	case unix.EPERM, unix.EACCES:
		return -1, fmt.Errorf("rawsock: opening the %s socket: %w (it needs CAP_NET_RAW)", what, err)
	default:
		return -1, fmt.Errorf("rawsock: opening the %s socket: %w", what, err)
	}
}

// setup collects the first failure of a list of socket options.
type setup struct {
	fd  int
	err error
}

func (s *setup) fail(option string, err error) {
	if s.err == nil && err != nil {
		s.err = fmt.Errorf("rawsock: %w", os.NewSyscallError(option, err))
	}
}

func (s *setup) int(level, opt, value int, name string) {
	if s.err == nil {
		s.fail(name, unix.SetsockoptInt(s.fd, level, opt, value))
	}
}

func (s *setup) filter(prog []unix.SockFilter) {
	if s.err == nil {
		s.fail("SO_ATTACH_FILTER", unix.SetsockoptSockFprog(s.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
			&unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}))
	}
}

// htons gives v the byte order of the network in a host-order integer.
func htons(v uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], v)
	return binary.NativeEndian.Uint16(b[:])
}

// drops returns how many packets the kernel threw away because fd's buffer was full
// (SO_MEMINFO, Linux 4.12), 0 where it cannot tell.
func drops(fd int) uint32 {
	var info [9]uint32 // SK_MEMINFO_VARS; the last is SK_MEMINFO_DROPS
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 || size < uint32(unsafe.Sizeof(info)) {
		return 0
	}
	return info[8]
}
