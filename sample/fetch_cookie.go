package sample

import "bytes"

// A cookieReader walks through the cookies of one name: those a client sends back in
// Cookie fields, or those a server sets, one in each Set-Cookie field.
type cookieReader struct {
	name []byte // empty: any
}

// read gives the next value behind at.
func (r cookieReader) read(m Message, at cursor) (value []byte, next cursor, ok bool) {
	set := m.Status() != 0
	field := "cookie"
	if set {
		field = "set-cookie"
	}
	for n := m.Len(); at.field < n; at = (cursor{field: at.field + 1}) {
		name, v := m.Field(at.field)
		if !sameFold(name, field) {
			continue
		}
		for {
			c, more := CookieAt(v, at.offset, set)
			if !more {
				break
			}
			at.offset = c.Next
			if c.Value > 0 && (len(r.name) == 0 || bytes.Equal(v[c.Name:c.NameEnd], r.name)) {
				return v[c.Value:c.ValueEnd], at, true
			}
		}
	}
	return nil, cursor{field: at.field, done: true}, false
}

// makeCookie makes req.cook and its kin: the last cookie of the name, in ACLs all of them. Without a name it is the
// first of all.
func makeCookie(of head) maker {
	return func(c call) (source, *Error) {
		r := cookieReader{name: []byte(c.arg(0))}
		return source{
			get: func(c *Context) Value {
				m := of(c)
				if m == nil {
					return Value{}
				}
				found, at := Value{}, cursor{}
				for {
					v, next, ok := r.read(m, at)
					if !ok {
						return found
					}
					found, at = Value{Kind: Str, Bytes: v}, next
					if len(r.name) == 0 {
						return found
					}
				}
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

// makeCookieCount counts cookies.
// Differs from HAProxy: attributes of Set-Cookie are no cookies. 2.6 counts them where no name is asked for.
func makeCookieCount(of head) maker {
	return func(c call) (source, *Error) {
		r := cookieReader{name: []byte(c.arg(0))}
		return counting(of, r), nil
	}
}

func makeCookieInt(of head) maker {
	return func(c call) (source, *Error) {
		s, err := makeCookie(of)(c)
		if err != nil {
			return source{}, err
		}
		return s.asInt(), nil
	}
}
