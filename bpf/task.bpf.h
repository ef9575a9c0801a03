/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a task is: ids, names, namespaces, registers. */
#ifndef NEEDLE_TASK_BPF_H
#define NEEDLE_TASK_BPF_H

#include "event.h"
#include "state.bpf.h"

/* As the helper bpf_get_current_pid_tgid() has them, which is a call. */
static __always_inline __u64 current_pid_tgid(void)
{
	struct task_struct *task = current_task();

	return direct_reads ? (__u64)READ(task, tgid) << 32 | (__u32)READ(task, pid) : bpf_get_current_pid_tgid();
}

/* The process's own, whatever credentials it works with for a moment: overlayfs's, or those of a personality of io_uring. A worker
 * of io_uring keeps what it had when it was made: its process's count. */
static __always_inline __u64 current_uid_gid(void)
{
	struct task_struct *task = current_task();
	const struct cred *cred;

	if (READ(task, flags) & PF_IO_WORKER)
		task = READ(task, group_leader);
	cred = READ(task, real_cred);
	return (__u64)READ(cred, gid.val) << 32 | READ(cred, uid.val);
}

static __always_inline __u64 current_cgroup_id(void)
{
	return direct_reads ? READ(current_task(), cgroups, dfl_cgrp, kn, id) : bpf_get_current_cgroup_id();
}

/* The registers that the current task entered the kernel with, at the end of its stack. Memory to be read, not a BTF pointer. */
static __always_inline const struct pt_regs *task_regs(void)
{
	return READ(current_task(), stack) + stats.regs;
}

/* Zeroes are behind its end: by the kernel itself since 5.17. */
static __always_inline void comm_of(struct ev_comm *comm, struct task_struct *task)
{
	void *from = (void *)task + bpf_core_field_offset(struct task_struct, comm);
	__u64 *to = (__u64 *)comm;

	if (direct_reads) {
		to[0] = DIRECT(__u64, from);
		to[1] = DIRECT(__u64, from + 8);
	} else {
		to[0] = to[1] = 0;
		bpf_probe_read_kernel_str(comm, sizeof(*comm), from);
	}
}

/* The number of a task in its own pid namespace, and that namespace; NULL if it has none any more. */
static __always_inline struct upid *innermost_upid(struct task_struct *task)
{
	struct pid *pid = READ(task, thread_pid);
	__u32 level = READ(pid, level);

	return pid ? (void *)pid + bpf_core_field_offset(struct pid, numbers) + level * bpf_core_type_size(struct upid) : NULL;
}

static __always_inline __u32 pid_ns_of(struct task_struct *task)
{
	struct upid *upid = innermost_upid(task);

	return upid ? READ(upid, ns, ns.inum) : 0;
}

/* As setsid(2) and ps -o sid have it: the process id of the leader. */
static __always_inline __u32 session_of(struct task_struct *task)
{
	return READ(task, signal, pids[PIDTYPE_SID], numbers[0].nr);
}

#endif
