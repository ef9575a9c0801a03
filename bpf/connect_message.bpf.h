/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Hooks of each message that a UDP socket sends. */
#ifndef NEEDLE_CONNECT_MESSAGE_BPF_H
#define NEEDLE_CONNECT_MESSAGE_BPF_H

#include "connect_cgroup.bpf.h"

/* The kernel tier: keeps a datagram by its message, if that has an address of this family. One that udpv6_sendmsg() has for a
 * v4-mapped address is udp_sendmsg()'s. Zero: it has none. Global: verified once. */
__noinline int message_begins(__u64 sock, __u64 message, __u32 family, __u32 bits)
{
	struct send key = {.tid = current_pid_tgid()};
	struct sock *sk = (void *)sock;
	struct msghdr *msg = (void *)message;
	struct datagram to = {.sock = sock_id(sk)};
	struct inet_address s = {};
	__u32 len = BPF_CORE_READ(msg, msg_namelen);
	void *name = BPF_CORE_READ(msg, msg_name);

	if (!name || id_filtered_out(key.tid) || bpf_probe_read_kernel(&s, len < sizeof(s) ? len & 31 : sizeof(s), name))
		return 0;
	if (!given_to(&to, &s, len, sk))
		return 0;
	if (family == AF_INET6 && to.bits & ADDRESS_ASKED && (s.family != AF_INET6 || ip_is_v4(to.ip)) &&
	    !BPF_CORE_READ_BITFIELD_PROBED(sk, __sk_common.skc_ipv6only))
		return 0;
	if (to.bits & ADDRESS_ASKED) {
		to.bits |= bits;
		sock_any_is_loopback(sock, to.ip);
	}
	keep_datagram(&key, &to);
	return 1;
}

/* Where the cgroup hooks cannot be attached: a message comes. One with data for a corked datagram goes where that does. */
static __always_inline int message_comes(struct sock *sk, struct msghdr *msg, __u32 family)
{
	__u64 tid = current_pid_tgid();

	sends_seen |= version_of(family);
	if (READ(sk, sk_protocol) != IPPROTO_UDP || READ((struct udp_sock *)sk, pending))
		return 0;
	if (message_begins(number(sk), number(msg), family, ADDRESS_CHANGES))
		HOOKED(tid) = hooked_word(tid, sock_id(sk));
	return 0;
}

SEC("?fentry/udp_sendmsg")
int BPF_PROG(udp__fentry_opt_v4_alt_2_message, struct sock *sk, struct msghdr *msg)
{
	return message_comes(sk, msg, AF_INET);
}

SEC("?fentry/udpv6_sendmsg")
int BPF_PROG(udp__fentry_opt_v6_alt_2_message, struct sock *sk, struct msghdr *msg)
{
	return message_comes(sk, msg, AF_INET6);
}

/* One that was sent, or failed before the hooks of cgroups, where the memory of a caller does not tell its address: on a socket
 * that has no peer there must have been one. Global: for another stack. */
__noinline int unseen_datagram(__u64 sock, int ret)
{
	struct datagram to = {.bits = ADDRESS_UNKNOWN};
	struct sock *sk = (void *)sock;
	struct ev_socket facts;
	__u32 via;
	ev_fd fd;

	if (READ(sk, __sk_common.skc_state) == TCP_ESTABLISHED)
		return 0;
	via = task_via(&fd);
	if (via != VIA_IO_URING && via != VIA_KERNEL)
		return 0;
	to.sock = sock_id(sk);
	fill_socket(&facts, sk);
	return datagram_end(sk, &facts, &to, ret, via, fd, SRC_KERNEL, false);
}

/* Its result: of each datagram of which the hooks have said where it goes to. `message`: 0 where only they know that. Global: for
 * another stack. */
