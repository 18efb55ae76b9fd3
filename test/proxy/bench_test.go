package proxy

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	rounds = flag.Int("rounds", 3, "rounds of each case of the proxy's benchmark")
	each   = flag.Duration("each", 3*time.Second, "length of one measurement")
	only   = flag.String("only", "", "measure the cases whose names contain this")
	before = flag.String("before", "", "another build of evenkeel, measured in the same turns")
)

// benchConfig is given to both proxies as it stands but for the ports: the textbook's site with its log, its
// ACLs, its checks.
const benchConfig = `global
    log 127.0.0.1:%[1]d local2 info
    maxconn 8000
    nbthread 1
defaults
    mode http
    log global
    option httplog
    option forwardfor
    option redispatch
    retries 3
    maxconn 8000
    timeout connect 5s
    timeout client 50s
    timeout server 50s
listen stats
    bind 127.0.0.1:%[2]d
    stats enable
    stats uri /haproxy
    stats auth yjssjm:123
frontend web
    bind 127.0.0.1:%[3]d
    acl html url_reg -i \.html$
    acl static path_beg /static /images
    acl host hdr_dom(host) -i example.org
    use_backend servers if html
    use_backend servers if static host
    default_backend servers
backend servers
    balance roundrobin
    server http1 127.0.0.1:%[5]d maxconn 2000 weight 1 check inter 1s rise 2 fall 2
    server http2 127.0.0.1:%[6]d maxconn 2000 weight 1 check inter 1s rise 2 fall 2
listen relay
    mode tcp
    option tcplog
    bind 127.0.0.1:%[4]d
    server http1 127.0.0.1:%[5]d check inter 1s
`

const benchNginx = `user root; daemon off; worker_processes 1; pid %[1]s/nginx-%[2]d.pid; error_log /dev/null;
events { worker_connections 20000; }
http { access_log off; keepalive_requests 1000000000; keepalive_timeout 600; client_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s; uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;
  server { listen 127.0.0.1:%[2]d backlog=8192; root %[1]s/www; sendfile on; tcp_nopush on;
    location = / { return 200 "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\n"; } } }
`

// measured is one proxy's figures of one case in one round.
type measured struct {
	cpu float64 // microseconds of CPU per request
	p99 float64 // milliseconds
	rps float64
}

// contender is a running proxy.
type contender struct {
	name  string
	cmd   *exec.Cmd
	ports []int // stats, http, tcp
}

type benchCase struct {
	name   string
	port   int
	path   string
	args   []string
	target float64
}

var benchCases = []benchCase{
	{"64 keep-alive connections", 1, "/", []string{"-c64"}, 0.70},
	{"256 keep-alive connections", 1, "/", []string{"-c256"}, 0.70},
	{"connection per request", 1, "/", []string{"-c64", "-H", "Connection: close"}, 0.92},
	{"16 KB bodies", 1, "/16k", []string{"-c64"}, 0.70},
	{"1 MB bodies", 1, "/1m", []string{"-c32"}, 0.70},
	{"tcp, small", 2, "/", []string{"-c64"}, 0.90},
	{"tcp, 1 MB", 2, "/1m", []string{"-c32"}, 0.40},
}

// BenchmarkHTTP gives one configuration to Debian's haproxy and to evenkeel, both on the same core in turns, and
// prints what a request costs each of them. It is a measurement, not a test: it never fails by a figure.
func BenchmarkHTTP(b *testing.B) {
	for _, p := range []string{"haproxy", "nginx", "wrk", "taskset"} {
		if _, err := exec.LookPath(p); err != nil {
			b.Skipf("%s is not installed: run test/install-peers", p)
		}
	}
	all := newBenchSite(b).contenders(b)
	time.Sleep(2 * time.Second) // the first checks
	fmt.Printf("%-26s %9s %9s %7s %9s %9s %7s %9s %9s\n", "case (medians)", "haproxy", "evenkeel", "ratio",
		"p99 theirs", "p99 ours", "ratio", "req/s", "req/s")
	for _, k := range benchCases {
		if strings.Contains(k.name, *only) {
			k.measure(b, all)
		}
	}
	if *only != "" {
		return
	}
	for _, c := range all {
		c.idle(b)
	}
}

