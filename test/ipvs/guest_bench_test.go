//go:build ipvsguest

package ipvs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/evenkeel/evenkeel/linux/xdp"
	"github.com/evenkeel/evenkeel/lvs/table"
	"github.com/evenkeel/evenkeel/test/netns"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	flows   = 1 << 14 // all established
	servers = 16
	rounds  = 3
	port    = 5000
)

// course is a generator (the kernel's pktgen), a director and a sink in a row, and one way across the director.
type course struct {
	name          string
	t             testing.TB
	gen, lb, sink *netns.NS
	seen          *ebpf.Map // by the sink: expected, others
	plane         *xdp.Plane
	best          float64 // ns per packet
}

// expectation is what arrives at the sink.
type expectation struct {
	proto     uint8
	dst, mask uint32
}

var (
	asSent     = expectation{unix.IPPROTO_UDP, 10<<24 | 9<<16 | 100, 0xffffffff}
	translated = expectation{unix.IPPROTO_UDP, 10<<24 | 8<<16, 0xffff0000}
	wrapped    = expectation{unix.IPPROTO_IPIP, 10<<24 | 8<<16, 0xffff0000}

	methods = []struct {
		name   string
		method table.Method
		want   expectation
	}{{"DR", table.Direct, asSent}, {"NAT", table.NAT, translated}, {"TUN", table.Tunnel, wrapped}}
)

// newCourse lays cables; nothing takes packets from one to the other yet. at is where they end.
func newCourse(t testing.TB, name string, want expectation, atDirector bool) *course {
	t.Helper()
	c := &course{name: name, t: t, gen: netns.New(t, "g"), lb: netns.New(t, "l"), sink: netns.New(t, "s")}
	netns.Veth(t, c.gen, "g0", c.lb, "lb0")
	netns.Veth(t, c.lb, "lb1", c.sink, "s0")
	c.gen.Address("g0", "10.7.0.1/24")
	c.lb.Address("lb0", "10.7.0.2/24")
	c.lb.Address("lb1", "10.8.0.1/16")
	for i := range servers {
		c.sink.Address("s0", fmt.Sprintf("10.8.0.%d/16", 10+i))
	}
	for _, k := range []string{"all", "default", "lb0", "lb1"} {
		c.lb.Sysctl("net/ipv4/conf/"+k+"/rp_filter", "0")
	}
	c.lb.Sysctl("net/ipv4/ip_forward", "1")
	c.lb.Run("ip", "route", "add", "20.0.0.0/8", "via", "10.7.0.1") // where the flows come from
	c.lb.Do(func() {                                                // link addresses
		for i := range servers {
			u, err := net.Dial("udp", fmt.Sprintf("10.8.0.%d:9", 10+i))
			if err != nil {
				t.Fatal(err)
			}
			u.Write([]byte("?"))
			u.Close()
		}
	})
	if atDirector {
		c.end(c.lb, "lb0", want)
	} else {
		c.end(c.sink, "s0", want)
	}
	return c
}

