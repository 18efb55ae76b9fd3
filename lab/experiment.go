package lab

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/lab/measure"
)

// Result is what a fault cost.
type Result struct {
	Fault  string  `json:"fault"`
	Node   string  `json:"node"`
	Title  string  `json:"title"`
	Outage float64 `json:"outage_ms"`       // the client's, see measure.Outages
	Failed int     `json:"failed_requests"` //
	Slow   int     `json:"slow_requests"`   //
	Asked  int     `json:"requests"`        // that the client began while the fault lasted
	// Served are the answers of that time by the host that gave them.
	Served map[string]int `json:"requests_by_server"`
	// Statuses counts the answers whose status was not 200; they are failed requests.
	Statuses map[string]int `json:"statuses,omitempty"`
	// Reasons counts the failed requests by what the client met.
	Reasons map[string]int `json:"failed_because,omitempty"`
	// Retries and Redispatches are the proxies' own counters, over fault and repair; absent where
	// they do not tell.
	Retries      *int64  `json:"retries,omitempty"`
	Redispatches *int64  `json:"redispatches,omitempty"`
	Longest      float64 `json:"slowest_answer_ms"`
	// Held is what became of the long connections; absent where none were held.
	Held   *Held   `json:"held,omitempty"`
	Double float64 `json:"double_master_ms"`  // over fault and repair, see measure.Double
	Gap    float64 `json:"address_gap_ms"`    // nobody answered for the address
	Blind  float64 `json:"observer_blind_ms"` // the observer did not get to run
	// Takeover is from the old master's last advert to the new one's first announcement of the
	// address; absent when the address did not move.
	Takeover         *float64 `json:"takeover_ms,omitempty"`
	ExpectedTakeover *float64 `json:"expected_takeover_ms,omitempty"`
	// ExpectedOutage is at least and at most; absent where a share of the requests fails instead.
	ExpectedOutage *[2]float64 `json:"expected_outage_ms,omitempty"`
	// ExpectedFailed is the share of the requests that should fail; absent where the outage says it.
	ExpectedFailed *float64 `json:"expected_failed_share,omitempty"`
	Formula        string   `json:"formula"`
	Master         string   `json:"master_after"` // who answered for the address in the end
	RepairOutage   float64  `json:"repair_outage_ms"`
	RepairFailed   int      `json:"repair_failed_requests"`
	OK             bool     `json:"ok"`
	Problem        string   `json:"problem,omitempty"`
}

// errNotSettled says that the site did not come to rest.
var errNotSettled = errors.New("the site did not settle")

