package daemon

import (
	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/failover"
	"github.com/evenkeel/evenkeel/linux/confine"
)

// Descriptors a worker needs besides those of connections and pipes, and the most connections it allows by
// itself: who allows a billion descriptors does not ask for a billion connections.
const (
	spareDescriptors   = 256 // logs, the director, reloads, clients of the statistics page
	leastSpare         = 64  // of them, where there are few
	threadDescriptors  = 4   // of each thread: its loop
	autoMaxConn        = 100_000
	clientsOfAdmin     = 10 // of the runtime sockets, unless stats maxconn says more
	connectionsPerPipe = 4  // as the reference has it (maxpipes)
)

// shares are how the descriptors of a worker, all, are divided, so that none takes another's.
type shares struct {
	conns, pipes int
	all          uint64
}

// reserved is what a worker keeps for everything but traffic: a probe of each server, the runtime sockets and their
// clients, the listening sockets, inherited and copied.
func reserved(p *config.Proxying, threads, listening int) int {
	n := threadDescriptors*threads + 2*listening + max(p.Global.StatsMaxConn, clientsOfAdmin)
	for _, x := range p.Proxies {
		n += len(x.Servers)
	}
	return n
}

// share divides have descriptors: two for each connection, and two for each pipe, of which there is one for every
// four connections where there are enough. maxConn is what the configuration says, 0: as many as fit.
func share(maxConn, reserved int, have uint64) shares {
	all := int(min(have, 1<<30))
	free := all - reserved - min(max(all/16, leastSpare), spareDescriptors)
	if maxConn == 0 {
		// what has no pipe is copied, who has no connection is not served
		maxConn = min(max(9*free/20, 16), autoMaxConn)
	}
	conns := min(maxConn, max(free/2, 16))
	return shares{conns: conns, pipes: max(min(conns/connectionsPerPipe, (free-2*conns)/2), 0), all: have}
}

// cost is how many descriptors a number of connections takes.
func cost(maxConn, reserved int) uint64 {
	return uint64(2*maxConn + 2*(maxConn/connectionsPerPipe) + reserved + spareDescriptors)
}

// descriptors sets the limit of open files as the configuration says, or needs, and divides them.
func (w *workerProcess) descriptors() shares {
	g := &w.cfg.Global
	listening := 0
	for _, fds := range w.order.Sockets {
		listening += len(fds)
	}
	keep := reserved(w.cfg, w.order.Threads, listening)
	want := cost(max(g.MaxConn, 0), keep)
	if g.MaxConn == 0 {
		want = cost(autoMaxConn, keep)
	}
	if g.DescriptorMax > 0 {
		want = max(uint64(g.DescriptorMax), cost(0, keep)) // without what it keeps for itself, a worker cannot work
	}
	have := confine.Files(want, g.DescriptorMax > 0)
	s := share(g.MaxConn, keep, have)
	if g.MaxConn > s.conns {
		w.log.logf(failover.LevelWarning, "maxconn %d needs %d descriptors and only %d are allowed: maxconn is %d now",
			g.MaxConn, want, have, s.conns)
	}
	return s
}
