package sample

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/test/peers"
)

// reference starts HAProxy, from path, with a configuration in which each %LISTEN% is replaced by a listener of ours.
func reference(t *testing.T, path, cfg string) (addrs []string) {
	t.Helper()
	var files []*os.File
	for strings.Contains(cfg, "%LISTEN%") {
		ln, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		f, err := ln.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		addrs = append(addrs, ln.Addr().String())
		_ = ln.Close()
		cfg = strings.Replace(cfg, "%LISTEN%", fmt.Sprintf("fd@%d", 3+len(files)), 1)
		files = append(files, f)
	}
	name := filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(name, []byte(cfg), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, path, "-db", "-f", name)
	cmd.ExtraFiles = files
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		_ = f.Close()
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
		if t.Failed() && stderr.Len() > 0 {
			t.Logf("haproxy: %s", stderr.String())
		}
	})
	return addrs
}

// ask sends a request and gives the whole answer.
func ask(t *testing.T, addr, request string) (head, body string) {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, 20*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(c)
	if err != nil || len(all) == 0 {
		t.Fatalf("answer to %q: %q, %v", request, all, err)
	}
	head, body, _ = strings.Cut(string(all), "\r\n\r\n")
	return head, body
}

// asked gives c the addresses of a request that was asked of the reference: their ports are of that run, and no
// expression or condition here depends on them.
func asked(c *Context) {
	c.Source, c.Dest = netip.MustParseAddrPort("127.0.0.1:40000"), netip.MustParseAddrPort("127.0.0.1:20000")
}

const referenceDefaults = `global
 nbthread 1
defaults
 mode http
 timeout client 30s
 timeout server 30s
 timeout connect 30s
 option accept-invalid-http-request
`

// requests are what expressions and conditions are tried on.
var requests = []string{
	"GET /static/img/logo.png?a=1&b=2;c=3&a=4&d&e=&=x HTTP/1.1\r\nHost: www.Example.com:8080\r\nConnection: close\r\nCookie: sid=abc; theme=\"da;rk\"; n=17; sid=def; empty=; novalue\r\nX-Forwarded-For: 10.1.2.3, 192.168.0.7\r\nX-Forwarded-For: 2001:db8::1,1.2.3.4:80,junk\r\nX-List: a, \"b,c\" ,d,,  e\r\nX-Num: 42\r\nX-Text: Hello, World/foo.bar?x:y\r\nAccept: text/html;q=0.9\r\n\r\n",
	"POST http://u.h.com:81/x/y?z=%41+b HTTP/1.1\r\nHost: u.h.com:81\r\nConnection: close\r\nContent-Length: 0\r\nX-Num: -7abc\r\nX-Empty:\r\nCookie: a=1\r\nCookie: b=2; a=3\r\nX-B64: aGVsbG8=\r\nX-Hex: 1fF\r\nX-Text: ///a//b\r\n\r\n",
	"OPTIONS * HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-Text: \r\nX-B64: !!!\r\nX-Num: 12x\r\n\r\n",
	"GET / HTTP/1.0\r\n\r\n",
	"HEAD /a%2Fb/../c;p=1/d.HTML#frag HTTP/1.0\r\nhost: [::1]:443\r\nUser-Agent: Mozilla/5.0 (X11)\r\nX-Text: UPPER lower 123 \xc3\xa9\r\n\r\n",
	"GET //double//slash/?&&x=1 HTTP/1.1\r\nHost: a.b.c.example.org\r\nConnection: close\r\nX-Text: key=value;k2=v2|x\r\nX-Num: 9223372036854775807\r\nX-Forwarded-For: 999.1.1.1\r\nCookie:   sp  =  v1  ;x=y\r\n\r\n",
}

