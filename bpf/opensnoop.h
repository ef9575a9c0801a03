/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef NEEDLE_OPENSNOOP_H
#define NEEDLE_OPENSNOOP_H

#include "event.h"
#include "filter.h"

EV_SCALAR(ev_resolve, __u32); /* RESOLVE_* of openat2(2) */

enum open_want {
	WANT_REQUESTED = WANT_TOOL << 0,
	WANT_INODE = WANT_TOOL << 1,
};

struct open_event {
	struct event_header h;
	ev_fd fd;
	ev_errno err;
	ev_oflags flags;
	ev_resolve resolve;
	ev_mode mode; /* as asked for, where a file could be created */
	ev_dev dev;
	ev_ino ino;
	ev_uid owner;
	ev_gid group;
	ev_ftype type;
	ev_mode perm; /* of the file */
	ev_bool created;
	ev_bool deleted;
	struct ev_str path;
	struct ev_str requested;
};

#endif
