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
	"github.com/evenkeel/evenkeel/lvs/letter"
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
	return xdp.Flow{Protocol: table.TCP, State: table.Established, Client: netip.MustParseAddrPort(fmt.Sprintf("192.0.2.9:%d", 10000+n)),
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
	t.Fatal("waited in vain: " + what)
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

// multicast is the line that directors have by default.
var multicast = Line{Interface: "eth0", Group: netip.MustParseAddr("224.0.0.81"), Port: 8849}

// open waits until a courier's first line is open.
func open(t *testing.T, c *Courier) {
	t.Helper()
	await(t, "the first line", func() bool { c.lines[0].mu.Lock(); defer c.lines[0].mu.Unlock(); return c.lines[0].conn != nil })
}

// TestAskedAgain: who asks for everything right after another has been answered is answered, too.
func TestAskedAgain(t *testing.T) {
	a, b := neighbours(t)
	one := startCourier(someFlows(1), []Line{multicast}, func(Level, string) {}, a.Do)
	defer one.Close()
	open(t, one)
	for range 2 {
		plane := newFlows()
		two := startCourier(plane, []Line{multicast}, func(Level, string) {}, b.Do)
		await(t, "the flow", func() bool { return plane.count() == 1 })
		two.Close()
	}
}

// TestAsksUntilAnswered: a director that finds nobody asks again.
func TestAsksUntilAnswered(t *testing.T) {
	a, b := neighbours(t)
	plane := newFlows()
	two := startCourier(plane, []Line{multicast}, func(Level, string) {}, b.Do)
	defer two.Close()
	await(t, "the first request", func() bool { return two.Stats().Sent > 0 })
	one := startCourier(someFlows(1), []Line{multicast}, func(Level, string) {}, a.Do)
	defer one.Close()
	await(t, "the flow", func() bool { return plane.count() == 1 })
}

// TestCourier: flows reach the other director, a director that comes later learns them all,
// letters from afar and of other groups are not heard.
func TestCourier(t *testing.T) {
	for _, tt := range []struct {
		name string
		line func(peer string) Line
	}{
		{"multicast", func(string) Line {
			return Line{Interface: "eth0", Group: netip.MustParseAddr("224.0.0.81"), Port: 8849, ID: 51}
		}},
		{"multicast over IPv6", func(string) Line {
			return Line{Interface: "eth0", IPv6: true, Group: netip.MustParseAddr("ff02::81"), Port: 8849, ID: 51}
		}},
		{"unicast", func(peer string) Line {
			return Line{Peers: []netip.Addr{netip.MustParseAddr(peer)}, Port: 8849, ID: 51}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, b := neighbours(t)
			await(t, "link-local addresses", func() bool {
				for _, ns := range []*netns.NS{a, b} {
					if out := ns.Run("ip", "-6", "addr", "show", "dev", "eth0"); !strings.Contains(out, "fe80::") || strings.Contains(out, "tentative") {
						return false
					}
				}
				return true
			})
			var mu sync.Mutex
			var logged []string
			log := func(_ Level, s string) { mu.Lock(); logged = append(logged, s); mu.Unlock() }
			first, second := someFlows(500), newFlows()
			one := startCourier(first, []Line{tt.line("10.9.0.2")}, log, a.Do)
			defer one.Close()
			open(t, one)
			other := tt.line("10.9.0.1")
			two := startCourier(second, []Line{other}, log, b.Do)
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
			far := aFlow(2000, "10.9.0.100:80")
			spoof, _ := letter.Add(letter.Begin(nil, letter.Header{Kind: letter.Flows, Group: 51, Sender: 1}), (*letter.Flow)(&far))
			b.Do(func() {
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
			if other.IPv6 {
				return // its line does not hear IPv4
			}
			all := func() string { mu.Lock(); defer mu.Unlock(); return strings.Join(logged, "\n") }
			defer func() {
				if t.Failed() {
					t.Logf("logged:\n%s", all())
				}
			}()
			await(t, "refusals", func() bool { return one.Stats().Refused == 2 })
			await(t, "their causes in the log", func() bool {
				return strings.Contains(all(), "TTL 254") && strings.Contains(all(), "not a letter of ours")
			})
			if first.count() != count {
				t.Error("a letter from afar was believed")
			}
		})
	}
}
