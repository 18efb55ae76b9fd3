package keepalived

import (
	"fmt"
	"net/netip"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/words"
	"github.com/evenkeel/evenkeel/lvs/table"
)

// lvsSite turns the drafts of virtual servers into the model; nil if there is none.
func (b *builder) lvsSite() *config.LVS {
	g := &b.lvs
	if len(g.virtuals) == 0 {
		return nil
	}
	d := &config.LVS{Driver: g.driver.val, Timeouts: g.timeouts, Flush: g.flush, FlushOnStop: g.flushOnStop,
		TableSize: g.tableSize, LogAllFailures: g.logAll, InitNotifies: g.initNotify}
	b.resolveSync(d)
	taken := make(map[table.Key]config.Position)
	for _, v := range g.virtuals {
		if b.finishVirtual(v, taken) {
			server := v.VirtualServer // a copy: the draft is not kept
			d.Servers = append(d.Servers, &server)
		}
	}
	if len(d.Servers) == 0 {
		return nil
	}
	return d
}

// keepFromTalking makes IPv6 addresses of virtual servers no sources of what this node itself sends.
//
// Differs from Keepalived: an IPv6 address of a virtual server is no source of what the director itself says,
// whatever its prefix length. There only a /128 is none: from any other the checks are made, which a real server
// that has the address too (DR, TUN) answers to itself.
func keepFromTalking(s *config.Site) {
	if s.LVS == nil {
		return
	}
	virtual := map[netip.Addr]bool{}
	for _, v := range s.LVS.Servers {
		for _, k := range v.Keys {
			virtual[k.Addr.Addr()] = true
		}
	}
	for _, i := range s.Instances {
		for _, list := range [][]config.Address{i.Addresses, i.Excluded} {
			for n := range list {
				if a := list[n].Prefix.Addr(); a.Is6() && virtual[a] {
					list[n].NoSource = true
				}
			}
		}
	}
}

// resolveSync settles whose state lvs_sync_daemon follows, and its number.
func (b *builder) resolveSync(d *config.LVS) {
	s := b.lvs.sync
	if s == nil {
		return
	}
	daemon := s.Daemon
	if name := s.instance.text; name != "" {
		instance := b.byName.instances[name]
		if instance == nil {
			if !b.lost[name] {
				// Differs from Keepalived: lvs_sync_daemon must name a vrrp_instance there is. There,
				// neither daemon starts, and nothing says so.
				b.report.Refuse(s.instance.pos, "unknown-name", fmt.Sprintf("there is no vrrp_instance %s", q(name)),
					words.DidYouMean(name, b.instanceNames()))
			}
			return
		}
		d.SyncInstance = name
		daemon.ID = instance.VRID
	}
	if s.id.set {
		daemon.ID = uint8(s.id.val)
	}
	d.Sync = &daemon
}

// finishVirtual fills in one virtual server. It reports false if there is nothing to serve.
func (b *builder) finishVirtual(v *virtualDraft, taken map[table.Key]config.Position) bool {
	if len(v.servers) == 0 {
		if !v.broken {
			b.report.Tolerate(v.Pos, "missing-word",
				fmt.Sprintf("virtual_server %s has no real_server: it is left out", q(v.Name)),
				"add a block: real_server ADDRESS PORT { … }")
		}
		return false
	}
	entries, ok := b.entriesOf(v)
	if !ok {
		return false
	}
	b.resolveProtocol(v, entries)
	b.resolveVirtualFamily(v, entries)
	b.resolveServers(v, entries)
	b.resolvePersistence(v, entries)
	b.resolveScheduler(v)
	b.resolveKeys(v, entries, taken)
	b.resolveSorry(v, entries)
	b.resolveQuorum(v)
	b.fitsDriver(v)
	v.VirtualHost = v.host.val
	return len(v.Servers) > 0
}

// entriesOf are the addresses and marks a virtual server is for.
func (b *builder) entriesOf(v *virtualDraft) ([]groupEntry, bool) {
	switch {
	case v.mark.set:
		return []groupEntry{{tok: *v.mark.tok, mark: v.mark.val, ipv6: v.ipv6}}, true
	case !v.group.set:
		return []groupEntry{{tok: v.head, first: v.at.addr, last: v.at.addr, port: v.at.port}}, true
	}
	g := b.lvs.groups[v.group.val]
	if g == nil {
		var names []string
		for name := range b.lvs.groups {
			names = append(names, name)
		}
		// Differs from Keepalived: a virtual_server of a group that is not there is an error. There
		// it is left out in silence.
		b.report.Refuse(v.group.tok.pos, "unknown-name",
			fmt.Sprintf("there is no virtual_server_group %s", q(v.group.val)), nearestOf(v.group.val, names))
		return nil, false
	}
	return g.entries, len(g.entries) > 0 && !g.wrong
}

