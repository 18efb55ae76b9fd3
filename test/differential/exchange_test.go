package differential

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"sort"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/test/binary"
	"github.com/evenkeel/evenkeel/test/peers"
	"github.com/evenkeel/evenkeel/test/ports"
)

// exchange is one case: what a client sends, what a server answers, under which settings.
type exchange struct {
	name     string
	settings string   // lines of the listen section
	send     string   // what the client sends
	replies  []string // what the server answers to its first, second … request, "": it closes; none: 200 with "hello"
	// serverCloses: the server closes after each answer. mute: it never answers. refuse: there is none.
	// early: it answers as soon as a connection is there.
	serverCloses, mute, refuse, early bool
	// clientCloses: the client closes its sending side after the request. closes: the proxy closes some time after
	// its log line. hasty: the proxy's timeouts are short, for one of them is to strike; else none does.
	clientCloses, closes, hasty bool
	foreign                     bool   // haproxy goes on in a protocol we do not speak, and logs nothing
	requests                    int    // log lines to wait for; 0: 1, less: none
	until                       string // what the client gets last, where no log line comes before it has gone
	silent                      bool   // the client must not hear that its connection is gone
	whole                       bool   // only at once, not byte by byte

	// What only cases of words have (see TestWords).
	origin  string        // its server's address, once it has one
	global  string        // lines of the global section: the case has processes of its own
	awaits  string        // what a line about the case's servers must say before the client comes
	holders int           // connections that come before the client's with the same request, and stay
	stuck   bool          // nothing comes for a while, neither a log line nor an answer
	timers  bool          // whether the kernel probes the two idle connections counts
	deaf    bool          // the server's kernel takes no connection: SYNs get no answer
	holds   bool          // the server does not close when the client has
	lingers bool          // the client waits for the log line, and does not close when the proxy has
	only    string        // the kinds of sections; none: all in which the word may stand
	times   int           // on so many connections, one after the other
	checks  bool          // nobody asks: the first line is about a check, and tells what the server saw
	header  bool          // the head of log lines counts: priority and tag
	counts  bool          // the connections to the server count
	finds   string        // of bodies only what matches counts
	alone   []string      // the reference does not know the word; what must be seen of us
	patient time.Duration // how long to wait for what should come; 0: patience
}

const hello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Origin: a\r\n\r\nhello"

// origin is the server of one case: it speaks raw bytes.
type origin struct {
	addr string
	x    *exchange
	mu   sync.Mutex
	// got are the requests as they came, by order of their completion.
	got []string
	// conns is how many connections there were.
	conns int
	over  <-chan struct{} // the test ends
}

func newOrigin(t testing.TB, x *exchange) *origin {
	if x.refuse {
		return &origin{addr: ports.Closed(t, unix.SOCK_STREAM).String(), x: x}
	}
	if x.deaf {
		return &origin{addr: deafListener(t), x: x}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := &origin{addr: l.Addr().String(), x: x, over: t.Context().Done()}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			o.mu.Lock()
			o.conns++
			o.mu.Unlock()
			go o.serve(conn)
		}
	}()
	return o
}

// deafListener gives the address of a socket that never accepts and whose queue is full.
func deafListener(t testing.TB) string {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}),
		unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", name.(*unix.SockaddrInet4).Port)
	conn, err := net.Dial("tcp", addr) // the one that a queue of 0 holds
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return addr
}

func (o *origin) serve(conn net.Conn) {
	defer conn.Close()
	if o.x.early {
		io.WriteString(conn, o.reply(0))
	}
	r := bufio.NewReader(conn)
	for {
		raw, ok := readMessage(r)
		if len(raw) > 0 {
			o.mu.Lock()
			o.got = append(o.got, raw)
			n := len(o.got) - 1
			o.mu.Unlock()
			if ok && !o.x.mute && !o.x.early {
				reply := o.reply(n)
				if reply == "" {
					return
				}
				io.WriteString(conn, reply)
			}
		}
		if !ok && o.x.holds {
			<-o.over
		}
		if !ok || o.x.serverCloses && !o.x.mute {
			return
		}
	}
}

func (o *origin) reply(n int) string {
	if len(o.x.replies) == 0 {
		return hello
	}
	return o.x.replies[min(n, len(o.x.replies)-1)]
}

func (o *origin) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.got)
}

func (o *origin) connections() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.conns
}

func (o *origin) take() (got []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	got, o.got = o.got, nil
	return got
}

