/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whether the current process is one that nobody asked for: before anything is gathered. */
#ifndef NEEDLE_FILTER_BPF_H
#define NEEDLE_FILTER_BPF_H

#include "cgroup.bpf.h"
#include "follow.bpf.h"
#include "lists.bpf.h"
#include "words.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} filter_cgroups SEC(".maps");

/* Whether a name has this one's first two bytes, one behind the other: most have not. */
static __always_inline bool may_have(__u64 low, __u64 high, const volatile struct filter_name *name)
{
	__u8 first = name->bytes[0], second = name->bytes[0] >> 8;
	__u64 firsts = equal_bytes(low, first), more = equal_bytes(high, first);

	if (name->mask[0] >> 8) {
		__u64 next = equal_bytes(high, second);

		firsts &= equal_bytes(low, second) >> 8 | next << 56;
		more &= next >> 8;
	}
	return firsts | more;
}

/* Whether a name has one of these in it. The bytes behind its end are zero, a name's never. */
static __always_inline bool has_name(const __u64 comm[2], const volatile struct filter_name *names, __u32 count)
{
	for (__u32 i = 0; i < NAMES_MAX && i < count; i++) {
		__u64 low = comm[0], high = comm[1];

		if (!may_have(low, high, &names[i]))
			continue;
		for (__u32 j = 0; j < 16; j++) {
			if (!(((low ^ names[i].bytes[0]) & names[i].mask[0]) | ((high ^ names[i].bytes[1]) & names[i].mask[1])))
				return true;
			low = low >> 8 | high << 56;
			high >>= 8;
		}
	}
	return false;
}

/* Whether the only name that is asked for begins nowhere in the task's: so it is for most, by a look that needs no call. */
static __always_inline bool names_apart(struct task_struct *task)
{
	__u64 comm[2];

	if (!direct_reads || filter.names != 1 || READ(task, group_leader) != task)
		return false;
	comm_of((struct ev_comm *)comm, task);
	return !may_have(comm[0], comm[1], &filter.name[0]);
}

/* Matches the thread's name and its process's: a worker of io_uring carries its own.
 * Global, so that the verifier walks it once. */
__noinline int name_filtered_out(void)
{
	struct task_struct *task = current_task();
	struct task_struct *leader = READ(task, group_leader);
	__u64 thread[2], process[2];

	comm_of((struct ev_comm *)thread, task);
	comm_of((struct ev_comm *)process, leader);
#define NAMED(names, count) (has_name(thread, names, count) || (leader != task && has_name(process, names, count)))
	return (filter.names && !NAMED(filter.name, filter.names)) || NAMED(filter.not_name, filter.not_names);
#undef NAMED
}

__noinline int cgroup_filtered_out(void)
{
	for (__u32 i = 0; i < CGROUPS_MAX && i < filter.cgroups; i++)
		if (bpf_current_task_under_cgroup(&filter_cgroups, i) == 1)
			return 0;
	return 1;
}

/* Of the current task. */
static __always_inline bool id_filtered_out(__u64 pid_tgid)
{
	__u32 pid = pid_tgid >> 32, tid = pid_tgid;

	if (stats.self == pid)
		return true;
	if (filter.lists[LIST_PID].count && !names_task(LIST_PID, READ(current_task(), group_leader), pid))
		return true;
	if (filter.lists[LIST_TID].count && !names_task(LIST_TID, current_task(), tid))
		return true;
	return filter.lists[LIST_NOT_PID].count && names_task(LIST_NOT_PID, READ(current_task(), group_leader), pid);
}

/* Whether the current process is one that nobody asked for. */
static __always_inline bool filtered_out(void)
{
	struct task_struct *task = current_task();
	__u64 pid_tgid = current_pid_tgid();

	if (id_filtered_out(pid_tgid))
		return true;
	if (filter.set & FILTER_TREE && !is_followed(pid_tgid >> 32, task) && !(untyped && found_late()))
		return true;
	if (filter.lists[LIST_PPID].count) {
		struct task_struct *parent = READ(task, group_leader, real_parent, group_leader);

		if (!names_task(LIST_PPID, parent, READ(parent, tgid)))
			return true;
	}
	if (UNLISTED(LIST_UID, current_uid_gid()) || LISTED(LIST_NOT_UID, current_uid_gid()))
		return true;
	if (UNLISTED(LIST_EUID, READ(task, cred, euid.val)))
		return true;
	if (UNLISTED(LIST_MNT_NS, READ(task, nsproxy, mnt_ns, ns.inum)) || UNLISTED(LIST_PID_NS, pid_ns_of(task)))
		return true;
	if (filter.lists[LIST_SESSION].count && !names_session(task))
		return true;
	if (filter.cgroups && cgroup_filtered_out())
		return true;
	if (filter.set & FILTER_CONTAINER && cgroup_unwanted())
		return true;
	return (filter.names || filter.not_names) && (names_apart(task) || name_filtered_out());
}

/* To be called where an event ends that filters drop. Counted while user space asks for that, which it does as long as nothing is
 * shown. Returns 0. */
static __always_inline int drop(void)
{
	if (stats.counts_dropped && current_pid_tgid() >> 32 != stats.self)
		__sync_fetch_and_add(&dropped[bpf_get_smp_processor_id() & (DROPPED_SLOTS - 1)].count, 1);
	return 0;
}

#endif
