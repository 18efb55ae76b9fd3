package lvs

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/ipv4"

	"github.com/evenkeel/evenkeel/linux/xdp"
	"github.com/evenkeel/evenkeel/lvs/connsync"
	"github.com/evenkeel/evenkeel/lvs/table"
	"github.com/evenkeel/evenkeel/test/netns"
)

// flowsOf is a plane that has flows and nothing else.
type flowsOf struct {
	mu     sync.Mutex
	flows  map[string]xdp.Flow
	events chan xdp.Event
}

func newFlows() *flowsOf {
	return &flowsOf{flows: map[string]xdp.Flow{}, events: make(chan xdp.Event, 100)}
}

func (p *flowsOf) Events(ctx context.Context, f func(*xdp.Event)) error {
	for {
		select {
		case e := <-p.events:
			f(&e)
		case <-ctx.Done():
			return nil
		}
	}
}

func (p *flowsOf) Learn(flows []xdp.Flow) (unknown int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range flows {
		if f.Virtual.Port() == 9 {
			unknown++
			continue
		}
		p.flows[f.Client.String()] = f
	}
	return unknown, nil
}

func (p *flowsOf) Dump(yield func(*xdp.Flow) bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.flows {
		if !yield(&f) {
			break
		}
	}
	return nil
}

func (p *flowsOf) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.flows)
}

func aFlow(n int, virtual string) xdp.Flow {
	return xdp.Flow{Protocol: table.TCP, State: table.Established,
		Client:  netip.MustParseAddrPort(fmt.Sprintf("192.0.2.9:%d", 10000+n)),
		Virtual: netip.MustParseAddrPort(virtual), Destination: netip.MustParseAddrPort("10.9.0.9:80")}
}

// someFlows is a plane that has n flows.
func someFlows(n int) *flowsOf {
	p := newFlows()
	for i := range n {
		f := aFlow(i, "10.9.0.100:80")
		p.flows[f.Client.String()] = f
	}
	return p
}

