package lvs

import (
	"container/heap"
	"math/rand/v2"
	"reflect"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/lvs/pool"
)

// mostChecks is how many checks may be on their way at once. More wait their turn: each holds a
// socket, and a thousand answers at once are as much as a node should have to handle.
const mostChecks = 1000

// task is one checker of one real server with its turn.
type task struct {
	server    *server
	index     int // in its server
	cfg       *config.Checker
	cadence   pool.Cadence
	due       time.Time
	heapIndex int // in the heap; -1: not waiting
	running   bool
	gone      bool // not configured any more: the result of a running check is dropped
	last      Outcome
	ran       time.Time // end of the last attempt
	logged    bool      // its failure has been logged
}

func newTask(s *server, index int, c *config.Checker) *task {
	return &task{server: s, index: index, cfg: c, heapIndex: -1,
		cadence: pool.Cadence{Interval: c.Interval, Delay: c.RetryDelay, Retry: c.Retry}}
}

// adoptTasks carries the turns of an older server's checkers over to those of s that say the
// same, and tells which is which.
func adoptTasks(s, old *server) []int {
	from := make([]int, len(s.checks))
	taken := make([]bool, len(old.checks))
	for i, t := range s.checks {
		from[i] = -1
		for j, o := range old.checks {
			if !taken[j] && alike(t.cfg, o.cfg) {
				taken[j] = true
				from[i] = j
				t.cadence, t.due, t.last, t.ran, t.logged = o.cadence, o.due, o.last, o.ran, o.logged
				break
			}
		}
	}
	return from
}

// alike compares checkers but for where they are written.
func alike(a, b *config.Checker) bool {
	x, y := *a, *b
	x.Pos, y.Pos = config.Position{}, config.Position{}
	x.Command.Pos, y.Command.Pos = config.Position{}, config.Position{}
	return reflect.DeepEqual(x, y)
}

// result is the end of an attempt.
type result struct {
	task    *task
	outcome Outcome
}

// schedule starts checks when they are due.
type schedule struct {
	engine  *Engine
	waiting queue
	running int
	timer   *time.Timer
	results chan result
	stopped bool
}

func newSchedule(e *Engine) schedule {
	return schedule{engine: e, timer: time.NewTimer(time.Hour), results: make(chan result, mostChecks)}
}

// add plans the checks of a virtual server. Those that were planned before keep their turn; new
// ones wait a random part of their warmup, so that they do not all begin at once.
func (s *schedule) add(v *virtual, _ *config.LVS) {
	for _, server := range v.servers {
		for _, t := range server.checks {
			if t.due.IsZero() {
				warmup := t.cfg.Warmup
				if warmup < 0 {
					warmup = t.cfg.Interval
				}
				t.due = time.Now()
				if warmup > 0 {
					t.due = t.due.Add(rand.N(warmup))
				}
			}
			heap.Push(&s.waiting, t)
		}
	}
	s.wake()
}

// forget drops the tasks of the old configuration: their successors are planned anew.
func (s *schedule) forget(old, _ []*virtual) {
	for _, v := range old {
		for _, server := range v.servers {
			for _, t := range server.checks {
				t.gone = true
			}
		}
	}
	s.waiting = s.waiting[:0]
}

// runNow makes the checks of a virtual server due now.
func (s *schedule) runNow(v *virtual) {
	for _, server := range v.servers {
		for _, t := range server.checks {
			if t.heapIndex >= 0 {
				t.due = time.Now()
				heap.Fix(&s.waiting, t.heapIndex)
			}
		}
	}
	s.wake()
}

func (s *schedule) wake() {
	if len(s.waiting) > 0 && !s.stopped {
		s.timer.Reset(max(0, time.Until(s.waiting[0].due)))
	}
}

// launch starts every check that is due, as many as may run at once.
func (s *schedule) launch() {
	now := time.Now()
	for len(s.waiting) > 0 && s.running < mostChecks && !s.waiting[0].due.After(now) {
		t := heap.Pop(&s.waiting).(*task)
		if t.server.virtual.suspended {
			t.due = now.Add(max(t.cfg.Interval, time.Second))
			heap.Push(&s.waiting, t)
			continue
		}
		t.running = true
		s.running++
		go func() {
			v := s.engine.opts.Attempt(s.engine.ctx, t.cfg, t.server.cfg)
			select {
			case s.results <- result{t, v}:
			case <-s.engine.ctx.Done():
			}
		}()
	}
	if s.running < mostChecks {
		s.wake()
	}
}

// finished takes an ended attempt back.
func (s *schedule) finished(t *task, next time.Duration) {
	t.due = time.Now().Add(next)
	if !s.stopped {
		heap.Push(&s.waiting, t)
		s.wake()
	}
}

func (s *schedule) stop() {
	s.stopped = true
	s.waiting = s.waiting[:0]
	s.timer.Stop()
}

// queue is a heap of tasks by when they are due.
type queue []*task

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].due.Before(q[j].due) }
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].heapIndex, q[j].heapIndex = i, j
}

func (q *queue) Push(x any) {
	t := x.(*task)
	t.heapIndex = len(*q)
	*q = append(*q, t)
}

func (q *queue) Pop() any {
	old := *q
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	t.heapIndex = -1
	return t
}
