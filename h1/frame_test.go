package h1

import (
	"fmt"
	"strings"
	"testing"
)

// edits by name, as rules make them.
func edit(t testing.TB, h *Head, line string) {
	f := strings.SplitN(line, " ", 3)
	for len(f) < 3 {
		f = append(f, "")
	}
	switch f[0] {
	case "set":
		h.Set(f[1], []byte(f[2]))
		if IsHost(f[1]) {
			h.TargetOfHost()
		}
	case "add":
		h.Add(f[1], []byte(f[2]))
	case "del":
		h.Del(f[1])
	case "method":
		h.SetMethod([]byte(f[1]))
	case "uri":
		h.SetURI([]byte(strings.TrimPrefix(line, "uri ")))
		h.HostOfTarget()
	case "status":
		var code int
		fmt.Sscan(f[1], &code)
		h.SetStatus(code, "Made")
	default:
		t.Fatalf("no edit %q", line)
	}
}

// What may not stand in a head is encoded as it enters, wherever it enters.
func TestEnteredBytes(t *testing.T) {
	h := parsed(t, Request, "GET /a HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n")
	h.SetMethod([]byte("G T\r\n\x00é"))
	h.SetURI([]byte("/a b\r\n\t#\x7f\xc3\xa9?q"))
	h.Add("One", []byte("a\r\nX: y\x00\x1b\x7f\t é"))
	h.AddString("Two", "\n\n")
	h.Set("A", []byte("\r"))
	h.Replace(0, []byte("x\r\n"))
	want := "G%20T%0D%0A%00%C3%A9 /a%20b%0D%0A%09%23%7F%C3%A9?q HTTP/1.1\r\nHost: x%0D%0A\r\n" +
		"One: a%0D%0AX: y%00%1B%7F\t é\r\nTwo: %0A%0A\r\nA: %0D\r\n\r\n"
	if got := string(h.AppendTo(nil)); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	r := parsed(t, Response, "HTTP/1.1 200 OK\r\n\r\n")
	r.SetStatus(200, "a\r\nb")
	if got := string(r.AppendTo(nil)); got != "HTTP/1.1 200 a%0D%0Ab\r\n\r\n" {
		t.Errorf("%q", got)
	}
	if got := string(AppendValue(nil, "plain")); got != "plain" {
		t.Errorf("%q", got)
	}
}

