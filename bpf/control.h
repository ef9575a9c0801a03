/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What user space and the programs tell each other while the tool runs. Shared by BPF C and C++: fixed-width types only. */
#ifndef NEEDLE_CONTROL_H
#define NEEDLE_CONTROL_H

#include "filter.h"

#include <linux/types.h>

/* Cgroups that nobody wants: see cgroup.bpf.h. */
#define UNWANTED_SLOTS 4096
#define UNWANTED_SLOT(key) ((key) >> 52)

enum reader_waits {
	READER_AWAKE,
	READER_SLEEPS, /* wake it for anything */
	READER_RESTS,  /* it will look by itself in a few ms: wake it when much has gathered */
};

#define FEXITS_MAX 16

/* In .bss, mapped by user space while the tool runs. */
struct event_stats {
	__u64 lost_full;    /* the ring buffer had no room */
	__u64 lost_busy;    /* every scratch record of the CPU was taken */
	__u64 lost_map;     /* a map between two hooks had no room */
	__u32 reader_waits; /* enum reader_waits: set by the reader before it sleeps; who clears it wakes it */
	__u32 self;         /* the tool's own process, in the initial pid namespace */
	__u32 regs;         /* where on its stack a task's registers are: bytes from its lowest address */
	__u64 followed;     /* processes there are in the trees: see follow.bpf.h */
	__u64 unfollowed;   /* times that one which belongs there, or may, could not be */
	__u32 seeded;       /* set by user space when all that were there have been found */
	__u32 zero;
	__u32 counts_dropped;     /* set by user space: what filters drop is to be counted, see drop() */
	__u64 replaced;           /* times that others have changed what runs at one of `fexits`: see trampoline.bpf.h */
	__u64 clock;              /* self__run: the kernel's CLOCK_BOOTTIME, which no time namespace moves */
	__u64 asked;              /* by that clock, when the ids in the filter were given: set by user space */
	__u32 pid_level, pid_ns;  /* self__run: the tool's pid namespace: 0 is the initial one's level; and its number */
	__u32 fexits[FEXITS_MAX]; /* functions that fexit programs are attached to, by their BTF ids; set by user space */
};

/* What the kernel knows a file by. */
struct file_id {
	__u64 ino; /* 0: none */
	__u32 dev, generation;
};

/* --file */
struct watched_files {
	__s32 fd; /* for file__run: of which file it is to find out the ids */
	__u32 unused;
	struct file_id found[2];           /* file__run: its own, and of what is beneath it in an overlay */
	struct file_id ids[2 * FILES_MAX]; /* likewise of each --file */
};

/* How many events the filters have dropped, by processor. */
#define DROPPED_SLOTS 64
struct dropped {
	__u64 count;
	__u64 unused[7]; /* of a cache line */
};

#endif
