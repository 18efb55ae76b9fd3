package rawsock

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// BatchSize is how many packets one call of ReceiveBatch reads at most.
const BatchSize = 32

// batchPacket is room for an IPv6 advert of 255 addresses, the longest there is; what is longer is cut off.
const batchPacket = 4352

// A Batch is the memory that many packets are received into. It may serve several sockets, one after the other.
type Batch struct {
	headers [BatchSize]struct {
		header unix.Msghdr
		length uint32
		_      [unsafe.Sizeof(uintptr(0)) - 4]byte
	}
	boxes   [BatchSize]inbox
	packets [BatchSize][batchPacket]byte
}

// ReceiveBatch reads the packets that wait, up to BatchSize of them, and gives those that are IP; more says that
// others may wait still. They are valid until the next call with the same batch. It appends to list[:0] and does
// not allocate if that has room.
func (v *VRRP) ReceiveBatch(b *Batch, list []Datagram) (all []Datagram, more bool, err error) {
	all = list[:0]
	for i := range b.headers {
		in := &b.boxes[i]
		in.init()
		in.iov.Base = &b.packets[i][0]
		in.iov.SetLen(batchPacket)
		in.msg.Namelen = uint32(unsafe.Sizeof(in.name))
		in.msg.SetControllen(len(in.control))
		b.headers[i].header = in.msg
	}
	n, err := v.receiveMany(b)
	for i := range b.headers[:n] {
		in := &b.boxes[i]
		in.msg = b.headers[i].header
		read := in.ipv4
		if v.ipv6 {
			read = in.ipv6
		}
		if d, ok := read(b.packets[i][:b.headers[i].length]); ok {
			all = append(all, d)
		}
	}
	return all, n == BatchSize, err
}

// receiveMany is recvmmsg(2); nothing to read is no error.
func (v *VRRP) receiveMany(b *Batch) (int, error) {
	for {
		r, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(v.recv), uintptr(unsafe.Pointer(&b.headers)),
			BatchSize, unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			return int(r), nil
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, nil
		default:
			return 0, errno
		}
	}
}
