package counter

import "sync/atomic"

// Set is what one core counts for one frontend, backend or server. Only that core adds;
// anybody may read, and the runtime socket may clear.
type Set struct {
	Connections, Sessions, Requests                    atomic.Int64
	BytesIn, BytesOut                                  atomic.Int64
	DeniedRequests, DeniedResponses, DeniedConnections atomic.Int64

	FailedRequests, FailedConnections, FailedResponses atomic.Int64
	Retries, Redispatches                              atomic.Int64
	ClientAborts, ServerAborts, Intercepted            atomic.Int64
	Selected, Connects, Reuses                         atomic.Int64
	Codes                                              [6]atomic.Int64 // other, 1xx … 5xx
	LogLines                                           atomic.Int64
	LastSession                                        atomic.Int64 // Unix time; 0: never
	QueueTime, ConnectTime, ResponseTime, TotalTime    Mean
	Rate, ConnectionRate, RequestRate                  Rate
	_                                                  [64]byte // cores do not share a cache line
}

// Rate counts events of the current and of the last second.
type Rate struct {
	second        atomic.Int64
	current, last atomic.Int64
	max           atomic.Int64
}

// Add counts an event of the second now.
func (r *Rate) Add(now int64) {
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

// At is the rate in the second before now, or in the current one if that is higher already.
func (r *Rate) At(now int64) int64 {
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

// Mean is a sliding mean: from the 1024th value on, each new one takes the place of a 1024th of the sum.
type Mean struct {
	sum atomic.Int64 // over as many values as there were, 1024 at most
	n   atomic.Int64
	max atomic.Int64
}

// Add counts a time in milliseconds; one below 0 is not known, and does not count.
func (a *Mean) Add(ms int64) {
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

// Raise lifts a maximum to v, if it is below.
func Raise(m *atomic.Int64, v int64) {
	for {
		old := m.Load()
		if v <= old || m.CompareAndSwap(old, v) {
			return
		}
	}
}

// ThisSecond is how many events the current second has seen.
func (r *Rate) ThisSecond(now int64) int64 {
	if r.second.Load() == now {
		return r.current.Load()
	}
	return 0
}

// Event is something counted for frontend and backend alike.
type Event uint8

// Events.
const (
	Requests Event = iota
	DeniedRequests
	DeniedResponses
	FailedRequests
	FailedConnections
	FailedResponses
	ClientAborts
	ServerAborts
	Intercepted
)

// Of is the counter of an event.
func (c *Set) Of(e Event) *atomic.Int64 {
	switch e {
	case Requests:
		return &c.Requests
	case DeniedRequests:
		return &c.DeniedRequests
	case DeniedResponses:
		return &c.DeniedResponses
	case FailedRequests:
		return &c.FailedRequests
	case FailedConnections:
		return &c.FailedConnections
	case FailedResponses:
		return &c.FailedResponses
	case ClientAborts:
		return &c.ClientAborts
	case ServerAborts:
		return &c.ServerAborts
	}
	return &c.Intercepted
}
