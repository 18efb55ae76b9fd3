package proxy

import (
	"net/netip"
	"sync/atomic"

	"github.com/evenkeel/evenkeel/balance"
	"github.com/evenkeel/evenkeel/config"
)

// chooser is a backend's choice of servers: the table all loops use, replaced whenever a
// state or a weight changes.
type chooser struct {
	params balance.Params
	table  atomic.Pointer[balance.Table]
}

func (c *chooser) init(p *proxy) {
	b, h := &p.cfg.Balance, &p.cfg.HashType
	c.params = balance.Params{Algorithm: balance.Algorithm(b.Algorithm), Consistent: h.Consistent, Function: balance.HashFunction(h.Function),
		Avalanche: h.Avalanche, Draws: b.Draws, AllBackups: p.cfg.Options.AllBackups, Seed: uint64(p.engine.started.UnixNano())}
}

// rebuild makes the next table from the servers' states. states is held.
func (c *chooser) rebuild(p *proxy) {
	servers := make([]balance.Server, len(p.servers))
	for i, srv := range p.servers {
		servers[i] = balance.Server{ID: srv.cfg.ID, Weight: srv.weight, Warm: srv.health.Warm(), Usable: srv.ready.Load(), Backup: srv.cfg.Backup}
	}
	c.table.Store(balance.New(c.params, servers, c.table.Load()))
}

// hashes says whether a request's key decides.
func (c *chooser) hashes() bool { return c.params.Algorithm >= balance.SourceHash }

// dynamic says whether weights may change while running.
func (c *chooser) dynamic() bool {
	return c.params.Algorithm != balance.StaticRR && (!c.hashes() || c.params.Consistent)
}

// Load implements balance.Loads.
func (p *proxy) Load(i int) int {
	srv := p.servers[i]
	return int(srv.served.Load() + srv.queuedNow.Load())
}

// Full implements balance.Loads.
func (p *proxy) Full(i int) bool {
	srv := p.servers[i]
	return srv.full() || srv.queuedNow.Load() > 0
}

// pick chooses a server and takes a place on it. Without a place, srv is whose queue to wait in, nil
// for the backend's.
func (p *proxy) pick(key uint32, keyed bool, failed *server) (srv *server, slot bool) {
	avoid := balance.None
	if failed != nil {
		avoid = failed.index
	}
	for range len(p.servers) + 1 {
		i := p.chooser.table.Load().Pick(key, keyed, avoid, p)
		if i == balance.None {
			return nil, false
		}
		srv := p.servers[i]
		if srv.takeSlot() {
			return srv, true
		}
		if keyed && p.chooser.hashes() {
			return srv, false
		}
	}
	return nil, false
}

// keyOf gives what a hashing algorithm makes of a request; false: it has nothing to hash.
func (p *proxy) keyOf(part []byte, ok bool) (uint32, bool) {
	if !ok {
		return 0, false
	}
	return p.chooser.params.HashBytes(part), true
}

func (p *proxy) keyOfAddr(a netip.AddrPort) (uint32, bool) {
	if !a.IsValid() {
		return 0, false
	}
	return p.chooser.params.HashAddr(a.Addr()), true
}

// keyOfURI is `balance uri`.
func (p *proxy) keyOfURI(uri []byte) (uint32, bool) {
	b := &p.cfg.Balance
	return p.keyOf(balance.URIPart(uri, b.Len, b.Depth, b.Whole, b.PathOnly), true)
}

// keyOfParam is `balance url_param`, with check_post also of a form in the body.
func (p *proxy) keyOfParam(uri, body []byte) (uint32, bool) {
	v, ok := balance.ParamValue(uri, p.cfg.Balance.Name)
	if !ok && p.cfg.Balance.CheckPost {
		v, ok = balance.BodyParam(body, p.cfg.Balance.Name)
	}
	return p.keyOf(v, ok)
}

// keyOfHeader is `balance hdr`.
func (p *proxy) keyOfHeader(value []byte) (uint32, bool) {
	v, ok := balance.FirstElement(value)
	if ok && p.cfg.Balance.DomainOnly {
		v = balance.DomainPart(v)
	}
	return p.keyOf(v, ok)
}

var _ balance.Loads = (*proxy)(nil)
var _ = [1]struct{}{}[config.RDPCookie-config.Algorithm(balance.RDPCookie)] // the same order
