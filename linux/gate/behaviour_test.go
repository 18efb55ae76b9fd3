package gate

import (
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/linux/realtime"
)

// modes are the ways of building a gate that stop packets.
var modes = map[string]config.GateMode{"ebpf": config.GateEBPF, "nft": config.GateNFT}

func eachMode(t *testing.T, f func(t *testing.T, mode config.GateMode)) {
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) { f(t, mode) })
	}
}

// reachable asks in every way whether the node answers for the addresses.
func (r *rig) expectAnswers(want bool, when string) {
	r.t.Helper()
	for _, q := range []struct {
		name     string
		question []byte
		match    func([]byte) bool
	}{
		{"ARP request", r.arpRequest(peer4, vip4), isARPFrom(vip4)},
		{"ARP probe", r.arpRequest(netip.IPv4Unspecified(), vip4), isARPFrom(vip4)},
		{"ping", r.ping(vip4), isIPFrom(vip4)},
		{"neighbour solicitation", r.solicitation(vip6), isNAFor(vip6)},
		{"ping over IPv6", r.ping(vip6), isIPFrom(vip6)},
	} {
		if got := r.answered(q.question, want, q.match); got != want {
			r.t.Errorf("%s: %s answered: %v, want %v", when, q.name, got, want)
		}
	}
	// The node itself is always there.
	for _, q := range []struct {
		name     string
		question []byte
		match    func([]byte) bool
	}{
		{"ARP request", r.arpRequest(peer4, own4), isARPFrom(own4)},
		{"ping", r.ping(own4), isIPFrom(own4)},
		{"neighbour solicitation", r.solicitation(own6), isNAFor(own6)},
		{"ping over IPv6", r.ping(own6), isIPFrom(own6)},
	} {
		if !r.answered(q.question, true, q.match) {
			r.t.Errorf("%s: %s for the node's own address is not answered", when, q.name)
		}
	}
}

func TestOpenAndClose(t *testing.T) {
	eachMode(t, func(t *testing.T, mode config.GateMode) {
		r := newRig(t)
		r.haveVIPs()
		r.expectAnswers(true, "without gate")
		s := r.set(mode)
		r.expectAnswers(true, "with an empty set")
		g := r.gate(s)
		r.expectAnswers(false, "created")
		openFor(t, g, time.Hour)
		r.expectAnswers(true, "open")
		g.Close()
		r.expectAnswers(false, "closed")
		d := g.Drops()
		if d.Questions < 6 || d.PacketsIn < 4 {
			t.Errorf("drops %+v", d)
		}
		openFor(t, g, time.Hour)
		until := realtime.Now() + 100*time.Millisecond
		g.Shorten(until)
		sleepUntil(until)
		r.expectAnswers(false, "deadline passed")
		if g.Extend(realtime.Now() + time.Hour) {
			t.Error("a closed gate was extended")
		}
		r.expectAnswers(false, "after a late extension")
		if g.Open(realtime.Now() + time.Hour) {
			t.Error("opened without a campaign")
		}
		r.expectAnswers(false, "after opening without campaign")
		r.node.Do(func() {
			if err := g.Remove(); err != nil {
				t.Fatal(err)
			}
		})
		r.expectAnswers(true, "gate removed")
	})
}

// TestServed: for an address that the machine has as a real server too, a closed gate holds back
// questions and announcements only.
func TestServed(t *testing.T) {
	eachMode(t, func(t *testing.T, mode config.GateMode) {
		r := newRig(t)
		r.haveVIPs()
		s := r.set(mode)
		r.gate(s)
		r.expectAnswers(false, "closed")
		do(t, r.node, func() error { return s.Serve([]netip.Addr{vip4, vip6, netip.MustParseAddr("10.9.0.77")}) })
		for _, q := range []struct {
			name     string
			question []byte
			match    func([]byte) bool
			want     bool
		}{
			{"ARP request", r.arpRequest(peer4, vip4), isARPFrom(vip4), false},
			{"neighbour solicitation", r.solicitation(vip6), isNAFor(vip6), false},
			{"ping", r.ping(vip4), isIPFrom(vip4), true},
			{"ping over IPv6", r.ping(vip6), isIPFrom(vip6), true},
		} {
			if got := r.answered(q.question, q.want, q.match); got != q.want {
				t.Errorf("served: %s answered: %v, want %v", q.name, got, q.want)
			}
		}
		do(t, r.node, func() error { return s.Serve([]netip.Addr{vip6}) })
		if r.answered(r.ping(vip4), false, isIPFrom(vip4)) {
			t.Error("a ping is answered after the address was served no more")
		}
		do(t, r.node, func() error { return s.Serve(nil) })
		r.expectAnswers(false, "closed again")
	})
}

// TestMirror: a forwarding plane reads the same deadlines.
func TestMirror(t *testing.T) {
	eachMode(t, func(t *testing.T, mode config.GateMode) {
		r := newRig(t)
		s := r.set(mode)
		g := r.gate(s)
		open := openFor(t, g, time.Hour)
		places := map[netip.Addr]*atomic.Int64{vip4: {}}
		do(t, r.node, func() error {
			return s.Mirror(func(a netip.Addr) (*atomic.Int64, error) { return places[a], nil })
		})
		if got := time.Duration(places[vip4].Load()); got != open || got != g.Deadline() {
			t.Errorf("mirrored %v, want %v", got, open)
		}
		g.Extend(open + time.Minute)
		if got := time.Duration(places[vip4].Load()); got != open+time.Minute {
			t.Errorf("extended: mirrored %v", got)
		}
		places[vip6] = &atomic.Int64{}
		do(t, r.node, func() error { return g.SetAddresses([]netip.Addr{vip6}) })
		if places[vip4].Load() != 0 {
			t.Error("an address that has left the gate is still open")
		}
		do(t, r.node, func() error { return g.SetAddresses([]netip.Addr{vip4, vip6}) })
		if got := time.Duration(places[vip4].Load()); got != open+time.Minute ||
			time.Duration(places[vip6].Load()) != got {
			t.Errorf("mirrored %v, %v", got, time.Duration(places[vip6].Load()))
		}
		g.Close()
		if places[vip4].Load() != 0 || places[vip6].Load() != 0 {
			t.Error("closed, but mirrored open")
		}
	})
}
