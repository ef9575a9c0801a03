/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The end of a connect that the call tells: those that failed before a packet was sent, and those of other families. */
#ifndef NEEDLE_CONNECT_END_BPF_H
#define NEEDLE_CONNECT_END_BPF_H

#include "connect_tcp.bpf.h"

/* Whether the end of a call on a stream socket that began no attempt is one all the same: it
 * may also tell of an earlier one. A hook of the attempt itself knows; without one, by what
 * only the network says. */
static __always_inline bool tcp_tried(int ret, bool hooked)
{
	switch (-ret) {
	case 0:
	case EINTR:
	case EALREADY:
	case EISCONN:
	case EINPROGRESS:
	case ECONNREFUSED:
	case ECONNRESET:
	case ECONNABORTED:
	case ETIMEDOUT:
	case EPIPE:
	case ERESTARTSYS: return false;
	case EHOSTUNREACH:
	case ENETUNREACH:
	case ENETDOWN:
	case EHOSTDOWN:
	case ENONET:
	case EPROTO:
	case ENOPROTOOPT:
	case EOPNOTSUPP: return !hooked;
	}
	return true;
}

/* Fills what the socket itself knows of its connection, or returns false if it has none: the
 * call dissolved one. */
static __always_inline bool fill_connected(struct record *r, struct connect_event *e, struct sock *sk)
{
	if (e->sock.family == AF_INET || e->sock.family == AF_INET6) {
		inet_remote(sk, &e->raddr, &e->rport);
		return READ(sk, __sk_common.skc_state) != TCP_CLOSE;
	}
	if (e->sock.family == AF_UNIX) {
		struct unix_sock *u = (void *)sk, *peer = (void *)BPF_CORE_READ(u, peer);
		struct pid *pid = BPF_CORE_READ(sk, sk_peer_pid);

		append_unix(r, &e->raddr, peer);
		e->peer_pid = pid ? BPF_CORE_READ(pid, numbers[0].nr) : EV_UNKNOWN;
		return peer;
	}
	if (e->sock.family == AF_NETLINK) {
		e->rport = BPF_CORE_READ((struct netlink_sock *)sk, dst_portid);
		return READ(sk, __sk_common.skc_state); /* NETLINK_CONNECTED */
	}
	if (e->sock.family == AF_VSOCK)
		vsock_end(sk, 1, &e->raddr, &e->rport);
	return true;
}

static __always_inline void fill_local(struct record *r, struct connect_event *e, struct sock *sk)
{
	if (e->sock.family == AF_INET || e->sock.family == AF_INET6)
		inet_local(sk, &e->laddr, &e->lport);
	if (e->sock.family == AF_UNIX)
		append_unix(r, &e->laddr, (void *)sk);
	if (e->sock.family == AF_NETLINK)
		e->lport = BPF_CORE_READ((struct netlink_sock *)sk, portid);
	if (e->sock.family == AF_VSOCK)
		vsock_end(sk, 0, &e->laddr, &e->lport);
}

/* Fills both ends: of the socket `at` if it is connected, else of the caller's address, `len`
 * bytes of sockaddr_of(). Nonzero if the call was none to connect. Global: verified once. */
__noinline int fill_ends(__u32 slot, __u64 at, __u32 len, int ret)
{
	struct record *r = bpf_map_lookup_elem(&scratch, &slot);
	struct sock *sk = (void *)at;
	struct connect_event *e;

	if (!r)
		return 1;
	e = event_of(r, connect_event);
	e->lport = e->rport = EV_NONE;
	e->peer_pid = EV_NONE;
	e->ms = EV_NONE64;
	if (sk)
		fill_local(r, e, sk);
	if (sk && ret == 0) {
		if (!fill_connected(r, e, sk))
			return 1;
	} else {
		append_sockaddr(r, &e->raddr, &e->rport, sockaddr_of(r), len, true);
		if (sk && e->raddr.kind == ADDR_IP && (e->sock.family == AF_INET || e->sock.family == AF_INET6))
			sock_any_is_loopback(at, e->raddr.ip);
	}
	fill_mapped(e);
	if (dest_wanted(&e->raddr, e->rport))
		return 0;
	drop();
	return 1;
}

/* Fills what was asked for: sockaddr_of(), of `len` bytes. Global: verified once. */
__noinline int fill_requested(__u32 slot, __u32 len)
{
	struct record *r = bpf_map_lookup_elem(&scratch, &slot);
	struct connect_event *e;

	if (!r)
		return 0;
	e = event_of(r, connect_event);
	append_sockaddr(r, &e->requested, &e->requested_port, sockaddr_of(r), len, false);
	return 0;
}

