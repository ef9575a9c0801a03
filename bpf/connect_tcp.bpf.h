/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* TCP, of whatever origin, by the states of its sockets: from the first packet that is to be sent to the handshake's end. */
#ifndef NEEDLE_CONNECT_TCP_BPF_H
#define NEEDLE_CONNECT_TCP_BPF_H

#include "connect.bpf.h"

/* Keeps an attempt, which is at the beginning of `r`, until it ends. False: there is no room, or none for this process. */
static __always_inline bool start_keeps(__u64 key, const struct start *s, struct record *r)
{
	__u32 pid = s->e.h.pid;

	if (!share_take(start_shares, pid, STARTS_MAX / 4))
		return false;
	__sync_fetch_and_add(&under_way, 1); /* before: its end may come at once, on another CPU */
	if (!bpf_map_update_elem(&starts, &key, s, BPF_ANY)) {
		keep_context(r, sizeof(*s), key);
		return true;
	}
	__sync_fetch_and_add(&under_way, -1);
	share_return(start_shares, pid);
	return false;
}

static __always_inline void forget_start(__u64 key)
{
	struct start *s = bpf_map_lookup_elem(&starts, &key);
	__u32 pid;

	if (!s)
		return;
	pid = s->e.h.pid;
	forget_context(key);
	if (!bpf_map_delete_elem(&starts, &key)) {
		__sync_fetch_and_add(&under_way, -1);
		share_return(start_shares, pid);
	}
}

/* Global: there is one, for two programs. */
__noinline int tcp_start(__u64 key)
{
	struct sock *sk = (void *)key;
	__u64 tid = current_pid_tgid();
	struct connect_event *e;
	struct start *s;
	struct record *r;
	struct inside *inside;
	struct ev_socket facts;
	ev_fd fd;
	__u32 via;

	/* The socket of MPTCP itself has subflows, which are TCP. */
	if (READ(sk, sk_protocol) != IPPROTO_TCP || filtered_out())
		return 0;
	via = task_via(&fd);
	if (via == VIA_KERNEL || via == VIA_IO_URING) {
		inside = seen_inside(tid);
	} else { /* its end will know that this was an attempt */
		inside = this_call(tid);
		if (inside)
			inside->started = key;
	}
	if (!proto_wanted(sock_proto(sk, AF_INET, SOCK_STREAM)))
		return drop();
	r = event_begin(start);
	if (!r)
		return 0;
	s = event_of(r, start);
	e = &s->e;
	inet_remote(sk, &e->raddr, &e->rport);
	if (!dest_wanted(&e->raddr, e->rport))
		return event_drop(r), drop();
	fill_header(&e->h);
	append_context(r);
	e->h.via = via;
	e->h.src = SRC_KERNEL;
	fill_socket(&facts, sk);
	e->sock = facts;
	requested_of_start(r, e, inside);
	e->fd = fd;
	e->peer_pid = EV_NONE;
	forget_start(key); /* of an earlier socket at that address, whose end was not seen */
	if (start_keeps(key, s, r)) {
		event_drop(r);
		return 0;
	}
	/* Without room it is told now, not how it ends. */
	e->ms = EV_NONE64;
	e->lport = EV_UNKNOWN;
	e->laddr.kind = ADDR_UNKNOWN;
	e->err = EV_ERRNO_UNKNOWN;
	fill_mapped(e);
	event_submit(r);
	return 0;
}

static __always_inline void submit_start(__u64 key, const struct start *s)
{
	struct record *r;

	if (!(filter.want & WANT_CONTEXT)) {
		submit_bytes((void *)&s->e, sizeof(s->e), true);
		return;
	}
	r = event_begin(connect_event);
	if (!r)
		return;
	*event_of(r, connect_event) = s->e;
	append_kept_context(r, key);
	event_submit(r);
}

/* Sends the line of a start, and forgets it. */
static __always_inline void tcp_done(__u64 key, struct start *s, int err)
{
	s->e.err = err;
	if (err || !(filter.set & FILTER_FAILED))
		submit_start(key, s);
	else
		drop();
	forget_start(key);
}

/* Whether an attempt without an error of the network ends by the call that began it, which is
 * about to fail (there was no free port, for example), and not by its owner's closing it. */
