package admin

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/proxy"
)

//go:embed web
var web embed.FS

// The page is one document: its style and script stand in it, and only those may run.
var (
	pageStyle  = mustRead("web/style.css")
	pageScript = mustRead("web/page.js")
	pageForm   = template.Must(template.New("page").ParseFS(web, "web/page.html"))
	pagePolicy = "content-security-policy: default-src 'none'; style-src 'sha256-" + hashOf(pageStyle) +
		"'; script-src 'sha256-" +
		hashOf(pageScript) + "'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'\r\n" +
		"x-content-type-options: nosniff\r\nreferrer-policy: same-origin\r\n"
)

func mustRead(name string) string {
	b, err := web.ReadFile(name)
	if err != nil {
		panic(err) // it is part of the binary
	}
	return string(b)
}

func hashOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// A query is what the part of the URI behind the page's own asks for.
type query struct {
	csv, json, schema, typed bool
	live                     bool // only what changes
	up, noMaint, noRefresh   bool
	scope                    string
	outcome                  string // of an order
	report                   report // which order that was
}

// report says what was asked for by an order, and of which servers: those it was carried out for, and those not.
type report struct {
	action, backend string
	done, not       []string
	more            int // servers that are not named
}

// maxNamed bounds the servers that a message names.
const maxNamed = 10

// words write a report into a URI.
func (r report) words() string {
	if r.action == "" {
		return ""
	}
	out := ";did=" + url.QueryEscape(r.action) + ";at=" + url.QueryEscape(r.backend)
	for _, name := range r.done {
		out += ";on=" + url.QueryEscape(name)
	}
	for _, name := range r.not {
		out += ";not=" + url.QueryEscape(name)
	}
	if r.more > 0 {
		out += ";more=" + strconv.Itoa(r.more)
	}
	return out
}

// read takes a word of a URI that words wrote.
func (r *report) read(key, val string) {
	val, err := url.QueryUnescape(val)
	if err != nil || len(r.done)+len(r.not) > maxNamed {
		return
	}
	switch key {
	case "did":
		r.action = val
	case "at":
		r.backend = val
	case "on":
		r.done = append(r.done, val)
	case "not":
		r.not = append(r.not, val)
	case "more":
		r.more, _ = strconv.Atoi(val)
	}
}

// parseQuery reads ";csv;norefresh;scope=x" and "?scope=x"; what it does not know means nothing.
func parseQuery(rest string) query {
	var w query
	for _, word := range strings.FieldsFunc(rest,
		func(r rune) bool { return r == ';' || r == '?' || r == '&' || r == '/' }) {
		key, val, _ := strings.Cut(word, "=")
		switch key {
		case "csv":
			w.csv = true
		case "json":
			w.json = true
		case "json-schema":
			w.schema = true
		case "typed":
			w.typed = true
		case "live":
			w.live = true
		case "up":
			w.up = true
		case "no-maint":
			w.noMaint = true
		case "norefresh":
			w.noRefresh = true
		case "scope":
			if s, err := url.QueryUnescape(val); err == nil && len(s) <= 20 {
				w.scope = s
			}
		case "st":
			w.outcome = val
		default:
			w.report.read(key, val)
		}
	}
	return w
}

// words are the words that stay from page to page.
func (w query) words() string {
	out := ""
	if w.up {
		out += ";up"
	}
	if w.noMaint {
		out += ";no-maint"
	}
	if w.noRefresh {
		out += ";norefresh"
	}
	return out
}

func (w query) tail() string {
	if w.scope == "" {
		return ""
	}
	return "?scope=" + url.QueryEscape(w.scope)
}

