package lvs

import (
	"context"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/config"
)

// scriptLimit ends a notify program that hangs, so that later ones are not lost.
const scriptLimit = 60 * time.Second

// scripts runs notify programs: for each virtual server one after the other, in the order of
// the changes, none left out.
type scripts struct {
	engine  *Engine
	ctx     context.Context
	cancel  context.CancelFunc
	mu      sync.Mutex
	queues  map[string][]notice
	pending sync.WaitGroup
}

type notice struct {
	command config.Command
	global  config.Global
}

func newScripts(e *Engine) *scripts {
	s := &scripts{engine: e, queues: map[string][]notice{}}
	// Not the engine's context: at the end the last programs still run.
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// run adds a program to a virtual server's queue and returns at once.
func (s *scripts) run(queue string, c config.Command, g config.Global) {
	if !c.Defined() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending.Add(1)
	waiting, running := s.queues[queue]
	s.queues[queue] = append(waiting, notice{c, g})
	if !running {
		go s.work(queue)
	}
}

func (s *scripts) work(queue string) {
	for {
		s.mu.Lock()
		if len(s.queues[queue]) == 0 {
			delete(s.queues, queue)
			s.mu.Unlock()
			return
		}
		next := s.queues[queue][0]
		s.queues[queue] = s.queues[queue][1:]
		s.mu.Unlock()
		if err := s.engine.opts.Run(s.ctx, next.command, next.global, scriptLimit); err != nil {
			s.engine.opts.Log(Warning, "VS "+queue+": notify script "+next.command.Argv[0]+": "+err.Error())
		}
		s.pending.Done()
	}
}

// wait returns when every queue is empty; what runs for too long is ended.
func (s *scripts) wait() {
	done := make(chan struct{})
	go func() { s.pending.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(lastScripts):
		s.cancel()
	}
	s.cancel()
}

// lastScripts is how long the end waits for notify programs.
const lastScripts = 10 * time.Second
