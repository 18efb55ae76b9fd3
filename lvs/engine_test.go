package lvs

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/lvs/table"
)

// rig is an engine with everything around it made up.
type rig struct {
	t       *testing.T
	plane   *plane
	engine  *Engine
	mu      sync.Mutex
	well    map[string]Outcome // by address of the real server; absent: well
	log     []string
	ran     []string
	checked map[string]int // attempts, by address
	local   chan map[netip.Addr]bool
	state   string
}

func newRig(t *testing.T) *rig {
	return &rig{t: t, plane: &plane{daemons: map[table.Role]table.Daemon{}}, well: map[string]Outcome{}}
}

func (r *rig) start(d *config.LVS) {
	r.t.Helper()
	opts := Options{
		Driver: r.plane,
		Log: func(_ Level, s string) {
			r.mu.Lock()
			r.log = append(r.log, s)
			r.mu.Unlock()
		},
		Attempt: func(_ context.Context, _ *config.Checker, rs *config.RealServer) Outcome {
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.checked == nil {
				r.checked = map[string]int{}
			}
			r.checked[rs.Addr.String()]++
			if v, ok := r.well[rs.Addr.String()]; ok {
				return v
			}
			return Outcome{OK: true}
		},
		Run: func(_ context.Context, c config.Command, _ config.Global, _ time.Duration) error {
			r.mu.Lock()
			r.ran = append(r.ran, strings.Join(c.Argv, " "))
			r.mu.Unlock()
			return nil
		},
		StateFile: r.state,
	}
	if r.local != nil {
		opts.LocalAddresses = r.local
	}
	var err error
	if r.engine, err = Start(d, config.Global{}, opts); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { r.engine.Close() })
}

func (r *rig) set(server string, v Outcome) {
	r.mu.Lock()
	r.well[server] = v
	r.mu.Unlock()
}

// wait polls until the table is as wanted.
func (r *rig) wait(want string) {
	r.t.Helper()
	r.until("table", want, r.plane.text)
}

func (r *rig) until(what, want string, get func() string) {
	r.t.Helper()
	for range 3000 { // half a minute
		if get() == want {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.t.Fatalf("%s is\n%s\nwant\n%s\nlog:\n%s", what, get(), want, strings.Join(r.lines(), "\n"))
}

func (r *rig) lines() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.log...)
}

func (r *rig) scripts() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.ran, ";")
}

func (r *rig) logged(part string) {
	r.t.Helper()
	for range 3000 {
		if strings.Contains(strings.Join(r.lines(), "\n"), part) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.t.Fatalf("nothing logged like %q:\n%s", part, strings.Join(r.lines(), "\n"))
}

// rounds waits until each server that is checked has been so many times more, if the engine still runs.
func (r *rig) rounds(n int) {
	r.t.Helper()
	want := map[string]int{}
	if err := r.engine.call(func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, v := range r.engine.ctl.virtuals {
			for _, s := range v.servers {
				if len(s.checks) > 0 {
					want[s.cfg.Addr.String()] = r.checked[s.cfg.Addr.String()] + n
				}
			}
		}
	}); err != nil {
		return
	}
	r.until("rounds to be waited for", "0", func() string {
		r.mu.Lock()
		defer r.mu.Unlock()
		missing := 0
		for addr, n := range want {
			if r.checked[addr] < n {
				missing++
			}
		}
		return fmt.Sprint(missing)
	})
}

func command(name string) config.Command { return config.Command{Argv: []string{name}} }

// site is one service with servers that are checked every few milliseconds.
func site(change func(*config.VirtualServer), servers ...string) *config.LVS {
	vs := &config.VirtualServer{Name: "[192.0.2.1]:tcp:80", Quorum: 1,
		Keys:     []table.Key{{Protocol: table.TCP, Addr: netip.MustParseAddrPort("192.0.2.1:80")}},
		Template: table.Service{Scheduler: "rr"}, QuorumUp: command("quorum-up"), QuorumDown: command("quorum-down")}
	for _, s := range servers {
		addr := netip.MustParseAddrPort(s)
		vs.Servers = append(vs.Servers, &config.RealServer{
			Destination: table.Destination{Addr: addr, Method: table.Direct, Weight: 1},
			NotifyUp:    command("up " + s), NotifyDn: command("down " + s),
			Checkers: []*config.Checker{{Kind: config.CheckerTCP, Addr: addr, Interval: 20 * time.Millisecond,
				RetryDelay: 5 * time.Millisecond, Retry: 1}},
		})
	}
	if change != nil {
		change(vs)
	}
	return &config.LVS{Servers: []*config.VirtualServer{vs}}
}

