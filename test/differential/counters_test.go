package differential

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// TestCounters shows what "show stat" counts beside haproxy, and what clients get of streams that others end.
func TestCounters(t *testing.T) { playScenes(t, countedCases) }

const (
	countedFront = "mode http\n    bind 127.0.0.1:PORT1\n    default_backend b\n    "
	countedBack  = "mode http\n    server s 127.0.0.1:HEALTH\n    "
	muteBack     = "mode http\n    server s MUTE\n    "
	lastRequest  = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
)

var countedCases = []sceneCase{
	{word: "requests that are none", front: countedFront, back: countedBack,
		look: figuresOf("GET / HTTP/1.1\r\nHo st: x\r\n\r\n", "garbage\r\n\r\n", lastRequest)},
	{word: "requests that end early", front: countedFront, back: countedBack,
		look: figuresOf("GET / HT", "", "POST / HTTP/1.1\r\n")},
	{word: "requests that do not come", front: countedFront + "timeout http-request 200ms", back: countedBack,
		look: waitedFor("", "GET /")},
	{word: "content that is rejected", front: countedFront + "tcp-request content reject", back: countedBack,
		look: figuresOf(lastRequest)},
	{word: "a monitor whose content is rejected", front: countedFront + "monitor-uri /\n    tcp-request content reject",
		back: countedBack, look: figuresOf(lastRequest)},
	{word: "a request that is rejected", front: countedFront + "http-request reject", back: countedBack,
		look: figuresOf(lastRequest)},
	{word: "a request that is rejected in the backend", front: countedFront, back: countedBack + "http-request reject",
		look: figuresOf(lastRequest)},
	{word: "a response that is denied", front: countedFront, back: countedBack + "http-response deny",
		look: figuresOf(lastRequest)},
	{word: "a response that the frontend denies", front: countedFront + "http-response deny", back: countedBack,
		look: figuresOf(lastRequest)},
	{word: "a redirect", front: countedFront + "http-request redirect location /", back: countedBack,
		look: figuresOf(lastRequest)},
	{word: "a redirect of the backend", front: countedFront, back: countedBack + "http-request redirect location /",
		look: figuresOf(lastRequest)},
	{word: "a page of the backend", front: countedFront, back: countedBack + "http-request return status 200",
		look: figuresOf(lastRequest)},
	{word: "a server that refuses", front: countedFront, back: "mode http\n    retries 0\n    server s 127.0.0.1:1",
		look: figuresOf(lastRequest)},
	{word: "a hash and servers that refuse", front: countedFront,
		back: "mode http\n    timeout connect 100ms\n    retries 2\n    option redispatch\n    balance hdr(host)\n   " +
			" server s 127.0.0.1:1\n    server t 127.0.0.1:1", look: figuresOf(lastRequest)},
	{word: "leastconn and a server that refuses", front: countedFront,
		back: "mode http\n    retries 2\n    option redispatch\n    balance leastconn\n    server s 127.0.0.1:1\n    " +
			"server t 127.0.0.1:HEALTH", look: figuresOf(lastRequest)},
	{word: "first and a server that refuses", front: countedFront,
		back: "mode http\n    retries 2\n    option redispatch\n    balance first\n    server s 127.0.0.1:1\n    " +
			"server t 127.0.0.1:HEALTH", look: figuresOf(lastRequest)},
	{word: "an error that is told elsewhere", front: countedFront + "errorloc 503 /sorry",
		back: "mode http\n    retries 0\n    server s 127.0.0.1:1", look: figuresOf(lastRequest)},
	{word: "a queue whose server goes away", front: countedFront,
		back: "mode http\n    option redispatch\n    cookie SRV insert\n    server s MUTE maxconn 1 cookie s\n    " +
			"server t 127.0.0.1:HEALTH cookie t", look: displaced},
	{word: "a server that does not answer", front: countedFront, back: muteBack + "timeout server 200ms",
		look: figuresOf(lastRequest)},
	{word: "a server whose sessions are ended", front: countedFront, back: muteBack,
		look: ended(lastRequest, "shutdown sessions server b/s")},
	{word: "a server whose sessions are ended while a body comes", front: countedFront, back: muteBack,
		look: ended("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhello", "shutdown sessions server b/s")},
	{word: "a section that does not run", global: "spread-checks 0", front: countedFront,
		back: "mode http\n    option httpchk\n    server s 127.0.0.1:HEALTH check inter 100ms\nbackend off\n    " +
			"[[disabled||]]\n    option httpchk\n    server s MUTE check inter 100ms", look: runs},
	{word: "backup servers", front: countedFront,
		back: "mode http\n    server s 127.0.0.1:HEALTH disabled\n    server t 127.0.0.1:HEALTH backup weight 3\n    " +
			"server u 127.0.0.1:HEALTH backup weight 5", look: weights},
	{word: "backup servers, all of them", front: countedFront,
		back: "mode http\n    option allbackups\n    server s 127.0.0.1:HEALTH disabled\n    server t " +
			"127.0.0.1:HEALTH backup weight 3\n    server u 127.0.0.1:HEALTH backup weight 5", look: weights},
	{word: "the last weight", global: "log 127.0.0.1:LOG local0", defaults: "log global",
		front: countedFront + "no log", back: "mode http\n    server s 127.0.0.1:HEALTH", look: weightless},
	{word: "a server that is marked down", front: countedFront,
		back: strings.TrimRight(muteBack, " \n") + " on-marked-down shutdown-sessions",
		look: ended(lastRequest, "disable server b/s")},
}

