package admin

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/proxy"
)

// ask requests a page.
func ask(t *testing.T, a *Admin, e *standIn, change func(*proxy.AppletRequest)) (status int, header, body string) {
	t.Helper()
	req := &proxy.AppletRequest{Page: &config.StatsPage{URI: "/haproxy"}, Proxy: e.status.Rows[0].Proxy, Method: "GET",
		URI: "/haproxy"}
	if change != nil {
		change(req)
	}
	r := a.Applet(req)
	if len(r.Header) > 0 && !strings.HasSuffix(string(r.Header), "\r\n") ||
		strings.Contains(string(r.Header), "\r\n\r\n") {
		t.Errorf("header %q", r.Header)
	}
	return r.Status, string(r.Header), string(r.Body)
}

func TestPage(t *testing.T) {
	a, e := newAdmin(t)
	status, header, body := ask(t, a, e, nil)
	if status != 200 || !strings.Contains(header, "content-type: text/html; charset=utf-8\r\n") ||
		!strings.Contains(header, "cache-control: no-cache\r\n") {
		t.Fatal(status, header)
	}
	for _, want := range []string{`<tr id="app/s1" class="falling">`, `<tr id="app/s2" class="up">`,
		`<tr id="app/s3" class="maint">`, `<tr id="app/s4" class="unchecked backup">`,
		`<tr id="db/t1" class="rising">`, `<tr id="db/BACKEND" class="down">`, `<tr id="web/FRONTEND" class="front">`,
		"0.3.0", "* L7STS/500 3ms", `data-live="/haproxy;live"`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s", want)
		}
	}
	for _, secret := range []string{"127.0.0.1", "roundrobin", "c1", "nodeA", "my desc", `name="s"`,
		"<form method=\"post\">"} {
		if strings.Contains(body, secret) {
			t.Errorf("%s is shown", secret)
		}
	}
}

// Only the page's own style and script may run, and they are those of the document.
func TestPolicy(t *testing.T) {
	a, e := newAdmin(t)
	_, header, body := ask(t, a, e, nil)
	for _, tag := range []string{"style", "script"} {
		_, rest, ok := strings.Cut(body, "<"+tag+">")
		inside, _, ok2 := strings.Cut(rest, "</"+tag+">")
		if !ok || !ok2 {
			t.Fatal(tag)
		}
		sum := sha256.Sum256([]byte(inside))
		if want := tag + "-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
			"'"; !strings.Contains(header, want) {
			t.Errorf("%s is not allowed: want %s in %s", tag, want, header)
		}
	}
	for _, no := range []string{" style=", " onclick", "http://", "https://", "src="} {
		if strings.Contains(body, no) {
			t.Errorf("the page has %q", no)
		}
	}
}

