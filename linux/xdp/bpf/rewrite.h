// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
//
// Changing a packet at the tc hook, and sending it on its way.

#ifndef EVENKEEL_REWRITE_H
#define EVENKEEL_REWRITE_H

#include "decide.h"
#include "parse.h"

#define L4_TCP_SUM 16
#define L4_UDP_SUM 6

// older takes one from the time to live. Returns 0 if it is over.
static __always_inline int older(struct __sk_buff *skb, const struct packet *p)
{
	if (p->ttl <= 1)
		return 0;
	if (p->family == 4) {
		// Time to live and protocol are one word of the header.
		__be16 old = bpf_htons((__u16)p->ttl << 8 | p->outer), new = bpf_htons((__u16)(p->ttl - 1) << 8 | p->outer);

		bpf_l3_csum_replace(skb, ETH_HLEN + 10, old, new, 2);
		bpf_skb_store_bytes(skb, ETH_HLEN + 8, &new, 2, 0);
	} else {
		__u8 hops = p->ttl - 1;

		bpf_skb_store_bytes(skb, ETH_HLEN + 7, &hops, 1, 0);
	}
	return 1;
}

// toward_link sends a packet, as it is now, to a next hop.
static __always_inline int toward_link(struct __sk_buff *skb, const struct dest *d, __u32 now, __u8 family)
{
	struct bpf_redir_neigh hop = {};
	__u32 ifindex = d->ifindex;

	if (!ifindex) {
		count(NO_ROUTE);
		return TC_ACT_SHOT;
	}
	if (ahead(d->fresh_until, now)) {
		__u8 mac[12];

		__builtin_memcpy(mac, d->mac, 12);
		if (!bpf_skb_store_bytes(skb, 0, mac, 12, 0))
			return bpf_redirect(ifindex, 0);
	}
	if (family == 4) {
		hop.nh_family = 2;
		hop.ipv4_nh = d->nexthop.word[3];
	} else {
		hop.nh_family = 10;
		__builtin_memcpy(hop.ipv6_nh, &d->nexthop, 16);
	}
	return bpf_redirect_neigh(ifindex, &hop, sizeof(hop), 0);
}

// replace puts another address and port into a packet and mends its sums. what is the offset
// of the address in the IP header, port that of the port in the transport header.
static __always_inline int replace(struct __sk_buff *skb, const struct packet *p, const struct address *old,
				   const struct address *new, __u32 what, __be16 old_port, __be16 new_port, __u32 port)
{
	__u32 sum = p->l4 + (p->proto == IPPROTO_TCP ? L4_TCP_SUM : L4_UDP_SUM);
	__u64 flags = p->proto == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;

	if (p->kind != LATER_FRAGMENT) {
		if (p->family == 4) {
			if (bpf_l4_csum_replace(skb, sum, old->word[3], new->word[3], flags | BPF_F_PSEUDO_HDR | 4))
				return 0;
		} else {
			__s64 diff = bpf_csum_diff((void *)old, 16, (void *)new, 16, 0);

			if (bpf_l4_csum_replace(skb, sum, 0, diff, flags | BPF_F_PSEUDO_HDR))
				return 0;
		}
		if (old_port != new_port) {
			if (bpf_l4_csum_replace(skb, sum, old_port, new_port, flags | 2) ||
			    bpf_skb_store_bytes(skb, p->l4 + port, &new_port, 2, 0))
				return 0;
		}
	}
	if (p->family == 4) {
		__be32 ip = new->word[3];

		return !bpf_l3_csum_replace(skb, ETH_HLEN + 10, old->word[3], ip, 4) &&
		       !bpf_skb_store_bytes(skb, ETH_HLEN + what, &ip, 4, 0);
	}
	return !bpf_skb_store_bytes(skb, ETH_HLEN + what, new, 16, 0);
}

#define SRC4 12
#define DST4 16
#define SRC6 8
#define DST6 24

// onward_return sends a packet whose source is now the virtual address to its client.
static __noinline int onward_return(struct __sk_buff *skb, struct packet *p, struct verdict *v)
{
	struct bpf_fib_lookup fib = {};
	int r;

	fib.ifindex = skb->ifindex;
	fib.tot_len = 0;
	if (p->family == 4) {
		fib.family = 2;
		fib.ipv4_src = v->virt.word[3];
		fib.ipv4_dst = p->dst.word[3];
	} else {
		fib.family = 10;
		__builtin_memcpy(fib.ipv6_src, &v->virt, 16);
		__builtin_memcpy(fib.ipv6_dst, &p->dst, 16);
	}
	r = bpf_fib_lookup(skb, &fib, sizeof(fib), 0);
	if (r == BPF_FIB_LKUP_RET_SUCCESS) {
		__u8 mac[12];

		__builtin_memcpy(mac, fib.dmac, 6);
		__builtin_memcpy(mac + 6, fib.smac, 6);
		if (bpf_skb_store_bytes(skb, 0, mac, 12, 0))
			return TC_ACT_SHOT;
		return bpf_redirect(fib.ifindex, 0);
	}
	if (r == BPF_FIB_LKUP_RET_NO_NEIGH)
		return bpf_redirect_neigh(fib.ifindex, 0, 0, 0);
	// Forwarding is off here, or the lookup does not know: back where the client came from.
	if (v->ifindex)
		return bpf_redirect_neigh(v->ifindex, 0, 0, 0);
	count(NO_ROUTE);
	return TC_ACT_SHOT;
}

#endif
