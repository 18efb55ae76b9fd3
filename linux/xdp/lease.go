package xdp

import (
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf"
)

// leaseOf is the slot of an address, 0 if it has none.
func (p *Plane) leaseOf(a address) (uint32, error) {
	var i uint32
	err := p.maps[programMapPlaneLeased].Lookup(bytesOf(&a), &i)
	if err != nil && !isMissing(err) {
		return 0, fmt.Errorf("xdp: looking for the lease of %s: %w", a.addr(), err)
	}
	return i, nil
}

func (p *Plane) deadline(i uint32) *atomic.Int64 {
	return (*atomic.Int64)(unsafe.Pointer(&p.leases[i*8]))
}

// Lease returns the deadline of a virtual address, in nanoseconds of CLOCK_BOOTTIME, in memory
// that the programs read: services of the address forward only before it. An address that had
// no lease gets one whose deadline is 0 (closed). It outlives the process. The pointer is valid
// until [Plane.Unlease] or [Plane.Close]; any goroutine may store to it.
func (p *Plane) Lease(addr netip.Addr) (deadline *atomic.Int64, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := addressOf(addr.Unmap().WithZone(""))
	err = p.edit(func() error {
		i, err := p.leaseOf(a)
		if err != nil {
			return err
		}
		if i == 0 {
			if i, err = p.freeLease(); err != nil {
				return err
			}
			p.deadline(i).Store(0)
			if err := p.maps[programMapPlaneLeased].Put(bytesOf(&a), i); err != nil {
				return fmt.Errorf("xdp: giving %s a lease: %w", addr, err)
			}
		}
		deadline = p.deadline(i)
		return p.putLease(a, i)
	})
	return deadline, err
}

// freeLease finds a slot no address has. Slot 0 belongs to no address: always open.
func (p *Plane) freeLease() (uint32, error) {
	used := map[uint32]bool{0: true}
	var a address
	var i uint32
	all := p.maps[programMapPlaneLeased].Iterate()
	for all.Next(bytesOf(&a), &i) {
		used[i] = true
	}
	if err := all.Err(); err != nil {
		return 0, fmt.Errorf("xdp: listing leases: %w", err)
	}
	for i := range uint32(maxLeases) {
		if !used[i] {
			return i, nil
		}
	}
	return 0, fmt.Errorf("xdp: there is room for %d leases only", maxLeases-1)
}

// putLease tells the services of an address, and destinations whose flows are held, of its slot.
func (p *Plane) putLease(a address, lease uint32) error {
	for _, s := range p.services {
		if s.key.addr == a && s.rec.lease != lease {
			s.rec.lease = lease
			s.changed = true
		}
	}
	for i := range uint32(len(p.blocks) * blockSize) {
		if at := p.slotAt(i); at.of.addr == a && at.flags != 0 {
			atomic.StoreUint32(&at.lease, lease)
		}
	}
	return p.commit()
}

// Unlease takes an address's lease away: its services forward always. No lease is no error.
func (p *Plane) Unlease(addr netip.Addr) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := addressOf(addr.Unmap().WithZone(""))
	return p.edit(func() error {
		i, err := p.leaseOf(a)
		if err != nil || i == 0 {
			return err
		}
		if err := p.putLease(a, 0); err != nil {
			return err
		}
		if err := p.maps[programMapPlaneLeased].Delete(bytesOf(&a)); err != nil &&
			!errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("xdp: taking the lease of %s away: %w", addr, err)
		}
		return nil
	})
}
