/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The BPF side of every tool: the filter, and an event's life: begin, append, submit. */
#ifndef NEEDLE_SNOOP_BPF_H
#define NEEDLE_SNOOP_BPF_H

#include "kernel.h"
#include "event.h"
#include "filter.h"

/* A tool with longer tails defines its own. Both are powers of two; RECORD_MAX is what all
 * strings of a record may take together, and stays below 64 KiB (ev_str has 16-bit offsets). */
#ifndef RECORD_MAX
#define RECORD_MAX 16384
#endif
#ifndef STR_MAX
#define STR_MAX 4096
#endif
#define PATH_BYTES 8192 /* a path may be longer than PATH_MAX: that limits only what a call names */
#ifndef SCRATCH_SLOTS
#define SCRATCH_SLOTS 4 /* per CPU */
#endif

const volatile struct filter filter = {};
/* The kernel has no types: what a tracepoint hands over cannot be loaded directly. */
const volatile bool untyped = false;
struct event_stats stats = {};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 22); /* --buffer */
} events SEC(".maps");

/* The ancestors of a process, the parent first. */
struct lineage {
	__u32 count;
	__u32 cut; /* there are more */
	struct ancestor ancestors[LINEAGE_MAX];
};

/* Working memory for one event. `cpu * SCRATCH_SLOTS` of them: user space sets max_entries. */
struct record {
	__u32 busy;
	__u32 slot;
	__u32 len;
	__u32 sent; /* records from here */
	/* the walk of path.bpf.h */
	__u32 pos, unused;
	__u64 dentry, mount, root;
	__u64 ns; /* the mount namespace that it is told for */
	__u64 path_mark;
	__u32 fold_in, fold_out; /* of fold_name() */
	char path[PATH_BYTES + 256];
	/* of context.bpf.h */
	__u64 leader, node, owned;
	struct lineage lineage; /* with room to append another */
	struct ancestor more[LINEAGE_MAX];
	/* old verifiers know no more of an offset than its mask: room for what is longest behind that */
	char bytes[RECORD_MAX + (STR_MAX > PATH_BYTES ? STR_MAX : PATH_BYTES)];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SCRATCH_SLOTS);
	__type(key, __u32);
	__type(value, struct record);
} scratch SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct listed);
	__type(value, __u8);
} filter_lists SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} filter_cgroups SEC(".maps");

/* The same number, of which the verifier knows nothing: what follows it walks once, and not for each value that it may have. */
static __always_inline __u32 any(__u32 number)
{
	return number + *(volatile __u32 *)&stats.zero;
}

static __always_inline void wake_reader(void)
{
	void *nothing = bpf_ringbuf_reserve(&events, 8, 0);

	if (nothing)
		bpf_ringbuf_discard(nothing, BPF_RB_FORCE_WAKEUP);
}

static __always_inline bool listed(enum list list, __u32 value)
{
	struct listed key = {list, value};

	if (filter.lists[list].count == 1)
		return filter.lists[list].first == value;
	return bpf_map_lookup_elem(&filter_lists, &key);
}

/* The value is only read if the list is given. */
#define UNLISTED(list, value) (filter.lists[list].count && !listed(list, value))
#define LISTED(list, value) (filter.lists[list].count && listed(list, value))

/* As the helper bpf_get_current_pid_tgid() has them, which is a call. */
static __always_inline __u64 current_pid_tgid(void)
{
	struct task_struct *task = current_task();

	return direct_reads ? (__u64)READ(task, tgid) << 32 | (__u32)READ(task, pid) : bpf_get_current_pid_tgid();
}

/* The process's own, whatever credentials it works with for a moment: overlayfs's, or those of a personality of io_uring. A worker
 * of io_uring keeps what it had when it was made: its process's count. */
static __always_inline __u64 current_uid_gid(void)
{
	struct task_struct *task = current_task();
	const struct cred *cred;

	if (READ(task, flags) & PF_IO_WORKER)
		task = READ(task, group_leader);
	cred = READ(task, real_cred);
	return (__u64)READ(cred, gid.val) << 32 | READ(cred, uid.val);
}

