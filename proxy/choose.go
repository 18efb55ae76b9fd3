package proxy

import (
	"net/netip"
	"sync/atomic"
)

// temporary until package balance is there
type chooser struct {
	p    *proxy
	turn atomic.Uint32
}

func (c *chooser) choose(key uint32, keyed bool) int {
	n := len(c.p.servers)
	for range n {
		i := int(c.turn.Add(1)-1) % n
		if c.p.servers[i].ready.Load() && !c.p.servers[i].full() {
			return i
		}
	}
	return -1
}
func (c *chooser) hashes() bool { return false }

type hasher struct{}

func (hasher) Addr(netip.Addr) uint32                   { return 0 }
func (hasher) URI([]byte) (uint32, bool)                { return 0, false }
func (hasher) URLParam(uri, body []byte) (uint32, bool) { return 0, false }
func (hasher) Header([]byte) uint32                     { return 0 }
func (hasher) Bytes([]byte) uint32                      { return 0 }

type serverState struct{}

func (p *proxy) prepare() error {
	p.chooser.p = p
	for _, s := range p.servers {
		s.up.Store(true)
		s.ready.Store(true)
		p.usableCount.Add(1)
	}
	return nil
}
func (srv *server) weight() int  { return srv.cfg.Weight }
func (srv *server) observe(bool) {}

type logBatch struct{}

func newLogBatch(*Engine) *logBatch           { return &logBatch{} }
func (*logBatch) flush()                      {}
func (*logBatch) traffic(*proxy, int, []byte) {}
