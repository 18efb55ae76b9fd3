package failover

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/test/netns"
	"github.com/evenkeel/evenkeel/vrrp"
)

// flood is what somebody on the link sends.
type flood struct {
	name    string
	foreign bool // no advert of an instance here
	make    func(i int) (src netip.Addr, payload []byte)
}

// victimParams is how the floods' adverts look where they are not forged badly.
func victimParams() vrrp.Params {
	return vrrp.Params{VRID: 51, Version: 2, Priority: 100, Interval: time.Second, AuthPass: "secret",
		Addrs: []netip.Addr{netip.MustParseAddr("10.9.0.100")}}
}

func outsider(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 9, byte(1 + i%200), byte(i >> 8)})
}

var group4 = netip.MustParseAddr("224.0.0.18")

// floods are all the ways in which an advert can be wrong, and one in which it is not but for its sender.
var floods = []flood{
	{"another virtual router", true, func(i int) (netip.Addr, []byte) {
		p := victimParams()
		p.VRID = uint8(60 + i%100)
		return outsider(i), p.AppendAdvert(nil, 250, outsider(i), group4)
	}},
	{"too short", true, func(i int) (netip.Addr, []byte) { return outsider(i), []byte{0x21, 51, 250, 1, 1} }},
	{"wrong length", false, func(i int) (netip.Addr, []byte) {
		p := victimParams()
		b := p.AppendAdvert(nil, 250, outsider(i), group4)
		b[3] = 200
		return outsider(i), b
	}},
	{"wrong checksum", false, func(i int) (netip.Addr, []byte) {
		p := victimParams()
		b := p.AppendAdvert(nil, 250, outsider(i), group4)
		b[6] ^= 0xff
		return outsider(i), b
	}},
	{"wrong password", false, func(i int) (netip.Addr, []byte) {
		p := victimParams()
		p.AuthPass = fmt.Sprint(i % 1000)
		return outsider(i), p.AppendAdvert(nil, 250, outsider(i), group4)
	}},
	{"wrong version", false, func(i int) (netip.Addr, []byte) {
		p := victimParams()
		p.Version, p.AuthPass = 3, ""
		return outsider(i), p.AppendAdvert(nil, 250, outsider(i), group4)
	}},
	{"lower priority, all right", false, func(i int) (netip.Addr, []byte) {
		p := victimParams()
		return outsider(i), p.AppendAdvert(nil, 50, outsider(i), group4)
	}},
	{"resignation, all right", false, func(i int) (netip.Addr, []byte) {
		p := victimParams()
		return outsider(i), p.AppendAdvert(nil, 0, outsider(i), group4)
	}},
}

// pour sends a flood from a namespace at a rate until the test or the returned function ends it, which gives how
// many adverts a second it was.
func pour(t testing.TB, ns *netns.NS, f flood, rate int) (end func() float64) {
	t.Helper()
	var fd int
	index := ns.Index("eth0")
	ns.Do(func() {
		var err error
		if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW); err != nil {
			t.Fatal(err)
		}
		unix.BindToDevice(fd, "eth0")
		unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Ifindex: int32(index)})
	})
	stop, sent := make(chan struct{}), make(chan float64)
	go func() {
		defer unix.Close(fd)
		from, n := time.Now(), 0
		packet := make([]byte, 20, 512)
		packet[0], packet[1], packet[8], packet[9] = 0x45, 0xc0, 255, 112
		for {
			select {
			case <-stop:
				sent <- float64(n) / time.Since(from).Seconds()
				return
			case <-time.After(time.Millisecond):
			}
			for due := int(time.Since(from).Seconds() * float64(rate)); n < due; n++ {
				src, payload := f.make(n)
				a, g := src.As4(), group4.As4()
				copy(packet[12:], a[:])
				copy(packet[16:], g[:])
				p := append(packet, payload...)
				binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
				unix.Sendto(fd, p, unix.MSG_DONTROUTE, &unix.SockaddrInet4{Addr: g})
			}
		}
	}()
	ended := false
	end = func() float64 {
		if ended {
			return 0
		}
		ended = true
		close(stop)
		return <-sent
	}
	t.Cleanup(func() { end() })
	return end
}

// busy is the processor time of a process's busiest thread since it began, by thread.
func busy(t testing.TB, pid int) map[string]time.Duration {
	t.Helper()
	all := map[string]time.Duration{}
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, task := range tasks {
		b, err := os.ReadFile(task)
		if err != nil {
			continue // it has ended
		}
		ns, _ := strconv.ParseInt(strings.Fields(string(b))[0], 10, 64)
		all[filepath.Base(filepath.Dir(task))] = time.Duration(ns)
	}
	return all
}

