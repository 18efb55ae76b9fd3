package sample

import "testing"

const browser = "GET /static/images/logo.png?v=12 HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: text/html,application/xhtml+xml;q=0.9\r\nAccept-Encoding: gzip, br\r\nCookie: SRV=s1; theme=dark\r\nX-Forwarded-For: 10.0.0.1, 10.0.0.2\r\n\r\n"

// TestNoAllocations: nothing on the way of a request allocates once the scratch space is warm.
func TestNoAllocations(t *testing.T) {
	c := newContext(t, browser)
	c.Getenv = func(string) (string, bool) { return "x", true }
	acls := NewACLs(func(string) ([]byte, error) { return []byte(networkFile), nil })
	for _, text := range []string{
		"METH_GET", "HTTP_1.1", "LOCALHOST", "{ path_beg /api /static }", "{ path_end -i .PNG }",
		"{ url_reg -i \\.html$ }",
		"{ path_reg ^/static/[a-z]+/ }", "{ hdr(host) -i www.example.com }", "{ hdr_dom(host) -i example.com }",
		"{ hdr(x-forwarded-for) -m ip 10.0.0.2 }", "{ hdr_ip(x-forwarded-for) 10.0.0.0/24 }", "{ src -f nets }",
		"{ cook(SRV) s1 }",
		"{ path,lower /a /b /c /d /e /f /static/images/logo.png }", "{ hdr_cnt(accept) gt 1 }", "{ urlp(v) 12 }",
		"{ nbsrv(b) lt 1 }",
		"{ path -i /A /B /C /D /E /F }", "{ dst_port 8080 }", "{ hdr_sub(user-agent) -i MOZILLA }", "{ env(X) x }",
	} {
		cond, _, err := acls.ParseCondition(append([]string{"if"}, splitWords(text)...), Request)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if n := testing.AllocsPerRun(200, func() { cond.Match(c) }); n != 0 {
			t.Errorf("condition %s allocates %v times", text, n)
		}
	}
	buf := make([]byte, 0, 4096)
	for _, text := range []string{
		"src", "path,lower", "req.hdr(host),field(1,:)", "req.cook(SRV)", "base32,hex", "url,url_dec", "src,ipmask(24)",
		"date,utime(%Y-%m-%d)", "uuid", "rand(10)", "path,sha1,hex", "req.hdr(host),base64", "env(X)", "fe_name",
		"base", "req.hdr_names", "hostname", "str(a),concat(b)", "path,json(ascii)",
	} {
		e := mustExpr(t, text, Request)
		if n := testing.AllocsPerRun(200, func() { buf = e.Append(buf[:0], c) }); n != 0 {
			t.Errorf("expression %s allocates %v times", text, n)
		}
	}
}

// A context gives back space that one odd request needed.
func TestResetDropsLargeScratch(t *testing.T) {
	c := newContext(t, browser)
	e := mustExpr(t, "path,hex,hex,hex,hex,hex,hex,hex,hex,hex,hex,hex,hex,hex", Request)
	if v := e.Eval(c); len(v.Bytes) < maxScratch {
		t.Fatal(len(v.Bytes))
	}
	c.Reset(Request)
	if cap(c.scratch) > maxScratch {
		t.Error(cap(c.scratch))
	}
}

func BenchmarkCondition(b *testing.B) {
	c := newContext(b, browser)
	acls := NewACLs(nil)
	for _, bench := range []struct{ name, text string }{
		{"path_beg", "{ path_beg /api /images /css /js /static }"},
		{"url_reg", "{ url_reg -i \\.html$ }"},
		{"real regexp", "{ path_reg ^/static/[a-z]+/ }"},
		{"host", "{ hdr(host) -i www.example.com }"},
		{"source", "{ src 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 127.0.0.0/8 }"},
		{"method and path", "METH_GET { path_end .png .gif .jpg }"},
	} {
		cond, _, err := acls.ParseCondition(append([]string{"if"}, splitWords(bench.text)...), Request)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				cond.Match(c)
			}
		})
	}
}
