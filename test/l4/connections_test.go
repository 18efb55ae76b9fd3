package l4

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/evenkeel/evenkeel/linux/xdp"
	"github.com/evenkeel/evenkeel/lvs/table"
	"github.com/evenkeel/evenkeel/test/course"
	"github.com/evenkeel/evenkeel/test/netns"
	"golang.org/x/sys/unix"
)

var (
	turns   = flag.Int("turns", 3, "how often each way's connections are measured; the median counts")
	each    = flag.Duration("each", 2*time.Second, "length of one measurement of connections")
	ways    = flag.String("ways", "", "measure only the ways that match this regular expression; no targets then")
	offload = flag.Bool("offload", false, "leave checksum and segmentation offload on, on all links of all ways")
)

// site is a client, a load balancer and two web servers on a switch, and one way from the client to the servers.
type site struct {
	name             string
	t                testing.TB
	client, balancer *netns.NS
	reals            []*netns.NS
	plane            *xdp.Plane
	urls             []string // each of wrk's threads has one
	rates            []float64
}

const (
	nginxConf = `user root; daemon off; worker_processes 1; pid %[1]s/nginx.pid; error_log %[1]s/error.log;
events { worker_connections 8192; }
http { access_log off; client_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s; uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;
  server { listen 80 backlog=8192; root %[1]s; } }
`
	haproxyConf = `global
    nbthread 2
    maxconn 8000
defaults
    mode tcp
    timeout connect 5s
    timeout client 50s
    timeout server 50s
listen web
    bind 10.9.0.100:80 backlog 8192
    balance roundrobin
    server r0 10.9.0.3:80
    server r1 10.9.0.4:80
`
	// wrk asks the first address only; this gives each thread its own.
	wrkScript = `local n = 0
function setup(thread)
  local urls = {%s}
  thread.addr = wrk.lookup(urls[n %% #urls + 1], "80")[1]
  n = n + 1
end
`
)

func newSite(t testing.TB, name string) *site {
	t.Helper()
	s := &site{name: name, t: t, client: netns.New(t, "c"), balancer: netns.New(t, "d"),
		reals: []*netns.NS{netns.New(t, "r0"), netns.New(t, "r1")}}
	all := append([]*netns.NS{s.client, s.balancer}, s.reals...)
	sw := netns.Bridge(t, all...)
	for i, ns := range all {
		ns.Address("eth0", fmt.Sprintf("10.9.0.%d/24", i+1))
		ns.Sysctl("net/ipv4/ip_local_port_range", "1024 65000")
		ns.Sysctl("net/ipv4/tcp_tw_reuse", "1")
		if !*offload {
			wholeSums(t, ns, "eth0")
			wholeSums(t, sw.NS, fmt.Sprint("p", i))
		}
	}
	for _, k := range []string{"all", "eth0"} {
		s.balancer.Sysctl("net/ipv4/conf/"+k+"/send_redirects", "0")
		for _, ns := range all {
			ns.Sysctl("net/ipv4/conf/"+k+"/rp_filter", "0")
		}
	}
	for _, ns := range s.reals {
		dir := t.TempDir()
		os.Chmod(dir, 0o755)
		os.WriteFile(filepath.Join(dir, "1k"), []byte(strings.Repeat("x", 1024)), 0o644)
		conf := filepath.Join(dir, "nginx.conf")
		os.WriteFile(conf, fmt.Appendf(nil, nginxConf, dir), 0o644)
		s.start(ns, "nginx", "-p", dir, "-c", conf)
	}
	s.urls = []string{"10.9.0.100"}
	return s
}

// wholeSums turns checksum offload off, and with it segmentation offload: each packet is as a wire would have it.
func wholeSums(t testing.TB, ns *netns.NS, name string) {
	t.Helper()
	ns.Do(func() {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		value := struct{ cmd, data uint32 }{0x17, 0} // ETHTOOL_STXCSUM
		var req struct {
			name [16]byte
			data unsafe.Pointer
			_    [16]byte
		}
		copy(req.name[:], name)
		req.data = unsafe.Pointer(&value)
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL,
			uintptr(unsafe.Pointer(&req))); errno != 0 {
			t.Fatal(errno)
		}
	})
}

// start starts a server that ends with the test.
func (s *site) start(ns *netns.NS, name string, args ...string) {
	s.t.Helper()
	cmd := exec.Command(name, args...)
	ns.Do(func() {
		if err := cmd.Start(); err != nil {
			s.t.Fatal(err)
		}
	})
	s.t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		kill := time.AfterFunc(3*time.Second, func() { cmd.Process.Kill() })
		cmd.Wait()
		kill.Stop()
	})
}

