package failover

import (
	"testing"

	"github.com/vishvananda/netlink"
)

// hasOn reports whether an address is set on an interface of the node.
func (n *node) hasOn(name, ip string) bool {
	n.t.Helper()
	list, err := n.ns.Links().AddrList(n.ns.Link(name), netlink.FAMILY_ALL)
	for _, a := range list {
		if err == nil && a.IP.String() == ip {
			return true
		}
	}
	return false
}

// TestOneLinkLocalAddressTwoInterfaces: a router's fe80::100 is another address on each of its links, whether two
// instances hold them or one.
func TestOneLinkLocalAddressTwoInterfaces(t *testing.T) {
	for name, conf := range map[string]func(priority int) string{
		"two instances": func(priority int) string {
			return router("VI_1", "eth0", 51, priority, []string{"fe80::100/64"}) + router("VI_2", "eth1", 52, priority,
				[]string{"fe80::100/64"})
		},
		"one instance": func(priority int) string {
			return router("VI_1", "eth0", 51, priority, []string{"fe80::100/64", "fe80::100/64 dev eth1"})
		},
		"a sync group": func(priority int) string {
			return "vrrp_sync_group G {\n    group {\n        VI_1\n        VI_2\n    }\n}\n" +
				router("VI_1", "eth0", 51, priority, []string{"fe80::100/64"}) + router("VI_2", "eth1", 52, priority,
				[]string{"fe80::100/64"})
		},
	} {
		for _, ab := range pairings {
			t.Run(name+"/"+ab[0]+"-"+ab[1], func(t *testing.T) {
				t.Parallel()
				p, _ := groupPair(t, ab[0], ab[1])
				p.a.conf, p.b.conf = conf(150), conf(100)
				alone := func(n, o *node) func() bool {
					return func() bool {
						has := n.hasOn("eth0", "fe80::100") && n.hasOn("eth1", "fe80::100")
						return has && (o == nil || !o.hasOn("eth0", "fe80::100") && !o.hasOn("eth1", "fe80::100"))
					}
				}
				p.b.start()
				p.a.start()
				eventually(t, slack, "a alone has both", alone(p.a, p.b))
				// the reference leaves its addresses behind, and nobody can tell who holds them
				if p.a.program == ours {
					p.a.kill()
					eventually(t, slack, "b has both after a crash", alone(p.b, nil))
					p.a.start()
					eventually(t, slack, "a alone has both again", alone(p.a, p.b))
				}
				p.a.stop()
				eventually(t, slack, "b alone has both after a stop", alone(p.b, p.a))
			})
		}
	}
}
