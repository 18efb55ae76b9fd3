package ipvs

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"net/netip"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/lvs/table"
)

// inside calls f for the attributes in the attribute of type outer.
func inside(attrs []byte, outer uint16, f func(*netlink.AttributeDecoder)) error {
	ad, err := netlink.NewAttributeDecoder(attrs)
	if err != nil {
		return err
	}
	found := false
	for ad.Next() {
		if ad.Type() == outer {
			found = true
			ad.Nested(each(f))
		}
	}
	if err := ad.Err(); err != nil {
		return err
	}
	if !found {
		return fmt.Errorf("the kernel's answer lacks attribute %d", outer)
	}
	return nil
}

func each(f func(*netlink.AttributeDecoder)) func(*netlink.AttributeDecoder) error {
	return func(ad *netlink.AttributeDecoder) error {
		for ad.Next() {
			f(ad)
		}
		return ad.Err()
	}
}

// raw is a service or destination while its attributes come in, in any order.
type raw struct {
	family           uint16
	addr             []byte
	port             uint16
	stats64          bool
	netmask          [4]byte
	counters, wide   table.Counters
	rates, wideRates table.Rates
}

func (r *raw) attr(ad *netlink.AttributeDecoder, family, addr, port, stats, stats64 uint16) bool {
	switch ad.Type() {
	case family:
		r.family = ad.Uint16()
	case addr:
		r.addr = ad.Bytes()
	case port:
		r.port = bigEndian(ad.Bytes())
	case stats:
		ad.Nested(each(func(ad *netlink.AttributeDecoder) { stat(ad, &r.counters, &r.rates) }))
	case stats64:
		r.stats64 = true
		ad.Nested(each(func(ad *netlink.AttributeDecoder) { stat(ad, &r.wide, &r.wideRates) }))
	default:
		return false
	}
	return true
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

func (r *raw) stats() (table.Counters, table.Rates) {
	if r.stats64 {
		return r.wide, r.wideRates
	}
	return r.counters, r.rates
}

func bigEndian(b []byte) uint16 {
	if len(b) < 2 {
		return 0
	}
	return binary.BigEndian.Uint16(b)
}

// stat decodes one counter; in the older set packets and connections have 32 bits.
func stat(ad *netlink.AttributeDecoder, c *table.Counters, r *table.Rates) {
	var to *uint64
	switch ad.Type() {
	case statConns:
		to = &c.Connections
	case statInPackets:
		to = &c.InPackets
	case statOutPackets:
		to = &c.OutPackets
	case statInBytes:
		to = &c.InBytes
	case statOutBytes:
		to = &c.OutBytes
	case statConnRate:
		to = &r.Connections
	case statInPacketRate:
		to = &r.InPackets
	case statOutPacketRate:
		to = &r.OutPackets
	case statInByteRate:
		to = &r.InBytes
	case statOutByteRate:
		to = &r.OutBytes
	default:
		return
	}
	if len(ad.Bytes()) == 4 {
		*to = uint64(ad.Uint32())
	} else {
		*to = ad.Uint64()
	}
}

func parseService(attrs []byte) (table.ServiceState, error) {
	var s table.ServiceState
	var r raw
	err := inside(attrs, attrService, func(ad *netlink.AttributeDecoder) {
		if r.attr(ad, svcFamily, svcAddr, svcPort, svcStats, svcStats64) {
			return
		}
		switch ad.Type() {
		case svcProtocol:
			s.Protocol = table.Protocol(ad.Uint16())
		case svcMark:
			s.Mark = ad.Uint32()
		case svcScheduler:
			s.Scheduler = ad.String()
		case svcEngine:
			s.Engine = ad.String()
		case svcFlags:
			if b := ad.Bytes(); len(b) >= 4 {
				s.Flags = table.Flags(binary.NativeEndian.Uint32(b))
			}
		case svcTimeout:
			s.Timeout = time.Duration(ad.Uint32()) * time.Second
		case svcNetmask:
			copy(r.netmask[:], ad.Bytes())
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
		s.Granularity = int(binary.NativeEndian.Uint32(r.netmask[:]))
	} else {
		s.Granularity = bits.OnesCount32(binary.BigEndian.Uint32(r.netmask[:]))
	}
	if s.Flags&table.Persistent == 0 {
		s.Timeout = 0
	}
	s.Counters, s.Rates = r.stats()
	return s, nil
}

// parseDestination: family is the service's, for kernels before 3.18, which have no other.
func parseDestination(attrs []byte, family uint16) (table.DestinationState, error) {
	var d table.DestinationState
	r := raw{family: family}
	err := inside(attrs, attrDest, func(ad *netlink.AttributeDecoder) {
		if r.attr(ad, destFamily, destAddr, destPort, destStats, destStats64) {
			return
		}
		switch ad.Type() {
		case destMethod:
			d.Method = table.Method(ad.Uint32() & forwardMask)
		case destWeight:
			d.Weight = int(int32(ad.Uint32()))
		case destUpper:
			d.Upper = ad.Uint32()
		case destLower:
			d.Lower = ad.Uint32()
		case destActive:
			d.Active = ad.Uint32()
		case destInactive:
			d.Inactive = ad.Uint32()
		case destPersistent:
			d.Persistent = ad.Uint32()
		case destTunType:
			d.Wrap.Type = table.TunnelType(ad.Uint8())
		case destTunPort:
			d.Wrap.Port = bigEndian(ad.Bytes())
		case destTunFlags:
			d.Wrap.Flags = table.TunnelFlags(ad.Uint16())
		}
	})
	if err != nil {
		return d, err
	}
	if d.Addr = r.addrPort(); !d.Addr.IsValid() {
		return d, fmt.Errorf("the kernel's destination has no address (family %d)", r.family)
	}
	d.Counters, d.Rates = r.stats()
	return d, nil
}

func parseDaemon(attrs []byte) (table.Daemon, error) {
	var d table.Daemon
	err := inside(attrs, attrDaemon, func(ad *netlink.AttributeDecoder) {
		switch ad.Type() {
		case daemonState:
			d.Role = table.Role(ad.Uint32())
		case daemonInterface:
			d.Interface = ad.String()
		case daemonID:
			d.ID = uint8(ad.Uint32())
		case daemonMaxLen:
			d.MaxLen = ad.Uint16()
		case daemonGroup, daemonGroup6:
			d.Group, _ = netip.AddrFromSlice(ad.Bytes())
		case daemonPort:
			d.Port = ad.Uint16()
		case daemonTTL:
			d.TTL = ad.Uint8()
		}
	})
	return d, err
}

func parseTimeouts(attrs []byte) (table.Timeouts, error) {
	var t table.Timeouts
	ad, err := netlink.NewAttributeDecoder(attrs)
	if err != nil {
		return t, err
	}
	for ad.Next() {
		switch d := ad.Type(); d {
		case attrTimeoutTCP:
			t.TCP = time.Duration(ad.Uint32()) * time.Second
		case attrTimeoutTCPFin:
			t.TCPFin = time.Duration(ad.Uint32()) * time.Second
		case attrTimeoutUDP:
			t.UDP = time.Duration(ad.Uint32()) * time.Second
		}
	}
	return t, ad.Err()
}

func parseInfo(attrs []byte) (table.Info, error) {
	info := table.Info{Driver: "ipvs"}
	ad, err := netlink.NewAttributeDecoder(attrs)
	if err != nil {
		return info, err
	}
	for ad.Next() {
		switch ad.Type() {
		case infoVersion:
			v := ad.Uint32()
			info.Version = fmt.Sprintf("%d.%d.%d", v>>16&0xff, v>>8&0xff, v&0xff)
		case infoSize:
			info.Size = int(ad.Uint32())
		}
	}
	return info, ad.Err()
}
