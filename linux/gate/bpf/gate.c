// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
//
// The lease gate: one verdict per packet, from the kernel's own clock.
//
// Each virtual router has a slot with two instants of CLOCK_BOOTTIME in nanoseconds. While
// open_until lies ahead, nothing is dropped on behalf of its addresses. From that instant
// on, this machine neither hears questions and packets for them nor says or sends anything
// in their name. While advert_until lies ahead, its own adverts may leave. The program
// needs no timer and no message that the time is up: the process that stored the instants
// may be dead or frozen.
//
// What is never dropped: anything a client of the address does, on either side, because the
// address may be held by another machine; packets that this machine merely forwards; frames
// of VLANs, which their own interface judges; adverts of others; adverts of priority 0.
//
// Compiled without CO-RE, so it loads on any kernel since 5.8, with or without BTF.

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

// bpf_fib_lookup is for GPL programs only; of the two licences above the kernel gets this one.
char _license[] SEC("license") = "GPL";

#define PASS TC_ACT_UNSPEC // let the next filter decide, as if we were not here
#define DROP TC_ACT_SHOT

#define PROTO_VRRP 112
#define PROTO_AH 51

#define AF_INET 2
#define AF_INET6 10

#ifndef ETH_P_8021AD
#define ETH_P_8021AD 0x88A8
#endif

#define ICMPV6_SOLICITATION 135
#define ICMPV6_ADVERTISEMENT 136

// What was dropped, by kind. Go reads these numbers.
enum counter { QUESTIONS, PACKETS_IN, ANNOUNCEMENTS, PACKETS_OUT, ADVERTS, COUNTERS };

// One cache line, shared with user space by mmap.
struct slot {
	__u64 open_until;
	__u64 advert_until;
	__u64 dropped[COUNTERS];
	__u64 unused;
};

// An IPv4 address is kept as ::ffff:a.b.c.d.
struct address {
	__be32 word[4];
};

// Where the kernel answers for an address: a link-local one on its own interface, any
// other on every one.
struct place {
	struct address address;
	__u32 ifindex; // 0: everywhere
};

struct router {
	__u32 ifindex; // 0 for unicast adverts: they may leave by any interface
	__u8 family;   // 4 or 6
	__u8 vrid;
	__u8 unicast;
	__u8 zero;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct slot);
} gate_slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct place);
	__type(value, __u32);
} gate_addresses SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct router);
	__type(value, __u32);
} gate_routers SEC(".maps");

// Addresses that this machine also has as a real server: the master may hand it the
// packets, so only questions and announcements are judged.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct address);
	__type(value, __u32);
} gate_served SEC(".maps");

// frame is what the hook knows before it looks at bytes.
struct frame {
	struct __sk_buff *skb;
	int egress;   // constant in each program
	int ethernet; // constant in each program: is there an Ethernet header?
};

// load copies len bytes from off. In Ethernet programs off counts from the frame's start, in
// the others from the network header, whatever stands before it.
static __always_inline int load(const struct frame *f, __u32 off, void *to, __u32 len)
{
	if (!f->ethernet)
		return bpf_skb_load_bytes_relative(f->skb, off, to, len, BPF_HDR_START_NET);
	return bpf_skb_load_bytes(f->skb, off, to, len);
}

// load_near is load for what stands near the frame's start, and reads the packet
// directly where it can; only at a constant offset, because a variable one would
// need CAP_PERFMON besides CAP_BPF. (In a buffer that begins two bytes past a word, everything
// behind the Ethernet header is aligned.)
static __always_inline int load_near(const struct frame *f, __u32 off, void *to, __u32 len)
{
	void *data = (void *)(long)f->skb->data;
	void *end = (void *)(long)f->skb->data_end;

	if (f->ethernet && off == ETH_HLEN && data + ETH_HLEN + len <= end) {
		__builtin_memcpy(to, __builtin_assume_aligned(data + ETH_HLEN, 4), len);
		return 0;
	}
	return load(f, off, to, len);
}

static __always_inline int before(const __u64 *until)
{
	__u64 instant = *(const volatile __u64 *)until;

	return instant && bpf_ktime_get_boot_ns() < instant;
}

static __always_inline int drop(struct slot *s, enum counter c)
{
	__sync_fetch_and_add(&s->dropped[c], 1);
	return DROP;
}

static __always_inline struct slot *slot_of(void *map, const void *key)
{
	__u32 *index = bpf_map_lookup_elem(map, key);

	return index ? bpf_map_lookup_elem(&gate_slots, index) : 0;
}

// closed returns the slot of an address that may not be answered for now, else 0.
static __always_inline struct slot *closed(const struct frame *f, const struct address *a)
{
	struct place p = { .address = *a };
	struct slot *s;

	if ((a->word[0] & bpf_htonl(0xffc00000)) == bpf_htonl(0xfe800000))
		p.ifindex = f->skb->ifindex;
	s = slot_of(&gate_addresses, &p);

	return s && !before(&s->open_until) ? s : 0;
}

