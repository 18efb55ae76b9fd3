package keepalived

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/verdict"
	"github.com/evenkeel/evenkeel/config/words"
)

// The words of global_defs about virtual servers, and the lines of virtual_server_group.

func (b *builder) setInitNotifies(_ *statement, v []value) { b.lvs.initNotify = isOn(v[0]) }

func (b *builder) setAllFailures(_ *statement, v []value) { b.lvs.logAll = isOn(v[0]) }

func (b *builder) setFlush(_ *statement, v []value) { b.lvs.flush = isOn(v[0]) }

func (b *builder) setFlushOnStop(_ *statement, v []value) {
	b.lvs.flushOnStop = config.FlushAll
	if v[0].given {
		b.lvs.flushOnStop = config.FlushOwn
	}
}

func (b *builder) setDriver(_ *statement, v []value) {
	drivers := map[string]config.LVSDriver{"auto": config.DriverAuto, "ipvs": config.DriverIPVS,
		"xdp": config.DriverXDP}
	b.lvs.driver = given(drivers[v[0].tok.text], v[0].tok)
}

func (b *builder) setTableSize(_ *statement, v []value) { b.lvs.tableSize = v[0].n }

// setTimeouts reads [tcp SECONDS] [tcpfin SECONDS] [udp SECONDS]; 0 leaves a timeout as it is.
func (b *builder) setTimeouts(s *statement, _ []value) {
	t := &b.lvs.timeouts
	fields := map[string]*time.Duration{"tcp": &t.TCP, "tcpfin": &t.TCPFin, "udp": &t.UDP}
	for i := 0; i < len(s.args); i++ {
		name := s.args[i]
		field := fields[name.text]
		if field == nil {
			b.report.Bad(name.pos, "unknown-option", fmt.Sprintf("unknown option %s of lvs_timeouts", q(name.text)),
				words.DidYouMean(name.text, []string{"tcp", "tcpfin", "udp"}))
			continue
		}
		n, _, ok := b.option(s, &i, 0, 2678400)
		if ok {
			*field = time.Duration(n) * time.Second
		}
	}
}

// option reads the number after the option at s.args[*i], and moves *i to it.
func (b *builder) option(s *statement, i *int, lo, hi int) (int, token, bool) {
	name := s.args[*i]
	if *i+1 == len(s.args) {
		b.report.Bad(name.pos, "missing-value", fmt.Sprintf("%s needs a value", q(name.text)), "")
		return 0, name, false
	}
	*i++
	tok := s.args[*i]
	n, ok := wholeNumber(tok.text)
	if !ok || n < lo || n > hi {
		b.report.Bad(tok.pos, "bad-number",
			fmt.Sprintf("%s %s: must be a whole number from %d to %d", q(name.text), q(tok.text), lo, hi), "")
		return 0, tok, false
	}
	return n, tok, true
}

// setSyncDaemon reads INTERFACE [[inst] INSTANCE] and options.
func (b *builder) setSyncDaemon(s *statement, _ []value) {
	if first := b.lvs.sync; first != nil {
		b.report.Tolerate(s.word.pos, "repeated", "lvs_sync_daemon is given again; the first one counts",
			"it is on line "+fmt.Sprint(first.at.pos.Line))
		return
	}
	d := &syncDraft{at: s.word}
	if !b.isInterfaceName(s.args[0]) {
		return
	}
	d.Interface = s.args[0].text
	ok := true
	for i := 1; i < len(s.args); i++ {
		ok = b.syncOption(d, s, &i) && ok
	}
	if ok {
		b.lvs.sync = d
	}
}

var syncOptions = []string{"inst", "id", "maxlen", "port", "ttl", "group"}

