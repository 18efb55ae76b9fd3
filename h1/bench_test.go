package h1

import "testing"

var typical = []byte("GET /static/app.css?v=17 HTTP/1.1\r\n" +
	"Host: www.example.com\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n" +
	"Accept: text/css,*/*;q=0.1\r\n" +
	"Accept-Language: en-US,en;q=0.5\r\n" +
	"Accept-Encoding: gzip, deflate, br\r\n" +
	"Referer: http://www.example.com/\r\n" +
	"Connection: keep-alive\r\n" +
	"Cookie: SERVERID=web1; session=0123456789abcdef0123456789abcdef\r\n\r\n")

func BenchmarkParseTypical(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(typical)))
	var h Head
	for b.Loop() {
		h.Reset(Request, 101)
		if n, err := h.Parse(typical); n == 0 || err != nil {
			b.Fatal(n, err)
		}
	}
}

func BenchmarkParseMinimal(b *testing.B) {
	b.ReportAllocs()
	req := []byte("GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n")
	var h Head
	for b.Loop() {
		h.Reset(Request, 101)
		if n, err := h.Parse(req); n == 0 || err != nil {
			b.Fatal(n, err)
		}
	}
}

func BenchmarkParseResponse(b *testing.B) {
	b.ReportAllocs()
	resp := []byte("HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sat, 21 Nov 2026 06:11:14 GMT\r\n" +
		"Content-Type: text/html\r\nContent-Length: 100\r\nLast-Modified: Sat, 21 Nov 2026 05:00:00 GMT\r\n" +
		"Connection: keep-alive\r\nETag: \"655c5e2f-64\"\r\nAccept-Ranges: bytes\r\n\r\n")
	var h Head
	for b.Loop() {
		h.Reset(Response, 101)
		if n, err := h.Parse(resp); n == 0 || err != nil {
			b.Fatal(n, err)
		}
	}
}

func BenchmarkForward(b *testing.B) {
	b.ReportAllocs()
	var h Head
	var out []byte
	for b.Loop() {
		h.Reset(Request, 101)
		if n, err := h.Parse(typical); n == 0 || err != nil {
			b.Fatal(n, err)
		}
		h.SetConnection(ConnUnset)
		h.AddString("X-Forwarded-For", "192.0.2.7")
		out = h.AppendTo(out[:0])
	}
}

func BenchmarkChunks(b *testing.B) {
	b.ReportAllocs()
	msg := []byte("400\r\n")
	msg = append(msg, make([]byte, 1024)...)
	msg = append(msg, "\r\n0\r\n\r\n"...)
	b.SetBytes(int64(len(msg)))
	for b.Loop() {
		body := Body{framing: ByChunks, status: 400, trailers: 1 << 20}
		if _, n, err := body.Next(msg, nil, AsIs); n != len(msg) || err != nil || !body.Done() {
			b.Fatal(n, err)
		}
	}
}
