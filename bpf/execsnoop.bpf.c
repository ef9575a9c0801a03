// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Records with long tails: arguments of 32 KiB behind four paths. Two a CPU do: one program may
 * preempt another, and execs are not so frequent that a third would preempt both. */
#define RECORD_MAX 65536
#define STR_MAX 32768
#define SCRATCH_SLOTS 2

#include "execsnoop.h"
#include "context.bpf.h"
#include "interrupted.bpf.h"
#include "syscall.bpf.h"
#include "trampoline.bpf.h"

#include <asm-generic/errno.h>

#define ARGS_MAX 32768
#define NAME_MAX 4096

#define EXEC_CALLS(X) X(execve) X(execveat)
DEFINE_CALLS(exec, EXEC_CALLS)

/* What an exec does away with. */
struct before {
	__u64 mm; /* the new one: to which exec this belongs */
	__u64 caps;
	__u32 uid, euid, gid, egid;
	__u32 via;
	__u32 unused;
	struct ev_comm comm;
};

/* By thread, from the point of no return to the end of the exec. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct before);
} befores SEC(".maps");

/* The kernel's copy of the name, by thread, for as long as the exec may fail. */
struct name {
	__u64 of; /* its struct filename */
	char s[NAME_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, struct name);
} names SEC(".maps");

/* What a failing exec needs besides its file and cannot open, by thread: the interpreter of a script, or the loader of a program. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, struct name);
} interpreters SEC(".maps");

static __always_inline __u64 effective_caps(const struct cred *cred)
{
	return word_at((void *)cred + bpf_core_field_offset(struct cred, cap_effective));
}

static __always_inline void fill_old(struct exec_event *e, const struct before *b)
{
	e->old_uid = b->uid;
	e->old_euid = b->euid;
	e->old_gid = b->gid;
	e->old_egid = b->egid;
	e->old_caps = b->caps;
	e->old_comm = b->comm;
}

static __always_inline void fill_before(struct before *b)
{
	struct task_struct *task = current_task();
	const struct cred *cred = READ(task, cred);

	b->mm = (__u64)READ(task, mm);
	b->uid = READ(cred, uid.val);
	b->euid = READ(cred, euid.val);
	b->gid = READ(cred, gid.val);
	b->egid = READ(cred, egid.val);
	b->caps = effective_caps(cred);
	bpf_get_current_comm(&b->comm, sizeof(b->comm));
}

/* Another task may get the same id, and memory at the same address. */
static __always_inline int forget_before(void)
{
	__u32 tid = current_pid_tgid();

	bpf_map_delete_elem(&befores, &tid);
	return 0;
}

/* Whether a file of an overlay is in its upper layer: struct ovl_inode, which a module may
 * define, goes on behind the inode with its dentry there. */
static __always_inline bool in_upper_layer(const struct inode *inode)
{
	return word_at((void *)inode + bpf_core_type_size(struct inode));
}

static __always_inline void append_program(struct record *r, struct exec_event *e, struct file *file)
{
	struct dentry *dentry = READ(file, f_path.dentry);
	struct inode *inode = READ(file, f_inode);
	unsigned long magic = READ(inode, i_sb, s_magic);
	__u32 mode;

	append_path(r, &e->exe.path, (void *)file + bpf_core_field_offset(struct file, f_path));
	/* A memfd has no link either, but it never had a name in a directory. */
	e->exe.deleted = unlinked(dentry) || (!READ(inode, i_nlink) && READ(dentry, d_parent) != dentry);
	e->exe.memory = magic == TMPFS_MAGIC || magic == RAMFS_MAGIC || magic == HUGETLBFS_MAGIC;
	if (!(filter.want & WANT_INODE))
		return;
	mode = READ(inode, i_mode);
	e->setuid = !!(mode & S_ISUID);
	e->setgid = !!(mode & S_ISGID);
	e->perm = mode & 07777;
	e->owner = READ(inode, i_uid.val);
	e->group = READ(inode, i_gid.val);
	e->dev = READ(inode, i_sb, s_dev);
	e->ino = READ(inode, i_ino);
	e->upper = magic == OVERLAYFS_SUPER_MAGIC ? in_upper_layer(inode) : EV_NONE;
	inode_times(&e->mtime, &e->ctime, inode);
}

