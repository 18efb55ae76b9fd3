package proxy

import (
	"sync/atomic"
	"time"

	"github.com/evenkeel/evenkeel/config"
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
		sum := total(p.front, now.Unix())
		i.Connections += sum.connections
		i.Requests += sum.requests
		i.ConnRate += sum.connectionRate
		i.SessRate += sum.rate
		i.ConnRateMax = max(i.ConnRateMax, sum.connectionRateMax)
		i.SessRateMax = max(i.SessRateMax, sum.rateMax)
		i.BytesIn += sum.bytesIn
		i.BytesOut += sum.bytesOut
		i.Listeners += len(p.cfg.Binds)
	}
	return i
}

// sums are counters added up over the cores.
type sums struct {
	connections, sessions, requests, bytesIn, bytesOut int64
	deniedRequests, deniedResponses, deniedConnections int64
	failedRequests, failedConnections, failedResponses int64
	retries, redispatches, clientAborts, serverAborts  int64
	intercepted, selected, connects, reuses            int64
	codes                                              [6]int64
	lastSession                                        int64
	rate, rateMax, connectionRate, connectionRateMax   int64
	requestRate, requestRateMax                        int64
	times, timesMax                                    [4]int64
}

func total(shards []counters, now int64) (t sums) {
	var weighed, count [4]int64
	for i := range shards {
		c := &shards[i]
		for _, pair := range [...]struct {
			to   *int64
			from *atomic.Int64
		}{{&t.connections, &c.connections}, {&t.sessions, &c.sessions}, {&t.requests, &c.requests}, {&t.bytesIn, &c.bytesIn}, {&t.bytesOut, &c.bytesOut},
			{&t.deniedRequests, &c.deniedRequests}, {&t.deniedResponses, &c.deniedResponses}, {&t.deniedConnections, &c.deniedConnections},
			{&t.failedRequests, &c.failedRequests}, {&t.failedConnections, &c.failedConnections}, {&t.failedResponses, &c.failedResponses},
			{&t.retries, &c.retries}, {&t.redispatches, &c.redispatches}, {&t.clientAborts, &c.clientAborts}, {&t.serverAborts, &c.serverAborts},
			{&t.intercepted, &c.intercepted}, {&t.selected, &c.selected}, {&t.connects, &c.connects}, {&t.reuses, &c.reuses}} {
			*pair.to += pair.from.Load()
		}
		for k := range t.codes {
			t.codes[k] += c.codes[k].Load()
		}
		t.lastSession = max(t.lastSession, c.lastSession.Load())
		t.rate += c.rate.at(now)
		t.rateMax += c.rate.max.Load()
		t.connectionRate += c.connectionRate.at(now)
		t.connectionRateMax += c.connectionRate.max.Load()
		t.requestRate += c.requestRate.at(now)
		t.requestRateMax += c.requestRate.max.Load()
		for k, a := range [4]*average{&c.queueTime, &c.connectTime, &c.responseTime, &c.totalTime} {
			weighed[k] += a.sum.Load()
			count[k] += a.n.Load()
			t.timesMax[k] = max(t.timesMax[k], a.max.Load())
		}
	}
	for k := range t.times {
		if count[k] > 0 {
			t.times[k] = (weighed[k] + count[k]/2) / count[k]
		}
	}
	return t
}

// clear forgets maxima, and with all also what was counted.
func (c *counters) clear(all bool) {
	for _, r := range [...]*rate{&c.rate, &c.connectionRate, &c.requestRate} {
		r.max.Store(0)
	}
	for _, a := range [...]*average{&c.queueTime, &c.connectTime, &c.responseTime, &c.totalTime} {
		a.max.Store(0)
		if all {
			a.sum.Store(0)
			a.n.Store(0)
		}
	}
	if !all {
		return
	}
	for _, v := range [...]*atomic.Int64{&c.connections, &c.sessions, &c.requests, &c.bytesIn, &c.bytesOut, &c.deniedRequests, &c.deniedResponses,
		&c.deniedConnections, &c.failedRequests, &c.failedConnections, &c.failedResponses, &c.retries, &c.redispatches, &c.clientAborts,
		&c.serverAborts, &c.intercepted, &c.selected, &c.connects, &c.reuses} {
		v.Store(0)
	}
	for i := range c.codes {
		c.codes[i].Store(0)
	}
}

// fill copies what all kinds of rows have.
func (r *Row) fill(t *sums, now time.Time) {
	r.SessionsTotal, r.BytesIn, r.BytesOut = t.sessions, t.bytesIn, t.bytesOut
	r.DeniedRequests, r.DeniedResponses, r.DeniedConnections = t.deniedRequests, t.deniedResponses, t.deniedConnections
	r.FailedRequests, r.FailedConnections, r.FailedResponses = t.failedRequests, t.failedConnections, t.failedResponses
	r.Retries, r.Redispatches = t.retries, t.redispatches
	r.ClientAborts, r.ServerAborts, r.Intercepted = t.clientAborts, t.serverAborts, t.intercepted
	r.Selected, r.Connects, r.Reuses, r.Codes = t.selected, t.connects, t.reuses, t.codes
	r.Rate, r.RateMax = t.rate, t.rateMax
	r.ConnRate, r.ConnRateMax, r.ConnTotal = t.connectionRate, t.connectionRateMax, t.connections
	r.ReqRate, r.ReqRateMax, r.ReqTotal = t.requestRate, t.requestRateMax, t.requests
	r.QueueTime, r.ConnectTime, r.ResponseTime, r.TotalTime = t.times[0], t.times[1], t.times[2], t.times[3]
	r.QueueTimeMax, r.ConnectTimeMax, r.ResponseTimeMax, r.TotalTimeMax = t.timesMax[0], t.timesMax[1], t.timesMax[2], t.timesMax[3]
	r.LastSession = -1
	if t.lastSession > 0 {
		r.LastSession = now.Sub(time.Unix(t.lastSession, 0)).Truncate(time.Second)
	}
	r.Throttle = -1
}

func (p *proxy) frontRow(now time.Time) Row {
	t := total(p.front, now.Unix())
	r := Row{Kind: FrontendRow, Proxy: p.cfg, Name: "FRONTEND", Mode: p.cfg.Mode, IID: p.cfg.ID, State: "OPEN"}
	r.fill(&t, now)
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

func (p *proxy) backRow(now time.Time) Row {
	t := total(p.back, now.Unix())
	p.engine.states.Lock()
	defer p.engine.states.Unlock()
	r := Row{Kind: BackendRow, Proxy: p.cfg, Name: "BACKEND", Mode: p.cfg.Mode, IID: p.cfg.ID, State: "UP"}
	r.fill(&t, now)
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

func (srv *server) row(now time.Time) Row {
	t := total(srv.shards, now.Unix())
	p, h := srv.be, srv.health
	p.engine.states.Lock()
	defer p.engine.states.Unlock()
	tick := instant()
	r := Row{Kind: ServerRow, Proxy: p.cfg, Config: srv.cfg, Name: srv.cfg.Name, Mode: p.cfg.Mode, IID: p.cfg.ID, SID: srv.cfg.ID, State: h.StatusText()}
	r.fill(&t, now)
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
	r.Check = CheckStatus{On: srv.cfg.Check.On, Code: -1, Duration: last.Duration, Text: last.Info,
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
