package lvs

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/lvs/pool"
	"github.com/evenkeel/evenkeel/lvs/table"
	"github.com/evenkeel/evenkeel/script"
)

// controller is what the engine's goroutine owns.
type controller struct {
	engine *Engine
	cfg    *config.LVS
	global config.Global
	// virtuals are in the order of the configuration.
	virtuals   []*virtual
	byName     map[string]*virtual
	checks     schedule
	scripts    *script.Queues // notify programs, by virtual server
	reconciler reconciler
	local      map[netip.Addr]bool // nil: everything is here
	master     map[string]bool     // by vrrp_instance
	daemons    map[table.Role]bool // that we have started
	// upkeepFailed is the last failure of the plane's upkeep, which is logged when it changes.
	upkeepFailed string
}

// virtual is one virtual_server.
type virtual struct {
	cfg     *config.VirtualServer
	pool    *pool.Pool
	servers []*server
	// suspended: none of its addresses is here, so nothing is checked (ha_suspend).
	suspended bool
	title     string // in the log
}

// server is one real_server.
type server struct {
	cfg     *config.RealServer
	virtual *virtual
	index   int // in its virtual
	checks  []*task
}

func newController(e *Engine, g config.Global) *controller {
	d := &controller{engine: e, global: g, byName: map[string]*virtual{}, master: map[string]bool{},
		daemons: map[table.Role]bool{}}
	d.checks = newSchedule(e)
	d.scripts = newScripts(e)
	d.reconciler = newReconciler(d)
	return d
}

// begin brings the table from whatever it is to what the first state asks for.
func (ctl *controller) begin(cfg *config.LVS) error {
	info, err := ctl.reconciler.driver.Info()
	if err != nil {
		return fmt.Errorf("lvs: %w", err)
	}
	if cfg.Flush {
		if err := ctl.reconciler.driver.Apply([]table.Change{{Verb: table.Flush}}); err != nil {
			return fmt.Errorf("lvs: lvs_flush: %w", err)
		}
	}
	ctl.reconciler.loadState()
	if ctl.engine.opts.LocalAddresses != nil {
		ctl.local = <-ctl.engine.opts.LocalAddresses
	}
	if _, err := ctl.apply(cfg, ctl.global); err != nil {
		return err
	}
	ctl.logf(Info, "virtual servers by %s: %d", info.Driver, len(cfg.Servers))
	return nil
}

// apply replaces the configuration. Virtual servers are the same by name, real servers by
// address and port, checkers by what they say.
func (ctl *controller) apply(cfg *config.LVS, g config.Global) (string, error) {
	old := ctl.byName
	var added, kept int
	var virtuals []*virtual
	byName := make(map[string]*virtual, len(cfg.Servers))
	starts := make(map[*virtual][]pool.Event)
	for _, vs := range cfg.Servers {
		before := old[vs.Name]
		v := ctl.build(vs, before)
		if before != nil {
			kept++
		} else {
			added++
		}
		virtuals = append(virtuals, v)
		byName[vs.Name] = v
		starts[v] = v.pool.Start()
	}
	leaving := ctl.leaving(byName)
	if err := ctl.reconciler.replace(cfg, virtuals); err != nil {
		return "", err
	}
	removed := len(old) - kept
	ctl.checks.forget(ctl.virtuals, virtuals)
	ctl.cfg, ctl.global, ctl.virtuals, ctl.byName = cfg, g, virtuals, byName
	for _, l := range leaving {
		ctl.notify(l.virtual, l.events)
	}
	for _, v := range virtuals {
		ctl.handle(v, starts[v])
		if cfg.InitNotifies {
			ctl.initNotify(v, old[v.cfg.Name])
		}
		ctl.checks.add(v, cfg)
	}
	ctl.suspend()
	if err := ctl.settings(); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d virtual servers added, %d removed, %d kept", added, removed, kept), nil
}

