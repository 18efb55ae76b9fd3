package xdp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/evenkeel/evenkeel/lvs/table"
)

// resum mends an IPv4 header's sum after a change that is not what a test is about.
func resum(f []byte) []byte {
	ihl := min(int(f[14]&15)*4, len(f)-14)
	f[24], f[25] = 0, 0
	binary.BigEndian.PutUint16(f[24:], ^fold16(sum16(0, f[14:14+ihl])))
	return f
}

func change(f []byte, at int, b ...byte) []byte {
	out := bytes.Clone(f)
	copy(out[at:], b)
	return out
}

func insert(f []byte, at int, b ...byte) []byte {
	return append(append(bytes.Clone(f[:at]), b...), f[at:]...)
}

// options puts options into an IPv4 header, lengths and sum mended.
func withOptions(f []byte, b ...byte) []byte {
	out := insert(f, 34, b...)
	out[14] += byte(len(b) / 4)
	binary.BigEndian.PutUint16(out[16:], uint16(len(out)-14))
	return resum(out)
}

// extension puts an extension header before the transport header.
func extension(f []byte, kind byte, body ...byte) []byte {
	out := insert(f, 54, append([]byte{f[20]}, body...)...)
	out[20] = kind
	binary.BigEndian.PutUint16(out[18:], uint16(len(out)-54))
	return out
}

// What becomes of a frame.
const (
	good    = "forwarded"
	broken  = "malformed"
	notOurs = "passed"
	old     = "ttl"
)

// An oddFrame is one with what becomes of it.
type oddFrame struct {
	name  string
	frame []byte
	want  string
}

// Whole frames, to be spoiled.
var (
	client4, client6 = client(1, false), client(1, true)
	web4, web6       = netip.AddrPortFrom(vip4, 80), netip.AddrPortFrom(vip6, 80)
	tcp4, tcp6       = tcpFrame(client4, web4, syn, 1, 2, 3, 4), tcpFrame(client6, web6, syn, 1, 2, 3, 4)
	udp4             = udpFrame(client4, netip.AddrPortFrom(vip4, 53), 1, 2, 3)
	udp6             = udpFrame(client6, netip.AddrPortFrom(vip6, 53), 1, 2, 3)
)

// framesOf4 are frames of IPv4, and a whole one of each other kind.
func framesOf4() []oddFrame {
	from4 := func(a string) []byte { return tcpFrame(netip.MustParseAddrPort(a), web4, syn) }
	nops := func(n int) []byte { return bytes.Repeat([]byte{1}, n) }
	return []oddFrame{
		{"TCP", tcp4, good}, {"UDP", udp4, good}, {"TCP over IPv6", tcp6, good}, {"UDP over IPv6", udp6, good},
		{"padded to a frame's length", append(bytes.Clone(tcp4), make([]byte, 20)...), good},
		{"version 5", resum(change(tcp4, 14, 0x55)), broken},
		{"version 6 in an IPv4 frame", change(tcp4, 14, 0x65), broken},
		{"header of 16 bytes", resum(change(tcp4, 14, 0x44)), broken},
		{"header of 60 bytes in a short packet", resum(change(tcp4, 14, 0x4f)), broken},
		{"total length 0", resum(change(tcp4, 16, 0, 0)), broken},
		{"total length of the header only", resum(change(tcp4, 16, 0, 20)), broken},
		{"total length beyond the frame", resum(change(tcp4, 16, 1, 0)), broken},
		{"wrong header sum", change(tcp4, 24, 0, 0), broken},
		{"options", withOptions(tcp4, nops(4)...), good},
		{"ten words of options", withOptions(tcp4, nops(40)...), good},
		{"wrong sum of options", change(withOptions(tcp4, nops(8)...), 36, 7), broken},
		{"TTL 1", resum(change(tcp4, 22, 1)), old},
		{"TTL 0", resum(change(tcp4, 22, 0)), old},
		{"TTL 2", resum(change(tcp4, 22, 2)), good},
		{"source 0.0.0.0", from4("0.0.0.0:1"), broken},
		{"source 127.0.0.1", from4("127.0.0.1:1"), broken},
		{"source of a group", from4("224.0.0.1:1"), broken},
		{"source 255.255.255.255", from4("255.255.255.255:1"), broken},
		{"source is the destination", from4(vip4.String() + ":1"), broken},
		{"source port 0", from4("192.0.2.9:0"), broken},
		{"destination port 0", tcpFrame(client4, netip.AddrPortFrom(vip4, 0), syn), broken},
		{"TCP header of 16 bytes", change(tcp4, 46, 4<<4), broken},
		{"TCP header beyond the packet", change(tcp4, 46, 15<<4), broken},
		{"TCP cut", ipFrame(client4.Addr(), vip4, 6, tcp4[34:52]), broken},
		{"UDP length 7", change(udp4, 38, 0, 7), broken},
		{"UDP length beyond the packet", change(udp4, 38, 0, 99), broken},
		{"UDP length shorter than the packet", change(udp4, 38, 0, 8), good},
		{"UDP without a sum", change(udp4, 40, 0, 0), good},
		{"UDP cut", ipFrame(client4.Addr(), vip4, 17, udp4[34:40]), broken},
		{"another protocol", ipFrame(client4.Addr(), vip4, 47, make([]byte, 40)), notOurs},
		{"protocol TCP, nothing in it", ipFrame(client4.Addr(), vip4, 6, nil), broken},
		{"a later fragment of nothing known", resum(change(tcp4, 20, 0x20, 2)), notOurs},
		{"a later fragment that would write TCP's flags", resum(change(tcp4, 20, 0x20, 1)), broken},
		{"a fragment beyond 65535", resum(change(tcp4, 20, 0x3f, 0xff)), broken},
		{"not for this service's port", tcpFrame(client4, netip.AddrPortFrom(vip4, 81), syn), notOurs},
		{"not for this address", tcpFrame(client4, netip.MustParseAddrPort("10.9.9.9:80"), syn), notOurs},
		{"to another machine's link address", change(tcp4, 0, 2, 2, 2, 2, 2, 2), notOurs},
		{"to all", change(tcp4, 0, 255, 255, 255, 255, 255, 255), notOurs},
	}
}

