package counter

import "sync/atomic"

// Sums are counters added up over the cores.
type Sums struct {
	Connections, Sessions, Requests, BytesIn, BytesOut int64
	DeniedRequests, DeniedResponses, DeniedConnections int64
	FailedRequests, FailedConnections, FailedResponses int64
	Retries, Redispatches, ClientAborts, ServerAborts  int64
	Intercepted, Selected, Connects, Reuses            int64
	Codes                                              [6]int64
	LastSession                                        int64
	Rate, RateMax, ConnectionRate, ConnectionRateMax   int64
	RequestRate, RequestRateMax                        int64
	Times, TimesMax                                    [4]int64
}

// Total adds up the sets of all cores.
func Total(shards []Set, now int64) (t Sums) {
	var weighed, count [4]int64
	for i := range shards {
		c := &shards[i]
		for _, pair := range [...]struct {
			to   *int64
			from *atomic.Int64
		}{{&t.Connections, &c.Connections}, {&t.Sessions, &c.Sessions}, {&t.Requests, &c.Requests},
			{&t.BytesIn, &c.BytesIn}, {&t.BytesOut, &c.BytesOut},
			{&t.DeniedRequests, &c.DeniedRequests}, {&t.DeniedResponses, &c.DeniedResponses},
			{&t.DeniedConnections, &c.DeniedConnections},
			{&t.FailedRequests, &c.FailedRequests}, {&t.FailedConnections, &c.FailedConnections},
			{&t.FailedResponses, &c.FailedResponses},
			{&t.Retries, &c.Retries}, {&t.Redispatches, &c.Redispatches}, {&t.ClientAborts, &c.ClientAborts},
			{&t.ServerAborts, &c.ServerAborts},
			{&t.Intercepted, &c.Intercepted}, {&t.Selected, &c.Selected}, {&t.Connects, &c.Connects},
			{&t.Reuses, &c.Reuses}} {
			*pair.to += pair.from.Load()
		}
		for k := range t.Codes {
			t.Codes[k] += c.Codes[k].Load()
		}
		t.LastSession = max(t.LastSession, c.LastSession.Load())
		t.Rate += c.Rate.At(now)
		t.RateMax += c.Rate.max.Load()
		t.ConnectionRate += c.ConnectionRate.At(now)
		t.ConnectionRateMax += c.ConnectionRate.max.Load()
		t.RequestRate += c.RequestRate.At(now)
		t.RequestRateMax += c.RequestRate.max.Load()
		for k, a := range [4]*Mean{&c.QueueTime, &c.ConnectTime, &c.ResponseTime, &c.TotalTime} {
			weighed[k] += a.sum.Load()
			count[k] += a.n.Load()
			t.TimesMax[k] = max(t.TimesMax[k], a.max.Load())
		}
	}
	for k := range t.Times {
		if count[k] > 0 {
			t.Times[k] = (weighed[k] + count[k]/2) / count[k]
		}
	}
	return t
}

// Clear forgets maxima, and with all also what was counted.
func (c *Set) Clear(all bool) {
	for _, r := range [...]*Rate{&c.Rate, &c.ConnectionRate, &c.RequestRate} {
		r.max.Store(0)
	}
	for _, a := range [...]*Mean{&c.QueueTime, &c.ConnectTime, &c.ResponseTime, &c.TotalTime} {
		a.max.Store(0)
		if all {
			a.sum.Store(0)
			a.n.Store(0)
		}
	}
	if !all {
		return
	}
	for _, v := range [...]*atomic.Int64{&c.Connections, &c.Sessions, &c.Requests, &c.BytesIn, &c.BytesOut,
		&c.DeniedRequests, &c.DeniedResponses,
		&c.DeniedConnections, &c.FailedRequests, &c.FailedConnections, &c.FailedResponses, &c.Retries, &c.Redispatches,
		&c.ClientAborts,
		&c.ServerAborts, &c.Intercepted, &c.Selected, &c.Connects, &c.Reuses} {
		v.Store(0)
	}
	for i := range c.Codes {
		c.Codes[i].Store(0)
	}
}