// resolveProtocol settles the protocol of services by address, and the name.
func (b *builder) resolveProtocol(v *virtualDraft, entries []groupEntry) {
	addresses := false
	for _, e := range entries {
		addresses = addresses || e.mark == 0
	}
	if !addresses {
		if v.protocol.set {
			b.report.Tolerate(v.protocol.tok.pos, "no-effect",
				"protocol has no effect on a service by fwmark, which is for every one", "leave it out")
		}
		return
	}
	if !v.protocol.set && !v.blamed["protocol"] {
		b.report.Tolerate(v.Pos, "missing-word",
			fmt.Sprintf("virtual_server %s has no protocol: UDP is used, as keepalived does", q(v.Name)),
			"add a line: protocol TCP")
	}
	v.service = v.protocol.or(table.UDP)
	if v.service != table.TCP {
		v.Name += " " + v.service.String() // the same address may have a TCP service
	}
}

// resolveVirtualFamily settles the family of a virtual server: of its addresses, its servers, or
// as ip_family says.
func (b *builder) resolveVirtualFamily(v *virtualDraft, entries []groupEntry) {
	var has [2]bool // IPv4, IPv6
	for _, e := range entries {
		if e.mark == 0 {
			has[index6(e.first.Is6())] = true
		} else if e.ipv6.set {
			has[index6(e.ipv6.val)] = true
		}
	}
	switch {
	case v.mark.set && v.ipv6.set:
		v.family = v.ipv6.val
	case has[0] != has[1]:
		v.family = has[1]
	case has[0] && has[1] && v.ipv6.set:
		v.family = v.ipv6.val
	default:
		v.family = v.serversFamily()
	}
	if v.service == 0 && v.family {
		v.Name += " IPv6" // the same mark may have an IPv4 service
	}
	if v.ipv6.set && v.ipv6.val != v.family {
		b.report.Bad(v.ipv6.tok.pos, "family",
			fmt.Sprintf("ip_family %s, but the addresses are %s", v.ipv6.tok.text, family(v.family)), "leave it out")
	}
}

func index6(ipv6 bool) int {
	if ipv6 {
		return 1
	}
	return 0
}

// serversFamily is that of the first server that is not behind a tunnel, else of all, if they
// are of one, else IPv4.
func (v *virtualDraft) serversFamily() bool {
	six := len(v.servers) > 0
	for _, r := range v.servers {
		if r.forward.or(v.forward.val).method != table.Tunnel {
			return r.at.addr.Is6()
		}
		six = six && r.at.addr.Is6()
	}
	return six
}

// resolveServers fills in the real servers.
func (b *builder) resolveServers(v *virtualDraft, entries []groupEntry) {
	if !v.forward.set && !v.blamed["lb_kind"] && !v.blamed["lvs_method"] {
		b.report.Tolerate(v.Pos, "missing-word",
			fmt.Sprintf("virtual_server %s has no lb_kind: NAT is used", q(v.Name)),
			"add a line: lb_kind NAT, DR or TUN")
	}
	seen := make(map[netip.AddrPort]bool)
	for _, r := range v.servers {
		if !b.finishReal(v, r, entries) {
			continue
		}
		if seen[r.Addr] {
			b.report.Tolerate(r.Pos, "repeated", fmt.Sprintf("real_server %s is given again and left out", r.Addr), "")
			continue
		}
		seen[r.Addr] = true
		server := r.RealServer // a copy: the draft is not kept
		v.Servers = append(v.Servers, &server)
	}
}

// finishReal fills in one real server, and reports false if it cannot be used.
func (b *builder) finishReal(v *virtualDraft, r *realDraft, entries []groupEntry) bool {
	f := r.forward.or(v.forward.val)
	port, ok := b.destination(v, r.at, f, entries, "real_server")
	if !ok {
		v.broken = true
		return false
	}
	r.Addr = netip.AddrPortFrom(r.at.addr, port)
	r.Method, r.Wrap = f.method, f.wrap
	r.Weight = r.weight.or(v.weight.or(1))
	r.InhibitOnFailure = r.inhibit.or(v.inhibit.val)
	r.VirtualHost = r.host.or(v.host.val)
	if r.Upper > 0 && r.Lower >= r.Upper {
		b.report.Warn(r.Pos, "out-of-range", fmt.Sprintf("lthreshold %d is not below uthreshold %d", r.Lower, r.Upper),
			"")
	}
	for _, c := range r.checks {
		r.Checkers = append(r.Checkers, b.finishCheck(v, r, c, entries)...)
	}
	return true
}