// end hangs a program on an interface that counts IPv4 packets and drops them.
func (c *course) end(ns *netns.NS, name string, want expectation) {
	c.t.Helper()
	var err error
	if c.seen, err = ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 2}); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { c.seen.Close() })
	memory := func(v uint32) int32 { // as it lies there
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], v)
		return int32(binary.NativeEndian.Uint32(b[:]))
	}
	const data, dataEnd, shot, unspecified = 76, 80, 2, -1
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SchedCLS, License: "GPL", Instructions: asm.Instructions{
		asm.LoadMem(asm.R7, asm.R1, data, asm.Word), asm.LoadMem(asm.R8, asm.R1, dataEnd, asm.Word),
		asm.Mov.Reg(asm.R1, asm.R7), asm.Add.Imm(asm.R1, 34), asm.JGT.Reg(asm.R1, asm.R8, "pass"),
		asm.LoadMem(asm.R1, asm.R7, 12, asm.Half), asm.JNE.Imm(asm.R1, memory(0x0800<<16)&0xffff, "pass"),
		asm.Mov.Imm(asm.R6, 0),
		asm.LoadMem(asm.R1, asm.R7, 23, asm.Byte), asm.JNE.Imm(asm.R1, int32(want.proto), "other"),
		asm.LoadMem(asm.R1, asm.R7, 30, asm.Word), asm.And.Imm32(asm.R1, memory(want.mask)),
		asm.Mov.Imm32(asm.R2, memory(want.dst)), asm.JEq.Reg32(asm.R1, asm.R2, "count"),
		asm.Mov.Imm(asm.R6, 1).WithSymbol("other"),
		asm.StoreMem(asm.RFP, -4, asm.R6, asm.Word).WithSymbol("count"),
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -4), asm.LoadMapPtr(asm.R1, c.seen.FD()), asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "pass"),
		asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord), asm.Add.Imm(asm.R1, 1), asm.StoreMem(asm.R0, 0, asm.R1, asm.DWord),
		asm.Mov.Imm(asm.R0, shot), asm.Return(),
		asm.Mov.Imm(asm.R0, unspecified).WithSymbol("pass"), asm.Return(),
	}})
	if err != nil {
		c.t.Fatalf("%+v", err)
	}
	defer prog.Close()
	index := ns.Index(name)
	err = ns.Links().QdiscAdd(&netlink.GenericQdisc{QdiscType: "clsact", QdiscAttrs: netlink.QdiscAttrs{
		LinkIndex: index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT}})
	if err == nil {
		err = ns.Links().FilterAdd(&netlink.BpfFilter{Fd: prog.FD(), Name: "sink", DirectAction: true, FilterAttrs: netlink.FilterAttrs{
			LinkIndex: index, Parent: netlink.HANDLE_MIN_INGRESS, Handle: 1, Protocol: unix.ETH_P_ALL, Priority: 1}})
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// courseTable is one UDP service with all servers.
func courseTable(m table.Method) []table.Change {
	s := table.Service{Key: table.Key{Protocol: table.UDP, Addr: netip.AddrPortFrom(netip.MustParseAddr(vip), port)}, Scheduler: "mh", Granularity: 32}
	g := table.Group{Service: s}
	for i := range servers {
		g.Destinations = append(g.Destinations, table.Destination{
			Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 8, 0, byte(10 + i)}), port), Method: m, Weight: 1})
	}
	return table.Diff(nil, []table.Group{g})
}

