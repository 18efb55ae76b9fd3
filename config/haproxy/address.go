package haproxy

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/evenkeel/evenkeel/config"
)

// family is the address family a prefix asks for.
type family uint8

const (
	anyFamily family = iota
	ipv4
	ipv6
)

// endpoint is an address as written: prefix, host and ports.
type endpoint struct {
	family family
	// path of a UNIX socket, '@' first for an abstract one; fd of an inherited descriptor.
	path string
	fd   int
	host string // empty or "*": every address
	// port is the text after the last colon; hasPort whether there was one.
	port    string
	hasPort bool
}

// prefixes of addresses that are understood, and what they mean.
var prefixes = []struct {
	text   string
	family family
}{
	{"ipv4@", ipv4}, {"ipv6@", ipv6}, {"ip@", anyFamily}, {"tcp4@", ipv4}, {"tcp6@", ipv6}, {"tcp@", anyFamily},
}

// foreignPrefixes are known to HAProxy and not supported.
var foreignPrefixes = []string{"sockpair@", "quic4@", "quic6@", "udp@", "udp4@", "udp6@", "dgram+", "ring@", "backend@",
	"abnsz@", "rhttp@", "mptcp@", "uxdg@", "unixdgram@"}

// maxSocketPath leaves room in a socket's name for what it is called until it is ready.
const maxSocketPath = 97

func (a *args) socketPath(w word, path string) endpoint {
	if len(path) > maxSocketPath {
		a.bad(w, fmt.Sprintf("the path of a socket has at most %d bytes", maxSocketPath))
	}
	return endpoint{path: path, fd: -1}
}

// endpoint takes an address apart. a reports what is wrong with it.
func (a *args) endpoint(w word, text string) endpoint {
	e := endpoint{fd: -1}
	text = strings.TrimPrefix(a.expanded(w, text), "stream+")
	for _, p := range foreignPrefixes {
		if strings.HasPrefix(text, p) {
			a.unsupported(w, "")
			return e
		}
	}
	switch {
	case strings.HasPrefix(text, "/"):
		return a.socketPath(w, text)
	case strings.HasPrefix(text, "unix@"), strings.HasPrefix(text, "uxst@"):
		return a.socketPath(w, text[len("unix@"):])
	case strings.HasPrefix(text, "abns@"):
		e.path = "@" + text[len("abns@"):]
		return e
	case strings.HasPrefix(text, "fd@"):
		n, err := strconv.Atoi(text[len("fd@"):])
		if err != nil || n < 0 {
			a.bad(w, "is not a descriptor's number")
		}
		e.fd = n
		return e
	}
	for _, p := range prefixes {
		if strings.HasPrefix(text, p.text) {
			text, e.family = text[len(p.text):], p.family
			break
		}
	}
	e.host = text
	if i := strings.LastIndexByte(text, ':'); i >= 0 && !strings.Contains(text[i:], "]") {
		e.host, e.port, e.hasPort = text[:i], text[i+1:], true
	}
	e.host = strings.TrimSuffix(strings.TrimPrefix(e.host, "["), "]")
	return e
}

// addressVariable is $NAME or ${NAME}.
var addressVariable = regexp.MustCompile(`\$(?:\{([A-Za-z0-9_]+)\}|([A-Za-z0-9_]+))`)

// expanded puts values of the environment into an address: there they need no quotes, unlike elsewhere. As with haproxy
// a variable that is not set is nothing.
func (a *args) expanded(w word, text string) string {
	if !strings.Contains(text, "$") {
		return text
	}
	return addressVariable.ReplaceAllStringFunc(text, func(found string) string {
		name := strings.Trim(found, "${}")
		value, ok := a.variable(name)
		if !ok {
			a.report.Warn(w.pos, "unset-variable",
				fmt.Sprintf("%s in an address: the environment has no %s", q(found), name),
				"nothing is put in its place")
		}
		return value
	})
}

// address gives the host's address, which is looked up if it is a name. The unspecified
// address stands for none.
func (a *args) address(w word, e endpoint) netip.Addr {
	if a.failed {
		return netip.Addr{}
	}
	if e.host == "" || e.host == "*" {
		if e.family == ipv6 {
			return netip.IPv6Unspecified()
		}
		return netip.IPv4Unspecified()
	}
	addr, err := netip.ParseAddr(e.host)
	if err != nil {
		if !isHostName(e.host) {
			a.bad(w, "is not an address")
			return netip.Addr{}
		}
		if addr, err = a.host(e.host); err != nil {
			a.fail(w.pos, "unresolved", fmt.Sprintf("%s %s: the name %s cannot be resolved: %s", a.name, q(w.text),
				q(e.host), err.Error()), "")
			return netip.Addr{}
		}
	}
	if e.family == ipv4 && !addr.Is4() || e.family == ipv6 && !addr.Is6() {
		a.bad(w, "is not of the family that its prefix names")
	}
	return addr
}

