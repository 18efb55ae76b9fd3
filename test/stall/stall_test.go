package stall

import (
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"
)

// told is a test that is told about failures.
type told struct {
	testing.TB
	fatal []string
	logs  int
}

func (f *told) Helper()             {}
func (f *told) Logf(string, ...any) { f.logs++ }
func (f *told) Fatalf(text string, a ...any) {
	f.fatal = append(f.fatal, fmt.Sprintf(text, a...))
	runtime.Goexit()
}

// TestRetry stays far from what a machine does: none stands still for an hour, and each does for 0.
func TestRetry(t *testing.T) {
	for _, c := range []struct {
		name      string
		tolerance time.Duration
		fails     int // of the measurements
		runs      int
		fatal     bool
	}{
		{"good", time.Hour, 0, 1, false},
		{"bad on a quiet machine", time.Hour, 1, 1, true},
		{"bad, the machine stood still, then good", 0, 1, 2, false},
		{"bad twice", 0, 2, 2, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, runs := &told{TB: t}, 0
			done := make(chan struct{})
			go func() {
				defer close(done)
				Retry(f, c.tolerance, func() error {
					if runs++; runs <= c.fails {
						return errors.New("late")
					}
					return nil
				})
			}()
			<-done
			if runs != c.runs || (len(f.fatal) > 0) != c.fatal {
				t.Errorf("%d measurements, %q", runs, f.fatal)
			}
		})
	}
}

// TestEveryProcessor: a thread watches each processor.
func TestEveryProcessor(t *testing.T) {
	w := Start(false)
	defer w.End()
	for w.watching.Load() != int32(runtime.NumCPU()) {
		runtime.Gosched()
	}
}
