package differential

import (
	"bufio"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/haproxy"
	"github.com/evenkeel/evenkeel/test/peers"
)

// A configCase is one line of testdata/config.cases: a frame in brackets, and lines to put into it, with ;;
// between them. A tag after the last !! says why the verdicts are meant to differ; such a case must stay different.
type configCase struct {
	line         int
	name         string
	question     string // the line without its tag
	text, differ string
}

const configDefaults = "defaults\n mode %s\n timeout client 1s\n timeout server 1s\n timeout connect 1s\n"

// configFrames are what stands before the lines of a case.
var configFrames = map[string]string{
	"":   "",
	"D":  fmt.Sprintf(configDefaults, "http"),
	"F":  fmt.Sprintf(configDefaults, "http") + "frontend f\n bind :8080\n",
	"L":  fmt.Sprintf(configDefaults, "http") + "listen l\n bind :8080\n",
	"B":  fmt.Sprintf(configDefaults, "http") + "frontend f\n bind :8080\nbackend b\n",
	"G":  fmt.Sprintf(configDefaults, "http") + "frontend f\n bind :8080\nglobal\n",
	"FT": fmt.Sprintf(configDefaults, "tcp") + "frontend f\n bind :8080\n",
	"LT": fmt.Sprintf(configDefaults, "tcp") + "listen l\n bind :8080\n",
	"BT": fmt.Sprintf(configDefaults, "tcp") + "frontend f\n bind :8080\nbackend b\n",
}

// configDifferences are the reasons for which verdicts may differ. Each stands in docs/compat-haproxy.md.
var configDifferences = map[string]string{
	"unsupported": "what follows a word that is not supported yet is not judged, and neither are sections of such a " +
		"kind",
	"no-effect": "values of words without effect are not judged",
	"machine": "users, descriptors and namespaces are no matter of the text: check and run look them up on their " +
		"machine",
	"library":    "conditions about a TLS library are refused or false: there is none to ask about",
	"host-names": "addresses in ACLs are not looked up as host names",
}

func configCases(t *testing.T) []configCase {
	t.Helper()
	f, err := os.Open("testdata/config.cases")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var cases []configCase
	in := bufio.NewScanner(f)
	in.Buffer(nil, 1<<20)
	for n := 1; in.Scan(); n++ {
		line := in.Text()
		if line == "" || strings.HasPrefix(line, "# ") {
			continue
		}
		c := configCase{line: n, name: line}
		if body, tag, ok := strings.Cut(line, " !! "); ok {
			line, c.differ = body, tag
		}
		c.question = line
		before, rest, ok := strings.Cut(line, "[")
		frame, rest, ok2 := strings.Cut(rest, "]")
		text, ok3 := configFrames[frame]
		if !ok || !ok2 || !ok3 {
			t.Fatalf("config.cases:%d: no frame: %s", n, line)
		}
		c.text = before + text + strings.ReplaceAll(rest, ";;", "\n") + "\n"
		cases = append(cases, c)
	}
	if err := in.Err(); err != nil {
		t.Fatal(err)
	}
	return cases
}

var configEnvironment = map[string]string{"FOO": "bar baz", "HOST": "127.0.0.1", "PORT": "81"}

const takes, refuses = "takes it", "refuses it"

// askConfig gives the verdict of haproxy -c on a file.
func askConfig(t *testing.T, path, file, text string) string {
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Error(err)
	}
	cmd := exec.Command(path, "-c", "-f", file)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "FOO=bar baz", "HOST=127.0.0.1", "PORT=81"}
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return takes
	case !errors.As(err, &exit) || exit.ExitCode() <= 0:
		t.Errorf("haproxy: %v", err)
	}
	return refuses
}

// configStrict gives what our own strict check says about a text.
func configStrict(text string) (bool, string) {
	_, diags := haproxy.Parse([]haproxy.File{{Name: "haproxy.cfg", Data: []byte(text)}}, haproxy.Options{
		Strict: true,
		Getenv: func(name string) (string, bool) { v, ok := configEnvironment[name]; return v, ok },
		Resolve: func(host string) (netip.Addr, error) {
			if host == "localhost" {
				return netip.MustParseAddr("127.0.0.1"), nil
			}
			return netip.Addr{}, errors.New("no such host")
		},
	})
	var lines []string
	for _, d := range diags {
		lines = append(lines, d.String())
	}
	return !config.HasErrors(diags), strings.Join(lines, "\n")
}

// TestConfig compares the verdicts of haproxy -c and of a strict check on many small configurations.
func TestConfig(t *testing.T) {
	verdicts := peers.Open(t, peers.HAProxy, "testdata/config.verdicts")
	cases := configCases(t)
	dir := t.TempDir()
	next := make(chan configCase)
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), 4) {
		wg.Go(func() {
			for c := range next {
				compareConfig(t, verdicts, filepath.Join(dir, fmt.Sprintf("%d.cfg", c.line)), c)
			}
		})
	}
	manual, err := os.ReadFile("../../docs/compat-haproxy.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, reason := range configDifferences {
		if !strings.Contains(string(manual), reason) {
			t.Errorf("docs/compat-haproxy.md does not say: %s", reason)
		}
	}
	differing := 0
	for _, c := range cases {
		if c.differ != "" {
			differing++
		}
		next <- c
	}
	close(next)
	wg.Wait()
	t.Logf("%d configurations, %d of them with a verdict of our own", len(cases), differing)
}

func compareConfig(t *testing.T, verdicts *peers.Verdicts, file string, c configCase) {
	theirs := verdicts.Answer(c.question, func() string { return askConfig(t, verdicts.Path, file, c.text) }) == takes
	ours, said := configStrict(c.text)
	_, known := configDifferences[c.differ]
	switch {
	case c.differ != "" && !known:
		t.Errorf("config.cases:%d: %s: no such difference", c.line, c.name)
	case (theirs != ours) != (c.differ != ""):
		t.Errorf("config.cases:%d: %s: haproxy takes it %v, we take it %v\nwe: %s\n", c.line, c.name, theirs, ours,
			said)
	}
}
