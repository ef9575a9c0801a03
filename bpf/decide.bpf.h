/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Decides whether an object is asked for, before a record is claimed: with the registers and a little stack, so that there is
 * nothing that can run out. A guard must decide when the ring buffer is full and every scratch record is taken.
 *
 * Who: filtered_out() in filter.bpf.h. A destination: dest_wanted() in sock_filter.bpf.h. A file, or a name that is to be made, by
 * its dentry: here. Tracers, which append the path of what they show, call is_elsewhere() before and path_wanted() after that: to
 * walk twice would cost them some 5 % of an open that is shown.
 *
 * A path is compared from its end, as it is walked. After each component a mask says which components of the prefixes it may be,
 * if all that are behind it fit: one step shifts the mask and keeps what has this name. What is left at the root decides. */
#ifndef NEEDLE_DECIDE_BPF_H
#define NEEDLE_DECIDE_BPF_H

#include "decide.h"
#include "path.bpf.h"

enum decision {
	DECIDED_NOT,    /* nobody asked for it */
	DECIDED_WANTED, /* it is asked for */
	/* Its path has no known beginning, or it is in no mount namespace; or it is in no directory at all, such as a pipe, and a
	 * prefix is no path either: a tracer looks at the whole text by path_wanted(). */
	DECIDED_UNKNOWN,
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct path_group);
} path_groups SEC(".maps");

const volatile __u32 path_group_count = 0;

/* What match_up() returns beside the mask of LABELS bits. */
#define MATCH_MASK ((1ull << LABELS) - 1)
#define MATCH_SOME (1ull << 61)    /* there was a component */
#define MATCH_GOES_ON (1ull << 62) /* not at the mount's root yet */
#define MATCH_ORPHAN (1ull << 63)  /* a dentry without a parent, which is not the mount's root */
#define MATCH_STEPS 32

/* Whether label `i` of a group matches a component of `len` bytes at `name`, kernel memory. Global, as all that follow: verified once. */
__noinline int label_matches(__u32 index, __u32 i, __u64 name, __u32 len)
{
	struct path_group *g = bpf_map_lookup_elem(&path_groups, &index);
	struct path_label *l;
	__u32 n;

	if (!g || i >= LABELS)
		return 0;
	l = &g->labels[i];
	n = l->len;
	if (n > len || (n < len && !(g->last >> i & 1)))
		return 0;
	for (__u32 at = 0; at < LABEL_BYTES; at += 8) {
		__u64 differ;

		if (at >= n)
			break;
		differ = word_at((void *)(name + at)) ^ l->words[at / 8];
		if (differ & (n - at < 8 ? (1ull << (n - at) * 8) - 1 : ~0ull))
			return 0;
	}
	return 1;
}

/* The number of a lone bit: a multiplication moves one of 64 different sequences of six bits to the top. */
static const __u8 bit_numbers[64] = {
	0,  1,  2,  7,  3,  13, 8,  19, 4,  25, 14, 28, 9,  34, 20, 40, 5,  17, 26, 38, 15, 46,
	29, 48, 10, 31, 35, 54, 21, 50, 41, 57, 63, 6,  12, 18, 24, 27, 33, 39, 16, 37, 45, 47,
	30, 53, 49, 56, 62, 11, 23, 32, 36, 44, 52, 55, 61, 22, 43, 51, 60, 42, 59, 58,
};

/* Which of the labels in `candidates` match it. */
__noinline __u64 matching(__u32 index, __u64 candidates, __u64 name, __u32 len)
{
	__u64 found = 0;

	for (__u32 i = 0; i < LABELS; i++) {
		__u64 bit = candidates & -candidates;

		if (!bit)
			break;
		candidates &= ~bit;
		found |= bit & -(__u64)label_matches(index, bit_numbers[bit * 0x0218a392cd3d5dbf >> 58], name, len);
	}
	return found;
}

/* Walks up from `at`, in one mount, of which `root` is the root, for MATCH_STEPS components at most. `mask`: what the component
 * below matched, 0: there is none. */
__noinline __u64 match_up(__u64 at, __u64 root, __u64 mask, __u32 index)
{
	struct path_group *g = bpf_map_lookup_elem(&path_groups, &index);
	struct dentry *dentry = (void *)at, *parent;
	__u64 some = 0;

	if (!g)
		return 0;
	for (int i = 0; i < MATCH_STEPS; i++) {
		const unsigned char *name;
		__u64 rest;

		if ((__u64)dentry == root)
			return mask | some;
		parent = READ(dentry, d_parent);
		if (parent == dentry || !parent)
			return mask | MATCH_ORPHAN;
		mask = mask >> 1 | g->last;
		name = READ(dentry, d_name.name);
		mask &= g->begins[word_at(name) & 0xff];
		rest = mask & ~g->empty;
		if (rest)
			mask = (mask & g->empty) | matching(index, rest, (__u64)name, READ(dentry, d_name.len));
		dentry = parent;
		some = MATCH_SOME;
	}
	return mask | some | MATCH_GOES_ON;
}

