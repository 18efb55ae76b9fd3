package differential

import (
	"fmt"
	"strings"
)

const get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

// exchanges are all cases. A case's name says what is unusual about it.
func exchanges() []exchange {
	var all []exchange
	all = append(all, wellFormed()...)
	all = append(all, illFormed()...)
	all = append(all, answers()...)
	all = append(all, badAnswers()...)
	all = append(all, connections()...)
	all = append(all, rules()...)
	all = append(all, failures()...)
	all = append(all, writing()...)
	all = append(all, facts()...)
	all = append(all, edges()...)
	all = append(all, framing()...)
	all = append(all, dropping()...)
	all = append(all, replacing()...)
	all = append(all, targets()...)
	all = append(all, hosts()...)
	all = append(all, telling()...)
	return all
}

// wellFormedRequests are names and bytes.
var wellFormedRequests = [][2]string{
	{"plain", get},
	{"no space after the colon", "GET / HTTP/1.1\r\nHost:x\r\n\r\n"},
	{"spaces around values", "GET / HTTP/1.1\r\nHost: \t x \t \r\nA:   b c  \r\n\r\n"},
	{"empty value", "GET / HTTP/1.1\r\nHost: x\r\nEmpty:\r\n\r\n"},
	{"repeated field", "GET / HTTP/1.1\r\nHost: x\r\nA: 1\r\nA: 2\r\n\r\n"},
	{"query", "GET /a/b?c=d&e=f%20g HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"empty query", "GET /a? HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"dots in the path", "GET /a/../b/./c HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"double slash", "GET //a//b HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"percent of nothing", "GET /a%zz HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"strange but legal characters", "GET /a|b^c`d{e}\" HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"host with port", "GET / HTTP/1.1\r\nHost: x:8080\r\n\r\n"},
	{"host is IPv6", "GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n"},
	{"empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n"},
	{"no host in 1.1", "GET / HTTP/1.1\r\n\r\n"},
	{"1.0 without host", "GET / HTTP/1.0\r\n\r\n"},
	{"1.0 with host", "GET / HTTP/1.0\r\nHost: x\r\n\r\n"},
	{"1.0 keep-alive", "GET / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n"},
	{"1.0 close", "GET / HTTP/1.0\r\nConnection: close\r\n\r\n"},
	{"1.1 close", "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"},
	{"1.1 Close in capitals", "GET / HTTP/1.1\r\nHost: x\r\nConnection: CLOSE\r\n\r\n"},
	{"1.1 keep-alive", "GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n"},
	{"connection names a field", "GET / HTTP/1.1\r\nHost: x\r\nConnection: x-a, close\r\nX-A: 1\r\n\r\n"},
	{"proxy-connection", "GET / HTTP/1.1\r\nHost: x\r\nProxy-Connection: keep-alive\r\n\r\n"},
	{"keep-alive field", "GET / HTTP/1.1\r\nHost: x\r\nKeep-Alive: timeout=5\r\nConnection: keep-alive\r\n\r\n"},
	{"absolute form", "GET http://x/a?b HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"absolute form without path", "GET http://x HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"absolute form with port", "GET http://x:81/a HTTP/1.1\r\nHost: x:81\r\n\r\n"},
	{"options star", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"put", "PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"},
	{"delete", "DELETE /a HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"patch", "PATCH /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab"},
	{"trace", "TRACE /a HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"a method of its own", "BREW /pot HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"method in lower case", "get / HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"post", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde"},
	{"post of nothing", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"},
	{"post without length", "POST / HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"length with zeros before", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 005\r\n\r\nabcde"},
	{"same length twice", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nabcde"},
	{"chunked", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n"},
	{"chunks", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"},
	{"chunk size in capitals with zeros",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n00A\r\n0123456789\r\n0\r\n\r\n"},
	{"chunked of nothing", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
	{"Chunked in capitals", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"},
	{"chunk extension", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;name=value\r\nabcde\r\n0\r\n\r\n"},
	{"chunk extension with quotes",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"b c\"\r\nabcde\r\n0;last\r\n\r\n"},
	{"trailers", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-T: 1\r\n\r\n"},
	{"pipelined", get + get},
	{"pipelined posts", strings.Repeat("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", 3)},
	{"pipelined, the last closes", get + "GET /2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"},
	{"pipelined, the first closes", "GET /1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" + get},
	{"an empty line before", "\r\n" + get},
	{"empty lines between", get + "\r\n\r\n" + get},
	{"lines end with LF only", "GET / HTTP/1.1\nHost: x\nA: b\n\n"},
	{"head", "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"expect 100 with body at once",
		"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab"},
	{"100 trailers", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n" +
		strings.Repeat("x-t: 1\r\n", 100) + "\r\n"},
	{"te trailers", "GET / HTTP/1.1\r\nHost: x\r\nTE: trailers\r\nConnection: TE\r\n\r\n"},
	{"get with body", "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"},
	{"many fields", "GET / HTTP/1.1\r\nHost: x\r\n" + manyFields(90) + "\r\n"},
	{"bytes above 127 in a value", "GET / HTTP/1.1\r\nHost: x\r\nA: \xc3\xa4\xff\r\n\r\n"},
	{"field name of strange tokens", "GET / HTTP/1.1\r\nHost: x\r\n!#$%&'*+-.^_`|~0: a\r\n\r\n"},
	{"long value", "GET / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("v", 8000) + "\r\n\r\n"},
	{"long target", "GET /" + strings.Repeat("u", 3000) + " HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"upgrade the server does not follow",
		"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"},
}

// requests that are in order, each as name and bytes.
func wellFormed() (all []exchange) {
	for _, r := range wellFormedRequests {
		x := exchange{name: r[0], send: r[1]}
		x.requests = strings.Count(x.send, " HTTP/1.")
		switch r[0] {
		case "head":
			x.replies = []string{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Origin: a\r\n\r\n"}
		case "pipelined, the first closes":
			x.requests = 1
		}
		all = append(all, x)
	}
	return all
}

func manyFields(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "X-%d: %d\r\n", i, i)
	}
	return b.String()
}

// illFormedRequests are names and bytes.
var illFormedRequests = [][2]string{
	{"nothing of HTTP", "hello\r\n\r\n"},
	{"binary", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"},
	{"no version", "GET /\r\n\r\n"},
	{"no version with fields", "GET /\r\nHost: x\r\n\r\n"},
	{"HTTP/2.0", "GET / HTTP/2.0\r\nHost: x\r\n\r\n"},
	{"HTTP/0.9", "GET / HTTP/0.9\r\nHost: x\r\n\r\n"},
	{"HTTP/1.2", "GET / HTTP/1.2\r\nHost: x\r\n\r\n"},
	{"HTTP/1.10", "GET / HTTP/1.10\r\nHost: x\r\n\r\n"},
	{"HTTP/11", "GET / HTTP/11\r\nHost: x\r\n\r\n"},
	{"version in lower case", "GET / http/1.1\r\nHost: x\r\n\r\n"},
	{"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
	{"two spaces before the target", "GET  / HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"two spaces before the version", "GET /  HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"tab for a space", "GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"space in the target", "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"space before the method", " GET / HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"space after the version", "GET / HTTP/1.1 \r\nHost: x\r\n\r\n"},
	{"control byte in the target", "GET /a\x01b HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"NUL in the target", "GET /a\x00b HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"byte above 127 in the target", "GET /\xc3\xa4 HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"DEL in the target", "GET /a\x7fb HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"relative target", "GET a/b HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"method with a colon", "GE:T / HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"method with a parenthesis", "GE(T / HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"space before the colon", "GET / HTTP/1.1\r\nHost : x\r\n\r\n"},
	{"field without colon", "GET / HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n"},
	{"field without name", "GET / HTTP/1.1\r\nHost: x\r\n: a\r\n\r\n"},
	{"space in a field's name", "GET / HTTP/1.1\r\nHost: x\r\nA B: c\r\n\r\n"},
	{"folded field", "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n"},
	{"folded first field", "GET / HTTP/1.1\r\n A: b\r\nHost: x\r\n\r\n"},
	{"NUL in a value", "GET / HTTP/1.1\r\nHost: x\r\nA: b\x00c\r\n\r\n"},
	{"bare CR in a value", "GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n"},
	{"bare CR ends a line", "GET / HTTP/1.1\r\nHost: x\rA: b\r\n\r\n"},
	{"control byte in a value", "GET / HTTP/1.1\r\nHost: x\r\nA: b\x02c\r\n\r\n"},
	{"control byte in a name", "GET / HTTP/1.1\r\nHost: x\r\nA\x02: c\r\n\r\n"},
	{"byte above 127 in a name", "GET / HTTP/1.1\r\nHost: x\r\nA\xe4: c\r\n\r\n"},
	{"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"},
	{"the same host twice", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"},
	{"host differs from the target", "GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n"},
	{"host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"},
	{"host with a user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"},
	{"host with a bad port", "GET / HTTP/1.1\r\nHost: a:bc\r\n\r\n"},
	{"target with a user", "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n"},
	{"length and chunked", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
	{"chunked and length", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"},
	{"two different lengths", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef"},
	{"list of equal lengths", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 5\r\n\r\nabcde"},
	{"list of lengths", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 6\r\n\r\nabcdef"},
	{"length +5", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nabcde"},
	{"length -5", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\nabcde"},
	{"length 0x5", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x5\r\n\r\nabcde"},
	{"length of nothing", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\nabcde"},
	{"length with a space inside", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5 5\r\n\r\nabcde"},
	{"length beyond 64 bits", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\nabcde"},
	{"length with a letter", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5a\r\n\r\nabcde"},
	{"gzip, chunked", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"},
	{"chunked, gzip", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n1\r\na\r\n0\r\n\r\n"},
	{"chunked twice", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"},
	{"two transfer-encodings", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"},
	{"transfer-encoding identity",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\nContent-Length: 1\r\n\r\na"},
	{"transfer-encoding xchunked",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n1\r\na\r\n0\r\n\r\n"},
	{"transfer-encoding with a space",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"},
	{"transfer-encoding with a vertical tab",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \x0bchunked\r\n\r\n1\r\na\r\n0\r\n\r\n"},
	{"chunked in 1.0", "POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"},
	{"chunk size is no number", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nabc\r\n0\r\n\r\n"},
	{"chunk size with 0x", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n"},
	{"chunk size -1", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nabc\r\n0\r\n\r\n"},
	{"chunk size beyond 64 bits", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000003\r\nabc\r\n0\r\n\r\n"},
	{"chunk without its CRLF", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcXX0\r\n\r\n"},
	{"chunk longer than its size",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n"},
	{"chunk line ends with LF", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\n0\n\n"},
	{"space after a chunk's size",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n"},
	{"101 trailers", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" +
		strings.Repeat("X-T: 1\r\n", 101) + "\r\n"},
	{"bad trailer", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nbad trailer\r\n\r\n"},
	{"head too long", "GET / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("v", 17000) + "\r\n\r\n"},
	{"target too long", "GET /" + strings.Repeat("u", 17000) + " HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"too many fields", "GET / HTTP/1.1\r\nHost: x\r\n" + manyFields(150) + "\r\n"},
	{"bad request after a good one", get + "GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"smuggled in the body of a GET",
		"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 30\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /evil HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"connect without port", "CONNECT x HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"connect with a path", "CONNECT /a HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"star with get", "GET * HTTP/1.1\r\nHost: x\r\n\r\n"},
}

// requests nobody should forward.
func illFormed() (all []exchange) {
	for _, r := range illFormedRequests {
		x := exchange{name: r[0], send: r[1]}
		switch r[0] {
		case "bad request after a good one":
			x.requests = 2
		case "HTTP/2 preface":
			x.foreign, x.until = true, "\x00" // a frame
		}
		// A mistake in the body is met before or after a server was chosen, as its bytes happen to come.
		x.whole = len(x.send) > 9000 || strings.Contains(r[0], "chunk") || strings.HasSuffix(r[0], " trailer") ||
			r[0] == "101 trailers"
		all = append(all, x)
	}
	return all
}

var wellFormedAnswers = [][2]string{
	{"empty body", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Origin: a\r\n\r\n"},
	{"no reason", "HTTP/1.1 200\r\nContent-Length: 2\r\nX-Origin: a\r\n\r\nok"},
	{"empty reason", "HTTP/1.1 200 \r\nContent-Length: 2\r\nX-Origin: a\r\n\r\nok"},
	{"long reason", "HTTP/1.1 200 It Went Very Well\r\nContent-Length: 2\r\nX-Origin: a\r\n\r\nok"},
	{"status 299", "HTTP/1.1 299 Odd\r\nContent-Length: 2\r\nX-Origin: a\r\n\r\nok"},
	{"status 404", "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nX-Origin: a\r\n\r\nno"},
	{"status 500", "HTTP/1.1 500 Broken\r\nContent-Length: 2\r\nX-Origin: a\r\n\r\nno"},
	{"status 503 of the server", "HTTP/1.1 503 Busy\r\nContent-Length: 2\r\nX-Origin: a\r\n\r\nno"},
	{"status 302", "HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\nX-Origin: a\r\n\r\n"},
	{"status 204", "HTTP/1.1 204 No Content\r\nX-Origin: a\r\n\r\n"},
	{"status 304", "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nX-Origin: a\r\n\r\n"},
	{"status 304 with length", "HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\nX-Origin: a\r\n\r\n"},
	{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Origin: a\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"},
	{"chunked with trailer", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\nX-Origin: a\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n"},
	{"chunked with extension", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Origin: a\r\n\r\n3;a=b\r\nabc\r\n0\r\n\r\n"},
	{"connection close with length",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\nX-Origin: a\r\n\r\nok"},
	{"1.0 with length", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\nX-Origin: a\r\n\r\nok"},
	{"1.0 keep-alive", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\nX-Origin: a\r\n\r\nok"},
	{"100 before the answer", "HTTP/1.1 100 Continue\r\n\r\n" + hello},
	{"103 before the answer", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + hello},
	{"two interim answers", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n" + hello},
	{"lines end with LF only", "HTTP/1.1 200 OK\nContent-Length: 2\nX-Origin: a\n\nok"},
	{"same length twice", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\nX-Origin: a\r\n\r\nok"},
	{"set-cookie twice", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Origin: a\r\n\r\nok"},
	{"keep-alive fields", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\nX-Origin: a\r\n\r\nok"},
	{"large body", "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\nX-Origin: a\r\n\r\n" +
		strings.Repeat("0123456789", 10000)},
}

// answers of servers that are in order.
func answers() (all []exchange) {
	for _, r := range wellFormedAnswers {
		x := exchange{name: "answer: " + r[0], send: get, replies: []string{r[1]}, whole: len(r[1]) > 10000}
		all = append(all, x)
		if r[0] == "chunked" || r[0] == "chunked with trailer" || r[0] == "1.0 with length" || r[0] == "empty body" {
			x.name, x.send = "answer to 1.0: "+r[0], "GET / HTTP/1.0\r\nHost: x\r\n\r\n"
			all = append(all, x)
			x.name, x.send = "answer to 1.0 keep-alive: "+r[0],
				"GET / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n"
			all = append(all, x)
		}
	}
	all = append(all,
		exchange{name: "answer: until close", send: get,
			replies: []string{"HTTP/1.1 200 OK\r\nX-Origin: a\r\n\r\nuntil close"}, serverCloses: true},
		exchange{name: "answer: 1.0 until close", send: get,
			replies: []string{"HTTP/1.0 200 OK\r\nX-Origin: a\r\n\r\nuntil close"}, serverCloses: true},
		exchange{name: "answer to 1.0: until close", send: "GET / HTTP/1.0\r\n\r\n",
			replies: []string{"HTTP/1.0 200 OK\r\nX-Origin: a\r\n\r\nuntil close"}, serverCloses: true},
		exchange{name: "answer: length, then close", send: get, serverCloses: true},
		exchange{name: "answer to HEAD with length", send: "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n",
			replies: []string{"HTTP/1.1 200 OK\r\nContent-Length: 500\r\nX-Origin: a\r\n\r\n"}},
		exchange{name: "answer to HEAD with chunked", send: "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n",
			replies: []string{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Origin: a\r\n\r\n"}},
		exchange{name: "answer to HEAD without anything", send: "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n",
			replies: []string{"HTTP/1.1 200 OK\r\nX-Origin: a\r\n\r\n"}},
		exchange{name: "websocket", send: "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
			replies: []string{"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nX-Origin: a\r\n\r\nfrom the server"}, serverCloses: true},
		exchange{name: "upgrade of another kind",
			send:    "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n",
			replies: []string{"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: foo\r\nX-Origin: a\r\n\r\nfrom the server"}, serverCloses: true},
		exchange{name: "connect", send: "CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n",
			replies: []string{"HTTP/1.1 200 OK\r\nX-Origin: a\r\n\r\nfrom the tunnel"}, serverCloses: true},
		exchange{name: "connect refused by the server", send: "CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n",
			replies: []string{"HTTP/1.1 403 No\r\nContent-Length: 2\r\nX-Origin: a\r\n\r\nno"}},
		exchange{name: "second answer differs", send: get + get, requests: 2,
			replies: []string{hello, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nX-Origin: a\r\n\r\n"}},
		exchange{name: "expect 100, the server says it",
			send:    "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab",
			replies: []string{"HTTP/1.1 100 Continue\r\n\r\n" + hello}},
	)
	return all
}

// answers nobody should trust.
func badAnswers() (all []exchange) {
	for _, r := range [][2]string{
		{"rubbish", "rubbish\r\n\r\n"},
		{"status of two digits", "HTTP/1.1 20 OK\r\nContent-Length: 2\r\nX-Origin: a\r\n\r\nok"},
		{"status of four digits", "HTTP/1.1 2000 OK\r\nContent-Length: 2\r\nX-Origin: a\r\n\r\nok"},
		{"status is no number", "HTTP/1.1 abc OK\r\nContent-Length: 2\r\nX-Origin: a\r\n\r\nok"},
		{"status 099", "HTTP/1.1 099 OK\r\nContent-Length: 2\r\nX-Origin: a\r\n\r\nok"},
		{"version 2", "HTTP/2.0 200 OK\r\nContent-Length: 2\r\nX-Origin: a\r\n\r\nok"},
		{"name of another protocol", "ICY 200 OK\r\nContent-Length: 2\r\nX-Origin: a\r\n\r\nok"},
		{"field without colon", "HTTP/1.1 200 OK\r\nnonsense\r\nContent-Length: 2\r\nX-Origin: a\r\n\r\nok"},
		{"space before the colon", "HTTP/1.1 200 OK\r\nContent-Length : 2\r\nX-Origin: a\r\n\r\nok"},
		{"NUL in a value", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nA: b\x00c\r\nX-Origin: a\r\n\r\nok"},
		{"folded field", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nA: b\r\n c\r\nX-Origin: a\r\n\r\nok"},
		{"two different lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\nX-Origin: a\r\n\r\nok!"},
		{"length is no number", "HTTP/1.1 200 OK\r\nContent-Length: two\r\nX-Origin: a\r\n\r\nok"},
		{"length and chunked", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\nX-Origin: a\r\n\r\n2\r\nok\r\n0\r\n\r\n"},
		{"chunk size is no number", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Origin: a\r\n\r\nzz\r\nok\r\n0\r\n\r\n"},
		{"chunk without CRLF", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Origin: a\r\n\r\n2\r\nokXX0\r\n\r\n"},
		{"head too long", "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("v", 17000) +
			"\r\nContent-Length: 2\r\nX-Origin: a\r\n\r\nok"},
		{"too many fields", "HTTP/1.1 200 OK\r\n" + manyFields(150) + "Content-Length: 2\r\nX-Origin: a\r\n\r\nok"},
	} {
		all = append(all, exchange{name: "bad answer: " + r[0], send: get, replies: []string{r[1]}, whole: true})
	}
	closing := func(name, reply string) {
		all = append(all, exchange{name: "bad answer: " + name, send: get, replies: []string{reply}, serverCloses: true,
			whole: true})
	}
	closing("closed without a word", "")
	closing("closed within the head", "HTTP/1.1 200 OK\r\nContent-Le")
	closing("closed within the status line", "HTTP/1.")
	closing("closed within the body", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nX-Origin: a\r\n\r\nhalf")
	closing("closed within a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Origin: a\r\n\r\n5\r\nab")
	closing("closed before the last chunk",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Origin: a\r\n\r\n2\r\nab\r\n")
	return all
}

// connections: who keeps and who closes, under each option.
func connections() (all []exchange) {
	for _, option := range []string{"option http-keep-alive", "option http-server-close", "option httpclose"} {
		for _, r := range [][2]string{
			{"1.1", get},
			{"1.1 close", "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"},
			{"1.0", "GET / HTTP/1.0\r\n\r\n"},
			{"1.0 keep-alive", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"},
			{"two", get + get},
		} {
			x := exchange{name: option + ": " + r[0], settings: option, send: r[1]}
			if r[0] == "two" && option != "option httpclose" {
				x.requests = 2
			}
			all = append(all, x)
		}
		all = append(all,
			exchange{name: option + ": chunked", settings: option, send: get,
				replies: []string{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Origin: a\r\n\r\n1\r\na\r\n0\r\n\r\n"}},
			exchange{name: option + ": server closes", settings: option, send: get, serverCloses: true},
			exchange{name: option + ": post", settings: option,
				send: "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"},
		)
	}
	all = append(all,
		exchange{name: "client half-closes after its request", send: get, clientCloses: true},
		exchange{name: "client half-closes within the head", send: "GET / HTTP/1.1\r\nHo", clientCloses: true},
		exchange{name: "client half-closes within the body",
			send: "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc", clientCloses: true, whole: true},
		exchange{name: "client half-closes within a chunk",
			send: "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", clientCloses: true},
		exchange{name: "client closes without a word", send: "", clientCloses: true, whole: true},
		exchange{name: "client closes without a word, dontlognull", settings: "option dontlognull", send: "",
			clientCloses: true, requests: -1, whole: true},
		exchange{name: "client half-closes, abortonclose", settings: "option abortonclose", send: get,
			clientCloses: true, mute: true, hasty: true, whole: true},
		exchange{name: "head never complete", send: "GET / HTTP/1.1\r\nHost: x\r\n", hasty: true, whole: true},
		exchange{name: "head never complete, http-request", settings: "timeout http-request 200ms",
			send: "GET / HTTP/1.1\r\nHost: x\r\n", whole: true},
		exchange{name: "nothing sent, http-request", settings: "timeout http-request 200ms", send: "", whole: true},
		exchange{name: "nothing sent, dontlognull", settings: "option dontlognull\ntimeout http-request 200ms",
			send: "", requests: -1, whole: true},
		exchange{name: "body never complete", send: "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc",
			hasty: true, whole: true},
		exchange{name: "idle after a request", settings: "timeout http-keep-alive 200ms", send: get, closes: true,
			whole: true},
	)
	return all
}

// ruleSettings are names and lines of a configuration.
var ruleSettings = [][2]string{
	{"forwardfor", "option forwardfor"},
	{"forwardfor header", "option forwardfor header X-Client"},
	{"forwardfor except", "option forwardfor except 127.0.0.0/8"},
	{"forwardfor if-none", "option forwardfor if-none"},
	{"originalto", "option originalto except 127.0.0.0/8"},
	{"deny", "http-request deny"},
	{"deny path", "http-request deny if { path_beg /a }"},
	{"deny another path", "http-request deny if { path_beg /b }"},
	{"deny status", "http-request deny status 429"},
	{"deny unless", "http-request deny unless { method GET }"},
	{"acl or", "acl a path /x\nacl b hdr(host) -i WWW.X.ORG:8080\nhttp-request deny if a or b"},
	{"acl and not", "acl a path_end .html\nacl b method POST\nhttp-request deny if a !b"},
	{"acl regex", "acl a url_reg -i \\.HTML\nhttp-request deny if a"},
	{"acl dom", "http-request deny if { hdr_dom(host) -i x.org }"},
	{"acl dir", "http-request deny if { path_dir a }"},
	{"acl sub", "http-request deny if { path_sub b.h }"},
	{"acl list value", "http-request deny if { hdr(x-a) two }"},
	{"acl cookie", "http-request deny if { cook(t) 2 }"},
	{"acl url_param", "http-request deny if { url_param(q) 1 }"},
	{"acl src", "http-request deny if { src 127.0.0.0/8 }"},
	{"acl hdr_cnt", "http-request deny if { hdr_cnt(x-a) 2 }"},
	{"acl found", "http-request deny if { hdr(x-b) -m found }"},
	{"predefined", "http-request deny if METH_GET HTTP_1.1"},
	{"set-header", "http-request set-header X-New %[src]-%[path]"},
	{"set-header replaces", "http-request set-header X-A new"},
	{"add-header", "http-request add-header X-A three"},
	{"del-header", "http-request del-header X-A"},
	{"replace-header", "http-request replace-header X-A (.*),(.*) \\2+\\1"},
	{"replace-value", "http-request replace-value X-A o(.*) 0\\1"},
	{"set-path", "http-request set-path /new%[path]"},
	{"set-query", "http-request set-query %[query]&r=2"},
	{"set-uri", "http-request set-uri /u?v"},
	{"set-method", "http-request set-method POST if { path /none }"},
	{"replace-path", "http-request replace-path /a/(.*) /z/\\1"},
	{"response set-header", "http-response set-header X-Origin b"},
	{"response add-header", "http-response add-header X-More c"},
	{"response del-header", "http-response del-header Content-Type"},
	{"response set-status", "http-response set-status 418 reason \"I am a teapot\""},
	{"response deny", "http-response deny if { status 200 }"},
	{"redirect location", "redirect location http://y/"},
	{"redirect location 301", "redirect location http://y/ code 301"},
	{"redirect prefix", "redirect prefix http://y"},
	{"redirect prefix drop-query", "redirect prefix http://y drop-query"},
	{"redirect prefix drop-query append-slash", "redirect prefix http://y drop-query append-slash code 303"},
	{"redirect scheme", "redirect scheme https"},
	{"redirect scheme unless", "redirect scheme https unless { path_beg /a }"},
	{"redirect set-cookie", "redirect location / set-cookie SEEN=1"},
	{"redirect clear-cookie", "redirect location / clear-cookie USERID="},
	{"http-request redirect", "http-request redirect location http://%[hdr(host)]%[path] code 307"},
	{"return", "http-request return status 200 content-type text/plain string hello"},
	{"return lf-string", "http-request return status 404 content-type text/plain lf-string \"%[path]\""},
	{"return header", "http-request return status 200 content-type text/plain string x hdr X-Y %[method]"},
	{"return empty", "http-request return status 200"},
	{"allow before deny", "http-request allow if { path_beg /a }\nhttp-request deny"},
	{"monitor-uri", "monitor-uri /a/b.html?q=1"},
	{"tarpit", "timeout tarpit 100ms\nhttp-request tarpit"},
	{"capture", "capture request header Host len 20\ncapture request header X-None len 5\ncapture response header " +
		"X-Origin len 10"},
	{"capture short", "capture request header User-Agent len 2"},
	{"capture cookie", "capture cookie t= len 10"},
	{"log-format", "log-format \"%ft case %HM %HP %HQ %HV %ST %[capture.req.uri] %{+Q}r\""},
	{"unique-id", "unique-id-format id-%[path]\nunique-id-header X-Id"},
	{"block in content", "tcp-request content reject if { path_beg /a }"},
	{"accept in content", "tcp-request content accept if { path_beg /a }\ntcp-request content reject"},
	{"reject", "http-request reject if { path_beg /a }"},
	{"logasap", "option logasap"},
	{"redir", "server s ORIGIN redir http://y:8080"},
	{"deny_status", "http-request deny deny_status 429"},
	{"return with error pages", "http-request return status 503 default-errorfiles"},
	{"silent log level", "http-request set-log-level warning"},
	{"url_param with path", "http-request deny if { path /a/b.html } { url_param(q) -m int gt 0 }"},
	{"nbsrv", "http-request deny if { nbsrv(case0) ge 1 } { nbsrv lt 1 }"},
	{"del-header -m beg", "http-request del-header X- -m beg"},
	{"server-close with rules", "option http-server-close\nhttp-request set-header X-B " +
		"%[req.hdr(host),lower,field(1,:)]"},
	{"response capture in format",
		"capture response header X-Origin len 4\nlog-format \"%ft case %ST %hs %[capture.res.hdr(0)]\""},
	{"errorfile none", "http-request deny deny_status 503"},
}

// cookieSettings are names and lines of a configuration.
var cookieSettings = [][2]string{
	{"insert", "cookie SRV insert"},
	{"insert indirect nocache", "cookie SRV insert indirect nocache"},
	{"insert httponly secure domain", "cookie SRV insert httponly secure domain .x.org"},
	{"insert postonly", "cookie SRV insert postonly"},
	{"insert preserve", "cookie SRV insert preserve"},
	{"rewrite", "cookie SRV rewrite"},
	{"prefix", "cookie SRV prefix"},
	{"passive", "cookie SRV"},
}

// rules: what the configuration does with requests and responses.
func rules() (all []exchange) {
	at := "GET /a/b.html?q=1 HTTP/1.1\r\nHost: www.x.org:8080\r\nUser-Agent: test\r\nX-A: one, two\r\nCookie: s=1; t=2\r\n\r\n"
	for _, r := range ruleSettings {
		x := exchange{name: "rule: " + r[0], settings: r[1], send: at}
		if r[0] == "monitor-uri" {
			x.requests, x.until = -1, "</html>"
		}
		all = append(all, x)
	}
	for _, c := range cookieSettings {
		for _, sent := range [][2]string{{"without", ""}, {"valid", "Cookie: SRV=c1\r\n"},
			{"valid among others", "Cookie: a=b; SRV=c1; c=d\r\n"}, {"invalid", "Cookie: SRV=zz\r\n"},
			{"prefixed", "Cookie: SRV=c1~own\r\n"}} {
			for _, set := range []string{"", "Set-Cookie: SRV=own; path=/\r\n"} {
				name := "cookie " + c[0] + ", " + sent[0]
				if set != "" {
					if sent[0] != "without" {
						continue
					}
					name += ", the server sets it"
				}
				all = append(all, exchange{name: name, settings: c[1] + "\nserver s ORIGIN cookie c1",
					send:    "GET / HTTP/1.1\r\nHost: x\r\n" + sent[1] + "\r\n",
					replies: []string{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + set + "X-Origin: a\r\n\r\nok"},
					whole:   true})
			}
		}
	}
	return all
}

// failures: servers that are not there, or too slow.
func failures() []exchange {
	return []exchange{
		{name: "server refuses", send: get, refuse: true, whole: true},
		{name: "server refuses, no retries", settings: "retries 0", send: get, refuse: true, whole: true},
		{name: "server refuses, 1.0", settings: "retries 0", send: "GET / HTTP/1.0\r\n\r\n", refuse: true, whole: true},
		{name: "server refuses, HEAD", settings: "retries 0", send: "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", refuse: true,
			whole: true},
		{name: "server refuses, post", settings: "retries 0",
			send: "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", refuse: true, whole: true},
		{name: "server never answers", send: get, mute: true, hasty: true, whole: true},
		{name: "server never answers a post", send: "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
			mute: true, hasty: true, whole: true},
		{name: "server answers early", send: "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", early: true,
			whole: true},
		{name: "tcp", settings: "mode tcp\noption tcplog", send: get, serverCloses: true, whole: true},
		{name: "tcp, the client half-closes", settings: "mode tcp\noption tcplog", send: get, clientCloses: true,
			serverCloses: true, whole: true},
		{name: "tcp, bytes of any kind", settings: "mode tcp\noption tcplog", send: "\x00\x01\xff\r\n\r\n",
			serverCloses: true, whole: true},
		{name: "tcp, server refuses", settings: "mode tcp\noption tcplog\nretries 0", send: get, refuse: true,
			whole: true},
		{name: "tcp, no server", settings: "mode tcp\noption tcplog\nserver s ORIGIN disabled", send: get, whole: true},
		{name: "tcp, silent server", settings: "mode tcp\noption tcplog\ntimeout client 60s", send: get, mute: true,
			hasty: true, whole: true},
		{name: "tcp, silent client", settings: "mode tcp\noption tcplog\ntimeout server 60s", send: "", mute: true,
			hasty: true, whole: true},
		{name: "tcp, logasap", settings: "mode tcp\noption tcplog\noption logasap", send: get, serverCloses: true,
			whole: true},
		{name: "tcp, rejected", settings: "mode tcp\noption tcplog\ntcp-request connection reject", send: get,
			requests: -1, whole: true},
		{name: "tcp, rejected by content",
			settings: "mode tcp\noption tcplog\ntcp-request inspect-delay 30s\ntcp-request content reject if { " +
				"req.len gt 3 }", send: get, whole: true},
		{name: "tcp, accepted by content",
			settings: "mode tcp\noption tcplog\ntcp-request inspect-delay 30s\ntcp-request content accept if { " +
				"req.len gt 3 }\ntcp-request content reject", send: get, serverCloses: true, whole: true},
		{name: "tcp, inspection waits",
			settings: "mode tcp\noption tcplog\ntcp-request inspect-delay 200ms\ntcp-request content accept if { " +
				"req.len gt 3000 }", send: get, serverCloses: true, whole: true},
		{name: "tcp, proxy protocol", settings: "mode tcp\noption tcplog\nserver s ORIGIN send-proxy",
			send: "x\r\n\r\n", serverCloses: true, whole: true},
		{name: "no server", settings: "server s ORIGIN disabled", send: get, whole: true},
		{name: "errorloc", settings: "retries 0\nerrorloc 503 http://sorry/", send: get, refuse: true, whole: true},
		{name: "errorloc303", settings: "retries 0\nerrorloc303 503 http://sorry/", send: get, refuse: true,
			whole: true},
	}
}
