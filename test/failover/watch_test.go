package failover

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/lab/measure"
	"github.com/evenkeel/evenkeel/test/netns"
)

// watch asks by ARP, every half millisecond and from a machine of its own, who
// answers for an address. It is the only judge of "two masters".
type watch struct {
	mu      sync.Mutex
	judge   measure.Judge
	tenures []measure.Tenure
}

const (
	watchEvery = 500 * time.Microsecond
	watchGrace = 20 * time.Millisecond
)

// newWatch asks from interface eth0 of ns. Each question comes from a hardware
// address of its own, which the answer repeats, so that an answer names the question
// it belongs to however late it comes.
func newWatch(t testing.TB, ns *netns.NS, vip, base netip.Addr) *watch {
	w := &watch{judge: measure.Judge{Grace: int(watchGrace / watchEvery)}}
	var fd int
	var err error
	ns.Do(func() {
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(htons(unix.ETH_P_ARP)))
	})
	if err != nil {
		t.Fatal(err)
	}
	mac := ns.Link("eth0").Attrs().HardwareAddr
	to := &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ARP), Ifindex: ns.Index("eth0"), Halen: 6,
		Addr: [8]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}
	if err := unix.Bind(fd, to); err != nil {
		t.Fatal(err)
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		w.ask(fd, to, mac, vip.As4(), base.As4(), stop)
	}()
	t.Cleanup(func() {
		close(stop)
		<-done
		unix.Close(fd)
	})
	return w
}

func (w *watch) ask(fd int, to unix.Sockaddr, mac []byte, vip, base [4]byte, stop <-chan struct{}) {
	sent := make([]int64, 1<<16) // of the last half minute
	question := append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, mac...)
	question = append(question, 0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1)
	question = append(question, mac...)
	question = append(question, base[:]...)
	question = append(question, 0, 0, 0, 0, 0, 0)
	question = append(question, vip[:]...)
	buf := make([]byte, 256)
	for next, i := now(), 0; ; i++ {
		select {
		case <-stop:
			return
		default:
		}
		question[31] = base[3] + byte(i%16)
		copy(question[22:28], []byte{2, 0xee, 0, 0, byte(i >> 8), byte(i)})
		at := now()
		w.mu.Lock()
		w.judge.Probe()
		w.tenures = w.judge.Ended(w.tenures)
		w.mu.Unlock()
		unix.Sendto(fd, question, 0, to)
		if now()-at > int64(watchEvery) {
			at = 0 // kept from running in between: nobody knows when this one was asked
		}
		sent[i%len(sent)] = at
		next = max(next+int64(watchEvery), now()-int64(watchEvery))
		for {
			wait := unix.NsecToTimespec(max(next-now(), 0))
			if n, err := unix.Ppoll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, &wait, nil); n <= 0 ||
				err != nil {
				break
			}
			n, _, err := unix.Recvfrom(fd, buf, unix.MSG_DONTWAIT)
			if err != nil || n < 42 || buf[21] != 2 || [4]byte(buf[28:32]) != vip || buf[32] != 2 || buf[33] != 0xee {
				continue
			}
			asked := sent[binary.BigEndian.Uint16(buf[36:])]
			if asked == 0 {
				continue
			}
			w.mu.Lock()
			w.judge.Answer(asked, string(buf[22:28]))
			w.mu.Unlock()
		}
	}
}

// now is the monotonic clock the watch records with.
func now() int64 {
	var ts unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return ts.Nano()
}

// totals returns for how long two machines answered, and for how long nobody
// did, between two instants.
func (w *watch) totals(from, to int64) (double, gap time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := append(append([]measure.Tenure(nil), w.tenures...), w.judge.Open()...)
	return time.Duration(measure.Double(all, int64(watchEvery), from, to)), time.Duration(measure.Gap(all,
		int64(watchEvery), from, to))
}
