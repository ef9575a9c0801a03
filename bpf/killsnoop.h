/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef NEEDLE_KILLSNOOP_H
#define NEEDLE_KILLSNOOP_H

#include "target.h"

EV_SCALAR(ev_outcome, __u32); /* enum outcome */

enum outcome {
	OUTCOME_DELIVERED, /* also if it is blocked: it waits there */
	OUTCOME_PENDING,   /* one of these waits already: this one is dropped */
	OUTCOME_IGNORED,
	OUTCOME_DEAD,     /* the target is dying, or dead */
	OUTCOME_POSSIBLE, /* signal 0, which asks no more */
};

/* si_code of sigaction(2): what it means depends on the signal. */
struct ev_code {
	__s32 code;
	ev_signal of;
};
struct ev_result {
	ev_errno err;
	ev_outcome outcome; /* if there is no error */
};

struct kill_event {
	struct event_header h;
	struct target target;
	ev_target requested; /* of what is refused: as the process named it, in its own pid namespace */
	struct ev_code code;
	struct ev_result result;
	ev_signal sig;
	__u32 unused;
};

#endif
