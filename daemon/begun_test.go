package daemon

import (
	"io"
	"net/netip"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/test/netns"
)

// patience is how long a test here waits for what must happen.
const patience = 30 * time.Second

// inOwnNetwork runs the calling test again in a process with a network namespace of its own, and tells the
// one that runs there.
func inOwnNetwork(t *testing.T) bool {
	const mark = "EVENKEEL_TEST_ALONE"
	if os.Getenv(mark) == t.Name() {
		return true
	}
	netns.Root(t)
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), mark+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

// TestEngineBegunByReloadIsWatched: an election that a reload has begun ends; the director must not go on
// without it.
func TestEngineBegunByReloadIsWatched(t *testing.T) {
	if !inOwnNetwork(t) {
		return
	}
	// An instance without its interface is in fault, which is all that this needs.
	site := &config.Site{Instances: []*config.Instance{{Name: "V", Interface: "eth0", VRID: 7, Version: 3,
		Priority:       100,
		AdvertInterval: time.Second, DownAdverts: 3, McastGroup: netip.MustParseAddr("224.0.0.18"),
		Addresses: []config.Address{{Prefix: netip.MustParsePrefix("10.9.0.100/24")}}}}}
	d := newDirector(Options{Log: io.Discard,
		Load: func(bool) (*config.Site, *Inputs, []config.Diagnostic) { return site, nil, nil }})
	d.workers = &workers{log: d.log, health: d.proxyHealth}
	d.site = &config.Site{Proxying: &config.Proxying{}}
	d.forwarding.log = d.log
	ended := make(chan error)
	go func() {
		_, err := d.wait(nil)
		ended <- err
	}()
	if r := d.reload(false); !r.OK {
		t.Fatal(r.Error)
	}
	select {
	case err := <-ended:
		t.Fatalf("the director ended by itself: %v", err)
	default:
	}
	d.election().Close()
	select {
	case err := <-ended:
		if err != errEnded {
			t.Errorf("the director ended: %v", err)
		}
	case <-time.After(patience):
		t.Error("the director goes on without its election")
	}
}
