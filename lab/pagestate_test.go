package lab

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestPageKeepsWhatHappened: the page lists the last 200 changes, however long ago they were.
func TestPageKeepsWhatHappened(t *testing.T) {
	b := newBoard(nginxPair, "evenkeel", now()-int64(time.Hour))
	for i := range 300 {
		b.act(b.began+int64(i)*int64(time.Second), "node1", CableOut)
	}
	l := &lab{site: nginxPair, board: b}
	st := l.pageState(newExpectations(l.site))
	if n := len(st.Earlier) + len(st.Time.Events); n != happenedLines {
		t.Fatalf("%d lines", n)
	}
	if last := st.Earlier[len(st.Earlier)-1]; last.At != 299_000 {
		t.Errorf("the last is of %d ms", last.At)
	}
}

// TestExpectationOnlyOfAWholeSite: what to expect is known where the site was whole a moment before.
func TestExpectationOnlyOfAWholeSite(t *testing.T) {
	whole := func(at int64) *State {
		st := &State{Phase: "ready", Now: at, Holders: []string{"node1"}}
		for _, n := range nginxPair.Nodes {
			st.Nodes = append(st.Nodes, NodeState{Name: n.Name, Director: unitRunning, Web: unitRunning, Cable: true})
		}
		return st
	}
	fault := func(st *State, at int64, node string, a Action) *State {
		st.Faults = append(st.Faults, FaultState{At: at, Node: node, Action: a})
		return st
	}
	for _, c := range []struct {
		name   string
		before *State
		fault  *State
		want   string
	}{
		{"kill", whole(5000), fault(whole(5200), 5100, "node1", DirectorKill), " ms"},
		{"cable", whole(5000), fault(whole(5200), 5100, "node1", CableOut), " to "},
		{"on the backup", whole(5000), fault(whole(5200), 5100, "node2", DirectorKill), "none"},
		{"nobody looked", whole(1000), fault(whole(5200), 5100, "node1", DirectorKill), ""},
		{"a repair", whole(5000), fault(whole(5200), 5100, "node1", DirectorStart), ""},
	} {
		e := newExpectations(nginxPair)
		e.look(c.before)
		got := e.look(c.fault)
		if x := got[5100]; c.want == "" && len(got) > 0 || !strings.Contains(x.Outage, c.want) || c.want != "" && x.Formula == "" {
			t.Errorf("%s: %+v", c.name, got)
		}
		if again := e.look(c.fault); fmt.Sprint(again) != fmt.Sprint(got) {
			t.Errorf("%s: looked again: %v, not %v", c.name, again, got)
		}
	}
	broken := whole(5000)
	broken.Nodes[1].Cable = false
	e := newExpectations(nginxPair)
	e.look(broken)
	if got := e.look(fault(whole(5200), 5100, "node1", DirectorKill)); len(got) > 0 {
		t.Errorf("the other node's cable was out: %v", got)
	}
}
