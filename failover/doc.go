// Package failover runs the election of package vrrp on a real machine: one
// locked thread owns the raw sockets, the addresses, the lease gates and the
// timers; scripts and notifications run beside it and report back.
//
// The thread never waits for anything but the kernel's answer to a request of
// its own: logs go through a buffer that may drop lines, scripts are processes
// watched by goroutines, a reload arrives as a finished model.
//
// It owns what a virtual router needs from the operating system. It must never
// know configuration syntax, proxies, virtual servers, or who asks for status.
package failover
