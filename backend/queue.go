package backend

import "github.com/evenkeel/evenkeel/counter"

// queue holds tickets that wait for a slot, in the order they came. It is guarded by its
// backend's mutex.
type queue struct {
	first, last *Ticket
	length      int
	granted     int // how many have left it with a slot
}

func (q *queue) push(t *Ticket) {
	t.on, t.prev, t.next, t.from = q, q.last, nil, q.granted
	if q.last != nil {
		q.last.next = t
	} else {
		q.first = t
	}
	q.last = t
	q.length++
}

func (q *queue) remove(t *Ticket) {
	t.position = q.granted - t.from + 1
	if t.prev != nil {
		t.prev.next = t.next
	} else {
		q.first = t.next
	}
	if t.next != nil {
		t.next.prev = t.prev
	} else {
		q.last = t.prev
	}
	t.on, t.next, t.prev = nil, nil, nil
	q.length--
}

// wait queues a ticket for srv, or for any server of the backend.
func (b *Backend) wait(t *Ticket, srv *Server) {
	b.mu.Lock()
	q, most := &b.queue, &b.queuedMax
	if srv != nil {
		q, most = &srv.queue, &srv.queuedMax
	}
	t.backend, t.srv, t.granted = b, srv, nil
	q.push(t)
	counter.Raise(most, int64(q.length))
	b.countQueued(srv, 1)
	b.mu.Unlock()
	// A slot may have become free between the look and the queue, on any server the ticket waits for.
	if srv != nil {
		srv.offer()
		return
	}
	for _, other := range b.Servers {
		if b.unbound.Load() == 0 {
			break
		}
		other.offer()
	}
}

// countQueued keeps the counts that are read without the mutex.
func (b *Backend) countQueued(srv *Server, n int64) {
	b.queued.Add(n)
	if srv != nil {
		srv.queuedNow.Add(n)
	} else {
		b.unbound.Add(n)
	}
}

// Leave takes the ticket out of its queue, or gives back a slot it was granted.
func (t *Ticket) Leave() {
	b := t.backend
	if b == nil {
		return
	}
	b.mu.Lock()
	granted := t.granted
	if t.on != nil {
		t.on.remove(t)
		b.countQueued(t.srv, -1)
	}
	t.backend, t.srv, t.granted = nil, nil, nil
	b.mu.Unlock()
	if granted != nil {
		granted.Release()
	}
}

// Position tells which of its queue the ticket was, when it left: the first is 1, and those that were granted a slot
// meanwhile were before it.
func (t *Ticket) Position() int { return t.position }

// Claim is the server that a queued ticket was granted a slot on, now the holder's; nil: none, it still waits.
func (t *Ticket) Claim() *Server {
	b := t.backend
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	srv := t.granted
	if srv != nil {
		t.backend, t.srv, t.granted = nil, nil, nil
	}
	return srv
}

// Stranded says that the ticket was taken out of its queue without a slot: its server has gone. It is free again then.
func (t *Ticket) Stranded() bool {
	b := t.backend
	if b == nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if t.on != nil || t.granted != nil {
		return false
	}
	t.backend, t.srv = nil, nil
	return true
}

// awaited says whether a ticket waits that can use the server.
func (srv *Server) awaited() bool { return srv.queuedNow.Load() > 0 || srv.Backend.unbound.Load() > 0 }

// offer gives free slots to the longest waiting tickets that can use the server.
//
// None waits beside a free slot: who joins a queue counts itself, then looks for a slot; who gives a slot back, also
// one taken here for nobody, looks at the counts afterwards. One of the two sees the other.
func (srv *Server) offer() {
	b := srv.Backend
	for srv.awaited() && srv.Usable() && srv.takeSlot() {
		b.mu.Lock()
		q := &srv.queue
		if q.first == nil {
			q = &b.queue
		}
		t := q.first
		if t == nil {
			b.mu.Unlock()
			srv.served.Add(-1)
			continue // one may have come that found the slot taken
		}
		q.remove(t)
		q.granted++
		b.countQueued(t.srv, -1)
		t.granted = srv
		holder, thread, gen := t.Holder, t.Thread, t.Gen
		b.mu.Unlock()
		// A thread that has ended has ended what waited there.
		thread.Post(func() { holder.Granted(gen) })
	}
}

// requeue sends the tickets waiting for a server that went away to find another.
func (srv *Server) requeue() (moved int) {
	b := srv.Backend
	b.mu.Lock()
	var told []func()
	for t := srv.queue.first; t != nil; t = srv.queue.first {
		srv.queue.remove(t)
		b.countQueued(srv, -1)
		// What the ticket's own thread sees until it is told: it is in no queue and was granted nothing.
		holder, thread, gen := t.Holder, t.Thread, t.Gen
		told = append(told, func() { thread.Post(func() { holder.Displaced(gen) }) })
	}
	b.mu.Unlock()
	for _, tell := range told {
		tell()
	}
	return len(told)
}
