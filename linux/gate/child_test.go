package gate

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/linux/netif"
	"github.com/evenkeel/evenkeel/linux/realtime"
	"github.com/evenkeel/evenkeel/test/netns"
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
// Its deadlines are far ahead, so that it is alive on a busy machine too, until its input ends.
func childMaster() {
	s, err := New(Options{Mode: childMode()})
	childFatal(err)
	ifindex, _ := strconv.Atoi(os.Getenv(childVar + "_IFINDEX"))
	g, err := s.Gate(Key{Name: "VI_1", Ifindex: ifindex, VRID: 51}, []netip.Addr{vip4, vip6})
	childFatal(err)
	ended := make(chan struct{})
	go func() {
		io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	hold := time.Hour
	until := realtime.Now() + hold
	fmt.Println("until", int64(until))
	g.PermitAdverts(until)
	if !g.Open(until) {
		childFatal(fmt.Errorf("the gate does not open"))
	}
	for {
		select {
		case <-ended:
			ended = nil
			hold = short
			g.Shorten(realtime.Now() + hold)
			fmt.Println("short", int64(g.Deadline()))
		case <-time.After(20 * time.Millisecond):
		}
		until = realtime.Now() + hold
		if g.Deadline() > realtime.Now() {
			fmt.Println("until", int64(until))
		}
		if !g.Extend(until) {
			fmt.Println("refused", int64(realtime.Now()))
			time.Sleep(time.Hour)
		}
	}
}

// short is how far ahead a childMaster's deadlines are in the end.
const short = 300 * time.Millisecond

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
	input   io.Closer
	lines   chan string
	last    time.Duration // the last deadline it printed
	short   bool
	refused bool
}

func (r *rig) master(mode config.GateMode) *master {
	r.t.Helper()
	m := &master{cmd: child(r.t.(*testing.T), r.node, "master", mode), lines: make(chan string, 1<<16)}
	out, err := m.cmd.StdoutPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	if m.input, err = m.cmd.StdinPipe(); err != nil {
		r.t.Fatal(err)
	}
	r.node.Start(m.cmd)
	go func() {
		defer close(m.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			m.lines <- s.Text()
		}
	}()
	m.await(r.t, func() bool { return m.last != 0 })
	return m
}

// await reads until the child has said something.
func (m *master) await(t testing.TB, said func() bool) {
	t.Helper()
	for limit := time.After(patient); !said(); {
		select {
		case line, ok := <-m.lines:
			if !ok || !m.read(line) {
				t.Fatalf("the child says %q", line)
			}
		case <-limit:
			t.Fatal("the child does not say what is awaited")
		}
	}
}

// shorten makes its deadlines short ones.
func (m *master) shorten(t testing.TB) {
	t.Helper()
	m.input.Close()
	m.await(t, func() bool { return m.short })
}

func (m *master) read(line string) bool {
	word, number, _ := strings.Cut(line, " ")
	n, err := strconv.ParseInt(number, 10, 64)
	switch {
	case err != nil:
		return false
	case word == "until":
		m.last = time.Duration(n)
	case word == "short":
		m.last, m.short = time.Duration(n), true
	case word == "refused":
		m.refused = true
	default:
		return false
	}
	return true
}

// freeze stops the process and returns when it has stopped.
func (m *master) freeze(t testing.TB) {
	t.Helper()
	m.cmd.Process.Signal(unix.SIGSTOP)
	var status unix.WaitStatus
	if _, err := unix.Wait4(m.cmd.Process.Pid, &status, unix.WUNTRACED, nil); err != nil || !status.Stopped() {
		t.Fatalf("the child does not stop: %v, status %#x", err, status)
	}
}

// kill ends it, and reads all that it said.
func (m *master) kill() {
	m.cmd.Process.Signal(unix.SIGKILL)
	for line := range m.lines {
		m.read(line)
	}
	m.cmd.Wait() // now: it closes the pipe
}

