package program

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
	if err := Run(t.Context(), sh("exit 17"), config.Owner{}, time.Minute); !errors.As(err, &exit) || exit.ExitCode() != 17 {
		t.Errorf("exit 17: %v", err)
	}
	for _, c := range []config.Command{{}, {Argv: []string{"/nonexistent/program"}}, {Argv: []string{"/bin/true"}, Owner: config.Owner{User: "nobody-of-that-name"}},
		{Argv: []string{"/bin/true"}, Owner: config.Owner{User: "root", Group: "no-group-of-that-name"}}} {
		if err := Run(t.Context(), c, config.Owner{}, time.Minute); err == nil || errors.As(err, &exit) {
			t.Errorf("%v: %v", c.Argv, err)
		}
	}
}

// TestTimeout: a program that takes too long is ended with everything it started.
func TestTimeout(t *testing.T) {
	file := filepath.Join(t.TempDir(), "child")
	err := Run(t.Context(), sh("sleep 1000 & echo $! >"+file+"; wait"), config.Owner{User: "root"}, 500*time.Millisecond)
	if !errors.Is(err, ErrTimeout) {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	for range 200 { // the orphan is reaped by whoever inherits it
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
	began := time.Now()
	if err := Run(t.Context(), sh("trap '' TERM; while :; do sleep 0.1; done"), config.Owner{}, 100*time.Millisecond); !errors.Is(err, ErrTimeout) {
		t.Error(err)
	}
	if took := time.Since(began); took < killDelay {
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
