package haproxy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/config"
)

// TestCheckLinesReplace: the first line about steps in a section takes the place of all those of its defaults, and of
// the request of their option httpchk, as in haproxy 2.6.12.
func TestCheckLinesReplace(t *testing.T) {
	const full = "option httpchk GET /health HTTP/1.1;http-check send hdr X d;http-check expect status 204"
	for _, c := range []struct{ defaults, backend, want string }{
		{full, "", "http: GET /health HTTP/1.1 [X d] expect [[204 204]]"},
		{full, "http-check send hdr Y b", "http: OPTIONS / HTTP/1.0 [Y b] expect default"},
		{full, "http-check send uri /b", "http: OPTIONS /b HTTP/1.0 expect default"},
		{full, "http-check expect status 200", "http: expect [[200 200]]"},
		{full, "option httpchk GET /x", "http: GET /x HTTP/1.0 expect default"},
		{full, "option httpchk", "http: OPTIONS / HTTP/1.0 expect default"},
		{full, "option httpchk GET /y;http-check expect status 200", "http: GET /y HTTP/1.0 expect [[200 200]]"},
		{full, "http-check expect status 200;option httpchk GET /y", "http: GET /y HTTP/1.0 expect [[200 200]]"},
		{full, "http-check disable-on-404", "http: GET /health HTTP/1.1 [X d] expect [[204 204]]"},
		{full, "http-check send-state", "http: GET /health HTTP/1.1 [X d] expect [[204 204]]"},
		{full, "http-check comment x", "tcp:"},
		{"option tcp-check;tcp-check send ONE", "tcp-check send TWO", "tcp: send TWO"},
		{"option tcp-check;tcp-check send ONE", "option tcp-check", "tcp: send ONE"},
		{"option tcp-check;tcp-check send ONE", "tcp-check comment x", "tcp:"},
		{full, "option tcp-check;tcp-check send ONE", "tcp: send ONE"},
	} {
		text := "defaults\n mode http\n timeout client 1s\n timeout server 1s\n timeout connect 1s\n " +
			strings.ReplaceAll(c.defaults, ";", "\n ") +
			"\nbackend b\n " + strings.ReplaceAll(c.backend, ";", "\n ") +
			"\n server s 10.0.0.1:80 check\nbackend after\n server s 10.0.0.1:80 check\n"
		p, diags := Parse([]File{{Name: "haproxy.cfg", Data: []byte(text)}}, testOptions())
		if config.HasErrors(diags) {
			t.Errorf("%s / %s: %v", c.defaults, c.backend, diags)
			continue
		}
		if got := steps(p.Proxies[0].Check); got != c.want {
			t.Errorf("%s / %s:\ngot  %s\nwant %s", c.defaults, c.backend, got, c.want)
		}
		if c.defaults == full { // the next section has the defaults' again
			if got := steps(p.Proxies[1].Check); got != "http: GET /health HTTP/1.1 [X d] expect [[204 204]]" {
				t.Errorf("after %s: %s", c.backend, got)
			}
		}
	}
}

// steps are what a check does, in short.
func steps(h *config.HealthCheck) string {
	text := map[config.CheckKind]string{config.CheckHTTP: "http:", config.CheckTCP: "tcp:"}[h.Kind]
	for _, s := range h.Steps {
		switch s.Kind {
		case config.StepHTTPSend:
			text += fmt.Sprintf(" %s %s %s", s.Method, s.URI, s.Version)
			for _, x := range s.Headers {
				text += fmt.Sprint(" ", x)
			}
		case config.StepSend:
			text += " send " + string(s.Data)
		case config.StepExpect:
			if text += " expect "; s.Expect.Default {
				text += "default"
			} else {
				text += fmt.Sprint(s.Expect.Statuses)
			}
		}
	}
	return text
}

