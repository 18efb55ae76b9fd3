package gate

import (
	"bytes"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/linux/realtime"
	"github.com/evenkeel/evenkeel/test/netns"
)

// compiler is the one the committed objects were built with; another makes other bytes.
const compiler = "clang version 14."

// TestObjectsMatchSource rebuilds the objects and compares them with the committed ones.
func TestObjectsMatchSource(t *testing.T) {
	version, err := exec.Command("clang", "--version").Output()
	if err != nil {
		if inCI() {
			t.Fatal("clang is missing, and in CI nothing is skipped")
		}
		t.Skip("no clang here; CI has it")
	}
	if !strings.Contains(string(version), compiler) {
		t.Skipf("the objects were built with %s, this is %.40s", compiler, version)
	}
	generate, err := os.ReadFile("generate.go")
	if err != nil {
		t.Fatal(err)
	}
	_, command, ok := strings.Cut(string(generate), "//go:generate ")
	if !ok {
		t.Fatal("generate.go has no command")
	}
	dir := t.TempDir()
	cmd := exec.Command("sh", "-c",
		strings.Replace(strings.TrimSpace(command), "bpf2go ", "bpf2go -output-dir "+dir+" ", 1))
	cmd.Env = append(os.Environ(), "GOPACKAGE=gate")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	built, err := filepath.Glob(filepath.Join(dir, "program_*"))
	if err != nil || len(built) != 4 {
		t.Fatalf("built %v, %v", built, err)
	}
	for _, path := range built {
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Base(path))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what bpf/gate.c compiles to; run go generate", filepath.Base(path))
		}
	}
}

// TestSlotLayout: Go and C must agree on the shared memory.
func TestSlotLayout(t *testing.T) {
	spec, err := loadProgram()
	if err != nil {
		t.Fatal(err)
	}
	if got := spec.Maps[programMapGateSlots].ValueSize; int(got) != slotSize || slotSize != 64 {
		t.Errorf("a slot has %d bytes in C and %d in Go", got, slotSize)
	}
	if got := spec.Maps[programMapGateRouters].KeySize; got != 8 {
		t.Errorf("a router key has %d bytes in C", got)
	}
}

// benchmarkPacket runs the program on one packet again and again: ns/op is one run.
func benchmarkPacket(b *testing.B, frame []byte, program func(*programObjects) *ebpf.Program, state string) {
	r := newRig(b)
	s := r.set(config.GateEBPF)
	g := r.gate(s)
	switch state {
	case "open":
		openFor(b, g, time.Hour)
	case "closed":
		// A closed packet asks the routing table whether the address is here.
		r.haveVIPs()
	}
	d := s.driver.(*ebpfDriver)
	r.node.Do(func() {
		b.ResetTimer()
		action, took, err := program(&d.objs).Benchmark(frame, b.N, b.ResetTimer)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(took.Nanoseconds()), "ns/packet")
		b.ReportMetric(float64(int32(action)), "action")
	})
}

func BenchmarkGate(b *testing.B) {
	// The kernel runs the program as if on lo, whose hardware address is zero.
	src, dst := []byte{2, 0, 0, 0, 0, 1}, make([]byte, 6)
	tcp := make([]byte, 20)
	udp6 := make([]byte, 20)
	ingress := func(o *programObjects) *ebpf.Program { return o.GateIngress }
	egress := func(o *programObjects) *ebpf.Program { return o.GateEgress }
	other := netip.MustParseAddr("192.0.2.1")
	for _, bench := range []struct {
		name    string
		frame   []byte
		program func(*programObjects) *ebpf.Program
		state   string
	}{
		{"in/other", ipFrame(src, dst, ip(peer4, other, 6, 64, tcp)), ingress, "open"},
		{"in/other6", ipFrame(src, dst, ip(peer6, own6, 6, 64, udp6)), ingress, "open"},
		{"in/open", ipFrame(src, dst, ip(peer4, vip4, 6, 64, tcp)), ingress, "open"},
		{"in/closed", ipFrame(src, dst, ip(peer4, vip4, 6, 64, tcp)), ingress, "closed"},
		{"in/arp-closed", arpFrame(1, src, peer4, nil, vip4), ingress, "closed"},
		{"out/other", ipFrame(src, dst, ip(own4, other, 6, 64, tcp)), egress, "open"},
		{"out/open", ipFrame(src, dst, ip(vip4, peer4, 6, 64, tcp)), egress, "open"},
		{"nothing-of-ours", append(ether(src, dst, 0x88b5), make([]byte, 50)...), ingress, "open"},
	} {
		b.Run(bench.name, func(b *testing.B) { benchmarkPacket(b, bench.frame, bench.program, bench.state) })
	}
}

// BenchmarkEmptyProgram is what the measurement itself costs.
func BenchmarkEmptyProgram(b *testing.B) {
	netns.Root(b)
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SchedCLS, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, -1), asm.Return()}})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	_, took, err := p.Benchmark(make([]byte, 64), b.N, b.ResetTimer)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(took.Nanoseconds()), "ns/packet")
}

func BenchmarkExtend(b *testing.B) {
	for name, mode := range modes {
		b.Run(name, func(b *testing.B) {
			r := newRig(b)
			g := r.gate(r.set(mode))
			openFor(b, g, time.Hour)
			until := realtime.Now() + time.Hour
			for b.Loop() {
				until++
				if !g.Extend(until) {
					b.Fatal("refused")
				}
			}
		})
	}
}
