// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Changes of modes in both tiers. What they are made of stands in chmod*.bpf.h, and in stack.bpf.h. */
#include "chmod_creation.bpf.h"
#include "chmod_ring.bpf.h"
#include "stack.bpf.h"
#include "trampoline.bpf.h"

/* A chmod returns, of which `seen` may be known. */
static __always_inline int chmod_ends(const struct request *q, const struct change *seen, long ret)
{
	struct change c = {.before = EV_UNKNOWN}, of_fd = {};
	int err = ret < 0 ? -ret : 0;
	__u32 src = SRC_KERNEL;
	struct file *file;

	if (seen->mode) {
		c = *seen;
		if (c.dentry && named(c.mnt, c.dentry) != c.inode)
			c.dentry = NULL; /* gone since */
	}
	file = c.dentry ? NULL : fd_file(q->fd);
	if (file) {
		change_of_file(&of_fd, file);
		src = SRC_FD;
		if (!seen->mode) {
			c = of_fd;
			c.before = err ? c.mode & 07777 : seen->inode == c.inode ? seen->before : EV_UNKNOWN;
		} else if (of_fd.inode == c.inode) { /* what the hook did not find on the stack */
			c.mnt = of_fd.mnt;
			c.dentry = of_fd.dentry;
		}
	}
	return report(q, &c, err, src);
}

/* What the hooks inside this thread's call have seen; NULL: nothing. */
static __always_inline struct change *seen_change(__u32 tid)
{
	struct change *seen = bpf_map_lookup_elem(&changes, &tid);

	return seen && (seen->inode || seen->dentry) ? seen : NULL;
}

static __always_inline void keep_change(__u32 tid, const struct change *c)
{
	struct change *room = bpf_map_lookup_elem(&changes, &tid);

	if (room)
		*room = *c;
	else
		bpf_map_update_elem(&changes, &tid, c, BPF_ANY);
}

static __always_inline void take_seen(struct change *c)
{
	static const struct change nothing = {};
	struct change *seen = seen_change(current_pid_tgid());

	if (!seen)
		return;
	*c = *seen;
	*seen = nothing;
}

/* Whether an open may make a file: its flags, unless they are in memory that may have changed. */
static __always_inline bool may_create(const struct call *call)
{
	switch (call->via & ~VIA_COMPAT) {
	case VIA_open: return call->args[1] & (O_CREAT | O_TMPFILE);
	case VIA_openat: return call->args[2] & (O_CREAT | O_TMPFILE);
	}
	return true;
}

/* Any of the calls returns. */
static __always_inline int call_ends(struct call *call, const struct pt_regs *regs, long ret)
{
	struct creation made = {};
	struct change c = {};
	struct request q;
	bool open;

	exit_args(call, regs);
	open = VIA_IS(call->via, OPEN_CALLS);
	if (open && !may_create(call))
		return 0;
	if (filtered_out()) /* of the others it is not known if they change anything */
		return VIA_IS(call->via, CHMOD_CALLS) ? drop() : 0;
	if (VIA_IS(call->via, CHMOD_CALLS)) {
		take_seen(&c);
		REQUEST_OF(&q, chmod, call);
		return chmod_ends(&q, &c, ret);
	}
	creation_take(current_pid_tgid(), &made);
	REQUEST_OF(&q, any, call);
	if (open)
		return open_ends(&q, &made, ret);
	return ret < 0 ? 0 : node_ends(&q, &made);
}

/* ---- Tracepoint tier ---- */

/* What was made gets its name in `dir`. */
static __always_inline void name_creation(struct creation *made, struct inode *dir, unsigned long frame)
{
	struct vfsmount *mnt;

	creation_named(made);
	mnt = made->mode & RISK_BITS ? mount_of_dir(dir, frame) : NULL;
	if (mnt)
		made->mnt = mnt;
}

/* The same by a request of io_uring. */
static __always_inline int uring_changes(struct creation *made, struct inode *inode, const void *ctx)
{
	__u32 type = READ(inode, i_mode) & S_IFMT;

	if (is_new(inode)) {
		if (type == S_IFREG)
			creation_seen_in(made, inode);
	} else if (type == S_IFDIR && made->inode) {
		name_creation(made, inode, number(ctx));
	}
	return 0;
}

