package proxy

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/backend"
	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/haproxy"
	"github.com/evenkeel/evenkeel/h1"
	"github.com/evenkeel/evenkeel/linux/sock"
	"github.com/evenkeel/evenkeel/syslog"
)

var fuzzedRules = []string{
	"http-request set-header X-A %[path,url_dec]",
	"http-request add-header X-A %[req.hdr(x-b64),b64dec]",
	"http-request replace-header Host (.*) %[url_param(q),url_dec]",
	"http-request set-method %[req.hdr(x-b64),b64dec]",
	"http-request set-path %[path,url_dec]",
	"http-request set-query %[query,url_dec]",
	"http-request set-uri %[req.hdr(x-b64),b64dec]",
	"http-request replace-uri (.*) /%[req.hdr(x-b64),b64dec]",
	"http-request redirect location %[req.hdr(x-b64),b64dec]",
	"http-request del-header Content-Length",
	"http-request set-header Transfer-Encoding chunked",
	"http-request set-header Content-Length 3",
	"http-request set-method HEAD",
	"http-response set-header Y %[res.hdr(x),url_dec]",
	"http-response set-status 204 reason \"%0d\"",
	"http-response set-status 101",
	"http-response del-header content-length",
	"http-after-response set-header Transfer-Encoding chunked",
	"unique-id-format %[req.hdr(x-b64),b64dec]\nunique-id-header X-Id\nhttp-response set-header Y %ID",
	"capture request header x-b64 len 90\nhttp-response set-header Y %[capture.req.hdr(0),b64dec]",
	"http-request return status 200 content-type text/plain lf-string %[path,url_dec] hdr A %[path,url_dec]",
	"http-after-response del-header content-length\nhttp-request return status 200 content-type text/plain " +
		"string hello",
	"http-after-response set-status 204\nhttp-request deny",
	"cookie A insert\nhttp-request set-header Cookie %[path,url_dec]",
}

