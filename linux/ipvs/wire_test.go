package ipvs

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/evenkeel/evenkeel/lvs/table"
)

// A service and a destination come back from their own encoding: the kernel uses the same
// attributes both ways.
func TestRoundTrip(t *testing.T) {
	addr := netip.MustParseAddrPort
	services := []table.Service{
		{Key: table.Key{Protocol: table.TCP, Addr: addr("192.0.2.1:80")}, Scheduler: "rr", Granularity: 32},
		{Key: table.Key{Protocol: table.UDP, Addr: addr("[2001:db8::1]:53"), IPv6: true}, Scheduler: "sh",
			Flags: table.Persistent | table.Sched2, Timeout: 90 * time.Second, Granularity: 64},
		{Key: table.Key{Mark: 7}, Scheduler: "wlc", Flags: table.Persistent, Timeout: 300 * time.Second,
			Granularity: 24},
		{Key: table.Key{Mark: 9}, Scheduler: "wlc", Flags: table.Persistent, Timeout: 300 * time.Second,
			Granularity: 0},
		{Key: table.Key{Mark: 8, IPv6: true}, Scheduler: "mh", Granularity: 128},
		{Key: table.Key{Protocol: table.UDP, Addr: addr("192.0.2.1:5060")}, Scheduler: "rr",
			Flags: table.OnePacket | table.Persistent, Timeout: time.Minute, Granularity: 1, Engine: "sip"},
	}
	destinations := []table.Destination{
		{Addr: addr("10.0.0.1:8080"), Method: table.NAT, Weight: 1},
		{Addr: addr("[fd00::1]:80"), Method: table.Direct, Weight: 0, Upper: 100, Lower: 50},
		{Addr: addr("10.0.0.2:80"), Method: table.Tunnel, Weight: 65535,
			Wrap: table.Wrap{Type: table.GUE, Port: 6080, Flags: table.RemoteChecksum}},
	}
	for _, s := range services {
		for _, d := range destinations {
			var b attrs
			_, err := b.change(&table.Change{Verb: table.AddService, Service: s})
			if err != nil {
				t.Fatal(err)
			}
			got, err := parseService(b)
			if err != nil {
				t.Fatal(err)
			}
			equal := cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })
			if diff := cmp.Diff(s, got.Service, equal); diff != "" {
				t.Errorf("%s: %s", s.Key, diff)
			}
			b = b[:0]
			if _, err = b.change(&table.Change{Verb: table.AddDestination, Service: s, Destination: d}); err != nil {
				t.Fatal(err)
			}
			gotDest, err := parseDestination(b, 0)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(d, gotDest.Destination, equal); diff != "" {
				t.Errorf("%s: %s", d.Addr, diff)
			}
		}
	}
}

func TestDaemonRoundTrip(t *testing.T) {
	for _, d := range []table.Daemon{
		{Role: table.Master, Interface: "eth0", ID: 7},
		{Role: table.Backup, Interface: "eth1", ID: 255, MaxLen: 1400, Port: 9000, TTL: 3,
			Group: netip.MustParseAddr("224.0.0.99")},
		{Role: table.Backup, Interface: "eth1", Group: netip.MustParseAddr("ff02::99")},
	} {
		var b attrs
		b.daemon(&d)
		got, err := parseDaemon(b)
		if err != nil {
			t.Fatal(err)
		}
		if got != d {
			t.Errorf("%+v became %+v", d, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	var b attrs
	b.change(&table.Change{Verb: table.AddDestination, Service: table.Service{Key: table.Key{Mark: 1}, Scheduler: "rr"},
		Destination: table.Destination{Addr: netip.MustParseAddrPort("10.0.0.1:80")}})
	f.Add([]byte(b))
	f.Fuzz(func(t *testing.T, attrs []byte) {
		parseService(attrs)
		parseDestination(attrs, 2)
		parseDaemon(attrs)
		parseTimeouts(attrs)
		parseInfo(attrs)
	})
}
