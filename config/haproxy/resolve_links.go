package haproxy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/verdict"
	"github.com/evenkeel/evenkeel/config/words"
)

// backend finds a proxy that has servers by its name.
func (r *reader) backend(name string) *draft { return r.backends[name] }

// target finds the backend a frontend names and checks that they go together.
func (r *reader) target(d *draft, w word, what string) *config.Proxy {
	b := r.backend(w.text)
	p := d.proxy
	switch {
	case b == nil:
		var names []string
		for _, other := range r.proxies {
			if other.back() {
				names = append(names, other.name.text)
			}
		}
		r.report.Bad(w.pos, "unknown-name", fmt.Sprintf("%s %s: there is no backend %s", p.Kind, p.Name, q(w.text)),
			words.DidYouMean(w.text, names))
		return nil
	case b == d:
		r.report.Bad(w.pos, "circle", fmt.Sprintf("%s %s: %s names the section itself", p.Kind, p.Name, what), "")
		return nil
	case p.Mode == config.HTTP && b.proxy.Mode == config.TCP:
		r.report.Bad(w.pos, "mode", fmt.Sprintf("%s %s is in mode http, its %s %s in mode tcp", p.Kind, p.Name, what,
			w.text), "set the same mode in both")
		return nil
	case p.Mode == config.TCP && b.proxy.Mode == config.HTTP:
		if !r.asBytes(d, b, w, what) {
			return nil
		}
	}
	return b.proxy
}

// asBytes judges a backend in mode http behind a frontend in mode tcp; false: it asks for what bytes do not give.
// Differs from HAProxy: connections from a frontend in mode tcp to a backend in mode http stay bytes: nothing is added
// to requests, and each connection keeps its server. There they become HTTP. A backend with rules, cookies or balancing
// by requests is refused, since they would not hold.
func (r *reader) asBytes(d, b *draft, w word, what string) bool {
	p, bp := d.proxy, b.proxy
	message := fmt.Sprintf("%s %s is in mode tcp, its %s %s in mode http", p.Kind, p.Name, what, w.text)
	lost := ""
	switch {
	case len(bp.Rules.HTTPRequest) > 0:
		lost = "http-request or redirect"
	case len(bp.Rules.HTTPResponse)+len(bp.Rules.HTTPAfter) > 0:
		lost = "http-response or http-after-response"
	case bp.Cookie.Name != "":
		lost = "cookie"
	case bp.Balance.Algorithm == config.URIHash, bp.Balance.Algorithm == config.URLParam,
		bp.Balance.Algorithm == config.HeaderHash:
		lost = "balance by a request's contents"
	case bp.Options.Reuse == config.ReuseAggressive, bp.Options.Reuse == config.ReuseAlways:
		lost = "http-reuse"
	case slices.ContainsFunc(bp.Servers, func(s *config.Server) bool { return s.Redir != "" }):
		lost = "redir of a server"
	}
	if lost != "" {
		r.report.Refuse(w.pos, "mode", message+", whose "+lost+" needs requests", "set the same mode in both")
		return false
	}
	if bp.Options.Forwardfor != nil || bp.Options.Originalto != nil {
		message += ", whose option forwardfor or originalto needs requests"
	}
	r.report.Warn(w.pos, "mode", message+": its connections are passed on as bytes", "set the same mode in both")
	return true
}

// links finds the backends and servers that rules name.
func (r *reader) links(d *draft) {
	p := d.proxy
	for _, s := range d.switches {
		sw := config.Switch{Cond: s.cond, Name: s.form}
		if s.form == nil {
			sw.Backend = r.target(d, s.name, "use_backend")
		}
		if d.front() {
			p.Switching = append(p.Switching, sw)
		}
	}
	switch own := d.from == nil || d.from.defaultBackend != d.defaultBackend; {
	case d.defaultBackend.text != "" && (d.front() || own):
		p.DefaultBackend = r.target(d, d.defaultBackend, "default_backend")
	case d.kind == capL:
		p.DefaultBackend = p
	}
	for _, u := range d.useServers {
		s := d.byName[u.name.text]
		if d.lostServers[u.name.text] {
			continue
		}
		if s == nil {
			r.report.Bad(u.name.pos, "unknown-name",
				fmt.Sprintf("%s %s: there is no server %s", p.Kind, p.Name, q(u.name.text)), "")
			continue
		}
		p.UseServer = append(p.UseServer, config.UseServer{Cond: u.cond, Server: &s.Server})
	}
	for _, s := range p.Servers {
		if p.Source.IsValid() && !s.Source.IsValid() {
			s.Source, s.Interface = p.Source, p.SourceInterface
		}
	}
}

