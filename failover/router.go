package failover

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/linux/gate"
	"github.com/evenkeel/evenkeel/linux/netif"
	"github.com/evenkeel/evenkeel/linux/rawsock"
	"github.com/evenkeel/evenkeel/linux/realtime"
	"github.com/evenkeel/evenkeel/vrrp"
)

// router is what the router thread owns. None of it is touched elsewhere.
type router struct {
	engine  *Engine
	site    *config.Site
	machine *vrrp.Router
	conn    *netif.Conn
	monitor *netif.Monitor
	gates   *gate.Set

	instances  []*instance // in the order of the configuration
	byID       map[vrrp.ID]*instance
	groups     []*group
	scripts    map[string]*vrrpScript
	proxies    proxies
	ports      map[portKey]*port
	paused     []*port // not watched for now
	announcers map[int]*rawsock.Announcer
	links      map[int]netif.Link
	linkIndex  map[string]int
	virtuals   map[netip.Addr]bool // every instance's addresses, see gate.At

	tokens    map[uint64]func() // what to do when a descriptor is readable
	tokenOf   map[int]uint64    // by descriptor
	nextToken uint64
	ready     []uint64
	effects   []vrrp.Effect
	events    []netif.Event
	ungated   map[int]bool // interfaces whose gate could not be put back; true: it will be tried again
	buf       []byte       // received packets
	batch     rawsock.Batch
	heard     []rawsock.Datagram // of the batch
	advert    []byte             // the advert being sent
	settled   bool
	stopped   bool
	maxLate   time.Duration // how late the thread ever was for a timer
}

// niceness of the threads beside the router's: they get most of a busy processor, but not all.
const niceness = -10

// realTimePriority is the lowest: above ordinary processes, below the kernel's own threads.
const realTimePriority = 1

func newRouter(e *Engine, site *config.Site) (*router, error) {
	r := &router{engine: e, machine: vrrp.NewRouter(),
		byID: map[vrrp.ID]*instance{}, scripts: map[string]*vrrpScript{}, ports: map[portKey]*port{},
		announcers: map[int]*rawsock.Announcer{}, links: map[int]netif.Link{}, ungated: map[int]bool{},
		linkIndex: map[string]int{}, virtuals: map[netip.Addr]bool{},
		tokens: map[uint64]func(){}, tokenOf: map[int]uint64{}, ready: make([]uint64, 0, 64),
		effects: make([]vrrp.Effect, 0, 64),
		buf:     make([]byte, 1<<16), heard: make([]rawsock.Datagram, 0, rawsock.BatchSize),
		advert: make([]byte, 0, vrrp.AdvertLen(3, true, 255))}
	if e.opts.RealTime {
		if err := realtime.RealTime(realTimePriority); err != nil {
			r.logf(LevelWarning, "no real-time scheduling (%v): adverts may be late on a busy machine", err)
		}
		if err := realtime.Precede(niceness); err != nil {
			r.logf(LevelWarning, "no precedence over other processes (%v): adverts may be late on a busy machine", err)
		}
		if err := realtime.LockMemory(); err != nil {
			r.logf(LevelWarning, "memory is not locked (%v): swapping may delay adverts", err)
		}
	}
	if err := r.open(site); err != nil {
		r.close()
		return nil, err
	}
	e.router = r
	r.apply(site)
	if err := r.gates.Settle(); err != nil {
		r.logf(LevelWarning, "lease gate: %v", err)
	}
	return r, nil
}

// open prepares what all instances share.
func (r *router) open(site *config.Site) (err error) {
	if r.monitor, err = netif.OpenMonitor(); err != nil { // before the first look, so that nothing is missed
		return fmt.Errorf("watching interfaces: %w", err)
	}
	if r.conn, err = netif.Dial(); err != nil {
		return fmt.Errorf("rtnetlink: %w", err)
	}
	links, err := r.conn.Links()
	if err != nil {
		return fmt.Errorf("listing interfaces: %w", err)
	}
	r.setLinks(links)
	options := gate.Options{Mode: gateMode(site), Log: func(s string) { r.logf(LevelWarning, "%s", s) }}
	if r.gates, err = gate.New(options); err != nil {
		return fmt.Errorf("lease gate: %w", err)
	}
	r.serve()
	if r.engine.opts.Mirror != nil {
		if err := r.gates.Mirror(r.engine.opts.Mirror); err != nil {
			return err
		}
	}
	if err := r.reclaim(); err != nil {
		return err
	}
	r.refreshAddrs()
	if err := r.evict(site); err != nil {
		return err
	}
	r.logf(LevelInfo, "lease gate: %s", gateName(r.gates.Mode()))
	if why := r.gates.Why(); why != "" {
		r.logf(LevelWarning, "lease gate: %s", why)
	}
	return r.watch(r.monitor.Fd(), r.linkEvents)
}

// reclaim removes addresses that a run which did not end properly has left: those
// with our mark and those its gates guarded. The gates keep them closed until they are gone.
func (r *router) reclaim() error {
	left, err := leftovers(r.conn, r.gates)
	if err != nil {
		return fmt.Errorf("looking for left-over addresses: %w", err)
	}
	return r.takeAway(left)
}

// evict removes addresses that the configuration calls virtual and that are set without an instance of
// ours that holds them.
func (r *router) evict(site *config.Site) error {
	var strange []netif.Assignment
	for _, c := range site.Instances {
		for _, a := range addresses(c) {
			link, ok := r.link(device(c, a))
			if ok && has(link.Addrs, a.Prefix) && !r.holds(link.Index, a.Prefix.Addr()) {
				strange = append(strange, netif.Assignment{Ifindex: link.Index, Addr: a})
			}
		}
	}
	return r.takeAway(strange)
}