func TestPageShows(t *testing.T) {
	a, e := newAdmin(t)
	_, _, body := ask(t, a, e, func(r *proxy.AppletRequest) {
		r.Page = &config.StatsPage{URI: "/haproxy", ShowLegends: true, ShowNode: true, ShowDesc: true,
			HideVersion: true, Refresh: 7 * time.Second}
		r.Admin = true
	})
	for _, want := range []string{"127.0.0.1:18090, cookie c1, id 1", "balance roundrobin", "nodeA", "my desc",
		`<input type="checkbox" name="s" value="s1">`, `name="b" value="#4"`, `data-seconds="7"`,
		`<noscript><meta http-equiv="refresh" content="7"></noscript>`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(body, "0.3.0") {
		t.Error("the version is shown")
	}
	_, _, body = ask(t, a, e, func(r *proxy.AppletRequest) { r.URI = "/haproxy;norefresh" })
	if strings.Contains(body, "data-live") || strings.Contains(body, "http-equiv=\"refresh") {
		t.Error(";norefresh is live")
	}
}

// Names come from a configuration and from servers' answers: they must stay text.
func TestPageEscapes(t *testing.T) {
	a, e := newAdmin(t)
	e.status.Rows[1].Check.Text = `"><script>alert(1)</script>`
	e.status.Rows[1].Check.Describe = `'onmouseover=x`
	e.status.Rows[0].Proxy.Description = "<b>bold</b>"
	_, _, body := ask(t, a, e, func(r *proxy.AppletRequest) { r.URI = "/haproxy?scope=%22%3E%3Cscript%3E" })
	if strings.Contains(body, "><script>") && strings.Contains(body, "alert(1)</script>") {
		t.Error("a script got in")
	}
	_, _, body = ask(t, a, e, nil)
	if strings.Contains(body, "alert(1)</script>") || strings.Contains(body, "<b>bold") {
		t.Error("markup got in")
	}
}

func TestLive(t *testing.T) {
	a, e := newAdmin(t)
	_, _, body := ask(t, a, e, func(r *proxy.AppletRequest) { r.URI = "/haproxy;live;no-maint" })
	if strings.Contains(body, "<html") || !strings.Contains(body, `id="app/s1"`) ||
		strings.Contains(body, `id="app/s3"`) {
		t.Errorf("%.300s", body)
	}
}

func TestAuthentication(t *testing.T) {
	a, e := newAdmin(t)
	page := &config.StatsPage{URI: "/haproxy", Realm: `My "Realm"`, Users: [][2]string{{"a", "b"}, {"c", "d:e"}}}
	for field, want := range map[string]int{"": 401, "Basic YTpi": 200, "basic YTpi": 200, "Basic YzpkOmU=": 200,
		"Basic YTp4": 401, "Bearer YTpi": 401, "Basic !": 401, "Basic YTpiYg==": 401, "Basic ": 401} {
		status, header, body := ask(t, a, e, func(r *proxy.AppletRequest) { r.Page, r.Authorization = page, field })
		if status != want {
			t.Errorf("%q: %d", field, status)
		}
		if status == 401 && (!strings.Contains(header, `www-authenticate: Basic realm="My \"Realm\""`) ||
			strings.Contains(body, "s1")) {
			t.Errorf("%s %s", header, body)
		}
	}
	status, _, _ := ask(t, a, e, func(r *proxy.AppletRequest) { r.Denied = true })
	if status != 403 {
		t.Error(status)
	}
	status, _, _ = ask(t, a, e, func(r *proxy.AppletRequest) {
		r.Page, r.Method, r.Admin, r.Body = page, "POST", true, []byte("s=s1&action=maint&b=app")
	})
	if status != 401 || len(e.orders) != 0 {
		t.Error("an order without a password was taken")
	}
}

// The codes are those HAProxy 2.6.12 answers with.
func TestOrders(t *testing.T) {
	for _, test := range []struct {
		uri, body, want string
		orders          string
	}{
		{"/haproxy", "s=s1&action=drain&b=%234", "/haproxy;st=DONE;did=drain;at=app;on=s1", "state app/s1 1"},
		{"/haproxy", "s=s1&s=s2&action=ready&b=%234", "/haproxy;st=DONE;did=ready;at=app;on=s1;on=s2",
			"state app/s1 0,state app/s2 0"},
		{"/haproxy", "s=zz&action=ready&b=%234", "/haproxy;st=ERRP", ""},
		{"/haproxy", "action=ready&b=%234", "/haproxy;st=NONE", ""},
		{"/haproxy", "s=s1&action=foo&b=%234", "/haproxy;st=ERRP", ""},
		{"/haproxy", "s=s1&action=ready&b=%2399", "/haproxy;st=ERRP", ""},
		{"/haproxy", "s=s1&action=ready&b=app", "/haproxy;st=DONE;did=ready;at=app;on=s1", "state app/s1 0"},
		{"/haproxy", "", "/haproxy;st=NONE", ""},
		{"/haproxy", "s=s1&s=zz&action=maint&b=%234", "/haproxy;st=PART;did=maint;at=app;on=s1", "state app/s1 2"},
		{"/haproxy;up;norefresh?scope=app", "s=s1&action=shutdown&b=%234",
			"/haproxy;st=DONE;did=shutdown;at=app;on=s1;up;norefresh?scope=app", "sessions app/s1"},
		{"/haproxy", "s=s1&action=dhlth&b=app", "/haproxy;st=DONE;did=dhlth;at=app;on=s1", "checks app/s1 false"},
		{"/haproxy", "s=s1&action=hnolb&b=app", "/haproxy;st=DONE;did=hnolb;at=app;on=s1", "health app/s1 1"},
		{"/haproxy", "s=t1&action=maint&b=db", "/haproxy;st=ERRP", ""}, // not in the page's scope
		{"/haproxy", "%zz", "/haproxy;st=ERRP", ""},
	} {
		a, e := newAdmin(t)
		status, header, _ := ask(t, a, e, func(r *proxy.AppletRequest) {
			r.Page = &config.StatsPage{URI: "/haproxy", Scope: []string{"app"}}
			r.Method, r.URI, r.Body, r.Admin = "POST", test.uri, []byte(test.body), true
		})
		if status != 303 || !strings.Contains(header, "location: "+test.want+"\r\n") {
			t.Errorf("%s: %d %s", test.body, status, header)
		}
		if got := strings.Join(e.orders, ","); got != test.orders {
			t.Errorf("%s: orders %q, want %q", test.body, got, test.orders)
		}
	}
}

// Orders need the admin condition, and must come from this page.
func TestForeignOrders(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*proxy.AppletRequest)
		taken  bool
	}{
		{"no admin", func(r *proxy.AppletRequest) { r.Admin = false }, false},
		{"no browser", func(*proxy.AppletRequest) {}, true},
		{"own page", func(r *proxy.AppletRequest) { r.Origin, r.FetchSite = "http://lb:81", "same-origin" }, true},
		{"own page, old browser", func(r *proxy.AppletRequest) { r.Origin = "http://LB:81" }, true},
		{"other port", func(r *proxy.AppletRequest) { r.Origin = "http://lb:82" }, false},
		{"other site", func(r *proxy.AppletRequest) { r.Origin = "http://evil.example" }, false},
		{"other site, by the browser's word", func(r *proxy.AppletRequest) { r.FetchSite = "cross-site" }, false},
		{"own page, very old browser", func(r *proxy.AppletRequest) { r.Referer = "http://lb:81/stats" }, true},
		{"other site, very old browser", func(r *proxy.AppletRequest) { r.Referer = "http://evil.example/x" }, false},
		{"opaque origin", func(r *proxy.AppletRequest) { r.Origin = "null" }, false},
	} {
		a, e := newAdmin(t)
		_, header, _ := ask(t, a, e, func(r *proxy.AppletRequest) {
			r.Method, r.Body, r.Admin, r.Host = "POST", []byte("s=s1&action=maint&b=app"), true, "lb:81"
			test.change(r)
		})
		if taken := len(e.orders) == 1; taken != test.taken || taken == strings.Contains(header, "st=DENY") {
			t.Errorf("%s: %v %s", test.name, e.orders, header)
		}
	}
}

