package h1

import (
	"fmt"
	"strings"
	"testing"
)

// run feeds a body in pieces of size bytes, with room bytes of scratch, and gives what
// was forwarded, what was left, and the error.
func runBody(b Body, in string, size, room int, as Transfer) (out, rest string, err error) {
	scratch := make([]byte, 0, room)
	pending := []byte{}
	for {
		for len(pending) > 0 && !b.Done() {
			o, n, err := b.Next(pending, scratch, as)
			if err != nil {
				return out, "", err
			}
			out += string(o)
			pending = pending[n:]
			if n == 0 {
				break
			}
		}
		if in == "" || b.Done() {
			return out, string(pending) + in, nil
		}
		n := min(size, len(in))
		pending = append(pending, in[:n]...)
		in = in[n:]
	}
}

// chunked are bodies as they come, as they go on, unchunked, and what follows them.
var chunked = []struct {
	in, asIs, plain, rest string // asIs "=": as it came
	err                   string
}{
	{"3\r\nabc\r\n0\r\n\r\n", "=", "abc", "", ""},
	{"0\r\n\r\nGET /", "0\r\n\r\n", "", "GET /", ""},
	{"3\r\nabc\r\nA\r\n0123456789\r\n0000\r\n\r\n\r\n", "3\r\nabc\r\nA\r\n0123456789\r\n0000\r\n\r\n", "abc0123456789",
		"\r\n", ""},
	{"a\r\n0123456789\r\n0\r\n\r\n", "=", "0123456789", "", ""},
	{"0000000000000003\r\nabc\r\n0\r\n\r\n", "=", "abc", "", ""},
	{"3;foo=bar;x=\"y\"\r\nabc\r\n0;z\r\n\r\n", "3\r\nabc\r\n0\r\n\r\n", "abc", "", ""},
	{"3 \t; foo=bar\r\nabc\r\n0  \r\n\r\n", "3\r\nabc\r\n0\r\n\r\n", "abc", "", ""},
	{"3\r\nabc\r\n0\r\nX-T: a b\r\nY:\r\n\r\nZ", "3\r\nabc\r\n0\r\nX-T: a b\r\nY:\r\n\r\n", "abc", "Z", ""},
	{"3\r\nabc\r\n0\r\nContent-Length-Of-A-Longer-Name: 1\r\n\r\n", "=", "abc", "", ""},

	{" 3\r\n", "", "", "", "chunk without size"},
	{"\r\n", "", "", "", "chunk without size"},
	{"+3\r\n", "", "", "", "chunk without size"},
	{"-3\r\n", "", "", "", "chunk without size"},
	{"0x3\r\n", "", "", "", "invalid byte in chunk size"},
	{"3 3\r\n", "", "", "", "invalid byte in chunk size"},
	{"3\nabc\n0\n\n", "", "", "", "invalid byte in chunk size"},
	{"3;a\nabc\r\n", "", "", "", "LF without CR in chunk size"},
	{"3\rabc\r\n", "", "", "", "CR without LF in chunk size"},
	{"3;a\rb\r\n", "", "", "", "CR without LF in chunk size"},
	{"3;a=\"\r\n\"\r\nabc", "", "", "", "chunk longer than its size"},
	{"3;\x00\r\n", "", "", "", "control byte in chunk extension"},
	{"3;" + strings.Repeat("a", 5000) + "\r\n", "", "", "", "chunk extension too long"},
	{"3\r\nabcd\r\n", "", "", "", "chunk longer than its size"},
	{"3\r\nabc\n0\r\n\r\n", "", "", "", "chunk longer than its size"},
	{"3\r\nabc\r0\r\n\r\n", "", "", "", "CR without LF after chunk"},
	{"1000000000000000\r\n", "", "", "", "chunk size too large"},
	{"fffffffffffffffff\r\n", "", "", "", "chunk size too large"},
	{"10000000000000003\r\n", "", "", "", "chunk size too large"},
	{"00000000000000003\r\n", "", "", "", "chunk size too large"},
	{"0\r\nX T: a\r\n\r\n", "", "", "", "invalid byte in trailer name"},
	{"0\r\nXT\r\n\r\n", "", "", "", "invalid byte in trailer name"},
	{"0\r\n: a\r\n\r\n", "", "", "", "trailer without name"},
	{"0\r\nX: a\r\n b\r\n\r\n", "", "", "", "folded line in trailers"},
	{"0\r\nX: a\n\n", "", "", "", "LF without CR in trailers"},
	{"0\r\nX: a\x00\r\n\r\n", "", "", "", "control byte in trailers"},
	{"0\r\nX: a\rb\r\n\r\n", "", "", "", "CR without LF in trailers"},
	{"0\r\n\rX", "", "", "", "CR without LF in trailers"},
	{"0\r\n\n", "", "", "", "invalid byte in trailer name"},
	{"0\r\nTransfer-Encoding: x\r\n\r\n", "", "", "", "framing or routing field in trailers"},
	{"0\r\ncontent-LENGTH: 3\r\n\r\n", "", "", "", "framing or routing field in trailers"},
	{"0\r\nHost: 3\r\n\r\n", "", "", "", "framing or routing field in trailers"},
	{"0\r\n" + strings.Repeat("X: yyyyyyyyyy\r\n", 2000), "", "", "", "trailers too large"},
}

