// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "opensnoop.h"
#include "context.bpf.h"
#include "interrupted.bpf.h"
#include "syscall.bpf.h"
#include "trampoline.bpf.h"

#include <asm-generic/errno.h>

/* --write */
const volatile bool only_writes = false;
/* -f: any of these flags, or access mode n where bit n is set */
const volatile __u32 flags_any = 0;
const volatile __u32 access_any = 0;

/* An open as the kernel was asked for it. */
struct request {
	struct lookup lookup;
	__u64 flags, mode, resolve;
	__u32 via;
	__u32 claimed; /* flags that may have been others: they are read from memory that the caller can change */
};

/* What is kept of an open of io_uring, which the kernel forgets when it has been tried. */
struct uring_open {
	struct request q;
	__u32 slot; /* see uring_slot() */
	__u32 unused;
	char name[4096];
};
#define URING_KEPT struct uring_open
#include "uring.bpf.h"

/* Its outcome. */
struct result {
	struct file *file; /* NULL: it failed, or the file is not known */
	int fd;            /* negative: none */
	int err;
	__u32 src;
	const struct event_header *by; /* who asked for it; NULL: the current task */
};

#define OPEN_CALLS(X) X(open) X(openat) X(openat2) X(creat) X(open_by_handle_at)
DEFINE_CALLS(open, OPEN_CALLS)

static __always_inline void request_of(struct request *q, const struct call *call)
{
	struct asked a;

	open_asked(&a, call);
	*q = (struct request){.lookup = a.lookup,
			      .flags = a.flags,
			      .mode = a.mode,
			      .resolve = a.resolve,
			      .via = a.via,
			      .claimed = a.claimed ? ~0u : 0};
}

/* What a call has returned: an error, or a descriptor, behind which is the file. */
static __always_inline void result_of(struct result *res, int ret)
{
	if (ret < 0) {
		res->err = -ret;
		return;
	}
	res->fd = ret;
	res->file = fd_file(ret);
	if (res->file)
		res->src = SRC_FD;
}

/* Corrects flags that are but a claim by those of the file, which keeps all but a few (do_dentry_open() in fs/open.c). */
#define FLAGS_NOT_KEPT (O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC)
static __always_inline void know_flags(struct request *q, struct file *file)
{
	__u32 kept, claimed = FLAGS_NOT_KEPT;

	if (!q->claimed || !file)
		return;
	kept = READ(file, f_flags) & ~(O_LARGEFILE | FLAGS_NOT_KEPT);
	if (kept & O_PATH || (READ(file, f_inode, i_mode) & S_IFMT) == S_IFDIR) /* of which none is made, nor cut */
		claimed = O_CLOEXEC;
	q->flags = kept | (q->flags & (claimed | O_LARGEFILE));
	q->claimed = claimed;
	if (READ(file, f_mode) & FMODE_CREATED)
		q->flags |= O_CREAT;
}

/* What may be asked for is. */
static __always_inline bool wanted(const struct request *q, int err)
{
	__u32 access = q->claimed & O_ACCMODE ? ~0u : 1u << (q->flags & O_ACCMODE);

	if (filter.set & FILTER_FAILED && !err)
		return false;
	if (only_writes && !(access & ~1u)) /* O_RDONLY */
		return false;
	if (flags_any || access_any)
		return (q->flags | q->claimed) & flags_any || access_any & access;
	return true;
}

static __always_inline void fill_file(struct open_event *e, struct file *file)
{
	struct dentry *dentry = READ(file, f_path.dentry);
	struct inode *inode = READ(file, f_inode);
	__u32 mode = READ(inode, i_mode);

	e->dev = READ(inode, i_sb, s_dev);
	e->ino = READ(inode, i_ino);
	e->type = mode & S_IFMT;
	e->perm = mode & 07777;
	e->owner = READ(inode, i_uid.val);
	e->group = READ(inode, i_gid.val);
	e->created = READ(file, f_mode) & FMODE_CREATED || (READ(file, f_flags) & O_TMPFILE) == O_TMPFILE;
	e->deleted = !READ(inode, i_nlink) || unlinked(dentry);
}

