package xdp

import (
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/evenkeel/evenkeel/lvs/table"
)

// Schedulers by name, as the programs number them.
var schedulers = map[string]uint32{"rr": 1, "wrr": 2, "lc": 3, "wlc": 4, "sh": 5, "mh": 6}

func schedulerName(n uint32) string {
	for name, i := range schedulers {
		if i == n {
			return name
		}
	}
	return "unknown"
}

// servable is what flags a service can have.
const servable = table.Persistent | table.OnePacket | table.Sched1 | table.Sched2

// Apply is part of [table.Driver]. A service's destinations are rearranged once, at the end.
func (p *Plane) Apply(changes []table.Change) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.edit(func() error {
		added := 0
		for i := range changes {
			if changes[i].Verb == table.AddDestination {
				added++
			}
		}
		if err := p.makeRoom(added); err != nil {
			return fmt.Errorf("xdp: room for %d destinations: %w", added, err)
		}
		var failed error
		for i := range changes {
			if err := p.change(&changes[i]); err != nil {
				failed = &table.ChangeError{Index: i, Change: changes[i], Err: err}
				break
			}
		}
		if err := p.commit(); failed == nil {
			failed = err
		}
		return failed
	})
}

func (p *Plane) change(c *table.Change) error {
	if c.Verb == table.Flush {
		for _, s := range p.ordered() {
			if err := p.deleteService(s); err != nil {
				return err
			}
		}
		return nil
	}
	if err := addressable(c.Service.Key); err != nil {
		return err
	}
	key := serviceKeyOf(c.Service.Key)
	s := p.services[key]
	if s == nil && c.Verb != table.AddService {
		return table.ErrNotFound
	}
	switch c.Verb {
	case table.AddService:
		if s != nil {
			return table.ErrExists
		}
		return p.addService(key, &c.Service)
	case table.EditService:
		return p.setService(s, &c.Service)
	case table.DeleteService:
		return p.deleteService(s)
	}
	i := p.member(s, &c.Destination)
	switch {
	case c.Verb == table.AddDestination && i >= 0:
		return table.ErrExists
	case c.Verb == table.AddDestination:
		return p.addDestination(s, &c.Destination)
	case i < 0:
		return table.ErrNotFound
	case c.Verb == table.EditDestination:
		return p.setDestination(s, s.members[i], &c.Destination)
	}
	return p.deleteDestination(s, i)
}

// unsupported is an error that says who can.
func unsupported(format string, args ...any) error {
	return fmt.Errorf("%s: %w by our own forwarding plane; lvs_driver ipvs can", fmt.Sprintf(format, args...),
		table.ErrUnsupported)
}

func addressable(k table.Key) error {
	switch {
	case k.Mark != 0:
		return unsupported("a service by firewall mark")
	case k.Protocol != table.TCP && k.Protocol != table.UDP:
		return unsupported("protocol %s", k.Protocol)
	case !k.Addr.Addr().IsValid() || k.Addr.Addr().Zone() != "":
		return fmt.Errorf("%s is no address of a service", k.Addr)
	}
	return nil
}

func (p *Plane) addService(key serviceKey, want *table.Service) error {
	s := &service{key: key}
	if len(p.indices) == maxServices {
		return fmt.Errorf("there is room for %d services only", maxServices)
	}
	for p.indices[p.nextIndex] {
		p.nextIndex = (p.nextIndex + 1) % maxServices
	}
	s.rec.index = p.nextIndex
	s.rec.seed = seed(key)
	if err := p.setService(s, want); err != nil {
		return err
	}
	lease, err := p.leaseOf(key.addr)
	if err != nil {
		return err
	}
	s.rec.lease = lease
	p.settings.order++
	s.rec.order = p.settings.order
	p.indices[s.rec.index] = true
	p.services[key] = s
	return nil
}

// seed makes services choose differently, and alike on both nodes.
func seed(k serviceKey) uint32 {
	h := uint32(2166136261)
	for _, b := range bytesOf(&k) {
		h = (h ^ uint32(b)) * 16777619
	}
	return h
}

