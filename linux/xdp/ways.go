package xdp

import (
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// trust is for how long a destination's link address may be used without being looked up again. After that
// the kernel's own neighbour table is asked for each packet.
const trust = 10 * time.Second

// way is how packets leave for an address.
type way struct {
	ifindex int
	nexthop netip.Addr
	source  netip.Addr
	mtu     int
	here    bool
}

// wayTo asks the routing table.
func (p *Plane) wayTo(a netip.Addr) (way, bool) {
	routes, err := p.netlink.RouteGet(net.IP(a.AsSlice()))
	if err != nil || len(routes) == 0 {
		return way{}, false
	}
	r := routes[0]
	w := way{ifindex: r.LinkIndex, nexthop: a, here: r.Type == unix.RTN_LOCAL, mtu: r.MTU}
	if gw, ok := netip.AddrFromSlice(r.Gw); ok {
		w.nexthop = gw.Unmap()
	}
	if src, ok := netip.AddrFromSlice(r.Src); ok {
		w.source = src.Unmap()
	}
	return w, true
}

// findWay brings a destination's route up to date. Without one its packets are dropped and counted.
func (p *Plane) findWay(at *slot) {
	w, ok := p.wayTo(at.addr.addr())
	if !ok {
		atomic.StoreUint32(&at.ifindex, 0)
		atomic.StoreUint32(&at.flags, at.flags&^slotHere)
		return
	}
	if w.here {
		atomic.StoreUint32(&at.flags, at.flags|slotHere)
		return
	}
	if w.mtu == 0 {
		w.mtu = p.linkMTU(w.ifindex)
	}
	p.setWay(at, w)
}

// linkMTU is an interface's, as it was when the present change or look round began.
func (p *Plane) linkMTU(ifindex int) int {
	mtu, ok := p.mtus[ifindex]
	if ok {
		return mtu
	}
	if l, err := p.netlink.LinkByIndex(ifindex); err == nil {
		mtu = l.Attrs().MTU
	}
	if p.mtus == nil {
		p.mtus = map[int]int{}
	}
	p.mtus[ifindex] = mtu
	return mtu
}

func (p *Plane) setWay(at *slot, w way) {
	next := addressOf(w.nexthop)
	if at.nexthop != next || at.ifindex != uint32(w.ifindex) {
		atomic.StoreUint32(&at.freshUntil, 0)
		at.nexthop = next
	}
	if w.source.IsValid() {
		at.source = addressOf(w.source)
	}
	atomic.StoreUint32(&at.mtu, uint32(w.mtu))
	atomic.StoreUint32(&at.ifindex, uint32(w.ifindex))
	atomic.StoreUint32(&at.flags, at.flags&^slotHere)
}

// mostRoutes is how many routes are looked up in one call of [Plane.Neighbours].
const mostRoutes = 2000

type hop struct {
	ifindex int
	addr    netip.Addr
}

// Neighbours brings the interfaces looked at, destinations' routes and their link addresses up to
// date. Once a second is often enough; without it the kernel is asked for each packet, which is slower, and a
// route that changes is not noticed.
func (p *Plane) Neighbours() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.edit(func() error {
		if p.settings.everywhere == 1 && len(p.options.Interfaces) == 0 {
			if err := p.watch(); err != nil {
				return err
			}
		}
		now, err := p.jiffies()
		if err != nil {
			return err
		}
		macs, own, err := p.linkAddresses()
		if err != nil {
			return err
		}
		ways := map[address]way{}
		asked := 0
		last := p.lookedAt
		for n := range uint32(len(p.blocks) * blockSize) {
			// On from where the last call has ended: of very many destinations each call asks for some.
			i := (last + 1 + n) % uint32(len(p.blocks)*blockSize)
			at := p.slotAt(i)
			if atomic.LoadUint32(&at.flags)&(slotInUse|slotGone) == 0 {
				continue
			}
			w, ok := ways[at.addr]
			switch {
			case ok, asked == mostRoutes:
			default:
				asked++
				p.lookedAt = i
				p.findWay(at)
				w = way{ifindex: int(at.ifindex), nexthop: at.nexthop.addr(), source: at.source.addr(),
					mtu: int(at.mtu), here: at.flags&slotHere != 0}
				ways[at.addr] = w
			}
			if ok && !w.here {
				p.setWay(at, w)
			}
			p.freshen(at, macs[hop{int(at.ifindex), at.nexthop.addr()}], own[int(at.ifindex)], now)
		}
		return p.accelerate()
	})
}

// linkAddresses reads who is known to be where, and our own addresses.
func (p *Plane) linkAddresses() (macs map[hop]net.HardwareAddr, own map[int]net.HardwareAddr, err error) {
	macs, own = map[hop]net.HardwareAddr{}, map[int]net.HardwareAddr{}
	links, err := p.netlink.LinkList()
	if err != nil {
		return nil, nil, err
	}
	for _, l := range links {
		if a := l.Attrs(); a.EncapType == "ether" && a.RawFlags&unix.IFF_UP != 0 {
			own[a.Index] = a.HardwareAddr
		}
	}
	var errs []error
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		ns, err := p.netlink.NeighList(0, family)
		errs = append(errs, err)
		for _, n := range ns {
			a, ok := netip.AddrFromSlice(n.IP)
			const good = netlink.NUD_REACHABLE | netlink.NUD_STALE | netlink.NUD_DELAY | netlink.NUD_PROBE |
				netlink.NUD_PERMANENT | netlink.NUD_NOARP
			if ok && n.State&good != 0 && len(n.HardwareAddr) == 6 {
				macs[hop{n.LinkIndex, a.Unmap()}] = n.HardwareAddr
			}
		}
	}
	return macs, own, errors.Join(errs...)
}

// freshen writes link addresses, or none. While they change, packets go by the kernel's table.
func (p *Plane) freshen(at *slot, theirs, ours net.HardwareAddr, now uint32) {
	if len(theirs) != 6 || len(ours) != 6 || at.flags&slotHere != 0 {
		atomic.StoreUint32(&at.freshUntil, now-1)
		return
	}
	var mac [12]byte
	copy(mac[:6], theirs)
	copy(mac[6:], ours)
	if at.mac != mac {
		atomic.StoreUint32(&at.freshUntil, now-1)
		at.mac = mac
	}
	atomic.StoreUint32(&at.freshUntil, max(now+p.settings.ticks(trust), 1))
}
