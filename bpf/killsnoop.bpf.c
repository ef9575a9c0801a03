// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "killsnoop.h"
#include "signal.bpf.h"
#include "syscall.bpf.h"
#include "target.bpf.h"
#include "trampoline.bpf.h"

/* --signal: bit n for signal n + 1 */
const volatile __u64 only_signals = ~0ull;
const volatile bool signals_given = false;
/* --signal 0: it only asks whether one could be sent */
const volatile bool probes = false;
/* --no-kernel */
const volatile bool no_kernel = false;

#define KILL_CALLS(X) X(kill) X(tkill) X(tgkill) X(rt_sigqueueinfo) X(rt_tgsigqueueinfo) X(pidfd_send_signal)
DEFINE_CALLS(kill, KILL_CALLS)
#define PTRACE_CALLS(X) X(ptrace)
DEFINE_CALLS(ptrace, PTRACE_CALLS)

/* Calls that let a process say itself how a signal has come about, if it is for itself: only then whatever it likes. */
#define QUEUE_CALLS(X) X(rt_sigqueueinfo) X(rt_tgsigqueueinfo) X(pidfd_send_signal)

/* A number that is no signal's is refused with EINVAL: of interest unless only some are. */
static __always_inline bool signal_wanted(__u32 sig)
{
	if (!sig)
		return probes;
	return sig > 64 ? !signals_given : only_signals >> (sig - 1) & 1;
}

/* ---- What nobody has sent: filters are about the process that it is for, as far as they can be; its own is asked by filtered_out(). */
__noinline int receiver_filtered_out(__u64 of_task)
{
	struct task_struct *task = (void *)of_task, *leader = READ(task, group_leader);
	__u32 pid = READ(task, tgid);
	__u64 comm[2];

	if (pid == stats.self || filter.cgroups || filter.set & FILTER_CONTAINER)
		return 1;
	if (filter.lists[LIST_TID].count || filter.lists[LIST_PPID].count || filter.lists[LIST_EUID].count ||
	    filter.lists[LIST_SESSION].count || filter.lists[LIST_MNT_NS].count || filter.lists[LIST_PID_NS].count)
		return 1;
	if (filter.lists[LIST_PID].count && !names_task(LIST_PID, leader, pid))
		return 1;
	if (filter.lists[LIST_NOT_PID].count && names_task(LIST_NOT_PID, leader, pid))
		return 1;
	if (filter.set & FILTER_TREE && !is_followed(pid, task))
		return 1;
	if (UNLISTED(LIST_UID, READ(task, real_cred, uid.val)) || LISTED(LIST_NOT_UID, READ(task, real_cred, uid.val)))
		return 1;
	comm_of((struct ev_comm *)comm, leader);
	return (filter.names && !has_name(comm, filter.name, filter.names)) || has_name(comm, filter.not_name, filter.not_names);
}

static __always_inline void fill_nobody(struct event_header *h)
{
	h->time = bpf_ktime_get_boot_ns();
	h->pid = h->tid = h->ppid = EV_NONE;
	h->uid = h->euid = h->gid = EV_NONE;
	h->mnt_ns = h->pid_ns = EV_NONE;
	__builtin_memcpy(h->comm.s, "kernel", 6);
	h->thread = h->comm;
	h->kthread = EV_NONE;
}

/* ---- What is sent. `result`: enum in include/trace/events/signal.h. */
enum generated { SIGNAL_DELIVERED, SIGNAL_IGNORED, SIGNAL_ALREADY_PENDING, SIGNAL_OVERFLOW_FAIL, SIGNAL_LOSE_INFO };

/* A dead process takes no signal, whatever the kernel says of it: before 5.17 or so it does not tell those that had one thread from others. */
static __always_inline __u32 outcome_of(struct task_struct *task, bool group, int result)
{
	bool ignored = result == SIGNAL_IGNORED;

	if (READ(task, signal, live.counter) <= 0 || (!group && READ(task, exit_state)))
		return OUTCOME_DEAD;
	if (ignored && READ(task, signal, flags) & SIGNAL_GROUP_EXIT)
		return OUTCOME_DEAD;
	if (result == SIGNAL_ALREADY_PENDING)
		return OUTCOME_PENDING;
	return ignored ? OUTCOME_IGNORED : OUTCOME_DELIVERED;
}

/* By which call the current task sends a signal, with VIA_COMPAT; VIA_KERNEL: by none; VIA_UNKNOWN: it does not. `own`: it is for its
 * own process. */
static __always_inline __u32 sends_by(int sig, int code, bool own)
{
	struct call call;
	bool mine = sent_by_current(code);

	if (kill_runs(&call) && (mine || (own && VIA_IS(call.via, QUEUE_CALLS))))
		return call.via;
	if (mine)
		return VIA_KERNEL;
	if (sig == SIGSTOP && code == SI_KERNEL && !own && ptrace_runs(&call)) /* PTRACE_ATTACH */
		return call.via;
	return VIA_UNKNOWN;
}

