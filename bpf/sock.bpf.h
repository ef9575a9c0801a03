/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a socket is, and the addresses of its two ends. */
#ifndef NEEDLE_SOCK_BPF_H
#define NEEDLE_SOCK_BPF_H

#include "context.bpf.h"
#include "sock.h"

#include <bpf/bpf_endian.h>

/* struct sockaddr_* of include/uapi, as user space and the kernel pass them. */
union sockaddr_any {
	__u16 family;
	struct {
		__u16 family, port;
		__u32 ip;
	} in;
	struct {
		__u16 family, port;
		__u32 flow;
		__u8 ip[16];
		__u32 scope;
	} in6;
	struct {
		__u16 family;
		char path[108];
	} un;
	struct {
		__u16 family, pad;
		__u32 portid;
	} nl;
	struct {
		__u16 family, reserved;
		__u32 port, cid;
	} vm;
	__u8 bytes[256]; /* a sockaddr_storage, and room for reads with a masked length */
};
#define SOCKADDR_MAX 128
#define SIN6_LEN_RFC2133 24 /* without the scope */

/* The socket behind a file, or NULL. */
static __always_inline struct socket *file_socket(struct file *file)
{
	if (!file || (READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return NULL;
	return READ(file, private_data);
}

static __always_inline struct sock *sock_of(struct socket *sock)
{
	return READ(sock, sk);
}

static __always_inline bool ip_is_v4(const __u8 *ip)
{
	const __u32 *word = (const __u32 *)ip;

	return !word[0] && !word[1] && word[2] == bpf_htonl(0xffff);
}

static __always_inline void copy_v4(__u8 *ip, __u32 v4)
{
	__u32 *word = (__u32 *)ip;

	word[0] = word[1] = 0;
	word[2] = bpf_htonl(0xffff);
	word[3] = v4;
}

static __always_inline void set_v4(struct ev_addr *a, __u32 ip)
{
	copy_v4(a->ip, ip);
	a->kind = ADDR_IP;
}

static __always_inline bool ip_is_any(const __u8 *ip)
{
	const __u64 *word = (const __u64 *)ip;

	return !word[0] && !word[1];
}

/* Whether it is an address of one link or interface only, which says nothing without its name: __ipv6_addr_needs_scope_id(). */
static __always_inline bool needs_scope(const __u8 *ip)
{
	if (ip[0] == 0xff)
		return (ip[1] & 15) == 1 || (ip[1] & 15) == 2;
	return ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80;
}

#define LOOPBACK bpf_htonl(0x7f000001)

/* Who goes to no address goes to the host itself: of IPv4 to `source`, the address that it comes from, if it has one. See
 * ip_route_output_key_hash_rcu(), udpv6_sendmsg(), tcp_v6_connect(). */
static __always_inline void any_is_loopback(__u8 *ip, __u32 source)
{
	__u32 *word = (__u32 *)ip;

	if (word[3])
		return;
	if (ip_is_v4(ip))
		word[3] = source ?: LOOPBACK;
	else if (ip_is_any(ip))
		ip[15] = 1;
}

/* The same of this socket. */
static __always_inline int sock_any_is_loopback_inline(__u64 sock, __u8 *ip)
{
	struct sock *sk = (void *)sock;
	struct inet_sock *inet = (void *)sk;
	__u8 source[16];

	if (((__u32 *)ip)[3])
		return 0;
	if (!ip_is_v4(ip)) {
		BPF_CORE_READ_INTO(&source, inet, pinet6, saddr.in6_u.u6_addr8);
		if (ip_is_any(ip) && ip_is_v4(source))
			copy_v4(ip, LOOPBACK);
	}
	any_is_loopback(ip, READ(inet, inet_saddr));
	return 0;
}

/* With a stack of its own. */
static __noinline int sock_any_is_loopback(__u64 sock, __u8 *ip)
{
	return sock_any_is_loopback_inline(sock, ip);
}

/* The interface that a socket uses for such an address, where the caller names none; 0: which one is not settled before the
 * route. */
static __always_inline __u32 sock_link(struct sock *sk, const __u8 *ip)
{
	struct ipv6_pinfo *np = READ((struct inet_sock *)sk, pinet6);
	int link = READ(sk, __sk_common.skc_bound_dev_if) ?: READ(np, sticky_pktinfo.ipi6_ifindex);

	return link ?: ip[0] == 0xff ? READ(np, mcast_oif) : READ(np, ucast_oif);
}

static __always_inline __u32 sock_proto(struct sock *sk, __u32 family, __u32 type)
{
	__u32 protocol = READ(sk, sk_protocol);

	switch (family) {
	case AF_UNIX: return PROTO_UNIX;
	case AF_NETLINK: return PROTO_NETLINK;
	case AF_PACKET: return PROTO_PACKET;
	case AF_VSOCK: return PROTO_VSOCK;
	case AF_INET:
	case AF_INET6: break;
	default: return PROTO_FAMILY | family;
	}
	if (type == SOCK_RAW)
		return PROTO_RAW;
	switch (protocol) {
	case IPPROTO_TCP:
		if (!bpf_core_field_exists(struct tcp_sock, is_mptcp)) /* a kernel without CONFIG_MPTCP */
			return PROTO_TCP;
		return READ((struct tcp_sock *)sk, is_mptcp) ? PROTO_MPTCP : PROTO_TCP;
	case IPPROTO_MPTCP: return PROTO_MPTCP;
	case IPPROTO_UDP: return PROTO_UDP;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6: return PROTO_ICMP;
	case IPPROTO_SCTP: return PROTO_SCTP;
	case IPPROTO_DCCP: return PROTO_DCCP;
	case IPPROTO_UDPLITE: return PROTO_UDPLITE;
	default: return PROTO_RAW;
	}
}

static __always_inline __u64 sock_cookie(struct sock *sk)
{
	return READ(sk, __sk_common.skc_cookie.counter);
}

/* What no other socket has or had since the machine is up: its cookie, or where it has none the number of its inode, of which the
 * kernel has 2^32 (get_next_ino()). Its memory is another's soon. */
#define SOCK_BY_INODE (1ull << 63)
static __always_inline __u64 sock_id(struct sock *sk)
{
	struct socket_alloc *sock = (void *)READ(sk, sk_socket);

	return sock_cookie(sk) ?: SOCK_BY_INODE | READ(sock, vfs_inode.i_ino);
}

static __always_inline __u32 sock_net_ns(struct sock *sk)
{
	return READ(sk, __sk_common.skc_net.net, ns.inum);
}

static __always_inline void fill_socket(struct ev_socket *s, struct sock *sk)
{
	s->cookie = sock_cookie(sk);
	s->family = READ(sk, __sk_common.skc_family);
	s->type = READ(sk, sk_type);
	s->proto = any(sock_proto(sk, s->family, s->type));
	s->net_ns = sock_net_ns(sk);
}

/* As getsockname(2) sees it. */
static __always_inline void inet_local(struct sock *sk, struct ev_addr *a, ev_port *port)
{
	struct inet_sock *inet = (void *)sk;
	__u32 bound = bpf_ntohs(READ(inet, inet_sport));

	*port = bound ?: EV_NONE;
	if (READ(sk, __sk_common.skc_family) == AF_INET) {
		__u32 ip = READ(sk, __sk_common.skc_rcv_saddr);

		set_v4(a, ip ?: READ(inet, inet_saddr));
		return;
	}
	BPF_CORE_READ_INTO(&a->ip, sk, __sk_common.skc_v6_rcv_saddr.in6_u.u6_addr8);
	if (ip_is_any(a->ip))
		BPF_CORE_READ_INTO(&a->ip, inet, pinet6, saddr.in6_u.u6_addr8);
	a->kind = ADDR_IP;
	if (needs_scope(a->ip))
		a->scope = READ(sk, __sk_common.skc_bound_dev_if);
}

/* As getpeername(2) would see it. */
static __always_inline void inet_remote(struct sock *sk, struct ev_addr *a, ev_port *port)
{
	*port = bpf_ntohs(READ(sk, __sk_common.skc_dport));
	a->kind = ADDR_IP;
	if (READ(sk, __sk_common.skc_family) == AF_INET) {
		set_v4(a, READ(sk, __sk_common.skc_daddr));
		return;
	}
	BPF_CORE_READ_INTO(&a->ip, sk, __sk_common.skc_v6_daddr.in6_u.u6_addr8);
	if (needs_scope(a->ip))
		a->scope = READ(sk, __sk_common.skc_bound_dev_if);
}

/* The local (0) or remote (1) end of a vsock. Not through a type of kernel.h: it is a module's,
 * which libbpf before 1.2 finds with CAP_SYS_ADMIN only. Its struct sock and a pointer come first. */
static __always_inline void vsock_end(struct sock *sk, int remote, struct ev_addr *a, ev_port *port)
{
	struct {
		__u16 family, reserved;
		__u32 port, cid;
	} s;

	if (bpf_probe_read_kernel(&s, sizeof(s), (void *)sk + bpf_core_type_size(struct sock) + 8 + 16 * remote))
		return;
	a->scope = s.cid;
	a->kind = ADDR_NUMBER;
	*port = s.port;
}

/* The full path of the file that a UNIX socket is bound to, or its abstract name. */
static __always_inline void append_unix(struct record *r, struct ev_addr *a, struct unix_sock *u)
{
	struct unix_address *addr = BPF_CORE_READ(u, addr);
	int len = BPF_CORE_READ(addr, len) - (int)sizeof(__u16);
	char first = 0;

	if (!addr || len <= 0)
		return;
	if (BPF_CORE_READ(u, path.dentry)) {
		append_path(r, &a->str, (void *)u + bpf_core_field_offset(struct unix_sock, path));
		a->kind = ADDR_PATH;
		return;
	}
	BPF_CORE_READ_INTO(&first, addr, name[0].sun_path[0]);
	if (first)
		return;
	append_kernel(r, &a->str, (void *)addr + bpf_core_field_offset(struct unix_address, name) + sizeof(__u16) + 1,
		      (len - 1) & 127);
	a->kind = ADDR_ABSTRACT;
}

/* Where a caller wants to go: the address in `s`, of `len` bytes. The path of a UNIX socket is made absolute if `whole`. */
static __always_inline void append_sockaddr(struct record *r, struct ev_addr *a, ev_port *port, const union sockaddr_any *s,
					    __u32 len, bool whole)
{
	struct lookup lookup = {.name = s->un.path, .dfd = AT_FDCWD, .kernel = true};
	struct ev_str given = {};

	*port = EV_NONE;
	if (len < sizeof(s->family))
		return;
	switch (s->family) {
	case AF_INET:
		if (len < sizeof(s->in))
			return;
		set_v4(a, s->in.ip);
		*port = bpf_ntohs(s->in.port);
		return;
	case AF_INET6:
		if (len < SIN6_LEN_RFC2133)
			return;
		__builtin_memcpy(a->ip, s->in6.ip, sizeof(a->ip));
		a->kind = ADDR_IP;
		if (needs_scope(a->ip))
			a->scope = s->in6.scope;
		*port = bpf_ntohs(s->in6.port);
		return;
	case AF_UNIX:
		if (len <= sizeof(s->family))
			return;
		if (!s->un.path[0]) {
			append_kernel(r, &a->str, s->un.path + 1, (len - 3) & 127);
			a->kind = ADDR_ABSTRACT;
			return;
		}
		a->kind = ADDR_PATH;
		if (whole)
			append_name(r, &a->str, &given, &lookup);
		else
			append_kernel_str(r, &a->str, s->un.path);
		return;
	case AF_NETLINK:
		if (len >= sizeof(s->nl))
			*port = s->nl.portid;
		return;
	case AF_VSOCK:
		if (len < sizeof(s->vm))
			return;
		a->scope = s->vm.cid;
		a->kind = ADDR_NUMBER;
		*port = s->vm.port;
		return;
	}
}

#endif