// started waits until the servers take connections, and the load balancer too if it is one.
func (s *site) started() {
	s.t.Helper()
	wait := func(ns *netns.NS, addr string) {
		var err error
		for limit := time.Now().Add(30 * time.Second); time.Now().Before(limit); time.Sleep(20 * time.Millisecond) {
			var c net.Conn
			ns.Do(func() { c, err = net.DialTimeout("tcp", addr+":80", 5*time.Second) })
			if err == nil {
				c.Close()
				return
			}
		}
		s.t.Fatalf("%s: %v", s.name, err)
	}
	for _, addr := range []string{"10.9.0.3", "10.9.0.4"} {
		wait(s.balancer, addr)
	}
	for _, addr := range s.urls {
		wait(s.client, addr)
	}
}

// backThrough makes the load balancer the servers' way to the client.
func (s *site) backThrough() {
	s.balancer.Sysctl("net/ipv4/ip_forward", "1")
	for _, ns := range s.reals {
		ns.Run("ip", "route", "add", "10.9.0.1/32", "via", "10.9.0.2")
	}
}

func directSite(t testing.TB) *site {
	s := newSite(t, "direct")
	s.urls = []string{"10.9.0.3", "10.9.0.4"}
	return s
}

func forwardSite(t testing.TB) *site {
	s := newSite(t, "ip_forward, both directions")
	s.urls = []string{"10.9.0.3", "10.9.0.4"}
	s.backThrough()
	for _, a := range s.urls {
		s.client.Run("ip", "route", "add", a+"/32", "via", "10.9.0.2")
	}
	return s
}

func nftSite(t testing.TB) *site {
	s := newSite(t, "nft DNAT numgen")
	s.backThrough()
	s.balancer.Address("eth0", "10.9.0.100/32")
	s.balancer.Run("nft", "add table ip nat; add chain ip nat pre { type nat hook prerouting priority -100; }; "+
		"add rule ip nat pre ip daddr 10.9.0.100 tcp dport 80 dnat to numgen inc mod 2 map { 0 : 10.9.0.3, 1 : "+
		"10.9.0.4 }")
	return s
}

func haproxySite(t testing.TB) *site {
	s := newSite(t, "haproxy, mode tcp, 2 threads")
	s.balancer.Address("eth0", "10.9.0.100/32")
	conf := filepath.Join(t.TempDir(), "haproxy.cfg")
	os.WriteFile(conf, []byte(haproxyConf), 0o644)
	s.start(s.balancer, "haproxy", "-db", "-f", conf)
	return s
}

func planeSite(t testing.TB, m course.Method) *site {
	s := newSite(t, "tc "+m.Name)
	s.balancer.Address("eth0", "10.9.0.100/32")
	if m.Method == table.NAT {
		s.backThrough()
	} else {
		for _, ns := range s.reals {
			ns.Sysctl("net/ipv4/conf/all/arp_ignore", "1")
			ns.Sysctl("net/ipv4/conf/all/arp_announce", "2")
			ns.Address("lo", "10.9.0.100/32")
			if m.Method != table.Tunnel {
				continue
			}
			dir := netns.BPFFS(t)
			ns.Do(func() {
				vip := netip.MustParseAddr("10.9.0.100")
				if err := xdp.Decapsulate(dir, nil, vip, 0); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { ns.Do(func() { xdp.Recapsulate(dir, vip) }) })
			})
		}
	}
	g := table.Group{Service: table.Service{Key: table.Key{Protocol: table.TCP,
		Addr: netip.MustParseAddrPort("10.9.0.100:80")}, Scheduler: "rr"}}
	for i := range s.reals {
		g.Destinations = append(g.Destinations,
			table.Destination{Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 9, 0, byte(3 + i)}), 80),
				Method: m.Method, Weight: 1})
	}
	dir := netns.BPFFS(t)
	s.balancer.Do(func() {
		var err error
		if s.plane, err = xdp.Open(xdp.Options{Dir: dir, Mode: xdp.TC, TableSize: 1 << 18}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.balancer.Do(func() { s.plane.Remove(); s.plane.Close() }) })
		if err := s.plane.Apply(table.Diff(nil, []table.Group{g})); err != nil {
			t.Fatal(err)
		}
	})
	return s
}

var (
	wrkRate   = regexp.MustCompile(`Requests/sec:\s+([\d.]+)`)
	wrkCount  = regexp.MustCompile(`(\d+) requests in`)
	wrkErrors = regexp.MustCompile(`(?m)^\s*(Socket errors|Non-2xx).*$`)
)

