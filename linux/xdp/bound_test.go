package xdp

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/lvs/table"
)

// TestBindings: where clients are bound is told to who listens, and a peer that learns it sends them there.
func TestBindings(t *testing.T) {
	for _, c := range []struct {
		name     string
		port     uint16 // of the service
		protocol table.Protocol
	}{{"one port", 8080, table.TCP}, {"every port", 0, table.TCP}, {"UDP", 8080, table.UDP}} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, 2)
			r.lo()
			for i, ns := range r.reals {
				r.serve(ns, fmt.Sprintf("r%d", i), 8080)
			}
			clients := make([]netip.Addr, 6)
			for i := range clients {
				clients[i] = netip.AddrFrom4([4]byte{10, 9, 0, byte(120 + i)})
				r.client.Address("eth0", clients[i].String()+"/24")
			}
			p := r.open(Options{})
			s := r.service(c.protocol, c.port, "rr")
			s.Flags, s.Timeout, s.Granularity = table.Persistent, time.Minute, 32
			r.do(func() error {
				return p.Apply([]table.Change{
					{Verb: table.AddService, Service: s},
					{Verb: table.AddDestination, Service: s, Destination: r.destination(0, c.port, table.Direct)},
					{Verb: table.AddDestination, Service: s, Destination: r.destination(1, c.port, table.Direct)},
				})
			})
			binding := func(client netip.Addr, real int, idle time.Duration) Flow {
				return Flow{Protocol: c.protocol, State: table.None, Client: netip.AddrPortFrom(client, 0), Virtual: s.Addr,
					Destination: r.destination(real, c.port, table.Direct).Addr, Idle: idle}
			}
			learn := func(want int, flows ...Flow) {
				t.Helper()
				if unknown, err := p.Learn(flows); err != nil || unknown != want {
					t.Errorf("learning %v: %d unknown, %v", flows, unknown, err)
				}
			}
			goes := func(client netip.Addr, want string) {
				t.Helper()
				if who := r.whoAnswers(c.protocol, client); who != want {
					t.Errorf("%s went to %s, not to %s", client, who, want)
				}
			}

			// By turns, half of them would go to the other.
			for _, client := range clients[:4] {
				learn(0, binding(client, 1, 0))
			}
			for _, client := range clients[:4] {
				goes(client, "r1")
			}
			learn(0, binding(clients[0], 0, 30*time.Second)) // older than its last connection
			goes(clients[0], "r1")
			time.Sleep(2 * p.tick) // so that what comes is younger
			learn(0, binding(clients[0], 0, 0))
			goes(clients[0], "r0")
			gone := binding(clients[1], 0, 0)
			gone.Destination = netip.AddrPortFrom(netip.MustParseAddr("10.9.0.200"), c.port)
			learn(1, gone)
			goes(clients[1], "r1")

			// What is bound here is told, at once and to who asks for everything.
			events := make(chan Event, 100)
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error)
			go func() { done <- p.Events(ctx, func(e *Event) { events <- *e }) }()
			defer func() { cancel(); <-done }()
			listens(t, p)
			learn(0, binding(clients[4], 1, 2*time.Minute)) // over
			first := r.whoAnswers(c.protocol, clients[4])
			second := r.whoAnswers(c.protocol, clients[5])
			if first == second {
				t.Errorf("both new clients went to %s", first)
			}
			want := map[netip.Addr]string{clients[0]: "r0", clients[1]: "r1", clients[2]: "r1", clients[3]: "r1", clients[4]: first, clients[5]: second}
			for _, client := range clients[4:] {
				expect := Event{Kind: ClientBound, Flow: binding(client, int(want[client][1]-'0'), 0)}
				if d := equal(expect, toldBound(t, events)); d != "" {
					t.Error(d)
				}
			}
			// And now and then again, when the client comes again.
			goes(clients[4], first)
			atomic.StoreUint32(&p.settings.alive, 0)
			goes(clients[5], second)
			if d := equal(Event{Kind: ClientBound, Flow: binding(clients[5], int(second[1]-'0'), 0)}, toldBound(t, events)); d != "" {
				t.Error(d)
			}
			if err := p.Dump(func(f *Flow) bool {
				if f.State != table.None {
					return true
				}
				client := f.Client.Addr()
				expect := binding(client, int(want[client][1]-'0'), f.Idle)
				if d := equal(expect, *f); d != "" || f.Idle > time.Minute {
					t.Error(d, f.Idle)
				}
				delete(want, client)
				return true
			}); err != nil || len(want) != 0 {
				t.Errorf("not dumped: %v, %v", want, err)
			}

			// A service that is not persistent has no use for them.
			s.Flags = 0
			if c.port != 0 {
				r.do(func() error { return p.Apply([]table.Change{{Verb: table.EditService, Service: s}}) })
				learn(1, binding(clients[0], 0, 0))
			}
		})
	}
}

// toldBound is the next binding told of.
func toldBound(t *testing.T, events <-chan Event) Event {
	t.Helper()
	for limit := time.After(soon); ; {
		select {
		case e := <-events:
			if e.Kind == ClientBound {
				return e
			}
		case <-limit:
			t.Fatal("no binding is told of")
		}
	}
}

// whoAnswers asks the service's port 8080 from a new port of a client.
func (r *rig) whoAnswers(protocol table.Protocol, client netip.Addr) string {
	r.t.Helper()
	var conn net.Conn
	var err error
	r.client.Do(func() {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: client.AsSlice()}, Timeout: soon}
		if protocol == table.UDP {
			d.LocalAddr = &net.UDPAddr{IP: client.AsSlice()}
		}
		conn, err = d.Dial(map[table.Protocol]string{table.TCP: "tcp", table.UDP: "udp"}[protocol], netip.AddrPortFrom(vip4, 8080).String())
	})
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close()
	who, err := ask(conn, "who")
	if err != nil {
		r.t.Fatal(err)
	}
	return who
}
