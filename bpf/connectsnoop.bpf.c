// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "interrupted.bpf.h"
#include "share.bpf.h"
#include "sock.bpf.h"
#include "syscall.bpf.h"
#include "trampoline.bpf.h"

#include <asm-generic/errno.h>

/* What is kept of a connect of io_uring. */
struct submission {
	__u32 len;
	__u16 stream;  /* TCP, whose attempts are seen as such */
	__u16 claimed; /* addr is what the caller said, not the kernel's copy */
	__u64 sock;    /* the struct sock, of `stream` */
	union sockaddr_any addr;
};
#define UDP_HEADER 8u
#define URING_KEPT struct submission
#include "uring.bpf.h"

const volatile __u32 only_protos = 0;   /* --proto: bit n for enum proto n; 0: all */
const volatile __u32 only_versions = 0; /* -4, -6: enum ip_version; 0: all families */
const volatile bool port_filter = false, dest_filter = false;
const volatile bool udp_all = false;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u8);
} only_ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct ip_prefix);
	__type(value, __u8);
} only_dests SEC(".maps");

/* A TCP attempt that has begun, by its struct sock. */
struct start {
	struct connect_event e;
	__u32 failing; /* ended by the call that began it, whose result is to come */
	__u32 unused;
};

#define STARTS_MAX 16384
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, STARTS_MAX);
	__type(key, __u64);
	__type(value, struct start);
} starts SEC(".maps");
__u32 start_shares[SHARES];

/* How many there are, or more: while there are none, no socket that ends need be looked for. */
__u64 under_way = 0;

/* What a socket is, taken while it is certain to be there. */
struct facts {
	__u64 cookie;
	__u32 proto, family, type, net_ns;
};

/* What is known of an address that programs of cgroups can change. */
enum address_bits {
	ADDRESS_ASKED = 1 << 0,   /* no program had changed it before: it is what was asked for */
	ADDRESS_CHANGES = 1 << 1, /* programs that run later may, and to what is not known yet */
	ADDRESS_USED = 1 << 2,    /* it is the one in the end */
	ADDRESS_UNKNOWN = 1 << 3, /* there is one, but nobody has seen it */
	ADDRESS_NONE = 1 << 4,    /* what was given is none */
};

/* What the hooks inside a call have learned for its end, by thread. Oldest first out: a call of
 * io_uring has no end of its own, and that of another leaves the room for the thread's next. */
struct inside {
	__u64 started; /* the struct sock whose attempt began in this call; 0: none, likewise below */
	__u64 cookie;  /* the cgroup hooks: the socket whose attempt they were handed, and where to */
	__u64 sock;    /* the kernel tier: the struct socket, and the kernel's copy of the address */
	__u8 ip[16], asked_ip[16];
	__u32 port, asked_port;
	__u32 bits; /* enum address_bits */
	__u32 len;
	struct facts facts;
	union sockaddr_any addr;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, struct inside);
} calls SEC(".maps");

static const struct inside nothing = {};

/* A datagram on its way, by thread: written by the cgroup hooks, taken when its send returns. Where
 * only the end of the whole call is seen, one to be shown for each message of sendmmsg(2). One that finds no room, or none for its
 * process, is counted as lost. */
struct datagram {
	__u64 sock; /* sock_id() */
	__u64 address; /* where the kernel has its struct sockaddr as long as it is being sent; 0: not known */
	__u8 ip[16], asked_ip[16];
	__u32 port, asked_port;
	__u32 scope;
	__u32 index; /* of it among those of a system call with an address, from 1; 0: it is no call's */
	__u32 bits;  /* enum address_bits */
	__u32 unused;
};

struct send {
	__u64 tid, n;
};

#define SENDS_MAX 8192
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SENDS_MAX);
	__type(key, struct send);
	__type(value, struct datagram);
} sends SEC(".maps");
__u32 send_shares[SHARES];

/* That the cgroup hooks have seen the message which a thread is sending, also if it is none to be shown: by the last bits of its id,
 * the id and the last bits of sock_id(). In words, because every datagram comes by. Of two threads that share one, one loses it: what
 * fails is then told by the caller's memory once more, never less. */
__u64 hooked[SHARES];

/* How a message has failed within a send of a thread, for the end of that call. */
struct failure {
	int ret;
	__u32 told;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, struct failure);
} failures SEC(".maps");

/* What a UDP socket was left with that has corked a datagram, by sock_id(): see goes_elsewhere(). */
struct cork {
	__u32 length, queued;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, struct cork);
} corks SEC(".maps");

