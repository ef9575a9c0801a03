/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What user space sets before it loads the programs, and what both see while they run. */
#ifndef NEEDLE_STATE_BPF_H
#define NEEDLE_STATE_BPF_H

#include "control.h"
#include "filter.h"
#include "read.bpf.h"

const volatile struct filter filter = {};
/* The kernel has no types: what a tracepoint hands over cannot be loaded directly. */
const volatile bool untyped = false;
/* Of several tools in one process, which share the ring buffer: which one this is. */
const volatile __u16 tool_number = 0;
struct event_stats stats = {};
struct dropped dropped[DROPPED_SLOTS] = {};

/* The same number, of which the verifier knows nothing: what follows it walks once, and not for each value that it may have. */
static __always_inline __u32 any(__u32 number)
{
	return number + *(volatile __u32 *)&stats.zero;
}

/* Before a loop that calls a function: lest the compiler makes a call of each turn. The kernel's look at the depth of the stack goes
 * down every call that it finds, so that of three such loops, one within the other, all turns would be walked. */
#define NOT_UNROLLED _Pragma("clang loop unroll(disable)")

/* ROOM_FN(fn, map, KEY, TYPE): TYPE *fn(KEY key): what the map has there, all zeroes if it is new; NULL: there is no room. Such as the
 * memory of a thread, from one hook to the next. */
#define ROOM_FN(fn, map, key_type, type)                                \
	static __always_inline type *fn(key_type key)                   \
	{                                                               \
		static const type nothing = {};                         \
		type *room = bpf_map_lookup_elem(&map, &key);           \
                                                                        \
		if (room)                                               \
			return room;                                    \
		bpf_map_update_elem(&map, &key, &nothing, BPF_NOEXIST); \
		return bpf_map_lookup_elem(&map, &key);                 \
	}

#endif
