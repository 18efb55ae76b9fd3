package sample

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"regexp"

	"github.com/evenkeel/evenkeel/sample/literal"
	"github.com/evenkeel/evenkeel/sample/pattern"
)

func toLower(c *Context, v Value) Value {
	at := len(c.scratch)
	c.scratch = literal.AppendLower(c.scratch, v.Bytes)
	return Value{Kind: Str, Bytes: c.since(at)}
}

func toUpper(c *Context, v Value) Value {
	at := len(c.scratch)
	for _, x := range v.Bytes {
		if x >= 'a' && x <= 'z' {
			x &^= 0x20
		}
		c.scratch = append(c.scratch, x)
	}
	return Value{Kind: Str, Bytes: c.since(at)}
}

func toHex(c *Context, v Value) Value {
	at := len(c.scratch)
	for _, x := range v.Bytes {
		c.scratch = append(c.scratch, upperHex[x>>4], upperHex[x&15])
	}
	return Value{Kind: Str, Bytes: c.since(at)}
}

func hexToInt(_ *Context, v Value) Value {
	n := int64(0)
	for _, x := range v.Bytes {
		d := literal.HexDigit(x)
		if d < 0 {
			return Value{}
		}
		n = n<<4 | int64(d)
	}
	return number(n)
}

var (
	base64Std = base64.StdEncoding
	base64URL = base64.RawURLEncoding
)

func toBase64(enc *base64.Encoding, _ bool) step {
	return func(c *Context, v Value) Value {
		at := len(c.scratch)
		c.scratch = enc.AppendEncode(c.scratch, v.Bytes)
		return Value{Kind: Str, Bytes: c.since(at)}
	}
}

// fromBase64 gives no value for what is not base64. With strict, line ends are not skipped as Go's decoder would.
func fromBase64(enc *base64.Encoding, strict bool) step {
	return func(c *Context, v Value) Value {
		in := v.Bytes
		if bytes.ContainsAny(in, "\r\n") {
			return Value{}
		}
		if !strict {
			in = bytes.TrimRight(in, "=")
		}
		at := len(c.scratch)
		out, err := enc.AppendDecode(c.scratch, in)
		if err != nil {
			return Value{}
		}
		c.scratch = out
		return Value{Kind: Bin, Bytes: c.since(at)}
	}
}

func makeURLEncode(c call, _ Files) (step, *Error) {
	if a := c.arg(0); a != "" && a != "query" {
		return nil, &Error{Message: "url_enc knows the type query only, not " + quote(a)}
	}
	return func(c *Context, v Value) Value {
		at := len(c.scratch)
		for _, x := range v.Bytes {
			if x >= 'a' && x <= 'z' || x >= 'A' && x <= 'Z' || x >= '0' && x <= '9' || x == '-' || x == '.' ||
				x == '_' || x == '~' {
				c.scratch = append(c.scratch, x)
			} else {
				c.scratch = append(c.scratch, '%', upperHex[x>>4], upperHex[x&15])
			}
		}
		return Value{Kind: Str, Bytes: c.since(at)}
	}, nil
}

// makeURLDecode turns %XX into bytes, and + into a blank behind a question mark or, with the argument 1, everywhere.
func makeURLDecode(c call, _ Files) (step, *Error) {
	form := c.number(0, 0) != 0
	return func(c *Context, v Value) Value {
		form, at := form, len(c.scratch)
		for i := 0; i < len(v.Bytes); i++ {
			switch x := v.Bytes[i]; {
			case x == '+' && form:
				c.scratch = append(c.scratch, ' ')
			case x == '%':
				if i+2 >= len(v.Bytes) {
					return Value{}
				}
				hi, lo := literal.HexDigit(v.Bytes[i+1]), literal.HexDigit(v.Bytes[i+2])
				if hi < 0 || lo < 0 {
					return Value{}
				}
				c.scratch = append(c.scratch, byte(hi<<4|lo))
				i += 2
			default:
				form = form || x == '?'
				c.scratch = append(c.scratch, x)
			}
		}
		return Value{Kind: Str, Bytes: c.since(at)}
	}, nil
}

// A cut are the arguments of field and word.
type cut struct {
	index, count int
	delims       [256]bool
	words        bool // empty pieces do not count
}

func newCut(c call, words bool) (*cut, *Error) {
	k := &cut{index: int(c.number(0, 0)), count: int(c.number(2, 1)), words: words}
	if k.index == 0 {
		return nil, &Error{Message: c.name + " counts from 1, or from -1 backwards"}
	}
	if k.count < 0 {
		return nil, &Error{Message: c.name + " cannot take a negative number of pieces"}
	}
	for _, b := range []byte(c.arg(1)) {
		k.delims[b] = true
	}
	return k, nil
}

func makeField(c call, _ Files) (step, *Error) {
	k, err := newCut(c, false)
	if err != nil {
		return nil, err
	}
	return k.run, nil
}

func makeWord(c call, _ Files) (step, *Error) {
	k, err := newCut(c, true)
	if err != nil {
		return nil, err
	}
	return k.run, nil
}

func (k *cut) run(_ *Context, v Value) Value {
	if k.index > 0 {
		v.Bytes = k.forward(v.Bytes)
	} else {
		v.Bytes = k.backward(v.Bytes)
	}
	return v
}

