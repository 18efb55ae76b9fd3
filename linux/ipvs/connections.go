package ipvs

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/lvs/table"
)

// connectionsPath lists all connections of the calling thread's network namespace. It is per
// thread: /proc/net would be the namespace of the process's first thread.
const connectionsPath = "/proc/thread-self/net/ip_vs_conn"

var protocols = map[string]table.Protocol{
	"TCP": table.TCP, "UDP": table.UDP, "SCTP": table.SCTP, "IP": 0, "ICMP": 1, "ICMPv6": 58, "AH": 51, "ESP": 50,
}

// readConnections parses the kernel's list: a heading, then one line for each.
func readConnections(r io.Reader, yield func(*table.Connection) bool) error {
	lines := bufio.NewScanner(r)
	for n := 0; lines.Scan(); n++ {
		if n == 0 {
			continue
		}
		var c table.Connection
		if err := parseConnection(lines.Text(), &c); err != nil {
			return fmt.Errorf("line %d: %w", n+1, err)
		}
		if !yield(&c) {
			return nil
		}
	}
	return lines.Err()
}

// parseConnection parses
//
//	Pro FromIP FPrt ToIP TPrt DestIP DPrt State Expires [PEName PEData]
//
// with IPv4 addresses as 8 hex digits, IPv6 with all their colons, ports in hex.
func parseConnection(line string, c *table.Connection) error {
	f := strings.Fields(line)
	if len(f) < 9 {
		return fmt.Errorf("%d fields instead of 9", len(f))
	}
	var ok bool
	if c.Protocol, ok = protocols[f[0]]; !ok {
		p, err := strconv.ParseUint(strings.TrimPrefix(f[0], "IP_"), 10, 8)
		if err != nil {
			return fmt.Errorf("unknown protocol %q", f[0])
		}
		c.Protocol = table.Protocol(p)
	}
	for i, to := range []*netip.AddrPort{&c.Client, &c.Virtual, &c.Destination} {
		a, err := parseAddr(f[1+2*i])
		if err != nil {
			return err
		}
		p, err := strconv.ParseUint(f[2+2*i], 16, 16)
		if err != nil {
			return fmt.Errorf("port %q: %w", f[2+2*i], err)
		}
		*to = netip.AddrPortFrom(a, uint16(p))
	}
	c.State = table.State(f[7])
	secs, err := strconv.ParseInt(f[8], 10, 64)
	if err != nil {
		return fmt.Errorf("expiry %q: %w", f[8], err)
	}
	c.Expires = time.Duration(secs) * time.Second
	if len(f) > 10 {
		c.PE, c.PEData = f[9], f[10]
	}
	return nil
}

func parseAddr(s string) (netip.Addr, error) {
	if strings.Contains(s, ":") {
		return netip.ParseAddr(strings.Trim(s, "[]"))
	}
	v, err := strconv.ParseUint(s, 16, 32)
	if err != nil || len(s) != 8 {
		return netip.Addr{}, fmt.Errorf("address %q", s)
	}
	return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}), nil
}
