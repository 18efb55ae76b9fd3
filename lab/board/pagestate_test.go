package board

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/lab/site"
)

// TestPageKeepsWhatHappened: the page lists the last 200 changes, however long ago they were.
func TestPageKeepsWhatHappened(t *testing.T) {
	b := New(nginxPair, "evenkeel", site.Now()-int64(time.Hour))
	for i := range 300 {
		b.Act(b.began+int64(i)*int64(time.Second), "node1", site.CableOut)
	}
	l := &Page{Site: nginxPair, Board: b}
	st := l.pageState(newExpectations(nginxPair, foretold))
	if n := len(st.Earlier) + len(st.Time.Events); n != happenedLines {
		t.Fatalf("%d lines", n)
	}
	if last := st.Earlier[len(st.Earlier)-1]; last.At != 299_000 {
		t.Errorf("the last is of %d ms", last.At)
	}
}

// foretold stands for what the launcher knows of faults.
func foretold(host string, a site.Action) (Expectation, bool) {
	switch {
	case a == site.DirectorStart:
		return Expectation{}, false
	case host == "node2":
		return Expectation{Outage: "none", Formula: "it answers for nothing"}, true
	case a == site.CableOut:
		return Expectation{Outage: "1 to 2 ms", Formula: "a cable"}, true
	}
	return Expectation{Outage: "1 ms", Formula: "a kill"}, true
}

// TestExpectationOnlyOfAWholeSite: what to expect is known where the site was whole a moment before.
func TestExpectationOnlyOfAWholeSite(t *testing.T) {
	whole := func(at int64) *State {
		st := &State{Phase: "ready", Now: at, Holders: []string{"node1"}}
		for _, n := range nginxPair.Nodes {
			st.Nodes = append(st.Nodes, NodeState{Name: n.Name, Director: site.UnitRunning, Web: site.UnitRunning,
				Cable: true})
		}
		return st
	}
	fault := func(st *State, at int64, node string, a site.Action) *State {
		st.Faults = append(st.Faults, FaultState{At: at, Node: node, Action: a})
		return st
	}
	for _, c := range []struct {
		name   string
		before *State
		fault  *State
		want   string
	}{
		{"kill", whole(5000), fault(whole(5200), 5100, "node1", site.DirectorKill), " ms"},
		{"cable", whole(5000), fault(whole(5200), 5100, "node1", site.CableOut), " to "},
		{"on the backup", whole(5000), fault(whole(5200), 5100, "node2", site.DirectorKill), "none"},
		{"nobody looked", whole(1000), fault(whole(5200), 5100, "node1", site.DirectorKill), ""},
		{"a repair", whole(5000), fault(whole(5200), 5100, "node1", site.DirectorStart), ""},
	} {
		e := newExpectations(nginxPair, foretold)
		e.look(c.before)
		got := e.look(c.fault)
		if x := got[5100]; c.want == "" && len(got) > 0 || !strings.Contains(x.Outage, c.want) ||
			c.want != "" && x.Formula == "" {
			t.Errorf("%s: %+v", c.name, got)
		}
		if again := e.look(c.fault); fmt.Sprint(again) != fmt.Sprint(got) {
			t.Errorf("%s: looked again: %v, not %v", c.name, again, got)
		}
	}
	broken := whole(5000)
	broken.Nodes[1].Cable = false
	e := newExpectations(nginxPair, foretold)
	e.look(broken)
	if got := e.look(fault(whole(5200), 5100, "node1", site.DirectorKill)); len(got) > 0 {
		t.Errorf("the other node's cable was out: %v", got)
	}
}
