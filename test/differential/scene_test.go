package differential

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/test/binary"
	"github.com/evenkeel/evenkeel/test/output"
	"github.com/evenkeel/evenkeel/test/peers"
)

// A scene is one program with the words of one case, and what it is looked at with.
type scene struct {
	name   string
	port   int // where "ready" answers; the case's own follow it
	dir    string
	cmd    *exec.Cmd
	server net.Listener // gives back what it gets
	ill    atomic.Bool  // what the checks ask answers 503
	checks atomic.Int64 // how many have asked it
	resets chan bool    // how connections to the server have ended
	health net.Listener
	mute   net.Listener // reads and says nothing
	heard  atomic.Int64 // bytes it has read
	log    net.PacketConn
	lines  chan string // of the log
	out    output.Buffer
}

// A sceneCase is a word, as [[this with it||that without]], in lines of sections; what look sees is the same of both
// programs, and something else without the word. alone: the reference has not got the word, and this is seen of us.
type sceneCase struct {
	word                          string
	global, defaults, front, back string
	look                          func(t testing.TB, s *scene) string
	alone                         string
}

const sceneConfig = `global
    stats socket DIR/admin level admin
    %s
defaults
    mode tcp
    timeout connect 30s
    timeout client 60s
    timeout server 60s
    timeout http-request 3s
    %s
listen ready
    bind 127.0.0.1:PORT
    mode http
    http-request return status 200
frontend f
    %s
backend b
    %s
`

// unable is what is seen of a program that ends at once.
const unable = "it does not start"

// playScenes looks at haproxy, at ours, and at ours without the word.
func playScenes(t *testing.T, cases []sceneCase) {
	if testing.Short() {
		t.Skip("runs real programs: not with -short")
	}
	if os.Getuid() != 0 {
		t.Skip("limits and addresses of others take root")
	}
	haproxy := peers.HAProxy.Path(t)
	ours, err := binary.Put(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for i := range cases {
		c := &cases[i]
		t.Run(c.word, func(t *testing.T) {
			t.Parallel()
			theirs := c.alone
			if theirs == "" {
				theirs = c.play(t, true, "haproxy", haproxy, "-W")
			}
			mine := c.play(t, true, "evenkeel", ours, "run", "--runtime-dir", t.TempDir())
			if !bracketed.MatchString(c.global + c.defaults + c.front + c.back) { // no word's case
				if theirs != mine {
					t.Errorf("haproxy %q, evenkeel %q", theirs, mine)
				}
				return
			}
			bare := c.play(t, false, "evenkeel without the word", ours, "run", "--runtime-dir", t.TempDir())
			if theirs != mine || mine == bare {
				t.Errorf("haproxy %q, evenkeel %q, without the word %q", theirs, mine, bare)
			}
		})
	}
}

// play tells what is seen of one program.
func (c *sceneCase) play(t testing.TB, with bool, name, path string, args ...string) string {
	s := &scene{name: name, resets: make(chan bool, 100)}
	var err error
	if s.dir, err = os.MkdirTemp("", "scene"); err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(s.dir)
	s.server, s.health, s.mute = listen(t, s.echo), listen(t, s.check), listen(t, s.hear)
	defer s.server.Close()
	defer s.health.Close()
	defer s.mute.Close()
	if s.log, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	defer s.log.Close()
	s.lines = make(chan string, 100)
	go s.readLog()
	ended := make(chan struct{})
	ok := s.start(t, func() string { return c.text(s, with) }, ended, path, args)
	defer func() {
		s.cmd.Process.Signal(syscall.SIGTERM)
		<-ended
		if t.Failed() {
			t.Logf("%s said:\n%s", name, s.out.String())
		}
	}()
	if !ok {
		return unable
	}
	return c.look(t, s)
}

// text is the configuration of a scene.
func (c *sceneCase) text(s *scene, with bool) string {
	text := fmt.Sprintf(sceneConfig, c.global, c.defaults, c.front, c.back)
	text = bracketed.ReplaceAllString(text, map[bool]string{true: "$1", false: "$2"}[with])
	return strings.NewReplacer("SERVER", s.server.Addr().String(), "HEALTH", portOf(s.health), "MUTE",
		s.mute.Addr().String(), "LOG", strconv.Itoa(s.log.LocalAddr().(*net.UDPAddr).Port), "DIR", s.dir,
		"PORT1", strconv.Itoa(s.port+1), "SPORT", portOf(s.server), "PORT", strconv.Itoa(s.port)).Replace(text)
}

// start starts the program and says whether it serves; its limit of descriptors may be raised.
func (s *scene) start(t testing.TB, text func() string, ended chan<- struct{}, path string, args []string) bool {
	starting.Lock()
	defer starting.Unlock()
	s.port = freePorts(t, 2)
	file := filepath.Join(s.dir, "cfg")
	if err := os.WriteFile(file, []byte(text()), 0o600); err != nil {
		t.Fatal(err)
	}
	s.cmd = exec.Command("prlimit", slices.Concat([]string{"--nofile=4000:20000", path}, args, []string{"-f", file})...)
	s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.out
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() {
		s.cmd.Wait()
		close(over)
		close(ended)
	}()
	return s.ready(t, over)
}

// ready waits until it serves, or has ended.
func (s *scene) ready(t testing.TB, ended <-chan struct{}) bool {
	for limit := time.Now().Add(patience); time.Now().Before(limit); time.Sleep(10 * time.Millisecond) {
		select {
		case <-ended:
			return false
		default:
		}
		if s.answers() {
			return true
		}
	}
	t.Errorf("%s does not serve", s.name)
	return false
}

// answers says whether it gives an answer.
func (s *scene) answers() bool {
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.port))
	if err != nil {
		return false
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET / HTTP/1.0\r\n\r\n")
	answer, _ := io.ReadAll(conn)
	return bytes.HasPrefix(answer, []byte("HTTP/1.1 200"))
}

