package loop

import (
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

type firing struct {
	Timer
	due   time.Duration
	fired bool
	check func(*firing)
}

func (f *firing) Expired(*Timer) { f.fired = true; f.check(f) }

// TestWheelAgainstOracle arms, moves and disarms timers at random and compares each
// expiry with what was asked: never early, at most a millisecond late, none lost.
func TestWheelAgainstOracle(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		l := &Loop{}
		now := time.Duration(r.Int64N(int64(48 * time.Hour)))
		l.wheel.init(now)
		timers := make([]*firing, 200)
		for i := range timers {
			timers[i] = &firing{check: func(f *firing) {
				if now < f.due {
					t.Fatalf("seed %d: fired %v early", seed, f.due-now)
				}
			}}
		}
		for range 3000 {
			f := timers[r.IntN(len(timers))]
			switch r.IntN(5) {
			case 0:
				l.Disarm(&f.Timer)
				f.due = 0
			default:
				span := []time.Duration{70 * time.Millisecond, 5 * time.Second, 5 * time.Minute,
					6 * time.Hour}[r.IntN(4)]
				f.due, f.fired = now+time.Duration(r.Int64N(int64(span))), false
				l.Arm(&f.Timer, f, f.due)
			}
			if at, ok := l.wheel.next(); ok && r.IntN(2) == 0 {
				now = max(now, at)
			} else if r.IntN(10) == 0 {
				now += time.Duration(r.Int64N(int64(10 * time.Minute)))
			} else {
				now += time.Duration(r.Int64N(int64(40 * time.Millisecond)))
			}
			l.wheel.advance(now)
			for _, f := range timers {
				if f.due != 0 && !f.fired && now > f.due+time.Millisecond {
					t.Fatalf("seed %d: a timer is %v late", seed, now-f.due)
				}
				if f.Armed() == f.fired && f.due != 0 {
					t.Fatalf("seed %d: armed %v, fired %v", seed, f.Armed(), f.fired)
				}
			}
		}
	}
}

func TestTimersMayDisarmEachOther(t *testing.T) {
	l := &Loop{}
	l.wheel.init(0)
	var a, b firing
	a.check = func(*firing) { l.Disarm(&b.Timer) }
	b.check = func(*firing) { l.Disarm(&a.Timer) }
	l.Arm(&a.Timer, &a, 5*time.Millisecond)
	l.Arm(&b.Timer, &b, 5*time.Millisecond)
	l.wheel.advance(6 * time.Millisecond)
	if a.fired == b.fired {
		t.Fatalf("fired: %v %v, want exactly one", a.fired, b.fired)
	}
}

type echo struct {
	l    *Loop
	fd   int
	seen chan string
}

func (e *echo) Ready(ev Events) {
	buf := make([]byte, 16)
	n, _ := unix.Read(e.fd, buf)
	if n > 0 {
		e.seen <- string(buf[:n])
	}
}

func TestLoopServesDescriptorsPostsAndStops(t *testing.T) {
	l, err := NewLoop()
	if err != nil {
		t.Fatal(err)
	}
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[0])
	defer unix.Close(fds[1])
	e := &echo{l: l, fd: fds[0], seen: make(chan string, 4)}
	if err := l.Watch(fds[0], e); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- l.Run() }()
	unix.Write(fds[1], []byte("one"))
	if got := <-e.seen; got != "one" {
		t.Fatalf("read %q", got)
	}
	ran := make(chan struct{})
	for i := range 1000 {
		if !l.Post(func() {
			if i == 999 {
				close(ran)
			}
		}) {
			t.Fatal("not posted")
		}
	}
	<-ran
	f := &firing{check: func(*firing) { e.seen <- "timer" }}
	l.Post(func() { l.Arm(&f.Timer, f, l.Now()+3*time.Millisecond) })
	if got := <-e.seen; got != "timer" {
		t.Fatalf("read %q", got)
	}
	l.Post(func() { l.Forget(fds[0]) })
	l.Stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if l.Post(func() {}) {
		t.Error("posted to a stopped loop")
	}
}

func TestTimersDoNotAllocate(t *testing.T) {
	l := &Loop{}
	l.wheel.init(0)
	f := &firing{check: func(*firing) {}}
	now := time.Duration(0)
	if n := testing.AllocsPerRun(1000, func() {
		l.Arm(&f.Timer, f, now+100*time.Millisecond)
		now += 200 * time.Millisecond
		l.wheel.advance(now)
	}); n != 0 {
		t.Errorf("a timer allocates %v times", n)
	}
}

type counter struct {
	l *Loop
	n int
}

func (c *counter) Ready(Events) {
	if c.n++; c.n < 1000 {
		c.l.Again(c)
		return
	}
	c.l.Stop()
}

// TestAgainDoesNotSleep: work that goes on is called turn after turn.
func TestAgainDoesNotSleep(t *testing.T) {
	l, err := NewLoop()
	if err != nil {
		t.Fatal(err)
	}
	c := &counter{l: l}
	l.Post(func() { c.Ready(0) })
	if err := l.Run(); err != nil || c.n != 1000 {
		t.Fatalf("called %d times, %v", c.n, err)
	}
}

type busy struct {
	l     *Loop
	more  func() bool
	turns int
	done  func()
}

func (b *busy) Ready(Events) {
	b.turns++
	if b.more() {
		b.l.Again(b)
		return
	}
	b.done()
}

// TestPause: what waits for a pause runs before the loop sleeps and as it ends; under load it runs now and then,
// not each turn.
func TestPause(t *testing.T) {
	l, err := NewLoop()
	if err != nil {
		t.Fatal(err)
	}
	var pauses atomic.Int64
	l.AtPause(func() { pauses.Add(1) })
	done := make(chan error)
	go func() { done <- l.Run() }()
	more := func(than int64) {
		t.Helper()
		for limit := time.Now().Add(30 * time.Second); pauses.Load() <= than; time.Sleep(time.Millisecond) {
			if time.Now().After(limit) {
				t.Fatalf("%d pauses", pauses.Load())
			}
		}
	}
	more(0) // nothing to do
	var before, after int64
	var began, took time.Duration
	worked := make(chan bool)
	b := &busy{l: l, done: func() { after, took = pauses.Load(), Tick()-began; close(worked) }}
	b.more = func() bool { // the machine may be busy with others: so much time, so many turns
		d := l.Now() - began
		return d < 50*time.Millisecond || d < 30*time.Second && (b.turns < 10000 || pauses.Load() < before+2)
	}
	l.Post(func() {
		before, began = pauses.Load(), l.Now()
		b.Ready(0)
	})
	<-worked
	if n := after - before; n < 2 || n > int64(took/time.Millisecond)+1 || n > int64(b.turns)/2 {
		t.Errorf("%d pauses in %v and %d turns of work", n, took, b.turns)
	}
	more(after) // it sleeps again
	l.Post(func() { before = pauses.Load() })
	l.Stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if pauses.Load() == before {
		t.Error("none as it ended")
	}
}
