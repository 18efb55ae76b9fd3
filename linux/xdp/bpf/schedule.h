// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
//
// Which destination gets a new flow.

#ifndef EVENKEEL_SCHEDULE_H
#define EVENKEEL_SCHEDULE_H

#include "flow.h"
#include "packet.h"

#define NOBODY 0xffffffff

// word reads word i of a service's arrangement.
static __always_inline __u64 word(__u32 service, __u32 i)
{
	void *inner = bpf_map_lookup_elem(&plane_arrangements, &service);
	__u64 *w;

	if (!inner)
		return 0;
	w = bpf_map_lookup_elem(inner, &i);
	return w ? *w : 0;
}

// usable: may it get a new flow? A destination with too many stays out until it
// has fallen below its lower threshold.
static __always_inline int usable(struct dest *d)
{
	__u32 total, low;

	if ((d->flags & (IN_USE | GONE)) != IN_USE || !d->weight)
		return 0;
	if (!d->upper)
		return 1;
	total = d->active + d->inactive + d->pending;
	if (d->overloaded) {
		low = d->lower ? d->lower : d->upper - d->upper / 4;
		if (total >= low)
			return 0;
		d->overloaded = 0;
	}
	if (total >= d->upper) {
		d->overloaded = 1;
		return 0;
	}
	return 1;
}

struct choice {
	__u32 service, scheduler;
	__u32 n, slots; // destinations, places in the table
	__u32 start;
	__u32 found;
	__u64 load; // of the best so far
	__u64 weight;
	__u64 hash;
};

static __always_inline __u32 member(const struct choice *c, __u32 place)
{
	return (__u32)word(c->service, 1 + place);
}

static __always_inline __u32 place(const struct choice *c, __u32 slot)
{
	return word(c->service, 1 + c->n + slot / 4) >> (slot % 4 * 16) & 0xffff;
}

// hash depends on the client and the service's address only, so that two nodes agree.
static __always_inline __u64 hash(const struct packet *p, const struct service *s)
{
	__u64 h = mix(s->seed ^ (__u64)bpf_ntohl(p->src.word[3]) << 32);

	if (p->family == 6) {
		h = mix(h ^ ((__u64)bpf_ntohl(p->src.word[0]) << 32 | bpf_ntohl(p->src.word[1])));
		h = mix(h ^ bpf_ntohl(p->src.word[2]));
	}
	if (s->flags & WITH_PORT)
		h = mix(h ^ bpf_ntohs(p->sport));
	return h;
}

static __always_inline __u32 below(__u64 h, __u32 n)
{
	return (h >> 32) * n >> 32;
}

// turn tries the next in turn.
static long turn(__u32 i, struct choice *c)
{
	__u32 at = c->start + i, index;
	struct dest *d;

	if (!c->n)
		return 1;
	if (c->scheduler == WRR) {
		if (!c->slots)
			return 1;
		at = place(c, at % c->slots);
	} else {
		at %= c->n;
	}
	index = member(c, at);
	d = dest_at(index);
	if (!d || !usable(d))
		return 0;
	c->found = index;
	return 1;
}

// weigh compares the next with the best so far. An established flow weighs as much as 256 others.
static long weigh(__u32 i, struct choice *c)
{
	__u64 load, weight;
	struct dest *d;
	__u32 index;

	if (!c->n)
		return 1;
	index = member(c, (c->start + i) % c->n);
	d = dest_at(index);
	if (!d || !usable(d))
		return 0;
	load = ((__u64)d->active << 8) + d->inactive + d->pending;
	weight = c->scheduler == WLC ? d->weight : 1;
	if (c->found == NOBODY || load * c->weight < c->load * weight) {
		c->found = index;
		c->load = load;
		c->weight = weight;
	}
	return 0;
}

// rehash looks for a place of somebody usable.
static long rehash(__u32 i, struct choice *c)
{
	struct dest *d;
	__u32 index;

	if (!c->slots)
		return 1;
	index = member(c, place(c, below(c->hash, c->slots)));
	d = dest_at(index);
	if (d && usable(d)) {
		c->found = index;
		return 1;
	}
	c->hash = mix(c->hash + 0x9e3779b97f4a7c15ULL);
	return 0;
}

