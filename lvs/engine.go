package lvs

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/lvs/table"
)

// Level grades a log line.
type Level uint8

// Levels, by their syslog meaning.
const (
	Error Level = iota
	Warning
	Notice
	Info
	Debug
)

// Outcome is what one attempt of a check found.
type Outcome struct {
	OK        bool
	Weight    int // with HasWeight: of misc_dynamic the weight itself, of FILE_CHECK what is to be added
	HasWeight bool
	Reason    string
}

// Options are the engine's surroundings. All but StateFile, LocalAddresses and Changed are needed.
type Options struct {
	Driver table.Driver // the engine closes it
	// Log takes a finished line and must not block.
	Log func(Level, string)
	// Attempt makes one attempt of a check. It is called on goroutines of its own.
	Attempt func(context.Context, *config.Checker, *config.RealServer) Outcome
	// Run runs a notify program and waits for it, or ends it after the limit.
	Run func(ctx context.Context, c config.Command, g config.Global, limit time.Duration) error
	// StateFile remembers which services are ours, so that the next run finds those
	// that a run that died has left and nobody wants any more. Empty: nowhere.
	StateFile string
	// LocalAddresses tells, whenever it changes, which addresses this machine has
	// (ha_suspend). nil: every address counts as here.
	LocalAddresses <-chan map[netip.Addr]bool
	// Upkeep is called each second, between other uses of the driver. nil: nothing is to be done.
	Upkeep func() error
}

// Engine runs virtual servers.
type Engine struct {
	opts     Options
	commands chan func()
	done     chan struct{}
	ctl      *controller // touched on its goroutine only
	ctx      context.Context
	cancel   context.CancelFunc
	closing  sync.Once
	closed   error
}

// ErrStopped is returned by calls on an engine that has ended.
var ErrStopped = errors.New("lvs: stopped")

// Start takes charge of the virtual servers. It returns when the table is what it should be
// before any check has run, or with the reason why it cannot be.
func Start(d *config.LVS, g config.Global, opts Options) (*Engine, error) {
	e := &Engine{opts: opts, commands: make(chan func(), 16), done: make(chan struct{})}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.ctl = newController(e, g)
	if err := e.ctl.begin(d); err != nil {
		e.cancel()
		return nil, err
	}
	go func() {
		defer close(e.done)
		e.ctl.run()
	}()
	return e, nil
}

// call runs f on the engine's goroutine and waits for it.
func (e *Engine) call(f func()) error {
	finished := make(chan struct{})
	select {
	case e.commands <- func() { f(); close(finished) }:
	case <-e.done:
		return ErrStopped
	}
	select {
	case <-finished:
		return nil
	case <-e.done:
	}
	select {
	case <-finished: // it was the last thing done
		return nil
	default:
		return ErrStopped
	}
}

// Apply changes to another configuration; nil takes every virtual server away. What stays the
// same goes on: states of servers, checks on their way, connections.
func (e *Engine) Apply(d *config.LVS, g config.Global) (summary string, err error) {
	if d == nil {
		d = &config.LVS{}
	}
	if failed := e.call(func() { summary, err = e.ctl.apply(d, g) }); failed != nil {
		return "", failed
	}
	return summary, err
}

// SetRole tells what an instance of the election has become, for the synchronisation daemon that
// follows it. It does not wait.
func (e *Engine) SetRole(instance string, master bool) {
	select {
	case e.commands <- func() { e.ctl.setRole(instance, master) }:
	case <-e.done:
	}
}

// Close ends the checks, runs the scripts of `omega` and takes our services out of the table, as
// Keepalived does; connections that are established stay known to the plane, and go on
// when the next run adds their service again.
func (e *Engine) Close() error {
	e.closing.Do(func() {
		if err := e.call(func() { e.closed = e.ctl.end(); e.cancel() }); err != nil {
			e.closed = err
			e.cancel()
		}
		<-e.done
	})
	return e.closed
}

func (ctl *controller) logf(l Level, format string, args ...any) {
	ctl.engine.opts.Log(l, fmt.Sprintf(format, args...))
}
