package lvs

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

// seed reads one of the textbook's files, for our interface's name.
func seed(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile("../../lab/site/sites/lvs-dr/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(b), "ens33", "eth0")
}

// TestByHand sets the site up with one command at a time, as the textbook's by-hand.sh does.
func TestByHand(t *testing.T) {
	s := newSite(t, "dr")
	d := s.d1
	d.ns.Address("eth0", vip+"/24")
	d.must("ipvs", "-A", "-t", vip+":80", "-s", "rr")
	d.must("ipvs", "-a", "-t", vip+":80", "-r", "192.168.160.135", "-g", "-w", "1")
	d.must("ipvs", "-a", "-t", vip+":80", "-r", "192.168.160.136", "-g", "-w", "1")
	table := d.must("ipvs", "-ln")
	for _, want := range []string{"TCP  " + vip + ":80 rr",
		"  -> 192.168.160.135:80           Route   1      0          0",
		"  -> 192.168.160.136:80           Route   1      0          0"} {
		if !strings.Contains(table, want) {
			t.Errorf("no line %q in\n%s", want, table)
		}
	}
	if got := s.shares(20); got["web1"] != 10 || got["web2"] != 10 {
		t.Errorf("20 requests were answered by %v", got)
	}
	if flows := d.must("ipvs", "-lnc"); strings.Count(flows, "192.168.160.50:") != 20 ||
		!strings.Contains(flows, "192.168.160.135:80") {
		t.Errorf("-lnc:\n%s", flows)
	}
	if saved := d.must("ipvs", "-Sn"); strings.Count(saved, "\n") != 3 {
		t.Errorf("-Sn:\n%s", saved)
	}
	d.must("ipvs", "-C")
	if table := d.must("ipvs", "-ln"); strings.Contains(table, vip) {
		t.Errorf("after -C:\n%s", table)
	}
	for _, w := range s.webs {
		w.realserver("del", vip)
		if got := w.ns.Run("ip", "addr", "show", "lo"); strings.Contains(got, vip) {
			t.Errorf("%s after del:\n%s", w.name, got)
		}
	}
}

// TestTextbook: requests take turns, a stopped web server leaves the table and comes back, the
// director's death is survived, connections included.
func TestTextbook(t *testing.T) {
	for _, kind := range []string{"dr", "nat", "tun"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, kind)
			conf := func(name string) string {
				text := strings.ReplaceAll(seed(t, name), "lb_kind DR", "lb_kind "+strings.ToUpper(kind))
				// The test need not be as slow as the textbook's checks, nor does it take a server that is slow for
				// one that has failed.
				text = strings.NewReplacer("delay_loop 6", "delay_loop 1", "retry 3", "retry 1", "delay_before_retry 3",
					"delay_before_retry 1", "connect_timeout 3", "connect_timeout 20").Replace(text)
				if kind == "nat" {
					text = strings.ReplaceAll(text, "real_server 192.168.160", "real_server 192.168.161")
					text = strings.Replace(text, "virtual_ipaddress {",
						"virtual_ipaddress {\n        192.168.161.100/24 dev eth0", 1)
				}
				return text
			}
			s.d1.start(conf("lvs1.keepalived.conf"))
			s.d2.start(conf("lvs4.keepalived.conf"))
			s.d1.master()
			eventually(t, patience, "the site serves", func() bool { return s.ask() != "" })
			if got := s.shares(20); got["web1"] != 10 || got["web2"] != 10 {
				t.Errorf("20 requests were answered by %v", got)
			}

			s.webs[0].stop()
			s.d1.dropped(s.webs[0].addr)
			s.d2.dropped(s.webs[0].addr)
			if got := s.shares(10); got["web2"] != 10 {
				t.Errorf("with web1 stopped: %v", got)
			}
			s.webs[0].start()
			s.d1.regained(s.webs[0].addr)
			s.d2.regained(s.webs[0].addr) // it takes no flow to a server it does not have
			eventually(t, patience, "both serve again", func() bool {
				got := s.shares(2)
				return got["web1"] == 1 && got["web2"] == 1
			})

			first, second := s.ticking(), s.ticking()
			first.goesOn(t, "before")
			second.goesOn(t, "before")
			s.d2.knows(first.conn, second.conn)
			s.d1.kill()
			s.d2.master()
			first.goesOn(t, "after the director's death")
			second.goesOn(t, "after the director's death")
			if got := s.shares(20); got[""] != 0 || got["web1"] == 0 || got["web2"] == 0 {
				t.Errorf("by the peer: %v", got)
			}
			s.d1.start(conf("lvs1.keepalived.conf"))
			s.d1.master()
			first.goesOn(t, "back on the first")
			second.goesOn(t, "back on the first")
		})
	}
}

// TestFrozenDirector: one that hangs forwards nothing beside the other.
func TestFrozenDirector(t *testing.T) {
	s := newSite(t, "dr")
	s.d1.start(seed(t, "lvs1.keepalived.conf"))
	s.d2.start(seed(t, "lvs4.keepalived.conf"))
	s.d1.master()
	k := s.ticking()
	k.goesOn(t, "before")
	s.d2.knows(k.conn)
	s.d1.signal(syscall.SIGSTOP)
	s.d2.master()
	k.goesOn(t, "with a frozen director")
	// A client that still sends to the frozen one gets no answer: its gate is shut, for the plane too.
	mac := s.d1.ns.Link("eth0").Attrs().HardwareAddr.String()
	s.client.Run("ip", "neigh", "replace", vip, "lladdr", mac, "dev", "eth0", "nud", "permanent")
	if who := s.ask(); who != "" {
		t.Errorf("the frozen director still forwards to %s", who)
	}
}

// twoMachines is the site without machines to spare: both nodes are real servers too.
const twoMachines = `vrrp_instance VI_1 {
    state BACKUP
    interface eth0
    virtual_router_id 51
    priority %d
    virtual_ipaddress {
        192.168.160.100/24
    }
}
virtual_server 192.168.160.100 80 {
    delay_loop 1
    lb_algo rr
    lb_kind DR
    protocol TCP
    real_server 192.168.160.131 80 {
        TCP_CHECK { connect_timeout 20 }
    }
    real_server 192.168.160.134 80 {
        TCP_CHECK { connect_timeout 20 }
    }
}
`

// TestTwoMachines: a backup that is a real server too serves what the master hands it, and forwards
// nothing by itself.
func TestTwoMachines(t *testing.T) {
	s := newSite(t, "dr")
	var webs []*web
	for i, d := range []*node{s.d1, s.d2} {
		w := &web{t: t, ns: d.ns, name: fmt.Sprintf("director%d", i+1), dir: t.TempDir()}
		w.realserver("add", vip)
		w.start()
		webs = append(webs, w)
	}
	s.d1.start(fmt.Sprintf(twoMachines, 150))
	s.d2.start(fmt.Sprintf(twoMachines, 100))
	s.d1.master()
	eventually(t, patience, "the site serves", func() bool { return s.ask() != "" })
	if got := s.shares(20); got["director1"] != 10 || got["director2"] != 10 {
		t.Errorf("20 requests were answered by %v", got)
	}
	s.d1.kill()
	s.d2.master()
	eventually(t, patience, "the other serves", func() bool { return s.ask() != "" })
	if got := s.shares(20); got["director1"] != 10 || got["director2"] != 10 {
		t.Errorf("with one director dead, its web server not: %v", got)
	}
	_ = webs
}
