package lvs

import (
	"encoding/json"
	"net"
	"strings"
	"testing"
)

// TestAgreement: with mh or sh, connections go on through the peer though it was told of none: both have
// the same table of places, in whatever order their files name the real servers.
func TestAgreement(t *testing.T) {
	for _, c := range []struct{ scheduler, kind string }{{"mh\n    mh-port", "dr"}, {"mh\n    mh-port", "nat"},
		{"mh\n    mh-port", "tun"}, {"sh\n    sh-port", "dr"}} {
		t.Run(strings.Fields(c.scheduler)[0]+" "+c.kind, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, c.kind)
			// Nothing of what the directors would tell each other gets through.
			for _, d := range []*node{s.d1, s.d2} {
				d.ns.Run("nft", "add table inet deaf; add chain inet deaf in { type filter hook input priority 0; }; "+
					"add rule inet deaf in udp dport 8849 drop")
			}
			words := "    lb_algo " + c.scheduler + "\n    lb_kind " + strings.ToUpper(c.kind) + "\n    protocol TCP\n"
			s.d1.start(s.election(150) + s.service(80, words, ""))
			s.webs[0], s.webs[1] = s.webs[1], s.webs[0]
			s.d2.start(s.election(100) + s.service(80, words, ""))
			s.d1.master()
			eventually(t, patience, "the site serves", func() bool { return s.ask() != "" })
			conns := s.connect(60)
			who := make([]string, len(conns))
			got := map[string]int{}
			for i, conn := range conns {
				who[i] = askOn(conn)
				got[who[i]]++
			}
			if got["web1"] == 0 || got["web2"] == 0 || got[""] != 0 {
				t.Fatalf("%d connections were spread as %v", len(conns), got)
			}
			if flows := s.d2.must("ipvs", "-Lnc"); strings.Contains(flows, "192.168.160.50:") {
				t.Fatalf("the peer knows flows:\n%s", flows)
			}
			s.d1.kill()
			s.d2.master()
			for i, conn := range conns {
				if again := askOn(conn); again != who[i] {
					t.Errorf("connection %d was with %s, and through the peer with %q", i, who[i], again)
				}
			}
			var status struct {
				ConnSync struct {
					Received uint64 `json:"received"`
				} `json:"letters"`
			}
			if err := json.Unmarshal([]byte(s.d2.must("show", "lvs", "--json", "--runtime-dir", s.d2.dir)),
				&status); err != nil {
				t.Fatal(err)
			}
			if status.ConnSync.Received != 0 {
				t.Errorf("the peer has got %d messages", status.ConnSync.Received)
			}
		})
	}
}

// connect opens connections.
func (s *site) connect(n int) []net.Conn {
	s.t.Helper()
	conns := make([]net.Conn, n)
	s.client.Do(func() {
		for i := range conns {
			conn, err := net.DialTimeout("tcp", s.at(80), patience)
			if err != nil {
				s.t.Fatal(err)
			}
			s.t.Cleanup(func() { conn.Close() })
			conns[i] = conn
		}
	})
	return conns
}
