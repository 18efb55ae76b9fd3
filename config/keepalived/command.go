package keepalived

import "strings"

// splitCommand cuts the text of a quoted command into words. Inside it, both kinds
// of quotes hold words together and a backslash makes the next byte ordinary, or a
// control byte as in C.
func splitCommand(text string) []string {
	var words []string
	for i := 0; i < len(text); {
		if isSpace(text[i]) {
			i++
			continue
		}
		word, used := commandWord(text[i:])
		words = append(words, word)
		i += used
	}
	return words
}

// unescape reads one word as written, taking quotes and escapes away.
func unescape(raw string) string {
	var all strings.Builder
	for len(raw) > 0 {
		word, used := commandWord(raw)
		all.WriteString(word)
		raw = raw[used:]
		if used == 0 {
			all.WriteByte(raw[0])
			raw = raw[1:]
		}
	}
	return all.String()
}

// commandWord reads the word at the start of text and gives how many bytes it took.
func commandWord(text string) (string, int) {
	var word strings.Builder
	var quote byte
	i := 0
	for i < len(text) {
		c := text[i]
		switch {
		case quote == 0 && isSpace(c):
			return word.String(), i
		case c == quote:
			quote = 0
			i++
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
			i++
		case c == '\\' && quote != '\'' && i+1 < len(text):
			b, used := escape(text[i+1:])
			word.WriteByte(b)
			i += 1 + used
		default:
			word.WriteByte(c)
			i++
		}
	}
	return word.String(), i
}

// escape reads what follows a backslash: \a \b \E \f \n \r \t \v, octal \NNN, \xHH,
// \cC, or the byte itself.
func escape(text string) (byte, int) {
	switch c := text[0]; c {
	case 'a':
		return '\a', 1
	case 'b':
		return '\b', 1
	case 'E', 'e':
		return 0x1b, 1
	case 'f':
		return '\f', 1
	case 'n':
		return '\n', 1
	case 'r':
		return '\r', 1
	case 't':
		return '\t', 1
	case 'v':
		return '\v', 1
	case 'c':
		if len(text) > 1 {
			return text[1] & 0x1f, 2
		}
	case 'x':
		if b, used := digits(text[1:], 16, 2); used > 0 && b != 0 {
			return b, 1 + used
		}
	case '0', '1', '2', '3':
		if b, used := digits(text, 8, 3); used > 0 && b != 0 {
			return b, used
		}
	}
	return text[0], 1
}

// digits reads up to limit digits of a base.
func digits(text string, base, limit int) (byte, int) {
	n, used := 0, 0
	for used < limit && used < len(text) {
		d := strings.IndexByte("0123456789abcdef", text[used]|0x20)
		if text[used] >= '0' && text[used] <= '9' {
			d = int(text[used] - '0')
		}
		if d < 0 || d >= base {
			break
		}
		n = n*base + d
		used++
	}
	return byte(n), used
}