/* Sends the line of one open. */
static __always_inline int report(const struct request *q, const struct result *res)
{
	struct file *file = res->file;
	struct open_event *e;
	struct record *r;

	if (file && (!file_wanted(READ(file, f_inode)) || is_elsewhere(READ(file, f_path.mnt), READ(file, f_path.dentry))))
		return drop();
	r = event_begin(open_event);
	if (!r)
		return 0;
	e = event_of(r, open_event);
	if (file) {
		append_path(r, &e->path, (void *)file + bpf_core_field_offset(struct file, f_path));
		if (filter.want & WANT_REQUESTED && q->lookup.name)
			append_given(r, &e->requested, &q->lookup);
		if (filter.want & WANT_INODE)
			fill_file(e, file);
	} else {
		if (q->lookup.name && res->by &&
		    res->by->pid != current_pid_tgid() >> 32) { /* nobody knows any more from where */
			append_given(r, &e->requested, &q->lookup);
			e->path = e->requested;
		} else if (q->lookup.name) {
			append_name(r, &e->path, &e->requested, &q->lookup);
		}
		e->owner = e->group = EV_NONE;
		e->perm = e->type = e->created = e->deleted = EV_NONE;
	}
	if (!path_wanted(r, &e->path, !file))
		return event_drop(r), drop();
	if (res->by)
		e->h = *res->by;
	else
		fill_header(&e->h);
	if (!res->by || res->by->pid == current_pid_tgid() >> 32) /* else another ends it, when the process is gone */
		append_context(r);
	e->h.src = res->src;
	e->h.via = q->via;
	e->fd = res->fd;
	e->err = error_seen(res->err);
	e->flags = q->flags;
	e->resolve = q->resolve;
	e->mode = q->flags & (O_CREAT | O_TMPFILE) ? q->mode & 07777 : EV_NONE;
	event_submit(r);
	return 0;
}

/* ---- Answers ----
 * sys_exit is traced, but not sys_enter, for a call that is never made: a filter of seccomp(2), or a tracer by PTRACE_SYSEMU, has
 * answered it (syscall_trace_enter() in kernel/entry/common.c). If the answer is a number of a descriptor, any file may be behind
 * it. A call that was made leaves a file that was opened as it was asked for and has not been used since, behind the
 * last descriptor that was handed out. */

/* What a filter's SECCOMP_RET_TRAP leaves for a result: syscall_rollback(). */
#if defined(__TARGET_ARCH_x86)
#define ROLLED_BACK(regs) READ_DIRECTLY(regs, orig_ax)
#else
#define ROLLED_BACK(regs) READ_DIRECTLY(regs, orig_x0)
#endif

/* Whether `fd` was the last one: alloc_fd() in fs/file.c. Another thread may have come since. */
static __always_inline bool last_handed_out(int fd)
{
	return READ(current_task(), files, next_fd) == (__u32)fd + 1;
}

/* Whether nobody can have answered for the kernel. Most calls are such. */
static __always_inline bool is_unanswered(int fd)
{
	struct task_struct *task = current_task();

	return !READ(task, ptrace) && READ(task, seccomp.mode) != SECCOMP_MODE_FILTER &&
	       (last_handed_out(fd) || READ(task, files, count.counter) > 1);
}

/* Whether somebody can have answered `ret`. A filter by itself returns no other numbers than 0 (SECCOMP_RET_ERRNO) and `rolled_back`;
 * its supervisor (SECCOMP_RET_USER_NOTIF), or a tracer, any. One that has more than FILTERS_MAX filters may have a supervisor in
 * those that are not looked at. Global: verified once. */
