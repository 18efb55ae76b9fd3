//go:build ipvsguest

package ipvs

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/ipvsadm"
	"github.com/evenkeel/evenkeel/linux/ipvs"
	"github.com/evenkeel/evenkeel/lvs/table"
	"github.com/evenkeel/evenkeel/test/netns"
	"github.com/google/go-cmp/cmp"
)

// noNames: what is compared in this process is numeric.
type noNames struct{}

func (noNames) Host(netip.Addr) string                     { return "" }
func (noNames) Service(uint16, table.Protocol) string      { return "" }
func (noNames) LookupHost(string, bool) (netip.Addr, bool) { return netip.Addr{}, false }
func (noNames) LookupService(name string, _ table.Protocol) (uint16, bool) {
	port := map[string]uint16{"http": 80, "https": 443}[name]
	return port, port != 0
}

// outcome of a command line.
type outcome struct {
	Out    string
	Status int
	errors string // not compared word for word
}

// theirs runs Debian's ipvsadm in a namespace.
func theirs(n *netns.NS, stdin string, args ...string) outcome {
	return execute(n, "/usr/sbin/ipvsadm", stdin, args...)
}

func execute(n *netns.NS, program, stdin string, args ...string) outcome {
	cmd := exec.Command(program, args...)
	cmd.Args[0] = "ipvsadm" // which is how it calls itself in complaints
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	n.Start(cmd)
	cmd.Wait()
	return outcome{out.String(), cmd.ProcessState.ExitCode(), errs.String()}
}

// ours runs the same command line in this process.
func ours(n *netns.NS, stdin string, args ...string) outcome {
	var out, errs bytes.Buffer
	open := func() (d table.Driver, err error) {
		n.Do(func() { d, err = ipvs.Open() })
		return d, err
	}
	p := ipvsadm.Program{
		Name: "ipvsadm", Names: noNames{}, In: strings.NewReader(stdin), Out: &out, Err: &errs,
		Open: open, Look: open,
	}
	status := p.Main(args)
	return outcome{out.String(), status, errs.String()}
}

func compare(t *testing.T, what string, theirs, ours outcome) {
	t.Helper()
	if d := cmp.Diff(theirs.Out, ours.Out); d != "" || theirs.Status != ours.Status {
		t.Errorf("%s: status %d, ours %d (- ipvsadm, + ours):\n%s\nerrors: %s\nours: %s", what, theirs.Status,
			ours.Status, d, theirs.errors, ours.errors)
	}
}

