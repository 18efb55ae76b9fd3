//go:build ipvsguest

package ipvs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/linux/xdp"
	"github.com/evenkeel/evenkeel/test/course"
)

const rounds = 3

// way is a course on which the kernel's pktgen generates, and one way across the director.
type way struct {
	*course.Course
	best float64 // ns per packet
}

// newWay makes a course that ends at the sink.
func newWay(t testing.TB, name string, want course.Expectation) *way {
	t.Helper()
	w := &way{Course: course.New(t, name)}
	w.End(w.Sink, "s0", course.TC, want)
	return w
}

var pktgenResult = regexp.MustCompile(`(?s)OK: (\d+)\(.*?usec, (\d+) `)

// send sends n packets, round through all flows, and returns what one took in nanoseconds. All have arrived as they
// should.
func (w *way) send(n int) float64 {
	w.T.Helper()
	good, bad := w.Arrived()
	write := func(file string, lines ...string) {
		for _, l := range lines {
			if err := os.WriteFile(filepath.Join("/proc/thread-self/net/pktgen", file), []byte(l+"\n"), 0); err != nil {
				w.T.Fatalf("pktgen %s: %s: %v", file, l, err)
			}
		}
	}
	var text []byte
	w.Gen.Do(func() {
		write("kpktgend_0", "rem_device_all", "add_device g0")
		write("g0", fmt.Sprint("count ", n), "clone_skb 0", fmt.Sprint("pkt_size ", course.FrameSize), "delay 0",
			"flag UDPCSUM",
			"dst_mac "+w.Balancer.Link("lb0").Attrs().HardwareAddr.String(), fmt.Sprint("dst_min ", course.Virtual),
			fmt.Sprint("dst_max ", course.Virtual),
			"src_min 20.0.0.0", fmt.Sprintf("src_max 20.0.%d.255", course.Flows/256-1),
			fmt.Sprint("udp_src_min ", course.SourcePort), fmt.Sprint("udp_src_max ", course.SourcePort),
			fmt.Sprint("udp_dst_min ", course.Port), fmt.Sprint("udp_dst_max ", course.Port))
		write("pgctrl", "start")
		text, _ = os.ReadFile("/proc/thread-self/net/pktgen/g0")
	})
	m := pktgenResult.FindSubmatch(text)
	if m == nil {
		w.T.Fatalf("%s: pktgen says:\n%s", w.Name, text)
	}
	usec, _ := strconv.ParseFloat(string(m[1]), 64)
	if string(m[2]) != strconv.Itoa(n) {
		w.T.Fatalf("%s: of %d packets pktgen sent %s", w.Name, n, m[2])
	}
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		g, b := w.Arrived()
		if g-good == uint64(n) && b == bad {
			break
		}
		if time.Now().After(end) {
			w.T.Fatalf("%s: of %d packets %d arrived as they should and %d otherwise; %v", w.Name, n, g-good, b-bad,
				w.Counters())
		}
	}
	return usec * 1000 / float64(n)
}

func (w *way) measure() {
	w.Neighbours()
	if ns := w.send(course.Flows); w.best == 0 || ns < w.best {
		w.best = ns
	}
}

// BenchmarkGuest is what a packet of an established flow costs on its way through a director by the kernel's IPVS
// and by our own plane, in one run. The machine's clock counts instructions, so these are instructions.
func BenchmarkGuest(b *testing.B) {
	prepareKernel(b)
	drop := &way{Course: course.New(b, "drop")}
	drop.End(drop.Balancer, "lb0", course.TC, course.AsSent)
	forward := newWay(b, "ip_forward", course.AsSent)
	forward.Forward()
	all := []*way{drop, forward}
	kernels, ours := map[string]*way{}, map[string]*way{}
	for _, m := range course.Methods {
		w := newWay(b, "IPVS "+m.Name, m.Want)
		w.Serve()
		if err := open(b, w.Balancer).Apply(course.Table(m)); err != nil {
			b.Fatal(err)
		}
		kernels[m.Name] = w
		all = append(all, w)
	}
	for _, m := range course.Methods {
		w := newWay(b, "ours "+m.Name, m.Want)
		w.Open(xdp.TC, m)
		ours[m.Name] = w
		all = append(all, w)
	}
	for _, w := range all {
		for range 3 { // each flow's first packets
			w.Neighbours()
			w.send(course.Flows)
			time.Sleep(20 * time.Millisecond)
		}
	}
	for _, w := range ours {
		w.Balancer.Do(func() {
			if stats, err := w.Plane.Sweep(); err != nil || stats.Flows < course.Flows {
				b.Fatalf("%s: not all flows are remembered: %+v, %v", w.Name, stats, err)
			}
		})
	}
	for range rounds {
		for _, w := range all {
			w.measure()
		}
	}
	report(drop, forward, all[1:], kernels, ours)
}

// report prints what a packet costs on each way, and whether ours meet the target.
func report(drop, forward *way, ways []*way, kernels, ours map[string]*way) {
	say := func(format string, args ...any) { fmt.Printf("BENCH "+format+"\n", args...) }
	say("%d established flows, 60-byte UDP with checksums; dropping at the director takes %.0f instructions",
		course.Flows, drop.best)
	say("%-12s %8s %8s %14s %10s", "way", "total", "added", "of ip_forward", "of IPVS")
	added := func(w *way) float64 { return w.best - drop.best }
	for _, w := range ways {
		of := "-"
		if _, name, ok := strings.Cut(w.Name, " "); ok && w.Plane != nil {
			of = fmt.Sprintf("%.2f", added(w)/added(kernels[name]))
		}
		say("%-12s %8.0f %8.0f %14.2f %10s", w.Name, w.best, added(w), added(w)/added(forward), of)
	}
	for _, m := range course.Methods {
		r, result := added(ours[m.Name])/added(kernels[m.Name]), "met"
		if r > 1 {
			result = "MISSED"
		}
		say("target: our %s not dearer per packet than IPVS's: %.2f, %s", m.Name, r, result)
	}
}

// prepareKernel makes the kernel one whose figures say something.
func prepareKernel(b *testing.B) {
	// As many chains as flows: the kernel's default is made for fewer.
	for _, args := range [][]string{{"pktgen"}, {"ip_vs", "conn_tab_bits=14"}} {
		if out, err := exec.Command("modprobe", args...).CombinedOutput(); err != nil {
			b.Fatalf("modprobe %v: %v\n%s", args, err, out)
		}
	}
	if jit, err := os.ReadFile("/proc/sys/net/core/bpf_jit_enable"); err != nil ||
		strings.TrimSpace(string(jit)) != "1" {
		b.Fatalf("the kernel does not compile eBPF: %s, %v", jit, err)
	}
	// pktgen gives way to nobody: what it sends while the only processor has other work waits here.
	if err := os.WriteFile("/proc/sys/net/core/netdev_max_backlog", []byte("100000"), 0); err != nil {
		b.Fatal(err)
	}
}