// choose returns a destination's index, or NOBODY.
static __noinline __u32 choose(const struct packet *p, const struct service *s)
{
	struct choice c = { .service = s->index, .scheduler = s->scheduler, .found = NOBODY };
	__u64 head = word(c.service, 0);
	__u64 *cursor;

	c.n = (__u32)head;
	c.slots = head >> 32;
	if (!c.n)
		return NOBODY;
	if (s->scheduler == SH || s->scheduler == MH) {
		c.hash = hash(p, s);
		bpf_loop(s->flags & FALLBACK ? 64 : 1, rehash, &c, 0);
		return c.found;
	}
	cursor = bpf_map_lookup_elem(&plane_turns, &c.service);
	if (!cursor)
		return NOBODY;
	c.start = __sync_fetch_and_add(cursor, 1);
	if (s->scheduler == LC || s->scheduler == WLC) {
		bpf_loop(c.n, weigh, &c, 0);
		return c.found;
	}
	turn(0, &c);
	if (c.found == NOBODY)
		bpf_loop(s->scheduler == WRR ? c.slots : c.n, turn, &c, 0);
	return c.found;
}

static __always_inline void binding_key_of(struct binding_key *k, const struct address *client, __u8 family,
					   const struct service *s)
{
	__u32 bits = s->granularity, i;

	k->service = s->index;
	k->client = *client;
	if (family == 4) {
		k->client.word[3] &= bits >= 32 ? 0xffffffff : bits ? bpf_htonl(0xffffffffU << (32 - bits)) : 0;
		return;
	}
#pragma unroll
	for (i = 0; i < 4; i++) {
		__u32 rest = bits > i * 32 ? bits - i * 32 : 0;

		k->client.word[i] &= rest >= 32 ? 0xffffffff : rest ? bpf_htonl(0xffffffffU << (32 - rest)) : 0;
	}
}

// tell_bound has user space know where a client is bound.
static __noinline int tell_bound(const struct address *client, __u8 family, const struct binding *b, __u32 now)
{
	struct dest *d = dest_at(b->dest);
	struct event *e;

	if (!d)
		return 0;
	e = event_of(EVENT_BOUND, b->dest, b->generation, now);
	if (!e)
		return 0;
	e->proto = d->of.proto;
	e->state = NONE;
	e->family = family;
	e->client = *client;
	e->virt = d->of.addr;
	e->cport = 0;
	e->vport = d->of.port;
	bpf_ringbuf_submit(e, 0);
	return 1;
}

// hold begins a binding's time anew.
static __always_inline void hold(struct binding *b, const struct address *client, __u8 family, __u32 now)
{
	struct settings *s = settings();

	b->last = now;
	if (!s || (__s32)(now - b->told) < (__s32)s->alive)
		return;
	b->told = now;
	tell_bound(client, family, b, now);
}

// bound returns the destination a client is bound to, or NOBODY.
static __noinline __u32 bound(const struct packet *p, const struct service *s)
{
	struct binding_key k;
	struct binding *b;
	struct dest *d;

	binding_key_of(&k, &p->src, p->family, s);
	b = bpf_map_lookup_elem(&plane_bindings, &k);
	if (!b || (__s32)(p->now - b->last) > (__s32)b->timeout)
		return NOBODY;
	d = dest_at(b->dest);
	if (!d || d->generation != b->generation || (d->flags & (IN_USE | GONE)) != IN_USE)
		return NOBODY;
	hold(b, &p->src, p->family, p->now);
	return b->dest;
}

static __noinline int bind(const struct packet *p, const struct service *s, __u32 dest)
{
	struct binding b = { .dest = dest, .last = p->now, .timeout = s->timeout, .told = p->now };
	struct dest *d = dest_at(dest);
	struct binding_key k;

	if (!d)
		return 0;
	b.generation = d->generation;
	binding_key_of(&k, &p->src, p->family, s);
	bpf_map_update_elem(&plane_bindings, &k, &b, BPF_ANY);
	return tell_bound(&p->src, p->family, &b, p->now);
}

#endif
