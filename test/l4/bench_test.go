package l4

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/test/course"
)

var rounds = flag.Int("rounds", 25, "rounds of bursts of packets; the best of each way counts")

func met(ok bool) string {
	if ok {
		return "met"
	}
	return "MISSED"
}

// machine says what the figures were taken on.
func machine() string {
	var u unix.Utsname
	unix.Uname(&u)
	cpu := "unknown processor"
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
			cpu = strings.TrimSpace(v)
			break
		}
	}
	load, _ := os.ReadFile("/proc/loadavg")
	return fmt.Sprintf("%s, Linux %s, load %s", cpu, unix.ByteSliceToString(u.Release[:]),
		strings.Join(strings.Fields(string(load))[:3], " "))
}

// BenchmarkL4Packets is what a packet costs on its whole way through a load balancer, beside the kernel's own
// forwarding and its address translation, all on one core, in turns. It never fails by a figure, but it does if a
// packet is lost, arrives other than it should, or went another way than the row says.
func BenchmarkL4Packets(b *testing.B) {
	fmt.Println(machine())
	forward, jhash, numgen := forwardWay(b), nftWay(b, "jhash"), nftWay(b, "numgen")
	drop := dropWay(b)
	ours := map[string]*way{}
	all := []*way{drop, forward, jhash, numgen}
	for _, hook := range []string{"XDP", "tc"} {
		for _, m := range course.Methods {
			w := planeWay(b, hook, m)
			ours[w.Name] = w
			all = append(all, w)
		}
	}
	all = slices.DeleteFunc(all, func(w *way) bool { return w != drop && !chosen(w.Name) })
	for _, w := range all {
		w.establish()
	}
	for range *rounds {
		for _, w := range all {
			w.measure()
		}
	}
	if *ways != "" {
		for _, w := range all {
			fmt.Printf("%-26s %8.0f %8.0f\n", w.Name, w.best, w.best-drop.best)
		}
		return
	}
	for range 4 {
		for _, w := range all {
			w.measureNew()
		}
	}
	added := func(w *way) float64 { return w.best - drop.best }
	addedNew := func(w *way) float64 { return w.bestNew - drop.bestNew }
	fmt.Printf("\n%d established flows, 60-byte UDP, one core; dropping at the director takes %.0f ns\n", course.Flows,
		drop.best)
	fmt.Printf("%-26s %8s %8s %14s %12s %12s %14s %8s\n", "way", "total ns", "added ns", "of ip_forward",
		"of nft jhash", "program ns", "new flow ns", "lossy")
	for _, w := range all[1:] {
		program := "-"
		if w.Plane != nil {
			program = fmt.Sprintf("%.0f", w.program())
		}
		fmt.Printf("%-26s %8.0f %8.0f %14.2f %12.2f %12s %14.0f %8d\n", w.Name, w.best, added(w),
			added(w)/added(forward), added(w)/added(jhash), program, addedNew(w), w.again)
	}
	fmt.Println("lossy: bursts sent again because a queue had overflowed; none of them counts")
	printTargets(ours, forward, jhash, drop)
}

// printTargets compares what our ways add to a packet with what the kernel's do.
func printTargets(ours map[string]*way, forward, jhash, drop *way) {
	added := func(w *way) float64 { return w.best - drop.best }
	addedNew := func(w *way) float64 { return w.bestNew - drop.bestNew }
	for _, k := range []struct {
		name  string
		limit float64
	}{{"XDP DR", 0.36}, {"XDP NAT", 0.38}} {
		r := added(ours[k.name]) / added(forward)
		fmt.Printf("target: %s at most %.2f of ip_forward: %.2f, %s\n", k.name, k.limit, r, met(r <= k.limit))
		r = added(jhash) / added(ours[k.name])
		fmt.Printf("target: %s at least 5 times cheaper than nft DNAT: %.1f, %s\n", k.name, r, met(r >= 5))
	}
	for _, name := range []string{"XDP DR", "XDP NAT"} {
		fmt.Printf("a new flow by nft DNAT takes %.1f times what %s takes\n", addedNew(jhash)/addedNew(ours[name]),
			name)
	}
}
