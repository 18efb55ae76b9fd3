package failover

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/linux/rawsock"
	"github.com/evenkeel/evenkeel/test/output"
	"github.com/evenkeel/evenkeel/vrrp"
)

// monitor collects what the kernel tells about addresses of a node.
func (p *pair) monitor(t *testing.T, n *node) func() string {
	var log output.Buffer
	cmd := exec.Command("ip", "monitor", "address")
	cmd.Stdout = &log
	n.ns.Start(cmd)
	time.Sleep(100 * time.Millisecond)
	return log.String
}

// TestMalformedAdverts sends a living backup everything a VRRP packet should not
// be. Nothing moves, each cause is counted, and each is logged once.
func TestMalformedAdverts(t *testing.T) {
	for _, version := range []int{2, 3} {
		t.Run(fmt.Sprintf("v%d", version), func(t *testing.T) { malformedAdverts(t, version) })
	}
}

func malformedAdverts(t *testing.T, version int) {
	t.Parallel()
	d := dialect{version: version, advert: time.Second}
	if version == 2 {
		d.pass = "1111"
	}
	p := newPair(t, d, ours, ours, 150, 100)
	p.a.conf = "global_defs {\n    log_unknown_vrids\n}\n" + p.a.conf
	p.b.start()
	p.a.start()
	p.master(t, p.a, 2*d.down(100)+slack)
	group := netip.MustParseAddr("224.0.0.18")
	src := netip.MustParseAddr("10.9.0.3")
	s := p.sender(t, group)
	defer s.Close()
	params := vrrp.Params{VRID: 51, Version: uint8(version), Interval: d.advert, AuthPass: d.pass,
		Addrs: []netip.Addr{netip.MustParseAddr("10.9.0.100")}}
	packets := malformed(params, src, group)
	for range 5 {
		for i, k := range packets {
			if err := s.Send(k.payload, src, group, k.ttl); err != nil {
				t.Fatalf("packet %d: %v", i, err)
			}
		}
		foreign := params
		foreign.VRID = 77
		s.Send(foreign.AppendAdvert(nil, 200, src, group), src, group, 255)
	}
	for _, n := range []*node{p.a, p.b} { // the last of them has been read
		eventually(t, slack, n.ns.Name+" has refused them all", func() bool {
			refused := n.status().Instances[0].Counters.Refused
			return refused[vrrp.BadTTL.String()] >= 10 && (version == 3 || refused[vrrp.BadInterval.String()] >= 5)
		})
	}
	p.master(t, p.a, slack)
	p.a.logged(slack, "virtual router 77")
	refusedOnce(t, p.a, version, 1) // it has log_unknown_vrids
	refusedOnce(t, p.b, version, 0)
}