// forward finds the index-th piece and takes count of them, all that follow where count is 0.
func (k *cut) forward(b []byte) []byte {
	seen, pos := 0, 0
	start := -1
	for pos <= len(b) {
		end := pos
		for end < len(b) && !k.delims[b[end]] {
			end++
		}
		if !k.words || end > pos {
			seen++
			if seen == k.index {
				start = pos
				if k.count == 0 {
					return b[start:]
				}
			}
			if start >= 0 && seen == k.index+k.count-1 {
				return b[start:end]
			}
		}
		pos = end + 1
	}
	if start >= 0 {
		return b[start:]
	}
	return b[:0]
}

func (k *cut) backward(b []byte) []byte {
	seen, pos := 0, len(b)
	end := -1
	for pos >= 0 {
		start := pos
		for start > 0 && !k.delims[b[start-1]] {
			start--
		}
		if !k.words || start < pos {
			seen--
			if seen == k.index {
				end = pos
				if k.count == 0 {
					return b[:end]
				}
			}
			if end >= 0 && seen == k.index-k.count+1 {
				return b[start:end]
			}
		}
		pos = start - 1
	}
	if end >= 0 {
		return b[:end]
	}
	return b[:0]
}

// A template is a replacement with the groups \0 to \9.
type template struct {
	parts []templatePart
}

type templatePart struct {
	text  []byte
	group int // -1: text
}

func newTemplate(s string) template {
	var t template
	var text []byte
	flush := func() {
		if len(text) > 0 {
			t.parts = append(t.parts, templatePart{text: text, group: -1})
			text = nil
		}
	}
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '\\' || i+1 == len(s):
			text = append(text, s[i])
		case s[i+1] >= '0' && s[i+1] <= '9':
			flush()
			t.parts = append(t.parts, templatePart{group: int(s[i+1] - '0')})
			i++
		case s[i+1] == 'x' && i+3 < len(s) && literal.HexDigit(s[i+2]) >= 0 && literal.HexDigit(s[i+3]) >= 0:
			text = append(text, byte(literal.HexDigit(s[i+2])<<4|literal.HexDigit(s[i+3])))
			i += 3
		default:
			text = append(text, s[i+1])
			i++
		}
	}
	flush()
	return t
}

// append writes the replacement of a match (the index pairs of regexp) in src.
func (t template) append(dst, src []byte, match []int) []byte {
	for _, p := range t.parts {
		if p.group < 0 {
			dst = append(dst, p.text...)
		} else if 2*p.group+1 < len(match) && match[2*p.group] >= 0 {
			dst = append(dst, src[match[2*p.group]:match[2*p.group+1]]...)
		}
	}
	return dst
}

// makeRegsub makes sed's s command: the first match, or all of them with the flag g.
func makeRegsub(c call, _ Files) (step, *Error) {
	all, fold := false, false
	for _, f := range c.arg(2) {
		switch f {
		case 'g':
			all = true
		case 'i':
			fold = true
		default:
			return nil, &Error{Message: fmt.Sprintf("regsub knows the flags g and i, not %s", quote(string(f)))}
		}
	}
	re, err := pattern.Regexp(c.arg(0), fold)
	if err != nil {
		return nil, refused(err)
	}
	t := newTemplate(c.arg(1))
	return func(c *Context, v Value) Value {
		return Value{Kind: Str, Bytes: replace(c, re, t, v.Bytes, all)}
	}, nil
}

// replace writes src with its matches replaced. It allocates for the match's offsets.
func replace(c *Context, re *regexp.Regexp, t template, src []byte, all bool) []byte {
	at := len(c.scratch)
	rest := src
	for {
		m := re.FindSubmatchIndex(rest)
		if m == nil {
			break
		}
		c.scratch = append(c.scratch, rest[:m[0]]...)
		c.scratch = t.append(c.scratch, rest, m)
		if m[1] == m[0] { // an empty match: step over a byte
			if m[1] == len(rest) {
				rest = nil
				break
			}
			c.scratch = append(c.scratch, rest[m[1]])
			rest = rest[m[1]+1:]
		} else {
			rest = rest[m[1]:]
		}
		if !all {
			break
		}
	}
	c.scratch = append(c.scratch, rest...)
	return c.since(at)
}

// makeJSON escapes a string for use inside the quotes of a JSON string.
func makeJSON(c call, _ Files) (step, *Error) {
	how := c.arg(0)
	switch how {
	case "", "ascii", "utf8", "utf8s", "utf8p", "utf8ps":
	default:
		return nil, &Error{Message: "json knows ascii, utf8, utf8s, utf8p and utf8ps, not " + quote(how)}
	}
	if how != "" && how != "ascii" {
		return nil, &Error{Message: "json(" + how + ") is not supported yet: only json(ascii) is", Unsupported: true}
	}
	return func(c *Context, v Value) Value {
		at := len(c.scratch)
		for _, x := range v.Bytes {
			switch x {
			case '"', '\\', '/':
				c.scratch = append(c.scratch, '\\', x)
			case '\b':
				c.scratch = append(c.scratch, `\b`...)
			case '\f':
				c.scratch = append(c.scratch, `\f`...)
			case '\r':
				c.scratch = append(c.scratch, `\r`...)
			case '\n':
				c.scratch = append(c.scratch, `\n`...)
			case '\t':
				c.scratch = append(c.scratch, `\t`...)
			default:
				if x >= ' ' && x < 0x7f {
					c.scratch = append(c.scratch, x)
				} else {
					c.scratch = append(c.scratch, '\\', 'u', '0', '0', lowerHex[x>>4], lowerHex[x&15])
				}
			}
		}
		return Value{Kind: Str, Bytes: c.since(at)}
	}, nil
}
