package lvs

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/lvs/pool"
	"github.com/evenkeel/evenkeel/lvs/table"
	"github.com/evenkeel/evenkeel/spelling"
)

// result takes the end of an attempt.
func (ctl *controller) result(r result) {
	ctl.checks.running--
	t := r.task
	t.running = false
	if t.gone {
		ctl.checks.wake()
		return
	}
	r.outcome.Reason = spelling.Visible(r.outcome.Reason)
	t.last, t.ran = r.outcome, time.Now()
	counts, next := t.cadence.Result(r.outcome.OK)
	ctl.checks.finished(t, next)
	s, v := t.server, t.server.virtual
	if v.suspended {
		return
	}
	ctl.logOutcome(t, counts)
	if !counts {
		return
	}
	was := s.cfg.Weight
	events := v.pool.Passed(s.index, t.index, r.outcome.OK)
	if r.outcome.HasWeight {
		add := r.outcome.Weight
		if t.cfg.Kind == config.CheckerMisc {
			add -= was
		}
		events = append(events, v.pool.Adjust(s.index, t.index, add)...)
	}
	ctl.handle(v, events)
}

// logOutcome says what a check found: the first failure of a row that counts, each with
// log_all_failures, and the success after it.
func (ctl *controller) logOutcome(t *task, counts bool) {
	s, v := t.server, t.server.virtual
	switch {
	case !t.last.OK && (counts && !t.logged || t.cfg.LogAll || ctl.cfg.LogAllFailures):
		t.logged = counts || t.logged
		ctl.logf(Info, "%s on %s of VS %s failed: %s", t.cfg.Kind, serviceName(s), v.title, t.last.Reason)
	case t.last.OK && t.logged:
		t.logged = false
		ctl.logf(Info, "%s on %s of VS %s succeeded", t.cfg.Kind, serviceName(s), v.title)
	}
}

// serviceName is how Keepalived names a real server: [192.0.2.1]:tcp:80.
func serviceName(s *server) string { return endpoint(s.cfg, s.virtual.cfg) }

func endpoint(rs *config.RealServer, vs *config.VirtualServer) string {
	return socketName(vs.Keys[0].Protocol, rs.Addr)
}

func socketName(p table.Protocol, a netip.AddrPort) string {
	name := "none"
	if p != 0 {
		name = strings.ToLower(p.String())
	}
	return fmt.Sprintf("[%s]:%s:%d", a.Addr(), name, a.Port())
}

// title is how Keepalived names a virtual server: like a real one, or as it is written.
func title(vs *config.VirtualServer) string {
	if k := vs.Keys[0]; len(vs.Keys) == 1 && k.Mark == 0 {
		return socketName(k.Protocol, k.Addr)
	}
	return vs.Name
}

// tell logs events, runs their programs and has the table written.
func (ctl *controller) handle(v *virtual, events []pool.Event) {
	if len(events) == 0 {
		return
	}
	ctl.reconciler.dirty[v] = true
	ctl.notify(v, events)
}

// announce logs events and runs their programs.
func (ctl *controller) notify(v *virtual, events []pool.Event) {
	for _, e := range events {
		switch e.Kind {
		case pool.ServerUp, pool.ServerDown:
			ctl.tellServer(v, v.servers[e.Server], e.Kind == pool.ServerUp)
		case pool.ServerStays:
			ctl.notifyServer(v, v.servers[e.Server], false)
		case pool.Weight:
			weight, _ := v.pool.Entry(e.Server)
			ctl.logf(Notice, "Changing weight of %s of VS %s to %d", serviceName(v.servers[e.Server]), v.title, weight)
		case pool.QuorumUp:
			ctl.logf(Notice, "Gained quorum %d+%d=%d <= %d for VS %s", v.cfg.Quorum, v.cfg.Hysteresis, e.Threshold,
				e.Live, v.title)
			if v.cfg.Sorry != nil && !e.First {
				ctl.logf(Notice, "Removing sorry server %s from VS %s", endpoint(v.cfg.Sorry, v.cfg), v.title)
			}
			ctl.scripts.Add(v.cfg.Name, v.cfg.QuorumUp, ctl.global)
		case pool.QuorumDown, pool.QuorumMissing:
			if e.Kind == pool.QuorumDown {
				ctl.logf(Notice, "Lost quorum %d-%d=%d > %d for VS %s", v.cfg.Quorum, v.cfg.Hysteresis, e.Threshold,
					e.Live, v.title)
			} else {
				ctl.logf(Notice, "Starting with quorum down %d+%d=%d > %d for VS %s", v.cfg.Quorum, v.cfg.Hysteresis,
					e.Threshold, e.Live, v.title)
			}
			if v.cfg.Sorry != nil {
				ctl.logf(Notice, "Adding sorry server %s to VS %s", endpoint(v.cfg.Sorry, v.cfg), v.title)
			}
			ctl.scripts.Add(v.cfg.Name, v.cfg.QuorumDown, ctl.global)
		}
	}
}

func (ctl *controller) tellServer(v *virtual, s *server, up bool) {
	inhibit := s.cfg.InhibitOnFailure
	verb := map[[2]bool]string{{true, false}: "Adding", {true, true}: "Enabling", {false, false}: "Removing",
		{false, true}: "Disabling"}[[2]bool{up, inhibit}]
	to := "from"
	if up {
		to = "to"
	}
	ctl.logf(Notice, "%s service %s %s VS %s", verb, serviceName(s), to, v.title)
	ctl.notifyServer(v, s, up)
}

func (ctl *controller) notifyServer(v *virtual, s *server, up bool) {
	c := s.cfg.NotifyDn
	if up {
		c = s.cfg.NotifyUp
	}
	ctl.scripts.Add(v.cfg.Name, c, ctl.global)
}
