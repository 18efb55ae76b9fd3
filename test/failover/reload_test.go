package failover

import (
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// edit is one configuration of the reload test: what a 50-step operator might write.
type edit struct {
	name     string
	priority int
	extra    []string // lines of the instance
	vips     []string // besides 10.9.0.100/24
	excluded []string
	before   string // blocks before the instance
	after    string // and behind it
}

func (e edit) conf() string {
	var b strings.Builder
	b.WriteString(e.before)
	fmt.Fprintf(&b, "vrrp_instance VI_1 {\n    interface eth0\n    virtual_router_id 51\n    version 3\n    "+
		"advert_int 0.5\n    priority %d\n", e.priority)
	for _, line := range e.extra {
		fmt.Fprintf(&b, "    %s\n", line)
	}
	b.WriteString("    virtual_ipaddress {\n        10.9.0.100/24\n")
	for _, v := range e.vips {
		fmt.Fprintf(&b, "        %s\n", v)
	}
	b.WriteString("    }\n")
	if len(e.excluded) > 0 {
		b.WriteString("    virtual_ipaddress_excluded {\n")
		for _, v := range e.excluded {
			fmt.Fprintf(&b, "        %s\n", v)
		}
		b.WriteString("    }\n")
	}
	b.WriteString("}\n")
	b.WriteString(e.after)
	return b.String()
}

const scriptBlock = "vrrp_script ok {\n    script \"/bin/true\"\n    interval 1\n}\n"

// second is another instance, in states of its own.
func second(vrid, priority int) string {
	return fmt.Sprintf("vrrp_instance VI_2 {\n    interface eth0\n    virtual_router_id %d\n    version 3\n    "+
		"advert_int 0.5\n    priority %d\n    virtual_ipaddress {\n        10.9.0.120/24\n    }\n}\n", vrid, priority)
}

var edits = []edit{
	{name: "same", priority: 150},
	{name: "priority", priority: 140},
	{name: "an address more", priority: 140, vips: []string{"10.9.0.101/24"}},
	{name: "two more", priority: 140, vips: []string{"10.9.0.101/24", "10.9.0.102/32"}},
	{name: "one less", priority: 140, vips: []string{"10.9.0.102/32"}},
	{name: "excluded", priority: 140, excluded: []string{"10.9.0.103/24", "2001:db8:9::103/64"}},
	{name: "label", priority: 150, vips: []string{"10.9.0.104/24 label eth0:4"}},
	{name: "script", priority: 150, before: scriptBlock, extra: []string{"track_script {", "ok", "}"}},
	{name: "script with weight", priority: 150, before: scriptBlock,
		extra: []string{"track_script {", "ok weight 2", "}"}},
	{name: "track_interface", priority: 150, extra: []string{"track_interface {", "lo weight -10", "}"}},
	{name: "notify", priority: 150, extra: []string{"notify_master \"/bin/true\"", "notify \"/bin/true\""}},
	{name: "garp", priority: 150, extra: []string{"garp_master_refresh 1", "garp_master_repeat 2"}},
	{name: "nopreempt", priority: 150, extra: []string{"nopreempt"}},
	{name: "second instance", priority: 150, after: second(52, 150)},
	{name: "second instance, other id", priority: 150, after: second(53, 150)},
	{name: "sync group", priority: 150,
		before: "vrrp_sync_group G {\n    group {\n        VI_1\n        VI_2\n    }\n}\n", after: second(53, 150)},
	{name: "source address", priority: 150, extra: []string{"mcast_src_ip 10.9.0.1"}},
}

// TestReloads applies 50 reloads of every kind under traffic. Adverts keep their
// beat, the address that every edit keeps is never touched, and nobody notices;
// files that do not load change nothing.
func TestReloads(t *testing.T) {
	if testing.Short() {
		t.Skip("half a minute of reloads")
	}
	d := dialect{version: 3, advert: 500 * time.Millisecond}
	p := newPair(t, d, ours, ours, 150, 100)
	p.a.conf, p.b.conf = edits[0].conf(), edit{priority: 100}.conf()
	p.b.start()
	p.a.start()
	p.master(t, p.a, 2*d.down(100)+slack)
	w := p.watch(t)
	served, failed := p.traffic(t)
	moves := p.monitor(t, p.a)
	from, stalled := time.Now(), stalls(t, true)
	start := now()
	for i := range 50 {
		e := edits[(i*7)%len(edits)] // 7 is prime to the list's length: every edit follows another one each time
		p.a.write(e.conf())
		if out, err := p.a.evenkeel("reload"); err != nil {
			t.Fatalf("reload %d (%s): %v\n%s", i, e.name, err, out)
		}
		time.Sleep(200 * time.Millisecond)
		if i%5 == 0 {
			p.a.refuse(t)
		}
	}
	p.a.write(edits[0].conf())
	if out, err := p.a.evenkeel("reload"); err != nil {
		t.Fatalf("last reload: %v\n%s", err, out)
	}
	time.Sleep(time.Second)
	// shorter: between two questions
	if double, gap := w.totals(start, now()); double > 0 || gap > watchGrace+stalled() {
		t.Errorf("two masters for %v, nobody for %v", double, gap)
	}
	if n := failed.Load(); n > 0 {
		t.Errorf("%d of %d requests failed", n, served.Load()+n)
	}
	if strings.Contains(moves(), "10.9.0.100") {
		t.Errorf("the address was touched:\n%s", moves())
	}
	p.onBeat(t, from, d.advert, stalled())
	s := p.a.status()
	if len(s.Instances) != 1 || len(s.Instances[0].Addresses) != 1 || s.Instances[0].State != "MASTER" ||
		s.Instances[0].EffectivePriority != 150 {
		t.Errorf("after the last reload, which equals the first file: %+v", s.Instances)
	}
	t.Logf("%d requests served across 51 reloads and 10 refused ones", served.Load())
}

// onBeat checks that VI_1's adverts never hung.
func (p *pair) onBeat(t *testing.T, from time.Time, interval, stalled time.Duration) {
	t.Helper()
	var last time.Time
	var worst time.Duration
	for _, f := range p.tap.since(from) {
		if f.vrid != 51 || f.port != p.port(p.a) {
			continue
		}
		if !last.IsZero() {
			worst = max(worst, f.at.Sub(last)-interval)
		}
		last = f.at
	}
	if worst > hung+stalled {
		t.Errorf("an advert was %v late", worst)
	}
	t.Logf("the latest advert was %v late; the machine stalled for %v", worst, stalled)
}

// refuse reloads files that do not load and expects the reason and no change.
func (n *node) refuse(t *testing.T) {
	t.Helper()
	good := n.conf
	for text, want := range map[string]string{
		"vrrp_instance VI_1 {\n    interfaec eth0\n":                          ":2:5: error",
		strings.Replace(good, "priority", "pirority", 1):                      "priority",
		strings.Replace(good, "10.9.0.100/24", "10.9.0.300/24", 1):            "10.9.0.300",
		good + "bfd_instance B1 {\n    neighbor_ip 10.9.0.3\n}\n":             "not supported",
		"vrrp_sync_group G {\n    group {\n        NOBODY\n    }\n}\n" + good: "NOBODY",

		strings.Replace(good, "interface eth0", "interface eth0\n    track_script {\n        gone\n    }", 1): "gone",
	} {
		n.write(text)
		out, err := n.evenkeel("reload")
		if err == nil {
			t.Errorf("a file that does not load was accepted:\n%s", text)
		}
		if !strings.Contains(out, want) {
			t.Errorf("the refusal does not say %q:\n%s", want, out)
		}
	}
	n.write(good)
}

// traffic sends requests to the master, over a new connection each
// time, until the test ends.
func (p *pair) traffic(t *testing.T) (served, failed *atomic.Int64) {
	served, failed = new(atomic.Int64), new(atomic.Int64)
	for _, n := range []*node{p.a, p.b} {
		var l net.Listener
		var err error
		n.ns.Do(func() { l, err = net.Listen("tcp4", ":8080") })
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
				c.Write([]byte("ok"))
				c.Close()
			}
		}()
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		p.observer.Do(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(5 * time.Millisecond):
				}
				c, err := net.DialTimeout("tcp4", "10.9.0.100:8080", slack)
				if err == nil {
					c.SetDeadline(time.Now().Add(slack))
					_, err = c.Read(make([]byte, 2))
					c.Close()
				}
				if err != nil {
					failed.Add(1)
				} else {
					served.Add(1)
				}
			}
		})
	}()
	t.Cleanup(func() { close(stop); <-done })
	return served, failed
}
