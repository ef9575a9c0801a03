/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Datagrams, and the ends of the calls that send them. */
#ifndef NEEDLE_CONNECT_UDP_BPF_H
#define NEEDLE_CONNECT_UDP_BPF_H

#include "connect_end.bpf.h"

/* What is kept of a datagram on its way. */
static __always_inline void keep_datagram(const struct send *key, const struct datagram *to)
{
	__u32 pid = key->tid >> 32;
	long err;

	if (share_take(send_shares, pid, SENDS_MAX / 4)) {
		err = bpf_map_update_elem(&sends, key, to, BPF_NOEXIST);
		if (!err)
			return;
		share_return(send_shares, pid);
		if (err == -EEXIST && !bpf_map_update_elem(&sends, key, to, BPF_EXIST))
			return;
	}
	__sync_fetch_and_add(&stats.lost_map, 1);
}

static __always_inline void forget_datagram(const struct send *key)
{
	if (!bpf_map_delete_elem(&sends, key))
		share_return(send_shares, key->tid >> 32);
}

#define HOOKED(tid) (*(volatile __u64 *)&hooked[(__u32)(tid) & (SHARES - 1)])

static __always_inline __u64 hooked_word(__u64 tid, __u64 sock)
{
	return tid << 32 | (__u32)sock;
}

/* A message of the thread has been sent: returns the word, if it is the thread's. */
static __always_inline __u64 take_hooked(__u64 tid)
{
	__u64 word = HOOKED(tid);

	if (word >> 32 != (__u32)tid)
		return 0;
	HOOKED(tid) = 0;
	return word;
}

/* A message that the current thread sends has failed: for the end of the call that it sends it in, which sees what failed earlier, too.
 * `told`: or nobody asked for it. Global: for another stack. */
__noinline int note_failure(int ret, int told)
{
	const struct pt_regs *regs = task_regs();
	struct failure failure = {ret, told};
	__u64 tid = current_pid_tgid();
	struct call call;

	if (socket_call_in(&call, regs) && call_runs(regs))
		bpf_map_update_elem(&failures, &tid, &failure, BPF_ANY);
	return 0;
}

/* Where a datagram of this socket goes to, by such an address. */
static __always_inline bool address_to(struct datagram *to, const struct inet_address *s, struct sock *sk)
{
	__u32 family = s->family;

	if (family == AF_UNSPEC && READ(sk, __sk_common.skc_family) == AF_INET)
		family = AF_INET; /* to udp_sendmsg() it is the same */
	to->port = bpf_ntohs(s->port);
	if (family == AF_INET)
		copy_v4(to->ip, s->ip4);
	else if (family == AF_INET6)
		__builtin_memcpy(to->ip, s->ip6, sizeof(to->ip));
	else
		return false;
	if (needs_scope(to->ip) && !to->scope)
		to->scope = s->scope ?: sock_link(sk, to->ip);
	return true;
}

/* Whether datagrams are shown one by one, not only the first to each destination. */
static __always_inline bool each_datagram(void)
{
	return udp_all || filter.set & FILTER_FAILED;
}

static __always_inline void destination_of(struct destination *d, const struct datagram *to, int err)
{
	d->sock = to->sock;
	__builtin_memcpy(d->ip, to->ip, sizeof(d->ip));
	d->port = to->port;
	d->scope = to->scope;
	d->pid = READ(current_task(), tgid);
	d->err = err;
}

/* Whether it has been told that one of the process arrived there: no other is of interest. */
static __always_inline bool arrival_told(const struct datagram *to)
{
	struct destination d;

	if (each_datagram())
		return false;
	destination_of(&d, to, 0);
	return bpf_map_lookup_elem(&sent, &d);
}

/* Whether this end is news: the first of its kind. Two threads that both find nothing: only one adds it. Works in the room of
 * sockaddr_of(), because old kernels have none on this stack. */
static __always_inline bool first_such(struct record *r, const struct datagram *to, int err)
{
	struct destination *d = (void *)sockaddr_of(r);
	__u8 yes = 1;

	if (each_datagram())
		return true;
	destination_of(d, to, err);
	return !bpf_map_update_elem(&sent, d, &yes, BPF_NOEXIST);
}

