package gate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/linux/netif"
)

// slot is struct slot of bpf/gate.c: one cache line shared with the kernel. User space alone
// writes the instants, the program alone the counters.
type slot struct {
	openUntil   uint64
	advertUntil uint64
	dropped     [5]uint64
	_           uint64
}

const slotSize = int(unsafe.Sizeof(slot{}))

// closedSlot is never handed out and never opened: inherited addresses point to it.
const closedSlot = 0

// placeKey is struct place of bpf/gate.c.
type placeKey struct {
	address [16]byte
	ifindex uint32
}

func keyOf(a netip.Addr) placeKey {
	bare, ifindex := place(a)
	return placeKey{address: bare.As16(), ifindex: ifindex}
}

// routerKey is struct router of bpf/gate.c.
type routerKey struct {
	ifindex uint32
	family  uint8
	vrid    uint8
	unicast uint8
	_       uint8
}

func (r router) key() routerKey {
	k := routerKey{ifindex: r.ifindex, family: 4, vrid: r.vrid}
	if r.ipv6 {
		k.family = 6
	}
	if r.unicast {
		k.unicast = 1
	}
	return k
}

// ebpfDriver keeps the gate in a program on the tc hooks of each interface. Program and maps
// live as long as a filter refers to them, whether or not this process does.
type ebpfDriver struct {
	log   func(string)
	objs  programObjects
	tc    *tc
	mem   []byte // the slots, mapped
	used  []bool // by slot
	taken map[netip.Addr]bool
}

func newEBPF(s *Set) (driver, error) {
	d := &ebpfDriver{log: s.log, taken: map[netip.Addr]bool{}}
	if err := d.load(); err != nil {
		d.abandon()
		return nil, explainLoad(err)
	}
	var err error
	if d.tc, err = newTC(&d.objs.programPrograms, s.log); err != nil {
		d.abandon()
		return nil, err
	}
	links, err := s.links.Links()
	if err != nil {
		d.abandon()
		return nil, err
	}
	err = d.inherit(links)
	if errors.Is(err, unix.EPERM) {
		d.log(fmt.Sprintf("%v (it needs CAP_SYS_ADMIN); addresses left by it are guarded if they carry its mark, "+
			"which needs Linux 5.18", err))
		err = nil
	}
	if err == nil {
		err = d.close(s.leftovers)
	}
	if err != nil {
		d.abandon()
		return nil, err
	}
	return d, nil
}

func (d *ebpfDriver) load() error {
	// Before Linux 5.11 maps count against RLIMIT_MEMLOCK. If it cannot be raised, loading says so.
	rlimit.RemoveMemlock()
	if err := loadProgramObjects(&d.objs, nil); err != nil {
		return err
	}
	slots := int(d.objs.GateSlots.MaxEntries())
	mem, err := unix.Mmap(d.objs.GateSlots.FD(), 0, slots*slotSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("mapping the deadlines: %w", err)
	}
	d.mem = mem
	d.used = make([]bool, slots)
	d.used[closedSlot] = true
	return nil
}

// explainLoad says what to do about a refused program.
func explainLoad(err error) error {
	var verifier *ebpf.VerifierError
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES) && !errors.As(err, &verifier):
		// The library's own text would speak of memory limits.
		return fmt.Errorf("gate: loading the eBPF program: %w; it needs CAP_BPF and CAP_NET_ADMIN in the initial "+
			"user namespace, "+
			"which containers and user namespaces usually lack (and before Linux 5.11 a large RLIMIT_MEMLOCK)",
			unix.EPERM)
	case errors.Is(err, ebpf.ErrNotSupported), errors.Is(err, unix.EINVAL), errors.As(err, &verifier):
		return fmt.Errorf("gate: loading the eBPF program: %w (it needs Linux 5.8 or later with CONFIG_BPF_SYSCALL)",
			err)
	}
	return fmt.Errorf("gate: loading the eBPF program: %w", err)
}

// inherit closes what an earlier run guarded, before its filters are replaced. Wherever its
// filters hang they share the same maps, but a run that died while it started may have left
// two generations, so every link is looked at.
func (d *ebpfDriver) inherit(links []netif.Link) error {
	seen := map[ebpf.MapID]bool{}
	for _, l := range links {
		ids, err := d.tc.programs(l.Index)
		if err != nil {
			return err
		}
		for _, id := range ids {
			maps, err := mapsOf(id)
			if err != nil {
				return fmt.Errorf("gate: looking at the gate an earlier run left on %s: %w", l.Name, err)
			}
			for _, m := range maps {
				if !seen[m] {
					seen[m] = true
					if err := d.inheritMap(m, links); err != nil {
						return fmt.Errorf("gate: taking over from the gate an earlier run left on %s: %w", l.Name, err)
					}
				}
			}
		}
	}
	return nil
}

func mapsOf(id ebpf.ProgramID) ([]ebpf.MapID, error) {
	p, err := ebpf.NewProgramFromID(id)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	info, err := p.Info()
	if err != nil {
		return nil, err
	}
	ids, _ := info.MapIDs()
	return ids, nil
}

// Keys of the address map: today's, and that of releases in which an address had no place.
const (
	placeSize   = 20
	addressSize = 16
)

