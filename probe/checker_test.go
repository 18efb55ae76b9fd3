package probe

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/md5"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/test/ports"
)

// patience is for servers that answer; impatience for those that never do.
const (
	patience   = 30 * time.Second
	impatience = 300 * time.Millisecond
)

func at(t *testing.T, addr string) netip.AddrPort {
	t.Helper()
	a, err := netip.ParseAddrPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// judge makes one attempt against addr.
func judge(t *testing.T, addr string, c config.Checker) Outcome {
	t.Helper()
	c.Addr = at(t, addr)
	if c.Timeout == 0 {
		c.Timeout = patience
	}
	return Attempt(t.Context(), &c, &config.RealServer{})
}

// expectOutcome wants OK, or a failure whose reason has these words.
func expectOutcome(t *testing.T, v Outcome, ok bool, words ...string) {
	t.Helper()
	if v.OK != ok {
		t.Fatalf("ok %v: %s", v.OK, v.Reason)
	}
	if v.Reason == "" || v.Took <= 0 || strings.ContainsAny(v.Reason, "\r\n") {
		t.Errorf("reason %q, took %v", v.Reason, v.Took)
	}
	for _, w := range words {
		if !strings.Contains(v.Reason, w) {
			t.Errorf("reason %q lacks %q", v.Reason, w)
		}
	}
}

func TestAttemptTCP(t *testing.T) {
	addr, _ := serve(t, play{})
	expectOutcome(t, judge(t, addr, config.Checker{Kind: config.CheckerTCP}), true,
		"TCP connection to [127.0.0.1]:tcp:", "success")
	refused, _ := serve(t, nil)
	expectOutcome(t, judge(t, refused, config.Checker{Kind: config.CheckerTCP}), false,
		"TCP connection to [127.0.0.1]:tcp:", "failed", "connection refused")
	busy := fullListener(t)
	began := time.Now()
	expectOutcome(t, judge(t, busy, config.Checker{Kind: config.CheckerTCP, Timeout: impatience}), false, "failed",
		"timeout")
	if time.Since(began) < impatience {
		t.Error("gave up too early")
	}
}

// TestAttemptSource: bindto, bind_port, again and again from the same port.
func TestAttemptSource(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	free, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	source := at(t, free.Addr().String())
	free.Close()
	from := make(chan string, 3)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			from <- c.RemoteAddr().String()
			c.Close()
		}
	}()
	for range 3 {
		expectOutcome(t, judge(t, l.Addr().String(), config.Checker{Kind: config.CheckerTCP, Source: source}), true)
		if got := <-from; got != source.String() {
			t.Errorf("came from %s, not %s", got, source)
		}
	}
	if os.Getuid() != 0 {
		return
	}
	expectOutcome(t, judge(t, l.Addr().String(), config.Checker{Kind: config.CheckerTCP, BindInterface: "lo", Mark: 7}),
		true)
	expectOutcome(t, judge(t, l.Addr().String(), config.Checker{Kind: config.CheckerTCP, BindInterface: "none-such0"}),
		false, "bind_if none-such0", "no such device")
}

func sum(text string) *[md5.Size]byte {
	s := md5.Sum([]byte(text))
	return &s
}

var (
	helloPage = http("200 OK", "Content-Length: 5\r\n", "hello")
	longBody  = strings.Repeat("0123456789abcdef", 20000) // more than any buffer
	usual     = [][2]int{{200, 299}}
)

type pageCase struct {
	name  string
	play  play
	url   config.CheckURL
	ok    bool
	words string
}

