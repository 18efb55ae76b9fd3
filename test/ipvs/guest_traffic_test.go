//go:build ipvsguest

package ipvs

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/linux/ipvs"
	"github.com/evenkeel/evenkeel/lvs/table"
	"github.com/evenkeel/evenkeel/test/netns"
)

// patience is for what happens soon, on an emulated processor that may be shared.
const patience = 30 * time.Second

// site is a client, directors and two real servers on one switch. The service's address is
// 10.9.0.100 and fd00:9::64; the real servers' net is 10.9.1.0/24 and fd00:9:1::/64.
type site struct {
	client, lb *netns.NS
	spare      *netns.NS // another director, without the addresses
	reals      [2]*netns.NS
}

const (
	vip  = "10.9.0.100"
	vip6 = "fd00:9::64"
)

func real4(i int) string { return fmt.Sprintf("10.9.1.%d", 11+i) }
func real6(i int) string { return fmt.Sprintf("fd00:9:1::%d", 11+i) }

func newSite(t *testing.T) *site {
	s := &site{client: netns.New(t, "client"), lb: netns.New(t, "lb"), spare: netns.New(t, "spare"),
		reals: [2]*netns.NS{netns.New(t, "real1"), netns.New(t, "real2")}}
	netns.Bridge(t, s.client, s.lb, s.spare, s.reals[0], s.reals[1])
	s.client.Address("eth0", "10.9.0.99/24")
	s.client.Address("eth0", "fd00:9::99/64")
	for i, lb := range []*netns.NS{s.lb, s.spare} {
		for _, a := range []string{"10.9.0.%d/24", "10.9.1.%d/24", "fd00:9::1%d/64", "fd00:9:1::%d/64"} {
			lb.Address("eth0", fmt.Sprintf(a, i+1))
		}
		for _, key := range []string{"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"} {
			lb.Sysctl(key, "1")
		}
		for _, key := range []string{"all", "eth0"} {
			lb.Sysctl("net/ipv4/conf/"+key+"/send_redirects", "0")
			lb.Sysctl("net/ipv4/conf/"+key+"/rp_filter", "0")
		}
	}
	s.lb.Address("eth0", vip+"/32")
	s.lb.Address("eth0", vip6+"/128")
	for i, r := range s.reals {
		r.Address("eth0", real4(i)+"/24")
		r.Address("eth0", real6(i)+"/64")
		// All are on one link: the director would send them past itself.
		r.Sysctl("net/ipv6/conf/eth0/accept_redirects", "0")
		r.Sysctl("net/ipv4/conf/all/arp_ignore", "1")
		r.Sysctl("net/ipv4/conf/all/arp_announce", "2")
		r.Sysctl("net/ipv4/conf/all/rp_filter", "0")
		r.Sysctl("net/ipv4/conf/default/rp_filter", "0")
		r.Sysctl("net/ipv4/conf/eth0/rp_filter", "0")
		for _, port := range []string{"80", "8080"} {
			serve(t, r, ":"+port, fmt.Sprintf("real%d", i))
		}
	}
	return s
}

// serve answers each line of each connection with a name.
func serve(t *testing.T, n *netns.NS, addr, name string) {
	var l net.Listener
	var err error
	n.Do(func() { l, err = net.Listen("tcp", addr) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for lines := bufio.NewScanner(c); lines.Scan(); {
					fmt.Fprintln(c, name)
				}
			}()
		}
	}()
}

// request opens a connection of its own for one line and returns the answer.
func request(n *netns.NS, addr string) (string, error) {
	c, err := dial(n, addr)
	if err != nil {
		return "", err
	}
	defer c.Close()
	return say(c)
}

func dial(n *netns.NS, addr string) (c net.Conn, err error) {
	n.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		c, err = new(net.Dialer).DialContext(ctx, "tcp", addr)
	})
	return c, err
}

func say(c net.Conn) (string, error) {
	c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, "who?\n"); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	return strings.TrimSpace(line), err
}