// A benchSite is what all contenders stand before: two web servers and a log.
type benchSite struct {
	dir   string
	ports []int // of the web servers, then three for each contender
	logs  *net.UDPConn
}

func newBenchSite(b *testing.B) *benchSite {
	b.Helper()
	dir := b.TempDir()
	os.Chmod(dir, 0o755)
	os.MkdirAll(filepath.Join(dir, "www"), 0o755)
	for name, size := range map[string]int{"16k": 16 << 10, "1m": 1 << 20} {
		os.WriteFile(filepath.Join(dir, "www", name), []byte(strings.Repeat("x", size)), 0o644)
	}
	logs := slowReader(b)
	ports := benchPorts(b, 11)
	for _, port := range ports[:2] {
		conf := filepath.Join(dir, fmt.Sprintf("nginx-%d.conf", port))
		os.WriteFile(conf, fmt.Appendf(nil, benchNginx, dir, port), 0o644)
		run(b, "taskset", "-c", "0", "nginx", "-p", dir, "-c", conf)
	}
	return &benchSite{dir, ports, logs}
}

// benchPorts are free ports.
func benchPorts(b *testing.B, n int) []int {
	b.Helper()
	ports := make([]int, n)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		defer l.Close()
		ports[i] = l.Addr().(*net.TCPAddr).Port
		l.Close()
	}
	return ports
}

// slowReader reads the log. It must not be the bottleneck: the socket's buffer is all it gets.
func slowReader(b *testing.B) *net.UDPConn {
	b.Helper()
	logs, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { logs.Close() })
	go func() {
		buf := make([]byte, 2048)
		for {
			if _, err := logs.Read(buf); err != nil {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	return logs
}

// contenders starts haproxy, evenkeel and, with -before, an earlier evenkeel.
func (s *benchSite) contenders(b *testing.B) []*contender {
	b.Helper()
	start := func(name string, ports0 []int, args ...string) *contender {
		conf := filepath.Join(s.dir, name+".cfg")
		logs := s.logs.LocalAddr().(*net.UDPAddr).Port
		os.WriteFile(conf, fmt.Appendf(nil, benchConfig, logs, ports0[0], ports0[1], ports0[2], s.ports[0], s.ports[1]),
			0o644)
		args = append(append([]string{"-c", "1"}, args...), "-f", conf)
		return &contender{name, run(b, "taskset", args...), ports0}
	}
	all := []*contender{
		start("haproxy", s.ports[2:5], "haproxy", "-db"),
		start("evenkeel", s.ports[5:8], evenkeel, "run", "--runtime-dir", s.dir),
	}
	if *before != "" {
		all = append(all, start("before", s.ports[8:11], *before, "run", "--runtime-dir", b.TempDir()))
	}
	for _, c := range all {
		for _, port := range c.ports {
			eventually(b, c.name+" listens", func() bool {
				conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
				if err == nil {
					conn.Close()
				}
				return err == nil
			})
		}
	}
	return all
}

// measure prints what a case costs each contender.
func (k *benchCase) measure(b *testing.B, all []*contender) {
	got := make([][]measured, len(all))
	for range *rounds {
		for i, c := range all {
			got[i] = append(got[i], c.measure(b, c.ports[k.port], k.path, k.args))
		}
	}
	theirs, ours := middle(got[0]), middle(got[1])
	fmt.Printf("%-26s %6.1f us %6.1f us %7.2f %7.2f ms %7.2f ms %7.2f %9.0f %9.0f   (target %.2f)\n", k.name,
		theirs.cpu, ours.cpu, ours.cpu/theirs.cpu, theirs.p99, ours.p99, ours.p99/theirs.p99, theirs.rps, ours.rps,
		k.target)
	if *before != "" {
		was := middle(got[2])
		fmt.Printf("%-26s           %6.1f us %7.2f            %7.2f ms %7.2f           %9.0f   (CPU now / before "+
			"%.3f)\n", "   before",
			was.cpu, was.cpu/theirs.cpu, was.p99, was.p99/theirs.p99, was.rps, paired(got[1], got[2]))
	}
}

// idle prints what an idle connection takes.
func (c *contender) idle(b *testing.B) {
	loaded := c.rss()
	var conns []net.Conn
	for range 3000 {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", c.ports[1]))
		if err != nil {
			b.Fatal(err)
		}
		fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		conn.Read(make([]byte, 4096))
		conns = append(conns, conn)
	}
	fmt.Printf("%-10s RSS %d KiB after the load; %.2f KiB for each of %d idle connections\n",
		c.name, loaded, float64(c.rss()-loaded)/float64(len(conns)), len(conns))
	for _, conn := range conns {
		conn.Close()
	}
}

// middle is the median of each figure by itself.
func middle(rounds []measured) measured {
	median := func(f func(measured) float64) float64 {
		var v []float64
		for _, m := range rounds {
			v = append(v, f(m))
		}
		slices.Sort(v)
		return v[len(v)/2]
	}
	return measured{
		cpu: median(func(m measured) float64 { return m.cpu }),
		p99: median(func(m measured) float64 { return m.p99 }),
		rps: median(func(m measured) float64 { return m.rps }),
	}
}

// paired is the median of the rounds' ratios of CPU, which a machine that changes its pace between rounds leaves alone.
func paired(now, before []measured) float64 {
	ratios := make([]float64, len(now))
	for i := range now {
		ratios[i] = now[i].cpu / before[i].cpu
	}
	slices.Sort(ratios)
	return ratios[len(ratios)/2]
}

func run(b *testing.B, name string, args ...string) *exec.Cmd {
	b.Helper()
	cmd := exec.Command(name, args...)
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		time.AfterFunc(3*time.Second, func() { cmd.Process.Kill() })
		cmd.Wait()
	})
	return cmd
}