// expressions are compared with the reference on each request.
var expressions = []string{
	"method", "url", "path", "pathq", "query", "base", "baseq", "base32", "url32", "req.ver", "url_ip", "url_port",
	"url_param(a)", "url_param(b)", "url_param(c)", "url_param(d)", "url_param(e)", "url_param", "urlp(p,;)",
	"urlp(a,;)", "urlp_val(a)", "urlp_val(zz)", "url_param(x)", "url_param(z)",
	"req.hdr(host)", "req.hdr(HOST)", "req.hdr(x-list)", "req.hdr(x-list,1)", "req.hdr(x-list,2)", "req.hdr(x-list,3)",
	"req.hdr(x-list,4)", "req.hdr(x-list,5)", "req.hdr(x-list,6)", "req.hdr(x-list,-1)", "req.hdr(x-list,-2)",
	"req.hdr(x-list,-5)", "req.hdr(x-list,-6)",
	"req.fhdr(x-list)", "req.fhdr(x-forwarded-for)", "req.fhdr(x-forwarded-for,1)", "req.fhdr(x-forwarded-for,-2)",
	"req.hdr(x-forwarded-for)", "req.hdr(x-forwarded-for,1)", "req.hdr(nope)", "req.hdr(x-empty)", "req.fhdr(x-empty)",
	"req.hdr_cnt(x-list)", "req.hdr_cnt(x-forwarded-for)", "req.fhdr_cnt(x-forwarded-for)", "req.hdr_cnt(nope)",
	"req.hdr_cnt(x-empty)", "req.fhdr_cnt", "req.hdr_cnt",
	"req.hdr_ip(x-forwarded-for)", "req.hdr_ip(x-forwarded-for,1)", "req.hdr_ip(x-forwarded-for,2)",
	"req.hdr_ip(x-forwarded-for,3)", "req.hdr_ip(x-forwarded-for,4)", "req.hdr_ip(host)", "req.hdr_val(x-num)",
	"req.hdr_val(host)", "req.hdr_val(x-empty)", "req.hdr_names", "req.hdr_names(|)",
	"req.hdrs,length", "hdr(x-num)", "req.hdr(x-text,1)", "req.hdr(x-text)", "hdr", "req.hdr", "req.fhdr",
	"req.cook(sid)", "req.cook(theme)", "req.cook(n)", "req.cook(empty)", "req.cook(novalue)", "req.cook(a)",
	"req.cook(SID)", "req.cook", "req.cook_cnt(sid)", "req.cook_cnt(a)", "req.cook_cnt", "req.cook_val(n)",
	"req.cook_val(sid)", "cook(sid)", "req.cook(sp)",
	"src", "dst", "src,ipmask(24)", "src,ipmask(8)", "src,ipmask(255.0.255.0)", "src,ipmask(32,64)",
	"ipv6(2001:db8::ff),ipmask(24,32)", "ipv6(::ffff:1.2.3.4),ipmask(24)", "ipv6(::ffff:1.2.3.4),ipmask(24,120)",
	"int(16909060),ipmask(24)", "src_is_local", "always_true", "always_false",
	"int(-5)", "bool(true)", "bool(false)", "str(abc)", "bin(616263)", "bin(61006263)", "ipv4(1.2.3.4)", "ipv6(::1)",
	"str(a b)", "str('a,b')", `str("a)b")`, "http_first_req", "nbproc", "proc", "req.proto_http", "fc_http_major",
	"wait_end", "rand(1)",
	"str(AbC),lower", "str(aBc),upper", "req.hdr(x-text),lower", "req.hdr(x-text),upper", "str(a\xc3\x89),lower",
	"str(f1_f2_f3__f5),field(5,_)", "str(f1_f2_f3__f5),field(2,_,0)", "str(f1_f2_f3__f5),field(2,_,2)",
	"str(f1_f2_f3__f5),field(-2,_,3)", "str(f1_f2_f3__f5),field(-3,_,0)", "str(f1_f2_f3__f5),field(4,_)",
	"str(f1_f2_f3__f5),field(9,_)", "str(f1_f2_f3__f5),field(-9,_)", "str(f1_f2_f3__f5),field(1,_)",
	"str(f1_f2_f3__f5),field(-1,_)", "str(f1_f2_f3__f5),field(1,_,9)", "str(f1_f2_f3__f5),field(-1,_,9)",
	"str(f1_f2_f3__f5),field(2,x)", "str(f1_f2_f3__f5),field(1,x)", "str(),field(1,x)", "str(a.b:c),field(2,.:)",
	"str(_a_),field(1,_)", "str(_a_),field(3,_)", "str(_a_),field(-1,_)", "str(_a_),field(-2,_)",
	"str(_a_),field(2,_,5)", "str(_a_),field(2,_,0)",
	"str(f1_f2_f3__f5),word(4,_)", "str(f1_f2_f3__f5),word(2,_,0)", "str(f1_f2_f3__f5),word(3,_,2)",
	"str(f1_f2_f3__f5),word(-2,_,3)", "str(f1_f2_f3__f5),word(-3,_,0)", "str(/f1/f2/f3/f4),word(1,/)",
	"str(/f1////f2/f3/f4),word(1,/,2)", "str(/f1////f2/f3/f4),word(2,/,0)", "str(/f1////f2/f3/f4/),word(-1,/)",
	"str(/f1/f2/),word(-2,/)", "str(/f1/f2/),word(5,/)", "str(/f1/f2/),word(-5,/)", "str(/f1/f2/),word(-1,/,0)",
	"str(/f1/f2/),word(1,/,0)", "str(/f1/f2/),word(2,/,9)", "str(///),word(1,/)", "req.hdr(x-text),word(1,/)",
	"req.hdr(x-text),word(2,/,0)", "path,word(2,/)", "path,field(2,/)", "path,field(-1,/)",
	`path,regsub("/","_")`, `path,regsub("/","_",g)`, "path,regsub('^/([a-z]+)/.*','[\\1]')",
	"path,regsub('STATIC','x',i)", "path,regsub('[a-z]*','<\\0>',g)", "path,regsub('x*','-',g)", "str(aaa),regsub(a,b)",
	"str(aaa),regsub(a,b,g)", "str(aaa),regsub(a$,b,g)", "str(abcabc),regsub('(b)(c)','\\2\\1',g)",
	"str(),regsub('^$','e')", "str(abc),regsub('z','e')", "req.hdr(x-text),regsub('/+','/',g)",
	"str(aXbxc),regsub(x,-,ig)", "str(foo),regsub('o','\\x41',g)",
	"str(abc),concat(def)", "str(abc),concat(d,,f)", "str(abc),concat(,,f)", "str(abc),concat(' ')", "src,concat(:x)",
	"str(),concat(x)",
	"str(abc),length", "str(),length", "src,length", "int(12345),length", "str(hello),base64", "str(),base64",
	"bin(00ff10),base64", "str(aGVsbG8=),b64dec", "str(aGVsbG8),b64dec", "req.hdr(x-b64),b64dec", "bin(fbff),ub64enc",
	"str(-_8),ub64dec,hex", "str(aGVsbG8),ub64dec",
	"str(abc),hex", "bin(00ff),hex", "src,hex", "int(1),hex", "str(1fF),hex2i", "str(xyz),hex2i",
	"req.hdr(x-hex),hex2i", "str(),hex2i",
	"str(a%20b%2fc%zz),url_dec", "str(a%20b%2fc),url_dec", "str(a+b?c+d),url_dec", "str(a+b?c+d),url_dec(1)",
	"str(a%4),url_dec", "str(100%),url_dec", "url,url_dec", "query,url_dec", "query,url_dec(1)",
	"str(a b/c?d=e&f~.-_\xc3\xa9),url_enc", "url,url_enc", "str(a b),url_enc(query)",
	"bool(true),iif(yes,no)", "bool(false),iif(yes,no)", "int(5),iif(a,b)", "str(xyz),bytes(1)", "str(xyz),bytes(0,2)",
	"str(xyz),bytes(1,1)", "str(xyz),bytes(3)", "str(xyz),bytes(4)", "str(xyz),bytes(1,9)", "str(xyz),bytes(5,1)",
	"src,bytes(0,1),hex",
	"str(abc),sha1,hex", "str(abc),sha2,hex", "str(abc),sha2(224),hex", "str(abc),sha2(384),hex",
	"str(abc),sha2(512),hex", "str(abc),sha2(256),base64",
	"str(abc),crc32", "str(abc),crc32(1)", "str(abc),crc32c", "str(abc),crc32c(1)", "str(abc),djb2", "str(abc),djb2(1)",
	"str(abc),sdbm", "str(abc),sdbm(1)", "str(abc),wt6", "str(abc),wt6(1)", "path,sdbm", "path,djb2(1)", "url,wt6",
	"url,crc32", "src,wt6", "src,djb2",
	"int(5),add(3)", "int(5),sub(8)", "int(5),mul(-3)", "int(17),div(5)", "int(17),div(0)", "int(-17),div(5)",
	"int(17),mod(5)", "int(17),mod(0)", "int(-17),mod(5)", "int(5),neg", "int(5),not", "int(0),not", "int(12),and(10)",
	"int(12),or(3)", "int(12),xor(10)", "int(5),odd", "int(4),odd", "int(4),even", "int(5),bool", "int(0),bool",
	"int(5),cpl", "int(9223372036854775807),add(1)", "int(9223372036854775807),mul(2)",
	"int(-9223372036854775807),sub(5)", "int(9223372036854775807),mul(-2)", "int(-1),mul(-9223372036854775807)",
	"req.hdr(x-num),add(1)", "req.hdr(x-num),mul(2)", "req.hdr(x-num),neg", "src,add(1)", "bool(1),add(1)",
	"str(12a),add(1)", "str(a),add(1)", "str(-3),add(1)", "str(+3),add(1)",
	"int(1700000000),utime(%Y-%m-%dT%H:%M:%SZ)", "int(1700000000),ltime(%d/%b/%Y)",
	"int(1700000000),utime('%a %A %b %B %C %d %D %e %F %g %G %h %H %I %j %k %l %m %M %p %P')",
	"int(1700000000),utime('%r %R %s %S %T %u %U %V %w %W %x %X %y %Y %z %%')",
	"int(1704067200),utime('%U %W %V %G %j %u %w')", "int(1735689600),utime('%U %W %V %G %g %j %u %w')",
	"int(1483228800),utime('%U %W %V %G %g %j %I %l %p')", "int(1700000000),utime(%c)",
	"int(1700000000),utime(%H,3600)", "int(1700000000),http_date", "int(1700000000),http_date(60)", "int(0),utime(%Z)",
	"str(xxabcxx),rtrim(x)", "str(xxabcxx),ltrim(x)", "str(xyabcyx),ltrim(xy)", "str(xxx),rtrim(x)",
	"req.hdr(host),host_only", "req.hdr(host),port_only", "str(a:80),host_only", "str(a:),host_only",
	"str([::1]:80),host_only", "str([::1]),host_only", "str(a),port_only", "str(a:),port_only",
	"str([::1]:80),port_only", "str(1.2.3.4:8),port_only",
	"str('a\"b/c'),json(ascii)", "req.hdr(x-text),json(ascii)", "bin(0a0d0908),json(ascii)", "str(a),json(ascii)",
	"int(1),htonl,hex", "str(b),nbsrv", "nbsrv(b)", "be_conn(b)", "queue(b)", "srv_is_up(b/s)", "avg_queue(b)",
	"connslots(b)",
	"ssl_fc", "ssl_fc_sni", "ssl_fc_has_sni", "ssl_fc_is_resumed", "ssl_c_used", "ssl_c_verify", "ssl_fc_has_crt",
	"unique-id", "fc_rcvd_proxy", "capture.req.method", "capture.req.uri", "capture.req.ver", "base32,hex",
	"str(a),cut_crlf", "internal.strm.is_htx", "fc_err", "fc_err_str", "ssl_fc_protocol", "ssl_fc_cipher",
	"ssl_fc_alpn", "ssl_fc_unique_id",
}

