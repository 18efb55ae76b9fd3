package h1

import "bytes"

// learn takes what a field means for the message's framing and its connection. It gives
// the reason to refuse the message, or nothing.
func (h *Head) learn(name span, value []byte) (reason string) {
	n := h.data[name.off : name.off+name.len]
	switch name.len {
	case 2:
		h.hop = h.hop || equalFold(n, "te")
	case 4:
		if equalFold(n, "host") {
			return h.learnHost(value)
		}
	case 6:
		if equalFold(n, "expect") && equalFold(value, "100-continue") {
			h.expect100 = h.kind == Request && h.minor >= 1 // RFC 9110 §10.1.1
		}
	case 7:
		if equalFold(n, "upgrade") {
			h.upgradeField = true
			h.webSocket = h.webSocket || equalFold(value, "websocket")
		}
	case 10:
		if equalFold(n, "connection") {
			h.hop = true
			h.learnConnection(value)
		}
	case 14:
		if equalFold(n, "content-length") {
			return h.learnLength(value)
		}
	case 17:
		if equalFold(n, "transfer-encoding") {
			return h.learnCoding(value)
		}
		h.webSocketKey = h.webSocketKey || equalFold(n, "sec-websocket-key")
	}
	return ""
}

// learnHost: RFC 9112 §3.2 has exactly one Host, and it must be valid.
// Differs from HAProxy: it takes any value, merges equal ones, and does not miss it.
func (h *Head) learnHost(value []byte) (reason string) {
	h.hosts++
	switch {
	case h.kind == Response:
	case h.hosts > 1:
		return "more than one Host"
	case !validAuthority(value):
		return "invalid Host"
	}
	return ""
}

func (h *Head) learnConnection(list []byte) {
	if len(list) == 10 && equalFold(list, "keep-alive") { // what nearly everyone says
		h.keepAlive = true
		return
	}
	for more := true; more; {
		var token []byte
		token, list, more = nextInList(list)
		switch len(token) {
		case 5:
			h.close = h.close || equalFold(token, "close")
		case 7:
			h.upgradeToken = h.upgradeToken || equalFold(token, "upgrade")
		case 10:
			h.keepAlive = h.keepAlive || equalFold(token, "keep-alive")
		}
	}
}

// learnLength reads Content-Length: digits, below 2^63. Equal ones, in one field or
// several, count as one and are passed on as one (RFC 9112 §6.3, and HAProxy).
func (h *Head) learnLength(list []byte) (reason string) {
	first := h.contentLength < 0
	single := true
	var element []byte
	for more := true; more; {
		element, list, more = nextInList(list)
		n, ok := number(element)
		if !ok {
			return "invalid Content-Length"
		}
		if h.contentLength >= 0 && n != h.contentLength {
			return "Content-Lengths differ"
		}
		h.contentLength = n
		single = single && !more
	}
	last := len(h.fields) - 1
	switch {
	case !first:
		h.fields = h.fields[:last]
	case !single:
		h.fields[last].value = h.keep(element)
	}
	return ""
}

