// Package stall tells a slow program from a machine that stood still: a thread with nothing to do but wake says for how
// long it was kept from it.
package stall

import (
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// nap is how long the thread sleeps at a time.
const nap = 5 * time.Millisecond

// A Watch measures from its start on, on every processor: a virtual machine may lose one of them for a second while
// the others go on.
type Watch struct {
	worst    atomic.Int64
	watching atomic.Int32 // threads
	stop     atomic.Bool
	done     sync.WaitGroup
}

// Start begins to watch. With realTime the threads have the precedence of a director's router, where that is allowed;
// elsewhere they stall longer, and that is all. End must follow.
func Start(realTime bool) *Watch {
	w := &Watch{}
	var all unix.CPUSet
	if unix.SchedGetaffinity(0, &all) != nil {
		all.Set(0)
	}
	for cpu := range len(all) * bits.UintSize {
		if all.IsSet(cpu) {
			w.done.Go(func() { w.run(cpu, realTime) })
		}
	}
	return w
}

func (w *Watch) run(cpu int, realTime bool) {
	runtime.LockOSThread() // for good: the thread ends with its processor and its precedence
	var own unix.CPUSet
	own.Set(cpu)
	_ = unix.SchedSetaffinity(0, &own)
	if realTime {
		_ = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1}, 0)
	}
	w.watching.Add(1)
	for !w.stop.Load() {
		at := time.Now()
		ts := unix.NsecToTimespec(int64(nap))
		_ = unix.Nanosleep(&ts, nil) // not time.Sleep: another thread would wake this one
		late := int64(time.Since(at) - nap)
		for worst := w.worst.Load(); late > worst && !w.worst.CompareAndSwap(worst, late); worst = w.worst.Load() {
		}
	}
}

// Worst is for how long at most the machine kept the thread from running so far.
func (w *Watch) Worst() time.Duration { return time.Duration(w.worst.Load()) }

// End ends the watch.
func (w *Watch) End() { w.stop.Store(true); w.done.Wait() }

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
