package gate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/linux/netif"
	"github.com/evenkeel/evenkeel/linux/realtime"
)

// tableName is the table of family netdev that belongs to us alone. It must never change: a
// restart finds the table of the crashed run by it.
const tableName = "evenkeel_gate"

// maxNFTSlots bounds the gates, as with eBPF.
const maxNFTSlots = 1024

// nftDriver keeps the gate in nftables. Addresses map to slot numbers; a slot is open while
// its number is an element of the set "open", and elements have a timeout. The timeout is
// relative and counted in jiffies, so this way is coarser than eBPF and closes early rather
// than late; see slack.
type nftDriver struct {
	conn  *nftables.Conn
	rules *ruleset
	log   func(string)
	jiffy time.Duration
	used  []bool
	taken map[netip.Addr]bool
	gates map[*Gate]*nftState

	// counters are read by any goroutine, over a connection of their own.
	mu       sync.Mutex
	counters *nftables.Conn
}

// nftState is what the kernel was told about a gate.
type nftState struct {
	open, advert bool // an element was added and not deleted
}

func newNFT(s *Set) (driver, error) {
	// Lasting, so that it stays in the network namespace it was opened in.
	conn, err := nftables.New(nftables.AsLasting())
	if err != nil {
		return nil, fmt.Errorf("gate: opening an nftables socket: %w", err)
	}
	d := &nftDriver{
		conn:  conn,
		rules: newRuleset(),
		log:   s.log,
		jiffy: jiffy(),
		used:  make([]bool, maxNFTSlots),
		taken: map[netip.Addr]bool{},
		gates: map[*Gate]*nftState{},
	}
	d.used[closedSlot] = true
	if d.counters, err = nftables.New(nftables.AsLasting()); err != nil {
		return nil, fmt.Errorf("gate: opening an nftables socket: %w", err)
	}
	links, err := s.links.Links()
	if err == nil {
		err = d.start(links, s.leftovers)
	}
	if err != nil {
		d.abandon()
		return nil, explainNFT(err)
	}
	for _, l := range links {
		if !l.Loopback && !isMember(l) {
			s.covered[l.Index] = true
		}
	}
	return d, nil
}

func explainNFT(err error) error {
	switch {
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("gate: setting up nftables: %w (it needs CAP_NET_ADMIN)", err)
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOENT), errors.Is(err,
		unix.EPROTONOSUPPORT), errors.Is(err, unix.EINVAL):
		return fmt.Errorf("gate: setting up nftables: %w (it needs Linux 5.16 or later with CONFIG_NF_TABLES_NETDEV, "+
			"CONFIG_NETFILTER_EGRESS and CONFIG_NFT_FIB_NETDEV)", err)
	}
	return fmt.Errorf("gate: setting up nftables: %w", err)
}

// jiffy is the kernel's timer tick: the resolution of its coarse clocks.
func jiffy() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGetres(unix.CLOCK_MONOTONIC_COARSE, &ts); err != nil || ts.Nano() <= 0 {
		return 10 * time.Millisecond // the coarsest there is
	}
	return time.Duration(ts.Nano())
}

// start replaces the table of an earlier run in one transaction: the new one knows every
// address the old one knew and every left-over one, and none is open.
func (d *nftDriver) start(links []netif.Link, leftovers []netip.Addr) error {
	old, err := d.oldAddresses()
	if err != nil {
		return err
	}
	d.conn.AddTable(d.rules.table) // so that deleting it cannot fail
	d.conn.DelTable(d.rules.table)
	if err := d.rules.create(d.conn); err != nil {
		return err
	}
	for _, l := range links {
		if !l.Loopback && !isMember(l) {
			d.rules.cover(d.conn, l)
		}
	}
	for _, a := range append(old, leftovers...) {
		if d.taken[a] {
			continue
		}
		if err := d.rules.mapAddress(d.conn, a, closedSlot); err != nil {
			return err
		}
		d.taken[a] = true
	}
	return d.flush()
}

