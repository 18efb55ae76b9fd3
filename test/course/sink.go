package course

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/evenkeel/evenkeel/test/netns"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// An Expectation is what the packets that arrive must be.
type Expectation struct {
	Protocol uint8
	To       netip.Prefix
}

// What goes by UDP arrives with the service's address, or with a server's.
var (
	servers    = netip.MustParsePrefix("10.8.0.0/16")
	AsSent     = Expectation{unix.IPPROTO_UDP, netip.PrefixFrom(Virtual, 32)}
	Translated = Expectation{unix.IPPROTO_UDP, servers}
)

// A Hook is where on an interface a program runs.
type Hook struct {
	Type       ebpf.ProgramType
	data, end  int16 // where its context (struct xdp_md, struct __sk_buff) has the frame
	pass, drop int32
}

// XDP is the driver's hook, TC cls_bpf's at ingress.
var (
	XDP = Hook{Type: ebpf.XDP, data: 0, end: 4, pass: 2, drop: 1}
	TC  = Hook{Type: ebpf.SchedCLS, data: 76, end: 80, pass: -1, drop: 2}
)

// Load makes a program; it is closed when the test ends.
func (h Hook) Load(t testing.TB, code asm.Instructions) *ebpf.Program {
	t.Helper()
	spec := &ebpf.ProgramSpec{Type: h.Type, License: "GPL", Instructions: code}
	if h == XDP {
		spec.AttachType = ebpf.AttachXDP
	}
	p, err := ebpf.NewProgram(spec)
	if err != nil {
		t.Fatalf("%+v", err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// Window gives the instructions that put the frame's begin into R7 and its end into R8, context being in a register.
func (h Hook) Window(context asm.Register) asm.Instructions {
	return asm.Instructions{asm.LoadMem(asm.R7, context, h.data, asm.Word),
		asm.LoadMem(asm.R8, context, h.end, asm.Word)}
}

// Attach attaches a program to an interface until the test ends.
func (h Hook) Attach(t testing.TB, ns *netns.NS, name string, p *ebpf.Program) {
	t.Helper()
	index := ns.Index(name)
	if h == XDP {
		ns.Do(func() {
			l, err := link.AttachXDP(link.XDPOptions{Program: p, Interface: index, Flags: link.XDPDriverMode})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
		})
		return
	}
	// The kernel may know no tcx yet.
	err := ns.Links().QdiscAdd(&netlink.GenericQdisc{QdiscType: "clsact", QdiscAttrs: netlink.QdiscAttrs{
		LinkIndex: index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT}})
	if err == nil {
		err = ns.Links().FilterAdd(&netlink.BpfFilter{Fd: p.FD(), Name: "sink", DirectAction: true,
			FilterAttrs: netlink.FilterAttrs{
				LinkIndex: index, Parent: netlink.HANDLE_MIN_INGRESS, Handle: 1, Protocol: unix.ETH_P_ALL,
				Priority: 1}})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Array makes a map of n values of so many bytes; it is closed when the test ends.
func Array(t testing.TB, value, n uint32) *ebpf.Map {
	t.Helper()
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: value, MaxEntries: n})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// End makes the course end at an interface: a program counts IPv4 packets, for [Course.Arrived], and drops them.
// What is not IPv4, such as questions for neighbours, passes.
func (c *Course) End(ns *netns.NS, name string, h Hook, want Expectation) {
	c.T.Helper()
	c.seen = Array(c.T, 8, 2)
	to := want.To.Masked().Addr().AsSlice()
	h.Attach(c.T, ns, name, h.Load(c.T, append(h.Window(asm.R1),
		asm.Mov.Reg(asm.R1, asm.R7), asm.Add.Imm(asm.R1, 34), asm.JGT.Reg(asm.R1, asm.R8, "pass"),
		asm.LoadMem(asm.R1, asm.R7, 12, asm.Half),
		asm.JNE.Imm(asm.R1, int32(binary.NativeEndian.Uint16([]byte{8, 0})), "pass"),
		asm.Mov.Imm(asm.R6, 0),
		asm.LoadMem(asm.R1, asm.R7, 23, asm.Byte), asm.JNE.Imm(asm.R1, int32(want.Protocol), "other"),
		asm.LoadMem(asm.R1, asm.R7, 30, asm.Word), asm.And.Imm32(asm.R1, loaded(net.CIDRMask(want.To.Bits(), 32))),
		asm.Mov.Imm32(asm.R2, loaded(to)), asm.JEq.Reg32(asm.R1, asm.R2, "count"),
		asm.Mov.Imm(asm.R6, 1).WithSymbol("other"),
		asm.StoreMem(asm.RFP, -4, asm.R6, asm.Word).WithSymbol("count"),
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -4), asm.LoadMapPtr(asm.R1, c.seen.FD()),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "pass"),
		asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord), asm.Add.Imm(asm.R1, 1), asm.StoreMem(asm.R0, 0, asm.R1, asm.DWord),
		asm.Mov.Imm(asm.R0, h.drop), asm.Return(),
		asm.Mov.Imm(asm.R0, h.pass).WithSymbol("pass"), asm.Return(),
	)))
}

// word is four bytes as a program loads them.
func loaded(b []byte) int32 { return int32(binary.NativeEndian.Uint32(b)) }

// Arrived is how many packets came to the end as they should be, and how many otherwise.
func (c *Course) Arrived() (good, others uint64) {
	c.T.Helper()
	if err := errors.Join(c.seen.Lookup(uint32(0), &good), c.seen.Lookup(uint32(1), &others)); err != nil {
		c.T.Fatal(err)
	}
	return good, others
}