// wrk makes connections for d and returns how many a second were answered.
func (s *site) wrk(d time.Duration) float64 {
	s.t.Helper()
	script := filepath.Join(s.t.TempDir(), "wrk.lua")
	os.WriteFile(script, fmt.Appendf(nil, wrkScript, `"`+strings.Join(s.urls, `","`)+`"`), 0o644)
	ctx, cancel := context.WithTimeout(context.Background(), d+30*time.Second)
	defer cancel()
	var before uint64
	if s.plane != nil {
		s.balancer.Do(func() {
			if err := s.plane.Neighbours(); err != nil {
				s.t.Fatal(err)
			}
			if _, err := s.plane.Sweep(); err != nil {
				s.t.Fatal(err)
			}
		})
		before = s.packets()
	}
	cmd := exec.CommandContext(ctx, "wrk", "-t2", "-c32", "-d"+d.String(), "-s", script, "-H", "Connection: close",
		"http://"+s.urls[0]+"/1k")
	var out []byte
	var err error
	s.client.Do(func() { out, err = cmd.CombinedOutput() })
	if err != nil {
		s.t.Fatalf("%s: wrk: %v\n%s", s.name, err, out)
	}
	if bad := wrkErrors.Find(out); bad != nil {
		s.t.Fatalf("%s: %s", s.name, bad)
	}
	rate, count := wrkRate.FindSubmatch(out), wrkCount.FindSubmatch(out)
	if rate == nil || count == nil {
		s.t.Fatalf("%s: wrk said\n%s", s.name, out)
	}
	if s.plane != nil {
		n, _ := strconv.ParseUint(string(count[1]), 10, 64)
		// A client sends at least a SYN, an ACK, the request and a FIN.
		if got := s.packets() - before; got < 4*n {
			s.t.Fatalf("%s: %d requests, but %d packets through the plane", s.name, n, got)
		}
	}
	v, _ := strconv.ParseFloat(string(rate[1]), 64)
	return v
}

func (s *site) packets() (n uint64) {
	s.t.Helper()
	s.balancer.Do(func() {
		state, err := s.plane.State()
		if err != nil {
			s.t.Fatal(err)
		}
		for _, g := range state {
			n += g.Counters.InPackets
		}
	})
	return n
}

func chosen(name string) bool {
	ok, err := regexp.MatchString(*ways, name)
	return ok && err == nil
}

func (s *site) median() float64 {
	v := slices.Clone(s.rates)
	slices.Sort(v)
	return v[len(v)/2]
}

// BenchmarkL4Connections is how many TCP connections a second go through a load balancer, wrk, servers and load
// balancer together on the same cores: it shows what the load balancer takes from the rest. In turns, medians. A socket
// error or a connection that went past the plane is a failure.
func BenchmarkL4Connections(b *testing.B) {
	for _, p := range []string{"haproxy", "nginx", "wrk", "nft"} {
		if _, err := exec.LookPath(p); err != nil {
			b.Fatalf("%s is not installed: run test/install-peers", p)
		}
	}
	direct, forward, nft, haproxy := directSite(b), forwardSite(b), nftSite(b), haproxySite(b)
	dr, nat, tun := planeSite(b, course.DR), planeSite(b, course.NAT), planeSite(b, course.TUN)
	all := []*site{direct, dr, nat, tun, forward, nft, haproxy}
	all = slices.DeleteFunc(all, func(s *site) bool { return !chosen(s.name) })
	for _, s := range all {
		s.started()
		s.wrk(time.Second)
	}
	for range *turns {
		for _, s := range all {
			s.rates = append(s.rates, s.wrk(*each))
		}
	}
	fmt.Printf("\n%s\nTCP connections of one request for 1 kB, wrk -c32, two servers, offload %v\n", machine(),
		*offload)
	fmt.Printf("%-30s %8s %12s %14s\n", "way", "conn/s", "of haproxy", "of direct")
	if *ways != "" {
		for _, s := range all {
			fmt.Printf("%-30s %8.0f\n", s.name, s.median())
		}
		return
	}
	for _, s := range all {
		fmt.Printf("%-30s %8.0f %12.2f %14.2f\n", s.name, s.median(), s.median()/haproxy.median(),
			s.median()/direct.median())
	}
	for _, k := range []struct {
		s     *site
		limit float64
	}{{dr, 2.2}, {nat, 1.7}} {
		r := k.s.median() / haproxy.median()
		fmt.Printf("target: %s at least %.1f times haproxy's connections: %.2f, %s\n", k.s.name, k.limit, r,
			met(r >= k.limit))
	}
}
