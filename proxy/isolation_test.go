package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/haproxy"
)

// rulesOf reads lines of a listen section as the dialect does.
func rulesOf(t testing.TB, lines string) *config.Proxy {
	t.Helper()
	text := "defaults\n timeout connect 5s\n timeout client 5s\n timeout server 5s\nlisten web\n mode http\n bind " +
		"127.0.0.1:1\n server s 127.0.0.1:2\n" + lines + "\n"
	cfg, diags := haproxy.Parse([]haproxy.File{{Name: "test.cfg", Data: []byte(text)}}, haproxy.Options{})
	if cfg == nil {
		t.Fatal(diags)
	}
	return cfg.Proxies[0]
}

// withRules gives a test's proxy the rules, captures and formats of some lines.
func withRules(t testing.TB, lines string) func(*config.Proxy) {
	return func(p *config.Proxy) {
		from := rulesOf(t, lines)
		p.Rules, p.Captures, p.Options = from.Rules, from.Captures, from.Options
		p.UniqueID, p.UniqueIDHeader = from.UniqueID, from.UniqueIDHeader
	}
}

// rawServer answers requests by a function of its own, which says on which connection (from 1) a request came.
type rawServer struct {
	addr  string
	mu    sync.Mutex
	heads []string
	on    []int
}

func newRawServer(t testing.TB, answer func(conn net.Conn, n int, head string) bool) *rawServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s := &rawServer{addr: l.Addr().String()}
	go func() {
		for n := 1; ; n++ {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				r := bufio.NewReader(conn)
				for {
					var head strings.Builder
					for {
						line, err := r.ReadString('\n')
						if err != nil {
							return
						}
						head.WriteString(line)
						if line == "\r\n" {
							break
						}
					}
					s.mu.Lock()
					s.heads, s.on = append(s.heads, head.String()), append(s.on, n)
					s.mu.Unlock()
					if !answer(conn, n, head.String()) {
						return
					}
				}
			}()
		}
	}()
	return s
}

// connections says on which connections the requests came.
func (s *rawServer) connections() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]int(nil), s.on...)
}

const okAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// client is one connection to the proxy.
type client struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
}

func (s *site) dial(t testing.TB) *client {
	t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return &client{t, conn, bufio.NewReader(conn)}
}

// ask sends a request and reads the answer, body and all.
func (c *client) ask(method, path, fields string) (*http.Response, string) {
	c.t.Helper()
	fmt.Fprintf(c.conn, "%s %s HTTP/1.1\r\nHost: x\r\n%s\r\n", method, path, fields)
	resp, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	return resp, string(body)
}