// readMessage reads a request by its framing; ok: it was complete.
func readMessage(r *bufio.Reader) (raw string, ok bool) {
	var b strings.Builder
	length, chunked := 0, false
	for {
		line, err := r.ReadString('\n')
		b.WriteString(line)
		if err != nil {
			return b.String(), false
		}
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(line)), ":")
		switch name {
		case "content-length":
			fmt.Sscan(value, &length)
		case "transfer-encoding":
			chunked = strings.Contains(value, "chunked")
		case "":
			if strings.TrimSpace(line) == "" {
				goto body
			}
		}
	}
body:
	if chunked {
		for {
			line, err := r.ReadString('\n')
			b.WriteString(line)
			if err != nil {
				return b.String(), false
			}
			var n int
			fmt.Sscanf(line, "%x", &n)
			if n == 0 {
				for strings.TrimSpace(line) != "" || line == "" {
					if line, err = r.ReadString('\n'); err != nil {
						return b.String() + line, false
					}
					b.WriteString(line)
				}
				return b.String(), true
			}
			piece := make([]byte, n+2)
			m, err := io.ReadFull(r, piece)
			b.Write(piece[:m])
			if err != nil {
				return b.String(), false
			}
		}
	}
	piece := make([]byte, length)
	m, err := io.ReadFull(r, piece)
	b.Write(piece[:m])
	return b.String(), err == nil
}

// patience is for what must come, quiet how long nothing may come.
const (
	patience = 30 * time.Second
	quiet    = 150 * time.Millisecond
)

// await waits for something and says whether it came.
func (x *exchange) await(is func() bool) bool {
	limit := time.Now().Add(patience)
	if x.patient > 0 {
		limit = time.Now().Add(x.patient)
	}
	for ; !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(limit) {
			return false
		}
	}
	return true
}

// play sends a case through a proxy and gives a report of everything that can be seen.
func (x *exchange) play(t testing.TB, p *program, index int, o *origin, slow bool) []string {
	addr := fmt.Sprintf("127.0.0.1:%d", p.port+1+index)
	if x.awaits != "" && !x.await(func() bool { return p.logs.told(fmt.Sprintf("case%d", index), x.awaits) }) {
		t.Errorf("%s: no line says %q", p.name, x.awaits)
	}
	for range x.holders {
		held, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatalf("%s: %v", p.name, err)
		}
		defer held.Close()
		io.WriteString(held, x.send)
		p.turn(t)
	}
	conn, err := net.Dial("tcp", addr)
	report := []string{"client: closed"}
	logged := func() int { return p.logs.count(fmt.Sprintf("case%d", index)) }
	// A connection that is rejected at once may be reset before Dial has looked at it: the same as a close.
	if err == nil {
		report = x.talk(t, p, conn.(*net.TCPConn), logged, slow)
	} else if errors.Is(err, syscall.ECONNREFUSED) {
		return []string{"client: refused"}
	} else if !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("%s: %v", p.name, err)
	}
	if x.stuck {
		return report
	}
	if !x.await(func() bool { return logged() >= x.lines(p) }) {
		t.Errorf("%s: %d log lines, not %d", p.name, logged(), x.lines(p))
	}
	lines := p.logs.take(fmt.Sprintf("case%d", index))
	if x.finds != "" {
		return report[1:]
	}
	reached := x.reached(lines)
	if !x.await(func() bool { return o.count() >= reached }) {
		t.Errorf("%s: the server has %d requests, not %d", p.name, o.count(), reached)
	}
	for _, raw := range o.take() {
		report = append(report, describeRequest(raw)...)
	}
	for _, line := range lines {
		if x.header {
			report = append(report, "log header: "+describeHeader(line))
		}
		report = append(report, "log: "+describeLog(line))
	}
	if x.counts {
		report = append(report, fmt.Sprintf("server: %d connections", o.connections()))
	}
	return report
}

// lines is how many lines the proxy logs.
func (x *exchange) lines(p *program) int {
	if x.foreign && p.name == "haproxy" {
		return 0
	}
	if x.requests == 0 {
		return 1
	}
	return max(x.requests, 0)
}

// reached is how many requests the server gets, whole or cut short, by these log lines: those with a connection to it.
func (x *exchange) reached(lines []string) (n int) {
	for _, l := range lines {
		connected := "-1"
		if m := logTimes3.FindStringSubmatch(l); m != nil {
			connected = m[2]
		} else if m := logTimes.FindStringSubmatch(l); m != nil {
			connected = m[3]
		}
		// IH: haproxy has a connection and then finds that it cannot write the request. A statistics page is no server.
		if x.send != "" && connected != "-1" && !strings.Contains(l, " IH") && !strings.Contains(l, "/<STATS> ") {
			n++
		}
	}
	return n
}

