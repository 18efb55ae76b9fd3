package gate

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/linux/netif"
)

// The second half of a key of the set "dropped": what was dropped.
const (
	countQuestions = iota + 1
	countPacketsIn
	countAnnouncements
	countPacketsOut
	countAdverts
)

// ruleset is the static text of the table: it says in nftables what bpf/gate.c says in C.
// Chains "in" and "out" judge packets; each covered interface has two base chains that jump
// there. Only elements of maps and sets change afterwards.
type ruleset struct {
	table   *nftables.Table
	in, out *nftables.Chain

	addresses4, addresses6 *nftables.Set // address -> slot
	links6                 *nftables.Set // ifindex . link-local address -> slot
	news4                  *nftables.Set // address . address: ARP announcements, not questions
	multicast4, multicast6 *nftables.Set // ifindex . VRID -> slot
	unicast4, unicast6     *nftables.Set // VRID -> slot
	open, adverts          *nftables.Set // slots, with timeouts
	dropped                *nftables.Set // slot . kind, counted
	served4, served6       *nftables.Set // addresses that this machine also has as a real server
}

func newRuleset() *ruleset {
	t := &nftables.Table{Name: tableName, Family: nftables.TableFamilyNetdev}
	mark := nftables.TypeMark // four bytes in the byte order of the machine
	pair := nftables.MustConcatSetType(mark, mark)
	mapping := func(name string, key nftables.SetDatatype) *nftables.Set {
		return &nftables.Set{Table: t, Name: name, IsMap: true, KeyType: key, DataType: mark}
	}
	return &ruleset{
		table:      t,
		in:         &nftables.Chain{Table: t, Name: "in"},
		out:        &nftables.Chain{Table: t, Name: "out"},
		addresses4: mapping("addresses4", nftables.TypeIPAddr),
		addresses6: mapping("addresses6", nftables.TypeIP6Addr),
		links6:     mapping("links6", nftables.MustConcatSetType(mark, nftables.TypeIP6Addr)),
		news4: &nftables.Set{Table: t, Name: "news4", Concatenation: true,
			KeyType: nftables.MustConcatSetType(nftables.TypeIPAddr, nftables.TypeIPAddr)},
		multicast4: mapping("multicast4", pair),
		multicast6: mapping("multicast6", pair),
		unicast4:   mapping("unicast4", mark),
		unicast6:   mapping("unicast6", mark),
		open:       &nftables.Set{Table: t, Name: "open", KeyType: mark, HasTimeout: true},
		adverts:    &nftables.Set{Table: t, Name: "adverts", KeyType: mark, HasTimeout: true},
		dropped: &nftables.Set{Table: t, Name: "dropped", KeyType: pair, Concatenation: true, Dynamic: true,
			Size: 8 * maxNFTSlots},
		served4: &nftables.Set{Table: t, Name: "served4", KeyType: nftables.TypeIPAddr},
		served6: &nftables.Set{Table: t, Name: "served6", KeyType: nftables.TypeIP6Addr},
	}
}

// create adds the table to the transaction.
func (r *ruleset) create(c *nftables.Conn) error {
	c.AddTable(r.table)
	for _, s := range []*nftables.Set{r.addresses4, r.addresses6, r.links6, r.news4, r.multicast4, r.multicast6,
		r.unicast4, r.unicast6, r.open, r.adverts, r.dropped, r.served4, r.served6} {
		if err := c.AddSet(s, nil); err != nil {
			return err
		}
	}
	c.AddChain(r.in)
	c.AddChain(r.out)
	for _, rule := range r.inbound() {
		c.AddRule(&nftables.Rule{Table: r.table, Chain: r.in, Exprs: rule})
	}
	for _, rule := range r.outbound() {
		c.AddRule(&nftables.Rule{Table: r.table, Chain: r.out, Exprs: rule})
	}
	return nil
}

func chainNames(ifindex int) (in, out string) {
	return fmt.Sprintf("in%d", ifindex), fmt.Sprintf("out%d", ifindex)
}

// cover adds the two base chains of an interface.
func (r *ruleset) cover(c *nftables.Conn, link netif.Link) {
	in, out := chainNames(link.Index)
	for _, side := range []struct {
		name string
		hook *nftables.ChainHook
		to   *nftables.Chain
	}{{out, nftables.ChainHookEgress, r.out}, {in, nftables.ChainHookIngress, r.in}} {
		base := c.AddChain(&nftables.Chain{
			Table:    r.table,
			Name:     side.name,
			Type:     nftables.ChainTypeFilter,
			Hooknum:  side.hook,
			Priority: nftables.ChainPriorityRef(-500), // before others' filters
			Device:   link.Name,
		})
		c.AddRule(&nftables.Rule{Table: r.table, Chain: base,
			Exprs: []expr.Any{&expr.Verdict{Kind: expr.VerdictJump, Chain: side.to.Name}}})
	}
}

