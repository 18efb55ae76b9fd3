package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/evenkeel/evenkeel/check"
	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/failover"
	"github.com/evenkeel/evenkeel/linux/ipvs"
	"github.com/evenkeel/evenkeel/linux/netif"
	"github.com/evenkeel/evenkeel/linux/xdp"
	"github.com/evenkeel/evenkeel/lvs"
	"github.com/evenkeel/evenkeel/lvs/table"
	"github.com/evenkeel/evenkeel/program"
)

// directing is the LVS half of the director: the virtual servers, and the plane that forwards for
// them. The zero value has neither.
type directing struct {
	log        *logger
	vet        func(config.Command, config.Global) (config.Command, string)
	runtimeDir string

	global atomic.Pointer[config.Global] // of the site in force
	mu     sync.Mutex                    // guards engine, courier, sync and since against status and roles
	engine *lvs.Engine                   // written by start only
	// plane is our own forwarding plane, nil with the kernel's IPVS. It outlives an engine: lease
	// gates write into it.
	plane   *xdp.Plane
	driver  config.LVSDriver
	sync    string // the vrrp_instance whose state the kernel's synchronisation daemon follows
	courier *lvs.Courier
	lines   []lvs.Line           // its
	since   map[string]time.Time // when each vrrp_instance became what it is
	// leased are the addresses that have a deadline in the plane.
	leased map[netip.Addr]bool
	cancel context.CancelFunc

	// Only upkeep touches these: packets that found the table full, up to the last look, and when that was said.
	full     uint64
	looked   bool
	fullTold time.Time
}

