package lvs

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// unitRights is a command that leaves its command what our unit file leaves the director.
func unitRights(t *testing.T) []string {
	t.Helper()
	unit, err := os.ReadFile("../../packaging/evenkeel.service")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^CapabilityBoundingSet=(.+)$`).FindSubmatch(unit)
	if m == nil {
		t.Fatal("the unit file has no CapabilityBoundingSet")
	}
	set := "-all"
	for name := range strings.FieldsSeq(string(m[1])) {
		set += ",+" + strings.ToLower(strings.TrimPrefix(name, "CAP_"))
	}
	return []string{"setpriv", "--bounding-set", set, "--inh-caps", "-all"}
}

// TestUnitRights: with what our unit file leaves the directors, they forward by our own plane, tell each other of
// connections, and go on with the plane that is there after they were killed.
func TestUnitRights(t *testing.T) {
	s := newSite(t, "dr")
	s.d1.must("ipvs", "--driver", "xdp", "-Z") // mounts what systemd would have
	s.d1.must("purge", "--plane")
	s.d1.rights, s.d2.rights = unitRights(t), unitRights(t)
	words := "    lb_algo rr\n    lb_kind DR\n    protocol TCP\n    persistence_timeout 300\n"
	one, two := s.election(150)+s.service(80, words, quickly), s.election(100)+s.service(80, words, quickly)
	s.d1.start(one)
	s.d2.start(two)
	s.d1.master()
	eventually(t, patience, "the site serves", func() bool { return s.ask() != "" })
	k := s.ticking()
	s.d2.knows(k.conn)
	s.d1.kill()
	s.d2.master()
	k.goesOn(t, "through the second")
	// What is pinned of the first serves the next one.
	s.d1.start(one)
	s.d1.master()
	k.goesOn(t, "back on the first")
	s.d1.knows(k.conn)
	later := s.ticking()
	s.d2.knows(later.conn)
	for _, d := range []*node{s.d1, s.d2} {
		for line := range strings.Lines(d.log.String()) {
			// The gate may not look at what an earlier run left, and says what it does instead.
			if strings.Contains(line, "not permitted") && !strings.Contains(line, " gate: ") {
				t.Errorf("%s was refused something: %s", d.ns.Name, line)
			}
		}
	}
}
