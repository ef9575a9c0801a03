/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The full path of a struct path, walked by hand from the dentry up through its mounts to
 * the root of the mount namespace, a chroot in between included: bpf_d_path() exists for few
 * hooks, none of them a tracepoint. Compare prepend_path() in fs/d_path.c. */
#ifndef NEEDLE_PATH_BPF_H
#define NEEDLE_PATH_BPF_H

#include "file.bpf.h"

static __always_inline void *mount_of(const void *vfsmount)
{
	return (void *)vfsmount - bpf_core_field_offset(struct mount, mnt);
}

/* At any alignment: else it would be stored by bytes. */
static __always_inline void put_word(struct record *r, __u32 pos, __u64 word)
{
	void *to = &r->path[pos & (PATH_BYTES - 1)];

	*(__u64 *)to = word;
}

/* Puts a name of `n` bytes in front of r->path[pos]. Most are short enough to be part of their dentry: four words that end
 * with it, or one, are cheaper than a helper. What they have too many is in front of the name, where the next one goes. */
#define SHORT_NAME 32
static __always_inline void copy_name(struct record *r, __u32 pos, __u32 n, const unsigned char *name)
{
	const __u64 *from;

	if (!direct_reads || n > SHORT_NAME) {
		bpf_probe_read_kernel(&r->path[(pos - n) & (PATH_BYTES - 1)], n & 255, name);
		return;
	}
	from = WORDS(name + n - SHORT_NAME);
	if (n > 8)
		for (__u32 i = 0; i < SHORT_NAME / 8 - 1; i++)
			put_word(r, pos - SHORT_NAME + i * 8, from[i]);
	put_word(r, pos - 8, from[SHORT_NAME / 8 - 1]);
}

/* A mark of r->path_mark that stays there: the walk has ended at a dentry without a parent that is no mount's root. */
#define PATH_ORPHAN (1ull << 32)

/* Whether a mount namespace is one that can be entered: not that of kernel mounts, of mounts that are attached nowhere, or none. */
static __always_inline bool is_namespace(const struct mnt_namespace *ns)
{
	return !IS_ERR_OR_NULL(ns) && READ(ns, ns.inum) >= MNT_NS_INIT_INO;
}

/* One step of the walk in record `slot`. Returns nonzero when there is nothing left to do. */
static __always_inline int path_step(__u32 slot)
{
	struct record *r = bpf_map_lookup_elem(&scratch, &slot);
	struct dentry *dentry, *parent;
	const unsigned char *name;
	__u32 pos, n;

	if (!r)
		return 1;
	dentry = (void *)r->dentry;
	if (r->dentry == r->root) { /* up to what it is mounted on */
		struct mount *mount = (void *)r->mount, *up = READ(mount, mnt_parent);

		if (!up || up == mount) {
			struct mnt_namespace *ns = READ(mount, mnt_ns);

			if (!is_namespace(ns))
				r->path_mark |= EV_STR_DETACHED;
			else if (r->ns && r->ns != (__u64)ns)
				r->path_mark |= EV_STR_FOREIGN;
			return 1;
		}
		r->dentry = (__u64)READ(mount, mnt_mountpoint);
		r->root = (__u64)READ(up, mnt.mnt_root);
		r->mount = (__u64)up;
		return 0;
	}
	parent = READ(dentry, d_parent);
	if (parent == dentry || !parent) {
		r->path_mark |= PATH_ORPHAN;
		return 1;
	}
	n = READ(dentry, d_name.len);
	name = READ(dentry, d_name.name);
	pos = r->pos;
	if (n > 255 || pos < n + SHORT_NAME || pos > PATH_BYTES) {
		r->path_mark |= EV_STR_DEEP;
		return 1;
	}
	copy_name(r, pos, n, name);
	pos -= n + 1;
	r->path[pos & (PATH_BYTES - 1)] = '/';
	r->pos = pos;
	r->dentry = (__u64)parent;
	return 0;
}

