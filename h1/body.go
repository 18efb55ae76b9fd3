package h1

// Transfer is how a body is passed on.
type Transfer uint8

// Ways to pass a body on.
const (
	AsIs    Transfer = iota // framed as it came; chunk extensions are left out
	Unchunk                 // payload only: the receiver does not know chunks (HTTP/1.0)
	Chunk                   // payload in chunks: the receiver shall know where it ends
)

// Framing is what ends a body.
type Framing uint8

// Framings of RFC 9112 §6.3.
const (
	NoBody     Framing = iota
	ByLength           // Content-Length
	ByChunks           // Transfer-Encoding: chunked
	UntilClose         // a response without either: ends with the connection
	Tunnel             // after CONNECT or 101: both directions are bytes without messages
)

// Body follows one message's body. It is a value, made by a Head; copy it into the stream.
type Body struct {
	framing   Framing
	remaining int64
	payload   int64
}

// Framing is what ends the body.
func (b *Body) Framing() Framing { return b.framing }

// Next looks at data, the bytes that follow those consumed so far. n of them belong to
// this message and are consumed; out is what to forward for them, a part of data or of
// scratch[:cap]. Scratch of len(data)+64 bytes lets one call take everything; with less,
// even none, Next takes less at a time: call it again with data[n:] until n is 0 or Done.
func (b *Body) Next(data, scratch []byte, as Transfer) (out []byte, n int, err error) {
	panic("h1: being written")
}

// Skip says that n bytes of payload, at most Remaining, were forwarded without Next: the fast way for bulk data.
func (b *Body) Skip(n int64) { panic("h1: being written") }

// Finish is what to send after the last byte when the body was passed on as Chunk and
// ended with the connection: "0\r\n\r\n"; else nothing.
func (b *Body) Finish(as Transfer) string { panic("h1: being written") }

// Done says whether the message is complete.
func (b *Body) Done() bool { panic("h1: being written") }

// Remaining is how many bytes are known to follow verbatim: the rest of a body with a length, or of the current chunk;
// -1: everything until the connection ends.
func (b *Body) Remaining() int64 { panic("h1: being written") }

// Payload is how many bytes of payload were consumed.
func (b *Body) Payload() int64 { return b.payload }

// EOF says what the end of the connection means here: nil when the body ends by it or was complete, else an *Error.
func (b *Body) EOF() error { panic("h1: being written") }
