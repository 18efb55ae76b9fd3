package realtime

import (
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func newPoller(t testing.TB) *Poller {
	t.Helper()
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func TestNowFollowsBootTime(t *testing.T) {
	before := Now()
	time.Sleep(2 * time.Millisecond)
	if d := Now() - before; d < 2*time.Millisecond {
		t.Errorf("2 ms of sleep moved the clock by %v", d)
	}
}

func TestWaitDeadline(t *testing.T) {
	p := newPoller(t)
	for _, ahead := range []time.Duration{-time.Hour, -1, 0, 100 * time.Microsecond, 3 * time.Millisecond} {
		deadline := max(Now()+ahead, 0)
		for Now() < deadline { // a signal may end a wait early
			if _, err := p.Wait(deadline, nil); err != nil {
				t.Fatal(err)
			}
		}
		// A deadline in the past returns at once; the test would hang otherwise.
		if _, err := p.Wait(deadline, nil); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWaitReportsTokens(t *testing.T) {
	p := newPoller(t)
	var fds [3][2]int
	tokens := []uint64{0, 7, MaxToken}
	for i := range fds {
		if err := unix.Pipe2(fds[i][:], unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fds[i][0])
		defer unix.Close(fds[i][1])
		if err := p.Add(fds[i][0], tokens[i]); err != nil {
			t.Fatal(err)
		}
	}
	unix.Write(fds[1][1], []byte{1})
	unix.Write(fds[2][1], []byte{1})
	got := waitReady(t, p)
	if len(got) != 2 || got[0]+got[1] != tokens[1]+tokens[2] {
		t.Fatalf("ready tokens %x, want %x and %x", got, tokens[1], tokens[2])
	}
	// Level-triggered: still there on the next wait, and gone after Remove.
	if got := waitReady(t, p); len(got) != 2 {
		t.Fatalf("second wait reports %x", got)
	}
	if err := p.Remove(fds[1][0]); err != nil {
		t.Fatal(err)
	}
	if got := waitReady(t, p); len(got) != 1 || got[0] != MaxToken {
		t.Fatalf("after Remove: %x", got)
	}
	if err := p.Add(fds[0][0], MaxToken+1); err == nil {
		t.Error("a reserved token was accepted")
	}
}

// waitReady waits until something is ready, however often signals interrupt.
func waitReady(t *testing.T, p *Poller) []uint64 {
	t.Helper()
	limit := Now() + 30*time.Second
	for Now() < limit {
		got, err := p.Wait(limit, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) > 0 {
			return got
		}
	}
	t.Fatal("nothing became ready")
	return nil
}

func TestWakeIsNeverLost(t *testing.T) {
	p := newPoller(t)
	const rounds = 2000
	var mu sync.Mutex
	queue, seen := 0, 0
	var waker sync.WaitGroup
	t.Cleanup(waker.Wait) // before the poller is closed
	waker.Go(func() {
		for range rounds {
			mu.Lock()
			queue++
			mu.Unlock()
			p.Wake()
		}
	})
	limit := Now() + 30*time.Second
	for seen < rounds && Now() < limit {
		if _, err := p.Wait(limit, nil); err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		seen += queue
		queue = 0
		mu.Unlock()
	}
	if seen != rounds {
		t.Fatalf("saw %d of %d items", seen, rounds)
	}
}

func TestWaitSurvivesSignals(t *testing.T) {
	p := newPoller(t)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	pid, tid := os.Getpid(), unix.Gettid()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 50 {
			unix.Tgkill(pid, tid, syscall.SIGURG)
			time.Sleep(100 * time.Microsecond)
		}
	}()
	deadline := Now() + 20*time.Millisecond
	for Now() < deadline {
		if _, err := p.Wait(deadline, nil); err != nil {
			t.Fatal(err)
		}
	}
	<-done
}

func TestWaitDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	p := newPoller(t)
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[0])
	defer unix.Close(fds[1])
	p.Add(fds[0], 3)
	unix.Write(fds[1], []byte{1})
	ready := make([]uint64, 0, batch)
	if n := testing.AllocsPerRun(100, func() {
		p.Wake()
		ready, _ = p.Wait(Now()+time.Hour, ready)
		ready, _ = p.Wait(Now(), ready)
	}); n != 0 {
		t.Errorf("Wait allocates %v times", n)
	}
}

func TestRealTimeRefusesBadPriority(t *testing.T) {
	for _, p := range []int{-1, 0, 100} {
		if RealTime(p) == nil {
			t.Errorf("priority %d accepted", p)
		}
	}
}

func TestRealTime(t *testing.T) {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		err := RealTime(1)
		if err == nil {
			attr, e := unix.SchedGetAttr(0, 0)
			if e != nil || attr.Policy != unix.SCHED_FIFO || attr.Priority != 1 ||
				attr.Flags&unix.SCHED_FLAG_RESET_ON_FORK == 0 {
				t.Errorf("attributes %+v, %v", attr, e)
			}
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Logf("not granted here: %v", err)
		if os.Geteuid() == 0 && os.Getenv("CI") == "true" {
			t.Error("root was refused real-time scheduling")
		}
	}
}

func BenchmarkWait(b *testing.B) {
	p := newPoller(b)
	ready := make([]uint64, 0, batch)
	for b.Loop() {
		p.Wake()
		ready, _ = p.Wait(Now()+time.Hour, ready)
	}
}
