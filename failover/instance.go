package failover

import (
	"net/netip"
	"slices"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/linux/gate"
	"github.com/evenkeel/evenkeel/linux/netif"
	"github.com/evenkeel/evenkeel/linux/rawsock"
	"github.com/evenkeel/evenkeel/vrrp"
)

// instance is a virtual router with its hold on the machine.
type instance struct {
	id    vrrp.ID
	cfg   *config.Instance
	group *group

	state    vrrp.State // as last reported
	priority uint8      // effective, as last reported
	ifindex  int        // of its interface; 0: none now
	port     *port
	gate     *gate.Gate
	source   netip.Addr // of adverts: the last there was
	// sourceless: source is not on this machine now.
	sourceless bool
	assigned   []netif.Assignment // addresses we have set
	guarded    []netip.Addr       // addresses its gate stands before
	gateError  string             // why its gate is not as it should be; empty: it is
	renewedAt  vrrp.Time          // when lifetimes were last renewed (GateLifetime)
	faults     []string           // in words, for people
	lowerPeer  netip.Addr         // lower-priority master last told of
	lowerTold  vrrp.Time          // when; and when its script was last queued
	lowerRan   vrrp.Time
	sendError  string // last reported, so that it is reported once
	burst      burst
	probe      []*rawsock.Replies
	changed    changeTime
}

// params translates the model into the machine's terms.
func (r *router) params(m *instance) vrrp.Params {
	c := m.cfg
	p := vrrp.Params{
		Name: c.Name, VRID: c.VRID, Version: c.Version, IPv6: c.IPv6, Priority: c.Priority,
		Interval: c.AdvertInterval, DownAdverts: c.DownAdverts, Preempt: c.Preempt, PreemptDelay: c.PreemptDelay,
		AuthPass: c.AuthPass, Source: m.source, CheckSource: c.CheckUnicastSource,
		StartMaster: c.StartMaster, ChecksumAsV2: c.ChecksumAsV2, SkipCheckAddresses: c.SkipCheckAddresses,
		LowerPrioNoAdvert: c.LowerPrioNoAdvert, HigherPrioSendAdvert: c.HigherPrioSendAdvert,
		AnnounceRepeat: c.Announce.Repeat, AnnounceDelay: c.Announce.Delay,
		Refresh: c.Announce.Refresh, RefreshRepeat: c.Announce.RefreshRepeat,
		LowerPrioRepeat: c.Announce.LowerPrioRepeat, LowerPrioDelay: c.Announce.LowerPrioDelay,
	}
	if r.site != nil {
		p.StartDelay = r.site.Global.StartupDelay
	}
	for _, a := range c.Addresses {
		p.Addrs = append(p.Addrs, a.Prefix.Addr())
	}
	for _, peer := range c.Peers {
		p.Peers = append(p.Peers, vrrp.Peer{Addr: peer.Addr, MinTTL: peer.MinTTL, MaxTTL: peer.MaxTTL})
	}
	return p
}

// device is the interface an address goes on.
func device(c *config.Instance, a config.Address) string {
	if a.Dev != "" {
		return a.Dev
	}
	return c.Interface
}

// devices lists the interfaces, besides the instance's own, that addresses to be
// tracked live on.
func devices(c *config.Instance) (names []string) {
	for _, a := range addresses(c) {
		if name := device(c, a); !a.NoTrack && name != c.Interface && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// assignments lists the instance's addresses on the interfaces as they are now.
// Addresses whose interface does not exist are left out and returned apart.
func (r *router) assignments(m *instance) (as []netif.Assignment, homeless []config.Address) {
	for _, a := range addresses(m.cfg) {
		link, ok := r.link(device(m.cfg, a))
		if !ok {
			homeless = append(homeless, a)
			continue
		}
		as = append(as, netif.Assignment{Ifindex: link.Index, Addr: a})
	}
	return as, homeless
}

// addresses lists what the instance sets, advertised or not.
func addresses(c *config.Instance) []config.Address {
	return append(c.Addresses[:len(c.Addresses):len(c.Addresses)], c.Excluded...)
}

// virtual returns every address of the instance where the kernel answers for it, for the gate.
func (r *router) virtual(c *config.Instance) []netip.Addr {
	var all []netip.Addr
	for _, a := range addresses(c) {
		link, _ := r.link(device(c, a))
		all = append(all, gate.At(a.Prefix.Addr(), link.Index))
	}
	return all
}

// sourceOf picks what the instance's adverts come from: as configured, else the
// first address of the interface that is not a virtual one (IPv6: link-local). Invalid: there is none now.
// Differs from Keepalived: an mcast_src_ip that is not on this machine is a fault, as an unicast_src_ip is.
func (r *router) sourceOf(m *instance, link netif.Link) netip.Addr {
	if m.cfg.McastSource.IsValid() {
		if r.own(m.cfg.McastSource, link.Index) {
			return m.cfg.McastSource
		}
		return netip.Addr{}
	}
	for _, prefix := range link.Addrs {
		a := prefix.Addr()
		if a.Is6() != m.cfg.IPv6 || m.cfg.IPv6 && len(m.cfg.Peers) == 0 && !a.IsLinkLocalUnicast() ||
			r.isVirtual(a, link.Index) {
			continue
		}
		return a.WithZone("")
	}
	return netip.Addr{}
}

// own reports whether this machine has an address: a link-local one on the interface, any other on whichever.
func (r *router) own(ip netip.Addr, ifindex int) bool {
	if ip.Is6() && ip.IsLinkLocalUnicast() {
		return has(r.links[ifindex].Addrs, netip.PrefixFrom(ip, ip.BitLen()))
	}
	for _, l := range r.links {
		if has(l.Addrs, netip.PrefixFrom(ip, ip.BitLen())) {
			return true
		}
	}
	return false
}

func (r *router) isVirtual(a netip.Addr, ifindex int) bool { return r.virtuals[gate.At(a, ifindex)] }

// listVirtual gathers the virtual addresses of all instances.
func (r *router) listVirtual() {
	clear(r.virtuals)
	for _, m := range r.instances {
		for _, a := range r.virtual(m.cfg) {
			r.virtuals[a] = true
		}
	}
}

func has(prefixes []netip.Prefix, p netip.Prefix) bool {
	return slices.ContainsFunc(prefixes, func(q netip.Prefix) bool { return q.Addr() == p.Addr() })
}