/* 4096 of them, in three loops: global functions, each of which the verifier walks once and not once a turn, so that no kernel
 * needs bpf_loop() (5.17). Four in a row, since each call costs, of which returns do most. */
#define PATH_STEPS 4
#define PATH_TURNS 32
__noinline int path_steps(__u32 slot)
{
	for (int i = 0; i < PATH_STEPS; i++)
		if (path_step(slot))
			return 1;
	return 0;
}

__noinline int path_more_steps(__u32 slot)
{
	NOT_UNROLLED
	for (int i = 0; i < PATH_TURNS; i++)
		if (path_steps(slot))
			return 1;
	return 0;
}

/* Leaves the path of r->dentry and r->mount in r->path[r->pos .. PATH_BYTES). Nonzero: it has ended where path_orphan() has to go on. */
__noinline int path_walk(__u32 slot)
{
	struct record *r = bpf_map_lookup_elem(&scratch, &slot);

	if (!r)
		return 0;
	NOT_UNROLLED
	for (int i = 0; i < PATH_TURNS; i++)
		if (path_more_steps(slot))
			return !!(r->path_mark & PATH_ORPHAN);
	r->path_mark |= EV_STR_DEEP;
	return 0;
}

static __always_inline void prepend_byte(struct record *r, char c)
{
	__u32 pos = r->pos - 1;

	r->path[pos & (PATH_BYTES - 1)] = c;
	r->pos = pos;
}

/* Up to eight bytes, the first in the lowest: none of them is 0. Global: verified once, as all that a program asks for in several
 * places, or in a loop. */
__noinline int prepend_word(__u32 slot, __u64 bytes)
{
	struct record *r = bpf_map_lookup_elem(&scratch, &slot);

	if (!r)
		return 0;
	for (int i = 0; i < 8; i++, bytes <<= 8)
		if (bytes >> 56)
			prepend_byte(r, bytes >> 56);
	return 0;
}

static __always_inline __u64 first_word(const char *text, int n)
{
	__u64 word = 0;

	_Pragma("unroll") for (int i = 0; i < 8; i++) word |= i < n ? (__u64)(__u8)text[i] << i * 8 : 0;
	return word;
}

#define PREPEND(r, literal)                                                                          \
	do {                                                                                         \
		_Pragma("unroll") for (int i = (sizeof(literal) - 2) / 8 * 8; i >= 0; i -= 8)        \
			prepend_word((r)->slot, first_word((literal) + i, sizeof(literal) - 1 - i)); \
	} while (0)

static __always_inline void prepend_name(struct record *r, const unsigned char *name, __u32 n)
{
	if (n > 255)
		return;
	copy_name(r, r->pos, n, name);
	r->pos -= n;
}

/* Global: verified once. */
__noinline int prepend_number(__u32 slot, __u64 number)
{
	struct record *r = bpf_map_lookup_elem(&scratch, &slot);

	if (!r)
		return 0;
	NOT_UNROLLED
	for (int i = 0; i < 20; i++) {
		prepend_byte(r, '0' + number % 10);
		number /= 10;
		if (!number)
			break;
	}
	return 0;
}

/* A walk's end where there is no mount's root, the rest of the path in r->path. Names what lies in no directory as /proc/PID/fd
 * does, by the kernel's d_dname functions: but without the slash that it has in front of some, which are no paths either. What
 * does lie in one is above the root of its mount, or its file system has not looked up where. */
