package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const abuseConfig = `
global
    maxconn 15000
    nbthread 1
    log 10.9.0.50:514 local0
defaults
    mode http
    log global
    option httplog
    timeout connect 30s
    timeout client 30s
    timeout server 5s
    timeout http-keep-alive 60s
frontend web
    bind *:80
    default_backend servers
frontend hasty
    bind *:81
    timeout http-request 700ms
    default_backend servers
frontend own
    bind *:82
    http-request return status 200
backend servers
    server one 10.9.0.50:8001
`

// rss is the resident memory of a process in MiB.
func rss(t testing.TB, pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	kib, _ := strconv.Atoi(string(regexp.MustCompile(`VmRSS:\s+(\d+)`).FindSubmatch(text)[1]))
	return float64(kib) / 1024
}

// dial opens a connection from outside.
func (n *node) dial(port int) (conn net.Conn, err error) {
	n.outside.Do(func() { conn, err = net.DialTimeout("tcp", fmt.Sprintf("%s:%d", nodeAddress, port), patience) })
	return conn, err
}

// syslog gathers the log lines that come to the client's namespace.
func (n *node) syslog(port int) func() []string {
	var conn *net.UDPConn
	var err error
	n.outside.Do(func() { conn, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(clientAddress), Port: port}) })
	if err != nil {
		n.t.Fatal(err)
	}
	if raw, err := conn.SyscallConn(); err != nil {
		n.t.Fatal(err)
	} else { // beyond what the machine allows others
		raw.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20)
		})
		if err != nil {
			n.t.Fatal(err)
		}
	}
	n.t.Cleanup(func() { conn.Close() })
	var mu sync.Mutex
	var lines []string
	go func() {
		buf := make([]byte, 4096)
		for {
			k, err := conn.Read(buf)
			if err != nil {
				return
			}
			mu.Lock()
			lines = append(lines, string(buf[:k]))
			mu.Unlock()
		}
	}()
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), lines...)
	}
}

func count(lines []string, text string) (n int) {
	for _, l := range lines {
		if strings.Contains(l, text) {
			n++
		}
	}
	return n
}

// unharmed asks a few times and fails unless every answer comes.
func (n *node) unharmed(what string) {
	n.t.Helper()
	c := n.newClient(1)
	for range 5 {
		resp, err := c.Get("http://" + nodeAddress + "/")
		if err != nil {
			n.t.Fatalf("%s: others are harmed: %v", what, err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 200 {
			n.t.Fatalf("%s: others get status %d", what, resp.StatusCode)
		}
	}
}

// TestAbuse plays clients that mean no good against one proxy; each kind must get the right status and termination
// code, memory stays bounded, and others are served meanwhile.
func TestAbuse(t *testing.T) {
	n := newNode(t, abuseConfig, "")
	n.startWeb("one", 8001)
	logs := n.syslog(514)
	n.start()
	eventually(t, "served", func() bool { s, _, _ := n.get("http://" + nodeAddress + "/"); return s == 200 })
	worker := n.running()
	before := rss(t, worker)

	t.Run("10000 idle connections", func(t *testing.T) { idleConnections(t, n, worker, before) })
	t.Run("slow heads", func(t *testing.T) { slowHeads(t, n, logs) })
	t.Run("slow bodies", func(t *testing.T) { slowBodies(t, n) })
	t.Run("floods of header fields", func(t *testing.T) { fieldFloods(t, n, logs) })
	t.Run("the reason is in the log", func(t *testing.T) { reasonLogged(t, n, logs) })
	if grown := rss(t, worker) - before; grown > 150 {
		t.Errorf("memory grew by %.1f MiB in all", grown)
	}
	if n.worker() != worker {
		t.Error("the worker was replaced meanwhile")
	}
}

func idleConnections(t *testing.T, n *node, worker int, before float64) {
	const idle = 8000 // besides those of the other programs here, as descriptors allow
	conns := make([]net.Conn, 0, idle)
	n.outside.Do(func() {
		for range idle {
			conn, err := net.Dial("tcp", nodeAddress+":80")
			if err != nil {
				t.Fatalf("after %d connections: %v", len(conns), err)
			}
			conns = append(conns, conn)
			io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		}
	})
	for _, c := range conns {
		c.SetReadDeadline(time.Now().Add(patience))
		if _, err := http.ReadResponse(bufio.NewReaderSize(c, 512), nil); err != nil {
			t.Fatal(err)
		}
	}
	grown := rss(t, worker) - before
	t.Logf("%d idle connections take %.1f MiB: %.2f KiB each", idle, grown, grown*1024/idle)
	if grown > 100 {
		t.Errorf("%d idle connections take %.1f MiB", idle, grown)
	}
	n.unharmed("idle connections")
	for _, c := range conns {
		c.Close()
	}
}

func slowHeads(t *testing.T, n *node, logs func() []string) {
	had := count(logs(), " 408 ")
	const slow = 300
	var all sync.WaitGroup
	for range slow {
		conn, err := n.dial(81)
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			defer conn.Close()
			for i := 0; ; i++ {
				const head = "GET / HTTP/1.1\r\nHost: x\r\nA: bbbbbbbbbbbbb"
				if _, err := conn.Write([]byte(head[i%40 : i%40+1])); err != nil {
					return
				}
				conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
				buf := make([]byte, 512)
				if k, _ := conn.Read(buf); k > 0 {
					if !strings.HasPrefix(string(buf[:k]), "HTTP/1.1 408 ") &&
						!strings.HasPrefix(string(buf[:k]), "HTTP/1.1 400 ") {
						t.Errorf("a slow head got %q", buf[:k])
					}
					return
				}
			}
		})
	}
	n.unharmed("slow heads")
	all.Wait()
	eventually(t, "log lines", func() bool { return count(logs(), " 408 ")-had >= slow*9/10 })
	if c := count(logs(), " cR-- "); c < slow*9/10 {
		t.Errorf("%d lines say cR", c)
	}
}

