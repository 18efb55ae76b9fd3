package sample

import (
	"bytes"
	"fmt"
	"math"
	"strings"

	"github.com/evenkeel/evenkeel/sample/literal"
	"github.com/evenkeel/evenkeel/sample/pattern"
)

// A step is one converter at work. Its input has the kind the converter takes.
type step = func(*Context, Value) Value

// A converterMaker compiles a converter; the arguments have been checked against the signature.
type converterMaker func(call, Files) (step, *Error)

// converterMakers are the converters done here.
var converterMakers = map[string]converterMaker{
	"lower":       simple(toLower),
	"upper":       simple(toUpper),
	"length":      simple(func(_ *Context, v Value) Value { return number(int64(len(v.Bytes))) }),
	"hex":         simple(toHex),
	"hex2i":       simple(hexToInt),
	"base64":      simple(toBase64(base64Std, true)),
	"b64dec":      simple(fromBase64(base64Std, true)),
	"ub64enc":     simple(toBase64(base64URL, false)),
	"ub64dec":     simple(fromBase64(base64URL, false)),
	"url_enc":     makeURLEncode,
	"url_dec":     makeURLDecode,
	"field":       makeField,
	"word":        makeWord,
	"regsub":      makeRegsub,
	"concat":      makeConcat,
	"iif":         makeIif,
	"bytes":       makeBytes,
	"rtrim":       makeTrim(trimRight),
	"ltrim":       makeTrim(trimLeft),
	"cut_crlf":    simple(cutLine),
	"host_only":   simple(hostOnly),
	"port_only":   simple(portOnly),
	"json":        makeJSON,
	"ipmask":      makeIPMask,
	"ltime":       makeTime(true),
	"utime":       makeTime(false),
	"http_date":   makeHTTPDate,
	"sha1":        simple(sha1Sum),
	"sha2":        makeSHA2,
	"crc32":       makeHash(crc32of),
	"crc32c":      makeHash(crc32c),
	"djb2":        makeHash(djb2),
	"sdbm":        makeHash(func(b []byte) uint32 { return sdbm(0, b) }),
	"wt6":         makeHash(wt6),
	"add":         arithmetic(addSaturating),
	"sub":         arithmetic(subSaturating),
	"mul":         arithmetic(mulSaturating),
	"div":         arithmetic(div),
	"mod":         arithmetic(mod),
	"and":         arithmetic(func(a, b int64) int64 { return a & b }),
	"or":          arithmetic(func(a, b int64) int64 { return a | b }),
	"xor":         arithmetic(func(a, b int64) int64 { return a ^ b }),
	"cpl":         unary(func(a int64) int64 { return ^a }),
	"neg":         unary(func(a int64) int64 { return -a }),
	"not":         simple(func(_ *Context, v Value) Value { return boolean(v.Int == 0) }),
	"bool":        simple(func(_ *Context, v Value) Value { return boolean(v.Int != 0) }),
	"odd":         simple(func(_ *Context, v Value) Value { return boolean(v.Int&1 == 1) }),
	"even":        simple(func(_ *Context, v Value) Value { return boolean(v.Int&1 == 0) }),
	"htonl":       simple(htonl),
	"nbsrv":       simple(usableServers),
	"map":         makeMap(pattern.Str, Str),
	"map_str":     makeMap(pattern.Str, Str),
	"map_beg":     makeMap(pattern.Beg, Str),
	"map_end":     makeMap(pattern.End, Str),
	"map_sub":     makeMap(pattern.Sub, Str),
	"map_dir":     makeMap(pattern.Dir, Str),
	"map_dom":     makeMap(pattern.Dom, Str),
	"map_reg":     makeMap(pattern.Reg, Str),
	"map_ip":      makeMap(pattern.IP, Str),
	"map_int":     makeMap(pattern.Int, Str),
	"map_str_int": makeMap(pattern.Str, Int),
	"map_beg_int": makeMap(pattern.Beg, Int),
	"map_end_int": makeMap(pattern.End, Int),
	"map_sub_int": makeMap(pattern.Sub, Int),
	"map_dir_int": makeMap(pattern.Dir, Int),
	"map_dom_int": makeMap(pattern.Dom, Int),
	"map_reg_int": makeMap(pattern.Reg, Int),
	"map_ip_int":  makeMap(pattern.IP, Int),
	"map_int_int": makeMap(pattern.Int, Int),
	"map_str_ip":  makeMap(pattern.Str, IP),
	"map_beg_ip":  makeMap(pattern.Beg, IP),
	"map_end_ip":  makeMap(pattern.End, IP),
	"map_sub_ip":  makeMap(pattern.Sub, IP),
	"map_dir_ip":  makeMap(pattern.Dir, IP),
	"map_dom_ip":  makeMap(pattern.Dom, IP),
	"map_reg_ip":  makeMap(pattern.Reg, IP),
	"map_ip_ip":   makeMap(pattern.IP, IP),
	"map_int_ip":  makeMap(pattern.Int, IP),
}