func sleepUntil(d time.Duration) {
	for realtime.Now() < d {
		time.Sleep(d - realtime.Now())
	}
}

// TestKilled: a process that dies leaves its gate behind, which closes at the deadline.
func TestKilled(t *testing.T) {
	eachMode(t, func(t *testing.T, mode config.GateMode) {
		r := newRig(t)
		r.haveVIPs()
		m := r.master(mode)
		r.expectAnswers(true, "alive")
		m.shorten(t)
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
		m.shorten(t)
		m.freeze(t)
		sleepUntil(realtime.Now() + short) // no deadline of a frozen process is later
		r.expectAnswers(false, "frozen")
		m.cmd.Process.Signal(unix.SIGCONT)
		m.await(t, func() bool { return m.refused })
		r.expectAnswers(false, "thawed")
	})
}

// flood sends an ARP request for the VIP every 0.2 ms until stop is closed and returns how many
// were sent. Each comes from a hardware address of its own, which the answer repeats.
func (r *rig) flood(stop <-chan struct{}, each func(n uint32)) (n uint32) {
	inOrder(func() {
		for {
			select {
			case <-stop:
				return
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
	})
	return n
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
		if err != nil {
			continue
		}
		if n, ok := floodAnswer(buf[:n]); ok {
			got = append(got, n)
		}
	}
}

// lastAnswers reads the rest of them after the flood: the answer to a question for the node itself comes behind all.
func (r *rig) lastAnswers() (got []uint32) {
	r.t.Helper()
	r.send(r.arpRequest(peer4, own4))
	if !r.hears(patient, func(frame []byte) bool {
		if n, ok := floodAnswer(frame); ok {
			got = append(got, n)
		}
		return isARPFrom(own4)(frame)
	}) {
		r.t.Fatal("the node does not answer for itself")
	}
	return got
}

func floodAnswer(frame []byte) (n uint32, ok bool) {
	if !isARPFrom(vip4)(frame) || frame[0] != 2 || frame[1] != 0xee {
		return 0, false
	}
	return binary.BigEndian.Uint32(frame[2:]), true
}

// TestRestartLeavesNoGap: crashed runs and their successors, while questions rain. Not one may
// be answered once the first has closed.
func TestRestartLeavesNoGap(t *testing.T) {
	eachMode(t, func(t *testing.T, mode config.GateMode) {
		r := newRig(t)
		r.haveVIPs()
		unix.SetsockoptInt(r.wire, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20)
		m := r.master(mode)
		m.shorten(t)
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
			g.PermitAdverts(realtime.Now() + time.Hour)
			s.Abandon()
		}
		close(stop)
		n := <-done
		if got := r.lastAnswers(); len(got) != 0 {
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
				done <- r.flood(stop, func(uint32) { asked = append(asked, realtime.Now()) })
			}()
			openFor(t, g, time.Hour)
			answered := r.answers()
			for limit := time.Now().Add(patient); len(answered) == 0; answered = r.answers() {
				if time.Now().After(limit) {
					t.Fatal("nothing was answered at all")
				}
				time.Sleep(5 * time.Millisecond)
			}
			until := realtime.Now() + 100*time.Millisecond
			g.Shorten(until)
			sleepUntil(until + 50*time.Millisecond)
			close(stop)
			<-done
			answered = append(answered, r.lastAnswers()...)
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
		err = c.Add([]netif.Assignment{{Ifindex: ns.Index("eth0"),
			Addr: config.Address{Prefix: netip.PrefixFrom(vip4, 32)}}})
		if err != nil {
			t.Fatal(err)
		}
	})
	out = run(config.GateAuto, unix.CAP_NET_ADMIN, unix.CAP_NET_RAW, unix.CAP_BPF)
	if !strings.HasPrefix(out, fmt.Sprintf("mode %d: \n", config.GateEBPF)) ||
		!strings.Contains(out, "inherited ["+vip4.String()+"]") {
		t.Errorf("with a left-over address: %s", out)
	}
}
