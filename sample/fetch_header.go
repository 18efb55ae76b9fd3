package sample

import (
	"bytes"
	"strconv"

	"github.com/evenkeel/evenkeel/sample/literal"
)

// A head gives the message a fetch reads, nil where it is not there.
type head func(*Context) Message

func requestHead(c *Context) Message { return c.request() }

func responseHead(c *Context) Message { return c.Response }

// eitherHead is the response where there is one.
func eitherHead(c *Context) Message {
	if c.Response != nil {
		return c.Response
	}
	return c.request()
}

// values splits fields at commas; fields takes them whole.
const (
	values = true
	fields = false
)

// A fieldReader walks through the fields of one name, or through all of them.
type fieldReader struct {
	name  string // empty: any
	split bool
}

// read gives the next value behind at.
func (r fieldReader) read(m Message, at cursor) (value []byte, next cursor, ok bool) {
	for n := m.Len(); at.field < n; {
		name, v := m.Field(at.field)
		if r.name != "" && !sameFold(name, r.name) {
			at.field++
			continue
		}
		if !r.split {
			return v, cursor{field: at.field + 1}, true
		}
		if at.offset > len(v) {
			at = cursor{field: at.field + 1}
			continue
		}
		end := valueEnd(v, at.offset)
		value = trimBlanks(v[at.offset:end])
		if end >= len(v) {
			return value, cursor{field: at.field + 1}, true
		}
		return value, cursor{field: at.field, offset: end + 1}, true
	}
	return nil, cursor{field: at.field, done: true}, false
}

// valueEnd finds the comma that ends a value, which one inside a quoted string does not.
func valueEnd(v []byte, from int) int {
	quoted := false
	for i := from; i < len(v); i++ {
		switch {
		case quoted && v[i] == '\\':
			i++
		case v[i] == '"':
			quoted = !quoted
		case v[i] == ',' && !quoted:
			return i
		}
	}
	return len(v)
}

