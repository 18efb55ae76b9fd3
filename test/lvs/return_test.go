package lvs

import (
	"strings"
	"testing"
	"time"
)

// TestReturn: a director that was cut off learns what began through the other one meanwhile, idle or not.
func TestReturn(t *testing.T) {
	for _, c := range []struct {
		name      string
		cut, heal func(s *site)
	}{
		{"its cable was out", func(s *site) { s.wires.Unplug(1) }, func(s *site) { s.wires.Plug(1) }},
		// It sees no fault and stays master on its side.
		{"the switch kept it apart", func(s *site) {
			s.wires.NS.Run("nft", "add table bridge apart; add chain bridge apart f { type filter hook forward "+
				"priority 0; }; "+
				"add rule bridge apart f iifname p1 drop; add rule bridge apart f oifname p1 drop")
		}, func(s *site) { s.wires.NS.Run("nft", "delete table bridge apart") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, "dr")
			words := "    lb_algo rr\n    lb_kind DR\n    protocol TCP\n"
			s.d1.start(s.election(150) + s.service(80, words, ""))
			s.d2.start(s.election(100) + s.service(80, words, ""))
			s.d1.master()
			eventually(t, patience, "the site serves", func() bool { return s.ask() != "" })
			c.cut(s)
			s.d2.master()
			eventually(t, patience, "the site serves again", func() bool { return s.ask() != "" })
			conns := s.connect(6)
			var who [6]string
			for i, conn := range conns {
				if who[i] = askOn(conn); who[i] == "" {
					t.Fatal("no answer through the peer")
				}
			}
			time.Sleep(time.Second) // so that the second time they are told of is over, too
			c.heal(s)
			s.d1.knows(conns...)
			s.d1.master()
			eventually(t, patience, "the peer gives way", func() bool {
				return !strings.Contains(s.d2.ns.Run("ip", "-o", "addr", "show", "eth0"), vip+"/")
			})
			eventually(t, patience, "the site serves through the first director", func() bool { return s.ask() != "" })
			for i, conn := range conns {
				if again := askOn(conn); again != who[i] {
					t.Errorf("a connection was with %s, and back on the first director with %q", who[i], again)
				}
			}
		})
	}
}
