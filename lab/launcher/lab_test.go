package launcher

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/lab/board"
	"github.com/evenkeel/evenkeel/lab/site"
)

// The sites, by what the tests call them.
var nginxPair, haproxyPair, lvsPair = mustSite("nginx-pair"), mustSite("haproxy-pair"), mustSite("lvs-dr")

func mustSite(name string) *site.Site {
	s, err := site.ByName(name, "")
	if err != nil {
		panic(err)
	}
	return s
}

// TestFaultNames: names become experiments, and a wrong one is refused with the right ones.
func TestFaultNames(t *testing.T) {
	var all []fault
	for _, s := range []*site.Site{haproxyPair, nginxPair} {
		var err error
		if all, err = faultsByName(s, []string{"all"}); err != nil || len(all) != len(faultNames(s)) {
			t.Fatalf("%s: all: %d faults, %v", s.Name, len(all), err)
		}
		for _, f := range all {
			if f.action == "" || f.undo == "" || f.title == "" || f.formula == "" || f.watch == 0 {
				t.Errorf("%s is incomplete: %+v", f.name, f)
			}
		}
	}
	kill := all[1]
	if kill.takeover != 3*time.Second+157*time.Second/256 || kill.outage[0] != 157*time.Second/256 {
		t.Errorf("kill: takeover %v, outage %v", kill.takeover, kill.outage)
	}
	_, err := faultsByName(haproxyPair, []string{"kill@web1"})
	if want := `lab: fault "kill@web1": it can be played on node1, node2`; err == nil || err.Error() != want {
		t.Errorf("of a fault on a wrong host it says %v, want %s", err, want)
	}
	on2, err := faultsByName(nginxPair, []string{"kill@node2"})
	if err != nil || on2[0].host != "node2" || on2[0].moves || on2[0].outage[1] != 0 {
		t.Errorf("kill@node2: %+v, %v", on2, err)
	}
	for _, bad := range []string{"explode", "kill@node9", "", "worker-kill"} {
		if _, err := faultsByName(nginxPair, []string{bad}); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
	for _, bad := range []string{"web", "kill@web1", "web-server-stop@node1", "web-server-stop@web9"} {
		if _, err := faultsByName(haproxyPair, []string{bad}); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
	if one, err := faultsByName(haproxyPair, []string{"web1-stop"}); err != nil || one[0].host != "web1" ||
		one[0].action != site.ServerStop {
		t.Errorf("web1-stop: %+v, %v", one, err)
	}
}

// TestKillMeasured plays kill -9 on the real director and holds what the client and the
// observer saw against the timers of the site's files.
func TestKillMeasured(t *testing.T) {
	needNamespaces(t)
	rep, code := runLab(t, nil, 3*time.Minute, "nginx-pair", "--faults", "kill", "--json")
	if code != 0 || !rep.OK || rep.Error != "" {
		t.Errorf("exit status %d, report %+v", code, rep)
	}
	if len(rep.Faults) != 1 {
		t.Fatalf("%d faults played", len(rep.Faults))
	}
	r := rep.Faults[0]
	if r.Double != 0 {
		t.Errorf("two nodes answered for the address for %.1f ms", r.Double)
	}
	if r.Master != "node2" {
		t.Errorf("%s answered in the end", r.Master)
	}
	// The backup may not take over early; how late it is depends on the machine's load, and 20 s are too late for
	// the lab itself.
	if r.Takeover == nil || *r.Takeover < 3600 {
		t.Errorf("takeover after %v ms, expected %v", r.Takeover, *r.ExpectedTakeover)
	}
	// The old master serves until three adverts after its last one.
	if r.Takeover != nil && (r.Outage < 100 || r.Outage > *r.Takeover || r.Failed == 0) {
		t.Errorf("outage %.1f ms with %d failed requests, expected %v", r.Outage, r.Failed, r.ExpectedOutage)
	}
}

// TestWithoutRoot builds the site in a user namespace, where the kernel refuses eBPF: the gate
// must say that it fell back, and close all the same.
func TestWithoutRoot(t *testing.T) {
	needNamespaces(t)
	needUserNamespaces(t)
	nobody := &syscall.Credential{Uid: 65534, Gid: 65534}
	rep, code := runLab(t, nobody, 3*time.Minute, "nginx-pair", "--faults", "kill", "--json")
	if code != 0 || !rep.OK || !rep.Rootless {
		t.Errorf("exit status %d, report %+v", code, rep)
	}
	for node, mode := range rep.Gate {
		if mode == "ebpf" || mode == "" {
			t.Errorf("%s's gate is %q without root", node, mode)
		}
	}
	for _, r := range rep.Faults {
		if r.Double != 0 || r.Master != "node2" {
			t.Errorf("%+v", r)
		}
	}
}

// needUserNamespaces skips a test that runs the lab as nobody where that is not possible.
func needUserNamespaces(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("becomes nobody: run as root")
	}
	if b, err := os.ReadFile("/proc/sys/user/max_user_namespaces"); os.Getenv("CI") != "true" &&
		(err != nil || strings.TrimSpace(string(b)) == "0") {
		t.Skip("user namespaces are switched off here")
	}
}

// TestKilledLabLeavesNothing kills the launcher with SIGKILL, which gives it no time for
// anything, and looks for what is left.
func TestKilledLabLeavesNothing(t *testing.T) {
	needNamespaces(t)
	bin, err := evenkeelBinary()
	if err != nil {
		t.Fatal(err)
	}
	filesBefore := listFiles(t)

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, "lab", "nginx-pair", "--listen", "127.0.0.1:0")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	url := pageURL(t, out)
	waitForMaster(t, ctx, url)

	family := descendants(t, cmd.Process.Pid)
	if len(family) < 9 { // switch, four hosts, two directors, two web servers
		t.Fatalf("only %d processes below the lab: %v", len(family), family)
	}
	inside := namespacesOf(family)
	if len(inside) < 4*5 {
		t.Fatalf("only %d namespaces: %v", len(inside), inside)
	}
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()

	deadline := time.Now().Add(time.Minute)
	left := ""
	for time.Now().Before(deadline) {
		if left = leftover(family, inside); left == "" {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if left != "" {
		t.Errorf("left behind: %s", left)
	}
	nothingLeft(t, filesBefore)
}

// namespacesOf are the namespaces of processes, but for our own.
func namespacesOf(family []string) map[string]bool {
	inside := make(map[string]bool)
	for _, pid := range family {
		for _, ns := range []string{"net", "mnt", "pid", "uts"} {
			id, err := os.Readlink("/proc/" + pid + "/ns/" + ns)
			if own, _ := os.Readlink("/proc/self/ns/" + ns); err == nil && id != own {
				inside[id] = true
			}
		}
	}
	return inside
}

// nothingLeft looks for mounts, interfaces and files of a lab. Other tests may run beside this one, so only what a lab
// would make is looked for.
func nothingLeft(t *testing.T, filesBefore map[string]bool) {
	t.Helper()
	if mounts := readFile(t, "/proc/self/mounts"); strings.Contains(mounts, "evenkeel-lab") {
		t.Errorf("a mount is left behind:\n%s", mounts)
	}
	for _, p := range append(nginxPair.Ports(), site.Port{Host: site.BridgeName}) {
		if _, err := net.InterfaceByName(p.Host); err == nil {
			t.Errorf("interface left behind: %s", p.Host)
		}
	}
	for f := range listFiles(t) {
		if !filesBefore[f] && (strings.Contains(f, "lab") || strings.Contains(f, "keepalived")) {
			t.Errorf("file left behind: %s", f)
		}
	}
}

// pageURL reads the lab's lines until it says where its page is, and keeps reading.
func pageURL(t *testing.T, out io.Reader) string {
	t.Helper()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if _, url, ok := strings.Cut(lines.Text(), "page: "); ok {
			go func() {
				for lines.Scan() {
				}
			}()
			return url
		}
	}
	t.Fatal("the lab ended without a page")
	return ""
}

func waitForMaster(t *testing.T, ctx context.Context, url string) {
	t.Helper()
	for ctx.Err() == nil {
		resp, err := http.Get(url + "state.json")
		if err != nil {
			t.Fatal(err)
		}
		var st board.State
		err = json.NewDecoder(resp.Body).Decode(&st)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if len(st.Holders) == 1 && st.Nodes[0].VRRP.State == "MASTER" && st.Client.Answered > 10 {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("nobody became master")
}

// descendants lists the processes below pid, by number.
func descendants(t *testing.T, pid int) []string {
	t.Helper()
	out, err := exec.Command("ps", "-e", "-o", "pid=,ppid=").Output()
	if err != nil {
		t.Fatal(err)
	}
	below := map[string]bool{strconv.Itoa(pid): true}
	var all []string
	for grown := true; grown; {
		grown = false
		for line := range strings.Lines(string(out)) {
			f := strings.Fields(line)
			if len(f) == 2 && below[f[1]] && !below[f[0]] {
				below[f[0]], grown = true, true
				all = append(all, f[0])
			}
		}
	}
	return all
}

// leftover names a process of the family that lives, or one that is in a namespace of the lab.
func leftover(family []string, inside map[string]bool) string {
	for _, pid := range family {
		if cmdline, err := os.ReadFile("/proc/" + pid + "/cmdline"); err == nil &&
			strings.Contains(string(cmdline), site.EntryPoint) {
			return "process " + pid + " " + strings.ReplaceAll(string(cmdline), "\x00", " ")
		}
	}
	links, _ := filepath.Glob("/proc/[0-9]*/ns/*")
	for _, l := range links {
		if id, err := os.Readlink(l); err == nil && inside[id] {
			return "namespace " + id + " at " + l
		}
	}
	return ""
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// listFiles lists what lies where a careless program leaves things.
func listFiles(t *testing.T) map[string]bool {
	t.Helper()
	all := make(map[string]bool)
	for _, dir := range []string{"/tmp", "/run", "/run/netns", "/var/run", "/var/tmp", "/dev/shm", "/etc",
		"/etc/keepalived", "/sys/fs/bpf", "/lab"} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, e := range entries {
			all[filepath.Join(dir, e.Name())] = true
		}
	}
	return all
}
