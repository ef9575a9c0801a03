/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Another process, that something is done to: who it is, and how a call finds it. */
#ifndef NEEDLE_TARGET_BPF_H
#define NEEDLE_TARGET_BPF_H

#include "context.bpf.h"
#include "target.h"

/* Whether --target leaves this task out. */
static __always_inline bool target_filtered_out(struct task_struct *task)
{
	return filter.lists[LIST_TARGET].count && (!task || !names_task(LIST_TARGET, READ(task, group_leader), READ(task, tgid)));
}

static __always_inline void fill_target_cgroups(struct ev_cgroups *ids, struct task_struct *task)
{
	struct css_set *set = READ(task, cgroups);
	struct ev_cgroups key;
	struct cgroup *v1;

	cgroups_of(&key, READ(set, dfl_cgrp, kn, id), set, &v1);
	*ids = key;
	if (!bpf_map_lookup_elem(&cgroups_sent, &key))
		send_cgroups((__u64)set);
}

static __always_inline void fill_no_target(struct target *t, __s64 pid)
{
	t->pid = pid;
	t->tid = EV_NONE;
	t->uid = EV_UNKNOWN;
	t->exe.mark = EV_STR_UNKNOWN;
}

/* fill_target(r, TYPE, task): the member `target` of the struct TYPE in the record, with which it is then sent: the process of `task`. */
#define fill_target(r, type, task) fill_target_(r, __builtin_offsetof(struct type, target), task)
static __always_inline void fill_target_(struct record *r, __u32 offset, struct task_struct *task)
{
	struct target *t = (void *)&r->bytes[offset];
	struct task_struct *leader = READ(task, group_leader);

	t->pid = READ(task, tgid);
	t->tid = EV_NONE;
	comm_of(&t->comm, leader);
	if (filter.want & WANT_TARGET) {
		t->uid = READ(task, real_cred, uid.val);
		t->start = READ(leader, start_boottime);
	}
	if (filter.want & WANT_TARGET_EXE)
		append_exe(r, &t->exe, leader);
	if (filter.want & WANT_TARGET_CONTAINER) {
		event_of(r, event_header)->target = offset;
		fill_target_cgroups(&t->cgroups, task);
	}
}

/* What has this number in the current task's pid namespace, or 0: as find_vpid() in kernel/pid.c looks it up, in a radix tree. Without
 * its lock: what is just put in or taken out may be missed. Global: verified once. */
#define IDR_LEVELS 6
__noinline __u64 pid_by_number(__u32 number)
{
	const __u32 slots = bpf_core_field_size(((struct xa_node *)0)->slots) / sizeof(void *);
	struct upid *own = innermost_upid(current_task());
	__u64 entry;

	if (!own)
		return 0;
	entry = (__u64)READ(own, ns, idr.idr_rt.xa_head);
	for (int i = 0; i < IDR_LEVELS; i++) {
		struct xa_node *node = (void *)(entry - 2);
		__u32 at;

		if ((entry & 3) != 2)
			break;
		at = number >> (READ(node, shift) & 31);
		if (!i && at >= slots)
			return 0;
		at &= slots - 1;
		entry = word_at((void *)node + bpf_core_field_offset(struct xa_node, slots) + at * sizeof(void *));
	}
	return entry & 3 ? 0 : entry;
}

/* The thread that a struct pid stands for, or NULL: it is gone, or there never was one. */
static __always_inline struct task_struct *task_of_pid(struct pid *pid)
{
	struct task_struct *task;
	void *link = pid ? READ(pid, tasks[PIDTYPE_PID].first) : NULL;

	if (!link)
		return NULL;
	task = link - bpf_core_field_offset(struct task_struct, pid_links);
	return READ(task, thread_pid) == pid ? task : NULL;
}

static __always_inline struct task_struct *task_by_number(__u32 number)
{
	return task_of_pid((void *)pid_by_number(number));
}

/* Of a file in /proc/PID. */
static __always_inline struct pid *pid_of_proc(const struct inode *inode)
{
	struct proc_inode *proc = (void *)inode - bpf_core_field_offset(struct proc_inode, vfs_inode);

	return READ(proc, pid);
}

/* Which process a pidfd, or a directory /proc/PID, stands for: pidfd_get_task() and pidfd_to_pid() in kernel/pid.c, kernel/signal.c;
 * nonsense of a file that is neither, for which task_of_pid() finds nothing. */
static __always_inline struct pid *pid_of_file(const struct file *file)
{
	struct inode *inode = READ(file, f_inode);

	switch (READ(inode, i_sb, s_magic)) {
	case PID_FS_MAGIC: return READ(inode, i_private); /* since 6.9 (cb12fd8e0dab) */
	case ANON_INODE_FS_MAGIC: return READ(file, private_data);
	case PROC_SUPER_MAGIC: return pid_of_proc(inode);
	}
	return NULL;
}

#endif
