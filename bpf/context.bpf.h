/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who did it: container, ancestors, program, terminal. Gathered only for columns that are shown;
 * see struct context. */
#ifndef NEEDLE_CONTEXT_BPF_H
#define NEEDLE_CONTEXT_BPF_H

#include "actor.bpf.h"
#include "path.bpf.h"
#include "share.bpf.h"

/* ---- Containers: by the names of the cgroups. They travel once, before the first event from
 * there: events carry ids. */
#define CGROUPS_SENT 4096
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, CGROUPS_SENT);
	__type(key, struct ev_cgroups);
	__type(value, __u8);
} cgroups_sent SEC(".maps");

__u64 cgroups_told = 0; /* how many have been, one behind the other */

static __always_inline struct kernfs_node *kernfs_parent(struct kernfs_node *node)
{
	struct kernfs_node___parent *old = (void *)node;

	if (bpf_core_field_exists(old->parent))
		return READ(old, parent);
	return READ(node, __parent);
}

/* The outermost ones travel: those are named by the runtimes of the host, and what is below can be
 * made as deep as one likes. */
#define CGROUP_DEPTH 64
#define CGROUP_BYTES 5888 /* of all names of a cgroup */

static __always_inline __u64 *cgroup_node(struct record *r, __u32 i)
{
	return (__u64 *)r->path + (i & (CGROUP_DEPTH - 1));
}

/* From r->node up by at most CGROUP_DEPTH directories. */
__noinline int climb(__u32 slot, __u32 steps)
{
	struct record *r = bpf_map_lookup_elem(&scratch, &slot);

	for (__u32 i = 0; r && i < CGROUP_DEPTH; i++) {
		if (i >= steps)
			break;
		r->node = (__u64)kernfs_parent((void *)r->node);
	}
	return 0;
}

/* By more than that. Nonzero: not that far. */
__noinline int climb_far(__u32 slot, __u32 steps)
{
	for (__u32 i = 0; i < CGROUP_DEPTH; i++) {
		if (steps <= CGROUP_DEPTH)
			return climb(slot, steps);
		climb(slot, CGROUP_DEPTH);
		steps -= CGROUP_DEPTH;
	}
	return 1;
}

/* Leaves r->node, which is `depth` below the root, and those above it in cgroup_node(), the outermost first. */
__noinline int note_cgroups(__u32 slot, __u32 depth)
{
	struct record *r = bpf_map_lookup_elem(&scratch, &slot);

	for (__u32 i = 0; r && i < CGROUP_DEPTH; i++) {
		if (i >= depth)
			break;
		*cgroup_node(r, depth - 1 - i) = r->node;
		r->node = (__u64)kernfs_parent((void *)r->node);
	}
	return 0;
}

/* Nonzero: there is no room. */
__noinline int append_cgroup_name(__u32 slot, __u32 i)
{
	struct record *r = bpf_map_lookup_elem(&scratch, &slot);
	struct kernfs_node *node;
	struct kernfs_iattrs *attributes;
	struct ev_str name = {};
	__u32 uid;

	if (!r || r->len + 256 > r->pos)
		return 1;
	node = (void *)*cgroup_node(r, i);
	if (append_kernel_str(r, &name, READ(node, name)) <= 0 || r->len >= RECORD_MAX)
		return 1;
	r->bytes[r->len & (RECORD_MAX - 1)] = 0;
	r->len++;
	attributes = bpf_core_field_exists(node->iattr) ? READ(node, iattr) : NULL;
	uid = attributes && bpf_core_field_exists(attributes->ia_uid) ? READ(attributes, ia_uid.val) : 0;
	if (uid && !r->owned)
		r->owned = (__u64)(i + 1) << 32 | uid;
	return 0;
}

__noinline int append_cgroup_names(__u32 slot, __u32 depth)
{
	for (__u32 i = 0; i < CGROUP_DEPTH; i++)
		if (i >= depth || append_cgroup_name(slot, i))
			return i;
	return CGROUP_DEPTH;
}

static __always_inline void append_cgroup(struct record *r, struct cgroup_names *names, struct cgroup *cgroup)
{
	__u32 level = READ(cgroup, level), depth = level > CGROUP_DEPTH ? CGROUP_DEPTH : level, n = 0;
	int too_deep = 0;

	names->s.off = r->len;
	r->pos = r->len + CGROUP_BYTES;
	r->owned = 0;
	if (level > depth && bpf_core_field_exists(cgroup->ancestors))
		cgroup = (void *)word_at((void *)cgroup + bpf_core_field_offset(struct cgroup, ancestors) +
					 CGROUP_DEPTH * sizeof(cgroup));
	r->node = (__u64)READ(cgroup, kn);
	if (level > depth && !bpf_core_field_exists(cgroup->ancestors))
		too_deep = climb_far(r->slot, level - depth);
	if (!too_deep) {
		note_cgroups(r->slot, depth);
		n = append_cgroup_names(r->slot, depth);
	}
	names->s.len = r->len - names->s.off;
	names->s.mark = level - n;
	names->owner = (__u32)r->owned;
	names->owned = r->owned >> 32;
}

