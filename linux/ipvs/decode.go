package ipvs

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/lvs/table"
)

// value is the content of one attribute. A number that is shorter than asked for is 0.
type value []byte

func (v value) u8() uint8 {
	if len(v) < 1 {
		return 0
	}
	return v[0]
}

func (v value) u16() uint16 {
	if len(v) < 2 {
		return 0
	}
	return binary.NativeEndian.Uint16(v)
}

func (v value) be16() uint16 {
	if len(v) < 2 {
		return 0
	}
	return binary.BigEndian.Uint16(v)
}

func (v value) u32() uint32 {
	if len(v) < 4 {
		return 0
	}
	return binary.NativeEndian.Uint32(v)
}

// count is a counter of 32 or 64 bits.
func (v value) count() uint64 {
	if len(v) >= 8 {
		return binary.NativeEndian.Uint64(v)
	}
	return uint64(v.u32())
}

// text ends before its zero.
func (v value) text() string {
	for len(v) > 0 && v[len(v)-1] == 0 {
		v = v[:len(v)-1]
	}
	return string(v)
}

// each calls f for the attributes in b, until it makes no sense.
func each(b []byte, f func(kind uint16, v value)) error {
	for len(b) >= unix.SizeofNlAttr {
		size := int(binary.NativeEndian.Uint16(b))
		if size < unix.SizeofNlAttr || size > len(b) {
			return fmt.Errorf("an attribute claims %d of %d bytes", size, len(b))
		}
		f(binary.NativeEndian.Uint16(b[2:])&^(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER),
			value(b[unix.SizeofNlAttr:size]))
		b = b[min(len(b), (size+unix.NLMSG_ALIGNTO-1)&^(unix.NLMSG_ALIGNTO-1)):]
	}
	return nil
}

// inside calls f for the attributes in the attribute of kind outer.
func inside(b []byte, outer uint16, f func(kind uint16, v value)) error {
	var nested []byte
	if err := each(b, func(kind uint16, v value) {
		if kind == outer {
			nested = v
		}
	}); err != nil {
		return err
	}
	if nested == nil {
		return fmt.Errorf("the kernel's answer lacks attribute %d", outer)
	}
	return each(nested, f)
}

// raw is a service or destination while its attributes come in, in any order.
type raw struct {
	family      uint16
	addr        value
	port        uint16
	netmask     value
	stats, wide value
	counters    table.Counters
	rates       table.Rates
}

func (r *raw) addrPort() netip.AddrPort {
	switch {
	case r.family == unix.AF_INET6 && len(r.addr) >= 16:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(r.addr)), r.port)
	case r.family == unix.AF_INET && len(r.addr) >= 4:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(r.addr)), r.port)
	}
	return netip.AddrPort{}
}

// count decodes the counters: those of 64 bits, or, before Linux 4.1, of 32.
func (r *raw) count() error {
	from := r.wide
	if from == nil {
		from = r.stats
	}
	return each(from, r.stat)
}

func (r *raw) stat(kind uint16, v value) {
	switch kind {
	case statConns:
		r.counters.Connections = v.count()
	case statInPackets:
		r.counters.InPackets = v.count()
	case statOutPackets:
		r.counters.OutPackets = v.count()
	case statInBytes:
		r.counters.InBytes = v.count()
	case statOutBytes:
		r.counters.OutBytes = v.count()
	case statConnRate:
		r.rates.Connections = v.count()
	case statInPacketRate:
		r.rates.InPackets = v.count()
	case statOutPacketRate:
		r.rates.OutPackets = v.count()
	case statInByteRate:
		r.rates.InBytes = v.count()
	case statOutByteRate:
		r.rates.OutBytes = v.count()
	}
}

