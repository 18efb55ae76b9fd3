package netif

import (
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// IsLocal reports whether packets to an address are for this machine. The routing table is asked, not a list of
// addresses, however many there are; and net.ipv4.ip_nonlocal_bind, which lets a socket be bound to any address, does
// not matter.
func IsLocal(a netip.Addr) bool {
	routes, err := netlink.RouteGet(a.Unmap().AsSlice())
	return err == nil && len(routes) > 0 && routes[0].Type == unix.RTN_LOCAL
}
