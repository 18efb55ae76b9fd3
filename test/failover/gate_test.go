package failover

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var trials = flag.Int("trials", 30, "times each gate fault is played; `make test-long` plays more")

// gateFault is a way for the master's process to fail without cleaning up.
type gateFault struct {
	name  string
	gated bool
	trial func(t testing.TB, p *pair)
}

var gateFaults = []gateFault{
	{"SIGKILL", true, func(t testing.TB, p *pair) {
		p.a.kill()
		p.taken(t)
		p.a.start()
	}},
	{"SIGSTOP", true, func(t testing.TB, p *pair) {
		p.a.signal(syscall.SIGSTOP)
		p.taken(t)
		p.a.kill()
		p.a.start()
	}},
	{"SIGSTOP, SIGCONT after takeover", true, func(t testing.TB, p *pair) {
		p.a.signal(syscall.SIGSTOP)
		p.taken(t)
		p.a.signal(syscall.SIGCONT)
	}},
	{"SIGKILL, no gate", false, func(t testing.TB, p *pair) {
		p.a.kill()
		p.taken(t)
		p.a.start()
	}},
	{"SIGSTOP, SIGCONT, no gate", false, func(t testing.TB, p *pair) {
		p.a.signal(syscall.SIGSTOP)
		p.taken(t)
		p.a.signal(syscall.SIGCONT)
	}},
}

// taken waits until the backup has taken over and for a while longer, in which
// two masters would be seen.
func (p *pair) taken(t testing.TB) {
	t.Helper()
	eventually(t, p.dialect.down(100)+slack, "the backup takes over", func() bool { return p.b.has(p.dialect.vip()) })
	time.Sleep(150*time.Millisecond + rand.N(150*time.Millisecond))
}

// gateWorkers is how many pairs are tried at the same time.
const gateWorkers = 6

// A gateRow is what was seen of one fault.
type gateRow struct {
	n      int
	double []time.Duration
	gap    []time.Duration
}

type gateResults struct {
	mu   sync.Mutex
	rows []gateRow // as gateFaults
}

func (r *gateResults) add(i int, double, gap time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rows[i].n++
	r.rows[i].double = append(r.rows[i].double, double)
	r.rows[i].gap = append(r.rows[i].gap, gap)
}

// TestGateAgainstKeepalived ends or freezes our master in the ways no program can
// clean up after, with a stock Keepalived as backup, and lets a third machine ask
// every half millisecond who answers. With the gate nobody ever answers twice;
// without it, the same observer sees two masters.
func TestGateAgainstKeepalived(t *testing.T) {
	needReference(t)
	if testing.Short() {
		t.Skip("plays hundreds of takeovers")
	}
	r := gateResults{rows: make([]gateRow, len(gateFaults))}
	t.Run("trials", func(t *testing.T) {
		for worker := range gateWorkers {
			t.Run(fmt.Sprint(worker), func(t *testing.T) { r.trials(t, worker) })
		}
	})
	r.report(t)
}

// trials plays a share of the faults on a pair.
func (r *gateResults) trials(t *testing.T, worker int) {
	t.Parallel()
	d := dialects[2]
	p := newPair(t, d, ours, ref, 150, 100)
	gated := p.a.conf
	// It gets to hear us on a busy machine too: as long as it has not, it answers, and we cannot know.
	p.b.conf = "global_defs {\n    vrrp_rt_priority 1\n    vrrp_rlimit_rttime 1000000\n}\n" + p.b.conf
	p.b.start()
	w := p.watch(t)
	for i, f := range gateFaults {
		conf := gated
		count := *trials
		if !f.gated {
			conf = d.conf(1, 150, "lease_gate off")
			count = max(*trials/10, 1) // a baseline
		}
		p.a.stop()
		p.a.conf = conf
		p.a.start()
		for n := worker; n < count; n += gateWorkers {
			p.master(t, p.a, 3*d.down(100)+slack)
			time.Sleep(50*time.Millisecond + rand.N(100*time.Millisecond))
			from := now()
			f.trial(t, p)
			p.master(t, p.a, 3*d.down(150)+slack)
			double, gap := w.totals(from, now())
			r.add(i, double, gap)
			if f.gated && double > 0 {
				t.Errorf("%s: two masters for %v\n%s", f.name, double, p.a.log)
			}
		}
	}
}

// report prints the table; a baseline in which nothing is seen proves nothing.
func (r *gateResults) report(t *testing.T) {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "%-34s %5s %16s %16s %14s %14s\n", "fault of our master (adverts 100 ms)", "n", "double max (ms)",
		"double mean (ms)", "nobody p50", "nobody p99")
	for i, f := range gateFaults {
		row := &r.rows[i]
		if row.n == 0 {
			continue
		}
		slices.Sort(row.double)
		slices.Sort(row.gap)
		var sum time.Duration
		for _, d := range row.double {
			sum += d
		}
		fmt.Fprintf(&b, "%-34s %5d %16.1f %16.1f %14.1f %14.1f\n", f.name, row.n,
			inMS(row.double[row.n-1]), inMS(sum)/float64(row.n), inMS(row.gap[row.n/2]), inMS(row.gap[row.n*99/100]))
		if !f.gated && sum == 0 {
			t.Errorf("%s: the observer saw no second master where there is one", f.name)
		}
	}
	t.Logf("\n%s", b.String())
}

func inMS(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
