// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
//
// The way in by XDP: packets of remembered flows for which everything is known, whole, plain and
// small enough. All else, the first packets of a flow and the last ones included, passes to tc as it came.
// Nothing is written before it is certain that the packet goes.

#ifndef EVENKEEL_FAST_H
#define EVENKEEL_FAST_H

#include "decide.h"
#include "parse.h"
#include "wrap.h"

static __always_inline int proven(__u32 ifindex)
{
	__u32 at = ifindex % LINKS, *known = bpf_map_lookup_elem(&plane_proven, &at);

	return known && *known == ifindex;
}

// plain: is it a flow whose packets XDP may carry, in a state in which nothing is about to change?
static __always_inline int plain(const struct flow *f, const __u8 *mac, __u32 ifindex, __u32 now)
{
	if (!(f->flags & CHECKED) || expired(f, now) || f->arrives != ifindex || !same_mac(mac, f->mac))
		return 0;
	if (f->flags & REVERSE)
		return 1;
	return (f->state == ESTABLISHED || f->state == UDP_STATE) && (__s32)(now - f->told) <= 0;
}

// ready: may a flow's destination be sent a packet of len bytes by XDP now?
static __always_inline int ready(const struct dest *d, int reverse, __u32 len, __u32 now)
{
	if ((d->flags & (IN_USE | GONE | HERE)) != IN_USE)
		return 0;
	if (reverse)
		return 1;
	if (!ahead(d->fresh_until, now) || len > d->mtu)
		return 0;
	return proven(d->ifindex);
}

static __always_inline __be16 mend(__be16 sum, __u32 old, __u32 new)
{
	return ~fold((__u64)(__u16)~sum + (__u32)~old + new);
}

// sum_at finds the transport sum of a packet whose transport header is at l4; 0: it has none, or is cut.
static __always_inline __be16 *sum_at(void *l4, void *end, __u8 proto)
{
	__be16 *sum = l4 + (proto == IPPROTO_TCP ? L4_TCP_SUM : L4_UDP_SUM);

	return (void *)(sum + 1) > end ? 0 : sum;
}

static __always_inline void mend_transport(__be16 *sum, __u8 proto, __u64 old, __u64 new)
{
	__be16 mended;

	if (proto == IPPROTO_UDP && !*sum)
		return; // not used
	mended = ~fold((__u64)(__u16)~*sum + (old & 0xffffffff) + (old >> 32) + (new & 0xffffffff) + (new >> 32));
	*sum = proto == IPPROTO_UDP && !mended ? 0xffff : mended;
}

// wrapped4 and wrapped6 put the outer header before a packet.
static __always_inline int wrapped4(struct xdp_md *ctx, const struct dest *d, __u8 family, __u8 tos, int df, __u32 h, __u32 inner)
{
	__u32 len = d->wrap == GUE ? sizeof(struct wrap4) : sizeof(struct ip4);
	struct ethhdr *eth;
	struct wrap4 *w;
	void *end;

	if (bpf_xdp_adjust_head(ctx, -(int)len))
		return 0;
	eth = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	w = (void *)(eth + 1);
	if ((void *)(w + 1) > end)
		return 0;
	__builtin_memcpy(eth, d->mac, 12);
	eth->h_proto = bpf_htons(ETH_P_IP);
	outer4(w, d, family, tos, df, h, inner);
	return 1;
}

static __always_inline int wrapped6(struct xdp_md *ctx, const struct dest *d, __u8 family, __u32 h, __u32 inner)
{
	__u32 len = d->wrap == GUE ? sizeof(struct wrap6) : sizeof(struct ip6);
	struct ethhdr *eth;
	struct wrap6 *w;
	void *end;

	if (bpf_xdp_adjust_head(ctx, -(int)len))
		return 0;
	eth = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	w = (void *)(eth + 1);
	if ((void *)(w + 1) > end)
		return 0;
	__builtin_memcpy(eth, d->mac, 12);
	eth->h_proto = bpf_htons(ETH_P_IPV6);
	outer6(w, d, family, h, inner);
	return 1;
}

