package failover

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/test/netns"
)

// router is one vrrp_instance of 100 ms, VRRPv3.
func router(name, iface string, vrid, priority int, vips []string, extra ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "vrrp_instance %s {\n    interface %s\n    virtual_router_id %d\n    version 3\n    advert_int "+
		"0.1\n    priority %d\n", name, iface, vrid, priority)
	for _, line := range extra {
		fmt.Fprintf(&b, "    %s\n", line)
	}
	b.WriteString("    virtual_ipaddress {\n")
	for _, vip := range vips {
		fmt.Fprintf(&b, "        %s\n", vip)
	}
	b.WriteString("    }\n}\n")
	return b.String()
}

// moves plays start, crash, return and stop of a's director and expects the
// addresses where the protocol says.
func (p *pair) moves(t *testing.T, vips ...string) {
	t.Helper()
	d := dialects[2]
	all := func(n, other *node) func() bool {
		return func() bool {
			for _, vip := range vips {
				if !n.has(vip) || other != nil && other.has(vip) {
					return false
				}
			}
			return true
		}
	}
	p.b.start()
	p.a.start()
	eventually(t, 3*d.down(100)+slack, "a alone has all addresses", all(p.a, p.b))
	p.a.kill()
	eventually(t, d.down(100)+slack, "b has all addresses after a crash", all(p.b, nil))
	p.a.start()
	eventually(t, 3*d.down(100)+slack, "a alone has all addresses again", all(p.a, p.b))
	p.a.stop()
	eventually(t, d.down(100)+slack, "b alone has all addresses after a stop", all(p.b, p.a))
}

// TestPeculiarPairs plays pairs whose configuration is out of the ordinary.
func TestPeculiarPairs(t *testing.T) {
	vip := []string{"10.9.0.100/24"}
	v6 := []string{"fe80::100/64", "2001:db8:9::100/64"}
	cases := []struct {
		name string
		conf func(host, priority int) string
		vips []string
	}{
		{"mcast_src_ip", func(host, priority int) string {
			return router("VI_1", "eth0", 51, priority, vip, fmt.Sprintf("mcast_src_ip 10.9.0.%d", 30+host))
		}, []string{"10.9.0.100"}},
		{"unicast with several peers", func(host, priority int) string {
			return router("VI_1", "eth0", 51, priority, vip, fmt.Sprintf("unicast_src_ip 10.9.0.%d", host),
				"unicast_peer {",
				fmt.Sprintf("    10.9.0.%d", 3-host), "    10.9.0.3", "    10.9.0.77", "}")
		}, []string{"10.9.0.100"}},
		{"priorities 254 and 1", func(host, priority int) string {
			return router("VI_1", "eth0", 51, map[int]int{150: 254, 100: 1}[priority], vip)
		}, []string{"10.9.0.100"}},
		{"excluded of the other family", func(host, priority int) string {
			return router("VI_1", "eth0", 51, priority, vip, "virtual_ipaddress_excluded {", "    2001:db8:9::200/64",
				"}")
		}, []string{"10.9.0.100", "2001:db8:9::200"}},
		{"IPv6 only", func(host, priority int) string {
			return router("VI_1", "eth0", 51, priority, v6)
		}, []string{"fe80::100", "2001:db8:9::100"}},
		{"both families with one id", func(host, priority int) string {
			return router("VI_4", "eth0", 51, priority, vip) + router("VI_6", "eth0", 51, priority, v6)
		}, []string{"10.9.0.100", "2001:db8:9::100"}},
		{"owner", func(host, priority int) string {
			return router("VI_1", "eth0", 51, map[int]int{150: 255, 100: 100}[priority], vip)
		}, []string{"10.9.0.100"}},
	}
	for _, c := range cases {
		for _, ab := range pairings {
			t.Run(c.name+"/"+ab[0]+"-"+ab[1], func(t *testing.T) {
				t.Parallel()
				p := newPair(t, dialects[2], ab[0], ab[1], 150, 100)
				for i, n := range []*node{p.a, p.b} {
					n.ns.Address("eth0", fmt.Sprintf("10.9.0.%d/24", 31+i))
				}
				p.a.conf, p.b.conf = c.conf(1, 150), c.conf(2, 100)
				p.moves(t, c.vips...)
			})
		}
	}
}

