package vrrp

import (
	"crypto/subtle"
	"net/netip"
)

// Datagram is a received VRRP message with what its IP header said.
type Datagram struct {
	Payload  []byte // the VRRP message, without IP header; not kept
	Src, Dst netip.Addr
	TTL      int // or hop limit
}

// Reason says why an advert was refused, or what was odd about one accepted.
type Reason uint8

// Reasons, in the order of the checks.
const (
	Accepted     Reason = iota
	TooShort            // no room for a header
	Ignored             // in FAULT, INIT or before the start delay is over
	BadLength           // shorter than its address count says
	BadTTL              // not 255: it crossed a router
	BadVersion          // the other protocol version
	BadAuthType         // authentication differs
	BadPassword         // wrong password
	BadInterval         // VRRPv2: interval differs
	BadType             // not an advertisement
	BadChecksum         //
	WrongCast           // unicast where multicast is configured, or the reverse
	OwnSource           // from our own source address: a loop, or its double on the network
	NotPeer             // sender is not a unicast peer
	PeerTTL             // TTL outside the peer's range
	NumRefusals         // how many reasons above
	NoteInterval        // VRRPv3: interval differs, adopted by backups
	NoteAddrs           // address lists differ
	numReasons
)

var reasonText = [numReasons]string{
	Accepted:     "accepted",
	TooShort:     "too short for a VRRP header",
	Ignored:      "not taking part in the election",
	BadLength:    "shorter than its address count says",
	BadTTL:       "TTL is not 255, so it came through a router",
	BadVersion:   "VRRP version differs from ours",
	BadAuthType:  "authentication type differs from ours",
	BadPassword:  "wrong password",
	BadInterval:  "advertisement interval differs from ours (VRRPv2 drops it: both sides will be master)",
	BadType:      "not an advertisement",
	BadChecksum:  "wrong checksum",
	WrongCast:    "unicast and multicast are mixed between us",
	OwnSource:    "comes from our own address: a loop, or another host with it",
	NotPeer:      "sender is not in unicast_peer",
	PeerTTL:      "TTL outside the range set for this peer",
	NoteInterval: "advertisement interval differs from ours; a backup follows the master's",
	NoteAddrs:    "virtual addresses differ from ours; both sides should list the same",
}

// String says the reason in words for a log line.
func (r Reason) String() string {
	if r < numReasons {
		return reasonText[r]
	}
	return "unknown reason"
}

// judge applies the receive checks in the order of Keepalived (RFC 9568 §7.1
// lists them unordered). notes holds Note reasons of an accepted advert as a
// bit set over Reason.
func (p *Params) judge(d *Datagram) (m message, why Reason, notes uint32) {
	m, length, ok := parse(d.Payload, p.IPv6)
	// An unknown version decides the layout, so it is named before the length it implies.
	if m.version == p.Version && !ok {
		return m, BadLength, 0
	}
	multicast := d.Dst.IsMulticast()
	if multicast && d.TTL != MulticastTTL {
		return m, BadTTL, 0
	}
	if m.version != p.Version {
		return m, BadVersion, 0
	}
	if p.Version == 2 {
		if why := p.judgeV2(&m); why != Accepted {
			return m, why, 0
		}
	}
	if m.typ != typeAdvert {
		return m, BadType, 0
	}
	if p.Version == 3 && m.interval != p.Interval {
		notes |= 1 << NoteInterval
	}
	if !checksumOK(d.Payload[:length], p.Version, p.IPv6, d.Src, d.Dst) {
		return m, BadChecksum, 0
	}
	if multicast == (len(p.Peers) > 0) {
		return m, WrongCast, 0
	}
	if d.Src == p.Source {
		return m, OwnSource, 0
	}
	if m.interval == 0 { // nothing may be timed by it
		return m, BadInterval, 0
	}
	if !m.sameAddrs(p.Addrs, p.IPv6) {
		notes |= 1 << NoteAddrs
	}
	return m, p.judgePeer(d), notes
}

func (p *Params) judgeV2(m *message) Reason {
	want := uint8(authNone)
	if p.AuthPass != "" {
		want = authSimple
	}
	if p.IPv6 { // no authentication data on this wire
		want = m.authType
	}
	if m.authType != want {
		return BadAuthType
	}
	if want == authSimple && !p.IPv6 {
		var pass [authLen]byte
		copy(pass[:], p.AuthPass)
		if subtle.ConstantTimeCompare(pass[:], m.auth) != 1 {
			return BadPassword
		}
	}
	if m.interval != p.Interval {
		return BadInterval
	}
	return Accepted
}

func (p *Params) judgePeer(d *Datagram) Reason {
	known := len(p.Peers) == 0
	check := p.CheckSource
	for i := range p.Peers {
		peer := &p.Peers[i]
		bounded := peer.MinTTL != 0 || peer.MaxTTL != 0
		check = check || bounded
		if peer.Addr != d.Src {
			continue
		}
		known = true
		if bounded && (d.TTL < peer.MinTTL || peer.MaxTTL != 0 && d.TTL > peer.MaxTTL) {
			return PeerTTL
		}
	}
	if check && !known {
		return NotPeer
	}
	return Accepted
}