/* A datagram for an address of its own. `kept`: the current task has passed the filter, and its context is kept. */
static __always_inline int datagram_end(struct sock *sk, const struct ev_socket *f, const struct datagram *to, int ret, __u32 via,
					int fd, __u32 src, bool kept)
{
	struct connect_event *e;
	struct record *r;

	if ((filter.set & FILTER_FAILED && ret >= 0) || !proto_wanted(f->proto) || (!kept && filtered_out()))
		return drop();
	r = event_begin(connect_event);
	if (!r)
		return 0;
	e = event_of(r, connect_event);
	__builtin_memcpy(e->raddr.ip, to->ip, sizeof(to->ip));
	e->raddr.kind = ADDR_IP;
	e->raddr.scope = needs_scope(to->ip) ? to->scope : 0;
	e->rport = to->port;
	/* What is not known, or may have been changed unseen, passes every filter. */
	if (to->bits & ADDRESS_UNKNOWN) {
		e->raddr.kind = ADDR_UNKNOWN;
		e->rport = EV_UNKNOWN;
	} else if (to->bits & ADDRESS_NONE) {
		e->raddr.kind = ADDR_NONE;
		e->rport = EV_NONE;
		if (!dest_wanted(&e->raddr, e->rport))
			return event_drop(r), drop();
	} else if (to->bits & ADDRESS_CHANGES) {
		src = SRC_USER;
	} else if (!dest_wanted(&e->raddr, e->rport))
		return event_drop(r), drop();
	if (!first_such(r, to, ret < 0 ? -ret : 0))
		return event_drop(r), 0;
	if (filter.want & WANT_REQUESTED) {
		e->requested.kind = ADDR_UNKNOWN;
		e->requested_port = EV_UNKNOWN;
		if (to->bits & ADDRESS_ASKED) {
			__builtin_memcpy(e->requested.ip, to->asked_ip, sizeof(to->asked_ip));
			e->requested.kind = ADDR_IP;
			e->requested.scope = needs_scope(to->asked_ip) ? to->scope : 0;
			e->requested_port = to->asked_port;
		} else if (to->bits & ADDRESS_NONE) {
			e->requested.kind = ADDR_NONE;
			e->requested_port = EV_NONE;
		} else if (!kept && via != VIA_IO_URING && via != VIA_KERNEL) {
			requested_by_call(r->slot);
		}
	}
	e->sock = *f;
	inet_local(sk, &e->laddr, &e->lport);
	fill_mapped(e);
	fill_header(&e->h);
	if (kept)
		append_kept_context(r, current_pid_tgid());
	else
		append_context(r);
	e->h.via = via;
	e->h.src = src;
	e->fd = fd;
	e->ms = EV_NONE64;
	e->peer_pid = EV_NONE;
	e->err = ret < 0 ? error_seen(-ret) : 0;
	event_submit(r);
	return 0;
}

static __always_inline void as_asked(struct datagram *to)
{
	__builtin_memcpy(to->asked_ip, to->ip, sizeof(to->ip));
	to->asked_port = to->port;
}

/* Fills where an address of `len` bytes sends a datagram of this socket: to none, if it is too short or of another family. False: it
 * counts as not given. */
static __always_inline bool given_to(struct datagram *to, const struct inet_address *s, __u32 len, struct sock *sk)
{
	if (len >= sizeof(s->family) && s->family == AF_UNSPEC && READ(sk, __sk_common.skc_family) == AF_INET6)
		return false;
	if (len >= any(s->family == AF_INET6 ? SIN6_LEN_RFC2133 : offsetof(struct inet_address, ip6)) && address_to(to, s, sk)) {
		to->bits = ADDRESS_ASKED;
		as_asked(to);
	} else {
		to->bits = ADDRESS_NONE;
	}
	return true;
}

/* Whether a datagram that was sent may have gone elsewhere than to its address: as part of one that was corked, whose address counts.
 * For where only its end is seen: by what the socket had after that and after the one before. Sockets that never corked any are not
 * looked for. Not inline, for its own stack. */
