package lab

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// pageState is what the page is sent: the state, and what only a reader of it wants.
type pageState struct {
	State
	// Earlier are the changes before the timeline begins, the last ones.
	Earlier []Event `json:"earlier"`
	// Expected is what should come of faults, by their At; those made while something else was out of order are
	// missing.
	Expected map[int64]expectation `json:"expected"`
}

// happenedLines is how many changes the page lists.
const happenedLines = 200

// expectation is what should come of a fault.
type expectation struct {
	Outage  string `json:"outage"`  // of the client
	Formula string `json:"formula"` // where it comes from
}

// expectations remembers what to expect of faults. They can be told only of a site that was whole before, with the
// first node as master, and only by who looked at it then.
type expectations struct {
	site *Site

	mu    sync.Mutex
	whole int64 // when the site was last seen so, ms
	seen  map[int64]bool
	of    map[int64]expectation
}

func newExpectations(s *Site) *expectations {
	return &expectations{site: s, seen: make(map[int64]bool), of: make(map[int64]expectation)}
}

// wholeFor is how long ago the site may have been seen whole when a fault is made: the page looks four times a second.
const wholeFor = time.Second

// look takes note of a state and gives what to expect of its faults.
func (e *expectations) look(st *State) map[int64]expectation {
	e.mu.Lock()
	defer e.mu.Unlock()
	told := make(map[int64]expectation)
	for _, f := range st.Faults {
		if !e.seen[f.At] {
			e.seen[f.At] = true
			if x, ok := expect(e.site, f.Node, f.Action); ok && e.whole > 0 && f.At-e.whole <= wholeFor.Milliseconds() {
				e.of[f.At] = x
			}
			e.whole = 0
		}
		if x, ok := e.of[f.At]; ok {
			told[f.At] = x
		}
	}
	if isWhole(e.site, st) {
		e.whole = st.Now
	}
	return told
}

// isWhole reports whether everything runs and the first node is master.
func isWhole(s *Site, st *State) bool {
	return st.Phase != "building" && slices.Equal(st.Holders, []string{s.Nodes[0].Name}) &&
		!slices.ContainsFunc(st.Nodes, func(n NodeState) bool {
			return n.Director != unitRunning || n.Web != unitRunning && n.Web != "" || !n.Cable
		}) &&
		!slices.ContainsFunc(st.Servers, func(w ServerState) bool { return w.State != unitRunning })
}

// expect gives what should come of an action on a host of a whole site.
func expect(s *Site, host string, action Action) (expectation, bool) {
	for _, name := range s.faultNames() {
		_, isNode := s.node(host)
		if strings.HasPrefix(name, serverFault) == isNode {
			continue
		}
		if f := newFault(s, name, host); f.action == action {
			return expectation{Outage: expectedOutage(&f), Formula: f.formula}, true
		}
	}
	return expectation{}, false
}

// expectedOutage writes how long the client should be without an answer.
func expectedOutage(f *fault) string {
	lo, hi := f.outage[0].Milliseconds(), f.outage[1].Milliseconds()
	switch {
	case f.partial && f.failed == 0, !f.partial && hi == 0:
		return "none"
	case f.partial:
		return "partly"
	case lo == hi:
		return fmt.Sprintf("%d ms", hi)
	case lo == 0:
		return fmt.Sprintf("at most %d ms", hi)
	}
	return fmt.Sprintf("%d to %d ms", lo, hi)
}

// pageState gives the state as the page shows it.
func (l *lab) pageState(e *expectations) pageState {
	st := l.board.snapshot(now())
	earlier := []Event{}
	for _, x := range l.board.eventsAfter(-1) {
		if x.At < st.Time.From {
			earlier = append(earlier, x)
		}
	}
	if most := max(happenedLines-len(st.Time.Events), 0); len(earlier) > most {
		earlier = earlier[len(earlier)-most:]
	}
	return pageState{State: st, Earlier: earlier, Expected: e.look(&st)}
}
