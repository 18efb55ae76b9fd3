package proxy

import (
	"time"

	"github.com/evenkeel/evenkeel/counter"
	"github.com/evenkeel/evenkeel/sample"
)

// noServer stands for a server in logs when none was chosen.
const noServer = "<NOSRV>"

// Severities of syslog (RFC 5424 §6.2.1) used for traffic.
const (
	severityAlert   = 1
	severityError   = 3
	severityWarning = 4
	severityInfo    = 6
)

// log writes the request's line, once, and adds its figures to the statistics.
func (s *stream) log() {
	if s.logged {
		return
	}
	s.logged = true
	s.figures()
	if s.fe.http && s.status < 0 {
		s.countStatus(0) // it ends without an answer
	}
	s.write(false)
}

// logEarly writes the line before the data has passed (option logasap).
func (s *stream) logEarly() {
	if s.fe.cfg.Options.LogASAP && !s.logged && !s.early {
		s.early = s.write(true)
	}
}

// write writes the request's line, unless it was written early; it says whether it did.
func (s *stream) write(early bool) bool {
	if s.early && !early {
		return false
	}
	cfg := s.fe.cfg
	if len(cfg.Log) == 0 || s.logLevel < 0 {
		return false
	}
	failed := s.cause != '-' && s.cause != 'L' || s.status >= 500 || s.retries > 0 || s.redispatched
	if cfg.Options.DontLogNormal && !failed {
		return false
	}
	severity := severityInfo
	if failed && cfg.Options.LogSeparateErrors {
		severity = severityError
	}
	if s.logLevel > 0 {
		severity = int(s.logLevel)
	}
	c := s.core
	var line []byte
	if cfg.LogFormat == nil {
		line = s.plainLine()
	} else {
		x := s.context(sample.Log)
		s.partial = early || cfg.Options.LogASAP
		line = cfg.LogFormat.Append(c.scratch[:0], x)
	}
	if s.why != "" {
		// Differs from HAProxy: the reason why a message was refused stands in the log, not only in "show errors".
		line = append(append(append(line, " ("...), s.why...), ')')
	}
	s.front().LogLines.Add(1)
	c.logs.Add(c.routes[s.fe.index], severity, c.loop.Wall(), line)
	return true
}

// plainLine is what a proxy without a log format writes.
func (s *stream) plainLine() []byte {
	b := append(s.core.scratch[:0], "Connect from "...)
	b = appendAddr(b, s.source)
	b = append(b, " to "...)
	b = appendAddr(b, s.destination())
	b = append(append(b, " ("...), s.fe.cfg.Name...)
	if s.fe.http {
		return append(b, "/HTTP)"...)
	}
	return append(b, "/TCP)"...)
}

// milliseconds between two points of a stream's life; -1 if the later one was not reached.
func milliseconds(from, to time.Duration) int64 {
	if to == none || from == none {
		return -1
	}
	return int64(to/time.Millisecond) - int64(from/time.Millisecond)
}

// times of a request in milliseconds, as the log names them.
type times struct{ ti, tR, tw, tc, tr, td, ta, tt int64 }

func (s *stream) times() times {
	now := s.core.now()
	t := times{tR: -1, tw: -1, tc: -1, tr: -1, td: -1}
	t.ti = milliseconds(s.idleFrom, s.began)
	t.tR = milliseconds(s.began, s.headAt)
	t.tw = milliseconds(s.headAt, s.queueAt)
	if s.status >= 0 || !s.fe.http || s.connectedAt != none {
		t.tc = milliseconds(s.queueAt, s.connectedAt)
	}
	if s.stage == 'T' { // as the reference counts a tarpit
		t.tR, t.tw = -1, milliseconds(s.headAt, now)
	}
	t.tr = milliseconds(s.connectedAt, s.responseAt)
	if s.gotHead {
		t.td = milliseconds(s.responseAt, now)
	}
	t.ta = milliseconds(s.began, now)
	t.tt = milliseconds(s.idleFrom, now)
	if !s.fe.http {
		t.tt = t.ta
	}
	return t
}