// TestVariablesInAddresses: $NAME and ${NAME} need no quotes there.
func TestVariablesInAddresses(t *testing.T) {
	text := "global\n setenv H 10.0.0.9\ndefaults\n mode http\n timeout client 1s\n timeout server 1s\n timeout " +
		"connect 1s\nlisten l\n bind ${H}:${PORT}\n bind unix@/run/$H\n server s $H:80 source ${H}\n"
	p, diags := Parse([]File{{Name: "haproxy.cfg", Data: []byte(text)}}, testOptions())
	if p == nil {
		t.Fatal(diags)
	}
	l := p.Proxies[0]
	if got := fmt.Sprint(l.Binds[0].Addr, " ", l.Binds[0].Text, " ", l.Binds[1].Path, " ", l.Servers[0].Addr, " ",
		l.Servers[0].Source); got != "10.0.0.9:8080 10.0.0.9:8080 /run/10.0.0.9 10.0.0.9:80 10.0.0.9:0" {
		t.Error(got)
	}
	if _, diags = Parse([]File{{Name: "haproxy.cfg", Data: []byte(strings.Replace(text, "$H:80", "$NONE:80", 1))}},
		testOptions()); !strings.Contains(fmt.Sprint(diags), "the environment has no NONE") {
		t.Error(diags)
	}
}

// TestEnvironment: what a file does to the environment is there for env(), too.
func TestEnvironment(t *testing.T) {
	for _, c := range []struct{ lines, want string }{
		{"", "- 8080"},
		{"setenv A 1;setenv PORT 2", "1 2"},
		{"presetenv A 1;presetenv PORT 2", "1 8080"},
		{"setenv A 1;unsetenv A PORT", "- -"},
		{"setenv A 1;resetenv", "- -"},
		{"setenv A 1;resetenv PORT", "- 8080"},
	} {
		text := "global\n " + strings.ReplaceAll(c.lines, ";", "\n ") + "\n" + base + "frontend f\n bind :80\n"
		p, diags := Parse([]File{{Name: "haproxy.cfg", Data: []byte(text)}}, testOptions())
		if p == nil {
			t.Fatal(c.lines, diags)
		}
		var got []string
		for _, name := range []string{"A", "PORT"} {
			v, ok := p.Global.Environment.Lookup(name, testOptions().Getenv)
			if !ok {
				v = "-"
			}
			got = append(got, v)
		}
		if text := strings.Join(got, " "); text != c.want {
			t.Errorf("%s: %s, want %s", c.lines, text, c.want)
		}
	}
}

// TestErrorFiles: what haproxy 2.6.12 takes and refuses as a whole response.
func TestErrorFiles(t *testing.T) {
	for text, want := range map[string]string{
		"HTTP/1.0 503 X\r\n\r\nb":                                   "",
		"\r\nHTTP/1.0 503 X\r\n\r\nb":                               "",
		"\nHTTP/1.0 503 X\n\nb":                                     "",
		"HTTP/1.1 503 X\r\nContent-Length: 6\r\n\r\nabcdef":         "",
		"HTTP/1.1 503 X\r\nContent-Length: 6\r\nA: b\r\n\r\nabcdef": "",
		"HTTP/1.1 503 X\nContent-Length: 6\nA: b\n\nabcdef":         "",
		"HTTP/1.1 503 X\r\nContent-Length: 6\r\n\r\nab\r\n\r\n":     "",
		"HTTP/1.1 503 X\r\nContent-Length: 30\r\n\r\nabcdef": "its body has 6 bytes and not the 30 of " +
			"Content-Length",
		"HTTP/1.1 503 X\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": "its body is chunked",
	} {
		opts := testOptions()
		opts.ReadFile = func(string) ([]byte, error) { return []byte(text), nil }
		_, diags := Parse([]File{{Name: "haproxy.cfg",
			Data: []byte(base + "frontend f\n bind :80\n errorfile 503 /e\n")}}, opts)
		if got := fmt.Sprint(diags); (want == "") != !config.HasErrors(diags) || !strings.Contains(got, want) {
			t.Errorf("%q: %s, want %q", text, got, want)
		}
	}
}
