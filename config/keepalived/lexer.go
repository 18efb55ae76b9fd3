package keepalived

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/verdict"
)

// tokenKind tells words from the two braces, which count only outside quotes.
type tokenKind uint8

const (
	wordToken tokenKind = iota
	openToken
	closeToken
)

// token is one word or brace of a line.
type token struct {
	kind tokenKind
	// text is the word as plain keywords read it: quotes removed, touching pieces
	// joined, \# and \! unescaped, other backslashes kept (a password may hold one).
	text string
	// raw is the word as written, with quotes and backslashes, for commands.
	raw    string
	quoted bool // any part was in quotes
	pos    config.Position
}

// longLine is the length in bytes that Keepalived 2.2.7 no longer reads as one line.
const longLine = 1024

const byteOrderMark = "\ufeff"

// lex splits a file into lines of tokens, without comments and blank lines. Lines
// end in LF or CRLF; the last needs no end.
func lex(file string, data []byte, r *verdict.Report) [][]token {
	var lines [][]token
	for n := 1; len(data) > 0; n++ {
		text, rest, _ := bytes.Cut(data, []byte{'\n'})
		data = rest
		s := lineScanner{text: string(bytes.TrimSuffix(text, []byte{'\r'})),
			pos: config.Position{File: file, Line: n, Col: 1}, report: r}
		if n == 1 && strings.HasPrefix(s.text, byteOrderMark) {
			// Differs from Keepalived: a byte order mark at the start of a file is skipped.
			// There it becomes part of the first word, which is then unknown.
			r.Tolerate(s.pos, "byte-order-mark", "the file starts with a UTF-8 byte order mark",
				"save it without one; keepalived does not know the first word then")
			s.at = len(byteOrderMark)
		}
		if tokens := s.scan(); len(tokens) > 0 {
			lines = append(lines, tokens)
		}
	}
	return lines
}

// lineScanner cuts one line into tokens. pos is its beginning.
type lineScanner struct {
	text   string
	at     int
	pos    config.Position
	report *verdict.Report
	// wholeLine: braces are no tokens on this line, as in include a.{b,c}.
	wholeLine bool
}

func (s *lineScanner) place(at int) config.Position {
	p := s.pos
	p.Col = at + 1
	return p
}

func (s *lineScanner) scan() []token {
	if i := strings.IndexByte(s.text, 0); i >= 0 {
		s.report.Bad(s.place(i), "nul-byte", "the line holds a NUL byte", "is this a text file?")
		return nil
	}
	var tokens []token
	for {
		t, ok := s.next()
		if !ok {
			break
		}
		tokens = append(tokens, t)
		s.wholeLine = isInclude(tokens[0].text)
	}
	if text := strings.TrimRight(s.text, " \t"); len(tokens) > 0 && len(text) >= longLine {
		// Differs from Keepalived: a line may have any length. There it is cut after 1023
		// bytes, and the rest is read as another.
		s.report.Tolerate(s.pos, "long-line",
			fmt.Sprintf("the line has %d bytes; keepalived cuts it after %d", len(text), longLine-1), "")
	}
	return tokens
}

// isSpace is C's isspace without the newline, which lines do not hold.
func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// isComment reports whether c starts a comment that runs to the end of the line.
func isComment(c byte) bool { return c == '!' || c == '#' }

// next gives the next token, or false at the end of the line or a comment.
func (s *lineScanner) next() (token, bool) {
	for s.at < len(s.text) && isSpace(s.text[s.at]) {
		s.at++
	}
	if s.at >= len(s.text) || isComment(s.text[s.at]) {
		return token{}, false
	}
	start := s.at
	switch c := s.text[start]; {
	case s.wholeLine:
	case c == '{':
		s.at++
		return token{kind: openToken, text: "{", raw: "{", pos: s.place(start)}, true
	case c == '}':
		s.at++
		return token{kind: closeToken, text: "}", raw: "}", pos: s.place(start)}, true
	}
	return s.word(start), true
}

// word reads up to the next space, comment or brace that is not in quotes.
func (s *lineScanner) word(start int) token {
	t := token{pos: s.place(start)}
	var text strings.Builder
	for s.at < len(s.text) {
		switch c := s.text[s.at]; {
		case s.wholeLine && (c == '{' || c == '}'):
			text.WriteByte(c)
			s.at++
		case c == '$' && s.variable() > 0:
			end := s.at + s.variable()
			text.WriteString(s.text[s.at:end])
			s.at = end
		case isSpace(c), isComment(c), c == '{', c == '}':
			t.text, t.raw = text.String(), s.text[start:s.at]
			return t
		case c == '"', c == '\'' && s.singleQuote(start):
			t.quoted = true
			s.quote(c, &text)
		case c == '\\' && s.at+1 < len(s.text):
			if s.text[s.at+1] == '#' || s.text[s.at+1] == '!' {
				// Differs from Keepalived: \# and \! are literal, as in 2.4. In 2.2.7 they
				// start a comment in spite of the backslash.
				s.report.StrictOnly(s.place(s.at), "escape",
					"keepalived 2.2.7 starts a comment here in spite of the backslash", "put the word in quotes")
				s.at++
			} else {
				text.WriteByte(c)
				s.at++
			}
			text.WriteByte(s.text[s.at])
			s.at++
		default:
			text.WriteByte(c)
			s.at++
		}
	}
	t.text, t.raw = text.String(), s.text[start:s.at]
	return t
}

// variable gives the length of the ${NAME} at s.at, or 0 if there is none.
func (s *lineScanner) variable() int {
	rest := s.text[s.at:]
	if !strings.HasPrefix(rest, "${") {
		return 0
	}
	end := strings.IndexByte(rest, '}')
	if end < 0 || !isName(strings.ReplaceAll(rest[2:end], " ", "")) {
		return 0
	}
	return end + 1
}

// singleQuote reports whether the ' at s.at opens a quoted piece: it begins the word
// or touches another piece, and is closed on this line. Any other is an apostrophe,
// as in the password it's.
// Differs from Keepalived: single quotes hold a word together everywhere, as in 2.4.
// In 2.2.7 they do so in commands only.
func (s *lineScanner) singleQuote(start int) bool {
	if s.at > start && s.text[s.at-1] != '"' && s.text[s.at-1] != '\'' {
		return false
	}
	return strings.IndexByte(s.text[s.at+1:], '\'') >= 0
}

// quote reads a quoted piece whose opening quote is at s.at. A backslash keeps the
// closing quote from closing; it stays in the text unless it stands before a quote.
func (s *lineScanner) quote(q byte, text *strings.Builder) {
	open := s.at
	for s.at++; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; {
		case c == q:
			s.at++
			return
		case c == '\\' && q == '"' && s.at+1 < len(s.text):
			s.at++
			if s.text[s.at] != q {
				text.WriteByte(c)
			}
			text.WriteByte(s.text[s.at])
		default:
			text.WriteByte(c)
		}
	}
	s.report.Bad(s.place(open), "unterminated-quote", "the quote that opens here is not closed on this line", "")
}

// q quotes a word of the file for a message, so that odd bytes cannot hurt a terminal.
func q(s string) string { return strconv.Quote(s) }
