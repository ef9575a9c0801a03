/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sockets and their addresses, as events and filters have them. Shared by BPF C and C++. */
#ifndef NEEDLE_SOCK_H
#define NEEDLE_SOCK_H

#include "event.h"

EV_SCALAR(ev_port, __u64);     /* 32 bits, host byte order; EV_NONE: there is none */
EV_SCALAR(ev_family, __u32);   /* AF_*; EV_NONE: not known */
EV_SCALAR(ev_proto, __u32);    /* enum proto */
EV_SCALAR(ev_cookie, __u64);   /* of the socket; 0: it has none yet */
EV_SCALAR(ev_socktype, __u32); /* SOCK_*; EV_NONE: not known */

/* clang-format off */
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
/* clang-format on */

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

/* What a socket is, taken while it is certain to be there. */
struct ev_socket {
	ev_cookie cookie;
	ev_proto proto;
	ev_family family; /* of what travels: AF_INET also where an IPv6 socket goes to a v4-mapped address */
	ev_socktype type;
	ev_ns net_ns;
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
