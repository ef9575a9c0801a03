// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What a thread may do is compared when each of its calls returns, when it executes a program, and at its end, with what was known
 * of it: so a change is seen however it came about. A call that may change it, and has returned, explains it; in tier fentry only if
 * commit_creds() was given it, by which all of the kernel's own changes go. What nothing explains is what an exploit looks like. */
#include "credsnoop.h"
#include "context.bpf.h"
#include "syscall.bpf.h"

#include <asm-generic/errno-base.h>
#include <linux/capability.h>
#include <linux/prctl.h>

/* --escalation */
const volatile bool only_gains = false;

#define CRED_SYSCALLS(X)                                                                                                         \
	X(setuid)                                                                                                                \
	X(setgid)                                                                                                                \
	X(setreuid)                                                                                                              \
	X(setregid)                                                                                                              \
	X(setresuid) X(setresgid) X(setfsuid) X(setfsgid) X(setgroups) X(setuid16) X(setgid16) X(setreuid16) X(setregid16)       \
		X(setresuid16) X(setresgid16) X(setfsuid16) X(setfsgid16) X(setgroups16) X(capset) X(prctl) X(keyctl) X(seccomp) \
			X(unshare) X(setns) X(clone) X(clone3) X(execve) X(execveat)
DEFINE_CALLS(cred_calls, CRED_SYSCALLS)

/* ---- What is known of a thread, by its struct task_struct, which stays the same when it executes a program. */
struct known {
	struct creds c;
	__u64 user_ns, group_info; /* where they are */
	__u64 born;                /* it has not returned from its birth */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 32768);
	__type(key, __u64);
	__type(value, struct known);
} known SEC(".maps");

/* What commit_creds() was given last, likewise. */
struct committed {
	struct cred_words w;
	__u64 user_ns, group_info;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, struct committed);
} committed SEC(".maps");

__u32 witnessed = 0; /* commit_creds() is: by tier fentry */

/* What was compared last on each CPU: a thread makes many calls before another runs. Not used once anything has changed. */
#define CPUS 256
struct compared {
	__u64 task, changes;
	struct committed c;
};
static struct compared compared[CPUS]; /* static: of no interest to the tool */
__u64 changes = 0;                     /* of what is in `known` */

static __always_inline void read_words(struct cred_words *w, const struct cred *cred, struct task_struct *task)
{
	bpf_probe_read_kernel(w->ids, sizeof(w->ids) + sizeof(w->securebits),
			      (void *)cred + bpf_core_field_offset(struct cred, uid));
	bpf_probe_read_kernel(w->caps, sizeof(w->caps), (void *)cred + bpf_core_field_offset(struct cred, cap_inheritable));
	w->no_new_privs = READ(task, atomic_flags) >> PFA_NO_NEW_PRIVS & 1;
}

static __always_inline void read_creds(struct committed *c, const struct cred *cred, struct task_struct *task)
{
	read_words(&c->w, cred, task);
	c->user_ns = (__u64)READ(cred, user_ns);
	c->group_info = (__u64)READ(cred, group_info);
}

#define WORDS_OF(type) (sizeof(type) / sizeof(__u64))
static __always_inline bool same_words(const void *a, const void *b, int words)
{
	const __u64 *x = a, *y = b;
	__u64 differs = 0;

#pragma unroll
	for (int i = 0; i < words; i++)
		differs |= x[i] ^ y[i];
	return !differs;
}

/* The rest of `k`, of which the words are there. */
static __always_inline void fill_known(struct known *k, const struct committed *now)
{
	struct user_namespace *ns = (void *)now->user_ns;
	struct group_info *groups = (void *)now->group_info;
	__u32 n = READ(groups, ngroups);

	k->c.w = now->w;
	k->c.user_ns = READ(ns, ns.inum);
	k->c.level = READ(ns, level);
	k->c.group_count = n;
	k->c.unused = 0;
	k->user_ns = now->user_ns;
	k->group_info = now->group_info;
	k->born = 0;
	__builtin_memset(k->c.groups, 0xff, sizeof(k->c.groups));
	if (n > CRED_GROUPS)
		n = CRED_GROUPS;
	for (__u32 i = 0; i < CRED_GROUPS; i++)
		if (i < n)
			bpf_probe_read_kernel(&k->c.groups[i], sizeof(k->c.groups[i]),
					      (void *)groups + bpf_core_field_offset(struct group_info, gid) + i * sizeof(__u32));
}

/* ---- What is told. */

