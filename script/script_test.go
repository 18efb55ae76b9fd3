package script

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/config"
)

func sh(text string) config.Command {
	return config.Command{Argv: []string{"/bin/sh", "-c", text}}
}

func TestExitCodes(t *testing.T) {
	if err := Run(t.Context(), sh("exit 0"), config.Owner{}, time.Minute); err != nil {
		t.Errorf("exit 0: %v", err)
	}
	var exit *exec.ExitError
	if err := Run(t.Context(), sh("exit 17"), config.Owner{}, time.Minute); !errors.As(err, &exit) ||
		exit.ExitCode() != 17 {
		t.Errorf("exit 17: %v", err)
	}
	for _, c := range []config.Command{{}, {Argv: []string{"/nonexistent/program"}},
		{Argv: []string{"/bin/true"}, Owner: config.Owner{User: "nobody-of-that-name"}},
		{Argv: []string{"/bin/true"}, Owner: config.Owner{User: "root", Group: "no-group-of-that-name"}}} {
		if err := Run(t.Context(), c, config.Owner{}, time.Minute); err == nil || errors.As(err, &exit) {
			t.Errorf("%v: %v", c.Argv, err)
		}
	}
}

// overdue runs a program that takes too long, and gives it as long as it needs to write a file before its time is
// up: it may get the processor late.
func overdue(t *testing.T, program, file string, limit time.Duration) (text []byte, took time.Duration) {
	t.Helper()
	for ; ; limit *= 2 {
		began := time.Now()
		if err := Run(t.Context(), sh(program), config.Owner{User: strconv.Itoa(os.Getuid())}, limit); !errors.Is(err,
			ErrTimeout) {
			t.Fatal(err)
		}
		took = time.Since(began)
		if text, err := os.ReadFile(file); err == nil && strings.HasSuffix(string(text), "\n") {
			return text, took
		}
		if limit > time.Minute {
			t.Fatal("the program does nothing")
		}
	}
}

// TestTimeout: a program that takes too long is ended with everything it started.
func TestTimeout(t *testing.T) {
	file := filepath.Join(t.TempDir(), "child")
	text, _ := overdue(t, "sleep 1000 & echo $! >"+file+"; wait", file, 500*time.Millisecond)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	for range 600 { // the orphan is reaped by the process that inherits it
		state, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil || strings.Contains(string(state), ") Z ") {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
	t.Error("what the program started lives on")
}

func TestStubborn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "stubborn")
	if _, took := overdue(t, "trap '' TERM; echo >"+file+"; while :; do sleep 0.1; done", file,
		100*time.Millisecond); took < killDelay {
		t.Errorf("killed after %v", took)
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(200*time.Millisecond, cancel)
	if err := Run(ctx, sh("sleep 1000"), config.Owner{}, time.Hour); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestOwner: a command's own user goes before the default one.
func TestOwner(t *testing.T) {
	if os.Getuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root to become someone else")
		}
		t.Skip("needs root to become someone else")
	}
	check := `test "$(id -un)" = `
	if err := Run(t.Context(), sh(check+"nobody"), config.Owner{User: "nobody"}, time.Minute); err != nil {
		t.Error(err)
	}
	c := sh(check + "daemon")
	c.Owner = config.Owner{User: "daemon"}
	if err := Run(t.Context(), c, config.Owner{User: "nobody"}, time.Minute); err != nil {
		t.Error(err)
	}
}
