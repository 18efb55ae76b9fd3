package lvs

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/test/netns"
)

const (
	manyServices = 10000
	manyServers  = 10 // of each
)

// manyConf is an instance that holds an address and manyServices virtual servers with manyServers real servers
// each. weight is that of the first real server of each.
func manyConf(weight int) string {
	var b strings.Builder
	b.WriteString("vrrp_instance VI_1 {\n    interface eth0\n    virtual_router_id 51\n    version 3\n    advert_int " +
		"1\n    priority 100\n    virtual_ipaddress {\n        10.9.0.100/24\n    }\n}\n")
	for s := range manyServices {
		fmt.Fprintf(&b, "virtual_server 10.8.%d.%d 80 {\n    delay_loop 60\n    lb_algo wrr\n    lb_kind DR\n    "+
			"protocol TCP\n", s/250, s%250+1)
		for r := range manyServers {
			w := 1
			if r == 0 {
				w = weight
			}
			n := s*manyServers + r
			fmt.Fprintf(&b, "    real_server 10.%d.%d.%d 80 {\n        weight %d\n        TCP_CHECK {\n            "+
				"connect_timeout 30\n        }\n    }\n", 100+n>>16, n>>8&255, n&255, w)
		}
		b.WriteString("}\n")
	}
	return b.String()
}

// TestLimits loads and reloads 10 000 virtual servers with 100 000 real servers, all checked, while adverts must
// leave every second.
func TestLimits(t *testing.T) {
	netns.Root(t)
	a, b := netns.New(t, "many"), netns.New(t, "ear")
	netns.Veth(t, a, "eth0", b, "eth0")
	a.Address("eth0", "10.9.0.1/24")
	b.Address("eth0", "10.9.0.2/24")
	everyServer(t, a)
	d := newNode(t, a)
	started := time.Now()
	d.start(manyConf(1))
	eventually(t, 2*time.Minute, "the director runs", func() bool {
		return strings.Contains(d.log.String(), "evenkeel is running")
	})
	t.Logf("loaded %d virtual servers with %d real servers in %v", manyServices, manyServices*manyServers,
		time.Since(started).Round(time.Millisecond))
	if n := strings.Count(d.must("ipvs", "-Ln"), "->"); n != manyServices*manyServers+1 {
		t.Fatalf("%d lines with a server", n)
	}
	ear := listen(t, b)
	d.logged("Entering MASTER STATE")
	ear.reset()
	before := usageOf(t, d.cmd.Process.Pid)
	time.Sleep(10 * time.Second)
	after := usageOf(t, d.cmd.Process.Pid)
	t.Logf("at rest: %.1f %% of a core, %d MB", float64(after.cpu-before.cpu)/1e8, after.rss)
	t.Logf("adverts at rest: %d, the latest %v behind its time", ear.count(), ear.worst())

	ear.reset()
	started = time.Now()
	d.reload(manyConf(1))
	t.Logf("reload of the same: %v", time.Since(started).Round(time.Millisecond))
	started = time.Now()
	d.reload(manyConf(2))
	t.Logf("reload that changes %d weights: %v", manyServices, time.Since(started).Round(time.Millisecond))
	time.Sleep(time.Second)
	t.Logf("adverts meanwhile: %d, the latest %v behind its time; then %d MB", ear.count(), ear.worst(),
		usageOf(t, d.cmd.Process.Pid).rss)
	// A backup waits for three adverts and the skew, 0.6 s, before it takes over. How late they are in milliseconds
	// is a matter of what else the machine does: the figures above tell.
	if worst := ear.worst(); worst > 2600*time.Millisecond {
		t.Errorf("an advert was %v late", worst)
	}
	if strings.Contains(d.log.String(), "Entering BACKUP STATE") &&
		strings.Count(d.log.String(), "Entering MASTER STATE") > 1 {
		t.Error("mastership was lost")
	}
	if out := d.must("ipvs", "-Ln"); strings.Count(out, "Route   2") != manyServices {
		t.Errorf("%d servers have their new weight", strings.Count(out, "Route   2"))
	}
	d.stop()
}

// everyServer: every real server is this host itself, so that checks have somebody to talk to. The plane calls such
// destinations local.
func everyServer(t *testing.T, ns *netns.NS) {
	t.Helper()
	ns.Run("ip", "route", "add", "local", "10.100.0.0/14", "dev", "lo")
	var ln net.Listener
	ns.Do(func() {
		var err error
		if ln, err = net.Listen("tcp4", ":80"); err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
}

// ear hears adverts.
type ear struct {
	fd    int
	times chan time.Time
	seen  []time.Time
}

// listen opens an ear in a namespace.
func listen(t *testing.T, ns *netns.NS) *ear {
	e := &ear{times: make(chan time.Time, 10000)}
	ns.Do(func() {
		var err error
		if e.fd, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 112); err != nil {
			t.Fatal(err)
		}
		mreq := &unix.IPMreqn{Multiaddr: [4]byte{224, 0, 0, 18}, Ifindex: int32(ns.Index("eth0"))}
		if err := unix.SetsockoptIPMreqn(e.fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, mreq); err != nil {
			t.Fatal(err)
		}
		unix.SetsockoptInt(e.fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
	})
	t.Cleanup(func() { unix.Shutdown(e.fd, unix.SHUT_RDWR); unix.Close(e.fd) })
	go func() {
		b, oob := make([]byte, 2048), make([]byte, 512)
		for {
			n, m, _, _, err := unix.Recvmsg(e.fd, b, oob, 0)
			if err != nil {
				return
			}
			// The kernel's own stamp: this process may be late itself.
			msgs, err := unix.ParseSocketControlMessage(oob[:m])
			if n == 0 || err != nil || len(msgs) == 0 {
				continue
			}
			for _, c := range msgs {
				if c.Header.Type == unix.SCM_TIMESTAMPNS && len(c.Data) >= 16 {
					e.times <- time.Unix(int64(le(c.Data[:8])), int64(le(c.Data[8:16])))
				}
			}
		}
	}()
	return e
}

func le(b []byte) (v uint64) {
	for i := range 8 {
		v |= uint64(b[i]) << (8 * i)
	}
	return v
}

func (e *ear) gather() {
	for {
		select {
		case t := <-e.times:
			e.seen = append(e.seen, t)
		default:
			return
		}
	}
}

func (e *ear) reset() {
	e.gather()
	e.seen = nil
}

func (e *ear) count() int {
	e.gather()
	return len(e.seen)
}

// worst is the longest an advert came after its time, counted from the one before.
func (e *ear) worst() (worst time.Duration) {
	e.gather()
	for i := 1; i < len(e.seen); i++ {
		worst = max(worst, e.seen[i].Sub(e.seen[i-1])-time.Second)
	}
	return worst.Round(10 * time.Microsecond)
}

// usage is what a process has used.
type usage struct {
	cpu time.Duration
	rss int // MB
}

func usageOf(t *testing.T, pid int) usage {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	f := strings.Fields(rest)
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	pages, _ := strconv.Atoi(f[21])
	return usage{time.Duration(user+system) * 10 * time.Millisecond, pages * os.Getpagesize() >> 20}
}
