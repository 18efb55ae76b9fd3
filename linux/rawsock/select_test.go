package rawsock

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/test/netns"
)

// adverts go from one node to another that selects among them.
type adverts struct {
	t          *testing.T
	src, group netip.Addr
	from, to   *VRRP
	batch      Batch
}

func newAdverts(t *testing.T, ipv6 bool) *adverts {
	t.Helper()
	a, b := netns.New(t, "a"), netns.New(t, "b")
	netns.Bridge(t, a, b)
	s := &adverts{t: t, group: netip.MustParseAddr("224.0.0.18"), src: netip.MustParseAddr("10.9.0.1")}
	if ipv6 {
		s.group, s.src = netip.MustParseAddr("ff02::12"), netip.MustParseAddr("fe80::1")
	}
	for i, ns := range []*netns.NS{a, b} {
		ns.Address("eth0", fmt.Sprintf("10.9.0.%d/24", i+1))
		ns.Address("eth0", fmt.Sprintf("fe80::%d/64", i+1))
	}
	open := func(ns *netns.NS) (v *VRRP) {
		ns.Do(func() {
			var err error
			cfg := VRRPConfig{Ifindex: ns.Index("eth0"), Ifname: "eth0", IPv6: ipv6, Group: s.group}
			if v, err = OpenVRRP(cfg); err != nil {
				t.Fatal(err)
			}
		})
		t.Cleanup(func() { v.Close() })
		return v
	}
	s.from, s.to = open(a), open(b)
	return s
}

// payload is an advert, or the beginning of one.
func payload(version, id, count byte, size int) []byte {
	p := make([]byte, size)
	p[0] = version<<4 | 1
	if size > 3 {
		p[1], p[3] = id, count
	}
	return p
}

// received sends a payload many times, then one that must come in, and counts what came before it.
func (s *adverts) received(times int, p []byte) (n int) {
	s.t.Helper()
	last := binary.BigEndian.AppendUint64(payload(3, 51, 0, 8), 0xbadc0de) // trailing bytes are let be
	for i := range times {
		if err := s.from.Send(p, s.src, s.group, 255); err != nil {
			s.t.Fatal(err)
		}
		if i%100 != 99 && i != times-1 {
			continue
		}
		if err := s.from.Send(last, s.src, s.group, 255); err != nil {
			s.t.Fatal(err)
		}
		for limit, ended := time.Now().Add(20*time.Second), false; !ended; {
			list, _, err := s.to.ReceiveBatch(&s.batch, nil)
			if err != nil || time.Now().After(limit) {
				s.t.Fatalf("the last advert did not come in: %v", err)
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

// TestSelect: what has an id and a length of ours comes in, of the rest a sample, and everything when nothing is
// selected.
func TestSelect(t *testing.T) {
	for name, ipv6 := range map[string]bool{"IPv4": false, "IPv6": true} {
		t.Run(name, func(t *testing.T) {
			s := newAdverts(t, ipv6)
			four := 4
			if ipv6 {
				four = 16
			}
			if err := s.to.Select([]uint8{51, 7, 255}); err != nil {
				t.Fatal(err)
			}
			fits := [][]byte{payload(3, 51, 0, 8), payload(3, 7, 2, 8+2*four), payload(2, 255, 1, 16+four),
				payload(3, 51, 40, 8+40*four), payload(7, 51, 0, 8)}
			if !ipv6 {
				fits = append(fits, payload(2, 51, 1, 8+four+8))
			}
			for _, p := range fits {
				if got := s.received(100, p); got != 100 {
					t.Errorf("%x: %d of 100 came in", p[:4], got)
				}
			}
			const many = 6400
			for _, p := range [][]byte{payload(3, 50, 0, 8), payload(3, 0, 0, 8), payload(3, 51, 3, 8+2*four),
				payload(3, 51, 0, 7), payload(3, 51, 0, 1)} {
				if got := s.received(many, p); got < many/SampledOneIn/3 || got > 3*many/SampledOneIn {
					t.Errorf("%x: %d of %d came in, want about one in %d", p, got, many, SampledOneIn)
				}
			}
			if err := s.to.Select(nil); err != nil {
				t.Fatal(err)
			}
			if got := s.received(100, payload(3, 50, 0, 8)); got != 100 {
				t.Errorf("nothing is selected: %d of 100 came in", got)
			}
		})
	}
}
