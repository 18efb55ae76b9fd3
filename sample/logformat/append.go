package logformat

import (
	"bytes"
	"net/netip"
	"strconv"

	"github.com/evenkeel/evenkeel/sample"
	"github.com/evenkeel/evenkeel/sample/literal"
)

// A writer writes one format. It lives on the stack.
type writer struct {
	dst   []byte
	c     *sample.Context
	r     *sample.Record // the stream's values; nil in a format without aliases
	line  bool
	blank bool // the last byte is a blank that merges with the next
}

// Append writes the format's value for c to dst.
func (f *Format) Append(dst []byte, c *sample.Context) []byte {
	w := writer{dst: dst, c: c, line: f.line, blank: f.line}
	if f.aliases {
		w.r = c.Record()
	}
	for i := range f.ops {
		o := &f.ops[i]
		switch {
		case o.alias == verbatim:
			w.literal(o.text)
			continue
		case o.before == ' ' && w.blank:
		case o.before != 0:
			w.dst = append(w.dst, o.before)
			w.blank = o.before == ' ' && w.line
		}
		before := len(w.dst)
		w.write(o)
		if len(w.dst) != before || o.alias >= httpMethod && o.alias <= httpVersion {
			w.blank = false
		}
	}
	return w.dst
}

func (w *writer) literal(text []byte) {
	if !w.line {
		w.dst = append(w.dst, text...)
		return
	}
	if w.blank && text[0] == ' ' {
		text = text[1:]
		if len(text) == 0 {
			return
		}
	}
	w.dst = append(w.dst, text...)
	w.blank = text[len(text)-1] == ' '
}

// write writes one alias or expression.
func (w *writer) write(o *op) {
	r := w.r
	switch o.alias {
	case expression:
		w.expression(o)
	case clientIP, clientPort, frontendIP, frontendPort, backendIP, backendPort, serverIP, serverPort:
		w.endpoint(o)
	case frontendName:
		w.string(r.Frontend, o.flags)
	case frontendTransport:
		w.transport(o.flags)
	case backendName:
		w.string(r.Backend, o.flags)
	case serverAlias:
		w.string(r.Server, o.flags)
	case hostName:
		w.string(r.Host, o.flags)
	case termination:
		w.dst = append(w.dst, r.Termination[:2]...)
	case terminationCookies:
		w.dst = append(w.dst, r.Termination[:]...)
	case requestCookie:
		w.decoded(r.RequestCookie, o.flags)
	case setCookie:
		w.decoded(r.SetCookie, o.flags)
	case uniqueName:
		w.decoded(w.c.UniqueID(), o.flags)
	case tlsCipher, tlsVersion:
		w.raw(nil, o.flags)
	case requestHeaders:
		w.captures(r.RequestCaptures, o.flags)
	case responseHeaders:
		w.captures(r.ResponseCaptures, o.flags)
	case requestHeaderList:
		w.captureList(r.RequestCaptures, o.flags)
	case responseHeaderList:
		w.captureList(r.ResponseCaptures, o.flags)
	case requestLine, httpMethod, httpTarget, httpPath, httpQuery, httpURI, httpVersion:
		w.requestPart(o)
	case date, dateUTC, dateLocal, epoch, millis, begun, begunUTC, begunLocal:
		w.time(o)
	default:
		w.figure(o)
	}
}

// endpoint writes an address or a port of either connection.
func (w *writer) endpoint(o *op) {
	r := w.r
	switch o.alias {
	case clientIP:
		if o.flags == 0 && len(r.ClientIP) > 0 {
			w.dst = append(w.dst, r.ClientIP...)
			return
		}
		w.address(r.Client, o.flags)
	case clientPort:
		if o.flags == 0 && len(r.ClientIP) > 0 {
			w.dst = append(w.dst, r.ClientPort...)
			return
		}
		w.port(r.Client, o.flags)
	case frontendIP:
		w.address(r.Dest, o.flags)
	case frontendPort:
		w.port(r.Dest, o.flags)
	case backendIP:
		w.peer(r.BackendSource, o.flags)
	case backendPort:
		w.peerPort(r.BackendSource, o.flags)
	case serverIP:
		w.peer(r.BackendDest, o.flags)
	case serverPort:
		w.peerPort(r.BackendDest, o.flags)
	}
}

