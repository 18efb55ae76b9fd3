package probe

import (
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/test/ports"
)

// A play is what a server does with each connection: strings are sent, read waits for
// bytes, hang keeps silent until the client goes, reset ends with RST; at the end of the
// play it closes, orderly. A nil play is a port that refuses.
type play []any

type act int

const (
	read act = iota
	hang
	reset
)

// serve plays until the test ends and says where, and what it was sent.
func serve(t *testing.T, p play) (addr string, sent func() string) {
	t.Helper()
	if p == nil {
		return ports.Closed(t, syscall.SOCK_STREAM).String(), func() string { return "" }
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr = l.Addr().String()
	heard := make(chan string, 1000)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go perform(c.(*net.TCPConn), p, heard)
		}
	}()
	return addr, func() string {
		select {
		case s := <-heard:
			return s
		case <-time.After(patience):
			return "nothing"
		}
	}
}

func perform(c *net.TCPConn, p play, heard chan<- string) {
	defer c.Close()
	buf := make([]byte, 65536)
	for _, a := range p {
		switch a := a.(type) {
		case string:
			if _, err := io.WriteString(c, a); err != nil {
				return
			}
		case act:
			switch a {
			case read:
				n, err := c.Read(buf)
				if n > 0 {
					select {
					case heard <- string(buf[:n]):
					default:
					}
				}
				if err != nil {
					return
				}
			case hang:
				for {
					if _, err := c.Read(buf); err != nil {
						return
					}
				}
			case reset:
				_ = c.SetLinger(0)
				return
			}
		}
	}
	_ = c.CloseWrite()
	_ = c.SetReadDeadline(time.Now().Add(patience))
	_, _ = io.Copy(io.Discard, c)
}

// http is a response that closes the connection.
func http(status, headers, body string) play {
	return play{read, "HTTP/1.1 " + status + "\r\n" + headers + "\r\n" + body}
}

func mysqlPacket(seq byte, payload string) string {
	return string([]byte{byte(len(payload)), byte(len(payload) >> 8), 0, seq}) + payload
}

var mysqlGreeting = mysqlPacket(0, "\x0a5.7.30\x00\x01\x00\x00\x0012345678\x00\xff\xf7\x08\x02\x00\x0f\x80\x15"+
	strings.Repeat("\x00", 10)+"123456789012\x00")

const (
	httpchk = "option httpchk"
	hello   = "http-check expect string hello"
	tcp     = "option tcp-check"
)

