/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* System calls that a signal interrupts while they wait. The kernel's code for "make it again" is what such a call returns;
 * whether it is made again is decided after that, when the signal is delivered (handle_signal() in arch/x86/kernel/signal.c,
 * do_signal() in arch/arm64/kernel/signal.c): it is if there is no handler, or one with SA_RESTART, and then nothing has failed yet. Else
 * the program sees EINTR, or nothing any more, because the signal ends it.
 *
 * So a tool keeps a call that returns to be made again: keep_interrupted(). At signal_deliver, which comes before the thread
 * is back in its program, ends_interrupted() tells whether it has failed with EINTR. */
#ifndef NEEDLE_INTERRUPTED_BPF_H
#define NEEDLE_INTERRUPTED_BPF_H

#include "syscall.bpf.h"

#include <asm-generic/errno-base.h>

/* The error that a program sees at last, if it sees one. */
static __always_inline int error_seen(int err)
{
	return is_restart(-err) ? EINTR : err;
}

struct interrupted {
	struct call call;
	long ret;
	__u64 pc; /* arm64: behind the call */
};

/* By thread. What is not looked for any more, since the call was made again, is recognized by the registers. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct interrupted);
} interrupted SEC(".maps");

static __always_inline void keep_interrupted(const struct call *call, long ret)
{
	__u32 tid = current_pid_tgid();
	struct interrupted i;

	__builtin_memset(&i, 0, sizeof(i)); /* and what is between its members */
	i.call.via = call->via;
	for (int n = 0; n < 6; n++)
		i.call.args[n] = call->args[n];
	i.ret = ret;
#if defined(__TARGET_ARCH_arm64)
	i.pc = READ(task_regs(), pc);
#endif
	if (bpf_map_update_elem(&interrupted, &tid, &i, BPF_ANY))
		__sync_fetch_and_add(&stats.lost_map, 1);
}

/* Whether the thread is still at the end of that call: no instruction of its program has run since. */
static __always_inline bool still_interrupted(const struct interrupted *i)
{
	const struct pt_regs *regs = task_regs();

#if defined(__TARGET_ARCH_x86)
	return (int)READ(regs, orig_ax) >= 0 && (int)READ(regs, ax) == i->ret;
#else
	__u64 back = i->pc - READ(regs, pc); /* set to make the call again: an instruction before, of 32 or 16 bits */

	return back == 4 || back == 2;
#endif
}

/* Whether the action for a signal lets the thread go on where it was, as if there had been none. */
static __always_inline bool passes_by(int sig, const struct k_sigaction *action)
{
	__u64 handler = (__u64)READ(action, sa.sa_handler);
	/* sig_kernel_ignore(), sig_kernel_stop() in include/linux/signal.h: SIGCHLD, SIGCONT, SIGURG, SIGWINCH; SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU */
	const __u64 harmless =
		1ull << 17 | 1ull << 18 | 1ull << 23 | 1ull << 28 | 1ull << 19 | 1ull << 20 | 1ull << 21 | 1ull << 22;

	return handler == SIG_IGN || (handler == SIG_DFL && sig < 64 && harmless >> sig & 1);
}

/* For a program at signal_deliver: whether the current thread's call ends with EINTR by this signal, or the thread ends in it. The call
 * is then `call`. */
static __always_inline bool ends_interrupted(struct call *call, int sig, const struct k_sigaction *action)
{
	__u32 tid = current_pid_tgid();
	struct interrupted *i = bpf_map_lookup_elem(&interrupted, &tid);
	bool ends;

	if (!i)
		return false;
	if (!still_interrupted(i)) {
		bpf_map_delete_elem(&interrupted, &tid);
		return false;
	}
	if (passes_by(sig, action))
		return false;
	if ((__u64)READ(action, sa.sa_handler) == SIG_DFL)
		ends = true;
	else
		ends = i->ret != -ERESTARTNOINTR && !(i->ret == -ERESTARTSYS && READ(action, sa.sa_flags) & SA_RESTART);
	*call = i->call;
	bpf_map_delete_elem(&interrupted, &tid);
	return ends;
}

/* The program for that: `ends` tells what becomes of `call`, as an int. */
#define INTERRUPTED_ENDS(program, ends)                                        \
	SEC("?tp_btf/signal_deliver")                                          \
	int BPF_PROG(program, int sig, void *info, struct k_sigaction *action) \
	{                                                                      \
		struct call call;                                              \
                                                                               \
		return ends_interrupted(&call, sig, action) ? (ends) : 0;      \
	}

#endif
