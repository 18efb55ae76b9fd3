package proxy

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"
)

const lossConfig = `
global
    maxconn 4000
    nbthread 1
defaults
    mode http
    retries 3
    option redispatch
    timeout connect 10s
    timeout client 30s
    timeout server 3s
frontend web
    bind *:80
    default_backend servers
backend servers
    balance roundrobin
    server one 10.9.0.50:8001 maxconn 2000 check inter 1s fastinter 300ms rise 2 fall 2
    server two 10.9.0.50:8002 maxconn 2000 check inter 1s fastinter 300ms rise 2 fall 2
`

// atOnce is how many requests are on their way at the same time, at most.
const atOnce = 24

// lose plays a web server's fault under load and gives how many requests were asked, how many failed, and how many
// of these either proxy may lose: those that came to the server while it had its fault, and those on their way as
// it began or ended.
func (n *node) lose(fault func(two *webServer), undo func(two *webServer), two *webServer) (asked, failed,
	allowed int64, detail string) {
	l := n.startLoad("http://"+nodeAddress+"/", 300, atOnce)
	time.Sleep(time.Second)
	late := two.late.Load()
	fault(two)
	time.Sleep(2500 * time.Millisecond)
	undo(two)
	time.Sleep(1500 * time.Millisecond)
	detail = l.end()
	allowed = two.late.Load() - late + atOnce
	return l.asked.Load(), l.failed.Load(), allowed, fmt.Sprintf("%s; %d with the server", detail, allowed)
}

// TestWebServerFaults: a web server that stops, or freezes, costs no request that was not with it, or no more than with
// haproxy in the same place.
func TestWebServerFaults(t *testing.T) {
	haproxy, err := exec.LookPath("haproxy")
	if err != nil {
		haproxy = "/usr/sbin/haproxy"
		if _, err := exec.LookPath(haproxy); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal("haproxy is not installed: run test/install-peers")
			}
			t.Skip("haproxy is not installed: run test/install-peers")
		}
	}
	type result struct{ asked, failed, allowed int64 }
	faults := []string{"stop", "freeze"}
	results := map[string]map[string]result{}
	for _, program := range []string{"haproxy", "evenkeel"} {
		n := newNode(t, lossConfig, "")
		n.startWeb("one", 8001)
		two := n.startWeb("two", 8002)
		if program == "haproxy" {
			n.cmd = exec.Command(haproxy, "-db", "-f", n.files[0])
			n.cmd.Stdout, n.cmd.Stderr = n.log, n.log
			n.ns.Start(n.cmd)
		} else {
			n.start()
		}
		eventually(t, "served", func() bool { s, _, _ := n.get("http://" + nodeAddress + "/"); return s == 200 })
		time.Sleep(time.Second) // the checks have their verdict
		results[program] = map[string]result{}
		for _, fault := range faults {
			do := func(w *webServer) { w.delay.Store(int64(10 * time.Second)) }
			undo := func(w *webServer) { w.delay.Store(0) }
			if fault == "stop" {
				do = func(w *webServer) { w.srv.Close() }
				undo = func(w *webServer) {
					var l net.Listener
					var err error
					n.outside.Do(func() { l, err = net.Listen("tcp", w.addr) })
					if err != nil {
						t.Fatal(err)
					}
					w.restart(l)
				}
			}
			asked, failed, allowed, detail := n.lose(do, undo, two)
			results[program][fault] = result{asked, failed, allowed}
			t.Logf("%s, a web server %ss: %s", program, fault, detail)
		}
	}
	for _, fault := range faults {
		theirs, ours := results["haproxy"][fault], results["evenkeel"][fault]
		// How many requests are with the server at that moment, and how often they come to it, is chance.
		if ours.failed > max(ours.allowed, theirs.failed+theirs.failed/5+5) {
			t.Errorf("a web server's %s lost %d of %d requests, and %d of %d with haproxy", fault, ours.failed,
				ours.asked, theirs.failed, theirs.asked)
		}
	}
}
