// Package site is a textbook's site on one machine, and the hosts it is made of.
//
// The site is a switch and a few hosts, each in network, mount, process and host-name
// namespaces of its own: two nodes that share an address and run a real director and a real
// web server, a client that asks for the address all the time, and an observer that watches
// who answers for it. Every host is this same executable, started again through Main.
//
// The package owns what the site is, what a host does with an order, and what a host reports.
// It must never know how a director decides: it starts one (see director), reads its journal and
// asks for its state like an operator would. Who starts the hosts is package launcher, what their
// reports come to is package board.
//
// Nothing of a host outlives it: all namespaces are anonymous, every file a host writes lies
// in a tmpfs of its own mount namespace, and the machine's own files are bound in read-only.
package site