// Applet answers a request for the statistics page; it is an engine's Options.Applet.
func (a *Admin) Applet(req *proxy.AppletRequest) proxy.AppletReply {
	page := req.Page
	switch {
	case req.Denied:
		return plainReply(403, "<html><body><h1>403 Forbidden</h1>\nRequest forbidden by administrative "+
			"rules.\n</body></html>\n")
	case len(page.Users) > 0 && !authorized(page.Users, req.Authorization):
		return unauthorized(page.Realm)
	}
	w := parseQuery(strings.TrimPrefix(req.URI, page.URI))
	if req.Method == "POST" {
		st, report := a.order(req)
		return proxy.AppletReply{Status: 303,
			Header: []byte("cache-control: no-cache\r\ncontent-type: text/plain\r\nlocation: " +
				page.URI + ";st=" + st + report.words() + w.words() + w.tail() + "\r\n")}
	}
	x := filterOf(req, w)
	header := "cache-control: no-cache\r\n"
	refresh := ""
	if page.Refresh > 0 && !w.noRefresh {
		refresh = "refresh: " + strconv.Itoa(int(page.Refresh/time.Second)) + "\r\n"
	}
	switch {
	case w.schema:
		return proxy.AppletReply{Status: 200, Header: []byte(header + "content-type: application/json\r\n"),
			Body: []byte(jsonSchema)}
	case w.csv, w.json, w.typed:
		rows := withoutLegends(page, x.rows(a.engine.Status().Rows))
		switch {
		case w.json:
			return proxy.AppletReply{Status: 200,
				Header: []byte(header + "content-type: application/json\r\n" + refresh),
				Body:   forms[asJSON].write(rows)}
		case w.typed:
			return proxy.AppletReply{Status: 200, Header: []byte(header + "content-type: text/plain\r\n" + refresh),
				Body: forms[typed].write(rows)}
		}
		return proxy.AppletReply{Status: 200, Header: []byte(header + "content-type: text/plain\r\n" + refresh),
			Body: forms[plain].write(rows)}
	}
	var body bytes.Buffer
	form := "document"
	if w.live {
		form = "live"
	}
	st := a.engine.Status()
	if err := pageForm.ExecuteTemplate(&body, form, a.view(req, w, &st, x.rows(st.Rows))); err != nil {
		return plainReply(500, "<html><body><h1>500 Internal Server Error</h1></body></html>\n")
	}
	return proxy.AppletReply{Status: 200,
		Header: []byte(header + "content-type: text/html; charset=utf-8\r\n" + pagePolicy), Body: body.Bytes()}
}

func plainReply(status int, body string) proxy.AppletReply {
	return proxy.AppletReply{Status: status, Header: []byte("cache-control: no-cache\r\ncontent-type: text/html\r\n"),
		Body: []byte(body)}
}

func unauthorized(realm string) proxy.AppletReply {
	if realm == "" {
		realm = "HAProxy Statistics"
	}
	r := plainReply(401, "<html><body><h1>401 Unauthorized</h1>\nYou need a valid user and password to access this "+
		"content.\n</body></html>\n")
	realm = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\r", "", "\n", "").Replace(realm)
	r.Header = append(r.Header, fmt.Sprintf("www-authenticate: Basic realm=\"%s\"\r\n", realm)...)
	return r
}

// authorized checks Basic credentials (RFC 7617) against all users, in a time that does not depend on where they
// differ.
func authorized(users [][2]string, field string) bool {
	scheme, encoded, _ := strings.Cut(field, " ")
	if !strings.EqualFold(scheme, "basic") {
		return false
	}
	given, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil {
		return false
	}
	sum := sha256.Sum256(given)
	ok := 0
	for _, u := range users {
		want := sha256.Sum256([]byte(u[0] + ":" + u[1]))
		ok |= subtle.ConstantTimeCompare(sum[:], want[:])
	}
	return ok == 1
}

// filterOf are the rows a request may and wants to see.
func filterOf(req *proxy.AppletRequest, w query) *filter {
	x := everything
	x.up, x.noMaint, x.part = w.up, w.noMaint, w.scope
	for _, name := range req.Page.Scope {
		if name == "." {
			name = req.Proxy.Name
		}
		x.scope = append(x.scope, name)
	}
	return &x
}

