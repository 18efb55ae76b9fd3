package failover

import (
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"
)

// open lists what a process has open.
func open(t testing.TB, pid int) map[string]int {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{"all": len(entries)}
	for _, e := range entries {
		to, _ := os.Readlink(dir + "/" + e.Name())
		for i := range to {
			if to[i] == '[' { // socket:[123]
				to = to[:i]
				break
			}
		}
		kinds[to]++
	}
	return kinds
}

// TestLeaks reloads 200 times, with every kind of edit, and moves the address
// between: descriptors and memory stay what they were.
func TestLeaks(t *testing.T) {
	if testing.Short() {
		t.Skip("200 reloads")
	}
	t.Parallel()
	d := dialect{version: 3, advert: 500 * time.Millisecond}
	p := newPair(t, d, ours, ours, 150, 100)
	p.b.conf = edit{priority: 100}.conf()
	p.a.conf = edits[0].conf()
	p.b.start()
	p.a.start()
	p.master(t, p.a, 2*d.down(100)+slack)
	pid := p.a.cmd.Process.Pid
	round := func(n int) {
		for i := range n {
			p.a.write(edits[(i*7)%len(edits)].conf())
			if out, err := p.a.evenkeel("reload"); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if i%20 == 0 {
				p.a.write("nonsense\n")
				p.a.evenkeel("reload")
			}
			if i%40 == 0 { // lose it, win it back: probes, addresses
				p.a.write(edit{priority: 50}.conf())
				p.a.evenkeel("reload")
				p.master(t, p.b, 3*d.down(50)+slack)
				p.a.write(edits[0].conf())
				p.a.evenkeel("reload")
				p.master(t, p.a, 3*d.down(50)+slack)
			}
		}
		p.a.write(edits[0].conf())
		if out, err := p.a.evenkeel("reload"); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		p.a.signal(syscall.SIGUSR1)
		time.Sleep(2 * time.Second) // scripts end, sockets close
	}
	round(40)
	before, used := open(t, pid), usageOf(t, pid)
	round(200)
	after, later := open(t, pid), usageOf(t, pid)
	for limit := time.Now().Add(slack); after["all"] > before["all"]+2 &&
		time.Now().Before(limit); after = open(t, pid) {
		time.Sleep(100 * time.Millisecond) // a script may run still
	}
	t.Logf("%d descriptors and %d MB, then %d and %d MB", before["all"], used.rss, after["all"], later.rss)
	if after["all"] > before["all"]+2 { // one may be on its way
		t.Errorf("descriptors grew from %v to %v", before, after)
	}
	// The heap settles at about twice its first size; 100 kB lost by each reload would be 20 MB.
	if later.rss > used.rss+16 {
		t.Errorf("memory grew from %d to %d MB", used.rss, later.rss)
	}
}