// figure writes a time, a size or a count.
func (w *writer) figure(o *op) {
	r := w.r
	switch o.alias {
	case timeActive:
		w.partial(r.Ta)
	case timeTotal:
		w.partial(r.Tt)
	case timeUser:
		w.partial(r.Tu)
	case timeData:
		w.int(r.Td)
	case timeConnect:
		w.int(r.Tc)
	case timeHandshake:
		w.int(r.Th)
	case timeIdle:
		w.int(r.Ti)
	case timeRequest:
		w.int(r.TR)
	case timeResponse:
		w.int(r.Tr)
	case timeQueue:
		w.int(r.Tw)
	case timeToRequest:
		if r.TR < 0 {
			w.int(-1)
		} else {
			w.int(max(r.Th, 0) + max(r.Ti, 0) + r.TR)
		}
	case bytesDown:
		w.partial(r.BytesToClient)
	case bytesUp:
		w.int(r.BytesToServer)
	case statusCode:
		w.int(int64(r.Status))
	case processID:
		w.hex(uint64(r.PID), o.flags, 4)
	case requestCounter:
		w.hex(uint64(r.Counter), o.flags, 4)
	case logCounter:
		w.hex(uint64(r.LogCounter), o.flags, 4)
	default:
		w.load(o)
	}
}

// load writes how many connections there were at the end, and what waited.
func (w *writer) load(o *op) {
	r := w.r
	switch o.alias {
	case activeConns:
		w.int(int64(r.Active))
	case frontendConns:
		w.int(int64(r.FrontendConns))
	case backendConns:
		w.int(int64(r.BackendConns))
	case serverConns:
		w.int(int64(r.ServerConns))
	case retries:
		if r.Redispatched {
			w.dst = append(w.dst, '+')
		}
		w.int(int64(r.Retries))
	case serverQueue:
		w.int(int64(r.ServerQueue))
	case backendQueue:
		w.int(int64(r.BackendQueue))
	}
}

func (w *writer) int(n int64) {
	if uint64(n) < 10 {
		w.dst = append(w.dst, '0'+byte(n))
		return
	}
	w.long(n)
}

func (w *writer) long(n int64) { w.dst = strconv.AppendInt(w.dst, n, 10) }

// partial writes a number that is not final yet with option logasap.
func (w *writer) partial(n int64) {
	if w.r.Partial {
		w.dst = append(w.dst, '+')
	}
	w.int(n)
}

const upperHex = "0123456789ABCDEF"

// hex writes a number in decimal or, with +X, in at least width hexadecimal digits.
func (w *writer) hex(n uint64, f flags, width int) {
	if f&hexadecimal == 0 {
		w.dst = strconv.AppendUint(w.dst, n, 10)
		return
	}
	digits := 1
	for n>>(4*digits) != 0 && digits < 16 {
		digits++
	}
	for i := max(digits, width) - 1; i >= 0; i-- {
		w.dst = append(w.dst, upperHex[n>>(4*i)&15])
	}
}

// nothing writes what stands for a missing value.
func (w *writer) nothing(f flags) {
	switch {
	case f&quoted != 0:
		w.dst = append(w.dst, `""`...)
	case w.line:
		w.dst = append(w.dst, '-')
	}
}

func (w *writer) address(a netip.AddrPort, f flags) {
	if !a.IsValid() && w.r.UnixBind != "" {
		w.string("unix", f)
		return
	}
	w.peer(a, f)
}

func (w *writer) port(a netip.AddrPort, f flags) {
	if !a.IsValid() && w.r.UnixBind != "" {
		w.int(int64(w.r.BindID))
		return
	}
	w.peerPort(a, f)
}

func (w *writer) peer(a netip.AddrPort, f flags) {
	switch {
	case !a.IsValid():
		w.nothing(f)
	case f&hexadecimal != 0:
		w.hexAddress(a.Addr())
	case f&quoted != 0:
		w.dst = append(w.dst, '"')
		w.dst = a.Addr().AppendTo(w.dst)
		w.dst = append(w.dst, '"')
	default:
		w.dst = a.Addr().AppendTo(w.dst)
	}
}

func (w *writer) hexAddress(a netip.Addr) {
	if a.Is4() {
		b := a.As4()
		w.hex(uint64(b[0])<<24|uint64(b[1])<<16|uint64(b[2])<<8|uint64(b[3]), hexadecimal, 8)
		return
	}
	b := a.As16()
	for _, x := range b {
		w.dst = append(w.dst, upperHex[x>>4], upperHex[x&15])
	}
}

