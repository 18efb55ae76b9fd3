package sample

import "bytes"

// Cookie is one crumb of a Cookie field, or the pair a Set-Cookie field begins with, as offsets into the field's value.
// Blanks around the name and the value are left out.
type Cookie struct {
	Name, NameEnd   int
	Value, ValueEnd int // Value 0: a crumb without an equals sign, which Name and NameEnd give whole
	Next            int // behind what ends it; beyond the field's length after the last
}

// CookieAt reads the crumb at an offset of a field's value; false: there is none. A semicolon ends it or, in a
// request, a comma (RFC 2965), unless it stands in quotes: as HAProxy reads them. What follows the pair of a
// Set-Cookie are attributes, and no crumbs.
func CookieAt(v []byte, at int, set bool) (c Cookie, ok bool) {
	if at > len(v) || set && at > 0 {
		return Cookie{}, false
	}
	end := cookieEnd(v, at, set)
	c.Next = end + 1
	c.Name, c.NameEnd = unpadded(v, at, end)
	if eq := bytes.IndexByte(v[at:end], '='); eq >= 0 {
		c.Name, c.NameEnd = unpadded(v, at, at+eq)
		c.Value, c.ValueEnd = unpadded(v, at+eq+1, end)
	}
	return c, true
}

// Named says whether a crumb of v has a value and that name; names of cookies are told apart by letter case.
func (c *Cookie) Named(v []byte, name string) bool {
	return c.Value > 0 && string(v[c.Name:c.NameEnd]) == name
}

// cookieEnd knows quotes in values only: a name does not hide what follows it.
func cookieEnd(v []byte, from int, set bool) int {
	quoted, value := false, false
	for i := from; i < len(v); i++ {
		switch {
		case quoted && v[i] == '\\':
			i++
		case v[i] == '=':
			value = true
		case v[i] == '"' && value:
			quoted = !quoted
		case (v[i] == ';' || v[i] == ',' && !set) && !quoted:
			return i
		}
	}
	return len(v)
}

// unpadded narrows v[from:to] by the blanks at its ends.
func unpadded(v []byte, from, to int) (int, int) {
	for from < to && (v[from] == ' ' || v[from] == '\t') {
		from++
	}
	for from < to && (v[to-1] == ' ' || v[to-1] == '\t') {
		to--
	}
	return from, to
}
