// Package backend owns the servers of the proxy: their states of health and weights, the choice among them, the slots
// on each and the queues of those who wait for one, the connections that are kept for reuse, and what an operator
// changes while all that runs.
//
// A caller that wants a server hands in a [Ticket] and is told, on a thread of its choice, when it has a slot. So the
// package knows no stream, no protocol and no socket.
package backend
