package backend

import (
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/health"
)

// group makes one backend of n servers; change may alter its section, and what the group needs of the program.
func group(n int, change func(*config.Proxy, *Options)) (*Group, *Backend) {
	p := &config.Proxy{Name: "b", Back: true, Mode: config.HTTP}
	for i := range n {
		p.Servers = append(p.Servers, &config.Server{Name: string(rune('a' + i)), ID: i + 1, Weight: 1, PoolMax: -1,
			PoolPurgeDelay: 5 * time.Second,
			Addr:           netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(1+i))})
	}
	began := time.Now()
	opts := Options{Global: &config.ProxyGlobal{}, Threads: 2, Log: func(int, *config.Proxy, string) {},
		Shutdown: func(*Server, byte) {},
		Now:      func() time.Duration { return time.Since(began) }, After: time.AfterFunc}
	if change != nil {
		change(p, &opts)
	}
	g := NewGroup(opts)
	b := g.Add(p, 1)
	g.Prepare()
	return g, b
}

// nobody is a holder whose thread never comes to telling it anything.
type nobody struct{}

func (nobody) Post(func()) bool { return true }
func (nobody) Granted(uint32)   {}
func (nobody) Displaced(uint32) {}

// A lockstep has several do something in the same round, at the same time as the test itself.
type lockstep struct {
	t           *testing.T
	rounds      int64
	round, done atomic.Int64
	parts       int64
	running     sync.WaitGroup
}

// each has one more do something in each round.
func (l *lockstep) each(do func()) {
	l.parts++
	l.running.Go(func() {
		for n := int64(1); n <= l.rounds; n++ {
			for l.round.Load() < n {
				runtime.Gosched()
			}
			if !l.t.Failed() {
				do()
			}
			l.done.Add(1)
		}
	})
}

func (l *lockstep) begin(n int64) { l.round.Store(n) }

// wait returns when all have done their part of a round.
func (l *lockstep) wait(n int64) {
	for l.done.Load() < n*l.parts {
		runtime.Gosched()
	}
}

// end lets those run out who still have rounds to go.
func (l *lockstep) end() {
	l.round.Store(l.rounds)
	l.running.Wait()
}

type wakeUpCase struct {
	name    string
	servers int
	own     bool // it waits for one server
}

var waits = []wakeUpCase{
	{"for a server", 1, true}, {"for any of one", 1, false}, {"for any of three", 3, false},
}

// TestNoLostWakeUp: two tickets join the queue while, at the same moment, others look into it with a slot in hand.
// Whatever comes first, no ticket waits beside a free slot.
func TestNoLostWakeUp(t *testing.T) {
	for _, c := range waits {
		t.Run(c.name, func(t *testing.T) { noLostWakeUp(t, c) })
	}
}

func noLostWakeUp(t *testing.T, c wakeUpCase) {
	_, b := group(c.servers, func(p *config.Proxy, _ *Options) {
		for _, srv := range p.Servers {
			srv.MaxConn = 2
		}
	})
	rounds := int64(30_000) // with the mistake it was found after 26 000, more often than not
	if testing.Short() || raceEnabled {
		rounds = 2_000
	}
	turns := lockstep{t: t, rounds: rounds}
	join := func(x *Ticket) {
		if c.own {
			b.wait(x, b.Servers[0])
		} else {
			b.wait(x, nil)
		}
	}
	for _, srv := range b.Servers {
		turns.each(func() { srv.offer() }) // as when a limit is raised or a server comes up
	}
	var second *Ticket
	turns.each(func() { join(second) })
	for n := int64(1); n <= rounds && !t.Failed(); n++ {
		x := &Ticket{Holder: nobody{}, Thread: nobody{}}
		second = &Ticket{Holder: nobody{}, Thread: nobody{}}
		turns.begin(n)
		join(x)
		turns.wait(n)
		b.mu.Lock()
		served := x.granted != nil && second.granted != nil
		b.mu.Unlock()
		if !served {
			t.Errorf("round %d: one waits, and %d slots of 2 are taken", n, b.Servers[0].Served())
		}
		x.Leave()
		second.Leave()
	}
	turns.end()
	if b.Queued() != 0 {
		t.Errorf("%d are still counted as waiting", b.Queued())
	}
	for _, srv := range b.Servers {
		if srv.Served() != 0 || srv.Queued() != 0 {
			t.Errorf("%s: %d slots taken, %d waiting", srv.Config.Name, srv.Served(), srv.Queued())
		}
	}
}

