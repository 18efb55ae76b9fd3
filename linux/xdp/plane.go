package xdp

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/evenkeel/evenkeel/lvs/table"
)

// Mode says where packets are caught.
type Mode uint8

// Modes.
const (
	Auto       Mode = iota // tc, and XDP in front of it on links where a self-test packet proves it
	TC                     // tc only
	XDPNative              // tc, and native XDP; a link that fails the self-test is an error
	XDPGeneric             // tc, and generic XDP: for tests, it is slower than tc alone
)

// Options of [Open].
type Options struct {
	// Dir is the directory in a bpffs where everything is pinned; empty:
	// /sys/fs/bpf/evenkeel/<inode of the network namespace>.
	Dir string
	// Interfaces are those whose incoming packets are looked at; empty: every Ethernet
	// interface that is up and is no member of a bridge, bond or team.
	Interfaces []string
	Mode       Mode
	// TableSize is how many flows can be remembered, 1024 to 1<<26; 0: 1<<20. Looked at only when
	// there is no plane yet.
	TableSize int
	Log       func(string) // may be nil
}

// Plane is an open forwarding plane. Its methods may be called from one goroutine at a time,
// except where noted.
type Plane struct{}

var _ table.Driver = (*Plane)(nil)

var errNotYet = errors.New("xdp: not built yet")

// Open opens the network namespace's plane, and makes it if there is none.
func Open(Options) (*Plane, error) { return nil, errNotYet }

// Remove takes the plane away altogether: programs, maps, flows.
func (p *Plane) Remove() error { return errNotYet }

// Close closes this process's view. Forwarding goes on.
func (p *Plane) Close() error { return errNotYet }

// Info is part of [table.Driver].
func (p *Plane) Info() (table.Info, error) { return table.Info{}, errNotYet }

// Apply is part of [table.Driver].
func (p *Plane) Apply([]table.Change) error { return errNotYet }

// State is part of [table.Driver].
func (p *Plane) State() ([]table.ServiceState, error) { return nil, errNotYet }

// Connections is part of [table.Driver].
func (p *Plane) Connections(yield func(*table.Connection) bool) error { return errNotYet }

// Zero is part of [table.Driver].
func (p *Plane) Zero(*table.Key) error { return errNotYet }

// Timeouts is part of [table.Driver].
func (p *Plane) Timeouts() (table.Timeouts, error) { return table.Timeouts{}, errNotYet }

// SetTimeouts is part of [table.Driver].
func (p *Plane) SetTimeouts(table.Timeouts) error { return errNotYet }

// Daemons is part of [table.Driver]: there are none, the director itself sends flows.
func (p *Plane) Daemons() ([]table.Daemon, error) { return nil, nil }

// StartDaemon is part of [table.Driver]; it is refused.
func (p *Plane) StartDaemon(table.Daemon) error { return table.ErrUnsupported }

// StopDaemon is part of [table.Driver]; it is refused.
func (p *Plane) StopDaemon(table.Role) error { return table.ErrUnsupported }

// Lease returns the deadline of a virtual address, in nanoseconds of CLOCK_BOOTTIME, in memory
// that the programs read: services of the address forward only before it. An address that had
// no lease gets one whose deadline is 0 (closed). It outlives the process. The pointer is
// valid until [Plane.Close]; any goroutine may store to it.
func (p *Plane) Lease(addr netip.Addr) (*atomic.Int64, error) { return nil, errNotYet }

// Unlease takes an address's lease away: its services forward always. No lease is no error.
func (p *Plane) Unlease(addr netip.Addr) error { return errNotYet }

// SweepStats is what a [Plane.Sweep] found.
type SweepStats struct {
	Flows    int // remembered after it, half-open ones included
	HalfOpen int
	Bindings int // persistence: clients bound to a destination
	Expired  int // forgotten by it
	Took     time.Duration
}

// Sweep forgets flows that have been idle beyond their timeout and keeps the destinations'
// connection counts right. Once a second is often enough. now is CLOCK_BOOTTIME; it only stands in the result.
func (p *Plane) Sweep(now time.Duration) (SweepStats, error) { return SweepStats{}, errNotYet }

// Flow is a flow as directors tell each other of it.
type Flow struct {
	Protocol                     table.Protocol
	State                        table.State
	Client, Virtual, Destination netip.AddrPort
	Idle                         time.Duration // since its last packet
}

// EventKind says what happened to a flow.
type EventKind uint8

// Kinds of events.
const (
	FlowEstablished EventKind = iota // first remembered beyond doubt
	FlowClosed                       // it will be forgotten soon
	FlowAlive                        // it still carries packets; every AliveEvery or so
)

// AliveEvery is how often a busy flow is told of again.
const AliveEvery = 20 * time.Second

// Event tells of a flow.
type Event struct {
	Kind EventKind
	Flow
}

// Events calls f for what happens to flows until ctx ends. It may run on a goroutine of its own; one at a
// time in all processes. Events that nobody reads in time are lost and counted.
func (p *Plane) Events(ctx context.Context, f func(*Event)) error { return errNotYet }

// Learn puts flows into the table that another director told of. Those whose service or
// destination is not here are counted in unknown; one that is here already stays as it is, only younger.
func (p *Plane) Learn(flows []Flow) (unknown int, err error) { return 0, errNotYet }

// Dump calls yield for each established flow, until it returns false.
func (p *Plane) Dump(yield func(*Flow) bool) error { return errNotYet }

// Neighbours brings destinations' routes and link addresses and the set of interfaces up to date. Once a second is often enough.
func (p *Plane) Neighbours() error { return errNotYet }

// Run calls Neighbours and Sweep each second until ctx ends, on behalf of a process that does nothing else.
func (p *Plane) Run(ctx context.Context) error { return errNotYet }

// Counter is how many packets met a fate, by its name.
type Counter struct {
	Name    string // e.g. closed, malformed, fragment, no-service
	Help    string
	Packets uint64
}

// Counters lists what became of packets, since the plane was made.
func (p *Plane) Counters() ([]Counter, error) { return nil, errNotYet }

// Decapsulate unwraps packets (IPIP, IPv6 in IP, GUE on guePort) for vip that come in on interfaces, on a real
// server behind a director's tunnel, and limits the segment size it offers to clients so that wrapped packets fit.
// Pinned below dir (empty: as in [Options]); it goes on until [Recapsulate].
func Decapsulate(dir string, interfaces []string, vip netip.Addr, guePort uint16) error {
	return errNotYet
}

// Recapsulate undoes [Decapsulate] for vip; the last one takes the programs away.
func Recapsulate(dir string, vip netip.Addr) error { return errNotYet }

// Decapsulated lists the addresses [Decapsulate] is in force for.
func Decapsulated(dir string) ([]netip.Addr, error) { return nil, errNotYet }
