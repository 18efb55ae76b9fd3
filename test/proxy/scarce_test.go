package proxy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const scarceConfig = `
global
    nbthread 2
    stats socket RUNTIME level admin
defaults
    mode http
    timeout client 60s
    timeout server 60s
    timeout connect 20s
    timeout check 20s
frontend web
    bind *:80
    default_backend servers
backend servers
    option httpchk GET /check
    server one 10.9.0.50:8001 check inter 3s fall 3
`

// runtime asks the runtime socket.
func (n *node) runtime(command string) (string, error) {
	conn, err := net.DialTimeout("unix", filepath.Join(n.dir, "runtime.sock"), patience)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, command+"\n"); err != nil {
		return "", err
	}
	b, err := io.ReadAll(conn)
	return string(b), err
}

// TestScarceDescriptors: 600 clients that ask for much and read nothing, under a limit of 1500 descriptors, take
// neither those of the checks nor those of operators: the server stays UP, the runtime and the control socket
// answer, and others are served as soon as some have gone.
func TestScarceDescriptors(t *testing.T) {
	n := newNode(t, "", "")
	n.write("haproxy.cfg", strings.ReplaceAll(scarceConfig, "RUNTIME", filepath.Join(n.dir, "runtime.sock")))
	checked := n.endless(t)
	n.cmd = exec.Command("setpriv", "--bounding-set=-sys_resource", "--inh-caps=-sys_resource", "prlimit",
		"--nofile=1500:1500",
		evenkeel, "run", "--runtime-dir", n.dir, "-f", n.files[0])
	n.cmd.Stdout, n.cmd.Stderr = n.log, n.log
	n.ns.Start(n.cmd)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log:\n%s", tail(n.log.String()))
		}
	})
	url := "http://" + nodeAddress + "/"
	eventually(t, "served", func() bool { s, _, _ := n.get(url); return s == 200 })
	n.client.CloseIdleConnections()
	worker := n.running()
	descriptors := func() int {
		all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", worker))
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	conns := n.greedy(t, 600)
	eventually(t, "as many as may be are served", func() bool {
		return n.info(t, "CurrConns") >= min(n.info(t, "Maxconn"), 600)
	})
	before := checked.Load()
	eventually(t, "three more checks", func() bool { return checked.Load() >= before+3 })
	t.Logf("%d connections of %d allowed, %d descriptors of 1500",
		n.info(t, "CurrConns"), n.info(t, "Maxconn"), descriptors())
	if text, err := n.runtime("show stat"); err != nil || !strings.Contains(text, "servers,one,") ||
		!strings.Contains(text, ",UP,") {
		t.Errorf("the server is not UP: %v\n%s", err, text)
	}
	for _, line := range []string{"DOWN", "too many open files"} {
		if strings.Contains(n.log.String(), line) {
			t.Errorf("%q is in the log", line)
		}
	}
	if out, err := n.command("reload"); err != nil {
		t.Errorf("a reload: %v\n%s", err, out)
	}
	for _, conn := range conns[:300] {
		conn.Close()
	}
	eventually(t, "others are served", func() bool { s, _, _ := n.get(url); return s == 200 })
}

// endless is a web server with a body that never ends; it counts its checks.
func (n *node) endless(t *testing.T) *atomic.Int64 {
	t.Helper()
	endless := make([]byte, 1<<20)
	checked := new(atomic.Int64)
	var l net.Listener
	var err error
	if n.outside.Do(func() { l, err = net.Listen("tcp", clientAddress+":8001") }); err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/check" {
			checked.Add(1)
		}
		if r.URL.Path != "/big" {
			fmt.Fprint(w, "small")
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(int64(len(endless))<<20))
		for {
			if _, err := w.Write(endless); err != nil {
				return
			}
		}
	})}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	return checked
}

// greedy are clients that ask for that body and read nothing.
func (n *node) greedy(t *testing.T, many int) []net.Conn {
	t.Helper()
	var conns []net.Conn
	for range many {
		var conn net.Conn
		var err error
		if n.outside.Do(func() { conn, err = net.DialTimeout("tcp", nodeAddress+":80", patience) }); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		fmt.Fprint(conn, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
		conns = append(conns, conn)
	}
	return conns
}

// info is a figure of show info.
func (n *node) info(t *testing.T, name string) (value int) {
	t.Helper()
	text, err := n.runtime("show info")
	if err != nil {
		t.Fatalf("the runtime socket: %v", err)
	}
	for line := range strings.Lines(text) {
		if v, ok := strings.CutPrefix(line, name+": "); ok {
			fmt.Sscan(v, &value)
		}
	}
	return value
}
