package gate

import (
	"net/netip"
	"os/exec"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/test/netns"
)

// TestLinkLocalAddressPerInterface: fe80::1 on two interfaces is two addresses, each behind a gate of its own, and a
// third interface with one that is no virtual address is left alone.
func TestLinkLocalAddressPerInterface(t *testing.T) {
	eachMode(t, func(t *testing.T, mode config.GateMode) {
		router := netip.MustParseAddr("fe80::1")
		node, peer := netns.New(t, "node"), netns.New(t, "peer")
		names := []string{"eth0", "eth1", "eth2"}
		for _, name := range names {
			netns.Veth(t, node, name, peer, name)
			node.Address(name, "fe80::1/64")
			peer.Address(name, "fe80::2/64")
		}
		s := (&rig{t: t, node: node, peer: peer}).set(mode)
		var gates []*Gate
		for i, name := range names[:2] {
			do(t, node, func() error {
				g, err := s.Gate(Key{Name: name, Ifindex: node.Index(name), IPv6: true, VRID: uint8(51 + i)},
					[]netip.Addr{At(router, node.Index(name))})
				gates = append(gates, g)
				return err
			})
		}
		answers := func(name string) bool {
			var err error
			peer.Do(func() {
				exec.Command("ip", "neigh", "flush", "dev", name).Run()
				err = exec.Command("ping", "-6", "-c1", "-W0.3", router.String()+"%"+name).Run()
			})
			return err == nil
		}
		ask := func(when string, want ...bool) {
			t.Helper()
			for i, name := range names {
				got := answers(name)
				for limit := time.Now().Add(patient / 3); want[i] && !got && time.Now().Before(limit); {
					got = answers(name) // a busy machine answers late
				}
				if got != want[i] {
					t.Errorf("%s: on %s answered %v, want %v", when, name, got, want[i])
				}
			}
		}
		ask("both closed", false, false, true)
		openFor(t, gates[1], time.Hour)
		ask("the second open", false, true, true)
		openFor(t, gates[0], time.Hour)
		gates[1].Close()
		ask("the first open", true, false, true)
		do(t, node, gates[1].Remove)
		ask("the second gone", true, true, true)
	})
}
