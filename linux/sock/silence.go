package sock

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Silence makes the following Close of a TCP connection forget it without a word to its peer: no FIN, no RST
// (TCP_REPAIR, tcp(7)). It takes CAP_NET_ADMIN in the connection's network namespace.
//
// What the client has sent is read and acknowledged first: a kernel that had to be asked again for it would answer
// for a connection it knows no more, with a RST.
func Silence(fd int) Errno {
	var b [4096]byte
	for range 16 {
		if n, errno := Recv(fd, b[:]); errno != 0 || n == 0 {
			break
		}
	}
	setInt(fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
	return setInt(fd, unix.IPPROTO_TCP, unix.TCP_REPAIR, 1)
}

// Hush is what can be done without that privilege: the following Close sends a RST that no router passes on.
func Hush(fd int) {
	if setInt(fd, unix.IPPROTO_IP, unix.IP_TTL, 1) != 0 {
		setInt(fd, unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, 1)
	}
	Reset(fd)
}

// Hand sends a copy of descriptor fd over the UNIX socket via, without waiting; false: it could not.
func Hand(via, fd int) bool {
	return unix.Sendmsg(via, []byte{0}, unix.UnixRights(fd), nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL) == nil
}

// Taken receives descriptors that Hand sent, at most a few at once, waiting for the first. An error means that nobody
// sends any more.
func Taken(via int) ([]int, error) {
	var b [1]byte
	control := make([]byte, unix.CmsgSpace(8*4))
	n, size, _, _, err := unix.Recvmsg(via, b[:], control, unix.MSG_CMSG_CLOEXEC)
	switch {
	case err == unix.EINTR:
		return nil, nil
	case err != nil:
		return nil, err
	case n == 0:
		return nil, syscall.EPIPE
	}
	messages, err := unix.ParseSocketControlMessage(control[:size])
	if err != nil {
		return nil, nil // what is not understood is ignored: the sender is not trusted
	}
	var fds []int
	for i := range messages {
		if got, err := unix.ParseUnixRights(&messages[i]); err == nil {
			fds = append(fds, got...)
		}
	}
	return fds, nil
}
