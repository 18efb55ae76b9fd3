package daemon

import (
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// TestHung: silence alone is no verdict.
func TestHung(t *testing.T) {
	for _, c := range []struct {
		name                string
		silent, ran, waited time.Duration
		hung                bool
	}{
		{"frozen or blocked", 6 * time.Second, 0, 0, true},
		{"spins on an idle machine", 6 * time.Second, 6 * time.Second, 10 * time.Millisecond, true},
		{"spins on a busy machine", 12 * time.Second, 6 * time.Second, 6 * time.Second, true},
		{"gets no processor", 6 * time.Second, 10 * time.Millisecond, 5 * time.Second, false},
		{"gets a tenth of one", 30 * time.Second, 3 * time.Second, 27 * time.Second, false},
		{"was ready for a moment, then blocked", 60 * time.Second, time.Second, 2 * time.Second, true},
		{"the kernel does not tell", 6 * time.Second, 0, 0, true},
	} {
		if got := hung(c.silent, c.ran, c.waited); got != c.hung {
			t.Errorf("%s: hung %v", c.name, got)
		}
	}
}

// TestProgressOf: a thread that works is seen to run, one of another process that does not exist is not.
func TestProgressOf(t *testing.T) {
	before := progressOf(os.Getpid())
	if len(before) == 0 {
		t.Skip("this kernel does not tell how long threads run")
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var begin, now syscall.Rusage
	const thread = 1 // RUSAGE_THREAD
	syscall.Getrusage(thread, &begin)
	for n := 0; now.Utime.Nano()-begin.Utime.Nano() < int64(50*time.Millisecond); n++ {
		syscall.Getrusage(thread, &now)
	}
	if ran, _ := progressOf(os.Getpid()).since(before); ran < 40*time.Millisecond {
		t.Errorf("a thread ran for 50 ms and %v are seen", ran)
	}
	if p := progressOf(1 << 30); len(p) != 0 {
		t.Errorf("%v", p)
	}
}
