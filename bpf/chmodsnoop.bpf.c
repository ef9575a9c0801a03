// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "chmodsnoop.h"
#include "context.bpf.h"
#include "creation.bpf.h"
#include "interrupted.bpf.h"
#include "syscall.bpf.h"
#include "trampoline.bpf.h"

/* What is kept of an open of io_uring that may create a file. */
struct uring_open {
	__u64 flags;
	__u32 mode; /* as asked for */
	__u32 mask; /* umask of the submitter, then */
	int dfd;
	__u32 slot; /* see uring_slot() */
	__u32 len;  /* of the name */
	__u32 in_root;
	struct creation made;
	char name[4096];
};
#define URING_KEPT struct uring_open
#include "uring.bpf.h"

const volatile bool only_risky = false;

#define OLD_CHMOD_CALLS(X) X(chmod) X(fchmod) X(fchmodat)
#define CHMOD_CALLS(X) OLD_CHMOD_CALLS(X) X(fchmodat2)
#define OPEN_CALLS(X) X(open) X(openat) X(openat2) X(creat)
#define NODE_CALLS(X) X(mknod) X(mknodat) X(mkdir) X(mkdirat)
#define ALL_CALLS(X) CHMOD_CALLS(X) OPEN_CALLS(X) NODE_CALLS(X)
#define UMASK_CALLS(X) X(umask)
#define ENTRY_CALLS(X) X(fchmod) X(fchmodat2) UMASK_CALLS(X)
DEFINE_CALLS(any, ALL_CALLS)
DEFINE_CALLS(chmod, CHMOD_CALLS)
DEFINE_CALLS(open, OPEN_CALLS)
DEFINE_CALLS(node, NODE_CALLS)
DEFINE_CALLS(entry, ENTRY_CALLS)

#define VIA_CASE(name) case VIA_##name:
#define VIA_IS(via, LIST) ({ bool is = false; switch ((via) & ~VIA_COMPAT) { LIST(VIA_CASE) is = true; } is; })

/* What the caller asks for. */
struct request {
	const char *name; /* NULL: there is none */
	bool kernel_name; /* it is the kernel's copy, not user memory */
	bool by_fd;       /* dfd is the file itself */
	bool in_root;     /* dfd is the root of the look-up */
	int dfd;
	__u32 mode;
	__u32 flags;      /* AT_* */
	__u32 oflags;     /* O_*, of an open */
	__u32 via;
};

/* A file, and how its mode changes. Kept by thread between two hooks, so no padding. */
struct change {
	struct inode *inode;   /* NULL: not known */
	struct vfsmount *mnt;
	struct dentry *dentry; /* NULL: not known by which name */
	__u64 ino;
	__u32 dev, owner, group;
	__u32 before;          /* permission bits; EV_NONE: it is new; EV_UNKNOWN */
	__u32 mode;            /* i_mode after it; 0: not known yet */
	__u32 created;         /* EV_UNKNOWN */
	__u32 may;             /* of a new file whose mode no hook has seen: the permission bits that it may have */
	__u32 reported;
};

