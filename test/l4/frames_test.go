package l4

import (
	"encoding/binary"
	"net"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// Frames are 60 bytes: Ethernet, IPv4, UDP with a right checksum, 18 bytes of zeros.
const (
	frameSize = 60
	dataSize  = 18
	virtual   = 10<<24 | 9<<16 | 100 // 10.9.0.100
	service   = 5000
)

// flows is how many flows a generator goes round through: a power of two, at most 1<<24. Their
// sources are base, base+1, …
type flows struct {
	base, count uint32
	to, from    net.HardwareAddr
}

// header is the frame of no flow: source and sums are 0.
func (f flows) header() []byte {
	h := make([]byte, frameSize)
	copy(h, f.to)
	copy(h[6:], f.from)
	h[12] = 8
	h[14], h[17], h[20], h[22], h[23] = 0x45, frameSize-14, 0x40, 64, unix.IPPROTO_UDP
	binary.BigEndian.PutUint32(h[30:], virtual)
	binary.BigEndian.PutUint16(h[34:], 7777)
	binary.BigEndian.PutUint16(h[36:], service)
	binary.BigEndian.PutUint16(h[38:], 8+dataSize)
	return h
}

// wordSum adds up 16-bit words as they lie in memory.
func wordSum(b []byte) (sum int32) {
	for i := 0; i < len(b); i += 2 {
		sum += int32(binary.NativeEndian.Uint16(b[i:]))
	}
	return sum
}

// write gives the instructions that put the next flow's whole header at R7, because live frames come back with what
// was done to them the time before. R7 to R8 is the frame; R9 is used up, with timed R6 too. state counts what was sent; with timed, it
// holds when the first and the last packet whose number is a multiple of stride were written.
func (f flows) write(state *ebpf.Map, timed bool) asm.Instructions {
	h := f.header()
	native := binary.NativeEndian
	var out asm.Instructions
	add := func(i ...asm.Instruction) { out = append(out, i...) }
	add(
		asm.Mov.Reg(asm.R1, asm.R7), asm.Add.Imm(asm.R1, frameSize), asm.JGT.Reg(asm.R1, asm.R8, "bad"),
		asm.StoreImm(asm.RFP, -4, 0, asm.Word),
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -4), asm.LoadMapPtr(asm.R1, state.FD()), asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "bad"),
		asm.LoadMem(asm.R9, asm.R0, 0, asm.DWord), asm.Mov.Reg(asm.R1, asm.R9), asm.Add.Imm(asm.R1, 1), asm.StoreMem(asm.R0, 0, asm.R1, asm.DWord),
	)
	if timed {
		add(asm.Mov.Reg(asm.R1, asm.R9), asm.And.Imm(asm.R1, stride-1), asm.JNE.Imm(asm.R1, 0, "untimed"),
			asm.Mov.Reg(asm.R6, asm.R0), asm.FnKtimeGetNs.Call(), asm.StoreMem(asm.R6, 16, asm.R0, asm.DWord),
			asm.LoadMem(asm.R1, asm.R6, 8, asm.DWord), asm.JNE.Imm(asm.R1, 0, "untimed"), asm.StoreMem(asm.R6, 8, asm.R0, asm.DWord))
	}
	add(
		asm.And.Imm(asm.R9, int32(f.count-1)).WithSymbol("untimed"), asm.Or.Imm(asm.R9, int32(f.base)), asm.HostTo(asm.BE, asm.R9, asm.Word),
	)
	for at := int16(0); at < 24; at += 8 {
		add(asm.LoadImm(asm.R1, int64(native.Uint64(h[at:])), asm.DWord), asm.StoreMem(asm.R7, at, asm.R1, asm.DWord))
	}
	for _, at := range []int16{30, 34} {
		add(asm.StoreImm(asm.R7, at, int64(int32(native.Uint32(h[at:]))), asm.Word))
	}
	add(asm.StoreImm(asm.R7, 38, int64(native.Uint16(h[38:])), asm.Half), asm.StoreMem(asm.R7, 26, asm.R9, asm.Word))
	// R9 becomes the source's two words added.
	add(asm.Mov.Reg(asm.R1, asm.R9), asm.And.Imm(asm.R1, 0xffff), asm.RSh.Imm(asm.R9, 16), asm.Add.Reg(asm.R9, asm.R1))
	pseudo := []byte{0, unix.IPPROTO_UDP, 0, 8 + dataSize}
	for at, rest := range map[int16]int32{24: wordSum(h[14:34]), 40: wordSum(h[30:42]) + wordSum(pseudo)} {
		add(asm.Mov.Reg(asm.R1, asm.R9), asm.Add.Imm(asm.R1, rest))
		for range 2 {
			add(asm.Mov.Reg(asm.R2, asm.R1), asm.RSh.Imm(asm.R2, 16), asm.And.Imm(asm.R1, 0xffff), asm.Add.Reg(asm.R1, asm.R2))
		}
		// A sum of 0 would say that there is none; ours never is: source and destination are not all ones.
		add(asm.Xor.Imm(asm.R1, 0xffff), asm.StoreMem(asm.R7, at, asm.R1, asm.Half))
	}
	return out
}

