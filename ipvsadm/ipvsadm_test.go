package ipvsadm

import (
	"bytes"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/lvs/table"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite golden files")

// memory is a driver that keeps what it is told and can be made to refuse.
type memory struct {
	services []table.ServiceState
	applied  [][]table.Change
	refuse   map[string]error // by what a change says of itself
	timeouts table.Timeouts
	daemons  []table.Daemon
	zeroed   []string
	conns    []table.Connection
}

func (m *memory) Info() (table.Info, error) {
	return table.Info{Driver: "memory", Version: "1.2.1", Size: 4096}, nil
}

func (m *memory) Apply(c []table.Change) error {
	for i := range c {
		if err := m.refuse[c[i].String()]; err != nil {
			m.applied = append(m.applied, c[:i])
			return &table.ChangeError{Index: i, Change: c[i], Err: err}
		}
	}
	m.applied = append(m.applied, c)
	return nil
}

func (m *memory) State() ([]table.ServiceState, error) { return m.services, nil }

func (m *memory) Connections(yield func(*table.Connection) bool) error {
	for i := range m.conns {
		if !yield(&m.conns[i]) {
			break
		}
	}
	return nil
}

func (m *memory) Zero(k *table.Key) error {
	if k == nil {
		m.zeroed = append(m.zeroed, "all")
	} else {
		m.zeroed = append(m.zeroed, k.String())
	}
	return nil
}

func (m *memory) Timeouts() (table.Timeouts, error)  { return m.timeouts, nil }
func (m *memory) SetTimeouts(t table.Timeouts) error { m.timeouts = t; return nil }
func (m *memory) Daemons() ([]table.Daemon, error)   { return m.daemons, nil }
func (m *memory) StartDaemon(d table.Daemon) error   { m.daemons = append(m.daemons, d); return nil }
func (m *memory) StopDaemon(table.Role) error        { return table.ErrNotFound }
func (m *memory) Close() error                       { return nil }

type someNames struct{}

var hosts = map[string]string{"www.example.org": "192.0.2.1", "www6.example.org": "2001:db8::1",
	"a-name-that-is-far-too-long.example.org": "192.0.2.9"}

func (someNames) Host(a netip.Addr) string {
	for name, addr := range hosts {
		if addr == a.String() {
			return name
		}
	}
	return ""
}

func (someNames) Service(port uint16, p table.Protocol) string {
	if port == 80 && p == table.TCP {
		return "http"
	}
	return ""
}

func (someNames) LookupHost(name string, v6 bool) (netip.Addr, bool) {
	a, err := netip.ParseAddr(hosts[name])
	return a, err == nil && a.Is6() == v6
}

func (someNames) LookupService(name string, p table.Protocol) (uint16, bool) {
	return 80, name == "http" && p == table.TCP
}

func runLine(m *memory, stdin, line string) (out, errs string, status int) {
	var o, e bytes.Buffer
	p := Program{Name: "ipvsadm", Version: "test 1", Names: someNames{}, In: strings.NewReader(stdin), Out: &o, Err: &e,
		Open: func() (table.Driver, error) { return m, nil }, Look: func() (table.Driver, error) { return m, nil }}
	status = p.Main(strings.Fields(line))
	return o.String(), e.String(), status
}

func changesText(c []table.Change) string {
	var b strings.Builder
	for _, one := range c {
		s, d := one.Service, one.Destination
		fmt.Fprintf(&b, "%s; ", one)
		if one.Verb <= table.EditService {
			fmt.Fprintf(&b, "%s flags=%d timeout=%v granularity=%d engine=%q; ", s.Scheduler, s.Flags, s.Timeout,
				s.Granularity, s.Engine)
		}
		if one.Verb == table.AddDestination || one.Verb == table.EditDestination {
			fmt.Fprintf(&b, "%s weight=%d wrap=%v thresholds=%d,%d; ", d.Method, d.Weight, d.Wrap, d.Upper, d.Lower)
		}
	}
	return strings.TrimSuffix(b.String(), "; ")
}

