package xdp

import (
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"

	"github.com/evenkeel/evenkeel/lvs/table"
)

// defaultTimeouts are the kernel's own (ip_vs_proto_tcp.c, ip_vs_proto_udp.c). None is how long the other
// fragments of a packet are waited for.
var defaultTimeouts = map[int]time.Duration{
	0:                30 * time.Second,
	stateEstablished: 15 * time.Minute,
	2:                2 * time.Minute, // SYN_SENT
	stateSynRecv:     time.Minute,
	stateFinWait:     2 * time.Minute,
	5:                2 * time.Minute,  // TIME_WAIT
	6:                10 * time.Second, // CLOSE
	7:                time.Minute,      // CLOSE_WAIT
	8:                30 * time.Second, // LAST_ACK
	stateUDP:         5 * time.Minute,
}

// State is part of [table.Driver]. Services are listed in the order they were added.
func (p *Plane) State() (out []table.ServiceState, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	err = p.edit(func() error {
		bound, err := p.bound()
		if err != nil {
			return err
		}
		now, err := p.jiffies()
		if err != nil {
			return err
		}
		all, err := p.newTallies()
		if err != nil {
			return err
		}
		for _, s := range p.ordered() {
			one, err := p.stateOf(s, all, bound, now)
			if err != nil {
				return err
			}
			out = append(out, one)
		}
		return nil
	})
	return out, err
}

func (s *service) table() table.Service {
	return table.Service{
		Key:         s.key.key(),
		Scheduler:   schedulerName(s.rec.scheduler),
		Flags:       table.Flags(s.rec.flags),
		Timeout:     time.Duration(s.rec.seconds) * time.Second,
		Granularity: int(s.rec.granularity),
	}
}

func (p *Plane) stateOf(s *service, all *tallies, bound map[uint32]uint32, now uint32) (table.ServiceState, error) {
	out := table.ServiceState{Service: s.table()}
	total := s.rec.carried
	for _, i := range s.members {
		at := p.slotAt(i)
		c, err := all.of(i)
		if err != nil {
			return out, err
		}
		total.add(c)
		d := table.DestinationState{
			Destination: at.destination(),
			Active:      atomic.LoadUint32(&at.active),
			Inactive:    atomic.LoadUint32(&at.inactive) + atomic.LoadUint32(&at.pending),
			Persistent:  bound[i],
			Counters:    c.public(),
			Rates:       p.ratesOf(at, now),
		}
		out.Destinations = append(out.Destinations, d)
		out.Rates.Connections += d.Rates.Connections
		out.Rates.InPackets += d.Rates.InPackets
		out.Rates.OutPackets += d.Rates.OutPackets
		out.Rates.InBytes += d.Rates.InBytes
		out.Rates.OutBytes += d.Rates.OutBytes
	}
	out.Counters = total.public()
	return out, nil
}

// bound counts the clients bound to each destination, if there is a persistent service.
func (p *Plane) bound() (map[uint32]uint32, error) {
	persistent := false
	for _, s := range p.services {
		persistent = persistent || s.rec.flags&uint32(table.Persistent) != 0
	}
	if !persistent {
		return nil, nil
	}
	out := map[uint32]uint32{}
	err := p.eachBinding(func(b *binding) bool {
		out[b.dest]++
		return true
	})
	return out, err
}

// binding is a client, or with a granularity its network, that stays with a destination.
type binding struct {
	client     netip.Addr
	at         *slot
	dest       uint32 // of at
	left, idle time.Duration
}

// destination is where the client goes; without a port where each is sent to the port it asks for.
func (b *binding) destination() netip.AddrPort {
	return netip.AddrPortFrom(b.at.addr.addr(), b.at.port.number())
}

// eachBinding calls f for each client that is bound. f must not keep what it is given.
func (p *Plane) eachBinding(f func(*binding) bool) error {
	now, err := p.jiffies()
	if err != nil {
		return err
	}
	return each[[20]byte, [20]byte](p.maps[programMapPlaneBindings], func(k *bindingKey, b *bindingRecord) bool {
		left := int32(b.last + b.timeout - now)
		at, ok := p.slotOf(b.dest, b.generation)
		if left < 0 || !ok || at.flags&slotInUse == 0 {
			return true
		}
		return f(&binding{client: k.client.addr(), at: at, dest: b.dest,
			left: time.Duration(left) * p.tick, idle: max(0, time.Duration(int32(now-b.last))*p.tick)})
	})
}

// slotOf is a destination that a flow or a binding belongs to, if the slot is still its.
func (p *Plane) slotOf(i, generation uint32) (*slot, bool) {
	if int(i/blockSize) >= len(p.blocks) {
		return nil, false
	}
	at := p.slotAt(i)
	return at, atomic.LoadUint32(&at.generation) == generation
}

// each reads a map many entries at a time. Entries that come or go meanwhile may be missed. RK and RV are byte
// arrays as long as K and V, which the library reads without looking at fields.
func each[RK, RV, K, V any](m *ebpf.Map, f func(*K, *V) bool) error {
	const many = 4096
	keys, values := make([]RK, many), make([]RV, many)
	var cursor ebpf.MapBatchCursor
	for {
		n, err := m.BatchLookup(&cursor, keys, values, nil)
		if err != nil && !isMissing(err) {
			return fmt.Errorf("xdp: reading %s: %w", m, err)
		}
		for i := range n {
			if !f((*K)(unsafe.Pointer(&keys[i])), (*V)(unsafe.Pointer(&values[i]))) {
				return nil
			}
		}
		if err != nil {
			return nil // the end
		}
	}
}

