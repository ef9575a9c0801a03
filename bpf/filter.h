/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which processes to report. Shared by BPF C and C++; in .rodata, frozen at load. */
#ifndef NEEDLE_FILTER_H
#define NEEDLE_FILTER_H

#include <linux/types.h>

enum filter_bits {
	FILTER_FAILED = 1 << 0,    /* only deeds that failed: checked by each tool */
	FILTER_TREE = 1 << 1,      /* only LIST_TREE, the command, and what descends from them: see follow.bpf.h */
	FILTER_COMMAND = 1 << 2,   /* the tool's own child is followed */
	FILTER_CONTAINER = 1 << 3, /* not those in cgroups that user space does not want: see cgroup.bpf.h */
	FILTER_OWN_IDS = 1 << 4,   /* the tool may not be in the initial pid namespace: ids are those of its own */
};

/* What can be compared with a list of numbers. */
enum list {
	LIST_PID,
	LIST_TID,
	LIST_PPID,
	LIST_UID,
	LIST_EUID,
	LIST_SESSION,
	LIST_MNT_NS,
	LIST_PID_NS,
	LIST_NOT_PID,
	LIST_NOT_UID,
	LIST_TREE,
	LIST_TARGET, /* whom something is done to: see target.bpf.h */
	LISTS,
};

/* A list of one value is compared with a constant, a longer one looked up in a map. */
struct filter_list {
	__u32 count; /* 0: not given */
	__u32 first;
};
struct listed {
	__u32 list; /* enum list */
	__u32 value;
};

/* A name is compared as two words; the mask covers its bytes. */
struct filter_name {
	__u64 bytes[2];
	__u64 mask[2];
};
#define NAMES_MAX 8
#define CGROUPS_MAX 16
#define FILES_MAX 16

/* What the shown columns need beyond what every event carries; the tools' own
 * bits (in NAME.h) start at WANT_TOOL. */
enum want_bits {
	WANT_WHO = 1 << 0, /* ppid, start, euid, pid_ns, mnt_ns, thread, kthread */
	WANT_TIME = 1 << 1,
	WANT_IDS = 1 << 2, /* uid, gid */
	/* of struct context */
	WANT_CONTAINER = 1 << 3,
	WANT_V1 = 1 << 4, /* there are controllers of cgroup v1 */
	WANT_LINEAGE = 1 << 5,
	WANT_PCOMM = 1 << 6,
	WANT_PEXE = 1 << 7,
	WANT_EXE = 1 << 8,
	WANT_CWD = 1 << 9,
	WANT_SESSION = 1 << 10, /* session, login, terminal */
	WANT_NSPID = 1 << 11,
	WANT_ARGS = 1 << 12,
	WANT_PRELOAD = 1 << 13,
	WANT_IMAGE = 1 << 14,
	WANT_CONTEXT = WANT_CONTAINER | WANT_LINEAGE | WANT_PCOMM | WANT_PEXE | WANT_EXE | WANT_CWD | WANT_SESSION | WANT_NSPID |
		       WANT_ARGS | WANT_PRELOAD | WANT_IMAGE,
	/* of struct target */
	WANT_TARGET = 1 << 15,
	WANT_TARGET_EXE = 1 << 16,
	WANT_TARGET_CONTAINER = 1 << 17,
	WANT_TOOL = 1 << 18,
};

struct filter {
	__u32 set;  /* enum filter_bits */
	__u32 want; /* enum want_bits */
	struct filter_list lists[LISTS];
	__u32 names, not_names, cgroups; /* how many there are */
	__u32 files;                     /* --file: see struct watched_files */
	struct filter_name name[NAMES_MAX], not_name[NAMES_MAX];
};

/* --path: a key of an LPM trie, which has room for 256 bytes. */
#define PREFIX_BYTES 255
struct prefix {
	__u32 bits;
	char bytes[PREFIX_BYTES + 1];
};

#endif
