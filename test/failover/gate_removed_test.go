package failover

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestGateTakenAway: nobody takes the lease gate from a living director. A purge beside it is refused and changes
// nothing; filters that somebody else removes come back; and when the director then hangs, there is still one
// master.
func TestGateTakenAway(t *testing.T) {
	p := newPair(t, dialects[2], ours, ours, 200, 100)
	p.a.start()
	eventually(t, slack, "a has the address", func() bool { return p.a.has("10.9.0.100") })
	p.b.start()
	p.b.logged(slack, "evenkeel is running")
	eventually(t, slack, "b follows a", func() bool {
		return len(p.b.status().Instances) > 0 && p.b.status().Instances[0].Master != ""
	})
	guarded := func() bool {
		return strings.Contains(p.a.ns.Run("tc", "filter", "show", "dev", "eth0", "egress"), "evenkeel_gate") &&
			strings.Contains(p.a.ns.Run("tc", "filter", "show", "dev", "eth0", "ingress"), "evenkeel_gate")
	}
	var out []byte
	var err error
	p.a.ns.Do(func() { out, err = exec.Command(programFile, "purge").CombinedOutput() })
	if err == nil || !strings.Contains(string(out), "another director guards the addresses of this network namespace") {
		t.Errorf("purge beside a living director: %v\n%s", err, out)
	}
	if !p.a.has("10.9.0.100") || !guarded() {
		t.Fatal("the purge that was refused has taken something away")
	}
	p.a.ns.Run("tc", "filter", "del", "dev", "eth0", "egress")
	p.a.logged(slack, "the lease gate on eth0 was removed by someone else; it is back")
	p.a.ns.Run("tc", "qdisc", "del", "dev", "eth0", "clsact")
	eventually(t, slack, "the gate is back", guarded)
	w := p.watch(t)
	start := now()
	p.a.signal(syscall.SIGSTOP)
	eventually(t, slack, "b takes over", func() bool { return p.b.has("10.9.0.100") })
	time.Sleep(p.dialect.down(100)) // both would answer now
	if double, _ := w.totals(start, now()); double > 0 {
		t.Errorf("two masters for %v", double)
	}
	p.a.signal(syscall.SIGCONT)
}
