package haproxy

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/verdict"
)

// word is one word of a line, with quotes and escapes taken away.
type word struct {
	text string
	pos  config.Position
	// plain: text stands in the file exactly so; an offset into it is one into the line.
	plain bool
}

// at is the place of the byte at offset in the word, as far as it is known.
func (w word) at(offset int) config.Position {
	p := w.pos
	if w.plain {
		p.Col += min(max(offset, 0), len(w.text))
	}
	return p
}

// maxWords is how many words HAProxy 2.6 reads of a line.
const maxWords = 64

// maxLine bounds a line; no known one has more than a few thousand bytes.
const maxLine = 1 << 20

const byteOrderMark = "\ufeff"

// scanner cuts one line into words.
type scanner struct {
	text   string
	at     int
	pos    config.Position
	report *verdict.Report
	// variable gives the value of a variable and whether it is set.
	variable func(name string) (string, bool)
	words    []word
	bad      bool
}

func (s *scanner) place(at int) config.Position {
	p := s.pos
	p.Col = at + 1
	return p
}

func (s *scanner) wrong(at int, code, message, hint string) {
	s.report.Bad(s.place(at), code, message, hint)
	s.bad = true
}

// isSpace is C's isspace without the newline, which lines do not hold.
func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// scan gives the words of the line, and false after an error in it.
func (s *scanner) scan() ([]word, bool) {
	switch i := strings.IndexByte(s.text, 0); {
	case i >= 0:
		s.wrong(i, "nul-byte", "the line holds a NUL byte", "is this a text file?")
	case len(s.text) > maxLine:
		s.wrong(0, "long-line", fmt.Sprintf("the line has more than %d bytes", maxLine), "")
	}
	for !s.bad {
		for s.at < len(s.text) && isSpace(s.text[s.at]) {
			s.at++
		}
		if s.at >= len(s.text) || s.text[s.at] == '#' {
			break
		}
		s.word()
	}
	if len(s.words) > maxWords && !s.bad {
		// Differs from HAProxy: a line may have any number of words. 2.6 refuses more than 64.
		s.report.StrictOnly(s.words[maxWords].pos, "too-many-words",
			fmt.Sprintf("haproxy reads %d words of a line, this one has %d", maxWords, len(s.words)),
			"write several lines")
	}
	return s.words, !s.bad
}

// word reads up to the next space or comment outside quotes. A variable in the form
// ${NAME[*]} may end it and begin further ones.
func (s *scanner) word() {
	start := s.at
	var text strings.Builder
	end := func() {
		w := word{text: text.String(), pos: s.place(start)}
		w.plain = w.text == s.text[start:s.at]
		s.words = append(s.words, w)
		text.Reset()
	}
	quote := byte(0)
	opened := 0
	for s.at < len(s.text) && !s.bad {
		c := s.text[s.at]
		switch {
		case quote == 0 && (isSpace(c) || c == '#'):
			end()
			return
		case quote == 0 && (c == '"' || c == '\''):
			quote, opened = c, s.at
			s.at++
		case quote != 0 && c == quote:
			quote = 0
			s.at++
		case c == '\\' && quote != '\'':
			s.escape(quote, &text)
		case c == '$' && quote == '"':
			for i, part := range s.expand() {
				if i > 0 {
					end()
				}
				text.WriteString(part)
			}
		default:
			text.WriteByte(c)
			s.at++
		}
	}
	if quote != 0 && !s.bad {
		s.wrong(opened, "unterminated-quote", "the quote that opens here is not closed on this line", "")
	}
	end()
}

// escape reads a backslash and what it stands for.
func (s *scanner) escape(quote byte, text *strings.Builder) {
	at := s.at
	s.at++
	if s.at == len(s.text) {
		text.WriteByte('\\')
		return
	}
	c := s.text[s.at]
	s.at++
	switch c {
	case ' ', '\\', '"', '\'', '#':
		text.WriteByte(c)
	case 'n':
		text.WriteByte('\n')
	case 'r':
		text.WriteByte('\r')
	case 't':
		text.WriteByte('\t')
	case 'x':
		if s.at+2 > len(s.text) || !isHex(s.text[s.at]) || !isHex(s.text[s.at+1]) {
			s.wrong(at, "bad-escape", `\x needs two hexadecimal digits`, "")
			return
		}
		text.WriteByte(unhex(s.text[s.at])<<4 | unhex(s.text[s.at+1]))
		s.at += 2
	default:
		if c != '$' || quote != '"' {
			text.WriteByte('\\')
		}
		text.WriteByte(c)
	}
}

// expand reads a variable whose $ is at s.at and gives its value; several parts where it
// is to be split into words.
func (s *scanner) expand() []string {
	at := s.at
	s.at++
	brace := s.at < len(s.text) && s.text[s.at] == '{'
	if brace {
		s.at++
	}
	from := s.at
	for s.at < len(s.text) && isNameByte(s.text[s.at], s.at == from) {
		s.at++
	}
	name := s.text[from:s.at]
	if name == "" {
		s.wrong(from, "bad-variable", "a variable's name begins with a letter or _",
			`a dollar sign in double quotes is written \$`)
		return nil
	}
	value, set := s.variable(name)
	if !brace {
		return []string{value}
	}
	rest := s.text[s.at:]
	split := strings.HasPrefix(rest, "[*]")
	if split {
		s.at += len("[*]")
		rest = rest[len("[*]"):]
	}
	if strings.HasPrefix(rest, "-") {
		if end := strings.IndexByte(rest, '}'); end > 0 {
			// Differs from HAProxy: ${NAME-default} is understood, as in 2.8. 2.6 misses the brace.
			s.report.StrictOnly(s.place(at), "variable-default", "haproxy 2.6 has no default values of variables", "")
			if !set || value == "" {
				value = rest[1:end]
			}
			s.at += end
			rest = rest[end:]
		}
	}
	if !strings.HasPrefix(rest, "}") {
		s.wrong(at, "bad-variable", `"}" is missing after the name of the variable`, "")
		return nil
	}
	s.at++
	if parts := strings.Fields(value); split && len(parts) > 1 {
		return parts
	}
	return []string{value}
}

// isNameByte reports whether a variable's name may hold c; a dot begins a pseudo variable.
func isNameByte(c byte, first bool) bool {
	return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' || first && c == '.' || !first && c >= '0' && c <= '9'
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f'
}

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

// q quotes a word of the file for a message, so that odd bytes cannot hurt a terminal.
func q(s string) string { return strconv.Quote(s) }
