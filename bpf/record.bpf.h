/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The life of an event: claimed, filled, sent. */
#ifndef NEEDLE_RECORD_BPF_H
#define NEEDLE_RECORD_BPF_H

#include "event.h"
#include "state.bpf.h"

/* A tool with longer tails defines its own. Both are powers of two; RECORD_MAX is what all
 * strings of a record may take together, and stays below 64 KiB (ev_str has 16-bit offsets). */
#ifndef RECORD_MAX
#define RECORD_MAX 16384
#endif
#ifndef STR_MAX
#define STR_MAX 4096
#endif
#define PATH_BYTES 8192 /* a path may be longer than PATH_MAX: that limits only what a call names */
#ifndef SCRATCH_SLOTS
#define SCRATCH_SLOTS 4 /* per CPU */
#endif

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 22); /* --buffer */
} events SEC(".maps");

/* The ancestors of a process, the parent first. */
struct lineage {
	__u32 count;
	__u32 cut; /* there are more */
	struct ancestor ancestors[LINEAGE_MAX];
};

/* A program that a process runs: an exec begins another. */
struct program {
	__u64 start; /* of the process */
	__u32 pid;
	__u32 exec; /* how many there were before it, in the process and in those that it was forked from */
};

/* Working memory for one event. `cpu * SCRATCH_SLOTS` of them: user space sets max_entries. */
struct record {
	__u32 busy;
	__u32 slot;
	__u32 len;
	__u32 sent; /* records from here */
	/* the walk of path.bpf.h */
	__u32 pos, folds; /* the second: of has_to_fold() */
	__u64 dentry, mount, root;
	__u64 ns; /* the mount namespace that it is told for */
	__u64 path_mark;
	__u32 fold_in, fold_out, fold_depth; /* of fold_name(), mean() */
	__u32 rises;                         /* of has_to_fold() */
	__u32 first, unused;                 /* of append_name(), and: */
	struct ev_str given;
	char path[PATH_BYTES + 256];
	/* of context.bpf.h */
	struct program bare; /* one whose environment tells the loader nothing: the last that was asked for */
	__u64 leader, node, owned;
	struct ev_cgroups cgroups; /* whose names have been sent, when cgroups_told was: */
	__u64 cgroups_told;
	__u64 lineage_start; /* whose lineage is */
	__u32 lineage_pid, lineage_seen;
	struct lineage lineage; /* with room to append another */
	struct ancestor more[LINEAGE_MAX];
	/* old verifiers know no more of an offset than its mask: room for what is longest behind that */
	char bytes[RECORD_MAX + (STR_MAX > PATH_BYTES ? STR_MAX : PATH_BYTES)];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SCRATCH_SLOTS);
	__type(key, __u32);
	__type(value, struct record);
} scratch SEC(".maps");

static __always_inline void wake_reader(void)
{
	void *nothing = bpf_ringbuf_reserve(&events, 8, 0);

	if (nothing)
		bpf_ringbuf_discard(nothing, BPF_RB_FORCE_WAKEUP);
}

/* Claims one of this CPU's scratch records, or NULL: a program may be preempted by another
 * task's on the same CPU, or nested in an interrupt. An addition, not a compare and
 * swap, which BPF has only since 5.12: of two that meet, both may go on to the next. */
static __always_inline struct record *record_try(void)
{
	__u32 first = bpf_get_smp_processor_id() * SCRATCH_SLOTS;

	for (__u32 i = 0; i < SCRATCH_SLOTS; i++) {
		__u32 slot = first + i;
		struct record *r = bpf_map_lookup_elem(&scratch, &slot);

		if (!r)
			break;
		__sync_fetch_and_add(&r->busy, 1);
		if (*(volatile __u32 *)&r->busy == 1) {
			r->slot = slot;
			return r;
		}
		__sync_fetch_and_add(&r->busy, -1);
	}
	return NULL;
}

/* For an event: not to get one is to lose it. */
static __always_inline struct record *record_claim(void)
{
	struct record *r = record_try();

	if (!r)
		__sync_fetch_and_add(&stats.lost_busy, 1);
	return r;
}

static __always_inline void record_release(struct record *r)
{
	__sync_fetch_and_add(&r->busy, -1);
}

/* The record's bytes from `off`, less than RECORD_MAX, which is asserted again: the compiler would
 * drop a mask that a check before makes needless, and kernels before 5.17 forget the check when
 * they keep `off` on the stack. */
