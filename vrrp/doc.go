// Package vrrp is the Virtual Router Redundancy Protocol as a pure machine: the
// wire format and the election of VRRPv2 (RFC 3768) and VRRPv3 (RFC 9568), with
// the behaviour of Keepalived where the RFCs leave room, and the rules of the
// lease gate woven through it.
//
// A Router holds any number of virtual routers (instances) and the sync groups
// that tie them together. Every input is a method that takes the time it
// happened and appends Effects, in the order in which they must be carried out,
// to a slice the caller owns:
//
//	r := vrrp.NewRouter()
//	id := r.Add(now, params)
//	for {
//		wait until r.Deadline() or a datagram
//		effects = r.Receive(now, id, datagram, effects[:0]) // drain these first
//		effects = r.Tick(now, effects)
//		carry out effects, first to last
//	}
//
// Three things the caller must keep, for "never two masters" to hold:
//
//   - `now` is read before the call, so that the lease counted from it is never
//     longer than what the peers will wait for;
//   - datagrams that have arrived are handed in before Tick;
//   - Sent is called once an Advertise or a Probe is on the wire; an Advertise
//     that could not be sent is reported with AdvertFailed instead, and the lease
//     it carries is not applied.
//
// The package has no clock, socket, goroutine or randomness. It never knows
// interfaces, kernel objects, scripts or files.
package vrrp
