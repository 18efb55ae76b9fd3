package lab

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/evenkeel/evenkeel/lab/measure"
)

const second = int64(time.Second)

// killedMaster is a recording: node1 is master and serves, its director is killed, its gate
// closes, node2 takes over.
func killedMaster() *board {
	b := newBoard(nginxPair, "evenkeel", 100*second)
	at := func(s float64) int64 { return b.began + int64(s*1e9) }
	for _, n := range b.nodes {
		b.take(n.Name, message{Kind: "unit", Unit: &unitState{Name: "web", State: unitRunning}})
		b.take(n.Name, message{Kind: "unit", Unit: &unitState{Name: "director", State: unitRunning}})
	}
	b.say("ready", "")
	b.take("node1", message{Kind: "vrrp", At: at(1), VRRP: &directorState{
		State: "MASTER", Why: "no advert for 3.609 s", Priority: 100, EffectivePriority: 100, Gate: "open", GateMode: "ebpf"}})
	b.take("node2", message{Kind: "vrrp", At: at(1), VRRP: &directorState{
		State: "BACKUP", Why: "start", Priority: 99, EffectivePriority: 99, Gate: "closed", GateMode: "nft", GateWhy: "eBPF was refused"}})
	b.take("node1", message{Kind: "journal", Line: &journalLine{At: at(1), Unit: "director", Text: "VI_1: MASTER"}})
	b.take("observer", message{Kind: "advert", Advert: &advert{At: at(1.9), Source: "192.168.229.11", VRID: 55, Priority: 100}})

	b.act(at(2), "node1", DirectorKill)
	b.take("node1", message{Kind: "unit", Unit: &unitState{Name: "director", State: unitStopped}})
	var served []measure.Sample
	for ms := 1000; ms < 7000; ms += 20 {
		s := measure.Sample{Start: at(float64(ms) / 1000), Took: 1e6, Server: "node1"}
		switch {
		case ms >= 5000 && ms < 5600:
			s = measure.Sample{Start: s.Start, Took: int64(connectLimit), Error: "no answer in 900ms"}
		case ms >= 5600:
			s.Server = "node2"
		case ms == 3000:
			s.Took = 150e6
		}
		served = append(served, s)
	}
	b.take("client", message{Kind: "samples", At: at(7.2), Samples: served, Hung: []int64{at(7)}})
	b.take("observer", message{Kind: "tenures", At: at(7.2), Tenures: []measure.Tenure{
		{ID: 1, Who: b.nodes[0].mac, From: at(1), To: at(4.9)},
		{ID: 2, Who: b.nodes[1].mac, From: at(5.55), To: at(7.2), Open: true},
	}})
	b.take("observer", message{Kind: "announce", Announce: &announcement{At: at(5.55), MAC: b.nodes[1].mac}})
	b.take("observer", message{Kind: "blind", Blind: &blindSpell{From: at(3), To: at(3.006)}})
	return b
}

// stoppedServer is a recording of the proxied site: web1 is stopped, node1's proxy takes it out
// and is killed.
func stoppedServer() *board {
	b := newBoard(haproxyPair, "evenkeel", 100*second)
	at := func(s float64) int64 { return b.began + int64(s*1e9) }
	for i, n := range b.nodes {
		for unit, state := range map[string]string{"web": unitRunning, "director": unitRunning, "worker": "17"} {
			b.take(n.Name, message{Kind: "unit", Unit: &unitState{Name: unit, State: state}})
		}
		b.take(n.Name, message{Kind: "vrrp", At: at(1), VRRP: &directorState{
			State: []string{"MASTER", "BACKUP"}[i], Priority: n.Priority, EffectivePriority: n.Priority, Gate: []string{"open", "closed"}[i], GateMode: "ebpf"}})
	}
	for _, w := range b.servers {
		b.take(w.Name, message{Kind: "unit", Unit: &unitState{Name: "web", State: unitRunning}})
	}
	b.say("ready", "")
	stats := func(seconds float64, requests, retries int64, http1 string) {
		b.take("node1", message{Kind: "stats", At: at(seconds), Stats: &proxyStats{Requests: requests, Retries: retries,
			Servers: []serverStats{{Line: "http1", Status: http1, Requests: requests / 2}, {Line: "http2", Status: "UP", Requests: requests / 2}}}})
	}
	stats(2, 50, 0, "UP")
	b.act(at(2.5), "web1", ServerStop)
	b.take("web1", message{Kind: "unit", Unit: &unitState{Name: "web", State: unitStopped}})
	stats(4.5, 150, 8, "DOWN")
	b.act(at(5), "node1", ProxyKill)
	b.take("node1", message{Kind: "unit", At: at(5.04), Unit: &unitState{Name: "worker", State: "23"}})
	var served []measure.Sample
	for ms := 1000; ms < 6000; ms += 500 {
		server := "web2"
		if ms < 2500 && ms%1000 == 0 {
			server = "web1"
		}
		served = append(served, measure.Sample{Start: at(float64(ms) / 1000), Took: 1e6, Server: server})
	}
	// One that hangs for a second may be a slow server's, one that hangs for three is not.
	b.take("client", message{Kind: "samples", At: at(6), Samples: served, Hung: []int64{at(3), at(5)}})
	b.take("observer", message{Kind: "tenures", At: at(6), Tenures: []measure.Tenure{{ID: 1, Who: b.nodes[0].mac, From: at(1), To: at(6), Open: true}}})
	return b
}

