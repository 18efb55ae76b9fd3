package spelling

import "unicode/utf8"

// Visible is a text of whatever origin, fit for a log line, a terminal and a page: control characters, also those
// above ASCII, line ends and what is no UTF-8 are written as \xHH, byte for byte.
func Visible(text string) string {
	for i, r := range text {
		if isPlain(r) {
			continue
		}
		if _, n := utf8.DecodeRuneInString(text[i:]); r != utf8.RuneError || n == 1 {
			return string(AppendVisible(make([]byte, 0, len(text)+16), text))
		}
	}
	return text
}

// AppendVisible appends what Visible gives.
func AppendVisible(out []byte, text string) []byte {
	const hex = "0123456789ABCDEF"
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		if isPlain(r) || r == utf8.RuneError && n > 1 {
			out = append(out, text[i:i+n]...)
		} else {
			for _, b := range []byte(text[i : i+n]) {
				out = append(out, '\\', 'x', hex[b>>4], hex[b&15])
			}
		}
		i += n
	}
	return out
}

// isPlain says of all but the replacement character, which may stand for a broken byte, whether it is no control
// character and ends no line.
func isPlain(r rune) bool {
	return r >= ' ' && r < 0x7f || r >= 0xa0 && r != '\u2028' && r != '\u2029' && r != utf8.RuneError
}
