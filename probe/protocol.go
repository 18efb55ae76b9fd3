package probe

import (
	"bytes"
	"encoding/binary"
	"strconv"

	"github.com/evenkeel/evenkeel/health"
)

// empty is the result of a server that closed without a word. Steps count as in
// HAProxy's own scripts for these protocols.
func empty(s health.Status, step int) health.Result {
	return health.Result{Status: s, Info: "TCPCHK got an empty response at step " + strconv.Itoa(step)}
}

// redis: PING, +PONG.
// Differs from HAProxy: another line is told at once, not after the timeout and without what it says.
func (p *probe) redis() health.Result {
	if r, ok := p.send([]byte("*1\r\n$4\r\nPING\r\n")); !ok {
		return r
	}
	for !bytes.Contains(p.answer, []byte("+PONG\r\n")) {
		end := bytes.IndexAny(p.answer, "\r\n")
		switch {
		case p.closed && len(p.answer) == 0:
			return empty(health.L7STS, 2)
		case p.closed && end < 0:
			return health.Result{Status: health.L7STS, Info: string(p.answer)}
		case p.closed, bytes.IndexByte(p.answer, '\n') >= 0:
			return health.Result{Status: health.L7STS, Info: string(p.answer[:end])}
		}
		if r, ok := p.read(); !ok {
			return r
		}
	}
	return health.Result{Status: health.L7OK, Info: "Redis server is ok"}
}

// smtp: greeting, HELO or EHLO, QUIT; every reply must be 2xx (RFC 5321).
// Differs from HAProxy: a greeting may have several lines, and a refused HELO is told at
// once, with its code, not after the timeout.
func (p *probe) smtp() health.Result {
	next := 0
	var r health.Result
	for step, say := range []string{"", p.t.Check.Hello + "\r\n", "QUIT\r\n"} {
		if say != "" {
			var ok bool
			if r, ok = p.send([]byte(say)); !ok {
				return r
			}
			next = 0
		}
		for more := true; more; {
			line, after, failed, ok := p.line(next)
			next = after
			switch {
			case !ok:
				return failed
			case len(line) == 0 && p.closed && step == 2:
				return empty(health.L7STS, 7)
			case len(line) == 0 && p.closed:
				return empty(health.L7RSP, 2+3*step)
			}
			code, text, cont, ok := reply(line)
			switch {
			case !ok:
				return health.Result{Status: health.L7RSP, Info: string(line)}
			case code/100 != 2:
				return health.Result{Status: health.L7STS, Code: code, Info: text}
			}
			r = health.Result{Status: health.L7OK, Code: code, Info: text}
			more = cont
		}
	}
	return r
}

// reply reads "250-text" or "250 text".
func reply(line []byte) (code int, text string, more, ok bool) {
	if len(line) < 3 {
		return 0, "", false, false
	}
	for _, c := range line[:3] {
		if c < '0' || c > '9' {
			return 0, "", false, false
		}
		code = code*10 + int(c-'0')
	}
	switch {
	case len(line) == 3:
		return code, "", false, true
	case line[3] != ' ' && line[3] != '-':
		return 0, "", false, false
	}
	return code, string(line[4:]), line[3] == '-', true
}

// mysql: the greeting, and with a user a login without password (MySQL protocol,
// HandshakeV10 and HandshakeResponse).
func (p *probe) mysql() health.Result {
	packet, r, ok := p.mysqlPacket(2)
	if !ok {
		return r
	}
	if r, refused := mysqlError(packet); refused {
		return r
	}
	text, _, _ := bytes.Cut(packet[1:], []byte{0})
	good := health.Result{Status: health.L7OK, Info: string(text)}
	if p.t.Check.User == "" {
		return good
	}
	if r, ok = p.send(mysqlLogin(p.t.Check.User, p.t.Check.Hello != "pre-41")); !ok {
		return r
	}
	if packet, r, ok = p.mysqlPacket(0); !ok {
		return r
	}
	if r, refused := mysqlError(packet); refused {
		return r
	}
	return good
}

