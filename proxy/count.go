package proxy

import "github.com/evenkeel/evenkeel/counter"

func (s *stream) front() *counter.Set { return &s.fe.front[s.core.id] }

// linesLogged is how many log lines a frontend has written (%lc).
func (p *proxy) linesLogged() uint32 {
	n := int64(0)
	for i := range p.front {
		n += p.front[i].LogLines.Load()
	}
	return uint32(n)
}

func (s *stream) back() *counter.Set { return &s.be.back.Counters[s.core.id] }

// count counts an event where the reference does: requests and what is wrong with them at the frontend, connections
// that fail at the backend, denials and aborts at both.
func (s *stream) count(e counter.Event) {
	switch e {
	case counter.Requests, counter.FailedRequests:
		s.front().Of(e).Add(1)
	case counter.Intercepted:
		if s.be == s.fe {
			s.front().Of(e).Add(1)
		}
	case counter.FailedConnections, counter.FailedResponses:
		s.back().Of(e).Add(1)
	case counter.DeniedRequests:
		s.front().Of(e).Add(1)
		if s.be != s.fe && s.counted {
			s.back().Of(e).Add(1)
		}
	default:
		s.front().Of(e).Add(1)
		if s.counted {
			s.back().Of(e).Add(1)
		}
	}
}

// countServer counts at the server and the backend.
func (s *stream) countServer(e counter.Event) {
	s.back().Of(e).Add(1)
	if s.srv != nil {
		s.srv.Counters[s.core.id].Of(e).Add(1)
	}
}

// countRequest counts a request that has come, even if it was none that could be understood.
func (s *stream) countRequest() {
	s.count(counter.Requests)
	s.front().RequestRate.Add(s.core.loop.Wall().Unix())
}

func (s *stream) countClientAbort() {
	s.front().ClientAborts.Add(1)
	if s.counted {
		s.back().ClientAborts.Add(1)
	}
	if s.srv != nil {
		s.srv.Counters[s.core.id].ClientAborts.Add(1)
	}
}

func (s *stream) countServerAbort() {
	s.back().ServerAborts.Add(1)
	if s.srv != nil {
		s.srv.Counters[s.core.id].ServerAborts.Add(1)
	}
}

// class is the class of a status; 0: of none.
func class(status int) int {
	if c := status / 100; c >= 1 && c <= 5 {
		return c
	}
	return 0
}

// countAnswer counts a request that the server has answered, whatever the client gets.
func (s *stream) countAnswer(status int) {
	n := &s.srv.Counters[s.core.id]
	n.Requests.Add(1)
	n.Codes[class(status)].Add(1)
}

// countStatus counts what the client gets by its class.
func (s *stream) countStatus(status int) {
	class := class(status)
	s.front().Codes[class].Add(1)
	if s.counted {
		s.back().Codes[class].Add(1)
	}
}