// holds reports whether one of our instances has set an address.
func (r *router) holds(ifindex int, ip netip.Addr) bool {
	return slices.ContainsFunc(r.instances, func(m *instance) bool {
		return slices.ContainsFunc(m.assigned, func(a netif.Assignment) bool {
			return a.Ifindex == ifindex && a.Addr.Prefix.Addr() == ip
		})
	})
}

// takeAway removes addresses that nobody of ours answers for.
func (r *router) takeAway(as []netif.Assignment) error {
	if len(as) == 0 {
		return nil
	}
	told := map[string]bool{}
	for _, a := range as {
		if !told[a.String()] {
			told[a.String()] = true
			r.logf(LevelNotice, "removing %v, set by an earlier run or by someone else", a)
		}
	}
	if err := r.conn.Remove(as); err != nil {
		return fmt.Errorf("removing virtual addresses that are set already: %w", err)
	}
	return nil
}

// run is the thread's life.
func (r *router) run() {
	for !r.stopped {
		ready, err := r.engine.poller.Wait(r.deadline(), r.ready)
		if err != nil {
			r.logf(LevelError, "waiting for events: %v", err)
			time.Sleep(10 * time.Millisecond) // never spin on a broken poller
		}
		r.turn(ready)
	}
	r.close()
}

// turn handles what has happened: datagrams first, then orders, then at most one
// timer, so that the next timer is judged after datagrams that came meanwhile.
func (r *router) turn(ready []uint64) {
	for _, token := range ready {
		if f := r.tokens[token]; f != nil {
			f()
		}
	}
	for pending := true; pending && !r.stopped; {
		select {
		case f := <-r.engine.commands:
			if f == nil {
				r.stop()
			} else {
				f(vrrp.Time(realtime.Now()))
			}
		default:
			pending = false
		}
	}
	now := vrrp.Time(realtime.Now())
	if len(r.paused) > 0 {
		r.resume(now, r.machine.Deadline() <= now)
		now = vrrp.Time(realtime.Now())
	}
	if due := r.machine.Deadline(); due <= now {
		r.maxLate = max(r.maxLate, now.Sub(due))
		r.carry(r.machine.Tick(now, r.effects[:0]))
	}
	r.spread(now)
	r.checkSettled()
}

// deadline is when the thread must wake by itself.
func (r *router) deadline() time.Duration {
	d := r.machine.Deadline()
	for _, m := range r.instances {
		d = min(d, m.burst.next)
	}
	for _, p := range r.paused {
		d = min(d, p.read.Add(readPause))
	}
	if d == vrrp.Never || d > math.MaxInt64/2 {
		return -1
	}
	return time.Duration(d)
}

func (r *router) checkSettled() {
	if r.settled {
		return
	}
	for _, m := range r.instances {
		if m.state == vrrp.Init {
			return
		}
	}
	r.settled = true
	close(r.engine.settled)
}

// watch calls f on the thread whenever fd is readable.
func (r *router) watch(fd int, f func()) error {
	r.nextToken++
	if err := r.engine.poller.Add(fd, r.nextToken); err != nil {
		return err
	}
	r.tokens[r.nextToken], r.tokenOf[fd] = f, r.nextToken
	return nil
}

// unwatch undoes watch. An event already reported for fd finds nobody.
func (r *router) unwatch(fd int) {
	r.engine.poller.Remove(fd)
	delete(r.tokens, r.tokenOf[fd])
	delete(r.tokenOf, fd)
}

// stop leaves every election.
func (r *router) stop() {
	for _, m := range r.instances {
		r.carry(r.machine.Stop(vrrp.Time(realtime.Now()), m.id, nil))
	}
	for _, s := range r.scripts {
		s.stop()
	}
	r.stopped = true
}

// close frees what open took. Gates go last, and only when no address is left
// that they would have to guard.
func (r *router) close() {
	for _, p := range r.ports {
		p.socket.Close()
	}
	for _, a := range r.announcers {
		a.Close()
	}
	if r.gates != nil {
		if err := r.gates.Shutdown(); err != nil {
			r.logf(LevelWarning, "lease gate: %v", err)
		}
	}
	if r.conn != nil {
		r.conn.Close()
	}
	if r.monitor != nil {
		r.monitor.Close()
	}
}

func (r *router) logf(level Level, format string, args ...any) {
	r.engine.opts.Log(level, fmt.Sprintf(format, args...))
}

// gateMode is the one mode the instances ask for, or auto if they leave it open
// or ask for different ones. With no instance that wants a gate there is none.
func gateMode(site *config.Site) config.GateMode {
	mode := config.GateOff
	for _, c := range site.Instances {
		switch {
		case c.Gate == config.GateOff || c.Gate == mode:
		case mode == config.GateOff:
			mode = c.Gate
		default:
			return config.GateAuto
		}
	}
	if len(site.Instances) == 0 {
		return config.GateAuto
	}
	return mode
}

func gateName(m config.GateMode) string {
	switch m {
	case config.GateEBPF:
		return "ebpf"
	case config.GateNFT:
		return "nft"
	case config.GateLifetime:
		return "lifetime"
	case config.GateOff:
		return "off"
	}
	return "auto"
}
