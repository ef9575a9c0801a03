/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Connects of io_uring. */
#ifndef NEEDLE_CONNECT_RING_BPF_H
#define NEEDLE_CONNECT_RING_BPF_H

#include "connect_end.bpf.h"

static __always_inline void ring_end(const struct uring_request *u, __u64 key, struct socket *sock, const struct inside *inside,
				     int ret)
{
	struct ending end = {.sock = sock,
			     .addr = &u->kept.addr,
			     .by = &u->h,
			     .kept = key,
			     .len = u->kept.len,
			     .via = VIA_IO_URING,
			     .fd = -1,
			     .ret = ret,
			     .kernel = true,
			     .claimed = u->kept.claimed};
	struct ev_socket facts = {.family = EV_NONE, .type = EV_NONE, .net_ns = EV_NONE};

	end.facts = &facts;
	if (end.sock)
		fill_socket(&facts, sock_of(end.sock));
	connect_end(&end, inside);
}

/* Sends the line of an attempt that waits for the result of the call which began it. */
static __always_inline bool failed_start(struct socket *sock, int ret)
{
	__u64 key = (__u64)sock_of(sock);
	struct start *s = bpf_map_lookup_elem(&starts, &key);

	if (!s || !s->failing)
		return false;
	tcp_done(key, s, -ret);
	return true;
}

static __always_inline bool ring_stream(struct socket *sock)
{
	__u32 protocol = BPF_CORE_READ(sock, sk, sk_protocol);

	return protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP;
}

/* Where the data of a request hold the kernel's copy of the address: alone, or in a message from
 * 6.10 (c55978024d12) until some stable release of each series, with the same types. So a request of the tool's own tells, once for all,
 * by being like what was given in just one of the two places: nobody else changes that meanwhile. */
enum { RING_NOT_KNOWN, RING_ALONE, RING_MESSAGE };
__u32 ring_layout = RING_NOT_KNOWN;

static __always_inline void *ring_message(void *data)
{
	return data + bpf_core_field_offset(struct io_async_msghdr, addr);
}

static __always_inline void learn_layout(struct io_kiocb *req)
{
	void *data = BPF_CORE_READ(req, async_data), *user = BPF_CORE_READ((struct io_connect *)req, addr);
	__u64 given = 0, alone, within;

	if (!data || bpf_probe_read_user(&given, sizeof(given), user))
		return;
	alone = word_at(data);
	within = word_at(ring_message(data));
	if ((alone == given) != (within == given))
		ring_layout = alone == given ? RING_ALONE : RING_MESSAGE;
}

/* A connect through io_uring that is not TCP, or fails before it gets there: since 6.9 or so, the request holds
 * the kernel's copy of the address from its preparation on. TCP's attempts were seen as such. Global: for another stack. */
__noinline int ring_request(__u64 key)
{
	struct io_kiocb *req = (void *)key;
	struct io_connect *connect = (void *)req;
	struct uring_request *u;
	struct submission *s;
	struct socket *sock;
	struct record *r;
	__u64 flags;
	void *data, *user;

	if (current_pid_tgid() >> 32 == stats.self)
		learn_layout(req);
	if (filtered_out())
		return drop();
	r = event_begin(uring_request);
	if (!r)
		return 0;
	u = event_of(r, uring_request);
	s = &u->kept;
	uring_begin(u, req);
	append_context(r);
	keep_context(r, sizeof(*u), key);
	user = BPF_CORE_READ(connect, addr);
	s->len = BPF_CORE_READ(connect, addr_len);
	data = ring_layout == RING_NOT_KNOWN ? NULL : BPF_CORE_READ(req, async_data);
	s->claimed = !data;
	if (data && ring_layout == RING_MESSAGE)
		data = ring_message(data);
	if (s->len > SOCKADDR_MAX || (s->claimed ? bpf_probe_read_user(&s->addr, s->len & 255, user) :
						   bpf_probe_read_kernel(&s->addr, SOCKADDR_MAX, data)))
		s->len = 0;
	flags = BPF_CORE_READ(req, flags);
	if (!bpf_core_field_exists(req->cqe.fd)) /* before 5.19 */
		sock = file_socket(BPF_CORE_READ(req, file));
	else if (flags & REQ_F_FIXED_FILE) /* the file is looked up later: here there is only its number */
		sock = file_socket(uring_slot_file(u->ring, BPF_CORE_READ(req, cqe.fd)));
	else
		sock = file_socket(fd_file(BPF_CORE_READ(req, cqe.fd)));
	s->stream = sock && ring_stream(sock);
	if (s->stream)
		s->sock = (__u64)sock_of(sock);
	if (flags & REQ_F_CQE_SKIP || !uring_keep(u, req)) { /* its completion will not be seen, or only if it fails */
		if (!s->stream)
			ring_end(u, key, sock, NULL, -EV_ERRNO_UNKNOWN);
		forget_context(key);
	} else if (s->stream) {
		__u8 yes = 1;

		bpf_map_update_elem(&awaited, &s->sock, &yes, BPF_ANY);
	}
	event_drop(r);
	return 0;
}

static __always_inline bool ring_wants(__u32 opcode)
{
	return opcode == IORING_OP_CONNECT;
}

static __always_inline int ring_submits(struct io_kiocb *req)
{
	return ring_request(number(req));
}

static __always_inline void ring_ends(struct uring_request *u, __u64 key, int ret, bool lost)
{
	struct socket *sock = lost ? NULL : file_socket(BPF_CORE_READ((struct io_kiocb *)key, file));
	__u64 tid = current_pid_tgid();

	if (lost ? !u->kept.stream : !(sock && failed_start(sock, ret)))
		ring_end(u, key, sock, seen_inside(tid), ret);
	if (u->kept.stream)
		bpf_map_delete_elem(&awaited, &u->kept.sock);
	forget_context(key);
	bpf_map_delete_elem(&calls, &tid);
}

URING_HOOKS(connect__tp, ring_wants, ring_submits, ring_ends)

#endif