func TestChunked(t *testing.T) {
	for _, c := range chunked {
		for _, as := range []Transfer{AsIs, Unchunk} {
			for _, size := range []int{1, 2, 3, 7, 1 << 20} {
				for _, room := range []int{0, 1, 5, 1 << 16} {
					b := Body{framing: ByChunks, status: 400, trailers: 1 << 20}
					out, rest, err := runBody(b, c.in, size, room, as)
					want := c.asIs
					if want == "=" {
						want = c.in
					}
					if as == Unchunk {
						want = c.plain
					}
					what := fmt.Sprintf("%.60q as %d, pieces of %d, scratch %d", c.in, as, size, room)
					if c.err != "" {
						if err == nil || err.(*Error).Reason != c.err || err.(*Error).Status != 400 {
							t.Errorf("%s: got %v, want %s", what, err, c.err)
						}
						continue
					}
					if err != nil || out != want || rest != c.rest {
						t.Errorf("%s:\ngot  %q, %q, %v\nwant %q, %q", what, out, rest, err, want, c.rest)
					}
				}
			}
		}
	}
}

// TestChunkedAlias: without extensions nothing is copied.
func TestChunkedAlias(t *testing.T) {
	data := []byte("3\r\nabc\r\n2\r\nde\r\n0\r\nA: b\r\n\r\nrest")
	b := Body{framing: ByChunks, status: 400, trailers: 1 << 20}
	out, n, err := b.Next(data, make([]byte, 0, 100), AsIs)
	if err != nil || n != len(data)-4 || &out[0] != &data[0] || len(out) != n || !b.Done() || b.Payload() != 5 {
		t.Errorf("%q %d %v %d", out, n, err, b.Payload())
	}
}

// TestChunkedError: it stays, and says where.
func TestChunkedError(t *testing.T) {
	b := Body{framing: ByChunks, status: 502, trailers: 1 << 20}
	if _, n, err := b.Next([]byte("3\r\nab"), nil, AsIs); n != 5 || err != nil {
		t.Fatal(n, err)
	}
	for range 2 {
		_, _, err := b.Next([]byte("cX"), nil, AsIs)
		if e, ok := err.(*Error); !ok || e.Offset != 6 || e.Status != 502 {
			t.Errorf("%+v", err)
		}
	}
	if b.Done() {
		t.Error("done")
	}
}

func TestFraming(t *testing.T) {
	resp := func(s string) *Head { return parsed(t, Response, s+"\r\n") }
	const ok = "HTTP/1.1 200 OK\r\n"
	for _, c := range []struct {
		name string
		b    Body
		want Framing
		left int64
	}{
		{"get", parsed(t, Request, get+"\r\n").RequestBody(), NoBody, 0},
		{"get with body", parsed(t, Request, get+"Content-Length: 2\r\n\r\n").RequestBody(), ByLength, 2},
		{"empty post", parsed(t, Request, post+"Content-Length: 0\r\n\r\n").RequestBody(), NoBody, 0},
		{"chunked post", parsed(t, Request, post+"Transfer-Encoding: chunked\r\n\r\n").RequestBody(), ByChunks, 0},
		{"connect", parsed(t, Request, "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n").RequestBody(), NoBody, 0},
		{"length", resp(ok + "Content-Length: 2\r\n").ResponseBody(MethodGet), ByLength, 2},
		{"empty", resp(ok + "Content-Length: 0\r\n").ResponseBody(MethodGet), NoBody, 0},
		{"chunked", resp(ok + "Transfer-Encoding: chunked\r\n").ResponseBody(MethodGet), ByChunks, 0},
		{"until close", resp(ok).ResponseBody(MethodGet), UntilClose, -1},
		{"head", resp(ok + "Content-Length: 2\r\n").ResponseBody(MethodHead), NoBody, 0},
		{"head chunked", resp(ok + "Transfer-Encoding: chunked\r\n").ResponseBody(MethodHead), NoBody, 0},
		{"head close", resp(ok).ResponseBody(MethodHead), NoBody, 0},
		{"204", resp("HTTP/1.1 204 N\r\nContent-Length: 2\r\n").ResponseBody(MethodGet), NoBody, 0},
		{"304", resp("HTTP/1.1 304 N\r\nContent-Length: 2\r\n").ResponseBody(MethodGet), NoBody, 0},
		{"100", resp("HTTP/1.1 100 C\r\n").ResponseBody(MethodPost), NoBody, 0},
		{"101", resp("HTTP/1.1 101 S\r\n").ResponseBody(MethodGet), Tunnel, -1},
		{"connect 200", resp(ok + "Content-Length: 2\r\n").ResponseBody(MethodConnect), Tunnel, -1},
		{"connect 403", resp("HTTP/1.1 403 F\r\nContent-Length: 2\r\n").ResponseBody(MethodConnect), ByLength, 2},
	} {
		if c.b.Framing() != c.want || c.b.Remaining() != c.left || c.b.Done() != (c.want == NoBody) {
			t.Errorf("%s: framing %d, %d left, done %v", c.name, c.b.Framing(), c.b.Remaining(), c.b.Done())
		}
	}
}