// framesOf6 are frames of IPv6.
func framesOf6() []oddFrame {
	from6 := func(a string) []byte { return tcpFrame(netip.MustParseAddrPort(a), web6, syn) }
	many := tcp6
	for range 7 {
		many = extension(many, 60, 0, 1, 4, 0, 0, 0, 0)
	}
	return []oddFrame{
		{"IPv6 version 4", change(tcp6, 14, 0x40), broken},
		{"IPv6 length beyond the frame", change(tcp6, 18, 1, 0), broken},
		{"IPv6 length 0", change(tcp6, 18, 0, 0), broken},
		{"hop limit 1", change(tcp6, 21, 1), old},
		{"source ::", from6("[::]:1"), broken},
		{"source ::1", from6("[::1]:1"), broken},
		{"source of a group over IPv6", from6("[ff02::1]:1"), broken},
		{"source ::ffff:1.2.3.4", from6("[::ffff:1.2.3.4]:1"), notOurs}, // becomes an IPv4 frame
		{"source is the destination over IPv6", from6("[" + vip6.String() + "]:1"), broken},
		{"TCP over IPv6 cut", ipFrame(client6.Addr(), vip6, 6, tcp6[54:70]), broken},
		{"hop-by-hop options", extension(tcp6, 0, 0, 1, 4, 0, 0, 0, 0), good},
		{"destination options of two words", extension(tcp6, 60, append([]byte{1, 1, 12}, make([]byte, 12)...)...),
			good},
		{"routing header", extension(tcp6, 43, 0, 0, 0, 0, 0, 0, 0), good},
		{"extension beyond the packet", extension(tcp6, 60, 200, 0, 0, 0, 0, 0, 0), broken},
		{"an atomic fragment", extension(tcp6, 44, 0, 0, 0, 0, 0, 0, 9), good},
		{"two fragment headers", extension(extension(tcp6, 44, 0, 0, 1, 0, 0, 0, 9), 44, 0, 0, 1, 0, 0, 0, 9), broken},
		{"a later fragment over IPv6", extension(tcp6, 44, 0, 0, 0x10, 0, 0, 0, 9), notOurs},
		{"no next header", change(tcp6, 20, 59), notOurs},
		{"seven extension headers", many, notOurs},
	}
}

// cutFrames are frames that end too early. The kernel itself takes no test frame that ends within an IP header.
func cutFrames() (all []oddFrame) {
	for _, at := range []struct {
		name  string
		frame []byte
		l4    int
	}{{"TCP", tcp4, 34}, {"UDP", udp4, 34}, {"TCP over IPv6", tcp6, 54}, {"UDP over IPv6", udp6, 54}} {
		for n := at.l4; n < len(at.frame); n++ {
			all = append(all, oddFrame{fmt.Sprintf("%s, frame cut to %d bytes", at.name, n), at.frame[:n], broken})
		}
	}
	return all
}

