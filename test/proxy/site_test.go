// Package proxy tests the proxy as it runs: director, worker, sockets and signals, in a network of
// namespaces.
package proxy

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/test/binary"
	"github.com/evenkeel/evenkeel/test/netns"
	"github.com/evenkeel/evenkeel/test/output"
)

var evenkeel string // the binary under test

func TestMain(m *testing.M) { os.Exit(runAll(m)) }

func runAll(m *testing.M) int {
	for _, a := range os.Args {
		if a == "-test.short=true" || a == "-test.short" {
			return m.Run()
		}
	}
	dir, err := os.MkdirTemp("", "evenkeel-proxy-*")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	var flags []string
	if os.Getenv("EVENKEEL_RACE") != "" {
		flags = append(flags, "-race")
	}
	if evenkeel, err = binary.Put(dir, flags...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// node is an evenkeel in a namespace of its own, with a client's namespace beside it.
type node struct {
	t           testing.TB
	ns, outside *netns.NS
	dir         string
	log         *output.Buffer
	cmd         *exec.Cmd
	ended       chan struct{}
	files       []string
	client      *http.Client
	web         []*webServer
}

const (
	nodeAddress   = "10.9.0.1"
	clientAddress = "10.9.0.50"
	virtual       = "10.9.0.100"
)

// newNode lays the network and writes the configuration; nothing runs yet.
func newNode(t testing.TB, haproxy, keepalived string) *node {
	if testing.Short() {
		t.Skip("runs real programs: not with -short")
	}
	netns.Root(t)
	n := &node{t: t, dir: t.TempDir(), log: new(output.Buffer)}
	n.ns, n.outside = netns.New(t, "node"), netns.New(t, "client")
	netns.Veth(t, n.ns, "eth0", n.outside, "eth0")
	n.ns.Address("eth0", nodeAddress+"/24")
	n.outside.Address("eth0", clientAddress+"/24")
	n.write("haproxy.cfg", haproxy)
	if keepalived != "" {
		n.write("keepalived.conf", keepalived)
	}
	n.client = n.newClient(100)
	return n
}

func (n *node) write(name, text string) {
	n.t.Helper()
	path := filepath.Join(n.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		n.t.Fatal(err)
	}
	for _, f := range n.files {
		if f == path {
			return
		}
	}
	n.files = append(n.files, path)
}

// newClient is a client outside whose connections are dialled in its namespace.
func (n *node) newClient(keep int) *http.Client {
	return &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: keep, MaxConnsPerHost: 0,
		DialContext: func(_ context.Context, network, addr string) (conn net.Conn, err error) {
			n.outside.Do(func() { conn, err = net.DialTimeout(network, addr, patience) })
			return conn, err
		}}}
}

func (n *node) start() {
	n.t.Helper()
	args := []string{"run", "--runtime-dir", n.dir}
	for _, f := range n.files {
		args = append(args, "-f", f)
	}
	n.cmd = exec.Command(evenkeel, args...)
	n.cmd.Stdout, n.cmd.Stderr = n.log, n.log
	n.ended = make(chan struct{})
	n.ns.Start(n.cmd)
	n.t.Cleanup(func() {
		if n.t.Failed() {
			n.t.Logf("log:\n%s", tail(n.log.String()))
		}
	})
}

func tail(s string) string {
	if len(s) > 6000 {
		return "…" + s[len(s)-6000:]
	}
	return s
}

// command runs evenkeel with arguments that speak to the running one.
func (n *node) command(args ...string) (string, error) {
	out, err := exec.Command(evenkeel, append(args, "--runtime-dir", n.dir)...).CombinedOutput()
	return string(out), err
}

