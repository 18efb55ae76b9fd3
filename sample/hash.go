package sample

import "hash/crc32"

// The reference's hash functions: the same keys must fall into the same places.

// sdbm continues Yigit's hash from the SDBM library.
func sdbm(h uint32, key []byte) uint32 {
	for _, b := range key {
		h = uint32(b) + h<<6 + h<<16 - h
	}
	return h
}

// djb2 is Bernstein's hash, multiplying by 33 from 5381.
func djb2(key []byte) uint32 {
	h := uint32(5381)
	for _, b := range key {
		h += h<<5 + uint32(b)
	}
	return h
}

// wt6 is the Weinberger-Tarjan-like hash of the reference's own: two words that rotate each other.
func wt6(key []byte) uint32 {
	h0, h1 := uint32(0xa53c965a), uint32(0x5ca6953a)
	step0, step1 := 6, 18
	for _, b := range key {
		h0 = ^(h0 ^ uint32(b))
		h1 = ^(h1 + uint32(b))
		turned := h1<<step0 | h1>>(32-step0)
		h1 = h0<<step1 | h0>>(32-step1)
		h0 = turned
		mix := (h0>>16 ^ h1) & 0xffff
		step0, step1 = int(mix&31), int(mix>>11)
	}
	return h0 ^ h1
}

// avalanche spreads a hash over all bits (Jenkins' 32-bit integer hash and a large prime).
func avalanche(a uint32) uint32 {
	a = (a + 0x7ed55d16) + a<<12
	a = (a ^ 0xc761c23c) ^ a>>19
	a = (a + 0x165667b1) + a<<5
	a = (a + 0xd3a2646c) ^ a<<9
	a = (a + 0xfd7046c5) + a<<3
	a = (a ^ 0xb55a4f09) ^ a>>16
	return a * 3221225473
}

// crc32of is the checksum of Ethernet, gzip and PNG.
func crc32of(key []byte) uint32 { return crc32.ChecksumIEEE(key) }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func crc32c(key []byte) uint32 { return crc32.Checksum(key, castagnoli) }
