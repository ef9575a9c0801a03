/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What every event says of who did it. */
#ifndef NEEDLE_HEADER_BPF_H
#define NEEDLE_HEADER_BPF_H

#include "task.bpf.h"

/* Who does it: the current task. `h`: zeroes; what is not asked for stays so. */
static __always_inline void fill_header(struct event_header *h)
{
	struct task_struct *task = current_task(), *leader = READ(task, group_leader);
	__u64 pid_tgid = current_pid_tgid();

	h->tool = tool_number;
	h->pid = pid_tgid >> 32;
	h->tid = pid_tgid;
	if (filter.want & WANT_TIME)
		h->time = bpf_ktime_get_boot_ns();
	if (filter.want & WANT_IDS) {
		__u64 uid_gid = current_uid_gid();

		h->uid = (__u32)uid_gid;
		h->gid = uid_gid >> 32;
	}
	comm_of(&h->comm, leader);
	if (filter.want & WANT_WHO) {
		h->cgroup = current_cgroup_id();
		h->start = READ(leader, start_boottime);
		h->ppid = READ(leader, real_parent, tgid);
		h->euid = READ(task, cred, euid.val);
		h->mnt_ns = READ(task, nsproxy, mnt_ns, ns.inum);
		h->pid_ns = pid_ns_of(task);
		h->kthread = !!(READ(task, flags) & PF_KTHREAD);
		comm_of(&h->thread, task);
	}
}

#endif
