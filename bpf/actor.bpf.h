/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a process was given to run with: arguments, variables of the loader, and which file its program is. See struct context. */
#ifndef NEEDLE_ACTOR_BPF_H
#define NEEDLE_ACTOR_BPF_H

#include "record.bpf.h"
#include "task.bpf.h"

/* Newer kernels keep a flag of their own in the nanoseconds. */
#define WALL(s, ns) ((struct ev_wall){.sec = (s), .nsec = (ns)&0x3fffffff, .known = 1})
#define TIMESPEC(inode, field) WALL(READ(inode, field.tv_sec), READ(inode, field.tv_nsec))

static __always_inline void inode_times(struct ev_wall *mtime, struct ev_wall *ctime, const struct inode *inode)
{
	const struct inode___times *old = (void *)inode;
	const struct inode___times2 *mid = (void *)inode;
	const struct inode___times3 *new = (void *)inode;

	if (bpf_core_field_exists(new->i_ctime_sec)) {
		*ctime = WALL(READ(new, i_ctime_sec), READ(new, i_ctime_nsec));
		*mtime = WALL(READ(new, i_mtime_sec), READ(new, i_mtime_nsec));
		return;
	}
	if (bpf_core_field_exists(mid->__i_ctime))
		*ctime = TIMESPEC(mid, __i_ctime);
	else
		*ctime = TIMESPEC(old, i_ctime);
	if (bpf_core_field_exists(mid->__i_mtime))
		*mtime = TIMESPEC(mid, __i_mtime);
	else
		*mtime = TIMESPEC(old, i_mtime);
}

static __always_inline void fill_image(struct image *i, const struct inode *inode)
{
	i->ino = READ(inode, i_ino);
	i->dev = READ(inode, i_sb, s_dev);
	i->generation = READ(inode, i_generation);
	i->size = READ(inode, i_size);
	inode_times(&i->mtime, &i->ctime, inode);
}

/* The string `s` of the current process's memory [from, to), as much as fits and is resident: whole, or up to the end of its first
 * page. */
#define ACTOR_BYTES 4095
static __always_inline void append_memory(struct record *r, struct ev_str *s, __u64 from, __u64 to)
{
	__u64 len = to - from;
	__u32 off = r->len, n = len < ACTOR_BYTES ? len : ACTOR_BYTES, page = 4096 - (from & 4095);

	if (!from || to <= from)
		return;
	barrier_var(n); /* see record_at(): the masks are for old verifiers */
	s->off = off;
	if (off > RECORD_MAX - ACTOR_BYTES) {
		n = 0;
	} else if (bpf_probe_read_user(record_at(r, off), n & ACTOR_BYTES, (void *)from)) {
		n = page < n ? page : 0;
		if (n && bpf_probe_read_user(record_at(r, off), n & ACTOR_BYTES, (void *)from))
			n = 0;
	}
	len -= n;
	s->len = n;
	s->mark |= !n ? EV_STR_UNKNOWN : len < EV_STR_UNKNOWN ? len : EV_STR_UNKNOWN - 1;
	r->len = off + n;
}

/* Appends those of the next variables that tell the loader what else to load, LD_PRELOAD=... and the like: up to r->leader, from
 * r->node on, where the rest begins afterwards. Nonzero: that was all, or it cannot be read. */
#define VARIABLES 32
#define LOADER_BYTES 2048
__noinline int append_loader_variables(__u32 slot, __u32 start)
{
	struct record *r = bpf_map_lookup_elem(&scratch, &slot);

	if (!r)
		return 1;
	for (int i = 0; i < VARIABLES; i++) {
		__u64 at = r->node;
		__u32 off = r->len;
		bool within = r->owned; /* a variable that is longer than what is read at once */
		long n;

		if (at >= r->leader)
			return 1;
		if (off > RECORD_MAX - STR_MAX || off - start > LOADER_BYTES)
			return 1;
		n = bpf_probe_read_user_str(record_at(r, off), STR_MAX, (void *)at);
		if (n < 0)
			return 1;
		if (!n) /* an empty string, on older kernels */
			n = 1;
		r->owned = n == STR_MAX;
		r->node = at + n - r->owned;
		if (!within && (*(__u32 *)record_at(r, off) & 0xffffff) == ('L' | 'D' << 8 | '_' << 16))
			r->len = off + (n & (2 * STR_MAX - 1));
	}
	return 0;
}

/* Those of all variables of the current process, as they are now. */
static __always_inline void read_preload(struct record *r, struct ev_str *s, struct mm_struct *mm)
{
	__u32 start = r->len;

	r->node = READ(mm, env_start);
	r->leader = READ(mm, env_end);
	r->owned = 0;
	if (!r->node)
		return;
	for (int i = 0; i < VARIABLES; i++)
		if (append_loader_variables(r->slot, start))
			break;
	s->off = start;
	s->len = r->len - start;
	if (r->node < r->leader) { /* there may be more */
		__u64 rest = r->leader - r->node;

		s->mark |= !s->len || rest >= EV_STR_UNKNOWN ? EV_STR_UNKNOWN : rest;
	}
}

/* What they were when the program began, by program: the process can change them later, and to read them all takes longer than all the
 * rest of an event. So it is for programs that were begun since the tool was; of others, and of a process that was forked and goes
 * on with its parent's program, as they were at the first event. What is longer than this is read at each event. */
#define PRELOAD_KEPT 1024
struct preload {
	__u32 len, unused;
	char strings[PRELOAD_KEPT];
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1); /* user space asks for more */
	__type(key, struct program);
	__type(value, struct preload);
} preloads SEC(".maps");

/* Appends it for the current task. Returns where it is: see str_of_number(). Global: verified once, and for its stack. */
__noinline unsigned long append_preload(__u32 slot)
{
	struct record *r = bpf_map_lookup_elem(&scratch, &slot);
	struct task_struct *task = current_task(), *leader = READ(task, group_leader);
	struct program program = {
		.start = READ(leader, start_boottime), .pid = READ(leader, tgid), .exec = READ(task, self_exec_id)};
	struct preload *known;
	struct ev_str s = {};

	if (!r)
		return 0;
	if (r->bare.start == program.start && r->bare.pid == program.pid && r->bare.exec == program.exec)
		return 0;
	known = bpf_map_lookup_elem(&preloads, &program);
	if (known) {
		append_kernel(r, &s, known->strings, known->len & (2 * PRELOAD_KEPT - 1)); /* the mask is for old verifiers */
	} else {
		__u32 n;

		read_preload(r, &s, READ(task, mm));
		n = s.len;
		known = (void *)r->path;
		known->len = n;
		known->unused = 0;
		if (!s.mark && n <= PRELOAD_KEPT) {
			barrier_var(n); /* see record_at() */
			if (!bpf_probe_read_kernel(known->strings, n & (2 * PRELOAD_KEPT - 1), record_at(r, s.off)))
				bpf_map_update_elem(&preloads, &program, known, BPF_ANY);
		}
	}
	if (!s.len && !s.mark)
		r->bare = program;
	return str_number(s.off, s.len, s.mark);
}

SEC("?tp_btf/sched_process_exec")
int BPF_PROG(preload__tp_exec, struct task_struct *task)
{
	struct record *r = record_try();

	if (!r)
		return 0;
	r->len = 0;
	append_preload(r->slot);
	record_release(r);
	return 0;
}

#endif
