package proxy

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/test/output"
)

const oneServer = `
global
    maxconn 1000
    nbthread %d
    hard-stop-after 3s
defaults
    mode http
    timeout connect 2s
    timeout client 20s
    timeout server 20s
frontend web
    bind %s
    default_backend servers
backend servers
    server one 10.9.0.50:8001 check inter 2s fastinter 200ms
`

// TestReloadsChangeThings: other addresses, more and fewer threads, mistakes; what stays is never closed.
func TestReloadsChangeThings(t *testing.T) {
	n := newNode(t, fmt.Sprintf(oneServer, 1, "*:80"), "")
	n.startWeb("one", 8001)
	n.start()
	served := func(port int) bool {
		s, _, _ := n.get(fmt.Sprintf("http://%s:%d/", nodeAddress, port))
		return s == 200
	}
	eventually(t, "served", func() bool { return served(80) })
	for _, step := range []struct {
		threads int
		bind    string
		open    []int
		shut    []int
	}{
		{1, "*:80,*:81", []int{80, 81}, nil},
		{3, "*:80,*:81", []int{80, 81}, nil},
		{1, "*:80,*:82", []int{80, 82}, []int{81}},
		{2, "10.9.0.1:80,unix@" + filepath.Join(n.dir, "web.sock") + " mode 666", []int{80}, []int{82}},
		{2, "*:80-85", []int{80, 81, 85}, nil},
	} {
		n.write("haproxy.cfg", fmt.Sprintf(oneServer, step.threads, step.bind))
		if out, err := n.command("reload"); err != nil {
			t.Fatalf("%s: %v %s", step.bind, err, out)
		}
		for _, port := range step.open {
			if !served(port) {
				t.Errorf("%s: port %d is not served", step.bind, port)
			}
		}
		for _, port := range step.shut {
			eventually(t, fmt.Sprintf("port %d is closed", port), func() bool {
				conn, err := n.dial(port)
				if err == nil {
					conn.Close()
				}
				return err != nil
			})
		}
	}
	before := n.running()
	for name, text := range map[string]string{
		"a mistake": strings.Replace(fmt.Sprintf(oneServer, 1, "*:80"), "default_backend", "default_backnd",
			1),
		"an address not ours": fmt.Sprintf(oneServer, 1, "10.77.77.77:80"),
		"a user who is nobody": strings.Replace(fmt.Sprintf(oneServer, 1, "*:80"), "global\n",
			"global\n    user nobody-knows-me\n", 1),
	} {
		n.write("haproxy.cfg", text)
		out, err := n.command("reload")
		if err == nil {
			t.Errorf("%s: the reload went through: %s", name, out)
		}
		if !served(80) || !served(85) || n.worker() != before {
			t.Errorf("%s: a refused reload changed something", name)
		}
	}
}

