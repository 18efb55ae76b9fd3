// Package failover runs the real program against real kernels and real peers: in
// network namespaces, beside Debian's keepalived, under faults and reloads.
//
// Everything in it is a test or a benchmark. It owns no network but the one it
// builds, and asserts nothing about wall time beyond what the protocol promises.
package failover
