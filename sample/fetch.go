package sample

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"

	"github.com/evenkeel/evenkeel/sample/literal"
)

// A maker compiles a fetch; the arguments have been checked against the signature.
type maker func(call) (source, *Error)

// fetchMakers are the fetches done here. The kind of a source is the known one unless it says another.
var fetchMakers = map[string]maker{
	"always_false": constant(Value{Kind: Bool}),
	"always_true":  constant(Value{Kind: Bool, Int: 1}),
	"bool":         makeBool,
	"int":          func(c call) (source, *Error) { return fixed(Value{Kind: Int, Int: c.number(0, 0)}), nil },
	"str":          func(c call) (source, *Error) { return fixed(Value{Kind: Str, Bytes: []byte(c.arg(0))}), nil },
	"bin":          makeBin,
	"meth":         func(c call) (source, *Error) { return fixed(Value{Kind: Str, Bytes: []byte(c.arg(0))}), nil },
	"ipv4":         makeIPv4,
	"ipv6":         makeIPv6,
	"env":          makeEnv,
	"rand":         makeRand,
	"uuid":         makeUUID,
	"date":         makeDate,
	"date_us":      plain(func(c *Context) Value { return number(int64(c.Now.Nanosecond() / 1000)) }),
	"hostname":     plain(func(c *Context) Value { return c.name(c.Record().Host) }),
	"nbproc":       constant(Value{Kind: Int, Int: 1}),
	"proc":         constant(Value{Kind: Int, Int: 1}),

	"src":             plain(func(c *Context) Value { return address(c.Source) }),
	"src_port":        plain(func(c *Context) Value { return port(c.Source) }),
	"src_is_local":    plain(func(c *Context) Value { return c.isLocal(c.Source) }),
	"dst":             plain(func(c *Context) Value { return address(c.Dest) }),
	"dst_port":        plain(func(c *Context) Value { return port(c.Dest) }),
	"dst_is_local":    plain(func(c *Context) Value { return c.isLocal(c.Dest) }),
	"fc_src":          plain(func(c *Context) Value { return address(c.Source) }),
	"fc_src_port":     plain(func(c *Context) Value { return port(c.Source) }),
	"fc_src_is_local": plain(func(c *Context) Value { return c.isLocal(c.Source) }),
	"fc_dst":          plain(func(c *Context) Value { return address(c.Dest) }),
	"fc_dst_port":     plain(func(c *Context) Value { return port(c.Dest) }),
	"fc_dst_is_local": plain(func(c *Context) Value { return c.isLocal(c.Dest) }),
	"fc_http_major":   plain(httpMajor),
	"fc_err":          constant(number(0)),
	"fc_err_str":      constant(Value{Kind: Str, Bytes: []byte("Success")}),
	"bc_src":          plain(func(c *Context) Value { return address(c.Record().BackendSource) }),
	"bc_src_port":     plain(func(c *Context) Value { return port(c.Record().BackendSource) }),
	"bc_dst":          plain(func(c *Context) Value { return address(c.Record().BackendDest) }),
	"bc_dst_port":     plain(func(c *Context) Value { return port(c.Record().BackendDest) }),

	// There is no TLS yet, so these are what they are on a clear connection.
	"ssl_fc":               constant(Value{Kind: Bool}),
	"ssl_bc":               constant(Value{Kind: Bool}),
	"ssl_c_used":           constant(Value{}),
	"ssl_fc_has_crt":       constant(Value{}),
	"ssl_fc_is_resumed":    constant(Value{Kind: Bool}),
	"ssl_fc_has_sni":       constant(Value{Kind: Bool}),
	"ssl_fc_has_early":     constant(Value{}),
	"ssl_fc_sni":           constant(Value{}),
	"ssl_fc_alpn":          constant(Value{}),
	"ssl_fc_npn":           constant(Value{}),
	"ssl_fc_protocol":      constant(Value{}),
	"ssl_fc_cipher":        constant(Value{}),
	"ssl_fc_session_id":    constant(Value{}),
	"ssl_fc_unique_id":     constant(Value{}),
	"ssl_fc_use_keysize":   constant(Value{}),
	"ssl_fc_alg_keysize":   constant(Value{}),
	"ssl_fc_err":           constant(Value{}),
	"ssl_fc_err_str":       constant(Value{}),
	"ssl_c_verify":         constant(Value{}),
	"ssl_c_err":            constant(Value{}),
	"ssl_c_ca_err":         constant(Value{}),
	"ssl_c_ca_err_depth":   constant(Value{}),
	"ssl_c_s_dn":           constant(Value{}),
	"ssl_c_i_dn":           constant(Value{}),
	"ssl_c_serial":         constant(Value{}),
	"ssl_c_sha1":           constant(Value{}),
	"ssl_c_notafter":       constant(Value{}),
	"ssl_c_notbefore":      constant(Value{}),
	"ssl_c_version":        constant(Value{}),
	"ssl_c_der":            constant(Value{}),
	"fc_rcvd_proxy":        constant(Value{Kind: Bool}),
	"internal.strm.is_htx": plain(func(c *Context) Value { return boolean(c.Request != nil || c.Response != nil) }),
	"wait_end":             plain(waitEnd),
	"http_first_req":       plain(func(c *Context) Value { return boolean(c.RequestNumber <= 1) }),
	"method":               plain(method),
	"url":                  plain(url),
	"path":                 plain(func(c *Context) Value { return slice(c.request(), PathOf) }),
	"pathq":                plain(func(c *Context) Value { return slice(c.request(), pathqOf) }),
	"query":                plain(func(c *Context) Value { return slice(c.request(), queryOf) }),
	"url_ip":               plain(urlIP),
	"url_port":             plain(urlPort),
	"base":                 plain(func(c *Context) Value { return base(c, PathOf) }),
	"baseq":                plain(func(c *Context) Value { return base(c, pathqOf) }),
	"base32":               plain(func(c *Context) Value { return base32(c, PathOf) }),
	"base32+src":           plain(func(c *Context) Value { return withSource(c, base32(c, PathOf)) }),
	"url32":                plain(url32),
	"url32+src":            plain(func(c *Context) Value { return withSource(c, url32(c)) }),
	"req.ver":              plain(requestVersion),
	"req_ver":              plain(requestVersion),
	"res.ver":              plain(responseVersion),
	"resp_ver":             plain(responseVersion),
	"status":               plain(status),
	"url_param":            makeURLParam,
	"urlp":                 makeURLParam,
	"urlp_val":             makeURLParamValue,
	"unique-id":            plain(uniqueID),
	"capture.req.method":   plain(func(c *Context) Value { return captured(c.Record().Method) }),
	"capture.req.uri":      plain(func(c *Context) Value { return capturedURI(c) }),
	"capture.req.ver":      plain(func(c *Context) Value { return capturedVersion(c.Record().Version) }),
	"capture.res.ver":      plain(responseVersionCapture),
	"capture.req.hdr":      makeCapture(func(r *Record) [][]byte { return r.RequestCaptures }),
	"capture.res.hdr":      makeCapture(func(r *Record) [][]byte { return r.ResponseCaptures }),
	"be_name":              plain(func(c *Context) Value { return c.name(c.Record().Backend) }),
	"fe_name":              plain(func(c *Context) Value { return c.name(c.Record().Frontend) }),
	"srv_name":             plain(serverName),
	"so_name":              plain(func(c *Context) Value { return c.name(c.Record().Bind) }),
	"req.len":              bytesOf(contentLength),
	"req_len":              bytesOf(contentLength),
	"req.payload":          makePayload,
	"payload":              makePayload,
	"req.payload_lv":       makePayloadLV,
	"payload_lv":           makePayloadLV,
	"req.ssl_hello_type":   bytesOf(helloType),
	"req_ssl_hello_type":   bytesOf(helloType),
	"req.ssl_sni":          bytesOf(helloSNI),
	"req_ssl_sni":          bytesOf(helloSNI),
	"req.ssl_ver":          bytesOf(helloVersion),
	"req_ssl_ver":          bytesOf(helloVersion),
	"req.ssl_alpn":         bytesOf(helloALPN),
	"req.proto_http":       plain(isHTTP),
	"req_proto_http":       plain(isHTTP),
	"req.rdp_cookie":       makeRDPCookie,
	"req_rdp_cookie":       makeRDPCookie,
	"rdp_cookie":           makeRDPCookie,
	"req.rdp_cookie_cnt":   makeRDPCookieCount,
	"req_rdp_cookie_cnt":   makeRDPCookieCount,
	"rdp_cookie_cnt":       makeRDPCookieCount,
	"nbsrv":                backendFact(func(f BackendFacts) int { return f.Usable }),
	"be_conn":              backendFact(func(f BackendFacts) int { return f.Connections }),
	"be_sess_rate":         backendFact(func(f BackendFacts) int { return f.Rate }),
	"queue":                backendFact(func(f BackendFacts) int { return f.Queue }),
	"avg_queue":            backendFact(averageQueue),
	"connslots":            backendFact(func(f BackendFacts) int { return f.Free }),
	"fe_conn":              frontendFact(func(connections, _ int) int { return connections }),
	"fe_sess_rate":         frontendFact(func(_, rate int) int { return rate }),
	"srv_is_up":            serverFact(Bool, func(f ServerFacts) int { return truth(f.Up) }),
	"srv_conn":             serverFact(Int, func(f ServerFacts) int { return f.Connections }),
	"srv_queue":            serverFact(Int, func(f ServerFacts) int { return f.Queue }),
	"srv_weight":           serverFact(Int, func(f ServerFacts) int { return f.Weight }),
	"hdr":                  makeHeader(eitherHead, values),
	"req.hdr":              makeHeader(requestHead, values),
	"res.hdr":              makeHeader(responseHead, values),
	"shdr":                 makeHeader(responseHead, values),
	"req.fhdr":             makeHeader(requestHead, fields),
	"res.fhdr":             makeHeader(responseHead, fields),
	"hdr_cnt":              makeHeaderCount(requestHead, values),
	"req.hdr_cnt":          makeHeaderCount(requestHead, values),
	"req.fhdr_cnt":         makeHeaderCount(requestHead, fields),
	"res.hdr_cnt":          makeHeaderCount(responseHead, values),
	"shdr_cnt":             makeHeaderCount(responseHead, values),
	"res.fhdr_cnt":         makeHeaderCount(responseHead, fields),
	"hdr_val":              makeHeaderInt(requestHead),
	"req.hdr_val":          makeHeaderInt(requestHead),
	"res.hdr_val":          makeHeaderInt(responseHead),
	"shdr_val":             makeHeaderInt(responseHead),
	"hdr_ip":               makeHeaderIP(requestHead),
	"req.hdr_ip":           makeHeaderIP(requestHead),
	"res.hdr_ip":           makeHeaderIP(responseHead),
	"shdr_ip":              makeHeaderIP(responseHead),
	"req.hdr_names":        makeHeaderNames(requestHead),
	"res.hdr_names":        makeHeaderNames(responseHead),
	"req.hdrs":             makeHeaderBlock(requestHead),
	"res.hdrs":             makeHeaderBlock(responseHead),
	"cook":                 makeCookie(requestHead),
	"req.cook":             makeCookie(requestHead),
	"cookie":               makeCookie(eitherHead),
	"scook":                makeCookie(responseHead),
	"res.cook":             makeCookie(responseHead),
	"cook_cnt":             makeCookieCount(requestHead),
	"req.cook_cnt":         makeCookieCount(requestHead),
	"scook_cnt":            makeCookieCount(responseHead),
	"res.cook_cnt":         makeCookieCount(responseHead),
	"cook_val":             makeCookieInt(requestHead),
	"req.cook_val":         makeCookieInt(requestHead),
	"scook_val":            makeCookieInt(responseHead),
	"res.cook_val":         makeCookieInt(responseHead),
}

