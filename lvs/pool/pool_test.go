package pool

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func events(list []Event) string {
	names := []string{"up", "down", "stays", "weight", "quorum up", "quorum down", "quorum missing"}
	s := ""
	for _, e := range list {
		s += names[e.Kind]
		if e.Kind <= Weight {
			s += fmt.Sprint(" ", e.Server)
		} else {
			s += fmt.Sprintf(" %d/%d", e.Live, e.Threshold)
		}
		s += "; "
	}
	return s
}

func entries(p *Pool) string {
	s := ""
	for i := range p.servers {
		if w, ok := p.Entry(i); ok {
			s += fmt.Sprintf("%d:%d ", i, w)
		}
	}
	if w, ok := p.SorryEntry(1); ok {
		s += fmt.Sprintf("sorry:%d ", w)
	}
	return s
}

func one(weight int) Server { return Server{Weight: weight, Down: []bool{false}} }

// A step is a result of a checker with what comes of it.
type step struct {
	server, checker int
	ok              bool
	add             int
	events, table   string
}

// histories are pools with what their checkers find one after the other.
var histories = []struct {
	name         string
	p            Params
	start, table string
	steps        []step
}{
	{"two servers", Params{Quorum: 1, Servers: []Server{one(1), one(2)}}, "quorum up 3/1; ", "0:1 1:2 ", []step{
		{0, 0, true, 0, "", "0:1 1:2 "},
		{0, 0, false, 0, "down 0; ", "1:2 "},
		{0, 0, false, 0, "", "1:2 "},
		{1, 0, false, 0, "down 1; quorum down 0/1; ", ""},
		{1, 0, true, 0, "up 1; quorum up 2/1; ", "1:2 "},
	}},
	{"alpha", Params{Quorum: 1, Servers: []Server{{Weight: 1, Down: []bool{true, true}}}}, "", "", []step{
		{0, 0, true, 0, "", ""},
		{0, 1, true, 0, "up 0; quorum up 1/1; ", "0:1 "},
	}},
	{"alpha that fails", Params{Quorum: 1, Servers: []Server{{Weight: 1, Down: []bool{true, true}}, one(1)}},
		"quorum up 1/1; ", "1:1 ", []step{
			{0, 0, true, 0, "", "1:1 "},
			{0, 1, false, 0, "stays 0; ", "1:1 "},
			{0, 0, false, 0, "", "1:1 "},
			{0, 1, false, 0, "", "1:1 "},
			{0, 0, true, 0, "", "1:1 "},
			{0, 1, true, 0, "up 0; ", "0:1 1:1 "},
			{0, 1, false, 0, "down 0; ", "1:1 "},
			{0, 0, false, 0, "", "1:1 "},
		}},
	{"too few for the hysteresis at first", Params{Quorum: 2, Hysteresis: 1, Servers: []Server{one(1), one(1)}}, "",
		"0:1 1:1 ", nil},
	{"too few, and a sorry server", Params{Quorum: 2, Hysteresis: 1, Sorry: true, Servers: []Server{one(1), one(1)}},
		"quorum missing 2/3; ", "sorry:1 ", nil},
	{"no checkers", Params{Quorum: 1, Servers: []Server{{Weight: 1}}}, "quorum up 1/1; ", "0:1 ", nil},
	{"inhibit", Params{Quorum: 1, Servers: []Server{{Weight: 3, Inhibit: true, Down: []bool{false}}, one(1)}},
		"quorum up 4/1; ", "0:3 1:1 ", []step{
			{0, 0, false, 0, "down 0; ", "0:0 1:1 "},
		}},
	{"sorry and quorum with hysteresis",
		Params{Quorum: 3, Hysteresis: 1, Sorry: true, Servers: []Server{one(1), one(1), one(1), one(1)}},
		"quorum up 4/4; ", "0:1 1:1 2:1 3:1 ", []step{
			{0, 0, false, 0, "down 0; ", "1:1 2:1 3:1 "},
			{1, 0, false, 0, "down 1; ", "2:1 3:1 "},
			{2, 0, false, 0, "down 2; quorum down 1/2; ", "sorry:1 "},
			{2, 0, true, 0, "up 2; ", "sorry:1 "},
			{1, 0, true, 0, "up 1; ", "sorry:1 "},
			{0, 0, true, 0, "up 0; quorum up 4/4; ", "0:1 1:1 2:1 3:1 "},
		}},
	{"sorry inhibited", Params{Quorum: 1, Sorry: true, SorryInhibit: true, Servers: []Server{one(1)}},
		"quorum up 1/1; ", "0:1 sorry:0 ", []step{
			{0, 0, false, 0, "down 0; quorum down 0/1; ", "sorry:1 "},
		}},
	{"inhibited servers beside a sorry server", Params{Quorum: 2, Sorry: true, Servers: []Server{
		{Weight: 1, Inhibit: true, Down: []bool{false}}, {Weight: 1, Inhibit: true, Down: []bool{false}}, one(1)}},
		"quorum up 3/2; ", "0:1 1:1 2:1 ", []step{
			{0, 0, false, 0, "down 0; ", "0:0 1:1 2:1 "},
			// Their connections go on, new ones go to the sorry server; one that is not inhibited is taken out.
			{1, 0, false, 0, "down 1; quorum down 1/2; ", "0:0 1:0 sorry:1 "},
			{1, 0, true, 0, "up 1; quorum up 2/2; ", "0:0 1:1 2:1 "},
			{2, 0, false, 0, "down 2; quorum down 1/2; ", "0:0 1:0 sorry:1 "},
		}},
	{"inhibited from the first", Params{Quorum: 1, Sorry: true,
		Servers: []Server{{Weight: 1, Inhibit: true, Down: []bool{true}}}}, "quorum missing 0/1; ", "0:0 sorry:1 ",
		[]step{
			{0, 0, true, 0, "up 0; quorum up 1/1; ", "0:1 "},
		}},
	{"weights moved by checkers", Params{Quorum: 2, Servers: []Server{one(2)}}, "quorum up 2/2; ", "0:2 ", []step{
		{0, 0, true, -1, "weight 0; quorum down 1/2; ", "0:1 "},
		{0, 0, true, -5, "weight 0; ", "0:0 "},
		{0, 0, true, 5, "weight 0; quorum up 7/2; ", "0:7 "},
	}},
}

