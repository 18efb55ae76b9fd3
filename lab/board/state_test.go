package board

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/evenkeel/evenkeel/lab/measure"
	"github.com/evenkeel/evenkeel/lab/site"
)

var update = flag.Bool("update", false, "rewrite golden files")

const second = int64(time.Second)

// The two sites, by what the tests call them.
var nginxPair, haproxyPair = mustSite("nginx-pair"), mustSite("haproxy-pair")

func mustSite(name string) *site.Site {
	s, err := site.ByName(name, "")
	if err != nil {
		panic(err)
	}
	return s
}

// killedMaster is a recording: node1 is master and serves, its director is killed, its gate
// closes, node2 takes over.
func killedMaster() *Board {
	b := New(nginxPair, "evenkeel", 100*second)
	at := func(s float64) int64 { return b.began + int64(s*1e9) }
	for _, n := range b.nodes {
		b.Take(n.Name, site.Message{Kind: "unit", Unit: &site.UnitState{Name: "web", State: site.UnitRunning}})
		b.Take(n.Name, site.Message{Kind: "unit", Unit: &site.UnitState{Name: "director", State: site.UnitRunning}})
	}
	b.Say("ready", "")
	b.Take("node1", site.Message{Kind: "vrrp", At: at(1), VRRP: &site.DirectorState{
		State: "MASTER", Why: "no advert for 3.609 s", Priority: 100, EffectivePriority: 100, Gate: "open",
		GateMode: "ebpf"}})
	b.Take("node2", site.Message{Kind: "vrrp", At: at(1), VRRP: &site.DirectorState{
		State: "BACKUP", Why: "start", Priority: 99, EffectivePriority: 99, Gate: "closed", GateMode: "nft",
		GateWhy: "eBPF was refused"}})
	b.Take("node1", site.Message{Kind: "journal",
		Line: &site.JournalLine{At: at(1), Unit: "director", Text: "VI_1: MASTER"}})
	b.Take("observer", site.Message{Kind: "advert",
		Advert: &site.Advert{At: at(1.9), Source: "192.168.229.11", VRID: 55, Priority: 100}})

	b.Act(at(2), "node1", site.DirectorKill)
	b.Take("node1", site.Message{Kind: "unit", Unit: &site.UnitState{Name: "director", State: site.UnitStopped}})
	var served []measure.Sample
	for ms := 1000; ms < 7000; ms += 20 {
		s := measure.Sample{Start: at(float64(ms) / 1000), Took: 1e6, Server: "node1"}
		switch {
		case ms >= 5000 && ms < 5600:
			s = measure.Sample{Start: s.Start, Took: int64(site.ConnectLimit), Error: "no answer in 900ms"}
		case ms >= 5600:
			s.Server = "node2"
		case ms == 3000:
			s.Took = 150e6
		}
		served = append(served, s)
	}
	b.Take("client", site.Message{Kind: "samples", At: at(7.2), Samples: served, Hung: []int64{at(7)}})
	b.Take("observer", site.Message{Kind: "tenures", At: at(7.2), Tenures: []measure.Tenure{
		{ID: 1, Who: b.nodes[0].mac, From: at(1), To: at(4.9)},
		{ID: 2, Who: b.nodes[1].mac, From: at(5.55), To: at(7.2), Open: true},
	}})
	b.Take("observer", site.Message{Kind: "announce", Announce: &site.Announcement{At: at(5.55), MAC: b.nodes[1].mac}})
	b.Take("observer", site.Message{Kind: "blind", Blind: &site.BlindSpell{From: at(3), To: at(3.006)}})
	return b
}

// stoppedServer is a recording of the proxied site: web1 is stopped, node1's proxy takes it out
// and is killed.
func stoppedServer() *Board {
	b := New(haproxyPair, "evenkeel", 100*second)
	at := func(s float64) int64 { return b.began + int64(s*1e9) }
	for i, n := range b.nodes {
		for unit, state := range map[string]string{"web": site.UnitRunning, "director": site.UnitRunning,
			"worker": "17"} {
			b.Take(n.Name, site.Message{Kind: "unit", Unit: &site.UnitState{Name: unit, State: state}})
		}
		b.Take(n.Name, site.Message{Kind: "vrrp", At: at(1), VRRP: &site.DirectorState{
			State: []string{"MASTER", "BACKUP"}[i], Priority: n.Priority, EffectivePriority: n.Priority,
			Gate: []string{"open", "closed"}[i], GateMode: "ebpf"}})
	}
	for _, w := range b.servers {
		b.Take(w.Name, site.Message{Kind: "unit", Unit: &site.UnitState{Name: "web", State: site.UnitRunning}})
	}
	b.Say("ready", "")
	stats := func(seconds float64, requests, retries int64, http1 string) {
		b.Take("node1", site.Message{Kind: "stats", At: at(seconds),
			Stats: &site.ProxyStats{Requests: requests, Retries: retries,
				Servers: []site.ServerStats{{Line: "http1", Status: http1, Requests: requests / 2},
					{Line: "http2", Status: "UP", Requests: requests / 2}}}})
	}
	stats(2, 50, 0, "UP")
	b.Act(at(2.5), "web1", site.ServerStop)
	b.Take("web1", site.Message{Kind: "unit", Unit: &site.UnitState{Name: "web", State: site.UnitStopped}})
	stats(4.5, 150, 8, "DOWN")
	b.Act(at(5), "node1", site.ProxyKill)
	b.Take("node1", site.Message{Kind: "unit", At: at(5.04), Unit: &site.UnitState{Name: "worker", State: "23"}})
	var served []measure.Sample
	for ms := 1000; ms < 6000; ms += 500 {
		server := "web2"
		if ms < 2500 && ms%1000 == 0 {
			server = "web1"
		}
		served = append(served, measure.Sample{Start: at(float64(ms) / 1000), Took: 1e6, Server: server})
	}
	// One that hangs for a second may be a slow server's, one that hangs for three is not.
	b.Take("client", site.Message{Kind: "samples", At: at(6), Samples: served, Hung: []int64{at(3), at(5)}})
	b.Take("observer", site.Message{Kind: "tenures", At: at(6),
		Tenures: []measure.Tenure{{ID: 1, Who: b.nodes[0].mac, From: at(1), To: at(6), Open: true}}})
	return b
}

