package main

import (
	"fmt"
	"io"
	"unicode"
	"unicode/utf8"
)

// terminal writes text that may hold bytes of strangers: of servers' answers, of names in the DNS, of clients. Control
// characters but line ends and tabs, and what is no UTF-8, are written as \u001b, so that a terminal does not obey them; in JSON
// that is the same string.
type terminal struct {
	w    io.Writer
	rest []byte // the beginning of a character
}

func onTerminal(w io.Writer) *terminal { return &terminal{w: w} }

// Write is part of [io.Writer].
func (t *terminal) Write(p []byte) (int, error) {
	in := append(t.rest, p...)
	out := make([]byte, 0, len(in))
	for len(in) > 0 && utf8.FullRune(in) {
		r, n := utf8.DecodeRune(in)
		switch {
		case r == utf8.RuneError && n == 1:
			out = fmt.Appendf(out, `\u%04x`, in[0])
		case unicode.IsControl(r) && r != '\n' && r != '\t':
			out = fmt.Appendf(out, `\u%04x`, r)
		default:
			out = append(out, in[:n]...)
		}
		in = in[n:]
	}
	t.rest = append([]byte(nil), in...)
	if _, err := t.w.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}
