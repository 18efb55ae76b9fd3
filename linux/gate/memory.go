package gate

import (
	"net/netip"
	"time"

	"github.com/evenkeel/evenkeel/linux/netif"
)

// memory is the driver of the modes without a gate in the kernel: deadlines live in the Gate
// alone and stop nothing.
type memory struct{}

func (memory) register(*Gate) error                       { return nil }
func (memory) addresses(_ *Gate, _, _ []netip.Addr) error { return nil }
func (memory) router(_ *Gate, _ router, _ *router) error  { return nil }
func (memory) deadlines(_ *Gate, _, _ int64)              {}
func (memory) drops(*Gate) Drops                          { return Drops{} }
func (memory) remove(*Gate) error                         { return nil }
func (memory) cover(netif.Link) error                     { return nil }
func (memory) uncover(int) error                          { return nil }
func (memory) standing(int) (bool, error)                 { return true, nil }
func (memory) inherited() []netip.Addr                    { return nil }
func (memory) serve(netip.Addr, bool) error               { return nil }
func (memory) settle() error                              { return nil }
func (memory) shutdown() error                            { return nil }
func (memory) abandon()                                   {}

// lifetimeSlack is how late the kernel may remove an address after its lifetime: it looks once
// a second at most and rounds (measured: up to 0.31 s).
const lifetimeSlack = 500 * time.Millisecond

// AddressLifetime returns the lifetime to give addresses, at each renewal, in mode GateLifetime
// so that the kernel has removed them hold after the renewal. The kernel counts whole seconds,
// so ok is false for a hold below 1.5 s: then one second is the least there is, and another
// machine may take over while the address is still here.
func AddressLifetime(hold time.Duration) (lifetime time.Duration, ok bool) {
	lifetime = (hold - lifetimeSlack).Truncate(time.Second)
	if lifetime < time.Second {
		return time.Second, false
	}
	return lifetime, true
}
