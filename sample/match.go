package sample

import "github.com/evenkeel/evenkeel/sample/pattern"

// compared is what values are turned into first, for each way of comparing them; Any: as they are.
var compared = [...]Kind{
	pattern.Found: Any, pattern.Bool: Bool, pattern.Int: Int, pattern.IP: IP, pattern.Bin: Bin, pattern.Len: Str,
	pattern.Str: Str, pattern.Beg: Str, pattern.Sub: Str, pattern.End: Str, pattern.Dir: Str, pattern.Dom: Str,
	pattern.Reg: Str,
}

// defaultWay names the way of an expression's kind; bytes have none.
func defaultWay(k Kind) string {
	switch k {
	case Bool:
		return "bool"
	case Int:
		return "int"
	case IP, ip6:
		return "ip"
	case Str, verb:
		return "str"
	}
	return ""
}

// match gives the number of a pattern that v is equal to in the set's way, or -1. Unused patterns cost nothing.
func match(p *pattern.Set, c *Context, v Value) int {
	if in := compared[p.Way]; v.Kind != in && in != Any {
		if v = cast(c, v, in); v.Kind == None {
			return -1
		}
	}
	switch p.Way {
	case pattern.Found:
		return 0
	case pattern.Bool:
		return int(v.Int) - 1
	case pattern.Int:
		return p.Number(v.Int)
	case pattern.Len:
		return p.Number(int64(len(v.Bytes)))
	case pattern.IP:
		return p.Addr(v.Addr)
	}
	return p.Text(v.Bytes, &c.scratch)
}

// refused is a pattern's error as one of the rule it stands in.
func refused(err *pattern.Error) *Error {
	return &Error{Message: err.Message, Hint: err.Hint, Unsupported: err.Unsupported}
}
