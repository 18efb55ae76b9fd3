package h1

import "strconv"

// Transfer is how a body is passed on.
type Transfer uint8

// Ways to pass a body on.
const (
	AsIs    Transfer = iota // framed as it came; chunk extensions are left out
	Unchunk                 // payload only: the receiver does not know chunks
	Chunk                   // a body with a length, in chunks: its length is not told any more
	Drop                    // nothing: the receiver's message has no body
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

// Body follows one message's body. It is a value made by a Head; copy it into the
// stream, then use it by pointer.
type Body struct {
	framing   Framing
	state     chunkState
	ended     bool  // UntilClose, Tunnel: the connection did
	status    int   // of errors
	remaining int64 // of the length, or of the chunk
	payload   int64
	consumed  int64
	trailers  int // how many more there may be
	chunk     chunkLine
	err       Error
}

// RequestBody is the framing of the request's body. CONNECT has none: what follows it
// belongs to the tunnel once the server has accepted.
func (h *Head) RequestBody() Body {
	b := Body{status: 400, trailers: h.maxFields - 1}
	switch {
	case h.methodID == MethodConnect:
	case h.chunked:
		b.framing = ByChunks
	case h.contentLength > 0:
		b.framing = ByLength
		b.remaining = h.contentLength
	}
	return b
}

// ResponseBody is the framing of the response's body to a request with that method
// (RFC 9112 §6.3). 101 and a CONNECT's 2xx begin a tunnel; other 1xx have no body and
// are not the final response.
func (h *Head) ResponseBody(request MethodID) Body {
	b := Body{status: 502, trailers: h.maxFields - 1}
	switch s := h.status; {
	case s == 101, request == MethodConnect && s/100 == 2:
		b.framing = Tunnel
	case s < 200, s == 204, s == 304, request == MethodHead:
	case h.chunked:
		b.framing = ByChunks
	case h.contentLength > 0:
		b.framing = ByLength
		b.remaining = h.contentLength
	case h.contentLength < 0:
		b.framing = UntilClose
	}
	return b
}

// Framing is what ends the body.
func (b *Body) Framing() Framing { return b.framing }

// Next looks at data, the bytes that follow those consumed so far. n of them belong to
// this message and are consumed; out is what to forward for them: a part of data, or
// scratch[:x]. Only chunked bodies are ever copied, and only to join what is not
// adjacent; with cap(scratch) >= len(data) one call takes everything there is, with
// less, even none, call again with data[n:] while n > 0 and not Done. An error is an
// *Error; what was valid before it has been given out by an earlier call or is lost.
func (b *Body) Next(data, scratch []byte, as Transfer) (out []byte, n int, err error) {
	switch b.framing {
	case NoBody:
		return nil, 0, nil
	case ByLength:
		n = len(data)
		if int64(n) > b.remaining {
			n = int(b.remaining)
		}
		if as == Chunk {
			return b.inChunks(data[:n], scratch)
		}
		b.remaining -= int64(n)
	case UntilClose, Tunnel:
		n = len(data)
	case ByChunks:
		return b.chunks(data, scratch, as)
	}
	b.payload += int64(n)
	b.consumed += int64(n)
	if as == Drop {
		return nil, n, nil
	}
	return data[:n:n], n, nil
}

// LastChunk ends a chunked body without trailers (RFC 9112 §7.1).
const LastChunk = "0\r\n\r\n"

// chunkRoom is how many bytes surround a chunk that inChunks makes: size, two line ends, the last chunk.
const chunkRoom = 16 + 2 + 2 + len(LastChunk)

// inChunks makes one chunk of data, as much of it as scratch holds, and ends the body with it where it is the last.
func (b *Body) inChunks(data, scratch []byte) ([]byte, int, error) {
	n := min(len(data), cap(scratch)-chunkRoom)
	if n <= 0 {
		return nil, 0, nil
	}
	out := append(strconv.AppendInt(scratch[:0], int64(n), 16), "\r\n"...)
	out = append(append(out, data[:n]...), "\r\n"...)
	if b.remaining -= int64(n); b.remaining == 0 {
		out = append(out, LastChunk...)
	}
	b.payload += int64(n)
	b.consumed += int64(n)
	return out, n, nil
}

// Done says whether the message is complete.
func (b *Body) Done() bool {
	switch b.framing {
	case ByLength:
		return b.remaining == 0
	case ByChunks:
		return b.state == csDone
	case UntilClose, Tunnel:
		return b.ended
	}
	return true
}

// Remaining is how many bytes are known to follow that are forwarded as they come: the
// rest of a body with a length, or of the chunk begun; -1: all until the connection ends.
func (b *Body) Remaining() int64 {
	switch b.framing {
	case ByLength:
		return b.remaining
	case ByChunks:
		if b.state == csData {
			return b.remaining
		}
	case UntilClose, Tunnel:
		return -1
	}
	return 0
}

// Skip says that n bytes, at most Remaining if that is not -1, were forwarded without
// Next: the way of bulk data that never enters our memory.
func (b *Body) Skip(n int64) {
	b.payload += n
	b.consumed += n
	switch b.framing {
	case ByLength:
		b.remaining -= n
	case ByChunks:
		if b.remaining -= n; b.remaining == 0 {
			b.state = csDataCR
		}
	}
}

// Payload is how many bytes of payload were consumed; chunk framing does not count.
func (b *Body) Payload() int64 { return b.payload }

// EOF says what the end of the connection means here: nothing when the body ends by it
// or was complete; else the message was cut short, an *Error.
func (b *Body) EOF() error {
	switch {
	case b.framing == UntilClose, b.framing == Tunnel:
		b.ended = true
		return nil
	case b.Done():
		return nil
	}
	return b.fail(0, "connection closed before the end of the body")
}

func (b *Body) fail(at int, reason string) error {
	b.err = Error{Status: b.status, Reason: reason, Offset: int(b.consumed) + at}
	if b.framing == ByChunks {
		b.state = csFailed
	}
	return &b.err
}