// TestSlowStartHasOneTimer: however often a server is judged while it starts slowly, one timer is set for each step.
func TestSlowStartHasOneTimer(t *testing.T) {
	var set atomic.Int64
	var fire func()
	g, b := group(1, func(p *config.Proxy, o *Options) {
		p.Servers[0].SlowStart = time.Hour
		p.Servers[0].Check = config.CheckParams{On: true, Rise: 2, Fall: 3, Inter: time.Hour}
		o.After = func(_ time.Duration, f func()) *time.Timer {
			set.Add(1)
			fire = f
			return time.AfterFunc(time.Hour, func() {})
		}
	})
	target, srv := g.CheckTargets()[0], b.Servers[0]
	report := func(times int, s health.Status) {
		for range times {
			target.Report(health.Result{Status: s})
		}
	}
	report(3, health.L4CON)
	report(2, health.L4OK)
	if srv.health.Warm() != 1 || set.Load() != 1 {
		t.Fatalf("slow start: %d of 16, %d timers", srv.health.Warm(), set.Load())
	}
	report(500, health.L4OK)
	if set.Load() != 1 {
		t.Errorf("%d timers are set for one step", set.Load())
	}
	fire() // too early: it is set again
	if set.Load() != 2 {
		t.Errorf("%d timers after the first", set.Load())
	}
	report(3, health.L4CON)
	fire() // one that was on its way when it was taken back
	if set.Load() != 2 || srv.timer != nil || srv.due != health.Never {
		t.Errorf("a server that is down has a timer: %d set, due %v", set.Load(), srv.due)
	}
}

// TestObservedFailures: the failure that is one too many has the loops choose otherwise before anything else happens,
// and its line tells of who was served then; good answers between failures count, whatever connections they came over.
func TestObservedFailures(t *testing.T) {
	lines := make(chan string, 10)
	g, b := group(2, func(p *config.Proxy, o *Options) {
		p.Servers[0].Check = config.CheckParams{On: true, Rise: 2, Fall: 3, Inter: time.Hour,
			Observe:    config.ObserveLayer7,
			ErrorLimit: 2, OnError: config.MarkDown}
		o.Log = func(_ int, _ *config.Proxy, text string) { lines <- text }
	})
	go g.Run()
	defer g.Close()
	srv := b.Servers[0]
	holder := &Ticket{Holder: nobody{}, Thread: nobody{}, Pinned: srv}
	if _, out := b.Take(holder); out != Placed {
		t.Fatal(out)
	}
	for range 3 {
		for _, o := range []health.Outcome{health.Connected, health.WrongStatus, health.Connected, health.Answered} {
			srv.Observe(o)
		}
	}
	srv.Observe(health.WrongStatus)
	if !srv.ready.Load() {
		t.Fatal("down by failures that did not follow each other")
	}
	srv.Observe(health.WrongStatus)
	if srv.ready.Load() {
		t.Error("still chosen")
	}
	srv.Release()
	const want = `Server b/a is DOWN, reason: Health analyze, info: "Detected 2 consecutive errors, last one was: Wrong http ` +
		`response". 1 active and 0 backup servers left. 1 sessions active, 0 requeued, 0 remaining in queue.`
	if got := <-lines; got != want {
		t.Errorf("%s", got)
	}
}

// TestObservedStorm: changes that traffic makes start no goroutines while there is one that carries them out.
func TestObservedStorm(t *testing.T) {
	g, b := group(1, func(p *config.Proxy, _ *Options) {
		p.Options.LogHealthChecks = true
		p.Servers[0].Check = config.CheckParams{On: true, Rise: 2, Fall: 3, Inter: time.Hour,
			Observe: config.ObserveLayer4, ErrorLimit: 1}
	})
	before := runtime.NumGoroutine()
	for range 10 * maxChanges {
		b.Servers[0].Observe(health.ConnectFailed)
	}
	if grown := runtime.NumGoroutine() - before; grown > 5 || len(g.changes) == 0 {
		t.Errorf("%d goroutines more, %d changes wait", grown, len(g.changes))
	}
}

// TestFactsTakeNoLock: what rules ask of servers and backends for each request waits for nobody.
func TestFactsTakeNoLock(t *testing.T) {
	g, b := group(2, nil)
	g.states.Lock()
	defer g.states.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		srv, ok := b.Named("b")
		if !ok || !srv.Usable() || srv.Weight() != 1 || srv.Served() != 0 || srv.Queued() != 0 {
			t.Errorf("server b: %v", ok)
		}
		if b.Usable() != 2 || b.Conns() != 0 || b.Queued() != 0 || b.Free() != -1 {
			t.Errorf("%d usable", b.Usable())
		}
		if _, ok := b.Named("c"); ok {
			t.Error("there is no server c")
		}
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("it waits for a lock")
	}
}

// pooled is a connection that knows whether it was closed.
type pooled struct {
	Idle
	closed bool
}

func (c *pooled) Discard() { c.closed = true }

