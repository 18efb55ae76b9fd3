package launcher

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/lab/board"
	"github.com/evenkeel/evenkeel/lab/measure"
	"github.com/evenkeel/evenkeel/lab/site"
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
	Held   *site.Held `json:"held,omitempty"`
	Double float64    `json:"double_master_ms"`  // over fault and repair, see measure.Double
	Gap    float64    `json:"address_gap_ms"`    // nobody answered for the address
	Blind  float64    `json:"observer_blind_ms"` // the observer did not get to run
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
	res := expected(f)
	if err := l.settle(ctx); err != nil {
		return res, err
	}
	// A real server that fails takes its own connections along, a director must not.
	holding := l.site.LVS != nil && !strings.HasPrefix(f.name, serverFault)
	if holding {
		if _, err := l.ask(ctx, "client", site.Message{Kind: "fetch", Path: site.HoldBegin}); err != nil {
			return res, fmt.Errorf("lab: long connections: %w", err)
		}
		time.Sleep(site.ToldWithin)
	}
	before := l.board.Proxies()
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
		m, err := l.ask(ctx, "client", site.Message{Kind: "fetch", Path: site.HoldEnd})
		if err != nil {
			return res, fmt.Errorf("lab: long connections: %w", err)
		}
		res.Held = m.Held
	}
	broken := l.board.Measure(in.At, site.Now())
	res.Outage, res.Failed, res.Slow = measure.Millis(broken.Outage), broken.Failed, broken.Slow
	res.Gap = measure.Millis(broken.Gap)
	res.Master = strings.Join(l.board.HoldersNow(), " and ")
	if node, ok := l.site.Node(f.host); ok {
		res.Takeover = l.board.Takeover(in.At, node)
	}
	repair, err := l.act(ctx, f.host, f.undo)
	if err != nil {
		return res, fmt.Errorf("lab: undo %s: %w", f.title, err)
	}
	if err := l.settle(ctx); err != nil {
		return res, fmt.Errorf("%w\n%s could not be undone", err, f.title)
	}
	// The observer tells what it saw a little later.
	end := site.Now()
	if err := l.until(ctx, func() bool { return l.board.SeenUntil() >= end }); err != nil {
		return res, err
	}
	if after := l.board.Proxies(); after != nil && before != nil {
		retries, redispatches := after.Retries-before.Retries, after.Redispatches-before.Redispatches
		res.Retries, res.Redispatches = &retries, &redispatches
	}
	l.conclude(&res, f, in.At, repair.At, end)
	return res, nil
}

// expected is a result with nothing but what the fault leads one to expect.
func expected(f fault) Result {
	res := Result{
		Fault: f.name, Node: f.host, Title: f.title, Formula: f.formula,
	}
	if !f.partial {
		res.ExpectedOutage = &[2]float64{measure.Millis(int64(f.outage[0])), measure.Millis(int64(f.outage[1]))}
	}
	if f.failed >= 0 {
		res.ExpectedFailed = &f.failed
	}
	if f.takeover > 0 {
		t := measure.Millis(int64(f.takeover))
		res.ExpectedTakeover = &t
	}
	return res
}

// conclude fills in what is known when a fault, begun at in and undone at repair, is over, and judges it.
func (l *lab) conclude(res *Result, f fault, in, repair, end int64) {
	// Requests that hung when the fault was undone have ended now.
	broken := l.board.Measure(in, repair)
	res.Outage, res.Failed, res.Slow = measure.Millis(broken.Outage), broken.Failed, broken.Slow
	c := l.board.Tally(in, repair)
	res.Asked, res.Served, res.Statuses, res.Reasons, res.Longest = c.Asked, c.Served, c.Statuses, c.Reasons, c.Longest
	mended := l.board.Measure(repair, end)
	res.RepairOutage, res.RepairFailed = measure.Millis(mended.Outage), mended.Failed
	whole := l.board.Measure(in, end)
	res.Double, res.Blind = measure.Millis(whole.Double), measure.Millis(whole.Blind)
	complain := func(text string) { res.Problem = strings.TrimPrefix(res.Problem+"; "+text, "; ") }
	if res.Double > 0 {
		complain(fmt.Sprintf("two nodes answered for the address for %.1f ms", res.Double))
	}
	if res.Held != nil && res.Held.Survived() != "" {
		complain(res.Held.Survived())
	}
	if f.leaves && l.board.ServedBy(f.host, repair-int64(time.Second), repair) {
		complain("it was still asked in the end")
	}
	if f.stays && l.board.Takeover(in, l.site.Nodes[0]) != nil {
		complain("the address moved")
	}
	res.OK = res.Problem == ""
}

// watch waits until a fault has had its effect and the client is served again. The problem is
// what went otherwise than it should.
func (l *lab) watch(ctx context.Context, f fault, in *board.Incident) (problem string, err error) {
	least := in.At + int64(f.watch)
	most := least + int64(20*time.Second)
	err = l.until(ctx, func() bool {
		at := site.Now()
		if at < least {
			return false
		}
		if f.partial {
			return true // it does not get better by itself
		}
		moved := !f.moves || l.board.HeldByOtherThan(f.host)
		if moved && l.board.ServedFor(board.ServedStretch) {
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
	limit := site.Now() + int64(45*time.Second)
	missing := ""
	err := l.until(ctx, func() bool {
		missing = l.board.Unsettled()
		return missing == "" || site.Now() > limit
	})
	if err == nil && missing != "" {
		err = fmt.Errorf("lab: %w within 45 s: %s%s", errNotSettled, missing, l.board.LastLines())
	}
	return err
}

// until looks at the site after every change until done says so.
func (l *lab) until(ctx context.Context, done func() bool) error {
	for {
		changed := l.board.Change()
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
