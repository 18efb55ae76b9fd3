package xdp

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf"
)

// service is a virtual service as this process knows it.
type service struct {
	key     serviceKey
	rec     serviceRecord
	members []uint32 // slots, in the order they were added
	// What is still to be written: the record, the arrangement of destinations.
	changed, moved bool
}

// goneKey finds the slot of a destination that was deleted while flows still belonged to it.
type goneKey struct {
	of   serviceKey
	addr address
	port port
}

// slotAt is a destination in shared memory.
func (p *Plane) slotAt(i uint32) *slot {
	return (*slot)(unsafe.Pointer(&p.blocks[i/blockSize][int(i%blockSize)*slotSize]))
}

// refresh reads the tables if another process has changed them since.
func (p *Plane) refresh() error {
	now := atomic.LoadUint64(&p.settings.revision)
	if p.services != nil && p.revision == now {
		return nil
	}
	p.services = map[serviceKey]*service{}
	p.indices = map[uint32]bool{}
	p.gone = map[goneKey]uint32{}
	p.free = nil
	var key serviceKey
	var rec serviceRecord
	all := p.maps[programMapPlaneServices].Iterate()
	for all.Next(bytesOf(&key), bytesOf(&rec)) {
		p.services[key] = &service{key: key, rec: rec}
		p.indices[rec.index] = true
	}
	if err := all.Err(); err != nil {
		return fmt.Errorf("xdp: reading the services: %w", err)
	}
	if err := p.openBlocks(); err != nil {
		return err
	}
	p.sortSlots()
	p.revision = now
	return nil
}

// openBlocks maps the blocks of destinations that are not yet mapped.
func (p *Plane) openBlocks() error {
	for i := uint32(len(p.blocks)); i < maxBlocks; i++ {
		block, err := openInner(p.pins, p.maps[programMapPlaneDests], destsPin, i)
		if errors.Is(err, ebpf.ErrKeyNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("xdp: opening a block of destinations: %w", err)
		}
		counts, err := openInner(p.pins, p.maps[programMapPlaneCounts], countsPin, i)
		if err != nil {
			block.Close()
			return fmt.Errorf("xdp: opening a block of counters: %w", err)
		}
		if err := p.keepBlock(block, counts); err != nil {
			return err
		}
	}
	return nil
}

// Blocks are pinned under these and their number, because who has the outer table only needs CAP_SYS_ADMIN to open
// them.
const (
	destsPin  = "dests_"
	countsPin = "counts_"
)

// openInner opens inner table i of a table of tables: by its pin, or, where an earlier version made it, by its number.
func openInner(at *pinDir, outer *ebpf.Map, prefix string, i uint32) (*ebpf.Map, error) {
	var id uint32
	if err := outer.Lookup(i, &id); err != nil {
		return nil, err
	}
	var m *ebpf.Map
	err := at.do(func() (err error) {
		m, err = ebpf.LoadPinnedMap(at.path(prefix+strconv.Itoa(int(i))), nil)
		return err
	})
	if err == nil {
		info, err := m.Info()
		if err != nil {
			m.Close()
			return nil, err
		}
		if pinned, ok := info.ID(); ok && pinned == ebpf.MapID(id) {
			return m, nil
		}
		m.Close() // its maker was interrupted
	}
	return ebpf.NewMapFromID(ebpf.MapID(id))
}

// pinInner pins an inner table, in the place of one whose maker came no further.
func pinInner(at *pinDir, m *ebpf.Map, prefix string, i uint32) error {
	return at.do(func() error {
		path := at.path(prefix + strconv.Itoa(int(i)))
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return m.Pin(path)
	})
}

func (p *Plane) keepBlock(block, counts *ebpf.Map) error {
	defer block.Close()
	mem, err := mapMemory(block, blockBytes())
	if err != nil {
		counts.Close()
		return err
	}
	p.memory = append(p.memory, mem)
	p.blocks = append(p.blocks, mem)
	p.counts = append(p.counts, counts)
	return nil
}

func blockBytes() int { return (blockSize*slotSize + pageSize() - 1) / pageSize() * pageSize() }

func pageSize() int { return os.Getpagesize() }

