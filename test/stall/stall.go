// Package stall tells a slow program from a machine that stood still: a thread with nothing to do but wake says for how
// long it was kept from it.
package stall

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// nap is how long the thread sleeps at a time.
const nap = 5 * time.Millisecond

// A Watch measures from its start on.
type Watch struct {
	worst      atomic.Int64
	stop, done chan struct{}
}

// Start begins to watch. With realTime the thread has the precedence of a director's router, where that is allowed;
// elsewhere it stalls longer, and that is all. End must follow.
func Start(realTime bool) *Watch {
	w := &Watch{stop: make(chan struct{}), done: make(chan struct{})}
	go w.run(realTime)
	return w
}

func (w *Watch) run(realTime bool) {
	defer close(w.done)
	runtime.LockOSThread() // for good: the thread ends with its precedence
	if realTime {
		_ = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1}, 0)
	}
	for {
		at := time.Now()
		time.Sleep(nap)
		if late := int64(time.Since(at) - nap); late > w.worst.Load() {
			w.worst.Store(late)
		}
		select {
		case <-w.stop:
			return
		default:
		}
	}
}

// Worst is for how long at most the machine kept the thread from running so far.
func (w *Watch) Worst() time.Duration { return time.Duration(w.worst.Load()) }

// End ends the watch.
func (w *Watch) End() { close(w.stop); <-w.done }

// Retry runs a measurement: measure gives an error when its figure is out of its bound. When it does, and the machine
// stood still meanwhile for at least tolerance, by which the bound could be missed without any fault of the program,
// this is logged and the measurement is made once more. It is for figures of time alone: two masters, another client's
// data or a lost request are failures whatever the machine did.
func Retry(t testing.TB, tolerance time.Duration, measure func() error) {
	t.Helper()
	for again := true; ; again = false {
		w := Start(false)
		err := measure()
		w.End()
		switch {
		case err == nil:
			return
		case w.Worst() < tolerance:
			t.Fatalf("%v (the machine stood still for %v at most)", err, w.Worst())
		case !again:
			t.Fatalf("%v, a second time (the machine stood still for %v)", err, w.Worst())
		}
		t.Logf("%v, but the machine stood still for %v: once more", err, w.Worst())
	}
}
