package lvs

import (
	"bufio"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/test/binary"
	"github.com/evenkeel/evenkeel/test/netns"
	"github.com/evenkeel/evenkeel/test/output"
)

// programFile is the program under test.
var programFile string

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		fmt.Println("system tests are not part of a short run")
		os.Exit(0)
	}
	dir, err := os.MkdirTemp("", "evenkeel-test-")
	if err != nil {
		panic(err)
	}
	if programFile, err = binary.Put(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

const vip = "192.168.160.100"

// patience is for what happens soon, on a machine that may be busy.
const patience = 30 * time.Second

// vip6 is the address of a site of IPv6.
const vip6 = "fd00:160::100"

// site is the textbook's: two nodes, two real servers, a client on one switch.
type site struct {
	t      *testing.T
	vip    string
	bits   int    // of the prefixes of its networks
	outer  string // network of the clients, to be followed by the last part of an address
	inner  string // that of the real servers
	wires  *netns.Switch
	client *netns.NS
	d1, d2 *node
	webs   []*web
}

// node is a host with our program on it.
type node struct {
	t   *testing.T
	vip string // whose it may be
	ns  *netns.NS
	dir string
	cmd *exec.Cmd
	log output.Buffer
	old int // how much of the log is of earlier runs
	// rights is a command that runs another one with fewer rights; empty: the director has the test's.
	rights []string
}

// web is a real server.
type web struct {
	t      *testing.T
	ns     *netns.NS
	name   string
	addr   string // of the host
	server *http.Server
	served atomic.Int64
	dir    string
}

// newSite wires the hosts of a site of IPv4. kind is dr, nat or tun.
func newSite(t *testing.T, kind string) *site { return wire(t, kind, false) }

// wire wires the hosts.
func wire(t *testing.T, kind string, six bool) *site {
	t.Helper()
	netns.Root(t)
	s := &site{t: t, client: netns.New(t, "client"), vip: vip, bits: 24, outer: "192.168.160.", inner: "192.168.160."}
	private := "192.168.161."
	if six {
		s.vip, s.bits, s.outer, s.inner, private = vip6, 64, "fd00:160::", "fd00:160::", "fd00:161::"
	}
	d1, d2, r1, r2 := netns.New(t, "d1"), netns.New(t, "d2"), netns.New(t, "r1"), netns.New(t, "r2")
	s.wires = netns.Bridge(t, s.client, d1, d2, r1, r2)
	s.client.Address("eth0", s.prefix(s.outer, 50))
	d1.Address("eth0", s.prefix(s.outer, 131))
	d2.Address("eth0", s.prefix(s.outer, 134))
	if kind == "nat" {
		s.inner = private
		for i, ns := range []*netns.NS{d1, d2} {
			ns.Address("eth0", s.prefix(s.inner, 131+3*i))
			ns.Sysctl("net/ipv4/ip_forward", "1")
			ns.Sysctl("net/ipv6/conf/all/forwarding", "1")
		}
	}
	s.d1, s.d2 = newNode(t, d1), newNode(t, d2)
	s.d1.vip, s.d2.vip = s.vip, s.vip
	for i, ns := range []*netns.NS{r1, r2} {
		w := &web{t: t, ns: ns, name: fmt.Sprintf("web%d", i+1), addr: s.inner + strconv.Itoa(135+i), dir: t.TempDir()}
		ns.Address("eth0", s.prefix(s.inner, 135+i))
		switch kind {
		case "nat":
			ns.Run("ip", "route", "add", "default", "via", s.inner+"100")
		case "tun":
			w.realserver("add", s.vip, "--tun")
		default:
			w.realserver("add", s.vip)
		}
		w.start()
		s.webs = append(s.webs, w)
	}
	return s
}

// addHost plugs another host in.
func addHost(s *site, label, addr string) *netns.NS {
	s.t.Helper()
	ns := netns.New(s.t, label)
	s.wires.Add(s.t, ns)
	ns.Address("eth0", fmt.Sprintf("%s/%d", addr, s.bits))
	return ns
}

func (s *site) prefix(network string, host int) string {
	return fmt.Sprintf("%s%d/%d", network, host, s.bits)
}

// election is an instance with the site's address, for a director that is not alone: the other one waits for more than
// three seconds before it takes a master that is not heard for dead, so a busy machine does not make a second one.
func (s *site) election(priority int) string { return s.instance(priority, "1") }

// mastery is an instance with the site's address for the only director there is, which becomes master sooner.
func (s *site) mastery() string { return s.instance(100, "0.3") }

func (s *site) instance(priority int, every string) string {
	extra := ""
	if s.inner != s.outer {
		extra = "\n        " + s.prefix(s.inner, 100) + " dev eth0"
	}
	return fmt.Sprintf(`vrrp_instance VI_1 {
    state BACKUP
    interface eth0
    virtual_router_id 51
    version 3
    advert_int %s
    priority %d
    virtual_ipaddress {
        %s%s
    }
}
`, every, priority, s.prefix(s.outer, 100), extra)
}

// service is a virtual server with both real servers. In words and each, which is what a real server has, lines
// end with "\n".
func (s *site) service(port int, words, each string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "virtual_server %s %d {\n    delay_loop 1\n%s", s.vip, port, words)
	for _, w := range s.webs {
		fmt.Fprintf(&b, "    real_server %s %d {\n%s    }\n", w.addr, port, each)
	}
	return b.String() + "}\n"
}