/* The same way up, when match_up() goes on. */
__noinline __u64 higher(__u64 at)
{
	struct dentry *dentry = (void *)at;

	for (int i = 0; i < MATCH_STEPS; i++)
		dentry = READ(dentry, d_parent);
	return (__u64)dentry;
}

/* Compares the path of `dentry` in `vfsmount` with the prefixes of one group. Returns match_up()'s mask, of the path's first
 * component, with MATCH_SOME unless it is the root; or MATCH_ORPHAN or MATCH_GOES_ON: it is not known. */
#define MATCH_TURNS 128
__noinline __u64 match_path(__u64 vfsmount, __u64 at, __u32 index)
{
	struct mount *mount = mount_of((void *)vfsmount);
	__u64 root = (__u64)READ(mount, mnt.mnt_root), mask = 0;
	bool some = false;

	for (int i = 0; i < MATCH_TURNS; i++) {
		__u64 m = match_up(at, root, mask, index);
		struct mount *up;

		mask = m & MATCH_MASK;
		if (m & MATCH_ORPHAN)
			return MATCH_ORPHAN;
		some |= !!(m & MATCH_SOME);
		if (m & MATCH_GOES_ON) {
			at = higher(at);
			continue;
		}
		up = READ(mount, mnt_parent);
		if (!up || up == mount) {
			if (!is_namespace(READ(mount, mnt_ns)))
				return MATCH_GOES_ON;
			return mask | (some ? MATCH_SOME : 0);
		}
		at = (__u64)READ(mount, mnt_mountpoint);
		root = (__u64)READ(up, mnt.mnt_root);
		mount = up;
	}
	return MATCH_GOES_ON;
}

/* Whether it is in no directory, such as a pipe, and all prefixes are paths: its name has no slash in front. See path_orphan(). */
static __always_inline bool is_nameless(__u64 at)
{
	struct dentry *dentry = (void *)at;

	if ((path_begin & path_begin_mask & 0xff) != '/' || READ(dentry, d_parent) != dentry)
		return false;
	switch (READ(dentry, d_sb, s_magic)) {
	case PIPEFS_MAGIC:
	case SOCKFS_MAGIC:
	case NSFS_MAGIC:
	case PID_FS_MAGIC:
	case ANON_INODE_FS_MAGIC: return true;
	}
	return (word_at(READ(dentry, d_name.name)) & 0xff) != '/';
}

#define PATH_GROUPS 32
__noinline int decide_in_groups(__u64 vfsmount, __u64 at)
{
	enum decision best = path_filter ? DECIDED_NOT : DECIDED_WANTED;
	bool unsure = path_group_count > PATH_GROUPS;

	for (__u32 i = 0; i < PATH_GROUPS && i < path_group_count; i++) {
		__u32 index = i;
		struct path_group *g = bpf_map_lookup_elem(&path_groups, &index);
		__u64 m;

		if (!g)
			break;
		m = match_path(vfsmount, at, index);
		if (m & (MATCH_ORPHAN | MATCH_GOES_ON))
			return is_nameless(at) ? DECIDED_NOT : DECIDED_UNKNOWN;
		m = g->first & (m & MATCH_SOME ? m : g->empty); /* the path of the root directory is "/" */
		if (m & g->left_out & ~g->cut)
			return DECIDED_NOT;
		unsure |= !!(m & g->cut);
		if (m & ~g->left_out & ~g->cut) {
			best = DECIDED_WANTED;
			if (!not_path_filter)
				return best;
		}
	}
	return unsure ? DECIDED_UNKNOWN : best;
}

/* Whether --path and --exclude-path let the file `dentry` in `mnt` pass. */
static __always_inline enum decision decide_path(const struct vfsmount *mnt, const struct dentry *dentry)
{
	if (!path_filter && !not_path_filter)
		return DECIDED_WANTED;
	return decide_in_groups((__u64)mnt, (__u64)dentry);
}

/* The same, and --file. */
static __always_inline enum decision decide_file(struct file *file)
{
	if (!file_wanted(READ(file, f_inode)))
		return DECIDED_NOT;
	return decide_path(READ(file, f_path.mnt), READ(file, f_path.dentry));
}

#endif
