// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "exitsnoop.h"
#include "context.bpf.h"
#include "signal.bpf.h"

/* --threads */
const volatile bool each_thread = false;

/* ---- Who sent the deadly signal: who sends one is only there when it is sent. */
struct deadly {
	__u32 pid; /* of the target */
	__u32 sig;
};
struct sender {
	__u32 pid; /* EV_NONE: the kernel */
	__u32 unused;
	struct ev_comm comm;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct deadly);
	__type(value, struct sender);
} senders SEC(".maps");

/* signal(7): what they do by default is not to end a process; the others may be handled, which is not asked here. */
static __always_inline bool may_kill(int sig)
{
	return sig != SIGURG && sig != SIGWINCH && !(sig >= SIGCHLD && sig <= SIGTTOU);
}

/* `result` 0: it goes to the target; 3 and 4 are realtime signals that find no room: enum in include/trace/events/signal.h. */
SEC("?tp_btf/signal_generate")
int BPF_PROG(killer__tp_signal, int sig, struct kernel_siginfo *info, struct task_struct *target, int group, int result)
{
	struct deadly key = {.sig = sig};
	struct sender sender = {};

	if (!(filter.want & WANT_KILLER) || !may_kill(sig) || result)
		return 0;
	key.pid = READ(target, tgid);
	sender.pid = EV_NONE;
	if (sent_by_current(signal_code(info))) {
		sender.pid = current_pid_tgid() >> 32;
		comm_of(&sender.comm, READ(current_task(), group_leader));
	}
	bpf_map_update_elem(&senders, &key, &sender, BPF_ANY);
	return 0;
}

static __always_inline void fill_killer(struct exit_event *e)
{
	struct deadly key = {.pid = e->h.pid, .sig = e->status & 0x7f};
	struct sender *sender;

	e->killer_pid = EV_NONE;
	if (!key.sig)
		return;
	sender = bpf_map_lookup_elem(&senders, &key);
	if (!sender) {
		e->killer_pid = EV_UNKNOWN;
		return;
	}
	e->killer_pid = sender->pid;
	e->killer = sender->comm;
	bpf_map_delete_elem(&senders, &key);
}

/* ---- What it used: what the kernel has added up of threads that are gone, and what those had that it still knows. */
struct usage {
	__u64 user, system, ran;
	__u64 read, written;
};
#define UNRELEASED_MAX 64

static __always_inline void add_thread(struct usage *u, struct task_struct *task)
{
	u->user += READ(task, utime);
	u->system += READ(task, stime);
	u->ran += READ(task, se.sum_exec_runtime);
	if (bpf_core_field_exists(task->ioac.rchar)) {
		u->read += READ(task, ioac.rchar);
		u->written += READ(task, ioac.wchar);
	}
}

/* Of all threads of the current process, into the record of this slot. Nonzero: there are more than are looked at. Global: verified
 * once. */
__noinline int add_threads(__u32 slot)
{
	struct record *r = bpf_map_lookup_elem(&scratch, &slot);
	struct signal_struct *signal = READ(current_task(), signal);
	struct list_head *first, *at;
	struct usage *u;

	if (!r)
		return 1;
	u = (void *)r->path;
	u->user = READ(signal, utime);
	u->system = READ(signal, stime);
	u->ran = READ(signal, sum_sched_runtime);
	u->read = u->written = 0;
	if (bpf_core_field_exists(signal->ioac.rchar)) {
		u->read = READ(signal, ioac.rchar);
		u->written = READ(signal, ioac.wchar);
	}
	first = (void *)signal + bpf_core_field_offset(struct signal_struct, thread_head);
	at = READ(first, next);
	for (__u32 i = 0; i < UNRELEASED_MAX; i++) {
		if (at == first)
			return 0;
		add_thread(u, (void *)at - bpf_core_field_offset(struct task_struct, thread_node));
		at = READ(at, next);
	}
	return at != first;
}

/* The kernel counts user and system time by samples, and how long a thread ran exactly: as cputime_adjust() in
 * kernel/sched/cputime.c, whose figures wait4(2) gives, the samples only share that out. */
static __always_inline void fill_times(struct exit_event *e, const struct usage *u)
{
	__u64 system = u->system, all = u->user + u->system, share;

	if (all >> 47) {
		system >>= 16;
		all >>= 16;
	}
	share = all ? (system << 16) / all : 0;
	if (!u->user && u->system)
		share = 1 << 16;
	e->system = (u->ran >> 16) * share + ((u->ran & 0xffff) * share >> 16);
	e->user = u->ran - e->system;
}

