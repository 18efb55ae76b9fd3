package vrrp

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A rule of the lease gate, and what leaves it out: other rules of the simulation, or other source.
type rule struct {
	without string
	rules   func(*simRules)
	edits   []edit
}

// edit replaces a text of a source file, which must be there once.
type edit struct{ file, old, new string }

var (
	noProbing = edit{"backup.go", "	m.watch = m.p.quiet()\n", "	m.watch = m.p.quiet()\n	m.probing = false\n"}
	noWait    = edit{"backup.go", "	wait := m.p.settle()\n",
		"	if true {\n		m.timer = now\n		return\n	}\n	wait := m.p.settle()\n"}
	noRepeat = edit{"backup.go", "	if !m.probing { // it has not heard us yet",
		"	if true {\n		return e\n	}\n	if !m.probing { // it has not heard us yet"}
)

var gateRules = []rule{
	{"no deadline in the kernel", func(r *simRules) { r.deadline = false }, nil},
	{"restart does not begin closed", func(r *simRules) { r.bornClosed = false }, nil},
	{"clock read after the send", func(r *simRules) { r.early = false }, nil},
	{"a lease that ran out is renewed", func(r *simRules) { r.expires = false },
		[]edit{{"master.go", "	return now >= m.gateUntil\n", "	return false\n"}}},
	{"gate opens before the claim was heard", nil, []edit{noProbing, noWait, noRepeat}},
	{"takes from a living master without looking", nil, []edit{noProbing, noRepeat}},
	{"resigns before closing", nil,
		[]edit{{"instance.go", "	e = append(e, Effect{ID: m.id, Kind: CloseGate})\n	if m.holding {",
			"	if resign {\n		e = m.advertise(0, 0, e)\n		resign = false\n	}\n	e = append(e, Effect{ID: m.id, Kind: " +
				"CloseGate})\n	if m.holding {"}}},
}

// broken is how TestGateRulesAreNeeded runs a package without one of the rules.
var broken = flag.String("broken", "",
	"find what it costs that this rule is left out of the source (of TestGateRulesAreNeeded)")

// TestGateRulesAreNeeded leaves one rule of the lease gate out at a time and expects the simulation to find two masters
// without a partition. What is left out of the source is left out of a copy, built and run by another go test.
func TestGateRulesAreNeeded(t *testing.T) {
	for _, r := range gateRules {
		t.Run(r.without, func(t *testing.T) {
			overlay := overlay(t, r.edits)
			if testing.Short() {
				t.Skip("searches up to 100 000 sites for each rule; `make simulate` does")
			}
			t.Parallel()
			if overlay == "" {
				search(t, r)
				return
			}
			out, err := exec.CommandContext(t.Context(), "go", "test", "-overlay", overlay, "-vet=off", "-count", "1",
				"-run", "^TestRuleLeftOut$", ".", "-broken", r.without).CombinedOutput()
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// TestRuleLeftOut runs in a package that TestGateRulesAreNeeded has changed.
func TestRuleLeftOut(t *testing.T) {
	for _, r := range gateRules {
		if r.without == *broken {
			search(t, r)
		}
	}
}

// search looks for a site that the rule would have kept from harm.
func search(t *testing.T, r rule) {
	for seed := uint64(1); seed <= 100_000; seed++ {
		if bad, s := simulate(seed, false, r.rules); s.bad != "" {
			t.Logf("seed %d: %s", seed, bad)
			return
		}
	}
	t.Error("the rule can go: 100 000 sites show no harm")
}

// overlay writes the edited files and gives what makes go build them instead (go help build); empty without edits.
func overlay(t *testing.T, edits []edit) string {
	t.Helper()
	if len(edits) == 0 {
		return ""
	}
	dir, replace := t.TempDir(), map[string]string{}
	for _, e := range edits {
		from, err := filepath.Abs(e.file)
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, e.file)
		text, err := os.ReadFile(to)
		if err != nil {
			text, err = os.ReadFile(from)
		}
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(text), e.old); n != 1 {
			t.Fatalf("%s has %d times %q: how is the rule left out now?", e.file, n, e.old)
		}
		if err := os.WriteFile(to, []byte(strings.Replace(string(text), e.old, e.new, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		replace[from] = to
	}
	b, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
