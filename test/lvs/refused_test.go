package lvs

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/linux/ipvs"
	"github.com/evenkeel/evenkeel/test/netns"
)

// refuses runs a director that must end by itself with a failure, and gives what it said.
func (n *node) refuses(conf string, wrapper ...string) string {
	n.t.Helper()
	n.write(conf)
	args := append(wrapper, programFile, "run", "-f", filepath.Join(n.dir, "keepalived.conf"), "--runtime-dir", n.dir)
	cmd := exec.Command(args[0], args[1:]...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	n.ns.Start(cmd)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() < 1 {
			n.t.Errorf("it ended with %v:\n%s", err, &out)
		}
	case <-time.After(patience):
		cmd.Process.Kill()
		<-ended
		n.t.Fatalf("it runs:\n%s", &out)
	}
	return out.String()
}

func lonely(t *testing.T, label string) *node {
	netns.Root(t)
	ns, other := netns.New(t, label), netns.New(t, "other")
	netns.Veth(t, ns, "eth0", other, "eth0")
	ns.Address("eth0", "192.168.160.131/24")
	return newNode(t, ns)
}

func says(t *testing.T, out string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(out, w) {
			t.Errorf("it does not say %q:\n%s", w, out)
		}
	}
}

// TestWithoutIPVS: a director that is to use a kernel's IPVS that is not there says what is missing, and so does
// one that needs it.
func TestWithoutIPVS(t *testing.T) {
	if ipvs.Available() {
		t.Log("this kernel has IPVS: only what our own plane refuses is looked at")
	}
	d := lonely(t, "d")
	if !ipvs.Available() {
		says(t, d.refuses("global_defs {\n    lvs_driver ipvs\n}\n"+alone), "no IP virtual server", "modprobe ip_vs",
			"CONFIG_IP_VS")
	}
	marked := strings.Replace(alone, "virtual_server 192.168.160.100 80", "virtual_server fwmark 3", 1)
	says(t, d.refuses("global_defs {\n    lvs_driver xdp\n}\n"+marked), "fwmark", "lvs_driver xdp", "lvs_driver ipvs")
	if !ipvs.Available() {
		says(t, d.refuses(marked), "mark", "lvs_driver ipvs")
	}
	// Nothing of it stands afterwards.
	if listing := d.must("ipvs", "-Ln"); strings.Contains(listing, "->  ") || strings.Contains(listing, "FWM") {
		t.Errorf("in the table:\n%s", listing)
	}
}

// TestWithoutPrivileges: without what our plane needs of the kernel, the director names it and the version that has it.
func TestWithoutPrivileges(t *testing.T) {
	d := lonely(t, "d")
	for _, c := range []struct {
		without string
		want    []string
	}{
		{"-bpf,-sys_admin", []string{"CAP_BPF", "Linux 5.17"}},
		{"-net_admin,-sys_admin", []string{"CAP_NET_ADMIN"}},
	} {
		wrapper := []string{"setpriv", "--bounding-set", c.without, "--inh-caps", c.without}
		out := d.refuses("global_defs {\n    lvs_driver xdp\n}\n"+alone, wrapper...)
		says(t, out, c.want...)
		d.leftNothing("a director without " + c.without)
		// To look where nothing is, and to take away, needs none of it.
		with := func(args ...string) string {
			t.Helper()
			return d.ns.Run(wrapper[0], append(append(wrapper[1:], programFile), args...)...)
		}
		if out := with("ipvs", "--driver", "xdp", "-Ln"); !strings.Contains(out, "RemoteAddress:Port") {
			t.Errorf("without %s the listing is:\n%s", c.without, out)
		}
		d.leftNothing("a listing without " + c.without)
		d.must("ipvs", "--driver", "xdp", "-A", "-t", vip+":80", "-s", "rr")
		if !strings.Contains(c.without, "-bpf") { // its clock is asked for by eBPF
			if out := with("ipvs", "-Ln"); !strings.Contains(out, vip+":80 rr") {
				t.Errorf("without %s the listing of a plane that is there is:\n%s", c.without, out)
			}
		}
		if strings.Contains(c.without, "-net_admin") { // what else purge does needs it
			d.must("purge", "--plane")
		} else {
			with("purge", "--plane")
		}
		d.leftNothing("taking it away without " + c.without)
	}
}