// figures adds the request to the averages and byte counts of the statistics.
func (s *stream) figures() {
	t := s.times()
	front := s.front()
	in := max(s.toServer, s.headSize)
	front.BytesIn.Add(in)
	front.BytesOut.Add(s.toClient)
	if !s.counted {
		return
	}
	all := [2]*counter.Set{s.back(), nil}
	if s.srv != nil {
		all[1] = &s.srv.Counters[s.core.id]
	}
	for _, c := range all {
		if c == nil {
			continue
		}
		c.BytesIn.Add(in)
		c.BytesOut.Add(s.toClient)
		if s.srv != nil {
			c.QueueTime.Add(t.tw)
			c.ConnectTime.Add(t.tc)
			c.ResponseTime.Add(t.tr)
			c.TotalTime.Add(t.ta)
		}
	}
}

// Record gives the aliases of formats their values.
func (s *stream) Record(r *sample.Record) {
	c := s.core
	e := c.engine
	t := s.times()
	r.Frontend, r.FrontendTransport = s.fe.cfg.Name, s.fe.cfg.Name
	r.Backend, r.Server = s.be.cfg.Name, noServer
	if s.srv != nil {
		r.Server = s.srv.Config.Name
	} else if s.applet != nil || s.fromStats {
		r.Server = "<STATS>"
	}
	r.Bind = s.listener.bind.cfg.Name
	r.Client, r.Dest = s.source, s.destination()
	r.ClientIP, r.ClientPort = s.spell()
	r.UnixBind, r.BindID = s.listener.path, s.listener.bind.cfg.ID
	r.Accepted, r.Begun = s.accepted, s.begunWall
	r.Th, r.Ti, r.TR, r.Tw, r.Tc, r.Tr, r.Td, r.Ta, r.Tt, r.Tu = 0, t.ti, t.tR, t.tw, t.tc, t.tr, t.td, t.ta, t.tt,
		t.tt-max(t.ti, 0)
	r.Status = s.status
	r.BytesToClient, r.BytesToServer = s.toClient, max(s.toServer, s.headSize)
	r.Active, r.FrontendConns = int(e.conns.Load()), int(s.fe.conns.Load())
	r.BackendConns, r.ServerConns = 0, 0
	if s.counted {
		r.BackendConns = int(s.be.back.Conns()) - 1
	}
	if s.srv != nil {
		r.ServerConns = int(s.srv.Served())
		if s.slot {
			r.ServerConns--
		}
	}
	r.Retries, r.Redispatched = s.retries, s.redispatched
	r.ServerQueue, r.BackendQueue = s.srvQueue, s.beQueue
	r.Termination = [4]byte{s.cause, s.stage, s.reqCookie, s.resCookie}
	s.fillLine(r)
	r.Bad = s.bad && s.versionEnd == 0
	r.RequestCookie, r.SetCookie = s.text(s.cookieReq), s.text(s.cookieRes)
	// A request that was not understood has none, not empty ones.
	for i, p := range s.captured {
		if i < len(s.fe.cfg.Captures.Request) {
			r.RequestCaptures = append(r.RequestCaptures, s.text(p))
		} else {
			r.ResponseCaptures = append(r.ResponseCaptures, s.text(p))
		}
	}
	r.Counter, r.LogCounter = s.serial, s.fe.linesLogged()
	r.Partial = s.partial
	if s.answeredIn != 0 {
		r.ResponseVersion = [...]string{"1.0", "1.1"}[s.answeredIn-1]
	}
	r.Host, r.PID = e.host, e.pid
	r.BackendSource, r.BackendDest = s.ownAddr, s.serverAddress()
}

// UniqueID makes the request's unique ID when somebody first asks for it (unique-id-format).
func (s *stream) UniqueID(x *sample.Context) []byte {
	if format := s.fe.cfg.UniqueID; format != nil && !s.uniqueID.there && !s.naming {
		s.naming = true // the format may name the ID itself, which is empty there
		from := len(s.line)
		s.line = format.Append(s.line, x)
		s.naming = false
		for from < len(s.line) && s.line[from] == ' ' { // of "%{+X}o %ci", say
			from++
		}
		s.uniqueID = span{from, len(s.line), true}
	}
	return s.text(s.uniqueID)
}
