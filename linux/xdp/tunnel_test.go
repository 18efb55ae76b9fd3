package xdp

import (
	"fmt"
	"io"
	"net/netip"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/lvs/table"
	"github.com/evenkeel/evenkeel/test/netns"
)

// decapsulate prepares the real servers for tunnels.
func (r *rig) decapsulate(port uint16) {
	r.t.Helper()
	for _, ns := range r.reals {
		dir := netns.BPFFS(r.t)
		ns.Sysctl("net/ipv4/conf/all/rp_filter", "0")
		ns.Sysctl("net/ipv4/conf/eth0/rp_filter", "0")
		ns.Do(func() {
			for _, a := range []netip.Addr{vip4, vip6} {
				if err := Decapsulate(dir, nil, a, port); err != nil {
					r.t.Fatal(err)
				}
			}
		})
		r.t.Cleanup(func() {
			ns.Do(func() {
				for _, a := range []netip.Addr{vip4, vip6} {
					if err := Recapsulate(dir, a); err != nil {
						r.t.Error(err)
					}
				}
				if left, err := Decapsulated(dir); err != nil || len(left) != 0 {
					r.t.Errorf("left over: %v, %v", left, err)
				}
			})
		})
	}
}

// upload sends n bytes and waits until they are taken.
func (r *rig) upload(to netip.AddrPort, n int) (time.Duration, error) {
	c, err := r.dial("tcp", to)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	begin := time.Now()
	c.SetDeadline(begin.Add(4 * soon))
	if _, err := fmt.Fprintf(c, "take %d\n", n); err != nil {
		return 0, err
	}
	if _, err := c.Write(make([]byte, n)); err != nil {
		return 0, err
	}
	if _, err := io.ReadAtLeast(c, make([]byte, 64), 1); err != nil {
		return 0, err
	}
	return time.Since(begin), nil
}

// TestTunnel carries TCP and UDP, a long upload included, in each wrapping and each family in each.
func TestTunnel(t *testing.T) {
	if testing.Short() {
		t.Skip("every tunnel takes a while")
	}
	for _, wrap := range []table.Wrap{{Type: table.IPIP}, {Type: table.GUE, Port: 6080}} {
		for _, inner6 := range []bool{false, true} {
			for _, outer6 := range []bool{false, true} {
				t.Run(fmt.Sprintf("type %d inner6=%v outer6=%v", wrap.Type, inner6, outer6), func(t *testing.T) {
					r := newRig(t, 2)
					r.lo()
					for i, ns := range r.reals {
						r.serve(ns, fmt.Sprint("r", i), 8080)
					}
					r.decapsulate(6080)
					p := r.open(Options{})
					var changes []table.Change
					for _, proto := range []table.Protocol{table.TCP, table.UDP} {
						r.v6 = inner6
						s := r.service(proto, 8080, "rr")
						changes = append(changes, table.Change{Verb: table.AddService, Service: s})
						r.v6 = outer6
						for i := range r.reals {
							d := r.destination(i, 8080, table.Tunnel)
							d.Wrap = wrap
							changes = append(changes, table.Change{Verb: table.AddDestination, Service: s,
								Destination: d})
						}
					}
					r.v6 = inner6
					r.do(func() error { return p.Apply(changes) })
					to := netip.AddrPortFrom(r.vip(), 8080)
					for _, network := range []string{"tcp", "udp"} {
						got := map[string]int{}
						for range 10 {
							who, err := r.askOnce(network, to)
							if err != nil {
								t.Fatal(network, err, r.counts(p))
							}
							got[who]++
						}
						if got["r0"] < 4 || got["r1"] < 4 { // TestForward counts turns; here both tunnels must carry
							t.Errorf("%s: %v", network, got)
						}
					}
					took, err := r.upload(to, 20<<20)
					if err != nil {
						t.Fatal("upload:", err, r.counts(p))
					}
					t.Log("20 MB in", took, r.counts(p))
				})
			}
		}
	}
}
