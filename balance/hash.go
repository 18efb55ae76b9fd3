package balance

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"
	"net/netip"
)

// HashFunction is the second word of hash-type.
type HashFunction uint8

// Hash functions, in the order of the configuration's.
const (
	SDBM HashFunction = iota
	DJB2
	WT6
	CRC32
	NoHash // the key's last four bytes, big-endian
)

// HashBytes is the key of a text. Note that hash-type consistent without a function word
// means Avalanche in HAProxy.
func (p *Params) HashBytes(b []byte) uint32 {
	var h uint32
	switch p.Function {
	case SDBM:
		for _, c := range b {
			h = uint32(c) + h<<6 + h<<16 - h
		}
	case DJB2:
		h = 5381
		for _, c := range b {
			h = h<<5 + h + uint32(c)
		}
	case WT6:
		h = wt6(b)
	case CRC32:
		h = crc32.ChecksumIEEE(b)
	case NoHash:
		for _, c := range b {
			h = h<<8 | uint32(c)
		}
	}
	return p.finish(h)
}

// HashAddr is the key of a client's address (balance source): the words of the address
// folded together; the hash function plays no part. An IPv4 address mapped into IPv6
// counts as what it is written as.
func (p *Params) HashAddr(a netip.Addr) uint32 {
	if a.Is4() {
		b := a.As4()
		return p.finish(binary.BigEndian.Uint32(b[:]))
	}
	b := a.As16()
	var h uint32
	for i := 0; i < len(b); i += 4 {
		h ^= binary.BigEndian.Uint32(b[i:])
	}
	return p.finish(h)
}

func (p *Params) finish(h uint32) uint32 {
	if p.Avalanche {
		return mix(h)
	}
	return h
}

// wt6 keeps two words that are fed each byte, change places, and are rotated by amounts
// drawn from themselves.
func wt6(b []byte) uint32 {
	a, z := uint32(0xa53c965a), uint32(0x5ca6953a)
	turnA, turnZ := 6, 18
	for _, c := range b {
		a, z = bits.RotateLeft32(^(z+uint32(c)), turnA), bits.RotateLeft32(^(a^uint32(c)), turnZ)
		amounts := (a>>16 ^ z) & 0xffff
		turnA, turnZ = int(amounts&31), int(amounts>>11)
	}
	return a ^ z
}

// mix is Bob Jenkins's integer hash with six shifts (burtleburtle.net/bob/hash/integer.html),
// multiplied by a prime of about three quarters of the range.
func mix(a uint32) uint32 {
	a = a + 0x7ed55d16 + a<<12
	a = a ^ 0xc761c23c ^ a>>19
	a = a + 0x165667b1 + a<<5
	a = (a + 0xd3a2646c) ^ a<<9
	a = a + 0xfd7046c5 + a<<3
	a = a ^ 0xb55a4f09 ^ a>>16
	return a * 3221225473
}
