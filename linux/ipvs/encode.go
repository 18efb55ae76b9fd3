package ipvs

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/lvs/table"
)

// change encodes one change as a command and its attributes.
func change(c *table.Change) (cmd uint8, attrs []byte, err error) {
	if c.Verb == table.Flush {
		return cmdFlush, nil, nil
	}
	if err := valid(c.Service.Key); err != nil {
		return 0, nil, err
	}
	var dest *table.Destination
	whole := false
	switch c.Verb {
	case table.AddService:
		cmd, whole = cmdNewService, true
	case table.EditService:
		cmd, whole = cmdSetService, true
	case table.DeleteService:
		cmd = cmdDelService
	case table.AddDestination:
		cmd, dest, whole = cmdNewDest, &c.Destination, true
	case table.EditDestination:
		cmd, dest, whole = cmdSetDest, &c.Destination, true
	case table.DeleteDestination:
		cmd, dest = cmdDelDest, &c.Destination
	default:
		return 0, nil, fmt.Errorf("verb %d: %w", c.Verb, table.ErrUnsupported)
	}
	ae := netlink.NewAttributeEncoder()
	ae.Nested(attrService, func(e *netlink.AttributeEncoder) error {
		key(e, c.Service.Key)
		if whole && dest == nil {
			service(e, &c.Service)
		}
		return nil
	})
	if dest != nil {
		if !dest.Addr.IsValid() {
			return 0, nil, fmt.Errorf("a destination without an address")
		}
		ae.Nested(attrDest, func(e *netlink.AttributeEncoder) error {
			destination(e, dest, whole)
			return nil
		})
	}
	attrs, err = ae.Encode()
	return cmd, attrs, err
}

func valid(k table.Key) error {
	switch {
	case k.Mark == 0 && !k.Addr.IsValid():
		return fmt.Errorf("a service with neither address nor mark")
	case k.Mark == 0 && k.Addr.Addr().Is4In6():
		return fmt.Errorf("%s: an IPv4 address in IPv6's clothes", k.Addr)
	}
	return nil
}

// key encodes what names a service.
func key(e *netlink.AttributeEncoder, k table.Key) {
	if k.Mark != 0 {
		family := uint16(unix.AF_INET)
		if k.IPv6 {
			family = unix.AF_INET6
		}
		e.Uint16(svcFamily, family)
		e.Uint32(svcMark, k.Mark)
		return
	}
	e.Uint16(svcFamily, familyOf(k.Addr.Addr()))
	e.Uint16(svcProtocol, uint16(k.Protocol))
	e.Bytes(svcAddr, address(k.Addr.Addr()))
	e.Bytes(svcPort, port(k.Addr.Port()))
}

// service encodes what is set of a service, beyond its key. The kernel wants all of it each time.
func service(e *netlink.AttributeEncoder, s *table.Service) {
	e.String(svcScheduler, s.Scheduler)
	if s.Engine != "" {
		e.String(svcEngine, s.Engine)
	}
	flags := binary.NativeEndian.AppendUint32(nil, uint32(s.Flags&^table.Hashed))
	e.Bytes(svcFlags, binary.NativeEndian.AppendUint32(flags, ^uint32(0)))
	e.Uint32(svcTimeout, uint32(s.Timeout/time.Second))
	e.Bytes(svcNetmask, netmask(s))
}

// netmask is, for IPv4, a mask as it is on the wire, and for IPv6 a prefix's length.
func netmask(s *table.Service) []byte {
	bits := s.Granularity
	if is6(s.Key) {
		if bits == 0 {
			bits = 128
		}
		return binary.NativeEndian.AppendUint32(nil, uint32(bits))
	}
	if bits <= 0 || bits > 32 {
		bits = 32
	}
	return binary.BigEndian.AppendUint32(nil, ^uint32(0)<<(32-bits))
}

func destination(e *netlink.AttributeEncoder, d *table.Destination, whole bool) {
	e.Bytes(destAddr, address(d.Addr.Addr()))
	e.Bytes(destPort, port(d.Addr.Port()))
	e.Uint16(destFamily, familyOf(d.Addr.Addr()))
	if !whole {
		return
	}
	e.Uint32(destMethod, uint32(d.Method)&forwardMask)
	e.Uint32(destWeight, uint32(int32(d.Weight)))
	e.Uint32(destUpper, d.Upper)
	e.Uint32(destLower, d.Lower)
	e.Uint8(destTunType, uint8(d.Wrap.Type))
	e.Bytes(destTunPort, port(d.Wrap.Port))
	e.Uint16(destTunFlags, uint16(d.Wrap.Flags))
}

func daemon(d *table.Daemon) ([]byte, error) {
	ae := netlink.NewAttributeEncoder()
	ae.Nested(attrDaemon, func(e *netlink.AttributeEncoder) error {
		e.Uint32(daemonState, uint32(d.Role))
		e.String(daemonInterface, d.Interface)
		e.Uint32(daemonID, uint32(d.ID))
		if d.MaxLen != 0 {
			e.Uint16(daemonMaxLen, d.MaxLen)
		}
		switch {
		case d.Group.Is4():
			e.Bytes(daemonGroup, d.Group.AsSlice())
		case d.Group.Is6():
			e.Bytes(daemonGroup6, d.Group.AsSlice())
		}
		if d.Port != 0 {
			e.Uint16(daemonPort, d.Port)
		}
		if d.TTL != 0 {
			e.Uint8(daemonTTL, d.TTL)
		}
		return nil
	})
	return ae.Encode()
}

// address is the kernel's union of both kinds: 16 bytes, IPv4 in the first four.
func address(a netip.Addr) []byte {
	b := make([]byte, 16)
	copy(b, a.AsSlice())
	return b
}

func port(p uint16) []byte { return binary.BigEndian.AppendUint16(nil, p) }

func familyOf(a netip.Addr) uint16 {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

func is6(k table.Key) bool {
	if k.Mark != 0 {
		return k.IPv6
	}
	return k.Addr.Addr().Is6()
}
