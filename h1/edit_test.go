package h1

import "testing"

func parsed(t *testing.T, kind Kind, raw string) *Head {
	t.Helper()
	h := new(Head)
	h.Reset(kind, 101)
	if n, err := h.Parse([]byte(raw)); n == 0 || err != nil {
		t.Fatalf("%q: %d, %v", raw, n, err)
	}
	return h
}

func TestEdits(t *testing.T) {
	h := parsed(t, Request, "gEt /a HTTP/1.1\r\nHOST: a\r\nx-One: 1\r\nX-TWO:2 \r\nX-one: 3\r\n\r\n")
	expect := func(step, want string) {
		t.Helper()
		if got := string(h.AppendTo([]byte("> "))); got != "> "+want {
			t.Errorf("%s:\ngot  %q\nwant %q", step, got, "> "+want)
		}
	}
	expect("untouched", "gEt /a HTTP/1.1\r\nHOST: a\r\nx-One: 1\r\nX-TWO: 2\r\nX-one: 3\r\n\r\n")
	h.Add("New", []byte("n"))
	h.AddString("Newer", "nn")
	expect("add", "gEt /a HTTP/1.1\r\nHOST: a\r\nx-One: 1\r\nX-TWO: 2\r\nX-one: 3\r\nNew: n\r\nNewer: nn\r\n\r\n")
	h.Set("X-One", []byte("4"))
	expect("set", "gEt /a HTTP/1.1\r\nHOST: a\r\nX-TWO: 2\r\nNew: n\r\nNewer: nn\r\nX-One: 4\r\n\r\n")
	h.Replace(1, []byte("two"))
	h.SetURI([]byte("http://b:8080/q?r"))
	h.SetMethod([]byte("POST"))
	expect("replace", "POST http://b:8080/q?r HTTP/1.1\r\nHOST: a\r\nX-TWO: two\r\nNew: n\r\nNewer: nn\r\nX-One: 4\r\n\r\n")
	if string(h.Path()) != "/q" || string(h.Query()) != "r" || string(h.Host()) != "b:8080" ||
		h.MethodID() != MethodPost {
		t.Errorf("%s %s %s %d", h.Path(), h.Query(), h.Host(), h.MethodID())
	}
	if n := h.DelMatching(func(name []byte) bool { return name[0] == 'N' }); n != 2 {
		t.Errorf("%d removed", n)
	}
	if n := h.Del("nothing"); n != 0 {
		t.Errorf("%d removed", n)
	}
	h.DelAt(0)
	expect("del", "POST http://b:8080/q?r HTTP/1.1\r\nX-TWO: two\r\nX-One: 4\r\n\r\n")
	// Replace with what the Head itself gave.
	_, v := h.Field(1)
	h.Replace(0, v)
	h.Add("Copy", v)
	expect("self", "POST http://b:8080/q?r HTTP/1.1\r\nX-TWO: 4\r\nX-One: 4\r\nCopy: 4\r\n\r\n")

	h = parsed(t, Response, "HTTP/1.0 200 OK\r\nA: b\r\n\r\n")
	expect("response", "HTTP/1.0 200 OK\r\nA: b\r\n\r\n")
	h.SetStatus(404, "Gone Fishing")
	expect("status", "HTTP/1.0 404 Gone Fishing\r\nA: b\r\n\r\n")
}

func TestFind(t *testing.T) {
	h := parsed(t, Request, get+"A: 1\r\nb: 2\r\na: 3\r\n\r\n")
	if v, ok := h.Find("a"); !ok || string(v) != "1" {
		t.Errorf("%q %v", v, ok)
	}
	i := h.Index("a", 0)
	if j := h.Index("A", i+1); i != 1 || j != 3 || h.Index("a", j+1) != -1 {
		t.Errorf("%d %d", i, j)
	}
	if _, ok := h.Find("c"); ok {
		t.Error("found what is not there")
	}
}

