package vrrp

import (
	"fmt"
	"net/netip"
	"time"
)

// Time is an instant: nanoseconds on a clock that never jumps and keeps counting
// while the machine sleeps (CLOCK_BOOTTIME).
type Time int64

// Add returns t moved by d.
func (t Time) Add(d time.Duration) Time { return t + Time(d) }

// Sub returns the time from u to t.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t - u) }

// Never is the deadline of a timer that is not set.
const Never = Time(1<<63 - 1)

// Owner is the priority of the router that owns the addresses (RFC 9568 §5.2.4).
const Owner = 255

// Params are the properties of one virtual router. Zero values are not defaults:
// the configuration fills every field.
type Params struct {
	Name     string
	VRID     uint8 // 1-255
	Version  uint8 // 2 or 3
	IPv6     bool
	Priority uint8 // 1-255
	// Interval between adverts. v2: whole seconds, 1-255 s. v3: 10 ms-40.95 s in steps of 10 ms.
	Interval time.Duration
	// DownAdverts is how many adverts a backup misses before it takes over, 1-100.
	DownAdverts  int
	Preempt      bool
	PreemptDelay time.Duration // 0-1000 s
	AuthPass     string        // VRRPv2; at most 8 bytes; empty: none
	Addrs        []netip.Addr  // advertised, at most 255

	// Source is what our adverts come from; it decides between equal priorities.
	// It may be invalid only while the instance is in fault.
	Source netip.Addr
	// Peers make the instance unicast; empty: multicast.
	Peers []Peer
	// CheckSource drops adverts from senders that are not Peers.
	CheckSource bool

	// Votes: the addresses are held only while a majority of voters promises them to this node (package lease).
	Votes bool

	StartDelay time.Duration // silence after Add
	// StartMaster shortens the first wait of a sync group's member.
	StartMaster          bool
	ChecksumAsV2         bool // send v3 over IPv4 without pseudo-header
	SkipCheckAddresses   bool
	LowerPrioNoAdvert    bool
	HigherPrioSendAdvert bool

	// Announcement bursts: number of messages per address, and pauses.
	AnnounceRepeat, RefreshRepeat, LowerPrioRepeat int
	AnnounceDelay, Refresh, LowerPrioDelay         time.Duration
}

// Peer is a unicast neighbour. With MinTTL or MaxTTL set, its adverts must have
// arrived with a TTL in that range.
type Peer struct {
	Addr           netip.Addr
	MinTTL, MaxTTL int
}

// Hold is how long one advert, once sent, lets its sender hold the addresses:
// exactly what every peer waits before its own skew is added.
func (p *Params) Hold() time.Duration { return time.Duration(p.DownAdverts) * p.Interval }

// settle is how long a claimant listens for a better one after it has announced
// itself and before it opens its gate: half of what lies between two backups
// whose priorities differ by one, so that takeover is not measurably later,
// yet longer than an advert's way across a LAN for adverts of a second.
func (p *Params) settle() time.Duration { return p.Interval / 512 }

// quiet is how long a rival must not answer for the address before a claimant
// that takes it from a living master assumes that it has released it: many times an
// answer's way across a LAN, because a busy kernel answers late.
func (p *Params) quiet() time.Duration {
	return min(max(p.Interval/50, time.Millisecond), 2*time.Millisecond)
}

// skew is the part of the master-down time that priority decides
// (RFC 3768 §6.1: in 256ths of a second; RFC 9568 §6.1: of the master's interval).
func (p *Params) skew(priority uint8, masterInterval time.Duration) time.Duration {
	unit := masterInterval
	if p.Version == 2 {
		unit = time.Second
	}
	return time.Duration(256-int(priority)) * unit / 256
}

// Validate reports the first value outside its range. The configuration readers
// have better messages; this guards callers that build Params themselves.
func (p *Params) Validate() error {
	switch {
	case p.VRID == 0:
		return fmt.Errorf("vrrp: %s: virtual router id 0", p.Name)
	case p.Version != 2 && p.Version != 3:
		return fmt.Errorf("vrrp: %s: version %d", p.Name, p.Version)
	case p.Priority == 0:
		return fmt.Errorf("vrrp: %s: priority 0", p.Name)
	case p.Version == 2 && (p.Interval < time.Second || p.Interval > 255*time.Second || p.Interval%time.Second != 0):
		return fmt.Errorf("vrrp: %s: interval %v is not 1-255 whole seconds", p.Name, p.Interval)
	case p.Version == 3 && (p.Interval < 10*time.Millisecond || p.Interval > maxV3Interval ||
		p.Interval%(10*time.Millisecond) != 0):
		return fmt.Errorf("vrrp: %s: interval %v is not 10 ms-40.95 s in steps of 10 ms", p.Name, p.Interval)
	case p.DownAdverts < 1 || p.DownAdverts > 100:
		return fmt.Errorf("vrrp: %s: %d adverts to miss is not 1-100", p.Name, p.DownAdverts)
	case len(p.AuthPass) > authLen:
		return fmt.Errorf("vrrp: %s: password longer than %d bytes", p.Name, authLen)
	case len(p.Addrs) > 255:
		return fmt.Errorf("vrrp: %s: %d addresses in one advert", p.Name, len(p.Addrs))
	}
	for _, a := range p.Addrs {
		if a.Is6() != p.IPv6 {
			return fmt.Errorf("vrrp: %s: address %v is of the other family", p.Name, a)
		}
	}
	return nil
}
