package failover

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/vrrp"
)

// notifyTimeout ends a notify script that hangs, so that later ones are not lost.
const notifyTimeout = 60 * time.Second

// notifier runs notify scripts: for each instance and group one after the other,
// in the order of the changes, none left out.
type notifier struct {
	engine  *Engine
	mu      sync.Mutex
	queues  map[string][]notice
	pending sync.WaitGroup
	ctx     context.Context
	cancel  context.CancelFunc
}

type notice struct {
	command config.Command
	global  config.Global
}

func newNotifier(e *Engine) *notifier {
	n := &notifier{engine: e, queues: map[string][]notice{}}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	return n
}

// enqueue adds a program to the queue of one instance or group and returns at once.
func (n *notifier) enqueue(queue string, c config.Command, global config.Global) {
	if !c.Defined() {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pending.Add(1)
	waiting, running := n.queues[queue]
	n.queues[queue] = append(waiting, notice{c, global})
	if !running {
		go n.work(queue)
	}
}

func (n *notifier) work(queue string) {
	for {
		n.mu.Lock()
		if len(n.queues[queue]) == 0 {
			delete(n.queues, queue)
			n.mu.Unlock()
			return
		}
		next := n.queues[queue][0]
		n.queues[queue] = n.queues[queue][1:]
		n.mu.Unlock()
		if err := n.engine.runProgram(n.ctx, next.command, next.global, notifyTimeout); err != nil {
			n.engine.opts.Log(LevelWarning, fmt.Sprintf("(%s) notify script %s %s", queue, next.command.Argv[0], failure(err)))
		}
		n.pending.Done()
	}
}

// wait returns when every queue is empty, or ends what still runs when ctx ends.
func (n *notifier) wait(ctx context.Context) error {
	done := make(chan struct{})
	go func() { n.pending.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		n.cancel()
		return fmt.Errorf("notify scripts were still running: %w", ctx.Err())
	}
}

// tell queues the scripts for a change: the one for the state first, then the
// general one with its four arguments (Keepalived starts both at once).
func (r *router) tell(kind, name string, n *config.Notify, state string, priority uint8) {
	global := r.site.Global
	queue := name
	if kind == "GROUP" {
		queue = "group " + name
	}
	specific := map[string]config.Command{"MASTER": n.Master, "BACKUP": n.Backup, "FAULT": n.Fault, "STOP": n.Stop}[state]
	r.engine.notify.enqueue(queue, specific, global)
	if n.Any.Defined() {
		c := n.Any
		c.Argv = append(c.Argv[:len(c.Argv):len(c.Argv)], kind, name, state, strconv.Itoa(int(priority)))
		r.engine.notify.enqueue(queue, c, global)
	}
}

// group is a sync group as people see it: one state for all members.
type group struct {
	cfg     *config.SyncGroup
	members []*instance
	state   vrrp.State
}

// judge follows a member's change: the group is master when all are, and in
// fault when one is.
func (r *router) judge(g *group) {
	state := vrrp.Master
	var priority uint8
	for _, m := range g.members {
		priority = m.priority
		switch {
		case m.state == vrrp.Stopped:
			state = vrrp.Stopped
		case m.state == vrrp.Fault && state != vrrp.Stopped:
			state = vrrp.Fault
		case m.state == vrrp.Init && state != vrrp.Fault && state != vrrp.Stopped:
			state = vrrp.Init
		case m.state == vrrp.Backup && state == vrrp.Master:
			state = vrrp.Backup
		}
	}
	if state == g.state || state == vrrp.Init {
		return
	}
	g.state = state
	r.logf(LevelNotice, "VRRP_Group(%s) Entering %v STATE", g.cfg.Name, state)
	r.tell("GROUP", g.cfg.Name, &g.cfg.Notify, state.String(), priority)
}
