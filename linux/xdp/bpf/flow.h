// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
//
// Flows: how they are found, how old they may get, what state they are in.

#ifndef EVENKEEL_FLOW_H
#define EVENKEEL_FLOW_H

#include "packet.h"
#include "recent.h"

enum event_kind { EVENT_ESTABLISHED, EVENT_CLOSED, EVENT_ALIVE, EVENT_BOUND };

static __always_inline void key4_of(struct key4 *k, const struct tuple *t)
{
	k->src = t->src.word[3];
	k->dst = t->dst.word[3];
	k->sport = t->sport;
	k->dport = t->dport;
	k->proto = t->proto;
	k->zero[0] = k->zero[1] = k->zero[2] = 0;
}

static __always_inline void key6_of(struct key6 *k, const struct tuple *t)
{
	k->src = t->src;
	k->dst = t->dst;
	k->sport = t->sport;
	k->dport = t->dport;
	k->proto = t->proto;
	k->zero[0] = k->zero[1] = k->zero[2] = 0;
}

// There are notes about remembered flows only.
static __always_inline void changed_flows(const struct key4 *k)
{
	end_epoch(k);
}

static __always_inline void changed_half(const struct key4 *k)
{
}

// The tables are named by programs, not pointed to, so each has functions of its own. None is
// inlined, for their keys' room on the stack.
#define TABLE(table)                                                                                       \
	static __noinline struct flow *find_##table(const struct tuple *t)                                 \
	{                                                                                                  \
		if (t->family == 4) {                                                                      \
			struct key4 k;                                                                     \
                                                                                                           \
			key4_of(&k, t);                                                                    \
			return bpf_map_lookup_elem(&plane_##table##4, &k);                                 \
		} else {                                                                                   \
			struct key6 k;                                                                     \
                                                                                                           \
			key6_of(&k, t);                                                                    \
			return bpf_map_lookup_elem(&plane_##table##6, &k);                                 \
		}                                                                                          \
	}                                                                                                  \
                                                                                                           \
	static __noinline int put_##table(const struct tuple *t, const struct flow *f, __u64 how)          \
	{                                                                                                  \
		if (t->family == 4) {                                                                      \
			struct key4 k;                                                                     \
			int failed;                                                                        \
                                                                                                           \
			key4_of(&k, t);                                                                    \
			failed = bpf_map_update_elem(&plane_##table##4, &k, f, how);                       \
			changed_##table(&k);                                                               \
			return failed;                                                                     \
		} else {                                                                                   \
			struct key6 k;                                                                     \
                                                                                                           \
			key6_of(&k, t);                                                                    \
			return bpf_map_update_elem(&plane_##table##6, &k, f, how);                         \
		}                                                                                          \
	}                                                                                                  \
                                                                                                           \
	static __noinline int drop_##table(const struct tuple *t)                                          \
	{                                                                                                  \
		if (t->family == 4) {                                                                      \
			struct key4 k;                                                                     \
			int failed;                                                                        \
                                                                                                           \
			key4_of(&k, t);                                                                    \
			failed = bpf_map_delete_elem(&plane_##table##4, &k);                               \
			changed_##table(&k);                                                               \
			return failed;                                                                     \
		} else {                                                                                   \
			struct key6 k;                                                                     \
                                                                                                           \
			key6_of(&k, t);                                                                    \
			return bpf_map_delete_elem(&plane_##table##6, &k);                                 \
		}                                                                                          \
	}

TABLE(flows)
TABLE(half)

static __always_inline int expired(const struct flow *f, __u32 now)
{
	return (__s32)(now - f->last) > (__s32)f->timeout;
}

enum side { CLIENT_ONLY, CLIENT, SERVER };
enum segment { SEGMENT_SYN, SEGMENT_FIN, SEGMENT_ACK, SEGMENT_RST };

// What a segment makes of a state, by what we see of a connection: the client's packets only
// (direct routing, tunnels), or both sides (NAT). The kernel's own virtual server
// (ip_vs_proto_tcp.c) goes through the same states, which is what operators know from ipvsadm.
static const __u8 moves[3][4][UDP_STATE] = {
	[CLIENT_ONLY] = {
		[SEGMENT_SYN] = { SYN_RECV, ESTABLISHED, ESTABLISHED, SYN_RECV, SYN_RECV, SYN_RECV, SYN_RECV, SYN_RECV, SYN_RECV },
		[SEGMENT_FIN] = { CLOSED, FIN_WAIT, SYN_SENT, TIME_WAIT, FIN_WAIT, TIME_WAIT, CLOSED, CLOSE_WAIT, LAST_ACK },
		[SEGMENT_ACK] = { ESTABLISHED, ESTABLISHED, ESTABLISHED, ESTABLISHED, FIN_WAIT, TIME_WAIT, CLOSED, CLOSE_WAIT, CLOSED },
		[SEGMENT_RST] = { CLOSED, CLOSED, CLOSED, SYN_RECV, CLOSED, CLOSED, CLOSED, CLOSED, LAST_ACK },
	},
	[CLIENT] = {
		[SEGMENT_SYN] = { SYN_RECV, ESTABLISHED, ESTABLISHED, SYN_RECV, SYN_RECV, SYN_RECV, SYN_RECV, SYN_RECV, SYN_RECV },
		[SEGMENT_FIN] = { CLOSED, CLOSE_WAIT, SYN_SENT, TIME_WAIT, TIME_WAIT, TIME_WAIT, CLOSED, CLOSE_WAIT, LAST_ACK },
		[SEGMENT_ACK] = { ESTABLISHED, ESTABLISHED, SYN_SENT, ESTABLISHED, FIN_WAIT, TIME_WAIT, CLOSED, CLOSE_WAIT, CLOSED },
		[SEGMENT_RST] = { CLOSED, CLOSED, CLOSED, SYN_RECV, CLOSED, CLOSED, CLOSED, CLOSED, LAST_ACK },
	},
	[SERVER] = {
		[SEGMENT_SYN] = { SYN_SENT, ESTABLISHED, SYN_SENT, SYN_RECV, SYN_SENT, SYN_SENT, SYN_SENT, SYN_SENT, SYN_SENT },
		[SEGMENT_FIN] = { TIME_WAIT, FIN_WAIT, SYN_SENT, TIME_WAIT, FIN_WAIT, TIME_WAIT, CLOSED, TIME_WAIT, LAST_ACK },
		[SEGMENT_ACK] = { ESTABLISHED, ESTABLISHED, SYN_SENT, ESTABLISHED, FIN_WAIT, TIME_WAIT, CLOSED, CLOSE_WAIT, LAST_ACK },
		[SEGMENT_RST] = { CLOSED, CLOSED, SYN_SENT, CLOSED, CLOSED, TIME_WAIT, CLOSED, CLOSED, CLOSED },
	},
};

static __always_inline __u32 moved(__u32 state, __u32 side, __u8 tcp)
{
	__u32 segment;

	if (tcp & TCP_RST)
		segment = SEGMENT_RST;
	else if (tcp & TCP_SYN)
		segment = SEGMENT_SYN;
	else if (tcp & TCP_FIN)
		segment = SEGMENT_FIN;
	else if (tcp & TCP_ACK)
		segment = SEGMENT_ACK;
	else
		return state;
	if (state >= UDP_STATE || side > SERVER)
		return state;
	return *(volatile const __u8 *)&moves[side][segment][state];
}

static __always_inline void timeout_of(struct flow *f, __u32 state)
{
	struct settings *s = settings();

	if (!s || state >= 16)
		return;
	BOUND(state, 16);
	f->timeout = s->timeout[state];
}

// shift keeps a destination's counts and the notes about a remembered flow right when it changes its state. Only
// what has changed the state calls it.
static __always_inline void shift(struct dest *d, __u32 old, __u32 new, const struct tuple *t)
{
	struct key4 k;

	if (old == DEAD || (old == ESTABLISHED) == (new == ESTABLISHED))
		return;
	if (old == ESTABLISHED && t->family == 4) {
		key4_of(&k, t);
		end_epoch(&k);
	}
	if (new == ESTABLISHED) {
		__sync_fetch_and_add(&d->active, 1);
		__sync_fetch_and_add(&d->inactive, -1);
	} else {
		__sync_fetch_and_add(&d->active, -1);
		__sync_fetch_and_add(&d->inactive, 1);
	}
}

// event_of gets room for an event in the ring, if somebody listens.
static __always_inline struct event *event_of(__u32 kind, __u32 dest, __u32 generation, __u32 now)
{
	struct settings *s = settings();
	struct event *e;

	if (!s || !ahead(s->listening, now))
		return 0;
	e = bpf_ringbuf_reserve(&plane_events, sizeof(*e), 0);
	if (!e) {
		count(EVENT_LOST);
		return 0;
	}
	e->kind = kind;
	e->dest = dest;
	e->generation = generation;
	e->zero = 0;
	e->idle = 0;
	return e;
}

// tell has user space know of a flow.
static __noinline int tell(__u32 kind, const struct tuple *t, const struct flow *f, __u32 now)
{
	struct event *e = event_of(kind, f->dest, f->generation, now);

	if (!e)
		return 0;
	e->proto = t->proto;
	e->state = f->state;
	e->family = t->family;
	e->client = t->src;
	e->virt = t->dst;
	e->cport = t->sport;
	e->vport = t->dport;
	bpf_ringbuf_submit(e, 0);
	return 1;
}

// move takes a remembered flow to its next state.
static __always_inline void move(struct flow *f, struct dest *d, __u32 side, __u8 tcp, const struct tuple *t, int half,
				 __u32 now)
{
	__u32 old = f->state, new = moved(old, side, tcp);

	if (new == old || new > STATES)
		return;
	if (__sync_val_compare_and_swap(&f->state, old, new) != old)
		return; // another packet was quicker
	timeout_of(f, new);
	if (half)
		return;
	shift(d, old, new, t);
	if (old == ESTABLISHED)
		tell(EVENT_CLOSED, t, f, now);
}

// claim makes a remembered flow dead; only one of those who try gets it.
static __always_inline int claim(struct flow *f)
{
	__u32 old = f->state;
	struct dest *d;

	if (old == DEAD || __sync_val_compare_and_swap(&f->state, old, DEAD) != old)
		return 0;
	if (f->flags & REVERSE)
		return 1;
	d = dest_at(f->dest);
	if (!d || d->generation != f->generation)
		return 1;
	if (old == ESTABLISHED)
		__sync_fetch_and_add(&d->active, -1);
	else
		__sync_fetch_and_add(&d->inactive, -1);
	return 1;
}

// answers gives the tuple of the server's packets.
static __always_inline void answers(struct tuple *r, const struct tuple *t, const struct dest *d)
{
	r->src = d->addr;
	r->dst = t->src;
	r->sport = d->port ? d->port : t->dport;
	r->dport = t->sport;
	r->proto = t->proto;
	r->family = t->family;
}

// asks gives the tuple of the client's packets from one of the server's.
static __always_inline void asks(struct tuple *t, const struct packet *p, const struct flow *reverse)
{
	t->src = p->dst;
	t->dst = reverse->virt;
	t->sport = p->dport;
	t->dport = reverse->vport;
	t->proto = p->proto;
	t->family = p->family;
}

// spoken: the server has spoken lately although the client has not.
static __noinline int spoken(const struct tuple *t, struct flow *f, struct dest *d, __u32 now)
{
	struct tuple r;
	struct flow *back;

	if (!d || d->generation != f->generation)
		return 0;
	answers(&r, t, d);
	back = find_flows(&r);
	if (!back || !(back->flags & REVERSE) || (__s32)(now - back->last) > (__s32)f->timeout)
		return 0;
	f->last = back->last;
	return 1;
}

#endif
