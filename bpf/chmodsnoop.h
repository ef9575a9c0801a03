/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef NEEDLE_CHMODSNOOP_H
#define NEEDLE_CHMODSNOOP_H

#include "event.h"
#include "filter.h"

EV_SCALAR(ev_atflags, __u32); /* AT_* of fchmodat2(2) */
EV_SCALAR(ev_risk, __u32);    /* the dangerous ones of the mode's bits */

#define RISK_BITS (04000 | 02000 | 00002) /* setuid, setgid, world-writable */
#define RISK_UNSURE 0x80000000u           /* the file may have had them before, or not have got them */

enum chmod_want {
	WANT_REQUESTED = WANT_TOOL << 0,
};

struct chmod_event {
	struct event_header h;
	ev_mode before; /* EV_NONE: the file is new */
	ev_mode after;  /* of a failure: as asked for; EV_UNKNOWN */
	ev_mode mode;   /* as asked for */
	ev_risk risk;   /* gained */
	ev_errno err;
	ev_atflags flags;
	ev_ino ino;
	ev_uid owner;
	ev_gid group;
	ev_dev dev;
	ev_ftype type;
	ev_bool created;
	ev_bool deleted;
	struct ev_str path;
	struct ev_str requested;
};

#endif
