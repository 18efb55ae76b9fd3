package sample

import "net/netip"

// Kind is the type of a value.
type Kind uint8

// Kinds of values; Any is what an expression of no fixed type has.
const (
	None Kind = iota // there is no value
	Bool
	Int
	IP
	Str
	Bin
	Any
)

// Value is the result of an expression. It is small and copied; Bytes points into the
// message or into the Context's scratch space.
type Value struct {
	Kind  Kind
	Int   int64 // Bool: 0 or 1
	Bytes []byte
	Addr  netip.Addr
}

// Error is a problem of one argument of a rule.
type Error struct {
	// Arg counts from 0 in the arguments given to the parser; Offset is in bytes within it.
	Arg, Offset int
	Message     string // lower case, one line, no full stop
	Hint        string // the cure or the nearest known word; may be empty
	// Unsupported: the reference knows the word, we do not yet.
	Unsupported bool
}

func (e *Error) Error() string { return e.Message }
