/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which system call the current task is in, and with which arguments. From the registers
 * that the kernel saved, so 32-bit callers are seen as well: the per-call tracepoints of
 * x86 never fire for them (arch_trace_is_compat_syscall()). */
#ifndef NEEDLE_SYSCALL_BPF_H
#define NEEDLE_SYSCALL_BPF_H

#include "snoop.bpf.h"

#include <asm-generic/errno.h>

static __always_inline bool in_compat_call(void)
{
	struct task_struct *task = current_task();

#if defined(__TARGET_ARCH_x86)
	return READ(task, thread_info.status) & TS_COMPAT;
#else
	return READ(task, thread_info.flags) >> TIF_32BIT & 1;
#endif
}

/* A system call in progress: which of the calls that the tool knows, and its arguments as
 * the registers hold them. */
struct call {
	__u32 via; /* VIA_UNKNOWN: none of them */
	unsigned long args[6];
};

/* Fills call->args; LOAD(regs, field) loads one register. */
#if defined(__TARGET_ARCH_x86)
#define CALL_ARGS(call, regs, LOAD)                      \
	if ((call)->via & VIA_COMPAT) {                  \
		(call)->args[0] = (__u32)LOAD(regs, bx); \
		(call)->args[1] = (__u32)LOAD(regs, cx); \
		(call)->args[2] = (__u32)LOAD(regs, dx); \
		(call)->args[3] = (__u32)LOAD(regs, si); \
		(call)->args[4] = (__u32)LOAD(regs, di); \
		(call)->args[5] = (__u32)LOAD(regs, bp); \
	} else {                                         \
		(call)->args[0] = LOAD(regs, di);        \
		(call)->args[1] = LOAD(regs, si);        \
		(call)->args[2] = LOAD(regs, dx);        \
		(call)->args[3] = LOAD(regs, r10);       \
		(call)->args[4] = LOAD(regs, r8);        \
		(call)->args[5] = LOAD(regs, r9);        \
	}
#else
#define CALL_ARGS(call, regs, LOAD)            \
	(call)->args[0] = LOAD(regs, orig_x0); \
	(call)->args[1] = LOAD(regs, regs[1]); \
	(call)->args[2] = LOAD(regs, regs[2]); \
	(call)->args[3] = LOAD(regs, regs[3]); \
	(call)->args[4] = LOAD(regs, regs[4]); \
	(call)->args[5] = LOAD(regs, regs[5]); \
	if ((call)->via & VIA_COMPAT)          \
		for (int i = 0; i < 6; i++)    \
			(call)->args[i] = (__u32)(call)->args[i];
#endif
#define READ_DIRECTLY(regs, field) (untyped ? BPF_CORE_READ(regs, field) : (regs)->field)

static __always_inline void exit_args(struct call *call, const struct pt_regs *regs)
{
	CALL_ARGS(call, regs, READ_DIRECTLY)
}

/* DEFINE_CALLS(NAME, LIST), with LIST(X) giving X(name) for each system call of interest:
 *   bool NAME_exits(call, regs)  whether the call that returns is one of them, whose arguments are left to exit_args();
 *                                for programs on sys_exit, whose registers are loaded directly
 *   bool NAME_in(call, regs)     the same for registers in memory
 *   bool NAME_runs(call)         for the call that the current task is in
 * Whether the task came by the 32-bit entry is only asked for numbers where it matters. */
#define CALL_CASE(name)              \
	case NR_##name:              \
		native = VIA_##name; \
		break;
#define CALL_CASE_COMPAT(name)                    \
	case NRC_##name:                          \
		compat = VIA_##name | VIA_COMPAT; \
		break;
#define DEFINE_CALLS(fn, LIST)                                                                                        \
	static __always_inline __u32 fn##_via(__u32 nr)                                                               \
	{                                                                                                             \
		__u32 native = VIA_UNKNOWN, compat = VIA_UNKNOWN;                                                     \
                                                                                                                      \
		switch (nr) {                                                                                         \
			LIST(CALL_CASE)                                                                               \
		}                                                                                                     \
		switch (nr) {                                                                                         \
			LIST(CALL_CASE_COMPAT)                                                                        \
		}                                                                                                     \
		if (native == VIA_UNKNOWN && compat == VIA_UNKNOWN)                                                   \
			return VIA_UNKNOWN;                                                                           \
		return any(in_compat_call() ? compat : native);                                                       \
	}                                                                                                             \
	static __always_inline __attribute__((unused)) bool fn##_exits(struct call *call, const struct pt_regs *regs) \
	{                                                                                                             \
		call->via = fn##_via(READ_DIRECTLY(regs, REGS_NR));                                                   \
		return call->via != VIA_UNKNOWN;                                                                      \
	}                                                                                                             \
	static __always_inline __attribute__((unused)) bool fn##_in(struct call *call, const struct pt_regs *regs)    \
	{                                                                                                             \
		call->via = fn##_via(READ(regs, REGS_NR));                                                            \
		if (call->via == VIA_UNKNOWN)                                                                         \
			return false;                                                                                 \
		CALL_ARGS(call, regs, READ)                                                                           \
		return true;                                                                                          \
	}                                                                                                             \
	static __always_inline __attribute__((unused)) bool fn##_runs(struct call *call)                              \
	{                                                                                                             \
		return fn##_in(call, task_regs());                                                                    \
	}

/* Whether the current task's system call, with these task_regs(), has not returned yet: what runs in the task behind its end, as io_uring's
 * work does, finds the call's number and arguments, too, but its result. x86: entry_64.S, entry.S of FRED. */
static __always_inline bool call_runs(const struct pt_regs *regs)
{
#if defined(__TARGET_ARCH_x86)
	return (int)READ(regs, ax) == -ENOSYS;
#else
	return READ(regs, regs[0]) == READ(regs, orig_x0);
#endif
}

/* Whether the current task, with these task_regs(), works for io_uring: as a worker or poller of it, or from within
 * io_uring_enter(2), whose number is the same everywhere, and of which the kernel takes the lower half. What it does at the end of
 * another call shows only in that: see used_io_uring(). */
static __always_inline bool in_io_uring(const struct pt_regs *regs)
{
	return READ(current_task(), flags) & PF_IO_WORKER || (__u32)READ(regs, REGS_NR) == NR_io_uring_enter;
}

/* Whether the current task has used io_uring. Its requests may be worked on at the end of any of its system calls, and then belong
 * to none. */
static __always_inline bool used_io_uring(void)
{
	struct task_struct *task = current_task();

	return bpf_core_field_exists(task->io_uring) && READ(task, io_uring);
}

/* Both: whether the current task, in none of the calls that IN knows (of DEFINE_CALLS()), does such a call's work for io_uring. */
#define WORKS_FOR_IO_URING(IN, regs)                                         \
	({                                                                   \
		struct call other;                                           \
		in_io_uring(regs) || (used_io_uring() && !IN(&other, regs)); \
	})

#endif
