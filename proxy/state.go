package proxy

import (
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/config"
)

// serverState is what decides whether a server is used. It is guarded by its backend's mutex; what
// the loops need of it is copied into atomics by settle.
type serverState struct {
	admin    AdminState
	running  bool // its checks, or nobody, say that it works
	stopping bool // its checks say: no new clients (disable-on-404)
	weight   int  // as configured or set, 0-256
	checks   bool // enabled
	forced   bool // health set by hand: checks count on from there

	last     CheckStatus
	changed  time.Time // last change of what is shown
	downFrom time.Time // zero while up
	downTime time.Duration
	downs    int64
	upSince  time.Time // for slowstart
}

// prepare gives a backend's servers their first state.
func (p *proxy) prepare() {
	now := p.engine.started
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, srv := range p.servers {
		s := &srv.state
		s.weight, s.running, s.checks = srv.cfg.Weight, true, srv.cfg.Check.On
		s.changed = now
		s.last = CheckStatus{On: srv.cfg.Check.On, Code: -1, Rise: srv.cfg.Check.Rise, Fall: srv.cfg.Check.Fall}
		if srv.cfg.Disabled || !srv.cfg.Addr.IsValid() && srv.cfg.Path == "" {
			s.admin = Maint
		}
	}
	p.chooser.init(p)
	p.settle(now)
}

// origin is the server whose state counts: the tracked one, or itself.
func (srv *server) origin() *server {
	for srv.tracked != nil {
		srv = srv.tracked
	}
	return srv
}

// settle computes from the states which servers may be used, and rebuilds the table the loops choose from. The mutex is held.
func (p *proxy) settle(now time.Time) {
	active, backup := int64(0), int64(0)
	for _, srv := range p.servers {
		s := &srv.state
		up := s.running && s.admin != Maint
		srv.up.Store(up)
		ready := up && s.admin == Ready && !s.stopping && s.weight > 0
		srv.ready.Store(ready)
		switch {
		case ready && srv.cfg.Backup:
			backup++
		case ready:
			active++
		}
		switch {
		case up && !s.downFrom.IsZero():
			s.downTime += now.Sub(s.downFrom)
			s.downFrom = time.Time{}
		case !up && s.downFrom.IsZero():
			s.downFrom = now
		}
	}
	if active == 0 && backup > 1 && !p.cfg.Options.AllBackups {
		backup = 1
	}
	usable := active
	if active == 0 {
		usable = backup
	}
	was := p.usableCount.Swap(usable)
	p.active, p.backups = int(active), int(backup)
	if (was == 0) != (usable == 0) {
		p.since = now
		if usable == 0 && p.settled {
			p.downs++
			p.downFrom = now
		} else if !p.downFrom.IsZero() {
			p.downTime += now.Sub(p.downFrom)
			p.downFrom = time.Time{}
		}
	}
	p.settled = true
	p.chooser.rebuild(p, now)
}

// change applies f to a server's state and everything that follows from it: followers, the table, the log, the queues.
func (srv *server) change(now time.Time, why string, f func(*serverState)) {
	srv.be.mu.Lock()
	before, wasUp := srv.state.status(srv), srv.up.Load()
	hadServers := srv.be.usableCount.Load() > 0
	f(&srv.state)
	srv.be.settle(now)
	after := srv.state.status(srv)
	if before != after {
		srv.state.changed = now
	}
	nowUp := srv.up.Load()
	text := ""
	if wasUp != nowUp || before != after && (after == "DRAIN" || before == "DRAIN" || after == "MAINT" || before == "MAINT" || after == "NOLB" || before == "NOLB") {
		text = srv.transition(before, after, wasUp, nowUp, why)
	}
	if wasUp && !nowUp {
		srv.state.downs++
	}
	lost := hadServers && srv.be.usableCount.Load() == 0
	srv.be.mu.Unlock()

	moved := 0
	if wasUp && !nowUp {
		moved = srv.requeue()
		if srv.cfg.OnMarkedDown {
			srv.shutdownSessions('D')
		}
	}
	if text != "" {
		srv.be.engine.report(srv.be, nowUp, fmt.Sprintf("%s. %s", text, srv.be.census(srv, moved)))
	}
	if lost {
		srv.be.engine.announce(severityEmergency, srv.be, fmt.Sprintf("backend %s has no server available!", srv.be.cfg.Name))
	}
	if !wasUp && nowUp {
		srv.offer()
		if srv.cfg.OnMarkedUp {
			srv.be.shutdownBackups()
		}
	}
	for _, f := range srv.followers {
		state := &srv.state
		f.change(now, "via "+srv.be.cfg.Name+"/"+srv.cfg.Name, func(s *serverState) {
			s.running, s.stopping = state.running && state.admin != Maint, state.stopping
		})
	}
	if e := srv.be.engine; e.opts.Changed != nil {
		e.opts.Changed()
	}
}

