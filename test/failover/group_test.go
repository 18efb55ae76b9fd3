package failover

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/test/netns"
)

// groupDialect is what the members of the sync groups here speak.
var groupDialect = dialect{name: "v3", version: 3, advert: 100 * time.Millisecond}

// groupConf is two routers, one on each of two links, that move together.
func groupConf(priority int, before, group string) string {
	var b strings.Builder
	b.WriteString(before)
	fmt.Fprintf(&b, "vrrp_sync_group G {\n    group {\n        VI_1\n        VI_2\n    }\n%s}\n", group)
	for i := range 2 {
		fmt.Fprintf(&b, `vrrp_instance VI_%d {
    interface eth%d
    virtual_router_id %d
    priority %d
    version 3
    advert_int 0.1
    virtual_ipaddress {
        10.%d.0.100/24
    }
}
`, i+1, i, 51+i, priority, 9-i)
	}
	return b.String()
}

// groupPair is a pair on two switches; the second one is returned.
func groupPair(t *testing.T, programA, programB string) (*pair, *netns.Switch) {
	p := newPair(t, groupDialect, programA, programB, 150, 100)
	inner := netns.Bridge(t, p.a.ns, p.b.ns)
	p.a.ns.Address("eth1", "10.8.0.1/24")
	p.b.ns.Address("eth1", "10.8.0.2/24")
	p.a.conf, p.b.conf = groupConf(150, "", ""), groupConf(100, "", "")
	return p, inner
}

// both waits until n holds both addresses and the other node none.
func (p *pair) both(t testing.TB, n *node, limit time.Duration) {
	t.Helper()
	other := p.a
	if n == p.a {
		other = p.b
	}
	eventually(t, limit, fmt.Sprintf("%s (%s) alone has both addresses", n.ns.Name, n.program), func() bool {
		return n.has("10.9.0.100") && n.has("10.8.0.100") && !other.has("10.9.0.100") && !other.has("10.8.0.100")
	})
}

var pairings = [][2]string{{ours, ref}, {ref, ours}, {ours, ours}}

// TestGroupMovesTogether cuts one of a group's two links: both addresses move,
// and both come back when the link does. Then each end stops and dies.
func TestGroupMovesTogether(t *testing.T) {
	for _, ab := range pairings {
		t.Run(ab[0]+"-"+ab[1], func(t *testing.T) {
			t.Parallel()
			p, inner := groupPair(t, ab[0], ab[1])
			d := groupDialect
			p.b.start()
			p.a.start()
			p.both(t, p.a, 3*d.down(100)+slack)
			for _, cut := range []*netns.Switch{inner, p.sw} {
				at := time.Now()
				cut.Unplug(0)
				p.both(t, p.b, 3*d.down(100)+slack)
				t.Logf("link cut: the group moved in %v", time.Since(at))
				at = time.Now()
				cut.Plug(0)
				p.both(t, p.a, 3*d.down(150)+slack)
				t.Logf("link back: the group moved in %v", time.Since(at))
			}
			p.a.stop()
			p.both(t, p.b, 2*d.down(100)+slack)
			p.a.start()
			p.both(t, p.a, 3*d.down(150)+slack)
			p.a.kill()
			eventually(t, 3*d.down(100)+slack, "the backup holds both after a crash", func() bool {
				return p.b.has("10.9.0.100") && p.b.has("10.8.0.100")
			})
			p.a.start()
			p.both(t, p.a, 3*d.down(150)+slack)
			// The backup's link fails: nothing may happen to the master.
			before := len(p.tap.since(time.Time{}))
			inner.Unplug(1)
			time.Sleep(2 * d.down(100))
			for _, f := range p.tap.since(time.Time{})[before:] {
				if f.advert() && f.priority == 0 && f.port == p.port(p.a) {
					t.Error("the master resigned because the backup's link failed")
				}
			}
			inner.Plug(1)
			p.both(t, p.a, slack)
		})
	}
}

