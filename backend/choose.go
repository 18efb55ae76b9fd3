package backend

import (
	"net/netip"
	"sync/atomic"

	"github.com/evenkeel/evenkeel/balance"
	"github.com/evenkeel/evenkeel/config"
)

// chooser is a backend's choice of servers: the table all threads use, replaced whenever a
// state or a weight changes.
type chooser struct {
	params balance.Params
	table  atomic.Pointer[balance.Table]
}

func (c *chooser) init(b *Backend) {
	cfg, h := &b.Config.Balance, &b.Config.HashType
	c.params = balance.Params{Algorithm: balance.Algorithm(cfg.Algorithm), Consistent: h.Consistent,
		Function:  balance.HashFunction(h.Function),
		Avalanche: h.Avalanche, Draws: cfg.Draws, AllBackups: b.Config.Options.AllBackups,
		Seed: uint64(b.group.started.UnixNano())}
}

// rebuild makes the next table from the servers' states. states is held.
func (c *chooser) rebuild(b *Backend) {
	servers := make([]balance.Server, len(b.Servers))
	for i, srv := range b.Servers {
		servers[i] = balance.Server{ID: srv.Config.ID, Weight: srv.weight, Warm: srv.health.Warm(),
			Usable: srv.ready.Load(), Backup: srv.Config.Backup}
	}
	c.table.Store(balance.New(c.params, servers, c.table.Load()))
}

// hashes says whether a request's key decides.
func (c *chooser) hashes() bool { return c.params.Algorithm >= balance.SourceHash }

// dynamic says whether weights may change while running.
func (c *chooser) dynamic() bool {
	return c.params.Algorithm != balance.StaticRR && (!c.hashes() || c.params.Consistent)
}

// loads is a backend as the table of the choice sees it.
type loads Backend

// Load implements balance.Loads.
func (l *loads) Load(i int) int {
	srv := l.Servers[i]
	return int(srv.served.Load() + srv.queuedNow.Load())
}

// Full implements balance.Loads.
func (l *loads) Full(i int) bool {
	srv := l.Servers[i]
	return srv.full() || srv.queuedNow.Load() > 0
}

// pick chooses a server and takes a slot on it. Without a slot, srv is whose queue to wait in, nil
// for the backend's.
func (b *Backend) pick(key Key, failed *Server) (srv *Server, slot bool) {
	avoid := balance.None
	if failed != nil {
		avoid = failed.index
	}
	for range len(b.Servers) + 1 {
		i := b.chooser.table.Load().Pick(key.hash, key.there, avoid, (*loads)(b))
		if i == balance.None {
			return nil, false
		}
		srv := b.Servers[i]
		if srv.takeSlot() {
			return srv, true
		}
		if key.there && b.chooser.hashes() {
			return srv, false
		}
	}
	return nil, false
}

// Key is what a hashing algorithm makes of a request; the zero value: it had nothing to hash.
type Key struct {
	hash  uint32
	there bool
}

func (b *Backend) keyOf(part []byte, ok bool) Key {
	if !ok {
		return Key{}
	}
	return Key{b.chooser.params.HashBytes(part), true}
}

// KeyOfAddr is `balance source`.
func (b *Backend) KeyOfAddr(a netip.AddrPort) Key {
	if !a.IsValid() {
		return Key{}
	}
	return Key{b.chooser.params.HashAddr(a.Addr()), true}
}

// KeyOfURI is `balance uri`.
func (b *Backend) KeyOfURI(uri []byte) Key {
	cfg := &b.Config.Balance
	return b.keyOf(balance.URIPart(uri, cfg.Len, cfg.Depth, cfg.Whole, cfg.PathOnly), true)
}

// KeyOfParam is `balance url_param`, with check_post also of a form in the body.
func (b *Backend) KeyOfParam(uri, body []byte) Key {
	v, ok := balance.ParamValue(uri, b.Config.Balance.Name)
	if !ok && b.Config.Balance.CheckPost {
		v, ok = balance.BodyParam(body, b.Config.Balance.Name)
	}
	return b.keyOf(v, ok)
}

// KeyOfHeader is `balance hdr`.
func (b *Backend) KeyOfHeader(value []byte) Key {
	v, ok := balance.FirstElement(value)
	if ok && b.Config.Balance.DomainOnly {
		v = balance.DomainPart(v)
	}
	return b.keyOf(v, ok)
}

// KeyOfValue is `balance hash`.
func (b *Backend) KeyOfValue(value []byte) Key { return b.keyOf(value, true) }

var _ balance.Loads = (*loads)(nil)
var _ = [1]struct{}{}[config.RDPCookie-config.Algorithm(balance.RDPCookie)] // the same order