// openPlane makes a plane of our own; it goes away with the test.
func openPlane(t testing.TB, ns *netns.NS, interfaces ...string) *xdp.Plane {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("bpf", dir, "bpf", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	var p *xdp.Plane
	ns.Do(func() {
		var err error
		if p, err = xdp.Open(xdp.Options{Dir: dir, Mode: xdp.TC, Interfaces: interfaces, TableSize: 1 << 20, Log: func(s string) { t.Log(s) }}); err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() { ns.Do(func() { p.Remove(); p.Close() }) })
	return p
}

func (c *course) neighbours() {
	if c.plane != nil {
		c.lb.Do(func() {
			if err := errors.Join(c.plane.Neighbours(), c.plane.Neighbours()); err != nil {
				c.t.Fatal(err)
			}
		})
	}
}

var pktgenResult = regexp.MustCompile(`(?s)OK: (\d+)\(.*?usec, (\d+) `)

// send sends n packets, round through all flows, and returns what one took in nanoseconds. All have arrived as they should.
func (c *course) send(n int) float64 {
	c.t.Helper()
	good, bad := c.arrived()
	write := func(file string, lines ...string) {
		for _, l := range lines {
			if err := os.WriteFile(filepath.Join("/proc/thread-self/net/pktgen", file), []byte(l+"\n"), 0); err != nil {
				c.t.Fatalf("pktgen %s: %s: %v", file, l, err)
			}
		}
	}
	var text []byte
	c.gen.Do(func() {
		write("kpktgend_0", "rem_device_all", "add_device g0")
		write("g0", fmt.Sprint("count ", n), "clone_skb 0", "pkt_size 60", "delay 0", "flag UDPCSUM",
			"dst_mac "+c.lb.Link("lb0").Attrs().HardwareAddr.String(), "dst_min "+vip, "dst_max "+vip,
			"src_min 20.0.0.0", fmt.Sprintf("src_max 20.0.%d.255", flows/256-1),
			"udp_src_min 7777", "udp_src_max 7777", fmt.Sprint("udp_dst_min ", port), fmt.Sprint("udp_dst_max ", port))
		write("pgctrl", "start")
		text, _ = os.ReadFile("/proc/thread-self/net/pktgen/g0")
	})
	m := pktgenResult.FindSubmatch(text)
	if m == nil {
		c.t.Fatalf("%s: pktgen says:\n%s", c.name, text)
	}
	usec, _ := strconv.ParseFloat(string(m[1]), 64)
	if string(m[2]) != strconv.Itoa(n) {
		c.t.Fatalf("%s: of %d packets pktgen sent %s", c.name, n, m[2])
	}
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		g, b := c.arrived()
		if g-good == uint64(n) && b == bad {
			break
		}
		if time.Now().After(end) {
			c.t.Fatalf("%s: of %d packets %d arrived as they should and %d otherwise; %v", c.name, n, g-good, b-bad, c.counters())
		}
	}
	return usec * 1000 / float64(n)
}

func (c *course) arrived() (good, bad uint64) {
	if err := errors.Join(c.seen.Lookup(uint32(0), &good), c.seen.Lookup(uint32(1), &bad)); err != nil {
		c.t.Fatal(err)
	}
	return good, bad
}

// counters say what our own plane did.
func (c *course) counters() map[string]uint64 {
	if c.plane == nil {
		return nil
	}
	all, err := c.plane.Counters()
	if err != nil {
		c.t.Fatal(err)
	}
	out := map[string]uint64{}
	for _, n := range all {
		if n.Packets > 0 {
			out[n.Name] = n.Packets
		}
	}
	return out
}

func (c *course) measure() {
	c.neighbours()
	if ns := c.send(flows); c.best == 0 || ns < c.best {
		c.best = ns
	}
}

// BenchmarkGuest is what a packet of an established flow costs on its way through a director by the kernel's IPVS and by
// our own plane, in one run. The machine's clock counts instructions, so these are instructions.
func BenchmarkGuest(b *testing.B) {
	// As many chains as flows: the kernel's default is made for fewer.
	for _, args := range [][]string{{"pktgen"}, {"ip_vs", "conn_tab_bits=14"}} {
		if out, err := exec.Command("modprobe", args...).CombinedOutput(); err != nil {
			b.Fatalf("modprobe %v: %v\n%s", args, err, out)
		}
	}
	if jit, err := os.ReadFile("/proc/sys/net/core/bpf_jit_enable"); err != nil || strings.TrimSpace(string(jit)) != "1" {
		b.Fatalf("the kernel does not compile eBPF: %s, %v", jit, err)
	}
	// pktgen gives way to nobody: what it sends while the only processor has other work waits here.
	if err := os.WriteFile("/proc/sys/net/core/netdev_max_backlog", []byte("100000"), 0); err != nil {
		b.Fatal(err)
	}
	drop := newCourse(b, "drop", asSent, true)
	forward := newCourse(b, "ip_forward", asSent, false)
	forward.lb.Run("ip", "route", "add", vip, "via", "10.8.0.10")
	all := []*course{drop, forward}
	kernels, ours := map[string]*course{}, map[string]*course{}
	for _, m := range methods {
		c := newCourse(b, "IPVS "+m.name, m.want, false)
		c.lb.Address("lo", vip+"/32")
		if err := open(b, c.lb).Apply(courseTable(m.method)); err != nil {
			b.Fatal(err)
		}
		kernels[m.name] = c
		all = append(all, c)
	}
	for _, m := range methods {
		c := newCourse(b, "ours "+m.name, m.want, false)
		c.lb.Address("lo", vip+"/32")
		c.plane = openPlane(b, c.lb, "lb0", "lb1")
		c.lb.Do(func() {
			if err := c.plane.Apply(courseTable(m.method)); err != nil {
				b.Fatal(err)
			}
		})
		ours[m.name] = c
		all = append(all, c)
	}
	for _, c := range all {
		for range 3 { // each flow's first packets
			c.neighbours()
			c.send(flows)
			time.Sleep(20 * time.Millisecond)
		}
	}
	for _, c := range ours {
		c.lb.Do(func() {
			if stats, err := c.plane.Sweep(); err != nil || stats.Flows < flows {
				b.Fatalf("%s: not all flows are remembered: %+v, %v", c.name, stats, err)
			}
		})
	}
	for range rounds {
		for _, c := range all {
			c.measure()
		}
	}
	say := func(format string, args ...any) { fmt.Printf("BENCH "+format+"\n", args...) }
	say("%d established flows, 60-byte UDP with checksums; dropping at the director takes %.0f instructions", flows, drop.best)
	say("%-12s %8s %8s %14s %10s", "way", "total", "added", "of ip_forward", "of IPVS")
	added := func(c *course) float64 { return c.best - drop.best }
	for _, c := range all[1:] {
		of := "-"
		if _, name, ok := strings.Cut(c.name, " "); ok && c.plane != nil {
			of = fmt.Sprintf("%.2f", added(c)/added(kernels[name]))
		}
		say("%-12s %8.0f %8.0f %14.2f %10s", c.name, c.best, added(c), added(c)/added(forward), of)
	}
	for _, m := range methods {
		r, verdict := added(ours[m.name])/added(kernels[m.name]), "met"
		if r > 1 {
			verdict = "MISSED"
		}
		say("target: our %s not dearer per packet than IPVS's: %.2f, %s", m.name, r, verdict)
	}
}