#define FILTERS_MAX 32
__noinline int may_be_answer(int ret, unsigned long rolled_back)
{
	struct task_struct *task = current_task();
	struct seccomp_filter *filter;

	if (ret == 0 || ret == (int)rolled_back || READ(task, ptrace) || READ(task, seccomp.mode) != SECCOMP_MODE_FILTER)
		return 1;
	filter = READ(task, seccomp.filter);
	for (int i = 0; i < FILTERS_MAX && filter; i++) {
		if (READ(filter, notif))
			return 1;
		filter = READ(filter, prev);
	}
	return !!filter;
}

/* Whether a file is called as the name, in user memory, ends. Of none, or of one that ends in no name of a file, such as "..", the
 * answer is yes. Global: verified once. */
__noinline int is_called_so(unsigned long name, unsigned long file)
{
	struct record *r = name ? record_try() : NULL;
	int called = !name;
	long n;

	if (!r)
		return called;
	n = bpf_probe_read_user_str(r->bytes, 4096, (void *)name) - 1;
	for (int i = 0; i < 8 && n > 0 && *(char *)record_at(r, n - 1) == '/'; i++)
		n--;
	if (n > 0) {
		char last = *(char *)record_at(r, n - 1);
		char before = n > 1 ? *(char *)record_at(r, n - 2) : '/';

		called = (last == '.' && (before == '/' || before == '.')) || is_called(number(r->bytes), n, file);
	} else if (!n) {
		called = 1;
	}
	record_release(r);
	return called;
}

/* Whether the call that returns `res` has really opened a file, as far as that shows. */
static __always_inline bool has_opened(const struct request *q, const struct result *res)
{
	struct file *file = res->file;
	__u32 kept = q->flags & O_PATH ? O_PATH : O_ACCMODE | O_APPEND | O_NONBLOCK;

	if (!file || !last_handed_out(res->fd) || READ(file, f_pos))
		return false;
	if (!q->claimed && (READ(file, f_flags) ^ q->flags) & (kept | O_PATH))
		return false;
	return is_called_so((unsigned long)q->lookup.name, (unsigned long)file);
}

/* ---- Tracepoint tier ----
 * One hook, when the call returns: its arguments are still in the registers, its strings have
 * been paged in, and the descriptor leads to the file. */
static __always_inline int open_ends(struct call *call, const struct pt_regs *regs, long ret)
{
	struct result res = {.fd = -1, .src = SRC_USER};
	struct request q;
	bool unsure;

	/* -x first: it is the cheapest, and most calls succeed. */
	if ((filter.set & FILTER_FAILED && ret >= 0 && is_unanswered(ret)) || filtered_out())
		return drop();
	unsure = ret >= 0 && !is_unanswered(ret);
	exit_args(call, regs);
	if (is_restart(ret)) {
		keep_interrupted(call, ret);
		return 0;
	}
	request_of(&q, call);
	if (!q.claimed && !wanted(&q, ret < 0 ? -ret : unsure))
		return drop();
	result_of(&res, ret);
	if (unsure && may_be_answer(ret, ROLLED_BACK(regs)) && !has_opened(&q, &res))
		res.err = EV_ERRNO_UNKNOWN;
	know_flags(&q, res.file);
	if ((q.claimed || (unsure && filter.set & FILTER_FAILED)) && !wanted(&q, res.err))
		return drop();
	return report(&q, &res);
}

CALL_ENDS(open__tp_sys_exit, open, true, open_ends(&call, regs, ret))

/* The end of one that was interrupted. The same in both tiers. */
static __always_inline int interrupted_ends(const struct call *call)
{
	struct result res = {.fd = -1, .err = EINTR, .src = SRC_USER};
	struct request q;

	request_of(&q, call);
	return wanted(&q, EINTR) ? report(&q, &res) : drop();
}

INTERRUPTED_ENDS(open__tp_opt_signal, interrupted_ends(&call))

