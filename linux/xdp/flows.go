package xdp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"

	"github.com/evenkeel/evenkeel/lvs/table"
)

// Flow is a flow as peers tell each other of it. In state NONE, with a client's port of 0, it is a binding: the
// client stays with the destination (persistence). Its Virtual is the service's address.
type Flow struct {
	Protocol                     table.Protocol
	State                        table.State
	Client, Virtual, Destination netip.AddrPort
	Idle                         time.Duration // since its last packet
}

// EventKind says what happened to a flow.
type EventKind uint8

// Kinds of events.
const (
	FlowEstablished EventKind = iota // remembered: its client has sent more than one packet
	FlowClosed                       // it is no longer in state ESTABLISHED and will be forgotten soon
	FlowAlive                        // it still carries packets; every AliveEvery or so
	ClientBound                      // the client has got a destination, or has kept it for AliveEvery and come again
)

// AliveEvery is how often a busy flow is told of again.
const AliveEvery = 20 * time.Second

// Event tells of a flow.
type Event struct {
	Kind EventKind
	Flow
}

type eventRecord struct {
	kind             uint32
	dest, generation uint32
	proto, state     uint8
	_, _             uint8
	client, virtual  address
	cport, vport     port
	_                uint32
}

type lessonRecord struct {
	client, virtual address
	cport, vport    port
	proto, state    uint8
	family, _       uint8
	dest, idle      uint32
	result, _       uint32
}

const lessonSize = int(unsafe.Sizeof(lessonRecord{}))

// listening is how long the programs go on telling after the last time somebody said he listens.
const listening = 10 * time.Second

// Events calls f for what happens to flows until ctx ends, and then returns its error. f must not keep the
// Event. It runs on a goroutine of its own, beside the other methods; one at a time among all processes of a network
// namespace. Events that nobody reads in time are lost and counted.
func (p *Plane) Events(ctx context.Context, f func(*Event)) error {
	r, dests, err := p.openEvents()
	if err != nil {
		return err
	}
	defer r.Close()
	defer dests.close()
	defer context.AfterFunc(ctx, func() { r.Close() })()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.settings != nil {
			atomic.StoreUint32(&p.settings.listening, 0)
		}
	}()
	var record ringbuf.Record
	var e Event
	for {
		if err := p.listen(); err != nil {
			return err
		}
		r.SetDeadline(time.Now().Add(listening / 4))
		for until := time.Now().Add(listening / 4); time.Now().Before(until); {
			err := r.ReadInto(&record)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				return fmt.Errorf("xdp: reading events: %w", err)
			}
			if dests.event(record.RawSample, &e) {
				f(&e)
			}
		}
	}
}

// openEvents opens what Events reads.
func (p *Plane) openEvents() (*ringbuf.Reader, *directory, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.settings == nil {
		return nil, nil, errClosed
	}
	r, err := ringbuf.NewReader(p.maps[programMapPlaneEvents])
	if err != nil {
		return nil, nil, fmt.Errorf("xdp: reading events: %w", err)
	}
	dests, err := p.openDirectory()
	if err != nil {
		r.Close()
		return nil, nil, err
	}
	return r, dests, nil
}

// listen has the programs tell of flows for a while. It is an error once the plane is closed.
func (p *Plane) listen() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.settings == nil {
		return errClosed
	}
	now, err := p.jiffies()
	if err != nil {
		return err
	}
	atomic.StoreUint32(&p.settings.listening, max(now+p.settings.ticks(listening), 1))
	return nil
}

// directory finds destinations by slot, beside the Plane's own view, which belongs to another goroutine.
type directory struct {
	pins   *pinDir
	outer  *ebpf.Map
	blocks map[uint32][]byte
}

func (p *Plane) openDirectory() (*directory, error) {
	m, err := p.maps[programMapPlaneDests].Clone()
	if err != nil {
		return nil, err
	}
	return &directory{pins: p.pins, outer: m, blocks: map[uint32][]byte{}}, nil
}

func (d *directory) close() {
	for _, b := range d.blocks {
		unmap(b)
	}
	d.outer.Close()
}

func (d *directory) slot(i uint32) *slot {
	mem, ok := d.blocks[i/blockSize]
	if !ok {
		block, err := openInner(d.pins, d.outer, destsPin, i/blockSize)
		if err != nil {
			return nil
		}
		defer block.Close()
		if mem, err = mapMemory(block, blockBytes()); err != nil {
			return nil
		}
		d.blocks[i/blockSize] = mem
	}
	return (*slot)(unsafe.Pointer(&mem[int(i%blockSize)*slotSize]))
}