const severityEmergency = 0

// transition is the first part of the log line about a change of state.
func (srv *server) transition(before, after string, wasUp, nowUp bool, why string) string {
	name := srv.be.cfg.Name + "/" + srv.cfg.Name
	kind := "Server "
	if srv.cfg.Backup {
		kind = "Backup Server "
	}
	state := after
	switch {
	case srv.state.admin == Maint:
		state = "going DOWN for maintenance"
		return kind + name + " is " + state + reason(why)
	case srv.state.admin == Drain && before != "DRAIN":
		return kind + name + " enters drain state" + reason(why)
	case nowUp && !wasUp:
		if before == "MAINT" {
			return kind + name + " is UP/READY (leaving forced maintenance)" + reason(why)
		}
		return kind + name + " is UP" + reason(why)
	case !nowUp:
		return kind + name + " is DOWN" + reason(why)
	case srv.state.stopping:
		return kind + name + " is stopping" + reason(why)
	case before == "NOLB":
		return kind + name + " is UP" + reason(why)
	case before == "DRAIN":
		return kind + name + " is UP (leaving forced drain)" + reason(why)
	}
	return kind + name + " is " + state + reason(why)
}

func reason(why string) string {
	if why == "" {
		return ""
	}
	return ", " + why
}

// census is the second part: what is left.
func (p *proxy) census(srv *server, moved int) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := fmt.Sprintf("%d active and %d backup servers %s.", p.active, p.backups, map[bool]string{true: "online", false: "left"}[srv.up.Load()])
	if p.active == 0 && p.backups > 0 {
		text += " Running on backup."
	}
	return text + fmt.Sprintf(" %d sessions %s, %d requeued, %d remaining in queue.",
		srv.served.Load(), map[bool]string{true: "requeued", false: "active"}[srv.up.Load()], moved, p.queue.length)
}

// status is the text of the statistics' status field. The mutex is held.
func (s *serverState) status(srv *server) string {
	c := &s.last
	switch {
	case s.admin == Maint:
		return "MAINT"
	case srv.tracked != nil && !s.running:
		return "DOWN"
	case s.admin == Drain:
		return "DRAIN"
	case s.stopping:
		return "NOLB"
	case !srv.cfg.Check.On && srv.tracked == nil:
		return "no check"
	case s.running:
		if c.Health > 0 && c.Health < c.Rise+c.Fall-1 && c.Status != "" {
			return fmt.Sprintf("UP %d/%d", c.Health-c.Rise+1, c.Fall)
		}
		return "UP"
	case c.Health > 0:
		return fmt.Sprintf("DOWN %d/%d", c.Health, c.Rise)
	}
	return "DOWN"
}

// weight is the server's weight now, slowstart included.
func (srv *server) weight() int {
	srv.be.mu.Lock()
	defer srv.be.mu.Unlock()
	return srv.state.weight
}

// report logs a server's change of state where the reference does: to the backend's log targets.
func (e *Engine) report(p *proxy, up bool, text string) {
	severity := severityAlert
	if up {
		severity = severityNotice
	}
	e.announce(severity, p, text)
}

// announce logs a line that does not belong to a request.
func (e *Engine) announce(severity int, p *proxy, text string) {
	var cfg *config.Proxy
	if p != nil {
		cfg = p.cfg
	}
	e.opts.Log(severity, cfg, text)
}