// destination checks a server against the services it is for, and gives its port: as written, or
// that of the services, if they have one. DR and TUN cannot change ports.
func (b *builder) destination(v *virtualDraft, at endpoint, f forwarding, entries []groupEntry, what string) (uint16,
	bool) {
	if f.method != table.Tunnel {
		for _, e := range entries {
			six := v.family
			if e.mark == 0 {
				six = e.first.Is6()
			} else if e.ipv6.set {
				six = e.ipv6.val
			}
			if six == at.addr.Is6() {
				continue
			}
			if v.group.set {
				b.report.Refuse(at.tok.pos, "family",
					fmt.Sprintf("%s %s is %s, but an address or mark of group %s is %s", what, at.addr,
						family(at.addr.Is6()), q(v.group.val), family(six)),
					"only lvs_method TUN goes from one family to the other")
			} else {
				b.report.Bad(at.tok.pos, "family",
					fmt.Sprintf("%s %s is not %s, as the virtual server is", what, at.addr, family(six)),
					"only lvs_method TUN goes from one family to the other")
			}
			return 0, false
		}
	}
	return b.servicePort(v, at, f, entries, what), true
}

// servicePort is the port of a destination. In a group with marks it is that of the addresses.
func (b *builder) servicePort(v *virtualDraft, at endpoint, f forwarding, entries []groupEntry, what string) uint16 {
	common, same, marks := commonPort(entries)
	switch {
	case at.port == 0:
		return common
	case marks && f.method != table.NAT:
		b.report.Tolerate(at.tok.pos, "port",
			fmt.Sprintf("%s %s: a service by fwmark has no port; %d is used for checks only", what, at.addr, at.port),
			"")
	case f.method != table.NAT && same && at.port != common:
		b.report.Tolerate(at.tok.pos, "port",
			fmt.Sprintf("%s %s: port %d is not that of the service, and %s cannot change it: %d is used", what, at.addr,
				at.port, methodWord(f.method), common), "its own port counts for checks only")
	case f.method != table.NAT && !same:
		b.report.Tolerate(at.tok.pos, "port",
			fmt.Sprintf("%s %s: %s cannot change the ports of group %s to %d", what, at.addr, methodWord(f.method),
				q(v.group.val), at.port), "leave the port out")
	}
	if f.method != table.NAT {
		return common
	}
	return at.port
}

// commonPort is the port that all addresses of a service have, or 0; marks have none.
func commonPort(entries []groupEntry) (port uint16, same, marks bool) {
	first := true
	same = true
	for _, e := range entries {
		switch {
		case e.mark != 0:
			marks = true
		case first:
			port, first = e.port, false
		default:
			same = same && e.port == port
		}
	}
	if !same {
		port = 0
	}
	return port, same, marks
}

func methodWord(m table.Method) string {
	switch m {
	case table.Direct:
		return "DR"
	case table.Tunnel:
		return "TUN"
	}
	return "NAT"
}

// resolveSorry fills in the server of last resort.
func (b *builder) resolveSorry(v *virtualDraft, entries []groupEntry) {
	if !v.sorry.set {
		for _, o := range []opt[bool]{v.sorryIn, {tok: v.sorryKind.tok, set: v.sorryKind.set}} {
			if o.set {
				b.report.Tolerate(o.tok.pos, "no-effect",
					fmt.Sprintf("%s has no effect without sorry_server", q(o.tok.text)), "")
			}
		}
		return
	}
	f := v.sorryKind.or(v.forward.val)
	port, ok := b.destination(v, v.sorry.val, f, entries, "sorry_server")
	if !ok {
		return
	}
	v.Sorry = &config.RealServer{Pos: v.sorry.tok.pos}
	v.Sorry.Addr = netip.AddrPortFrom(v.sorry.val.addr, port)
	v.Sorry.Method, v.Sorry.Wrap, v.Sorry.Weight = f.method, f.wrap, 1
	v.SorryInhibit = v.sorryIn.val
}

// resolveQuorum holds the quorum to what the servers can reach.
func (b *builder) resolveQuorum(v *virtualDraft) {
	v.Quorum, v.Hysteresis = v.quorum.or(1), v.hysteresis.val
	total := 0
	for _, r := range v.Servers {
		total += r.Weight
	}
	if v.Quorum > total && len(v.Servers) > 0 {
		pos := v.Pos
		if v.quorum.set {
			pos = v.quorum.tok.pos
		}
		b.report.Tolerate(pos, "quorum",
			fmt.Sprintf("quorum %d is more than all servers weigh together: %d is used", v.Quorum, total), "")
		v.Quorum = total
	}
	if v.Hysteresis > 0 && v.Hysteresis >= v.Quorum {
		used := max(v.Quorum-1, 0)
		b.report.Tolerate(v.hysteresis.tok.pos, "quorum",
			fmt.Sprintf("hysteresis %d is not below quorum %d: %d is used", v.Hysteresis, v.Quorum, used), "")
		v.Hysteresis = used
	}
}

// nearestOf names the nearest of names in no order, or the only one.
func nearestOf(name string, names []string) string {
	if len(names) == 1 {
		return fmt.Sprintf("the only one is %s", q(names[0]))
	}
	return words.DidYouMean(name, sorted(names))
}
