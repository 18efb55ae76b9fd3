package words

import (
	"slices"
	"testing"
)

func TestTable(t *testing.T) {
	type row struct {
		word string
		n    int
	}
	table := NewTable(map[Place][]row{"here": {{"mode", 1}, {"node", 2}}, "there": {{"mode", 3}}}, func(r row) string {
		return r.word
	})
	if r, ok := table.Lookup("there", "mode"); !ok || r.n != 3 {
		t.Errorf("there, mode: %v, %v", r, ok)
	}
	if r, ok := table.Lookup("there", "node"); ok || r.n != 0 {
		t.Errorf("there, node: %v, %v", r, ok)
	}
	if _, ok := table.Lookup("nowhere", "mode"); ok {
		t.Error("nowhere has words")
	}
	if got := table.Words("here"); table.Len() != 2 || len(table.Rows("here")) != 2 ||
		!slices.Equal(got, []string{"mode", "node"}) {
		t.Errorf("here: %q", got)
	}
	if got := table.Nearest("there", "moed"); got != "mode" {
		t.Errorf("nearest: %q", got)
	}
}

func TestHints(t *testing.T) {
	if Suggest("") != "" || Suggest("a\x1b") != `did you mean "a\x1b"?` {
		t.Error(Suggest("a\x1b"))
	}
	if got := DidYouMean("blance", []string{"mode", "balance"}); got != `did you mean "balance"?` {
		t.Error(got)
	}
	if got := DidYouMean("blance", []string{"mode"}); got != "" {
		t.Error(got)
	}
}
