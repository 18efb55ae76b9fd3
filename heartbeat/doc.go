// Package heartbeat is how nodes of ours hear each other beside VRRP: the messages, and what is made of hearing and not
// hearing them on any number of lines.
//
// A message goes out on every line. It tells what its sender has heard from the receiver on each of them, so that a
// line that carries one way only is seen; and the receiver's own counter comes back in it, so that a recorded message,
// of an hour ago or of another life of its sender, is told from a new one.
//
// The package has no clock, socket, goroutine or randomness. It never knows what a line is made of, and carries votes
// without understanding them.
package heartbeat