var pages = []pageCase{
	{"status", helloPage, config.CheckURL{Statuses: usual}, true, "succeed"},
	{"no status given", helloPage, config.CheckURL{}, true, "succeed"},
	{"other status", http("404 Not Found", "Content-Length: 0\r\n", ""), config.CheckURL{Statuses: usual}, false,
		"HTTP status code error to [127.0.0.1]:tcp:"},
	{"status code in the reason", http("503 x", "", ""), config.CheckURL{Statuses: usual}, false, "status_code [503]"},
	{"redirect is not followed", http("302 Found", "Location: /b\r\n", ""), config.CheckURL{Statuses: usual}, false,
		"[302]"},
	{"redirect wanted", http("302 Found", "Location: /b\r\n", ""),
		config.CheckURL{Statuses: [][2]int{{100, 199}, {301, 302}}}, true, ""},
	{"digest", helloPage, config.CheckURL{Statuses: usual, Digest: sum("hello")}, true, ""},
	{"wrong digest", helloPage, config.CheckURL{Statuses: usual, Digest: sum("hellO")}, false, "MD5 digest error"},
	{"digest in the reason", helloPage, config.CheckURL{Digest: sum("x")}, false,
		"MD5SUM [5d41402abc4b2a76b9719d911017c592]"},
	{"digest of a body until the end", http("200 OK", "", "hello"), config.CheckURL{Digest: sum("hello")}, true, ""},
	{"digest of an empty body", http("200 OK", "Content-Length: 0\r\n", ""), config.CheckURL{Digest: sum("")}, true,
		""},
	{"digest of chunks", http("200 OK", "Transfer-Encoding: chunked\r\n", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"),
		config.CheckURL{Digest: sum("hello")}, true, ""},
	{"digest of chunks as they come",
		http("200 OK", "Transfer-Encoding: chunked\r\n", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"),
		config.CheckURL{Digest: sum("2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n")}, true, ""},
	{"digest of a long body", http("200 OK", "Content-Length: "+strconv.Itoa(len(longBody))+"\r\n", longBody),
		config.CheckURL{Digest: sum(longBody)}, true, ""},
	{"digest of a long body in one chunk",
		http("200 OK", "Transfer-Encoding: chunked\r\n", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(longBody), longBody)),
		config.CheckURL{Digest: sum(longBody)}, true, ""},
	{"body cut short", http("200 OK", "Content-Length: 50\r\n", "hello"), config.CheckURL{Digest: sum("hello")}, false,
		"Body from"},
	{"chunks cut short", http("200 OK", "Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n"),
		config.CheckURL{Digest: sum("hello")}, false, "Body from"},
	{"bad chunk", http("200 OK", "Transfer-Encoding: chunked\r\n", "zz\r\nhello\r\n"),
		config.CheckURL{Digest: sum("hello")}, false, "Body from"},
	{"regex", helloPage, config.CheckURL{Regex: regexp.MustCompile("h.llo")}, true, ""},
	{"regex does not match", helloPage, config.CheckURL{Regex: regexp.MustCompile("HELLO")}, false,
		"Regex does not match"},
	{"regex no match", helloPage, config.CheckURL{Regex: regexp.MustCompile("HELLO"), RegexNoMatch: true}, true, ""},
	{"regex no match, matches", helloPage, config.CheckURL{Regex: regexp.MustCompile("hello"), RegexNoMatch: true},
		false, "Regex matches"},
	{"regex late in a long body", http("200 OK", "", longBody+"end"),
		config.CheckURL{Regex: regexp.MustCompile(`fend\z`)}, true, ""},
	{"regex beyond the offset", helloPage, config.CheckURL{Regex: regexp.MustCompile("lo"), MaxOffset: 3}, false,
		"Regex"},
	{"regex within the offset", helloPage, config.CheckURL{Regex: regexp.MustCompile("lo"), MaxOffset: 4}, true, ""},
	{"regex before the offset", helloPage, config.CheckURL{Regex: regexp.MustCompile("he"), MinOffset: 1}, false,
		"Regex"},
	{"regex at the offset", helloPage, config.CheckURL{Regex: regexp.MustCompile("l"), MinOffset: 3}, true, ""},
	{"offset beyond the body", helloPage, config.CheckURL{Regex: regexp.MustCompile(""), MinOffset: 9}, false, "Regex"},
	{"digest right, regex wrong", helloPage, config.CheckURL{Digest: sum("hello"), Regex: regexp.MustCompile("x")},
		false, "Regex"},
	{"interim response", play{read, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"}, config.CheckURL{}, true, ""},
	{"no answer", play{read}, config.CheckURL{}, false, "Read, no data received from [127.0.0.1]:tcp:"},
	{"not HTTP", play{read, "220 mail ready\r\n\r\n"}, config.CheckURL{}, false, "No HTTP answer"},
	{"half a head", play{read, "HTTP/1.1 200 OK\r\nContent-"}, config.CheckURL{}, false, "No HTTP answer"},
	{"reset", play{read, reset}, config.CheckURL{}, false, "No HTTP answer"},
	{"endless head", play{read, "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", 5000)}, config.CheckURL{}, false,
		"No HTTP answer"},
}

func TestAttemptPages(t *testing.T) {
	for _, c := range pages {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			addr, _ := serve(t, c.play)
			c.url.Path = "/p"
			expectOutcome(t, judge(t, addr,
				config.Checker{Kind: config.CheckerHTTP, HTTPVersion: "1.0", URLs: []*config.CheckURL{&c.url}}), c.ok,
				c.words)
		})
	}
}

func TestAttemptPagesUnanswered(t *testing.T) {
	t.Run("refused", func(t *testing.T) {
		addr, _ := serve(t, nil)
		expectOutcome(t, judge(t, addr,
			config.Checker{Kind: config.CheckerHTTP, URLs: []*config.CheckURL{{Path: "/"}}}), false,
			"Error connecting server [127.0.0.1]:tcp:")
	})
	for name, p := range map[string]play{"no head": {read, hang},
		"half a body": {read, "HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\nab", hang}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr, _ := serve(t, p)
			expectOutcome(t, judge(t, addr,
				config.Checker{Kind: config.CheckerHTTP, Timeout: impatience,
					URLs: []*config.CheckURL{{Path: "/", Digest: sum("ab")}}}), false, "timeout")
		})
	}
}