/* By thread: its room stays for its next call. Of one that was evicted, the line knows less and says so. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u32);
	__type(value, struct change);
} changes SEC(".maps");

static __always_inline void change_of(struct change *c, struct inode *inode)
{
	c->inode = inode;
	c->ino = READ(inode, i_ino);
	c->dev = READ(inode, i_sb, s_dev);
	c->owner = READ(inode, i_uid.val);
	c->group = READ(inode, i_gid.val);
	c->mode = READ(inode, i_mode);
}

static __always_inline void change_of_path(struct change *c, const struct path *path)
{
	struct dentry *dentry = READ(path, dentry);

	c->mnt = READ(path, mnt);
	c->dentry = dentry;
	change_of(c, READ(dentry, d_inode));
}

static __always_inline void change_of_file(struct change *c, struct file *file)
{
	change_of_path(c, (void *)file + bpf_core_field_offset(struct file, f_path));
}

static __always_inline void request_of(struct request *q, const struct call *call)
{
	const unsigned long *args = call->args;
	__u32 resolve = 0;
	char first = 0;

	*q = (struct request){.dfd = AT_FDCWD, .via = call->via};
	switch (call->via & ~VIA_COMPAT) {
	case VIA_chmod:
	case VIA_mknod:
		q->name = (void *)args[0];
		q->mode = args[1];
		break;
	case VIA_creat:
		q->name = (void *)args[0];
		q->mode = args[1];
		q->oflags = O_CREAT | O_WRONLY | O_TRUNC;
		break;
	case VIA_mkdir:
		q->name = (void *)args[0];
		q->mode = S_IFDIR | (args[1] & 01777);
		break;
	case VIA_open:
		q->name = (void *)args[0];
		q->oflags = args[1];
		q->mode = args[2];
		break;
	case VIA_fchmod:
		q->dfd = args[0];
		q->mode = args[1];
		q->by_fd = true;
		break;
	case VIA_fchmodat2:
		q->flags = args[3];
		if (q->flags & AT_EMPTY_PATH && !bpf_probe_read_user(&first, 1, (void *)args[1]))
			q->by_fd = !first;
		/* fallthrough */
	case VIA_fchmodat:
	case VIA_mknodat:
		q->dfd = args[0];
		q->name = (void *)args[1];
		q->mode = args[2];
		break;
	case VIA_mkdirat:
		q->dfd = args[0];
		q->name = (void *)args[1];
		q->mode = S_IFDIR | (args[2] & 01777);
		break;
	case VIA_openat:
		q->dfd = args[0];
		q->name = (void *)args[1];
		q->oflags = args[2];
		q->mode = args[3];
		break;
	case VIA_openat2:
		q->dfd = args[0];
		q->name = (void *)args[1];
		bpf_probe_read_user(&q->oflags, sizeof(q->oflags), (void *)args[2]);
		bpf_probe_read_user(&q->mode, sizeof(q->mode), (void *)args[2] + sizeof(__u64));
		bpf_probe_read_user(&resolve, sizeof(resolve), (void *)args[2] + 2 * sizeof(__u64));
		q->in_root = resolve & RESOLVE_IN_ROOT;
		break;
	}
	q->mode &= S_IFMT | 07777;
}

/* The inode that goes by that name now, or NULL. */
static __always_inline struct inode *named(struct vfsmount *mnt, struct dentry *dentry)
{
	struct super_block *sb = READ(dentry, d_sb);

	if (!sb || READ(mnt, mnt_sb) != sb)
		return NULL;
	return READ(dentry, d_inode);
}

/* The least of the masks that a process with several threads has had while it was traced: whoever reads its umask after a call
 * cannot know which one the call has used. Only where no hook sees a new file's mode. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, __u32);
} least_umasks SEC(".maps");

static __always_inline void umask_changes(__u32 mask)
{
	struct fs_struct *fs = READ(current_task(), fs);
	__u64 key = (__u64)fs;
	__u32 *known = bpf_map_lookup_elem(&least_umasks, &key), least = READ(fs, umask) & mask;

	if (READ(fs, users) < 2)
		return;
	if (known)
		least &= *known;
	bpf_map_update_elem(&least_umasks, &key, &least, BPF_ANY);
}

/* The mode that a new file may have got. */
static __always_inline __u32 masked(__u32 mode)
{
	struct fs_struct *fs = READ(current_task(), fs);
	__u64 key = (__u64)fs;
	__u32 *least = bpf_map_lookup_elem(&least_umasks, &key);

	return mode & ~(READ(fs, users) > 1 && least ? *least : READ(fs, umask));
}