/* What the caller asked io_uring for, but for the name. */
static __always_inline void uring_request(struct request *q, struct io_kiocb *req)
{
	struct io_open *open = (void *)req;

	q->flags = BPF_CORE_READ(open, how.flags) & ~(__u64)O_LARGEFILE; /* which the kernel adds */
	q->mode = BPF_CORE_READ(open, how.mode);
	q->resolve = BPF_CORE_READ(open, how.resolve);
	q->lookup = (struct lookup){.dfd = BPF_CORE_READ(open, dfd), .kernel = true, .in_root = !!(q->resolve & RESOLVE_IN_ROOT)};
	q->via = VIA_IO_URING;
}

static __always_inline void uring_ends(struct uring_request *u, __u64 key, int ret, bool lost)
{
	struct result res = {.fd = -1, .src = SRC_KERNEL, .by = uring_header(u)};
	bool here = u->h.pid == current_pid_tgid() >> 32; /* not when a ring is torn down, for example */
	struct request q = u->kept.q;

	q.lookup.name = u->kept.name;
	q.lookup.kernel = true;
	if (ret < 0) {
		res.err = -ret;
	} else if (u->kept.slot) {
		res.file = uring_slot_file(u->ring, u->kept.slot == URING_ANY_SLOT ? (__u32)ret : u->kept.slot - 1);
		if (res.file)
			res.src = SRC_FD;
	} else if (here) {
		result_of(&res, ret);
	} else {
		res.fd = ret;
	}
	if (wanted(&q, res.err))
		report(&q, &res);
	else
		drop();
}

/* `hooked`: there are hooks where it is opened, so that it need only be told here where that does not come about. */
static __always_inline int uring_submits(struct io_kiocb *req, bool hooked)
{
	struct uring_request *u;
	struct record *r;

	if (filtered_out())
		return drop();
	r = record_claim();
	if (!r)
		return 0;
	u = (void *)r->bytes;
	uring_begin(u, req);
	uring_request(&u->kept.q, req);
	u->kept.slot = uring_slot(req);
	u->kept.unused = 0;
	bpf_probe_read_kernel_str(u->kept.name, sizeof(u->kept.name), uring_filename(req));
	if ((BPF_CORE_READ(req, flags) & REQ_F_CQE_SKIP && !hooked) || !uring_keep(u, req)) {
		struct result res = {.fd = -1, .err = EV_ERRNO_UNKNOWN, .src = SRC_KERNEL};
		struct request q = u->kept.q;

		q.lookup.name = uring_filename(req);
		record_release(r);
		return !hooked && wanted(&q, res.err) ? report(&q, &res) : 0;
	}
	record_release(r);
	return 0;
}

static __always_inline int uring_submits_untold(struct io_kiocb *req)
{
	return uring_submits(req, false);
}

URING_HOOKS(open__tp, uring_is_open, uring_submits_untold, uring_ends)

/* ---- Kernel tier ----
 * do_filp_open() is handed the kernel's copy of the name and returns the file; fd_install() puts
 * that file behind a descriptor, while the name is still there. */
struct opened {
	struct file *file; /* NULL: not opened yet, or it failed and has been reported */
	struct request q;
	__u64 request;   /* of io_uring; 0: none, or not known */
	__u32 by_handle; /* the next file that is installed is it */
	__u32 reported;
};

/* By thread, until the end of the call, which is near: only io_uring's are there while they wait for a file. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, __u32);
	__type(value, struct opened);
} opened SEC(".maps");

static __always_inline int uring_submits_hooked(struct io_kiocb *req)
{
	return uring_submits(req, true);
}

/* All of them together: what is told where a file is opened must be forgotten here. */
URING_HOOKS(open__fentry, uring_is_open, uring_submits_hooked, uring_ends)
URING_ISSUES(open__fentry_opt_uring_openat2, "io_openat2") /* where OPENAT ends up as well */
URING_ISSUES(open__fentry_opt_openat, "io_openat")