// pids are the contender's process and its children.
func (c *contender) pids() []int {
	pids := []int{c.cmd.Process.Pid}
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pids[0]))
	for _, t := range tasks {
		kids, _ := os.ReadFile(t)
		for _, k := range strings.Fields(string(kids)) {
			pid, _ := strconv.Atoi(k)
			pids = append(pids, pid)
		}
	}
	return pids
}

// cpu is the time all its threads have run, exact to the nanosecond.
func (c *contender) cpu() (ns float64) {
	for _, pid := range c.pids() {
		files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
		for _, f := range files {
			text, _ := os.ReadFile(f)
			if fields := strings.Fields(string(text)); len(fields) > 0 {
				v, _ := strconv.ParseFloat(fields[0], 64)
				ns += v
			}
		}
	}
	return ns
}

func (c *contender) rss() (kib int) {
	for _, pid := range c.pids() {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if m := regexp.MustCompile(`VmRSS:\s+(\d+)`).FindSubmatch(text); m != nil {
			v, _ := strconv.Atoi(string(m[1]))
			kib += v
		}
	}
	return kib
}

var (
	wrkRequests = regexp.MustCompile(`(\d+) requests in`)
	wrkP99      = regexp.MustCompile(`99%\s+([\d.]+)(us|ms|s)`)
	wrkRate     = regexp.MustCompile(`Requests/sec:\s+([\d.]+)`)
	wrkErrors   = regexp.MustCompile(`(?m)^\s*(Socket errors|Non-2xx).*$`)
)

func (c *contender) measure(b *testing.B, port int, path string, args []string) (m measured) {
	ctx, cancel := context.WithTimeout(context.Background(), *each+20*time.Second)
	defer cancel()
	all := append([]string{"-c", "0", "wrk", "-t1", "--latency", "-d" + each.String()}, args...)
	start := c.cpu()
	out, err := exec.CommandContext(ctx, "taskset",
		append(all, fmt.Sprintf("http://127.0.0.1:%d%s", port, path))...).CombinedOutput()
	if err != nil {
		b.Fatalf("%s: wrk: %v\n%s", c.name, err, out)
	}
	used := c.cpu() - start
	if bad := wrkErrors.Find(out); bad != nil {
		fmt.Printf("   %s: %s\n", c.name, bad)
	}
	n, _ := strconv.ParseFloat(string(wrkRequests.FindSubmatch(out)[1]), 64)
	m.cpu = used / n / 1000
	if p := wrkP99.FindSubmatch(out); p != nil {
		m.p99, _ = strconv.ParseFloat(string(p[1]), 64)
		m.p99 *= map[string]float64{"us": 0.001, "ms": 1, "s": 1000}[string(p[2])]
	}
	m.rps, _ = strconv.ParseFloat(string(wrkRate.FindSubmatch(out)[1]), 64)
	return m
}
