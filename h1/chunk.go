package h1

// chunkState is where a chunked body stands (RFC 9112 §7.1).
type chunkState uint8

const (
	csSize      chunkState = iota // digits of a chunk's size
	csExtension                   // from the byte after them to the end of the line: left out
	csSizeLF
	csData
	csDataCR
	csDataLF
	csTrailer // first byte of a trailer line
	csName
	csValue
	csValueLF
	csEndLF
	csDone
	csFailed
)

// Limits of what surrounds the payload.
const (
	maxSizeDigits = 16    // with leading zeros
	maxExtension  = 4096  // bytes after one size
	maxTrailers   = 16384 // bytes of all trailers
)

const maxChunk = 1<<60 - 1 // as HAProxy

// chunkLine is what must be remembered of a line that came in pieces.
type chunkLine struct {
	length  int // bytes of the line, for size lines; of all lines, for trailers
	digits  int
	ext     bool     // the extension has begun
	name    [17]byte // of a trailer, in lower case
	nameLen int
}

// output gathers what to forward: one piece of data as long as what is kept is adjacent,
// else a copy in scratch.
type output struct {
	data, scratch []byte
	from, to      int
	copied        bool
}

// keep adds data[i:j] and says whether there was room.
func (o *output) keep(i, j int) bool {
	switch {
	case o.copied:
		if len(o.scratch)+j-i > cap(o.scratch) {
			return false
		}
		o.scratch = append(o.scratch, o.data[i:j]...)
	case o.from == o.to:
		o.from, o.to = i, j
	case o.to == i:
		o.to = j
	default:
		if o.to-o.from+j-i > cap(o.scratch) {
			return false
		}
		o.scratch = append(append(o.scratch[:0], o.data[o.from:o.to]...), o.data[i:j]...)
		o.copied = true
	}
	return true
}

func (o *output) bytes() []byte {
	if o.copied {
		return o.scratch
	}
	return o.data[o.from:o.to:o.to]
}

// chunks is Next for chunked bodies.
// Differs from HAProxy: it takes LF for CRLF in chunk framing, which RFC 9112 allows
// for heads only, any number of leading zeros, and re-cuts chunks; we pass the sender's.
func (b *Body) chunks(data, scratch []byte, as Transfer) ([]byte, int, error) {
	o := output{data: data, scratch: scratch}
	i := 0
	for i < len(data) && b.state < csDone {
		if b.state == csData {
			n := len(data) - i
			if int64(n) > b.remaining {
				n = int(b.remaining)
			}
			if as != Drop && !o.keep(i, i+n) {
				break
			}
			b.payload += int64(n)
			if b.remaining -= int64(n); b.remaining == 0 {
				b.state = csDataCR
			}
			i += n
			continue
		}
		c := data[i]
		if as == AsIs && !b.dropped(c) && !o.keep(i, i+1) {
			break
		}
		if reason := b.step(c); reason != "" {
			return nil, 0, b.fail(i, reason)
		}
		i++
	}
	if b.state == csFailed {
		return nil, 0, &b.err
	}
	b.consumed += int64(i)
	return o.bytes(), i, nil
}

// dropped says whether c is not passed on: chunk extensions and white space before them.
func (b *Body) dropped(c byte) bool {
	return b.state == csExtension && c != '\r' || b.state == csSize && (c == ';' || c == ' ' || c == '\t')
}

// step takes one byte of framing.
func (b *Body) step(c byte) (reason string) {
	switch b.state {
	case csSize:
		return b.size(c)
	case csExtension:
		return b.extension(c)
	case csSizeLF:
		return b.sizeLF(c)
	case csDataCR:
		if c != '\r' {
			return "chunk longer than its size"
		}
		b.state = csDataLF
	case csDataLF:
		if c != '\n' {
			return "CR without LF after chunk"
		}
		b.state = csSize
		b.chunk = chunkLine{}
	default:
		return b.trailer(c)
	}
	return ""
}