/* Whether the file is opened for a request of io_uring: which, if that is known, and what it asks for. */
static __always_inline bool uring_opening(struct opened *o, int flags, const struct open_flags *op, const struct pt_regs *regs)
{
	o->request = uring_issuing();
	if (o->request) {
		uring_request(&o->q, (void *)o->request);
		return true;
	}
	if (uring_issues_seen || !WORKS_FOR_IO_URING(open_in, regs))
		return false;
	o->q = (struct request){.via = VIA_IO_URING, .flags = flags & ~O_LARGEFILE, .mode = BPF_CORE_READ(op, mode)};
	return true;
}

/* Whether io_uring tried only if it would not have to wait, and will try again in a worker. */
static __always_inline bool will_retry(const struct request *q, int flags, long error)
{
	struct task_struct *task = current_task();

	if (error != -EAGAIN || !(flags & O_NONBLOCK) || q->resolve & RESOLVE_CACHED)
		return false;
	return !(q->flags & O_NONBLOCK) || !(BPF_CORE_READ(task, flags) & PF_IO_WORKER);
}

static __always_inline int opened_by_name(int dfd, struct filename *name, const struct open_flags *op, struct file *file)
{
	__u32 tid = current_pid_tgid();
	int flags = BPF_CORE_READ(op, open_flag);
	struct uring_request *u = NULL;
	const struct pt_regs *regs;
	struct opened o = {};
	struct call call;
	bool uring;

	/* Neither the program of an exec, nor what the kernel opens for itself. */
	if (flags & FMODE_EXEC)
		return 0;
	if (IS_ERR_OR_NULL(name)) /* since 7.0 or so: one that could not be read, which the call's end reports */
		return 0;
	if (bpf_core_field_exists(name->uptr) && !BPF_CORE_READ(name, uptr)) /* gone in 7.x */
		return 0;
	regs = task_regs();
	uring = uring_opening(&o, flags, op, regs);
	if (uring && o.request)
		u = uring_kept_at(o.request);
	if (!u && filtered_out())
		return 0;
	if (!uring) {
		if (!open_in(&call, regs))
			return 0;
		request_of(&o.q, &call);
	}
	o.q.lookup.dfd = dfd;
	o.q.lookup.name = BPF_CORE_READ(name, name);
	o.q.lookup.kernel = true;
	if (o.q.claimed) {
		o.q.flags = (flags & ~(O_LARGEFILE | O_CLOEXEC)) | (o.q.flags & (O_LARGEFILE | O_CLOEXEC));
		o.q.mode = BPF_CORE_READ(op, mode);
		o.q.claimed = O_CLOEXEC;
	}
	if (!IS_ERR_OR_NULL(file)) {
		o.file = file;
	} else {
		long error = number(file);
		struct result res = {.fd = -1, .err = -error, .src = SRC_KERNEL};

		if (u || (!uring && is_restart(error))) /* its end is going to tell */
			return 0;
		if (wanted(&o.q, res.err) && !(uring && will_retry(&o.q, flags, error)))
			report(&o.q, &res);
		if (uring)
			return 0;
	}
	if (bpf_map_update_elem(&opened, &tid, &o, BPF_ANY) && uring)
		__sync_fetch_and_add(&stats.lost_map, 1); /* else the call's end makes up for it */
	return 0;
}

SEC("?fexit/do_filp_open")
int BPF_PROG(open__fentry_alt_1_filp, int dfd, struct filename *name, const struct open_flags *op, struct file *file)
{
	return opened_by_name(dfd, name, op, file);
}

SEC("?fexit/do_file_open") /* its name since 7.0 or so */
int BPF_PROG(open__fentry_alt_2_file, int dfd, struct filename *name, const struct open_flags *op, struct file *file)
{
	return opened_by_name(dfd, name, op, file);
}

