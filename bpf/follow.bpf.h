/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* --tree and -- COMMAND: which processes are followed. Each that a followed one forks is too, from
 * before its first instruction until it is gone; who its parent is by then does not matter.
 *
 * Those that are there already are found by their parents, by seed__run, when the programs here are
 * attached. Until user space says that it is done, the programs look up the parents themselves, so
 * that at any time each process of the tree is known, or reaches one that is through parents that
 * live: what is forked meanwhile becomes known, and so do the children of one that dies. */
#ifndef NEEDLE_FOLLOW_BPF_H
#define NEEDLE_FOLLOW_BPF_H

#include "lists.bpf.h"
#include "record.bpf.h"

#include <asm-generic/errno-base.h>

#define PARENTS_MAX 64
#define CHILDREN_MAX 256

/* By process id, when it started: that is how another that gets the same id differs. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1); /* user space asks for more */
	__type(key, __u32);
	__type(value, __u64);
} followed SEC(".maps");

/* `task`: any thread of process `pid`. */
static __always_inline bool is_followed(__u32 pid, struct task_struct *task)
{
	__u64 *start = bpf_map_lookup_elem(&followed, &pid);

	return start && *start == READ(task, group_leader, start_boottime);
}

static __always_inline bool is_root(__u32 pid, struct task_struct *task)
{
	return (filter.lists[LIST_TREE].count && names_task(LIST_TREE, READ(task, group_leader), pid)) ||
	       (filter.set & FILTER_COMMAND && (__u32)BPF_CORE_READ(task, real_parent, tgid) == stats.self);
}

static __always_inline void unfollow(__u32 pid)
{
	if (bpf_map_delete_elem(&followed, &pid))
		return;
	__sync_fetch_and_add(&stats.followed, -1);
	if (!*(volatile __u64 *)&stats.followed)
		wake_reader();
}

static __always_inline bool is_dead(struct task_struct *task)
{
	return BPF_CORE_READ(task, signal, live.counter) <= 0;
}

/* `counts`: one for which there is no room. */
__noinline int follow(__u64 of_task, int counts)
{
	struct task_struct *task = (void *)of_task;
	__u64 start = BPF_CORE_READ(task, group_leader, start_boottime);
	__u32 pid = BPF_CORE_READ(task, tgid);
	long error = bpf_map_update_elem(&followed, &pid, &start, BPF_NOEXIST);

	if (error == -EEXIST)
		error = bpf_map_update_elem(&followed, &pid, &start, BPF_ANY);
	else if (!error)
		__sync_fetch_and_add(&stats.followed, 1);
	if (error && counts)
		__sync_fetch_and_add(&stats.unfollowed, 1);
	if (is_dead(task)) /* its end may have come before */
		unfollow(pid);
	return 0;
}

__noinline int descends(__u64 of_task)
{
	struct task_struct *task = (void *)of_task;

	if (!(filter.set & FILTER_TREE)) /* a global function is verified where it is never called, too */
		return 0;
	for (int i = 0; i < PARENTS_MAX; i++) {
		__u32 pid = BPF_CORE_READ(task, tgid);

		if (!pid)
			return 0;
		if (is_root(pid, task) || is_followed(pid, task))
			return 1;
		task = BPF_CORE_READ(task, real_parent);
	}
	__sync_fetch_and_add(&stats.unfollowed, 1);
	return 0;
}

/* Where the kernel has no types there is no walk over the processes: whether one belongs to the tree
 * shows when it does something. */
__noinline int found_late(void)
{
	__u64 task = (__u64)current_task();

	if (!untyped || !descends(task))
		return 0;
	follow(task, true);
	return 1;
}

/* The list may change under the walk: an entry that is taken out of it points to itself. */
__noinline int follow_children(__u64 of_task, int counts)
{
	struct list_head *first = (void *)of_task + bpf_core_field_offset(struct task_struct, children);
	struct list_head *at = BPF_CORE_READ(first, next), *next;

	for (int i = 0; i < CHILDREN_MAX; i++) {
		if (at == first)
			return 0;
		follow((__u64)at - bpf_core_field_offset(struct task_struct, sibling), counts);
		next = BPF_CORE_READ(at, next);
		at = next == at ? BPF_CORE_READ(first, next) : next;
	}
	if (counts)
		__sync_fetch_and_add(&stats.unfollowed, 1);
	return 0;
}

/* Since 7.0 a program may be preempted, and the kernel does not run it for others on that CPU meanwhile.
 * A process that is missed here takes all its descendants with it, so of each there are two. */
static __always_inline int process_forks(struct task_struct *parent, struct task_struct *child, bool counts)
{
	__u32 pid = current_pid_tgid() >> 32, of_child = BPF_CORE_READ(child, tgid);

	if (of_child == pid) /* a thread */
		return 0;
	if (is_followed(of_child, child))
		return 0;
	if (is_followed(pid, parent) || (!stats.seeded && descends(number(parent))))
		follow(number(child), counts);
	return 0;
}

SEC("?tp_btf/sched_process_fork")
int BPF_PROG(follow__tp_fork, struct task_struct *parent, struct task_struct *child)
{
	return process_forks(parent, child, false);
}

SEC("?tp_btf/sched_process_fork")
int BPF_PROG(follow__tp_fork_again, struct task_struct *parent, struct task_struct *child)
{
	return process_forks(parent, child, true);
}

static __always_inline int thread_exits(struct task_struct *task, bool counts)
{
	if (!stats.seeded && descends(number(task))) /* each thread has children of its own */
		follow_children(number(task), counts);
	if (is_dead(task)) /* with all its threads */
		unfollow(current_pid_tgid() >> 32);
	return 0;
}

SEC("?tp_btf/sched_process_exit")
int BPF_PROG(follow__tp_exit, struct task_struct *task)
{
	return thread_exits(task, false);
}

SEC("?tp_btf/sched_process_exit")
int BPF_PROG(follow__tp_exit_again, struct task_struct *task)
{
	return thread_exits(task, true);
}

SEC("?iter/task")
int seed__run(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;

	if (task && task->pid == task->tgid && descends(number(task)))
		follow(number(task), true);
	return 0;
}

#endif
