/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which system call the current task is in, and with which arguments. From the registers
 * that the kernel saved, so 32-bit callers are seen as well: the per-call tracepoints of
 * x86 never fire for them (arch_trace_is_compat_syscall()). */
#ifndef NEEDLE_SYSCALL_BPF_H
#define NEEDLE_SYSCALL_BPF_H

#include "path.bpf.h"

#include <asm-generic/errno.h>

static __always_inline bool in_compat_call(void)
{
	struct task_struct *task = current_task();

#if defined(__TARGET_ARCH_x86)
	return READ(task, thread_info.status) & TS_COMPAT;
#else
	return READ(task, thread_info.flags) >> TIF_32BIT & 1;
#endif
}

/* A system call in progress: which of the calls that the tool knows, and its arguments as
 * the registers hold them. */
struct call {
	__u32 via; /* VIA_UNKNOWN: none of them */
	unsigned long args[6];
};

/* Fills call->args; LOAD(regs, field) loads one register. */
#if defined(__TARGET_ARCH_x86)
#define CALL_ARGS(call, regs, LOAD)                                         \
	if ((call)->via & VIA_COMPAT && !(LOAD(regs, REGS_NR) & X32_BIT)) { \
		(call)->args[0] = (__u32)LOAD(regs, bx);                    \
		(call)->args[1] = (__u32)LOAD(regs, cx);                    \
		(call)->args[2] = (__u32)LOAD(regs, dx);                    \
		(call)->args[3] = (__u32)LOAD(regs, si);                    \
		(call)->args[4] = (__u32)LOAD(regs, di);                    \
		(call)->args[5] = (__u32)LOAD(regs, bp);                    \
	} else {                                                            \
		(call)->args[0] = LOAD(regs, di);                           \
		(call)->args[1] = LOAD(regs, si);                           \
		(call)->args[2] = LOAD(regs, dx);                           \
		(call)->args[3] = LOAD(regs, r10);                          \
		(call)->args[4] = LOAD(regs, r8);                           \
		(call)->args[5] = LOAD(regs, r9);                           \
	}
#else
#define CALL_ARGS(call, regs, LOAD)            \
	(call)->args[0] = LOAD(regs, orig_x0); \
	(call)->args[1] = LOAD(regs, regs[1]); \
	(call)->args[2] = LOAD(regs, regs[2]); \
	(call)->args[3] = LOAD(regs, regs[3]); \
	(call)->args[4] = LOAD(regs, regs[4]); \
	(call)->args[5] = LOAD(regs, regs[5]); \
	if ((call)->via & VIA_COMPAT)          \
		for (int i = 0; i < 6; i++)    \
			(call)->args[i] = (__u32)(call)->args[i];
#endif
#define READ_DIRECTLY(regs, field) (untyped ? BPF_CORE_READ(regs, field) : (regs)->field)

static __always_inline void exit_args(struct call *call, const struct pt_regs *regs)
{
	CALL_ARGS(call, regs, READ_DIRECTLY)
}

/* What a call asks for. Of none that it has no argument for: 0, but NULL, AT_FDCWD, -1. */
struct asked {
	__u32 via;
	__u32 call;           /* the same without VIA_COMPAT, and of socketcall(2) what that stands for */
	struct lookup lookup; /* dfd, name, how */
	struct lookup to;     /* to_dfd, to_name: where it gets another name, or a mount */
	int fd;               /* what it works on */
	__u32 at_flags;       /* AT_* */
	__u64 flags, mode, resolve;
	bool claimed;  /* these three are read from memory that the caller can change */
	__u64 argv;    /* of a program: pointers to strings, and NULL */
	__u64 addr;    /* a struct sockaddr, of `addrlen` bytes */
	__u64 message; /* a struct msghdr; or `count` of struct mmsghdr */
	__u32 addrlen, count;
	int pid, sig; /* a signal, and whom it is for */
};