// jiffies asks the programs for the time they go by.
func (p *Plane) jiffies() (uint32, error) {
	now, err := p.programs[programProgPlaneNow].Run(&ebpf.RunOptions{})
	if err != nil {
		return 0, fmt.Errorf("xdp: asking for the time: %w (it needs %s)", err, minKernel)
	}
	return now, nil
}

// entry is a flow with the tuple it is known by.
type entry struct {
	proto    uint8
	src, dst netip.AddrPort
	flowRecord
}

// eachFlow calls f for each flow (not the servers' sides), half-open ones included; left is until it is forgotten.
func (p *Plane) eachFlow(half bool, f func(e *entry, at *slot, left, idle time.Duration) bool) error {
	now, err := p.jiffies()
	if err != nil {
		return err
	}
	more := true
	visit := func(e *entry) bool {
		left := int32(e.last + e.timeout - now)
		at, ok := p.slotOf(e.dest, e.generation)
		if e.flags&flowReverse != 0 || e.state == stateDead || left < 0 || !ok {
			return true
		}
		more = f(e, at, time.Duration(left)*p.tick, max(0, time.Duration(int32(now-e.last))*p.tick))
		return more
	}
	for _, name := range []string{programMapPlaneFlows4, programMapPlaneHalf4} {
		if more && (half || name == programMapPlaneFlows4) {
			err = errors.Join(err, each[[16]byte, [56]byte](p.maps[name], func(k *key4, v *flowRecord) bool {
				return visit(&entry{proto: k.proto, src: netip.AddrPortFrom(netip.AddrFrom4(k.src), k.sport.number()),
					dst: netip.AddrPortFrom(netip.AddrFrom4(k.dst), k.dport.number()), flowRecord: *v})
			}))
		}
	}
	for _, name := range []string{programMapPlaneFlows6, programMapPlaneHalf6} {
		if more && (half || name == programMapPlaneFlows6) {
			err = errors.Join(err, each[[40]byte, [56]byte](p.maps[name], func(k *key6, v *flowRecord) bool {
				return visit(&entry{proto: k.proto, src: netip.AddrPortFrom(k.src.addr(), k.sport.number()),
					dst: netip.AddrPortFrom(k.dst.addr(), k.dport.number()), flowRecord: *v})
			}))
		}
	}
	return err
}

// destinationFor is where a flow to virtual goes behind a destination.
func (at *slot) destinationFor(virtual netip.AddrPort) netip.AddrPort {
	n := at.port.number()
	if n == 0 {
		n = virtual.Port()
	}
	return netip.AddrPortFrom(at.addr.addr(), n)
}

func stateName(n uint32) table.State {
	if int(n) < len(states) {
		return states[n]
	}
	return table.None
}

// methodOf is how packets of a destination go, this machine included.
func (at *slot) methodOf() table.Method {
	if at.flags&slotHere != 0 {
		return table.Local
	}
	return table.Method(at.method)
}

// Connections is part of [table.Driver]. The plane stays open to others meanwhile.
func (p *Plane) Connections(yield func(*table.Connection) bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.edit(func() error { return nil }); err != nil {
		return err
	}
	more := true
	err := p.eachFlow(true, func(e *entry, at *slot, left, _ time.Duration) bool {
		more = yield(&table.Connection{
			Protocol: table.Protocol(e.proto), Client: e.src, Virtual: e.dst, Destination: at.destinationFor(e.dst),
			State: stateName(e.state), Expires: left, Method: at.methodOf(),
		})
		return more
	})
	if err != nil || !more {
		return err
	}
	return p.eachBinding(func(b *binding) bool {
		of := b.at.of.key()
		return yield(&table.Connection{
			Protocol: of.Protocol, Client: netip.AddrPortFrom(b.client, 0), Virtual: of.Addr,
			Destination: b.destination(), State: table.None, Expires: b.left, Method: b.at.methodOf(),
		})
	})
}

// Zero is part of [table.Driver].
func (p *Plane) Zero(k *table.Key) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.edit(func() error {
		if k != nil && p.services[serviceKeyOf(*k)] == nil {
			return table.ErrNotFound
		}
		for key, s := range p.services {
			if k != nil && key != serviceKeyOf(*k) {
				continue
			}
			for _, i := range s.members {
				if err := p.zeroSlot(i); err != nil {
					return err
				}
			}
			s.rec.carried = counters{}
			s.changed = true
		}
		return p.commit()
	})
}

// Timeouts is part of [table.Driver].
func (p *Plane) Timeouts() (table.Timeouts, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := func(state int) time.Duration {
		return (time.Duration(atomic.LoadUint32(&p.settings.timeout[state])) * p.tick).Round(time.Second)
	}
	return table.Timeouts{TCP: at(stateEstablished), TCPFin: at(stateFinWait), UDP: at(stateUDP)}, nil
}

// SetTimeouts is part of [table.Driver]. A flow takes a new timeout when its state changes, or
// within [AliveEvery] while it is busy.
func (p *Plane) SetTimeouts(t table.Timeouts) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.edit(func() error {
		for state, d := range map[int]time.Duration{stateEstablished: t.TCP, stateFinWait: t.TCPFin, stateUDP: t.UDP} {
			if d < 0 || d > 24*24*time.Hour {
				return fmt.Errorf("xdp: a timeout of %v: it must be 1 s to 24 days", d)
			}
			if d > 0 {
				atomic.StoreUint32(&p.settings.timeout[state], p.settings.ticks(d))
			}
		}
		return nil
	})
}
