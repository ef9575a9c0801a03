/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef NEEDLE_EXITSNOOP_H
#define NEEDLE_EXITSNOOP_H

#include "event.h"
#include "filter.h"

EV_SCALAR(ev_exit,
	  __u32);         /* as wait(2) has it: a code in bits 8 to 15, or a signal in 0 to 6 and in 7 whether there was a core */
EV_SCALAR(ev_age, __u64); /* ns */
EV_SCALAR(ev_pages, __u64); /* of memory; EV_NONE64: not known */
EV_SCALAR(ev_bytes, __u64); /* EV_NONE64: not known */

enum exit_want {
	WANT_USAGE = WANT_TOOL << 0, /* user, system, maxrss, read, written */
	WANT_KILLER = WANT_TOOL << 1,
};

struct exit_event {
	struct event_header h;
	ev_age age;
	ev_duration user, system;
	ev_pages maxrss;
	ev_bytes read, written;
	ev_count threads;
	struct ev_comm killer; /* empty: nobody's */
	ev_pid killer_pid;     /* EV_NONE: nobody, or the kernel; EV_UNKNOWN */
	ev_exit status;
	ev_bool whole; /* all of the process ended, not only a thread */
	ev_bool oom;
};

#endif