// TestDrip: a server that never stops sending does not hold a check for ever.
func TestDrip(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = c.Read(make([]byte, 1024))
		for _, err := io.WriteString(c, "HTTP/1.0 200 OK\r\n\r\n"); err == nil; _, err = io.WriteString(c, "x") {
			time.Sleep(20 * time.Millisecond)
		}
	}()
	began := time.Now()
	expectOutcome(t, judge(t, l.Addr().String(),
		config.Checker{Kind: config.CheckerHTTP, Timeout: impatience,
			URLs: []*config.CheckURL{{Path: "/", Digest: sum("")}}}), false)
	if took := time.Since(began); took > patience {
		t.Errorf("held for %v", took)
	}
}

// TestPageRequests: what is sent is what genhash of Keepalived 2.2.7 sends.
func TestPageRequests(t *testing.T) {
	const agent = "\r\nUser-Agent: KeepAliveClient\r\n"
	rs := &config.RealServer{VirtualHost: "real.example"}
	for _, c := range []struct {
		version, checker, url string
		rs                    *config.RealServer
		want                  string // ADDR is the server
	}{
		{"1.0", "", "", &config.RealServer{}, "GET /x?y HTTP/1.0" + agent + "Host: ADDR\r\n\r\n"},
		{"1.0C", "", "", &config.RealServer{}, "GET /x?y HTTP/1.0" + agent + "Connection: close\r\nHost: ADDR\r\n\r\n"},
		{"1.1", "", "", &config.RealServer{}, "GET /x?y HTTP/1.1" + agent + "Connection: close\r\nHost: ADDR\r\n\r\n"},
		{"1.0", "", "", rs, "GET /x?y HTTP/1.0" + agent + "Host: real.example\r\n\r\n"},
		{"1.0", "check.example", "", rs, "GET /x?y HTTP/1.0" + agent + "Host: check.example\r\n\r\n"},
		{"1.0", "check.example", "url.example", rs, "GET /x?y HTTP/1.0" + agent + "Host: url.example\r\n\r\n"},
	} {
		addr, sent := serve(t, http("200 OK", "", ""))
		check := &config.Checker{Kind: config.CheckerHTTP, HTTPVersion: c.version, VirtualHost: c.checker,
			Timeout: patience, Addr: at(t, addr),
			URLs: []*config.CheckURL{{Path: "/x?y", VirtualHost: c.url}}}
		expectOutcome(t, Attempt(t.Context(), check, c.rs), true)
		if got, want := sent(), strings.ReplaceAll(c.want, "ADDR", addr); got != want {
			t.Errorf("sent %q, want %q", got, want)
		}
	}
	for addr, want := range map[string]string{"192.0.2.1:80": "192.0.2.1", "192.0.2.1:443": "192.0.2.1",
		"[2001:db8::1]:80": "[2001:db8::1]", "[2001:db8::1]:8080": "[2001:db8::1]:8080"} {
		if got := authority(at(t, addr)); got != want {
			t.Errorf("Host for %s: %s, want %s", addr, got, want)
		}
	}
}

// TestSeveralPages: all are asked for, in order, until one is wrong.
func TestSeveralPages(t *testing.T) {
	var asked []string
	var mu sync.Mutex
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			buf := make([]byte, 4096)
			n, _ := c.Read(buf)
			path := strings.Fields(string(buf[:n]))[1]
			mu.Lock()
			asked = append(asked, path)
			mu.Unlock()
			_, _ = io.WriteString(c, "HTTP/1.0 "+strings.TrimPrefix(path, "/")+" x\r\n\r\n")
			c.Close()
		}
	}()
	pages := func(paths ...string) (urls []*config.CheckURL) {
		for _, p := range paths {
			urls = append(urls, &config.CheckURL{Path: p})
		}
		return urls
	}
	expectOutcome(t, judge(t, l.Addr().String(),
		config.Checker{Kind: config.CheckerHTTP, URLs: pages("/200", "/201", "/202")}), true)
	expectOutcome(t, judge(t, l.Addr().String(),
		config.Checker{Kind: config.CheckerHTTP, URLs: pages("/200", "/500", "/202")}), false, "url(/500)", "[500]")
	mu.Lock()
	defer mu.Unlock()
	if got := strings.Join(asked, " "); got != "/200 /201 /202 /200 /500" {
		t.Errorf("asked for %s", got)
	}
}