func trimBlanks(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// sameFold compares ASCII names without case. name is lower case.
func sameFold(b []byte, name string) bool {
	if len(b) != len(name) || len(b) > 0 && b[0]|0x20 != name[0]|0x20 {
		return false
	}
	for i := range len(name) {
		x := b[i]
		if x >= 'A' && x <= 'Z' {
			x |= 0x20
		}
		if x != name[i] {
			return false
		}
	}
	return true
}

// firstField gives the whole first field of a name, nil where there is none.
func firstField(m Message, name string) []byte {
	for i := range m.Len() {
		if n, v := m.Field(i); sameFold(n, name) {
			return v
		}
	}
	return nil
}

// maxHistory is how far back an occurrence may be asked for from the end.
const maxHistory = 10

// occurrence gives the nth value counted from 1, or from the end where n is negative.
func (r fieldReader) occurrence(m Message, n int) ([]byte, bool) {
	at := cursor{}
	if n > 0 {
		for {
			v, next, ok := r.read(m, at)
			if !ok {
				return nil, false
			}
			if n--; n == 0 {
				return v, true
			}
			at = next
		}
	}
	if -n > maxHistory {
		return nil, false
	}
	var last [maxHistory][]byte
	count := 0
	for {
		v, next, ok := r.read(m, at)
		if !ok {
			break
		}
		last[count%maxHistory] = v
		count++
		at = next
	}
	if count < -n {
		return nil, false
	}
	return last[(count+n)%maxHistory], true
}

// makeHeader makes req.hdr and its kin: the occurrence asked for, else the last one, in ACLs all of them.
func makeHeader(of head, split bool) maker {
	return func(c call) (source, *Error) {
		r := fieldReader{name: lowerName(c.arg(0)), split: split}
		n := int(c.number(1, 0))
		if n < -maxHistory {
			return source{}, &Error{Message: "an occurrence counts back to -" + strconv.Itoa(maxHistory)}
		}
		if n != 0 {
			return source{get: func(c *Context) Value {
				m := of(c)
				if m == nil {
					return Value{}
				}
				v, ok := r.occurrence(m, n)
				if !ok || r.name == "" {
					return Value{}
				}
				return Value{Kind: Str, Bytes: v}
			}}, nil
		}
		return source{
			get: func(c *Context) Value {
				m := of(c)
				if m == nil {
					return Value{}
				}
				v, ok := r.occurrence(m, -1)
				if !ok || r.name == "" { // which header would the last one be?
					return Value{}
				}
				return Value{Kind: Str, Bytes: v}
			},
			next: func(c *Context) Value {
				m := of(c)
				if m == nil || c.cursor.done {
					return Value{}
				}
				v, at, ok := r.read(m, c.cursor)
				c.cursor = at
				if !ok {
					return Value{}
				}
				return Value{Kind: Str, Bytes: v}
			},
		}, nil
	}
}

func lowerName(s string) string {
	return string(bytes.ToLower([]byte(s)))
}

// reader gives the values of a message one after the other.
type reader interface {
	read(m Message, at cursor) (value []byte, next cursor, ok bool)
}

// counting is how many values a reader finds.
func counting(of head, r reader) source {
	return source{get: func(c *Context) Value {
		m := of(c)
		if m == nil {
			return Value{}
		}
		n, at := int64(0), cursor{}
		for {
			_, next, ok := r.read(m, at)
			if !ok {
				return number(n)
			}
			n, at = n+1, next
		}
	}}
}

func makeHeaderCount(of head, split bool) maker {
	return func(c call) (source, *Error) {
		r := fieldReader{name: lowerName(c.arg(0)), split: split}
		return counting(of, r), nil
	}
}

func makeHeaderInt(of head) maker {
	return func(c call) (source, *Error) {
		s, err := makeHeader(of, values)(c)
		if err != nil {
			return source{}, err
		}
		return s.asInt(), nil
	}
}

func makeHeaderIP(of head) maker {
	return func(c call) (source, *Error) {
		s, err := makeHeader(of, values)(c)
		if err != nil {
			return source{}, err
		}
		get, next := s.get, s.next
		out := source{kind: IP, get: func(c *Context) Value { return hostAddr(get(c)) }}
		if next != nil {
			out.next = func(c *Context) Value {
				for {
					v := next(c)
					if v.Kind == None {
						return v
					}
					if v = hostAddr(v); v.Kind != None {
						return v
					}
				}
			}
		}
		return out, nil
	}
}

// hostAddr reads an address; that of IPv4 may have a port.
func hostAddr(v Value) Value {
	if v.Kind == None || len(v.Bytes) > 0 && v.Bytes[0] == '[' {
		return Value{}
	}
	a, _, ok := splitPort(v.Bytes)
	if !ok {
		return Value{}
	}
	return Value{Kind: IP, Addr: a}
}

func makeHeaderNames(of head) maker {
	return func(c call) (source, *Error) {
		delim := byte(',')
		if d := c.arg(0); d != "" {
			delim = d[0]
		}
		return source{get: func(c *Context) Value {
			m := of(c)
			if m == nil {
				return Value{}
			}
			at := len(c.scratch)
			for i := range m.Len() {
				if i > 0 {
					c.scratch = append(c.scratch, delim)
				}
				name, _ := m.Field(i)
				c.scratch = literal.AppendLower(c.scratch, name)
			}
			return Value{Kind: Str, Bytes: c.since(at)}
		}}, nil
	}
}

// makeHeaderBlock gives the fields as lines with the empty one behind them; names in lower
// case, as the reference keeps them.
func makeHeaderBlock(of head) maker {
	return plain(func(c *Context) Value {
		m := of(c)
		if m == nil {
			return Value{}
		}
		at := len(c.scratch)
		for i := range m.Len() {
			name, v := m.Field(i)
			c.scratch = literal.AppendLower(c.scratch, name)
			c.scratch = append(c.scratch, ": "...)
			c.scratch = append(c.scratch, v...)
			c.scratch = append(c.scratch, "\r\n"...)
		}
		c.scratch = append(c.scratch, "\r\n"...)
		return Value{Kind: Bin, Bytes: c.since(at)}
	})
}