/* A sendmmsg(2), by thread, where only its end is seen. */
struct batch {
	__u32 addressed, shown; /* messages with an address; of those, to be shown */
	__u32 asked;            /* messages that it was given */
	int ret, fd;
	__u32 via;
	__u32 out;   /* nobody asked for this process */
	__u32 early; /* it ended by a message that no hook has seen */
	__u64 sock;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, struct batch);
} batches SEC(".maps");

/* The destinations that a process has sent to, and how that ended: whoever fails on purpose does not hide what arrives. */
struct destination {
	__u64 sock; /* sock_id() */
	__u8 ip[16];
	__u32 port, scope;
	__u32 pid;
	int err;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct destination);
	__type(value, __u8);
} sent SEC(".maps");

/* Whether hooks that may be missing run: set by them, first by the tool's own deeds (see tools/connectsnoop.cpp). Of those of cgroups
 * enum ip_version: which of them. That they run does not say that they have seen this call or that message: calls, hooked, failures
 * and awaited say that. */
__u32 connects_seen = 0, sends_seen = 0;
bool lengths_seen = false;

/* Sockets of TCP with a connect of io_uring under way whose end will be seen. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, URING_MAX);
	__type(key, __u64);
	__type(value, __u8);
} awaited SEC(".maps");

#define SOCKET_CALLS(X) X(connect) X(sendto) X(sendmsg) X(sendmmsg) X(socketcall)
DEFINE_CALLS(socket_call, SOCKET_CALLS)

/* How the current task came to use a socket, and with which descriptor. */
static __always_inline __u32 task_via(ev_fd *fd)
{
	struct task_struct *task = current_task();
	const struct pt_regs *regs = task_regs();
	struct call call;

	*fd = -1;
	if (in_io_uring(regs) || uring_issuing())
		return VIA_IO_URING;
	if (READ(task, flags) & PF_KTHREAD)
		return VIA_KERNEL;
	if (!socket_call_in(&call, regs)) /* at the end of another call, where else */
		return used_io_uring() ? VIA_IO_URING : VIA_KERNEL;
	if (used_io_uring() && !call_runs(regs)) /* at the end of this one */
		return VIA_IO_URING;
	if ((call.via & ~VIA_COMPAT) != VIA_socketcall)
		*fd = call.args[0];
	return call.via;
}

static __always_inline bool proto_wanted(__u32 proto)
{
	__u32 bit = proto & PROTO_FAMILY ? PROTO_OTHER : proto;

	return !only_protos || only_protos >> bit & 1;
}

static __always_inline bool dest_wanted(const struct ev_addr *a, __u32 port)
{
	if (only_versions) {
		if (a->kind != ADDR_IP || !(only_versions & (ip_is_v4(a->ip) ? IP_V4 : IP_V6)))
			return false;
	}
	if (port_filter && !bpf_map_lookup_elem(&only_ports, &port))
		return false;
	if (dest_filter) {
		struct ip_prefix key = {.bits = 128};

		__builtin_memcpy(key.ip, a->ip, sizeof(key.ip));
		if (a->kind != ADDR_IP || !bpf_map_lookup_elem(&only_dests, &key))
			return false;
	}
	return true;
}

static __always_inline void facts_of(struct facts *f, struct sock *sk)
{
	f->cookie = sock_cookie(sk);
	f->family = READ(sk, __sk_common.skc_family);
	f->type = READ(sk, sk_type);
	f->proto = any(sock_proto(sk, f->family, f->type));
	f->net_ns = sock_net_ns(sk);
}

static __always_inline void fill_facts(struct connect_event *e, const struct facts *f)
{
	e->cookie = f->cookie;
	e->proto = f->proto;
	e->family = f->family;
	e->type = f->type;
	e->net_ns = f->net_ns;
}

/* What is on the wire: IPv4, where an IPv6 socket goes to a v4-mapped address. */
static __always_inline void fill_mapped(struct connect_event *e)
{
	e->mapped = EV_NONE;
	if (e->family != AF_INET6 || e->raddr.kind != ADDR_IP)
		return;
	e->mapped = ip_is_v4(e->raddr.ip);
	if (e->mapped)
		e->family = AF_INET;
}

static __always_inline struct inside *this_call(__u64 tid)
{
	struct inside *inside = bpf_map_lookup_elem(&calls, &tid);

	if (inside)
		return inside;
	if (bpf_map_update_elem(&calls, &tid, &nothing, BPF_ANY))
		__sync_fetch_and_add(&stats.lost_map, 1);
	return bpf_map_lookup_elem(&calls, &tid);
}

/* NULL: no hook has learned anything. */
static __always_inline struct inside *seen_inside(__u64 tid)
{
	struct inside *inside = bpf_map_lookup_elem(&calls, &tid);

	return inside && inside->started | inside->cookie | inside->sock ? inside : NULL;
}

