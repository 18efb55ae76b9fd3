package lvs

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/lvs/table"
)

// begun starts the engine of a file whose servers answer as well says, and leaves its end to the caller.
func begun(t *testing.T, p *plane, text string, well func(netip.Addr) bool) *Engine {
	t.Helper()
	e, err := Start(siteOf(t, text), config.Global{}, Options{
		Driver: p,
		Log:    func(Level, string) {},
		Attempt: func(_ context.Context, _ *config.Checker, rs *config.RealServer) Outcome {
			return Outcome{OK: well(rs.Addr.Addr())}
		},
		Run: func(context.Context, config.Command, config.Global, time.Duration) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// rows is the whole table in one line per service and per destination.
func (p *plane) rows() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var b strings.Builder
	for _, s := range p.services {
		family := ""
		if s.IPv6 {
			family = " inet6"
		}
		fmt.Fprintf(&b, "%s%s %s flags %d", s.Key, family, s.Scheduler, s.Flags)
		if s.Flags&table.Persistent != 0 {
			fmt.Fprintf(&b, " for %v of /%d by %q", s.Timeout, s.Granularity, s.Engine)
		}
		for _, d := range s.Destinations {
			fmt.Fprintf(&b, "; %s method %d weight %d", d.Addr, d.Method, d.Weight)
			if d.Wrap != (table.Wrap{}) {
				fmt.Fprintf(&b, " in %v", d.Wrap)
			}
			if d.Upper != 0 || d.Lower != 0 {
				fmt.Fprintf(&b, " from %d to %d", d.Lower, d.Upper)
			}
		}
		b.WriteString("\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// TestTableWords shows what words of virtual_server and real_server make of the table.
func TestTableWords(t *testing.T) {
	const head, nat = "virtual_server 192.0.2.1 80 {\nprotocol TCP\n", "real_server 10.0.0.1 80 {\n}\n}"
	const mark = "virtual_server fwmark 3 {\nlb_kind TUN\n"
	const group = "virtual_server_group web {\n192.0.2.1-2 80\nfwmark 3\n}\n"
	const web, one = "TCP 192.0.2.1:80 ", "; 10.0.0.1:80 method 0 weight 1"
	for _, c := range []struct{ name, text, want string }{
		{"none", head + nat, web + "wlc flags 0" + one},
		{"lvs_sched", head + "lvs_sched sed\n" + nat, web + "sed flags 0" + one},
		{"lvs_method", head + "lvs_method DR\n" + nat, web + "wlc flags 0; 10.0.0.1:80 method 3 weight 1"},
		{"lvs_method of one", head + "lvs_method DR\n" +
			"real_server 10.0.0.1 80 {\nlvs_method TUN type gue port 6080 csum\n}\nreal_server 10.0.0.2 80 {\n}\n}",
			web + "wlc flags 0; 10.0.0.1:80 method 2 weight 1 in {1 6080 1}; 10.0.0.2:80 method 3 weight 1"},
		{"flag-1", head + "lb_algo mh\nflag-1\n" + nat, web + "mh flags 8" + one},
		{"flag-2", head + "lb_algo mh\nflag-2\n" + nat, web + "mh flags 16" + one},
		{"flag-3", head + "lb_algo mh\nflag-3\n" + nat, web + "mh flags 32" + one},
		{"sh-fallback", head + "lb_algo sh\nsh-fallback\n" + nat, web + "sh flags 8" + one},
		{"mh-fallback", head + "lb_algo mh\nmh-fallback\n" + nat, web + "mh flags 8" + one},
		{"persistence_engine", "virtual_server 192.0.2.1 80 {\nprotocol UDP\n" +
			"persistence_timeout 60\npersistence_engine sip\n" + nat,
			"UDP 192.0.2.1:80 wlc flags 1 for 1m0s of /32 by \"sip\"" + one},
		{"weight", head + "weight 7\nreal_server 10.0.0.1 80 {\n}\nreal_server 10.0.0.2 80 {\nweight 3\n}\n}",
			web + "wlc flags 0; 10.0.0.1:80 method 0 weight 7; 10.0.0.2:80 method 0 weight 3"},
		{"uthreshold", head + "real_server 10.0.0.1 80 {\nuthreshold 90\n}\n}",
			web + "wlc flags 0" + one + " from 0 to 90"},
		{"lthreshold", head + "real_server 10.0.0.1 80 {\nuthreshold 90\nlthreshold 40\n}\n}",
			web + "wlc flags 0" + one + " from 40 to 90"},
		{"ip_family", mark + "ip_family inet6\n" + nat, "FWM 3 IPv6 inet6 wlc flags 0; 10.0.0.1:0 method 2 weight 1"},
		{"ip_family inet", mark + "ip_family inet\n" + nat, "FWM 3 wlc flags 0; 10.0.0.1:0 method 2 weight 1"},
		{"virtual_server_group", group + "virtual_server group web {\nprotocol TCP\nlb_kind DR\n" + nat,
			web + "wlc flags 0; 10.0.0.1:80 method 3 weight 1\nTCP 192.0.2.2:80 wlc flags 0; 10.0.0.1:80 method 3 " +
				"weight 1\n" +
				"FWM 3 wlc flags 0; 10.0.0.1:0 method 3 weight 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &plane{}
			begun(t, p, c.text, func(netip.Addr) bool { return true })
			if got := p.rows(); got != c.want {
				t.Errorf("the table is\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// TestSorryWords: a sorry server that is inhibited is in the table with weight 0 while it is not needed; packets reach
// it by sorry_server_lvs_method.
func TestSorryWords(t *testing.T) {
	const service, server = "TCP 192.0.2.1:80 wlc flags 0; ", "10.0.0.1:80 method 3 weight 1"
	for words, want := range map[string][2]string{
		"":                            {server, "10.0.0.9:80 method 3 weight 1"},
		"sorry_server_inhibit":        {server + "; 10.0.0.9:80 method 3 weight 0", "10.0.0.9:80 method 3 weight 1"},
		"sorry_server_lvs_method TUN": {server, "10.0.0.9:80 method 2 weight 1"},
	} {
		var ill atomic.Bool
		r := newRig(t)
		begun(t, r.plane, "virtual_server 192.0.2.1 80 {\nprotocol TCP\nlb_kind DR\ndelay_loop "+
			"0.01\ndelay_before_retry 0\n"+
			"sorry_server 10.0.0.9 80\n"+words+"\nreal_server 10.0.0.1 80 {\nTCP_CHECK {\n}\n}\n}",
			func(netip.Addr) bool { return !ill.Load() })
		if got := r.plane.rows(); got != service+want[0] {
			t.Errorf("%q: at first the table is\n%s\nwant\n%s", words, got, service+want[0])
		}
		ill.Store(true)
		r.until("table with "+words, service+want[1], r.plane.rows)
	}
}

// TestFlushWords: lvs_flush empties the table of what others have in it at the start, lvs_flush_on_stop at the end;
// with VS, as without it, what is ours goes only.
func TestFlushWords(t *testing.T) {
	const other, ours = "UDP 192.0.2.7:53", "TCP 192.0.2.1:80 10.0.0.1:80=1"
	for words, want := range map[string][2]string{
		"":                     {other + "\n" + ours, other},
		"lvs_flush":            {ours, ""},
		"lvs_flush_on_stop":    {other + "\n" + ours, ""},
		"lvs_flush_on_stop VS": {other + "\n" + ours, other},
	} {
		p := &plane{}
		key := table.Key{Protocol: table.UDP, Addr: netip.MustParseAddrPort("192.0.2.7:53")}
		foreign := table.Service{Key: key, Scheduler: "rr"}
		if err := p.Apply([]table.Change{{Verb: table.AddService, Service: foreign}}); err != nil {
			t.Fatal(err)
		}
		e := begun(t, p, fmt.Sprintf("global_defs {\n%s\n}\nvirtual_server 192.0.2.1 80 {\nprotocol TCP\n", words)+
			"real_server 10.0.0.1 80 {\n}\n}",
			func(netip.Addr) bool { return true })
		during := p.text()
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		if got := [2]string{during, p.text()}; got != want {
			t.Errorf("%q: the table is %q, want %q", words, got, want)
		}
	}
}