// authorityOf makes a certificate authority and a certificate of it, for the server and as files.
func authorityOf(t *testing.T, name string) (pair tls.Certificate, caFile, certFile, keyFile string) {
	t.Helper()
	dir := t.TempDir()
	write := func(file, kind string, der []byte) string {
		path := filepath.Join(dir, file)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	caKey, leafKey := key(), key()
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name + " authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name},
		DNSNames: []string{name}, NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, &leafKey.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(leafKey)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{leafDER}, PrivateKey: leafKey}, write("ca.pem", "CERTIFICATE",
		caDER), write("cert.pem", "CERTIFICATE", leafDER), write("key.pem", "EC PRIVATE KEY", keyDER)
}

// serveTLS answers every connection, and says what name each client gave and whose certificate it had.
func serveTLS(t *testing.T, cfg *tls.Config) (addr string, heard chan tls.ConnectionState) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	heard = make(chan tls.ConnectionState, 100)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if _, err := c.Read(make([]byte, 4096)); err != nil {
					return
				}
				heard <- c.(*tls.Conn).ConnectionState()
				_, _ = io.WriteString(c, "HTTP/1.0 200 OK\r\n\r\nhello")
			}()
		}
	}()
	return l.Addr().String(), heard
}

// helloAt is a page of the test's server.
func helloAt(host string) []*config.CheckURL {
	return []*config.CheckURL{{Path: "/", VirtualHost: host, Digest: sum("hello")}}
}

func TestAttemptTLS(t *testing.T) {
	pair, ca, certFile, keyFile := authorityOf(t, "web.example")
	_, otherCA, _, _ := authorityOf(t, "other.example")
	addr, heard := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{pair}})
	for _, c := range []struct {
		name  string
		check config.Checker
		ok    bool
		sni   string
		words string
	}{
		{"plain", config.Checker{URLs: helloAt("")}, true, "", ""},
		{"no SNI unless asked", config.Checker{URLs: helloAt("www.example")}, true, "", ""},
		{"SNI", config.Checker{URLs: helloAt("www.example:443"), SNI: true}, true, "www.example", ""},
		{"SNI without a host", config.Checker{URLs: helloAt(""), SNI: true}, true, "", ""},
		{"authority, whatever the name",
			config.Checker{URLs: helloAt("www.example"), SNI: true, TLS: config.CheckTLS{CA: ca}}, true, "www.example",
			""},
		{"other authority", config.Checker{URLs: helloAt(""), TLS: config.CheckTLS{CA: otherCA}}, false, "",
			"unknown authority"},
		{"authority missing", config.Checker{URLs: helloAt(""), TLS: config.CheckTLS{CA: "/nonexistent/ca.pem"}}, false,
			"", "no such file"},
		{"authority empty", config.Checker{URLs: helloAt(""), TLS: config.CheckTLS{CA: keyFile}}, false, "",
			"no certificate in it"},
		{"wrong digest", config.Checker{URLs: []*config.CheckURL{{Path: "/", Digest: sum("x")}}}, false, "", "MD5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.check.Kind = config.CheckerSSL
			expectOutcome(t, judge(t, addr, c.check), c.ok, c.words)
			if c.ok {
				if state := <-heard; state.ServerName != c.sni {
					t.Errorf("SNI %q, want %q", state.ServerName, c.sni)
				}
			}
			for len(heard) > 0 {
				<-heard
			}
		})
	}
	t.Run("client certificate", func(t *testing.T) { clientCertificate(t, pair, ca, certFile, keyFile) })
	t.Run("no TLS", func(t *testing.T) {
		plain, _ := serve(t, http("200 OK", "", "hello"))
		o := judge(t, plain, config.Checker{Kind: config.CheckerSSL, URLs: helloAt("")})
		expectOutcome(t, o, false, "SSL handshake with [127.0.0.1]:tcp:")
	})
	t.Run("hangs", func(t *testing.T) {
		mute, _ := serve(t, play{hang})
		o := judge(t, mute, config.Checker{Kind: config.CheckerSSL, Timeout: impatience, URLs: helloAt("")})
		expectOutcome(t, o, false, "timeout")
	})
	t.Run("old TLS", func(t *testing.T) {
		old, _ := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS10,
			MaxVersion: tls.VersionTLS10})
		expectOutcome(t, judge(t, old, config.Checker{Kind: config.CheckerSSL, URLs: helloAt("")}), true)
	})
}

// asking is a check that has TLS settings.
func asking(c config.CheckTLS) config.Checker {
	return config.Checker{Kind: config.CheckerSSL, URLs: helloAt(""), TLS: c}
}

