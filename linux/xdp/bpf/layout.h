// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
//
// What the programs and user space share: records and maps. A change of anything here
// wants another number in Go's layoutVersion.

#ifndef EVENKEEL_LAYOUT_H
#define EVENKEEL_LAYOUT_H

// An IPv4 address is kept as ::ffff:a.b.c.d.
struct address {
	__be32 word[4];
};

// A flow is known by the packet's own tuple; with NAT, the server's packets find an entry of
// their own.
struct key4 {
	__be32 src, dst;
	__be16 sport, dport;
	__u8 proto, zero[3];
};

struct key6 {
	struct address src, dst;
	__be16 sport, dport;
	__u8 proto, zero[3];
};

// States of a flow; ipvsadm's names.
enum state { NONE, ESTABLISHED, SYN_SENT, SYN_RECV, FIN_WAIT, TIME_WAIT, CLOSED, CLOSE_WAIT, LAST_ACK, UDP_STATE, STATES,
	     DEAD = 255 };

enum flow_flag {
	REVERSE = 1,  // the server's packets
	NATTED = 2,   // has a reverse entry
	CHECKED = 4,  // XDP may carry it: its checksums are whole when they reach us
	LEARNT = 8,   // a peer told of it
	STATELESS = 16, // made from a packet in the middle of a connection
};

// All instants are the low 32 bits of jiffies. 56 bytes, so that an IPv4 element of the table takes two
// lines of the cache, and what a packet of a known flow reads is in one of them.
struct flow {
	__u32 dest;       // index of the destination's slot
	__u32 generation; // of the slot when the flow was made
	__u32 last;       // last packet
	__u32 timeout;    // idle longer than this, in jiffies: it is not there
	union {
		__u32 told;    // when an event is to tell of it again
		__u32 ifindex; // REVERSE: where the client's packets come in
	};
	__u32 state;
	__u32 flags;
	__u32 arrives; // CHECKED: the interface its packets come by,
	__u8 mac[6];   // and the destination their frames have there
	__be16 vport;
	struct address virt; // REVERSE: what the source becomes
};

enum method { NAT = 0, LOCAL = 1, TUNNEL = 2, DIRECT = 3 };
enum wrap { IPIP = 0, GUE = 1 };

enum dest_flag {
	IN_USE = 1, // a destination of a service
	GONE = 2,   // was one: its flows are held, nothing is sent to it
	HERE = 4,   // its address is this machine's
};

struct service_key {
	struct address addr;
	__be16 port;
	__u8 proto, zero;
};

// A destination. Slots stand in blocks of DESTS, mapped by user space too, so each field is
// read and written by itself.
struct dest {
	// The first line is what a packet of a known flow reads.
	__u32 generation;
	__u32 lease; // slot of the virtual address; 0: always open
	__u32 flags;
	__u32 ifindex;     // the way to it; 0: none known
	__u32 fresh_until; // until when the link addresses are to be trusted, 0: not
	__u8 method, wrap, family, onlink; // family of addr: 4 or 6
	__u8 mac[12];                    // destination's, ours
	__be16 port, wrap_port;          // port 0: as it was
	struct address addr;
	__u32 mtu; // of the way
	__u32 service;
	// The rest is for new flows and user space.
	__u32 weight, upper, lower, overloaded;
	__u32 active, inactive; // remembered flows
	__u32 pending;          // half-open ones: what the last sweep counted and what came since
	__u32 counting;         // what this sweep counts
	__u64 order;
	struct address nexthop, source; // source of wrapped packets
	struct service_key of;
	__u32 persistent;
	__u8 unused[28];
};

struct counters {
	__u64 connections, in_packets, out_packets, in_bytes, out_bytes;
};

enum scheduler { RR = 1, WRR, LC, WLC, SH, MH };

// Flags of a service, as in lvs/table.
enum service_flag { PERSISTENT = 1, ONE_PACKET = 4, FALLBACK = 8, WITH_PORT = 16 };

struct service {
	__u32 index, lease, flags, scheduler;
	__u32 timeout; // of bindings, in jiffies
	__u32 granularity, seed;
	__u32 seconds; // timeout as it was asked for
	__u64 order;
	struct counters carried; // of destinations that were deleted, less what was zeroed
};

struct binding_key {
	__u32 service;
	struct address client;
};

struct binding {
	__u32 dest, generation, last, timeout;
	__u32 told; // when it was last told of, or learnt
};

struct fragment_key {
	struct address src, dst;
	__be32 id;
	__u8 proto, zero[3];
};

struct fragment {
	__u32 dest, generation, last, flags;
	struct address virt;
};

// Why a packet was not forwarded, or how. Go reads these numbers.
enum fate {
	FORWARDED,
	TO_SELF,
	CLOSED_LEASE,
	MALFORMED,
	NO_SERVER,
	NO_FLOW,
	SERVER_GONE,
	STRAY_FRAGMENT,
	TOO_BIG,
	TOLD_TOO_BIG,
	TTL_OVER,
	NO_ROUTE,
	TABLE_FULL,
	EVENT_LOST,
	LEARNT_FLOWS,
	SEND_FAILED,
	BY_XDP,
	ERROR_PASSED,
	UNKNOWN_FLOW_ERROR,
	FATES,
};