// TestPortsOfABusyWorker: what a reload no longer binds is let go at once, and what it binds otherwise is served at
// once, also while the worker of before has a request that takes its time.
func TestPortsOfABusyWorker(t *testing.T) {
	patient := strings.Replace(oneServer, "    hard-stop-after 3s\n", "", 1)
	n := newNode(t, fmt.Sprintf(patient, 2, "10.9.0.1:80,*:82"), "")
	n.startWeb("one", 8001)
	n.start()
	url := "http://" + nodeAddress + "/"
	eventually(t, "served", func() bool { s, _, _ := n.get(url); return s == 200 })
	slow, err := n.dial(80)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	if _, err := fmt.Fprint(slow, "GET /slow HTTP/1.1\r\n"); err != nil {
		t.Fatal(err)
	}
	old := n.running()
	n.write("haproxy.cfg", fmt.Sprintf(patient, 2, "*:80"))
	if out, err := n.command("reload"); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	eventually(t, "port 82 is closed", func() bool {
		conn, err := n.dial(82)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	fresh := n.newClient(-1)
	for i := range 20 {
		resp, err := fresh.Get(url)
		if err != nil {
			t.Fatalf("request %d after the reload: %v", i, err)
		}
		resp.Body.Close()
	}
	if err := unix.Kill(old, 0); err != nil {
		t.Errorf("the worker of before: %v, although it has a request", err)
	}
	fmt.Fprint(slow, "Host: x\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(slow), nil)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("the slow request: %v %v", resp, err)
	}
}

// TestDirectorKilled: the worker of a dead director goes on for a moment and ends what it has; a new director
// starts at once.
func TestDirectorKilled(t *testing.T) {
	n := newNode(t, fmt.Sprintf(oneServer, 2, "*:80"), "")
	w := n.startWeb("one", 8001)
	n.start()
	url := "http://" + nodeAddress + "/"
	eventually(t, "served", func() bool { s, _, _ := n.get(url); return s == 200 })
	w.delay.Store(int64(700 * time.Millisecond))
	before := w.served.Load()
	answered := make(chan int, 1)
	go func() { s, _, _ := n.get(url + "slow"); answered <- s }()
	eventually(t, "a request is on its way", func() bool { return w.served.Load() > before })
	old, err := unix.PidfdOpen(n.running(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(old)
	if err := kill(n.cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	if s := <-answered; s != 200 {
		t.Errorf("the request that was on its way got %d", s)
	}
	w.delay.Store(0)
	n.client.CloseIdleConnections()
	n.start()
	eventually(t, "served by the next one", func() bool { s, _, _ := n.get(url); return s == 200 })
	eventually(t, "the old worker ends", func() bool { // be it reaped or not
		ended, _ := unix.Poll([]unix.PollFd{{Fd: int32(old), Events: unix.POLLIN}}, 0)
		return ended > 0
	})
}

// TestWithoutRoot: a haproxy.cfg alone runs as any user, in the foreground.
func TestWithoutRoot(t *testing.T) {
	if testing.Short() {
		t.Skip("runs real programs: not with -short")
	}
	// A port of an address that nobody else uses is still free in a moment.
	pid := os.Getpid()
	l, err := net.Listen("tcp", fmt.Sprintf("127.%d.%d.%d:0", 1+pid>>16&127, pid>>8&255, 1+pid&127))
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	dir, err := os.MkdirTemp("", "evenkeel-user-*")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	os.Chmod(dir, 0o755)
	program := filepath.Join(dir, "evenkeel")
	if text, err := os.ReadFile(evenkeel); err != nil || os.WriteFile(program, text, 0o755) != nil {
		t.Fatal("copying the program: ", err)
	}
	conf := filepath.Join(dir, "haproxy.cfg")
	os.WriteFile(conf, fmt.Appendf(nil,
		"defaults\n mode http\n timeout client 30s\n timeout server 30s\n timeout connect 30s\nfrontend web\n bind "+
			"%s\n http-request return status 200 content-type text/plain string hello\n", addr), 0o644)
	args := []string{program, "run", "-f", conf, "--runtime-dir", filepath.Join(dir, "run")}
	if os.Geteuid() == 0 {
		os.Mkdir(filepath.Join(dir, "run"), 0o755)
		os.Chown(filepath.Join(dir, "run"), 65534, 65534)
		args = append([]string{"setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--bounding-set",
			"-all", "--inh-caps", "-all"}, args...)
	}
	out := new(output.Buffer)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cmd.Process.Signal(syscall.SIGTERM); cmd.Wait() }()
	eventually(t, "served", func() bool {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return false
		}
		defer conn.Close()
		fmt.Fprint(conn, "GET / HTTP/1.0\r\n\r\n")
		buf := make([]byte, 512)
		conn.SetReadDeadline(time.Now().Add(patience))
		k, _ := conn.Read(buf)
		return strings.Contains(string(buf[:k]), "200 OK")
	})
	t.Logf("%s", out)
}

// TestFrozenWorker: a worker that hangs is replaced after some seconds of silence.
func TestFrozenWorker(t *testing.T) {
	n := newNode(t, fmt.Sprintf(oneServer, 2, "*:80"), "")
	n.startWeb("one", 8001)
	n.start()
	url := "http://" + nodeAddress + "/"
	eventually(t, "served", func() bool { s, _, _ := n.get(url); return s == 200 })
	pid := n.running()
	if err := send(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	n.client.CloseIdleConnections()
	eventually(t, "another worker", func() bool { w := n.worker(); return w != 0 && w != pid })
	if log := n.log.String(); !strings.Contains(log, "has said nothing for") || !strings.Contains(log, "killing it") {
		t.Errorf("the log does not say why:\n%s", log)
	}
	c := n.newClient(-1)
	eventually(t, "served again", func() bool {
		resp, err := c.Get(url)
		if err == nil {
			resp.Body.Close()
		}
		return err == nil
	})
}

// TestDownStaysDown: a server that checks have found down gets no request of a worker that has just started.
func TestDownStaysDown(t *testing.T) {
	conf := strings.Replace(pairOfServers, "option redispatch", "no option redispatch", 1)
	n := newNode(t, strings.Replace(conf, "retries 3", "retries 0", 1), "")
	n.startWeb("one", 8001)
	n.start()
	url := "http://" + nodeAddress + "/"
	eventually(t, "server two is down", func() bool { return strings.Contains(n.log.String(), "servers/two is DOWN") })
	for i := range 5 {
		if out, err := n.command("reload"); err != nil {
			t.Fatalf("%v %s", err, out)
		}
		for range 6 {
			if s, _, body := n.get(url); s != 200 {
				t.Fatalf("after reload %d: %d %s", i, s, body)
			}
		}
	}
	if c := strings.Count(n.log.String(), "servers/two is DOWN"); c != 1 {
		t.Errorf("the log says %d times that it is down", c)
	}
}