// shares makes n requests and counts who answered.
func shares(t *testing.T, from *netns.NS, addr string, n int) map[string]int {
	t.Helper()
	got := make(map[string]int)
	for range n {
		who, err := request(from, addr)
		if err != nil {
			t.Fatalf("request to %s after %v: %v", addr, got, err)
		}
		got[who]++
	}
	return got
}

// closed: a namespace's TCP sockets listen or remember what was (TIME_WAIT), so that no packet of
// theirs is under way.
func closed(t *testing.T, n *netns.NS) bool {
	t.Helper()
	for _, name := range []string{"tcp", "tcp6"} {
		for _, line := range procNet(t, n, name)[1:] {
			if state := strings.Fields(line)[3]; state != "0A" && state != "06" {
				return false
			}
		}
	}
	return true
}

// passed is what IPVS has counted in a namespace since it was loaded. Counters of services and
// destinations follow every two seconds, and zeroing takes away only what they show by then.
func passed(t *testing.T, n *netns.NS) (c table.Counters) {
	t.Helper()
	for _, line := range procNet(t, n, "ip_vs_stats_percpu") {
		f := strings.Fields(line)
		if len(f) != 6 || strings.Trim(f[0], "0123456789ABCDEF") != "" {
			continue // a heading, the sum of the CPUs, rates
		}
		for i, to := range []*uint64{&c.Connections, &c.InPackets, &c.OutPackets, &c.InBytes, &c.OutBytes} {
			v, err := strconv.ParseUint(f[1+i], 16, 64)
			if err != nil {
				t.Fatal(err)
			}
			*to += v
		}
	}
	return c
}

