package lvs

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/test/netns"
)

// scripted is a virtual server whose programs write down that they ran. Servers 1 and 2 answer, 9 does not.
type scripted struct {
	port    int    // of the service; 0: 80
	words   string // of the virtual server, lines
	each    string // of each real server, lines
	servers []int
}

func (s scripted) text(dir string) string {
	name, port := "", 80
	if s.port != 0 {
		name, port = fmt.Sprint(s.port), s.port
	}
	run := func(word, what string) string {
		return fmt.Sprintf("        %s \"%s/note %s%s\"\n", word, dir, what, name)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "virtual_server 10.9.0.100 %d {\n    delay_loop 1\n    lb_algo rr\n    lb_kind NAT\n    protocol "+
		"TCP\n%s", port, s.words)
	b.WriteString(run("quorum_up", "QUP") + run("quorum_down", "QDOWN"))
	for _, n := range s.servers {
		fmt.Fprintf(&b, "    real_server 10.9.0.1 %d {\n%s%s%s        TCP_CHECK {\n            connect_timeout 20\n  "+
			"          retry 0\n        }\n    }\n",
			8080+n, s.each, run("notify_up", fmt.Sprint("up", n)), run("notify_down", fmt.Sprint("down", n)))
	}
	return b.String() + "}\n"
}

const (
	alpha   = "    alpha\n"
	inhibit = "        inhibit_on_failure\n"
	sorry   = "    sorry_server 10.9.0.1 8083\n"
)

func quorum(n int) string { return fmt.Sprintf("    quorum %d\n", n) }

var one, two, half = []int{1}, []int{1, 2}, []int{1, 9}

type scriptCase struct {
	name  string
	steps [][]scripted
	more  []string // what we run in addition, at each step: the quorum is there, and Keepalived does not say so
}

var scriptCases = []scriptCase{
	{name: "plain", steps: [][]scripted{{{servers: two}}, {{servers: one}}, {{servers: two}}}},
	{name: "alpha", steps: [][]scripted{{{words: alpha, servers: two}}, {{words: alpha, servers: one}},
		{{words: alpha, servers: two}}}},
	{name: "alpha, one fails", steps: [][]scripted{{{words: alpha, servers: half}}}},
	{name: "quorum of two", steps: [][]scripted{{{words: quorum(2), servers: two}}, {{words: quorum(2), servers: one}}},
		more: []string{"", "QUP"}},
	{name: "too large a quorum", steps: [][]scripted{{{words: quorum(3), servers: two}},
		{{words: quorum(2), servers: two}}}},
	{name: "one is down", steps: [][]scripted{{{servers: half}}, {{servers: one}}, {{servers: half}}}},
	{name: "a service more", steps: [][]scripted{{{servers: two}}, {{servers: two}, {port: 81, servers: two}},
		{{servers: two}}}},
	{name: "inhibited", steps: [][]scripted{{{each: inhibit, servers: two}}, {{each: inhibit, servers: one}}}},
	{name: "omega", steps: [][]scripted{{{words: "    omega\n", servers: two}},
		{{words: "    omega\n", servers: one}}}},
	{name: "the last goes", steps: [][]scripted{{{servers: two}}, {{port: 81, servers: half}}}},
	{name: "another one", steps: [][]scripted{{{servers: one}}, {{servers: []int{2}}}}, more: []string{"", "QUP"}},
	{name: "hysteresis and a sorry server",
		steps: [][]scripted{{{words: quorum(2) + "    hysteresis 1\n" + sorry, servers: two}}}},
	{name: "alpha and a sorry server", steps: [][]scripted{{{words: quorum(2) + alpha + sorry, servers: half}}}},
}

// TestScriptsBesideKeepalived: quorum_up, quorum_down, notify_up and notify_down run when Keepalived runs them: at
// the start, at reloads and at the end. Keepalived runs them side by side, so their order is not compared.
func TestScriptsBesideKeepalived(t *testing.T) {
	keepalived, err := exec.LookPath("keepalived")
	if err != nil {
		if keepalived = "/usr/sbin/keepalived"; exec.Command(keepalived, "--version").Run() != nil {
			missing(t, "keepalived")
		}
	}
	shim := filepath.Join(t.TempDir(), "noipvs.so")
	if out, err := exec.Command("clang", "-shared", "-fPIC", "-Wall", "-Werror", "-o", shim, "testdata/noipvs.c",
		"-ldl").CombinedOutput(); err != nil {
		missing(t, "clang that makes libraries: "+string(out))
	}
	for _, c := range scriptCases {
		t.Run(c.name, func(t *testing.T) { besideKeepalived(t, keepalived, shim, c) })
	}
}

