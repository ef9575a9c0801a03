/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which system call the current task is in, and with which arguments. From the registers
 * that the kernel saved, so 32-bit callers are seen as well: the per-call tracepoints of
 * x86 never fire for them (arch_trace_is_compat_syscall()). */
#ifndef NEEDLE_SYSCALL_BPF_H
#define NEEDLE_SYSCALL_BPF_H

#include "snoop.bpf.h"

/* DEFINE_CALLS(fn, LIST): enum via fn(regs) for the calls of LIST(X), X(name) each;
 * VIA_UNKNOWN for all others. Whether the task came by the 32-bit entry is only asked
 * for numbers where it matters. */
#define CALL_CASE(name) case NR_##name: native = VIA_##name; break;
#define CALL_CASE_COMPAT(name) case NRC_##name: compat = VIA_##name | VIA_COMPAT; break;
#define DEFINE_CALLS(fn, LIST)                                              \
	static __always_inline __u32 fn(const struct pt_regs *regs)         \
	{                                                                   \
		__u32 native = VIA_UNKNOWN, compat = VIA_UNKNOWN, nr;       \
                                                                            \
		nr = regs_nr(regs);                                         \
		switch (nr) { LIST(CALL_CASE) }                             \
		switch (nr) { LIST(CALL_CASE_COMPAT) }                      \
		if (native == VIA_UNKNOWN && compat == VIA_UNKNOWN)         \
			return VIA_UNKNOWN;                                 \
		return in_compat_call() ? compat : native;                  \
	}

static __always_inline bool in_compat_call(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();

#if defined(__TARGET_ARCH_x86)
	return BPF_CORE_READ(task, thread_info.status) & TS_COMPAT;
#else
	return BPF_CORE_READ(task, thread_info.flags) >> TIF_32BIT & 1;
#endif
}

/* `regs` is either a BTF pointer of the hook or one of task_regs(): hence the direct loads
 * of the first kind have their own accessors, which the compiler turns into one load. */
static __always_inline __u32 regs_nr(const struct pt_regs *regs)
{
#if defined(__TARGET_ARCH_x86)
	return regs->orig_ax;
#else
	return regs->syscallno;
#endif
}

/* Argument `n` (0 to 5) of the call. */
static __always_inline unsigned long regs_arg(const struct pt_regs *regs, bool compat, int n)
{
#if defined(__TARGET_ARCH_x86)
	if (compat) {
		__u32 arg = n == 0 ? regs->bx : n == 1 ? regs->cx : n == 2 ? regs->dx :
			    n == 3 ? regs->si : n == 4 ? regs->di : regs->bp;
		return arg;
	}
	return n == 0 ? regs->di : n == 1 ? regs->si : n == 2 ? regs->dx :
	       n == 3 ? regs->r10 : n == 4 ? regs->r8 : regs->r9;
#else
	unsigned long arg = n == 0 ? regs->orig_x0 : regs->regs[n];

	return compat ? (__u32)arg : arg;
#endif
}

#endif
