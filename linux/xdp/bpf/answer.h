// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
//
// What the plane says itself: that a packet is too big for the way, or too old.

#ifndef EVENKEEL_ANSWER_H
#define EVENKEEL_ANSWER_H

#include "rewrite.h"

// How much of a packet is quoted. More than the least the RFCs ask for, so that the
// quoted TCP header is whole.
#define QUOTE4 64
#define QUOTE6 104

struct complaint4 {
	struct ip4 ip;
	__u8 type, code;
	__be16 sum;
	__be16 zero, mtu;
	__u8 quote[QUOTE4];
};

struct complaint6 {
	struct ip6 ip;
	__u8 type, code;
	__be16 sum;
	__be32 mtu;
	__u8 quote[QUOTE6];
};

// answerable: ICMP errors are about whole packets that are no errors themselves.
static __always_inline int answerable(const struct packet *p)
{
	return p->kind == WHOLE || p->kind == FIRST_FRAGMENT;
}

static __always_inline int turn_round(struct __sk_buff *skb)
{
	__u8 mac[12], back[12];

	if (load(skb, 0, mac, 12))
		return 0;
	__builtin_memcpy(back, mac + 6, 6);
	__builtin_memcpy(back + 6, mac, 6);
	return !bpf_skb_store_bytes(skb, 0, back, 12, 0);
}

// complain turns a packet into an ICMP error to its sender, by the way it came.
// IPv4: fragmentation needed (RFC 1191), or time exceeded for mtu 0; IPv6: packet too big (RFC 8201), or time exceeded.
static __noinline int complain4(struct __sk_buff *skb, struct packet *p, __u32 mtu)
{
	struct complaint4 c = { .ip = { .version_ihl = 0x45, .ttl = 64, .proto = IPPROTO_ICMP } };
	const __u32 *w = (const void *)&c.ip;
	__s64 sum;

	if (p->len < QUOTE4) {
		// Time is over for a short packet: what is behind its end stays zero.
		if (p->len < 28 || load(skb, ETH_HLEN, c.quote, 28))
			return 0;
	} else if (load(skb, ETH_HLEN, c.quote, QUOTE4)) {
		return 0;
	}
	c.type = mtu ? 3 : 11;
	c.code = mtu ? 4 : 0;
	c.mtu = bpf_htons(mtu);
	c.ip.len = bpf_htons(sizeof(c));
	c.ip.src = p->dst.word[3];
	c.ip.dst = p->src.word[3];
	c.ip.sum = ~fold((__u64)w[0] + w[1] + w[2] + w[3] + w[4]);
	sum = bpf_csum_diff(0, 0, (void *)&c.type, 8 + QUOTE4, 0);
	c.sum = ~fold((__u32)sum);
	if (bpf_skb_change_tail(skb, ETH_HLEN + sizeof(c), 0) ||
	    bpf_skb_store_bytes(skb, ETH_HLEN, &c, sizeof(c), BPF_F_RECOMPUTE_CSUM))
		return 0;
	return turn_round(skb);
}

static __noinline int complain6(struct __sk_buff *skb, struct packet *p, __u32 mtu)
{
	struct complaint6 c = { .ip = { .head = bpf_htonl(0x60000000), .hops = 64, .next = IPPROTO_ICMPV6 } };
	__s64 sum;

	if (p->len < QUOTE6) {
		if (p->len < 48 || load(skb, ETH_HLEN, c.quote, 48))
			return 0;
	} else if (load(skb, ETH_HLEN, c.quote, QUOTE6)) {
		return 0;
	}
	c.type = mtu ? 2 : 3;
	c.mtu = bpf_htonl(mtu);
	c.ip.len = bpf_htons(8 + QUOTE6);
	c.ip.src = p->dst;
	c.ip.dst = p->src;
	// The pseudo header: both addresses, length, protocol.
	sum = bpf_csum_diff(0, 0, (void *)&c.ip.src, 32 + 8 + QUOTE6, bpf_htonl(8 + QUOTE6));
	c.sum = ~fold((__u64)(__u32)sum + bpf_htonl(IPPROTO_ICMPV6));
	if (bpf_skb_change_tail(skb, ETH_HLEN + sizeof(c), 0) ||
	    bpf_skb_store_bytes(skb, ETH_HLEN, &c, sizeof(c), BPF_F_RECOMPUTE_CSUM))
		return 0;
	return turn_round(skb);
}

static __always_inline int complain(struct __sk_buff *skb, struct packet *p, __u32 mtu)
{
	int done;

	if (!answerable(p))
		return TC_ACT_SHOT;
	done = p->family == 4 ? complain4(skb, p, mtu) : complain6(skb, p, mtu);
	if (!done)
		return TC_ACT_SHOT;
	if (mtu)
		count(TOLD_TOO_BIG);
	return bpf_redirect(skb->ifindex, 0);
}

#endif