func slowBodies(t *testing.T, n *node) {
	conn, err := n.dial(80)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc")
	n.unharmed("a slow body")
	conn.SetReadDeadline(time.Now().Add(patience))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != 504 {
		t.Fatalf("a body that never ends got %v, %v", resp, err)
	}
}

func fieldFloods(t *testing.T, n *node, logs func() []string) {
	had := count(logs(), " PR-- ")
	var all sync.WaitGroup
	for range 50 {
		conn, err := n.dial(80)
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			defer conn.Close()
			io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n")
			for range 3000 {
				if _, err := io.WriteString(conn, "X-A: b\r\n"); err != nil {
					break
				}
			}
			conn.SetReadDeadline(time.Now().Add(patience))
			buf := make([]byte, 64)
			k, _ := io.ReadAtLeast(conn, buf, 13)
			if k > 0 && !strings.HasPrefix(string(buf[:k]), "HTTP/1.1 400 ") {
				t.Errorf("a flood got %q", buf[:k])
			}
		})
	}
	n.unharmed("floods")
	all.Wait()
	eventually(t, "log lines", func() bool { return count(logs(), " PR-- ")-had >= 50 })
}

func reasonLogged(t *testing.T, n *node, logs func() []string) {
	conn, err := n.dial(80)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n")
	eventually(t, "the line", func() bool {
		for _, l := range logs() {
			if strings.Contains(l, "PR--") && strings.HasSuffix(strings.TrimSpace(l), ")") &&
				strings.Contains(l, "Content-Length") {
				return true
			}
		}
		return false
	})
}

// TestLyingServers: bytes a server sends without being asked never reach a client.
func TestLyingServers(t *testing.T) {
	n := newNode(t, strings.Replace(abuseConfig, "8001", "8003", 1), "")
	said := n.liar(t)
	n.start()
	eventually(t, "served", func() bool { s, _, _ := n.get("http://" + nodeAddress + "/"); return s == 200 })
	for i := range 60 {
		path := []string{"/twice", "/fine", "/later", "/good"}[i%4] + strconv.Itoa(i)
		status, _, body := n.get("http://" + nodeAddress + path)
		if status != 200 || body != path {
			t.Fatalf("%s got %d %q", path, status, body)
		}
		if i%4 == 2 { // what comes while nobody waits for it ends the connection
			select {
			case <-said:
			case <-time.After(patience):
				t.Fatal("the server says nothing of its own")
			}
			for range 2 { // the proxy's one thread has turned meanwhile
				if s, _, body := n.get("http://" + nodeAddress + ":82/"); s != 200 {
					t.Fatalf("%d %s", s, body)
				}
			}
		}
	}
}

// liar is a server that says more than it is asked for; it tells when it has said something later than its answer.
func (n *node) liar(t *testing.T) <-chan struct{} {
	t.Helper()
	var l net.Listener
	var err error
	n.outside.Do(func() { l, err = net.Listen("tcp", clientAddress+":8003") })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	said := make(chan struct{}, 100) // what nobody asked for, later than the answer
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				r := bufio.NewReader(conn)
				for {
					req, err := http.ReadRequest(r)
					if err != nil {
						return
					}
					io.Copy(io.Discard, req.Body)
					answer := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(req.URL.Path),
						req.URL.Path)
					poison := "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL"
					switch {
					case strings.HasPrefix(req.URL.Path, "/twice"):
						io.WriteString(conn, answer+poison)
					case strings.HasPrefix(req.URL.Path, "/later"):
						io.WriteString(conn, answer)
						time.Sleep(20 * time.Millisecond)
						io.WriteString(conn, poison)
						said <- struct{}{}
					default:
						io.WriteString(conn, answer)
					}
				}
			}()
		}
	}()
	return said
}

// TestDeadLogs: nobody listens to syslog, the socket is not there, the disk is full; requests do not mind.
func TestDeadLogs(t *testing.T) {
	conf := strings.Replace(abuseConfig, "    log 10.9.0.50:514 local0\n",
		"    log 10.9.0.50:9 local0\n    log /nowhere/log local1\n    log stdout format raw local2\n", 1)
	n := newNode(t, conf, "")
	n.startWeb("one", 8001)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	n.cmd = exec.Command(evenkeel, "run", "--runtime-dir", n.dir, "-f", n.files[0])
	n.cmd.Stdout, n.cmd.Stderr = full, n.log
	n.ns.Start(n.cmd)
	eventually(t, "served", func() bool { s, _, _ := n.get("http://" + nodeAddress + "/"); return s == 200 })
	worker := n.running()
	before := rss(t, worker)
	l := n.startLoad("http://"+nodeAddress+"/", 1000, 32)
	eventually(t, "2000 requests", func() bool { return l.asked.Load() >= 2000 })
	result := l.end()
	t.Log(result, fmt.Sprintf("%.1f MiB more", rss(t, worker)-before))
	if l.failed.Load() > 0 {
		t.Error("requests suffered from dead logs")
	}
	if rss(t, worker)-before > 40 {
		t.Errorf("memory grew by %.1f MiB", rss(t, worker)-before)
	}
}