func TestLengthAndEnd(t *testing.T) {
	b := Body{framing: ByLength, remaining: 5, status: 502}
	out, n, err := b.Next([]byte("abc"), nil, AsIs)
	if string(out) != "abc" || n != 3 || err != nil || b.Done() || b.Remaining() != 2 {
		t.Fatal(string(out), n, err)
	}
	if e, ok := b.EOF().(*Error); !ok || e.Status != 502 || e.Offset != 3 {
		t.Errorf("cut short: %v", e)
	}
	b.Skip(1)
	out, n, _ = b.Next([]byte("eGET"), nil, Unchunk)
	if string(out) != "e" || n != 1 || !b.Done() || b.Payload() != 5 || b.EOF() != nil {
		t.Error(string(out), n, b.Done(), b.Payload())
	}
	if _, n, _ = b.Next([]byte("GET"), nil, AsIs); n != 0 {
		t.Error("consumed what comes after")
	}

	b = Body{framing: UntilClose}
	out, n, _ = b.Next([]byte("abc"), nil, AsIs)
	b.Skip(7)
	if string(out) != "abc" || n != 3 || b.Done() || b.EOF() != nil || !b.Done() || b.Payload() != 10 {
		t.Error(string(out), n, b.Done(), b.Payload())
	}

	b = Body{framing: ByChunks, status: 400, trailers: 1 << 20}
	if _, n, _ = b.Next([]byte("a\r\n01"), nil, AsIs); n != 5 || b.Remaining() != 8 {
		t.Error(n, b.Remaining())
	}
	b.Skip(8)
	if b.Remaining() != 0 || b.EOF() == nil {
		t.Error("skipped chunk", b.Remaining())
	}
	b = Body{framing: ByChunks, status: 400, trailers: 1 << 20}
	_, _, _ = b.Next([]byte("a\r\n01"), nil, AsIs)
	b.Skip(8)
	if _, n, err := b.Next([]byte("\r\n0\r\n\r\n"), nil, AsIs); n != 7 || err != nil || !b.Done() || b.Payload() != 10 {
		t.Error(n, err, b.Payload())
	}
}

// TestTrailersAreCounted: a body may have one trailer less than a head fields, as HAProxy counts (tune.http.maxhdr).
func TestTrailersAreCounted(t *testing.T) {
	for _, c := range []struct {
		limit, trailers int
		refused         bool
	}{{101, 0, false}, {101, 100, false}, {101, 101, true}, {101, 300, true}, {30, 29, false}, {30, 30, true}} {
		for _, kind := range []Kind{Request, Response} {
			var h Head
			h.Reset(kind, c.limit)
			head := "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
			if kind == Response {
				head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
			}
			if n, err := h.Parse([]byte(head)); n != len(head) || err != nil {
				t.Fatal(n, err)
			}
			b := h.RequestBody()
			if kind == Response {
				b = h.ResponseBody(MethodGet)
			}
			_, _, err := runBody(b, "1\r\na\r\n0\r\n"+strings.Repeat("x: y\r\n", c.trailers)+"\r\n", 7, 100, AsIs)
			if (err != nil) != c.refused {
				t.Errorf("%d trailers, maxhdr %d: %v", c.trailers, c.limit, err)
			}
		}
	}
}