// clientCertificate: a server that wants one of the authority gets it where the configuration names it.
func clientCertificate(t *testing.T, pair tls.Certificate, ca, certFile, keyFile string) {
	roots, err := readRoots(ca)
	if err != nil {
		t.Fatal(err)
	}
	strict, heard := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{pair},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots})
	expectOutcome(t, judge(t, strict, config.Checker{Kind: config.CheckerSSL, URLs: helloAt("")}), false)
	expectOutcome(t, judge(t, strict, asking(config.CheckTLS{Certificate: certFile, Key: keyFile})), true)
	if state := <-heard; len(state.PeerCertificates) != 1 ||
		state.PeerCertificates[0].Subject.CommonName != "web.example" {
		t.Errorf("client: %v", state.PeerCertificates)
	}
	expectOutcome(t, judge(t, strict, asking(config.CheckTLS{Certificate: certFile, Key: ca})), false, "handshake")
}

// TestLockedKey: the SSL block's password opens a key.
func TestLockedKey(t *testing.T) {
	_, _, certFile, keyFile := authorityOf(t, "web.example")
	text, err := os.ReadFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	//lint:ignore SA1019 this is the form that is read
	locked, err := x509.EncryptPEMBlock(rand.Reader, block.Type, block.Bytes, []byte("secret"), x509.PEMCipherAES256)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "locked.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(locked), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readPair(config.CheckTLS{Certificate: certFile, Key: file, Password: "secret"}); err != nil {
		t.Error(err)
	}
	for _, wrong := range []string{"", "guess"} {
		if _, err := readPair(config.CheckTLS{Certificate: certFile, Key: file, Password: wrong}); err == nil {
			t.Errorf("password %q opens it", wrong)
		}
	}
}

func TestAttemptSMTP(t *testing.T) {
	good := play{"220 mail.example ready\r\n", read, "250 hello\r\n", read, "221 bye\r\n"}
	for _, c := range []struct {
		name string
		play play
		ok   bool
	}{
		{"good", good, true},
		{"several lines", play{"220-one\r\n220 two\r\n", read, "250-a\r\n250 b\r\n", read, "221 bye\r\n"}, true},
		{"not ready", play{"554 go away\r\n"}, false},
		{"HELO refused", play{"220 x\r\n", read, "502 no\r\n"}, false},
		{"silent", play{}, false},
		{"not SMTP", play{"HTTP/1.0 400 Bad\r\n\r\n"}, false},
	} {
		addr, sent := serve(t, c.play)
		v := judge(t, addr, config.Checker{Kind: config.CheckerSMTP, Helo: "me.example"})
		if v.OK != c.ok || v.Reason == "" {
			t.Errorf("%s: %+v", c.name, v)
		}
		if c.name == "good" {
			if got := sent(); got != "HELO me.example\r\n" {
				t.Errorf("said %q", got)
			}
		}
	}
	mute, _ := serve(t, play{hang})
	expectOutcome(t, judge(t, mute, config.Checker{Kind: config.CheckerSMTP, Helo: "x", Timeout: impatience}), false,
		"timeout")
	refused, _ := serve(t, nil)
	expectOutcome(t, judge(t, refused, config.Checker{Kind: config.CheckerSMTP, Helo: "x"}), false, "refused")
}

// serveUDP answers each datagram with what reply makes of it; nil: nothing.
func serveUDP(t *testing.T, reply func([]byte) [][]byte) (addr string, got chan []byte) {
	t.Helper()
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	got = make(chan []byte, 10)
	go func() {
		buf := make([]byte, 65536)
		for {
			n, from, err := l.ReadFrom(buf)
			if err != nil {
				return
			}
			got <- append([]byte(nil), buf[:n]...)
			for _, r := range reply(buf[:n]) {
				_, _ = l.WriteTo(r, from)
			}
		}
	}()
	return l.LocalAddr().String(), got
}

