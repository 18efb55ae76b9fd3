package xdp

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"
)

// compiler is the one the committed objects were built with; another makes other bytes.
const compiler = "clang version 14."

// TestObjectsMatchSource rebuilds the objects and compares them with the committed ones.
func TestObjectsMatchSource(t *testing.T) {
	version, err := exec.Command("clang", "--version").Output()
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("no clang here")
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
	dir := t.TempDir()
	for line := range strings.Lines(string(generate)) {
		command, ok := strings.CutPrefix(line, "//go:generate ")
		if !ok {
			continue
		}
		cmd := exec.Command("sh", "-c",
			strings.Replace(strings.TrimSpace(command), "bpf2go ", "bpf2go -output-dir "+dir+" ", 1))
		cmd.Env = append(os.Environ(), "GOPACKAGE=xdp")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	built, err := filepath.Glob(filepath.Join(dir, "*_bpfe*"))
	if err != nil || len(built) != 8 {
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
			t.Errorf("%s is not what bpf/*.c compiles to; run go generate", filepath.Base(path))
		}
	}
}

// TestLayout: Go and C must agree on what they share.
func TestLayout(t *testing.T) {
	spec, err := loadProgram()
	if err != nil {
		t.Fatal(err)
	}
	unwrap, err := loadUnwrap()
	if err != nil {
		t.Fatal(err)
	}
	m := spec.Maps
	for _, c := range []struct {
		name string
		c    uint32
		ours uintptr
	}{
		{"settings", m[programMapPlaneSettings].ValueSize, unsafe.Sizeof(settings{})},
		{"destination", m[programMapPlaneDests].InnerMap.ValueSize, unsafe.Sizeof(slot{})},
		{"counters", m[programMapPlaneCounts].InnerMap.ValueSize, unsafe.Sizeof(counters{})},
		{"service", m[programMapPlaneServices].ValueSize, unsafe.Sizeof(serviceRecord{})},
		{"service key", m[programMapPlaneServices].KeySize, unsafe.Sizeof(serviceKey{})},
		{"flow", m[programMapPlaneFlows4].ValueSize, unsafe.Sizeof(flowRecord{})},
		{"IPv4 key", m[programMapPlaneFlows4].KeySize, unsafe.Sizeof(key4{})},
		{"IPv6 key", m[programMapPlaneFlows6].KeySize, unsafe.Sizeof(key6{})},
		{"binding", m[programMapPlaneBindings].ValueSize, unsafe.Sizeof(bindingRecord{})},
		{"binding key", m[programMapPlaneBindings].KeySize, unsafe.Sizeof(bindingKey{})},
		{"lesson", m[programMapPlaneLessons].ValueSize, unsafe.Sizeof(lessonRecord{})},
		{"probe", m[programMapPlaneProbe].ValueSize, unsafe.Sizeof(probeRecord{})},
		{"unwrapped", unwrap.Maps[unwrapMapUnwrapAddresses].ValueSize, unsafe.Sizeof(unwrapRecord{})},
	} {
		if uintptr(c.c) != c.ours {
			t.Errorf("a %s has %d bytes in C and %d in Go", c.name, c.c, c.ours)
		}
	}
	if n := m[programMapPlaneFates].MaxEntries; int(n) != len(fates) {
		t.Errorf("%d counters in C, %d in Go", n, len(fates))
	}
	if m[programMapPlaneDests].InnerMap.MaxEntries != blockSize || m[programMapPlaneDests].MaxEntries != maxBlocks ||
		m[programMapPlaneLeases].MaxEntries != maxLeases || m[programMapPlaneLessons].MaxEntries != maxLessons ||
		m[programMapPlaneArrangements].MaxEntries != maxServices || m[programMapPlaneProven].MaxEntries != provenLinks {
		t.Error("C and Go have different limits")
	}
}