// plain makes a fetch without arguments.
func plain(get func(*Context) Value) maker {
	return func(call) (source, *Error) { return source{get: get}, nil }
}

// bytesOf makes a fetch of raw bytes.
func bytesOf(get func(*Context) Value) maker {
	return func(call) (source, *Error) { return source{get: get, layer6: true}, nil }
}

// constant makes a fetch whose value never changes.
func constant(v Value) maker { return func(call) (source, *Error) { return fixed(v), nil } }

func fixed(v Value) source {
	return source{get: func(*Context) Value { return v }}
}

func number(n int64) Value { return Value{Kind: Int, Int: n} }

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

func boolean(b bool) Value { return Value{Kind: Bool, Int: int64(truth(b))} }

// address gives an address, None for a client without one (a UNIX socket).
func address(ap netip.AddrPort) Value {
	if !ap.IsValid() {
		return Value{}
	}
	return Value{Kind: IP, Addr: ap.Addr()}
}

func port(ap netip.AddrPort) Value {
	if !ap.IsValid() {
		return Value{}
	}
	return number(int64(ap.Port()))
}

// isLocal says whether an address is this machine's. A connection without addresses came by a UNIX socket: both of its
// ends are here.
func (c *Context) isLocal(ap netip.AddrPort) Value {
	switch {
	case !ap.IsValid() && c.Point&Check != 0:
		return Value{}
	case !ap.IsValid():
		return boolean(true)
	case c.IsLocal != nil:
		return boolean(c.IsLocal(ap.Addr().Unmap()))
	}
	return boolean(ap.Addr().Unmap().IsLoopback())
}