func (w *writer) peerPort(a netip.AddrPort, f flags) {
	if !a.IsValid() {
		w.nothing(f &^ quoted)
		return
	}
	w.hex(uint64(a.Port()), f, 4)
}

func (w *writer) string(s string, f flags) {
	if s == "" {
		w.nothing(f)
		return
	}
	if f&quoted != 0 {
		w.dst = append(w.dst, '"')
	}
	if f&escaped != 0 {
		for i := range len(s) {
			w.escape(s[i])
		}
	} else {
		w.dst = append(w.dst, s...)
	}
	if f&quoted != 0 {
		w.dst = append(w.dst, '"')
	}
}

// transport writes the frontend's name, with "~" where it spoke TLS.
func (w *writer) transport(f flags) {
	if w.r.FrontendTransport != "" {
		w.string(w.r.FrontendTransport, f)
		return
	}
	w.string(w.r.Frontend, f)
}

// escape writes a byte the way +E does.
func (w *writer) escape(b byte) {
	if b == '"' || b == '\\' || b == ']' {
		w.dst = append(w.dst, '\\')
	}
	w.dst = append(w.dst, b)
}

// raw writes bytes as they are, but for what +E and +Q say.
func (w *writer) raw(b []byte, f flags) {
	if len(b) == 0 {
		w.nothing(f)
		return
	}
	if f&quoted != 0 {
		w.dst = append(w.dst, '"')
	}
	if f&escaped != 0 {
		for _, x := range b {
			w.escape(x)
		}
	} else {
		w.dst = append(w.dst, b...)
	}
	if f&quoted != 0 {
		w.dst = append(w.dst, '"')
	}
}

// A set of bytes, one bit each.
type byteSet [4]uint64

func (s *byteSet) has(b byte) bool { return s[b>>6]>>(b&63)&1 != 0 }

// unprintable are the bytes written as #XX in every field, and the more of them.
func unprintable(more string) (s byteSet) {
	for b := range 256 {
		if b < 32 || b >= 127 || bytes.IndexByte([]byte(more), byte(b)) >= 0 {
			s[b>>6] |= 1 << (b & 63)
		}
	}
	return s
}

var (
	encodedInURI    = unprintable(`"#`)
	encodedInHeader = unprintable(`"#{|}`)
)

// encode writes bytes with those of a set as #XX. What nothing has to be done to is copied in runs.
func (w *writer) encode(b []byte, set *byteSet, f flags) {
	start := 0
	for i, x := range b {
		special := set.has(x)
		if !special && (f&escaped == 0 || x != '\\' && x != ']') {
			continue
		}
		w.dst = append(w.dst, b[start:i]...)
		start = i + 1
		if special {
			w.dst = append(w.dst, '#', upperHex[x>>4], upperHex[x&15])
		} else {
			w.dst = append(w.dst, '\\', x)
		}
	}
	w.dst = append(w.dst, b[start:]...)
}

// captures writes {a|b}; nothing where there are no captures.
func (w *writer) captures(all [][]byte, f flags) {
	if len(all) == 0 {
		return
	}
	if f&quoted != 0 {
		w.dst = append(w.dst, '"')
	}
	for i, b := range all {
		if i == 0 {
			w.dst = append(w.dst, '{')
		} else {
			w.dst = append(w.dst, '|')
		}
		w.encode(b, &encodedInHeader, f)
	}
	w.dst = append(w.dst, '}')
	if f&quoted != 0 {
		w.dst = append(w.dst, '"')
	}
}

// captureList writes captures with blanks between them.
func (w *writer) captureList(all [][]byte, f flags) {
	for i, b := range all {
		if i > 0 {
			w.dst = append(w.dst, ' ')
		}
		if len(b) == 0 {
			w.nothing(f)
			continue
		}
		if f&quoted != 0 {
			w.dst = append(w.dst, '"')
		}
		w.encode(b, &encodedInHeader, f)
		if f&quoted != 0 {
			w.dst = append(w.dst, '"')
		}
	}
}

