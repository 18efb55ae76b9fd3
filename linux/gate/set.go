package gate

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/linux/netif"
)

// driver is one way to build the gate. Its methods are called by the Set's goroutine, except
// drops.
type driver interface {
	// register gives g a closed place; g.addrs is still empty.
	register(g *Gate) error
	// addresses maps add to g and forgets remove.
	addresses(g *Gate, add, remove []netip.Addr) error
	// router maps g's adverts, instead of old unless that is nil.
	router(g *Gate, now router, old *router) error
	// deadlines tells the kernel both instants in nanoseconds since boot; 0 is closed.
	deadlines(g *Gate, open, advert int64)
	drops(g *Gate) Drops
	// remove undoes register, addresses and router.
	remove(g *Gate) error

	// cover guards an interface; uncover stops. Both may be repeated.
	cover(link netif.Link) error
	uncover(ifindex int) error
	// standing says whether what cover built is still there, as far as somebody else's netlink tools may take it away.
	standing(ifindex int) (bool, error)

	// inherited are the closed addresses taken over from an earlier run; settle forgets those
	// that no gate has claimed.
	inherited() []netip.Addr
	settle() error

	// serve lets packets of an address pass that this machine also has as a real server, or no more.
	serve(a netip.Addr, yes bool) error

	// shutdown takes everything out of the kernel; abandon frees descriptors and leaves
	// everything in the kernel as it is.
	shutdown() error
	abandon()
}

// Options are what New needs to know.
type Options struct {
	// Mode asks for one way of building the gate; GateAuto takes the best the kernel offers.
	Mode config.GateMode
	// Log receives warnings, one line each, about single interfaces. It may be nil.
	Log func(string)
}

// A Set is all gates of one process in one network namespace. It belongs to one goroutine.
type Set struct {
	driver  driver
	mode    config.GateMode
	why     string
	log     func(string)
	links   *netif.Conn
	owner   *os.File     // see own; nil: none
	covered map[int]bool // interfaces that are guarded
	// leftovers carry the mark of an earlier run (package netif).
	leftovers []netip.Addr

	gates   map[*Gate]struct{}
	owners  map[netip.Addr]*Gate
	routers map[router]*Gate
	served  map[netip.Addr]bool
	mirror  func(netip.Addr) (*atomic.Int64, error)
}

// New builds an empty set in the network namespace of the calling thread and covers every
// interface that is there now. What an earlier run left in the kernel is replaced at once; the
// addresses it guarded, and those that carry its mark, stay closed until a gate claims them or
// [Set.Settle] is called.
//
// With GateAuto, New falls back from eBPF to nft to lifetimes; [Set.Mode] and [Set.Why] say
// where it ended and why. With another mode it fails if the kernel refuses that one. It also
// fails without CAP_NET_ADMIN, which every way needs, and with [ErrOwned] while another process has a set here.
func New(opts Options) (*Set, error) {
	if !capable(unix.CAP_NET_ADMIN) {
		return nil, errors.New("gate: this process lacks CAP_NET_ADMIN, without which it can neither set addresses " +
			"nor guard them; " +
			"run it as root or grant CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF")
	}
	s := &Set{
		log:     opts.Log,
		covered: map[int]bool{},
		gates:   map[*Gate]struct{}{},
		owners:  map[netip.Addr]*Gate{},
		routers: map[router]*Gate{},
		served:  map[netip.Addr]bool{},
	}
	if s.log == nil {
		s.log = func(string) {}
	}
	var err error
	if s.owner, err = own(s.log); err != nil {
		return nil, err
	}
	if s.links, err = netif.Dial(); err != nil {
		s.disown()
		return nil, err
	}
	left, err := s.links.Leftovers()
	if err != nil {
		s.links.Close()
		s.disown()
		return nil, err
	}
	for _, l := range left {
		s.leftovers = append(s.leftovers, At(l.Addr.Prefix.Addr(), l.Ifindex))
	}
	if err := s.choose(opts.Mode); err != nil {
		s.links.Close()
		s.disown()
		return nil, err
	}
	return s, nil
}

