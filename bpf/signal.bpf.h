/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Signals, as the tracepoint signal_generate tells of them: `info` is a pointer, SEND_SIG_NOINFO (0), which a process sends, or
 * SEND_SIG_PRIV (1), which the kernel does. */
#ifndef NEEDLE_SIGNAL_BPF_H
#define NEEDLE_SIGNAL_BPF_H

#include "task.bpf.h"

static __always_inline int signal_code(const struct kernel_siginfo *info)
{
	__u64 special = number(info); /* to the verifier, a pointer that a tracepoint hands over is never NULL */

	if (special > 1)
		return READ(info, si_code);
	return special ? SI_KERNEL : SI_USER;
}

/* Whether the current task sends it, and not the kernel, a timer or an input/output that has ended, whoever runs just then. */
static __always_inline bool sent_by_current(int code)
{
	return code <= SI_USER && !(code <= SI_TIMER && code >= SI_ASYNCIO);
}

#endif