static __always_inline void fill_no_program(struct exec_event *e)
{
	e->exe.deleted = e->exe.memory = EV_UNKNOWN;
	e->setuid = e->setgid = e->upper = EV_UNKNOWN;
	e->perm = EV_UNKNOWN;
	e->owner = e->group = EV_UNKNOWN;
}

/* TTY_MAJOR, TTYAUX_MAJOR and the pseudo terminals of include/uapi/linux/major.h */
static __always_inline bool tty_device(__u32 dev)
{
	__u32 major = dev >> 20;

	return major == 4 || major == 5 || (major >= 136 && major <= 143);
}

static __always_inline __u32 stdin_kind(void)
{
	struct file *file = fd_file(0);
	struct inode *inode;
	__u32 type;

	if (!file)
		return EV_NONE;
	inode = READ(file, f_inode);
	type = READ(inode, i_mode) & S_IFMT;
	return type == S_IFCHR && tty_device(READ(inode, i_rdev)) ? STDIN_TTY : type;
}

/* For whom it runs. */
static __always_inline void fill_actor(struct exec_event *e)
{
	struct task_struct *task = current_task();
	const struct cred *cred = READ(task, cred);

	if (filter.want & WANT_CREDS) {
		e->egid = READ(cred, egid.val);
		e->caps = effective_caps(cred);
	}
	if (filter.want & WANT_STDIN)
		e->input = stdin_kind();
}

/* Copies `n` bytes of user memory to the record's end, or as much as is there and fits.
 * Returns how much: in one go, or page by page up to one that is not resident. */
__noinline int read_args(__u32 slot, __u64 from, __u32 n)
{
	struct record *r = bpf_map_lookup_elem(&scratch, &slot);
	__u32 off, done = 0;

	if (!r)
		return 0;
	off = r->len;
	if (off >= RECORD_MAX)
		return 0;
	if (n > RECORD_MAX - off)
		n = RECORD_MAX - off;
	if (n > ARGS_MAX)
		n = ARGS_MAX;
	if (!bpf_probe_read_user(record_at(r, off), n, (void *)from))
		return n;
	for (int i = 0; i <= ARGS_MAX / 4096; i++) {
		__u32 some = 4096 - ((from + done) & 4095);

		if (some > n - done)
			some = n - done;
		if (!some || off + done >= RECORD_MAX)
			break;
		barrier_var(some); /* see record_at() */
		if (bpf_probe_read_user(record_at(r, off + done), some & 8191, (void *)(from + done)))
			break;
		done += some;
	}
	return done;
}

/* The arguments that the new program was given, where it will find them itself. */
static __always_inline void append_args(struct record *r, struct exec_event *e, struct mm_struct *mm, __u32 argc)
{
	__u64 from = READ(mm, arg_start), len = READ(mm, arg_end) - from;
	__u32 n = read_args(r->slot, from, len > ARGS_MAX ? ARGS_MAX : len);

	e->args.count = argc;
	e->args.s.off = r->len;
	e->args.s.len = n;
	e->args.s.mark = len - n;
	r->len += n;
}

/* The next argument of an exec that failed: the string that the pointer at `at` leads to.
 * What is cut is counted, as far as it can be read. Nonzero: that was the last. */
__noinline int append_user_arg(__u32 slot, __u64 at, __u32 pointer_size)
{
	struct record *r = bpf_map_lookup_elem(&scratch, &slot);
	struct exec_event *e;
	__u64 word = 0;
	__u32 off, room = 0;
	long n;

	if (!r)
		return 1;
	e = event_of(r, exec_event);
	if (bpf_probe_read_user(&word, pointer_size == 4 ? 4 : 8, (void *)at)) {
		e->args.count = EV_UNKNOWN;
		e->args.s.mark++;
		return 1;
	}
	if (!word)
		return 1;
	e->args.count++;
	off = r->len;
	if (off >= RECORD_MAX)
		return 1;
	n = bpf_probe_read_user_str(record_at(r, off), STR_MAX, (void *)word);
	if (n < 0) {
		e->args.s.mark++;
		return 0;
	}
	if (!n) /* an empty string, on older kernels */
		n = 1;
	if (!e->args.s.mark && e->args.s.len < ARGS_MAX)
		room = ARGS_MAX - e->args.s.len;
	if (room > RECORD_MAX - off)
		room = RECORD_MAX - off;
	if (n > room) {
		e->args.s.mark += n - room;
		n = room;
	}
	e->args.s.len += n;
	r->len = off + n;
	return 0;
}

