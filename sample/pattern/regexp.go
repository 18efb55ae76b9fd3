package pattern

import (
	"bytes"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/sample/literal"
)

// CompileRegexp compiles a regular expression as rules and conditions write them; fold: letter case does not
// matter. The error is package regexp's; that of [Regexp] says what to do about it.
//
// Differs from HAProxy: a dot takes line ends, too, so that a client cannot hide behind one.
func CompileRegexp(s string, fold bool) (*regexp.Regexp, error) {
	flags := "(?s)"
	if fold {
		flags = "(?is)"
	}
	return regexp.Compile(flags + wideBlanks(s))
}

// wideBlanks writes \s so that it means what it does to HAProxy's PCRE2: the vertical tab is one, too.
func wideBlanks(s string) string {
	const blanks = `\t\n\v\f\r `
	if !strings.Contains(s, `\s`) && !strings.Contains(s, `\S`) {
		return s
	}
	var b strings.Builder
	inClass := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			switch {
			case s[i] == 'Q': // as it stands up to \E
				end := len(s)
				if n := strings.Index(s[i:], `\E`); n >= 0 {
					end = i + n + 2
				}
				b.WriteString(s[i-1 : end])
				i = end - 1
			case s[i] == 's' && inClass:
				b.WriteString(`\s\v\s`) // a hyphen beside it stays what it is beside \s
			case s[i] == 's':
				b.WriteString("[" + blanks + "]")
			case s[i] == 'S' && !inClass:
				b.WriteString("[^" + blanks + "]")
			default:
				b.WriteString(s[i-1 : i+1])
			}
			continue
		case s[i] == '[' && !inClass:
			inClass = true
			b.WriteByte('[')
			for _, first := range []byte("^]") { // a bracket that comes first is one of the class
				if i+1 < len(s) && s[i+1] == first {
					i++
					b.WriteByte(first)
				}
			}
			continue
		case s[i] == '[' && strings.HasPrefix(s[i:], "[:"): // [:space:] within a class
			if n := strings.Index(s[i:], ":]"); n >= 0 {
				b.WriteString(s[i : i+n+2])
				i += n + 1
				continue
			}
		case s[i] == ']':
			inClass = false
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

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
		p.text.text = literal.AppendLower(nil, p.text.text)
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

// Regexp is CompileRegexp with an error for the operator.
//
// Differs from HAProxy: the language is Go's (RE2), which has neither back references nor
// lookaround; they are refused when the configuration is read. In exchange no expression can
// take more than linear time.
func Regexp(s string, fold bool) (*regexp.Regexp, *Error) {
	re, err := CompileRegexp(s, fold)
	if err == nil {
		return re, nil
	}
	e := &Error{Message: fmt.Sprintf("regular expression %s: %s", quote(s), regexpReason(err))}
	switch {
	case holdsAny(s, "(?=", "(?!", "(?<=", "(?<!"):
		e.Message = fmt.Sprintf("regular expression %s looks around, which is not supported", quote(s))
		e.Hint = "say it with two conditions, one of them negated"
		e.Unsupported = true
	case hasBackReference(s):
		e.Message = fmt.Sprintf("regular expression %s refers back to a group, which is not supported", quote(s))
		e.Unsupported = true
	case holdsAny(s, "++", "*+", "?+", "(?>"):
		e.Hint = "possessive quantifiers are not needed here: leave out the second sign"
		e.Unsupported = true
	}
	return nil, e
}

// regexpReason takes the prefix and our flags out of a message of package regexp.
func regexpReason(err error) string {
	s := strings.TrimPrefix(literal.Printable(err.Error()), "error parsing regexp: ")
	s = strings.Replace(s, "`(?s)", "`", 1)
	return strings.Replace(s, "`(?is)", "`", 1)
}

func holdsAny(s string, parts ...string) bool {
	return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(s, part) })
}

func hasBackReference(s string) bool {
	for i := 0; i+1 < len(s); i++ {
		if s[i] == '\\' {
			if s[i+1] >= '1' && s[i+1] <= '9' {
				return true
			}
			i++
		}
	}
	return false
}
