package gate

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/linux/realtime"
)

// Key says whose adverts a gate holds back.
type Key struct {
	Name string // the virtual router's name, for messages
	// Ifindex is the interface its multicast adverts leave by; 0: none now, so there are none to
	// hold back. It is not looked at for unicast, which may leave by any.
	Ifindex int
	IPv6    bool // family of the adverts
	VRID    uint8
	Unicast bool // adverts go to unicast peers
}

// Drops counts what a closed gate has dropped, in packets, since the gate was made.
type Drops struct {
	Questions     uint64 // ARP requests and neighbour solicitations for the addresses
	PacketsIn     uint64 // packets to the addresses
	Announcements uint64 // ARP packets and neighbour advertisements in their name
	PacketsOut    uint64 // packets from the addresses
	Adverts       uint64 // our own adverts
}

// A Gate stands before the addresses of one virtual router. Its methods belong to the
// goroutine of its [Set], except [Gate.Deadline] and [Gate.Drops], which any may call.
type Gate struct {
	set   *Set
	key   Key
	addrs []netip.Addr
	slot  uint32

	// What the kernel was told last, in nanoseconds since boot. Written by the owner only.
	open, advert atomic.Int64
	// mirrors are where a forwarding plane reads the deadline of each address; see Set.Mirror.
	mirrors map[netip.Addr]*atomic.Int64
}

// PermitAdverts lets the router's own adverts leave until the given instant while the
// addresses stay closed: the beginning of a campaign. It only ever moves the instant forward.
func (g *Gate) PermitAdverts(until time.Duration) {
	if int64(until) > g.advert.Load() {
		g.store(g.open.Load(), int64(until))
	}
}

// Open lets the kernel answer for the addresses until the given instant, and adverts leave at
// least as long. It is for a new campaign only: [Gate.PermitAdverts] must come first, and must
// still hold. If that permit has run out (or was never given), Open changes nothing and
// returns false: the adverts of the campaign may have been dropped, so nobody needs to have
// heard it.
func (g *Gate) Open(until time.Duration) bool {
	if g.advert.Load() <= int64(realtime.Now()) {
		return false
	}
	g.store(int64(until), max(g.advert.Load(), int64(until)))
	return true
}

// Extend moves both deadlines forward to the given instant, if the gate has not closed in the
// meantime; if it has, nothing changes, it returns false, and the caller must start over as
// backup. It never moves a deadline back. It does not allocate and, with eBPF, makes no system
// call but reading the clock.
//
// Call it after the advert that justifies it was sent, with an instant counted from a clock
// read before. In that order a freeze at any point is harmless: had the advert been
// sent after the old deadline, the kernel would have dropped it, and Extend would refuse; had
// it been sent before, others have heard it and wait longer than the new deadline.
func (g *Gate) Extend(until time.Duration) bool {
	open := g.open.Load()
	if open <= int64(realtime.Now()) {
		return false
	}
	g.store(max(open, int64(until)), max(g.advert.Load(), int64(until)))
	return true
}

// Shorten moves both deadlines back to the given instant where they lie behind it: others
// are about to be told that they need not wait as long as they were told before.
func (g *Gate) Shorten(until time.Duration) {
	g.store(min(g.open.Load(), int64(until)), min(g.advert.Load(), int64(until)))
}

// Close closes the gate at once, for the addresses and for adverts.
func (g *Gate) Close() { g.store(0, 0) }

func (g *Gate) store(open, advert int64) {
	changed := open != g.open.Load() || advert != g.advert.Load()
	g.open.Store(open)
	g.advert.Store(advert)
	if !changed {
		return
	}
	g.set.driver.deadlines(g, open, advert)
	for _, m := range g.mirrors {
		m.Store(open)
	}
}

// mirror follows the addresses with what the forwarding plane reads.
func (g *Gate) mirror() error {
	find := g.set.mirror
	if find == nil || g.set.mode == config.GateOff {
		return nil
	}
	for a, m := range g.mirrors {
		if !slices.Contains(g.addrs, a) {
			m.Store(0)
			delete(g.mirrors, a)
		}
	}
	for _, a := range g.addrs {
		if g.mirrors[a] != nil {
			continue
		}
		m, err := find(a.WithZone(""))
		if err != nil {
			return fmt.Errorf("gate: %s: the forwarding plane has no place for the deadline of %s: %w", g.key.Name, a,
				err)
		}
		if m == nil {
			continue
		}
		if g.mirrors == nil {
			g.mirrors = map[netip.Addr]*atomic.Int64{}
		}
		g.mirrors[a] = m
		m.Store(g.open.Load())
	}
	return nil
}