__noinline int path_orphan(__u32 slot)
{
	struct record *r = bpf_map_lookup_elem(&scratch, &slot);
	const unsigned char *name;
	struct dentry *dentry;
	struct inode *inode;
	char kind[32] = {};
	__u64 magic;
	__u32 n;
	long len;

	if (!r)
		return 0;
	dentry = (void *)r->dentry;
	inode = READ(dentry, d_inode);
	magic = READ(dentry, d_sb, s_magic);
	name = READ(dentry, d_name.name);
	n = READ(dentry, d_name.len);
	switch (magic) {
	case PIPEFS_MAGIC:
	case SOCKFS_MAGIC:
	case NSFS_MAGIC:
		PREPEND(r, "]");
		prepend_number(slot, READ(inode, i_ino));
		PREPEND(r, ":[");
		if (magic == PIPEFS_MAGIC) {
			PREPEND(r, "pipe");
		} else if (magic == SOCKFS_MAGIC) {
			PREPEND(r, "socket");
		} else {
			struct ns_common *ns = READ(inode, i_private);

			name = (void *)READ(ns, ops, name);
			len = bpf_probe_read_kernel_str(kind, sizeof(kind), name);
			if (len > 1)
				prepend_name(r, name, len - 1);
		}
		return 0;
	case PID_FS_MAGIC: /* since 6.9 */ PREPEND(r, "anon_inode:[pidfd]"); return 0;
	case ANON_INODE_FS_MAGIC:
		prepend_name(r, name, n);
		PREPEND(r, "anon_inode:");
		return 0;
	case DMA_BUF_MAGIC: PREPEND(r, ":"); break;
	}
	if (n != 1 || (bpf_probe_read_kernel(kind, 1, name), kind[0]) != '/') {
		if (magic != DMA_BUF_MAGIC && r->pos != PATH_BYTES) /* a subtree that its file system has lost */
			r->path_mark |= EV_STR_DETACHED | EV_STR_DEEP;
		prepend_name(r, name, n);
		return 0;
	}
	r->path_mark |= EV_STR_DETACHED;
	if (READ(dentry, d_sb, s_root) != dentry)
		r->path_mark |= EV_STR_DEEP;
	else if (r->pos == PATH_BYTES)
		PREPEND(r, "/");
	return 0;
}

/* Where path_walk() is to begin: a dentry below a mount, for a process whose mount namespace is that of a task. */
static __always_inline void begin_walk(struct record *r, struct vfsmount *mnt, struct dentry *dentry, struct task_struct *task)
{
	r->pos = PATH_BYTES;
	r->path_mark = 0;
	r->dentry = (__u64)dentry;
	r->mount = (__u64)mount_of(mnt);
	r->root = (__u64)READ(mnt, mnt_root);
	r->ns = (__u64)READ(task, nsproxy, mnt_ns);
}

/* Appends what has been walked. Returns where it is. Global: verified once. It and the walk are called one after the other, not one from
 * within the other: their stacks would be too deep. */
__noinline unsigned long append_walked(__u32 slot)
{
	struct record *r = bpf_map_lookup_elem(&scratch, &slot);
	__u32 pos, off, n, mark;

	if (!r)
		return 0;
	if (!(r->path_mark & PATH_ORPHAN) && r->pos == PATH_BYTES) {
		r->pos = PATH_BYTES - 1;
		r->path[PATH_BYTES - 1] = '/';
	}
	pos = r->pos;
	n = PATH_BYTES - pos;
	off = r->len;
	mark = (__u32)r->path_mark;
	if (pos > PATH_BYTES || off >= RECORD_MAX || n > RECORD_MAX - off)
		return str_number(off, 0, mark | n);
	if (bpf_probe_read_kernel(record_at(r, off), n & (PATH_BYTES - 1), &r->path[pos & (PATH_BYTES - 1)]))
		return str_number(off, 0, mark);
	r->len = off + n;
	return str_number(off, n, mark);
}

/* Appends the full path of `dentry` below `mnt`, for a process whose mount namespace is that of `task`. Returns where it is. */
static __always_inline __u64 walk_from(struct record *r, struct vfsmount *mnt, struct dentry *dentry, struct task_struct *task)
{
	begin_walk(r, mnt, dentry, task);
	if (path_walk(r->slot))
		path_orphan(r->slot);
	return append_walked(r->slot);
}

static __always_inline void append_dentry_for(struct record *r, struct ev_str *s, struct vfsmount *mnt, struct dentry *dentry,
					      struct task_struct *task)
{
	str_of_number(s, walk_from(r, mnt, dentry, task));
}

