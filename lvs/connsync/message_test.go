package connsync

import (
	"errors"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/lvs/table"
)

func at(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

var sample = []Flow{
	{table.TCP, table.Established, at("192.0.2.9:40000"), at("192.0.2.1:80"), at("10.0.0.1:8080"), 3 * time.Second},
	{table.UDP, table.UDPState, at("[2001:db8::9]:40000"), at("[2001:db8::1]:53"), at("[2001:db8:1::1]:53"), 0},
	{table.TCP, table.None, at("0.0.0.0:0"), at("192.0.2.1:80"), at("10.0.0.1:0"), time.Minute},
	{table.TCP, table.Close, at("192.0.2.9:40001"), at("192.0.2.1:80"), at("[2001:db8::1]:80"), 65535 * time.Second},
}

func TestRoundTrip(t *testing.T) {
	h := Header{Kind: Flows, Group: 51, Sender: 0x1122334455667788}
	b := Begin(nil, h)
	for i := range sample {
		var ok bool
		if b, ok = Add(b, &sample[i]); !ok {
			t.Fatal("no room")
		}
	}
	got, flows, err := Parse(b, nil)
	if err != nil || got != h || !reflect.DeepEqual(flows, sample) {
		t.Errorf("%+v, %+v, %v", got, flows, err)
	}
	for n := range b {
		if _, rest, err := Parse(b[:n], nil); err == nil || len(rest) != 0 {
			t.Errorf("%d bytes of %d: %v, %v", n, len(b), rest, err)
		}
	}
}

func TestFull(t *testing.T) {
	b := Begin(nil, Header{Kind: Flows})
	n := 0
	for ; ; n++ {
		var ok bool
		if b, ok = Add(b, &sample[0]); !ok {
			break
		}
	}
	if _, flows, err := Parse(b, nil); err != nil || len(flows) != n || len(b) > MaxSize || n != (MaxSize-head)/size4 {
		t.Errorf("%d flows in %d bytes, read %d: %v", n, len(b), len(flows), err)
	}
}

func TestRefused(t *testing.T) {
	good, _ := Add(Begin(nil, Header{Kind: Flows}), &sample[0])
	for _, tt := range []struct {
		name string
		at   int
		b    byte
		want error
	}{
		{"magic", 0, 'X', ErrForeign}, {"version", 4, 2, ErrVersion}, {"kind", 5, 9, ErrInvalid},
		{"too many flows", 7, 2, ErrShort},
		{"too few flows", 7, 0, ErrInvalid}, {"state", 16, 99, ErrInvalid}, {"protocol", 17, 1, ErrInvalid},
		{"family", 16, 0x81, ErrShort},
		{"a multicast client", 26, 224, ErrInvalid},
	} {
		b := append([]byte(nil), good...)
		b[tt.at] = tt.b
		if _, _, err := Parse(b, nil); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	nobody := sample[0]
	nobody.Client = at("0.0.0.0:40000")
	b, _ := Add(Begin(nil, Header{Kind: Flows}), &nobody)
	if _, _, err := Parse(b, nil); !errors.Is(err, ErrInvalid) {
		t.Errorf("a flow of no client: %v", err)
	}
}

func TestAddDoesNotAllocate(t *testing.T) {
	b := make([]byte, 0, MaxSize)
	if n := testing.AllocsPerRun(100, func() {
		b = Begin(b, Header{Kind: Flows})
		b, _ = Add(b, &sample[0])
		b, _ = Add(b, &sample[1])
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzParse(f *testing.F) {
	b := Begin(nil, Header{Kind: Flows, Group: 1, Sender: 2})
	for i := range sample {
		b, _ = Add(b, &sample[i])
	}
	f.Add(b)
	f.Add(Begin(nil, Header{Kind: Request}))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, flows, err := Parse(b, nil)
		if err != nil {
			return
		}
		again := Begin(nil, h)
		for i := range flows {
			var ok bool
			if again, ok = Add(again, &flows[i]); !ok {
				return // longer than we would write
			}
		}
		h2, flows2, err := Parse(again, nil)
		if err != nil || h2 != h || !reflect.DeepEqual(flows, flows2) {
			t.Errorf("%v %v became %v %v: %v", h, flows, h2, flows2, err)
		}
	})
}
