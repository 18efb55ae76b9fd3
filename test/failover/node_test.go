package failover

import (
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/evenkeel/evenkeel/failover"
	"github.com/evenkeel/evenkeel/test/binary"
	"github.com/evenkeel/evenkeel/test/netns"
	"github.com/evenkeel/evenkeel/test/output"
)

// programFile is the program under test.
var programFile string

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		fmt.Println("system tests are not part of a short run")
		os.Exit(0)
	}
	dir, err := os.MkdirTemp("", "evenkeel-test-")
	if err != nil {
		panic(err)
	}
	if programFile, err = binary.Put(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// programs that can run on a node.
const (
	ours = "evenkeel"
	ref  = "keepalived"
)

// needReference skips where Debian's keepalived is not installed; in CI it must be.
func needReference(t testing.TB) string {
	path, err := exec.LookPath("keepalived")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("keepalived is not installed; `make test` installs it")
		}
		t.Skip("needs Debian's keepalived (apt-get install keepalived)")
	}
	return path
}

// node is a machine with one of the programs on it.
type node struct {
	t       testing.TB
	ns      *netns.NS
	program string
	dir     string
	conf    string
	cmd     *exec.Cmd
	log     *output.Buffer
	env     []string
	output  *os.File // where the program's output goes; nil: log
}

// ends shortens a log that nobody would read whole.
func ends(log string) string {
	const most = 8000
	if len(log) <= 2*most {
		return log
	}
	return log[:most] + "\n[…]\n" + log[len(log)-most:]
}

func newNode(t testing.TB, ns *netns.NS, program, conf string) *node {
	n := &node{t: t, ns: ns, program: program, dir: t.TempDir(), conf: conf, log: new(output.Buffer)}
	t.Cleanup(func() {
		n.signal(syscall.SIGCONT)
		n.kill()
		if t.Failed() {
			t.Logf("%s on %s:\n%s", n.program, n.ns.Name, ends(n.log.String()))
		}
	})
	return n
}

func (n *node) confFile() string { return filepath.Join(n.dir, "keepalived.conf") }

// start begins a run with the node's configuration.
func (n *node) start() {
	n.t.Helper()
	n.write(n.conf)
	switch n.program {
	case ours:
		n.cmd = exec.Command(programFile, "run", "-f", n.confFile(), "--runtime-dir", n.dir)
	case ref:
		os.Remove(filepath.Join(n.dir, "v.pid")) // of a run that was killed
		n.cmd = exec.Command(needReference(n.t), "-n", "-l", "-G", "-P", "-f", n.confFile(),
			"-p", filepath.Join(n.dir, "p.pid"), "-r", filepath.Join(n.dir, "v.pid"))
	}
	n.cmd.Env = append(os.Environ(), n.env...)
	n.cmd.Stdout, n.cmd.Stderr = n.log, n.log
	if n.output != nil {
		n.cmd.Stdout, n.cmd.Stderr = n.output, n.output
	}
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	n.ns.Start(n.cmd)
}

func (n *node) write(conf string) {
	n.t.Helper()
	n.conf = conf
	if err := os.WriteFile(n.confFile(), []byte(conf), 0o644); err != nil {
		n.t.Fatal(err)
	}
}

// signal reaches every process of the program.
func (n *node) signal(s syscall.Signal) {
	if n.cmd == nil || n.cmd.Process == nil {
		return
	}
	if child := n.child(); child > 0 { // keepalived's child is in a group of its own
		syscall.Kill(child, s)
	}
	syscall.Kill(-n.cmd.Process.Pid, s)
}

// child is the process of keepalived that speaks VRRP.
func (n *node) child() int {
	if n.program != ref {
		return 0
	}
	b, err := os.ReadFile(filepath.Join(n.dir, "v.pid"))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0
	}
	return pid
}

// kill ends the program without a chance to clean up.
func (n *node) kill() {
	if n.cmd == nil {
		return
	}
	n.signal(syscall.SIGKILL)
	n.cmd.Wait()
	n.cmd = nil
}

// stop ends it in order.
func (n *node) stop() {
	n.t.Helper()
	if n.cmd == nil {
		return
	}
	syscall.Kill(n.cmd.Process.Pid, syscall.SIGTERM)
	done := make(chan error, 1)
	go func() { done <- n.cmd.Wait() }()
	select {
	case <-done:
	case <-time.After(slack):
		n.t.Fatalf("%s on %s does not stop", n.program, n.ns.Name)
	}
	n.cmd = nil
}

// evenkeel runs one of our commands on the node.
func (n *node) evenkeel(args ...string) (string, error) {
	cmd := exec.Command(programFile, append(args, "--runtime-dir", n.dir)...)
	var out []byte
	var err error
	n.ns.Do(func() { out, err = cmd.CombinedOutput() })
	return string(out), err
}

// status asks a running director.
func (n *node) status() failover.Status {
	n.t.Helper()
	out, err := n.evenkeel("show", "vrrp", "--json")
	if err != nil {
		n.t.Fatalf("show vrrp: %v\n%s", err, out)
	}
	var s failover.Status
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		n.t.Fatalf("show vrrp --json: %v\n%s", err, out)
	}
	return s
}

// eventually waits for a condition; what says what is waited for.
func eventually(t testing.TB, limit time.Duration, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("after %v still not: %s", limit, what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// logged waits for a line of the program's log.
func (n *node) logged(limit time.Duration, text string) {
	n.t.Helper()
	eventually(n.t, limit, fmt.Sprintf("%q in the log of %s", text, n.ns.Name), func() bool {
		return strings.Contains(n.log.String(), text)
	})
}

// has reports whether an address is set on the node.
func (n *node) has(ip string) bool {
	for _, a := range n.addresses() {
		if a.String() == ip {
			return true
		}
	}
	return false
}

// addresses lists what is set on the node; a list that changed while it was read is read again.
func (n *node) addresses() (all []net.IP) {
	n.t.Helper()
	for limit := time.Now().Add(slack); ; {
		list, err := n.ns.Links().AddrList(nil, netlink.FAMILY_ALL)
		if err == nil {
			for _, a := range list {
				all = append(all, a.IP)
			}
			return all
		}
		if time.Now().After(limit) {
			n.t.Fatalf("addresses of %s: %v", n.ns.Name, err)
		}
	}
}