// TestOneIDTwoInterfaces: a virtual router id names a router per interface.
func TestOneIDTwoInterfaces(t *testing.T) {
	for _, ab := range pairings {
		t.Run(ab[0]+"-"+ab[1], func(t *testing.T) {
			t.Parallel()
			p, inner := groupPair(t, ab[0], ab[1])
			conf := func(priority int) string {
				return router("VI_1", "eth0", 51, priority, []string{"10.9.0.100/24"}) + router("VI_2", "eth1", 51,
					priority, []string{"10.8.0.100/24"})
			}
			p.a.conf, p.b.conf = conf(150), conf(100)
			p.b.start()
			p.a.start()
			p.both(t, p.a, 3*groupDialect.down(100)+slack)
			inner.Unplug(0) // no group: the other one stays
			eventually(t, groupDialect.down(100)+slack, "one router moved, one stayed", func() bool {
				return p.b.has("10.8.0.100") && !p.a.has("10.8.0.100") && p.a.has("10.9.0.100") &&
					!p.b.has("10.9.0.100")
			})
			inner.Plug(0)
			p.both(t, p.a, 3*groupDialect.down(150)+slack)
		})
	}
}

// TestThreeNodes kills the master, then its successor; both come back.
func TestThreeNodes(t *testing.T) {
	for _, programs := range [][3]string{{ours, ours, ref}, {ours, ref, ours}, {ref, ours, ours}, {ours, ours, ours}} {
		t.Run(strings.Join(programs[:], "-"), func(t *testing.T) {
			t.Parallel()
			netns.Root(t)
			needReference(t)
			d := dialects[2]
			spaces := []*netns.NS{netns.New(t, "a"), netns.New(t, "b"), netns.New(t, "c")}
			netns.Bridge(t, spaces...)
			var nodes []*node
			for i, ns := range spaces {
				ns.Address("eth0", fmt.Sprintf("10.9.0.%d/24", i+1))
				nodes = append(nodes, newNode(t, ns, programs[i], d.conf(i+1, 150-50*i+10*(i/2))))
			}
			only := func(who int, dead ...int) {
				t.Helper()
				eventually(t, 3*d.down(50)+slack, fmt.Sprintf("node %d alone is master", who), func() bool {
					for i, n := range nodes {
						crashed := false
						for _, k := range dead {
							crashed = crashed || k == i
						}
						if !crashed && n.has(d.vip()) != (i == who) {
							return false
						}
					}
					return true
				})
			}
			for _, n := range nodes {
				n.start()
			}
			only(0)
			nodes[0].kill()
			only(1, 0)
			nodes[1].kill()
			only(2, 0, 1)
			nodes[1].start()
			only(1, 0)
			nodes[0].start()
			only(0)
			nodes[0].stop()
			only(1)
		})
	}
}

// TestPartition drops VRRP between two nodes of ours, so that both are master,
// and heals it: exactly one stays, and it tells the network again.
func TestPartition(t *testing.T) {
	for _, ab := range pairings {
		t.Run(ab[0]+"-"+ab[1], func(t *testing.T) {
			t.Parallel()
			d := dialects[2]
			p := newPair(t, d, ab[0], ab[1], 150, 100)
			p.a.start()
			p.b.start()
			p.master(t, p.a, 3*d.down(100)+slack)
			p.sw.NS.Run("nft", "add table bridge cut; add chain bridge cut forward { type filter hook forward "+
				"priority 0; }; add rule bridge cut forward ether type ip ip protocol 112 drop")
			eventually(t, d.down(100)+slack, "both are master", func() bool {
				return p.a.has(d.vip()) && p.b.has(d.vip())
			})
			time.Sleep(300 * time.Millisecond)
			healed := time.Now()
			p.sw.NS.Run("nft", "delete", "table", "bridge", "cut")
			p.master(t, p.a, 3*d.down(100)+slack)
			p.tap.first(t, healed, slack, "the winner announces its address again", func(f frame) bool {
				return f.announce.IsValid() && f.announce.String() == d.vip() && f.port == p.port(p.a)
			})
			time.Sleep(2 * d.down(100))
			p.master(t, p.a, slack)
		})
	}
}

