package keepalived

import (
	"fmt"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/config"
)

// TestSharedAddresses: what two instances can hold apart loads, what they cannot is an error, and what keepalived
// takes passes a strict check all the same.
func TestSharedAddresses(t *testing.T) {
	two := func(first, second string) string {
		one := func(name, id, text string) string {
			iface, addresses, _ := strings.Cut(text, ": ")
			extra := ""
			if addr, peer, ok := strings.Cut(addresses, " peer "); ok {
				addresses, extra, id = addr, "unicast_peer {\n"+peer+"\n}\n", "7"
			}
			return fmt.Sprintf("vrrp_instance %s {\ninterface %s\nvirtual_router_id %s\nversion "+
				"3\n%svirtual_ipaddress {\n%s\n}\n}\n",
				name, iface, id, extra, strings.ReplaceAll(addresses, ", ", "\n"))
		}
		text := one("V", "7", first)
		if second != "" {
			text += one("W", "8", second)
		}
		return text
	}
	for _, c := range []struct{ first, second, says string }{
		{"eth0: fe80::1", "eth1: fe80::1", ""},
		{"eth0: fe80::1", "eth0: fe80::1", "belongs to vrrp_instance \"V\" too"},
		{"eth0: fe80::1", "eth1: fe80::2, fe80::1 dev eth0", "belongs to vrrp_instance \"V\" too"},
		{"eth0: 10.9.0.100", "eth0: 10.9.0.100", "belongs to vrrp_instance \"V\" too"},
		{"eth0: 10.9.0.100", "eth1: 10.9.0.100", "belongs to vrrp_instance \"V\" too"},
		{"eth0: 2001:db8::1", "eth1: 2001:db8::1", "belongs to vrrp_instance \"V\" too"},
		{"eth0: fe80::1, fe80::1 dev eth1", "", ""},
		{"eth0: 10.9.0.100, 10.9.0.100 dev eth1", "", ""},
		{"eth0: 10.9.0.100, 10.9.0.100 dev eth0", "", "is given again and left out"},
		{"eth0: 10.9.0.100 peer 10.9.0.2", "eth1: 10.9.0.101 peer 10.8.0.2",
			"is used over unicast by vrrp_instance \"V\" too"},
		{"eth0: 10.9.0.100 peer 10.9.0.2", "eth0: 10.9.0.101 peer 10.9.0.3",
			"is used over unicast by vrrp_instance \"V\" too"},
	} {
		text := two(c.first, c.second)
		site, diags := Parse("f", []byte(text), Options{})
		var said []string
		for _, d := range diags {
			if d.Code != "link-local" {
				said = append(said, d.String())
			}
		}
		all := strings.Join(said, "\n")
		if c.says == "" && (site == nil || all != "") || !strings.Contains(all, c.says) {
			t.Errorf("%s | %s: %s", c.first, c.second, all)
		}
		if refused := strings.HasSuffix(c.says, "too"); refused != (site == nil) {
			t.Errorf("%s | %s: it loads: %v", c.first, c.second, site != nil)
		}
		if _, diags := Parse("f", []byte(text), Options{Strict: true}); config.HasErrors(diags) {
			t.Errorf("%s | %s: a strict check refuses it: %v", c.first, c.second, diags)
		}
	}
	site, _ := Parse("f", []byte(two("eth0: fe80::1, fe80::1 dev eth1", "")), Options{})
	if n := len(site.Instances[0].Addresses); n != 2 {
		t.Errorf("one link-local address on two interfaces: %d addresses", n)
	}
}