// play makes one fault in a settled site, measures, and restores the site.
func (l *lab) play(ctx context.Context, f fault) (Result, error) {
	res := Result{
		Fault: f.name, Node: f.host, Title: f.title, Formula: f.formula,
	}
	if !f.partial {
		res.ExpectedOutage = &[2]float64{inMs(int64(f.outage[0])), inMs(int64(f.outage[1]))}
	}
	if f.failed >= 0 {
		res.ExpectedFailed = &f.failed
	}
	if f.takeover > 0 {
		t := inMs(int64(f.takeover))
		res.ExpectedTakeover = &t
	}
	if err := l.settle(ctx); err != nil {
		return res, err
	}
	// A real server that fails takes its own connections along, a director must not.
	holding := l.site.LVS != nil && !strings.HasPrefix(f.name, serverFault)
	if holding {
		if _, err := l.ask(ctx, "client", message{Kind: "fetch", Path: holdBegin}); err != nil {
			return res, fmt.Errorf("lab: long connections: %w", err)
		}
		time.Sleep(toldWithin)
	}
	before := l.board.proxies()
	in, err := l.act(ctx, f.host, f.action)
	if err != nil {
		return res, fmt.Errorf("lab: %s: %w", f.title, err)
	}
	problem, err := l.watch(ctx, f, in)
	if err != nil {
		return res, err
	}
	res.Problem = problem
	if holding {
		m, err := l.ask(ctx, "client", message{Kind: "fetch", Path: holdEnd})
		if err != nil {
			return res, fmt.Errorf("lab: long connections: %w", err)
		}
		res.Held = m.Held
	}
	broken := l.board.measure(in.at, now())
	res.Outage, res.Failed, res.Slow = inMs(broken.outage), broken.failed, broken.slow
	res.Gap = inMs(broken.gap)
	res.Master = strings.Join(l.board.holdersNow(), " and ")
	if node, ok := l.site.node(f.host); ok {
		res.Takeover = l.board.takeover(in.at, node)
	}
	repair, err := l.act(ctx, f.host, f.undo)
	if err != nil {
		return res, fmt.Errorf("lab: undo %s: %w", f.title, err)
	}
	if err := l.settle(ctx); err != nil {
		return res, fmt.Errorf("%w\n%s could not be undone", err, f.title)
	}
	// The observer tells what it saw a little later.
	end := now()
	if err := l.until(ctx, func() bool { return l.board.seenUntil() >= end }); err != nil {
		return res, err
	}
	// Requests that hung when the fault was undone have ended now.
	broken = l.board.measure(in.at, repair.at)
	res.Outage, res.Failed, res.Slow = inMs(broken.outage), broken.failed, broken.slow
	l.board.count(&res, in.at, repair.at)
	if after := l.board.proxies(); after != nil && before != nil {
		retries, redispatches := after.retries-before.retries, after.redispatches-before.redispatches
		res.Retries, res.Redispatches = &retries, &redispatches
	}
	mended := l.board.measure(repair.at, end)
	res.RepairOutage, res.RepairFailed = inMs(mended.outage), mended.failed
	whole := l.board.measure(in.at, end)
	res.Double, res.Blind = inMs(whole.double), inMs(whole.blind)
	if res.Double > 0 {
		res.Problem = strings.TrimPrefix(res.Problem+fmt.Sprintf("; two nodes answered for the address for %.1f ms", res.Double), "; ")
	}
	if res.Held != nil && res.Held.survived() != "" {
		res.Problem = strings.TrimPrefix(res.Problem+"; "+res.Held.survived(), "; ")
	}
	if f.leaves && l.board.servedBy(f.host, repair.at-int64(time.Second), repair.at) {
		res.Problem = strings.TrimPrefix(res.Problem+"; it was still asked in the end", "; ")
	}
	if f.stays && l.board.takeover(in.at, l.site.Nodes[0]) != nil {
		res.Problem = strings.TrimPrefix(res.Problem+"; the address moved", "; ")
	}
	res.OK = res.Problem == ""
	return res, nil
}

// watch waits until a fault has had its effect and the client is served again. The problem is
// what went otherwise than it should.
func (l *lab) watch(ctx context.Context, f fault, in *incident) (problem string, err error) {
	least := in.at + int64(f.watch)
	most := least + int64(20*time.Second)
	err = l.until(ctx, func() bool {
		at := now()
		if at < least {
			return false
		}
		if f.partial {
			return true // it does not get better by itself
		}
		moved := !f.moves || l.board.heldByOtherThan(f.host)
		if moved && l.board.servedFor(servedStretch) {
			return true
		}
		if at > most {
			problem = "the client was not served again within 20 s"
			if !moved {
				problem = "no other node took the address over within 20 s"
			}
			return true
		}
		return false
	})
	return problem, err
}

// settle waits until all is as it should be: everything runs, the first node is master and
// alone answers for the address, and the client has been served for a while.
func (l *lab) settle(ctx context.Context) error {
	limit := now() + int64(45*time.Second)
	missing := ""
	err := l.until(ctx, func() bool {
		missing = l.board.unsettled()
		return missing == "" || now() > limit
	})
	if err == nil && missing != "" {
		err = fmt.Errorf("lab: %w within 45 s: %s%s", errNotSettled, missing, l.board.lastWords())
	}
	return err
}

