package proxy

import (
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var soak = flag.Duration("soak", 10*time.Second, "length of the mixed load")

const soakConfig = `
global
    maxconn 2000
    nbthread 2
    hard-stop-after 5s
    log 10.9.0.50:514 local0
defaults
    mode http
    log global
    option httplog
    option forwardfor
    option redispatch
    retries 2
    timeout connect 1s
    timeout client 3s
    timeout server 3s
    timeout queue 1s
    timeout http-request 1s
    timeout http-keep-alive 2s
frontend web
    bind *:80
    acl post method POST
    acl blocked path_beg /blocked
    http-request deny if blocked
    http-request set-header X-Path %[path]
    http-response set-header X-Proxy yes
    use_backend few if post
    default_backend servers
backend servers
    balance leastconn
    cookie SRV insert indirect nocache
    option httpchk GET /health
    server one 10.9.0.50:8001 check inter 200ms cookie a
    server two 10.9.0.50:8002 check inter 200ms cookie b
    server dead 10.9.0.50:8099 cookie c
backend few
    balance roundrobin
    server one 10.9.0.50:8001 maxconn 2
    server two 10.9.0.50:8002 maxconn 2 backup
listen relay
    mode tcp
    option tcplog
    bind *:81
    server one 10.9.0.50:8001 check
`

// soaking is a node under mixed load.
type soaking struct {
	n              *node
	stop           chan struct{}
	all            sync.WaitGroup
	good, bad, odd atomic.Int64
}

// each does something again and again, until the end.
func (s *soaking) each(pause func() time.Duration, do func()) {
	s.all.Go(func() {
		for {
			select {
			case <-s.stop:
				return
			case <-time.After(pause()):
			}
			do()
		}
	})
}

// client is one who does something at random times.
func (s *soaking) client(pause time.Duration, f func(r *rand.Rand) error) {
	r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	s.each(func() time.Duration { return time.Duration(r.Int64N(int64(2 * pause))) }, func() {
		if err := f(r); err != nil {
			s.bad.Add(1)
		} else {
			s.good.Add(1)
		}
	})
}

func (s *soaking) ask(method, path, body string) error {
	req, _ := http.NewRequest(method, "http://"+nodeAddress+path, strings.NewReader(body))
	if len(body)%2 == 1 {
		req.Body = io.NopCloser(struct{ io.Reader }{strings.NewReader(body)}) // chunked
		req.ContentLength = -1
	}
	resp, err := s.n.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	if resp.StatusCode >= 500 {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	return err
}

// raw is a client that says a text, or the beginning of it, and leaves.
func (s *soaking) raw(port int, text string, wait time.Duration) {
	s.client(50*time.Millisecond, func(r *rand.Rand) error {
		var conn net.Conn
		var err error
		s.n.outside.Do(func() {
			conn, err = net.DialTimeout("tcp", fmt.Sprintf("%s:%d", nodeAddress, port), 2*time.Second)
		})
		if err != nil {
			return err
		}
		defer conn.Close()
		cut := len(text)
		if r.IntN(2) == 0 {
			cut = r.IntN(len(text))
		}
		io.WriteString(conn, text[:cut])
		conn.SetReadDeadline(time.Now().Add(time.Duration(r.Int64N(int64(wait)))))
		io.Copy(io.Discard, conn)
		s.odd.Add(1)
		return nil
	})
}

// clients are those who behave and those who do not.
func (s *soaking) clients() {
	for range 8 {
		s.client(20*time.Millisecond, func(r *rand.Rand) error {
			return s.ask("GET", fmt.Sprintf("/%d", r.IntN(100)), "")
		})
	}
	for range 4 {
		s.client(40*time.Millisecond, func(r *rand.Rand) error {
			return s.ask("POST", "/p", strings.Repeat("b", r.IntN(200_000)))
		})
	}
	s.client(50*time.Millisecond, func(*rand.Rand) error { return s.ask("GET", "/blocked", "") })
	s.raw(80, "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n", 300*time.Millisecond)
	s.raw(80, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"+strings.Repeat("x", 50000), 2*time.Second)
	s.raw(80, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", time.Second)
	s.raw(80, "GET / HTTP/1.1\r\nHost: x\r\nA: "+strings.Repeat("y", 20000)+"\r\n\r\n", time.Second)
	s.raw(80, "GET /slow HTTP/1.1\r\n", 2*time.Second)
	s.raw(81, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 500*time.Millisecond)
}

// moods: servers are slow or fail for a while.
func (s *soaking) moods(servers ...*webServer) {
	r := rand.New(rand.NewPCG(7, 7))
	s.each(func() time.Duration { return 700 * time.Millisecond }, func() {
		w := servers[r.IntN(len(servers))]
		w.delay.Store(r.Int64N(int64(200 * time.Millisecond)))
		w.status.Store([]int64{0, 0, 0, 404, 500}[r.IntN(5)])
		time.Sleep(300 * time.Millisecond)
		w.delay.Store(0)
		w.status.Store(0)
	})
}

// TestSoak mixes everything clients do, well and badly behaved, with reloads, for as long as -soak says. Built with
// EVENKEEL_RACE=1 it looks for races; in any case no worker may die and good requests are answered.
func TestSoak(t *testing.T) {
	n := newNode(t, soakConfig, "")
	one, two := n.startWeb("one", 8001), n.startWeb("two", 8002)
	n.start()
	url := "http://" + nodeAddress
	eventually(t, "served", func() bool { s, _, _ := n.get(url + "/"); return s == 200 })
	s := &soaking{n: n, stop: make(chan struct{})}
	s.clients()
	s.moods(one, two)
	s.each(func() time.Duration { return 3 * time.Second }, func() {
		if out, err := n.command("reload"); err != nil {
			t.Errorf("reload: %v %s", err, out)
		}
	})
	time.Sleep(*soak)
	close(s.stop)
	s.all.Wait()
	log := n.log.String()
	t.Logf("%d good, %d not answered well, %d odd connections in %v", s.good.Load(), s.bad.Load(), s.odd.Load(), *soak)
	if strings.Contains(log, "DATA RACE") {
		t.Errorf("a race:\n%s", log[strings.Index(log, "DATA RACE")-50:])
	}
	if i := strings.Index(log, "died"); i >= 0 {
		t.Errorf("a worker died:\n%s", log[max(0, i-3000):])
	}
	eventually(t, "served after all that", func() bool { s, _, _ := n.get(url + "/"); return s == 200 })
}
