package lvs

import (
	"encoding/binary"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// floodSize is how many connections a flood begins: many times the places there are.
const floodSize = 600000

// TestFlood: a flood of connections that are begun and never go on harms none that is established, and new ones are
// served after it and, if they try again, during it.
func TestFlood(t *testing.T) {
	for _, kind := range []string{"dr", "nat"} {
		t.Run(kind, func(t *testing.T) { flooded(t, kind) })
	}
}

func flooded(t *testing.T, kind string) {
	s := newSite(t, kind)
	s.d1.start("global_defs {\n    lvs_table_size 65536\n}\n" +
		s.mastery() + s.service(80, "    lb_algo rr\n    lb_kind "+strings.ToUpper(kind)+"\n    protocol TCP\n", ""))
	s.d1.master()
	eventually(t, patience, "the site serves", func() bool { return s.ask() != "" })
	first, second := s.ticking(), s.ticking()
	idle := s.connect(50)
	for i, conn := range idle {
		if askOn(conn) == "" {
			t.Fatalf("connection %d is not answered", i)
		}
	}
	began := time.Now()
	ended := s.flood()
	during := 0
	for flooding := true; flooding; {
		if s.askFor(patience) != "" {
			during++
		}
		select {
		case err := <-ended:
			if err != nil {
				t.Fatal(err)
			}
			flooding = false
		default:
		}
	}
	took := time.Since(began)
	t.Logf("%d connections were begun in %v (%.0f a second), %d others served meanwhile; the director has %d MB",
		floodSize, took.Round(time.Millisecond), floodSize/took.Seconds(), during, usageOf(t, s.d1.cmd.Process.Pid).rss)
	first.goesOnAfter(t, "after the flood", took)
	second.goesOnAfter(t, "after the flood", took)
	for i, conn := range idle {
		if askOn(conn) == "" {
			t.Errorf("connection %d, idle during the flood, is not answered", i)
		}
	}
	if during == 0 {
		t.Error("nobody else was served during the flood")
	}
	// What is left of the flood in the kernel's queues still takes its turns.
	var got map[string]int
	eventually(t, patience, "only the client's own connections begin", func() bool {
		before := s.d1.begun()
		got = s.shares(20)
		return s.d1.begun() == before+20
	})
	if got["web1"] != 10 || got["web2"] != 10 {
		t.Errorf("after the flood: %v", got)
	}
	if n := strings.Count(s.d1.must("ipvs", "-Lnc"), "ESTABLISHED"); n < len(idle)+2 {
		t.Errorf("%d flows are established", n)
	}
}

// flood begins connections that never go on, and tells when all are begun.
func (s *site) flood() <-chan error {
	s.t.Helper()
	ended := make(chan error, 1)
	s.client.Do(func() {
		flood, err := newFlood(s.client.Index("eth0"), s.client.Link("eth0").Attrs().HardwareAddr,
			s.d1.ns.Link("eth0").Attrs().HardwareAddr)
		if err != nil {
			s.t.Fatal(err)
		}
		go func() { ended <- flood.run(floodSize) }()
	})
	return ended
}

// begun is how many connections of the only service have begun so far.
func (n *node) begun() int {
	n.t.Helper()
	for line := range strings.Lines(n.must("ipvs", "-Ln", "--stats", "--exact")) {
		if f := strings.Fields(line); len(f) > 2 && f[0] == "TCP" {
			count, err := strconv.Atoi(f[2])
			if err != nil {
				n.t.Fatal(err)
			}
			return count
		}
	}
	n.t.Fatal("no service in the table")
	return 0
}

// flood sends SYNs of many clients to the site's address, as whole frames.
type flood struct {
	fd    int
	to    unix.SockaddrLinklayer
	frame []byte
}

func newFlood(index int, from, to net.HardwareAddr) (*flood, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := &flood{fd: fd, to: unix.SockaddrLinklayer{Ifindex: index, Halen: 6}}
	copy(f.to.Addr[:], to)
	f.frame = append(append(append([]byte{}, to...), from...), 8, 0)
	f.frame = append(f.frame, 0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, unix.IPPROTO_TCP, 0, 0, 0, 0, 0, 0, 192, 168, 160, 100)
	f.frame = append(f.frame, 0, 0, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0x40, 0, 0, 0, 0, 0)
	return f, nil
}

// run sends n SYNs, each of a client of its own.
func (f *flood) run(n int) error {
	defer unix.Close(f.fd)
	for i := range n {
		binary.BigEndian.PutUint32(f.frame[26:], 10<<24|uint32(i))
		binary.BigEndian.PutUint16(f.frame[34:], uint16(1024+i%60000))
		f.sum(24, 14, 34, 0)
		f.sum(50, 26, 54, unix.IPPROTO_TCP+20)
		for {
			err := unix.Sendto(f.fd, f.frame, 0, &f.to)
			if err == unix.ENOBUFS || err == unix.EINTR {
				continue
			}
			if err != nil {
				return fmt.Errorf("sending SYN %d: %w", i, err)
			}
			break
		}
	}
	return nil
}

// sum fills in an Internet checksum over part of the frame.
func (f *flood) sum(at, from, to int, sum uint32) {
	f.frame[at], f.frame[at+1] = 0, 0
	for i := from; i < to; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(f.frame[i:]))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	binary.BigEndian.PutUint16(f.frame[at:], ^uint16(sum))
}

// TestTableFull: when the table has no room for more connections, those that are in it go on, and new ones are served.
func TestTableFull(t *testing.T) {
	s := newSite(t, "dr")
	const size, more = 1024, 2000
	s.d1.start(fmt.Sprintf("global_defs {\n    lvs_table_size %d\n}\n", size) + s.mastery() + s.service(80,
		"    lb_algo rr\n    lb_kind DR\n    protocol TCP\n", ""))
	s.d1.master()
	eventually(t, patience, "the site serves", func() bool { return s.ask() != "" })
	early := s.connect(size - 50) // some places are still those of the requests before
	who := make([]string, len(early))
	for i, conn := range early {
		if who[i] = askOn(conn); who[i] == "" {
			t.Fatalf("connection %d is not answered", i)
		}
	}
	var late []net.Conn
	for i := range more {
		conn := s.connect(1)[0]
		if askOn(conn) == "" {
			t.Fatalf("connection %d, beside a table that is full, is not answered", i)
		}
		late = append(late, conn)
	}
	if n := strings.Count(s.d1.must("ipvs", "-Lnc"), "ESTABLISHED"); n < size {
		t.Errorf("the table is not full: %d flows", n)
	}
	s.d1.logged("the table of flows is full")
	if shown := s.d1.must("show", "lvs", "--runtime-dir", s.d1.dir); !strings.Contains(shown, "table-full") {
		t.Errorf("it is not shown:\n%s", shown)
	}
	for i, conn := range early {
		if again := askOn(conn); again != who[i] {
			t.Errorf("connection %d was with %s, and is with %q", i, who[i], again)
		}
	}
	// These live where half-open ones do, and push out each other.
	lost := 0
	for _, conn := range late {
		if askOn(conn) == "" {
			lost++
		}
	}
	t.Logf("of %d connections more than the %d there is room for, %d did not go on", more, size, lost)
	// As they end, there is room again.
	for _, conn := range append(early, late...) {
		conn.Close()
	}
	if got := s.shares(20); got["web1"] != 10 || got["web2"] != 10 {
		t.Errorf("new ones after it: %v", got)
	}
}
