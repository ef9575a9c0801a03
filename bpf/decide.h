/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* --path as decide.bpf.h compares it: component by component. Shared by BPF C and C++. */
#ifndef NEEDLE_DECIDE_H
#define NEEDLE_DECIDE_H

#include <linux/types.h>

/* The components of the prefixes, up to LABELS of them in a group: a prefix has consecutive ones, the last of which need only
 * begin so, and may be empty. Each is a bit in the masks. */
#define LABELS 48
#define LABEL_BYTES 256
struct path_label {
	__u32 len; /* bytes */
	__u32 unused;
	__u64 words[LABEL_BYTES / 8]; /* zeroes behind */
};
struct path_group {
	__u64 first, last; /* which begin a prefix, which end one */
	__u64 empty;       /* a last one of no bytes: any component begins so */
	__u64 left_out;    /* firsts of prefixes of --exclude-path */
	__u64 cut;         /* firsts of prefixes that have more components than are here */
	__u64 unused;
	__u64 begins[256]; /* by a component's first byte, which it may match */
	struct path_label labels[LABELS];
};

#endif
