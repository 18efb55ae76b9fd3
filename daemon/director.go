package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
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
	"github.com/evenkeel/evenkeel/linux/sock"
)

// Options say what a director runs.
type Options struct {
	// Load reads the configuration; it is called at the start and at each reload.
	// A nil Site comes with diagnostics that say why.
	// The inputs are what the proxy's half was read from; they are handed to the worker.
	// allowEmpty accepts files with nothing in them.
	Load func(allowEmpty bool) (*config.Site, *Inputs, []config.Diagnostic)
	// AllowEmpty lets a reload take everything away from a site.
	AllowEmpty bool
	// Vet says which file a script is, and why it must not be run; see failover.Options.
	Vet        func(config.Command, config.Global) (config.Command, string)
	RuntimeDir string
	Log        io.Writer
	Verbose    bool
	Version    string // of the program, for the statistics
}

// ErrConfig says that the configuration does not load; the diagnostics have been logged.
var ErrConfig = errors.New("the configuration does not load")

// director is the running process.
type director struct {
	opts Options
	log  *logger
	site *config.Site // in force
	// directing runs the virtual servers, if there are any.
	forwarding forwarding
	// workers run the proxy, if there is one.
	workers *workers
	// reloading makes reloads wait for each other, and guards stopping.
	reloading sync.Mutex
	stopping  bool
	changed   chan struct{}
	begun     chan *failover.Engine // tells wait of the engine

	engineMu sync.Mutex       // guards what follows
	engine   *failover.Engine // nil: no vrrp_instance was configured so far
	usable   map[string]int
	alive    bool
	told     bool
}

func newDirector(opts Options) *director {
	return &director{opts: opts, log: newLogger(opts.Log, opts.Verbose), changed: make(chan struct{}, 1),
		begun: make(chan *failover.Engine, 1)}
}

// Run is the director's life: it returns after SIGTERM or SIGINT, or with the
// reason why it cannot go on. It must be the only director of its process.
func Run(opts Options) error {
	// The router thread needs a processor slot of its own at once when it wakes.
	runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), runtime.NumCPU()+2))
	d := newDirector(opts)
	defer d.log.close()
	// Before anything else, so that a signal during the start is not lost.
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1)
	defer signal.Stop(signals)
	// The reader of the log may die: a write must fail then, not end the process.
	// Not ignored, or the scripts would inherit that.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)

	// What we were started with is ours alone: a listening socket in fd@N, say, is no business of a script's.
	if err := sock.KeepFrom(3); err != nil {
		d.log.logf(failover.LevelWarning, "scripts may inherit descriptors that the director was started with: %v", err)
	}
	held, err := lock(opts.RuntimeDir)
	if err != nil {
		return err
	}
	defer held.Close()
	site, inputs, diags := d.opts.Load(d.opts.AllowEmpty)
	d.report(diags)
	if site == nil {
		return ErrConfig
	}
	settleHeap()
	control, removePIDFile, err := d.start(site, inputs)
	defer removePIDFile()
	if err != nil {
		return err
	}
	go d.serve(control)
	d.log.logf(failover.LevelInfo, "evenkeel is running: %s", describe(site))
	soft, err := d.wait(signals)
	control.Close()
	systemd.SdNotify(false, systemd.SdNotifyStopping)
	d.reloading.Lock() // one that has begun ends first
	d.stopping = true
	d.reloading.Unlock()
	// The address is released first: the next master serves while our connections drain.
	err = errors.Join(err, d.closeFailover(), d.forwarding.close())
	d.workers.stop(soft)
	return err
}

// start starts what a site asks for: the worker, virtual servers, the election, and last the control socket. What
// fails ends what was started before it; a file with the process number is left for the caller to remove.
func (d *director) start(site *config.Site, inputs *Inputs) (control net.Listener, removePIDFile func(), err error) {
	removePIDFile = func() {}
	d.workers = &workers{log: d.log, verbose: d.opts.Verbose, version: d.opts.Version, health: d.proxyHealth}
	if site.Proxying != nil {
		usable, commit, _, err := d.workers.prepare(site.Proxying, inputs)
		if err != nil {
			return nil, removePIDFile, err
		}
		d.proxyHealth(usable, true)
		commit()
		removePIDFile = d.pidFile(site.Proxying.Global.PIDFile)
	}
	d.site = site
	d.forwarding.log, d.forwarding.vet, d.forwarding.runtimeDir = d.log, d.opts.Vet, d.opts.RuntimeDir
	if err := d.forwarding.start(site); err != nil {
		d.workers.stop(false)
		return nil, removePIDFile, err
	}
	if err := d.startFailover(site, nil); err != nil {
		d.workers.stop(false)
		d.forwarding.close()
		return nil, removePIDFile, err
	}
	d.forwarding.unlease(site)
	if control, err = listen(d.opts.RuntimeDir); err != nil {
		d.workers.stop(false)
		d.closeFailover()
		d.forwarding.close()
		return nil, removePIDFile, fmt.Errorf("control socket: %w", err)
	}
	return control, removePIDFile, nil
}

// settleHeap gives back what reading a configuration took, and sets the pace of collections: a small heap is
// let grow, for fewer collections beside the router thread, a large one is not.
func settleHeap() {
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	percent := 400
	if m.HeapAlloc > largeHeap {
		percent = 50
	}
	debug.SetGCPercent(percent)
}

