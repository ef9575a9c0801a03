/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which processes to report. Shared by BPF C and C++; in .rodata, frozen at load. */
#ifndef NEEDLE_FILTER_H
#define NEEDLE_FILTER_H

#include <linux/types.h>

/* A list of one value is compared with a constant, a longer one looked up in a map. */
enum filter_bits {
	FILTER_PID = 1 << 0,
	FILTER_PIDS = 1 << 1,
	FILTER_TID = 1 << 2,
	FILTER_TIDS = 1 << 3,
	FILTER_UID = 1 << 4,
	FILTER_UIDS = 1 << 5,
	FILTER_COMM = 1 << 6,
	FILTER_CGROUP = 1 << 7,
	FILTER_MNT_NS = 1 << 8,
	FILTER_FAILED = 1 << 9, /* only deeds that failed: checked by each tool */
};

/* What the shown columns need beyond what every event carries; the tools' own
 * bits (in NAME.h) start at WANT_TOOL. */
enum want_bits {
	WANT_WHO = 1 << 0, /* ppid, start, euid, pid_ns, mnt_ns, thread, kthread */
	WANT_TIME = 1 << 1,
	WANT_IDS = 1 << 2, /* uid, gid */
	WANT_TOOL = 1 << 8,
};

struct filter {
	__u32 set;  /* enum filter_bits; zero is a valid uid, so no value means "unset" */
	__u32 want; /* enum want_bits */
	__u32 pid, tid, uid, mnt_ns;
	__u32 comm_len;
	char comm[16];
};

/* --path: a key of an LPM trie, which has room for 256 bytes. */
#define PREFIX_BYTES 255
struct prefix {
	__u32 bits;
	char bytes[PREFIX_BYTES + 1];
};

#endif