static __always_inline void forget_inside(struct inside *inside)
{
	if (inside)
		inside->started = inside->cookie = inside->sock = inside->bits = 0;
}

/* The arguments of a call on a socket, of socketcall(2) too. */
struct socket_args {
	__u32 op; /* SYS_* */
	int fd;
	unsigned long arg[6];
};

static __always_inline bool args_of(struct socket_args *a, const struct call *call)
{
	__u32 args[6] = {};

	switch (call->via & ~VIA_COMPAT) {
	case VIA_connect: a->op = SYS_CONNECT; break;
	case VIA_sendto: a->op = SYS_SENDTO; break;
	case VIA_sendmsg: a->op = SYS_SENDMSG; break;
	case VIA_sendmmsg: a->op = SYS_SENDMMSG; break;
	case VIA_socketcall:
		a->op = call->args[0];
		bpf_probe_read_user(args, a->op == SYS_CONNECT ? 12 : a->op == SYS_SENDTO ? 24 : 16, (void *)call->args[1]);
		for (int i = 0; i < 6; i++)
			a->arg[i] = args[i];
		a->fd = args[0];
		return a->op == SYS_CONNECT || a->op == SYS_SENDTO || a->op == SYS_SENDMSG || a->op == SYS_SENDMMSG;
	}
	for (int i = 0; i < 6; i++)
		a->arg[i] = call->args[i];
	a->fd = call->args[0];
	return true;
}

/* An IP address with its port, as a struct sockaddr_in or _in6 has it. */
struct inet_address {
	__u16 family, port;
	__u32 ip4;
	__u8 ip6[16];
	__u32 scope;
};

static __always_inline void set_requested(struct connect_event *e, const struct inet_address *s)
{
	if (s->family == AF_INET6) {
		__builtin_memcpy(e->requested.ip, s->ip6, sizeof(s->ip6));
		e->requested.scope = needs_scope(s->ip6) ? s->scope : 0;
	} else {
		copy_v4(e->requested.ip, s->ip4);
	}
	e->requested.kind = ADDR_IP;
	e->requested_port = bpf_ntohs(s->port);
}

/* The record's room for a caller's address: behind all that is sent. */
static __always_inline union sockaddr_any *sockaddr_of(struct record *r)
{
	return (void *)&r->bytes[RECORD_MAX];
}

/* What was asked for, by the memory of the caller that is in a call. Works in the room of sockaddr_of(), because old kernels have
 * none on this stack. Global: verified once. */
__noinline int requested_by_call(__u32 slot)
{
	struct record *r = bpf_map_lookup_elem(&scratch, &slot);
	struct {
		struct call call;
		struct socket_args args;
		struct inet_address s;
		__u32 words[4];
	} *w;
	__u64 addr;
	__u32 len;

	if (!r)
		return 0;
	w = (void *)sockaddr_of(r);
	__builtin_memset(w, 0, sizeof(*w));
	if (!socket_call_runs(&w->call) || !args_of(&w->args, &w->call))
		return 0;
	if (w->args.op == SYS_CONNECT) {
		addr = w->args.arg[1];
		len = w->args.arg[2];
	} else if (w->args.op == SYS_SENDTO) {
		addr = w->args.arg[4];
		len = w->args.arg[5];
	} else if (w->args.op == SYS_SENDMSG && !bpf_probe_read_user(w->words, sizeof(w->words), (void *)w->args.arg[1])) {
		addr = w->words[0];
		len = w->words[1];
		if (!(w->call.via & VIA_COMPAT)) {
			addr |= (__u64)w->words[1] << 32;
			len = w->words[2];
		}
	} else {
		return 0;
	}
	if (!addr || bpf_probe_read_user(&w->s, len < sizeof(w->s) ? len & 31 : sizeof(w->s), (void *)addr))
		return 0;
	set_requested(event_of(r, connect_event), &w->s);
	return 0;
}

/* What the connect of a TCP socket asked for, that has begun: as the kernel has copied it, if a hook saw that. */
static __always_inline void requested_of_start(struct record *r, struct connect_event *e, const struct inside *inside)
{
	if (!(filter.want & WANT_REQUESTED))
		return;
	e->requested.kind = ADDR_UNKNOWN;
	e->requested_port = EV_UNKNOWN;
	if (e->h.via == VIA_KERNEL && !(inside && inside->bits & ADDRESS_ASKED))
		return;
	if (inside && inside->sock) {
		struct inet_address s;

		__builtin_memcpy(&s, &inside->addr, sizeof(s));
		set_requested(e, &s);
	} else if (inside && inside->bits & ADDRESS_ASKED && inside->cookie == e->cookie && !needs_scope(inside->asked_ip)) {
		__builtin_memcpy(e->requested.ip, inside->asked_ip, sizeof(inside->asked_ip));
		e->requested.kind = ADDR_IP;
		e->requested_port = inside->asked_port;
	} else {
		requested_by_call(r->slot);
	}
}

