// Package lvs runs the virtual servers: it has their real servers checked, decides
// with package pool what each offers, and keeps a forwarding plane's table (package table) as it
// should be, even when others change it. It does not know how a plane forwards, how a check works or
// who holds the addresses.
package lvs
