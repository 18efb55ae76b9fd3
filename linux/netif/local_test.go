package netif

import (
	"net"
	"net/netip"
	"testing"
)

// TestIsLocal: the addresses of all interfaces are this machine's, those of documentation networks are not.
func TestIsLocal(t *testing.T) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	var mine []netip.Addr
	for _, a := range []string{"127.0.0.1", "127.9.9.9", "::ffff:127.0.0.1"} {
		mine = append(mine, netip.MustParseAddr(a))
	}
	for _, a := range all {
		// A link-local address could be on any link.
		if p, err := netip.ParsePrefix(a.String()); err == nil && !p.Addr().IsLinkLocalUnicast() {
			mine = append(mine, p.Addr())
		}
	}
	for _, a := range mine {
		if !IsLocal(a) {
			t.Errorf("%v is not local", a)
		}
	}
	for _, a := range []string{"192.0.2.77", "2001:db8::77"} {
		if IsLocal(netip.MustParseAddr(a)) {
			t.Errorf("%s is local", a)
		}
	}
}