// simple makes a converter without arguments, or one whose arguments make no difference.
func simple(s step) converterMaker {
	return func(call, Files) (step, *Error) { return s, nil }
}

func unary(f func(int64) int64) converterMaker {
	return simple(func(_ *Context, v Value) Value { return number(f(v.Int)) })
}

// arithmetic makes a converter of the input and a number; the reference also takes variables.
func arithmetic(f func(a, b int64) int64) converterMaker {
	return func(c call, _ Files) (step, *Error) {
		n, ok := literal.Number(c.arg(0))
		if !ok {
			if isVariable(c.arg(0)) {
				return nil, &Error{Message: "variables are not supported yet: " + c.name + " wants a number",
					Unsupported: true}
			}
			return nil, &Error{Message: fmt.Sprintf("%s wants a number, not %s", c.name, quote(c.arg(0)))}
		}
		return func(_ *Context, v Value) Value { return number(f(v.Int, n)) }, nil
	}
}

// isVariable reports whether s is the name of a variable of the reference.
func isVariable(s string) bool {
	scope, name, ok := strings.Cut(s, ".")
	if !ok || name == "" {
		return false
	}
	switch scope {
	case "proc", "sess", "txn", "req", "res", "check":
		return true
	}
	return false
}

func addSaturating(a, b int64) int64 {
	sum := a + b
	switch {
	case a > 0 && b > 0 && sum < 0:
		return math.MaxInt64
	case a < 0 && b < 0 && sum >= 0:
		return math.MinInt64
	}
	return sum
}

func subSaturating(a, b int64) int64 {
	d := a - b
	switch {
	case a >= 0 && b < 0 && d < 0:
		return math.MaxInt64
	case a < 0 && b > 0 && d >= 0:
		return math.MinInt64
	}
	return d
}

func mulSaturating(a, b int64) int64 {
	if a == 0 || b == 0 {
		return 0
	}
	p := a * b
	if p/b == a && (a != -1 || b != math.MinInt64) && (b != -1 || a != math.MinInt64) {
		return p
	}
	if a < 0 == (b < 0) {
		return math.MaxInt64
	}
	return math.MinInt64
}

func div(a, b int64) int64 {
	switch {
	case b == 0, b == -1 && a == math.MinInt64:
		return math.MaxInt64
	}
	return a / b
}

func mod(a, b int64) int64 {
	if b == 0 || b == -1 {
		return 0
	}
	return a % b
}

