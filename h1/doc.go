// Package h1 is HTTP/1.0 and HTTP/1.1 (RFC 9112) as a pure machine: message heads in
// both directions, their edits, and the framing of bodies.
//
// A Head is parsed from bytes as they arrive, in any pieces, and reused for message
// after message:
//
//	h.Reset(h1.Request, 101)
//	for {
//		n, err := h.Parse(buf) // buf begins at the message's first byte
//		if err != nil { answer with err.(*h1.Error).Status; log its Reason }
//		if n > 0 { break }     // buf[n:] is the body, or the next message
//		read more, appending to buf
//	}
//	body := h.RequestBody()
//
// Accessors point into buf; after moving the bytes, Rebase. Edits live in an arena of
// the Head's own and keep the order and the letter case of what the sender wrote.
//
// What the RFCs leave to be read in two ways is refused, with a reason: a proxy must
// not let two readers of one message disagree about where it ends or whom it is for.
// Where this is stricter, or milder, than HAProxy 2.6, a comment says
// "Differs from HAProxy".
//
// The package has no clock, socket or goroutine, and allocates only while its buffers
// grow to their working size. It never knows configuration, rules or connections.
package h1
