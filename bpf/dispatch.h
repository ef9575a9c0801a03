/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the dispatcher's programs and user space both see: see dispatcher.bpf.c. */
#ifndef NEEDLE_DISPATCH_H
#define NEEDLE_DISPATCH_H

#include <linux/types.h>

#define DISPATCHED_NR_MAX 512      /* above the numbers of all system calls that can be asked for */
#define DISPATCHED_NO_CALL 0x10000 /* from here on, none of this architecture: NEEDLE_NO() in syscalls.h */
#define DISPATCHED_PROGRAMS_MAX 64 /* at one tracepoint */
#define DISPATCHED_RUNS_MAX 8      /* of them for one call */

/* By the number of a system call: which programs run, as 1 + their place in the program array; 0 ends it. */
struct dispatched {
	__u8 places[DISPATCHED_RUNS_MAX];
};

#endif
