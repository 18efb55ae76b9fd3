package lab

import (
	"fmt"
	"strings"
	"testing"
)

// TestLastWords: a site that does not settle shows what its directors said last, and nothing that a terminal would obey.
func TestLastWords(t *testing.T) {
	b := newBoard(lvs(t, "dr"), "evenkeel", 100*second)
	say := func(unit, text string) {
		b.take("lvs1", message{Kind: "journal", Line: &journalLine{At: b.began + second, Unit: unit, Text: text}})
	}
	b.take("lvs1", message{Kind: "unit", Unit: &unitState{Name: "director", State: unitRunning}})
	for i := range 2 * lastLines {
		say("director", fmt.Sprintf("line %d", i))
		say("web", "a check by lvs4")
	}
	say("director", "evenkeel: xdp: the kernel refuses program plane_visit \x1b[31m")
	say("lab", "director ended: exit status 1")
	b.take("lvs1", message{Kind: "unit", Unit: &unitState{Name: "director", State: unitStopped}})
	want := "\nlvs1's director (" + unitStopped + ") said last:" +
		"\n        1.0 s  line 8\n        1.0 s  line 9\n        1.0 s  line 10\n        1.0 s  line 11" +
		"\n        1.0 s  evenkeel: xdp: the kernel refuses program plane_visit \\x1b[31m" +
		"\n        1.0 s  director ended: exit status 1" +
		"\nlvs4's director ("
	got := b.lastWords()
	if !strings.HasPrefix(got, want) || !strings.HasSuffix(got, ") said last: nothing") {
		t.Errorf("got %q, want %q…", got, want)
	}
}