func (p *Plane) setService(s *service, want *table.Service) error {
	n, ok := schedulers[want.Scheduler]
	flags := want.Flags &^ table.Hashed
	bits := 128
	if want.Addr.Addr().Unmap().Is4() {
		bits = 32
	}
	switch {
	case !ok:
		return unsupported("scheduler %s", want.Scheduler)
	case want.Engine != "":
		return unsupported("persistence engine %s", want.Engine)
	case flags&^servable != 0:
		return unsupported("flags %#x", uint32(flags&^servable))
	case want.Addr.Port() == 0 && flags&table.Persistent == 0:
		return fmt.Errorf("a service of every port must be persistent")
	case flags&table.Persistent != 0 && (want.Granularity < 0 || want.Granularity > bits):
		return fmt.Errorf("granularity %d: it must be 0 to %d bits", want.Granularity, bits)
	case flags&table.Persistent != 0 && (want.Timeout < time.Second || want.Timeout > 30*24*time.Hour):
		return fmt.Errorf("a persistence of %v: it must be 1 s to 30 days", want.Timeout)
	}
	s.moved = s.moved || s.rec.scheduler != n
	s.rec.scheduler = n
	s.rec.flags = uint32(flags)
	s.rec.granularity = uint32(want.Granularity)
	s.rec.seconds = uint32(want.Timeout / time.Second)
	s.rec.timeout = uint32(min(int64(want.Timeout/p.tick), 1<<31-1))
	s.changed = true
	return nil
}

// deleteService takes a service away; its destinations' flows are held until they are over, as if it might come back.
func (p *Plane) deleteService(s *service) error {
	if err := p.maps[programMapPlaneServices].Delete(bytesOf(&s.key)); err != nil && !isMissing(err) {
		return err
	}
	p.bump()
	for _, i := range s.members {
		p.leave(i)
	}
	s.members = nil
	p.ended = append(p.ended, s)
	delete(p.services, s.key)
	delete(p.indices, s.rec.index)
	return nil
}

func (p *Plane) bump() {
	atomic.AddUint64(&p.settings.revision, 1)
	p.revision = p.settings.revision
}

// commit writes what is changed.
func (p *Plane) commit() error {
	moved := p.ended // first: a new service may have taken the place of an ended one
	p.ended = nil
	for _, s := range p.ordered() {
		if s.moved {
			moved = append(moved, s)
		}
	}
	if err := p.arrange(moved); err != nil {
		return err
	}
	for _, s := range p.ordered() {
		s.moved = false
		if s.changed {
			if err := p.maps[programMapPlaneServices].Put(bytesOf(&s.key), bytesOf(&s.rec)); err != nil {
				return fmt.Errorf("xdp: writing service %s: %w", s.key.key(), err)
			}
			s.changed = false
		}
	}
	p.bump()
	return nil
}

// member finds a destination's place among a service's, or -1.
func (p *Plane) member(s *service, d *table.Destination) int {
	addr, port := addressOf(d.Addr.Addr()), p.portFor(s, d)
	return slices.IndexFunc(s.members, func(i uint32) bool {
		at := p.slotAt(i)
		return at.addr == addr && at.port == port
	})
}

// portFor is a destination's port; with direct routing and tunnels it is the service's, as ipvsadm has it.
func (p *Plane) portFor(_ *service, d *table.Destination) port { return portOf(d.Addr.Port()) }

func (p *Plane) addDestination(s *service, d *table.Destination) error {
	if err := reachable(s, d); err != nil {
		return err
	}
	k := goneKey{s.key, addressOf(d.Addr.Addr()), p.portFor(s, d)}
	i, again := p.gone[k]
	if again {
		delete(p.gone, k) // its flows go on
	} else {
		if len(p.free) == 0 {
			if err := p.makeRoom(1); err != nil {
				return err
			}
		}
		i = p.free[len(p.free)-1]
		p.free = p.free[:len(p.free)-1]
	}
	if err := p.occupy(i, s, k, again); err != nil {
		return err
	}
	if err := p.setDestination(s, i, d); err != nil {
		p.leave(i)
		return err
	}
	s.members = append(s.members, i)
	return nil
}

