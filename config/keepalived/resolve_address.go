package keepalived

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"github.com/evenkeel/evenkeel/config"
)

// maxAdvertised is how many addresses fit into one advert: its count is a byte, and
// a packet of 1500 bytes holds 90 IPv6 addresses after the headers.
func maxAdvertised(ipv6 bool) int {
	if ipv6 {
		return (1500 - 40 - 8) / 16
	}
	return 255
}

// resolveAddresses fills in the addresses of an instance.
func (b *builder) resolveAddresses(d *instanceDraft) {
	seen := make(map[home]bool)
	for _, a := range d.addresses {
		if a.Prefix.Addr().Is6() != d.IPv6 {
			b.report.Bad(a.tok.pos, "family",
				fmt.Sprintf("address %s is not %s, as the first one is", a.Prefix.Addr(), family(d.IPv6)),
				"put addresses of the other family into virtual_ipaddress_excluded")
			continue
		}
		if b.repeatedAddress(d, seen, a) {
			continue
		}
		if len(d.Addresses) == maxAdvertised(d.IPv6) {
			b.report.Warn(a.tok.pos, "too-many",
				fmt.Sprintf("address %s does not fit into an advert and is treated as excluded", a.Prefix.Addr()), "")
			d.Excluded = append(d.Excluded, b.completeAddress(d, a))
			continue
		}
		d.Addresses = append(d.Addresses, b.completeAddress(d, a))
	}
	for _, a := range d.excluded {
		if !b.repeatedAddress(d, seen, a) {
			d.Excluded = append(d.Excluded, b.completeAddress(d, a))
		}
	}
	if len(d.addresses) == 0 && !d.blamed["virtual_ipaddress"] {
		// Differs from Keepalived: an instance without virtual_ipaddress is an error. There
		// VRRPv2 only says that one would be sensible.
		b.report.Bad(d.Pos, "missing-word", fmt.Sprintf("vrrp_instance %s has no virtual_ipaddress", q(d.Name)),
			"add a block: virtual_ipaddress { ADDRESS }")
	}
	if d.IPv6 && d.Version == 3 && len(d.Addresses) > 0 && !d.Addresses[0].Prefix.Addr().IsLinkLocalUnicast() {
		b.report.Warn(d.addresses[0].tok.pos, "link-local",
			"the first IPv6 address should be a link-local one (RFC 9568 section 5.2.9)", "")
	}
}

// home is an address on an interface.
type home struct {
	addr netip.Addr
	dev  string
}

// repeatedAddress leaves out an address that the instance has on the same interface already.
func (b *builder) repeatedAddress(d *instanceDraft, seen map[home]bool, a addressDraft) bool {
	p := home{a.Prefix.Addr(), cmp.Or(a.Dev, d.Interface)}
	if seen[p] {
		b.report.Warn(a.tok.pos, "repeated", fmt.Sprintf("address %s is given again and left out", p.addr), "")
		return true
	}
	seen[p] = true
	return false
}

func (b *builder) completeAddress(d *instanceDraft, a addressDraft) config.Address {
	if a.Dev == "" {
		a.Dev = d.Interface
	}
	if a.Dev == "" && len(d.peers) > 0 && !d.blamed["interface"] {
		b.report.Bad(a.tok.pos, "missing-word", fmt.Sprintf("address %s has no interface", a.Prefix.Addr()),
			"add dev NAME: the instance has none either")
	}
	return a.Address
}

// checkVRIDs reports instances that nobody could tell apart on the wire: same VRID,
// interface and family, and the same group or a peer in common.
func (b *builder) checkVRIDs() {
	type key struct {
		vrid uint8
		ipv6 bool
		dev  string
	}
	seen := make(map[key][]*instanceDraft)
	for _, d := range b.instances {
		if !d.vrid.set {
			continue
		}
		k := key{d.VRID, d.IPv6, d.Interface}
		for _, o := range seen[k] {
			if !b.samePath(d, o) {
				continue
			}
			b.report.Bad(d.vrid.tok.pos, "duplicate-vrid",
				fmt.Sprintf("virtual_router_id %d is used by vrrp_instance %s on interface %s too", d.VRID, q(o.Name),
					q(d.Interface)),
				"first at "+o.vrid.tok.pos.String())
			break
		}
		seen[k] = append(seen[k], d)
	}
	b.checkUnicastVRIDs()
}

// checkUnicastVRIDs reports unicast instances whose adverts the lease gate could not tell apart, since they may
// leave by any interface.
// Differs from Keepalived: one virtual_router_id for two unicast instances of a family does not load. There it does if
// their interfaces or peers differ.
func (b *builder) checkUnicastVRIDs() {
	type key struct {
		vrid uint8
		ipv6 bool
	}
	first := make(map[key]*instanceDraft)
	for _, d := range b.instances {
		if !d.vrid.set || len(d.Peers) == 0 || d.Gate == config.GateOff {
			continue
		}
		k := key{d.VRID, d.IPv6}
		if o := first[k]; o == nil {
			first[k] = d
		} else if d.Interface != o.Interface || !b.samePath(d, o) { // else it is said already
			b.report.Refuse(d.vrid.tok.pos, "duplicate-vrid",
				fmt.Sprintf("virtual_router_id %d is used over unicast by vrrp_instance %s too", d.VRID, q(o.Name)),
				"give one of them another, on its peers as well; first at "+o.vrid.tok.pos.String())
		}
	}
}

// samePath reports whether two instances would hear each other's adverts.
func (b *builder) samePath(d, o *instanceDraft) bool {
	if len(d.Peers) == 0 || len(o.Peers) == 0 {
		return len(d.Peers) == len(o.Peers) && d.McastGroup == o.McastGroup
	}
	for _, p := range d.Peers {
		for _, other := range o.Peers {
			if p.Addr == other.Addr {
				return true
			}
		}
	}
	return false
}

// checkSharedAddresses reports an address that two instances would both set. A link-local address is another one on
// each interface; the kernel answers for any other on all of them, so that one lease could not end without the other's.
// Differs from Keepalived: an address that two instances would set does not load, unless it is link-local on two
// interfaces. There, both run, and the one that steps back takes the address away from the other.
func (b *builder) checkSharedAddresses() {
	owner := make(map[home]*instanceDraft)
	for _, d := range b.instances {
		for _, a := range slices.Concat(d.Addresses, d.Excluded) {
			k := home{addr: a.Prefix.Addr()}
			if k.addr.Is6() && k.addr.IsLinkLocalUnicast() {
				k.dev = a.Dev
			}
			if o := owner[k]; o != nil && o != d {
				b.report.Refuse(b.placeOf(d, k.addr), "shared-address",
					fmt.Sprintf("address %s belongs to vrrp_instance %s too: one would take it from the other", k.addr,
						q(o.Name)),
					"give it to one of them")
				continue
			}
			owner[k] = d
		}
	}
}

// placeOf finds where an address of an instance is written.
func (b *builder) placeOf(d *instanceDraft, addr netip.Addr) config.Position {
	for _, list := range [][]addressDraft{d.addresses, d.excluded} {
		for _, a := range list {
			if a.Prefix.Addr() == addr {
				return a.tok.pos
			}
		}
	}
	return d.Pos
}
