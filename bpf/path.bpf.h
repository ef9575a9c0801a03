/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The full path of a struct path, walked by hand from the dentry up through its mounts to
 * the root of the mount namespace, a chroot in between included: bpf_d_path() exists for few
 * hooks, none of them a tracepoint. Compare prepend_path() in fs/d_path.c. */
#ifndef NEEDLE_PATH_BPF_H
#define NEEDLE_PATH_BPF_H

#include "snoop.bpf.h"

static __always_inline void *mount_of(const void *vfsmount)
{
	return (void *)vfsmount - bpf_core_field_offset(struct mount, mnt);
}

/* Puts a name of `n` bytes in front of r->path[pos]. Most are short enough to be part of their dentry: four words that end
 * with it are cheaper than a helper. What they have too many is in front of the name, where the next one goes. */
#define SHORT_NAME 32
static __always_inline void copy_name(struct record *r, __u32 pos, __u32 n, const unsigned char *name)
{
	const __u64 *from;

	if (!direct_reads || n > SHORT_NAME) {
		bpf_probe_read_kernel(&r->path[(pos - n) & (PATH_BYTES - 1)], n & 255, name);
		return;
	}
	from = WORDS(name + n - SHORT_NAME);
	for (__u32 i = 0; i < SHORT_NAME / 8; i++) {
		void *to = &r->path[(pos - SHORT_NAME + i * 8) & (PATH_BYTES - 1)]; /* of any alignment: else it would be stored by bytes */

		*(__u64 *)to = from[i];
	}
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

			if (IS_ERR_OR_NULL(ns) || READ(ns, ns.inum) < MNT_NS_INIT_INO)
				r->path_mark |= EV_STR_DETACHED;
			return 1;
		}
		r->dentry = (__u64)READ(mount, mnt_mountpoint);
		r->root = (__u64)READ(up, mnt.mnt_root);
		r->mount = (__u64)up;
		return 0;
	}
	parent = READ(dentry, d_parent);
	n = READ(dentry, d_name.len);
	name = READ(dentry, d_name.name);
	pos = r->pos;
	if (n > 255 || pos < n + SHORT_NAME || pos > PATH_BYTES) {
		r->path_mark |= EV_STR_DEEP;
		return 1;
	}
	copy_name(r, pos, n, name);
	pos -= n;
	if (parent == dentry || !parent) { /* in no tree: "memfd:name", or a subtree lost by its file system */
		r->pos = pos;
		return 1;
	}
	pos--;
	r->path[pos & (PATH_BYTES - 1)] = '/';
	r->pos = pos;
	r->dentry = (__u64)parent;
	return 0;
}

/* 4096 of them, in three loops: global functions, each of which the verifier walks once and not once a turn, so that no
 * kernel needs bpf_loop() (5.17). */
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
	for (int i = 0; i < PATH_TURNS; i++)
		if (path_steps(slot))
			return 1;
	return 0;
}

/* Leaves the path of r->dentry and r->mount in r->path[r->pos .. PATH_BYTES). */
__noinline int path_walk(__u32 slot)
{
	for (int i = 0; i < PATH_TURNS; i++)
		if (path_more_steps(slot))
			return 0;
	return 0;
}

/* Appends the full path of `dentry` below `mnt`. */
static __always_inline void append_dentry(struct record *r, struct ev_str *s, struct vfsmount *mnt, struct dentry *dentry)
{
	__u32 pos, off = r->len, n;

	r->pos = PATH_BYTES;
	r->path_mark = 0;
	r->dentry = (__u64)dentry;
	r->mount = (__u64)mount_of(mnt);
	r->root = (__u64)READ(mnt, mnt_root);
	path_walk(r->slot);
	if (r->pos == PATH_BYTES) {
		r->pos = PATH_BYTES - 1;
		r->path[PATH_BYTES - 1] = '/';
	}
	pos = r->pos;
	n = PATH_BYTES - pos;
	s->mark |= (__u32)r->path_mark;
	s->off = off;
	if (pos > PATH_BYTES || off >= RECORD_MAX || n > RECORD_MAX - off) {
		s->mark |= n;
		return;
	}
	if (bpf_probe_read_kernel(record_at(r, off), n & (PATH_BYTES - 1), &r->path[pos & (PATH_BYTES - 1)]))
		return;
	s->len = n;
	r->len = off + n;
}

