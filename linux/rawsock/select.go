package rawsock

import (
	"golang.org/x/sys/unix"
)

// SampledOneIn is how many of the packets that Select keeps out stand for each one it lets in.
const SampledOneIn = 64

// Select has the kernel keep out what is no advert of the virtual routers of vrids: another id, too short for a header
// or for the addresses it announces. One in SampledOneIn, chosen at random, still comes in, so that a count can
// tell how many there are and say who sends them: a filter of this kind needs no privilege, but has no counter.
// What has the right id and length is not kept out. Without vrids everything comes in again.
func (v *VRRP) Select(vrids []uint8) error {
	s := &setup{fd: v.recv}
	if len(vrids) == 0 {
		s.fail("SO_DETACH_FILTER", unix.SetsockoptInt(v.recv, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0))
		return s.err
	}
	s.filter(selection(v.ipv6, vrids))
	return s.err
}

// random32 is where a program finds a random number (SKF_AD_OFF + SKF_AD_RANDOM of linux/filter.h).
const random32 = 0xfffff000 + 56

// mostSelected is how many ids a program can jump over; with more, an id keeps nothing out.
const mostSelected = 240

// Registers of the program's memory.
const (
	slotLength = iota // of the VRRP message
	slotNeeded        // what it announces
)

// selection is the program of Select. A raw IPv4 socket's packets begin with the IP header, an IPv6 one's behind it.
func selection(ipv6 bool, vrids []uint8) []unix.SockFilter {
	op := func(code uint16, k uint32) unix.SockFilter { return unix.SockFilter{Code: code, K: k} }
	jump := func(code uint16, k uint32, yes, no int) unix.SockFilter {
		return unix.SockFilter{Code: code, K: k, Jt: uint8(yes), Jf: uint8(no)}
	}
	size, start := uint32(4), op(unix.BPF_LDX|unix.BPF_B|unix.BPF_MSH, 0) // X: where the message begins
	if ipv6 {
		size, start = 16, op(unix.BPF_LDX|unix.BPF_IMM, 0)
	}
	field := func(at uint32) unix.SockFilter { return op(unix.BPF_LD|unix.BPF_B|unix.BPF_IND, at) }
	const (
		sub  = unix.BPF_ALU | unix.BPF_SUB | unix.BPF_X
		mul  = unix.BPF_ALU | unix.BPF_MUL | unix.BPF_K
		add  = unix.BPF_ALU | unix.BPF_ADD | unix.BPF_K
		and  = unix.BPF_ALU | unix.BPF_AND | unix.BPF_K
		jge  = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
		jgeX = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_X
		jeq  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		ret  = unix.BPF_RET | unix.BPF_K
	)
	sample := []unix.SockFilter{
		op(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, random32),
		op(and, SampledOneIn-1),
		jump(jeq, 0, 1, 0),
		op(ret, 0),
		op(ret, 1<<16),
	}
	// A test that fails falls into the sample behind it; one that holds jumps over.
	prog := []unix.SockFilter{
		start,
		op(unix.BPF_LD|unix.BPF_W|unix.BPF_LEN, 0),
		op(sub, 0),
		op(unix.BPF_ST, slotLength),
		jump(jge, 8, 5, 0),
	}
	prog = append(prog, sample...)
	prog = append(prog, field(3), op(mul, size), op(add, 8), op(unix.BPF_ST, slotNeeded))
	if !ipv6 { // VRRPv2 has authentication data behind the addresses
		prog = append(prog,
			field(0), op(and, 0xf0), jump(jeq, 0x20, 0, 3),
			op(unix.BPF_LD|unix.BPF_MEM, slotNeeded), op(add, 8), op(unix.BPF_ST, slotNeeded))
	}
	prog = append(prog,
		op(unix.BPF_LD|unix.BPF_MEM, slotLength),
		op(unix.BPF_LDX|unix.BPF_MEM, slotNeeded),
		jump(jgeX, 0, 5, 0))
	prog = append(prog, sample...)
	if len(vrids) > mostSelected {
		return append(prog, op(ret, 1<<16))
	}
	prog = append(prog, start, field(1))
	for i := range vrids {
		prog = append(prog, jump(jeq, uint32(vrids[i]), len(vrids)-1-i+len(sample), 0))
	}
	prog = append(prog, sample...)
	return append(prog, op(ret, 1<<16))
}