/* Sends the line. `c` is what is known of the file; `by`: who asked for it, NULL: the current task. */
static __always_inline int report_by(const struct request *q, struct change *c, int err, __u32 src, const struct event_header *by)
{
	bool made = c->created, failed = err && err != EV_ERRNO_UNKNOWN && !made;
	__u32 before = c->before, after = (failed ? q->mode : c->mode) & 07777;
	struct dentry *dentry = c->dentry;
	struct chmod_event *e;
	struct record *r;
	__u32 risk = 0;

	if (filter.set & FILTER_FAILED && !err)
		return 0;
	if (!failed && !c->mode) /* no hook has seen it */
		after = EV_UNKNOWN;
	if (!failed) {
		risk = (after <= 07777 ? after : made ? c->may : q->mode) & RISK_BITS & ~(before > 07777 ? 0 : before);
		if (risk && (before == (__u32)EV_UNKNOWN || after > 07777))
			risk |= RISK_UNSURE;
	}
	if ((only_risky && !risk) || (dentry && is_elsewhere(c->mnt, dentry)))
		return 0;
	r = event_begin(chmod_event);
	if (!r)
		return 0;
	e = event_of(r, chmod_event);
	e->deleted = EV_NONE;
	e->owner = e->group = EV_NONE;
	e->created = c->created;
	if (dentry) {
		append_dentry(r, &e->path, c->mnt, dentry);
		e->deleted = !READ(dentry, d_inode, i_nlink) || unlinked(dentry);
		if (filter.want & WANT_REQUESTED && q->name) {
			if (q->kernel_name)
				append_kernel_str(r, &e->requested, q->name);
			else
				append_user_str(r, &e->requested, q->name);
		}
	} else {
		src = q->kernel_name ? SRC_KERNEL : SRC_USER;
		if (by && by->pid != current_pid_tgid() >> 32) { /* nobody knows any more from where */
			append_kernel_str(r, &e->requested, q->name);
			e->path = e->requested;
		} else if (q->name) {
			append_name_in(r, &e->path, &e->requested, q->dfd, q->name, q->kernel_name, q->in_root);
		}
	}
	if (!path_wanted(r, &e->path, !dentry))
		return event_drop(r), 0;
	if (c->inode) {
		e->dev = c->dev;
		e->ino = c->ino;
		e->owner = c->owner;
		e->group = c->group;
	}
	if (by)
		e->h = *by;
	else
		fill_header(&e->h);
	if (!by || by->pid == current_pid_tgid() >> 32) /* else another ends it, when the process is gone */
		append_context(r);
	e->h.src = src;
	e->h.via = q->via;
	e->type = c->mode ? c->mode & S_IFMT : EV_NONE;
	e->before = before;
	e->after = after;
	e->mode = q->mode & 07777;
	e->risk = risk;
	e->err = error_seen(err);
	e->flags = q->flags;
	event_submit(r);
	return 0;
}

static __always_inline int report(const struct request *q, struct change *c, int err, __u32 src)
{
	return report_by(q, c, err, src, NULL);
}

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
	file = !c.dentry && q->by_fd ? fd_file(q->dfd) : NULL;
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

/* A creation returns; only those with a dangerous mode are of interest. */
static __always_inline int created(const struct request *q, struct change *c, int err, __u32 src)
{
	c->before = EV_NONE;
	c->created = 1;
	return c->mode & RISK_BITS ? report(q, c, err, src) : 0;
}

static __always_inline bool was_created(struct file *file)
{
	return READ(file, f_mode) & FMODE_CREATED || READ(file, f_flags) & O_TMPFILE;
}

/* A file was made, or may have been, that no hook has seen: as the caller asked for it. */
static __always_inline int maybe_created(const struct request *q, int err, bool surely)
{
	struct task_struct *task = current_task();
	struct change c = {.before = EV_NONE, .created = 1, .may = masked(q->mode)};

	/* The success may be the answer of a filter. */
	if (!surely || READ(task, seccomp.mode) == SECCOMP_MODE_FILTER)
		c.before = c.created = EV_UNKNOWN;
	return c.may & RISK_BITS ? report(q, &c, err, SRC_USER) : 0;
}

/* What is known of a file that was made: by its name now, if its mount is known. */
static __always_inline void change_of_creation(struct change *c, const struct creation *made)
{
	struct dentry *dentry = made->mnt ? creation_dentry(made) : NULL;

	if (dentry && named(made->mnt, dentry) == made->inode) {
		c->mnt = made->mnt;
		c->dentry = dentry;
	}
	change_of(c, made->inode);
	c->mode = made->mode;
}

