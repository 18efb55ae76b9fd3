package sample

import (
	"fmt"
	"strconv"
	"time"
)

// makeTime makes ltime and utime: seconds since 1970 written by strftime's rules, in the C locale.
func makeTime(local bool) converterMaker {
	return func(c call, _ Files) (step, *Error) {
		format, offset := c.arg(0), c.number(1, 0)
		if format == "" {
			return nil, &Error{Message: c.name + " wants a format as strftime's"}
		}
		if bad := unknownConversion(format); bad != "" {
			return nil, &Error{Message: fmt.Sprintf("%s does not know %s of strftime", c.name, quote(bad)),
				Unsupported: true}
		}
		return func(c *Context, v Value) Value {
			t := time.Unix(v.Int+offset, 0)
			if local {
				t = t.In(c.Now.Location())
			} else {
				t = t.UTC()
			}
			at := len(c.scratch)
			c.scratch = appendTime(c.scratch, format, t)
			return Value{Kind: Str, Bytes: c.since(at)}
		}, nil
	}
}

// unknownConversion gives the first conversion of a format that appendTime does not know.
func unknownConversion(format string) string {
	const all = "aAbBcCdDeFgGhHIjklmMnpPrRsStTuUVwWxXyYzZ%"
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			continue
		}
		i++
		if i == len(format) {
			return "%"
		}
		known := false
		for j := range len(all) {
			known = known || all[j] == format[i]
		}
		if !known {
			return format[i-1 : i+1]
		}
	}
	return ""
}

// appendTime is strftime(3).
func appendTime(dst []byte, format string, t time.Time) []byte {
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			dst = append(dst, format[i])
			continue
		}
		i++
		dst = appendConversion(dst, format[i], t)
	}
	return dst
}

// layouts are the conversions that package time has, as it writes them.
var layouts = [256]string{
	'a': "Mon", 'A': "Monday", 'b': "Jan", 'h': "Jan", 'B': "January", 'c': "Mon Jan _2 15:04:05 2006",
	'D': "01/02/06", 'x': "01/02/06", 'e': "_2", 'F': "2006-01-02", 'p': "PM", 'P': "pm", 'r': "03:04:05 PM",
	'R': "15:04", 'T': "15:04:05", 'X': "15:04:05", 'z': "-0700",
}

func appendConversion(dst []byte, conversion byte, t time.Time) []byte {
	if layout := layouts[conversion]; layout != "" {
		return t.AppendFormat(dst, layout)
	}
	switch conversion {
	case 'n':
		return append(dst, '\n')
	case 't':
		return append(dst, '\t')
	case '%':
		return append(dst, '%')
	case 's':
		return strconv.AppendInt(dst, t.Unix(), 10)
	case 'H':
		return appendPadded(dst, int64(t.Hour()), 2)
	case 'I':
		return appendPadded(dst, int64(hour12(t)), 2)
	case 'k':
		return appendBlanked(dst, t.Hour())
	case 'l':
		return appendBlanked(dst, hour12(t))
	case 'M':
		return appendPadded(dst, int64(t.Minute()), 2)
	case 'S':
		return appendPadded(dst, int64(t.Second()), 2)
	case 'Z':
		if t.Location() == time.UTC {
			return append(dst, "GMT"...)
		}
		return t.AppendFormat(dst, "MST")
	}
	return appendDay(dst, conversion, t)
}

func hour12(t time.Time) int { return (t.Hour()+11)%12 + 1 }

// appendDay writes the conversions of a calendar.
func appendDay(dst []byte, conversion byte, t time.Time) []byte {
	isoYear, isoWeek := t.ISOWeek()
	switch conversion {
	case 'C':
		return appendPadded(dst, int64(t.Year()/100), 2)
	case 'd':
		return appendPadded(dst, int64(t.Day()), 2)
	case 'g':
		return appendPadded(dst, int64(isoYear%100), 2)
	case 'G':
		return strconv.AppendInt(dst, int64(isoYear), 10)
	case 'j':
		return appendPadded(dst, int64(t.YearDay()), 3)
	case 'm':
		return appendPadded(dst, int64(t.Month()), 2)
	case 'u':
		return append(dst, '0'+byte((t.Weekday()+6)%7+1))
	case 'U':
		return appendPadded(dst, int64((t.YearDay()+6-int(t.Weekday()))/7), 2)
	case 'V':
		return appendPadded(dst, int64(isoWeek), 2)
	case 'w':
		return append(dst, '0'+byte(t.Weekday()))
	case 'W':
		return appendPadded(dst, int64((t.YearDay()+6-(int(t.Weekday())+6)%7)/7), 2)
	case 'y':
		return appendPadded(dst, int64(t.Year()%100), 2)
	case 'Y':
		return strconv.AppendInt(dst, int64(t.Year()), 10)
	}
	return append(dst, '%', conversion)
}

// appendPadded writes n with leading zeros.
func appendPadded(dst []byte, n int64, width int) []byte {
	if n < 0 {
		return strconv.AppendInt(dst, n, 10)
	}
	for limit := int64(10); width > 1; width, limit = width-1, limit*10 {
		if n < limit {
			for range width - 1 {
				dst = append(dst, '0')
			}
			break
		}
	}
	return strconv.AppendInt(dst, n, 10)
}

// appendBlanked writes a number below 100 with a leading blank.
func appendBlanked(dst []byte, n int) []byte {
	if n < 10 {
		dst = append(dst, ' ')
	}
	return strconv.AppendInt(dst, int64(n), 10)
}

// makeHTTPDate writes seconds since 1970 as RFC 9110 section 5.6.7 has it.
func makeHTTPDate(c call, _ Files) (step, *Error) {
	offset := c.number(0, 0)
	if unit := c.arg(1); unit != "" && unit != "s" {
		return nil, &Error{Message: "http_date counts in seconds here, not in " + quote(unit), Unsupported: true}
	}
	return func(c *Context, v Value) Value {
		at := len(c.scratch)
		c.scratch = time.Unix(v.Int+offset, 0).UTC().AppendFormat(c.scratch, "Mon, 02 Jan 2006 15:04:05 GMT")
		return Value{Kind: Str, Bytes: c.since(at)}
	}, nil
}
