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

static __always_inline void gue_header(struct gue *g, const struct packet *p, const struct dest *d, __u32 len)
{
	__u32 h = mix((__u64)p->src.word[3] << 32 ^ p->dst.word[3] ^ (__u64)p->sport << 16 ^ p->dport);

	g->sport = bpf_htons(0xc000 | (h & 0x3fff)); // one flow, one port: routers spread by it
	g->dport = d->wrap_port;
	g->len = bpf_htons(len + sizeof(*g));
	g->sum = 0;
	g->version_hlen = 0;
	g->proto = p->family == 4 ? IPPROTO_IPIP : IPPROTO_IPV6;
	g->flags = 0;
}

// wrap puts the outer header on. Differs from the kernel's virtual server: the outer header of an IPv4 packet
// without DF has none either, but we do not fragment it; too large a packet is told of or dropped.
static __noinline int wrap(struct __sk_buff *skb, struct packet *p, struct dest *d)
{
	__u32 inner = skb->len - ETH_HLEN, len = wrap_length(d);
	__u64 flags = d->family == 4 ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 : BPF_F_ADJ_ROOM_ENCAP_L3_IPV6;
	__u8 tos = 0;
	long r;

	if (p->family == 4)
		load(skb, ETH_HLEN + 1, &tos, 1);
	if (d->wrap == GUE)
		flags |= BPF_F_ADJ_ROOM_ENCAP_L4_UDP;
	flags |= BPF_F_ADJ_ROOM_FIXED_GSO;
	if (bpf_skb_adjust_room(skb, len, BPF_ADJ_ROOM_MAC, flags))
		return 0;
	if (d->family == 4) {
		struct wrap4 w = { .ip = { .version_ihl = 0x45, .tos = tos, .ttl = 64 } };
		const __u32 *word = (const void *)&w.ip;
		__be16 kind = bpf_htons(ETH_P_IP);

		w.ip.len = bpf_htons(inner + len);
		w.ip.frag = p->family == 6 || p->dont_fragment ? bpf_htons(0x4000) : 0;
		w.ip.id = (__be16)mix(p->now ^ p->id);
		w.ip.proto = d->wrap == GUE ? IPPROTO_UDP : p->family == 4 ? IPPROTO_IPIP : IPPROTO_IPV6;
		w.ip.src = d->source.word[3];
		w.ip.dst = d->addr.word[3];
		w.ip.sum = ~fold((__u64)word[0] + word[1] + word[2] + word[3] + word[4]);
		if (d->wrap == GUE) {
			gue_header(&w.gue, p, d, inner);
			r = bpf_skb_store_bytes(skb, ETH_HLEN, &w, sizeof(w), 0);
		} else {
			r = bpf_skb_store_bytes(skb, ETH_HLEN, &w.ip, sizeof(w.ip), 0);
		}
		return !r && !bpf_skb_store_bytes(skb, ETH_HLEN - 2, &kind, 2, 0);
	}
	{
		struct wrap6 w = { .ip = { .head = bpf_htonl(0x60000000), .hops = 64 } };
		__be16 kind = bpf_htons(ETH_P_IPV6);

		w.ip.len = bpf_htons(inner + len - sizeof(w.ip));
		w.ip.next = d->wrap == GUE ? IPPROTO_UDP : p->family == 4 ? IPPROTO_IPIP : IPPROTO_IPV6;
		w.ip.src = d->source;
		w.ip.dst = d->addr;
		if (d->wrap == GUE) {
			gue_header(&w.gue, p, d, inner);
			r = bpf_skb_store_bytes(skb, ETH_HLEN, &w, sizeof(w), 0);
		} else {
			r = bpf_skb_store_bytes(skb, ETH_HLEN, &w.ip, sizeof(w.ip), 0);
		}
		return !r && !bpf_skb_store_bytes(skb, ETH_HLEN - 2, &kind, 2, 0);
	}
}

#endif
