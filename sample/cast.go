package sample

import (
	"encoding/binary"
	"net/netip"
	"strconv"

	"github.com/evenkeel/evenkeel/sample/literal"
)

// castable reports whether the reference turns values of one kind into another at all.
func castable(from, to Kind) bool {
	if from == to || from == Any || to == Any {
		return true
	}
	switch from {
	case Bool:
		return to == Int || to == Str || to == Bin
	case Int:
		return to == Bool || to == IP || to == Str || to == Bin
	case IP:
		return true
	case ip6:
		return to == IP || to == Str || to == Bin
	case Str:
		return true
	case Bin:
		return to == Str
	case verb:
		return to == Str || to == Bin
	}
	return false
}

// cast turns v into a kind (Bool, Int, IP, Str or Bin); the result has Kind None when it cannot be.
func cast(c *Context, v Value, to Kind) Value {
	if v.Kind == to || v.Kind == None {
		return v
	}
	switch to {
	case Bool:
		v = toInt(v)
		if v.Kind == None {
			return v
		}
		v.Kind = Bool
		if v.Int != 0 {
			v.Int = 1
		}
		return v
	case Int:
		return toInt(v)
	case IP:
		return toIP(v)
	case Str:
		if v.Kind == Bin {
			return Value{Kind: Str, Bytes: literal.UntilNUL(v.Bytes)}
		}
		return textOf(c, v, Str)
	case Bin:
		return toBin(c, v)
	}
	return v
}

func toInt(v Value) Value {
	switch v.Kind {
	case Bool, Int:
		return Value{Kind: Int, Int: v.Int}
	case IP:
		if !v.Addr.Is4() {
			return Value{}
		}
		a := v.Addr.As4()
		return Value{Kind: Int, Int: int64(binary.BigEndian.Uint32(a[:]))}
	case Str:
		if len(v.Bytes) == 0 {
			return Value{}
		}
		return Value{Kind: Int, Int: literal.Leading(v.Bytes)}
	}
	return Value{}
}

func toIP(v Value) Value {
	switch v.Kind {
	case Int:
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], uint32(v.Int))
		return Value{Kind: IP, Addr: netip.AddrFrom4(a)}
	case Str:
		if a, ok := literal.Addr(v.Bytes); ok {
			return Value{Kind: IP, Addr: a}
		}
	}
	return Value{}
}

func toBin(c *Context, v Value) Value {
	switch v.Kind {
	case Str:
		v.Kind = Bin
		return v
	case Bool, Int:
		at := len(c.scratch)
		c.scratch = binary.BigEndian.AppendUint64(c.scratch, uint64(v.Int))
		return Value{Kind: Bin, Bytes: c.since(at)}
	case IP:
		at := len(c.scratch)
		if v.Addr.Is4() {
			a := v.Addr.As4()
			c.scratch = append(c.scratch, a[:]...)
		} else {
			a := v.Addr.As16()
			c.scratch = append(c.scratch, a[:]...)
		}
		return Value{Kind: Bin, Bytes: c.since(at)}
	}
	return Value{}
}

// textOf writes numbers and addresses out.
func textOf(c *Context, v Value, as Kind) Value {
	at := len(c.scratch)
	c.scratch = v.AppendTo(c.scratch)
	return Value{Kind: as, Bytes: c.since(at)}
}

// AppendTo writes a value the way it is put into headers and logs.
func (v Value) AppendTo(dst []byte) []byte {
	switch v.Kind {
	case Bool, Int:
		return strconv.AppendInt(dst, v.Int, 10)
	case IP:
		return v.Addr.AppendTo(dst)
	case Str, Bin:
		return append(dst, v.Bytes...)
	}
	return dst
}

// since gives what was appended to the scratch space from at on, with no room to grow into what follows.
func (c *Context) since(at int) []byte { return c.scratch[at:len(c.scratch):len(c.scratch)] }
