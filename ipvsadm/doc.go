// Package ipvsadm reads ipvsadm's command lines and prints what ipvsadm prints, for any forwarding
// plane that is a [table.Driver].
//
// It owns the options, which of them go together, the formats of listings and the exit codes of
// ipvsadm 1.31. Names of hosts and services come through [Names]; it must never know where the
// table is kept. All of it was found by running Debian's ipvsadm; test/ipvs compares the two.
package ipvsadm