// TestStateGolden pins the shape of state.json: the page and other people's scripts read it.
func TestStateGolden(t *testing.T) {
	for _, tt := range []struct {
		golden string
		board  *Board
		at     int64 // ms
	}{
		{"state.json", killedMaster(), 7300},
		{"proxied.json", stoppedServer(), 6000},
	} {
		t.Run(tt.golden, func(t *testing.T) {
			got, err := json.MarshalIndent(tt.board.Snapshot(tt.board.began+tt.at*1e6), "", " ")
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
	for _, s := range site.All {
		b, err := json.Marshal(New(s, "evenkeel", 0).Snapshot(second))
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
	c := b.cost(f.At, b.began+7*second, b.began+7300*1e6)
	if got, want := measure.Millis(c.Outage), 601.0; got != want {
		t.Errorf("outage %.1f ms, want %.1f", got, want)
	}
	if c.Failed != 30 || c.Slow != 1 {
		t.Errorf("failed %d, slow %d; want 30, 1", c.Failed, c.Slow)
	}
	if got := measure.Millis(c.Gap); got != 649.5 {
		t.Errorf("gap %.1f ms, want 649.5", got)
	}
	if c.Double != 0 {
		t.Errorf("double %d ns", c.Double)
	}
	if got := measure.Millis(c.Blind); got != 6 {
		t.Errorf("blind %.1f ms, want 6", got)
	}
	if took := b.Takeover(f.At, nginxPair.Nodes[0]); took == nil || *took != 3650 {
		t.Errorf("takeover %v, want 3650 ms", took)
	}
	// A second machine that answers for a moment shows up, wherever the tenure lies.
	b.Take("observer", site.Message{Kind: "tenures", Tenures: []measure.Tenure{
		{ID: 3, Who: b.nodes[0].mac, From: b.began + 6*second, To: b.began + 6*second + 2e6}}})
	if c := b.cost(f.At, b.began+7*second, b.began+7300*1e6); measure.Millis(c.Double) != 2.5 {
		t.Errorf("double %.1f ms, want 2.5", measure.Millis(c.Double))
	}
}

// TestClientRecordBeginsWithTheSite: what nobody could have answered is not a failure.
func TestClientRecordBeginsWithTheSite(t *testing.T) {
	b := New(nginxPair, "evenkeel", 0)
	b.Take("client", site.Message{Kind: "samples", At: second, Hung: []int64{5}, Samples: []measure.Sample{
		{Start: 1, Took: second, Error: "no route to host"}}})
	if b.failed != 0 || len(b.hung) != 0 {
		t.Errorf("failed %d, hung %v before the site stood", b.failed, b.hung)
	}
	b.Take("client", site.Message{Kind: "samples", At: 3 * second, Samples: []measure.Sample{
		{Start: 2 * second, Took: 1e6, Server: "node1"}, {Start: 2*second - 1, Took: second, Error: "late news"},
		{Start: 2*second + 1, Took: int64(site.ConnectLimit), Error: "no answer in 900ms"}}})
	if b.failed != 1 || b.answered != 1 {
		t.Errorf("failed %d, answered %d; want 1, 1", b.failed, b.answered)
	}
}

// TestTotalsOutliveTheProcess: a new worker counts from zero, the lab does not.
func TestTotalsOutliveTheProcess(t *testing.T) {
	b := New(haproxyPair, "evenkeel", 0)
	for i, st := range []site.ProxyStats{
		{Requests: 100, Retries: 5, Redispatches: 2},
		{Requests: 150, Retries: 6, Redispatches: 2},
		{Requests: 10, Retries: 1, Redispatches: 1}, // a new process
		{Requests: 15, Retries: 1, Redispatches: 4},
	} {
		b.Take("node1", site.Message{Kind: "stats", At: int64(i), Stats: &st})
	}
	if got, want := b.nodes[0].totals, (proxyTotals{requests: 165, Retries: 7, Redispatches: 6}); got != want {
		t.Errorf("totals %+v, want %+v", got, want)
	}
	if b.Proxies() != nil {
		t.Error("node2 has told nothing, and yet there is a sum")
	}
}

// TestTally: who answered, with which status, and how late.
func TestTally(t *testing.T) {
	b := New(haproxyPair, "evenkeel", 0)
	b.samples = []measure.Sample{
		{Start: 1, Took: 1e6, Server: "web1"},
		{Start: 2, Took: 2e9, Server: "web2"},
		{Start: 3, Took: 1e6, Status: 500, Error: "bad answer: 500 Internal Server Error"},
		{Start: 4, Took: 5e9, Error: "no answer in 5s"},
		{Start: 9, Took: 1e6, Server: "web1"}, // after the fault
	}
	r := b.Tally(1, 9)
	if r.Asked != 4 || r.Served["web1"] != 1 || r.Served["web2"] != 1 || r.Statuses["500"] != 1 || r.Longest != 2000 {
		t.Errorf("%+v", r)
	}
}
