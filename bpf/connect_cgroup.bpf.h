/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Hooks of cgroups: addresses before they are used, of connects and datagrams. */
#ifndef NEEDLE_CONNECT_CGROUP_BPF_H
#define NEEDLE_CONNECT_CGROUP_BPF_H

#include "connect_udp.bpf.h"

/* The kernel's copy of an address, before it is used, and only if it is going to be: unlike a
 * call, which may also ask how an earlier attempt went. Few helpers are to be had here. */
static __always_inline __u64 task_id(void)
{
	struct task_struct *task = current_task();

	return (__u64)READ(task, tgid) << 32 | (__u32)READ(task, pid);
}

static __always_inline void copy_v6(__u8 *ip, struct bpf_sock_addr *ctx)
{
	__u32 *word = (__u32 *)ip;

	word[0] = ctx->user_ip6[0];
	word[1] = ctx->user_ip6[1];
	word[2] = ctx->user_ip6[2];
	word[3] = ctx->user_ip6[3];
}

/* What a program of a cgroup is really handed. */
#define KERN(ctx) ((const struct bpf_sock_addr_kern *)number(ctx))

/* Of several programs at one hook each sees what those before it have made of the address: first those of the socket's own
 * cgroup, then of the one above it, up to the root's, where they run in the order in which they were attached. So ours, at the
 * root, are only followed by those that were attached there later. Before 5.15 that is not to be seen. */
static __always_inline const struct bpf_prog_array_item *own_place(void)
{
	struct task_struct *task = current_task();
	struct bpf_cg_run_ctx *run;

	if (!bpf_core_field_exists(task->bpf_ctx))
		return NULL;
	run = (void *)READ(task, bpf_ctx);
	return READ(run, prog_item);
}

static __always_inline bool others_follow(void)
{
	const struct bpf_prog_array_item *place = own_place();

	return place && word_at((void *)place + bpf_core_type_size(struct bpf_prog_array_item));
}

/* Whether ours is the first at the hook `type`, of enum cgroup_bpf_attach_type. */
static __always_inline bool is_first(struct sock *sk, __u32 type)
{
	struct cgroup *cgroup;
	void *programs;

	if (!bpf_core_field_exists(sk->sk_cgrp_data.cgroup))
		return false;
	cgroup = READ(sk, sk_cgrp_data.cgroup);
	programs =
		(void *)cgroup + bpf_core_field_offset(struct cgroup, bpf) + bpf_core_field_offset(struct cgroup_bpf, effective);
	programs = (void *)word_at(programs + sizeof(programs) * type);
	return programs && own_place() == programs + bpf_core_field_offset(struct bpf_prog_array, items);
}

#define IS_FIRST(ctx, type)                                                                               \
	(filter.want & WANT_REQUESTED && bpf_core_enum_value_exists(enum cgroup_bpf_attach_type, type) && \
	 is_first(READ(KERN(ctx), sk), bpf_core_enum_value(enum cgroup_bpf_attach_type, type)))

/* A connect is attempted: to `ip`, as the hook is handed it. */
static __always_inline int attempts(struct bpf_sock_addr *ctx, __u32 version, const __u8 *ip, bool first)
{
	struct inside *inside;
	__u64 id = task_id();

	connects_seen |= version;
	if (id_filtered_out(id))
		return 1;
	inside = this_call(id);
	if (!inside)
		return 1;
	inside->started = 0;
	inside->cookie = inside->facts.cookie = bpf_get_socket_cookie(ctx);
	inside->port = bpf_ntohs(ctx->user_port);
	__builtin_memcpy(inside->ip, ip, sizeof(inside->ip));
	inside->bits = others_follow() ? ADDRESS_CHANGES : 0;
	if (first) {
		inside->bits |= ADDRESS_ASKED;
		inside->asked_port = inside->port;
		__builtin_memcpy(inside->asked_ip, ip, sizeof(inside->asked_ip));
	}
	return 1;
}

SEC("?cgroup/connect4")
int address__tp_opt_connect4(struct bpf_sock_addr *ctx)
{
	__u8 ip[16];

	copy_v4(ip, ctx->user_ip4);
	return attempts(ctx, IP_V4, ip, IS_FIRST(ctx, CGROUP_INET4_CONNECT));
}

SEC("?cgroup/connect6")
int address__tp_opt_connect6(struct bpf_sock_addr *ctx)
{
	__u8 ip[16];

	copy_v6(ip, ctx);
	return attempts(ctx, IP_V6, ip, IS_FIRST(ctx, CGROUP_INET6_CONNECT));
}

/* Datagrams with an address of their own. */

/* Which of the current sendmmsg(2)'s messages with an address comes now. */
static __always_inline struct batch *next_of_batch(__u64 tid)
{
	struct batch *batch = batch_room(tid);

	if (!batch)
		__sync_fetch_and_add(&stats.lost_map, 1);
	else
		batch->addressed++;
	return batch;
}

