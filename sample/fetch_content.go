package sample

import (
	"bytes"

	"github.com/evenkeel/evenkeel/sample/literal"
)

// wait marks the value as one that more bytes could change.
func (c *Context) wait() Value {
	if !c.Complete {
		c.pending = true
	}
	return Value{}
}

// isHTTP is true where a request was understood, or where the bytes are one's head.
func isHTTP(c *Context) Value {
	switch {
	case c.Request != nil:
		return boolean(true)
	case c.Point&Content == 0:
		return Value{}
	}
	line, rest, whole := bytes.Cut(c.Content, newline)
	if !whole {
		if len(line) > 0 && !isTokenByte(line[0]) {
			return Value{}
		}
		return c.wait()
	}
	if !isRequestLine(bytes.TrimSuffix(line, carriageReturn)) {
		return Value{}
	}
	if !bytes.Contains(rest, emptyLine) && !bytes.HasPrefix(rest, emptyLine[1:]) {
		return c.wait()
	}
	return boolean(true)
}

var (
	newline        = []byte("\n")
	carriageReturn = []byte("\r")
	emptyLine      = []byte("\n\r\n")
)

// isRequestLine recognises "method target HTTP/d.d" (RFC 9112 section 3).
func isRequestLine(line []byte) bool {
	method, rest, ok := bytes.Cut(line, []byte(" "))
	target, version, ok2 := bytes.Cut(rest, []byte(" "))
	if !ok || !ok2 || len(method) == 0 || len(target) == 0 || len(version) != 8 ||
		!bytes.HasPrefix(version, []byte("HTTP/")) {
		return false
	}
	for _, b := range method {
		if !isTokenByte(b) {
			return false
		}
	}
	return true
}

// isTokenByte reports whether b may stand in a method (RFC 9110 section 5.6.2).
func isTokenByte(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' ||
		bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), b) >= 0
}

func contentLength(c *Context) Value {
	c.wait()
	return number(int64(len(c.Content)))
}

// makePayload makes req.payload(offset,length); a length of 0 takes what is there.
func makePayload(a call) (source, *Error) {
	offset, length := a.number(0, 0), a.number(1, 0)
	if offset < 0 || length < 0 {
		return source{}, &Error{Message: "req.payload counts offset and length from 0"}
	}
	return source{layer6: true, get: func(c *Context) Value {
		have := int64(len(c.Content))
		if offset >= have && length == 0 || length > have || offset > have-length {
			return c.wait()
		}
		if length == 0 {
			c.wait()
			return Value{Kind: Bin, Bytes: c.Content[offset:]}
		}
		return Value{Kind: Bin, Bytes: c.Content[offset : offset+length]}
	}}, nil
}

// makePayloadLV makes req.payload_lv(where,size[,start]): bytes whose length is itself among the bytes.
func makePayloadLV(a call) (source, *Error) {
	at, size := a.number(0, 0), a.number(1, 0)
	start, relative := at+size, false
	if s := a.arg(2); s != "" {
		relative = s[0] == '+' || s[0] == '-'
		n, ok := literal.Number(s)
		if !ok {
			return source{}, &Error{Message: "the third argument of req.payload_lv is a number, not " + quote(s)}
		}
		if start = n; relative {
			start += at + size
		}
	}
	if at < 0 || size < 1 || size > 4 || start < 0 {
		return source{}, &Error{Message: "req.payload_lv wants a place from 0 and a size of 1 to 4 bytes"}
	}
	return source{layer6: true, get: func(c *Context) Value {
		have := int64(len(c.Content))
		if at+size > have {
			return c.wait()
		}
		length := int64(0)
		for _, b := range c.Content[at : at+size] {
			length = length<<8 | int64(b)
		}
		if length == 0 {
			return Value{}
		}
		if start+length > have {
			return c.wait()
		}
		return Value{Kind: Bin, Bytes: c.Content[start : start+length]}
	}}, nil
}

// A hello is what was found out of a TLS ClientHello (RFC 8446 section 4.1.2).
type hello struct {
	kind    int // handshake type
	version int // major<<16 | minor, as the reference's dotted numbers
	body    []byte
}

