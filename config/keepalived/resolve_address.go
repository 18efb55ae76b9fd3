package keepalived

import (
	"fmt"
	"net/netip"

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
	seen := make(map[netip.Addr]bool)
	for _, a := range d.addresses {
		if a.Prefix.Addr().Is6() != d.IPv6 {
			b.report.Bad(a.tok.pos, "family", fmt.Sprintf("address %s is not %s, as the first one is", a.Prefix.Addr(), family(d.IPv6)),
				"put addresses of the other family into virtual_ipaddress_excluded")
			continue
		}
		if b.repeatedAddress(seen, a) {
			continue
		}
		if len(d.Addresses) == maxAdvertised(d.IPv6) {
			b.report.Warn(a.tok.pos, "too-many", fmt.Sprintf("address %s does not fit into an advert and is treated as excluded", a.Prefix.Addr()), "")
			d.Excluded = append(d.Excluded, b.completeAddress(d, a))
			continue
		}
		d.Addresses = append(d.Addresses, b.completeAddress(d, a))
	}
	for _, a := range d.excluded {
		if !b.repeatedAddress(seen, a) {
			d.Excluded = append(d.Excluded, b.completeAddress(d, a))
		}
	}
	if len(d.addresses) == 0 && !d.blamed["virtual_ipaddress"] {
		// Differs from Keepalived: an instance without virtual_ipaddress is an error. There
		// VRRPv2 only says that one would be sensible.
		b.report.Bad(d.Pos, "missing-word", fmt.Sprintf("vrrp_instance %s has no virtual_ipaddress", q(d.Name)), "add a block: virtual_ipaddress { ADDRESS }")
	}
	if d.IPv6 && d.Version == 3 && len(d.Addresses) > 0 && !d.Addresses[0].Prefix.Addr().IsLinkLocalUnicast() {
		b.report.Warn(d.addresses[0].tok.pos, "link-local", "the first IPv6 address should be a link-local one (RFC 9568 section 5.2.9)", "")
	}
}

// repeatedAddress leaves out an address that the instance has already.
func (b *builder) repeatedAddress(seen map[netip.Addr]bool, a addressDraft) bool {
	addr := a.Prefix.Addr()
	if seen[addr] {
		b.report.Warn(a.tok.pos, "repeated", fmt.Sprintf("address %s is given again and left out", addr), "")
		return true
	}
	seen[addr] = true
	return false
}

func (b *builder) completeAddress(d *instanceDraft, a addressDraft) config.Address {
	if a.Dev == "" {
		a.Dev = d.Interface
	}
	if a.Dev == "" && len(d.peers) > 0 && !d.blamed["interface"] {
		b.report.Bad(a.tok.pos, "missing-word", fmt.Sprintf("address %s has no interface", a.Prefix.Addr()), "add dev NAME: the instance has none either")
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
			b.report.Bad(d.vrid.tok.pos, "duplicate-vrid", fmt.Sprintf("virtual_router_id %d is used by vrrp_instance %s on interface %s too", d.VRID, q(o.Name), q(d.Interface)),
				"first at "+o.vrid.tok.pos.String())
			break
		}
		seen[k] = append(seen[k], d)
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

// checkSharedAddresses warns of an address that two instances would both set.
func (b *builder) checkSharedAddresses() {
	type key struct {
		addr netip.Addr
		dev  string
	}
	owner := make(map[key]*instanceDraft)
	for _, d := range b.instances {
		for _, list := range [][]config.Address{d.Addresses, d.Excluded} {
			for _, a := range list {
				k := key{a.Prefix.Addr(), a.Dev}
				if o := owner[k]; o != nil {
					b.report.Warn(b.placeOf(d, k.addr), "shared-address", fmt.Sprintf("address %s belongs to vrrp_instance %s too: each would take it from the other", k.addr, q(o.Name)), "")
					continue
				}
				owner[k] = d
			}
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