// startLine names a request in questions to the reference.
func startLine(request string) string {
	line, _, _ := strings.Cut(request, "\r\n")
	return line
}

// withoutConnection takes the field out that the reference takes out before its rules see it.
func withoutConnection(request string) string {
	return strings.Replace(request, "Connection: close\r\n", "", 1)
}

// differs are expressions whose value is not the reference's on purpose, with the reason.
var differs = map[string]string{
	"req.hdr_val(x-num)": "numbers have 64 bits",
}

// words puts a string into single quotes of a configuration line.
func quoteWord(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// A chunk is the expressions that one frontend of the reference is asked for.
type chunk struct{ from, to int }

// expressionsConfig has the reference answer with the values of all expressions.
func expressionsConfig() (string, []chunk) {
	var cfg strings.Builder
	cfg.WriteString(referenceDefaults)
	var chunks []chunk
	for from := 0; from < len(expressions); {
		line, to := "", from
		for to < len(expressions) && len(line)+len(expressions[to]) < 1200 && to-from < 40 {
			line += "<%[" + expressions[to] + "]>\x01"
			to++
		}
		fmt.Fprintf(&cfg, "frontend f%d\n bind %%LISTEN%%\n http-request return status 200 content-type text/plain "+
			"lf-string %s\n", len(chunks), quoteWord(line))
		chunks = append(chunks, chunk{from, to})
		from = to
	}
	cfg.WriteString("backend b\n server s 127.0.0.1:9 weight 7\n")
	return cfg.String(), chunks
}

func TestReferenceExpressions(t *testing.T) {
	cfg, chunks := expressionsConfig()
	verdicts := peers.Open(t, peers.HAProxy, "testdata/expressions.verdicts")
	var addrs []string
	if peers.Asking() {
		addrs = reference(t, verdicts.Path, cfg)
	}
	compared := 0
	for _, request := range requests {
		get := request
		if strings.HasPrefix(request, "HEAD ") { // its answer has no body
			get = "GET" + request[4:]
		}
		for i, ch := range chunks {
			var got []string
			if peers.Asking() {
				head, body := ask(t, addrs[i], get)
				if got = strings.Split(body, "\x01"); len(got) != ch.to-ch.from+1 {
					t.Fatalf("chunk %d: %q %q", i, head, body)
				}
			}
			c := newContext(t, withoutConnection(get))
			asked(c)
			c.RequestNumber = 1
			recordOf(c).Method, recordOf(c).URI, recordOf(c).Version = c.Request.MethodAsked(), c.Request.URI(),
				c.Request.Version()
			c.Env = quiet{}
			for n, text := range expressions[ch.from:ch.to] {
				want := verdicts.Answer(fmt.Sprintf("%s on %s", text, startLine(get)), func() string {
					return strings.TrimSuffix(strings.TrimPrefix(got[n], "<"), ">")
				})
				if differs[text] != "" && strings.Contains(get, "9223372036854775807") {
					continue
				}
				e, err := ParseExpr(text, Request)
				if err != nil {
					t.Errorf("%s: %v", text, err)
					continue
				}
				if ours := show(e, c); ours != want {
					t.Errorf("%s on %.40q: got %q, want %q", text, get, ours, want)
				}
				c.scratch = c.scratch[:0]
				compared++
			}
		}
	}
	t.Logf("%d values compared", compared)
}

// quiet is the environment of the configuration above.
type quiet struct{}

func (quiet) Backend(name string) (BackendFacts, bool) {
	return BackendFacts{Usable: 1, Free: -1}, name == "b"
}
func (quiet) Frontend(name string) (connections, rate int, ok bool) {
	return 1, 1, name == "f0"
}
func (quiet) Server(backend, server string) (ServerFacts, bool) {
	return ServerFacts{Up: true, Weight: 7}, backend == "b" && server == "s"
}
