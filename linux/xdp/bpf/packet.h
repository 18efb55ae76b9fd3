// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
//
// What is known of a packet once its headers are read.

#ifndef EVENKEEL_PACKET_H
#define EVENKEEL_PACKET_H

enum kind {
	WHOLE,          // not a fragment
	FIRST_FRAGMENT, // has the ports
	LATER_FRAGMENT, // has none
	ICMP_ERROR,     // quotes a packet
};

#define TCP_FIN 1
#define TCP_SYN 2
#define TCP_RST 4
#define TCP_ACK 16

// What a flow is known by.
struct tuple {
	struct address src, dst;
	__be16 sport, dport;
	__u8 proto, family; // family: 4 or 6
};

struct packet {
	// The tuple of the flow, laid out as one: of an ICMP error, that of an answer to the packet it quotes.
	struct address src, dst;
	__be16 sport, dport;
	__u8 proto;
	__u8 family; // 4 or 6
	__u8 tcp;    // flags
	__u8 kind;
	__u8 outer;  // protocol of the packet itself
	__u8 ttl;
	__u8 dont_fragment;
	__u8 ihl; // IPv4: bytes of the header
	__u16 l4;     // offset of the transport header in the frame
	__u16 quoted; // offset of the quoted IP header
	__u16 quoted_l4;
	__u16 zero;
	__u32 len; // of the IP packet, as the wire will see it
	__u32 bytes; // of what the counters count
	__u32 now, ifindex;
	__be32 id; // of fragments
};

// BOUND keeps a number below a power of two where the verifier of older kernels (6.1) has lost sight of
// that; the compiler, which knows, must not take it away.
#define BOUND(x, limit)                          \
	do {                                     \
		asm volatile("" : "+r"(x));      \
		x &= (limit) - 1;                \
	} while (0)

// ahead: is an instant yet to come? 0 never is: the clock's 32 bits start below 0 at boot and come by it again.
static __always_inline int ahead(__u32 until, __u32 now)
{
	return until && (__s32)(until - now) > 0;
}

static __always_inline struct tuple *tuple_of(struct packet *p)
{
	return (struct tuple *)p;
}

static __always_inline void map4(struct address *a, __be32 ip)
{
	a->word[0] = 0;
	a->word[1] = 0;
	a->word[2] = bpf_htonl(0xffff);
	a->word[3] = ip;
}

static __always_inline int same(const struct address *a, const struct address *b)
{
	return a->word[0] == b->word[0] && a->word[1] == b->word[1] && a->word[2] == b->word[2] && a->word[3] == b->word[3];
}

static __always_inline int same_mac(const __u8 *one, const __u8 *other)
{
	const __u16 *a = (const void *)one, *b = (const void *)other;

	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2];
}

static __always_inline __u64 mix(__u64 h)
{
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdULL;
	h ^= h >> 33;
	h *= 0xc4ceb9fe1a85ec53ULL;
	return h ^ h >> 33;
}

static __always_inline void count(__u32 fate)
{
	__u64 *n = bpf_map_lookup_elem(&plane_fates, &fate);

	if (n)
		(*n)++;
}

static __always_inline struct settings *settings(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&plane_settings, &zero);
}

static __always_inline struct dest *dest_at(__u32 index)
{
	__u32 block = index / DESTS, slot = index % DESTS;
	void *inner = bpf_map_lookup_elem(&plane_dests, &block);

	return inner ? bpf_map_lookup_elem(inner, &slot) : 0;
}

static __always_inline struct counters *counters_at(__u32 index)
{
	__u32 block = index / DESTS, slot = index % DESTS;
	void *inner = bpf_map_lookup_elem(&plane_counts, &block);

	return inner ? bpf_map_lookup_elem(inner, &slot) : 0;
}

static __always_inline void count_in(__u32 dest, __u32 bytes, int fresh)
{
	struct counters *c = counters_at(dest);

	if (!c)
		return;
	c->connections += fresh;
	c->in_packets++;
	c->in_bytes += bytes;
}

static __always_inline void count_out(__u32 dest, __u32 bytes)
{
	struct counters *c = counters_at(dest);

	if (!c)
		return;
	c->out_packets++;
	c->out_bytes += bytes;
}

#endif
