package sample

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/evenkeel/evenkeel/sample/literal"
)

// A call is one word of an expression with its arguments.
type call struct {
	name   string
	args   []string
	offset int // of the name in the text
}

func isNameByte(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '.' || b == '_' || b == '-' ||
		b == ':' || b == '+'
}

// splitCalls reads "fetch(args),converter(args),…" and returns how much of text it used.
func splitCalls(text string) (calls []call, used int, err *Error) {
	pos := 0
	for {
		for len(calls) > 0 && pos < len(text) && text[pos] == ',' {
			pos++ // the reference takes any number of commas
		}
		if len(calls) > 0 && (pos == len(text) || !isNameByte(text[pos]) && text[pos] != '(') {
			return calls, pos, nil
		}
		start := pos
		for pos < len(text) && isNameByte(text[pos]) {
			pos++
		}
		c := call{name: text[start:pos], offset: start}
		if pos < len(text) && text[pos] == '(' {
			c.args, pos, err = splitArgs(text, pos+1)
			if err != nil {
				return nil, pos, err
			}
		}
		if c.name == "" {
			what := "a fetch"
			if len(calls) > 0 {
				what = "a converter"
			}
			return nil, pos, &Error{Offset: start, Message: fmt.Sprintf("%s is missing in %s", what, quote(text))}
		}
		calls = append(calls, c)
		if pos >= len(text) || text[pos] != ',' {
			return calls, pos, nil
		}
		pos++
	}
}

// splitArgs reads arguments from behind the opening parenthesis to behind the closing one.
// Single quotes keep everything, double quotes keep blanks and commas, a backslash keeps
// the next character.
func splitArgs(text string, pos int) (args []string, end int, err *Error) {
	var arg strings.Builder
	quoted := byte(0)
	for start := pos; pos < len(text); pos++ {
		b := text[pos]
		switch {
		case b == '\\' && quoted != '\'' && pos+1 < len(text):
			pos++
			writeEscaped(&arg, text[pos], quoted)
		case quoted != 0 && b == quoted:
			quoted = 0
		case quoted != 0:
			arg.WriteByte(b)
		case b == '"' || b == '\'':
			quoted = b
		case b == ',':
			args = append(args, arg.String())
			arg.Reset()
		case b == ')':
			if len(args) > 0 || arg.Len() > 0 || pos > start {
				args = append(args, arg.String())
			}
			return args, pos + 1, nil
		default:
			arg.WriteByte(b)
		}
	}
	if quoted != 0 {
		return nil, pos, &Error{Offset: len(text),
			Message: fmt.Sprintf("the closing %c is missing in %s", quoted, quote(text))}
	}
	return nil, pos, &Error{Offset: len(text), Message: fmt.Sprintf("the closing ) is missing in %s", quote(text))}
}

// writeEscaped writes what a backslash followed by b stands for; other pairs stay as they are.
func writeEscaped(arg *strings.Builder, b, quoted byte) {
	switch b {
	case '\\', '"', '\'', ' ', ',', '(', ')', '#':
		arg.WriteByte(b)
	case 'r':
		arg.WriteByte('\r')
	case 'n':
		arg.WriteByte('\n')
	case 't':
		arg.WriteByte('\t')
	default:
		arg.WriteByte('\\')
		arg.WriteByte(b)
	}
}

// quote gives text for a message.
func quote(text string) string { return literal.Quote(text) }

// checkArgs compares arguments with a signature such as "string[,integer]": their number, and integers.
func checkArgs(kind string, c call, signature string) *Error {
	least, types := 0, []string{}
	optional := false
	for _, t := range strings.FieldsFunc(strings.NewReplacer("[", ",[,", "]", "").Replace(signature),
		func(r rune) bool { return r == ',' }) {
		if t == "[" {
			optional = true
			continue
		}
		types = append(types, t)
		if !optional {
			least++
		}
	}
	if len(c.args) > len(types) {
		if len(types) == 0 {
			return &Error{Offset: c.offset, Message: fmt.Sprintf("%s %s takes no argument", kind, c.name)}
		}
		return &Error{Offset: c.offset,
			Message: fmt.Sprintf("%s %s takes at most %d arguments, not %d", kind, c.name, len(types), len(c.args))}
	}
	if len(c.args) < least && !(least == 1 && (types[0] == "string" || impliedArgument[types[0]])) {
		return &Error{Offset: c.offset, Message: fmt.Sprintf("%s %s wants %s", kind, c.name, signatureWords(signature))}
	}
	for i, a := range c.args {
		if types[i] != "integer" {
			continue
		}
		if _, err := strconv.ParseInt(a, 10, 64); err != nil {
			return &Error{Offset: c.offset,
				Message: fmt.Sprintf("argument %d of %s must be a number, not %s", i+1, c.name, quote(a))}
		}
	}
	return nil
}

// impliedArgument are types whose absence means the proxy the expression stands in.
var impliedArgument = map[string]bool{"backend": true, "frontend": true, "server": true, "table": true}

func signatureWords(signature string) string { return "(" + signature + ")" }

// arg gives an argument or "".
func (c call) arg(i int) string {
	if i < len(c.args) {
		return c.args[i]
	}
	return ""
}

// number gives an integer argument that checkArgs has seen, or what stands for its absence.
func (c call) number(i int, absent int64) int64 {
	if i >= len(c.args) || c.args[i] == "" {
		return absent
	}
	n, _ := strconv.ParseInt(c.args[i], 10, 64)
	return n
}