/* A call that is made again: ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND, ENOIOCTLCMD, ERESTART_RESTARTBLOCK: include/linux/errno.h */
static __always_inline bool is_restart(long ret)
{
	return ret <= -ERESTARTSYS && ret >= -ERESTART_RESTARTBLOCK;
}

/* The roles of arguments, by place: roles_NAME[], constants of which nothing is left but what is asked for. */
enum role {
	ROLE__,
	ROLE_dfd,
	ROLE_name,
	ROLE_flags,
	ROLE_at_flags,
	ROLE_mode,
	ROLE_how, /* a struct open_how in user memory: flags, mode, resolve */
	ROLE_argv,
	ROLE_fd,
	ROLE_addr,
	ROLE_addrlen,
	ROLE_message,
	ROLE_count,
	ROLE_to_dfd,
	ROLE_to_name,
	ROLE_pid,
	ROLE_sig,
	ROLE_creates,
	ROLE_dir,
};
#define ROLES_MAX 7
#define ROLES_OF(a, b, c, d, e, f, g, ...)                                           \
	{                                                                            \
		ROLE_##a, ROLE_##b, ROLE_##c, ROLE_##d, ROLE_##e, ROLE_##f, ROLE_##g \
	}
#define X(name, x64, i386, a64, arm, ...) static const __u8 roles_##name[ROLES_MAX] = ROLES_OF(__VA_ARGS__, _, _, _, _, _, _);
NEEDLE_SYSCALLS(X)
#undef X

static __always_inline void fill_asked(struct asked *a, const unsigned long *args, const __u8 *roles)
{
	__u64 how[3] = {};

#pragma unroll
	for (int i = 0; i < ROLES_MAX; i++) {
		switch (roles[i]) {
		case ROLE_dfd: a->lookup.dfd = args[i]; break;
		case ROLE_name: a->lookup.name = (void *)args[i]; break;
		case ROLE_flags: a->flags = (__u32)args[i]; break;
		case ROLE_at_flags: a->at_flags = args[i]; break;
		case ROLE_mode: a->mode = args[i]; break;
		case ROLE_how:
			bpf_probe_read_user(how, sizeof(how), (void *)args[i]);
			a->flags = how[0];
			a->mode = how[1];
			a->resolve = how[2];
			a->lookup.in_root = !!(how[2] & RESOLVE_IN_ROOT);
			a->claimed = true;
			break;
		case ROLE_argv: a->argv = args[i]; break;
		case ROLE_fd: a->fd = args[i]; break;
		case ROLE_addr: a->addr = args[i]; break;
		case ROLE_addrlen: a->addrlen = args[i]; break;
		case ROLE_message: a->message = args[i]; break;
		case ROLE_count: a->count = args[i]; break;
		case ROLE_to_dfd: a->to.dfd = args[i]; break;
		case ROLE_to_name: a->to.name = (void *)args[i]; break;
		case ROLE_pid: a->pid = args[i]; break;
		case ROLE_sig: a->sig = args[i]; break;
		case ROLE_creates: a->flags = O_CREAT | O_WRONLY | O_TRUNC; break;
		case ROLE_dir: a->mode = S_IFDIR | (a->mode & 01777); break;
		}
	}
}

/* Whether it asks for what is behind a descriptor itself, which is then a->lookup.dfd: AT_EMPTY_PATH. */
static __always_inline bool asks_for_fd(const struct asked *a)
{
	char first = 1;

	return a->at_flags & AT_EMPTY_PATH && !bpf_probe_read_user(&first, 1, a->lookup.name) && !first;
}

/* The call that socketcall(2) stands for, whose arguments it has in user memory: of enum via; VIA_UNKNOWN. */
#define SOCKETCALL_CASE(name, number, words)    \
	case number:                            \
		call = VIA_##name;              \
		size = (words) * sizeof(*word); \
		break;
