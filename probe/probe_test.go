package probe

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/haproxy"
	"github.com/evenkeel/evenkeel/health"
	"github.com/evenkeel/evenkeel/test/peers"
)

const defaults = "defaults\n  timeout connect 30s\n  timeout client 30s\n  timeout server 30s\n"

// target reads a configuration of one backend with one server.
func target(t *testing.T, text string) *Target {
	t.Helper()
	p, diags := haproxy.Parse([]haproxy.File{{Name: "test.cfg", Data: []byte(text)}}, haproxy.Options{})
	if config.HasErrors(diags) {
		t.Fatalf("%s\n%v", text, diags)
	}
	last := p.Proxies[len(p.Proxies)-1]
	target, err := For(last, last.Servers[0])
	if err != nil {
		t.Fatal(err)
	}
	return target
}

func resultText(r health.Result) string {
	text := r.Status.Code()
	if r.Status.HasCode() {
		text += fmt.Sprintf(" %d", r.Code)
	}
	if r.Info != "" {
		text += ` "` + r.Info + `"`
	}
	return text
}

func TestProbe(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			addr, _ := serve(t, c.play)
			want, lines := c.want, c.lines
			if c.ours != "" {
				want = c.ours
			}
			if hangs(want) { // once the connection is there, which may take its time
				lines = append(lines[:len(lines):len(lines)], "timeout check 300ms")
			}
			target := target(t, defaults+backend("b", lines, addr, "20s"))
			r := Once(context.Background(), target)
			if got := resultText(r); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			if r.Duration <= 0 || r.Duration > patience || hangs(want) && r.Duration < 290*time.Millisecond {
				t.Errorf("took %v", r.Duration)
			}
		})
	}
}

var (
	checkLine = regexp.MustCompile(`Health check for server (b\d+)/s (?:\w+ )?(?:succeeded|failed), reason: (.*?)(?:, code: (\d+))?(?:, info: "(.*)")?, check duration`)
)

// TestCasesAgainstHAProxy lets the reference judge the same servers: the table is the record of its verdicts.
func TestCasesAgainstHAProxy(t *testing.T) {
	if !peers.Asking() {
		t.Skip("asks haproxy: the table is its record")
	}
	path := peers.HAProxy.Path(t)
	text := "global\n  log stdout format raw local0\n" + defaults +
		"  log global\nfrontend f\n  mode http\n  bind unix@" + filepath.Join(t.TempDir(), "s") + "\n"
	for i, c := range cases {
		addr, _ := serve(t, c.play)
		lines := c.lines
		if hangs(c.want) {
			lines = append(lines[:len(lines):len(lines)], "timeout check 1s")
		}
		text += backend(fmt.Sprintf("b%d", i), lines, addr, "5s") // over which haproxy spreads the first checks
	}
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "-db", "-f", file)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cancel(); _ = cmd.Wait() }()
	got := make(map[string]string)
	for s := bufio.NewScanner(out); len(got) < len(cases) && s.Scan(); {
		m := checkLine.FindStringSubmatch(s.Text())
		if m == nil || got[m[1]] != "" {
			continue
		}
		v := code(m[2])
		if m[3] != "" {
			v += " " + m[3]
		}
		if m[4] != "" {
			v += ` "` + m[4] + `"`
		}
		got[m[1]] = v
	}
	for i, c := range cases {
		if g := got[fmt.Sprintf("b%d", i)]; g != c.want {
			t.Errorf("%s: haproxy says %s, the table %s", c.name, g, c.want)
		}
	}
}

func code(text string) string {
	for s := health.Unknown; s <= health.HANA; s++ {
		if s.String() == text {
			return s.Code()
		}
	}
	return text
}