func newNode(t *testing.T, ns *netns.NS) *node {
	d := &node{t: t, vip: vip, ns: ns, dir: t.TempDir()}
	t.Cleanup(func() {
		d.signal(syscall.SIGCONT)
		d.kill()
		d.run("purge", "--plane")
		if t.Failed() {
			t.Logf("%s:\n%s", ns.Name, d.log.String())
		}
	})
	return d
}

// run runs one of our commands on the host.
func (n *node) run(args ...string) (string, error) {
	cmd := exec.Command(programFile, args...)
	var out []byte
	var err error
	n.ns.Do(func() { out, err = cmd.CombinedOutput() })
	return string(out), err
}

// must is run, which has to succeed.
func (n *node) must(args ...string) string {
	n.t.Helper()
	out, err := n.run(args...)
	if err != nil {
		n.t.Fatalf("%s: evenkeel %s: %v\n%s", n.ns.Name, strings.Join(args, " "), err, out)
	}
	return out
}

// start runs the director with a configuration.
func (n *node) start(conf string) {
	n.t.Helper()
	n.write(conf)
	n.old = len(n.log.String())
	args := append(slices.Clone(n.rights), programFile, "run", "-f", filepath.Join(n.dir, "keepalived.conf"),
		"--runtime-dir", n.dir)
	n.cmd = exec.Command(args[0], args[1:]...)
	n.cmd.Stdout, n.cmd.Stderr = &n.log, &n.log
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // like a service
	n.ns.Start(n.cmd)
}

func (n *node) write(conf string) {
	n.t.Helper()
	if err := os.WriteFile(filepath.Join(n.dir, "keepalived.conf"), []byte(conf), 0o644); err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) reload(conf string) {
	n.t.Helper()
	n.write(conf)
	n.must("reload", "--runtime-dir", n.dir)
}

func (n *node) signal(s syscall.Signal) {
	if n.cmd != nil {
		syscall.Kill(-n.cmd.Process.Pid, s)
	}
}

func (n *node) kill() {
	if n.cmd != nil {
		n.signal(syscall.SIGKILL)
		n.cmd.Wait()
		n.cmd = nil
	}
}

// stop ends the director in order.
func (n *node) stop() {
	n.t.Helper()
	syscall.Kill(n.cmd.Process.Pid, syscall.SIGTERM)
	if err := n.cmd.Wait(); err != nil {
		n.t.Errorf("%s: %v", n.ns.Name, err)
	}
	n.cmd = nil
}