func TestMessages(t *testing.T) {
	a, e := newAdmin(t)
	for code, want := range map[string]string{"DONE": "Done.", "PART": "some of the servers", "DENY": "may not",
		"NONE": "choose", "ERRP": "understood", "EXCD": "too many"} {
		_, _, body := ask(t, a, e, func(r *proxy.AppletRequest) { r.URI = "/haproxy;st=" + code })
		if !strings.Contains(body, want) {
			t.Errorf("%s: no %q", code, want)
		}
	}
	_, _, body := ask(t, a, e, func(r *proxy.AppletRequest) { r.URI = "/haproxy;st=<b>" })
	if strings.Contains(body, `role="status"`) {
		t.Error("an unknown code has a message")
	}
}

// TestMessagesName: a message names the servers and the action, of those that are on the page; the rest of a URI that
// someone made up is not told.
func TestMessagesName(t *testing.T) {
	a, e := newAdmin(t)
	for words, want := range map[string]string{
		"DONE;did=drain;at=app;on=s1;on=s2":          "app/s1, app/s2: state drain.",
		"DONE;did=maint;at=app;on=s1;more=3":         "app/s1 and 3 more: state maintenance.",
		"PART;did=hdown;at=app;on=s1;not=s2":         "app/s1: health down. Refused for app/s2.",
		"ERRP;did=shutdown;at=app;not=s1":            "Nothing was changed for app/s1: sessions ended was refused.",
		"DONE;did=drain;at=app;on=call+0800":         "Done.",
		"DONE;did=call+0800;at=app;on=s1":            "Done.",
		"DONE;did=drain;at=db;on=t1":                 "Done.", // not in the page's scope
		"ERRP;did=drain;at=app;not=%3Cscript%3E":     "the order was not understood",
		"DENY;did=drain;at=app;on=s1":                "may not give orders",
		"DONE;did=drain;at=app;on=s1;scope=app":      "app/s1: state drain.",
		"DONE;did=drain;at=app;on=%zz;on=s2;more=-1": "app/s2: state drain.",
	} {
		_, _, body := ask(t, a, e, func(r *proxy.AppletRequest) {
			r.Page = &config.StatsPage{URI: "/haproxy", Scope: []string{"app", "web"}}
			r.URI = "/haproxy;st=" + words
		})
		_, rest, _ := strings.Cut(body, `role="status">`)
		if got, _, _ := strings.Cut(rest, "</p>"); !strings.Contains(got, want) || strings.Contains(body, "0800") {
			t.Errorf("%s: %q", words, got)
		}
	}
}