// FuzzRules: whatever rules make of a request and of its response, what is written is one well-formed message with the
// body that came, or nothing. rules are lines of a listen section.
func FuzzRules(f *testing.F) {
	const request = "POST /a%0d%0ab?q=x%0d%0aX:%20y HTTP/1.1\r\nHost: a.example\r\nX-B64: eA0KWDogeQ0KDQpHRVQgL2FkbWluIEhUVFAvMS4xDQo=\r\nContent-Length: 5\r\n\r\nhello"
	const response = "HTTP/1.1 200 OK\r\nX: a%0d%0ab\r\nContent-Length: 5\r\n\r\nhello"
	for _, rules := range fuzzedRules {
		f.Add(rules, request, response)
		f.Add(rules, strings.Replace(request, "Content-Length: 5\r\n\r\nhello",
			"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 1), response)
		f.Add(rules, strings.Replace(request, "POST", "HEAD", 1), strings.Replace(response, "hello", "", 1))
	}
	log := syslog.New(syslog.Identity{Tag: "test"})
	f.Fuzz(func(t *testing.T, rules, request, response string) {
		text := "defaults\n timeout connect 5s\n timeout client 5s\n timeout server 5s\nlisten web\n mode http\n " +
			"bind 127.0.0.1:1\n server s 127.0.0.1:2 cookie c\n"
		for line := range strings.Lines(rules) {
			if !startsWithAny(line, "http-request ", "http-response ", "http-after-response ", "unique-id-", "capture ",
				"cookie ", "option forwardfor", "acl ") {
				return
			}
			text += " " + line
		}
		cfg, _ := haproxy.Parse([]haproxy.File{{Name: "f.cfg", Data: []byte(text + "\n")}}, haproxy.Options{
			ReadFile: func(string) ([]byte, error) { return nil, unix.ENOENT },
			Resolve:  func(string) (a netip.Addr, err error) { return a, unix.ENOENT }})
		if cfg == nil {
			return
		}
		cfg.Global = limits()
		e, err := New(cfg, Options{Threads: 1, MaxConn: 10, Syslog: log,
			Log:    func(_ int, _ *config.Proxy, text string) { t.Error(text) },
			Forget: func(int) {}})
		if err != nil {
			t.Fatal(err)
		}
		playRules(t, e, []byte(request), []byte(response))
		e.Close()
		e.cores[0].loop.Run() // stopped already: it gives its descriptors back
	})
}

func startsWithAny(s string, words ...string) bool {
	for _, w := range words {
		if strings.HasPrefix(s, w) {
			return true
		}
	}
	return false
}

// playRules sends one request and its response through an engine's rules, without its loop, and judges what is written
// to either side.
func playRules(t *testing.T, e *Engine, request, response []byte) {
	c := e.cores[0]
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[1])
	server, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(server[1])
	l := &listener{core: c, fe: e.proxies[0], bind: &bindState{cfg: &config.Bind{}}, fd: -1}
	s := c.newStream(l, pair[0], nil, netip.MustParseAddrPort("192.0.2.1:1000"))
	defer func() {
		if !s.gone {
			s.closeAll()
		}
		sock.Close(server[0])
	}()
	s.firstByte()
	n, perr := s.head.Parse(request)
	if perr != nil || n == 0 {
		return
	}
	asked := s.head.MethodID()
	if err := e.group.Servers[0].SetAddress("127.0.0.1", 1); err != nil {
		panic(err)
	}
	s.handle(request) // dials a closed port, at most: what was written is in s.req
	if s.req != nil {
		judge(t, h1.Request, h1.MethodOther, s.req, s.reqBody.Done())
	}
	if s.gone || s.req == nil {
		judgeClient(t, pair[1], asked)
		return
	}
	if s.up != nil {
		s.core.dropConnection(s)
	}
	s.use(c.newUpstream(backend.ConnKey{Server: e.group.Servers[0]}, server[0], nil))
	server[0] = -1
	s.srv, s.phase = e.group.Servers[0], phaseExchange
	h := c.response
	h.Reset(h1.Response, 101)
	if n, perr = h.Parse(response); perr != nil || n == 0 || h.Status() < 200 {
		return
	}
	s.response(h, response[n:])
	judgeClient(t, pair[1], asked)
}

// judgeClient judges what a client got: nothing, or a message.
func judgeClient(t *testing.T, fd int, asked h1.MethodID) {
	buf := make([]byte, 256<<10)
	n, _ := unix.Read(fd, buf)
	if n > 0 {
		judge(t, h1.Response, asked, buf[:n], true)
	}
}

// judge parses what was written by the same parser that judges clients and servers; whole: its body is there to its
// end.
func judge(t *testing.T, kind h1.Kind, asked h1.MethodID, b []byte, whole bool) {
	t.Helper()
	var h h1.Head
	h.Reset(kind, 1000)
	n, err := h.Parse(b)
	if err != nil || n == 0 {
		if strings.Contains(fmt.Sprint(err), "Host") { // rules may do to Host what they like: servers refuse it
			return
		}
		t.Fatalf("not well formed: %v\n%q", err, b)
	}
	if bytes.ContainsAny(h.AppendTo(nil)[:1], "\r\n") {
		t.Fatalf("%q", b)
	}
	body := h.RequestBody()
	if kind == h1.Response {
		if h.Status() == 101 {
			return
		}
		body = h.ResponseBody(asked)
	}
	rest := b[n:]
	for len(rest) > 0 && !body.Done() {
		_, m, err := body.Next(rest, make([]byte, 0, len(rest)), h1.AsIs)
		if err != nil {
			t.Fatalf("body: %v\n%q", err, b)
		}
		if m == 0 {
			break
		}
		rest = rest[m:]
	}
	if len(rest) > 0 && body.Framing() != h1.UntilClose {
		t.Fatalf("%d bytes behind the message\n%q", len(rest), b)
	}
	if whole && !body.Done() && body.Framing() == h1.ByChunks {
		t.Fatalf("the body has no end\n%q", b)
	}
}