// TestMalformed: frame by frame, what is broken in which way is not forwarded, is counted if it may have been for
// us, and what only looks odd is forwarded.
func TestMalformed(t *testing.T) {
	b := newBench(t, 1<<14)
	servers := map[netip.Addr]bool{}
	for _, v6 := range []bool{false, true} {
		b.service(table.TCP, v6, 80, "mh", 0, table.NAT, 1, 1, 1)
		b.service(table.UDP, v6, 53, "mh", 0, table.NAT, 1, 1, 1)
		for i := range 3 {
			servers[server(i, v6)] = true
		}
	}
	for _, c := range slices.Concat(framesOf4(), framesOf6(), cutFrames()) {
		if c.name == "source ::ffff:1.2.3.4" {
			continue
		}
		before := b.fates()
		v, out := b.send(c.frame)
		after := b.fates()
		got := notOurs
		switch {
		case v == redirect && after["ttl-over"] > before["ttl-over"], v == dropped &&
			after["ttl-over"] > before["ttl-over"]:
			got = old
		case v == redirect:
			got = good
			if err := forwardedRight(c.frame, out, servers); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		case v == passed && after["malformed"] > before["malformed"]:
			got = broken
		case v != passed:
			t.Errorf("%s: action %d", c.name, v)
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if v == passed && !bytes.Equal(out, c.frame) {
			t.Errorf("%s: passed, but changed", c.name)
		}
	}
}

func (b *bench) fates() map[string]uint64 {
	b.t.Helper()
	cs, err := b.p.Counters()
	if err != nil {
		b.t.Fatal(err)
	}
	out := map[string]uint64{}
	for _, c := range cs {
		out[c.Name] = c.Packets
	}
	return out
}

// mutate changes a frame at random: bytes, lengths, or its end.
func mutate(r *rand.Rand, f []byte) []byte {
	out := bytes.Clone(f)
	for range 1 + r.IntN(4) {
		switch r.IntN(6) {
		case 0:
			out = out[:14+r.IntN(len(out)-13)]
		case 1:
			out = append(out, make([]byte, r.IntN(64))...)
		case 2:
			out[r.IntN(len(out))] ^= 1 << r.IntN(8)
		default:
			out[12+r.IntN(len(out)-12)] = byte(r.Uint32())
		}
		if len(out) < 16 {
			out = append(out, make([]byte, 16)...)
		}
	}
	if r.IntN(2) == 0 && len(out) >= 34 && out[12] == 8 {
		resum(out) // else hardly any IPv4 frame gets further than its sum
	}
	return out
}

// FuzzForward: whatever is forwarded was well-formed, and what comes out is right.
func FuzzForward(f *testing.F) {
	b := newBench(f, 1<<14)
	servers := map[netip.Addr]bool{}
	var seeds [][]byte
	for _, v6 := range []bool{false, true} {
		web := b.service(table.TCP, v6, 80, "mh", 0, table.NAT, 1, 1, 1).Addr
		dns := b.service(table.UDP, v6, 53, "mh", 0, table.NAT, 1, 1, 1).Addr
		for i := range 3 {
			servers[server(i, v6)] = true
		}
		c := client(5, v6)
		seeds = append(seeds, tcpFrame(c, web, syn, 1, 2, 3), tcpFrame(c, web, ack), udpFrame(c, dns, 1, 2, 3, 4, 5))
		if v6 {
			seeds = append(seeds, extension(tcpFrame(c, web, syn), 60, 0, 1, 4, 0, 0, 0, 0),
				extension(tcpFrame(c, web, syn), 44, 0, 0, 1, 0, 0, 0, 9))
		} else {
			seeds = append(seeds, withOptions(tcpFrame(c, web, syn), 1, 1, 1, 1))
		}
	}
	check := func(t *testing.T, frame []byte) {
		if len(frame) < 54 || len(frame) > 1500 {
			return // the kernel itself takes no test frame that ends within an IP header
		}
		b.t = t
		before := b.fates()
		v, out := b.send(frame)
		switch v {
		case redirect:
			if b.fates()["forwarded"] == before["forwarded"] {
				return // an answer of our own
			}
			if err := forwardedRight(frame, out, servers); err != nil {
				t.Fatalf("%v\n in %x\nout %x", err, frame, out)
			}
		case passed:
			if !bytes.Equal(out, frame) {
				t.Fatalf("passed, but changed: %x became %x", frame, out)
			}
		case dropped:
		default:
			t.Fatalf("action %d for %x", v, frame)
		}
	}
	for _, s := range seeds {
		f.Add(s)
	}
	r := rand.New(rand.NewPCG(7, 8))
	for range 2000 {
		f.Add(mutate(r, seeds[r.IntN(len(seeds))]))
	}
	f.Fuzz(check)
}