const web1, web2 = "10.0.0.1:80", "10.0.0.2:80"

func TestServersComeAndGo(t *testing.T) {
	r := newRig(t)
	r.start(site(nil, web1, web2))
	if got := r.plane.text(); got != "TCP 192.0.2.1:80 10.0.0.1:80=1 10.0.0.2:80=1" {
		t.Fatal(got)
	}
	r.set(web1, Outcome{Reason: "no answer"})
	r.wait("TCP 192.0.2.1:80 10.0.0.2:80=1")
	r.logged("Removing service [10.0.0.1]:tcp:80 from VS [192.0.2.1]:tcp:80")
	r.logged("no answer")
	r.set(web2, Outcome{Reason: "no answer"})
	r.wait("TCP 192.0.2.1:80")
	r.logged("Lost quorum 1-0=1 > 0 for VS [192.0.2.1]:tcp:80")
	r.set(web1, Outcome{OK: true})
	r.wait("TCP 192.0.2.1:80 10.0.0.1:80=1")
	r.until("programs", "quorum-up;down 10.0.0.1:80;down 10.0.0.2:80;quorum-down;up 10.0.0.1:80;quorum-up", r.scripts)
	if err := r.engine.Close(); err != nil || r.plane.text() != "" || !r.plane.closed {
		t.Errorf("after the end: %v, %q", err, r.plane.text())
	}
}

// TestAnswersAreHarmless: what a server answers does nothing to who reads the log or the status, and makes no line
// of its own.
func TestAnswersAreHarmless(t *testing.T) {
	r := newRig(t)
	r.start(site(nil, web1))
	r.set(web1, Outcome{Reason: "status 500 \x1b[2J\r\n\u009b31m\x9bÜber"})
	const want = `status 500 \x1B[2J\x0D\x0A\xC2\x9B31m\x9BÜber`
	r.logged("failed: " + want)
	status, err := r.engine.Status()
	if err != nil {
		t.Fatal(err)
	}
	if got := status.Virtual[0].Servers[0].Checks[0].Reason; got != want {
		t.Errorf("the status says %q", got)
	}
}

