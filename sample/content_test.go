package sample

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/test/peers"
)

// clientHello gives the first flight of Go's TLS client.
func clientHello(t testing.TB, name string, protocols ...string) []byte {
	t.Helper()
	ours, theirs := net.Pipe()
	defer ours.Close()
	go func() {
		c := tls.Client(theirs, &tls.Config{ServerName: name, NextProtos: protocols, InsecureSkipVerify: name == ""})
		_ = c.Handshake()
	}()
	defer theirs.Close()
	head := make([]byte, 5)
	if _, err := io.ReadFull(ours, head); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, int(head[3])<<8|int(head[4]))
	if _, err := io.ReadFull(ours, body); err != nil {
		t.Fatal(err)
	}
	return append(head, body...)
}

// rdpRequest is the first packet of an RDP client with a cookie.
func rdpRequest(cookie string) []byte {
	text := "Cookie: mstshash=" + cookie + "\r\n"
	n := 11 + len(text)
	return append([]byte{3, 0, byte(n >> 8), byte(n), byte(n - 5), 0xe0, 0, 0, 0, 0, 0}, text...)
}

func contentContext(t testing.TB, data []byte, complete bool) *Context {
	c := newContext(t, "")
	c.Point, c.Content, c.Complete = Content, data, complete
	return c
}

func condition(t testing.TB, text string, at Point) *Condition {
	t.Helper()
	c, _, err := NewACLs(nil).ParseCondition(append([]string{"if"}, splitWords(text)...), at)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return c
}

// arriving are conditions on bytes that come one by one; nil: those of a ClientHello.
var arriving = []struct {
	text string
	data []byte
	want bool
	from int // bytes that decide; -1: the last
}{
	{"{ req.ssl_hello_type 1 }", nil, true, -1},
	{"{ req.ssl_sni -i WWW.example.com }", nil, true, -1},
	{"{ req.ssl_sni other }", nil, false, -1},
	{"!{ req.ssl_sni other }", nil, true, -1},
	{"{ req.ssl_ver 3.3 }", nil, true, -1},
	{"{ req.ssl_alpn -m sub h2 }", nil, true, -1},
	{"{ req.ssl_hello_type 1 }", []byte("GET / HTTP/1.1\r\n\r\n"), false, 1},
	{"{ req.len gt 5 }", []byte("0123456789"), true, 6},
	{"{ req.payload(0,3) -m str GET }", []byte("GET /"), true, 3},
	{"{ req.payload(0,3) -m str PUT }", []byte("GET /"), false, 3},
	{"{ req.payload(2,2),hex 5420 }", []byte("GET /"), true, 4},
	{"{ req.payload_lv(1,1) -m str abc }", []byte("x\x03abcd"), true, 5},
	{"{ req.payload_lv(1,1,3) -m str bc }", []byte("x\x02abcd"), true, 5},
	{"{ req.payload_lv(1,1,+1) -m str bc }", []byte("x\x02abcd"), true, 5},
	{"{ req.rdp_cookie(mstshash) -m beg adm }", rdpRequest("admin"), true, -1},
	{"{ req.rdp_cookie_cnt gt 0 }", rdpRequest("admin"), true, -1},
	{"RDP_COOKIE", []byte("GET / HTTP/1.1\r\n\r\n"), false, 12},
	{"REQ_CONTENT", []byte("a"), true, 1},
	{"HTTP", []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), true, -1},
	{"HTTP", []byte("\x16\x03\x01"), false, 1},
	{"HTTP", []byte("GET /\r\nabc"), false, 7},
	{"{ src 127.0.0.1 }", []byte("abc"), true, 0},
	{"{ req.len gt 100 } or { src 127.0.0.1 }", []byte("abc"), true, 0},
	{"{ req.len gt 100 } { src 10.0.0.1 }", []byte("abc"), false, 0},
}

// What a condition is must not be decided before the bytes that decide it, and must not change with more of them.
func TestDecidedAsBytesArrive(t *testing.T) {
	hello := clientHello(t, "www.example.com", "h2", "http/1.1")
	for _, test := range arriving {
		if test.data == nil {
			test.data = hello
		}
		c := condition(t, test.text, Content)
		from := test.from
		if from < 0 {
			from = len(test.data)
		}
		for n := range len(test.data) + 1 {
			match, decided := c.Decide(contentContext(t, test.data[:n], false))
			if decided != (n >= from) || decided && match != test.want {
				t.Errorf("%s with %d of %d bytes: %v %v, want %v from %d on", test.text, n, len(test.data), match,
					decided, test.want, from)
				break
			}
		}
		if match, decided := c.Decide(contentContext(t, test.data, true)); !decided || match != test.want {
			t.Errorf("%s at the end: %v %v", test.text, match, decided)
		}
	}
}

// What waits for the end, or for a head, is decided when it is there.
func TestDecidedAtTheEnd(t *testing.T) {
	end := condition(t, "WAIT_END", Content)
	if _, decided := end.Decide(contentContext(t, []byte("a"), false)); decided {
		t.Error("WAIT_END is decided before the end")
	}
	if match, _ := end.Decide(contentContext(t, nil, true)); !match {
		t.Error("WAIT_END is false at the end")
	}
	head := condition(t, "{ path /x }", Content)
	waiting := contentContext(t, nil, false)
	waiting.ReadHead = func([]byte) (Message, bool) { return nil, true }
	if _, decided := head.Decide(waiting); decided {
		t.Error("a path is decided before there is a head")
	}
	if match, decided := head.Decide(contentContext(t, nil, false)); match || !decided {
		t.Error("a path is waited for where none can come")
	}
}

