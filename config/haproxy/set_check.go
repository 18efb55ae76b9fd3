package haproxy

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/sample"
)

// checkDraft collects what is asked of the servers.
type checkDraft struct {
	kind  config.CheckKind
	set   bool // an option chose the kind
	at    word
	user  string
	hello string
	// option httpchk's request; nil: a section has steps in place of those of its defaults, this one among them
	implicit *config.CheckStep
	http     []config.CheckStep
	tcp      []config.CheckStep
	comment  string // of the comment step before
	comments int    // such steps

	disableOn404, sendState bool
	broken                  bool // a step has an error
	ownHTTP, ownTCP         bool // the section has lines of its own
}

func (c checkDraft) clone() checkDraft {
	c.http, c.tcp = slices.Clone(c.http), slices.Clone(c.tcp)
	c.ownHTTP, c.ownTCP = false, false
	return c
}

// begin is called before each line of a section about steps: its first one takes the place of everything its defaults
// say, the request of their option httpchk as well. disable-on-404 and send-state are no steps, and neither is option
// tcp-check.
func (c *checkDraft) begin(http bool) {
	switch {
	case http && !c.ownHTTP:
		c.http, c.implicit, c.comment, c.comments, c.ownHTTP = nil, nil, "", 0, true
	case !http && !c.ownTCP:
		c.tcp, c.comment, c.comments, c.ownTCP = nil, "", 0, true
	}
}

func (a *args) checkKind(kind config.CheckKind, user, hello string) {
	if !a.done() {
		return
	}
	c := &a.draft.check
	c.kind, c.set, c.at, c.user, c.hello = kind, true, a.head, user, hello
}

// optionHTTPCheck takes [METHOD] [URI] [VERSION].
func optionHTTPCheck(a *args) {
	s := config.CheckStep{Pos: a.head.pos, Kind: config.StepHTTPSend, Method: "OPTIONS", URI: "/", Version: "HTTP/1.0"}
	words := a.rest()
	if len(words) > 3 {
		a.fail(words[3].pos, "extra-word", fmt.Sprintf("%s after option httpchk is not read", q(words[3].text)), "")
		return
	}
	switch len(words) {
	case 1:
		s.URI = words[0].text
	case 2, 3:
		s.Method, s.URI = words[0].text, words[1].text
	}
	if len(words) == 3 {
		version, headers, found := strings.Cut(words[2].text, "\r\n")
		if !found {
			version, headers, _ = strings.Cut(words[2].text, `\r\n`)
		}
		s.Version = version
		if headers != "" {
			a.report.Warn(words[2].pos, "dead-word",
				"headers inside the version of option httpchk are a form that haproxy has given up",
				"today's words are http-check send hdr NAME VALUE")
			a.oldHeaders(&s, headers)
		}
		a.checkVersion(words[2], s.Version)
	}
	a.checkKind(config.CheckHTTP, "", "")
	a.draft.check.begin(true)
	a.draft.check.implicit = &s
}

