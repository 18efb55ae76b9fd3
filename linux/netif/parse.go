package netif

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Link is an interface as the kernel describes it.
type Link struct {
	Index int
	Name  string
	// Kind is the driver kind ("vlan", "bridge", "veth", …), empty for hardware.
	Kind string
	// Master is the index of the bridge, bond or VRF this interface belongs to, 0 for none;
	// MasterKind is what kind of membership that is ("bridge", "bond", "vrf", …).
	Master       int
	MasterKind   string
	HardwareAddr net.HardwareAddr
	// Ethernet says that frames have Ethernet headers (ARPHRD_ETHER).
	Ethernet bool
	// Up: administratively up and with carrier (IFF_UP and IFF_RUNNING).
	Up        bool
	Multicast bool
	NoARP     bool
	Loopback  bool
	MTU       int
	// Addrs are the addresses with prefix length, in the kernel's order: IPv4 first, and the
	// primary before the secondaries. Events carry none.
	Addrs []netip.Prefix
}

// message is one netlink message; data points into the receive buffer.
type message struct {
	kind, flags uint16
	seq         uint32
	data        []byte
}

// nextMessage cuts the first message off b. Kind 0 means there is none.
func nextMessage(b []byte) (message, []byte) {
	if len(b) < unix.SizeofNlMsghdr {
		return message{}, nil
	}
	size := int(binary.NativeEndian.Uint32(b))
	if size < unix.SizeofNlMsghdr || size > len(b) {
		return message{}, nil
	}
	m := message{
		kind:  binary.NativeEndian.Uint16(b[4:]),
		flags: binary.NativeEndian.Uint16(b[6:]),
		seq:   binary.NativeEndian.Uint32(b[8:]),
		data:  b[unix.SizeofNlMsghdr:size],
	}
	return m, b[min((size+3)&^3, len(b)):]
}

// reason returns the text an acknowledgement carries (NLMSGERR_ATTR_MSG).
func (m message) reason() string {
	const nlmFCapped, nlmFAckTLVs, attrMsg = 0x100, 0x200, 1
	const head = 4 + unix.SizeofNlMsghdr
	if m.flags&nlmFAckTLVs == 0 || len(m.data) < head {
		return ""
	}
	skip := head
	if m.flags&nlmFCapped == 0 {
		skip = 4 + (int(binary.NativeEndian.Uint32(m.data[4:]))+3)&^3
	}
	text := ""
	if skip <= len(m.data) {
		attributes(m.data[skip:], func(kind uint16, value []byte) {
			if kind == attrMsg {
				text = cString(value)
			}
		})
	}
	return text
}

// nlaTypeMask takes the nested and byte-order flags off an attribute's type.
const nlaTypeMask = 0x3fff

// attributes calls f for each attribute in b.
func attributes(b []byte, f func(kind uint16, value []byte)) {
	for len(b) >= unix.SizeofRtAttr {
		size := int(binary.NativeEndian.Uint16(b))
		if size < unix.SizeofRtAttr || size > len(b) {
			return
		}
		f(binary.NativeEndian.Uint16(b[2:])&nlaTypeMask, b[unix.SizeofRtAttr:size])
		b = b[min((size+3)&^3, len(b)):]
	}
}

func cString(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(b)
}

// parseLink reads an RTM_NEWLINK or RTM_DELLINK message. Messages about a bridge port's
// bridging (family AF_BRIDGE) are not about the interface itself and are left out.
func parseLink(b []byte) (Link, bool) {
	if len(b) < unix.SizeofIfInfomsg || b[0] != unix.AF_UNSPEC {
		return Link{}, false
	}
	flags := binary.NativeEndian.Uint32(b[8:])
	const up = unix.IFF_UP | unix.IFF_RUNNING
	l := Link{
		Index:     int(int32(binary.NativeEndian.Uint32(b[4:]))),
		Ethernet:  binary.NativeEndian.Uint16(b[2:]) == unix.ARPHRD_ETHER,
		Up:        flags&up == up,
		Multicast: flags&unix.IFF_MULTICAST != 0,
		NoARP:     flags&unix.IFF_NOARP != 0,
		Loopback:  flags&unix.IFF_LOOPBACK != 0,
	}
	attributes(b[unix.SizeofIfInfomsg:], func(kind uint16, v []byte) {
		switch {
		case kind == unix.IFLA_IFNAME:
			l.Name = cString(v)
		case kind == unix.IFLA_ADDRESS:
			l.HardwareAddr = bytes.Clone(v)
		case kind == unix.IFLA_MTU && len(v) >= 4:
			l.MTU = int(binary.NativeEndian.Uint32(v))
		case kind == unix.IFLA_MASTER && len(v) >= 4:
			l.Master = int(binary.NativeEndian.Uint32(v))
		case kind == unix.IFLA_LINKINFO:
			attributes(v, func(kind uint16, v []byte) {
				switch kind {
				case unix.IFLA_INFO_KIND:
					l.Kind = cString(v)
				case unix.IFLA_INFO_SLAVE_KIND:
					l.MasterKind = cString(v)
				}
			})
		}
	})
	return l, l.Index > 0
}

// address is an RTM_NEWADDR or RTM_DELADDR message.
type address struct {
	ifindex int
	prefix  netip.Prefix
	label   string
	scope   uint8
	proto   uint8
}

func parseAddress(b []byte) (address, bool) {
	if len(b) < unix.SizeofIfAddrmsg || b[0] != unix.AF_INET && b[0] != unix.AF_INET6 {
		return address{}, false
	}
	a := address{scope: b[3], ifindex: int(binary.NativeEndian.Uint32(b[4:]))}
	var local, other netip.Addr
	attributes(b[unix.SizeofIfAddrmsg:], func(kind uint16, v []byte) {
		switch {
		case kind == unix.IFA_LOCAL:
			local, _ = netip.AddrFromSlice(v)
		case kind == unix.IFA_ADDRESS:
			other, _ = netip.AddrFromSlice(v)
		case kind == unix.IFA_LABEL:
			a.label = cString(v)
		case kind == ifaProto && len(v) == 1:
			a.proto = v[0]
		}
	})
	if !local.IsValid() { // IPv6 has IFA_LOCAL only where there is a peer
		local = other
	}
	a.prefix = netip.PrefixFrom(local, int(b[1]))
	return a, a.prefix.IsValid()
}
