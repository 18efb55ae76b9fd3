// Package ipvs drives the kernel's own virtual servers (IPVS, Linux 2.6.28 and later) over generic
// netlink, and reads its connections from /proc.
//
// It owns one netlink socket and one open file of one network namespace. It must never know why a
// table is wanted, and it never runs a program: the kernel loads its module ip_vs by itself when
// it is asked for the family, and the module of a scheduler when a service names it.
package ipvs
