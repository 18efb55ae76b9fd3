package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/evenkeel/evenkeel/admin"
	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/failover"
	"github.com/evenkeel/evenkeel/linux/confine"
	"github.com/evenkeel/evenkeel/linux/sock"
	"github.com/evenkeel/evenkeel/proxy"
	"github.com/evenkeel/evenkeel/syslog"
)

// controlFD is where a worker finds its director.
const controlFD = 3

// The worker of a director that died goes on for orphanAccepts, in which the lease gate shuts and another node
// takes over, and lets its connections end for orphanLimit.
const (
	orphanAccepts = 5 * time.Second
	orphanLimit   = 30 * time.Second
)

// workerProcess is the worker's side.
type workerProcess struct {
	log     *logger
	control net.Conn
	send    sync.Mutex
	order   *startOrder
	cfg     *config.Proxying
	engine  *proxy.Engine
	admin   *admin.Admin
	syslog  *syslog.Log
	logger  *syslog.Logger
	changed chan struct{}
	stop    func() // checks and the runtime socket
	// unchecked: that a check lacked a descriptor or memory has been said.
	unchecked sync.Once
}

// RunWorker is the life of a worker process: it takes its order from the director, gives up every privilege,
// and proxies until it is told to stop. load reads a configuration from recorded inputs.
func RunWorker(load func(*Inputs) (*config.Proxying, []config.Diagnostic)) error {
	debug.SetGCPercent(400)
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGUSR1)
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	signal.Ignore(syscall.SIGHUP)
	go showStacks()
	f := os.NewFile(controlFD, "control")
	control, err := net.FileConn(f)
	f.Close()
	if err != nil {
		return errors.New("a worker is started by `evenkeel run` only")
	}
	w := &workerProcess{control: control, changed: make(chan struct{}, 1)}
	orders := json.NewDecoder(control)
	var first order
	if err := orders.Decode(&first); err != nil || first.Start == nil {
		return fmt.Errorf("no order from the director: %v", err)
	}
	w.order = first.Start
	// The proxy's threads keep their processor slots under load; checks, the log and the runtime socket want one too.
	runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), w.order.Threads+1))
	w.log = newLogger(os.Stderr, w.order.Verbose)
	defer w.log.close()
	if err := w.begin(load); err != nil {
		w.tell(news{Failed: err.Error()})
		return err
	}
	w.tell(news{Ready: true, Usable: w.engine.Usable(), Down: w.engine.Down()})
	w.log.logf(failover.LevelInfo, "worker %d: %d proxies on %d threads, up to %d connections", w.order.Generation,
		len(w.cfg.Proxies), w.order.Threads, w.engine.MaxConn())
	w.life(orders, signals)
	return nil
}

func (w *workerProcess) tell(n news) {
	w.send.Lock()
	defer w.send.Unlock()
	w.control.SetWriteDeadline(time.Now().Add(5 * time.Second))
	json.NewEncoder(w.control).Encode(n)
}