static __always_inline bool gives_up(struct sock *sk, __u64 key, __u32 via)
{
	struct socket *sock = BPF_CORE_READ(sk, sk_socket);
	__u64 tid = current_pid_tgid();
	struct inside *inside;

	if (via == VIA_IO_URING || via == VIA_KERNEL)
		return sock && sock_of(sock) == sk && BPF_CORE_READ(sock, state) == SS_UNCONNECTED;
	inside = seen_inside(tid);
	return inside && inside->started == key;
}

/* Whether some hook is going to see what that call, or request, returns. */
static __always_inline bool result_follows(__u64 key, __u32 via)
{
	struct inside *inside;

	if (via != VIA_IO_URING)
		return via != VIA_KERNEL;
	inside = seen_inside(current_pid_tgid()); /* of the kernel tier: connect_file sees it */
	return (inside && inside->sock) || bpf_map_lookup_elem(&awaited, &key);
}

static __always_inline int tcp_end(struct sock *sk, int state)
{
	__u64 key = (__u64)sk;
	struct start *s = under_way ? bpf_map_lookup_elem(&starts, &key) : NULL;
	struct connect_event *e;
	int err = 0;

	if (!s)
		return 0;
	e = &s->e;
	/* Without a packet there was no handshake: for want of a free port, or because the process says that there is a connection
	 * (TCP_REPAIR). */
	e->ms = READ((struct tcp_sock *)sk, segs_out) ? bpf_ktime_get_boot_ns() - e->h.time : EV_NONE64;
	inet_local(sk, &e->laddr, &e->lport);
	inet_remote(sk, &e->raddr, &e->rport);
	fill_mapped(e);
	if (state == TCP_CLOSE) {
		err = READ(sk, sk_err);
		if (!err && !gives_up(sk, key, e->h.via))
			err = ECANCELED;
		else if (!err && result_follows(key, e->h.via))
			return s->failing = 1, 0;
		else if (!err)
			err = EV_ERRNO_UNKNOWN;
	}
	tcp_done(key, s, err);
	return 0;
}

/* The kernel does not run a program inside of itself, in an interrupt, nor in another task where a program may be
 * preempted: what the first cannot see for that is left to the second, which runs after it. Of an end whoever is second finds
 * nothing to do; of a start the first leaves word on its CPU. If another's start comes between and takes that
 * away, the second does the same again. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} start_seen SEC(".maps");

static __always_inline int tcp_state(struct sock *sk, int old, int new, bool again)
{
	__u32 zero = 0;
	__u64 *seen;

	if ((old == TCP_SYN_SENT || old == TCP_SYN_RECV) && (new == TCP_ESTABLISHED || new == TCP_CLOSE))
		return tcp_end(sk, new);
	if (old != TCP_CLOSE || new != TCP_SYN_SENT)
		return 0;
	seen = bpf_map_lookup_elem(&start_seen, &zero);
	if (again && seen && *seen == (__u64)sk)
		return *seen = 0;
	if (!again && seen)
		*seen = (__u64)sk;
	return tcp_start(number(sk));
}

/* Run by user space when the hooks are gone: each attempt that is still under way has its line, and how it ends is not known. */
SEC("?iter/bpf_map_elem")
int rest__run(struct bpf_iter__bpf_map_elem *ctx)
{
	struct record *r;
	struct connect_event *e;
	struct sock *sk;
	__u64 key = 0;

	if (!ctx->key || !ctx->value)
		return 0;
	r = event_begin(connect_event);
	if (!r)
		return 0;
	e = event_of(r, connect_event);
	bpf_probe_read_kernel(&key, sizeof(key), (void *)number(ctx->key));
	bpf_probe_read_kernel(e, sizeof(*e), (void *)number(ctx->value)); /* of struct start the first */
	sk = (void *)key;
	e->lport = EV_UNKNOWN;
	e->laddr.kind = ADDR_UNKNOWN;
	if (READ(sk, __sk_common.skc_state) == TCP_SYN_SENT && sock_cookie(sk) == e->sock.cookie)
		inet_local(sk, &e->laddr, &e->lport);
	fill_mapped(e);
	e->ms = EV_NONE64;
	e->err = EV_ERRNO_UNKNOWN;
	append_kept_context(r, key);
	event_submit(r);
	return 0;
}

SEC("?tp_btf/inet_sock_set_state")
int BPF_PROG(tcp__tp_state, struct sock *sk, int old, int new)
{
	return tcp_state(sk, old, new, false);
}

SEC("?tp_btf/inet_sock_set_state")
int BPF_PROG(tcp__tp_state_again, struct sock *sk, int old, int new)
{
	return tcp_state(sk, old, new, true);
}

#endif