// cases are checks as HAProxy 2.6.12 judged them: status, code, info. Where we differ,
// ours says so.
var cases = []struct {
	name  string
	lines []string
	play  play
	want  string
	ours  string
}{
	{"connect", nil, play{}, "L4OK", ""},
	{"refused", nil, nil, `L4CON "Connection refused"`, ""},

	{"http 200", []string{httpchk}, http("200 OK", "", ""), "L7OK 200", ""},
	{"http 204", []string{httpchk}, http("204 No", "", ""), "L7OK 204", ""},
	{"http 301", []string{httpchk}, http("301 M", "", ""), "L7OK 301", ""},
	{"http 404", []string{httpchk}, http("404 NF", "", ""), `L7STS 404 "NF"`, ""},
	{"http 500", []string{httpchk}, http("500 Oops", "", ""), `L7STS 500 "Oops"`, ""},
	{"http 500 without reason", []string{httpchk}, http("500", "", ""), `L7STS 500`, ""},
	{"http 100", []string{httpchk}, http("100 C", "", ""), `L7STS 100 "C"`, ""},
	{"http refused", []string{httpchk}, nil, `L4CON "Connection refused"`, ""},
	{"http closes", []string{httpchk}, play{read}, "L7RSP", ""},
	{"http resets", []string{httpchk}, play{read, reset}, `SOCKERR "Connection reset by peer"`, ""},
	{"http junk", []string{httpchk}, play{read, "junk\r\n\r\n"}, "L7RSP", ""},
	{"http hangs", []string{httpchk}, play{hang}, "L7TOUT", ""},
	{"http hangs in head", []string{httpchk}, play{read, "HTTP/1.0 200 OK\r\n", hang}, "L7TOUT", ""},
	{"http closes in head", []string{httpchk}, play{read, "HTTP/1.0 200 OK\r\n"}, "L7RSP", ""},
	{"http with LF", []string{httpchk}, play{read, "HTTP/1.0 200 OK\n\n"}, "L7OK 200", ""},
	{"http stays open", []string{httpchk + " GET / HTTP/1.1"},
		play{read, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", hang}, "L7OK 200", ""},
	{"status", []string{httpchk, "http-check expect status 204"}, http("204 N", "", ""), "L7OK 204", ""},
	{"other status", []string{httpchk, "http-check expect status 204"}, http("200 OK", "", ""), `L7STS 200 "OK"`, ""},
	{"status in range", []string{httpchk, "http-check expect status 200-299,404"}, http("404 OK", "", ""), "L7OK 404",
		""},
	{"status out of range", []string{httpchk, "http-check expect status 200-299,404"}, http("405 OK", "", ""),
		`L7STS 405 "OK"`, ""},
	{"unwanted status", []string{httpchk, "http-check expect ! status 500"}, http("500 OK", "", ""), `L7STS 500 "OK"`,
		""},
	{"rstatus", []string{httpchk, "http-check expect rstatus ^2"}, http("200 OK", "", ""), "L7OK 200", ""},
	{"other rstatus", []string{httpchk, "http-check expect rstatus ^2"}, http("300 OK", "", ""), `L7STS 300 "OK"`, ""},
	{"status with comment", []string{httpchk, `http-check expect status 204 comment "what i want"`},
		http("200 OK", "", ""), `L7STS 200 "OK comment: what i want"`, ""},
	{"string", []string{httpchk, hello}, http("500 OK", "", "well hello"), "L7OK 500", ""},
	{"string with length", []string{httpchk, hello},
		play{read, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", hang}, "L7OK 200", ""},
	{"other string", []string{httpchk, hello}, http("200 OK", "", "well"), `L7RSP "HTTP content check did not match"`,
		""},
	{"other string with length", []string{httpchk, hello},
		play{read, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell", hang},
		`L7RSP "HTTP content check did not match"`, ""},
	{"other string with comment", []string{httpchk, hello + ` comment "why not"`}, http("200 OK", "", "well"),
		`L7RSP "HTTP content check did not match comment: why not"`, ""},
	{"unwanted string", []string{httpchk, "http-check expect ! string hello"}, http("200 OK", "", "well hello"),
		`L7RSP "HTTP check matched unwanted content"`, ""},
	{"no unwanted string", []string{httpchk, "http-check expect ! string hello"}, http("200 OK", "", "well"),
		"L7OK 200", ""},
	{"no unwanted string in nothing", []string{httpchk, "http-check expect ! string hello"},
		http("200 OK", "Content-Length: 0\r\n", ""), `L7RSP "HTTP content check could not find a response body"`, ""},
	{"no body", []string{httpchk, hello}, http("200 OK", "Content-Length: 0\r\n", ""),
		`L7RSP "HTTP content check could not find a response body"`, ""},
	{"rstring", []string{httpchk, "http-check expect rstring ^h.l+o$"}, http("200 OK", "", "hello"), "L7OK 200", ""},
	{"other rstring", []string{httpchk, "http-check expect rstring h.l+o"}, http("200 OK", "", "well"),
		`L7RSP "HTTP content check did not match"`, ""},
	{"string in chunks", []string{httpchk + " GET / HTTP/1.1", "http-check send hdr Host a", hello},
		http("200 OK", "Transfer-Encoding: chunked\r\n", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"), "L7OK 200", ""},
	{"hangs in body", []string{httpchk, hello}, play{read, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nwel", hang},
		"L7TOUT", ""},
	{"long body, late string", []string{httpchk, hello}, http("200 OK", "", strings.Repeat("x", 40000)+"hello"),
		`L7RSP "HTTP content check did not match"`, ""},
	{"long body, early string", []string{httpchk, hello}, http("200 OK", "", "hello"+strings.Repeat("x", 40000)),
		"L7OK 200", ""},
	{"hdr", []string{httpchk, "http-check expect hdr name x-a value b"}, http("200 OK", "X-A: c, b\r\n", ""),
		"L7OK 200", ""},
	{"other hdr", []string{httpchk, "http-check expect hdr name x-a value b"}, http("200 OK", "X-A: c\r\n", ""),
		`L7STS 200 "OK"`, ""},
	{"no hdr", []string{httpchk, "http-check expect hdr name x-a"}, http("200 OK", "X-B: c\r\n", ""), `L7STS 200 "OK"`,
		""},
	{"two expects", []string{httpchk, "http-check expect status 200", hello}, http("200 OK", "", "bye"),
		`L7RSP "HTTP content check did not match"`, ""},
	{"404 disables", []string{httpchk, "http-check disable-on-404"}, http("404 NF", "", ""), "L7OKC 404", ""},

	{"tcp-check without rules", []string{tcp}, play{}, "L4OK", ""},
	{"tcp connect", []string{tcp, "tcp-check connect"}, play{}, `L4OK "(tcp-check)"`, ""},
	{"tcp send", []string{tcp, `tcp-check send PING\r\n`}, play{read, hang}, `L7OK 0 "(tcp-check)"`, ""},
	{"tcp string", []string{tcp, "tcp-check expect string +OK"}, play{"+OK hi\r\n", hang}, `L7OK 0 "(tcp-check)"`, ""},
	{"tcp rstring", []string{tcp, "tcp-check expect rstring ^.OK"}, play{"+OK hi\r\n", hang}, `L7OK 0 "(tcp-check)"`,
		""},
	{"tcp binary", []string{tcp, "tcp-check expect binary 2b4f4b"}, play{"+OK hi\r\n", hang}, `L7OK 0 "(tcp-check)"`,
		""},
	{"tcp rbinary", []string{tcp, "tcp-check expect rbinary 2B4F4[B-C]"}, play{"+OK hi\r\n", hang},
		`L7OK 0 "(tcp-check)"`, ""},
	{"tcp rbinary in small letters", []string{tcp, "tcp-check expect rbinary 2b4f4[b-c]"}, play{"+OK hi\r\n", hang},
		`L7TOUT " at step 1 of tcp-check (expect binary regex)"`, `L7OK 0 "(tcp-check)"`},
	{"tcp conversation", []string{tcp, "tcp-check connect", "tcp-check send A", "tcp-check expect string a",
		"tcp-check send B", "tcp-check expect string b"},
		play{read, "a", read, "b", hang}, `L7OK 0 "(tcp-check)"`, ""},
	{"tcp two strings at once", []string{tcp, "tcp-check expect string one", "tcp-check expect string two"},
		play{"onetwo", hang}, `L7OK 0 "(tcp-check)"`, ""},
	{"tcp other string", []string{tcp, "tcp-check connect", `tcp-check send P\r\n`,
		`tcp-check expect string +PONG comment "waiting pong"`},
		play{read, "-ERR"}, `L7RSP "TCPCHK did not match content '+PONG' at step 3 comment: waiting pong"`, ""},
	{"tcp other string after comments",
		[]string{tcp, "tcp-check comment one", "tcp-check connect", "tcp-check comment two",
			"tcp-check expect string +PONG"},
		play{"-ERR"}, `L7RSP "TCPCHK did not match content '+PONG' at step 4 comment: two"`, ""},
	{"tcp other string after comments, open", []string{tcp, "tcp-check comment one", "tcp-check expect string +PONG"},
		play{"-ERR", hang}, `L7TOUT " at step 2 of tcp-check (expect string '+PONG') comment: 'one'"`, ""},
	{"tcp other string, open", []string{tcp, "tcp-check expect string NO"}, play{"+OK", hang},
		`L7TOUT " at step 1 of tcp-check (expect string 'NO')"`, ""},
	{"tcp other rstring", []string{tcp, "tcp-check expect rstring ^.NO"}, play{"+OK"},
		`L7RSP "TCPCHK did not match content (regex) at step 1"`, ""},
	{"tcp other binary", []string{tcp, "tcp-check expect binary 2b4f4c"}, play{"+OK"},
		`L7RSP "TCPCHK did not match content (binary) at step 1"`, ""},
	{"tcp other rbinary", []string{tcp, "tcp-check expect rbinary 2b4f4c.*"}, play{"+OK"},
		`L7RSP "TCPCHK did not match content (binary regex) at step 1"`, ""},
	{"tcp unwanted string", []string{tcp, "tcp-check expect ! string OK"}, play{"+OK", hang},
		`L7RSP "TCPCHK matched unwanted content 'OK' at step 1"`, ""},
	{"tcp unwanted rstring", []string{tcp, "tcp-check expect ! rstring O."}, play{"+OK", hang},
		`L7RSP "TCPCHK matched unwanted content (regex) at step 1"`, ""},
	{"tcp unwanted binary", []string{tcp, "tcp-check expect ! binary 4f4b"}, play{"+OK", hang},
		`L7RSP "TCPCHK matched unwanted content (binary) at step 1"`, ""},
	{"tcp no unwanted string", []string{tcp, "tcp-check expect ! string NO"}, play{"+OK"}, `L7OK 0 "(tcp-check)"`, ""},
	{"tcp no unwanted string, open", []string{tcp, "tcp-check expect ! string NO"}, play{"+OK", hang},
		`L7TOUT " at step 1 of tcp-check (expect string 'NO')"`, ""},
	{"tcp min-recv", []string{tcp, "tcp-check expect min-recv 3 string NO"}, play{"+OK", hang},
		`L7RSP "TCPCHK did not match content 'NO' at step 1"`, ""},
	{"tcp min-recv, less", []string{tcp, "tcp-check expect min-recv 5 string NO"}, play{"+OK", hang},
		`L7TOUT " at step 1 of tcp-check (expect string 'NO')"`, ""},
	{"tcp min-recv, less, closed", []string{tcp, "tcp-check expect min-recv 5 string OK"}, play{"+OK"},
		`L7OK 0 "(tcp-check)"`, ""},
	{"tcp closes", []string{tcp, "tcp-check connect", "tcp-check send x",
		`tcp-check expect string a comment "waiting"`},
		play{read}, `L7RSP "TCPCHK got an empty response at step 3 comment: 'waiting'"`, ""},
	{"tcp resets", []string{tcp, "tcp-check send x", "tcp-check expect string a"}, play{read, reset},
		`SOCKERR "Connection reset by peer at step 2 of tcp-check (expect string 'a')"`, ""},
	{"tcp hangs", []string{tcp, "tcp-check send a", "tcp-check expect string a comment abc"}, play{hang},
		`L7TOUT " at step 2 of tcp-check (expect string 'a') comment: 'abc'"`, ""},
	{"tcp hangs for rstring", []string{tcp, "tcp-check expect rstring a"}, play{hang},
		`L7TOUT " at step 1 of tcp-check (expect regex)"`, ""},
	{"tcp hangs for binary", []string{tcp, "tcp-check expect binary 2b4f"}, play{hang},
		`L7TOUT " at step 1 of tcp-check (expect binary '+O')"`, ""},
	{"tcp hangs for rbinary", []string{tcp, "tcp-check expect rbinary 2b4f"}, play{hang},
		`L7TOUT " at step 1 of tcp-check (expect binary regex)"`, ""},
	{"tcp refused", []string{tcp, "tcp-check expect string a"}, nil,
		`L4CON "Connection refused at initial connection step of tcp-check"`, ""},
	{"tcp refused at connect", []string{tcp, "tcp-check connect", "tcp-check expect string a"}, nil,
		`L4CON "Connection refused at step 1 of tcp-check (connect)"`, ""},

	{"redis", []string{"option redis-check"}, play{read, "+PONG\r\n"}, `L7OK 0 "Redis server is ok"`, ""},
	{"redis error", []string{"option redis-check"}, play{read, "-ERR x\r\n"}, `L7STS 0 "-ERR x"`, ""},
	{"redis, PONG without an end", []string{"option redis-check"}, play{read, "+PONG"}, `L7STS 0 "+PONG"`, ""},
	{"redis, PONG with half an end", []string{"option redis-check"}, play{read, "+PONG\r"}, `L7STS 0 "+PONG"`, ""},
	{"redis, another end", []string{"option redis-check"}, play{read, "+PONG\n"}, `L7STS 0 "+PONG"`, ""},
	{"redis, an empty line", []string{"option redis-check"}, play{read, "\r\n"}, `L7STS 0`, ""},
	{"redis, behind another line", []string{"option redis-check"}, play{read, "-E\r\n+PONG\r\n"},
		`L7OK 0 "Redis server is ok"`, ""},
	{"redis error, and stays", []string{"option redis-check"}, play{read, "-ERR x\r\n", hang}, "L7TOUT",
		`L7STS 0 "-ERR x"`},
	{"redis closes", []string{"option redis-check"}, play{read}, `L7STS 0 "TCPCHK got an empty response at step 2"`,
		""},
	{"redis hangs", []string{"option redis-check"}, play{hang}, "L7TOUT", ""},
	{"redis hangs midway", []string{"option redis-check"}, play{read, "+P", hang}, "L7TOUT", ""},
	{"redis refused", []string{"option redis-check"}, nil, `L4CON "Connection refused"`, ""},
	{"smtp", []string{"option smtpchk"}, play{"220 hi\r\n", read, "250 ok\r\n", read, "221 bye\r\n"}, `L7OK 221 "bye"`,
		""},
	{"smtp EHLO", []string{"option smtpchk EHLO my.dom"},
		play{"220 hi\r\n", read, "250-a\r\n250 ok\r\n", read, "221 bye\r\n"}, `L7OK 221 "bye"`, ""},
	{"smtp busy", []string{"option smtpchk"}, play{"421 no\r\n", hang}, `L7STS 421 "no"`, ""},
	{"smtp refuses", []string{"option smtpchk"}, play{"220 hi\r\n", read, "500 what\r\n", hang}, "L7TOUT",
		`L7STS 500 "what"`},
	{"smtp junk", []string{"option smtpchk"}, play{"hello there\r\n", hang}, `L7RSP "hello there"`, ""},
	{"smtp closes", []string{"option smtpchk"}, play{}, `L7RSP "TCPCHK got an empty response at step 2"`, ""},
	{"smtp hangs", []string{"option smtpchk"}, play{hang}, "L7TOUT", ""},
	{"smtp closes on QUIT", []string{"option smtpchk"}, play{"220 hi\r\n", read, "250 ok\r\n", read},
		`L7STS 0 "TCPCHK got an empty response at step 7"`, ""},
	{"smtp greets at length", []string{"option smtpchk"},
		play{"220-hi\r\n220 yo\r\n", read, "250 ok\r\n", read, "221 bye\r\n"}, `L7RSP "220-hi"`, `L7OK 221 "bye"`},
	{"mysql", []string{"option mysql-check"}, play{mysqlGreeting, hang}, `L7OK 0 "5.7.30"`, ""},
	{"mysql full", []string{"option mysql-check"}, play{mysqlPacket(0, "\xff\x15\x04#HY000Too many"), hang},
		`L7STS 1045 "#HY000Too many"`, ""},
	{"mysql user", []string{"option mysql-check user hap"},
		play{mysqlGreeting, read, mysqlPacket(2, "\x00\x00\x00\x02\x00\x00\x00"), hang}, `L7OK 0 "5.7.30"`, ""},
	{"mysql user refused", []string{"option mysql-check user hap"},
		play{mysqlGreeting, read, mysqlPacket(2, "\xff\x15\x04#28000Access denied"), hang},
		`L7STS 1045 "#28000Access denied"`, ""},
	{"mysql junk", []string{"option mysql-check user hap"}, play{"hello world this is no mysql"}, "L7RSP", ""},
	{"mysql short", []string{"option mysql-check"}, play{"hel", hang}, "L7TOUT", ""},
	{"mysql closes", []string{"option mysql-check"}, play{}, `L7RSP "TCPCHK got an empty response at step 2"`, ""},
	{"mysql closes on user", []string{"option mysql-check user hap"}, play{mysqlGreeting, read}, "L7RSP", ""},
	{"mysql hangs on user", []string{"option mysql-check user hap"}, play{mysqlGreeting, hang}, "L7TOUT", ""},
	{"pgsql", []string{"option pgsql-check user pg"}, play{read, "R\x00\x00\x00\x0c\x00\x00\x00\x05abcd", hang},
		`L7OK 0 "PostgreSQL server is ok"`, ""},
	{"pgsql without password", []string{"option pgsql-check user pg"},
		play{read, "R\x00\x00\x00\x08\x00\x00\x00\x00", hang}, `L7OK 0 "PostgreSQL server is ok"`, ""},
	{"pgsql refuses", []string{"option pgsql-check user pg"},
		play{read, "E\x00\x00\x00\x20SFATAL\x00C28000\x00Mno pg_hba\x00\x00"}, `L7RSP "FATAL"`, ""},
	{"pgsql junk", []string{"option pgsql-check user pg"}, play{read, "hello"}, `L7STS 0 "PostgreSQL unknown error"`,
		""},
	{"pgsql closes", []string{"option pgsql-check user pg"}, play{read},
		`L7RSP "TCPCHK got an empty response at step 3"`, ""},
	{"pgsql hangs", []string{"option pgsql-check user pg"}, play{hang}, "L7TOUT", ""},
	{"ldap", []string{"option ldap-check"},
		play{read, "\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00", hang}, `L7OK 0 "Success"`, ""},
	{"ldap long lengths", []string{"option ldap-check"},
		play{read, "\x30\x84\x00\x00\x00\x10\x02\x01\x01\x61\x84\x00\x00\x00\x07\x0a\x01\x00\x04\x00\x04\x00", hang},
		`L7OK 0 "Success"`, ""},
	{"ldap refuses", []string{"option ldap-check"},
		play{read, "\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x31\x04\x00\x04\x00", hang},
		`L7STS 49 "See RFC: http://tools.ietf.org/html/rfc4511#section-4.1.9"`, ""},
	{"ldap junk", []string{"option ldap-check"}, play{read, "hello world 12345", hang}, `L7RSP "Not LDAPv3 protocol"`,
		""},
	{"ldap closes", []string{"option ldap-check"}, play{read}, `L7RSP "TCPCHK got an empty response at step 2"`, ""},
	{"ssl", []string{"option ssl-hello-chk"}, play{read, "\x16\x03\x00\x00\x4a\x02", hang}, "L6OK", ""},
	{"ssl alert", []string{"option ssl-hello-chk"}, play{read, "\x15\x03\x00\x00\x02\x02\x28", hang}, "L6OK", ""},
	{"ssl junk", []string{"option ssl-hello-chk"}, play{read, "hello", hang}, "L6RSP", ""},
	{"ssl closes", []string{"option ssl-hello-chk"}, play{read}, `L6RSP "TCPCHK got an empty response at step 2"`, ""},
	{"ssl hangs", []string{"option ssl-hello-chk"}, play{hang}, "L6TOUT", ""},
	{"ssl refused", []string{"option ssl-hello-chk"}, nil, `L4CON "Connection refused"`, ""},
}

// hangs says whether a case ends by its interval.
func hangs(want string) bool { return strings.Contains(want, "TOUT") }

// backend is a case as text of a configuration.
func backend(name string, lines []string, addr, inter string) string {
	text := "backend " + name + "\n  mode http\n  option log-health-checks\n"
	for _, l := range lines {
		text += "  " + l + "\n"
	}
	return text + fmt.Sprintf("  server s %s check inter %s\n", addr, inter)
}