/* TCP, of whatever origin: from the first packet that is to be sent to the handshake's end. */

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
	struct facts facts;
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
		return 0;
	r = event_begin(start);
	if (!r)
		return 0;
	s = event_of(r, start);
	e = &s->e;
	inet_remote(sk, &e->raddr, &e->rport);
	if (!dest_wanted(&e->raddr, e->rport))
		return event_drop(r), 0;
	fill_header(&e->h);
	append_context(r);
	e->h.via = via;
	e->h.src = SRC_KERNEL;
	facts_of(&facts, sk);
	fill_facts(e, &facts);
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

/* The rest, when the call returns: connects that failed before a packet was sent, and those of
 * other families. */

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
	case ERESTARTSYS:
		return false;
	case EHOSTUNREACH:
	case ENETUNREACH:
	case ENETDOWN:
	case EHOSTDOWN:
	case ENONET:
	case EPROTO:
	case ENOPROTOOPT:
	case EOPNOTSUPP:
		return !hooked;
	}
	return true;
}

/* Fills what the socket itself knows of its connection, or returns false if it has none: the
 * call dissolved one. */
static __always_inline bool fill_connected(struct record *r, struct connect_event *e, struct sock *sk)
{
	if (e->family == AF_INET || e->family == AF_INET6) {
		inet_remote(sk, &e->raddr, &e->rport);
		return READ(sk, __sk_common.skc_state) != TCP_CLOSE;
	}
	if (e->family == AF_UNIX) {
		struct unix_sock *u = (void *)sk, *peer = (void *)BPF_CORE_READ(u, peer);
		struct pid *pid = BPF_CORE_READ(sk, sk_peer_pid);

		append_unix(r, &e->raddr, peer);
		e->peer_pid = pid ? BPF_CORE_READ(pid, numbers[0].nr) : EV_UNKNOWN;
		return peer;
	}
	if (e->family == AF_NETLINK) {
		e->rport = BPF_CORE_READ((struct netlink_sock *)sk, dst_portid);
		return READ(sk, __sk_common.skc_state); /* NETLINK_CONNECTED */
	}
	if (e->family == AF_VSOCK)
		vsock_end(sk, 1, &e->raddr, &e->rport);
	return true;
}

static __always_inline void fill_local(struct record *r, struct connect_event *e, struct sock *sk)
{
	if (e->family == AF_INET || e->family == AF_INET6)
		inet_local(sk, &e->laddr, &e->lport);
	if (e->family == AF_UNIX)
		append_unix(r, &e->laddr, (void *)sk);
	if (e->family == AF_NETLINK)
		e->lport = BPF_CORE_READ((struct netlink_sock *)sk, portid);
	if (e->family == AF_VSOCK)
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
		if (sk && e->raddr.kind == ADDR_IP && (e->family == AF_INET || e->family == AF_INET6))
			sock_any_is_loopback(at, e->raddr.ip);
	}
	fill_mapped(e);
	return !dest_wanted(&e->raddr, e->rport);
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
	const struct facts *facts;
	const void *addr;
	const struct event_header *by; /* who did it; NULL: the current task */
	__u64 kept; /* the key of the context that was kept of it */
	__u32 len;
	__u32 via;
	int fd, ret;
	bool kernel;  /* the hook was handed all of this, addr is kernel memory */
	bool claimed; /* but addr was copied there from the caller's */
};

