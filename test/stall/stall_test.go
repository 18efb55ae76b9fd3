package stall

import (
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
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

// TestRetry, in virtual time, in which the machine never stands still: so a tolerance of 0 stands for one that did.
func TestRetry(t *testing.T) {
	for _, c := range []struct {
		name      string
		tolerance time.Duration
		fails     int // of the measurements
		runs      int
		fatal     bool
	}{
		{"good", time.Second, 0, 1, false},
		{"bad on a quiet machine", time.Second, 1, 1, true},
		{"bad, the machine stood still, then good", 0, 1, 2, false},
		{"bad twice", 0, 2, 2, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, runs := &told{TB: t}, 0
				done := make(chan struct{})
				go func() {
					defer close(done)
					Retry(f, c.tolerance, func() error {
						time.Sleep(time.Second)
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
		})
	}
}