static __always_inline int installed(struct file *file, int fd)
{
	struct result res = {.file = file, .fd = fd, .src = SRC_KERNEL};
	__u32 tid = current_pid_tgid();
	struct opened *o = bpf_map_lookup_elem(&opened, &tid);
	struct uring_request *u;

	if (!o || o->reported || (o->file != file && !o->by_handle))
		return 0;
	o->reported = 1;
	u = o->request ? uring_kept_at(o->request) : NULL;
	if (u)
		res.by = uring_header(u);
	if (wanted(&o->q, 0))
		report(&o->q, &res);
	else
		drop();
	if (u)
		uring_forget(u, o->request);
	if (o->q.via == VIA_IO_URING)
		bpf_map_delete_elem(&opened, &tid);
	return 0;
}

SEC("?fentry/fd_install")
int BPF_PROG(open__fentry_install, unsigned int fd, struct file *file)
{
	return installed(file, fd);
}

SEC("?fexit/io_fixed_fd_install")
int BPF_PROG(open__fentry_opt_fixed, struct io_kiocb *req, unsigned int flags, struct file *file, unsigned int slot, int ret)
{
	return ret < 0 ? 0 : installed(file, -1);
}

SEC("?fentry/io_fixed_file_set") /* before 5.19 */
int BPF_PROG(open__fentry_opt_slot, void *slot, struct file *file)
{
	return installed(file, -1);
}

/* The end of open(2), openat(2), openat2(2), creat(2). One that do_filp_open() has not seen
 * failed before: for want of a descriptor, a readable name, or sense. The kernel does not run a program
 * while it has preempted it: what the hooks above have missed is found behind the descriptor. */
SEC("?fexit/do_sys_openat2")
int BPF_PROG(open__fentry_end, int dfd, const char *name, struct open_how *how, int ret) /* a long before 7.0 or so */
{
	struct result res = {.fd = -1, .src = SRC_USER};
	__u32 tid = current_pid_tgid();
	struct opened *o = bpf_map_lookup_elem(&opened, &tid);
	bool known = o && (ret < 0 || o->reported);
	struct request q;
	struct call call;

	bpf_map_delete_elem(&opened, &tid);
	if (known)
		return 0;
	if (filtered_out())
		return drop();
	if (!open_runs(&call))
		return 0;
	if (is_restart(ret)) {
		keep_interrupted(&call, ret);
		return 0;
	}
	request_of(&q, &call);
	result_of(&res, ret);
	know_flags(&q, res.file);
	return wanted(&q, res.err) ? report(&q, &res) : drop();
}

INTERRUPTED_ENDS(open__fentry_opt_signal, interrupted_ends(&call))

/* open_by_handle_at(2) has its own way to a file. */
SEC("?fentry/do_handle_open")
int BPF_PROG(open__fentry_opt_handle_begin)
{
	__u32 tid = current_pid_tgid();
	struct opened o = {.by_handle = 1};
	struct call call;

	if (!open_runs(&call))
		return 0;
	if (filtered_out())
		return drop();
	request_of(&o.q, &call);
	if (bpf_map_update_elem(&opened, &tid, &o, BPF_ANY))
		__sync_fetch_and_add(&stats.lost_map, 1);
	return 0;
}

SEC("?fexit/do_handle_open")
int BPF_PROG(open__fentry_opt_handle_end, int mount, void *handle, int flags, int ret)
{
	struct result res = {.fd = -1, .err = -ret, .src = SRC_USER};
	__u32 tid = current_pid_tgid();
	struct opened *o = bpf_map_lookup_elem(&opened, &tid);
	struct request q;

	if (!o)
		return 0;
	q = o->q;
	bpf_map_delete_elem(&opened, &tid);
	return ret < 0 && wanted(&q, res.err) ? report(&q, &res) : 0;
}

WATCH_TRAMPOLINES(open__fentry_opt_watch)