func (d *directory) event(raw []byte, e *Event) bool {
	var rec eventRecord
	if copy(bytesOf(&rec), raw) < int(unsafe.Sizeof(rec)) {
		return false
	}
	at := d.slot(rec.dest)
	if at == nil || atomic.LoadUint32(&at.generation) != rec.generation {
		return false
	}
	virtual := netip.AddrPortFrom(rec.virtual.addr(), rec.vport.number())
	*e = Event{Kind: EventKind(rec.kind), Flow: Flow{
		Protocol: table.Protocol(rec.proto), State: stateName(uint32(rec.state)),
		Client:  netip.AddrPortFrom(rec.client.addr(), rec.cport.number()),
		Virtual: virtual, Destination: at.destinationFor(virtual),
	}}
	return true
}

// Dump calls yield for each remembered flow and each binding until it returns false; half-open flows are left out.
// yield may take its time: the flows are those of the beginning.
func (p *Plane) Dump(yield func(*Flow) bool) error {
	flows, err := p.gather()
	if err != nil {
		return err
	}
	for i := range flows {
		if !yield(&flows[i]) {
			break
		}
	}
	return nil
}

func (p *Plane) gather() (flows []Flow, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.edit(func() error { return nil }); err != nil {
		return nil, err
	}
	err = p.eachFlow(false, func(e *entry, at *slot, _, idle time.Duration) bool {
		flows = append(flows, Flow{Protocol: table.Protocol(e.proto), State: stateName(e.state), Client: e.src,
			Virtual:     e.dst,
			Destination: at.destinationFor(e.dst), Idle: idle})
		return true
	})
	if err != nil {
		return nil, err
	}
	err = p.eachBinding(func(b *binding) bool {
		of := b.at.of.key()
		flows = append(flows, Flow{Protocol: of.Protocol, State: table.None, Client: netip.AddrPortFrom(b.client, 0),
			Virtual:     of.Addr,
			Destination: b.destination(), Idle: b.idle})
		return true
	})
	return flows, err
}

// Learn puts flows into the table that a peer told of. One that is here already becomes younger, and if
// it too was learnt, takes the state told. Of two bindings of a client the younger stays. unknown counts those
// whose service or destination is not here, or for which there was no room; and bindings to services that are not
// persistent here.
func (p *Plane) Learn(flows []Flow) (unknown int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	err = p.edit(func() error {
		for len(flows) > 0 {
			n := min(len(flows), maxLessons)
			missed, err := p.learn(flows[:n])
			if err != nil {
				return err
			}
			unknown += missed
			flows = flows[n:]
		}
		return nil
	})
	return unknown, err
}

type learner struct {
	virtual, destination netip.AddrPort
	proto                table.Protocol
}

func (p *Plane) learn(flows []Flow) (unknown int, err error) {
	lessons := unsafe.Slice((*lessonRecord)(unsafe.Pointer(&p.lessons[0])), maxLessons)
	known := map[learner]uint32{}
	n := 0
	for i := range flows {
		f := &flows[i]
		who := learner{f.Virtual, f.Destination, f.Protocol}
		dest, ok := known[who]
		if !ok {
			if dest, ok = p.slotFor(f); !ok {
				unknown++
				continue
			}
			known[who] = dest
		}
		lessons[n] = lessonRecord{
			client: addressOf(f.Client.Addr()), virtual: addressOf(f.Virtual.Addr()), cport: portOf(f.Client.Port()),
			vport: portOf(f.Virtual.Port()),
			proto: uint8(f.Protocol), state: stateNumber(f.State), family: 6, dest: dest,
			idle: p.settings.ticks(min(max(f.Idle, 0), 24*time.Hour)),
		}
		if f.Client.Addr().Unmap().Is4() {
			lessons[n].family = 4
		}
		n++
	}
	if n == 0 {
		return unknown, nil
	}
	count := uint32(n)
	if _, err := p.programs[programProgPlaneLearn].Run(&ebpf.RunOptions{Context: bytesOf(&count)}); err != nil {
		return unknown, fmt.Errorf("xdp: learning flows: %w (it needs %s)", err, minKernel)
	}
	for _, l := range lessons[:n] {
		if l.result == 3 {
			unknown++
		}
	}
	return unknown, nil
}

func stateNumber(s table.State) uint8 {
	for i, name := range states {
		if name == s {
			return uint8(i)
		}
	}
	return stateEstablished
}

// slotFor finds the destination a flow goes to.
func (p *Plane) slotFor(f *Flow) (uint32, bool) {
	key := serviceKey{addr: addressOf(f.Virtual.Addr()), port: portOf(f.Virtual.Port()), proto: uint8(f.Protocol)}
	addr := addressOf(f.Destination.Addr())
	for range 2 {
		if s := p.services[key]; s != nil {
			for _, i := range s.members {
				if at := p.slotAt(i); at.addr == addr &&
					(at.port.number() == 0 || at.port == portOf(f.Destination.Port())) {
					return i, true
				}
			}
		}
		key.port = port{} // a service of every port
	}
	return 0, false
}
