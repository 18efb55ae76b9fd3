// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
//
// Tunnels: a packet in another IP header, or in UDP as generic UDP encapsulation
// (draft-ietf-intarea-gue, version 0, no extensions).

#ifndef EVENKEEL_WRAP_H
#define EVENKEEL_WRAP_H

#include "rewrite.h"

struct gue {
	__be16 sport, dport, len, sum;
	__u8 version_hlen, proto;
	__be16 flags;
};

struct wrap4 {
	struct ip4 ip;
	struct gue gue;
};

struct wrap6 {
	struct ip6 ip;
	struct gue gue;
};

static __always_inline __u32 wrap_length(const struct dest *d)
{
	return (d->family == 4 ? sizeof(struct ip4) : sizeof(struct ip6)) + (d->wrap == GUE ? sizeof(struct gue) : 0);
}

static __always_inline __u8 inner_proto(__u8 family)
{
	return family == 4 ? IPPROTO_IPIP : IPPROTO_IPV6;
}

// spread: one flow, one source port of GUE, so that routers spread flows by it.
static __always_inline __u32 spread(__be32 src, __be32 dst, __be16 sport, __be16 dport)
{
	return mix((__u64)src << 32 ^ dst ^ (__u64)sport << 16 ^ dport);
}

static __always_inline void gue_header(struct gue *g, const struct dest *d, __u8 family, __u32 h, __u32 len)
{
	g->sport = bpf_htons(0xc000 | (h & 0x3fff));
	g->dport = d->wrap_port;
	g->len = bpf_htons(len + sizeof(*g));
	g->sum = 0;
	g->version_hlen = 0;
	g->proto = inner_proto(family);
	g->flags = 0;
}

// outer4 fills in the outer header of inner bytes of a packet of family.
static __always_inline void outer4(struct wrap4 *w, const struct dest *d, __u8 family, __u8 tos, int df, __u32 h, __u32 inner)
{
	const __u32 *word = (const void *)&w->ip;

	w->ip.version_ihl = 0x45;
	w->ip.tos = tos;
	w->ip.len = bpf_htons(inner + wrap_length(d));
	w->ip.id = df ? 0 : (__be16)(h ^ h >> 16);
	w->ip.frag = df ? bpf_htons(0x4000) : 0;
	w->ip.ttl = 64;
	w->ip.proto = d->wrap == GUE ? IPPROTO_UDP : inner_proto(family);
	w->ip.sum = 0;
	w->ip.src = d->source.word[3];
	w->ip.dst = d->addr.word[3];
	w->ip.sum = ~fold((__u64)word[0] + word[1] + word[2] + word[3] + word[4]);
	if (d->wrap == GUE)
		gue_header(&w->gue, d, family, h, inner);
}

static __always_inline void outer6(struct wrap6 *w, const struct dest *d, __u8 family, __u32 h, __u32 inner)
{
	w->ip.head = bpf_htonl(0x60000000);
	w->ip.len = bpf_htons(inner + wrap_length(d) - sizeof(w->ip));
	w->ip.next = d->wrap == GUE ? IPPROTO_UDP : inner_proto(family);
	w->ip.hops = 64;
	w->ip.src = d->source;
	w->ip.dst = d->addr;
	if (d->wrap == GUE)
		gue_header(&w->gue, d, family, h, inner);
}

// wrap puts the outer header on. Differs from the kernel's virtual server: the outer header of an IPv4 packet
// without DF has none either, but we do not fragment it; too large a packet is told of or dropped.
static __noinline int wrap(struct __sk_buff *skb, struct packet *p, struct dest *d)
{
	__u32 inner = skb->len - ETH_HLEN, len = wrap_length(d);
	__u64 flags = d->family == 4 ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 : BPF_F_ADJ_ROOM_ENCAP_L3_IPV6;
	__u8 tos = 0;
	__u32 h;
	long r;

	if (p->family == 4)
		load(skb, ETH_HLEN + 1, &tos, 1);
	if (d->wrap == GUE)
		flags |= BPF_F_ADJ_ROOM_ENCAP_L4_UDP;
	flags |= BPF_F_ADJ_ROOM_FIXED_GSO;
	if (bpf_skb_adjust_room(skb, len, BPF_ADJ_ROOM_MAC, flags))
		return 0;
	h = spread(p->src.word[3], p->dst.word[3], p->sport, p->dport);
	if (d->family == 4) {
		struct wrap4 w = {};
		__be16 kind = bpf_htons(ETH_P_IP);

		outer4(&w, d, p->family, tos, p->family == 6 || p->dont_fragment, h, inner);
		if (d->wrap == GUE)
			r = bpf_skb_store_bytes(skb, ETH_HLEN, &w, sizeof(w), 0);
		else
			r = bpf_skb_store_bytes(skb, ETH_HLEN, &w.ip, sizeof(w.ip), 0);
		return !r && !bpf_skb_store_bytes(skb, ETH_HLEN - 2, &kind, 2, 0);
	} else {
		struct wrap6 w = {};
		__be16 kind = bpf_htons(ETH_P_IPV6);

		outer6(&w, d, p->family, h, inner);
		if (d->wrap == GUE)
			r = bpf_skb_store_bytes(skb, ETH_HLEN, &w, sizeof(w), 0);
		else
			r = bpf_skb_store_bytes(skb, ETH_HLEN, &w.ip, sizeof(w.ip), 0);
		return !r && !bpf_skb_store_bytes(skb, ETH_HLEN - 2, &kind, 2, 0);
	}
}

#endif
