package lvs

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/evenkeel/evenkeel/lvs/connsync"
)

// syncLink is an open [SyncLink]. What arrives must have come over one hop (TTL 255, as VRRP asks of
// its adverts), so nobody behind a router can put flows into our table.
type syncLink struct {
	SyncLink
	sync *ConnSync

	mu      sync.Mutex
	conn    *net.UDPConn // nil while it is not open
	targets []*net.UDPAddr
	copy    []byte // the message with the link's ID

	open func() (readFunc, error) // opens the socket
}

const hopLimit = 255

// readFunc reads a datagram, and gives its sender and hop limit.
type readFunc func([]byte) (n, hops int, from netip.Addr, err error)

// run keeps the link open and reads from it until ctx ends.
func (l *syncLink) run(ctx context.Context) {
	for ctx.Err() == nil {
		read, err := l.open()
		if err != nil {
			l.sync.logOnce("open "+l.String(), fmt.Sprintf("%s cannot be opened: %v; retrying", l, err))
		} else {
			l.sync.RequestFull()
			l.read(ctx, read)
			l.close()
		}
		select {
		case <-time.After(retryLink):
		case <-ctx.Done():
		}
	}
}

// openSocket opens the socket, and gives what reads it.
func (l *syncLink) openSocket() (read readFunc, err error) {
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

func (l *syncLink) prepare4(conn *net.UDPConn, link *net.Interface) (readFunc, error) {
	p := ipv4.NewPacketConn(conn)
	if err := p.SetControlMessage(ipv4.FlagTTL, true); err != nil {
		return nil, err
	}
	p.SetTTL(hopLimit)
	p.SetMulticastTTL(hopLimit)
	return func(b []byte) (int, int, netip.Addr, error) {
		n, cm, from, err := p.ReadFrom(b)
		if err != nil || cm == nil {
			return n, 0, netip.Addr{}, err
		}
		return n, cm.TTL, addrOf(from), nil
	}, l.join(p, link)
}

func (l *syncLink) prepare6(conn *net.UDPConn, link *net.Interface) (readFunc, error) {
	p := ipv6.NewPacketConn(conn)
	if err := p.SetControlMessage(ipv6.FlagHopLimit, true); err != nil {
		return nil, err
	}
	p.SetHopLimit(hopLimit)
	p.SetMulticastHopLimit(hopLimit)
	return func(b []byte) (int, int, netip.Addr, error) {
		n, cm, from, err := p.ReadFrom(b)
		if err != nil || cm == nil {
			return n, 0, netip.Addr{}, err
		}
		return n, cm.HopLimit, addrOf(from), nil
	}, l.join(p, link)
}

// multicaster is a socket of either family.
type multicaster interface {
	SetMulticastLoopback(on bool) error
	SetMulticastInterface(*net.Interface) error
	JoinGroup(*net.Interface, net.Addr) error
}

// join makes the socket hear the group and speak to it, unless there are peers.
func (l *syncLink) join(p multicaster, link *net.Interface) error {
	if len(l.Peers) > 0 {
		return nil
	}
	p.SetMulticastLoopback(false)
	if err := p.SetMulticastInterface(link); err != nil {
		return err
	}
	return p.JoinGroup(link, &net.UDPAddr{IP: l.Group.AsSlice()})
}

func addrOf(a net.Addr) netip.Addr {
	if u, ok := a.(*net.UDPAddr); ok {
		return u.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

func (l *syncLink) read(ctx context.Context, read readFunc) {
	b := make([]byte, 2048)
	var flows []connsync.Flow
	for {
		n, hops, from, err := read(b)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			l.sync.logOnce("read "+l.String(), fmt.Sprintf("reading on %s: %v", l, err))
			return
		}
		if hops != hopLimit || len(l.Peers) > 0 && !l.sync.fromPeer(from) {
			l.sync.refused.Add(1)
			l.sync.logOnce("foreign "+l.String(),
				fmt.Sprintf("a message on %s came from %s with TTL %d; only neighbours "+
					"(TTL 255) are accepted, and only peers where peers are configured", l, from, hops))
			continue
		}
		flows = l.sync.receive(l, b[:n], flows)
	}
}

// send sends a message; the link's ID is written into a copy.
func (l *syncLink) send(b []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn == nil {
		return
	}
	l.copy = append(l.copy[:0], b...)
	l.copy[6] = l.ID
	for _, t := range l.targets {
		if _, err := l.conn.WriteToUDP(l.copy, t); err != nil {
			l.sync.failed.Add(1)
			l.sync.logOnce("send "+l.String(), fmt.Sprintf("sending on %s: %v", l, err))
			continue
		}
		l.sync.sent.Add(1)
	}
}

func (l *syncLink) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != nil {
		l.conn.Close()
		l.conn = nil
	}
}
