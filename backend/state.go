package backend

import (
	"cmp"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/health"
)

// Servers' states change seldom and away from the loops: one mutex of the group (states) guards the health machines
// and the weights of all. What choices need is copied into atomics by settle.

// now is the clock of the health machines.
func (g *Group) now() health.Time { return health.Time(g.opts.Now()) }

// healthParams are a server's settings for its health machine.
func healthParams(g *config.ProxyGlobal, p *config.Proxy, s *config.Server) health.Params {
	c := &s.Check
	params := health.Params{Check: c.On, Rise: c.Rise, Fall: c.Fall, Inter: c.Inter, FastInter: c.FastInter,
		DownInter: c.DownInter,
		Spread:    g.SpreadChecks, LogChecks: p.Options.LogHealthChecks, Observe: health.Observe(c.Observe),
		ErrorLimit: c.ErrorLimit,
		OnError:    health.Reaction(c.OnError), SlowStart: s.SlowStart, Disabled: s.Disabled ||
			!s.Addr.IsValid() && s.Path == ""}
	if p.Check != nil {
		params.DisableOn404 = p.Check.DisableOn404
	}
	return params
}

// prepare gives a backend's servers their first state.
func (b *Backend) prepare() {
	g := b.group
	g.states.Lock()
	defer g.states.Unlock()
	for _, srv := range b.Servers {
		srv.weight = srv.Config.Weight
		srv.due = health.Never
		srv.health = health.New(healthParams(g.opts.Global, b.Config, srv.Config), g.now())
		if srv.Config.Check.On && slices.Contains(g.opts.Down, b.Config.Name+"/"+srv.Config.Name) {
			srv.health.Force(g.now(), health.Stopped, nil)
		}
	}
	b.chooser.init(b)
	b.settle()
}

// settle computes from the states which servers may be used, and rebuilds the table the loops choose from.
// states is held.
func (b *Backend) settle() {
	active, backup := 0, 0
	for _, srv := range b.Servers {
		ready := srv.health.Usable() && srv.weight > 0
		srv.up.Store(srv.health.Reachable())
		srv.weightShown.Store(int64(srv.weight))
		srv.ready.Store(ready)
		switch {
		case ready && srv.Config.Backup:
			backup++
		case ready:
			active++
		}
	}
	usable := int64(active)
	if active == 0 {
		usable = int64(backup)
	}
	first := true // of the backups
	for _, srv := range b.Servers {
		chosen := srv.ready.Load()
		if chosen && srv.Config.Backup {
			chosen = active == 0 && (first || b.Config.Options.AllBackups)
			first = false
		}
		srv.chosen.Store(chosen)
	}
	was := b.usableCount.Swap(usable)
	b.active, b.backups = active, backup
	now := time.Now()
	if b.settled && (was == 0) != (usable == 0) {
		b.since = now
		if usable == 0 {
			b.downs++
			b.downFrom = now
		} else if !b.downFrom.IsZero() {
			b.downTime += now.Sub(b.downFrom)
			b.downFrom = time.Time{}
		}
	}
	b.settled = true
	b.chooser.rebuild(b)
}

// input is what a health machine is told.
type input func(*health.Server, health.Time, []health.Effect) []health.Effect

// change is what an input came to, with what is left to be done.
type change struct {
	srv      *Server
	effects  []health.Effect
	arranged bool // the backend's servers anew
	lost     bool // the backend's last server
	sessions int  // on the server, as it changed
}

// tell gives an input to the server's health machine and does what follows.
func (srv *Server) tell(in input) {
	c := srv.decide(in)
	c.carryOut()
}

// decide gives an input to the server's health machine and lets the loops choose by what it says.
func (srv *Server) decide(in input) change {
	g, b := srv.Backend.group, srv.Backend
	now := g.now()
	g.states.Lock()
	defer g.states.Unlock()
	had := b.usableCount.Load() > 0
	c := change{srv: srv, effects: in(srv.health, now, nil)}
	for i := range c.effects {
		c.arranged = c.arranged || c.effects[i].Kind >= health.Changed
	}
	if c.arranged {
		c.sessions = int(srv.served.Load())
		b.settle()
	}
	c.lost = had && b.usableCount.Load() == 0
	srv.arm(now)
	return c
}