// requestPart writes the request line or a part of it.
func (w *writer) requestPart(o *op) {
	r := w.r
	if o.flags&quoted != 0 {
		w.dst = append(w.dst, '"')
	}
	switch {
	case r.Bad || len(r.Method) == 0:
		w.dst = append(w.dst, "<BADREQ>"...)
	case o.alias == requestLine:
		w.encode(r.Method, &encodedInURI, o.flags)
		w.dst = append(w.dst, ' ')
		w.encode(r.URI, &encodedInURI, o.flags)
		w.dst = append(w.dst, " HTTP/"...)
		w.encode(r.Version, &encodedInURI, o.flags)
	case o.alias == httpMethod:
		w.encode(r.Method, &encodedInURI, o.flags)
	case o.alias == httpVersion:
		w.dst = append(w.dst, "HTTP/"...)
		w.encode(r.Version, &encodedInURI, o.flags)
	default:
		w.encode(targetPart(r.URI, o.alias), &encodedInURI, o.flags)
	}
	if o.flags&quoted != 0 {
		w.dst = append(w.dst, '"')
	}
}

// targetPart cuts the target of a request: without its query, its path alone, its query with the question mark.
func targetPart(uri []byte, part alias) []byte {
	mark := bytes.IndexByte(uri, '?')
	switch {
	case part == httpPath:
		return sample.PathOf(uri)
	case part == httpQuery && mark >= 0:
		return uri[mark:]
	case part == httpQuery:
		return nil
	case part == httpTarget && mark >= 0:
		return uri[:mark]
	}
	return uri
}

// expression writes an expression's value.
//
// Differs from HAProxy: in log lines a control byte that a converter has made (url_dec, b64dec) is
// written as #XX, so that a client can neither write log lines nor steer the terminal they are read on.
func (w *writer) expression(o *op) {
	mark := w.c.Mark()
	v := o.expr.Eval(w.c)
	if v.Kind == sample.Bin {
		v.Bytes = literal.UntilNUL(v.Bytes)
	}
	switch {
	case v.Kind == sample.None, (v.Kind == sample.Str || v.Kind == sample.Bin) && len(v.Bytes) == 0:
		w.nothing(o.flags)
	case v.Kind == sample.Str || v.Kind == sample.Bin:
		w.decoded(v.Bytes, o.flags)
	default:
		if o.flags&quoted != 0 {
			w.dst = append(w.dst, '"')
		}
		w.dst = v.AppendTo(w.dst)
		if o.flags&quoted != 0 {
			w.dst = append(w.dst, '"')
		}
	}
	w.c.Release(mark)
}

// decoded writes bytes that passed no check for control bytes: they were encoded when they came, or are a server's.
func (w *writer) decoded(b []byte, f flags) {
	if !w.line || !controls.anyOf(b) {
		w.raw(b, f)
		return
	}
	if f&quoted != 0 {
		w.dst = append(w.dst, '"')
	}
	w.encode(b, &controls, f)
	if f&quoted != 0 {
		w.dst = append(w.dst, '"')
	}
}

// controls are the control bytes but TAB.
var controls = byteSet{0xffffffff &^ (1 << '\t'), 1 << (0x7f - 64)}

func (s *byteSet) anyOf(b []byte) bool {
	for _, x := range b {
		if s.has(x) {
			return true
		}
	}
	return false
}

// time writes dates.
func (w *writer) time(o *op) {
	t := w.r.Accepted
	switch o.alias {
	case begun, begunUTC, begunLocal:
		t = w.r.Begun
	}
	switch o.alias {
	case date, begun:
		w.dst = w.c.AppendSecond(w.dst, t)
		ms := t.Nanosecond() / 1e6
		w.dst = append(w.dst, '.', '0'+byte(ms/100), '0'+byte(ms/10%10), '0'+byte(ms%10))
	case dateUTC, begunUTC:
		w.dst = append(sample.AppendSecond(w.dst, t.UTC()), " +0000"...)
	case dateLocal, begunLocal:
		w.dst = t.AppendFormat(append(sample.AppendSecond(w.dst, t), ' '), "-0700")
	case epoch:
		w.hex(uint64(t.Unix()), o.flags, 4)
	case millis:
		if o.flags&hexadecimal != 0 {
			w.hex(uint64(t.Nanosecond()/1e6), o.flags, 2)
			return
		}
		w.int(int64(t.Nanosecond() / 1e6))
	}
}
