/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef NEEDLE_CONNECTSNOOP_H
#define NEEDLE_CONNECTSNOOP_H

#include "event.h"
#include "filter.h"

EV_SCALAR(ev_cookie, __u64);   /* of the socket; 0: it has none yet */
EV_SCALAR(ev_socktype, __u32); /* SOCK_*; EV_NONE: not known */

/* X(enum proto, name) */
#define NEEDLE_PROTOS(X)    \
	X(TCP, "tcp")       \
	X(UDP, "udp")       \
	X(MPTCP, "mptcp")   \
	X(UNIX, "unix")     \
	X(NETLINK, "netlink") \
	X(PACKET, "packet") \
	X(VSOCK, "vsock")   \
	X(ICMP, "icmp")     \
	X(RAW, "raw")       \
	X(SCTP, "sctp")     \
	X(DCCP, "dccp")     \
	X(UDPLITE, "udplite")

enum proto {
	PROTO_NONE, /* the descriptor was none of a socket */
#define X(name, text) PROTO_##name,
	NEEDLE_PROTOS(X)
#undef X
	PROTO_OTHER, /* of another address family */
	PROTO_FAMILY = 1 << 8, /* | AF_*: how such a one travels */
};

enum addr_kind {
	ADDR_NONE,
	ADDR_IP,       /* v4 as ::ffff:a.b.c.d */
	ADDR_PATH,     /* str */
	ADDR_ABSTRACT, /* str, without the leading NUL */
	ADDR_NUMBER,   /* scope: the context id of a vsock */
	ADDR_UNKNOWN,  /* there is one, but it is not known */
};

/* One end of a connection. */
struct ev_addr {
	__u8 ip[16];
	__u32 kind;
	__u32 scope; /* of an IPv6 address of one link: the interface */
	struct ev_str str;
};

struct connect_event {
	struct event_header h;
	ev_duration ms;
	ev_cookie cookie;
	ev_port lport, rport, requested_port;
	ev_proto proto;
	ev_family family;
	ev_socktype type;
	ev_errno err;
	ev_fd fd;
	ev_pid peer_pid;
	ev_ns net_ns;
	ev_bool mapped;
	struct ev_addr laddr, raddr, requested;
};

enum connect_want {
	WANT_REQUESTED = WANT_TOOL << 0,
};

/* --dest: a key of an LPM trie. */
struct ip_prefix {
	__u32 bits;
	__u8 ip[16];
};

/* -4, -6 */
enum ip_version {
	IP_V4 = 1,
	IP_V6 = 2,
};

#endif
