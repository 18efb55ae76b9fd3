package failover

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// virtual is a virtual server with one real server, on our own plane.
func virtual(vip string) string {
	return fmt.Sprintf("global_defs {\n    lvs_driver xdp\n}\nvirtual_server %s 80 {\n    lb_kind DR\n    protocol "+
		"TCP\n    real_server 10.9.0.3 80 {\n    }\n}\n", vip)
}

// virtualEdit is a change of a file with virtual servers and instances.
type virtualEdit struct {
	name, before, after string
	resigns             bool // V
}

func virtualEdits(full string) []virtualEdit {
	return []virtualEdit{
		{"instance removed", full, virtual("10.9.0.100") + routers("", 0, ""), true},
		{"instance renamed", full, virtual("10.9.0.100") + routers("VX", 51, ""), true},
		{"other id", full, virtual("10.9.0.100") + routers("V", 53, ""), true},
		{"both removed", full, routers("", 0, ""), true},
		{"virtual server removed", full, routers("V", 51, ""), false},
		{"virtual server moved", full, virtual("10.9.0.110") + routers("V", 51, ""), false},
		{"virtual server added", routers("V", 51, ""), full, false},
		{"virtual server added, instance renamed", routers("V", 51, ""), virtual("10.9.0.100") + routers("VX", 51, ""),
			true},
		{"instances gone", full, virtual("10.9.0.100"), true},
	}
}

// TestReloadOfMasterWithVirtualServers takes instances and virtual servers out, renames them, and moves one to the
// other's address, under a director that is MASTER: the director lives, the leaver resigns, the other instance does not
// notice, and everything is as after a start with that file.
func TestReloadOfMasterWithVirtualServers(t *testing.T) {
	full := virtual("10.9.0.100") + routers("V", 51, "")
	probe := newPair(t, dialect{version: 3, advert: 200 * time.Millisecond}, ours, ours, 200, 100).a
	probe.conf = full
	probe.start()
	if !probe.planeLoads() {
		t.Skip("the kernel refuses our forwarding plane: " + probe.log.String())
	}
	probe.kill()
	probe.ns.Run(programFile, "purge", "--plane")
	for _, edit := range virtualEdits(full) {
		t.Run(edit.name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, dialect{version: 3, advert: 200 * time.Millisecond}, ours, ours, 200, 100)
			t.Cleanup(func() { // before the namespaces go
				p.a.kill()
				p.a.ns.Run(programFile, "purge", "--plane")
			})
			p.a.conf = edit.before
			p.a.start()
			eventually(t, slack, "a has both addresses", func() bool {
				return p.a.has("10.9.0.100") && p.a.has("10.9.0.110")
			})
			p.a.logged(slack, "(W) Entering MASTER")
			from := time.Now()
			p.a.write(edit.after)
			if out, err := p.a.evenkeel("reload"); err != nil {
				t.Fatalf("reload: %v\n%s", err, out)
			}
			after := p.a.settled(t)
			zero := slices.ContainsFunc(p.tap.since(from), func(f frame) bool {
				return f.vrid == 51 && f.priority == 0
			})
			if zero != edit.resigns {
				t.Errorf("priority 0 for V: %v, want %v", zero, edit.resigns)
			}
			for _, i := range p.a.status().Instances {
				if i.Name == "W" && i.Counters.BecomeMaster != 1 {
					t.Errorf("W noticed: %+v", i)
				}
			}
			p.a.stop()
			p.a.start()
			if fresh := p.a.settled(t); after != fresh {
				t.Errorf("after the reload:\n%s\nafter a start:\n%s", after, fresh)
			}
		})
	}
}

// planeLoads waits until the director runs, or has ended because the kernel refuses the programs of our forwarding
// plane. In CI it must not.
func (n *node) planeLoads() (loads bool) {
	eventually(n.t, slack, "the director runs", func() bool {
		loads = strings.Contains(n.log.String(), "evenkeel is running")
		return loads || strings.Contains(n.log.String(), "xdp: loading the programs") && os.Getenv("CI") != "true"
	})
	return loads
}

// settled waits until every instance of a node is MASTER, and describes the node.
func (n *node) settled(t *testing.T) string {
	t.Helper()
	n.logged(slack, "evenkeel is running")
	var lines []string
	eventually(t, slack, "every instance is MASTER", func() bool {
		out, err := n.evenkeel("show", "vrrp", "--json")
		if err != nil || strings.Contains(out, `"INIT"`) || strings.Contains(out, `"BACKUP"`) {
			return false
		}
		lines = nil
		for _, i := range n.status().Instances {
			lines = append(lines, fmt.Sprintf("%s %s %v held %v gate %s", i.Name, i.State, i.Addresses, i.Held, i.Gate))
		}
		return true
	})
	for _, ip := range n.addresses() {
		lines = append(lines, ip.String())
	}
	slices.Sort(lines)
	out, err := n.evenkeel("show", "lvs")
	if err != nil {
		t.Fatalf("show lvs: %v\n%s", err, out)
	}
	at := strings.Index(out, "\n10.") // what has been counted comes before
	return strings.Join(lines, "\n") + "\n" + out[max(at, 0):]
}