/* The same for the current process. */
static __always_inline void append_dentry(struct record *r, struct ev_str *s, struct vfsmount *mnt, struct dentry *dentry)
{
	append_dentry_for(r, s, mnt, dentry, current_task());
}

static __always_inline void append_path_for(struct record *r, struct ev_str *s, const struct path *path, struct task_struct *task)
{
	append_dentry_for(r, s, READ(path, mnt), READ(path, dentry), task);
}

/* Appends the full path of `path`. */
static __always_inline void append_path(struct record *r, struct ev_str *s, const struct path *path)
{
	append_path_for(r, s, path, current_task());
}

/* Whether a directory entry has been removed: d_unlinked() in include/linux/dcache.h. */
static __always_inline bool unlinked(struct dentry *dentry)
{
	return !READ(dentry, d_hash.pprev) && READ(dentry, d_parent) != dentry;
}

/* Whether two names in kernel memory are the same in their first eight bytes, or `n` if that is less. */
__noinline int begin_alike(unsigned long one, unsigned long other, __u32 n)
{
	return !((word_at((void *)one) ^ word_at((void *)other)) & (n < 8 ? (1ull << n * 8) - 1 : ~0ull));
}

/* Whether the last component of a name of `len` bytes, in kernel memory, is what the file is called: not so of a symlink to it, nor
 * of a file that has taken its place. Global: verified once. */
__noinline int is_called(unsigned long name, __u32 len, unsigned long file)
{
	struct dentry *dentry = READ((struct file *)file, f_path.dentry);
	const unsigned char *called = READ(dentry, d_name.name);
	__u32 n = READ(dentry, d_name.len);

	if (n > len || n > 255 || (n < len && (word_at((void *)(name + len - n - 1)) & 0xff) != '/'))
		return 0;
	name += len - n;
	for (__u32 i = 0; i < 256; i += 8) {
		if (i >= n)
			break;
		if (!begin_alike(name + i, number(called + i), n - i))
			return 0;
	}
	return 1;
}

/* Whether in eight bytes at `from` there is a slash before another, or before a dot that is followed by a slash or an end. */
__noinline int folds_at(__u32 slot, __u32 from)
{
	struct record *r = bpf_map_lookup_elem(&scratch, &slot);
	__u64 word, slashes, ends;

	if (!r)
		return 0;
	word = *(__u64 *)record_at(r, from);
	slashes = equal_bytes(word, '/');
	ends = slashes | equal_bytes(word, 0);
	return !!(slashes & (slashes >> 8 | (equal_bytes(word, '.') >> 8 & ends >> 16)));
}

/* Looks at some of the name in the record's bytes [r->fold_in, r->fold_out). r->folds becomes 1 if there is something inside that
 * fold_name() takes away: a slash before another, a dot between two or behind the last; r->rises if there may be a "..". Looks closer
 * only where two bytes in a row are slash or dot, which differ in their last bit. Eight bytes at a time, of which seven may begin it.
 * Nonzero: there is no need to look further. Global, as those that follow: verified once. */
#define FOLD_TURNS 10
__noinline int look_for_folds(__u32 slot)
{
	struct record *r = bpf_map_lookup_elem(&scratch, &slot);

	if (!r)
		return 1;
	NOT_UNROLLED
	for (__u32 i = 0; i < FOLD_TURNS; i++) {
		__u32 from = r->fold_in;
		__u64 word;

		if (from >= r->fold_out)
			return 1;
		r->fold_in = from + 7;
		word = (*(__u64 *)record_at(r, from) ^ EACH_BYTE('/')) & EACH_BYTE(0xfe);
		word = (word - EACH_BYTE(1)) & ~word & EACH_BYTE(0x80);
		if (!(word & word >> 8))
			continue;
		r->rises = 1;
		if (folds_at(slot, from) || folds_at(slot, from + 2)) {
			r->folds = 1;
			return 1;
		}
	}
	return 0;
}

