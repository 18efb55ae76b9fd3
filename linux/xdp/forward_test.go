package xdp

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/evenkeel/evenkeel/lvs/table"
)

// TestForward carries real TCP and UDP to two servers, each way there is.
func TestForward(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		for _, m := range []table.Method{table.Direct, table.NAT} {
			for _, scheduler := range []string{"rr", "wrr", "lc", "wlc", "mh", "sh"} {
				t.Run(fmt.Sprintf("%v v6=%v %s", m, v6, scheduler), func(t *testing.T) {
					r := newRig(t, 2)
					r.v6 = v6
					port := uint16(8080)
					if m == table.Direct {
						r.lo()
					} else {
						r.viaBalancer()
						port = 9090
					}
					for i, ns := range r.reals {
						r.serve(ns, fmt.Sprint("r", i), int(port))
					}
					p := r.open(Options{})
					var changes []table.Change
					for _, proto := range []table.Protocol{table.TCP, table.UDP} {
						s := r.service(proto, 8080, scheduler)
						s.Flags |= table.Sched2 // by port too, where it means something
						changes = append(changes, table.Change{Verb: table.AddService, Service: s})
						for i := range r.reals {
							changes = append(changes, table.Change{Verb: table.AddDestination, Service: s,
								Destination: r.destination(i, port, m)})
						}
					}
					r.do(func() error { return p.Apply(changes) })
					for _, network := range []string{"tcp", "udp"} {
						got := map[string]int{}
						for range 20 {
							who, err := r.askOnce(network, netip.AddrPortFrom(r.vip(), 8080))
							if err != nil {
								t.Fatal(network, err, r.counts(p))
							}
							got[who]++
						}
						t.Log(network, got)
						if scheduler == "rr" && (got["r0"] != 10 || got["r1"] != 10) {
							t.Errorf("round robin gave %v", got)
						}
						if len(got) != 2 {
							t.Errorf("%s gave %v", scheduler, got)
						}
					}
					t.Log(r.counts(p))
				})
			}
		}
	}
}