func portOf(l net.Listener) string { return strconv.Itoa(l.Addr().(*net.TCPAddr).Port) }

// listen has a function serve the connections to an address.
func listen(t testing.TB, serve func(net.Conn)) net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
	return l
}

// echo gives back what comes.
func (s *scene) echo(conn net.Conn) {
	defer conn.Close()
	buf := make([]byte, 100)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			s.resets <- isReset(err)
			return
		}
		conn.Write(buf[:n])
	}
}

// readLog passes on what the program logs of its servers, until the end.
func (s *scene) readLog() {
	buf := make([]byte, 4096)
	for {
		n, _, err := s.log.ReadFrom(buf)
		if err != nil {
			close(s.lines)
			return
		}
		if strings.Contains(string(buf[:n]), "erver") {
			select {
			case s.lines <- string(buf[:n]):
			default:
			}
		}
	}
}

// check answers a check, unless the server is said to be ill.
func (s *scene) check(conn net.Conn) {
	defer conn.Close()
	s.checks.Add(1)
	bufio.NewReader(conn).ReadString('\n')
	if s.ill.Load() {
		io.WriteString(conn, "HTTP/1.0 503 No\r\n\r\n")
	} else {
		io.WriteString(conn, "HTTP/1.0 200 Yes\r\n\r\n")
	}
}

// dial connects a client to a port of the case.
func (s *scene) dial(t testing.TB, port int) *net.TCPConn {
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { conn.Close() })
	return conn.(*net.TCPConn)
}

// admin gives the answer to a command.
func (s *scene) admin(t testing.TB, command string) string {
	conn, err := net.Dial("unix", filepath.Join(s.dir, "admin"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprintln(conn, command)
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Errorf("%s: %s: %v", s.name, command, err)
	}
	return string(answer)
}

// until waits for something to be so.
func (s *scene) until(t testing.TB, what string, is func() bool) {
	for limit := time.Now().Add(patience); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Errorf("%s: never: %s", s.name, what)
			return
		}
	}
}
