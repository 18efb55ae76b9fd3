//go:build ipvsguest

package ipvs

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/linux/ipvs"
	"github.com/evenkeel/evenkeel/lvs/table"
	"github.com/evenkeel/evenkeel/test/netns"
	"github.com/google/go-cmp/cmp"
)

// TestKeepalived: of one configuration Debian's keepalived and evenkeel make the same table.
func TestKeepalived(t *testing.T) {
	files, err := filepath.Glob("testdata/keepalived/*.conf")
	if err != nil || len(files) < 8 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".conf"), func(t *testing.T) {
			t.Parallel()
			conf, dir := absolute(t, file), t.TempDir()
			n, o := host(t, "keepalived"), host(t, "evenkeel")
			keepalived := start(t, n, "/usr/sbin/keepalived", "--check", "--dont-fork", "--log-console", "--no-syslog",
				"--use-file="+conf,
				"--pid="+dir+"/pid", "--checkers_pid="+dir+"/checkers")
			evenkeel := start(t, o, "/usr/bin/evenkeel", "run", "-f", conf, "--runtime-dir", dir+"/run")
			theirs, ours := settled(t, open(t, n), open(t, o))
			keepalived.stop(t)
			evenkeel.stop(t)
			if len(theirs) == 0 {
				t.Fatalf("keepalived made no table:\n%s", keepalived.out.String())
			}
			if diff := cmp.Diff(theirs, ours, equal); diff != "" {
				t.Errorf("(- keepalived, + evenkeel): %s\nkeepalived: %s\nevenkeel: %s", diff, keepalived.out.String(),
					evenkeel.out.String())
			}
		})
	}
}

// host is a director with the web server that some of the configurations check.
func host(t *testing.T, label string) *netns.NS {
	t.Helper()
	n, m := netns.New(t, label), netns.New(t, "peer")
	netns.Veth(t, n, "eth0", m, "eth0")
	n.Address("eth0", "10.9.0.1/24")
	serve(t, n, "127.0.0.1:8080", "local")
	return n
}

func absolute(t *testing.T, file string) string {
	t.Helper()
	path, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// A process with what it printed.
type process struct {
	cmd *exec.Cmd
	out bytes.Buffer
}

func start(t *testing.T, n *netns.NS, name string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(name, args...)}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	p.cmd.Env = os.Environ()
	n.Start(p.cmd)
	return p
}

// stop asks it to end and waits until it has.
func (p *process) stop(t *testing.T) {
	t.Helper()
	p.cmd.Process.Signal(syscall.SIGTERM)
	done := make(chan error, 1)
	go func() { done <- p.cmd.Wait() }()
	select {
	case <-done:
	case <-time.After(patience):
		p.cmd.Process.Kill()
		<-done
		t.Errorf("%s did not end in %v", p.cmd.Path, patience)
	}
}

// settled waits for two tables that are the same for four seconds, which is a few checks' time. That one is still
// on its way there when the other has arrived is no difference, however long it takes.
func settled(t *testing.T, d, e *ipvs.Driver) (theirs, ours []table.ServiceState) {
	t.Helper()
	same := 0
	for end := time.Now().Add(6 * patience); same < 40 && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		theirs, ours = bare(state(t, d)), bare(state(t, e))
		same++
		if len(theirs) == 0 || !cmp.Equal(theirs, ours, equal) {
			same = 0
		}
	}
	return theirs, ours
}

// bare leaves out what traffic makes of a table.
func bare(all []table.ServiceState) []table.ServiceState {
	for i := range all {
		all[i] = table.ServiceState{Service: all[i].Service, Destinations: all[i].Destinations}
		for j, d := range all[i].Destinations {
			all[i].Destinations[j] = table.DestinationState{Destination: d.Destination}
		}
	}
	return all
}
