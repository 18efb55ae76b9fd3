package proxy

import (
	"flag"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/test/stall"
)

const pairOfServers = `
global
    maxconn 4000
    nbthread 2
    hard-stop-after 10s
defaults
    mode http
    timeout connect 2s
    timeout client 20s
    timeout server 20s
    retries 3
    option redispatch
frontend web
    bind *:80
    default_backend servers
backend servers
    balance roundrobin
    server one 10.9.0.50:8001 check inter 2s fastinter 200ms
    server two 10.9.0.50:8002 check inter 2s fastinter 200ms
`

const oneAddress = `
vrrp_instance VI_1 {
    state MASTER
    interface eth0
    virtual_router_id 51
    priority 100
    advert_int 1
    vrrp_version 3
    version 3
    virtual_ipaddress { 10.9.0.100/24 }
    track_proxy { web }
}
`

var reloads = flag.Int("reloads", 100, "how many reloads under load; `make test-long` does more")

// served is a node with two servers whose virtual address answers, at the url.
func served(t testing.TB, keepalived string) (n *node, url string) {
	n = newNode(t, pairOfServers, keepalived)
	n.startWeb("one", 8001)
	n.startWeb("two", 8002)
	n.start()
	url = "http://" + virtual + "/"
	eventually(t, "the address is served", func() bool { s, _, _ := n.get(url); return s == 200 })
	return n, url
}

// TestReloadsUnderLoad reloads again and again while clients ask: none of them notices, and the address stays.
func TestReloadsUnderLoad(t *testing.T) {
	n, url := served(t, strings.Replace(oneAddress, "    vrrp_version 3\n", "", 1))
	rate := 3000
	if testing.CoverMode() != "" || raceEnabled {
		rate = 500
	}
	l := n.startLoad(url, rate, 64)
	began := time.Now()
	workers := map[int]bool{}
	for i := range *reloads {
		if out, err := n.command("reload"); err != nil {
			t.Fatalf("reload %d: %v\n%s", i, err, out)
		}
		workers[n.worker()] = true
		time.Sleep(20 * time.Millisecond)
	}
	took := time.Since(began)
	result := l.end()
	t.Logf("%d reloads in %v, %d workers: %s (%.0f requests/s)", *reloads, took, len(workers), result,
		float64(l.asked.Load())/took.Seconds())
	if l.failed.Load() > 0 {
		t.Error("requests were lost")
	}
	if len(workers) != *reloads {
		t.Errorf("%d workers served after %d reloads", len(workers), *reloads)
	}
	out, err := n.command("show", "vrrp", "--json")
	if err != nil || !strings.Contains(out, `"become_master": 1,`) {
		t.Errorf("the address has moved: %v\n%s", err, out)
	}
}

// masters are files of one node that serves VI_1 throughout, while another MASTER comes, goes, is renamed and changes.
var masters = []string{
	oneInstance("VI_2", 52, "100", "10.9.0.101"),
	"",
	oneInstance("VI_3", 52, "100", "10.9.0.101"),
	oneInstance("VI_3", 52, "90", "10.9.0.101\n 10.9.0.102"),
	oneInstance("VI_3", 53, "100", "10.9.0.101"),
	oneInstance("VI_2", 52, "100", "10.9.0.101") + oneInstance("VI_3", 53, "100", "10.9.0.102"),
}

func oneInstance(name string, id int, priority, addresses string) string {
	return fmt.Sprintf("vrrp_instance %s {\n state MASTER\n interface eth0\n virtual_router_id %d\n priority %s\n "+
		"advert_int 0.1\n version 3\n virtual_ipaddress {\n %s\n }\n}\n",
		name, id, priority, addresses)
}

// TestReloadsOfMastersUnderLoad reloads sixty times under load, each time with another MASTER taken away, renamed,
// begun or changed beside the one whose address is asked: no request is lost, that address never moves, and after
// each reload the node has the addresses of its file and no other.
func TestReloadsOfMastersUnderLoad(t *testing.T) {
	first := strings.Replace(oneAddress, "    vrrp_version 3\n", "", 1)
	n, url := served(t, first)
	l := n.startLoad(url, 500, 32)
	for i := range 60 {
		more := masters[i%len(masters)]
		n.write("keepalived.conf", first+more)
		if out, err := n.command("reload"); err != nil {
			t.Fatalf("reload %d: %v\n%s", i, err, out)
		}
		eventually(t, fmt.Sprintf("the addresses of file %d", i%len(masters)), func() bool {
			have := n.ns.Run("ip", "-4", "-o", "address", "show", "dev", "eth0")
			for _, a := range []string{virtual, "10.9.0.101", "10.9.0.102"} {
				if strings.Contains(have, a) != strings.Contains(first+more, a) {
					return false
				}
			}
			return true
		})
	}
	result := l.end()
	t.Logf("60 reloads with other masters: %s", result)
	if l.failed.Load() > 0 {
		t.Error("requests were lost")
	}
	if log := n.log.String(); strings.Contains(log, "panic") || strings.Contains(log, "ALARM") {
		t.Errorf("the log:\n%s", tail(log))
	}
	out, err := n.command("show", "vrrp", "--json")
	if m := regexp.MustCompile(`(?s)"name": "VI_1".*?"become_master": (\d+)`).FindStringSubmatch(out); m == nil ||
		m[1] != "1" {
		t.Errorf("the address has moved: %v\n%s", err, out)
	}
}

// TestWorkerKilled: a worker that is killed under load is replaced, and the director never notices
// enough to give the address away when nothing tracks the proxy.
func TestWorkerKilled(t *testing.T) {
	const soon = time.Second // 16 to 37 ms on a quiet machine
	stall.Retry(t, 50*time.Millisecond, func() error {
		var worst time.Duration
		n := killWorkers(t, func(took time.Duration) {
			t.Logf("back after %v", took)
			worst = max(worst, took)
		})
		out, _ := n.command("show", "vrrp", "--json")
		if !strings.Contains(out, `"become_master": 1,`) {
			t.Errorf("the address has moved:\n%s", out)
		}
		if worst > soon {
			return fmt.Errorf("a killed worker was back after %v, not within %v", worst, soon)
		}
		return nil
	})
}

// BenchmarkWorkerKilled measures how long nobody serves when a worker is killed under load.
func BenchmarkWorkerKilled(b *testing.B) {
	for b.Loop() {
		var worst time.Duration
		killWorkers(b, func(took time.Duration) { worst = max(worst, took) })
		b.ReportMetric(float64(worst.Milliseconds()), "ms/worst")
	}
}

// killWorkers kills three workers of a node under load and tells when each is replaced.
func killWorkers(t testing.TB, back func(time.Duration)) *node {
	n, url := served(t, strings.NewReplacer("    vrrp_version 3\n", "", "    track_proxy { web }\n",
		"").Replace(oneAddress))
	l := n.startLoad(url, 500, 32)
	for range 3 {
		time.Sleep(1200 * time.Millisecond) // a worker that dies young is replaced later
		pid := n.running()
		if err := kill(pid); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		eventually(t, "another worker", func() bool { w := n.worker(); return w != 0 && w != pid })
		c := n.newClient(-1)
		eventually(t, "served again", func() bool {
			resp, err := c.Get(url)
			if err == nil {
				resp.Body.Close()
			}
			return err == nil
		})
		back(time.Since(began))
	}
	t.Log(l.end())
	return n
}
