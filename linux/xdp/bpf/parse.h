// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
//
// Reading a packet's headers at the tc hook.

#ifndef EVENKEEL_PARSE_H
#define EVENKEEL_PARSE_H

#include "packet.h"

enum parsed { PARSED, NOT_OURS, BROKEN };

struct ip4 {
	__u8 version_ihl, tos;
	__be16 len, id, frag;
	__u8 ttl, proto;
	__be16 sum;
	__be32 src, dst;
};

struct ip6 {
	__be32 head;
	__be16 len;
	__u8 next, hops;
	struct address src, dst;
};

// The part of TCP that matters here; UDP and ICMP fit in it.
struct transport {
	__be16 sport, dport;
	__be32 seq, ack;
	__u8 offset, flags;
	__be16 window;
};

#define EXTENSIONS 6

static __always_inline __u32 fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

// Sources that no packet from a client can have.
static __always_inline int impossible4(__be32 src, __be32 dst)
{
	__u32 s = bpf_ntohl(src);

	return !s || src == dst || s >> 28 >= 14 || s >> 24 == 127;
}

static __always_inline int impossible6(const struct address *src, const struct address *dst)
{
	if (same(src, dst) || (src->word[0] & bpf_htonl(0xff000000)) == bpf_htonl(0xff000000))
		return 1;
	if (src->word[0] || src->word[1])
		return 0;
	// ::, ::1, ::a.b.c.d and ::ffff:a.b.c.d are on no wire.
	return src->word[2] == 0 || src->word[2] == bpf_htonl(0xffff);
}

static __always_inline int load(struct __sk_buff *skb, __u32 off, void *to, __u32 len)
{
	return bpf_skb_load_bytes(skb, off, to, len);
}

// ports reads the transport header at p->l4; end is where the IP packet ends.
static __always_inline int ports(struct __sk_buff *skb, struct packet *p, __u32 end)
{
	struct transport h;

	if (p->proto == IPPROTO_TCP) {
		__u32 len;

		if (p->l4 + 20 > end || load(skb, p->l4, &h, 16))
			return BROKEN;
		len = (h.offset >> 4) * 4;
		if (len < 20 || (p->kind == WHOLE && p->l4 + len > end))
			return BROKEN;
		p->tcp = h.flags;
	} else {
		__u32 len;

		if (p->l4 + 8 > end || load(skb, p->l4, &h, 8))
			return BROKEN;
		len = bpf_ntohl(h.seq) >> 16;
		if (p->kind == WHOLE && !skb->gso_size && (len < 8 || p->l4 + len > end))
			return BROKEN;
	}
	if (!h.sport && p->proto == IPPROTO_TCP)
		return BROKEN;
	if (!h.dport)
		return BROKEN;
	p->sport = h.sport;
	p->dport = h.dport;
	return PARSED;
}

// quote reads the packet an ICMP error quotes and makes p the tuple of its answer.
static __always_inline int quote4(struct __sk_buff *skb, struct packet *p, __u32 end)
{
	struct ip4 ip;
	struct transport h;
	__u32 ihl;

	p->quoted = p->l4 + 8;
	if (p->quoted + 28 > end || load(skb, p->quoted, &ip, sizeof(ip)))
		return BROKEN;
	ihl = (ip.version_ihl & 15) * 4;
	if (ip.version_ihl >> 4 != 4 || ihl < 20)
		return BROKEN;
	if (ip.proto != IPPROTO_TCP && ip.proto != IPPROTO_UDP)
		return NOT_OURS;
	if (ip.frag & bpf_htons(0x1fff))
		return NOT_OURS;
	p->quoted_l4 = p->quoted + ihl;
	if (p->quoted_l4 + 8 > end || load(skb, p->quoted_l4, &h, 8))
		return BROKEN;
	map4(&p->src, ip.dst);
	map4(&p->dst, ip.src);
	p->sport = h.dport;
	p->dport = h.sport;
	p->proto = ip.proto;
	p->kind = ICMP_ERROR;
	return PARSED;
}

static __always_inline int quote6(struct __sk_buff *skb, struct packet *p, __u32 end)
{
	struct ip6 ip;
	struct transport h;

	p->quoted = p->l4 + 8;
	if (p->quoted + 48 > end || load(skb, p->quoted, &ip, sizeof(ip)))
		return BROKEN;
	if ((ip.head & bpf_htonl(0xf0000000)) != bpf_htonl(0x60000000))
		return BROKEN;
	if (ip.next != IPPROTO_TCP && ip.next != IPPROTO_UDP)
		return NOT_OURS;
	p->quoted_l4 = p->quoted + sizeof(ip);
	if (load(skb, p->quoted_l4, &h, 8))
		return BROKEN;
	p->src = ip.dst;
	p->dst = ip.src;
	p->sport = h.dport;
	p->dport = h.sport;
	p->proto = ip.next;
	p->kind = ICMP_ERROR;
	return PARSED;
}

static __always_inline int icmp4(struct __sk_buff *skb, struct packet *p, __u32 end)
{
	__u8 type;

	if (p->kind != WHOLE || p->l4 + 8 > end || load(skb, p->l4, &type, 1))
		return NOT_OURS;
	if (type != 3 && type != 11 && type != 12) // unreachable, time exceeded, parameter problem
		return NOT_OURS;
	return quote4(skb, p, end);
}

static __always_inline int icmp6(struct __sk_buff *skb, struct packet *p, __u32 end)
{
	__u8 type;

	if (p->kind != WHOLE || p->l4 + 8 > end || load(skb, p->l4, &type, 1))
		return NOT_OURS;
	if (type < 1 || type > 4)
		return NOT_OURS;
	return quote6(skb, p, end);
}

