package xdp

import (
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/evenkeel/evenkeel/test/netns"
)

// TestVerifier keeps an eye on what the kernel's verifier has to go through: it refuses programs beyond a million
// steps.
func TestVerifier(t *testing.T) {
	netns.Root(t)
	spec, err := newCollectionSpec(1024)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	coll, err := ebpf.NewCollectionWithOptions(spec,
		ebpf.CollectionOptions{Programs: ebpf.ProgramOptions{LogLevel: ebpf.LogLevelStats}})
	if err != nil {
		t.Fatalf("%+v", err)
	}
	defer coll.Close()
	t.Log("all loaded in", time.Since(begin))
	for name, prog := range coll.Programs {
		info, err := prog.Info()
		if err != nil {
			t.Fatal(err)
		}
		steps, _ := info.VerifiedInstructions()
		t.Logf("%s: %d steps", name, steps)
		if steps > 500_000 {
			t.Errorf("%s: %d steps; older kernels count more than this one and refuse a million", name, steps)
		}
	}
}
