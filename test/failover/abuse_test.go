package failover

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/failover"
)

// TestDump writes the status on SIGUSR1, readable for its owner only.
func TestDump(t *testing.T) {
	t.Parallel()
	p := one(t, dialects[2].conf(1, 150))
	p.master(t, p.a, slack)
	file := filepath.Join(p.a.dir, "evenkeel.data")
	for range 2 { // a second one replaces the first
		os.Remove(file)
		p.a.signal(syscall.SIGUSR1)
		eventually(t, slack, "a dump", func() bool { _, err := os.Stat(file); return err == nil })
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("the dump has mode %v", info.Mode())
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var s failover.Status
		if err := json.Unmarshal(b, &s); err != nil || len(s.Instances) != 1 || s.Instances[0].State != "MASTER" {
			t.Errorf("the dump says %v %s", err, b)
		}
	}
	// A link in its place is replaced, not followed.
	victim := filepath.Join(t.TempDir(), "victim")
	if err := os.WriteFile(victim, []byte("untouched"), 0o644); err != nil {
		t.Fatal(err)
	}
	os.Remove(file)
	for _, name := range []string{"evenkeel.data", "evenkeel.data.new"} {
		if err := os.Symlink(victim, filepath.Join(p.a.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	p.a.signal(syscall.SIGUSR1)
	eventually(t, slack, "a dump in place of the link", func() bool {
		info, err := os.Lstat(file)
		return err == nil && info.Mode().IsRegular()
	})
	if b, _ := os.ReadFile(victim); string(b) != "untouched" {
		t.Error("the dump went through a link")
	}
}

// calm measures how late one node's adverts are from here until the returned
// function is called.
func (p *pair) calm(t *testing.T, n *node) func() {
	// The director's thread has precedence, but our own switch and tap, through which adverts go, have not.
	from, director, others := time.Now(), stalls(t, true), stalls(t, false)
	return func() {
		t.Helper()
		worst, count := p.lateness(p.port(n), from, p.dialect.advert)
		stalled := director() + others()
		t.Logf("%d adverts, the latest %v behind its beat; the machine stalled for %v", count, worst, stalled)
		if worst > hung+stalled {
			t.Errorf("an advert was %v late", worst)
		}
		p.master(t, n, slack)
	}
}

// answerOn is all that comes on a connection.
func answerOn(c net.Conn) string {
	var b strings.Builder
	buf := make([]byte, 1<<16)
	for {
		n, err := c.Read(buf)
		b.Write(buf[:n])
		if err != nil {
			return b.String()
		}
	}
}

// TestControlSocketAbuse: whatever clients of the control socket do, adverts keep
// their interval and well-behaved clients are answered.
func TestControlSocketAbuse(t *testing.T) {
	t.Parallel()
	p := newPair(t, dialects[2], ours, ours, 150, 100)
	p.b.start()
	p.a.start()
	p.master(t, p.a, slack)
	path := filepath.Join(p.a.dir, "control.sock")
	dial := func() net.Conn {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(3 * slack))
		return c
	}
	check := p.calm(t, p.a)
	for request, want := range map[string]string{
		"garbage\n":                  "not JSON",
		"\x00\xff\xfe\n":             "not JSON",
		"[]\n":                       "not JSON",
		`{"command":1}` + "\n":       "not JSON",
		`{"command":"dance"}` + "\n": "unknown command",
		"{}\n":                       "unknown command",
		`{"command":"` + strings.Repeat("x", 1<<20): "longer than",
		strings.Repeat("[", 1<<15):                  "not JSON",
	} {
		c := dial()
		go func() {
			c.Write([]byte(request))
			c.(*net.UnixConn).CloseWrite()
		}()
		if got := answerOn(c); !strings.Contains(got, want) {
			t.Errorf("%.20q was answered with %.200q, without %q", request, got, want)
		}
	}
	for range 100 { // clients that say nothing, or ask and never read
		dial()
		dial().Write([]byte(`{"command":"status"}` + "\n"))
	}
	crowd(t, p.a, path)
	time.Sleep(10 * p.dialect.advert)
	p.a.status()
	check()
}

// crowd has 100 clients ask at once, and 10 reload.
func crowd(t *testing.T, n *node, path string) {
	t.Helper()
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			c, err := net.Dial("unix", path)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(3 * slack))
			fmt.Fprintln(c, `{"command":"status"}`)
			if got := answerOn(c); !strings.Contains(got, `"ok":true`) {
				t.Errorf("one of 100 clients was answered %.200q", got)
			}
		})
	}
	for range 10 {
		all.Go(func() {
			if out, err := n.evenkeel("reload"); err != nil {
				t.Errorf("one of 10 reloads at once: %v\n%s", err, out)
			}
		})
	}
	all.Wait()
}

// TestUnreadableLog: a reader of our log that stops reading costs lines, never an
// advert or the address.
func TestUnreadableLog(t *testing.T) {
	t.Parallel()
	p := newPair(t, dialects[2], ours, ours, 150, 100)
	p.b.start()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, 4096); err != nil {
		t.Fatal(err)
	}
	p.a.output = w
	p.a.start()
	w.Close()
	p.master(t, p.a, slack)
	check := p.calm(t, p.a)
	for i := range 300 { // several lines each: pipe and buffer overflow
		p.a.write(strings.Replace(p.a.conf, "virtual_router_id 51",
			fmt.Sprintf("virtual_router_id 51\n    garp_master_refresh %d", 10+i%2), 1))
		if out, err := p.a.evenkeel("reload"); err != nil {
			t.Fatalf("reload: %v\n%s", err, out)
		}
		p.a.write(strings.Replace(p.a.conf, fmt.Sprintf("\n    garp_master_refresh %d", 10+i%2), "", 1))
	}
	check()
	// It still stops in order, and does not wait for the reader for ever.
	p.a.stop()
	p.master(t, p.b, slack)
}

// TestLogReaderDies: so may it; the director goes on.
func TestLogReaderDies(t *testing.T) {
	t.Parallel()
	p := newPair(t, dialects[2], ours, ours, 150, 100)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.a.output = w
	p.a.start()
	w.Close()
	p.master(t, p.a, slack)
	r.Close()
	check := p.calm(t, p.a)
	for range 3 {
		if out, err := p.a.evenkeel("reload"); err != nil {
			t.Fatalf("reload: %v\n%s", err, out)
		}
	}
	time.Sleep(5 * p.dialect.advert)
	check()
	p.a.stop()
	if p.a.has(p.dialect.vip()) {
		t.Error("the address is still set after an orderly stop")
	}
}
