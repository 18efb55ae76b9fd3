package literal

import "errors"

// HexDigit is what a hexadecimal digit stands for, -1 for any other byte.
func HexDigit(b byte) int {
	switch {
	case b >= '0' && b <= '9':
		return int(b - '0')
	case b >= 'a' && b <= 'f':
		return int(b-'a') + 10
	case b >= 'A' && b <= 'F':
		return int(b-'A') + 10
	}
	return -1
}

// Hex reads pairs of hexadecimal digits.
func Hex(s string) ([]byte, error) {
	if len(s)%2 != 0 {
		return nil, errors.New("an even number of hexadecimal digits is expected, not " + Quote(s))
	}
	b := make([]byte, 0, len(s)/2)
	for i := 0; i < len(s); i += 2 {
		hi, lo := HexDigit(s[i]), HexDigit(s[i+1])
		if hi < 0 || lo < 0 {
			return nil, errors.New(Quote(s) + " are not hexadecimal digits")
		}
		b = append(b, byte(hi<<4|lo))
	}
	return b, nil
}

// AppendLower appends b with the letters of ASCII in lower case.
func AppendLower(dst, b []byte) []byte {
	for _, x := range b {
		if x >= 'A' && x <= 'Z' {
			x |= 0x20
		}
		dst = append(dst, x)
	}
	return dst
}

// UntilNUL is how the reference turns a block into a string.
func UntilNUL(b []byte) []byte {
	for i, x := range b {
		if x == 0 {
			return b[:i]
		}
	}
	return b
}