// isHostName reports whether text could be a name to look up.
func isHostName(text string) bool {
	if text == "" || len(text) > 253 || strings.Trim(text, "0123456789.") == "" {
		return false
	}
	for i := range len(text) {
		c := text[i]
		if c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == '_' {
			continue
		}
		return false
	}
	return true
}

// portNumber reads one port.
func (a *args) portNumber(w word, text string, least int) int {
	n, err := strconv.Atoi(text)
	switch {
	case a.failed:
	case err != nil && text != "" && text[0] >= '0' && text[0] <= '9':
		a.refuse(w, "bad-port", "the port is not a number", "")
	case err != nil:
		a.bad(w, "the port is not a number")
	case n < least || n > 65535:
		a.bad(w, fmt.Sprintf("a port must be from %d to 65535", least))
	}
	return n
}

// maxListeners bounds what one line may listen on: two addresses with every port.
const maxListeners = 2 * 65535

// listenAddresses reads a list of addresses to listen on, with ranges of ports.
func (a *args) listenAddresses(w word) []config.Listen {
	var all []config.Listen
	offset := 0
	for part := range strings.SplitSeq(w.text, ",") {
		pw := word{text: part, pos: w.at(offset), plain: w.plain}
		offset += len(part) + 1
		if a.failed {
			return nil
		}
		if part == "" {
			if offset > len(w.text) && len(all) > 0 {
				break // a comma at the end
			}
			a.fail(pw.pos, "bad-value", fmt.Sprintf("%s %s: an address is empty", a.name, q(w.text)),
				"is a variable not set?")
			return nil
		}
		for _, p := range []string{"udp", "dgram+", "quic"} {
			if strings.HasPrefix(part, p) && strings.ContainsAny(part, "@+") {
				a.bad(pw, "is not an address of streams, which is what is listened for")
				return nil
			}
		}
		part = a.expanded(pw, part)
		pw.text = part
		e := a.endpoint(pw, part)
		if a.failed {
			return nil
		}
		if e.path != "" || e.fd >= 0 {
			all = append(all, config.Listen{Pos: pw.pos, Text: part, Path: e.path, FD: e.fd})
			continue
		}
		if all = append(all, a.ports(pw, e)...); len(all) > maxListeners {
			a.refuse(pw, "too-many", fmt.Sprintf("more than %d listeners on one line", maxListeners), "")
			return nil
		}
	}
	return all
}

// ports gives an address for each port of a range.
func (a *args) ports(w word, e endpoint) []config.Listen {
	if !e.hasPort || e.port == "" {
		a.bad(w, "the port is missing")
		return nil
	}
	if e.port[0] == '+' || e.port[0] == '-' {
		a.bad(w, "the port of a listener is no offset")
		return nil
	}
	from, to, isRange := strings.Cut(e.port, "-")
	if !isRange {
		to = from
	}
	first, last := a.portNumber(w, from, 1), a.portNumber(w, to, 1)
	if !a.failed && last < first {
		a.bad(w, "the last port is less than the first")
	}
	addr := a.address(w, e)
	if a.failed {
		return nil
	}
	var all []config.Listen
	for port := first; port <= last; port++ {
		text := w.text
		if isRange {
			text = strings.TrimSuffix(w.text, e.port) + strconv.Itoa(port)
		}
		all = append(all, config.Listen{Pos: w.pos, Text: text, Addr: netip.AddrPortFrom(addr, uint16(port)), FD: -1})
	}
	return all
}

// sourceAddress reads an address to connect from; its port may be left out.
func (a *args) sourceAddress(w word) netip.AddrPort {
	e := a.endpoint(w, w.text)
	if a.failed {
		return netip.AddrPort{}
	}
	if e.path != "" || e.fd >= 0 {
		a.bad(w, "is not an IP address")
		return netip.AddrPort{}
	}
	port := 0
	if strings.Contains(e.port, "-") {
		a.refuse(w, "not-supported", "a range of source ports is known to haproxy, but not supported yet",
			"leave the choice to the kernel")
	} else if e.port != "" {
		port = a.portNumber(w, e.port, 0)
	}
	return netip.AddrPortFrom(a.address(w, e), uint16(port))
}

// withPort is an address with another port.
func withPort(a netip.AddrPort, port int) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr(), uint16(port))
}
