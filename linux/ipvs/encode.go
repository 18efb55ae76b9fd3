package ipvs

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/lvs/table"
)

// attrs are attributes as they are sent, in the order of their appending.
type attrs []byte

func (b *attrs) header(kind uint16, size int) {
	*b = binary.NativeEndian.AppendUint16(*b, uint16(unix.SizeofNlAttr+size))
	*b = binary.NativeEndian.AppendUint16(*b, kind)
}

func (b *attrs) pad() {
	for len(*b)%unix.NLMSG_ALIGNTO != 0 {
		*b = append(*b, 0)
	}
}

// nest begins an attribute of attributes; end, with what nest returned, ends it.
func (b *attrs) nest(kind uint16) int {
	at := len(*b)
	b.header(kind|unix.NLA_F_NESTED, 0)
	return at
}

func (b *attrs) end(at int) {
	binary.NativeEndian.PutUint16((*b)[at:], uint16(len(*b)-at))
}

func (b *attrs) u8(kind uint16, v uint8) {
	b.header(kind, 1)
	*b = append(*b, v)
	b.pad()
}

func (b *attrs) u16(kind uint16, v uint16) {
	b.header(kind, 2)
	*b = binary.NativeEndian.AppendUint16(*b, v)
	b.pad()
}

func (b *attrs) be16(kind uint16, v uint16) {
	b.header(kind, 2)
	*b = binary.BigEndian.AppendUint16(*b, v)
	b.pad()
}

func (b *attrs) u32(kind uint16, v uint32) {
	b.header(kind, 4)
	*b = binary.NativeEndian.AppendUint32(*b, v)
}

func (b *attrs) be32(kind uint16, v uint32) {
	b.header(kind, 4)
	*b = binary.BigEndian.AppendUint32(*b, v)
}

// text ends in a zero.
func (b *attrs) text(kind uint16, v string) {
	b.header(kind, len(v)+1)
	*b = append(append(*b, v...), 0)
	b.pad()
}

// addr is the kernel's union of both kinds: 16 bytes, IPv4 in the first four.
func (b *attrs) addr(kind uint16, a netip.Addr) {
	b.header(kind, 16)
	if a.Is4() {
		v := a.As4()
		*b = append(append(*b, v[:]...), make([]byte, 12)...)
		return
	}
	v := a.As16()
	*b = append(*b, v[:]...)
}

// change encodes one change as a command and its attributes.
func (b *attrs) change(c *table.Change) (cmd uint8, err error) {
	if c.Verb == table.Flush {
		return cmdFlush, nil
	}
	if err := valid(c.Service.Key); err != nil {
		return 0, err
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
		return 0, fmt.Errorf("verb %d: %w", c.Verb, table.ErrUnsupported)
	}
	at := b.nest(attrService)
	b.key(c.Service.Key)
	if whole && dest == nil {
		b.service(&c.Service)
	}
	b.end(at)
	if dest != nil {
		if !dest.Addr.IsValid() {
			return 0, fmt.Errorf("a destination without an address")
		}
		at := b.nest(attrDest)
		b.destination(dest, whole)
		b.end(at)
	}
	return cmd, nil
}

func valid(k table.Key) error {
	if k.Mark == 0 && !k.Addr.IsValid() {
		return fmt.Errorf("a service with neither address nor mark")
	}
	return nil
}

// key encodes what names a service.
func (b *attrs) key(k table.Key) {
	if k.Mark != 0 {
		family := uint16(unix.AF_INET)
		if k.IPv6 {
			family = unix.AF_INET6
		}
		b.u16(svcFamily, family)
		b.u32(svcMark, k.Mark)
		return
	}
	b.u16(svcFamily, familyOf(k.Addr.Addr()))
	b.u16(svcProtocol, uint16(k.Protocol))
	b.addr(svcAddr, k.Addr.Addr())
	b.be16(svcPort, k.Addr.Port())
}

// service encodes what is set of a service, beyond its key. The kernel wants all of it each time.
func (b *attrs) service(s *table.Service) {
	b.text(svcScheduler, s.Scheduler)
	if s.Engine != "" {
		b.text(svcEngine, s.Engine)
	}
	b.header(svcFlags, 8)
	*b = binary.NativeEndian.AppendUint32(*b, uint32(s.Flags&^table.Hashed))
	*b = binary.NativeEndian.AppendUint32(*b, ^uint32(0)) // all of them are set
	b.u32(svcTimeout, uint32(s.Timeout/time.Second))
	b.netmask(s)
}

// netmask is, for IPv4, a mask as it is on the wire, and for IPv6 a prefix's length.
func (b *attrs) netmask(s *table.Service) {
	bits, most := s.Granularity, 32
	if is6(s.Key) {
		most = 128
	}
	// All clients alike is something to be said: not by a service that is not persistent, and
	// never in IPv6, where the kernel refuses it.
	if bits < 0 || bits > most || bits == 0 && (most == 128 || s.Flags&table.Persistent == 0) {
		bits = most
	}
	if most == 128 {
		b.u32(svcNetmask, uint32(bits))
	} else {
		b.be32(svcNetmask, ^uint32(0)<<(32-bits))
	}
}

func (b *attrs) destination(d *table.Destination, whole bool) {
	b.addr(destAddr, d.Addr.Addr())
	b.be16(destPort, d.Addr.Port())
	b.u16(destFamily, familyOf(d.Addr.Addr()))
	if !whole {
		return
	}
	b.u32(destMethod, uint32(d.Method)&forwardMask)
	b.u32(destWeight, uint32(int32(d.Weight)))
	b.u32(destUpper, d.Upper)
	b.u32(destLower, d.Lower)
	b.u8(destTunType, uint8(d.Wrap.Type))
	b.be16(destTunPort, d.Wrap.Port)
	b.u16(destTunFlags, uint16(d.Wrap.Flags))
}

func (b *attrs) daemon(d *table.Daemon) {
	at := b.nest(attrDaemon)
	defer func() { b.end(at) }()
	b.u32(daemonState, uint32(d.Role))
	b.text(daemonInterface, d.Interface)
	b.u32(daemonID, uint32(d.ID))
	if d.MaxLen != 0 {
		b.u16(daemonMaxLen, d.MaxLen)
	}
	switch {
	case d.Group.Is4():
		v := d.Group.As4()
		b.be32(daemonGroup, binary.BigEndian.Uint32(v[:]))
	case d.Group.IsValid():
		b.addr(daemonGroup6, d.Group)
	}
	if d.Port != 0 {
		b.u16(daemonPort, d.Port)
	}
	if d.TTL != 0 {
		b.u8(daemonTTL, d.TTL)
	}
}

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
