package lvs

import (
	"fmt"
	"strings"
	"testing"
)

// TestPersistenceSurvives: clients stay with their servers through the peer, without a connection that
// would tell it of them: by what it was told as they came, and after a loss of everything by what it asks for.
func TestPersistenceSurvives(t *testing.T) {
	s := newSite(t, "dr")
	const port, clients = 5300, 8
	s.echoes(port)
	for i := range clients {
		s.client.Address("eth0", s.prefix(s.outer, 52+i))
	}
	words := "    lb_algo rr\n    lb_kind DR\n    protocol UDP\n    persistence_timeout 300\n"
	s.d1.start(s.election(150) + s.service(port, words, ""))
	s.d2.start(s.election(100) + s.service(port, words, ""))
	s.d1.master()
	servers := func() (all [clients]string) {
		for i := range all {
			// A socket of its own: an IPv4 flow of the last one would lead it there.
			all[i] = s.talk(fmt.Sprint(s.outer, 52+i), port).who()
		}
		return all
	}
	bound := func(d *node, n int) {
		t.Helper()
		eventually(t, patience, fmt.Sprintf("%s knows where %d clients are bound", d.ns.Name, n), func() bool {
			out, err := d.run("ipvs", "-Lnc", "--persistent-conn")
			return err == nil && strings.Count(out, " NONE ") == n
		})
	}
	serves := func() {
		t.Helper()
		eventually(t, patience, "the site serves", func() bool { return s.talk("", port).who() != "" })
	}
	serves()
	before := servers()
	got := map[string]int{}
	for _, who := range before {
		got[who]++
	}
	if got["web1"] != clients/2 || got["web2"] != clients/2 {
		t.Fatalf("%d clients were spread as %v", clients, got)
	}
	stay := func(through string) {
		t.Helper()
		serves()
		if after := servers(); after != before {
			t.Errorf("clients were with %v, and through %s with %v", before, through, after)
		}
	}
	const all = clients + 1 // the one that waited
	bound(s.d2, all)
	s.d1.kill()
	s.d2.master()
	stay("the peer")
	s.d1.must("purge", "--plane")
	s.d1.start(s.election(150) + s.service(port, words, ""))
	bound(s.d1, all)
	s.d1.master()
	s.d2.kill()
	if out, err := s.d1.run("purge", "--plane"); err == nil {
		t.Errorf("a purge beside a living director is not refused: %s", out)
	}
	stay("the first director, which had to ask,")
}