__noinline int datagram_ends(__u64 sock, __u64 message, int ret)
{
	struct send key = {.tid = current_pid_tgid()};
	struct datagram *to = bpf_map_lookup_elem(&sends, &key), copy;
	struct msghdr *msg = (void *)message;
	struct sock *sk = (void *)sock;
	struct ev_socket facts;
	__u32 via;
	ev_fd fd;

	if (!to)
		return 0;
	copy = *to;
	forget_datagram(&key);
	if (sock_id(sk) != copy.sock)
		return 0;
	fill_socket(&facts, sk);
	if (copy.bits & ADDRESS_CHANGES)
		follow_changes(&copy, sock, msg ? (__u64)BPF_CORE_READ(msg, msg_name) : copy.address);
	via = task_via(&fd);
	return datagram_end(sk, &facts, &copy, ret, via, fd, SRC_KERNEL, false);
}

/* A message has failed of which nothing is kept: `word`, of take_hooked(), says whether because the hooks of cgroups found it to be
 * none to be shown. `message`, `family`: see message_begins(); nonzero: it is kept now. Global: for another stack. */
__noinline int message_failed(__u64 sock, __u64 message, __u32 family, int ret, __u64 word)
{
	if (word == hooked_word(current_pid_tgid(), sock_id((void *)sock))) {
		note_failure(ret, true);
	} else if (!message) {
		unseen_datagram(sock, ret);
		note_failure(ret, false);
	} else {
		return message_begins(sock, message, family, 0);
	}
	return 0;
}

/* Of each message, of every origin. */
static __always_inline int message_ends(struct sock *sk, __u64 message, __u32 family, int ret)
{
	struct send key = {.tid = current_pid_tgid()};
	__u64 word = take_hooked(key.tid);

	lengths_seen = true;
	if (bpf_map_lookup_elem(&sends, &key) || (ret < 0 && message_failed(number(sk), message, family, ret, word))) {
		datagram_ends(number(sk), message, ret);
		return ret < 0 ? note_failure(ret, true) : 0;
	}
	if (message || ret < 0 || sends_seen & version_of(READ(sk, __sk_common.skc_family)))
		return 0;
	return unseen_datagram(number(sk), ret);
}

SEC("?tp_btf/sock_send_length") /* since 6.3 (6e6eda44b939) */
int BPF_PROG(sent__tp_opt_result_alt_1_each, struct sock *sk, int ret)
{
	return READ(sk, sk_protocol) == IPPROTO_UDP ? message_ends(sk, 0, 0, ret) : 0;
}

static __always_inline int send_ends(struct call *call, const struct pt_regs *regs, long ret)
{
	struct asked asked;

	exit_args(call, regs);
	if (socket_call_asked(&asked, call) && asked.call != VIA_connect)
		sends_end(&asked, ret, filtered_out());
	return 0;
}

CALL_ENDS(sent__tp_opt_result_alt_2_end, socket_call, sends_seen, send_ends(&call, regs, ret))

SEC("?fexit/udp_sendmsg")
int BPF_PROG(sent__fentry_v4, struct sock *sk, struct msghdr *msg, __u64 len, int ret)
{
	return READ(sk, sk_protocol) == IPPROTO_UDP ? message_ends(sk, number(msg), AF_INET, ret) : 0;
}

SEC("?fexit/udpv6_sendmsg")
int BPF_PROG(sent__fentry_opt_v6, struct sock *sk, struct msghdr *msg, __u64 len, int ret)
{
	return READ(sk, sk_protocol) == IPPROTO_UDP ? message_ends(sk, number(msg), AF_INET6, ret) : 0;
}

/* What fails before it comes there, for a bad address for example. */
SEC("?fexit/__sys_sendto")
int BPF_PROG(sent__fentry_opt_sendto, int fd, void *data, __u64 len, __u32 flags, void *address, int address_len, int ret)
{
	return ret < 0 && address ? user_datagrams(ret) : 0;
}

SEC("?fexit/__sys_sendmsg")
int BPF_PROG(sent__fentry_opt_sendmsg, int fd, void *message, __u32 flags, bool forbid, long ret)
{
	return ret < 0 ? user_datagrams(ret) : 0;
}

SEC("?fexit/__sys_sendmmsg")
int BPF_PROG(sent__fentry_opt_sendmmsg, int fd, void *messages, __u32 count, __u32 flags, bool forbid, int ret)
{
	return ret < (int)count ? user_datagrams(ret) : 0;
}

#endif
