// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
//
// The way in by tc: right for every packet.

#ifndef EVENKEEL_TC_H
#define EVENKEEL_TC_H

#include "answer.h"
#include "translate.h"
#include "wrap.h"

// on_wire is how long the largest frame of a packet will be that may still be cut by the card.
static __always_inline __u32 on_wire(struct __sk_buff *skb, const struct packet *p)
{
	__u32 headers;

	if (!skb->gso_size)
		return p->len;
	headers = p->l4 - ETH_HLEN + (p->proto == IPPROTO_TCP ? 20 : 8);
	return headers + skb->gso_size;
}

// fits: does a packet with more bytes before it fit the way to a destination?
static __always_inline int fits(struct __sk_buff *skb, const struct packet *p, const struct dest *d, __u32 more)
{
	return !d->mtu || on_wire(skb, p) + more <= d->mtu;
}

// verified: is the transport sum right as the bytes stand? Only asked where XDP is in use, about small
// packets. Packets of a neighbour on the same machine have no sum yet; XDP must not touch them.
static __noinline int verified(struct __sk_buff *skb, struct packet *p)
{
	__u8 bytes[96] = {};
	__u32 len, i;
	__u64 sum;

	if (p->kind != WHOLE || skb->gso_size || p->l4 < ETH_HLEN || p->len + ETH_HLEN < p->l4)
		return 0;
	len = p->len + ETH_HLEN - p->l4;
	if (len < 8)
		return 0;
	asm volatile("" : "+r"(len)); // one comparison at a time is what older verifiers understand
	if (len > sizeof(bytes))
		return 0;
	if (load(skb, p->l4, bytes, len))
		return 0;
	if (p->family == 4 && p->proto == IPPROTO_UDP && !bytes[6] && !bytes[7])
		return 1;
	sum = bpf_htons(len) + bpf_htons((__u16)p->proto);
	if (p->family == 4) {
		sum += (__u64)p->src.word[3] + p->dst.word[3];
	} else {
#pragma unroll
		for (i = 0; i < 4; i++)
			sum += (__u64)p->src.word[i] + p->dst.word[i];
	}
	sum += (__u32)bpf_csum_diff(0, 0, (void *)bytes, sizeof(bytes), 0);
	return fold(sum) == 0xffff;
}

// vouch lets XDP carry the rest of a flow.
static __always_inline void vouch(struct __sk_buff *skb, struct packet *p, struct verdict *v)
{
	struct settings *s;
	struct flow *f;
	__u8 mac[6];

	if (!v->unchecked)
		return;
	s = settings();
	if (!s || !s->xdp || !verified(skb, p))
		return;
	f = find_flows(tuple_of(p));
	if (!f || load(skb, 0, mac, 6))
		return;
	__builtin_memcpy(f->mac, mac, 6);
	f->arrives = skb->ifindex;
	__sync_fetch_and_or(&f->flags, CHECKED);
}

__noinline int send(struct __sk_buff *skb, struct packet *p, struct verdict *v)
{
	struct dest *d;
	__u8 family;

	if (!p || !v)
		return TC_ACT_SHOT;
	d = dest_at(v->dest);
	family = p->family;

	if (!d)
		return TC_ACT_SHOT;
	if (p->ttl <= 1) {
		count(TTL_OVER);
		return complain(skb, p, 0);
	}
	if (!fits(skb, p, d, d->method == TUNNEL ? wrap_length(d) : 0)) {
		if (p->dont_fragment && p->kind != LATER_FRAGMENT)
			return complain(skb, p, d->mtu - (d->method == TUNNEL ? wrap_length(d) : 0));
		count(TOO_BIG);
		return TC_ACT_SHOT;
	}
	vouch(skb, p, v);
	count_in(v->dest, p->bytes, v->fresh);
	older(skb, p);
	if (d->method == NAT) {
		if (!(p->kind == ICMP_ERROR ? error_to_server(skb, p, d) : to_server(skb, p, d)))
			goto failed;
	} else if (d->method == TUNNEL) {
		if (!wrap(skb, p, d))
			goto failed;
		family = d->family;
	}
	count(p->kind == ICMP_ERROR ? ERROR_PASSED : FORWARDED);
	return toward_link(skb, d, p->now, family);
failed:
	count(SEND_FAILED);
	return TC_ACT_SHOT;
}

__noinline int give_back(struct __sk_buff *skb, struct packet *p, struct verdict *v)
{
	if (!p || !v)
		return TC_ACT_SHOT;
	if (p->ttl <= 1) {
		count(TTL_OVER);
		return TC_ACT_SHOT;
	}
	vouch(skb, p, v);
	count_out(v->dest, p->bytes);
	older(skb, p);
	if (!(p->kind == ICMP_ERROR ? error_to_client(skb, p, v) : to_client(skb, p, v))) {
		count(SEND_FAILED);
		return TC_ACT_SHOT;
	}
	count(p->kind == ICMP_ERROR ? ERROR_PASSED : FORWARDED);
	return onward_return(skb, p, v);
}

static __always_inline int ingress(struct __sk_buff *skb)
{
	struct verdict v = {};
	struct packet p = {};

	if (skb->pkt_type != PACKET_HOST || skb->vlan_present)
		return TC_ACT_UNSPEC;
	switch (read_headers(skb, &p)) {
	case NOT_OURS:
		return TC_ACT_UNSPEC;
	case BROKEN:
		count(MALFORMED);
		return TC_ACT_UNSPEC;
	}
	switch (decide(&p, &v)) {
	case DISCARD:
		return TC_ACT_SHOT;
	case DELIVER:
		count_in(v.dest, p.bytes, v.fresh);
		count(TO_SELF);
		return TC_ACT_UNSPEC;
	case SEND:
		return send(skb, &p, &v);
	case RETURN:
		return give_back(skb, &p, &v);
	}
	return TC_ACT_UNSPEC;
}

SEC("tc")
int plane_ingress(struct __sk_buff *skb)
{
	return ingress(skb);
}

#endif
