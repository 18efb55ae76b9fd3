package xdp

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/balance"
)

func isMissing(err error) bool { return errors.Is(err, ebpf.ErrKeyNotExist) }

// replacements is how many arrangements are put in place at once. Each such step has the kernel wait until no
// program can be using the old ones any more, some ten milliseconds; each arrangement is an open file until then.
const replacements = 256

// arrange puts the arrangements of services in place, new ones for old. A service that was deleted
// gets an empty one.
func (p *Plane) arrange(services []*service) error {
	for batch := range slices.Chunk(services, replacements) {
		if err := p.replace(batch); err != nil {
			return err
		}
	}
	return nil
}

func (p *Plane) replace(batch []*service) error {
	var indices, files []uint32
	for _, s := range batch {
		m, err := p.arranged(s)
		if err != nil {
			return fmt.Errorf("xdp: arranging the destinations of %s: %w", s.key.key(), err)
		}
		defer m.Close()
		indices, files = append(indices, s.rec.index), append(files, uint32(m.FD()))
	}
	if _, err := p.maps[programMapPlaneArrangements].BatchUpdate(indices, files, nil); err != nil {
		return fmt.Errorf("xdp: arranging destinations: %w", err)
	}
	return nil
}

// arranged is a service's destinations in the order its scheduler wants them, as a new map.
func (p *Plane) arranged(s *service) (*ebpf.Map, error) {
	members, table := p.arrangement(s)
	cells := make([]uint64, 1, 1+len(members)+len(table)/4+1)
	cells[0] = uint64(len(members)) | uint64(len(table))<<32
	for _, i := range members {
		cells = append(cells, uint64(i))
	}
	for at := 0; at < len(table); at += 4 {
		var w uint64
		for j, member := range table[at:min(at+4, len(table))] {
			w |= uint64(member) << (16 * j)
		}
		cells = append(cells, w)
	}
	m, err := ebpf.NewMap(&ebpf.MapSpec{
		Name: "plane_arrangement", Type: ebpf.Array, KeySize: 4, ValueSize: 8,
		MaxEntries: uint32(len(cells)), Flags: unix.BPF_F_INNER_MAP,
	})
	if err != nil {
		return nil, explain(err)
	}
	if err := fill(m, cells); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

func fill(m *ebpf.Map, cells []uint64) error {
	if len(cells) < 8 {
		for i, w := range cells {
			if err := m.Put(uint32(i), w); err != nil {
				return err
			}
		}
		return nil
	}
	keys := make([]uint32, len(cells))
	for i := range keys {
		keys[i] = uint32(i)
	}
	_, err := m.BatchUpdate(keys, cells, nil)
	return err
}

// arrangement lists those who take new flows and, for schedulers that have one, the table of entries for them.
func (p *Plane) arrangement(s *service) (members []uint32, table []uint16) {
	for _, i := range s.members {
		if p.slotAt(i).weight > 0 {
			members = append(members, i)
		}
	}
	if len(members) > 65535 {
		members = members[:65535]
	}
	switch schedulerName(s.rec.scheduler) {
	case "wrr":
		weights := make([]int, len(members))
		for i, m := range members {
			weights[i] = int(p.slotAt(m).weight)
		}
		table = balance.Round(weights)
	case "sh", "mh":
		// Both nodes must see the same: what counts is who the destinations are.
		wanting := make([]balance.Member, len(members))
		for i, m := range members {
			at := p.slotAt(m)
			wanting[i] = balance.Member{Name: slices.Concat(at.addr[:], at.port[:]), Weight: int(at.weight)}
		}
		table = balance.Maglev(wanting)
	}
	return members, table
}

// zeroSlot sets a destination's counters to 0.
func (p *Plane) zeroSlot(i uint32) error {
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return err
	}
	values := make([]counters, cpus)
	if err := p.counts[i/blockSize].Put(i%blockSize, values); err != nil {
		return fmt.Errorf("xdp: zeroing counters: %w", err)
	}
	return nil
}

// countersOf sums a destination's counters up.
func (p *Plane) countersOf(i uint32) (sum counters, err error) {
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return sum, err
	}
	size := len(bytesOf(&sum))
	values, err := p.counts[i/blockSize].LookupBytes(i % blockSize)
	if err != nil {
		return sum, fmt.Errorf("xdp: reading counters: %w", err)
	}
	var one counters
	for c := range cpus {
		copy(bytesOf(&one), values[c*size:])
		sum.add(one)
	}
	return sum, nil
}

// tallies are destinations' counters, read a block at a time: a hundred thousand calls of the kernel would take it
// half a second, with the plane held.
type tallies struct {
	p      *Plane
	blocks map[uint32][]counters
	cpus   int
	keys   []uint32
	values [][5]uint64
}

func (p *Plane) newTallies() (*tallies, error) {
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return nil, fmt.Errorf("xdp: counting processors: %w", err)
	}
	return &tallies{p: p, blocks: map[uint32][]counters{}, cpus: cpus, keys: make([]uint32, blockSize),
		values: make([][5]uint64, blockSize*cpus)}, nil
}

// of is a destination's counters as they were when its block was first asked for.
func (t *tallies) of(i uint32) (counters, error) {
	block, ok := t.blocks[i/blockSize]
	if !ok {
		var cursor ebpf.MapBatchCursor
		n, err := t.p.counts[i/blockSize].BatchLookup(&cursor, t.keys, t.values, nil)
		if err != nil && !isMissing(err) {
			return counters{}, fmt.Errorf("xdp: reading counters: %w", err)
		}
		if n != blockSize {
			return counters{}, fmt.Errorf("xdp: reading counters: %d instead of %d", n, blockSize)
		}
		block = make([]counters, blockSize)
		for k, key := range t.keys {
			for _, v := range t.values[k*t.cpus : (k+1)*t.cpus] {
				block[key].add(counters{v[0], v[1], v[2], v[3], v[4]})
			}
		}
		t.blocks[i/blockSize] = block
	}
	return block[i%blockSize], nil
}
