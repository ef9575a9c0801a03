/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whom something is done to. Shared by BPF C and C++. */
#ifndef NEEDLE_TARGET_H
#define NEEDLE_TARGET_H

#include "event.h"

/* A process; less than 0: the process group of that number; -1: all that there are. In the initial pid namespace. */
EV_SCALAR(ev_target, __s64);
#define EV_TARGET_NONE ((__s64)(1ull << 63))
#define EV_TARGET_UNKNOWN (EV_TARGET_NONE + 1)

struct target {
	struct ev_cgroups cgroups;
	struct ev_str exe;
	ev_target pid;
	ev_start start;
	ev_uid uid;
	struct ev_comm comm; /* of the process; empty: not known */
	ev_pid tid;          /* EV_NONE: no thread in particular */
	__u32 unused;
};

#endif
