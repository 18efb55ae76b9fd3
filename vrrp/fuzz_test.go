package vrrp

import (
	"encoding/hex"
	"net/netip"
	"testing"
	"time"
)

// fuzzReceive hands arbitrary bytes to a router in each state: nothing may
// panic, and nothing that is not a valid advert may move the state.
func fuzzReceive(f *testing.F, p Params, seeds ...string) {
	for _, s := range seeds {
		b, err := hex.DecodeString(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, uint8(255), false)
	}
	f.Add(p.AppendAdvert(nil, 200, netip.MustParseAddr("10.9.0.2"), netip.MustParseAddr("224.0.0.18")), uint8(255),
		true)
	f.Fuzz(func(t *testing.T, payload []byte, ttl uint8, master bool) {
		r := NewRouter()
		id, _ := r.Add(0, p, nil)
		now := Time(0)
		for now = r.Deadline(); master && r.Status(id).State != Master; now = r.Deadline() {
			for _, e := range r.Tick(now, nil) {
				switch e.Kind {
				case Advertise, Probe:
					r.Sent(now, id)
				case ConfirmGate:
					r.Opened(now, id, true, nil)
				}
			}
		}
		before := r.Status(id)
		now = now.Add(time.Millisecond)
		d := Datagram{Payload: payload, Src: netip.MustParseAddr("10.9.0.2"), Dst: netip.MustParseAddr("224.0.0.18"),
			TTL: int(ttl)}
		if p.IPv6 {
			d.Src, d.Dst = netip.MustParseAddr("fe80::2"), netip.MustParseAddr("ff02::12")
		}
		r.Receive(now, id, &d, nil)
		after := r.Status(id)
		if after.Refused[Accepted] == 0 && after.State != before.State {
			t.Errorf("a refused packet %x moved %v to %v", payload, before.State, after.State)
		}
		if after.Refused[Accepted] > 0 && ttl != 255 {
			t.Errorf("a packet that came through a router was accepted: %x", payload)
		}
	})
}

func FuzzReceiveV2(f *testing.F) {
	fuzzReceive(f, defaults("A"), "213396010101dafa0a0900643131313100000000")
}

func FuzzReceiveV3(f *testing.F) {
	p := defaults("A")
	p.Version, p.AuthPass = 3, ""
	fuzzReceive(f, p, "31019601000a43500a090101", "31019601000a2de90a090101")
}

func FuzzReceiveV3IPv6(f *testing.F) {
	p := defaults("A")
	p.Version, p.AuthPass, p.IPv6 = 3, "", true
	p.Addrs, p.Source = []netip.Addr{netip.MustParseAddr("fe80::100")}, netip.MustParseAddr("fe80::1")
	fuzzReceive(f, p)
}

// TestAdvertDoesNotAllocate: the periodic advert of a master, from timer to bytes.
func TestAdvertDoesNotAllocate(t *testing.T) {
	r := NewRouter()
	p := defaults("A")
	id, _ := r.Add(0, p, nil)
	for r.Status(id).State != Master {
		for _, e := range r.Tick(r.Deadline(), nil) {
			switch e.Kind {
			case Advertise:
				r.Sent(0, id)
			case ConfirmGate:
				r.Opened(r.instance(id).claimedAt, id, true, nil)
			}
		}
		if r.Status(id).State == Claiming {
			r.Sent(r.instance(id).claimedAt, id)
		}
	}
	effects, buf := make([]Effect, 0, 16), make([]byte, 0, 256)
	dst := netip.MustParseAddr("224.0.0.18")
	if n := testing.AllocsPerRun(100, func() {
		effects = r.Tick(r.Deadline(), effects[:0])
		buf = r.Params(id).AppendAdvert(buf[:0], effects[0].Priority, p.Source, dst)
	}); n != 0 {
		t.Errorf("%v allocations per advert", n)
	}
	d := Datagram{Payload: p.AppendAdvert(nil, 50, netip.MustParseAddr("10.9.0.2"), dst),
		Src: netip.MustParseAddr("10.9.0.2"), Dst: dst, TTL: 255}
	now := r.Deadline() - 1
	if n := testing.AllocsPerRun(100, func() { effects = r.Receive(now, id, &d, effects[:0]) }); n != 0 {
		t.Errorf("%v allocations per advert heard", n)
	}
}