/* Whether fold_name() would take anything away from the name in the record's bytes [from, end), which begins with a slash and ends
 * with a NUL. */
static __always_inline bool has_to_fold(struct record *r, __u32 from, __u32 end)
{
	r->rises = r->folds = *(char *)record_at(r, end - 1) == '/';
	r->fold_in = from;
	r->fold_out = end;
	NOT_UNROLLED
	for (int i = 0; !r->folds && i <= STR_MAX / (7 * FOLD_TURNS); i++)
		if (look_for_folds(r->slot))
			break;
	return r->folds;
}

/* Whether ".." is there, as a whole. */
static __always_inline bool rises(struct record *r, __u32 at)
{
	char end = *(char *)record_at(r, at + 2);

	return *(char *)record_at(r, at) == '.' && *(char *)record_at(r, at + 1) == '.' && (end == '/' || !end);
}

/* One byte of a name that is folded in place: it is read at fold_in, and goes to fold_out if it is to stay. fold_depth: 0, or how
 * many directories below its root the name has come, and one. Nonzero: that was all. */
static __always_inline int fold_byte(struct record *r, __u32 end)
{
	__u32 in = r->fold_in, out = r->fold_out;
	char c, next;

	if (in >= end)
		return 1;
	r->fold_in = in + 1;
	c = *(char *)record_at(r, in);
	next = *(char *)record_at(r, in + 1);
	if (*(char *)record_at(r, out - 1) == '/') {
		if (c == '/' || (c == '.' && (next == '/' || !next)))
			return 0;
		if (r->fold_depth && rises(r, in)) {
			if (r->fold_depth == 1) {
				r->fold_in = in + 2;
				return 0;
			}
			r->fold_depth--;
		} else if (r->fold_depth) {
			r->fold_depth++;
		}
	}
	*(char *)record_at(r, out) = c;
	r->fold_out = out + 1;
	return 0;
}

#define FOLD_BYTES 2
__noinline int fold_some(__u32 slot, __u32 end)
{
	struct record *r = bpf_map_lookup_elem(&scratch, &slot);

	if (!r)
		return 1;
	for (int i = 0; i < FOLD_BYTES; i++)
		if (fold_byte(r, end))
			return 1;
	return 0;
}

#define FOLD_SOME (STR_MAX > 8192 ? 32 : 13)
__noinline int fold_more(__u32 slot, __u32 end)
{
	NOT_UNROLLED
	for (int i = 0; i < FOLD_SOME; i++)
		if (fold_some(slot, end))
			return 1;
	return 0;
}

__noinline int fold_much(__u32 slot, __u32 end)
{
	NOT_UNROLLED
	for (int i = 0; i < FOLD_SOME; i++)
		if (fold_more(slot, end))
			return 1;
	return 0;
}

/* Takes needless slashes and dots away from the name in the record's bytes [from, end), which begins with a slash and ends with a
 * NUL. `in_root`: also each ".." that would lead above its begin. Returns its new end. */
static __always_inline __u32 fold_name(struct record *r, __u32 from, __u32 end, bool in_root)
{
	__u32 out;

	r->fold_depth = in_root;
	r->fold_in = r->fold_out = from + 1;
	NOT_UNROLLED
	for (int i = 0; i <= STR_MAX / (FOLD_BYTES * FOLD_SOME * FOLD_SOME); i++)
		if (fold_much(r->slot, end))
			break;
	out = r->fold_out;
	return out > from + 1 && *(char *)record_at(r, out - 1) == '/' ? out - 1 : out;
}

/* A name as a system call was given it, and where it begins. */
struct lookup {
	const char *name; /* NULL: there is none */
	int dfd;          /* the directory; AT_FDCWD: the working directory */
	bool kernel;      /* the name is the kernel's own copy, else user memory */
	bool in_root;     /* RESOLVE_IN_ROOT of openat2(2): the directory is the root, out of which neither "/" nor ".." leads */
	__u16 unused;
};

