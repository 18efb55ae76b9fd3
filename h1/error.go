package h1

import "strconv"

// Error is why a message was refused. It belongs to the Head or Body that returned it
// and is valid until that is reset.
type Error struct {
	Status int    // what to answer a client: 400, 413, 422, 501, 505; 502 for a server's response
	Reason string // stable and short, for the log: "two Content-Length values differ"
	Offset int    // of the offending byte, counted from the first byte of the message (Head) or of the body (Body)
}

// Error is the reason with its place.
func (e *Error) Error() string { return e.Reason + " at byte " + strconv.Itoa(e.Offset) }
