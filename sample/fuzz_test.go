package sample

import (
	"net/netip"
	"testing"
	"time"
)

// survive evaluates what was parsed: it must neither panic nor leave anything behind.
func fuzzContext(t *testing.T) *Context {
	c := newContext(t, requests[0])
	c.Response = readMessage(t, "HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nX: y, z\r\n\r\n")
	c.Content = []byte("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03")
	c.Now = time.Unix(1700000000, 0).UTC()
	return c
}

func FuzzParseExpr(f *testing.F) {
	for _, e := range expressions {
		f.Add(e)
	}
	for _, e := range []string{"", "(", "a(", "src,", "str(a", "str('a)", `str("\`, "src,ipmask(24,",
		"req.payload_lv(0,2,+4)", "req.payload(0,0),hex", "sha2(9)"} {
		f.Add(e)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, at := range []Point{Connection, Content, Request, Response, Log} {
			e, err := ParseExpr(text, at)
			if err != nil {
				checkError(t, err, 1, len(text))
				continue
			}
			c := fuzzContext(t)
			c.Point = at
			v := e.Eval(c)
			if v.Kind > Bin {
				t.Errorf("%q gives a value of kind %d", text, v.Kind)
			}
			if v.Kind != None && e.Kind() != Any && v.Kind != e.Kind() {
				t.Errorf("%q gives kind %d and says %d", text, v.Kind, e.Kind())
			}
			e.Append(nil, c)
		}
	})
}

// checkError wants errors that can be shown: one line, within the arguments.
func checkError(t *testing.T, err error, args, length int) {
	t.Helper()
	e, ok := err.(*Error)
	if !ok {
		t.Fatalf("%T", err)
	}
	if e.Message == "" || e.Arg < 0 || e.Arg > args || e.Offset < 0 || args == 1 && e.Offset > length {
		t.Errorf("%+v", e)
	}
	for _, b := range []byte(e.Message + e.Hint) {
		if b < ' ' || b == 0x7f {
			t.Errorf("control bytes in %q", e.Message)
			break
		}
	}
}

func FuzzCondition(f *testing.F) {
	for _, s := range conditions {
		f.Add(s, "GET")
	}
	f.Add("{ path -f x }", "POST")
	f.Add("{", "GET")
	f.Add("{ }", "GET")
	f.Fuzz(func(t *testing.T, text, method string) {
		acls := NewACLs(func(string) ([]byte, error) { return []byte(networkFile), nil })
		words := append([]string{"if"}, splitWords(text)...)
		c, _, err := acls.ParseCondition(words, Request)
		if err != nil {
			checkError(t, err, len(words), -1)
			return
		}
		ctx := fuzzContext(t)
		ctx.Request.(*rawMessage).method = []byte(method)
		match := c.Match(ctx)
		again, decided := c.Decide(ctx)
		if decided && match != again {
			t.Errorf("%q: Match %v, Verdict %v", text, match, again)
		}
		words[0] = "unless"
		not, _, err := acls.ParseCondition(words, Request)
		if err != nil {
			t.Fatal(err)
		}
		if decided && not.Match(ctx) == match && !volatileText(words) {
			t.Errorf("%q: if and unless are both %v", text, match)
		}
		if len(ctx.scratch) != 0 {
			t.Error("a condition left something in the scratch space")
		}
	})
}

// volatileText reports whether words may ask for something that changes by itself.
func volatileText(words []string) bool {
	for _, w := range words {
		if len(w) >= 4 && (w[:4] == "rand" || w[:4] == "uuid") {
			return true
		}
	}
	return false
}

// FuzzMessage tries expressions on any head: field values and targets come from clients.
func FuzzMessage(f *testing.F) {
	f.Add("/a?b=c&d", "a, \"b", "x=y; z=\"q", []byte("\x16\x03\x01"))
	f.Add("http://[::1]:80/x", "\"", ";=;", []byte{3, 0, 0, 20, 15, 0xe0, 0, 0, 0, 0, 0, 'C'})
	var all []*Expr
	for _, text := range expressions {
		e, err := ParseExpr(text, Request)
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, e)
	}
	for _, text := range []string{"req.ssl_sni", "req.ssl_alpn", "req.ssl_ver", "req.ssl_hello_type",
		"req.rdp_cookie(x)", "req.payload(1,3)", "req.payload_lv(0,2)", "req.payload_lv(3,1,-1)", "req.len"} {
		e, err := ParseExpr(text, Request)
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, e)
	}
	f.Fuzz(func(t *testing.T, uri, value, cookie string, content []byte) {
		c := newContext(t, "")
		c.Source = netip.MustParseAddrPort("[::ffff:1.2.3.4]:1")
		c.Content = content
		c.Request = &rawMessage{method: []byte("GET"), uri: []byte(uri), version: []byte("1.1"), fields: [][2][]byte{
			{[]byte("Host"), []byte(value)}, {[]byte("X-List"), []byte(value)},
			{[]byte("X-Forwarded-For"), []byte(value)},
			{[]byte("Cookie"), []byte(cookie)}, {[]byte("x-text"), []byte(value)}}}
		for _, e := range all {
			e.Eval(c)
			if next := e.from.next; next != nil {
				c.cursor = cursor{}
				for i := 0; ; i++ {
					if next(c).Kind == None {
						break
					}
					if i > len(uri)+len(value)+len(cookie)+10 {
						t.Fatalf("%s does not end", e)
					}
				}
			}
		}
	})
}

// Kind is the type that the expression's values are shown with.
func (e *Expr) Kind() Kind {
	switch e.kind {
	case verb:
		return Str
	case ip6:
		return IP
	}
	return e.kind
}
