package h1

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// outcome is everything a parse can tell, as text.
func outcome(h *Head, n int, err error) string {
	if err != nil {
		e := err.(*Error)
		return fmt.Sprintf("refused %d: %s", e.Status, e.Reason)
	}
	if n == 0 {
		return "incomplete"
	}
	s := fmt.Sprintf("n=%d", n)
	if h.Kind() == Request {
		s += fmt.Sprintf(" %s|%s|%s", h.Method(), h.URI(), h.Version())
		s += fmt.Sprintf(" path=%s query=%s authority=%s host=%s", h.Path(), h.Query(), h.Authority(), h.Host())
	} else {
		s += fmt.Sprintf(" %s|%d|%s", h.Version(), h.Status(), h.Reason())
	}
	for i := range h.Len() {
		name, value := h.Field(i)
		s += fmt.Sprintf(" [%s=%s]", name, value)
	}
	s += fmt.Sprintf(" cl=%d", h.ContentLength())
	for _, f := range []struct {
		on   bool
		name string
	}{{h.Chunked(), "chunked"}, {h.KeepAlive(), "keepalive"}, {h.Expect100(), "expect"}, {h.Upgrade(), "upgrade"}} {
		if f.on {
			s += " " + f.name
		}
	}
	return s
}

func parseWhole(kind Kind, raw []byte) string {
	var h Head
	h.Reset(kind, 101)
	n, err := h.Parse(raw)
	return outcome(&h, n, err)
}

// parseBytes feeds one byte more each time, from a new place in memory each time.
func parseBytes(t *testing.T, kind Kind, raw []byte) (string, int) {
	var h Head
	h.Reset(kind, 101)
	for k := 1; k <= len(raw); k++ {
		n, err := h.Parse(bytes.Clone(raw[:k]))
		if h.Seen() > k {
			t.Fatalf("looked at %d of %d bytes", h.Seen(), k)
		}
		if n > 0 || err != nil {
			if n > k {
				t.Fatalf("consumed %d of %d bytes", n, k)
			}
			return outcome(&h, n, err), k
		}
	}
	return outcome(&h, 0, nil), len(raw)
}

func bothWays(t *testing.T, kind Kind, raw string) string {
	t.Helper()
	whole := parseWhole(kind, []byte(raw))
	piecewise, _ := parseBytes(t, kind, []byte(raw))
	if whole != piecewise {
		t.Errorf("%q\nat once:      %s\nbyte by byte: %s", raw, whole, piecewise)
	}
	return whole
}

const (
	get  = "GET / HTTP/1.1\r\nHost: a\r\n"
	post = "POST / HTTP/1.1\r\nHost: a\r\n"
)

