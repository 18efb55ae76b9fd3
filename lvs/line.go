package lvs

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/evenkeel/evenkeel/lvs/letter"
)

// line is an open [Line]. What arrives must have come over one link (TTL 255, as VRRP asks of
// its adverts), so nobody behind a router can put flows into our table.
type line struct {
	Line
	courier *Courier

	mu      sync.Mutex
	conn    *net.UDPConn // nil while it is not open
	targets []*net.UDPAddr
	copy    []byte // the letter with the line's ID
}

const hopLimit = 255

// run keeps the line open and reads from it until ctx ends.
func (l *line) run(ctx context.Context) {
	for ctx.Err() == nil {
		var read func([]byte) (int, int, netip.Addr, error)
		var err error
		l.courier.within(func() { read, err = l.open() })
		if err != nil {
			l.courier.complain("open "+l.name(), fmt.Sprintf("the line on %s does not open: %v; it is tried again", l.name(), err))
		} else {
			l.courier.Ask()
			l.read(ctx, read)
			l.close()
		}
		select {
		case <-time.After(retryLine):
		case <-ctx.Done():
		}
	}
}

// open makes the socket, and gives what reads a datagram with its sender and hop limit.
func (l *line) open() (read func([]byte) (n, hops int, from netip.Addr, err error), err error) {
	conn, err := l.listen()
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			conn.Close()
		}
	}()
	var link *net.Interface
	if l.Interface != "" {
		if link, err = net.InterfaceByName(l.Interface); err != nil {
			return nil, err
		}
	}
	if l.IPv6 {
		read, err = l.prepare6(conn, link)
	} else {
		read, err = l.prepare4(conn, link)
	}
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.targets = nil
	for _, p := range l.Peers {
		l.targets = append(l.targets, &net.UDPAddr{IP: p.AsSlice(), Port: int(l.Port), Zone: p.Zone()})
	}
	if len(l.Peers) == 0 {
		l.targets = []*net.UDPAddr{{IP: l.Group.AsSlice(), Port: int(l.Port), Zone: l.Interface}}
	}
	l.conn = conn
	return read, nil
}

func (l *line) prepare4(conn *net.UDPConn, link *net.Interface) (func([]byte) (int, int, netip.Addr, error), error) {
	p := ipv4.NewPacketConn(conn)
	if err := p.SetControlMessage(ipv4.FlagTTL, true); err != nil {
		return nil, err
	}
	p.SetTTL(hopLimit)
	if len(l.Peers) == 0 {
		p.SetMulticastTTL(hopLimit)
		p.SetMulticastLoopback(false)
		if err := p.SetMulticastInterface(link); err != nil {
			return nil, err
		}
		if err := p.JoinGroup(link, &net.UDPAddr{IP: l.Group.AsSlice()}); err != nil {
			return nil, err
		}
	}
	return func(b []byte) (int, int, netip.Addr, error) {
		n, cm, from, err := p.ReadFrom(b)
		if err != nil || cm == nil {
			return n, 0, netip.Addr{}, err
		}
		return n, cm.TTL, addrOf(from), nil
	}, nil
}

func (l *line) prepare6(conn *net.UDPConn, link *net.Interface) (func([]byte) (int, int, netip.Addr, error), error) {
	p := ipv6.NewPacketConn(conn)
	if err := p.SetControlMessage(ipv6.FlagHopLimit, true); err != nil {
		return nil, err
	}
	p.SetHopLimit(hopLimit)
	if len(l.Peers) == 0 {
		p.SetMulticastHopLimit(hopLimit)
		p.SetMulticastLoopback(false)
		if err := p.SetMulticastInterface(link); err != nil {
			return nil, err
		}
		if err := p.JoinGroup(link, &net.UDPAddr{IP: l.Group.AsSlice()}); err != nil {
			return nil, err
		}
	}
	return func(b []byte) (int, int, netip.Addr, error) {
		n, cm, from, err := p.ReadFrom(b)
		if err != nil || cm == nil {
			return n, 0, netip.Addr{}, err
		}
		return n, cm.HopLimit, addrOf(from), nil
	}, nil
}

func addrOf(a net.Addr) netip.Addr {
	if u, ok := a.(*net.UDPAddr); ok {
		return u.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

func (l *line) read(ctx context.Context, read func([]byte) (int, int, netip.Addr, error)) {
	b := make([]byte, 2048)
	var flows []letter.Flow
	for {
		n, hops, from, err := read(b)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			l.courier.complain("read "+l.name(), fmt.Sprintf("reading on %s: %v", l.name(), err))
			return
		}
		if hops != hopLimit || len(l.Peers) > 0 && !l.courier.peer(from) {
			l.courier.refused.Add(1)
			l.courier.complain("stranger "+l.name(), fmt.Sprintf("a letter on %s came from %s with TTL %d; only neighbours (TTL 255) are heard, and only peers where peers are named", l.name(), from, hops))
			continue
		}
		flows = l.courier.take(l, b[:n], flows)
	}
}

// send sends a letter; the line's ID is written into a copy.
func (l *line) send(b []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn == nil {
		return
	}
	l.copy = append(l.copy[:0], b...)
	l.copy[6] = l.ID
	for _, t := range l.targets {
		if _, err := l.conn.WriteToUDP(l.copy, t); err != nil {
			l.courier.failed.Add(1)
			l.courier.complain("send "+l.name(), fmt.Sprintf("sending on %s: %v", l.name(), err))
			continue
		}
		l.courier.sent.Add(1)
	}
}

func (l *line) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != nil {
		l.conn.Close()
		l.conn = nil
	}
}

// reusable lets several lines share a port, each for its own interface.
func reusable(_, _ string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	})
	if err != nil {
		return err
	}
	return failed
}
