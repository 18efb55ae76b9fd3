// Package peers knows the reference programs that tests compare with, and keeps their verdicts in testdata, so that
// a unit test forks nothing: `make test-peers` compares what is recorded with the programs, -update records it.
package peers

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// A Program is a reference in the version the tests are about: Debian 12's.
type Program struct{ name, version string }

// The reference programs.
var (
	HAProxy    = Program{"haproxy", "2.6.12"}
	Keepalived = Program{"keepalived", "2.2.7"}
)

// String gives name and version, as in the head of a file of verdicts.
func (p Program) String() string { return p.name + " " + p.version }

// Path finds the program. Where it is missing, or has another version, the test fails in CI and where the programs
// are to be asked, and is skipped elsewhere.
func (p Program) Path(t testing.TB) string {
	t.Helper()
	for _, path := range []string{p.name, "/usr/sbin/" + p.name} {
		out, err := exec.Command(path, "-v").CombinedOutput()
		if version := " " + strings.NewReplacer("v", " ", ",", " ", "-", " ", "\n",
			" ").Replace(string(out)); err == nil && strings.Contains(version, " "+p.version+" ") {
			return path
		}
	}
	const cure = "needs %s, as in Debian 12: run test/install-peers"
	if os.Getenv("CI") == "true" || Asking() {
		t.Fatalf(cure, p)
	}
	t.Skipf(cure, p)
	return ""
}