// readHello finds the first handshake message of a TLS record. ok is false where the bytes
// are no TLS; more is true while they could still become one.
func readHello(b []byte) (h hello, ok, more bool) {
	if len(b) == 0 {
		return h, false, true
	}
	if b[0] != 0x16 { // a handshake record
		return h, false, false
	}
	if len(b) < 9 {
		return h, false, len(b) < 2 || b[1] == 3
	}
	if b[1] != 3 {
		return h, false, false
	}
	record := int(b[3])<<8 | int(b[4])
	length := int(b[6])<<16 | int(b[7])<<8 | int(b[8])
	h.kind = int(b[5])
	if record < 4 || length > 1<<14 {
		return h, false, false
	}
	if len(b) < 5+record {
		return h, false, true
	}
	h.body = b[9:min(5+record, 9+length)]
	if len(h.body) >= 2 {
		h.version = int(h.body[0])<<16 | int(h.body[1])
	}
	return h, true, false
}

// hello reads the ClientHello among the client's bytes.
func (c *Context) hello() (hello, bool) {
	h, ok, more := readHello(c.Content)
	if !ok && more {
		c.wait()
	}
	return h, ok
}

func helloType(c *Context) Value {
	if h, ok := c.hello(); ok {
		return number(int64(h.kind))
	}
	return Value{}
}

func helloVersion(c *Context) Value {
	h, ok := c.hello()
	if !ok || h.kind != 1 {
		return Value{}
	}
	return number(int64(h.version))
}

// extension finds an extension of a ClientHello by its number.
func (h hello) extension(number int) []byte {
	b := h.body
	if h.kind != 1 || len(b) < 35 {
		return nil
	}
	b = b[34:]
	for _, width := range []int{1, 2, 1} { // session, cipher suites, compression methods
		b = skipVector(b, width)
		if b == nil {
			return nil
		}
	}
	if len(b) < 2 {
		return nil
	}
	b = b[2:]
	for len(b) >= 4 {
		kind, length := int(b[0])<<8|int(b[1]), int(b[2])<<8|int(b[3])
		if len(b) < 4+length {
			return nil
		}
		if kind == number {
			return b[4 : 4+length]
		}
		b = b[4+length:]
	}
	return nil
}

// skipVector steps over a vector whose length stands in front of it in width bytes.
func skipVector(b []byte, width int) []byte {
	if len(b) < width {
		return nil
	}
	n := 0
	for _, x := range b[:width] {
		n = n<<8 | int(x)
	}
	if len(b) < width+n {
		return nil
	}
	return b[width+n:]
}

// helloSNI is the server name of RFC 6066 section 3.
func helloSNI(c *Context) Value {
	h, ok := c.hello()
	if !ok {
		return Value{}
	}
	b := h.extension(0)
	if len(b) < 5 || b[2] != 0 {
		return Value{}
	}
	n := int(b[3])<<8 | int(b[4])
	if len(b) < 5+n {
		return Value{}
	}
	return Value{Kind: Str, Bytes: b[5 : 5+n]}
}

// helloALPN is the list of protocols of RFC 7301 as it stands, lengths included.
func helloALPN(c *Context) Value {
	h, ok := c.hello()
	if !ok {
		return Value{}
	}
	b := h.extension(16)
	if len(b) < 2 {
		return Value{}
	}
	return Value{Kind: Str, Bytes: b[2:]}
}

// rdpCookie finds "Cookie: name=value" in the first packet of RDP ([MS-RDPBCGR] section 2.2.1.1).
func (c *Context) rdpCookie(name []byte) Value {
	b := c.Content
	const before = 11 // TPKT header, then a connection request TPDU of X.224
	if len(b) <= before {
		return c.wait()
	}
	if b[0] != 3 || b[5] != 0xe0 {
		return Value{}
	}
	length := int(b[2])<<8 | int(b[3])
	if len(b) < length {
		return c.wait()
	}
	b = b[before:max(before, length)]
	prefix := []byte("Cookie:")
	if len(b) < len(prefix) || !bytes.EqualFold(b[:len(prefix)], prefix) {
		return Value{}
	}
	b = bytes.TrimLeft(b[len(prefix):], " ")
	eq := bytes.IndexByte(b, '=')
	if eq < 0 || len(name) != 0 && !bytes.EqualFold(b[:eq], name) {
		return Value{}
	}
	b = b[eq+1:]
	end := bytes.IndexAny(b, "\r\n")
	if end < 0 {
		return Value{}
	}
	return Value{Kind: Str, Bytes: b[:end]}
}

func makeRDPCookie(a call) (source, *Error) {
	name := []byte(a.arg(0))
	return source{layer6: true, get: func(c *Context) Value { return c.rdpCookie(name) }}, nil
}

func makeRDPCookieCount(a call) (source, *Error) {
	name := []byte(a.arg(0))
	return source{layer6: true, get: func(c *Context) Value {
		v := c.rdpCookie(name)
		return number(int64(truth(v.Kind != None)))
	}}, nil
}