// largeHeap is where a heap stops being small, in bytes: some ten thousand real servers.
const largeHeap = 32 << 20

// describe counts what a site has.
func describe(site *config.Site) string {
	parts := forDirector(site)
	if site.Proxying != nil {
		parts = append(parts, count(len(site.Proxying.Proxies), "proxy", "proxies"))
	}
	if len(parts) == 0 {
		return "0 instances"
	}
	return strings.Join(parts, ", ")
}

// forDirector is what of a site the director does itself.
func forDirector(site *config.Site) (parts []string) {
	if n := len(site.Instances); n > 0 {
		parts = append(parts, count(n, "instance", "instances"))
	}
	if site.LVS != nil {
		parts = append(parts, count(len(site.LVS.Servers), "virtual server", "virtual servers"))
	}
	return parts
}

func count(n int, one, many string) string {
	if n == 1 {
		many = one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// startFailover starts the election, if the site has any; a plain proxy needs none of its privileges. fresh, unless
// nil, is what the proxies of a worker can use that does not serve yet.
func (d *director) startFailover(site *config.Site, fresh map[string]int) error {
	if len(site.Instances) == 0 {
		return nil
	}
	engine, err := failover.Start(site,
		failover.Options{Log: d.log.Log, RealTime: true, Vet: d.opts.Vet, Mirror: d.forwarding.mirror(),
			Changed: func() {
				select {
				case d.changed <- struct{}{}:
				default:
				}
			}})
	if err != nil {
		return err
	}
	d.engineMu.Lock()
	d.engine = engine
	usable, alive, told := d.usable, d.alive, d.told
	d.engineMu.Unlock()
	if fresh != nil {
		usable, alive, told = fresh, true, true
	}
	if told {
		engine.SetProxies(usable, alive)
	} else if site.Proxying == nil {
		engine.SetProxies(nil, false)
	}
	d.begun <- engine
	return nil
}

// election is the failover engine, nil without one.
func (d *director) election() *failover.Engine {
	d.engineMu.Lock()
	defer d.engineMu.Unlock()
	return d.engine
}

func (d *director) closeFailover() error {
	engine := d.election()
	if engine == nil {
		return nil
	}
	return engine.Close()
}

// proxyHealth passes on what the worker reports (track_proxy).
func (d *director) proxyHealth(usable map[string]int, alive bool) {
	d.engineMu.Lock()
	d.usable, d.alive, d.told = usable, alive, true
	engine := d.engine
	d.engineMu.Unlock()
	if engine != nil {
		engine.SetProxies(usable, alive)
	}
}

// pidFile writes the director's process number where the proxy's configuration says, and gives what removes it.
func (d *director) pidFile(path string) (remove func()) {
	if path == "" {
		return func() {}
	}
	if err := replace(path, fmt.Appendf(nil, "%d\n", os.Getpid())); err != nil {
		d.log.logf(failover.LevelWarning, "pidfile: %v", err)
		return func() {}
	}
	return func() { os.Remove(path) }
}

// readyLimit is how long READY may wait for check scripts that do not report.
const readyLimit = 20 * time.Second

// statusPause gathers changes of state for one STATUS line.
const statusPause = 100 * time.Millisecond

// errEnded says that the router thread has ended without being told to.
var errEnded = errors.New("the failover engine has ended")

// wait handles signals and the service manager until it is time to stop; soft says that the proxy's
// connections may end by themselves.
func (d *director) wait(signals <-chan os.Signal) (soft bool, err error) {
	var settled, ended <-chan struct{}
	select {
	case e := <-d.begun:
		settled, ended = e.Settled(), e.Done()
	default:
	}
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
	if settled == nil {
		becomeReady()
	}
	for {
		select {
		case e := <-d.begun: // by a reload
			ended = e.Done()
		case <-settled:
			settled = nil
			becomeReady()
		case <-limit:
			becomeReady()
		case <-d.changed:
			d.roles()
			if managed && say == nil { // many instances may move at once: one line for all
				say = time.After(statusPause)
			}
		case <-say:
			say = nil
			systemd.SdNotify(false, d.statusLine())
		case <-ended:
			d.log.logf(failover.LevelError, "%v", errEnded)
			return false, errEnded
		case s := <-signals:
			switch s {
			case syscall.SIGHUP:
				d.log.logf(failover.LevelInfo, "SIGHUP: reloading")
				d.reload(d.opts.AllowEmpty)
			case syscall.SIGUSR1:
				d.dump()
			default:
				d.log.logf(failover.LevelNotice, "%v: stopping", s)
				return false, nil
			}
		}
	}
}

// roles tells the virtual servers what the instances have become.
func (d *director) roles() {
	if !d.forwarding.running() {
		return
	}
	if s, err := d.status(); err == nil {
		d.forwarding.roles(s)
	}
}

// statusLine is what `systemctl status` shows.
func (d *director) statusLine() string {
	s, err := d.status()
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
			if engine := d.election(); engine == nil || engine.Alive(try) == nil {
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

// status is the failover engine's, empty without one.
func (d *director) status() (failover.Status, error) {
	engine := d.election()
	if engine == nil {
		return failover.Status{}, nil
	}
	return engine.Status()
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
	s, err := d.status()
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
