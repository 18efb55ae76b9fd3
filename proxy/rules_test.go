package proxy

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/h1"
	"github.com/evenkeel/evenkeel/sample"
)

// TestRulesStopAndGoOn: an action that waits is asked again when that has come, with everything as it was: the head
// with what rules before it have made of it, the body that came behind it, and the next request behind that.
func TestRulesStopAndGoOn(t *testing.T) {
	before := actions[config.ActSetLogLevel].at[onRequest]
	t.Cleanup(func() { actions[config.ActSetLogLevel].at[onRequest] = before }) // once the engine has ended
	var waited atomic.Int64
	actions[config.ActSetLogLevel].at[onRequest] = func(s *stream, _ *config.Rule, h *h1.Head,
		_ *sample.Context) outcome {
		if !s.rules.inside {
			s.suspend(phaseTarpit)
			return waits
		}
		waited.Add(1)
		return next
	}
	type request struct{ uri, seen, body string }
	got := make(chan request, 2)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- request{r.RequestURI, r.Header.Get("X-B"), string(body)}
	}))
	t.Cleanup(srv.Close)
	s := startOne(t, func(p *config.Proxy) {
		withRules(t, `http-request set-header X-A %[path]
 http-request set-log-level info if { path_beg /wait }
 http-request set-log-level info if { path_beg /wait }
 http-request set-header X-B %[req.hdr(x-a)]-%[req.hdr(host)]`)(p)
		p.Timeouts.Tarpit = 20 * time.Millisecond
	}, srv.Listener.Addr().String())
	client := s.dial(t)
	const post = "POST /wait HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhello"
	for _, piece := range []string{post[:30], post[30:] + "GET /other HTTP/1.1\r\nHost: b\r\n\r\n"} {
		if _, err := client.conn.Write([]byte(piece)); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []request{{"/wait", "/wait-a.example", "hello"}, {"/other", "/other-b", ""}} {
		select {
		case r := <-got:
			if r != want {
				t.Errorf("%+v instead of %+v", r, want)
			}
		case <-time.After(patience):
			t.Fatalf("%+v did not come", want)
		}
	}
	if n := waited.Load(); n != 2 {
		t.Errorf("%d rules waited", n)
	}
}
