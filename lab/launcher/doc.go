// Package launcher builds a site (package site) on this machine, plays faults on it, and prints
// what they cost (package board).
//
// The process that was started stays outside of the site, in the machine's own network. Its first
// child is PID 1 of a process namespace and is killed by the kernel with its parent, so that
// nothing of a site outlives it.
package launcher
