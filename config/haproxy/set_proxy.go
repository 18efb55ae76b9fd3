package haproxy

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/source"
	"github.com/evenkeel/evenkeel/sample"
)

func setMode(a *args) {
	w := a.need("tcp or http")
	switch w.text {
	case "tcp":
		a.draft.proxy.Mode = config.TCP
	case "http":
		a.draft.proxy.Mode = config.HTTP
	case "health":
		a.fail(w.pos, "dead-word", `"mode health" is gone from haproxy`,
			"today's word is http-request return status 200")
	case "log", "spop":
		a.fail(w.pos, "not-supported", fmt.Sprintf("mode %s %s, and not supported yet", w.text, newer), "")
	default:
		a.oneOf(w, "tcp", "http")
	}
	a.done()
}

func setMaxConn(a *args) {
	n := a.integer(a.need("a number"), 0, many, true)
	if a.done() {
		a.draft.proxy.MaxConn = n
	}
}

func setBacklog(a *args) {
	n := a.integer(a.need("a number"), 0, many, true)
	if a.done() {
		a.draft.proxy.Backlog = n
	}
}

func setFullConn(a *args) {
	n := a.integer(a.need("a number"), 0, many, true)
	if a.done() {
		a.draft.proxy.FullConn = n
	}
}

func setRetries(a *args) {
	n := a.integer(a.need("a number"), 0, many, true)
	if a.done() {
		a.draft.proxy.Retries = n
	}
}

func setID(a *args) {
	n := a.integer(a.need("a number"), 1, many, false)
	if !a.done() {
		return
	}
	for _, d := range a.proxies {
		if d != a.draft && d.proxy.ID == n {
			a.fail(a.list[0].pos, "duplicate-id", fmt.Sprintf("id %d is taken", n),
				fmt.Sprintf("by %s %s on line %d", d.proxy.Kind, d.name.text, d.head.pos.Line))
			return
		}
	}
	a.draft.proxy.ID = n
}

func setDescription(a *args) {
	a.need("a text")
	if !a.failed {
		a.at = 0
		a.draft.proxy.Description = a.joined()
	}
}

func setDisabled(a *args) {
	if a.done() {
		a.draft.disabled = true
	}
}

func setEnabled(a *args) {
	if a.done() {
		a.draft.disabled = false
	}
}

func setDefaultBackend(a *args) {
	w := a.need("the name of a backend")
	if a.done() {
		a.draft.defaultBackend = w
	}
}

func setUseBackend(a *args) {
	w := a.need("the name of a backend")
	s := switchDraft{name: w}
	if strings.Contains(w.text, "%") {
		f := a.format(w, sample.Request, true)
		if f != nil {
			if text, constant := f.Constant(); constant {
				s.name.text = text
			} else {
				s.form = f
			}
		}
	}
	s.cond = a.condition(sample.Request)
	if a.done() {
		a.inOrder(rankUseBackend)
		a.draft.switches = append(a.draft.switches, s)
	}
}

func setUseServer(a *args) {
	w := a.need("the name of a server")
	if strings.Contains(w.text, "%[") {
		a.refuse(w, "not-supported", "a server named by an expression is known to haproxy, but not supported yet", "")
	}
	cond := a.needCondition(sample.Request)
	if a.done() {
		a.inOrder(rankUseServer)
		a.draft.useServers = append(a.draft.useServers, useServerDraft{cond: cond, name: w})
	}
}

// setACL declares a named condition.
// Differs from HAProxy: addresses in ACLs are not looked up as host names.
func setACL(a *args) {
	name := a.need("a name")
	a.checkName(name, "ACL")
	if a.failed {
		return
	}
	switch name.text {
	case "or", "if", "unless":
		a.bad(name, "is a word of conditions and cannot name an ACL")
		return
	}
	texts := make([]string, len(a.list))
	for i, w := range a.list {
		texts[i] = w.text
	}
	warnings, err := a.draft.acls.Declare(texts)
	if err == nil {
		if c, _, err := a.draft.acls.ParseCondition([]string{"if", name.text}, a.front(sample.Request)); err == nil {
			a.refer(name.pos, c.References())
		}
	}
	for _, text := range warnings {
		a.report.Warn(name.pos, "acl", "acl "+name.text+": "+text, "")
	}
	if err != nil {
		a.draft.lostACLs[name.text] = true
		a.language(a.list, err)
	}
	a.rest()
}

func setMonitorURI(a *args) {
	w := a.need("a URI")
	if a.done() {
		a.draft.proxy.MonitorURI = w.text
	}
}