/* Errors that an open may end with when it has made the file. */
static __always_inline bool may_follow_creation(int err)
{
	return err == EINVAL || err == EPERM || err == EACCES || error_seen(err) == EINTR;
}

/* An open returns a descriptor, or an error. `made`: what its thread has made meanwhile, or NULL. */
static __always_inline int open_ends(const struct request *q, const struct creation *made, long ret)
{
	struct file *file = ret >= 0 ? fd_file(ret) : NULL;
	int err = ret < 0 ? -ret : 0;
	struct change c = {};

	if (made && made->inode && file && READ(file, f_inode) == made->inode) {
		if (!was_created(file))
			return 0;
		change_of_file(&c, file);
		if (made->named)
			c.mode = made->mode;
		return created(q, &c, 0, SRC_KERNEL);
	}
	if (made && made->named && alias_of(made->inode)) {
		change_of_creation(&c, made);
		/* An overlay's file that is opened may have been copied up. */
		if (c.dentry || !file)
			return created(q, &c, err, SRC_KERNEL);
		c = (struct change){};
	}
	if (file && was_created(file)) {
		change_of_file(&c, file);
		return created(q, &c, 0, SRC_FD);
	}
	if (!(q->oflags & (O_CREAT | O_TMPFILE)) || CTIME_TRACED)
		return 0;
	return (ret >= 0 && !file) || may_follow_creation(err) ? maybe_created(q, err, false) : 0;
}

/* What a hook was handed the name of, if it has been made. */
static __always_inline struct inode *made_as_named(const struct creation *made)
{
	return made->dentry ? named(made->mnt, made->dentry) : NULL;
}

static __always_inline int node_ends(const struct request *q, const struct creation *made)
{
	struct inode *inode = made_as_named(made);
	struct change c = {};

	if (inode) {
		c.mnt = made->mnt;
		c.dentry = made->dentry;
		change_of(&c, inode);
	} else if (made->inode) {
		change_of_creation(&c, made);
	} else {
		return maybe_created(q, 0, true);
	}
	return created(q, &c, 0, SRC_KERNEL);
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
	case VIA_open:
		return call->args[1] & (O_CREAT | O_TMPFILE);
	case VIA_openat:
		return call->args[2] & (O_CREAT | O_TMPFILE);
	}
	return true;
}

/* Any of the calls returns. */
static __always_inline int call_ends(const struct pt_regs *regs, long ret)
{
	struct creation made = {};
	struct change c = {};
	struct request q;
	struct call call;
	bool open;

	if (!any_exits(&call, regs))
		return 0;
	exit_args(&call, regs);
	open = VIA_IS(call.via, OPEN_CALLS);
	if ((open && !may_create(&call)) || filtered_out())
		return 0;
	if (VIA_IS(call.via, CHMOD_CALLS)) {
		take_seen(&c);
		request_of(&q, &call);
		return chmod_ends(&q, &c, ret);
	}
	creation_take(current_pid_tgid(), &made);
	request_of(&q, &call);
	if (open)
		return open_ends(&q, &made, ret);
	return ret < 0 ? 0 : node_ends(&q, &made);
}

/* ---- Tracepoint tier ----
 * When a file system has changed an inode's mode it changes its ctime or marks it dirty, both of
 * which are traced, in the context of the call and with that very inode. The name that the kernel
 * found it by is the struct path that chmod_common() was given: a pointer to it lies in the frames
 * of the functions that it called. */
#define STACK_BYTES 2304 /* more than lies between the saved registers and those functions */
#define STACK_PART 32    /* words looked at in one call */
#define WORDS_COPIED 8   /* at a time, where words cannot be looked at in place: the programs' own stack is short before 6.13 */

/* Whether it may be the address of an object: reading from others costs a fault. */
static __always_inline bool is_pointer(unsigned long p)
{
	return (long)p < 0 && !(p & (sizeof(long) - 1)) && !IS_ERR_OR_NULL(p);
}