/* An inode is changed by a chmod, or by a call that makes files: it is new, or a directory that gets a name. */
static __always_inline int inode_changes(struct inode *inode, const void *ctx)
{
	struct uring_request *u = uring_worked_on();
	struct change c = {.before = EV_UNKNOWN}, *seen = NULL;
	struct creation *made = NULL;
	struct request q;
	struct path *path;
	struct call call;
	__u32 mode, tid;
	bool chmods;

	if (u)
		return uring_changes(&u->kept.made, inode, ctx);
	if (filtered_out() || !any_runs(&call))
		return 0;
	tid = current_pid_tgid();
	chmods = VIA_IS(call.via, CHMOD_CALLS);
	REQUEST_OF(&q, any, &call);
	mode = READ(inode, i_mode);
	if (chmods) {
		/* Not the access time of a symlink on the way. Setgid may have been refused. */
		if ((mode & S_IFMT) == S_IFLNK || (mode ^ q.mode) & 07777 & ~S_ISGID)
			return 0;
		seen = seen_change(tid);
		if (seen && seen->mode && seen->inode == inode)
			return 0;
	} else if (!may_create(&call)) {
		return 0;
	} else if (is_new(inode)) {
		__u32 type = VIA_IS(call.via, OPEN_CALLS) ? S_IFREG : q.mode & S_IFMT ?: S_IFREG;

		if ((mode & S_IFMT) == type)
			creation_seen(tid, inode);
		return 0;
	} else {
		made = (mode & S_IFMT) == S_IFDIR ? creation_of(tid) : NULL;
		if (!made || !made->inode)
			return 0;
		name_creation(made, inode, number(ctx));
		return 0;
	}
	path = changed_path(inode, q.via, !q.lookup.name, q.fd, number(ctx));
	if (path)
		change_of_path(&c, path);
	else
		change_of(&c, inode);
	c.mode = mode;
	if (seen && seen->inode == c.inode)
		c.before = seen->before;
	keep_change(tid, &c);
	return 0;
}

/* writeback_mark_inode_dirty, and since 6.13: for file systems with fine time stamps, such as tmpfs and btrfs, ctime_ns_xchg; the
 * same when their clock has not moved on; and the rest, such as cgroup2 and procfs. All are handed the inode first. */
SEC("?raw_tp/writeback_mark_inode_dirty+ctime_ns_xchg+ctime_xchg_skip+inode_set_ctime_to_ts")
int mode__tp_opt_changes(unsigned long long *ctx)
{
	return inode_changes((void *)ctx[0], ctx);
}

/* Where the time stamps are not traced, ext4 tells: the inode with all of its mode, and the directory. */
SEC("?raw_tp/ext4_allocate_inode")
int mode__tp_opt_ext4(unsigned long long *ctx)
{
	struct inode *inode = (void *)ctx[0], *dir = (void *)ctx[1];
	struct uring_request *u = uring_worked_on();
	struct creation *made;
	struct call call;

	if (CTIME_TRACED)
		return 0;
	if (u)
		made = &u->kept.made;
	else if (filtered_out() || !any_runs(&call) || VIA_IS(call.via, CHMOD_CALLS) || !may_create(&call))
		return 0;
	else
		made = creation_room(current_pid_tgid());
	if (!made)
		return 0;
	creation_seen_in(made, inode);
	if (made->inode == inode)
		name_creation(made, dir, number(ctx));
	return 0;
}

/* The mode before: only behind a descriptor is the file known when the call begins. */
CALLS_OF(mode__tp_opt_sys_enter, entry);
SEC("?tp_btf/sys_enter")
int BPF_PROG(mode__tp_opt_sys_enter, struct pt_regs *regs)
{
	struct change c = {};
	struct request q;
	struct file *file;
	struct call call;
	__u32 tid;

	if (!entry_exits(&call, regs) || filtered_out())
		return 0;
	exit_args(&call, regs);
	if (VIA_IS(call.via, UMASK_CALLS)) {
		if (!CTIME_TRACED)
			umask_changes(call.args[0]);
		return 0;
	}
	tid = current_pid_tgid();
	REQUEST_OF(&q, entry, &call);
	/* The name's page may not be there yet; if it is not empty, another file will change. */
	file = fd_file(q.flags & AT_EMPTY_PATH ? q.lookup.dfd : q.fd);
	if (!file)
		return 0;
	change_of_file(&c, file);
	c.before = c.mode & 07777;
	c.mode = 0;
	keep_change(tid, &c);
	return 0;
}

CALL_ENDS(mode__tp_sys_exit, any, true, call_ends(&call, regs, ret))

/* ---- Kernel tier ----
 * chmod_common() is handed the path; the name of a new node is known before it is made. */
SEC("?fentry/chmod_common")
int BPF_PROG(mode__fentry_begin, const struct path *path)
{
	__u32 tid = current_pid_tgid();
	struct change c = {};

	if (filtered_out())
		return 0;
	change_of_path(&c, path);
	c.before = c.mode & 07777;
	c.mode = 0;
	keep_change(tid, &c);
	return 0;
}

