package proxy

import (
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/counter"
	"github.com/evenkeel/evenkeel/health"
)

// Status implements Commands. It may be called from any goroutine.
func (e *Engine) Status() Status {
	now := time.Now()
	st := Status{Info: e.info(now)}
	for _, p := range e.proxies {
		if p.cfg.Front {
			st.Rows = append(st.Rows, p.frontRow(now))
		}
		for _, srv := range p.servers {
			st.Rows = append(st.Rows, srv.row(now))
		}
		if p.cfg.Back {
			st.Rows = append(st.Rows, p.backRow(now))
		}
	}
	return st
}

func (e *Engine) info(now time.Time) Info {
	g := &e.cfg.Global
	i := Info{PID: e.pid, Started: e.started, Threads: len(e.cores), MaxConn: e.maxConn.Load(), CurrentConns: e.conns.Load(),
		MaxConnSeen: e.maxSeen.Load(), Node: g.Node, Description: g.Description}
	i.DroppedLogs = e.opts.Syslog.Dropped()
	for _, p := range e.proxies {
		sum := counter.Total(p.front, now.Unix())
		i.Connections += sum.Connections
		i.Requests += sum.Requests
		i.ConnRate += sum.ConnectionRate
		i.SessRate += sum.Rate
		i.ConnRateMax = max(i.ConnRateMax, sum.ConnectionRateMax)
		i.SessRateMax = max(i.SessRateMax, sum.RateMax)
		i.BytesIn += sum.BytesIn
		i.BytesOut += sum.BytesOut
		i.Listeners += len(p.cfg.Binds)
	}
	return i
}

func (p *proxy) frontRow(now time.Time) counter.Row {
	t := counter.Total(p.front, now.Unix())
	r := counter.Row{Kind: counter.FrontendRow, Proxy: p.cfg, Name: "FRONTEND", Mode: p.cfg.Mode, IID: p.cfg.ID, State: "OPEN"}
	r.Fill(&t, now)
	r.SessionsNow, r.SessionsMax, r.SessionsLimit = p.conns.Load(), p.connsMax.Load(), p.maxConn.Load()
	if r.SessionsLimit == 0 {
		r.SessionsLimit = p.engine.maxConn.Load()
	}
	r.RateLimit = p.rateLimit.Load()
	switch {
	case p.stopped.Load():
		r.State = "STOP"
	case p.paused.Load():
		r.State = "PAUSED"
	case r.SessionsLimit > 0 && r.SessionsNow >= r.SessionsLimit:
		r.State = "FULL"
	}
	return r
}

func (p *proxy) backRow(now time.Time) counter.Row {
	t := counter.Total(p.back, now.Unix())
	p.engine.states.Lock()
	defer p.engine.states.Unlock()
	r := counter.Row{Kind: counter.BackendRow, Proxy: p.cfg, Name: "BACKEND", Mode: p.cfg.Mode, IID: p.cfg.ID, State: "UP"}
	r.Fill(&t, now)
	r.QueueNow, r.QueueMax = p.waiting(), p.queuedMax.Load()
	r.SessionsNow, r.SessionsMax, r.SessionsLimit = p.beConns.Load(), p.beConnsMax.Load(), p.fullConn
	r.Active, r.Backup = p.active, p.backups
	warm := 0 // in sixteenths
	for _, srv := range p.servers {
		if srv.ready.Load() && (!srv.cfg.Backup || p.active == 0) {
			warm += srv.weight * srv.health.Warm()
			r.UserWeight += int64(srv.weight)
		}
	}
	r.Weight = int64(warm+15) / 16
	if p.usableCount.Load() == 0 && len(p.servers) > 0 {
		r.State = "DOWN"
	}
	r.DownTransitions, r.LastChange, r.DownTime = p.downs, now.Sub(p.since), p.downTime
	if !p.downFrom.IsZero() {
		r.DownTime += now.Sub(p.downFrom)
	}
	r.Cookie = p.cfg.Cookie.Name
	r.Algorithm = algorithmNames[p.cfg.Balance.Algorithm]
	return r
}

// algorithmNames are those of the statistics' algo field.
var algorithmNames = map[config.Algorithm]string{config.RoundRobin: "roundrobin", config.StaticRR: "static-rr", config.LeastConn: "leastconn", config.First: "first",
	config.Random: "random", config.SourceHash: "source", config.URIHash: "uri", config.URLParam: "url_param", config.HeaderHash: "hdr",
	config.ExprHash: "hash", config.RDPCookie: "rdp-cookie"}

func (srv *server) row(now time.Time) counter.Row {
	t := counter.Total(srv.shards, now.Unix())
	p, h := srv.be, srv.health
	p.engine.states.Lock()
	defer p.engine.states.Unlock()
	tick := instant()
	r := counter.Row{Kind: counter.ServerRow, Proxy: p.cfg, Config: srv.cfg, Name: srv.cfg.Name, Mode: p.cfg.Mode, IID: p.cfg.ID, SID: srv.cfg.ID, State: h.StatusText()}
	r.Fill(&t, now)
	r.QueueNow, r.QueueMax, r.QueueLimit = srv.queuedNow.Load(), srv.queuedMax.Load(), int64(srv.cfg.MaxQueue)
	r.SessionsNow, r.SessionsMax, r.SessionsLimit = srv.served.Load(), srv.servedMax.Load(), srv.maxConn.Load()
	r.UserWeight, r.Weight = int64(srv.weight), int64((srv.weight*h.Warm()+15)/16)
	if h.Warm() < 16 {
		r.Throttle = h.Warm() * 100 / 16
	}
	r.Running, r.Maintenance, r.Draining = h.Operation() != health.Stopped, h.Admin() == health.Maint, h.Admin() == health.Drain
	if srv.cfg.Backup {
		r.Backup = 1
	} else {
		r.Active = 1
	}
	last := h.Last()
	r.Check = counter.CheckStatus{On: srv.cfg.Check.On, Code: -1, Duration: last.Duration, Text: last.Info,
		Describe: last.Status.String(), Rise: srv.cfg.Check.Rise, Fall: srv.cfg.Check.Fall, Health: h.Health(), Failures: int64(h.Failed)}
	if srv.cfg.Check.On {
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
		r.Tracked = srv.tracked.be.cfg.Name + "/" + srv.tracked.cfg.Name
	}
	r.Address, r.Cookie = srv.address(), srv.cfg.Cookie
	r.IdleNow, r.InUse = srv.idle.Load(), srv.served.Load()
	return r
}

// waiting is how many streams wait for any server of the backend.
func (p *proxy) waiting() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return int64(p.queue.length)
}