// TestPool: a connection is given to what it was made for alone, those to where a server was are closed, and so are
// those that nobody wanted for pool-purge-delay.
func TestPool(t *testing.T) {
	g, b := group(2, func(p *config.Proxy, _ *Options) { p.Servers[1].PoolMax = 1 })
	pool := NewPool[*pooled](g)
	a, c := b.Servers[0], b.Servers[1]
	key := func(srv *Server, port uint16) ConnKey { return ConnKey{Server: srv, Target: srv.Target(), Port: port} }
	put := func(k ConnKey, since time.Duration) *pooled {
		x := &pooled{Idle: Idle{Key: k, Since: since}}
		if !pool.Put(x) {
			return nil
		}
		return x
	}
	plain, mapped := put(key(a, 0), 1), put(key(a, 81), 2)
	if got, ok := pool.Take(key(a, 82)); ok {
		t.Errorf("a connection to another port: %+v", got.Key)
	}
	if _, ok := pool.Take(key(c, 0)); ok {
		t.Error("a connection of another server")
	}
	if got, ok := pool.Take(key(a, 81)); !ok || got != mapped {
		t.Error("the connection to port 81 was not given")
	}
	if put(key(c, 0), 3) == nil || put(key(c, 0), 4) != nil || pool.Len() != 2 {
		t.Errorf("pool-max-conn 1 does not hold: %d kept", pool.Len())
	}
	if err := a.SetAddress("192.0.2.9", 0); err != nil {
		t.Fatal(err)
	}
	if _, ok := pool.Take(key(a, 0)); ok || !plain.closed {
		t.Error("a connection to where the server was is kept")
	}
	pool.Expire(5*time.Second + 2)
	if pool.Len() != 1 {
		t.Error("closed before its time")
	}
	if pool.Expire(5*time.Second + 3); pool.Len() != 0 || a.idle.Load() != 0 || c.idle.Load() != 0 {
		t.Errorf("%d are kept", pool.Len())
	}
}

// single has every server serve one request at a time.
func single(p *config.Proxy, _ *Options) {
	for _, srv := range p.Servers {
		srv.MaxConn = 1
	}
}

func newTicket() *Ticket { return &Ticket{Holder: nobody{}, Thread: nobody{}} }

// queued is a ticket that waits for any server.
func queued(t *testing.T, b *Backend) *Ticket {
	t.Helper()
	x := newTicket()
	if srv, out := b.Take(x); out != Queued {
		t.Fatalf("outcome %d, server %t", out, srv != nil)
	}
	return x
}

// expectGranted: the ticket has a slot on that server; nil: it waits.
func expectGranted(t *testing.T, x *Ticket, want *Server) {
	t.Helper()
	x.backend.mu.Lock()
	defer x.backend.mu.Unlock()
	name := func(srv *Server) string {
		if srv == nil {
			return "no server"
		}
		return srv.Config.Name
	}
	if x.granted != want {
		t.Errorf("granted a slot on %s, not on %s", name(x.granted), name(want))
	}
}

// TestQueueGoesWhereChoicesGo: who waits for any server is given a slot on those only that are chosen, not on one that
// is drained, has no weight or is a backup that is not needed; and as soon as one of them is chosen again.
func TestQueueGoesWhereChoicesGo(t *testing.T) {
	for name, leave := range map[string]func(*Server, bool){
		"drained": func(srv *Server, out bool) {
			if srv.SetAdmin(health.Ready); out {
				srv.SetAdmin(health.Drain)
			}
		},
		"without weight": func(srv *Server, out bool) {
			if srv.SetWeight(1); out {
				srv.SetWeight(0)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, b := group(2, single)
			first, _ := b.Take(newTicket())
			second, _ := b.Take(newTicket())
			x, y := queued(t, b), queued(t, b)
			leave(second, true)
			second.Release()
			expectGranted(t, x, nil)
			first.Release()
			expectGranted(t, x, first)
			expectGranted(t, y, nil)
			leave(second, false)
			expectGranted(t, y, second)
		})
	}
}

// TestQueueAndBackups: backups that stand in are given what waits, as many of them as stand in.
func TestQueueAndBackups(t *testing.T) {
	t.Run("backup", func(t *testing.T) {
		_, b := group(4, func(p *config.Proxy, o *Options) {
			single(p, o)
			for _, srv := range p.Servers[1:] {
				srv.Backup = true
			}
		})
		active, backup := b.Servers[0], b.Servers[1]
		b.Take(newTicket())
		x, y := queued(t, b), queued(t, b)
		expectGranted(t, x, nil)
		active.SetHealth(health.Stopped)
		expectGranted(t, x, backup)
		expectGranted(t, y, nil) // the first backup alone stands in
		active.SetHealth(health.Running)
		backup.Release()
		expectGranted(t, y, nil)
		active.Release()
		expectGranted(t, y, active)
	})
	t.Run("all backups", func(t *testing.T) {
		_, b := group(3, func(p *config.Proxy, o *Options) {
			single(p, o)
			p.Options.AllBackups = true
			p.Servers[1].Backup, p.Servers[2].Backup = true, true
		})
		b.Take(newTicket())
		x, y := queued(t, b), queued(t, b)
		b.Servers[0].SetHealth(health.Stopped)
		expectGranted(t, x, b.Servers[1])
		expectGranted(t, y, b.Servers[2])
	})
}
