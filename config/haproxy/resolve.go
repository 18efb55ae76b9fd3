package haproxy

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/sample"
	"github.com/evenkeel/evenkeel/sample/logformat"
)

// proxying decides what could not be decided line by line, and gives the model.
func (r *reader) proxying() *config.Proxying {
	g := &r.global
	if g.nbproc > 0 && g.Threads == 0 {
		g.Threads = g.nbproc
	}
	g.Log = r.logTargets(g.logTargets)
	out := &config.Proxying{Global: g.ProxyGlobal}
	out.Global.Environment = r.environment()
	out.Global.UserPos, out.Global.GroupPos = g.user.pos, g.group.pos
	r.number()
	for _, d := range r.proxies {
		r.finish(d)
		out.Proxies = append(out.Proxies, d.proxy)
	}
	for _, d := range r.proxies {
		if !d.proxy.Disabled {
			r.links(d)
		}
	}
	for _, d := range r.proxies {
		r.tracks(d)
	}
	r.named()
	r.listens()
	return out
}

// number gives proxies, servers and listeners the numbers HAProxy gives them: each takes the
// next one that no id claims, and one that has an id uses up a turn.
func (r *reader) number() {
	next := 1
	if len(r.global.StatsSockets) > 0 {
		next = 2 // the first is the proxy behind the sockets
	}
	taken := make(map[int]bool)
	for _, d := range r.proxies {
		taken[d.proxy.ID] = true
	}
	for _, d := range r.proxies {
		assign(&d.proxy.ID, &next, taken)
		servers, listeners := make(map[int]bool), make(map[int]bool)
		for _, s := range d.servers {
			servers[s.ID] = true
		}
		for _, b := range d.proxy.Binds {
			listeners[b.ID] = true
		}
		nextServer, nextListener := 1, 1
		for _, s := range d.servers {
			assign(&s.ID, &nextServer, servers)
		}
		for _, b := range d.proxy.Binds {
			assign(&b.ID, &nextListener, listeners)
		}
	}
}

func assign(id, next *int, taken map[int]bool) {
	if *id == 0 {
		for taken[*next] {
			*next++
		}
		*id = *next
	}
	*next++
}

// logTargets gives the targets of log lines. Those without a format have none or the host's
// name in their header, by log-send-hostname.
func (r *reader) logTargets(lines []*logLine) []config.LogTarget {
	var all []config.LogTarget
	for _, l := range lines {
		t := l.LogTarget
		if !l.framed {
			t.Format = config.LogLocal
			if r.global.LogSendHost {
				t.Format = config.RFC3164
			}
		}
		all = append(all, t)
	}
	return all
}

// finish completes one proxy by itself.
func (r *reader) finish(d *draft) {
	p := d.proxy
	r.draft = d
	p.Disabled = d.disabled
	p.Log = r.logTargets(d.logLines)
	p.Rules.HTTPRequest = append(p.Rules.HTTPRequest, d.redirects...)
	t := &p.Timeouts
	if t.Queue == 0 {
		t.Queue = t.Connect
	}
	if t.Tarpit == 0 {
		t.Tarpit = t.Connect
	}
	if t.HTTPKeepAlive == 0 {
		t.HTTPKeepAlive = t.HTTPRequest
	}
	r.modes(d)
	r.formats(d)
	r.check(d)
	r.servers(d)
	r.captures(d)
	trim(p)
	if !p.Disabled {
		r.advise(d)
	}
}

// modes takes away what only an HTTP proxy does.
func (r *reader) modes(d *draft) {
	p := d.proxy
	if p.Mode == config.HTTP {
		for _, w := range d.rawBytes {
			r.report.Warn(w.pos, "needs-tcp",
				fmt.Sprintf("%s looks at raw bytes and never matches in mode http", q(w.text)), "")
		}
		return
	}
	ignored := func(what string, is bool) {
		if is {
			r.report.Warn(d.head.pos, "needs-http",
				fmt.Sprintf("%s %s: %s is ignored, it needs mode http", p.Kind, p.Name, what), "")
		}
	}
	ignored("http-request and redirect", len(p.Rules.HTTPRequest) > 0)
	ignored("http-response", len(p.Rules.HTTPResponse)+len(p.Rules.HTTPAfter) > 0)
	ignored("stats", p.Stats != nil && d.statsOwn)
	ignored("monitor-uri", p.MonitorURI != "" && d.front())
	p.Rules.HTTPRequest, p.Rules.HTTPResponse, p.Rules.HTTPAfter = nil, nil, nil
	p.Stats, p.MonitorURI, p.UniqueIDHeader = nil, "", ""
	ignored("option forwardfor", p.Options.Forwardfor != nil)
	ignored("option originalto", p.Options.Originalto != nil)
	p.Options.Forwardfor, p.Options.Originalto = nil, nil
	ignored("cookie", p.Cookie.Name != "" && d.back())
	p.Cookie = config.Cookie{}
	switch p.Balance.Algorithm {
	case config.URIHash, config.URLParam, config.HeaderHash:
		ignored("balance by a request's contents", d.back())
		p.Balance = config.Balance{Set: true}
	}
	for _, s := range d.servers {
		if s.Check.Observe == config.ObserveLayer7 {
			r.report.Warn(s.Pos, "needs-http",
				fmt.Sprintf("server %s: observe layer7 is ignored, it needs mode http", q(s.Name)), "")
			s.Check.Observe = config.ObserveNone
		}
	}
}