SEC("?fexit/chmod_common")
int BPF_PROG(mode__fentry_end, const struct path *path, unsigned short mode, int ret)
{
	struct request q = {.mode = mode, .via = VIA_KERNEL};
	__u32 tid = current_pid_tgid();
	struct change c = {}, *seen;
	struct call call;

	if (ret == -ESTALE || filtered_out()) /* the path is looked up once more */
		return 0;
	seen = seen_change(tid);
	c.before = seen ? seen->before : EV_UNKNOWN;
	change_of_path(&c, path);
	c.reported = 1;
	keep_change(tid, &c);
	if (chmod_runs(&call))
		REQUEST_OF(&q, chmod, &call);
	return report(&q, &c, ret < 0 ? -ret : 0, SRC_KERNEL);
}

URING_ISSUES(mode__fentry_opt_openat2, "io_openat2") /* where OPENAT ends up as well */
URING_ISSUES(mode__fentry_opt_openat, "io_openat")

/* A file may be made: where, and under which name. */
static __always_inline int node_begins(const struct path *dir, struct dentry *dentry)
{
	__u32 tid = current_pid_tgid();
	struct creation *made;
	struct call call;

	if (!any_runs(&call) ? !URING_WORKS(open_in) : VIA_IS(call.via, CHMOD_CALLS))
		return 0;
	if (filtered_out())
		return 0;
	made = creation_room(tid);
	if (!made)
		return 0;
	made->inode = NULL;
	made->named = 0;
	made->mnt = BPF_CORE_READ(dir, mnt);
	made->dentry = dentry;
	return 0;
}

/* Which all file systems call that keep their files themselves, but for few; on overlayfs first the one beneath. */
SEC("?fexit/inode_init_owner")
int mode__fentry_opt_inode(unsigned long long *ctx)
{
	struct vfsmount___userns *userns = NULL;
	struct vfsmount___idmap *idmap = NULL;
	bool second = bpf_core_field_exists(userns->mnt_userns) || bpf_core_field_exists(idmap->mnt_idmap);
	unsigned long long first = ctx[0], other = ctx[1];
	__u32 tid = current_pid_tgid();
	struct creation *made = creation_of(tid);
	struct inode *inode;

	/* Both: the kernel refuses a load from the context at a place that is calculated. */
	barrier_var(first);
	barrier_var(other);
	inode = (void *)(second ? other : first);
	if (!made || !made->dentry) /* see node_begins() */
		return 0;
	creation_seen(tid, inode);
	made->named = 1;
	return 0;
}

SEC("?fentry/security_path_mknod")
int BPF_PROG(mode__fentry_opt_mknod, const struct path *dir, struct dentry *dentry)
{
	return node_begins(dir, dentry);
}

SEC("?fentry/security_path_mkdir")
int BPF_PROG(mode__fentry_opt_mkdir, const struct path *dir, struct dentry *dentry)
{
	return node_begins(dir, dentry);
}

/* What has not come as far as chmod_common(). Global, as the next two: verified once. */
__noinline int chmod_returns(int ret)
{
	struct change c = {};
	struct request q;
	struct call call;

	take_seen(&c);
	if (c.reported || !chmod_runs(&call))
		return 0;
	if (filtered_out())
		return drop();
	REQUEST_OF(&q, chmod, &call);
	return chmod_ends(&q, &c, ret);
}

/* What an open has created, where do_filp_open() cannot be watched. */
__noinline int open_returns(int fd)
{
	struct creation made = {};
	struct request q;
	struct call call;

	if (!open_runs(&call) || !may_create(&call) || filtered_out())
		return 0;
	creation_take(current_pid_tgid(), &made);
	REQUEST_OF(&q, open, &call);
	return open_ends(&q, NULL, fd);
}

__noinline int node_returns(int ret)
{
	struct creation made = {};
	struct request q;
	struct call call;

	creation_take(current_pid_tgid(), &made);
	if (ret < 0 || filtered_out() || !node_runs(&call))
		return 0;
	REQUEST_OF(&q, node, &call);
	return node_ends(&q, &made);
}

