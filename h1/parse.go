package h1

// state is where Parse stands between two calls.
type state uint8

const (
	stLeading state = iota // empty lines before a request
	stMethod
	stURI
	stVersion
	stStartLF
	stStatusVersion
	stStatus
	stReason
	stLine // at the first byte of a line: a field or the end
	stName
	stBeforeValue
	stValue
	stValueLF
	stEndLF
	stDone
	stFailed
)

type lineEnd uint8

func equalFold(b []byte, s string) bool {
	for i := range b {
		if lower[b[i]] != lower[s[i]] {
			return false
		}
	}
	return true
}

var lower = func() (t [256]byte) {
	for i := range t {
		t[i] = byte(i)
		if 'A' <= i && i <= 'Z' {
			t[i] += 'a' - 'A'
		}
	}
	return
}()

// Parse takes all bytes of the message received so far: data begins with its first byte
// each time, may have moved, and must not have changed. Bytes seen before are not looked
// at again. n > 0: the head is complete and n bytes long. n == 0 and no error: more is
// needed. The error is an *Error, reported as soon as the offending byte is there.
func (h *Head) Parse(data []byte) (n int, err error) { panic("h1: Parse is being written") }

// Path is the path of the target: "/a" of "/a?b" and of "http://h/a?b"; empty if there is none ("*", CONNECT).
func (h *Head) Path() []byte { panic("h1: being written") }

// Query is what follows the target's first '?'.
func (h *Head) Query() []byte { panic("h1: being written") }

// Authority is the host[:port] of an absolute or CONNECT target; empty otherwise.
func (h *Head) Authority() []byte { panic("h1: being written") }

// Host is the authority of the target, else the Host field's value.
func (h *Head) Host() []byte { panic("h1: being written") }

// SetConnection rewrites Connection and its kin for the next hop.
func (h *Head) SetConnection(c ConnHeader) { panic("h1: being written") }

// RequestBody is the framing of the request's body.
func (h *Head) RequestBody() Body { panic("h1: being written") }

// ResponseBody is the framing of the response's body to a request with that method.
func (h *Head) ResponseBody(request MethodID) Body { panic("h1: being written") }

// TooLarge is the error for a head that does not fit its buffer.
func (h *Head) TooLarge() error { panic("h1: being written") }
