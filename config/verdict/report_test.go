package verdict

import (
	"slices"
	"testing"

	"github.com/evenkeel/evenkeel/config"
)

// TestVerdicts: each way to add a finding has its severity by our verdict and by the reference's.
func TestVerdicts(t *testing.T) {
	const unsaid = config.Severity(99)
	tests := []struct {
		name         string
		add          func(*Report, config.Position, string, string, string)
		ours, theirs config.Severity
		failed       bool
	}{
		{"bad", (*Report).Bad, config.Error, config.Error, true},
		{"refuse", (*Report).Refuse, config.Error, config.Warning, true},
		{"tolerate", (*Report).Tolerate, config.Warning, config.Error, false},
		{"warn", (*Report).Warn, config.Warning, config.Warning, false},
		{"strict only", (*Report).StrictOnly, unsaid, config.Error, false},
	}
	for _, test := range tests {
		var r Report
		pos := config.Position{File: "f", Line: 2, Col: 3}
		test.add(&r, pos, "code", "odd\x1b\n\u0085é", "cure\x7f")
		for strict, severity := range map[bool]config.Severity{false: test.ours, true: test.theirs} {
			var want []config.Diagnostic
			if severity != unsaid {
				want = []config.Diagnostic{{Pos: pos, Severity: severity, Code: "code", Message: "odd???é",
					Hint: "cure?"}}
			}
			if got := r.Diagnostics(strict); !slices.Equal(got, want) {
				t.Errorf("%s, strict %v: %v, want %v", test.name, strict, got, want)
			}
		}
		if r.Failed() != test.failed {
			t.Errorf("%s: failed %v", test.name, r.Failed())
		}
	}
}

// TestMost: what is too much is one more finding, which is an error by both verdicts.
func TestMost(t *testing.T) {
	var r Report
	for i := range Most + 10 {
		r.Warn(config.Position{Line: Most + 10 - i}, "code", "message", "")
	}
	for _, strict := range []bool{false, true} {
		diags := r.Diagnostics(strict)
		if len(diags) != Most+1 || diags[0].Code != "too-many" || diags[0].Severity != config.Error {
			t.Errorf("strict %v: %d diagnostics, the first is %v", strict, len(diags), diags[0])
		}
		if !slices.IsSortedFunc(diags,
			func(a, b config.Diagnostic) int { return config.ComparePositions(a.Pos, b.Pos) }) {
			t.Error("not in order of position")
		}
	}
	if !r.Failed() {
		t.Error("a report that is full has not failed")
	}
}

func TestBare(t *testing.T) {
	if got := Bare("a\"\x1b\xff"); got != `a\"\x1b\xff` {
		t.Error(got)
	}
}