// TestChanges: what a command line does to the table.
func TestChanges(t *testing.T) {
	for line, want := range map[string]string{
		"-A -t 192.0.2.1:80": "add service TCP 192.0.2.1:80; wlc flags=0 timeout=0s " +
			"granularity=32 engine=\"\"",
		"-At 192.0.2.1:80 -srr -p": "add service TCP 192.0.2.1:80; rr flags=1 " +
			"timeout=6m0s granularity=32 engine=\"\"",
		"-A -t=www.example.org:http --persistent=5": "add service TCP 192.0.2.1:80; wlc flags=1 timeout=5s " +
			"granularity=32 engine=\"\"",
		"-A -t [www6.example.org]:http": "add service TCP [2001:db8::1]:80; wlc flags=0 " +
			"timeout=0s granularity=128 engine=\"\"",
		"-E -u 10.1:53 -o -s rr --pe sip -p 9 -M 255.255.0.0": "edit service UDP 10.0.0.1:53; rr flags=5 timeout=9s " +
			"granularity=16 engine=\"sip\"",
		"-A -M 255.0.255.0 -f 7 -6 -p": "add service FWM 7 IPv6; wlc flags=1 timeout=6m0s " +
			"granularity=128 engine=\"\"",
		"-A -t 2001:db8::5 -p -M 64": "add service TCP [2001:db8::5]:0; wlc flags=1 " +
			"timeout=6m0s granularity=64 engine=\"\"",
		"-A -t 192.0.2.1:80 -b sh-port,flag-3 -s sh": "add service TCP 192.0.2.1:80; sh flags=48 timeout=0s " +
			"granularity=32 engine=\"\"",
		"-D -f 4294967295": "delete service FWM 4294967295",
		"-C":               "clear the table",
		"-a -t 192.0.2.1:80 -r 10.0.0.1:90": "add destination 10.0.0.1:80 of TCP 192.0.2.1:80; " +
			"Route weight=1 wrap={0 0 0} thresholds=0,0",
		"-a -t 192.0.2.1:80 -r 10.0.0.1:90 -m -w 0 -x 9 -y 3": "add destination 10.0.0.1:90 of TCP 192.0.2.1:80; " +
			"Masq weight=0 wrap={0 0 0} thresholds=9,3",
		"-a -t 192.0.2.1:80 -r 10.0.0.1 -m": "add destination 10.0.0.1:80 of TCP 192.0.2.1:80; " +
			"Masq weight=1 wrap={0 0 0} thresholds=0,0",
		"-e -f 7 -r 10.0.0.1:90": "edit destination 10.0.0.1:90 of FWM 7; Route " +
			"weight=1 wrap={0 0 0} thresholds=0,0",
		"-d -t 192.0.2.1:80 -r 10.0.0.1:90": "delete destination 10.0.0.1:90 of TCP 192.0.2.1:80",

		"-a -t 192.0.2.1:80 -r 2001:db8::7 -i --tun-type gue --tun-port 6080 --tun-remcsum": "add destination [2001:db8::7]:80 of TCP 192.0.2.1:80; Tunnel weight=1 wrap={1 6080 2} thresholds=0,0",
	} {
		m := &memory{}
		out, errs, status := runLine(m, "", line)
		if status != 0 || out != "" || errs != "" || len(m.applied) != 1 {
			t.Errorf("%s: status %d, %q, %q, %v", line, status, out, errs, m.applied)
		} else if got := changesText(m.applied[0]); got != want {
			t.Errorf("%s:\n got %s\nwant %s", line, got, want)
		}
	}
}