// carryOut writes the log and moves the queues after a change, and tells the servers that follow.
func (c *change) carryOut() {
	srv, b := c.srv, c.srv.Backend
	g := b.group
	for i := range c.effects {
		srv.effect(&c.effects[i], c.sessions)
	}
	if c.lost {
		g.opts.Log(severityEmergency, b.Config, health.NoServer(b.kind(), b.Config.Name))
	}
	if !c.arranged {
		return
	}
	b.offerAll()
	for _, f := range srv.followers {
		name := b.Config.Name + "/" + srv.Config.Name
		f.tell(func(h *health.Server, now health.Time, effects []health.Effect) []health.Effect {
			return h.Follow(now, srv.health, name, effects)
		})
	}
	if g.opts.Changed != nil {
		g.opts.Changed()
	}
}

// kind is what the log calls a section with servers.
func (b *Backend) kind() string {
	if b.Config.Front {
		return "proxy"
	}
	return "backend"
}

// arm sets the server's one timer to when its health machine wants to go on. states is held.
func (srv *Server) arm(now health.Time) {
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
	g := srv.Backend.group
	srv.timer = g.opts.After(time.Duration(deadline-now), func() {
		g.states.Lock()
		mine := srv.due == deadline
		if mine {
			srv.due = health.Never
		}
		g.states.Unlock()
		if mine {
			srv.tell((*health.Server).Tick)
		}
	})
}

const severityEmergency = 0

// effect carries out one effect: the queues move, the log is told.
func (srv *Server) effect(f *health.Effect, sessions int) {
	b, g := srv.Backend, srv.Backend.group
	counts := health.Counts{Sessions: sessions}
	if f.Down {
		counts.Requeued = srv.requeue()
		if srv.Config.OnMarkedDown {
			g.opts.Shutdown(srv, 'D')
		}
	}
	if f.Kind != health.Reweighted {
		g.states.Lock()
		counts.Active, counts.Backup = b.active, b.backups
		g.states.Unlock()
		b.mu.Lock()
		counts.Queued = b.queue.length
		b.mu.Unlock()
		names := health.Names{Backend: b.Config.Name, Server: srv.Config.Name, Backup: srv.Config.Backup}
		g.opts.Log(f.Severity, b.Config, string(f.Append(nil, names, counts)))
	}
	if f.Up {
		srv.offer()
		if srv.Config.OnMarkedUp {
			b.shutdownBackups()
		}
	}
}

// reweigh changes a server's weight.
func (srv *Server) reweigh(weight int) {
	g, b := srv.Backend.group, srv.Backend
	g.states.Lock()
	had := b.usableCount.Load() > 0
	srv.weight = weight
	b.settle()
	lost := had && b.usableCount.Load() == 0
	g.states.Unlock()
	if lost {
		g.opts.Log(severityEmergency, b.Config, health.NoServer(b.kind(), b.Config.Name))
	}
	b.offerAll()
	if g.opts.Changed != nil {
		g.opts.Changed()
	}
}

// Observe tells the health machine what traffic says of the server (observe): the very next request is not sent to a
// server that it takes to be down. Successes are only worth the mutex after a failure.
func (srv *Server) Observe(o health.Outcome) {
	if srv.Config.Check.Observe == config.ObserveNone {
		return
	}
	if (o == health.Connected || o == health.Answered) && !srv.erring.Load() {
		return
	}
	sooner := false
	c := srv.decide(func(h *health.Server, now health.Time, effects []health.Effect) []health.Effect {
		effects = h.Observed(now, o, effects)
		srv.erring.Store(h.Erring())
		sooner = h.Sooner()
		return effects
	})
	if sooner {
		select {
		case srv.sooner <- cmp.Or(srv.Config.Check.FastInter, srv.Config.Check.Inter):
		default:
		}
	}
	if len(c.effects) == 0 {
		return
	}
	// Away from the loop: what follows may log and move queues.
	select {
	case srv.Backend.group.changes <- c:
	default:
		go c.carryOut()
	}
}

// maxChanges is how many changes of state by traffic wait in order; further ones
// do not, and their lines in the log may change places.
const maxChanges = 1024

// shutdownBackups ends the streams of backup servers: an active one is there again.
func (b *Backend) shutdownBackups() {
	for _, srv := range b.Servers {
		if srv.Config.Backup {
			b.group.opts.Shutdown(srv, 'U')
		}
	}
}
