package syslog

import (
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/linux/sock"
)

// Identity is what the frame of a line tells of the sender.
type Identity struct {
	Tag  string // where a route has none of its own
	Host string // empty: none is told
	PID  int
}

// Log is all of a process's logs. Its methods may be called from any goroutine.
type Log struct {
	id      Identity
	dropped atomic.Int64

	mu    sync.Mutex
	files map[int]*file // by the descriptor's number as configured
}

// New returns logs that open their sockets and descriptors when routes need them.
func New(id Identity) *Log { return &Log{id: id, files: map[int]*file{}} }

// Dropped counts lines that nobody took.
func (l *Log) Dropped() int64 { return l.dropped.Load() }

// Close waits at most wait for descriptors to take what was written to them, and gives up the rest.
func (l *Log) Close(wait time.Duration) {
	l.mu.Lock()
	files := l.files
	l.files = map[int]*file{}
	l.mu.Unlock()
	limit := time.NewTimer(wait)
	defer limit.Stop()
	for _, f := range files {
		f.finish()
	}
	for _, f := range files {
		select {
		case <-f.done:
		case <-limit.C:
			return
		}
	}
}

// file gives the writer of a descriptor, nil if it cannot be used.
func (l *Log) file(fd int) *file {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := l.files[fd]; f != nil {
		return f
	}
	// A copy, so that a closed reader is an error and not a signal, as it would be of descriptors 1 and 2.
	own, err := sock.Dup(fd)
	if err != nil {
		return nil
	}
	f := newFile(os.NewFile(uintptr(own), "log"), &l.dropped)
	l.files[fd] = f
	return f
}

// Logger sends single lines at once, for goroutines. Its methods may be called by several.
type Logger struct {
	mu     sync.Mutex
	batch  *Batch
	routes map[routeKey]*Route
}

type routeKey struct {
	first *config.LogTarget
	count int
	tag   string
}

// Logger returns a new one.
func (l *Log) Logger() *Logger { return &Logger{batch: l.Batch(), routes: map[routeKey]*Route{}} }

// Log sends a line to targets; severity is syslog's, 0 to 7. The targets must be those of a configuration: they are
// known by their place in memory.
func (g *Logger) Log(targets []config.LogTarget, tag string, severity int, line string) {
	if len(targets) == 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	key := routeKey{&targets[0], len(targets), tag}
	r := g.routes[key]
	if r == nil {
		r = g.batch.Route(targets, tag)
		g.routes[key] = r
	}
	now := time.Now()
	g.batch.Add(r, severity, now, []byte(line))
	g.batch.Flush(now)
}

// Close gives up the logger's sockets.
func (g *Logger) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.batch.Close()
}
