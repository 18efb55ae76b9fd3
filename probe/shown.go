package probe

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// shown is what a server said, fit for a log line, a terminal and a page: control bytes, also those above ASCII, line
// ends and what is no UTF-8 as \xHH.
//
// Differs from HAProxy and Keepalived: they write what a server says in a check as it came.
func shown(s string) string {
	clean := func(r rune) bool {
		return r >= ' ' && (r < 0x7f || r >= 0xa0) && r != utf8.RuneError && r != '\u2028' && r != '\u2029'
	}
	if !strings.ContainsFunc(s, func(r rune) bool { return !clean(r) }) {
		return s
	}
	var out strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if clean(r) {
			out.WriteString(s[i : i+n])
		} else {
			for _, b := range []byte(s[i : i+n]) {
				fmt.Fprintf(&out, `\x%02X`, b)
			}
		}
		i += n
	}
	return out.String()
}