// elsewhere: this machine would forward a packet to the address rather than take it in.
static __always_inline int elsewhere(struct frame *f, const struct address *a, int family)
{
	struct bpf_fib_lookup fib = {};

	fib.family = family;
	fib.ifindex = f->egress ? f->skb->ingress_ifindex : f->skb->ifindex;
	if (family == AF_INET)
		fib.ipv4_dst = a->word[3];
	else
		__builtin_memcpy(fib.ipv6_dst, a, sizeof(*a));
	switch (bpf_fib_lookup(f->skb, &fib, sizeof(fib), 0)) {
	case BPF_FIB_LKUP_RET_SUCCESS:
	case BPF_FIB_LKUP_RET_UNSUPP_LWT:
	case BPF_FIB_LKUP_RET_NO_NEIGH:
	case BPF_FIB_LKUP_RET_FRAG_NEEDED:
		return 1;
	}
	return 0;
}

// packet judges an IP packet by its destination on the way in, its source on the way out.
static __always_inline int packet(struct frame *f, const struct address *a, int family)
{
	struct slot *s = closed(f, a);

	if (!s || bpf_map_lookup_elem(&gate_served, a))
		return PASS;
	// Without an incoming interface the packet was made here.
	if ((!f->egress || f->skb->ingress_ifindex) && elsewhere(f, a, family))
		return PASS;
	return drop(s, f->egress ? PACKETS_OUT : PACKETS_IN);
}

// advert judges an outgoing packet of protocol proto (VRRP, or AH before VRRP) at off.
static __always_inline int advert(struct frame *f, __u32 off, __u8 proto, int family, int unicast)
{
	struct router key = {};
	struct slot *s;
	__u8 vrrp[3]; // version and type, VRID, priority

	if (f->skb->ingress_ifindex) // somebody else's, passing through
		return PASS;
	if (proto == PROTO_AH) {
		if (load(f, off, vrrp, 2) || vrrp[0] != PROTO_VRRP)
			return PASS;
		off += ((__u32)vrrp[1] + 2) * 4;
	}
	if (load(f, off, vrrp, sizeof(vrrp)) || vrrp[2] == 0)
		return PASS;
	key.ifindex = unicast ? 0 : f->skb->ifindex;
	key.family = family == AF_INET ? 4 : 6;
	key.vrid = vrrp[1];
	key.unicast = unicast;
	s = slot_of(&gate_routers, &key);
	if (!s || before(&s->advert_until))
		return PASS;
	return drop(s, ADVERTS);
}

static __always_inline int ipv4(struct frame *f, __u32 off)
{
	struct address a = { .word = { 0, 0, bpf_htonl(0xffff), 0 } };
	struct {
		__u8 version_ihl, tos;
		__be16 len, id, frag;
		__u8 ttl, proto;
		__be16 sum;
		__be32 src, dst;
	} ip;

	if (load_near(f, off, &ip, sizeof(ip)) || ip.version_ihl >> 4 != 4)
		return PASS;
	if (f->egress && (ip.proto == PROTO_VRRP || ip.proto == PROTO_AH) &&
	    !(ip.frag & bpf_htons(0x1fff))) { // a later fragment has no header to read
		int unicast = (ip.dst & bpf_htonl(0xf0000000)) != bpf_htonl(0xe0000000);

		if (advert(f, off + (ip.version_ihl & 15) * 4, ip.proto, AF_INET, unicast) == DROP)
			return DROP;
	}
	a.word[3] = f->egress ? ip.src : ip.dst;
	return packet(f, &a, AF_INET);
}

// neighbour judges ICMPv6 at off: questions for a closed address on the way in, answers and
// announcements on the way out.
static __always_inline int neighbour(struct frame *f, __u32 off)
{
	struct {
		__u8 type, code;
		__be16 sum;
		__be32 flags;
		struct address target;
	} nd;
	struct slot *s;

	if (load(f, off, &nd, sizeof(nd)))
		return PASS;
	if (nd.type != (f->egress ? ICMPV6_ADVERTISEMENT : ICMPV6_SOLICITATION))
		return PASS;
	s = closed(f, &nd.target);
	if (!s)
		return PASS;
	return drop(s, f->egress ? ANNOUNCEMENTS : QUESTIONS);
}

