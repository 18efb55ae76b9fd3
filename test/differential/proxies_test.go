package differential

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// program is a proxy under test with the log it writes.
type program struct {
	name string
	logs *logSink
	port int // of its first case; the others follow
	out  *bytes.Buffer
}

// logSink gathers syslog datagrams by the frontend they name.
type logSink struct {
	conn *net.UDPConn
	mu   sync.Mutex
	by   map[string][]string
	// servers are the lines about a frontend's servers, which come when they will.
	servers map[string][]string
}

func newLogSink(t testing.TB) *logSink {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadBuffer(4 << 20)
	s := &logSink{conn: conn, by: make(map[string][]string), servers: make(map[string][]string)}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 65536)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			line := strings.TrimSuffix(string(buf[:n]), "\n")
			s.mu.Lock()
			for _, word := range strings.Fields(line) {
				word = strings.Trim(word, `("`)
				name, _, _ := strings.Cut(word, "/")
				if strings.HasPrefix(name, "case") {
					by := s.by
					if aboutServers.MatchString(line) {
						by = s.servers
					}
					by[name] = append(by[name], line)
					break
				}
			}
			s.mu.Unlock()
		}
	}()
	return s
}

var aboutServers = regexp.MustCompile(`: (Server|Health check for server|proxy|backend) case\d+`)

// told says whether a line about a frontend's servers has said something.
func (s *logSink) told(name, what string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Contains(strings.Join(s.servers[name], "\n"), what)
}

// aboutServer gives the first line about a frontend's servers.
func (s *logSink) aboutServer(name string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.servers[name]) == 0 {
		return "", false
	}
	return s.servers[name][0], true
}

// count is how many lines of a frontend there are since the last take.
func (s *logSink) count(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.by[name])
}

// take gives the lines of a frontend since the last take.
func (s *logSink) take(name string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines := s.by[name]
	s.by[name] = nil
	return lines
}

// startProgram runs a proxy in the foreground until the test ends.
func startProgram(t testing.TB, name, path string, args []string, config string, port int, logs *logSink) *program {
	t.Helper()
	p := &program{name: name, port: port, logs: logs, out: new(bytes.Buffer)}
	file := filepath.Join(t.TempDir(), name+".cfg")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, append(args, "-f", file)...)
	cmd.Stdout, cmd.Stderr = p.out, p.out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { cmd.Wait(); close(done) }()
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		select {
		case <-done:
		case <-time.After(5 * time.Second):
			cmd.Process.Kill()
			<-done
		}
		if t.Failed() {
			t.Logf("%s said:\n%s", name, p.out)
		}
	})
	for range 600 {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			conn.Close()
			return p
		}
		select {
		case <-done:
			t.Fatalf("%s ended at once:\n%s", name, p.out)
		case <-time.After(50 * time.Millisecond):
		}
	}
	t.Fatalf("%s does not listen:\n%s", name, p.out)
	return nil
}

// turn lets the proxy, which has one thread, do what it had to do before: it answers others meanwhile, twice.
func (p *program) turn(t testing.TB) {
	for range 2 {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", p.port))
		if err != nil {
			t.Errorf("%s: %v", p.name, err)
			return
		}
		io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n")
		answer, _ := io.ReadAll(conn)
		conn.Close()
		if !bytes.HasPrefix(answer, []byte("HTTP/1.")) {
			t.Errorf("%s: does not take turns: %q", p.name, answer)
		}
	}
}

// freePorts finds n consecutive ports nobody uses.
func freePorts(t testing.TB, n int) int {
	t.Helper()
	for base := 21000 + os.Getpid()%3000; base+n < 32000; base += n {
		ok := true
		for i := 0; i < n && ok; i++ {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", base+i))
			if ok = err == nil; ok {
				l.Close()
			}
		}
		if ok {
			return base
		}
	}
	t.Fatal("no free ports")
	return 0
}

// probed says whether the kernel has a timer for probes on a connection of a proxy: its own address, "" for any, and
// the other's.
func probed(t testing.TB, local, remote string) bool {
	raw, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	hex := func(addr string) string {
		a, err := netip.ParseAddrPort(addr)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("0100007F:%04X", a.Port())
	}
	for line := range strings.Lines(string(raw)) {
		fields := strings.Fields(line)
		if len(fields) > 5 && fields[2] == hex(remote) && (local == "" || fields[1] == hex(local)) {
			return strings.HasPrefix(fields[5], "02:")
		}
	}
	return false
}

// holds says whether the kernel knows the proxy's end of a client's connection.
func (p *program) holds(client net.Conn) bool {
	raw, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return false
	}
	// Both ends: the client's port may be another connection's, too.
	ends := fmt.Sprintf(" 0100007F:%04X 0100007F:%04X ", client.RemoteAddr().(*net.TCPAddr).Port,
		client.LocalAddr().(*net.TCPAddr).Port)
	for line := range strings.Lines(string(raw)) {
		if at := strings.Index(line, ends); at >= 0 && !strings.HasPrefix(line[at+len(ends):], "06 ") {
			return true
		}
	}
	return false
}
