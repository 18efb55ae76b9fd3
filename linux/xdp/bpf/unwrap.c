// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
//
// The real server's side of a director's tunnel: takes the outer header off packets for a virtual address, and
// limits the segment size the server offers, so that what clients send still fits when it is wrapped.
//
// Compiled without CO-RE. Packets of one family in the other need Linux 6.3.

#include <stddef.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

// Newer than the headers of Debian 12.
#ifndef BPF_F_ADJ_ROOM_DECAP_L3_IPV4
#define BPF_F_ADJ_ROOM_DECAP_L3_IPV4 (1ULL << 7)
#define BPF_F_ADJ_ROOM_DECAP_L3_IPV6 (1ULL << 8)
#endif

#ifndef IPPROTO_IPIP
#define IPPROTO_IPIP 4
#endif

struct address {
	__be32 word[4];
};

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

struct gue {
	__be16 sport, dport, len, sum;
	__u8 version_hlen, proto;
	__be16 flags;
};

// What is known of a virtual address. Go reads it.
struct unwrapped {
	__u32 mtu;      // of the way from the director
	__u32 overhead; // the longest outer header seen
	__u64 packets, clamped, failed;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct address);
	__type(value, struct unwrapped);
} unwrap_addresses SEC(".maps");

// UDP ports of GUE, in network order.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, __u32);
} unwrap_ports SEC(".maps");

static __always_inline int load(struct __sk_buff *skb, __u32 off, void *to, __u32 len)
{
	return bpf_skb_load_bytes(skb, off, to, len);
}

static __always_inline void map4(struct address *a, __be32 ip)
{
	a->word[0] = 0;
	a->word[1] = 0;
	a->word[2] = bpf_htonl(0xffff);
	a->word[3] = ip;
}

// inner_proto returns what is inside (4 or 41), 0 if nothing is; *len grows by the headers in between.
static __always_inline int inside(struct __sk_buff *skb, __u8 proto, __u32 at, __u32 *len)
{
	struct gue g;
	__u32 port;

	if (proto == IPPROTO_IPIP || proto == IPPROTO_IPV6)
		return proto;
	if (proto != IPPROTO_UDP || load(skb, at, &g, sizeof(g)))
		return 0;
	port = g.dport;
	if (!bpf_map_lookup_elem(&unwrap_ports, &port))
		return 0;
	*len += 8;
	if (g.version_hlen >> 6 == 1) {
		// Variant 1: an IP header follows UDP at once.
		return g.version_hlen >> 4 == 4 ? IPPROTO_IPIP : g.version_hlen >> 4 == 6 ? IPPROTO_IPV6 : 0;
	}
	if (g.version_hlen || g.flags)
		return 0; // control messages, extensions
	*len += 4;
	return g.proto == IPPROTO_IPIP || g.proto == IPPROTO_IPV6 ? g.proto : 0;
}

// take_off removes the first len bytes after the Ethernet header; what is left is of kind. Before Linux 6.3 only another function
// makes a packet one of the other family; it also makes the header longer or shorter by the difference of the two.
static __always_inline int take_off(struct __sk_buff *skb, __be16 kind, __u32 len)
{
	__u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO;
	int to4 = kind == bpf_htons(ETH_P_IP);

	if (kind == skb->protocol)
		return bpf_skb_adjust_room(skb, -(__s32)len, BPF_ADJ_ROOM_MAC, flags);
	if (!bpf_skb_adjust_room(skb, -(__s32)len, BPF_ADJ_ROOM_MAC,
				 flags | (to4 ? BPF_F_ADJ_ROOM_DECAP_L3_IPV4 : BPF_F_ADJ_ROOM_DECAP_L3_IPV6)))
		return 0;
	if (bpf_skb_change_proto(skb, kind, 0))
		return -1;
	return bpf_skb_adjust_room(skb, to4 ? 20 - (__s32)len : -20 - (__s32)len, BPF_ADJ_ROOM_MAC, flags);
}

