package h1

import (
	"bytes"
	"testing"
)

// fuzzHead: no panic, nothing consumed beyond the input, the same outcome however the
// input is cut, and what is passed on is parsed as what it was parsed as.
func fuzzHead(t *testing.T, kind Kind, raw []byte, cut int) {
	whole := parseWhole(kind, raw)
	if piecewise, _ := parseBytes(t, kind, raw); piecewise != whole {
		t.Fatalf("%q\nat once:      %s\nbyte by byte: %s", raw, whole, piecewise)
	}
	var h Head
	h.Reset(kind, 101)
	k := 0
	if len(raw) > 0 {
		k = int(uint(cut) % uint(len(raw)))
	}
	n, err := h.Parse(raw[:k])
	if n == 0 && err == nil {
		n, err = h.Parse(raw)
	}
	if got := outcome(&h, n, err); got != whole {
		t.Fatalf("%q\nat once:   %s\ncut at %d: %s", raw, whole, k, got)
	}
	if n == 0 {
		return
	}
	if n > len(raw) {
		t.Fatalf("consumed %d of %d", n, len(raw))
	}
	sent := h.AppendTo(nil)
	var again Head
	again.Reset(kind, 101)
	if m, err := again.Parse(sent); m != len(sent) || err != nil {
		t.Fatalf("%q\npassed on as %q: %d, %v", raw, sent, m, err)
	}
	if resent := again.AppendTo(nil); !bytes.Equal(sent, resent) {
		t.Fatalf("%q\npassed on as %q\nthen as      %q", raw, sent, resent)
	}
	if again.ContentLength() != h.ContentLength() || again.Chunked() != h.Chunked() ||
		again.KeepAlive() != h.KeepAlive() || again.Upgrade() != h.Upgrade() || again.Len() != h.Len() {
		t.Fatalf("%q\npassed on as %q: other facts", raw, sent)
	}
	h.SetConnection(ConnClose)
	again.Reset(kind, 102)
	sent = h.AppendTo(nil)
	if m, err := again.Parse(sent); m != len(sent) || err != nil || again.KeepAlive() {
		t.Fatalf("%q\nwith close: %q: %d, %v", raw, sent, m, err)
	}
}

func FuzzRequest(f *testing.F) {
	for _, s := range []string{
		get + "\r\n", "GET / HTTP/1.0\n\n", "\r\n" + post + "Content-Length: 3, 3\r\n\r\nabc",
		post + "Transfer-Encoding: chunked\r\nTE: gzip, trailers\r\n\r\n0\r\n\r\n",
		"CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n", "GET http://a:80/x?y HTTP/1.1\r\nhost: A\r\n\r\n",
		get + "Connection: close, Upgrade,,X\r\nUpgrade: foo\r\n\r\n",
		post + "Connection: upgrade\r\nUpgrade: x\r\nContent-Length: 1\r\n\r\n",
		get + "X:\t y \t\r\n\r\n", "GET / HTTP/1.9\r\nHost:\r\n\r\n", string(typical),
	} {
		f.Add([]byte(s), 7)
	}
	f.Fuzz(func(t *testing.T, raw []byte, cut int) { fuzzHead(t, Request, raw, cut) })
}

func FuzzResponse(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.0 200\n\n",
		"\r\nHTTP/1.1 204 \x01 No\r\nContent-Length: 1\r\n\r\n",
		"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: \x7f\n\r\n",
	} {
		f.Add([]byte(s), 7)
	}
	f.Fuzz(func(t *testing.T, raw []byte, cut int) { fuzzHead(t, Response, raw, cut) })
}

// FuzzChunks: the same payload and the same end however the input is cut and however
// much scratch there is; what is passed on has that payload, and no extensions.
func FuzzChunks(f *testing.F) {
	f.Add([]byte("3;a=b\r\nabc\r\n5 \r\nhello\r\n0\r\nX: y\r\n\r\nrest"), 3, 4)
	f.Add([]byte("00a\r\n0123456789\r\n0\r\n\r\n"), 1, 0)
	f.Fuzz(func(t *testing.T, raw []byte, size, room int) {
		size, room = max(size&0xff, 1), room&0xff
		start := Body{framing: ByChunks, status: 400, trailers: 1 << 20}
		plain, rest, err := runBody(start, string(raw), 1<<30, 1<<20, Unchunk)
		plain2, rest2, err2 := runBody(start, string(raw), size, room, Unchunk)
		asIs, rest3, err3 := runBody(start, string(raw), size, room, AsIs)
		if (err == nil) != (err2 == nil) || (err == nil) != (err3 == nil) {
			t.Fatalf("%q: %v, %v, %v", raw, err, err2, err3)
		}
		if err != nil {
			return
		}
		if plain != plain2 || rest != rest2 || rest != rest3 || len(asIs) > len(raw) {
			t.Fatalf("%q: %q %q, %q %q, %q %q", raw, plain, rest, plain2, rest2, asIs, rest3)
		}
		again, rest4, err4 := runBody(start, asIs, 1<<30, 1<<20, Unchunk)
		if again != plain || rest4 != "" || err4 != nil {
			t.Fatalf("%q passed on as %q: %q, %q, %v", raw, asIs, again, rest4, err4)
		}
	})
}