// makeRoom adds blocks until at least n slots are free. Like [replacements], each step takes its time whatever
// it adds.
func (p *Plane) makeRoom(n int) error {
	if len(p.free) < n {
		p.reclaim()
	}
	var spec *ebpf.CollectionSpec
	for len(p.free) < n {
		missing := min((n-len(p.free)+blockSize-1)/blockSize, maxBlocks-len(p.blocks), replacements)
		if missing == 0 {
			return fmt.Errorf("there is room for %d destinations only", maxBlocks*blockSize)
		}
		if spec == nil {
			var err error
			if spec, err = loadProgram(); err != nil {
				return err
			}
		}
		if err := p.addBlocks(spec, missing); err != nil {
			return err
		}
	}
	return nil
}

func (p *Plane) addBlocks(spec *ebpf.CollectionSpec, n int) (err error) {
	first := uint32(len(p.blocks))
	var places, dests, counters []uint32
	var blocks, counts []*ebpf.Map
	kept := 0
	defer func() {
		for i := range blocks {
			blocks[i].Close() // it is mapped
			if i >= kept && i < len(counts) {
				counts[i].Close()
			}
		}
	}()
	for i := range uint32(n) {
		block, err := ebpf.NewMap(spec.Maps[programMapPlaneDests].InnerMap)
		if err != nil {
			return explain(err)
		}
		blocks = append(blocks, block)
		count, err := ebpf.NewMap(spec.Maps[programMapPlaneCounts].InnerMap)
		if err != nil {
			return explain(err)
		}
		counts = append(counts, count)
		if err := errors.Join(pinInner(p.pins, block, destsPin, first+i),
			pinInner(p.pins, count, countsPin, first+i)); err != nil {
			return fmt.Errorf("xdp: pinning a block of destinations: %w", err)
		}
		places, dests, counters = append(places, first+i), append(dests, uint32(block.FD())), append(counters,
			uint32(count.FD()))
	}
	if _, err := p.maps[programMapPlaneCounts].BatchUpdate(places, counters, nil); err != nil {
		return err
	}
	if _, err := p.maps[programMapPlaneDests].BatchUpdate(places, dests, nil); err != nil {
		return err
	}
	for i := range blocks {
		if err := p.keepBlock(blocks[i], counts[i]); err != nil {
			return err
		}
		kept++
	}
	for i := (first + uint32(n)) * blockSize; i > first*blockSize; i-- {
		p.free = append(p.free, i-1)
	}
	return nil
}

// sortSlots finds out whose each slot is.
func (p *Plane) sortSlots() {
	for i := uint32(len(p.blocks)) * blockSize; i > 0; i-- {
		s := p.slotAt(i - 1)
		flags := atomic.LoadUint32(&s.flags)
		owner := p.services[s.of]
		switch {
		case flags&slotInUse != 0 && owner != nil:
			owner.members = append(owner.members, i-1)
		case flags&slotGone != 0 && s.remembered():
			p.gone[goneKey{s.of, s.addr, s.port}] = i - 1
		default:
			p.free = append(p.free, i-1)
		}
	}
	for _, s := range p.services {
		slices.SortFunc(s.members, func(a, b uint32) int { return cmp.Compare(p.slotAt(a).order, p.slotAt(b).order) })
	}
}

// remembered: are there flows of this destination?
func (s *slot) remembered() bool {
	return atomic.LoadUint32(&s.active)+atomic.LoadUint32(&s.inactive)+atomic.LoadUint32(&s.pending) > 0
}

// reclaim frees the slots of deleted destinations whose flows are over.
func (p *Plane) reclaim() {
	for k, i := range p.gone {
		if !p.slotAt(i).remembered() {
			delete(p.gone, k)
			p.free = append(p.free, i)
		}
	}
}

// ordered lists the services by age.
func (p *Plane) ordered() []*service {
	out := make([]*service, 0, len(p.services))
	for _, s := range p.services {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b *service) int { return cmp.Compare(a.rec.order, b.rec.order) })
	return out
}

// bytesOf is a record as the bytes the kernel sees.
func bytesOf[T any](v *T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v))
}