// TestRequests has what HAProxy 2.6 sends, but for the letter case of names.
func TestRequests(t *testing.T) {
	for _, c := range []struct {
		lines  []string
		server string
		want   string
	}{
		{[]string{httpchk}, "", "OPTIONS / HTTP/1.0\r\n\r\n"},
		{[]string{httpchk + " /health"}, "", "OPTIONS /health HTTP/1.0\r\n\r\n"},
		{[]string{httpchk + " GET /health"}, "", "GET /health HTTP/1.0\r\n\r\n"},
		{[]string{httpchk + " GET /health HTTP/1.1"}, "", "GET /health HTTP/1.1\r\nConnection: close\r\n\r\n"},
		{[]string{httpchk + ` GET /h HTTP/1.1\r\nHost:\ www`}, "",
			"GET /h HTTP/1.1\r\nHost: www\r\nConnection: close\r\n\r\n"},
		{[]string{httpchk, `http-check send meth POST uri /x ver HTTP/1.1 hdr Host www hdr X-A "b c" body "hello"`}, "",
			"POST /x HTTP/1.1\r\nHost: www\r\nX-A: b c\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"},
		{[]string{httpchk, `http-check send meth POST uri /x body "hello"`}, "",
			"POST /x HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello"},
		{[]string{httpchk, "http-check send-state"}, "", "OPTIONS / HTTP/1.0\r\nX-Haproxy-Server-State: fine\r\n\r\n"},
		{[]string{tcp, "tcp-check send-binary 0001ff"}, "", "\x00\x01\xff"},
		{[]string{httpchk}, "send-proxy-v2", "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"},
		{[]string{"option redis-check"}, "", "*1\r\n$4\r\nPING\r\n"},
		{[]string{"option pgsql-check user pg"}, "", "\x00\x00\x00\x11\x00\x03\x00\x00user\x00pg\x00\x00"},
		{[]string{"option ldap-check"}, "", "\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00"},
	} {
		addr, sent := serve(t, play{read})
		target := target(t, defaults+strings.TrimSuffix(backend("b", c.lines, addr, "20s"), "\n")+" "+c.server+"\n")
		target.State = func() string { return "fine" }
		Once(context.Background(), target)
		if got := sent(); !strings.HasPrefix(got, c.want) || got != c.want && c.server == "" {
			t.Errorf("%v: sent %q, want %q", c.lines, got, c.want)
		}
	}
	for user, want := range map[string]string{
		"hap": "%\x00\x00\x01\x00\x82\x00\x00\x00\x80\x00\x01!" + strings.Repeat("\x00", 23) +
			"hap\x00\x00\x01\x00\x00\x00\x01",
		"hap pre-41": "\x0a\x00\x00\x01\x00\x80\x00\x00\x01hap\x00\x00\x01\x00\x00\x00\x01",
	} {
		addr, sent := serve(t, play{mysqlGreeting, read})
		Once(context.Background(), target(t,
			defaults+backend("b", []string{"option mysql-check user " + user}, addr, "20s")))
		if got := sent(); got != want {
			t.Errorf("%s: sent %q, want %q", user, got, want)
		}
	}
}

// TestSendProxy: version 1 names the addresses of the check's own connection.
func TestSendProxy(t *testing.T) {
	addr, sent := serve(t, play{read})
	Once(context.Background(), target(t,
		defaults+strings.TrimSuffix(backend("b", []string{httpchk}, addr, "20s"), "\n")+" check-send-proxy\n"))
	_, port, _ := net.SplitHostPort(addr)
	want := regexp.MustCompile(`^PROXY TCP4 127\.0\.0\.1 127\.0\.0\.1 \d+ ` + port + "\r\n")
	if got := sent(); !want.MatchString(got) {
		t.Errorf("sent %q", got)
	}
}

func TestFor(t *testing.T) {
	for _, c := range []struct{ server, addr string }{
		{"192.0.2.1:80 check", "192.0.2.1:80"},
		{"192.0.2.1:80 check port 81", "192.0.2.1:81"},
		{"192.0.2.1:80 check addr 192.0.2.9", "192.0.2.9:80"},
		{"192.0.2.1:80 check addr 192.0.2.9 port 81", "192.0.2.9:81"},
		{"[2001:db8::1]:80 check", "[2001:db8::1]:80"},
	} {
		got := target(t, defaults+"backend b\n  server s "+c.server+"\n")
		if _, a := got.at(nil); a != c.addr {
			t.Errorf("%s: %s, not %s", c.server, a, c.addr)
		}
	}
	if _, err := For(&config.Proxy{}, &config.Server{Name: "s"}); err == nil ||
		!strings.Contains(err.Error(), "no address") {
		t.Error(err)
	}
	if _, err := For(&config.Proxy{},
		&config.Server{Name: "s", Addr: netip.MustParseAddrPort("192.0.2.1:0")}); err == nil ||
		!strings.Contains(err.Error(), "no port") {
		t.Error(err)
	}
	step := &config.CheckStep{Port: 82, Addr: netip.MustParseAddr("192.0.2.7")}
	if _, a := (&Target{Path: "/run/x"}).at(step); a != "192.0.2.7:82" {
		t.Error(a)
	}
	if n, a := (&Target{Path: "/run/x"}).at(&config.CheckStep{Port: 82}); n != "unix" || a != "/run/x" {
		t.Error(n, a)
	}
}

