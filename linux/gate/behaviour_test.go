package gate

import (
	"net/netip"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/linux/loop"
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
		until := openFor(t, g, 300*time.Millisecond)
		for loop.Now() < until {
			time.Sleep(10 * time.Millisecond)
		}
		r.expectAnswers(false, "deadline passed")
		if g.Extend(loop.Now() + time.Hour) {
			t.Error("a closed gate was extended")
		}
		r.expectAnswers(false, "after a late extension")
		if g.Open(loop.Now() + time.Hour) {
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