func setMonitor(a *args) {
	if w := a.need("fail"); w.text != "fail" {
		a.oneOf(w, "fail")
	}
	c := a.needCondition(sample.Request)
	if a.done() {
		a.draft.proxy.MonitorFail = append(a.draft.proxy.MonitorFail, c)
	}
}

func setRateLimit(a *args) {
	if w := a.need("sessions"); w.text != "sessions" {
		a.oneOf(w, "sessions")
	}
	n := a.integer(a.need("a number"), 0, many, false)
	a.k.loose = true
	if a.done() {
		a.draft.proxy.RateLimit = n
	}
}

// setSource takes the address server connections come from.
func setSource(a *args) {
	addr, iface := a.source()
	if a.done() {
		a.draft.proxy.Source, a.draft.proxy.SourceInterface = addr, iface
	}
}

// setReuse takes when connections to servers are shared.
// Differs from HAProxy: with http-reuse safe or aggressive, a first request that is idempotent may go over a used
// connection; it is repeated here if the server closes that one at the same moment.
func setReuse(a *args) {
	modes := map[string]config.ReuseMode{"never": config.ReuseNever, "safe": config.ReuseSafe,
		"aggressive": config.ReuseAggressive, "always": config.ReuseAlways}
	w := a.need("a mode")
	mode, ok := modes[w.text]
	if !ok {
		a.oneOf(w, "never", "safe", "aggressive", "always")
	}
	if a.done() {
		a.draft.proxy.Options.Reuse = mode
	}
}

// setRetryOn takes the conditions that are the default.
func setRetryOn(a *args) {
	known := []string{"none", "conn-failure", "empty-response", "junk-response", "response-timeout", "0rtt-rejected",
		"all-retryable-errors",
		"401", "403", "404", "408", "425", "500", "501", "502", "503", "504"}
	words := a.rest()
	for _, w := range words {
		switch {
		case !slices.Contains(known, w.text):
			a.oneOf(w, known...)
			return
		case w.text == "none" && len(words) > 1:
			a.bad(w, "must stand alone")
			return
		}
	}
	for _, w := range words {
		if w.text != "conn-failure" {
			a.unsupported(w, "requests are retried after conn-failure only")
			return
		}
	}
}

// setErrorFile takes a response to send as it stands.
func setErrorFile(a *args) {
	code, file := a.need("a status"), a.need("a file name")
	status := a.errorStatus(code)
	raw := a.rawResponse(file)
	a.k.loose = true
	if !a.done() {
		return
	}
	p := a.draft.proxy
	if p.ErrorFiles == nil {
		p.ErrorFiles = make(map[int][]byte)
	}
	p.ErrorFiles[status] = raw
	delete(p.ErrorLoc, status)
}

// errorStatuses are those of which HAProxy has a message.
var errorStatuses = []int{200, 400, 401, 403, 404, 405, 407, 408, 410, 413, 421, 422, 425, 429, 500, 501, 502, 503, 504}

// errorStatus reads a status that errorfile knows.
func (a *args) errorStatus(w word) int {
	for _, s := range errorStatuses {
		if w.text == fmt.Sprint(s) {
			return s
		}
	}
	a.bad(w, "is not one of the statuses 200, 400, 401, 403, 404, 405, 407, 408, 410, 413, 421, 422, 425, 429, 500, "+
		"501, 502, 503 and 504")
	return 0
}

// rawResponse reads a whole response from a file. An empty file closes the connection without one.
func (a *args) rawResponse(file word) []byte {
	if a.failed {
		return nil
	}
	data, err := a.readFile(file)
	if err != nil {
		a.fail(file.pos, "unreadable", fmt.Sprintf("%s: file %s: %v", a.name, q(file.text), source.Reason(err)), "")
		return nil
	}
	if trimmed := bytes.TrimLeft(data, "\r\n"); len(trimmed) > 0 {
		data = trimmed // lines before a response mean nothing
	}
	switch head, _, whole := strings.Cut(string(data), "\n"); {
	case len(data) == 0:
		return []byte{}
	case len(data) > a.global.BufSize:
		a.fail(file.pos, "bad-file", fmt.Sprintf("%s: file %s is larger than tune.bufsize (%d)", a.name, q(file.text),
			a.global.BufSize), "")
	case !whole || !isStatusLine(strings.TrimSuffix(head, "\r")):
		a.fail(file.pos, "bad-file", fmt.Sprintf("%s: file %s does not hold a response: its first line is no status "+
			"line", a.name, q(file.text)), "it begins like HTTP/1.0 503 Service Unavailable")
	case !strings.Contains(strings.ReplaceAll(string(data), "\r", ""), "\n\n"):
		a.fail(file.pos, "bad-file", fmt.Sprintf("%s: file %s does not hold a response: an empty line must end its "+
			"headers", a.name, q(file.text)), "")
	default:
		if what := wrongFraming(string(data)); what != "" {
			a.fail(file.pos, "bad-file", fmt.Sprintf("%s: file %s: %s", a.name, q(file.text), what),
				"leave the field out: the length is known")
		}
	}
	return data
}