static __always_inline int home4(struct xdp_md *ctx, struct ethhdr *eth, struct ip4 *ip, const struct flow *f, __u32 len)
{
	struct bpf_fib_lookup fib = {};

	fib.family = 2;
	fib.ifindex = ctx->ingress_ifindex;
	fib.tot_len = len;
	fib.ipv4_src = f->virt.word[3];
	fib.ipv4_dst = ip->dst;
	if (bpf_fib_lookup(ctx, &fib, sizeof(fib), 0) != BPF_FIB_LKUP_RET_SUCCESS || !proven(fib.ifindex))
		return 0;
	__builtin_memcpy(eth->h_dest, fib.dmac, 6);
	__builtin_memcpy(eth->h_source, fib.smac, 6);
	return fib.ifindex;
}

static __always_inline int fast4(struct xdp_md *ctx, struct ethhdr *eth, void *end)
{
	struct ip4 *ip = (void *)(eth + 1);
	struct transport *t = (void *)(ip + 1);
	__u32 now = (__u32)bpf_jiffies64(), len, ifindex, dest, h, then;
	struct settings *s = settings();
	struct key4 k = {};
	const struct note *n;
	struct flow *f = 0;
	struct dest *d;
	int reverse = 0;
	__be16 *sum;

	if ((void *)t + 8 > end || ip->version_ihl != 0x45 || ip->frag & bpf_htons(0x3fff) || ip->ttl <= 1)
		return XDP_PASS;
	if (ip->proto == IPPROTO_TCP) {
		if ((void *)(t + 1) > end || t->flags & (TCP_SYN | TCP_FIN | TCP_RST) || t->offset < 0x50)
			return XDP_PASS;
	} else if (ip->proto != IPPROTO_UDP) {
		return XDP_PASS;
	}
	k.src = ip->src;
	k.dst = ip->dst;
	k.sport = t->sport;
	k.dport = t->dport;
	k.proto = ip->proto;
	if (!s)
		return XDP_PASS;
	h = recent_hash(&k);
	then = epoch(h);
	n = note_of(s, h, then, &k, now);
	if (n && by_way(n, eth->h_dest, ctx->ingress_ifindex)) {
		dest = n->dest;
		d = dest_at(dest);
		if (!d || (__u16)d->generation != n->generation)
			return XDP_PASS;
	} else {
		f = bpf_map_lookup_elem(&plane_flows4, &k);
		if (!f || !plain(f, eth->h_dest, ctx->ingress_ifindex, now))
			return XDP_PASS;
		dest = f->dest;
		d = dest_at(dest);
		if (!d || d->generation != f->generation)
			return XDP_PASS;
		reverse = !!(f->flags & REVERSE);
	}
	len = bpf_ntohs(ip->len);
	BOUND(len, 65536);
	if (len < 28 || (void *)ip + len > end)
		return XDP_PASS;
	{
		const __u32 *w = (const void *)ip;

		if (fold((__u64)w[0] + w[1] + w[2] + w[3] + w[4]) != 0xffff)
			return XDP_PASS;
	}
	if (!ready(d, reverse, len + (d->method == TUNNEL ? wrap_length(d) : 0), now) || !lease_open(d->lease))
		return XDP_PASS;
	ifindex = d->ifindex;
	if (reverse || d->method == NAT) {
		int out = f && reverse;
		__be32 old = out ? ip->src : ip->dst, new = out ? f->virt.word[3] : d->addr.word[3];
		__be16 port = out ? f->vport : d->port ? d->port : t->dport, before = out ? t->sport : t->dport;

		sum = sum_at(t, end, ip->proto);
		if (!sum)
			return XDP_PASS;
		if (out) {
			ifindex = home4(ctx, eth, ip, f, len);
			if (!ifindex)
				return XDP_PASS;
		}
		mend_transport(sum, ip->proto, (__u64)(__u32)~old << 32 | (__u16)~before, (__u64)new << 32 | port);
		ip->sum = mend(ip->sum, old, new);
		if (out) {
			ip->src = new;
			t->sport = port;
		} else {
			ip->dst = new;
			t->dport = port;
		}
	}
	// One less to live: the first byte of a big-endian word.
	ip->sum = mend(ip->sum, bpf_htons((__u16)ip->ttl << 8), bpf_htons((__u16)(ip->ttl - 1) << 8));
	ip->ttl--;
	if (reverse) {
		count_out(dest, len);
	} else {
		count_in(dest, len, 0);
		if (d->method == TUNNEL) {
			__u32 port = spread(k.src, k.dst, k.sport, k.dport);

			if (!(d->family == 4 ? wrapped4(ctx, d, 4, ip->tos, !!(ip->frag & bpf_htons(0x4000)), port, len) :
					       wrapped6(ctx, d, 4, port, len)))
				return XDP_DROP;
		} else {
			__builtin_memcpy(eth, d->mac, 12);
		}
	}
	if (f) {
		if (!reverse && now - f->last < s->recent)
			write_note(s, h, then, &k, f, now);
		f->last = now;
	}
	count(BY_XDP);
	return bpf_redirect(ifindex, 0);
}

