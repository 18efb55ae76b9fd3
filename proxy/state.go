package proxy

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/health"
	"github.com/evenkeel/evenkeel/linux/loop"
)

// Servers' states change seldom and away from the loops: one mutex of the engine (states) guards the health machines
// and the weights of all. What the loops need is copied into atomics by settle.

// instant is the clock of the health machines: the loops'.
func instant() health.Time { return health.Time(loop.Tick()) }

// healthParams are a server's settings for its health machine.
func healthParams(g *config.ProxyGlobal, p *config.Proxy, s *config.Server) health.Params {
	c := &s.Check
	params := health.Params{Check: c.On, Rise: c.Rise, Fall: c.Fall, Inter: c.Inter, FastInter: c.FastInter, DownInter: c.DownInter,
		Spread: g.SpreadChecks, LogChecks: p.Options.LogHealthChecks, Observe: health.Observe(c.Observe), ErrorLimit: c.ErrorLimit,
		OnError: health.Reaction(c.OnError), SlowStart: s.SlowStart, Disabled: s.Disabled || !s.Addr.IsValid() && s.Path == ""}
	if p.Check != nil {
		params.DisableOn404 = p.Check.DisableOn404
	}
	return params
}

// prepare gives a backend's servers their first state.
func (p *proxy) prepare() {
	e := p.engine
	e.states.Lock()
	defer e.states.Unlock()
	for _, srv := range p.servers {
		srv.weight = srv.cfg.Weight
		srv.due = health.Never
		srv.health = health.New(healthParams(&e.cfg.Global, p.cfg, srv.cfg), instant())
		if srv.cfg.Check.On && slices.Contains(e.opts.Down, p.cfg.Name+"/"+srv.cfg.Name) {
			srv.health.Force(instant(), health.Stopped, nil)
		}
	}
	p.chooser.init(p)
	p.settle()
}

// settle computes from the states which servers may be used, and rebuilds the table the loops choose from.
// states is held.
func (p *proxy) settle() {
	active, backup := 0, 0
	for _, srv := range p.servers {
		ready := srv.health.Usable() && srv.weight > 0
		srv.up.Store(srv.health.Reachable())
		srv.weightShown.Store(int64(srv.weight))
		srv.ready.Store(ready)
		switch {
		case ready && srv.cfg.Backup:
			backup++
		case ready:
			active++
		}
	}
	usable := int64(active)
	if active == 0 {
		usable = int64(backup)
	}
	was := p.usableCount.Swap(usable)
	p.active, p.backups = active, backup
	now := time.Now()
	if p.settled && (was == 0) != (usable == 0) {
		p.since = now
		if usable == 0 {
			p.downs++
			p.downFrom = now
		} else if !p.downFrom.IsZero() {
			p.downTime += now.Sub(p.downFrom)
			p.downFrom = time.Time{}
		}
	}
	p.settled = true
	p.chooser.rebuild(p)
}

// tell gives an input to the server's health machine and does what follows.
func (srv *server) tell(input func(*health.Server, health.Time, []health.Effect) []health.Effect) {
	e, p := srv.be.engine, srv.be
	now := instant()
	e.states.Lock()
	had := p.usableCount.Load() > 0
	effects := input(srv.health, now, nil)
	changed := false
	for i := range effects {
		changed = changed || effects[i].Kind >= health.Changed
	}
	if changed {
		p.settle()
	}
	lost := had && p.usableCount.Load() == 0
	srv.arm(now)
	e.states.Unlock()

	for i := range effects {
		srv.effect(&effects[i])
	}
	if lost {
		e.announce(severityEmergency, p, health.NoServer(p.cfg.Name))
	}
	if !changed {
		return
	}
	for _, f := range srv.followers {
		name := p.cfg.Name + "/" + srv.cfg.Name
		f.tell(func(h *health.Server, now health.Time, effects []health.Effect) []health.Effect {
			return h.Follow(now, srv.health, name, effects)
		})
	}
	if e.opts.Changed != nil {
		e.opts.Changed()
	}
}

// arm sets the server's one timer to when its health machine wants to go on. states is held.
func (srv *server) arm(now health.Time) {
	deadline := srv.health.Deadline()
	if deadline == srv.due {
		return
	}
	if srv.timer != nil {
		srv.timer.Stop()
		srv.timer = nil
	}
	if srv.due = deadline; deadline == health.Never {
		return
	}
	e := srv.be.engine
	srv.timer = e.after(time.Duration(deadline-now), func() {
		e.states.Lock()
		mine := srv.due == deadline
		if mine {
			srv.due = health.Never
		}
		e.states.Unlock()
		if mine {
			srv.tell((*health.Server).Tick)
		}
	})
}

const severityEmergency = 0

