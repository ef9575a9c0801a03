/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Files that are made with a dangerous mode, as calls return. */
#ifndef NEEDLE_CHMOD_CREATION_BPF_H
#define NEEDLE_CHMOD_CREATION_BPF_H

#include "chmod.bpf.h"

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

#endif
