package proxy

import (
	"net/netip"
	"strconv"
	"time"

	"github.com/evenkeel/evenkeel/backend"
)

// conn is a client's connection: where it came from and went to, its transport, and what one request of it leaves for
// the next.
type conn struct {
	core      *core
	listener  *listener
	fe        *proxy
	client    endpoint
	source    netip.AddrPort
	spelled   []byte         // source: address, then port; empty until asked for
	spelledIP int            // length of the address in it
	dest      netip.AddrPort // valid once asked for
	destKnown bool
	accepted  time.Time
	born      time.Duration   // accept
	opened    uint32          // its number among its core's connections
	number    int             // requests so far
	first     bool            // the request is the first one
	last      *backend.Server // whose connection this client used before
	own       *upstream       // idle connection that only this client's requests may use
	sticky    bool            // a server authenticates this client's connection: requests go there
}

// open begins a connection on a listener's core.
func (c *conn) open(l *listener, fd int, t transport, peer netip.AddrPort) {
	core := l.core
	core.opened++
	*c = conn{core: core, opened: core.opened, listener: l, fe: l.fe, source: peer, spelled: c.spelled[:0],
		accepted: core.loop.Wall(), born: core.now(), first: true}
	c.client.open(fd, t)
}

// clientLeft says whether the client has closed its side, looking past bytes it sent before.
func (c *conn) clientLeft() bool {
	open, _ := c.client.alive()
	return !open
}

// spell writes the client's address and port once for all requests of the connection: headers and log lines want them.
func (c *conn) spell() (ip, port []byte) {
	if len(c.spelled) == 0 && c.source.IsValid() {
		c.spelled = c.source.Addr().AppendTo(c.spelled)
		c.spelledIP = len(c.spelled)
		c.spelled = strconv.AppendUint(c.spelled, uint64(c.source.Port()), 10)
	}
	return c.spelled[:c.spelledIP], c.spelled[c.spelledIP:]
}

// destination is the address the client connected to, asked of the kernel once and only
// if something wants it.
func (c *conn) destination() netip.AddrPort {
	if !c.destKnown {
		c.dest, c.destKnown = c.client.local(), true
	}
	return c.dest
}
