package script

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/config"
)

// TestNiceness: what we start does not take precedence with us.
func TestNiceness(t *testing.T) {
	runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
	if err := syscall.Setpriority(syscall.PRIO_PROCESS, 0, ordinary-5); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("a lower niceness is refused: %v", err)
	}
	file := filepath.Join(t.TempDir(), "niceness")
	command := config.Command{Argv: []string{"/bin/sh", "-c", "cat /proc/$$/stat > " + file}}
	if err := Run(context.Background(), command, config.Owner{User: "root"}, time.Minute); err != nil {
		t.Fatal(err)
	}
	child, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(child), ") ")
	if got := strings.Fields(rest)[16]; got != strconv.Itoa(ordinary) { // proc_pid_stat(5), field 19
		t.Errorf("the child has niceness %s, not %d", got, ordinary)
	}
	if p, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0); err != nil || 20-p != ordinary-5 {
		t.Errorf("our own is %d now (%v)", 20-p, err)
	}
}