// figuresOf says what the counters are when each of some requests has had its end, on a connection of its own. A client
// closes its sending side after its request.
func figuresOf(requests ...string) func(testing.TB, *scene) string {
	return func(t testing.TB, s *scene) string {
		for _, r := range requests {
			conn := s.dial(t, s.port+1)
			io.WriteString(conn, r)
			if !strings.HasSuffix(r, "\r\n\r\n") {
				conn.CloseWrite()
			}
			io.Copy(io.Discard, conn)
		}
		return s.figures(t)
	}
}

// waitedFor is figuresOf of clients that do not close.
func waitedFor(requests ...string) func(testing.TB, *scene) string {
	return func(t testing.TB, s *scene) string {
		for _, r := range requests {
			conn := s.dial(t, s.port+1)
			io.WriteString(conn, r)
			io.Copy(io.Discard, conn)
		}
		return s.figures(t)
	}
}

// ended says what a client gets whose request is with the server when a command ends it, and what is counted.
func ended(request, command string) func(testing.TB, *scene) string {
	return func(t testing.TB, s *scene) string {
		conn := s.dial(t, s.port+1)
		io.WriteString(conn, request)
		s.until(t, "the server has it", func() bool { return s.heard.Load() >= int64(len("\r\n\r\n")) })
		s.admin(t, command)
		got, _ := io.ReadAll(conn)
		status, _, _ := strings.Cut(string(got), "\r\n")
		return status + "; " + s.figures(t)
	}
}

// runs says whether the section off is checked and shown.
func runs(t testing.TB, s *scene) string {
	s.until(t, "the other section is checked", func() bool { return s.checks.Load() >= 4 })
	return fmt.Sprintf("checked: %v, shown: %v", s.heard.Load() > 0, s.column(t, "off,BACKEND", "status") != "")
}

// displaced says what is counted when a request waits for a server that goes away.
func displaced(t testing.TB, s *scene) string {
	const request = "GET / HTTP/1.1\r\nHost: x\r\nCookie: SRV=s\r\nConnection: close\r\n\r\n"
	first, second := s.dial(t, s.port+1), s.dial(t, s.port+1)
	io.WriteString(first, request)
	s.until(t, "the server has one", func() bool { return s.heard.Load() > 0 })
	io.WriteString(second, request)
	s.until(t, "the other waits", func() bool { return s.column(t, "b,s,", "qcur") == "1" })
	s.admin(t, "set server b/s state maint")
	io.Copy(io.Discard, second)
	s.admin(t, "shutdown sessions server b/s")
	io.Copy(io.Discard, first)
	return s.figures(t)
}

// weights are those of the backend.
func weights(t testing.TB, s *scene) string {
	return s.column(t, "b,BACKEND", "weight") + " " + s.column(t, "b,BACKEND", "act") + " " +
		s.column(t, "b,BACKEND", "bck")
}

// weightless gives the line that the log gets when the last server loses its weight.
func weightless(t testing.TB, s *scene) string {
	s.admin(t, "set weight b/s 0")
	select {
	case line := <-s.lines:
		return line[strings.Index(line, "]: ")+1:]
	case <-time.After(patience):
		return "no line"
	}
}

// figures are the counters once nobody is there any more.
func (s *scene) figures(t testing.TB) string {
	s.until(t, "all have gone", func() bool {
		return s.column(t, "f,FRONTEND", "scur") == "0" && s.column(t, "b,BACKEND", "scur") == "0"
	})
	var all []string
	for _, line := range []string{"f,FRONTEND", "b,s,", "b,BACKEND"} {
		for _, name := range strings.Fields("stot req_tot dreq dresp ereq econ eresp wretr wredis intercepted " +
			"hrsp_1xx hrsp_2xx hrsp_3xx hrsp_4xx hrsp_5xx hrsp_other cli_abrt srv_abrt") {
			if v := s.column(t, line, name); v != "" && v != "0" {
				all = append(all, fmt.Sprintf("%s %s %s", strings.TrimSuffix(line, ","), name, v))
			}
		}
	}
	return strings.Join(all, ", ")
}

// hear reads and says nothing.
func (s *scene) hear(conn net.Conn) {
	defer conn.Close()
	buf := make([]byte, 100)
	for {
		n, err := conn.Read(buf)
		s.heard.Add(int64(n))
		if err != nil {
			return
		}
	}
}
