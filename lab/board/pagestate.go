package board

import (
	"slices"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/lab/site"
)

// pageState is what the page is sent: the state, and what only a reader of it wants.
type pageState struct {
	State
	// Earlier are the changes before the timeline begins, the last ones.
	Earlier []Event `json:"earlier"`
	// Expected is what should come of faults, by their At; those made while something else was out of order are
	// missing.
	Expected map[int64]Expectation `json:"expected"`
}

// happenedLines is how many changes the page lists.
const happenedLines = 200

// Expectation is what should come of a fault.
type Expectation struct {
	Outage  string `json:"outage"`  // of the client
	Formula string `json:"formula"` // where it comes from
}

// expectations remembers what to expect of faults. They can be told only of a site that was whole before, with the
// first node as master, and only by who looked at it then.
type expectations struct {
	site   *site.Site
	expect func(host string, a site.Action) (Expectation, bool)

	mu    sync.Mutex
	whole int64 // when the site was last seen so, ms
	seen  map[int64]bool
	of    map[int64]Expectation
}

func newExpectations(s *site.Site, expect func(string, site.Action) (Expectation, bool)) *expectations {
	return &expectations{site: s, expect: expect, seen: make(map[int64]bool), of: make(map[int64]Expectation)}
}

// wholeFor is how long ago the site may have been seen whole when a fault is made: the page looks four times a second.
const wholeFor = time.Second

// look takes note of a state and gives what to expect of its faults.
func (e *expectations) look(st *State) map[int64]Expectation {
	e.mu.Lock()
	defer e.mu.Unlock()
	told := make(map[int64]Expectation)
	for _, f := range st.Faults {
		if !e.seen[f.At] {
			e.seen[f.At] = true
			if x, ok := e.expect(f.Node, f.Action); ok && e.whole > 0 && f.At-e.whole <= wholeFor.Milliseconds() {
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
func isWhole(s *site.Site, st *State) bool {
	return st.Phase != "building" && slices.Equal(st.Holders, []string{s.Nodes[0].Name}) &&
		!slices.ContainsFunc(st.Nodes, func(n NodeState) bool {
			return n.Director != site.UnitRunning || n.Web != site.UnitRunning && n.Web != "" || !n.Cable
		}) &&
		!slices.ContainsFunc(st.Servers, func(w ServerState) bool { return w.State != site.UnitRunning })
}

// pageState gives the state as the page shows it.
func (p *Page) pageState(e *expectations) pageState {
	st := p.Board.Snapshot(site.Now())
	earlier := []Event{}
	events, _ := p.Board.EventsAfter(-1)
	for _, x := range events {
		if x.At < st.Time.From {
			earlier = append(earlier, x)
		}
	}
	if most := max(happenedLines-len(st.Time.Events), 0); len(earlier) > most {
		earlier = earlier[len(earlier)-most:]
	}
	return pageState{State: st, Earlier: earlier, Expected: e.look(&st)}
}