static __noinline int goes_elsewhere(__u64 sock, int ret)
{
	struct sock *sk = (void *)sock;
	struct inet_sock *inet = (void *)sk;
	struct udp_sock *udp = (void *)sk;
	struct cork now = {.length = READ(inet, cork.base.length)}, before, *known;
	__u64 id;

	if (!now.length)
		return 0;
	id = sock_id(sk);
	now.queued = READ(udp, pending) ? READ(udp, len) : 0;
	known = bpf_map_lookup_elem(&corks, &id);
	if (known)
		before = *known;
	bpf_map_update_elem(&corks, &id, &now, BPF_ANY);
	if (now.queued) /* the first of it has the header; or is behind one without data */
		return now.queued != ret + UDP_HEADER || (known && before.queued == UDP_HEADER);
	if (known)
		return now.length != before.length || (before.queued && !ret);
	return now.length >= ret + UDP_HEADER;
}

/* A send that has returned, by the caller's memory. In the room of sockaddr_of(), because old kernels have none on this stack. */
struct user_send {
	struct call call;
	struct asked asked;
	__u64 sock;
	struct datagram to;
	struct inet_address address;
	struct ev_socket facts;
	__u32 words[4]; /* of a struct msghdr */
	int sent, err;  /* messages; how the one behind them failed, 0: it has not, or that is told */
};

static __always_inline struct user_send *user_send_of(__u32 slot)
{
	struct record *r = bpf_map_lookup_elem(&scratch, &slot);

	return r ? (void *)sockaddr_of(r) : NULL;
}

/* A datagram of it, that no other hook has seen. Global: verified once. */
__noinline int user_datagram(__u32 slot, __u64 addr, __u32 len, int ret)
{
	struct user_send *w = user_send_of(slot);
	struct sock *sk;

	if (!w || !addr)
		return 0;
	sk = (void *)w->sock;
	__builtin_memset(&w->to, 0, sizeof(w->to));
	__builtin_memset(&w->address, 0, sizeof(w->address));
	w->to.sock = sock_id(sk);
	if (bpf_probe_read_user(&w->address, len < sizeof(w->address) ? len & 31 : sizeof(w->address), (void *)addr))
		w->to.bits = ADDRESS_UNKNOWN;
	else if (!given_to(&w->to, &w->address, len, sk))
		return 0;
	if (ret >= 0) {
		__u32 version = any(w->address.family != AF_INET6 || ip_is_v4(w->to.ip) ? IP_V4 : IP_V6);

		if (sends_seen & version)
			return 0;
		if (w->to.bits & ADDRESS_NONE || goes_elsewhere(w->sock, ret))
			w->to.bits = ADDRESS_UNKNOWN;
	} else if (arrival_told(&w->to)) {
		return 0;
	}
	if (w->to.bits & ADDRESS_ASKED)
		sock_any_is_loopback_inline(w->sock, w->to.ip);
	fill_socket(&w->facts, sk);
	return datagram_end(sk, &w->facts, &w->to, ret, w->call.via, w->asked.fd, SRC_USER, true);
}

/* The same by a struct msghdr in user space. */
__noinline int user_message(__u32 slot, __u64 message, int ret)
{
	struct user_send *w = user_send_of(slot);
	__u64 name;
	__u32 len;

	if (!w)
		return 0;
	if (bpf_probe_read_user(w->words, sizeof(w->words), (void *)message))
		return ret < 0 ? user_datagram(slot, message, 0, ret) : 0;
	name = w->words[0];
	len = w->words[1];
	if (!(w->call.via & VIA_COMPAT)) {
		name |= (__u64)w->words[1] << 32;
		len = w->words[2];
	}
	return len ? user_datagram(slot, name, len, ret) : 0;
}

/* The same of `count` of them, each in a struct mmsghdr. Called for 32 at a time, so that the
 * verifier does not walk all 1024 that a call may have. */