/* Whether `word`, of the kernel stack between `from` and `top`, points to a path of `inode`: one on
 * that stack too, or in a struct file if `by_fd`. */
__noinline int points_to_path(unsigned long word, unsigned long from, unsigned long top, unsigned long inode, int by_fd)
{
	struct path *path = (void *)word;
	struct vfsmount *mnt;
	struct dentry *dentry;
	struct inode *found;

	if (!is_pointer(word) || (word > from && word < top) != !by_fd)
		return 0;
	mnt = READ(path, mnt);
	if (!is_pointer((unsigned long)mnt))
		return 0;
	dentry = READ(path, dentry);
	if (!is_pointer((unsigned long)dentry))
		return 0;
	found = named(mnt, dentry);
	if (!found)
		return 0;
	/* The inode that overlayfs changes is one of the file system beneath. */
	return (unsigned long)found == inode || READ(found, i_sb, s_magic) == OVERLAYFS_SUPER_MAGIC;
}

/* Whether they are the same, or there is no `one`. */
__noinline int agree(unsigned long one, unsigned long other)
{
	struct path *a = (void *)one, *b = (void *)other;

	return !one || one == other || (READ(a, dentry) == READ(b, dentry) && READ(a, mnt) == READ(b, mnt));
}

/* Those of the words at `from` that do must agree with the one at `found`, if it is not 0, and with each other: earlier calls
 * have left theirs where no function has written since, such as the gap of random size that may lie behind the call's entry.
 * Returns where on the stack the outermost one is; 0: there is none; AMBIGUOUS. Read once: programs use the same stack.
 * `key`: what to look for: the distance from a word to what it points to, or the word itself; or all that may be pointers, each of
 * which has to be looked at. */
#define AMBIGUOUS 1
#define ANY_BY_NAME 0
#define ANY_BY_FD 1
__noinline unsigned long path_pointer(unsigned long from, unsigned long top, unsigned long inode, unsigned long key, unsigned long found)
{
	bool any = key <= ANY_BY_FD, by_fd = any ? key : key >= STACK_BYTES;
	unsigned long low = by_fd ? key & ~1ul : from + key, range = !any ? 1 : by_fd ? -1ul : top - from; /* of the words */
	unsigned long step = any || by_fd ? 0 : sizeof(long);
	unsigned long words[WORDS_COPIED], path = found ? word_at((void *)found) : 0, here = 0;

	for (int i = 0; i < STACK_PART; i += 4) {
		unsigned long at = from + i * sizeof(long);
		const __u64 *four = direct_reads ? WORDS((void *)at) : (const __u64 *)&words[i % WORDS_COPIED];

		if (!direct_reads && i % WORDS_COPIED == 0 && bpf_probe_read_kernel(words, sizeof(words), (void *)at))
			return found ?: here;
		if (four[0] - low >= range && four[1] - low - step >= range && four[2] - low - 2 * step >= range &&
		    four[3] - low - 3 * step >= range) { /* most */
			low += 4 * step;
			continue;
		}
		for (int j = 0; j < 4; j++, at += sizeof(long), low += step) {
			unsigned long word = four[j];

			if (word - low >= range || !points_to_path(word, from, top, inode, by_fd))
				continue;
			if (!agree(path, word))
				return AMBIGUOUS;
			path = word;
			here = at;
		}
	}
	return found ?: here;
}

/* The same of the whole stack, from the registers at its `top` to the `frame` of what runs the program: not what earlier calls
 * have left below that. */
__noinline unsigned long find_pointer(unsigned long top, unsigned long frame, unsigned long inode, unsigned long key)
{
	unsigned long found = 0;

	for (int left = STACK_PART * sizeof(long); left <= STACK_BYTES && found != AMBIGUOUS; left += STACK_PART * sizeof(long)) {
		bool last = frame >= top - left && frame < top;

		found = path_pointer(last ? frame : top - left, top, inode, key, found);
		if (last)
			break;
	}
	return found;
}

