package failover

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/test/netns"
)

// state is what the node's only instance calls itself.
func (n *node) state() (state, why string) {
	n.t.Helper()
	i := n.status().Instances[0]
	return i.State, i.Why + "; " + strings.Join(i.Faults, "; ")
}

func (n *node) becomes(want, because string) {
	n.t.Helper()
	eventually(n.t, slack, n.ns.Name+" is "+want+" because of "+because, func() bool {
		state, why := n.state()
		return state == want && strings.Contains(why, because)
	})
}

// move takes an address off eth0, or puts it there.
func (n *node) move(prefix string, there bool) {
	n.t.Helper()
	verb := map[bool]string{true: "add", false: "del"}[there]
	n.ns.Run("ip", "addr", verb, prefix, "dev", "eth0")
}

// TestSourceThatComesLater starts a node before its source address is there (DHCP) beside a living master: it is in
// fault and takes nothing until the address comes, follows the master then, and is in fault again when it goes.
func TestSourceThatComesLater(t *testing.T) {
	for _, path := range []string{"unicast_src_ip", "mcast_src_ip"} {
		for _, other := range []string{ours, ref} {
			t.Run(path+"/"+other, func(t *testing.T) {
				t.Parallel()
				conf := func(host, priority int) string {
					extra := []string{fmt.Sprintf("%s 10.9.0.%d", path, host)}
					if path == "unicast_src_ip" {
						extra = append(extra, "unicast_peer {", fmt.Sprintf("    10.9.0.%d", 3-host), "}")
					}
					return router("VI_1", "eth0", 51, priority, []string{"10.9.0.100/24"}, extra...)
				}
				p := newPair(t, dialects[2], ours, other, 100, 200)
				p.a.conf, p.b.conf = conf(1, 100), conf(2, 200)
				p.a.move("10.9.0.1/24", false)
				p.b.start()
				eventually(t, slack, "b has the address", func() bool { return p.b.has("10.9.0.100") })
				w := p.watch(t)
				p.a.start()
				p.a.logged(slack, "Entering FAULT STATE")
				start := now()
				p.a.becomes("FAULT", "source address 10.9.0.1 is not on this machine")
				time.Sleep(2 * p.dialect.down(100)) // nothing must happen
				if p.a.has("10.9.0.100") {
					t.Fatal("a has taken the address from a living master")
				}
				p.a.move("10.9.0.1/24", true)
				p.a.becomes("BACKUP", "fault cleared")
				p.a.move("10.9.0.1/24", false)
				p.a.becomes("FAULT", "10.9.0.1")
				p.a.move("10.9.0.1/24", true)
				p.a.becomes("BACKUP", "fault cleared")
				eventually(t, slack, "a follows b", func() bool {
					return p.a.status().Instances[0].Master == "10.9.0.2"
				})
				if double, _ := w.totals(start, now()); double > 0 || p.a.has("10.9.0.100") || !p.a.has("10.9.0.1") {
					t.Errorf("two masters for %v; a has the address: %v, and its own: %v", double,
						p.a.has("10.9.0.100"), p.a.has("10.9.0.1"))
				}
			})
		}
	}
}

// TestSourceTakenFromMaster flushes a master's interface, as a network manager does at its restart: it resigns from the
// address its peer knows it by, and the peer need not wait.
func TestSourceTakenFromMaster(t *testing.T) {
	for _, d := range []dialect{{version: 2, advert: time.Second}, {version: 3, advert: time.Second, unicast: true},
		{version: 3, ipv6: true, advert: time.Second}} {
		t.Run(fmt.Sprintf("%+v", d), func(t *testing.T) {
			t.Parallel()
			p := newPair(t, d, ours, ours, 200, 100)
			p.a.start()
			eventually(t, slack, "a has the address", func() bool { return p.a.has(d.vip()) })
			p.b.start()
			known := func() bool { return len(p.b.status().Instances) > 0 && p.b.status().Instances[0].Master != "" }
			p.b.logged(slack, "evenkeel is running")
			eventually(t, slack, "b follows a", known)
			p.a.ns.Run("ip", "addr", "flush", "dev", "eth0")
			p.a.becomes("FAULT", map[bool]string{false: "no address to send from",
				true: "source address 10.9.0.1"}[d.unicast])
			p.b.becomes("MASTER", "the master resigned (priority 0)")
		})
	}
}

// TestUntrackedDevice: an address on a device that is not tracked is set when the device comes, is renamed, and comes
// up again.
func TestUntrackedDevice(t *testing.T) {
	netns.Root(t)
	a, far := netns.New(t, "a"), netns.New(t, "far")
	netns.Bridge(t, a)
	a.Address("eth0", "10.9.0.1/24")
	n := newNode(t, a, ours, router("VI_1", "eth0", 51, 100, []string{"10.9.0.100/24"},
		"virtual_ipaddress_excluded {", "    10.8.0.100/24 dev eth7 no_track",
		"    2001:db8:8::100/64 dev eth7 no_track", "    10.7.0.100/24 dev eth8 no_track", "}"))
	n.start()
	eventually(t, slack, "it is master", func() bool { return n.has("10.9.0.100") })
	n.becomes("MASTER", "")
	have := func(dev string, addrs ...string) func() bool {
		return func() bool {
			for _, ip := range addrs {
				if !n.hasOn(dev, ip) {
					return false
				}
			}
			return true
		}
	}
	for round := range 2 {
		netns.Veth(t, a, "eth7", far, "eth7")
		// It is new, then up: when the node has seen both, it is done with it.
		eventually(t, slack, "the node sees the new device up", func() bool {
			return strings.Count(n.log.String(), "Netlink reports eth7 up") == 2*round+1
		})
		eventually(t, slack, "the addresses on a new device", have("eth7", "10.8.0.100", "2001:db8:8::100"))
		a.Down("eth7")
		eventually(t, slack, "the kernel drops an IPv6 address", func() bool {
			return !n.hasOn("eth7", "2001:db8:8::100")
		})
		a.Up("eth7")
		eventually(t, slack, "the addresses on a device that is up again",
			have("eth7", "10.8.0.100", "2001:db8:8::100"))
		if err := a.Links().LinkDel(a.Link("eth7")); err != nil {
			t.Fatal(err)
		}
	}
	netns.Veth(t, a, "tmp", far, "tmp")
	if err := a.Links().LinkSetName(a.Link("tmp"), "eth8"); err != nil {
		t.Fatal(err)
	}
	eventually(t, slack, "the address on a device that got its name", have("eth8", "10.7.0.100"))
	if state, why := n.state(); state != "MASTER" {
		t.Errorf("%s: %s", state, why)
	}
}