#define UIO_MAXIOV 1024
#define MESSAGES 32
#define MESSAGE_SIZE(via) ((via)&VIA_COMPAT ? 32 : 64) /* of a struct mmsghdr */
__noinline int user_messages(__u32 slot, __u64 messages, __u32 size, int count)
{
	for (int i = 0; i < MESSAGES && i < count; i++)
		user_message(slot, messages + i * size, 0);
	return 0;
}

/* Whether a struct msghdr has an address; and how many do of those in `count` structs mmsghdr. Global: verified once. */
__noinline int is_addressed(__u64 message, __u32 via)
{
	__u32 words[4] = {};

	if (bpf_probe_read_user(words, sizeof(words), (void *)message))
		return 0;
	return via & VIA_COMPAT ? words[0] && words[1] : (words[0] | words[1]) && words[2];
}

__noinline int addressed_messages(__u64 messages, __u32 via, int count)
{
	int n = 0;

	for (int i = 0; i < MESSAGES && i < count; i++)
		n += is_addressed(messages + i * MESSAGE_SIZE(via), any(via));
	return n;
}

static __always_inline __u32 messages_of(const struct asked *a)
{
	return a->count < UIO_MAXIOV ? a->count : UIO_MAXIOV;
}

/* Where only the end of a sendmmsg(2) is seen: whether the hooks of cgroups have seen the message by which it ended, as the `n`-th
 * from 0. Not inline, for its own stack. */
static __noinline int batch_saw(__u64 messages, __u32 via, int n)
{
	__u64 tid = current_pid_tgid();
	struct batch *batch = bpf_map_lookup_elem(&batches, &tid);
	__u32 before = 0;

	for (int i = 0; i < UIO_MAXIOV && i < n; i += MESSAGES)
		before += addressed_messages(messages + i * MESSAGE_SIZE(via), via, n - i);
	if (batch && batch->addressed > before)
		return true;
	if (batch)
		batch->early = 1;
	return false;
}

/* Whether such a call has failed, or a message of it. */
static __always_inline bool send_failed(const struct asked *a, long ret)
{
	return ret < 0 || (a->call == VIA_sendmmsg && ret < messages_of(a));
}

/* Takes how the last message of a send has failed; 0: that has been told. Where no hook knows, the call's own error tells, but for
 * EFAULT of sendmmsg(2): that also comes if a message was sent and its length could not be written (___sys_sendmmsg() in
 * net/socket.c). Not inline, for its own stack. */
static __noinline int take_failure(__u32 call, int ret)
{
	__u64 tid = current_pid_tgid();
	struct failure *failure = bpf_map_lookup_elem(&failures, &tid);

	if (!failure)
		return ret < 0 && !(call == VIA_sendmmsg && ret == -EFAULT) ? ret : -EV_ERRNO_UNKNOWN;
	ret = failure->told ? 0 : ret < 0 ? ret : failure->ret;
	bpf_map_delete_elem(&failures, &tid);
	return ret;
}

static __always_inline void user_send(struct user_send *w, __u32 slot, int ret)
{
	struct socket *sock;
	struct sock *sk;

	if (!socket_call_runs(&w->call) || !socket_call_asked(&w->asked, &w->call))
		return;
	w->err = send_failed(&w->asked, ret) ? take_failure(w->asked.call, ret) : 0;
	if (w->asked.call == VIA_sendto && !w->asked.addr)
		return;
	sock = file_socket(fd_file(w->asked.fd));
	if (!sock)
		return;
	sk = sock_of(sock);
	if (READ(sk, sk_protocol) != IPPROTO_UDP || READ(sk, sk_type) != SOCK_DGRAM || filtered_out())
		return;
	w->sock = (__u64)sk;
	w->sent = any(w->asked.call == VIA_sendmmsg && ret > 0 ? ret : 0);
	if (w->err && !lengths_seen && sends_seen &&
	    (w->asked.call == VIA_sendmmsg ? batch_saw(w->asked.message, w->call.via, w->sent) :
					     HOOKED(current_pid_tgid()) == hooked_word(current_pid_tgid(), sock_id(sk))))
		w->err = 0;
	keep_own_context(); /* here, because old kernels allow no deeper calls on this stack */
	if (w->asked.call == VIA_sendmmsg) {
		__u32 size = MESSAGE_SIZE(w->call.via);

		for (int i = 0; i < UIO_MAXIOV && i < w->sent && sends_seen != (IP_V4 | IP_V6); i += MESSAGES)
			user_messages(slot, w->asked.message + i * size, size, w->sent - i);
		if (w->err)
			user_message(slot, w->asked.message + w->sent * size, w->err);
	} else if (ret >= 0 || w->err) {
		if (w->asked.call == VIA_sendto)
			user_datagram(slot, w->asked.addr, w->asked.addrlen, w->err ?: ret);
		else
			user_message(slot, w->asked.message, w->err ?: ret);
	}
	forget_context(current_pid_tgid());
}