static __always_inline __u64 current_cgroup_id(void)
{
	return direct_reads ? READ(current_task(), cgroups, dfl_cgrp, kn, id) : bpf_get_current_cgroup_id();
}

/* The registers that the current task entered the kernel with, at the end of its stack. Memory to be read, not a BTF pointer. */
static __always_inline const struct pt_regs *task_regs(void)
{
	return READ(current_task(), stack) + stats.regs;
}

/* Zeroes are behind its end: by the kernel itself since 5.17. */
static __always_inline void comm_of(struct ev_comm *comm, struct task_struct *task)
{
	void *from = (void *)task + bpf_core_field_offset(struct task_struct, comm);
	__u64 *to = (__u64 *)comm;

	if (direct_reads) {
		to[0] = DIRECT(__u64, from);
		to[1] = DIRECT(__u64, from + 8);
	} else {
		to[0] = to[1] = 0;
		bpf_probe_read_kernel_str(comm, sizeof(*comm), from);
	}
}

/* In which bytes of a word that byte is: 0x80 there, 0 elsewhere. */
#define EACH_BYTE(n) (0x0101010101010101ull * (n))
static __always_inline __u64 equal_bytes(__u64 word, __u8 byte)
{
	word ^= EACH_BYTE(byte);
	return ~(((word & EACH_BYTE(0x7f)) + EACH_BYTE(0x7f)) | word | EACH_BYTE(0x7f));
}

/* Whether a name has this one's first two bytes, one behind the other: most have not. */
static __always_inline bool may_have(__u64 low, __u64 high, const volatile struct filter_name *name)
{
	__u8 first = name->bytes[0], second = name->bytes[0] >> 8;
	__u64 firsts = equal_bytes(low, first), more = equal_bytes(high, first);

	if (name->mask[0] >> 8) {
		__u64 next = equal_bytes(high, second);

		firsts &= equal_bytes(low, second) >> 8 | next << 56;
		more &= next >> 8;
	}
	return firsts | more;
}

/* Whether a name has one of these in it. The bytes behind its end are zero, a name's never. */
static __always_inline bool has_name(const __u64 comm[2], const volatile struct filter_name *names, __u32 count)
{
	for (__u32 i = 0; i < NAMES_MAX && i < count; i++) {
		__u64 low = comm[0], high = comm[1];

		if (!may_have(low, high, &names[i]))
			continue;
		for (__u32 j = 0; j < 16; j++) {
			if (!(((low ^ names[i].bytes[0]) & names[i].mask[0]) | ((high ^ names[i].bytes[1]) & names[i].mask[1])))
				return true;
			low = low >> 8 | high << 56;
			high >>= 8;
		}
	}
	return false;
}

/* Whether the only name that is asked for begins nowhere in the task's: so it is for most, by a look that needs no call. */
static __always_inline bool names_apart(struct task_struct *task)
{
	__u64 comm[2];

	if (!direct_reads || filter.names != 1 || READ(task, group_leader) != task)
		return false;
	comm_of((struct ev_comm *)comm, task);
	return !may_have(comm[0], comm[1], &filter.name[0]);
}

/* Matches the thread's name and its process's: a worker of io_uring carries its own.
 * Global, so that the verifier walks it once. */
__noinline int name_filtered_out(void)
{
	struct task_struct *task = current_task();
	struct task_struct *leader = READ(task, group_leader);
	__u64 thread[2], process[2];

	comm_of((struct ev_comm *)thread, task);
	comm_of((struct ev_comm *)process, leader);
#define NAMED(names, count) (has_name(thread, names, count) || (leader != task && has_name(process, names, count)))
	return (filter.names && !NAMED(filter.name, filter.names)) || NAMED(filter.not_name, filter.not_names);
#undef NAMED
}

__noinline int cgroup_filtered_out(void)
{
	for (__u32 i = 0; i < CGROUPS_MAX && i < filter.cgroups; i++)
		if (bpf_current_task_under_cgroup(&filter_cgroups, i) == 1)
			return 0;
	return 1;
}

