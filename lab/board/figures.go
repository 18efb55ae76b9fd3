package board

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/evenkeel/evenkeel/lab/measure"
	"github.com/evenkeel/evenkeel/lab/site"
)

// Unsettled says what keeps the site from being settled; empty: nothing.
func (b *Board) Unsettled() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, n := range b.nodes {
		want := "BACKUP"
		if i == 0 {
			want = "MASTER"
		}
		switch {
		case n.director != site.UnitRunning:
			return n.Name + "'s director is " + n.director
		case n.web != site.UnitRunning && b.site.WebUnit != "":
			return n.Name + "'s " + b.site.WebUnit + " is " + n.web
		case !n.cable:
			return n.Name + "'s cable is out"
		case n.vrrp.State != want:
			return fmt.Sprintf("%s is %q, not %s", n.Name, n.vrrp.State, want)
		}
	}
	if h := b.holders(); len(h) != 1 || h[0] != b.nodes[0].Name {
		return fmt.Sprintf("answering for the address: %v", h)
	}
	if !b.served(ServedStretch) {
		return "the client is not served"
	}
	return b.unsettledServers()
}

// unsettledServers says what keeps the web servers behind the nodes from being settled. Callers
// hold b.mu.
func (b *Board) unsettledServers() string {
	for _, w := range b.servers {
		if w.state != site.UnitRunning {
			return w.Name + " is " + w.state
		}
		for _, n := range b.nodes {
			if st := n.proxy.Status(w.Line); st != "" && st != "UP" {
				return n.Name + " sees " + w.Name + " " + st
			}
		}
		recent := measure.Within(b.samples, site.Now()-int64(ServedStretch), math.MaxInt64)
		if !slices.ContainsFunc(recent, func(s measure.Sample) bool { return s.Server == w.Name }) {
			return w.Name + " gets no requests"
		}
	}
	return ""
}

// Proxies adds up what the proxies count; nil when one of them has told nothing.
func (b *Board) Proxies() *proxyTotals {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.site.Proxy == nil { // a director has nothing of the kind
		return nil
	}
	var sum proxyTotals
	for _, n := range b.nodes {
		if n.proxy == nil {
			return nil
		}
		sum.Retries += n.totals.Retries
		sum.Redispatches += n.totals.Redispatches
	}
	return &sum
}

// ServedBy reports whether requests begun in [from, to) failed or were answered by the host.
func (b *Board) ServedBy(host string, from, to int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.ContainsFunc(measure.Within(b.samples, from, to), func(s measure.Sample) bool {
		return s.Failed() || s.Server == host
	})
}

// tally is who answered the client's requests of a stretch of time, and how.
type tally struct {
	Asked                     int
	Served, Statuses, Reasons map[string]int // by server, by status other than 200, by what the client met
	Longest                   float64        // ms, of the answers
}

// Tally counts the requests begun in [from, to).
func (b *Board) Tally(from, to int64) tally {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := tally{Served: make(map[string]int), Statuses: make(map[string]int), Reasons: make(map[string]int)}
	for _, name := range b.site.Answering() {
		c.Served[name] = 0
	}
	for _, s := range measure.Within(b.samples, from, to) {
		c.Asked++
		if s.Failed() {
			c.Reasons[s.Error]++
		}
		switch {
		case s.Status != 0:
			c.Statuses[strconv.Itoa(s.Status)]++
		case !s.Failed():
			c.Served[s.Server]++
			c.Longest = max(c.Longest, measure.Millis(s.Took))
		}
	}
	return c
}

// ServedStretch is for how long every request must have been answered before the client counts as served.
const ServedStretch = site.ConnectLimit + 200*time.Millisecond

// served reports whether every request of the last stretch was answered. Callers hold b.mu.
func (b *Board) served(stretch time.Duration) bool {
	if len(b.hung) > 0 || len(b.samples) == 0 {
		return false
	}
	recent := measure.Within(b.samples, site.Now()-int64(stretch), math.MaxInt64)
	return len(recent) > 0 && measure.FailedRequests(recent) == 0
}

func (b *Board) ServedFor(stretch time.Duration) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.served(stretch)
}

func (b *Board) HeldByOtherThan(node string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.holders()
	return len(h) > 0 && h[0] != node || len(h) > 1
}

func (b *Board) HoldersNow() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.holders()
}

// SeenUntil is how far the observer's view reaches.
func (b *Board) SeenUntil() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.reach
}

// Measure computes the figures of a stretch.
func (b *Board) Measure(from, to int64) figures {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.cost(from, to, site.Now())
}

// Takeover is the time from old's last advert to the announcement by which another node took
// the address over since the instant from; nil when none did.
func (b *Board) Takeover(from int64, old site.Node) *float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range b.announced {
		if a.At < from || a.MAC == site.MAC(old.Address) {
			continue
		}
		for i := len(b.adverts) - 1; i >= 0; i-- {
			if v := b.adverts[i]; v.At < a.At && v.Source == old.Address.Addr().String() {
				ms := measure.Millis(a.At - v.At)
				return &ms
			}
		}
	}
	return nil
}