func parseService(b []byte) (table.ServiceState, error) {
	var s table.ServiceState
	var r raw
	err := inside(b, attrService, func(kind uint16, v value) {
		switch kind {
		case svcFamily:
			r.family = v.u16()
		case svcProtocol:
			s.Protocol = table.Protocol(v.u16())
		case svcAddr:
			r.addr = v
		case svcPort:
			r.port = v.be16()
		case svcMark:
			s.Mark = v.u32()
		case svcScheduler:
			s.Scheduler = v.text()
		case svcEngine:
			s.Engine = v.text()
		case svcFlags:
			s.Flags = table.Flags(v.u32())
		case svcTimeout:
			s.Timeout = time.Duration(v.u32()) * time.Second
		case svcNetmask:
			r.netmask = v
		case svcStats:
			r.stats = v
		case svcStats64:
			r.wide = v
		}
	})
	if err != nil {
		return s, err
	}
	s.IPv6 = r.family == unix.AF_INET6
	if s.Mark == 0 {
		s.Addr = r.addrPort()
		if !s.Addr.IsValid() {
			return s, fmt.Errorf("the kernel's service has no address (family %d)", r.family)
		}
	} else {
		s.Protocol = 0
	}
	if s.IPv6 {
		s.Granularity = int(r.netmask.u32())
	} else {
		s.Granularity = bits.OnesCount32(r.netmask.u32())
	}
	if s.Flags&table.Persistent == 0 {
		s.Timeout = 0
	}
	err = r.count()
	s.Counters, s.Rates = r.counters, r.rates
	return s, err
}

// parseDestination: family is the service's, for kernels before 3.18, which have no other.
func parseDestination(b []byte, family uint16) (table.DestinationState, error) {
	var d table.DestinationState
	r := raw{family: family}
	err := inside(b, attrDest, func(kind uint16, v value) {
		switch kind {
		case destFamily:
			r.family = v.u16()
		case destAddr:
			r.addr = v
		case destPort:
			r.port = v.be16()
		case destMethod:
			d.Method = table.Method(v.u32() & forwardMask)
		case destWeight:
			d.Weight = int(int32(v.u32()))
		case destUpper:
			d.Upper = v.u32()
		case destLower:
			d.Lower = v.u32()
		case destActive:
			d.Active = v.u32()
		case destInactive:
			d.Inactive = v.u32()
		case destPersistent:
			d.Persistent = v.u32()
		case destTunType:
			d.Wrap.Type = table.TunnelType(v.u8())
		case destTunPort:
			d.Wrap.Port = v.be16()
		case destTunFlags:
			d.Wrap.Flags = table.TunnelFlags(v.u16())
		case destStats:
			r.stats = v
		case destStats64:
			r.wide = v
		}
	})
	if err != nil {
		return d, err
	}
	if d.Addr = r.addrPort(); !d.Addr.IsValid() {
		return d, fmt.Errorf("the kernel's destination has no address (family %d)", r.family)
	}
	err = r.count()
	d.Counters, d.Rates = r.counters, r.rates
	return d, err
}

func parseDaemon(b []byte) (table.Daemon, error) {
	var d table.Daemon
	err := inside(b, attrDaemon, func(kind uint16, v value) {
		switch kind {
		case daemonState:
			d.Role = table.Role(v.u32())
		case daemonInterface:
			d.Interface = v.text()
		case daemonID:
			d.ID = uint8(v.u32())
		case daemonMaxLen:
			d.MaxLen = v.u16()
		case daemonGroup, daemonGroup6:
			d.Group, _ = netip.AddrFromSlice(v)
		case daemonPort:
			d.Port = v.u16()
		case daemonTTL:
			d.TTL = v.u8()
		}
	})
	return d, err
}

func parseTimeouts(b []byte) (table.Timeouts, error) {
	var t table.Timeouts
	err := each(b, func(kind uint16, v value) {
		switch d := time.Duration(v.u32()) * time.Second; kind {
		case attrTimeoutTCP:
			t.TCP = d
		case attrTimeoutTCPFin:
			t.TCPFin = d
		case attrTimeoutUDP:
			t.UDP = d
		}
	})
	return t, err
}

func parseInfo(b []byte) (table.Info, error) {
	info := table.Info{Driver: "ipvs"}
	err := each(b, func(kind uint16, v value) {
		switch n := v.u32(); kind {
		case infoVersion:
			info.Version = fmt.Sprintf("%d.%d.%d", n>>16&0xff, n>>8&0xff, n&0xff)
		case infoSize:
			info.Size = int(n)
		}
	})
	return info, err
}
