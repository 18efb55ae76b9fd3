package board

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"testing"
)

func TestPageTakesOrdersOnlyFromItself(t *testing.T) {
	p := &Page{Site: nginxPair, Board: killedMaster(), Expect: foretold}
	srv := httptest.NewServer(p.handler())
	defer srv.Close()
	own := strings.TrimPrefix(srv.URL, "http://")
	_, port, _ := net.SplitHostPort(own)
	tests := []struct {
		name, method, path, body string
		header                   map[string]string
		host                     string
		want                     int
	}{
		{name: "page", method: "GET", path: "/", want: 200},
		{name: "state", method: "GET", path: "/state.json", want: 200},
		{name: "by name", method: "GET", path: "/state.json", host: "localhost:" + port, want: 200},
		{name: "rebound name", method: "GET", path: "/state.json", host: "evil.example:" + port, want: 421},
		{name: "not there", method: "GET", path: "/nothing", want: 404},
		{name: "no header", method: "POST", path: "/fault", body: `{"node":"node1","action":"cable-out"}`, want: 403},
		{name: "foreign origin", method: "POST", path: "/fault", body: `{"node":"node1","action":"cable-out"}`,
			header: map[string]string{pageHeader: "1", "Origin": "http://evil.example"}, want: 403},
		{name: "no JSON", method: "POST", path: "/fault", body: `node=node1`,
			header: map[string]string{pageHeader: "1"}, want: 400},
		{name: "unknown field", method: "POST", path: "/fault", body: `{"nodes":"node1"}`,
			header: map[string]string{pageHeader: "1"}, want: 400},
		{name: "unknown node", method: "POST", path: "/fault", body: `{"node":"node9","action":"cable-out"}`,
			header: map[string]string{pageHeader: "1", "Origin": srv.URL}, want: 409},
		{name: "unknown action", method: "POST", path: "/fault", body: `{"node":"node1","action":"explode"}`,
			header: map[string]string{pageHeader: "1"}, want: 409},
		{name: "impossible now", method: "POST", path: "/fault", body: `{"node":"node1","action":"director-kill"}`,
			header: map[string]string{pageHeader: "1"}, want: 409},
		{name: "statistics of a site without", method: "GET", path: "/stats/node1/haproxy", want: 404},
		{name: "orders by GET", method: "GET", path: "/fault", want: 404},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), tt.method, srv.URL+tt.path, strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			for k, v := range tt.header {
				req.Header.Set(k, v)
			}
			if tt.host != "" {
				req.Host = tt.host
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != tt.want {
				body, _ := io.ReadAll(resp.Body)
				t.Errorf("status %d, want %d: %s", resp.StatusCode, tt.want, body)
			}
		})
	}
}

// TestPageNeedsNoOutsideAsset: the page works without any other machine.
func TestPageNeedsNoOutsideAsset(t *testing.T) {
	entries, err := webFiles.ReadDir("web")
	if err != nil {
		t.Fatal(err)
	}
	outside := regexp.MustCompile(`(?:src|href|url|import)\s*[=(]?\s*["']?(?:https?:)?//`)
	for _, e := range entries {
		b, err := webFiles.ReadFile("web/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		if m := outside.Find(b); m != nil {
			t.Errorf("%s refers to another site: %s", e.Name(), m)
		}
	}
}

func TestListenPageTakesNextFreePort(t *testing.T) {
	a, err := listenPage("")
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := listenPage("")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	// The second one may be the lower: another program may have given it up in between.
	first := netip.MustParseAddrPort(defaultListen).Port()
	for _, l := range []net.Listener{a, b} {
		if port := netip.MustParseAddrPort(l.Addr().String()).Port(); port < first || port >= first+50 {
			t.Errorf("the page is at %v", l.Addr())
		}
	}
	if a.Addr().String() == b.Addr().String() {
		t.Errorf("two pages at %v", a.Addr())
	}
	if _, err := listenPage(a.Addr().String()); err == nil {
		t.Error("a taken port that was asked for is no error")
	}
}