// TestUsage: what makes no sense changes nothing and says what is wrong.
func TestUsage(t *testing.T) {
	for line, want := range map[string]string{
		"-A": "2 You need to supply the 'service-address' option for the " +
			"'add-service' command",
		"-n":                       "255 Try `ipvsadm -h' or 'ipvsadm --help' for more information.",
		"-A -t":                    "255 -t: missing argument",
		"-A --foo":                 "255 --foo: unknown option",
		"-A -t 192.0.2.1:80 -M 24": "2 illegal virtual server persistent mask specified",
		"-A -t 192.0.2.1:80 -w 3":  "2 Illegal 'weight' option with the 'add-service' command",
		"-L -c -t 192.0.2.1:80": "2 The option 'service-address' conflicts with the 'connection' option " +
			"in the 'list' command",
		"-L --daemon --rate":                "2 options conflicts in the list command",
		"--set 1 2":                         "2 --set option requires 3 timeout values",
		"-A -t 192.0.2.1:80 -u 192.0.2.1:1": "2 multiple 'service-address' options specified",
		"-A -6 -f 7":                        "2 -6 used before -f\n",
	} {
		m := &memory{}
		out, errs, status := runLine(m, "", line)
		if got := fmt.Sprintf("%d %s", status, strings.TrimSuffix(errs, "\n")); got != want || out != "" ||
			m.applied != nil {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

// TestExplain: the kernel's errors in ipvsadm's words.
func TestExplain(t *testing.T) {
	for _, c := range []struct {
		line string
		err  error
		want string
	}{
		{"-A -t 192.0.2.1:80", table.ErrExists, "Service already exists"},
		{"-E -t 192.0.2.1:80", table.ErrNotFound, "No such service"},
		{"-A -t 192.0.2.1:80", fmt.Errorf("x: %w", table.ErrNoScheduler), "Scheduler or persistence engine not found"},
		{"-a -t 192.0.2.1:80 -r 10.0.0.1", table.ErrExists, "Destination already exists"},
		{"-a -t 192.0.2.1:80 -r 10.0.0.1", table.ErrNoService, "Service not defined"},
		{"-e -t 192.0.2.1:80 -r 10.0.0.1", table.ErrNotFound, "No such destination"},
		{"-e -t 192.0.2.1:80 -r 10.0.0.1", syscall.EINVAL,
			"Invalid operation.  Possibly wrong module version, address not unicast, ..."},
		{"-A -t 192.0.2.1:80", fmt.Errorf("x: %w", syscall.EPERM), "Permission denied (you must be root)"},
		{"-A -t 192.0.2.1:80", table.ErrUnsupported, "add service TCP 192.0.2.1:80: not supported"},
	} {
		command, err := Parse("ipvsadm", strings.Fields(c.line), someNames{})
		if err != nil {
			t.Fatal(err)
		}
		m := &memory{refuse: map[string]error{command.change().String(): c.err}}
		if _, errs, status := runLine(m, "", c.line); status != statusFailed || errs != c.want+"\n" {
			t.Errorf("%s refused with %v: %d %q", c.line, c.err, status, errs)
		}
	}
}

// TestRestore: one batch, other commands between batches, going on after a refusal, the end at nonsense.
func TestRestore(t *testing.T) {
	m := &memory{refuse: map[string]error{"add service TCP 192.0.2.2:80": table.ErrExists}}
	in := "-A -t 192.0.2.1:80\n\n  ipvsadm -A -t 192.0.2.2:80  \n-A -t 192.0.2.3:80\n--set 1 2 3\n-D -t " +
		"192.0.2.1:80\nnonsense\n-D -t 192.0.2.3:80\n"
	_, errs, status := runLine(m, in, "-R")
	if want := "Service already exists\nTry `ipvsadm -h' or 'ipvsadm --help' for more information.\n"; errs != want ||
		status != 255 {
		t.Errorf("%d %q", status, errs)
	}
	var got []string
	for _, batch := range m.applied {
		got = append(got, changesText(batch))
	}
	svc := "; wlc flags=0 timeout=0s granularity=32 engine=\"\""
	want := []string{"add service TCP 192.0.2.1:80" + svc, "add service TCP 192.0.2.3:80" + svc,
		"delete service TCP 192.0.2.1:80"}
	if d := cmp.Diff(want, got); d != "" ||
		m.timeouts != (table.Timeouts{TCP: time.Second, TCPFin: 2 * time.Second, UDP: 3 * time.Second}) {
		t.Error(d, m.timeouts)
	}
}

// sample is a table with something of everything.
func sample() *memory {
	at := netip.MustParseAddrPort
	return &memory{
		timeouts: table.Timeouts{TCP: 15 * time.Minute, TCPFin: 2 * time.Minute, UDP: 5 * time.Minute},
		daemons: []table.Daemon{{Role: table.Master, Interface: "eth0", ID: 3},
			{Role: table.Backup, Interface: "eth1", MaxLen: 1472, Port: 8848, TTL: 1,
				Group: netip.MustParseAddr("224.0.0.81")}},
		conns: []table.Connection{
			{Protocol: table.TCP, Client: at("10.9.0.1:40000"), Virtual: at("192.0.2.1:80"),
				Destination: at("10.0.0.1:80"), State: table.Established, Expires: 899 * time.Second},
			{Client: at("10.9.0.0:0"), Virtual: at("0.0.0.7:0"), Destination: at("10.0.0.1:0"), State: table.None,
				Expires: 5 * time.Second},
			{Protocol: table.UDP, Client: at("[2001:db8::9]:5060"), Virtual: at("[2001:db8::1]:5060"),
				Destination: at("[2001:db8::7]:5060"), State: table.UDPState, Expires: 3601 * time.Second, PE: "sip",
				PEData: "call@id"},
		},
		services: []table.ServiceState{
			{Service: table.Service{Key: table.Key{Mark: 3000000000}, Scheduler: "mh",
				Flags: table.Sched2 | table.Sched3, Granularity: 32}},
			{Service: table.Service{Key: table.Key{Mark: 7, IPv6: true}, Scheduler: "wlc",
				Flags: table.Persistent | table.OnePacket, Timeout: 90 * time.Second, Granularity: 64, Engine: "sip"}},
			{Service: table.Service{Key: table.Key{Protocol: table.TCP, Addr: at("192.0.2.1:80")}, Scheduler: "rr",
				Granularity: 32},
				Counters: table.Counters{Connections: 99999999, InPackets: 100000000, OutPackets: 1e9,
					InBytes: 123456789012345, OutBytes: 1<<64 - 1},
				Rates: table.Rates{Connections: 1, InPackets: 22, OutPackets: 333, InBytes: 4444, OutBytes: 5e11},
				Destinations: []table.DestinationState{
					{Destination: table.Destination{Addr: at("192.0.2.9:8080"), Method: table.NAT, Weight: 3,
						Upper: 100, Lower: 50}, Active: 1, Inactive: 22, Persistent: 3},
					{Destination: table.Destination{Addr: at("10.0.0.1:80"), Method: table.Tunnel, Weight: 1,
						Wrap: table.Wrap{Type: table.GUE, Port: 6080, Flags: table.Checksum}}},
					{Destination: table.Destination{Addr: at("[2001:db8:1111:2222:3333:4444:5555:6666]:80"),
						Method: table.Tunnel, Weight: 1}},
				}},
			{Service: table.Service{Key: table.Key{Protocol: table.TCP, Addr: at("10.0.0.9:0")}, Scheduler: "sh",
				Flags: table.Persistent | table.Sched1, Timeout: 50 * time.Second, Granularity: 24}},
			{Service: table.Service{Key: table.Key{Protocol: table.SCTP, Addr: at("[2001:db8::1]:99"), IPv6: true},
				Scheduler: "lc", Granularity: 128}},
		},
	}
}

// TestListings prints a table in every way; -update rewrites the golden file.
func TestListings(t *testing.T) {
	var b strings.Builder
	for _, line := range []string{"", "-Ln", "-Ln --tun-info", "-Ln --thresholds", "-Ln --persistent-conn",
		"-L --stats", "-Ln --stats --exact", "-Ln --rate",
		"-Ln --nosort", "-L -t 192.0.2.1:80", "-Ln -f 8", "-Lnc", "-lc --persistent-conn", "-L --timeout",
		"-L --daemon", "-S", "-Sn", "--version", "--help"} {
		out, errs, status := runLine(sample(), "", line)
		fmt.Fprintf(&b, "$ ipvsadm %s\n%s%s[%d]\n\n", line, out, errs, status)
	}
	const golden = "testdata/listings.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), b.String()); d != "" {
		t.Error(d)
	}
}

// TestSaveRestores: what is saved makes the same table again, but for thresholds.
func TestSaveRestores(t *testing.T) {
	saved, _, _ := runLine(sample(), "", "-Sn")
	m := &memory{}
	if _, errs, status := runLine(m, saved, "-R"); status != 0 || len(m.applied) != 1 {
		t.Fatalf("%d %s", status, errs)
	}
	var got []table.ServiceState
	for _, c := range m.applied[0] {
		if c.Verb == table.AddService {
			got = append(got, table.ServiceState{Service: c.Service})
			continue
		}
		last := &got[len(got)-1]
		last.Destinations = append(last.Destinations, table.DestinationState{Destination: c.Destination})
	}
	again, _, _ := runLine(&memory{services: got}, "", "-Sn")
	if d := cmp.Diff(strings.Split(saved, "\n"), strings.Split(again, "\n")); d != "" {
		t.Error(d)
	}
}

func FuzzParse(f *testing.F) {
	for _, line := range []string{"-A -t 192.0.2.1:80 -s rr -p 5 -M 255.255.0.0 -b flag-1",
		"-a -f 7 -6 -r [::1]:80 -i --tun-type gue --tun-port 5 --tun-csum",
		"-Lnc", "--set 1 2 3", "--start-daemon master --mcast-group ff02::1 --syncid 3", "-At0x7f.1:http", "-- -"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		c, err := Parse("ipvsadm", strings.Fields(line), someNames{})
		if err == nil && rules[c.verb].needs&^c.given != 0 && c.verb != help && c.verb != version {
			t.Errorf("%q lacks what it needs", line)
		}
	})
}
