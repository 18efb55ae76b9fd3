package keepalived

import (
	"fmt"
	"math/bits"
	"net/netip"
	"slices"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/lvs/table"
)

func sorted(names []string) []string {
	slices.Sort(names)
	return names
}

// resolveScheduler settles how connections are spread.
func (b *builder) resolveScheduler(v *virtualDraft) {
	if !v.scheduler.set && !v.blamed["lb_algo"] && !v.blamed["lvs_sched"] {
		b.report.Tolerate(v.Pos, "missing-word",
			fmt.Sprintf("virtual_server %s has no lb_algo: wlc is used", q(v.Name)), "add a line: lb_algo NAME")
	}
	v.Template.Scheduler = v.scheduler.or("wlc")
	hashes := v.Template.Scheduler == "sh" || v.Template.Scheduler == "mh"
	for _, f := range v.flags {
		named := f.tok.text[:2] == "sh" || f.tok.text[:2] == "mh"
		switch {
		case named && !hashes:
			b.report.Tolerate(f.tok.pos, "no-effect",
				fmt.Sprintf("%s has no effect with lb_algo %s", q(f.tok.text), v.Template.Scheduler),
				"it is for sh and mh")
			continue
		case named && f.early:
			b.report.StrictOnly(f.tok.pos, "order",
				fmt.Sprintf("%s stands before lb_algo: keepalived ignores it here", q(f.tok.text)), "move it down")
		}
		v.Template.Flags |= f.flag
	}
	if !v.onePacket.val {
		return
	}
	if !v.mark.set && v.service != table.UDP {
		b.report.Tolerate(v.onePacket.tok.pos, "no-effect", "ops has no effect: it is for UDP", "")
		return
	}
	v.Template.Flags |= table.OnePacket
}

// resolvePersistence settles how long a client stays with its server, and what a client is.
func (b *builder) resolvePersistence(v *virtualDraft, entries []groupEntry) {
	timeout := v.persistence.val
	if timeout == 0 && v.granularity.set {
		timeout = defaultPersistence // as in Keepalived: a granularity makes no sense without
	}
	for _, e := range entries {
		if e.mark == 0 && e.port == 0 && timeout == 0 {
			b.report.Tolerate(v.Pos, "port",
				fmt.Sprintf("virtual_server %s is for every port, so it is made persistent", q(v.Name)),
				"give it a port, or add a line: persistence_timeout 360")
			timeout = defaultPersistence
		}
	}
	t := &v.Template
	t.Granularity = 32
	if v.family {
		t.Granularity = 128
	}
	if v.granularity.set {
		if n, ok := b.granularityOf(v); ok {
			t.Granularity = n
		}
	}
	if timeout > 0 {
		t.Flags |= table.Persistent
		t.Timeout = timeout
	}
	if v.engine.set {
		if timeout == 0 {
			b.report.Warn(v.engine.tok.pos, "no-effect", "persistence_engine has no effect without persistence_timeout",
				"")
			return
		}
		t.Engine = v.engine.val
	}
}

// granularityOf reads a mask, or a number of bits.
// Differs from Keepalived: for IPv4 too, a number is one of bits. There, 24 is the mask 0.0.0.24.
func (b *builder) granularityOf(v *virtualDraft) (int, bool) {
	tok := v.granularity.tok
	if n, ok := wholeNumber(tok.text); ok {
		most := 32
		if v.family {
			most = 128
		}
		switch {
		case n >= 1 && n <= most && !v.family:
			b.report.Warn(tok.pos, "granularity",
				fmt.Sprintf("persistence_granularity %s is taken as a number of bits; keepalived takes it as the "+
					"mask 0.0.0.%s", tok.text, tok.text), "write it as a mask")
			return n, true
		case n >= 1 && n <= most:
			return n, true
		case v.family:
			b.report.Bad(tok.pos, "out-of-range",
				fmt.Sprintf("persistence_granularity %s: must be from 1 to 128", q(tok.text)), "")
			return 0, false
		}
		b.report.Refuse(tok.pos, "out-of-range", fmt.Sprintf("persistence_granularity %s: is no mask", q(tok.text)),
			"write a mask, as 255.255.255.0")
		return 0, false
	}
	addr, err := netip.ParseAddr(tok.text)
	if err != nil || !addr.Is4() || v.family {
		b.report.Bad(tok.pos, "bad-value",
			fmt.Sprintf("persistence_granularity %s: must be a mask for IPv4, a number of bits for IPv6", q(tok.text)),
			"")
		return 0, false
	}
	a := addr.As4()
	mask := uint32(a[0])<<24 | uint32(a[1])<<16 | uint32(a[2])<<8 | uint32(a[3])
	ones := bits.LeadingZeros32(^mask)
	if ones == 0 || mask<<ones != 0 && ones < 32 {
		b.report.Refuse(tok.pos, "bad-value",
			fmt.Sprintf("persistence_granularity %s: must be ones, then zeros", q(tok.text)), "as 255.255.255.0")
		return 0, false
	}
	return ones, true
}

