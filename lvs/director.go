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
	"github.com/evenkeel/evenkeel/program"
)

// director is what the engine's goroutine owns.
type director struct {
	engine *Engine
	cfg    *config.Directing
	global config.Global
	// virtuals are in the order of the configuration.
	virtuals []*virtual
	byName   map[string]*virtual
	checks   schedule
	scripts  *program.Queues // notify programs, by virtual server
	keeper   keeper
	local    map[netip.Addr]bool // nil: everything is here
	master   map[string]bool     // by vrrp_instance
	daemons  map[table.Role]bool // that we have started
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

func newDirector(e *Engine, g config.Global) *director {
	d := &director{engine: e, global: g, byName: map[string]*virtual{}, master: map[string]bool{}, daemons: map[table.Role]bool{}}
	d.checks = newSchedule(e)
	d.scripts = newScripts(e)
	d.keeper = newKeeper(d)
	return d
}

// begin brings the table from whatever it is to what the first state asks for.
func (d *director) begin(cfg *config.Directing) error {
	info, err := d.keeper.driver.Info()
	if err != nil {
		return fmt.Errorf("lvs: %w", err)
	}
	if cfg.Flush {
		if err := d.keeper.driver.Apply([]table.Change{{Verb: table.Flush}}); err != nil {
			return fmt.Errorf("lvs: lvs_flush: %w", err)
		}
	}
	d.keeper.recall()
	if d.engine.opts.LocalAddresses != nil {
		d.local = <-d.engine.opts.LocalAddresses
	}
	if _, err := d.apply(cfg, d.global); err != nil {
		return err
	}
	d.logf(Info, "%d virtual servers by %s", len(cfg.Servers), info.Driver)
	return nil
}

// apply replaces the configuration. Virtual servers are the same by name, real servers by
// address and port, checkers by what they say.
func (d *director) apply(cfg *config.Directing, g config.Global) (string, error) {
	old := d.byName
	var added, kept int
	var virtuals []*virtual
	byName := make(map[string]*virtual, len(cfg.Servers))
	starts := make(map[*virtual][]pool.Event)
	for _, vs := range cfg.Servers {
		before := old[vs.Name]
		v := d.build(vs, before)
		if before != nil {
			kept++
		} else {
			added++
		}
		virtuals = append(virtuals, v)
		byName[vs.Name] = v
		starts[v] = v.pool.Start()
	}
	leaving := d.leaving(byName)
	if err := d.keeper.replace(cfg, virtuals); err != nil {
		return "", err
	}
	removed := len(old) - kept
	d.checks.forget(d.virtuals, virtuals)
	d.cfg, d.global, d.virtuals, d.byName = cfg, g, virtuals, byName
	for _, l := range leaving {
		d.announce(l.virtual, l.events)
	}
	for _, v := range virtuals {
		d.tell(v, starts[v])
		if cfg.InitNotifies {
			d.introduce(v, old[v.cfg.Name])
		}
		d.checks.add(v, cfg)
	}
	d.suspend()
	if err := d.settings(); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d virtual servers added, %d removed, %d kept", added, removed, kept), nil
}

// build makes the state of a virtual server, with what an older one knew.
func (d *director) build(vs *config.VirtualServer, before *virtual) *virtual {
	v := &virtual{cfg: vs, title: title(vs)}
	params := pool.Params{Quorum: vs.Quorum, Hysteresis: vs.Hysteresis, Sorry: vs.Sorry != nil, SorryInhibit: vs.SorryInhibit}
	for i, rs := range vs.Servers {
		s := &server{cfg: rs, virtual: v, index: i}
		ps := pool.Server{Weight: rs.Weight, Inhibit: rs.InhibitOnFailure}
		for j, c := range rs.Checkers {
			s.checks = append(s.checks, newTask(s, j, c))
			ps.Down = append(ps.Down, rs.Alpha || c.Alpha)
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
func (d *director) leaving(next map[string]*virtual) (all []departure) {
	for _, v := range d.virtuals {
		if events, _ := v.pool.Leave(v.without(next[v.cfg.Name])); len(events) > 0 {
			all = append(all, departure{v, events})
		}
	}
	return all
}

// introduce runs notify_up for the servers that a virtual server did not have before and that count as live
// (rs_init_notifies).
func (d *director) introduce(v, before *virtual) {
	for i, s := range v.servers {
		if v.pool.Live(i) && (before == nil || before.server(s.cfg.Addr) == nil) {
			d.notifyServer(v, s, true)
		}
	}
}

// settings gives the driver what is not a service: timeouts and the synchronisation daemon.
func (d *director) settings() error {
	driver := d.keeper.driver
	if d.cfg.Timeouts != (table.Timeouts{}) {
		if err := driver.SetTimeouts(d.cfg.Timeouts); err != nil {
			return fmt.Errorf("lvs: lvs_timeouts: %w", err)
		}
	}
	return d.synchronise()
}

// synchronise starts and stops the plane's synchronisation daemons.
func (d *director) synchronise() error {
	want := map[table.Role]bool{}
	if s := d.cfg.Sync; s != nil {
		switch {
		case d.cfg.SyncInstance == "":
			want[table.Master], want[table.Backup] = true, true
		case d.master[d.cfg.SyncInstance]:
			want[table.Master] = true
		default:
			want[table.Backup] = true
		}
	}
	var failed []error
	for role := range d.daemons {
		if !want[role] {
			delete(d.daemons, role)
			if err := d.keeper.driver.StopDaemon(role); err != nil && !errors.Is(err, table.ErrNotFound) {
				failed = append(failed, err)
			}
		}
	}
	for role := range want {
		if d.daemons[role] {
			continue
		}
		daemon := *d.cfg.Sync
		daemon.Role = role
		// One that a director before us has left may be set otherwise.
		if err := d.keeper.driver.StopDaemon(role); err != nil && !errors.Is(err, table.ErrNotFound) && !errors.Is(err, table.ErrUnsupported) {
			d.logf(Debug, "lvs_sync_daemon: %v", err)
		}
		err := d.keeper.driver.StartDaemon(daemon)
		if errors.Is(err, table.ErrUnsupported) {
			return nil // a plane without daemons: a Courier does what they do
		}
		if err != nil {
			failed = append(failed, err)
			continue
		}
		d.daemons[role] = true
	}
	if len(failed) > 0 {
		return fmt.Errorf("lvs: lvs_sync_daemon: %w", errors.Join(failed...))
	}
	return nil
}

func (d *director) setRole(instance string, master bool) {
	if was, known := d.master[instance]; known && was == master {
		return
	}
	d.master[instance] = master
	if d.cfg.Sync != nil && d.cfg.SyncInstance == instance {
		if err := d.synchronise(); err != nil {
			d.logf(Warning, "%v", err)
		}
	}
}

// run is the engine's goroutine.
func (d *director) run() {
	look := time.NewTimer(d.keeper.pause())
	defer look.Stop()
	upkeep := time.NewTicker(time.Second)
	defer upkeep.Stop()
	for d.engine.ctx.Err() == nil {
		d.flush()
		select {
		case f := <-d.engine.commands:
			f()
		case r := <-d.checks.results:
			d.result(r)
		case <-d.checks.timer.C:
			d.checks.launch()
		case d.local = <-d.engine.opts.LocalAddresses:
			d.suspend()
		case <-upkeep.C:
			d.upkeep()
		case <-look.C:
			d.keeper.look()
			look.Reset(d.keeper.pause())
		case <-d.engine.ctx.Done():
			return
		}
	}
}

// upkeep does what the plane wants done each second.
func (d *director) upkeep() {
	if d.engine.opts.Upkeep == nil {
		return
	}
	err := d.engine.opts.Upkeep()
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != d.upkeepFailed && err != nil {
		d.logf(Warning, "lvs: %v", err)
	}
	d.upkeepFailed = text
}

// flush writes what has changed once no more news waits, so that many results at once are
// one change of the table.
func (d *director) flush() {
	for range mostNews {
		select {
		case r := <-d.checks.results:
			d.result(r)
			continue
		default:
		}
		break
	}
	d.keeper.write()
}

// mostNews is how many results may be gathered before the table is written.
const mostNews = 1000

// suspend stops the checks of virtual servers whose addresses are elsewhere, and resumes them.
func (d *director) suspend() {
	for _, v := range d.virtuals {
		suspended := v.cfg.HASuspend && d.local != nil && !d.here(v)
		if suspended == v.suspended {
			continue
		}
		v.suspended = suspended
		if suspended {
			d.logf(Info, "Suspending checks of VS %s: its address is not here", v.title)
			continue
		}
		d.logf(Info, "Activating checks of VS %s: its address is here", v.title)
		d.checks.hurry(v)
	}
}

func (d *director) here(v *virtual) bool {
	for _, k := range v.cfg.Keys {
		if k.Mark != 0 || d.local[k.Addr.Addr()] {
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

func newScripts(e *Engine) *program.Queues {
	return program.NewQueues(
		func(ctx context.Context, c config.Command, g config.Global) error {
			return e.opts.Run(ctx, c, g, scriptLimit)
		},
		func(name string, c config.Command, err error) {
			e.opts.Log(Warning, "VS "+name+": notify script "+c.Argv[0]+": "+err.Error())
		})
}

// end is the last that happens.
func (d *director) end() error {
	d.checks.stop()
	for _, v := range d.virtuals {
		if !v.cfg.Omega {
			continue
		}
		for i, s := range v.servers {
			if v.pool.Live(i) {
				d.notifyServer(v, s, false)
			}
		}
		if v.pool.Quorate() {
			d.scripts.Add(v.cfg.Name, v.cfg.QuorumDown, d.global)
		}
	}
	err := d.keeper.remove(d.cfg.FlushOnStop)
	for role := range d.daemons {
		if e := d.keeper.driver.StopDaemon(role); e != nil && err == nil {
			err = e
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastScripts)
	defer cancel()
	if e := d.scripts.Wait(ctx); e != nil {
		d.logf(Warning, "%v", e)
	}
	if e := d.keeper.driver.Close(); err == nil {
		err = e
	}
	return err
}