// TestLastCall: who calls for something and is then late to hear that it is done does not hear instead that the
// engine has stopped, even if what he called for was its end.
func TestLastCall(t *testing.T) {
	for range 1000 {
		e := &Engine{commands: make(chan func(), 16), done: make(chan struct{})}
		go func() {
			(<-e.commands)()
			close(e.done)
		}()
		if err := e.call(func() {}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSorryInhibitAndWeight(t *testing.T) {
	r := newRig(t)
	r.start(site(func(vs *config.VirtualServer) {
		vs.Sorry = &config.RealServer{Destination: table.Destination{Addr: netip.MustParseAddrPort("10.0.0.9:80"),
			Weight: 1}}
		vs.Servers[1].InhibitOnFailure = true
		vs.Servers[0].Checkers[0].Kind = config.CheckerMisc
		vs.Omega = true
	}, web1, web2))
	r.set(web1, Outcome{OK: true, HasWeight: true, Weight: 7})
	r.wait("TCP 192.0.2.1:80 10.0.0.1:80=7 10.0.0.2:80=1")
	r.set(web2, Outcome{})
	r.wait("TCP 192.0.2.1:80 10.0.0.1:80=7 10.0.0.2:80=0")
	r.set(web1, Outcome{})
	r.wait("TCP 192.0.2.1:80 10.0.0.2:80=0 10.0.0.9:80=1")
	r.set(web2, Outcome{OK: true})
	r.wait("TCP 192.0.2.1:80 10.0.0.2:80=1")
	r.until("programs", "quorum-up;down 10.0.0.2:80;down 10.0.0.1:80;quorum-down;up 10.0.0.2:80;quorum-up", r.scripts)
	r.engine.Close()
	if got := r.scripts(); !strings.HasSuffix(got, ";down 10.0.0.2:80;quorum-down") {
		t.Errorf("at the end ran %s", got)
	}
}

// TestReloadTouchesNothing: what stays the same is not written again, and states carry over.
func TestReloadTouchesNothing(t *testing.T) {
	r := newRig(t)
	r.start(site(nil, web1, web2))
	r.set(web1, Outcome{})
	r.wait("TCP 192.0.2.1:80 10.0.0.2:80=1")
	r.plane.taken()
	if _, err := r.engine.Apply(site(nil, web1, web2), config.Global{}); err != nil {
		t.Fatal(err)
	}
	if got := r.plane.taken(); got != nil {
		t.Errorf("a reload of the same wrote %q", got)
	}
	third := site(nil, web1, web2, "10.0.0.3:80")
	third.Servers[0].Template.Scheduler = "wrr"
	third.Servers[0].Servers[1].Weight = 5
	if _, err := r.engine.Apply(third, config.Global{}); err != nil {
		t.Fatal(err)
	}
	want := []string{"edit service TCP 192.0.2.1:80", "edit destination 10.0.0.2:80 of TCP 192.0.2.1:80 weight 5",
		"add destination 10.0.0.3:80 of TCP 192.0.2.1:80 weight 1"}
	if got := r.plane.taken(); !reflect.DeepEqual(got, want) {
		t.Errorf("the reload wrote %q", got)
	}
	r.set(web1, Outcome{OK: true})
	r.wait("TCP 192.0.2.1:80 10.0.0.2:80=5 10.0.0.3:80=1 10.0.0.1:80=1")
	if _, err := r.engine.Apply(nil, config.Global{}); err != nil || r.plane.text() != "" {
		t.Errorf("without a configuration: %v, %q", err, r.plane.text())
	}
}

// TestRefusedReloadChangesNothing: what was written before the refusal is undone.
func TestRefusedReloadChangesNothing(t *testing.T) {
	r := newRig(t)
	r.start(site(nil, web1))
	before := r.plane.text()
	r.plane.refuse = func(c table.Change) error {
		if c.Verb == table.AddDestination && c.Destination.Addr.String() == "10.0.0.3:80" {
			return errRefused
		}
		return nil
	}
	_, err := r.engine.Apply(site(nil, web1, web2, "10.0.0.3:80"), config.Global{})
	if err == nil || !strings.Contains(err.Error(),
		"add destination 10.0.0.3:80 of TCP 192.0.2.1:80: refused by the test") {
		t.Fatal(err)
	}
	if got := r.plane.text(); got != before {
		t.Errorf("the table is %q, was %q", got, before)
	}
	r.set(web1, Outcome{})
	r.wait("TCP 192.0.2.1:80")
}

// TestOthersHands: a change by others is reverted and logged; services of others stay.
func TestOthersHands(t *testing.T) {
	r := newRig(t)
	other := table.Service{Key: table.Key{Protocol: table.UDP, Addr: netip.MustParseAddrPort("192.0.2.7:53")},
		Scheduler: "rr"}
	r.plane.Apply([]table.Change{{Verb: table.AddService, Service: other}})
	r.start(site(nil, web1, web2))
	ours := site(nil, web1).Servers[0].Template
	ours.Key = table.Key{Protocol: table.TCP, Addr: netip.MustParseAddrPort("192.0.2.1:80")}
	r.plane.Apply([]table.Change{{Verb: table.DeleteDestination, Service: ours,
		Destination: table.Destination{Addr: netip.MustParseAddrPort(web1)}}})
	if err := r.engine.call(r.engine.ctl.reconciler.reconcile); err != nil {
		t.Fatal(err)
	}
	r.wait("UDP 192.0.2.7:53\nTCP 192.0.2.1:80 10.0.0.2:80=1 10.0.0.1:80=1")
	r.logged("the table was changed by someone else; putting it right: add destination 10.0.0.1:80 of TCP 192.0.2.1:80")
	r.engine.Close()
	if got := r.plane.text(); got != "UDP 192.0.2.7:53" {
		t.Errorf("at the end: %q", got)
	}
}

// TestNextRunFindsWhatADeadOneLeft: a run that died left services; those still wanted are
// adopted untouched, the others go.
func TestNextRunFindsWhatADeadOneLeft(t *testing.T) {
	r := newRig(t)
	r.state = filepath.Join(t.TempDir(), "lvs.json")
	two := site(nil, web1)
	second := *two.Servers[0]
	second.Name, second.Keys = "[192.0.2.2]:tcp:80", []table.Key{{Protocol: table.TCP,
		Addr: netip.MustParseAddrPort("192.0.2.2:80")}}
	two.Servers = append(two.Servers, &second)
	r.start(two)
	r.engine.cancel() // dies
	<-r.engine.done
	next := newRig(t)
	next.state, next.plane = r.state, r.plane
	r.plane.taken()
	next.start(site(nil, web1))
	if got := fmt.Sprint(r.plane.taken()); got != "[delete service TCP 192.0.2.2:80]" {
		t.Errorf("the next run wrote %s", got)
	}
}

func TestSuspend(t *testing.T) {
	r := newRig(t)
	r.local = make(chan map[netip.Addr]bool, 1)
	r.local <- map[netip.Addr]bool{}
	r.set(web1, Outcome{})
	r.start(site(func(vs *config.VirtualServer) { vs.HASuspend = true }, web1))
	r.logged("Suspending checks")
	time.Sleep(60 * time.Millisecond)
	r.wait("TCP 192.0.2.1:80 10.0.0.1:80=1")
	r.local <- map[netip.Addr]bool{netip.MustParseAddr("192.0.2.1"): true}
	r.wait("TCP 192.0.2.1:80")
}

func TestSyncDaemonFollowsTheInstance(t *testing.T) {
	r := newRig(t)
	d := site(nil, web1)
	d.Sync, d.SyncInstance = &table.Daemon{Interface: "eth0", ID: 7}, "VI_1"
	r.start(d)
	roles := func() string {
		r.plane.mu.Lock()
		defer r.plane.mu.Unlock()
		return fmt.Sprint(r.plane.daemons)
	}
	backup, master := fmt.Sprint(map[table.Role]table.Daemon{table.Backup: {Role: table.Backup, Interface: "eth0",
		ID: 7}}),
		fmt.Sprint(map[table.Role]table.Daemon{table.Master: {Role: table.Master, Interface: "eth0", ID: 7}})
	r.until("daemons", backup, roles)
	r.engine.SetRole("VI_1", true)
	r.until("daemons", master, roles)
	r.engine.SetRole("VI_1", false)
	r.until("daemons", backup, roles)
	r.engine.Close()
	if got := roles(); got != "map[]" {
		t.Errorf("at the end: %s", got)
	}
}

// TestPorts: behind a mark a destination has the port it is written with, if NAT can give it one; where packets are
// not rewritten it has the service's.
func TestPorts(t *testing.T) {
	r := newRig(t)
	d := site(func(vs *config.VirtualServer) {
		vs.Keys = append(vs.Keys, table.Key{Mark: 3},
			table.Key{Protocol: table.TCP, Addr: netip.MustParseAddrPort("192.0.2.1:443")})
		vs.Servers[1].Method = table.NAT
		vs.Servers[2].Method = table.NAT
	}, web1, "10.0.0.2:8080", "10.0.0.3:0")
	r.start(d)
	want := "TCP 192.0.2.1:80 10.0.0.1:80=1 10.0.0.2:8080=1 10.0.0.3:80=1\nFWM 3 10.0.0.1:0=1 10.0.0.2:8080=1 " +
		"10.0.0.3:0=1\n" +
		"TCP 192.0.2.1:443 10.0.0.1:443=1 10.0.0.2:8080=1 10.0.0.3:443=1"
	if got := r.plane.text(); got != want {
		t.Errorf("table\n%s\nwant\n%s", got, want)
	}
}

// TestPlaneWithoutDaemons: where the plane has no synchronisation daemon, the word is no obstacle.
func TestPlaneWithoutDaemons(t *testing.T) {
	r := newRig(t)
	r.plane.daemons = nil
	d := site(nil, web1)
	d.Sync = &table.Daemon{Interface: "eth0"}
	r.start(d)
	if got := r.plane.text(); got != "TCP 192.0.2.1:80 10.0.0.1:80=1" {
		t.Error(got)
	}
}
