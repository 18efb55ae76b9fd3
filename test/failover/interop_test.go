package failover

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// dialects are the ways of speaking VRRP that Keepalived 2.2.7 and we share.
var dialects = []dialect{
	{name: "v2-pass", version: 2, pass: "1111", advert: time.Second},
	{name: "v2-unicast", version: 2, unicast: true, pass: "1111", advert: time.Second},
	{name: "v3", version: 3, advert: 100 * time.Millisecond},
	{name: "v3-unicast", version: 3, unicast: true, advert: 100 * time.Millisecond},
	{name: "v3-ipv6", version: 3, ipv6: true, advert: 100 * time.Millisecond},
	{name: "v3-ipv6-unicast", version: 3, ipv6: true, unicast: true, advert: 100 * time.Millisecond},
}

// TestInterop plays the life of a pair with Keepalived on one side: election,
// orderly stop, return with preemption, crash, return, and nopreempt.
func TestInterop(t *testing.T) {
	for _, d := range dialects {
		for _, ab := range [][2]string{{ours, ref}, {ref, ours}, {ours, ours}} {
			t.Run(d.name+"/"+ab[0]+"-master-"+ab[1]+"-backup", func(t *testing.T) {
				t.Parallel()
				life(t, newPair(t, d, ab[0], ab[1], 150, 100))
			})
		}
	}
}

// slack is what a loaded machine may add to a protocol time, and how long to wait for
// what normally takes no time at all.
const slack = 30 * time.Second

// heard waits until ours has heard a master: a program that was started on a busy machine may yet have to listen.
func (n *node) heard(t testing.TB) {
	t.Helper()
	if n.program == ours {
		eventually(t, slack, n.ns.Name+" has heard the master", func() bool {
			out, err := n.evenkeel("show", "vrrp", "--json")
			return err == nil && strings.Contains(out, `"master": `)
		})
	}
}

func life(t *testing.T, p *pair) {
	d := p.dialect
	p.b.start()
	p.a.start()
	p.master(t, p.a, 2*d.down(100)+slack)
	p.b.heard(t)

	stopped, stalled := time.Now(), stalls(t, false)
	p.a.stop()
	p.master(t, p.b, d.skew(100)+slack+time.Second)
	took := p.takeover(t, p.b, stopped)
	// Not the whole wait: the resignation was heard. We say so; Keepalived takes up to a second to say it.
	if limit := d.down(100) + stalled(); p.b.program == ours {
		p.b.logged(slack, "BACKUP -> MASTER: the master resigned (priority 0)")
	} else if d.version == 2 && took > limit {
		t.Errorf("after an orderly stop the backup took %v, as if it had heard nothing (%v)", took, limit)
	}

	p.a.start()
	p.master(t, p.a, d.down(150)+slack)

	killed := time.Now()
	last, ok := p.tap.last(killed, func(f frame) bool { return f.advert() && f.port == p.port(p.a) })
	p.a.kill()
	eventually(t, d.down(100)+slack, p.b.program+" takes over after a crash", func() bool { return p.b.has(d.vip()) })
	first := p.tap.first(t, killed, slack, "an advert of the new master", func(f frame) bool {
		return f.advert() && f.port == p.port(p.b)
	})
	if wait := first.at.Sub(last.at); ok && wait < d.down(100)-20*time.Millisecond {
		t.Errorf("the backup waited %v after the last advert; the protocol says %v", wait, d.down(100))
	}

	p.a.start()
	p.master(t, p.a, d.down(150)+slack)
	p.a.stop()
	p.master(t, p.b, d.down(100)+slack)

	// nopreempt on the node that comes back: the lower priority stays master.
	p.a.conf = d.conf(1, 150, "nopreempt")
	started := time.Now()
	p.a.start()
	time.Sleep(d.down(150) + 500*time.Millisecond)
	if (p.a.has(d.vip()) || !p.b.has(d.vip())) && !p.paused(p.b, started, d.down(150)-50*time.Millisecond) {
		t.Error("a nopreempt node took the address from a living master")
	}
	p.b.stop()
	p.master(t, p.a, d.down(150)+slack)
}

// port is the switch's interface index of a node's cable.
func (p *pair) port(n *node) int {
	if n == p.a {
		return p.sw.NS.Index("p0")
	}
	return p.sw.NS.Index("p1")
}

// takeover is the time from an event to the first announcement of the new master.
func (p *pair) takeover(t testing.TB, n *node, event time.Time) time.Duration {
	t.Helper()
	f := p.tap.first(t, event, p.dialect.down(1)+slack, "an announcement by the new master", func(f frame) bool {
		return f.announce.IsValid() && f.announce.String() == p.dialect.vip() && f.port == p.port(n)
	})
	return f.at.Sub(event)
}

// TestEqualPriority starts two nodes of the same priority: the one that runs
// stays master, whatever its address (RFC 9568 §6.4.2).
func TestEqualPriority(t *testing.T) {
	for _, ab := range [][2]string{{ours, ref}, {ref, ours}, {ours, ours}} {
		t.Run(ab[0]+"-"+ab[1], func(t *testing.T) {
			t.Parallel()
			d := dialects[2]
			p := newPair(t, d, ab[0], ab[1], 100, 100)
			p.a.start()
			p.master(t, p.a, d.down(100)+slack)
			started := time.Now()
			p.b.start()
			time.Sleep(2 * d.down(100))
			if p.b.has(d.vip()) && !p.paused(p.a, started, d.down(100)-50*time.Millisecond) {
				t.Error("a node of equal priority took the address from a living master")
			}
			p.a.signal(syscall.SIGTERM)
			p.master(t, p.b, d.down(100)+slack)
		})
	}
}

// TestDoubleMaster runs two crossed instances: each node is master of one address
// and backup of the other, and takes both when the other dies.
func TestDoubleMaster(t *testing.T) {
	for _, ab := range [][2]string{{ours, ref}, {ours, ours}} {
		t.Run(ab[0]+"-"+ab[1], func(t *testing.T) {
			t.Parallel()
			d := dialects[2]
			p := newPair(t, d, ab[0], ab[1], 0, 0)
			conf := func(one, two int) string {
				text := ""
				for i, prio := range []int{one, two} {
					text += fmt.Sprintf(`vrrp_instance VI_%d {
    interface eth0
    virtual_router_id %d
    priority %d
    version 3
    advert_int 0.1
    virtual_ipaddress {
        10.9.0.%d/24
    }
}
`, i+1, 51+i, prio, 100+i)
				}
				return text
			}
			p.a.conf, p.b.conf = conf(150, 100), conf(100, 150)
			p.a.start()
			p.b.start()
			eventually(t, 2*d.down(100)+slack, "each node holds its own address", func() bool {
				return p.a.has("10.9.0.100") && !p.a.has("10.9.0.101") && p.b.has("10.9.0.101") &&
					!p.b.has("10.9.0.100")
			})
			p.b.kill()
			eventually(t, d.down(100)+slack, "the survivor holds both", func() bool {
				return p.a.has("10.9.0.100") && p.a.has("10.9.0.101")
			})
		})
	}
}
