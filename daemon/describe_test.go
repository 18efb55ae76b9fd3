package daemon

import (
	"testing"

	"github.com/evenkeel/evenkeel/config"
)

// TestDescribe: one is told as one.
func TestDescribe(t *testing.T) {
	one := config.Proxying{Proxies: make([]*config.Proxy, 1)}
	lvs := config.LVS{Servers: make([]*config.VirtualServer, 1)}
	two := config.Proxying{Proxies: make([]*config.Proxy, 2)}
	for want, site := range map[string]config.Site{
		"0 instances": {},
		"1 instance":  {Instances: make([]*config.Instance, 1)},
		"2 instances, 1 virtual server, 2 proxies": {Instances: make([]*config.Instance, 2), LVS: &lvs, Proxying: &two},
		"1 proxy": {Proxying: &one},
	} {
		if got := describe(&site); got != want {
			t.Errorf("a site is described as %q, want %q", got, want)
		}
	}
}
