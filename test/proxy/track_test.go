package proxy

import (
	"strings"
	"testing"
	"time"
)

// TestTrackProxy ties an address to the proxy's health without a script: without a usable server, and without a
// worker, the node is not fit to hold it.
func TestTrackProxy(t *testing.T) {
	n := newNode(t, pairOfServers, strings.Replace(oneAddress, "    vrrp_version 3\n", "", 1))
	one, two := n.startWeb("one", 8001), n.startWeb("two", 8002)
	n.start()
	state := func(want string) func() bool {
		return func() bool {
			out, _ := n.command("show", "vrrp", "--json")
			return strings.Contains(out, `"state": "`+want+`"`)
		}
	}
	eventually(t, "master", state("MASTER"))
	one.srv.Close()
	eventually(t, "server one is down", func() bool { return strings.Contains(n.log.String(), "servers/one is DOWN") })
	time.Sleep(500 * time.Millisecond)
	if !state("MASTER")() {
		t.Error("one server of two cost the mastership")
	}
	two.srv.Close()
	eventually(t, "fault without servers", state("FAULT"))
	if out, _ := n.command("show", "vrrp"); !strings.Contains(out, "no usable server") {
		t.Errorf("the cause is not told:\n%s", out)
	}
	n.startWeb("one again", 8001)
	eventually(t, "master again", state("MASTER"))
	if err := kill(n.running()); err != nil {
		t.Fatal(err)
	}
	// which costs the mastership
	for _, line := range []string{"Proxy worker is gone", "the proxy's worker is not there"} {
		eventually(t, "in the log: "+line, func() bool { return strings.Contains(n.log.String(), line) })
	}
	eventually(t, "master with the next worker", state("MASTER"))
}