// TestInterfaceRenamed: an instance follows its interface's name, not its index.
func TestInterfaceRenamed(t *testing.T) {
	t.Parallel()
	d := dialects[2]
	p := newPair(t, d, ours, ours, 150, 100)
	p.b.start()
	p.a.start()
	p.master(t, p.a, slack)
	p.a.ns.Run("ip", "link", "set", "eth0", "down")
	p.a.ns.Run("ip", "link", "set", "eth0", "name", "lan")
	p.a.ns.Run("ip", "link", "set", "lan", "up")
	p.master(t, p.b, d.down(100)+slack)
	eventually(t, slack, "the status says that the interface is missing", func() bool {
		return strings.Contains(strings.Join(p.a.status().Instances[0].Faults, ";"), "interface eth0 does not exist")
	})
	time.Sleep(3 * d.down(100))
	p.master(t, p.b, slack)
	p.a.ns.Run("ip", "link", "set", "lan", "down")
	p.a.ns.Run("ip", "link", "set", "lan", "name", "eth0")
	p.a.ns.Run("ip", "link", "set", "eth0", "up")
	p.master(t, p.a, 3*d.down(100)+slack)
	// An interface may be renamed while it is up (Linux 6.2).
	if err := renameUp(p.a.ns, "eth0", "lan"); err == nil {
		p.master(t, p.b, 3*d.down(100)+slack)
		if err := renameUp(p.a.ns, "lan", "eth0"); err != nil {
			t.Fatal(err)
		}
		p.master(t, p.a, 3*d.down(100)+slack)
	}
	p.a.stop()
	p.a.clean(t, d.vip())
}

func renameUp(ns *netns.NS, from, to string) error {
	return ns.Links().LinkSetName(ns.Link(from), to)
}

// TestAddressProperties: what `ip addr` shows of an address with options.
func TestAddressProperties(t *testing.T) {
	for _, program := range []string{ours, ref} {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, dialects[2], program, ours, 150, 100)
			p.a.ns.Run("ip", "link", "add", "up0", "type", "veth", "peer", "name", "up1")
			p.a.ns.Run("ip", "link", "set", "up0", "up")
			p.a.ns.Run("ip", "link", "set", "up1", "up")
			p.a.conf = router("VI_1", "eth0", 51, 150,
				[]string{"10.9.0.100/24 dev eth0 label eth0:vip", "10.9.0.101/32 scope link",
					"10.9.0.102", "10.9.9.103/24 brd 10.9.9.255", "10.7.0.104/16 dev up0 scope host"})
			p.a.start()
			eventually(t, slack, "the addresses are set", func() bool {
				for _, ip := range []string{"10.9.0.100", "10.9.0.101", "10.9.0.102", "10.9.9.103", "10.7.0.104"} {
					if !p.a.has(ip) {
						return false
					}
				}
				return true
			})
			out := p.a.ns.Run("ip", "-o", "-4", "addr")
			for _, want := range []string{
				"inet 10.9.0.100/24 scope global secondary", "eth0:vip", "inet 10.9.0.101/32 scope link",
				"inet 10.9.0.102/32 scope global",
				"inet 10.9.9.103/24 brd 10.9.9.255 scope global", "up0    inet 10.7.0.104/16 scope host",
			} {
				if !strings.Contains(out, want) {
					t.Errorf("no %q in\n%s", want, out)
				}
			}
		})
	}
}

// TestAddressOnAnotherInterface: an instance depends on the interfaces its
// addresses live on, as well as on its own, unless they are not to be tracked.
func TestAddressOnAnotherInterface(t *testing.T) {
	for _, ab := range pairings {
		for _, option := range []string{"", " no_track"} {
			t.Run(ab[0]+"-"+ab[1]+option, func(t *testing.T) {
				t.Parallel()
				d := dialects[2]
				p, inner := groupPair(t, ab[0], ab[1])
				conf := func(priority int) string {
					return router("VI_1", "eth0", 51, priority,
						[]string{"10.9.0.100/24", "10.8.0.100/24 dev eth1" + option})
				}
				p.a.conf, p.b.conf = conf(150), conf(100)
				p.b.start()
				p.a.start()
				p.both(t, p.a, 3*d.down(100)+slack)
				inner.Unplug(0)
				if option != "" { // the address is said not to matter
					time.Sleep(3 * d.down(100))
					p.both(t, p.a, slack)
					return
				}
				p.both(t, p.b, d.down(100)+slack)
				inner.Plug(0)
				p.both(t, p.a, 3*d.down(150)+slack)
			})
		}
	}
}