static __always_inline void *record_at(struct record *r, __u32 off)
{
	barrier_var(off);
	return &r->bytes[off & (RECORD_MAX - 1)];
}

static __always_inline struct record *event_begin_(__u32 size)
{
	struct record *r = record_claim();

	if (!r)
		return NULL;
	__builtin_memset(r->bytes, 0, size);
	r->len = size;
	return r;
}

/* event_begin(r, TYPE): a claimed record with a zeroed struct TYPE at its start, or NULL,
 * which is counted as lost. The caller fills the header, and ends with event_submit()
 * or event_drop(). */
#define event_begin(type) event_begin_(sizeof(struct type))
#define event_of(r, type) ((struct type *)(r)->bytes)

static __always_inline void event_drop(struct record *r)
{
	record_release(r);
}

static __always_inline bool much_has_gathered(void)
{
	return bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) > bpf_ringbuf_query(&events, BPF_RB_RING_SIZE) / 4;
}

/* Sends the record, and wakes the reader if it sleeps and once if much has gathered: a wake-up costs
 * more than all the rest (see common/run/session.cpp). `look`: whether to see if it has. */
static __always_inline void submit_bytes(void *data, __u32 len, bool look)
{
	__u32 waits;

	if (bpf_ringbuf_output(&events, data, len, BPF_RB_NO_WAKEUP))
		__sync_fetch_and_add(&stats.lost_full, 1);
	/* Only after the record is there: the reader sets this, then looks once more. */
	waits = *(volatile __u32 *)&stats.reader_waits;
	if (waits == READER_SLEEPS || (waits == READER_RESTS && look && much_has_gathered())) {
		stats.reader_waits = READER_AWAKE;
		wake_reader();
	}
}

static __always_inline void event_submit(struct record *r)
{
	__u32 len = r->len;

	if (len <= RECORD_MAX)
		submit_bytes(r->bytes, len, ++r->sent % 8 == 0);
	record_release(r);
}

/* A struct ev_str as a number, which a global function can return. */
static __always_inline __u64 str_number(__u16 off, __u16 len, __u32 mark)
{
	return off | (__u64)len << 16 | (__u64)mark << 32;
}

static __always_inline void str_of_number(struct ev_str *s, __u64 number)
{
	s->off = number;
	s->len = number >> 16;
	s->mark = number >> 32;
}

/* Appends `len` bytes of kernel or user memory, at most STR_MAX of them; what is beyond,
 * or cannot be read, is counted in the mark. */
#define APPEND_FN(name, read)                                                                            \
	static __always_inline void name(struct record *r, struct ev_str *s, const void *src, __u32 len) \
	{                                                                                                \
		__u32 off = r->len, n = len;                                                             \
                                                                                                         \
		if (n > STR_MAX - 1)                                                                     \
			n = STR_MAX - 1;                                                                 \
		if (off > RECORD_MAX - STR_MAX || read(record_at(r, off), n, src))                       \
			n = 0;                                                                           \
		s->off = off;                                                                            \
		s->len = n;                                                                              \
		s->mark |= len - n;                                                                      \
		r->len = off + n;                                                                        \
	}

/* Appends a NUL-terminated string. One of STR_MAX - 1 bytes or more is cut, by a number
 * of bytes that is not known: the mark says 1, "at least". */
#define APPEND_STR_FN(name, read)                                                             \
	static __always_inline long name(struct record *r, struct ev_str *s, const void *src) \
	{                                                                                     \
		__u32 off = r->len;                                                           \
		long n;                                                                       \
                                                                                              \
		if (off > RECORD_MAX - STR_MAX)                                               \
			return -1;                                                            \
		n = read(record_at(r, off), STR_MAX, src);                                    \
		if (n <= 0)                                                                   \
			return n;                                                             \
		s->off = off;                                                                 \
		s->len = n - 1;                                                               \
		s->mark |= n == STR_MAX;                                                      \
		r->len = off + n - 1;                                                         \
		return n;                                                                     \
	}

APPEND_FN(append_kernel, bpf_probe_read_kernel)
APPEND_STR_FN(append_kernel_str, bpf_probe_read_kernel_str)
APPEND_STR_FN(append_user_str, bpf_probe_read_user_str)

#endif
