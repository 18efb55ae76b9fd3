package proxy

import (
	"io"
	"slices"

	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/counter"
	"github.com/evenkeel/evenkeel/linux/sock"
	"github.com/evenkeel/evenkeel/sample"
)

// TestCookieOfTwoServers: of several servers with one cookie value the first in the file that is up is taken, so that a
// backup can stand in for its primary.
func TestCookieOfTwoServers(t *testing.T) {
	s := start(t, config.HTTP, func(p *config.Proxy) {
		p.Cookie = config.Cookie{Name: "c", Mode: config.CookieInsert}
		for i, value := range []string{"x", "y", "x"} {
			p.Servers[i].Cookie = value
		}
		p.Servers[2].Backup = true
	}, web(t, "primary"), web(t, "second"), web(t, "standin"))
	ask := func() string {
		t.Helper()
		req, _ := http.NewRequest("GET", "http://"+s.addr+"/", nil)
		req.Header.Set("Cookie", "c=x")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.Header.Get("X-Server")
	}
	for _, c := range []struct {
		state AdminState
		want  string
	}{{Ready, "primary"}, {Maint, "standin"}, {Ready, "primary"}} {
		if err := s.engine.SetState("web", "s1", c.state); err != nil {
			t.Fatal(err)
		}
		if got := ask(); got != c.want {
			t.Errorf("primary %v: %s answers, not %s", c.state, got, c.want)
		}
	}
}

// TestEnvironmentOfRules: env() is the process's environment under what the file made of it.
func TestEnvironmentOfRules(t *testing.T) {
	t.Setenv("EVENKEEL_TEST_A", "outside")
	s := start(t, config.HTTP, nil, "127.0.0.1:1")
	get := s.engine.cores[0].ctx.Getenv
	s.engine.cfg.Global.Environment = config.Environment{Set: map[string]string{"B": "inside"}}
	for name, want := range map[string]string{"EVENKEEL_TEST_A": "outside", "B": "inside", "EVENKEEL_TEST_NONE": ""} {
		if got, _ := get(name); got != want {
			t.Errorf("%s is %q", name, got)
		}
	}
}

// TestFieldsOfShowStat: weights, limits and attempts as haproxy 2.6 counts them.
func TestFieldsOfShowStat(t *testing.T) {
	s := start(t, config.HTTP, func(p *config.Proxy) {
		p.MaxConn, p.MonitorURI, p.Retries = 105, "/alive", 1
		p.Servers[0].Weight, p.Servers[1].Weight = 10, 20
	}, "127.0.0.1:1", "127.0.0.1:1")
	e := s.engine
	row := func(name string) counter.Row {
		t.Helper()
		for _, r := range e.Status().Rows {
			if r.Name == name {
				return r
			}
		}
		t.Fatal("no row ", name)
		return counter.Row{}
	}
	if err := e.SetState("web", "s1", Drain); err != nil {
		t.Fatal(err)
	}
	if s1, be := row("s1"), row("BACKEND"); s1.Weight != 10 || s1.UserWeight != 10 || be.Weight != 20 ||
		be.UserWeight != 20 || be.SessionsLimit != 11 {
		t.Errorf("in drain %d/%d, backend %d/%d, slim %d", s1.Weight, s1.UserWeight, be.Weight, be.UserWeight,
			be.SessionsLimit)
	}
	if resp, _ := s.get("/alive"); resp.StatusCode != 200 {
		t.Error(resp.Status)
	}
	if resp, _ := s.get("/"); resp.StatusCode != 503 {
		t.Error(resp.Status)
	}
	await(t, "the failure is counted", func() bool { return row("BACKEND").FailedConnections == 1 })
	if f := row("FRONTEND"); f.Intercepted != 1 {
		t.Errorf("%d intercepted", f.Intercepted)
	}
	if r := row("s2"); r.Retries != 1 || r.Redispatches != 0 || r.SessionsTotal != 2 {
		t.Errorf("a server that refuses: %d retries, %d redispatches, %d sessions", r.Retries, r.Redispatches,
			r.SessionsTotal)
	}
}

// TestRedispatchIsNoRetry: one that goes to another server counts once, as a redispatch.
func TestRedispatchIsNoRetry(t *testing.T) {
	s := start(t, config.HTTP, func(p *config.Proxy) { p.Redispatch, p.Retries = 1, 1 }, "127.0.0.1:1", web(t, "two"))
	if resp, _ := s.get("/"); resp.StatusCode != 200 {
		t.Error(resp.Status)
	}
	for _, r := range s.engine.Status().Rows {
		if r.Name == "s1" && (r.Retries != 0 || r.Redispatches != 1 || r.SessionsTotal != 1) {
			t.Errorf("%d retries, %d redispatches, %d sessions", r.Retries, r.Redispatches, r.SessionsTotal)
		}
	}
}

// unusedAddr is an address with a port that nobody else uses. A port that was asked for is kept by a socket that does
// not listen; this one is of an address nobody else uses.
func unusedAddr(t *testing.T) netip.AddrPort {
	t.Helper()
	pid := os.Getpid()
	free, err := net.Listen("tcp", fmt.Sprintf("127.%d.%d.%d:0", 1+pid>>16&127, pid>>8&255, 1+pid&127))
	if err != nil {
		t.Fatal(err)
	}
	defer free.Close()
	return netip.MustParseAddrPort(free.Addr().String())
}