static __always_inline int home6(struct xdp_md *ctx, struct ethhdr *eth, struct ip6 *ip, const struct flow *f, __u32 len)
{
	struct bpf_fib_lookup fib = {};

	fib.family = 10;
	fib.ifindex = ctx->ingress_ifindex;
	fib.tot_len = len;
	__builtin_memcpy(fib.ipv6_src, &f->virt, 16);
	__builtin_memcpy(fib.ipv6_dst, &ip->dst, 16);
	if (bpf_fib_lookup(ctx, &fib, sizeof(fib), 0) != BPF_FIB_LKUP_RET_SUCCESS || !proven(fib.ifindex))
		return 0;
	__builtin_memcpy(eth->h_dest, fib.dmac, 6);
	__builtin_memcpy(eth->h_source, fib.smac, 6);
	return fib.ifindex;
}

static __always_inline void mend_address(__be16 *sum, __u8 proto, const struct address *old, const struct address *new)
{
	int i;

#pragma unroll
	for (i = 0; i < 4; i++)
		mend_transport(sum, proto, (__u32)~old->word[i], new->word[i]);
}

static __always_inline int fast6(struct xdp_md *ctx, struct ethhdr *eth, void *end)
{
	struct ip6 *ip = (void *)(eth + 1);
	struct transport *t = (void *)(ip + 1);
	__u32 now = (__u32)bpf_jiffies64(), len, ifindex, dest;
	struct key6 k = {};
	struct flow *f;
	struct dest *d;
	__be16 *sum;

	if ((void *)t + 8 > end || (ip->head & bpf_htonl(0xf0000000)) != bpf_htonl(0x60000000) || ip->hops <= 1)
		return XDP_PASS;
	if (ip->next == IPPROTO_TCP) {
		if ((void *)(t + 1) > end || t->flags & (TCP_SYN | TCP_FIN | TCP_RST) || t->offset < 0x50)
			return XDP_PASS;
	} else if (ip->next != IPPROTO_UDP) {
		return XDP_PASS;
	}
	k.src = ip->src;
	k.dst = ip->dst;
	k.sport = t->sport;
	k.dport = t->dport;
	k.proto = ip->next;
	f = bpf_map_lookup_elem(&plane_flows6, &k);
	if (!f || !plain(f, eth->h_dest, ctx->ingress_ifindex, now))
		return XDP_PASS;
	len = bpf_ntohs(ip->len);
	BOUND(len, 65536);
	len += sizeof(*ip);
	if (len < 48 || (void *)ip + len > end)
		return XDP_PASS;
	dest = f->dest;
	d = dest_at(dest);
	if (!d || d->generation != f->generation || !ready(d, f->flags & REVERSE, len + (d->method == TUNNEL ? wrap_length(d) : 0), now) || !lease_open(d->lease))
		return XDP_PASS;
	ifindex = d->ifindex;
	if (f->flags & REVERSE || d->method == NAT) {
		int out = f->flags & REVERSE;
		__be16 port = out ? f->vport : d->port ? d->port : t->dport, before = out ? t->sport : t->dport;

		sum = sum_at(t, end, ip->next);
		if (!sum)
			return XDP_PASS;
		if (out) {
			ifindex = home6(ctx, eth, ip, f, len);
			if (!ifindex)
				return XDP_PASS;
			mend_address(sum, ip->next, &ip->src, &f->virt);
			ip->src = f->virt;
			t->sport = port;
		} else {
			mend_address(sum, ip->next, &ip->dst, &d->addr);
			ip->dst = d->addr;
			t->dport = port;
		}
		mend_transport(sum, ip->next, (__u16)~before, port);
	}
	ip->hops--;
	if (f->flags & REVERSE) {
		count_out(dest, len);
	} else {
		count_in(dest, len, 0);
		if (d->method == TUNNEL) {
			__u32 h = spread(k.src.word[3], k.dst.word[3], k.sport, k.dport);

			if (!(d->family == 4 ? wrapped4(ctx, d, 6, 0, 1, h, len) : wrapped6(ctx, d, 6, h, len)))
				return XDP_DROP;
		} else {
			__builtin_memcpy(eth, d->mac, 12);
		}
	}
	if (f->last != now)
		f->last = now;
	count(BY_XDP);
	return bpf_redirect(ifindex, 0);
}