/* Sends the names of the cgroups of a task with this css_set. Not counted as lost: no event is, and the next
 * one from there tries again. */
__noinline int send_cgroups(__u64 of_set)
{
	struct css_set *set = (void *)of_set;
	struct record *r = record_try();
	struct cgroups_record *c;
	struct cgroup *v1 = NULL;
	__u8 yes = 1;

	if (!r)
		return 0;
	c = event_of(r, cgroups_record);
	__builtin_memset(c, 0, sizeof(*c));
	r->len = sizeof(*c);
	c->h.kind = KIND_CGROUPS;
	cgroups_of(&c->cgroups, READ(set, dfl_cgrp, kn, id), set, &v1);
	if (c->cgroups.v1)
		append_cgroup(r, &c->v1, v1);
	append_cgroup(r, &c->unified, READ(set, dfl_cgrp));
	if (r->len <= RECORD_MAX && !bpf_ringbuf_output(&events, r->bytes, r->len, BPF_RB_FORCE_WAKEUP)) {
		bpf_map_update_elem(&cgroups_sent, &c->cgroups, &yes, BPF_ANY);
		__sync_fetch_and_add(&cgroups_told, 1);
	}
	record_release(r);
	return 0;
}

/* Most events come from where the one before came from. That holds until the map may have forgotten it. */
static __always_inline void fill_cgroups(struct record *r, struct ev_cgroups *ids)
{
	struct css_set *set = READ(current_task(), cgroups);
	__u64 told = *(volatile __u64 *)&cgroups_told;
	struct ev_cgroups key;
	struct cgroup *v1;

	cgroups_of(&key, current_cgroup_id(), set, &v1);
	*ids = key;
	if (r->cgroups.unified == key.unified && r->cgroups.v1 == key.v1 && told - r->cgroups_told < CGROUPS_SENT / 2)
		return;
	if (!bpf_map_lookup_elem(&cgroups_sent, &key)) {
		send_cgroups((__u64)set);
		return;
	}
	r->cgroups = key;
	r->cgroups_told = told;
}

/* ---- Ancestors. The kernel forgets the parent that died; so what they were is kept from a
 * process's fork, and its exec, on. */
struct process {
	__u64 start;
	__u64 pid;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1); /* user space asks for more */
	__type(key, struct process);
	__type(value, struct lineage);
} lineages SEC(".maps");

/* Whether r->lineage is that of the process r->leader, and still holds: its ancestors have the same parents and names. So it mostly
 * is, as events come in bursts of one process, and to see that takes no look-ups. Where one of them has lost its parent, what
 * was kept of that is behind those that are seen, and stays as it is. Global: verified once. */
__noinline int lineage_holds(__u32 slot)
{
	struct record *r = bpf_map_lookup_elem(&scratch, &slot);
	struct task_struct *task;

	if (!r || !direct_reads)
		return 0;
	task = (void *)r->leader;
	if (r->lineage_start != READ(task, start_boottime) || r->lineage_pid != (__u32)READ(task, tgid))
		return 0;
	for (__u32 i = 0; i < LINEAGE_MAX && i < r->lineage_seen; i++) {
		struct ancestor *a = &r->lineage.ancestors[i];
		__u64 comm[2], *known = (__u64 *)&a->comm;

		task = READ(task, real_parent, group_leader);
		comm_of((struct ev_comm *)comm, task);
		if (a->start != READ(task, start_boottime) || a->pid != (__u32)READ(task, tgid) || comm[0] != known[0] ||
		    comm[1] != known[1])
			return 0;
	}
	return 1;
}

