// Package connsync is the wire format of connection synchronisation: how peers tell each other of the flows of
// our own forwarding plane. Pure: bytes in, flows out. It does not know who sends a message
// nor what becomes of it.
//
// A message is one datagram:
//
//	0  4  "EKFL"
//	4  1  version, 1
//	5  1  kind: 1 flows, 2 a request for all flows, 3 flows of a full sync, the answer to a request
//	6  1  group (syncid): messages of another group are ignored
//	7  1  number of flows
//	8  8  the sender's identity, new at each start
//	16 …  flows
//
// and each flow, addresses in network order:
//
//	0  1  0x80 for IPv6, low bits the state
//	1  1  IP protocol
//	2  2  seconds since its last packet
//	4  6  ports: client, virtual, destination
//	10 …  addresses: client, virtual, destination; 4 or 16 bytes each. A flow of one family
//	      through a destination of another (tunnels) is written as IPv6, IPv4 addresses mapped.
//
// What is in state NONE is no flow but a binding: the client, or its network, stays with the
// destination (persistence). The client's port is 0, its address may be: a network of everybody.
package connsync

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/lvs/table"
)

// Kind of a message.
type Kind uint8

// Kinds.
const (
	Flows   Kind = 1
	Request Kind = 2
	Answer  Kind = 3
)

// Flow is one flow, or in state NONE a binding.
type Flow struct {
	Protocol                     table.Protocol
	State                        table.State
	Client, Virtual, Destination netip.AddrPort
	Idle                         time.Duration // whole seconds, at most 65535
}

// Header is what stands before the flows.
type Header struct {
	Kind   Kind
	Group  uint8
	Sender uint64
}

// MaxSize is the size of the largest message, so that it fits an MTU of 1500 bytes.
const MaxSize = 1400

const (
	magic      = "EKFL"
	version    = 1
	head       = 16
	size4      = 10 + 3*4
	size6      = 10 + 3*16
	familyIPv6 = 0x80
	maxFlows   = 255 // flows in a message
)

// states by their number on the wire. Never reorder.
var states = []table.State{table.None, table.Established, table.SynSent, table.SynRecv, table.FinWait, table.TimeWait,
	table.Close, table.CloseWait, table.LastAck, table.Listen, table.SynAck, table.UDPState}

// Errors of [Parse], one for each cause, so that they can be counted by cause.
var (
	ErrForeign = errors.New("not a connection synchronisation message")
	ErrVersion = errors.New("an unsupported version")
	ErrShort   = errors.New("cut short")
	ErrInvalid = errors.New("a value out of range")
)

// Begin starts a message in b, whose content it replaces.
func Begin(b []byte, h Header) []byte {
	b = append(b[:0], magic...)
	b = append(b, version, byte(h.Kind), h.Group, 0)
	return binary.BigEndian.AppendUint64(b, h.Sender)
}

// Add appends a flow to a message, or reports that there is no room.
func Add(b []byte, f *Flow) ([]byte, bool) {
	plain := f.Client.Addr().Is4() && f.Virtual.Addr().Is4() && f.Destination.Addr().Is4()
	size := size6
	if plain {
		size = size4
	}
	if len(b)+size > MaxSize || b[7] == maxFlows {
		return b, false
	}
	state := byte(max(0, slices.Index(states, f.State)))
	if !plain {
		state |= familyIPv6
	}
	b[7]++
	b = append(b, state, byte(f.Protocol))
	b = binary.BigEndian.AppendUint16(b, uint16(min(max(f.Idle, 0)/time.Second, 65535)))
	ends := [3]netip.AddrPort{f.Client, f.Virtual, f.Destination}
	for _, a := range ends {
		b = binary.BigEndian.AppendUint16(b, a.Port())
	}
	for _, a := range ends {
		if plain {
			v := a.Addr().As4()
			b = append(b, v[:]...)
		} else {
			v := a.Addr().As16()
			b = append(b, v[:]...)
		}
	}
	return b, true
}

// Parse reads a message; flows are appended to the given ones. A message with anything wrong is
// refused as a whole.
func Parse(b []byte, flows []Flow) (Header, []Flow, error) {
	var h Header
	if len(b) < head {
		return h, flows, ErrShort
	}
	if string(b[:4]) != magic {
		return h, flows, ErrForeign
	}
	if b[4] != version {
		return h, flows, fmt.Errorf("%w: %d", ErrVersion, b[4])
	}
	h = Header{Kind: Kind(b[5]), Group: b[6], Sender: binary.BigEndian.Uint64(b[8:])}
	if h.Kind < Flows || h.Kind > Answer {
		return h, flows, fmt.Errorf("%w: kind %d", ErrInvalid, b[5])
	}
	rest := b[head:]
	out := flows
	for range b[7] {
		var f Flow
		var err error
		if f, rest, err = flow(rest); err != nil {
			return h, flows, err
		}
		out = append(out, f)
	}
	if len(rest) != 0 {
		return h, flows, fmt.Errorf("%w: %d bytes too many", ErrInvalid, len(rest))
	}
	return h, out, nil
}

func flow(b []byte) (f Flow, rest []byte, err error) {
	if len(b) < size4 {
		return f, b, ErrShort
	}
	wide := 4
	if b[0]&familyIPv6 != 0 {
		wide = 16
		if len(b) < size6 {
			return f, b, ErrShort
		}
	}
	state := int(b[0] &^ familyIPv6)
	if state >= len(states) {
		return f, b, fmt.Errorf("%w: state %d", ErrInvalid, state)
	}
	f.State, f.Protocol = states[state], table.Protocol(b[1])
	if f.Protocol != table.TCP && f.Protocol != table.UDP {
		return f, b, fmt.Errorf("%w: protocol %d", ErrInvalid, b[1])
	}
	f.Idle = time.Duration(binary.BigEndian.Uint16(b[2:])) * time.Second
	ends := [3]*netip.AddrPort{&f.Client, &f.Virtual, &f.Destination}
	for i, end := range ends {
		port := binary.BigEndian.Uint16(b[4+2*i:])
		at := b[10+wide*i:]
		var a netip.Addr
		if wide == 4 {
			a = netip.AddrFrom4([4]byte(at))
		} else {
			a = netip.AddrFrom16([16]byte(at)).Unmap()
		}
		everybody := f.State == table.None && end == &f.Client
		if a.IsUnspecified() && !everybody || a.IsMulticast() {
			return f, b, fmt.Errorf("%w: address %s", ErrInvalid, a)
		}
		*end = netip.AddrPortFrom(a, port)
	}
	return f, b[10+3*wide:], nil
}
