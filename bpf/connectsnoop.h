/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef NEEDLE_CONNECTSNOOP_H
#define NEEDLE_CONNECTSNOOP_H

#include "event.h"
#include "filter.h"
#include "sock.h"

struct connect_event {
	struct event_header h;
	ev_duration ms;
	struct ev_socket sock;
	ev_port lport, rport, requested_port;
	ev_errno err;
	ev_fd fd;
	ev_pid peer_pid;
	ev_bool mapped;
	struct ev_addr laddr, raddr, requested;
};

enum connect_want {
	WANT_REQUESTED = WANT_TOOL << 0,
};

#endif