/* Two loops of 64, as for paths. Beyond that, how many there are is not known. */
#define ARG_TURNS 64
__noinline int append_some_user_args(__u32 slot, __u64 at, __u32 pointer_size)
{
	for (__u32 i = 0; i < ARG_TURNS; i++)
		if (append_user_arg(slot, at + i * pointer_size, pointer_size))
			return 1;
	return 0;
}

__noinline int append_user_args(__u32 slot, __u64 argv, __u32 pointer_size)
{
	for (__u32 i = 0; i < ARG_TURNS; i++)
		if (append_some_user_args(slot, argv + i * ARG_TURNS * pointer_size, pointer_size))
			return 0;
	return 1;
}

/* Inside begin_new_exec(): the new memory is there, the new credentials are not yet. A process
 * that only changes its name has arguments already. */
SEC("?tp_btf/task_rename")
int BPF_PROG(exec__tp_rename, struct task_struct *task)
{
	__u32 tid = current_pid_tgid();
	struct mm_struct *mm = READ(task, mm);
	struct before b = {};
	struct call call;

	if (!mm || READ(mm, arg_start))
		return 0;
	fill_before(&b);
	if (exec_runs(&call))
		b.via = call.via;
	else if (!READ(task_regs(), REGS_NR)) /* it came by no system call */
		b.via = VIA_KERNEL;
	bpf_map_update_elem(&befores, &tid, &b, BPF_ANY);
	return 0;
}

SEC("?tp_btf/sched_process_exec")
int BPF_PROG(exec__tp_done, struct task_struct *task, int old_tid, struct linux_binprm *bprm)
{
	__u32 tid = current_pid_tgid();
	struct mm_struct *mm = READ(task, mm);
	struct before *b = bpf_map_lookup_elem(&befores, &tid);
	const char *name, *interp;
	struct lookup lookup;
	struct exec_event *e;
	struct record *r;
	bool wanted;

	bpf_map_delete_elem(&names, &old_tid);
	bpf_map_delete_elem(&interpreters, &old_tid);
	if (filter.set & FILTER_FAILED || filtered_out()) {
		drop();
		goto out;
	}
	r = event_begin(exec_event);
	if (!r)
		goto out;
	e = event_of(r, exec_event);
	append_program(r, e, READ(mm, exe_file));
	wanted = file_wanted(READ(mm, exe_file, f_inode)) && path_wanted(r, &e->exe.path, false);
	name = READ(bprm, filename);
	interp = READ(bprm, interp);
	lookup = (struct lookup){.name = name, .dfd = AT_FDCWD, .kernel = true};
	if (interp != name && (path_filter || filter.files || filter.want & WANT_NAMES))
		append_name(r, &e->script, &e->requested, &lookup);
	if (!wanted && (interp == name || !path_wanted(r, &e->script, true))) {
		event_drop(r);
		drop();
		goto out;
	}
	fill_header(&e->h);
	append_context(r);
	e->h.src = SRC_KERNEL;
	e->old_tid = old_tid;
	if (b && b->mm == (__u64)mm) {
		e->h.via = b->via;
		fill_old(e, b);
	} else {
		e->old_uid = e->old_euid = e->old_gid = e->old_egid = EV_UNKNOWN;
		e->old_caps = EV_NONE64;
	}
	if (filter.want & WANT_NAMES) {
		if (interp == name)
			append_kernel_str(r, &e->requested, name);
		else
			append_kernel_str(r, &e->interpreter, interp);
	}
	fill_actor(e);
	append_args(r, e, mm, READ(bprm, argc));
	event_submit(r);
out:
	return forget_before();
}

/* The file that an exec which fails now has opened, or NULL: it waits to be closed until the thread goes back to its program, see
 * fput() in fs/file_table.c. Nothing if there are more: of a script and its interpreter it is not known which is which. */
static __always_inline struct file *file_of_work(struct callback_head *work)
{
	struct file___task_work *newer = NULL;
	struct file___rcuhead *middle = NULL;

	if (bpf_core_field_exists(newer->f_task_work))
		return (void *)work - bpf_core_field_offset(struct file___task_work, f_task_work);
	if (bpf_core_field_exists(middle->f_rcuhead))
		return (void *)work - bpf_core_field_offset(struct file___rcuhead, f_rcuhead);
	return (void *)work - bpf_core_field_offset(struct file___u, f_u.fu_rcuhead);
}

