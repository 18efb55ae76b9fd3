package failover

import (
	"fmt"
	"runtime"
	"slices"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/linux/gate"
	"github.com/evenkeel/evenkeel/linux/netif"
)

// ErrLiving: there is a living director, beside which nothing is purged.
var ErrLiving = gate.ErrOwned

// Purge removes what a director that did not end properly has left in the kernel:
// its addresses first, then the gates that kept them silent. It returns the
// addresses removed, and fails with [ErrLiving] beside a director that guards addresses.
func Purge() ([]netif.Assignment, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	conn, err := netif.Dial()
	if err != nil {
		return nil, fmt.Errorf("rtnetlink: %w", err)
	}
	defer conn.Close()
	gates, err := gate.New(gate.Options{Mode: config.GateAuto})
	if err != nil {
		return nil, fmt.Errorf("lease gate: %w", err)
	}
	left, err := leftovers(conn, gates)
	if err == nil {
		err = conn.Remove(left)
	}
	if err != nil {
		gates.Abandon() // still closed, still needed
		return nil, fmt.Errorf("removing left-over addresses: %w", err)
	}
	return left, gates.Shutdown()
}

// leftovers lists addresses with our mark and addresses that inherited gates guard.
func leftovers(conn *netif.Conn, gates *gate.Set) ([]netif.Assignment, error) {
	left, err := conn.Leftovers()
	if err != nil {
		return nil, err
	}
	links, err := conn.Links()
	if err != nil {
		return nil, err
	}
	for _, ip := range gates.Inherited() {
		for _, link := range links {
			if link.Loopback { // a real server's address, which stays
				continue
			}
			for _, p := range link.Addrs {
				marked := slices.ContainsFunc(left, func(a netif.Assignment) bool {
					return a.Ifindex == link.Index && a.Addr.Prefix == p
				})
				if !marked && gate.At(p.Addr(), link.Index) == ip {
					left = append(left, netif.Assignment{Ifindex: link.Index, Addr: config.Address{Prefix: p}})
				}
			}
		}
	}
	return left, nil
}