SEC("tc")
int unwrap_ingress(struct __sk_buff *skb)
{
	struct address dst;
	struct unwrapped *u;
	__u32 len, at;
	__be16 kind;
	__u8 proto;
	int inner;

	if (skb->pkt_type != PACKET_HOST || skb->vlan_present)
		return TC_ACT_UNSPEC;
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		struct ip4 ip;

		if (load(skb, ETH_HLEN, &ip, sizeof(ip)) || ip.version_ihl >> 4 != 4 || ip.frag & bpf_htons(0x3fff))
			return TC_ACT_UNSPEC;
		len = (ip.version_ihl & 15) * 4;
		proto = ip.proto;
	} else if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		struct ip6 ip;

		if (load(skb, ETH_HLEN, &ip, sizeof(ip)))
			return TC_ACT_UNSPEC;
		len = sizeof(ip);
		proto = ip.next;
	} else {
		return TC_ACT_UNSPEC;
	}
	if (len < 20)
		return TC_ACT_UNSPEC;
	inner = inside(skb, proto, ETH_HLEN + len, &len);
	if (!inner)
		return TC_ACT_UNSPEC;
	at = ETH_HLEN + len;
	if (inner == IPPROTO_IPIP) {
		struct ip4 ip;

		if (load(skb, at, &ip, sizeof(ip)) || ip.version_ihl >> 4 != 4)
			return TC_ACT_UNSPEC;
		map4(&dst, ip.dst);
		kind = bpf_htons(ETH_P_IP);
	} else {
		struct ip6 ip;

		if (load(skb, at, &ip, sizeof(ip)) || (ip.head & bpf_htonl(0xf0000000)) != bpf_htonl(0x60000000))
			return TC_ACT_UNSPEC;
		dst = ip.dst;
		kind = bpf_htons(ETH_P_IPV6);
	}
	u = bpf_map_lookup_elem(&unwrap_addresses, &dst);
	if (!u)
		return TC_ACT_UNSPEC;
	if (take_off(skb, kind, len)) {
		__sync_fetch_and_add(&u->failed, 1);
		return TC_ACT_UNSPEC;
	}
	bpf_skb_store_bytes(skb, ETH_HLEN - 2, &kind, 2, 0);
	__sync_fetch_and_add(&u->packets, 1);
	if (u->overhead < len)
		u->overhead = len;
	return TC_ACT_UNSPEC;
}

#define OPTIONS 10

// clamp lowers the segment size in the options of a SYN at l4.
static __always_inline int clamp(struct __sk_buff *skb, __u32 l4, __u32 limit, struct unwrapped *u)
{
	__u32 at = l4 + 20, end, i;
	__u8 head[14];

	if (load(skb, l4, head, sizeof(head)) || !(head[13] & 2))
		return TC_ACT_UNSPEC;
	end = l4 + (head[12] >> 4) * 4;
	for (i = 0; i < OPTIONS; i++) {
		__u8 option[4];
		__be16 old, new;

		if (at + 4 > end || load(skb, at, option, sizeof(option)) || option[0] == 0)
			return TC_ACT_UNSPEC;
		if (option[0] == 1) {
			at++;
			continue;
		}
		if (option[0] != 2) {
			at += option[1] < 2 ? 2 : option[1];
			continue;
		}
		__builtin_memcpy(&old, option + 2, 2);
		if (bpf_ntohs(old) <= limit)
			return TC_ACT_UNSPEC;
		new = bpf_htons(limit);
		if ((at - l4) & 1) {
			// Across two words of the sum.
			__u16 a = bpf_ntohs(old), b = limit;

			bpf_l4_csum_replace(skb, l4 + 16, bpf_htons(a << 8 | a >> 8), bpf_htons((__u16)(b << 8 | b >> 8)), 2);
		} else {
			bpf_l4_csum_replace(skb, l4 + 16, old, new, 2);
		}
		bpf_skb_store_bytes(skb, at + 2, &new, 2, 0);
		__sync_fetch_and_add(&u->clamped, 1);
		return TC_ACT_UNSPEC;
	}
	return TC_ACT_UNSPEC;
}

SEC("tc")
int unwrap_egress(struct __sk_buff *skb)
{
	struct address src;
	struct unwrapped *u;
	__u32 l4, headers;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		struct ip4 ip;

		if (load(skb, ETH_HLEN, &ip, sizeof(ip)) || ip.proto != IPPROTO_TCP || ip.frag & bpf_htons(0x1fff))
			return TC_ACT_UNSPEC;
		map4(&src, ip.src);
		l4 = ETH_HLEN + (ip.version_ihl & 15) * 4;
		headers = 40;
	} else if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		struct ip6 ip;

		if (load(skb, ETH_HLEN, &ip, sizeof(ip)) || ip.next != IPPROTO_TCP)
			return TC_ACT_UNSPEC;
		src = ip.src;
		l4 = ETH_HLEN + sizeof(ip);
		headers = 60;
	} else {
		return TC_ACT_UNSPEC;
	}
	u = bpf_map_lookup_elem(&unwrap_addresses, &src);
	if (!u || u->mtu < headers + u->overhead + 256)
		return TC_ACT_UNSPEC;
	return clamp(skb, l4, u->mtu - headers - u->overhead, u);
}
