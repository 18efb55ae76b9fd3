package heartbeat

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
	"time"
)

var testKey = []byte("a key of this test")

func full() *Message {
	return &Message{Cluster: 0xabad1dea, From: 1, To: 2, Line: 1, Boot: Boot{1, 2, 3}, Seq: 7, EchoBoot: Boot{9},
		EchoSeq: 5, Heard: []uint64{4, 0},
		Groups: []Group{{ID: 77, State: 3, Priority: 150, Epoch: 12, Agree: 0xdeadbeef}},
		Votes: []Vote{{Kind: VoteAsk, Group: 77, Epoch: 13, Sent: 1 << 40, Length: 3e9},
			{Kind: VoteRefused, Group: 77, Epoch: 14, Sent: -1, Length: 5, Holder: -1}}}
}

func TestMessageSurvivesTheWire(t *testing.T) {
	m := full()
	b := m.Append(nil, testKey)
	if len(b) > MaxSize {
		t.Fatalf("%d bytes", len(b))
	}
	var got Message
	if err := got.Parse(b, testKey); err != nil || !reflect.DeepEqual(&got, m) {
		t.Fatalf("%v: %+v", err, got)
	}
}

// TestForgeries: nothing but the sender's own bytes is taken.
func TestForgeries(t *testing.T) {
	good := full().Append(nil, testKey)
	var m Message
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 0x10
		if err := m.Parse(bad, testKey); err == nil {
			t.Fatalf("a changed byte %d was taken", i)
		}
	}
	for n := range good {
		if err := m.Parse(good[:n], testKey); err == nil {
			t.Fatalf("%d of %d bytes were taken", n, len(good))
		}
	}
	if err := m.Parse(good, []byte("another key")); !errors.Is(err, ErrCode) {
		t.Fatalf("%v", err)
	}
	if err := m.Parse(full().Append(nil, nil), testKey); !errors.Is(err, ErrCode) {
		t.Fatalf("without a key: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(full().Append(nil, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > codeLen { // a right code, so that the rest is looked at
			code := codeOf(b[:len(b)-codeLen], nil)
			copy(b[len(b)-codeLen:], code[:])
		}
		var m Message
		if m.Parse(b, nil) != nil {
			return
		}
		if again := m.Append(nil, nil); !bytes.Equal(again, b) {
			t.Fatalf("%x came back as %x", b, again)
		}
	})
}

// pair is two nodes that hear each other, and what goes between them.
type pair struct {
	t    *testing.T
	now  Time
	a, b *Peer // each is the other as one sees it
	last [2]Message
}

const second = Time(time.Second)

func newPair(t *testing.T, lines int) *pair {
	return &pair{t: t, now: 1000 * second, a: NewPeer(1, 2, Boot{1}, lines, time.Second, 2*time.Second),
		b: NewPeer(2, 1, Boot{2}, lines, time.Second, 2*time.Second)}
}

// beat has both send once, and says on which lines each way carries.
func (p *pair) beat(aToB, bToA []int) (va, vb []Worth, ca, cb []Change) {
	p.now += second / 10
	var m, n Message
	p.a.Next(p.now, &m)
	p.b.Next(p.now, &n)
	for _, on := range aToB {
		m.Line = uint8(on)
		var v Worth
		v, cb = p.b.Receive(p.now+1, on, &m, cb)
		vb = append(vb, v)
	}
	for _, on := range bToA {
		n.Line = uint8(on)
		var v Worth
		v, ca = p.a.Receive(p.now+1, on, &n, ca)
		va = append(va, v)
	}
	p.last = [2]Message{m, n}
	return va, vb, p.a.Tick(p.now+2, ca), p.b.Tick(p.now+2, cb)
}

func (p *pair) states() (a, b []LineState) {
	la, _ := p.a.Status(p.now)
	lb, _ := p.b.Status(p.now)
	for i := range la {
		a, b = append(a, la[i].State), append(b, lb[i].State)
	}
	return a, b
}