// until looks at the site after every change until done says so.
func (l *lab) until(ctx context.Context, done func() bool) error {
	for {
		changed := l.board.change()
		if done() {
			return nil
		}
		select {
		case <-changed:
		case <-time.After(100 * time.Millisecond):
		case err := <-l.failed:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// unsettled says what keeps the site from being settled; empty: nothing.
func (b *board) unsettled() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, n := range b.nodes {
		want := "BACKUP"
		if i == 0 {
			want = "MASTER"
		}
		switch {
		case n.director != unitRunning:
			return n.Name + "'s director is " + n.director
		case n.web != unitRunning && b.site.WebUnit != "":
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
	if !b.served(servedStretch) {
		return "the client is not served"
	}
	return b.unsettledServers()
}

// unsettledServers says what keeps the web servers behind the nodes from being settled. Callers
// hold b.mu.
func (b *board) unsettledServers() string {
	for _, w := range b.servers {
		if w.state != unitRunning {
			return w.Name + " is " + w.state
		}
		for _, n := range b.nodes {
			if st := n.proxy.status(w.Line); st != "" && st != "UP" {
				return n.Name + " sees " + w.Name + " " + st
			}
		}
		recent := measure.Within(b.samples, now()-int64(servedStretch), math.MaxInt64)
		if !slices.ContainsFunc(recent, func(s measure.Sample) bool { return s.Server == w.Name }) {
			return w.Name + " gets no requests"
		}
	}
	return ""
}

// proxies adds up what the proxies count; nil when one of them has told nothing.
func (b *board) proxies() *proxyTotals {
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
		sum.retries += n.totals.retries
		sum.redispatches += n.totals.redispatches
	}
	return &sum
}

// servedBy reports whether requests begun in [from, to) failed or were answered by the host.
func (b *board) servedBy(host string, from, to int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.ContainsFunc(measure.Within(b.samples, from, to), func(s measure.Sample) bool { return s.Failed() || s.Server == host })
}

// count notes who answered the requests begun in [from, to), and how.
func (b *board) count(res *Result, from, to int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	res.Served, res.Statuses, res.Reasons = make(map[string]int), make(map[string]int), make(map[string]int)
	for _, name := range b.site.answering() {
		res.Served[name] = 0
	}
	for _, s := range measure.Within(b.samples, from, to) {
		res.Asked++
		if s.Failed() {
			res.Reasons[s.Error]++
		}
		switch {
		case s.Status != 0:
			res.Statuses[strconv.Itoa(s.Status)]++
		case !s.Failed():
			res.Served[s.Server]++
			res.Longest = max(res.Longest, inMs(s.Took))
		}
	}
}

// servedStretch is for how long every request must have been answered before the client counts as served.
const servedStretch = connectLimit + 200*time.Millisecond

// served reports whether every request of the last stretch was answered. Callers hold b.mu.
func (b *board) served(stretch time.Duration) bool {
	if len(b.hung) > 0 || len(b.samples) == 0 {
		return false
	}
	recent := measure.Within(b.samples, now()-int64(stretch), math.MaxInt64)
	return len(recent) > 0 && measure.FailedRequests(recent) == 0
}

func (b *board) servedFor(stretch time.Duration) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.served(stretch)
}

func (b *board) heldByOtherThan(node string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.holders()
	return len(h) > 0 && h[0] != node || len(h) > 1
}

func (b *board) holdersNow() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.holders()
}

// seenUntil is how far the observer's view reaches.
func (b *board) seenUntil() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.reach
}

// measure computes the figures of a stretch.
func (b *board) measure(from, to int64) figures {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.cost(from, to, now())
}

// takeover is the time from old's last advert to the announcement by which another node took
// the address over since the instant from; nil when none did.
func (b *board) takeover(from int64, old SiteNode) *float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range b.announced {
		if a.At < from || a.MAC == mac(old.Address) {
			continue
		}
		for i := len(b.adverts) - 1; i >= 0; i-- {
			if v := b.adverts[i]; v.At < a.At && v.Source == old.Address.Addr().String() {
				ms := inMs(a.At - v.At)
				return &ms
			}
		}
	}
	return nil
}