/* The number of a task in its own pid namespace, and that namespace; NULL if it has none any more. */
static __always_inline struct upid *innermost_upid(struct task_struct *task)
{
	struct pid *pid = READ(task, thread_pid);
	__u32 level = READ(pid, level);

	return pid ? (void *)pid + bpf_core_field_offset(struct pid, numbers) + level * bpf_core_type_size(struct upid) : NULL;
}

static __always_inline __u32 pid_ns_of(struct task_struct *task)
{
	struct upid *upid = innermost_upid(task);

	return upid ? READ(upid, ns, ns.inum) : 0;
}

/* As setsid(2) and ps -o sid have it: the process id of the leader. */
static __always_inline __u32 session_of(struct task_struct *task)
{
	return READ(task, signal, pids[PIDTYPE_SID], numbers[0].nr);
}

/* What a process, a thread or a session is called in the tool's own pid namespace: that is what the user knows, and
 * what the lists have with FILTER_OWN_IDS. 0: it is not in there, so nothing. `of_pid`: its struct pid. */
__noinline int own_id(__u64 of_pid)
{
	struct pid *pid = (void *)of_pid;
	__u32 level = stats.pid_level;
	struct upid *upid;

	if (!pid || READ(pid, level) < level)
		return 0;
	upid = (void *)of_pid + bpf_core_field_offset(struct pid, numbers) + level * bpf_core_type_size(struct upid);
	return READ(upid, ns, ns.inum) == stats.pid_ns ? READ(upid, nr) : 0;
}

/* Whether a list has this thread, or this process by its leader. An id was given to mean what had it then: what got it
 * later, being used again, is another. `id`: in the initial namespace. */
static __always_inline bool names_task(enum list list, struct task_struct *task, __u32 id)
{
	if (filter.set & FILTER_OWN_IDS)
		id = own_id(number(READ(task, thread_pid)));
	return listed(list, id) && READ(task, start_boottime) <= stats.asked;
}

static __always_inline bool names_session(struct task_struct *task)
{
	__u32 id = session_of(task);

	if (filter.set & FILTER_OWN_IDS)
		id = own_id(number(READ(task, signal, pids[PIDTYPE_SID])));
	return listed(LIST_SESSION, id);
}

#include "cgroup.bpf.h"
#include "follow.bpf.h"

/* Of the current task. */
static __always_inline bool id_filtered_out(__u64 pid_tgid)
{
	__u32 pid = pid_tgid >> 32, tid = pid_tgid;

	if (stats.self == pid)
		return true;
	if (filter.lists[LIST_PID].count && !names_task(LIST_PID, READ(current_task(), group_leader), pid))
		return true;
	if (filter.lists[LIST_TID].count && !names_task(LIST_TID, current_task(), tid))
		return true;
	return filter.lists[LIST_NOT_PID].count && names_task(LIST_NOT_PID, READ(current_task(), group_leader), pid);
}

/* Whether the current process is one that nobody asked for. */
static __always_inline bool filtered_out(void)
{
	struct task_struct *task = current_task();
	__u64 pid_tgid = current_pid_tgid();

	if (id_filtered_out(pid_tgid))
		return true;
	if (filter.set & FILTER_TREE && !is_followed(pid_tgid >> 32, task) && !(untyped && found_late()))
		return true;
	if (UNLISTED(LIST_UID, current_uid_gid()) || LISTED(LIST_NOT_UID, current_uid_gid()))
		return true;
	if (UNLISTED(LIST_EUID, READ(task, cred, euid.val)))
		return true;
	if (UNLISTED(LIST_MNT_NS, READ(task, nsproxy, mnt_ns, ns.inum)) || UNLISTED(LIST_PID_NS, pid_ns_of(task)))
		return true;
	if (filter.lists[LIST_SESSION].count && !names_session(task))
		return true;
	if (filter.cgroups && cgroup_filtered_out())
		return true;
	if (filter.set & FILTER_CONTAINER && cgroup_unwanted())
		return true;
	return (filter.names || filter.not_names) && (names_apart(task) || name_filtered_out());
}

