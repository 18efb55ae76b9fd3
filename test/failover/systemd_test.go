package failover

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// manager stands for systemd: it collects what a service tells it.
type manager struct {
	path  string
	marks int // of read

	mu   sync.Mutex
	told []string // one element a datagram
	at   []time.Time
}

// newManager listens on a socket and makes the node report to it.
func newManager(t testing.TB, n *node) *manager {
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	m := &manager{path: path}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1<<16)
		for {
			k, err := conn.Read(buf)
			if err != nil {
				return
			}
			m.mu.Lock()
			m.told, m.at = append(m.told, string(buf[:k])), append(m.at, time.Now())
			m.mu.Unlock()
		}
	}()
	t.Cleanup(func() { conn.Close(); <-done })
	n.env = append(n.env, "NOTIFY_SOCKET="+path)
	return m
}

// lines returns everything told, line by line.
func (m *manager) lines() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return strings.Split(strings.Join(m.told, "\n"), "\n")
}

func (m *manager) has(line string) bool { return slices.Contains(m.lines(), line) }

func (m *manager) count(line string) (n int) {
	for _, l := range m.lines() {
		if l == line {
			n++
		}
	}
	return n
}

// TestServiceManager follows what a Type=notify unit is told over a life.
func TestServiceManager(t *testing.T) {
	t.Parallel()
	p := newPair(t, dialects[2], ours, ours, 150, 100)
	m := newManager(t, p.a)
	gate := filepath.Join(t.TempDir(), "go")
	// An instance that waits for its script's first word is still in INIT.
	p.a.conf = fmt.Sprintf("global_defs {\n    script_user root\n}\nvrrp_script chk {\n    script \"%s\"\n    "+
		"interval 1\n    timeout 20\n}\n%s",
		waitFor(t, gate), dialects[2].conf(1, 150, "track_script {", "    chk", "}"))
	p.a.start()
	p.a.logged(slack, "evenkeel is running")
	time.Sleep(500 * time.Millisecond)
	if m.has("READY=1") {
		t.Fatal("ready while an instance is in INIT")
	}
	if err := os.WriteFile(gate, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	eventually(t, slack, "READY=1", func() bool { return m.has("READY=1") })
	eventually(t, slack, "STATUS of a master", func() bool { return m.has("STATUS=VI_1 MASTER") })
	if m.has("WATCHDOG=1") {
		t.Error("a watchdog nobody asked for")
	}
	told := len(m.lines())
	if out, err := p.a.evenkeel("reload"); err != nil {
		t.Fatalf("reload: %v\n%s", err, out)
	}
	eventually(t, slack, "READY=1 after the reload", func() bool { return m.count("READY=1") == 2 })
	after := m.lines()[told:]
	reloading, ready := slices.Index(after, "RELOADING=1"), slices.Index(after, "READY=1")
	if reloading < 0 || ready < reloading {
		t.Errorf("a reload told the manager %q", after)
	}
	// Since systemd 253, Type=notify-reload takes RELOADING only with a time stamp.
	if !slices.ContainsFunc(after, func(l string) bool { return strings.HasPrefix(l, "MONOTONIC_USEC=") }) {
		t.Errorf("RELOADING came without MONOTONIC_USEC: %q", after)
	}
	p.a.write("nonsense\n")
	p.a.signal(syscall.SIGHUP)
	p.a.logged(slack, "reload refused")
	eventually(t, slack, "READY=1 after the refused reload", func() bool { return m.count("READY=1") == 3 })
	p.a.stop()
	eventually(t, slack, "STOPPING=1", func() bool { return m.has("STOPPING=1") })
	if last := m.lines()[len(m.lines())-1]; strings.Contains(last, "READY=1") {
		t.Error("ready after it had stopped")
	}
}

// waitFor is a script that waits until a file is there.
func waitFor(t testing.TB, file string) string {
	path := filepath.Join(t.TempDir(), "wait.sh")
	if err := os.WriteFile(path, []byte("#!/bin/sh\nuntil test -e "+file+"; do sleep 0.05; done\n"),
		0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// read waits until everything that was told by now has been read.
func (m *manager) read(t testing.TB) {
	t.Helper()
	conn, err := net.Dial("unixgram", m.path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	m.marks++
	mark := fmt.Sprintf("MARK=%d", m.marks)
	if _, err := conn.Write([]byte(mark)); err != nil {
		t.Fatal(err)
	}
	eventually(t, slack, mark, func() bool { return m.has(mark) })
}

// TestWatchdog: the manager hears of a living router thread only.
func TestWatchdog(t *testing.T) {
	t.Parallel()
	p := newPair(t, dialects[2], ours, ours, 150, 100)
	m := newManager(t, p.a)
	p.a.env = append(p.a.env, "WATCHDOG_USEC=300000") // without WATCHDOG_PID it is meant for any process that reads it
	p.a.start()
	// A busy machine delays a sign now and then, and this reader too; a pace that is too slow never keeps the time.
	eventually(t, slack, "signs of life within 300 ms of each other, as the manager expects them", func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		var last time.Time
		inTime := 0
		for i, line := range m.told {
			if line != "WATCHDOG=1" {
				continue
			}
			if inTime++; m.at[i].Sub(last) > 300*time.Millisecond {
				inTime = 1
			}
			last = m.at[i]
		}
		return inTime >= 5
	})
	p.a.signal(syscall.SIGSTOP)
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(p.a.cmd.Process.Pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
		t.Fatalf("it does not stop: %v, status %#x", err, status)
	}
	m.read(t)
	n := m.count("WATCHDOG=1")
	time.Sleep(time.Second)
	if m.read(t); m.count("WATCHDOG=1") != n {
		t.Error("a stopped process gave a sign of life")
	}
	p.a.signal(syscall.SIGCONT)
	eventually(t, slack, "signs of life again", func() bool { return m.count("WATCHDOG=1") > n })
	p.a.stop()

	// Meant for another process (systemd sets the main one's pid): silence.
	p.a.env = append(p.a.env, "WATCHDOG_PID=1")
	m.read(t)
	n = m.count("WATCHDOG=1")
	p.a.start()
	p.master(t, p.a, slack)
	time.Sleep(500 * time.Millisecond)
	if m.read(t); m.count("WATCHDOG=1") != n {
		t.Error("signs of life although WATCHDOG_PID names another process")
	}
}

// TestScriptsDoNotSpeakForUs: a check script must not find the manager's socket,
// or a child could call itself ready or alive.
func TestScriptsDoNotSpeakForUs(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "env")
	p := newPair(t, dialects[2], ours, ours, 150, 100)
	newManager(t, p.a)
	p.a.env = append(p.a.env, "WATCHDOG_USEC=300000")
	p.a.conf = withScript(t, "env > "+out+".new; mv "+out+".new "+out, "")
	p.a.start()
	eventually(t, slack, "the script has run", func() bool { _, err := os.Stat(out); return err == nil })
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(b), "\n") {
		switch name, _, _ := strings.Cut(line, "="); name {
		case "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "EVENKEEL_UNDER_INIT":
			t.Errorf("a script finds %q in its environment", line)
		}
	}
}

// TestUnit lets systemd itself judge our unit file.
func TestUnit(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("needs systemd-analyze; the unit is checked where systemd is installed")
	}
	b, err := os.ReadFile("../../packaging/evenkeel.service")
	if err != nil {
		t.Fatal(err)
	}
	unit := filepath.Join(t.TempDir(), "evenkeel.service")
	text := strings.ReplaceAll(string(b), "/usr/sbin/evenkeel", programFile) // it insists on a program that is there
	if err := os.WriteFile(unit, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(analyze, "verify", "--man=no", "--recursive-errors=no", unit)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}
