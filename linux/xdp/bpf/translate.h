// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
//
// Network address translation, of packets and of what ICMP errors quote.

#ifndef EVENKEEL_TRANSLATE_H
#define EVENKEEL_TRANSLATE_H

#include "rewrite.h"

// to_server rewrites the destination of a client's packet.
static __noinline int to_server(struct __sk_buff *skb, struct packet *p, struct dest *d)
{
	struct address new = d->addr;
	__be16 port = d->port ? d->port : p->dport;

	return replace(skb, p, &p->dst, &new, p->family == 4 ? DST4 : DST6, p->dport, port, 2);
}

// to_client rewrites the source of a server's packet.
static __noinline int to_client(struct __sk_buff *skb, struct packet *p, struct verdict *v)
{
	return replace(skb, p, &p->src, &v->virt, p->family == 4 ? SRC4 : SRC6, p->sport, v->vport, 0);
}

// error_replace rewrites one address and port inside a quoted packet and in the outer header,
// where the same address stands (outer: offset in the outer header, 0: not there). The
// quoted packet's own transport sum is left alone: it is not complete anyway. The
// ICMP sum is mended.
static __always_inline int error_replace(struct __sk_buff *skb, struct packet *p, const struct address *old,
					 const struct address *new, __u32 inner, __u32 outer, __be16 old_port,
					 __be16 new_port, __u32 port)
{
	__u32 sum = p->l4 + 2;

	if (old_port != new_port) {
		if (bpf_l4_csum_replace(skb, sum, old_port, new_port, 2) ||
		    bpf_skb_store_bytes(skb, p->quoted_l4 + port, &new_port, 2, 0))
			return 0;
	}
	if (p->family == 4) {
		__be32 ip = new->word[3];
		__be16 before, after;

		// The quoted header's own sum changes so that both cancel out in the ICMP sum.
		if (load(skb, p->quoted + 10, &before, 2) ||
		    bpf_l4_csum_replace(skb, sum, old->word[3], ip, 4) ||
		    bpf_skb_store_bytes(skb, p->quoted + inner, &ip, 4, 0) ||
		    bpf_l3_csum_replace(skb, p->quoted + 10, old->word[3], ip, 4) ||
		    load(skb, p->quoted + 10, &after, 2) ||
		    bpf_l4_csum_replace(skb, sum, before, after, 2))
			return 0;
		if (!outer)
			return 1;
		return !bpf_l3_csum_replace(skb, ETH_HLEN + 10, old->word[3], ip, 4) &&
		       !bpf_skb_store_bytes(skb, ETH_HLEN + outer, &ip, 4, 0);
	}
	{
		__s64 diff = bpf_csum_diff((void *)old, 16, (void *)new, 16, 0);

		if (bpf_l4_csum_replace(skb, sum, 0, diff, 0) ||
		    bpf_skb_store_bytes(skb, p->quoted + inner, new, 16, 0))
			return 0;
		if (!outer)
			return 1;
		return !bpf_l4_csum_replace(skb, sum, 0, diff, BPF_F_PSEUDO_HDR) &&
		       !bpf_skb_store_bytes(skb, ETH_HLEN + outer, new, 16, 0);
	}
}

// error_to_server: an error about what the server sent to the client, as it looked on its way.
// The quoted source and the outer destination are the virtual address.
static __noinline int error_to_server(struct __sk_buff *skb, struct packet *p, struct dest *d)
{
	struct address new = d->addr;
	__be16 port = d->port ? d->port : p->dport;

	return error_replace(skb, p, &p->dst, &new, p->family == 4 ? SRC4 : SRC6, p->family == 4 ? DST4 : DST6, p->dport,
			     port, 0);
}

// error_to_client: an error about what the client sent, as it looked behind us. The quoted destination is the server's
// address; the error's source may be a router, then it stays.
static __noinline int error_to_client(struct __sk_buff *skb, struct packet *p, struct verdict *v)
{
	struct address from;
	__u32 outer = 0;

	if (p->family == 4) {
		__be32 ip;

		if (load(skb, ETH_HLEN + SRC4, &ip, 4))
			return 0;
		map4(&from, ip);
		if (same(&from, &p->src))
			outer = SRC4;
	} else {
		if (load(skb, ETH_HLEN + SRC6, &from, 16))
			return 0;
		if (same(&from, &p->src))
			outer = SRC6;
	}
	return error_replace(skb, p, &p->src, &v->virt, p->family == 4 ? DST4 : DST6, outer, p->sport, v->vport, 2);
}

#endif
