package netif

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/config"
)

const (
	// batch is how many requests go out in one message: their acknowledgements must fit the
	// receive buffer before they are read.
	batch = 128

	// answerTimeout is a guard against a kernel that never answers; answers are normally there
	// when the send returns.
	answerTimeout = 5 * time.Second
)

// Assignment is an address on an interface.
type Assignment struct {
	// Ifindex is the interface. Addr.Dev is not looked at.
	Ifindex int
	Addr    config.Address
	// Lifetime is how long the kernel keeps the address unless renewed, rounded up to whole
	// seconds (valid_lft); 0: for ever. The kernel removes it up to a third of a second late.
	Lifetime time.Duration
}

func (a Assignment) String() string {
	return fmt.Sprintf("%s on interface %d", a.Addr.Prefix, a.Ifindex)
}

// A Conn is one rtnetlink socket. It belongs to one goroutine.
type Conn struct {
	fd   int
	seq  uint32
	req  request
	recv []byte
}

// Dial opens a connection to the network namespace of the calling thread. Reading needs no
// privilege; changing addresses needs CAP_NET_ADMIN.
func Dial() (*Conn, error) {
	fd, err := openNetlink(0)
	if err != nil {
		return nil, err
	}
	tv := unix.NsecToTimeval(int64(answerTimeout))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("netif: setting the answer timeout: %w", err)
	}
	return &Conn{fd: fd, recv: make([]byte, 64<<10)}, nil
}

// openNetlink opens an rtnetlink socket with a receive buffer of 8 MiB where allowed.
func openNetlink(typ int) (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|typ, unix.NETLINK_ROUTE)
	if err != nil {
		return -1, fmt.Errorf("netif: opening an rtnetlink socket: %w", err)
	}
	const buffer = 4 << 20 // the kernel doubles it
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, buffer) != nil {
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, buffer) // up to net.core.rmem_max
	}
	// Short acknowledgements with the kernel's reason in words; both since Linux 4.12, and not vital.
	unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1)
	unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_EXT_ACK, 1)
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("netif: binding an rtnetlink socket: %w", err)
	}
	return fd, nil
}

// Close frees the socket.
func (c *Conn) Close() error {
	if c.fd < 0 {
		return nil
	}
	err := unix.Close(c.fd)
	c.fd = -1
	return err
}

// AssignmentError says which address the kernel refused and why.
type AssignmentError struct {
	Assignment
	Verb   string // "adding", "removing"
	Reason string // the kernel's own words, may be empty
	Err    error  // a unix.Errno
}

func (e *AssignmentError) Error() string {
	s := fmt.Sprintf("netif: %s %s: %v", e.Verb, e.Assignment, e.Err)
	if e.Reason != "" {
		s += " (" + e.Reason + ")"
	}
	if e.Err == unix.EPERM {
		s += "; it needs CAP_NET_ADMIN"
	}
	return s
}

func (e *AssignmentError) Unwrap() error { return e.Err }

// Add adds addresses, all of them even if some fail; the error joins one [*AssignmentError]
// for each failure. An address that is there already is adopted: it gets the mark and
// lifetime of this call. IPv6 addresses are usable at once (nodad); a /128, and what is NoSource, is
// added deprecated so that it never becomes a source by itself.
func (c *Conn) Add(as []Assignment) error {
	return c.each(as, "adding", (*request).add, nil)
}

// Renew gives addresses a new lifetime counted from now. The kernel adds one that is no
// longer there, so renew only while the lease still runs.
func (c *Conn) Renew(as []Assignment, lifetime time.Duration) error {
	return c.each(as, "renewing", func(r *request, a Assignment, seq uint32) {
		a.Lifetime = lifetime
		r.add(a, seq)
	}, nil)
}

// Remove removes addresses, all of them even if some fail. An address or interface that is
// not there is fine.
func (c *Conn) Remove(as []Assignment) error {
	return c.each(as, "removing", (*request).remove, func(errno unix.Errno) bool {
		return errno == unix.EADDRNOTAVAIL || errno == unix.ENODEV
	})
}

// each sends one message per assignment, a batch at a time, and gathers the answers.
func (c *Conn) each(as []Assignment, verb string, build func(*request, Assignment, uint32),
	fine func(unix.Errno) bool) error {
	var errs []error
	for len(as) > 0 {
		n := min(len(as), batch)
		if err := c.batch(as[:n], verb, build, fine, &errs); err != nil {
			return errors.Join(append(errs, err)...)
		}
		as = as[n:]
	}
	return errors.Join(errs...)
}

func (c *Conn) batch(as []Assignment, verb string, build func(*request, Assignment, uint32), fine func(unix.Errno) bool,
	errs *[]error) error {
	first := c.seq + 1
	c.req.buf = c.req.buf[:0]
	for _, a := range as {
		if !a.Addr.Prefix.IsValid() || a.Addr.Prefix.Addr().Is4In6() {
			return fmt.Errorf("netif: %s an address that is none: %v", verb, a.Addr.Prefix)
		}
		c.seq++
		build(&c.req, a, c.seq)
	}
	if err := unix.Sendto(c.fd, c.req.buf, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("netif: %s %d addresses: %w", verb, len(as), err)
	}
	return c.answers(len(as), func(m message) error {
		i := m.seq - first
		if m.kind != unix.NLMSG_ERROR || i >= uint32(len(as)) || len(m.data) < 4 {
			return errSkip
		}
		errno := unix.Errno(-int32(binary.NativeEndian.Uint32(m.data)))
		if errno != 0 && (fine == nil || !fine(errno)) {
			*errs = append(*errs, &AssignmentError{as[i], verb, m.reason(), errno})
		}
		return nil
	})
}

