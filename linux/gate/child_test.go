package gate

import (
	"bufio"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/linux/loop"
	"github.com/evenkeel/evenkeel/linux/netif"
	"github.com/evenkeel/evenkeel/test/netns"
	"golang.org/x/sys/unix"
)

// Some tests need a process that can be killed, frozen or stripped of privileges: this test
// binary, started again with childVar naming what to do.
const childVar = "EVENKEEL_GATE_CHILD"

func TestMain(m *testing.M) {
	runtime.LockOSThread()
	switch os.Getenv(childVar) {
	case "":
		runtime.UnlockOSThread()
		os.Exit(m.Run())
	case "master":
		childMaster()
	case "new":
		childNew()
	case "userns":
		childUserNS()
	}
	os.Exit(0)
}

func childFatal(err error) {
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

func childMode() config.GateMode {
	n, _ := strconv.Atoi(os.Getenv(childVar + "_MODE"))
	return config.GateMode(n)
}

// childMaster is a master with adverts of 20 ms, as far as the gate is concerned. It prints
// each deadline before the kernel learns it, and "refused" when an extension comes too late.
func childMaster() {
	s, err := New(Options{Mode: childMode()})
	childFatal(err)
	ifindex, _ := strconv.Atoi(os.Getenv(childVar + "_IFINDEX"))
	g, err := s.Gate(Key{Name: "VI_1", Ifindex: ifindex, VRID: 51}, []netip.Addr{vip4, vip6})
	childFatal(err)
	const hold = 300 * time.Millisecond
	until := loop.Now() + hold
	fmt.Println("until", int64(until))
	g.PermitAdverts(until)
	if !g.Open(until) {
		childFatal(fmt.Errorf("the gate does not open"))
	}
	for {
		time.Sleep(20 * time.Millisecond)
		until = loop.Now() + hold
		if g.Deadline() > loop.Now() {
			fmt.Println("until", int64(until))
		}
		if !g.Extend(until) {
			fmt.Println("refused", int64(loop.Now()))
			time.Sleep(time.Hour)
		}
	}
}

// childNew builds a set and says what came of it.
func childNew() {
	s, err := New(Options{Mode: childMode()})
	if err != nil {
		fmt.Println("refused:", err)
		return
	}
	fmt.Printf("mode %d: %s\n", s.Mode(), s.Why())
	fmt.Println("inherited", s.Inherited())
	childFatal(s.Shutdown())
}

// child starts this binary again inside ns.
func child(t *testing.T, ns *netns.NS, what string, mode config.GateMode) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", "-test.run=^$")
	cmd.Env = append(os.Environ(), childVar+"="+what, fmt.Sprintf("%s_MODE=%d", childVar, mode))
	if ns != nil {
		cmd.Env = append(cmd.Env, fmt.Sprintf("%s_IFINDEX=%d", childVar, ns.Index("eth0")))
	}
	cmd.Stderr = os.Stderr
	return cmd
}

// master runs a childMaster and follows what it prints.
type master struct {
	cmd     *exec.Cmd
	lines   chan string
	last    time.Duration // the last deadline it printed
	refused bool
}

func (r *rig) master(mode config.GateMode) *master {
	r.t.Helper()
	m := &master{cmd: child(r.t.(*testing.T), r.node, "master", mode), lines: make(chan string, 1<<16)}
	out, err := m.cmd.StdoutPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	r.node.Start(m.cmd)
	go func() {
		defer close(m.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			m.lines <- s.Text()
		}
	}()
	for m.last == 0 {
		select {
		case line, ok := <-m.lines:
			if !ok || !m.read(line) {
				r.t.Fatalf("the child says %q", line)
			}
		case <-time.After(30 * time.Second):
			r.t.Fatal("the child says nothing")
		}
	}
	return m
}

func (m *master) read(line string) bool {
	word, number, _ := strings.Cut(line, " ")
	n, err := strconv.ParseInt(number, 10, 64)
	switch {
	case err != nil:
		return false
	case word == "until":
		m.last = time.Duration(n)
	case word == "refused":
		m.refused = true
	default:
		return false
	}
	return true
}

// catchUp reads what has been printed by now.
func (m *master) catchUp() {
	for {
		select {
		case line, ok := <-m.lines:
			if !ok {
				return
			}
			m.read(line)
		default:
			return
		}
	}
}