// A request's head after edits tells the body that follows. Rows with a row of haproxy 2.6 beside them are in
// test/differential.
func TestFrameRequest(t *testing.T) {
	const (
		length  = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"
		chunked = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
		none    = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
		old     = "POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\n"
	)
	for _, test := range []struct{ head, edits, want string }{
		{length, "", "Host: x|Content-Length: 5"},
		{length, "set X y", "Host: x|Content-Length: 5|X: y"},
		{length, "del Content-Length", "Host: x|transfer-encoding: chunked chunk"},
		{length, "set content-length 5", "Host: x|content-length: 5"},
		{length, "add Content-Length 5", "Host: x|content-length: 5"},
		{length, "set Content-Length 0", ruleLength},
		{length, "set Content-Length 6", ruleLength},
		{length, "add Content-Length 6", ruleLength},
		{length, "set Content-Length +5", "Host: x|transfer-encoding: chunked chunk"},
		{length, "set Transfer-Encoding chunked", "Host: x|transfer-encoding: chunked chunk close"},
		{length, "set Transfer-Encoding gzip", "Host: x|content-length: 5"},
		{old, "del Content-Length", "content-length: 5"},
		{old, "set Transfer-Encoding chunked", "content-length: 5"},
		{chunked, "del Transfer-Encoding", "Host: x|transfer-encoding: chunked"},
		{chunked, "set Transfer-Encoding identity", "Host: x|transfer-encoding: chunked"},
		{chunked, "add Content-Length 5", ruleLength},
		{chunked, "add Content-Length x", "Host: x|transfer-encoding: chunked"},
		{none, "set Content-Length 5", "Host: x"},
		{none, "set Content-Length 0", "Host: x|content-length: 0"},
		{none, "set Transfer-Encoding chunked", "Host: x|transfer-encoding: chunked chunk close"},
		{none, "set Transfer-Encoding gzip", "Host: x"},
		{none, "set Connection close", "Host: x|Connection: close close"},
		{none, "set Connection x,close", "Host: x|Connection: x,close close"},
		{"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "set Connection close", "Host: x|Connection: close"},
		{none, "method CONNECT", ruleConnect},
		{none, "method", ruleMethod},
		{none, "uri ", ruleTarget},
		{none, "uri a", ruleTarget},
		{none, "uri http://", ruleTarget},
		{none, "uri http://b:81/c", "Host: b:81"},
		{"GET / HTTP/1.0\r\n\r\n", "uri http://b/c", "host: b"},
		{"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", "method GET", ruleTarget},
		{"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", "uri b:443", "Host: a:80"},
		{"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "method GET", ruleTarget},
	} {
		h := parsed(t, Request, test.head)
		for line := range strings.Lines(test.edits) {
			edit(t, h, strings.TrimSuffix(line, "\n"))
		}
		f, err := h.FrameRequest()
		if got := describe(h, f, err); got != test.want {
			t.Errorf("%q, %s:\ngot  %s\nwant %s", test.head, test.edits, got, test.want)
		}
	}
}

// describe gives the fields and what becomes of body and connection.
func describe(h *Head, f Frame, err error) string {
	if err != nil {
		return err.(*Error).Reason
	}
	_, head, _ := strings.Cut(string(h.AppendTo(nil)), "\r\n")
	out := strings.TrimSuffix(strings.ReplaceAll(strings.TrimSuffix(head, "\r\n"), "\r\n", "|"), "|")
	out += map[Transfer]string{AsIs: "", Unchunk: " unchunk", Chunk: " chunk", Drop: " drop"}[f.Transfer]
	if f.Close {
		out += " close"
	}
	return out
}

// A response's head tells the body that the client will get, whatever its method, the status and the fields became.
const (
	answerLength  = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
	answerChunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	answerUntil   = "HTTP/1.1 200 OK\r\nA: b\r\n\r\n"
	answerEmpty   = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	answerSame    = "HTTP/1.1 304 Not Modified\r\nContent-Length: 17\r\n\r\n"
	answerNothing = "HTTP/1.1 204 No Content\r\nA: b\r\n\r\n"
)

func TestFrameResponse(t *testing.T) {
	for _, test := range []struct {
		sent, asked MethodID // to the server, by the client
		minor       uint8
		head, edits string
		want        string
	}{
		{MethodGet, MethodGet, 1, answerLength, "", "Content-Length: 5"},
		{MethodGet, MethodGet, 1, answerChunked, "", "Transfer-Encoding: chunked"},
		{MethodGet, MethodGet, 0, answerChunked, "", " unchunk close"},
		{MethodGet, MethodGet, 1, answerUntil, "", "A: b close"},
		{MethodGet, MethodGet, 1, answerEmpty, "", "Content-Length: 0"},
		{MethodGet, MethodGet, 1, answerSame, "", "Content-Length: 17 drop"},
		{MethodGet, MethodGet, 1, answerNothing, "", "A: b drop"},
		{MethodHead, MethodHead, 1, answerLength, "", "Content-Length: 5 drop"},
		{MethodGet, MethodHead, 1, answerLength, "", "Content-Length: 5 drop"},
		{MethodHead, MethodGet, 1, answerLength, "", "content-length: 0"},
		{MethodHead, MethodGet, 1, answerChunked, "", "content-length: 0"},
		{MethodHead, MethodGet, 1, answerUntil, "", "A: b|content-length: 0"},
		{MethodGet, MethodGet, 1, answerLength, "del Content-Length", "transfer-encoding: chunked chunk"},
		{MethodGet, MethodGet, 0, answerLength, "del Content-Length", " close"},
		{MethodGet, MethodGet, 1, answerLength, "set Content-Length 4", ruleLength},
		{MethodGet, MethodGet, 1, answerLength, "set Content-Length 6", ruleLength},
		{MethodGet, MethodGet, 1, answerLength, "set Transfer-Encoding chunked",
			"transfer-encoding: chunked chunk close"},
		{MethodGet, MethodGet, 0, answerLength, "set Transfer-Encoding chunked", " close"},
		{MethodGet, MethodGet, 1, answerChunked, "set Content-Length 5", ruleLength},
		{MethodGet, MethodGet, 1, answerChunked, "del Transfer-Encoding", "transfer-encoding: chunked"},
		{MethodGet, MethodGet, 1, answerUntil, "set Content-Length 5", "A: b close"},
		{MethodGet, MethodGet, 1, answerEmpty, "set Content-Length 5", ruleLength},
		{MethodGet, MethodGet, 1, answerEmpty, "del Content-Length", "content-length: 0"},
		{MethodGet, MethodGet, 1, answerLength, "status 204", " drop"},
		{MethodGet, MethodGet, 1, answerUntil, "status 204", "A: b drop"},
		{MethodGet, MethodGet, 1, answerLength, "status 304", "Content-Length: 5 drop"},
		{MethodGet, MethodGet, 1, answerSame, "status 200", "content-length: 0"},
		{MethodGet, MethodGet, 1, answerNothing, "status 200", "A: b|content-length: 0"},
		{MethodGet, MethodGet, 1, answerLength, "status 101", " unchunk close"},
		{MethodGet, MethodGet, 1, answerLength, "status 103", ruleInterim},
		{MethodHead, MethodHead, 1, answerLength, "set Content-Length 9", "Content-Length: 9 drop"},
		{MethodHead, MethodHead, 1, answerLength, "set Transfer-Encoding chunked", "Transfer-Encoding: chunked drop"},
		{MethodGet, MethodGet, 1, answerLength, "set Connection close", "Content-Length: 5|Connection: close close"},
	} {
		h := parsed(t, Response, test.head)
		body := h.ResponseBody(test.sent)
		if test.edits != "" {
			edit(t, h, test.edits)
		}
		f, err := h.FrameResponse(&body, test.asked, test.minor)
		if got := describe(h, f, err); got != test.want {
			t.Errorf("%q, %s, sent %d asked %d HTTP/1.%d:\ngot  %s\nwant %s", test.head, test.edits, test.sent,
				test.asked, test.minor, got, test.want)
		}
	}
}

// A tunnel's beginning stays one, and an upgrade is one only if the client asked and no rule took it back.
func TestFrameSwitching(t *testing.T) {
	h := parsed(t, Response, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
	h.Set("X", []byte("y"))
	if err := h.FrameSwitching(); err != nil {
		t.Error(err)
	}
	h.SetStatus(403, "")
	if err := h.FrameSwitching(); err == nil {
		t.Error("a refusal that begins a tunnel")
	}
	const asked = "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"
	for _, test := range []struct {
		head, edit string
		want       bool
	}{
		{asked, "", true}, {asked, "set X y", true}, {asked, "set Upgrade z", true}, {asked, "del Upgrade", false},
		{asked, "del Connection", false},
		{get + "\r\n", "set Upgrade x", false},
	} {
		h := parsed(t, Request, test.head)
		if test.edit != "" {
			edit(t, h, test.edit)
		}
		if h.UpgradeLeft() != test.want {
			t.Errorf("%q, %s: %v", test.head, test.edit, !test.want)
		}
	}
}

// A body with a length can be sent in chunks, however it comes and however small the room.
func TestBodyInChunks(t *testing.T) {
	text := strings.Repeat("0123456789", 30)
	for _, piece := range []int{1, 7, 100, 300} {
		for _, room := range []int{chunkRoom + 1, 64, 4096} {
			h := parsed(t, Request, fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", len(text)))
			b := h.RequestBody()
			var out []byte
			for at := 0; at < len(text); {
				o, n, err := b.Next([]byte(text[at:min(at+piece, len(text))]), make([]byte, 0, room), Chunk)
				if err != nil || n == 0 {
					t.Fatal(n, err)
				}
				out, at = append(out, o...), at+n
			}
			if !b.Done() {
				t.Error("not done")
			}
			h = parsed(t, Request, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
			b = h.RequestBody()
			got, n, err := b.Next(out, make([]byte, 0, len(out)), Unchunk)
			if err != nil || n != len(out) || !b.Done() || string(got) != text {
				t.Errorf("pieces of %d, room %d: %d of %d, %v, %q", piece, room, n, len(out), err, got)
			}
		}
	}
}

// Host and an absolute target say the same, whichever a rule has changed.
func TestHostAndTarget(t *testing.T) {
	for _, test := range []struct{ head, edit, want string }{
		{"GET http://a.example:81/x?y HTTP/1.1\r\nHost: a.example:81\r\n\r\n", "set Host b",
			"GET http://b/x?y HTTP/1.1\r\nHost: b\r\n\r\n"},
		{"GET http://a HTTP/1.1\r\nHost: a\r\n\r\n", "set Host b:8080",
			"GET http://b:8080 HTTP/1.1\r\nHost: b:8080\r\n\r\n"},
		{"GET /x HTTP/1.1\r\nHost: a\r\n\r\n", "set Host b", "GET /x HTTP/1.1\r\nHost: b\r\n\r\n"},
		{"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", "set Host b", "CONNECT a:1 HTTP/1.1\r\nHost: b\r\n\r\n"},
		{"GET /x HTTP/1.1\r\nHost: a\r\n\r\n", "uri http://b/y", "GET http://b/y HTTP/1.1\r\nHost: b\r\n\r\n"},
		{"GET /x HTTP/1.1\r\nHost: a\r\n\r\n", "uri /y", "GET /y HTTP/1.1\r\nHost: a\r\n\r\n"},
	} {
		h := parsed(t, Request, test.head)
		edit(t, h, test.edit)
		if got := string(h.AppendTo(nil)); got != test.want {
			t.Errorf("%q, %s:\ngot  %q\nwant %q", test.head, test.edit, got, test.want)
		}
	}
}