// resolveKeys lists what a virtual server serves. No two may serve the same.
func (b *builder) resolveKeys(v *virtualDraft, entries []groupEntry, taken map[table.Key]config.Position) {
	own := make(map[table.Key]bool)
	for _, e := range entries {
		repeated := false
		for addr := e.first; ; addr = addr.Next() {
			k := v.keyOf(e, addr)
			if first, ok := taken[k]; ok && !own[k] {
				// Differs from Keepalived: two virtual servers for the same packets are an error. There
				// each takes the other's servers out of the kernel's table.
				b.report.Refuse(v.Pos, "duplicate-service",
					fmt.Sprintf("virtual_server %s: %s is served by another one", q(v.Name), k),
					"it is at "+first.String())
				return
			}
			if own[k] {
				repeated = true
			} else {
				own[k], taken[k] = true, v.Pos
				v.Keys = append(v.Keys, k)
			}
			if addr == e.last {
				break
			}
		}
		if repeated {
			b.report.Warn(e.tok.pos, "repeated",
				fmt.Sprintf("what %s stands for is in the group already", q(e.tok.text)), "")
		}
	}
}

// keyOf is the key of a mark, or of one address of an entry.
func (v *virtualDraft) keyOf(e groupEntry, addr netip.Addr) table.Key {
	if e.mark == 0 {
		return table.Key{Protocol: v.service, Addr: netip.AddrPortFrom(addr, e.port), IPv6: addr.Is6()}
	}
	k := table.Key{Mark: e.mark, IPv6: v.family}
	if e.ipv6.set {
		k.IPv6 = e.ipv6.val
	}
	return k
}

// fitsDriver refuses, with lvs_driver xdp, what our own plane cannot do. With auto or ipvs, the
// kernel may.
func (b *builder) fitsDriver(v *virtualDraft) {
	if b.lvs.driver.val != config.DriverXDP {
		return
	}
	cannot := func(tok *token, what string) {
		b.report.Refuse(tok.pos, "not-supported", what+" is not supported by lvs_driver xdp", "use lvs_driver ipvs")
	}
	if s := v.scheduler; s.set && slices.Contains([]string{"lblc", "lblcr", "dh", "fo", "ovf", "sed", "nq", "twos"},
		s.val) {
		cannot(s.tok, "lb_algo "+s.val)
	}
	if v.protocol.set && v.protocol.val == table.SCTP {
		cannot(v.protocol.tok, "protocol SCTP")
	}
	if v.engine.set {
		cannot(v.engine.tok, "persistence_engine")
	}
	if v.mark.set {
		cannot(v.mark.tok, "fwmark")
	} else if g := b.lvs.groups[v.group.val]; v.group.set && g != nil {
		for _, e := range g.entries {
			if e.mark != 0 {
				cannot(&e.tok, "fwmark")
			}
		}
	}
	tunnels := []opt[forwarding]{v.forward, v.sorryKind}
	for _, r := range v.servers {
		tunnels = append(tunnels, r.forward)
	}
	for _, f := range tunnels {
		if f.set && f.val.method == table.Tunnel && f.val.wrap.Type == table.GRE {
			cannot(f.tok, "a tunnel of type gre")
		}
	}
}