// mysqlPacket waits for a packet and gives its payload, which is not empty.
func (p *probe) mysqlPacket(step int) (payload []byte, r health.Result, ok bool) {
	for {
		if a := p.answer; len(a) >= 4 {
			n := int(a[0]) | int(a[1])<<8 | int(a[2])<<16
			if n > 0 && len(a) >= 4+n {
				return a[4 : 4+n], r, true
			}
		}
		switch {
		case p.closed && len(p.answer) == 0 && step > 0:
			return nil, empty(health.L7RSP, step), false
		case p.closed:
			return nil, health.Result{Status: health.L7RSP}, false
		}
		if r, ok = p.read(); !ok {
			return nil, r, false
		}
	}
}

func mysqlError(packet []byte) (r health.Result, refused bool) {
	if packet[0] != 0xff {
		return r, false
	}
	r.Status = health.L7STS
	if len(packet) >= 3 {
		r.Code = int(binary.LittleEndian.Uint16(packet[1:]))
		r.Info = string(packet[3:])
	}
	return r, true
}

// mysqlLogin is a login as user without password, and a quit.
func mysqlLogin(user string, since41 bool) []byte {
	var b []byte
	if since41 {
		b = binary.LittleEndian.AppendUint32(b, 0x8200) // protocol 4.1, secure connection
		b = append(b, 0, 0x80, 0, 1)                    // largest packet
		b = append(append(b, 33), make([]byte, 23)...)  // utf8
		b = append(append(append(b, user...), 0), 0)    // no password
	} else {
		b = append(b, 0, 0x80, 0, 0, 1) // long password; largest packet
		b = append(append(b, user...), 0, 0)
	}
	packet := append([]byte{byte(len(b)), byte(len(b) >> 8), byte(len(b) >> 16), 1}, b...)
	return append(packet, 1, 0, 0, 0, 1)
}

// pgsql: a StartupMessage of protocol 3; the server must ask for authentication.
func (p *probe) pgsql() health.Result {
	params := append([]byte("user\x00"+p.t.Check.User), 0, 0)
	b := binary.BigEndian.AppendUint32(nil, uint32(8+len(params)))
	b = append(binary.BigEndian.AppendUint32(b, 3<<16), params...)
	if r, ok := p.send(b); !ok {
		return r
	}
	for {
		a := p.answer
		switch {
		case len(a) >= 9 && a[0] == 'R':
			return health.Result{Status: health.L7OK, Info: "PostgreSQL server is ok"}
		case len(a) > 6 && a[0] == 'E' && (bytes.IndexByte(a[6:], 0) >= 0 || p.closed):
			severity, _, _ := bytes.Cut(a[6:], []byte{0})
			return health.Result{Status: health.L7RSP, Info: string(severity)}
		case len(a) > 0 && (p.closed || a[0] != 'R' && a[0] != 'E'):
			return health.Result{Status: health.L7STS, Info: "PostgreSQL unknown error"}
		case p.closed:
			return empty(health.L7RSP, 3)
		}
		if r, ok := p.read(); !ok {
			return r
		}
	}
}

// ldap: an anonymous bind of LDAPv3 (RFC 4511 §4.2).
func (p *probe) ldap() health.Result {
	if r, ok := p.send([]byte("\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00")); !ok {
		return r
	}
	for {
		switch code, state := bindResponse(p.answer); {
		case state == parsed && code == 0:
			return health.Result{Status: health.L7OK, Info: "Success"}
		case state == parsed:
			return health.Result{Status: health.L7STS, Code: code,
				Info: "See RFC: http://tools.ietf.org/html/rfc4511#section-4.1.9"}
		case p.closed && len(p.answer) == 0:
			return empty(health.L7RSP, 2)
		case state == foreign || p.closed:
			return health.Result{Status: health.L7RSP, Info: "Not LDAPv3 protocol"}
		}
		if r, ok := p.read(); !ok {
			return r
		}
	}
}