func (b *Body) size(c byte) (reason string) {
	var v int64
	switch {
	case digit(c):
		v = int64(c - '0')
	case 'a' <= c && c <= 'f':
		v = int64(c-'a') + 10
	case 'A' <= c && c <= 'F':
		v = int64(c-'A') + 10
	case b.chunk.digits == 0:
		return "chunk without size"
	case c == '\r':
		b.state = csSizeLF
		return ""
	case c == ';' || c == ' ' || c == '\t':
		b.state = csExtension
		b.chunk.length = 1
		if c == ';' {
			b.chunk.ext = true
		}
		return ""
	default:
		return "invalid byte in chunk size"
	}
	b.chunk.digits++
	if b.remaining > maxChunk>>4 || b.chunk.digits > maxSizeDigits {
		return "chunk size too large"
	}
	b.remaining = b.remaining<<4 | v
	return ""
}

// extension skips to the end of the size's line: white space, then nothing or ';' and text.
func (b *Body) extension(c byte) (reason string) {
	b.chunk.length++
	switch {
	case c == '\r':
		b.state = csSizeLF
	case c == '\n':
		return "LF without CR in chunk size"
	case b.chunk.length > maxExtension:
		return "chunk extension too long"
	case c < ' ' && c != '\t' || c == 0x7f:
		return "control byte in chunk extension"
	case c == ';':
		b.chunk.ext = true
	case c != ' ' && c != '\t' && !b.chunk.ext:
		return "invalid byte in chunk size"
	}
	return ""
}

func (b *Body) sizeLF(c byte) (reason string) {
	if c != '\n' {
		return "CR without LF in chunk size"
	}
	b.chunk = chunkLine{}
	if b.remaining == 0 {
		b.state = csTrailer
	} else {
		b.state = csData
	}
	return ""
}

// trailer takes one byte of the trailer section (RFC 9112 §7.1.2). It may have one field less than a head
// (tune.http.maxhdr), as with HAProxy.
func (b *Body) trailer(c byte) (reason string) {
	if b.chunk.length++; b.chunk.length > maxTrailers {
		return "trailers too large"
	}
	switch b.state {
	case csTrailer:
		b.chunk.nameLen = 0
		switch c {
		case '\r':
			b.state = csEndLF
			return ""
		case ' ', '\t':
			return "folded line in trailers"
		}
		if b.trailers--; b.trailers < 0 {
			return "too many trailers"
		}
		b.state = csName
		return b.trailerName(c)
	case csName:
		return b.trailerName(c)
	case csValue:
		switch {
		case c == '\r':
			b.state = csValueLF
		case c == '\n':
			return "LF without CR in trailers"
		case c == 0 || b.status == 400 && (c < ' ' && c != '\t' || c == 0x7f):
			return "control byte in trailers"
		}
	case csValueLF, csEndLF:
		if c != '\n' {
			return "CR without LF in trailers"
		}
		if b.state == csEndLF {
			b.state = csDone
		} else {
			b.state = csTrailer
		}
	}
	return ""
}

// trailerName collects a trailer's name.
// Differs from HAProxy: besides Transfer-Encoding, which it refuses too, names that tell
// a message's length or destination are refused (RFC 9110 §6.5.1): a receiver that merges
// trailers into the head would be misled.
func (b *Body) trailerName(c byte) (reason string) {
	l := &b.chunk
	if c != ':' {
		if class[c]&isToken == 0 {
			return "invalid byte in trailer name"
		}
		if l.nameLen < len(l.name) {
			l.name[l.nameLen] = lower[c]
		}
		l.nameLen++
		return ""
	}
	if l.nameLen == 0 {
		return "trailer without name"
	}
	if l.nameLen <= len(l.name) {
		switch string(l.name[:l.nameLen]) {
		case "transfer-encoding", "content-length", "host":
			return "framing or routing field in trailers"
		}
	}
	b.state = csValue
	return ""
}
