package proxy

import (
	"fmt"

	"github.com/evenkeel/evenkeel/linux/sock"
)

// A worker has so many descriptors. Each client connection may need two, its own and one to a server (MaxConn), pipes
// have theirs (MaxPipes), and checks, logs and the runtime sockets have what daemon keeps for them. Connections to
// servers that are idle are the one thing that can be closed at any time: they never take what others need.

// crowded says that there are as many connections to servers as there may be clients.
func (e *Engine) crowded() bool { return e.upstreams.Load() >= int64(e.opts.MaxConn) }

// makeRoom closes an idle connection for a new one: of this core, or of another one, a moment later.
func (c *core) makeRoom() {
	if c.pool.Shed() {
		return
	}
	for _, other := range c.engine.cores {
		if other != c && other.pool.Len() > 0 {
			other.loop.Post(func() { other.pool.Shed() })
			return
		}
	}
}

// shortage logs once per cause that this machine, not the server, is why there is no connection.
func (e *Engine) shortage(p *proxy, errno sock.Errno) {
	if _, known := e.complaint.LoadOrStore([2]any{"connect", errno}, true); !known {
		e.opts.Log(severityAlert, p.cfg,
			fmt.Sprintf("Proxy %s cannot open a connection to a server: %v (logged once)", p.cfg.Name, errno))
	}
}