// build makes the state of a virtual server, with what an older one knew.
func (ctl *controller) build(vs *config.VirtualServer, before *virtual) *virtual {
	v := &virtual{cfg: vs, title: title(vs)}
	params := pool.Params{Quorum: vs.Quorum, Hysteresis: vs.Hysteresis, Sorry: vs.Sorry != nil,
		SorryInhibit: vs.SorryInhibit}
	for i, rs := range vs.Servers {
		s := &server{cfg: rs, virtual: v, index: i}
		ps := pool.Server{Weight: rs.Weight, Inhibit: rs.InhibitOnFailure}
		for j, c := range rs.Checkers {
			s.checks = append(s.checks, newTask(s, j, c))
			ps.Down = append(ps.Down, c.Alpha)
		}
		params.Servers = append(params.Servers, ps)
		v.servers = append(v.servers, s)
	}
	v.pool = pool.New(params)
	if before == nil {
		return v
	}
	for i, s := range v.servers {
		if b := before.server(s.cfg.Addr); b != nil {
			v.pool.Adopt(i, before.pool, b.index, adoptTasks(s, b))
		}
	}
	_, told := before.pool.Leave(before.without(v))
	v.pool.AdoptQuorum(before.pool, told)
	return v
}

// server is the one of an address, or nil.
func (v *virtual) server(addr netip.AddrPort) *server {
	for _, s := range v.servers {
		if s.cfg.Addr == addr {
			return s
		}
	}
	return nil
}

// without lists the servers that another version of the virtual server does not have; next may be nil.
func (v *virtual) without(next *virtual) (gone []int) {
	for i, s := range v.servers {
		if next == nil || next.server(s.cfg.Addr) == nil {
			gone = append(gone, i)
		}
	}
	return gone
}

// departure is what becomes of a virtual server, as it was, when real servers leave it, or it leaves.
type departure struct {
	virtual *virtual
	events  []pool.Event
}

// leaving is what a new configuration takes away. That the quorum of the old one is lost with it is told, as
// Keepalived does.
// Differs from Keepalived: when the new one has its quorum, that is told afterwards; Keepalived leaves it at
// quorum_down.
func (ctl *controller) leaving(next map[string]*virtual) (all []departure) {
	for _, v := range ctl.virtuals {
		if events, _ := v.pool.Leave(v.without(next[v.cfg.Name])); len(events) > 0 {
			all = append(all, departure{v, events})
		}
	}
	return all
}

// initNotify runs notify_up for the servers that a virtual server did not have before and that count as live
// (rs_init_notifies).
func (ctl *controller) initNotify(v, before *virtual) {
	for i, s := range v.servers {
		if v.pool.Live(i) && (before == nil || before.server(s.cfg.Addr) == nil) {
			ctl.notifyServer(v, s, true)
		}
	}
}

// settings gives the driver what is not a service: timeouts and the synchronisation daemon.
func (ctl *controller) settings() error {
	driver := ctl.reconciler.driver
	if ctl.cfg.Timeouts != (table.Timeouts{}) {
		if err := driver.SetTimeouts(ctl.cfg.Timeouts); err != nil {
			return fmt.Errorf("lvs: lvs_timeouts: %w", err)
		}
	}
	return ctl.synchronise()
}

// synchronise starts and stops the plane's synchronisation daemons.
func (ctl *controller) synchronise() error {
	want := map[table.Role]bool{}
	if s := ctl.cfg.Sync; s != nil {
		switch {
		case ctl.cfg.SyncInstance == "":
			want[table.Master], want[table.Backup] = true, true
		case ctl.master[ctl.cfg.SyncInstance]:
			want[table.Master] = true
		default:
			want[table.Backup] = true
		}
	}
	var failed []error
	for role := range ctl.daemons {
		if !want[role] {
			delete(ctl.daemons, role)
			if err := ctl.reconciler.driver.StopDaemon(role); err != nil && !errors.Is(err, table.ErrNotFound) {
				failed = append(failed, err)
			}
		}
	}
	for role := range want {
		if ctl.daemons[role] {
			continue
		}
		daemon := *ctl.cfg.Sync
		daemon.Role = role
		// One that a run before us has left may be configured otherwise.
		if err := ctl.reconciler.driver.StopDaemon(role); err != nil && !errors.Is(err, table.ErrNotFound) &&
			!errors.Is(err, table.ErrUnsupported) {
			ctl.logf(Debug, "lvs_sync_daemon: %v", err)
		}
		err := ctl.reconciler.driver.StartDaemon(daemon)
		if errors.Is(err, table.ErrUnsupported) {
			return nil // a plane without daemons: a ConnSync does what they do
		}
		if err != nil {
			failed = append(failed, err)
			continue
		}
		ctl.daemons[role] = true
	}
	if len(failed) > 0 {
		return fmt.Errorf("lvs: lvs_sync_daemon: %w", errors.Join(failed...))
	}
	return nil
}