// withoutLegends hides what `stats show-legends` shows: addresses, cookies and ways of balancing.
func withoutLegends(page *config.StatsPage, rows []*proxy.Row) []*proxy.Row {
	if page.ShowLegends {
		return rows
	}
	out := make([]*proxy.Row, len(rows))
	for i, r := range rows {
		bare := *r
		bare.Address, bare.Cookie, bare.Algorithm = "", "", ""
		out[i] = &bare
	}
	return out
}

// foreign reports whether another site's page had the browser send the request.
//
// Differs from HAProxy: a browser's form of another site cannot give orders here, although the browser would send the
// user's password along.
func foreign(req *proxy.AppletRequest) bool {
	switch req.FetchSite {
	case "cross-site", "same-site":
		return true
	case "same-origin", "none":
		return false
	}
	from := cmp.Or(req.Origin, req.Referer) // a browser that predates the first sends the second
	if from == "" {
		return false
	}
	u, err := url.Parse(from)
	return err != nil || !strings.EqualFold(u.Host, req.Host)
}

// order carries out a form's order and gives the code of what became of it: DONE, PART (for some servers), NONE
// (nothing was asked for), ERRP (wrong), DENY, EXCD (too long).
func (a *Admin) order(req *proxy.AppletRequest) (string, report) {
	if !req.Admin || foreign(req) {
		return "DENY", report{}
	}
	if len(req.Body) >= 16<<10 {
		return "EXCD", report{}
	}
	form, err := url.ParseQuery(string(req.Body))
	if err != nil {
		return "ERRP", report{}
	}
	servers, backend := form["s"], form.Get("b")
	if len(servers) == 0 || backend == "" || form.Get("action") == "" {
		return "NONE", report{}
	}
	did := report{action: form.Get("action")}
	act, ok := a.actions()[did.action]
	if !ok {
		return "ERRP", report{}
	}
	rows := a.engine.Status().Rows
	done := 0
	for _, name := range servers {
		i := slices.IndexFunc(rows, func(r proxy.Row) bool {
			return r.Kind == proxy.ServerRow && r.Name == name && named(backend, r.Proxy.Name, r.IID) &&
				mayOrder(req, &r)
		})
		if i < 0 {
			continue
		}
		did.backend = rows[i].Proxy.Name
		list := &did.not
		if act(did.backend, name) == nil {
			done++
			list = &did.done
		}
		if len(did.done)+len(did.not) < maxNamed {
			*list = append(*list, name)
		} else {
			did.more++
		}
	}
	switch {
	case did.backend == "":
		return "ERRP", report{}
	case done == len(servers):
		return "DONE", did
	case done > 0:
		return "PART", did
	}
	return "ERRP", did
}

// mayOrder keeps orders within the page's scope.
func mayOrder(req *proxy.AppletRequest, r *proxy.Row) bool {
	x := everything
	x.scope = filterOf(req, query{}).scope
	return x.takes(r)
}

// actions of the form, by its values.
func (a *Admin) actions() map[string]func(backend, server string) error {
	e := a.engine
	state := func(s proxy.AdminState) func(b, s string) error {
		return func(backend, server string) error { return e.SetState(backend, server, s) }
	}
	health := func(h proxy.ForcedHealth) func(b, s string) error {
		return func(backend, server string) error { return e.SetHealth(backend, server, h) }
	}
	checks := func(on bool) func(b, s string) error {
		return func(backend, server string) error { return e.EnableChecks(backend, server, on) }
	}
	return map[string]func(backend, server string) error{
		"ready": state(proxy.Ready), "enable": state(proxy.Ready), "drain": state(proxy.Drain),
		"maint":   state(proxy.Maint),
		"disable": state(proxy.Maint), "stop": state(proxy.Drain), "start": state(proxy.Ready),
		"dhlth": checks(false), "ehlth": checks(true),
		"hrunn": health(proxy.HealthUp), "hnolb": health(proxy.HealthStopping), "hdown": health(proxy.HealthDown),
		"shutdown": e.ShutdownSessions,
	}
}
