package check

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/haproxy"
	"github.com/evenkeel/evenkeel/health"
)

const defaults = "defaults\n  timeout connect 5s\n  timeout client 5s\n  timeout server 5s\n"

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

func verdict(r health.Result) string {
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
			want, inter := c.want, "20s"
			if c.ours != "" {
				want = c.ours
			}
			if hangs(want) {
				inter = "300ms"
			}
			target := target(t, defaults+backend("b", c.lines, addr, inter))
			r := Probe(context.Background(), target)
			if got := verdict(r); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			if r.Duration <= 0 || r.Duration > 15*time.Second || hangs(want) && r.Duration < 290*time.Millisecond {
				t.Errorf("took %v", r.Duration)
			}
		})
	}
}

var (
	checkLine = regexp.MustCompile(`Health check for server (b\d+)/s (?:\w+ )?(?:succeeded|failed), reason: (.*?)(?:, code: (\d+))?(?:, info: "(.*)")?, check duration`)
)

// TestHAProxy lets the reference judge the same servers.
func TestHAProxy(t *testing.T) {
	path, err := exec.LookPath("haproxy")
	if err != nil {
		if path = "/usr/sbin/haproxy"; exec.Command(path, "-v").Run() != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal("haproxy is not installed")
			}
			t.Skip("haproxy is not installed")
		}
	}
	text := "global\n  log stdout format raw local0\n" + defaults + "  log global\nfrontend f\n  mode http\n  bind unix@" + filepath.Join(t.TempDir(), "s") + "\n"
	for i, c := range cases {
		addr, _ := serve(t, c.play)
		inter := "2s"
		if hangs(c.want) {
			inter = "1s"
		}
		text += backend(fmt.Sprintf("b%d", i), c.lines, addr, inter)
	}
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
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
		{[]string{httpchk + ` GET /h HTTP/1.1\r\nHost:\ www`}, "", "GET /h HTTP/1.1\r\nHost: www\r\nConnection: close\r\n\r\n"},
		{[]string{httpchk, `http-check send meth POST uri /x ver HTTP/1.1 hdr Host www hdr X-A "b c" body "hello"`}, "",
			"POST /x HTTP/1.1\r\nHost: www\r\nX-A: b c\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"},
		{[]string{httpchk, `http-check send meth POST uri /x body "hello"`}, "", "POST /x HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello"},
		{[]string{httpchk, "http-check send-state"}, "", "OPTIONS / HTTP/1.0\r\nX-Haproxy-Server-State: fine\r\n\r\n"},
		{[]string{tcp, "tcp-check send-binary 0001ff"}, "", "\x00\x01\xff"},
		{[]string{httpchk}, "send-proxy-v2", "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"},
		{[]string{"option redis-check"}, "", "*1\r\n$4\r\nPING\r\n"},
		{[]string{"option pgsql-check user pg"}, "", "\x00\x00\x00\x11\x00\x03\x00\x00user\x00pg\x00\x00"},
		{[]string{"option ldap-check"}, "", "\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00"},
	} {
		addr, sent := serve(t, play{read, hang})
		target := target(t, defaults+strings.TrimSuffix(backend("b", c.lines, addr, "300ms"), "\n")+" "+c.server+"\n")
		target.State = func() string { return "fine" }
		Probe(context.Background(), target)
		if got := sent(); !strings.HasPrefix(got, c.want) || got != c.want && c.server == "" {
			t.Errorf("%v: sent %q, want %q", c.lines, got, c.want)
		}
	}
	for user, want := range map[string]string{
		"hap":        "%\x00\x00\x01\x00\x82\x00\x00\x00\x80\x00\x01!" + strings.Repeat("\x00", 23) + "hap\x00\x00\x01\x00\x00\x00\x01",
		"hap pre-41": "\x0a\x00\x00\x01\x00\x80\x00\x00\x01hap\x00\x00\x01\x00\x00\x00\x01",
	} {
		addr, sent := serve(t, play{mysqlGreeting, read, hang})
		Probe(context.Background(), target(t, defaults+backend("b", []string{"option mysql-check user " + user}, addr, "300ms")))
		if got := sent(); got != want {
			t.Errorf("%s: sent %q, want %q", user, got, want)
		}
	}
}

