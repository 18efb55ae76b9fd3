package differential

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func isReset(err error) bool { return errors.Is(err, syscall.ECONNRESET) }

// TestSockets shows words about sockets, limits and the lives of connections beside haproxy.
func TestSockets(t *testing.T) { playScenes(t, sceneCases) }

const sceneBind = "bind 127.0.0.1:PORT1\n    default_backend b\n    "

var sceneCases = []sceneCase{
	{word: "bind: interface", front: "bind :PORT1[[ interface lo||]]", look: listening(3)},
	{word: "bind: transparent", front: "bind 192.0.2.7:PORT1[[ transparent||]]", look: listening(3)},
	{word: "bind: level", global: "stats socket DIR/low[[ level user||]]", look: told("clear counters")},
	{word: "proxy: backlog in defaults", defaults: "[[backlog 77||]]", front: sceneBind, look: listening(2)},
	{word: "proxy: backlog in frontend", front: sceneBind + "[[backlog 77||]]", look: listening(2)},
	{word: "proxy: backlog in listen",
		front: "default_backend b\nlisten l\n    bind 127.0.0.1:PORT1\n    [[backlog 77||]]", look: listening(2)},
	{word: "global: nbthread", global: "[[nbthread 7||]]", look: info("Nbthread")},
	{word: "global: nbproc", global: "[[nbproc 7||]]", look: info("Nbthread"), alone: "7"},
	{word: "global: ulimit-n", global: "maxconn 20\n    [[ulimit-n 7777||]]", look: descriptors},
	{word: "global: maxconn", global: "nbthread 1\n    [[maxconn 1||]]", front: sceneBind, look: waits},
	{word: "global: maxconnrate", global: "[[maxconnrate 1||]]", look: slow},
	{word: "global: hard-stop-after", global: "[[hard-stop-after 500ms||]]",
		front: sceneBind + "mode http\n    timeout http-request 4s", back: "mode http", look: replaced},
	{word: "global: max-spread-checks", global: "[[max-spread-checks 50ms||]]", front: sceneBind,
		back: "option httpchk\n    server a SERVER check port HEALTH inter 30s\n    server b SERVER check port " +
			"HEALTH inter 30s", look: checked},
	{word: "stats (global): timeout", global: "[[stats timeout 300ms||stats timeout 20s]]", look: idle},
	{word: "stats (global): maxconn", global: "[[stats maxconn 1||]]\n    stats timeout 3s", look: crowded},
	{word: "stats (global): maxconn, the backlog", global: "[[stats maxconn 3||]]", look: backlog},
	{word: "option: nolinger in defaults", global: "nbthread 1", defaults: "[[option nolinger||]]",
		front: sceneBind + "timeout client 300ms", back: "server s SERVER", look: clientReset},
	{word: "option: nolinger in frontend", global: "nbthread 1",
		front: sceneBind + "[[option nolinger||]]\n    timeout client 300ms", back: "server s SERVER",
		look: clientReset},
	{word: "option: nolinger in listen", global: "nbthread 1",
		front: "default_backend b\nlisten l\n    bind 127.0.0.1:PORT1\n    timeout client 300ms\n    [[option " +
			"nolinger||]]\n    server s SERVER", look: clientReset},
	{word: "option: nolinger in backend", global: "nbthread 1", front: sceneBind + "timeout client 300ms",
		back: "[[option nolinger||]]\n    server s SERVER", look: serverReset},
	{word: "option: nolinger, a client that closes", global: "nbthread 1", front: sceneBind,
		back: "[[option nolinger||]]\n    server s SERVER", look: closingClient},
	{word: "server: init-addr", front: sceneBind, back: "server s localhost:SPORT[[ init-addr none||]]", look: echoes},
	{word: "server: on-marked-down", front: sceneBind,
		back: "option httpchk\n    server s SERVER check port HEALTH inter 100ms fall 1[[ on-marked-down " +
			"shutdown-sessions||]]", look: fallen},
	{word: "server: on-marked-up", front: sceneBind,
		back: "option httpchk\n    server s SERVER check port HEALTH inter 100ms rise 1 fall 1[[ on-marked-up " +
			"shutdown-backup-sessions||]]\n    server t SERVER backup", look: risen},
}