// Many clients at once on few threads: whatever a rule writes about a client is about that client.
func TestRulesSeeTheirOwnStream(t *testing.T) {
	s := start(t, config.HTTP, withRules(t, `capture request header who len 32
 unique-id-format id-%[req.hdr(who)]
 http-request set-header X-Seen "%[capture.req.hdr(0)] %[unique-id] %HU %ci:%cp"
 http-response set-header Y-Seen "%[capture.req.hdr(0)] %[unique-id] %HU %ci:%cp"
 http-after-response set-header Z-Seen "%[capture.req.hdr(0)] %[unique-id] %HU %ci:%cp"
 http-request redirect location "/%[capture.req.hdr(0)]%HU?%cp" if { path_beg /redirect }
 http-request return status 200 hdr Body "%[capture.req.hdr(0)] %[unique-id] %cp" content-type text/plain lf-string "%[capture.req.hdr(0)] %cp" if { path_beg /return }
 http-request deny if { path_beg /deny } { capture.req.hdr(0) -m end 7 }`), web(t, "one"))
	var all sync.WaitGroup
	for n := range 40 {
		all.Add(1)
		go func() {
			defer all.Done()
			c := s.dial(t)
			for i := range 20 {
				who, path := fmt.Sprintf("client-%d-%d", n, i), fmt.Sprintf("/p%d/%d", n, i)
				seen := fmt.Sprintf("%s id-%s %s %s", who, who, path, c.conn.LocalAddr())
				_, port, _ := net.SplitHostPort(c.conn.LocalAddr().String())
				resp, body := c.ask("GET", path, "Who: "+who+"\r\n")
				if !strings.Contains(body, "X-Seen: "+seen+"\r\n") || resp.Header.Get("Y-Seen") != seen ||
					resp.Header.Get("Z-Seen") != seen {
					t.Errorf("%s: server %q, client %q, %q", seen, body, resp.Header.Get("Y-Seen"),
						resp.Header.Get("Z-Seen"))
				}
				// One that sends none must not get another's.
				if resp, body = c.ask("GET", path, ""); strings.Contains(body, "client-") ||
					strings.Contains(resp.Header.Get("Y-Seen"), "client-") {
					t.Errorf("%s: a request without a name got %q, %q", seen, body, resp.Header.Get("Y-Seen"))
				}
				if resp, _ = c.ask("GET", "/redirect", "Who: "+who+"\r\n"); resp.Header.Get("Location") != "/"+who+
					"/redirect?"+port {
					t.Errorf("%s: redirected to %q", who, resp.Header.Get("Location"))
				}
				if resp, body = c.ask("GET", "/return", "Who: "+who+"\r\n"); body != who+" "+port ||
					resp.Header.Get("Body") != who+" id-"+who+" "+port {
					t.Errorf("%s: %q, %q", who, body, resp.Header.Get("Body"))
				}
				want := 200
				if strings.HasSuffix(who, "7") {
					want = 403
				}
				if resp, _ = c.ask("GET", "/deny", "Who: "+who+"\r\n"); resp.StatusCode != want {
					t.Errorf("%s: %d", who, resp.StatusCode)
				}
			}
		}()
	}
	all.Wait()
}

// panicRule adds a rule without what it needs, to the rules of a place: it panics.
func panicRule(t *testing.T, p *config.Proxy, where string) {
	// no format
	rule := config.Rule{Cond: rulesOf(t, "http-request deny if { always_true }").Rules.HTTPRequest[0].Cond,
		Do: config.ActSetHeader}
	switch where {
	case "request":
		p.Rules.HTTPRequest = append(p.Rules.HTTPRequest, rule)
	case "response":
		rule.Cond = rulesOf(t, "http-response deny if { status 404 }").Rules.HTTPResponse[0].Cond
		p.Rules.HTTPResponse = append(p.Rules.HTTPResponse, rule)
	case "after":
		rule.Cond = rulesOf(t, "http-after-response set-header A b if { status 404 }").Rules.HTTPAfter[0].Cond
		p.Rules.HTTPAfter = append(p.Rules.HTTPAfter, rule)
	}
}