func TestAttemptUDP(t *testing.T) {
	echo := func(b []byte) [][]byte { return [][]byte{b} }
	mute := func([]byte) [][]byte { return nil }
	base := config.Checker{Kind: config.CheckerUDP, MaxReply: 255, Payload: []byte("\x12\x34ab")}
	with := func(change func(*config.Checker)) config.Checker {
		c := base
		change(&c)
		return c
	}
	for _, c := range []struct {
		name  string
		reply func([]byte) [][]byte
		check config.Checker
		ok    bool
		words string
	}{
		{"no reply needed", mute, with(func(c *config.Checker) { c.Timeout = impatience }), true,
			"UDP_CHECK success for [127.0.0.1]:udp:"},
		{"reply not needed", echo, base, true, "success"},
		{"reply needed", echo, with(func(c *config.Checker) { c.RequireReply = true }), true, "success"},
		{"reply needed, none", mute, with(func(c *config.Checker) { c.RequireReply, c.Timeout = true, impatience }),
			false, "timeout"},
		{"reply right", echo, with(func(c *config.Checker) {
			c.RequireReply, c.Reply, c.ReplyMask = true, []byte("\x12\x04"), []byte("\xff\x0f")
		}), true, ""},
		{"reply wrong", echo, with(func(c *config.Checker) {
			c.RequireReply, c.Reply, c.ReplyMask = true, []byte("\x12\x05"), []byte("\xff\x0f")
		}), false, "byte 1 is 34"},
		{"reply shorter than the pattern", echo, with(func(c *config.Checker) {
			c.RequireReply, c.Reply, c.ReplyMask = true, []byte("\x12\x34abcd"), []byte("\xff\xff\xff\xff\xff\xff")
		}), true, ""},
		{"reply too short", echo, with(func(c *config.Checker) { c.RequireReply, c.MinReply = true, 5 }), false,
			"4 bytes, not 5 to 255"},
		{"reply too long", echo, with(func(c *config.Checker) { c.RequireReply, c.MaxReply = true, 3 }), false,
			"4 bytes, not 0 to 3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			addr, got := serveUDP(t, c.reply)
			expectOutcome(t, judge(t, addr, c.check), c.ok, c.words)
			if sent := string(<-got); sent != "\x12\x34ab" {
				t.Errorf("sent %q", sent)
			}
		})
	}
	t.Run("nobody there", func(t *testing.T) {
		expectOutcome(t, judge(t, ports.Closed(t, syscall.SOCK_DGRAM).String(), base), false,
			"UDP_CHECK of [127.0.0.1]:udp:", "connection refused")
	})
	t.Run("random payload", func(t *testing.T) {
		addr, got := serveUDP(t, echo)
		expectOutcome(t, judge(t, addr, config.Checker{Kind: config.CheckerUDP}), true)
		if sent := <-got; len(sent) != 64 {
			t.Errorf("%d bytes", len(sent))
		}
	})
}

// dnsAnswer answers a query with a code, after changes to the message.
func dnsAnswer(t *testing.T, query []byte, code dnsmessage.RCode, change func([]byte)) []byte {
	var p dnsmessage.Parser
	h, err := p.Start(query)
	if err != nil {
		t.Error(err)
		return nil
	}
	questions, err := p.AllQuestions()
	if err != nil {
		t.Error(err)
	}
	h.Response, h.RCode = true, code
	m := dnsmessage.Message{Header: h, Questions: questions}
	out, err := m.Pack()
	if err != nil {
		t.Error(err)
	}
	if change != nil {
		change(out)
	}
	return out
}

func TestAttemptDNS(t *testing.T) {
	base := config.Checker{Kind: config.CheckerDNS, DNSType: "SOA", DNSName: "."}
	for kind, number := range map[string]dnsmessage.Type{"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "MX": 15, "TXT": 16,
		"AAAA": 28} {
		addr, got := serveUDP(t, func(q []byte) [][]byte {
			return [][]byte{dnsAnswer(t, q, dnsmessage.RCodeSuccess, nil)}
		})
		c := base
		c.DNSType, c.DNSName = kind, "www.example.org"
		expectOutcome(t, judge(t, addr, c), true, "DNS_CHECK of [127.0.0.1]:udp:")
		var m dnsmessage.Message
		if err := m.Unpack(<-got); err != nil || len(m.Questions) != 1 || m.Questions[0].Type != number ||
			m.Questions[0].Name.String() != "www.example.org." || !m.RecursionDesired || m.Response {
			t.Errorf("%s: %+v, %v", kind, m, err)
		}
	}
	t.Run("root", func(t *testing.T) {
		addr, got := serveUDP(t, func(q []byte) [][]byte {
			return [][]byte{dnsAnswer(t, q, dnsmessage.RCodeSuccess, nil)}
		})
		expectOutcome(t, judge(t, addr, base), true)
		var m dnsmessage.Message
		if err := m.Unpack(<-got); err != nil || m.Questions[0].Name.String() != "." {
			t.Errorf("%+v, %v", m, err)
		}
	})
	for _, code := range []dnsmessage.RCode{dnsmessage.RCodeServerFailure, dnsmessage.RCodeNameError,
		dnsmessage.RCodeRefused} {
		addr, _ := serveUDP(t, func(q []byte) [][]byte { return [][]byte{dnsAnswer(t, q, code, nil)} })
		expectOutcome(t, judge(t, addr, base), false, fmt.Sprintf("(rcode %d)", code))
	}
	t.Run("answers to others are not looked at", func(t *testing.T) {
		addr, _ := serveUDP(t, func(q []byte) [][]byte {
			return [][]byte{nil, []byte("x"),
				dnsAnswer(t, q, dnsmessage.RCodeServerFailure, func(b []byte) { b[0] ^= 1 }),
				dnsAnswer(t, q, dnsmessage.RCodeServerFailure, func(b []byte) { b[2] &^= 0x80 }),
				dnsAnswer(t, q, dnsmessage.RCodeSuccess, nil)}
		})
		expectOutcome(t, judge(t, addr, base), true)
	})
	c := base
	c.Timeout = impatience
	mute, _ := serveUDP(t, func([]byte) [][]byte { return nil })
	expectOutcome(t, judge(t, mute, c), false, "no answer in time")
	expectOutcome(t, judge(t, ports.Closed(t, syscall.SOCK_DGRAM).String(), base), false, "connection refused")
}