SEC("?tp_btf/signal_generate")
int BPF_PROG(sent__tp_generate, int sig, struct kernel_siginfo *info, struct task_struct *task, int group, int result)
{
	bool own = READ(task, tgid) == (int)(current_pid_tgid() >> 32), fails = result == SIGNAL_OVERFLOW_FAIL;
	int code = signal_code(info);
	struct kill_event *e;
	struct record *r;
	__u32 via;

	if (!signal_wanted(sig) || (filter.set & FILTER_FAILED && !fails) || target_filtered_out(task))
		return drop();
	via = sends_by(sig, code, own);
	if (no_kernel && via == VIA_UNKNOWN)
		return drop();
	if (via != VIA_UNKNOWN || own ? filtered_out() : receiver_filtered_out(number(task)))
		return drop();
	r = event_begin(kill_event);
	if (!r)
		return 0;
	e = event_of(r, kill_event);
	if (via != VIA_UNKNOWN) {
		fill_header(&e->h);
		e->h.via = via;
	} else {
		fill_nobody(&e->h);
		e->h.via = VIA_KERNEL;
	}
	e->h.src = SRC_KERNEL;
	e->sig = e->code.of = sig;
	e->code.code = code;
	e->requested = EV_TARGET_NONE;
	if (fails)
		e->result.err = EAGAIN;
	else
		e->result.outcome = outcome_of(task, group, result);
	fill_target(r, kill_event, task);
	if (!group)
		e->target.tid = READ(task, pid);
	if (via != VIA_UNKNOWN || own) /* what the kernel sends a process for what that does */
		append_context(r);
	event_submit(r);
	return 0;
}

/* ---- What is refused, or not sent: signal 0. */

/* Whom a call names, in the current task's pid namespace: one, else NULL, and `id` is what it is in the initial one. */
static __always_inline struct task_struct *named(const struct asked *a, __s64 *id)
{
	struct task_struct *task = current_task();
	bool initial = !READ(task, thread_pid, level);
	struct pid *pid;

	*id = EV_TARGET_UNKNOWN;
	if (a->call == VIA_pidfd_send_signal)
		return task_of_pid(pid_of_file(fd_file(a->fd)));
	if (a->call == VIA_kill && !a->pid) {
		*id = -(__s64)READ(task, signal, pids[PIDTYPE_PGID], numbers[0].nr);
		return NULL;
	}
	if (a->call == VIA_kill && a->pid == -1) {
		*id = -1;
		return NULL;
	}
	if (initial)
		*id = a->pid;
	pid = (void *)pid_by_number(a->call == VIA_kill && a->pid < 0 ? -a->pid : a->pid);
	if (a->pid > 0)
		return task_of_pid(pid);
	if (pid && !initial)
		*id = -(__s64)READ(pid, numbers[0].nr);
	return NULL;
}

static __always_inline void report(const struct asked *a, int err)
{
	struct task_struct *task;
	struct kill_event *e;
	struct record *r;
	__s64 id;

	if (!signal_wanted(a->sig) || (filter.set & FILTER_FAILED && !err) || filtered_out()) {
		drop();
		return;
	}
	task = named(a, &id);
	if (target_filtered_out(task)) {
		drop();
		return;
	}
	r = event_begin(kill_event);
	if (!r)
		return;
	e = event_of(r, kill_event);
	fill_header(&e->h);
	e->h.via = a->via;
	e->h.src = task ? SRC_FD : SRC_USER;
	e->sig = e->code.of = a->sig;
	e->code.code = SI_USER;
	e->requested = a->call == VIA_pidfd_send_signal ? EV_TARGET_NONE : (__s64)a->pid;
	e->result.err = err;
	e->result.outcome = OUTCOME_POSSIBLE;
	if (task) {
		fill_target(r, kill_event, task);
		if (a->call != VIA_kill && a->call != VIA_rt_sigqueueinfo && a->call != VIA_pidfd_send_signal)
			e->target.tid = READ(task, pid);
	} else {
		fill_no_target(&e->target, id);
	}
	append_context(r);
	event_submit(r);
}

/* EAGAIN has been told of by the tracepoint. Global: verified once. */
#define OF_INTEREST(ret) (((ret) < 0 && (ret) != -EAGAIN) || (probes && !(ret)))
__noinline int kill_returns(int ret)
{
	struct call call;
	struct asked a;

	if (!kill_runs(&call))
		return 0;
	kill_asked(&a, &call);
	if (ret < 0 || !a.sig)
		report(&a, -ret);
	return 0;
}

CALL_ENDS(refused__tp_sys_exit, kill, OF_INTEREST(ret), kill_returns(ret))

/* Kernel tier: the end of the function by which a call enters. */
#define RETURNS (OF_INTEREST(ret) ? kill_returns(ret) : 0)
ENTRY_ENDS(refused__fentry_kill, ENTRY(kill), RETURNS)
ENTRY_ENDS(refused__fentry_tkill, ENTRY(tkill), RETURNS)
ENTRY_ENDS(refused__fentry_tgkill, ENTRY(tgkill), RETURNS)
ENTRY_ENDS(refused__fentry_queue, ENTRY(rt_sigqueueinfo), RETURNS)
ENTRY_ENDS(refused__fentry_tgqueue, ENTRY(rt_tgsigqueueinfo), RETURNS)
ENTRY_ENDS(refused__fentry_pidfd, ENTRY(pidfd_send_signal), RETURNS)
#if defined(__TARGET_ARCH_x86)
ENTRY_ENDS(refused__fentry_opt_compat_kill, ENTRY_32(kill), RETURNS)
ENTRY_ENDS(refused__fentry_opt_compat_tkill, ENTRY_32(tkill), RETURNS)
ENTRY_ENDS(refused__fentry_opt_compat_tgkill, ENTRY_32(tgkill), RETURNS)
ENTRY_ENDS(refused__fentry_opt_compat_pidfd, ENTRY_32(pidfd_send_signal), RETURNS)
#endif
ENTRY_ENDS(refused__fentry_opt_compat_queue, ENTRY_COMPAT(rt_sigqueueinfo), RETURNS)
ENTRY_ENDS(refused__fentry_opt_compat_tgqueue, ENTRY_COMPAT(rt_tgsigqueueinfo), RETURNS)

WATCH_TRAMPOLINES(refused__fentry_opt_watch)