// choose builds the driver for mode and covers the interfaces with it.
func (s *Set) choose(mode config.GateMode) error {
	switch mode {
	case config.GateEBPF:
		return s.try(mode, newEBPF)
	case config.GateNFT:
		return s.try(mode, newNFT)
	case config.GateLifetime, config.GateOff:
		s.mode, s.driver = mode, memory{}
		return nil
	case config.GateAuto:
	default:
		return fmt.Errorf("gate: unknown mode %d", mode)
	}
	refused := s.try(config.GateEBPF, newEBPF)
	if refused == nil {
		return nil
	}
	nftRefused := s.try(config.GateNFT, newNFT)
	if nftRefused == nil {
		s.why = fmt.Sprintf("the lease gate uses nftables timeouts, which are coarser than eBPF, because the kernel "+
			"refuses eBPF: %s", bare(refused))
		return nil
	}
	s.mode, s.driver = config.GateLifetime, memory{}
	s.why = fmt.Sprintf("there is no lease gate in the kernel, only address lifetimes in whole seconds, "+
		"because the kernel refuses eBPF: %s; and nftables: %s", bare(refused), bare(nftRefused))
	return nil
}

// bare takes the package name off a message that is quoted in another.
func bare(err error) string { return strings.TrimPrefix(err.Error(), "gate: ") }

func (s *Set) try(mode config.GateMode, build func(*Set) (driver, error)) error {
	d, err := build(s)
	if err != nil {
		return err
	}
	s.mode, s.driver = mode, d
	if err := s.coverAll(); err != nil {
		d.abandon()
		s.driver = nil
		return err
	}
	return nil
}