// number reads a decimal number below 2^63.
func number(b []byte) (n int64, ok bool) {
	for _, c := range b {
		if !digit(c) || n > (1<<63-1-int64(c-'0'))/10 {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, len(b) > 0
}

// learnCoding reads Transfer-Encoding: chunked must come last and once (RFC 9112 §6.1).
// Differs from HAProxy: it lets an empty element after chunked pass.
func (h *Head) learnCoding(list []byte) (reason string) {
	h.hasTE = true
	for more := true; more; {
		var coding []byte
		coding, list, more = nextInList(list)
		switch {
		case h.chunked:
			return "Transfer-Encoding goes on after chunked"
		case equalFold(coding, "chunked"):
			h.chunked = true
		default:
			h.otherCoding = true
		}
	}
	return ""
}

// judgeFraming is what both directions refuse (RFC 9112 §6.1, §6.3).
// Differs from HAProxy: it drops Content-Length beside chunked, and accepts chunked with
// HTTP/1.0, closing after the request; another reader may have taken the length.
func (h *Head) judgeFraming() (status int, reason string) {
	switch {
	case !h.hasTE:
		return 0, ""
	case !h.chunked:
		return 400, "Transfer-Encoding does not end with chunked"
	case h.otherCoding:
		return 422, "Transfer-Encoding other than chunked" // HAProxy's status
	case h.contentLength >= 0:
		return 400, "Content-Length with Transfer-Encoding"
	case h.minor == 0:
		return 400, "Transfer-Encoding in HTTP/1.0"
	}
	return 0, ""
}

func (h *Head) judgeRequest() (status int, reason string) {
	if status, reason = h.judgeFraming(); reason != "" {
		return status, reason
	}
	if reason = h.judgeHost(); reason != "" {
		return 400, reason
	}
	body := h.chunked || h.contentLength > 0
	switch m := h.methodID; {
	case body && m == MethodConnect:
		// Differs from HAProxy: it takes the body for the tunnel's first bytes.
		return 400, "CONNECT with a body"
	case body && h.minor == 0 && (m == MethodGet || m == MethodHead || m == MethodDelete):
		return 413, "body with a method that has none in HTTP/1.0"
	case h.Upgrade() && body:
		// A server could switch before it has read the body; like HAProxy, no upgrade then.
		h.Del("upgrade")
		h.upgradeField = false
	case h.Upgrade() && h.webSocket && !h.webSocketKey:
		return 400, "WebSocket upgrade without Sec-WebSocket-Key"
	}
	return 0, ""
}

// judgeHost: RFC 9112 §3.2, §3.2.2. The target's authority rules; HAProxy and we refuse
// a Host that contradicts it.
func (h *Head) judgeHost() (reason string) {
	if h.hosts == 0 {
		if h.minor >= 1 {
			return "no Host"
		}
		// Differs from HAProxy: there rules that go by Host do not see where the request goes.
		h.HostOfTarget()
		return ""
	}
	authority := h.Authority()
	if authority == nil {
		return ""
	}
	host, _ := h.Find("host")
	if !sameAuthority(authority, host, defaultPorts(h.URI(), h.methodID)) {
		return "Host differs from request target"
	}
	return ""
}

// judgeResponse also removes lengths where there is no body (RFC 9110 §8.6, RFC 9112
// §6.1), as HAProxy does.
func (h *Head) judgeResponse() (reason string) {
	h.announced = h.contentLength > 0 || h.chunked
	if h.status < 200 || h.status == 204 {
		if h.contentLength >= 0 {
			h.Del("content-length")
			h.contentLength = -1
		}
		if h.hasTE {
			h.Del("transfer-encoding")
			h.hasTE, h.chunked = false, false
		}
		return ""
	}
	_, reason = h.judgeFraming()
	return reason
}

// SetConnection makes the Connection field right for the next hop: close and keep-alive
// are taken out, c's word is added at the end; other options, upgrade among them, stay,
// and so do the fields they name, Keep-Alive and Proxy-Connection, as with HAProxy 2.6.
// TE is reduced to trailers, because we undo no other coding.
//
// What HAProxy says: nothing where the message's version implies what is meant; "close"
// in HTTP/1.1 messages after which the connection ends; "keep-alive" when either the
// message is HTTP/1.0 or it answers an HTTP/1.0 request, and the connection stays.
func (h *Head) SetConnection(c ConnHeader) {
	if h.hop || h.touched&touchedConnection != 0 {
		h.dropPersistence()
	}
	switch c {
	case ConnClose:
		h.AddString("Connection", "close")
	case ConnKeepAlive:
		h.AddString("Connection", "keep-alive")
	}
}

// dropPersistence takes what is said about this hop out of Connection and TE.
func (h *Head) dropPersistence() {
	for i := 0; i < len(h.fields); {
		f := &h.fields[i]
		keep := true
		switch f.name.len {
		case 10:
			if equalFold(h.bytes(f.name), "connection") {
				keep = h.dropTokens(f)
			}
		case 2:
			if h.kind == Request && equalFold(h.bytes(f.name), "te") {
				keep = h.onlyTrailers(f)
			}
		}
		if keep {
			i++
		} else {
			h.fields = append(h.fields[:i], h.fields[i+1:]...)
		}
	}
}

// dropTokens removes close, keep-alive and empty elements from a Connection field and
// says whether anything is left.
func (h *Head) dropTokens(f *field) (left bool) {
	list := h.bytes(f.value)
	if len(list) == 10 && equalFold(list, "keep-alive") { // what nearly everyone says
		return false
	}
	if !hasPersistence(list) {
		return len(trim(list)) > 0
	}
	off := len(h.arena)
	for more := true; more; {
		var token []byte
		token, list, more = nextInList(list)
		if len(token) == 0 || equalFold(token, "close") || equalFold(token, "keep-alive") {
			continue
		}
		if len(h.arena) > off {
			h.arena = append(h.arena, ", "...)
		}
		h.arena = append(h.arena, token...)
	}
	f.value = span{^int32(off), int32(len(h.arena) - off)}
	return f.value.len > 0
}

func hasPersistence(list []byte) bool {
	for more := true; more; {
		var token []byte
		token, list, more = nextInList(list)
		if equalFold(token, "close") || equalFold(token, "keep-alive") {
			return true
		}
	}
	return false
}

func (h *Head) onlyTrailers(f *field) (keep bool) {
	list := h.bytes(f.value)
	if bytes.Equal(list, []byte("trailers")) {
		return true
	}
	for more := true; more; {
		var token []byte
		token, list, more = nextInList(list)
		if equalFold(token, "trailers") {
			f.value = h.keepString("trailers")
			return true
		}
	}
	return false
}