/* Appends the name as it is. */
static __always_inline long append_given(struct record *r, struct ev_str *given, const struct lookup *l)
{
	return l->kernel ? append_kernel_str(r, given, l->name) : append_user_str(r, given, l->name);
}

/* The parts of append_name(), global: verified once. Beside each other, with the walk between them: one within the other there would
 * be more frames than the kernel allows, which are 8.
 *
 * The first finds the struct path that a name is looked up from, and leaves the name's first byte in r->first; 0: it is not known. The
 * second appends the name behind the path of that, which is where `base` says, from `start` on; it leaves in r->given what was given,
 * and returns where the slash before it is, if the name may have to be folded, or 0. The third folds it, and returns where the whole is.
 * `flags`: of a struct lookup. */
#define LOOKUP_KERNEL 1
#define LOOKUP_IN_ROOT 2
#define LOOKUP_UNREADABLE 0x100
__noinline unsigned long lookup_base(__u32 slot, __u64 of_name, int dfd, __u32 flags)
{
	struct record *r = bpf_map_lookup_elem(&scratch, &slot);
	struct fs_struct *fs = READ(current_task(), fs);
	const char *name = (void *)of_name;
	struct file *file;
	char first = 0;

	if (!r)
		return 0;
	r->rises = !!(flags & LOOKUP_IN_ROOT);
	r->first = LOOKUP_UNREADABLE;
	if (flags & LOOKUP_KERNEL ? bpf_probe_read_kernel(&first, 1, name) : bpf_probe_read_user(&first, 1, name))
		return 0;
	r->first = (__u8)first;
	if (first == '/' && !(flags & LOOKUP_IN_ROOT))
		return number(fs) + bpf_core_field_offset(struct fs_struct, root);
	if (dfd == AT_FDCWD)
		return number(fs) + bpf_core_field_offset(struct fs_struct, pwd);
	file = fd_file(dfd);
	return file ? number(file) + bpf_core_field_offset(struct file, f_path) : 0;
}

__noinline int append_behind(__u32 slot, __u64 base, __u64 of_name, __u32 start, __u32 flags)
{
	struct record *r = bpf_map_lookup_elem(&scratch, &slot);
	const char *name = (void *)of_name;
	bool slash;
	__u32 from;
	long n;

	if (!r)
		return 0;
	slash = r->first == '/';
	if (base) {
		if ((__u16)(base >> 16) == 1)
			r->len = start; /* just "/" */
		if (!slash && r->len < RECORD_MAX) {
			*(char *)record_at(r, r->len) = '/';
			r->len++;
		}
	}
	from = slash ? r->len : r->len - 1;
	r->given = (struct ev_str){};
	n = flags & LOOKUP_KERNEL ? append_kernel_str(r, &r->given, name) : append_user_str(r, &r->given, name);
	if (n < 0)
		r->given.mark |= 1;
	return (base || slash) && n > 0 ? from : 0;
}

__noinline unsigned long fold_appended(__u32 slot, __u64 base, __u32 start, __u32 from, __u32 flags)
{
	struct record *r = bpf_map_lookup_elem(&scratch, &slot);
	bool in_root = flags & LOOKUP_IN_ROOT;
	__u32 end, mark = base >> 32;

	if (!r)
		return 0;
	if (in_root && !base)
		mark |= EV_STR_DEEP;
	mark |= r->given.mark;
	end = r->len;
	if (from && (in_root || has_to_fold(r, from, end))) {
		r->len = end + 1; /* what is to be kept as it is goes behind its own NUL */
		if (append_kernel_str(r, &r->given, record_at(r, r->given.off)) < 0) {
			r->given.len = 0;
			r->given.mark |= 1;
		}
		end = fold_name(r, from, end, in_root);
		if (end == from + 1 && from > start)
			end = from; /* nothing is left but the slash */
	}
	return str_number(start, end - start, mark);
}

/* Appends the name made absolute: behind the path of its directory, or of the caller's root where that is not the namespace's.
 * `whole` becomes all of it, with "//" and "/." folded, `given` the part that the caller named, as it is. Symlinks and ".." in it are
 * not followed. */
