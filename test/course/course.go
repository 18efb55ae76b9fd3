// Package course lays courses for packets, on which benchmarks send them through a load balancer: a generator,
// a load balancer and a sink in a row, each a network namespace.
//
// It owns the cables, addresses and routes of a course, the layout of its frames, what of them must arrive, and the
// program that counts what does; and our own forwarding plane, where it is the load balancer's way. Who generates, what
// else may carry packets across, and what is measured is its users' business. Users run on the host (test/l4) and in an
// emulated machine (test/ipvs) that has an older kernel and few programs, so it asks for no more than ip.
package course

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/evenkeel/evenkeel/linux/xdp"
	"github.com/evenkeel/evenkeel/lvs/table"
	"github.com/evenkeel/evenkeel/test/netns"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Frames are Ethernet, IPv4 and UDP with a checksum. Their sources, one for each flow, are in 20.0.0.0/6.
const (
	FrameSize  = 60 // bytes, without the frame check sequence
	SourcePort = 7777
	Port       = 5000    // of the service
	Flows      = 1 << 14 // all established
	Servers    = 16      // 10.8.0.10 and up, all of them the sink
)

// Virtual is the service's address, where all frames go.
var Virtual = netip.MustParseAddr("10.9.0.100")

// A Method is a way of passing packets on, and what then arrives.
type Method struct {
	table.Method
	Name string
	Want Expectation
}

// Methods are all there are.
var (
	DR      = Method{table.Direct, "DR", AsSent}
	NAT     = Method{table.NAT, "NAT", Translated}
	TUN     = Method{table.Tunnel, "TUN", Expectation{unix.IPPROTO_IPIP, servers}}
	Methods = []Method{DR, NAT, TUN}
)

// A Course is a generator (with g0), a load balancer (lb0, lb1) and a sink (s0) in a row.
type Course struct {
	T                   testing.TB // with which all of it goes away
	Name                string
	Gen, Balancer, Sink *netns.NS
	Plane               *xdp.Plane // the load balancer's, after Open
	Dir                 string     // where Plane's programs are pinned

	seen *ebpf.Map // by the program of End: expected, others
}

// New lays cables; nothing takes packets from one to the other yet but the load balancer's kernel.
func New(t testing.TB, name string) *Course {
	t.Helper()
	c := &Course{T: t, Name: name, Gen: netns.New(t, "g"), Balancer: netns.New(t, "l"), Sink: netns.New(t, "s")}
	netns.Veth(t, c.Gen, "g0", c.Balancer, "lb0")
	netns.Veth(t, c.Balancer, "lb1", c.Sink, "s0")
	c.Gen.Address("g0", "10.7.0.1/24")
	c.Balancer.Address("lb0", "10.7.0.2/24")
	c.Balancer.Address("lb1", "10.8.0.1/16")
	for i := range Servers {
		c.Sink.Address("s0", server(i).String()+"/16")
	}
	for _, k := range []string{"all", "default", "lb0", "lb1"} {
		c.Balancer.Sysctl("net/ipv4/conf/"+k+"/rp_filter", "0")
	}
	c.Balancer.Sysctl("net/ipv4/ip_forward", "1")
	c.Balancer.Run("ip", "route", "add", "20.0.0.0/6", "via", "10.7.0.1") // where the flows come from
	c.meet()
	return c
}

func server(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 8, 0, byte(10 + i)}) }

// meet lets the load balancer find out its neighbours' link addresses.
func (c *Course) meet() {
	c.T.Helper()
	ask := []netip.Addr{netip.MustParseAddr("10.7.0.1")}
	for i := range Servers {
		ask = append(ask, server(i))
	}
	c.Balancer.Do(func() {
		for _, a := range ask {
			u, err := net.Dial("udp", netip.AddrPortFrom(a, 9).String())
			if err != nil {
				c.T.Fatal(err)
			}
			u.Write([]byte("?"))
			u.Close()
		}
	})
	const known = netlink.NUD_REACHABLE | netlink.NUD_STALE | netlink.NUD_DELAY | netlink.NUD_PROBE
	for limit := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		all, err := c.Balancer.Links().NeighList(0, netlink.FAMILY_V4)
		if err != nil {
			c.T.Fatal(err)
		}
		n := 0
		for _, a := range all {
			if a.State&known != 0 {
				n++
			}
		}
		if n >= len(ask) {
			return
		}
		if time.Now().After(limit) {
			c.T.Fatalf("%s: of %d neighbours %d have answered", c.Name, len(ask), n)
		}
	}
}

// Serve gives the service's address to the load balancer.
func (c *Course) Serve() { c.Balancer.Address("lo", Virtual.String()+"/32") }

// Forward makes the service's address lie behind the load balancer.
func (c *Course) Forward() {
	c.Balancer.Run("ip", "route", "add", Virtual.String(), "via", server(0).String())
}

// Table is what makes the service with all servers out of nothing.
func Table(m Method) []table.Change {
	g := table.Group{Service: table.Service{Key: table.Key{Protocol: table.UDP,
		Addr: netip.AddrPortFrom(Virtual, Port)}, Scheduler: "mh", Granularity: 32}}
	for i := range Servers {
		g.Destinations = append(g.Destinations,
			table.Destination{Addr: netip.AddrPortFrom(server(i), Port), Method: m.Method, Weight: 1})
	}
	return table.Diff(nil, []table.Group{g})
}

// Open makes our own plane the way across, with the service in its table.
func (c *Course) Open(mode xdp.Mode, m Method) {
	c.T.Helper()
	c.Serve()
	c.Dir = netns.BPFFS(c.T)
	c.Balancer.Do(func() {
		var err error
		c.Plane, err = xdp.Open(xdp.Options{Dir: c.Dir, Mode: mode, Interfaces: []string{"lb0", "lb1"},
			TableSize: 1 << 20, Log: func(s string) { c.T.Log(s) }})
		if err != nil {
			c.T.Fatal(err)
		}
		c.T.Cleanup(func() { c.Balancer.Do(func() { c.Plane.Remove(); c.Plane.Close() }) })
		if err := c.Plane.Apply(Table(m)); err != nil {
			c.T.Fatal(err)
		}
	})
}

// Neighbours lets our own plane, if there is one, learn and confirm its neighbours' link addresses.
func (c *Course) Neighbours() {
	c.T.Helper()
	if c.Plane == nil {
		return
	}
	c.Balancer.Do(func() {
		if err := errors.Join(c.Plane.Neighbours(), c.Plane.Neighbours()); err != nil {
			c.T.Fatal(err)
		}
	})
}

// Counters say what our own plane, if there is one, did: those that are not 0.
func (c *Course) Counters() map[string]uint64 {
	c.T.Helper()
	if c.Plane == nil {
		return nil
	}
	all, err := c.Plane.Counters()
	if err != nil {
		c.T.Fatal(err)
	}
	out := map[string]uint64{}
	for _, n := range all {
		if n.Packets > 0 {
			out[n.Name] = n.Packets
		}
	}
	return out
}
