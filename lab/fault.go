package lab

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/lab/measure"
)

// fault is one experiment: what is done to a node of a settled site, what should come of it,
// and what brings the site back.
type fault struct {
	name   string
	title  string
	node   SiteNode
	action Action
	undo   Action
	// moves: another node must take the address over.
	moves bool
	// watch is how long to look at least, however soon the client is served again.
	watch time.Duration
	// outage is how long the client should be without an answer: at least and at most.
	outage [2]time.Duration
	// takeover is how long after the last advert of the old master the new one should announce
	// the address; 0: the address does not move.
	takeover time.Duration
	formula  string
}

// FaultNames lists the faults that can be played on a site, in the order of "all".
func FaultNames() []string {
	return []string{"stop", "kill", "freeze", "cable", "web", "web-broken"}
}

// faultsByName makes the experiments of a list of names. A name may carry a node (kill@node2);
// without one the fault is played on the master.
func faultsByName(s *Site, names []string) ([]fault, error) {
	var all []fault
	for _, name := range names {
		if name == "all" {
			for _, n := range FaultNames() {
				all = append(all, newFault(s, n, s.Nodes[0]))
			}
			continue
		}
		kind, where, elsewhere := strings.Cut(name, "@")
		node := s.Nodes[0]
		if elsewhere {
			var ok bool
			if node, ok = s.node(where); !ok {
				return nil, fmt.Errorf("lab: fault %q: the site has no node %q", name, where)
			}
		}
		f := newFault(s, kind, node)
		if f.action == "" {
			return nil, fmt.Errorf("lab: no fault %q; there is: all, %s", name, strings.Join(FaultNames(), ", "))
		}
		all = append(all, f)
	}
	return all, nil
}

// newFault computes what to expect from the timers in the site's files. An unknown name gives
// a fault without an action.
func newFault(s *Site, name string, n SiteNode) fault {
	backup := s.Nodes[1]
	wait, down := skew(backup.Priority), s.masterDown(backup.Priority)
	// What the client's pace and the message itself add to any figure.
	const slack = 100 * time.Millisecond
	f := fault{name: name, node: n, moves: n.Name == s.Nodes[0].Name}
	crash := func(title string, action, undo Action) {
		f.title, f.action, f.undo = title, action, undo
		// The gate stays open for three adverts after the last one sent, so the old master
		// serves on until then; the backup waits for the skew on top.
		f.outage = [2]time.Duration{wait, wait}
		f.takeover = down
		f.watch = down + 1500*time.Millisecond
		f.formula = fmt.Sprintf("gate closes 3 x %s after the last advert; takeover at 3 x %s + (256-%d)/256 s = %s after it; "+
			"outage is the difference, %s", s.Advert, s.Advert, backup.Priority, rounded(down), rounded(wait))
	}
	switch name {
	case "stop":
		f.title, f.action, f.undo = "stop the director", DirectorStop, DirectorStart
		f.outage, f.takeover, f.watch = [2]time.Duration{wait, wait}, wait, wait+1500*time.Millisecond
		f.formula = fmt.Sprintf("skew of the backup after priority 0: (256-%d)/256 s = %s", backup.Priority, rounded(wait))
	case "kill":
		crash("kill -9 the director", DirectorKill, DirectorStart)
	case "freeze":
		crash("freeze the director", DirectorFreeze, DirectorThaw)
	case "cable":
		f.title, f.action, f.undo = "unplug the cable", CableOut, CableIn
		f.outage, f.takeover = [2]time.Duration{down - s.Advert, down}, down
		f.watch = down + 1500*time.Millisecond
		f.formula = fmt.Sprintf("3 x %s + (256-%d)/256 s = %s after the last advert, which was sent up to %s before",
			s.Advert, backup.Priority, rounded(down), s.Advert)
	case "web", "web-broken":
		f.expectCheck(s, name == "web-broken", wait, slack)
	}
	if f.node.Name != s.Nodes[0].Name { // on the backup nothing should happen to the client
		f.outage, f.takeover, f.formula = [2]time.Duration{}, 0, "the address is elsewhere: nothing happens"
	}
	return f
}

