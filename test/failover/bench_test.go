package failover

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

var rounds = flag.Float64("rounds", 1, "scales how many takeovers the benchmark measures")

// BenchmarkTakeover measures pairs of ours and pairs of Keepalived in turns: from
// the event to the first announcement of the new master, by a capture on the
// switch. A crash counts from the dead master's last advert, so that its moment
// within the advert interval does not matter; a stop from the signal.
func BenchmarkTakeover(b *testing.B) {
	needReference(b)
	kinds := []struct {
		name   string
		advert time.Duration
		rounds int
	}{
		{"1 s", time.Second, 8},
		{"10 ms", 10 * time.Millisecond, 60},
	}
	var out strings.Builder
	fmt.Fprintf(&out, "\n%-24s %5s %12s %12s %12s %8s\n", "takeover, median", "n", "formula (ms)", "ours (ms)",
		"keepalived", "ratio")
	for _, k := range kinds {
		d := dialect{version: 3, advert: k.advert}
		n := max(int(float64(k.rounds)**rounds), 2)
		times := takeovers(b, d, n)
		for _, event := range []string{"crash", "stop"} {
			formula := d.down(100)
			if event == "stop" {
				formula = d.skew(100)
			}
			our, their := median(times[event+ours]), median(times[event+ref])
			ratio := float64(our) / float64(their)
			fmt.Fprintf(&out, "%-24s %5d %12.2f %12.2f %12.2f %8.3f\n", event+", adverts "+k.name, n, inMS(formula),
				inMS(our), inMS(their), ratio)
			b.ReportMetric(ratio, strings.ReplaceAll(event+"-"+k.name, " ", "")+"-ratio")
		}
	}
	b.Log(out.String())
	fmt.Print(out.String())
}

// takeovers measures n rounds of both programs in turns, by event and program.
func takeovers(b *testing.B, d dialect, n int) map[string][]time.Duration {
	b.Helper()
	times := map[string][]time.Duration{}
	pairs := map[string]*pair{}
	for _, program := range []string{ours, ref} {
		p := newPair(b, d, program, program, 150, 100)
		p.b.start()
		p.a.start()
		pairs[program] = p
	}
	void := 0 // the pair flapped just then: no takeover to measure
	for range n {
		for _, program := range []string{ours, ref} { // in turns, so that both meet the same machine
			p := pairs[program]
			for _, event := range []string{"crash", "stop"} {
				p.master(b, p.a, 4*d.down(100)+slack)
				time.Sleep(d.advert + rand.N(d.advert))
				if took, ok := p.measure(b, event); ok {
					times[event+program] = append(times[event+program], took)
				} else {
					void++
				}
				p.a.kill()
				p.a.start()
			}
		}
	}
	for _, program := range []string{ours, ref} {
		pairs[program].a.stop()
		pairs[program].b.stop()
	}
	if void > n/4 {
		b.Fatalf("%d of %d events came while the pair flapped; the machine is too busy to measure on", void, 4*n)
	}
	return times
}

// measure plays one event on the master and returns how long the takeover took;
// ok is false if the backup was master already, as pairs with adverts of 10 ms
// are at times on a busy machine.
func (p *pair) measure(t testing.TB, event string) (took time.Duration, ok bool) {
	t.Helper()
	from := time.Now()
	if event == "crash" {
		p.a.signal(syscall.SIGKILL)
	} else {
		p.a.cmd.Process.Signal(syscall.SIGTERM)
	}
	var announced time.Time
	for limit := from.Add(p.dialect.down(1) + slack); announced.IsZero(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(limit) {
			return 0, false
		}
		for _, f := range p.tap.since(from) {
			if f.announce.IsValid() && f.announce.String() == p.dialect.vip() && f.port == p.port(p.b) {
				announced = f.at
				break
			}
		}
	}
	if event != "crash" {
		return announced.Sub(from), true
	}
	last, ok := p.tap.last(announced, func(f frame) bool { return f.advert() && f.port == p.port(p.a) })
	return announced.Sub(last.at), ok
}

func median(list []time.Duration) time.Duration {
	slices.Sort(list)
	return list[len(list)/2]
}
