/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What happens too often to print, counted: see aggregate.bpf.h. Shared by BPF C and C++. */
#ifndef NEEDLE_AGGREGATE_H
#define NEEDLE_AGGREGATE_H

#include <linux/types.h>

/* How a value begins, of which the tool may keep more behind it: what the first event has put there. */
struct aggregate {
	__u64 since;  /* ns, CLOCK_BOOTTIME: the first event that is counted here */
	__u64 count;  /* events */
	__u64 sum;    /* of what each event has added, for example bytes */
	__u64 taking; /* programs that take it */
};

#endif
