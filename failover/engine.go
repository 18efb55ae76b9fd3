package failover

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/linux/realtime"
	"github.com/evenkeel/evenkeel/script"
	"github.com/evenkeel/evenkeel/vrrp"
)

// Level grades a log line.
type Level uint8

// Levels, by their syslog meaning.
const (
	LevelError Level = iota
	LevelWarning
	LevelNotice // changes of state: the journal
	LevelInfo
	LevelDebug
)

// Options are the engine's surroundings.
type Options struct {
	// Log takes a finished line. It is called from the router thread and must not block.
	Log func(Level, string)
	// Changed, if set, is called on the router thread after any change of state and must not block.
	Changed func()
	// Vet, if set, is asked before each run of a check or notify script, on a
	// goroutine of its own: it gives the command to run, or a reason, which is how that run failed.
	Vet func(c config.Command, g config.Global) (config.Command, string)
	// Mirror, if set, gives the place where a forwarding plane reads the deadline of a virtual
	// address, or nil; see gate.Set.Mirror.
	Mirror func(netip.Addr) (*atomic.Int64, error)
	// RealTime asks for real-time scheduling and locked memory; refusal is only logged.
	RealTime bool
}

// Engine is a running set of virtual routers.
type Engine struct {
	opts     Options
	poller   *realtime.Poller
	commands chan func(now vrrp.Time)
	done     chan struct{}  // the thread has ended
	settled  chan struct{}  // every instance has left INIT once
	notify   *script.Queues // of notify scripts
	scripts  sync.WaitGroup // check scripts that run
	router   *router        // touched on its thread only
	stopping sync.Once
}

// ErrStopped is returned by calls on an engine that has ended.
var ErrStopped = errors.New("failover: stopped")

// Start begins to take part in the elections of site. It returns once the lease
// gates stand (closed) and addresses left by a run that did not end properly are
// gone, or with the reason why that cannot be.
func Start(site *config.Site, opts Options) (*Engine, error) {
	poller, err := realtime.New()
	if err != nil {
		return nil, err
	}
	e := &Engine{opts: opts, poller: poller, commands: make(chan func(vrrp.Time), 64),
		done: make(chan struct{}), settled: make(chan struct{})}
	e.notify = newNotifier(e)
	up := make(chan error)
	go func() {
		// Never unlocked: a thread that was made real-time must not serve other goroutines.
		runtime.LockOSThread()
		defer close(e.done)
		r, err := newRouter(e, site)
		up <- err
		if err != nil {
			return
		}
		r.run()
	}()
	if err := <-up; err != nil {
		poller.Close()
		return nil, err
	}
	return e, nil
}

// post runs f on the router thread.
func (e *Engine) post(f func(now vrrp.Time)) error {
	select {
	case e.commands <- f:
		e.poller.Wake()
		return nil
	case <-e.done:
		return ErrStopped
	}
}

// call runs f on the router thread and waits for it.
func (e *Engine) call(f func(now vrrp.Time)) error {
	finished := make(chan struct{})
	if err := e.post(func(now vrrp.Time) { defer close(finished); f(now) }); err != nil {
		return err
	}
	select {
	case <-finished:
		return nil
	case <-e.done:
		select {
		case <-finished:
			return nil
		default:
			return ErrStopped
		}
	}
}

// SetMirror sets [Options.Mirror] of a running engine, and has the deadlines written there at once.
func (e *Engine) SetMirror(find func(netip.Addr) (*atomic.Int64, error)) (err error) {
	if failed := e.call(func(vrrp.Time) { err = e.router.gates.Mirror(find) }); failed != nil {
		return failed
	}
	return err
}

// Alive returns nil if the router thread answers before ctx ends.
func (e *Engine) Alive(ctx context.Context) error {
	answered := make(chan struct{})
	if err := e.post(func(vrrp.Time) { close(answered) }); err != nil {
		return err
	}
	select {
	case <-answered:
		return nil
	case <-e.done:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Settled is closed once every instance has left INIT.
func (e *Engine) Settled() <-chan struct{} { return e.settled }

// Done is closed when the engine has ended.
func (e *Engine) Done() <-chan struct{} { return e.done }

// Stop resigns, removes the addresses and the gates, ends the check scripts, and
// waits for notify scripts until ctx ends.
func (e *Engine) Stop(ctx context.Context) error {
	e.stopping.Do(func() {
		e.post(nil) // nil ends the thread
	})
	<-e.done
	ended := make(chan struct{})
	go func() { e.scripts.Wait(); close(ended) }()
	err := e.notify.Wait(ctx)
	select {
	case <-ended:
	case <-ctx.Done():
		err = errors.Join(err, fmt.Errorf("check scripts were still running: %w", ctx.Err()))
	}
	return err
}

// waitStop bounds how long a stop waits for the last notify scripts.
const waitStop = 30 * time.Second

// Close is Stop with a bounded wait.
func (e *Engine) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), waitStop)
	defer cancel()
	return e.Stop(ctx)
}