/* Who does it: the current task. */
static __always_inline void fill_header(struct event_header *h)
{
	struct task_struct *task = current_task(), *leader = READ(task, group_leader);
	__u64 pid_tgid = current_pid_tgid();

	h->pid = pid_tgid >> 32;
	h->tid = pid_tgid;
	if (filter.want & WANT_TIME)
		h->time = bpf_ktime_get_boot_ns();
	if (filter.want & WANT_IDS) {
		__u64 uid_gid = current_uid_gid();

		h->uid = (__u32)uid_gid;
		h->gid = uid_gid >> 32;
	}
	comm_of(&h->comm, leader);
	if (filter.want & WANT_WHO) {
		h->cgroup = current_cgroup_id();
		h->start = READ(leader, start_boottime);
		h->ppid = READ(leader, real_parent, tgid);
		h->euid = READ(task, cred, euid.val);
		h->mnt_ns = READ(task, nsproxy, mnt_ns, ns.inum);
		h->pid_ns = pid_ns_of(task);
		h->kthread = !!(READ(task, flags) & PF_KTHREAD);
		comm_of(&h->thread, task);
	}
}

/* Claims one of this CPU's scratch records, or NULL: a program may be preempted by another
 * task's on the same CPU, or nested in an interrupt. An addition, not a compare and
 * swap, which BPF has only since 5.12: of two that meet, both may go on to the next. */
static __always_inline struct record *record_try(void)
{
	__u32 first = bpf_get_smp_processor_id() * SCRATCH_SLOTS;

	for (__u32 i = 0; i < SCRATCH_SLOTS; i++) {
		__u32 slot = first + i;
		struct record *r = bpf_map_lookup_elem(&scratch, &slot);

		if (!r)
			break;
		__sync_fetch_and_add(&r->busy, 1);
		if (*(volatile __u32 *)&r->busy == 1) {
			r->slot = slot;
			return r;
		}
		__sync_fetch_and_add(&r->busy, -1);
	}
	return NULL;
}

/* For an event: not to get one is to lose it. */
static __always_inline struct record *record_claim(void)
{
	struct record *r = record_try();

	if (!r)
		__sync_fetch_and_add(&stats.lost_busy, 1);
	return r;
}

static __always_inline void record_release(struct record *r)
{
	__sync_fetch_and_add(&r->busy, -1);
}

/* The record's bytes from `off`, less than RECORD_MAX, which is asserted again: the compiler would
 * drop a mask that a check before makes needless, and kernels before 5.17 forget the check when
 * they keep `off` on the stack. */
static __always_inline void *record_at(struct record *r, __u32 off)
{
	barrier_var(off);
	return &r->bytes[off & (RECORD_MAX - 1)];
}

static __always_inline struct record *event_begin_(__u32 size)
{
	struct record *r = record_claim();

	if (!r)
		return NULL;
	__builtin_memset(r->bytes, 0, size);
	r->len = size;
	return r;
}

/* event_begin(r, TYPE): a claimed record with a zeroed struct TYPE at its start, or NULL,
 * which is counted as lost. The caller fills the header, and ends with event_submit()
 * or event_drop(). */
#define event_begin(type) event_begin_(sizeof(struct type))
#define event_of(r, type) ((struct type *)(r)->bytes)

static __always_inline void event_drop(struct record *r)
{
	record_release(r);
}

static __always_inline bool much_has_gathered(void)
{
	return bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) > bpf_ringbuf_query(&events, BPF_RB_RING_SIZE) / 4;
}

/* Sends the record, and wakes the reader if it sleeps and once if much has gathered: a wake-up costs
 * more than all the rest (see common/run/session.cpp). `look`: whether to see if it has. */