// listening gives a column of what the kernel says of the case's socket: 2: how many may wait, 3: its address.
func listening(column int) func(testing.TB, *scene) string {
	return func(t testing.TB, s *scene) string {
		var seen []string
		s.until(t, "it listens", func() bool {
			out, err := exec.Command("ss", "-ltnH", fmt.Sprintf("sport = :%d", s.port+1)).Output()
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(out)) {
				seen = append(seen, strings.Fields(line)[column])
			}
			return len(seen) > 0
		})
		slices.Sort(seen)
		return strings.ReplaceAll(strings.Join(slices.Compact(seen), " "), strconv.Itoa(s.port+1), "PORT1")
	}
}

// backlog is how many clients may wait for the socket for commands. HAProxy makes it under another name.
func backlog(t testing.TB, s *scene) string {
	out, err := exec.Command("ss", "-xlH").Output()
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`\d+ +` + regexp.QuoteMeta(filepath.Join(s.dir, "admin"))).FindString(string(out))
	number, _, _ := strings.Cut(line, " ")
	return number
}

// told is the answer of the case's own socket to a command.
func told(command string) func(testing.TB, *scene) string {
	return func(t testing.TB, s *scene) string {
		if err := os.Rename(filepath.Join(s.dir, "low"), filepath.Join(s.dir, "admin")); err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(s.admin(t, command))
	}
}

// info is a line of "show info".
func info(name string) func(testing.TB, *scene) string {
	return func(t testing.TB, s *scene) string {
		m := regexp.MustCompile(`(?m)^` + name + `: (.*)$`).FindStringSubmatch(s.admin(t, "show info"))
		if m == nil {
			t.Fatalf("%s: no %s", s.name, name)
		}
		return m[1]
	}
}

// descriptors is the limit of the process that serves.
func descriptors(t testing.TB, s *scene) string {
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", child(s.cmd.Process.Pid)))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(regexp.MustCompile(`(?m)^Max open files.*$`).FindString(string(limits)))[3]
}

// asks has a client ask "ready" and tells when it has its answer.
func (s *scene) asks(t testing.TB) <-chan time.Time {
	answered := make(chan time.Time, 1)
	conn := s.dial(t, s.port)
	fmt.Fprint(conn, "GET / HTTP/1.0\r\n\r\n")
	go func() {
		defer close(answered)
		if answer, _ := io.ReadAll(conn); strings.HasPrefix(string(answer), "HTTP/1.1 200") {
			answered <- time.Now()
		}
	}()
	return answered
}

// late is by how much what comes before the proxy ends an idle connection may precede it and still have waited for it.
const late = time.Second

// waits says whether a client waits until another, which asks nothing and is sent away after 3s, is gone.
func waits(t testing.TB, s *scene) string {
	first := s.dial(t, s.port)
	second := s.asks(t)
	io.ReadAll(first)
	gone := time.Now()
	return fmt.Sprint("waited: ", (<-second).After(gone.Add(-late)))
}

// slow says whether six clients take more than the moment that they take.
func slow(t testing.TB, s *scene) string {
	begun := time.Now()
	for range 6 {
		<-s.asks(t)
	}
	return fmt.Sprint("slow: ", time.Since(begun) > 3*time.Second)
}

// replaced tells how a request that never comes whole ends once another process serves.
func replaced(t testing.TB, s *scene) string {
	conn := s.dial(t, s.port+1)
	fmt.Fprint(conn, "GET / HTTP/1.1\r\n")
	s.until(t, "the request has come", func() bool { return s.column(t, "f,FRONTEND,", "scur") == "1" })
	if s.name == "haproxy" { // whose master hears nothing for a moment
		s.until(t, "it reloads", func() bool {
			s.cmd.Process.Signal(syscall.SIGUSR2)
			return strings.Contains(s.out.String(), "Reloading")
		})
	} else {
		s.cmd.Process.Signal(syscall.SIGHUP)
		s.until(t, "it has reloaded", func() bool { return strings.Contains(s.out.String(), "Reload complete") })
	}
	answer, err := io.ReadAll(conn)
	line, _, _ := strings.Cut(string(answer), "\r\n")
	return fmt.Sprint(line, " ", err)
}