static __always_inline struct file *exec_opened(void)
{
	struct callback_head *work = READ(current_task(), task_works);
	struct file *found = NULL;

	for (int i = 0; i < 8 && work; i++) {
		struct file *file = file_of_work(work);
		struct inode *inode = READ(file, f_inode);

		/* Work of another kind has no file around it, which would know its inode twice. */
		if (READ(file, f_flags) & FMODE_EXEC && inode && READ(file, f_path.dentry, d_inode) == inode &&
		    (READ(inode, i_mode) & S_IFMT) == S_IFREG) {
			if (found)
				return NULL;
			found = file;
		}
		work = READ(work, next);
	}
	return work ? NULL : found;
}

/* Of an exec that failed: which interpreter or loader could not be opened; `opened`: there is one. */
static __always_inline void append_missing(struct record *r, struct exec_event *e, bool opened)
{
	__u32 tid = current_pid_tgid();
	struct name *name = bpf_map_lookup_elem(&interpreters, &tid);

	if (name)
		append_kernel_str(r, &e->interpreter, name->s);
	else if (opened)
		e->interpreter.mark = EV_STR_UNKNOWN;
}

/* Errors that read as if the file were not there, or not to be had. */
static __always_inline bool misleads(long ret)
{
	return ret == -ENOENT || ret == -EACCES || ret == -ENOTDIR || ret == -ELOOP || ret == -ENAMETOOLONG || ret == -EPERM;
}

/* An exec that failed, when the call returns. `name`: the kernel's copy of the name, or NULL. */
static __always_inline void report_failed(const struct call *call, long ret, const struct name *name)
{
	struct task_struct *task = current_task();
	__u32 tid = current_pid_tgid();
	struct mm_struct *mm = READ(task, mm);
	struct before *b = bpf_map_lookup_elem(&befores, &tid);
	__u32 via = call->via, src = SRC_USER;
	struct file *known = NULL; /* the program's */
	bool has_args;
	struct exec_event *e;
	struct before now;
	struct record *r;
	struct asked a;

	if (filtered_out()) {
		drop();
		return;
	}
	r = event_begin(exec_event);
	if (!r)
		return;
	e = event_of(r, exec_event);
	exec_asked(&a, call);
	has_args = a.lookup.name;
	if (b && b->mm == (__u64)mm) { /* beyond the point of no return: the caller's memory is gone */
		known = READ(mm, exe_file);
		append_program(r, e, known);
		fill_old(e, b);
		via = b->via;
		src = SRC_KERNEL;
		e->args.count = EV_UNKNOWN;
		e->args.s.mark = 1;
		has_args = false;
	} else {
		struct file *file = NULL, *opened = misleads(ret) ? exec_opened() : NULL;

		if (asks_for_fd(&a))
			file = fd_file(a.lookup.dfd);
		if (name) {
			a.lookup.name = name->s;
			a.lookup.kernel = true;
		}
		if (opened) { /* so what is missing is its interpreter, or its loader */
			known = opened;
			append_program(r, e, opened);
			e->exe.path.mark |= EV_STR_FOUND;
			src = SRC_KERNEL;
			if (filter.want & WANT_NAMES)
				append_given(r, &e->requested, &a.lookup);
		} else if (file) {
			known = file;
			append_program(r, e, file);
			src = SRC_FD;
		} else {
			fill_no_program(e);
			append_name(r, &e->exe.path, &e->requested, &a.lookup);
			if (name)
				src = SRC_KERNEL;
		}
		if (filter.want & WANT_NAMES)
			append_missing(r, e, opened);
		__builtin_memset(&now, 0, sizeof(now));
		fill_before(&now);
		fill_old(e, &now);
	}
	if ((known && !file_wanted(READ(known, f_inode))) || !path_wanted(r, &e->exe.path, !known)) {
		drop();
		return event_drop(r);
	}
	fill_header(&e->h);
	append_context(r);
	e->h.via = via;
	e->h.src = src;
	e->err = -ret;
	e->old_tid = e->h.tid;
	fill_actor(e);
	if (has_args) {
		e->args.s.off = r->len;
		if (append_user_args(r->slot, a.argv, via & VIA_COMPAT ? 4 : 8)) {
			e->args.count = EV_UNKNOWN;
			e->args.s.mark++;
		}
	}
	event_submit(r);
}