// effect carries out one effect: the queues move, the log is told.
func (srv *server) effect(f *health.Effect) {
	p, e := srv.be, srv.be.engine
	var counts health.Counts
	if f.Down {
		counts.Requeued = srv.requeue()
		if srv.cfg.OnMarkedDown {
			srv.shutdownSessions('D')
		}
	}
	if f.Kind != health.Reweighted {
		e.states.Lock()
		counts.Active, counts.Backup = p.active, p.backups
		e.states.Unlock()
		p.mu.Lock()
		counts.Queued = p.queue.length
		p.mu.Unlock()
		counts.Sessions = int(srv.served.Load())
		names := health.Names{Backend: p.cfg.Name, Server: srv.cfg.Name, Backup: srv.cfg.Backup}
		e.announce(f.Severity, p, string(f.Append(nil, names, counts)))
	}
	if f.Up {
		srv.offer()
		if srv.cfg.OnMarkedUp {
			p.shutdownBackups()
		}
	}
}

// reweigh changes a server's weight.
func (srv *server) reweigh(weight int) {
	e := srv.be.engine
	e.states.Lock()
	srv.weight = weight
	srv.be.settle()
	e.states.Unlock()
	srv.offer()
	if e.opts.Changed != nil {
		e.opts.Changed()
	}
}

// observe tells the health machine what traffic says of the server (observe). Successes are only worth the
// mutex after a failure.
func (srv *server) observe(o health.Outcome) {
	if srv.cfg.Check.Observe == config.ObserveNone {
		return
	}
	failed := o != health.Connected && o != health.Answered
	if !failed && !srv.erring.Load() {
		return
	}
	srv.erring.Store(failed)
	// Away from the loop: what follows may log and move queues.
	select {
	case srv.be.engine.observed <- observation{srv, o}:
	default: // so many failures wait to be told already that one more says nothing new, and the next success is worth telling
		srv.erring.Store(true)
	}
}

// observation is what traffic says of a server.
type observation struct {
	srv *server
	o   health.Outcome
}

// maxObserved is how many of them wait at most.
const maxObserved = 1024

// heed tells the health machines what traffic says of servers, one after the other, until the engine ends.
func (e *Engine) heed() {
	for {
		select {
		case x := <-e.observed:
			x.srv.heed(x.o)
		case <-e.ended:
			return
		}
	}
}

func (srv *server) heed(o health.Outcome) {
	srv.tell(func(h *health.Server, now health.Time, effects []health.Effect) []health.Effect {
		return h.Observed(now, o, effects)
	})
	srv.be.engine.states.Lock()
	hurry := srv.health.Hurry()
	srv.be.engine.states.Unlock()
	if hurry {
		select {
		case srv.hurry <- cmp.Or(srv.cfg.Check.FastInter, srv.cfg.Check.Inter):
		default:
		}
	}
}

// announce logs a line that does not belong to a request: to the log targets of its proxy, and to the process's own
// log.
func (e *Engine) announce(severity int, p *proxy, text string) {
	e.opts.Log(severity, p.cfg, text)
}

// CheckTarget is a server to be probed.
type CheckTarget struct {
	Proxy  *config.Proxy
	Server *config.Server
	srv    *server
}

// CheckTargets lists the servers that are probed; those that track another are not.
func (e *Engine) CheckTargets() []CheckTarget {
	var all []CheckTarget
	for _, srv := range e.servers {
		if srv.cfg.Check.On && srv.tracked == nil {
			all = append(all, CheckTarget{srv.be.cfg, srv.cfg, srv})
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

// Next is the time from one probe's start to the next, and whether the server is to be probed at all now.
func (t CheckTarget) Next(random uint64) (wait time.Duration, wanted bool) {
	e := t.srv.be.engine
	e.states.Lock()
	defer e.states.Unlock()
	return t.srv.health.NextCheck(random), t.srv.health.Checking()
}

// Hurry says that the next probe should come sooner: this long after the start of the last one.
func (t CheckTarget) Hurry() <-chan time.Duration { return t.srv.hurry }

// Moved gives a value when the server's address has changed.
func (t CheckTarget) Moved() <-chan struct{} { return t.srv.moved }

// Addr is where the server is now.
func (t CheckTarget) Addr() netip.AddrPort { return *t.srv.addr.Load() }

// State is what http-check send-state tells a server of itself.
func (t CheckTarget) State() string {
	srv := t.srv
	srv.be.engine.states.Lock()
	state := srv.health.StatusText()
	srv.be.engine.states.Unlock()
	return fmt.Sprintf("%s; name=%s/%s; node=%s; weight=%d/%d; scur=%d/%d; qcur=%d", state, srv.be.cfg.Name, srv.cfg.Name, srv.be.engine.host,
		srv.weightNow(), srv.cfg.Weight, srv.served.Load(), srv.be.beConns.Load(), srv.queuedNow.Load())
}