// named checks the proxies and servers that expressions ask for.
func (r *reader) named() {
	for _, ref := range r.references {
		missing := ""
		b := ref.draft
		switch {
		case ref.to.Frontend != "":
			if r.frontends[ref.to.Frontend] == nil {
				missing = "frontend " + q(ref.to.Frontend)
			}
		case ref.to.Backend != "":
			if b = r.backend(ref.to.Backend); b == nil {
				missing = "backend " + q(ref.to.Backend)
			}
		}
		if missing == "" && ref.to.Server != "" && b != nil && b.kind != capD && b.byName[ref.to.Server] == nil &&
			!b.lostServers[ref.to.Server] {
			missing = fmt.Sprintf("server %s in backend %s", q(ref.to.Server), q(b.name.text))
		}
		if missing != "" {
			r.report.Bad(ref.pos, "unknown-name",
				fmt.Sprintf("%s: %s asks for %s, which is not there", ref.name, ref.to.Word, missing), "")
		}
	}
}

// servers completes the servers of a proxy: addresses, limits, what is checked.
func (r *reader) servers(d *draft) {
	for _, s := range d.servers {
		c := &s.Check
		if c.FastInter == 0 {
			c.FastInter = c.Inter
		}
		if c.DownInter == 0 {
			c.DownInter = c.Inter
		}
		if s.MinConn > s.MaxConn {
			s.MaxConn = s.MinConn
		}
		if s.Host != "" && !d.disabled {
			r.resolve(s)
		}
		if c.On && !d.disabled && s.Path == "" && s.Addr.Port() == 0 && c.Addr.Port() == 0 && !d.checkPorts() {
			r.report.Bad(s.Pos, "missing-value",
				fmt.Sprintf("server %s: a check needs a port, and neither its address nor \"port\" names one",
					q(s.Name)), "write "+verdict.Bare(s.at.text)+":PORT, or check port PORT")
		}
		d.proxy.Servers = append(d.proxy.Servers, &s.Server)
	}
}

// checkPorts reports whether every connect step names a port of its own.
func (d *draft) checkPorts() bool {
	if d.proxy.Check == nil || len(d.proxy.Check.Steps) == 0 {
		return false
	}
	for i, s := range d.proxy.Check.Steps {
		if s.Kind == config.StepConnect && s.Port == 0 || i == 0 && s.Kind != config.StepConnect {
			return false
		}
	}
	return true
}

// resolve looks up a server's name by the methods of init-addr.
func (r *reader) resolve(s *serverDraft) {
	methods := s.initAddr.text
	if methods == "" {
		methods = "last,libc"
	}
	var problem error
	for m := range strings.SplitSeq(methods, ",") {
		switch m {
		case "last", "": // there is no state of an earlier run
		case "none":
			if problem != nil {
				r.report.Warn(s.at.pos, "unresolved",
					fmt.Sprintf("server %s: the name %s cannot be resolved: it begins in maintenance", q(s.Name),
						q(s.Host)), "")
			}
			return
		case "libc":
			addr, err := r.host(s.Host)
			if err == nil && (s.family == ipv4 && !addr.Is4() || s.family == ipv6 && !addr.Is6()) {
				err = fmt.Errorf("its address %s is of the other family", addr)
			}
			if err == nil {
				s.Addr = netip.AddrPortFrom(addr, s.Addr.Port())
				return
			}
			problem = err
		default:
			if addr, err := netip.ParseAddr(m); err == nil {
				s.Addr = netip.AddrPortFrom(addr, s.Addr.Port())
				return
			}
		}
	}
	why := ""
	if problem != nil {
		why = ": " + problem.Error()
	}
	r.report.Bad(s.at.pos, "unresolved",
		fmt.Sprintf("server %s: the name %s cannot be resolved%s", q(s.Name), q(s.Host), why),
		"init-addr last,libc,none lets the server begin in maintenance")
}

// tracks finds the servers that others take their state from.
func (r *reader) tracks(d *draft) {
	for _, s := range d.servers {
		if s.track.text == "" || d.proxy.Disabled {
			continue
		}
		backend, name, found := strings.Cut(s.track.text, "/")
		b := d
		if found {
			b = r.backend(backend)
		} else {
			name = backend
		}
		fail := func(message string) {
			r.report.Bad(s.track.pos, "track",
				fmt.Sprintf("server %s: track %s: %s", q(s.Name), verdict.Bare(s.track.text), message), "")
		}
		if b == nil {
			fail("there is no backend " + q(backend))
			continue
		}
		t := b.byName[name]
		switch {
		case b.lostServers[name]: // said where it is
		case t == nil:
			fail("there is no server " + q(name))
		case s.Check.On:
			fail("a server that tracks another has no checks of its own")
		case r.circle(b, t):
			fail("the servers track each other in a circle")
		case t.track.text == "" && !t.Check.On:
			fail("that server has no checks")
		default:
			s.Track, s.TrackBackend = &t.Server, b.proxy
		}
	}
}