// inheritMap copies the addresses of an earlier run's address map; other maps are left alone.
func (d *ebpfDriver) inheritMap(id ebpf.MapID, links []netif.Link) error {
	m, err := ebpf.NewMapFromID(id)
	if err != nil {
		return err
	}
	defer m.Close()
	info, err := m.Info()
	if err != nil {
		return err
	}
	if info.Name != programMapGateAddresses[:min(len(programMapGateAddresses), unix.BPF_OBJ_NAME_LEN-1)] ||
		m.KeySize() != placeSize && m.KeySize() != addressSize || m.ValueSize() != 4 {
		return nil
	}
	key := make([]byte, m.KeySize())
	var value uint32
	entries := m.Iterate()
	for entries.Next(&key, &value) {
		a := netip.AddrFrom16([16]byte(key[:addressSize])).Unmap()
		places := []netip.Addr{a}
		switch {
		case len(key) == placeSize:
			places[0] = At(a, int(binary.NativeEndian.Uint32(key[addressSize:])))
		case nowhere(a): // it guarded them all
			places = places[:0]
			for _, l := range links {
				places = append(places, At(a, l.Index))
			}
		}
		if err := d.close(places); err != nil {
			return err
		}
	}
	return entries.Err()
}

// close keeps addresses closed that no gate owns yet.
func (d *ebpfDriver) close(as []netip.Addr) error {
	for _, a := range as {
		if err := d.objs.GateAddresses.Put(keyOf(a), uint32(closedSlot)); err != nil {
			return fmt.Errorf("gate: closing left-over address %s: %w", a, err)
		}
		d.taken[a] = true
	}
	return nil
}

func (d *ebpfDriver) slot(g *Gate) *slot {
	return (*slot)(unsafe.Pointer(&d.mem[int(g.slot)*slotSize]))
}

func (d *ebpfDriver) register(g *Gate) error {
	i := slices.Index(d.used, false)
	if i < 0 {
		return fmt.Errorf("there is room for %d gates only", len(d.used)-1)
	}
	d.used[i] = true
	g.slot = uint32(i)
	d.deadlines(g, 0, 0)
	s := d.slot(g)
	for i := range s.dropped {
		atomic.StoreUint64(&s.dropped[i], 0)
	}
	return nil
}

func (d *ebpfDriver) addresses(g *Gate, add, remove []netip.Addr) error {
	for _, a := range add {
		if err := d.objs.GateAddresses.Put(keyOf(a), g.slot); err != nil {
			return err
		}
		delete(d.taken, a)
	}
	for _, a := range remove {
		if err := d.objs.GateAddresses.Delete(keyOf(a)); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return err
		}
	}
	return nil
}

func (d *ebpfDriver) serve(a netip.Addr, yes bool) error {
	if yes {
		return d.objs.GateServed.Put(a.As16(), uint32(1))
	}
	if err := d.objs.GateServed.Delete(a.As16()); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return err
	}
	return nil
}

func (d *ebpfDriver) router(g *Gate, now router, old *router) error {
	if err := d.objs.GateRouters.Put(now.key(), g.slot); err != nil {
		return err
	}
	if old != nil {
		return d.forgetRouter(*old)
	}
	return nil
}

func (d *ebpfDriver) forgetRouter(r router) error {
	if err := d.objs.GateRouters.Delete(r.key()); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return err
	}
	return nil
}

// deadlines is two stores into memory the program reads.
func (d *ebpfDriver) deadlines(g *Gate, open, advert int64) {
	s := d.slot(g)
	atomic.StoreUint64(&s.openUntil, uint64(max(open, 0)))
	atomic.StoreUint64(&s.advertUntil, uint64(max(advert, 0)))
}

func (d *ebpfDriver) drops(g *Gate) Drops {
	s := d.slot(g)
	return Drops{
		Questions:     atomic.LoadUint64(&s.dropped[0]),
		PacketsIn:     atomic.LoadUint64(&s.dropped[1]),
		Announcements: atomic.LoadUint64(&s.dropped[2]),
		PacketsOut:    atomic.LoadUint64(&s.dropped[3]),
		Adverts:       atomic.LoadUint64(&s.dropped[4]),
	}
}

func (d *ebpfDriver) remove(g *Gate) error {
	err := d.addresses(g, nil, g.addrs)
	if g.key.sends() {
		err = errors.Join(err, d.forgetRouter(g.key.router()))
	}
	if err == nil {
		d.used[g.slot] = false // after a failure something may still point here
	}
	return err
}

func (d *ebpfDriver) cover(link netif.Link) error {
	return d.tc.attach(link)
}

func (d *ebpfDriver) uncover(ifindex int) error { return d.tc.detach(ifindex) }

func (d *ebpfDriver) standing(ifindex int) (bool, error) { return d.tc.standing(ifindex) }

func (d *ebpfDriver) inherited() []netip.Addr {
	as := make([]netip.Addr, 0, len(d.taken))
	for a := range d.taken {
		as = append(as, a)
	}
	slices.SortFunc(as, netip.Addr.Compare)
	return as
}

func (d *ebpfDriver) settle() error {
	for a := range d.taken {
		if err := d.objs.GateAddresses.Delete(keyOf(a)); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("gate: forgetting inherited address %s: %w", a, err)
		}
		delete(d.taken, a)
	}
	return nil
}

func (d *ebpfDriver) shutdown() error {
	err := d.tc.detachAll()
	d.abandon()
	return err
}

func (d *ebpfDriver) abandon() {
	if d.tc != nil {
		d.tc.close()
	}
	// The mapping stays: counters may still be read.
	d.objs.Close()
}