// oldAddresses are those in the maps of an earlier run's table.
func (d *nftDriver) oldAddresses() ([]netip.Addr, error) {
	if there, err := haveTable(d.conn); err != nil || !there {
		return nil, err
	}
	var old []netip.Addr
	for _, m := range []*nftables.Set{d.rules.addresses4, d.rules.addresses6, d.rules.links6} {
		elements, err := d.conn.GetSetElements(m)
		if errors.Is(err, unix.ENOENT) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading map %s of an earlier run: %w", m.Name, err)
		}
		for _, e := range elements {
			if len(e.Key) == placeSize { // ifindex . address
				old = append(old, At(netip.AddrFrom16([16]byte(e.Key[4:])), int(binary.NativeEndian.Uint32(e.Key))))
			} else if a, ok := netip.AddrFromSlice(e.Key); ok {
				old = append(old, a) // of a release in which a link-local address had no place, none is closed
			}
		}
	}
	return old, nil
}

func haveTable(c *nftables.Conn) (bool, error) {
	tables, err := c.ListTablesOfFamily(nftables.TableFamilyNetdev)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(tables, func(t *nftables.Table) bool { return t.Name == tableName }), nil
}

// removeTable removes the table of an earlier run, for a run that does not use nftables. A
// kernel without nftables has none.
func removeTable() error {
	c, err := nftables.New()
	if err != nil {
		return nil
	}
	if there, err := haveTable(c); err != nil || !there {
		return nil
	}
	c.DelTable(newRuleset().table)
	if err := c.Flush(); err != nil {
		return fmt.Errorf("gate: removing the nftables table of an earlier run: %w", err)
	}
	return nil
}

// flush carries out the transaction. After a failure answers may be left in the socket, so it
// gets a new one.
func (d *nftDriver) flush() error {
	err := d.conn.Flush()
	if err != nil {
		d.conn.CloseLasting()
		if fresh, dialErr := nftables.New(nftables.AsLasting()); dialErr == nil {
			d.conn = fresh
		}
	}
	return err
}

func (d *nftDriver) register(g *Gate) error {
	i := slices.Index(d.used, false)
	if i < 0 {
		return fmt.Errorf("there is room for %d gates only", len(d.used)-1)
	}
	d.used[i] = true
	g.slot = uint32(i)
	d.gates[g] = &nftState{}
	return nil
}

func (d *nftDriver) addresses(g *Gate, add, remove []netip.Addr) error {
	for _, a := range add {
		if d.taken[a] { // still mapped to the closed slot
			if err := d.rules.unmapAddress(d.conn, a, closedSlot); err != nil {
				return err
			}
		}
		if err := d.rules.mapAddress(d.conn, a, g.slot); err != nil {
			return err
		}
	}
	for _, a := range remove {
		if err := d.rules.unmapAddress(d.conn, a, g.slot); err != nil {
			return err
		}
	}
	if err := d.flush(); err != nil {
		return err
	}
	for _, a := range add {
		delete(d.taken, a)
	}
	return nil
}

func (d *nftDriver) serve(a netip.Addr, yes bool) error {
	if err := d.rules.serve(d.conn, a, yes); err != nil {
		return err
	}
	return d.flush()
}

func (d *nftDriver) router(g *Gate, now router, old *router) error {
	if err := d.rules.mapRouter(d.conn, now, g.slot); err != nil {
		return err
	}
	if old != nil {
		if err := d.rules.unmapRouter(d.conn, *old, g.slot); err != nil {
			return err
		}
	}
	return d.flush()
}

// slack is how much earlier than asked an element expires: two jiffies, for the kernel rounds
// up to the next and looks at the one it is in, and what the transaction itself may take.
func (d *nftDriver) slack(remaining time.Duration) (slack, apply time.Duration) {
	apply = max(5*time.Millisecond, remaining/16)
	return 2*d.jiffy + apply, apply
}

// deadlines sets both timeouts in one transaction. Timeouts are relative, so a freeze between
// reading the clock and the transaction would move them: afterwards the clock is read again,
// and a timeout that was applied too late is applied once more with what is left, or taken
// away at once. What remains is a second freeze within those microseconds.
func (d *nftDriver) deadlines(g *Gate, open, advert int64) {
	for range 3 {
		now := realtime.Now()
		allowance, err := d.apply(g, time.Duration(open)-now, time.Duration(advert)-now)
		if err != nil {
			d.log(fmt.Sprintf("closing the gate of %s: %v", g.key.Name, err))
			break
		}
		if realtime.Now()-now <= allowance {
			return
		}
	}
	// The kernel could not be told, or only too late: close, and let Extend refuse.
	g.open.Store(0)
	g.advert.Store(0)
	if _, err := d.apply(g, 0, 0); err != nil {
		d.log(fmt.Sprintf("the gate of %s could not be closed and stays open until its timeout at the latest: %v",
			g.key.Name, err))
	}
}