func makeBool(c call) (source, *Error) {
	switch strings.ToLower(c.arg(0)) {
	case "true", "1":
		return fixed(boolean(true)), nil
	case "false", "0":
		return fixed(boolean(false)), nil
	}
	return source{}, &Error{Message: fmt.Sprintf("bool wants true, false, 0 or 1, not %s", quote(c.arg(0)))}
}

func makeBin(c call) (source, *Error) {
	b, err := literal.Hex(c.arg(0))
	if err != nil {
		return source{}, &Error{Message: err.Error()}
	}
	if len(b) == 0 {
		return source{}, &Error{Message: "bin wants hexadecimal digits"}
	}
	return fixed(Value{Kind: Bin, Bytes: b}), nil
}

func makeIPv4(c call) (source, *Error) {
	a, ok := literal.Addr4([]byte(c.arg(0)))
	if !ok {
		return source{}, &Error{Message: quote(c.arg(0)) + " is not an IPv4 address"}
	}
	return fixed(Value{Kind: IP, Addr: a}), nil
}

func makeIPv6(c call) (source, *Error) {
	a, err := netip.ParseAddr(c.arg(0))
	if err != nil || !a.Is6() || a.Zone() != "" {
		return source{}, &Error{Message: quote(c.arg(0)) + " is not an IPv6 address"}
	}
	return fixed(Value{Kind: IP, Addr: a}), nil
}

