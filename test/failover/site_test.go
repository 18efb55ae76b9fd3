package failover

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/test/netns"
)

// pair is two nodes and a third machine on a switch.
type pair struct {
	sw       *netns.Switch
	tap      *tap
	observer *netns.NS
	a, b     *node // a has the higher priority unless a test says otherwise
	dialect  dialect
}

// dialect is one way of speaking VRRP.
type dialect struct {
	name    string
	version int
	ipv6    bool
	unicast bool
	pass    string
	advert  time.Duration
}

func (d dialect) vip() string {
	if d.ipv6 {
		return "2001:db8:9::100"
	}
	return "10.9.0.100"
}

func (d dialect) address(host int) string {
	if d.ipv6 {
		return fmt.Sprintf("2001:db8:9::%d", host)
	}
	return fmt.Sprintf("10.9.0.%d", host)
}

// skew is what a backup of this priority adds to the wait.
func (d dialect) skew(priority int) time.Duration {
	unit := d.advert
	if d.version == 2 {
		unit = time.Second
	}
	return time.Duration(256-priority) * unit / 256
}

func (d dialect) down(priority int) time.Duration { return 3*d.advert + d.skew(priority) }

// conf writes a keepalived.conf for host 1 or 2.
func (d dialect) conf(host, priority int, extra ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "vrrp_instance VI_1 {\n    state BACKUP\n    interface eth0\n    virtual_router_id 51\n    "+
		"priority %d\n", priority)
	fmt.Fprintf(&b, "    version %d\n    advert_int %g\n", d.version, d.advert.Seconds())
	if d.pass != "" {
		fmt.Fprintf(&b, "    authentication {\n        auth_type PASS\n        auth_pass %s\n    }\n", d.pass)
	}
	if d.unicast {
		fmt.Fprintf(&b, "    unicast_src_ip %s\n    unicast_peer {\n        %s\n    }\n", d.address(host),
			d.address(3-host))
	}
	for _, line := range extra {
		fmt.Fprintf(&b, "    %s\n", line)
	}
	length := 24
	if d.ipv6 {
		length = 64
	}
	b.WriteString("    virtual_ipaddress {\n")
	if d.ipv6 { // the first address of a v6 router is link-local (RFC 9568 §5.2.9)
		b.WriteString("        fe80::100/64\n")
	}
	fmt.Fprintf(&b, "        %s/%d\n    }\n}\n", d.vip(), length)
	return b.String()
}

// newPair builds the network and both nodes, not started.
func newPair(t testing.TB, d dialect, programA, programB string, prioA, prioB int) *pair {
	netns.Root(t)
	if programA == ref || programB == ref {
		needReference(t)
	}
	p := &pair{dialect: d, observer: netns.New(t, "obs")}
	a, b := netns.New(t, "a"), netns.New(t, "b")
	p.sw = netns.Bridge(t, a, b, p.observer)
	for host, ns := range []*netns.NS{a, b, p.observer} {
		ns.Address("eth0", fmt.Sprintf("10.9.0.%d/24", host+1))
		ns.Address("eth0", fmt.Sprintf("2001:db8:9::%d/64", host+1))
		ns.Address("eth0", fmt.Sprintf("fe80::%d/64", host+1))
	}
	p.tap = newTap(t, p.sw)
	p.a = newNode(t, a, programA, d.conf(1, prioA))
	p.b = newNode(t, b, programB, d.conf(2, prioB))
	return p
}

// watch begins to observe the pair's IPv4 address.
func (p *pair) watch(t testing.TB) *watch {
	return newWatch(t, p.observer, netip.MustParseAddr("10.9.0.100"), netip.MustParseAddr("10.9.0.200"))
}

// master waits until n, and only n, has the address.
func (p *pair) master(t testing.TB, n *node, limit time.Duration) {
	t.Helper()
	other := p.a
	if n == p.a {
		other = p.b
	}
	eventually(t, limit, fmt.Sprintf("%s (%s) alone has %s", n.ns.Name, n.program, p.dialect.vip()), func() bool {
		return n.has(p.dialect.vip()) && !other.has(p.dialect.vip())
	})
	// The address is set a moment before its holder calls itself master; what a test does next is meant for a master.
	if n.program == ours {
		eventually(t, limit, n.ns.Name+" calls itself master", func() bool {
			s := n.status()
			return len(s.Instances) > 0 && s.Instances[0].State == "MASTER"
		})
	}
}
