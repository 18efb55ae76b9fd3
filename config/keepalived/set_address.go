package keepalived

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/words"
	"github.com/evenkeel/evenkeel/spelling"
)

func (b *builder) addVirtual(s *statement) {
	if a, ok := b.virtualAddress(s, false); ok {
		b.instance.addresses = append(b.instance.addresses, a)
	} else {
		b.blame("virtual_ipaddress")
	}
}

func (b *builder) addExcluded(s *statement) {
	if a, ok := b.virtualAddress(s, true); ok {
		b.instance.excluded = append(b.instance.excluded, a)
	}
}

// address reads an IP address without prefix length.
func (b *builder) address(tok token, what string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(b.withoutMask(tok))
	if err != nil || addr.Zone() != "" {
		b.report.Bad(tok.pos, "bad-address", fmt.Sprintf("%s: %s is not an IP address", what, q(tok.text)), "")
		return netip.Addr{}, false
	}
	return addr.Unmap(), true
}

// withoutMask takes off a prefix length where an address has none, as Keepalived
// does, but says so.
func (b *builder) withoutMask(tok token) string {
	host, _, found := strings.Cut(tok.text, "/")
	if found {
		b.report.Warn(tok.pos, "prefix-length",
			fmt.Sprintf("the prefix length of %s is not read: this is the address of one host", q(tok.text)), "")
	}
	return host
}

// prefix reads ADDRESS[/LENGTH]; without length it is one host.
func (b *builder) prefix(tok token) (netip.Prefix, bool) {
	text, length, given := strings.Cut(tok.text, "/")
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" {
		b.report.Bad(tok.pos, "bad-address", fmt.Sprintf("%s is not an IP address", q(text)),
			"a line here is ADDRESS[/LENGTH] and its options")
		return netip.Prefix{}, false
	}
	addr = addr.Unmap()
	switch {
	case addr.IsUnspecified(), addr.IsMulticast(), addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		b.report.Refuse(tok.pos, "bad-address", fmt.Sprintf("%s cannot be the address of a host", addr), "")
		return netip.Prefix{}, false
	case given && length == "":
		b.report.Refuse(tok.pos, "prefix-length", fmt.Sprintf("%s: the prefix length is missing", q(tok.text)), "")
		return netip.Prefix{}, false
	case !given:
		return netip.PrefixFrom(addr, addr.BitLen()), true
	}
	bits, ok := wholeNumber(length)
	if !ok || bits < 0 || bits > addr.BitLen() {
		b.report.Bad(tok.pos, "prefix-length",
			fmt.Sprintf("%s: the prefix length must be from 0 to %d", q(tok.text), addr.BitLen()), "")
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(addr, bits), true
}

func wholeNumber(text string) (int, bool) {
	n, err := strconv.Atoi(text)
	return n, err == nil
}

// addressOptions are the options of a virtual address that take a value, and
// whether we do what they ask for.
var addressOptions = map[string]struct{ value, done bool }{
	"dev": {true, true}, "label": {true, true}, "scope": {true, true}, "brd": {true, true}, "broadcast": {true, true},
	"no_track": {false, true},
	"-nodad":   {false, false}, "home": {false, false}, "mngtmpaddr": {false, false}, "noprefixroute": {false, false},
	"autojoin": {false, false},
	"peer":     {true, false}, "use_vmac": {false, false}, "preferred_lft": {true, false},
}

// virtualAddress reads one line of virtual_ipaddress or virtual_ipaddress_excluded.
func (b *builder) virtualAddress(s *statement, excluded bool) (addressDraft, bool) {
	a := addressDraft{tok: s.word}
	prefix, ok := b.prefix(s.word)
	a.Prefix = prefix
	if prefix.IsValid() && !b.instance.family.set && !excluded {
		b.instance.family = given(prefix.Addr().Is6(), s.word)
	}
	for i := 0; i < len(s.args); i++ {
		word := s.args[i]
		o, known := addressOptions[word.text]
		switch {
		case !known:
			ok = false
			b.unknownAddressOption(word)
			return a, false
		case !o.done:
			b.report.Refuse(word.pos, "not-supported",
				fmt.Sprintf("%s of an address is known, but not supported yet", q(word.text)), "")
		}
		var val token
		if o.value {
			if i+1 == len(s.args) {
				b.report.Bad(word.pos, "missing-value", fmt.Sprintf("%s needs a value", q(word.text)), "")
				return a, false
			}
			i++
			val = s.args[i]
		}
		if prefix.IsValid() && !b.addressOption(&a, word.text, val) {
			ok = false
		}
	}
	return a, ok
}

func (b *builder) unknownAddressOption(word token) {
	message := fmt.Sprintf("unknown option %s of an address", q(word.text))
	if _, err := netip.ParsePrefix(word.text); err == nil {
		b.report.Bad(word.pos, "unknown-option", message, "one address on each line")
		return
	}
	if _, err := netip.ParseAddr(word.text); err == nil {
		b.report.Bad(word.pos, "unknown-option", message, "one address on each line")
		return
	}
	near := spelling.Within(2, word.text, []string{"dev", "label", "scope", "brd", "no_track"})
	b.report.Bad(word.pos, "unknown-option", message, words.Suggest(near))
}

// addressOption applies one option.
func (b *builder) addressOption(a *addressDraft, word string, val token) bool {
	switch word {
	case "dev":
		a.Dev = val.text
		return b.isInterfaceName(val)
	case "label":
		return b.setLabel(a, val)
	case "scope":
		return b.setScope(a, val)
	case "brd", "broadcast":
		return b.setBroadcast(a, val)
	case "no_track":
		a.NoTrack = true
	}
	return true
}

func (b *builder) setLabel(a *addressDraft, val token) bool {
	if len(val.text) > 15 {
		b.report.Bad(val.pos, "label", fmt.Sprintf("label %s is longer than 15 characters", q(val.text)), "")
		return false
	}
	if a.Prefix.Addr().Is6() {
		b.report.Tolerate(val.pos, "label", "an IPv6 address has no label: it is left out", "")
		return true
	}
	a.Label = val.text
	return true
}

// scopes by the names of iproute2's rt_scopes.
var scopes = map[string]config.Scope{"global": config.ScopeGlobal, "site": config.ScopeSite, "link": config.ScopeLink,
	"host": config.ScopeHost, "nowhere": scopeNowhere}

// scopeNowhere is RT_SCOPE_NOWHERE.
const scopeNowhere config.Scope = 255

func (b *builder) setScope(a *addressDraft, val token) bool {
	scope, ok := scopes[val.text]
	if n, number := wholeNumber(val.text); !ok && number && n >= 0 && n <= 255 {
		scope, ok = config.Scope(n), true
	}
	if !ok {
		b.report.Bad(val.pos, "scope",
			fmt.Sprintf("scope %s: must be global, site, link, host or a number from 0 to 255", q(val.text)), "")
	}
	a.Scope = scope
	return ok
}

func (b *builder) setBroadcast(a *addressDraft, val token) bool {
	if a.Prefix.Addr().Is6() {
		b.report.Tolerate(val.pos, "broadcast", "an IPv6 address has no broadcast address: it is left out", "")
		return true
	}
	switch val.text {
	case "+":
		a.BroadcastAuto = true
		return true
	case "-":
		return true
	}
	addr, err := netip.ParseAddr(val.text)
	if err != nil || !addr.Is4() {
		b.report.Bad(val.pos, "broadcast", fmt.Sprintf("broadcast %s: must be +, - or an IPv4 address", q(val.text)),
			"")
		return false
	}
	a.Broadcast = addr
	return true
}