// share is how much of one processor the busiest thread has had between two looks.
func share(before, after map[string]time.Duration, took time.Duration) float64 {
	most := time.Duration(0)
	for task, d := range after {
		most = max(most, d-before[task])
	}
	return most.Seconds() / took.Seconds()
}

// under measures a master under a flood: how busy its busiest thread is, of one processor.
func (p *pair) under(t testing.TB, f flood, rate int, d time.Duration) (used, reached float64) {
	t.Helper()
	pid := p.a.cmd.Process.Pid
	if c := p.a.child(); c > 0 {
		pid = c
	}
	end := pour(t, p.observer, f, rate)
	time.Sleep(d / 4)
	before, from := busy(t, pid), time.Now()
	time.Sleep(d)
	used = share(before, busy(t, pid), time.Since(from))
	return used, end()
}

// floodPair is a master that a flood is for, alone: its adverts and what it logs are its own.
func floodPair(t testing.TB, program string) *pair {
	p := newPair(t, dialect{version: 2, advert: time.Second, pass: "secret"}, program, program, 150, 100)
	p.a.start()
	p.master(t, p.a, slack)
	return p
}

// advertCost is what one forged advert may cost the busiest thread. At 20 000 a second 5 µs are 10 % of a
// processor, which BenchmarkFlood shows; here the machine may be busy, and a thread pays for the caches it loses.
const advertCost = 10 * time.Microsecond

// TestFlood sends forged adverts to a master, of each kind 20 000 a second: it stays master on its beat, its thread
// has time left, it counts them, and neither its memory, its log, nor what it sends grows with their number.
func TestFlood(t *testing.T) {
	if testing.Short() {
		t.Skip("some ten seconds of floods")
	}
	const rate, during = 20_000, 2 * time.Second
	p := floodPair(t, ours)
	pid := p.a.cmd.Process.Pid
	for _, f := range floods {
		t.Run(f.name, func(t *testing.T) {
			lines, foreign, from, memory := strings.Count(p.a.log.String(),
				"\n"), p.a.status().Foreign, time.Now(), resident(t, pid)
			check := p.calm(t, p.a)
			used, reached := p.under(t, f, rate, during)
			check()
			adverts := reached * during.Seconds()
			cost := time.Duration(used / reached * 1e9)
			t.Logf("%.0f adverts a second: %.1f %% of a processor, %v each", reached, 100*used, cost)
			if cost > advertCost {
				t.Errorf("a forged advert costs %v", cost)
			}
			if grown := resident(t, pid) - memory; grown > 16<<20 {
				t.Errorf("%d bytes of memory for it", grown)
			}
			took := time.Since(from)
			// A master answers eight times a second, and twelve lines a second are more than it has to say.
			if said := strings.Count(p.a.log.String(), "\n") - lines; said > 20+300+int(12*took.Seconds()) {
				t.Errorf("%d lines in the log", said)
			}
			sent, announced := 0, 0
			for _, fr := range p.tap.since(from) {
				if fr.port == p.port(p.a) && fr.advert() {
					sent++
				} else if fr.port == p.port(p.a) && fr.announce.IsValid() {
					announced++
				}
			}
			if most := int(12*took.Seconds()) + 10; sent > most || announced > 10*most {
				t.Errorf("it sent %d adverts and %d announcements in %v", sent, announced, took)
			}
			if f.foreign {
				// Some are sent before and after what is measured, and some get lost where the machine is busy.
				if n := float64(p.a.status().Foreign - foreign); n < adverts/4 || n > 4*adverts {
					t.Errorf("about %.0f were not for it, and it counts %.0f", adverts, n)
				}
			}
		})
	}
}

// resident is a process's resident memory in bytes.
func resident(t testing.TB, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		t.Fatal(err)
	}
	pages, _ := strconv.Atoi(strings.Fields(string(b))[1])
	return pages * os.Getpagesize()
}

// BenchmarkFlood is what 20 000 forged adverts a second cost a master, ours and keepalived's.
func BenchmarkFlood(b *testing.B) {
	needReference(b)
	pairs := map[string]*pair{ours: floodPair(b, ours), ref: floodPair(b, ref)}
	var out strings.Builder
	fmt.Fprintf(&out, "\n%-28s %14s %14s %12s\n", "20 000 adverts a second", "ours (% cpu)", "keepalived", "sent/s")
	for _, f := range floods {
		our, sent := pairs[ours].under(b, f, 20_000, 2*time.Second)
		their, _ := pairs[ref].under(b, f, 20_000, 2*time.Second)
		fmt.Fprintf(&out, "%-28s %14.1f %14.1f %12.0f\n", f.name, 100*our, 100*their, sent)
		b.ReportMetric(100*our, strings.ReplaceAll(f.name, " ", "-")+"-%cpu")
	}
	fmt.Print(out.String())
}