// logged waits until the director, since it was started last, has said something.
func (n *node) logged(text string) {
	n.t.Helper()
	eventually(n.t, patience, fmt.Sprintf("%q in the log of %s", text, n.ns.Name), func() bool {
		return strings.Contains(n.log.String()[n.old:], text)
	})
}

// dropped waits until a real server that is checked has left the table. The log says so a little before it happens.
func (n *node) dropped(addr string) {
	n.t.Helper()
	n.logged("Removing service [" + addr + "]:tcp:80")
	eventually(n.t, patience, addr+" is out of the table", func() bool { return !n.lists(addr) })
}

// regained waits until it is back.
func (n *node) regained(addr string) {
	n.t.Helper()
	n.logged("Adding service [" + addr + "]:tcp:80")
	eventually(n.t, patience, addr+" is in the table", func() bool { return n.lists(addr) })
}

func (n *node) lists(addr string) bool {
	n.t.Helper()
	return strings.Contains(n.must("ipvs", "-Ln"), "-> "+netip.AddrPortFrom(netip.MustParseAddr(addr), 80).String()+" ")
}

// master waits until the host has the address.
func (n *node) master() {
	n.t.Helper()
	eventually(n.t, patience, n.ns.Name+" is master", func() bool {
		return strings.Contains(n.ns.Run("ip", "-o", "addr", "show", "eth0"), n.vip+"/")
	})
	eventually(n.t, patience, n.ns.Name+" says so", func() bool {
		out, err := n.run("show", "vrrp", "--json", "--runtime-dir", n.dir)
		return err == nil && strings.Contains(out, `"MASTER"`)
	})
}

func eventually(t *testing.T, limit time.Duration, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("after %v still not: %s", limit, what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (w *web) realserver(args ...string) {
	w.t.Helper()
	cmd := exec.Command(programFile, append([]string{"realserver", "--runtime-dir", w.dir}, args...)...)
	var out []byte
	var err error
	w.ns.Do(func() { out, err = cmd.CombinedOutput() })
	if err != nil {
		w.t.Fatalf("%s: %v: %v\n%s", w.name, args, err, out)
	}
	if args[0] == "add" && slices.Contains(args, "--tun") { // what is pinned outlives the namespace
		w.t.Cleanup(func() {
			cmd := exec.Command(programFile, "realserver", "--runtime-dir", w.dir, "del", args[1])
			w.ns.Do(func() { out, err = cmd.CombinedOutput() })
			if err != nil {
				w.t.Logf("%s: realserver del: %v\n%s", w.name, err, out)
			}
		})
	}
}

// start begins to serve.
func (w *web) start() {
	w.t.Helper()
	var ln net.Listener
	w.ns.Do(func() {
		var err error
		if ln, err = net.Listen("tcp", ":80"); err != nil {
			w.t.Fatal(err)
		}
	})
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(rw http.ResponseWriter, r *http.Request) {
		if r.UserAgent() != "KeepAliveClient" {
			w.served.Add(1)
		}
		rw.Header().Set("X-Server", w.name)
		fmt.Fprintf(rw, "this is %s\n", w.name)
	})
	mux.HandleFunc("/ticks", func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("X-Server", w.name)
		for n := 0; r.Context().Err() == nil; n++ {
			fmt.Fprintf(rw, "%d\n", n)
			rw.(http.Flusher).Flush()
			time.Sleep(20 * time.Millisecond)
		}
	})
	mux.HandleFunc("/upload", func(rw http.ResponseWriter, r *http.Request) {
		sum := sha256.New()
		n, _ := io.Copy(sum, r.Body)
		fmt.Fprintf(rw, "%d %x\n", n, sum.Sum(nil))
	})
	mux.HandleFunc("/download", func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Length", strconv.Itoa(len(bulk)))
		rw.Write(bulk)
	})
	w.server = &http.Server{Handler: mux}
	go w.server.Serve(ln)
	w.t.Cleanup(func() { w.server.Close() })
}