// syncOption reads one option of lvs_sync_daemon.
func (b *builder) syncOption(d *syncDraft, s *statement, i *int) bool {
	tok := s.args[*i]
	limits := map[string][2]int{"id": {0, 255}, "maxlen": {1, 65507}, "port": {1, 65535}, "ttl": {1, 255}}
	if limit, ok := limits[tok.text]; ok {
		n, at, ok := b.option(s, i, limit[0], limit[1])
		switch tok.text {
		case "id":
			d.id = given(n, at)
		case "maxlen":
			d.MaxLen = uint16(n)
		case "port":
			d.Port = uint16(n)
		case "ttl":
			d.TTL = uint8(n)
		}
		return ok
	}
	switch n, number := wholeNumber(tok.text); {
	case tok.text == "group", tok.text == "inst":
		if *i+1 == len(s.args) {
			b.report.Bad(tok.pos, "missing-value", fmt.Sprintf("%s needs a value", q(tok.text)), "")
			return false
		}
		*i++
		if tok.text == "group" {
			return b.syncGroup(d, s.args[*i])
		}
		return b.syncInstance(d, s.args[*i])
	case number && n >= 0 && n <= 255 && !d.id.set:
		b.report.Tolerate(tok.pos, "deprecated", fmt.Sprintf("%s alone is taken as id %s", q(tok.text), tok.text),
			"write id "+tok.text)
		d.id = given(n, tok)
		return true
	case *i == 1:
		return b.syncInstance(d, tok)
	}
	b.report.Bad(tok.pos, "unknown-option", fmt.Sprintf("unknown option %s of lvs_sync_daemon", q(tok.text)),
		words.DidYouMean(tok.text, syncOptions))
	return false
}

func (b *builder) syncInstance(d *syncDraft, tok token) bool {
	if d.instance.text != "" {
		b.report.Bad(tok.pos, "repeated", "lvs_sync_daemon follows one vrrp_instance only",
			"the first is "+verdict.Bare(d.instance.text))
		return false
	}
	d.instance = tok
	return true
}

func (b *builder) syncGroup(d *syncDraft, tok token) bool {
	addr, err := netip.ParseAddr(tok.text)
	if err != nil || !addr.IsMulticast() || addr.Zone() != "" {
		b.report.Bad(tok.pos, "not-multicast", fmt.Sprintf("group %s: is no multicast address", q(tok.text)), "")
		return false
	}
	d.Group = addr
	return true
}

// mostAddresses bounds a group, and one line of it.
const mostAddresses = 65536

// addGroupEntry reads one line of virtual_server_group: ADDRESS, a range or a network, and a
// port; or fwmark NUMBER [inet|inet6].
func (b *builder) addGroupEntry(s *statement) {
	e := groupEntry{tok: s.word}
	ok := false
	if s.word.text == "fwmark" {
		ok = b.groupMark(s, &e)
	} else if e.first, e.last, ok = b.addressRange(s.word); ok {
		if len(s.args) > 0 {
			e.port, ok = b.port(s.args[0], "virtual_server_group")
		}
		if len(s.args) > 1 {
			b.report.Warn(s.args[1].pos, "extra-word", fmt.Sprintf("%s after the port is not read", q(s.args[1].text)),
				"")
		}
	}
	if s.block {
		b.report.Bad(s.word.pos, "unexpected-brace", fmt.Sprintf(`%s takes no block: unexpected "{"`, q(s.word.text)),
			"")
		ok = false
	}
	if ok && e.mark == 0 {
		if b.addresses.size += distance(e.first, e.last) + 1; b.addresses.size > mostAddresses {
			if !b.addresses.wrong {
				b.report.Refuse(s.word.pos, "too-many",
					fmt.Sprintf("virtual_server_group %s has more than %d addresses", q(b.addresses.name.text),
						mostAddresses), "use a fwmark")
			}
			ok = false
		}
	}
	if !ok {
		b.addresses.wrong = true
		return
	}
	b.addresses.entries = append(b.addresses.entries, e)
}

func (b *builder) groupMark(s *statement, e *groupEntry) bool {
	if len(s.args) == 0 {
		b.report.Bad(s.word.pos, "missing-value", `"fwmark" needs a number`, "write fwmark NUMBER")
		return false
	}
	n, ok := b.mark(s.args[0])
	e.mark = n
	if len(s.args) > 1 {
		switch family := s.args[1]; family.text {
		case "inet", "inet6":
			e.ipv6 = given(family.text == "inet6", family)
		default:
			b.report.Bad(family.pos, "unknown-option", fmt.Sprintf("fwmark: unknown family %s", q(family.text)),
				"it is inet or inet6")
			return false
		}
	}
	return ok
}