// begin reads the configuration, gives up privileges and opens for business.
func (w *workerProcess) begin(load func(*Inputs) (*config.Proxying, []config.Diagnostic)) error {
	cfg, diags := load(w.order.Inputs)
	if cfg == nil {
		var lines []string
		for _, d := range diags {
			if d.Severity == config.Error {
				lines = append(lines, d.String())
			}
		}
		return fmt.Errorf("the worker reads the configuration otherwise than the director: %s",
			strings.Join(lines, "; "))
	}
	w.cfg = cfg
	g := &cfg.Global
	account, err := confine.Lookup(g.User.User, g.Group.Group)
	if err != nil {
		return err
	}
	host, _ := os.Hostname()
	w.syslog = syslog.New(identity(g, host))
	w.logger = w.syslog.Logger()
	limits := w.descriptors()
	w.engine, err = proxy.New(cfg,
		proxy.Options{Threads: w.order.Threads, MaxConn: limits.conns, MaxPipes: limits.pipes, Host: host,
			PID: os.Getppid(), Listeners: w.listeners, Down: w.order.Down,
			Syslog: w.syslog, Log: w.announce, Forget: forgetter(w.order.Drops),
			Applet: func(r *proxy.AppletRequest) proxy.AppletReply { return w.admin.Applet(r) },
			Changed: func() {
				select {
				case w.changed <- struct{}{}:
				default:
				}
			}})
	if err != nil {
		return err
	}
	w.admin = admin.New(w.engine, admin.Options{Version: w.order.Version, Release: released(),
		Descriptors: int64(limits.all),
		Sockets:     g.StatsSockets, Timeout: g.StatsTimeout, MaxConn: g.StatsMaxConn})
	if account.UID == os.Geteuid() {
		account.UID = -1
	}
	if os.Geteuid() != 0 && account.UID >= 0 {
		w.log.logf(failover.LevelWarning, "the worker stays what it is: becoming user %s takes root", g.User.User)
		account.UID = -1
	}
	if os.Geteuid() == 0 && account.UID < 0 {
		w.log.logf(failover.LevelWarning,
			"the worker stays root, without capabilities: name a user in the global section")
	}
	// The director must outlive a shortage of memory; its worker takes the chances of any other program.
	os.WriteFile("/proc/self/oom_score_adj", []byte("0"), 0)
	if err := confine.Drop(account, g.Chroot); err != nil {
		return err
	}
	return w.open()
}

// released is the date of the program: that of its sources, or where they are not told that of its file.
func released() string {
	var when time.Time
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.time" {
				when, _ = time.Parse(time.RFC3339, s.Value)
			}
		}
	}
	if path, err := os.Executable(); err == nil && when.IsZero() {
		if file, err := os.Stat(path); err == nil {
			when = file.ModTime()
		}
	}
	return when.UTC().Format("2006/01/02")
}

// identity is what the proxy's log lines say of their sender. Its process is the director, as in the pidfile: that is
// the one who lasts, and the one that operators know.
func identity(g *config.ProxyGlobal, host string) syslog.Identity {
	id := syslog.Identity{Tag: g.LogTag, PID: os.Getppid()}
	if id.Tag == "" {
		id.Tag = "haproxy"
	}
	if g.LogSendHost {
		if id.Host = g.LogHost; id.Host == "" {
			id.Host = host
		}
	}
	return id
}

// announce takes a line that belongs to no request: into our own log, and to the log targets of its proxy.
func (w *workerProcess) announce(severity int, p *config.Proxy, text string) {
	w.log.Log(levelOf(severity), text)
	if p != nil && len(p.Log) > 0 {
		w.logger.Log(p.Log, p.LogTag, severity, text)
	}
}

// levelOf turns a severity of syslog into a level of our own log.
func levelOf(severity int) failover.Level {
	switch {
	case severity <= 3:
		return failover.LevelError
	case severity == 4:
		return failover.LevelWarning
	case severity == 5:
		return failover.LevelNotice
	}
	return failover.LevelInfo
}

// listeners gives a bind its inherited sockets. Each bind has its own copies, which the engine closes.
func (w *workerProcess) listeners(b *config.Bind) []int {
	var own []int
	for _, fd := range w.order.Sockets[listenKey(&b.Listen)] {
		if copied, err := sock.Dup(fd); err == nil {
			own = append(own, copied)
		}
	}
	return own
}

// letGo closes the sockets as they were inherited, now that everybody has copies: a socket that nobody accepts from any
// more must not take connections until this worker ends.
func (w *workerProcess) letGo() {
	for _, fds := range w.order.Sockets {
		for _, fd := range fds {
			sock.Close(fd)
		}
	}
	w.order.Sockets = nil
}