/* The mount of a struct path of this directory's `dentry` that lies in the words at `from`, or 0. */
__noinline unsigned long mount_at(unsigned long from, unsigned long dentry)
{
	struct super_block *sb = READ((struct dentry *)dentry, d_sb);
	unsigned long words[WORDS_COPIED];

	for (int i = 0; i < STACK_PART; i += 4) {
		unsigned long at = from + i * sizeof(long);
		const __u64 *four = direct_reads ? WORDS((void *)at) : (const __u64 *)&words[i % WORDS_COPIED];

		if (!direct_reads && i % WORDS_COPIED == 0 && bpf_probe_read_kernel(words, sizeof(words), (void *)at))
			return 0;
		for (int j = 0; j < 4; j++, at += sizeof(long)) {
			struct vfsmount *mnt;

			if (four[j] != dentry)
				continue;
			mnt = (void *)word_at((void *)at - sizeof(long));
			if (is_pointer((unsigned long)mnt) && READ(mnt, mnt_sb) == sb && READ((struct mount *)mount_of(mnt), mnt_ns))
				return (unsigned long)mnt;
		}
	}
	return 0;
}

/* The mount by which the current task's call has come to the directory `dir`, which it has just changed, or NULL: of its struct
 * path, which lies in the frames of the call while that is in progress. `frame`: see changed_path(). */
static __always_inline struct vfsmount *mount_of_dir(struct inode *dir, unsigned long frame)
{
	unsigned long top = (unsigned long)task_regs(), dentry = (unsigned long)alias_of(dir), mnt = 0;

	for (int left = STACK_PART * sizeof(long); dentry && !mnt && left <= STACK_BYTES; left += STACK_PART * sizeof(long)) {
		bool last = frame >= top - left && frame < top;

		mnt = mount_at(last ? frame : top - left, dentry);
		if (last)
			break;
	}
	return (void *)mnt;
}

/* The distance between the pointer and the path on the stack, by call: whatever the kernel shifts its stack by, both go. */
#define SURE 4
__u32 usual_distance[64] = {}, times_found[64] = {};

static __always_inline __u32 *of_call(__u32 *array, __u32 via)
{
	__u32 i = (via & 31) | (via & VIA_COMPAT) >> 3;

	barrier_var(i); /* see record_at() */
	return &array[i & 63];
}

/* The path of `inode`, which the current task's call has just changed, or NULL. `frame`: on its stack, where what runs the program
 * keeps its arguments: the program's own may be elsewhere since 6.13. */
static __always_inline struct path *changed_path(struct inode *inode, const struct request *q, unsigned long frame)
{
	unsigned long top = (unsigned long)task_regs(), changed = (unsigned long)inode, found = 0, path = 0, key = 0;
	__u32 *times = of_call(times_found, q->via), *distance = of_call(usual_distance, q->via);
	bool by_fd = q->by_fd && !q->name;

	if (by_fd)
		key = (unsigned long)fd_file(q->dfd) + bpf_core_field_offset(struct file, f_path);
	else if (*times >= SURE)
		key = *distance;
	if (key)
		found = find_pointer(top, frame, changed, key);
	if (!found)
		found = find_pointer(top, frame, changed, by_fd ? ANY_BY_FD : ANY_BY_NAME);
	if (!found || found == AMBIGUOUS)
		return NULL;
	path = word_at((void *)found);
	if (!by_fd && *times < SURE) {
		*times = *distance == path - found ? *times + 1 : 0;
		*distance = path - found;
	}
	return (void *)path;
}

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
	request_of(&q, &call);
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
	path = changed_path(inode, &q, number(ctx));
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
	request_of(&q, &call);
	/* The name's page may not be there yet; if it is not empty, another file will change. */
	file = q.by_fd || q.flags & AT_EMPTY_PATH ? fd_file(q.dfd) : NULL;
	if (!file)
		return 0;
	change_of_file(&c, file);
	c.before = c.mode & 07777;
	c.mode = 0;
	keep_change(tid, &c);
	return 0;
}