// oldHeaders reads header lines that were written after the version; an empty line begins the body.
func (a *args) oldHeaders(s *config.CheckStep, text string) {
	text = strings.ReplaceAll(text, `\r\n`, "\r\n")
	head, body, _ := strings.Cut(text, "\r\n\r\n")
	for line := range strings.SplitSeq(head, "\r\n") {
		name, value, ok := strings.Cut(line, ":")
		if ok {
			s.Headers = append(s.Headers, [2]string{strings.TrimSpace(name), strings.TrimLeft(value, ` \`)})
		}
	}
	s.Body = body
}

// checkVersion refuses what is no version of HTTP/1.
func (a *args) checkVersion(w word, version string) {
	if version != "HTTP/1.0" && version != "HTTP/1.1" {
		a.refuse(w, "bad-value", "must be HTTP/1.0 or HTTP/1.1", "")
	}
}

func optionTCPCheck(a *args) { a.checkKind(config.CheckTCP, "", "") }
func optionRedis(a *args)    { a.checkKind(config.CheckRedis, "", "") }
func optionLDAP(a *args)     { a.checkKind(config.CheckLDAP, "", "") }

// optionSSLHello asks whether TLS is answered.
// Differs from HAProxy: ssl-hello-chk greets as TLS 1.2 does. 2.6 greets in SSL 3.0, which servers of today refuse.
func optionSSLHello(a *args) { a.checkKind(config.CheckSSLHello, "", "") }

func optionMySQL(a *args) {
	user, mode := "", ""
	if a.more() {
		if _, ok := a.accept("user"); !ok {
			a.oneOf(a.next(), "user")
		}
		user, mode = a.need("a user").text, "post-41"
	}
	if a.more() {
		w := a.next()
		if mode = w.text; mode != "post-41" && mode != "pre-41" {
			a.oneOf(w, "post-41", "pre-41")
		}
	}
	a.checkKind(config.CheckMySQL, user, mode)
}

func optionPgSQL(a *args) {
	if _, ok := a.accept("user"); !ok {
		a.missing("user NAME")
	}
	a.checkKind(config.CheckPgSQL, a.need("a user").text, "")
}

func optionSMTP(a *args) {
	hello := "HELO localhost"
	if len(a.list) >= 2 {
		verb, domain := a.next().text, a.next().text
		if verb == "EHLO" || verb == "HELO" {
			hello = verb + " " + domain
		}
	} else {
		a.rest()
	}
	a.checkKind(config.CheckSMTP, "", hello)
}

func setHTTPCheck(a *args) { a.sub(inHTTPCheck) }
func setTCPCheck(a *args)  { a.sub(inTCPCheck) }

// steps gives the list a check line adds to.
func (a *args) steps() *[]config.CheckStep {
	http := strings.HasPrefix(a.name, "http-check")
	a.draft.check.begin(http)
	if http {
		return &a.draft.check.http
	}
	return &a.draft.check.tcp
}

// addStep adds a step under the last comment.
func (a *args) addStep(s config.CheckStep) {
	if !a.done() {
		a.draft.check.broken = true
		return
	}
	if s.Pos = a.head.pos; s.Comment == "" {
		s.Comment = a.draft.check.comment
	}
	list := a.steps()
	s.Comments = a.draft.check.comments
	*list = append(*list, s)
}

// checkComment names the steps that follow.
func checkComment(a *args) {
	w := a.need("a text")
	if a.done() {
		a.steps()
		a.draft.check.comment = w.text
		a.draft.check.comments++
	}
}

func checkDisableOn404(a *args) {
	if a.done() {
		a.draft.check.disableOn404 = true
	}
}

func checkSendState(a *args) {
	if a.done() {
		a.draft.check.sendState = true
	}
}

// checkConnect opens a connection; where there is such a step, the first one must be.
func checkConnect(a *args) {
	s := config.CheckStep{Kind: config.StepConnect}
	for a.more() && !a.failed {
		w := a.next()
		switch w.text {
		case "port":
			p := a.need("a port")
			if n, err := strconv.Atoi(p.text); err == nil {
				s.Port = a.portNumber(p, strconv.Itoa(n), 1)
			} else if a.expression(p, sample.Check); !a.failed {
				a.unsupported(p, "a port must be a number")
			}
		case "addr":
			s.Addr = a.checkAddress(&s)
		case "send-proxy":
			s.SendProxy = true
		case "linger", "default":
		case "comment":
			s.Comment = a.need("a text").text
		case "ssl", "sni", "alpn", "via-socks4", "proto":
			a.unsupported(w, "checks speak without TLS")
		default:
			a.oneOf(w, "port", "addr", "send-proxy", "linger", "default", "comment", "ssl", "sni", "alpn", "via-socks4",
				"proto")
		}
	}
	if list := *a.steps(); len(list) > 0 && !a.draft.check.broken && list[0].Kind != config.StepConnect {
		a.fail(a.head.pos, "check-order", "the first step must be a connect where one of them is",
			fmt.Sprintf("the first is on line %d", list[0].Pos.Line))
	}
	a.addStep(s)
}

// checkAddress reads the address of connect, with a port or without.
func (a *args) checkAddress(s *config.CheckStep) netip.Addr {
	w := a.need("an address")
	e := a.endpoint(w, w.text)
	if e.path != "" || e.fd >= 0 {
		a.unsupported(w, "checks connect to IP addresses")
	}
	addr := a.address(w, e)
	if e.port != "" && !a.failed {
		s.Port = a.portNumber(w, e.port, 1)
	}
	return addr
}

// httpCheckSend is a request.
func httpCheckSend(a *args) {
	s := config.CheckStep{Kind: config.StepHTTPSend}
	for a.more() && !a.failed {
		w := a.next()
		switch w.text {
		case "meth":
			s.Method = a.need("a method").text
		case "uri":
			s.URI = a.need("a URI").text
		case "ver":
			v := a.need("a version")
			a.checkVersion(v, v.text)
			s.Version = v.text
		case "hdr":
			name, value := a.need("a name"), a.need("a value")
			s.Headers = append(s.Headers, [2]string{name.text, a.constant(value)})
		case "body":
			s.Body = a.need("a text").text
		case "uri-lf":
			s.URI = a.constant(a.need("a format"))
		case "body-lf":
			s.Body = a.constant(a.need("a format"))
		case "comment":
			s.Comment = a.need("a text").text
		default:
			a.oneOf(w, "meth", "uri", "uri-lf", "ver", "hdr", "body", "body-lf", "comment")
		}
	}
	a.addStep(s)
}

// constant reads a format that must not depend on anything.
func (a *args) constant(w word) string {
	f := a.format(w, sample.Check, true)
	if a.failed {
		return ""
	}
	text, ok := f.Constant()
	if !ok {
		a.unsupported(w, "a check sends fixed texts")
	}
	return text
}

// checkSend is bytes.
func checkSend(a *args) {
	w := a.need("a text")
	s := config.CheckStep{Kind: config.StepSend, Data: []byte(w.text)}
	switch a.head.text {
	case "send-lf":
		s.Data = []byte(a.constant(w))
	case "send-binary":
		s.Data = a.hex(w)
	}
	if _, ok := a.accept("comment"); ok {
		s.Comment = a.need("a text").text
	}
	a.addStep(s)
}

// hex reads bytes written in hexadecimal.
func (a *args) hex(w word) []byte {
	data, err := hex.DecodeString(w.text)
	if err != nil && !a.failed {
		a.bad(w, "must be an even number of hexadecimal digits")
	}
	return data
}