/* Leaves the ancestors of the process r->leader in r->lineage. */
__noinline int lineage_walk(__u32 slot)
{
	struct record *r = bpf_map_lookup_elem(&scratch, &slot);
	struct task_struct *child, *parent;
	struct process process;
	struct lineage *known;

	if (!r)
		return 0;
	child = (void *)r->leader;
	r->lineage_start = process.start = READ(child, start_boottime);
	r->lineage_pid = process.pid = READ(child, tgid);
	r->lineage.count = r->lineage.cut = r->lineage_seen = 0;
	for (__u32 i = 0; i < LINEAGE_MAX; i++) {
		struct ancestor *a = &r->lineage.ancestors[i];

		parent = READ(child, real_parent, group_leader);
		a->start = READ(parent, start_boottime);
		a->pid = READ(parent, tgid);
		known = bpf_map_lookup_elem(&lineages, &process);
		/* What has another parent than it had was left by that to a reaper. */
		if (known && (known->ancestors[0].pid != a->pid || known->ancestors[0].start != a->start)) {
			if (bpf_probe_read_kernel(a, sizeof(known->ancestors), known->ancestors)) {
				r->lineage_start = 0;
				return 0;
			}
			i += known->count;
			r->lineage.cut = known->cut || i > LINEAGE_MAX;
			r->lineage.count = i > LINEAGE_MAX ? LINEAGE_MAX : i;
			return 0;
		}
		if (!a->pid) /* the idle task begat process 1 and the kernel's threads */
			return 0;
		bpf_core_read(&a->comm, sizeof(a->comm), &parent->comm);
		a->unused = 0;
		r->lineage.count = r->lineage_seen = i + 1;
		process.start = a->start;
		process.pid = a->pid;
		child = parent;
	}
	r->lineage.cut = !!READ(child, real_parent, tgid);
	return 0;
}

/* Beside each other, not one within the other: together their stacks would be too deep. */
static __always_inline void find_lineage(struct record *r, struct task_struct *leader)
{
	r->leader = (__u64)leader;
	if (!lineage_holds(r->slot))
		lineage_walk(r->slot);
}

static __always_inline void append_lineage(struct record *r, struct ev_lineage *s, struct task_struct *leader)
{
	__u32 n;

	find_lineage(r, leader);
	n = r->lineage.count;
	if (n > LINEAGE_MAX)
		return;
	append_kernel(r, &s->s, r->lineage.ancestors, n * sizeof(struct ancestor));
	if (r->lineage.cut)
		s->s.mark |= EV_STR_DEEP;
}

static __always_inline int keep_lineage(struct task_struct *task)
{
	struct task_struct *leader = READ(task, group_leader);
	struct process process = {.start = READ(leader, start_boottime), .pid = READ(leader, tgid)};
	struct record *r = record_try();

	if (!r)
		return 0;
	find_lineage(r, leader);
	/* Without room, its ancestors are what the kernel still knows of them. */
	bpf_map_update_elem(&lineages, &process, &r->lineage, BPF_ANY);
	record_release(r);
	return 0;
}

SEC("?tp_btf/sched_process_fork")
int BPF_PROG(lineage__tp_fork, struct task_struct *parent, struct task_struct *child)
{
	return child->pid == child->tgid ? keep_lineage(child) : 0;
}

SEC("?tp_btf/sched_process_exec")
int BPF_PROG(lineage__tp_exec, struct task_struct *task)
{
	return keep_lineage(task);
}

SEC("?tp_btf/sched_process_exit")
int BPF_PROG(lineage__tp_exit, struct task_struct *task)
{
	struct task_struct *leader = READ(task, group_leader);
	struct process process = {.start = READ(leader, start_boottime), .pid = READ(leader, tgid)};

	if (!READ(task, signal, live.counter))
		bpf_map_delete_elem(&lineages, &process);
	return 0;
}

/* ---- The rest. */
static __always_inline void append_marked_path(struct record *r, struct ev_str *s, const struct path *path,
					       struct task_struct *task)
{
	append_path_for(r, s, path, task);
	if (unlinked(READ(path, dentry)))
		s->mark |= EV_STR_DELETED;
}

/* Leaves in r->node the memory of the process r->leader, which its first thread may have left: that of some thread. */
#define THREADS_MAX 64
__noinline int find_memory(__u32 slot)
{
	struct record *r = bpf_map_lookup_elem(&scratch, &slot);
	struct task_struct *task;
	struct list_head *first, *at;

	if (!r)
		return 0;
	task = (void *)r->leader;
	r->node = 0;
	first = (void *)READ(task, signal) + bpf_core_field_offset(struct signal_struct, thread_head);
	at = READ(first, next);
	for (__u32 i = 0; i < THREADS_MAX; i++) {
		if (at == first || r->node)
			break;
		task = (void *)at - bpf_core_field_offset(struct task_struct, thread_node);
		r->node = (__u64)READ(task, mm);
		at = READ(at, next);
	}
	return 0;
}

