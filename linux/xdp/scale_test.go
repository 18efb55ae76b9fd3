package xdp

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/lvs/table"
)

// manyServices are 10 000 services with 10 servers each.
func manyServices() (all []table.Group) {
	for i := range 10_000 {
		vip := netip.AddrFrom4([4]byte{10, 20, byte(i >> 8), byte(i)})
		key := table.Key{Protocol: table.TCP, Addr: netip.AddrPortFrom(vip, 80)}
		g := table.Group{Service: table.Service{Key: key, Scheduler: "wrr"}}
		for j := range 10 {
			n := i*10 + j
			g.Destinations = append(g.Destinations, table.Destination{
				Addr:   netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 8, byte(n >> 8), byte(n)}), uint16(8000+n>>16)),
				Method: table.Direct, Weight: 1 + j})
		}
		all = append(all, g)
	}
	return all
}

// manyFlows are a million flows of those services.
func manyFlows(services []table.Group) []Flow {
	flows := make([]Flow, 1_000_000)
	for i := range flows {
		var c [4]byte
		binary.BigEndian.PutUint32(c[:], 0x14000000+uint32(i))
		d := &services[i%10_000]
		flows[i] = Flow{Protocol: table.TCP, State: table.Established,
			Client:  netip.AddrPortFrom(netip.AddrFrom4(c), 1234),
			Virtual: d.Addr, Destination: d.Destinations[i%10].Addr}
	}
	return flows
}

// TestScale: 10 000 services with 100 000 servers, and a million flows, are no trouble.
func TestScale(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes half a minute")
	}
	b := newBench(t, 1<<21)
	want := manyServices()
	took := func(what string, f func() error) {
		t.Helper()
		begin := time.Now()
		var err error
		b.ns.Do(func() { err = f() })
		if err != nil {
			t.Fatal(what, err)
		}
		d := time.Since(begin)
		t.Log(what, d)
		if d > time.Minute { // normally seconds
			t.Errorf("%s took %v", what, d)
		}
	}
	took("loading", func() error { return b.p.Apply(table.Diff(nil, want)) })
	var state []table.ServiceState
	took("reading", func() (err error) { state, err = b.p.State(); return err })
	if n := len(table.Diff(state, want)); n != 0 {
		t.Errorf("%d changes are left", n)
	}
	want[7].Destinations[3].Weight = 0
	took("one change", func() error { return b.p.Apply(table.Diff(state, want)) })
	took("neighbours", b.p.Neighbours)

	flows := manyFlows(want)
	took("learning a million flows", func() error {
		unknown, err := b.p.Learn(flows)
		if unknown != 0 {
			return fmt.Errorf("%d are unknown", unknown)
		}
		return err
	})
	took("sweeping a million flows", func() error {
		if stats := sweepAll(t, b.p); stats.Flows != len(flows) {
			return fmt.Errorf("it found %d", stats.Flows)
		}
		return nil
	})
	for i := range flows {
		flows[i].State = table.Close
	}
	took("ending them", func() error { _, err := b.p.Learn(flows); return err })
	took("deleting all", func() error { return b.p.Apply([]table.Change{{Verb: table.Flush}}) })
}
