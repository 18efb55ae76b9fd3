package syslog

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/config"
)

var instant = time.Date(2026, 11, 21, 6, 56, 49, 769_638_000, time.UTC)

// enough is for what must come.
const enough = 30 * time.Second

// listenUDP opens a syslog server over UDP.
func listenUDP(t testing.TB) (*net.UDPConn, config.LogTarget) {
	t.Helper()
	return receiverAt(t, net.IPv4(127, 0, 0, 1))
}

func receiverAt(t testing.TB, ip net.IP) (*net.UDPConn, config.LogTarget) {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: ip})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetReadBuffer(4 << 20)
	return c, config.LogTarget{Addr: c.LocalAddr().(*net.UDPAddr).AddrPort(), Len: 1024, Facility: 18, Max: 7}
}

func read(t testing.TB, c net.PacketConn) string {
	t.Helper()
	buf := make([]byte, 70000)
	_ = c.SetReadDeadline(time.Now().Add(enough))
	n, _, err := c.ReadFrom(buf)
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n])
}

// silent wants nothing more to come.
func silent(t testing.TB, c net.PacketConn) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	buf := make([]byte, 100)
	if n, _, err := c.ReadFrom(buf); err == nil {
		t.Errorf("unexpected %q", buf[:n])
	}
}

// The frames are those HAProxy 2.6.12 sends.
func TestFrames(t *testing.T) {
	c, target := listenUDP(t)
	for _, test := range []struct {
		id     Identity
		how    config.LogHeader
		length int
		line   string
		want   string
	}{
		{Identity{"haproxy", "", 2220}, config.LogLocal, 1024, "127.0.0.1 /",
			"<150>Nov 21 06:56:49 haproxy[2220]: 127.0.0.1 /\n"},
		{Identity{"haproxy", "vm", 2220}, config.LogLocal, 1024, "x", "<150>Nov 21 06:56:49 haproxy[2220]: x\n"},
		{Identity{"haproxy", "", 2255}, config.RFC3164, 1024, "127.0.0.1 /",
			"<150>Nov 21 06:56:49 localhost haproxy[2255]: 127.0.0.1 /\n"},
		{Identity{"tagg", "me", 2271}, config.RFC3164, 1024, "127.0.0.1 /",
			"<150>Nov 21 06:56:49 me tagg[2271]: 127.0.0.1 /\n"},
		{Identity{"haproxy", "", 2257}, config.RFC5424, 1024, "127.0.0.1 /",
			"<150>1 2026-11-21T06:56:49.769638+00:00 - haproxy 2257 - - 127.0.0.1 /\n"},
		{Identity{"haproxy", "me", 2277}, config.RFC5424, 1024, "127.0.0.1 /",
			"<150>1 2026-11-21T06:56:49.769638+00:00 me haproxy 2277 - - 127.0.0.1 /\n"},
		{Identity{"haproxy", "", 1}, config.LogPriority, 1024, "127.0.0.1 /", "<150>127.0.0.1 /\n"},
		{Identity{"haproxy", "", 1}, config.LogShort, 1024, "127.0.0.1 /", "<6>127.0.0.1 /\n"},
		{Identity{"haproxy", "", 1}, config.LogTimed, 1024, "127.0.0.1 /",
			"<6>2026-11-21T06:56:49.769638+00:00 127.0.0.1 /\n"},
		{Identity{"haproxy", "", 1}, config.LogISO, 1024, "127.0.0.1 /",
			"2026-11-21T06:56:49.769638+00:00 127.0.0.1 /\n"},
		{Identity{"haproxy", "", 1}, config.LogRaw, 1024, "127.0.0.1 /", "127.0.0.1 /\n"},
		{Identity{"haproxy", "", 2289}, config.LogLocal, 80, "127.0.0.1 /" + strings.Repeat("a", 200),
			"<150>Nov 21 06:57:00 haproxy[2289]: 127.0.0.1 /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"},
		{Identity{"haproxy", "", 2289}, config.LogRaw, 80, "127.0.0.1 /" + strings.Repeat("a", 200),
			"127.0.0.1 /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"},
		{Identity{"haproxy", "", 2293}, config.RFC5424, 80, "127.0.0.1 /" + strings.Repeat("a", 200),
			"<150>1 2026-11-21T06:57:01.527231+00:00 - haproxy 2293 - - 127.0.0.1 /aaaaaaaaaa\n"},
	} {
		l := New(test.id)
		b := l.Batch()
		target.Format, target.Len = test.how, test.length
		r := b.Route([]config.LogTarget{target}, "")
		now := instant
		switch test.id.PID {
		case 2289:
			now = time.Date(2026, 11, 21, 6, 57, 0, 0, time.UTC)
		case 2293:
			now = time.Date(2026, 11, 21, 6, 57, 1, 527_231_000, time.UTC)
		}
		b.Add(r, 6, now, []byte(test.line))
		b.Flush(now)
		if got := read(t, c); got != test.want {
			t.Errorf("got  %q\nwant %q", got, test.want)
		}
		b.Close()
	}
}

