package xdp

import (
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/rlimit"
)

// minKernel is what the programs need, and why.
const minKernel = "Linux 5.17 or later (bpf_loop) with CONFIG_BPF_SYSCALL, CONFIG_BPF_JIT and CONFIG_NET_CLS_ACT"

// pinnedPrograms are those that stay.
var pinnedPrograms = []string{programProgPlaneIngress, programProgPlaneXdp, programProgPlaneAsk, programProgPlaneNow,
	programProgPlaneLearn,
	programProgPlaneVisit}

// build tells one set of programs from another.
func build() uint64 {
	h := fnv.New64a()
	h.Write(_ProgramBytes)
	return h.Sum64()
}

// recent is how long a processor's note of a flow that XDP carried stands for the flow (bpf/recent.h).
const recent = 100 * time.Millisecond

// recentSize is how many notes each of so many processors gets, a power of two: room for 64k flows of each, in
// 2 MB, less where processors are many and so each has fewer of the flows, but never more than 16 MB for all as
// long as 2048 flows have room.
func recentSize(cpus, flows int) int {
	n := 1 << 14
	for n > 512 && (n*cpus > 1<<17 || n > flows) {
		n /= 2
	}
	return n
}

// sizes sets how many flows the tables of spec hold.
func sizes(spec *ebpf.CollectionSpec, cpus, flows int) {
	spec.Maps[programMapPlaneRecent].MaxEntries = uint32(cpus * recentSize(cpus, flows))
	half := min(max(flows/16, 1024), 1<<20)
	for _, n := range []string{programMapPlaneFlows4, programMapPlaneFlows6} {
		spec.Maps[n].MaxEntries = uint32(flows)
	}
	for _, n := range []string{programMapPlaneHalf4, programMapPlaneHalf6, programMapPlaneBindings} {
		spec.Maps[n].MaxEntries = uint32(half)
	}
}

// kernelMaps opens the pinned maps, or makes and pins those that are missing.
func (p *Plane) kernelMaps(spec *ebpf.CollectionSpec) error {
	p.maps = map[string]*ebpf.Map{}
	for name, ms := range spec.Maps {
		if name[0] == '.' {
			continue // constants of the programs
		}
		m, err := p.kernelMap(name, ms)
		if err != nil {
			return fmt.Errorf("xdp: table %s: %w", name, explain(err))
		}
		p.maps[name] = m
	}
	return nil
}

// pinnedMap opens a pinned map, which must be as spec wants it but for its size, which spec takes over.
func (p *Plane) pinnedMap(name string, spec *ebpf.MapSpec) (m *ebpf.Map, err error) {
	err = p.pins.do(func() error {
		m, err = ebpf.LoadPinnedMap(p.pins.path(name), nil)
		return err
	})
	if err != nil {
		return nil, err
	}
	spec.MaxEntries = m.MaxEntries()
	if err := spec.Compatible(m); err != nil {
		m.Close()
		return nil, fmt.Errorf("%w: %w", errLayout, err)
	}
	return m, nil
}

func (p *Plane) kernelMap(name string, spec *ebpf.MapSpec) (m *ebpf.Map, err error) {
	if m, err = p.pinnedMap(name, spec); !errors.Is(err, os.ErrNotExist) {
		return m, err
	}
	if m, err = ebpf.NewMap(spec); err != nil {
		return nil, err
	}
	if err := p.pins.do(func() error { return m.Pin(p.pins.path(name)) }); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// errLayout says that what is pinned was made by another version.
var errLayout = errors.New("another version of evenkeel made it")

// kernelPrograms opens the pinned programs if they are of this build, else loads ours and puts
// them in their place, also where they are attached.
func (p *Plane) kernelPrograms(spec *ebpf.CollectionSpec) error {
	p.programs = map[string]*ebpf.Program{}
	if p.settings.build == build() && p.openPrograms() == nil {
		return nil
	}
	coll, err := loadPrograms(spec, p.maps)
	if err != nil {
		return err
	}
	defer coll.Close()
	for _, name := range pinnedPrograms {
		prog := coll.DetachProgram(name)
		p.programs[name] = prog
		err := p.pins.do(func() error {
			if err := os.Remove(p.pins.path(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
			return prog.Pin(p.pins.path(name))
		})
		if err != nil {
			return fmt.Errorf("xdp: pinning program %s: %w", name, err)
		}
	}
	if err := p.attacher.renew(planeHook, p.programs[programProgPlaneIngress]); err != nil {
		return err
	}
	if err := p.renewXDP(); err != nil {
		return err
	}
	p.settings.build = build()
	// An update of this program from one whose sweepers were tracing programs leaves those behind.
	return p.pins.remove(formerPins)
}

// formerPins were pinned by versions before, under the same layout.
var formerPins = []string{"sweep_flows4", "sweep_flows6", "sweep_half4", "sweep_half6", "plane_found"}

func (p *Plane) openPrograms() error {
	for _, name := range pinnedPrograms {
		if err := p.openProgram(name); err != nil {
			return err
		}
	}
	return nil
}

func (p *Plane) openProgram(name string) error {
	return p.pins.do(func() error {
		prog, err := ebpf.LoadPinnedProgram(p.pins.path(name), nil)
		if err == nil {
			p.programs[name] = prog
		}
		return err
	})
}

// newCollectionSpec reads the committed objects.
func newCollectionSpec(flows int) (*ebpf.CollectionSpec, error) {
	// Before Linux 5.11 maps count against RLIMIT_MEMLOCK. If it cannot be raised, loading says so.
	rlimit.RemoveMemlock()
	spec, err := loadProgram()
	if err != nil {
		return nil, fmt.Errorf("xdp: %w", err)
	}
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return nil, fmt.Errorf("xdp: counting processors: %w", err)
	}
	sizes(spec, cpus, flows)
	return spec, nil
}
