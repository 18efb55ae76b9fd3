package failover

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startInit runs the director as PID 1 of a new pid namespace with its own /proc.
func (n *node) startInit(args ...string) {
	n.t.Helper()
	n.write(n.conf)
	script := fmt.Sprintf("mount -t proc proc /proc && exec %s run -f %s --runtime-dir %s", programFile, n.confFile(),
		n.dir)
	n.cmd = exec.Command("/bin/sh", "-c", script)
	n.cmd.Stdout, n.cmd.Stderr = n.log, n.log
	n.cmd.SysProcAttr = &syscall.SysProcAttr{
		Setpgid: true, Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS, Unshareflags: syscall.CLONE_NEWNS,
	}
	n.ns.Start(n.cmd)
}

// ended waits for the program and returns its exit status.
func (n *node) ended(limit time.Duration) int {
	n.t.Helper()
	done := make(chan struct{})
	cmd := n.cmd
	go func() { cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(limit):
		n.t.Fatalf("%s on %s does not end", n.program, n.ns.Name)
	}
	n.cmd = nil
	return cmd.ProcessState.ExitCode()
}

// process is one below another.
type process struct {
	pid         int
	name, state string
}

// descendants lists the processes below pid.
func descendants(pid int) (found []process) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, task := range tasks {
		b, _ := os.ReadFile(task)
		for _, child := range strings.Fields(string(b)) {
			stat, err := os.ReadFile("/proc/" + child + "/stat")
			if err != nil {
				continue
			}
			id, _ := strconv.Atoi(child)
			_, rest, _ := strings.Cut(string(stat), "(")
			name, rest, _ := strings.Cut(rest, ") ")
			found = append(append(found, process{id, name, rest[:1]}), descendants(id)...)
		}
	}
	return found
}

// director is the one evenkeel below pid.
func director(t testing.TB, pid int) int {
	t.Helper()
	var pids []int
	eventually(t, slack, "one evenkeel below PID 1", func() bool {
		pids = pids[:0]
		for _, k := range descendants(pid) {
			if k.name == "evenkeel" { // also, for an instant, a script about to start
				pids = append(pids, k.pid)
			}
		}
		return len(pids) == 1
	})
	return pids[0]
}

// TestInit runs the director as PID 1, as a container does.
func TestInit(t *testing.T) {
	t.Parallel()
	p := newPair(t, dialects[2], ours, ours, 150, 100)
	count := filepath.Join(t.TempDir(), "count")
	// Each run leaves a child behind that ends a moment later: an orphan of PID 1.
	p.a.conf = withScript(t, "sleep 0.2 >/dev/null 2>&1 &\necho >> "+count+"\nexit 0", "")
	p.a.startInit()
	p.master(t, p.a, slack)
	runs := func() int { b, _ := os.ReadFile(count); return len(b) }
	eventually(t, slack, "three runs of the script", func() bool { return runs() >= 3 })
	init := p.a.cmd.Process.Pid
	eventually(t, slack, "no orphan is left unreaped", func() bool {
		return !slices.ContainsFunc(descendants(init), func(k process) bool { return k.state == "Z" })
	})
	director(t, init)
	syscall.Kill(init, syscall.SIGHUP)
	p.a.logged(slack, "Reload complete")
	syscall.Kill(init, syscall.SIGUSR1)
	p.a.logged(slack, "status written")
	syscall.Kill(init, syscall.SIGTERM)
	if status := p.a.ended(10 * time.Second); status != 0 {
		t.Errorf("after SIGTERM the exit status is %d", status)
	}
	if p.a.has("10.9.0.100") {
		t.Error("the address is still set after an orderly stop")
	}
	if !strings.Contains(p.a.log.String(), "Entering STOP STATE") {
		t.Error("it did not stop in order")
	}

	// A start that fails hands its status on.
	good := p.a.conf
	p.a.conf = "nonsense\n"
	p.a.startInit()
	if status := p.a.ended(10 * time.Second); status != 1 {
		t.Errorf("a file that does not load ends PID 1 with status %d", status)
	}
	// The director dies: so does its container, with a status that says how.
	p.a.conf = good
	p.a.startInit()
	p.master(t, p.a, slack)
	syscall.Kill(director(t, p.a.cmd.Process.Pid), syscall.SIGKILL)
	if status := p.a.ended(10 * time.Second); status != 128+9 {
		t.Errorf("after the director was killed PID 1 ended with status %d", status)
	}
}

// TestInitForcedEnd: killing PID 1 ends everything below it, and the gate closes
// behind it as behind any crash.
func TestInitForcedEnd(t *testing.T) {
	t.Parallel()
	d := dialects[2]
	p := newPair(t, d, ours, ours, 150, 100)
	p.b.start()
	p.a.startInit()
	p.master(t, p.a, slack)
	w := p.watch(t)
	from := now()
	p.a.kill()
	eventually(t, d.down(100)+slack, "takeover", func() bool { return p.b.has(d.vip()) })
	time.Sleep(200 * time.Millisecond)
	if double, _ := w.totals(from, now()); double > 0 {
		t.Errorf("two masters for %v", double)
	}
	p.a.start()
	p.master(t, p.a, slack)
}