// sender is a socket of the observer.
func (p *pair) sender(t *testing.T, group netip.Addr) *rawsock.VRRP {
	t.Helper()
	var s *rawsock.VRRP
	var err error
	p.observer.Do(func() {
		s, err = rawsock.OpenVRRP(rawsock.VRRPConfig{Ifindex: p.observer.Index("eth0"), Ifname: "eth0", Group: group})
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A packet is an advert with its TTL.
type packet struct {
	payload []byte
	ttl     int
}

// malformed are adverts that a router of these parameters refuses.
func malformed(params vrrp.Params, src, group netip.Addr) []packet {
	version := params.Version
	good := params.AppendAdvert(nil, 200, src, group)
	broken := func(change func(b []byte) []byte) []byte { return change(append([]byte(nil), good...)) }
	set := func(at int, v byte) []byte {
		return broken(func(b []byte) []byte { b[at] = v; return b })
	}
	packets := []packet{
		{good, 254}, // came through a router
		{set(0, 0x51), 255},
		{set(0, 0x01), 255},
		{set(0, version<<4|7), 255},
		{set(0, (5-version)<<4|1), 255},
		{set(3, 255), 255},
		{set(3, 0), 255},
		{set(6, good[6]+1), 255},
		{good[:9], 255},
		{good[:8], 255},
		{good[:7], 255},
		{good[:1], 255},
		{good[:len(good)-1], 255},
		{append(append([]byte(nil), good...), 0, 0, 0, 0, 0, 0, 0), 254},
	}
	if version == 2 {
		wrong := params
		wrong.AuthPass = "2222"
		none := params
		none.AuthPass = ""
		slow := params
		slow.Interval = 3 * time.Second
		packets = append(packets, packet{wrong.AppendAdvert(nil, 200, src, group), 255},
			packet{none.AppendAdvert(nil, 200, src, group), 255}, packet{slow.AppendAdvert(nil, 200, src, group), 255})
	}
	return packets
}

// refusedOnce: each cause is counted, and logged once; unknown is how often the foreign virtual router is.
func refusedOnce(t *testing.T, n *node, version, unknown int) {
	t.Helper()
	refused := n.status().Instances[0].Counters.Refused
	n.logged(slack, "too short") // of the first round, behind the other lines
	want := []vrrp.Reason{vrrp.BadTTL, vrrp.BadVersion, vrrp.BadLength}
	if version == 2 {
		want = append(want, vrrp.BadAuthType, vrrp.BadPassword, vrrp.BadInterval)
	} else {
		want = append(want, vrrp.BadType, vrrp.BadChecksum)
	}
	for _, reason := range want {
		if refused[reason.String()] == 0 {
			t.Errorf("%s: nothing refused because %v: %v", n.ns.Name, reason, refused)
		}
		if got := strings.Count(n.log.String(), "refused: "+reason.String()); got != 1 {
			t.Errorf("%s: %q logged %d times, not once", n.ns.Name, reason, got)
		}
	}
	if got := strings.Count(n.log.String(), "virtual router 77"); got != unknown {
		t.Errorf("%s: the foreign virtual router was logged %d times, not %d", n.ns.Name, got, unknown)
	}
	if got := strings.Count(n.log.String(), "too short"); got != 1 {
		t.Errorf("%s: short packets were logged %d times", n.ns.Name, got)
	}
}

// unhurried is what nodes speak whose every change of state counts: a short stall of
// the machine changes nothing.
var unhurried = dialect{version: 3, advert: time.Second}

// one starts a single node of ours with a configuration.
func one(t *testing.T, conf string) *pair {
	d := dialects[2]
	p := newPair(t, d, ours, ours, 150, 100)
	p.a.conf = conf
	p.a.start()
	return p
}

func withScript(t *testing.T, body, options string) string {
	path := filepath.Join(t.TempDir(), "check.sh")
	if body != "" {
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		// The default script user must be able to reach it.
		os.Chmod(filepath.Dir(path), 0o755)
		os.Chmod(filepath.Dir(filepath.Dir(path)), 0o755)
	}
	return fmt.Sprintf("vrrp_script chk {\n    script \"%s\"\n    interval 1\n    user root\n    %s\n}\n%s", path,
		options,
		dialects[2].conf(1, 150, "track_script {", "    chk", "}"))
}

// TestScripts runs check scripts that are missing, hang, fork, fail and recover.
func TestScripts(t *testing.T) {
	t.Run("missing", func(t *testing.T) {
		t.Parallel()
		p := one(t, withScript(t, "", ""))
		p.a.logged(slack, "does not exist")
		p.a.logged(slack, "Entering FAULT STATE")
		time.Sleep(2500 * time.Millisecond)
		if n := strings.Count(p.a.log.String(), "Script `chk` cannot be run"); n != 1 {
			t.Errorf("the missing script was reported %d times while running", n)
		}
	})
	t.Run("not secure", func(t *testing.T) {
		t.Parallel()
		conf := withScript(t, "exit 0", "")
		path := strings.Split(conf, "\"")[1]
		os.Chmod(path, 0o777)
		p := one(t, "global_defs {\n    enable_script_security\n}\n"+conf)
		p.a.logged(slack, "is not secure")
		p.a.logged(slack, "Entering FAULT STATE")
	})
	t.Run("hangs", func(t *testing.T) {
		t.Parallel()
		p := one(t, withScript(t, "trap '' TERM; sleep 1000 & wait; sleep 1000", "timeout 1"))
		p.a.logged(slack, "took too long")
		p.a.logged(slack, "Entering FAULT STATE")
	})
	t.Run("forks", func(t *testing.T) {
		t.Parallel()
		pids := filepath.Join(t.TempDir(), "pids")
		p := one(t, withScript(t, "sleep 1000 >/dev/null 2>&1 &\necho $! >> "+pids+"\nexit 0", ""))
		p.master(t, p.a, slack)
		eventually(t, slack, "a script that leaves a child behind and succeeds is up", func() bool {
			return p.a.status().Instances[0].Trackers[0].State == "up"
		})
		p.a.stop()
		left, _ := os.ReadFile(pids)
		for _, pid := range strings.Fields(string(left)) {
			exec.Command("kill", pid).Run()
		}
	})
}

// TestScriptsThatChange: a script that begins to fail moves mastership or priority, and back when it recovers.
func TestScriptsThatChange(t *testing.T) {
	t.Run("fails and recovers", func(t *testing.T) {
		t.Parallel()
		flag := filepath.Join(t.TempDir(), "bad")
		p := one(t, withScript(t, "test ! -e "+flag, "fall 2\n    rise 2"))
		p.b.start()
		p.master(t, p.a, slack)
		os.WriteFile(flag, nil, 0o644)
		p.a.logged(slack, "now returning 1")
		p.master(t, p.b, slack)
		os.Remove(flag)
		p.master(t, p.a, slack)
	})
	t.Run("moves priority", func(t *testing.T) {
		t.Parallel()
		flag := filepath.Join(t.TempDir(), "bad")
		p := one(t, strings.Replace(withScript(t, "test ! -e "+flag, "weight -60"), "fall", "fall", 1))
		p.b.start()
		p.master(t, p.a, slack)
		os.WriteFile(flag, nil, 0o644)
		p.a.logged(slack, "Changing effective priority from 150 to 90")
		p.master(t, p.b, slack)
		os.Remove(flag)
		p.master(t, p.a, slack)
	})
}

// TestNotify checks order and completeness of notify scripts over quick changes.
func TestNotify(t *testing.T) {
	t.Parallel()
	d := unhurried
	out := filepath.Join(t.TempDir(), "out")
	script := filepath.Join(t.TempDir(), "notify.sh")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nsleep 0.05\necho \"$@\" >> "+out+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	p := one(t, "global_defs {\n    script_user root\n}\n"+d.conf(1, 150,
		fmt.Sprintf("notify_master \"%s master\"", script), fmt.Sprintf("notify_backup \"%s backup\"", script),
		fmt.Sprintf("notify_fault \"%s fault\"", script), fmt.Sprintf("notify_stop \"%s stop\"", script),
		fmt.Sprintf("notify \"%s\"", script)))
	p.master(t, p.a, slack)
	p.sw.Unplug(0)
	p.a.logged(slack, "Entering FAULT STATE")
	p.sw.Plug(0)
	eventually(t, slack, "master again", func() bool { return strings.Count(p.a.log.String(), "Entering MASTER") == 2 })
	p.a.stop()
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, state := range []string{"backup", "master", "fault", "backup", "master", "stop"} {
		want = append(want, state, "INSTANCE VI_1 "+strings.ToUpper(state)+" 150")
	}
	if got := strings.TrimSpace(string(b)); got != strings.Join(want, "\n") {
		t.Errorf("notify scripts ran as\n%s\nnot as\n%s", got, strings.Join(want, "\n"))
	}
}

// TestInterfaces: absent at the start, vanishing, returning; the address removed by hand.
func TestInterfaces(t *testing.T) {
	t.Run("absent", func(t *testing.T) {
		t.Parallel()
		p := one(t, strings.Replace(dialects[2].conf(1, 150), "eth0", "eth7", 1))
		p.a.logged(slack, "interface eth7 does not exist")
		p.a.ns.Run("ip", "link", "set", "eth0", "down")
		p.a.ns.Run("ip", "link", "set", "eth0", "name", "eth7")
		p.a.ns.Run("ip", "link", "set", "eth7", "up")
		p.master(t, p.a, slack)
	})
	t.Run("vanishes and returns", func(t *testing.T) {
		t.Parallel()
		p := one(t, strings.Replace(dialects[2].conf(1, 150), "eth0", "mv0", 1))
		appear := func() {
			p.a.ns.Run("ip", "link", "add", "mv0", "link", "eth0", "type", "macvlan", "mode", "bridge")
			p.a.ns.Run("ip", "addr", "add", "10.9.0.11/24", "dev", "mv0")
			p.a.ns.Run("ip", "link", "set", "mv0", "up")
		}
		appear()
		p.master(t, p.a, slack)
		p.a.ns.Run("ip", "link", "del", "mv0")
		p.a.logged(slack, "Entering FAULT STATE")
		appear()
		p.master(t, p.a, slack)
	})
	t.Run("address removed by hand", func(t *testing.T) {
		t.Parallel()
		p := one(t, unhurried.conf(1, 150))
		p.b.write(unhurried.conf(2, 100))
		p.b.start()
		p.master(t, p.a, slack)
		p.a.ns.Run("ip", "addr", "del", "10.9.0.100/24", "dev", "eth0")
		p.a.logged(slack, "putting it back")
		p.master(t, p.a, slack)
		if n := strings.Count(p.b.log.String(), "Entering MASTER"); n > 1 {
			t.Errorf("the backup became master %d times", n)
		}
		eventually(t, slack, "it yields: someone means it", func() bool {
			p.a.ns.Do(func() { exec.Command("ip", "addr", "del", "10.9.0.100/24", "dev", "eth0").Run() })
			return strings.Contains(p.a.log.String(), "removed again and again")
		})
	})
}

// TestRefusals: what cannot run says why in one message and ends with status 1.
func TestRefusals(t *testing.T) {
	p := newPair(t, dialects[2], ours, ours, 150, 100)
	run := func(args ...string) string {
		cmd := exec.Command(args[0], args[1:]...)
		var out []byte
		var err error
		p.a.ns.Do(func() { out, err = cmd.CombinedOutput() })
		if err == nil {
			t.Errorf("%v succeeded", args)
		}
		return string(out)
	}
	dir := t.TempDir()
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"absent file", []string{programFile, "run", "-f", filepath.Join(dir, "absent.conf"), "--runtime-dir", dir},
			"absent.conf: no such file"},
		{"directory", []string{programFile, "run", "-f", dir, "--runtime-dir", dir}, "is a directory"},
	} {
		if out := run(c.args...); !strings.Contains(out, c.want) {
			t.Errorf("%s: no %q in\n%s", c.name, c.want, out)
		}
	}
	p.a.write(p.a.conf)
	conf := filepath.Join(dir, "k.conf")
	os.WriteFile(conf, []byte(p.a.conf), 0o644)
	program := filepath.Join(dir, "evenkeel")
	b, _ := os.ReadFile(programFile)
	os.WriteFile(program, b, 0o755)
	os.Chmod(filepath.Dir(dir), 0o755)
	os.Chmod(dir, 0o755)
	if err := os.Mkdir(filepath.Join(dir, "rt"), 0o755); err != nil {
		t.Fatal(err)
	}
	os.Chown(filepath.Join(dir, "rt"), 65534, 65534)
	out := run("setpriv", "--reuid=65534", "--clear-groups", "--inh-caps=-all", program, "run", "-f", conf,
		"--runtime-dir", filepath.Join(dir, "rt"))
	if !strings.Contains(out, "CAP_NET_ADMIN") {
		t.Errorf("without capabilities the reason should name them:\n%s", out)
	}
	p.a.start()
	p.a.logged(slack, "evenkeel is running")
	if out := run(programFile, "run", "-f", conf, "--runtime-dir", p.a.dir); !strings.Contains(out,
		"another director") {
		t.Errorf("a second director:\n%s", out)
	}
	if out := run(programFile, "show", "vrrp", "--runtime-dir", dir); !strings.Contains(out, "no director runs") {
		t.Errorf("show without a director:\n%s", out)
	}
}

// TestRestartReclaims kills a master, restarts it with another configuration, and
// expects nothing of the old one on the machine.
func TestRestartReclaims(t *testing.T) {
	t.Parallel()
	p := one(t, dialects[2].conf(1, 150))
	p.master(t, p.a, slack)
	p.a.kill()
	if !p.a.has("10.9.0.100") {
		t.Fatal("the crashed director took its address along")
	}
	p.a.conf = strings.ReplaceAll(dialects[2].conf(1, 150), "10.9.0.100", "10.9.0.101")
	p.a.start()
	eventually(t, slack, "the old address is gone and the new one set", func() bool {
		return !p.a.has("10.9.0.100") && p.a.has("10.9.0.101")
	})
	p.a.kill()
	var out []byte
	var err error
	p.a.ns.Do(func() { out, err = exec.Command(programFile, "purge").CombinedOutput() })
	if err != nil || p.a.has("10.9.0.101") {
		t.Errorf("purge: %v\n%s", err, out)
	}
}

// TestClientOfTheOther: a closed gate never keeps a node from using the address
// while another node holds it.
func TestClientOfTheOther(t *testing.T) {
	t.Parallel()
	p := newPair(t, dialects[2], ours, ours, 150, 100)
	p.a.start()
	p.b.start()
	p.master(t, p.a, slack)
	p.b.ns.Run("ping", "-c1", "-w30", "10.9.0.100")
	p.a.signal(syscall.SIGSTOP)
	eventually(t, slack, "takeover", func() bool { return p.b.has("10.9.0.100") })
	p.observer.Run("ping", "-c1", "-w30", "10.9.0.100")
	p.a.signal(syscall.SIGCONT)
}
