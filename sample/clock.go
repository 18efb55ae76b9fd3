package sample

import "time"

// A clock holds the last second written out, because most lines of a moment share theirs.
type clock struct {
	second int64
	text   [20]byte // 21/Nov/2026:06:32:22
	set    bool
}

const months = "JanFebMarAprMayJunJulAugSepOctNovDec"

// AppendSecond writes t's second as dd/Mon/yyyy:hh:mm:ss.
func AppendSecond(dst []byte, t time.Time) []byte {
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	dst = append(dst, '0'+byte(day/10), '0'+byte(day%10), '/')
	dst = append(dst, months[3*month-3:3*month]...)
	dst = append(dst, '/')
	dst = appendPadded(dst, int64(year), 4)
	return append(dst, ':', '0'+byte(hour/10), '0'+byte(hour%10), ':', '0'+byte(minute/10), '0'+byte(minute%10),
		':', '0'+byte(second/10), '0'+byte(second%10))
}

// AppendSecond writes t's second in t's own zone as the function does, from the clock where it is the same one.
func (c *Context) AppendSecond(dst []byte, t time.Time) []byte {
	k := &c.clock
	if s := t.Unix(); !k.set || s != k.second {
		text := AppendSecond(k.text[:0], t)
		if len(text) != len(k.text) { // a year beyond 9999
			return append(dst, text...)
		}
		k.second, k.set = s, true
	}
	return append(dst, k.text[:]...)
}