static __always_inline __u32 socketcall_of(unsigned long *args, const struct call *socketcall)
{
	__u32 call = VIA_UNKNOWN, size = 0, word[6] = {};

	switch (socketcall->args[0]) {
		NEEDLE_SOCKETCALLS(SOCKETCALL_CASE)
	}
	if (size)
		bpf_probe_read_user(word, size, (void *)socketcall->args[1]);
	for (int i = 0; i < 6; i++)
		args[i] = word[i];
	return call;
}

/* DEFINE_CALLS(NAME, LIST), with LIST(X) giving X(name) for each system call of interest:
 *   bool NAME_exits(call, regs)  whether the call that returns is one of them, whose arguments are left to exit_args();
 *                                for programs on sys_exit, whose registers are loaded directly
 *   bool NAME_in(call, regs)     the same for registers in memory
 *   bool NAME_runs(call)         for the call that the current task is in
 *   bool NAME_asked(asked, call) fills what it asks for; false: it is a socketcall(2) for none of them
 * Whether the task came by the 32-bit entry is only asked for numbers where it matters. */
#define CALL_CASE(name)              \
	case NR_##name:              \
		native = VIA_##name; \
		break;
#define CALL_CASE_COMPAT(name)                    \
	case NRC_##name:                          \
		compat = VIA_##name | VIA_COMPAT; \
		break;
