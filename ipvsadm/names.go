package ipvsadm

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/evenkeel/evenkeel/lvs/table"
)

// Names are the names of hosts and services on this machine.
type Names interface {
	Host(netip.Addr) string                             // empty: it has none
	Service(port uint16, p table.Protocol) string       // empty: it has none
	LookupHost(name string, v6 bool) (netip.Addr, bool) // an address of that family
	LookupService(name string, p table.Protocol) (uint16, bool)
}

// endpoint is an argument HOST[:PORT].
type endpoint struct {
	addr    netip.Addr
	port    uint16
	hasPort bool
}

// parseEndpoint reads HOST[:PORT]: an IPv6 address by itself, one or a name of one in brackets with
// a port, an IPv4 address in any form inet_aton knows, or a name of one.
func parseEndpoint(s string, p table.Protocol, names Names) (e endpoint, ok bool) {
	if in, found := strings.CutPrefix(s, "["); found {
		host, port, found := strings.Cut(in, "]:")
		if !found {
			return e, false
		}
		if e.addr, ok = parseIPv6(host); !ok {
			if e.addr, ok = names.LookupHost(host, true); !ok {
				return e, false
			}
		}
		e.hasPort = true
		e.port, ok = parsePort(port, p, names)
		return e, ok
	}
	if e.addr, ok = parseIPv6(s); ok {
		return e, true
	}
	host, port := s, ""
	if i := strings.LastIndexByte(s, ':'); i >= 0 {
		host, port, e.hasPort = s[:i], s[i+1:], true
	}
	if host == "" {
		return e, false
	}
	if e.addr, ok = parseIPv4(host); !ok {
		if e.addr, ok = names.LookupHost(host, false); !ok {
			return e, false
		}
	}
	if e.hasPort {
		e.port, ok = parsePort(port, p, names)
	}
	return e, ok
}

func parsePort(s string, p table.Protocol, names Names) (uint16, bool) {
	if n, ok := number(s, 0, 65535); ok {
		return uint16(n), true
	}
	return names.LookupService(s, p)
}

func parseIPv6(s string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(s)
	return a, err == nil && a.Is6() && a.Zone() == ""
}

// parseIPv4 reads what inet_aton(3) does: one to four numbers, of which the last fills up the
// rest; decimal, octal after 0, or hexadecimal after 0x.
func parseIPv4(s string) (netip.Addr, bool) {
	parts := strings.Split(s, ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var v uint64
	for i, p := range parts {
		if p == "" || strings.ContainsAny(p, "_+-oObB") && !strings.HasPrefix(p, "0x") && !strings.HasPrefix(p, "0X") {
			return netip.Addr{}, false
		}
		n, err := strconv.ParseUint(p, 0, 32)
		bits := 8
		if i == len(parts)-1 {
			bits = 8 * (5 - len(parts))
		}
		if err != nil || n >= 1<<bits {
			return netip.Addr{}, false
		}
		v = v<<bits | n
	}
	return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}), true
}

// number reads a decimal number from lo to hi; blanks may stand before it.
func number(s string, lo, hi int64) (int64, bool) {
	s = strings.TrimLeft(s, " \t\n\v\f\r")
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n >= lo && n <= hi
}

// text is an address and port as listings show them.
func (l *listing) text(a netip.AddrPort, p table.Protocol) string {
	host, port := "", ""
	if !l.numeric {
		host = l.names.Host(a.Addr())
		port = l.names.Service(a.Port(), p)
	}
	if host == "" {
		host = hostText(a.Addr())
	}
	if port == "" {
		port = strconv.Itoa(int(a.Port()))
	}
	if a.Addr().Is6() {
		return "[" + host + "]:" + port
	}
	return host + ":" + port
}

// hostText differs from netip's for what looks like an IPv4-compatible address (::192.0.2.1),
// which C libraries still write so.
func hostText(a netip.Addr) string {
	b := a.As16()
	if a.Is6() && [12]byte(b[:12]) == [12]byte{} && (b[12] != 0 || b[13] != 0) {
		return "::" + netip.AddrFrom4([4]byte(b[12:])).String()
	}
	return a.String()
}
