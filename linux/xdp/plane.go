package xdp

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/lvs/table"
)

// Mode says where packets are caught.
type Mode uint8

// Modes.
const (
	Auto       Mode = iota // tc, and XDP in front of it on links where a self-test packet proves it
	TC                     // tc only
	XDPNative              // tc, and native XDP; a link that fails the self-test is an error
	XDPGeneric             // tc, and generic XDP: for tests, it is slower than tc alone
)

// Options of [Open].
type Options struct {
	// Dir is the directory in a bpffs where everything is pinned; empty:
	// /sys/fs/bpf/evenkeel/<inode of the network namespace>.
	Dir string
	// Interfaces are those whose incoming packets are looked at; empty: every Ethernet
	// interface that is up and is no member of a bridge, bond or team.
	Interfaces []string
	Mode       Mode
	// Clsact attaches tc programs through the clsact qdisc, as is done on kernels without TCX (before 6.6).
	Clsact bool
	// TableSize is how many flows can be remembered, 1024 to 1<<26; 0: 1<<20. Looked at only when
	// there is no plane yet.
	TableSize int
	// Keep leaves the interfaces of a plane that is there already as they are; for commands that look or change
	// by hand.
	Keep bool
	Log  func(string) // may be nil
}

const defaultTableSize = 1 << 20

// Plane is an open forwarding plane. Any goroutine may call its methods; they wait for each other.
type Plane struct {
	mu       sync.Mutex // held by every method but Events, which has a view of its own
	options  Options
	pins     *pinDir
	netlink  *netlink.Handle
	maps     map[string]*ebpf.Map
	programs map[string]*ebpf.Program
	attacher *attacher

	memory   [][]byte // mapped, to be unmapped
	settings *settings
	leases   []byte
	lessons  []byte

	// What the tables hold, as of revision.
	revision uint64
	services map[serviceKey]*service
	blocks   [][]byte // destinations
	counts   []*ebpf.Map
	free     []uint32 // slots nobody uses, the next one last
	gone     map[goneKey]uint32
	indices  map[uint32]bool // of services, in use
	// nextIndex is where the search for one nobody uses goes on.
	nextIndex uint32
	lookedAt  uint32     // the slot whose route was looked up last
	ended     []*service // deleted, their arrangements not yet

	tick    time.Duration
	rated   map[uint32]sample
	sweeper *sweeper
	failed  map[int]time.Time // links where XDP was refused, by index
	mtus    map[int]int       // of links, while the plane is held
}

var _ table.Driver = (*Plane)(nil)

// Open opens the network namespace's plane, and makes it if there is none. The calling
// goroutine must be locked to its thread if that is in another network namespace than the process.
func Open(o Options) (*Plane, error) {
	switch {
	case o.TableSize == 0:
		o.TableSize = defaultTableSize
	case o.TableSize < 1024 || o.TableSize > 1<<26:
		return nil, fmt.Errorf("xdp: a table of %d flows: it must be 1024 to %d", o.TableSize, 1<<26)
	}
	if o.Log == nil {
		o.Log = func(string) {}
	}
	at, err := pinDirOf(o.Dir)
	if err != nil {
		return nil, err
	}
	if err := at.make(); err != nil {
		return nil, err
	}
	p := &Plane{options: o, pins: at}
	if err := at.hold(); err != nil {
		return nil, err
	}
	defer at.release()
	before, err := at.names()
	if err != nil {
		return nil, err
	}
	if err := p.open(); err != nil {
		if len(before) == 0 {
			err = errors.Join(err, p.undo())
		}
		p.Close()
		return nil, err
	}
	return p, nil
}

// undo takes away what was made of a plane that does not start.
func (p *Plane) undo() error {
	if p.attacher == nil {
		return nil
	}
	return errors.Join(p.purge(), p.pins.removeDir())
}

func (p *Plane) open() (err error) {
	if p.netlink, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return fmt.Errorf("xdp: opening an rtnetlink socket: %w", err)
	}
	p.attacher = &attacher{pins: p.pins, links: p.netlink, withTCX: !p.options.Clsact}
	cookie, err := namespaceCookie()
	if err != nil {
		return err
	}
	err = p.openTables(cookie)
	if errors.Is(err, errLayout) {
		p.options.Log(fmt.Sprintf("the forwarding plane in %s is another version's or another network namespace's: "+
			"it is recreated, its flows are lost", p.pins.dir))
		if err := p.purge(); err != nil {
			return err
		}
		err = p.openTables(cookie)
	}
	return err
}

// openTables opens or makes everything.
func (p *Plane) openTables(cookie uint64) error {
	spec, err := newCollectionSpec(p.options.TableSize)
	if err != nil {
		return err
	}
	if err := p.kernelMaps(spec); err != nil {
		return err
	}
	if err := p.mapAll(); err != nil {
		return err
	}
	switch {
	case p.settings.version == 0:
		cpus, err := ebpf.PossibleCPU()
		if err != nil {
			return fmt.Errorf("xdp: counting processors: %w", err)
		}
		p.settings.begin(cookie, p.options.TableSize, int(p.maps[programMapPlaneRecent].MaxEntries())/cpus)
	case p.settings.version != layoutVersion || p.settings.netns != cookie:
		return errLayout
	}
	p.tick = time.Duration(p.settings.tick)
	fresh := p.settings.build == 0
	if err := p.kernelPrograms(spec); err != nil {
		return err
	}
	if !fresh && p.options.Keep {
		p.options.Interfaces = nil
		if p.settings.everywhere == 0 {
			return nil
		}
	}
	return p.watch()
}