// TestRebase: bytes may move, even into the place of other ones.
func TestRebase(t *testing.T) {
	raw := []byte(get + "X: 1\r\n\r\n")
	h := new(Head)
	h.Reset(Request, 10)
	if n, _ := h.Parse(raw); n == 0 {
		t.Fatal("incomplete")
	}
	moved := append([]byte(nil), raw...)
	clear(raw)
	h.Rebase(moved)
	if got := string(h.AppendTo(nil)); got != get+"X: 1\r\n\r\n" {
		t.Errorf("%q", got)
	}
}

// TestSetConnection has what HAProxy 2.6 sends on, but for the letter case.
func TestSetConnection(t *testing.T) {
	for _, c := range []struct {
		in   string
		set  ConnHeader
		want string
	}{
		{"", ConnUnset, ""},
		{"Connection: close\r\n", ConnUnset, ""},
		{"Connection:\r\n", ConnUnset, ""},
		{"Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n", ConnUnset, "Keep-Alive: timeout=5\r\n"},
		{"Proxy-Connection: keep-alive\r\n", ConnUnset, "Proxy-Connection: keep-alive\r\n"},
		{"Connection: close, X-Foo\r\nX-Foo: 1\r\n", ConnUnset, "Connection: X-Foo\r\nX-Foo: 1\r\n"},
		{"Connection: X-Foo, keep-alive,, X-Bar\r\nConnection: X-Baz\r\n", ConnUnset,
			"Connection: X-Foo, X-Bar\r\nConnection: X-Baz\r\n"},
		{"Connection: Keep-Alive, Upgrade\r\nUpgrade: foo\r\n", ConnUnset, "Connection: Upgrade\r\nUpgrade: foo\r\n"},
		{"Connection: keep-alive\r\nX: y\r\n", ConnClose, "X: y\r\nConnection: close\r\n"},
		{"Connection: close\r\nX: y\r\n", ConnKeepAlive, "X: y\r\nConnection: keep-alive\r\n"},
		{"TE: trailers\r\nConnection: TE\r\n", ConnUnset, "TE: trailers\r\nConnection: TE\r\n"},
		{"TE: gzip, trailers\r\n", ConnUnset, "TE: trailers\r\n"},
		{"TE: gzip\r\n", ConnUnset, ""},
	} {
		h := parsed(t, Request, get+c.in+"\r\n")
		h.SetConnection(c.set)
		if got := string(h.AppendTo(nil)); got != get+c.want+"\r\n" {
			t.Errorf("%q: got %q, want %q", c.in, got[len(get):], c.want)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	h := new(Head)
	var out, scratch []byte
	scratch = make([]byte, 0, 4096)
	chunked := []byte(post + "Transfer-Encoding: chunked\r\nConnection: foo, close\r\n\r\n5;x\r\nhello\r\n5\r\nworld\r\n0\r\nT: u\r\n\r\n")
	bad := []byte(get + "X: \x00\r\n")
	var body Body
	if n := testing.AllocsPerRun(100, func() {
		h.Reset(Request, 101)
		n, err := h.Parse(chunked)
		if n == 0 || err != nil {
			t.Fatal(n, err)
		}
		_, _, _, _ = h.Host(), h.Path(), h.Query(), h.KeepAlive()
		h.SetConnection(ConnClose)
		h.Set("X-Forwarded-For", chunked[:9])
		h.AddString("A", "b")
		h.SetURI(chunked[:1])
		out = h.AppendTo(out[:0])
		body = h.RequestBody()
		p, m, err := body.Next(chunked[n:], scratch, Unchunk)
		if string(p) != "helloworld" || n+m != len(chunked) || err != nil {
			t.Fatalf("%q %d %v", p, m, err)
		}
		h.Reset(Request, 101)
		if _, err := h.Parse(bad); err == nil {
			t.Fatal("accepted")
		}
		body = Body{framing: ByChunks, status: 400, trailers: 1 << 20}
		if _, _, err := body.Next(bad, nil, AsIs); err == nil {
			t.Fatal("accepted")
		}
	}); n != 0 {
		t.Errorf("%v allocations per message", n)
	}
}