static __always_inline void fill_usage(struct record *r, struct exit_event *e, struct task_struct *task)
{
	struct usage *u = (void *)r->path;
	bool counts_bytes = bpf_core_field_exists(task->ioac.rchar), known = true;

	if (e->whole) {
		known = !add_threads(r->slot);
	} else {
		__builtin_memset(u, 0, sizeof(*u));
		add_thread(u, task);
	}
	e->maxrss = e->whole ? READ(task, signal, maxrss) : EV_NONE64;
	e->user = e->system = e->read = e->written = EV_NONE64;
	if (known)
		fill_times(e, u);
	if (known && counts_bytes) {
		e->read = u->read;
		e->written = u->written;
	}
}

/* ---- Ends. */

/* A process with several threads: how many have ended, and, with bit 63 of the id set, that the end of all has been told. */
#define TOLD (1ull << 63)

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct process);
	__type(value, __u64);
} endings SEC(".maps");

/* Counts the end of a thread. Returns how many of its process have ended. */
static __always_inline __u64 count_end(const struct process *key)
{
	__u64 *known = bpf_map_lookup_elem(&endings, key), none = 0;

	if (!known) {
		bpf_map_update_elem(&endings, key, &none, BPF_NOEXIST);
		known = bpf_map_lookup_elem(&endings, key);
	}
	if (!known)
		return 1;
	__sync_fetch_and_add(known, 1);
	return *(volatile __u64 *)known;
}

/* Whether it is for this thread to tell the end of its process: of several that end at the same time, each may find that
 * none is left. */
static __always_inline bool tells_end(struct process *key)
{
	__u64 yes = 1;

	key->pid |= TOLD;
	return !bpf_map_update_elem(&endings, key, &yes, BPF_NOEXIST);
}

/* What wait(2) says of a process, or of a thread what it ended with. A process that ends thread by thread has the first
 * one's; since 6.0 (d80f7d7b2c75) the kernel always notes it as the whole's. */
static __always_inline __u32 status_of(struct task_struct *task, bool whole)
{
	if (!whole)
		return READ(task, exit_code);
	if (READ(task, signal, flags) & SIGNAL_GROUP_EXIT)
		return READ(task, signal, group_exit_code);
	return READ(task, group_leader, exit_code);
}

static __always_inline int thread_ends(struct task_struct *task, bool last)
{
	struct task_struct *leader = READ(task, group_leader);
	struct process key = {.start = READ(leader, start_boottime), .pid = READ(task, tgid)};
	/* The others are gone, and none has been seen to end: most processes have but one. */
	bool alone = last && READ(task, signal, nr_threads) == 1 && !bpf_map_lookup_elem(&endings, &key);
	__u64 threads = alone ? 1 : count_end(&key);
	struct exit_event *e;
	struct record *r;
	__u32 status;

	last = alone || (last && tells_end(&key));
	if (!each_thread && (!last || READ(task, flags) & PF_KTHREAD))
		return 0;
	status = status_of(task, last) & 0xffff;
	if (filtered_out() || (filter.set & FILTER_FAILED && !status))
		return drop();
	r = event_begin(exit_event);
	if (!r)
		return 0;
	e = event_of(r, exit_event);
	fill_header(&e->h);
	e->h.src = SRC_KERNEL;
	e->h.via = VIA_KERNEL;
	e->age = bpf_ktime_get_boot_ns() - READ(task, group_leader, start_boottime);
	e->status = status;
	e->whole = last;
	e->threads = threads;
	e->oom = !!READ(task, signal, oom_mm);
	if (filter.want & WANT_USAGE)
		fill_usage(r, e, task);
	if (filter.want & WANT_KILLER)
		fill_killer(e);
	append_context(r);
	event_submit(r);
	return 0;
}

/* Of each thread. Before 6.16 its memory is gone by then, and with it which program it was. */
SEC("?tp_btf/sched_process_exit")
int BPF_PROG(exit__tp_end, struct task_struct *task)
{
	return thread_ends(task, READ(task, signal, live.counter) <= 0);
}

/* It is still there where the process accounts for itself: do_exit() in kernel/exit.c. */
SEC("?fentry/taskstats_exit")
int BPF_PROG(exit__fentry_end, struct task_struct *task)
{
	return thread_ends(task, READ(task, signal, live.counter) <= 0);
}