// expectCheck computes what the site's check script makes of a web server that has ended.
func (f *fault) expectCheck(s *Site, broken bool, wait, slack time.Duration) {
	f.title, f.action, f.undo = "stop the web server", WebStop, BringBack
	if broken {
		f.title, f.action = "break the web server", WebBreak
	}
	switch {
	case s.CheckStops:
		f.outage = [2]time.Duration{wait, s.CheckEvery + wait + slack}
		f.takeover, f.watch = wait, s.CheckEvery+wait+1500*time.Millisecond
		f.formula = fmt.Sprintf("the check looks every %s and stops the director; the backup takes over after its skew %s",
			s.CheckEvery, rounded(wait))
	case broken:
		f.outage = [2]time.Duration{wait, s.CheckEvery + s.CheckLimit + wait + slack}
		f.takeover, f.watch = wait, s.CheckEvery+s.CheckLimit+wait+1500*time.Millisecond
		f.formula = fmt.Sprintf("the check looks every %s, fails within %s, and the backup takes over after its skew %s",
			s.CheckEvery, s.CheckLimit, rounded(wait))
	default:
		f.moves = false // restarted by the check script, whatever the address does
		f.outage = [2]time.Duration{0, s.CheckEvery + wait + slack}
		f.watch = s.CheckEvery + s.CheckLimit + s.masterDown(f.node.Priority) + 1500*time.Millisecond
		f.formula = fmt.Sprintf("the check looks every %s and restarts it at once; if the check itself takes longer than %s "+
			"it fails, and the backup takes over after its skew %s", s.CheckEvery, s.CheckLimit, rounded(wait))
	}
}
func rounded(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

// Result is what a fault cost.
type Result struct {
	Fault  string  `json:"fault"`
	Node   string  `json:"node"`
	Title  string  `json:"title"`
	Outage float64 `json:"outage_ms"`         // the client's, see measure.Outages
	Failed int     `json:"failed_requests"`   //
	Slow   int     `json:"slow_requests"`     //
	Double float64 `json:"double_master_ms"`  // over fault and repair, see measure.Double
	Gap    float64 `json:"address_gap_ms"`    // nobody answered for the address
	Blind  float64 `json:"observer_blind_ms"` // the observer did not get to run
	// Takeover is from the old master's last advert to the new one's first announcement of the
	// address; absent when the address did not move.
	Takeover         *float64   `json:"takeover_ms,omitempty"`
	ExpectedTakeover *float64   `json:"expected_takeover_ms,omitempty"`
	ExpectedOutage   [2]float64 `json:"expected_outage_ms"` // at least, at most
	Formula          string     `json:"formula"`
	Master           string     `json:"master_after"` // who answered for the address in the end
	RepairOutage     float64    `json:"repair_outage_ms"`
	RepairFailed     int        `json:"repair_failed_requests"`
	OK               bool       `json:"ok"`
	Problem          string     `json:"problem,omitempty"`
}

// errNotSettled says that the site did not come to rest.
var errNotSettled = errors.New("the site did not settle")

// play makes one fault in a settled site, measures, and restores the site.
func (l *lab) play(ctx context.Context, f fault) (Result, error) {
	res := Result{
		Fault: f.name, Node: f.node.Name, Title: f.title, Formula: f.formula,
		ExpectedOutage: [2]float64{inMs(int64(f.outage[0])), inMs(int64(f.outage[1]))},
	}
	if f.takeover > 0 {
		t := inMs(int64(f.takeover))
		res.ExpectedTakeover = &t
	}
	if err := l.settle(ctx); err != nil {
		return res, err
	}
	in, err := l.act(ctx, f.node.Name, f.action)
	if err != nil {
		return res, fmt.Errorf("lab: %s: %w", f.title, err)
	}
	problem, err := l.watch(ctx, f, in)
	if err != nil {
		return res, err
	}
	res.Problem = problem
	broken := l.board.measure(in.at, now())
	res.Outage, res.Failed, res.Slow = inMs(broken.outage), broken.failed, broken.slow
	res.Gap = inMs(broken.gap)
	res.Master = strings.Join(l.board.holdersNow(), " and ")
	res.Takeover = l.board.takeover(in.at, f.node)

	repair, err := l.act(ctx, f.node.Name, f.undo)
	if err != nil {
		return res, fmt.Errorf("lab: undo %s: %w", f.title, err)
	}
	if err := l.settle(ctx); err != nil {
		return res, err
	}
	// The observer tells what it saw a little later.
	end := now()
	if err := l.until(ctx, func() bool { return l.board.seenUntil() >= end }); err != nil {
		return res, err
	}
	mended := l.board.measure(repair.at, end)
	res.RepairOutage, res.RepairFailed = inMs(mended.outage), mended.failed
	whole := l.board.measure(in.at, end)
	res.Double, res.Blind = inMs(whole.double), inMs(whole.blind)
	if res.Double > 0 {
		res.Problem = strings.TrimPrefix(res.Problem+fmt.Sprintf("; two nodes answered for the address for %.1f ms", res.Double), "; ")
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
		moved := !f.moves || l.board.heldByOtherThan(f.node.Name)
		if moved && l.board.servedFor(requestLimit+200*time.Millisecond) {
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
		err = fmt.Errorf("lab: %w within 45 s: %s", errNotSettled, missing)
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
		case n.web != unitRunning:
			return n.Name + "'s web server is " + n.web
		case !n.cable:
			return n.Name + "'s cable is out"
		case n.vrrp.State != want:
			return fmt.Sprintf("%s is %q, not %s", n.Name, n.vrrp.State, want)
		}
	}
	if h := b.holders(); len(h) != 1 || h[0] != b.nodes[0].Name {
		return fmt.Sprintf("answering for the address: %v", h)
	}
	if !b.served(requestLimit + 200*time.Millisecond) {
		return "the client is not served"
	}
	return ""
}

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
