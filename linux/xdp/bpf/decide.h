// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
//
// What becomes of a packet, whichever hook it came through.

#ifndef EVENKEEL_DECIDE_H
#define EVENKEEL_DECIDE_H

#include "flow.h"
#include "lease.h"
#include "schedule.h"

enum action {
	PASS,    // not ours, or the stack's to answer
	DISCARD,
	DELIVER, // to this machine, untouched
	SEND,    // to the destination
	RETURN,  // to the client
	AGAIN,   // as if the flow had not been found
};

struct verdict {
	__u32 dest, fresh; // fresh: the first packet of a flow
	struct address virt;   // RETURN: what the source becomes
	__be16 vport;
	__u16 zero;
	__u32 ifindex; // RETURN: where the client's packets came in
	__u32 unchecked; // there is a flow, and XDP may not carry it yet
	__u32 zero2;
};

#define FRAGMENT_SECONDS 30

static __always_inline int fresh_syn(const struct packet *p)
{
	return p->proto == IPPROTO_TCP && (p->tcp & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN;
}

static __always_inline int toward(const struct dest *d)
{
	return d->flags & HERE ? DELIVER : SEND;
}

// promote makes a half-open flow a remembered one.
static __noinline int promote(const struct tuple *t, struct flow *half, struct dest *d, __u32 now, __u32 ifindex)
{
	__u32 state = half->state, flags = half->flags;
	struct flow *kept;

	half->told = now;
	timeout_of(half, state);
	if (put_flows(t, half, BPF_NOEXIST)) {
		kept = find_flows(t);
		if (!kept || kept->state != DEAD || put_flows(t, half, BPF_ANY)) {
			count(TABLE_FULL);
			return 0;
		}
	}
	if (flags & NATTED) {
		struct flow back = *half;
		struct tuple r;

		answers(&r, t, d);
		back.flags = REVERSE;
		back.ifindex = ifindex;
		back.virt = t->dst;
		back.vport = t->dport;
		put_flows(&r, &back, BPF_ANY);
		drop_half(&r);
	}
	drop_half(t);
	if (state == ESTABLISHED)
		__sync_fetch_and_add(&d->active, 1);
	else
		__sync_fetch_and_add(&d->inactive, 1);
	if ((__s32)__sync_fetch_and_add(&d->pending, -1) <= 0)
		__sync_fetch_and_add(&d->pending, 1);
	kept = find_flows(t);
	if (!kept)
		return 0;
	tell(EVENT_ESTABLISHED, t, kept, now);
	return 1;
}

// remind is what a busy flow does every now and then.
static __noinline int remind(const struct tuple *t, struct flow *f, struct dest *d, __u32 now)
{
	struct settings *s = settings();
	struct service *service;

	if (!s)
		return 0;
	f->told = now + s->alive;
	timeout_of(f, f->state);
	tell(EVENT_ALIVE, t, f, now);
	service = bpf_map_lookup_elem(&plane_services, &d->of);
	if (service && service->flags & PERSISTENT) {
		struct binding_key k;
		struct binding *b;

		binding_key_of(&k, &t->src, t->family, service);
		b = bpf_map_lookup_elem(&plane_bindings, &k);
		if (b && b->dest == f->dest && b->generation == f->generation)
			hold(b, &t->src, t->family, now);
	}
	return 1;
}

// forget drops a flow that the packet's own arrival ends.
static __noinline int forget(const struct tuple *t, struct flow *f, int half)
{
	if (half)
		return drop_half(t);
	return claim(f) && drop_flows(t);
}

// back follows a packet of a server to its client (NAT).
static __noinline int back(struct packet *p, struct flow *f, struct dest *d, struct verdict *v)
{
	struct tuple t;
	struct flow *ask;
	int half = 0;

	v->virt = f->virt;
	v->vport = f->vport;
	v->ifindex = f->ifindex;
	if (p->kind == ICMP_ERROR)
		return RETURN;
	f->last = p->now;
	if (p->proto != IPPROTO_TCP || !(p->tcp & (TCP_SYN | TCP_FIN | TCP_RST)))
		return RETURN;
	asks(&t, p, f);
	ask = find_flows(&t);
	if (!ask) {
		ask = find_half(&t);
		half = 1;
	}
	if (ask && ask->dest == f->dest)
		move(ask, d, SERVER, p->tcp, &t, half, p->now);
	return RETURN;
}

// closed: what comes while the lease is over is the stack's, but for answers of servers (NAT). The stack would route them to
// the client as they are, who would reset the connection, or tell the server of a shorter way past us.
static __always_inline int closed(__u32 flags)
{
	count(CLOSED_LEASE);
	return flags & REVERSE ? DISCARD : PASS;
}

// follow sends a packet where its flow goes.
static __noinline int follow(struct packet *p, struct flow *f, int half, struct verdict *v)
{
	struct dest *d = dest_at(f->dest);
	struct tuple *t = tuple_of(p);

	if (!d || d->generation != f->generation) {
		if (p->kind != ICMP_ERROR)
			forget(t, f, half);
		return AGAIN;
	}
	if (!lease_open(d->lease))
		return closed(f->flags);
	v->dest = f->dest;
	v->unchecked = !(f->flags & CHECKED);
	if (f->flags & REVERSE)
		return back(p, f, d, v);
	if (d->flags & GONE) {
		if (p->kind == ICMP_ERROR || !(p->proto == IPPROTO_UDP || fresh_syn(p))) {
			count(SERVER_GONE);
			return DISCARD;
		}
		forget(t, f, half);
		return AGAIN;
	}
	if (p->kind == ICMP_ERROR)
		return toward(d);
	if (fresh_syn(p) && !d->weight && f->state != ESTABLISHED && f->state != SYN_RECV) {
		forget(t, f, half);
		return AGAIN;
	}
	f->last = p->now;
	if (p->proto == IPPROTO_TCP)
		move(f, d, f->flags & NATTED ? CLIENT : CLIENT_ONLY, p->tcp, t, half, p->now);
	if (half) {
		if (!fresh_syn(p) && !(p->tcp & TCP_RST))
			promote(t, f, d, p->now, p->ifindex);
	} else if ((__s32)(p->now - f->told) > 0) {
		remind(t, f, d, p->now);
	}
	return toward(d);
}

// remember makes a half-open flow.
static __noinline int remember(struct packet *p, __u32 dest, __u32 state)
{
	struct dest *d = dest_at(dest);
	struct flow f = { .dest = dest, .last = p->now, .state = state, .told = p->now };
	struct tuple *t = tuple_of(p);

	if (!d)
		return 0;
	f.generation = d->generation;
	timeout_of(&f, state);
	if (d->method == NAT && !(d->flags & HERE))
		f.flags |= NATTED;
	put_half(t, &f, BPF_ANY);
	__sync_fetch_and_add(&d->pending, 1);
	if (f.flags & NATTED) {
		struct tuple r;

		answers(&r, t, d);
		f.flags = REVERSE;
		f.ifindex = p->ifindex;
		f.virt = p->dst;
		f.vport = p->dport;
		put_half(&r, &f, BPF_ANY);
	}
	return 1;
}

static __always_inline struct service *service_of(const struct packet *p)
{
	struct service_key k = { .addr = p->dst, .port = p->dport, .proto = p->proto };
	struct service *s = bpf_map_lookup_elem(&plane_services, &k);

	if (s || !p->dport)
		return s;
	k.port = 0;
	return bpf_map_lookup_elem(&plane_services, &k);
}

// begin finds a destination for a packet of no flow.
static __noinline int begin(struct packet *p, struct verdict *v)
{
	struct service *s = service_of(p);
	__u32 dest = NOBODY, state;
	struct dest *d;
	int byhash, stale;

	v->unchecked = 0;
	if (!s)
		return PASS;
	if (!lease_open(s->lease)) {
		count(CLOSED_LEASE);
		return PASS;
	}
	byhash = s->scheduler == MH || s->scheduler == SH;
	stale = p->kind == ICMP_ERROR || (p->proto == IPPROTO_TCP && !fresh_syn(p));
	// With these two, the table itself says where a connection is that we have not seen begin.
	if (stale && !byhash) {
		count(p->kind == ICMP_ERROR ? UNKNOWN_FLOW_ERROR : NO_FLOW);
		return PASS;
	}
	if (s->flags & PERSISTENT)
		dest = bound(p, s);
	if (dest == NOBODY) {
		dest = choose(p, s);
		if (dest == NOBODY) {
			count(NO_SERVER);
			return PASS;
		}
		if (s->flags & PERSISTENT && !stale)
			bind(p, s, dest);
	}
	d = dest_at(dest);
	if (!d)
		return PASS;
	v->dest = dest;
	v->fresh = !stale;
	if (stale && (p->kind == ICMP_ERROR || p->tcp & (TCP_SYN | TCP_FIN | TCP_RST)))
		return toward(d);
	if (p->proto == IPPROTO_UDP && s->flags & ONE_PACKET && d->method != NAT)
		return toward(d);
	state = p->proto == IPPROTO_UDP ? UDP_STATE : stale ? ESTABLISHED : SYN_RECV;
	remember(p, dest, state);
	return toward(d);
}

// later sends a fragment without ports after the first one.
static __noinline int later(struct packet *p, struct verdict *v)
{
	struct fragment_key k = { .src = p->src, .dst = p->dst, .id = p->id, .proto = p->outer };
	struct settings *s = settings();
	struct fragment *f = bpf_map_lookup_elem(&plane_fragments, &k);
	struct dest *d;

	if (!f) {
		// Whose it is, one cannot know; it only counts if it may have been ours.
		return PASS;
	}
	if (!s || (__s32)(p->now - f->last) > (__s32)s->timeout[NONE])
		goto stray;
	d = dest_at(f->dest);
	if (!d || d->generation != f->generation || d->flags & GONE)
		goto stray;
	if (!lease_open(d->lease))
		return closed(f->flags);
	v->dest = f->dest;
	if (f->flags & REVERSE) {
		v->virt = f->virt;
		return RETURN;
	}
	return toward(d);
stray:
	count(STRAY_FRAGMENT);
	return PASS;
}

// first remembers where a packet's other fragments go.
static __noinline int first(const struct packet *p, const struct verdict *v, int action)
{
	struct fragment_key k = { .src = p->src, .dst = p->dst, .id = p->id, .proto = p->outer };
	struct fragment f = { .dest = v->dest, .last = p->now };
	struct dest *d = dest_at(v->dest);

	if (!d)
		return 0;
	f.generation = d->generation;
	if (action == RETURN) {
		f.flags = REVERSE;
		f.virt = v->virt;
	}
	return bpf_map_update_elem(&plane_fragments, &k, &f, BPF_ANY);
}

// decide is a global function, like the others that are not static: the verifier goes through each of them once
// instead of once for each way that leads there.
__noinline int decide(struct packet *p, struct verdict *v)
{
	struct flow *f;
	int half = 0, action = AGAIN;

	if (!p || !v)
		return PASS;
	if (p->kind == LATER_FRAGMENT)
		return later(p, v);
	f = find_flows(tuple_of(p));
	if (f && f->state == DEAD)
		f = 0;
	if (!f) {
		half = 1;
		f = find_half(tuple_of(p));
	}
	if (f && expired(f, p->now)) {
		struct tuple *t = tuple_of(p);

		if (half || !(f->flags & NATTED) || !spoken(t, f, dest_at(f->dest), p->now)) {
			if (p->kind != ICMP_ERROR)
				forget(t, f, half);
			f = 0;
		}
	}
	if (f)
		action = follow(p, f, half, v);
	if (action == AGAIN)
		action = begin(p, v);
	if (p->kind == FIRST_FRAGMENT && action >= DELIVER)
		first(p, v, action);
	return action;
}

#endif
