/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef NEEDLE_CREDSNOOP_H
#define NEEDLE_CREDSNOOP_H

#include "event.h"
#include "filter.h"

/* In the order of struct cred, include/linux/cred.h. */
enum cred_id {
	CRED_UID,
	CRED_GID,
	CRED_SUID,
	CRED_SGID,
	CRED_EUID,
	CRED_EGID,
	CRED_FSUID,
	CRED_FSGID,
	CRED_IDS,
};
enum cred_caps {
	CRED_INHERITABLE,
	CRED_PERMITTED,
	CRED_EFFECTIVE,
	CRED_BOUNDING,
	CRED_AMBIENT,
	CRED_CAPS,
};

#define CRED_GROUPS 16 /* supplementary ones that are looked at */

/* What a thread may do, ids as the initial user namespace sees them. */
struct cred_words {
	__u32 ids[CRED_IDS];
	__u32 securebits;
	__u32 no_new_privs;
	__u64 caps[CRED_CAPS];
};
struct creds {
	struct cred_words w;
	__u32 user_ns; /* EV_UNKNOWN */
	__u32 level;   /* of that: 0 is the initial one's */
	__u32 group_count, unused;
	__u32 groups[CRED_GROUPS]; /* EV_NONE behind, and where it is not known which */
};

struct cred_change {
	struct creds before;
	struct creds after; /* of a call that failed: what it asked for */
};

struct cred_event {
	struct event_header h;
	struct cred_change change;
	struct ev_str file; /* the program that was executed */
	ev_errno err;
	ev_bool gain;
};

#endif