// coverAll fails if any interface cannot be covered: a gate with a hole is none.
func (s *Set) coverAll() error {
	clear(s.covered)
	links, err := s.links.Links()
	if err != nil {
		return err
	}
	for _, l := range links {
		err := s.cover(l)
		if errors.Is(err, unix.ENODEV) {
			continue // gone in the meantime
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Mirror has the deadline of each guarded address written to a second place as well: where a
// forwarding plane that runs before the gate reads it (nanoseconds since boot, like
// [Gate.Deadline]). find may return nil for an address the plane has nothing to do with; it is
// asked again at the next call of Mirror. The places must stay valid as long as the set lives. With
// GateOff nothing is written.
func (s *Set) Mirror(find func(netip.Addr) (*atomic.Int64, error)) error {
	s.mirror = find
	var errs []error
	for g := range s.gates {
		errs = append(errs, g.mirror())
	}
	return errors.Join(errs...)
}

// Serve replaces the addresses that this machine also has as a real server (on its loopback
// interface): the machine that holds one hands it packets of its clients, so while the gate is closed
// only questions and announcements are held back for it, not packets. It may name addresses no
// gate stands before.
func (s *Set) Serve(addrs []netip.Addr) error {
	now := map[netip.Addr]bool{}
	for _, a := range addrs {
		now[a.Unmap().WithZone("")] = true
	}
	for a := range s.served {
		if !now[a] {
			if err := s.driver.serve(a, false); err != nil {
				return fmt.Errorf("gate: %s is no real server's any more: %w", a, err)
			}
			delete(s.served, a)
		}
	}
	for a := range now {
		if !s.served[a] {
			if err := s.driver.serve(a, true); err != nil {
				return fmt.Errorf("gate: %s as a real server: %w", a, err)
			}
			s.served[a] = true
		}
	}
	return nil
}

// Mode says how the gate is built: GateEBPF, GateNFT, GateLifetime or GateOff.
func (s *Set) Mode() config.GateMode { return s.mode }

// Why is the warning that belongs to the mode: which kernel feature was refused and which
// kernel has it. Empty when the best way, or the one asked for, was taken.
func (s *Set) Why() string { return s.why }

// Gate makes a gate before addrs, closed; they are given as for [Gate.SetAddresses]. The key's adverts and the
// addresses must not belong to another gate. With GateLifetime and GateOff a gate keeps its deadlines in memory
// only and stops nothing; with GateLifetime the engine must give its addresses a lifetime.
func (s *Set) Gate(key Key, addrs []netip.Addr) (*Gate, error) {
	g := &Gate{set: s, key: key}
	if err := s.claimRouter(g, key); err != nil {
		return nil, err
	}
	if err := s.driver.register(g); err != nil {
		s.disclaimRouter(g, key)
		return nil, fmt.Errorf("gate: making the gate of %s: %w", key.Name, err)
	}
	s.gates[g] = struct{}{}
	err := g.SetAddresses(addrs)
	if err == nil && key.sends() {
		err = s.driver.router(g, key.router(), nil)
	}
	if err != nil {
		g.Remove()
		return nil, err
	}
	return g, nil
}

func (s *Set) claimRouter(g *Gate, key Key) error {
	if !key.sends() { // several may wait for their interfaces
		return nil
	}
	r := key.router()
	if other, ok := s.routers[r]; ok && other != g {
		where := "over unicast"
		if !key.Unicast {
			where = fmt.Sprintf("on interface %d", key.Ifindex)
		}
		return fmt.Errorf("gate: %s and %s both use virtual_router_id %d %s; give one of them another",
			other.key.Name, key.Name, key.VRID, where)
	}
	s.routers[r] = g
	return nil
}

func (s *Set) disclaimRouter(g *Gate, key Key) {
	if s.routers[key.router()] == g {
		delete(s.routers, key.router())
	}
}

// Inherited returns the addresses that an earlier run guarded or left behind, as [At] gives them, which New
// keeps closed and no gate has claimed since.
func (s *Set) Inherited() []netip.Addr { return s.driver.inherited() }

// Settle ends the guard over inherited addresses that no gate has claimed, and removes what an
// earlier run built in another mode. Call it when the left-over addresses have been removed
// and the configured gates made.
func (s *Set) Settle() error {
	err := s.driver.settle()
	if s.mode != config.GateEBPF {
		err = errors.Join(err, s.removeFilters())
	}
	if s.mode != config.GateNFT {
		err = errors.Join(err, removeTable())
	}
	return err
}

// removeFilters takes the filters of an earlier run off every interface.
func (s *Set) removeFilters() error {
	links, err := s.links.Links()
	if err != nil {
		return err
	}
	t, err := newTC(nil, s.log)
	if err != nil {
		return err
	}
	defer t.close()
	for _, l := range links {
		if _, err := t.programs(l.Index); err != nil {
			return fmt.Errorf("gate: looking for filters of an earlier run on %s: %w", l.Name, err)
		}
	}
	return t.detachAll()
}

// Cover guards one more interface, or one that changed: call it for each new interface and
// whenever one joins or leaves a bridge or bond. The loopback interface is left alone, and so
// are members of bridges and bonds, for what reaches this machine through them passes the
// bridge or bond itself, and what does not is none of our business. It may be repeated.
func (s *Set) Cover(ifindex int) error {
	link, err := s.links.Link(ifindex)
	if err == nil {
		err = s.cover(link)
	}
	if errors.Is(err, unix.ENODEV) {
		delete(s.covered, ifindex)
		return s.driver.uncover(ifindex)
	}
	return err
}

// Verify looks whether what guards an interface is still there, and puts it back if somebody has taken it away: call it
// when a filter or a queueing discipline of the interface has gone. An interface that is not covered is fine.
func (s *Set) Verify(ifindex int) (putBack bool, err error) {
	if !s.covered[ifindex] {
		return false, nil
	}
	standing, err := s.driver.standing(ifindex)
	if err != nil || standing {
		return false, err
	}
	delete(s.covered, ifindex)
	if err := s.Cover(ifindex); err != nil {
		s.covered[ifindex] = true // so that the next look tries again
		return false, err
	}
	return s.covered[ifindex], nil
}

func (s *Set) cover(link netif.Link) error {
	if link.Loopback || isMember(link) {
		delete(s.covered, link.Index)
		return s.driver.uncover(link.Index) // even if not covered: an earlier run may have been here
	}
	if s.covered[link.Index] {
		return nil
	}
	if err := s.driver.cover(link); err != nil {
		return fmt.Errorf("gate: guarding interface %s: %w", link.Name, err)
	}
	s.covered[link.Index] = true
	return nil
}

// isMember: frames for this machine reach it through the interface's master, which has hooks
// of its own. A VRF is no such master: its members receive for themselves.
func isMember(l netif.Link) bool {
	switch l.MasterKind {
	case "bridge", "bond", "team", "openvswitch":
		return true
	}
	return false
}

// Uncover forgets an interface: it is gone, or became a member of a bridge or bond. An
// interface that is not covered is fine.
func (s *Set) Uncover(ifindex int) error {
	if !s.covered[ifindex] {
		return nil
	}
	delete(s.covered, ifindex)
	return s.driver.uncover(ifindex)
}

// Shutdown takes every gate out of the kernel. Call it only when all addresses are gone from
// this machine: a process that dies without it leaves closed gates behind, which is the point.
func (s *Set) Shutdown() error {
	err := s.driver.shutdown()
	s.links.Close()
	s.disown()
	return err
}

// Abandon closes the gates and frees what this process holds, but leaves them standing, closed,
// for the next run to inherit: for an exit that could not remove its addresses.
func (s *Set) Abandon() {
	for g := range s.gates {
		g.Close()
	}
	s.driver.abandon()
	s.links.Close()
	s.disown()
}