// A panic ends the stream it happens in with a 500, the others do not notice, and ten of them are an alarm.
func TestPanicsEndTheirStream(t *testing.T) {
	var mu sync.Mutex
	var lines []string
	logged := func(text string) (n int) {
		mu.Lock()
		defer mu.Unlock()
		for _, l := range lines {
			n += strings.Count(l, text)
		}
		return n
	}
	for _, where := range []string{"request", "response", "after"} {
		t.Run(where, func(t *testing.T) {
			lines = nil
			s := startWith(t, config.HTTP, func(p *config.Proxy) {
				withRules(t, "http-request allow if { path / }")(p)
				panicRule(t, p, where)
			}, func(o *Options) {
				o.Log = func(_ int, _ *config.Proxy, text string) {
					mu.Lock()
					lines = append(lines, text)
					mu.Unlock()
				}
			}, newRawServer(t, func(conn net.Conn, _ int, head string) bool {
				if strings.HasPrefix(head, "GET / ") {
					io.WriteString(conn, okAnswer)
				} else {
					io.WriteString(conn, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
				}
				return true
			}).addr)
			bystander := s.dial(t)
			bystander.ask("GET", "/", "")
			for range 12 {
				resp, _ := s.dial(t).ask("GET", "/boom", "")
				if resp.StatusCode != 500 || !resp.Close {
					t.Fatalf("status %d, close %v", resp.StatusCode, resp.Close)
				}
			}
			bystander.ask("GET", "/", "")
			if n := logged("panicked and was ended"); n != panicAlarm {
				t.Errorf("%d stacks, not %d", n, panicAlarm)
			}
			if logged("ALARM") != 1 || logged("rules.go") == 0 {
				t.Errorf("no alarm, or no place:\n%s", strings.Join(lines, "\n"))
			}
			// The last one leaves after its client has its answer.
			limit := time.Now().Add(patience)
			for s.engine.proxies[0].back.Conns() != 0 && time.Now().Before(limit) {
				time.Sleep(time.Millisecond)
			}
			if n := s.engine.proxies[0].back.Conns(); n != 0 {
				t.Errorf("%d streams are left in the backend after %v", n, patience)
			}
		})
	}
}

// askOver sends a request over a client's connection, or over a new one.
func askOver(s *site, c *client, path string) {
	s.t.Helper()
	if c == nil {
		c = s.dial(s.t)
	}
	c.ask("GET", path, "")
}

func expectConnections(t *testing.T, srv *rawServer, want ...int) {
	t.Helper()
	if got := srv.connections(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("requests came on connections %v, not %v", got, want)
	}
}

func alwaysOK(conn net.Conn, _ int, _ string) bool { io.WriteString(conn, okAnswer); return true }

// TestWhoseConnection: a server connection is given only to who it fits.
func TestWhoseConnection(t *testing.T) {
	t.Run("shared", func(t *testing.T) {
		srv := newRawServer(t, alwaysOK)
		s := startOne(t, nil, srv.addr)
		askOver(s, nil, "/")
		askOver(s, nil, "/")
		expectConnections(t, srv, 1, 1)
	})
	t.Run("reuse never", func(t *testing.T) {
		srv := newRawServer(t, alwaysOK)
		s := startOne(t, func(p *config.Proxy) { p.Options.Reuse = config.ReuseNever }, srv.addr)
		c := s.dial(t)
		askOver(s, c, "/")
		askOver(s, c, "/")
		askOver(s, nil, "/")
		askOver(s, c, "/")
		expectConnections(t, srv, 1, 1, 2, 1)
	})
	t.Run("PROXY header", func(t *testing.T) {
		srv := newRawServer(t, alwaysOK)
		s := startOne(t, func(p *config.Proxy) { p.Servers[0].SendProxy = 1 }, srv.addr)
		c := s.dial(t)
		askOver(s, c, "/")
		askOver(s, c, "/")
		askOver(s, nil, "/")
		expectConnections(t, srv, 1, 1, 2)
		for _, head := range srv.heads {
			if strings.HasPrefix(head, "PROXY ") && !strings.Contains(head, "\r\nGET / ") {
				t.Errorf("%q", head)
			}
		}
	})
	t.Run("another address", func(t *testing.T) {
		first, second := newRawServer(t, alwaysOK), newRawServer(t, alwaysOK)
		s := startOne(t, nil, first.addr)
		askOver(s, nil, "/")
		addr, _ := net.ResolveTCPAddr("tcp", second.addr)
		if err := s.engine.group.Servers[0].SetAddress(addr.IP.String(), addr.Port); err != nil {
			t.Fatal(err)
		}
		askOver(s, nil, "/")
		expectConnections(t, first, 1)
		expectConnections(t, second, 1)
	})
}

// TestConnectionOfAChallenge: a connection on which a server asks who the client is stays that client's.
func TestConnectionOfAChallenge(t *testing.T) {
	for _, challenge := range []string{"NTLM", "Negotiate abc", "negotiate"} {
		t.Run(challenge, func(t *testing.T) {
			srv := newRawServer(t, func(conn net.Conn, n int, head string) bool {
				if strings.Contains(head, " /secret ") && !strings.Contains(head, "Again") {
					io.WriteString(conn, "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\n"+
						"WWW-Authenticate: "+challenge+"\r\nContent-Length: 0\r\n\r\n")
				} else {
					io.WriteString(conn, okAnswer)
				}
				return true
			})
			s := startOne(t, nil, srv.addr)
			c := s.dial(t)
			askOver(s, c, "/secret")
			askOver(s, nil, "/")
			c.ask("GET", "/secret", "Again: 1\r\n")
			askOver(s, nil, "/")
			expectConnections(t, srv, 1, 2, 1, 2)
		})
	}
}

// TestConnectionAfterTooMuch: no connection on which bytes came, or may still come, that are no answer's goes to
// another request.
func TestConnectionAfterTooMuch(t *testing.T) {
	for _, bodyless := range []struct{ name, method, answer string }{
		{"late body of HEAD", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 42\r\n\r\n"},
		{"late chunks of HEAD", "HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"},
		{"late body of 304", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 42\r\n\r\n"},
		{"late body of 204", "GET", "HTTP/1.1 204 No Content\r\nContent-Length: 42\r\n\r\n"},
	} {
		t.Run(bodyless.name, func(t *testing.T) {
			srv := newRawServer(t, func(conn net.Conn, n int, head string) bool {
				if strings.Contains(head, " /late ") {
					io.WriteString(conn, bodyless.answer)
				} else {
					io.WriteString(conn, okAnswer)
				}
				return true
			})
			s := startOne(t, nil, srv.addr)
			c := s.dial(t)
			c.ask(bodyless.method, "/late", "")
			askOver(s, nil, "/") // somebody else's first request: bytes of the last answer may still come
			askOver(s, c, "/")
			askOver(s, nil, "/") // a clean answer does not make the connection anybody's
			expectConnections(t, srv, 1, 2, 1, 2)
		})
	}
	t.Run("bytes behind the answer", func(t *testing.T) {
		srv := newRawServer(t, func(conn net.Conn, n int, head string) bool {
			io.WriteString(conn, okAnswer+"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL")
			return true
		})
		s := startOne(t, nil, srv.addr)
		for range 3 {
			if _, body := s.dial(t).ask("GET", "/", ""); body != "ok" {
				t.Errorf("%q", body)
			}
		}
		expectConnections(t, srv, 1, 2, 3)
	})
}

// TestServerThatSpeaksUnasked: once a server has sent what nobody asked for, its connections are not shared any more.
func TestServerThatSpeaksUnasked(t *testing.T) {
	answered, closed := make(chan bool), make(chan bool)
	srv := newRawServer(t, func(conn net.Conn, n int, head string) bool {
		io.WriteString(conn, okAnswer)
		if strings.Contains(head, " /stray ") {
			<-answered
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL")
			io.Copy(io.Discard, conn) // until it is closed
			close(closed)
			return false
		}
		return true
	})
	lines := make(chan string, 10)
	s := startWith(t, config.HTTP, nil, func(o *Options) {
		o.Threads = 1
		o.Log = func(_ int, _ *config.Proxy, text string) { lines <- text }
	}, srv.addr)
	askOver(s, nil, "/stray")
	close(answered)
	<-closed
	if line := <-lines; !strings.Contains(line, "sends what nobody asked for") {
		t.Errorf("%q", line)
	}
	a, b := s.dial(t), s.dial(t)
	for _, c := range []*client{a, b, a, b} {
		askOver(s, c, "/")
	}
	expectConnections(t, srv, 1, 2, 3, 2, 3)
}

// Bytes behind an answer are nobody's, also where the last read took the answer alone and left them in the kernel: no
// event tells of them again.
func TestBytesLeftInTheKernel(t *testing.T) {
	const evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL"
	// head and body fill the buffer of one read
	exact := receiveSize - len("HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n")
	for name, size := range map[string]int{"spliced": receiveSize + spliceFrom + 1000,
		"a read that fills its buffer": exact} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("unix", t.TempDir()+"/server")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			s := startOne(t, func(p *config.Proxy) { p.Servers[0].Path = l.Addr().String() }, "127.0.0.1:1")
			loop := s.engine.cores[0].loop
			go func() {
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					go func() {
						defer conn.Close()
						for r := bufio.NewReader(conn); ; {
							req, err := http.ReadRequest(r)
							if err != nil {
								return
							}
							if req.URL.Path != "/long" {
								io.WriteString(conn, okAnswer)
								continue
							}
							held, written := make(chan bool), make(chan bool)
							loop.Post(func() { close(held); <-written }) // all is there before the proxy looks
							<-held
							fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s%s", size,
								strings.Repeat("x", size), evil)
							close(written)
						}
					}()
				}
			}()
			if _, body := s.dial(t).ask("GET", "/long", ""); len(body) != size {
				t.Errorf("%d bytes", len(body))
			}
			if _, body := s.dial(t).ask("GET", "/", ""); body != "ok" {
				t.Errorf("another client got %q", body)
			}
		})
	}
}