// leftNothing fails if something of our plane is pinned for the host.
func (n *node) leftNothing(by string) {
	n.t.Helper()
	var ns unix.Stat_t
	n.ns.Do(func() {
		if err := unix.Stat("/proc/thread-self/ns/net", &ns); err != nil {
			n.t.Fatal(err)
		}
	})
	pins, err := filepath.Glob(fmt.Sprintf("/sys/fs/bpf/evenkeel/%d/*", ns.Ino))
	if err != nil || len(pins) > 0 {
		n.t.Errorf("left behind by %s: %v, %v", by, pins, err)
	}
}

// TestOwnServer: a master that is the only real server of its service, and one that hands half of it on.
func TestOwnServer(t *testing.T) {
	s := newSite(t, "dr")
	own := &web{t: t, ns: s.d1.ns, name: "own", dir: t.TempDir()}
	own.start()
	conf := s.mastery() + "virtual_server " + vip +
		" 80 {\n    delay_loop 1\n    lb_algo rr\n    lb_kind DR\n    protocol TCP\n    real_server 192.168.160.131 " +
		"80 {\n" + quickly + "    }\n"
	s.d1.start(conf + "}\n")
	s.d1.master()
	eventually(t, patience, "the site serves", func() bool { return s.ask() == "own" })
	if got := s.shares(10); got["own"] != 10 {
		t.Errorf("by the master itself: %v", got)
	}
	listing := s.d1.must("ipvs", "-Ln")
	if !strings.Contains(listing, "192.168.160.131:80           Route   1 ") {
		t.Errorf("the table:\n%s", listing)
	}
	k := s.ticking()
	k.goesOn(t, "on the master")
	s.d1.reload(conf + "    real_server " + s.webs[0].addr + " 80 {\n" + quickly + "    }\n}\n")
	if got := s.shares(20); got["own"] != 10 || got["web1"] != 10 {
		t.Errorf("by the master and another: %v", got)
	}
	k.goesOn(t, "after the reload")
	own.stop()
	s.d1.dropped("192.168.160.131")
	if got := s.shares(10); got["web1"] != 10 {
		t.Errorf("with the master's own server stopped: %v", got)
	}
}

// TestCrossed: each director is master of one address and backup of the other; either takes both when the other dies.
func TestCrossed(t *testing.T) {
	const other = "192.168.160.101"
	s := newSite(t, "dr")
	for _, w := range s.webs {
		w.realserver("add", other)
	}
	second := func(text string) string {
		return strings.ReplaceAll(strings.ReplaceAll(text, vip, other), "VI_1", "VI_2")
	}
	conf := func(first, next int) string {
		service := s.service(80, "    lb_algo rr\n    lb_kind DR\n    protocol TCP\n", quickly)
		return s.election(first) + strings.Replace(second(s.election(next)), "virtual_router_id 51",
			"virtual_router_id 52", 1) + service + second(service)
	}
	one, two := conf(150, 100), conf(100, 150)
	s.d1.start(one)
	s.d2.start(two)
	holds := func(d *node, addr string) bool {
		return strings.Contains(d.ns.Run("ip", "-o", "addr", "show", "eth0"), addr+"/")
	}
	settled := func() bool {
		return holds(s.d1, vip) && !holds(s.d1, other) && holds(s.d2, other) && !holds(s.d2, vip)
	}
	eventually(t, patience, "each director has its address", settled)
	bothServe := func(when string) { t.Helper(); s.bothServe(other, when) }
	bothServe("with two masters")
	crossed := *s
	crossed.vip = other
	first, next := s.ticking(), crossed.ticking()
	s.d2.knows(first.conn)
	s.d1.knows(next.conn)
	s.d1.kill()
	eventually(t, patience, "the second has both", func() bool { return holds(s.d2, vip) && holds(s.d2, other) })
	first.goesOn(t, "through the second")
	next.goesOn(t, "beside it")
	bothServe("with one director")
	s.d1.start(one)
	eventually(t, patience, "each has its own again", settled)
	first.goesOn(t, "back on the first")
	next.goesOn(t, "as before")
	s.d1.knows(first.conn, next.conn)
	s.d2.kill()
	eventually(t, patience, "the first has both", func() bool { return holds(s.d1, vip) && holds(s.d1, other) })
	first.goesOn(t, "as before, alone")
	next.goesOn(t, "through the first")
	bothServe("with the peer")
}

// bothServe: both addresses are answered by the web servers in turns.
func (s *site) bothServe(other, when string) {
	s.t.Helper()
	for _, addr := range []string{vip, other} {
		there := *s
		there.vip = addr
		eventually(s.t, patience, addr+" serves "+when, func() bool { return there.ask() != "" })
		if got := there.shares(20); got["web1"] != 10 || got["web2"] != 10 {
			s.t.Errorf("%s, %s: %v", when, addr, got)
		}
	}
}
