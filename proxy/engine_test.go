package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/linux/sock"
	"github.com/evenkeel/evenkeel/syslog"
	"github.com/evenkeel/evenkeel/test/ports"
)

// patience is for what must come: nothing here is to run out of time.
const patience = 30 * time.Second

// site is an engine in front of servers of the test's own.
type site struct {
	t      *testing.T
	engine *Engine
	addr   string
}

func limits() config.ProxyGlobal {
	return config.ProxyGlobal{BufSize: 16384, MaxRewrite: 1024, MaxHeaders: 101}
}

// start runs one listen section over the given servers.
func start(t *testing.T, mode config.Mode, change func(*config.Proxy), servers ...string) *site {
	t.Helper()
	return startWith(t, mode, change, nil, servers...)
}

// startOne is start with one thread, so that connections meet in one pool.
func startOne(t *testing.T, change func(*config.Proxy), servers ...string) *site {
	t.Helper()
	return startWith(t, config.HTTP, change, func(o *Options) { o.Threads = 1 }, servers...)
}

// startWith starts an engine with other options than the usual ones.
func startWith(t *testing.T, mode config.Mode, change func(*config.Proxy), options func(*Options),
	servers ...string) *site {
	t.Helper()
	p := &config.Proxy{Name: "web", Kind: "listen", Front: true, Back: true, Mode: mode, Retries: 3,
		Timeouts: config.Timeouts{Connect: patience, Client: patience, Server: patience, Queue: patience}}
	for i, s := range servers {
		p.Servers = append(p.Servers, &config.Server{Name: fmt.Sprintf("s%d", i+1), ID: i + 1,
			Addr:   netip.MustParseAddrPort(s),
			Weight: 1, PoolMax: -1, PoolPurgeDelay: 5 * time.Second,
			Check: config.CheckParams{Rise: 2, Fall: 3, Inter: 2 * time.Second}})
	}
	p.Binds = []*config.Bind{{Listen: config.Listen{Addr: netip.MustParseAddrPort("127.0.0.1:0"), FD: -1}}}
	if change != nil {
		change(p)
	}
	// The engine's threads keep a slot each while they wait a little: the test needs some of its own, also on one
	// processor.
	slots := runtime.GOMAXPROCS(0)
	runtime.GOMAXPROCS(max(slots, 4))
	t.Cleanup(func() { runtime.GOMAXPROCS(slots) })
	s := &site{t: t}
	opts := Options{Threads: 2, MaxPipes: 250, MaxConn: 1000, Syslog: syslog.New(syslog.Identity{Tag: "test"}),
		Listeners: func(b *config.Bind) []int {
			fd, err := sock.ListenTCP(b.Addr, sock.ListenOptions{Backlog: 128})
			if err != nil {
				t.Fatal(err)
			}
			s.addr = sock.Local(fd).String()
			return []int{fd}
		},
		Log: func(_ int, _ *config.Proxy, text string) { t.Log(text) },
	}
	if options != nil {
		options(&opts)
	}
	e, err := New(&config.Proxying{Global: limits(), Proxies: []*config.Proxy{p}}, opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	s.engine = e
	return s
}

// web is a server that says its name, repeats bodies, and shows what it was asked.
func web(t *testing.T, name string) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Server", name)
		switch {
		case r.URL.Path == "/echo":
			body, _ := io.ReadAll(r.Body)
			if r.ContentLength > 0 {
				w.Header().Set("Content-Length", fmt.Sprint(r.ContentLength))
			}
			w.Write(body)
		case strings.HasPrefix(r.URL.Path, "/big"):
			var n int
			fmt.Sscanf(r.URL.Path, "/big/%d", &n)
			w.Header().Set("Content-Length", fmt.Sprint(n))
			io.CopyN(w, zeros{}, int64(n))
		case r.URL.Path == "/slow":
			time.Sleep(300 * time.Millisecond)
			fmt.Fprint(w, "slow")
		default:
			r.Write(w)
		}
	}))
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String()
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

