package backend

import (
	"sync/atomic"
	"time"

	"github.com/evenkeel/evenkeel/linux/sock"
)

// ConnKey tells apart connections that are not interchangeable: only where the keys are equal may one carry what the
// other was made for. What is private to a client is never in a pool.
type ConnKey struct {
	Server *Server
	Target *sock.Target // where the server was when the connection was made
	Port   uint16       // after mapping (server ADDRESS:+N); 0: the target's own
}

// Idle is what a pool knows of a connection; whose type it is embeds it.
type Idle struct {
	Key   ConnKey
	Since time.Duration // idle since
	index int
}

// Pooled is a connection that a pool can keep.
type Pooled interface {
	comparable
	idle() *Idle
	// Discard closes the connection, which is in no pool any more.
	Discard()
}

func (i *Idle) idle() *Idle { return i }

// Pool keeps idle connections to the servers of a group for one thread.
type Pool[C Pooled] struct {
	lists [][]C // by server
	count atomic.Int64
}

// NewPool returns the pool of a thread.
func NewPool[C Pooled](g *Group) *Pool[C] { return &Pool[C]{lists: make([][]C, len(g.Servers))} }

// Len is how many connections are kept. It may be called from any goroutine.
func (p *Pool[C]) Len() int64 { return p.count.Load() }

// Put keeps a connection, of which Key and Since are set, unless its server keeps enough; false: it is not kept.
func (p *Pool[C]) Put(c C) bool {
	i := c.idle()
	srv := i.Key.Server
	if most := srv.Config.PoolMax; most >= 0 && srv.idle.Load() >= int64(most) || !srv.Usable() ||
		srv.Config.PoolPurgeDelay == 0 {
		return false
	}
	list := p.lists[srv.number]
	i.index = len(list)
	p.lists[srv.number] = append(list, c)
	srv.idle.Add(1)
	p.count.Add(1)
	return true
}

// Take gives the connection with that key used last. Those to an address that the server has no more are closed.
func (p *Pool[C]) Take(key ConnKey) (c C, ok bool) {
	list := p.lists[key.Server.number]
	for n := len(list) - 1; n >= 0; n-- {
		c := list[n]
		switch i := c.idle(); {
		case i.Key == key:
			p.Remove(c)
			return c, true
		case i.Key.Target != key.Target:
			p.close(c)
		}
	}
	return c, false
}

// Remove takes a connection out.
func (p *Pool[C]) Remove(c C) {
	i := c.idle()
	srv := i.Key.Server
	list := p.lists[srv.number]
	last := len(list) - 1
	list[i.index] = list[last]
	list[i.index].idle().index = i.index
	var none C
	list[last] = none
	p.lists[srv.number] = list[:last]
	srv.idle.Add(-1)
	p.count.Add(-1)
}

func (p *Pool[C]) close(c C) {
	p.Remove(c)
	c.Discard()
}

// Expire closes connections that have been idle for their server's pool-purge-delay.
func (p *Pool[C]) Expire(now time.Duration) {
	for _, list := range p.lists {
		for n := len(list) - 1; n >= 0; n-- {
			if i := list[n].idle(); now-i.Since >= i.Key.Server.Config.PoolPurgeDelay {
				p.close(list[n])
			}
		}
	}
}

// Shed closes one connection, if there is any.
func (p *Pool[C]) Shed() bool {
	if p.count.Load() == 0 {
		return false
	}
	for _, list := range p.lists {
		if len(list) > 0 {
			p.close(list[0])
			return true
		}
	}
	return false
}

// Drop closes the connections of a server.
func (p *Pool[C]) Drop(srv *Server) {
	for len(p.lists[srv.number]) > 0 {
		p.close(p.lists[srv.number][0])
	}
}
