/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* --file: which files are asked for, whatever their names; and of what failed, by name. --exclude-path. See common/run/file_watch.h. */
#ifndef NEEDLE_FILE_BPF_H
#define NEEDLE_FILE_BPF_H

#include "snoop.bpf.h"

/* Strings that paths begin with, or are: an option's. The value is the length of a name, where that is asked for. */
#define PREFIXES(name)                                \
	struct {                                      \
		__uint(type, BPF_MAP_TYPE_LPM_TRIE);  \
		__uint(max_entries, 1);               \
		__uint(map_flags, BPF_F_NO_PREALLOC); \
		__type(key, struct prefix);           \
		__type(value, __u8);                  \
	} name SEC(".maps")

/* Written by user space, also while the tool runs: a file may be replaced by another of the same name. */
struct watched_files files = {};

/* Their names. The value is the length: names have at most PREFIX_BYTES. */
PREFIXES(file_names);

/* --exclude-path */
const volatile bool not_path_filter = false;
PREFIXES(not_prefixes);

/* The file behind a descriptor of the current process, or NULL. */
static __always_inline struct file *fd_file(int fd)
{
	struct task_struct *task = current_task();
	struct fdtable *fdt = READ(task, files, fdt);
	struct file **all;

	if (fd < 0 || (__u32)fd >= READ(fdt, max_fds))
		return NULL;
	all = READ(fdt, fd);
	return (void *)word_at(&all[fd]);
}

static __always_inline bool is_inode(const struct inode *inode)
{
	return inode && READ(inode, i_mapping, host) == inode;
}

/* Of a file of an overlay that one whose content it has, or NULL. struct ovl_inode of fs/overlayfs/ovl_entry.h, whose types a module
 * may define, goes on behind the inode with its dentry in the upper layer, and then with the lower one: an inode before 5.19, a
 * struct ovl_path up to 6.4, a struct ovl_entry since. */
static __always_inline struct inode *beneath(const struct inode *inode)
{
	const void *own = (const void *)inode + bpf_core_type_size(struct inode);
	struct dentry *upper = (void *)word_at(own), *dentry;
	const void *lower = (void *)word_at(own + sizeof(long));
	struct inode *found;

	if (READ(inode, i_sb, s_magic) != OVERLAYFS_SUPER_MAGIC)
		return NULL;
	if (upper)
		return READ(upper, d_inode);
	if (is_inode(lower))
		return (void *)lower;
	dentry = (void *)word_at(lower + 2 * sizeof(long));
	found = READ(dentry, d_inode);
	if (is_inode(found))
		return found;
	dentry = (void *)word_at(own + 2 * sizeof(long));
	found = READ(dentry, d_inode);
	return is_inode(found) ? found : NULL;
}

static __always_inline void identify(struct file_id *id, const struct inode *inode)
{
	id->ino = READ(inode, i_ino);
	id->dev = READ(inode, i_sb, s_dev);
	id->generation = READ(inode, i_generation);
}

/* Overlays can be stacked once: FILESYSTEM_MAX_STACK_DEPTH. */
#define LAYERS 3

/* Global: verified once. */
__noinline int is_watched(__u64 at)
{
	struct inode *inode = (void *)at;

	for (int layer = 0; layer < LAYERS && inode; layer++) {
		struct file_id id;

		identify(&id, inode);
		for (__u32 i = 0; i < 2 * FILES_MAX; i++) {
			const volatile struct file_id *f = &files.ids[i];

			if (i >= 2 * filter.files)
				break;
			if (f->ino == id.ino && f->dev == id.dev && f->generation == id.generation)
				return 1;
		}
		inode = beneath(inode);
	}
	return 0;
}

static __always_inline bool file_wanted(const struct inode *inode)
{
	return !filter.files || is_watched((__u64)inode);
}

/* Run by user space through BPF_PROG_TEST_RUN: what the kernel knows the file behind files.fd by, where stat(2) of some file systems
 * has other numbers, and what is beneath it. */
