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

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/failover"
	"github.com/evenkeel/evenkeel/linux/ipvs"
	"github.com/evenkeel/evenkeel/linux/netif"
	"github.com/evenkeel/evenkeel/linux/xdp"
	"github.com/evenkeel/evenkeel/lvs"
	"github.com/evenkeel/evenkeel/lvs/table"
	"github.com/evenkeel/evenkeel/probe"
	"github.com/evenkeel/evenkeel/script"
)

// forwarding is the LVS half of the director: the virtual servers, and the plane that forwards for
// them. The zero value has neither.
type forwarding struct {
	log        *logger
	vet        func(config.Command, config.Global) (config.Command, string)
	runtimeDir string

	global atomic.Pointer[config.Global] // of the site in force
	mu     sync.Mutex                    // guards engine, connSync, sync and since against status and roles
	engine *lvs.Engine                   // written by start only
	// plane is our own forwarding plane, nil with the kernel's IPVS. It outlives an engine: lease
	// gates write into it.
	plane     *xdp.Plane
	driver    config.LVSDriver
	sync      string // the vrrp_instance whose state the kernel's synchronisation daemon follows
	connSync  *lvs.ConnSync
	syncLinks []lvs.SyncLink       // its
	since     map[string]time.Time // when each vrrp_instance became what it is
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
func (f *forwarding) start(site *config.Site) error {
	cfg := site.LVS
	if cfg == nil {
		return nil
	}
	f.global.Store(&site.Global)
	driver, err := f.open(cfg)
	if err != nil {
		return err
	}
	if err := f.lease(site); err != nil {
		f.shut(driver)
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	opts := lvs.Options{
		Driver:    driver,
		Log:       func(l lvs.Level, s string) { f.log.Log(failover.Level(l), s) },
		Attempt:   f.attempt,
		Run:       f.runScript,
		StateFile: filepath.Join(f.runtimeDir, "lvs.json"),
	}
	if f.plane != nil {
		opts.Upkeep = f.upkeep
	}
	if opts.LocalAddresses, err = localAddresses(ctx); err != nil {
		cancel()
		f.shut(driver)
		return err
	}
	engine, err := lvs.Start(cfg, site.Global, opts)
	if err != nil {
		cancel()
		f.shut(driver)
		return err
	}
	f.mu.Lock()
	f.engine, f.sync = engine, cfg.SyncInstance
	f.mu.Unlock()
	f.cancel, f.driver = cancel, cfg.Driver
	f.startConnSync(site)
	return nil
}

// attempt asks a real server once. A script is one that may be run.
func (f *forwarding) attempt(ctx context.Context, c *config.Checker, rs *config.RealServer) lvs.Outcome {
	if c.Kind == config.CheckerMisc && f.vet != nil {
		vetted, why := f.vet(c.Command, *f.global.Load())
		if why != "" {
			return lvs.Outcome{Reason: why}
		}
		judged := *c
		judged.Command = vetted
		c = &judged
	}
	o := probe.Attempt(ctx, c, rs)
	return lvs.Outcome{OK: o.OK, Weight: o.Weight, HasWeight: o.HasWeight, Reason: o.Reason}
}

// runScript runs a quorum or notify script that may be run.
func (f *forwarding) runScript(ctx context.Context, c config.Command, g config.Global, limit time.Duration) error {
	if f.vet != nil {
		var why string
		if c, why = f.vet(c, g); why != "" {
			return errors.New(why)
		}
	}
	return script.Run(ctx, c, g.ScriptUser, limit)
}

// shut closes a driver when start fails after opening it: there is no plane then.
func (f *forwarding) shut(driver table.Driver) {
	driver.Close()
	f.mu.Lock()
	f.plane, f.leased = nil, nil
	f.mu.Unlock()
}

// upkeep is what our plane wants done each second.
func (f *forwarding) upkeep() error {
	if err := f.plane.Neighbours(); err != nil {
		return err
	}
	if _, err := f.plane.Sweep(); err != nil {
		return err
	}
	return f.warnTableFull()
}

// startConnSync synchronises connections with the peers over the links that a site asks for.
func (f *forwarding) startConnSync(site *config.Site) {
	if f.plane == nil {
		return // the kernel's IPVS has a daemon of its own
	}
	links := syncLinksOf(site)
	if slices.EqualFunc(links, f.syncLinks, lvs.SyncLink.Equal) {
		return
	}
	if f.connSync != nil {
		f.connSync.Close()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.connSync = nil
	if f.syncLinks = links; len(links) > 0 {
		f.connSync = lvs.StartConnSync(f.plane, links, func(l lvs.Level, s string) { f.log.Log(failover.Level(l), s) })
	}
}

// Where messages go without lvs_sync_daemon. The group is that of the kernel's daemon; the port is
// not, because it would not understand them.
var (
	syncGroup4 = netip.MustParseAddr("224.0.0.81")
	syncGroup6 = netip.MustParseAddr("ff02::81")
)

const syncPort = 8849

// syncLinksOf are the links to the peers of a site: that of lvs_sync_daemon, or else one for
// each interface on which an instance guards a virtual server's address.
func syncLinksOf(site *config.Site) (links []lvs.SyncLink) {
	if site.LVS == nil {
		return nil
	}
	if s := site.LVS.Sync; s != nil {
		l := lvs.SyncLink{Interface: s.Interface, Group: s.Group, Port: s.Port, ID: s.ID}
		if !l.Group.IsValid() {
			l.Group = syncGroup4
		}
		if l.IPv6 = l.Group.Is6(); l.Port == 0 {
			l.Port = syncPort
		}
		return []lvs.SyncLink{l}
	}
	services := map[netip.Addr]bool{}
	for _, vs := range site.LVS.Servers {
		for _, k := range vs.Keys {
			services[k.Addr.Addr()] = true
		}
	}
	for _, i := range site.Instances {
		if !slices.ContainsFunc(slices.Concat(i.Addresses, i.Excluded),
			func(a config.Address) bool { return services[a.Prefix.Addr()] }) {
			continue
		}
		l := lvs.SyncLink{Interface: i.Interface, IPv6: i.IPv6, Group: syncGroup4, Port: syncPort, ID: i.VRID}
		if i.IPv6 {
			l.Group = syncGroup6
		}
		for _, p := range i.Peers {
			l.Peers = append(l.Peers, p.Addr)
		}
		same := func(o lvs.SyncLink) bool {
			return o.Interface == l.Interface && o.IPv6 == l.IPv6 && slices.Equal(o.Peers, l.Peers)
		}
		if at := slices.IndexFunc(links, same); at >= 0 { // crossed instances share a link
			links[at].ID = min(links[at].ID, l.ID)
			continue
		}
		links = append(links, l)
	}
	return links
}

// open opens the forwarding plane that the configuration asks for: without a word of it our own one where it still
// serves, after a director that was killed, because it stands before the kernel's IPVS; or else the kernel's where
// there is one.
func (f *forwarding) open(cfg *config.LVS) (table.Driver, error) {
	serving, err := xdp.Serving("")
	if err != nil && cfg.Driver == config.DriverAuto {
		f.log.logf(failover.LevelWarning, "%v", err)
	}
	switch {
	case cfg.Driver == config.DriverIPVS, cfg.Driver == config.DriverAuto && !serving && ipvs.Available():
		if serving {
			f.log.logf(failover.LevelWarning,
				"our own forwarding plane still has services here and takes precedence over the kernel's IPVS: "+
					"evenkeel purge --plane removes it")
		}
		driver, err := ipvs.Open()
		if err != nil {
			return nil, err
		}
		return driver, nil
	}
	plane, err := xdp.Open(xdp.Options{TableSize: cfg.TableSize,
		Log: func(s string) { f.log.Log(failover.LevelInfo, s) }})
	if err != nil {
		if cfg.Driver == config.DriverAuto {
			err = fmt.Errorf("the kernel has no IPVS (modprobe ip_vs), and our own forwarding plane does not start: %w",
				err)
		}
		return nil, err
	}
	f.mu.Lock()
	f.plane = plane
	f.mu.Unlock()
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
func (f *forwarding) lease(site *config.Site) error {
	if f.plane == nil {
		return nil
	}
	want := gated(site)
	if f.leased == nil {
		f.leased = map[netip.Addr]bool{}
	}
	for a := range want {
		if f.leased[a] {
			continue
		}
		deadline, err := f.plane.Lease(a)
		if err != nil {
			return fmt.Errorf("a deadline for %s: %w", a, err)
		}
		deadline.Store(0) // whatever a run before us has left
		f.leased[a] = true
	}
	return nil
}

// unlease lets services forward always whose address no gate stands before any more.
func (f *forwarding) unlease(site *config.Site) {
	if f.plane == nil || site.LVS == nil {
		return
	}
	keep := gated(site)
	for _, vs := range site.LVS.Servers {
		for _, k := range vs.Keys {
			if a := k.Addr.Addr(); a.IsValid() && !keep[a] {
				if err := f.plane.Unlease(a); err != nil {
					f.log.logf(failover.LevelWarning, "%v", err)
				}
				delete(f.leased, a)
			}
		}
	}
}

// mirror is where a gate writes the deadline of an address for the plane; see failover.Options.
func (f *forwarding) mirror() func(netip.Addr) (*atomic.Int64, error) {
	plane := f.plane
	if plane == nil {
		return nil
	}
	return func(a netip.Addr) (*atomic.Int64, error) { return plane.Lease(a) }
}

// apply changes to another site's virtual servers.
func (f *forwarding) apply(site *config.Site) (string, error) {
	cfg := site.LVS
	switch {
	case f.engine == nil && cfg == nil:
		return "", nil
	case f.engine == nil:
		if err := f.start(site); err != nil {
			return "", err
		}
		return fmt.Sprintf("%d virtual servers", len(cfg.Servers)), nil
	}
	if cfg != nil && cfg.Driver != f.driver {
		return "", errors.New("lvs_driver changes with a restart only")
	}
	if err := f.lease(site); err != nil {
		return "", err
	}
	f.global.Store(&site.Global)
	summary, err := f.engine.Apply(cfg, site.Global)
	if err == nil && cfg != nil {
		f.mu.Lock()
		f.sync = cfg.SyncInstance
		f.mu.Unlock()
		f.startConnSync(site)
	}
	return summary, err
}

// running tells whether there are virtual servers.
func (f *forwarding) running() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.engine != nil
}

// roles tells the engine what the instance that its synchronisation daemon follows has become, and has a full sync
// made when an instance becomes backup or master. It wants virtual servers to be running.
func (f *forwarding) roles(s failover.Status) {
	f.mu.Lock()
	engine, sync, follows := f.engine, f.connSync, f.sync
	var back, over bool
	if sync != nil {
		back, over = f.moved(s)
	}
	f.mu.Unlock()
	if back {
		sync.SendFull()
	}
	if back || over {
		sync.RequestFull()
	}
	for _, i := range s.Instances {
		if i.Name == follows {
			engine.SetRole(i.Name, i.State == "MASTER")
		}
	}
}

// moved tells whether an instance has become BACKUP, or MASTER, since the last time.
func (f *forwarding) moved(s failover.Status) (back, over bool) {
	since := map[string]time.Time{}
	for _, i := range s.Instances {
		since[i.Name] = i.Since
		if !i.Since.Equal(f.since[i.Name]) {
			back = back || i.State == "BACKUP"
			over = over || i.State == "MASTER"
		}
	}
	f.since = since
	return back, over
}

// status is what the virtual servers are like, nil if there are none.
func (f *forwarding) status() *lvs.Status {
	f.mu.Lock()
	engine := f.engine
	f.mu.Unlock()
	if engine == nil {
		return nil
	}
	s, err := engine.Status()
	if err != nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.connSync != nil {
		stats := f.connSync.Stats()
		s.ConnSync = &stats
	}
	if f.plane != nil {
		counters, err := f.plane.Counters()
		if err != nil {
			f.log.logf(failover.LevelWarning, "%v", err)
		}
		for _, c := range counters {
			s.Packets = append(s.Packets, lvs.Fate(c))
		}
	}
	return &s
}

// warnTableFull warns when flows find no room in the plane's table, once a minute at most.
func (f *forwarding) warnTableFull() error {
	counters, err := f.plane.Counters()
	if err != nil {
		return err
	}
	at := slices.IndexFunc(counters, func(c xdp.Counter) bool { return c.Name == xdp.TableFull })
	full := counters[at].Packets
	if now := time.Now(); f.looked && full > f.full && now.Sub(f.fullTold) > time.Minute {
		f.fullTold = now
		f.log.logf(failover.LevelWarning,
			"the table of flows is full: further ones may be forgotten, and are not sent to the peer; a larger "+
				"lvs_table_size takes effect when the plane is recreated (evenkeel purge --plane)")
	}
	f.full, f.looked = full, true
	return nil
}

// close ends the virtual servers.
func (f *forwarding) close() error {
	if f.engine == nil {
		return nil
	}
	if f.connSync != nil {
		f.connSync.Close()
	}
	err := f.engine.Close()
	f.cancel()
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
