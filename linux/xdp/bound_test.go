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

type boundCase struct {
	name     string
	port     uint16 // of the service
	protocol table.Protocol
}

var boundCases = []boundCase{
	{"one port", 8080, table.TCP}, {"every port", 0, table.TCP}, {"UDP", 8080, table.UDP},
}

// binds is a persistent service with its clients and two servers.
type binds struct {
	*rig
	boundCase
	p       *Plane
	s       table.Service
	clients []netip.Addr
}

func newBinds(t *testing.T, c boundCase) *binds {
	t.Helper()
	b := &binds{rig: newRig(t, 2), boundCase: c, clients: make([]netip.Addr, 6)}
	b.lo()
	for i, ns := range b.reals {
		b.serve(ns, fmt.Sprintf("r%d", i), 8080)
	}
	for i := range b.clients {
		b.clients[i] = netip.AddrFrom4([4]byte{10, 9, 0, byte(120 + i)})
		b.client.Address("eth0", b.clients[i].String()+"/24")
	}
	b.p = b.open(Options{})
	b.s = b.service(c.protocol, c.port, "rr")
	b.s.Flags, b.s.Timeout, b.s.Granularity = table.Persistent, time.Minute, 32
	b.do(func() error {
		return b.p.Apply([]table.Change{
			{Verb: table.AddService, Service: b.s},
			{Verb: table.AddDestination, Service: b.s, Destination: b.destination(0, c.port, table.Direct)},
			{Verb: table.AddDestination, Service: b.s, Destination: b.destination(1, c.port, table.Direct)},
		})
	})
	return b
}

func (b *binds) binding(client netip.Addr, real int, idle time.Duration) Flow {
	return Flow{Protocol: b.protocol, State: table.None, Client: netip.AddrPortFrom(client, 0), Virtual: b.s.Addr,
		Destination: b.destination(real, b.port, table.Direct).Addr, Idle: idle}
}

func (b *binds) learn(want int, flows ...Flow) {
	b.t.Helper()
	if unknown, err := b.p.Learn(flows); err != nil || unknown != want {
		b.t.Errorf("learning %v: %d unknown, %v", flows, unknown, err)
	}
}

func (b *binds) goes(client netip.Addr, want string) {
	b.t.Helper()
	if who := b.whoAnswers(b.protocol, client); who != want {
		b.t.Errorf("%s went to %s, not to %s", client, who, want)
	}
}

// TestBindings: where clients are bound is told to who listens, and a peer that learns it sends them there.
func TestBindings(t *testing.T) {
	for _, c := range boundCases {
		t.Run(c.name, func(t *testing.T) {
			b := newBinds(t, c)
			b.learnt()
			b.told()
			// A service that is not persistent has no use for them.
			b.s.Flags = 0
			if c.port != 0 {
				b.do(func() error { return b.p.Apply([]table.Change{{Verb: table.EditService, Service: b.s}}) })
				b.learn(1, b.binding(b.clients[0], 0, 0))
			}
		})
	}
}

// learnt: clients go where the bindings say that were learnt.
func (b *binds) learnt() {
	b.t.Helper()
	// By turns, half of them would go to the other.
	for _, client := range b.clients[:4] {
		b.learn(0, b.binding(client, 1, 0))
	}
	for _, client := range b.clients[:4] {
		b.goes(client, "r1")
	}
	b.learn(0, b.binding(b.clients[0], 0, 30*time.Second)) // older than its last connection
	b.goes(b.clients[0], "r1")
	time.Sleep(2 * b.p.tick) // so that what comes is younger
	b.learn(0, b.binding(b.clients[0], 0, 0))
	b.goes(b.clients[0], "r0")
	gone := b.binding(b.clients[1], 0, 0)
	gone.Destination = netip.AddrPortFrom(netip.MustParseAddr("10.9.0.200"), b.port)
	b.learn(1, gone)
	b.goes(b.clients[1], "r1")
}

// told: what is bound here is told, at once and to who asks for everything.
func (b *binds) told() {
	t, p, clients := b.t, b.p, b.clients
	t.Helper()
	events := make(chan Event, 100)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- p.Events(ctx, func(e *Event) { events <- *e }) }()
	defer func() { cancel(); <-done }()
	listens(t, p)
	b.learn(0, b.binding(clients[4], 1, 2*time.Minute)) // over
	first := b.whoAnswers(b.protocol, clients[4])
	second := b.whoAnswers(b.protocol, clients[5])
	if first == second {
		t.Errorf("both new clients went to %s", first)
	}
	want := map[netip.Addr]string{clients[0]: "r0", clients[1]: "r1", clients[2]: "r1", clients[3]: "r1",
		clients[4]: first, clients[5]: second}
	for _, client := range clients[4:] {
		expect := Event{Kind: ClientBound, Flow: b.binding(client, int(want[client][1]-'0'), 0)}
		if d := equal(expect, toldBound(t, events)); d != "" {
			t.Error(d)
		}
	}
	// And now and then again, when the client comes again.
	b.goes(clients[4], first)
	atomic.StoreUint32(&p.settings.alive, 0)
	b.goes(clients[5], second)
	expect := Event{Kind: ClientBound, Flow: b.binding(clients[5], int(second[1]-'0'), 0)}
	if d := equal(expect, toldBound(t, events)); d != "" {
		t.Error(d)
	}
	if err := p.Dump(func(f *Flow) bool {
		if f.State != table.None {
			return true
		}
		client := f.Client.Addr()
		expect := b.binding(client, int(want[client][1]-'0'), f.Idle)
		if d := equal(expect, *f); d != "" || f.Idle > time.Minute {
			t.Error(d, f.Idle)
		}
		delete(want, client)
		return true
	}); err != nil || len(want) != 0 {
		t.Errorf("not dumped: %v, %v", want, err)
	}
}

// toldBound is the next binding told of.
func toldBound(t testing.TB, events <-chan Event) Event {
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
		conn, err = d.Dial(map[table.Protocol]string{table.TCP: "tcp", table.UDP: "udp"}[protocol],
			netip.AddrPortFrom(vip4, 8080).String())
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