// wrongFraming says what is wrong with the fields of a whole response that tell its body's length; "": nothing.
func wrongFraming(text string) string {
	for {
		line, rest, _ := strings.Cut(text, "\n")
		if text = rest; strings.TrimSuffix(line, "\r") == "" || rest == "" {
			break
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\r"), ":")
		switch value = strings.TrimSpace(value); strings.ToLower(name) {
		case "transfer-encoding":
			if strings.EqualFold(value, "chunked") {
				return "its body is chunked"
			}
		case "content-length":
			_, body, ok := strings.Cut(strings.ReplaceAll(rest, "\r\n", "\n"), "\n\n")
			_, exact, crlf := strings.Cut(rest, "\r\n\r\n")
			if strings.HasPrefix(rest, "\r\n") {
				exact, crlf = rest[2:], true
			} else if strings.HasPrefix(rest, "\n") {
				body, ok = rest[1:], true
			}
			if crlf {
				body, ok = exact, true
			}
			if n, err := strconv.Atoi(value); ok && (err != nil || n != len(body)) {
				return fmt.Sprintf("its body has %d bytes and not the %s of Content-Length", len(body), value)
			}
		}
	}
	return ""
}

// readFile reads a file that a line names; /dev/null is an empty one.
func (a *args) readFile(file word) ([]byte, error) {
	if file.text == os.DevNull {
		return []byte{}, nil
	}
	return a.opts.ReadFile(file.text)
}

// isStatusLine reports whether a line is like "HTTP/1.1 503 …".
func isStatusLine(line string) bool {
	version, rest, ok := strings.Cut(line, " ")
	if !ok || len(version) != len("HTTP/1.1") || !strings.HasPrefix(version, "HTTP/") || len(rest) < 3 {
		return false
	}
	return strings.Trim(rest[:3], "0123456789") == "" && (len(rest) == 3 || rest[3] == ' ')
}

// setErrorLoc takes errorloc, errorloc302 and errorloc303.
func setErrorLoc(a *args) {
	code, url := a.need("a status"), a.need("a URL")
	status := a.errorStatus(code)
	to := a.literal(url)
	a.k.loose = true
	if !a.done() {
		return
	}
	redirect := config.Redirect{Kind: config.RedirectLocation, To: to, Code: 302}
	if a.k.word == "errorloc303" {
		redirect.Code = 303
	}
	p := a.draft.proxy
	if p.ErrorLoc == nil {
		p.ErrorLoc = make(map[int]config.Redirect)
	}
	p.ErrorLoc[status] = redirect
	delete(p.ErrorFiles, status)
}

// setTimeout looks the name up among the timeouts.
func setTimeout(a *args) { a.sub(inTimeout) }

// setOneTimeout takes the time of one of them.
func setOneTimeout(a *args) {
	name := a.k.word
	if today, dead := deadTimeouts[name]; dead {
		name = today
	}
	d := a.duration(a.need("a time"), 0)
	if !a.done() {
		return
	}
	t := &a.draft.proxy.Timeouts
	to := map[string]*time.Duration{
		"client": &t.Client, "server": &t.Server, "connect": &t.Connect, "queue": &t.Queue, "check": &t.Check,
		"tunnel":       &t.Tunnel,
		"http-request": &t.HTTPRequest, "http-keep-alive": &t.HTTPKeepAlive, "tarpit": &t.Tarpit,
		"client-fin": &t.ClientFin, "server-fin": &t.ServerFin,
	}[name]
	if a.draft.timeoutsGiven[name] {
		a.report.Warn(a.head.pos, "repeated", fmt.Sprintf("timeout %s is given again; the last one counts", name), "")
	}
	a.draft.timeoutsGiven[name] = true
	*to = d
}

var deadTimeouts = map[string]string{"clitimeout": "client", "srvtimeout": "server", "contimeout": "connect"}