func await(t *testing.T, what string, f func() bool) {
	t.Helper()
	for range 3000 { // half a minute
		if f() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("timed out waiting for: " + what)
}

// neighbours are two hosts on one link.
func neighbours(t *testing.T) (a, b *netns.NS) {
	t.Helper()
	a, b = netns.New(t, "a"), netns.New(t, "b")
	netns.Bridge(t, a, b)
	a.Address("eth0", "10.9.0.1/24")
	b.Address("eth0", "10.9.0.2/24")
	return a, b
}

// multicast is the link that peers have by default.
var multicast = SyncLink{Interface: "eth0", Group: netip.MustParseAddr("224.0.0.81"), Port: 8849}

// syncIn starts connection synchronisation whose sockets are in a network namespace.
func syncIn(ns *netns.NS, plane FlowPlane, links []SyncLink, log func(Level, string)) *ConnSync {
	s := newConnSync(plane, links, log)
	for _, l := range s.links {
		open := l.open
		l.open = func() (read readFunc, err error) {
			ns.Do(func() { read, err = open() })
			return read, err
		}
	}
	s.start()
	return s
}

// open waits until the first link is open.
func open(t *testing.T, c *ConnSync) {
	t.Helper()
	await(t, "the first link", func() bool {
		c.links[0].mu.Lock()
		defer c.links[0].mu.Unlock()
		return c.links[0].conn != nil
	})
}

// TestAskedAgain: a request for a full sync right after another was answered is answered, too.
func TestAskedAgain(t *testing.T) {
	a, b := neighbours(t)
	one := syncIn(a, someFlows(1), []SyncLink{multicast}, func(Level, string) {})
	defer one.Close()
	open(t, one)
	for range 2 {
		plane := newFlows()
		two := syncIn(b, plane, []SyncLink{multicast}, func(Level, string) {})
		await(t, "the flow", func() bool { return plane.count() == 1 })
		two.Close()
	}
}

// TestAsksUntilAnswered: a node that finds no peer asks again.
func TestAsksUntilAnswered(t *testing.T) {
	a, b := neighbours(t)
	plane := newFlows()
	two := syncIn(b, plane, []SyncLink{multicast}, func(Level, string) {})
	defer two.Close()
	await(t, "the first request", func() bool { return two.Stats().Sent > 0 })
	one := syncIn(a, someFlows(1), []SyncLink{multicast}, func(Level, string) {})
	defer one.Close()
	await(t, "the flow", func() bool { return plane.count() == 1 })
}

// A syncLinkCase makes a link to a peer.
type syncLinkCase struct {
	name string
	link func(peer string) SyncLink
}

// syncLinks are the ways to a peer.
var syncLinks = []syncLinkCase{
	{"multicast", func(string) SyncLink {
		return SyncLink{Interface: "eth0", Group: netip.MustParseAddr("224.0.0.81"), Port: 8849, ID: 51}
	}},
	{"multicast over IPv6", func(string) SyncLink {
		return SyncLink{Interface: "eth0", IPv6: true, Group: netip.MustParseAddr("ff02::81"), Port: 8849, ID: 51}
	}},
	{"unicast", func(peer string) SyncLink {
		return SyncLink{Peers: []netip.Addr{netip.MustParseAddr(peer)}, Port: 8849, ID: 51}
	}},
}

// TestConnSync: flows reach the peer, a peer that starts later learns them all,
// messages from behind a router and of other groups are ignored.
func TestConnSync(t *testing.T) {
	for _, tt := range syncLinks {
		t.Run(tt.name, func(t *testing.T) { connSync(t, tt) })
	}
}

func connSync(t *testing.T, tt syncLinkCase) {
	a, b := neighbours(t)
	linkLocal(t, a, b)
	var mu sync.Mutex
	var logged []string
	log := func(_ Level, s string) { mu.Lock(); logged = append(logged, s); mu.Unlock() }
	first, second := someFlows(500), newFlows()
	one := syncIn(a, first, []SyncLink{tt.link("10.9.0.2")}, log)
	defer one.Close()
	open(t, one)
	other := tt.link("10.9.0.1")
	two := syncIn(b, second, []SyncLink{other}, log)
	defer two.Close()
	await(t, "all flows", func() bool { return second.count() == 500 && two.Stats().Learnt == 500 })

	second.events <- xdp.Event{Kind: xdp.FlowEstablished, Flow: aFlow(1000, "10.9.0.100:80")}
	await(t, "a new flow", func() bool { return first.count() == 501 })
	second.events <- xdp.Event{Kind: xdp.FlowEstablished, Flow: aFlow(1001, "10.9.0.100:9")}
	await(t, "an unknown service", func() bool { return one.Stats().Unknown == 2 }) // it came twice
	if s := two.Stats(); s.FlowsSent != 2 || s.Learnt != 500 || s.Failed != 0 {
		t.Errorf("%+v", s)
	}

	// From behind a router, and nonsense.
	count := first.count()
	spoofed(t, b)
	if other.IPv6 {
		return // its link does not receive IPv4
	}
	all := func() string { mu.Lock(); defer mu.Unlock(); return strings.Join(logged, "\n") }
	defer func() {
		if t.Failed() {
			t.Logf("logged:\n%s", all())
		}
	}()
	await(t, "refusals", func() bool { return one.Stats().Refused == 2 })
	await(t, "their causes in the log", func() bool {
		return strings.Contains(all(), "TTL 254") && strings.Contains(all(), "not a connection synchronisation message")
	})
	if first.count() != count {
		t.Error("a message from behind a router was accepted")
	}
}

// linkLocal waits until the addresses of IPv6 can be used.
func linkLocal(t *testing.T, all ...*netns.NS) {
	t.Helper()
	await(t, "link-local addresses", func() bool {
		for _, ns := range all {
			out := ns.Run("ip", "-6", "addr", "show", "dev", "eth0")
			if !strings.Contains(out, "fe80::") || strings.Contains(out, "tentative") {
				return false
			}
		}
		return true
	})
}

// spoofed sends what seems to come from behind a router, and nonsense.
func spoofed(t *testing.T, from *netns.NS) {
	t.Helper()
	far := aFlow(2000, "10.9.0.100:80")
	header := connsync.Header{Kind: connsync.Flows, Group: 51, Sender: 1}
	spoof, _ := connsync.Add(connsync.Begin(nil, header), (*connsync.Flow)(&far))
	from.Do(func() {
		conn, err := net.Dial("udp4", "10.9.0.1:8849")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		ipv4.NewConn(conn).SetTTL(254)
		conn.Write(spoof)
		ipv4.NewConn(conn).SetTTL(255)
		conn.Write([]byte("nonsense, but long enough"))
	})
}
