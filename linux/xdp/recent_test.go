package xdp

import (
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/lvs/table"
)

func TestPlaces(t *testing.T) {
	for _, c := range []struct{ cpus, flows, want int }{
		{1, 1 << 20, 1 << 14}, {8, 1 << 20, 1 << 14}, {16, 1 << 20, 1 << 13}, {12, 1 << 20, 1 << 13},
		{128, 1 << 20, 1 << 10},
		{1024, 1 << 20, 512}, {2, 4096, 4096}, {2, 1024, 1024},
	} {
		if got := recentSize(c.cpus, c.flows); got != c.want {
			t.Errorf("%d processors, %d flows: %d places, not %d", c.cpus, c.flows, got, c.want)
		}
	}
}

// from connects from a port of the client's; Close resets the connection.
func (r *rig) from(port int, to netip.AddrPort) (c *net.TCPConn) {
	r.t.Helper()
	reuse := func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) {
			syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
		})
	}
	d := net.Dialer{Timeout: soon, LocalAddr: &net.TCPAddr{Port: port}, Control: reuse}
	r.client.Do(func() {
		conn, err := d.Dial("tcp", to.String())
		if err != nil {
			r.t.Fatal(err)
		}
		c = conn.(*net.TCPConn)
	})
	c.SetLinger(0)
	return c
}

// TestNotesEnd: what a processor noted of a flow does not outlive the flow: a client that connects again from the
// same port at once, when another server has its turn, speaks with that one from the first packet to the last.
func TestNotesEnd(t *testing.T) {
	for _, m := range []table.Method{table.Direct, table.NAT} {
		t.Run(m.String(), func(t *testing.T) {
			r := newStar(t, 2, true)
			if m == table.Direct {
				r.lo()
			}
			for i, name := range []string{"r0", "r1"} {
				r.serve(r.reals[i], name, 8080)
			}
			p := r.open(Options{Mode: XDPNative})
			s := r.service(table.TCP, 8080, "rr")
			server := func(i, weight int) table.Destination {
				return table.Destination{Addr: netip.AddrPortFrom(r.starReal(i), 8080), Method: m, Weight: weight}
			}
			r.do(func() error {
				return p.Apply([]table.Change{{Verb: table.AddService, Service: s},
					{Verb: table.AddDestination, Service: s, Destination: server(0, 1)},
					{Verb: table.AddDestination, Service: s, Destination: server(1, 1)}})
			})
			to := netip.AddrPortFrom(r.vip(), 8080)
			r.meet(p, to)
			for turn := range 10 {
				now, other := turn%2, 1-turn%2
				r.do(func() error {
					return p.Apply([]table.Change{{Verb: table.EditDestination, Service: s,
						Destination: server(now, 1)},
						{Verb: table.EditDestination, Service: s, Destination: server(other, 0)}})
				})
				r.look(p)
				c := r.from(20000, to)
				before := r.counts(p)["fast"]
				for range 50 {
					if who, err := ask(c, "who"); err != nil || who != []string{"r0", "r1"}[now] {
						t.Fatalf("turn %d: answered by %q, %v: %v", turn, who, err, r.counts(p))
					}
				}
				if fast := r.counts(p)["fast"] - before; fast < 40 {
					t.Errorf("XDP carried %d packets only of 50 questions", fast)
				}
				c.Close()
			}
		})
	}
}

// TestNotesKeepFlows: with notes a flow is not looked for each time, but often enough that it is not taken for idle.
func TestNotesKeepFlows(t *testing.T) {
	r := newStar(t, 1, true)
	r.lo()
	r.serve(r.reals[0], "r0", 8080)
	p := r.open(Options{Mode: XDPNative})
	s := r.service(table.TCP, 8080, "rr")
	r.do(func() error {
		return p.Apply([]table.Change{{Verb: table.AddService, Service: s},
			{Verb: table.AddDestination, Service: s,
				Destination: table.Destination{Addr: netip.AddrPortFrom(r.starReal(0), 8080), Method: table.Direct,
					Weight: 1}}})
	})
	to := netip.AddrPortFrom(r.vip(), 8080)
	r.meet(p, to)
	r.do(func() error { return p.SetTimeouts(table.Timeouts{TCP: 5 * time.Second}) })
	c := r.from(20001, to)
	// Longer than the flow could be idle, never idle for long.
	begun := time.Now()
	for heard := begun; time.Since(begun) < 7*time.Second; time.Sleep(time.Millisecond) {
		if time.Since(heard) > time.Second {
			r.look(p)
			heard = time.Now()
		}
		if _, err := ask(c, "who"); err != nil {
			t.Fatal(err, r.counts(p))
		}
	}
	before := r.counts(p)
	if before["fast"] < 300 {
		t.Error("XDP carried little:", before)
	}
	if _, err := p.Sweep(); err != nil {
		t.Fatal(err)
	}
	if _, err := ask(c, "who"); err != nil {
		t.Error("after a sweep:", err, r.counts(p))
	}
	if fast := r.counts(p)["fast"] - before["fast"]; fast == 0 {
		t.Error("the flow went from under its packets:", r.counts(p))
	}
}
