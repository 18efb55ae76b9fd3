package xdp

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/test/netns"
)

// TestRefusedProgram: of several programs the one that the kernel refuses is named, with its answer, its log and
// the usual cause.
func TestRefusedProgram(t *testing.T) {
	netns.Root(t)
	program := func(name string, ins ...asm.Instruction) *ebpf.ProgramSpec {
		return &ebpf.ProgramSpec{Name: name, Type: ebpf.SchedCLS, License: "GPL", Instructions: ins}
	}
	spec := &ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{
		"good":    program("good", asm.Mov.Imm(asm.R0, 0), asm.Return()),
		"bad_one": program("bad_one", asm.Mov.Reg(asm.R0, asm.R9), asm.Return()),
		"well":    program("well", asm.Mov.Imm(asm.R0, 1), asm.Return()),
	}}
	coll, err := loadPrograms(spec, nil)
	if err == nil {
		coll.Close()
		t.Fatal("the kernel takes a program that reads what it never wrote")
	}
	for _, want := range []string{"program bad_one ", "SchedCLS", "permission denied", "R9 !read_ok",
		"usually an older kernel"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing from: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("more than a line: %v", err)
	}
}

// TestRefusalCauses: what a kernel answers, and what is said of it.
func TestRefusalCauses(t *testing.T) {
	account := "processed 9 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0"
	long := []string{"1", "2", "3", "4", "5", "6", "7", "R1 invalid mem access 'scalar'", account}
	for _, c := range []struct {
		answer  error
		log     []string
		without string
		want    []string
	}{
		{unix.EPERM, []string{"stack depth 0", account}, "CAP_BPF",
			[]string{"operation not permitted", "stack depth 0 | processed 9", "lockdown or a security module"}},
		{unix.EPERM, nil, "lockdown", []string{"it wrote no log", "CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN"}},
		{unix.EACCES, long, "1 | 2", []string{"6 | 7 | R1 invalid mem access 'scalar' | processed 9", "an older kernel",
			"Linux 5.17"}},
		{unix.EINVAL, []string{"unknown func bpf_loop#181", account}, "",
			[]string{"invalid argument", "unknown func bpf_loop#181", "bpf_loop"}},
		{unix.ENOSYS, nil, "", []string{"CONFIG_BPF_SYSCALL"}},
		{enotsupp, nil, "", []string{"CONFIG_BPF_JIT"}},
		{unix.ENOMEM, nil, "", []string{"memory"}},
	} {
		var err error = fmt.Errorf("program x: %w", c.answer)
		if c.log != nil {
			err = fmt.Errorf("program x: %w", &ebpf.VerifierError{Cause: c.answer, Log: c.log})
		}
		got := refused("plane_x", ebpf.Syscall, err).Error()
		for _, want := range append(c.want, "program plane_x (type Syscall)") {
			if !strings.Contains(got, want) {
				t.Errorf("%v %q: %q is missing from: %s", c.answer, c.log, want, got)
			}
		}
		if c.without != "" && strings.Contains(got, c.without) {
			t.Errorf("%v %q: %q does not belong to: %s", c.answer, c.log, c.without, got)
		}
	}
}
