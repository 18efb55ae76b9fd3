package probe

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/keepalived"
)

// serverOf reads a file with one real server; virtual and real are more words of the blocks, before more blocks.
func serverOf(t *testing.T, addr, before, virtual, real string) *config.RealServer {
	t.Helper()
	a := at(t, addr)
	text := fmt.Sprintf("%s\nvirtual_server 192.0.2.1 80 {\nlb_algo rr\nlb_kind NAT\nprotocol TCP\n%s\n"+
		"real_server %s %d {\n%s\n}\n}\n",
		before, virtual, a.Addr(), a.Port(), real)
	site, diags := keepalived.Parse("keepalived.conf", []byte(text), keepalived.Options{})
	if site == nil || len(site.LVS.Servers) != 1 || len(site.LVS.Servers[0].Servers) != 1 {
		t.Fatal(diags, text)
	}
	return site.LVS.Servers[0].Servers[0]
}

// attempt makes one attempt of a server's only check.
func attempt(t *testing.T, rs *config.RealServer) Outcome {
	t.Helper()
	if len(rs.Checkers) != 1 {
		t.Fatalf("%d checks", len(rs.Checkers))
	}
	return Attempt(t.Context(), rs.Checkers[0], rs)
}

// pageServer answers every request with a page, over TLS if there is a certificate, and tells what it was asked and by
// which name in the handshake.
func pageServer(t *testing.T, pair *tls.Certificate, body string) (addr string, asked <-chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	addr = l.Addr().String()
	if pair != nil {
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{*pair}})
	}
	heard := make(chan string, 100)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				buf := make([]byte, 4096)
				n, err := c.Read(buf)
				if err != nil {
					return
				}
				name := ""
				if c, ok := c.(*tls.Conn); ok {
					name = c.ConnectionState().ServerName
				}
				heard <- name + " " + string(buf[:n])
				_, _ = io.WriteString(c, "HTTP/1.0 200 OK\r\n\r\n"+body)
			}()
		}
	}()
	return addr, heard
}

// pageChecks are the words of HTTP_GET and SSL_GET, of a page, and of what is around them, that change what is asked:
// the requests, each after the name in the handshake. ADDR is the server.
var pageChecks = []struct {
	virtual, real, check, url string
	plain, secure             []string // the same if secure is nil
}{
	{"", "", "", "", []string{" GET /a 1.0 Host: ADDR"}, nil},
	{"", "", "http_protocol 1.1", "", []string{" GET /a 1.1 Connection: close Host: ADDR"}, nil},
	{"", "", "http_protocol 1.0C", "", []string{" GET /a 1.0 Connection: close Host: ADDR"}, nil},
	{"virtualhost virtual.example", "", "", "", []string{" GET /a 1.0 Host: virtual.example"}, nil},
	{"virtualhost virtual.example", "virtualhost real.example", "", "", []string{" GET /a 1.0 Host: real.example"},
		nil},
	{"", "virtualhost real.example", "virtualhost check.example", "", []string{" GET /a 1.0 Host: check.example"}, nil},
	{"", "", "virtualhost check.example", "virtualhost url.example", []string{" GET /a 1.0 Host: url.example"}, nil},
	{"", "", "virtualhost check.example\nenable_sni", "", []string{" GET /a 1.0 Host: check.example"},
		[]string{"check.example GET /a 1.0 Host: check.example"}},
	{"", "", "virtualhost check.example\nenable_sni off", "", []string{" GET /a 1.0 Host: check.example"}, nil},
	// All pages are asked for by one check, with fast_recovery and without.
	{"", "", "url {\npath /b\n}", "", []string{" GET /a 1.0 Host: ADDR", " GET /b 1.0 Host: ADDR"}, nil},
	{"", "", "url {\npath /b\n}\nfast_recovery", "", []string{" GET /a 1.0 Host: ADDR", " GET /b 1.0 Host: ADDR"}, nil},
	{"", "", "url {\npath /b\n}\nfast_recovery off", "",
		[]string{" GET /a 1.0 Host: ADDR", " GET /b 1.0 Host: ADDR"}, nil},
}

// TestPageWords shows what is asked for by HTTP_GET and SSL_GET: http_protocol, virtualhost at each of its places,
// enable_sni, which means nothing without a handshake, and fast_recovery, which is how it always is.
func TestPageWords(t *testing.T) {
	pair, _, _, _ := authorityOf(t, "web.example")
	for block, pair := range map[string]*tls.Certificate{"HTTP_GET": nil, "SSL_GET": &pair} {
		for _, c := range pageChecks {
			t.Run(block+"/"+strings.Join([]string{c.virtual, c.real, c.check, c.url}, "/"), func(t *testing.T) {
				addr, asked := pageServer(t, pair, "page")
				rs := serverOf(t, addr, "", c.virtual,
					c.real+"\n"+block+" {\nurl {\npath /a\n"+c.url+"\n}\n"+c.check+"\n}")
				expectOutcome(t, attempt(t, rs), true)
				want := c.plain
				if pair != nil && c.secure != nil {
					want = c.secure
				}
				for _, w := range want {
					w = strings.ReplaceAll(w, "ADDR", addr)
					got := strings.ReplaceAll(<-asked, "\r\n", " ")
					got = strings.ReplaceAll(strings.ReplaceAll(got, "HTTP/", ""), "User-Agent: KeepAliveClient ", "")
					if got = strings.TrimRight(got, " "); got != w {
						t.Errorf("asked %q, want %q", got, w)
					}
				}
				if len(asked) > 0 {
					t.Errorf("asked %q too", <-asked)
				}
			})
		}
	}
}

