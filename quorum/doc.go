// Package quorum is a node of a cluster as one machine: what it hears of the others on any number of lines (package
// heartbeat), and for each group of addresses the votes that let it hold them (package lease). Votes travel in the same
// messages, on every line at once.
//
// Member is a candidate; Witness is an arbiter, which votes for any number of clusters and holds nothing.
//
// The package has no clock, socket, goroutine or randomness. It never knows what a line is made of, what an address is,
// or why a group is wanted.
package quorum