/* The program that a process runs: none for a thread of the kernel. */
static __always_inline void append_exe(struct record *r, struct ev_str *s, struct task_struct *task)
{
	struct mm_struct *mm = READ(task, mm);
	struct file *exe;

	if (!mm) {
		if (READ(task, flags) & PF_KTHREAD)
			return;
		r->leader = (__u64)task;
		find_memory(r->slot);
		mm = (void *)r->node;
		if (!mm) {
			s->mark = EV_STR_UNKNOWN;
			return;
		}
	}
	exe = READ(mm, exe_file);
	if (exe)
		append_marked_path(r, s, (void *)exe + bpf_core_field_offset(struct file, f_path), task);
}

/* What the process runs with: nothing for a thread of the kernel. */
static __always_inline void append_actor(struct record *r, struct context *c)
{
	struct task_struct *task = current_task();
	struct mm_struct *mm = READ(task, mm);
	struct inode *inode;

	if (!mm) {
		if (!(READ(task, flags) & PF_KTHREAD))
			c->args.s.mark = c->preload.s.mark = EV_STR_UNKNOWN;
		return;
	}
	if (filter.want & WANT_ARGS)
		append_memory(r, &c->args.s, READ(mm, arg_start), READ(mm, arg_end));
	if (filter.want & WANT_PRELOAD)
		str_of_number(&c->preload.s, append_preload(r->slot));
	inode = filter.want & WANT_IMAGE ? READ(mm, exe_file, f_inode) : NULL;
	if (inode)
		fill_image(&c->image, inode);
}

/* Makes room for a struct context, or returns NULL. */
static __always_inline struct context *context_begin(struct record *r)
{
	struct event_header *h = (void *)r->bytes;
	__u32 off = r->len;
	struct context *c;

	if (off > RECORD_MAX - 2 * sizeof(struct context))
		return NULL;
	*(__u64 *)record_at(r, off) = 0; /* nothing stale between a string and what is aligned */
	off = (off + 7) & ~7;
	c = record_at(r, off);
	__builtin_memset(c, 0, sizeof(*c));
	h->context = off;
	r->len = off + sizeof(*c);
	c->strings = r->len;
	return c;
}

__noinline int fill_context(__u32 slot)
{
	struct task_struct *task = current_task();
	struct task_struct *leader = READ(task, group_leader), *parent = READ(leader, real_parent, group_leader);
	struct record *r = bpf_map_lookup_elem(&scratch, &slot);
	struct context *c;

	if (!r)
		return 0;
	c = context_begin(r);
	if (!c)
		return 0;
	if (filter.want & WANT_CONTAINER)
		fill_cgroups(r, &c->cgroups);
	if (filter.want & WANT_LINEAGE)
		append_lineage(r, &c->lineage, leader);
	if (filter.want & WANT_PCOMM)
		bpf_core_read(&c->pcomm, sizeof(c->pcomm), &parent->comm);
	if (filter.want & WANT_NSPID) {
		struct upid *upid = innermost_upid(leader);

		c->nspid = upid ? READ(upid, nr) : EV_NONE;
	}
	if (filter.want & WANT_SESSION) {
		struct tty_struct *tty = READ(task, signal, tty);

		if (tty)
			append_kernel_str(r, &c->tty.name, (void *)tty + bpf_core_field_offset(struct tty_struct, name));
		c->session = session_of(task);
		c->login_uid = c->audit_session = EV_NONE;
		if (bpf_core_field_exists(task->loginuid)) { /* CONFIG_AUDIT */
			c->login_uid = READ(task, loginuid.val);
			c->audit_session = READ(task, sessionid);
		}
	}
	if (filter.want & WANT_EXE)
		append_exe(r, &c->exe, task);
	if (filter.want & WANT_CWD) {
		struct fs_struct *fs = READ(task, fs);

		if (fs)
			append_marked_path(r, &c->cwd, (void *)fs + bpf_core_field_offset(struct fs_struct, pwd), task);
	}
	if (filter.want & WANT_PEXE)
		append_exe(r, &c->pexe, parent);
	if (filter.want & (WANT_ARGS | WANT_PRELOAD | WANT_IMAGE))
		append_actor(r, c);
	c->len = r->len - c->strings;
	return 0;
}

/* Behind fill_header(): what the columns shown ask for beyond the header, of the current task. */
static __always_inline void append_context(struct record *r)
{
	if (filter.want & WANT_CONTEXT)
		fill_context(r->slot);
}

/* ---- For tools whose event begins in one hook and is sent by another: the context by a key, with
 * the strings behind it. Most have few: only those with long paths take all the room that there may be, and
 * of these no process may have more than its share. Where there is none, the columns say that they do not know. */
