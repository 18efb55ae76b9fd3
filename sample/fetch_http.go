package sample

import (
	"bytes"

	"github.com/evenkeel/evenkeel/sample/literal"
)

// request gives the request's head. While an HTTP proxy's tcp-request content rules wait for bytes, one may still come.
func (c *Context) request() Message {
	if c.Request == nil && c.Point&Content != 0 && c.ReadHead != nil {
		if !c.looked {
			c.looked = true
			if head, more := c.ReadHead(c.Content); head != nil {
				c.Request = head
			} else {
				c.awaited = more
			}
		}
		if c.awaited && !c.Complete {
			c.pending = true
		}
	}
	return c.Request
}

func method(c *Context) Value {
	if m := c.request(); m != nil {
		return Value{Kind: Str, Bytes: m.MethodAsked()}
	}
	if c.Point&(Response|Log) != 0 {
		if asked := c.Record().Method; len(asked) > 0 {
			// Differs from HAProxy: it has lost the name of a method that is none of HTTP's own.
			return Value{Kind: Str, Bytes: asked}
		}
	}
	return Value{}
}

func url(c *Context) Value {
	m := c.request()
	if m == nil {
		return Value{}
	}
	return Value{Kind: Str, Bytes: m.URI()}
}

// slice gives a part of the request's target, None where it has no such part.
func slice(m Message, part func([]byte) []byte) Value {
	if m == nil {
		return Value{}
	}
	b := part(m.URI())
	if b == nil {
		return Value{}
	}
	return Value{Kind: Str, Bytes: b}
}

// pathqOf gives a target's path with its query: of the origin form all of it, of the absolute form
// what follows the authority. Other forms have none.
func pathqOf(uri []byte) []byte {
	if len(uri) == 0 {
		return nil
	}
	if uri[0] == '/' {
		return uri
	}
	if uri[0] == '*' {
		return nil
	}
	_, rest, ok := splitScheme(uri)
	if !ok {
		return nil
	}
	if i := bytes.IndexByte(rest, '/'); i >= 0 {
		return rest[i:]
	}
	return nil
}

// splitScheme divides "scheme://rest".
func splitScheme(uri []byte) (scheme, rest []byte, ok bool) {
	for i, b := range uri {
		switch {
		case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', i > 0 &&
			(b >= '0' && b <= '9' || b == '+' || b == '-' || b == '.'):
		case b == ':' && i > 0 && len(uri) > i+2 && uri[i+1] == '/' && uri[i+2] == '/':
			return uri[:i], uri[i+3:], true
		default:
			return nil, nil, false
		}
	}
	return nil, nil, false
}

// PathOf gives a target's path without its query, nil where it has none.
func PathOf(uri []byte) []byte {
	p := pathqOf(uri)
	for i, b := range p { // paths are short
		if b == '?' {
			return p[:i]
		}
	}
	return p
}

// queryOf gives what follows the first question mark.
func queryOf(uri []byte) []byte {
	p := pathqOf(uri)
	if i := bytes.IndexByte(p, '?'); i >= 0 {
		return p[i+1:]
	}
	return nil
}

// authorityOf gives host and port of a target in absolute or authority form.
func authorityOf(uri []byte) []byte {
	_, rest, ok := splitScheme(uri)
	if !ok {
		if len(uri) == 0 || uri[0] == '/' || uri[0] == '*' {
			return nil
		}
		rest = uri
	}
	if i := bytes.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	if i := bytes.LastIndexByte(rest, '@'); i >= 0 {
		rest = rest[i+1:]
	}
	return rest
}

func urlIP(c *Context) Value {
	m := c.request()
	if m == nil {
		return Value{}
	}
	a, _, ok := splitPort(authorityOf(m.URI()))
	if !ok {
		return Value{}
	}
	return Value{Kind: IP, Addr: a}
}

// urlPort gives the port written in the target, 80 where none is written behind an address.
func urlPort(c *Context) Value {
	m := c.request()
	if m == nil {
		return Value{}
	}
	authority := authorityOf(m.URI())
	_, port, ok := splitPort(authority)
	if !ok {
		return Value{}
	}
	return number(int64(port))
}

// base is the Host field and the path.
func base(c *Context, part func([]byte) []byte) Value {
	m := c.request()
	if m == nil {
		return Value{}
	}
	p := part(m.URI())
	host := firstField(m, "host")
	if len(host) == 0 {
		if p == nil || p[0] != '/' {
			return Value{}
		}
		return Value{Kind: Str, Bytes: p}
	}
	at := len(c.scratch)
	c.scratch = append(append(c.scratch, host...), p...)
	return Value{Kind: Str, Bytes: c.since(at)}
}

