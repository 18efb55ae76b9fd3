package ipvs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

const (
	// answerTimeout is a guard against a kernel that never answers; answers are normally there
	// when the send returns.
	answerTimeout = 30 * time.Second

	headers = unix.NLMSG_HDRLEN + unix.GENL_HDRLEN
)

// exchange sends requests of the family and reads their answers. It is done below
// mdlayher/netlink's Receive because that one does not say to which request an error belongs.
type exchange struct {
	conn    *genetlink.Conn
	raw     syscall.RawConn
	family  uint16
	seq     uint32
	send    []byte
	recv    []byte
	guarded time.Time // until when the deadline of reading is far enough
}

func dial() (*exchange, error) {
	conn, err := genetlink.Dial(nil)
	if err != nil {
		return nil, err
	}
	family, err := conn.GetFamily(familyName)
	if err != nil {
		conn.Close()
		return nil, err
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		conn.Close()
		return nil, err
	}
	// Short acknowledgements; since Linux 4.2, and not vital. The buffer is as large as allowed.
	conn.SetOption(netlink.CapAcknowledge, true)
	conn.SetReadBuffer(4 << 20)
	return &exchange{conn: conn, raw: raw, family: family.ID, recv: make([]byte, 64<<10)}, nil
}

// add appends a request to what is to be sent and returns its number.
func (x *exchange) add(cmd uint8, flags uint16, attrs []byte) uint32 {
	x.seq++
	b := x.send
	b = binary.NativeEndian.AppendUint32(b, uint32(headers+len(attrs)))
	b = binary.NativeEndian.AppendUint16(b, x.family)
	b = binary.NativeEndian.AppendUint16(b, flags|unix.NLM_F_REQUEST)
	b = binary.NativeEndian.AppendUint32(b, x.seq)
	b = binary.NativeEndian.AppendUint32(b, 0) // port: the kernel fills it in
	b = append(b, cmd, familyVersion, 0, 0)
	b = append(b, attrs...)
	for len(b)%unix.NLMSG_ALIGNTO != 0 {
		b = append(b, 0)
	}
	x.send = b
	return x.seq
}

// flush sends what was added, in one datagram. The kernel carries it out before this returns.
func (x *exchange) flush() error {
	defer func() { x.send = x.send[:0] }()
	var err error
	werr := x.raw.Write(func(fd uintptr) bool {
		err = unix.Sendto(int(fd), x.send, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
		return err != unix.EAGAIN
	})
	return errors.Join(werr, err)
}

// answer is one message from the kernel. Its data are good until the next is read.
type answer struct {
	kind  uint16
	flags uint16
	seq   uint32
	data  []byte
}

// guard moves the deadline of reading along, not more often than it matters.
func (x *exchange) guard() {
	if now := time.Now(); now.After(x.guarded) {
		x.conn.SetReadDeadline(now.Add(2 * answerTimeout))
		x.guarded = now.Add(answerTimeout)
	}
}

// read calls f for each message of one datagram, waiting for it.
func (x *exchange) read(f func(answer) error) error {
	x.guard()
	var n int
	var err error
	rerr := x.raw.Read(func(fd uintptr) bool {
		n, _, err = unix.Recvfrom(int(fd), x.recv, 0)
		return err != unix.EAGAIN
	})
	switch {
	case errors.Is(rerr, os.ErrDeadlineExceeded):
		return fmt.Errorf("the kernel did not answer in %v", answerTimeout)
	case rerr != nil:
		return rerr
	case err == unix.EINTR:
		return nil
	case err != nil:
		return err
	}
	for b := x.recv[:n]; len(b) >= unix.NLMSG_HDRLEN; {
		size := int(binary.NativeEndian.Uint32(b))
		if size < unix.NLMSG_HDRLEN || size > len(b) {
			return fmt.Errorf("an answer of %d bytes claims %d", len(b), size)
		}
		a := answer{
			kind:  binary.NativeEndian.Uint16(b[4:]),
			flags: binary.NativeEndian.Uint16(b[6:]),
			seq:   binary.NativeEndian.Uint32(b[8:]),
			data:  b[unix.NLMSG_HDRLEN:size],
		}
		if err := f(a); err != nil {
			return err
		}
		b = b[min(len(b), (size+unix.NLMSG_ALIGNTO-1)&^(unix.NLMSG_ALIGNTO-1)):]
	}
	return nil
}

// errno is what an acknowledgement says; nil is well done.
func (a answer) errno() error {
	if len(a.data) < 4 {
		return fmt.Errorf("a short acknowledgement")
	}
	if n := -int32(binary.NativeEndian.Uint32(a.data)); n != 0 {
		return unix.Errno(n)
	}
	return nil
}

// attrs of an answer of the family.
func (a answer) attrs() []byte {
	if len(a.data) < unix.GENL_HDRLEN {
		return nil
	}
	return a.data[unix.GENL_HDRLEN:]
}

// do makes one request and waits for its acknowledgement.
func (x *exchange) do(cmd uint8, attrs []byte) error {
	return x.ask(cmd, unix.NLM_F_ACK, attrs, nil)
}

// get makes a request that is answered by one message and then acknowledged.
func (x *exchange) get(cmd uint8, f func(attrs []byte) error) error {
	return x.ask(cmd, unix.NLM_F_ACK, nil, f)
}

// errInterrupted: the table changed during a dump, which is then not a snapshot.
var errInterrupted = errors.New("interrupted dump")

// dump asks for many messages.
func (x *exchange) dump(cmd uint8, attrs []byte, f func(attrs []byte) error) error {
	return x.ask(cmd, unix.NLM_F_DUMP, attrs, f)
}

func (x *exchange) ask(cmd uint8, flags uint16, attrs []byte, f func(attrs []byte) error) error {
	seq := x.add(cmd, flags, attrs)
	if err := x.flush(); err != nil {
		return err
	}
	interrupted, done := false, false
	var failed error // the rest of a dump is still read, or it would be the next request's answer
	for !done {
		err := x.read(func(a answer) error {
			if a.seq != seq {
				return nil
			}
			interrupted = interrupted || a.flags&unix.NLM_F_DUMP_INTR != 0
			switch {
			case a.kind == unix.NLMSG_ERROR || a.kind == unix.NLMSG_DONE:
				done = true
				if err := a.errno(); failed == nil && a.kind == unix.NLMSG_ERROR {
					failed = err
				}
			case a.kind == x.family && f != nil && failed == nil:
				failed = f(a.attrs())
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if failed == nil && interrupted {
		failed = errInterrupted
	}
	return failed
}