func besideKeepalived(t *testing.T, keepalived, shim string, c scriptCase) {
	t.Parallel()
	theirs := newRecorder(t, func(conf, dir string) *exec.Cmd {
		cmd := exec.Command(keepalived, "--check", "--dont-fork", "--log-console", "--no-syslog", "--use-file="+conf,
			"--pid="+dir+"/pid", "--checkers_pid="+dir+"/checkers")
		cmd.Env = append(os.Environ(), "LD_PRELOAD="+shim)
		return cmd
	})
	ours := newRecorder(t, func(conf, dir string) *exec.Cmd {
		return exec.Command(programFile, "run", "-f", conf, "--runtime-dir", dir+"/run")
	})
	for i := range len(c.steps) + 1 {
		what, more := "the end", ""
		if i < len(c.steps) {
			what = fmt.Sprint("step ", i+1)
			theirs.step(c.steps[i], func() { theirs.cmd.Process.Signal(syscall.SIGHUP) })
			ours.step(c.steps[i], func() {
				out, err := exec.Command(programFile, "reload", "--runtime-dir", ours.dir+"/run").CombinedOutput()
				if err != nil {
					t.Errorf("reload: %v\n%s", err, out)
				}
			})
		} else {
			theirs.stop()
			ours.stop()
		}
		if i < len(c.more) {
			more = c.more[i]
		}
		agree(t, what, theirs, ours, more)
	}
}

func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("needs %s, and in CI nothing is skipped", what)
	}
	t.Skip("needs " + what)
}

// recorder is a host with a director whose scripts record that they ran.
type recorder struct {
	t      *testing.T
	ns     *netns.NS
	dir    string
	launch func(conf, dir string) *exec.Cmd
	cmd    *exec.Cmd
	out    bytes.Buffer
	told   int // lines that were looked at
}

func newRecorder(t *testing.T, launch func(conf, dir string) *exec.Cmd) *recorder {
	t.Helper()
	s := &recorder{t: t, ns: netns.New(t, "s"), dir: t.TempDir(), launch: launch}
	peer := netns.New(t, "peer")
	netns.Veth(t, s.ns, "eth0", peer, "eth0")
	s.ns.Address("eth0", "10.9.0.1/24")
	for _, port := range []string{"8081", "8082", "8083"} {
		var l net.Listener
		s.ns.Do(func() {
			var err error
			if l, err = net.Listen("tcp", "10.9.0.1:"+port); err != nil {
				t.Fatal(err)
			}
		})
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				c.Close()
			}
		}()
	}
	note := "#!/bin/sh\necho $1 >> " + s.dir + "/notes\n"
	if err := os.WriteFile(s.dir+"/note", []byte(note), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s:\n%s", s.ns.Name, s.out.String())
		}
		s.ns.Do(func() { exec.Command(programFile, "purge", "--plane").Run() })
	})
	return s
}

// step starts the director with a configuration, or has it reloaded.
func (s *recorder) step(all []scripted, reload func()) {
	s.t.Helper()
	text := scripts
	for _, one := range all {
		text += one.text(s.dir)
	}
	conf := s.dir + "/keepalived.conf"
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
	if s.cmd != nil {
		reload()
		return
	}
	s.cmd = s.launch(conf, s.dir)
	s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.out
	s.ns.Start(s.cmd)
}

func (s *recorder) stop() {
	s.t.Helper()
	s.cmd.Process.Signal(syscall.SIGTERM)
	s.cmd.Wait()
}

// notes are what ran since the last step, in alphabetical order.
func (s *recorder) notes() (fresh []string, all int) {
	text, _ := os.ReadFile(s.dir + "/notes")
	lines := strings.Fields(string(text))
	fresh = slices.Sorted(slices.Values(lines[s.told:]))
	return fresh, len(lines)
}

// agree waits until both have run the same, with what we run in addition, and nothing has run for two seconds: two
// checks' time.
func agree(t *testing.T, what string, theirs, ours *recorder, more string) {
	t.Helper()
	deadline, quiet, before := time.Now().Add(patience), time.Now(), -1
	for {
		a, n := theirs.notes()
		b, m := ours.notes()
		if n+m != before {
			before, quiet = n+m, time.Now()
		}
		same := slices.Equal(slices.Sorted(slices.Values(append(a, strings.Fields(more)...))), b)
		if time.Since(quiet) > 2*time.Second && (same || time.Now().After(deadline)) {
			if !same {
				t.Errorf("%s: keepalived ran %v, we %v and not only %q in addition", what, a, b, more)
			}
			theirs.told, ours.told = n, m
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}