// TestConnectTimeout: a listener whose queue is full does not answer.
func TestConnectTimeout(t *testing.T) {
	addr := fullListener(t)
	for _, c := range []struct {
		lines []string
		want  string
	}{
		{nil, "L4TOUT"},
		{[]string{tcp, "tcp-check connect"}, `L4TOUT " at step 1 of tcp-check (connect)"`},
	} {
		target := target(t, defaults+backend("b", c.lines, addr, "200ms"))
		r := Once(context.Background(), target)
		if got := resultText(r); got != c.want || r.Duration < 190*time.Millisecond {
			t.Errorf("got %s after %v, want %s", got, r.Duration, c.want)
		}
	}
}

// fullListener gives the address of a listening socket that takes no more connections.
func fullListener(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	shrink(t, l.(*net.TCPListener))
	for range 10 {
		if full(t, l.(*net.TCPListener)) {
			return l.Addr().String()
		}
		// The queue may learn of a connection a moment later: then the next one fails.
		c, err := net.DialTimeout("tcp", l.Addr().String(), time.Second)
		if err == nil {
			t.Cleanup(func() { c.Close() })
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("this kernel takes more connections than it was told to")
	}
	t.Skip("this kernel takes more connections than it was told to")
	return ""
}

// TestTimeouts: with timeout check the answer has its own time after the connection, without it what is left of the
// interval.
func TestTimeouts(t *testing.T) {
	addr, _ := serve(t, play{hang})
	target := target(t, defaults+backend("b", []string{httpchk, "timeout check 300ms"}, addr, "20s"))
	if r := Once(context.Background(), target); resultText(r) != "L7TOUT" || r.Duration < 290*time.Millisecond ||
		r.Duration > patience {
		t.Errorf("%s after %v", resultText(r), r.Duration)
	}
	short := *target
	short.Read, short.Inter = 0, 2*time.Second
	if r := Once(context.Background(), &short); resultText(r) != "L7TOUT" || r.Duration < 1990*time.Millisecond ||
		r.Duration > patience {
		t.Errorf("%s after %v", resultText(r), r.Duration)
	}
	short.Connect, short.Inter, short.Addr = time.Millisecond, time.Second, netip.MustParseAddrPort(fullListener(t))
	if r := Once(context.Background(), &short); resultText(r) != "L4TOUT" || r.Duration < 990*time.Millisecond {
		t.Errorf("timeout connect without timeout check: %s after %v", resultText(r), r.Duration)
	}
	short.Read, short.Inter = time.Second, patience
	if r := Once(context.Background(), &short); resultText(r) != "L4TOUT" || r.Duration > patience/2 {
		t.Errorf("timeout connect with timeout check: %s after %v", resultText(r), r.Duration)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if r := Once(ctx, target); r.Status != health.L4TOUT {
		t.Errorf("ended context: %s", resultText(r))
	}
}

func TestUnix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	if r := Once(context.Background(), &Target{Path: path, Inter: patience}); resultText(r) != "L4OK" {
		t.Error(resultText(r))
	}
	l.Close()
	if r := Once(context.Background(),
		&Target{Path: path, Inter: patience}); resultText(r) != `L4CON "No such file or directory"` {
		t.Error(resultText(r))
	}
}

// TestManyServers: a thousand servers, half of them silent, cost a goroutine each and no
// more.
func TestManyServers(t *testing.T) {
	live, _ := serve(t, play{})
	mute, _ := serve(t, play{hang})
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(context.Background())
	const n = 1000
	type result struct {
		server int
		status health.Status
	}
	results := make(chan result, n)
	done := make(chan bool)
	want := [2]health.Status{health.L4OK, health.L7TOUT}
	for i := range n {
		target := &Target{Addr: netip.MustParseAddrPort(live), Inter: patience, Read: time.Second}
		if i%2 == 1 {
			target.Addr = netip.MustParseAddrPort(mute)
			target.Check = &config.HealthCheck{Kind: config.CheckRedis}
		}
		go func() {
			Run(ctx, target, Hooks{Delay: Spread(i, n, time.Second), Report: func(r health.Result) time.Duration {
				select {
				case results <- result{i, r.Status}:
				case <-ctx.Done():
				}
				return time.Second
			}})
			done <- true
		}()
	}
	var reported [n]int
	for left := n; left > 0; {
		select {
		case r := <-results:
			if r.status != want[r.server%2] {
				t.Errorf("server %d: %s", r.server, r.status.Code())
			}
			if reported[r.server]++; reported[r.server] == 2 {
				left--
			}
		case <-time.After(patience):
			t.Fatalf("%d servers have no second result", left)
		}
	}
	cancel()
	for range n {
		<-done
	}
	t.Logf("%d goroutines before, %d after", before, runtime.NumGoroutine())
}

// TestIntervals: they begin when a probe has ended; one that is wanted sooner comes so long after it was asked for.
func TestIntervals(t *testing.T) {
	const inter, slow = 200 * time.Millisecond, 150 * time.Millisecond
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	came := make(chan time.Time, 10)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			came <- time.Now()
			time.Sleep(slow)
			io.WriteString(conn, "+PONG\r\n")
		}
	}()
	ended := make(chan time.Time, 10)
	next := make(chan time.Duration, 10)
	sooner := make(chan time.Duration)
	target := &Target{Addr: netip.MustParseAddrPort(l.Addr().String()), Inter: patience,
		Check: &config.HealthCheck{Kind: config.CheckRedis}}
	go Run(t.Context(), target, Hooks{Sooner: sooner, Report: func(health.Result) time.Duration {
		ended <- time.Now()
		return <-next
	}})
	<-came
	next <- inter
	if since := (<-came).Sub(<-ended); since < inter {
		t.Errorf("the next one came %v after the end", since)
	}
	next <- time.Hour
	<-ended
	asked := time.Now()
	sooner <- inter
	if since := (<-came).Sub(asked); since < inter {
		t.Errorf("sooner is %v after it was asked for", since)
	}
	next <- time.Hour
}

