// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The ends of calls on sockets, in both tiers. What they are made of stands in connect*.bpf.h. */
#include "connect_message.bpf.h"
#include "connect_ring.bpf.h"
#include "trampoline.bpf.h"

/* Such a call returns. What was begun in it, or a connect. */
static __always_inline void attempt_ends(const struct asked *asked, long ret, struct inside *inside)
{
	struct ending end = {.ret = ret, .via = asked->via};
	struct ev_socket facts = {.family = EV_NONE, .type = EV_NONE, .net_ns = EV_NONE};
	__u64 key;

	if (inside && inside->started) { /* begun in this call: what remains is a failure that only it knows */
		struct start *s;

		key = inside->started;
		s = bpf_map_lookup_elem(&starts, &key);
		if (s && s->failing)
			tcp_done(key, s, ret < 0 ? -ret : EV_ERRNO_UNKNOWN);
	} else if (asked->call == VIA_connect || (inside && inside->cookie && ret < 0)) { /* the latter: Fast Open */
		if (filtered_out()) {
			drop();
			goto out;
		}
		end.fd = asked->fd;
		end.sock = file_socket(fd_file(asked->fd));
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
				fill_socket(&facts, sock_of(end.sock));
			end.addr = (void *)asked->addr;
			end.len = any(asked->call == VIA_connect ? asked->addrlen : 0);
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
static __always_inline int interrupted_ends(const struct call *call)
{
	struct asked asked;

	if (socket_call_asked(&asked, call))
		attempt_ends(&asked, -EINTR, seen_inside(current_pid_tgid()));
	return 0;
}

INTERRUPTED_ENDS(connect__tp_opt_signal, interrupted_ends(&call))
INTERRUPTED_ENDS(connect__fentry_opt_signal, interrupted_ends(&call))

/* `sends`: of datagrams, nothing else sees the end. */
static __always_inline int call_ends(struct call *call, const struct pt_regs *regs, long ret, bool sends)
{
	struct asked asked;
	struct inside *inside;
	__u64 tid;

	exit_args(call, regs);
	if (!socket_call_asked(&asked, call))
		return 0;
	tid = current_pid_tgid();
	inside = seen_inside(tid);
	if (asked.call == VIA_connect && GOES_ON(inside, ret))
		return 0;
	if (sends && asked.call != VIA_connect && (sends_seen != (IP_V4 | IP_V6) || send_failed(&asked, ret)))
		user_datagrams(ret);
	if (asked.call == VIA_connect || inside)
		attempt_ends(&asked, ret, inside);
	return 0;
}

CALL_ENDS(connect__tp_sys_exit, socket_call, true, call_ends(&call, regs, ret, true))

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
	fill_socket(&inside->facts, sock_of(sock));
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
	struct ev_socket facts;

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
	fill_socket(&facts, sock_of(end.sock));
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
	struct asked asked = {.call = VIA_connect, .fd = fd, .addr = (unsigned long)address, .addrlen = addrlen};
	__u64 tid = current_pid_tgid();
	struct inside *inside = seen_inside(tid);
	struct call call;

	if (!socket_call_runs(&call) || GOES_ON(inside, ret))
		return 0;
	asked.via = call.via;
	attempt_ends(&asked, ret, inside);
	return 0;
}

/* Fast Open: what it returns the send does. */
SEC("?fexit/__inet_stream_connect")
int BPF_PROG(connect__fentry_alt_1_fast_open, struct socket *sock, void *address, int addrlen, int flags, int is_sendmsg, int ret)
{
	__u64 tid = current_pid_tgid();
	struct asked asked;
	struct inside *inside;
	struct call call;

	if (!is_sendmsg)
		return 0;
	inside = seen_inside(tid);
	if (inside)
		keep_used(inside, address, ret);
	if (inside && socket_call_runs(&call) && socket_call_asked(&asked, &call))
		attempt_ends(&asked, ret, inside);
	return 0;
}

/* Else the end of every call that there is. */
CALL_ENDS(connect__fentry_alt_2_sys_exit, socket_call, true, call_ends(&call, regs, ret, false))

WATCH_TRAMPOLINES(connect__fentry_opt_watch)
