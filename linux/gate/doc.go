// Package gate is the lease gate: it keeps a machine from answering for an address whose lease
// has run out, even when every process on it is dead or frozen.
//
// A [Set] holds one [Gate] for each virtual router. A gate carries a deadline inside the
// kernel. Until it, the addresses behave as if there were no gate. From it on, the kernel
// itself drops questions and packets for the addresses on the way in, and answers,
// announcements and packets in their name on the way out, together with the router's own
// adverts of priority above 0. A closed gate never keeps this machine from being a client of
// the address on another machine, from forwarding for others, or from using its own addresses.
//
// The rules that make it true:
//
//   - A gate is created closed, and a restart replaces the gates of a crashed run by closed
//     ones without a moment in between (see [Set.Inherited]).
//   - Deadlines are instants of CLOCK_BOOTTIME, read before the advert they follow from is sent.
//   - A deadline moves forward only while it still lies ahead ([Gate.Extend]); after it has
//     passed only a new campaign opens the gate.
//   - Every interface is covered, because Linux answers for a local address on all of them.
//
// It owns programs, maps, filters and tables in the kernel. It must never know who is master
// or why; it is told instants.
//
// There are three ways to build it, tried in this order: an eBPF program on the tc hooks of
// each interface (Linux 5.8), an nftables set with timeouts (Linux 5.16, for its egress hook),
// and nothing but address lifetimes, which the engine sets through package netif.
//
// What stands outside any of them: XDP programs and tcx programs of others run earlier on the
// way in; packets sent with PACKET_QDISC_BYPASS and XDP_TX never reach the hooks on the way
// out; root can remove anything.
package gate