func makeEnv(c call) (source, *Error) {
	name := c.arg(0)
	return source{get: func(c *Context) Value {
		if c.Getenv == nil {
			return Value{}
		}
		s, ok := c.Getenv(name)
		if !ok {
			return Value{}
		}
		return c.text(s)
	}}, nil
}

// text gives a string that lives as long as the scratch space.
func (c *Context) text(s string) Value {
	at := len(c.scratch)
	c.scratch = append(c.scratch, s...)
	return Value{Kind: Str, Bytes: c.since(at)}
}

// next steps the context's random state (splitmix64).
func (c *Context) next() uint64 {
	c.Random += 0x9e3779b97f4a7c15
	z := c.Random
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func makeRand(c call) (source, *Error) {
	limit := uint64(c.number(0, 0))
	return source{get: func(c *Context) Value {
		r := c.next() >> 32
		if limit != 0 {
			r = r * (limit & (1<<32 - 1)) >> 32
		}
		return number(int64(r))
	}}, nil
}

// makeUUID makes version 4 of RFC 9562, the only one the reference knows.
func makeUUID(c call) (source, *Error) {
	if c.number(0, 4) != 4 {
		return source{}, &Error{Message: "uuid knows version 4 only"}
	}
	return source{get: func(c *Context) Value {
		hi, lo := c.next(), c.next()
		hi = hi&^0xf000 | 0x4000
		lo = lo&^(3<<62) | 2<<62
		at := len(c.scratch)
		for i := range 16 {
			if i == 4 || i == 6 || i == 8 || i == 10 {
				c.scratch = append(c.scratch, '-')
			}
			half := hi
			if i >= 8 {
				half = lo
			}
			b := byte(half >> (56 - 8*(i&7)))
			c.scratch = append(c.scratch, lowerHex[b>>4], lowerHex[b&15])
		}
		return Value{Kind: Str, Bytes: c.since(at)}
	}}, nil
}

const (
	lowerHex = "0123456789abcdef"
	upperHex = "0123456789ABCDEF"
)

func makeDate(c call) (source, *Error) {
	offset := c.number(0, 0)
	switch unit := c.arg(1); unit {
	case "", "s":
		return source{get: func(c *Context) Value { return number(c.Now.Unix() + offset) }}, nil
	case "ms":
		return source{get: func(c *Context) Value { return number(c.Now.UnixMilli() + offset) }}, nil
	case "us":
		return source{get: func(c *Context) Value { return number(c.Now.UnixMicro() + offset) }}, nil
	default:
		return source{}, &Error{Message: fmt.Sprintf("the unit of date is s, ms or us, not %s", quote(unit))}
	}
}

// name is text, but an empty one is no value.
func (c *Context) name(s string) Value {
	if s == "" {
		return Value{}
	}
	return c.text(s)
}

func captured(b []byte) Value {
	if len(b) == 0 {
		return Value{}
	}
	return Value{Kind: Str, Bytes: b}
}

func uniqueID(c *Context) Value { return captured(c.UniqueID()) }

func serverName(c *Context) Value {
	if s := c.Record().Server; s != "" && s[0] != '<' {
		return c.text(s)
	}
	return Value{}
}

// capturedURI gives the target of the request line that was kept for the log, from its path on.
func capturedURI(c *Context) Value {
	if len(c.Record().URI) == 0 {
		return Value{}
	}
	return Value{Kind: Str, Bytes: pathqOf(c.Record().URI)}
}

func capturedVersion(v []byte) Value {
	if len(v) == 0 {
		return Value{}
	}
	if bytes.Equal(v, version10) {
		return Value{Kind: Str, Bytes: http10}
	}
	return Value{Kind: Str, Bytes: http11}
}

var (
	version10 = []byte("1.0")
	http10    = []byte("HTTP/1.0")
	http11    = []byte("HTTP/1.1")
)

func responseVersionCapture(c *Context) Value {
	if c.Response != nil {
		return capturedVersion(c.Response.Version())
	}
	if v := c.Record().ResponseVersion; v != "" {
		return c.text("HTTP/" + v)
	}
	return Value{}
}

func makeCapture(of func(*Record) [][]byte) maker {
	return func(c call) (source, *Error) {
		n := c.number(0, 0)
		if n < 0 {
			return source{}, &Error{Message: "the number of a capture counts from 0"}
		}
		return source{get: func(c *Context) Value {
			if all := of(c.Record()); n < int64(len(all)) && all[n] != nil {
				return Value{Kind: Str, Bytes: all[n]}
			}
			return Value{}
		}}, nil
	}
}