func htonl(c *Context, v Value) Value {
	at := len(c.scratch)
	n := uint32(v.Int)
	c.scratch = append(c.scratch, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	return Value{Kind: Bin, Bytes: c.since(at)}
}

func usableServers(c *Context, v Value) Value {
	if c.Env == nil {
		return Value{}
	}
	f, ok := c.Env.Backend(string(v.Bytes))
	if !ok {
		return Value{}
	}
	return number(int64(f.Usable))
}

// makeHash makes a hash; a second round of mixing where the argument is 1.
func makeHash(f func([]byte) uint32) converterMaker {
	return func(c call, _ Files) (step, *Error) {
		mixed := c.number(0, 0) != 0
		return func(_ *Context, v Value) Value {
			h := f(v.Bytes)
			if mixed {
				h = avalanche(h)
			}
			return number(int64(h))
		}, nil
	}
}

func makeIif(c call, _ Files) (step, *Error) {
	yes, no := Value{Kind: Str, Bytes: []byte(c.arg(0))}, Value{Kind: Str, Bytes: []byte(c.arg(1))}
	return func(_ *Context, v Value) Value {
		if v.Int != 0 {
			return yes
		}
		return no
	}, nil
}

// makeConcat appends constants; the variable between them has no value here, as one that was never set.
func makeConcat(c call, _ Files) (step, *Error) {
	if v := c.arg(1); v != "" {
		return nil, &Error{Message: "variables are not supported yet: leave out " + quote(v), Unsupported: true}
	}
	tail := c.arg(0) + c.arg(2)
	return func(c *Context, v Value) Value {
		at := len(c.scratch)
		c.scratch = append(append(c.scratch, v.Bytes...), tail...)
		return Value{Kind: Str, Bytes: c.since(at)}
	}, nil
}

// makeBytes cuts bytes out; nothing is left where the offset lies behind the end.
func makeBytes(c call, _ Files) (step, *Error) {
	offset, length := c.number(0, 0), c.number(1, -1)
	if offset < 0 || len(c.args) > 1 && length < 0 {
		return nil, &Error{Message: "bytes counts offset and length from 0"}
	}
	return func(_ *Context, v Value) Value {
		if offset > int64(len(v.Bytes)) {
			return Value{Kind: Bin}
		}
		b := v.Bytes[offset:]
		if length >= 0 && length < int64(len(b)) {
			b = b[:length]
		}
		return Value{Kind: Bin, Bytes: b}
	}, nil
}

func makeIPMask(c call, _ Files) (step, *Error) {
	mask, ok := pattern.ParseMask4(c.arg(0))
	if !ok {
		return nil, &Error{Message: quote(c.arg(0)) + " is no IPv4 mask: a number of bits or four numbers"}
	}
	bits6 := -1
	if s := c.arg(1); s != "" {
		n, ok := literal.Number(s)
		if !ok || n < 0 || n > 128 {
			return nil, &Error{Message: quote(s) + " is no IPv6 mask: a number of bits up to 128"}
		}
		bits6 = int(n)
	}
	return func(_ *Context, v Value) Value {
		switch {
		case v.Addr.Is4() || v.Addr.Is4In6():
			return Value{Kind: IP, Addr: mask.Apply(v.Addr.Unmap())}
		case bits6 >= 0:
			p, err := v.Addr.Prefix(bits6)
			if err != nil {
				return Value{}
			}
			return Value{Kind: IP, Addr: p.Addr()}
		}
		return Value{}
	}, nil
}

// trimRight and trimLeft take characters of a set from an end.
func trimRight(b, set []byte) []byte {
	for len(b) > 0 && bytes.IndexByte(set, b[len(b)-1]) >= 0 {
		b = b[:len(b)-1]
	}
	return b
}

func trimLeft(b, set []byte) []byte {
	for len(b) > 0 && bytes.IndexByte(set, b[0]) >= 0 {
		b = b[1:]
	}
	return b
}

func makeTrim(cut func(b, set []byte) []byte) converterMaker {
	return func(c call, _ Files) (step, *Error) {
		set := []byte(c.arg(0))
		return func(_ *Context, v Value) Value {
			v.Bytes = cut(v.Bytes, set)
			return v
		}, nil
	}
}

func cutLine(_ *Context, v Value) Value {
	if i := bytes.IndexAny(v.Bytes, "\r\n"); i >= 0 {
		v.Bytes = v.Bytes[:i]
	}
	return v
}

// portAt finds the colon in front of a port, -1 where there is none.
func portAt(host []byte) int {
	for i := len(host) - 1; i >= 0; i-- {
		switch {
		case host[i] == ':':
			return i
		case host[i] < '0' || host[i] > '9':
			return -1
		}
	}
	return -1
}

func hostOnly(c *Context, v Value) Value {
	if i := portAt(v.Bytes); i >= 0 {
		v.Bytes = v.Bytes[:i]
	}
	return toLower(c, v)
}

func portOnly(_ *Context, v Value) Value {
	if i := portAt(v.Bytes); i >= 0 {
		return number(literal.Leading(v.Bytes[i+1:]))
	}
	return number(0)
}