/* Whether a thread may do more than before. */
static __always_inline bool gains(const struct cred_change *c, bool by_exec)
{
	const struct creds *b = &c->before, *a = &c->after;

	for (int i = 0; i < CRED_IDS; i++)
		if (b->w.ids[i] && !a->w.ids[i])
			return true;
	if (b->w.no_new_privs > a->w.no_new_privs || b->level > a->level)
		return true;
	if (by_exec && (b->w.ids[CRED_EUID] != a->w.ids[CRED_EUID] || b->w.ids[CRED_EGID] != a->w.ids[CRED_EGID]))
		return a->w.ids[CRED_EUID] != a->w.ids[CRED_UID] || a->w.ids[CRED_EGID] != a->w.ids[CRED_GID];
	if (b->user_ns == a->user_ns) /* else they are for another one */
		for (int i = 0; i < CRED_CAPS; i++)
			if (a->w.caps[i] & ~b->w.caps[i])
				return true;
	return false;
}

/* Whether the event in this record had this group before. Global, as the others here: verified once. */
__noinline int had_group(__u32 slot, __u32 group)
{
	struct record *r = bpf_map_lookup_elem(&scratch, &slot);

	if (!r)
		return 1;
	for (__u32 i = 0; i < CRED_GROUPS; i++)
		if (event_of(r, cred_event)->change.before.groups[i] == group)
			return 1;
	return group == (__u32)EV_NONE;
}

__noinline int gains_group(__u32 slot)
{
	struct record *r = bpf_map_lookup_elem(&scratch, &slot);

	if (!r)
		return 0;
	for (__u32 i = 0; i < CRED_GROUPS; i++)
		if (!had_group(slot, event_of(r, cred_event)->change.after.groups[i]))
			return 1;
	return 0;
}

/* Sends what the record in this slot has, or leaves it out. */
__noinline int tell(int at)
{
	__u32 slot = at;
	struct record *r = at < 0 ? NULL : bpf_map_lookup_elem(&scratch, &slot);
	struct cred_event *e;
	bool by_exec;
	__u32 via;
	int err;

	if (!r)
		return 0;
	e = event_of(r, cred_event);
	via = e->h.via;
	err = e->err;
	by_exec = (via & ~VIA_COMPAT) == VIA_execve;
	/* who may have any group is given none */
	e->gain = !err && (gains(&e->change, by_exec) ||
			   (!(e->change.before.w.caps[CRED_EFFECTIVE] & 1ull << CAP_SETGID) && gains_group(slot)));
	if (filtered_out() || (filter.set & FILTER_FAILED && !err) || (only_gains && !e->gain && !err && via != VIA_NONE)) {
		event_drop(r);
		return drop();
	}
	fill_header(&e->h);
	e->h.src = err ? SRC_USER : SRC_KERNEL; /* what was refused is the caller's word */
	if (by_exec)
		append_exe(r, &e->file, current_task());
	append_context(r);
	event_submit(r);
	return 0;
}

/* Who changed it: the call that returns, or none that could have. */
static __always_inline __u32 explained_by(__u64 task, const struct committed *now, const struct known *before, __u32 via)
{
	struct committed *given;
	bool only_privs = before->c.w.no_new_privs < now->w.no_new_privs;

	for (int i = 0; i < CRED_CAPS; i++)
		only_privs &= before->c.w.caps[i] == now->w.caps[i];
	only_privs &= same_words(before->c.w.ids, now->w.ids, CRED_IDS / 2) && before->c.w.securebits == now->w.securebits;
	only_privs &= before->user_ns == now->user_ns && before->group_info == now->group_info;
	if (only_privs) /* another thread may have set it for all: SECCOMP_FILTER_FLAG_TSYNC */
		return (via & ~VIA_COMPAT) == VIA_prctl ? via : VIA_seccomp | (via & VIA_COMPAT);
	if (before->born && before->user_ns != now->user_ns)
		return via == VIA_UNKNOWN ? VIA_clone : via;
	if (via == VIA_UNKNOWN)
		return VIA_NONE;
	if (!witnessed)
		return via;
	given = bpf_map_lookup_elem(&committed, &task);
	if (!given || !same_words(given->w.ids, now->w.ids, CRED_IDS / 2) || given->w.securebits != now->w.securebits)
		return VIA_NONE;
	for (int i = 0; i < CRED_CAPS; i++)
		if (given->w.caps[i] != now->w.caps[i])
			return VIA_NONE;
	return given->user_ns == now->user_ns && given->group_info == now->group_info ? via : VIA_NONE;
}

/* The current thread is not as it was known. `via`: the call that returns, if it can have changed that. Returns the slot of a record
 * that tell() is to send, or a negative number: the stack is too small for one to call the other. */
