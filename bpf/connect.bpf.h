/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What connectsnoop keeps and knows, whatever the protocol: what is asked for, attempts, calls, and what they were given. */
#ifndef NEEDLE_CONNECT_BPF_H
#define NEEDLE_CONNECT_BPF_H

#include "connectsnoop.h"
#include "interrupted.bpf.h"
#include "share.bpf.h"
#include "sock.bpf.h"
#include "sock_filter.bpf.h"
#include "syscall.bpf.h"

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

const volatile bool udp_all = false; /* --udp-all */

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
	struct ev_socket facts;
	union sockaddr_any addr;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, struct inside);
} calls SEC(".maps");
ROOM_FN(call_room, calls, __u64, struct inside)

/* A datagram on its way, by thread: written by the cgroup hooks, taken when its send returns. Where
 * only the end of the whole call is seen, one to be shown for each message of sendmmsg(2). One that finds no room, or none for its
 * process, is counted as lost. */
struct datagram {
	__u64 sock;    /* sock_id() */
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
ROOM_FN(batch_room, batches, __u64, struct batch)

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

/* What is on the wire: IPv4, where an IPv6 socket goes to a v4-mapped address. */
static __always_inline void fill_mapped(struct connect_event *e)
{
	e->mapped = EV_NONE;
	if (e->sock.family != AF_INET6 || e->raddr.kind != ADDR_IP)
		return;
	e->mapped = ip_is_v4(e->raddr.ip);
	if (e->mapped)
		e->sock.family = AF_INET;
}

static __always_inline struct inside *this_call(__u64 tid)
{
	struct inside *inside = call_room(tid);

	if (!inside)
		__sync_fetch_and_add(&stats.lost_map, 1);
	return inside;
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
		struct inet_address s;
		__u32 words[4];
	} * w;
	struct asked asked;
	__u64 addr;
	__u32 len;

	if (!r)
		return 0;
	w = (void *)sockaddr_of(r);
	__builtin_memset(w, 0, sizeof(*w));
	if (!socket_call_runs(&w->call) || !socket_call_asked(&asked, &w->call))
		return 0;
	addr = asked.addr;
	len = asked.addrlen;
	if (asked.call == VIA_sendmsg && !bpf_probe_read_user(w->words, sizeof(w->words), (void *)asked.message)) {
		addr = w->words[0];
		len = w->words[1];
		if (!(w->call.via & VIA_COMPAT)) {
			addr |= (__u64)w->words[1] << 32;
			len = w->words[2];
		}
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
	} else if (inside && inside->bits & ADDRESS_ASKED && inside->cookie == e->sock.cookie && !needs_scope(inside->asked_ip)) {
		__builtin_memcpy(e->requested.ip, inside->asked_ip, sizeof(inside->asked_ip));
		e->requested.kind = ADDR_IP;
		e->requested_port = inside->asked_port;
	} else {
		requested_by_call(r->slot);
	}
}

#endif
