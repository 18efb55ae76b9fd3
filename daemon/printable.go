package daemon

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Printable is a writer to a terminal, a journal or a file that people read: bytes that could steer a terminal are
// written as JSON would write them (\u001b), wherever they come from: a peer, a server, a client, a file, or
// somebody who answers in the director's place. Only ends of line and tabs stay.
type Printable struct {
	W    io.Writer
	rest []byte // of a rune whose end has not come yet
}

// Write writes all of b, but for the beginning of a rune at its end, which waits for the rest.
func (p *Printable) Write(b []byte) (int, error) {
	text := append(p.rest, b...)
	whole := len(text)
	for i := max(0, whole-utf8.UTFMax+1); i < whole; i++ {
		if utf8.RuneStart(text[i]) && !utf8.FullRune(text[i:]) {
			whole = i
			break
		}
	}
	if _, err := io.WriteString(p.W, printable(string(text[:whole]), "\n\t")); err != nil {
		return 0, err
	}
	p.rest = append([]byte(nil), text[whole:]...)
	return len(b), nil
}

// printable writes a text with its control characters and broken runes spelled out, but for those to keep. It is not
// spelling.Visible: what a command prints may be JSON, and must still be that.
func printable(text, keep string) string {
	plain := func(r rune) bool {
		return r >= ' ' && r < 0x7f || r > 0x9f && r != utf8.RuneError || strings.ContainsRune(keep, r)
	}
	if strings.IndexFunc(text, func(r rune) bool { return !plain(r) }) < 0 {
		return text
	}
	var b strings.Builder
	for i, r := range text {
		switch {
		case plain(r):
			b.WriteRune(r)
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case r == utf8.RuneError:
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