__noinline int has_changed(__u32 via)
{
	struct task_struct *task = current_task();
	__u64 id = number(task);
	struct known *before = bpf_map_lookup_elem(&known, &id), *k;
	struct record *r = record_try();
	struct committed *now;
	struct cred_event *e;

	if (!r) {
		bpf_map_delete_elem(&known, &id); /* it becomes known again */
		if (before && !before->born)
			__sync_fetch_and_add(&stats.lost_busy, 1);
		return -1;
	}
	k = (void *)r->path;
	now = (void *)(k + 1);
	read_creds(now, READ(task, real_cred), task);
	fill_known(k, now);
	if (!before || same_words(&before->c, &k->c, WORDS_OF(struct creds))) { /* the same again, or first seen */
		bpf_map_update_elem(&known, &id, k, BPF_ANY);
		record_release(r);
		return -1;
	}
	via = explained_by(id, now, before, via);
	__builtin_memset(r->bytes, 0, sizeof(*e));
	r->len = sizeof(*e);
	e = event_of(r, cred_event);
	e->change.before = before->c;
	e->change.after = k->c;
	bpf_map_update_elem(&known, &id, k, BPF_ANY);
	__sync_fetch_and_add(&changes, 1);
	e->h.via = via;
	return r->slot;
}

/* Whether all is as it was when it was compared last on this CPU, or at all. */
__noinline int unchanged(void)
{
	struct task_struct *task = current_task();
	struct compared *last = &compared[bpf_get_smp_processor_id() & (CPUS - 1)];
	__u64 id = number(task);
	struct committed now;
	struct known *k;

	read_creds(&now, READ(task, real_cred), task);
	if (last->task == id && last->changes == changes && same_words(&last->c, &now, WORDS_OF(struct committed)))
		return true;
	k = bpf_map_lookup_elem(&known, &id);
	if (!k || k->born || !same_words(&k->c.w, &now.w, WORDS_OF(struct cred_words)) || k->user_ns != now.user_ns ||
	    k->group_info != now.group_info)
		return false;
	last->task = 0; /* a program may be preempted by another one here */
	barrier();
	last->c = now;
	last->changes = changes;
	barrier();
	last->task = id;
	return true;
}

/* ---- Calls that were refused: what they asked for. */
static __always_inline void ask_id(struct creds *c, int which, __u32 id, bool short_id)
{
	if (short_id)
		id = (__u16)id == 0xffff ? -1 : (__u16)id;
	if (id != (__u32)-1)
		c->w.ids[which] = id;
}

/* struct __user_cap_data_struct[2] */
static __always_inline void ask_caps(struct creds *c, const void *data)
{
	__u32 word[6] = {};

	if (bpf_probe_read_user(word, sizeof(word), data))
		return;
	c->w.caps[CRED_EFFECTIVE] = word[0] | (__u64)word[3] << 32;
	c->w.caps[CRED_PERMITTED] = word[1] | (__u64)word[4] << 32;
	c->w.caps[CRED_INHERITABLE] = word[2] | (__u64)word[5] << 32;
}

/* False: it would have changed nothing that is told of. */
static __always_inline bool ask_prctl(struct creds *c, const unsigned long *args)
{
	switch (args[0]) {
	case PR_SET_SECUREBITS: c->w.securebits = args[1]; return true;
	case PR_CAPBSET_DROP: c->w.caps[CRED_BOUNDING] &= ~(1ull << (args[1] & 63)); return true;
	case PR_SET_KEEPCAPS: c->w.securebits = (c->w.securebits & ~16) | (args[1] & 1) << 4; return true;
	case PR_SET_NO_NEW_PRIVS: c->w.no_new_privs = 1; return true;
	case PR_CAP_AMBIENT:
		if (args[1] == PR_CAP_AMBIENT_RAISE)
			c->w.caps[CRED_AMBIENT] |= 1ull << (args[2] & 63);
		return args[1] != PR_CAP_AMBIENT_IS_SET;
	}
	return false;
}