// circle follows what a server tracks and reports whether there is no end.
func (r *reader) circle(b *draft, s *serverDraft) bool {
	seen := make(map[*serverDraft]bool)
	for s != nil && s.track.text != "" {
		if seen[s] {
			return true
		}
		seen[s] = true
		backend, name, found := strings.Cut(s.track.text, "/")
		if found {
			if b = r.backend(backend); b == nil {
				return false
			}
		} else {
			name = backend
		}
		s = b.byName[name]
	}
	return false
}

// check builds what the servers of a backend are asked.
func (r *reader) check(d *draft) {
	if !d.back() {
		return
	}
	c := &d.check
	if len(c.http) > 0 && c.kind != config.CheckHTTP {
		r.report.Warn(c.http[0].Pos, "no-effect", "http-check has no effect without option httpchk", "")
	}
	if len(c.tcp) > 0 && (!c.set || c.kind != config.CheckTCP) {
		r.report.Warn(c.tcp[0].Pos, "no-effect", "tcp-check has no effect without option tcp-check", "")
	}
	if !c.set {
		return
	}
	h := &config.HealthCheck{Kind: c.kind, User: c.user, Hello: c.hello, DisableOn404: c.disableOn404,
		SendState: c.sendState}
	switch c.kind {
	case config.CheckHTTP:
		if h.Steps = r.httpSteps(c); len(h.Steps) == 0 {
			h.Kind = config.CheckTCP // nothing is asked, as with haproxy
		}
	case config.CheckTCP:
		h.Steps = c.tcp
	}
	d.proxy.Check = h
}

// httpSteps puts option httpchk's request before the steps, unless they begin with a
// connection of their own, and the usual judgement after them, unless there is one.
func (r *reader) httpSteps(c *checkDraft) []config.CheckStep {
	steps := append([]config.CheckStep(nil), c.http...)
	implicit := config.CheckStep{Pos: c.at.pos}
	if c.implicit != nil {
		implicit = *c.implicit
	}
	if c.implicit == nil && !slices.ContainsFunc(steps,
		func(s config.CheckStep) bool { return s.Kind == config.StepHTTPSend }) {
		r.report.Warn(c.at.pos, "no-request",
			"the lines about http-check here take the place of those of the defaults, with the request of its option "+
				"httpchk: no request is sent",
			"repeat option httpchk here")
	}
	switch {
	case c.implicit == nil && len(steps) == 0:
		return nil
	case c.implicit == nil:
	case len(steps) > 0 && steps[0].Kind == config.StepConnect:
	case len(steps) > 0 && steps[0].Kind == config.StepHTTPSend:
		steps[0] = over(implicit, steps[0])
	default:
		steps = append([]config.CheckStep{implicit}, steps...)
	}
	expected := false
	for i, s := range steps {
		switch {
		case s.Kind == config.StepHTTPSend:
			steps[i] = over(config.CheckStep{Pos: s.Pos, Kind: s.Kind, Method: "OPTIONS", URI: "/",
				Version: "HTTP/1.0"}, s)
		case s.Kind == config.StepExpect:
			expected = true
		}
	}
	if !c.broken {
		r.httpOrder(c.http)
	}
	if !expected {
		steps = append(steps, config.CheckStep{Pos: implicit.Pos, Kind: config.StepExpect,
			Expect: config.Expect{What: config.ExpectStatus, Default: true}})
	}
	return steps
}

// httpOrder holds steps to the order connect, send, expect…; before the first, option httpchk has sent its request.
func (r *reader) httpOrder(steps []config.CheckStep) {
	sent, judged := true, true
	for i, s := range steps {
		missing := ""
		switch s.Kind {
		case config.StepConnect:
			if !judged && i > 0 {
				missing = "expect"
			}
			sent, judged = false, false
		case config.StepHTTPSend:
			if sent && i > 0 {
				missing = "connect"
			}
			sent = true
		case config.StepExpect:
			if !sent {
				missing = "send"
			}
			judged = true
		}
		if missing != "" {
			r.report.Bad(s.Pos, "check-order", fmt.Sprintf("http-check: %q is missing before this step", missing), "")
			return
		}
	}
}

// over lays what a send step says over the request of option httpchk.
func over(base, s config.CheckStep) config.CheckStep {
	if s.Method == "" {
		s.Method = base.Method
	}
	if s.URI == "" {
		s.URI = base.URI
	}
	if s.Version == "" {
		s.Version = base.Version
	}
	if s.Headers == nil {
		s.Headers = base.Headers
	}
	if s.Body == "" {
		s.Body = base.Body
	}
	return s
}
