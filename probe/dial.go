package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/linux/option"
)

// dial connects as a checker's words say: from where, through which interface, with which mark,
// and within connect_timeout.
func dial(ctx context.Context, c *config.Checker, network string, to netip.AddrPort) (net.Conn, error) {
	d := net.Dialer{Timeout: c.Timeout, Control: socketOptions(c), KeepAlive: -1}
	source := sourceFor(c, to.Addr())
	switch {
	case !source.IsValid():
	case network == "tcp":
		d.LocalAddr = net.TCPAddrFromAddrPort(source)
	default:
		d.LocalAddr = net.UDPAddrFromAddrPort(source)
	}
	return d.DialContext(ctx, network, to.String())
}

// sourceFor is the local end of a connection to an address; invalid: the kernel's choice. A
// port alone is bound to any address of the family. A link-local address gets its zone
// from bind_if.
func sourceFor(c *config.Checker, to netip.Addr) netip.AddrPort {
	addr := c.Source.Addr()
	switch {
	case addr.IsValid() && addr.Is6() && addr.IsLinkLocalUnicast() && c.BindInterface != "":
		addr = addr.WithZone(c.BindInterface)
	case addr.IsValid():
	case c.Source.Port() == 0:
		return netip.AddrPort{}
	case to.Is4():
		addr = netip.IPv4Unspecified()
	default:
		addr = netip.IPv6Unspecified()
	}
	return netip.AddrPortFrom(addr, c.Source.Port())
}

// socketOptions sets what has to be set before a socket is bound; nil if that is nothing.
func socketOptions(c *config.Checker) func(network, address string, raw syscall.RawConn) error {
	if c.BindInterface == "" && c.Mark == 0 && c.Source.Port() == 0 {
		return nil
	}
	return option.Control(func(fd int) error { return setSocketOptions(fd, c) })
}

func setSocketOptions(fd int, c *config.Checker) error {
	if c.BindInterface != "" {
		if err := option.Device(fd, c.BindInterface); err != nil {
			return named("bind_if "+c.BindInterface, err)
		}
	}
	if c.Mark != 0 {
		if err := option.Mark(fd, c.Mark); err != nil {
			return named("fwmark", err)
		}
	}
	if c.Source.Port() != 0 {
		if err := option.Reuse(fd); err != nil {
			return named("bind_port", err)
		}
	}
	return nil
}

// namedError says which word of the file asked for what failed.
type namedError struct {
	word string
	err  error
}

func named(word string, err error) error { return &namedError{word, err} }

func (e *namedError) Error() string { return e.word + ": " + e.err.Error() }

func (e *namedError) Unwrap() error { return e.err }

// extend gives a server time for what comes next, within that of the whole attempt.
func extend(ctx context.Context, conn net.Conn, d time.Duration) {
	until := time.Now().Add(d)
	if end, ok := ctx.Deadline(); ok && end.Before(until) {
		until = end
	}
	_ = conn.SetDeadline(until) // a dead connection says so when it is used
}

// unwanted hangs up if ctx ends, until the function it gives is called.
func unwanted(ctx context.Context, conn net.Conn) (settled func()) {
	stop := context.AfterFunc(ctx, func() {
		if errors.Is(ctx.Err(), context.Canceled) {
			_ = conn.Close()
		}
	})
	return func() { stop() }
}

// hangUp resets a connection: no side is left with one in TIME_WAIT, and a fixed source port is
// free again at once.
func hangUp(conn net.Conn) {
	if t, ok := conn.(*net.TCPConn); ok {
		_ = t.SetLinger(0) // best effort; closing is what counts
	}
	_ = conn.Close()
}

// serverName is a server as Keepalived's log names it: [192.0.2.1]:tcp:80.
func serverName(c *config.Checker, addr netip.AddrPort) string {
	protocol := "tcp"
	if c.Kind == config.CheckerDNS || c.Kind == config.CheckerUDP {
		protocol = "udp"
	}
	return "[" + addr.Addr().String() + "]:" + protocol + ":" + strconv.Itoa(int(addr.Port()))
}

// cause says in the system's words why something failed.
func cause(err error) string {
	var named *namedError
	if errors.As(err, &named) {
		return named.Error()
	}
	if timedOut(err) {
		return "timeout"
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return strings.TrimSuffix(err.Error(), ".")
}
