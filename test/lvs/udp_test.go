package lvs

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// echoes has each real server answer datagrams to a port of the site's address with its name. They answer from that
// address, as every server of UDP behind a director must.
func (s *site) echoes(port int) {
	s.t.Helper()
	for _, w := range s.webs {
		var conn net.PacketConn
		w.ns.Do(func() {
			var err error
			if conn, err = net.ListenPacket("udp", s.at(port)); err != nil {
				s.t.Fatal(err)
			}
		})
		s.t.Cleanup(func() { conn.Close() })
		go func() {
			b := make([]byte, 2048)
			for {
				n, from, err := conn.ReadFrom(b)
				if err != nil {
					return
				}
				conn.WriteTo(append([]byte(w.name+" "), b[:n]...), from)
			}
		}()
	}
}

// talker is a client's socket.
type talker struct {
	t    *testing.T
	conn net.Conn
	said int
}

// talk opens a socket to a port of the site's address, from one of the client's addresses; empty: any.
func (s *site) talk(from string, port int) *talker {
	s.t.Helper()
	k := &talker{t: s.t}
	s.client.Do(func() {
		d := net.Dialer{}
		if from != "" {
			d.LocalAddr = &net.UDPAddr{IP: net.ParseIP(from)}
		}
		var err error
		if k.conn, err = d.Dial("udp", s.at(port)); err != nil {
			s.t.Fatal(err)
		}
	})
	s.t.Cleanup(func() { k.conn.Close() })
	return k
}

// who says something and gives who answered; empty: nobody.
func (k *talker) who() string {
	k.t.Helper()
	return k.whoWithin(patience)
}

func (k *talker) whoWithin(limit time.Duration) string {
	k.t.Helper()
	k.said++
	what := fmt.Sprintf("hello %d", k.said)
	if _, err := k.conn.Write([]byte(what)); err != nil {
		return "" // nobody listened to the one before
	}
	k.conn.SetReadDeadline(time.Now().Add(limit))
	b := make([]byte, 2048)
	n, err := k.conn.Read(b)
	if err != nil {
		return ""
	}
	name, rest, _ := strings.Cut(string(b[:n]), " ")
	if rest != what {
		k.t.Fatalf("%q was echoed as %q", what, rest)
	}
	return name
}

// TestUDP: datagrams take turns by flow, or each by itself; flows end after their time.
func TestUDP(t *testing.T) {
	for _, six := range []bool{false, true} {
		t.Run(map[bool]string{false: "IPv4", true: "IPv6"}[six], func(t *testing.T) { overUDP(t, six) })
	}
}

func overUDP(t *testing.T, six bool) {
	s := wire(t, "dr", six)
	const rr, mh, ops = 5300, 5301, 5302
	for _, port := range []int{rr, mh, ops} {
		s.echoes(port)
	}
	conf := func(timeouts string) string {
		return "global_defs {\n    lvs_timeouts " + timeouts + "\n}\n" + s.mastery() +
			s.service(rr, "    lb_algo rr\n    lb_kind DR\n    protocol UDP\n", "") +
			s.service(mh, "    lb_algo mh\n    mh-port\n    lb_kind DR\n    protocol UDP\n", "") +
			s.service(ops, "    lb_algo rr\n    lb_kind DR\n    protocol UDP\n    ops\n", "")
	}
	s.d1.start(conf("udp 300"))
	s.d1.master()
	eventually(t, patience, "the site serves", func() bool { return s.talk("", rr).whoWithin(3*time.Second) != "" })
	listing := s.d1.must("ipvs", "-Ln")
	for _, want := range []string{fmt.Sprintf("UDP  %s rr\n", s.at(rr)),
		fmt.Sprintf("UDP  %s mh (mh-port)\n", s.at(mh)), fmt.Sprintf("UDP  %s rr ops\n", s.at(ops))} {
		if !strings.Contains(listing, want) {
			t.Errorf("no line %q in\n%s", want, listing)
		}
	}

	silent := s.byTurns(rr)
	s.hashedAndAlone(mh, ops)

	// Silent flows are forgotten: the next datagram is a new one, whose turn it is alone decides.
	port := func(k *talker) string { return fmt.Sprintf(":%d ", k.conn.LocalAddr().(*net.UDPAddr).Port) }
	if flows := s.d1.must("ipvs", "-Lnc"); !strings.Contains(flows, port(silent)) {
		t.Errorf("no flow from port%s in\n%s", port(silent), flows)
	}
	s.d1.reload(conf("udp 1"))
	k := s.talk("", rr)
	before := k.who()
	eventually(t, patience, "a silent flow is forgotten", func() bool {
		return !strings.Contains(s.d1.must("ipvs", "-Lnc"), port(k))
	})
	if after := k.who(); after == "" || after == before {
		t.Errorf("it was with %s, and is with %s when its time is over and the turn is the other's", before, after)
	}
}

