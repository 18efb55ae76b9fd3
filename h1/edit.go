package h1

import "strconv"

// Edits change what accessors and AppendTo give from then on. They do not change the
// facts of the message as its sender framed it: ContentLength, Chunked, KeepAlive,
// Expect100 and Upgrade. FrameRequest and FrameResponse bring both together again.
// Values, targets, methods and reasons are judged as they enter (enter.go); names come
// from a configuration, which has judged them.

func (h *Head) keep(b []byte) span {
	off := len(h.arena)
	h.arena = append(h.arena, b...)
	return span{^int32(off), int32(len(b))}
}

func (h *Head) keepString(s string) span {
	off := len(h.arena)
	h.arena = append(h.arena, s...)
	return span{^int32(off), int32(len(s))}
}

// Add appends a field after the others. name and value are copied.
func (h *Head) Add(name string, value []byte) {
	h.touched |= touchedBy(name)
	n := h.keepString(name)
	h.fields = append(h.fields, field{n, enter(h, value, inValue)})
}

// AddString is Add for a value that is a string.
func (h *Head) AddString(name, value string) {
	h.touched |= touchedBy(name)
	n := h.keepString(name)
	h.fields = append(h.fields, field{n, enter(h, value, inValue)})
}

// Set removes every field of that name and adds one, at the end (http-request set-header).
func (h *Head) Set(name string, value []byte) {
	h.Del(name)
	h.Add(name, value)
}

// Del removes every field of that name, in any letter case, and says how many there were.
func (h *Head) Del(name string) int {
	kept := h.fields[:0]
	for _, f := range h.fields {
		if int(f.name.len) != len(name) || !equalFold(h.bytes(f.name), name) {
			kept = append(kept, f)
		}
	}
	n := len(h.fields) - len(kept)
	h.fields = kept
	if n > 0 {
		h.touched |= touchedBy(name)
	}
	return n
}

// DelMatching removes every field whose name match accepts, and says how many there were.
func (h *Head) DelMatching(match func(name []byte) bool) int {
	kept := h.fields[:0]
	for _, f := range h.fields {
		if !match(h.bytes(f.name)) {
			kept = append(kept, f)
		} else {
			h.touched |= touchedBy(h.bytes(f.name))
		}
	}
	n := len(h.fields) - len(kept)
	h.fields = kept
	return n
}

// DelAt removes the i-th field; those after it move up.
func (h *Head) DelAt(i int) {
	h.touched |= touchedBy(h.bytes(h.fields[i].name))
	h.fields = append(h.fields[:i], h.fields[i+1:]...)
}

// Replace gives the i-th field another value, which is copied.
func (h *Head) Replace(i int, value []byte) {
	h.touched |= touchedBy(h.bytes(h.fields[i].name))
	h.fields[i].value = enter(h, value, inValue)
}

// SetURI replaces the request target.
func (h *Head) SetURI(uri []byte) {
	h.touched |= touchedTarget
	h.uri = enter(h, uri, inTarget)
}

// SetMethod replaces a request's method, and MethodID with it.
func (h *Head) SetMethod(method []byte) {
	h.touched |= touchedMethod
	h.method = enter(h, method, inMethod)
	h.methodID = methodOf(h.bytes(h.method))
}

// SetStatus replaces a response's status, 100-999, and its reason phrase.
func (h *Head) SetStatus(code int, reason string) {
	h.touched |= touchedStatus
	h.status = code
	h.reason = enter(h, reason, inValue)
}

// AppendTo appends the head as edited: start line, fields in order, empty line, every
// line ended by CRLF. Like HAProxy it says HTTP/1.0 for a message that did and HTTP/1.1
// for all others, so that each side knows what the other one understands.
func (h *Head) AppendTo(dst []byte) []byte {
	if h.kind == Request {
		dst = append(append(dst, h.bytes(h.method)...), ' ')
		dst = append(append(dst, h.bytes(h.uri)...), ' ')
		dst = append(append(dst, h.versionOut()...), "\r\n"...)
	} else {
		dst = append(append(dst, h.versionOut()...), ' ')
		dst = append(strconv.AppendInt(dst, int64(h.status), 10), ' ')
		dst = append(append(dst, h.bytes(h.reason)...), "\r\n"...)
	}
	for i := range h.fields {
		f := &h.fields[i]
		dst = append(append(dst, h.bytes(f.name)...), ": "...)
		dst = append(append(dst, h.bytes(f.value)...), "\r\n"...)
	}
	return append(dst, "\r\n"...)
}

func (h *Head) versionOut() string {
	if h.minor == 0 {
		return "HTTP/1.0"
	}
	return "HTTP/1.1"
}

// ConnHeader is what the Connection field says to the next hop.
type ConnHeader uint8

// Connection fields.
const (
	ConnUnset     ConnHeader = iota // nothing about persistence
	ConnClose                       // close
	ConnKeepAlive                   // keep-alive: needed towards HTTP/1.0
)
