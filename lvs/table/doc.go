// Package table is the forwarding table of a load balancer as ipvsadm shows it: virtual services, their
// destinations, the connections that go through them. It knows what two tables differ in and how
// one becomes the other ([Diff]), and what a [Driver] must be able to do; it does not know how.
// Pure: no clock, no socket.
package table
