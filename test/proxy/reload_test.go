package proxy

import (
	"flag"
	"fmt"
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

// TestReloadsUnderLoad reloads again and again while clients ask: none of them notices, and the address stays.
func TestReloadsUnderLoad(t *testing.T) {
	n := newNode(t, pairOfServers, strings.Replace(oneAddress, "    vrrp_version 3\n", "", 1))
	n.startWeb("one", 8001)
	n.startWeb("two", 8002)
	n.start()
	url := "http://" + virtual + "/"
	eventually(t, "the address is served", func() bool { s, _, _ := n.get(url); return s == 200 })
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
	t.Logf("%d reloads in %v, %d workers: %s (%.0f requests/s)", *reloads, took, len(workers), result, float64(l.asked.Load())/took.Seconds())
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
	n := newNode(t, pairOfServers, strings.NewReplacer("    vrrp_version 3\n", "", "    track_proxy { web }\n", "").Replace(oneAddress))
	n.startWeb("one", 8001)
	n.startWeb("two", 8002)
	n.start()
	url := "http://" + virtual + "/"
	eventually(t, "the address is served", func() bool { s, _, _ := n.get(url); return s == 200 })
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
