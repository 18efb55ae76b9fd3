package xdp

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// loadPrograms loads the programs of a spec. What the kernel refuses it names: the program, the kernel's answer and
// the end of its log, and what usually is the cause.
func loadPrograms(spec *ebpf.CollectionSpec, tables map[string]*ebpf.Map) (*ebpf.Collection, error) {
	coll, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{MapReplacements: tables})
	if err == nil {
		return coll, nil
	}
	// Which one it was? The others are loaded for that, too, and dropped again.
	for _, name := range slices.Sorted(maps.Keys(spec.Programs)) {
		alone := spec.Copy()
		alone.Programs = map[string]*ebpf.ProgramSpec{name: alone.Programs[name]}
		one, err := ebpf.NewCollectionWithOptions(alone, ebpf.CollectionOptions{MapReplacements: tables})
		if err != nil {
			return nil, refused(name, spec.Programs[name].Type, err)
		}
		one.Close()
	}
	return nil, fmt.Errorf("xdp: loading the programs: %w", explain(err))
}

// refusal is a program that the kernel does not load.
type refusal struct {
	program string
	kind    ebpf.ProgramType
	answer  error
	log     []string // the end of what the verifier wrote
	cause   string
}

func (r *refusal) Error() string {
	log := "it wrote no log"
	if len(r.log) > 0 {
		log = "its log ends: " + strings.Join(r.log, " | ")
	}
	return fmt.Sprintf("xdp: the kernel refuses program %s (type %s): %v; %s; %s", r.program, r.kind, r.answer, log,
		r.cause)
}

func (r *refusal) Unwrap() error { return r.answer }

// logLines is how much of the kernel's log is shown.
const logLines = 6

func refused(program string, kind ebpf.ProgramType, err error) error {
	r := &refusal{program: program, kind: kind, answer: err}
	var verifier *ebpf.VerifierError
	if errors.As(err, &verifier) {
		r.answer = verifier.Cause
		for _, line := range verifier.Log[max(0, len(verifier.Log)-logLines):] {
			r.log = append(r.log, strings.TrimSpace(line))
		}
	}
	if errno := unix.Errno(0); errors.As(err, &errno) {
		r.answer = errno
	}
	r.cause = usualCause(r.answer, verified(verifier))
	return r
}

// verified: did the verifier find nothing wrong, so that the refusal comes from elsewhere? Its last line is its
// account of the work, and before it there is none but such accounts.
func verified(v *ebpf.VerifierError) bool {
	return v != nil && len(v.Log) > 0 && strings.HasPrefix(v.Log[len(v.Log)-1], "processed ") &&
		!slices.ContainsFunc(v.Log[:len(v.Log)-1], func(line string) bool {
			return !strings.HasPrefix(line, "stack depth ") && !strings.HasPrefix(line, "verification time ")
		})
}

// usualCause says what mostly is behind a kernel's answer.
func usualCause(answer error, verified bool) string {
	switch {
	case errors.Is(answer, unix.EPERM), errors.Is(answer, unix.EACCES):
		if verified {
			return "usually the host's lockdown or a security module that forbids programs of this type, whatever " +
				"the capabilities"
		}
		if errors.Is(answer, unix.EPERM) {
			return "usually " + missingRights
		}
	case errors.Is(answer, unix.ENOSYS):
		return "usually a kernel without CONFIG_BPF_SYSCALL, or a container's filter of system calls (seccomp)"
	case errors.Is(answer, unix.ENOMEM):
		return "usually too little memory"
	case errors.Is(answer, enotsupp), errors.Is(answer, unix.EOPNOTSUPP):
		return "usually a kernel without CONFIG_BPF_JIT; the plane needs " + minKernel
	}
	return "usually an older kernel: the plane needs " + minKernel +
		"; with CONFIG_IP_VS, lvs_driver ipvs does the same"
}

// enotsupp is the kernel's own number for what no code was made for; user space's headers do not have it.
const enotsupp = unix.Errno(524)

const missingRights = "missing rights: eBPF needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN in the initial user " +
	"namespace, " +
	"which containers and user namespaces usually lack, and " + minKernel

// explain says what to do about the kernel's refusal of something else.
func explain(err error) error {
	switch {
	case errors.Is(err, errLayout):
		return err
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		// The library's own text would speak of memory limits.
		return fmt.Errorf("%w: usually %s", unix.EPERM, missingRights)
	case errors.Is(err, unix.ENOMEM), errors.Is(err, unix.E2BIG):
		return fmt.Errorf("%w (a smaller table takes less memory)", err)
	case errors.Is(err, ebpf.ErrNotSupported), errors.Is(err, unix.EINVAL):
		return fmt.Errorf("%w (it needs %s; with CONFIG_IP_VS, lvs_driver ipvs does the same)", err, minKernel)
	}
	return err
}