func base32(c *Context, part func([]byte) []byte) Value {
	m := c.request()
	if m == nil {
		return Value{}
	}
	h := sdbm(0, firstField(m, "host"))
	if p := part(m.URI()); p != nil {
		h = sdbm(h, p)
	}
	return number(int64(avalanche(h)))
}

func url32(c *Context) Value {
	m := c.request()
	if m == nil {
		return Value{}
	}
	return number(int64(avalanche(sdbm(sdbm(0, firstField(m, "host")), pathqOf(m.URI())))))
}

// withSource appends the client's address to a hash.
func withSource(c *Context, hash Value) Value {
	src := address(c.Source)
	if hash.Kind == None || src.Kind == None {
		return Value{}
	}
	at := len(c.scratch)
	n := uint32(hash.Int)
	c.scratch = append(c.scratch, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	toBin(c, src)
	return Value{Kind: Bin, Bytes: c.since(at)}
}

func requestVersion(c *Context) Value {
	m := c.request()
	if m == nil {
		return Value{}
	}
	return Value{Kind: Str, Bytes: m.Version()}
}

func responseVersion(c *Context) Value {
	if c.Response == nil {
		return Value{}
	}
	return Value{Kind: Str, Bytes: c.Response.Version()}
}

func httpMajor(*Context) Value { return number(1) }

// status is the response's; in a log, the one that was sent.
func status(c *Context) Value {
	switch {
	case c.Response != nil:
		return number(int64(c.Response.Status()))
	case c.Point&Log != 0 && c.Record().Status > 0:
		return number(int64(c.Record().Status))
	}
	return Value{}
}

// waitEnd is true when there is nothing more to wait for.
func waitEnd(c *Context) Value {
	if c.Point&Content != 0 && !c.Complete {
		c.pending = true
		return Value{}
	}
	return boolean(true)
}

// A paramReader walks through a query string.
type paramReader struct {
	name  []byte
	delim byte // what the parameters begin behind
}

func newParamReader(c call) paramReader {
	r := paramReader{name: []byte(c.arg(0)), delim: '?'}
	if d := c.arg(1); d != "" {
		r.delim = d[0]
	}
	return r
}

// read gives the value of the next parameter that has the name, from offset on. An offset of 0 starts at the beginning.
func (r paramReader) read(uri []byte, offset int) (value []byte, next int, ok bool) {
	if offset == 0 {
		i := bytes.IndexByte(uri, r.delim)
		if i < 0 {
			return nil, len(uri), false
		}
		offset = i + 1
	}
	for offset < len(uri) {
		end := offset
		for end < len(uri) && !r.ends(uri[end]) {
			end++
		}
		param := uri[offset:end]
		offset = end + 1
		eq := bytes.IndexByte(param, '=')
		if eq < 0 {
			continue
		}
		if len(r.name) == 0 || bytes.Equal(param[:eq], r.name) {
			return param[eq+1:], offset, true
		}
	}
	return nil, len(uri), false
}

func (r paramReader) ends(b byte) bool { return b == '&' || b == ';' || b == r.delim }

func makeURLParam(c call) (source, *Error) {
	r := newParamReader(c)
	return source{
		get: func(c *Context) Value {
			m := c.request()
			if m == nil {
				return Value{}
			}
			v, _, ok := r.read(m.URI(), 0)
			if !ok {
				return Value{}
			}
			return Value{Kind: Str, Bytes: v}
		},
		next: func(c *Context) Value {
			m := c.request()
			if m == nil || c.cursor.done {
				return Value{}
			}
			v, at, ok := r.read(m.URI(), c.cursor.offset)
			c.cursor.offset, c.cursor.done = at, !ok || at >= len(m.URI())
			if !ok {
				return Value{}
			}
			return Value{Kind: Str, Bytes: v}
		},
	}, nil
}

func makeURLParamValue(c call) (source, *Error) {
	s, err := makeURLParam(c)
	if err != nil {
		return source{}, err
	}
	return s.asInt(), nil
}

// asInt turns the strings of a source into numbers.
//
// Differs from HAProxy: numbers have 64 bits and stop at the largest, theirs are cut to 32 bits.
func (s source) asInt() source {
	get, next := s.get, s.next
	convert := func(v Value) Value {
		if v.Kind == None {
			return v
		}
		return number(literal.Leading(v.Bytes))
	}
	out := source{kind: Int, get: func(c *Context) Value { return convert(get(c)) }}
	if next != nil {
		out.next = func(c *Context) Value { return convert(next(c)) }
	}
	return out
}