// options sums up a header's options; the stack throws away packets with a wrong sum, and so do we.
static __always_inline int sum4(struct __sk_buff *skb, const struct ip4 *ip, __u32 ihl)
{
	const __u32 *w = (const void *)ip;
	__u64 sum = (__u64)w[0] + w[1] + w[2] + w[3] + w[4];
	__u32 i, option;

	for (i = 0; i < 10; i++) {
		if (20 + i * 4 >= ihl)
			break;
		if (load(skb, ETH_HLEN + 20 + i * 4, &option, 4))
			return 0;
		sum += option;
	}
	return fold(sum) == 0xffff;
}

static __always_inline int parse4(struct __sk_buff *skb, struct packet *p)
{
	struct ip4 ip;
	__u32 ihl, end, frag;

	if (load(skb, ETH_HLEN, &ip, sizeof(ip)))
		return BROKEN;
	ihl = (ip.version_ihl & 15) * 4;
	p->len = bpf_ntohs(ip.len);
	if (skb->gso_size)
		p->len = skb->len - ETH_HLEN; // 0 in headers of very large ones
	if (ip.version_ihl >> 4 != 4 || ihl < 20 || p->len < ihl || p->len > skb->len - ETH_HLEN)
		return BROKEN;
	if (ip.proto != IPPROTO_TCP && ip.proto != IPPROTO_UDP && ip.proto != IPPROTO_ICMP)
		return NOT_OURS;
	if (impossible4(ip.src, ip.dst) || !sum4(skb, &ip, ihl))
		return BROKEN;
	end = ETH_HLEN + p->len;
	map4(&p->src, ip.src);
	map4(&p->dst, ip.dst);
	p->family = 4;
	p->outer = p->proto = ip.proto;
	p->ttl = ip.ttl;
	p->ihl = ihl;
	p->l4 = ETH_HLEN + ihl;
	frag = bpf_ntohs(ip.frag);
	p->dont_fragment = frag >> 14 & 1;
	p->id = (__be32)ip.id;
	if (frag & 0x3fff) {
		p->kind = frag & 0x1fff ? LATER_FRAGMENT : FIRST_FRAGMENT;
		if ((frag & 0x1fff) * 8 + p->len - ihl > 65535)
			return BROKEN;
		if (p->kind == LATER_FRAGMENT)
			return (frag & 0x1fff) == 1 && ip.proto == IPPROTO_TCP ? BROKEN : PARSED; // RFC 1858: it would rewrite the flags
	}
	if (ip.proto == IPPROTO_ICMP)
		return icmp4(skb, p, end);
	return ports(skb, p, end);
}

static __always_inline int parse6(struct __sk_buff *skb, struct packet *p)
{
	struct ip6 ip;
	__u32 at = ETH_HLEN + sizeof(ip), end, i;
	__u8 next;

	if (load(skb, ETH_HLEN, &ip, sizeof(ip)))
		return BROKEN;
	p->len = bpf_ntohs(ip.len) + sizeof(ip);
	if (skb->gso_size)
		p->len = skb->len - ETH_HLEN;
	if ((ip.head & bpf_htonl(0xf0000000)) != bpf_htonl(0x60000000) || p->len > skb->len - ETH_HLEN)
		return BROKEN;
	end = ETH_HLEN + p->len;
	next = ip.next;
	p->src = ip.src;
	p->dst = ip.dst;
	p->family = 6;
	p->ttl = ip.hops;
	p->dont_fragment = 1;
	for (i = 0; i < EXTENSIONS; i++) {
		__u8 ext[8];

		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS && next != IPPROTO_FRAGMENT)
			break;
		if (at + 8 > end || load(skb, at, ext, 8))
			return BROKEN;
		if (next == IPPROTO_FRAGMENT) {
			__u32 frag = (__u32)ext[2] << 8 | ext[3];

			__builtin_memcpy(&p->id, ext + 4, 4);
			next = ext[0];
			at += 8;
			if (p->kind != WHOLE)
				return BROKEN;
			if (frag & 0xfff8) {
				if ((frag & 0xfff8) + end - at > 65535)
					return BROKEN;
				p->kind = LATER_FRAGMENT;
				break;
			}
			if (frag & 1)
				p->kind = FIRST_FRAGMENT;
		} else {
			next = ext[0];
			at += ((__u32)ext[1] + 1) * 8;
		}
	}
	if (next != IPPROTO_TCP && next != IPPROTO_UDP && next != IPPROTO_ICMPV6)
		return NOT_OURS;
	p->outer = p->proto = next;
	p->l4 = at;
	if (at > end)
		return BROKEN;
	if (next != IPPROTO_ICMPV6 && impossible6(&ip.src, &ip.dst))
		return BROKEN;
	if (p->kind == LATER_FRAGMENT)
		return PARSED;
	if (next == IPPROTO_ICMPV6)
		return icmp6(skb, p, end);
	return ports(skb, p, end);
}

// read_headers fills p. What counts as the packet's length is what one frame on the wire will have.
__noinline int read_headers(struct __sk_buff *skb, struct packet *p)
{
	if (!p)
		return NOT_OURS;
	p->ifindex = skb->ifindex;
	p->now = (__u32)bpf_jiffies64();
	p->kind = WHOLE;
	p->bytes = skb->len - ETH_HLEN;
	if (skb->protocol == bpf_htons(ETH_P_IP))
		return parse4(skb, p);
	if (skb->protocol == bpf_htons(ETH_P_IPV6))
		return parse6(skb, p);
	return NOT_OURS;
}

#endif
