package proxy

import "github.com/evenkeel/evenkeel/counter"

// queue holds streams that wait for a place, in the order they came. It is guarded by its
// backend's mutex.
type queue struct {
	first, last *stream
	length      int
}

// waiting is a stream's place in a queue. on and granted are guarded by the backend's mutex.
type waiting struct {
	be         *proxy // where mutex and lists are; nil: not queued
	on         *queue
	srv        *server // whose queue it is; nil: the backend's
	next, prev *stream
	granted    *server // holds a slot for the stream, which has not heard of it yet
}

func (q *queue) push(s *stream) {
	s.queued.on, s.queued.prev, s.queued.next = q, q.last, nil
	if q.last != nil {
		q.last.queued.next = s
	} else {
		q.first = s
	}
	q.last = s
	q.length++
}

func (q *queue) remove(s *stream) {
	w := &s.queued
	if w.prev != nil {
		w.prev.queued.next = w.next
	} else {
		q.first = w.next
	}
	if w.next != nil {
		w.next.queued.prev = w.prev
	} else {
		q.last = w.prev
	}
	w.on, w.next, w.prev = nil, nil, nil
	q.length--
}

// queueOn waits for a place on srv, or on any server of the backend.
func (s *stream) queueOn(srv *server) {
	be := s.be
	be.mu.Lock()
	q := &be.queue
	s.srvQueue, s.beQueue = 0, 0
	if srv != nil {
		q = &srv.queue
		s.srvQueue = q.length
		counter.Raise(&srv.queuedMax, int64(q.length+1))
	} else {
		s.beQueue = q.length
		counter.Raise(&be.queuedMax, int64(q.length+1))
	}
	s.queued.be, s.queued.srv, s.queued.granted = be, srv, nil
	q.push(s)
	be.countQueued(srv, 1)
	be.mu.Unlock()
	s.enter(phaseQueue)
	// A place may have become free between the look and the queue, on any server the stream waits for.
	if srv != nil {
		srv.offer()
		return
	}
	for _, other := range be.servers {
		if be.unbound.Load() == 0 {
			return
		}
		other.offer()
	}
}

// countQueued keeps the counts that are read without the mutex.
func (p *proxy) countQueued(srv *server, n int64) {
	p.queued.Add(n)
	if srv != nil {
		srv.queuedNow.Add(n)
	} else {
		p.unbound.Add(n)
	}
}

// leaveQueue takes the stream out of its queue, or gives back a place it was granted.
func (s *stream) leaveQueue() {
	be := s.queued.be
	if be == nil {
		return
	}
	be.mu.Lock()
	granted := s.queued.granted
	if s.queued.on != nil {
		s.queued.on.remove(s)
		be.countQueued(s.queued.srv, -1)
	}
	s.queued = waiting{}
	be.mu.Unlock()
	if granted != nil {
		granted.release()
	}
}

// release gives a slot back and offers it to whoever waits.
func (srv *server) release() {
	srv.served.Add(-1)
	srv.be.chooser.table.Load().Done(srv.index)
	srv.offer()
}

// awaited says whether a stream waits that can use the server.
func (srv *server) awaited() bool { return srv.queuedNow.Load() > 0 || srv.be.unbound.Load() > 0 }

// offer gives free places to the longest waiting streams that can use the server.
//
// None waits beside a free place: who joins a queue counts itself, then looks for a place; who gives a place back, also
// one taken in vain here, looks at the counts afterwards. One of the two sees the other.
func (srv *server) offer() {
	be := srv.be
	for srv.awaited() && srv.usable() && srv.takeSlot() {
		be.mu.Lock()
		q := &srv.queue
		if q.first == nil {
			q = &be.queue
		}
		s := q.first
		if s == nil {
			be.mu.Unlock()
			srv.served.Add(-1)
			continue // one may have come that found the place taken
		}
		q.remove(s)
		be.countQueued(s.queued.srv, -1)
		s.queued.granted = srv
		core, gen := s.core, s.gen
		be.mu.Unlock()
		// The loop that is gone has ended its streams.
		core.loop.Post(func() { s.granted(gen) })
	}
}

// granted runs on the stream's own core: a server has a place for it.
func (s *stream) granted(gen uint32) {
	defer s.guard()
	if s.gen != gen || s.gone || s.phase != phaseQueue {
		return // it left; leaveQueue gave the place back
	}
	be := s.queued.be
	be.mu.Lock()
	srv := s.queued.granted
	if srv == nil { // another request of this connection, which waits by itself
		be.mu.Unlock()
		return
	}
	s.queued = waiting{}
	be.mu.Unlock()
	if !srv.usable() {
		srv.release()
		s.assign()
	} else {
		s.assigned(srv)
	}
	s.advance()
}

// requeue sends the streams waiting for a server that went away to find another.
func (srv *server) requeue() (moved int) {
	be := srv.be
	be.mu.Lock()
	var all []*stream
	var gens []uint32
	for s := srv.queue.first; s != nil; s = srv.queue.first {
		srv.queue.remove(s)
		be.countQueued(srv, -1)
		all, gens = append(all, s), append(gens, s.gen)
	}
	be.mu.Unlock()
	// What a stream's own thread sees until then: it is in no queue and was granted nothing.
	for i, s := range all {
		gen := gens[i]
		s.core.loop.Post(func() {
			defer s.guard()
			if s.gen == gen && !s.gone && s.phase == phaseQueue && s.queued.on == nil && s.queued.granted == nil {
				s.queued = waiting{}
				s.pinned, s.redispatched = nil, true
				s.assign()
				s.advance()
			}
		})
	}
	return len(all)
}
