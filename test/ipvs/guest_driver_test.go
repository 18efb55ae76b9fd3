//go:build ipvsguest

package ipvs

import (
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/linux/ipvs"
	"github.com/evenkeel/evenkeel/lvs/table"
	"github.com/evenkeel/evenkeel/test/netns"
	"github.com/google/go-cmp/cmp"
)

func addr(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func tcp(s string) table.Key {
	a := addr(s)
	return table.Key{Protocol: table.TCP, Addr: a, IPv6: a.Addr().Is6()}
}

var equal = cmp.Options{
	cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
}

// open opens the IPVS of a namespace.
func open(t testing.TB, n *netns.NS) *ipvs.Driver {
	t.Helper()
	var d *ipvs.Driver
	var err error
	n.Do(func() { d, err = ipvs.Open() })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// TestAAutoload is first by its name: nothing has loaded ip_vs yet.
func TestAAutoload(t *testing.T) {
	if text, err := os.ReadFile("/proc/modules"); err != nil || strings.Contains(string(text), "ip_vs ") {
		t.Fatalf("ip_vs is loaded already: %v", err)
	}
	if !ipvs.Available() {
		t.Fatal("the kernel did not load ip_vs when asked for its family")
	}
	d, err := ipvs.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	info, err := d.Info()
	if err != nil || info.Driver != "ipvs" || info.Version != "1.2.1" || info.Size < 256 {
		t.Errorf("%+v, %v", info, err)
	}
}

// load makes n services of m destinations each.
func load(n, m int) []table.Change {
	var all []table.Change
	for i := range n {
		s := table.Service{Key: tcp(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8),
			byte(i)}), 80).String()), Scheduler: "rr", Granularity: 32}
		all = append(all, table.Change{Verb: table.AddService, Service: s})
		for j := range m {
			d := table.Destination{Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{172, 16, byte(j >> 8), byte(j)}),
				80), Method: table.Direct, Weight: 1}
			all = append(all, table.Change{Verb: table.AddDestination, Service: s, Destination: d})
		}
	}
	return all
}

func TestLoad(t *testing.T) {
	d := open(t, netns.New(t, "lb"))
	const n, m = 1000, 10 // 10 000 with 100 000 take the emulated machine a minute
	all := load(n, m)
	begin := time.Now()
	if err := d.Apply(all); err != nil {
		t.Fatal(err)
	}
	loaded := time.Since(begin)
	begin = time.Now()
	state, err := d.State()
	if err != nil {
		t.Fatal(err)
	}
	read := time.Since(begin)
	dests := 0
	for _, s := range state {
		dests += len(s.Destinations)
	}
	if len(state) != n || dests != n*m {
		t.Errorf("%d services, %d destinations", len(state), dests)
	}
	begin = time.Now()
	if err := d.Apply([]table.Change{{Verb: table.Flush}}); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d services with %d destinations: loaded in %v, read in %v, cleared in %v", n, n*m, loaded, read,
		time.Since(begin))
}

// TestErrors: what the kernel refuses comes back with its own error and the number of the change.
func TestErrors(t *testing.T) {
	d := open(t, netns.New(t, "lb"))
	s := table.Service{Key: tcp("10.9.0.100:80"), Scheduler: "rr", Granularity: 32}
	other := table.Service{Key: tcp("10.9.0.101:80"), Scheduler: "rr", Granularity: 32}
	bad := other
	bad.Scheduler = "nosuch"
	dest := table.Destination{Addr: addr("10.9.1.1:80"), Method: table.NAT, Weight: 1}
	seed := []table.Change{{Verb: table.AddService, Service: s},
		{Verb: table.AddDestination, Service: s, Destination: dest}}
	if err := d.Apply(seed); err != nil {
		t.Fatal(err)
	}
	dest2 := dest
	dest2.Addr = addr("10.9.1.2:80")
	for _, c := range []struct {
		name   string
		change table.Change
		want   error
	}{
		{"add service again", table.Change{Verb: table.AddService, Service: s}, table.ErrExists},
		{"edit no service", table.Change{Verb: table.EditService, Service: other}, table.ErrNotFound},
		{"delete no service", table.Change{Verb: table.DeleteService, Service: other}, table.ErrNotFound},
		{"no scheduler", table.Change{Verb: table.AddService, Service: bad}, table.ErrNoScheduler},
		{"add destination again", table.Change{Verb: table.AddDestination, Service: s, Destination: dest},
			table.ErrExists},
		{"destination of no service", table.Change{Verb: table.AddDestination, Service: other, Destination: dest},
			table.ErrNotFound},
		{"edit no destination", table.Change{Verb: table.EditDestination, Service: s, Destination: dest2},
			table.ErrNotFound},
		{"delete no destination", table.Change{Verb: table.DeleteDestination, Service: s, Destination: dest2},
			table.ErrNotFound},
		{"no key", table.Change{Verb: table.AddService, Service: table.Service{Scheduler: "rr"}}, nil},
	} {
		// One that works before it and one after: the former is made, the latter is not.
		before := table.Change{Verb: table.EditService, Service: s}
		after := table.Change{Verb: table.AddService,
			Service: table.Service{Key: tcp("10.9.0.200:80"), Scheduler: "rr", Granularity: 32}}
		err := d.Apply([]table.Change{before, c.change, after})
		var ce *table.ChangeError
		if !errors.As(err, &ce) || ce.Index != 1 || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	state, err := d.State()
	if err != nil || len(state) != 1 || len(state[0].Destinations) != 1 {
		t.Errorf("after errors: %+v, %v", state, err)
	}
	if err := d.Zero(&other.Key); !errors.Is(err, table.ErrNotFound) {
		t.Error("zeroing a service that is not there:", err)
	}
	if err := d.StopDaemon(table.Master); !errors.Is(err, table.ErrNotFound) {
		t.Error("stopping a daemon that does not run:", err)
	}
	if err := d.StartDaemon(table.Daemon{Role: table.Master, Interface: "nosuch0"}); err == nil ||
		!strings.Contains(err.Error(), "nosuch0") {
		t.Error("a daemon on no interface:", err)
	}
}
