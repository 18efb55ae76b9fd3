package lvs

import (
	"fmt"
	"strings"
	"testing"
)

// TestIPv6: the whole site with an address of IPv6: turns, health, the director's death with running connections, and
// its return.
func TestIPv6(t *testing.T) {
	for _, kind := range []string{"dr", "nat", "tun"} {
		t.Run(kind, func(t *testing.T) { overIPv6(t, kind) })
	}
}

func overIPv6(t *testing.T, kind string) {
	t.Parallel()
	s := wire(t, kind, true)
	service := s.service(80, "    lb_algo rr\n    lb_kind "+strings.ToUpper(kind)+"\n    protocol TCP\n", quickly)
	s.d1.start(s.election(150) + service)
	s.d2.start(s.election(100) + service)
	s.d1.master()
	eventually(t, patience, "the site serves", func() bool { return s.ask() != "" })
	if got := s.shares(20); got["web1"] != 10 || got["web2"] != 10 {
		t.Errorf("20 requests were answered by %v", got)
	}
	s.listed(kind)
	s.webs[1].stop()
	s.d1.dropped(s.webs[1].addr)
	s.d2.dropped(s.webs[1].addr)
	if got := s.shares(10); got["web1"] != 10 {
		t.Errorf("with web2 stopped: %v", got)
	}
	s.webs[1].start()
	s.d1.regained(s.webs[1].addr)
	s.d2.regained(s.webs[1].addr) // it takes no flow to a server it does not have
	eventually(t, patience, "both serve again", func() bool {
		got := s.shares(2)
		return got["web1"] == 1 && got["web2"] == 1
	})

	first, second := s.ticking(), s.ticking()
	both := func(when string) {
		t.Helper()
		first.goesOn(t, when)
		second.goesOn(t, when)
	}
	both("before")
	s.d2.knows(first.conn, second.conn)
	s.d1.kill()
	s.d2.master()
	both("after the director's death")
	if got := s.shares(20); got[""] != 0 || got["web1"] == 0 || got["web2"] == 0 {
		t.Errorf("by the peer: %v", got)
	}
	s.d1.start(s.election(150) + service)
	s.d1.master()
	both("back on the first")
	if kind == "nat" {
		return
	}
	for _, w := range s.webs {
		if got := w.ns.Run("ip", "-6", "addr", "show", "lo"); !strings.Contains(got, vip6+"/128") {
			t.Errorf("%s serves, but has:\n%s", w.name, got)
		}
		w.realserver("del", vip6)
		if got := w.ns.Run("ip", "-6", "addr", "show", "lo"); strings.Contains(got, vip6) {
			t.Errorf("%s after del:\n%s", w.name, got)
		}
	}
}

// listed: the listings show the service, its servers and flows.
func (s *site) listed(kind string) {
	t := s.t
	t.Helper()
	method := map[string]string{"dr": "Route", "nat": "Masq", "tun": "Tunnel"}[kind]
	listing := s.d1.must("ipvs", "-Ln")
	for _, want := range []string{"TCP  [" + vip6 + "]:80 rr", fmt.Sprintf("  -> [%s]:80 ", s.webs[0].addr),
		fmt.Sprintf("  -> [%s]:80 ", s.webs[1].addr), method} {
		if !strings.Contains(listing, want) {
			t.Errorf("no %q in\n%s", want, listing)
		}
	}
	if flows := s.d1.must("ipvs", "-Lnc"); !strings.Contains(flows, s.outer+"50") ||
		!strings.Contains(flows, s.webs[0].addr) {
		t.Errorf("-Lnc:\n%s", flows)
	}
}
