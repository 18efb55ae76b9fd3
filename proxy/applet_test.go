package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/config"
)

// pageSite has a statistics page at /stats that make answers.
func pageSite(t *testing.T, make func(*AppletRequest) AppletReply) *site {
	t.Helper()
	return startWith(t, config.HTTP, func(p *config.Proxy) { p.Stats = &config.StatsPage{URI: "/stats"} },
		func(o *Options) { o.Applet = make }, web(t, "one"))
}

func (s *site) ask(path string) net.Conn {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path)
	return conn
}

func status(t *testing.T, conn net.Conn) int {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode
}

// await waits for what must come.
func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for limit := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// TestDeniedPage: who is denied a page need not send the body first, and is told that the connection ends.
func TestDeniedPage(t *testing.T) {
	page := &config.StatsPage{URI: "/stats", Rules: []config.Rule{{Do: config.ActDeny}}}
	s := startWith(t, config.HTTP, func(p *config.Proxy) { p.Stats = page }, func(o *Options) {
		o.Applet = func(r *AppletRequest) AppletReply {
			if !r.Denied {
				t.Error("not denied")
			}
			return AppletReply{Status: 403}
		}
	}, web(t, "one"))
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprint(conn, "POST /stats HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 403 || !resp.Close {
		t.Errorf("%s, close %v", resp.Status, resp.Close)
	}
}

// TestPagesTakeTurns: a few pages are made at a time, all are answered, and none is made for a client that has gone.
func TestPagesTakeTurns(t *testing.T) {
	var now, worst, made atomic.Int64
	turn := make(chan struct{})
	s := pageSite(t, func(*AppletRequest) AppletReply {
		worst.Store(max(worst.Load(), now.Add(1)))
		<-turn
		now.Add(-1)
		made.Add(1)
		return AppletReply{Status: 200, Body: []byte("page")}
	})
	var stay, leave []net.Conn
	for range pageMakers {
		stay = append(stay, s.ask("/stats"))
	}
	await(t, "the first are being made", func() bool { return now.Load() == pageMakers })
	for range 20 {
		stay, leave = append(stay, s.ask("/stats")), append(leave, s.ask("/stats"))
	}
	l := &s.engine.pageLimits
	await(t, "the others wait", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return len(l.waiting) == 40 })
	if resp, _ := s.get("/"); resp.StatusCode != 200 {
		t.Error(resp.Status)
	}
	close(turn)
	var wg sync.WaitGroup
	for _, conn := range stay {
		wg.Go(func() {
			if got := status(t, conn); got != 200 {
				t.Errorf("status %d", got)
			}
		})
	}
	wg.Wait()
	for _, conn := range leave {
		conn.Close()
	}
	if worst.Load() > pageMakers {
		t.Errorf("%d pages were made at a time", worst.Load())
	}
	await(t, "nothing is left", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.making == 0 && len(l.waiting) == 0 && l.unread.Load() == 0
	})
}

// TestUnreadPages: pages that nobody reads are held up to a bound, then there is none until some have gone.
func TestUnreadPages(t *testing.T) {
	s := pageSite(t, func(*AppletRequest) AppletReply { return AppletReply{Status: 200, Body: make([]byte, 9<<20)} })
	unread := &s.engine.pageLimits.unread
	var lazy []net.Conn
	for n := range 3 {
		lazy = append(lazy, s.ask("/stats"))
		await(t, "a page is held", func() bool { return unread.Load() == int64(n+1)*9<<20 })
	}
	for range 20 {
		if got := status(t, s.ask("/stats")); got != 503 {
			t.Fatalf("status %d with %d bytes unread", got, unread.Load())
		}
	}
	if unread.Load() > pageBytes {
		t.Errorf("%d bytes are held", unread.Load())
	}
	for _, conn := range lazy {
		conn.Close()
	}
	await(t, "nothing is held", func() bool { return unread.Load() == 0 })
	if got := status(t, s.ask("/stats")); got != 200 {
		t.Errorf("status %d", got)
	}
}

// TestPageMakingDeadline: a page that is not made is not waited for.
func TestPageMakingDeadline(t *testing.T) {
	making := pageMaking
	pageMaking = 100 * time.Millisecond
	t.Cleanup(func() { pageMaking = making })
	block, done := make(chan struct{}), make(chan struct{})
	s := pageSite(t, func(r *AppletRequest) AppletReply {
		if r.URI == "/stats;stuck" {
			defer close(done)
			<-block
		}
		return AppletReply{Status: 200, Body: make([]byte, 9<<20)}
	})
	if got := status(t, s.ask("/stats;stuck")); got != 503 {
		t.Errorf("status %d from a page that is not made", got)
	}
	close(block)
	<-done
}

// TestPageDeliveryDeadline: a client that does not read its page loses it, and the page is held no more.
func TestPageDeliveryDeadline(t *testing.T) {
	delivery := pageDelivery
	pageDelivery = 200 * time.Millisecond
	t.Cleanup(func() { pageDelivery = delivery })
	made := make(chan struct{})
	s := pageSite(t, func(r *AppletRequest) AppletReply {
		close(made)
		return AppletReply{Status: 200, Body: make([]byte, 9<<20)}
	})
	lazy := s.ask("/stats")
	<-made
	await(t, "its connection is ended", func() bool { return s.engine.conns.Load() == 0 })
	if held := s.engine.pageLimits.unread.Load(); held != 0 {
		t.Errorf("%d bytes are held", held)
	}
	if n, err := io.Copy(io.Discard, lazy); n >= 9<<20 {
		t.Errorf("%d bytes, %v", n, err)
	}
}
