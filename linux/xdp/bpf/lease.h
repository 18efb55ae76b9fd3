// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
//
// May a virtual address's packets be forwarded at this instant?

#ifndef EVENKEEL_LEASE_H
#define EVENKEEL_LEASE_H

// Reading the clock costs as much as finding a flow, so a CPU reads it once a tick as long as the
// deadline is so far away that no late tick can matter. Nearer than that, the clock is read.
#define LATE_TICK 100000000ULL

static __always_inline int lease_open(__u32 lease)
{
	struct instant *c;
	__u64 *deadline, until, now;
	__u32 zero = 0;

	if (!lease)
		return 1;
	deadline = bpf_map_lookup_elem(&plane_leases, &lease);
	if (!deadline)
		return 0;
	until = *(volatile __u64 *)deadline;
	if ((__s64)until <= 0)
		return 0;
	c = bpf_map_lookup_elem(&plane_clock, &zero);
	if (!c)
		return 0;
	now = bpf_jiffies64();
	if (c->jiffies == now && until > c->boot + LATE_TICK)
		return 1;
	c->boot = bpf_ktime_get_boot_ns();
	c->jiffies = now;
	return c->boot < until;
}

#endif
