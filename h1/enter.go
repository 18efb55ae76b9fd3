package h1

// Bytes are judged here, where they enter a head, and nowhere else: whatever rule, cookie or identifier wrote them, no
// line can end early and no word of the start line can be divided. What may not stand is percent-encoded, as HAProxy
// does it (%0D%0A for a line end, %00 for a NUL).

const upperHex = "0123456789ABCDEF"

// What may stand where, one bit for each byte.
const (
	inValue  = 1 << iota // RFC 9110 §5.5: HTAB, SP, VCHAR, obs-text
	inTarget             // RFC 9112 §3.2: VCHAR without '#'
	inMethod             // RFC 9110 §9.1: a token
)

var allowed = func() (t [256]uint8) {
	for c := range t {
		if c >= ' ' && c != 0x7f || c == '\t' {
			t[c] |= inValue
		}
		if c > ' ' && c < 0x7f && c != '#' {
			t[c] |= inTarget
		}
		if class[c]&isToken != 0 {
			t[c] |= inMethod
		}
	}
	return
}()

// appendEntered appends b to dst with the bytes that may not stand there percent-encoded.
func appendEntered[S string | []byte](dst []byte, b S, where uint8) []byte {
	start := 0
	for i := 0; i < len(b); i++ {
		if c := b[i]; allowed[c]&where == 0 {
			dst = append(append(dst, b[start:i]...), '%', upperHex[c>>4], upperHex[c&15])
			start = i + 1
		}
	}
	return append(dst, b[start:]...)
}

// AppendValue appends a field value to a head that is written without a Head, judged as Head's own edits are.
func AppendValue[S string | []byte](dst []byte, value S) []byte {
	return appendEntered(dst, value, inValue)
}

// enter keeps b in the arena, judged for where it will stand.
func enter[S string | []byte](h *Head, b S, where uint8) span {
	off := len(h.arena)
	h.arena = appendEntered(h.arena, b, where)
	return span{^int32(off), int32(len(h.arena) - off)}
}

// touched are the facts that edits may have changed since the head was parsed.
type touched uint8

const (
	touchedLength     touched = 1 << iota // Content-Length, Transfer-Encoding
	touchedConnection                     // Connection, TE
	touchedUpgrade
	touchedMethod
	touchedTarget
	touchedStatus
)

// touchedBy says which facts a field of that name tells.
func touchedBy[S string | []byte](name S) touched {
	switch len(name) {
	case 2:
		if equalFold([]byte(name), "te") {
			return touchedConnection
		}
	case 7:
		if equalFold([]byte(name), "upgrade") {
			return touchedUpgrade
		}
	case 10:
		if equalFold([]byte(name), "connection") {
			return touchedConnection
		}
	case 14:
		if equalFold([]byte(name), "content-length") {
			return touchedLength
		}
	case 17:
		if equalFold([]byte(name), "transfer-encoding") {
			return touchedLength
		}
	}
	return 0
}
