package proxy

import "sync/atomic"

// counters are what one core counts for one frontend, backend or server. Only that core adds;
// anybody may read, and the runtime socket may clear.
type counters struct {
	connections, sessions, requests                    atomic.Int64
	bytesIn, bytesOut                                  atomic.Int64
	deniedRequests, deniedResponses, deniedConnections atomic.Int64

	failedRequests, failedConnections, failedResponses atomic.Int64
	retries, redispatches                              atomic.Int64
	clientAborts, serverAborts, intercepted            atomic.Int64
	selected, connects, reuses                         atomic.Int64
	codes                                              [6]atomic.Int64 // other, 1xx … 5xx
	logLines                                           atomic.Int64
	lastSession                                        atomic.Int64 // Unix time; 0: never
	queueTime, connectTime, responseTime, totalTime    average
	rate, connectionRate, requestRate                  rate
	_                                                  [64]byte // cores do not share a cache line
}

// rate counts events of the current and of the last second.
type rate struct {
	second        atomic.Int64
	current, last atomic.Int64
	max           atomic.Int64
}

func (r *rate) add(now int64) {
	if s := r.second.Load(); s != now {
		if s == now-1 {
			r.last.Store(r.current.Load())
		} else {
			r.last.Store(0)
		}
		r.current.Store(0)
		r.second.Store(now)
	}
	if n := r.current.Add(1); n > r.max.Load() {
		r.max.Store(n)
	}
}

// at is the rate in the second before now, or in the current one if that is higher already.
func (r *rate) at(now int64) int64 {
	switch s := r.second.Load(); s {
	case now:
		return max(r.last.Load(), r.current.Load())
	case now - 1:
		return r.current.Load()
	}
	return 0
}

// averageOver is over how many last requests times are averaged, as the reference does (qtime, ctime, rtime, ttime).
const averageOver = 1024

// average is a sliding mean: the sum moves by a 1/1024th of the difference each time.
type average struct {
	sum atomic.Int64 // over as many values as there were, 1024 at most
	n   atomic.Int64
	max atomic.Int64
}

func (a *average) add(ms int64) {
	if ms < 0 {
		return
	}
	n, sum := a.n.Load(), a.sum.Load()
	if n < averageOver {
		a.n.Store(n + 1)
	} else {
		sum -= (sum + averageOver - 1) / averageOver
	}
	a.sum.Store(sum + ms)
	if ms > a.max.Load() {
		a.max.Store(ms)
	}
}

// raise lifts a maximum.
func raise(m *atomic.Int64, v int64) {
	for {
		old := m.Load()
		if v <= old || m.CompareAndSwap(old, v) {
			return
		}
	}
}

func raiseInt(m *atomic.Int64, v int64) { raise(m, v) }

// thisSecond is how many events the current second has seen.
func (r *rate) thisSecond(now int64) int64 {
	if r.second.Load() == now {
		return r.current.Load()
	}
	return 0
}

// event is something counted for frontend and backend alike.
type event uint8

const (
	requests event = iota
	deniedRequests
	deniedResponses
	failedRequests
	failedConnections
	failedResponses
	clientAborts
	serverAborts
	intercepted
)

func (c *counters) event(e event) *atomic.Int64 {
	switch e {
	case requests:
		return &c.requests
	case deniedRequests:
		return &c.deniedRequests
	case deniedResponses:
		return &c.deniedResponses
	case failedRequests:
		return &c.failedRequests
	case failedConnections:
		return &c.failedConnections
	case failedResponses:
		return &c.failedResponses
	case clientAborts:
		return &c.clientAborts
	case serverAborts:
		return &c.serverAborts
	}
	return &c.intercepted
}

func (s *stream) front() *counters { return &s.fe.front[s.core.id] }

// linesLogged is how many log lines a frontend has written (%lc).
func (p *proxy) linesLogged() uint32 {
	n := int64(0)
	for i := range p.front {
		n += p.front[i].logLines.Load()
	}
	return uint32(n)
}

func (s *stream) back() *counters { return &s.be.back[s.core.id] }

// count counts an event where the reference does: requests and what is wrong with them at the frontend, connections
// that fail at the backend, denials and aborts at both.
func (s *stream) count(e event) {
	switch e {
	case requests, failedRequests, intercepted:
		s.front().event(e).Add(1)
	case failedConnections, failedResponses:
		s.back().event(e).Add(1)
	case deniedRequests:
		s.front().event(e).Add(1)
		if s.be != s.fe && s.counted {
			s.back().event(e).Add(1)
		}
	default:
		s.front().event(e).Add(1)
		if s.counted {
			s.back().event(e).Add(1)
		}
	}
}

// countServer counts at the server and the backend.
func (s *stream) countServer(e event) {
	s.back().event(e).Add(1)
	if s.srv != nil {
		s.srv.shards[s.core.id].event(e).Add(1)
	}
}

func (s *stream) countClientAbort() {
	s.front().clientAborts.Add(1)
	if s.counted {
		s.back().clientAborts.Add(1)
	}
	if s.srv != nil {
		s.srv.shards[s.core.id].clientAborts.Add(1)
	}
}

func (s *stream) countServerAbort() {
	s.back().serverAborts.Add(1)
	if s.srv != nil {
		s.srv.shards[s.core.id].serverAborts.Add(1)
	}
}

// countStatus counts a response by its class.
func (s *stream) countStatus(status int) {
	class := status / 100
	if class < 1 || class > 5 {
		class = 0
	}
	s.front().codes[class].Add(1)
	if s.counted {
		s.back().codes[class].Add(1)
	}
	if s.srv != nil && s.gotHead {
		s.srv.shards[s.core.id].codes[class].Add(1)
	}
}