/* Whether the cgroup hooks were handed what was claimed. */
static __always_inline bool confirmed(const struct inside *inside, const struct facts *f, const union sockaddr_any *s)
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
	const struct facts *f = end->facts;
	bool stream = f->proto == PROTO_TCP || f->proto == PROTO_MPTCP;
	bool tried = !end->by && inside && inside->cookie && inside->cookie == f->cookie; /* the cgroup hooks saw it */
	struct sock *sk = end->sock ? sock_of(end->sock) : NULL;
	__u32 len = end->len, src = any(end->kernel ? SRC_KERNEL : end->ret ? SRC_USER : SRC_FD);
	union sockaddr_any *addr;
	struct connect_event *e;
	struct record *r;

	if (filter.set & FILTER_FAILED && !end->ret)
		return 0;
	/* They run for neither MPTCP, nor for io_uring where its end could find what they say. */
	if (stream && (end->ret >= 0 ||
		       !(tried || tcp_tried(end->ret, connects_seen & version_of(f->family) && f->proto == PROTO_TCP && !end->by))))
		return 0;
	if (!proto_wanted(f->proto))
		return 0;
	r = event_begin(connect_event);
	if (!r)
		return 0;
	e = event_of(r, connect_event);
	fill_facts(e, f);
	addr = sockaddr_of(r);
	__builtin_memset(addr, 0, sizeof(*addr));
	if (len > SOCKADDR_MAX)
		len = SOCKADDR_MAX;
	barrier_var(len); /* or the compiler takes the masks below for idle; the verifier does not */
	if (end->kernel ? bpf_probe_read_kernel(addr, len & 255, end->addr) : bpf_probe_read_user(addr, len & 255, end->addr))
		len = 0;
	if (!end->sock)
		e->family = len >= sizeof(addr->family) ? addr->family : EV_NONE;
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
static __always_inline int datagram_end(struct sock *sk, const struct facts *f, const struct datagram *to, int ret,
					__u32 via, int fd, __u32 src, bool kept)
{
	struct connect_event *e;
	struct record *r;

	if (filter.set & FILTER_FAILED && ret >= 0)
		return 0;
	if (!proto_wanted(f->proto) || (!kept && filtered_out()))
		return 0;
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
			return event_drop(r), 0;
	} else if (to->bits & ADDRESS_CHANGES) {
		src = SRC_USER;
	} else if (!dest_wanted(&e->raddr, e->rport))
		return event_drop(r), 0;
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
	fill_facts(e, f);
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
	struct socket_args args;
	__u64 sock;
	struct datagram to;
	struct inet_address address;
	struct facts facts;
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
	facts_of(&w->facts, sk);
	return datagram_end(sk, &w->facts, &w->to, ret, w->call.via, w->args.fd, SRC_USER, true);
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
#define MESSAGE_SIZE(via) ((via) & VIA_COMPAT ? 32 : 64) /* of a struct mmsghdr */
__noinline int user_messages(__u32 slot, __u64 messages, __u32 size, int count)
{
	for (int i = 0; i < MESSAGES && i < count; i++)
		user_message(slot, messages + i * size, 0);
	return 0;
}

/* How many of them have an address. Global: verified once. */
__noinline int addressed_messages(__u64 messages, __u32 via, int count)
{
	int n = 0;

	for (int i = 0; i < MESSAGES && i < count; i++) {
		__u32 words[4] = {};

		if (!bpf_probe_read_user(words, sizeof(words), (void *)(messages + i * MESSAGE_SIZE(via))))
			n += via & VIA_COMPAT ? words[0] && words[1] : (words[0] | words[1]) && words[2];
	}
	return n;
}