SEC("?tp_btf/sys_exit")
int BPF_PROG(mode__tp_sys_exit, struct pt_regs *regs, long ret)
{
	return call_ends(regs, ret);
}

/* io_uring opens files too. */

/* Errors that an open into a slot ends with when the slot is not to be had: io_fixed_fd_install() in io_uring/filetable.c. The file is
 * open by then. */
static __always_inline bool is_refused_slot(int err)
{
	return err == ENXIO || err == ENFILE || err == EINVAL || err == EBADF;
}

/* Sends the line of a file that was created, or may have been: `file` if that is what came of it. Not `ended`: it
 * has not been tried. */
static __always_inline int uring_creates(const struct uring_open *u, const struct event_header *by, struct file *file, int err, bool ended)
{
	struct request q = {.name = u->name, .kernel_name = true, .dfd = u->dfd, .mode = u->mode, .via = VIA_IO_URING, .in_root = u->in_root};
	bool sure = u->flags & O_EXCL && !err, opened = file && was_created(file), stays = ended && creation_stays(&u->made);
	struct change c = {};
	__u32 src = SRC_KERNEL;

	if (opened || stays) {
		if (opened)
			change_of_file(&c, file);
		else
			change_of_creation(&c, &u->made);
		if (u->made.inode != c.inode)
			src = SRC_FD;
		else if (stays)
			c.mode = u->made.mode;
		c.before = EV_NONE;
		c.created = 1;
		return c.mode & RISK_BITS ? report_by(&q, &c, err, src, by) : 0;
	}
	if (err && err != EV_ERRNO_UNKNOWN && (CTIME_TRACED || !(may_follow_creation(err) || (u->slot && is_refused_slot(err)))))
		return 0;
	if (file && !sure && is_called(number(u->name), u->len, (unsigned long)file)) /* it was there */
		return 0;
	c.before = sure ? EV_NONE : EV_UNKNOWN;
	c.created = sure ? 1 : EV_UNKNOWN;
	c.may = u->mode & ~u->mask;
	return c.may & RISK_BITS ? report_by(&q, &c, err, SRC_KERNEL, by) : 0;
}

static __always_inline void uring_ends(struct uring_request *u, __u64 key, int ret, bool lost)
{
	struct file *file = NULL;

	if (ret >= 0 && u->kept.slot)
		file = uring_slot_file(u->ring, u->kept.slot == URING_ANY_SLOT ? (__u32)ret : u->kept.slot - 1);
	else if (ret >= 0 && u->h.pid == current_pid_tgid() >> 32)
		file = fd_file(ret);
	uring_creates(&u->kept, uring_header(u), file, lost ? EV_ERRNO_UNKNOWN : ret < 0 ? -ret : 0, true);
}

static __always_inline int uring_submits(struct io_kiocb *req)
{
	struct io_open *open = (void *)req;
	__u64 asked = BPF_CORE_READ(open, how.flags);
	struct task_struct *task = current_task();
	struct uring_request *u;
	struct record *r;
	long n;

	if (!(asked & (O_CREAT | O_TMPFILE)) || filtered_out())
		return 0;
	r = record_claim();
	if (!r)
		return 0;
	u = (void *)&r->bytes[RECORD_MAX]; /* behind what a line needs */
	__builtin_memset(u, 0, sizeof(*u) - sizeof(u->kept.name));
	uring_begin(u, req);
	u->kept.flags = asked;
	u->kept.mode = BPF_CORE_READ(open, how.mode) & 07777;
	u->kept.mask = READ(task, fs, umask);
	u->kept.dfd = BPF_CORE_READ(open, dfd);
	u->kept.slot = uring_slot(req);
	u->kept.in_root = !!(BPF_CORE_READ(open, how.resolve) & RESOLVE_IN_ROOT);
	n = bpf_probe_read_kernel_str(u->kept.name, sizeof(u->kept.name), uring_filename(req));
	u->kept.len = n > 0 ? n - 1 : 0;
	if (BPF_CORE_READ(req, flags) & REQ_F_CQE_SKIP || !uring_keep(u, req))
		uring_creates(&u->kept, &u->h, NULL, EV_ERRNO_UNKNOWN, false);
	record_release(r);
	return 0;
}

