/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How much of a table of the whole machine one process may take: else it would fill it, and hide what others do. */
#ifndef NEEDLE_SHARE_BPF_H
#define NEEDLE_SHARE_BPF_H

#include "kernel.h"

/* What the processes have taken, by the last bits of their ids: those that have these in common share. In words, so that it takes
 * no look-up, and nothing to be removed. */
#define SHARES 4096
#define SHARE_OF(shares, pid) (&(shares)[(pid) & (SHARES - 1)])

/* Whether process `pid` may take one more, of at most `most`: then it has it, until share_return(). Of two threads at once both
 * may get the last. */
static __always_inline bool share_take(__u32 *shares, __u32 pid, __u32 most)
{
	__u32 *taken = SHARE_OF(shares, pid);

	if (*(volatile __u32 *)taken >= most)
		return false;
	__sync_fetch_and_add(taken, 1);
	return true;
}

static __always_inline void share_return(__u32 *shares, __u32 pid)
{
	__sync_fetch_and_add(SHARE_OF(shares, pid), -1);
}

#endif
