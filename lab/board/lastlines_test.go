package board

import (
	"fmt"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/lab/site"
)

// TestLastLines: a site that does not settle shows what its directors said last, and nothing that a terminal would
// obey.
func TestLastLines(t *testing.T) {
	b := New(mustSite("lvs-dr"), "evenkeel", 100*second)
	say := func(unit, text string) {
		b.Take("lvs1", site.Message{Kind: "journal",
			Line: &site.JournalLine{At: b.began + second, Unit: unit, Text: text}})
	}
	b.Take("lvs1", site.Message{Kind: "unit", Unit: &site.UnitState{Name: "director", State: site.UnitRunning}})
	for i := range 20 {
		say("director", fmt.Sprintf("line %d", i))
		say("director", fmt.Sprintf("line %d", i))
		say("web", "a check by lvs4")
	}
	say("director", "evenkeel: xdp: the kernel refuses program plane_visit \x1b[31m")
	say("lab", "director ended: exit status 1")
	b.Take("lvs1", site.Message{Kind: "unit", Unit: &site.UnitState{Name: "director", State: site.UnitStopped}})
	want := "\nlvs1's director (" + site.UnitStopped + ") said last:" +
		"\n        1.0 s  line 12\n        1.0 s  line 13\n        1.0 s  line 14\n        1.0 s  line 15" +
		"\n        1.0 s  line 16\n        1.0 s  line 17\n        1.0 s  line 18\n        1.0 s  line 19" +
		"\n        1.0 s  evenkeel: xdp: the kernel refuses program plane_visit \\x1b[31m" +
		"\n        1.0 s  director ended: exit status 1" +
		"\nlvs4's director ("
	got := b.LastLines()
	if !strings.HasPrefix(got, want) || !strings.HasSuffix(got, ") said last: nothing") {
		t.Errorf("got %q, want %q…", got, want)
	}
}
