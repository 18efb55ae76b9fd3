//go:build ipvsguest

package ipvs

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/test/netns"
)

// TestAAABesidePlane: where our own plane serves, listing and changing it without a word of the driver does not
// load ip_vs, and shows and changes what serves. It comes before what loads ip_vs.
func TestAAABesidePlane(t *testing.T) {
	n, m := netns.New(t, "plane"), netns.New(t, "peer")
	netns.Veth(t, n, "eth0", m, "eth0")
	n.Address("eth0", "10.9.0.1/24")
	if err := os.Symlink("/usr/bin/evenkeel", "/tmp/ipvsadm"); err != nil && !os.IsExist(err) {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		t.Helper()
		var out []byte
		var err error
		n.Do(func() { out, err = exec.Command(args[0], args[1:]...).CombinedOutput() })
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	loaded := func(when string) {
		t.Helper()
		if text, err := os.ReadFile("/proc/modules"); err != nil || strings.Contains(string(text), "ip_vs ") {
			t.Fatalf("ip_vs is loaded by %s: %v", when, err)
		}
	}
	loaded("something else")
	run("/usr/bin/evenkeel", "ipvs", "--driver", "xdp", "-A", "-t", "10.9.0.100:80", "-s", "rr")
	run("/usr/bin/evenkeel", "ipvs", "-a", "-t", "10.9.0.100:80", "-r", "10.9.0.2:80", "-g")
	loaded("adding a server")
	for _, args := range [][]string{{"/usr/bin/evenkeel", "ipvs", "-Ln"}, {"/tmp/ipvsadm", "-Ln"},
		{"/usr/bin/evenkeel", "ipvs", "-Sn"}} {
		if out := run(args...); !strings.Contains(out, "10.9.0.100:80") || !strings.Contains(out, "10.9.0.2:80") {
			t.Errorf("%v:\n%s", args, out)
		}
		loaded(strings.Join(args, " "))
	}
	// A director without a word of the driver goes on with it.
	conf, dir := absolute(t, "testdata/keepalived/nat.conf"), t.TempDir()
	p := start(t, n, "/usr/bin/evenkeel", "run", "-f", conf, "--runtime-dir", dir+"/run")
	for end := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		if out := run("/usr/bin/evenkeel", "ipvs", "-Ln"); strings.Contains(out, "10.9.1.11:") {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the director does not use it:\n%s", p.out.String())
		}
	}
	loaded("a director on auto")
	p.stop(t)
	run("/usr/bin/evenkeel", "purge", "--plane")
	loaded("taking the plane away")
}
