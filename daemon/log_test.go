package daemon

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/evenkeel/evenkeel/failover"
)

// stuck is a writer whose reader is asleep.
type stuck struct{ called, until chan struct{} }

func (s stuck) Write(b []byte) (int, error) {
	select {
	case s.called <- struct{}{}:
	default:
	}
	<-s.until
	return len(b), nil
}

func TestLogNeverBlocks(t *testing.T) { synctest.Test(t, testLogNeverBlocks) }

func testLogNeverBlocks(t *testing.T) {
	w := stuck{make(chan struct{}, 1), make(chan struct{})}
	defer close(w.until)
	l := newLogger(w, false)
	l.Log(failover.LevelNotice, "the line the reader sleeps over")
	<-w.called                // what is lost from now on stays counted
	for range 3 * logBuffer { // the test ends, so none of them waits for the reader
		l.Log(failover.LevelNotice, "line")
	}
	if l.dropped.Load() < logBuffer {
		t.Errorf("%d lines were counted as lost", l.dropped.Load())
	}
	l.close() // nor does the end
	select {
	case <-l.done:
		t.Error("the reader was not stuck")
	default:
	}
	l.Log(failover.LevelNotice, "after the end") // by a goroutine that has not heard: no panic
}

func TestLogSaysWhatWasLost(t *testing.T) { synctest.Test(t, testLogSaysWhatWasLost) }

func testLogSaysWhatWasLost(t *testing.T) {
	r, w := io.Pipe()
	l := newLogger(w, false)
	for range 2 * logBuffer {
		l.Log(failover.LevelNotice, "line")
	}
	l.Log(failover.LevelDebug, "only with --verbose")
	var b bytes.Buffer
	done := make(chan struct{})
	go func() { io.Copy(&b, r); close(done) }()
	l.close()
	<-l.done // also when the machine is so busy that close lost its patience
	w.Close()
	<-done
	if !strings.Contains(b.String(), "log lines were lost") || strings.Contains(b.String(), "verbose") {
		t.Errorf("no word about lost lines in %.200s", b.String())
	}
	if n := strings.Count(b.String(), " line\n"); n < logBuffer {
		t.Errorf("%d of %d buffered lines were written", n, logBuffer)
	}
}