func TestAttemptPing(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "127.0.0.77:80", "[::1]:0"} {
		if strings.HasPrefix(addr, "[") && !hasIPv6() {
			continue
		}
		for range 3 {
			expectOutcome(t, judge(t, addr, config.Checker{Kind: config.CheckerPing}), true, "ICMP connection to [",
				"succeeded")
		}
	}
	expectOutcome(t, judge(t, "127.0.0.1:0",
		config.Checker{Kind: config.CheckerPing, Source: netip.MustParseAddrPort("127.0.0.9:0")}), true)
	expectOutcome(t, judge(t, "127.0.0.1:0",
		config.Checker{Kind: config.CheckerPing, Source: netip.MustParseAddrPort("192.0.2.77:0")}), false,
		"bindto 192.0.2.77")
	if os.Getuid() == 0 {
		expectOutcome(t, judge(t, "127.0.0.1:0", config.Checker{Kind: config.CheckerPing, BindInterface: "none-such0"}),
			false, "bind_if")
	}
}

func hasIPv6() bool {
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		return false
	}
	l.Close()
	return true
}

// TestEchoAnswers: only the answer to the request counts, with both kinds of sockets.
func TestEchoAnswers(t *testing.T) {
	for _, raw := range []bool{false, true} {
		for _, ipv6 := range []bool{false, true} {
			e := newEcho(ipv6, raw)
			if !ipv6 && checksum(e.request) != 0 {
				t.Error("checksum of the request is wrong")
			}
			answer := append([]byte(nil), e.request...)
			answer[0] = e.reply
			frame := func(b []byte) []byte {
				if raw && !ipv6 {
					return append(append([]byte{0x46}, make([]byte, 23)...), b...)
				}
				return b
			}
			if !e.answers(frame(answer)) {
				t.Errorf("raw %v, IPv6 %v: the answer is not known", raw, ipv6)
			}
			for i := range answer {
				if i == 2 || i == 3 || !raw && (i == 4 || i == 5) {
					continue // checksum, and the identifier that the kernel looks after
				}
				other := append([]byte(nil), answer...)
				other[i] ^= 1
				if e.answers(frame(other)) {
					t.Errorf("raw %v, IPv6 %v: byte %d does not count", raw, ipv6, i)
				}
			}
			for n := range frame(answer) {
				if e.answers(frame(answer)[:n]) {
					t.Errorf("%d bytes are an answer", n)
				}
			}
		}
	}
}

func TestAttemptProgram(t *testing.T) {
	for _, c := range []struct {
		text    string
		dynamic bool
		ok      bool
		weight  int // -1: none
		words   string
	}{
		{"exit 0", false, true, -1, "success"},
		{"exit 1", false, false, -1, "failed: exit status 1"},
		{"exit 2", false, false, -1, "failed"},
		{"exit 0", true, true, -1, "success"},
		{"exit 1", true, false, -1, "failed"},
		{"exit 2", true, true, 0, "weight 0"},
		{"exit 12", true, true, 10, "weight 10"},
		{"exit 255", true, true, 253, "weight 253"},
		{"kill -9 $$", true, false, -1, "killed"},
	} {
		v := Attempt(t.Context(), &config.Checker{Kind: config.CheckerMisc, Dynamic: c.dynamic, RunTime: patience,
			Command: config.Command{Argv: []string{"/bin/sh", "-c", c.text},
				Owner: config.Owner{User: strconv.Itoa(os.Getuid())}}}, &config.RealServer{})
		expectOutcome(t, v, c.ok, c.words)
		if v.HasWeight != (c.weight >= 0) || v.HasWeight && v.Weight != c.weight {
			t.Errorf("%s: %+v", c.text, v)
		}
	}
	slow := &config.Checker{Kind: config.CheckerMisc, RunTime: impatience,
		Command: config.Command{Argv: []string{"/bin/sleep", "1000"},
			Owner: config.Owner{User: strconv.Itoa(os.Getuid())}}}
	expectOutcome(t, Attempt(t.Context(), slow, &config.RealServer{}), false,
		"Misc check for [/bin/sleep 1000] timed out")
	gone := &config.Checker{Kind: config.CheckerMisc, RunTime: patience,
		Command: config.Command{Argv: []string{"/nonexistent/check"}, Owner: slow.Command.Owner}}
	expectOutcome(t, Attempt(t.Context(), gone, &config.RealServer{}), false, "no such file")
}

func TestAttemptFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "number")
	for _, c := range []struct {
		text    string
		weight  int
		reverse bool
		ok      bool
		add     int
	}{
		{"4\n", 3, false, true, 12},
		{"-4", 3, false, true, -12},
		{"4", 3, true, true, -12},
		{"  +7 apples", 1, false, true, 7},
		{"apples", 5, false, true, 0},
		{"", 5, false, true, 0},
		{"9999999999999999999", 1, false, true, 2147483647},
		{"2147483647", 2, false, true, 2147483647},
		{"-2147483647", 2, false, false, 0},
		{"0", 0, false, true, 0},
		{"1", 0, false, false, 0},
	} {
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		v := Attempt(t.Context(), &config.Checker{Kind: config.CheckerFile,
			File: config.TrackFile{Name: "f", Path: file}, FileWeight: c.weight, Reverse: c.reverse},
			&config.RealServer{})
		if v.OK != c.ok || v.Weight != c.add || v.HasWeight != (c.ok && c.weight != 0) {
			t.Errorf("%q × %d: %+v", c.text, c.weight, v)
		}
	}
	v := Attempt(t.Context(), &config.Checker{Kind: config.CheckerFile, File: config.TrackFile{Path: "/nonexistent"},
		FileWeight: 1}, &config.RealServer{})
	if !v.OK || v.Weight != 0 {
		t.Errorf("a file that is not there: %+v", v)
	}
}

// TestAttemptEndsWithContext: what is under way ends when it is no longer wanted.
func TestAttemptEndsWithContext(t *testing.T) {
	mute, _ := serve(t, play{hang})
	muteUDP, _ := serveUDP(t, func([]byte) [][]byte { return nil })
	for _, c := range []*config.Checker{
		{Kind: config.CheckerHTTP, Addr: at(t, mute), URLs: []*config.CheckURL{{Path: "/"}}},
		{Kind: config.CheckerSSL, Addr: at(t, mute), URLs: []*config.CheckURL{{Path: "/"}}},
		{Kind: config.CheckerSMTP, Addr: at(t, mute)},
		{Kind: config.CheckerUDP, Addr: at(t, muteUDP), RequireReply: true},
		{Kind: config.CheckerDNS, Addr: at(t, muteUDP), DNSType: "A"},
		{Kind: config.CheckerMisc, RunTime: time.Hour, Command: config.Command{Argv: []string{"/bin/sleep", "1000"}}},
	} {
		c.Timeout = time.Hour
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan Outcome)
		go func() { done <- Attempt(ctx, c, &config.RealServer{}) }()
		time.Sleep(50 * time.Millisecond)
		cancel()
		select {
		case v := <-done:
			if v.OK {
				t.Errorf("%s: well, though it never answered", c.Kind)
			}
		case <-time.After(patience):
			t.Fatalf("%s does not end", c.Kind)
		}
	}
}

// TestManyOutcomes: thousands at a time, each with its own fate.
func TestManyOutcomes(t *testing.T) {
	const n = 2000
	good, _ := serve(t, http("200 OK", "", "hello"))
	bad, _ := serve(t, http("500 Oops", "", ""))
	var wg sync.WaitGroup
	var wrong atomic.Int32
	for i := range n {
		addr, want := good, true
		if i%3 == 0 {
			addr, want = bad, false
		}
		c := &config.Checker{Kind: config.CheckerHTTP, Addr: at(t, addr), Timeout: time.Minute,
			URLs: []*config.CheckURL{{Path: "/"}}}
		wg.Go(func() {
			if v := Attempt(t.Context(), c, &config.RealServer{}); v.OK != want {
				wrong.Add(1)
				t.Log(v.Reason)
			}
		})
	}
	wg.Wait()
	if wrong.Load() > 0 {
		t.Errorf("%d of %d outcomes are wrong", wrong.Load(), n)
	}
}

// FuzzPages reads anything as an answer: it must end and never panic.
func FuzzPages(f *testing.F) {
	for _, s := range []string{"HTTP/1.0 200 OK\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"HTTP/1.1 404 x\r\nContent-Length: 3\r\n\r\nab", "x"} {
		f.Add([]byte(s), uint8(3))
	}
	pattern := regexp.MustCompile("l+")
	f.Fuzz(func(t *testing.T, answer []byte, piece uint8) {
		here, there := net.Pipe()
		go func() {
			defer there.Close()
			for len(answer) > 0 {
				n := min(len(answer), int(piece)+1)
				if _, err := there.Write(answer[:n]); err != nil {
					return
				}
				answer = answer[n:]
			}
		}()
		p := &probe{t: &Target{}, ctx: t.Context(), conn: here, buf: new([answerSize]byte)}
		p.answer = p.buf[:0]
		judgePage(p, &config.Checker{Timeout: patience}, &config.CheckURL{Path: "/", Digest: sum("x"), Regex: pattern},
			"x")
		here.Close()
	})
}