SEC("raw_tp")
int file__run(void *ctx)
{
	struct file *file = fd_file(files.fd);
	struct inode *inode = file ? READ(file, f_inode) : NULL, *under = inode ? beneath(inode) : NULL;

	__builtin_memset(files.found, 0, sizeof(files.found));
	if (inode)
		identify(&files.found[0], inode);
	if (under)
		identify(&files.found[1], under);
	return 0;
}

/* What an LPM trie has for the string `s` of the record, which is not its first byte; 0: nothing. The key has its length in the place of
 * what is before. A number, since the compiler may combine two answers, which the verifier allows no pointers. */
static __always_inline __u32 prefix_of(void *map, struct record *r, const struct ev_str *s)
{
	__u32 n = s->len, before;
	struct prefix *key = record_at(r, s->off - sizeof(key->bits));
	__u8 *found;

	before = key->bits;
	key->bits = (n < PREFIX_BYTES ? n : PREFIX_BYTES) * 8;
	found = bpf_map_lookup_elem(map, key);
	key->bits = before;
	return found ? *found : 0;
}

/* ---- What a name means where ".." leads to the directory before it: so it is unless that is a symbolic link, which only a look-up
 * tells. */
#define MEANT_BYTES 16

/* Looks at some bytes of a name, from its end: component by component, behind fold_in, what stays goes in front of r->path[r->pos].
 * fold_out: where the component ends; fold_depth: how many are to be left out. Nonzero: that was the begin. */
__noinline int mean_some(__u32 slot, __u32 from)
{
	struct record *r = bpf_map_lookup_elem(&scratch, &slot);

	if (!r)
		return 1;
	for (int i = 0; i < MEANT_BYTES; i++) {
		__u32 in = r->fold_in, n = r->fold_out - in, pos = r->pos;
		const char *component = record_at(r, in);

		if (in <= from)
			return 1;
		r->fold_in = in - 1;
		if (*(char *)record_at(r, in - 1) != '/')
			continue;
		r->fold_out = in - 1;
		if (!n || (n == 1 && component[0] == '.'))
			continue;
		if (n == 2 && component[0] == '.' && component[1] == '.') {
			r->fold_depth++;
			continue;
		}
		if (r->fold_depth) {
			r->fold_depth--;
			continue;
		}
		if (n > 255 || pos < n + 1 || pos > PATH_BYTES)
			return 1;
		pos -= n;
		bpf_probe_read_kernel(&r->path[pos & (PATH_BYTES - 1)], n & 255, component);
		pos--;
		r->path[pos & (PATH_BYTES - 1)] = '/';
		r->pos = pos;
	}
	return 0;
}

/* Leaves in r->path[r->pos .. PATH_BYTES) what the name in the record's bytes [from, end) means. Nonzero: it is too long. */
__noinline int mean(__u32 slot, __u32 from, __u32 end)
{
	struct record *r = bpf_map_lookup_elem(&scratch, &slot);

	if (!r)
		return 1;
	r->pos = PATH_BYTES;
	r->fold_in = r->fold_out = end;
	r->fold_depth = 0;
	for (int i = 0; i <= (STR_MAX + PREFIX_BYTES) / MEANT_BYTES; i++)
		if (mean_some(slot, from)) {
			if (r->pos == PATH_BYTES)
				r->path[--r->pos & (PATH_BYTES - 1)] = '/';
			return 0;
		}
	return 1;
}

/* The same as prefix_of() for what mean() has left. */
static __always_inline __u32 meant_prefix(void *map, struct record *r)
{
	__u32 pos = r->pos, n = PATH_BYTES - pos;
	struct prefix *key;
	__u8 *found;

	if (pos < sizeof(key->bits) || pos > PATH_BYTES)
		return 0;
	key = (void *)&r->path[(pos - sizeof(key->bits)) & (PATH_BYTES - 1)];
	key->bits = (n < PREFIX_BYTES ? n : PREFIX_BYTES) * 8;
	found = bpf_map_lookup_elem(map, key);
	return found ? *found : 0;
}

#endif
