package measure

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// ms makes instants readable.
const ms = 1_000_000

// asked builds one request per 20 ms; each rune is one: . answered after 1 ms, x failed after
// one second, s answered after 200 ms.
func asked(picture string) []Sample {
	var all []Sample
	for i, r := range picture {
		s := Sample{Start: int64(i) * 20 * ms, Took: ms, Server: "node1"}
		switch r {
		case 'x':
			s = Sample{Start: s.Start, Took: 1000 * ms, Error: "no answer in 1 s"}
		case 's':
			s.Took = 200 * ms
		}
		all = append(all, s)
	}
	return all
}

func TestOutages(t *testing.T) {
	tests := []struct {
		name    string
		picture string
		want    []Outage
	}{
		{"nothing", "", nil},
		{"served", ".....", nil},
		{"slow is served", "..ss..", nil},
		{"one lost request", "..x..", []Outage{{From: 40 * ms, To: 61 * ms, Failed: 1}}},
		{"a run", ".xxx.", []Outage{{From: 20 * ms, To: 81 * ms, Failed: 3}}},
		{"ends with the slow answer", ".xs", []Outage{{From: 20 * ms, To: 240 * ms, Failed: 1}}},
		{"a later request is answered first", ".xs.", []Outage{{From: 20 * ms, To: 61 * ms, Failed: 1}}},
		{"a failure among the late answers", ".xsxs.", []Outage{{From: 20 * ms, To: 101 * ms, Failed: 2}}},
		{"two runs", ".x.x.", []Outage{{From: 20 * ms, To: 41 * ms, Failed: 1},
			{From: 60 * ms, To: 81 * ms, Failed: 1}}},
		{"not over yet", ".xx", []Outage{{From: 20 * ms, To: 1040 * ms, Failed: 2, Open: true}}},
		{"from the start", "x.", []Outage{{From: 0, To: 21 * ms, Failed: 1}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Outages(asked(tt.picture)); !slices.Equal(got, tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestCounting(t *testing.T) {
	all := asked("..xs.x")
	if n := FailedRequests(all); n != 2 {
		t.Errorf("failed: %d, want 2", n)
	}
	if n := Slow(all, 100*ms); n != 1 {
		t.Errorf("slow: %d, want 1", n)
	}
	if in := Within(all, 40*ms, 80*ms); len(in) != 2 || !in[0].Failed() || in[1].Took != 200*ms {
		t.Errorf("within [40 ms, 80 ms): %+v", in)
	}
	if in := Within(all, 500*ms, 400*ms); len(in) != 0 {
		t.Errorf("an empty stretch has %d samples", len(in))
	}
}

func TestInsertKeepsOrder(t *testing.T) {
	all := asked("..x.x..")
	shuffled := slices.Clone(all)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(shuffled), func(i, j int) {
		shuffled[i], shuffled[j] = shuffled[j], shuffled[i]
	})
	var got []Sample
	for _, s := range shuffled {
		got = Insert(got, s)
	}
	if !slices.Equal(got, all) {
		t.Errorf("got %+v", got)
	}
}

// half is the probes' spacing in these tests.
const half = ms / 2

// probed plays a recording to a judge and returns the tenures it found. Each string is one
// machine: a rune per probe, # where it answered.
func probed(rows map[string]string) []Tenure {
	j := Judge{Grace: 40}
	longest := 0
	for _, row := range rows {
		longest = max(longest, len(row))
	}
	names := make([]string, 0, len(rows))
	for name := range rows {
		names = append(names, name)
	}
	slices.Sort(names)
	for i := range longest {
		at := int64(i) * half
		j.Probe()
		for _, name := range names {
			if row := rows[name]; i < len(row) && row[i] == '#' {
				j.Answer(at, name)
			}
		}
	}
	return append(j.Ended(nil), j.Open()...)
}

func TestDoubleAndGap(t *testing.T) {
	tests := []struct {
		name        string
		rows        map[string]string
		double, gap int64 // ns
	}{
		{"one master", map[string]string{"a": "##########"}, 0, 0},
		{"handover from one probe to the next", map[string]string{"a": "#####.....", "b": ".....#####"}, 0, 0},
		{"handover with a silence", map[string]string{"a": "####......", "b": ".......###"}, 0, 3 * half},
		{"two answers to one probe", map[string]string{"a": "#####.....", "b": "....######"}, half, 0},
		{"both for three probes", map[string]string{"a": "######....", "b": "...#######"}, 3 * half, 0},
		{"interleaved answers", map[string]string{"a": "#.#.#.....", "b": ".#.#.#####"}, 4 * half, 0},
		{"one stray answer in another's tenure", map[string]string{"a": "##########", "b": "....#....."}, half, 0},
		{"both to the end", map[string]string{"a": "##########", "b": "..........########"[8:]}, 8 * half, 0},
		{"three machines count once", map[string]string{"a": "####......", "b": "..########", "c": "..#......."},
			2 * half, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tenures := probed(tt.rows)
			end := int64(10) * half
			if got := Double(tenures, half, 0, end); got != tt.double {
				t.Errorf("double: %d ns, want %d; tenures %+v", got, tt.double, tenures)
			}
			if got := Gap(tenures, half, 0, end); got != tt.gap {
				t.Errorf("gap: %d ns, want %d; tenures %+v", got, tt.gap, tenures)
			}
		})
	}
}

func TestJudgeEndsTenureAfterGrace(t *testing.T) {
	j := Judge{Grace: 3}
	j.Probe()
	j.Answer(0, "a")
	for range 4 { // three unanswered, the fourth just sent
		j.Probe()
	}
	if len(j.Open()) != 1 {
		t.Fatalf("ended within its grace: %+v", j.Ended(nil))
	}
	j.Probe()
	ended := j.Ended(nil)
	if len(ended) != 1 || ended[0].Open || ended[0].To != 0 || len(j.Open()) != 0 {
		t.Fatalf("ended %+v, open %+v", ended, j.Open())
	}
	// The same machine coming back is a new tenure, so that the gap shows.
	j.Answer(30*ms, "a")
	if open := j.Open(); len(open) != 1 || open[0].From != 30*ms || open[0].ID == ended[0].ID {
		t.Fatalf("open %+v", open)
	}
}

func TestBlindObserverEndsNoTenure(t *testing.T) {
	j := Judge{Grace: 3}
	j.Probe()
	j.Answer(0, "a")
	j.Probe() // the observer did not run for a second
	j.Answer(1000*ms, "a")
	if open := j.Open(); len(open) != 1 || open[0].From != 0 || open[0].To != 1000*ms {
		t.Errorf("open %+v", open)
	}
}

func TestLateAnswerCountsForItsProbe(t *testing.T) {
	// a's answer to the probe at 1 ms arrives after b has answered the probe at 2 ms. That is a
	// handover, not two masters.
	j := Judge{Grace: 40}
	j.Probe()
	j.Answer(0, "a")
	j.Probe()
	j.Probe()
	j.Answer(2*ms, "b")
	j.Answer(1*ms, "a")
	if d := Double(j.Open(), half, 0, 10*ms); d != 0 {
		t.Errorf("double %d ns for a late answer; %+v", d, j.Open())
	}
}

func TestDoubleWithinStretchOnly(t *testing.T) {
	tenures := []Tenure{{ID: 1, Who: "a", From: 0, To: 100 * ms}, {ID: 2, Who: "b", From: 50 * ms, To: 200 * ms}}
	for _, tt := range []struct{ from, to, want int64 }{
		{0, 300 * ms, 50*ms + half},
		{0, 50 * ms, 0},
		{60 * ms, 70 * ms, 10 * ms},
		{90 * ms, 300 * ms, 10*ms + half},
		{101 * ms, 300 * ms, 0},
	} {
		if got := Double(tenures, half, tt.from, tt.to); got != tt.want {
			t.Errorf("double in [%d, %d) ms: %d ns, want %d", tt.from/ms, tt.to/ms, got, tt.want)
		}
	}
}
