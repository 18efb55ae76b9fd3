package haproxy

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/config"
)

// TestTCPBeforeHTTP: a frontend in mode tcp may lead to a backend in mode http, with a warning, as haproxy takes it;
// unless the backend asks for what cannot be done to bytes.
func TestTCPBeforeHTTP(t *testing.T) {
	const head = "defaults\n timeout client 1s\n timeout server 1s\n timeout connect 1s\n" +
		"frontend f\n bind :80\n mode tcp\n default_backend b\nbackend b\n mode http\n server s 10.0.0.1:80\n"
	for lines, lost := range map[string]string{
		"":                                       "",
		"option tcpka":                           "",
		"balance source":                         "",
		"option forwardfor":                      "",
		"http-request deny if { path /x }":       "http-request",
		"redirect location /x":                   "http-request",
		"http-response set-header A b":           "http-response",
		"http-after-response set-header A b":     "http-response",
		"cookie S insert":                        "cookie",
		"balance uri":                            "balance",
		"balance hdr(host)":                      "balance",
		"http-reuse always":                      "http-reuse",
		"server r 10.0.0.2:80 redir http://x.to": "redir",
	} {
		text := head + " " + lines + "\n"
		model, diags := Parse([]File{{Name: "f", Data: []byte(text)}}, testOptions())
		if (model == nil) != (lost != "") || len(diags) != 1 || !strings.Contains(diags[0].Message, lost) {
			t.Errorf("%q: model %v, %v", lines, model != nil, diags)
			continue
		}
		if model != nil && model.Proxies[0].DefaultBackend != model.Proxies[1] {
			t.Errorf("%q: the frontend leads nowhere", lines)
		}
		strict := testOptions()
		strict.Strict = true
		if _, diags := Parse([]File{{Name: "f", Data: []byte(text)}}, strict); config.HasErrors(diags) {
			t.Errorf("%q: strict: %v", lines, diags)
		}
	}
}

// TestInitAddrOfDefaults: init-addr of default-server holds for the servers that follow, also where another word of
// its line is not supported.
func TestInitAddrOfDefaults(t *testing.T) {
	o := testOptions()
	o.Resolve = func(string) (netip.Addr, error) { return netip.Addr{}, errors.New("no such host") }
	for line, want := range map[string]int{
		"init-addr none":                       0,
		"init-addr last,libc,none":             0,
		"init-addr none resolvers r":           1,
		"resolvers r init-addr none":           1,
		"resolvers r inter 2s init-addr none":  1,
		"inter 2s":                             1,
		"init-addr none resolvers r inter 2sx": 1,
	} {
		text := "defaults\n mode http\n timeout client 1s\n timeout server 1s\n timeout connect 1s\n default-server " +
			line +
			"\nbackend b\n server s web.example:80\n"
		_, diags := Parse([]File{{Name: "f", Data: []byte(text)}}, o)
		errs := 0
		for _, d := range diags {
			if d.Severity == config.Error {
				errs++
			}
		}
		if errs != want {
			t.Errorf("%q: %v", line, diags)
		}
	}
}