// mapAll maps what is shared with the programs.
func (p *Plane) mapAll() error {
	for _, m := range []struct {
		name string
		size int
		to   *[]byte
	}{
		{programMapPlaneSettings, os.Getpagesize(), nil},
		{programMapPlaneLeases, maxLeases * 8, &p.leases},
		{programMapPlaneLessons, maxLessons * lessonSize, &p.lessons},
	} {
		mem, err := mapMemory(p.maps[m.name], m.size)
		if err != nil {
			return err
		}
		p.memory = append(p.memory, mem)
		if m.to != nil {
			*m.to = mem
		} else {
			p.settings = (*settings)(unsafe.Pointer(&mem[0]))
		}
	}
	return nil
}

// begin fills in the settings of a new plane.
func (s *settings) begin(cookie uint64, size, recents int) {
	var res unix.Timespec
	// The coarse clock goes by ticks.
	unix.ClockGetres(unix.CLOCK_MONOTONIC_COARSE, &res)
	s.tick = uint32(res.Nano())
	s.netns = cookie
	s.tableSize = uint32(size)
	s.alive = s.ticks(AliveEvery)
	s.recent = s.ticks(recent)
	s.notes = uint32(recents)
	for state, d := range defaultTimeouts {
		s.timeout[state] = s.ticks(d)
	}
	s.version = layoutVersion
}

func (s *settings) ticks(d time.Duration) uint32 {
	return uint32(d / time.Duration(s.tick))
}

// namespaceCookie is a number that no two network namespaces have had since boot.
func namespaceCookie() (uint64, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("xdp: opening a socket: %w", err)
	}
	defer unix.Close(fd)
	cookie, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
	if err != nil {
		return 0, fmt.Errorf("xdp: telling network namespaces apart (SO_NETNS_COOKIE): %w; it needs %s", err, minKernel)
	}
	return cookie, nil
}

// Remove takes the plane away altogether: programs, maps, flows. Nothing is forwarded after. Close is still to be
// called.
func (p *Plane) Remove() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.pins.hold(); err != nil {
		return err
	}
	defer p.pins.release()
	if err := p.purge(); err != nil {
		return err
	}
	return p.pins.removeDir()
}

// purge detaches and unpins everything and closes what is open.
func (p *Plane) purge() error {
	// Links first: nothing may run on half a plane.
	errs := []error{p.attacher.dropAll(planeHook)}
	accelerated, err := p.attacher.indices(xdpPrefix)
	errs = append(errs, err)
	for _, i := range accelerated {
		errs = append(errs, p.attacher.unpin(xdpPrefix+strconv.Itoa(i)))
	}
	names, err := p.pins.names()
	errs = append(errs, err, p.pins.remove(names))
	p.forget()
	return errors.Join(errs...)
}

// forget closes what is open of the kernel's.
func (p *Plane) forget() {
	for _, mem := range p.memory {
		unix.Munmap(mem)
	}
	for _, m := range p.maps {
		m.Close()
	}
	for _, g := range p.programs {
		g.Close()
	}
	for _, c := range p.counts {
		c.Close()
	}
	p.memory, p.maps, p.programs, p.counts, p.blocks = nil, nil, nil, nil, nil
	p.settings, p.leases, p.lessons = nil, nil, nil
	p.services, p.revision, p.sweeper = nil, 0, nil
}

// Close closes this process's view. Forwarding goes on.
func (p *Plane) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forget()
	if p.netlink != nil {
		p.netlink.Close()
		p.netlink = nil
	}
	return nil
}

// Info is part of [table.Driver].
func (p *Plane) Info() (table.Info, error) {
	return table.Info{Driver: driverName, Version: driverVersion, Size: int(p.settings.tableSize)}, nil
}

// What the driver is called, and the version of IPVS that it is like.
const (
	driverName    = "xdp"
	driverVersion = "1.2.1"
)

// edit runs f while no other process changes the plane, with the model up to date.
func (p *Plane) edit(f func() error) error {
	if p.settings == nil {
		return errClosed
	}
	if err := p.pins.hold(); err != nil {
		return err
	}
	defer p.pins.release()
	if err := p.refresh(); err != nil {
		return err
	}
	clear(p.mtus)
	return f()
}

// Daemons is part of [table.Driver]: there are none, the director itself sends flows.
func (p *Plane) Daemons() ([]table.Daemon, error) { return nil, nil }

// StartDaemon is part of [table.Driver]; it is refused.
func (p *Plane) StartDaemon(table.Daemon) error { return errDaemon }

// StopDaemon is part of [table.Driver]; it is refused.
func (p *Plane) StopDaemon(table.Role) error { return errDaemon }

var errDaemon = fmt.Errorf("%w by our own forwarding plane: connections are synchronised by the director itself; "+
	"lvs_driver ipvs has the kernel's synchronisation daemon", table.ErrUnsupported)

var errClosed = errors.New("xdp: the plane is closed")

// xdpPrefix is that of pinned XDP links.
const xdpPrefix = "xdp_"
