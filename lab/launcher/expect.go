package launcher

import (
	"fmt"
	"strings"

	"github.com/evenkeel/evenkeel/lab/board"
	"github.com/evenkeel/evenkeel/lab/site"
)

// expect gives what should come of an action on a host of a whole site.
func expect(s *site.Site, host string, action site.Action) (board.Expectation, bool) {
	for _, name := range faultNames(s) {
		_, isNode := s.Node(host)
		if strings.HasPrefix(name, serverFault) == isNode {
			continue
		}
		if f := newFault(s, name, host); f.action == action {
			return board.Expectation{Outage: expectedOutage(&f), Formula: f.formula}, true
		}
	}
	return board.Expectation{}, false
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
