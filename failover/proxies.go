package failover

import (
	"fmt"
	"maps"

	"github.com/evenkeel/evenkeel/vrrp"
)

// proxies is what the proxy's worker last reported (track_proxy). What runs the
// worker reports it; this package does not know how.
type proxies struct {
	told    bool
	alive   bool
	servers map[string]int // proxies: servers that can be used; -1: it needs none
}

func (p *proxies) unknown() bool { return !p.told }

// usable judges one tracked proxy; an empty name is the worker itself.
func (p *proxies) usable(name string) (ok bool, why string) {
	if !p.alive {
		return false, "the proxy's worker is not there"
	}
	if name == "" {
		return true, ""
	}
	n, known := p.servers[name]
	switch {
	case !known:
		return false, fmt.Sprintf("there is no proxy %s", name)
	case n == 0:
		return false, fmt.Sprintf("proxy %s has no usable server", name)
	}
	return true, ""
}

// SetProxies tells the state of the node's proxy: whether its worker is alive, and how many
// usable servers each proxy has, -1 for one that needs none. It may be called from any goroutine; the map
// is the engine's from then on.
func (e *Engine) SetProxies(servers map[string]int, alive bool) error {
	return e.post(func(vrrp.Time) {
		r := e.router
		if r.proxies.told && r.proxies.alive == alive && maps.Equal(r.proxies.servers, servers) {
			return
		}
		if r.proxies.told && r.proxies.alive != alive {
			r.logf(LevelNotice, "Proxy worker is %s", map[bool]string{true: "alive", false: "gone"}[alive])
		}
		r.proxies = proxies{told: true, alive: alive, servers: servers}
		r.refreshAll()
	})
}