// TestRun: the interval holds; no probe while not checking; early brings one forward.
func TestRun(t *testing.T) {
	addr, _ := serve(t, play{})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	reports := make(chan time.Time, 1000)
	early := make(chan time.Duration)
	finished := make(chan bool)
	var off atomic.Bool
	denied := make(chan bool)
	begin := time.Now()
	go func() {
		Run(ctx, &Target{Addr: netip.MustParseAddrPort(addr), Inter: 200 * time.Millisecond}, Hooks{
			Delay:  50 * time.Millisecond,
			Sooner: early,
			Checking: func() bool {
				if !off.Load() {
					return true
				}
				select {
				case denied <- true:
				case <-ctx.Done():
				}
				return false
			},
			Report: func(health.Result) time.Duration {
				reports <- time.Now()
				return 200 * time.Millisecond
			},
		})
		close(finished)
	}()
	if d := (<-reports).Sub(begin); d < 50*time.Millisecond {
		t.Errorf("the first after %v", d)
	}
	second := <-reports
	if d := second.Sub(begin); d < 250*time.Millisecond {
		t.Errorf("the second after %v", d)
	}
	early <- 0
	if d := (<-reports).Sub(second); d > 150*time.Millisecond {
		t.Logf("early, but %v later: a busy machine?", d)
	}
	notWhileOff(t, &off, denied, reports)
	cancel()
	select {
	case <-finished:
	case <-time.After(patience):
		t.Error("does not end")
	}
}