// TestDownFirst: what is down is listed before the figures, with the reason; what is in maintenance is not.
func TestDownFirst(t *testing.T) {
	a, e := newAdmin(t)
	e.status.Rows[6].State = "DOWN (via app/s1)"
	_, _, body := ask(t, a, e, nil)
	before, _, _ := strings.Cut(body, `<dl class="facts">`)
	_, list, _ := strings.Cut(before, `id="down"`)
	for _, want := range []string{`<a href="#db%2ft1">db/t1</a> <span>as app/s1, 2s</span>`,
		`<a href="#db%2fBACKEND">backend db</a> <span>no server, 2s</span>`} {
		if !strings.Contains(list, want) {
			t.Errorf("no %s in %s", want, list)
		}
	}
	if strings.Contains(list, "app/s3") || strings.Contains(list, "app/s2") {
		t.Error(list)
	}
	e.status.Rows = e.status.Rows[:6]
	if _, _, body := ask(t, a, e, nil); !strings.Contains(body, `<div id="down" class="outages"></div>`) {
		t.Error("nothing is down, and the list is there")
	}
}

// TestShort: no figure is wider than its column.
func TestShort(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 99_999: "99\u202f999", 100_000: "100k", 999_499: "999k",
		999_600: "1.0M", 12_345_678: "12.3M"} {
		if got := count(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int64]string{999: "999", 1000: "1.0 KiB", 999 << 10: "999 KiB", 1023 << 10: "1.0 MiB",
		5 << 30: "5.0 GiB"} {
		if got := size("", n).Text; got != want {
			t.Errorf("%d bytes: %q, want %q", n, got, want)
		}
	}
}

// TestNode: who may give orders sees which node they go to.
func TestNode(t *testing.T) {
	a, e := newAdmin(t)
	for _, admin := range []bool{false, true} {
		_, _, body := ask(t, a, e, func(r *proxy.AppletRequest) { r.Admin = admin })
		if strings.Contains(body, "<title>Evenkeel on nodeA</title>") != admin ||
			strings.Contains(body, `class="every"`) != admin {
			t.Errorf("admin %v: wrong node or boxes", admin)
		}
	}
}

func TestExports(t *testing.T) {
	a, e := newAdmin(t)
	get := func(uri string) (string, string) {
		_, header, body := ask(t, a, e, func(r *proxy.AppletRequest) {
			r.Page = &config.StatsPage{URI: "/haproxy", Refresh: 10 * time.Second, ShowLegends: true}
			r.URI = uri
		})
		return header, body
	}
	header, body := get("/haproxy;csv")
	if !strings.Contains(header, "content-type: text/plain\r\nrefresh: 10\r\n") {
		t.Error(header)
	}
	table, err := csv.NewReader(strings.NewReader(body)).ReadAll()
	if err != nil || len(table) != len(e.status.Rows)+1 || table[0][0] != "# pxname" || len(table[0]) != len(fields)+1 {
		t.Errorf("%v %d rows", err, len(table))
	}
	header, body = get("/haproxy;csv;norefresh;scope=db")
	if strings.Contains(header, "refresh") || strings.Count(body, "\n") != 3 {
		t.Error(header, body)
	}
	for _, uri := range []string{"/haproxy;json", "/haproxy;json-schema"} {
		header, body = get(uri)
		if !strings.Contains(header, "application/json") || !json.Valid([]byte(body)) {
			t.Errorf("%s: %.100s", uri, body)
		}
	}
	_, body = get("/haproxy;up;csv")
	if strings.Contains(body, ",s3,") || strings.Contains(body, ",t1,") || !strings.Contains(body, ",s1,") {
		t.Error(body)
	}
	// Without show-legends the addresses are nobody's business.
	_, _, body = ask(t, a, e, func(r *proxy.AppletRequest) { r.URI = "/haproxy;csv" })
	if strings.Contains(body, "127.0.0.1") || strings.Contains(body, "roundrobin") || strings.Contains(body, "SRV") {
		t.Error(body)
	}
}

func FuzzPage(f *testing.F) {
	f.Add("/haproxy;csv;norefresh?scope=x", "s=s1&action=ready&b=app")
	f.Add("/haproxy?scope=%zz", "%")
	f.Add("/haproxy;scope=%0d%0aX:y", "s=&b=#&action=")
	f.Fuzz(func(t *testing.T, uri, body string) {
		a, e := newAdmin(t)
		for _, method := range []string{"GET", "POST"} {
			_, header, _ := ask(t, a, e, func(r *proxy.AppletRequest) {
				r.Method, r.URI, r.Body, r.Admin = method, uri, []byte(body), true
			})
			for _, line := range strings.Split(strings.TrimSuffix(header, "\r\n"), "\r\n") {
				if !strings.Contains(line, ": ") || strings.ContainsAny(line, "\r\n\x00") {
					t.Errorf("header line %q", line)
				}
				if at, ok := strings.CutPrefix(line, "location: "); ok {
					if _, err := url.Parse(at); err != nil {
						t.Errorf("location %q", at)
					}
				}
			}
		}
	})
}
