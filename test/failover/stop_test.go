package failover

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// clean fails unless a node carries nothing of a director: no address, no gate on
// any interface, no nft table, and a lock that another run can take.
func (n *node) clean(t testing.TB, vips ...string) {
	t.Helper()
	for _, vip := range vips {
		if n.has(vip) {
			t.Errorf("%s is still set after a stop", vip)
		}
	}
	for _, direction := range []string{"ingress", "egress"} {
		if out := n.ns.Run("tc", "filter", "show", "dev", "eth0", direction); strings.Contains(out, "bpf") {
			t.Errorf("a gate is left on eth0 after a stop:\n%s", out)
		}
	}
	if out := n.ns.Run("nft", "list", "tables"); strings.TrimSpace(out) != "" {
		t.Errorf("an nft table is left after a stop:\n%s", out)
	}
}

// TestStopAnyTime stops a director at any moment of its first second, in which it
// starts, waits, claims and becomes master. It always ends with status 0 and
// leaves nothing, and another run can begin at once.
func TestStopAnyTime(t *testing.T) {
	t.Parallel()
	d := dialects[2]
	p := newPair(t, d, ours, ours, 150, 100)
	moments := []time.Duration{0, 5, 10, 20, 30, 50, 100}
	for at := d.down(150) - 4*time.Millisecond; at < d.down(150)+24*time.Millisecond; at += 2 * time.Millisecond {
		moments = append(moments, at/time.Millisecond) // around the claim
	}
	for _, ms := range moments {
		earlier := len(p.a.log.String())
		p.a.start()
		time.Sleep(ms*time.Millisecond + rand.N(time.Millisecond))
		p.a.cmd.Process.Signal(syscall.SIGTERM)
		status := p.a.ended(10 * time.Second)
		// Before the first instruction of ours the signal has its default meaning.
		if began := strings.Contains(p.a.log.String()[earlier:], "lease gate"); status != 0 && (began || status != -1) {
			t.Errorf("stopped after %d ms: status %d", ms, status)
		}
		p.a.clean(t, d.vip())
	}
	p.a.start()
	p.master(t, p.a, slack)
}

// TestStopTwice sends SIGTERM again while notify scripts of the first one run:
// the address goes at once, the scripts are waited for.
func TestStopTwice(t *testing.T) {
	t.Parallel()
	d := unhurried
	out := filepath.Join(t.TempDir(), "out")
	script := filepath.Join(t.TempDir(), "notify.sh")
	release := filepath.Join(t.TempDir(), "release")
	text := "#!/bin/sh\ntest $3 != STOP || until test -e " + release + "; do sleep 0.05; done\necho \"$@\" >> " + out +
		"\n"
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	p := newPair(t, d, ours, ours, 150, 100)
	p.b.conf = d.conf(2, 100)
	p.a.conf = "global_defs {\n    script_user root\n}\n" + d.conf(1, 150, fmt.Sprintf("notify \"%s\"", script))
	p.b.start()
	p.a.start()
	p.master(t, p.a, slack)
	p.a.cmd.Process.Signal(syscall.SIGTERM)
	time.Sleep(50 * time.Millisecond)
	p.a.cmd.Process.Signal(syscall.SIGTERM)
	p.a.cmd.Process.Signal(syscall.SIGINT)
	p.a.cmd.Process.Signal(syscall.SIGHUP)
	p.master(t, p.b, d.down(100)+slack) // the script still waits
	p.b.logged(slack, "BACKUP -> MASTER: the master resigned (priority 0)")
	if err := os.WriteFile(release, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if status := p.a.ended(20 * time.Second); status != 0 {
		t.Errorf("status %d", status)
	}
	b, _ := os.ReadFile(out)
	if want := "INSTANCE VI_1 BACKUP 150\nINSTANCE VI_1 MASTER 150\nINSTANCE VI_1 STOP 150\n"; string(b) != want {
		t.Errorf("the scripts ran as\n%s\nnot as\n%s", b, want)
	}
	p.a.clean(t, d.vip())
}

// TestStopWithHangingScript: a check script that ignores everything does not
// outlive the director, nor keep it.
func TestStopWithHangingScript(t *testing.T) {
	t.Parallel()
	d := dialects[2]
	pid := filepath.Join(t.TempDir(), "pid")
	p := one(t, withScript(t, "echo $$ > "+pid+"\ntrap '' TERM INT HUP\nwhile :; do sleep 0.2; done",
		"timeout 600\n    weight 10"))
	eventually(t, slack, "the script runs", func() bool { b, err := os.ReadFile(pid); return err == nil && len(b) > 0 })
	p.master(t, p.a, slack)
	at := time.Now()
	p.a.stop()
	t.Logf("it took %v", time.Since(at).Round(time.Millisecond))
	b, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	script := strings.TrimSpace(string(b))
	t.Cleanup(func() {
		if t.Failed() {
			exec.Command("kill", "-9", script).Run()
		}
	})
	eventually(t, slack, "the script is gone", func() bool {
		stat, err := os.ReadFile("/proc/" + script + "/stat")
		return err != nil || strings.Contains(string(stat), ") Z ")
	})
	p.a.clean(t, d.vip())
}