// addressRange reads ADDRESS, ADDRESS-LAST (a whole address, or its last part) and
// ADDRESS/LENGTH.
func (b *builder) addressRange(tok token) (first, last netip.Addr, ok bool) {
	bad := func(message, cure string) (netip.Addr, netip.Addr, bool) {
		b.report.Bad(tok.pos, "bad-address", fmt.Sprintf("%s: %s", q(tok.text), message), cure)
		return netip.Addr{}, netip.Addr{}, false
	}
	if strings.Contains(tok.text, "/") {
		p, err := netip.ParsePrefix(tok.text)
		switch {
		case err != nil:
			return bad("is not a network", "write ADDRESS/LENGTH")
		case p.Masked() != p:
			return bad("the address is not the first of the network", "write "+p.Masked().String())
		case p.Addr().BitLen()-p.Bits() > 16:
			return bad(fmt.Sprintf("these are more than %d addresses", mostAddresses), "")
		}
		return p.Addr(), lastOf(p), true
	}
	start, end, isRange := strings.Cut(tok.text, "-")
	first, err := netip.ParseAddr(start)
	if err != nil || first.Zone() != "" {
		return bad("is not an IP address",
			"a line here is ADDRESS PORT, with FIRST-LAST or ADDRESS/LENGTH for several, or fwmark NUMBER")
	}
	first = first.Unmap()
	if !isRange {
		return first, first, true
	}
	last, ok = rangeEnd(first, end)
	switch {
	case !ok:
		return bad("the end of the range is neither an address nor the last part of one",
			"write FIRST-LAST, as in 192.0.2.1-10")
	case last.Is6() != first.Is6() || last.Less(first) || last == first:
		return bad("the end of the range is not after its beginning", "")
	case distance(first, last) >= mostAddresses:
		b.report.Refuse(tok.pos, "too-many",
			fmt.Sprintf("%s: these are more than %d addresses", q(tok.text), mostAddresses), "")
		return first, last, false
	}
	return first, last, true
}

// rangeEnd reads the end of a range that begins at first.
func rangeEnd(first netip.Addr, text string) (netip.Addr, bool) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return addr.Unmap(), addr.Zone() == ""
	}
	n, base := 0, 10
	if first.Is6() {
		base = 16
	}
	limit := base*base*base*base - 1
	if first.Is4() {
		limit = 255
	}
	if text == "" || len(text) > 4 {
		return first, false
	}
	for _, c := range []byte(text) {
		d := strings.IndexByte("0123456789abcdef", c|0x20)
		if c >= '0' && c <= '9' {
			d = int(c - '0')
		}
		if d < 0 || d >= base {
			return first, false
		}
		n = n*base + d
	}
	if n > limit {
		return first, false
	}
	if first.Is4() {
		a := first.As4()
		a[3] = byte(n)
		return netip.AddrFrom4(a), true
	}
	a := first.As16()
	a[14], a[15] = byte(n>>8), byte(n)
	return netip.AddrFrom16(a), true
}

// lastOf is the last address of a network.
func lastOf(p netip.Prefix) netip.Addr {
	a := p.Addr().As16()
	host := p.Addr().BitLen() - p.Bits()
	for i := range host {
		a[15-i/8] |= 1 << (i % 8)
	}
	last := netip.AddrFrom16(a)
	if p.Addr().Is4() {
		return last.Unmap()
	}
	return last
}

// distance is how far apart two addresses are, or a number beyond mostAddresses.
func distance(first, last netip.Addr) int {
	f, l := first.As16(), last.As16()
	if [12]byte(f[:12]) != [12]byte(l[:12]) {
		return mostAddresses
	}
	return int(binary.BigEndian.Uint32(l[12:])) - int(binary.BigEndian.Uint32(f[12:]))
}