/* A connect that has returned. */
struct ending {
	struct socket *sock; /* NULL: the descriptor was none of a socket, or is no more */
	const struct ev_socket *facts;
	const void *addr;
	const struct event_header *by; /* who did it; NULL: the current task */
	__u64 kept;                    /* the key of the context that was kept of it */
	__u32 len;
	__u32 via;
	int fd, ret;
	bool kernel;  /* the hook was handed all of this, addr is kernel memory */
	bool claimed; /* but addr was copied there from the caller's */
};

/* Whether the cgroup hooks were handed what was claimed. */
static __always_inline bool confirmed(const struct inside *inside, const struct ev_socket *f, const union sockaddr_any *s)
{
	const __u64 *hooked = (const __u64 *)inside->ip, *said;
	__u8 ip[16] = {};

	if (!inside->cookie || inside->cookie != f->cookie || inside->port != bpf_ntohs(s->in.port))
		return false;
	if (s->family == AF_INET)
		copy_v4(ip, s->in.ip);
	else
		__builtin_memcpy(ip, s->in6.ip, sizeof(ip));
	said = (const __u64 *)ip;
	return hooked[0] == said[0] && hooked[1] == said[1];
}

static __always_inline __u32 version_of(__u32 family)
{
	return family == AF_INET6 ? IP_V6 : IP_V4;
}

static __always_inline int connect_end(const struct ending *end, const struct inside *inside)
{
	const struct ev_socket *f = end->facts;
	bool stream = f->proto == PROTO_TCP || f->proto == PROTO_MPTCP;
	bool tried = !end->by && inside && inside->cookie && inside->cookie == f->cookie; /* the cgroup hooks saw it */
	struct sock *sk = end->sock ? sock_of(end->sock) : NULL;
	__u32 len = end->len, src = any(end->kernel ? SRC_KERNEL : end->ret ? SRC_USER : SRC_FD);
	union sockaddr_any *addr;
	struct connect_event *e;
	struct record *r;

	if (filter.set & FILTER_FAILED && !end->ret)
		return stream ? 0 : drop(); /* tcp_done() counts those */
	/* They run for neither MPTCP, nor for io_uring where its end could find what they say. */
	if (stream && (end->ret >= 0 || !(tried || tcp_tried(end->ret, connects_seen & version_of(f->family) &&
									       f->proto == PROTO_TCP && !end->by))))
		return 0;
	if (!proto_wanted(f->proto))
		return drop();
	r = event_begin(connect_event);
	if (!r)
		return 0;
	e = event_of(r, connect_event);
	e->sock = *f;
	addr = sockaddr_of(r);
	__builtin_memset(addr, 0, sizeof(*addr));
	if (len > SOCKADDR_MAX)
		len = SOCKADDR_MAX;
	barrier_var(len); /* or the compiler takes the masks below for idle; the verifier does not */
	if (end->kernel ? bpf_probe_read_kernel(addr, len & 255, end->addr) : bpf_probe_read_user(addr, len & 255, end->addr))
		len = 0;
	if (!end->sock)
		e->sock.family = len >= sizeof(addr->family) ? addr->family : EV_NONE;
	if (filter.want & WANT_REQUESTED) {
		fill_requested(r->slot, len);
		if (!end->kernel && tried && inside->bits & ADDRESS_ASKED && !needs_scope(inside->asked_ip)) {
			__builtin_memcpy(e->requested.ip, inside->asked_ip, sizeof(inside->asked_ip));
			e->requested_port = inside->asked_port;
		}
	}
	if (end->claimed && end->ret && !(inside && confirmed(inside, f, addr)))
		src = SRC_USER;
	if (end->ret && !end->by && inside && (tried || inside->bits & ADDRESS_USED)) {
		src = any(inside->bits & ADDRESS_CHANGES ? SRC_USER : SRC_KERNEL);
		if (addr->family != AF_INET6)
			addr->in6.scope = 0;
		len = sizeof(addr->in6);
		addr->in6.family = AF_INET6;
		addr->in6.port = bpf_htons(inside->port);
		__builtin_memcpy(addr->in6.ip, inside->ip, sizeof(inside->ip));
	}
	if (fill_ends(r->slot, (__u64)sk, len, end->ret))
		return event_drop(r), 0;
	if (end->by) {
		e->h = *end->by;
		append_kept_context(r, end->kept);
	} else {
		fill_header(&e->h);
		append_context(r);
	}
	e->h.via = end->via;
	e->h.src = src;
	e->fd = end->fd;
	e->err = error_seen(-end->ret);
	event_submit(r);
	return 0;
}

#endif