// Settings and what user space keeps for its own next run. One page.
struct settings {
	__u32 version, tick_ns, table_size;
	__u32 everywhere; // every interface is looked at
	__u64 netns, build, revision, order;
	__u32 serial;      // last generation given
	__u32 xdp;         // XDP runs somewhere
	__u32 listening;   // until when events are wanted, 0: not
	__u32 alive;       // between two events of a busy flow
	__u32 timeout[16]; // by state
	__u32 recent;      // how long a note is true
	__u32 notes;       // places for notes of each CPU, a power of two
};

// What a CPU notes of an IPv4 flow it carried by XDP, half a line of the cache. As long as it is true, it stands for
// the flow: established, checked and not REVERSE.
struct note {
	__be32 src, dst;
	__be16 sport, dport;
	__u32 dest : 24, proto : 8;
	__u32 until;             // when it is no longer true; 0: it is about nothing
	__u16 epoch, generation; // the low halves
	__u16 arrives;
	__u8 mac[6];
};

#define NOTES 4 // in a place
#define EPOCHS 4096

struct notes {
	struct note note[NOTES];
};

struct epochs {
	__u32 at[EPOCHS];
};

// What a self-test waits for: an answer that came by XDP to a question that left by XDP.
struct probe {
	__u32 ifindex, asked, seen, zero;
	struct address target;
};

struct event {
	__u32 kind; // 0 established, 1 closed, 2 alive, 3 a client is bound
	__u32 dest, generation;
	__u8 proto, state, family, zero;
	struct address client, virt;
	__be16 cport, vport;
	__u32 idle;
};

// A flow a peer told of, or, in state NONE, where a client is bound, as the learning program reads it.
struct learnt {
	struct address client, virt;
	__be16 cport, vport;
	__u8 proto, state, family, zero;
	__u32 dest, idle; // idle in jiffies
	__u32 result;     // 1: new, 2: was here, 3: no room
	__u32 unused;     // an array's elements are multiples of eight bytes, and user space sees the array
};

#define DESTS 256   // slots in a block
#define BLOCKS 1024 // blocks: 262144 destinations
#define SERVICES 65536
#define LEASES 4096
#define LESSONS 4096

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct settings);
} plane_settings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 20);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct key4);
	__type(value, struct flow);
} plane_flows4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 20);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct key6);
	__type(value, struct flow);
} plane_flows6 SEC(".maps");

// Each CPU has its own places, one after the other. Mapped memory begins with a page, so that a note is in one line.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct notes);
} plane_recent SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct epochs);
} plane_epochs SEC(".maps");

// Half-open flows: what one packet claimed. A flood of them only pushes others of their kind out.
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 16);
	__type(key, struct key4);
	__type(value, struct flow);
} plane_half4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 16);
	__type(key, struct key6);
	__type(value, struct flow);
} plane_half6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 16);
	__type(key, struct binding_key);
	__type(value, struct binding);
} plane_bindings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct fragment_key);
	__type(value, struct fragment);
} plane_fragments SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SERVICES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct service_key);
	__type(value, struct service);
} plane_services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SERVICES);
	__type(key, __u32);
	__type(value, __u64);
} plane_turns SEC(".maps");

struct block {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, DESTS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct dest));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, BLOCKS);
	__type(key, __u32);
	__array(values, struct block);
} plane_dests SEC(".maps");

struct counter_block {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, DESTS);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct counters));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, BLOCKS);
	__type(key, __u32);
	__array(values, struct counter_block);
} plane_counts SEC(".maps");

// The arrangement of a service's destinations, replaced as a whole: word 0 is how many there
// are and how many slots the table has (high half), then their indices, one a word, then the
// table of places among them, four a word.
struct arrangement {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_INNER_MAP);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u64));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, SERVICES);
	__type(key, __u32);
	__array(values, struct arrangement);
} plane_arrangements SEC(".maps");

// Instants of CLOCK_BOOTTIME in nanoseconds.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LEASES);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
} plane_leases SEC(".maps");

// Which slot an address has; for user space.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LEASES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct address);
	__type(value, __u32);
} plane_leased SEC(".maps");

struct instant {
	__u64 jiffies, boot;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct instant);
} plane_clock SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FATES);
	__type(key, __u32);
	__type(value, __u64);
} plane_fates SEC(".maps");

// Interfaces that XDP may send by: each stands at its index modulo LINKS.
#define LINKS 1024

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LINKS);
	__type(key, __u32);
	__type(value, __u32);
} plane_proven SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct probe);
} plane_probe SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} plane_events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LESSONS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct learnt);
} plane_lessons SEC(".maps");

#endif
