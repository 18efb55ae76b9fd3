package rawsock

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/test/netns"
)

// TestSelect: what has an id and a length of ours comes in, of the rest a sample, and everything when nothing is
// selected.
func TestSelect(t *testing.T) {
	for name, ipv6 := range map[string]bool{"IPv4": false, "IPv6": true} {
		t.Run(name, func(t *testing.T) {
			a, b := netns.New(t, "a"), netns.New(t, "b")
			netns.Bridge(t, a, b)
			group, src := netip.MustParseAddr("224.0.0.18"), netip.MustParseAddr("10.9.0.1")
			if ipv6 {
				group, src = netip.MustParseAddr("ff02::12"), netip.MustParseAddr("fe80::1")
			}
			for _, ns := range []*netns.NS{a, b} {
				ns.Address("eth0", "10.9.0."+map[bool]string{true: "1", false: "2"}[ns == a]+"/24")
				ns.Address("eth0", "fe80::"+map[bool]string{true: "1", false: "2"}[ns == a]+"/64")
			}
			open := func(ns *netns.NS) (v *VRRP) {
				ns.Do(func() {
					var err error
					if v, err = OpenVRRP(VRRPConfig{Ifindex: ns.Index("eth0"), Ifname: "eth0", IPv6: ipv6, Group: group}); err != nil {
						t.Fatal(err)
					}
				})
				t.Cleanup(func() { v.Close() })
				return v
			}
			from, to := open(a), open(b)
			advert := func(version, id, count byte, size int) []byte {
				p := make([]byte, size)
				p[0] = version<<4 | 1
				if size > 3 {
					p[1], p[3] = id, count
				}
				return p
			}
			four := 4
			if ipv6 {
				four = 16
			}
			batch := new(Batch)
			// received sends payloads many times, then one that must come in, and counts what came before it.
			received := func(times int, payload []byte) (n int) {
				last := binary.BigEndian.AppendUint64(advert(3, 51, 0, 8), 0xbadc0de) // trailing bytes are let be
				for i := range times {
					if err := from.Send(payload, src, group, 255); err != nil {
						t.Fatal(err)
					}
					if i%100 != 99 && i != times-1 {
						continue
					}
					if err := from.Send(last, src, group, 255); err != nil {
						t.Fatal(err)
					}
					for limit, ended := time.Now().Add(20*time.Second), false; !ended; {
						list, _, err := to.ReceiveBatch(batch, nil)
						if err != nil || time.Now().After(limit) {
							t.Fatalf("the last advert did not come in: %v", err)
						}
						for _, d := range list {
							if ended = bytes.Equal(d.Payload, last); !ended {
								n++
							}
						}
					}
				}
				return n
			}
			if err := to.Select([]uint8{51, 7, 255}); err != nil {
				t.Fatal(err)
			}
			fits := [][]byte{advert(3, 51, 0, 8), advert(3, 7, 2, 8+2*four), advert(2, 255, 1, 16+four), advert(3, 51, 40, 8+40*four), advert(7, 51, 0, 8)}
			if !ipv6 {
				fits = append(fits, advert(2, 51, 1, 8+four+8))
			}
			for _, p := range fits {
				if got := received(100, p); got != 100 {
					t.Errorf("%x: %d of 100 came in", p[:4], got)
				}
			}
			const many = 6400
			for _, p := range [][]byte{advert(3, 50, 0, 8), advert(3, 0, 0, 8), advert(3, 51, 3, 8+2*four), advert(3, 51, 0, 7), advert(3, 51, 0, 1)} {
				if got := received(many, p); got < many/SampledOneIn/3 || got > 3*many/SampledOneIn {
					t.Errorf("%x: %d of %d came in, want about one in %d", p, got, many, SampledOneIn)
				}
			}
			if err := to.Select(nil); err != nil {
				t.Fatal(err)
			}
			if got := received(100, advert(3, 50, 0, 8)); got != 100 {
				t.Errorf("nothing is selected: %d of 100 came in", got)
			}
		})
	}
}
