package xdp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// That an XDP program attaches proves nothing: on several kinds of links what it sends vanishes. So each link
// must first carry a question to a neighbour out by XDP, and the neighbour's answer must come in by XDP. Until then,
// and where it fails, packets go by tc.

const (
	// patience is how long an answer is waited for.
	patience = 500 * time.Millisecond
	// rest is how long a link that failed is left alone.
	rest = 5 * time.Minute
	// provenLinks is the size of the programs' table of proven links.
	provenLinks = 1024
)

type probeRecord struct {
	ifindex, asked, seen, _ uint32
	target                  address
}

// accelerate puts XDP before tc on the interfaces looked at, as far as the mode wants it and the links prove it.
func (p *Plane) accelerate() error {
	if p.options.Keep {
		return nil
	}
	if p.options.Mode == TC {
		return p.slowDown()
	}
	links, err := candidates(p.netlink, p.options.Interfaces)
	if err != nil {
		return err
	}
	for _, l := range links {
		if err := p.accelerateLink(l); err != nil {
			return err
		}
	}
	return nil
}

func (p *Plane) slowDown() error {
	at, err := p.attacher.indices(xdpPrefix)
	if err != nil {
		return err
	}
	for _, i := range at {
		if err := p.unproven(i); err != nil {
			return err
		}
	}
	atomic.StoreUint32(&p.settings.xdp, 0)
	return nil
}

// unproven takes XDP off a link.
func (p *Plane) unproven(ifindex int) error {
	if err := p.maps[programMapPlaneProven].Put(uint32(ifindex%provenLinks), uint32(0)); err != nil {
		return err
	}
	return p.attacher.unpin(xdpPrefix + strconv.Itoa(ifindex))
}

func (p *Plane) accelerateLink(l netlink.Link) error {
	a := l.Attrs()
	name := xdpPrefix + strconv.Itoa(a.Index)
	alive := p.attacher.alive(name)
	if alive && p.isProven(a.Index) || time.Since(p.failed[a.Index]) < rest {
		return nil
	}
	target, ok := p.neighbourOn(a.Index)
	if !ok && p.options.Mode != XDPGeneric {
		return nil // nobody to ask yet
	}
	if !alive {
		if err := p.attachXDP(a.Index, name); err != nil {
			return p.refused(a, err)
		}
	}
	if p.options.Mode != XDPGeneric {
		if err := p.prove(l, target); err != nil {
			return p.refused(a, err)
		}
	}
	if err := p.maps[programMapPlaneProven].Put(uint32(a.Index%provenLinks), uint32(a.Index)); err != nil {
		return err
	}
	atomic.StoreUint32(&p.settings.xdp, 1)
	p.options.Log(fmt.Sprintf("packets that come in by %s go by XDP where that is faster", a.Name))
	return nil
}

// refused takes XDP off a link that did not pass, which only in mode XDPNative is an error.
func (p *Plane) refused(a *netlink.LinkAttrs, err error) error {
	if e := p.unproven(a.Index); e != nil {
		return e
	}
	if p.failed == nil {
		p.failed = map[int]time.Time{}
	}
	p.failed[a.Index] = time.Now()
	err = fmt.Errorf("xdp: no XDP on %s: %w", a.Name, err)
	if p.options.Mode == XDPNative {
		return err
	}
	p.options.Log(err.Error() + "; its packets go by tc")
	return nil
}

func (p *Plane) isProven(ifindex int) bool {
	var v uint32
	err := p.maps[programMapPlaneProven].Lookup(uint32(ifindex%provenLinks), &v)
	return err == nil && v == uint32(ifindex)
}

func (p *Plane) attachXDP(ifindex int, name string) error {
	flags := link.XDPDriverMode
	if p.options.Mode == XDPGeneric {
		flags = link.XDPGenericMode
	}
	l, err := link.AttachXDP(link.XDPOptions{Program: p.programs[programProgPlaneXdp], Interface: ifindex,
		Flags: flags})
	if err != nil {
		return fmt.Errorf("attaching: %w", err)
	}
	defer l.Close()
	return p.attacher.pin(l, name)
}

// renewXDP replaces the program of each link that has one.
func (p *Plane) renewXDP() error {
	at, err := p.attacher.indices(xdpPrefix)
	if err != nil {
		return err
	}
	for _, i := range at {
		l, err := p.attacher.pinned(xdpPrefix + strconv.Itoa(i))
		if err == nil {
			err = l.Update(p.programs[programProgPlaneXdp])
			l.Close()
		}
		if err != nil && !errors.Is(err, unix.ENOLINK) && !errors.Is(err, unix.ENODEV) {
			return fmt.Errorf("xdp: replacing the XDP program of interface %d: %w", i, err)
		}
	}
	return nil
}

