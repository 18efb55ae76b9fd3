package syslog

import (
	"bytes"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// mostPending is how much waits for a descriptor before lines are dropped.
const mostPending = 1 << 20

// A file writes to a descriptor on a goroutine of its own: pipes fill up, disks hang.
type file struct {
	f       *os.File
	dropped *atomic.Int64
	wake    chan struct{}
	done    chan struct{}

	mu      sync.Mutex
	pending []byte
	ended   bool
}

func newFile(f *os.File, dropped *atomic.Int64) *file {
	w := &file{f: f, dropped: dropped, wake: make(chan struct{}, 1), done: make(chan struct{}),
		pending: make([]byte, 0, bufferSize)}
	go w.run()
	return w
}

// take copies lines; false if the writer is busy with its buffer at this very moment.
func (w *file) take(lines []byte) bool {
	if !w.mu.TryLock() {
		return false
	}
	if len(w.pending)+len(lines) > mostPending || w.ended {
		w.dropped.Add(int64(bytes.Count(lines, newline)))
	} else {
		w.pending = append(w.pending, lines...)
	}
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
	return true
}

var newline = []byte{'\n'}

// finish lets the writer end when it has written everything.
func (w *file) finish() {
	w.mu.Lock()
	w.ended = true
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *file) run() {
	defer close(w.done)
	defer w.f.Close()
	spare := make([]byte, 0, bufferSize)
	for {
		w.mu.Lock()
		lines, ended := w.pending, w.ended
		w.pending = spare[:0]
		w.mu.Unlock()
		if len(lines) > 0 {
			w.write(lines)
			spare = lines
			continue
		}
		spare = lines
		if ended {
			return
		}
		<-w.wake
	}
}

// write writes lines. What a full disk or a closed pipe does not take is dropped; a moment's rest follows, so that
// failing does not become work.
func (w *file) write(lines []byte) {
	n, err := w.f.Write(lines)
	if err == nil {
		return
	}
	w.dropped.Add(int64(bytes.Count(lines[n:], newline)))
	time.Sleep(100 * time.Millisecond)
}
