package backend

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/health"
)

// CheckTarget is a server to be probed.
type CheckTarget struct {
	Proxy  *config.Proxy
	Server *config.Server
	srv    *Server
}

// CheckTargets lists the servers that are probed: not those that track another, nor those of a section that does not
// run.
func (g *Group) CheckTargets() []CheckTarget {
	var all []CheckTarget
	for _, srv := range g.Servers {
		if srv.Config.Check.On && srv.tracked == nil && !srv.Backend.Config.Disabled {
			all = append(all, CheckTarget{srv.Backend.Config, srv.Config, srv})
		}
	}
	return all
}

// Report takes a probe's result.
func (t CheckTarget) Report(r health.Result) {
	t.srv.tell(func(h *health.Server, now health.Time, effects []health.Effect) []health.Effect {
		return h.Checked(now, r, effects)
	})
}

// Next is the time from a probe's end to the next one, and whether the server is to be probed at all now.
func (t CheckTarget) Next(random uint64) (wait time.Duration, wanted bool) {
	g := t.srv.Backend.group
	g.states.Lock()
	defer g.states.Unlock()
	return t.srv.health.NextCheck(random), t.srv.health.Checking()
}

// Sooner says that the next probe should come sooner: this long from now.
func (t CheckTarget) Sooner() <-chan time.Duration { return t.srv.sooner }

// Moved gives a value when the server's address has changed.
func (t CheckTarget) Moved() <-chan struct{} { return t.srv.moved }

// Addr is where the server is now.
func (t CheckTarget) Addr() netip.AddrPort { return t.srv.Addr() }

// State is what http-check send-state tells a server of itself.
func (t CheckTarget) State() string {
	srv := t.srv
	srv.Backend.group.states.Lock()
	state := srv.health.StatusText()
	srv.Backend.group.states.Unlock()
	addr := srv.Addr()
	return fmt.Sprintf("%s; address=%s; port=%d; name=%s/%s; node=%s; weight=%d/%d; scur=%d/%d; qcur=%d", state,
		addr.Addr(), addr.Port(), srv.Backend.Config.Name, srv.Config.Name, srv.Backend.group.opts.Host,
		srv.Weight(), srv.Config.Weight, srv.served.Load(), srv.Backend.conns.Load(), srv.queuedNow.Load())
}
