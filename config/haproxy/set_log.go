package haproxy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/words"
)

// logLine is one log line; the same one is not added twice by log global.
type logLine struct {
	config.LogTarget
	// framed: a format was given; without, it depends on log-send-hostname.
	framed bool
}

var facilities = []string{
	"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "auth2", "ftp",
	"ntp", "audit", "alert", "cron2", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
}

var levels = []string{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"}

var logFrames = map[string]config.LogHeader{
	"rfc3164": config.RFC3164, "rfc5424": config.RFC5424, "priority": config.LogPriority, "short": config.LogShort,
	"timed": config.LogTimed, "iso": config.LogISO, "raw": config.LogRaw, "local": config.LogLocal,
}

// setLog takes a log line of the global section or of a proxy.
func setLog(a *args) {
	lines := &a.global.logTargets
	if a.draft != nil {
		lines = &a.draft.logLines
	}
	if a.reset {
		a.missing("an address")
		return
	}
	if a.not {
		if a.done() {
			*lines = nil
		}
		return
	}
	w := a.need("an address")
	if w.text == "global" {
		if a.draft == nil {
			a.bad(w, "may not stand in the global section")
		}
		if !a.done() {
			return
		}
		for _, l := range a.global.logTargets {
			if !slices.Contains(*lines, l) {
				*lines = append(*lines, l)
			}
		}
		return
	}
	l := &logLine{LogTarget: config.LogTarget{Len: 1024, Max: 7}}
	a.logAddress(w, &l.LogTarget)
	if _, ok := a.accept("len"); ok {
		l.Len = a.integer(a.need("a length"), 80, 65535, false)
	}
	if f, ok := a.accept("format"); ok {
		l.framed = true
		f = a.need("a format")
		frame, known := logFrames[f.text]
		if !known {
			a.oneOf(f, "local", "rfc3164", "rfc5424", "priority", "short", "timed", "iso", "raw")
		}
		l.Format = frame
	}
	if s, ok := a.accept("sample"); ok {
		a.unsupported(s, "samples of the log")
	}
	l.Facility = a.oneOfLevels("a facility", facilities)
	if a.more() {
		l.Max = a.oneOfLevels("a level", levels)
	}
	if a.more() {
		l.Min = a.oneOfLevels("a level", levels)
	}
	if a.done() {
		*lines = append(*lines, l)
	}
}

// oneOfLevels takes a word of a list and gives its number.
func (a *args) oneOfLevels(what string, list []string) int {
	w := a.need(what)
	i := slices.Index(list, w.text)
	if i < 0 && !a.failed {
		a.fail(w.pos, "bad-value", fmt.Sprintf("%s: %s is not %s", a.name, q(w.text), what),
			words.DidYouMean(w.text, list))
	}
	return max(i, 0)
}

// logAddress reads where a log goes.
func (a *args) logAddress(w word, to *config.LogTarget) {
	switch w.text {
	case "stdout":
		to.FD = 1
		return
	case "stderr":
		to.FD = 2
		return
	}
	text := strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(w.text, "udp@"), "udp4@"), "udp6@")
	text = strings.TrimPrefix(text, "dgram+")
	if strings.HasPrefix(text, "tcp") {
		a.unsupported(w, "logs over TCP")
		return
	}
	e := a.endpoint(w, text)
	switch {
	case a.failed:
	case e.path != "":
		to.Path = e.path
	case e.fd >= 0:
		if e.fd == 0 {
			a.refuse(w, "bad-value", "standard input is not a log", "")
		}
		to.FD = e.fd
	default:
		l := a.sourceAddress(word{text: text, pos: w.pos})
		if l.Port() == 0 {
			l = withPort(l, 514)
		}
		to.Addr = l
	}
}

// setLogFormat takes log-format; the last of it and option httplog and tcplog counts.
func setLogFormat(a *args) {
	w := a.need("a format")
	if a.done() {
		a.draft.logFormat, a.draft.logOption, a.draft.logAt = w, "", w
	}
}

func setUniqueIDFormat(a *args) {
	w := a.need("a format")
	if a.done() {
		a.draft.uniqueID = w
	}
}

func setUniqueIDHeader(a *args) {
	name := a.headerName()
	if a.done() {
		a.draft.proxy.UniqueIDHeader = name
	}
}

func optionHTTPLog(a *args) {
	name := a.head.text
	if w, ok := a.accept("clf"); ok {
		name = w.text
	}
	a.logOptionIs(name)
}

func optionTCPLog(a *args) { a.logOptionIs(a.head.text) }

func (a *args) logOptionIs(name string) {
	if a.done() {
		a.draft.logFormat, a.draft.logOption, a.draft.logAt = word{}, name, a.head
	}
}

// setCapture takes capture cookie and capture request|response header.
func setCapture(a *args) {
	p := a.draft.proxy
	switch w := a.need("cookie, request or response"); w.text {
	case "cookie":
		name := a.need("a name")
		n := a.lengthAfter()
		if a.done() {
			c := &p.Captures
			c.Cookie, c.CookieExact = strings.CutSuffix(name.text, "=")
			c.CookieLen = n
		}
	case "request", "response":
		if _, ok := a.accept("header"); !ok {
			a.missing(`"header"`)
			return
		}
		name := a.need("a name")
		n := a.lengthAfter()
		if a.done() {
			addCapture(p, w.text == "response", config.Capture{Name: name.text, Len: n})
		}
	default:
		a.oneOf(w, "cookie", "request", "response")
	}
}

// addCapture adds a slot and gives its number.
func addCapture(p *config.Proxy, response bool, c config.Capture) int {
	list := &p.Captures.Request
	if response {
		list = &p.Captures.Response
	}
	*list = append(*list, c)
	return len(*list) - 1
}

// lengthAfter reads "len N".
func (a *args) lengthAfter() int {
	if _, ok := a.accept("len"); !ok {
		a.missing(`"len" with a length`)
		return 0
	}
	return a.integer(a.need("a length"), 0, 65535, true)
}

// setDeclare takes declare capture.
func setDeclare(a *args) {
	if w := a.need("capture"); w.text != "capture" {
		a.oneOf(w, "capture")
	}
	w := a.need("request or response")
	if w.text != "request" && w.text != "response" {
		a.oneOf(w, "request", "response")
	}
	if _, ok := a.accept("len"); !ok {
		a.missing(`"len" with a length`)
	}
	n := a.integer(a.need("a length"), 0, 65535, false)
	if a.done() {
		addCapture(a.draft.proxy, w.text == "response", config.Capture{Len: n})
	}
}
