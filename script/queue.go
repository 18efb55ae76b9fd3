package script

import (
	"context"
	"fmt"
	"sync"

	"github.com/evenkeel/evenkeel/config"
)

// Queues run programs that are told of changes: for each name one after the other, in the order in which
// they were added, none left out.
type Queues struct {
	run    func(context.Context, config.Command, config.Global) error
	failed func(name string, c config.Command, err error)

	mu      sync.Mutex
	waiting map[string][]job
	pending sync.WaitGroup
	ctx     context.Context
	cancel  context.CancelFunc
}

type job struct {
	command config.Command
	global  config.Global
}

// NewQueues makes empty queues. run carries one program out and must end it when its context does or it takes too
// long; failed is told of errors. Both are called on goroutines of their own.
func NewQueues(run func(context.Context, config.Command, config.Global) error,
	failed func(name string, c config.Command, err error)) *Queues {
	q := &Queues{run: run, failed: failed, waiting: map[string][]job{}}
	q.ctx, q.cancel = context.WithCancel(context.Background())
	return q
}

// Add puts a program at the end of the queue called name and returns at once. A command that is not
// defined is nothing.
func (q *Queues) Add(name string, c config.Command, g config.Global) {
	if !c.Defined() {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.pending.Add(1)
	waiting, running := q.waiting[name]
	q.waiting[name] = append(waiting, job{c, g})
	if !running {
		go q.work(name)
	}
}

func (q *Queues) work(name string) {
	for {
		q.mu.Lock()
		if len(q.waiting[name]) == 0 {
			delete(q.waiting, name)
			q.mu.Unlock()
			return
		}
		next := q.waiting[name][0]
		q.waiting[name] = q.waiting[name][1:]
		q.mu.Unlock()
		if err := q.run(q.ctx, next.command, next.global); err != nil {
			q.failed(name, next.command, err)
		}
		q.pending.Done()
	}
}

// Wait returns when every queue is empty, or ends what still runs when ctx ends.
func (q *Queues) Wait(ctx context.Context) error {
	done := make(chan struct{})
	go func() { q.pending.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		q.cancel()
		return fmt.Errorf("notify scripts were still running: %w", ctx.Err())
	}
}