func (p *pair) want(what string, a, b []LineState) {
	p.t.Helper()
	if ga, gb := p.states(); !reflect.DeepEqual(ga, a) || !reflect.DeepEqual(gb, b) {
		p.t.Fatalf("%s: %v and %v, want %v and %v", what, ga, gb, a, b)
	}
}

// TestLines: a line is up when both hear each other on it; a cut, and a line that carries one way, are seen on both
// sides, and the other line's state stays.
func TestLines(t *testing.T) {
	p := newPair(t, 2)
	all := []int{0, 1}
	for range 4 {
		p.beat(all, all)
	}
	p.want("both lines", []LineState{Both, Both}, []LineState{Both, Both})
	for range 15 {
		p.beat([]int{0}, []int{0})
	}
	p.want("one is cut", []LineState{Both, Silent}, []LineState{Both, Silent})
	for range 15 {
		p.beat([]int{0, 1}, []int{0})
	}
	p.want("it carries one way", []LineState{Both, Silent}, []LineState{Both, Deaf})
	for range 15 {
		p.beat(nil, []int{0, 1})
	}
	p.want("the other way only", []LineState{Deaf, Deaf}, []LineState{Silent, Silent})
	if !p.a.Alive() || p.b.Alive() {
		t.Error("who is heard is alive")
	}
	for range 4 {
		p.beat(all, all)
	}
	p.want("mended", []LineState{Both, Both}, []LineState{Both, Both})
}

// TestOldMessages: what was recorded counts for nothing, at once or in a later life of either.
func TestOldMessages(t *testing.T) {
	p := newPair(t, 1)
	on := []int{0}
	var recorded []Message
	for range 20 {
		p.beat(on, on)
		recorded = append(recorded, p.last[1])
	}
	if v, _ := p.a.Receive(p.now+3, 0, &p.last[1], nil); v != Repeated {
		t.Errorf("a repetition is %v", v)
	}
	// The receiver is restarted: it knows nothing, and what was recorded is for its former life.
	p.a = NewPeer(1, 2, Boot{3}, 1, time.Second, 2*time.Second)
	for i := range recorded {
		if v, _ := p.a.Receive(p.now+4, 0, &recorded[i], nil); v == Fresh {
			t.Fatalf("message %d of the former life is fresh", i)
		}
	}
	for range 4 {
		p.beat(on, on)
	}
	p.want("after the restart", []LineState{Both}, []LineState{Both})
	// The sender is restarted: its former life does not come back.
	recorded = recorded[:0]
	for range 5 {
		p.beat(on, on)
		recorded = append(recorded, p.last[1])
	}
	p.b = NewPeer(2, 1, Boot{4}, 1, time.Second, 2*time.Second)
	for range 40 {
		p.beat(on, on)
	}
	p.want("after the other's restart", []LineState{Both}, []LineState{Both})
	for i := range recorded {
		if v, _ := p.a.Receive(p.now+5, 0, &recorded[i], nil); v != Stale {
			t.Fatalf("message %d of the sender's former life is %v", i, v)
		}
	}
	if va, _, _, _ := p.beat(on, on); va[0] != Fresh {
		t.Errorf("the living one is %v", va[0])
	}
}

// TestLateMessages: a message that waited for longer than the window on its way is not fresh.
func TestLateMessages(t *testing.T) {
	p := newPair(t, 1)
	on := []int{0}
	for range 4 {
		p.beat(on, on)
	}
	var m Message
	p.b.Next(p.now, &m)
	if v, _ := p.a.Receive(p.now+3*second, 0, &m, nil); v != Stale {
		t.Errorf("it is %v", v)
	}
}

// TestAstray: what is for others, or claims to be from us.
func TestAstray(t *testing.T) {
	p := newPair(t, 1)
	p.beat([]int{0}, []int{0})
	for _, change := range []func(*Message){func(m *Message) { m.From = 1 }, func(m *Message) { m.To = 3 },
		func(m *Message) { m.Line = 1 }} {
		m := p.last[1]
		m.Seq += 10
		change(&m)
		if v, _ := p.a.Receive(p.now, 0, &m, nil); v != Astray {
			t.Errorf("%+v is %v", m, v)
		}
	}
}