// procNet returns the lines of a namespace's file in /proc/net.
func procNet(t *testing.T, n *netns.NS, name string) []string {
	t.Helper()
	var text []byte
	var err error
	n.Do(func() { text, err = os.ReadFile("/proc/thread-self/net/" + name) })
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

func apply(t *testing.T, d *ipvs.Driver, changes ...table.Change) {
	t.Helper()
	if err := d.Apply(changes); err != nil {
		t.Fatal(err)
	}
}

// directly lets real servers answer clients themselves: the address on lo, a route on the link.
func (s *site) directly() {
	for _, r := range s.reals {
		r.Address("lo", vip+"/32")
		r.Run("ip", "route", "replace", "10.9.0.0/24", "dev", "eth0")
	}
}

// through sends real servers' answers back through the director.
func (s *site) through() {
	for _, r := range s.reals {
		r.Run("ip", "route", "replace", "10.9.0.0/24", "via", "10.9.1.1")
		r.Run("ip", "-6", "route", "replace", "fd00:9::/64", "via", "fd00:9:1::1")
	}
}

// tunnels makes real servers take IPIP and GUE apart.
func (s *site) tunnels() {
	for _, r := range s.reals {
		r.Run("ip", "link", "set", "tunl0", "up")
		r.Sysctl("net/ipv4/conf/tunl0/rp_filter", "0")
		r.Run("ip", "fou", "add", "port", "6080", "gue")
	}
}

// TestTraffic forwards by each method, changed in place by edits, and looks at the counters.
func TestTraffic(t *testing.T) {
	s := newSite(t)
	d := open(t, s.lb)
	service := table.Service{Key: tcp(vip + ":80"), Scheduler: "rr", Granularity: 32}
	apply(t, d, table.Change{Verb: table.AddService, Service: service})
	s.through()
	s.tunnels()
	verb := table.AddDestination
	for _, m := range []struct {
		name   string
		method table.Method
		wrap   table.Wrap
	}{
		{"NAT", table.NAT, table.Wrap{}},
		{"DR", table.Direct, table.Wrap{}},
		{"IPIP", table.Tunnel, table.Wrap{}},
		{"GUE", table.Tunnel, table.Wrap{Type: table.GUE, Port: 6080}},
		{"GUE with checksum", table.Tunnel, table.Wrap{Type: table.GUE, Port: 6080, Flags: table.Checksum}},
	} {
		for i := range s.reals {
			apply(t, d, table.Change{Verb: verb, Service: service,
				Destination: table.Destination{Addr: addr(real4(i) + ":80"), Method: m.method, Weight: 1,
					Wrap: m.wrap}})
		}
		if m.name == "DR" {
			s.directly()
		}
		verb = table.EditDestination
		before := passed(t, s.lb)
		if err := d.Zero(nil); err != nil {
			t.Fatal(err)
		}
		if got := shares(t, s.client, vip+":80", 20); got["real0"] != 10 || got["real1"] != 10 {
			t.Errorf("%s: %v", m.name, got)
		}
		s.counted(t, d, m.name, 20, before, m.method == table.NAT)
	}
	compareConnections(t, s.lb)
}

// counted waits for the last packet and until the only service's counters, and those of its two
// destinations together, have what the kernel counted since before: of n connections.
func (s *site) counted(t *testing.T, d *ipvs.Driver, name string, n uint64, before table.Counters, back bool) {
	t.Helper()
	var c table.Counters
	eventually(t, name+": connections closed at both ends", func() bool {
		return closed(t, s.client) && closed(t, s.reals[0]) && closed(t, s.reals[1])
	})
	eventually(t, name+": the counters", func() bool {
		st := state(t, d)
		c = st[0].Counters
		var sum table.Counters
		for _, dest := range st[0].Destinations {
			sum = plus(sum, dest.Counters)
		}
		return plus(before, c) == passed(t, s.lb) && sum == c
	})
	if c.Connections != n || c.InPackets < 3*n || c.InBytes <= 40*c.InPackets || back != (c.OutPackets >= 3*n) ||
		back != (c.OutBytes > 0) {
		t.Errorf("%s: %+v", name, c)
	}
}

func plus(a, b table.Counters) table.Counters {
	return table.Counters{Connections: a.Connections + b.Connections,
		InPackets: a.InPackets + b.InPackets, OutPackets: a.OutPackets + b.OutPackets,
		InBytes: a.InBytes + b.InBytes, OutBytes: a.OutBytes + b.OutBytes}
}

var expiry = regexp.MustCompile(`(?m)^(\S+ +)\d\d:\d\d`)

// compareConnections compares listings of connections, but for the clock.
func compareConnections(t *testing.T, n *netns.NS) {
	t.Helper()
	for _, args := range [][]string{{"-Lnc"}, {"-Lnc", "--persistent-conn"}} {
		var x, y outcome
		same := func() bool { // states move on between one listing and the other
			x, y = theirs(n, "", args...), ours(n, "", args...)
			x.Out, y.Out = expiry.ReplaceAllString(x.Out, "$1"), expiry.ReplaceAllString(y.Out, "$1")
			return x.Out == y.Out
		}
		for end := time.Now().Add(patience); !same() && time.Now().Before(end); {
		}
		compare(t, strings.Join(args, " "), x, y)
		if strings.Count(x.Out, "\n") < 3 {
			t.Errorf("no connections to compare:\n%s", x.Out)
		}
	}
}

// TestTrafficIPv6: NAT, ports of their own, persistence, one-packet UDP; and how their
// connections are listed.
func TestTrafficIPv6(t *testing.T) {
	s := newSite(t)
	d := open(t, s.lb)
	s.through()
	service := table.Service{Key: tcp("[" + vip6 + "]:80"), Scheduler: "wrr", Flags: table.Persistent,
		Timeout: 100 * time.Second, Granularity: 64}
	udp := table.Service{Key: table.Key{Protocol: table.UDP, Addr: addr(vip + ":53")}, Scheduler: "rr", Granularity: 32}
	apply(t, d, table.Change{Verb: table.AddService, Service: service},
		table.Change{Verb: table.AddService, Service: udp})
	for i := range s.reals {
		apply(t, d,
			table.Change{Verb: table.AddDestination, Service: service,
				Destination: table.Destination{Addr: addr("[" + real6(i) + "]:8080"), Method: table.NAT, Weight: 1}},
			table.Change{Verb: table.AddDestination, Service: udp,
				Destination: table.Destination{Addr: addr(real4(i) + ":53"), Method: table.NAT, Weight: 1}})
	}
	if got := shares(t, s.client, "["+vip6+"]:80", 6); len(got) != 1 {
		t.Errorf("one client, persistent: %v", got)
	}
	s.client.Do(func() {
		c, err := net.Dial("udp", vip+":53")
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		c.Write([]byte("?"))
	})
	eventually(t, "the flow of one packet", func() bool {
		return theirs(s.lb, "", "-Lnc").Out == "" || strings.Contains(theirs(s.lb, "", "-Lnc").Out, "UDP")
	})
	compareConnections(t, s.lb)
	bound := uint32(0)
	for _, dest := range state(t, d)[0].Destinations {
		bound += dest.Persistent
	}
	if bound != 1 {
		t.Errorf("%d clients are bound", bound)
	}
}

// TestEditsUnderTraffic: servers come and go, weights and flags change, and no request is lost.
func TestEditsUnderTraffic(t *testing.T) {
	s := newSite(t)
	d := open(t, s.lb)
	s.directly()
	service := table.Service{Key: tcp(vip + ":80"), Scheduler: "rr", Granularity: 32}
	dest := func(i, weight int) table.Destination {
		return table.Destination{Addr: addr(real4(i) + ":80"), Method: table.Direct, Weight: weight}
	}
	apply(t, d, table.Change{Verb: table.AddService, Service: service},
		table.Change{Verb: table.AddDestination, Service: service, Destination: dest(0, 1)})
	held, err := dial(s.client, vip+":80")
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	var made, lost, edits atomic.Int64
	stop := requests(t, s, &made, &lost, &edits)
	more := func(n int64) { // requests between one edit and the next
		from := made.Load()
		eventually(t, "requests going on", func() bool { return made.Load() >= from+n })
	}
	edit := func(c table.Change) {
		t.Helper()
		apply(t, d, c)
		edits.Add(1)
		more(4)
	}
	for range 6 {
		edit(table.Change{Verb: table.AddDestination, Service: service, Destination: dest(1, 1)})
		edit(table.Change{Verb: table.EditDestination, Service: service, Destination: dest(1, 7)})
		service.Flags ^= table.Sched1
		edit(table.Change{Verb: table.EditService, Service: service})
		edit(table.Change{Verb: table.EditDestination, Service: service, Destination: dest(1, 0)})
		eventually(t, "no connection with the server that is to go", func() bool {
			return unused(t, d, dest(1, 0).Addr)
		})
		edit(table.Change{Verb: table.DeleteDestination, Service: service, Destination: dest(1, 0)})
	}
	stop()
	if lost.Load() != 0 || made.Load() < 100 {
		t.Errorf("%d of %d requests lost", lost.Load(), made.Load())
	}
	// Another scheduler: the kernel refuses new connections for a moment while it changes, but
	// what is there goes on.
	for _, scheduler := range []string{"wrr", "sh", "wlc", "mh", "lc", "rr"} {
		service.Scheduler = scheduler
		apply(t, d, table.Change{Verb: table.EditService, Service: service})
		if who, err := say(held); err != nil || who != "real0" {
			t.Errorf("the open connection with %s: %q, %v", scheduler, who, err)
		}
	}
	if who, err := say(held); err != nil || who != "real0" {
		t.Errorf("the connection that was there from the start: %q, %v", who, err)
	}
	t.Logf("%d edits, %d requests, %d lost", edits.Load(), made.Load(), lost.Load())
}

// requests has two clients ask all the time, until they are stopped.
func requests(t *testing.T, s *site, made, lost, edits *atomic.Int64) (end func()) {
	stop, done := make(chan struct{}), make(chan struct{})
	for range 2 {
		go func() {
			defer func() { done <- struct{}{} }()
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := request(s.client, vip+":80"); err != nil {
					lost.Add(1)
					t.Logf("after %d edits: %v", edits.Load(), err)
				}
				made.Add(1)
			}
		}()
	}
	return func() {
		close(stop)
		<-done
		<-done
	}
}