// tables are made by ipvsadm and listed by both.
var tables = map[string]string{
	"empty":     "",
	"no server": "-A -t 10.9.0.100:80",
	"methods": "-A -t 10.9.0.100:80 -s rr\n-a -t 10.9.0.100:80 -r 10.9.1.1 -g\n-a -t 10.9.0.100:80 -r " +
		"10.9.1.2:8080 -m -w 5\n-a -t 10.9.0.100:80 -r 10.9.1.3 -i -w 0",
	"udp":  "-A -u 10.9.0.100:53 -s wrr\n-a -u 10.9.0.100:53 -r 10.9.1.1 -g -w 65535",
	"sctp": "-A --sctp-service 10.9.0.100:99\n-a --sctp-service 10.9.0.100:99 -r 10.9.1.1 -m",
	"ipv6": "-A -t [fd00:9::64]:80 -s sh\n-a -t [fd00:9::64]:80 -r [fd00:9::1]:80 -g\n-a -t [fd00:9::64]:80 " +
		"-r [fd00:9::2]:8080 -m",
	"long ipv6": "-A -t [2001:db8:1111:2222:3333:4444:5555:6666]:8080 -s rr\n-a -t " +
		"[2001:db8:1111:2222:3333:4444:5555:6666]:8080 -r [2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:12345 -m\n-a -t " +
		"[2001:db8:1111:2222:3333:4444:5555:6666]:8080 -r [2001:db8:aaaa:bbbb:cccc:dddd:eeee:fffe]:12345 -m",
	"mapped": "-A -t [::ffff:10.9.0.1]:80 -s rr\n-A -t [::10.9.0.1]:80\n-A -t [64:ff9b::10.9.0.1]:80\n-A -t " +
		"[::1]:80\n-A -t [1::]:80\n-A -t [1:0:0:2:0:0:0:3]:80\n-A -t [1:0:2:3:4:5:6:7]:80",
	"mark":      "-A -f 7 -s wlc\n-a -f 7 -r 10.9.1.1:0 -g\n-a -f 7 -r 10.9.1.2:81 -m\n-a -f 7 -r 10.9.1.3:82 -i",
	"mark ipv6": "-A -f 8 -6 -p\n-a -f 8 -6 -r fd00:9::2 -g\n-A -f 8 -s rr\n-A -f 1000000 -6 -s rr",
	"persistent": "-A -t 10.9.0.100:443 -p\n-A -t 10.9.0.100:444 -p 99\n-A -t 10.9.0.100:0 -p 2678400 -M " +
		"255.255.255.0\n-A -t 10.9.0.101:0 -p 1 -M 128.0.0.0\n-A -t 10.9.0.102:0 -p 1 -M 0.0.0.0",
	"persistent v6": "-A -t [fd00:9::64]:0 -p 5 -M 64\n-A -t [fd00:9::65]:0 -p 6 -M 1\n-A -t [fd00:9::66]:0 -p 7",
	"mask unused":   "-A -t 10.9.0.100:80 -M 255.255.0.0\n-A -t [fd00:9::64]:80 -M 64",
	"thresholds": "-A -t 10.9.0.100:80\n-a -t 10.9.0.100:80 -r 10.9.1.1 -x 100 -y 50\n-a -t 10.9.0.100:80 -r " +
		"10.9.1.2 -x 2147483647\n-a -t 10.9.0.100:80 -r 10.9.1.3",
	"weights": "-A -t 10.9.0.100:80\n-a -t 10.9.0.100:80 -r 10.9.1.1 -w 2147483647\n-a -t 10.9.0.100:80 -r " +
		"10.9.1.2 -w 0\n-a -t 10.9.0.100:80 -r 10.9.1.3 -w 1234567",
	"ops": "-A -u 10.9.0.100:53 -o -s rr\n-A -f 9 -o -s rr\n-A -u 10.9.0.100:54 -o -p 7 -M 255.255.0.0 " +
		"--pe sip -s sh -b sh-port",
	"pe": "-A -u 10.9.0.100:5060 -p 60 --pe sip -s rr\n-A -t 10.9.0.100:5060 --pe sip -s rr\n-A -u " +
		"[fd00:9::64]:5060 -p 60 -M 64 --pe sip -s rr -o",
	"sh flags": "-A -t 10.9.0.100:80 -s sh -b sh-fallback\n-A -t 10.9.0.100:81 -s sh -b sh-port\n-A -t " +
		"10.9.0.100:82 -s sh -b sh-port,sh-fallback",
	"mh flags": "-A -t 10.9.0.100:80 -s mh -b mh-fallback\n-A -t 10.9.0.100:81 -s mh -b flag-2,flag-1",
	"plain flags": "-A -t 10.9.0.100:80 -s rr -b flag-1\n-A -t 10.9.0.100:81 -s wrr -b flag-3,flag-1 -p 8 -M " +
		"255.0.0.0",
	"schedulers": "-A -t 10.9.0.100:1 -s rr\n-A -t 10.9.0.100:2 -s wrr\n-A -t 10.9.0.100:3 -s lc\n-A -t " +
		"10.9.0.100:4 -s wlc\n-A -t 10.9.0.100:5 -s lblc\n-A -t 10.9.0.100:6 -s lblcr\n-A -t 10.9.0.100:7 -s dh\n-A " +
		"-t 10.9.0.100:8 -s sh\n-A -t 10.9.0.100:9 -s sed\n-A -t 10.9.0.100:10 -s nq\n-A -t 10.9.0.100:11 -s fo\n-A " +
		"-t 10.9.0.100:12 -s ovf\n-A -t 10.9.0.100:13 -s mh",
	"gue": "-A -t 10.9.0.100:80\n-a -t 10.9.0.100:80 -r 10.9.1.1 -i --tun-type gue --tun-port 6080\n-a -t " +
		"10.9.0.100:80 -r 10.9.1.2 -i --tun-type gue --tun-port 65535 --tun-csum\n-a -t 10.9.0.100:80 -r 10.9.1.3 -i " +
		"--tun-type gue --tun-port 1 --tun-remcsum\n-a -t 10.9.0.100:80 -r 10.9.1.4 -i --tun-type gue --tun-port 2 " +
		"--tun-nocsum",
	"gre": "-A -t 10.9.0.100:80\n-a -t 10.9.0.100:80 -r 10.9.1.1 -i --tun-type gre\n-a -t 10.9.0.100:80 -r " +
		"10.9.1.2 -i --tun-type gre --tun-csum\n-a -t 10.9.0.100:80 -r 10.9.1.3 -i --tun-type ipip",
	"mixed tunnels": "-A -t 10.9.0.100:80\n-a -t 10.9.0.100:80 -r fd00:9::1 -i\n-a -t 10.9.0.100:80 -r 10.9.1.1 " +
		"-i\n-a -t 10.9.0.100:80 -r 200.9.1.1 -i\n-A -t [fd00:9::64]:80\n-a -t [fd00:9::64]:80 -r 10.9.1.2 -i " +
		"--tun-type gue --tun-port 5\n-a -t [fd00:9::64]:80 -r fd00:9::2 -i",
	"order": "-A -t 10.0.0.1:80\n-A -t 192.0.2.1:80\n-A -t 100.64.0.1:80\n-A -t 172.16.0.1:80\n-A -t " +
		"10.0.0.1:79\n-A -u 10.0.0.1:80\n-A -t 128.0.0.1:80\n-A -t 1.0.0.1:80\n-A -t 223.0.0.1:80\n-A -u " +
		"223.0.0.1:80\n-A -t [fd00::1]:80\n-A -t [2001:db8::1]:80\n-A -t [fe80::1]:80\n-A -t [3fff::1]:80\n-A -f " +
		"3\n-A -f 2\n-A -f 2000000000\n-A -f 2 -6\n-A --sctp-service 1.1.1.1:9",
	"order servers": "-A -t 10.0.0.1:80\n-a -t 10.0.0.1:80 -r 10.0.0.2:80 -m\n-a -t 10.0.0.1:80 -r 192.0.2.2:80 " +
		"-m\n-a -t 10.0.0.1:80 -r 100.64.0.2:80 -m\n-a -t 10.0.0.1:80 -r 172.16.0.2:80 -m\n-a -t 10.0.0.1:80 -r " +
		"223.0.0.2:80 -m\n-a -t 10.0.0.1:80 -r 1.0.0.2:80 -m\n-a -t 10.0.0.1:80 -r 10.0.0.2:79 -m\n-a -t 10.0.0.1:80 " +
		"-r 10.0.0.2:65535 -m\n-a -t 10.0.0.1:80 -r 128.0.0.2:80 -m",
}