/* By the functions that the calls enter by: do_fchmodat(), which they share, may be inlined in some of them, as in 6.12. */
ENTRY_ENDS(mode__fentry_alt_1_fchmod, ENTRY(fchmod), chmod_returns(ret))
ENTRY_ENDS(mode__fentry_alt_1_fchmodat, ENTRY(fchmodat), chmod_returns(ret))
ENTRY_ENDS(mode__fentry_opt_fchmodat2, ENTRY(fchmodat2), chmod_returns(ret)) /* since 6.6 */
#if defined(__TARGET_ARCH_x86)
ENTRY_ENDS(mode__fentry_alt_1_chmod, ENTRY(chmod), chmod_returns(ret))
ENTRY_ENDS(mode__fentry_opt_compat_alt_1_chmod, ENTRY_32(chmod), chmod_returns(ret))
ENTRY_ENDS(mode__fentry_opt_compat_alt_1_fchmod, ENTRY_32(fchmod), chmod_returns(ret))
ENTRY_ENDS(mode__fentry_opt_compat_alt_1_fchmodat, ENTRY_32(fchmodat), chmod_returns(ret))
ENTRY_ENDS(mode__fentry_opt_fchmodat2_32, ENTRY_32(fchmodat2), chmod_returns(ret))
#define ENTERS_APART(via) ((via)&VIA_COMPAT)
#else /* where the others serve 32-bit callers too */
ENTRY_ENDS(mode__fentry_opt_compat_alt_1_chmod, ENTRY(chmod), chmod_returns(ret))
#define ENTERS_APART(via) ((via) == (VIA_chmod | VIA_COMPAT))
#endif

/* Else the end of every call that there is. */
CALL_ENDS(mode__fentry_alt_2_sys_exit, chmod, true,
	  VIA_IS(call.via, OLD_CHMOD_CALLS) && !ENTERS_APART(call.via) ? chmod_returns(ret) : 0)

CALL_ENDS(mode__fentry_opt_compat_alt_2_sys_exit, chmod, true,
	  VIA_IS(call.via, OLD_CHMOD_CALLS) && ENTERS_APART(call.via) ? chmod_returns(ret) : 0)

SEC("?fexit/do_mkdirat")
int BPF_PROG(mode__fentry_opt_node_alt_1_mkdir, int dfd, void *name, unsigned short mode, int ret)
{
	return node_returns(ret);
}

SEC("?fexit/do_mknodat")
int BPF_PROG(mode__fentry_opt_node_alt_1_mknod, int dfd, void *name, unsigned short mode, unsigned int dev, int ret)
{
	return node_returns(ret);
}

SEC("?fexit/filename_mkdirat") /* their names since 7.0 or so */
int BPF_PROG(mode__fentry_opt_node_alt_2_mkdir, int dfd, void *name, unsigned short mode, int ret)
{
	return node_returns(ret);
}

SEC("?fexit/filename_mknodat")
int BPF_PROG(mode__fentry_opt_node_alt_2_mknod, int dfd, void *name, unsigned short mode, unsigned int dev, int ret)
{
	return node_returns(ret);
}

CALL_ENDS(mode__fentry_opt_node_alt_3_sys_exit, node, true, node_returns(ret))

/* An open ends, with a file or an error; neither another thread nor the caller can have changed either. The name is the kernel's. */
static __always_inline int file_opens(struct filename *name, const struct open_flags *op, struct file *file)
{
	int err = IS_ERR_OR_NULL(file) ? -(long)file : 0;
	struct creation made = {};
	struct request q = {};
	struct change c = {};
	struct call call;

	if (!(BPF_CORE_READ(op, open_flag) & (O_CREAT | O_TMPFILE)))
		return 0;
	creation_take(current_pid_tgid(), &made);
	if (err ? !made.named || !made_as_named(&made) : !was_created(file))
		return 0;
	if (filtered_out())
		return 0;
	if (URING_WORKS(open_in))
		q.via = VIA_IO_URING;
	else if (open_runs(&call))
		REQUEST_OF(&q, open, &call);
	else
		return 0;
	q.mode = BPF_CORE_READ(op, mode) & 07777;
	q.lookup.kernel = true;
	q.lookup.name = BPF_CORE_READ(name, name);
	if (err) {
		c.mnt = made.mnt;
		c.dentry = made.dentry;
		change_of(&c, made_as_named(&made));
	} else {
		change_of_file(&c, file);
	}
	return created(&q, &c, err, SRC_KERNEL);
}

SEC("?fexit/do_filp_open")
int BPF_PROG(mode__fentry_opt_open_alt_1, int dfd, struct filename *name, const struct open_flags *op, struct file *file)
{
	return file_opens(name, op, file);
}

SEC("?fexit/do_file_open") /* its name since 7.0 or so */
int BPF_PROG(mode__fentry_opt_open_alt_2, int dfd, struct filename *name, const struct open_flags *op, struct file *file)
{
	return file_opens(name, op, file);
}

CALL_ENDS(mode__fentry_opt_open_alt_3, open, true, ret >= 0 ? open_returns(ret) : 0)

WATCH_TRAMPOLINES(mode__fentry_opt_watch)
