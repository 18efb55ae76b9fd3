package syslog

import (
	"strconv"
	"time"

	"github.com/evenkeel/evenkeel/config"
)

// A frame writes what stands in front of a line. What changes once a second only is kept.
type frame struct {
	how      config.LogHeader
	facility int
	host     string
	tag      string
	pid      int

	second int64 // that head and tail are of
	head   []byte
	tail   []byte // behind the microseconds
}

// append writes the frame of a line.
func (f *frame) append(dst []byte, severity int, now time.Time) []byte {
	if f.how == config.LogRaw {
		return dst
	}
	if s := now.Unix(); s != f.second || f.head == nil {
		f.refresh(now)
		f.second = s
	}
	switch f.how {
	case config.RFC3164, config.LogLocal:
		return append(f.priority(dst, severity), f.head...)
	case config.RFC5424:
		dst = append(f.priority(dst, severity), f.head...)
		return append(appendMicros(dst, now), f.tail...)
	case config.LogPriority:
		return f.priority(dst, severity)
	case config.LogShort:
		return append(dst, '<', '0'+byte(severity), '>')
	case config.LogTimed:
		dst = append(append(dst, '<', '0'+byte(severity), '>'), f.head...)
		return append(appendMicros(dst, now), f.tail...)
	case config.LogISO:
		dst = append(dst, f.head...)
		return append(appendMicros(dst, now), f.tail...)
	}
	return dst
}

// priority writes <facility*8+severity> (RFC 5424 section 6.2.1).
func (f *frame) priority(dst []byte, severity int) []byte {
	return append(strconv.AppendUint(append(dst, '<'), uint64(f.facility<<3|severity), 10), '>')
}

// refresh writes out the second.
func (f *frame) refresh(now time.Time) {
	f.head, f.tail = f.head[:0], f.tail[:0]
	switch f.how {
	case config.RFC3164, config.LogLocal:
		f.head = now.AppendFormat(f.head, "Jan _2 15:04:05 ")
		if f.how == config.RFC3164 {
			host := f.host
			if host == "" {
				host = "localhost"
			}
			f.head = append(append(f.head, host...), ' ')
		}
		f.head = append(append(f.head, f.tag...), '[')
		f.head = append(strconv.AppendInt(f.head, int64(f.pid), 10), "]: "...)
	case config.RFC5424:
		f.head = now.AppendFormat(append(f.head, "1 "...), "2006-01-02T15:04:05.")
		host := f.host
		if host == "" {
			host = "-"
		}
		f.tail = append(append(append(now.AppendFormat(f.tail, "-07:00 "), host...), ' '), f.tag...)
		f.tail = append(strconv.AppendInt(append(f.tail, ' '), int64(f.pid), 10), " - - "...)
	case config.LogTimed, config.LogISO:
		f.head = now.AppendFormat(f.head, "2006-01-02T15:04:05.")
		f.tail = append(now.AppendFormat(f.tail, "-07:00"), ' ')
	}
}

// appendMicros writes six digits.
func appendMicros(dst []byte, now time.Time) []byte {
	us := now.Nanosecond() / 1000
	return append(dst, '0'+byte(us/100000), '0'+byte(us/10000%10), '0'+byte(us/1000%10), '0'+byte(us/100%10),
		'0'+byte(us/10%10), '0'+byte(us%10))
}
