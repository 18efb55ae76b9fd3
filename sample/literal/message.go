package literal

import "strings"

// Quote gives text for a message: without control bytes and not too long.
func Quote(text string) string {
	const most = 60
	cut := false
	if len(text) > most {
		text, cut = text[:most], true
	}
	text = Printable(text)
	if cut {
		text += "…"
	}
	return "'" + text + "'"
}

// Printable puts a dot in place of each control byte, so that a message that repeats text of a file is one line and
// tells a terminal nothing.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '.'
		}
		return r
	}, strings.ToValidUTF8(text, "�"))
}