func TestPool(t *testing.T) {
	for _, tt := range histories {
		t.Run(tt.name, func(t *testing.T) {
			p := New(tt.p)
			if got := events(p.Start()); got != tt.start || entries(p) != tt.table {
				t.Fatalf("start: %q, table %q; want %q, %q", got, entries(p), tt.start, tt.table)
			}
			for i, s := range tt.steps {
				got := p.Passed(s.server, s.checker, s.ok)
				if s.add != 0 {
					got = append(got, p.Adjust(s.server, s.checker, s.add)...)
				}
				if events(got) != s.events || entries(p) != s.table {
					t.Fatalf("step %d: %q, table %q; want %q, %q", i, events(got), entries(p), s.events, s.table)
				}
			}
		})
	}
}

// TestPoolProperties: up and down alternate per server, quorum events alternate, the table never
// holds a sorry server with weight beside real ones with weight, and an inhibited server never leaves it.
func TestPoolProperties(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		params := Params{Quorum: 1 + r.IntN(4), Sorry: r.IntN(2) == 0, SorryInhibit: r.IntN(2) == 0}
		params.Hysteresis = r.IntN(params.Quorum)
		for range 1 + r.IntN(5) {
			s := Server{Weight: r.IntN(4), Inhibit: r.IntN(2) == 0}
			for range 1 + r.IntN(3) {
				s.Down = append(s.Down, r.IntN(2) == 0)
			}
			params.Servers = append(params.Servers, s)
		}
		p := New(params)
		live := make([]bool, len(params.Servers))
		for i, s := range params.Servers {
			live[i] = !slices.Contains(s.Down, true)
		}
		quorate := false
		take := func(list []Event) {
			for _, e := range list {
				switch e.Kind {
				case ServerUp, ServerDown:
					if live[e.Server] == (e.Kind == ServerUp) {
						t.Fatalf("seed %d: %v twice", seed, e)
					}
					live[e.Server] = e.Kind == ServerUp
				case QuorumUp, QuorumDown:
					if quorate == (e.Kind == QuorumUp) {
						t.Fatalf("seed %d: %v twice", seed, e)
					}
					quorate = e.Kind == QuorumUp
				}
			}
		}
		take(p.Start())
		for range 100 {
			s := r.IntN(len(params.Servers))
			take(p.Passed(s, r.IntN(len(params.Servers[s].Down)), r.IntN(2) == 0))
			w, sorry := p.SorryEntry(1)
			for i := range live {
				if p.Live(i) != live[i] {
					t.Fatalf("seed %d: server %d live %v without an event", seed, i, p.Live(i))
				}
				weight, ok := p.Entry(i)
				if ok && weight > 0 && sorry && w > 0 {
					t.Fatalf("seed %d: server %d beside the sorry server", seed, i)
				}
				if !ok && params.Servers[i].Inhibit {
					t.Fatalf("seed %d: server %d is inhibited and not in the table", seed, i)
				}
			}
			if p.Quorate() != quorate || quorate && p.LiveWeight() == 0 {
				t.Fatalf("seed %d: quorate %v, live weight %d", seed, p.Quorate(), p.LiveWeight())
			}
		}
	}
}

