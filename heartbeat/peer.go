package heartbeat

import "time"

// Time is nanoseconds of this machine's clock that never stops or jumps.
type Time int64

// Sub gives the duration since u.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t - u) }

// Worth is what a message is worth.
type Worth uint8

const (
	// Fresh: it answers what this node said a moment ago. Its votes and states count.
	Fresh Worth = iota
	// Stale: it may be new, but does not show it: the peer has not heard this node lately, or not in this life. That it
	// came tells that the line carries; nothing in it counts.
	Stale
	// Repeated: this number has come before on this line. Nothing in it counts.
	Repeated
	// Astray: it is for another node, or from this one.
	Astray
)

func (v Worth) String() string { return [...]string{"fresh", "stale", "repeated", "astray"}[v] }

// LineState is how a line to a peer is.
type LineState uint8

const (
	Silent LineState = iota // nothing comes
	Deaf                    // it is heard, and does not hear us
	Both                    // both ways
)

func (s LineState) String() string { return [...]string{"silent", "one way", "up"}[s] }

// Change is a line that has become another.
type Change struct {
	Line     int
	From, To LineState
}

// line is what is known of one line to a peer.
type line struct {
	state   LineState
	seq     uint64 // the highest number that came on it, in this life of the peer
	at      Time   // when the last one came; 0: never
	told    uint64 // the highest of ours that the peer says came on it
	toldAt  Time   // when that last grew
	carried uint64 // messages that came
}

// Peer is another node as this one hears it.
type Peer struct {
	me, id  uint8
	boot    Boot // ours
	life    Boot // the peer's; zero: not known
	seq     uint64
	sent    [sentRoom]Time // when our latest numbers were sent
	seen    uint64         // the highest number of the peer's in this life
	lines   []line
	timeout time.Duration
	window  time.Duration
	lives   int
}

// sentRoom is how many of our own messages' times are remembered, a power of two.
const sentRoom = 256

// NewPeer begins with a peer that has not been heard. lines is how many there are to it, timeout after how long without
// a message a line is silent, window how old the echo in a fresh message may be.
func NewPeer(me, id uint8, boot Boot, lines int, timeout, window time.Duration) *Peer {
	return &Peer{me: me, id: id, boot: boot, lines: make([]line, lines), timeout: timeout, window: window}
}

// Next fills in a message to the peer that is sent now, on every line: all but its groups, votes and line.
func (p *Peer) Next(now Time, m *Message) {
	p.seq++
	p.sent[p.seq%sentRoom] = now
	m.From, m.To, m.Boot, m.Seq, m.EchoBoot, m.EchoSeq = p.me, p.id, p.boot, p.seq, p.life, p.seen
	m.Heard = m.Heard[:0]
	for i := range p.lines {
		m.Heard = append(m.Heard, p.lines[i].seq)
	}
}

// Receive takes a message in that came on a line.
func (p *Peer) Receive(now Time, on int, m *Message, changes []Change) (Worth, []Change) {
	if m.From != p.id || m.To != p.me || on < 0 || on >= len(p.lines) || int(m.Line) != on {
		return Astray, changes
	}
	l := &p.lines[on]
	fresh := p.fresh(now, m)
	if m.Boot != p.life {
		if !fresh && p.life != (Boot{}) {
			return Stale, changes // another life must show that it hears this one
		}
		p.begin(m.Boot)
	}
	if m.Seq <= l.seq {
		return Repeated, changes
	}
	l.seq, l.at = m.Seq, now
	l.carried++
	p.seen = max(p.seen, m.Seq)
	if fresh {
		p.heard(now, m)
	}
	changes = p.look(now, changes)
	if !fresh {
		return Stale, changes
	}
	return Fresh, changes
}

// fresh says whether the message answers one of ours that was sent within the window.
func (p *Peer) fresh(now Time, m *Message) bool {
	if m.EchoBoot != p.boot || m.EchoSeq == 0 || m.EchoSeq > p.seq || p.seq-m.EchoSeq >= sentRoom {
		return false
	}
	return now.Sub(p.sent[m.EchoSeq%sentRoom]) <= p.window
}

// begin is the peer's new life.
func (p *Peer) begin(life Boot) {
	p.life, p.seen = life, 0
	p.lives++
	for i := range p.lines {
		p.lines[i].seq, p.lines[i].told = 0, 0
	}
}

// heard notes on which lines the peer hears us.
func (p *Peer) heard(now Time, m *Message) {
	for i := range p.lines {
		if l := &p.lines[i]; i < len(m.Heard) && m.Heard[i] > l.told && m.Heard[i] <= p.seq {
			l.told, l.toldAt = m.Heard[i], now
		}
	}
}

// Tick looks which lines have fallen silent.
func (p *Peer) Tick(now Time, changes []Change) []Change { return p.look(now, changes) }

func (p *Peer) look(now Time, changes []Change) []Change {
	for i := range p.lines {
		l := &p.lines[i]
		state := Silent
		if l.at != 0 && now.Sub(l.at) < p.timeout {
			state = Deaf
			if l.told != 0 && now.Sub(l.toldAt) < p.timeout {
				state = Both
			}
		}
		if state != l.state {
			changes = append(changes, Change{Line: i, From: l.state, To: state})
			l.state = state
		}
	}
	return changes
}

// Alive says whether the peer is heard on any line.
func (p *Peer) Alive() bool {
	for i := range p.lines {
		if p.lines[i].state != Silent {
			return true
		}
	}
	return false
}

// LineStatus is one line for people.
type LineStatus struct {
	State    LineState
	Since    time.Duration // since the last message; negative: none ever
	Messages uint64
}

// Status tells how each line is, and how many lives of the peer this node has seen.
func (p *Peer) Status(now Time) (lines []LineStatus, lives int) {
	for i := range p.lines {
		l := &p.lines[i]
		s := LineStatus{State: l.state, Since: -1, Messages: l.carried}
		if l.at != 0 {
			s.Since = now.Sub(l.at)
		}
		lines = append(lines, s)
	}
	return lines, p.lives
}
