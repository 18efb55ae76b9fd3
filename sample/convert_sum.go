package sample

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
)

// sum puts a digest into the scratch space.
func sum(c *Context, digest []byte) Value {
	at := len(c.scratch)
	c.scratch = append(c.scratch, digest...)
	return Value{Kind: Bin, Bytes: c.since(at)}
}

func sha1Sum(c *Context, v Value) Value {
	d := sha1.Sum(v.Bytes)
	return sum(c, d[:])
}

func makeSHA2(c call, _ Files) (step, *Error) {
	switch c.number(0, 256) {
	case 224:
		return func(c *Context, v Value) Value {
			d := sha256.Sum224(v.Bytes)
			return sum(c, d[:])
		}, nil
	case 256:
		return func(c *Context, v Value) Value {
			d := sha256.Sum256(v.Bytes)
			return sum(c, d[:])
		}, nil
	case 384:
		return func(c *Context, v Value) Value {
			d := sha512.Sum384(v.Bytes)
			return sum(c, d[:])
		}, nil
	case 512:
		return func(c *Context, v Value) Value {
			d := sha512.Sum512(v.Bytes)
			return sum(c, d[:])
		}, nil
	}
	return nil, &Error{Message: "sha2 knows 224, 256, 384 and 512 bits, not " + quote(c.arg(0))}
}