// notWhileOff: nothing is probed while checking is off, and it goes on afterwards.
func notWhileOff(t *testing.T, off *atomic.Bool, denied <-chan bool, reports <-chan time.Time) {
	t.Helper()
	off.Store(true)
	<-denied
	for len(reports) > 0 { // of before
		<-reports
	}
	for range 3 {
		<-denied
	}
	if len(reports) > 0 {
		t.Error("a probe though not checking")
	}
	off.Store(false)
	select { // it may just have been denied once more
	case <-denied:
		<-reports
	case <-reports:
	}
}

func TestSpread(t *testing.T) {
	if Spread(0, 4, time.Second) != 0 || Spread(3, 4, time.Second) != 750*time.Millisecond ||
		Spread(0, 0, time.Second) != 0 {
		t.Error("spread")
	}
}

// fuzzed are the checks that FuzzAnswers tries.
var fuzzed = []*config.HealthCheck{
	{Kind: config.CheckHTTP, Steps: []config.CheckStep{{Kind: config.StepHTTPSend, Method: "GET", URI: "/",
		Version: "HTTP/1.0"},
		{Kind: config.StepExpect, Expect: config.Expect{What: config.ExpectString, Text: []byte("hello")}}}},
	{Kind: config.CheckTCP, Steps: []config.CheckStep{{Kind: config.StepExpect,
		Expect: config.Expect{What: config.ExpectBinary, Text: []byte("hello")}}}},
	{Kind: config.CheckMySQL, User: "u"}, {Kind: config.CheckMySQL}, {Kind: config.CheckPgSQL, User: "u"},
	{Kind: config.CheckRedis}, {Kind: config.CheckSMTP, Hello: "HELO x"}, {Kind: config.CheckLDAP},
	{Kind: config.CheckSSLHello},
}

// FuzzAnswers: no answer whatever makes a probe panic, hang or pass without its words.
func FuzzAnswers(f *testing.F) {
	for i, c := range cases {
		for _, a := range c.play {
			if s, ok := a.(string); ok {
				f.Add([]byte(s), byte(i))
			}
		}
	}
	f.Fuzz(judgeAnswer)
}

func judgeAnswer(t *testing.T, answer []byte, kind byte) {
	here, there := net.Pipe()
	go func() {
		defer there.Close()
		go func() { // what the probe says is of no interest
			b := make([]byte, 512)
			for {
				if _, err := there.Read(b); err != nil {
					return
				}
			}
		}()
		_, _ = there.Write(answer)
	}()
	target := &Target{Check: fuzzed[int(kind)%len(fuzzed)]}
	p := &probe{t: target, ctx: context.Background(), step: -1, buf: new([answerSize]byte), conn: here}
	p.answer = p.buf[:0]
	defer here.Close()
	r := p.judge(t, answer)
	if r.Status <= health.Initial || r.Status == health.HANA {
		t.Fatalf("%q: %s", answer, resultText(r))
	}
}

// judge has the probe judge an answer; what passes must have the words that were asked for.
func (p *probe) judge(t *testing.T, answer []byte) (r health.Result) {
	switch steps := p.t.steps(); p.t.kind() {
	case config.CheckTCP:
		if r = p.script(steps); r.Status == health.L7OK && !strings.Contains(string(answer), "hello") {
			t.Fatalf("%q passed", answer)
		}
	case config.CheckHTTP:
		if r = p.http(steps); r.Status == health.L7OK &&
			!strings.HasPrefix(strings.TrimLeft(string(answer), "\r\n"), "HTTP/1.") {
			t.Fatalf("%q passed", answer)
		}
	case config.CheckMySQL:
		r = p.mysql()
	case config.CheckPgSQL:
		r = p.pgsql()
	case config.CheckRedis:
		if r = p.redis(); r.Status == health.L7OK && !strings.Contains(string(answer), "+PONG\r\n") {
			t.Fatalf("%q passed", answer)
		}
	case config.CheckSMTP:
		r = p.smtp()
	case config.CheckLDAP:
		r = p.ldap()
	case config.CheckSSLHello:
		r = p.sslHello()
	}
	return r
}
