package quorum

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/heartbeat"
)

const (
	interval = 100 * time.Millisecond
	timeout  = 350 * time.Millisecond
	promise  = 3 * time.Second
	delay    = Time(time.Millisecond) // of a message
)

// parcel is a message on its way.
type parcel struct {
	at       Time
	from, to int
	line     int
	payload  []byte
}

// site is two members and a witness in virtual time.
type site struct {
	t       *testing.T
	now     Time
	members []*Member // 0 and 1; nil: dead
	witness *Witness
	wires   []parcel
	cut     map[[2]int]bool
	holds   [2]Time // until when each may
	epochs  [2]uint64
	log     []string
	double  bool
	yields  bool // who is asked hands over
}

func params(me int, key string) Params {
	return Params{Cluster: "web", Me: me, Key: []byte(key), Boot: heartbeat.Boot{byte(me + 1)}, Interval: interval,
		Timeout: timeout,
		Epoch:   100, Nodes: []Node{{Name: "lb1", Lines: 2}, {Name: "lb2", Lines: 2},
			{Name: "w", Arbiter: true, Lines: 1}}}
}

var web = Group{Name: "VI_1", Promise: promise, ClockError: 2000, Slack: time.Millisecond, Agree: 7}

func newSite(t *testing.T) *site {
	s := &site{t: t, now: Time(time.Hour), cut: map[[2]int]bool{}}
	for i := range 2 {
		m, err := NewMember(s.now, params(i, "key"))
		if err != nil {
			t.Fatal(err)
		}
		g := web
		if err := m.AddGroup(s.now, g); err != nil {
			t.Fatal(err)
		}
		s.members = append(s.members, m)
	}
	s.witness = NewWitness(s.now, heartbeat.Boot{9},
		[]ClusterParams{{Name: "web", Me: 2, Nodes: 3, Key: []byte("key")}}, promise, 50)
	s.run(promise + time.Second) // until every vote has found its voice
	return s
}

func (s *site) do(node int, effects []Effect) {
	for _, e := range effects {
		switch e.Kind {
		case Send:
			if !s.cut[[2]int{node, e.Node}] {
				s.wires = append(s.wires, parcel{s.now + delay, node, e.Node, e.Line, slices.Clone(e.Payload)})
			}
		case Hold:
			s.holds[node], s.epochs[node] = e.Until, e.Epoch
			s.double = s.double || s.holds[0] > s.now && s.holds[1] > s.now
		case Lost:
			s.holds[node] = 0
			s.logf("node %d lost %s", node, e.Group)
		case HandOver:
			s.logf("node %d is asked for %s by %d with %d", node, e.Group, e.Node, e.Priority)
			if s.yields {
				s.holds[node] = 0
				s.do(node, s.members[node].Free(s.now, e.Group, nil))
			}
		case Refused, Disagree:
			s.logf("node %d of %d: %d %s", node, e.Node, e.Kind, e.Reason)
		}
	}
}

func (s *site) logf(format string, args ...any) { s.log = append(s.log, fmt.Sprintf(format, args...)) }

// next is when something happens.
func (s *site) next() Time {
	at := Never
	for _, m := range s.members {
		if m != nil {
			at = min(at, max(m.Deadline(), s.now))
		}
	}
	for _, w := range s.wires {
		at = min(at, w.at)
	}
	return at
}

func (s *site) run(d time.Duration) {
	for end := s.now + Time(d); ; {
		at := s.next()
		if at > end {
			s.now = end
			return
		}
		s.now = at + 1
		s.deliver()
		for i, m := range s.members {
			if m != nil && m.Deadline() <= s.now {
				s.do(i, m.Tick(s.now, nil))
			}
		}
	}
}

func (s *site) deliver() {
	due := s.wires
	s.wires = nil
	for _, w := range due {
		switch {
		case w.at > s.now:
			s.wires = append(s.wires, w)
		case w.to < 2 && s.members[w.to] != nil:
			s.do(w.to, s.members[w.to].Receive(s.now, w.from, w.line, w.payload, nil))
		case w.to == 2 && s.witness != nil:
			if answer, _, _ := s.witness.Receive(s.now, w.payload, nil); answer != nil && !s.cut[[2]int{2, w.from}] {
				s.wires = append(s.wires, parcel{s.now + delay, 2, w.from, 0, answer})
			}
		}
	}
}

func (s *site) want(node int) { s.do(node, s.members[node].Want(s.now, "VI_1", nil)) }

func (s *site) holder(want int) {
	s.t.Helper()
	for i := range s.holds {
		if (s.holds[i] > s.now) != (i == want) {
			s.t.Fatalf("at %v: node 0 holds %v, node 1 %v; want %d (%s)", time.Duration(s.now), s.holds[0] > s.now,
				s.holds[1] > s.now, want,
				strings.Join(s.log, "; "))
		}
	}
	if s.double {
		s.t.Fatal("both held")
	}
}

func (s *site) part(a, b int) { s.cut[[2]int{a, b}], s.cut[[2]int{b, a}] = true, true }

func TestHolds(t *testing.T) {
	s := newSite(t)
	s.want(0)
	s.run(5 * time.Millisecond)
	s.holder(0)
	s.run(time.Minute)
	s.holder(0)
	s.want(1)
	s.run(time.Minute)
	s.holder(0)
	if s.epochs[0] != 101 {
		t.Errorf("epoch %d", s.epochs[0])
	}
}