URING_HOOKS(mode__tp, uring_is_open, uring_submits, uring_ends)

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
		request_of(&q, &call);
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
	struct inode *inode = second ? (void *)ctx[1] : (void *)ctx[0];
	__u32 tid = current_pid_tgid();
	struct creation *made = creation_of(tid);

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
	if (c.reported || filtered_out() || !chmod_runs(&call))
		return 0;
	request_of(&q, &call);
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
	request_of(&q, &call);
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
	request_of(&q, &call);
	return node_ends(&q, &made);
}

/* By the functions that the calls enter by: do_fchmodat(), which they share, may be inlined in some of them, as in 6.12. */
#define CHMOD_RETURNS(program, function)                             \
	SEC("?fexit/" function)                                      \
	int BPF_PROG(program, const struct pt_regs *regs, long ret)  \
	{                                                            \
		return chmod_returns(ret);                           \
	}
CHMOD_RETURNS(mode__fentry_alt_1_fchmod, ENTRY(fchmod))
CHMOD_RETURNS(mode__fentry_alt_1_fchmodat, ENTRY(fchmodat))
CHMOD_RETURNS(mode__fentry_opt_fchmodat2, ENTRY(fchmodat2)) /* since 6.6 */
#if defined(__TARGET_ARCH_x86)
CHMOD_RETURNS(mode__fentry_alt_1_chmod, ENTRY(chmod))
CHMOD_RETURNS(mode__fentry_opt_compat_alt_1_chmod, ENTRY_32(chmod))
CHMOD_RETURNS(mode__fentry_opt_compat_alt_1_fchmod, ENTRY_32(fchmod))
CHMOD_RETURNS(mode__fentry_opt_compat_alt_1_fchmodat, ENTRY_32(fchmodat))
CHMOD_RETURNS(mode__fentry_opt_fchmodat2_32, ENTRY_32(fchmodat2))
#define ENTERS_APART(via) ((via) & VIA_COMPAT)
#else /* where the others serve 32-bit callers too */
CHMOD_RETURNS(mode__fentry_opt_compat_alt_1_chmod, ENTRY(chmod))
#define ENTERS_APART(via) ((via) == (VIA_chmod | VIA_COMPAT))
#endif

/* Else the end of every call that there is. */
SEC("?tp_btf/sys_exit")
int BPF_PROG(mode__fentry_alt_2_sys_exit, struct pt_regs *regs, long ret)
{
	struct call call;

	return chmod_exits(&call, regs) && VIA_IS(call.via, OLD_CHMOD_CALLS) && !ENTERS_APART(call.via) ? chmod_returns(ret) : 0;
}

SEC("?tp_btf/sys_exit")
int BPF_PROG(mode__fentry_opt_compat_alt_2_sys_exit, struct pt_regs *regs, long ret)
{
	struct call call;

	return chmod_exits(&call, regs) && VIA_IS(call.via, OLD_CHMOD_CALLS) && ENTERS_APART(call.via) ? chmod_returns(ret) : 0;
}

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

SEC("?tp_btf/sys_exit")
int BPF_PROG(mode__fentry_opt_node_alt_3_sys_exit, struct pt_regs *regs, long ret)
{
	struct call call;

	return node_exits(&call, regs) ? node_returns(ret) : 0;
}

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
		request_of(&q, &call);
	else
		return 0;
	q.mode = BPF_CORE_READ(op, mode) & 07777;
	q.kernel_name = true;
	q.name = BPF_CORE_READ(name, name);
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

SEC("?tp_btf/sys_exit")
int BPF_PROG(mode__fentry_opt_open_alt_3, struct pt_regs *regs, long ret)
{
	struct call call;

	return open_exits(&call, regs) && ret >= 0 ? open_returns(ret) : 0;
}

WATCH_TRAMPOLINES(mode__fentry_opt_watch)