func (m *master) kill() {
	m.cmd.Process.Signal(unix.SIGKILL)
	m.cmd.Wait()
	for line := range m.lines {
		m.read(line)
	}
}

func sleepUntil(d time.Duration) {
	for loop.Now() < d {
		time.Sleep(d - loop.Now())
	}
}

// TestKilled: a process that dies leaves its gate behind, which closes at the deadline.
func TestKilled(t *testing.T) {
	eachMode(t, func(t *testing.T, mode config.GateMode) {
		r := newRig(t)
		r.haveVIPs()
		m := r.master(mode)
		r.expectAnswers(true, "alive")
		m.kill()
		sleepUntil(m.last)
		r.expectAnswers(false, "killed")
	})
}

// TestFrozen: a frozen process cannot hold the gate open, and thawed it does not open it again.
func TestFrozen(t *testing.T) {
	eachMode(t, func(t *testing.T, mode config.GateMode) {
		r := newRig(t)
		r.haveVIPs()
		m := r.master(mode)
		r.expectAnswers(true, "alive")
		m.cmd.Process.Signal(unix.SIGSTOP)
		time.Sleep(20 * time.Millisecond) // the signal takes effect
		m.catchUp()
		// One more deadline may be on its way through the pipe; it is no later than this.
		sleepUntil(max(m.last, loop.Now()+300*time.Millisecond))
		r.expectAnswers(false, "frozen")
		m.cmd.Process.Signal(unix.SIGCONT)
		for limit := time.Now().Add(patient); !m.refused; m.catchUp() {
			if time.Now().After(limit) {
				t.Fatal("the thawed process did not notice")
			}
			time.Sleep(5 * time.Millisecond)
		}
		r.expectAnswers(false, "thawed")
	})
}