static __always_inline void append_name(struct record *r, struct ev_str *whole, struct ev_str *given, const struct lookup *l)
{
	__u32 flags = (l->kernel ? LOOKUP_KERNEL : 0) | (l->in_root ? LOOKUP_IN_ROOT : 0), start = r->len;
	const struct path *path = (void *)lookup_base(r->slot, number(l->name), l->dfd, flags);
	__u64 base = 0;
	__u32 from;

	if (r->first == LOOKUP_UNREADABLE)
		return;
	if (path)
		base = walk_from(r, READ(path, mnt), READ(path, dentry), current_task());
	from = append_behind(r->slot, base, number(l->name), start, flags);
	str_of_number(whole, fold_appended(r->slot, base, start, from, flags));
	*given = r->given;
}

/* --path: strings that paths must begin with. */
PREFIXES(path_prefixes);

/* The same strings as symbolic links name them: what failed is known by the name asked for, links in it not followed. */
PREFIXES(asked_prefixes);

const volatile bool path_filter = false;
const volatile bool asked_filter = false; /* there are such */
/* What all of them begin with, eight bytes at most: compared first. */
const volatile __u64 path_begin = 0, path_begin_mask = 0;

#define FIRST_BITS(n) ((n) < 64 ? (1ull << (n)) - 1 : ~0ull)

/* How many bits the name of `dentry` takes in a path, with its slash. */
static __always_inline __u32 component_bits(struct dentry *dentry)
{
	return (READ(dentry, d_name.len) + 1) * 8;
}

/* The first eight bytes of a path, whose first component is `dentry`, of component_bits(), and which goes on with `rest`. */
static __always_inline __u64 start_with(struct dentry *dentry, __u32 bits, __u64 rest)
{
	__u64 bytes = word_at(READ(dentry, d_name.name)) << 8 | '/';

	return (bytes & FIRST_BITS(bits)) | (bits < 64 ? rest << bits : 0);
}

/* Whether --path cannot ask for the file `at`, by the first two components of its path: cheaper than to have all of it. Global:
 * verified once. */
#define ELSEWHERE_STEPS 16
__noinline int begins_elsewhere(__u64 vfsmount, __u64 at)
{
	struct dentry *dentry = (void *)at, *first = NULL, *second = NULL;
	struct mount *mount = mount_of((void *)vfsmount);
	struct dentry *root = READ(mount, mnt.mnt_root);
	__u64 start = 0, known = ~0ull;
	bool whole = false; /* not just up to some mount */
	__u32 bits;

	for (int i = 0; i < ELSEWHERE_STEPS; i++) {
		if (dentry == root) {
			struct mount *up = READ(mount, mnt_parent);

			whole = !up || up == mount;
			if (whole)
				break;
			dentry = READ(mount, mnt_mountpoint);
			root = READ(up, mnt.mnt_root);
			mount = up;
		} else {
			struct dentry *parent = READ(dentry, d_parent);

			if (parent == dentry || !parent)
				return 0;
			second = first;
			first = dentry;
			dentry = parent;
		}
	}
	if (!whole || !first || !is_namespace(READ(mount, mnt_ns)))
		return 0;
	bits = component_bits(first);
	if (second) {
		__u32 more = component_bits(second);

		start = start_with(second, more, 0);
		known = FIRST_BITS(bits + more); /* what is behind may be anything */
	}
	return !!((start_with(first, bits, start) ^ path_begin) & path_begin_mask & known);
}

static __always_inline bool is_elsewhere(const struct vfsmount *mnt, const struct dentry *dentry)
{
	return path_filter && path_begin_mask > 0xff /* more than a slash */ && begins_elsewhere((__u64)mnt, (__u64)dentry);
}

/* For the path of a mount that is attached nowhere, which the walk has left in r->path: whether --path cannot ask for it, by its place in
 * its file system, if that is the one of the process's root. Global: verified once. */