/* One that is interrupted while it waits is made again by itself, or its thread dies, as when another one's exec comes first:
 * nothing has failed. */
static __always_inline bool has_failed(long ret)
{
	return ret < 0 && !is_restart(ret);
}

static __always_inline int fails(struct call *call, const struct pt_regs *regs, long ret)
{
	exit_args(call, regs);
	report_failed(call, ret, NULL);
	return forget_before();
}

CALL_ENDS(fail__tp_sys_exit, exec, has_failed(ret), fails(&call, regs, ret))

/* ---- Kernel tier: the same, with the kernel's copy of the name, which alloc_bprm() is the
 * first to get. */
static const struct name empty_name;

SEC("?fentry/alloc_bprm")
int BPF_PROG(fail__fentry_alloc_bprm, int dfd, struct filename *filename)
{
	__u32 tid = current_pid_tgid();
	struct call call;
	struct name *name;

	if (!exec_runs(&call) || filtered_out())
		return 0;
	bpf_map_delete_elem(&interpreters, &tid); /* of an exec whose end was missed */
	/* If there is no room, the caller's copy has to do. */
	bpf_map_update_elem(&names, &tid, &empty_name, BPF_ANY);
	name = bpf_map_lookup_elem(&names, &tid);
	if (!name)
		return 0;
	name->of = number(filename);
	if (bpf_probe_read_kernel_str(name->s, NAME_MAX, READ(filename, name)) <= 0)
		bpf_map_delete_elem(&names, &tid);
	return 0;
}

/* An exec cannot open `wanted`: not the file that it was called for, whose struct filename is another. */
static __always_inline int interpreter_opens(const char *wanted, struct filename *of, struct file *file)
{
	__u32 tid = current_pid_tgid();
	struct name *name = IS_ERR_OR_NULL(file) ? bpf_map_lookup_elem(&names, &tid) : NULL;

	if (!name || name->of == number(of)) /* nobody asks for it, or it is that */
		return 0;
	bpf_map_update_elem(&interpreters, &tid, &empty_name, BPF_ANY);
	name = bpf_map_lookup_elem(&interpreters, &tid);
	if (name && bpf_probe_read_kernel_str(name->s, NAME_MAX, wanted) <= 0)
		bpf_map_delete_elem(&interpreters, &tid);
	return 0;
}

SEC("?fexit/open_exec")
int BPF_PROG(fail__fentry_opt_interpreter, const char *name, struct file *file)
{
	return interpreter_opens(name, NULL, file);
}

/* By which the loader of a program is opened since 7.0 or so. */
SEC("?fexit/do_open_execat")
int BPF_PROG(fail__fentry_opt_loader, int dfd, struct filename *name, int flags, struct file *file)
{
	return interpreter_opens(READ(name, name), name, file);
}

/* Global: verified once. */
__noinline int exec_failed(int ret)
{
	__u32 tid = current_pid_tgid();
	struct call call;

	if (!exec_runs(&call))
		return 0;
	if (has_failed(ret))
		report_failed(&call, ret, bpf_map_lookup_elem(&names, &tid));
	bpf_map_delete_elem(&names, &tid);
	bpf_map_delete_elem(&interpreters, &tid);
	return forget_before();
}

/* The end of each call: that of the function by which it has entered, */
#define FAILS (ret < 0 ? exec_failed(ret) : 0)
ENTRY_ENDS(fail__fentry_alt_1_execve, ENTRY(execve), FAILS)
ENTRY_ENDS(fail__fentry_alt_1_execveat, ENTRY(execveat), FAILS)
ENTRY_ENDS(fail__fentry_opt_compat_alt_1_execve, ENTRY_COMPAT(execve), FAILS)
ENTRY_ENDS(fail__fentry_opt_compat_alt_1_execveat, ENTRY_COMPAT(execveat), FAILS)

/* or else of all calls that there are. */
CALL_ENDS(fail__fentry_alt_2_sys_exit, exec, ret < 0, call.via &VIA_COMPAT ? 0 : exec_failed(ret))
CALL_ENDS(fail__fentry_opt_compat_alt_2_sys_exit, exec, ret < 0, call.via &VIA_COMPAT ? exec_failed(ret) : 0)

WATCH_TRAMPOLINES(fail__fentry_opt_watch)