// Registers: the four-byte ones, in pairs where a key has two parts. An interface's index and an IPv6 address
// behind it fill regA to regC.
const (
	regA = 8 + iota*2 // NFT_REG32_00
	regB              // NFT_REG32_02
	regC              // NFT_REG32_04
	regSlot
	regKind = regSlot + 1
)

type rule = []expr.Any

func join(parts ...rule) rule {
	var all rule
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func payload(base expr.PayloadBase, offset, size, reg uint32) rule {
	return rule{&expr.Payload{DestRegister: reg, Base: base, Offset: offset, Len: size}}
}

func is(reg uint32, op expr.CmpOp, value ...byte) rule {
	return rule{&expr.Cmp{Op: op, Register: reg, Data: value}}
}

// network and transport compare header bytes with a constant.
func network(offset uint32, value ...byte) rule {
	return join(payload(expr.PayloadBaseNetworkHeader, offset, uint32(len(value)), regA),
		is(regA, expr.CmpOpEq, value...))
}

func transport(offset uint32, op expr.CmpOp, value ...byte) rule {
	return join(payload(expr.PayloadBaseTransportHeader, offset, uint32(len(value)), regA), is(regA, op, value...))
}

func meta(key expr.MetaKey, value ...byte) rule {
	return join(rule{&expr.Meta{Key: key, Register: regA}}, is(regA, expr.CmpOpEq, value...))
}

func etherType(v uint16) rule {
	return meta(expr.MetaKeyPROTOCOL, binary.BigEndian.AppendUint16(nil, v)...)
}

// find maps the key in register reg to a slot; the rule ends where there is none.
func find(reg uint32, in *nftables.Set) rule {
	return rule{&expr.Lookup{SourceRegister: reg, DestRegister: regSlot, IsDestRegSet: true, SetName: in.Name}}
}

// absent: the slot found is not in the set.
func absent(set *nftables.Set) rule {
	return rule{&expr.Lookup{SourceRegister: regSlot, SetName: set.Name, Invert: true}}
}

var accept = rule{&expr.Verdict{Kind: expr.VerdictReturn}}

// drop counts and drops.
func (r *ruleset) drop(kind uint32) rule {
	return rule{
		&expr.Immediate{Register: regKind, Data: binary.NativeEndian.AppendUint32(nil, kind)},
		&expr.Dynset{SrcRegKey: regSlot, SetName: r.dropped.Name, Operation: unix.NFT_DYNSET_OP_ADD,
			Exprs: []expr.Any{&expr.Counter{}}},
		&expr.Verdict{Kind: expr.VerdictDrop},
	}
}

// otherNetworks lets frames of VLANs pass, VLAN 0 aside: their own interface judges them.
func otherNetworks() []rule {
	var rules []rule
	for _, tpid := range [][]byte{{0x81, 0x00}, {0x88, 0xa8}} {
		rules = append(rules, join(
			payload(expr.PayloadBaseLLHeader, 12, 2, regA), is(regA, expr.CmpOpEq, tpid...),
			payload(expr.PayloadBaseLLHeader, 14, 2, regA),
			rule{&expr.Bitwise{SourceRegister: regA, DestRegister: regA, Len: 2, Mask: []byte{0x0f, 0xff},
				Xor: []byte{0, 0}}},
			is(regA, expr.CmpOpNeq, 0, 0),
			accept))
	}
	return rules
}

// packet drops packets whose source or destination is closed, unless this machine only
// forwards them, or serves the address as a real server.
func (r *ruleset) packet(kind uint16, offset uint32, size uint32, in, served *nftables.Set, source bool,
	count uint32) []rule {
	head := join(etherType(kind), payload(expr.PayloadBaseNetworkHeader, offset, size, regA), find(regA, in),
		absent(r.open))
	passing := rule{&expr.Fib{Register: regA, ResultADDRTYPE: true, FlagSADDR: source, FlagDADDR: !source}}
	return []rule{
		join(etherType(kind), payload(expr.PayloadBaseNetworkHeader, offset, size, regA),
			rule{&expr.Lookup{SourceRegister: regA, SetName: served.Name}}, accept),
		join(head, passing, is(regA, expr.CmpOpEq, binary.NativeEndian.AppendUint32(nil, unix.RTN_UNICAST)...), accept),
		join(head, r.drop(count)),
	}
}

// linkPacket drops packets whose source or destination is a link-local address that is closed on the interface they
// pass. Nobody forwards such packets, and no real server has such an address.
func (r *ruleset) linkPacket(dev expr.MetaKey, offset, count uint32) rule {
	return join(etherType(unix.ETH_P_IPV6), rule{&expr.Meta{Key: dev, Register: regA}},
		payload(expr.PayloadBaseNetworkHeader, offset, 16, regA+1),
		find(regA, r.links6), absent(r.open), r.drop(count))
}

// neighbour drops ICMPv6 of a type about a closed target.
func (r *ruleset) neighbour(kind byte, dev expr.MetaKey, count uint32) []rule {
	head := join(etherType(unix.ETH_P_IPV6), meta(expr.MetaKeyL4PROTO, unix.IPPROTO_ICMPV6),
		transport(0, expr.CmpOpEq, kind))
	target := func(reg uint32) rule { return payload(expr.PayloadBaseTransportHeader, 8, 16, reg) }
	return []rule{
		join(head, target(regA), find(regA, r.addresses6), absent(r.open), r.drop(count)),
		join(head, rule{&expr.Meta{Key: dev, Register: regA}}, target(regA+1), find(regA, r.links6), absent(r.open),
			r.drop(count)),
	}
}

func (r *ruleset) inbound() []rule {
	rules := []rule{join(meta(expr.MetaKeyPKTTYPE, unix.PACKET_OTHERHOST), accept)}
	rules = append(rules, otherNetworks()...)
	request := join(etherType(unix.ETH_P_ARP), network(0, 0, 1, 8, 0, 6, 4, 0, 1))
	rules = append(rules,
		// An announcement (sender = target) is news for our own cache, not a question.
		join(request, payload(expr.PayloadBaseNetworkHeader, 14, 4, regA),
			payload(expr.PayloadBaseNetworkHeader, 24, 4, regA+1),
			rule{&expr.Lookup{SourceRegister: regA, SetName: r.news4.Name}}, accept),
		join(request, payload(expr.PayloadBaseNetworkHeader, 24, 4, regA), find(regA, r.addresses4), absent(r.open),
			r.drop(countQuestions)),
	)
	rules = append(rules, r.neighbour(135, expr.MetaKeyIIF, countQuestions)...)
	rules = append(rules, r.packet(unix.ETH_P_IP, 16, 4, r.addresses4, r.served4, false, countPacketsIn)...)
	rules = append(rules, r.packet(unix.ETH_P_IPV6, 24, 16, r.addresses6, r.served6, false, countPacketsIn)...)
	return append(rules, r.linkPacket(expr.MetaKeyIIF, 24, countPacketsIn))
}

func (r *ruleset) outbound() []rule {
	rules := otherNetworks()
	rules = append(rules,
		join(etherType(unix.ETH_P_ARP), network(0, 0, 1, 8, 0, 6, 4),
			payload(expr.PayloadBaseNetworkHeader, 14, 4, regA), find(regA, r.addresses4), absent(r.open),
			r.drop(countAnnouncements)),
	)
	rules = append(rules, r.neighbour(136, expr.MetaKeyOIF, countAnnouncements)...)
	rules = append(rules, r.advert(unix.ETH_P_IP, 16, 0xf0, 0xe0, r.multicast4, r.unicast4)...)
	rules = append(rules, r.advert(unix.ETH_P_IPV6, 24, 0xff, 0xff, r.multicast6, r.unicast6)...)
	rules = append(rules, r.packet(unix.ETH_P_IP, 12, 4, r.addresses4, r.served4, true, countPacketsOut)...)
	rules = append(rules, r.packet(unix.ETH_P_IPV6, 8, 16, r.addresses6, r.served6, true, countPacketsOut)...)
	return append(rules, r.linkPacket(expr.MetaKeyOIF, 8, countPacketsOut))
}

// advert drops our own adverts of priority above 0 while they are not permitted. dst is where
// the destination address begins; a destination whose first byte has the multicast bits is
// multicast. Unicast adverts are ours only if their source is an address of this machine:
// others' are being forwarded.
func (r *ruleset) advert(kind uint16, dst uint32, mask, multicast byte, byInterface, byVRID *nftables.Set) []rule {
	head := join(etherType(kind), meta(expr.MetaKeyL4PROTO, protoVRRP), transport(2, expr.CmpOpNeq, 0),
		payload(expr.PayloadBaseNetworkHeader, dst, 1, regA),
		rule{&expr.Bitwise{SourceRegister: regA, DestRegister: regA, Len: 1, Mask: []byte{mask}, Xor: []byte{0}}})
	local := rule{&expr.Fib{Register: regA, ResultADDRTYPE: true, FlagSADDR: true}}
	vrid := func(reg uint32) rule { return payload(expr.PayloadBaseTransportHeader, 1, 1, reg) }
	return []rule{
		join(head, is(regA, expr.CmpOpEq, multicast), rule{&expr.Meta{Key: expr.MetaKeyOIF, Register: regB}},
			vrid(regB+1),
			find(regB, byInterface), absent(r.adverts), r.drop(countAdverts)),
		join(head, is(regA, expr.CmpOpNeq, multicast), local,
			is(regA, expr.CmpOpEq, binary.NativeEndian.AppendUint32(nil, unix.RTN_LOCAL)...),
			vrid(regB), find(regB, byVRID), absent(r.adverts), r.drop(countAdverts)),
	}
}

const protoVRRP = 112

func number(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }

func (r *ruleset) address(a netip.Addr, slot uint32) (*nftables.Set, []nftables.SetElement) {
	e := []nftables.SetElement{{Key: a.AsSlice(), Val: number(slot)}}
	switch bare, ifindex := place(a); {
	case a.Is4():
		return r.addresses4, e
	case ifindex != 0:
		e[0].Key = append(number(ifindex), bare.AsSlice()...)
		return r.links6, e
	}
	return r.addresses6, e
}

func (r *ruleset) mapAddress(c *nftables.Conn, a netip.Addr, slot uint32) error {
	if a.Is4() {
		twice := append(a.AsSlice(), a.AsSlice()...)
		if err := c.SetAddElements(r.news4, []nftables.SetElement{{Key: twice}}); err != nil {
			return err
		}
	}
	set, element := r.address(a, slot)
	return c.SetAddElements(set, element)
}

func (r *ruleset) unmapAddress(c *nftables.Conn, a netip.Addr, slot uint32) error {
	if a.Is4() {
		twice := append(a.AsSlice(), a.AsSlice()...)
		if err := c.SetDeleteElements(r.news4, []nftables.SetElement{{Key: twice}}); err != nil {
			return err
		}
	}
	set, element := r.address(a, slot)
	return c.SetDeleteElements(set, element)
}

// serve notes an address that this machine has as a real server, or forgets it.
func (r *ruleset) serve(c *nftables.Conn, a netip.Addr, yes bool) error {
	set, element := r.served6, []nftables.SetElement{{Key: a.AsSlice()}}
	if a.Is4() {
		set = r.served4
	}
	if yes {
		return c.SetAddElements(set, element)
	}
	return c.SetDeleteElements(set, element)
}

// routerElement: a VRID read by one payload byte stands first in its register, zeros behind.
func (r *ruleset) routerElement(id router, slot uint32) (*nftables.Set, []nftables.SetElement) {
	key := []byte{id.vrid, 0, 0, 0}
	set := r.unicast4
	switch {
	case id.unicast && id.ipv6:
		set = r.unicast6
	case !id.unicast:
		key = append(number(id.ifindex), key...)
		if set = r.multicast4; id.ipv6 {
			set = r.multicast6
		}
	}
	return set, []nftables.SetElement{{Key: key, Val: number(slot)}}
}

func (r *ruleset) mapRouter(c *nftables.Conn, id router, slot uint32) error {
	set, element := r.routerElement(id, slot)
	return c.SetAddElements(set, element)
}

func (r *ruleset) unmapRouter(c *nftables.Conn, id router, slot uint32) error {
	set, element := r.routerElement(id, slot)
	return c.SetDeleteElements(set, element)
}

// renew makes slot an element of set for timeout. Adding one that is there would leave its
// timeout alone, and deleting one that has expired would fail, hence the three steps of one
// transaction.
func (r *ruleset) renew(c *nftables.Conn, set *nftables.Set, slot uint32, timeout time.Duration) error {
	element := []nftables.SetElement{{Key: number(slot), Timeout: timeout}}
	if err := c.SetAddElements(set, element); err != nil {
		return err
	}
	if err := c.SetDeleteElements(set, []nftables.SetElement{{Key: number(slot)}}); err != nil {
		return err
	}
	return c.SetAddElements(set, element)
}

// expire takes slot out of set, whether or not it has expired already.
func (r *ruleset) expire(c *nftables.Conn, set *nftables.Set, slot uint32) error {
	if err := c.SetAddElements(set, []nftables.SetElement{{Key: number(slot), Timeout: time.Millisecond}}); err != nil {
		return err
	}
	return c.SetDeleteElements(set, []nftables.SetElement{{Key: number(slot)}})
}