static __always_inline int ipv6(struct frame *f, __u32 off)
{
	struct {
		__be32 head;
		__be16 len;
		__u8 next, hops;
		struct address src, dst;
	} ip;
	__u32 at = off + sizeof(ip);
	__u8 next, ext[2];
	int i;

	if (load_near(f, off, &ip, sizeof(ip)) || (ip.head & bpf_htonl(0xf0000000)) != bpf_htonl(0x60000000))
		return PASS;
	next = ip.next;
	// Extension headers are rare; six are more than any sane packet has.
	for (i = 0; i < 6; i++) {
		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING &&
		    next != IPPROTO_DSTOPTS && next != IPPROTO_FRAGMENT)
			break;
		if (load(f, at, ext, sizeof(ext)))
			break;
		if (next == IPPROTO_FRAGMENT) {
			__be16 frag;

			if (load(f, at + 2, &frag, sizeof(frag)) || (frag & bpf_htons(0xfff8))) {
				next = IPPROTO_NONE; // a later fragment has no header to read
				break;
			}
			at += 8;
		} else {
			at += ((__u32)ext[1] + 1) * 8;
		}
		next = ext[0];
	}
	if (next == IPPROTO_ICMPV6) {
		if (neighbour(f, at) == DROP)
			return DROP;
	} else if (f->egress && (next == PROTO_VRRP || next == PROTO_AH)) {
		int unicast = (ip.dst.word[0] & bpf_htonl(0xff000000)) != bpf_htonl(0xff000000);

		if (advert(f, at, next, AF_INET6, unicast) == DROP)
			return DROP;
	}
	return packet(f, f->egress ? &ip.src : &ip.dst, AF_INET6);
}

static __always_inline int arp(struct frame *f, __u32 off)
{
	struct address sender = { .word = { 0, 0, bpf_htonl(0xffff), 0 } };
	struct address target = sender;
	struct slot *s;
	struct {
		__be16 hardware, protocol;
		__u8 hlen, plen;
		__be16 op;
	} head;

	if (load_near(f, off, &head, sizeof(head)))
		return PASS;
	if (head.protocol != bpf_htons(ETH_P_IP) || head.plen != 4)
		return PASS;
	if (f->ethernet && head.hlen != ETH_ALEN) // the stack ignores it too
		return PASS;
	if (load(f, off + sizeof(head) + head.hlen, &sender.word[3], 4) ||
	    load(f, off + sizeof(head) + 2 * head.hlen + 4, &target.word[3], 4))
		return PASS;
	if (f->egress) {
		s = closed(f, &sender);
		return s ? drop(s, ANNOUNCEMENTS) : PASS;
	}
	// An announcement (sender = target) is news for our own cache, not a question.
	if (head.op != bpf_htons(1) || sender.word[3] == target.word[3])
		return PASS;
	s = closed(f, &target);
	return s ? drop(s, QUESTIONS) : PASS;
}

static __always_inline int judge(struct __sk_buff *skb, int egress, int ethernet)
{
	struct frame f = { .skb = skb, .egress = egress, .ethernet = ethernet };
	__be16 proto = (__be16)skb->protocol;
	__u32 off = 0;

	// Not for this interface's own address: the stack will not take it; a macvlan or a
	// bridge that takes it has its own hook.
	if (!egress && skb->pkt_type == PACKET_OTHERHOST)
		return PASS;
	// VLAN 0 only carries a priority; every other VLAN is another network.
	if (skb->vlan_present && (skb->vlan_tci & 0xfff))
		return PASS;
	if (ethernet) {
		struct ethhdr *eth = (void *)(long)skb->data;

		if ((void *)(eth + 1) <= (void *)(long)skb->data_end)
			proto = eth->h_proto;
		else if (load(&f, ETH_HLEN - 2, &proto, sizeof(proto)))
			return PASS;
		off = ETH_HLEN;
		if (proto == bpf_htons(ETH_P_8021Q) || proto == bpf_htons(ETH_P_8021AD)) {
			struct {
				__be16 tci, proto;
			} tag;

			if (load_near(&f, ETH_HLEN, &tag, sizeof(tag)) || (tag.tci & bpf_htons(0xfff)))
				return PASS;
			proto = tag.proto;
			off += sizeof(tag);
		}
	}
	if (proto == bpf_htons(ETH_P_IP))
		return ipv4(&f, off);
	if (proto == bpf_htons(ETH_P_IPV6))
		return ipv6(&f, off);
	if (proto == bpf_htons(ETH_P_ARP))
		return arp(&f, off);
	return PASS;
}

SEC("tc")
int gate_ingress(struct __sk_buff *skb)
{
	return judge(skb, 0, 1);
}

SEC("tc")
int gate_egress(struct __sk_buff *skb)
{
	return judge(skb, 1, 1);
}

// For interfaces without Ethernet headers: tunnels, InfiniBand, PPP.
SEC("tc")
int gate_ingress_l3(struct __sk_buff *skb)
{
	return judge(skb, 0, 0);
}

SEC("tc")
int gate_egress_l3(struct __sk_buff *skb)
{
	return judge(skb, 1, 0);
}