// life waits for orders and signals until the worker has ended.
func (w *workerProcess) life(orders *json.Decoder, signals <-chan os.Signal) {
	incoming, lost := receive(orders)
	var drained <-chan struct{}
	var limit, orphaned <-chan time.Time
	go w.heartbeat()
	drain := func(patience time.Duration) {
		if drained != nil {
			return
		}
		w.stop()
		drained = w.engine.Drain()
		if patience > 0 {
			limit = time.After(patience)
		}
	}
	for {
		select {
		case o := <-incoming:
			if o.Drain != nil {
				drain(*o.Drain)
			}
		case err := <-lost:
			if drained == nil && errors.Is(err, io.EOF) {
				w.log.logf(failover.LevelError, "the director is gone: this worker accepts for %v more", orphanAccepts)
			}
			lost = nil
			orphaned = time.After(orphanAccepts)
		case <-orphaned:
			drain(orphanLimit)
		case s := <-signals:
			if s == syscall.SIGUSR1 {
				drain(w.cfg.Global.HardStopAfter)
				continue
			}
			w.stop()
			w.engine.Close()
			return
		case <-drained:
			w.engine.Close()
			return
		case <-limit:
			w.engine.Close()
			return
		case <-w.changed:
			if drained == nil {
				w.tell(news{Usable: w.engine.Usable(), Down: w.engine.Down()})
			}
		}
	}
}

// receive gives the director's orders as they come, and then why no more will.
func receive(orders *json.Decoder) (<-chan order, <-chan error) {
	incoming := make(chan order)
	lost := make(chan error, 1)
	go func() {
		for {
			var o order
			if err := orders.Decode(&o); err != nil {
				lost <- err
				return
			}
			incoming <- o
		}
	}()
	return incoming, lost
}

// pulseEvery is how often the worker says that it is alive.
const pulseEvery = time.Second

// heartbeat reports to the director again and again that every thread runs; if one hangs, it is silent. Each may take
// the time it needs: whether it hangs or has no processor is the director's to judge.
func (w *workerProcess) heartbeat() {
	for {
		w.engine.Turn()
		w.tell(news{Alive: true})
		time.Sleep(pulseEvery)
	}
}

// mostStacks is how much of its stacks a worker writes.
const mostStacks = 1 << 20

// showStacks writes what every goroutine does, whenever SIGQUIT asks: the director does before it kills a worker, and
// an operator may. The worker goes on.
func showStacks() {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGQUIT)
	for range asked {
		buf := make([]byte, mostStacks)
		os.Stderr.Write(append(buf[:runtime.Stack(buf, true)], '\n'))
	}
}

// open starts the frontends and what goes with them.
func (w *workerProcess) open() error {
	if err := w.engine.Start(); err != nil {
		return err
	}
	sockets, err := w.serveAdmin()
	if err != nil {
		return err
	}
	w.letGo()
	checks := w.startChecks()
	w.stop = sync.OnceFunc(func() {
		for _, l := range sockets {
			l.Close() // a client that connects now must reach the next worker
		}
		checks()
	})
	return nil
}

// serveAdmin answers on the runtime sockets.
func (w *workerProcess) serveAdmin() (all []net.Listener, err error) {
	for i := range w.cfg.Global.StatsSockets {
		s := &w.cfg.Global.StatsSockets[i]
		for _, fd := range w.order.Sockets[listenKey(&s.Listen)] {
			copied, err := sock.Dup(fd)
			if err != nil {
				return all, err
			}
			f := os.NewFile(uintptr(copied), s.Text)
			l, err := net.FileListener(f)
			f.Close()
			if err != nil {
				return all, fmt.Errorf("stats socket %s: %w", s.Text, err)
			}
			if u, ok := l.(*net.UnixListener); ok {
				u.SetUnlinkOnClose(false) // the file is the director's
			}
			all = append(all, l)
			go w.admin.Serve(w.patient(l, s.Text), s.Level)
		}
	}
	return all, nil
}

// patient is a listener that outlives a shortage of descriptors, which is logged once.
func (w *workerProcess) patient(l net.Listener, name string) net.Listener {
	return sock.Patient(l, func(err error) {
		w.log.logf(failover.LevelError, "socket %s cannot accept a client: %v (logged once)", name, err)
	})
}