struct arp4 {
	__be16 hardware, protocol;
	__u8 hlen, plen;
	__be16 op;
	__u8 sender_mac[6];
	__u8 sender[4];
};

// answered looks out for the answer a self-test waits for: from the target, by ARP or neighbour discovery. It passes on
// like any other.
static __always_inline void answered(struct xdp_md *ctx, struct ethhdr *eth, void *end)
{
	__u32 zero = 0;
	struct probe *p = bpf_map_lookup_elem(&plane_probe, &zero);

	if (!p || !p->asked || p->ifindex != ctx->ingress_ifindex)
		return;
	if (eth->h_proto == bpf_htons(ETH_P_ARP)) {
		struct arp4 *a = (void *)(eth + 1);

		if ((void *)(a + 1) > end || a->op != bpf_htons(2))
			return;
		if (!__builtin_memcmp(a->sender, &p->target.word[3], 4))
			p->seen = 1;
	} else if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
		struct ip6 *ip = (void *)(eth + 1);
		__u8 *icmp = (void *)(ip + 1);

		if ((void *)icmp + 24 > end || ip->next != IPPROTO_ICMPV6 || icmp[0] != 136)
			return;
		if (same((struct address *)(icmp + 8), &p->target))
			p->seen = 1;
	}
}

SEC("xdp")
int plane_xdp(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;

	if ((void *)(eth + 1) > end)
		return XDP_PASS;
	if (eth->h_proto == bpf_htons(ETH_P_IP))
		return fast4(ctx, eth, end);
	if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
		struct ip6 *ip = (void *)(eth + 1);

		if ((void *)(ip + 1) <= end && ip->next != IPPROTO_ICMPV6)
			return fast6(ctx, eth, end);
	}
	answered(ctx, eth, end);
	return XDP_PASS;
}

// plane_ask sends a self-test's question, which user space hands in, by XDP.
SEC("xdp")
int plane_ask(struct xdp_md *ctx)
{
	__u32 zero = 0;
	struct probe *p = bpf_map_lookup_elem(&plane_probe, &zero);

	return p ? bpf_redirect(p->ifindex, 0) : XDP_DROP;
}

#endif
