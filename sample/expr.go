package sample

import (
	"fmt"

	"github.com/evenkeel/evenkeel/sample/literal"
)

// Expr is a compiled sample expression: a fetch and its converters.
type Expr struct {
	text  string
	fetch known
	from  source
	steps []func(*Context, Value) Value
	kind  Kind
	refs  []Reference
	// implied: it asks about the backend it stands in.
	implied bool
}

// A source reads a fact. Exactly one of its functions is called, depending on what uses the expression.
type source struct {
	kind Kind
	// get gives the value outside of ACLs: one value, whichever the reference takes.
	get func(*Context) Value
	// next gives the values one after the other for ACLs, which match if any does, and None after
	// the last; how far it has read is in Context.cursor. nil: get's value is the only one.
	next func(*Context) Value
	// layer6 marks fetches of raw bytes, which have no value in an HTTP proxy's rules.
	layer6 bool
}

// A cursor is where the values of one fetch have been read to.
type cursor struct {
	field, offset int
	done          bool
}

// Reference is a proxy or a server an expression asks for by name; the reader of the
// configuration must see that it exists.
type Reference struct {
	Word            string // the fetch
	Backend, Server string // Server is empty for a whole backend
	Frontend        string // instead of a backend
}

// ParseExpr compiles "fetch(args),converter(args),…" for use at the given point.
func ParseExpr(text string, at Point) (*Expr, error) { return (*ACLs)(nil).ParseExpr(text, at) }

// ParseExpr is the package's ParseExpr, with map files.
func (a *ACLs) ParseExpr(text string, at Point) (*Expr, error) {
	e, used, err := a.ParsePrefix(text, at)
	if err != nil {
		return nil, err
	}
	if used < len(text) {
		return nil, &Error{Offset: used,
			Message: fmt.Sprintf("unexpected %s after %s", quote(text[used:]), quote(text[:used]))}
	}
	return e, nil
}

// ParsePrefix compiles the expression text begins with and returns how much of it was used. No files are read for nil
// ACLs.
func (a *ACLs) ParsePrefix(text string, at Point) (*Expr, int, error) {
	var files Files
	if a != nil {
		files = a.files
	}
	calls, used, bad := splitCalls(text)
	if bad != nil {
		return nil, used, bad
	}
	e, err := compile(calls, files)
	if err != nil {
		return nil, used, err
	}
	e.text = text[:used]
	if err := e.mayStand(at); err != nil {
		return nil, used, err
	}
	return e, used, nil
}

// compile puts a fetch and its converters together.
func compile(calls []call, files Files) (*Expr, error) {
	c := calls[0]
	k, ok := findFetch(c.name)
	if !ok {
		return nil, unknownFetch(c)
	}
	e, err := makeFetch(k, c)
	if err != nil {
		return nil, err
	}
	for _, c := range calls[1:] {
		if err := e.convert(c, files); err != nil {
			return nil, err
		}
	}
	return e, nil
}

func unknownFetch(c call) *Error {
	e := &Error{Offset: c.offset, Message: "unknown fetch " + quote(c.name)}
	if near := nearestFetch(c.name); near != "" {
		e.Hint = "did you mean " + near + "?"
	}
	return e
}

// makeFetch compiles the fetch of c.
func makeFetch(k known, c call) (*Expr, *Error) {
	make, ok := fetchMakers[k.name]
	if !ok {
		return nil, &Error{Offset: c.offset, Message: "fetch " + k.name + " is not supported yet", Unsupported: true}
	}
	if err := checkArgs("fetch", c, k.args); err != nil {
		return nil, err
	}
	src, err := make(c)
	if err != nil {
		err.Offset += c.offset
		return nil, err
	}
	if src.kind == None {
		src.kind = k.kind
	}
	e := &Expr{fetch: k, from: src, kind: src.kind, refs: references(k, c)}
	e.implied = k.args == "backend" && c.arg(0) == ""
	return e, nil
}

// convert adds a converter.
func (e *Expr) convert(c call, files Files) *Error {
	k, ok := findConverter(c.name)
	if !ok {
		err := &Error{Offset: c.offset, Message: "unknown converter " + quote(c.name)}
		if near := nearestConverter(c.name); near != "" {
			err.Hint = "did you mean " + near + "?"
		}
		return err
	}
	make, ok := converterMakers[k.name]
	if !ok {
		return &Error{Offset: c.offset, Message: "converter " + k.name + " is not supported yet", Unsupported: true}
	}
	if err := checkArgs("converter", c, k.args); err != nil {
		return err
	}
	if !castable(e.kind, k.in) {
		return &Error{Offset: c.offset,
			Message: fmt.Sprintf("converter %s wants %s and cannot take %s", k.name, kindName(k.in), kindName(e.kind))}
	}
	step, err := make(c, files)
	if err != nil {
		err.Offset += c.offset
		return err
	}
	e.castTo(k.in)
	e.steps = append(e.steps, step)
	e.kind = k.out
	return nil
}

// castTo adds a cast unless every value has the kind already.
func (e *Expr) castTo(to Kind) {
	if to == Any || to == e.kind || e.kind == verb && to == Str || e.kind == ip6 && to == IP {
		return
	}
	e.steps = append(e.steps, func(c *Context, v Value) Value { return cast(c, v, to) })
	e.kind = to
}

// mayStand refuses a fetch that has no value at a point.
func (e *Expr) mayStand(at Point) *Error {
	k := e.fetch
	points, backend := k.where()
	if at&^Front&^points != 0 {
		needs := needName(points)
		return &Error{Message: fmt.Sprintf("fetch %s needs %s, which is not there at this place", k.name, needs)}
	}
	if e.implied && at&Front != 0 {
		return &Error{Message: fmt.Sprintf("fetch %s in a frontend wants the name of a backend", k.name)}
	}
	if backend && at&Front != 0 {
		return &Error{Message: fmt.Sprintf("fetch %s needs a backend, which a frontend's rules do not have yet",
			k.name)}
	}
	return nil
}

// Eval gives the expression's value; Kind None where it has none.
func (e *Expr) Eval(c *Context) Value {
	v := e.from.get(c)
	return e.apply(c, v)
}

func (e *Expr) apply(c *Context, v Value) Value {
	for _, step := range e.steps {
		if v.Kind == None {
			return v
		}
		v = step(c, v)
	}
	return v
}

// Append writes the expression's value the way a header gets it; nothing where it has none.
func (e *Expr) Append(dst []byte, c *Context) []byte {
	mark := len(c.scratch)
	v := e.Eval(c)
	if v.Kind == Bin {
		v.Bytes = literal.UntilNUL(v.Bytes)
	}
	dst = v.AppendTo(dst)
	c.scratch = c.scratch[:mark]
	return dst
}

// String gives the expression as written.
func (e *Expr) String() string { return e.text }

// References are the proxies and servers the expression asks for by name.
func (e *Expr) References() []Reference { return e.refs }

// kindName names a kind in an operator's words.
func kindName(k Kind) string {
	switch k {
	case Bool:
		return "a boolean"
	case Int:
		return "a number"
	case IP:
		return "an address"
	case ip6:
		return "an IPv6 address"
	case Str:
		return "a string"
	case Bin:
		return "bytes"
	case verb:
		return "a method"
	}
	return "a value"
}