// TestFrontendStopsListening: clients of a frontend that is disabled or shut down are refused at once, as by a port
// where nobody listens, also while somebody else holds the socket; one that is enabled again, and the next worker,
// listens.
func TestFrontendStopsListening(t *testing.T) {
	var held []int
	var lines []string
	addr := unusedAddr(t)
	s := startWith(t, config.HTTP, func(p *config.Proxy) { p.Binds[0].Addr = addr }, func(o *Options) {
		listeners := o.Listeners
		o.Listeners = func(b *config.Bind) []int {
			fds := listeners(b)
			for _, fd := range fds { // as the director does
				copied, err := unix.Dup(fd)
				if err != nil {
					t.Error(err)
				}
				t.Cleanup(func() { unix.Close(copied) })
				held = append(held, copied)
			}
			return fds
		}
		o.Log = func(_ int, _ *config.Proxy, text string) { lines = append(lines, text) }
	}, web(t, "one"))
	e := s.engine
	dial := func() error {
		conn, err := net.DialTimeout("tcp", s.addr, patience)
		if err == nil {
			conn.Close()
		}
		return err
	}
	http.DefaultClient.CloseIdleConnections()
	if err := e.EnableFrontend("web", false); err != nil {
		t.Fatal(err)
	}
	await(t, "refused while disabled", func() bool { return errors.Is(dial(), syscall.ECONNREFUSED) })
	if err := e.EnableFrontend("web", true); err != nil {
		t.Fatal(err)
	}
	await(t, "served again", func() bool { return dial() == nil })
	if resp, _ := s.get("/"); resp.StatusCode != 200 {
		t.Error(resp.Status)
	}
	if err := e.ShutdownFrontend("web"); err != nil {
		t.Fatal(err)
	}
	await(t, "refused after the end", func() bool { return errors.Is(dial(), syscall.ECONNREFUSED) })
	if err := sock.Relisten(held[0], 10); err != nil { // as the next worker does
		t.Fatal(err)
	}
	if err := dial(); err != nil {
		t.Error(err)
	}
	if got := strings.Join(lines, "|"); !strings.HasPrefix(got,
		"Paused frontend web.|Resumed frontend web.|Proxy web stopped (cumulated conns: FE: ") {
		t.Error(got)
	}
}

// TestHalfAHead: nobody is told of a head that is not there as a whole. Its pieces have moved, and where they were may
// stand what somebody else sent.
func TestHalfAHead(t *testing.T) {
	s := startOne(t, withRules(t, "unique-id-format %[req.hdr(x)]/%[method]/%[url]"), web(t, "one"))
	io.WriteString(s.dial(t).conn, "GET /some/thing HTTP/1.1\r\nHost: some.thing\r\nX: some-thing\r\nY")
	await(t, "half a head", func() bool {
		all := s.engine.Sessions()
		return len(all) == 1 && all[0].Phase == "request"
	})
	s.dial(t).ask("GET", "/another/private/thing", "X: private\r\n")
	named := make(chan string)
	c := s.engine.cores[0]
	c.loop.Post(func() {
		for s := c.live.next; s != &c.live; s = s.next {
			if s.phase == phaseHead {
				named <- string(s.UniqueID(s.context(sample.Log)))
			}
		}
		close(named)
	})
	if name, there := <-named; !there || name != "//" {
		t.Errorf("%q", name)
	}
}

// TestSessionsAreToldApart: an ID of "show sess" is one connection's, between its requests, too, and as long as it
// lives.
func TestSessionsAreToldApart(t *testing.T) {
	s := startOne(t, nil, web(t, "one"))
	s.engine.serial.Store(1<<24 - 2) // many requests ago
	s.engine.eachCore(func(c *core) { c.opened = 1<<24 - 2 })
	s.engine.Turn()
	var clients []*client
	for range 4 {
		c := s.dial(t)
		c.conn.SetDeadline(time.Now().Add(5 * time.Second))
		c.ask("GET", "/", "")
		clients = append(clients, c)
	}
	var all []Session
	await(t, "four idle sessions", func() bool {
		all = s.engine.Sessions()
		return !slices.ContainsFunc(all, func(one Session) bool { return one.Phase != "idle" })
	})
	slices.Reverse(clients)
	for i, c := range clients {
		at := slices.IndexFunc(all, func(one Session) bool { return one.Source == c.conn.LocalAddr().String() })
		if at < 0 {
			t.Fatalf("no session of client %d: %v", i, all)
		}
		if err := s.engine.ShutdownSession(all[at].ID); err != nil {
			t.Errorf("session %s: %v", all[at].ID, err)
		}
		if answer, err := io.ReadAll(c.r); len(answer) > 0 || err != nil {
			t.Errorf("client %d got %q, %v", i, answer, err)
		}
		if left := len(s.engine.Sessions()); left != len(clients)-1-i {
			t.Errorf("%d sessions are left after %d were ended", left, i+1)
		}
	}
}

// TestVersionsOfServers: what a server says behind HTTP/1. is told as 1.0 or 1.1, which is what it means.
func TestVersionsOfServers(t *testing.T) {
	srv := newRawServer(t, func(conn net.Conn, _ int, head string) bool {
		fmt.Fprintf(conn, "HTTP/1.%s 200 OK\r\nContent-Length: 2\r\n\r\nok", head[len("GET /"):len("GET /")+1])
		return true
	})
	s := startOne(t, withRules(t, "http-response set-header X-Version \"%[capture.res.ver] %f\""), srv.addr)
	for minor, want := range map[string]string{"0": "HTTP/1.0 web", "1": "HTTP/1.1 web", "2": "HTTP/1.1 web",
		"9": "HTTP/1.1 web"} {
		if resp, body := s.dial(t).ask("GET", "/"+minor, ""); resp.Header.Get("X-Version") != want || body != "ok" {
			t.Errorf("HTTP/1.%s: %v %q", minor, resp, body)
		}
	}
}