// listings of each table.
var listings = [][]string{
	{"-Ln"}, {"-Sn"}, {"-Ln", "--thresholds"}, {"-ln", "--tun-info", "--nosort"}, {"-L", "-n", "--stats"},
}

// moreListings of one table with everything; and -6 and the like.
var moreListings = [][]string{
	{"-Ln", "--rate"}, {"-Ln", "--stats", "--exact"}, {"-Ln", "--persistent-conn"}, {"-Ln", "--nosort"}, {"-Lnc"},
	{"-lnc", "--persistent-conn"},
	{"-L", "--timeout"}, {"-L", "--daemon"}, {"-Ln", "--rate", "--stats"}, {"-Ln", "--thresholds", "--tun-info"},
	{"-L", "-n", "-t", "10.9.0.100:80"},
	{"-Ln", "-f", "7"}, {"-Ln", "--stats", "-f", "8", "-6"}, {"-Ln", "-t", "10.9.9.9:80"}, {"-Ln", "--sort", "--exact"},
}

func TestListings(t *testing.T) {
	n := netns.New(t, "lb")
	for name, rules := range tables {
		if o := theirs(n, rules, "-R"); o.Status != 0 {
			t.Fatalf("%s: %s", name, o.errors)
		}
		for _, args := range listings {
			compare(t, name+": "+strings.Join(args, " "), theirs(n, "", args...), ours(n, "", args...))
		}
		// What we save is what they restore.
		saved := ours(n, "", "-S", "-n").Out
		theirs(n, "", "-C")
		if o := theirs(n, saved, "-R"); o.Status != 0 {
			t.Errorf("%s: restoring what we saved: %s\n%s", name, o.errors, saved)
		}
		if again := ours(n, "", "-S", "-n").Out; sorted(again) != sorted(saved) {
			t.Errorf("%s: saved, restored and saved again:\n%s", name, cmp.Diff(saved, again))
		}
		theirs(n, "", "-C")
	}
	t.Logf("%d tables, %d listings each", len(tables), len(listings))
}

