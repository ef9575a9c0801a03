/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counts what happens too often to print, by a key such as a process and a file.
 *
 * AGGREGATE(writes, struct writes_key, struct writes_value, 8192) at file level gives, for a value that begins with a member
 * `struct aggregate a`:
 *   writes_add(&key, &first, amount)  for each event. `first`: what to keep beside the numbers if this is the first with the key
 *   writes_take(&key, &out)           moves what has been counted so far into `out`, to be told at once: a file is closed
 *   writes_return(&key, &out)         counts it again: it could not be told
 * The rest is told by user space, from time to time and at the end: see Aggregate in common/run/aggregation.h. An event for which
 * there is no room is one of stats.lost_map. So what is told, what is lost and what is still here add up to what has happened.
 *
 * Nothing is ever removed from a map that programs use: one that has looked an entry up may still add to it, while it is
 * somebody else's already. There are two maps, one of them in use. User space puts the other one in its place, which waits
 * for the programs that run (maybe_wait_bpf_programs() in kernel/bpf/syscall.c), and empties what nobody uses any more. */
#ifndef NEEDLE_AGGREGATE_BPF_H
#define NEEDLE_AGGREGATE_BPF_H

#include "aggregate.h"
#include "state.bpf.h"

static __always_inline void aggregate_add(struct aggregate *a, __u64 count, __u64 amount, __u64 since)
{
	if (!*(volatile __u64 *)&a->count || since < a->since)
		a->since = since;
	__sync_fetch_and_add(&a->sum, amount);
	__sync_fetch_and_add(&a->count, count);
}

/* Takes the numbers into `out`, which has the rest. What others add meanwhile stays: it is only taken away what has been read. Of
 * two that take, one gets nothing. */
static __always_inline bool aggregate_take(struct aggregate *a, struct aggregate *out)
{
	bool taken = false;

	__sync_fetch_and_add(&a->taking, 1);
	if (*(volatile __u64 *)&a->taking == 1) {
		out->since = a->since;
		a->since = bpf_ktime_get_boot_ns(); /* of what stays */
		barrier();
		out->count = *(volatile __u64 *)&a->count;
		out->sum = *(volatile __u64 *)&a->sum;
		__sync_fetch_and_add(&a->sum, -out->sum);
		__sync_fetch_and_add(&a->count, -out->count);
		taken = out->count;
	}
	__sync_fetch_and_add(&a->taking, -1);
	return taken;
}

#define AGGREGATE(name, key_type, value_type, most)                                                                          \
	struct name##_map {                                                                                                  \
		__uint(type, BPF_MAP_TYPE_HASH);                                                                             \
		__uint(max_entries, most);                                                                                   \
		__type(key, key_type);                                                                                       \
		__type(value, value_type);                                                                                   \
	} name##_1 SEC(".maps"), name##_2 SEC(".maps");                                                                      \
                                                                                                                             \
	struct {                                                                                                             \
		__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);                                                                    \
		__uint(max_entries, 1);                                                                                      \
		__type(key, __u32);                                                                                          \
		__array(values, struct name##_map);                                                                          \
	} name SEC(".maps") = {.values = {&name##_1}};                                                                       \
                                                                                                                             \
	static __always_inline value_type *name##_find(const key_type *key)                                                  \
	{                                                                                                                    \
		__u32 zero = 0;                                                                                              \
		void *map = bpf_map_lookup_elem(&name, &zero);                                                               \
                                                                                                                             \
		return map ? bpf_map_lookup_elem(map, key) : NULL;                                                           \
	}                                                                                                                    \
                                                                                                                             \
	/* The entry of `key`: a new one like `first`, since `now`, if need be; NULL: there is no room. */                   \
	static __always_inline value_type *name##_entry(const key_type *key, value_type *first, __u64 now)                   \
	{                                                                                                                    \
		__u32 zero = 0;                                                                                              \
		void *map = bpf_map_lookup_elem(&name, &zero);                                                               \
		value_type *v;                                                                                               \
                                                                                                                             \
		if (!map)                                                                                                    \
			return NULL;                                                                                         \
		v = bpf_map_lookup_elem(map, key);                                                                           \
		if (v)                                                                                                       \
			return v;                                                                                            \
		first->a = (struct aggregate){.since = now};                                                                 \
		bpf_map_update_elem(map, key, first, BPF_NOEXIST); /* another may have come first */                         \
		return bpf_map_lookup_elem(map, key);                                                                        \
	}                                                                                                                    \
                                                                                                                             \
	static __always_inline __attribute__((unused)) void name##_add(const key_type *key, value_type *first, __u64 amount) \
	{                                                                                                                    \
		__u64 now = bpf_ktime_get_boot_ns();                                                                         \
		value_type *v = name##_entry(key, first, now);                                                               \
                                                                                                                             \
		if (v)                                                                                                       \
			aggregate_add(&v->a, 1, amount, now);                                                                \
		else                                                                                                         \
			__sync_fetch_and_add(&stats.lost_map, 1);                                                            \
	}                                                                                                                    \
                                                                                                                             \
	/* False: there is nothing to tell. */                                                                               \
	static __always_inline __attribute__((unused)) bool name##_take(const key_type *key, value_type *out)                \
	{                                                                                                                    \
		value_type *v = name##_find(key);                                                                            \
                                                                                                                             \
		if (!v)                                                                                                      \
			return false;                                                                                        \
		*out = *v;                                                                                                   \
		return aggregate_take(&v->a, &out->a);                                                                       \
	}                                                                                                                    \
                                                                                                                             \
	static __always_inline __attribute__((unused)) void name##_return(const key_type *key, value_type *out)              \
	{                                                                                                                    \
		struct aggregate a = out->a;                                                                                 \
		value_type *v = name##_entry(key, out, a.since); /* the maps may have been exchanged */                      \
                                                                                                                             \
		if (v) {                                                                                                     \
			aggregate_add(&v->a, a.count, a.sum, a.since);                                                       \
		} else {                                                                                                     \
			__sync_fetch_and_add(&stats.lost_map, a.count);                                                      \
		}                                                                                                            \
	}

#endif