/* `to` has the address as the hook is handed it; `source`: of IPv4, where it comes from. */
static __always_inline int datagram_begin(struct bpf_sock_addr *ctx, struct datagram *to, __u32 family, __u32 source, bool first)
{
	const struct pt_regs *regs;
	struct ev_addr a = {.kind = ADDR_IP};
	struct send key = {.tid = task_id()};
	struct batch *batch = NULL;
	struct asked asked;
	struct call call;
	__u32 index = 0;

	sends_seen |= version_of(family);
	/* It also runs for those without an address, which have a message with more; and for UDP-Lite. */
	if (ctx->protocol != IPPROTO_UDP || (ctx->user_family == AF_UNSPEC && !to->port))
		return 1;
	if (!lengths_seen) { /* what is no call's, or comes behind its end, is not seen to end */
		regs = task_regs();
		if (!socket_call_in(&call, regs) || !call_runs(regs) || !socket_call_asked(&asked, &call))
			return 1;
		index = 1;
		if (asked.call == VIA_sendmmsg) {
			batch = next_of_batch(key.tid);
			if (!batch)
				return 1;
		}
	}
	HOOKED(key.tid) = hooked_word(key.tid, to->sock);
	if (!proto_wanted(PROTO_UDP))
		return drop(), 1;
	if (first) {
		to->bits |= ADDRESS_ASKED;
		as_asked(to);
	}
	any_is_loopback(to->ip, source);
	if (others_follow()) {
		to->bits |= ADDRESS_CHANGES;
		/* udpv6_sendmsg() has a copy of its own of a v4-mapped one, which is gone when it returns. */
		if ((__u32)READ(KERN(ctx), sk, __sk_common.skc_family) == family)
			to->address = (__u64)READ(KERN(ctx), uaddr);
	} else {
		__builtin_memcpy(a.ip, to->ip, sizeof(a.ip));
		if (!dest_wanted(&a, to->port))
			return drop(), 1;
		if (arrival_told(to))
			return 1;
	}
	if (batch) {
		index = batch->addressed;
		key.n = batch->shown++;
	}
	to->index = index;
	keep_datagram(&key, to);
	return 1;
}

static __always_inline int begins_v4(struct bpf_sock_addr *ctx)
{
	struct datagram to = {.sock = bpf_get_socket_cookie(ctx), .port = bpf_ntohs(ctx->user_port)};

	copy_v4(to.ip, ctx->user_ip4);
	return datagram_begin(ctx, &to, AF_INET, ctx->msg_src_ip4, IS_FIRST(ctx, CGROUP_UDP4_SENDMSG));
}

static __always_inline int begins_v6(struct bpf_sock_addr *ctx)
{
	struct datagram to = {.sock = bpf_get_socket_cookie(ctx), .port = bpf_ntohs(ctx->user_port)};

	copy_v6(to.ip, ctx);
	if (needs_scope(to.ip)) {
		struct flowi6 *flow = READ(KERN(ctx), t_ctx) - bpf_core_field_offset(struct flowi6, saddr);

		/* From all that the caller said, also with the message. */
		to.scope = READ(flow, __fl_common.flowic_oif) ?: sock_link(READ(KERN(ctx), sk), to.ip);
	}
	return datagram_begin(ctx, &to, AF_INET6, 0, IS_FIRST(ctx, CGROUP_UDP6_SENDMSG));
}

SEC("?cgroup/sendmsg4")
int udp__tp_opt_v4(struct bpf_sock_addr *ctx)
{
	return begins_v4(ctx);
}

SEC("?cgroup/sendmsg6")
int udp__tp_opt_v6(struct bpf_sock_addr *ctx)
{
	return begins_v6(ctx);
}

/* In the kernel tier there is another way where they cannot be attached: message_comes(). */
SEC("?cgroup/sendmsg4")
int udp__fentry_opt_v4_alt_1_cgroup(struct bpf_sock_addr *ctx)
{
	return begins_v4(ctx);
}

SEC("?cgroup/sendmsg6")
int udp__fentry_opt_v6_alt_1_cgroup(struct bpf_sock_addr *ctx)
{
	return begins_v6(ctx);
}

/* What became of the address that programs may have changed: as it stands where the kernel keeps it. Its scope is of the
 * flow, which no program changes. Not inline, for its own stack. */
static __noinline int follow_changes(struct datagram *to, __u64 sock, __u64 address)
{
	struct sock *sk = (void *)sock;
	struct inet_address s = {};

	if (!address || bpf_probe_read_kernel(&s, sizeof(s), (void *)address) || !address_to(to, &s, sk))
		return 0;
	sock_any_is_loopback(sock, to->ip);
	to->bits &= ~ADDRESS_CHANGES;
	return 0;
}

#endif