// heard is what came on a connection.
type heard struct {
	mu     sync.Mutex
	got    bytes.Buffer
	closed chan struct{} // FIN or RST: which of them depends on when the kernel looks
}

func hear(conn *net.TCPConn) *heard {
	l := &heard{closed: make(chan struct{})}
	go func() {
		defer close(l.closed)
		buf := make([]byte, 65536)
		for {
			n, err := conn.Read(buf)
			l.mu.Lock()
			l.got.Write(buf[:n])
			l.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return l
}

func (l *heard) gone() bool {
	select {
	case <-l.closed:
		return true
	default:
		return false
	}
}

// has says whether something came, and the text in it.
func (l *heard) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.got.Len() > 0 && strings.Contains(l.got.String(), text)
}

// talk sends what the client has to say, reports what comes back and how it ends, and closes the connection.
func (x *exchange) talk(t testing.TB, p *program, conn *net.TCPConn, logged func() int, slow bool) []string {
	l := hear(conn)
	go x.say(t, p, conn, func() bool { return l.gone() || l.has("") }, slow)
	if !x.await(func() bool {
		switch {
		case x.stuck:
			return true
		case l.gone():
			return !x.lingers || logged() >= x.lines(p)
		case x.until != "":
			return l.has(x.until)
		case x.silent && x.requests < 0: // no log line comes: the connection is gone from the kernel's list
			return !p.holds(conn)
		}
		return !x.closes && x.lines(p) > 0 && logged() >= x.lines(p)
	}) {
		t.Errorf("%s: no end, %d log lines", p.name, logged())
	}
	p.turn(t) // what the proxy did with its log line, such as closing, is done
	end := "closed"
	select {
	case <-l.closed:
	case <-time.After(quiet):
		end = "open"
	}
	if x.silent && x.requests < 0 {
		end += fmt.Sprintf(", held by the proxy: %v", p.holds(conn))
	}
	if x.timers {
		end += fmt.Sprintf(", probed %v, server probed %v",
			probed(t, conn.RemoteAddr().String(), conn.LocalAddr().String()), probed(t, "", x.origin))
	}
	conn.Close()
	<-l.closed
	return append([]string{"client: " + end}, describeResponses(l.got.Bytes(), x.send, x.finds)...)
}

// say sends what the client has to say.
func (x *exchange) say(t testing.TB, p *program, conn *net.TCPConn, answered func() bool, slow bool) {
	if !slow {
		io.WriteString(conn, x.send)
	} else {
		for i := range len(x.send) {
			if _, err := conn.Write([]byte{x.send[i]}); err != nil {
				break
			}
			if i%16 == 0 {
				time.Sleep(200 * time.Microsecond)
			}
		}
	}
	if !x.clientCloses {
		return
	}
	// What follows must not depend on which comes first: the request, its answer or the end.
	if _, whole := readMessage(bufio.NewReader(strings.NewReader(x.send))); whole && !x.mute {
		x.await(answered)
	}
	p.turn(t)
	conn.CloseWrite()
}

// describeResponses parses what a client got; the proxy's own pages are reduced to their status.
func describeResponses(raw []byte, sent, finds string) (report []string) {
	r := bufio.NewReader(bytes.NewReader(raw))
	methods := regexp.MustCompile(`(?m)^([A-Z]+) \S+ HTTP/`).FindAllStringSubmatch(sent, -1)
	for i := 0; ; i++ {
		if _, err := r.Peek(1); err != nil {
			return report
		}
		req := &http.Request{Method: "GET"}
		if i < len(methods) {
			req.Method = methods[i][1]
		}
		resp, err := http.ReadResponse(r, req)
		if err != nil {
			rest, _ := io.ReadAll(r)
			return append(report, fmt.Sprintf("client: not HTTP: %v %.200q", err, rest))
		}
		if resp.StatusCode < 200 {
			i--
		}
		body, berr := io.ReadAll(resp.Body)
		text := fmt.Sprintf("%.300q", body)
		header := headerLines(resp.Header)
		if finds != "" {
			found := regexp.MustCompile(finds).MatchString(string(body) + strings.Join(header, "\n"))
			report = append(report, fmt.Sprintf("client: %d, found %v", resp.StatusCode, found))
			continue
		}
		if resp.Header.Get("X-Origin") == "" && strings.HasPrefix(string(body), "<html><body><h1>") ||
			resp.StatusCode >= 400 && resp.Header.Get("X-Origin") == "" {
			text = "the proxy's page"
			resp.ContentLength = 0
		}
		framing := fmt.Sprintf("length %d", resp.ContentLength)
		if len(resp.TransferEncoding) > 0 {
			framing = "chunked"
		}
		report = append(report, fmt.Sprintf("client: %s %d %s, close %v, body %s (%v)", resp.Proto, resp.StatusCode,
			framing, resp.Close, text, berr))
		for k := range resp.Trailer {
			header = append(header, "trailer "+strings.ToLower(k)+": "+resp.Trailer.Get(k))
		}
		for _, line := range header {
			report = append(report, "client:   "+line)
		}
		if resp.StatusCode == 101 {
			rest, _ := io.ReadAll(r)
			return append(report, fmt.Sprintf("client: tunnel %.200q", rest))
		}
	}
}

// headerLines gives fields by name: letter case and order of different fields are not compared (we keep the sender's).
func headerLines(h http.Header) (lines []string) {
	for name, values := range h {
		if strings.EqualFold(name, "content-length") {
			continue
		}
		for _, v := range values {
			lines = append(lines, strings.ToLower(name)+": "+v)
		}
	}
	sort.Strings(lines)
	return lines
}

// describeRequest reduces a request to what must be equal: line, fields, decoded body.
func describeRequest(raw string) (report []string) {
	// A binary PROXY header ends with two ports.
	if at := strings.Index(raw, "QUIT\n"); at > 0 && len(raw) >= at+21 {
		raw = raw[:at+17] + "PORT" + raw[at+21:]
	}
	head, body, _ := strings.Cut(raw, "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	if strings.HasPrefix(lines[0], "PROXY ") {
		lines[0] = proxyPorts.ReplaceAllString(lines[0], " PORT PORT")
	}
	report = append(report, "server: "+lines[0])
	var fields []string
	chunked := false
	for _, l := range lines[1:] {
		name, value, _ := strings.Cut(l, ":")
		name = strings.ToLower(name)
		chunked = chunked || name == "transfer-encoding"
		fields = append(fields, "server:   "+name+":"+sentPort.ReplaceAllString(value, "port=PORT"))
	}
	sort.Strings(fields)
	report = append(report, fields...)
	if chunked {
		body = dechunk(body)
	}
	if body != "" {
		report = append(report, fmt.Sprintf("server:   body %.300q", body))
	}
	return report
}

func dechunk(s string) string {
	var b strings.Builder
	for {
		line, rest, ok := strings.Cut(s, "\r\n")
		var n int
		if _, err := fmt.Sscanf(line, "%x", &n); err != nil || !ok {
			return b.String() + "<" + s + ">"
		}
		if strings.Contains(line, ";") {
			b.WriteString("[extension]")
		}
		if n == 0 {
			return b.String() + strings.TrimSuffix(rest, "\r\n")
		}
		if n+2 > len(rest) {
			return b.String() + "<" + rest + ">"
		}
		b.WriteString(rest[:n])
		s = rest[n+2:]
	}
}

var (
	proxyPorts = regexp.MustCompile(` \d+ \d+$`)
	sentPort   = regexp.MustCompile(`port=\d+`)
	logHeader  = regexp.MustCompile(`^<\d+>\w{3} +\d+ [\d:]{8} (\S+ )?\w+\[\d+\]: `)
	logTime    = regexp.MustCompile(`>\w{3} +\d+ [\d:]{8} `)
	logAddress = regexp.MustCompile(`127\.0\.0\.1:\d+`)
	logDate    = regexp.MustCompile(`\[\d\d/\w{3}/\d{4}:[\d:.]+( \+0000)?\]`)
	logCLF     = regexp.MustCompile(`("[^"]*" \d+) \d+ "" "" \d+ \d+ ("[^"]*" "[^"]*" "[^"]*") [\d ]+ (\S{4}) [\d ]+`)
	logTimes   = regexp.MustCompile(` (-?\d+)/(-?\d+)/(-?\d+)/(-?\d+)/(\+?-?\d+) `)
	logTimes3  = regexp.MustCompile(` (-?\d+)/(-?\d+)/(\+?-?\d+) (\+?\d+) ([A-Za-z-]{2}) `)
	logBytes   = regexp.MustCompile(` (-?\d+) (\+?)\d+ (\S+) (\S+) (\S{4} [\dN]+/)`)
	logLong    = regexp.MustCompile(`u{100,}`)
	logReason  = regexp.MustCompile(`" \([^"]*\)$`)
	logNumber  = regexp.MustCompile(`\d+`)
)

// describeHeader gives the head of a log line without the time.
func describeHeader(line string) string {
	head, _, _ := strings.Cut(line, "[")
	return logTime.ReplaceAllString(head, ">")
}

// describeLog keeps everything but times, ports and byte counts (our pages have another length): of times only
// whether they are known.
func describeLog(line string) string {
	line = logHeader.ReplaceAllString(line, "")
	line = logAddress.ReplaceAllString(line, "ADDRESS")
	line = logDate.ReplaceAllString(line, "[DATE]")
	line = logCLF.ReplaceAllString(line, `$1 BYTES "" "" N $2 N $3 N `)
	line = logReason.ReplaceAllString(line, `"`)
	known := func(s string) string {
		s = strings.ReplaceAll(s, "-1", "unknown")
		return logNumber.ReplaceAllString(s, "N")
	}
	line = logTimes.ReplaceAllStringFunc(line, known)
	line = logTimes3.ReplaceAllStringFunc(line, known)
	line = logBytes.ReplaceAllString(line, " $1 ${2}BYTES $3 $4 $5")
	line = logLong.ReplaceAllString(line, "u…") // where it is cut depends on the length of times and ports
	return line
}

const preamble = `global
    nbthread 1
    log 127.0.0.1:%d local0
    maxconn 2000
defaults
    mode http
    log global
    option httplog
    retries 1
    timeout connect 60s
    timeout client 60s
    timeout server 60s
    timeout queue 60s
listen ready
    bind 127.0.0.1:%d
    no log
`

const haste = `    timeout client 500ms
    timeout server 500ms
`

// namedCases: what is said to differ is the name of a case.
func namedCases(t *testing.T, all []exchange) {
	t.Helper()
	names := make(map[string]bool)
	for i := range all {
		names[all[i].name] = true
	}
	for name := range differences {
		if !names[name] {
			t.Errorf("there is no case %q", name)
		}
	}
}

// casesConfig has a section for each case, with a port behind the first.
func casesConfig(all []exchange, origins []*origin, port int, logs *logSink) string {
	var b strings.Builder
	fmt.Fprintf(&b, preamble, logs.conn.LocalAddr().(*net.UDPAddr).Port, port)
	for i, x := range all {
		fmt.Fprintf(&b, "listen case%d\n    bind 127.0.0.1:%d\n", i, port+1+i)
		if x.hasty {
			b.WriteString(haste)
		}
		for line := range strings.Lines(x.settings) {
			fmt.Fprintf(&b, "    %s\n", strings.ReplaceAll(strings.TrimSpace(line), "ORIGIN", origins[i].addr))
		}
		if !strings.Contains(x.settings, "server ") {
			fmt.Fprintf(&b, "    server s %s\n", origins[i].addr)
		}
	}
	return b.String()
}

// TestExchanges plays every case through both proxies, at once and byte by byte, and compares the reports.
func TestExchanges(t *testing.T) {
	if testing.Short() {
		t.Skip("runs real programs: not with -short")
	}
	haproxy := peers.HAProxy.Path(t)
	ours, err := binary.Put(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	all := exchanges()
	namedCases(t, all)
	origins := make([]*origin, len(all))
	for i := range all {
		origins[i] = newOrigin(t, &all[i])
	}
	run := func(name, path string, args ...string) *program {
		logs := newLogSink(t)
		port := freePorts(t, len(all)+1)
		return startProgram(t, name, path, args, casesConfig(all, origins, port, logs), port, logs)
	}
	theirs := run("haproxy", haproxy, "-db")
	mine := run("evenkeel", ours, "run", "--runtime-dir", t.TempDir())
	for i := range all {
		x := &all[i]
		t.Run(fmt.Sprintf("%d %s", i, x.name), func(t *testing.T) {
			t.Parallel()
			for _, slow := range []bool{false, true} {
				if slow && x.whole {
					continue
				}
				want := x.play(t, theirs, i, origins[i], slow)
				got := x.play(t, mine, i, origins[i], slow)
				how := map[bool]string{false: "at once", true: "byte by byte"}[slow]
				x.compare(t, how, slow, want, got)
			}
		})
	}
}

// compare compares what came of a case, once in each program.
func (x *exchange) compare(t *testing.T, how string, slow bool, want, got []string) {
	t.Helper()
	differs, ok := differences[x.name]
	if !ok {
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (- haproxy, + evenkeel):\n%s", how, d)
		}
		return
	}
	if !slow && cmp.Equal(want, got) {
		t.Errorf("%s: said to differ (%s), and does not", how, differs.why)
	}
	text := strings.Join(got, "\n")
	for _, w := range differs.want {
		if !strings.Contains(text, w) {
			t.Errorf("%s: %q is not in\n%s\nhaproxy:\n%s", how, w, text, strings.Join(want, "\n"))
		}
	}
}
