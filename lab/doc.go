// Package lab builds the textbook's site on one machine and lets faults loose on it.
//
// The site is a switch and a few hosts, each in network, mount, process and host-name
// namespaces of its own: two nodes that share an address and run a real director and a real
// web server, a client that asks for the address all the time, and an observer that watches
// who answers for it. The process that was started stays outside, in the machine's own
// network; it serves the page, plays the faults and keeps the figures. Every host is this
// same executable, started again through Main.
//
// The package owns the site, the faults and what was seen. It must never know how a director
// decides: it starts one (see director), reads its journal and asks for its state like an
// operator would. What the figures mean is defined in lab/measure.
//
// Nothing of a lab outlives it. The first child is PID 1 of a process namespace and is killed
// by the kernel with its parent; all namespaces are anonymous; every file a host writes lies
// in a tmpfs of its own mount namespace, and the machine's own files are bound in read-only.
package lab
