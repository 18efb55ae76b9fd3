// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
//
// Looking through the tables for what is over. User space reads an iterator, which calls these for
// one entry after the other; a byte now and then lets the read return, so that nobody
// waits long for the CPU.

#ifndef EVENKEEL_SWEEP_H
#define EVENKEEL_SWEEP_H

#include "flow.h"

#define SLICE 2048 // entries between two bytes

struct bpf_iter_meta {
	struct seq_file *seq;
	__u64 session_id, seq_num;
};

struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	void *key, *value;
};

// What a sweep found, by kind. Cleared by user space before.
enum found { FOUND_FLOWS, FOUND_HALF, FOUND_BINDINGS, FOUND_EXPIRED, FOUND };

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FOUND);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
} plane_found SEC(".maps");

static __always_inline void find(__u32 what)
{
	__u64 *n = bpf_map_lookup_elem(&plane_found, &what);

	if (n)
		(*n)++;
}

static __always_inline void breathe(struct bpf_iter_meta *meta)
{
	__u8 byte = 0;

	if (meta->seq_num % SLICE == 0)
		bpf_seq_write(meta->seq, &byte, 1);
}

// over: may an entry of the table of flows go?
static __always_inline int over(const struct tuple *t, struct flow *f, __u32 now)
{
	struct flow *other;
	struct tuple ask;

	if (f->state == DEAD)
		return 1;
	if (!expired(f, now)) {
		find(FOUND_FLOWS);
		return 0;
	}
	if (f->flags & REVERSE) {
		// It lives as long as the client's entry.
		ask.src = t->dst;
		ask.dst = f->virt;
		ask.sport = t->dport;
		ask.dport = f->vport;
		ask.proto = t->proto;
		ask.family = t->family;
		other = find_flows(&ask);
		return !other || other->dest != f->dest || other->generation != f->generation;
	}
	if (f->flags & NATTED && spoken(t, f, dest_at(f->dest), now)) {
		find(FOUND_FLOWS);
		return 0;
	}
	return claim(f);
}

static __always_inline void end(const struct tuple *t, const struct flow *f)
{
	struct tuple r;
	struct dest *d;

	find(FOUND_EXPIRED);
	if (f->flags & NATTED) {
		d = dest_at(f->dest);
		if (d && d->generation == f->generation) {
			answers(&r, t, d);
			drop_flows(&r);
		}
	}
	drop_flows(t);
}

SEC("iter/bpf_map_elem")
int sweep_flows4(struct bpf_iter__bpf_map_elem *ctx)
{
	struct key4 *k = ctx->key;
	struct flow *f = ctx->value;
	struct tuple t = { .family = 4 };

	if (!k || !f)
		return 0;
	breathe(ctx->meta);
	map4(&t.src, k->src);
	map4(&t.dst, k->dst);
	t.sport = k->sport;
	t.dport = k->dport;
	t.proto = k->proto;
	if (over(&t, f, bpf_jiffies64()))
		end(&t, f);
	return 0;
}

SEC("iter/bpf_map_elem")
int sweep_flows6(struct bpf_iter__bpf_map_elem *ctx)
{
	struct key6 *k = ctx->key;
	struct flow *f = ctx->value;
	struct tuple t = { .family = 6 };

	if (!k || !f)
		return 0;
	breathe(ctx->meta);
	t.src = k->src;
	t.dst = k->dst;
	t.sport = k->sport;
	t.dport = k->dport;
	t.proto = k->proto;
	if (over(&t, f, bpf_jiffies64()))
		end(&t, f);
	return 0;
}

// Half-open flows leave by themselves; a sweep counts them anew, because those that were
// pushed out told nobody.
static __always_inline int half_over(struct flow *f, __u32 now)
{
	struct dest *d;

	if (expired(f, now))
		return 1;
	if (f->flags & REVERSE)
		return 0;
	find(FOUND_HALF);
	d = dest_at(f->dest);
	if (d && d->generation == f->generation)
		__sync_fetch_and_add(&d->counting, 1);
	return 0;
}

SEC("iter/bpf_map_elem")
int sweep_half4(struct bpf_iter__bpf_map_elem *ctx)
{
	struct key4 *k = ctx->key, copy;
	struct flow *f = ctx->value;

	if (!k || !f)
		return 0;
	breathe(ctx->meta);
	if (half_over(f, bpf_jiffies64())) {
		copy = *k;
		bpf_map_delete_elem(&plane_half4, &copy);
	}
	return 0;
}

SEC("iter/bpf_map_elem")
int sweep_half6(struct bpf_iter__bpf_map_elem *ctx)
{
	struct key6 *k = ctx->key, copy;
	struct flow *f = ctx->value;

	if (!k || !f)
		return 0;
	breathe(ctx->meta);
	if (half_over(f, bpf_jiffies64())) {
		copy = *k;
		bpf_map_delete_elem(&plane_half6, &copy);
	}
	return 0;
}

// What time is it, in ticks? User space cannot ask otherwise. The answer is the returned value:
// what is written into ctx does not come back through every library.
SEC("syscall")
int plane_now(void *ctx)
{
	return (int)bpf_jiffies64();
}

#endif
