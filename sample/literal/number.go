package literal

import "strconv"

// Number reads a decimal number with an optional sign and nothing else.
func Number(s string) (int64, bool) {
	digits := s
	if digits != "" && (digits[0] == '+' || digits[0] == '-') {
		digits = digits[1:]
	}
	if digits == "" || digits[0] == '+' || digits[0] == '-' {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// Leading reads a decimal number from the beginning of b and stops at the first other byte.
func Leading(b []byte) (n int64) {
	negative := false
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		negative = b[0] == '-'
		b = b[1:]
	}
	for _, x := range b {
		if x < '0' || x > '9' {
			break
		}
		d := int64(x - '0')
		if n > (1<<63-1-d)/10 {
			n = 1<<63 - 1
			break
		}
		n = n*10 + d
	}
	if negative {
		return -n
	}
	return n
}
