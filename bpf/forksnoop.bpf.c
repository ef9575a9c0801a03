// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "forksnoop.h"
#include "context.bpf.h"
#include "syscall.bpf.h"
#include "trampoline.bpf.h"

/* --threads, --workers: those as well */
const volatile bool threads = false;
const volatile bool workers = false;

#define FORK_CALLS(X) X(fork) X(vfork) X(clone) X(clone3)
DEFINE_CALLS(fork, FORK_CALLS)

static __always_inline __u32 kind_of(__u32 task_flags, __u64 clone_flags)
{
	if (task_flags & PF_IO_WORKER)
		return BIRTH_IO_URING;
	if (task_flags & (PF_KTHREAD | PF_USER_WORKER))
		return BIRTH_KERNEL;
	return clone_flags & CLONE_THREAD ? BIRTH_THREAD : BIRTH_PROCESS;
}

static __always_inline bool kind_wanted(__u32 kind)
{
	return kind == BIRTH_PROCESS || (kind == BIRTH_THREAD ? threads : workers);
}

static __always_inline void fill_child(struct fork_event *e, struct task_struct *child)
{
	struct upid *upid = innermost_upid(child);

	e->child = READ(child, pid);
	e->child_start = READ(child, start_boottime);
	e->child_nspid = upid ? READ(upid, nr) : EV_NONE;
	e->parent = READ(child, real_parent, tgid);
	e->exit_signal = READ(child, exit_signal) > 0 ? READ(child, exit_signal) : 0;
}

/* One is born, and nothing can prevent it any more: copy_process() in kernel/fork.c. The current task has made it. */
SEC("?tp_btf/task_newtask")
int BPF_PROG(fork__tp_newtask, struct task_struct *child, unsigned long flags)
{
	__u32 kind = kind_of(READ(child, flags), flags);
	struct fork_event *e;
	struct record *r;
	struct call call;

	if (filter.set & FILTER_FAILED || !kind_wanted(kind) || filtered_out())
		return drop();
	r = event_begin(fork_event);
	if (!r)
		return 0;
	e = event_of(r, fork_event);
	fill_header(&e->h);
	e->h.src = SRC_KERNEL;
	if (kind == BIRTH_IO_URING)
		e->h.via = VIA_IO_URING;
	else
		e->h.via = kind != BIRTH_KERNEL && fork_runs(&call) ? call.via : VIA_KERNEL;
	e->flags = flags & ~CSIGNAL;
	e->kind = kind;
	fill_child(e, child);
	append_context(r);
	event_submit(r);
	return 0;
}

/* ---- What fails, when the call returns. */

/* A clone3(2) that is too short for flags, or whose arguments cannot be read, asks for none that are known. `claimed`: they are read from
 * memory that the caller can change. */
static __always_inline __u64 flags_asked(const struct asked *a, bool *claimed)
{
	__u64 flags = EV_NONE64;

	*claimed = false;
	switch (a->call) {
	case VIA_fork: return 0;
	case VIA_vfork: return CLONE_VFORK | CLONE_VM;
	case VIA_clone: return a->flags & ~CSIGNAL;
	}
	*claimed = true;
	bpf_probe_read_user(&flags, sizeof(flags), (void *)a->addr);
	return flags;
}

/* Global: verified once. */
__noinline int fork_fails(int ret)
{
	struct fork_event *e;
	struct record *r;
	struct call call;
	struct asked a;
	bool claimed;
	__u64 flags;

	if (is_restart(ret) || !fork_runs(&call)) /* one that a signal interrupts is made again */
		return 0;
	fork_asked(&a, &call);
	flags = flags_asked(&a, &claimed);
	if (flags != EV_NONE64 && flags & CLONE_THREAD && !threads)
		return drop();
	if (filtered_out())
		return drop();
	r = event_begin(fork_event);
	if (!r)
		return 0;
	e = event_of(r, fork_event);
	fill_header(&e->h);
	e->h.via = call.via;
	e->h.src = claimed ? SRC_USER : SRC_KERNEL;
	e->err = -ret;
	e->flags = flags;
	e->kind = flags != EV_NONE64 && flags & CLONE_THREAD ? BIRTH_THREAD : BIRTH_PROCESS;
	e->child = e->child_nspid = e->parent = EV_NONE;
	append_context(r);
	event_submit(r);
	return 0;
}

CALL_ENDS(fail__tp_sys_exit, fork, ret < 0, fork_fails(ret))

/* Kernel tier: the end of the function that does it for all but clone3(2), which may look no further than at its arguments. */
SEC("?fexit/kernel_clone")
int BPF_PROG(fail__fentry_clone, void *args, int ret)
{
	struct call call;

	if (ret >= 0 || !fork_runs(&call) || (call.via & ~VIA_COMPAT) == VIA_clone3)
		return 0;
	return fork_fails(ret);
}

ENTRY_ENDS(fail__fentry_clone3, ENTRY(clone3), ret < 0 ? fork_fails(ret) : 0)
#if defined(__TARGET_ARCH_x86)
ENTRY_ENDS(fail__fentry_opt_compat, ENTRY_32(clone3), ret < 0 ? fork_fails(ret) : 0)
#endif

WATCH_TRAMPOLINES(fail__fentry_opt_watch)
