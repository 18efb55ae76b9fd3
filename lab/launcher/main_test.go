package launcher

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/test/binary"
)

// needNamespaces skips a test that builds a site where that is not possible. In CI it is.
func needNamespaces(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 && os.Getenv("CI") != "true" {
		t.Skip("builds a site in namespaces: run as root")
	}
	if testing.Short() {
		t.Skip("builds a site in namespaces: takes half a minute")
	}
}

// scratch holds what is built for all tests of this run.
var scratch string

// evenkeelBinary puts the command there once.
var evenkeelBinary = sync.OnceValues(func() (string, error) { return binary.Put(scratch) })

func TestMain(m *testing.M) {
	var err error
	if scratch, err = os.MkdirTemp("", "evenkeel-lab-test"); err != nil {
		panic(err)
	}
	if err = os.Chmod(scratch, 0o755); err != nil { // a test runs the command as nobody
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(scratch)
	os.Exit(code)
}

// runLab runs the real command, as somebody else if told so, and returns its report.
func runLab(t *testing.T, as *syscall.Credential, limit time.Duration, args ...string) (Report, int) {
	t.Helper()
	bin, err := evenkeelBinary()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	var out, progress bytes.Buffer
	cmd := exec.CommandContext(ctx, bin, append([]string{"lab"}, args...)...)
	cmd.Stdout, cmd.Stderr = &out, &progress
	if as != nil {
		cmd.Dir, cmd.SysProcAttr = "/", &syscall.SysProcAttr{Credential: as}
	}
	err = cmd.Run()
	t.Logf("%s", progress.String())
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	var rep Report
	if err := json.Unmarshal(out.Bytes(), &rep); err != nil {
		t.Fatalf("report: %v\n%s", err, out.String())
	}
	return rep, cmd.ProcessState.ExitCode()
}
