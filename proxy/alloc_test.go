package proxy

import (
	"bytes"
	"math"
	"net"
	"net/netip"
	"runtime"
	"testing"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/sample"
	"github.com/evenkeel/evenkeel/sample/logformat"
)

// echoServer answers each request on each connection with the same bytes, without allocating.
func echoServer(t testing.TB, answer string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				buf, reply := make([]byte, 4096), []byte(answer)
				for {
					n, err := conn.Read(buf)
					if err != nil {
						return
					}
					if bytes.HasSuffix(buf[:n], []byte("\r\n\r\n")) {
						conn.Write(reply)
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// TestStreamsDoNotAllocate: once warm, a request costs no memory: not for reading, rules, choice, sending, the
// response or the log line.
func TestStreamsDoNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	sink, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	const answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nServer: test\r\n\r\nhello"
	web := echoServer(t, answer)
	s := start(t, config.HTTP, func(p *config.Proxy) {
		acls := sample.NewACLs(nil)
		acls.Declare([]string{"html", "url_reg", "-i", `\.html$`})
		acls.Declare([]string{"host", "hdr_dom(host)", "-i", "example.org"})
		cond, _, err := acls.ParseCondition([]string{"if", "html", "host"}, sample.Request)
		if err != nil {
			t.Fatal(err)
		}
		p.Rules.HTTPRequest = []config.Rule{{Cond: cond, Do: config.ActDeny}}
		p.Options.Forwardfor = &config.Forwardfor{Header: "X-Forwarded-For"}
		if p.LogFormat, err = logformat.Parse(logformat.HTTPLog, sample.Log, true, nil); err != nil {
			t.Fatal(err)
		}
		p.Log = []config.LogTarget{{Addr: netip.MustParseAddrPort(sink.LocalAddr().String()), Max: 7, Len: 1024}}
	}, web)
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	request := []byte("GET /index.html?a=b HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: test\r\nAccept: */*\r\nAccept-Encoding: gzip\r\nCookie: a=b\r\n\r\n")
	buf := make([]byte, 4096)
	ask := func(n int) {
		for range n {
			if _, err := conn.Write(request); err != nil {
				t.Fatal(err)
			}
			if n, err := conn.Read(buf); err != nil || n != len(answer) {
				t.Fatalf("%d bytes, %v: %q", n, err, buf[:n])
			}
		}
	}
	ask(500)                          // warm
	const requests, most = 5000, 0.01 // the test itself and the runtime's own work
	per := math.Inf(1)
	for i := 0; i < 3 && per > most; i++ { // what else the process does meanwhile costs memory too: the least counts
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		ask(requests)
		runtime.ReadMemStats(&after)
		per = min(per, float64(after.Mallocs-before.Mallocs)/requests)
	}
	t.Logf("%.4f allocations for each request", per)
	if per > most {
		t.Errorf("a request allocates %.3f times", per)
	}
}