var requestsAccepted = []struct{ raw, want string }{
	{get + "\r\n", "n=27 GET|/|1.1 path=/ query= authority= host=a [Host=a] cl=-1 keepalive"},
	{"GET /a/b?c=d?e HTTP/1.1\r\nHost: a\r\n\r\n",
		"n=36 GET|/a/b?c=d?e|1.1 path=/a/b query=c=d?e authority= host=a [Host=a] cl=-1 keepalive"},
	{"GET / HTTP/1.0\n\n", "n=16 GET|/|1.0 path=/ query= authority= host= cl=-1"},
	{"GET / HTTP/1.1\nHost: a\n\n", "n=24 GET|/|1.1 path=/ query= authority= host=a [Host=a] cl=-1 keepalive"},
	{"\r\n\r\n\n" + get + "\r\n", "n=32 GET|/|1.1 path=/ query= authority= host=a [Host=a] cl=-1 keepalive"},
	{"GET / HTTP/1.2\r\nHost: a\r\n\r\n",
		"n=27 GET|/|1.2 path=/ query= authority= host=a [Host=a] cl=-1 keepalive"},
	{get + "X:  \t a \t b \t\r\nY:\r\n\r\n",
		"n=46 GET|/|1.1 path=/ query= authority= host=a [Host=a] [X=a \t b] [Y=] cl=-1 keepalive"},
	{get + "X: \x80\xff\r\n\r\n", "n=34 GET|/|1.1 path=/ query= authority= host=a [Host=a] [X=\x80\xff] cl=-1 " +
		"keepalive"},
	{"GET / HTTP/1.1\r\nHost:\r\n\r\n", "n=25 GET|/|1.1 path=/ query= authority= host= [Host=] cl=-1 keepalive"},
	{"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
		"n=34 GET|/|1.1 path=/ query= authority= host=[::1]:80 [Host=[::1]:80] cl=-1 keepalive"},
	{"GET http://a/x?y HTTP/1.1\r\nHost: a\r\n\r\n",
		"n=38 GET|http://a/x?y|1.1 path=/x query=y authority=a host=a [Host=a] cl=-1 keepalive"},
	{"GET http://A:80 HTTP/1.1\r\nHost: a\r\n\r\n",
		"n=37 GET|http://A:80|1.1 path=/ query= authority=A:80 host=A:80 [Host=a] cl=-1 keepalive"},
	{"GET https://a HTTP/1.1\r\nHost: a:443\r\n\r\n",
		"n=39 GET|https://a|1.1 path=/ query= authority=a host=a [Host=a:443] cl=-1 keepalive"},
	{"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
		"n=31 OPTIONS|*|1.1 path= query= authority= host=a [Host=a] cl=-1 keepalive"},
	{"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n",
		"n=35 CONNECT|a:443|1.1 path= query= authority=a:443 host=a:443 [Host=a] cl=-1 keepalive"},
	{"M-!#$%&'*+.^_`|~ /\"<>\\^`{|} HTTP/1.1\r\nHost: a\r\n\r\n",
		"n=49 M-!#$%&'*+.^_`|~|/\"<>\\^`{|}|1.1 path=/\"<>\\^`{|} query= authority= host=a [Host=a] cl=-1 " +
			"keepalive"},
	{post + "Content-Length: 3\r\n\r\nabc",
		"n=47 POST|/|1.1 path=/ query= authority= host=a [Host=a] [Content-Length=3] cl=3 keepalive"},
	{post + "Content-Length: 3\r\nX: y\r\ncontent-length: 3\r\n\r\n",
		"n=72 POST|/|1.1 path=/ query= authority= host=a [Host=a] [Content-Length=3] [X=y] cl=3 keepalive"},
	{post + "Content-Length: 3 ,\t3\r\n\r\n",
		"n=51 POST|/|1.1 path=/ query= authority= host=a [Host=a] [Content-Length=3] cl=3 keepalive"},
	{post + "Content-Length: 9223372036854775807\r\n\r\n",
		"n=65 POST|/|1.1 path=/ query= authority= host=a [Host=a] [Content-Length=9223372036854775807] " +
			"cl=9223372036854775807 keepalive"},
	{post + "Transfer-Encoding: Chunked\r\n\r\n",
		"n=56 POST|/|1.1 path=/ query= authority= host=a [Host=a] [Transfer-Encoding=Chunked] cl=-1 chunked " +
			"keepalive"},
	{post + "Content-Length: 1\r\nExpect: 100-Continue\r\n\r\n",
		"n=69 POST|/|1.1 path=/ query= authority= host=a [Host=a] [Content-Length=1] [Expect=100-Continue] cl=1 " +
			"keepalive expect"},
	{"POST / HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n",
		"n=60 POST|/|1.0 path=/ query= authority= host= [Content-Length=1] [Expect=100-continue] cl=1"},
	{get + "Connection: x, Close\r\n\r\n",
		"n=49 GET|/|1.1 path=/ query= authority= host=a [Host=a] [Connection=x, Close] cl=-1"},
	{"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
		"n=42 GET|/|1.0 path=/ query= authority= host= [Connection=Keep-Alive] cl=-1 keepalive"},
	{"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n",
		"n=49 GET|/|1.0 path=/ query= authority= host= [Connection=keep-alive, close] cl=-1"},
	{get + "Connection: keep-alive, Upgrade\r\nUpgrade: foo\r\n\r\n",
		"n=74 GET|/|1.1 path=/ query= authority= host=a [Host=a] [Connection=keep-alive, Upgrade] [Upgrade=foo] " +
			"cl=-1 keepalive upgrade"},
	{get + "Upgrade: foo\r\n\r\n",
		"n=41 GET|/|1.1 path=/ query= authority= host=a [Host=a] [Upgrade=foo] cl=-1 keepalive"},
	{post + "Connection: Upgrade\r\nUpgrade: foo\r\nContent-Length: 3\r\n\r\n",
		"n=82 POST|/|1.1 path=/ query= authority= host=a [Host=a] [Connection=Upgrade] [Content-Length=3] cl=3 " +
			"keepalive"},
	{get + "Connection: upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key: x\r\n\r\n",
		"n=90 GET|/|1.1 path=/ query= authority= host=a [Host=a] [Connection=upgrade] [Upgrade=WebSocket] " +
			"[Sec-WebSocket-Key=x] cl=-1 keepalive upgrade"},
}