// TestGroupTrackers puts the trackers on the group: a script and a third interface.
func TestGroupTrackers(t *testing.T) {
	for _, ab := range pairings {
		t.Run(ab[0]+"-"+ab[1], func(t *testing.T) {
			t.Parallel()
			p, _ := groupPair(t, ab[0], ab[1])
			d := groupDialect
			flag := filepath.Join(t.TempDir(), "bad")
			p.a.ns.Run("ip", "link", "add", "up0", "type", "veth", "peer", "name", "up1")
			p.a.ns.Run("ip", "link", "set", "up0", "up")
			p.a.ns.Run("ip", "link", "set", "up1", "up")
			script := fmt.Sprintf("global_defs {\n    script_user root\n}\nvrrp_script chk {\n    script "+
				"\"/usr/bin/test ! -e %s\"\n    interval 1\n}\n", flag)
			p.a.conf = groupConf(150, script,
				"    track_interface {\n        up0\n    }\n    track_script {\n        chk\n    }\n")
			p.b.start()
			p.a.start()
			p.both(t, p.a, 3*d.down(100)+slack+time.Second)
			p.a.ns.Down("up1")
			p.both(t, p.b, 3*d.down(100)+slack)
			p.a.ns.Up("up1")
			p.both(t, p.a, 3*d.down(150)+slack)
			if err := os.WriteFile(flag, nil, 0o644); err != nil {
				t.Fatal(err)
			}
			p.both(t, p.b, 3*d.down(100)+slack+2*time.Second)
			if err := os.Remove(flag); err != nil {
				t.Fatal(err)
			}
			p.both(t, p.a, 3*d.down(150)+slack+2*time.Second)
		})
	}
}

// TestGroupWeights moves the priority of the whole group by a weighted script:
// the members must not be torn apart.
func TestGroupWeights(t *testing.T) {
	for _, ab := range pairings {
		t.Run(ab[0]+"-"+ab[1], func(t *testing.T) {
			t.Parallel()
			p, _ := groupPair(t, ab[0], ab[1])
			d := groupDialect
			flag := filepath.Join(t.TempDir(), "bad")
			script := fmt.Sprintf("global_defs {\n    script_user root\n}\nvrrp_script chk {\n    script "+
				"\"/usr/bin/test ! -e %s\"\n    interval 1\n}\n", flag)
			p.a.conf = groupConf(150, script, "    track_script {\n        chk weight -60\n    }\n")
			p.b.start()
			p.a.start()
			p.both(t, p.a, 3*d.down(100)+slack+time.Second)
			if err := os.WriteFile(flag, nil, 0o644); err != nil {
				t.Fatal(err)
			}
			p.both(t, p.b, 3*d.down(100)+slack+2*time.Second)
			if err := os.Remove(flag); err != nil {
				t.Fatal(err)
			}
			p.both(t, p.a, 3*d.down(150)+slack+2*time.Second)
		})
	}
}

// TestGroupNotify: the group's scripts see each move of the group once, in order.
func TestGroupNotify(t *testing.T) {
	t.Parallel()
	p, _ := groupPair(t, ours, ours)
	d := unhurried
	out := filepath.Join(t.TempDir(), "out")
	script := filepath.Join(t.TempDir(), "notify.sh")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho \"$@\" >> "+out+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	var group strings.Builder
	for _, state := range []string{"master", "backup", "fault", "stop"} {
		fmt.Fprintf(&group, "    notify_%s \"%s %s\"\n", state, script, state)
	}
	fmt.Fprintf(&group, "    notify \"%s\"\n", script)
	p.a.conf = groupConf(150, "global_defs {\n    script_user root\n}\n", group.String())
	for _, n := range []*node{p.a, p.b} {
		n.conf = strings.ReplaceAll(n.conf, "advert_int 0.1", "advert_int 1")
	}
	p.b.start()
	p.a.start()
	p.both(t, p.a, 3*d.down(100)+slack)
	p.a.ns.Down("eth1") // seen at once; word of a lost carrier may come a second late
	p.both(t, p.b, 3*d.down(100)+slack)
	p.a.ns.Up("eth1")
	p.both(t, p.a, 3*d.down(150)+slack)
	p.a.stop()
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, state := range []string{"backup", "master", "fault", "backup", "master", "stop"} {
		want = append(want, state, "GROUP G "+strings.ToUpper(state)+" 150")
	}
	if got := strings.TrimSpace(string(b)); got != strings.Join(want, "\n") {
		t.Errorf("the group's scripts ran as\n%s\nnot as\n%s", got, strings.Join(want, "\n"))
	}
}
