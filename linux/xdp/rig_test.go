package xdp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/lvs/table"
	"github.com/evenkeel/evenkeel/test/netns"
)

var (
	vip4 = netip.MustParseAddr("10.9.0.100")
	vip6 = netip.MustParseAddr("2001:db8:9::100")
)

// soon is how long is waited for what happens soon, on a machine that may be busy.
const soon = 30 * time.Second

// rig is a client, a load balancer and real servers on a switch. For NAT the servers' way back is the load balancer.
type rig struct {
	t                testing.TB
	client, balancer *netns.NS
	reals            []*netns.NS
	dir              string
	v6               bool
}

func newRig(t testing.TB, reals int) *rig {
	t.Helper()
	r := &rig{t: t, client: netns.New(t, "c"), balancer: netns.New(t, "d")}
	all := []*netns.NS{r.client, r.balancer}
	for i := range reals {
		ns := netns.New(t, fmt.Sprintf("r%d", i))
		r.reals = append(r.reals, ns)
		all = append(all, ns)
	}
	netns.Bridge(t, all...)
	for i, ns := range all {
		ns.Address("eth0", fmt.Sprintf("10.9.0.%d/24", i+1))
		ns.Address("eth0", fmt.Sprintf("2001:db8:9::%x/64", i+1))
	}
	r.balancer.Address("eth0", vip4.String()+"/32")
	r.balancer.Address("eth0", vip6.String()+"/128")
	r.dir = netns.BPFFS(t)
	return r
}

func (r *rig) real(i int) netip.Addr {
	if r.v6 {
		return netip.MustParseAddr(fmt.Sprintf("2001:db8:9::%x", i+3))
	}
	return netip.MustParseAddr(fmt.Sprintf("10.9.0.%d", i+3))
}

func (r *rig) vip() netip.Addr {
	if r.v6 {
		return vip6
	}
	return vip4
}

// open opens the load balancer's plane; it is removed with the test.
func (r *rig) open(o Options) *Plane {
	r.t.Helper()
	if o.Dir == "" {
		o.Dir = r.dir
	}
	if o.TableSize == 0 {
		o.TableSize = 1 << 16
	}
	o.Log = func(m string) { r.t.Log(m) }
	var p *Plane
	r.balancer.Do(func() {
		var err error
		if p, err = Open(o); err != nil {
			r.t.Fatal(err)
		}
	})
	r.t.Cleanup(func() {
		r.balancer.Do(func() {
			if p.settings != nil {
				p.Remove()
			}
			p.Close()
		})
	})
	return p
}

// lo gives real servers the virtual addresses, as direct routing and tunnels want them.
func (r *rig) lo() {
	for _, ns := range r.reals {
		ns.Sysctl("net/ipv4/conf/all/arp_ignore", "1")
		ns.Sysctl("net/ipv4/conf/all/arp_announce", "2")
		ns.Address("lo", vip4.String()+"/32")
		ns.Address("lo", vip6.String()+"/128")
	}
}

// viaBalancer makes the load balancer the real servers' only way to the client, as NAT wants it.
func (r *rig) viaBalancer() {
	r.balancer.Sysctl("net/ipv4/ip_forward", "1")
	r.balancer.Sysctl("net/ipv6/conf/all/forwarding", "1")
	r.balancer.Sysctl("net/ipv4/conf/all/send_redirects", "0")
	r.balancer.Sysctl("net/ipv4/conf/eth0/send_redirects", "0")
	for _, ns := range r.reals {
		ns.Run("ip", "route", "add", "10.9.0.1/32", "via", "10.9.0.2")
		ns.Run("ip", "-6", "route", "add", "2001:db8:9::1/128", "via", "2001:db8:9::2")
	}
}

// serve answers each line of a TCP connection, and each UDP packet, with the server's name, until the test ends. A line
// "bulk N" is answered with N bytes, and "take N" takes N bytes before it answers.
func (r *rig) serve(ns *netns.NS, name string, port int) {
	r.t.Helper()
	var l net.Listener
	var u net.PacketConn
	ns.Do(func() {
		var err error
		if l, err = net.Listen("tcp", fmt.Sprintf("[::]:%d", port)); err != nil {
			r.t.Fatal(err)
		}
	})
	ns.Do(func() {
		var err error
		if u, err = net.ListenPacket("udp", fmt.Sprintf("[::]:%d", port)); err != nil {
			r.t.Fatal(err)
		}
		// Answers must come from the address that was asked.
		raw, err := u.(*net.UDPConn).SyscallConn()
		if err == nil {
			err = raw.Control(func(fd uintptr) {
				unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
				unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
			})
		}
		if err != nil {
			r.t.Fatal(err)
		}
	})
	var wg sync.WaitGroup
	r.t.Cleanup(func() { l.Close(); u.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r.t.Cleanup(func() { c.Close() })
			go answerLines(c, name)
		}
	})
	wg.Go(func() { answerPackets(u.(*net.UDPConn), name) })
}