func (ctl *controller) setRole(instance string, master bool) {
	if was, known := ctl.master[instance]; known && was == master {
		return
	}
	ctl.master[instance] = master
	if ctl.cfg.Sync != nil && ctl.cfg.SyncInstance == instance {
		if err := ctl.synchronise(); err != nil {
			ctl.logf(Warning, "%v", err)
		}
	}
}

// run is the engine's goroutine.
func (ctl *controller) run() {
	look := time.NewTimer(ctl.reconciler.interval())
	defer look.Stop()
	upkeep := time.NewTicker(time.Second)
	defer upkeep.Stop()
	for ctl.engine.ctx.Err() == nil {
		ctl.flush()
		select {
		case f := <-ctl.engine.commands:
			f()
		case r := <-ctl.checks.results:
			ctl.result(r)
		case <-ctl.checks.timer.C:
			ctl.checks.launch()
		case ctl.local = <-ctl.engine.opts.LocalAddresses:
			ctl.suspend()
		case <-upkeep.C:
			ctl.upkeep()
		case <-look.C:
			ctl.reconciler.reconcile()
			look.Reset(ctl.reconciler.interval())
		case <-ctl.engine.ctx.Done():
			return
		}
	}
}

// upkeep does what the plane wants done each second.
func (ctl *controller) upkeep() {
	if ctl.engine.opts.Upkeep == nil {
		return
	}
	err := ctl.engine.opts.Upkeep()
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != ctl.upkeepFailed && err != nil {
		ctl.logf(Warning, "lvs: %v", err)
	}
	ctl.upkeepFailed = text
}

// flush writes what has changed once no more news waits, so that many results at once are
// one change of the table.
func (ctl *controller) flush() {
	for range mostNews {
		select {
		case r := <-ctl.checks.results:
			ctl.result(r)
			continue
		default:
		}
		break
	}
	ctl.reconciler.write()
}

// mostNews is how many results may be gathered before the table is written.
const mostNews = 1000

// suspend stops the checks of virtual servers whose addresses are elsewhere, and resumes them.
func (ctl *controller) suspend() {
	for _, v := range ctl.virtuals {
		suspended := v.cfg.HASuspend && ctl.local != nil && !ctl.here(v)
		if suspended == v.suspended {
			continue
		}
		v.suspended = suspended
		if suspended {
			ctl.logf(Info, "Suspending checks of VS %s: its address is not here", v.title)
			continue
		}
		ctl.logf(Info, "Activating checks of VS %s: its address is here", v.title)
		ctl.checks.runNow(v)
	}
}

func (ctl *controller) here(v *virtual) bool {
	for _, k := range v.cfg.Keys {
		if k.Mark != 0 || ctl.local[k.Addr.Addr()] {
			return true
		}
	}
	return false
}

const (
	// scriptLimit ends a notify program that hangs, so that later ones are not lost.
	scriptLimit = 60 * time.Second
	// lastScripts is how long the end waits for notify programs.
	lastScripts = 10 * time.Second
)

func newScripts(e *Engine) *script.Queues {
	return script.NewQueues(
		func(ctx context.Context, c config.Command, g config.Global) error {
			return e.opts.Run(ctx, c, g, scriptLimit)
		},
		func(name string, c config.Command, err error) {
			e.opts.Log(Warning, "VS "+name+": notify script "+c.Argv[0]+": "+err.Error())
		})
}

// end is the last that happens.
func (ctl *controller) end() error {
	ctl.checks.stop()
	for _, v := range ctl.virtuals {
		if !v.cfg.Omega {
			continue
		}
		for i, s := range v.servers {
			if v.pool.Live(i) {
				ctl.notifyServer(v, s, false)
			}
		}
		if v.pool.Quorate() {
			ctl.scripts.Add(v.cfg.Name, v.cfg.QuorumDown, ctl.global)
		}
	}
	err := ctl.reconciler.remove(ctl.cfg.FlushOnStop)
	for role := range ctl.daemons {
		if e := ctl.reconciler.driver.StopDaemon(role); e != nil && err == nil {
			err = e
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastScripts)
	defer cancel()
	if e := ctl.scripts.Wait(ctx); e != nil {
		ctl.logf(Warning, "%v", e)
	}
	if e := ctl.reconciler.driver.Close(); err == nil {
		err = e
	}
	return err
}