/* A send returns, which the current task is in: tells what no hook has seen of it. That is what failed earlier, of its last message; and
 * where the cgroup hooks cannot be attached, in tier tp, all. Global: verified once. */
__noinline int user_datagrams(int ret)
{
	struct record *r = record_claim();

	if (!r)
		return 0;
	user_send((void *)sockaddr_of(r), r->slot, ret);
	record_release(r);
	return 0;
}

/* The n-th of a sendmmsg(2) to be shown. It sends one after the other until one fails, which its result does
 * not count; messages without an address are none of the cgroup hooks'. Global: verified once. */
__noinline int batch_datagram(__u32 n)
{
	struct send key = {current_pid_tgid(), n};
	struct batch *batch = bpf_map_lookup_elem(&batches, &key.tid);
	struct datagram *to = bpf_map_lookup_elem(&sends, &key);
	struct ev_socket facts;
	struct sock *sk;
	int ret = 0;

	if (!batch || n >= batch->shown)
		return 1;
	if (!to) /* its result is known */
		return 0;
	if (!batch->early && batch->ret < 0)
		ret = batch->ret;
	else if (!batch->early && to->index == batch->addressed && (__u32)batch->ret < batch->asked)
		ret = -EV_ERRNO_UNKNOWN;
	sk = (void *)batch->sock;
	fill_socket(&facts, sk);
	if (!batch->out) {
		if (sk && sock_id(sk) == to->sock)
			datagram_end(sk, &facts, to, ret, batch->via, batch->fd, SRC_KERNEL, true);
		else /* another socket is behind the descriptor by now, or none */
			__sync_fetch_and_add(&stats.lost_map, 1);
	}
	forget_datagram(&key);
	return 0;
}

/* Tells how the datagrams fared that the cgroup hooks saw, where only the end of the call does. */
static __always_inline void sends_end(const struct asked *a, long ret, bool out)
{
	__u64 tid = current_pid_tgid();
	struct socket *sock = file_socket(fd_file(a->fd));
	struct send key = {tid, 0};
	struct datagram *to;
	struct batch *batch;
	struct ev_socket facts;
	struct sock *sk;

	take_hooked(tid);
	if (a->call == VIA_sendmmsg) {
		batch = bpf_map_lookup_elem(&batches, &tid);
		if (!batch)
			return;
		batch->asked = messages_of(a);
		batch->ret = ret;
		batch->fd = a->fd;
		batch->via = a->via;
		batch->sock = sock ? (__u64)sock_of(sock) : 0;
		batch->out = out;
		if (!out)
			keep_own_context();
		for (__u32 i = 0; i < UIO_MAXIOV; i++)
			if (batch_datagram(i))
				break;
		forget_context(tid);
		bpf_map_delete_elem(&batches, &tid);
		return;
	}
	to = bpf_map_lookup_elem(&sends, &key);
	if (!to)
		return;
	sk = sock ? sock_of(sock) : NULL;
	if (!out && sk && sock_id(sk) == to->sock) {
		fill_socket(&facts, sk);
		datagram_end(sk, &facts, to, ret, a->via, a->fd, SRC_KERNEL, false);
	} else if (!out) { /* another socket is behind the descriptor by now, or none */
		__sync_fetch_and_add(&stats.lost_map, 1);
	}
	forget_datagram(&key);
}

#endif
