package failover

import (
	"errors"
	"net/netip"
	"time"

	"github.com/evenkeel/evenkeel/linux/netif"
	"github.com/evenkeel/evenkeel/linux/rawsock"
	"github.com/evenkeel/evenkeel/linux/realtime"
	"github.com/evenkeel/evenkeel/vrrp"
)

// portKey names a socket: adverts of several instances come through one.
type portKey struct {
	ifindex int
	ipv6    bool
	addr    netip.Addr // multicast group, or our unicast source
}

// port is a raw VRRP socket and who listens on it.
type port struct {
	key            portKey
	socket         *rawsock.VRRP
	byVRID         map[uint8]*instance
	unknownRouters map[unknownRouter]bool // unknown virtual routers already reported
	malformed      uint64                 // too short for a header; about, while selected
	unknown        uint64                 // of another virtual router; about, while selected

	read   vrrp.Time // when it was last read
	paused bool      // not watched, until read + readPause
	// selected: the kernel keeps out most of what is not for us.
	selected bool
	window   vrrp.Time // when counting began
	foreign  uint64    // not for us since then
}

type unknownRouter struct {
	vrid uint8
	from netip.Addr
}

// maxUnknownRouters bounds what one port remembers of virtual routers not ours.
const maxUnknownRouters = 256

// portOf names the socket that an instance needs on its interface.
func portOf(m *instance, link netif.Link) portKey {
	key := portKey{ifindex: link.Index, ipv6: m.cfg.IPv6, addr: m.cfg.McastGroup}
	if len(m.cfg.Peers) > 0 {
		key.addr = m.source
	}
	return key
}

// listen makes sure the instance's socket is open on its interface.
func (r *router) listen(m *instance, link netif.Link) error {
	key := portOf(m, link)
	cfg := rawsock.VRRPConfig{Ifindex: link.Index, Ifname: link.Name, IPv6: m.cfg.IPv6, Group: m.cfg.McastGroup}
	if len(m.cfg.Peers) > 0 {
		cfg.Group, cfg.Source = netip.Addr{}, m.source
	}
	if m.port != nil && m.port.key == key {
		return nil
	}
	r.unlisten(m)
	p := r.ports[key]
	if p == nil {
		s, err := rawsock.OpenVRRP(cfg)
		if err != nil {
			return err
		}
		p = &port{key: key, socket: s, byVRID: map[uint8]*instance{}, unknownRouters: map[unknownRouter]bool{}}
		if err := r.watch(s.Fd(), func() { r.receive(p) }); err != nil {
			s.Close()
			return err
		}
		r.ports[key] = p
	}
	if other := p.byVRID[m.cfg.VRID]; other != nil && other != m {
		return errors.New("instance " + other.cfg.Name + " has the same virtual_router_id there")
	}
	p.byVRID[m.cfg.VRID] = m
	m.port = p
	if p.selected {
		r.choose(p)
	}
	return nil
}

// unlisten lets go of the socket; the last one closes it.
func (r *router) unlisten(m *instance) {
	p := m.port
	if p == nil {
		return
	}
	m.port = nil
	if p.byVRID[m.cfg.VRID] == m {
		delete(p.byVRID, m.cfg.VRID)
	}
	switch {
	case p.selected && len(p.byVRID) > 0:
		r.choose(p)
	case len(p.byVRID) == 0:
		p.paused = false
		r.unwatch(p.socket.Fd())
		p.socket.Close()
		delete(r.ports, p.key)
	}
}

// A port is read once in readPause at most, and at most readBudget adverts at a time, so that a flood costs a bounded
// number of wake-ups, each for many adverts, and cannot keep timers waiting. What waits is read before any timer is
// looked at all the same; see turn. The kernel keeps some 300 adverts.
const (
	readPause  = time.Millisecond
	readBudget = 300
)

// receive reads what waits on a port, or puts that off.
func (r *router) receive(p *port) {
	now := vrrp.Time(realtime.Now())
	if now < p.read.Add(readPause) {
		if err := r.engine.poller.Pause(p.socket.Fd(), r.tokenOf[p.socket.Fd()], true); err == nil {
			p.paused = true
			r.paused = append(r.paused, p)
			return
		}
	}
	r.drain(p)
}