// byTurns: flows take turns, and each stays where it is. It gives one of them.
func (s *site) byTurns(rr int) *talker {
	t := s.t
	t.Helper()
	var talkers []*talker
	got := map[string]int{}
	first := make([]string, 20)
	for i := range first {
		k := s.talk("", rr)
		first[i] = k.who()
		got[first[i]]++
		talkers = append(talkers, k)
	}
	if got["web1"] != 10 || got["web2"] != 10 {
		t.Errorf("20 flows by turns went to %v", got)
	}
	for range 3 {
		for i, k := range talkers {
			if who := k.who(); who != first[i] {
				t.Errorf("flow %d went to %s and then to %s", i, first[i], who)
			}
		}
	}
	if flows := s.d1.must("ipvs", "-Lnc"); strings.Count(flows, "UDP ") < 20 {
		t.Errorf("-Lnc:\n%s", flows)
	}
	return talkers[0]
}

// hashedAndAlone: hashed flows stay where they are, datagrams that are each by themselves take turns.
func (s *site) hashedAndAlone(mh, ops int) {
	t := s.t
	t.Helper()
	got := map[string]int{}
	for range 64 {
		k := s.talk("", mh)
		who := k.who()
		got[who]++
		if again := k.who(); again != who {
			t.Errorf("a hashed flow went to %s and then to %s", who, again)
		}
	}
	if got["web1"] == 0 || got["web2"] == 0 || got[""] != 0 {
		t.Errorf("64 hashed flows went to %v", got)
	}

	alone := s.talk("", ops)
	got = map[string]int{}
	for range 20 {
		got[alone.who()]++
	}
	if got["web1"] != 10 || got["web2"] != 10 {
		t.Errorf("20 datagrams of one socket, each by itself, went to %v", got)
	}
}

// TestPersistence: a client, and with a granularity its neighbours, stay with one server.
func TestPersistence(t *testing.T) {
	s := newSite(t, "dr")
	const single, pairs = 5300, 5301
	s.echoes(single)
	s.echoes(pairs)
	for i := 52; i < 60; i++ {
		s.client.Address("eth0", s.prefix(s.outer, i))
	}
	s.d1.start(s.mastery() +
		s.service(80, "    lb_algo rr\n    lb_kind DR\n    protocol TCP\n    persistence_timeout 60\n", "") +
		s.service(single, "    lb_algo rr\n    lb_kind DR\n    protocol UDP\n    persistence_timeout 60\n", "") +
		s.service(pairs, "    lb_algo rr\n    lb_kind DR\n    protocol UDP\n    persistence_timeout 60\n    "+
			"persistence_granularity 255.255.255.254\n", ""))
	s.d1.master()
	eventually(t, patience, "the site serves", func() bool { return s.ask() != "" })
	if got := s.shares(10); got["web1"] != 10 && got["web2"] != 10 {
		t.Errorf("10 requests of one client were answered by %v", got)
	}
	serverOf := func(port, client int) string {
		t.Helper()
		who := s.talk(fmt.Sprint(s.outer, client), port).who()
		for range 5 {
			if again := s.talk(fmt.Sprint(s.outer, client), port).who(); again != who || who == "" {
				t.Errorf("client %d was with %q, then with %q", client, who, again)
			}
		}
		return who
	}
	got := map[string]int{}
	for client := 52; client < 60; client++ {
		got[serverOf(single, client)]++
	}
	if got["web1"] != 4 || got["web2"] != 4 {
		t.Errorf("8 clients were spread as %v", got)
	}
	got = map[string]int{}
	for client := 52; client < 60; client += 2 {
		who := serverOf(pairs, client)
		if next := serverOf(pairs, client+1); next != who {
			t.Errorf("clients %d and %d of one pair are with %s and %s", client, client+1, who, next)
		}
		got[who]++
	}
	if got["web1"] != 2 || got["web2"] != 2 {
		t.Errorf("4 pairs of clients were spread as %v", got)
	}
	listing := s.d1.must("ipvs", "-Ln")
	for _, want := range []string{s.at(80) + " rr persistent 60\n",
		s.at(pairs) + " rr persistent 60 mask 255.255.255.254\n"} {
		if !strings.Contains(listing, want) {
			t.Errorf("no line %q in\n%s", want, listing)
		}
	}
}