// neighbourOn finds somebody on a link who will answer: a destination's next hop, else anybody who has lately been
// spoken to.
func (p *Plane) neighbourOn(ifindex int) (netip.Addr, bool) {
	for i := range uint32(len(p.blocks) * blockSize) {
		at := p.slotAt(i)
		if at.flags&slotInUse != 0 && at.flags&slotHere == 0 && at.ifindex == uint32(ifindex) {
			return at.nexthop.addr(), true
		}
	}
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		ns, err := p.netlink.NeighList(ifindex, family)
		if err != nil {
			continue
		}
		for _, n := range ns {
			a, ok := netip.AddrFromSlice(n.IP)
			const met = netlink.NUD_REACHABLE | netlink.NUD_STALE | netlink.NUD_DELAY | netlink.NUD_PROBE
			if ok && n.State&met != 0 && !a.IsLinkLocalUnicast() {
				return a.Unmap(), true
			}
		}
	}
	return netip.Addr{}, false
}

// prove asks a neighbour for its link address, out and back by XDP.
func (p *Plane) prove(l netlink.Link, target netip.Addr) error {
	question, err := p.question(l, target)
	if err != nil {
		return err
	}
	mem, err := mapMemory(p.maps[programMapPlaneProbe], pageSize())
	if err != nil {
		return err
	}
	defer unmap(mem)
	probe := (*probeRecord)(unsafe.Pointer(&mem[0]))
	*probe = probeRecord{ifindex: uint32(l.Attrs().Index), target: addressOf(target)}
	atomic.StoreUint32(&probe.asked, 1)
	defer atomic.StoreUint32(&probe.asked, 0)
	for range 5 { // tries, not time alone: the machine may be busy with others
		_, err := p.programs[programProgPlaneAsk].Run(&ebpf.RunOptions{Data: question, Repeat: 1,
			Flags: unix.BPF_F_TEST_XDP_LIVE_FRAMES})
		if err != nil {
			return fmt.Errorf("sending a self-test packet: %w (it needs Linux 5.18 or later)", err)
		}
		for range 10 {
			time.Sleep(patience / 50)
			if atomic.LoadUint32(&probe.seen) != 0 {
				return nil
			}
		}
	}
	return fmt.Errorf("%s did not answer a self-test packet within %v", target, patience)
}

// question is a whole frame that asks who has target.
func (p *Plane) question(l netlink.Link, target netip.Addr) ([]byte, error) {
	source, ok := p.sourceOn(l, target)
	if !ok {
		return nil, fmt.Errorf("the link has no address to ask for %s from", target)
	}
	mac := l.Attrs().HardwareAddr
	if len(mac) != 6 {
		return nil, errors.New("the link has no Ethernet address")
	}
	if target.Is4() {
		f := append(net.HardwareAddr{255, 255, 255, 255, 255, 255}, mac...)
		f = append(f, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1) // ARP, Ethernet, IPv4, request
		f = append(append(f, mac...), source.AsSlice()...)
		f = append(append(f, 0, 0, 0, 0, 0, 0), target.AsSlice()...)
		return append(f, make([]byte, 60-len(f))...), nil
	}
	return solicitation(mac, source, target), nil
}

// solicitation is RFC 4861 §4.3.
func solicitation(mac net.HardwareAddr, source, target netip.Addr) []byte {
	t := target.As16()
	f := append(net.HardwareAddr{0x33, 0x33, 255, t[13], t[14], t[15]}, mac...)
	f = append(f, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 32, unix.IPPROTO_ICMPV6, 255)
	f = append(f, source.AsSlice()...)
	f = append(f, 0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 255, t[13], t[14], t[15])
	f = append(f, 135, 0, 0, 0, 0, 0, 0, 0)
	f = append(append(f, t[:]...), 1, 1)
	f = append(f, mac...)
	sum := uint32(32 + unix.IPPROTO_ICMPV6)
	for i := 22; i < len(f); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(f[i:]))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	binary.BigEndian.PutUint16(f[56:], ^uint16(sum))
	return f
}

func (p *Plane) sourceOn(l netlink.Link, target netip.Addr) (netip.Addr, bool) {
	family := unix.AF_INET6
	if target.Is4() {
		family = unix.AF_INET
	}
	as, err := p.netlink.AddrList(l, family)
	if err != nil {
		return netip.Addr{}, false
	}
	for _, a := range as {
		// A virtual address may be the neighbour's own too, which then does not answer.
		if src, ok := netip.AddrFromSlice(a.IP); ok && a.Flags&unix.IFA_F_DEPRECATED == 0 &&
			a.Contains(target.AsSlice()) {
			return src.Unmap(), true
		}
	}
	return netip.Addr{}, false
}
