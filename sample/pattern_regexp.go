package sample

import (
	"bytes"
	"regexp/syntax"
)

// A plainRegexp is a regular expression that is a string at the beginning, the end, both or
// anywhere, such as \.html$: most of those in rules. It is compared byte by byte.
type plainRegexp struct {
	text       textPattern
	begin, end bool
}

// plainOf recognises a plain expression; nil for any other.
func plainOf(s string, fold bool) *plainRegexp {
	flags := syntax.Perl | syntax.DotNL
	if fold {
		flags |= syntax.FoldCase
	}
	tree, err := syntax.Parse(s, flags)
	if err != nil {
		return nil
	}
	tree = tree.Simplify()
	p := &plainRegexp{text: textPattern{fold: fold}}
	parts := []*syntax.Regexp{tree}
	if tree.Op == syntax.OpConcat {
		parts = tree.Sub
	}
	for i, part := range parts {
		switch part.Op {
		case syntax.OpBeginText:
			if i != 0 {
				return nil
			}
			p.begin = true
		case syntax.OpEndText:
			if i != len(parts)-1 {
				return nil
			}
			p.end = true
		case syntax.OpLiteral:
			for _, r := range part.Rune {
				if r >= 0x80 || part.Flags&syntax.FoldCase != 0 && !fold || !fold && part.Flags&syntax.FoldCase != 0 {
					return nil
				}
				p.text.text = append(p.text.text, byte(r))
			}
		default:
			return nil
		}
	}
	p.text.text = bytes.Clone(p.text.text)
	if fold {
		p.text.text = appendLower(nil, p.text.text)
	}
	return p
}

func (p *plainRegexp) match(b []byte) bool {
	n := len(p.text.text)
	switch {
	case len(b) < n:
		return false
	case p.begin && p.end:
		return len(b) == n && p.text.at(b)
	case p.begin:
		return p.text.at(b[:n])
	case p.end:
		return p.text.at(b[len(b)-n:])
	}
	return p.text.within(b)
}