static __always_inline __u32 messages_of(const struct socket_args *a)
{
	return a->arg[2] < UIO_MAXIOV ? a->arg[2] : UIO_MAXIOV;
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
static __always_inline bool send_failed(const struct socket_args *a, long ret)
{
	return ret < 0 || (a->op == SYS_SENDMMSG && ret < messages_of(a));
}

/* Takes how the last message of a send has failed; 0: that has been told. Not inline, for its own stack. */
static __noinline int take_failure(int ret)
{
	__u64 tid = current_pid_tgid();
	struct failure *failure = bpf_map_lookup_elem(&failures, &tid);
	int err = ret < 0 ? ret : -EV_ERRNO_UNKNOWN;

	if (!failure)
		return err;
	err = failure->told ? 0 : ret < 0 ? ret : failure->ret;
	bpf_map_delete_elem(&failures, &tid);
	return err;
}

static __always_inline void user_send(struct user_send *w, __u32 slot, int ret)
{
	struct socket *sock;
	struct sock *sk;

	if (!socket_call_runs(&w->call) || !args_of(&w->args, &w->call))
		return;
	w->err = send_failed(&w->args, ret) ? take_failure(ret) : 0;
	if (w->args.op == SYS_SENDTO && !w->args.arg[4])
		return;
	sock = file_socket(fd_file(w->args.fd));
	if (!sock)
		return;
	sk = sock_of(sock);
	if (READ(sk, sk_protocol) != IPPROTO_UDP || READ(sk, sk_type) != SOCK_DGRAM || filtered_out())
		return;
	w->sock = (__u64)sk;
	w->sent = any(w->args.op == SYS_SENDMMSG && ret > 0 ? ret : 0);
	if (w->err && !lengths_seen && sends_seen &&
	    (w->args.op == SYS_SENDMMSG ? batch_saw(w->args.arg[1], w->call.via, w->sent) : HOOKED(current_pid_tgid()) == hooked_word(current_pid_tgid(), sock_id(sk))))
		w->err = 0;
	keep_own_context(); /* here, because old kernels allow no deeper calls on this stack */
	if (w->args.op == SYS_SENDMMSG) {
		__u32 size = MESSAGE_SIZE(w->call.via);

		for (int i = 0; i < UIO_MAXIOV && i < w->sent && sends_seen != (IP_V4 | IP_V6); i += MESSAGES)
			user_messages(slot, w->args.arg[1] + i * size, size, w->sent - i);
		if (w->err)
			user_message(slot, w->args.arg[1] + w->sent * size, w->err);
	} else if (ret >= 0 || w->err) {
		if (w->args.op == SYS_SENDTO)
			user_datagram(slot, w->args.arg[4], w->args.arg[5], w->err ?: ret);
		else
			user_message(slot, w->args.arg[1], w->err ?: ret);
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
	struct facts facts;
	struct sock *sk;
	int ret = 0;

	if (!batch || n >= batch->shown)
		return 1;
	if (!to) /* its result is known */
		return 0;
	if (batch->early)
		ret = 0;
	else if (batch->ret < 0)
		ret = batch->ret;
	else if (to->index == batch->addressed && (__u32)batch->ret < batch->asked)
		ret = -EV_ERRNO_UNKNOWN;
	sk = (void *)batch->sock;
	facts_of(&facts, sk);
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
static __always_inline void sends_end(const struct socket_args *a, __u32 via, long ret, bool out)
{
	__u64 tid = current_pid_tgid();
	struct socket *sock = file_socket(fd_file(a->fd));
	struct send key = {tid, 0};
	struct datagram *to;
	struct batch *batch;
	struct facts facts;
	struct sock *sk;

	take_hooked(tid);
	if (a->op == SYS_SENDMMSG) {
		batch = bpf_map_lookup_elem(&batches, &tid);
		if (!batch)
			return;
		batch->asked = messages_of(a);
		batch->ret = ret;
		batch->fd = a->fd;
		batch->via = via;
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
		facts_of(&facts, sk);
		datagram_end(sk, &facts, to, ret, via, a->fd, SRC_KERNEL, false);
	} else if (!out) { /* another socket is behind the descriptor by now, or none */
		__sync_fetch_and_add(&stats.lost_map, 1);
	}
	forget_datagram(&key);
}

/* Such a call returns. What was begun in it, or a connect. */
static __always_inline void attempt_ends(const struct socket_args *args, __u32 via, long ret, struct inside *inside)
{
	struct ending end = {.ret = ret, .via = via};
	struct facts facts = {.family = EV_NONE, .type = EV_NONE, .net_ns = EV_NONE};
	__u64 key;

	if (inside && inside->started) { /* begun in this call: what remains is a failure that only it knows */
		struct start *s;

		key = inside->started;
		s = bpf_map_lookup_elem(&starts, &key);
		if (s && s->failing)
			tcp_done(key, s, ret < 0 ? -ret : EV_ERRNO_UNKNOWN);
	} else if (args->op == SYS_CONNECT || (inside && inside->cookie && ret < 0)) { /* the latter: Fast Open */
		if (filtered_out())
			goto out;
		end.fd = args->fd;
		end.sock = file_socket(fd_file(args->fd));
		end.facts = &facts;
		if (inside && inside->sock) {
			if ((__u64)end.sock != inside->sock)
				end.sock = NULL;
			end.facts = &inside->facts;
			end.kernel = true;
			end.addr = &inside->addr;
			end.len = inside->len;
		} else {
			if (end.sock)
				facts_of(&facts, sock_of(end.sock));
			end.addr = (void *)args->arg[1];
			end.len = any(args->op == SYS_CONNECT ? args->arg[2] : 0);
		}
		connect_end(&end, inside);
	}
out:
	forget_inside(inside);
}

/* Whether a connect is only interrupted: it may be made again, and what the hooks have learned is kept until that is known. An
 * attempt of TCP goes on by itself. Not inline, for its own stack. */
static __noinline int goes_on(long ret)
{
	struct call call;

	if (!socket_call_runs(&call))
		return 0;
	keep_interrupted(&call, ret);
	return 1;
}
#define GOES_ON(inside, ret) (is_restart(ret) && !((inside) && (inside)->started) && goes_on(ret))

/* The end of one that was interrupted for good. The same in both tiers. */
static __always_inline int interrupted_by(int sig, const struct k_sigaction *action)
{
	struct socket_args args = {};
	struct call call;

	if (ends_interrupted(&call, sig, action) && args_of(&args, &call))
		attempt_ends(&args, call.via, -EINTR, seen_inside(current_pid_tgid()));
	return 0;
}

SEC("?tp_btf/signal_deliver")
int BPF_PROG(connect__tp_opt_signal, int sig, void *info, struct k_sigaction *action)
{
	return interrupted_by(sig, action);
}

SEC("?tp_btf/signal_deliver")
int BPF_PROG(connect__fentry_opt_signal, int sig, void *info, struct k_sigaction *action)
{
	return interrupted_by(sig, action);
}

/* `sends`: of datagrams, nothing else sees the end. */
static __always_inline int call_end(const struct pt_regs *regs, long ret, bool sends)
{
	struct socket_args args = {};
	struct inside *inside;
	struct call call;
	__u64 tid;

	if (!socket_call_exits(&call, regs))
		return 0;
	exit_args(&call, regs);
	if (!args_of(&args, &call))
		return 0;
	tid = current_pid_tgid();
	inside = seen_inside(tid);
	if (args.op == SYS_CONNECT && GOES_ON(inside, ret))
		return 0;
	if (sends && args.op != SYS_CONNECT && (sends_seen != (IP_V4 | IP_V6) || send_failed(&args, ret)))
		user_datagrams(ret);
	if (args.op == SYS_CONNECT || inside)
		attempt_ends(&args, call.via, ret, inside);
	return 0;
}

static __always_inline void ring_end(const struct uring_request *u, __u64 key, struct socket *sock, const struct inside *inside, int ret)
{
	struct ending end = {.sock = sock, .addr = &u->kept.addr, .by = &u->h, .kept = key, .len = u->kept.len, .via = VIA_IO_URING,
			     .fd = -1, .ret = ret, .kernel = true, .claimed = u->kept.claimed};
	struct facts facts = {.family = EV_NONE, .type = EV_NONE, .net_ns = EV_NONE};

	end.facts = &facts;
	if (end.sock)
		facts_of(&facts, sock_of(end.sock));
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

SEC("?tp_btf/sys_exit")
int BPF_PROG(connect__tp_sys_exit, struct pt_regs *regs, long ret)
{
	return call_end(regs, ret, true);
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
		return 0;
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
	if (s->len > SOCKADDR_MAX ||
	    (s->claimed ? bpf_probe_read_user(&s->addr, s->len & 255, user) : bpf_probe_read_kernel(&s->addr, SOCKADDR_MAX, data)))
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

/* The kernel tier: every connect of a process, with the kernel's own copy of the address. */
SEC("?fentry/security_socket_connect")
int BPF_PROG(connect__fentry_socket_connect, struct socket *sock, void *address, int addrlen)
{
	__u64 tid = current_pid_tgid();
	struct inside *inside = this_call(tid);

	if (!inside)
		return 0;
	inside->sock = (__u64)sock;
	inside->started = inside->cookie = inside->bits = 0;
	inside->len = addrlen;
	facts_of(&inside->facts, sock_of(sock));
	if (bpf_probe_read_kernel(&inside->addr, addrlen & 255, address))
		inside->len = 0;
	return 0;
}

URING_ISSUES(connect__fentry_opt_issue, "io_connect")

/* Of a connect that failed, what programs of cgroups have made of its address, at its place. */
static __always_inline void keep_used(struct inside *inside, const void *address, int ret)
{
	struct inet_address s = {};

	if (ret >= 0 || ret == -EINPROGRESS || bpf_probe_read_kernel(&s, sizeof(s), address))
		return;
	if (s.family == AF_INET)
		copy_v4(inside->ip, s.ip4);
	else if (s.family == AF_INET6)
		__builtin_memcpy(inside->ip, s.ip6, sizeof(s.ip6));
	else
		return;
	inside->port = bpf_ntohs(s.port);
	inside->bits = ADDRESS_USED;
}

/* The end of one of io_uring, to which no call's belongs. */
SEC("?fexit/__sys_connect_file")
int BPF_PROG(connect__fentry_connect_file, struct file *file, void *address, int addrlen, int flags, int ret)
{
	__u64 tid = current_pid_tgid();
	struct inside *inside = seen_inside(tid);
	struct ending end = {.via = VIA_IO_URING, .fd = -1, .ret = ret, .kernel = true, .addr = address, .len = addrlen};
	struct facts facts;

	if (inside && inside->sock)
		keep_used(inside, address, ret);
	if (!URING_WORKS(socket_call_in))
		return 0;
	if (flags & O_NONBLOCK && (ret == -EAGAIN || ret == -EINPROGRESS))
		goto out; /* it will be tried again, or waited for */
	end.sock = file_socket(file);
	if (!end.sock || (failed_start(end.sock, ret)) || (inside && inside->started))
		goto out;
	if (inside && inside->sock) { /* else there was no room for it: by what there is now */
		end.addr = &inside->addr;
		end.len = inside->len;
	}
	facts_of(&facts, sock_of(end.sock));
	end.facts = &facts;
	if (!filtered_out())
		connect_end(&end, inside);
out:
	forget_inside(inside);
	return 0;
}

/* connect(2), and socketcall(2) for it. */
SEC("?fexit/__sys_connect")
int BPF_PROG(connect__fentry_alt_1_connect, int fd, void *address, int addrlen, int ret)
{
	struct socket_args args = {.op = SYS_CONNECT, .fd = fd, .arg = {fd, (unsigned long)address, addrlen}};
	__u64 tid = current_pid_tgid();
	struct inside *inside = seen_inside(tid);
	struct call call;

	if (socket_call_runs(&call) && !GOES_ON(inside, ret))
		attempt_ends(&args, call.via, ret, inside);
	return 0;
}

/* Fast Open: what it returns the send does. */
SEC("?fexit/__inet_stream_connect")
int BPF_PROG(connect__fentry_alt_1_fast_open, struct socket *sock, void *address, int addrlen, int flags, int is_sendmsg, int ret)
{
	__u64 tid = current_pid_tgid();
	struct socket_args args = {};
	struct inside *inside;
	struct call call;

	if (!is_sendmsg)
		return 0;
	inside = seen_inside(tid);
	if (inside)
		keep_used(inside, address, ret);
	if (inside && socket_call_runs(&call) && args_of(&args, &call))
		attempt_ends(&args, call.via, ret, inside);
	return 0;
}

/* Else the end of every call that there is. */
SEC("?tp_btf/sys_exit")
int BPF_PROG(connect__fentry_alt_2_sys_exit, struct pt_regs *regs, long ret)
{
	return call_end(regs, ret, false);
}

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
	programs = (void *)cgroup + bpf_core_field_offset(struct cgroup, bpf) + bpf_core_field_offset(struct cgroup_bpf, effective);
	programs = (void *)word_at(programs + sizeof(programs) * type);
	return programs && own_place() == programs + bpf_core_field_offset(struct bpf_prog_array, items);
}

#define IS_FIRST(ctx, type)                                                         \
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
	struct batch *batch = bpf_map_lookup_elem(&batches, &tid), first = {};

	if (!batch) {
		if (bpf_map_update_elem(&batches, &tid, &first, BPF_ANY))
			__sync_fetch_and_add(&stats.lost_map, 1);
		batch = bpf_map_lookup_elem(&batches, &tid);
	}
	if (batch)
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
	struct socket_args args;
	struct call call;
	__u32 index = 0;

	sends_seen |= version_of(family);
	/* It also runs for those without an address, which have a message with more; and for UDP-Lite. */
	if (ctx->protocol != IPPROTO_UDP || (ctx->user_family == AF_UNSPEC && !to->port))
		return 1;
	if (!lengths_seen) { /* what is no call's, or comes behind its end, is not seen to end */
		regs = task_regs();
		if (!socket_call_in(&call, regs) || !call_runs(regs) || !args_of(&args, &call))
			return 1;
		index = 1;
		if (args.op == SYS_SENDMMSG) {
			batch = next_of_batch(key.tid);
			if (!batch)
				return 1;
		}
	}
	HOOKED(key.tid) = hooked_word(key.tid, to->sock);
	if (!proto_wanted(PROTO_UDP))
		return 1;
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
		if (!dest_wanted(&a, to->port) || arrival_told(to))
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
	struct facts facts;
	__u32 via;
	ev_fd fd;

	if (READ(sk, __sk_common.skc_state) == TCP_ESTABLISHED)
		return 0;
	via = task_via(&fd);
	if (via != VIA_IO_URING && via != VIA_KERNEL)
		return 0;
	to.sock = sock_id(sk);
	facts_of(&facts, sk);
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
	struct facts facts;
	__u32 via;
	ev_fd fd;

	if (!to)
		return 0;
	copy = *to;
	forget_datagram(&key);
	if (sock_id(sk) != copy.sock)
		return 0;
	facts_of(&facts, sk);
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
	return message || ret < 0 || sends_seen & version_of(READ(sk, __sk_common.skc_family)) ? 0 : unseen_datagram(number(sk), ret);
}

SEC("?tp_btf/sock_send_length") /* since 6.3 (6e6eda44b939) */
int BPF_PROG(sent__tp_opt_result_alt_1_each, struct sock *sk, int ret)
{
	return READ(sk, sk_protocol) == IPPROTO_UDP ? message_ends(sk, 0, 0, ret) : 0;
}

SEC("?tp_btf/sys_exit")
int BPF_PROG(sent__tp_opt_result_alt_2_end, struct pt_regs *regs, long ret)
{
	struct socket_args args = {};
	struct call call;

	if (!sends_seen || !socket_call_exits(&call, regs))
		return 0;
	exit_args(&call, regs);
	if (args_of(&args, &call) && args.op != SYS_CONNECT)
		sends_end(&args, call.via, ret, filtered_out());
	return 0;
}

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

WATCH_TRAMPOLINES(connect__fentry_opt_watch)