// What a client sends behind its last request does not cost it the answer: it is read out before the close, which the
// kernel would make a reset.
func TestAnswerOutlivesWhatFollows(t *testing.T) {
	asked, sent := make(chan bool), make(chan bool)
	srv := newRawServer(t, func(conn net.Conn, _ int, _ string) bool {
		asked <- true
		<-sent
		io.WriteString(conn, okAnswer)
		return true
	})
	c := start(t, config.HTTP, nil, srv.addr).dial(t)
	io.WriteString(c.conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	<-asked
	io.WriteString(c.conn, "GET /more HTTP/1.1\r\nHost: x\r\n\r\n")
	close(sent)
	if answer, err := io.ReadAll(c.r); err != nil || !strings.HasSuffix(string(answer), "ok") {
		t.Errorf("%q, %v", answer, err)
	}
}

// A server that sends interim responses for ever costs no more memory than what its client does not read, and not for
// ever.
func TestInterimResponsesAreBounded(t *testing.T) {
	sent := make(chan int, 1)
	const early = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
	srv := newRawServer(t, func(conn net.Conn, _ int, _ string) bool {
		n := 0
		for {
			conn.SetWriteDeadline(time.Now().Add(time.Second))
			m, err := io.WriteString(conn, strings.Repeat(early, 100))
			if n += m; err != nil {
				sent <- n
				return false
			}
		}
	})
	t.Run("the client does not read", func(t *testing.T) {
		s := startOne(t, nil, srv.addr)
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.(*net.TCPConn).SetReadBuffer(4096)
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		if n := <-sent; n > 16<<20 {
			t.Errorf("the proxy took %d bytes", n)
		}
		kept := make(chan int)
		core := s.engine.cores[0]
		core.loop.Post(func() {
			n := 0
			for x := core.live.next; x != &core.live; x = x.next {
				n += x.client.unsent()
				if x.up != nil {
					n += len(x.up.pending())
				}
			}
			kept <- n
		})
		if n := <-kept; n > 256<<10 {
			t.Errorf("the stream holds %d bytes", n)
		}
	})
	t.Run("the client reads", func(t *testing.T) {
		s := startOne(t, nil, srv.addr)
		c := s.dial(t)
		io.WriteString(c.conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		all, err := io.ReadAll(c.r)
		<-sent
		if n := strings.Count(string(all), "103 Early Hints"); n > maxInterims ||
			!strings.Contains(string(all), "HTTP/1.1 502") {
			t.Errorf("%d interim responses, then %.60q, %v", n, all[max(0, len(all)-300):], err)
		}
	})
}

// The statistics page is known by its path, in both forms of a target.
func TestStatisticsByAbsoluteTarget(t *testing.T) {
	s := startWith(t, config.HTTP, func(p *config.Proxy) { p.Stats = &config.StatsPage{URI: "/st"} }, func(o *Options) {
		o.Applet = func(r *AppletRequest) AppletReply { return AppletReply{Status: 200, Body: []byte("page " + r.URI)} }
	}, web(t, "one"))
	for target, want := range map[string]string{"/st;csv": "page /st;csv", "http://x/st;csv": "page /st;csv",
		"http://x/other": "GET "} {
		if _, body := s.dial(t).ask("GET", target, ""); !strings.HasPrefix(body, want) {
			t.Errorf("%s: %.60q", target, body)
		}
	}
}

// What is too long for the statistics page's form is not read as requests.
func TestLongFormIsNoRequest(t *testing.T) {
	srv := newRawServer(t, func(conn net.Conn, _ int, _ string) bool { io.WriteString(conn, okAnswer); return true })
	s := startWith(t, config.HTTP, func(p *config.Proxy) { p.Stats = &config.StatsPage{URI: "/st"} }, func(o *Options) {
		o.Applet = func(*AppletRequest) AppletReply { return AppletReply{Status: 200} }
	}, srv.addr)
	const smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	form := smuggled + strings.Repeat("a", maxAppletBody+1-len(smuggled))
	for name, request := range map[string]string{
		"length": fmt.Sprintf("POST /st HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(form), form),
		"chunks": fmt.Sprintf("POST /st HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n%s", len(form), form, smuggled),
		"broken": "POST /st HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + smuggled,
	} {
		c := s.dial(t)
		go io.WriteString(c.conn, request)
		answers, _ := io.ReadAll(c.r) // to the end: the connection is closed
		if n := strings.Count(string(answers), "HTTP/1.1 "); n != 1 || !strings.Contains(string(answers), " 400 ") {
			t.Errorf("%s: %d answers: %.300q", name, n, answers)
		}
	}
	if got := srv.connections(); len(got) > 0 {
		t.Errorf("the server got %d requests", len(got))
	}
}

// A request whose interim response has reached its client is not repeated, and neither is one that a rule made
// idempotent.
func TestNotRepeated(t *testing.T) {
	for name, first := range map[string]string{"interim": "GET", "made idempotent": "POST"} {
		asked := make(chan string, 8)
		srv := newRawServer(t, func(conn net.Conn, _ int, head string) bool {
			if strings.Contains(head, " /warm ") {
				io.WriteString(conn, okAnswer)
				return true
			}
			asked <- head
			if first == "GET" {
				io.WriteString(conn, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")
			}
			return false
		})
		s := startOne(t, withRules(t, "http-request set-method GET"), srv.addr)
		c := s.dial(t)
		c.ask("GET", "/warm", "")
		fmt.Fprintf(c.conn, "%s /once HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", first)
		answers, _ := io.ReadAll(c.r)
		if len(asked) != 1 {
			t.Errorf("%s: asked %d times: %q", name, len(asked), answers)
		}
	}
}

// A reply's own fields cannot contradict its framing.
func TestReplyFieldsDoNotFrame(t *testing.T) {
	s := start(t, config.HTTP, withRules(t, `http-request return status 200 content-type text/plain string abc hdr Transfer-Encoding chunked hdr Content-Length 1 hdr X-A b if { path /length }
 http-request return status 200 content-type text/plain string abc hdr Connection close hdr Connection keep-alive if { path /close }`), web(t, "one"))
	c := s.dial(t)
	resp, body := c.ask("GET", "/length", "")
	if body != "abc" || resp.ContentLength != 3 || len(resp.TransferEncoding) > 0 || resp.Header.Get("X-A") != "b" {
		t.Errorf("%v, %q", resp, body)
	}
	if resp, body = c.ask("GET", "/close", ""); body != "abc" || !resp.Close ||
		len(resp.Header.Values("Connection")) > 1 {
		t.Errorf("%v, %q", resp, body)
	}
}