static __always_inline void submit_bytes(void *data, __u32 len, bool look)
{
	__u32 waits;

	if (bpf_ringbuf_output(&events, data, len, BPF_RB_NO_WAKEUP))
		__sync_fetch_and_add(&stats.lost_full, 1);
	/* Only after the record is there: the reader sets this, then looks once more. */
	waits = *(volatile __u32 *)&stats.reader_waits;
	if (waits == READER_SLEEPS || (waits == READER_RESTS && look && much_has_gathered())) {
		stats.reader_waits = READER_AWAKE;
		wake_reader();
	}
}

static __always_inline void event_submit(struct record *r)
{
	__u32 len = r->len;

	if (len <= RECORD_MAX)
		submit_bytes(r->bytes, len, ++r->sent % 8 == 0);
	record_release(r);
}

/* Appends `len` bytes of kernel or user memory, at most STR_MAX of them; what is beyond,
 * or cannot be read, is counted in the mark. */
#define APPEND_FN(name, read)                                                                   \
	static __always_inline void name(struct record *r, struct ev_str *s, const void *src, __u32 len) \
	{                                                                                        \
		__u32 off = r->len, n = len;                                                     \
                                                                                                \
		if (n > STR_MAX - 1)                                                             \
			n = STR_MAX - 1;                                                         \
		if (off > RECORD_MAX - STR_MAX || read(record_at(r, off), n, src)) \
			n = 0;                                                                   \
		s->off = off;                                                                    \
		s->len = n;                                                                      \
		s->mark |= len - n;                                                              \
		r->len = off + n;                                                                \
	}

/* Appends a NUL-terminated string. One of STR_MAX - 1 bytes or more is cut, by a number
 * of bytes that is not known: the mark says 1, "at least". */
#define APPEND_STR_FN(name, read)                                                               \
	static __always_inline long name(struct record *r, struct ev_str *s, const void *src)    \
	{                                                                                        \
		__u32 off = r->len;                                                              \
		long n;                                                                          \
                                                                                                \
		if (off > RECORD_MAX - STR_MAX)                                                  \
			return -1;                                                               \
		n = read(record_at(r, off), STR_MAX, src);                                              \
		if (n <= 0)                                                                      \
			return n;                                                                \
		s->off = off;                                                                    \
		s->len = n - 1;                                                                  \
		s->mark |= n == STR_MAX;                                                         \
		r->len = off + n - 1;                                                            \
		return n;                                                                        \
	}

APPEND_FN(append_kernel, bpf_probe_read_kernel)
APPEND_STR_FN(append_kernel_str, bpf_probe_read_kernel_str)
APPEND_STR_FN(append_user_str, bpf_probe_read_user_str)

/* task_regs(), before it is known where they are: as the kernel says, or where they usually are, but for two words behind
 * them with CONFIG_X86_FRED (6.9). */
static __always_inline const struct pt_regs *find_regs(void)
{
	struct task_struct *task = current_task();
	const struct pt_regs *regs = READ(task, stack) + THREAD_SIZE - bpf_core_type_size(struct pt_regs);

	if (!untyped && bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs)) /* 5.15 */
		return (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
#if defined(__TARGET_ARCH_x86)
	const struct pt_regs *fred = (void *)regs - 2 * sizeof(long);

	if (bpf_core_field_exists(regs->ssx) && (__u16)READ(regs, ssx) != USER_DS && (__u16)READ(fred, ssx) == USER_DS)
		return fred;
#endif
	return regs;
}

/* Run once by user space, through BPF_PROG_TEST_RUN, to learn who the tool itself is, whose getpid() may be that of another
 * pid namespace, what clock the kernel has, and where on its stack a task's registers are: the same for all. */
SEC("raw_tp")
int self__run(void *ctx)
{
	struct task_struct *task = current_task();

	stats.clock = bpf_ktime_get_boot_ns();
	stats.self = bpf_get_current_pid_tgid() >> 32;
	stats.pid_level = READ(task, thread_pid, level);
	stats.pid_ns = pid_ns_of(task);
	stats.regs = (const void *)find_regs() - READ(task, stack);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#endif