// apply makes the elements of g last as long as given, less the slack, and returns how long
// the transaction may have taken for that to be true.
func (d *nftDriver) apply(g *Gate, open, advert time.Duration) (allowance time.Duration, err error) {
	state := d.gates[g]
	if state == nil { // removed
		return time.Hour, nil
	}
	allowance = time.Hour
	for _, side := range []struct {
		set  *nftables.Set
		left time.Duration
		has  *bool
	}{{d.rules.open, open, &state.open}, {d.rules.adverts, advert, &state.advert}} {
		slack, apply := d.slack(side.left)
		timeout := (side.left - slack).Truncate(time.Millisecond)
		if timeout > 0 { // zero would mean no timeout at all
			allowance = min(allowance, apply)
			err = d.rules.renew(d.conn, side.set, g.slot, timeout)
			*side.has = true
		} else if *side.has {
			err = d.rules.expire(d.conn, side.set, g.slot)
			*side.has = false
		}
		if err != nil {
			return 0, err
		}
	}
	return allowance, d.flush()
}

func (d *nftDriver) drops(g *Gate) Drops {
	d.mu.Lock()
	defer d.mu.Unlock()
	var drops Drops
	if d.counters == nil {
		return drops
	}
	elements, err := d.counters.GetSetElements(d.rules.dropped)
	if err != nil {
		return drops
	}
	for _, e := range elements {
		if len(e.Key) != 8 || e.Counter == nil || binary.NativeEndian.Uint32(e.Key) != g.slot {
			continue
		}
		switch kind := binary.NativeEndian.Uint32(e.Key[4:]); kind {
		case countQuestions:
			drops.Questions = e.Counter.Packets
		case countPacketsIn:
			drops.PacketsIn = e.Counter.Packets
		case countAnnouncements:
			drops.Announcements = e.Counter.Packets
		case countPacketsOut:
			drops.PacketsOut = e.Counter.Packets
		case countAdverts:
			drops.Adverts = e.Counter.Packets
		}
	}
	return drops
}

func (d *nftDriver) remove(g *Gate) error {
	err := d.addresses(g, nil, g.addrs)
	if err == nil && g.key.sends() {
		if err = d.rules.unmapRouter(d.conn, g.key.router(), g.slot); err == nil {
			err = d.flush()
		}
	}
	delete(d.gates, g)
	if err == nil {
		d.used[g.slot] = false
	}
	return err
}

func (d *nftDriver) cover(link netif.Link) error {
	d.rules.cover(d.conn, link)
	return d.flush()
}

func (d *nftDriver) uncover(ifindex int) error {
	chains, err := d.conn.ListChainsOfTableFamily(nftables.TableFamilyNetdev)
	if err != nil {
		return fmt.Errorf("gate: listing chains: %w", err)
	}
	in, out := chainNames(ifindex)
	for _, c := range chains {
		// The kernel takes the chains of a vanished interface away by itself.
		if c.Table.Name == tableName && (c.Name == in || c.Name == out) {
			d.conn.DelChain(c)
		}
	}
	if err := d.flush(); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("gate: removing the chains of interface %d: %w", ifindex, err)
	}
	return nil
}

// standing: nobody tells us of nftables' changes; a table that is gone fails the next renewal.
func (d *nftDriver) standing(int) (bool, error) { return true, nil }

func (d *nftDriver) inherited() []netip.Addr {
	as := make([]netip.Addr, 0, len(d.taken))
	for a := range d.taken {
		as = append(as, a)
	}
	slices.SortFunc(as, netip.Addr.Compare)
	return as
}

func (d *nftDriver) settle() error {
	for a := range d.taken {
		if err := d.rules.unmapAddress(d.conn, a, closedSlot); err != nil {
			return err
		}
	}
	if err := d.flush(); err != nil {
		return fmt.Errorf("gate: forgetting inherited addresses: %w", err)
	}
	clear(d.taken)
	return nil
}

func (d *nftDriver) shutdown() error {
	d.conn.DelTable(d.rules.table)
	err := d.flush()
	d.abandon()
	if err != nil {
		return fmt.Errorf("gate: removing the nftables table: %w", err)
	}
	return nil
}

func (d *nftDriver) abandon() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conn.CloseLasting()
	if d.counters != nil {
		d.counters.CloseLasting()
		d.counters = nil
	}
}