// answering is a server that says one word to each connection.
func answering(t *testing.T, word string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, word)
			_ = c.(*net.TCPConn).CloseWrite()
			go func() {
				_, _ = io.Copy(io.Discard, c)
				c.Close()
			}()
		}
	}()
	return ln.Addr().String()
}

// TestReferenceContent compares conditions on raw bytes with the reference, in a TCP proxy.
func TestReferenceContent(t *testing.T) {
	inputs := map[string][]byte{
		"TLS": clientHello(t, "www.example.com", "h2"), "TLS without name": clientHello(t, ""),
		"HTTP": []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
		"RDP":  rdpRequest("admin"), "lengths": []byte("\x00\x03abcdefgh"), "short": []byte("ab"),
		"zeros": make([]byte, 20),
	}
	conds := []string{
		"{ req.ssl_hello_type 1 }", "{ req_ssl_hello_type 1 }", "{ req.ssl_sni www.example.com }",
		"{ req_ssl_sni -m end .com }", "{ req.ssl_sni -m found }", "!{ req.ssl_sni -m found }",
		"{ req.ssl_ver 3.3 }", "{ req.ssl_ver ge 3 }", "{ req.ssl_ver 3:3.1 }", "{ req.ssl_alpn -m sub h2 }",
		"{ req.len gt 3 }", "{ req.len 2 }", "{ req_len ge 10 }", "{ req.payload(0,3) -m str GET }",
		"{ req.payload(0,2) -m bin 0003 }", "{ req.payload(2,3),hex 616263 }", "{ req.payload(0,0) -m sub bcd }",
		"{ req.payload(0,0) -m len gt 9 }", "{ req.payload_lv(0,2) -m str abc }", "{ req.payload_lv(1,1) -m beg ab }",
		"{ req.payload_lv(0,2,3) -m str bcd }", "{ req.payload_lv(0,2,+1) -m str bcd }",
		"{ req.rdp_cookie(mstshash) admin }", "{ req.rdp_cookie -m found }", "{ req.rdp_cookie(MSTSHASH) -m beg ad }",
		"{ req.rdp_cookie_cnt 1 }", "RDP_COOKIE", "REQ_CONTENT", "HTTP", "WAIT_END",
		"{ src 127.0.0.1 }", "{ req.proto_http }", "{ payload(0,1) -m bin 16 }", "{ payload_lv(0,2) -m found }",
		"{ req.payload(100000,1) -m found }",
	}
	verdicts := peers.Open(t, peers.HAProxy, "testdata/content.verdicts")
	for name, data := range inputs {
		var answers []string
		if peers.Asking() {
			answers = askContent(t, verdicts.Path, data, conds)
		}
		for i, text := range conds {
			want := verdicts.Answer(text+" on "+name, func() string { return answers[i] })
			c := contentContext(t, data, true)
			got := "no"
			if match, _ := condition(t, text, Content).Decide(c); match {
				got = "yes"
			}
			if got != want {
				t.Errorf("%s on %s: %s, want %s", text, name, got, strings.TrimSpace(want))
			}
		}
	}
}

// askContent gives what the reference makes of conditions on what a client sends: yes or no to each.
func askContent(t *testing.T, path string, data []byte, conds []string) []string {
	t.Helper()
	cfg := "global\n nbthread 1\ndefaults\n mode tcp\n timeout client 30s\n timeout server 30s\n timeout connect 30s\n"
	for i, text := range conds { // which are judged when all has come, and nothing but that
		cfg += fmt.Sprintf("frontend f%d\n bind %%LISTEN%%\n tcp-request inspect-delay 30s\n tcp-request content "+
			"accept if { req.len ge %d }\n use_backend yes if %s\n default_backend no\n", i, len(data), text)
	}
	cfg += "backend yes\n server s " + answering(t, "yes") + "\nbackend no\n server s " + answering(t, "no") + "\n"
	addrs := reference(t, path, cfg)
	answers := make([]string, len(conds))
	var wg sync.WaitGroup
	for i := range conds {
		wg.Go(func() {
			c, err := net.DialTimeout("tcp", addrs[i], 20*time.Second)
			if err != nil {
				return
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(30 * time.Second))
			_, _ = c.Write(data)
			all, _ := io.ReadAll(c)
			answers[i] = string(all)
		})
	}
	wg.Wait()
	return answers
}

// What a client encodes does not carry a value past a criterion: a NUL ends a text, as for the reference, and a
// line end at the end of a value does not keep $ from matching before it.
func TestEncodedEnds(t *testing.T) {
	for criterion, want := range map[string]bool{
		`{ str(evil%00),url_dec -m str evil }`:                 true,
		`{ str(evil%00a),url_dec -m str good evil devil bad }`: true,
		`{ str(a%00),url_dec -m str evil }`:                    false,
		`{ str(/r1.php%0a),url_dec -m reg ^/r[0-9]+\.php$ }`:   true,
		`{ str(evil%0a),url_dec -m reg -i ^EVIL$ }`:            true,
		`{ str(evil%0a%0a),url_dec -m reg ^evil$ }`:            false,
		`{ req.cook(k) -m str evil }`:                          true,
	} {
		cond, _, err := NewACLs(nil).ParseCondition(append([]string{"if"}, splitWords(criterion)...), Request)
		if err != nil {
			t.Fatalf("%s: %v", criterion, err)
		}
		c := newContext(t, "GET / HTTP/1.1\r\nHost: h\r\nCookie: a=b, k=evil, c=d\r\n\r\n")
		if cond.Match(c) != want {
			t.Errorf("%s: %v", criterion, !want)
		}
	}
}
