/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef NEEDLE_FORKSNOOP_H
#define NEEDLE_FORKSNOOP_H

#include "event.h"

EV_SCALAR(ev_clone, __u64); /* CLONE_*, without the signal in the lowest byte; EV_NONE64: not known */
EV_SCALAR(ev_birth, __u32); /* enum birth */

enum birth {
	BIRTH_PROCESS,
	BIRTH_THREAD,
	BIRTH_KERNEL,   /* a thread of the kernel, or one that works for a process in it */
	BIRTH_IO_URING, /* a worker of a process's io_uring, or its poller */
};

struct fork_event {
	struct event_header h;
	ev_start child_start;
	ev_clone flags;
	ev_pid child; /* its thread id, which of a process is its own; EV_NONE: there is none */
	ev_pid child_nspid;
	ev_pid parent; /* who gets it as a child: a process, others by CLONE_PARENT */
	ev_signal exit_signal;
	ev_birth kind;
	ev_errno err;
};

#endif
