package differential

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/test/binary"
	"github.com/evenkeel/evenkeel/test/peers"
)

// processCases are words about the process and its sockets: lines of global, words behind bind, and what is to be
// seen of the process that serves: alike for both, and not so without the word.
var processCases = []struct{ word, global, bind, sees string }{
	{"global: user", "user nobody", "", "uid"},
	{"global: group", "group nogroup", "", "gid"},
	{"global: uid", "uid 65534", "", "uid"},
	{"global: gid", "gid 65534", "", "gid"},
	{"global: chroot", "chroot DIR/root", "", "root"},
	{"global: pidfile", "pidfile DIR/pid", "", "pidfile"},
	{"stats (global): socket", "stats socket DIR/admin mode 640 user nobody group nogroup", "", "admin"},
	{"bind: backlog", "", "backlog 77", "backlog"},
	{"bind: mode", "", "mode 640", "socket"},
	{"bind: user", "", "user nobody", "socket"},
	{"bind: uid", "", "uid 65534", "socket"},
	{"bind: group", "", "group nogroup", "socket"},
	{"bind: gid", "", "gid 65534", "socket"},
}

const processConfig = `global
    maxconn 50
    %s
defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
frontend f
    bind unix@%s/socket %s
    http-request deny
`

// TestProcess shows words about the process beside haproxy.
func TestProcess(t *testing.T) {
	if testing.Short() {
		t.Skip("runs real programs: not with -short")
	}
	if os.Getuid() != 0 {
		t.Skip("becoming somebody else takes root")
	}
	haproxy := peers.HAProxy.Path(t)
	ours, err := binary.Put(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range processCases {
		t.Run(c.word, func(t *testing.T) {
			t.Parallel()
			theirs := seeProcess(t, c.global, c.bind, haproxy, "-W")[c.sees]
			mine := seeProcess(t, c.global, c.bind, ours, "run", "--runtime-dir", t.TempDir())[c.sees]
			bare := seeProcess(t, "", "", ours, "run", "--runtime-dir", t.TempDir())[c.sees]
			if theirs != mine || mine == bare {
				t.Errorf("%s: haproxy %q, evenkeel %q, without the word %q", c.sees, theirs, mine, bare)
			}
		})
	}
}

// seeProcess runs a program and tells of the process that serves.
func seeProcess(t *testing.T, global, bind, path string, args ...string) map[string]string {
	t.Helper()
	dir, err := os.MkdirTemp("", "process")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Mkdir(filepath.Join(dir, "root"), 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "cfg")
	text := fmt.Sprintf(processConfig, strings.ReplaceAll(global, "DIR", dir), dir, bind)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, append(args, "-f", file)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cmd.Process.Signal(syscall.SIGTERM); cmd.Wait() }()
	return tell(t, dir, serving(t, cmd.Process.Pid, dir, strings.Contains(global, "pidfile")), cmd.Process.Pid)
}

// serving waits for an answer, and gives the process it comes from.
func serving(t *testing.T, parent int, dir string, pidfile bool) (pid int) {
	t.Helper()
	for limit := time.Now().Add(patience); pid == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("it does not serve")
		}
		if conn, err := net.Dial("unix", filepath.Join(dir, "socket")); err == nil {
			fmt.Fprint(conn, "GET / HTTP/1.0\r\n\r\n")
			if n, _ := conn.Read(make([]byte, 1)); n == 1 { // the one that serves is what it is to be
				pid = child(parent)
			}
			conn.Close()
		}
		if _, err := os.Stat(filepath.Join(dir, "pid")); pidfile && err != nil {
			pid = 0
		}
		if _, err := os.Readlink(fmt.Sprintf("/proc/%d/root", pid)); err != nil {
			pid = 0
		}
	}
	return pid
}

// tell tells of a process that serves, and of the files it and its parent have made.
func tell(t *testing.T, dir string, pid, parent int) map[string]string {
	t.Helper()
	seen := make(map[string]string)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	seen["uid"] = regexp.MustCompile(`(?m)^Uid:.*`).FindString(string(status))
	seen["gid"] = regexp.MustCompile(`(?m)^Gid:.*`).FindString(string(status))
	root, err := os.Readlink(fmt.Sprintf("/proc/%d/root", pid))
	if err != nil {
		t.Fatal(err)
	}
	seen["root"] = strings.ReplaceAll(root, dir, "DIR")
	number, err := os.ReadFile(filepath.Join(dir, "pid"))
	seen["pidfile"] = fmt.Sprint(err == nil && strings.TrimSpace(string(number)) == strconv.Itoa(parent))
	sockets, err := exec.Command("ss", "-xlH").Output()
	if err != nil {
		t.Fatal(err)
	}
	// ss: type, state, waiting, backlog, path. HAProxy makes its socket under another name and moves it.
	line := regexp.MustCompile(`\d+ +` + regexp.QuoteMeta(filepath.Join(dir, "socket"))).FindString(string(sockets))
	seen["backlog"], _, _ = strings.Cut(line, " ")
	for _, name := range []string{"socket", "admin"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil {
			owner := info.Sys().(*syscall.Stat_t)
			seen[name] = fmt.Sprintf("%v of %d and %d", info.Mode(), owner.Uid, owner.Gid)
		}
	}
	return seen
}

// child is the process that a process has started.
func child(pid int) int {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, task := range tasks {
		text, _ := os.ReadFile(task)
		if fields := strings.Fields(string(text)); len(fields) > 0 {
			n, _ := strconv.Atoi(fields[len(fields)-1])
			return n
		}
	}
	return 0
}
