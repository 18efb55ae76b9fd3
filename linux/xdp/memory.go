package xdp

import (
	"fmt"
	"net/netip"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/lvs/table"
)

// What follows mirrors bpf/layout.h; a test compares the sizes. Multi-byte fields are the
// machine's, except ports and addresses, which are the network's.

const (
	// layoutVersion changes with anything in bpf/layout.h or in how it is used.
	layoutVersion = 4

	blockSize   = 256  // destinations in a block
	maxBlocks   = 1024 // 262144 destinations
	maxServices = 65536
	maxLeases   = 4096
	maxLessons  = 4096
)

type address [16]byte

func addressOf(a netip.Addr) address { return a.As16() }

func (a address) addr() netip.Addr { return netip.AddrFrom16(a).Unmap() }

type port [2]byte

func portOf(n uint16) port { return port{byte(n >> 8), byte(n)} }

func (p port) number() uint16 { return uint16(p[0])<<8 | uint16(p[1]) }

type serviceKey struct {
	addr  address
	port  port
	proto uint8
	_     uint8
}

func serviceKeyOf(k table.Key) serviceKey {
	return serviceKey{addr: addressOf(k.Addr.Addr()), port: portOf(k.Addr.Port()), proto: uint8(k.Protocol)}
}

func (k serviceKey) key() table.Key {
	a := k.addr.addr()
	return table.Key{Protocol: table.Protocol(k.proto), Addr: netip.AddrPortFrom(a, k.port.number()), IPv6: a.Is6()}
}

type counters struct {
	connections, inPackets, outPackets, inBytes, outBytes uint64
}

func (c *counters) add(o counters) {
	c.connections += o.connections
	c.inPackets += o.inPackets
	c.outPackets += o.outPackets
	c.inBytes += o.inBytes
	c.outBytes += o.outBytes
}

func (c *counters) public() table.Counters {
	return table.Counters{Connections: c.connections, InPackets: c.inPackets, OutPackets: c.outPackets,
		InBytes: c.inBytes, OutBytes: c.outBytes}
}

type serviceRecord struct {
	index, lease, flags, scheduler uint32
	timeout, granularity, seed     uint32
	seconds                        uint32
	order                          uint64
	carried                        counters
}

// Flags of a destination's slot.
const (
	slotInUse uint32 = 1 << iota
	slotGone
	slotHere
)

// slot is a destination in memory shared with the programs: fields they write are read and
// written atomically.
type slot struct {
	generation uint32
	lease      uint32
	flags      uint32
	ifindex    uint32
	freshUntil uint32
	method     uint8
	wrap       uint8
	family     uint8
	_          uint8
	mac        [12]byte
	port       port
	wrapPort   port
	addr       address
	mtu        uint32
	service    uint32

	weight, upper, lower, overloaded uint32
	active, inactive                 uint32
	pending, counting                uint32
	order                            uint64
	nexthop, source                  address
	of                               serviceKey
	persistent                       uint32
	rates                            [5]uint32 // connections, packets in and out, bytes in and out per second
	ratedAt                          uint32
	_                                uint32
}

const slotSize = int(unsafe.Sizeof(slot{}))

type settings struct {
	version, tick, tableSize      uint32
	everywhere                    uint32
	netns, build, revision, order uint64
	serial                        uint32
	xdp                           uint32
	listening                     uint32
	alive                         uint32
	timeout                       [16]uint32
	recent, notes                 uint32
}

type flowRecord struct {
	dest, generation uint32
	last, timeout    uint32
	_                uint32 // told, or the client's interface
	state            uint32
	flags            uint32
	_                [3]uint32 // interface, link address and the virtual port
	_                address   // virtual
}

// Flags of a flow.
const (
	flowReverse uint32 = 1 << iota
	flowNATted
	flowChecked
	flowLearnt
	flowStateless
)

type key4 struct {
	src, dst     [4]byte
	sport, dport port
	proto        uint8
	_            [3]uint8
}

type key6 struct {
	src, dst     address
	sport, dport port
	proto        uint8
	_            [3]uint8
}

type bindingKey struct {
	_      uint32 // the service
	client address
}

type bindingRecord struct {
	dest, generation, last, timeout uint32
	_                               uint32 // told
}

// mapMemory maps a map's values into this process.
func mapMemory(m *ebpf.Map, size int) ([]byte, error) {
	mem, err := unix.Mmap(m.FD(), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("xdp: mapping %s into memory: %w", m, err)
	}
	return mem, nil
}

// States of flows, as the programs number them.
var states = [...]table.State{table.None, table.Established, table.SynSent, table.SynRecv, table.FinWait,
	table.TimeWait,
	table.Close, table.CloseWait, table.LastAck, table.UDPState}

const (
	stateEstablished = 1
	stateSynRecv     = 3
	stateFinWait     = 4
	stateUDP         = 9
	stateDead        = 255
)

func unmap(mem []byte) { unix.Munmap(mem) }
