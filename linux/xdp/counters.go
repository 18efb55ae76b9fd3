package xdp

import (
	"fmt"

	"github.com/cilium/ebpf"
)

// Counter is how many packets met a fate.
type Counter struct {
	Name    string // e.g. malformed
	Help    string
	Packets uint64
}

// TableFull is the name of the counter of packets whose flow found no room.
const TableFull = "table-full"

// fates in the programs' order.
var fates = [...]Counter{
	{Name: "forwarded", Help: "sent to a server or a client"},
	{Name: "local", Help: "left to this machine, which is the server"},
	{Name: "closed", Help: "left to the stack, answers of NAT's servers dropped, because the virtual address's lease " +
		"has run out"},
	{Name: "malformed", Help: "left to the stack, which drops it"},
	{Name: "no-server", Help: "left to the stack, which refuses it, because no server takes new flows"},
	{Name: "no-flow", Help: "left to the stack, which resets it: of a connection that is not known"},
	{Name: "server-gone", Help: "dropped: the flow's server was deleted"},
	{Name: "stray-fragment", Help: "left to the stack: a fragment whose first one is too long ago"},
	{Name: "too-big", Help: "dropped: larger than the way to the server, and the sender cannot be told"},
	{Name: "told-too-big", Help: "answered with the size that fits the way to the server"},
	{Name: "ttl-over", Help: "answered or dropped: its time to live is over"},
	{Name: "no-route", Help: "dropped: there is no route to the server or the client"},
	{Name: TableFull, Help: "forwarded, but its flow stays among the half-open ones because the table is full"},
	{Name: "event-lost", Help: "events of flows that were not read in time"},
	{Name: "learnt", Help: "flows that a peer told of"},
	{Name: "failed", Help: "dropped: the kernel would not change the packet"},
	{Name: "fast", Help: "of those forwarded, the ones that went by XDP"},
	{Name: "icmp-error", Help: "ICMP errors sent to where their flow goes"},
	{Name: "icmp-unknown", Help: "ICMP errors left to the stack: of a flow that is not known"},
}

// byXDP is the index of what XDP counts instead of "forwarded".
const byXDP = 16

// Counters lists what became of packets since the plane was made. "fast" counts are part of "forwarded".
func (p *Plane) Counters() ([]Counter, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.settings == nil {
		return nil, errClosed
	}
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return nil, err
	}
	out := make([]Counter, len(fates))
	values := make([]uint64, cpus)
	for i := range fates {
		if err := p.maps[programMapPlaneFates].Lookup(uint32(i), &values); err != nil {
			return nil, fmt.Errorf("xdp: reading counters: %w", err)
		}
		out[i] = fates[i]
		for _, v := range values {
			out[i].Packets += v
		}
	}
	out[0].Packets += out[byXDP].Packets
	return out, nil
}
