package differential

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/h1"
	"github.com/evenkeel/evenkeel/test/binary"
	"github.com/evenkeel/evenkeel/test/peers"
)

// attackRules put decoded data of clients into every part of a head, behind a rule that must keep /admin away.
const attackRules = `    acl carries url_sub q=
    capture request header X-B64 len 600
    unique-id-format %%[req.hdr(x-uid),b64dec]
    unique-id-header X-Uid-Out
    http-request deny if { path_beg /admin }
    http-request set-header X-Path %%[path,url_dec]
    http-request set-header X-Query %%[url_param(q),url_dec] if carries
    http-request add-header X-B %%[req.hdr(x-b64),b64dec] if { req.hdr(x-b64) -m found }
    http-request replace-header X-R (.*) %%[url_param(q),url_dec] if carries
    http-request replace-value X-V (.*) %%[req.hdr(x-b64),b64dec]
    http-request set-method %%[url_param(m),url_dec] if { url_sub m= }
    http-request set-query a=%%[url_param(s),url_dec] if { url_sub s= }
    http-request set-path %%[path,url_dec] if { path_beg /dec/ }
    http-request set-uri %%[path,url_dec] if { path_beg /uri/ }
    http-request replace-path /rep/(.*) /%%[url_param(q),url_dec]
    http-request del-header Content-Length if { url_sub dcl }
    http-request set-header Content-Length 0 if { url_sub scl }
    http-request set-header Transfer-Encoding chunked if { url_sub ste }
    http-response set-header X-Resp %%[capture.req.uri,url_dec]
    http-response set-header X-Cap %%[capture.req.hdr(0),b64dec]
    http-response set-header X-Id %%[unique-id]
    http-after-response set-header X-After %%[capture.req.uri,url_dec]
    http-request redirect location %%[url_param(q),url_dec] if { path_beg /redirect }
    http-request return status 200 hdr X-Ret %%[url_param(q),url_dec] content-type text/plain lf-string "returned %%[path]" if { path_beg /return }
`

// attacks are raw requests: what a client sends, with the mark of whose answer it may see.
func attacks() (all []string) {
	payloads := []string{
		"x\r\nX: y", "x\nX: y", "x\rX: y", "x\r\n\r\nGET /admin/slow HTTP/1.1\r\nHost: a\r\n\r\n",
		"x\r\nContent-Length: 0\r\n\r\nGET /admin/x HTTP/1.1\r\nHost: a\r\n\r\n", "x\r\nTransfer-Encoding: chunked",
		"x\r\nContent-Length: 99",
		"\x00", "a\x00\r\nX: y", "a b HTTP/1.1", " HTTP/1.1\r\nHost: a\r\n\r\nGET /admin/x",
		"x HTTP/1.1\r\nX: y\r\n\r\nGET /admin/y HTTP/1.1\r\nX: z",
		"/admin/x", "//admin/x", "/x/../admin/x", "\t\x0b\x0c\x1b[31m\x7f", strings.Repeat("z", 300), "é\xff\xfe",
		"%0d%0aX: y", "%250d%250a", "",
		"http://evil/", "CONNECT", "GET", "HEAD", "#frag\r\n",
	}
	const tail = " HTTP/1.1\r\nHost: a\r\nX-R: r\r\nX-V: v\r\n"
	for _, p := range payloads {
		q, b := url.QueryEscape(p), base64.StdEncoding.EncodeToString([]byte(p))
		path := strings.ReplaceAll(q, "+", "%20")
		for _, line := range []string{
			"GET /?q=" + q + tail, "GET /?m=" + q + tail, "GET /?s=" + q + tail, "GET /dec/" + path + tail,
			"GET /uri/" + path + tail,
			"GET /rep/a?q=" + q + tail, "GET /redirect?q=" + q + tail, "GET /return?q=" + q + tail,
			"GET /" + path + tail,
			"GET /" + tail + "X-B64: " + b + "\r\n", "GET /" + tail + "X-Uid: " + b + "\r\n",
			"HEAD /?m=GET&q=" + q + tail,
		} {
			all = append(all, line+"\r\n")
		}
		body := "GET /admin/smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
		for _, mode := range []string{"dcl", "scl", "ste"} {
			all = append(all, fmt.Sprintf("POST /?%s&q=%s%sContent-Length: %d\r\n\r\n%s", mode, q, tail, len(body),
				body))
		}
	}
	return all
}

// strict is a server that judges every byte it is sent, and answers with what it was asked.
type strict struct {
	addr                 string
	mu                   sync.Mutex
	requests             int
	illFormed, forbidden []string
}

func newStrict(t testing.TB) *strict {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s := &strict{addr: l.Addr().String()}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(conn)
		}
	}()
	return s
}

