/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What chmodsnoop knows of a change: who asked for what, of which file, and the line that tells it. */
#ifndef NEEDLE_CHMOD_BPF_H
#define NEEDLE_CHMOD_BPF_H

#include "chmodsnoop.h"
#include "context.bpf.h"
#include "creation.bpf.h"
#include "interrupted.bpf.h"
#include "stack.bpf.h"
#include "syscall.bpf.h"

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

/* What the caller asks for. */
struct request {
	struct lookup lookup;
	int fd; /* of the file itself; negative: it has none */
	__u32 mode;
	__u32 flags;  /* AT_* */
	__u32 oflags; /* O_*, of an open */
	__u32 via;
};

/* A file, and how its mode changes. Kept by thread between two hooks, so no padding. */
struct change {
	struct inode *inode; /* NULL: not known */
	struct vfsmount *mnt;
	struct dentry *dentry; /* NULL: not known by which name */
	__u64 ino;
	__u32 dev, owner, group;
	__u32 before;  /* permission bits; EV_NONE: it is new; EV_UNKNOWN */
	__u32 mode;    /* i_mode after it; 0: not known yet */
	__u32 created; /* EV_UNKNOWN */
	__u32 may;     /* of a new file whose mode no hook has seen: the permission bits that it may have */
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

/* REQUEST_OF(q, CALLS, call): fills what a call asks for that is one of CALLS, of DEFINE_CALLS(). */
#define REQUEST_OF(q, calls, call)             \
	do {                                   \
		struct asked asked;            \
                                               \
		calls##_asked(&asked, (call)); \
		fill_request((q), &asked);     \
	} while (0)
static __always_inline void fill_request(struct request *q, const struct asked *a)
{
	*q = (struct request){.lookup = a->lookup,
			      .fd = asks_for_fd(a) ? a->lookup.dfd : a->fd,
			      .mode = a->mode & (S_IFMT | 07777),
			      .flags = a->at_flags,
			      .oflags = a->flags,
			      .via = a->via};
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
		return drop();
	if (!failed && !c->mode) /* no hook has seen it */
		after = EV_UNKNOWN;
	if (!failed) {
		risk = (after <= 07777 ? after : made ? c->may : q->mode) & RISK_BITS & ~(before > 07777 ? 0 : before);
		if (risk && (before == (__u32)EV_UNKNOWN || after > 07777))
			risk |= RISK_UNSURE;
	}
	if ((only_risky && !risk) || (c->inode && !file_wanted(c->inode)) || (dentry && is_elsewhere(c->mnt, dentry)))
		return drop();
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
		if (filter.want & WANT_REQUESTED && q->lookup.name)
			append_given(r, &e->requested, &q->lookup);
	} else {
		src = q->lookup.kernel ? SRC_KERNEL : SRC_USER;
		if (by && by->pid != current_pid_tgid() >> 32) { /* nobody knows any more from where */
			append_given(r, &e->requested, &q->lookup);
			e->path = e->requested;
		} else if (q->lookup.name) {
			append_name(r, &e->path, &e->requested, &q->lookup);
		}
	}
	if (!path_wanted(r, &e->path, !dentry))
		return event_drop(r), drop();
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

#endif