// resume reads paused ports whose time has come, all of them if a timer is due.
func (r *router) resume(now vrrp.Time, all bool) {
	still := r.paused[:0]
	for _, p := range r.paused {
		switch {
		case !p.paused: // closed meanwhile
		case all || now >= p.read.Add(readPause):
			p.paused = false
			r.engine.poller.Pause(p.socket.Fd(), r.tokenOf[p.socket.Fd()], false)
			r.drain(p)
		default:
			still = append(still, p)
		}
	}
	clear(r.paused[len(still):])
	r.paused = still
}

// drain reads what waits on a port. The clock is read after the adverts, so that none counts as older than it is:
// its sender has begun its lease before.
func (r *router) drain(p *port) {
	defer func() { p.read = vrrp.Time(realtime.Now()) }()
	for more, n := true, 0; more && n < readBudget; n += rawsock.BatchSize {
		var err error
		if r.heard, more, err = p.socket.ReceiveBatch(&r.batch, r.heard); err != nil {
			r.logf(LevelWarning, "receiving adverts on interface %d: %v", p.key.ifindex, err)
		}
		now := vrrp.Time(realtime.Now())
		for i := range r.heard {
			effects := r.hear(p, &r.heard[i], now)
			if len(effects) == 0 {
				continue
			}
			r.carry(effects)
			if r.ports[p.key] != p { // the advert's effects closed this socket
				return
			}
			now = vrrp.Time(realtime.Now())
		}
	}
}

// hear hands an advert to its instance.
func (r *router) hear(p *port, d *rawsock.Datagram, now vrrp.Time) []vrrp.Effect {
	if len(d.Payload) < vrrp.HeaderLen {
		if p.malformed == 0 {
			r.logf(LevelWarning, "VRRP packet of %d bytes from %v on %s: too short, ignored (counted from here on)",
				len(d.Payload), d.Src, r.links[p.key.ifindex].Name)
		}
		p.malformed += r.notForUs(p, now)
		return nil
	}
	m := p.byVRID[d.Payload[1]]
	if m == nil {
		p.unknown += r.notForUs(p, now)
		r.reportUnknown(p, unknownRouter{d.Payload[1], d.Src})
		return nil
	}
	in := vrrp.Datagram{Payload: d.Payload, Src: d.Src, Dst: d.Dst, TTL: d.TTL}
	return r.machine.Receive(now, m.id, &in, r.effects[:0])
}

// More adverts that are not for us than floodLimit in floodWindow, and the kernel keeps most of them out, until there
// are fewer than half as many.
const (
	floodLimit  = 200
	floodWindow = time.Second
)

// notForUs counts an advert that no instance here wants, and returns how many it stands for.
func (r *router) notForUs(p *port, now vrrp.Time) uint64 {
	n := uint64(1)
	if p.selected {
		n = rawsock.SampledOneIn
	}
	p.foreign += n
	switch over := now >= p.window.Add(floodWindow); {
	case !p.selected && p.foreign > floodLimit:
		r.logf(LevelWarning, "more than %d adverts a second on %s are for unknown virtual routers: from now on one "+
			"in %d is examined", floodLimit, r.links[p.key.ifindex].Name, rawsock.SampledOneIn)
		p.selected = true
		r.choose(p)
	case p.selected && over && p.foreign*uint64(floodWindow) < floodLimit/2*uint64(now.Sub(p.window)):
		p.selected = false
		r.choose(p)
	case !over:
		return n
	}
	p.window, p.foreign = now, 0
	return n
}

// choose tells the kernel which adverts are for us, while it keeps the others out.
func (r *router) choose(p *port) {
	var vrids []uint8
	if p.selected {
		for id := range p.byVRID {
			vrids = append(vrids, id)
		}
	}
	if err := p.socket.Select(vrids); err != nil {
		p.selected = false
		r.logf(LevelWarning, "%s: the kernel cannot keep out adverts that are not for us: %v",
			r.links[p.key.ifindex].Name, err)
	}
}

func (r *router) reportUnknown(p *port, s unknownRouter) {
	if !r.site.Global.LogUnknownVRIDs || p.unknownRouters[s] || len(p.unknownRouters) >= maxUnknownRouters {
		return
	}
	p.unknownRouters[s] = true
	r.logf(LevelInfo, "%v runs virtual router %d on %s, which is not configured here", s.from, s.vrid,
		r.links[p.key.ifindex].Name)
}
