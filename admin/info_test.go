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

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/test/peers"
)

// TestInfoAgainstHAProxy holds every line of `show info` against the reference: the number, the name, the tags and the
// type are what programs read.
func TestInfoAgainstHAProxy(t *testing.T) {
	const question = "show info typed"
	verdicts := peers.Open(t, peers.HAProxy, "testdata/info.verdicts")
	want := verdicts.Answer(question, func() string { return shapes(askRuntime(t, verdicts.Path, question)) })
	a, _ := newAdmin(t)
	if got := shapes(a.Run(question, config.LevelUser)); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	for line := range strings.Lines(a.Run("show info desc", config.LevelUser)) {
		if strings.HasSuffix(line, ":\"\"\n") {
			t.Errorf("no description: %s", line)
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
	text := "global\n description d\n stats socket " + socket + "\ndefaults\n timeout client 1s\nfrontend f\n bind " + dir + "/f\n"
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