func TestSecondsChange(t *testing.T) {
	c, target := listenUDP(t)
	target.Format = config.LogISO
	b := New(Identity{Tag: "x"}).Batch()
	defer b.Close()
	r := b.Route([]config.LogTarget{target}, "")
	for i := range 30 {
		now := instant.Add(time.Duration(i) * 333 * time.Millisecond)
		b.Add(r, 6, now, []byte("x"))
		b.Flush(now)
		if got, want := read(t, c), now.Format("2006-01-02T15:04:05.000000-07:00")+" x\n"; got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
}

func TestSeverities(t *testing.T) {
	c, target := listenUDP(t)
	target.Format = config.LogShort
	b := New(Identity{}).Batch()
	defer b.Close()
	send := func(maxLevel, minLevel, severity int) {
		target.Max, target.Min = maxLevel, minLevel
		b.Add(b.Route([]config.LogTarget{target}, ""), severity, instant, []byte("x"))
		b.Flush(instant)
	}
	send(3, 0, 6) // log … err: not sent
	send(6, 5, 6)
	send(6, 5, 1)
	send(7, 7, 3)
	for _, want := range []string{"<6>x\n", "<5>x\n", "<7>x\n"} {
		if got := read(t, c); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	silent(t, c)
}

// Several targets, one of them twice, and the tag of a proxy.
func TestRoutes(t *testing.T) {
	c1, one := listenUDP(t)
	c2, two := listenUDP(t)
	b := New(Identity{Tag: "common", PID: 7}).Batch()
	defer b.Close()
	r := b.Route([]config.LogTarget{one, two, one}, "own")
	b.Add(r, 6, instant, []byte("a"))
	b.Add(r, 5, instant, []byte("b"))
	b.Flush(instant)
	for _, want := range []string{"own[7]: a\n", "own[7]: a\n", "own[7]: b\n", "own[7]: b\n"} {
		if got := read(t, c1); !strings.HasSuffix(got, want) {
			t.Errorf("got %q, want …%q", got, want)
		}
	}
	for _, want := range []string{"<150>", "<149>"} {
		if got := read(t, c2); !strings.HasPrefix(got, want) {
			t.Errorf("got %q, want %q…", got, want)
		}
	}
	if len(b.receivers) != 2 {
		t.Errorf("%d sockets", len(b.receivers))
	}
}

// More than one call's worth, in order.
func TestManyLines(t *testing.T) {
	c, target := listenUDP(t)
	target.Format = config.LogRaw
	l := New(Identity{})
	b := l.Batch()
	defer b.Close()
	r := b.Route([]config.LogTarget{target}, "")
	const lines, each = 2000, 150 // which any socket's buffer takes
	seen := 0
	for i := range lines {
		b.Add(r, 6, instant, []byte(fmt.Sprintf("line %d %s", i, strings.Repeat("x", i%200))))
		if i%each != each-1 && i != lines-1 {
			continue
		}
		b.Flush(instant)
		for ; seen <= i; seen++ {
			if got := read(t, c); !strings.HasPrefix(got, fmt.Sprintf("line %d ", seen)) {
				t.Fatalf("line %d: %q", seen, got)
			}
		}
	}
	if l.Dropped() != 0 {
		t.Error(l.Dropped())
	}
}

// The longest line a configuration allows is sent whole.
func TestLongestLine(t *testing.T) {
	c, target := listenUDP(t)
	target.Format, target.Len = config.LogRaw, 65000
	b := New(Identity{}).Batch()
	defer b.Close()
	b.Add(b.Route([]config.LogTarget{target}, ""), 6, instant, bytes.Repeat([]byte("z"), 70000))
	b.Flush(instant)
	if got := read(t, c); len(got) != 65000 {
		t.Error(len(got))
	}
}

// Nobody listens: lines are lost and counted, and come again as soon as somebody does.
func TestDeadUDP(t *testing.T) {
	pid := os.Getpid()
	// nobody else takes its ports
	c, target := receiverAt(t, net.IPv4(127, byte(1+pid>>16&127), byte(pid>>8), byte(1+pid&127)))
	target.Format = config.LogRaw
	addr := c.LocalAddr().(*net.UDPAddr)
	c.Close()
	l := New(Identity{})
	b := l.Batch()
	defer b.Close()
	r := b.Route([]config.LogTarget{target}, "")
	sent := int64(0)
	// a refusal may be on its way
	for limit := time.Now().Add(enough); l.Dropped() == 0 && time.Now().Before(limit); sent++ {
		b.Add(r, 6, instant, []byte("lost"))
		b.Flush(instant)
	}
	if d := l.Dropped(); d == 0 || d > sent {
		t.Errorf("%d of %d dropped", d, sent)
	}
	again, err := net.ListenUDP("udp4", addr)
	if err != nil {
		t.Fatal(err) // the port was ours a moment ago
	}
	defer again.Close()
	buf := make([]byte, 100)
	for limit := time.Now().Add(enough); ; {
		b.Add(r, 6, instant, []byte("found")) // and may still hear of refusals
		b.Flush(instant)
		_ = again.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		if n, err := again.Read(buf); err == nil {
			if got := string(buf[:n]); got != "found\n" {
				t.Error(got)
			}
			break
		}
		if time.Now().After(limit) {
			t.Fatal("nothing comes again")
		}
	}
}

func listenUNIX(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// The socket of /dev/log appears late, goes away and comes back.
func TestUNIXComesAndGoes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := New(Identity{})
	b := l.Batch()
	defer b.Close()
	start := time.Now()
	r := b.Route([]config.LogTarget{{Path: path, Len: 1024, Max: 7, Format: config.LogRaw}}, "")
	b.Add(r, 6, start, []byte("too early"))
	b.Flush(start)
	if l.Dropped() != 1 {
		t.Errorf("%d dropped", l.Dropped())
	}
	c := listenUNIX(t, path)
	b.Add(r, 6, start.Add(10*time.Millisecond), []byte("too early still"))
	b.Flush(start.Add(10 * time.Millisecond))
	if l.Dropped() != 2 {
		t.Errorf("%d dropped", l.Dropped())
	}
	now := start.Add(3 * time.Second)
	b.Add(r, 6, now, []byte("first"))
	b.Flush(now)
	if got := read(t, c); got != "first\n" {
		t.Error(got)
	}
	c.Close()
	_ = os.Remove(path)
	c = listenUNIX(t, path)
	now = now.Add(5 * time.Second)
	b.Add(r, 6, now, []byte("second"))
	b.Flush(now)
	if got := read(t, c); got != "second\n" {
		t.Error(got)
	}
	if l.Dropped() != 2 {
		t.Errorf("%d dropped", l.Dropped())
	}
}

// A receiver that does not read: what fits is kept in order, the rest is dropped; nothing waits.
func TestFullUNIX(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	c := listenUNIX(t, path)
	l := New(Identity{})
	b := l.Batch()
	defer b.Close()
	r := b.Route([]config.LogTarget{{Path: path, Len: 1024, Max: 7, Format: config.LogRaw}}, "")
	const lines = 5000
	for i := range lines {
		b.Add(r, 6, instant, []byte(fmt.Sprintf("line %04d", i)))
		b.Flush(instant)
	}
	dropped := int(l.Dropped())
	if dropped < lines/2 || dropped >= lines {
		t.Errorf("%d dropped", dropped)
	}
	last := -1
	for range lines - dropped {
		var n int
		if _, err := fmt.Sscanf(read(t, c), "line %d\n", &n); err != nil || n <= last {
			t.Fatalf("after %d: %d, %v", last, n, err)
		}
		last = n
		b.Flush(instant)
	}
	silent(t, c)
}

func pipe(t *testing.T) (r *os.File, fd int) {
	t.Helper()
	var p [2]int
	if err := syscall.Pipe2(p[:], syscall.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(p[1]) })
	f := os.NewFile(uintptr(p[0]), "pipe")
	t.Cleanup(func() { f.Close() })
	return f, p[1]
}

func TestDescriptor(t *testing.T) {
	r, fd := pipe(t)
	l := New(Identity{Tag: "t", PID: 1})
	b := l.Batch()
	route := b.Route([]config.LogTarget{{FD: fd, Len: 1024, Max: 7, Format: config.LogRaw}}, "")
	for i := range 100 {
		b.Add(route, 6, instant, []byte(fmt.Sprintf("line %d", i)))
	}
	b.Flush(instant)
	b.Close()
	l.Close(enough)
	_ = syscall.Close(fd)
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(got), "\n"), "\n")
	if len(lines) != 100 || lines[0] != "line 0" || lines[99] != "line 99" {
		t.Errorf("%d lines: %.60q", len(lines), got)
	}
}