func load(t testing.TB, kind ebpf.ProgramType, code asm.Instructions) *ebpf.Program {
	t.Helper()
	spec := &ebpf.ProgramSpec{Type: kind, License: "GPL", Instructions: code}
	if kind == ebpf.XDP {
		spec.AttachType = ebpf.AttachXDP
	}
	p, err := ebpf.NewProgram(spec)
	if err != nil {
		t.Fatalf("%+v", err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func array(t testing.TB, value, n uint32) *ebpf.Map {
	t.Helper()
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: value, MaxEntries: n})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func read(t testing.TB, m *ebpf.Map, i uint32) (v uint64) {
	t.Helper()
	if err := m.Lookup(i, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// stride is after how many packets a generator looks at the clock.
const stride = 256

// progress is what a generator has done: numbers of packets, instants in nanoseconds.
type progress struct{ Sent, First, Last uint64 }

// generator sends a frame of the next flow out of an interface at each run.
func generator(t testing.TB, f flows, ifindex int) (prog *ebpf.Program, sent *ebpf.Map) {
	t.Helper()
	sent = array(t, 24, 1)
	code := asm.Instructions{asm.LoadMem(asm.R7, asm.R1, 0, asm.Word), asm.LoadMem(asm.R8, asm.R1, 4, asm.Word)}
	code = append(code, f.write(sent, true)...)
	code = append(code, asm.Mov.Imm(asm.R1, int32(ifindex)), asm.Mov.Imm(asm.R2, 0), asm.FnRedirect.Call(), asm.Return(),
		asm.Mov.Imm(asm.R0, 1).WithSymbol("bad"), asm.Return())
	return load(t, ebpf.XDP, code), sent
}

// restorer runs another program over a frame of the next flow: tail, or if it is nil, a program that does nothing. What a tunnel put before the frame the
// time before is taken off first.
func restorer(t testing.TB, f flows, kind ebpf.ProgramType, tail *ebpf.Program) *ebpf.Program {
	t.Helper()
	if tail == nil {
		tail = load(t, kind, asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()})
	}
	jump, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.ProgramArray, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { jump.Close() })
	if err := jump.Put(uint32(0), tail); err != nil {
		t.Fatal(err)
	}
	data, end := int16(0), int16(4)
	if kind == ebpf.SchedCLS {
		data, end = 76, 80 // struct __sk_buff
	}
	window := func() asm.Instructions {
		return asm.Instructions{asm.LoadMem(asm.R7, asm.R6, data, asm.Word), asm.LoadMem(asm.R8, asm.R6, end, asm.Word)}
	}
	code := append(asm.Instructions{asm.Mov.Reg(asm.R6, asm.R1)}, window()...)
	code = append(code, asm.Mov.Reg(asm.R1, asm.R7), asm.Add.Imm(asm.R1, frameSize+1), asm.JGT.Reg(asm.R1, asm.R8, "whole"), asm.Mov.Reg(asm.R1, asm.R6))
	if kind == ebpf.SchedCLS {
		const macRoom = 1 // BPF_ADJ_ROOM_MAC
		code = append(code, asm.Mov.Imm(asm.R2, -20), asm.Mov.Imm(asm.R3, macRoom), asm.Mov.Imm(asm.R4, 0), asm.FnSkbAdjustRoom.Call())
	} else {
		code = append(code, asm.Mov.Imm(asm.R2, 20), asm.FnXdpAdjustHead.Call())
	}
	again := window()
	again[0] = again[0].WithSymbol("whole")
	code = append(code, again...)
	code = append(code, f.write(array(t, 24, 1), false)...)
	code = append(code, asm.Mov.Reg(asm.R1, asm.R6), asm.LoadMapPtr(asm.R2, jump.FD()), asm.Mov.Imm(asm.R3, 0), asm.FnTailCall.Call(),
		asm.Mov.Imm(asm.R0, 99).WithSymbol("bad"), asm.Return())
	return load(t, kind, code)
}

// expectation is what the frames that arrive must be.
type expectation struct {
	proto     uint8
	dst, mask uint32
}

// sink counts IPv4 frames and drops them: those expected at 0, others at 1. What is not IPv4, such as questions for neighbours, passes.
func sink(t testing.TB, want expectation) (prog *ebpf.Program, seen *ebpf.Map) {
	t.Helper()
	seen = array(t, 8, 2)
	swap := func(v uint32) int32 {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], v)
		return int32(binary.NativeEndian.Uint32(b[:]))
	}
	return load(t, ebpf.XDP, asm.Instructions{
		asm.LoadMem(asm.R7, asm.R1, 0, asm.Word), asm.LoadMem(asm.R8, asm.R1, 4, asm.Word),
		asm.Mov.Reg(asm.R1, asm.R7), asm.Add.Imm(asm.R1, 34), asm.JGT.Reg(asm.R1, asm.R8, "pass"),
		asm.LoadMem(asm.R1, asm.R7, 12, asm.Half), asm.JNE.Imm(asm.R1, swap(0x0800<<16)&0xffff, "pass"),
		asm.Mov.Imm(asm.R6, 0),
		asm.LoadMem(asm.R1, asm.R7, 23, asm.Byte), asm.JNE.Imm(asm.R1, int32(want.proto), "other"),
		asm.LoadMem(asm.R1, asm.R7, 30, asm.Word), asm.And.Imm32(asm.R1, swap(want.mask)),
		asm.Mov.Imm32(asm.R2, swap(want.dst)), asm.JEq.Reg32(asm.R1, asm.R2, "count"),
		asm.Mov.Imm(asm.R6, 1).WithSymbol("other"),
		asm.StoreMem(asm.RFP, -4, asm.R6, asm.Word).WithSymbol("count"),
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -4), asm.LoadMapPtr(asm.R1, seen.FD()), asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "pass"),
		asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord), asm.Add.Imm(asm.R1, 1), asm.StoreMem(asm.R0, 0, asm.R1, asm.DWord),
		asm.Mov.Imm(asm.R0, 1), asm.Return(),
		asm.Mov.Imm(asm.R0, 2).WithSymbol("pass"), asm.Return(),
	}), seen
}
