package backend

import (
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/counter"
	"github.com/evenkeel/evenkeel/health"
)

// Row gives the backend's figures.
func (b *Backend) Row(now time.Time) counter.Row {
	t := counter.Total(b.Counters, now.Unix())
	b.group.states.Lock()
	defer b.group.states.Unlock()
	r := counter.Row{Kind: counter.BackendRow, Proxy: b.Config, Name: "BACKEND", Mode: b.Config.Mode, IID: b.Config.ID,
		State: "UP"}
	r.Fill(&t, now)
	r.QueueNow, r.QueueMax = b.waiting(), b.queuedMax.Load()
	r.SessionsNow, r.SessionsMax, r.SessionsLimit = b.conns.Load(), b.connsMax.Load(), b.fullConn
	r.Active, r.Backup = b.active, b.backups
	warm := 0 // in sixteenths
	for _, srv := range b.Servers {
		if !srv.ready.Load() || srv.Config.Backup && b.active > 0 {
			continue
		}
		warm += srv.weight * srv.health.Warm()
		r.UserWeight += int64(srv.weight)
		if srv.Config.Backup && !b.Config.Options.AllBackups {
			break // the others stand behind it
		}
	}
	r.Weight = int64(warm+15) / 16
	if b.usableCount.Load() == 0 && len(b.Servers) > 0 {
		r.State = "DOWN"
	}
	r.DownTransitions, r.LastChange, r.DownTime = b.downs, now.Sub(b.since), b.downTime
	if !b.downFrom.IsZero() {
		r.DownTime += now.Sub(b.downFrom)
	}
	r.Cookie = b.Config.Cookie.Name
	r.Algorithm = algorithmNames[b.Config.Balance.Algorithm]
	return r
}

// algorithmNames are those of the statistics' algo field.
var algorithmNames = map[config.Algorithm]string{config.RoundRobin: "roundrobin", config.StaticRR: "static-rr",
	config.LeastConn: "leastconn", config.First: "first",
	config.Random: "random", config.SourceHash: "source", config.URIHash: "uri", config.URLParam: "url_param",
	config.HeaderHash: "hdr",
	config.ExprHash:   "hash", config.RDPCookie: "rdp-cookie"}

// Row gives the server's figures.
func (srv *Server) Row(now time.Time) counter.Row {
	t := counter.Total(srv.Counters, now.Unix())
	b, h := srv.Backend, srv.health
	b.group.states.Lock()
	defer b.group.states.Unlock()
	tick := b.group.now()
	r := counter.Row{Kind: counter.ServerRow, Proxy: b.Config, Config: srv.Config, Name: srv.Config.Name,
		Mode: b.Config.Mode, IID: b.Config.ID, SID: srv.Config.ID, State: h.StatusText()}
	r.Fill(&t, now)
	r.QueueNow, r.QueueMax, r.QueueLimit = srv.queuedNow.Load(), srv.queuedMax.Load(), int64(srv.Config.MaxQueue)
	r.SessionsNow, r.SessionsMax, r.SessionsLimit = srv.served.Load(), srv.servedMax.Load(), srv.maxConn.Load()
	r.UserWeight, r.Weight = int64(srv.weight), int64((srv.weight*h.Warm()+15)/16)
	if h.Warm() < 16 {
		r.Throttle = h.Warm() * 100 / 16
	}
	r.Maintenance, r.Draining = h.Admin() == health.Maint, h.Admin() == health.Drain
	if srv.Config.Backup {
		r.Backup = 1
	} else {
		r.Active = 1
	}
	last := h.Last()
	r.Check = counter.CheckStatus{On: srv.Config.Check.On, Code: -1, Duration: last.Duration, Text: last.Info,
		Describe: last.Status.String(), Rise: srv.Config.Check.Rise, Fall: srv.Config.Check.Fall, Health: h.Health()}
	if srv.Config.Check.On {
		r.Check.Status = last.Status.Code()
	}
	if last.Status.HasCode() {
		r.Check.Code = last.Code
	}
	r.CheckFailures, r.DownTransitions = int64(h.Failed), int64(h.Downs)
	r.LastChange, r.DownTime = h.Uptime(tick), h.Downtime(tick)
	if h.Admin() == health.Maint {
		r.Check.Health = 0
	}
	if srv.tracked != nil {
		if h.Admin() == health.Ready {
			r.State = srv.tracked.health.StatusText()
		}
		r.Tracked = srv.tracked.Backend.Config.Name + "/" + srv.tracked.Config.Name
	}
	r.Address, r.Cookie = srv.address(), srv.Config.Cookie
	r.IdleNow, r.InUse = srv.idle.Load(), srv.served.Load()
	return r
}