// errSkip: the message was not one of those waited for.
var errSkip = errors.New("not counted")

// answers reads until f has accepted n messages.
func (c *Conn) answers(n int, f func(message) error) error {
	for n > 0 {
		size, _, err := unix.Recvfrom(c.fd, c.recv, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("netif: waiting for the kernel's answer: %w", err)
		}
		for b := c.recv[:size]; ; {
			var m message
			if m, b = nextMessage(b); m.kind == 0 {
				break
			}
			switch err := f(m); err {
			case nil:
				n--
			case errSkip:
			default:
				return err
			}
		}
	}
	return nil
}

// errInterrupted: the kernel's table changed during a dump, which is then not a snapshot.
var errInterrupted = errors.New("interrupted dump")

// dump asks for a whole table and calls f for each entry. f must not keep the message's bytes.
func (c *Conn) dump(kind uint16, fixed []byte, restart func(), f func(message) error) error {
	var err error
	for range 10 {
		restart()
		if err = c.dumpOnce(kind, fixed, f); err != errInterrupted {
			return err
		}
	}
	return fmt.Errorf("netif: the kernel's tables change too fast to be read: %w", err)
}

func (c *Conn) dumpOnce(kind uint16, fixed []byte, f func(message) error) error {
	c.seq++
	c.req.buf = c.req.buf[:0]
	c.req.begin(kind, unix.NLM_F_DUMP, c.seq)
	c.req.buf = append(c.req.buf, fixed...)
	c.req.end()
	if err := unix.Sendto(c.fd, c.req.buf, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("netif: asking for a dump: %w", err)
	}
	interrupted := false
	err := c.answers(1, func(m message) error {
		if m.seq != c.seq {
			return errSkip
		}
		interrupted = interrupted || m.flags&unix.NLM_F_DUMP_INTR != 0
		switch m.kind {
		case unix.NLMSG_DONE:
			return nil
		case unix.NLMSG_ERROR:
			return fmt.Errorf("netif: reading a dump: %w", unix.Errno(-int32(binary.NativeEndian.Uint32(m.data))))
		}
		if err := f(m); err != nil {
			return err
		}
		return errSkip
	})
	if err == nil && interrupted {
		return errInterrupted
	}
	return err
}

// Leftovers returns the addresses that carry our mark: after a start, those of a run that did
// not end properly. Before Linux 5.18 the kernel keeps no mark and nothing is returned.
func (c *Conn) Leftovers() ([]Assignment, error) {
	var left []Assignment
	err := c.dump(unix.RTM_GETADDR, make([]byte, unix.SizeofIfAddrmsg), func() { left = nil }, func(m message) error {
		if a, ok := parseAddress(m.data); ok && a.proto == AddressProtocol {
			left = append(left, Assignment{
				Ifindex: a.ifindex,
				Addr:    config.Address{Prefix: a.prefix, Label: a.label, Scope: config.Scope(a.scope)},
			})
		}
		return nil
	})
	return left, err
}

// Links returns every interface with its addresses, by index.
func (c *Conn) Links() ([]Link, error) {
	var links []Link
	err := c.dump(unix.RTM_GETLINK, make([]byte, unix.SizeofIfInfomsg), func() { links = nil }, func(m message) error {
		if l, ok := parseLink(m.data); ok {
			links = append(links, l)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	at := make(map[int]int, len(links))
	for i := range links {
		at[links[i].Index] = i
	}
	restart := func() {
		for i := range links {
			links[i].Addrs = nil
		}
	}
	err = c.dump(unix.RTM_GETADDR, make([]byte, unix.SizeofIfAddrmsg), restart, func(m message) error {
		if a, ok := parseAddress(m.data); ok {
			if i, ok := at[a.ifindex]; ok {
				links[i].Addrs = append(links[i].Addrs, a.prefix)
			}
		}
		return nil
	})
	return links, err
}

// Link returns one interface, without addresses. The error is [unix.ENODEV] for an interface
// that is not there.
func (c *Conn) Link(index int) (Link, error) {
	c.seq++
	c.req.buf = c.req.buf[:0]
	c.req.begin(unix.RTM_GETLINK, 0, c.seq)
	fixed := make([]byte, unix.SizeofIfInfomsg)
	binary.NativeEndian.PutUint32(fixed[4:], uint32(index))
	c.req.buf = append(c.req.buf, fixed...)
	c.req.end()
	if err := unix.Sendto(c.fd, c.req.buf, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return Link{}, fmt.Errorf("netif: asking for interface %d: %w", index, err)
	}
	var link Link
	err := c.answers(1, func(m message) error {
		if m.seq != c.seq {
			return errSkip
		}
		if m.kind == unix.NLMSG_ERROR {
			return fmt.Errorf("netif: interface %d: %w", index, unix.Errno(-int32(binary.NativeEndian.Uint32(m.data))))
		}
		link, _ = parseLink(m.data)
		return nil
	})
	return link, err
}
