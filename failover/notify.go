package failover

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/script"
	"github.com/evenkeel/evenkeel/vrrp"
)

// notifyTimeout ends a notify script that hangs, so that later ones are not lost.
const notifyTimeout = 60 * time.Second

// newNotifier makes the queues of notify scripts: one for each instance and group.
func newNotifier(e *Engine) *script.Queues {
	return script.NewQueues(
		func(ctx context.Context, c config.Command, g config.Global) error {
			return e.runProgram(ctx, c, g, notifyTimeout)
		},
		func(name string, c config.Command, err error) {
			e.opts.Log(LevelWarning, fmt.Sprintf("(%s) notify script %s %s", name, c.Argv[0], failure(err)))
		})
}

// tell queues the scripts for a change: the one for the state first, then the
// general one with its four arguments (Keepalived starts both at once).
func (r *router) tell(kind, name string, n *config.Notify, state string, priority uint8) {
	global := r.site.Global
	queue := name
	if kind == "GROUP" {
		queue = "group " + name
	}
	specific := map[string]config.Command{"MASTER": n.Master, "BACKUP": n.Backup, "FAULT": n.Fault,
		"STOP": n.Stop}[state]
	r.engine.notify.Add(queue, specific, global)
	if n.Any.Defined() {
		c := n.Any
		c.Argv = append(c.Argv[:len(c.Argv):len(c.Argv)], kind, name, state, strconv.Itoa(int(priority)))
		r.engine.notify.Add(queue, c, global)
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