// TestSendProxy: version 1 names the addresses of the check's own connection.
func TestSendProxy(t *testing.T) {
	addr, sent := serve(t, play{read, hang})
	Probe(context.Background(), target(t, defaults+strings.TrimSuffix(backend("b", []string{httpchk}, addr, "300ms"), "\n")+" check-send-proxy\n"))
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
	if _, err := For(&config.Proxy{}, &config.Server{Name: "s"}); err == nil || !strings.Contains(err.Error(), "no address") {
		t.Error(err)
	}
	if _, err := For(&config.Proxy{}, &config.Server{Name: "s", Addr: netip.MustParseAddrPort("192.0.2.1:0")}); err == nil || !strings.Contains(err.Error(), "no port") {
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
		target := target(t, defaults+backend("b", c.lines, addr, "20s"))
		target.Connect = 200 * time.Millisecond
		r := Probe(context.Background(), target)
		if got := verdict(r); got != c.want || r.Duration < 190*time.Millisecond {
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
		c, err := net.DialTimeout("tcp", l.Addr().String(), 300*time.Millisecond)
		if err != nil {
			return l.Addr().String()
		}
		t.Cleanup(func() { c.Close() })
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("this kernel takes more connections than it was told to")
	}
	t.Skip("this kernel takes more connections than it was told to")
	return ""
}

// TestTimeouts: with timeout check the answer has its own time after the connection.
func TestTimeouts(t *testing.T) {
	addr, _ := serve(t, play{hang})
	target := target(t, defaults+backend("b", []string{httpchk, "timeout check 300ms"}, addr, "20s"))
	if r := Probe(context.Background(), target); verdict(r) != "L7TOUT" || r.Duration < 290*time.Millisecond || r.Duration > 10*time.Second {
		t.Errorf("%s after %v", verdict(r), r.Duration)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if r := Probe(ctx, target); r.Status != health.L4TOUT {
		t.Errorf("ended context: %s", verdict(r))
	}
}

func TestUnix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	if r := Probe(context.Background(), &Target{Path: path, Inter: time.Second}); verdict(r) != "L4OK" {
		t.Error(verdict(r))
	}
	l.Close()
	if r := Probe(context.Background(), &Target{Path: path, Inter: time.Second}); verdict(r) != `L4CON "No such file or directory"` {
		t.Error(verdict(r))
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
	results := make(chan health.Status, 20*n)
	done := make(chan bool)
	for i := range n {
		target := &Target{Addr: netip.MustParseAddrPort(live), Inter: 30 * time.Second, Read: time.Second}
		if i%2 == 1 {
			target.Addr = netip.MustParseAddrPort(mute)
			target.Check = &config.HealthCheck{Kind: config.CheckRedis}
		}
		go func() {
			Run(ctx, target, Hooks{Delay: Spread(i, n, time.Second), Report: func(r health.Result) time.Duration {
				results <- r.Status
				return time.Second
			}})
			done <- true
		}()
	}
	counts := make(map[health.Status]int)
	for range 2 * n {
		select {
		case s := <-results:
			counts[s]++
		case <-time.After(60 * time.Second):
			t.Fatalf("only %v in a minute", counts)
		}
	}
	if counts[health.L4OK] < n/2 || counts[health.L7TOUT] < n/2 || len(counts) != 2 {
		t.Errorf("%v", counts)
	}
	cancel()
	for range n {
		<-done
	}
	t.Logf("%d goroutines before, %d after", before, runtime.NumGoroutine())
}

// TestRun: the interval counts from a probe's start; no probe while not checking; hurry
// brings one forward.
func TestRun(t *testing.T) {
	addr, _ := serve(t, play{})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	starts := make(chan time.Time)
	hurry := make(chan time.Duration)
	finished := make(chan bool)
	checking := make(chan bool, 1)
	checking <- true
	go func() {
		Run(ctx, &Target{Addr: netip.MustParseAddrPort(addr), Inter: 200 * time.Millisecond}, Hooks{
			Delay: 50 * time.Millisecond,
			Hurry: hurry,
			Checking: func() bool {
				on := <-checking
				checking <- on
				return on
			},
			Report: func(health.Result) time.Duration {
				now := time.Now()
				select {
				case starts <- now:
				case <-ctx.Done():
				}
				return 200 * time.Millisecond
			},
		})
		close(finished)
	}()
	begin := time.Now()
	first := <-starts
	second := <-starts
	if d := first.Sub(begin); d < 40*time.Millisecond {
		t.Errorf("the first after %v", d)
	}
	if d := second.Sub(first); d < 150*time.Millisecond {
		t.Errorf("the second %v after the first", d)
	}
	hurry <- 0
	third := <-starts
	if d := third.Sub(second); d > 150*time.Millisecond {
		t.Logf("hurried, but %v later: a busy machine?", d)
	}
	<-checking
	checking <- false
	select {
	case <-starts: // one may have been under way
	case <-time.After(450 * time.Millisecond):
	}
	select {
	case <-starts:
		t.Error("a probe though not checking")
	case <-time.After(700 * time.Millisecond):
	}
	<-checking
	checking <- true
	<-starts
	cancel()
	select {
	case <-finished:
	case <-time.After(10 * time.Second):
		t.Error("does not end")
	}
}

func TestSpread(t *testing.T) {
	if Spread(0, 4, time.Second) != 0 || Spread(3, 4, time.Second) != 750*time.Millisecond || Spread(0, 0, time.Second) != 0 {
		t.Error("spread")
	}
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
	kinds := []*config.HealthCheck{
		{Kind: config.CheckHTTP, Steps: []config.CheckStep{{Kind: config.StepHTTPSend, Method: "GET", URI: "/", Version: "HTTP/1.0"},
			{Kind: config.StepExpect, Expect: config.Expect{What: config.ExpectString, Text: []byte("hello")}}}},
		{Kind: config.CheckTCP, Steps: []config.CheckStep{{Kind: config.StepExpect, Expect: config.Expect{What: config.ExpectBinary, Text: []byte("hello")}}}},
		{Kind: config.CheckMySQL, User: "u"}, {Kind: config.CheckMySQL}, {Kind: config.CheckPgSQL, User: "u"},
		{Kind: config.CheckRedis}, {Kind: config.CheckSMTP, Hello: "HELO x"}, {Kind: config.CheckLDAP}, {Kind: config.CheckSSLHello},
	}
	f.Fuzz(func(t *testing.T, answer []byte, kind byte) {
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
		p := &probe{t: &Target{Check: kinds[int(kind)%len(kinds)]}, ctx: context.Background(), step: -1, buf: new([answerSize]byte), conn: here}
		p.answer = p.buf[:0]
		defer here.Close()
		var r health.Result
		switch steps := p.t.steps(); p.t.kind() {
		case config.CheckTCP:
			if r = p.script(steps); r.Status == health.L7OK && !strings.Contains(string(answer), "hello") {
				t.Fatalf("%q passed", answer)
			}
		case config.CheckHTTP:
			if r = p.http(steps); r.Status == health.L7OK && !strings.HasPrefix(strings.TrimLeft(string(answer), "\r\n"), "HTTP/1.") {
				t.Fatalf("%q passed", answer)
			}
		case config.CheckMySQL:
			r = p.mysql()
		case config.CheckPgSQL:
			r = p.pgsql()
		case config.CheckRedis:
			if r = p.redis(); r.Status == health.L7OK && !strings.HasPrefix(string(answer), "+PONG") {
				t.Fatalf("%q passed", answer)
			}
		case config.CheckSMTP:
			r = p.smtp()
		case config.CheckLDAP:
			r = p.ldap()
		case config.CheckSSLHello:
			r = p.sslHello()
		}
		if r.Status <= health.Initial || r.Status == health.HANA {
			t.Fatalf("%q: %s", answer, verdict(r))
		}
	})
}