func TestRequestsAccepted(t *testing.T) {
	for _, c := range requestsAccepted {
		if got := bothWays(t, Request, c.raw); got != c.want {
			t.Errorf("%q\ngot  %s\nwant %s", c.raw, got, c.want)
		}
	}
}

// requestsRefused has the reason, and the number of bytes after which it must be
// known; -1: at the end of the head.
var requestsRefused = []struct {
	raw, want string
	at        int
}{
	{"\rG", "400: CR without LF", 2},
	{" GET / HTTP/1.1\r\n\r\n", "400: no method", 1},
	{"GE(T / HTTP/1.1\r\n\r\n", "400: invalid byte in method", 3},
	{"GET\t/ HTTP/1.1\r\n\r\n", "400: invalid byte in method", 4},
	{"G\x00T / HTTP/1.1\r\n\r\n", "400: invalid byte in method", 2},
	{"\x16\x03\x01\x02\x00", "400: invalid byte in method", 1},
	{"GET  / HTTP/1.1\r\n\r\n", "400: more than one space after method", 5},
	{"GET /  HTTP/1.1\r\n\r\n", "400: more than one space before HTTP version", 7},
	{"GET /\r\n", "400: no HTTP version", 6},
	{"GET / \r\n", "400: invalid HTTP version", 7},
	{"GET /a#b HTTP/1.1\r\n", "400: invalid byte in request target", 7},
	{"GET /a\x80 HTTP/1.1\r\n", "400: invalid byte in request target", 7},
	{"GET /a\x7f HTTP/1.1\r\n", "400: invalid byte in request target", 7},
	{"GET /a\x00 HTTP/1.1\r\n", "400: invalid byte in request target", 7},
	{"GET /12345678\t HTTP/1.1\r\n", "400: invalid byte in request target", 14},
	{"GET /a b HTTP/1.1\r\n", "400: invalid HTTP version", 8},
	{"GET x HTTP/1.1\r\n", "400: request target is neither path nor URL", 6},
	{"GET * HTTP/1.1\r\n", "400: request target is neither path nor URL", 6},
	{"OPTIONS *x HTTP/1.1\r\n", "400: request target is neither path nor URL", 11},
	{"GET http:x HTTP/1.1\r\n", "400: request target is neither path nor URL", 11},
	{"GET 1http://x HTTP/1.1\r\n", "400: request target is neither path nor URL", 14},
	{"GET http:///x HTTP/1.1\r\n", "400: request target without host", 14},
	{"GET http://u:p@a/x HTTP/1.1\r\n", "400: userinfo in request target", 19},
	{"GET http://a?x HTTP/1.1\r\n", "400: invalid host in request target", 15},
	{"GET http://a:x/ HTTP/1.1\r\n", "400: invalid host in request target", 16},
	{"GET http://a:65536/ HTTP/1.1\r\n", "400: invalid host in request target", 20},
	{"GET http://[::1/ HTTP/1.1\r\n", "400: invalid host in request target", 17},
	{"CONNECT /x HTTP/1.1\r\n", "400: CONNECT target is not host:port", 11},
	{"CONNECT a HTTP/1.1\r\n", "400: CONNECT target without a valid port", 10},
	{"CONNECT a: HTTP/1.1\r\n", "400: CONNECT target without a valid port", 11},
	{"CONNECT a:99999 HTTP/1.1\r\n", "400: CONNECT target without a valid port", 16},
	{"CONNECT u@a:1 HTTP/1.1\r\n", "400: userinfo in request target", 14},
	{"GET / http/1.1\r\n", "400: invalid HTTP version", 7},
	{"GET / HTTP/2.0\r\n", "400: HTTP version not supported", 12},
	{"GET / HTTP/0.9\r\n", "400: HTTP version not supported", 12},
	{"GET / HTTP/1.x\r\n", "400: invalid HTTP version", 14},
	{"GET / HTTP/1.10\r\n", "400: invalid HTTP version", 15},
	{"GET / HTTP/1\r\n", "400: invalid HTTP version", 13},
	{"GET / HTTP/1.1 \r\n", "400: space after HTTP version", 15},
	{"GET / HTTP/1.1\rX", "400: CR without LF", 16},
	{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400: HTTP/2 preface", 4},
	{"GET / HTTP/1.1\r\n Host: a\r\n", "400: folded line", 17},
	{get + "X: a\r\n\tb\r\n\r\n", "400: folded line", len(get) + 7},
	{get + "Xa\r\n", "400: field without colon", len(get) + 3},
	{get + "Xa\n", "400: field without colon", len(get) + 3},
	{get + ": a\r\n", "400: field without name", len(get) + 1},
	{get + "X : a\r\n", "400: space in or after field name", len(get) + 2},
	{get + "X Y: a\r\n", "400: space in or after field name", len(get) + 2},
	{get + "X(a: a\r\n", "400: invalid byte in field name", len(get) + 2},
	{get + "Xabcdefg\x80: a\r\n", "400: invalid byte in field name", len(get) + 9},
	{get + "Xabcdefg\x00: a\r\n", "400: invalid byte in field name", len(get) + 9},
	{get + "X@[]{}: a\r\n", "400: invalid byte in field name", len(get) + 2},
	{get + "X: a\x00b\r\n", "400: NUL in field value", len(get) + 5},
	{get + "X: 0123456789\x01\r\n", "400: control byte in field value", len(get) + 14},
	{get + "X: \x7f\r\n", "400: control byte in field value", len(get) + 4},
	{get + "X: a\rb\r\n", "400: CR without LF", len(get) + 6},
	{get + "X: a\r\r\n", "400: CR without LF", len(get) + 6},
	{get + "\rX", "400: CR without LF", len(get) + 2},
	{get + "X: a\n\r\n", "400: lines end with CRLF and with LF alone", len(get) + 5},
	{get + "\n", "400: lines end with CRLF and with LF alone", len(get) + 1},
	{"GET / HTTP/1.1\nHost: a\r\n", "400: lines end with CRLF and with LF alone", 24},
	{"GET / HTTP/1.1\r\n\r\n", "400: no Host", -1},
	{"GET http://a/ HTTP/1.1\r\n\r\n", "400: no Host", -1},
	{get + "host: a\r\n\r\n", "400: more than one Host", len(get) + 9},
	{"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "400: invalid Host", 27},
	{"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "400: invalid Host", 27},
	{"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", "400: invalid Host", 27},
	{"GET / HTTP/1.1\r\nHost: a:x\r\n\r\n", "400: invalid Host", 27},
	{"GET / HTTP/1.1\r\nHost: \xc3\xa4\r\n\r\n", "400: invalid Host", 26},
	{"GET http://b/x HTTP/1.1\r\nHost: a\r\n\r\n", "400: Host differs from request target", -1},
	{"GET http://a:81/x HTTP/1.1\r\nHost: a\r\n\r\n", "400: Host differs from request target", -1},
	{"GET http://a:443/x HTTP/1.1\r\nHost: a\r\n\r\n", "400: Host differs from request target", -1},
	{"GET http://b/x HTTP/1.0\r\nHost: a\r\n\r\n", "400: Host differs from request target", -1},
	{"CONNECT b:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", "400: Host differs from request target", -1},
	{"CONNECT a:8080 HTTP/1.1\r\nHost: a\r\n\r\n", "400: Host differs from request target", -1},
	{post + "Content-Length: 3,\r\n\r\n", "400: invalid Content-Length", len(post) + 20},
	{post + "Content-Length: \r\n\r\n", "400: invalid Content-Length", len(post) + 18},
	{post + "Content-Length: +3\r\n\r\n", "400: invalid Content-Length", len(post) + 20},
	{post + "Content-Length: -3\r\n\r\n", "400: invalid Content-Length", len(post) + 20},
	{post + "Content-Length: 0x3\r\n\r\n", "400: invalid Content-Length", len(post) + 21},
	{post + "Content-Length: 3 3\r\n\r\n", "400: invalid Content-Length", len(post) + 21},
	{post + "Content-Length: 9223372036854775808\r\n\r\n", "400: invalid Content-Length", len(post) + 37},
	{post + "Content-Length: 18446744073709551619\r\n\r\n", "400: invalid Content-Length", len(post) + 38},
	{post + "Content-Length: 3\r\nContent-Length: 4\r\n\r\n", "400: Content-Lengths differ", len(post) + 38},
	{post + "Content-Length: 3, 4\r\n\r\n", "400: Content-Lengths differ", len(post) + 22},
	{post + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", "400: Content-Length with Transfer-Encoding",
		-1},
	{post + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", "400: Content-Length with Transfer-Encoding",
		-1},
	{"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "400: Transfer-Encoding in HTTP/1.0", -1},
	{post + "Transfer-Encoding: gzip\r\n\r\n", "400: Transfer-Encoding does not end with chunked", -1},
	{post + "Transfer-Encoding: identity\r\n\r\n", "400: Transfer-Encoding does not end with chunked", -1},
	{post + "Transfer-Encoding:\r\n\r\n", "400: Transfer-Encoding does not end with chunked", -1},
	{post + "Transfer-Encoding: xchunked\r\n\r\n", "400: Transfer-Encoding does not end with chunked", -1},
	{post + "Transfer-Encoding: \"chunked\"\r\n\r\n", "400: Transfer-Encoding does not end with chunked", -1},
	{post + "Transfer-Encoding: chunked;q=1\r\n\r\n", "400: Transfer-Encoding does not end with chunked", -1},
	{post + "Transfer-Encoding: \x0bchunked\r\n\r\n", "400: control byte in field value", len(post) + 20},
	{post + "Transfer-Encoding: gzip, chunked\r\n\r\n", "422: Transfer-Encoding other than chunked", -1},
	{post + "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n",
		"422: Transfer-Encoding other than chunked", -1},
	{post + "Transfer-Encoding: ,chunked\r\n\r\n", "422: Transfer-Encoding other than chunked", -1},
	{post + "Transfer-Encoding: chunked, gzip\r\n\r\n", "400: Transfer-Encoding goes on after chunked", len(post) + 34},
	{post + "Transfer-Encoding: chunked,\r\n\r\n", "400: Transfer-Encoding goes on after chunked", len(post) + 29},
	{post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
		"400: Transfer-Encoding goes on after chunked", len(post) + 56},
	{"GET / HTTP/1.0\r\nContent-Length: 3\r\n\r\n", "413: body with a method that has none in HTTP/1.0", -1},
	{"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 3\r\n\r\n", "400: CONNECT with a body", -1},
	{get + "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n", "400: WebSocket upgrade without Sec-WebSocket-Key", -1},
}

func TestRequestsRefused(t *testing.T) {
	for _, c := range requestsRefused {
		if got := bothWays(t, Request, c.raw); got != "refused "+c.want {
			t.Errorf("%q\ngot  %s\nwant refused %s", c.raw, got, c.want)
		}
		at := c.at
		if at < 0 {
			at = len(c.raw)
		}
		if _, k := parseBytes(t, Request, []byte(c.raw)); k != at {
			t.Errorf("%q: %s: told after %d bytes, not after %d", c.raw, c.want, k, at)
		}
	}
}

// Rules that go by the host see it also where a request of HTTP/1.0 names it in its target alone.
func TestHostOfOldRequests(t *testing.T) {
	for target, want := range map[string]string{"http://a:8/x": "a:8", "http://a": "a", "/x": "", "*": ""} {
		method := "GET"
		if target == "*" {
			method = "OPTIONS"
		}
		var h Head
		h.Reset(Request, 101)
		if _, err := h.Parse([]byte(method + " " + target + " HTTP/1.0\r\nX: y\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		if got, _ := h.Find("host"); string(got) != want || !h.Complete() {
			t.Errorf("%s: %q, not %q", target, got, want)
		}
		if f, err := h.FrameRequest(); f != (Frame{}) || err != nil {
			t.Errorf("%s: %v, %v", target, f, err)
		}
	}
}

func TestResponses(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	for _, c := range []struct{ raw, want string }{
		{ok + "Content-Length: 2\r\n\r\nok", "n=38 1.1|200|OK [Content-Length=2] cl=2 keepalive"},
		{"HTTP/1.0 200 OK\n\n", "n=17 1.0|200|OK cl=-1"},
		{"HTTP/1.1 200\r\n\r\n", "n=16 1.1|200| cl=-1 keepalive"},
		{"HTTP/1.1 200 \r\n\r\n", "n=17 1.1|200| cl=-1 keepalive"},
		{"HTTP/1.1 999 a\x80 \x01b\r\n\r\n", "n=22 1.1|999|a\x80 \x01b cl=-1 keepalive"},
		{ok + "X: a\x01\nY: b\r\n\n", "n=30 1.1|200|OK [X=a\x01] [Y=b] cl=-1 keepalive"},
		{"\r\n" + ok + "\r\n", "n=21 1.1|200|OK cl=-1 keepalive"},
		{"HTTP/1.1 204 No\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n",
			"n=72 1.1|204|No [X=y] cl=-1 keepalive"},
		{"HTTP/1.1 100 Continue\r\nContent-Length: 2\r\n\r\n", "n=44 1.1|100|Continue cl=-1 keepalive"},
		{"HTTP/1.1 304 No\r\nContent-Length: 2\r\n\r\n", "n=38 1.1|304|No [Content-Length=2] cl=2 keepalive"},
		{ok + "Host: a\r\nHost: b c\r\n\r\n", "n=39 1.1|200|OK [Host=a] [Host=b c] cl=-1 keepalive"},
		{"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
			"n=59 1.1|101|S [Connection=upgrade] [Upgrade=websocket] cl=-1 keepalive upgrade"},
		{"garbage\r\n\r\n", "refused 502: not an HTTP response"},
		{"ICY 200 OK\r\n\r\n", "refused 502: not an HTTP response"},
		{"HTTP/2.0 200 OK\r\n\r\n", "refused 502: HTTP version not supported"},
		{"HTTP/1.1  200 OK\r\n\r\n", "refused 502: invalid status code"},
		{"HTTP/1.1 99 OK\r\n\r\n", "refused 502: invalid status code"},
		{"HTTP/1.1 099 OK\r\n\r\n", "refused 502: invalid status code"},
		{"HTTP/1.1 2000 OK\r\n\r\n", "refused 502: invalid status code"},
		{"HTTP/1.1 2x0 OK\r\n\r\n", "refused 502: invalid status code"},
		{"HTTP/1.1 200 O\x00K\r\n\r\n", "refused 502: NUL in reason phrase"},
		{"HTTP/1.1 200 O\rK\r\n\r\n", "refused 502: CR without LF"},
		{ok + "X : a\r\n\r\n", "refused 502: space in or after field name"},
		{ok + "X: a\r\n b\r\n\r\n", "refused 502: folded line"},
		{ok + "X: a\x00\r\n\r\n", "refused 502: NUL in field value"},
		{ok + "X: a\rb\r\n\r\n", "refused 502: CR without LF"},
		{ok + "Content-Length: x\r\n\r\n", "refused 502: invalid Content-Length"},
		{ok + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n", "refused 502: Content-Lengths differ"},
		{ok + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
			"refused 502: Content-Length with Transfer-Encoding"},
		{ok + "Transfer-Encoding: gzip, chunked\r\n\r\n", "refused 502: Transfer-Encoding other than chunked"},
		{ok + "Transfer-Encoding: identity\r\n\r\n", "refused 502: Transfer-Encoding does not end with chunked"},
		{"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "refused 502: Transfer-Encoding in HTTP/1.0"},
	} {
		if got := bothWays(t, Response, c.raw); got != c.want {
			t.Errorf("%q\ngot  %s\nwant %s", c.raw, got, c.want)
		}
	}
}

func TestTooManyFields(t *testing.T) {
	raw := []byte("GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: y\r\n", 100) + "\r\n")
	var h Head
	h.Reset(Request, 101)
	if n, err := h.Parse(raw); n != len(raw) {
		t.Errorf("101 fields: %d, %v", n, err)
	}
	h.Reset(Request, 100)
	if _, err := h.Parse(raw); err == nil || err.(*Error).Reason != "too many fields" || err.(*Error).Status != 400 {
		t.Errorf("101 fields of 100: %v", err)
	}
}

func TestTooLarge(t *testing.T) {
	var h Head
	h.Reset(Request, 101)
	_, _ = h.Parse([]byte("GET /aaaa"))
	if e := h.TooLarge().(*Error); e.Status != 400 || e.Offset != 9 {
		t.Errorf("%+v", e)
	}
}

// TestPipelined: what follows a head is not looked at.
func TestPipelined(t *testing.T) {
	raw := []byte(get + "\r\n\x00\x00GARBAGE")
	var h Head
	h.Reset(Request, 101)
	n, err := h.Parse(raw)
	if n != len(get)+2 || err != nil || h.Seen() != n {
		t.Fatal(n, err, h.Seen())
	}
	raw = []byte(get + "X: 1\r\n\r\nPOST /2 HTTP/1.1\r\nHost: b\r\n\r\n")
	h.Reset(Request, 101)
	n, _ = h.Parse(raw)
	h.Reset(Request, 101)
	m, err := h.Parse(raw[n:])
	if n+m != len(raw) || err != nil || string(h.Method()) != "POST" || string(h.Host()) != "b" {
		t.Error(n, m, err)
	}
}

// TestLinear: a megabyte byte by byte costs a megabyte, whatever it is made of. Were bytes
// looked at again, this would be 10^12 steps and not end.
func TestLinear(t *testing.T) {
	for _, part := range []string{"X: y\r\n", "X:" + strings.Repeat(" ", 5000) + "\r\n",
		"X: " + strings.Repeat("a ", 5000) + "\r\n"} {
		raw := []byte(get + strings.Repeat(part, 1<<20/len(part)))
		var h Head
		h.Reset(Request, 1<<20)
		before := 0
		for k := 1; k <= len(raw); k++ {
			if n, err := h.Parse(raw[:k]); n != 0 || err != nil {
				t.Fatal(n, err)
			}
			if h.Seen() < before || h.Seen() < k {
				t.Fatalf("%d bytes seen of %d", h.Seen(), k)
			}
			before = h.Seen()
		}
	}
}
