// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
//
// The forwarding plane. Two ways in, one set of decisions: tc is right for every packet;
// XDP, where it is in use, takes those it is sure of and leaves the rest to tc as it came.
//
// Compiled without CO-RE; needs Linux 5.17 (bpf_loop).

#include <stddef.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

// Redirects and the routing table are for GPL programs only; of the two licences above the
// kernel gets this one.
char _license[] SEC("license") = "GPL";

#ifndef IPPROTO_IPIP
#define IPPROTO_IPIP 4
#endif

#include "layout.h"
#include "packet.h"
#include "lease.h"
#include "recent.h"
#include "flow.h"
#include "schedule.h"
#include "decide.h"
#include "parse.h"
#include "rewrite.h"
#include "wrap.h"
#include "answer.h"
#include "translate.h"
#include "tc.h"
#include "fast.h"
#include "learn.h"
#include "sweep.h"
