package haproxy

import (
	"net/netip"
	"strings"

	"github.com/evenkeel/evenkeel/config"
)

// setOption looks the name up among the options.
func setOption(a *args) { a.sub(inOption) }

// toggle is the setter of a switch.
func toggle(which func(*config.ProxyOptions) *bool) func(*args) {
	return func(a *args) {
		if a.reset {
			// Differs from HAProxy: "default option NAME" sets an option back. 2.6 refuses most of them, by a
			// mistake of its own.
			a.report.StrictOnly(a.head.pos, "reset", "haproxy 2.6 does not read default option", "")
		}
		if a.done() {
			*which(&a.draft.proxy.Options) = !a.not && !a.reset
		}
	}
}

// connection is the setter of an option that says what happens after a response.
func connection(mode config.ConnMode) func(*args) {
	return func(a *args) {
		if a.reset {
			a.report.StrictOnly(a.head.pos, "reset", "haproxy 2.6 does not read default option", "")
		}
		if !a.done() {
			return
		}
		o := &a.draft.proxy.Options
		switch {
		case !a.not && !a.reset:
			o.Connection = mode
		case o.Connection == mode:
			o.Connection = config.KeepAlive
		}
	}
}

func optionTCPKA(a *args) {
	if a.done() {
		o := &a.draft.proxy.Options
		o.ClientKeepalive, o.ServerKeepalive = !a.not, !a.not
	}
}

func optionForwardfor(a *args) {
	a.draft.proxy.Options.Forwardfor = a.forwarded("X-Forwarded-For", true)
}

func optionOriginalto(a *args) {
	a.draft.proxy.Options.Originalto = a.forwarded("X-Original-To", false)
}

// forwarded reads [except NETWORK] [header NAME] [if-none].
func (a *args) forwarded(header string, ifNone bool) *config.Forwardfor {
	f := &config.Forwardfor{Header: header}
	for a.more() && !a.failed {
		w := a.next()
		switch {
		case w.text == "except":
			f.Except = a.network(a.need("a network"))
		case w.text == "header":
			f.Header = a.headerName()
		case w.text == "if-none" && ifNone:
			f.IfNone = true
		default:
			known := []string{"except", "header"}
			if ifNone {
				known = append(known, "if-none")
			}
			a.oneOf(w, known...)
		}
	}
	if !a.done() {
		return nil
	}
	return f
}

// network reads ADDRESS or ADDRESS/LENGTH or, for IPv4, ADDRESS/MASK.
func (a *args) network(w word) netip.Prefix {
	if a.failed {
		return netip.Prefix{}
	}
	host, mask, masked := strings.Cut(w.text, "/")
	addr, err := netip.ParseAddr(host)
	if err != nil {
		a.bad(w, "is not a network")
		return netip.Prefix{}
	}
	if !masked {
		return netip.PrefixFrom(addr, addr.BitLen())
	}
	if p, err := netip.ParsePrefix(w.text); err == nil {
		return p.Masked()
	}
	if m, err := netip.ParseAddr(mask); err == nil && m.Is4() && addr.Is4() {
		for bits := range 33 {
			if maskOf(bits) == m {
				return netip.PrefixFrom(addr, bits).Masked()
			}
		}
	}
	a.bad(w, "is not a network")
	return netip.Prefix{}
}

// maskOf is the IPv4 mask of a prefix length.
func maskOf(bits int) netip.Addr {
	m := uint32(uint64(1)<<32 - uint64(1)<<(32-bits))
	return netip.AddrFrom4([4]byte{byte(m >> 24), byte(m >> 16), byte(m >> 8), byte(m)})
}

// optionRedispatch takes [INTERVAL]; without one the last retry goes elsewhere.
func optionRedispatch(a *args) {
	n := -1
	a.k.loose = true
	if a.not || a.reset {
		n = 0
	} else if a.more() {
		n = a.integer(a.next(), -many, many, true)
	}
	if a.done() {
		a.draft.proxy.Redispatch = n
	}
}

// optionRestrictNames takes what happens to requests with odd header names.
func optionRestrictNames(a *args) {
	w := a.need("preserve, delete or reject")
	switch w.text {
	case "preserve":
		a.done()
	case "delete", "reject":
		a.unsupported(w, "names of headers are passed on as they stand")
	default:
		a.oneOf(w, "preserve", "delete", "reject")
	}
}
