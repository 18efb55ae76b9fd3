// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
//
// Flows and bindings that a peer told of, put into the tables in one call for many.

#ifndef EVENKEEL_LEARN_H
#define EVENKEEL_LEARN_H

#include "flow.h"
#include "schedule.h"

enum lesson { LESSON_NEW = 1, LESSON_KNOWN, LESSON_NO_ROOM };

struct lessons {
	__u32 count;
};

static __noinline int learn_flow(struct learnt *l, struct tuple *t, __u32 now)
{
	struct flow f = { .dest = l->dest, .last = now - l->idle, .told = now, .state = l->state, .flags = LEARNT };
	struct dest *d = dest_at(l->dest);
	struct flow *here = find_flows(t);
	__u32 old;

	if (!d)
		return LESSON_NO_ROOM;
	if (here && here->state != DEAD) {
		if ((__s32)(f.last - here->last) > 0)
			here->last = f.last;
		// One of our own is known better here than there.
		if (!(here->flags & LEARNT))
			return LESSON_KNOWN;
		if (here->dest == l->dest && here->generation == d->generation) {
			old = here->state;
			if (old != f.state && __sync_val_compare_and_swap(&here->state, old, f.state) == old) {
				shift(d, old, f.state, t);
				timeout_of(here, f.state);
			}
			return LESSON_KNOWN;
		}
		if (!claim(here))
			return LESSON_KNOWN;
	}
	f.generation = d->generation;
	timeout_of(&f, f.state);
	if (d->method == NAT && !(d->flags & HERE))
		f.flags |= NATTED;
	if (put_flows(t, &f, BPF_ANY))
		return LESSON_NO_ROOM;
	if (f.state == ESTABLISHED)
		__sync_fetch_and_add(&d->active, 1);
	else
		__sync_fetch_and_add(&d->inactive, 1);
	count(LEARNT_FLOWS);
	if (f.flags & NATTED) {
		struct tuple r;

		answers(&r, t, d);
		f.flags = REVERSE;
		f.ifindex = 0; // not known yet
		f.virt = t->dst;
		f.vport = t->dport;
		put_flows(&r, &f, BPF_ANY);
	}
	return LESSON_NEW;
}

// learn_bound binds a client as it is bound there. Of two that differ, the younger one is right.
static __noinline int learn_bound(struct learnt *l, struct tuple *t, __u32 now)
{
	struct binding b = { .dest = l->dest, .last = now - l->idle, .told = now }, *here;
	struct dest *d = dest_at(l->dest);
	struct service *s = d ? bpf_map_lookup_elem(&plane_services, &d->of) : 0;
	struct binding_key k;

	if (!s || !(s->flags & PERSISTENT))
		return LESSON_NO_ROOM;
	b.generation = d->generation;
	b.timeout = s->timeout;
	binding_key_of(&k, &t->src, t->family, s);
	here = bpf_map_lookup_elem(&plane_bindings, &k);
	if (l->idle > b.timeout || (here && (__s32)(b.last - here->last) <= 0))
		return LESSON_KNOWN;
	return bpf_map_update_elem(&plane_bindings, &k, &b, BPF_ANY) ? LESSON_NO_ROOM : LESSON_NEW;
}

// tuple_learnt gives the tuple of a lesson. t must be zero: it becomes a key, whose padding counts too.
static __always_inline void tuple_learnt(struct tuple *t, const struct learnt *l)
{
	t->src = l->client;
	t->dst = l->virt;
	t->sport = l->cport;
	t->dport = l->vport;
	t->proto = l->proto;
	t->family = l->family;
}

static long learn_one(__u32 i, void *unused)
{
	struct learnt *l = bpf_map_lookup_elem(&plane_lessons, &i);
	struct tuple t = {};

	if (!l)
		return 1;
	tuple_learnt(&t, l);
	l->result = l->state == NONE ? learn_bound(l, &t, bpf_jiffies64()) : learn_flow(l, &t, bpf_jiffies64());
	return 0;
}

SEC("syscall")
int plane_learn(struct lessons *ctx)
{
	bpf_loop(ctx->count, learn_one, 0, 0);
	return 0;
}

#endif