/* Appends the full path of `path`. */
static __always_inline void append_path(struct record *r, struct ev_str *s, const struct path *path)
{
	append_dentry(r, s, READ(path, mnt), READ(path, dentry));
}

/* Whether a directory entry has been removed: d_unlinked() in include/linux/dcache.h. */
static __always_inline bool unlinked(struct dentry *dentry)
{
	return !READ(dentry, d_hash.pprev) && READ(dentry, d_parent) != dentry;
}

/* The file behind a descriptor of the current process, or NULL. */
static __always_inline struct file *fd_file(int fd)
{
	struct task_struct *task = current_task();
	struct fdtable *fdt = READ(task, files, fdt);
	struct file **files;

	if (fd < 0 || (__u32)fd >= READ(fdt, max_fds))
		return NULL;
	files = READ(fdt, fd);
	return (void *)word_at(&files[fd]);
}

/* Appends `name`, as a system call was given it, made absolute: behind the path of the directory
 * `dfd`, of the working directory, or of the caller's root where that is not the namespace's.
 * `name` is the kernel's own copy, or else user memory. `whole` becomes all of it, `given` the
 * part that the caller named. Symlinks and ".." in it are not followed. */
static __always_inline void append_name(struct record *r, struct ev_str *whole, struct ev_str *given, int dfd,
					const char *name, bool kernel)
{
	struct task_struct *task = current_task();
	struct fs_struct *fs = READ(task, fs);
	const struct path *base = NULL;
	__u32 start = r->len;
	char first = 0;

	if (kernel ? bpf_probe_read_kernel(&first, 1, name) : bpf_probe_read_user(&first, 1, name))
		return;
	if (first == '/') {
		base = (void *)fs + bpf_core_field_offset(struct fs_struct, root);
	} else if (dfd == AT_FDCWD) {
		base = (void *)fs + bpf_core_field_offset(struct fs_struct, pwd);
	} else {
		struct file *file = fd_file(dfd);

		if (file)
			base = (void *)file + bpf_core_field_offset(struct file, f_path);
	}
	if (base) {
		append_path(r, whole, base);
		if (whole->len == 1)
			r->len = start; /* just "/" */
		if (first != '/' && r->len < RECORD_MAX) {
			r->bytes[r->len & (RECORD_MAX - 1)] = '/';
			r->len++;
		}
	}
	if (kernel)
		append_kernel_str(r, given, name);
	else
		append_user_str(r, given, name);
	whole->off = start;
	whole->len = r->len - start;
	whole->mark |= given->mark;
}

/* --path: strings that paths must begin with. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix);
	__type(value, __u8);
} path_prefixes SEC(".maps");

const volatile bool path_filter = false;
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
	if (!whole || !first)
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

/* Whether --path asks for the path at `s` of the record, which is not its first byte. The key has the path where it is, and its
 * length in the place of what is before. */
static __always_inline bool path_wanted(struct record *r, const struct ev_str *s)
{
	__u32 n = s->len, before;
	struct prefix *key;
	__u64 *begin;
	bool wanted;

	if (!path_filter)
		return true;
	begin = record_at(r, s->off);
	if ((*begin ^ path_begin) & path_begin_mask)
		return false;
	key = record_at(r, s->off - sizeof(key->bits));
	before = key->bits;
	key->bits = (n < PREFIX_BYTES ? n : PREFIX_BYTES) * 8;
	wanted = bpf_map_lookup_elem(&path_prefixes, key);
	key->bits = before;
	return wanted;
}

#endif