func TestAdopt(t *testing.T) {
	old := New(Params{Quorum: 1, Servers: []Server{{Weight: 1, Down: []bool{false, false}}}})
	old.Start()
	old.Passed(0, 1, false)
	p := New(Params{Quorum: 1, Servers: []Server{{Weight: 1}, {Weight: 1, Down: []bool{false, true, false}}}})
	p.Adopt(1, old, 0, []int{1, -1, 0})
	p.AdoptQuorum(old, old.Quorate())
	if p.Live(1) || !p.Down(1, 0) || !p.Down(1, 1) || p.Down(1, 2) || p.Quorate() {
		t.Errorf("%+v", p)
	}
	if got := events(p.Start()); got != "quorum up 1/1; " {
		t.Error(got)
	}
}

func TestCadence(t *testing.T) {
	c := Cadence{Interval: 6 * time.Second, Delay: time.Second, Retry: 2}
	for i, tt := range []struct {
		ok, counts bool
		next       time.Duration
	}{
		{false, true, 6}, // the first of all
		{true, true, 6},
		{false, false, 1}, {false, false, 1}, {false, true, 6},
		{false, false, 1}, {true, true, 6},
		{false, false, 1}, {false, false, 1}, {false, true, 6},
	} {
		if counts, next := c.Result(tt.ok); counts != tt.counts || next != tt.next*time.Second {
			t.Errorf("%d: %v after %v", i, counts, next)
		}
	}
}

// TestLeave: what is told when servers leave with a new configuration, and what the new one tells after it.
func TestLeave(t *testing.T) {
	one := Server{Weight: 1, Down: []bool{false}}
	failed := Server{Weight: 1, Down: []bool{true}}
	for _, tt := range []struct {
		name           string
		old            Params
		leave          []int
		then           Params
		leaving, start string
	}{
		{"one of two", Params{Quorum: 1, Servers: []Server{one, one}}, []int{1},
			Params{Quorum: 1, Servers: []Server{one}}, "down 1; ", ""},
		{"one that had failed", Params{Quorum: 1, Servers: []Server{one, failed}}, []int{1},
			Params{Quorum: 1, Servers: []Server{one}}, "", ""},
		{"with it the quorum", Params{Quorum: 2, Servers: []Server{one, one}}, []int{1},
			Params{Quorum: 2, Servers: []Server{one}}, "down 1; quorum down 1/2; ", ""},
		{"the quorum is less now", Params{Quorum: 2, Servers: []Server{one, one}}, []int{1},
			Params{Quorum: 1, Servers: []Server{one}}, "down 1; quorum down 1/2; ", "quorum up 1/1; "},
		{"another comes", Params{Quorum: 1, Servers: []Server{one}}, []int{0},
			Params{Quorum: 1, Servers: []Server{one}}, "down 0; quorum down 0/1; ", "quorum up 1/1; "},
		{"another comes, within the hysteresis", Params{Quorum: 2, Hysteresis: 1, Servers: []Server{one, one, one}},
			[]int{1, 2},
			Params{Quorum: 2, Hysteresis: 1, Servers: []Server{one, one}}, "down 1; down 2; ", ""},
		{"another comes that has to pass first", Params{Quorum: 1, Servers: []Server{one}}, []int{0},
			Params{Quorum: 1, Servers: []Server{failed}}, "down 0; quorum down 0/1; ", ""},
		{"all", Params{Quorum: 1, Servers: []Server{one, one}}, []int{0, 1},
			Params{Quorum: 1, Servers: []Server{failed}}, "down 0; down 1; quorum down 0/1; ", ""},
	} {
		old := New(tt.old)
		old.Start()
		before := entries(old)
		leaving, quorate := old.Leave(tt.leave)
		if got := events(leaving); got != tt.leaving {
			t.Errorf("%s: leaving tells %q, want %q", tt.name, got, tt.leaving)
		}
		if entries(old) != before || !old.Quorate() {
			t.Errorf("%s: the old pool changed", tt.name)
		}
		p := New(tt.then)
		p.AdoptQuorum(old, quorate)
		if got := events(p.Start()); got != tt.start {
			t.Errorf("%s: then %q, want %q", tt.name, got, tt.start)
		}
	}
}
