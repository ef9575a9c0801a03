// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "opensnoop.h"
#include "path.bpf.h"
#include "syscall.bpf.h"

/* --write, -f: any of these flags, or access mode n where bit n is set */
const volatile __u32 flags_any = 0;
const volatile __u32 access_any = 0;

/* An open as the kernel was asked for it. */
struct request {
	const char *name; /* user memory; NULL: there is none */
	__u64 flags;
	__u32 mode, resolve;
	int dfd;
};

static __always_inline bool flags_wanted(__u32 flags)
{
	if (!flags_any && !access_any)
		return true;
	return flags & flags_any || access_any >> (flags & 3) & 1;
}

static __always_inline void fill_request(struct open_event *e, const struct request *q)
{
	e->flags = q->flags;
	e->resolve = q->resolve;
	e->mode = q->flags & (O_CREAT | O_TMPFILE) ? q->mode & 07777 : EV_NONE;
}

static __always_inline void fill_no_file(struct open_event *e)
{
	e->perm = e->owner = e->group = EV_NONE;
	e->created = e->deleted = EV_NONE;
}

static __always_inline void fill_file(struct open_event *e, struct file *file)
{
	struct dentry *dentry = BPF_CORE_READ(file, f_path.dentry);
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	__u32 mode = BPF_CORE_READ(inode, i_mode);

	e->dev = BPF_CORE_READ(inode, i_sb, s_dev);
	e->ino = BPF_CORE_READ(inode, i_ino);
	e->type = mode & S_IFMT;
	e->perm = mode & 07777;
	e->owner = BPF_CORE_READ(inode, i_uid.val);
	e->group = BPF_CORE_READ(inode, i_gid.val);
	e->created = !!(BPF_CORE_READ(file, f_mode) & FMODE_CREATED);
	e->deleted = !BPF_CORE_READ(inode, i_nlink) || unlinked(dentry);
}

#define OPEN_CALLS(X) X(open) X(openat) X(openat2) X(creat) X(open_by_handle_at)
DEFINE_CALLS(open_call, OPEN_CALLS)

static __always_inline void request_of(struct request *q, const struct pt_regs *regs, __u32 via)
{
	bool compat = via & VIA_COMPAT;

	*q = (struct request){.dfd = AT_FDCWD};
	switch (via & ~VIA_COMPAT) {
	case VIA_open:
		q->name = (void *)regs_arg(regs, compat, 0);
		q->flags = (__u32)regs_arg(regs, compat, 1);
		q->mode = regs_arg(regs, compat, 2);
		break;
	case VIA_creat:
		q->name = (void *)regs_arg(regs, compat, 0);
		q->flags = 0100 | 01 | 01000; /* O_CREAT | O_WRONLY | O_TRUNC */
		q->mode = regs_arg(regs, compat, 1);
		break;
	case VIA_openat:
		q->dfd = regs_arg(regs, compat, 0);
		q->name = (void *)regs_arg(regs, compat, 1);
		q->flags = (__u32)regs_arg(regs, compat, 2);
		q->mode = regs_arg(regs, compat, 3);
		break;
	case VIA_openat2: {
		struct {
			__u64 flags, mode, resolve;
		} how = {};

		q->dfd = regs_arg(regs, compat, 0);
		q->name = (void *)regs_arg(regs, compat, 1);
		bpf_probe_read_user(&how, sizeof(how), (void *)regs_arg(regs, compat, 2));
		q->flags = how.flags;
		q->mode = how.mode;
		q->resolve = how.resolve;
		break;
	}
	case VIA_open_by_handle_at:
		q->flags = (__u32)regs_arg(regs, compat, 2);
		break;
	}
}

/* One hook, when the call returns: its arguments are still in the registers, its strings
 * have been paged in, and the descriptor leads to the file. */
SEC("?tp_btf/sys_exit")
int BPF_PROG(open__tp_sys_exit, struct pt_regs *regs, long ret)
{
	__u32 via = open_call(regs);
	struct file *file = NULL;
	struct open_event *e;
	struct request q;
	struct record *r;

	if (via == VIA_UNKNOWN || filtered_out())
		return 0;
	if (filter.set & FILTER_FAILED && ret >= 0)
		return 0;
	request_of(&q, regs, via);
	if (!flags_wanted(q.flags))
		return 0;
	r = event_begin(open_event);
	if (!r)
		return 0;
	e = event_of(r, open_event);
	if (ret >= 0)
		file = fd_file(ret);
	if (file) {
		append_path(r, &e->path, (void *)file + bpf_core_field_offset(struct file, f_path));
		if (filter.want & WANT_REQUESTED && q.name)
			append_user_str(r, &e->requested, q.name);
		if (filter.want & WANT_INODE)
			fill_file(e, file);
		e->h.src = SRC_FD;
	} else {
		if (q.name)
			append_user_path(r, &e->path, &e->requested, q.dfd, q.name);
		fill_no_file(e);
		e->h.src = SRC_USER;
	}
	if (!path_wanted(r, &e->path))
		return event_drop(r), 0;
	fill_header(&e->h);
	e->h.via = via;
	e->fd = ret >= 0 ? ret : -1;
	e->err = ret < 0 ? -ret : 0;
	fill_request(e, &q);
	event_submit(r);
	return 0;
}