// start takes charge of the virtual servers of a site. It comes before the election, so that a
// gate that opens finds its place.
func (d *directing) start(site *config.Site) error {
	cfg := site.Directing
	if cfg == nil {
		return nil
	}
	d.global.Store(&site.Global)
	driver, err := d.open(cfg)
	if err != nil {
		return err
	}
	if err := d.lease(site); err != nil {
		d.shut(driver)
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	opts := lvs.Options{
		Driver: driver,
		Log:    func(l lvs.Level, s string) { d.log.Log(failover.Level(l), s) },
		Verify: func(ctx context.Context, c *config.Checker, rs *config.RealServer) lvs.Verdict {
			if c.Kind == config.CheckerMisc && d.vet != nil {
				vetted, why := d.vet(c.Command, *d.global.Load())
				if why != "" {
					return lvs.Verdict{Reason: why}
				}
				judged := *c
				judged.Command = vetted
				c = &judged
			}
			return verify(ctx, c, rs)
		},
		Run: func(ctx context.Context, c config.Command, g config.Global, limit time.Duration) error {
			if d.vet != nil {
				var why string
				if c, why = d.vet(c, g); why != "" {
					return errors.New(why)
				}
			}
			return program.Run(ctx, c, g.ScriptUser, limit)
		},
		StateFile: filepath.Join(d.runtimeDir, "lvs.json"),
	}
	if d.plane != nil {
		opts.Upkeep = d.upkeep
	}
	if opts.LocalAddresses, err = localAddresses(ctx); err != nil {
		cancel()
		d.shut(driver)
		return err
	}
	engine, err := lvs.Start(cfg, site.Global, opts)
	if err != nil {
		cancel()
		d.shut(driver)
		return err
	}
	d.mu.Lock()
	d.engine, d.sync = engine, cfg.SyncInstance
	d.mu.Unlock()
	d.cancel, d.driver = cancel, cfg.Driver
	d.correspond(site)
	return nil
}

// shut closes a driver that start has opened in vain: there is no plane then.
func (d *directing) shut(driver table.Driver) {
	driver.Close()
	d.mu.Lock()
	d.plane, d.leased = nil, nil
	d.mu.Unlock()
}

// upkeep is what our plane wants done each second.
func (d *directing) upkeep() error {
	if err := d.plane.Neighbours(); err != nil {
		return err
	}
	if _, err := d.plane.Sweep(); err != nil {
		return err
	}
	return d.crowded()
}

// correspond has flows told to the other directors and theirs learnt, over the lines that a site asks for.
func (d *directing) correspond(site *config.Site) {
	if d.plane == nil {
		return // the kernel's IPVS has a daemon of its own
	}
	lines := linesOf(site)
	if slices.EqualFunc(lines, d.lines, lvs.Line.Equal) {
		return
	}
	if d.courier != nil {
		d.courier.Close()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.courier = nil
	if d.lines = lines; len(lines) > 0 {
		d.courier = lvs.StartCourier(d.plane, lines, func(l lvs.Level, s string) { d.log.Log(failover.Level(l), s) })
	}
}

// Where letters go without lvs_sync_daemon. The group is that of the kernel's daemon; the port is
// not, because it would not understand them.
var (
	syncGroup4 = netip.MustParseAddr("224.0.0.81")
	syncGroup6 = netip.MustParseAddr("ff02::81")
)

const syncPort = 8849

// linesOf are the lines between the directors of a site: that of lvs_sync_daemon, or else one for
// each interface on which an instance guards a virtual server's address.
func linesOf(site *config.Site) (lines []lvs.Line) {
	if site.Directing == nil {
		return nil
	}
	if s := site.Directing.Sync; s != nil {
		l := lvs.Line{Interface: s.Interface, Group: s.Group, Port: s.Port, ID: s.ID}
		if !l.Group.IsValid() {
			l.Group = syncGroup4
		}
		if l.IPv6 = l.Group.Is6(); l.Port == 0 {
			l.Port = syncPort
		}
		return []lvs.Line{l}
	}
	services := map[netip.Addr]bool{}
	for _, vs := range site.Directing.Servers {
		for _, k := range vs.Keys {
			services[k.Addr.Addr()] = true
		}
	}
	for _, i := range site.Instances {
		if !slices.ContainsFunc(slices.Concat(i.Addresses, i.Excluded), func(a config.Address) bool { return services[a.Prefix.Addr()] }) {
			continue
		}
		l := lvs.Line{Interface: i.Interface, IPv6: i.IPv6, Group: syncGroup4, Port: syncPort, ID: i.VRID}
		if i.IPv6 {
			l.Group = syncGroup6
		}
		for _, p := range i.Peers {
			l.Peers = append(l.Peers, p.Addr)
		}
		same := func(o lvs.Line) bool {
			return o.Interface == l.Interface && o.IPv6 == l.IPv6 && slices.Equal(o.Peers, l.Peers)
		}
		if at := slices.IndexFunc(lines, same); at >= 0 { // crossed instances share a line
			lines[at].ID = min(lines[at].ID, l.ID)
			continue
		}
		lines = append(lines, l)
	}
	return lines
}

// verify makes one attempt of a check.
func verify(ctx context.Context, c *config.Checker, rs *config.RealServer) lvs.Verdict {
	v := check.Verify(ctx, c, rs)
	return lvs.Verdict{OK: v.OK, Weight: v.Weight, HasWeight: v.HasWeight, Reason: v.Reason}
}

// open opens the forwarding plane that the configuration asks for: without a word of it our own one where it still
// serves, after a director that was killed, because it stands before the kernel's IPVS; or else the kernel's where
// there is one.
func (d *directing) open(cfg *config.Directing) (table.Driver, error) {
	serving, err := xdp.Serving("")
	if err != nil && cfg.Driver == config.DriverAuto {
		d.log.logf(failover.LevelWarning, "%v", err)
	}
	switch {
	case cfg.Driver == config.DriverIPVS, cfg.Driver == config.DriverAuto && !serving && ipvs.Available():
		if serving {
			d.log.logf(failover.LevelWarning, "our own forwarding plane still has services here and stands before the kernel's IPVS: evenkeel purge --plane takes it away")
		}
		driver, err := ipvs.Open()
		if err != nil {
			return nil, err
		}
		return driver, nil
	}
	plane, err := xdp.Open(xdp.Options{TableSize: cfg.TableSize, Log: func(s string) { d.log.Log(failover.LevelInfo, s) }})
	if err != nil {
		if cfg.Driver == config.DriverAuto {
			err = fmt.Errorf("the kernel has no IPVS (modprobe ip_vs), and our own forwarding plane does not start: %w", err)
		}
		return nil, err
	}
	d.mu.Lock()
	d.plane = plane
	d.mu.Unlock()
	return plane, nil
}

// gated are the virtual addresses that lease gates of a site stand before.
func gated(site *config.Site) map[netip.Addr]bool {
	addrs := map[netip.Addr]bool{}
	for _, i := range site.Instances {
		if i.Gate == config.GateOff {
			continue
		}
		for _, list := range [][]config.Address{i.Addresses, i.Excluded} {
			for _, a := range list {
				addrs[a.Prefix.Addr().Unmap()] = true
			}
		}
	}
	return addrs
}

// lease gives the addresses that gates stand before their deadlines in the plane, closed until a gate opens.
func (d *directing) lease(site *config.Site) error {
	if d.plane == nil {
		return nil
	}
	want := gated(site)
	if d.leased == nil {
		d.leased = map[netip.Addr]bool{}
	}
	for a := range want {
		if d.leased[a] {
			continue
		}
		deadline, err := d.plane.Lease(a)
		if err != nil {
			return fmt.Errorf("a deadline for %s: %w", a, err)
		}
		deadline.Store(0) // whatever a run before us has left
		d.leased[a] = true
	}
	return nil
}

// unlease lets services forward always whose address no gate stands before any more.
func (d *directing) unlease(site *config.Site) {
	if d.plane == nil || site.Directing == nil {
		return
	}
	keep := gated(site)
	for _, vs := range site.Directing.Servers {
		for _, k := range vs.Keys {
			if a := k.Addr.Addr(); a.IsValid() && !keep[a] {
				if err := d.plane.Unlease(a); err != nil {
					d.log.logf(failover.LevelWarning, "%v", err)
				}
				delete(d.leased, a)
			}
		}
	}
}

// mirror is where a gate writes the deadline of an address for the plane; see failover.Options.
func (d *directing) mirror() func(netip.Addr) (*atomic.Int64, error) {
	plane := d.plane
	if plane == nil {
		return nil
	}
	return func(a netip.Addr) (*atomic.Int64, error) { return plane.Lease(a) }
}

// apply changes to another site's virtual servers.
func (d *directing) apply(site *config.Site) (string, error) {
	cfg := site.Directing
	switch {
	case d.engine == nil && cfg == nil:
		return "", nil
	case d.engine == nil:
		if err := d.start(site); err != nil {
			return "", err
		}
		return fmt.Sprintf("%d virtual servers", len(cfg.Servers)), nil
	}
	if cfg != nil && cfg.Driver != d.driver {
		return "", errors.New("lvs_driver changes with a restart only")
	}
	if err := d.lease(site); err != nil {
		return "", err
	}
	d.global.Store(&site.Global)
	summary, err := d.engine.Apply(cfg, site.Global)
	if err == nil && cfg != nil {
		d.mu.Lock()
		d.sync = cfg.SyncInstance
		d.mu.Unlock()
		d.correspond(site)
	}
	return summary, err
}

// running tells whether there are virtual servers.
func (d *directing) running() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.engine != nil
}

// roles tells the engine what the instance that its synchronisation daemon follows has become, and has flows told
// between the directors when one steps back, comes back or takes over. It wants virtual servers to be running.
func (d *directing) roles(s failover.Status) {
	d.mu.Lock()
	engine, courier, follows := d.engine, d.courier, d.sync
	var back, over bool
	if courier != nil {
		back, over = d.moved(s)
	}
	d.mu.Unlock()
	if back {
		courier.Tell()
	}
	if back || over {
		courier.Ask()
	}
	for _, i := range s.Instances {
		if i.Name == follows {
			engine.SetRole(i.Name, i.State == "MASTER")
		}
	}
}

// moved tells whether an instance has become BACKUP, or MASTER, since the last time.
func (d *directing) moved(s failover.Status) (back, over bool) {
	since := map[string]time.Time{}
	for _, i := range s.Instances {
		since[i.Name] = i.Since
		if !i.Since.Equal(d.since[i.Name]) {
			back = back || i.State == "BACKUP"
			over = over || i.State == "MASTER"
		}
	}
	d.since = since
	return back, over
}

// status is what the virtual servers are like, nil if there are none.
func (d *directing) status() *lvs.Status {
	d.mu.Lock()
	engine := d.engine
	d.mu.Unlock()
	if engine == nil {
		return nil
	}
	s, err := engine.Status()
	if err != nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.courier != nil {
		letters := d.courier.Stats()
		s.Letters = &letters
	}
	if d.plane != nil {
		counters, err := d.plane.Counters()
		if err != nil {
			d.log.logf(failover.LevelWarning, "%v", err)
		}
		for _, c := range counters {
			s.Packets = append(s.Packets, lvs.Fate(c))
		}
	}
	return &s
}

// crowded says so when flows find no room in the plane's table, once a minute at most.
func (d *directing) crowded() error {
	counters, err := d.plane.Counters()
	if err != nil {
		return err
	}
	at := slices.IndexFunc(counters, func(c xdp.Counter) bool { return c.Name == xdp.TableFull })
	full := counters[at].Packets
	if now := time.Now(); d.looked && full > d.full && now.Sub(d.fullTold) > time.Minute {
		d.fullTold = now
		d.log.logf(failover.LevelWarning, "the table of flows is full: those beyond it may be forgotten, and the other director is not told of them; a larger lvs_table_size holds when the plane is made anew (evenkeel purge --plane)")
	}
	d.full, d.looked = full, true
	return nil
}

// close ends the virtual servers.
func (d *directing) close() error {
	if d.engine == nil {
		return nil
	}
	if d.courier != nil {
		d.courier.Close()
	}
	err := d.engine.Close()
	d.cancel()
	return err
}

// localAddresses tells which addresses this machine has, now and after each change.
func localAddresses(ctx context.Context) (<-chan map[netip.Addr]bool, error) {
	events, err := netif.Watch(ctx) // before the first look, so that nothing is missed
	if err != nil {
		return nil, err
	}
	conn, err := netif.Dial()
	if err != nil {
		return nil, err
	}
	look := func() map[netip.Addr]bool {
		links, err := conn.Links()
		if err != nil {
			return nil
		}
		addrs := map[netip.Addr]bool{}
		for _, l := range links {
			for _, p := range l.Addrs {
				addrs[p.Addr()] = true
			}
		}
		return addrs
	}
	out := make(chan map[netip.Addr]bool, 1)
	out <- look()
	go func() {
		defer conn.Close()
		for e := range events {
			if e.Kind == netif.LinkChanged {
				continue
			}
			now := look()
			if now == nil {
				continue
			}
			select { // only the latest counts
			case <-out:
			default:
			}
			select {
			case out <- now:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, nil
}
