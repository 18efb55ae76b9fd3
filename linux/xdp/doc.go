// Package xdp is our own layer-4 forwarding plane: eBPF programs on the way in of the
// node's interfaces (tc everywhere; native XDP in front of it where a packet has proved
// it) and the maps they read. It owns the programs, their maps, what is pinned of them in a
// bpffs directory, and what a destination's link address is. It is a [table.Driver].
//
// Everything lives in the kernel: any process may open the plane, change it under a lock and
// close it again; forwarding goes on without anybody. What nobody needs to do for it to be
// right, somebody should do for it to be good: [Plane.Sweep] forgets idle flows (packets
// find them forgotten anyway), [Plane.Neighbours] keeps link addresses (the kernel's own tables are
// asked where they are missing).
//
// It must never know what a health check, a quorum or a configuration file is, nor how flows
// travel to the peer.
package xdp