func (w *web) stop() { w.server.Close() }

// at is a port of the site's address.
func (s *site) at(port int) string { return net.JoinHostPort(s.vip, strconv.Itoa(port)) }

// ask asks once on a connection of its own and gives who answered; empty: nobody, for three seconds.
func (s *site) ask() string { return s.askFor(3 * time.Second) }

// askFor is ask with so much patience for the connection, and so much for the answer.
func (s *site) askFor(limit time.Duration) string {
	var conn net.Conn
	var err error
	s.client.Do(func() { conn, err = net.DialTimeout("tcp", s.at(80), limit) })
	if err != nil {
		return ""
	}
	defer conn.Close()
	return askWithin(conn, limit)
}

// askOn asks on a connection that should be alive.
func askOn(conn net.Conn) string { return askWithin(conn, patience) }

func askWithin(conn net.Conn, limit time.Duration) string {
	conn.SetDeadline(time.Now().Add(limit))
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: site\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return ""
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return resp.Header.Get("X-Server")
}

// shares asks n times and counts the answers, none of which should be missing.
func (s *site) shares(n int) map[string]int {
	got := map[string]int{}
	for range n {
		got[s.askFor(patience)]++
	}
	return got
}

// ticking is a connection on which the server says something all the time.
type ticking struct {
	conn net.Conn
	last atomic.Int64
	err  chan error
}

func (s *site) ticking() *ticking {
	s.t.Helper()
	k := &ticking{err: make(chan error, 1)}
	s.client.Do(func() {
		var err error
		if k.conn, err = net.DialTimeout("tcp", s.at(80), patience); err != nil {
			s.t.Fatal(err)
		}
	})
	k.conn.SetReadDeadline(time.Now().Add(patience))
	io.WriteString(k.conn, "GET /ticks HTTP/1.1\r\nHost: site\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(k.conn), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	k.conn.SetReadDeadline(time.Time{})
	go func() {
		lines := bufio.NewScanner(resp.Body)
		for want := int64(0); lines.Scan(); want++ {
			var got int64
			if fmt.Sscan(lines.Text(), &got); got != want {
				k.err <- fmt.Errorf("tick %d instead of %d", got, want)
				return
			}
			k.last.Store(got)
		}
		k.err <- fmt.Errorf("ended after tick %d: %v", k.last.Load(), lines.Err())
	}()
	s.t.Cleanup(func() { k.conn.Close() })
	return k
}

// goesOn waits until new ticks have come.
func (k *ticking) goesOn(t *testing.T, when string) {
	t.Helper()
	k.goesOnAfter(t, when, patience)
}

// goesOnAfter is goesOn after a silence that may have lasted so long: the next attempt to send may be as far away
// again.
func (k *ticking) goesOnAfter(t *testing.T, when string, silence time.Duration) {
	t.Helper()
	from := k.last.Load()
	limit := silence + patience
	deadline := time.After(limit)
	for k.last.Load() < from+10 {
		select {
		case err := <-k.err:
			t.Fatalf("%s: the connection %v", when, err)
		case <-deadline:
			t.Fatalf("%s: no tick after %d for %v", when, from, limit)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// knows waits until a director has connections among its established flows: its own or, by synchronisation, the peer's.
func (n *node) knows(conns ...net.Conn) {
	n.t.Helper()
	for _, conn := range conns {
		client := fmt.Sprintf(":%d ", conn.LocalAddr().(*net.TCPAddr).Port)
		eventually(n.t, patience, "the flow of the client's port"+client+"is known to "+n.ns.Name, func() bool {
			for line := range strings.Lines(n.must("ipvs", "-Lnc")) {
				if strings.Contains(line, client) && strings.Contains(line, "ESTABLISHED") {
					return true
				}
			}
			return false
		})
	}
}