// A pipe nobody reads: bounded memory, whole lines, no wait.
func TestFullPipe(t *testing.T) {
	r, fd := pipe(t)
	l := New(Identity{})
	b := l.Batch()
	route := b.Route([]config.LogTarget{{FD: fd, Len: 1024, Max: 7, Format: config.LogRaw}}, "")
	line := bytes.Repeat([]byte("x"), 1000)
	const lines = 5000
	for range lines {
		b.Add(route, 6, instant, line)
		b.Flush(instant)
	}
	f := l.files[fd]
	f.mu.Lock()
	pending := cap(f.pending)
	f.mu.Unlock()
	if pending > 2*mostPending {
		t.Errorf("%d bytes wait", pending)
	}
	if l.Dropped() == 0 {
		t.Error("nothing was dropped")
	}
	start := time.Now()
	l.Close(50 * time.Millisecond)
	if time.Since(start) > enough {
		t.Error("closing waited for the reader")
	}
	var got bytes.Buffer
	for limit := time.Now().Add(20 * time.Second); time.Now().Before(limit); {
		buf := make([]byte, 64<<10)
		n, err := r.Read(buf)
		got.Write(buf[:n])
		if int64(bytes.Count(got.Bytes(), newline))+l.Dropped() >= lines {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range strings.Split(strings.TrimSuffix(got.String(), "\n"), "\n") {
		if len(s) != 1000 {
			t.Fatalf("a torn line of %d bytes", len(s))
		}
	}
}

func TestFullDisk(t *testing.T) {
	f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	l := New(Identity{})
	b := l.Batch()
	route := b.Route([]config.LogTarget{{FD: int(f.Fd()), Len: 1024, Max: 7, Format: config.LogRaw}}, "")
	for range 10 {
		b.Add(route, 6, instant, []byte("x"))
	}
	b.Flush(instant)
	b.Close()
	l.Close(enough)
	if l.Dropped() != 10 {
		t.Errorf("%d dropped", l.Dropped())
	}
}

// A reader that goes away is an error, not the end of the process.
func TestClosedPipe(t *testing.T) {
	r, fd := pipe(t)
	r.Close()
	l := New(Identity{})
	b := l.Batch()
	b.Add(b.Route([]config.LogTarget{{FD: fd, Len: 1024, Max: 7, Format: config.LogRaw}}, ""), 6, instant, []byte("x"))
	b.Flush(instant)
	b.Close()
	l.Close(enough)
	if l.Dropped() != 1 {
		t.Errorf("%d dropped", l.Dropped())
	}
}

func TestBadDescriptor(t *testing.T) {
	l := New(Identity{})
	b := l.Batch()
	r := b.Route([]config.LogTarget{{FD: 9999, Len: 1024, Max: 7}}, "")
	for range 3 {
		b.Add(r, 6, instant, []byte("x"))
		b.Flush(instant)
	}
	if l.Dropped() != 3 {
		t.Errorf("%d dropped", l.Dropped())
	}
}

func TestLogger(t *testing.T) {
	c, target := listenUDP(t)
	target.Format = config.LogShort
	g := New(Identity{}).Logger()
	defer g.Close()
	targets := []config.LogTarget{target}
	var all sync.WaitGroup
	for i := range 8 {
		all.Add(1)
		go func() {
			defer all.Done()
			for range 20 {
				g.Log(targets, "", i%8, "x")
			}
		}()
	}
	all.Wait()
	for range 160 {
		if got := read(t, c); len(got) != 5 {
			t.Fatal(got)
		}
	}
	g.Log(nil, "", 1, "nowhere")
	silent(t, c)
}

func TestNoAllocations(t *testing.T) {
	_, target := listenUDP(t)
	target.Format = config.LogLocal
	r, fd := pipe(t)
	go func() { _, _ = io.Copy(io.Discard, r) }()
	b := New(Identity{Tag: "haproxy", PID: 1}).Batch()
	defer b.Close()
	route := b.Route([]config.LogTarget{target, {FD: fd, Len: 1024, Max: 7},
		{Addr: netip.MustParseAddrPort("127.0.0.1:1"), Len: 1024, Max: 7}}, "")
	line := []byte("127.0.0.1:60552 [21/Nov/2026:06:33:13.681] f0 b/s1 0/0/0/0/0 200 111 - - ---- 2/1/0/0/0 0/0 " +
		"\"GET / HTTP/1.1\"")
	now := instant
	for range 100 {
		b.Add(route, 6, now, line)
		b.Flush(now)
	}
	if n := testing.AllocsPerRun(500, func() {
		now = now.Add(300 * time.Millisecond)
		for range 5 {
			b.Add(route, 6, now, line)
		}
		b.Flush(now)
	}); n > 0.5 { // the writer of the pipe is another goroutine
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkUDP(b *testing.B) {
	for _, each := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("%d lines a turn", each), func(b *testing.B) {
			_, target := listenUDP(b)
			target.Format = config.LogLocal
			batch := New(Identity{Tag: "haproxy", PID: 1}).Batch()
			defer batch.Close()
			r := batch.Route([]config.LogTarget{target}, "")
			line := bytes.Repeat([]byte("x"), 150)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				batch.Add(r, 6, instant, line)
				if i%each == each-1 {
					batch.Flush(instant)
				}
			}
		})
	}
}

func BenchmarkAdd(b *testing.B) {
	batch := New(Identity{Tag: "haproxy", PID: 1}).Batch()
	r := batch.Route([]config.LogTarget{{Addr: netip.MustParseAddrPort("127.0.0.1:9"), Len: 1024, Max: 7,
		Format: config.LogLocal}}, "")
	line := bytes.Repeat([]byte("x"), 150)
	p := batch.receivers[0]
	b.ReportAllocs()
	for b.Loop() {
		batch.Add(r, 6, instant, line)
		p.buffer, p.packets = p.buffer[:0], p.packets[:0]
	}
}