func answerLines(c net.Conn, name string) {
	defer c.Close()
	in := bufio.NewReader(c)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		var n int64
		if k, _ := fmt.Sscanf(line, "take %d", &n); k == 1 {
			if _, err := io.CopyN(io.Discard, in, n); err != nil {
				return
			}
		}
		if k, _ := fmt.Sscanf(line, "bulk %d", &n); k == 1 {
			c.Write(make([]byte, n))
		}
		fmt.Fprintln(c, name)
	}
}

func answerPackets(u *net.UDPConn, name string) {
	buf, oob := make([]byte, 65536), make([]byte, 256)
	for {
		_, n, _, from, err := u.ReadMsgUDP(buf, oob)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		u.WriteMsgUDP([]byte(name), oob[:n], from)
	}
}

// dial connects from the client.
func (r *rig) dial(network string, to netip.AddrPort) (net.Conn, error) {
	var c net.Conn
	var err error
	r.client.Do(func() { c, err = net.DialTimeout(network, to.String(), soon) })
	return c, err
}

// ask sends a line and returns who answers.
func ask(c net.Conn, line string) (string, error) {
	c.SetDeadline(time.Now().Add(soon))
	if _, err := fmt.Fprintln(c, line); err != nil {
		return "", err
	}
	buf := make([]byte, 64)
	n, err := c.Read(buf)
	if err != nil {
		return "", err
	}
	for n > 0 && buf[n-1] == '\n' {
		n--
	}
	return string(buf[:n]), nil
}

func (r *rig) askOnce(network string, to netip.AddrPort) (string, error) {
	c, err := r.dial(network, to)
	if err != nil {
		return "", err
	}
	defer c.Close()
	return ask(c, "who")
}

// meet lets a plane know its neighbours, who become known by being asked: the servers by the client's questions.
func (r *rig) meet(p *Plane, to netip.AddrPort) {
	r.t.Helper()
	for range 2 {
		if _, err := r.askOnce("tcp", to); err != nil {
			r.t.Fatal(err, r.counts(p))
		}
	}
	r.look(p)
	r.look(p)
}

// look has a plane look at its neighbours. They are trusted for ten seconds, so what takes longer looks again
// meanwhile. An answer to a link's self-test that comes late, because the machine is busy, is asked for again,
// where a plane would leave the link alone.
func (r *rig) look(p *Plane) {
	r.t.Helper()
	r.balancer.Do(func() {
		for limit := time.Now().Add(soon); ; {
			err := p.Neighbours()
			if err == nil {
				return
			}
			if time.Now().After(limit) {
				r.t.Fatal(err)
			}
			p.failed = nil
		}
	})
}

// do runs f in the load balancer.
func (r *rig) do(f func() error) {
	r.t.Helper()
	r.balancer.Do(func() {
		r.t.Helper()
		if err := f(); err != nil {
			r.t.Fatal(err)
		}
	})
}

func (r *rig) service(proto table.Protocol, port uint16, scheduler string) table.Service {
	bits := 32
	if r.v6 {
		bits = 128
	}
	return table.Service{Key: table.Key{Protocol: proto, Addr: netip.AddrPortFrom(r.vip(), port), IPv6: r.v6},
		Scheduler: scheduler, Granularity: bits}
}

func (r *rig) destination(i int, port uint16, m table.Method) table.Destination {
	return table.Destination{Addr: netip.AddrPortFrom(r.real(i), port), Method: m, Weight: 1}
}

// counts logs what became of packets.
func (r *rig) counts(p *Plane) map[string]uint64 {
	r.t.Helper()
	out := map[string]uint64{}
	cs, err := p.Counters()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, c := range cs {
		if c.Packets > 0 {
			out[c.Name] = c.Packets
		}
	}
	return out
}

func TestMain(m *testing.M) { os.Exit(m.Run()) }
