/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef NEEDLE_EXECSNOOP_H
#define NEEDLE_EXECSNOOP_H

#include "event.h"
#include "filter.h"

EV_SCALAR(ev_stdin, __u32); /* S_IFMT bits, or STDIN_TTY; EV_NONE: closed */
#define STDIN_TTY 1

enum exec_want {
	WANT_NAMES = WANT_TOOL << 0, /* requested, script, interpreter */
	WANT_CREDS = WANT_TOOL << 1,
	WANT_INODE = WANT_TOOL << 2,
	WANT_STDIN = WANT_TOOL << 3,
};

/* The program's file. */
struct ev_exe {
	struct ev_str path;
	ev_bool deleted; /* it had a name, which has been removed */
	ev_bool memory;
};

struct exec_event {
	struct event_header h;
	struct ev_exe exe;
	struct ev_strv args;
	struct ev_str requested;
	struct ev_str script;
	struct ev_str interpreter;
	struct ev_comm old_comm;
	ev_caps caps, old_caps; /* effective */
	struct ev_wall mtime, ctime;
	ev_ino ino;
	ev_dev dev;
	ev_errno err;
	ev_uid old_uid, old_euid, owner;
	ev_gid old_gid, old_egid, egid, group;
	ev_pid old_tid; /* of the thread that called exec; it goes on as the leader */
	ev_bool setuid, setgid;
	ev_bool upper; /* in the upper layer of an overlay; EV_NONE: on no overlay */
	ev_mode perm;
	ev_stdin input;
};

#endif