// unused: no connection with a destination is opening or open. (Active does not count those that
// are opening.)
func unused(t *testing.T, d *ipvs.Driver, dest netip.AddrPort) bool {
	t.Helper()
	used := false
	err := d.Connections(func(c *table.Connection) bool {
		used = c.Destination == dest && (c.State == table.SynRecv || c.State == table.Established)
		return !used
	})
	if err != nil {
		t.Fatal(err)
	}
	return !used
}

// TestSync: a connection made through one director is known to the other, and goes on there
// when the address moves.
func TestSync(t *testing.T) {
	s := newSite(t)
	d, spare := open(t, s.lb), open(t, s.spare)
	s.directly()
	service := table.Service{Key: tcp(vip + ":80"), Scheduler: "rr", Granularity: 32}
	for _, x := range []*ipvs.Driver{d, spare} {
		apply(t, x, table.Change{Verb: table.AddService, Service: service})
		for i := range s.reals {
			apply(t, x, table.Change{Verb: table.AddDestination, Service: service,
				Destination: table.Destination{Addr: addr(real4(i) + ":80"), Method: table.Direct, Weight: 1}})
		}
	}
	startDaemons(t, d, spare)
	held, err := dial(s.client, vip+":80")
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	who, err := say(held)
	if err != nil {
		t.Fatal(err)
	}
	client := addr(held.LocalAddr().String())
	var at string
	eventually(t, "the backup knows the connection", func() bool {
		found := false
		if err := spare.Connections(func(c *table.Connection) bool {
			found = c.Client == client && c.State == table.Established
			at = c.Destination.Addr().String()
			return !found
		}); err != nil {
			t.Fatal(err)
		}
		if !found { // each packet is another chance to be told of
			say(held)
		}
		return found
	})
	if want := map[string]string{"real0": real4(0), "real1": real4(1)}[who]; at != want {
		t.Errorf("the backup thinks of %s, but %s answers", at, want)
	}
	// The address moves.
	s.lb.Run("ip", "addr", "del", vip+"/32", "dev", "eth0")
	s.spare.Address("eth0", vip+"/32")
	s.client.Run("ip", "neigh", "flush", "dev", "eth0")
	if again, err := say(held); err != nil || again != who {
		t.Errorf("after the move: %q, %v", again, err)
	}
	for _, x := range []struct {
		d    *ipvs.Driver
		role table.Role
	}{{d, table.Master}, {spare, table.Backup}} {
		if err := x.d.StopDaemon(x.role); err != nil {
			t.Error(err)
		}
	}
}

// startDaemons has one director tell the other of its connections.
func startDaemons(t *testing.T, d, spare *ipvs.Driver) {
	t.Helper()
	daemon := table.Daemon{Interface: "eth0", ID: 7, MaxLen: 1400, Port: 9000, TTL: 2}
	daemon.Role = table.Master
	if err := d.StartDaemon(daemon); err != nil {
		t.Fatal(err)
	}
	daemon.Role = table.Backup
	if err := spare.StartDaemon(daemon); err != nil {
		t.Fatal(err)
	}
	running, err := spare.Daemons()
	if err != nil || len(running) != 1 || running[0].Role != table.Backup || running[0].ID != 7 ||
		running[0].Port != 9000 || running[0].TTL != 2 || running[0].Group.String() != "224.0.0.81" {
		t.Errorf("the backup's daemon: %+v, %v", running, err)
	}
}