// TestTakeover: the holder dies; the other has the group a promise later, and no sooner than the dead one's hold is
// over.
func TestTakeover(t *testing.T) {
	s := newSite(t)
	s.want(0)
	s.run(time.Second)
	s.members[0] = nil
	s.want(1)
	until := s.holds[0]
	s.run(time.Duration(until - s.now))
	s.holder(-1)
	s.run(promise - web.hold() + 10*time.Millisecond)
	s.holder(1)
	if s.epochs[1] <= s.epochs[0] {
		t.Errorf("epoch %d after %d", s.epochs[1], s.epochs[0])
	}
}

func (g Group) hold() time.Duration {
	m, _ := NewMember(0, params(0, ""))
	p := m.Votes(g)
	return p.Hold()
}

// TestParted: both are well and do not hear each other. The holder stays, by the witness's vote; without a witness
// nobody takes what is not free.
func TestParted(t *testing.T) {
	s := newSite(t)
	s.want(0)
	s.run(time.Second)
	s.part(0, 1)
	s.want(1)
	s.run(time.Minute)
	s.holder(0)
	s.part(0, 2) // now it is alone
	s.run(promise + time.Second)
	s.holder(1)
	clear(s.cut)
	s.run(time.Second)
	s.holder(1)
}

// TestNoQuorum: peer and witness are both gone.
func TestNoQuorum(t *testing.T) {
	s := newSite(t)
	s.want(0)
	s.run(time.Second)
	s.part(0, 1)
	s.witness = nil
	s.want(1)
	s.run(time.Minute)
	s.holder(-1)
}

// TestHandOver: a node of higher priority asks for the group, and has it two messages after it is free.
func TestHandOver(t *testing.T) {
	s := newSite(t)
	s.want(0)
	s.run(time.Second)
	s.members[0].Tell("VI_1", 3, 100)
	s.members[1].Tell("VI_1", 1, 90)
	s.yields = true
	s.want(1)
	s.run(time.Second)
	s.holder(0) // the lower priority does not get it
	s.members[1].Tell("VI_1", 1, 150)
	s.run(promise/4 + 20*time.Millisecond)
	s.holder(1)
	if len(s.log) != 1 {
		t.Errorf("%q", s.log)
	}
}

// TestForeignPeers: other keys, other clusters and other settings are told once each.
func TestForeignPeers(t *testing.T) {
	s := newSite(t)
	m, err := NewMember(s.now, params(1, "another"))
	if err != nil {
		t.Fatal(err)
	}
	other := web
	other.Agree = 8
	if err := m.AddGroup(s.now, other); err != nil {
		t.Fatal(err)
	}
	s.members[1] = m
	s.run(time.Second)
	if len(s.log) != 2 || !strings.Contains(s.log[0], "wrong code") { // each of the other's
		t.Errorf("%q", s.log)
	}
	s.log = nil
	p := params(1, "key")
	p.Boot = heartbeat.Boot{77}
	if s.members[1], err = NewMember(s.now, p); err != nil {
		t.Fatal(err)
	}
	if err := s.members[1].AddGroup(s.now, other); err != nil {
		t.Fatal(err)
	}
	s.run(5 * time.Second)
	if len(s.log) != 2 || s.log[0] == s.log[1] {
		t.Errorf("%q", s.log)
	}
}

// TestWitnessIsBounded: what is malformed, foreign or repeated gets no answer and no room.
func TestWitnessIsBounded(t *testing.T) {
	s := newSite(t)
	for _, b := range [][]byte{nil, make([]byte, 40), make([]byte, 2000)} {
		if out, why, _ := s.witness.Receive(s.now, b, nil); out != nil || why == "" {
			t.Errorf("%d bytes: %d, %q", len(b), len(out), why)
		}
	}
	p := heartbeat.NewPeer(0, 2, heartbeat.Boot{3}, 1, time.Minute, time.Minute)
	var m heartbeat.Message
	say := func() []byte {
		p.Next(heartbeat.Time(s.now), &m)
		m.Cluster = heartbeat.Hash("web")
		return m.Append(nil, []byte("key"))
	}
	var heard heartbeat.Message
	listen := func(b []byte) {
		if err := heard.Parse(b, []byte("key")); err != nil {
			t.Fatal(err)
		}
		p.Receive(heartbeat.Time(s.now), 0, &heard, nil)
	}
	for range 2 {
		out, _, _ := s.witness.Receive(s.now, say(), nil)
		listen(out)
	}
	for i := range 100 {
		m.Votes = m.Votes[:0]
		for j := range 20 {
			m.Votes = append(m.Votes, heartbeat.Vote{Kind: heartbeat.VoteAsk, Group: uint32(i*20 + j), Epoch: 1000,
				Length: 1e9})
		}
		out, _, _ := s.witness.Receive(s.now, say(), nil)
		listen(out)
	}
	if n := len(s.witness.clusters[heartbeat.Hash("web")].votes); n > maxClusterGroups {
		t.Errorf("%d groups", n)
	}
	again := say()
	s.witness.Receive(s.now, again, nil)
	if out, why, first := s.witness.Receive(s.now, again, nil); out != nil || !first ||
		!strings.Contains(why, "repeated") {
		t.Errorf("a repetition: %d bytes, %q", len(out), why)
	}
}
