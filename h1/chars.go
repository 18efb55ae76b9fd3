package h1

import (
	"encoding/binary"
	"math/bits"
)

// Classes of bytes.
const (
	isToken  = 1 << iota // tchar, RFC 9110 §5.6.2
	isHost               // reg-name and IP literals, RFC 3986 §3.2.2
	isScheme             // RFC 3986 §3.1, after its first letter
)

var class = func() (t [256]uint8) {
	mark := func(bit uint8, chars string) {
		for c := '0'; c <= '9'; c++ {
			t[c] |= bit
		}
		for c := 'a'; c <= 'z'; c++ {
			t[c] |= bit
			t[c-'a'+'A'] |= bit
		}
		for _, c := range chars {
			t[c] |= bit
		}
	}
	mark(isToken, "!#$%&'*+-.^_`|~")
	mark(isHost, "-._~%!$&'()*+,;=")
	mark(isScheme, "+-.")
	return
}()

var lower = func() (t [256]byte) {
	for i := range t {
		t[i] = byte(i)
		if 'A' <= i && i <= 'Z' {
			t[i] += 'a' - 'A'
		}
	}
	return
}()

func equalFold[S string | []byte](b []byte, s S) bool {
	if len(b) != len(s) {
		return false
	}
	for i, c := range b {
		if lower[c] != lower[s[i]] {
			return false
		}
	}
	return true
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// The two scanners below look at eight bytes at a time. For a word w without bytes
// above 0x7f, (w - n*ones) & ^w & highs marks bytes below n; a borrow can only spoil
// marks above the first true one, and only the first is used.

// textEnd is the first place from i on that is not field text: a control byte other
// than what the caller lets pass, or len(b).
func textEnd(b []byte, i int) int {
	for ; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		del := w ^ 0x7f*ones
		if m := ((w-0x20*ones)&^w | (del-ones)&^del) & highs; m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
	}
	for ; i < len(b); i++ {
		if b[i] < ' ' || b[i] == 0x7f {
			return i
		}
	}
	return i
}

// targetEnd is the first place from i on that cannot be in a request target: anything
// but visible ASCII, and '#'.
func targetEnd(b []byte, i int) int {
	for ; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		del := w ^ 0x7f*ones
		hash := w ^ '#'*ones
		if m := ((w-0x21*ones)&^w | (del-ones)&^del | (hash-ones)&^hash | w) & highs; m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
	}
	for ; i < len(b); i++ {
		if c := b[i]; c <= ' ' || c >= 0x7f || c == '#' {
			return i
		}
	}
	return i
}

// nameEnd is the first place from i on that cannot be in a field name.
func nameEnd(b []byte, i int) int {
	for i+8 <= len(b) {
		w := binary.LittleEndian.Uint64(b[i:])
		if w&highs != 0 {
			break
		}
		letters := w | 0x20*ones // '@' and '[' to '_' become bytes that are no letters either, but '-' stays itself
		odd := highs &^ ((letters+(0x80-'a')*ones)&^(letters+(0x7f-'z')*ones) | ^((w ^ '-'*ones) + 0x7f*ones))
		if odd == 0 {
			i += 8
			continue
		}
		i += bits.TrailingZeros64(odd) >> 3
		if class[b[i]]&isToken == 0 {
			return i
		}
		i++ // a digit or another rare one
	}
	for i < len(b) && class[b[i]]&isToken != 0 {
		i++
	}
	return i
}

// trim removes spaces and tabs from both ends.
func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// nextInList cuts the first element off a comma-separated list, trimmed.
func nextInList(list []byte) (element, rest []byte, more bool) {
	for i, c := range list {
		if c == ',' {
			return trim(list[:i]), list[i+1:], true
		}
	}
	return trim(list), nil, false
}
