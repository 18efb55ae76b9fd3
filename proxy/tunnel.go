package proxy

import (
	"time"
)

// startTCP begins a stream of a tcp frontend: rules, backend, server.
func (s *stream) startTCP() bool {
	s.number = 1
	s.takeSerial()
	s.began, s.begunWall, s.headAt = s.born, s.accepted, s.born
	for range s.fe.cfg.Captures.Request {
		s.captured = append(s.captured, span{})
	}
	return s.process()
}

// tunnel moves bytes both ways until both sides have ended, or one is broken.
func (s *stream) tunnel() bool {
	u, e := s.up, &s.client
	if !s.carry(e, &u.endpoint, &s.upward, &s.toServer) || !s.carry(&u.endpoint, e, &s.down, &s.toClient) {
		s.endTunnel()
		return false
	}
	if e.finSent && u.finSent && e.unsent() == 0 && u.unsent() == 0 {
		s.releaseServer(false)
		s.closeAll()
	}
	return false
}

// carry moves one direction on; false: it is broken.
func (s *stream) carry(from, to *endpoint, p *pipe2, count *int64) bool {
	c := s.core
	for moves := 0; ; moves++ {
		if moves >= stretch {
			c.loop.Again(s)
			return true
		}
		if to.unsent() > 0 && !c.flush(to) || to.unwritable != 0 {
			return to.finSent
		}
		if p.inside > 0 && !c.drainPipe(to, p) || to.unsent() > 0 {
			return to.unwritable == 0
		}
		if to.finSent {
			return true
		}
		if p.bulk >= bigReads {
			n := c.spliceBulk(from, to, p)
			if n > 0 {
				s.moved(from, n, count)
				moves += n / moveSize
				continue
			}
			if n < 0 {
				return true
			}
		}
		data := c.read(from)
		if len(data) == 0 {
			if from.broken != 0 {
				return false
			}
			if from.eof {
				if s.cutsServer(from) {
					return false
				}
				closeWrite(to)
				s.scheduled = phaseDrain // a half that has closed has limits of its own
			}
			return true
		}
		if len(data) >= len(c.receiveBuffer)/2 {
			p.bulk++ // big reads in a row: bulk
		} else {
			p.bulk = 0
		}
		ok := c.send(to, data, nil)
		s.moved(from, len(data), count)
		c.keep(from, nil)
		if !ok {
			return false
		}
	}
}

// cutsServer says whether the end of a client's half ends the server's connection at once: with option nolinger, where
// the client has got all there was for it.
func (s *stream) cutsServer(ended *endpoint) bool {
	return ended == &s.client && s.be.cfg.Options.NoLinger && ended.unsent() == 0 && s.down.inside == 0
}

// bigReads is after how many big reads in a row a direction is carried by splice.
const bigReads = 2

// spliceBulk moves a bulk direction through the pipe: the number of bytes, 0 to copy instead, -1 to wait.
func (c *core) spliceBulk(from, to *endpoint, p *pipe2) int {
	if p.off || len(from.pending()) > 0 {
		return 0
	}
	n, state := c.splice(from, to, p, 1<<30)
	if n == 0 && state == spliceWait {
		return -1
	}
	if n > 0 && n < 4<<10 {
		p.bulk = 0 // no longer bulk
	}
	return n
}

func (s *stream) moved(from *endpoint, n int, count *int64) {
	*count += int64(n)
	now := s.core.now()
	s.clientSeen, s.serverSeen = now, now
	if from != &s.client && s.responseAt == none {
		s.responseAt = now
	}
}

// endTunnel: one side is broken.
func (s *stream) endTunnel() {
	u, e := s.up, &s.client
	switch {
	case e.broken != 0 || e.unwritable != 0:
		s.countClientAbort()
		s.blame('C', 'D')
	case u.broken != 0 || u.unwritable != 0:
		s.serverFailed()
		s.countServerAbort()
		s.blame('S', 'D')
	}
	s.closeAll()
}

// silences are for how long each side of a tunnel may be silent: timeout tunnel for both, where there is one, else
// client and server; and client-fin and server-fin for a side that has been told the other's end and may still send.
func (s *stream) silences() (client, server time.Duration) {
	client, server = s.timeouts.client, s.timeouts.server
	if t := s.timeouts.tunnel; t > 0 {
		client, server = t, t
	}
	e, u := &s.client, &s.up.endpoint
	if t := s.fe.cfg.Timeouts.ClientFin; t > 0 && e.finSent {
		client = t
	}
	if t := s.be.cfg.Timeouts.ServerFin; t > 0 && u.finSent {
		server = t
	}
	return client, server
}

// tunnelTimeout ends a silent tunnel. The side whose limit is the shorter is to blame.
func (s *stream) tunnelTimeout() {
	now := s.core.now()
	client, server := s.silences()
	if server > 0 && now-s.serverSeen >= server && (client == 0 || server < client) {
		s.countServerAbort()
		s.blame('s', 'D')
	} else {
		s.countClientAbort()
		s.blame('c', 'D')
	}
	s.closeAll()
}