static __always_inline bool ask(struct creds *c, const struct call *call)
{
	__u32 via = call->via & ~VIA_COMPAT;
	bool s = via >= VIA_setuid16 && via <= VIA_setgroups16;

	switch (via) {
	case VIA_setuid16:
	case VIA_setuid: ask_id(c, CRED_UID, call->args[0], s); return true;
	case VIA_setgid16:
	case VIA_setgid: ask_id(c, CRED_GID, call->args[0], s); return true;
	case VIA_setresuid16:
	case VIA_setresuid: ask_id(c, CRED_SUID, call->args[2], s); /* fallthrough */
	case VIA_setreuid16:
	case VIA_setreuid:
		ask_id(c, CRED_UID, call->args[0], s);
		ask_id(c, CRED_EUID, call->args[1], s);
		return true;
	case VIA_setresgid16:
	case VIA_setresgid: ask_id(c, CRED_SGID, call->args[2], s); /* fallthrough */
	case VIA_setregid16:
	case VIA_setregid:
		ask_id(c, CRED_GID, call->args[0], s);
		ask_id(c, CRED_EGID, call->args[1], s);
		return true;
	case VIA_setgroups16:
	case VIA_setgroups:
		c->group_count = call->args[0];
		__builtin_memset(c->groups, 0xff, sizeof(c->groups));
		return true;
	case VIA_capset: ask_caps(c, (void *)call->args[1]); return true;
	case VIA_prctl: return ask_prctl(c, call->args);
	case VIA_setns: c->user_ns = EV_UNKNOWN; return call->args[1] & CLONE_NEWUSER;
	case VIA_unshare:
	case VIA_clone: c->user_ns = EV_UNKNOWN; return call->args[0] & CLONE_NEWUSER;
	case VIA_clone3: {
		__u64 flags = 0;

		bpf_probe_read_user(&flags, sizeof(flags), (void *)call->args[0]);
		c->user_ns = EV_UNKNOWN;
		return flags & CLONE_NEWUSER;
	}
	}
	return false;
}

__noinline int was_refused(int err)
{
	struct task_struct *task = current_task();
	__u64 id = number(task);
	struct known *k = bpf_map_lookup_elem(&known, &id);
	struct call call;
	struct record *r;
	struct cred_event *e;

	if (!k || !cred_calls_runs(&call) || (only_gains && !(filter.set & FILTER_FAILED)))
		return -1;
	r = event_begin(cred_event);
	if (!r)
		return -1;
	e = event_of(r, cred_event);
	e->change.before = e->change.after = k->c;
	e->h.via = call.via;
	e->err = err;
	if (ask(&e->change.after, &call))
		return r->slot;
	event_drop(r);
	return -1;
}

/* ---- When it is compared. */
static __always_inline int call_returns(struct pt_regs *regs, long ret)
{
	struct call call;

	/* To count what filters drop takes a look at all. */
	if (!stats.counts_dropped && id_filtered_out(current_pid_tgid()))
		return 0;
	if (!unchanged()) {
		cred_calls_exits(&call, regs);
		return tell(has_changed(call.via));
	}
	if (ret >= 0 || ret < -MAX_ERRNO || !cred_calls_exits(&call, regs))
		return 0;
	return tell(was_refused(-ret));
}

static __always_inline int executes(void)
{
	/* An exec that is under way has lost the way it came: the kernel makes a 32-bit one a 64-bit one, and execveat(2) execve(2). */
	return unchanged() ? 0 : tell(has_changed(VIA_execve));
}

/* Until it returns from its birth a thread is what its parent was. */
static __always_inline int is_born(struct task_struct *parent, struct task_struct *child)
{
	__u64 id = number(child), of_parent = number(parent);
	struct known *from = bpf_map_lookup_elem(&known, &of_parent), *k;

	if (!from) {
		tell(has_changed(VIA_UNKNOWN)); /* becomes known: the parent is current */
		from = bpf_map_lookup_elem(&known, &of_parent);
	}
	if (!from)
		return 0;
	bpf_map_update_elem(&known, &id, from, BPF_ANY);
	k = bpf_map_lookup_elem(&known, &id);
	if (k)
		k->born = 1;
	return 0;
}

static __always_inline int ends(struct task_struct *task)
{
	__u64 id = number(task);

	if (bpf_map_lookup_elem(&known, &id) && !unchanged())
		tell(has_changed(VIA_UNKNOWN));
	bpf_map_delete_elem(&known, &id);
	bpf_map_delete_elem(&committed, &id);
	return 0;
}

SEC("?tp_btf/sys_exit")
int BPF_PROG(change__tp_call, struct pt_regs *regs, long ret)
{
	return call_returns(regs, ret);
}

SEC("?tp_btf/sched_process_exec")
int BPF_PROG(change__tp_exec)
{
	return executes();
}

SEC("?tp_btf/sched_process_fork")
int BPF_PROG(change__tp_fork, struct task_struct *parent, struct task_struct *child)
{
	return is_born(parent, child);
}

SEC("?tp_btf/sched_process_exit")
int BPF_PROG(commit__tp_end, struct task_struct *task)
{
	return ends(task);
}

SEC("?tp_btf/sched_process_exit")
int BPF_PROG(commit__fentry_end, struct task_struct *task)
{
	return ends(task);
}

SEC("?fentry/commit_creds")
int BPF_PROG(commit__fentry_new, struct cred *cred)
{
	struct task_struct *task = current_task();
	__u64 id = number(task);
	struct committed c;

	witnessed = 1;
	read_creds(&c, cred, task);
	bpf_map_update_elem(&committed, &id, &c, BPF_ANY);
	return 0;
}
