package proxy

import (
	"time"

	"github.com/evenkeel/evenkeel/counter"
)

// Status implements Commands. It may be called from any goroutine.
func (e *Engine) Status() Status {
	now := time.Now()
	st := Status{Info: e.info(now)}
	for _, p := range e.proxies {
		if p.cfg.Disabled {
			continue
		}
		if p.cfg.Front {
			st.Rows = append(st.Rows, p.frontRow(now))
		}
		for _, srv := range p.back.Servers {
			st.Rows = append(st.Rows, srv.Row(now))
		}
		if p.cfg.Back {
			st.Rows = append(st.Rows, p.back.Row(now))
		}
	}
	return st
}

func (e *Engine) info(now time.Time) Info {
	g := &e.cfg.Global
	i := Info{PID: e.pid, Started: e.started, Threads: len(e.cores), MaxConn: e.maxConn.Load(),
		CurrentConns: e.conns.Load(),
		MaxConnSeen:  e.maxSeen.Load(), Node: g.Node, Description: g.Description,
		Draining: e.draining.Load()}
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
	r := counter.Row{Kind: counter.FrontendRow, Proxy: p.cfg, Name: "FRONTEND", Mode: p.cfg.Mode, IID: p.cfg.ID,
		State: "OPEN"}
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