#define IS_SOCKETCALL(name) || VIA_##name == VIA_socketcall
#define ASKED_CASE(name)                           \
	case VIA_##name:                           \
		fill_asked(a, args, roles_##name); \
		break;
#define CALL_NUMBERS(name) NR_##name, NRC_##name,
#define DEFINE_CALLS(fn, LIST)                                                                                        \
	const volatile __u32 calls_##fn[] = {LIST(CALL_NUMBERS)};                                                     \
	static __always_inline __u32 fn##_via(__u32 number)                                                           \
	{                                                                                                             \
		__u32 native = VIA_UNKNOWN, compat = VIA_UNKNOWN, nr = plain_number(number);                          \
                                                                                                                      \
		switch (nr) {                                                                                         \
			LIST(CALL_CASE)                                                                               \
		}                                                                                                     \
		switch (nr) {                                                                                         \
			LIST(CALL_CASE_COMPAT)                                                                        \
		}                                                                                                     \
		if (native == VIA_UNKNOWN && compat == VIA_UNKNOWN)                                                   \
			return VIA_UNKNOWN;                                                                           \
		if (native != VIA_UNKNOWN && is_x32_own(number))                                                      \
			native |= VIA_COMPAT;                                                                         \
		return any(in_compat_call() ? compat : native);                                                       \
	}                                                                                                             \
	static __always_inline __attribute__((unused)) bool fn##_exits(struct call *call, const struct pt_regs *regs) \
	{                                                                                                             \
		call->via = fn##_via(READ_DIRECTLY(regs, REGS_NR));                                                   \
		return call->via != VIA_UNKNOWN;                                                                      \
	}                                                                                                             \
	static __always_inline __attribute__((unused)) bool fn##_in(struct call *call, const struct pt_regs *regs)    \
	{                                                                                                             \
		call->via = fn##_via(READ(regs, REGS_NR));                                                            \
		if (call->via == VIA_UNKNOWN)                                                                         \
			return false;                                                                                 \
		CALL_ARGS(call, regs, READ)                                                                           \
		return true;                                                                                          \
	}                                                                                                             \
	static __always_inline __attribute__((unused)) bool fn##_runs(struct call *call)                              \
	{                                                                                                             \
		return fn##_in(call, task_regs());                                                                    \
	}                                                                                                             \
	static __always_inline __attribute__((unused)) bool fn##_asked(struct asked *a, const struct call *call)      \
	{                                                                                                             \
		unsigned long args[6];                                                                                \
                                                                                                                      \
		*a = (struct asked){.lookup.dfd = AT_FDCWD, .to.dfd = AT_FDCWD, .fd = -1, .via = call->via};          \
		a->call = call->via & ~VIA_COMPAT;                                                                    \
		for (int i = 0; i < 6; i++)                                                                           \
			args[i] = call->args[i];                                                                      \
		if ((0 LIST(IS_SOCKETCALL)) && a->call == VIA_socketcall)                                             \
			a->call = socketcall_of(args, call);                                                          \
		switch (a->call) {                                                                                    \
			LIST(ASKED_CASE)                                                                              \
		default: return false;                                                                                \
		}                                                                                                     \
		return true;                                                                                          \
	}

/* CALLS_OF(program, NAME): that the program, at sys_enter or sys_exit, does nothing at calls but those of DEFINE_CALLS(NAME, LIST). With
 * several tools in one process it is not attached by itself then: see dispatcher.bpf.c. User space reads the names. */
#define CALLS_OF(program, calls) const volatile bool program##__wants__##calls = true

/* CALL_ENDS(program, NAME, wants, ends): the program at sys_exit for the calls of DEFINE_CALLS(NAME, LIST). Nobody else knows how
 * their ends are seen. `wants`: of any call, by its `ret` alone, whether it is worth a look; `ends`: what to do with `call`, `regs` and
 * `ret`, as an int. exit_args() gets its arguments. */
#define CALL_ENDS(program, calls, wants, ends)                \
	CALLS_OF(program, calls);                             \
	SEC("?tp_btf/sys_exit")                               \
	int BPF_PROG(program, struct pt_regs *regs, long ret) \
	{                                                     \
		struct call call;                             \
                                                              \
		if (!(wants) || !calls##_exits(&call, regs))  \
			return 0;                             \
		return (ends);                                \
	}

/* The same at the end of the function by which a call enters: ENTRY() and others in kernel.h. */
#define ENTRY_ENDS(program, function, ends)                         \
	SEC("?fexit/" function)                                     \
	int BPF_PROG(program, const struct pt_regs *regs, long ret) \
	{                                                           \
		return (ends);                                      \
	}

/* Whether a call is one of a list. */
#define VIA_CASE(name) case VIA_##name:
#define VIA_IS(via, LIST)                         \
	({                                        \
		bool is = false;                  \
		switch ((via) & ~VIA_COMPAT) {    \
			LIST(VIA_CASE) is = true; \
		}                                 \
		is;                               \
	})

/* Whether the current task's system call, with these task_regs(), has not returned yet: what runs in the task behind its end, as io_uring's
 * work does, finds the call's number and arguments, too, but its result. x86: entry_64.S, entry.S of FRED. */
static __always_inline bool call_runs(const struct pt_regs *regs)
{
#if defined(__TARGET_ARCH_x86)
	return (int)READ(regs, ax) == -ENOSYS;
#else
	return READ(regs, regs[0]) == READ(regs, orig_x0);
#endif
}

/* Whether the current task, with these task_regs(), works for io_uring: as a worker or poller of it, or from within
 * io_uring_enter(2), whose number is the same everywhere, and of which the kernel takes the lower half. What it does at the end of
 * another call shows only in that: see used_io_uring(). */
static __always_inline bool in_io_uring(const struct pt_regs *regs)
{
	return READ(current_task(), flags) & PF_IO_WORKER || plain_number(READ(regs, REGS_NR)) == NR_io_uring_enter;
}

/* Whether the current task has used io_uring. Its requests may be worked on at the end of any of its system calls, and then belong
 * to none. */
static __always_inline bool used_io_uring(void)
{
	struct task_struct *task = current_task();

	return bpf_core_field_exists(task->io_uring) && READ(task, io_uring);
}

/* Both: whether the current task, in none of the calls that IN knows (of DEFINE_CALLS()), does such a call's work for io_uring. */
#define WORKS_FOR_IO_URING(IN, regs)                                         \
	({                                                                   \
		struct call other;                                           \
		in_io_uring(regs) || (used_io_uring() && !IN(&other, regs)); \
	})

#endif