// TestRegexOptions: each option of a page's pattern decides whether it matches.
func TestRegexOptions(t *testing.T) {
	for _, c := range []struct {
		body, pattern, option string
		with, without         bool
	}{
		{"Hello", "hello", "caseless", true, false},
		{"one\ntwo", "one.two", "dotall", true, false},
		{"one\ntwo", "^two", "multiline", true, false},
		{"one\n", "one$", "dollar_endonly", false, true},
		{"one", "one", "utf", true, true},
	} {
		for _, on := range []bool{true, false} {
			words, want := "regex "+c.pattern, c.without
			if on {
				words, want = words+"\nregex_options "+c.option, c.with
			}
			addr, _ := pageServer(t, nil, c.body)
			rs := serverOf(t, addr, "", "", "HTTP_GET {\nurl {\npath /\n"+words+"\n}\n}")
			if v := attempt(t, rs); v.OK != want {
				t.Errorf("%q, %s: %+v", c.body, strings.ReplaceAll(words, "\n", ", "), v)
			}
		}
	}
}

// TestMailWords: helo_name is what SMTP_CHECK says it is, and each host is asked, in place of the real server.
func TestMailWords(t *testing.T) {
	good := play{"220 mail.example ready\r\n", read, "250 hello\r\n", read, "221 bye\r\n"}
	for words, want := range map[string]string{
		"":                     "HELO smtpchecker.keepalived.org\r\n",
		"helo_name me.example": "HELO me.example\r\n",
	} {
		addr, sent := serve(t, good)
		expectOutcome(t, attempt(t, serverOf(t, addr, "", "", "SMTP_CHECK {\n"+words+"\n}")), true)
		if got := sent(); got != want {
			t.Errorf("%q: said %q", words, got)
		}
	}
	real, _ := serve(t, nil) // refuses
	var hosts string
	var heard []func() string
	for range 2 {
		addr, sent := serve(t, good)
		hosts += fmt.Sprintf("host {\nconnect_ip 127.0.0.1\nconnect_port %d\n}\n", at(t, addr).Port())
		heard = append(heard, sent)
	}
	rs := serverOf(t, real, "", "", "SMTP_CHECK {\n"+hosts+"helo_name me.example\n}")
	if len(rs.Checkers) != 2 {
		t.Fatalf("%d checks of 2 hosts", len(rs.Checkers))
	}
	for i, c := range rs.Checkers {
		expectOutcome(t, Attempt(t.Context(), c, rs), true)
		if got := heard[i](); got != "HELO me.example\r\n" {
			t.Errorf("said %q to host %d", got, i)
		}
	}
	expectOutcome(t, attempt(t, serverOf(t, real, "", "", "SMTP_CHECK {\n}")), false, "refused")
}

// TestConnectTimeoutAround: connect_timeout of the real server and of the virtual server is that of a check without
// one, the nearest first. A server that is mute is waited for no longer.
func TestConnectTimeoutAround(t *testing.T) {
	for _, c := range []struct{ virtual, real, check string }{
		{"connect_timeout 0.3", "", ""},
		{"connect_timeout 900", "connect_timeout 0.3", ""},
		{"connect_timeout 900", "connect_timeout 900", "connect_timeout 0.3"},
	} {
		for _, block := range []string{"SMTP_CHECK", "HTTP_GET"} {
			addr, _ := serve(t, play{hang})
			check := block + " {\n" + c.check + "\n}"
			if block == "HTTP_GET" {
				check = block + " {\nurl {\npath /\n}\n" + c.check + "\n}"
			}
			rs := serverOf(t, addr, "", c.virtual, c.real+"\n"+check)
			if got := rs.Checkers[0].Timeout; got != 300*time.Millisecond {
				t.Errorf("%+v: %s may take %v", c, block, got)
			}
			expectOutcome(t, attempt(t, rs), false, "timeout")
		}
	}
}

// TestFileWords: FILE_CHECK finds the file by the name of its track_file, and adds its number times weight, its own or
// that of the file.
func TestFileWords(t *testing.T) {
	number := filepath.Join(t.TempDir(), "number")
	if err := os.WriteFile(number, []byte("4\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		head, file, check string
		add               int
	}{
		{"track_file", "", "", 4},
		{"track_file", "weight 3", "", 12},
		{"track_file", "weight 3 reverse", "", -12},
		{"track_file", "weight 3", "weight 5", 20},
		{"track_file", "weight 3", "weight 5 reverse", -20},
		{"track_file", "weight 3 reverse", "weight 5", 20},
		{"vrrp_track_file", "weight 3", "", 12},
	} {
		before := c.head + " load {\nfile " + number + "\n" + c.file + "\n}\n" + c.head +
			" other {\nfile /nonexistent\n}"
		v := attempt(t, serverOf(t, "10.0.0.1:80", before, "", "FILE_CHECK {\ntrack_file load\n"+c.check+"\n}"))
		if !v.OK || !v.HasWeight || v.Weight != c.add {
			t.Errorf("%+v: %+v", c, v)
		}
	}
}