func (s *strict) serve(conn net.Conn) {
	defer conn.Close()
	var data []byte
	more := func() bool {
		buf := make([]byte, 65536)
		n, err := conn.Read(buf)
		data = append(data, buf[:n]...)
		return err == nil
	}
	for {
		var h h1.Head
		h.Reset(h1.Request, 1000)
		n, err := h.Parse(data)
		for n == 0 && err == nil {
			if !more() {
				return
			}
			n, err = h.Parse(data)
		}
		s.mu.Lock()
		s.requests++
		if err != nil {
			s.illFormed = append(s.illFormed, fmt.Sprintf("%v: %.200q", err, data))
		} else if strings.HasPrefix(string(h.Path()), "/admin") && h.Index("X-Path", 0) < 0 {
			s.forbidden = append(s.forbidden, fmt.Sprintf("%.200q", data)) // no rule has seen it
		}
		s.mu.Unlock()
		if err != nil {
			io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
			return
		}
		mark := "none"
		if v, ok := h.Find("X-Mark"); ok {
			mark = string(v)
		}
		head, slow := h.MethodID() == h1.MethodHead, strings.Contains(string(h.URI()), "slow")
		body := h.RequestBody()
		data = data[n:]
		for !body.Done() {
			_, m, err := body.Next(data, make([]byte, 0, 65536), h1.AsIs)
			if data = data[m:]; err != nil || m == 0 && !body.Done() && !more() {
				return
			}
		}
		if slow {
			time.Sleep(50 * time.Millisecond)
		}
		answer := "HTTP/1.1 200 OK\r\nContent-Length: " + fmt.Sprint(len(mark)) + "\r\n\r\n"
		if !head {
			answer += mark
		}
		if _, err := io.WriteString(conn, answer); err != nil {
			return
		}
	}
}

// TestAttack sends every attack through both proxies beside victims on connections of their own. Through ours nothing
// ill-formed reaches the server, no rule is passed by, and everybody gets their own answer and one head for each.
func TestAttack(t *testing.T) {
	if testing.Short() {
		t.Skip("runs real programs: not with -short")
	}
	haproxy := peers.HAProxy.Path(t)
	ours, err := binary.Put(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, program := range []struct {
		name, path string
		args       []string
	}{{"haproxy", haproxy, []string{"-db"}}, {"evenkeel", ours, []string{"run", "--runtime-dir", t.TempDir()}}} {
		server := newStrict(t)
		logs := newLogSink(t)
		port := freePorts(t, 2)
		config := fmt.Sprintf(preamble, logs.conn.LocalAddr().(*net.UDPAddr).Port, port) +
			fmt.Sprintf("listen attacked\n    bind 127.0.0.1:%d\n    no log\n"+attackRules+"    server s %s\n", port+1,
				server.addr)
		startProgram(t, program.name, program.path, program.args, config, port, logs)
		all := attacks()
		wrong, injected := attack(t, fmt.Sprintf("127.0.0.1:%d", port+1), all)
		t.Logf("%s: %d attacks, %d requests at the server: %d ill-formed, %d past the rules; %d victims with "+
			"another's answer, %d answers with an injected line",
			program.name, len(all), server.requests, len(server.illFormed), len(server.forbidden), len(wrong),
			len(injected))
		if program.name == "haproxy" {
			continue
		}
		for _, found := range [][]string{server.illFormed, server.forbidden, wrong, injected} {
			for _, line := range found {
				t.Error(line)
			}
		}
	}
}

// attack sends each attack on a connection of its own while victims ask, and gives what victims got of others and the
// answers that hold a line their rules did not write.
func attack(t *testing.T, addr string, all []string) (wrong, injected []string) {
	var mu sync.Mutex
	stop := make(chan struct{})
	var victims sync.WaitGroup
	for v := range 4 {
		victims.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				mark := fmt.Sprintf("victim-%d-%d", v, i)
				conn, err := net.Dial("tcp", addr)
				if err != nil {
					t.Error(err)
					return
				}
				conn.SetDeadline(time.Now().Add(patience))
				r := bufio.NewReader(conn)
				for range 2 {
					fmt.Fprintf(conn, "GET /v HTTP/1.1\r\nHost: a\r\nX-Mark: %s\r\n\r\n", mark)
					resp, err := http.ReadResponse(r, nil)
					if err != nil {
						t.Errorf("%s: %v", mark, err)
						break
					}
					body, _ := io.ReadAll(resp.Body)
					if string(body) != mark {
						mu.Lock()
						wrong = append(wrong, fmt.Sprintf("%s got %q", mark, body))
						mu.Unlock()
					}
				}
				conn.Close()
			}
		})
	}
	for _, raw := range all {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(patience))
		io.WriteString(conn, raw)
		conn.(*net.TCPConn).CloseWrite()
		answer, _ := io.ReadAll(conn)
		conn.Close()
		if head, _, _ := strings.Cut(string(answer), "\r\n\r\n"); strings.Contains(head, "\nX: ") ||
			strings.Contains(head, "\nX:") || strings.Count(string(answer), "HTTP/1.1 ") > 1 {
			injected = append(injected, fmt.Sprintf("%.100q got %.300q", raw, answer))
		}
	}
	close(stop)
	victims.Wait()
	return wrong, injected
}
