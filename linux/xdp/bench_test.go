package xdp

import (
	"fmt"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/evenkeel/evenkeel/lvs/table"
)

// BenchmarkPacket is what the programs alone take for a packet of a remembered flow: test runs, one flow,
// everything in the caches. test/l4 has the whole way.
func BenchmarkPacket(b *testing.B) {
	for _, hook := range []string{"tc", "xdp"} {
		for _, m := range []table.Method{table.Direct, table.NAT, table.Tunnel} {
			for _, v6 := range []bool{false, true} {
				for _, leased := range []bool{false, true} {
					if leased && (v6 || m != table.Direct) {
						continue
					}
					b.Run(fmt.Sprint(hook, " ", m, " v6=", v6, " lease=", leased), func(b *testing.B) {
						benchmarkPacket(b, hook, m, v6, leased)
					})
				}
			}
		}
	}
}

func benchmarkPacket(b *testing.B, hook string, m table.Method, v6, leased bool) {
	n := newBench(b, 1<<14)
	s := n.service(table.UDP, v6, 53, "mh", 0, m, 1, 1, 1)
	frame := udpFrame(client(1, v6), s.Addr, make([]byte, 18)...)
	if v6 {
		frame[21] = 255
	} else {
		frame[22] = 255
		resum(frame)
	}
	n.send(frame)
	n.p.settings.xdp = 1
	now, err := n.p.jiffies()
	if err != nil {
		b.Fatal(err)
	}
	// As if neighbours had answered.
	for i := range uint32(3) {
		n.p.slotAt(i).freshUntil = now + 1<<24
	}
	for i := range uint32(16) {
		n.p.maps[programMapPlaneProven].Put(i, i)
	}
	if leased {
		d, err := n.p.Lease(s.Addr.Addr())
		if err != nil {
			b.Fatal(err)
		}
		d.Store(1 << 62)
	}
	n.send(frame)
	time.Sleep(20 * time.Millisecond) // another tick
	n.send(frame)
	prog := n.p.programs[programProgPlaneIngress]
	if hook == "xdp" {
		prog = n.p.programs[programProgPlaneXdp]
	}
	b.ResetTimer()
	if m == table.Direct {
		// Nothing of the packet changes but the link addresses and the time to live: many in one call until that is
		// over.
		run(b, prog, frame, 200)
		return
	}
	run(b, prog, frame, 1)
}

func run(b *testing.B, prog *ebpf.Program, frame []byte, times int) {
	var total, count int64
	for done := 0; done < b.N; done += times {
		v, took, err := prog.Benchmark(frame, times, nil)
		if err != nil {
			b.Fatal(err)
		}
		if v != 4 && v != redirect {
			b.Fatalf("action %d", v)
		}
		total += int64(took) * int64(times)
		count += int64(times)
	}
	b.ReportMetric(float64(total)/float64(count), "ns/packet")
}