// worker is the process number of the worker; 0: there is none.
func (n *node) worker() int {
	conn, err := net.Dial("unix", filepath.Join(n.dir, "control.sock"))
	if err != nil {
		return 0
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprintln(conn, `{"command":"status"}`)
	var reply struct {
		Worker int `json:"worker"`
	}
	json.NewDecoder(conn).Decode(&reply)
	return reply.Worker
}

// running waits for a worker and gives its process number.
func (n *node) running() (pid int) {
	n.t.Helper()
	eventually(n.t, "a worker", func() bool { pid = n.worker(); return pid != 0 })
	return pid
}

// patience is how long the tests wait for what must come: on a busy machine that may take long.
const patience = 30 * time.Second

func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// webServer is a web server in the client's namespace.
type webServer struct {
	name   string
	addr   string
	served atomic.Int64
	late   atomic.Int64 // of them, how many were delayed
	delay  atomic.Int64 // nanoseconds
	status atomic.Int64
	srv    *http.Server
}

func (n *node) startWeb(name string, port int) *webServer {
	n.t.Helper()
	w := &webServer{name: name, addr: fmt.Sprintf("%s:%d", clientAddress, port)}
	var l net.Listener
	var err error
	n.outside.Do(func() { l, err = net.Listen("tcp", w.addr) })
	if err != nil {
		n.t.Fatal(err)
	}
	w.srv = &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.served.Add(1)
		if d := w.delay.Load(); d > 0 {
			w.late.Add(1)
			time.Sleep(time.Duration(d))
		}
		rw.Header().Set("X-Server", name)
		if s := w.status.Load(); s != 0 {
			rw.WriteHeader(int(s))
		}
		io.Copy(io.Discard, r.Body)
		fmt.Fprintf(rw, "%s answers %s\n", name, r.URL.Path)
	})}
	go w.srv.Serve(l)
	n.t.Cleanup(func() { w.srv.Close() })
	n.web = append(n.web, w)
	return w
}

// restart serves again, after the server was closed.
func (w *webServer) restart(l net.Listener) {
	w.srv = &http.Server{Handler: w.srv.Handler}
	go w.srv.Serve(l)
}

// get asks once and gives the status and who answered; 0 for no answer.
func (n *node) get(url string) (status int, server, body string) {
	resp, err := n.client.Get(url)
	if err != nil {
		return 0, "", err.Error()
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, "", err.Error()
	}
	return resp.StatusCode, resp.Header.Get("X-Server"), string(b)
}

// load sends requests at a steady pace until it is stopped.
type load struct {
	asked, failed atomic.Int64
	mu            sync.Mutex
	failures      []string
	stop          chan struct{}
	done          sync.WaitGroup
}

// startLoad asks url perSecond times a second from several connections; every tenth request opens its own.
func (n *node) startLoad(url string, perSecond, workers int) *load {
	l := &load{stop: make(chan struct{})}
	fresh := n.newClient(-1)
	fresh.Transport.(*http.Transport).DisableKeepAlives = true
	for i := range workers {
		l.done.Add(1)
		go func() {
			defer l.done.Done()
			tick := time.NewTicker(time.Second * time.Duration(workers) / time.Duration(perSecond))
			defer tick.Stop()
			for k := 0; ; k++ {
				select {
				case <-l.stop:
					return
				case <-tick.C:
				}
				c := n.client
				if (k+i)%10 == 0 {
					c = fresh
				}
				l.asked.Add(1)
				resp, err := c.Get(url)
				if err == nil {
					_, err = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
					if err == nil && resp.StatusCode != 200 {
						err = fmt.Errorf("status %d", resp.StatusCode)
					}
				}
				if err != nil {
					l.failed.Add(1)
					l.mu.Lock()
					if len(l.failures) < 5 {
						l.failures = append(l.failures, fmt.Sprintf("%s %v", time.Now().Format("15:04:05.000"), err))
					}
					l.mu.Unlock()
				}
			}
		}()
	}
	return l
}

func (l *load) end() string {
	close(l.stop)
	l.done.Wait()
	return fmt.Sprintf("%d requests, %d failed %s", l.asked.Load(), l.failed.Load(), strings.Join(l.failures, "; "))
}

// send sends a signal to one process, and never to a group.
func send(pid int, sig syscall.Signal) error {
	if pid <= 0 {
		return fmt.Errorf("there is no process %d", pid)
	}
	return syscall.Kill(pid, sig)
}

func kill(pid int) error { return send(pid, syscall.SIGKILL) }
