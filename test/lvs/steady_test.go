package lvs

import (
	"strings"
	"testing"
)

// alone is a director without an election: its address is fixed.
const alone = `virtual_server 192.168.160.100 80 {
    delay_loop 1
    lb_algo rr
    lb_kind DR
    protocol TCP
    real_server 192.168.160.135 80 {
        TCP_CHECK { connect_timeout 20 }
    }
    real_server 192.168.160.136 80 {
        TCP_CHECK { connect_timeout 20 }
    }
}
`

// TestNothingIsCut: reloads, restarts and the director's death cut no connection.
func TestNothingIsCut(t *testing.T) {
	s := newSite(t, "dr")
	d := s.d1
	d.ns.Address("eth0", vip+"/24")
	d.start(alone)
	eventually(t, patience, "the site serves", func() bool { return s.ask() != "" })
	first, second := s.ticking(), s.ticking()
	both := func(when string) {
		t.Helper()
		first.goesOn(t, when)
		second.goesOn(t, when)
	}
	both("at first")
	d.reload(alone)
	both("after a reload of the same")
	d.reload(strings.Replace(alone, "lb_algo rr", "lb_algo wlc", 1))
	both("after another scheduler")
	d.reload(strings.Replace(alone, "TCP_CHECK { connect_timeout 20 }",
		"weight 0\n        TCP_CHECK { connect_timeout 20 }", 1))
	both("with a server that drains")
	if got := s.shares(10); got["web2"] != 10 {
		t.Errorf("with web1 at weight 0: %v", got)
	}
	if out, err := d.run("reload", "--runtime-dir", d.dir); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	d.write("virtual_server nonsense {")
	if out, err := d.run("reload", "--runtime-dir", d.dir); err == nil {
		t.Errorf("nonsense was loaded: %s", out)
	}
	both("after a refused reload")
	d.kill()
	both("while the director is dead")
	if got := s.shares(10); got[""] != 0 {
		t.Errorf("with a dead director and a fixed address: %v", got)
	}
	d.start(alone)
	d.logged("virtual servers by xdp")
	both("after its death")
	d.stop()
	d.start(alone)
	both("after a restart in order")
	eventually(t, patience, "both serve", func() bool {
		got := s.shares(2)
		return got["web1"] == 1 && got["web2"] == 1
	})
}

// TestOthersHands: what somebody changes by hand is put right and told.
func TestOthersHands(t *testing.T) {
	s := newSite(t, "dr")
	d := s.d1
	d.ns.Address("eth0", vip+"/24")
	d.must("ipvs", "-A", "-u", "192.168.160.100:53", "-s", "rr")
	d.start(alone)
	eventually(t, patience, "the site serves", func() bool { return s.ask() != "" })
	d.must("ipvs", "-d", "-t", vip+":80", "-r", "192.168.160.135")
	d.must("ipvs", "-E", "-t", vip+":80", "-s", "wrr")
	d.logged("the table was changed by someone else; putting it right: add destination 192.168.160.135:80 of TCP " +
		"192.168.160.100:80")
	eventually(t, patience, "the table is right again", func() bool {
		table := d.must("ipvs", "-Ln")
		return strings.Contains(table, "192.168.160.135:80") && strings.Contains(table, vip+":80 rr") &&
			strings.Contains(table, "UDP  192.168.160.100:53")
	})
	d.stop()
	if table := d.must("ipvs", "-Ln"); strings.Contains(table, "TCP") ||
		!strings.Contains(table, "UDP  192.168.160.100:53") {
		t.Errorf("after the end:\n%s", table)
	}
}
