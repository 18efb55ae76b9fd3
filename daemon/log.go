package daemon

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/evenkeel/evenkeel/failover"
)

// logger writes lines on a goroutine of its own. A caller never waits for a
// disk or a pipe: when the buffer is full lines are counted instead.
type logger struct {
	lines   chan line
	dropped atomic.Uint64
	stop    chan struct{} // closed: write what is buffered and end
	done    chan struct{} // closed: ended
	journal bool          // the reader is systemd's journal: it stamps lines itself
	verbose bool
}

type line struct {
	at    time.Time
	level failover.Level
	text  string
}

// logBuffer is how many lines may wait for a slow reader.
const logBuffer = 4096

func newLogger(w io.Writer, verbose bool) *logger {
	l := &logger{lines: make(chan line, logBuffer), stop: make(chan struct{}), done: make(chan struct{}),
		journal: os.Getenv("JOURNAL_STREAM") != "", verbose: verbose}
	go l.write(w)
	return l
}

// Log adds a line and never blocks. It stays one line, and steers no terminal, whatever is in it.
func (l *logger) Log(level failover.Level, text string) {
	if level >= failover.LevelDebug && !l.verbose {
		return
	}
	select {
	case l.lines <- line{time.Now(), level, printable(text, "\t")}:
	default:
		l.dropped.Add(1)
	}
}

func (l *logger) logf(level failover.Level, format string, args ...any) {
	l.Log(level, fmt.Sprintf(format, args...))
}

func (l *logger) write(w io.Writer) {
	defer close(l.done)
	for {
		select {
		case n := <-l.lines:
			l.next(w, n)
			continue
		default:
		}
		select {
		case n := <-l.lines:
			l.next(w, n)
		case <-l.stop:
			if len(l.lines) == 0 {
				return
			}
		}
	}
}

func (l *logger) next(w io.Writer, n line) {
	if lost := l.dropped.Swap(0); lost > 0 {
		l.print(w, line{time.Now(), failover.LevelWarning,
			fmt.Sprintf("%d log lines were lost: the reader is too slow", lost)})
	}
	l.print(w, n)
}

// print uses syslog's numbers for the journal (sd-daemon(3)).
func (l *logger) print(w io.Writer, n line) {
	number := [...]int{failover.LevelError: 3, failover.LevelWarning: 4, failover.LevelNotice: 5, failover.LevelInfo: 6,
		failover.LevelDebug: 7}[n.level]
	if l.journal {
		fmt.Fprintf(w, "<%d>%s\n", number, n.text)
		return
	}
	word := ""
	switch n.level {
	case failover.LevelError:
		word = "error: "
	case failover.LevelWarning:
		word = "warning: "
	}
	fmt.Fprintf(w, "%s %s%s\n", n.at.Format("2006-01-02T15:04:05.000Z07:00"), word, n.text)
}

// logPatience is how long the end of the process waits for the reader of the log.
const logPatience = 2 * time.Second

// close writes what is buffered, if somebody reads it. Lines logged later are lost.
func (l *logger) close() {
	close(l.stop)
	select {
	case <-l.done:
	case <-time.After(logPatience):
	}
}
