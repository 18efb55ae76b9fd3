package proxy

import (
	"net/netip"
	"sync/atomic"
	"time"
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

func (c *chooser) init(p *proxy) error           { c.p = p; return nil }
func (c *chooser) rebuild(p *proxy, _ time.Time) {}
func (c *chooser) dynamic() bool                 { return true }

type logBatch struct{}

func newLogBatch(*Engine) *logBatch           { return &logBatch{} }
func (*logBatch) flush()                      {}
func (*logBatch) traffic(*proxy, int, []byte) {}
func (*logBatch) dropped() int64              { return 0 }

func (srv *server) observe(bool)                      {}
func (srv *server) forceHealth(ForcedHealth)          {}
func (srv *server) effectiveWeight(now time.Time) int { return srv.state.weight }
func (srv *server) throttle(now time.Time) int        { return -1 }