// formats compiles the formats that depend on the mode of the proxy.
func (r *reader) formats(d *draft) {
	if !d.front() {
		return
	}
	p := d.proxy
	http := p.Mode == config.HTTP
	a := &args{reader: r, name: "log-format", head: d.logAt}
	text := d.logFormat
	switch d.logOption {
	case "":
	case "httplog", "clf":
		text = word{text: logformat.HTTPLog, pos: d.logAt.pos}
		if d.logOption == "clf" {
			text.text = logformat.CLFLog
		}
		if !http {
			r.report.Warn(d.logAt.pos, "needs-http",
				fmt.Sprintf("%s %s: option httplog needs mode http; option tcplog is used", p.Kind, p.Name), "")
			text.text = logformat.TCPLog
		}
	case "tcplog":
		text = word{text: logformat.TCPLog, pos: d.logAt.pos}
	}
	if text.text != "" {
		p.LogFormat = a.format(text, sample.Log, http)
	}
	if d.uniqueID.text != "" {
		a := &args{reader: r, name: "unique-id-format", head: d.uniqueID}
		p.UniqueID = a.format(d.uniqueID, sample.Request, http)
	}
}

// captures checks the slots that rules name.
func (r *reader) captures(d *draft) {
	for _, u := range d.captureUses {
		list, what := d.proxy.Captures.Request, "request"
		if u.response {
			list, what = d.proxy.Captures.Response, "response"
		}
		if d.front() && u.slot >= len(list) {
			r.report.Bad(u.id.pos, "unknown-name", fmt.Sprintf("capture: there is no %s slot %d", what, u.slot),
				"write declare capture "+what+" len LENGTH before it")
		}
	}
}

// trim takes away what a proxy without a frontend, or without a backend, has only inherited.
func trim(p *config.Proxy) {
	if !p.Front {
		p.MaxConn, p.Backlog, p.RateLimit = 0, 0, 0
		p.LogFormat, p.UniqueID = nil, nil
		p.MonitorURI, p.MonitorFail, p.UniqueIDHeader = "", nil, ""
		p.Captures = config.Captures{}
		p.Rules.TCPConnection = nil
	}
	if !p.Back {
		p.Retries, p.Redispatch, p.FullConn = 0, 0, 0
		p.Source, p.SourceInterface = netip.AddrPort{}, ""
		p.Balance, p.HashType, p.Cookie = config.Balance{}, config.HashType{}, config.Cookie{}
		p.Check = nil
	}
}

// advise says what is most likely not meant.
func (r *reader) advise(d *draft) {
	p := d.proxy
	var missing []string
	if p.Front && len(p.Binds) > 0 && p.Timeouts.Client == 0 {
		missing = append(missing, "client")
	}
	if p.Back && len(d.servers) > 0 {
		if p.Timeouts.Connect == 0 {
			missing = append(missing, "connect")
		}
		if p.Timeouts.Server == 0 {
			missing = append(missing, "server")
		}
	}
	if len(missing) > 0 {
		names, is := "timeout "+missing[0], "is"
		for _, m := range missing[1:] {
			names, is = names+", timeout "+m, "are"
		}
		r.report.Warn(d.head.pos, "missing-timeout",
			fmt.Sprintf("%s %s: %s %s not set: connections may stay for ever", p.Kind, p.Name, names, is), "")
	}
	if p.Front && !d.bindSeen {
		r.report.Warn(d.head.pos, "no-bind", fmt.Sprintf("%s %s has no bind line: nothing reaches it", p.Kind, p.Name),
			"write backend if that is what it is")
	}
	if d.logAt.text != "" && p.Front && len(p.Log) == 0 && (d.from == nil || d.from.logAt != d.logAt) {
		r.report.Warn(d.logAt.pos, "no-log", fmt.Sprintf("%s %s has a log format and no log line", p.Kind, p.Name),
			"write log global")
	}
}

// listens reports a configuration nobody can connect to.
func (r *reader) listens() {
	if r.global.listenSeen || slices.ContainsFunc(r.proxies, func(d *draft) bool { return !d.disabled && d.bindSeen }) {
		return
	}
	pos := config.Position{File: r.file, Line: 1, Col: 1}
	// Differs from HAProxy: a configuration without a listener loads with a warning; haproxy -c ends with status 2
	// there.
	r.report.Tolerate(pos, "no-listener", "nothing listens: there is no bind line", "")
}
