package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/failover"
)

// Options say what a director runs.
type Options struct {
	// Load reads the configuration; it is called at the start and at each reload.
	// A nil Site comes with diagnostics that say why.
	Load func() (*config.Site, []config.Diagnostic)
	// Refuse says why a script must not be run; see failover.Options.
	Refuse     func(config.Command, config.Global) string
	RuntimeDir string
	Log        io.Writer
	Verbose    bool
}

// ErrConfig says that the configuration does not load; the diagnostics have been logged.
var ErrConfig = errors.New("the configuration does not load")

// director is the running process.
type director struct {
	opts   Options
	log    *logger
	engine *failover.Engine
	// reloading makes reloads wait for each other.
	reloading sync.Mutex
	changed   chan struct{}
}

// Run is the director's life: it returns after SIGTERM or SIGINT, or with the
// reason why it cannot go on. It must be the only director of its process.
func Run(opts Options) error {
	// The router thread needs a processor slot of its own at once when it wakes.
	runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), runtime.NumCPU()+2))
	debug.SetGCPercent(400) // a small heap: fewer collections beside the router thread
	d := &director{opts: opts, log: newLogger(opts.Log, opts.Verbose), changed: make(chan struct{}, 1)}
	defer d.log.close()
	// Before anything else, so that a signal during the start is not lost.
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1)
	defer signal.Stop(signals)
	// Whoever reads the log may die: a write must fail then, not end the process.
	// Not ignored, or the scripts would inherit that.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)

	held, err := lock(opts.RuntimeDir)
	if err != nil {
		return err
	}
	defer held.Close()
	site, diags := opts.Load()
	d.report(diags)
	if site == nil {
		return ErrConfig
	}
	d.engine, err = failover.Start(site, failover.Options{Log: d.log.Log, RealTime: true, Refuse: opts.Refuse,
		Changed: func() {
			select {
			case d.changed <- struct{}{}:
			default:
			}
		}})
	if err != nil {
		return err
	}
	control, err := listen(opts.RuntimeDir)
	if err != nil {
		d.engine.Close()
		return fmt.Errorf("control socket: %w", err)
	}
	go d.serve(control)
	d.log.logf(failover.LevelInfo, "evenkeel is running: %d instances", len(site.Instances))
	d.wait(signals)
	control.Close()
	systemd.SdNotify(false, systemd.SdNotifyStopping)
	return d.engine.Close()
}

// readyLimit is how long READY may wait for check scripts that do not report.
const readyLimit = 20 * time.Second

// statusPause gathers changes of state for one STATUS line.
const statusPause = 100 * time.Millisecond

// wait handles signals and the service manager until it is time to stop.
func (d *director) wait(signals <-chan os.Signal) {
	settled := d.engine.Settled()
	limit := time.After(readyLimit)
	watchdog := d.startWatchdog()
	defer watchdog()
	managed := os.Getenv("NOTIFY_SOCKET") != ""
	var say <-chan time.Time
	ready := false
	becomeReady := func() {
		if !ready {
			ready = true
			systemd.SdNotify(false, systemd.SdNotifyReady+"\n"+d.statusLine())
		}
	}
	for {
		select {
		case <-settled:
			settled = nil
			becomeReady()
		case <-limit:
			becomeReady()
		case <-d.changed:
			if managed && say == nil { // many instances may move at once: one line for all
				say = time.After(statusPause)
			}
		case <-say:
			say = nil
			systemd.SdNotify(false, d.statusLine())
		case <-d.engine.Done():
			d.log.logf(failover.LevelError, "the failover engine has ended")
			return
		case s := <-signals:
			switch s {
			case syscall.SIGHUP:
				d.log.logf(failover.LevelInfo, "SIGHUP: reloading")
				d.reload()
			case syscall.SIGUSR1:
				d.dump()
			default:
				d.log.logf(failover.LevelNotice, "%v: stopping", s)
				return
			}
		}
	}
}

// statusLine is what `systemctl status` shows.
func (d *director) statusLine() string {
	s, err := d.engine.Status()
	if err != nil {
		return "STATUS=stopped"
	}
	var parts []string
	for _, i := range s.Instances {
		parts = append(parts, i.Name+" "+i.State)
	}
	if len(parts) == 0 {
		return "STATUS=no vrrp_instance configured"
	}
	return "STATUS=" + strings.Join(parts, ", ")
}

// startWatchdog tells the service manager that the router thread answers. A
// thread that hangs is not told alive, and the service manager ends the process;
// the lease gate has closed long before.
func (d *director) startWatchdog() (stop func()) {
	interval, err := systemd.SdWatchdogEnabled(false)
	if err != nil || interval == 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		tick := time.NewTicker(interval / 3)
		defer tick.Stop()
		for {
			try, done := context.WithTimeout(ctx, interval/3)
			if d.engine.Alive(try) == nil {
				systemd.SdNotify(false, systemd.SdNotifyWatchdog)
			}
			done()
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	return cancel
}

// reload reads the configuration again and applies it; one that does not load
// changes nothing.
func (d *director) reload() Reply {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	systemd.SdNotify(false, systemd.SdNotifyReloading+"\n"+systemd.SdNotifyMonotonicUsec())
	defer func() { systemd.SdNotify(false, systemd.SdNotifyReady+"\n"+d.statusLine()) }()
	site, diags := d.opts.Load()
	d.report(diags)
	if site == nil {
		d.log.logf(failover.LevelError, "reload refused: %v; everything goes on as before", ErrConfig)
		return Reply{Error: ErrConfig.Error() + "; everything goes on as before", Diagnostics: diags}
	}
	applied, err := d.engine.Apply(site)
	if err != nil {
		return Reply{Error: err.Error()}
	}
	d.log.logf(failover.LevelNotice, "Reload complete: %v", applied)
	return Reply{OK: true, Summary: applied.String(), Diagnostics: diags}
}

func (d *director) report(diags []config.Diagnostic) {
	for _, g := range diags {
		level := failover.LevelWarning
		if g.Severity == config.Error {
			level = failover.LevelError
		}
		d.log.Log(level, strings.Replace(g.String(), g.Severity.String()+": ", "", 1)) // the log says it once
	}
}

// dump writes the status beside the control socket, readable for root only.
func (d *director) dump() {
	s, err := d.engine.Status()
	if err != nil {
		return
	}
	path := filepath.Join(d.opts.RuntimeDir, dumpName)
	b, err := json.MarshalIndent(s, "", "  ")
	if err == nil {
		err = replace(path, append(b, '\n'))
	}
	if err != nil {
		d.log.logf(failover.LevelError, "SIGUSR1: %v", err)
		return
	}
	d.log.logf(failover.LevelInfo, "SIGUSR1: status written to %s", path)
}

// replace writes a file anew, for its owner only, so that readers find either the
// old or the new one, and never through a link that lies in its place.
func replace(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
