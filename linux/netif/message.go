package netif

import (
	"encoding/binary"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/config"
)

// AddressProtocol marks addresses of ours (IFA_PROTO, Linux 5.18; /etc/iproute2/rt_addrprotos
// may give it a name). The numbers 1 to 3 are the kernel's.
const AddressProtocol = 69

const (
	ifaProto = 11 // IFA_PROTO, linux/if_addr.h since 5.18

	forever = ^uint32(0) // INFINITY_LIFE_TIME
)

// request appends netlink messages to one buffer.
type request struct {
	buf   []byte
	start int // offset of the message under construction
}

func (r *request) begin(kind, flags uint16, seq uint32) {
	r.start = len(r.buf)
	r.buf = binary.NativeEndian.AppendUint32(r.buf, 0) // length, filled in by end
	r.buf = binary.NativeEndian.AppendUint16(r.buf, kind)
	r.buf = binary.NativeEndian.AppendUint16(r.buf, flags|unix.NLM_F_REQUEST)
	r.buf = binary.NativeEndian.AppendUint32(r.buf, seq)
	r.buf = binary.NativeEndian.AppendUint32(r.buf, 0) // port: the kernel fills it in
}

func (r *request) end() {
	binary.NativeEndian.PutUint32(r.buf[r.start:], uint32(len(r.buf)-r.start))
}

func (r *request) attr(kind uint16, value ...byte) {
	r.buf = binary.NativeEndian.AppendUint16(r.buf, uint16(unix.SizeofRtAttr+len(value)))
	r.buf = binary.NativeEndian.AppendUint16(r.buf, kind)
	r.buf = append(r.buf, value...)
	for len(r.buf)%unix.NLMSG_ALIGNTO != 0 {
		r.buf = append(r.buf, 0)
	}
}

// add appends the message that adds a, or renews it where it exists.
func (r *request) add(a Assignment, seq uint32) {
	r.begin(unix.RTM_NEWADDR, unix.NLM_F_ACK|unix.NLM_F_CREATE|unix.NLM_F_REPLACE, seq)
	valid := lifetimeSeconds(a.Lifetime)
	preferred := valid
	addr := a.Addr.Prefix.Addr()
	var flags uint32
	if addr.Is6() {
		// The lease says that nobody else has the address; detection would delay the takeover.
		flags = unix.IFA_F_NODAD
		if a.Addr.Prefix.Bits() == 128 || a.Addr.NoSource {
			preferred = 0 // deprecated: never chosen as a source, as Keepalived does with the former
		}
	}
	r.address(a, uint8(a.Addr.Scope), byte(flags))
	if addr.Is4() {
		if b, ok := broadcast(a.Addr); ok {
			ip := b.As4()
			r.attr(unix.IFA_BROADCAST, ip[:]...)
		}
		if a.Addr.Label != "" {
			r.attr(unix.IFA_LABEL, append([]byte(a.Addr.Label), 0)...)
		}
	}
	if flags != 0 {
		r.attr(unix.IFA_FLAGS, binary.NativeEndian.AppendUint32(nil, flags)...)
	}
	var cache [unix.SizeofIfaCacheinfo]byte
	binary.NativeEndian.PutUint32(cache[0:], preferred)
	binary.NativeEndian.PutUint32(cache[4:], valid)
	r.attr(unix.IFA_CACHEINFO, cache[:]...)
	r.attr(ifaProto, AddressProtocol)
	r.end()
}

// remove appends the message that removes a.
func (r *request) remove(a Assignment, seq uint32) {
	r.begin(unix.RTM_DELADDR, unix.NLM_F_ACK, seq)
	r.address(a, 0, 0)
	r.end()
}

// address appends the fixed part and the address itself.
func (r *request) address(a Assignment, scope, flags byte) {
	family := byte(unix.AF_INET)
	addr := a.Addr.Prefix.Addr()
	if addr.Is6() {
		family = unix.AF_INET6
	}
	r.buf = append(r.buf, family, byte(a.Addr.Prefix.Bits()), flags, scope)
	r.buf = binary.NativeEndian.AppendUint32(r.buf, uint32(a.Ifindex))
	r.attr(unix.IFA_LOCAL, addr.AsSlice()...)
	r.attr(unix.IFA_ADDRESS, addr.AsSlice()...)
}

// broadcast returns the broadcast address configured for a.
func broadcast(a config.Address) (netip.Addr, bool) {
	if a.BroadcastAuto {
		ip := a.Prefix.Addr().As4()
		mask := ^uint32(0) >> a.Prefix.Bits()
		binary.BigEndian.PutUint32(ip[:], binary.BigEndian.Uint32(ip[:])|mask)
		return netip.AddrFrom4(ip), a.Prefix.Bits() < 31
	}
	return a.Broadcast, a.Broadcast.Is4()
}

// lifetimeSeconds rounds up to the kernel's whole seconds.
func lifetimeSeconds(d time.Duration) uint32 {
	if d <= 0 {
		return forever
	}
	s := (d + time.Second - 1) / time.Second
	return uint32(min(s, time.Duration(forever-1)))
}
