package failover

import (
	"net/netip"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/linux/realtime"
	"github.com/evenkeel/evenkeel/test/netns"
	"github.com/evenkeel/evenkeel/vrrp"
)

// TestAdvertPathDoesNotAllocate: timer, decision, advert on the wire, gate
// extended; and the other way, an advert received by a backup. Garbage made there
// would be collected beside the thread, in time that adverts wait for. The backup has
// patience for a second, so that a busy machine does not make it master while it is watched.
func TestAdvertPathDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	a, b := netns.New(t, "a"), netns.New(t, "b")
	netns.Bridge(t, a, b)
	a.Address("eth0", "10.9.0.1/24")
	b.Address("eth0", "10.9.0.2/24")
	start := func(ns *netns.NS, priority uint8) *Engine {
		site := &config.Site{Instances: []*config.Instance{{
			Name: "VI_1", Interface: "eth0", VRID: 51, Version: 3, Priority: priority, Preempt: true,
			AdvertInterval: 10 * time.Millisecond, DownAdverts: 100, McastGroup: netip.MustParseAddr("224.0.0.18"),
			Addresses: []config.Address{{Prefix: netip.MustParsePrefix("10.9.0.100/24")}},
		}}}
		return onThisThread(t, ns, site)
	}
	master, backup := start(a, 150).router, start(b, 100).router
	turn := func(r *router) {
		ready, err := r.engine.poller.Wait(min(r.deadline(), realtime.Now()+20*time.Millisecond), r.ready)
		if err != nil {
			t.Fatal(err)
		}
		r.turn(ready)
	}
	// Until the election is over each node lives in its namespace, where it opens
	// sockets; afterwards it opens none.
	limit := time.Now().Add(time.Minute)
	for master.instances[0].state != vrrp.Master || backup.instances[0].state != vrrp.Backup ||
		!backup.machine.Status(0).Master.Addr.IsValid() {
		if time.Now().After(limit) {
			t.Fatalf("no election: %v and %v", master.instances[0].state, backup.instances[0].state)
		}
		a.Do(func() { turn(master) })
		b.Do(func() {
			ready, _ := backup.engine.poller.Wait(0, backup.ready)
			backup.turn(ready)
		})
	}
	sent, heard := master.machine.Status(0).Sent, backup.machine.Status(0).Refused[vrrp.Accepted]
	const adverts = 50
	allocated := testing.AllocsPerRun(adverts, func() {
		before := master.machine.Status(0).Sent
		for master.machine.Status(0).Sent == before {
			turn(master)
		}
		ready, _ := backup.engine.poller.Wait(realtime.Now()+5*time.Millisecond, backup.ready)
		backup.turn(ready)
	})
	sent, heard = master.machine.Status(0).Sent-sent, backup.machine.Status(0).Refused[vrrp.Accepted]-heard
	if sent < adverts || heard < adverts/2 {
		t.Fatalf("%d adverts sent, %d heard: nothing was measured", sent, heard)
	}
	if allocated != 0 {
		t.Errorf("an advert sent and received allocates %v times", allocated)
	}
}

// onThisThread is Start without the thread: the test is the loop.
func onThisThread(t *testing.T, ns *netns.NS, site *config.Site) *Engine {
	poller, err := realtime.New()
	if err != nil {
		t.Fatal(err)
	}
	e := &Engine{opts: Options{Log: func(_ Level, s string) { t.Log(s) }}, poller: poller,
		commands: make(chan func(vrrp.Time), 64),
		done:     make(chan struct{}), settled: make(chan struct{})}
	e.notify = newNotifier(e)
	ns.Do(func() { _, err = newRouter(e, site) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ns.Do(func() { e.router.stop(); e.router.close() })
		poller.Close()
	})
	return e
}