// checked is how many servers have been checked by the time an idle client is sent away.
func checked(t testing.TB, s *scene) string {
	io.ReadAll(s.dial(t, s.port))
	return fmt.Sprint(s.checks.Load(), " checks")
}

// idle says what ends first: a connection to the socket for commands, or one to the proxy that may be idle for 3s.
func idle(t testing.TB, s *scene) string {
	conn, err := net.Dial("unix", filepath.Join(s.dir, "admin"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ended := make(chan time.Time, 1)
	go func() { io.ReadAll(conn); ended <- time.Now() }()
	io.ReadAll(s.dial(t, s.port))
	select {
	case <-ended:
		return "it is sent away"
	default:
		return "it may stay"
	}
}

// crowded says whether a command waits until another client of the socket, which may be idle for 3s, is gone.
func crowded(t testing.TB, s *scene) string {
	conn, err := net.Dial("unix", filepath.Join(s.dir, "admin"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	gone := make(chan time.Time, 1)
	go func() { io.ReadAll(conn); gone <- time.Now() }()
	s.admin(t, "show info")
	answered := time.Now()
	return fmt.Sprint("waited: ", answered.After((<-gone).Add(-late)))
}

// greet makes a connection and has the server answer on it.
func (s *scene) greet(t testing.TB) *net.TCPConn {
	conn := s.dial(t, s.port+1)
	if said := s.says(conn, "hello"); said != "hello" {
		t.Errorf("%s: the server says %q", s.name, said)
	}
	return conn
}

// says is what a connection's server says to a word, as long.
func (s *scene) says(conn *net.TCPConn, word string) string {
	fmt.Fprint(conn, word)
	buf := make([]byte, len(word))
	n, _ := io.ReadFull(conn, buf)
	return string(buf[:n])
}

// clientReset says whether the kernel still has the connection of a client that has said nothing for too long and has
// not closed: it has none that was reset.
func clientReset(t testing.TB, s *scene) string {
	conn := s.greet(t)
	conn.Read(make([]byte, 1))
	s.answers() // the only thread has done what it had to do
	s.answers()
	return fmt.Sprint("held by the proxy's kernel: ", (&program{}).holds(conn))
}

// serverReset says how a connection ends for the server when its client has said nothing for too long.
func serverReset(t testing.TB, s *scene) string {
	s.greet(t)
	return fmt.Sprint("reset: ", <-s.resets)
}

// closingClient says how a connection ends for the server when its client has closed.
func closingClient(t testing.TB, s *scene) string {
	s.greet(t).Close()
	return fmt.Sprint("reset: ", <-s.resets)
}

// echoes says whether the server is reached.
func echoes(t testing.TB, s *scene) string { return s.says(s.dial(t, s.port+1), "hello") }

// column is what "show stat" says of a line.
func (s *scene) column(t testing.TB, line, name string) string {
	lines := strings.Split(s.admin(t, "show stat"), "\n")
	names := strings.Split(strings.TrimPrefix(lines[0], "# "), ",")
	for _, l := range lines {
		if strings.HasPrefix(l, line) {
			return strings.Split(l, ",")[slices.Index(names, name)]
		}
	}
	return ""
}

// outlives says whether a connection is still there after a while of talk.
func (s *scene) outlives(conn *net.TCPConn) string {
	for range 100 {
		if s.says(conn, "x") != "x" {
			return "it ends"
		}
	}
	return "it goes on"
}

// fallen says whether a connection outlives its server.
func fallen(t testing.TB, s *scene) string {
	conn := s.greet(t)
	s.ill.Store(true)
	s.until(t, "the server is down", func() bool { return strings.HasPrefix(s.column(t, "b,s,", "status"), "DOWN") })
	return s.outlives(conn)
}

// risen says whether a connection to a backup server goes on when the server it stands in for is up again.
func risen(t testing.TB, s *scene) string {
	s.ill.Store(true)
	s.until(t, "the server is down", func() bool { return strings.HasPrefix(s.column(t, "b,s,", "status"), "DOWN") })
	conn := s.greet(t)
	s.ill.Store(false)
	s.until(t, "the server is up", func() bool { return strings.HasPrefix(s.column(t, "b,s,", "status"), "UP") })
	return s.outlives(conn)
}