// Deadline returns the instant until which the addresses are open: in the past or 0 when the
// gate is closed. Any goroutine may call it.
func (g *Gate) Deadline() time.Duration { return time.Duration(g.open.Load()) }

// Drops returns what the gate has dropped so far. Any goroutine may call it.
func (g *Gate) Drops() Drops { return g.set.driver.drops(g) }

// Key returns whose gate it is.
func (g *Gate) Key() Key { return g.key }

// At gives an address the place where the kernel answers for it, which is what a gate stands before: a link-local one
// on one interface, so that fe80::1 on two of them is two addresses; any other on all of them.
func At(a netip.Addr, ifindex int) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is6() && a.IsLinkLocalUnicast() && ifindex != 0 {
		return a.WithZone(strconv.Itoa(ifindex))
	}
	return a
}

// place is an address as [At] gives it, in two parts.
func place(a netip.Addr) (bare netip.Addr, ifindex uint32) {
	n, _ := strconv.ParseUint(a.Zone(), 10, 32)
	return a.WithZone(""), uint32(n)
}

// nowhere: a link-local address without an interface matches nothing.
func nowhere(a netip.Addr) bool { return a.Is6() && a.IsLinkLocalUnicast() && a.Zone() == "" }

// SetAddresses replaces the addresses the gate stands before, each as [At] gives it; link-local ones whose interface is
// not there are left out. Deadlines stay as they are. An address can belong to one gate only. On error some of the
// change may have been made; calling it again completes it.
func (g *Gate) SetAddresses(addrs []netip.Addr) error {
	var now []netip.Addr
	for _, a := range addrs {
		if a = a.Unmap(); nowhere(a) {
			continue
		}
		if owner, ok := g.set.owners[a]; ok && owner != g {
			return fmt.Errorf("gate: address %s of %s already belongs to %s", a, g.key.Name, owner.key.Name)
		}
		if !slices.Contains(now, a) {
			now = append(now, a)
		}
	}
	var add, remove []netip.Addr
	for _, a := range now {
		if !slices.Contains(g.addrs, a) {
			add = append(add, a)
		}
	}
	for _, a := range g.addrs {
		if !slices.Contains(now, a) {
			remove = append(remove, a)
		}
	}
	if err := g.set.driver.addresses(g, add, remove); err != nil {
		return fmt.Errorf("gate: addresses of %s: %w", g.key.Name, err)
	}
	for _, a := range remove {
		delete(g.set.owners, a)
	}
	for _, a := range add {
		g.set.owners[a] = g
	}
	g.addrs = now
	return g.mirror()
}

// SetInterface follows the interface of multicast adverts to a new index, after it was
// made anew.
func (g *Gate) SetInterface(ifindex int) error {
	key := g.key
	key.Ifindex = ifindex
	if key.router() == g.key.router() {
		g.key = key
		return nil
	}
	if err := g.set.claimRouter(g, key); err != nil {
		return err
	}
	var old *router
	if g.key.sends() {
		r := g.key.router()
		old = &r
	}
	if err := g.set.driver.router(g, key.router(), old); err != nil {
		g.set.disclaimRouter(g, key)
		return fmt.Errorf("gate: interface of %s: %w", key.Name, err)
	}
	g.set.disclaimRouter(g, g.key)
	g.key = key
	return nil
}

// Remove takes the gate away. Call it only when its addresses are gone from this machine.
func (g *Gate) Remove() error {
	g.Close()
	s := g.set
	if _, ok := s.gates[g]; !ok {
		return nil
	}
	delete(s.gates, g)
	s.disclaimRouter(g, g.key)
	for _, a := range g.addrs {
		delete(s.owners, a)
	}
	if err := s.driver.remove(g); err != nil {
		return fmt.Errorf("gate: removing the gate of %s: %w", g.key.Name, err)
	}
	return nil
}

// router identifies the adverts of a key on this machine.
type router struct {
	ifindex uint32
	ipv6    bool
	vrid    uint8
	unicast bool
}

// sends: there is an interface that adverts of this key could leave by.
func (k Key) sends() bool { return k.Unicast || k.Ifindex != 0 }

func (k Key) router() router {
	r := router{ifindex: uint32(k.Ifindex), ipv6: k.IPv6, vrid: k.VRID, unicast: k.Unicast}
	if k.Unicast {
		r.ifindex = 0
	}
	return r
}
