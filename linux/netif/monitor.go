package netif

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// EventKind says what happened.
type EventKind uint8

// Kinds of events. A new interface and a renamed one are told apart by Event.OldName.
const (
	// LinkChanged: the interface in Link is new, has a new name, or anything else about it changed.
	LinkChanged EventKind = iota + 1
	// LinkGone: the interface in Link no longer exists here.
	LinkGone
	// AddressAdded: Prefix is on interface Ifindex, new or renewed.
	AddressAdded
	// AddressRemoved: Prefix is no longer on interface Ifindex.
	AddressRemoved
	// FilterRemoved: a filter or a queueing discipline of interface Ifindex is gone.
	FilterRemoved
	// Resync: events were lost; Links is everything as it is now.
	Resync
)

func (k EventKind) String() string {
	switch k {
	case LinkChanged:
		return "link changed"
	case LinkGone:
		return "link gone"
	case AddressAdded:
		return "address added"
	case AddressRemoved:
		return "address removed"
	case FilterRemoved:
		return "filter removed"
	case Resync:
		return "resync"
	}
	return fmt.Sprintf("event %d", uint8(k))
}

// sizeofTcMsg is the size of struct tcmsg (linux/rtnetlink.h); the interface's index stands at its fifth byte.
const sizeofTcMsg = 20

// Event is a change of interfaces or addresses, in the order the kernel made them.
type Event struct {
	Kind EventKind
	Link Link // LinkChanged and LinkGone; without addresses
	// OldName is, for LinkChanged, the name until now: empty for a new interface, different
	// from Link.Name for a renamed one.
	OldName string
	Ifindex int          // AddressAdded, AddressRemoved and FilterRemoved
	Prefix  netip.Prefix // AddressAdded and AddressRemoved
	Links   []Link       // Resync
}

// A Monitor reads the kernel's announcements about interfaces and addresses. It belongs to
// one goroutine; [Watch] gives it one of its own.
type Monitor struct {
	fd    int
	conn  *Conn // for dumps
	names map[int]string
	buf   []byte
}

// OpenMonitor subscribes in the network namespace of the calling thread. It needs no
// privilege. Changes after the call are reported, so call it before the first look with
// [Conn.Links].
func OpenMonitor() (*Monitor, error) {
	fd, err := openNetlink(unix.SOCK_NONBLOCK)
	if err != nil {
		return nil, err
	}
	m := &Monitor{fd: fd, buf: make([]byte, 64<<10)}
	for _, group := range []int{unix.RTNLGRP_LINK, unix.RTNLGRP_TC, unix.RTNLGRP_IPV4_IFADDR,
		unix.RTNLGRP_IPV6_IFADDR} {
		if err := unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, group); err != nil {
			m.Close()
			return nil, fmt.Errorf("netif: subscribing to rtnetlink group %d: %w", group, err)
		}
	}
	if m.conn, err = Dial(); err != nil {
		m.Close()
		return nil, err
	}
	if _, err := m.snapshot(); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// Fd returns the descriptor to watch. It is non-blocking.
func (m *Monitor) Fd() int { return m.fd }

// Close frees the sockets.
func (m *Monitor) Close() error {
	if m.conn != nil {
		m.conn.Close()
	}
	if m.fd < 0 {
		return nil
	}
	err := unix.Close(m.fd)
	m.fd = -1
	return err
}

func (m *Monitor) snapshot() ([]Link, error) {
	links, err := m.conn.Links()
	if err != nil {
		return nil, err
	}
	m.names = make(map[int]string, len(links))
	for _, l := range links {
		m.names[l.Index] = l.Name
	}
	return links, nil
}

// Read appends what has happened to events, without blocking; nothing new is no error. When
// the kernel had to drop announcements a [Resync] event takes the place of what was lost.
func (m *Monitor) Read(events []Event) ([]Event, error) {
	for {
		n, _, err := unix.Recvfrom(m.fd, m.buf, 0)
		switch err {
		case nil:
			events = m.parse(m.buf[:n], events)
		case unix.EINTR:
		case unix.EAGAIN:
			return events, nil
		case unix.ENOBUFS:
			// What is still queued is older than the dump: forget it.
			if err := m.discard(); err != nil {
				return events, err
			}
			links, err := m.snapshot()
			if err != nil {
				return events, err
			}
			events = append(events, Event{Kind: Resync, Links: links})
		default:
			return events, fmt.Errorf("netif: reading announcements: %w", err)
		}
	}
}

func (m *Monitor) discard() error {
	for {
		switch _, _, err := unix.Recvfrom(m.fd, m.buf, 0); err {
		case nil, unix.EINTR, unix.ENOBUFS:
		case unix.EAGAIN:
			return nil
		default:
			return fmt.Errorf("netif: reading announcements: %w", err)
		}
	}
}

func (m *Monitor) parse(b []byte, events []Event) []Event {
	for {
		var msg message
		if msg, b = nextMessage(b); msg.kind == 0 {
			return events
		}
		switch msg.kind {
		case unix.RTM_NEWLINK:
			if l, ok := parseLink(msg.data); ok {
				events = append(events, Event{Kind: LinkChanged, Link: l, OldName: m.names[l.Index]})
				m.names[l.Index] = l.Name
			}
		case unix.RTM_DELLINK:
			if l, ok := parseLink(msg.data); ok {
				events = append(events, Event{Kind: LinkGone, Link: l})
				delete(m.names, l.Index)
			}
		case unix.RTM_DELTFILTER, unix.RTM_DELQDISC:
			if len(msg.data) >= sizeofTcMsg {
				events = append(events, Event{Kind: FilterRemoved,
					Ifindex: int(int32(binary.NativeEndian.Uint32(msg.data[4:])))})
			}
		case unix.RTM_NEWADDR, unix.RTM_DELADDR:
			if a, ok := parseAddress(msg.data); ok {
				kind := AddressAdded
				if msg.kind == unix.RTM_DELADDR {
					kind = AddressRemoved
				}
				events = append(events, Event{Kind: kind, Ifindex: a.ifindex, Prefix: a.prefix})
			}
		}
	}
}

// Watch reads announcements on a goroutine of its own until ctx is done or the kernel refuses
// for good; then it closes the channel. The network namespace is that of the calling thread. A consumer that lags makes
// the kernel drop announcements, and then receives a [Resync].
func Watch(ctx context.Context) (<-chan Event, error) {
	m, err := OpenMonitor()
	if err != nil {
		return nil, err
	}
	// A duplicate for the runtime's poller; the monitor keeps reading through its own.
	dup, err := unix.FcntlInt(uintptr(m.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		m.Close()
		return nil, fmt.Errorf("netif: duplicating a descriptor: %w", err)
	}
	file := os.NewFile(uintptr(dup), "rtnetlink")
	raw, err := file.SyscallConn()
	if err != nil {
		file.Close()
		m.Close()
		return nil, fmt.Errorf("netif: watching rtnetlink: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { file.Close() })
	out := make(chan Event, 64)
	go func() {
		defer close(out)
		defer m.Close()
		defer stop()
		var events []Event
		for {
			var failed error
			ended := raw.Read(func(uintptr) bool {
				events, failed = m.Read(events[:0])
				return len(events) > 0 || failed != nil
			})
			if ended != nil {
				return
			}
			for _, e := range events {
				select {
				case out <- e:
				case <-ctx.Done():
					return
				}
			}
			if failed != nil {
				return
			}
		}
	}()
	return out, nil
}
