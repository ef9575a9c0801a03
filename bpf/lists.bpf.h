/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The lists of ids, users and namespaces that options name. */
#ifndef NEEDLE_LISTS_BPF_H
#define NEEDLE_LISTS_BPF_H

#include "task.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct listed);
	__type(value, __u8);
} filter_lists SEC(".maps");

static __always_inline bool listed(enum list list, __u32 value)
{
	struct listed key = {list, value};

	if (filter.lists[list].count == 1)
		return filter.lists[list].first == value;
	return bpf_map_lookup_elem(&filter_lists, &key);
}

/* The value is only read if the list is given. */
#define UNLISTED(list, value) (filter.lists[list].count && !listed(list, value))
#define LISTED(list, value) (filter.lists[list].count && listed(list, value))

/* What a process, a thread or a session is called in the tool's own pid namespace: that is what the user knows, and
 * what the lists have with FILTER_OWN_IDS. 0: it is not in there, so nothing. `of_pid`: its struct pid. */
__noinline int own_id(__u64 of_pid)
{
	struct pid *pid = (void *)of_pid;
	__u32 level = stats.pid_level;
	struct upid *upid;

	if (!pid || READ(pid, level) < level)
		return 0;
	upid = (void *)of_pid + bpf_core_field_offset(struct pid, numbers) + level * bpf_core_type_size(struct upid);
	return READ(upid, ns, ns.inum) == stats.pid_ns ? READ(upid, nr) : 0;
}

/* Whether a list has this thread, or this process by its leader. An id was given to mean what had it then: what got it
 * later, being used again, is another. `id`: in the initial namespace. */
static __always_inline bool names_task(enum list list, struct task_struct *task, __u32 id)
{
	if (filter.set & FILTER_OWN_IDS)
		id = own_id(number(READ(task, thread_pid)));
	return listed(list, id) && READ(task, start_boottime) <= stats.asked;
}

static __always_inline bool names_session(struct task_struct *task)
{
	__u32 id = session_of(task);

	if (filter.set & FILTER_OWN_IDS)
		id = own_id(number(READ(task, signal, pids[PIDTYPE_SID])));
	return listed(LIST_SESSION, id);
}

#endif
