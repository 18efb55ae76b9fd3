package table

import (
	"net/netip"
	"time"
)

// Protocol is an IANA protocol number.
type Protocol uint8

// Protocols a virtual service can have. A service by mark has none (0).
const (
	TCP  Protocol = 6
	UDP  Protocol = 17
	SCTP Protocol = 132
)

// Method is how packets reach a destination. The numbers are the kernel's (IP_VS_CONN_F_*).
type Method uint8

// Methods.
const (
	NAT    Method = 0 // address and port are rewritten, both ways (masquerading, -m)
	Local  Method = 1 // to this machine itself; only ever seen in connections
	Tunnel Method = 2 // wrapped in another IP header (-i)
	Direct Method = 3 // only the link address is rewritten (direct routing, gatewaying, -g)
)

// Flags of a service, with the kernel's numbers (IP_VS_SVC_F_*).
type Flags uint32

// Flags.
const (
	Persistent Flags = 1 << 0 // a client stays with its destination for Timeout
	Hashed     Flags = 1 << 1 // the kernel's own mark; never part of what is wanted
	OnePacket  Flags = 1 << 2 // every UDP packet is scheduled by itself (-o, ops)
	Sched1     Flags = 1 << 3 // flag-1; sh-fallback, mh-fallback
	Sched2     Flags = 1 << 4 // flag-2; sh-port, mh-port
	Sched3     Flags = 1 << 5 // flag-3
)

// TunnelType says what a packet of [Tunnel] is wrapped in. The numbers are the kernel's.
type TunnelType uint8

// Tunnel types.
const (
	IPIP TunnelType = 0 // IPv4 or IPv6 in IP
	GUE  TunnelType = 1 // generic UDP encapsulation, variant 1 and 0 as the kernel does
	GRE  TunnelType = 2
)

// TunnelFlags are about checksums, with the kernel's numbers.
type TunnelFlags uint16

// Tunnel flags. Zero is nocsum.
const (
	Checksum       TunnelFlags = 1 << 0 // csum
	RemoteChecksum TunnelFlags = 1 << 1 // remcsum (GUE only)
)

// Wrap is how a destination of method [Tunnel] is reached. The zero value is IPIP.
type Wrap struct {
	Type  TunnelType
	Port  uint16 // UDP port of GUE
	Flags TunnelFlags
}

// Key says which packets a service is for: an address, port and protocol, or a firewall mark.
type Key struct {
	Protocol Protocol       // 0 with a mark
	Addr     netip.AddrPort // port 0: every port, of a persistent service only; invalid with a mark
	Mark     uint32         // not 0: packets with this mark
	IPv6     bool           // family of a service by mark; with an address, its family
}

// Service is a virtual service without its destinations.
type Service struct {
	Key
	Scheduler string // rr, wrr, lc, wlc, sh, mh, …
	Flags     Flags
	Timeout   time.Duration // of persistence, whole seconds; 0 without [Persistent]
	// Granularity is how many leading bits of a client's address tell clients apart: 32 or 128 is
	// each its own. Also for services that are not persistent, where it means nothing.
	Granularity int
	Engine      string // persistence engine (sip); empty: the address
}

// Destination is a real server as the forwarding plane knows it.
type Destination struct {
	Addr   netip.AddrPort // with Direct and Tunnel the port is the service's; 0 for a service by mark
	Method Method
	Weight int // 0: no new connections; at most 65535
	Wrap   Wrap
	// Above Upper connections it gets no new ones until they fall below Lower (0: three
	// quarters of Upper). 0: no limit.
	Upper, Lower uint32
}

// Group is a service with its destinations, in the order they are to be added.
type Group struct {
	Service
	Destinations []Destination
}

// Counters are totals since the object was made or zeroed. In is from clients, Out to clients;
// only NAT sees the latter.
type Counters struct {
	Connections           uint64
	InPackets, OutPackets uint64
	InBytes, OutBytes     uint64 // of IP packets, without link headers
}

// Rates are per second, averaged over a few seconds.
type Rates struct {
	Connections           uint64
	InPackets, OutPackets uint64
	InBytes, OutBytes     uint64
}

// ServiceState is a service as a driver has it.
type ServiceState struct {
	Service
	Counters     Counters
	Rates        Rates
	Destinations []DestinationState
}

// DestinationState is a destination as a driver has it.
type DestinationState struct {
	Destination
	Active     uint32 // connections that are established
	Inactive   uint32 // all others that are remembered
	Persistent uint32 // clients bound to it
	Counters   Counters
	Rates      Rates
}

// State of a connection, with ipvsadm's names.
type State string

// States of connections.
const (
	None        State = "NONE"
	Established State = "ESTABLISHED"
	SynSent     State = "SYN_SENT"
	SynRecv     State = "SYN_RECV"
	FinWait     State = "FIN_WAIT"
	TimeWait    State = "TIME_WAIT"
	Close       State = "CLOSE"
	CloseWait   State = "CLOSE_WAIT"
	LastAck     State = "LAST_ACK"
	Listen      State = "LISTEN"
	SynAck      State = "SYNACK"
	UDPState    State = "UDP"
	ICMPState   State = "ICMP"
)

// Connection is one remembered flow, or, with client port 0, a client's binding to a
// destination (persistence).
type Connection struct {
	Protocol                     Protocol
	Client, Virtual, Destination netip.AddrPort
	State                        State
	Expires                      time.Duration // from now
	Method                       Method
	// PE is the name and PEData the data of a persistence engine; empty without.
	PE, PEData string
}

// Timeouts of connections; 0 in a change means: as it is.
type Timeouts struct {
	TCP    time.Duration // idle established connections (15 min in the kernel)
	TCPFin time.Duration // after a FIN (2 min)
	UDP    time.Duration // (5 min)
}

// Role of a synchronisation daemon.
type Role uint8

// Roles. The kernel's daemon plays each by its own thread.
const (
	Master Role = 1 // sends connections
	Backup Role = 2 // learns them
)

// Daemon is a synchronisation daemon. The zero value of a field is the kernel's default.
type Daemon struct {
	Role      Role
	Interface string
	ID        uint8
	MaxLen    uint16     // of a datagram's payload
	Port      uint16     // 8848
	TTL       uint8      // 1
	Group     netip.Addr // 224.0.0.81
}

// Info is what a driver says of itself.
type Info struct {
	Driver  string // ipvs or xdp
	Version string // of the kernel's IPVS as ipvsadm prints it, e.g. 1.2.1
	Size    int    // of the connection table
}
