package proxyproto

import (
	"net/netip"
	"testing"
)

// TestHeaders has the examples of the protocol's description, version 2 by its tables.
func TestHeaders(t *testing.T) {
	at := netip.MustParseAddrPort
	v4, w4 := at("192.0.2.1:56324"), at("203.0.113.9:443")
	v6, w6 := at("[2001:db8::1]:1"), at("[2001:db8::2]:65535")
	const sig = "\r\n\r\n\x00\r\nQUIT\n"
	for _, tt := range []struct {
		name, got, want string
	}{
		{"v1, IPv4", string(AppendV1(nil, v4, w4)), "PROXY TCP4 192.0.2.1 203.0.113.9 56324 443\r\n"},
		{"v1, IPv6", string(AppendV1(nil, v6, w6)), "PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n"},
		{"v1, two families", string(AppendV1(nil, v4, w6)), "PROXY UNKNOWN\r\n"},
		{"v1, none", string(AppendV1([]byte("x"), netip.AddrPort{}, w4)), "xPROXY UNKNOWN\r\n"},
		{"v2, IPv4", string(AppendV2(nil, v4, w4)),
			sig + "\x21\x11\x00\x0c\xc0\x00\x02\x01\xcb\x00\x71\x09\xdc\x04\x01\xbb"},
		{"v2, IPv6", string(AppendV2(nil, v6, w6)),
			sig + "\x21\x21\x00\x24\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" +
				"\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x01\xff\xff"},
		{"v2, none", string(AppendV2(nil, v4, netip.AddrPort{})), sig + "\x21\x00\x00\x00"},
		{"v2, local", string(AppendLocal(nil)), sig + "\x20\x00\x00\x00"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, tt.got, tt.want)
		}
	}
	b := make([]byte, 0, 128)
	if n := testing.AllocsPerRun(100, func() { AppendV1(b, v6, w6); AppendV2(b, v4, w4) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
