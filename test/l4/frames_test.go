package l4

import (
	"encoding/binary"
	"net"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/evenkeel/evenkeel/test/course"
	"golang.org/x/sys/unix"
)

// dataSize is what is in a frame: zeros.
const dataSize = course.FrameSize - 42

// flows is how many flows a generator goes round through: a power of two, at most 1<<24. Their
// sources are base, base+1, …
type flows struct {
	base, count uint32
	to, from    net.HardwareAddr
}

// header is the frame of no flow: source and sums are 0.
func (f flows) header() []byte {
	h := make([]byte, course.FrameSize)
	copy(h, f.to)
	copy(h[6:], f.from)
	h[12] = 8
	h[14], h[17], h[20], h[22], h[23] = 0x45, course.FrameSize-14, 0x40, 64, unix.IPPROTO_UDP
	copy(h[30:], course.Virtual.AsSlice())
	binary.BigEndian.PutUint16(h[34:], course.SourcePort)
	binary.BigEndian.PutUint16(h[36:], course.Port)
	binary.BigEndian.PutUint16(h[38:], 8+dataSize)
	return h
}

// wordSum adds up 16-bit words as they lie in memory.
func sum16(b []byte) (sum int32) {
	for i := 0; i < len(b); i += 2 {
		sum += int32(binary.NativeEndian.Uint16(b[i:]))
	}
	return sum
}

// write gives the instructions that put the next flow's whole header at R7, because live frames come back with what
// was done to them the time before. R7 to R8 is the frame; R9 is used up, with timed R6 too. state counts what was
// sent; with timed, it holds when the first and the last packet were written whose number is a multiple of stride
// and not below From.
func (f flows) write(state *ebpf.Map, timed bool) asm.Instructions {
	h := f.header()
	native := binary.NativeEndian
	var out asm.Instructions
	add := func(i ...asm.Instruction) { out = append(out, i...) }
	add(
		asm.Mov.Reg(asm.R1, asm.R7), asm.Add.Imm(asm.R1, course.FrameSize), asm.JGT.Reg(asm.R1, asm.R8, "bad"),
		asm.StoreImm(asm.RFP, -4, 0, asm.Word),
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -4), asm.LoadMapPtr(asm.R1, state.FD()),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "bad"),
		asm.LoadMem(asm.R9, asm.R0, 0, asm.DWord), asm.Mov.Reg(asm.R1, asm.R9), asm.Add.Imm(asm.R1, 1),
		asm.StoreMem(asm.R0, 0, asm.R1, asm.DWord),
	)
	if timed {
		add(asm.Mov.Reg(asm.R1, asm.R9), asm.And.Imm(asm.R1, stride-1), asm.JNE.Imm(asm.R1, 0, "untimed"),
			asm.LoadMem(asm.R1, asm.R0, 24, asm.DWord), asm.JLT.Reg(asm.R9, asm.R1, "untimed"),
			asm.Mov.Reg(asm.R6, asm.R0), asm.FnKtimeGetNs.Call(), asm.StoreMem(asm.R6, 16, asm.R0, asm.DWord),
			asm.LoadMem(asm.R1, asm.R6, 8, asm.DWord), asm.JNE.Imm(asm.R1, 0, "untimed"),
			asm.StoreMem(asm.R6, 8, asm.R0, asm.DWord))
	}
	add(
		asm.And.Imm(asm.R9, int32(f.count-1)).WithSymbol("untimed"), asm.Or.Imm(asm.R9, int32(f.base)),
		asm.HostTo(asm.BE, asm.R9, asm.Word),
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
	for at, rest := range map[int16]int32{24: sum16(h[14:34]), 40: sum16(h[30:42]) + sum16(pseudo)} {
		add(asm.Mov.Reg(asm.R1, asm.R9), asm.Add.Imm(asm.R1, rest))
		for range 2 {
			add(asm.Mov.Reg(asm.R2, asm.R1), asm.RSh.Imm(asm.R2, 16), asm.And.Imm(asm.R1, 0xffff),
				asm.Add.Reg(asm.R1, asm.R2))
		}
		// A sum of 0 would say that there is none; ours never is: source and destination are not all ones.
		add(asm.Xor.Imm(asm.R1, 0xffff), asm.StoreMem(asm.R7, at, asm.R1, asm.Half))
	}
	return out
}

// stride is after how many packets a generator looks at the clock.
const stride = 256

// progress is what a generator has done: numbers of packets, instants in nanoseconds.
type progress struct{ Sent, First, Last, From uint64 }

// generator sends a frame of the next flow out of an interface at each run.
func generator(t testing.TB, f flows, ifindex int) (prog *ebpf.Program, sent *ebpf.Map) {
	t.Helper()
	sent = course.Array(t, 32, 1)
	code := append(course.XDP.Window(asm.R1), f.write(sent, true)...)
	code = append(code, asm.Mov.Imm(asm.R1, int32(ifindex)), asm.Mov.Imm(asm.R2, 0), asm.FnRedirect.Call(),
		asm.Return(),
		asm.Mov.Imm(asm.R0, 1).WithSymbol("bad"), asm.Return())
	return course.XDP.Load(t, code), sent
}

// restorer runs another program over a frame of the next flow: tail, or if it is nil, a program that does nothing.
// What a tunnel put before the frame the time before is taken off first.
func restorer(t testing.TB, f flows, hook course.Hook, tail *ebpf.Program) *ebpf.Program {
	t.Helper()
	if tail == nil {
		tail = hook.Load(t, asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()})
	}
	jump, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.ProgramArray, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { jump.Close() })
	if err := jump.Put(uint32(0), tail); err != nil {
		t.Fatal(err)
	}
	code := append(asm.Instructions{asm.Mov.Reg(asm.R6, asm.R1)}, hook.Window(asm.R6)...)
	code = append(code, asm.Mov.Reg(asm.R1, asm.R7), asm.Add.Imm(asm.R1, course.FrameSize+1),
		asm.JGT.Reg(asm.R1, asm.R8, "whole"), asm.Mov.Reg(asm.R1, asm.R6))
	if hook == course.TC {
		const macRoom = 1 // BPF_ADJ_ROOM_MAC
		code = append(code, asm.Mov.Imm(asm.R2, -20), asm.Mov.Imm(asm.R3, macRoom), asm.Mov.Imm(asm.R4, 0),
			asm.FnSkbAdjustRoom.Call())
	} else {
		code = append(code, asm.Mov.Imm(asm.R2, 20), asm.FnXdpAdjustHead.Call())
	}
	again := hook.Window(asm.R6)
	again[0] = again[0].WithSymbol("whole")
	code = append(code, again...)
	code = append(code, f.write(course.Array(t, 32, 1), false)...)
	code = append(code, asm.Mov.Reg(asm.R1, asm.R6), asm.LoadMapPtr(asm.R2, jump.FD()), asm.Mov.Imm(asm.R3, 0),
		asm.FnTailCall.Call(),
		asm.Mov.Imm(asm.R0, 99).WithSymbol("bad"), asm.Return())
	return hook.Load(t, code)
}
