package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// silenceLimit is how long a worker may say nothing before it is asked why: it says every second that its threads turn.
const silenceLimit = 5 * time.Second

// stacksLimit is how long a worker that is to be killed has to write what its goroutines do.
const stacksLimit = time.Second

// progress is what the kernel knows of the threads of a process: for how long each ran, and for how long it was ready
// and had no processor (/proc/PID/task/TID/schedstat).
type progress map[int]struct{ ran, waited time.Duration }

// progressOf looks at a process; it is empty where the kernel does not tell.
func progressOf(pid int) progress {
	p := make(progress)
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/[0-9]*/schedstat", pid))
	for _, file := range files {
		text, err := os.ReadFile(file)
		tid, err2 := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		var ran, waited int64
		if _, err3 := fmt.Sscan(string(text), &ran, &waited); err == nil && err2 == nil && err3 == nil {
			p[tid] = struct{ ran, waited time.Duration }{time.Duration(ran), time.Duration(waited)}
		}
	}
	return p
}

// since gives the longest time that any one thread has run, and waited for a processor, since before.
func (p progress) since(before progress) (ran, waited time.Duration) {
	for tid, now := range p {
		then := before[tid] // of a new thread: nothing
		ran, waited = max(ran, now.ran-then.ran), max(waited, now.waited-then.waited)
	}
	return ran, waited
}

// hung judges a process that has been silent for some time by its progress, not by the clock: on a machine that gives
// it no processor, silence is no fault of its own. It hangs if nobody kept it from running, or if a thread of it
// ran for as long as would have been enough to say something many times over.
func hung(silent, ran, waited time.Duration) bool {
	return waited < silent/4 || ran >= silenceLimit
}
