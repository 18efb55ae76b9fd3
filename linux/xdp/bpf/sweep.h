// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
//
// Forgetting what is over, and keeping clients bound who have flows. User space reads the tables, many entries in one
// call (Plane.Sweep), and hands over the tuples of those that look over; here each is looked at again, because a
// packet may have come since, and only one of those who would forget a flow may count it. Programs that walk a table
// by themselves are tracing programs, which locked-down kernels refuse, or walk all of it in one piece
// (docs/adr/0007-our-own-plane.md).

#ifndef EVENKEEL_SWEEP_H
#define EVENKEEL_SWEEP_H

#include "learn.h"

// What became of an entry that was visited. Go reads these numbers.
enum visited { NOT_THERE, FORGOTTEN, STAYS };

// over: may an entry of the table of flows go?
static __noinline int over(const struct tuple *t, struct flow *f, __u32 now)
{
	struct flow *other;
	struct tuple ask = {};

	if (f->state == DEAD)
		return 1;
	if (!expired(f, now))
		return 0;
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
	if (f->flags & NATTED && spoken(t, f, dest_at(f->dest), now))
		return 0;
	return claim(f);
}

static __noinline int end(const struct tuple *t, const struct flow *f)
{
	struct tuple r = {};
	struct dest *d;

	if (f->flags & NATTED) {
		d = dest_at(f->dest);
		if (d && d->generation == f->generation) {
			answers(&r, t, d);
			drop_flows(&r);
		}
	}
	return drop_flows(t);
}

// What user space wants looked at.
struct visits {
	__u32 count;
	__u32 half; // among the half-open flows
	__u32 lead; // until when bindings must last at least, in jiffies from now
};

// keep holds the binding of a client who has a flow: it must not run out before the flow does.
static __noinline int keep(const struct tuple *t, const struct flow *f, __u32 now, __u32 lead)
{
	struct dest *d = dest_at(f->dest);
	struct service *s = d && d->generation == f->generation ? bpf_map_lookup_elem(&plane_services, &d->of) : 0;
	struct binding_key k;
	struct binding *b;

	if (!s || !(s->flags & PERSISTENT) || f->flags & REVERSE)
		return 0;
	binding_key_of(&k, &t->src, t->family, s);
	b = bpf_map_lookup_elem(&plane_bindings, &k);
	if (!b || b->dest != f->dest || b->generation != f->generation)
		return 0;
	if ((__s32)(b->last + b->timeout - now) >= (__s32)lead)
		return 0;
	hold(b, &t->src, t->family, now);
	if ((__s32)b->timeout < (__s32)lead)
		b->last = now + lead - b->timeout;
	return 1;
}

static __noinline int visit_flow(const struct tuple *t, __u32 lead)
{
	struct flow *f = find_flows(t);
	__u32 now = bpf_jiffies64();

	if (!f)
		return NOT_THERE;
	if (over(t, f, now)) {
		end(t, f);
		return FORGOTTEN;
	}
	keep(t, f, now, lead);
	return STAYS;
}

static __noinline int visit_half(const struct tuple *t, __u32 lead)
{
	struct flow *f = find_half(t);
	__u32 now = bpf_jiffies64();

	if (!f)
		return NOT_THERE;
	if (expired(f, now)) {
		drop_half(t);
		return FORGOTTEN;
	}
	keep(t, f, now, lead);
	return STAYS;
}

static long visit(__u32 i, struct visits *v)
{
	struct learnt *l = bpf_map_lookup_elem(&plane_lessons, &i);
	struct tuple t = {};

	if (!l)
		return 1;
	tuple_learnt(&t, l);
	l->result = v->half ? visit_half(&t, v->lead) : visit_flow(&t, v->lead);
	return 0;
}

SEC("syscall")
int plane_visit(struct visits *ctx)
{
	struct visits v = { .count = ctx->count, .half = ctx->half, .lead = ctx->lead };

	bpf_loop(v.count, visit, &v, 0);
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