func (s *site) get(path string) (*http.Response, string) {
	s.t.Helper()
	resp, err := http.Get("http://" + s.addr + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp, string(body)
}

func TestRequestsAlternate(t *testing.T) {
	s := start(t, config.HTTP, nil, web(t, "one"), web(t, "two"))
	seen := map[string]int{}
	for range 20 {
		resp, _ := s.get("/")
		seen[resp.Header.Get("X-Server")]++
	}
	if seen["one"] != 10 || seen["two"] != 10 {
		t.Fatalf("requests by server: %v", seen)
	}
}

func TestBodiesBothWays(t *testing.T) {
	s := start(t, config.HTTP, nil, web(t, "one"))
	for _, size := range []int{0, 1, 1000, 16 << 10, 70 << 10, 3 << 20} {
		text := strings.Repeat("x", size)
		for _, chunked := range []bool{false, true} {
			var body io.Reader = strings.NewReader(text)
			if chunked {
				body = struct{ io.Reader }{body}
			}
			resp, err := http.Post("http://"+s.addr+"/echo", "text/plain", body)
			if err != nil {
				t.Fatalf("%d bytes, chunked %v: %v", size, chunked, err)
			}
			got, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || string(got) != text {
				t.Fatalf("%d bytes, chunked %v: got %d bytes, %v", size, chunked, len(got), err)
			}
		}
		if _, got := s.get(fmt.Sprintf("/big/%d", size)); len(got) != size {
			t.Fatalf("asked for %d bytes, got %d", size, len(got))
		}
	}
}

func TestPipelining(t *testing.T) {
	s := start(t, config.HTTP, nil, web(t, "one"))
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const n = 50
	fmt.Fprint(conn, strings.Repeat("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", n))
	r := bufio.NewReader(conn)
	for i := range n {
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatalf("response %d: %v", i, err)
		}
		body, _ := io.ReadAll(resp.Body)
		if string(body) != "hello" {
			t.Fatalf("response %d: %q", i, body)
		}
	}
}

func TestByteByByte(t *testing.T) {
	s := start(t, config.HTTP, nil, web(t, "one"))
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, b := range []byte("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n") {
		conn.Write([]byte{b})
		time.Sleep(time.Millisecond)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if body, _ := io.ReadAll(resp.Body); string(body) != "abc" {
		t.Fatalf("got %q", body)
	}
}

func TestDeadServerIsRetriedElsewhere(t *testing.T) {
	dead := ports.Closed(t, unix.SOCK_STREAM).String()
	s := start(t, config.HTTP, func(p *config.Proxy) { p.Redispatch = 1 }, dead, web(t, "two"))
	for range 4 {
		if resp, _ := s.get("/"); resp.StatusCode != 200 {
			t.Fatalf("status %d", resp.StatusCode)
		}
	}
}

func TestQueueAtMaxConn(t *testing.T) {
	s := start(t, config.HTTP, func(p *config.Proxy) { p.Servers[0].MaxConn = 2 }, web(t, "one"))
	var wg sync.WaitGroup
	for range 10 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			resp, err := http.Get("http://" + s.addr + "/slow")
			if err != nil {
				t.Error(err)
				return
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode != 200 {
				t.Errorf("status %d", resp.StatusCode)
			}
		}()
	}
	wg.Wait()
	p := s.engine.proxies[0]
	if got := p.back.Servers[0].Row(time.Now()).SessionsMax; got != 2 {
		t.Errorf("at most %d requests at once on a server with maxconn 2", got)
	}
	// A client has its response before it is counted out.
	for limit := time.Now().Add(patience); p.back.Queued()+p.back.Servers[0].Served() != 0 &&
		time.Now().Before(limit); {
		time.Sleep(time.Millisecond)
	}
	if p.back.Queued() != 0 || p.back.Servers[0].Served() != 0 {
		t.Errorf("left behind: %d queued, %d served", p.back.Queued(), p.back.Servers[0].Served())
	}
}

func TestTCP(t *testing.T) {
	s := start(t, config.TCP, nil, web(t, "one"))
	for _, size := range []int{10, 5 << 20} {
		if _, got := s.get(fmt.Sprintf("/big/%d", size)); len(got) != size {
			t.Fatalf("asked for %d bytes, got %d", size, len(got))
		}
	}
}

func TestErrorsAndDrain(t *testing.T) {
	s := start(t, config.HTTP, func(p *config.Proxy) { p.Retries = 0 }, "127.0.0.1:1")
	resp, _ := s.get("/")
	if resp.StatusCode != 503 {
		t.Fatalf("status %d", resp.StatusCode)
	}
	conn, _ := net.Dial("tcp", s.addr)
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != 400 {
		t.Fatalf("%v %v", resp, err)
	}
	http.DefaultClient.CloseIdleConnections()
	before, drained := s.engine.Status().Info.Draining, s.engine.Drain()
	if before || !s.engine.Status().Info.Draining {
		t.Error("the status does not tell that the engine drains")
	}
	select {
	case <-drained:
	case <-time.After(patience):
		t.Fatal("not drained")
	}
}
