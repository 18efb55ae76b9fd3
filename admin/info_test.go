package admin

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/test/peers"
)

// TestInfoAgainstHAProxy holds every line of `show info` against the reference: the number, the name, the tags and the
// type are what programs read.
func TestInfoAgainstHAProxy(t *testing.T) {
	verdicts := peers.Open(t, peers.HAProxy, "testdata/info.verdicts")
	a, _ := newAdmin(t)
	for _, question := range []string{"show info typed", "show info typed float"} {
		want := verdicts.Answer(question, func() string { return shapes(askRuntime(t, verdicts.Path, question)) })
		if got := shapes(a.Run(question, config.LevelUser)); got != want {
			t.Errorf("%s: got:\n%s\nwant:\n%s", question, got, want)
		}
	}
	for line := range strings.Lines(a.Run("show info desc", config.LevelUser)) {
		if strings.HasSuffix(line, ":\"\"\n") {
			t.Errorf("no description: %s", line)
		}
	}
}

// TestInfoFractions: they are written where they are asked for, without zeros that say nothing.
func TestInfoFractions(t *testing.T) {
	for want, f := range map[string]float64{"0": 0, "3": 3, "20": 20, "1.593283": 1.593283, "1.5": 1.5,
		"1796089786.859523": 1796089786.859523} {
		if got := string(flt(f).appendNumber(nil)); got != want {
			t.Errorf("%v: %s", f, got)
		}
	}
	a, e := newAdmin(t)
	now := e.status.Info.Started.Add(1500 * time.Millisecond)
	a.now = func() time.Time { return now }
	for question, want := range map[string]string{"show info": "Uptime_sec: 1\n",
		"show info float":      "Uptime_sec: 1.5\n",
		"show info json float": `"value":{"type":"flt","value":1.5}`,
		"show info json": `"Uptime_sec"},"processNum":1,"tags":{"origin":"Metric",` +
			`"nature":"Duration","scope":"Process"},"value":{"type":"u32","value":1}`} {
		if got := a.Run(question, config.LevelUser); !strings.Contains(got, want) {
			t.Errorf("%s: no %q in\n%s", question, want, got)
		}
	}
}

// shapes keeps of each line number and name, tags and type.
func shapes(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if parts := strings.SplitN(line, ":", 4); len(parts) == 4 {
			fmt.Fprintln(&b, parts[0], parts[1], parts[2])
		}
	}
	return b.String()
}

// askRuntime asks a haproxy of its own.
func askRuntime(t *testing.T, path, command string) string {
	t.Helper()
	dir := t.TempDir()
	socket, file := filepath.Join(dir, "s"), filepath.Join(dir, "haproxy.cfg")
	text := "global\n description d\n stats socket " + socket + "\ndefaults\n timeout client 1s\nfrontend f\n bind " +
		dir + "/f\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	// The first process ends when its child has opened the socket.
	pid := filepath.Join(dir, "pid")
	if out, err := exec.Command(path, "-D", "-p", pid, "-f", file).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	defer func() {
		if number, err := os.ReadFile(pid); err == nil {
			exec.Command("kill", strings.TrimSpace(string(number))).Run()
		}
	}()
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintln(conn, command)
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}
