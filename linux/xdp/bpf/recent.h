// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
//
// What each CPU remembers of the IPv4 flows it carried by XDP just now. The table of flows is as large as all
// flows are many, so that finding one is waiting for memory: its bucket and the two lines of its element.
// Here half a line says all that XDP wants to know of a flow, and those of busy flows stay in the
// CPU's cache.
//
// A note is true as long as it is young (settings.recent, a tenth of a second) and its epoch has not passed:
// whatever takes a flow out of the table, puts another there or ends ESTABLISHED, ends the epoch of its hash
// once that is done; a note has the epoch that was read before the flow was. While it is true the flow's own time of its
// last packet is not touched, which so may be behind by the age of a note.

#ifndef EVENKEEL_RECENT_H
#define EVENKEEL_RECENT_H

#include "packet.h"

static __always_inline __u32 recent_hash(const struct key4 *k)
{
	return mix((__u64)k->src << 32 ^ k->dst ^ (__u64)k->sport << 16 ^ k->dport) >> 32;
}

static __always_inline __u32 *epoch_of(__u32 hash)
{
	__u32 zero = 0;
	struct epochs *e = bpf_map_lookup_elem(&plane_epochs, &zero);

	return e ? &e->at[hash % EPOCHS] : 0;
}

// epoch is read before a flow is looked for.
static __always_inline __u32 epoch(__u32 hash)
{
	__u32 *e = epoch_of(hash);

	return e ? *(volatile __u32 *)e : 0;
}

// end_epoch makes all notes about flows of a key's hash untrue, on every CPU.
static __always_inline void end_epoch(const struct key4 *k)
{
	__u32 *e = epoch_of(recent_hash(k));

	if (e)
		__sync_fetch_and_add(e, 1);
}

// notes_of finds this CPU's notes about flows of a hash.
static __always_inline struct notes *notes_of(const struct settings *s, __u32 hash)
{
	__u32 at = bpf_get_smp_processor_id() * s->notes + ((hash >> 12) & (s->notes - 1));

	return bpf_map_lookup_elem(&plane_recent, &at);
}

// by_way: does a note speak of packets that come by this interface, to this link address?
static __always_inline int by_way(const struct note *n, const __u8 *mac, __u32 ifindex)
{
	return n->arrives == ifindex && same_mac(mac, n->mac);
}

static __always_inline int about(const struct note *n, const struct key4 *k)
{
	return n->src == k->src && n->dst == k->dst && n->sport == k->sport && n->dport == k->dport && n->proto == k->proto;
}

static __always_inline struct note *noted(struct notes *all, const struct key4 *k)
{
	int i;

#pragma unroll
	for (i = 0; i < NOTES; i++)
		if (about(&all->note[i], k))
			return &all->note[i];
	return 0;
}

// note_of finds a note that is true in an epoch.
static __always_inline const struct note *note_of(const struct settings *s, __u32 hash, __u32 epoch, const struct key4 *k,
						  __u32 now)
{
	struct notes *all = notes_of(s, hash);
	struct note *n = all ? noted(all, k) : 0;

	return n && ahead(n->until, now) && n->epoch == (__u16)epoch ? n : 0;
}

// room finds a note that is about this flow already, or about nothing that is still of use. A note that may be true is not
// pushed out: flows that share a place would only do it to each other in turn.
static __always_inline struct note *room(struct notes *all, const struct key4 *k, __u32 now)
{
	struct note *n = noted(all, k);
	int i;

#pragma unroll
	for (i = 0; i < NOTES; i++)
		if (!n && !ahead(all->note[i].until, now))
			n = &all->note[i];
	return n;
}

// write_note is for a flow of which [plain] is true, found in the table after epoch was read.
static __always_inline void write_note(const struct settings *s, __u32 hash, __u32 epoch, const struct key4 *k,
				       const struct flow *f, __u32 now)
{
	struct notes *all = notes_of(s, hash);
	struct note *n;

	if (!all || f->arrives >> 16)
		return;
	n = room(all, k, now);
	if (!n)
		return;
	n->src = k->src;
	n->dst = k->dst;
	n->sport = k->sport;
	n->dport = k->dport;
	n->proto = k->proto;
	n->dest = f->dest;
	n->epoch = epoch;
	n->generation = f->generation;
	n->arrives = f->arrives;
	__builtin_memcpy(n->mac, f->mac, 6);
	n->until = now + s->recent;
	if ((__s32)(f->told - n->until) < 0)
		n->until = f->told;
}

#endif
