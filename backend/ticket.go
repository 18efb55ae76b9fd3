package backend

// Ticket is what a caller that wants a server hands in: what it is looking for, and how to tell it. It belongs to one
// thread, which alone may call its methods; the zero value with Holder and Thread set is ready for use.
type Ticket struct {
	Holder Holder
	Thread Poster
	Gen    uint32 // given back to the holder, who tells by it what comes too late

	Pinned *Server // the one server that it must get, by a cookie or a rule, as long as that is possible
	Last   *Server // the one that it had before, and prefers; nil: none
	Key    Key     // for hashing algorithms

	// guarded by the backend's mu while the ticket is in a queue
	backend    *Backend // where mutex and queues are; nil: not queued
	on         *queue
	srv        *Server // whose queue it is; nil: the backend's
	next, prev *Ticket
	from       int     // how many had been granted a slot when it came
	position   int     // as of Position
	granted    *Server // holds a slot for the ticket, whose holder has not heard of it yet
}

// Holder is who handed a ticket in. It is called on the ticket's thread.
type Holder interface {
	// Granted: a server has a slot. Claim tells which.
	Granted(gen uint32)
	// Displaced: the server that was waited for has gone. Another one must be asked for if Stranded still says so.
	Displaced(gen uint32)
}

// Poster runs functions on a thread; false: it has ended.
type Poster interface{ Post(func()) bool }

// Outcome says what came of a ticket.
type Outcome uint8

// Outcomes.
const (
	Refused Outcome = iota // there is no server
	Full                   // the queue of the server, the only one that may serve it, is full
	Placed                 // the server is the holder's, who must Release it
	Queued                 // the holder will hear
)

// Take finds a server for a ticket and a slot on it, or a queue.
func (b *Backend) Take(t *Ticket) (srv *Server, out Outcome) {
	if srv := t.Pinned; srv != nil {
		if srv.takeSlot() {
			return srv, Placed
		}
		if srv.mayQueue() {
			b.wait(t, srv)
			return srv, Queued
		}
		if b.Config.Redispatch == 0 {
			return srv, Full
		}
		t.Pinned = nil // any other server
	}
	if last := t.Last; last != nil && last.Backend == b && last.ready.Load() && b.queued.Load() == 0 &&
		!(t.Key.there && b.chooser.hashes()) && last.takeSlot() {
		return last, Placed
	}
	// Those waiting already come first, but for the servers they cannot use.
	if b.queued.Load() == 0 {
		srv, slot := b.pick(t.Key, nil)
		if slot {
			return srv, Placed
		}
		if srv != nil {
			b.wait(t, srv)
			return srv, Queued
		}
	}
	if b.Usable() == 0 {
		return nil, Refused
	}
	b.wait(t, nil)
	return nil, Queued
}

// TakeOther is Take after a server has failed: another one at once if there is one with a slot.
func (b *Backend) TakeOther(t *Ticket, failed *Server) (srv *Server, out Outcome) {
	t.Pinned = nil
	if srv, slot := b.pick(t.Key, failed); slot {
		return srv, Placed
	}
	return b.Take(t)
}

// Release gives a slot back and offers it to those who wait.
func (srv *Server) Release() {
	srv.served.Add(-1)
	srv.Backend.chooser.table.Load().Done(srv.index)
	srv.offer()
}