// occupy makes a slot a destination's.
func (p *Plane) occupy(i uint32, s *service, k goneKey, again bool) error {
	at := p.slotAt(i)
	if at.generation != 0 {
		if err := p.zeroSlot(i); err != nil {
			return err
		}
	}
	if !again {
		*at = slot{of: k.of, addr: k.addr, port: k.port}
		p.settings.serial++
		atomic.StoreUint32(&at.generation, p.settings.serial)
	}
	at.family = 6
	if k.addr.addr().Is4() {
		at.family = 4
	}
	p.settings.order++
	at.order = p.settings.order
	at.service = s.rec.index
	atomic.StoreUint32(&at.lease, s.rec.lease)
	return nil
}

// reachable checks that a destination can be had the way it is asked for.
func reachable(s *service, d *table.Destination) error {
	a := d.Addr.Addr()
	virtual := s.key.addr.addr()
	switch {
	case !a.IsValid() || a.IsUnspecified() || a.IsMulticast() || a.Zone() != "":
		return fmt.Errorf("%s is no address of a destination", d.Addr)
	case d.Weight < 0 || d.Weight > 65535:
		return fmt.Errorf("weight %d: it must be 0 to 65535", d.Weight)
	case d.Method != table.Tunnel && a.Unmap().Is4() != virtual.Is4():
		return fmt.Errorf("%s is of another family than the service; only a tunnel reaches it", d.Addr)
	case d.Method == table.Direct && a.Unmap() == virtual:
		return nil // this machine itself
	case d.Method != table.NAT && d.Method != table.Tunnel && d.Method != table.Direct:
		return unsupported("method %d", d.Method)
	case d.Method != table.Tunnel:
		return nil
	case d.Wrap.Type != table.IPIP && d.Wrap.Type != table.GUE:
		return unsupported("tunnel type %d", d.Wrap.Type)
	case d.Wrap.Flags != 0:
		return unsupported("checksums of tunnels")
	case d.Wrap.Type == table.GUE && d.Wrap.Port == 0:
		return fmt.Errorf("a GUE tunnel needs a port")
	}
	return nil
}

// setDestination writes what may change while packets pass.
func (p *Plane) setDestination(s *service, i uint32, d *table.Destination) error {
	if err := reachable(s, d); err != nil {
		return err
	}
	at := p.slotAt(i)
	at.method = uint8(d.Method)
	at.wrap = uint8(d.Wrap.Type)
	at.wrapPort = portOf(d.Wrap.Port)
	if at.weight != uint32(d.Weight) {
		s.moved = true
	}
	atomic.StoreUint32(&at.weight, uint32(d.Weight))
	atomic.StoreUint32(&at.upper, d.Upper)
	atomic.StoreUint32(&at.lower, d.Lower)
	atomic.StoreUint32(&at.overloaded, 0)
	p.findWay(at)
	flags := at.flags &^ slotGone
	atomic.StoreUint32(&at.flags, flags|slotInUse)
	s.moved = true
	return nil
}

// leave frees a slot, or, while flows belong to it, one that waits for them.
func (p *Plane) leave(i uint32) {
	at := p.slotAt(i)
	atomic.StoreUint32(&at.flags, at.flags&^slotInUse|slotGone)
	if at.remembered() {
		p.gone[goneKey{at.of, at.addr, at.port}] = i
	} else {
		p.free = append(p.free, i)
	}
}

func (p *Plane) deleteDestination(s *service, member int) error {
	i := s.members[member]
	c, err := p.countersOf(i)
	if err != nil {
		return err
	}
	s.rec.carried.add(c)
	s.members = slices.Delete(s.members, member, member+1)
	s.changed, s.moved = true, true
	p.leave(i)
	return nil
}

// destination is a slot as the table has it.
func (at *slot) destination() table.Destination {
	d := table.Destination{
		Addr:   netip.AddrPortFrom(at.addr.addr(), at.port.number()),
		Method: table.Method(at.method),
		Weight: int(at.weight),
		Upper:  at.upper,
		Lower:  at.lower,
	}
	if d.Method == table.Tunnel {
		d.Wrap = table.Wrap{Type: table.TunnelType(at.wrap), Port: at.wrapPort.number()}
	}
	return d
}
