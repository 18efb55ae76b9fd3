package failover

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// routers writes two instances; the second stays as it is in every edit of the test below.
func routers(first string, vrid int, extra string, members ...string) string {
	one := func(name string, vrid int, extra, vip string) string {
		return fmt.Sprintf("vrrp_instance %s {\n    interface eth0\n    virtual_router_id %d\n    version 3\n    "+
			"advert_int 0.2\n    priority 200\n%s    virtual_ipaddress {\n        %s/24\n    }\n}\n",
			name, vrid, extra, vip)
	}
	conf := ""
	if first != "" {
		conf = one(first, vrid, extra, "10.9.0.100")
	}
	conf += one("W", 52, "", "10.9.0.110")
	if len(members) > 0 {
		conf += "vrrp_sync_group G {\n    group {\n        " + strings.Join(members, "\n        ") + "\n    }\n}\n"
	}
	return conf
}

// TestReloadOfMaster takes out, renames and starts anew an instance that is MASTER: it resigns with
// priority 0, its address goes, its peer has it at once, and the other instance, also one of the same sync
// group, goes on without a pause.
func TestReloadOfMaster(t *testing.T) {
	for _, edit := range []struct{ name, before, after string }{
		{"removed", routers("V", 51, ""), routers("", 0, "")},
		{"other id", routers("V", 51, ""), routers("V", 53, "")},
		{"made unicast", routers("V", 51, ""), routers("V", 51, "    unicast_peer {\n        10.9.0.77\n    }\n")},
		{"renamed", routers("V", 51, ""), routers("VX", 51, "")},
		{"other interface", routers("V", 51, ""),
			strings.Replace(routers("V", 51, ""), "interface eth0", "interface eth9", 1)},
		{"removed from a group", routers("V", 51, "", "V", "W"), routers("", 0, "", "W")},
		{"removed with its group", routers("V", 51, "", "V", "W"), routers("", 0, "")},
		{"renamed in a group", routers("V", 51, "", "V", "W"), routers("VX", 51, "", "VX", "W")},
	} {
		t.Run(edit.name, func(t *testing.T) {
			t.Parallel()
			d := dialect{version: 3, advert: 200 * time.Millisecond}
			p := newPair(t, d, ours, ours, 200, 100)
			p.a.conf = edit.before
			p.b.conf = strings.ReplaceAll(routers("V", 51, ""), "priority 200", "priority 100")
			p.a.start()
			mine := func(ip string) { eventually(t, slack, "a has "+ip, func() bool { return p.a.has(ip) }) }
			mine("10.9.0.100")
			mine("10.9.0.110")
			p.b.start()
			p.b.logged(slack, "(W) Entering BACKUP")
			eventually(t, slack, "b follows a", func() bool {
				s := p.b.status()
				return len(s.Instances) == 2 && s.Instances[0].Master == "10.9.0.1" &&
					s.Instances[1].Master == "10.9.0.1"
			})
			at, stalled := time.Now(), stalls(t, true)
			p.a.write(edit.after)
			if out, err := p.a.evenkeel("reload"); err != nil {
				t.Fatalf("reload: %v\n%s", err, out)
			}
			eventually(t, slack, "b has the address", func() bool { return p.b.has("10.9.0.100") })
			zero, low := false, false
			for _, f := range p.tap.since(at) {
				zero = zero || f.vrid == 51 && f.port == p.port(p.a) && f.priority == 0
				low = low || f.vrid == 52 && f.port == p.port(p.b) // W changed hands
			}
			if !zero {
				t.Error("it left without priority 0")
			}
			if low && stalled() < d.advert {
				t.Error("the other instance noticed")
			}
			for _, i := range p.a.status().Instances {
				if i.Name == "W" && (i.Counters.BecomeMaster != 1 || i.State != "MASTER") {
					t.Errorf("W: %+v", i)
				}
			}
			if strings.Contains(p.a.log.String(), "VRRP_Group(G) Entering STOP STATE") {
				t.Error("a member that leaves does not stop its group")
			}
		})
	}
}