#define KEPT_BYTES 1024
#define KEPT_LONG_MAX 1024
struct kept_context {
	struct context c;
	char strings[KEPT_BYTES - sizeof(struct context)];
};
struct kept_long {
	struct context c;
	char strings[RECORD_MAX - sizeof(struct context) - 8];
	__u32 pid, unused; /* whose share it is of */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, struct kept_context);
} kept_contexts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, KEPT_LONG_MAX);
	__type(key, __u64);
	__type(value, struct kept_long);
} kept_long SEC(".maps");

__u32 kept_long_shares[SHARES];
__u64 kept_long_count = 0; /* there are so many, or more: none need be looked for while there are none */

static __always_inline void forget_long_context(__u64 key)
{
	struct kept_long *kept = kept_long_count ? bpf_map_lookup_elem(&kept_long, &key) : NULL;
	__u32 pid;

	if (!kept)
		return;
	pid = kept->pid;
	if (bpf_map_delete_elem(&kept_long, &key))
		return;
	__sync_fetch_and_add(&kept_long_count, -1);
	share_return(kept_long_shares, pid);
}

static __always_inline void forget_context(__u64 key)
{
	if (!(filter.want & WANT_CONTEXT))
		return;
	bpf_map_delete_elem(&kept_contexts, &key);
	forget_long_context(key);
}

/* Behind append_context(), in a record of `size` bytes before that: a multiple of 8. */
static __always_inline void keep_context(struct record *r, __u32 size, __u64 key)
{
	__u32 offset = event_of(r, event_header)->context, pid = current_pid_tgid() >> 32;
	const struct context *c = (void *)&r->bytes[size];
	struct kept_long *kept;

	if (!(filter.want & WANT_CONTEXT) || offset != size)
		return;
	if (sizeof(*c) + c->len <= KEPT_BYTES) {
		bpf_map_update_elem(&kept_contexts, &key, c, BPF_ANY);
		return;
	}
	if (!share_take(kept_long_shares, pid, KEPT_LONG_MAX / 16))
		return;
	__sync_fetch_and_add(&kept_long_count, 1);
	if (!bpf_map_update_elem(&kept_long, &key, c, BPF_ANY)) {
		kept = bpf_map_lookup_elem(&kept_long, &key);
		if (kept)
			kept->pid = pid;
		return;
	}
	__sync_fetch_and_add(&kept_long_count, -1);
	share_return(kept_long_shares, pid);
}

/* Of the current task, by its thread id. */
static __always_inline void keep_own_context(void)
{
	struct record *r = filter.want & WANT_CONTEXT ? record_try() : NULL;

	if (!r)
		return;
	r->len = sizeof(struct event_header);
	append_context(r);
	keep_context(r, sizeof(struct event_header), current_pid_tgid());
	record_release(r);
}

/* Appends some of its strings, less than PATH_BYTES of them: what is behind a record has no more room. */
static __always_inline void append_kept(struct record *r, const char *strings, __u32 n)
{
	__u32 off = r->len;

	if (off >= RECORD_MAX || n > RECORD_MAX - off)
		return;
	barrier_var(n);
	if (!bpf_probe_read_kernel(record_at(r, off), n & (PATH_BYTES - 1), strings))
		r->len = off + n;
}

/* Instead of append_context(): the one that was kept. */
static __always_inline void append_kept_context(struct record *r, __u64 key)
{
	const char *kept, *strings;
	struct context *c;
	__u16 moved;
	__u32 n;

	if (!(filter.want & WANT_CONTEXT))
		return;
	event_of(r, event_header)->context = 0;
	kept = bpf_map_lookup_elem(&kept_contexts, &key);
	if (!kept && kept_long_count)
		kept = bpf_map_lookup_elem(&kept_long, &key);
	if (!kept)
		return;
	kept = (const char *)number(kept); /* one for the verifier, of whichever map */
	c = context_begin(r);
	if (!c)
		return;
	n = c->strings;
	if (bpf_probe_read_kernel(c, sizeof(*c), kept))
		return;
	moved = n - c->strings;
	c->strings = n;
	c->exe.off += moved;
	c->pexe.off += moved;
	c->cwd.off += moved;
	c->tty.name.off += moved;
	c->lineage.s.off += moved;
	c->args.s.off += moved;
	c->preload.s.off += moved;
	n = c->len;
	strings = kept + sizeof(struct context);
	if (n >= PATH_BYTES) {
		append_kept(r, strings, PATH_BYTES - 1);
		strings += PATH_BYTES - 1;
		n -= PATH_BYTES - 1;
	}
	append_kept(r, strings, n >= PATH_BYTES ? PATH_BYTES - 1 : n);
}

#endif
