package heartbeat

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
)

// MaxSize is how long a message may be: it fits into one Ethernet frame, whatever carries it.
const MaxSize = 1400

// MaxLines is how many lines there may be between two nodes.
const MaxLines = 8

// maxItems bounds what a message may hold of anything.
const maxItems = 64

// Boot tells one life of a node from another: random, made when it starts.
type Boot [8]byte

// Message is what one node tells another.
type Message struct {
	Cluster  uint32 // hash of its name
	From, To uint8  // numbers of the nodes
	Line     uint8  // on which it was sent
	Boot     Boot
	Seq      uint64 // counts the sender's messages to this receiver, over all lines, from 1
	// Echo is the receiver's life and the highest number that the sender has heard from it.
	EchoBoot Boot
	EchoSeq  uint64
	// Heard is, for each line, the highest number that came on it; 0: none in this life.
	Heard  []uint64
	Groups []Group
	Votes  []Vote
}

// Group is the state of one group of addresses on the sender.
type Group struct {
	ID       uint32 // hash of its name
	State    uint8  // a vrrp.State
	Priority uint8
	Epoch    uint64 // that it holds; 0: none
	Agree    uint32 // hash of what both nodes must have alike
}

// VoteKind is what a vote's message says.
type VoteKind uint8

// Kinds of votes.
const (
	VoteAsk VoteKind = iota + 1
	VoteGranted
	VoteRefused
	VoteRelease
	VoteHandOver // a backup asks the holder for the addresses
)

// Vote is a question, an answer or a release of package lease, for one group.
type Vote struct {
	Kind   VoteKind
	Group  uint32
	Epoch  uint64
	Sent   int64 // of the asking node's clock
	Length int64 // ask: the promise; refusal: how long it is still another's; nanoseconds
	Holder int8  // refusal
}

// Layout: magic, version, then fixed fields, then three counted lists, then the code. Numbers are big-endian.
const (
	magic    = 0x454b4842 // "EKHB"
	version  = 1
	fixed    = 4 + 1 + 3 + 4 + 8 + 8 + 8 + 8
	groupLen = 4 + 1 + 1 + 8 + 4
	voteLen  = 1 + 1 + 4 + 8 + 8 + 8
	codeLen  = 16
)

// Reasons to refuse what came in.
var (
	ErrForeign   = errors.New("no heartbeat of ours")
	ErrVersion   = errors.New("a heartbeat of another version")
	ErrMalformed = errors.New("a malformed heartbeat")
	ErrCode      = errors.New("a heartbeat with a wrong code: another key, or a forgery")
)

// Append writes a message. With a key its code is an HMAC of all before it; without one it only finds mistakes of
// transmission.
func (m *Message) Append(b, key []byte) []byte {
	start := len(b)
	b = binary.BigEndian.AppendUint32(b, magic)
	b = append(b, version, m.From, m.To, m.Line)
	b = binary.BigEndian.AppendUint32(b, m.Cluster)
	b = append(b, m.Boot[:]...)
	b = binary.BigEndian.AppendUint64(b, m.Seq)
	b = append(b, m.EchoBoot[:]...)
	b = binary.BigEndian.AppendUint64(b, m.EchoSeq)
	b = append(b, uint8(len(m.Heard)), uint8(len(m.Groups)), uint8(len(m.Votes)))
	for _, seq := range m.Heard {
		b = binary.BigEndian.AppendUint64(b, seq)
	}
	for i := range m.Groups {
		g := &m.Groups[i]
		b = append(binary.BigEndian.AppendUint32(b, g.ID), g.State, g.Priority)
		b = binary.BigEndian.AppendUint64(b, g.Epoch)
		b = binary.BigEndian.AppendUint32(b, g.Agree)
	}
	for i := range m.Votes {
		v := &m.Votes[i]
		b = append(b, uint8(v.Kind), uint8(v.Holder))
		b = binary.BigEndian.AppendUint32(b, v.Group)
		b = binary.BigEndian.AppendUint64(b, v.Epoch)
		b = binary.BigEndian.AppendUint64(b, uint64(v.Sent))
		b = binary.BigEndian.AppendUint64(b, uint64(v.Length))
	}
	code := codeOf(b[start:], key)
	return append(b, code[:]...)
}

func codeOf(b, key []byte) (code [codeLen]byte) {
	h := hmac.New(sha256.New, key)
	h.Write(b)
	copy(code[:], h.Sum(nil))
	return code
}

// ClusterOf is the cluster that a message says it belongs to, before its code has been looked at; false: it is none.
func ClusterOf(b []byte) (cluster uint32, ok bool) {
	if len(b) < fixed+3+codeLen || binary.BigEndian.Uint32(b) != magic || b[4] != version {
		return 0, false
	}
	return binary.BigEndian.Uint32(b[8:]), true
}

// Hash is the number of a name: of a cluster or a group (FNV-1a, 32 bits).
func Hash(name string) uint32 {
	h := uint32(2166136261)
	for i := range len(name) {
		h = (h ^ uint32(name[i])) * 16777619
	}
	return h
}

// Parse reads a message into m, whose lists are used again. The code is looked at before anything else.
func (m *Message) Parse(b, key []byte) error {
	switch {
	case len(b) < fixed+3+codeLen || len(b) > MaxSize || binary.BigEndian.Uint32(b) != magic:
		return ErrForeign
	case b[4] != version:
		return ErrVersion
	}
	text, code := b[:len(b)-codeLen], b[len(b)-codeLen:]
	if want := codeOf(text, key); !hmac.Equal(code, want[:]) {
		return ErrCode
	}
	*m = Message{Cluster: binary.BigEndian.Uint32(b[8:]), From: b[5], To: b[6], Line: b[7],
		Heard: m.Heard[:0], Groups: m.Groups[:0], Votes: m.Votes[:0]}
	copy(m.Boot[:], b[12:])
	m.Seq = binary.BigEndian.Uint64(b[20:])
	copy(m.EchoBoot[:], b[28:])
	m.EchoSeq = binary.BigEndian.Uint64(b[36:])
	lines, groups, votes := int(text[fixed]), int(text[fixed+1]), int(text[fixed+2])
	rest := text[fixed+3:]
	if lines > MaxLines || groups > maxItems || votes > maxItems || int(m.Line) >= MaxLines || m.Seq == 0 ||
		len(rest) != lines*8+groups*groupLen+votes*voteLen {
		return ErrMalformed
	}
	for ; lines > 0; lines, rest = lines-1, rest[8:] {
		m.Heard = append(m.Heard, binary.BigEndian.Uint64(rest))
	}
	for ; groups > 0; groups, rest = groups-1, rest[groupLen:] {
		m.Groups = append(m.Groups, Group{ID: binary.BigEndian.Uint32(rest), State: rest[4], Priority: rest[5],
			Epoch: binary.BigEndian.Uint64(rest[6:]), Agree: binary.BigEndian.Uint32(rest[14:])})
	}
	for ; votes > 0; votes, rest = votes-1, rest[voteLen:] {
		v := Vote{Kind: VoteKind(rest[0]), Holder: int8(rest[1]), Group: binary.BigEndian.Uint32(rest[2:]),
			Epoch: binary.BigEndian.Uint64(rest[6:]), Sent: int64(binary.BigEndian.Uint64(rest[14:])),
			Length: int64(binary.BigEndian.Uint64(rest[22:]))}
		if v.Kind < VoteAsk || v.Kind > VoteHandOver || v.Length < 0 {
			return ErrMalformed
		}
		m.Votes = append(m.Votes, v)
	}
	return nil
}