// TestStateGolden pins the shape of state.json: the page and other people's scripts read it.
func TestStateGolden(t *testing.T) {
	for _, tt := range []struct {
		golden string
		board  *board
		at     int64 // ms
	}{
		{"state.json", killedMaster(), 7300},
		{"proxied.json", stoppedServer(), 6000},
	} {
		t.Run(tt.golden, func(t *testing.T) {
			got, err := json.MarshalIndent(tt.board.snapshot(tt.board.began+tt.at*1e6), "", " ")
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", tt.golden)
			if *update {
				if err := os.WriteFile(golden, append(got, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)+"\n"); diff != "" {
				t.Errorf("%s differs (rewrite with -update):\n%s", tt.golden, diff)
			}
		})
	}
}

// TestStateListsAreNeverNull: a reader in any language may walk every list of an empty state.
func TestStateListsAreNeverNull(t *testing.T) {
	for _, s := range sites {
		b, err := json.Marshal(newBoard(s, "evenkeel", 0).snapshot(second))
		if err != nil {
			t.Fatal(err)
		}
		if i := strings.Index(string(b), "null"); i >= 0 {
			t.Errorf("%s: null in state.json: …%s…", s.Name, b[max(0, i-40):i+4])
		}
	}
}

func TestFiguresOfKilledMaster(t *testing.T) {
	b := killedMaster()
	f := b.faults[0]
	c := b.cost(f.at, b.began+7*second, b.began+7300*1e6)
	if got, want := inMs(c.outage), 601.0; got != want {
		t.Errorf("outage %.1f ms, want %.1f", got, want)
	}
	if c.failed != 30 || c.slow != 1 {
		t.Errorf("failed %d, slow %d; want 30, 1", c.failed, c.slow)
	}
	if got := inMs(c.gap); got != 649.5 {
		t.Errorf("gap %.1f ms, want 649.5", got)
	}
	if c.double != 0 {
		t.Errorf("double %d ns", c.double)
	}
	if got := inMs(c.blind); got != 6 {
		t.Errorf("blind %.1f ms, want 6", got)
	}
	if took := b.takeover(f.at, nginxPair.Nodes[0]); took == nil || *took != 3650 {
		t.Errorf("takeover %v, want 3650 ms", took)
	}
	// A second machine that answers for a moment shows up, wherever the tenure lies.
	b.take("observer", message{Kind: "tenures", Tenures: []measure.Tenure{
		{ID: 3, Who: b.nodes[0].mac, From: b.began + 6*second, To: b.began + 6*second + 2e6}}})
	if c := b.cost(f.at, b.began+7*second, b.began+7300*1e6); inMs(c.double) != 2.5 {
		t.Errorf("double %.1f ms, want 2.5", inMs(c.double))
	}
}

// TestClientRecordBeginsWithTheSite: what nobody could have answered is not a failure.
func TestClientRecordBeginsWithTheSite(t *testing.T) {
	b := newBoard(nginxPair, "evenkeel", 0)
	b.take("client", message{Kind: "samples", At: second, Hung: []int64{5}, Samples: []measure.Sample{
		{Start: 1, Took: second, Error: "no route to host"}}})
	if b.failed != 0 || len(b.hung) != 0 {
		t.Errorf("failed %d, hung %v before the site stood", b.failed, b.hung)
	}
	b.take("client", message{Kind: "samples", At: 3 * second, Samples: []measure.Sample{
		{Start: 2 * second, Took: 1e6, Server: "node1"}, {Start: 2*second - 1, Took: second, Error: "late news"},
		{Start: 2*second + 1, Took: int64(connectLimit), Error: "no answer in 900ms"}}})
	if b.failed != 1 || b.answered != 1 {
		t.Errorf("failed %d, answered %d; want 1, 1", b.failed, b.answered)
	}
}

// TestSiteMatchesItsFiles holds the figures the lab expects against the files it hands out.
func TestSiteMatchesItsFiles(t *testing.T) {
	for _, s := range sites {
		for _, n := range s.Nodes {
			text := string(s.file(n.Config))
			word := func(pattern string) string {
				m := regexp.MustCompile(`(?m)^\s*` + pattern).FindStringSubmatch(text)
				if m == nil {
					t.Errorf("%s/%s: nothing matches %s", s.Name, n.Config, pattern)
					return ""
				}
				return m[1]
			}
			check := func(what, got, want string) {
				if got != want {
					t.Errorf("%s/%s: %s is %q in the file, %q in the site", s.Name, n.Config, what, got, want)
				}
			}
			check("priority", word(`priority (\d+)`), strconv.Itoa(n.Priority))
			check("virtual_router_id", word(`virtual_router_id (\d+)`), strconv.Itoa(s.VRID))
			check("interface", word(`interface (\S+)`), s.Interface)
			check("advert_int", word(`advert_int (\d+)`), strconv.Itoa(int(s.Advert.Seconds())))
			check("virtual_ipaddress", word(`virtual_ipaddress \{\s*(\S+)`), s.VIP.String())
			if strings.Contains(text, "mcast_src_ip") {
				check("mcast_src_ip", word(`mcast_src_ip (\S+)`), n.Address.Addr().String())
			}
			if n.Scripts {
				check("script", word(`script "/etc/keepalived/(\S+)"`), s.Check)
				check("interval", word(`interval (\d+)`), strconv.Itoa(int(s.CheckEvery.Seconds())))
			}
		}
	}
}