// flood sends an ARP request for the VIP every 0.2 ms until stop is closed and returns how many
// were sent. Each comes from a hardware address of its own, which the answer repeats.
func (r *rig) flood(stop <-chan struct{}, each func(n uint32)) uint32 {
	n := uint32(0)
	for {
		select {
		case <-stop:
			return n
		default:
		}
		if each != nil {
			each(n)
		}
		src := []byte{2, 0xee, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
		frame := arpFrame(1, src, peer4, nil, vip4)
		sa := &unix.SockaddrLinklayer{Ifindex: r.ifindex, Halen: 6}
		copy(sa.Addr[:], frame[:6])
		unix.Sendto(r.wire, frame, 0, sa)
		n++
		// time.Sleep would round up to a millisecond.
		unix.Nanosleep(&unix.Timespec{Nsec: 150_000}, nil)
	}
}

// answers reads which of the flood's requests have been answered.
func (r *rig) answers() []uint32 {
	var got []uint32
	buf := make([]byte, 2048)
	for {
		n, _, err := unix.Recvfrom(r.wire, buf, 0)
		if err == unix.EAGAIN {
			return got
		}
		if err == nil && isARPFrom(vip4)(buf[:n]) && buf[0] == 2 && buf[1] == 0xee {
			got = append(got, uint32(buf[2])<<24|uint32(buf[3])<<16|uint32(buf[4])<<8|uint32(buf[5]))
		}
	}
}

// TestRestartLeavesNoGap: crashed runs and their successors, while questions rain. Not one may
// be answered once the first has closed.
func TestRestartLeavesNoGap(t *testing.T) {
	eachMode(t, func(t *testing.T, mode config.GateMode) {
		r := newRig(t)
		r.haveVIPs()
		unix.SetsockoptInt(r.wire, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20)
		m := r.master(mode)
		m.kill()
		sleepUntil(m.last)
		r.drain()
		stop, done := make(chan struct{}), make(chan uint32)
		go func() { done <- r.flood(stop, nil) }()
		const restarts = 20
		for range restarts {
			s := newSet(t, r.node, mode)
			if got := s.Inherited(); len(got) != 2 || got[0] != vip4 || got[1] != vip6 {
				t.Errorf("inherited %v", got)
			}
			time.Sleep(5 * time.Millisecond)
			g := r.gate(s)
			if got := s.Inherited(); len(got) != 0 {
				t.Errorf("a claimed address is still inherited: %v", got)
			}
			r.node.Do(func() {
				if err := s.Settle(); err != nil {
					t.Error(err)
				}
			})
			g.PermitAdverts(loop.Now() + time.Hour)
			s.Abandon()
		}
		close(stop)
		n := <-done
		if got := r.answers(); len(got) != 0 {
			t.Errorf("%d of %d questions were answered during %d restarts", len(got), n, restarts)
		}
		t.Logf("%d questions during %d restarts, none answered", n, restarts)
		// And the questions do get answers when nothing is in their way.
		s := newSet(t, r.node, mode)
		r.node.Do(func() {
			if err := s.Shutdown(); err != nil {
				t.Fatal(err)
			}
		})
		r.expectAnswers(true, "shut down")
	})
}

// TestDeadlineIsExact: no question asked after the deadline is ever answered.
func TestDeadlineIsExact(t *testing.T) {
	eachMode(t, func(t *testing.T, mode config.GateMode) {
		r := newRig(t)
		r.haveVIPs()
		unix.SetsockoptInt(r.wire, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20)
		g := r.gate(r.set(mode))
		for range 10 {
			r.drain()
			var asked []time.Duration
			stop, done := make(chan struct{}), make(chan uint32)
			go func() {
				done <- r.flood(stop, func(uint32) { asked = append(asked, loop.Now()) })
			}()
			until := openFor(t, g, 150*time.Millisecond)
			sleepUntil(until + 50*time.Millisecond)
			close(stop)
			<-done
			time.Sleep(20 * time.Millisecond)
			answered := r.answers()
			if len(answered) == 0 {
				t.Fatal("nothing was answered at all")
			}
			var last time.Duration
			for _, n := range answered {
				last = max(last, asked[n])
			}
			if last >= until {
				t.Errorf("a question asked %v after the deadline was answered", last-until)
			}
			t.Logf("last question answered was asked %v before the deadline", until-last)
		}
	})
}

func TestWithoutCapabilities(t *testing.T) {
	ns := netns.New(t, "node")
	run := func(mode config.GateMode, ambient ...uintptr) string {
		t.Helper()
		cmd := child(t, nil, "new", mode)
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Credential:  &syscall.Credential{Uid: 65534, Gid: 65534},
			AmbientCaps: ambient,
		}
		var out []byte
		var err error
		ns.Do(func() { out, err = cmd.Output() })
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	out := run(config.GateAuto)
	if !strings.HasPrefix(out, "refused:") || !strings.Contains(out, "CAP_NET_ADMIN") {
		t.Errorf("without any capability: %s", out)
	}
	out = run(config.GateAuto, unix.CAP_NET_ADMIN, unix.CAP_NET_RAW)
	if !strings.HasPrefix(out, fmt.Sprintf("mode %d:", config.GateNFT)) || !strings.Contains(out, "CAP_BPF") {
		t.Errorf("without CAP_BPF: %s", out)
	}
	t.Log(out)
	out = run(config.GateEBPF, unix.CAP_NET_ADMIN, unix.CAP_NET_RAW)
	if !strings.HasPrefix(out, "refused:") || !strings.Contains(out, "CAP_BPF") {
		t.Errorf("eBPF without CAP_BPF: %s", out)
	}
	out = run(config.GateAuto, unix.CAP_NET_ADMIN, unix.CAP_NET_RAW, unix.CAP_BPF)
	if !strings.HasPrefix(out, fmt.Sprintf("mode %d: \n", config.GateEBPF)) {
		t.Errorf("with all capabilities: %s", out)
	}
	// These three cannot read the maps of an earlier run, but they see the mark of its address.
	other := netns.New(t, "other")
	netns.Veth(t, ns, "eth0", other, "eth0")
	s := newSet(t, ns, config.GateEBPF)
	ns.Do(func() {
		if _, err := s.Gate(Key{Name: "VI_1", Ifindex: ns.Index("eth0"), VRID: 51}, []netip.Addr{vip4}); err != nil {
			t.Fatal(err)
		}
		s.Abandon()
		c, err := netif.Dial()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		err = c.Add([]netif.Assignment{{Ifindex: ns.Index("eth0"), Addr: config.Address{Prefix: netip.PrefixFrom(vip4, 32)}}})
		if err != nil {
			t.Fatal(err)
		}
	})
	out = run(config.GateAuto, unix.CAP_NET_ADMIN, unix.CAP_NET_RAW, unix.CAP_BPF)
	if !strings.HasPrefix(out, fmt.Sprintf("mode %d: \n", config.GateEBPF)) || !strings.Contains(out, "inherited ["+vip4.String()+"]") {
		t.Errorf("with a left-over address: %s", out)
	}
}
