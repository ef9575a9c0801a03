/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* io_uring opens files too. */
#ifndef NEEDLE_CHMOD_RING_BPF_H
#define NEEDLE_CHMOD_RING_BPF_H

#include "chmod_creation.bpf.h"

/* Errors that an open into a slot ends with when the slot is not to be had: io_fixed_fd_install() in io_uring/filetable.c. The file is
 * open by then. */
static __always_inline bool is_refused_slot(int err)
{
	return err == ENXIO || err == ENFILE || err == EINVAL || err == EBADF;
}

/* Sends the line of a file that was created, or may have been: `file` if that is what came of it. Not `ended`: it
 * has not been tried. */
static __always_inline int uring_creates(const struct uring_open *u, const struct event_header *by, struct file *file, int err,
					 bool ended)
{
	struct request q = {.lookup = {.name = u->name, .dfd = u->dfd, .kernel = true, .in_root = u->in_root},
			    .fd = -1,
			    .mode = u->mode,
			    .via = VIA_IO_URING};
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

#endif