// sorted sorts lines: ipvsadm's own order of far addresses depends on how they came.
func sorted(text string) string {
	lines := strings.Split(text, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// state reads a table, by keys and addresses: the kernel's own order differs from namespace to namespace.
func state(t *testing.T, d *ipvs.Driver) []table.ServiceState {
	t.Helper()
	all, err := d.State()
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(all, func(a, b table.ServiceState) int { return strings.Compare(a.Key.String(), b.Key.String()) })
	for _, s := range all {
		slices.SortFunc(s.Destinations, func(a, b table.DestinationState) int { return a.Addr.Compare(b.Addr) })
	}
	return all
}

// everything is one table of many kinds.
var everything = strings.Join([]string{tables["methods"], tables["mark"], tables["mark ipv6"], tables["persistent"],
	tables["ipv6"], tables["udp"]}, "\n")

func TestMoreListings(t *testing.T) {
	n, m := netns.New(t, "lb"), netns.New(t, "other")
	netns.Veth(t, n, "eth0", m, "eth0")
	n.Address("eth0", "10.9.0.1/24")
	for _, args := range [][]string{{"-R"}, {"--set", "100", "20", "3"},
		{"--start-daemon", "master", "--mcast-interface", "eth0", "--syncid", "3"},
		{"--start-daemon", "backup", "--mcast-interface", "eth0", "--sync-maxlen", "1000", "--mcast-group", "ff02::99",
			"--mcast-port", "9999", "--mcast-ttl", "5"}} {
		if o := theirs(n, everything, args...); o.Status != 0 {
			t.Fatalf("%v: %s", args, o.errors)
		}
	}
	for _, args := range moreListings {
		compare(t, strings.Join(args, " "), theirs(n, "", args...), ours(n, "", args...))
	}
}

// TestNames: names of hosts and services, by the program itself.
func TestNames(t *testing.T) {
	n := netns.New(t, "lb")
	if err := os.Symlink("/usr/bin/evenkeel", "/tmp/ipvsadm"); err != nil && !os.IsExist(err) {
		t.Fatal(err)
	}
	rules := everything + `
-A -t www.example.org:8080
-a -t www.example.org:8080 -r web1.example.org:https -m
-A -t 192.0.2.55:http -p 30
-a -t 192.0.2.55:http -r 192.0.2.55:http-alt -m
-A -u 192.0.2.55:domain
-A --sctp-service 192.0.2.55:80
-a -f 7 -r 192.0.2.55:80 -m
-A -t [fd00:9::64]:443
-a -t [fd00:9::64]:443 -r [fd00:9::64]:80 -m
-A -t [2001:db8:1111:2222:3333:4444:5555:6666]:8080
-a -t [2001:db8:1111:2222:3333:4444:5555:6666]:8080 -r [2001:db8:1111:2222:3333:4444:5555:6667]:8080 -m
-A -t [fd00:9::65]:80
-a -t [fd00:9::65]:80 -r [fd00:9::65]:80 -m`
	if o := theirs(n, rules, "-R"); o.Status != 0 {
		t.Fatal(o.errors)
	}
	for _, args := range [][]string{{"-L"}, {"-S"}, {"-L", "--stats"}, {"-L", "--thresholds"},
		{"-l", "-t", "www.example.org:http-alt"}, {}} {
		compare(t, strings.Join(args, " "), theirs(n, "", args...), execute(n, "/tmp/ipvsadm", "", args...))
	}
	save := theirs(n, "", "-S").Out
	theirs(n, "", "-C")
	if o := execute(n, "/tmp/ipvsadm", save, "-R"); o.Status != 0 {
		t.Errorf("restoring what ipvsadm saved with names: %s", o.errors)
	}
	if again := theirs(n, "", "-S").Out; sorted(again) != sorted(save) {
		t.Error(cmp.Diff(sorted(save), sorted(again)))
	}
}

// TestCommands gives the same command lines to both, each in a namespace of its own, and compares
// exit codes and the tables that come of it.
func TestCommands(t *testing.T) {
	a, b := netns.New(t, "theirs"), netns.New(t, "ours")
	for _, n := range []*netns.NS{a, b} {
		m := netns.New(t, "peer")
		netns.Veth(t, n, "eth0", m, "eth0")
		n.Address("eth0", "10.9.0.1/24")
	}
	da, db := open(t, a), open(t, b)
	lines := strings.Split(strings.TrimSpace(commands), "\n")
	n := 0
	for i, line := range lines {
		args := split(line)
		x, y := theirs(a, "", args...), ours(b, "", args...)
		if strings.Contains(line, "--help") || strings.Contains(line, "-h") || strings.Contains(line, "-v") {
			x.Out, y.Out = "", "" // ours has words of its own
		}
		compare(t, fmt.Sprintf("%d: ipvsadm %s", i+1, line), x, y)
		if x.errors != y.errors && !strings.Contains(y.errors, "Usage") {
			t.Errorf("%d: ipvsadm %s: says %q, ours %q", i+1, line, x.errors, y.errors)
		}
		sa, sb := state(t, da), state(t, db)
		ta, _ := da.Timeouts()
		tb, _ := db.Timeouts()
		ea, _ := da.Daemons()
		eb, _ := db.Daemons()
		if d := cmp.Diff(sa, sb, equal) + cmp.Diff(ta, tb) + cmp.Diff(ea, eb, equal); d != "" {
			t.Fatalf("after %d: ipvsadm %s: the tables differ (- ipvsadm, + ours): %s", i+1, line, d)
		}
		n++
	}
	t.Logf("%d command lines", n)
}

// split takes a line apart at blanks; ” is an empty word and _ a blank.
func split(line string) []string {
	words := strings.Fields(line)
	for i, w := range words {
		words[i] = strings.NewReplacer("''", "", "_", " ").Replace(w)
	}
	return words
}

// TestRestores gives the same input to the --restore of both.
func TestRestores(t *testing.T) {
	a, b := netns.New(t, "theirs"), netns.New(t, "ours")
	da, db := open(t, a), open(t, b)
	for _, text := range restores {
		stdin := strings.ReplaceAll(text, "~", "\n")
		x, y := theirs(a, stdin, "-R"), ours(b, stdin, "-R")
		compare(t, fmt.Sprintf("%q", stdin), x, y)
		if x.errors != y.errors {
			t.Errorf("%q: says %q, ours %q", stdin, x.errors, y.errors)
		}
		sa, sb := state(t, da), state(t, db)
		if d := cmp.Diff(sa, sb, equal); d != "" {
			t.Errorf("%q: the tables differ (- ipvsadm, + ours): %s", stdin, d)
		}
		for _, d := range []*ipvs.Driver{da, db} {
			if err := d.Apply([]table.Change{{Verb: table.Flush}}); err != nil {
				t.Fatal(err)
			}
		}
	}
}
