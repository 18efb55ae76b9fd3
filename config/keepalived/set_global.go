package keepalived

import (
	"fmt"
	"net/netip"

	"github.com/evenkeel/evenkeel/config"
)

func (b *builder) setRouterID(_ *statement, v []value) {
	b.global.routerID = given(v[0].tok.text, v[0].tok)
}

func (b *builder) setScriptUser(_ *statement, v []value) {
	b.global.scriptUser = given(config.Owner{User: v[0].tok.text, Group: v[1].tok.text}, v[0].tok)
}

func (b *builder) setScriptSecurity(_ *statement, v []value) { b.global.scriptSecurity = isOn(v[0]) }

func (b *builder) setDynamicInterfaces(*statement, []value) { b.global.dynamicInterfaces = true }

func (b *builder) setGlobalVersion(_ *statement, v []value) {
	b.global.version = given(v[0].n, v[0].tok)
}

func (b *builder) setGlobalGroup4(s *statement, v []value) {
	if b.isGroup(s, v[0], false) {
		b.global.group4 = given(v[0].addr, v[0].tok)
	}
}

func (b *builder) setGlobalGroup6(s *statement, v []value) {
	if b.isGroup(s, v[0], true) {
		b.global.group6 = given(v[0].addr, v[0].tok)
	}
}

// isGroup checks a multicast group of one family.
func (b *builder) isGroup(s *statement, v value, ipv6 bool) bool {
	if v.addr.IsMulticast() && v.addr.Is6() == ipv6 {
		return true
	}
	b.report.Bad(v.tok.pos, "not-multicast",
		fmt.Sprintf("%s %s: is no %s multicast address", q(s.word.text), q(v.tok.text), family(ipv6)), "")
	return false
}

// family names an address family.
func family(ipv6 bool) string {
	if ipv6 {
		return "IPv6"
	}
	return "IPv4"
}

func (b *builder) setGlobalSkipCheck(_ *statement, v []value) { b.global.skipCheck = isOn(v[0]) }

func (b *builder) setGlobalCheckUnicast(_ *statement, v []value) { b.global.checkUnicast = isOn(v[0]) }

func (b *builder) setGlobalChecksum(_ *statement, v []value) { b.global.checksum = isOn(v[0]) }

func (b *builder) setGlobalLowerPrioNoAdvert(_ *statement, v []value) {
	b.global.lowerNoAdvert = isOn(v[0])
}

func (b *builder) setGlobalHigherPrioSendAdvert(_ *statement, v []value) {
	b.global.higherAdvert = isOn(v[0])
}

func (b *builder) setGlobalDownAdverts(_ *statement, v []value) {
	b.global.downAdverts = given(v[0].n, v[0].tok)
}

func (b *builder) setDefaultInterface(_ *statement, v []value) {
	if b.isInterfaceName(v[0].tok) {
		b.global.iface = given(v[0].tok.text, v[0].tok)
	}
}

func (b *builder) setLogUnknown(_ *statement, v []value) { b.global.logUnknown = isOn(v[0]) }

func (b *builder) setStartupDelay(_ *statement, v []value) {
	if v[0].d == 0 {
		// Differs from Keepalived: vrrp_startup_delay 0 means none. There it is invalid.
		b.report.StrictOnly(v[0].tok.pos, "out-of-range", q("vrrp_startup_delay")+" 0: keepalived wants more than 0",
			"leave it out")
	}
	b.global.startupDelay = v[0].d
}

func (b *builder) setMinGARP(_ *statement, v []value) { b.global.minGARP = isOn(v[0]) }

func (b *builder) setGlobalGate(_ *statement, v []value) { b.global.gate = gateMode(v[0]) }

// gateMode reads the mode of a lease gate; the word alone means auto.
func gateMode(v value) config.GateMode {
	switch v.tok.text {
	case "ebpf":
		return config.GateEBPF
	case "nft":
		return config.GateNFT
	case "lifetime":
		return config.GateLifetime
	case "off":
		return config.GateOff
	}
	return config.GateAuto
}

// announceSetter puts one garp value into a draft.
type announceSetter func(*announceDraft, value)

func setDelay(a *announceDraft, v value)         { a.delay = given(v.d, v.tok) }
func setRepeat(a *announceDraft, v value)        { a.repeat = given(v.n, v.tok) }
func setRefresh(a *announceDraft, v value)       { a.refresh = given(v.d, v.tok) }
func setRefreshRepeat(a *announceDraft, v value) { a.refreshRepeat = given(v.n, v.tok) }
func setLowerDelay(a *announceDraft, v value)    { a.lowerDelay = given(v.d, v.tok) }
func setLowerRepeat(a *announceDraft, v value)   { a.lowerRepeat = given(v.n, v.tok) }
func setInterval(a *announceDraft, v value)      { a.interval = given(v.d, v.tok) }
func setGNAInterval(a *announceDraft, v value)   { a.gnaInterval = given(v.d, v.tok) }

func globalAnnounce(set announceSetter) func(*builder, *statement, []value) {
	return func(b *builder, s *statement, v []value) {
		if (s.word.text == "vrrp_garp_interval" || s.word.text == "vrrp_gna_interval") && v[0].d == 0 {
			// Differs from Keepalived: vrrp_garp_interval 0 is the default, as it looks.
			// There it is reported as invalid, and then 0 is used.
			b.report.Tolerate(v[0].tok.pos, "out-of-range", q(s.word.text)+" 0 is the default",
				"leave the line out: keepalived calls it invalid")
		}
		set(&b.global.announce, v[0])
	}
}

func instanceAnnounce(set announceSetter) func(*builder, *statement, []value) {
	return func(b *builder, _ *statement, v []value) { set(&b.instance.announce, v[0]) }
}

// isInterfaceName checks a name against the kernel's rules (IFNAMSIZ 16).
func (b *builder) isInterfaceName(tok token) bool {
	name := tok.text
	bad := name == "" || len(name) > 15 || name == "." || name == ".."
	for _, c := range []byte(name) {
		bad = bad || c == '/' || isSpace(c) || c < ' ' || c == ':'
	}
	if bad {
		b.report.Bad(tok.pos, "interface-name", fmt.Sprintf("%s cannot be the name of an interface", q(name)),
			"it has at most 15 characters, without space, / or :")
	}
	return !bad
}

// defaultGroup is the group of RFC 9568 section 5.1.1.2 and 5.1.2.2.
func defaultGroup(ipv6 bool) netip.Addr {
	if ipv6 {
		return netip.AddrFrom16([16]byte{0: 0xff, 1: 0x02, 15: 0x12})
	}
	return netip.AddrFrom4([4]byte{224, 0, 0, 18})
}