__noinline int detached_elsewhere(__u32 slot)
{
	struct record *r = bpf_map_lookup_elem(&scratch, &slot);
	struct mount *mount = mount_of(READ(current_task(), fs, root.mnt)), *up = READ(mount, mnt_parent);
	struct dentry *top = READ(mount, mnt.mnt_root);
	struct prefix *key;
	__u32 pos, n;

	if (!r || r->path_mark & PATH_ORPHAN)
		return 0;
	if (READ(top, d_parent) != top ||
	    (up != mount && (READ(up, mnt_parent) != up || READ(mount, mnt_mountpoint) != READ(up, mnt.mnt_root))))
		return 0;
	if (r->root != (__u64)top) {
		if (r->pos == PATH_BYTES - 1)
			r->pos = PATH_BYTES; /* "/" stands for nothing */
		r->root = 0;
		path_walk(slot);
		if (!(r->path_mark & PATH_ORPHAN) || r->path_mark & EV_STR_DEEP || r->dentry != (__u64)top)
			return 0;
	}
	pos = r->pos;
	n = PATH_BYTES - pos;
	if (pos < sizeof(key->bits) || pos > PATH_BYTES)
		return 0;
	key = (void *)&r->path[(pos - sizeof(key->bits)) & (PATH_BYTES - 1)];
	key->bits = (n < PREFIX_BYTES ? n : PREFIX_BYTES) * 8;
	return !bpf_map_lookup_elem(&path_prefixes, key);
}

/* Whether a path may be below any directory that --path names: its beginning is missing, or all of it. */
static __always_inline bool may_be_anywhere(const struct ev_str *s)
{
	return !s->len || s->mark & (EV_STR_DEEP | EV_STR_DETACHED) || (s->mark & EV_STR_MISSING && s->len < PREFIX_BYTES);
}

/* Whether --path, --file and --exclude-path let the path at `s` of the record pass, which is not its first byte, or may. `asked`: it is
 * what a caller asked for, symbolic links not followed; else it is the last path that was appended. */
static __always_inline bool path_begins(struct record *r, const struct ev_str *s, bool asked)
{
	__u64 *begin;

	if (!path_filter)
		return true;
	if (may_be_anywhere(s))
		return asked || !(s->mark & EV_STR_DETACHED) || !detached_elsewhere(r->slot);
	begin = record_at(r, s->off);
	if (!(asked && asked_filter) && (*begin ^ path_begin) & path_begin_mask)
		return false;
	return prefix_of(&path_prefixes, r, s) || (asked && asked_filter && prefix_of(&asked_prefixes, r, s));
}

/* Whether a name asked for is what --path or --file asks for, once its ".." are folded too, as if there were no symbolic links. Global:
 * verified once. */
__noinline int may_mean_wanted(__u32 slot, __u32 from, __u32 end)
{
	struct record *r = bpf_map_lookup_elem(&scratch, &slot);

	if (!r || mean(slot, from, end))
		return 1;
	if (path_filter && !meant_prefix(&path_prefixes, r) && !meant_prefix(&asked_prefixes, r))
		return 0;
	return !filter.files || meant_prefix(&file_names, r) == PATH_BYTES - r->pos;
}

/* Of what failed there is only a name: whether it is one of those of --file. */
static __always_inline bool name_wanted(struct record *r, const struct ev_str *s)
{
	return !filter.files || may_be_anywhere(s) || prefix_of(&file_names, r, s) == s->len;
}

static __always_inline bool path_wanted(struct record *r, const struct ev_str *s, bool asked)
{
	if (!path_filter && !not_path_filter && !filter.files)
		return true;
	/* Where a name with ".." leads is not known: it is not left out for how it begins. */
	if (not_path_filter && !may_be_anywhere(s) && !(asked && r->rises) && prefix_of(&not_prefixes, r, s))
		return false;
	if (path_begins(r, s, asked) && (!asked || name_wanted(r, s)))
		return true;
	return asked && r->rises && may_mean_wanted(r->slot, s->off, s->off + s->len);
}

#endif