type parseState uint8

const (
	partial parseState = iota
	parsed
	foreign
)

// bindResponse reads SEQUENCE { 1, [APPLICATION 1] SEQUENCE { ENUMERATED code … } }.
func bindResponse(b []byte) (code int, state parseState) {
	for _, want := range []string{"\x30", "\x02\x01\x01\x61"} {
		if len(b) < len(want) {
			return 0, prefixState(b, want)
		}
		if string(b[:len(want)]) != want {
			return 0, foreign
		}
		var ok bool
		if b, ok = skipLength(b[len(want):]); !ok {
			return 0, partial
		}
	}
	switch {
	case len(b) < 3:
		return 0, prefixState(b, "\x0a\x01")
	case string(b[:2]) != "\x0a\x01":
		return 0, foreign
	}
	return int(b[2]), parsed
}

func prefixState(b []byte, want string) parseState {
	for i := range min(len(b), len(want)) {
		if b[i] != want[i] {
			return foreign
		}
	}
	return partial
}

// skipLength skips a BER length, short or long.
func skipLength(b []byte) (rest []byte, ok bool) {
	if len(b) == 0 {
		return nil, false
	}
	n := 1
	if b[0]&0x80 != 0 {
		n += int(b[0] & 0x7f)
	}
	if len(b) < n {
		return nil, false
	}
	return b[n:], true
}

// sslHello: a ClientHello; any handshake or alert record is an answer.
// Differs from HAProxy: its hello is of SSLv3, which servers of today only refuse; ours
// offers TLS 1.2.
func (p *probe) sslHello() health.Result {
	if r, ok := p.send(clientHello()); !ok {
		return r
	}
	if r, ok := p.read(); !ok {
		return r
	}
	switch a := p.answer; {
	case len(a) == 0:
		return empty(health.L6RSP, 2)
	case a[0] == 0x16 || a[0] == 0x15:
		return health.Result{Status: health.L6OK}
	}
	return health.Result{Status: health.L6RSP}
}

// clientHello offers TLS 1.2 with the usual suites and curves (RFC 5246 §7.4.1.2). Its
// random part is fixed: nothing secret follows.
func clientHello() []byte {
	suites := []byte{0xc0, 0x2b, 0xc0, 0x2f, 0xc0, 0x2c, 0xc0, 0x30, 0xc0, 0x13, 0xc0, 0x14, 0x00, 0x9c, 0x00, 0x9d,
		0x00, 0x2f, 0x00, 0x35}
	extensions := []byte{
		0x00, 0x0a, 0x00, 0x08, 0x00, 0x06, 0x00, 0x1d, 0x00, 0x17, 0x00, 0x18, // groups: x25519, P-256, P-384
		0x00, 0x0b, 0x00, 0x02, 0x01, 0x00, // uncompressed points
		0x00, 0x0d, 0x00, 0x0c, 0x00, 0x0a, 0x04, 0x03, 0x08, 0x04, 0x04, 0x01, 0x05, 0x03, 0x05, 0x01, // signatures
	}
	body := []byte{0x03, 0x03}
	body = append(body, "Evenkeel asks whether you speak."...) // 32 bytes
	body = append(body, 0)                                     // no session
	body = append(binary.BigEndian.AppendUint16(body, uint16(len(suites))), suites...)
	body = append(body, 1, 0) // no compression
	body = append(binary.BigEndian.AppendUint16(body, uint16(len(extensions))), extensions...)
	hello := append([]byte{1, 0, byte(len(body) >> 8), byte(len(body))}, body...)
	record := []byte{0x16, 0x03, 0x01, byte(len(hello) >> 8), byte(len(hello))}
	return append(record, hello...)
}
